"""Money: who gets it, together and alone, and for what it changes hands."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.settlement.material import Material

_LEAST_AMOUNT = 0.005


def money_section(found: Material) -> Section | None:
    """Counterparties and items; None where nobody pays anything."""
    if not found.by_item:
        return None
    said = (
        "All postings sum to exactly zero: what members pay, others get. What members save, suppliers and "
        "the grid operator do not get; what members pay each other stays among them."
    )
    body = html.text(said) + counterparty_table(found)
    return Section("money", "Who gets what", body + "<h3>For what</h3>" + item_table(found))


def counterparty_table(found: Material) -> str:
    """What suppliers and the grid operator get alone and together, and what members pay."""
    heads = {
        "who": "who",
        "alone#": f"alone{found.unit}",
        "together#": f"together{found.unit}",
        "more#": "more",
    }
    figures = {
        "suppliers get, for energy less feed-in": ("suppliers_get_alone", "suppliers_get"),
        "the grid operator gets, in fees": ("operator_gets_alone", "operator_gets"),
        "members pay": ("cost_alone", "cost"),
    }
    rows = []
    for who, names in figures.items():
        alone, together = (found.figure(name) for name in names)
        rows.append(_row(who, alone, together))
    premium = found.figure("premium")
    if np.isfinite(premium) and abs(premium) >= _LEAST_AMOUNT:
        rows.insert(2, _row("the support scheme pays, as a premium", 0.0, premium))
    return html.table(heads, rows, [False] * (len(rows) - 1) + [True])


def _row(who: str, alone: float, together: float) -> dict[str, str]:
    return {
        "who": who,
        "alone#": number(alone, 2),
        "together#": number(together, 2),
        "more#": number(together - alone, 2),
    }


def item_table(found: Material) -> str:
    """Money that changes hands by item."""
    heads = {"item": "item", "amount#": f"changes hands{found.unit}"}
    paid = sorted(found.by_item.items(), key=lambda item: -item[1])
    return html.table(heads, [{"item": item, "amount#": number(amount, 2)} for item, amount in paid])
