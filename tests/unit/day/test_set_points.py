"""Devices obey their laws on what really happens, whatever they were told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_study import EXACT, day_study, field_of, random_day_study
from gridcommons.day.day_ahead import plan_baseline
from gridcommons.day.set_points import Orders, operate, unplanned_target

SEEDS = st.integers(0, 10_000)
BAD = {"load_error_share": 0.5, "generation_error_share": 0.5, "temperature_error_c": 4.0}


def lived(seed, narrow=True, plan=False, **day):
    """A random day under random orders: field, orders, what was done."""
    field = field_of(random_day_study(seed, **{**BAD, **day}))
    rng = np.random.default_rng([seed, 9])
    planned = plan_baseline(field)
    shape = planned.plan_kw.shape
    low_kw, high_kw = np.full(shape, -np.inf), np.full(shape, np.inf)
    if narrow:
        low_kw, high_kw = -rng.exponential(2.0, shape), rng.exponential(2.0, shape)
    orders = Orders(planned.target, low_kw, high_kw, planned.plan_kw if plan else None)
    told = field.information
    return field, orders, operate(field, told.nowcast(), told.meters(), orders)


@settings(max_examples=40)
@given(seed=SEEDS, plan=st.booleans())
def test_cars_and_houses_balance_on_what_really_happened(seed, plan):
    """x[t] = A x[t−1] + B p + w with the weather and the drives of the day, for each device."""
    field, _, done = lived(seed, plan=plan)
    law = field.chains(field.information.meters())
    power_kw = done.p_kw[:, field.chained].T.copy()
    power_kw[len(field.cars) :] -= field.net_kw(field.study.profiles)[:, field.chained[len(field.cars) :]].T
    assert done.state == pytest.approx(law.states(power_kw), rel=0.0, abs=1e-9)
    hours = field.study.time.step_hours
    for k, car in enumerate(field.cars):
        gained_kwh = hours * power_kw[k].sum() - field.study.profiles.of(f"{car.asset}.drive_kwh").sum()
        assert done.state[k, -1, 0] == pytest.approx(0.5 * 25.0 + gained_kwh, abs=1e-9)


@settings(max_examples=40)
@given(seed=SEEDS, plan=st.booleans())
def test_batteries_balance_and_keep_their_bounds(seed, plan):
    field, _, done = lived(seed, plan=plan)
    for k, (battery, row) in enumerate(zip(field.batteries, field.stored, strict=True)):
        p_kw, held_kwh = done.p_kw[:, row], battery.soc_initial_share * battery.energy_kwh
        gained_kwh = np.where(p_kw > 0.0, 0.95 * p_kw, p_kw / 0.9) * field.study.time.step_hours
        assert done.stored_kwh[k] == pytest.approx(held_kwh + np.cumsum(gained_kwh), rel=0.0, abs=1e-9)
        assert (done.stored_kwh[k] >= 1.0 - 1e-9).all() and (done.stored_kwh[k] <= 9.5 + 1e-9).all()
        assert (np.abs(p_kw) <= 4.0).all()


@settings(max_examples=40)
@given(seed=SEEDS, plan=st.booleans())
def test_what_is_allowed_is_kept(seed, plan):
    """By all that can be moved; hot water is drawn whatever is allowed, and nothing below zero is asked."""
    field, orders, done = lived(seed, plan=plan)
    moved = np.flatnonzero(field.is_controllable)
    water_kw = np.zeros_like(done.p_kw)
    houses = field.chained[len(field.cars) :]
    water_kw[:, houses] = field.net_kw(field.study.profiles)[:, houses]
    assert (done.p_kw <= np.maximum(orders.high_kw, water_kw) + 1e-9)[:, moved].all()
    assert (done.p_kw >= orders.low_kw - 1e-9)[:, moved].all()
    drawn_kw = (done.p_kw - water_kw)[:, field.chained]
    law = field.chains(field.information.nowcast())
    assert (drawn_kw >= -1e-9).all() and (drawn_kw <= law.power_high.T + 1e-9).all()


@settings(max_examples=30)
@given(seed=SEEDS)
def test_without_narrow_orders_everybody_does_what_it_wants(seed):
    _, _, done = lived(seed, narrow=False)
    assert done.p_kw == pytest.approx(done.wanted_kw, abs=1e-12)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_known_days_go_as_planned(seed):
    """With no error and no limit plans are done, and where somebody plans, states are reached."""
    field, orders, done = lived(seed, narrow=False, **EXACT)
    planned = plan_baseline(field)
    mine = has_aggregator(field)
    assert done.state[mine, :, 0] == pytest.approx(orders.target[mine], abs=1e-6)
    assert done.p_kw[:, field.chained] == pytest.approx(planned.plan_kw[:, field.chained], abs=1e-6)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_who_only_follows_its_plan_looks_at_nothing(seed):
    """A car does what was planned to the bit; a house too, unless it is as warm as it may get."""
    field, orders, done = lived(seed, narrow=False, plan=True)
    cars = field.chained[: len(field.cars)]
    assert done.p_kw[:, cars] == pytest.approx(orders.plan_kw[:, cars], abs=1e-9)
    houses = field.chained[len(field.cars) :]
    less_kw = orders.plan_kw[:, houses] - done.p_kw[:, houses]
    assert (less_kw >= -1e-9).all()
    air_c = done.state[len(field.cars) :, :, 0]
    told = field.information
    wrong_c = np.abs(told.meters().of("outdoor.temp_c") - told.nowcast().of("outdoor.temp_c"))
    # It is expected to be as warm: the error of one interval moves the air by less than its own.
    assert ((air_c.T + wrong_c[:, None])[less_kw > 1e-9] >= 24.0).all()


def has_aggregator(field):
    """Whose state follows a plan, by device."""
    of_member = field.study.community.member_by_id
    return np.array([bool(of_member[field.assets[k].member].aggregator) for k in field.chained])


def test_an_open_loop_does_not_make_up_for_the_weather_and_tracking_does():
    """A cold day that was not expected: houses that follow a plan alone are colder than those that look."""
    field = field_of(day_study(temperature_error_c=8.0, seed=4))
    planned, told = plan_baseline(field), field.information
    free = np.full_like(planned.plan_kw, np.inf)
    off_c = []
    for plan_kw in (None, planned.plan_kw):
        done = operate(field, told.nowcast(), told.meters(), Orders(planned.target, -free, free, plan_kw))
        houses = slice(len(field.cars), None)
        off_c.append(np.abs(done.state[houses, :, 0] - planned.target[houses]).mean())
    assert off_c[0] < 0.5 * off_c[1]


def test_what_was_held_back_is_made_up_for_as_soon_as_there_is_room():
    field = field_of(day_study(**EXACT))
    planned, told = plan_baseline(field), field.information
    free = np.full_like(planned.plan_kw, np.inf)
    first = int(np.flatnonzero(has_aggregator(field))[0])
    car = int(field.chained[first])
    charging = np.flatnonzero(planned.plan_kw[:, car] > 0.5)
    at = int(charging[0])
    high_kw = free.copy()
    high_kw[at, car] = 0.0
    orders = Orders(planned.target, -free, high_kw)
    done = operate(field, told.nowcast(), told.meters(), orders)
    held_kwh = planned.plan_kw[at, car]
    assert done.p_kw[at, car] == 0.0 and done.wanted_kw[at, car] == pytest.approx(held_kwh, abs=1e-6)
    short_kwh = planned.target[first] - done.state[first, :, 0]
    assert short_kwh[:at] == pytest.approx(np.zeros(at), abs=1e-6)
    assert short_kwh[at] == pytest.approx(held_kwh, abs=1e-6)
    room_kw = 11.0 * told.meters().of(f"{field.cars[first].asset}.plugged_in") - planned.plan_kw[:, car]
    caught_up_kwh = np.minimum(held_kwh, np.cumsum(np.maximum(room_kw[at + 1 :], 0.0)))
    assert short_kwh[at + 1 :] == pytest.approx(held_kwh - caught_up_kwh, abs=1e-6)


@settings(max_examples=40)
@given(seed=SEEDS)
def test_a_battery_keeps_the_meter_at_zero_where_it_can(seed):
    """On a known day a member's meter is at zero, or its battery at the end of what it can do."""
    field, _, done = lived(seed, narrow=False, **EXACT)
    net_kw = done.p_kw @ np.eye(len(field.study.community.members))[field.member_of]
    for k, row in enumerate(field.stored):
        p_kw, held_kwh = done.p_kw[:, row], done.stored_kwh[k]
        meter_kw = net_kw[:, field.member_of[row]]
        full = (held_kwh >= 9.5 - 1e-9) | (p_kw >= 4.0 - 1e-9)
        empty = (held_kwh <= 1.0 + 1e-9) | (p_kw <= -4.0 + 1e-9)
        assert (meter_kw[~full] >= -1e-9).all() and (meter_kw[~empty] <= 1e-9).all()
        # It never makes an import of an export, or the other way round.
        alone_kw = meter_kw - p_kw
        assert (meter_kw * alone_kw >= -1e-9).all()


