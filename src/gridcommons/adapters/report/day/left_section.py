"""What breaks in each scenario, and what stays broken for which cause."""

from __future__ import annotations

from collections import Counter

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.scenario_words import (
    REALISED,
    SCENARIOS,
    limit_name,
    measure_exactly,
    scenario_name,
)
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.tables import Part, of_scenario


def left_section(found: Material) -> Section | None:
    """Limits broken by scenario, and a table of what remains; None where the result has no load flow."""
    shown = [name for name in SCENARIOS if name in _scenarios(found)]
    if not shown:
        return None
    rows = of_scenario(found.violations, REALISED)
    heads = {
        "scenario": "scenario",
        "broken#": "limits broken",
        "steps#": "intervals with any",
        "worst": "at its worst",
    }
    body = html.text(_said(found, rows))
    body += html.table(heads, [_scenario_row(found, name) for name in shown], [s == REALISED for s in shown])
    if len(rows["element"]):
        body += "<h3>What remains</h3>" + _left_table(found, rows)
    return Section("left", "What breaks, and what remains", body)


def _scenarios(found: Material) -> set[str]:
    known = {str(name) for name in found.violations["scenario"]}
    # A scenario that breaks nothing has no row there; its power tells that it was computed.
    return known | (set(found.power_kw) if "branch_loadings" in found.tables else set())


def _said(found: Material, rows: Part) -> str:
    said = (
        "Counted by element and interval, by AC load flow. The first three are forecasts or what would have "
        "been; the last is the day as it was."
    )
    counted = found.counted(REALISED)
    if not len(rows["element"]):
        return f"{said} Nothing remains broken."
    small = len(rows["element"]) - len(counted["element"])
    less = f" {times(small, 'more is', 'more are')} broken by too little to count." if small else ""
    if not len(counted["element"]):
        return f"{said} Nothing that counts remains broken.{less}"
    causes = Counter(str(cause) or "no cause is given" for cause in counted["cause"])
    named = [f"{cause} ({number(count)})" for cause, count in causes.most_common()]
    return f"{said} What remains, by cause: {listed(named)}.{less}"


def _scenario_row(found: Material, scenario: str) -> dict[str, str]:
    rows = found.counted(scenario)
    count = len(rows["element"])
    row = {
        "scenario": scenario_name(scenario),
        "broken#": number(count),
        "steps#": number(len(np.unique(rows["time"]))),
        "worst": "",
    }
    return {**row, "worst": _worst_words(found, rows)} if count else row


def _worst_words(found: Material, rows: Part) -> str:
    """The largest excess of each kind of limit, in words."""
    said = []
    for kind in dict.fromkeys(map(str, rows["kind"])):
        mine = np.flatnonzero(rows["kind"] == kind)
        worst = int(mine[np.argmax(rows["excess"][mine])])
        value, limit = (measure_exactly(float(rows[c][worst]), kind) for c in ("value", "limit"))
        at = found.clock.brief(int(found.steps_of(rows)[worst]))
        said.append(f"{rows['element'][worst]} at {value}, limit {limit}, {at}")
    return "; ".join(said)


def _left_table(found: Material, rows: Part) -> str:
    """Elements that stay broken, by limit and cause, those most often first."""
    heads = {
        "element": "bus or branch",
        "kind": "what",
        "cause": "why",
        "count#": "intervals",
        "when": "at its worst",
        "value#": "value",
        "limit#": "limit",
        "excess#": "beyond by",
    }
    groups: dict[tuple[str, str, str], list[int]] = {}
    keys = zip(*(map(str, rows[column]) for column in ("element", "kind", "cause")), strict=True)
    for place, each in enumerate(keys):
        groups.setdefault(each, []).append(place)
    ranked = sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    lines = [_left_row(found, rows, group, places) for group, places in ranked]
    return long_table(heads, lines, "violations")


def _left_row(found: Material, rows: Part, group: tuple[str, str, str], places: list[int]) -> dict[str, str]:
    element, kind, cause = group
    worst = max(places, key=lambda place: float(rows["excess"][place]))
    return {
        "element": element,
        "kind": limit_name(kind),
        "cause": cause or "–",
        "count#": number(len(places)),
        "when": found.clock.brief(int(found.steps_of(rows)[worst])),
        **{f"{c}#": measure_exactly(float(rows[c][worst]), kind) for c in ("value", "limit", "excess")},
    }
