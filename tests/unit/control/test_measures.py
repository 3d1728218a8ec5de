"""When measures act, on whom, and how much the law leaves."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from gridcommons.control.measures import (
    MEASURE_FUNCTIONS,
    Asked,
    Call,
    ask,
    make_forecast,
    make_signals,
    manager_limit_kw,
)
from gridcommons.control.scenarios import MEASURES
from gridcommons.control.settings import Settings
from gridcommons.model.time import TimeAxis
from homes import day_axis, make_homes, one_home

HOMES = make_homes(4, count=40, steps=1)


def test_every_measure_that_a_scenario_may_name_is_there():
    assert tuple(MEASURE_FUNCTIONS) == MEASURES


def asked_of(measures, station_kw, *, limit_kw=1.0, kept_kw=0.0, time=None, **chosen):
    station_kw = np.asarray(station_kw, float)
    time = day_axis(len(station_kw)) if time is None else time
    known = np.stack([station_kw, np.full(len(station_kw), kept_kw)])
    forecast = make_forecast(known, limit_kw, time)
    return ask(measures, Call(forecast, HOMES, Settings(**chosen), 7))


def station(steps, **congested):
    values = np.zeros(steps)
    for start, stop in congested.values():
        values[start:stop] = 2.0
    return values


def test_curative_measures_begin_at_the_first_congested_interval_of_each_day():
    values = station(192, morning=(30, 33), evening=(70, 80), next_day=(150, 151))
    asked = asked_of(("CurA", "CurB"), values)
    assert np.flatnonzero(asked.car_cap_kw < np.inf).tolist() == [*range(30, 96), *range(150, 192)]
    assert np.flatnonzero(asked.heat_cap_share < 1.0).tolist() == [*range(30, 38), *range(150, 158)]
    assert asked.calls == [("CurA", 30, 96), ("CurA", 150, 192), ("CurB", 30, 38), ("CurB", 150, 158)]


def test_at_night_heat_is_cut_from_eleven_to_five_alone():
    values = station(192, early=(4, 6), noon=(48, 50), evening=(80, 84), late=(93, 96))
    asked = asked_of(("CurB_night",), values)
    assert np.flatnonzero(asked.heat_cap_share < 1.0).tolist() == [*range(4, 12), *range(93, 101)]


def test_nothing_is_asked_for_without_congestion_or_without_a_forecast():
    for values in (np.zeros(96), np.full(96, np.nan)):
        asked = asked_of(("CurA", "CurB", "CurB_night", "ProA", "ProB", "law14a"), values)
        assert asked.calls == [] and not asked.cheap.any() and not asked.wait.any() and not asked.law.any()


def test_stores_wait_from_midnight_to_the_onset():
    asked = asked_of(("ProB",), station(192, evening=(70, 80), night=(96, 97)))
    assert np.flatnonzero(asked.wait).tolist() == list(range(70))


def test_stores_are_called_in_turn_within_the_room_that_the_forecast_leaves():
    values = np.concatenate([np.linspace(60.0, 20.0, 40), np.full(56, 200.0)])
    asked = asked_of(("ProA",), values, limit_kw=160.0, kept_kw=5.0, precharge_room_share=0.5)
    plant = HOMES.plant
    tank_kw = np.where(plant.tank_kwh > 0.0, plant.pump_max_kw, 0.0)
    called_kw = (plant.battery_charge_kw + tank_kw) @ asked.cheap
    assert (called_kw <= 0.5 * (160.0 - 5.0 - values) + 1e-9)[:40].all() and not asked.cheap[:, 40:].any()
    # Only the six hours with the lowest forecast are used, and everybody with a store has a turn.
    assert np.flatnonzero(asked.cheap.any(axis=0)).min() >= 16
    able = (plant.battery_high_kwh > 0.0) | (plant.tank_kwh > 0.0)
    assert (asked.cheap.any(axis=1) == able).all()


def test_called_at_once_all_stores_charge_in_the_whole_window():
    values = np.concatenate([np.full(40, 50.0), np.full(56, 200.0)])
    asked = asked_of(("ProA",), values, limit_kw=100.0, precharge="at_once", precharge_hours=2.0)
    assert np.flatnonzero(asked.cheap.all(axis=0)).tolist() == list(range(32, 40))


def test_the_order_of_calls_is_drawn_anew_each_day_and_from_the_seed_alone():
    day = np.concatenate([np.full(40, 85.0), np.full(56, 200.0)])
    asked = asked_of(("ProA",), np.tile(day, 2), limit_kw=100.0)
    again = asked_of(("ProA",), np.tile(day, 2), limit_kw=100.0)
    assert (asked.cheap == again.cheap).all()
    assert (asked.cheap[:, :96] != asked.cheap[:, 96:]).any()


@pytest.mark.parametrize(("day", "steps"), [((2030, 3, 31), 92), ((2030, 10, 27), 100)])
def test_days_end_at_local_midnight_when_clocks_change(day, steps):
    start = datetime(*day, tzinfo=UTC).timestamp() - (3600 if day[1] == 3 else 7200)
    time = TimeAxis(datetime.fromtimestamp(start, UTC), 15, steps + 8, "Europe/Berlin")
    values = np.zeros(steps + 8)
    values[40] = 2.0
    asked = asked_of(("CurA",), values, time=time)
    assert asked.calls == [("CurA", 40, steps)]


@pytest.mark.parametrize(
    ("devices", "pump_kw", "limit_kw"),
    [
        (0, 0.0, 0.0),
        (1, 3.0, 4.2),
        (2, 3.0, 7.56),
        (3, 3.0, 10.5),
        (9, 3.0, 19.32),
        (12, 3.0, 24.99),
        (1, 11.0, 4.2),
        (1, 20.0, 8.0),
        (2, 20.0, 11.36),
    ],
)
def test_what_the_law_leaves_to_the_devices_behind_one_energy_manager(devices, pump_kw, limit_kw):
    assert manager_limit_kw(devices, pump_kw) == pytest.approx(limit_kw, abs=0.01)


def signals_of(home, **chosen):
    return make_signals(Asked(4, 1), home, Settings(**chosen), 0.25)


def test_the_law_counts_what_is_rated_above_it_and_pumps_as_one():
    small = signals_of(one_home(car_kw=[11.0] * 4, heat_kw=[1.0] * 4, pump_max_kw=2.0))
    # A pump of 2 kW is free: the car alone is limited, also behind an energy manager.
    assert np.isinf(small.pump_law_kw[0]) and small.car_law_kw[0] == 4.2 and small.home_law_kw[0] == 4.2
    large = signals_of(one_home(car_kw=[11.0] * 4, heat_kw=[1.0] * 4, pump_max_kw=20.0))
    assert large.pump_law_kw[0] == pytest.approx(8.0)
    assert large.home_law_kw[0] == pytest.approx(8.0 + 0.8 * 4.2)
    stored = signals_of(one_home(car_kw=[11.0] * 4, battery_kw=5.0, battery_kwh=10.0))
    assert stored.home_law_kw[0] == pytest.approx(7.56)
    assert signals_of(one_home(car_kw=[11.0] * 4, battery_kw=4.0, battery_kwh=8.0)).home_law_kw[0] == 4.2
    nobody = signals_of(one_home(load_kw=[1.0] * 4))
    assert np.isinf(nobody.home_law_kw[0])


def test_heat_comes_back_over_the_hours_that_are_set():
    assert signals_of(one_home(load_kw=[1.0] * 4)).heat_return_steps == 24
    assert signals_of(one_home(load_kw=[1.0] * 4), heat_return_hours=3.0).heat_return_steps == 12


def test_a_cut_or_a_window_of_no_length_asks_for_nothing():
    values = station(96, evening=(70, 80))
    asked = asked_of(("CurB", "ProA"), values, heat_cap_hours=0.0, precharge_hours=0.0)
    assert asked.calls == [] and not asked.cheap.any() and (asked.heat_cap_share == 1.0).all()


def test_a_night_that_does_not_pass_midnight_ends_when_it_says():
    values = station(96, early=(6, 7), noon=(48, 50))
    asked = asked_of(("CurB_night",), values, night_from_hour=1.0, night_to_hour=5.0)
    assert asked.calls == [("CurB_night", 6, 14)]


def test_stores_are_called_in_the_lowest_intervals_first():
    values = np.concatenate([np.tile([90.0, 10.0], 20), np.full(56, 200.0)])
    asked = asked_of(("ProA",), values, limit_kw=120.0, precharge_hours=10.0)
    called = asked.cheap.sum(axis=0)
    assert called[1:40:2].sum() > 8 * called[0:40:2].sum()
