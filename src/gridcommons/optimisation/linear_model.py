"""A linear program written as a paper writes it: named variables, named constraints, arrays over steps.

``LinearModel`` hands out variables as arrays of cells, a ``Linear`` each; what is added, weighted and cut
of them is a ``Linear`` again; ``require`` keeps rows under the name of their law. A program without a
feasible point is explained by the same names: which law, in which cell, lacks how much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.optimisation.solve import ENDLESS, EXACT, LinearProgram, Optimum, solve, solve_refined


@dataclass(frozen=True, eq=False)
class Linear:
    """An array of linear expressions, Σ weight · variable + constant in each cell.

    Parameters
    ----------
    constant : (...)
        Constant of each cell; its shape is the shape of the array.
    cell, column, weight : (terms,)
        Flat cell, variable and weight of each term.
    """

    constant: FloatArray
    cell: IntArray
    column: IntArray
    weight: FloatArray

    __array_ufunc__ = None
    """So that an array on the left leaves the operation to this class."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of expressions."""
        return self.constant.shape

    def __add__(self, other: Linear | npt.ArrayLike) -> Linear:
        """Sum by cell; a number counts in every cell, other shapes must be equal."""
        if not isinstance(other, Linear):
            added = self.constant + np.asarray(other, dtype=np.float64)
            if added.shape != self.shape:
                raise ValueError(f"found {added.shape} cells in a sum, expected {self.shape}")
            return Linear(added, self.cell, self.column, self.weight)
        if other.shape != self.shape:
            raise ValueError(f"found {other.shape} cells in a sum, expected {self.shape}")
        return Linear(
            self.constant + other.constant,
            np.concatenate([self.cell, other.cell]),
            np.concatenate([self.column, other.column]),
            np.concatenate([self.weight, other.weight]),
        )

    def __mul__(self, factor: npt.ArrayLike) -> Linear:
        """Every cell weighted, by one number or by an array of the same shape (or one that spreads to it)."""
        by_cell = np.broadcast_to(np.asarray(factor, dtype=np.float64), self.shape)
        weight = self.weight * by_cell.ravel()[self.cell]
        return Linear(self.constant * by_cell, self.cell, self.column, weight)

    def __neg__(self) -> Linear:
        """Every sign turned."""
        return self * -1.0

    def __sub__(self, other: Linear | npt.ArrayLike) -> Linear:
        """Difference by cell."""
        return self + (-other if isinstance(other, Linear) else -np.asarray(other, dtype=np.float64))

    def __rsub__(self, other: npt.ArrayLike) -> Linear:
        """Difference by cell, from an array."""
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    def __getitem__(self, key: Any) -> Linear:
        """Some of the cells, by anything that picks each at most once: slices, masks, rows."""
        taken = np.arange(self.constant.size).reshape(self.shape)[key]
        new_cell = np.full(self.constant.size, -1, dtype=np.int64)
        new_cell[taken.ravel()] = np.arange(taken.size)
        if np.count_nonzero(new_cell >= 0) != taken.size:
            raise ValueError("found a cell taken twice, expected each at most once")
        cell = new_cell[self.cell]
        kept = cell >= 0
        return Linear(np.asarray(self.constant[key]), cell[kept], self.column[kept], self.weight[kept])

    def transpose(self) -> Linear:
        """The cells with their two axes exchanged."""
        row, column = np.divmod(self.cell, self.shape[1])
        return Linear(self.constant.T, column * self.shape[0] + row, self.column, self.weight)

    def sum(self, axis: int) -> Linear:
        """Sum along an axis."""
        place = list(np.unravel_index(self.cell, self.shape))
        del place[axis % len(self.shape)]
        constant = np.asarray(self.constant.sum(axis=axis))
        cell = np.ravel_multi_index(tuple(place), constant.shape) if place else np.zeros_like(self.cell)
        return Linear(constant, np.asarray(cell, dtype=np.int64), self.column, self.weight)

    def value(self, x: FloatArray) -> FloatArray:
        """What the expressions come to at a point, shape (...)."""
        terms = np.bincount(self.cell, self.weight * x[self.column], self.constant.size)
        return np.asarray(self.constant + terms.reshape(self.shape))


