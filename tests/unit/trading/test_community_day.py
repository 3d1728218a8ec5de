"""The day by the minute: measurements, prices, envelopes, and what makes no day of trading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from communities import community_study
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import StudyError
from gridcommons.model.orders import StandingOrder
from gridcommons.model.tariffs import Prices
from gridcommons.trading.community_day import make_community_day

CONSUMPTION = np.array([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]])
GENERATION = np.array([[15.0, 0.0, 5.0], [40.0, 70.0, 0.0]])
BLANK = np.full(2, np.nan)


def study(**given):
    made = community_study(CONSUMPTION, GENERATION)
    return replace(made, prices=Prices(np.array([0.3, 0.4]), np.array([0.1, 0.2]), BLANK, BLANK), **given)


def with_prices(buy, sell, fee=BLANK):
    return replace(study(), prices=Prices(np.array(buy), np.array(sell), np.array(fee), BLANK))


def test_a_minute_repeats_its_interval():
    day = make_community_day(study(), "band")
    assert day.minutes == 30 and day.member == ("mA", "mB", "mC") and day.clusters == ("A", "B", "C")
    net = np.repeat(CONSUMPTION - GENERATION, 15, axis=0)
    np.testing.assert_allclose(day.p_kw, net)
    np.testing.assert_allclose(day.wanted_kw, net)
    np.testing.assert_allclose(day.balance_kw, -net)
    np.testing.assert_allclose(day.consumption_kw, np.repeat(CONSUMPTION, 15, axis=0))
    np.testing.assert_allclose(day.retail_price_per_kwh, np.repeat([0.3, 0.4], 15))
    np.testing.assert_allclose(day.feed_in_price_per_kwh, np.repeat([0.1, 0.2], 15))


def test_clusters_are_sorted_and_balances_are_sums_of_their_members():
    made = study()
    names = dict(zip(("mA", "mB", "mC"), ("south", "north", "south"), strict=True))
    members = tuple(replace(one, cluster=names[one.member]) for one in made.community.members)
    day = make_community_day(replace(made, community=replace(made.community, members=members)), "band")
    assert day.clusters == ("north", "south") and day.cluster_of.tolist() == [1, 0, 1]
    assert day.cluster_of_member == names
    np.testing.assert_allclose(day.balance_kw[0], [-20.0, 5.0 - 25.0])


def test_the_network_fee_is_part_of_the_retail_price_and_of_nothing_else():
    day = make_community_day(with_prices([0.3, 0.4], [0.1, 0.2], [0.05, np.nan]), "band")
    np.testing.assert_allclose(day.retail_price_per_kwh[[0, 29]], [0.35, 0.4])
    np.testing.assert_allclose(day.feed_in_price_per_kwh[[0, 29]], [0.1, 0.2])
    band = day.band(14)
    assert (band.feed_in_price_per_kwh, band.retail_price_per_kwh) == pytest.approx((0.1, 0.35))
    assert band.main_grid_available


def test_where_there_is_no_supply_nothing_is_metered():
    day = make_community_day(study(), "band")
    has_way = np.ones((30, 3), dtype=bool)
    has_way[10:20, 1] = False
    served = day.served(has_way)
    np.testing.assert_allclose(served.p_kw[[9, 10, 19, 20], 1], [20.0, 0.0, 0.0, -20.0])
    np.testing.assert_allclose(served.consumption_kw[[9, 10, 19, 20], 1], [20.0, 0.0, 0.0, 50.0])
    np.testing.assert_allclose(served.p_kw[:, [0, 2]], day.p_kw[:, [0, 2]])
    np.testing.assert_allclose(served.wanted_kw, day.wanted_kw)


def test_rounds_are_due_where_prices_change_and_orders_come_and_go():
    made = study()
    assert make_community_day(made, "band").news == {15: "prices"}
    flat = with_prices([0.3, 0.3], [0.1, 0.1])
    assert make_community_day(flat, "band").news == {}
    assert make_community_day(with_prices([0.3, 0.3], [0.1, 0.2]), "band").news == {15: "prices"}

    def order(placed, expires):
        return StandingOrder("o", "mA", "A", True, 1.0, 0.2, placed, expires)

    for placed, expires, news in (
        (0, 0, {15: "orders"}),
        (0, 1, {}),
        (1, 1, {15: "orders"}),
        (0, -1, {15: "orders"}),
    ):
        assert make_community_day(replace(flat, orders=(order(placed, expires),)), "band").news == news


def test_the_ends_of_the_band_are_limit_prices_that_the_band_allows():
    """Half a band beside its middle is outside by rounding for one pair of prices in three."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        low = np.round(rng.uniform(-0.3, 0.2, 2), 3)
        day = make_community_day(with_prices(low + np.round(rng.uniform(0.0, 0.3, 2), 3), low), "band")
        band, limits = day.band(0), day.limit_prices(0)
        assert band.allows(limits.buy_price_per_kwh).all() and band.allows(limits.sell_price_per_kwh).all()
        np.testing.assert_allclose(limits.buy_price_per_kwh, band.retail_price_per_kwh)
        np.testing.assert_allclose(limits.sell_price_per_kwh, band.feed_in_price_per_kwh)


