"""Money: who pays whom, what each is left with, and that it adds up to nothing."""

from __future__ import annotations

from decimal import Decimal

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.money_flows import balances, draw_money, read_payments
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table

_MOST_ROWS = 60


def money_section(found: Material) -> Section | None:
    """Payments and balances; None where the result has no settlement."""
    if "settlement" not in found.tables:
        return None
    heading = "Money"
    payments = read_payments(found)
    if not payments:
        return Section("money", heading, html.nothing("Nobody pays anything."))
    body = html.text(_said(found)) + html.figure(draw_money(found, payments)) + _balance_table(found)
    lines = [
        {"payer": p.payer, "payee": p.payee, "item": p.item, "amount#": number(p.amount, 2)}
        for p in payments[:_MOST_ROWS]
    ]
    heads = {"payer": "from", "payee": "to", "item": "for", "amount#": _amount(found)}
    more = len(payments) - _MOST_ROWS
    left = (
        html.text(f"and {number(more)} more, in the table settlement beside this page.") if more > 0 else ""
    )
    body += html.folded(f"All {number(len(payments))} payments", html.table(heads, lines) + left)
    return Section("money", heading, body)


def _said(found: Material) -> str:
    rows = found.tables.whole("settlement", ("party", "amount"))
    # Postings are whole cents; as decimals they add up without rounding.
    total = sum((Decimal(f"{amount:.2f}") for amount in rows["amount"]), Decimal(0))
    sums = "All postings add up to exactly 0." if total == 0 else f"The postings add up to {total}, not to 0."
    words = {
        "market": "The DSO pays aggregators for what they deliver; they pay their customers what leaving the "
        "plan costs, the extra energy, and a share of what is left, and keep their margin.",
        "tariff": "The tariff is paid on all load of the final plan, fixed load included.",
        "reprofiling": "The DSO pays the customers that it calls.",
    }
    return " ".join([*(said for stage, said in words.items() if stage in found.stages), sums])


def _balance_table(found: Material) -> str:
    heads = {"party": "party", "in#": "receives", "out#": "pays", "net#": f"is left with{_unit(found)}"}
    lines, sums = [], [0.0, 0.0]
    for party, (received, paid) in balances(read_payments(found)).items():
        sums = [sums[0] + received, sums[1] + paid]
        lines.append(_row(party, received, paid))
    lines = [_row("all together", sums[0], sums[1]), *lines]
    return long_table(heads, lines, "settlement", [True])


def _row(party: str, received: float, paid: float) -> dict[str, str]:
    net = round(received - paid, 2) + 0.0
    return {"party": party, "in#": number(received, 2), "out#": number(paid, 2), "net#": number(net, 2)}


def _unit(found: Material) -> str:
    return f" [{found.currency}]" if found.currency else ""


def _amount(found: Material) -> str:
    return f"amount{_unit(found)}"
