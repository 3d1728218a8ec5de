"""Electric boilers with a tank: heat of the water, its temperatures, and their reactive power."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.scheduling.energy_hub import make_hub
from hubs import answered, day_of, device, hub_of, lives, scheduled, study_of, with_start

WATER = 4.187 * 1000.0 / 3600.0
"""kWh/(m³ K), from 4.187 kJ/(kg K)."""


@settings(max_examples=50)
@given(lives(needed=("smart_boiler", "smart_boiler")))
def test_the_heat_of_the_tank_is_what_came_in_less_what_was_drawn_and_lost(life):
    hours = life.hub.hours
    for boiler, day, temp_c in life.days("smart_boiler"):
        was_c, draw_m3 = boiler.temp_initial_c, life.hub.horizon.profiles.of(f"{boiler.asset}.draw_m3")
        for t in range(life.hub.steps):
            drawn_kwh = 1.163 * draw_m3[t] * (was_c - boiler.cold_temp_c)
            lost_kwh = boiler.loss_kw_per_k * (was_c - boiler.ambient_temp_c) * hours
            gained_kwh = 1.163 * boiler.tank_m3 * (temp_c[t] - was_c)
            assert gained_kwh == pytest.approx(day.heat_kw[t] * hours - drawn_kwh - lost_kwh, abs=1e-6)
            was_c = temp_c[t]
        np.testing.assert_allclose(day.heat_kw, boiler.heater_efficiency_share * day.p_kw, atol=1e-9)


@settings(max_examples=40)
@given(lives(needed=("smart_boiler", "smart_boiler")))
def test_temperatures_and_powers_stay_within_their_ranges(life):
    for boiler, day, temp_c in life.days("smart_boiler"):
        assert boiler.temp_min_c - 1e-6 <= temp_c.min() <= temp_c.max() <= boiler.temp_max_c + 1e-6
        assert temp_c[-1] >= boiler.temp_initial_c - 1e-6
        span_c = boiler.temp_max_c - boiler.temp_min_c
        np.testing.assert_allclose(day.soc_share, (temp_c - boiler.temp_min_c) / span_c, atol=1e-9)
        assert -1e-6 <= day.p_kw.min() <= day.p_kw.max() <= boiler.consumption_max_kw + 1e-6
        assert (np.hypot(day.p_kw, day.q_kvar) <= boiler.inverter_kva + 1e-6).all()
        assert (np.abs(day.q_kvar) <= np.nan_to_num(boiler.q_share) * day.p_kw + 1e-6).all()


@settings(max_examples=20)
@given(st.floats(60.0, 85.0), st.floats(0.0, 0.2), st.sampled_from([15, 60]))
def test_one_interval_needs_what_it_draws_and_loses(start_c, draw_m3, minutes):
    boiler = device("smart_boiler", temp_initial_c=start_c, consumption_max_kw=500.0, inverter_kva=500.0)
    hub = hub_of(boiler, columns={"smart_boiler.draw_m3": draw_m3}, steps=1, minutes=minutes)
    hours = minutes / 60.0
    needed_kwh = WATER * draw_m3 * (start_c - 8.0) + 0.01 * (start_c - 20.0) * hours
    p_kw = scheduled(hub).plan().p_kw[0, 0]
    assert p_kw * 0.95 * hours == pytest.approx(needed_kwh, rel=1e-4)


def test_a_tank_is_heated_when_it_is_cheap_as_far_as_its_temperature_allows():
    """From 70 to 90 °C: 2 m³ · 1.163 · 20 K = 46.52 kWh, which the dear hours live on."""
    boiler = device("smart_boiler", consumption_max_kw=100.0, inverter_kva=100.0, loss_kw_per_k=0.0)
    columns = {"smart_boiler.draw_m3": [0.0, 0.3, 0.0]}
    hub = hub_of(boiler, columns=columns, steps=3, **{"import": [0.1, 0.9, 0.9], "export": 0.1})
    plan = scheduled(hub).plan()
    # Drawn at 90 °C, what is left has 77.7 °C, above the 70 °C at the end: the tank stops short of 90 °C.
    before_c = (70.0 - 0.15 * 8.0) / 0.85
    assert plan.p_kw[0, 0] * 0.95 == pytest.approx(2.0 * 1.163 * (before_c - 70.0))
    np.testing.assert_allclose(plan.p_kw[0, 1:], 0.0, atol=1e-6)
    cold = scheduled(with_start(hub, smart_boiler=60.0)).plan()
    before_c = (60.0 - 0.15 * 8.0) / 0.85
    assert cold.p_kw[0, 0] * 0.95 == pytest.approx(2.0 * 1.163 * (before_c - 60.0))


def test_a_tank_that_was_heated_for_nothing_need_not_stay_that_hot():
    """Prices below zero left it at 90 °C, which the last draw does not let it hold; 70 °C it can."""
    price = [0.1, -0.5, -0.5, -0.5, 0.3, 0.3, 0.3, 0.3]
    draw_m3 = [0.0] * 7 + [0.32]
    study = study_of(
        device("smart_boiler"),
        columns={"smart_boiler.draw_m3": draw_m3},
        steps=8,
        **{"import": price, "export": price},
    )
    end = scheduled(make_hub(study, "c", slice(0, 4), {})).plan().end
    assert end["smart_boiler"] == pytest.approx(90.0)
    plan = scheduled(make_hub(study, "c", slice(4, 8), end)).plan()
    assert 70.0 < plan.end["smart_boiler"] < 80.0 and np.abs(plan.p_kw).max() < 1e-6


def test_its_heat_is_no_part_of_the_heating():
    hub = hub_of(
        device("smart_boiler"),
        device("load"),
        columns={"smart_boiler.draw_m3": 0.1, "load.heat_kw": 5.0},
        heat=0.2,
    )
    plan = scheduled(hub).plan()
    np.testing.assert_allclose(plan.heat_kw, 5.0, atol=1e-6)
    assert day_of(plan, "smart_boiler").heat_kw.sum() > 10.0


def test_reactive_power_is_a_share_of_what_it_draws_and_none_without_a_share():
    columns = {"smart_boiler.draw_m3": 0.1}
    community = scheduled(hub_of(device("smart_boiler", q_share=0.2), columns=columns, steps=1))
    for sign in (1.0, -1.0):
        q_kvar = answered(community, sign * 0.35).q_kvar[0, 0]
        assert q_kvar == pytest.approx(-sign * 0.2 * community.plan().p_kw[0, 0], rel=1e-6)
    mute = scheduled(hub_of(device("smart_boiler", q_share=np.nan), columns=columns, steps=1))
    assert answered(mute, 0.35).q_kvar[0, 0] == pytest.approx(0.0, abs=1e-9)
