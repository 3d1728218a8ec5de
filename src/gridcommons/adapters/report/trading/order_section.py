"""Orders that were refused or cut and why, and what went unserved."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.tables import Part
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.topology_section import islanded_words
from gridcommons.model.grid import IntArray

_COLUMNS = ("time", "order", "member", "side", "energy_kwh", "entered_kwh", "reason")
_LEAST_KWH = 1e-9
_MOST_ROWS = 20


def order_section(found: Material) -> Section | None:
    """Orders with a reason, and hours without supply; None where there is neither."""
    rows = found.tables.whole("orders", _COLUMNS)
    touched = np.flatnonzero(rows["reason"].astype(str) != "")
    lost = [] if found.switched is None else islanded_words(found, found.switched)
    if not len(touched) and not lost:
        return None
    body = ""
    if len(touched):
        refused = int((rows["entered_kwh"][touched] <= _LEAST_KWH).sum())
        body += html.text(
            f"Of {number(len(rows['time']))} orders, {number(refused)} were refused and "
            f"{number(len(touched) - refused)} cut before they entered the book."
        )
        body += _table(rows, touched)
    if lost:
        body += "<h3>Without the main grid</h3>" + html.bullets(lost)
    return Section("orders", "Orders refused or cut" if len(touched) else "What went unserved", body)


def _table(rows: Part, touched: IntArray) -> str:
    """Reasons by side, with how many, whose, and how much did not enter, the most first."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place in touched.tolist():
        groups.setdefault((str(rows["reason"][place]), str(rows["side"][place])), []).append(place)
    lines = []
    for (reason, side), places in groups.items():
        missing = float((rows["energy_kwh"][places] - rows["entered_kwh"][places]).sum())
        refused = int((rows["entered_kwh"][places] <= _LEAST_KWH).sum())
        line = {
            "reason": reason,
            "side": side,
            "count#": number(len(places)),
            "refused#": number(refused),
            "members#": number(len({str(rows["member"][place]) for place in places})),
            "energy#": number(missing, 1),
        }
        lines.append((-len(places), reason, side, line))
    heads = {
        "reason": "why",
        "side": "side",
        "count#": "orders",
        "refused#": "refused whole",
        "members#": "members",
        "energy#": "kept out [kWh]",
    }
    listed = [line for *_, line in sorted(lines, key=lambda each: each[:3])]
    if len(listed) <= _MOST_ROWS:
        return html.table(heads, listed)
    more = html.text(f"and {number(len(listed) - _MOST_ROWS)} more, in the table orders beside this page.")
    return html.table(heads, listed[:_MOST_ROWS]) + more
