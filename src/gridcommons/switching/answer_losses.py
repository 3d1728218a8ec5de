"""The answer to ``objective = "losses"``: one radial topology, what it saves, and a safe way there."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, Grid
from gridcommons.model.limits import Limits
from gridcommons.model.results import Columns, LazyTables, Result, text_column
from gridcommons.model.study import Study
from gridcommons.model.switches import Switch, positions, with_positions
from gridcommons.model.topology import bus_nodes, is_radial, supplied_buses
from gridcommons.ports import Engines
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections
from gridcommons.powerflow.switched_flows import connect
from gridcommons.switching.feeder import Feeder, make_feeder
from gridcommons.switching.least_losses import LeastLosses, LossSettings, least_losses
from gridcommons.switching.sequence import Rules, SwitchingSequence, plan_sequence
from gridcommons.switching.settings import Settings
from gridcommons.switching.technical import Operation, drawing_buses, find_violations

BEFORE, AFTER = "before", "after"

EXACT_MOVES, WIDTH = 6, 4
"""How widely an order of operations is looked for: a feeder of a hundred buses asks for twenty of them."""


@dataclass(frozen=True, eq=False)
class _Loads:
    """Net power by bus, shape (steps, buses) [kW], [kvar], and how many hours each step stands for."""

    p_kw: FloatArray
    q_kvar: FloatArray
    step_hours: float


@dataclass(frozen=True, eq=False)
class _Found:
    """What was found: topology, flows before and after by step, operations."""

    switches: tuple[Switch, ...]
    feeder: Feeder
    best: LeastLosses
    start: BoolArray
    before: FlowSolution | None
    after: FlowSolution
    sequence: SwitchingSequence


def answer_losses(study: Study, settings: Settings, engines: Engines) -> Result:
    """The radial topology of least losses over the window; see ``run``."""
    if study.grid.is_three_phase:
        expected = "a balanced grid: least losses are looked for in one phase that stands for three"
        problem = Problem("study.toml", "losses of a three-phase grid", expected, table="tasks.switching")
        raise StudyError([problem])
    switches = study.switches or _every_line(study.grid)
    loads = _loads(study)
    limits = study.limits if settings.limits == "hold" else None
    feeder = make_feeder(study.grid, switches, loads.p_kw, loads.q_kvar, loads.step_hours, limits)
    method = "auto" if settings.method == "optimal" else settings.method
    with engines.progress("topologies", None) as told:
        wanted = LossSettings(method=method, bound_seconds=settings.bound_seconds)
        best = least_losses(feeder, np.random.default_rng(study.seed), wanted)
        told(best.evaluated)
    found = _found(study, engines, switches, (feeder, best))
    _write(study, engines, found)
    return Result("switching", LazyTables(engines.sink.readers()), _summary(study, settings, found), {})


def _every_line(grid: Grid) -> tuple[Switch, ...]:
    """A switch in every line, where the study names none, and in what closes a loop without any line."""
    branches = grid.branches
    node = bus_nodes(grid)
    # All sources are one: a way from one to another is a loop, too.
    parent = (
        {int(k): int(k) for k in np.unique(node)}
        | dict.fromkeys(node[grid.sources.bus].tolist(), -1)
        | {-1: -1}
    )

    def root(at: int) -> int:
        while parent[at] != at:
            at = parent[at]
        return at

    switches = []
    for row, kind in enumerate(branches.kind):
        ends = [root(int(node[bus[row]])) for bus in (branches.from_bus, branches.to_bus)]
        if kind == "line" or (branches.in_service[row] and ends[0] == ends[1]):
            switches.append(Switch(branches.name[row], (row,), bool(branches.in_service[row])))
        elif branches.in_service[row]:
            parent[max(ends)] = min(ends)
    return tuple(switches)


def _loads(study: Study) -> _Loads:
    """Loads by bus; steps that are all alike, or alike equally often, stand for each other."""
    connected, steps = connect(study), study.time.steps
    p_kw, q_kvar = np.zeros((2, steps, len(study.grid.buses)))
    np.add.at(p_kw.T, connected.bus, connected.p_kw.T)
    np.add.at(q_kvar.T, connected.bus, connected.q_kvar.T)
    both = np.concatenate([p_kw, q_kvar], axis=1)
    _, first, times = np.unique(both, axis=0, return_index=True, return_counts=True)
    if len(np.unique(times)) > 1 or _change_in_time(study.limits):
        return _Loads(p_kw, q_kvar, study.time.step_hours)
    kept = np.sort(first)
    return _Loads(p_kw[kept], q_kvar[kept], study.time.step_hours * int(times[0]))


def _change_in_time(limits: Limits) -> bool:
    return any(len(getattr(limits, column.name)) > 1 for column in fields(limits))


def _found(
    study: Study, engines: Engines, switches: tuple[Switch, ...], what: tuple[Feeder, LeastLosses]
) -> _Found:
    feeder, best = what
    start = positions(switches)
    connected = connect(study)
    grids = [with_positions(study.grid, switches, closed) for closed in (start, best.closed)]
    flows: list[FlowSolution | None] = []
    for grid in grids:
        supplied = supplied_buses(grid)[connected.bus]
        injections = Injections(
            connected.bus[supplied], connected.p_kw[:, supplied], connected.q_kvar[:, supplied]
        )
        flow = solve_power_flow(build_network(grid), injections, method=engines.method)
        flows.append(flow if flow.solved.all() else None)
    after = flows[1]
    assert after is not None, "least_losses has solved every step"
    heaviest = int(np.argmax(after.losses_kw()))
    at_peak = Injections(connected.bus, connected.p_kw[[heaviest]], connected.q_kvar[[heaviest]])
    operation = Operation(study.grid, switches, study.limits.window(heaviest, heaviest + 1), at_peak)
    sequence = plan_sequence(operation, start, best.closed, Rules(exact_moves_max=EXACT_MOVES, width=WIDTH))
    return _Found(switches, feeder, best, start, flows[0], after, sequence)


def _write(study: Study, engines: Engines, found: _Found) -> None:
    for name, columns in _tables(study, found).items():
        if len(next(iter(columns.values()))):
            engines.sink.write(name, columns)


def _tables(study: Study, found: _Found) -> dict[str, Columns]:
    time, names = study.time.stamps(), [switch.name for switch in found.switches]
    tables: dict[str, Columns] = {
        "switch_states": {
            "time": np.full(2 * len(names), time[0]),
            "scenario": text_column(np.repeat([BEFORE, AFTER], len(names)).tolist()),
            "switch": text_column(names * 2),
            "closed": np.concatenate([found.start, found.best.closed]),
        },
        "operations": {
            "operation": np.arange(len(found.sequence.steps)),
            "switch": text_column(step.switch for step in found.sequence.steps),
            "closes": np.array([step.closes for step in found.sequence.steps], dtype=np.bool_),
        },
        "violations": _violations(study, found),
    }
    flows = [
        (name, flow) for name, flow in ((BEFORE, found.before), (AFTER, found.after)) if flow is not None
    ]
    parts = [_of_flow(study, name, flow) for name, flow in flows]
    for table in parts[0]:
        tables[table] = {
            column: np.concatenate([part[table][column] for part in parts]) for column in parts[0][table]
        }
    return tables


def _of_flow(study: Study, scenario: str, flow: FlowSolution) -> dict[str, Columns]:
    time, grid = study.time.stamps(), study.grid

    def keys(column: str, names: tuple[str, ...]) -> dict[str, Any]:
        return {
            "time": np.repeat(time, len(names)),
            "scenario": text_column([scenario] * (len(time) * len(names))),
            column: text_column(list(names) * len(time)),
        }

    branches = grid.branches
    return {
        "losses": {
            "time": time,
            "scenario": text_column([scenario] * len(time)),
            "losses_kw": flow.losses_kw(),
        },
        "bus_voltages": keys("bus", grid.buses.name) | {"vm_pu": flow.vm_pu().ravel()},
        "branch_loadings": keys("branch", branches.name)
        | {
            "kind": text_column(list(branches.kind) * len(time)),
            "p_from_kw": flow.p_from_kw().ravel(),
            "loading_percent": flow.loading_percent().ravel(),
        },
    }


def _violations(study: Study, found: _Found) -> Columns:
    """What the chosen topology breaks, by interval."""
    connected, time = connect(study), study.time.stamps()
    injections = Injections(connected.bus, connected.p_kw, connected.q_kvar)
    broken = find_violations(
        Operation(study.grid, found.switches, study.limits, injections), found.best.closed
    )
    return {
        "time": time[np.maximum(broken.step, 0)],
        "element": text_column(broken.element),
        "kind": text_column(broken.kind),
        "value": broken.value,
        "limit": broken.limit,
        "excess": np.abs(broken.value - broken.limit),
    }


def _summary(study: Study, settings: Settings, found: _Found) -> dict[str, Any]:
    best, sequence, hours = found.best, found.sequence, study.time.steps * study.time.step_hours
    connected = connect(study)
    at_peak = Injections(connected.bus, connected.p_kw[:1], connected.q_kvar[:1])
    reached = [switch.name for switch, on in zip(found.switches, sequence.reached, strict=True) if not on]
    closed = with_positions(study.grid, found.switches, best.closed)
    rows = [switch.branches[0] for switch, on in zip(found.switches, best.closed, strict=True) if not on]
    before_kw = None if found.before is None else float(found.before.losses_kw().mean())
    losses_kw = best.losses_kwh / hours
    figures: dict[str, Any] = {
        "objective": settings.objective,
        "method": best.method,
        "limits": settings.limits,
        "switches": len(found.switches),
        "losses_kw": losses_kw,
        "losses_kwh": best.losses_kwh,
        "losses_before_kw": before_kw,
        "saved_share": None if not before_kw else 1.0 - losses_kw / before_kw,
        "open_branches": list(best.open_switches),
        "open_branch_numbers": [row + 1 for row in rows],
        "is_radial": is_radial(closed),
        "everyone_served": bool(supplied_buses(closed)[drawing_buses(study.grid, at_peak)].all()),
        "vm_min_pu": float(np.nanmin(found.after.vm_pu())),
        "topologies_evaluated": best.evaluated,
        "gap_share": best.gap_share,
        "violations": len(_violations(study, found)["kind"]),
        "operations": len(sequence.steps),
        "operation_cost_amount": sequence.operation_cost_amount,
        "operations_end": "goal" if sequence.fallback == "none" else sequence.fallback,
        "operations_reason": sequence.reason.replace(" at step 0", ""),
        "reached_open_branches": reached,
    }
    if best.bound is not None:
        figures["bound_kwh"] = best.bound.losses_kwh
        figures["bound_status"] = best.bound.status
        figures["bound_why"] = best.bound.why
    return figures