def stack(parts: Sequence[Linear]) -> Linear:
    """Arrays of expressions one below the other, along their first axis."""
    start = np.cumsum([0, *(part.constant.size for part in parts)])
    return Linear(
        np.concatenate([part.constant for part in parts], axis=0),
        np.concatenate([part.cell + first for part, first in zip(parts, start, strict=False)]),
        np.concatenate([part.column for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


def constant(value: npt.ArrayLike) -> Linear:
    """Given numbers as an array of expressions."""
    none = np.zeros(0, dtype=np.int64)
    return Linear(np.asarray(value, dtype=np.float64), none, none, np.zeros(0))


@dataclass(frozen=True, eq=False)
class Rows:
    """Constraints of one law: lower ≤ expression ≤ upper in every cell."""

    name: str
    expression: Linear
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class Shortfall:
    """What a law lacks in a cell of a program without a feasible point.

    Parameters
    ----------
    name : str
        The law.
    cell : tuple of int
        Where: its place in the array of rows.
    amount : float
        By how much the expression stays below its lower end (positive) or above its upper end (negative).
    """

    name: str
    cell: tuple[int, ...]
    amount: float


@dataclass(eq=False)
class LinearModel:
    """Variables, constraints and costs, until they are solved as one program."""

    lower: list[FloatArray] = field(default_factory=list)
    upper: list[FloatArray] = field(default_factory=list)
    whole: list[BoolArray] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    costs: dict[str, list[Linear]] = field(default_factory=dict)
    columns: int = 0

    def variable(
        self,
        shape: tuple[int, ...],
        lower: npt.ArrayLike = 0.0,
        upper: npt.ArrayLike = np.inf,
        *,
        whole: bool = False,
    ) -> Linear:
        """New variables, one a cell.

        Parameters
        ----------
        shape : tuple of int
            Such as (assets, steps).
        lower, upper : (...)
            Bounds, spread over the shape.
        whole : bool
            Whether they are whole numbers.
        """
        size = int(np.prod(shape))
        self.lower.append(np.broadcast_to(np.asarray(lower, dtype=np.float64), shape).ravel())
        self.upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), shape).ravel())
        self.whole.append(np.full(size, whole))
        column = np.arange(self.columns, self.columns + size, dtype=np.int64)
        self.columns += size
        return Linear(np.zeros(shape), np.arange(size, dtype=np.int64), column, np.ones(size))

    def require(
        self,
        name: str,
        expression: Linear,
        *,
        lower: npt.ArrayLike = -np.inf,
        upper: npt.ArrayLike = np.inf,
    ) -> None:
        """Keep lower ≤ expression ≤ upper in every cell, under the name of the law."""
        ends = (
            np.broadcast_to(np.asarray(end, dtype=np.float64), expression.shape) for end in (lower, upper)
        )
        self.rows.append(Rows(name, expression, *ends))

    def require_equal(self, name: str, expression: Linear, value: npt.ArrayLike = 0.0) -> None:
        """Keep expression = value in every cell."""
        self.require(name, expression, lower=value, upper=value)

    def add_cost(self, expression: Linear, name: str = "") -> None:
        """Add the sum of all cells to what is minimised, under a name by which ``cost_by_name`` tells it."""
        self.costs.setdefault(name, []).append(expression)

    def cost_by_name(self, x: FloatArray) -> dict[str, float]:
        """What each named cost comes to at a point, constants included."""
        return {name: float(sum(part.value(x).sum() for part in parts)) for name, parts in self.costs.items()}

    def cost_by_step(self, names: Sequence[str], x: FloatArray, steps: int) -> FloatArray:
        """What some named costs come to at a point in each interval, shape (steps,).

        Every part of them has the intervals as its last axis.
        """
        parts = [part.value(x).reshape(-1, steps) for name in names for part in self.costs.get(name, [])]
        return np.asarray(np.concatenate([np.zeros((1, steps)), *parts]).sum(axis=0))

    def with_whole_fixed(self, x: FloatArray) -> LinearModel:
        """The same model with its whole numbers fixed as they are at a point: a program without binaries."""
        whole = self._whole()
        ends = [np.where(whole, np.round(x), _joined(end)) for end in (self.lower, self.upper)]
        costs = {name: list(parts) for name, parts in self.costs.items()}
        return LinearModel(
            [ends[0]], [ends[1]], [np.zeros_like(whole)], self.rows[:], costs, columns=self.columns
        )

    def without(self, name: str) -> LinearModel:
        """The same model without the laws and the cost of a name."""
        rows = [each for each in self.rows if each.name != name]
        costs = {key: list(parts) for key, parts in self.costs.items() if key != name}
        return LinearModel(self.lower[:], self.upper[:], self.whole[:], rows, costs, columns=self.columns)

    def solve(self, gap_share: float = EXACT, nodes_max: int = ENDLESS) -> Optimum:
        """The optimum; ``Linear.value(optimum.x)`` reads any expression, the objective is without constants.

        Parameters
        ----------
        gap_share : float
            Share of the objective by which a program with whole numbers may end above its bound.
        nodes_max : int
            Branches that are looked into, where there are whole numbers.

        Raises
        ------
        InfeasibleError
            There is no feasible point; ``shortfalls`` says why.
        NotConvergedError
            The solver ended without an optimum.
        """
        return solve(self.as_program(), gap_share, nodes_max)

    def solve_refined(self, refine: Callable[[FloatArray], Linear | None]) -> FloatArray:
        """The optimum with rows added until nothing is missing, shape (variables,); see ``solve_refined``.

        Parameters
        ----------
        refine : callable
            Takes an optimum, and gives expressions that must be 0 or more and are not; None where all are.
        """

        def rows(x: FloatArray) -> csr_array | None:
            missing = refine(x)
            return None if missing is None else matrix_of([missing], self.columns)

        return solve_refined(self.as_program(), rows)

    def shortfalls(self, names: Sequence[str], tolerance: float = 1e-6) -> list[Shortfall]:
        """Least break of the named laws that leaves a feasible point, largest first; empty if none is needed.

        Raises
        ------
        InfeasibleError
            Even without these laws there is no feasible point.
        """
        kept = [rows for rows in self.rows if rows.name not in names]
        elastic = LinearModel(self.lower[:], self.upper[:], self.whole[:], kept, columns=self.columns)
        broken = []
        for rows in self.rows:
            if rows.name in names:
                below, above = (elastic.variable(rows.expression.shape) for _ in range(2))
                expression = rows.expression + below - above
                elastic.require(rows.name, expression, lower=rows.lower, upper=rows.upper)
                elastic.add_cost(below + above)
                broken.append((rows.name, below - above))
        x = elastic.solve().x
        found = [
            Shortfall(name, tuple(map(int, cell)), float(amount[tuple(cell)]))
            for name, expression in broken
            for amount in [expression.value(x)]
            for cell in np.argwhere(np.abs(amount) > tolerance)
        ]
        return sorted(found, key=lambda each: -abs(each.amount))

    def _whole(self) -> BoolArray:
        return np.concatenate([np.zeros(0, dtype=np.bool_), *self.whole])

    def as_program(self) -> LinearProgram:
        """The arrays that a solver takes; constants of costs are left out."""
        cost = np.zeros(self.columns)
        for each in (part for parts in self.costs.values() for part in parts):
            cost += np.bincount(each.column, each.weight, self.columns)
        whole, rows = self._whole(), self.rows
        return LinearProgram(
            cost=cost,
            matrix=matrix_of([each.expression for each in rows], self.columns),
            row_max=_joined([each.upper - each.expression.constant for each in rows]),
            lower=_joined(self.lower),
            upper=_joined(self.upper),
            whole=whole if whole.any() else None,
            row_min=_joined([each.lower - each.expression.constant for each in rows]),
        )


def matrix_of(expressions: Sequence[Linear], columns: int) -> csr_array:
    """Weights of the cells of some expressions, one below the other, shape (cells, columns)."""
    start = np.cumsum([0, *(each.constant.size for each in expressions)])
    weight = _joined([each.weight for each in expressions])
    none = np.zeros(0, dtype=np.int64)
    row = np.concatenate(
        [none, *(each.cell + first for each, first in zip(expressions, start, strict=False))]
    )
    column = np.concatenate([none, *(each.column for each in expressions)])
    return csr_array((weight, (row, column)), shape=(int(start[-1]), columns))


def _joined(arrays: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate([np.zeros(0), *(each.ravel() for each in arrays)])
