"""Two results of control side by side: what was asked otherwise, and what came out otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gridcommons.adapters.report import html
from gridcommons.adapters.report.control.comparison_bars import draw_paired_bars, draw_paired_spreads, signed
from gridcommons.adapters.report.control.comparison_pair import Pair
from gridcommons.adapters.report.control.counts import DIRECTIONS
from gridcommons.adapters.report.control.household_book import Felt
from gridcommons.adapters.report.control.material import Material, read_material
from gridcommons.adapters.report.control.scenario_words import measure_names, scenario_name, stress_name
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.html import Page, Section, Tile, escaped
from gridcommons.adapters.report.origin import provenance_table
from gridcommons.adapters.report.phrases import listed
from gridcommons.adapters.report.style import style

_MOST_NAMED = 4
_NOT_COMPARED = ("settings", "versions", "notes", "task")


def make_page(folder: Path, other: Path) -> Page:
    """The page that compares two results of the task ``control``."""
    names = (folder.absolute().name, other.absolute().name)
    names = names if names[0] != names[1] else ("first", "second")
    pair = Pair(names, (read_material(folder), read_material(other)))
    with style():
        sections = [make(pair) for make in _SECTIONS]
    title = f"{names[0]} and {names[1]}, side by side"
    studies = dict.fromkeys(str(r.provenance.get("study", "")) for r in pair.result)
    kicker = f"Control behind the meter · {' / '.join(study for study in studies if study)}"
    return Page(title, kicker, lead(pair), _tiles(pair), sections)


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What two provenances have otherwise: what, and both values; a key that one lacks is a dash."""
    found = []
    for key in dict.fromkeys([*first, *second]):
        if key not in _NOT_COMPARED:
            found.append((key.replace("_", " "), first.get(key), second.get(key)))
    for part, words in (("settings", ""), ("versions", "version of ")):
        ours, theirs = first.get(part) or {}, second.get(part) or {}
        found += [
            (f"{words}{key}", ours.get(key), theirs.get(key)) for key in dict.fromkeys([*ours, *theirs])
        ]
    return [(what, _plain(a), _plain(b)) for what, a, b in found if a != b]


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_plain(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value) or "none"
    return str(value)


def lead(pair: Pair) -> str:
    """What differs, what that does to the violations, and whether the order of the controls stands (HTML)."""
    said = [_asked(pair)]
    if not pair.scenarios or not pair.stresses:
        said.append("They have no scenario or no level of stress in common, so no count can be compared.")
        return " ".join(said)
    said += [_counted(pair), _ranked(pair), _felt(pair)]
    return " ".join(sentence for sentence in said if sentence)


def _asked(pair: Pair) -> str:
    first, second = (r.provenance for r in pair.result)
    what = [name for name, _, _ in differences(first, second)]
    if not what:
        return "Both were asked the same of the same inputs."
    shown = ["inputs" if name == "inputs sha256" else escaped(name) for name in what]
    if len(shown) > _MOST_NAMED:
        shown = [*shown[:_MOST_NAMED], f"{len(shown) - _MOST_NAMED} more"]
    names = listed(shown)
    return f"<b>{escaped(pair.name[0])}</b> and <b>{escaped(pair.name[1])}</b> differ in {names}."


def _counted(pair: Pair) -> str:
    """The scenario whose count moved most, by direction."""
    said = []
    for direction in DIRECTIONS:
        moves = {s: pair.at(s, direction)[1] - pair.at(s, direction)[0] for s in pair.scenarios}
        most = max(pair.scenarios, key=lambda s: abs(moves[s]))
        words = direction.replace("_", "-")
        if not moves[most]:
            said.append(f"the {words} violations of all scenarios are the same")
            continue
        before, after = pair.at(most, direction)
        said.append(
            f"the {words} violations move most in {escaped(scenario_name(most))}, "
            f"from <b>{number(before)}</b> to <b>{number(after)}</b>"
        )
    return f"At stress {escaped(stress_name(pair.focus))} {'; '.join(said)}."


def _ranked(pair: Pair) -> str:
    """Whether the same control is the strongest, and what it leaves."""
    best = [r.counts.strongest for r in pair.result]
    if not all(best):
        return ""
    left = [number(r.counts.at(s, "load", pair.focus)) for r, s in zip(pair.result, best, strict=True)]
    names = [escaped(measure_names(s)) for s in best]
    if best[0] == best[1]:
        return (
            f"{names[0]} is the strongest control in both; it leaves {left[0]} and {left[1]} load violations."
        )
    return (
        f"The strongest control is not the same: {names[0]} ({left[0]} load violations left) "
        f"and {names[1]} ({left[1]})."
    )


def _felt(pair: Pair) -> str:
    scenario = pair.result[0].counts.strongest or pair.scenarios[-1]
    felt = [r.book.felt(scenario, pair.focus) for r in pair.result]
    count = [r.summary.get("households") for r in pair.result]
    if felt[0] is None or felt[1] is None or count[0] != count[1]:
        return ""
    if not math.isfinite(felt[0].cost + felt[1].cost) or not felt[0].cost:
        return ""
    change = felt[1].cost / felt[0].cost - 1.0
    name = escaped(scenario_name(scenario))
    if abs(change) < 5e-4:
        return f"With {name} the households pay as much in both."
    more = "more" if change > 0.0 else "less"
    return (
        f"With {name} the households pay {percent(abs(change), 1)} {more} in {escaped(pair.name[1])} "
        f"than in {escaped(pair.name[0])}."
    )


