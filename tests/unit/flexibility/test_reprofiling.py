"""Scheduled re-profiling: the cheapest call, what it costs, and what it cannot give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.flexibility.reprofiling import broken_rows, call_customers, cheapest_call, customers

FREE = np.full(3, 1e6)


def test_one_limit_has_the_price_of_the_source():
    """π = s/Σe at every load point behind it, and the call costs s²/Σe."""
    response_kw = np.array([2.0, 3.0, 5.0])
    quantity_kw, missing_kw = cheapest_call(np.ones((1, 3)), np.array([4.0]), response_kw, FREE)
    price = quantity_kw / response_kw
    np.testing.assert_allclose(price, 4.0 / 10.0)
    assert float(price @ quantity_kw) == pytest.approx(4.0**2 / 10.0)
    assert quantity_kw.sum() == pytest.approx(4.0)
    assert missing_kw.tolist() == [0.0]


def test_a_load_point_that_helps_by_half_is_called_by_half():
    """min Σ q²/E at w·q = s: q = E w s / Σ E w²."""
    response_kw, weight = np.array([2.0, 3.0, 5.0]), np.array([1.0, 0.5, 0.0])
    quantity_kw, _ = cheapest_call(weight[None], np.array([4.0]), response_kw, FREE)
    np.testing.assert_allclose(quantity_kw, response_kw * weight * 4.0 / (2.0 + 0.75), atol=1e-8)


def test_a_load_point_that_does_harm_is_not_called():
    quantity_kw, _ = cheapest_call(np.array([[1.0, -1.0, 0.0]]), np.array([4.0]), np.ones(3), FREE)
    np.testing.assert_allclose(quantity_kw, [4.0, 0.0, 0.0])


def test_disjoint_limits_do_not_know_each_other():
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    quantity_kw, _ = cheapest_call(matrix, np.array([3.0, 8.0]), np.array([1.0, 1.0, 3.0]), FREE)
    np.testing.assert_allclose(quantity_kw, [3.0, 2.0, 6.0], atol=1e-8)


def test_an_inner_limit_that_is_met_with_the_outer_one_costs_nothing_more():
    matrix = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    both, _ = cheapest_call(matrix, np.array([9.0, 6.0]), np.ones(3), FREE)
    np.testing.assert_allclose(both, 3.0, atol=1e-8)
    more, _ = cheapest_call(matrix, np.array([9.0, 8.0]), np.ones(3), FREE)
    np.testing.assert_allclose(more, [1.0, 4.0, 4.0], atol=1e-7)


def nested_case(seed):
    """Random limits one behind the other and beside each other, with needs that can be met."""
    rng = np.random.default_rng(seed)
    points, rows = int(rng.integers(2, 7)), int(rng.integers(1, 5))
    response_kw = rng.uniform(0.5, 5.0, points)
    most_kw = rng.uniform(1.0, 10.0, points)
    matrix = np.where(rng.random((rows, points)) < 0.6, rng.choice([1.0, 1.0, 0.5], (rows, points)), 0.0)
    need_kw = matrix @ (most_kw * rng.uniform(0.1, 0.95, points))
    return matrix, need_kw, response_kw, most_kw


@given(st.integers(0, 10**6))
def test_no_call_is_cheaper(seed):
    """Against a general optimiser, within limits, and never more than is planned."""
    matrix, need_kw, response_kw, most_kw = nested_case(seed)
    quantity_kw, missing_kw = cheapest_call(matrix, need_kw, response_kw, most_kw)
    assert not missing_kw.any()
    assert (matrix @ quantity_kw - need_kw).min() > -2e-6
    assert quantity_kw.min() >= 0.0
    assert (quantity_kw - most_kw).max() <= 1e-9
    found = minimize(
        lambda q: float((q**2 / response_kw).sum()),
        x0=most_kw,
        jac=lambda q: 2.0 * q / response_kw,
        bounds=[(0.0, most) for most in most_kw],
        constraints={"type": "ineq", "fun": lambda q: matrix @ q - need_kw, "jac": lambda _: matrix},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert found.success
    cost = float((quantity_kw**2 / response_kw).sum())
    assert cost == pytest.approx(found.fun, rel=1e-5, abs=1e-6)


def test_what_cannot_be_given_is_missing():
    most_kw = np.array([1.0, 2.0, 0.0])
    quantity_kw, missing_kw = cheapest_call(np.ones((1, 3)), np.array([5.0]), np.ones(3), most_kw)
    np.testing.assert_allclose(quantity_kw, most_kw)
    np.testing.assert_allclose(missing_kw, [2.0])


def test_customers_without_contract_give_nothing():
    response_kw = np.array([0.0, 1.0, 0.0])
    quantity_kw, missing_kw = cheapest_call(np.ones((1, 3)), np.array([5.0]), response_kw, np.full(3, 4.0))
    np.testing.assert_allclose(quantity_kw, [0.0, 4.0, 0.0])
    np.testing.assert_allclose(missing_kw, [1.0])
    quantity_kw, missing_kw = cheapest_call(np.ones((1, 3)), np.array([5.0]), np.zeros(3), np.full(3, 4.0))
    assert not quantity_kw.any()
    np.testing.assert_allclose(missing_kw, [5.0])


@given(st.integers(0, 10**6))
def test_what_is_missing_of_one_limit_is_the_least_possible(seed):
    rng = np.random.default_rng(seed)
    most_kw, response_kw = rng.uniform(0.0, 4.0, 4), rng.uniform(0.5, 3.0, 4)
    weight = rng.choice([0.0, 0.5, 1.0], 4)
    need_kw = rng.uniform(0.0, 12.0, 1)
    quantity_kw, missing_kw = cheapest_call(weight[None], need_kw, response_kw, most_kw)
    least_kw = max(float(need_kw[0] - weight @ most_kw), 0.0)
    assert missing_kw[0] == pytest.approx(least_kw, abs=2e-6)
    assert weight @ quantity_kw == pytest.approx(need_kw[0] - least_kw, abs=2e-6)


def test_what_is_missing_of_limits_in_series_is_the_least_possible():
    """The outer limit lacks what the whole feeder cannot give, the inner one what its own end cannot."""
    matrix, need_kw = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]]), np.array([7.0, 4.0])
    most_kw = np.array([2.0, 1.0, 3.0])
    _, missing_kw = cheapest_call(matrix, need_kw, np.ones(3), most_kw)
    best = linprog(
        np.r_[np.zeros(3), np.ones(2)],
        A_ub=-np.hstack([matrix, np.eye(2)]),
        b_ub=-need_kw,
        bounds=[(0.0, most) for most in most_kw] + [(0.0, None)] * 2,
    )
    assert missing_kw.sum() == pytest.approx(best.fun, abs=1e-6)
    np.testing.assert_allclose(missing_kw, [1.0, 1.0], atol=1e-6)


# Of a fleet


def contracted(share=0.8, line=2, **changes):
    return prepared(squeezed(share, line=line, reprofiling=True, **changes))


def test_customers_are_members_and_not_devices():
    """Every home under contract has a car and a heat pump and answers once."""
    _, _, fleet, _, _ = contracted(homes=10)
    count = customers(fleet)
    for place, bus in enumerate(fleet.load_points):
        names = {fleet.member[k] for k in range(len(fleet)) if fleet.reprofiling[k] and fleet.bus[k] == bus}
        assert count[place] == len(names)
    assert count.sum() == fleet.reprofiling.sum() / 2
    assert count.sum() > 0


def test_broken_rows_are_the_broken_limits_alone():
    _, view, fleet, _, state = contracted()
    rows = broken_rows(fleet, state)
    over_kw = state.carried_kw[:, 2] - view.limit_kw[:, 2]
    np.testing.assert_array_equal(rows.step, np.flatnonzero(over_kw > 0.01))
    np.testing.assert_allclose(-rows.room_kw, over_kw[rows.step])


def test_a_call_at_one_load_point_has_the_closed_form():
    _, _, fleet, plan_kw, state = contracted()
    rows = broken_rows(fleet, state)
    call = call_customers(fleet, rows, plan_kw, 0.5)
    point = int(np.flatnonzero(fleet.load_points == 3)[0])
    response_kw = 0.5 * customers(fleet)[point]
    cost = 0.0
    for step, need_kw in zip(rows.step, -rows.room_kw, strict=True):
        assert call.quantity_kw[point, step] == pytest.approx(need_kw)
        assert call.price_per_kwh[point, step] == pytest.approx(need_kw / response_kw)
        cost += need_kw**2 / response_kw
    assert call.cost(1.0) == pytest.approx(cost)
    assert call.cost(0.25) == pytest.approx(cost / 4.0)
    assert not call.missing_kw.any()
    quiet = np.setdiff1d(np.arange(24), rows.step)
    assert not call.quantity_kw[:, quiet].any()
    assert not np.delete(call.quantity_kw, point, axis=0).any()


def test_nobody_is_called_for_more_than_they_plan():
    _, _, fleet, plan_kw, state = contracted(share=0.3)
    rows = broken_rows(fleet, state)
    call = call_customers(fleet, rows, plan_kw, 0.5)
    planned_kw = fleet.at_load_points(plan_kw, fleet.reprofiling)
    assert (call.quantity_kw - planned_kw).max() <= 1e-9
    point = int(np.flatnonzero(fleet.load_points == 3)[0])
    lacks_kw = np.maximum(-rows.room_kw - planned_kw[point, rows.step], 0.0)
    assert lacks_kw.max() > 10.0
    np.testing.assert_allclose(call.missing_kw, lacks_kw, atol=2e-6)


def test_without_contracts_everything_is_missing():
    _, _, fleet, plan_kw, state = prepared(squeezed(0.8, line=2))
    rows = broken_rows(fleet, state)
    call = call_customers(fleet, rows, plan_kw, 0.5)
    assert not call.quantity_kw.any()
    assert call.cost(1.0) == 0.0
    np.testing.assert_allclose(call.missing_kw, -rows.room_kw)


def test_nothing_broken_calls_nobody():
    _, _, fleet, plan_kw, state = prepared(flexibility_study(reprofiling=True))
    rows = broken_rows(fleet, state)
    assert len(rows) == 0
    assert not call_customers(fleet, rows, plan_kw, 0.5).quantity_kw.any()


def test_twice_the_answer_costs_half():
    _, _, fleet, plan_kw, state = contracted()
    rows = broken_rows(fleet, state)
    once, twice = (call_customers(fleet, rows, plan_kw, response).cost(1.0) for response in (0.5, 1.0))
    assert twice == pytest.approx(once / 2.0)


def test_a_hundredth_of_a_kilowatt_calls_nobody():
    *_, state = prepared(flexibility_study())
    rows = []
    for excess_kw in (0.009, 0.011):
        rated_kw = (1e4, 1e4, state.carried_kw[:, 2].max() - excess_kw, 1e4)
        _, _, fleet, _, after = prepared(flexibility_study(rated_kw=rated_kw))
        rows.append(len(broken_rows(fleet, after)))
    assert rows == [0, 1]


def test_half_the_need_has_half_the_price():
    _, _, fleet, plan_kw, state = contracted()
    rows = broken_rows(fleet, state)
    call = call_customers(fleet, rows, plan_kw, 0.5)
    half = call_customers(fleet, replace(rows, room_kw=rows.room_kw / 2.0), plan_kw, 0.5)
    np.testing.assert_allclose(half.price_per_kwh, call.price_per_kwh / 2.0, atol=1e-9)
    assert half.cost(1.0) == pytest.approx(call.cost(1.0) / 4.0)
