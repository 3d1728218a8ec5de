"""Conservation and fairness of the market over its two tiers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.orders import PriceBand
from gridcommons.trading.book import check_orders
from gridcommons.trading.double_auction import DoubleAuction
from gridcommons.trading.mechanisms import MECHANISMS
from gridcommons.trading.merit_order import MeritOrder
from gridcommons.trading.mid_market_rate import MidMarketRate
from gridcommons.trading.pay_as_bid import PayAsBid
from gridcommons.trading.two_tier import clear_two_tiers, make_cluster_curves
from gridcommons.trading.welfare import welfare_of
from order_books import book_of

BAND = PriceBand(0.1, 0.3)
ISLAND = replace(BAND, main_grid_available=False)
CLUSTERS = ("east", "north", "west")


def orders(*rows, band=BAND):
    """Orders of (id, member, cluster, side, energy, price)."""
    return book_of(rows, band, np.arange(len(rows)))


def auctions(*clusters):
    return dict.fromkeys(clusters, DoubleAuction())


# West has 5 to sell and needs 2; north needs 4 and has none. 3 kWh of sales are left in west at 0.12.
BOOK = orders(
    ("w1", "wb", "west", "buy", 2.0, 0.3),
    ("w2", "ws", "west", "sell", 4.0, 0.12),
    ("w3", "wt", "west", "sell", 1.0, 0.12),
    ("n1", "na", "north", "buy", 3.0, 0.3),
    ("n2", "nb", "north", "buy", 1.0, 0.2),
)


def table(book, trades):
    columns = (trades.buy, trades.sell, trades.energy_kwh, trades.price_per_kwh)
    return [
        (book.order[b], book.order[s], pytest.approx(e), pytest.approx(p))
        for b, s, e, p in zip(*columns, strict=True)
    ]


def test_members_trade_in_their_cluster_then_across_then_with_the_main_grid():
    result = clear_two_tiers(BOOK, auctions("west", "north"), DoubleAuction())
    assert table(BOOK, result.cluster_trades) == [("w1", "w2", 1.6, 0.12), ("w1", "w3", 0.4, 0.12)]
    between = table(result.curves.orders, result.curve_trades)
    assert between == [("north buy 0.3", "west sell 0.12", 3.0, 0.25)]
    assert table(BOOK, result.community_trades) == [("n1", "w2", 2.4, 0.25), ("n1", "w3", 0.6, 0.25)]
    assert result.rest_kwh.tolist() == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.0])
    assert result.grid_kwh.tolist() == result.rest_kwh.tolist()
    balances = result.clusters
    assert balances.cluster == ("north", "west")
    assert balances.demand_kwh.tolist() == [4.0, 2.0] and balances.supply_kwh.tolist() == [0.0, 5.0]
    assert balances.within_kwh.tolist() == pytest.approx([0.0, 2.0])
    assert balances.bought_kwh.tolist() == pytest.approx([3.0, 0.0])
    assert balances.sold_kwh.tolist() == pytest.approx([0.0, 3.0])
    assert balances.deficit_kwh.tolist() == pytest.approx([1.0, 0.0])
    assert balances.surplus_kwh.tolist() == pytest.approx([0.0, 0.0])
    assert balances.net_kwh.tolist() == pytest.approx([1.0, 0.0])
    money = dict(zip(result.members.member, result.members.bill_amount.tolist(), strict=True))
    assert money == pytest.approx({"wb": 0.24, "ws": -0.792, "wt": -0.198, "na": 0.75, "nb": 0.3})


def test_without_a_main_grid_the_rest_is_unserved_or_curtailed_and_nobody_pays_for_it():
    book = replace(BOOK, band=ISLAND, energy_kwh=np.array([2.0, 4.0, 1.0, 0.5, 0.25]))
    result = clear_two_tiers(book, auctions("west", "north"), DoubleAuction())
    assert not result.grid_kwh.any() and not result.unserved_kwh.any()
    assert result.curtailed_kwh.tolist() == pytest.approx([0.0, 1.8, 0.45, 0.0, 0.0])
    assert result.members.bill_amount.sum() == pytest.approx(0.0)
    short = clear_two_tiers(replace(BOOK, band=ISLAND), auctions("west", "north"), DoubleAuction())
    assert short.unserved_kwh.tolist() == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.0])
    assert not short.curtailed_kwh.any()
    money = dict(zip(short.members.member, short.members.bill_amount.tolist(), strict=True))
    assert money["nb"] == 0.0


def test_the_community_sees_clusters_and_prices_and_no_member():
    rest = np.array([0.0, 2.4, 0.6, 3.0, 1.0])
    curves = make_cluster_curves(BOOK, rest)
    seen = curves.orders
    assert seen.order == ("north buy 0.2", "north buy 0.3", "west sell 0.12")
    assert seen.member == seen.cluster == ("north", "north", "west")
    assert seen.energy_kwh.tolist() == pytest.approx([1.0, 3.0, 3.0])
    assert seen.is_buy.tolist() == [True, True, False]
    assert seen.expires_step.tolist() == [4, 3, 1]
    assert curves.level.tolist() == [-1, 2, 2, 1, 0]


def test_each_cluster_clears_by_its_own_mechanism():
    book = orders(
        ("e1", "ea", "east", "buy", 1.0, 0.28),
        ("e2", "eb", "east", "sell", 1.0, 0.14),
        ("n1", "na", "north", "buy", 1.0, 0.28),
        ("n2", "nb", "north", "sell", 1.0, 0.14),
        ("w1", "wa", "west", "buy", 1.0, 0.28),
        ("w2", "wb", "west", "sell", 1.0, 0.14),
    )
    mechanisms = {"east": PayAsBid(), "north": MidMarketRate(), "west": MeritOrder()}
    result = clear_two_tiers(book, mechanisms, DoubleAuction())
    assert table(book, result.cluster_trades) == [
        ("e1", "e2", 1.0, 0.28),
        ("n1", "n2", 1.0, 0.2),
        ("w1", "w2", 1.0, 0.21),
    ]


def test_what_a_level_trades_is_shared_in_proportion_to_what_is_left_of_its_orders():
    book = orders(
        ("n1", "na", "north", "buy", 3.0, 0.3),
        ("n2", "nb", "north", "buy", 1.0, 0.3),
        ("n3", "nc", "north", "buy", 9.0, 0.2),
        ("w1", "wa", "west", "sell", 2.0, 0.1),
    )
    result = clear_two_tiers(book, auctions("west", "north"), MeritOrder())
    assert result.community_trades.traded_kwh(4).tolist() == pytest.approx([1.5, 0.5, 0.0, 2.0])


def test_a_cluster_without_a_mechanism_is_an_error():
    with pytest.raises(GridcommonsError, match=r"cluster 'north', expected a mechanism .*'nort'\?"):
        clear_two_tiers(BOOK, auctions("west", "nort"), DoubleAuction())


def test_an_empty_book_clears_to_nothing():
    result = clear_two_tiers(BOOK.take(np.zeros(0, np.int64)), {}, DoubleAuction())
    assert len(result.trades) == 0 and result.members.member == () and result.clusters.cluster == ()


kwh = st.one_of(st.sampled_from([0.1, 0.2, 0.3, 1.0, 2.0]), st.floats(1e-3, 50.0))
price = st.one_of(st.sampled_from([0.1, 0.15, 0.2, 0.3]), st.floats(0.1, 0.3))
book_rows = st.lists(st.tuples(st.integers(0, 8), st.booleans(), kwh, price), min_size=1, max_size=40)
mechanism_names = st.sampled_from(sorted(MECHANISMS))


def two_tiers(rows, names, band=BAND):
    """A checked book of nine members in three clusters, cleared by three mechanisms and a fourth above."""
    sent = orders(
        *(
            (f"o{(7 * k + 3) % 1009}", f"m{m}", CLUSTERS[m % 3], "buy" if is_buy else "sell", e, p)
            for k, (m, is_buy, e, p) in enumerate(rows)
        ),
        band=band,
    )
    book = check_orders(sent, {f"m{m}": CLUSTERS[m % 3] for m in range(9)}, 0).orders
    *mine, community = (MECHANISMS[name]() for name in names)
    return clear_two_tiers(book, dict(zip(CLUSTERS, mine, strict=True)), community)


markets = settings(max_examples=150)
four_names = st.tuples(mechanism_names, mechanism_names, mechanism_names, mechanism_names)


@markets
@given(rows=book_rows, names=four_names, band=st.sampled_from([BAND, ISLAND]))
def test_energy_is_conserved_over_the_tiers(rows, names, band):
    result = two_tiers(rows, names, band)
    book, count = result.orders, len(result.orders)
    first, second = result.cluster_trades.traded_kwh(count), result.community_trades.traded_kwh(count)
    np.testing.assert_allclose(first + second + result.rest_kwh, book.energy_kwh, rtol=1e-9, atol=1e-12)
    assert (result.rest_kwh >= 0.0).all()
    np.testing.assert_allclose(
        result.grid_kwh + result.unserved_kwh + result.curtailed_kwh, result.rest_kwh, atol=1e-15
    )
    assert result.community_trades.energy_kwh.sum() == pytest.approx(result.curve_trades.energy_kwh.sum())
    for trades in (result.cluster_trades, result.community_trades):
        assert book.is_buy[trades.buy].all() and not book.is_buy[trades.sell].any()
    balances = result.clusters
    np.testing.assert_allclose(
        balances.demand_kwh - balances.supply_kwh,
        balances.bought_kwh - balances.sold_kwh + balances.net_kwh,
        atol=1e-9,
    )
    np.testing.assert_allclose(
        balances.demand_kwh, balances.within_kwh + balances.bought_kwh + balances.deficit_kwh, atol=1e-9
    )
    assert balances.bought_kwh.sum() == pytest.approx(balances.sold_kwh.sum(), abs=1e-12)


@markets
@given(rows=book_rows, names=four_names)
def test_the_first_tier_stays_in_the_cluster_and_both_tiers_keep_to_limits(rows, names):
    result = two_tiers(rows, names)
    book, trades = result.orders, result.trades
    first = result.cluster_trades
    assert [book.cluster[row] for row in first.buy] == [book.cluster[row] for row in first.sell]
    assert (trades.price_per_kwh <= book.price_per_kwh[trades.buy]).all()
    assert (trades.price_per_kwh >= book.price_per_kwh[trades.sell]).all()
    assert all(book.member[b] != book.member[s] for b, s in zip(trades.buy, trades.sell, strict=True))


@markets
@given(rows=book_rows, names=four_names)
def test_trades_of_members_are_those_of_their_clusters_at_the_same_prices(rows, names):
    result = two_tiers(rows, names)

    def by_level(trades, level):
        total = {}
        columns = (trades.buy, trades.sell, trades.energy_kwh, trades.price_per_kwh)
        for b, s, e, p in zip(*columns, strict=True):
            key = (int(level[b]), int(level[s]), float(p))
            total[key] = total.get(key, 0.0) + float(e)
        return total

    between = by_level(result.curve_trades, np.arange(len(result.curves.orders)))
    members = by_level(result.community_trades, result.curves.level)
    assert members == pytest.approx(between, rel=1e-9, abs=1e-9)


@markets
@given(rows=book_rows, names=four_names)
def test_money_is_conserved_and_nobody_pays_more_than_with_the_grid_alone(rows, names):
    result = two_tiers(rows, names)
    book, members = result.orders, result.members
    alone = np.where(
        book.is_buy,
        book.energy_kwh * BAND.retail_price_per_kwh,
        -book.energy_kwh * BAND.feed_in_price_per_kwh,
    )
    for member, bill in zip(members.member, members.bill_amount.tolist(), strict=True):
        mine = np.array([each == member for each in book.member])
        assert bill <= alone[mine].sum() + 1e-9
    to_grid = np.where(
        book.is_buy,
        result.rest_kwh * BAND.retail_price_per_kwh,
        -result.rest_kwh * BAND.feed_in_price_per_kwh,
    )
    assert members.bill_amount.sum() == pytest.approx(to_grid.sum(), abs=1e-9)
    gain = alone.sum() - members.bill_amount.sum()
    worth = BAND.retail_price_per_kwh - BAND.feed_in_price_per_kwh
    assert gain == pytest.approx(result.trades.energy_kwh.sum() * worth, abs=1e-9)


@markets
@given(rows=book_rows, names=four_names, seed=st.integers(0, 1000))
def test_arrival_changes_nothing_in_either_tier(rows, names, seed):
    result = two_tiers(rows, names)
    shuffled = result.orders.take(np.random.default_rng(seed).permutation(len(result.orders)))
    *mine, community = (MECHANISMS[name]() for name in names)
    again = clear_two_tiers(shuffled, dict(zip(CLUSTERS, mine, strict=True)), community)
    tables = []
    for each in (result, again):
        trades, book = each.trades, each.orders
        columns = (trades.energy_kwh.tolist(), trades.price_per_kwh.tolist())
        tables.append(
            sorted(
                (book.order[b], book.order[s], e, p)
                for b, s, e, p in zip(trades.buy, trades.sell, *columns, strict=True)
            )
        )
    assert tables[0] == tables[1]


@markets
@given(rows=book_rows)
def test_one_cluster_alone_leaves_its_community_nothing_to_do(rows):
    alone = [(3 * (m // 3), *rest) for m, *rest in rows]
    result = two_tiers(alone, ("double_auction",) * 4)
    assert len(result.community_trades) == 0
    assert welfare_of(result.orders, result.trades) == pytest.approx(
        welfare_of(result.orders, DoubleAuction().clear(result.orders)), abs=1e-9
    )
