"""A car at its charging station: its energy account, its bounds, and the end of the window."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexibility_study import car
from gridcommons.model.profiles import Profiles
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.devices.ev_charger import ROOM_KWH, charging_chains


def chains_of(*cars, minutes=60, steps=4, **columns):
    axis = TimeAxis(datetime(2024, 1, 10, tzinfo=UTC), minutes, steps)
    made = {name.replace("__", "."): np.array(values, dtype=float) for name, values in columns.items()}
    return charging_chains(cars, Profiles(axis, made))


@given(st.integers(0, 10**6), st.sampled_from([15, 30, 60]))
def test_energy_account_is_exact(seed, minutes):
    rng = np.random.default_rng(seed)
    drive_kwh = rng.random((2, 6))
    share = rng.uniform(0.3, 0.8)
    chains = chains_of(
        car("a", "m", departure_soc_share=share),
        car("b", "m", energy_kwh=60.0),
        minutes=minutes,
        steps=6,
        a__drive_kwh=drive_kwh[0],
        b__drive_kwh=drive_kwh[1],
    )
    power_kw = rng.random((2, 6)) * 11.0
    states = chains.states(power_kw)
    for row, energy_kwh in enumerate((25.0 * share, 30.0)):
        for step in range(6):
            energy_kwh = energy_kwh + power_kw[row, step] * minutes / 60.0 - drive_kwh[row, step]
            assert states[row, step, 0] == pytest.approx(energy_kwh, abs=1e-9)
    assert not states[:, :, 1].any()


def test_bounds_are_the_shares_of_the_battery_and_the_station_while_plugged_in():
    chains = chains_of(
        car("a", "m", charge_max_kw=7.4, soc_min_share=0.1, soc_max_share=0.9), a__plugged_in=[1, 0, 0, 1]
    )
    np.testing.assert_allclose(chains.power_high, [[7.4, 0.0, 0.0, 7.4]])
    assert not chains.power_low.any()
    np.testing.assert_allclose(chains.state_low[0, :3, 0], 2.5)
    np.testing.assert_allclose(chains.state_high[0, :, 0], 22.5)
    assert np.isinf(chains.state_low[0, :, 1]).all()
    assert np.isinf(chains.state_high[0, :, 1]).all()
    assert chains.start[0].tolist() == [12.5, 0.0]


def test_a_car_without_columns_is_always_plugged_in_and_never_drives():
    chains = chains_of(car("a", "m"))
    np.testing.assert_allclose(chains.power_high, 11.0)
    assert not chains.drift.any()


def test_the_window_ends_with_the_energy_that_it_began_with():
    chains = chains_of(car("a", "m"), a__drive_kwh=[0, 6, 0, 0])
    assert chains.state_low[0, -1, 0] == pytest.approx(12.5)
    np.testing.assert_allclose(chains.state_low[0, :-1, 0], 5.0)


def test_without_a_departure_share_a_car_starts_full_and_ends_full():
    chains = chains_of(car("a", "m", departure_soc_share=np.nan), a__drive_kwh=[0, 6, 0, 0])
    assert chains.start[0, 0] == pytest.approx(21.25)
    assert chains.state_low[0, -1, 0] == pytest.approx(21.25, abs=2.0 * ROOM_KWH)


def test_the_end_is_what_full_power_reaches_where_that_is_less():
    # Back for the last quarter of an hour only: 12.5 − 6 + 11/4.
    chains = chains_of(car("a", "m"), minutes=15, a__drive_kwh=[0, 6, 0, 0], a__plugged_in=[0, 0, 0, 1])
    assert chains.state_low[0, -1, 0] == pytest.approx(12.5 - 6.0 + 11.0 / 4.0, abs=2.0 * ROOM_KWH)


def test_what_full_power_reaches_stops_at_the_full_battery():
    # Charging before the trip is lost beyond 21.25 kWh: 21.25 − 10 at the end, whatever the station gives.
    chains = chains_of(car("a", "m"), a__drive_kwh=[0, 0, 10, 0], a__plugged_in=[1, 1, 0, 0])
    assert chains.state_low[0, -1, 0] == pytest.approx(11.25, abs=2.0 * ROOM_KWH)


def test_the_end_is_never_below_the_least_charge():
    # Full power reaches 12.5 − 9 = 3.5, which no plan may end with: the bound says so, not the end.
    chains = chains_of(car("a", "m"), a__drive_kwh=[0, 0, 0, 9], a__plugged_in=[0, 0, 0, 0])
    assert chains.state_low[0, -1, 0] == pytest.approx(5.0)
