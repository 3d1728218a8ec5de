"""Known answers of each mechanism on books small enough to clear by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.orders import Orders, PriceBand
from gridcommons.trading.crossing import clearing_prices, make_curves, prices_cross
from gridcommons.trading.double_auction import DoubleAuction
from gridcommons.trading.mechanisms import make_mechanism
from gridcommons.trading.merit_order import MeritOrder
from gridcommons.trading.mid_market_rate import MidMarketRate
from gridcommons.trading.pay_as_bid import PayAsBid
from gridcommons.trading.welfare import Welfare, maximise_welfare, optimal_duals


def orders(bids, asks, band=(0.0, 10.0)):
    """Bids b0, b1… and asks s0, s1… of (energy, price)."""
    rows = [*bids, *asks]
    return Orders(
        order=tuple([f"b{k}" for k in range(len(bids))] + [f"s{k}" for k in range(len(asks))]),
        member=tuple(f"m{k}" for k in range(len(rows))),
        cluster=("c",) * len(rows),
        is_buy=np.arange(len(rows)) < len(bids),
        energy_kwh=np.array([row[0] for row in rows], dtype=float),
        price_per_kwh=np.array([row[1] for row in rows], dtype=float),
        expires_step=np.zeros(len(rows), np.int64),
        band=PriceBand(*band),
    )


def rows(book, trades):
    """Trades as (bid, ask, energy, price)."""
    return [
        (book.order[b], book.order[s], pytest.approx(e), pytest.approx(p))
        for b, s, e, p in zip(trades.buy, trades.sell, trades.energy_kwh, trades.price_per_kwh, strict=True)
    ]


# Demand 3 at 8, 2 at 6, 4 at 3; supply 2 at 1, 2 at 4, 5 at 7: 4 kWh cross, the margin is inside b1.
INSIDE_A_BID = orders([(3, 8), (2, 6), (4, 3)], [(2, 1), (2, 4), (5, 7)])
LONG_DEMAND = orders([(1, 5), (1, 9), (1, 7)], [(1.5, 2)])
LONG_SUPPLY = orders([(1.5, 9)], [(1, 4), (1, 2), (1, 6)])


def test_merit_order_pairs_the_best_at_the_midpoint_of_their_prices():
    assert rows(INSIDE_A_BID, MeritOrder().clear(INSIDE_A_BID)) == [
        ("b0", "s0", 2.0, 4.5),
        ("b0", "s1", 1.0, 6.0),
        ("b1", "s1", 1.0, 5.0),
    ]


def test_pay_as_bid_pairs_alike_at_the_buyers_prices():
    assert rows(INSIDE_A_BID, PayAsBid().clear(INSIDE_A_BID)) == [
        ("b0", "s0", 2.0, 8.0),
        ("b0", "s1", 1.0, 8.0),
        ("b1", "s1", 1.0, 6.0),
    ]


@pytest.mark.parametrize("mechanism", [DoubleAuction(), Welfare()], ids=lambda each: each.name)
def test_one_price_is_that_of_the_order_that_is_served_in_part(mechanism):
    assert rows(INSIDE_A_BID, mechanism.clear(INSIDE_A_BID)) == [
        ("b0", "s0", 2.0, 6.0),
        ("b0", "s1", 1.0, 6.0),
        ("b1", "s1", 1.0, 6.0),
    ]


def test_the_short_side_is_accepted_whole_and_of_the_long_side_the_best():
    assert rows(LONG_DEMAND, MeritOrder().clear(LONG_DEMAND)) == [
        ("b1", "s0", 1.0, 5.5),
        ("b2", "s0", 0.5, 4.5),
    ]
    assert rows(LONG_SUPPLY, MeritOrder().clear(LONG_SUPPLY)) == [
        ("b0", "s1", 1.0, 5.5),
        ("b0", "s0", 0.5, 6.5),
    ]


def test_the_literal_rule_serves_the_lowest_bids_that_cross_first():
    # At a price of 7, where 1 kWh of b2 is bid beside b1, b0 does not cross: b2 comes before b1.
    assert rows(LONG_DEMAND, MeritOrder(literal=True).clear(LONG_DEMAND)) == [
        ("b1", "s0", 0.5, 5.5),
        ("b2", "s0", 1.0, 4.5),
    ]
    assert rows(LONG_SUPPLY, MeritOrder(literal=True).clear(LONG_SUPPLY)) == rows(
        LONG_SUPPLY, MeritOrder().clear(LONG_SUPPLY)
    )


def test_the_mid_market_rate_serves_the_long_side_in_proportion_and_leaves_out_who_does_not_allow_it():
    book = orders([(3, 6), (1, 9), (5, 4.9)], [(1, 5), (1, 0), (7, 5.1)])
    trades = MidMarketRate().clear(book)
    assert trades.traded_kwh(6).tolist() == pytest.approx([1.5, 0.5, 0.0, 1.0, 1.0, 0.0])
    assert set(trades.price_per_kwh.tolist()) == {5.0}
    book = orders([(1, 5)], [(3, 1), (1, 4)])
    assert MidMarketRate().clear(book).traded_kwh(3).tolist() == pytest.approx([1.0, 0.75, 0.25])


INTERVALS = [
    # Both sides end at the same energy: anything from the better of (accepted ask, refused bid) to the
    # worse of (accepted bid, refused ask).
    (([(2, 8)], [(2, 3)]), (3.0, 8.0)),
    (([(2, 8), (1, 5)], [(2, 3)]), (5.0, 8.0)),
    (([(2, 8), (1, 5)], [(2, 3), (1, 6)]), (5.0, 6.0)),
    (([(2, 8), (1, 2)], [(2, 3), (1, 9)]), (3.0, 8.0)),
    # Inside an order its price is the only one.
    (([(3, 8)], [(2, 3)]), (8.0, 8.0)),
    (([(2, 8)], [(3, 3)]), (3.0, 3.0)),
    # Bids and asks that meet in one price alone, longer on either side or equal.
    (([(3, 4)], [(1, 4)]), (4.0, 4.0)),
    (([(1, 4)], [(1, 4)]), (4.0, 4.0)),
    # Sums that are equal but for rounding are equal.
    (([(0.1, 8), (0.2, 7)], [(0.3, 2)]), (2.0, 7.0)),
    (([(0.3, 8)], [(0.1, 2), (0.2, 3)]), (3.0, 8.0)),
]


@pytest.mark.parametrize(("sides", "interval"), INTERVALS, ids=str)
def test_the_interval_of_clearing_prices(sides, interval):
    book = orders(*sides)
    assert clearing_prices(*make_curves(book)) == interval
    assert optimal_duals(maximise_welfare(*make_curves(book))) == interval
    for mechanism in (DoubleAuction(), Welfare()):
        assert set(mechanism.clear(book).price_per_kwh.tolist()) == {sum(interval) / 2.0}


def test_bid_and_ask_at_the_same_price_trade_and_below_it_they_do_not():
    for mechanism in (MeritOrder(), MeritOrder(literal=True), DoubleAuction(), PayAsBid(), Welfare()):
        assert len(mechanism.clear(orders([(1, 4)], [(1, 4)]))) == 1
        assert len(mechanism.clear(orders([(1, 3.999)], [(1, 4)]))) == 0
    assert len(MidMarketRate().clear(orders([(1, 5)], [(1, 5)]))) == 1


def test_equal_prices_at_the_margin_share_in_proportion():
    book = orders([(1, 6), (3, 6), (1, 9)], [(3, 1)])
    for mechanism in (MeritOrder(), DoubleAuction(), PayAsBid(), Welfare()):
        assert mechanism.clear(book).traded_kwh(4).tolist() == pytest.approx([0.5, 1.5, 1.0, 3.0])


@settings(max_examples=100)
@given(seed=st.integers(0, 10_000))
def test_the_solver_s_dual_is_one_of_the_clearing_prices(seed):
    generator = np.random.default_rng(seed)
    sides = [
        np.column_stack([generator.integers(1, 9, count), generator.integers(1, 9, count)]).tolist()
        for count in generator.integers(1, 9, 2)
    ]
    demand, supply = make_curves(orders(*sides))
    found = maximise_welfare(demand, supply)
    low, high = optimal_duals(found)
    if prices_cross(demand, supply):
        assert (low, high) == clearing_prices(demand, supply)
        assert low - 1e-9 <= found.dual_price_per_kwh <= high + 1e-9


def test_negative_prices_clear_like_others():
    book = orders([(1, -2), (1, 3)], [(2, -5), (1, -1)], band=(-9.0, 9.0))
    for mechanism in (DoubleAuction(), Welfare()):
        trades = mechanism.clear(book)
        assert set(trades.price_per_kwh.tolist()) == {-3.5}
        assert trades.energy_kwh.sum() == pytest.approx(2.0)


def test_an_unknown_mechanism_is_an_error_with_a_suggestion():
    with pytest.raises(GridcommonsError, match=r"found 'merit_oder', expected one of .*'merit_order'\?"):
        make_mechanism("merit_oder")
