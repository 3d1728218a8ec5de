"""A linear program that is built once and solved often: bounds, costs and right-hand sides change alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.solve import make_solver


class WarmProgram:
    """min cost·x subject to row_min ≤ matrix x ≤ row_max, lower ≤ x ≤ upper, each solve from the last basis.

    Parameters
    ----------
    matrix : (rows, variables), sparse
        What stays the same.
    """

    def __init__(self, matrix: csr_array) -> None:
        from highspy import HighsLp, MatrixFormat

        self.rows, self.columns = matrix.shape
        lp = HighsLp()
        lp.num_row_, lp.num_col_ = self.rows, self.columns
        lp.col_cost_ = np.zeros(self.columns)
        lp.col_lower_ = lp.col_upper_ = np.zeros(self.columns)
        lp.row_lower_, lp.row_upper_ = np.full(self.rows, -np.inf), np.full(self.rows, np.inf)
        lp.a_matrix_.format_ = MatrixFormat.kRowwise
        lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
        lp.a_matrix_.value_ = matrix.data.astype(np.float64)
        self._highs: Any = make_solver()
        # Presolving would throw the basis away from which the next solve starts.
        self._highs.setOptionValue("presolve", "off")
        self._highs.passModel(lp)
        self._every_column = np.arange(self.columns, dtype=np.int32)
        self._every_row = np.arange(self.rows, dtype=np.int32)

    def solve(
        self, cost: FloatArray, bounds: tuple[FloatArray, FloatArray], rows: tuple[FloatArray, FloatArray]
    ) -> FloatArray:
        """The optimum, shape (variables,).

        Parameters
        ----------
        cost : (variables,)
            Cost of each variable.
        bounds, rows : pair of arrays
            Lower and upper ends of the variables, and of the rows.

        Raises
        ------
        NotConvergedError
            HiGHS ended with any status but optimal.
        """
        from highspy import HighsModelStatus

        highs = self._highs
        highs.changeColsCost(self.columns, self._every_column, cost)
        highs.changeColsBounds(self.columns, self._every_column, *bounds)
        highs.changeRowsBounds(self.rows, self._every_row, *rows)
        highs.run()
        status = highs.getModelStatus()
        if status != HighsModelStatus.kOptimal:
            raise NotConvergedError(
                f"linear program of {self.rows} rows and {self.columns} variables ended "
                f"{highs.modelStatusToString(status)}"
            )
        return np.array(highs.getSolution().col_value)