def _tiles(pair: Pair) -> list[Tile]:
    tiles = []
    figures: dict[str, Callable[[Material], str]] = {
        "Households": lambda r: number(r.summary.get("households", math.nan)),
        "Intervals": lambda r: number(r.runs.clock.steps),
        "Limit of the station": lambda r: _limit(r, pair.focus),
        "Strongest control": lambda r: measure_names(r.counts.strongest) if r.counts.strongest else "none",
    }
    for words, figure in figures.items():
        shown = [figure(result) for result in pair.result]
        same = shown[0] == shown[1]
        value = shown[0] if same else " → ".join(shown).replace(" kW →", " →")
        tiles.append(Tile(words, value, "in both" if same else "first → second"))
    return tiles


def _limit(found: Material, stress: str) -> str:
    limit = found.counts.limits_kw.get(stress)
    return "–" if limit is None else f"{number(limit)} kW"


def _difference_section(pair: Pair) -> Section:
    heading = "What was asked otherwise"
    found = differences(*(r.provenance for r in pair.result))
    if not found:
        nothing = html.nothing("Nothing: settings, inputs and versions are equal.")
        return Section("differences", heading, nothing)
    heads = {"what": "what", "first": pair.name[0], "second": pair.name[1]}
    rows = [{"what": what, "first": first, "second": second} for what, first, second in found]
    return Section("differences", heading, html.table(heads, rows))


def _count_section(pair: Pair) -> Section:
    heading = "Violations side by side"
    if not pair.scenarios or not pair.stresses:
        return Section("counts", heading, html.nothing("No scenario or level of stress is in both."))
    said = (
        "Intervals beyond the limit of the station: upper bar the first result, lower and paler bar the "
        "second; beside the bars both counts and the difference."
    ) + _only_one(pair)
    body = html.text(said) + html.figure(draw_paired_bars(pair)) + _count_table(pair)
    return Section("counts", heading, body)


def _only_one(pair: Pair) -> str:
    """Scenarios that only one result has."""
    said = ""
    for name, result in zip(pair.name, pair.result, strict=True):
        names = [scenario_name(s) for s in result.counts.scenarios if s not in pair.scenarios]
        said += f" Only in {name}: {listed(names)}." if names else ""
    return said


def _count_table(pair: Pair) -> str:
    heads = {"scenario": "scenario", "direction": "direction"}
    heads |= {f"{x}#": f"{stress_name(x)}: first → second" for x in pair.stresses}
    rows = []
    for scenario in pair.scenarios:
        for direction in DIRECTIONS:
            row = {"scenario": scenario_name(scenario), "direction": direction.replace("_", "-")}
            for stress in pair.stresses:
                first, second = pair.at(scenario, direction, stress)
                row[f"{stress}#"] = f"{number(first)} → {number(second)} ({signed(second - first)})"
            rows.append(row)
    return html.table(heads, rows)


def _household_section(pair: Pair) -> Section:
    heading = "Households side by side"
    rows = list(_household_rows(pair))
    if not rows or not pair.focus:
        return Section("households", heading, html.nothing("They share no scenario of households."))
    heads = {
        "scenario": "scenario",
        "cost#": "cost, all together",
        "own#": "self-consumption",
        "delay#": "cars later, median [h]",
        "cold#": "households without some heat",
    }
    said = (
        f"At stress {stress_name(pair.focus)}, first result and second. Dots are medians over the "
        "households, thick lines their middle half, thin ones the middle 80 %."
    )
    body = html.text(said) + html.figure(draw_paired_spreads(pair)) + html.table(heads, rows)
    return Section("households", heading, body)


def _household_rows(pair: Pair) -> Iterator[dict[str, str]]:
    figures: dict[str, Callable[[Felt], str]] = {
        "cost#": lambda felt: number(felt.cost),
        "own#": lambda felt: percent(felt.self_consumption_share, 1),
        "delay#": lambda felt: number(felt.charging_delay_hours, 1),
        "cold#": lambda felt: number(felt.households_unserved),
    }
    for scenario in pair.scenarios:
        first, second = (r.book.felt(scenario, pair.focus) for r in pair.result)
        if first is None or second is None:
            continue
        row = {"scenario": scenario_name(scenario)}
        row |= {key: f"{figure(first)} → {figure(second)}" for key, figure in figures.items()}
        yield row


def _origin_section(pair: Pair) -> Section:
    body = ""
    for name, result in zip(pair.name, pair.result, strict=True):
        body += f"<h3>{escaped(name)}</h3>" + provenance_table(result.provenance)
    body += "<h3>Write this page again</h3>" + html.code("gridcommons report OUT OTHER")
    body += html.text("OUT is the folder of this page, OTHER that of the second result.")
    return Section("origin", "Where they come from", body)


_SECTIONS = (_difference_section, _count_section, _household_section, _origin_section)
