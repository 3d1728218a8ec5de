"""Batteries in a program: what they store follows from what they draw, and pays for itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from hubs import day_of, device, hub_of, lives, scheduled, with_start


@settings(max_examples=60)
@given(lives(needed=("battery",)))
def test_what_is_stored_follows_from_net_power_alone(life):
    """A battery that charged and discharged at once would lose more than its net power tells."""
    hours = life.hub.hours
    for battery, day, stored_kwh in life.days("battery"):
        was_kwh = battery.soc_initial_share * battery.energy_kwh
        for t, p_kw in enumerate(day.p_kw):
            gained_kwh = max(p_kw, 0.0) * battery.charge_efficiency_share * hours
            lost_kwh = max(-p_kw, 0.0) / battery.discharge_efficiency_share * hours
            assert stored_kwh[t] == pytest.approx(was_kwh + gained_kwh - lost_kwh, abs=1e-6)
            was_kwh = stored_kwh[t]
        np.testing.assert_allclose(day.soc_share * battery.energy_kwh, stored_kwh, atol=1e-9)


@settings(max_examples=40)
@given(lives(needed=("battery",)))
def test_powers_and_charge_stay_within_their_ratings_and_the_end_is_no_emptier(life):
    for battery, day, _ in life.days("battery"):
        assert (
            -battery.discharge_max_kw - 1e-6
            <= day.p_kw.min()
            <= day.p_kw.max()
            <= battery.charge_max_kw + 1e-6
        )
        assert battery.soc_min_share - 1e-6 <= day.soc_share.min()
        assert day.soc_share.max() <= battery.soc_max_share + 1e-6
        assert day.soc_share[-1] >= battery.soc_initial_share - 1e-6
        assert not day.q_kvar.any() and not day.heat_kw.any()


def test_of_two_prices_the_low_one_fills_what_the_high_one_takes():
    """Room for 24 kWh: 20 kW of charging give 18 kWh, of which 14.4 come back."""
    hub = hub_of(device("battery"), **{"import": [0.2, 0.5], "export": [0.2, 0.5]}, steps=2)
    plan = scheduled(hub).plan()
    np.testing.assert_allclose(plan.p_kw[0], [20.0, -14.4], atol=1e-6)
    assert sum(plan.cost.values()) == pytest.approx(0.2 * 20.0 - 0.5 * 14.4)
    assert plan.end == {"battery": pytest.approx(30.0)}


@pytest.mark.parametrize(
    ("high", "wear", "moves"),
    [
        (0.2 / 0.72 - 0.001, 0.0, False),
        (0.2 / 0.72 + 0.001, 0.0, True),
        (0.3, 0.02, False),
        (0.35, 0.02, True),
    ],
)
def test_it_moves_only_for_a_spread_beyond_its_losses_and_its_wear(high, wear, moves):
    """One kWh in, 0.72 out: 0.72 · high against low + wear · 1.72, so 0.326 with a wear of 0.02."""
    battery = device("battery", wear_cost_per_kwh=wear)
    plan = scheduled(hub_of(battery, steps=2, **{"import": [0.2, high], "export": [0.2, high]})).plan()
    assert (np.abs(plan.p_kw).max() > 1.0) == moves
    assert plan.cost["wear"] == pytest.approx(wear * 34.4 * moves, abs=1e-6)


def test_half_hours_move_half_the_energy():
    hub = hub_of(device("battery"), steps=2, minutes=30, **{"import": [0.2, 0.5], "export": [0.2, 0.5]})
    community = scheduled(hub)
    np.testing.assert_allclose(community.plan().p_kw[0], [20.0, -14.4], atol=1e-6)
    np.testing.assert_allclose(day_of(community.plan(), "battery").soc_share, [39.0 / 60.0, 0.5], atol=1e-9)


def test_a_full_battery_cannot_be_paid_for_burning_energy():
    """At a price below zero a program without the choice of one way would charge and discharge at once."""
    full = device("battery", soc_initial_share=0.9)
    plan = scheduled(hub_of(full, steps=1, **{"import": -1.0, "export": -1.0})).plan()
    assert abs(plan.p_kw[0, 0]) < 1e-6
    # With two intervals it can empty a little into the cheaper loss and fill again, and gains by its losses.
    twice = scheduled(hub_of(full, steps=2, **{"import": [-0.1, -1.0], "export": [-0.1, -1.0]})).plan()
    np.testing.assert_allclose(twice.p_kw[0], [-14.4, 20.0], atol=1e-6)


def test_it_goes_on_from_where_it_was():
    hub = hub_of(device("battery"), steps=2, **{"import": [0.5, 0.2], "export": [0.5, 0.2]})
    # 7 kWh lie above the floor of 6: 5.6 come out, 7 must go back in.
    plan = scheduled(with_start(hub, battery=13.0)).plan()
    np.testing.assert_allclose(plan.p_kw[0], [-5.6, 7.0 / 0.9], atol=1e-6)
    assert plan.end["battery"] == pytest.approx(13.0)
    # 54 kWh are 24 above the half of its ratings: these it may sell.
    rich = scheduled(with_start(hub, battery=54.0)).plan()
    assert rich.end["battery"] == pytest.approx(30.0)
