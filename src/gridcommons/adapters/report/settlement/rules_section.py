"""National rules: which, from where, and what to look up before they are relied on."""

from __future__ import annotations

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.settlement.material import Material


def rules_section(found: Material) -> Section | None:
    """The rules in force and what is not certain of them; None where the community makes its own."""
    rules = str(found.summary.get("rules") or "")
    if not rules:
        return None
    body = html.text(f"{rules}. Source: {found.summary.get('rules_source')}.") + html.text(_applied(found))
    for key, head in (("to_verify", "To be verified"), ("not_computed", "Not computed here")):
        lines = [str(line) for line in found.summary.get(key) or []]
        if lines:
            body += f"<h3>{head}</h3>" + html.bullets(lines)
    return Section("rules", "The rules, and what to verify", body)


def _applied(found: Material) -> str:
    minutes = number(found.figure("netting_minutes"))
    fee = percent(found.figure("shared_fee_share"))
    said = (
        f"Injection and withdrawal net over {minutes} minutes; shared energy pays {fee} of the network fee."
    )
    return f"{said} Not every statement was read in the statute itself: this is no legal advice."
