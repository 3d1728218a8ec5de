"""The grid behind the station: the interval of the highest load, and where it comes nearest to its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.control.counts import Counts
from gridcommons.adapters.report.control.scenario_words import scenario_name, short_name
from gridcommons.adapters.report.control.station import ANY_STRESS, Runs
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.grid import GridPicture, LimitBook, Snapshot, snapshot_where
from gridcommons.adapters.report.map import draw_maps
from gridcommons.adapters.report.strips import limit_words
from gridcommons.adapters.report.style import Chart
from gridcommons.adapters.report.tables import Part, ResultTables
from gridcommons.model.grid import FloatArray

_KINDS = ("vm_min_pu", "vm_max_pu", "loading_max_percent")
_MOST_ELEMENTS = 4
_COLUMNS = ("scenario", "stress", "element", "kind", "value", "limit", "time", "intervals")


def draw_grid(
    tables: ResultTables, runs: Runs, counts: Counts, grid: GridPicture, limits: LimitBook
) -> Chart | None:
    """Maps of the first scenario shown and of the strongest control, at their highest station load."""
    chosen = [s for s in dict.fromkeys((counts.shown()[0], counts.strongest)) if s]
    rows = tables.whole("bus_voltages", ("scenario", "stress", "time"))
    snapshots: dict[str, Snapshot] = {}
    for scenario in chosen:
        for stress in (counts.focus, ANY_STRESS):
            mine = np.flatnonzero((rows["scenario"] == scenario) & (rows["stress"] == stress))
            if len(mine):
                step = int(runs.clock.step_of(rows["time"][mine[:1]])[0])
                equal = {"scenario": scenario, "stress": stress}
                snapshots[scenario_name(scenario)] = snapshot_where(tables, grid, limits, step, equal)
    if not snapshots:
        return None
    return draw_maps(grid, limits, runs.clock, snapshots, "highest station load")


def extremes_table(tables: ResultTables, runs: Runs, counts: Counts, summary: Mapping[str, Any]) -> str:
    """Lowest and highest voltage and highest loading of each scenario, and how often limits were broken."""
    rows = tables.whole("grid_extremes", _COLUMNS)
    heads = {
        "scenario": "scenario",
        "vm_min_pu#": "lowest voltage",
        "vm_max_pu#": "highest voltage",
        "loading_max_percent#": "highest loading",
        "where": "of branch",
        "broken#": "intervals outside limits",
        "bound#": "a limit bound the dispatch",
    }
    lines = []
    for scenario in counts.scenarios:
        mine = _of(rows, scenario, counts.focus)
        line = {"scenario": short_name(scenario), "where": ""}
        for kind in _KINDS:
            which = np.flatnonzero(mine & (rows["kind"] == kind))
            line[f"{kind}#"] = "–"
            if len(which):
                values = rows["value"][which]
                worst = which[int(np.argmin(values) if kind == "vm_min_pu" else np.argmax(values))]
                line[f"{kind}#"] = _value(rows["value"][worst], kind)
                line["where"] = str(rows["element"][worst])
        line["broken#"] = _figure(summary.get("grid_violations"), scenario, counts.focus)
        line["bound#"] = _figure(summary.get("binding_intervals"), scenario, counts.focus)
        lines.append(line)
    return html.table(heads, lines)


def nearest_table(tables: ResultTables, runs: Runs, counts: Counts) -> str:
    """Of each kind of limit the elements nearest to it, or farthest beyond it, in any scenario."""
    rows = tables.whole("grid_extremes", _COLUMNS)
    heads = {
        "element": "bus or branch",
        "kind": "what threatens",
        "value#": "at its worst",
        "limit#": "limit",
        "intervals#": "intervals beyond",
        "scenario": "in",
        "when": "at",
    }
    lines = []
    for kind in _KINDS:
        for place in _nearest(rows, kind, counts):
            lines.append(
                {
                    "element": str(rows["element"][place]),
                    "kind": limit_words(kind),
                    "value#": _value(rows["value"][place], kind),
                    "limit#": _value(rows["limit"][place], kind),
                    "intervals#": number(rows["intervals"][place]),
                    "scenario": scenario_name(str(rows["scenario"][place])),
                    "when": runs.clock.brief(int(runs.clock.step_of(rows["time"][place : place + 1])[0])),
                }
            )
    return html.table(heads, lines) if lines else html.nothing("The result holds no extremes.")


def binding_words(summary: Mapping[str, Any]) -> str:
    """How often the dispatch was bound by a limit of lines and transformers."""
    share = float(summary.get("binding_share") or 0.0)
    if share == 0.0:
        return "No limit of a line or transformer ever bound the dispatch."
    return f"A limit bound the dispatch in {percent(share, 1)} of the intervals of all scenarios."


def _nearest(rows: Part, kind: str, counts: Counts) -> list[int]:
    which = np.flatnonzero((rows["kind"] == kind) & _in_focus(rows, counts.focus))
    distance: FloatArray = (rows["value"][which] - rows["limit"][which]) / rows["limit"][which]
    distance = -distance if kind == "vm_min_pu" else distance
    order = which[np.lexsort((rows["element"][which].astype(str), -distance))]
    # Of each element its worst scenario alone.
    first: dict[str, int] = {}
    for place in order.tolist():
        first.setdefault(str(rows["element"][place]), place)
    return list(first.values())[:_MOST_ELEMENTS]


def _in_focus(rows: Part, stress: str) -> Any:
    return (rows["stress"] == stress) | (rows["stress"] == ANY_STRESS)


def _of(rows: Part, scenario: str, stress: str) -> Any:
    return (rows["scenario"] == scenario) & _in_focus(rows, stress)


def _value(value: float, kind: str) -> str:
    return number(float(value), 1) + " %" if kind.endswith("percent") else number(float(value), 3) + " pu"


def _figure(by_scenario: Any, scenario: str, stress: str) -> str:
    """A figure of the summary, which stands by stress below the scenario where it depends on that."""
    found = (by_scenario or {}).get(scenario)
    if isinstance(found, Mapping):
        found = found.get(stress)
    return number(float("nan") if found is None else found)
