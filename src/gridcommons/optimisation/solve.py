"""The one place where an optimisation model meets a solver; only an optimal answer comes back.

Dual signs are normalised here and nowhere else: μ ≥ 0 on ≤ rows of a minimisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.grid import FloatArray

PRESOLVE_FROM = 100_000
"""Entries of the matrix from which presolving pays."""


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """min cost·x subject to matrix x ≤ row_max, lower ≤ x ≤ upper.

    Parameters
    ----------
    cost : (variables,)
        Cost of each variable.
    matrix : (rows, variables)
        Dense rows.
    row_max : (rows,)
        Right-hand sides.
    lower, upper : (variables,)
        Bounds.
    """

    cost: FloatArray
    matrix: FloatArray
    row_max: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class Optimum:
    """An optimal solution: ``x`` (variables,), ``objective``, ``mu`` (rows,) ≥ 0."""

    x: FloatArray
    objective: float
    mu: FloatArray


def solve(program: LinearProgram) -> Optimum:
    """The optimum of a linear program, by HiGHS on one thread (so that a rerun gives the same bytes).

    Raises
    ------
    InfeasibleError
        No point satisfies the rows and bounds.
    NotConvergedError
        HiGHS ended with any status but optimal.
    """
    from highspy import HighsModelStatus

    highs, (model, scale) = _solver(), _model(program)
    status = None
    # On a small program the presolve takes three times as long as the simplex method after it, but
    # it removes the degeneracy on which that method may stop without an answer.
    for presolve in ("on", "off") if program.matrix.size >= PRESOLVE_FROM else ("off", "on"):
        highs.setOptionValue("presolve", presolve)
        highs.clearModel()
        highs.passModel(model)
        highs.run()
        status = highs.getModelStatus()
        if status == HighsModelStatus.kOptimal:
            solution = highs.getSolution()
            mu = -np.array(solution.row_dual) / scale
            return Optimum(np.array(solution.col_value), highs.getObjectiveValue(), mu)
    if status in (HighsModelStatus.kInfeasible, HighsModelStatus.kUnboundedOrInfeasible):
        raise InfeasibleError(f"linear program of {_size(program)} has no feasible point")
    raise NotConvergedError(f"linear program of {_size(program)} ended {highs.modelStatusToString(status)}")


def _size(program: LinearProgram) -> str:
    return f"{program.matrix.shape[0]} rows and {program.matrix.shape[1]} variables"


@cache
def _solver() -> Any:
    return make_solver()


def make_solver() -> Any:
    """A HiGHS that says nothing, keeps to one thread (so that a rerun gives the same bytes), and is exact."""
    from highspy import Highs

    highs = Highs()
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("primal_feasibility_tolerance", 1e-9),
        ("dual_feasibility_tolerance", 1e-9),
    ):
        highs.setOptionValue(option, value)
    return highs


def _model(program: LinearProgram) -> tuple[Any, FloatArray]:
    """The program for HiGHS with every row scaled to 1, so that a tolerance means the same in each."""
    from highspy import HighsLp, MatrixFormat

    rows, columns = program.matrix.shape
    largest = np.abs(program.matrix).max(axis=1, initial=0.0)
    scale = np.where(largest > 0.0, largest, 1.0)
    matrix = program.matrix / scale[:, None]
    row, column = np.nonzero(matrix)
    lp = HighsLp()
    lp.num_row_, lp.num_col_ = rows, columns
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = np.full(rows, -np.inf), program.row_max / scale
    lp.a_matrix_.format_ = MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.searchsorted(row, np.arange(rows + 1)).astype(np.int32)
    lp.a_matrix_.index_ = column.astype(np.int32)
    lp.a_matrix_.value_ = matrix[row, column]
    return lp, scale


def maximise_log_sum(matrix: FloatArray, row_max: FloatArray, upper: FloatArray) -> FloatArray:
    """max Σ log x subject to matrix x ≤ row_max, 0 < x ≤ upper, by Newton's method on the barrier.

    Parameters
    ----------
    matrix : (rows, variables)
        Rows, none negative, so that a point close to zero is inside.
    row_max : (rows,)
        Right-hand sides, all positive.
    upper : (variables,)
        Upper bounds, all positive.

    Raises
    ------
    NotConvergedError
        The gap did not close in 1,000 Newton steps.

    Notes
    -----
    The logarithms are self-concordant, so that the barrier method needs no tuning: the gap after a
    centred point is (number of bounds) / t (Boyd, Vandenberghe, Convex Optimization, 2004, §11.3).
    """
    scaled = matrix * upper
    bounds = np.concatenate([scaled / row_max[:, None], np.eye(len(upper))])
    x = np.full(len(upper), 0.5 / max(float(bounds.sum(axis=1).max()), 1.0))
    weight = 1.0
    for _ in range(1000):
        slack = 1.0 - bounds @ x
        gradient = -weight / x + bounds.T @ (1.0 / slack)
        hessian = (bounds.T / slack**2) @ bounds
        hessian[np.diag_indices_from(hessian)] += weight / x**2
        step = -np.linalg.solve(hessian, gradient)
        decrement = float(-gradient @ step)
        x = x + step / (1.0 + np.sqrt(decrement)) if decrement > 0.25 else x + step
        if decrement < 1e-2:
            if len(bounds) / weight < 1e-8 * len(x):
                return np.asarray(x * upper)
            weight *= 20.0
    raise NotConvergedError(
        f"proportional fairness of {len(x)} ends: the gap stayed above 1e-8 after 1,000 steps"
    )
