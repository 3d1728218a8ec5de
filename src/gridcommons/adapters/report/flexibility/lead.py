"""The answer of flexibility in a few sentences: what would break, what was done, what is left, who pays."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcommons.adapters.report.figures import number, power
from gridcommons.adapters.report.flexibility.material import LOADING, Material
from gridcommons.adapters.report.flexibility.tariff_section import price_words, read_shortfalls
from gridcommons.adapters.report.html import escaped
from gridcommons.adapters.report.phrases import listed

_MOST_NAMED = 4


def lead(found: Material) -> str:
    """The lead (HTML)."""
    if "violations" not in found.summary:
        return "The result does not say what is broken."
    said = [
        _breaks(found),
        _near(found),
        _tariff(found),
        _reprofiling(found),
        _market(found),
        _left(found),
        _pays(found),
    ]
    return _unbroken(" ".join(sentence for sentence in said if sentence))


def _unbroken(words: str) -> str:
    """Figures stay on one line with their units."""
    return words.replace(" kW", "\u00a0kW").replace(" pu", "\u00a0pu")


def worst_of_each(found: Material, stage: str) -> list[tuple[str, str, Any, float]]:
    """Broken elements of a stage: name, kind, time and size at its worst, the largest first of each kind."""
    rows = found.violations
    worst: dict[tuple[str, str], tuple[str, str, Any, float]] = {}
    for place in np.flatnonzero(rows["scenario"] == stage):
        element, kind = str(rows["element"][place]), str(rows["kind"][place])
        size = float(rows["excess_kw" if kind == LOADING else "excess"][place])
        if (element, kind) not in worst or size > worst[element, kind][3]:
            worst[element, kind] = (element, kind, rows["time"][place], size)
    return sorted(worst.values(), key=lambda each: (each[1] != LOADING, -each[3], each[0]))


def _breaks(found: Material) -> str:
    worst, count = worst_of_each(found, found.stages[0]), found.summary["violations"].get(found.stages[0], 0)
    day = found.clock.window_words()
    day = f"From {day}" if "–" in day else f"On {day}"
    if not worst and not count:
        return f"{day}, plans at the spot price break no limit."
    if not worst:
        return f"{day}, plans at the spot price break <b>{number(count)}</b> limits."
    times = "once" if count == 1 else f"<b>{number(count)}</b> times"
    return f"{day}, plans at the spot price break limits {times}: {_places(found, worst)}."


def _places(found: Material, worst: list[tuple[str, str, Any, float]]) -> str:
    """Elements with hour and size."""
    said = [_place(found, *each) for each in worst[:_MOST_NAMED]]
    more = len(worst) - _MOST_NAMED
    return listed([*said, f"{number(more)} more"] if more > 0 else said)


def _place(found: Material, element: str, kind: str, time: Any, size: float) -> str:
    at = found.brief(time)
    if kind == LOADING:
        return f"{escaped(element)} by up to <b>{power(size)}</b> at {at}"
    side = "below" if kind == "vm_min_pu" else "above"
    return f"{escaped(element)} by up to <b>{number(size, 4)} pu</b> {side} its band at {at}"


def _near(found: Material) -> str:
    """Voltages that are within their band and closer to it than the market's margin."""
    rows = found.tables.whole("flexibility_needs", ("time", "element", "kind"))
    broken = {
        element
        for stage in found.stages
        for element, kind, *_ in worst_of_each(found, stage)
        if kind != LOADING
    }
    near = {str(e) for e, k in zip(rows["element"], rows["kind"], strict=True) if k != LOADING} - broken
    margin = found.setting("voltage_margin_pu")
    if not near or not margin:
        return ""
    what = "bus comes" if len(near) == 1 else "buses come"
    limits = "its voltage limit" if len(near) == 1 else "their voltage limits"
    return f"{number(len(near))} {what} within the security margin of {float(margin):g} pu of {limits}."


