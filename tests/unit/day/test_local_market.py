"""Members trade what their meters are expected to count, at prices that both prefer to their supplier's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_study import EXACT, day_of, day_study, field_of, random_day_study, usual_day, usual_field
from gridcommons.day.local_market import expected_day, trade_locally, trading_settings
from gridcommons.model.members import Community

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
