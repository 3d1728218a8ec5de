"""Money: what the day costs together and alone, who earns what, what each member saves, and who pays more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from gridcommons.adapters.parquet_results import STATEMENTS
from gridcommons.adapters.report import html
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.money_book import (
    BILL_ITEMS,
    HEAT,
    MEMBERS,
    NEIGHBOUR_ITEMS,
    Flow,
    Savings,
    balances,
    paid_by_item,
    party_name,
    read_flows,
    read_savings,
)
from gridcommons.adapters.report.day.money_charts import bill_bars, draw_flows, draw_savings
from gridcommons.adapters.report.day.scenario_words import MARKET, REACTIVE, ROUNDING, TRADING
from gridcommons.adapters.report.day.wide_and_narrow import both
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.phrases import listed, times

_STAGES = {
    MARKET: "on the flexibility market",
    REACTIVE: "on the reactive power market",
    TRADING: "in local trading",
}
_MANY = 20
"""Members from which a tenth of them means something."""


def money_section(found: Material) -> Section | None:
    """Bills, payments and savings; None where the day is not settled."""
    if not found.is_settled:
        return None
    savings, flows = read_savings(found), read_flows(found)
    body = html.text(_said(found, savings)) + _pair(found, savings)
    link = f'<a href="{STATEMENTS}">the statement of each member</a>'
    body += f"<p>Each member can read its own day in plain words: {link}.</p>"
    groups = [
        ("Bills", [flow for flow in flows if flow.item in BILL_ITEMS]),
        ("What instruments and neighbours move", [flow for flow in flows if flow.item not in BILL_ITEMS]),
    ]
    groups = [(head, mine) for head, mine in groups if mine]
    if groups:
        body += "<h3>Who earns what</h3>"
        body += html.text(_waiting(flows))
        body += both(lambda width, prefix: draw_flows(found, groups, width, prefix))
        body += _balance_table(found)
    body += "<h3>What each member saves</h3>" + html.text(_spread(found, savings))
    body += both(lambda width, prefix: draw_savings(found, savings, width, prefix))
    body += _dearer(found, savings)
    return Section("money", "Who earns and pays what", body)


def _said(found: Material, savings: Savings) -> str:
    alone, together = float(savings.alone.sum()), float(savings.together.sum())
    less = alone - together
    words = f"{found.whole_amount(abs(less))} {'more' if less >= 0.0 else 'less'}"
    heated = ""
    if has_communities(found):
        heated = (
            " Heat and fuel of a community are in both where it is a member itself, else on its own account."
        )
    return (
        f"{times(len(savings.member), 'member')} pay {found.whole_amount(together)} for the day. Each by "
        f"itself with its supplier, and nobody planning, they would pay {found.whole_amount(alone)}: {words}."
        f"{heated}"
    )


def has_communities(found: Material) -> bool:
    """Whether communities plan heat and power: they sell reactive power, or plan anew."""
    return REACTIVE in found.instruments or bool(found.did("communities_replanned").any())


def _pair(found: Material, savings: Savings) -> str:
    alone, together = float(savings.alone.sum()), float(savings.together.sum())
    return f'<div class="statement">{bill_bars(found, alone, together)}</div>'


def _waiting(flows: Sequence[Flow]) -> str:
    """What aggregators hand on, where they do."""
    said = "Who pays whom for what; members are taken together."
    if any(flow.item.startswith("flexibility: ") for flow in flows):
        said += (
            " Aggregators hand on part of what the grid operator pays them: for waiting (the discomfort, and "
            "a share of what is left) and for the energy that waiting costs."
        )
    return said


def _balance_table(found: Material) -> str:
    unit = found.money_unit
    heads = {"party": "party", "in#": "receives", "out#": "pays", "net#": f"is left with{unit}"}
    count = len(found.statements["member"])
    lines = []
    for party, received, paid in balances(found):
        name = f"{times(count, 'member')} together" if party == MEMBERS else party_name(party)
        figures = {"in#": received, "out#": paid, "net#": round(received - paid, 2)}
        lines.append({"party": name, **{key: number(value, 2) for key, value in figures.items()}})
    said = f"{_sum_words(found)} {commitment_words(found)}"
    return html.text(said.strip()) + html.table(heads, lines)


def _sum_words(found: Material) -> str:
    # Postings are whole cents; as decimals they add up without rounding.
    total = sum((Decimal(f"{amount:.2f}") for amount in found.postings["amount"]), Decimal(0))
    if total == 0:
        return "All postings of the day add up to exactly 0."
    return f"The postings add up to {total}, not to 0."


def commitment_words(found: Material) -> str:
    """How many commitments of which stage stand in the account; nothing where there are none."""
    rows = found.commitments
    stage = dict(zip(map(str, rows["reference"]), map(str, rows["stage"]), strict=True))
    if not stage:
        return ""
    named = [
        f"{times(count, 'commitment') if not place else number(count)} {_STAGES.get(name, name)}"
        for place, (name, count) in enumerate(Counter(stage.values()).items())
    ]
    entries = Counter(zip(map(str, rows["reference"]), rows["time"].tolist(), strict=True))
    twice = sum(count > 1 for count in entries.values())
    end = f"{times(twice, 'entry stands', 'entries stand')} there twice" if twice else "each is settled once"
    return f"In the account of the day stand {listed(named)}; {end}."


def _spread(found: Material, savings: Savings) -> str:
    saved = savings.saved
    most, gains = int(np.argmax(saved)), int((saved > ROUNDING).sum())
    half = float(np.median(saved))
    if not gains:
        return f"None of {times(len(saved), 'member')} pays less than alone."
    halves = f"half of all save {found.amount(half)} or more, " if half > ROUNDING else ""
    verb = "pays" if gains == 1 else "pay"
    said = (
        f"{number(gains)} of {times(len(saved), 'member')} {verb} less than alone; "
        f"{halves}{savings.member[most]} saves most: {found.amount(float(saved[most]))}."
    )
    best = np.sort(saved)[::-1]
    total, tenth = float(saved.sum()), max(len(saved) // 10, 1)
    if total > ROUNDING and len(saved) >= _MANY:
        share = float(best[:tenth].sum()) / total
        said += f" The tenth that saves most has {percent(min(share, 1.0))} of all that is saved."
    return said


def _dearer(found: Material, savings: Savings) -> str:
    """Who pays more, and why."""
    places = savings.dearer
    if not places:
        return html.text("Nobody pays more than alone.")
    heads = {
        "member": "pays more",
        "more#": f"more{found.money_unit}",
        "alone#": "alone",
        "cost#": "together",
        "why": "why",
    }
    lines = [_dearer_row(found, savings, place) for place in places]
    said = f"{times(len(places), 'member pays', 'members pay')} more than alone."
    return html.text(said) + long_table(heads, lines, "statements")


def _dearer_row(found: Material, savings: Savings, place: int) -> dict[str, str]:
    name = savings.member[place]
    return {
        "member": name,
        "more#": number(float(-savings.saved[place]), 2),
        "alone#": number(float(savings.alone[place]), 2),
        "cost#": number(float(savings.together[place]), 2),
        "why": why_dearer(found, name),
    }


def why_dearer(found: Material, member: str) -> str:
    """Why a bill is higher than alone: what comes on top of energy and fees, else energy of other hours.

    Alone and together energy and fees have the same prices, so that a bill of these alone differs by when,
    and how much, is drawn; what comes from neighbours is no dearer.
    """
    items = paid_by_item(found, member)
    tariff = items.pop("dynamic tariff", 0.0) + items.pop("tariff returned", 0.0)
    said = [f"{number(tariff, 2)} of the tariff do not come back"] if tariff > ROUNDING else []
    said += [
        f"{item} {number(amount, 2)}"
        for item, amount in items.items()
        if item not in (*BILL_ITEMS, *NEIGHBOUR_ITEMS) and amount > ROUNDING
    ]
    if not said and HEAT in items and found.did("communities_replanned").any():
        return "its community kept to what it had sold the day before, when the forecast was off"
    return "; ".join(said) or "its devices drew more, or at dearer hours, than alone"