def test_a_battery_looks_at_what_is_expected_and_not_at_what_is():
    field = field_of(day_study(load_error_share=0.5))
    planned, told = plan_baseline(field), field.information
    free = np.full_like(planned.plan_kw, np.inf)
    done = operate(field, told.nowcast(), told.meters(), Orders(planned.target, -free, free))
    seen_kw = field.net_kw(told.nowcast())
    moved = np.concatenate([field.chained, field.stored])
    seen_kw[:, moved] = done.p_kw[:, moved]
    row = int(field.stored[0])
    mine = field.member_of == field.member_of[row]
    inside = (np.abs(done.p_kw[:, row]) < 3.99) & (done.stored_kwh[0] > 1.01) & (done.stored_kwh[0] < 9.49)
    assert inside.sum() >= 5
    assert seen_kw[inside][:, mine].sum(axis=1) == pytest.approx(0.0, abs=1e-9)
    assert np.abs(done.p_kw[inside][:, mine].sum(axis=1)).max() > 0.05


def test_states_that_nobody_plans_are_full_cars_and_houses_in_the_middle_of_their_band():
    field = field_of(day_study())
    law = field.chains(field.study.profiles)
    target = unplanned_target(law, len(field.cars))
    assert (target[: len(field.cars)] == 0.85 * 25.0).all()
    assert target[len(field.cars) :] == pytest.approx(22.0)
