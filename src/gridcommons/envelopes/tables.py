"""The result tables of a window of envelopes; names and columns are a contract (docs/results.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridcommons.envelopes.at_rest import RestState
from gridcommons.envelopes.boxes import Boxes
from gridcommons.envelopes.limit_rows import LimitRows
from gridcommons.envelopes.margins import worst_margins
from gridcommons.envelopes.problem import Window
from gridcommons.envelopes.verify import TOLERANCE_PU, Checks
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.grid_tables import GridState, grid_tables
from gridcommons.model.results import Columns
from gridcommons.ports import TableSink
from gridcommons.powerflow.solution import FlowSolution

SIDES = ("p_max", "p_min")
"""Side 0 and 1 of every check."""

Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class WindowResult:
    """What was found for a window."""

    window: Window
    rest: RestState
    boxes: Boxes
    checks: Checks
    time: Times


def write_tables(result: WindowResult, sink: TableSink) -> dict[str, FlowSolution]:
    """Write all tables of a window; gives the load flows of the three scenarios."""
    sink.write("envelopes", _envelopes(result))
    sink.write("envelope_checks", _checks(result))
    unresolved = _unresolved(result)
    if len(unresolved["time"]):
        sink.write("unresolved", unresolved)
    flows = scenario_flows(result)
    for scenario, solution in flows.items():
        state = GridState(solution.vm_pu(), solution.p_from_kw(), solution.loading_percent())
        for table, columns in grid_tables(result.window.rows.network.grid, result.time, scenario, state):
            sink.write(table, columns)
    broken = _violations(result, flows["uncontrolled"])
    if len(broken["time"]):
        sink.write("violations", broken)
    return flows


def scenario_flows(result: WindowResult) -> dict[str, FlowSolution]:
    """Load flows of the plan without control and of the two corners of the boxes."""
    window, every = result.window, np.arange(result.window.steps)
    corner = np.ones((window.steps, len(window.asset)), dtype=bool)
    return {
        "uncontrolled": window.flow(window.planned_kw, every),
        "p_max": window.flow(result.boxes.corner(every, corner), every),
        "p_min": window.flow(result.boxes.corner(every, ~corner), every),
    }


def _envelopes(result: WindowResult) -> Columns:
    boxes, assets = result.boxes, len(result.window.asset)
    resolved = result.rest.max_resolved & result.rest.min_resolved
    return {
        "time": np.repeat(result.time, assets),
        "asset": np.tile(np.array(result.window.asset, dtype=object), len(result.time)),
        "p_min_kw": (boxes.rest_kw - boxes.down_kw).ravel() + 0.0,
        "p_max_kw": (boxes.rest_kw + boxes.up_kw).ravel() + 0.0,
        "resolved": np.repeat(resolved, assets),
    }


def _checks(result: WindowResult) -> Columns:
    checks, rows = result.checks, result.window.rows
    resolved = np.stack([result.rest.max_resolved, result.rest.min_resolved], axis=1)
    status = np.where(checks.certified, "certified", "tested")
    status = np.where(resolved, status, "unresolved").astype(object)
    return {
        "time": np.repeat(result.time, 2),
        "side": np.tile(np.array(SIDES, dtype=object), len(result.time)),
        "status": status.ravel(),
        "draws": np.full(2 * len(result.time), checks.tried, dtype=np.int64),
        "worst_margin": -checks.worst.ravel(),
        "element": np.array(
            [rows.name(k)[0] if k >= 0 else "" for k in checks.limit.ravel().tolist()], dtype=object
        ),
    }


def _unresolved(result: WindowResult) -> Columns:
    step, limit = np.nonzero(result.rest.broken)
    excess = result.rest.excess[step, limit]
    side = np.where(result.rest.of_max[step, limit], SIDES[0], SIDES[1]).astype(object)
    return {"time": result.time[step], "side": side, **_named(result.window.rows, step, limit, excess)}


def _violations(result: WindowResult, uncontrolled: FlowSolution) -> Columns:
    every = np.arange(result.window.steps)
    worst, limit = worst_margins(result.window.rows, uncontrolled, every)
    step, side = np.nonzero(worst > TOLERANCE_PU)
    found = limit[step, side]
    known = found >= 0
    step, found = step[known], found[known]
    return {"time": result.time[step], **_named(result.window.rows, step, found, worst[step, side[known]])}


def _named(rows: LimitRows, step: IntArray, limit: IntArray, excess: FloatArray) -> dict[str, Any]:
    names = [rows.name(int(k)) for k in limit]
    values = [rows.in_own_unit(int(k), int(s), float(e)) for k, s, e in zip(limit, step, excess, strict=True)]
    return {
        "element": np.array([name for name, _ in names], dtype=object),
        "kind": np.array([kind for _, kind in names], dtype=object),
        "value": np.array([value for value, _, _ in values]),
        "limit": np.array([bound for _, bound, _ in values]),
        "excess": np.array([over for _, _, over in values]),
    }
