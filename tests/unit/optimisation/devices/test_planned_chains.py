"""Cars and houses in a program: energy and temperatures by their laws, and going on from where they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from gridcommons.optimisation.devices.ev_charger import ROOM_KWH
from gridcommons.scheduling.energy_hub import make_hub
from hubs import day_of, device, hub_of, lives, scheduled, states_of, study_of, with_start


@settings(max_examples=60)
@given(lives(needed=("ev_charger", "ev_charger")))
def test_cars_hold_what_they_charged_and_did_not_drive(life):
    for car, day, stored_kwh in life.days("ev_charger"):
        profiles = life.hub.horizon.profiles
        charged_kwh = np.cumsum(day.p_kw * life.hub.hours - profiles.columns[f"{car.asset}.drive_kwh"])
        start_kwh = car.departure_soc_share * car.energy_kwh
        np.testing.assert_allclose(stored_kwh, start_kwh + charged_kwh, atol=1e-6)
        np.testing.assert_allclose(day.soc_share * car.energy_kwh, stored_kwh, atol=1e-9)
        assert (
            car.soc_min_share - 1e-6 <= day.soc_share.min() <= day.soc_share.max() <= car.soc_max_share + 1e-6
        )
        most_kw = car.charge_max_kw * profiles.columns[f"{car.asset}.plugged_in"]
        assert day.p_kw.min() >= -1e-6 and (day.p_kw <= most_kw + 1e-6).all()
        assert stored_kwh[-1] >= min(start_kwh, fully_charged(car, start_kwh, profiles)) - 2.0 * ROOM_KWH


def fully_charged(car, energy_kwh, profiles):
    """What is in a car that charges all it can."""
    for plugged_in, driven_kwh in zip(
        profiles.columns[f"{car.asset}.plugged_in"], profiles.columns[f"{car.asset}.drive_kwh"], strict=True
    ):
        energy_kwh += plugged_in * car.charge_max_kw * profiles.time.step_hours - driven_kwh
        energy_kwh = min(energy_kwh, car.soc_max_share * car.energy_kwh)
    return energy_kwh


@settings(max_examples=60)
@given(lives(needed=("house", "house")))
def test_houses_keep_their_two_heat_balances_and_their_comfort(life):
    hours, profiles = life.hub.hours, life.hub.horizon.profiles
    outdoor_c = profiles.columns["outdoor.temp_c"]
    for pump, day, air_c in life.days("house"):
        rooms_kw = day.p_kw - profiles.columns[f"{pump.asset}.water_kw"]
        np.testing.assert_allclose(day.heat_kw, profiles.columns[f"{pump.asset}.cop"] * rooms_kw, atol=1e-6)
        assert rooms_kw.min() >= -1e-6 and day.p_kw.max() <= pump.consumption_max_kw + 1e-6
        was_c = structure_c = (pump.temp_min_c + pump.temp_max_c) / 2.0
        for t in range(life.hub.steps):
            k2, kept = pump.k2_kw_per_k * hours, pump.structure_kwh_per_k
            structure_c = (kept * structure_c + k2 * air_c[t]) / (kept + k2)
            lost_kw = pump.k1_kw_per_k * (air_c[t] - outdoor_c[t]) + pump.k2_kw_per_k * (
                air_c[t] - structure_c
            )
            gained_kwh = pump.air_kwh_per_k * (air_c[t] - was_c)
            assert gained_kwh == pytest.approx((day.heat_kw[t] - lost_kw) * hours, abs=1e-6)
            was_c = air_c[t]
        assert air_c.min() >= pump.temp_min_c - 1e-6
        assert (air_c <= np.maximum(pump.temp_max_c, outdoor_c.max()) + 1e-6).all()
        assert structure_c >= (pump.temp_min_c + pump.temp_max_c) / 2.0 - 1e-6


def test_a_car_charges_when_it_is_cheap_and_there():
    """5 kWh are driven; the cheapest hour finds it half plugged in, the next cheapest gives the rest."""
    columns = {"ev_charger.drive_kwh": [0.0, 11.0, 0.0, 0.0, 0.0], "ev_charger.plugged_in": [1, 0, 0.5, 1, 1]}
    price = [0.5, 0.1, 0.2, 0.4, 0.3]
    hub = hub_of(device("ev_charger"), columns=columns, steps=5, **{"import": price, "export": price})
    plan = scheduled(hub).plan()
    np.testing.assert_allclose(plan.p_kw[0], [0.0, 0.0, 5.5, 0.0, 5.5], atol=1e-6)
    assert plan.end["ev_charger"] == pytest.approx(30.0)


def test_a_house_whose_band_is_a_point_needs_what_it_loses():
    """p = k1 (T − T_o) / COP, while air and structure stay at 21 °C."""
    house = device("house", temp_min_c=21.0, temp_max_c=21.0)
    hub = hub_of(house, columns={"outdoor.temp_c": [-9.0, 6.0, 21.0], "house.water_kw": 0.5}, steps=3)
    np.testing.assert_allclose(scheduled(hub).plan().p_kw[0] - 0.5, [2.0, 1.0, 0.0], atol=1e-6)


def test_a_car_that_came_back_emptier_ends_as_usual_or_as_full_as_it_can():
    """It begins with 10 kWh, not with the 30 of its ratings: 20 more in two hours, or 5.5 in half of one."""
    whole = scheduled(with_start(hub_of(device("ev_charger"), steps=2), ev_charger=10.0))
    assert whole.plan().end["ev_charger"] == pytest.approx(30.0)
    short = hub_of(device("ev_charger"), columns={"ev_charger.plugged_in": 0.25}, steps=2)
    assert scheduled(with_start(short, ev_charger=10.0)).plan().end["ev_charger"] == pytest.approx(
        15.5, abs=2.0 * ROOM_KWH
    )
    full = scheduled(with_start(short, ev_charger=40.0))
    assert full.plan().end["ev_charger"] == pytest.approx(40.0)


def test_a_house_goes_on_with_both_of_its_temperatures():
    """Two horizons of a house that is heated when it is cheap: the second begins with what the first left."""
    price = [0.1, 0.9, 0.9, 0.1, 0.9, 0.9]
    study = study_of(
        device("house"), columns={"outdoor.temp_c": -5.0}, steps=6, **{"import": price, "export": price}
    )
    first = scheduled(make_hub(study, "c", slice(0, 3), {})).plan()
    assert set(first.end) == {"house", "house.structure"}
    second = scheduled(make_hub(study, "c", slice(3, 6), first.end))
    air_c, (k1, k2) = states_of(second)["house"], (0.2, 2.6)
    structure_c = (9.0 * first.end["house.structure"] + k2 * air_c[0]) / (9.0 + k2)
    lost_kw = k1 * (air_c[0] + 5.0) + k2 * (air_c[0] - structure_c)
    given_kw = 3.0 * second.plan().p_kw[0, 0]
    assert 1.2 * (air_c[0] - first.end["house"]) == pytest.approx(given_kw - lost_kw, abs=1e-6)
    assert abs(first.end["house.structure"] - 22.0) > 0.01 or abs(first.end["house"] - 22.0) > 0.01


def test_a_house_that_begins_a_heat_wave_warm_has_a_schedule():
    """It ends warmer than one that begins in the middle of its band would, which is nobody's fault."""
    hub = hub_of(device("house"), columns={"outdoor.temp_c": 35.0}, steps=12)
    usual = scheduled(hub).plan().end["house"]
    plan = scheduled(with_start(hub, **{"house": 24.0, "house.structure": 24.0})).plan()
    np.testing.assert_allclose(plan.p_kw, 0.0, atol=1e-6)
    assert plan.end["house"] > usual + 0.5 and usual > 24.0
    assert day_of(plan, "house").soc_share[-1] > 1.0


def test_a_full_car_cannot_charge_ahead_for_what_it_will_drive():
    """45 kWh is full: the hour at the station is of no use, and 25 are left at the end."""
    columns = {"ev_charger.plugged_in": [1.0, 0.0], "ev_charger.drive_kwh": [0.0, 20.0]}
    plan = scheduled(hub_of(device("ev_charger", departure_soc_share=0.9), columns=columns, steps=2)).plan()
    assert plan.end["ev_charger"] == pytest.approx(25.0) and np.abs(plan.p_kw).max() < 1e-6
