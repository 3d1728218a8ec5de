"""Advice: comparison by hand, and a saving that moving the load really makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.flexibility.awareness import advise

PRICE = np.array([0.2, 0.1, 0.1, 0.1, 0.5, 0.6, 0.7, 0.3])


def test_a_day_of_eight_hours_by_hand():
    """Three customers; the cheapest three hours are 1 to 3 at 0.1, the dearest 4 to 6 at 0.6 on the mean."""
    load_kw = np.array(
        [
            [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
            [0.0, 0.0, 0.0, 0.0, 4.0, 4.0, 4.0, 0.0],
            [2.0, -5.0, 2.0, 0.0, 0.0, 0.0, 8.0, 0.0],
        ]
    )
    found = advise(("a", "b", "c"), ("g", "g", "h"), load_kw, PRICE, 1.0)
    np.testing.assert_allclose(found.consumption_kwh, [8.0, 12.0, 12.0])
    np.testing.assert_allclose(found.group_mean_kwh, [10.0, 10.0, 12.0])
    assert found.rank.tolist() == [1, 2, 1] and found.group_size.tolist() == [2, 2, 1]
    np.testing.assert_allclose(found.mean_price_per_kwh, [2.6 / 8, 7.2 / 12, (0.4 + 0.2 + 5.6) / 12])
    assert found.cheap_step.tolist() == [1, 1, 1]
    # a never draws more than its mean. b draws 2.5 above its mean of 1.5 in three hours at 1.8 in all; c
    # draws 6.5 above its mean at 0.7.
    np.testing.assert_allclose(found.movable_kwh, [0.0, 7.5, 6.5])
    np.testing.assert_allclose(found.saving, [0.0, 2.5 * 1.8 - 7.5 * 0.1, 6.5 * (0.7 - 0.1)])
    assert found.dear_step[1] == 4


def test_a_quarter_of_an_hour_is_a_quarter_of_the_energy():
    load_kw = np.repeat(np.array([[0.0, 0.0, 0.0, 0.0, 4.0, 4.0, 4.0, 0.0]]), 4, axis=1)
    hourly = advise(("b",), ("g",), load_kw[:, ::4], PRICE, 1.0)
    quarterly = advise(("b",), ("g",), load_kw, np.repeat(PRICE, 4), 0.25)
    for name in ("consumption_kwh", "mean_price_per_kwh", "movable_kwh", "saving"):
        np.testing.assert_allclose(getattr(quarterly, name), getattr(hourly, name))
    assert quarterly.dear_step[0] == 16 and quarterly.cheap_step[0] == 4


LOADS = st.lists(st.floats(-2.0, 12.0), min_size=4, max_size=24)


@given(LOADS, st.randoms(use_true_random=False))
def test_moving_load_as_advised_saves_exactly_what_is_said(load, random):
    price = np.array([random.uniform(-0.1, 1.0) for _ in load])
    load_kw = np.array([load])
    found = advise(("a",), ("g",), load_kw, price, 1.0)
    assert found.saving[0] >= 0.0 and found.movable_kwh[0] >= 0.0
    assert (found.saving[0] > 0.0) == (found.movable_kwh[0] > 0.0)
    if found.saving[0] == 0.0:
        return
    drawn_kw = np.maximum(load_kw[0], 0.0)
    moved_kw, dear, cheap = drawn_kw.copy(), int(found.dear_step[0]), int(found.cheap_step[0])
    extra_kw = np.maximum(drawn_kw - drawn_kw.mean(), 0.0)[dear : dear + 3]
    assert found.movable_kwh[0] == pytest.approx(extra_kw.sum())
    moved_kw[dear : dear + 3] -= extra_kw
    moved_kw[cheap : cheap + 3] += found.movable_kwh[0] / 3.0
    assert moved_kw.sum() == pytest.approx(drawn_kw.sum())
    assert (drawn_kw - moved_kw) @ price == pytest.approx(found.saving[0], abs=1e-9)
    # No other span of three hours would save more.
    for start in range(len(load) - 2):
        extra_kw = np.maximum(drawn_kw - drawn_kw.mean(), 0.0)[start : start + 3]
        gain = extra_kw @ price[start : start + 3] - extra_kw.sum() * price[cheap : cheap + 3].mean()
        assert gain <= found.saving[0] + 1e-9


def test_load_in_the_one_cheap_hour_of_a_dear_span_is_not_advised_to_move():
    price = np.array([0.3, 0.3, 0.3, 0.9, 0.1, 0.9, 0.9, 0.9])
    load_kw = np.array([[0.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.0, 0.0]])
    found = advise(("a",), ("g",), load_kw, price, 1.0)
    assert found.saving[0] == 0.0 == found.movable_kwh[0]


def test_who_draws_nothing_pays_no_price_and_saves_nothing():
    load_kw = np.array([np.zeros(8), np.full(8, -3.0), np.ones(8)])
    found = advise(("a", "b", "c"), ("g", "g", "g"), load_kw, PRICE, 1.0)
    assert np.isnan(found.mean_price_per_kwh[:2]).all() and found.mean_price_per_kwh[2] == pytest.approx(
        0.325
    )
    assert not found.saving.any() and not found.consumption_kwh[:2].any()
    # Of equals, the first named comes first; ranks are a permutation all the same.
    assert found.rank.tolist() == [1, 2, 3]


def test_a_group_of_one_is_its_own_mean():
    found = advise(("a",), ("alone",), np.array([[0.0, 3.0, 0.0, 1.0]]), PRICE[:4], 1.0)
    assert (found.rank[0], found.group_size[0]) == (1, 1)
    assert found.group_mean_kwh[0] == found.consumption_kwh[0] == 4.0


def test_a_window_shorter_than_three_hours_moves_no_more_than_there_is():
    found = advise(("a",), ("g",), np.array([[4.0, 0.0]]), np.array([0.9, 0.1]), 1.0)
    assert found.dear_step[0] == found.cheap_step[0] == 0
    assert found.movable_kwh[0] == pytest.approx(2.0)
    # Spread over the one span there is: 2 kWh at 0.9 become one at 0.9 and one at 0.1.
    assert found.saving[0] == pytest.approx(2.0 * 0.9 - 2.0 * 0.5)
