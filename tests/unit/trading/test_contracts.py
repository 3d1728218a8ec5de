"""What the rounds of a day contract: how long trades run, who may trade with whom, what enters the book."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridcommons.model.orders import StandingOrder
from gridcommons.trading.community_day import CommunityDay
from gridcommons.trading.contracts import Market, make_contracts
from gridcommons.trading.mechanisms import make_mechanism
from gridcommons.trading.rounds import NOBODY, Rounds

MINUTES = 60
MEMBERS = ("a1", "a2", "b1", "b2")
CLUSTER_OF = np.array([0, 0, 1, 1])


def make_day(p_kw, **given) -> CommunityDay:
    """An hour of four members in two clusters; ``p_kw`` is one row, or a row a quarter of an hour."""
    p_kw = np.atleast_2d(np.array(p_kw, dtype=float))
    by_minute = np.repeat(p_kw, MINUTES // len(p_kw), axis=0)
    usual = {
        "member": MEMBERS,
        "clusters": ("A", "B"),
        "cluster_of": CLUSTER_OF,
        "wanted_kw": by_minute,
        "p_kw": by_minute,
        "consumption_kw": np.maximum(by_minute, 0.0),
        "feed_in_price_per_kwh": np.full(MINUTES, 0.10),
        "retail_price_per_kwh": np.full(MINUTES, 0.30),
        "limit_share": np.ones((2, 4)),
        "step_minutes": 15,
    }
    return CommunityDay(**(usual | given))


def make_rounds(*rows) -> Rounds:
    """Rounds of (minute, kind, cluster, minute of effect), all of them in force."""
    minute, kind, cluster, effect = zip(*rows, strict=True)
    return Rounds(
        minute=np.array(minute),
        kind=kind,
        cluster=np.array(cluster),
        trigger=("periodic",) * len(rows),
        member=np.full(len(rows), NOBODY),
        effect_minute=np.array(effect),
        takes_effect=np.ones(len(rows), dtype=bool),
        storage_bytes=np.zeros(len(rows), dtype=np.int64),
    )


def community(minute, effect=None):
    return (minute, "community", NOBODY, minute if effect is None else effect)


def make_market(group_of=(0, 0), cluster="merit_order", community="merit_order", supplied=None) -> Market:
    """The same groups and supply after each of up to fifty rounds."""
    by_cluster = {name: make_mechanism(cluster) for name in "ABCD"}
    has_way = np.ones(len(group_of), dtype=bool) if supplied is None else np.array(supplied)
    every = (np.tile(each, (50, 1)) for each in (np.array(group_of), has_way))
    return Market(*every, by_cluster, make_mechanism(community))


def rows_of(made):
    """Trades as (tier, buyer, seller, kWh, first minute, minutes), sorted."""
    names = [(MEMBERS[b], MEMBERS[s]) for b, s in zip(made.buyer, made.seller, strict=True)]
    numbers = zip(made.tier, names, made.energy_kwh.round(9), made.from_minute, made.minutes, strict=True)
    return sorted((int(t), *who, float(e), int(f), int(m)) for t, who, e, f, m in numbers)


BALANCED = (6.0, -4.0, 3.0, -9.0)
"""A lacks 2 kW, B has 6 too many: 4 kW within A, 3 within B, 2 from B to A."""


def test_both_tiers_of_one_round_run_to_the_end_of_the_day():
    made = make_contracts(make_day(BALANCED), make_rounds(community(0)), make_market())
    assert rows_of(made) == [
        (0, "a1", "a2", 4.0, 0, 60),
        (0, "b1", "b2", 3.0, 0, 60),
        (1, "a1", "b2", 2.0, 0, 60),
    ]
    np.testing.assert_allclose(made.bought_kw, np.tile([6.0, -4.0, 3.0, -5.0], (60, 1)))
    # Both limits are ends of the band: every trade is in its middle.
    np.testing.assert_allclose(made.price_per_kwh, 0.2)
    np.testing.assert_allclose(made.paid_per_h, 0.2 * made.bought_kw)


def test_energy_is_power_over_the_time_until_the_next_round():
    day = make_day(
        [[6.0, -6.0, 0.0, 0.0], [2.0, -9.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [5.0, -5.0, 0.0, 0.0]]
    )
    made = make_contracts(day, make_rounds(community(0), community(20), community(30)), make_market())
    assert [(row[3], row[4], row[5]) for row in rows_of(made)] == [(0.333333333, 20, 10), (2.0, 0, 20)]
    np.testing.assert_allclose(made.bought_kw[:, 0], np.repeat([6.0, 2.0, 0.0], [20, 10, 30]))
    assert made.round.tolist() == [0, 1]


def test_a_round_offers_what_is_measured_when_it_starts_not_when_it_takes_effect():
    day = make_day([[6.0, -6.0, 0.0, 0.0], [2.0, -2.0, 0.0, 0.0]])
    made = make_contracts(day, make_rounds(community(29, effect=31)), make_market())
    assert rows_of(made) == [(0, "a1", "a2", round(6.0 * 29 / 60, 9), 31, 29)]
    np.testing.assert_allclose(made.bought_kw[:31], 0.0)


def test_orders_are_what_is_wanted_and_not_what_envelopes_leave():
    day = replace(make_day(BALANCED), p_kw=np.zeros((MINUTES, 4)))
    sent = make_contracts(day, make_rounds(community(0)), make_market()).books[0].sent
    assert dict(zip(sent.member, sent.energy_kwh.tolist(), strict=True)) == {
        "a1": 6.0, "a2": 4.0, "b1": 3.0, "b2": 9.0,
    }  # fmt: skip
    assert dict(zip(sent.member, sent.is_buy.tolist(), strict=True)) == {
        "a1": True, "a2": False, "b1": True, "b2": False,
    }  # fmt: skip


def test_a_clusters_own_round_replaces_its_first_tier_and_nothing_else():
    quarter = [[6.0, -4.0, 3.0, -9.0], [1.0, -4.0, 1.0, -1.0], [6.0, -4.0, 3.0, -9.0], [6.0, -4.0, 3.0, -9.0]]
    rounds = make_rounds(community(0), (15, "cluster", 0, 15))
    made = make_contracts(make_day(quarter), rounds, make_market())
    assert rows_of(made) == [
        (0, "a1", "a2", 0.75, 15, 45),
        (0, "a1", "a2", 1.0, 0, 15),
        (0, "b1", "b2", 3.0, 0, 60),
        (1, "a1", "b2", 2.0, 0, 60),
    ]
    assert [book.round for book in made.books] == [0, 1]
    assert set(made.books[1].sent.member) == {"a1", "a2"}


def test_a_community_round_replaces_everything_even_by_nothing():
    quarter = [[6.0, -4.0, 3.0, -9.0], [6.0, -4.0, 3.0, -9.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    rounds = make_rounds(community(0), (15, "cluster", 1, 15), community(30))
    made = make_contracts(make_day(quarter), rounds, make_market())
    assert (made.from_minute + made.minutes <= 30).all()
    np.testing.assert_allclose(made.bought_kw[30:], 0.0)
    np.testing.assert_allclose(made.bought_kw[:30], np.tile([6.0, -4.0, 3.0, -5.0], (30, 1)))


def test_a_clusters_own_round_overtakes_a_late_decision_of_the_community():
    """The community's of minute 15 arrives in minute 40, the cluster's of minute 20 at once."""
    day = make_day(
        [[6.0, -6.0, 0.0, 0.0], [2.0, -2.0, 0.0, 0.0], [6.0, -6.0, 0.0, 0.0], [6.0, -6.0, 0.0, 0.0]]
    )
    rounds = make_rounds(community(0), community(15, effect=40), (35, "cluster", 0, 35))
    made = make_contracts(day, rounds, make_market())
    assert (made.minutes > 0).all() and (made.energy_kwh > 0.0).all()
    np.testing.assert_allclose(made.bought_kw[:, 0], np.repeat([6.0, 2.0], [40, 20]))
    assert sorted(zip(made.round, made.from_minute, made.minutes, strict=True)) == [
        (0, 0, 35),
        (1, 40, 20),
        (2, 35, 5),
    ]
    assert [book.round for book in made.books] == [0, 1, 2]


def test_dropped_decisions_those_behind_the_day_and_readings_contract_nothing():
    rounds = make_rounds(community(0), community(15), (20, "meters", NOBODY, 20), community(45, effect=60))
    rounds = replace(rounds, takes_effect=np.array([True, False, True, True]))
    made = make_contracts(make_day(BALANCED), rounds, make_market())
    assert made.round.tolist() == [0, 0, 0] and (made.minutes == 60).all()
    assert [book.round for book in made.books] == [0]


def test_a_decision_of_the_last_minute_runs_for_one_minute():
    made = make_contracts(make_day(BALANCED), make_rounds(community(10, effect=59)), make_market())
    assert (made.minutes == 1).all() and made.energy_kwh.sum() == pytest.approx(9.0 / 60)


def test_where_no_decision_takes_effect_nothing_is_contracted():
    made = make_contracts(make_day(BALANCED), make_rounds(community(0, effect=60)), make_market())
    assert len(made.round) == len(made.energy_kwh) == len(made.books) == 0
    assert not made.bought_kw.any() and made.buyer.dtype == np.int64


def test_groups_trade_by_themselves():
    apart = make_contracts(make_day(BALANCED), make_rounds(community(0)), make_market((0, 1)))
    assert {row[0] for row in rows_of(apart)} == {0}
    np.testing.assert_allclose(apart.bought_kw[0], [4.0, -4.0, 3.0, -3.0])
    # Both groups have a second tier of their own, which the next round ends.
    again = make_contracts(make_day(BALANCED), make_rounds(community(0), community(30)), make_market((0, 1)))
    assert len(again.round) == 4 and (again.minutes == 30).all()


def test_each_group_has_a_second_tier_of_its_own():
    """Four clusters of one member, joined in pairs: a1 with a2, b1 with b2."""
    day = make_day(
        [5.0, -8.0, 4.0, -3.0], clusters=("A", "B", "C", "D"), cluster_of=np.arange(4, dtype=np.int64)
    )
    market = make_market((0, 0, 2, 2))
    made = make_contracts(day, make_rounds(community(0), community(30)), market)
    assert rows_of(made) == [
        (1, "a1", "a2", 2.5, 0, 30),
        (1, "a1", "a2", 2.5, 30, 30),
        (1, "b1", "b2", 1.5, 0, 30),
        (1, "b1", "b2", 1.5, 30, 30),
    ]


def test_each_tier_has_its_own_mechanism():
    share = np.array([[0.5, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.2]])
    market = make_market(cluster="pay_as_bid", community="mid_market_rate")
    made = make_contracts(make_day(BALANCED, limit_share=share), make_rounds(community(0)), market)
    price = {
        (tier, MEMBERS[b]): p for tier, b, p in zip(made.tier, made.buyer, made.price_per_kwh, strict=True)
    }
    assert price == pytest.approx({(0, "a1"): 0.25, (0, "b1"): 0.30, (1, "a1"): 0.20})


def test_limit_prices_are_those_of_the_minute_of_the_round():
    retail = np.repeat([0.30, 0.50], [30, 30])
    rounds = make_rounds(community(0), community(29, effect=35), community(45))
    made = make_contracts(make_day(BALANCED, retail_price_per_kwh=retail), rounds, make_market())
    by_round = {int(k): p for k, p in zip(made.round, made.price_per_kwh, strict=True)}
    assert by_round == pytest.approx({0: 0.2, 1: 0.2, 2: 0.3})


def standing(name="own", member="a1", cluster="A", is_buy=True, **given):
    usual = {"power_kw": 5.0, "price_per_kwh": 0.30, "placed_step": 1, "expires_step": 2}
    return StandingOrder(order=name, member=member, cluster=cluster, is_buy=is_buy, **(usual | given))


def books_of(day, *minutes, market=None):
    rounds = make_rounds(*(community(minute) for minute in minutes))
    return make_contracts(day, rounds, market or make_market()).books


def test_own_orders_stand_from_their_first_interval_through_their_last():
    day = make_day(BALANCED, orders=(standing(),))
    of_a1 = [
        [(o, e) for o, m, e in zip(b.sent.order, b.sent.member, b.sent.energy_kwh, strict=True) if m == "a1"]
        for b in books_of(day, 0, 14, 15, 44, 45)
    ]
    assert of_a1 == [[], [], [("own", 5.0)], [("own", 5.0)], []]


def test_own_orders_go_to_rounds_of_their_cluster_alone_and_unknown_clusters_to_all():
    lost = standing("lost", cluster="C")
    day = make_day(BALANCED, orders=(standing(), lost))
    rounds = make_rounds(community(15), (20, "cluster", 0, 20), (25, "cluster", 1, 25))
    made = make_contracts(day, rounds, make_market())
    sent = [set(book.sent.order) & {"own", "lost"} for book in made.books]
    assert sent == [{"own", "lost"}, {"own", "lost"}, {"lost"}]
    assert all("there is no cluster 'C'" in book.book.rejections[0].reason for book in made.books)
    assert not set(made.books[2].sent.member) & {"a2"}


def test_ids_and_expiry_are_those_of_the_interval():
    (book,) = books_of(make_day(BALANCED), 44)
    assert book.sent.order == ("a1@2", "a2@2", "b1@2", "b2@2") and set(book.sent.expires_step) == {2}
    assert not book.book.rejections


def test_orders_of_a_cluster_without_a_way_to_the_main_grid_are_refused():
    book = books_of(make_day(BALANCED), 15, market=make_market(supplied=(False, True)))[0].book
    lost = [each for each in book.rejections if "has no way to the main grid" in each.reason]
    assert len(lost) == len(book.rejections) > 0 and all("'A'" in each.reason for each in lost)
    assert set(book.orders.cluster) == {"B"}


def test_trades_between_clusters_end_when_switches_part_them():
    market = make_market()
    market.group_of[1] = [0, 1]
    made = make_contracts(make_day(BALANCED), make_rounds(community(0), community(30)), market)
    between = made.minutes[made.tier == 1]
    assert len(between) and (between == 30).all() and (made.round[made.tier == 1] == 0).all()


def test_orders_are_cut_to_the_envelope_of_the_minute():
    low, high = np.zeros((2, MINUTES, 4))
    low[:30], low[30:], high[:] = -2.5, -1.0, 50.0
    books = books_of(make_day(BALANCED, envelope_kw=np.stack([low, high])), 29, 30)
    entered = [dict(zip(b.book.orders.member, b.book.orders.energy_kwh.tolist(), strict=True)) for b in books]
    assert entered == [
        {"a1": 6.0, "a2": 2.5, "b1": 3.0, "b2": 2.5},
        {"a1": 6.0, "a2": 1.0, "b1": 3.0, "b2": 1.0},
    ]


def test_who_is_joined_is_that_of_each_round():
    """Joined by the second round alone; B is cut off after the third."""
    by_cluster = {name: make_mechanism("merit_order") for name in "AB"}
    group_of, supplied = (
        np.array([[0, 1], [0, 0], [0, 1]]),
        np.array([[True, True], [True, True], [True, False]]),
    )
    market = Market(group_of, supplied, by_cluster, make_mechanism("merit_order"))
    made = make_contracts(make_day(BALANCED), make_rounds(*map(community, (0, 20, 40))), market)
    assert [row for row in rows_of(made) if row[0] == 1] == [(1, "a1", "b2", round(2.0 / 3, 9), 20, 20)]
    np.testing.assert_allclose(made.bought_kw[:, 0], np.repeat([4.0, 6.0, 4.0], 20))
    np.testing.assert_allclose(made.bought_kw[:, 2], np.repeat([3.0, 3.0, 0.0], 20))


def test_a_group_that_is_no_more_trades_no_more():
    """First two pairs of clusters, then all four together: what the second pair had agreed ends."""
    day = make_day(
        [[5.0, -8.0, 4.0, -3.0]] * 2 + [[1.0, 1.0, 1.0, 1.0]] * 2,
        clusters=("A", "B", "C", "D"),
        cluster_of=np.arange(4, dtype=np.int64),
    )
    by_cluster = {name: make_mechanism("merit_order") for name in "ABCD"}
    group_of = np.array([[0, 0, 2, 2], [0, 0, 0, 0]])
    market = Market(group_of, np.ones((2, 4), dtype=bool), by_cluster, make_mechanism("merit_order"))
    made = make_contracts(day, make_rounds(community(0), community(30)), market)
    assert rows_of(made) == [(1, "a1", "a2", 2.5, 0, 30), (1, "b1", "b2", 1.5, 0, 30)]
