"""Reads ``switches.csv``: which branches may be moved, what they carry, and what an operation costs."""

from __future__ import annotations

import math
from pathlib import Path

from gridcommons.adapters.problems import ProblemList
from gridcommons.adapters.studies.tables import Columns, Row, read_table
from gridcommons.model.errors import did_you_mean
from gridcommons.model.grid import Grid
from gridcommons.model.phases import bus_of_row, conductors
from gridcommons.model.switches import Switch

SWITCHES_FILE = "switches.csv"
SWITCH_COLUMNS = Columns(("branch",), ("capacity_kw", "operation_cost", "moves"))


def read_switches(folder: Path, grid: Grid, problems: ProblemList) -> tuple[Switch, ...]:
    """The switches of ``switches.csv`` in its order; none where there is no such file."""
    path = folder / SWITCHES_FILE
    rows = read_table(path, SWITCH_COLUMNS, problems) if path.exists() else []
    switches, seen = [], dict[str, Row]()
    for row in rows:
        name = row.needed_text("branch")
        if name in seen:
            row.add("branch", f"{name!r} again", f"unique names; row {seen[name].place.row} has it first")
            continue
        branches = _branches(row, name, grid)
        if name and branches:
            seen[name] = row
            switches.append(_switch(row, name, branches, grid))
    return tuple(switches)


def _branches(row: Row, name: str, grid: Grid) -> tuple[int, ...]:
    """Rows of a branch by its name: its conductors in a three-phase grid."""
    known = set(map(bus_of_row, grid.branches.name)) if grid.is_three_phase else set(grid.branches.name)
    if name not in known:
        if name:
            meant = did_you_mean(name, known)
            row.add("branch", repr(name), "the name of a branch of the grid", meant)
        return ()
    return tuple(conductors(grid, name).tolist()) if grid.is_three_phase else (grid.branch_index[name],)


def _switch(row: Row, name: str, branches: tuple[int, ...], grid: Grid) -> Switch:
    closed = {bool(grid.branches.in_service[branch]) for branch in branches}
    if len(closed) > 1:
        found = f"{name!r}, of which some conductors are open and some closed"
        row.add("branch", found, "a branch whose conductors stand alike at the start")
    capacity_kw, cost = row.number("capacity_kw"), row.number("operation_cost")
    return Switch(
        name=name,
        branches=branches,
        closed=all(closed),
        capacity_kw=math.inf if math.isnan(capacity_kw) else capacity_kw,
        operation_cost_amount=0.0 if math.isnan(cost) else cost,
        moves=row.flag("moves", otherwise=True),
    )
