"""What an order of flexibility is paid: the specification's figures, and the sliding scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.flexibility.delivery import verify_delivery as verify_for_flexibility
from gridcommons.model.delivery import verify_delivery
from gridcommons.model.errors import GridcommonsError
from gridcommons.settlement.delivery import MeteredOrder, SlidingScale, settle_delivery, settle_on_scale

orders = st.lists(
    st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.0, 30.0)), min_size=1, max_size=20
).map(lambda rows: np.array(rows).T)


def order(*metered_kw, hours=1.0):
    """Baseline 10 kW, ordered 2 kW."""
    metered = np.array(metered_kw)
    return MeteredOrder(np.full(len(metered), 10.0), metered, np.full(len(metered), 2.0), hours)


def test_the_figures_of_the_specification():
    found = settle_delivery(order(7.0, 8.0, 9.0, 10.0, 11.0), 7.0, 11.0)
    assert found.delivered_kwh.tolist() == [2.0, 2.0, 1.0, 0.0, 0.0]
    assert found.deficient_kwh.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]
    assert found.net_amount.tolist() == [14.0, 14.0, -4.0, -22.0, -33.0]


def test_a_quarter_hour_is_a_quarter_of_it():
    found = settle_delivery(order(7.0, 9.0, 11.0, hours=0.25), 7.0, 11.0)
    assert found.net_amount.tolist() == [3.5, -1.0, -8.25]
    assert settle_on_scale(order(8.0, hours=0.25), 7.0, SlidingScale()).net_amount.tolist() == [3.5]


@given(orders, st.floats(0.0, 20.0), st.floats(0.0, 20.0))
def test_more_load_never_pays_more(rows, fee, penalty):
    baseline_kw, metered_kw, ordered_kw = rows
    less = settle_delivery(MeteredOrder(baseline_kw, metered_kw, ordered_kw, 0.25), fee, penalty)
    more = settle_delivery(MeteredOrder(baseline_kw, metered_kw + 1.0, ordered_kw, 0.25), fee, penalty)
    assert (more.net_amount <= less.net_amount + 1e-9).all()
    assert (less.net_amount <= fee * ordered_kw * 0.25 + 1e-9).all()
    assert not less.net_amount[ordered_kw == 0.0].any()


class TestScale:
    def test_nothing_at_half_and_all_at_the_whole(self):
        found = settle_on_scale(order(7.0, 8.0, 8.5, 9.0, 9.5, 10.0, 11.0), 7.0, SlidingScale())
        np.testing.assert_allclose(found.net_amount, [14.0, 14.0, 7.0, 0.0, 0.0, 0.0, 0.0], atol=1e-12)

    def test_may_begin_with_a_step(self):
        scale = SlidingScale((0.5, 0.8, 1.0), (0.5, 0.9, 1.0))
        found = settle_on_scale(order(8.0, 8.2, 8.4, 9.0, 9.02), 10.0, scale)
        np.testing.assert_allclose(found.net_amount, [20.0, 19.0, 18.0, 10.0, 0.0], atol=1e-9)

    @given(orders)
    def test_pays_between_nothing_and_the_whole_fee(self, rows):
        metered = MeteredOrder(*rows, 0.5)
        found = settle_on_scale(metered, 7.0, SlidingScale())
        assert (found.net_amount >= 0.0).all()
        assert (found.net_amount <= 3.5 * metered.ordered_kw + 1e-9).all()
        half = found.delivered_kwh < 0.5 * (1.0 - 1e-9) * 0.5 * metered.ordered_kw
        assert not found.net_amount[half].any()
        assert not found.net_amount[metered.ordered_kw == 0.0].any()

    @pytest.mark.parametrize(
        ("delivered", "paid"),
        [((), ()), ((0.5, 1.0), (0.0,)), ((1.0, 0.5), (0.0, 1.0)), ((0.5, 0.5), (0, 1))],
    )
    def test_points_that_make_no_scale_are_refused(self, delivered, paid):
        with pytest.raises(GridcommonsError, match="sliding scale"):
            SlidingScale(delivered, paid)


@pytest.mark.parametrize("ordered_kw", [-1.0, np.nan])
def test_an_order_of_more_load_is_refused(ordered_kw):
    with pytest.raises(GridcommonsError, match="expected a reduction"):
        MeteredOrder(np.array([1.0]), np.array([1.0]), np.array([ordered_kw]), 1.0)


def test_flexibility_measures_by_the_same_law():
    assert verify_for_flexibility is verify_delivery
