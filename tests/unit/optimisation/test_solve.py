"""Only an optimum comes back, and its duals have one sign."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.optimisation.solve import LinearProgram, maximise_log_sum, solve


def test_optimum_and_duals_of_a_program_by_hand():
    # max 3x + 2y, x + y <= 4, x <= 3: x = 3, y = 1; the rows are worth 2 and 1.
    program = LinearProgram(
        np.array([-3.0, -2.0]),
        np.array([[1.0, 1.0], [1.0, 0.0]]),
        np.array([4.0, 3.0]),
        np.zeros(2),
        np.full(2, np.inf),
    )
    optimum = solve(program)
    np.testing.assert_allclose(optimum.x, [3.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(optimum.mu, [2.0, 1.0], atol=1e-9)
    assert optimum.objective == pytest.approx(-11.0)


def test_infeasible_and_unbounded_programs_are_no_answers():
    one = np.ones((1, 1))
    with pytest.raises(InfeasibleError, match="1 rows and 1 variables"):
        solve(LinearProgram(one[0], one, np.array([-1.0]), np.zeros(1), np.ones(1)))
    with pytest.raises((NotConvergedError, InfeasibleError)):
        solve(LinearProgram(-one[0], -one, np.array([0.0]), np.zeros(1), np.full(1, np.inf)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(0, 8), count=st.integers(1, 12))
def test_proportional_fairness_meets_its_optimality_conditions(seed, rows, count):
    """No feasible change raises the sum of relative gains: Σ (y − x)/x <= 0 for every feasible y."""
    generator = np.random.default_rng(seed)
    matrix = generator.uniform(0.0, 1.0, (rows, count))
    room, upper = generator.uniform(0.5, 3.0, rows), generator.uniform(0.1, 5.0, count)
    x = maximise_log_sum(matrix, room, upper)
    assert (x > 0.0).all() and (x <= upper * (1 + 1e-9)).all()
    assert (matrix @ x <= room * (1 + 1e-9)).all()
    best = solve(LinearProgram(-1.0 / x, matrix, room, np.zeros(count), upper))
    assert -best.objective - count < 1e-5 * count


@pytest.mark.parametrize("copies", [1, 400])
def test_a_feasible_program_is_never_called_infeasible(copies):
    """Rows and bounds as envelopes make them; HiGHS's presolve found no point in it, though 0 is one."""
    rows = np.zeros((2, 12))
    rows[0, 1:6] = [0.01774995332852329, 0.0178069906259648, 0.0060279478222521, 0.01539405783428574] + [
        0.01774995332852329
    ]
    rows[1, 7:12] = [0.01763082831037189, 0.01758833474624323, 0.00593414981502027, 0.01523627143817056] + [
        0.01763082831037189
    ]
    upper = np.array([11.3916005372648, 0.0, 19.542240164025657, 46.96804303493562, 25.722484302133786])
    upper = np.concatenate([upper, [19.143832798780313, 0.0, 19.518519828649, 19.940223410087107]])
    upper = np.concatenate([upper, [46.96804303493562, 25.722484302133786, 0.0]])
    room = np.array([0.9786818120805862, 1.0213454810725855])
    many = np.concatenate([rows] * copies)
    program = LinearProgram(-np.ones(12), many, np.tile(room, copies), np.zeros(12), upper)
    assert -solve(program).objective == pytest.approx(193.591, abs=1e-3)


def test_where_branches_run_out_the_best_point_so_far_is_given_with_its_gap():
    """A knapsack with many that weigh alike: to find is easy, to prove is not."""
    rng = np.random.default_rng(3)
    rows, count = 12, 60
    weight = rng.integers(100, 200, (rows, count)).astype(float)
    value = weight.mean(axis=0) + rng.integers(-5, 6, count)
    whole = np.ones(count, dtype=bool)
    program = LinearProgram(
        -value, weight, weight.sum(axis=1) / 3.0, np.zeros(count), np.ones(count), whole=whole
    )
    found = solve(program, nodes_max=1)
    assert found.gap_share > 1e-4
    assert (weight @ found.x <= weight.sum(axis=1) / 3.0 + 1e-6).all()
    assert np.abs(found.x - np.round(found.x)).max() < 1e-6
    again = solve(program, nodes_max=1)
    assert (again.x == found.x).all() and again.gap_share == found.gap_share
