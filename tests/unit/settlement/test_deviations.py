"""Deviations from trades: what is metered beyond them, and who pays for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gridcommons.model.errors import GridcommonsError
from gridcommons.settlement.deviations import PRICINGS, DeviationPrices, deviations_kwh, settle_deviations
from gridcommons.settlement.sharing_keys import Registers

ACCOUNT = "reserve of the community"
whole_wh = st.integers(-5000, 5000).map(lambda wh: wh / 1000)
deviations = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=whole_wh)
)
prices = st.tuples(st.floats(-0.5, 1.0), st.floats(-0.5, 1.0))


def test_known_answers():
    """A −1, B −0.5, C +0.5 at 0.35 and 0.05."""
    kwh = np.array([[-1.0, -0.5, 0.5]])
    single = settle_deviations(kwh, DeviationPrices(0.35, 0.05), "single", ACCOUNT)
    np.testing.assert_allclose(single.charge_amount, [[0.35, 0.175, -0.175]], atol=1e-12)
    np.testing.assert_allclose((single.outside_amount[0], single.excess_amount[0]), (0.35, 0.0), atol=1e-12)
    dual = settle_deviations(kwh, DeviationPrices(0.35, 0.05), "dual", ACCOUNT)
    np.testing.assert_allclose(dual.charge_amount, [[0.35, 0.175, -0.025]], atol=1e-12)
    assert dual.charge_amount.sum() == pytest.approx(0.50)
    np.testing.assert_allclose((dual.outside_amount[0], dual.excess_amount[0]), (0.35, 0.15), atol=1e-12)
    assert dual.excess_account == ACCOUNT


def test_a_long_community_is_paid_the_long_price():
    kwh = np.array([[-1.0, 3.0]])
    single = settle_deviations(kwh, DeviationPrices(0.35, 0.05), "single", ACCOUNT)
    np.testing.assert_allclose(single.charge_amount, [[0.05, -0.15]], atol=1e-12)
    np.testing.assert_allclose(single.outside_amount, [-0.10], atol=1e-12)


@pytest.mark.parametrize("pricing", PRICINGS)
class TestEveryPricing:
    @given(kwh=deviations, price=prices)
    def test_members_pay_the_outside_and_the_excess(self, pricing, kwh, price):
        found = settle_deviations(kwh, DeviationPrices(*price), pricing, ACCOUNT)
        paid = found.charge_amount.sum(axis=1)
        np.testing.assert_allclose(paid, found.outside_amount + found.excess_amount, atol=1e-9)
        total_kwh = kwh.sum(axis=1)
        total_kwh[np.abs(total_kwh) < 1e-9] = 0.0
        expected = np.where(total_kwh < 0.0, -total_kwh * price[0], -total_kwh * price[1])
        np.testing.assert_allclose(found.outside_amount, expected, atol=1e-9)

    @given(kwh=deviations)
    def test_who_keeps_to_its_trades_pays_nothing(self, pricing, kwh):
        kwh[:, 0] = 0.0
        found = settle_deviations(kwh, DeviationPrices(0.35, 0.05), pricing, ACCOUNT)
        assert not found.charge_amount[:, 0].any()

    def test_prices_may_change_with_the_interval(self, pricing):
        kwh = np.array([[-1.0], [-1.0], [1.0]])
        prices = DeviationPrices(np.array([0.3, 0.4, 0.5]), np.array([0.1, 0.2, -0.3]))
        found = settle_deviations(kwh, prices, pricing, ACCOUNT)
        np.testing.assert_allclose(found.charge_amount[:, 0], [0.3, 0.4, 0.3])


@given(kwh=deviations, price=prices)
def test_at_a_single_price_nothing_is_left_over(kwh, price):
    found = settle_deviations(kwh, DeviationPrices(*price), "single", ACCOUNT)
    np.testing.assert_allclose(found.excess_amount, 0.0, atol=1e-9)


@given(kwh=deviations, price=prices)
def test_dual_prices_leave_the_spread_on_what_cancels_within(kwh, price):
    short, long = max(price), min(price)
    found = settle_deviations(kwh, DeviationPrices(short, long), "dual", ACCOUNT)
    missing_kwh, left_kwh = np.maximum(-kwh, 0.0).sum(axis=1), np.maximum(kwh, 0.0).sum(axis=1)
    expected = (short - long) * np.minimum(missing_kwh, left_kwh)
    np.testing.assert_allclose(found.excess_amount, expected, atol=1e-9)


def test_deviations_that_cancel_are_charged_at_the_mean_price():
    # 0.1 + 0.2 − 0.3 is not exactly 0 in floats.
    found = settle_deviations(np.array([[0.1, 0.2, -0.3]]), DeviationPrices(0.35, 0.05), "single", ACCOUNT)
    np.testing.assert_allclose(found.charge_amount, [[-0.02, -0.04, 0.06]], atol=1e-12)
    assert found.outside_amount[0] == 0.0


def test_both_registers_count_in_one_interval():
    registers = Registers(np.array([[2.0, 1.0]]), np.array([[0.5, 4.0]]))
    found = deviations_kwh(registers, np.array([[0.0, 2.5]]), np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(found, [[-0.5, 0.5]])


def test_more_out_or_less_in_is_long():
    registers = Registers(np.array([[0.0, 2.0]]), np.array([[3.0, 0.0]]))
    np.testing.assert_allclose(
        deviations_kwh(registers, np.array([[2.0, 0.0]]), np.array([[0.0, 3.0]])), [[1.0, 1.0]]
    )


def test_what_cannot_be_settled_is_refused():
    kwh = np.zeros((1, 1))
    with pytest.raises(GridcommonsError, match="did you mean 'single'"):
        settle_deviations(kwh, DeviationPrices(0.3, 0.1), "singel", ACCOUNT)
    with pytest.raises(GridcommonsError, match="no account"):
        settle_deviations(kwh, DeviationPrices(0.3, 0.1), "dual", "")
