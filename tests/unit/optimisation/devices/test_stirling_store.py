"""Stirling stores: heat in, heat out, what rests is lost, and power and low heat of what is taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from hubs import device, hub_of, lives, scheduled, with_start


@settings(max_examples=60)
@given(lives(needed=("stirling_store",)))
def test_what_is_stored_follows_from_heater_engine_and_idle_loss(life):
    """Heat taken and power of the heater are told by heat given and net power alone."""
    hours = life.hub.hours
    for store, day, stored_kwh in life.days("stirling_store"):
        taken_kw = day.heat_kw / store.exchanger_share
        engine = store.stirling_efficiency_share * store.generator_efficiency_share
        heater_kw = day.p_kw + engine * taken_kw
        was_kwh = store.soc_initial_share * store.energy_kwh
        for t in range(life.hub.steps):
            idle_kwh = store.idle_loss_share_per_h * hours * was_kwh
            gained_kwh = (store.heater_efficiency_share * heater_kw[t] - taken_kw[t]) * hours
            assert stored_kwh[t] == pytest.approx(was_kwh + gained_kwh - idle_kwh, abs=1e-6)
            was_kwh = stored_kwh[t]
        assert np.minimum(heater_kw, taken_kw).max() <= 1e-6
        assert -1e-6 <= heater_kw.min() <= heater_kw.max() <= store.consumption_max_kw + 1e-6
        assert -1e-6 <= taken_kw.min() <= taken_kw.max() <= store.heat_discharge_max_kw + 1e-6


@settings(max_examples=40)
@given(lives(needed=("stirling_store",)))
def test_what_is_stored_stays_in_its_band_and_ends_no_lower(life):
    for store, day, stored_kwh in life.days("stirling_store"):
        np.testing.assert_allclose(day.soc_share * store.energy_kwh, stored_kwh, atol=1e-9)
        assert store.soc_min_share - 1e-6 <= day.soc_share.min()
        assert day.soc_share.max() <= store.soc_max_share + 1e-6
        assert day.soc_share[-1] >= store.soc_initial_share - 1e-6


def test_two_prices_and_what_heat_and_power_come_to():
    """40 kW of heating store 38 kWh; of what the engine takes, 0.36 is power, half is heat."""
    store = device("stirling_store", idle_loss_share_per_h=0.05)
    hub = hub_of(store, steps=2, heat=0.3, **{"import": [0.1, 2.0], "export": [0.1, 2.0]})
    plan = scheduled(hub).plan()
    taken_kw = (100.0 * 0.95 + 38.0) * 0.95 - 100.0
    np.testing.assert_allclose(plan.p_kw[0], [40.0, -0.36 * taken_kw], atol=1e-6)
    np.testing.assert_allclose(plan.heat_kw, [0.0, -0.5 * taken_kw], atol=1e-6)
    assert plan.end["stirling_store"] == pytest.approx(100.0)


def test_what_rests_is_heated_up_again_at_the_end():
    """A share of what is held is lost each hour: less where less is held, by the length of the interval."""
    store = device("stirling_store", idle_loss_share_per_h=0.02)
    plan = scheduled(hub_of(store, steps=2, minutes=30, **{"import": 9.0, "export": 9.0}, heat=0.0)).plan()
    assert plan.p_kw[0].sum() * 0.5 * 0.95 == pytest.approx(100.0 * (1.0 - 0.99**2))
    assert plan.p_kw[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_it_goes_on_from_where_it_was():
    hub = hub_of(
        device("stirling_store", idle_loss_share_per_h=0.0),
        steps=1,
        heat=0.0,
        **{"import": 1.0, "export": 1.0},
    )
    assert scheduled(with_start(hub, stirling_store=60.0)).plan().end["stirling_store"] == pytest.approx(60.0)
    rich = scheduled(with_start(hub, stirling_store=150.0)).plan()
    assert rich.end["stirling_store"] == pytest.approx(100.0)
    assert rich.p_kw[0, 0] == pytest.approx(-50.0 * 0.36)


def test_a_full_store_cannot_be_paid_for_burning_energy():
    store = device("stirling_store", soc_initial_share=0.9, idle_loss_share_per_h=0.0)
    plan = scheduled(hub_of(store, steps=1, heat=0.1, **{"import": -1.0, "export": -1.0})).plan()
    assert abs(plan.p_kw[0, 0]) < 1e-6 and abs(plan.heat_kw[0]) < 1e-6
