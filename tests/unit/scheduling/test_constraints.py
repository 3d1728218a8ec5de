"""Balances and payments of a community's program: known answers, one law at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.model.envelopes import Envelopes
from gridcommons.scheduling.constraints import OPERATE, make_program
from gridcommons.scheduling.settings import Settings
from hubs import KINDS, answered, day_of, device, hub_of, kind_of, scheduled, studies, study_of, whole_hub


def test_every_kind_that_can_be_planned_has_its_laws():
    assert set(OPERATE) | {"boiler", "chp"} == set(KINDS)


# Electricity


def test_members_share_what_they_have_before_anybody_pays():
    """30 kW of sun at one connection serve 20 of 45 kW at the other: 15 are imported, at price and fee."""
    assets = device("pv", member="m0"), device("load", member="m1")
    hub = hub_of(*assets, columns={"pv": 30.0, "load": 45.0}, steps=1, minutes=30, network_fee=0.1)
    plan = scheduled(hub).plan()
    np.testing.assert_allclose(plan.p_kw, [[-30.0], [45.0]], atol=1e-6)
    assert plan.cost["energy"] == pytest.approx(15.0 * 0.4 / 2) and plan.cost["network fee"] == pytest.approx(
        0.75
    )


@pytest.mark.parametrize(("fee", "export"), [(0.0, 0.4), (0.1, 0.4), (0.0, 0.25), (0.1, 0.25)])
def test_what_is_exported_earns_its_own_price_and_no_fee(fee, export):
    hub = hub_of(device("pv"), columns={"pv": 30.0}, steps=1, network_fee=fee, export=export)
    cost = scheduled(hub).plan().cost
    assert cost["energy"] == pytest.approx(-30.0 * export)
    assert cost["network fee"] == pytest.approx(0.0, abs=1e-9)


def test_load_is_shed_only_where_it_is_worth_less_than_power():
    """With its reactive power, which is a part of it; heat is not shed."""
    load = device("load", power_factor=0.8)
    columns = {"load": [40.0, 40.0], "load.heat_kw": 5.0}
    hub = hub_of(
        load, columns=columns, steps=2, minutes=30, heat=0.1, **{"import": [11.0, 9.0], "export": 0.0}
    )
    plan = scheduled(hub).plan()
    np.testing.assert_allclose(plan.p_kw[0], [0.0, 40.0], atol=1e-6)
    np.testing.assert_allclose(plan.q_kvar[0], [0.0, 30.0], atol=1e-6)
    np.testing.assert_allclose(day_of(plan, "load").q_kvar, [0.0, 30.0], atol=1e-6)
    np.testing.assert_allclose(plan.shed_kw, [40.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(plan.heat_kw, 5.0, atol=1e-6)
    assert plan.cost["load not served"] == pytest.approx(200.0)
    dearer = scheduled(hub, shedding_price_per_kwh=12.0).plan()
    assert not dearer.shed_kw.any() or dearer.shed_kw.max() < 1e-6


def test_no_load_is_shed_to_sell_its_reactive_power():
    """To be served less, a load would have to be paid more than it is worth."""
    community = scheduled(hub_of(device("load", power_factor=0.8), columns={"load": 40.0}, steps=1))
    assert answered(community, 9.0).q_kvar[0, 0] == pytest.approx(30.0)
    assert answered(community, 14.0).q_kvar[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_reactive_power_that_is_given_in_the_profiles_is_exchanged():
    pv = device("pv", flexible=False)
    hub = hub_of(pv, columns={"pv": [9.0, 0.0], "pv.q_kvar": [2.0, -3.0]}, steps=2)
    np.testing.assert_allclose(scheduled(hub).plan().q_kvar[0], [2.0, -3.0])


# Heat


def test_heat_flows_both_ways_at_one_price_within_what_the_network_takes():
    turbine = device("chp", generation_min_kw=30.0, generation_max_kw=30.0)
    hub = hub_of(turbine, device("load"), columns={"load.heat_kw": [100.0, 20.0]}, steps=2, heat=[0.3, 0.2])
    plan = scheduled(hub, heat_export_max_kw=50.0, heat_import_max_kw=30.0).plan()
    np.testing.assert_allclose(plan.heat_kw, [30.0, -50.0], atol=1e-6)
    assert plan.cost["heat"] == pytest.approx(30.0 * 0.3 - 50.0 * 0.2)


def test_where_heat_has_no_price_there_is_no_network_in_that_hour():
    boiler = device("boiler", heat_cost_per_kwh=0.9)
    columns = {"load.heat_kw": 40.0}
    plan = scheduled(hub_of(boiler, device("load"), columns=columns, steps=2, heat=[0.3, np.nan])).plan()
    np.testing.assert_allclose(plan.heat_kw, [40.0, 0.0], atol=1e-6)
    assert plan.cost["heat"] == pytest.approx(12.0) and plan.cost["fuel"] == pytest.approx(36.0)
    nowhere = scheduled(hub_of(boiler, steps=2)).plan()
    assert {"heat peak", "heat fee"}.isdisjoint(nowhere.cost)


def test_the_peak_of_heat_is_paid_by_local_day_and_the_fee_once():
    """A day in Stockholm begins at 22:00 UTC: two days, the second one half in the horizon."""
    heat_kw = np.full(36, 10.0)
    heat_kw[[5, 23, 24, 30]] = [50.0, 30.0, 80.0, 20.0]
    hub = hub_of(device("load"), columns={"load.heat_kw": heat_kw}, steps=36, heat=0.1)
    cost = scheduled(hub, heat_peak_price_per_kw_day=2.0, heat_fee_per_day=76.0).plan().cost
    assert cost["heat peak"] == pytest.approx(2.0 * (50.0 + 0.5 * 80.0))
    assert cost["heat fee"] == pytest.approx(1.5 * 76.0)
    assert cost["heat"] == pytest.approx(0.1 * heat_kw.sum())


@pytest.mark.parametrize(
    ("start", "hours"),
    [(datetime(2021, 10, 30, 22, tzinfo=UTC), 25), (datetime(2021, 3, 27, 23, tzinfo=UTC), 23)],
)
def test_a_day_of_25_or_23_hours_has_one_peak_and_one_fee(start, hours):
    heat_kw = np.full(hours, 10.0)
    heat_kw[-1] = 40.0
    hub = hub_of(device("load"), columns={"load.heat_kw": heat_kw}, steps=hours, start=start, heat=0.1)
    cost = scheduled(hub, heat_peak_price_per_kw_day=2.0, heat_fee_per_day=76.0).plan().cost
    assert cost["heat peak"] == pytest.approx(80.0) and cost["heat fee"] == pytest.approx(76.0)


def test_who_has_no_heating_pays_for_none():
    """A battery and a house with its own heat pump are no district heating."""
    hub = hub_of(device("battery"), device("house"), columns={"outdoor.temp_c": 5.0}, steps=2, heat=0.1)
    assert not scheduled(hub, heat_fee_per_day=76.0).plan().cost.get("heat fee")
    pump = hub_of(device("battery"), device("heat_pump"), steps=24, heat=0.1)
    assert scheduled(pump, heat_fee_per_day=76.0).plan().cost["heat fee"] == pytest.approx(76.0)


def test_a_peak_is_shaved_where_it_costs_more_than_a_store_loses():
    """120 kWh of store, half full, spread 100 kWh over two hours: 50 kW in each instead of 90 in one."""
    hub = hub_of(
        device("heat_store"), device("load"), columns={"load.heat_kw": [10.0, 90.0]}, steps=2, heat=0.1
    )
    plan = scheduled(hub, heat_peak_price_per_kw_day=2.0).plan()
    np.testing.assert_allclose(plan.heat_kw, 50.0, atol=1e-6)


# Reactive power


@settings(max_examples=30)
@given(st.floats(0.05, 0.95), st.floats(0.05, 2.0), st.sampled_from([15, 60]))
def test_what_reactive_power_costs_is_active_power_at_the_import_price(share, price, minutes):
    """λ (S − P) h at the answer, with P as it was; the marginal price is λ Q/S."""
    hub = hub_of(
        device("pv", q_share=0.9),
        columns={"pv": 70.0},
        steps=1,
        minutes=minutes,
        **{"import": price, "export": price},
    )
    community = scheduled(hub)
    sold_kvar = -answered(community, share * price).q_kvar[0, 0]
    cost = community.plan().cost["reactive power"]
    assert cost == pytest.approx(price * (np.hypot(70.0, sold_kvar) - 70.0) * minutes / 60.0)
    if sold_kvar < 69.9:
        assert sold_kvar / np.hypot(70.0, sold_kvar) == pytest.approx(share, rel=0.01)


def test_below_zero_giving_reactive_power_costs_next_to_nothing():
    """A turbine that must run gives all that it can for any price; at no price it gives none."""
    turbine = device("chp", generation_min_kw=60.0)
    hub = hub_of(turbine, steps=1, heat=0.2, **{"import": -0.1, "export": -0.1})
    community = scheduled(hub)
    assert answered(community, 0.0).q_kvar[0, 0] == pytest.approx(0.0, abs=1e-6)
    assert answered(community, 1e-3).q_kvar[0, 0] == pytest.approx(-30.0, abs=1e-5)
    assert community.plan().cost["reactive power"] < 1e-4


@pytest.mark.parametrize("kind", ["pv", "chp", "smart_boiler"])
def test_every_converter_gives_where_its_own_marginal_price_is_met(kind):
    """Q = P s/√(1 − s²) of each that may give it, side by side with a battery, which has no say."""
    shares = {"pv": {"q_share": 1.0}, "chp": {"q_inject_share": 1.0}, "smart_boiler": {"q_share": 0.9}}[kind]
    fixed = {
        "smart_boiler": {"temp_min_c": 69.9, "temp_max_c": 70.1},
        "chp": {"generation_min_kw": 60.0},
        "pv": {},
    }
    columns = {"pv": 60.0, "smart_boiler.draw_m3": 0.1}
    hub = hub_of(device(kind, **shares, **fixed[kind]), device("battery"), columns=columns, steps=1, heat=0.2)
    community = scheduled(hub)
    sold_kvar = -answered(community, 0.5 * 0.4).q_kvar[0, 0]
    p_kw = abs(day_of(community.plan(), kind).p_kw[0])
    assert p_kw > 5.0 and sold_kvar == pytest.approx(p_kw / np.sqrt(3.0), rel=0.01)


# Operating envelopes


@settings(max_examples=40)
@given(studies(needed=("pv", "pv", "heat_pump"), most=6), st.integers(0, 2**32 - 1))
def test_envelopes_are_kept_by_their_own_assets(drawn, seed):
    """Some plants and pumps may do up to 0.7 of what they did without one."""
    study, tariff = drawn
    free = scheduled(whole_hub(study), mip_gap_share=tariff.mip_gap_share).plan()
    rng = np.random.default_rng(seed)
    able = [asset for asset in study.community.assets if kind_of(asset) in ("pv", "heat_pump")]
    bound = [asset for asset in able if asset is able[0] or rng.random() < 0.5]
    did_kw = np.array([day_of(free, asset.asset).p_kw for asset in bound]).T
    held = Envelopes(
        tuple(asset.asset for asset in bound), np.minimum(0.7 * did_kw, 0.0), np.maximum(0.7 * did_kw, 0.0)
    )
    hub = whole_hub(replace(study, envelopes=held))
    plan = scheduled(hub, mip_gap_share=tariff.mip_gap_share).plan()
    for k, asset in enumerate(bound):
        p_kw = day_of(plan, asset.asset).p_kw
        assert (p_kw >= held.p_min_kw[:, k] - 1e-6).all() and (p_kw <= held.p_max_kw[:, k] + 1e-6).all()


def test_an_envelope_moves_a_battery_and_no_other():
    price = {"import": [0.1, 0.5], "export": [0.1, 0.5]}
    study = study_of(device("battery", "a"), device("battery", "b"), steps=2, **price)
    held = Envelopes(("b",), np.full((2, 1), -np.inf), np.array([[5.0], [np.inf]]))
    plan = scheduled(whole_hub(replace(study, envelopes=held))).plan()
    np.testing.assert_allclose(day_of(plan, "a").p_kw, [20.0, -14.4], atol=1e-6)
    np.testing.assert_allclose(day_of(plan, "b").p_kw, [5.0, -3.6], atol=1e-6)


def test_an_envelope_holds_from_below_whatever_stands_between():
    """The second battery must charge 3 kW where it would rest; the first and the sun do as they like."""
    assets = device("battery", "a"), device("pv", "sun"), device("battery", "b")
    study = study_of(*assets, columns={"sun": 9.0}, steps=2)
    held = Envelopes(("b",), np.array([[3.0], [-np.inf]]), np.full((2, 1), np.inf))
    plan = scheduled(whole_hub(replace(study, envelopes=held))).plan()
    assert day_of(plan, "b").p_kw[0] == pytest.approx(3.0) and abs(day_of(plan, "a").p_kw[0]) < 1e-6
    np.testing.assert_allclose(day_of(plan, "sun").p_kw, -9.0, atol=1e-6)


def test_a_program_without_an_envelope_has_no_rows_of_it():
    names = {rows.name for rows in make_program(hub_of(device("battery")), Settings()).model.rows}
    assert "operating envelope" not in names


def test_the_load_of_who_opted_out_is_served_at_any_price():
    assets = device("load", "own", member="m0"), device("load", "other", member="m1")
    hub = hub_of(*assets, columns={"own": 5.0, "other": 7.0}, steps=2, **{"import": 11.0})
    assert scheduled(hub).plan().shed_kw == pytest.approx([12.0, 12.0])
    without = replace(hub, untouched=frozenset(["other"]))
    assert scheduled(without).plan().shed_kw == pytest.approx([5.0, 5.0])


def test_plants_that_follow_their_profiles_heat_the_community():
    pump, turbine = device("heat_pump", "pump", flexible=False), device("chp", "chp", flexible=False)
    columns = {"load": 5.0, "load.heat_kw": 120.0, "pump": 20.0, "chp": 12.0}
    plan = scheduled(hub_of(pump, turbine, device("load"), columns=columns, steps=2, heat=0.5)).plan()
    # 3 · 20 kW from the pump, 12 · 0.7 / 0.3 kW from the turbine.
    assert plan.heat_kw == pytest.approx(np.full(2, 120.0 - 60.0 - 28.0))
    assert day_of(plan, "pump").heat_kw == pytest.approx([60.0, 60.0])
