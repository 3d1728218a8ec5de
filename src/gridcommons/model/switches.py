"""The switches that may be moved, and what a set of positions makes of the grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import BoolArray, Grid, IntArray, Names
from gridcommons.model.topology import with_branches_closed


@dataclass(frozen=True)
class Switch:
    """A branch that may be opened and closed.

    Parameters
    ----------
    name : str
        Name of the branch, without phase.
    branches : tuple of int
        Rows of ``Branches`` that move together: one, or the conductors of a three-phase branch.
    closed : bool
        Position at the start.
    capacity_kw : float
        Most active power that it may carry, either way [kW]; infinite where only its rating binds.
    operation_cost_amount : float
        What one operation costs, in the currency of the study.
    moves : bool
        Whether it obeys; one that does not stays where it is.
    """

    name: str
    branches: tuple[int, ...]
    closed: bool
    capacity_kw: float = float("inf")
    operation_cost_amount: float = 0.0
    moves: bool = True


@dataclass(frozen=True, eq=False)
class Moves:
    """Operations in their order, each leaving everybody connected and no limit newly broken.

    Parameters
    ----------
    switch : tuple of str
        Which switch each operation moves.
    closes : (operations,)
        Whether it closes it.
    reached : (switches,)
        Positions after the last one.
    reason : str
        Why the positions asked for are not reached; empty where they are.
    cost_amount : float
        What the operations cost together, in the currency of the study.
    """

    switch: Names
    closes: BoolArray
    reached: BoolArray
    reason: str
    cost_amount: float


def positions(switches: tuple[Switch, ...]) -> BoolArray:
    """Whether each switch is closed at the start, shape (switches,)."""
    return np.array([switch.closed for switch in switches], dtype=np.bool_)


def with_positions(grid: Grid, switches: tuple[Switch, ...], closed: BoolArray) -> Grid:
    """The grid with its switches in given positions, shape (switches,)."""
    rows: IntArray = np.array([row for switch in switches for row in switch.branches], dtype=np.int64)
    each = np.repeat(closed, [len(switch.branches) for switch in switches])
    return with_branches_closed(grid, rows, each)
