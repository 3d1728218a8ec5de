"""Who pays what: trades, the rest by meter, and a difference that is shared by consumption."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.trading.community_day import CommunityDay
from gridcommons.trading.money import bills_alone, bills_together

MINUTES = 30
RETAIL, FEED_IN = np.repeat([0.30, 0.40], 15), np.repeat([0.10, 0.05], 15)


def make_day(p_kw, consumption_kw=None) -> CommunityDay:
    """Half an hour in two price intervals of as many members as there are columns."""
    p_kw = np.broadcast_to(np.array(p_kw, dtype=float), (MINUTES, len(p_kw)))
    count = p_kw.shape[1]
    return CommunityDay(
        member=tuple(f"m{k}" for k in range(count)),
        clusters=("A",),
        cluster_of=np.zeros(count, dtype=np.int64),
        wanted_kw=p_kw,
        p_kw=p_kw,
        consumption_kw=np.maximum(p_kw, 0.0) if consumption_kw is None else consumption_kw,
        feed_in_price_per_kwh=FEED_IN,
        retail_price_per_kwh=RETAIL,
        limit_share=np.ones((2, count)),
        step_minutes=15,
    )


def together(day, bought_kw, price, exchange_kw):
    bought = np.broadcast_to(np.array(bought_kw, dtype=float), day.p_kw.shape)
    nothing = np.zeros(len(day.member))
    return bills_together(day, (bought, bought * price), np.array(exchange_kw, dtype=float), nothing)


def test_alone_everybody_pays_retail_for_what_comes_and_gets_the_feed_in_price_for_what_goes():
    bills = bills_alone(make_day([12.0, -8.0, 0.0]))
    # A quarter of an hour at each price.
    expected = [12.0 * 0.25 * (0.30 + 0.40), -8.0 * 0.25 * (0.10 + 0.05), 0.0]
    np.testing.assert_allclose(bills.bill_amount, expected)
    np.testing.assert_allclose(bills.grid_amount, expected)
    assert bills.main_grid_amount == pytest.approx(sum(expected))
    assert not bills.trades_amount.any() and not bills.shared_amount.any()


def test_together_a_member_pays_its_trades_and_the_rest_at_the_main_grids_prices():
    """Of 12 kW one buys 5, of 8 kW the other sells 5; 4 kW and 1 kW of losses come from the main grid."""
    day = make_day([12.0, -8.0])
    bills = together(day, [5.0, -5.0], 0.2, np.full((MINUTES, 1), 5.0))
    np.testing.assert_allclose(bills.trades_amount, [0.5, -0.5])
    np.testing.assert_allclose(bills.grid_amount, [7.0 * 0.25 * 0.70, -3.0 * 0.25 * 0.15])
    assert bills.main_grid_amount == pytest.approx(5.0 * 0.25 * 0.70)
    assert bills.bill_amount.sum() == pytest.approx(bills.main_grid_amount)
    # 3 kW met inside without a trade: less is owed than is paid, and who consumes gets it back.
    owed = 5.0 * 0.25 * 0.70 - (7.0 * 0.25 * 0.70 - 3.0 * 0.25 * 0.15)
    np.testing.assert_allclose(bills.shared_amount, [owed, 0.0])


def test_whoever_has_sold_more_than_it_makes_buys_the_rest():
    bills = together(make_day([1.0, -8.0]), [4.0, -10.0], 0.2, np.zeros((MINUTES, 1)))
    np.testing.assert_allclose(bills.grid_amount, [-3.0 * 0.25 * 0.15, 2.0 * 0.25 * 0.70])


def test_connections_are_metered_one_by_one():
    day = make_day([4.0, -4.0])
    netted = together(day, [4.0, -4.0], 0.2, np.zeros((MINUTES, 2)))
    apart = together(day, [4.0, -4.0], 0.2, np.tile([4.0, -4.0], (MINUTES, 1)))
    assert netted.main_grid_amount == 0.0
    assert apart.main_grid_amount == pytest.approx(4.0 * 0.25 * (0.70 - 0.15))


def test_the_difference_is_shared_by_consumption_not_by_net_power():
    consumption = np.broadcast_to([10.0, 30.0, 0.0], (MINUTES, 3))
    bills = together(make_day([2.0, -5.0, -7.0], consumption), [0.0, 0.0, 0.0], 0.2, np.zeros((MINUTES, 1)))
    owed = -bills.grid_amount.sum()
    assert owed != 0.0
    np.testing.assert_allclose(bills.shared_amount, np.array([0.25, 0.75, 0.0]) * owed)


def test_where_nobody_consumes_all_share_alike():
    bills = together(make_day([-2.0, -6.0]), [0.0, 0.0], 0.2, np.full((MINUTES, 1), -7.0))
    owed = (-7.0 + 8.0) * 0.25 * 0.15
    np.testing.assert_allclose(bills.shared_amount, [owed / 2, owed / 2])
