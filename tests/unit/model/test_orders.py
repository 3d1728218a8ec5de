"""Orders and trades as columns."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.orders import (
    LimitPrices,
    OrderStamp,
    PriceBand,
    Trades,
    join_orders,
    join_trades,
    no_trades,
    orders_of_net_power,
)

BAND = PriceBand(0.1, 0.3)
MEMBERS = [("b", "west"), ("a", "west"), ("c", "east")]


def orders(p_kw=(2.0, -3.0, 1.0), band=BAND, step=7):
    limits = LimitPrices(np.array([0.3, 0.29, 0.28]), np.array([0.1, 0.11, 0.12]))
    return orders_of_net_power(MEMBERS, np.array(p_kw), limits, OrderStamp(step, 0.25, step + 1), band)


def test_who_draws_buys_who_injects_sells_and_who_is_in_balance_does_neither():
    made = orders((2.0, -3.0, 0.0))
    assert (made.order, made.member, made.cluster) == (("b@7", "a@7"), ("b", "a"), ("west", "west"))
    assert made.is_buy.tolist() == [True, False]
    assert made.energy_kwh.tolist() == [0.5, 0.75]
    assert made.price_per_kwh.tolist() == [0.3, 0.11]
    assert made.expires_step.tolist() == [8, 8] and made.band == BAND


def test_a_missing_power_makes_an_order_that_the_check_will_refuse():
    made = orders((np.nan, 0.0, -0.0))
    assert len(made) == 1 and np.isnan(made.energy_kwh[0])


def test_rank_is_the_place_among_the_ids():
    assert orders().rank.tolist() == [1, 0, 2]


@pytest.mark.parametrize("which", [np.array([2, 0]), np.array([True, False, True])], ids=["rows", "mask"])
def test_rows_are_taken_with_all_their_columns(which):
    made, rows = orders(), np.arange(3)[which]
    taken = made.take(which)
    assert taken.order == tuple(made.order[row] for row in rows)
    assert taken.member == tuple(made.member[row] for row in rows)
    assert taken.cluster == tuple(made.cluster[row] for row in rows)
    for name in ("is_buy", "energy_kwh", "price_per_kwh", "expires_step"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(made, name)[rows])


def test_books_of_one_interval_are_joined_in_the_order_given():
    one, two = orders(), orders((-1.0, 0.0, 4.0), step=8)
    both = join_orders([one, two])
    assert both.order == one.order + two.order
    np.testing.assert_array_equal(both.energy_kwh, np.concatenate([one.energy_kwh, two.energy_kwh]))
    assert both.expires_step.tolist() == [8, 8, 8, 9, 9]


def test_books_of_different_bands_are_not_joined():
    with pytest.raises(GridcommonsError, match="2 different price bands"):
        join_orders([orders(), orders(band=PriceBand(0.1, 0.4))])


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(GridcommonsError, match="energy_kwh.: 2"):
        orders().with_energy(np.ones(2))


@pytest.mark.parametrize(("low", "high"), [(0.4, 0.3), (np.nan, 0.3), (0.1, np.inf)])
def test_a_band_is_two_finite_prices_in_order(low, high):
    with pytest.raises(GridcommonsError, match=r"price band: found .* expected finite prices"):
        PriceBand(low, high)


def test_the_band_binds_prices_at_its_ends_and_only_with_a_main_grid():
    price = np.array([0.1, 0.3, 0.0999, 0.3001, np.nan, np.inf])
    assert BAND.allows(price).tolist() == [True, True, False, False, False, False]
    island = PriceBand(0.1, 0.3, main_grid_available=False)
    assert island.allows(price).tolist() == [True, True, True, True, False, False]
    assert BAND.middle_price_per_kwh == pytest.approx(0.2)


def trades():
    return Trades(np.array([0, 0]), np.array([1, 2]), np.array([2.0, 3.0]), np.array([0.1, 0.3]))


def test_money_and_energy_of_trades():
    assert trades().amount.tolist() == pytest.approx([0.2, 0.9])
    assert trades().traded_kwh(4).tolist() == [5.0, 2.0, 3.0, 0.0]


def test_trades_of_a_part_count_in_the_whole_book():
    moved = trades().at_rows(np.array([5, 9, 4]))
    assert moved.buy.tolist() == [5, 5] and moved.sell.tolist() == [9, 4]
    both = join_trades([trades(), moved])
    assert both.buy.tolist() == [0, 0, 5, 5] and both.energy_kwh.tolist() == [2.0, 3.0, 2.0, 3.0]
    assert len(join_trades([])) == len(no_trades()) == 0
