"""Boilers and turbines: bounds, ramps, where the heat goes, and when it pays to make power of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from hubs import answered, day_of, device, hub_of, lives, scheduled, with_start


def taken_kw(life, plan, member):
    """Heat that the turbines of a member take, H_T = P/η_T."""
    turbines = [asset for asset in life.hub.planned if asset.kind == "chp" and asset.member == member]
    return sum(-day_of(plan, each.asset).p_kw / each.electric_share for each in turbines)


@settings(max_examples=60)
@given(lives(needed=("boiler", "boiler", "chp")))
def test_what_boilers_burn_goes_to_the_heating_or_to_the_turbines_of_their_member(life):
    members = {asset.member for asset in life.hub.planned if asset.kind == "boiler"}
    for member in members:
        boilers = [asset for asset in life.hub.planned if asset.kind == "boiler" and asset.member == member]
        for plan, states in zip(life.plans, life.states, strict=True):
            direct_kw = [day_of(plan, each.asset).heat_kw for each in boilers]
            assert min(each.min() for each in direct_kw) >= -1e-6
            for each, direct in zip(boilers, direct_kw, strict=True):
                assert (states[each.asset] - direct).min() >= -1e-6
            burnt_kw = sum(states[each.asset] for each in boilers)
            np.testing.assert_allclose(burnt_kw - sum(direct_kw), taken_kw(life, plan, member), atol=1e-6)


@settings(max_examples=60)
@given(lives(needed=("boiler", "chp")))
def test_boilers_stay_within_their_bounds_and_ramps(life):
    hours = life.hub.hours
    for boiler, day, fired_kw in life.days("boiler"):
        assert boiler.heat_min_kw - 1e-6 <= fired_kw.min() <= fired_kw.max() <= boiler.heat_max_kw + 1e-6
        assert np.abs(np.diff(fired_kw)).max(initial=0.0) <= boiler.ramp_kw_per_h * hours + 1e-6
        assert not day.p_kw.any() and not day.q_kvar.any() and np.isnan(day.soc_share).all()


@settings(max_examples=60)
@given(lives(needed=("chp", "chp")))
def test_turbines_turn_their_heat_into_power_heat_and_a_share_of_reactive_power(life):
    for turbine, day, _ in life.days("chp"):
        generation_kw, injected_kvar = -day.p_kw, -day.q_kvar
        assert generation_kw.min() >= turbine.generation_min_kw - 1e-6
        assert generation_kw.max() <= turbine.generation_max_kw + 1e-6
        left = (1.0 - turbine.electric_share) / turbine.electric_share
        np.testing.assert_allclose(day.heat_kw, left * generation_kw, atol=1e-6)
        assert (injected_kvar <= np.nan_to_num(turbine.q_inject_share) * generation_kw + 1e-6).all()
        assert (injected_kvar >= -turbine.q_absorb_share * generation_kw - 1e-6).all()


@pytest.mark.parametrize("price", [0.55, 0.65])
def test_a_turbine_of_its_own_fire_runs_where_power_and_heat_pay_for_it(price):
    """η λ + (1 − η) λ_h > c: with η = 0.3, λ_h = 0.2 and c = 0.32 from λ = 0.6 on."""
    turbine = device("chp", heat_cost_per_kwh=0.32, power_factor=1.0)
    hub = hub_of(turbine, steps=1, heat=0.2, **{"import": price, "export": price})
    plan = scheduled(hub).plan()
    runs = price > 0.6
    assert plan.p_kw[0, 0] == pytest.approx(-60.0 * runs, abs=1e-6)
    assert plan.heat_kw[0] == pytest.approx(-140.0 * runs, abs=1e-6)
    assert plan.cost["fuel"] == pytest.approx(200.0 * 0.32 * runs, abs=1e-6)


def test_the_fire_of_a_boiler_is_paid_once():
    """200 kW for the turbine and 100 kW to the heating, which buys the 10 kW that are missing."""
    assets = device("boiler", heat_max_kw=300.0), device("chp", heat_cost_per_kwh=99.0), device("load")
    hub = hub_of(
        *assets, columns={"load.heat_kw": 250.0}, steps=1, heat=0.35, **{"import": 1.0, "export": 1.0}
    )
    plan = scheduled(hub).plan()
    assert day_of(plan, "boiler").heat_kw[0] == pytest.approx(100.0, abs=1e-6)
    assert day_of(plan, "chp").heat_kw[0] == pytest.approx(140.0, abs=1e-6)
    assert plan.heat_kw[0] == pytest.approx(10.0, abs=1e-6)
    assert plan.cost["fuel"] == pytest.approx(0.3 * 300.0) and plan.end == {"boiler": pytest.approx(300.0)}


def test_a_turbine_of_another_member_burns_its_own():
    assets = device("boiler", member="m1"), device("chp", heat_cost_per_kwh=0.1)
    plan = scheduled(hub_of(*assets, steps=1, heat=0.2, **{"import": 0.6, "export": 0.6})).plan()
    assert plan.cost["fuel"] == pytest.approx(0.1 * 200.0)
    assert plan.end["boiler"] == pytest.approx(0.0, abs=1e-6)


def test_heat_is_burnt_where_it_is_cheaper_than_bought():
    hub = hub_of(
        device("boiler"), device("load"), columns={"load.heat_kw": 80.0}, steps=3, heat=[0.25, 0.35, 0.25]
    )
    plan = scheduled(hub, heat_export_max_kw=0.0).plan()
    np.testing.assert_allclose(plan.heat_kw, [80.0, 0.0, 80.0], atol=1e-6)


def test_a_boiler_burns_no_less_than_it_can():
    hub = hub_of(device("boiler", heat_min_kw=35.0), steps=2, heat=0.1)
    plan = scheduled(hub).plan()
    np.testing.assert_allclose(day_of(plan, "boiler").heat_kw, 35.0, atol=1e-6)
    np.testing.assert_allclose(plan.heat_kw, -35.0, atol=1e-6)


@pytest.mark.parametrize("minutes", [15, 60])
def test_a_ramp_is_a_change_an_hour(minutes):
    """From 40 kW on, 100 kW/h allow 140 in the next hour, or 65 in the next quarter of one."""
    boiler = device("boiler", ramp_kw_per_h=100.0)
    hub = hub_of(boiler, device("load"), columns={"load.heat_kw": 1000.0}, steps=2, minutes=minutes, heat=9.0)
    plan = scheduled(with_start(hub, boiler=40.0)).plan()
    step_kw = 100.0 * minutes / 60.0
    np.testing.assert_allclose(
        day_of(plan, "boiler").heat_kw, [40.0 + step_kw, min(40.0 + 2.0 * step_kw, 300.0)], atol=1e-6
    )
    free = scheduled(hub).plan()
    assert day_of(free, "boiler").heat_kw[0] == pytest.approx(300.0, abs=1e-6)


def test_a_boiler_slows_down_no_faster_than_it_may():
    boiler = device("boiler", ramp_kw_per_h=100.0)
    hub = hub_of(boiler, steps=4, heat=0.1)
    plan = scheduled(with_start(hub, boiler=250.0)).plan()
    np.testing.assert_allclose(day_of(plan, "boiler").heat_kw, [150.0, 50.0, 0.0, 0.0], atol=1e-6)


def test_a_turbine_gives_and_takes_reactive_power_up_to_its_shares():
    """Far above what it loses, it gives ξ_u P or absorbs ξ_l P; without a share, nothing."""
    turbine = device("chp", heat_cost_per_kwh=0.0)
    community = scheduled(hub_of(turbine, steps=1, heat=0.2))
    assert answered(community, 5.0).q_kvar[0, 0] == pytest.approx(-30.0, abs=1e-5)
    assert answered(community, -5.0).q_kvar[0, 0] == pytest.approx(18.0, abs=1e-5)
    mute = device("chp", heat_cost_per_kwh=0.0, q_inject_share=float("nan"), q_absorb_share=float("nan"))
    assert answered(scheduled(hub_of(mute, steps=1, heat=0.2)), 5.0).q_kvar[0, 0] == pytest.approx(
        0.0, abs=1e-9
    )
