"""The grid of a report: its limits, the extremes of every interval, and one interval in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.layout import Layout, Ways, lay_out
from gridcommons.adapters.report.tables import Names, Part, ResultTables
from gridcommons.model.grid import BoolArray, FloatArray, IntArray

SCENARIOS = ("uncontrolled", "p_max", "p_min")
TOLERANCE = 1e-6
"""Beyond this a limit counts as broken [pu, or share of the limit]; as in the check of the envelopes."""


@dataclass(frozen=True, eq=False)
class GridPicture:
    """Buses and branches, and where they are drawn.

    Parameters
    ----------
    buses, branches : Names
        Names by number; branches without the switches.
    kind : list of str
        Kind of each row of ``grid_branches``.
    ways : Ways
        Ends of each row of ``grid_branches``; the first ones are the branches, the others switches.
    layout : Layout
        Places.
    """

    buses: Names
    branches: Names
    kind: list[str]
    ways: Ways
    layout: Layout


@dataclass(frozen=True, eq=False)
class LimitBook:
    """Limits of a result by kind, shape (1 or steps, elements); infinite where there is none."""

    values: dict[str, FloatArray]

    def at(self, kind: str, step: IntArray, element: IntArray) -> FloatArray:
        """The limit of each (step, element) pair."""
        values = self.values[kind]
        return values[np.minimum(step, len(values) - 1), element]

    def spread(self, kind: str) -> tuple[float, float]:
        """Least and largest finite value of a kind; NaN where there is none."""
        values = self.values[kind][np.isfinite(self.values[kind])]
        return (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Extremes:
    """The worst of every interval of one scenario, each of shape (steps,).

    ``stress`` is how far the worst voltage [pu] or loading [share of the limit] is beyond its limit,
    negative where it is within; ``second`` adds the other of the two and breaks ties.
    """

    stress: FloatArray
    second: FloatArray
    vm_low_pu: FloatArray
    vm_high_pu: FloatArray
    loading_percent: FloatArray


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One interval of one scenario in full, by number of bus and branch."""

    step: int
    vm_pu: FloatArray
    loading_percent: FloatArray
    is_source: BoolArray
    vm_min_pu: FloatArray
    vm_max_pu: FloatArray
    loading_max_percent: FloatArray

    @property
    def too_low(self) -> BoolArray:
        """Buses below their band."""
        return self.vm_pu < self.vm_min_pu - TOLERANCE

    @property
    def too_high(self) -> BoolArray:
        """Buses above their band."""
        return self.vm_pu > self.vm_max_pu + TOLERANCE

    @property
    def overloaded(self) -> BoolArray:
        """Branches beyond their limit."""
        return self.loading_percent > self.loading_max_percent * (1.0 + TOLERANCE)

    def worst_bus(self) -> int:
        """The bus farthest beyond its band, or nearest to an end of it; -1 where no voltage is known.

        Sources, whose voltage is given, come only where they break a limit themselves.
        """
        beyond = np.fmax(self.vm_min_pu - self.vm_pu, self.vm_pu - self.vm_max_pu)
        beyond = np.where(self.is_source & (beyond <= TOLERANCE), np.nan, beyond)
        return _argmax(np.where(np.isfinite(self.vm_pu), beyond, np.nan))

    def worst_branch(self) -> int:
        """The branch with the largest share of its limit; -1 where none is rated."""
        share = np.where(self.loading_percent > 0.0, self.loading_percent / self.loading_max_percent, np.nan)
        return _argmax(share)


def _argmax(values: FloatArray) -> int:
    known = np.isfinite(values)
    return int(np.argmax(np.where(known, values, -np.inf))) if known.any() else -1


def read_grid(tables: ResultTables) -> GridPicture | None:
    """The grid that a run describes; None where it does not."""
    if "grid_buses" not in tables or "grid_branches" not in tables:
        return None
    rows = tables.whole("grid_buses", ("bus", "x_map", "y_map", "is_source"))
    lines = tables.whole("grid_branches", ("branch", "kind", "from_bus", "to_bus", "length_km", "closed"))
    buses, branches = Names(), Names()
    buses.numbers(rows["bus"].tolist())
    branches.numbers(lines["branch"][lines["kind"] != "switch"].tolist())
    ways = Ways(
        buses.numbers(lines["from_bus"].tolist()),
        buses.numbers(lines["to_bus"].tolist()),
        lines["length_km"],
        lines["closed"].astype(bool),
        rows["is_source"].astype(bool),
    )
    layout = lay_out(rows["x_map"], rows["y_map"], ways)
    return GridPicture(buses, branches, lines["kind"].tolist(), ways, layout)


