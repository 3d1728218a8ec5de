"""A heat pump and its house: the heat balance of air and structure, comfort, and hot water."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexibility_study import K1, pump
from gridcommons.model.profiles import Profiles
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.devices.heat_pump import OUTDOOR, heating_chains


def chains_of(*pumps, minutes=60, steps=4, outdoor_c=-4.0, **columns):
    axis = TimeAxis(datetime(2024, 1, 10, tzinfo=UTC), minutes, steps)
    made = {name.replace("__", "."): np.array(values, dtype=float) for name, values in columns.items()}
    made[OUTDOOR] = np.broadcast_to(np.asarray(outdoor_c, dtype=float), steps).copy()
    return heating_chains(pumps, Profiles(axis, made))


@given(st.integers(0, 10**6), st.sampled_from([15, 30, 60]))
def test_both_heat_balances_close(seed, minutes):
    rng = np.random.default_rng(seed)
    hours, steps = minutes / 60.0, 6
    outdoor_c, cop = rng.normal(2.0, 6.0, steps), rng.uniform(2.0, 4.0, steps)
    houses = [pump("a", "m", rng.choice(K1), air_kwh_per_k=0.8), pump("b", "m", 0.4, cop=3.0)]
    chains = chains_of(*houses, minutes=minutes, steps=steps, outdoor_c=outdoor_c, a__cop=cop)
    power_kw = rng.random((2, steps)) * 6.0
    states = chains.states(power_kw)
    for row, (house, factor) in enumerate(zip(houses, (cop, np.full(steps, 3.0)), strict=True)):
        air, structure = 22.0, 22.0
        k1, k2 = house.k1_kw_per_k, house.k2_kw_per_k
        for t in range(steps):
            now_air, now_structure = states[row, t]
            heat = factor[t] * power_kw[row, t] * hours
            lost = k1 * (now_air - outdoor_c[t]) * hours
            passed = k2 * (now_air - now_structure) * hours
            assert house.air_kwh_per_k * (now_air - air) == pytest.approx(heat - lost - passed, abs=1e-9)
            assert house.structure_kwh_per_k * (now_structure - structure) == pytest.approx(passed, abs=1e-9)
            air, structure = now_air, now_structure


def test_a_long_steady_state_loses_what_the_pump_gives():
    """After days at constant power, COP·p = k1 (T_a − T_o): a closed form that knows no time step."""
    chains = chains_of(pump("a", "m", 0.35), steps=24 * 20, outdoor_c=0.0)
    states = chains.states(np.full((1, 24 * 20), 3.0))
    np.testing.assert_allclose(states[0, -1], 2.3 * 3.0 / 0.35, rtol=1e-6)


def test_bounds_are_comfort_rating_and_the_structure_at_the_end():
    chains = chains_of(pump("a", "m", temp_min_c=19.0, temp_max_c=23.0))
    np.testing.assert_allclose(chains.state_low[0, :, 0], 19.0)
    np.testing.assert_allclose(chains.state_high[0, :, 0], 23.0)
    assert np.isneginf(chains.state_low[0, :-1, 1]).all()
    assert chains.state_low[0, -1, 1] == 21.0
    assert np.isposinf(chains.state_high[0, :, 1]).all()
    assert chains.start[0].tolist() == [21.0, 21.0]
    np.testing.assert_allclose(chains.power_high, 6.0)
    assert not chains.power_low.any()


def test_hot_water_takes_its_part_of_the_rating():
    chains = chains_of(pump("a", "m"), pump("b", "m"), a__water_kw=[0.0, 1.5, 0.0, 2.0])
    np.testing.assert_allclose(chains.power_high, [[6.0, 4.5, 6.0, 4.0], [6.0, 6.0, 6.0, 6.0]])


def test_the_rooms_have_a_cop_of_their_own():
    """Hot water is warmer than floors: the column room_cop goes before cop, and cop before the constant."""
    constant = chains_of(pump("a", "m", cop=2.0))
    by_column = chains_of(pump("a", "m", cop=2.0), a__cop=[4.0, 4.0, 4.0, 2.0])
    of_rooms = chains_of(pump("a", "m", cop=2.0), a__cop=[4.0] * 4, a__room_cop=[6.0] * 4)
    np.testing.assert_allclose(by_column.effect[0, :3], 2.0 * constant.effect[0, :3])
    np.testing.assert_allclose(by_column.effect[0, 3], constant.effect[0, 3])
    np.testing.assert_allclose(of_rooms.effect, 3.0 * constant.effect)


def test_a_warm_day_raises_the_upper_bound_to_the_unheated_house():
    warm_c = np.array([10.0, 32.0, 32.0, 32.0, 10.0, 0.0])
    chains = chains_of(pump("a", "m", temp_max_c=22.5, temp_min_c=20.5), steps=6, outdoor_c=warm_c)
    unheated_c = chains.states(np.zeros((1, 6)))[0, :, 0]
    assert unheated_c.max() > 22.6
    np.testing.assert_allclose(chains.state_high[0, :, 0], np.maximum(22.5, unheated_c))
    assert (chains.state_high[0, :, 0] == 22.5).any()


def test_a_frosty_day_leaves_the_upper_bound():
    chains = chains_of(pump("a", "m"), outdoor_c=-10.0)
    np.testing.assert_array_equal(chains.state_high[0, :, 0], 24.0)
