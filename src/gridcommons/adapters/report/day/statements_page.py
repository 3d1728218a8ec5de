"""Each member's day as a page that it can read: what it used, bought, sold and gave, and what it pays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gridcommons.adapters.parquet_results import REPORT
from gridcommons.adapters.report import html
from gridcommons.adapters.report.day.material import Material, read_material
from gridcommons.adapters.report.day.moments import unbroken
from gridcommons.adapters.report.day.money_book import COMMUNITY, party_name
from gridcommons.adapters.report.day.money_charts import bill_bars
from gridcommons.adapters.report.day.scenario_words import LEAST_AMOUNT
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.flexibility.stage_words import natural
from gridcommons.adapters.report.html import Page, Section
from gridcommons.adapters.report.phrases import listed, times

_LEAST_KWH = 0.05
_ITEMS = {
    "energy": "Energy from",
    "feed-in": "Power fed in, bought by",
    "network fee": "Use of the grid, to",
    "local trades": "Traded with",
    "shared energy": "Shared with",
    "reactive power": "For holding the voltage, from",
    "dynamic tariff": "Tariff of busy hours, to",
    "tariff returned": "Tariff handed back by",
    "flexibility: discomfort and share": "For waiting when asked, from",
    "flexibility: energy compensation": "Energy that waiting cost, from",
}

Bill = dict[tuple[str, str], float]
"""What a member pays by item and counterparty, negative where it receives."""


def make_statements(folder: Path) -> Page | None:
    """The page of all statements; None where the day is not settled."""
    found = read_material(folder)
    if not found.is_settled:
        return None
    bills, names = read_bills(found), [str(name) for name in found.statements["member"]]
    order = sorted(range(len(names)), key=lambda place: natural(names[place]))
    body = html.text(_said()) + "\n".join(_statement(found, bills, place) for place in order)
    lead = (
        f"What the day was to each of {times(len(order), 'member')}, and what it would have cost alone. "
        f'<a href="{REPORT}">The report of the whole day</a>.'
    )
    kicker = f"Statements · {found.clock.window_words()}"
    return Page(found.title, kicker, lead, [], [Section("statements", "Find your name and open it", body)])


def _said() -> str:
    return (
        "“Alone” means: the same day with your own supplier, without neighbours, and with nobody planning: a "
        "car charges when it comes home. No tax is part of these amounts."
    )


def read_bills(found: Material) -> dict[str, Bill]:
    """Postings of each member, by item and counterparty."""
    rows = found.postings
    bills: dict[str, Bill] = {str(name): {} for name in found.statements["member"]}
    for party, other, item, amount in zip(
        *(rows[c] for c in ("party", "counterparty", "item", "amount")), strict=True
    ):
        if party in bills:
            key = (str(item), str(other))
            bills[party][key] = bills[party].get(key, 0.0) - float(amount)
    return bills


def _statement(found: Material, bills: Mapping[str, Bill], place: int) -> str:
    """One member: its name and what it pays; on opening, its day."""
    rows = found.statements
    name = str(rows["member"][place])
    alone, cost = float(rows["cost_alone"][place]), float(rows["cost"][place])
    head = f"<b>{html.escaped(name)}</b><span>{html.escaped(_headline(found, alone, cost))}</span>"
    said = "".join(f"<p>{html.escaped(words)}</p>" for words in sentences(found, bills[name], place))
    said += bill_bars(found, alone, cost) + _items(found, bills[name])
    return f'<details class="statement"><summary>{head}</summary>\n<div>{said}</div></details>'


def _headline(found: Material, alone: float, cost: float) -> str:
    """What is paid, and what is saved: ``pays 7.38 EUR, 0.42 EUR less than alone``."""
    verb = "pays" if cost >= 0.0 else "receives"
    return f"{verb} {found.amount(abs(cost))}, {_against(found, alone, cost)}"


def _against(found: Material, alone: float, cost: float) -> str:
    less = alone - cost
    if abs(less) < LEAST_AMOUNT:
        return "as much as alone"
    return f"{found.amount(abs(less))} {'less' if less > 0.0 else 'more'} than alone"


def sentences(found: Material, bill: Bill, place: int) -> list[str]:
    """The day of a member in plain sentences."""
    rows = found.statements
    kwh = {c: float(rows[c][place]) for c in rows if c.endswith("_kwh")}
    said = [_used(kwh), _neighbours(found, kwh, bill), _waited(found, kwh, bill), _tariff(found, bill)]
    if kwh["missing_kwh"] > _LEAST_KWH:
        said.append(f"Your car lacked {energy(kwh['missing_kwh'])} at the end of the day.")
    said.append(_stored(kwh["stored_less_kwh"]))
    said.append(_paid(found, float(rows["cost_alone"][place]), float(rows["cost"][place])))
    return [unbroken(words, found.currency) for words in said if words]


def _stored(less_kwh: float) -> str:
    """What the comparison leaves out: a fuller store at the end of the day is not money lost."""
    if abs(less_kwh) <= _LEAST_KWH:
        return ""
    word = "more" if less_kwh > 0.0 else "less"
    held = f"would have held {energy(abs(less_kwh))} {word} at the end of the day"
    return f"Alone your car, your battery and the warmth of your house {held}; the comparison leaves it out."


def _used(kwh: Mapping[str, float]) -> str:
    said = f"You drew {energy(kwh['withdrawn_kwh'])} from the grid"
    if kwh["injected_kwh"] > _LEAST_KWH:
        said += f" and fed {energy(kwh['injected_kwh'])} of your own into it"
    return f"{said}."


def _neighbours(found: Material, kwh: Mapping[str, float], bill: Bill) -> str:
    """Trades and sharing with neighbours, with what they cost or brought."""
    said = []
    for column, words in (
        ("bought_locally_kwh", "bought {} from them"),
        ("sold_locally_kwh", "sold them {}"),
    ):
        if kwh[column] > _LEAST_KWH:
            said.append(words.format(energy(kwh[column])))
    net = sum(amount for (_, other), amount in bill.items() if other == COMMUNITY)
    if not said and abs(net) < LEAST_AMOUNT:
        return "You traded and shared nothing with your neighbours."
    if not said:
        said.append("shared a little energy")
    if abs(net) < LEAST_AMOUNT:
        money = "came out even"
    else:
        money = f"{'paid' if net > 0.0 else 'earned'} {found.amount(abs(net))}"
    return f"With your neighbours: you {listed([*said, money])}."


def _waited(found: Material, kwh: Mapping[str, float], bill: Bill) -> str:
    """Flexibility given and earned."""
    earned = -sum(amount for (item, _), amount in bill.items() if item.startswith("flexibility"))
    if kwh["flexibility_kwh"] <= _LEAST_KWH and abs(earned) < LEAST_AMOUNT:
        return ""
    said = f"Your devices used {energy(kwh['flexibility_kwh'])} less when the grid was full"
    return f"{said}, which earned you {found.amount(earned)}."


def _tariff(found: Material, bill: Bill) -> str:
    paid, back = (
        sum(amount for (item, _), amount in bill.items() if item == name)
        for name in ("dynamic tariff", "tariff returned")
    )
    said = []
    if paid >= LEAST_AMOUNT:
        said.append(f"paid {found.amount(paid)} for drawing in busy hours")
    if back <= -LEAST_AMOUNT:
        said.append(f"got {found.amount(-back)} of what all paid for busy hours")
    return f"You {listed(said)}." if said else ""


def _paid(found: Material, alone: float, cost: float) -> str:
    verb = f"You paid {found.amount(cost)}" if cost >= 0.0 else f"You received {found.amount(-cost)}"
    other = f"you would have paid {found.amount(alone)}"
    other = other if alone >= 0.0 else f"you would have received {found.amount(-alone)}"
    return f"{verb} in all. Alone {other}: {_against(found, alone, cost).replace(' than alone', '')}."


def _items(found: Material, bill: Bill) -> str:
    """The bill line by line; nothing where the result has no postings."""
    if not bill:
        return ""
    heads = {"item": "for", "amount#": f"you pay{found.money_unit}"}
    lines = [
        {"item": f"{_ITEMS.get(item, item + ',')} {_other(other)}", "amount#": number(amount, 2)}
        for (item, other), amount in bill.items()
        if abs(amount) >= LEAST_AMOUNT
    ]
    total = {"item": "In all", "amount#": number(sum(bill.values()), 2)}
    return html.table(heads, [*lines, total], [False] * len(lines) + [True])


def _other(party: str) -> str:
    return "your neighbours" if party == COMMUNITY else party_name(party)
