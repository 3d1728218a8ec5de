"""Laws that every load flow behind ``solve_power_flow`` obeys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders import random_tree, tree
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import METHODS, TOLERANCE_PU, solve_power_flow
from gridcommons.powerflow.polish import mismatch_pu
from gridcommons.powerflow.solution import Injections

pytestmark = pytest.mark.parametrize("method", sorted(METHODS))


def state(seed: int, scenarios: int = 5):
    generator = np.random.default_rng(seed)
    grid = random_tree(generator, int(generator.integers(1, 20)))
    shape = (scenarios, len(grid.buses) - 1)
    p_kw, q_kvar = generator.uniform(-6, 8, shape), generator.uniform(-2, 3, shape)
    return build_network(grid), Injections(np.arange(1, len(grid.buses)), p_kw, q_kvar)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_power_is_balanced_at_every_node_of_every_solved_scenario(method, seed):
    network, injections = state(seed)
    solution = solve_power_flow(network, injections, method=method)
    error = np.abs(mismatch_pu(network, injections.at_nodes(network), solution.v_pq)).max(axis=1)
    assert (error[solution.solved] < TOLERANCE_PU).all() and solution.solved.any()
    np.testing.assert_allclose(solution.mismatch_pu[solution.solved], error[solution.solved], atol=1e-9)


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_scenarios_and_columns_changes_nothing(method, seed):
    network, injections = state(seed)
    once = solve_power_flow(network, injections, method=method).vm_pu()
    rows = np.random.default_rng(seed).permutation(len(injections))
    columns = np.random.default_rng(seed + 1).permutation(len(injections.bus))
    shuffled = Injections(
        injections.bus[columns],
        injections.p_kw[np.ix_(rows, columns)],
        injections.q_kvar[np.ix_(rows, columns)],
    )
    np.testing.assert_allclose(
        solve_power_flow(network, shuffled, method=method).vm_pu(), once[rows], atol=5e-9
    )


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_the_number_of_workers_changes_nothing(method, seed):
    network, injections = state(seed, scenarios=200)
    one, two = (solve_power_flow(network, injections, method=method, threads=n).v_pq for n in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_without_load_every_voltage_is_the_source_s(method):
    network = build_network(tree([0, 1, 1], 0.3 + 0.1j))
    nothing = Injections(np.array([3]), np.zeros((1, 1)), np.zeros((1, 1)))
    np.testing.assert_allclose(solve_power_flow(network, nothing, method=method).vm_pu(), 1.0, atol=1e-9)


def test_an_impossible_scenario_is_said_and_the_others_are_solved(method):
    network = build_network(tree([0], 0.3 + 0.1j))
    p_kw = np.array([[10.0], [1e5], [20.0]])
    solution = solve_power_flow(network, Injections(np.array([1]), p_kw, 0 * p_kw), method=method)
    assert solution.solved.tolist() == [True, False, True]
    assert np.isnan(solution.vm_pu()[1, 1]) and np.isfinite(solution.vm_pu()[[0, 2]]).all()


def test_no_scenario_is_an_empty_answer(method):
    network = build_network(tree([0], 0.3 + 0.1j))
    solution = solve_power_flow(
        network, Injections(np.array([1]), np.zeros((0, 1)), np.zeros((0, 1))), method=method
    )
    assert solution.vm_pu().shape == (0, 2) and solution.solved.shape == (0,)
