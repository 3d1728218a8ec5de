"""Laws that every market mechanism obeys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridcommons.model.orders import Orders, PriceBand
from gridcommons.trading.book import check_orders
from gridcommons.trading.mechanisms import MECHANISMS
from gridcommons.trading.welfare import most_welfare, welfare_of

BAND = PriceBand(0.08, 0.32)
ISLAND = replace(BAND, main_grid_available=False)
FULL_WELFARE = ("double_auction", "merit_order", "pay_as_bid", "welfare")
AT_ONE_PRICE = ("double_auction", "mid_market_rate", "welfare")

every_mechanism = pytest.mark.parametrize("name", sorted(MECHANISMS))

# Few prices make many ties; free ones make none. Tenths add up to each other; others are huge or tiny.
prices = st.one_of(st.sampled_from([0.08, 0.1, 0.2, 0.3, 0.32]), st.floats(0.08, 0.32))
energies = st.one_of(
    st.integers(1, 20).map(lambda tenths: tenths / 10.0),
    st.floats(1e-6, 10.0),
    st.sampled_from([1e-9, 1e-6, 1e6, 1e9]),
)
rows = st.tuples(st.booleans(), energies, prices)
books = st.lists(rows, min_size=1, max_size=30)


def book(rows, band=BAND, members=None):
    """Orders whose ids are in another order than their rows."""
    count = len(rows)
    ids = [f"o{(7 * row + 3) % 1009:04d}" for row in range(count)]
    member = [f"m{row if members is None else row % members}" for row in range(count)]
    return Orders(
        order=tuple(ids),
        member=tuple(member),
        cluster=("c",) * count,
        is_buy=np.array([row[0] for row in rows], dtype=bool),
        energy_kwh=np.array([row[1] for row in rows], dtype=float),
        price_per_kwh=np.array([row[2] for row in rows], dtype=float),
        expires_step=np.zeros(count, np.int64),
        band=band,
    )


def clear(name, orders):
    return MECHANISMS[name]().clear(orders)


def by_id(orders, trades):
    """Trades as a set that knows no rows."""
    columns = (trades.buy.tolist(), trades.sell.tolist(), trades.energy_kwh.tolist())
    return sorted(
        (orders.order[buy], orders.order[sell], kwh, price)
        for buy, sell, kwh, price in zip(*columns, trades.price_per_kwh.tolist(), strict=True)
    )


def zero_width():
    """Bids and asks that cross in one price alone, and in quantities that meet but for rounding."""
    return [(True, 0.1, 0.2), (True, 0.2, 0.2), (False, 0.3, 0.2), (False, 1.0, 0.3)]


def huge_and_tiny():
    return [(True, 1e9, 0.3), (True, 1e-9, 0.32), (False, 1e-6, 0.1), (False, 1e9, 0.2), (False, 5.0, 0.1)]


with_examples = [example(rows=zero_width()), example(rows=huge_and_tiny())]


def given_books(test):
    for each in with_examples:
        test = each(test)
    return settings(max_examples=60)(given(rows=books)(test))


@every_mechanism
@given_books
def test_nobody_buys_above_or_sells_below_the_limit_price(name, rows):
    orders = book(rows)
    trades = clear(name, orders)
    assert orders.is_buy[trades.buy].all() and not orders.is_buy[trades.sell].any()
    assert (trades.price_per_kwh <= orders.price_per_kwh[trades.buy]).all()
    assert (trades.price_per_kwh >= orders.price_per_kwh[trades.sell]).all()


@every_mechanism
@given_books
def test_no_order_trades_more_than_it_offers_and_every_trade_is_of_something(name, rows):
    orders = book(rows)
    trades = clear(name, orders)
    assert (trades.traded_kwh(len(orders)) <= orders.energy_kwh * (1.0 + 1e-12)).all()
    assert (trades.energy_kwh > 0.0).all()
    pairs = set(zip(trades.buy.tolist(), trades.sell.tolist(), strict=True))
    assert len(pairs) == len(trades) <= max(len(orders) - 1, 0)


@every_mechanism
@settings(max_examples=60)
@given(rows=books, seed=st.integers(0, 1000))
@example(rows=zero_width(), seed=0)
@example(rows=huge_and_tiny(), seed=1)
def test_the_order_of_arrival_changes_nothing(name, rows, seed):
    orders = book(rows)
    shuffled = orders.take(np.random.default_rng(seed).permutation(len(orders)))
    assert by_id(orders, clear(name, orders)) == by_id(shuffled, clear(name, shuffled))


@every_mechanism
@given_books
def test_energy_and_money_balance_to_zero(name, rows):
    orders = book(rows)
    trades = clear(name, orders)
    count = len(orders)
    bought, sold = (np.bincount(side, trades.energy_kwh, count) for side in (trades.buy, trades.sell))
    paid, received = (np.bincount(side, trades.amount, count) for side in (trades.buy, trades.sell))
    assert bought.sum() == pytest.approx(sold.sum(), rel=1e-12)
    assert paid.sum() == pytest.approx(received.sum(), rel=1e-12)
    assert not bought[~orders.is_buy].any() and not sold[orders.is_buy].any()


@every_mechanism
@settings(max_examples=60)
@given(rows=st.lists(rows, min_size=2, max_size=12), energy=energies, price=prices, side=st.booleans())
def test_equal_orders_are_served_equally_whatever_their_ids(name, rows, energy, price, side):
    orders = book([(side, energy, price), *rows, (side, energy, price)])
    first, *_, last = clear(name, orders).traded_kwh(len(orders))
    scale = orders.energy_kwh.max()
    assert first == pytest.approx(last, rel=1e-9, abs=1e-11 * scale)


@every_mechanism
@settings(max_examples=60)
@given(rows=books, members=st.integers(1, 4))
def test_nobody_trades_with_itself_once_the_book_is_checked(name, rows, members):
    orders = book(rows, members=members)
    checked = check_orders(orders, {f"m{k}": "c" for k in range(members)}, step=0).orders
    trades = clear(name, checked)
    buyers, sellers = ([checked.member[row] for row in side] for side in (trades.buy, trades.sell))
    assert not any(buyer == seller for buyer, seller in zip(buyers, sellers, strict=True))


@every_mechanism
@given_books
def test_a_book_of_one_side_gives_no_trades(name, rows):
    for side in (True, False):
        assert len(clear(name, book([(side, *row[1:]) for row in rows]))) == 0
    assert len(clear(name, book([]))) == 0


@every_mechanism
@settings(max_examples=60)
@given(rows=books, factor=st.sampled_from([2.0**-20, 0.1, 3.0, 1e6]))
@example(rows=zero_width(), factor=3.0)
@example(rows=huge_and_tiny(), factor=0.1)
def test_scaling_all_energies_scales_all_trades(name, rows, factor):
    orders = book(rows)
    scaled = orders.with_energy(orders.energy_kwh * factor)
    once, again = clear(name, orders), clear(name, scaled)
    count, atol = len(orders), 1e-9 * orders.energy_kwh.max()
    np.testing.assert_allclose(again.traded_kwh(count) / factor, once.traded_kwh(count), rtol=1e-9, atol=atol)
    assert again.amount.sum() / factor == pytest.approx(once.amount.sum(), rel=1e-9)


@every_mechanism
@settings(max_examples=60)
@given(rows=books, band=st.sampled_from([BAND, ISLAND]))
def test_prices_are_inside_the_band(name, rows, band):
    trades = clear(name, book(rows, band))
    assert (trades.price_per_kwh >= 0.08).all() and (trades.price_per_kwh <= 0.32).all()


@every_mechanism
def test_the_name_is_that_in_the_table(name):
    assert MECHANISMS[name]().name == name


@pytest.mark.parametrize("name", FULL_WELFARE)
@settings(max_examples=150)
@given(rows=books)
@example(rows=zero_width())
@example(rows=huge_and_tiny())
def test_welfare_is_that_of_the_linear_program(name, rows):
    orders = book(rows)
    trades = clear(name, orders)
    reached, most, plain = welfare_of(orders, trades), most_welfare(orders), plain_welfare(orders)
    # The solver holds the balance to 1e-9 of what the smaller side offers, the auction to rounding.
    side_kwh = min(orders.energy_kwh[orders.is_buy].sum(), orders.energy_kwh[~orders.is_buy].sum())
    assert most == pytest.approx(plain, rel=1e-6, abs=1e-9 * side_kwh)
    assert reached == pytest.approx(most, rel=1e-6, abs=1e-9 * side_kwh)
    if name != "welfare":
        assert reached == pytest.approx(plain, rel=1e-9, abs=1e-11 * trades.energy_kwh.sum())


@every_mechanism
@settings(max_examples=60)
@given(rows=books)
def test_no_mechanism_beats_the_best_piece_by_piece(name, rows):
    orders = book(rows)
    trades = clear(name, orders)
    assert welfare_of(orders, trades) <= plain_welfare(orders) + 1e-9 * trades.energy_kwh.sum()


@pytest.mark.parametrize("name", AT_ONE_PRICE)
@given_books
def test_all_pay_one_price(name, rows):
    assert len(set(clear(name, book(rows)).price_per_kwh.tolist())) <= 1


@given_books
def test_the_uniform_auction_and_the_linear_program_agree_in_price_and_quantities(rows):
    orders = book(rows)
    auction, program = clear("double_auction", orders), clear("welfare", orders)
    scale = orders.energy_kwh.max()
    np.testing.assert_allclose(
        auction.traded_kwh(len(orders)), program.traded_kwh(len(orders)), rtol=1e-9, atol=1e-8 * scale
    )


def plain_welfare(orders):
    """The largest welfare by hand: best bid with best ask, a piece at a time."""
    bids = sorted((-p, e) for p, e, b in columns(orders) if b)
    asks = sorted((p, e) for p, e, b in columns(orders) if not b)
    total, i, j = 0.0, 0, 0
    bid_left, ask_left = [e for _, e in bids], [e for _, e in asks]
    while i < len(bids) and j < len(asks) and -bids[i][0] > asks[j][0]:
        piece = min(bid_left[i], ask_left[j])
        total += piece * (-bids[i][0] - asks[j][0])
        bid_left[i] -= piece
        ask_left[j] -= piece
        i, j = i + (bid_left[i] == 0.0), j + (ask_left[j] == 0.0)
    return total


def columns(orders):
    return zip(orders.price_per_kwh.tolist(), orders.energy_kwh.tolist(), orders.is_buy.tolist(), strict=True)