def test_drawn_limit_prices_lie_in_their_half_and_follow_the_seed():
    day = make_community_day(study(), "drawn")
    first, last = day.limit_prices(0), day.limit_prices(29)
    assert (first.buy_price_per_kwh > 0.2).all() and (first.buy_price_per_kwh < 0.3).all()
    assert (first.sell_price_per_kwh < 0.2).all() and (first.sell_price_per_kwh > 0.1).all()
    np.testing.assert_allclose(first.buy_price_per_kwh + 0.1, last.buy_price_per_kwh)
    assert len(set(day.limit_share.ravel())) == 6
    np.testing.assert_array_equal(make_community_day(study(), "drawn").limit_share, day.limit_share)
    assert (make_community_day(study(seed=4), "drawn").limit_share != day.limit_share).all()


def test_limit_prices_are_drawn_for_each_side():
    day = replace(
        make_community_day(study(), "band"), limit_share=np.array([[0.0, 0.5, 1.0], [1.0, 0.25, 0.0]])
    )
    limits = day.limit_prices(0)
    np.testing.assert_allclose(limits.buy_price_per_kwh, [0.2, 0.25, 0.3])
    np.testing.assert_allclose(limits.sell_price_per_kwh, [0.1, 0.175, 0.2])


def test_envelopes_hold_what_is_measured_and_cut_what_is_ordered():
    envelopes = Envelopes(
        ("pv_B", "load_A"), np.array([[0.0, 2.0], [-30.0, 2.0]]), np.array([[0.0, 8.0]] * 2)
    )
    day = make_community_day(study(envelopes=envelopes), "band")
    np.testing.assert_allclose(day.wanted_kw[[0, 29]], CONSUMPTION - GENERATION)
    np.testing.assert_allclose(day.p_kw[[0, 29]], [[8.0 - 15.0, 20.0, 25.0], [8.0 - 40.0, 20.0, 60.0]])
    np.testing.assert_allclose(day.consumption_kw[[0, 29]], [[8.0, 20.0, 30.0], [8.0, 50.0, 60.0]])
    of_minute = day.envelopes(29, 0.5)
    assert of_minute.step_hours == 0.5 and of_minute.member == ("mA", "mB", "mC")
    np.testing.assert_allclose(of_minute.p_min_kw, [2.0 - 40.0, 50.0 - 30.0, 60.0])
    np.testing.assert_allclose(of_minute.p_max_kw, [8.0 - 40.0, 50.0, 60.0])
    np.testing.assert_allclose(day.envelopes(14, 1.0).p_min_kw, [2.0 - 15.0, 20.0, 25.0])
    assert make_community_day(study(), "band").envelopes(0, 1.0) is None


def problems_of(made):
    with pytest.raises(StudyError) as raised:
        make_community_day(made, "band")
    return raised.value.problems


def test_members_without_cluster_are_counted_and_the_first_are_named():
    made = study()
    members = tuple(replace(one, cluster="" if one.member != "mB" else "B") for one in made.community.members)
    (problem,) = problems_of(replace(made, community=replace(made.community, members=members)))
    assert problem.found == "2 members without a cluster (mA, mC)"
    assert (problem.file, problem.column) == ("members.csv", "cluster")


def test_missing_prices_are_counted_by_column():
    found = problems_of(with_prices([0.3, np.nan], [np.nan, np.nan]))
    assert [(each.column, each.found) for each in found] == [
        ("import_price_per_kwh", "1 intervals without a price"),
        ("export_price_per_kwh", "2 intervals without a price"),
    ]


def test_crossed_prices_are_told_with_their_first_interval():
    (problem,) = problems_of(with_prices([0.3, 0.4], [0.3, 0.41]))
    assert problem.found.startswith("1 intervals in which the grid pays more") and "00:15:00" in problem.found
    make_community_day(with_prices([0.3, 0.4], [0.3, 0.41], [0.0, 0.02]), "band")
