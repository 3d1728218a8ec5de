"""Names of the rows of a three-phase grid: a bus and its phases, a branch and its conductors."""

from __future__ import annotations

import numpy as np

from gridcommons.model.errors import GridcommonsError, did_you_mean
from gridcommons.model.grid import Grid, IntArray

PHASES = ("a", "b", "c")
"""Phases of a bus, in their order."""


def row_name(name: str, phase: str) -> str:
    """Name of the row that is one phase of a bus, or one conductor of a branch."""
    return f"{name}.{phase}"


def bus_of_row(name: str) -> str:
    """Bus (or branch) that a row belongs to: its name without the phase."""
    return name.rpartition(".")[0]


def phase_of_row(name: str) -> str:
    """Phase of a row: ``a``, ``b`` or ``c``."""
    return name.rpartition(".")[2]


def bus_row(grid: Grid, bus: str, phase: str) -> int:
    """Row of ``Buses`` that is one phase of a bus.

    Parameters
    ----------
    grid : Grid
        A three-phase grid.
    bus : str
        Name of the bus, without phase.
    phase : str
        ``a``, ``b`` or ``c``.

    Raises
    ------
    GridcommonsError
        If the grid has no such bus, or the bus no such phase.
    """
    row = grid.bus_index.get(row_name(bus, phase))
    if row is not None:
        return row
    there = [phase_of_row(grid.buses.name[each]) for each in rows_of_bus(grid, bus)]
    raise GridcommonsError(f"bus {bus!r} has the phases {', '.join(there)}, and no phase {phase!r}")


def rows_of_bus(grid: Grid, bus: str) -> IntArray:
    """Rows of ``Buses`` that are the phases of a bus, in the order a, b, c, shape (phases,).

    Raises
    ------
    GridcommonsError
        If the grid has no such bus.
    """
    return _rows(grid.bus_index, bus, "bus")


def conductors(grid: Grid, branch: str) -> IntArray:
    """Rows of ``Branches`` that are the conductors of a branch, in the order a, b, c, shape (conductors,).

    Raises
    ------
    GridcommonsError
        If the grid has no such branch.
    """
    return _rows(grid.branch_index, branch, "branch")


def _rows(index: dict[str, int], name: str, kind: str) -> IntArray:
    rows = [index[row_name(name, phase)] for phase in PHASES if row_name(name, phase) in index]
    if rows:
        return np.array(rows, dtype=np.int64)
    # Names without a phase are those of a balanced grid, which has no rows of a bus.
    meant = did_you_mean(name, dict.fromkeys(map(bus_of_row, index)))
    raise GridcommonsError(f"no {kind} {name!r} with phases in the grid; {meant}".removesuffix("; "))