def _tariff(found: Material) -> str:
    if "tariff" not in found.stages:
        return ""
    summary, short = found.summary, read_shortfalls(found)
    highest = f"<b>{price_words(float(summary['highest_tariff_per_kwh']))} {escaped(found.per_kwh)}</b>"
    if short:
        places = listed(
            [f"{escaped(e)} at {found.brief(t)} lacks <b>{power(kw)}</b>" for e, t, kw in short[:2]]
        )
        first = f"No tariff can hold the limits: {places}. The published one goes up to {highest}"
    elif summary.get("tariff_cap_per_kwh") is None:
        return f"A tariff of up to {highest} holds the limits."
    else:
        plain = summary.get("highest_plain_tariff_per_kwh")
        top = "" if plain is None else f" of up to {price_words(float(plain))} {escaped(found.per_kwh)}"
        how = (
            "one that pays for re-profiling" if found.setting("tariff") == "coordinated" else "published one"
        )
        how = how if how.startswith("one") else f"the {how}"
        first = f"A tariff{top} would hold the limits; {how} goes up to {highest}"
    left = float(summary.get("tariff_leaves_kw") or 0.0)
    return f"{first} and leaves {power(left)}." if left > 0.05 else f"{first} and leaves nothing."


def _reprofiling(found: Material) -> str:
    if "reprofiling" not in found.stages:
        return ""
    energy, cost = (float(found.summary.get(f"reprofiling_{word}") or 0.0) for word in ("kwh", "cost"))
    if energy == 0.0:
        return "Re-profiling is not called."
    said = f"Re-profiling moves {number(energy, 1)} kWh for <b>{_money(found, cost)}</b>"
    missing = float(found.summary.get("reprofiling_missing_kw") or 0.0)
    return f"{said}; {power(missing)} cannot be found." if missing > 0.05 else f"{said}."


def _market(found: Material) -> str:
    if "market" not in found.stages:
        return ""
    summary = found.summary
    awards = found.tables.whole("awards", ("offer", "quantity_kw"))
    taken = len({str(name) for name in awards["offer"]})
    if not taken:
        return "The market buys nothing."
    energy = float(awards["quantity_kw"].sum()) * found.clock.step_hours
    rounds = int(summary.get("clearing_rounds") or 0)
    how = f" in {number(rounds)} rounds" if rounds else ""
    said = f"The market takes {number(taken)} of {number(int(summary.get('offers') or 0))} offers{how}: "
    cost = _money(found, summary.get("flexibility_cost"))
    said += f"{number(energy)} kWh less at the hours in need, for <b>{cost}</b>."
    short = summary.get("clearing_shortages") or []
    return f"{said} Offers are not enough for {number(len(short))} limits." if short else said


def _left(found: Material) -> str:
    last = found.stages[-1]
    count = found.summary["violations"].get(last, 0)
    if len(found.stages) == 1 or (not count and not found.summary["violations"].get(found.stages[0], 0)):
        return ""
    if not count:
        return "After that <b>no limit is broken</b>."
    worst = worst_of_each(found, last)
    return f"Left broken: <b>{number(count)}</b>" + (f", {_places(found, worst)}." if worst else ".")


def _pays(found: Material) -> str:
    """What each side is left with, where any money is moved."""
    balances = {str(party): float(amount) for party, amount in (found.summary.get("balances") or {}).items()}
    if not any(balances.values()):
        return ""
    customers = sum(amount for party, amount in balances.items() if party.startswith("customers of "))
    sides = {
        "the DSO": balances.get("DSO", 0.0),
        "fixed load": balances.get("fixed load", 0.0),
        "aggregators": sum(amount for party, amount in balances.items() if party in found.aggregators),
        "customers of aggregators": customers,
    }
    words = {"the DSO": ("gains", "pays"), "fixed load": ("gains", "pays")}
    said = [
        f"{side} {words.get(side, ('gain', 'pay'))[amount < 0.0]} {_money(found, abs(amount))}"
        for side, amount in sides.items()
        if abs(amount) >= 0.005
    ]
    return f"In the end {listed(said)}." if said else ""


def _money(found: Material, amount: Any) -> str:
    value = float(amount or 0.0)
    return f"{number(value, 0 if abs(value) >= 100 else 2)}\u00a0{escaped(found.currency)}".rstrip("\u00a0")
