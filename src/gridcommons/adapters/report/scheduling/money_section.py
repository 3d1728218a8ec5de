"""Money: what each community pays by item, before and after, and what it sold."""

from __future__ import annotations

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.scheduling.bill_book import BillBook, read_bills
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.money_chart import draw_bills
from gridcommons.adapters.report.scheduling.names_and_colours import item_name
from gridcommons.model.grid import FloatArray

_MOST_DRAWN = 16


def money_section(found: Material) -> Section | None:
    """Bars and tables; None where the result has no costs."""
    bills = read_bills(found)
    if bills is None:
        return None
    is_sold = len(found.called) > 0
    drawn = _first(bills)
    said = "What each community pays over the whole window; left of 0 it is paid."
    if is_sold:
        said += (
            " An inverter or turbine that gives reactive power has less room for active power: that is the "
            "power given up, at the price of electricity."
        )
    if is_sold and "imbalance" in bills.items:
        said += " Leaving the active power of a schedule, which is sold already, has a price as well."
    if len(drawn.communities) < len(bills.communities):
        said += f" The first {number(_MOST_DRAWN)} of {number(len(bills.communities))} communities are drawn."
    body = (
        html.text(said) + html.figure(draw_bills(found, drawn, is_sold)) + total_table(found, bills, is_sold)
    )
    body += html.folded("Item by item", item_table(found, bills, is_sold))
    return Section("money", "What each community pays", body)


def _first(bills: BillBook) -> BillBook:
    most = slice(_MOST_DRAWN)
    return BillBook(bills.communities[most], bills.items, bills.amount[:, most], bills.received[most])


def total_table(found: Material, bills: BillBook, is_sold: bool) -> str:
    """What each pays before and after, gets, and is better off by; and all together."""
    unit = found.money_unit
    if not is_sold:
        heads = {"name": "community", "after#": f"pays{unit}"}
    else:
        heads = {
            "name": "community",
            "before#": f"pays before{unit}",
            "after#": f"pays after{unit}",
            "gets#": f"gets for reactive power{unit}",
            "end#": f"pays in the end{unit}",
            "saved#": f"better off by{unit}",
        }
    columns = (bills.total[0], bills.total[1], bills.received)
    rows = [(name, *each) for name, *each in zip(bills.communities, *columns, strict=True)]
    rows = [("all together", *(float(column.sum()) for column in columns)), *rows]
    lines = [
        {
            "name": str(name),
            "before#": number(before, 2),
            "after#": number(after, 2),
            "gets#": number(gets, 2),
            "end#": number(after - gets, 2),
            "saved#": number(before - after + gets, 2),
        }
        for name, before, after, gets in rows
    ]
    return long_table(heads, lines, "community_costs", [True])


def item_table(found: Material, bills: BillBook, is_sold: bool) -> str:
    """Each item of each community before and after."""
    unit = found.money_unit
    heads = {"name": "community", "item": "for", "before#": f"before{unit}", "after#": f"after{unit}"}
    heads |= {"more#": f"more{unit}"}
    if not is_sold:
        heads = {"name": "community", "item": "for", "after#": f"pays{unit}"}
    lines = []
    for place, name in enumerate(bills.communities):
        for column, item in enumerate(bills.items):
            before, after = _pair(bills.amount[:, place, column])
            line = {"name": name, "item": item_name(item), "more#": number(after - before, 2)}
            lines.append(line | {"before#": number(before, 2), "after#": number(after, 2)})
    table = html.table(heads, lines[:80])
    hidden = len(lines) - 80
    more = f"and {number(hidden)} more, in the table community_costs beside this page."
    return table + (html.text(more) if hidden > 0 else "")


def _pair(values: FloatArray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
