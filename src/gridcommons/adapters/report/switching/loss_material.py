"""Everything that the page of least losses is made from, read from a result folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.grid import (
    TOLERANCE,
    GridPicture,
    LimitBook,
    Snapshot,
    snapshot_where,
    time_scalar,
)
from gridcommons.adapters.report.material import ResultMaterial, read_clock
from gridcommons.adapters.report.switching.positions import Positions, read_positions
from gridcommons.adapters.report.tables import Names, ResultTables, of_scenario
from gridcommons.model.grid import BoolArray, FloatArray, IntArray

SCENARIOS = ("before", "after")
COLOURS = {"before": "#5a6673", "after": "#12936a"}
_TIMED = ("losses", "bus_voltages", "branch_loadings", "violations")


@dataclass(frozen=True, eq=False)
class BusRange:
    """Lowest and highest voltage of each bus over the window [pu], NaN where it has none; and when."""

    low_pu: FloatArray
    high_pu: FloatArray
    low_step: IntArray
    high_step: IntArray
    is_broken: BoolArray


@dataclass(frozen=True, eq=False)
class LossMaterial(ResultMaterial):
    """A result of least losses, and what all sections need of it."""

    @property
    def is_timed(self) -> bool:
        """Whether a table tells which intervals these are."""
        return any(table in self.tables for table in _TIMED)

    @cached_property
    def losses_kw(self) -> dict[str, FloatArray]:
        """Losses by scenario, as far as there are any, shape (steps,) [kW]."""
        rows = self.tables.whole("losses", ("time", "scenario", "losses_kw"))
        found = {}
        for scenario in SCENARIOS:
            mine = of_scenario(rows, scenario)
            if len(mine["time"]):
                values = np.zeros(self.clock.steps)
                values[self.clock.step_of(mine["time"])] = mine["losses_kw"]
                found[scenario] = values
        return found

    @cached_property
    def heaviest(self) -> int:
        """The interval with the highest losses after, which operations are checked at."""
        losses_kw = self.losses_kw.get("after")
        return 0 if losses_kw is None else int(np.argmax(losses_kw))

    @cached_property
    def positions(self) -> Positions | None:
        """Positions of the switches and operations."""
        return read_positions(self.tables)

    @cached_property
    def branch_names(self) -> list[str]:
        """Name of each row of ``grid_branches``."""
        return [str(name) for name in self.tables.whole("grid_branches", ("branch",))["branch"]]

    def closed_at(self, states: dict[str, bool]) -> BoolArray:
        """Whether each row of ``grid_branches`` is closed with switches in given positions."""
        assert self.grid is not None
        pairs = zip(self.branch_names, self.grid.ways.closed, strict=True)
        return np.array([states.get(name, bool(closed)) for name, closed in pairs], dtype=np.bool_)

    @cached_property
    def closed(self) -> dict[str, BoolArray]:
        """Positions of all branches by scenario; empty where switches or grid are not described."""
        if self.grid is None or self.positions is None:
            return {}
        both = (self.positions.before, self.positions.after)
        return {name: self.closed_at(dict(states)) for name, states in zip(SCENARIOS, both, strict=True)}

    @cached_property
    def snapshots(self) -> dict[str, Snapshot]:
        """The interval with the highest losses in full, by scenario, where voltages are known."""
        if self.grid is None or self.limits is None:
            return {}
        made = {}
        for scenario in SCENARIOS:
            equal = {"scenario": scenario, "time": time_scalar(self.clock, self.heaviest)}
            snapshot = snapshot_where(self.tables, self.grid, self.limits, self.heaviest, equal)
            if np.isfinite(snapshot.vm_pu).any():
                made[scenario] = snapshot
        return made

    def flow_kw(self, scenario: str) -> FloatArray:
        """Power over each row of ``grid_branches`` in that interval [kW]; NaN where it is not known."""
        equal = {"scenario": scenario, "time": time_scalar(self.clock, self.heaviest)}
        rows = self.tables.rows_at("branch_loadings", ("branch", "p_from_kw"), equal)
        power = dict(zip(map(str, rows["branch"]), rows["p_from_kw"].tolist(), strict=True))
        return np.array([power.get(name, np.nan) for name in self.branch_names])

    @cached_property
    def ranges(self) -> dict[str, BusRange]:
        """Extremes of each bus over the window by scenario, in one pass over the table."""
        if self.grid is None or self.limits is None:
            return {}
        return _read_ranges(self.tables, self.clock, self.grid, self.limits)


def read_losses(folder: Path) -> LossMaterial:
    """What a run for least losses left in a folder."""
    result, tables = read_result(folder), ResultTables(folder)
    minutes = float(result.provenance.get("step_minutes") or 1.0)
    clock = read_clock(tables, result.provenance, _TIMED, minutes)
    return LossMaterial(tables, result.summary, result.provenance, clock)


def _read_ranges(
    tables: ResultTables, clock: Clock, grid: GridPicture, limits: LimitBook
) -> dict[str, BusRange]:
    found = {name: _no_range(len(grid.buses)) for name in SCENARIOS}
    scenarios = Names(list(SCENARIOS), {name: k for k, name in enumerate(SCENARIOS)})
    names = {"bus": grid.buses, "scenario": scenarios}
    for part in tables.parts("bus_voltages", ("time", "scenario", "bus", "vm_pu"), names):
        for number, scenario in enumerate(SCENARIOS):
            mine = (part["scenario"] == number) & np.isfinite(part["vm_pu"])
            step, bus, vm_pu = clock.step_of(part["time"][mine]), part["bus"][mine], part["vm_pu"][mine]
            each = found[scenario]
            _keep_least(each.low_pu, each.low_step, (step, bus, vm_pu), 1.0)
            _keep_least(each.high_pu, each.high_step, (step, bus, vm_pu), -1.0)
            beyond = limits.at("vm_min_pu", step, bus) - vm_pu > TOLERANCE
            beyond |= vm_pu - limits.at("vm_max_pu", step, bus) > TOLERANCE
            each.is_broken[bus[beyond]] = True
    return {name: each for name, each in found.items() if np.isfinite(each.low_pu).any()}


def _no_range(buses: int) -> BusRange:
    low_pu, high_pu = np.full((2, buses), np.nan)
    low_step, high_step = np.zeros((2, buses), dtype=np.int64)
    return BusRange(low_pu, high_pu, low_step, high_step, np.zeros(buses, dtype=np.bool_))


def _keep_least(
    best_pu: FloatArray, when: IntArray, rows: tuple[IntArray, IntArray, FloatArray], sign: float
) -> None:
    """Keep the least voltage of each bus and its interval; with a sign of -1 the largest."""
    step, bus, vm_pu = rows
    order = np.lexsort((sign * vm_pu, bus))
    mine, first = np.unique(bus[order], return_index=True)
    row = order[first]
    is_less = ~(sign * best_pu[mine] <= sign * vm_pu[row])
    best_pu[mine[is_less]] = vm_pu[row[is_less]]
    when[mine[is_less]] = step[row[is_less]]
