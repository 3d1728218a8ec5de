"""Says in plain lines what a study holds, and whether its grid holds without any flexibility."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from gridcommons.adapters.studies.files import load_study
from gridcommons.model.grid import FloatArray, Grid, IntArray, Names
from gridcommons.model.members import CONNECTIONS
from gridcommons.model.phases import bus_of_row
from gridcommons.model.study import Study
from gridcommons.model.topology import is_radial, supplied_buses
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections

_STEPS_AT_ONCE = 2000
"""Steps of one load-flow batch: a year of steps stays small in memory."""


def check_study(path: str | Path) -> list[str]:
    """Lines on what a study holds and how its grid fares at rest.

    Raises
    ------
    StudyError
        With every problem of the study folder.
    """
    study = load_study(path)
    lines = [*_contents(study), *_base_load_flow(study)]
    return lines + [f"note: {note}" for note in study.notes]


def _contents(study: Study) -> list[str]:
    time, community = study.time, study.community
    opted_out = sum(not member.opted_in for member in community.members)
    kinds = Counter(asset.kind for asset in community.assets)
    flexible = Counter(community.assets[index].kind for index in community.controllable)
    assets = ", ".join(f"{count} {kind} ({flexible[kind]} flexible)" for kind, count in kinds.items())
    return [
        f"study: {study.name}",
        f"time: {time.steps} steps of {time.step_minutes} min from {time.local(0).isoformat()} "
        f"to {time.local(time.steps).isoformat()} ({time.timezone})",
        _grid_line(study),
        f"members: {len(community.members)}, of whom {opted_out} opted out",
        *_phase_lines(study),
        f"assets: {assets or 'none'}",
        _limits_line(study),
        f"prices: {'given' if study.prices is not None else 'none'}",
        f"tasks: {', '.join(study.tasks) or 'none'}",
    ]


def _grid_line(study: Study) -> str:
    grid = study.grid
    kinds = Counter(_elements(grid, grid.branches.name, grid.branches.kind).values())
    branches = ", ".join(f"{count} {kind}s" for kind, count in kinds.items())
    shape = "radial" if is_radial(grid) else "meshed"
    dark = int((~supplied_buses(grid)).sum())
    rows = f" of {len(grid.buses)} phases" if grid.is_three_phase else ""
    extra = f", {dark} {'phases' if grid.is_three_phase else 'buses'} without supply" if dark else ""
    return (
        f"grid: {'three-phase, ' if grid.is_three_phase else ''}{len(_elements(grid, grid.buses.name))} buses"
        f"{rows}, {branches or 'no branches'}, {len(_elements(grid, grid.switches.name))} bus switches, "
        f"{len(_elements(grid, grid.sources.name))} sources, {shape}{extra}"
    )


def _elements(grid: Grid, name: Names, kind: Names = ()) -> dict[str, str]:
    """Elements by name, with their kind: the rows of a three-phase grid that are one element are one."""
    names = [bus_of_row(each) or each for each in name] if grid.is_three_phase else name
    return dict(zip(names, kind or ("",) * len(name), strict=True))


def _phase_lines(study: Study) -> list[str]:
    """How many members lie on which phases of a three-phase grid."""
    if not study.grid.is_three_phase:
        return []
    on = Counter(member.phase for member in study.community.members)
    words = [f"{on[phase]} on {phase or 'all three'}" for phase in CONNECTIONS if on[phase]]
    return [f"phases: members {', '.join(words) or 'on none'}"]


def _limits_line(study: Study) -> str:
    limits = study.limits
    loading = limits.loading_max_percent
    parts = [f"voltage {limits.vm_min_pu.min():g} to {limits.vm_max_pu.max():g} pu"]
    if loading.size:
        parts.append(f"loading up to {loading.max():g} %")
    endless = np.isinf(study.grid.branches.i_max_from_ka)
    names = tuple(name for name, free in zip(study.grid.branches.name, endless, strict=True) if free)
    unrated = len(_elements(study.grid, names))
    if unrated:
        parts.append(f"{unrated} branches without a rating")
    return f"limits: {', '.join(parts)}"


def _base_load_flow(study: Study) -> list[str]:
    """How the grid fares with every controllable asset at rest, and with nobody controlled at all."""
    scenarios = {
        "without any flexibility (all at rest)": _net_kw(study, at_rest=True),
        "uncontrolled": _net_kw(study, at_rest=False),
    }
    network = build_network(study.grid)
    terminals = study.community.terminals(study.grid)
    to_bus = terminals.to_bus if terminals.is_between.any() else None
    lines = []
    for name, net_kw in scenarios.items():
        tally = _Tally(study)
        for start in range(0, study.time.steps, _STEPS_AT_ONCE):
            stop = min(start + _STEPS_AT_ONCE, study.time.steps)
            part_kw = net_kw[start:stop]
            net_kvar = _net_kvar(study, part_kw, slice(start, stop))
            rows_kw, rows_kvar = terminals.of_rows(part_kw), terminals.of_rows(net_kvar)
            load = Injections(terminals.bus, rows_kw, rows_kvar, to_bus=to_bus)
            tally.add(solve_power_flow(network, load), start, stop)
        lines += [f"load flow, {name}: {line}" for line in tally.lines()]
    return lines


def _net_kw(study: Study, *, at_rest: bool) -> FloatArray:
    community, profiles = study.community, study.profiles
    net_kw = np.empty((study.time.steps, len(community.assets)))
    controllable = set(community.controllable)
    for index, asset in enumerate(community.assets):
        signals = profiles.signals(asset)
        if at_rest and index in controllable:
            low_kw, high_kw = asset.range_kw(signals)
            net_kw[:, index] = np.clip(0.0, low_kw, high_kw)
        else:
            net_kw[:, index] = asset.net_kw(signals)
    return net_kw


def _net_kvar(study: Study, net_kw: FloatArray, steps: slice) -> FloatArray:
    net_kvar = np.empty_like(net_kw)
    for index, asset in enumerate(study.community.assets):
        given = study.profiles.columns.get(f"{asset.asset}.q_kvar")
        column = study.profiles.net_kvar(asset, net_kw[:, index]) if given is None else given[steps]
        net_kvar[:, index] = column
    return net_kvar


class _Tally:
    """Counts over the batches where the grid is outside its limits, and keeps the worst place."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.unsolved: list[int] = []
        self.steps_out: dict[str, set[int]] = {"low voltage": set(), "high voltage": set(), "overload": set()}
        self.worst: dict[str, tuple[float, str, float, int]] = {}

    def add(self, flow: FlowSolution, start: int, stop: int) -> None:
        """Look at the load flow of steps ``start`` to ``stop``."""
        limits = self.study.limits.window(start, stop)
        self.unsolved += (start + np.flatnonzero(~flow.solved)).tolist()
        vm_pu, loading = flow.vm_pu(), flow.loading_percent()
        buses, branches = self.study.grid.buses.name, self.study.grid.branches.name
        self._note("low voltage", (limits.vm_min_pu - vm_pu, vm_pu), buses, start)
        self._note("high voltage", (vm_pu - limits.vm_max_pu, vm_pu), buses, start)
        self._note("overload", (loading - limits.loading_max_percent, loading), branches, start)

    def _note(
        self, what: str, amounts: tuple[FloatArray, FloatArray], names: tuple[str, ...], start: int
    ) -> None:
        excess, value = amounts
        excess = np.where(np.isfinite(excess), excess, -np.inf)
        if not excess.size:
            return
        out: IntArray = np.flatnonzero((excess > 0.0).any(axis=1))
        self.steps_out[what] |= set((start + out).tolist())
        step, place = np.unravel_index(int(excess.argmax()), excess.shape)
        if excess[step, place] > max(0.0, self.worst.get(what, (0.0,))[0]):
            self.worst[what] = (
                float(excess[step, place]),
                names[place],
                float(value[step, place]),
                start + int(step),
            )

    def lines(self) -> list[str]:
        """What was found, a line each."""
        steps = self.study.time.steps
        lines = []
        if self.unsolved:
            first = self.study.time.local(self.unsolved[0]).isoformat()
            lines.append(f"no operable solution in {len(self.unsolved)} of {steps} steps, first at {first}")
        for what, (_, name, value, step) in self.worst.items():
            unit = "%" if what == "overload" else "pu"
            lines.append(
                f"{what} in {len(self.steps_out[what])} of {steps} steps, "
                f"worst {value:.4g} {unit} at {name} at {self.study.time.local(step).isoformat()}"
            )
        return lines or [f"inside all limits in all {steps} steps"]
