"""A program solved again and again is as right as one built anew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from gridcommons.model.errors import NotConvergedError
from gridcommons.optimisation.solve import LinearProgram, solve
from gridcommons.optimisation.warm import WarmProgram


def test_every_solve_has_the_objective_of_a_fresh_program():
    rng = np.random.default_rng(2)
    matrix = rng.uniform(0.0, 1.0, (6, 15)) * (rng.random((6, 15)) < 0.5)
    warm = WarmProgram(csr_array(matrix))
    for _ in range(20):
        cost, upper, row_max = rng.normal(size=15), rng.uniform(0.0, 5.0, 15), rng.uniform(0.5, 4.0, 6)
        x = warm.solve(cost, (np.zeros(15), upper), (np.full(6, -np.inf), row_max))
        fresh = solve(LinearProgram(cost, matrix, row_max, np.zeros(15), upper))
        assert cost @ x == pytest.approx(fresh.objective, abs=1e-9)
        assert (matrix @ x <= row_max + 1e-9).all()


def test_a_program_without_an_answer_is_no_answer():
    warm = WarmProgram(csr_array(np.ones((1, 2))))
    with pytest.raises(NotConvergedError, match="1 rows and 2 variables"):
        warm.solve(np.ones(2), (np.zeros(2), np.ones(2)), (np.array([5.0]), np.array([6.0])))
