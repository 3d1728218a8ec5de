"""The one place where an optimisation model meets a solver; only an optimal answer comes back.

Dual signs are normalised here and nowhere else: μ ≥ 0 where a minimisation is held by the upper end of a
row, μ ≤ 0 where by the lower one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.grid import BoolArray, FloatArray

PRESOLVE_FROM = 100_000
"""Entries of the matrix from which presolving pays."""


ENDLESS = 2**31 - 1
"""As many branches as it takes."""

FEASIBLE = 2
"""HiGHS's word for a point that holds all rows."""

EXACT = 1e-7
"""Gap of a program with whole numbers that counts as none."""


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """min cost·x subject to row_min ≤ matrix x ≤ row_max, lower ≤ x ≤ upper.

    Parameters
    ----------
    cost : (variables,)
        Cost of each variable.
    matrix : (rows, variables)
        Rows, dense or sparse.
    row_max : (rows,)
        Right-hand sides.
    lower, upper : (variables,)
        Bounds.
    whole : (variables,), optional
        Which variables are whole numbers; the duals of such a program mean nothing.
    row_min : (rows,), optional
        Left-hand sides; without them no row has one. Equal to the right-hand side in an equation.
    """

    cost: FloatArray
    matrix: FloatArray | csr_array
    row_max: FloatArray
    lower: FloatArray
    upper: FloatArray
    whole: BoolArray | None = None
    row_min: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Optimum:
    """An optimum: ``x`` (variables,), ``objective``, ``mu`` (rows,), ≥ 0 at the upper end of a row.

    ``gap_share`` is by how much the objective may be above the least possible, 0 without whole numbers.
    """

    x: FloatArray
    objective: float
    mu: FloatArray
    gap_share: float = 0.0


def solve(program: LinearProgram, gap_share: float = EXACT, nodes_max: int = ENDLESS) -> Optimum:
    """The optimum of a linear program, by HiGHS on one thread (so that a rerun gives the same bytes).

    Parameters
    ----------
    program : LinearProgram
        What is solved.
    gap_share : float
        Share of the objective by which a program with whole numbers may end above its bound.
    nodes_max : int
        Branches that are looked into, where there are whole numbers. The best point found by then is the
        answer, the same in every run, and its ``gap_share`` may be above what was asked for.

    Raises
    ------
    InfeasibleError
        No point satisfies the rows and bounds.
    NotConvergedError
        HiGHS ended with any other status, or found no point within its branches.
    """
    from highspy import HighsModelStatus

    highs, (model, scale) = _solver(), _model(program)
    status = None
    # On a small program the presolve takes three times as long as the simplex method after it, but
    # it removes the degeneracy on which that method may stop without an answer.
    for presolve in ("on", "off") if _presolves_first(program) else ("off", "on"):
        highs.setOptionValue("presolve", presolve)
        highs.setOptionValue("mip_rel_gap", gap_share)
        highs.setOptionValue("mip_max_nodes", nodes_max)
        highs.clearModel()
        highs.passModel(model)
        highs.run()
        status = highs.getModelStatus()
        if status == HighsModelStatus.kOptimal or _is_good_enough(highs, status):
            solution = highs.getSolution()
            mu = -np.array(solution.row_dual) / scale if program.whole is None else np.zeros(len(scale))
            gap = 0.0 if program.whole is None else float(highs.getInfo().mip_gap)
            return Optimum(np.array(solution.col_value), highs.getObjectiveValue(), mu, gap)
    raise _failure(highs, status, program)


def _is_good_enough(highs: Any, status: Any) -> bool:
    """Whether branches ran out with a feasible point at hand."""
    from highspy import HighsModelStatus

    return bool(
        status == HighsModelStatus.kSolutionLimit and highs.getInfo().primal_solution_status == FEASIBLE
    )


def solve_refined(
    program: LinearProgram, refine: Callable[[FloatArray], csr_array | None], most: int = 60
) -> FloatArray:
    """The optimum of a linear program to which rows are added until nothing is missing, shape (variables,).

    Parameters
    ----------
    program : LinearProgram
        Without whole numbers.
    refine : callable
        Takes an optimum, and gives rows that it breaks and that must be 0 or more there; None where it
        holds all. Each solve goes on from the basis of the last one.
    most : int
        Times that rows may be added.

    Raises
    ------
    InfeasibleError
        No point satisfies the rows and bounds.
    NotConvergedError
        HiGHS ended with any status but optimal, or rows were still missing after so many times.
    """
    from highspy import HighsModelStatus

    highs = make_solver()
    highs.passModel(_model(program)[0])
    for _ in range(most + 1):
        highs.run()
        status = highs.getModelStatus()
        if status != HighsModelStatus.kOptimal:
            raise _failure(highs, status, program)
        x = np.array(highs.getSolution().col_value)
        rows = refine(x)
        if rows is None:
            return x
        count = rows.shape[0]
        zero, endless = np.zeros(count), np.full(count, np.inf)
        start, index = rows.indptr[:-1].astype(np.int32), rows.indices.astype(np.int32)
        highs.addRows(count, zero, endless, rows.nnz, start, index, rows.data)
    raise NotConvergedError(f"linear program of {_size(program)}: rows are missing after {most} refinements")


def _failure(highs: Any, status: Any, program: LinearProgram) -> InfeasibleError | NotConvergedError:
    from highspy import HighsModelStatus

    if status in (HighsModelStatus.kInfeasible, HighsModelStatus.kUnboundedOrInfeasible):
        return InfeasibleError(f"linear program of {_size(program)} has no feasible point")
    return NotConvergedError(f"linear program of {_size(program)} ended {highs.modelStatusToString(status)}")


def _presolves_first(program: LinearProgram) -> bool:
    return program.whole is not None or program.matrix.size >= PRESOLVE_FROM


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
        ("mip_rel_gap", EXACT),
    ):
        highs.setOptionValue(option, value)
    return highs


def _model(program: LinearProgram) -> tuple[Any, FloatArray]:
    """The program for HiGHS with every row scaled to 1, so that a tolerance means the same in each."""
    from highspy import HighsLp, HighsVarType, MatrixFormat

    rows, columns = program.matrix.shape
    matrix = csr_array(program.matrix)
    row = np.repeat(np.arange(rows), np.diff(matrix.indptr))
    largest = np.zeros(rows)
    np.maximum.at(largest, row, np.abs(matrix.data))
    scale = np.where(largest > 0.0, largest, 1.0)
    lp = HighsLp()
    lp.num_row_, lp.num_col_ = rows, columns
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    row_min = np.full(rows, -np.inf) if program.row_min is None else program.row_min / scale
    lp.row_lower_, lp.row_upper_ = row_min, program.row_max / scale
    lp.a_matrix_.format_ = MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data / scale[row]
    if program.whole is not None:
        kinds = (HighsVarType.kContinuous, HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(whole)] for whole in program.whole]
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