def read_limits(tables: ResultTables, clock: Clock, grid: GridPicture) -> LimitBook:
    """The limits that held, interval by interval where they change."""
    rows = tables.whole("grid_limits", ("time", "element", "kind", "limit"))
    none = {"vm_min_pu": -np.inf, "vm_max_pu": np.inf, "loading_max_percent": np.inf}
    values = {}
    for kind, otherwise in none.items():
        names = grid.branches if kind == "loading_max_percent" else grid.buses
        mine = rows["kind"] == kind
        step = clock.step_of(rows["time"][mine]) if mine.any() else np.zeros(0, dtype=np.int64)
        book = np.full((1 if not step.any() else clock.steps, len(names)), otherwise)
        number = names.numbers(rows["element"][mine].tolist())
        for at in np.unique(step):
            now = step == at
            book[at:, number[now]] = rows["limit"][mine][now]
        values[kind] = book
    return LimitBook(values)


def read_extremes(
    tables: ResultTables, clock: Clock, grid: GridPicture, limits: LimitBook
) -> dict[str, Extremes]:
    """The worst of every interval by scenario, in one pass over the two long tables."""
    columns = ("beyond_pu", "low", "high", "over_share", "loading")
    found = {name: {c: np.full(clock.steps, np.nan) for c in columns} for name in SCENARIOS}
    names = {"bus": grid.buses, "scenario": Names(list(SCENARIOS), {s: k for k, s in enumerate(SCENARIOS)})}
    for part in tables.parts("bus_voltages", ("time", "scenario", "bus", "vm_pu"), names):
        step, bus, vm_pu = clock.step_of(part["time"]), part["bus"], part["vm_pu"]
        below = limits.at("vm_min_pu", step, bus) - vm_pu
        beyond = np.fmax(below, vm_pu - limits.at("vm_max_pu", step, bus))
        _keep(found, part["scenario"], step, {"beyond_pu": beyond, "low": -vm_pu, "high": vm_pu})
    names = {"branch": grid.branches, "scenario": names["scenario"]}
    for part in tables.parts("branch_loadings", ("time", "scenario", "branch", "loading_percent"), names):
        step, loading = clock.step_of(part["time"]), part["loading_percent"]
        over = loading / limits.at("loading_max_percent", step, part["branch"]) - 1.0
        _keep(found, part["scenario"], step, {"over_share": over, "loading": loading})
    return {
        name: Extremes(
            np.fmax(each["beyond_pu"], each["over_share"]),
            np.nan_to_num(each["beyond_pu"]) + np.nan_to_num(each["over_share"]),
            -each["low"],
            each["high"],
            each["loading"],
        )
        for name, each in found.items()
        if not np.isnan(each["high"]).all()
    }


def _keep(
    found: dict[str, dict[str, FloatArray]],
    scenario: IntArray,
    step: IntArray,
    values: dict[str, FloatArray],
) -> None:
    """Keep the largest of each run of rows of one scenario and interval."""
    if not len(step):
        return
    new = np.ones(len(step), dtype=bool)
    new[1:] = (step[1:] != step[:-1]) | (scenario[1:] != scenario[:-1])
    begin = np.flatnonzero(new)
    for number, name in enumerate(SCENARIOS):
        mine = scenario[begin] == number
        for column, value in values.items():
            most = np.fmax.reduceat(value, begin)[mine]
            np.fmax.at(found[name][column], step[begin][mine], most)


def worst_step(extremes: Extremes) -> int:
    """The interval farthest beyond a limit, or nearest to one; of several alike the most strained."""
    stress = np.where(np.isfinite(extremes.stress), np.round(extremes.stress, 4), -np.inf)
    alike = np.flatnonzero(stress >= stress.max())
    return int(alike[np.argmax(extremes.second[alike])])


def read_snapshot(
    tables: ResultTables, clock: Clock, grid: GridPicture, limits: LimitBook, what: tuple[str, int]
) -> Snapshot:
    """One (scenario, interval) in full."""
    scenario, step = what
    equal = {"scenario": scenario, "time": time_scalar(clock, step)}
    return snapshot_where(tables, grid, limits, step, equal)


def snapshot_where(
    tables: ResultTables, grid: GridPicture, limits: LimitBook, step: int, equal: dict[str, Any]
) -> Snapshot:
    """One interval in full: the rows of voltages and loadings in which columns have given values."""
    voltages = tables.rows_at("bus_voltages", ("bus", "vm_pu"), equal)
    loadings = tables.rows_at("branch_loadings", ("branch", "loading_percent"), equal)
    buses, branches = np.arange(len(grid.buses)), np.arange(len(grid.branches))
    return Snapshot(
        step,
        _by_number(grid.buses, voltages, "bus", "vm_pu"),
        _by_number(grid.branches, loadings, "branch", "loading_percent"),
        grid.ways.is_source,
        limits.at("vm_min_pu", np.full(len(buses), step), buses),
        limits.at("vm_max_pu", np.full(len(buses), step), buses),
        limits.at("loading_max_percent", np.full(len(branches), step), branches),
    )


def time_scalar(clock: Clock, step: int) -> object:
    """Start of an interval, as tables hold it."""
    import pyarrow as pa

    return pa.scalar(clock.time_of(step).astype("datetime64[ms]").item(), type=pa.timestamp("ms", tz="UTC"))


def _by_number(names: Names, part: Part, column: str, value: str) -> FloatArray:
    out = np.full(len(names), np.nan)
    if len(part[column]):
        out[names.numbers(part[column].tolist())] = part[value]
    return out
