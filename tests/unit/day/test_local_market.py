"""Members trade what their meters are expected to count, at prices that both prefer to their supplier's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_study import EXACT, day_of, day_study, field_of, random_day_study, usual_day, usual_field
from gridcommons.day.account_entries import promise_trades
from gridcommons.day.local_market import expected_day, trade_locally, trading_settings
from gridcommons.model.members import Community
from gridcommons.model.orders import StandingOrder

SEEDS = st.integers(0, 10_000)


def expected_kwh(field, planned, done):
    """What every member's meter is expected to count at each interval's start."""
    return expected_day(field, (planned, done), trading_settings(field)).p_kw[
        :: field.study.time.step_minutes
    ]


@settings(max_examples=25)
@given(seed=SEEDS)
def test_energy_and_money_stay_among_members(seed):
    field = field_of(random_day_study(seed))
    trades = day_of(field).trades
    assert trades.bought_kwh.sum(axis=1) == pytest.approx(trades.sold_kwh.sum(axis=1), abs=1e-9)
    assert trades.paid.sum(axis=1) == pytest.approx(0.0, abs=1e-9)
    assert (trades.bought_kwh * trades.sold_kwh == 0.0).all()


@settings(max_examples=25)
@given(seed=SEEDS)
def test_nobody_trades_more_than_its_meter_is_expected_to_count(seed):
    """Intervals are hours, so that a kW is a kWh."""
    field = field_of(random_day_study(seed))
    day = day_of(field)
    net_kwh = expected_kwh(field, day.live, day.done)
    assert (day.trades.bought_kwh <= np.maximum(net_kwh, 0.0) + 1e-9).all()
    assert (day.trades.sold_kwh <= np.maximum(-net_kwh, 0.0) + 1e-9).all()


@settings(max_examples=25)
@given(seed=SEEDS)
def test_both_sides_of_a_trade_prefer_it_to_their_supplier(seed):
    """Between the feed-in price and the import price, for everybody and in every interval."""
    field = field_of(random_day_study(seed))
    trades, prices = day_of(field).trades, field.study.prices
    export, supply = (p[:, None] for p in (prices.export_price_per_kwh, prices.import_price_per_kwh))
    assert (trades.paid <= supply * trades.bought_kwh - export * trades.sold_kwh + 1e-9).all()
    assert (trades.paid >= export * trades.bought_kwh - supply * trades.sold_kwh - 1e-9).all()


def test_where_somebody_sells_and_somebody_buys_there_is_a_trade():
    """With limit prices at the ends of the band all that fits is traded."""
    study = day_study()
    study = replace(study, tasks={**study.tasks, "trading": {"limit_prices": "band"}})
    field = field_of(study)
    day = day_of(field)
    net_kwh = expected_kwh(field, day.live, day.done)
    most_kwh = np.minimum(np.maximum(net_kwh, 0.0).sum(axis=1), np.maximum(-net_kwh, 0.0).sum(axis=1))
    assert most_kwh.max() > 1.0
    assert day.trades.bought_kwh.sum(axis=1) == pytest.approx(most_kwh, abs=1e-6)


def test_what_is_expected_of_a_roof_is_its_forecast_within_its_envelope():
    field, day = usual_field(), usual_day()
    clipped = np.clip(field.net_kw(field.information.nowcast()), day.done.p_min_kw, day.done.p_max_kw)
    known_kw = clipped.copy()
    set_points = np.concatenate([field.chained, field.stored])
    known_kw[:, set_points] = day.done.p_kw[:, set_points]
    owners = np.eye(len(field.study.community.members))[field.member_of]
    assert expected_kwh(field, day.live, day.done) == pytest.approx(known_kw @ owners, abs=1e-6)
    assert not np.allclose(known_kw[:, field.roofs], day.done.p_kw[:, field.roofs])


def test_a_roof_that_is_held_back_does_not_sell_what_it_may_not_give():
    field, live, done = usual_field(), usual_day().live, usual_day().done
    p_min_kw = done.p_min_kw.copy()
    p_min_kw[:, field.roofs] = 0.0
    held, free = (
        expected_kwh(field, live, replace(done, p_min_kw=each)) for each in (p_min_kw, done.p_min_kw)
    )
    roof_kw = np.clip(field.net_kw(field.information.nowcast()), done.p_min_kw, done.p_max_kw)[:, field.roofs]
    assert roof_kw.min() < -1.0
    assert (held - free)[:, field.member_of[field.roofs]] == pytest.approx(-roof_kw, abs=2e-6)


def test_on_a_known_day_what_is_expected_is_what_meters_count():
    field = usual_field(**EXACT)
    day = day_of(field)
    owners = np.eye(len(field.study.community.members))[field.member_of]
    assert expected_kwh(field, day.live, day.done) == pytest.approx(day.done.p_kw @ owners, abs=2e-6)


def test_members_without_a_cluster_are_one_cluster():
    study = day_study()
    members = tuple(replace(member, cluster="") for member in study.community.members)
    field = field_of(replace(study, community=Community(members, study.community.assets)))
    day = day_of(field)
    assert expected_day(field, (day.live, day.done), trading_settings(field)).clusters == ("community",)
    assert trade_locally(field, day.live, day.done).bought_kwh.sum() > 1.0


def test_clusters_that_are_not_joined_do_not_trade_with_each_other():
    field, live, done = usual_field(), usual_day().live, usual_day().done
    together = trade_locally(field, live, done)
    group = np.tile(np.arange(2), (24, 1))
    apart = trade_locally(field, live, done, (group, np.ones((24, 2), dtype=bool)))
    inside = np.array([member.cluster == "c0" for member in field.study.community.members])
    balance_kwh = [(t.bought_kwh - t.sold_kwh)[:, inside].sum(axis=1) for t in (together, apart)]
    assert np.abs(balance_kwh[0]).max() > 0.1
    assert balance_kwh[1] == pytest.approx(0.0, abs=1e-9)


# What members order themselves


def with_orders(*orders):
    return replace(
        day_study(), orders=orders, tasks={**day_study().tasks, "trading": {"limit_prices": "band"}}
    )


def order(member, power_kw, *, is_buy, price=0.25, first=12, last=13):
    return StandingOrder(f"by {member}", member, "c0", is_buy, power_kw, price, first, last)


def test_a_standing_order_takes_the_place_of_what_a_meter_is_expected_to_count():
    usual = day_of(field_of(with_orders()))
    sold = [member.member for member in usual_field().study.community.members].index("home2")
    field = field_of(with_orders(order("home2", 0.5, is_buy=True)))
    day = day_of(field)
    bought_kwh = day.trades.bought_kwh[:, sold]
    # It is in force at midday, when roofs sell, and it has no other orders.
    assert bought_kwh[12:14] == pytest.approx(0.5) and not np.delete(bought_kwh, [12, 13]).any()
    assert (usual.trades.bought_kwh[12:14, sold] > 0.5).any()


def test_an_order_to_sell_is_cut_to_what_its_envelope_lets_the_member_inject():
    """A hundred kilowatts that nobody has: the account holds what was offered within the envelope."""
    field = field_of(with_orders(order("home1", 100.0, is_buy=False, price=0.0)))
    day = day_of(field)
    place = [member.member for member in field.study.community.members].index("home1")
    sold = [each for each in day.account.commitments if each.seller == "home1"]
    ends = np.where(np.isfinite(day.done.p_min_kw), day.done.p_min_kw, day.done.p_kw)
    most_kw = -(ends @ np.eye(len(field.study.community.members))[field.member_of])[:, place]
    assert len(sold) <= 1 and (day.trades.offered_kw[12:14, place] < 100.0).all()
    assert (day.trades.offered_kw[12:14, place] <= most_kw[12:14] + 0.5).all()
    assert not day.trades.offered_kw[:12, place].any()


def test_what_members_sell_is_in_the_account_once():
    field, day = usual_field(), usual_day()
    sold = [each for each in day.account.commitments if each.stage == "trading"]
    assert len({each.reference for each in sold}) == len(sold) > 1
    names = [member.member for member in field.study.community.members]
    for each in sold:
        place = names.index(each.seller)
        assert each.quantity == pytest.approx(day.trades.sold_kwh[:, place])
        assert each.quantity * each.price == pytest.approx(-np.minimum(day.trades.paid[:, place], 0.0))
        assert (each.quantity <= day.trades.offered_kw[:, place] + 1e-6).all()
    assert sum(each.quantity.sum() for each in sold) == pytest.approx(day.trades.sold_kwh.sum())


def test_who_would_sell_the_same_twice_is_told():
    field, day = usual_field(), usual_day()
    with pytest.raises(ValueError, match="trading home"):
        promise_trades(field, day.account, day.trades)
