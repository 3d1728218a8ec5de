"""Kinds that make, keep or take heat: what they are rated at, and what they do when nobody plans them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from gridcommons.model.assets import ASSET_KINDS, HeatPump, Signals, StirlingStore, rating_columns
from gridcommons.model.heat_assets import HOUSE_COLUMNS
from gridcommons.model.profiles import Profiles
from gridcommons.model.time import TimeAxis
from hubs import HOUSE, device

PROFILE_KW = np.array([0.0, 4.0, 10.0])


def signals(energy_kwh=0.0, step_hours=1.0):
    energy = np.full(3, energy_kwh)
    return Signals(PROFILE_KW, energy, np.ones(3), step_hours)


def test_boilers_and_heat_stores_have_no_electric_power_and_cannot_be_flexible():
    for kind in ("boiler", "heat_store"):
        asset = device(kind)
        assert not asset.may_be_flexible and not asset.needs_profile and asset.rating_kw == 0.0
        np.testing.assert_array_equal(asset.net_kw(signals()), 0.0)
        with pytest.raises(TypeError, match=f"a {kind} cannot be flexible"):
            asset.range_kw(signals())


@pytest.mark.parametrize("kind", ["heat_pump", "smart_boiler"])
def test_consumers_run_from_off_to_their_rating(kind):
    asset = device(kind, consumption_max_kw=8.0)
    low_kw, high_kw = asset.range_kw(signals())
    assert not low_kw.any() and (high_kw == 8.0).all() and asset.rating_kw == 8.0
    np.testing.assert_array_equal(asset.net_kw(signals()), PROFILE_KW)


def test_a_turbine_feeds_in_from_nothing_to_its_rating():
    turbine = device("chp", generation_max_kw=12.0)
    np.testing.assert_array_equal(turbine.net_kw(signals()), -PROFILE_KW)
    low_kw, high_kw = turbine.range_kw(signals())
    assert (low_kw == -12.0).all() and not high_kw.any() and turbine.rating_kw == 12.0


def test_who_follows_a_plan_may_lack_a_profile():
    assert device("chp").may_lack_profile and not device("chp", flexible=False).may_lack_profile
    assert device("heat_pump").may_lack_profile and not device("heat_pump", flexible=False).may_lack_profile
    assert device("house", flexible=False).may_lack_profile
    for kind in ("boiler", "heat_store", "smart_boiler", "stirling_store"):
        assert device(kind).may_lack_profile
    assert not device("pv").may_lack_profile and not device("demand_response").may_lack_profile


@pytest.mark.parametrize("missing", HOUSE_COLUMNS)
def test_a_house_is_whole_or_none(missing):
    assert device("house").has_house and not device("heat_pump").has_house
    assert not device("house", **{missing: float("nan")}).has_house
    assert set(HOUSE) | {"temp_min_c", "temp_max_c"} == set(HOUSE_COLUMNS)


def stirling(**changes) -> StirlingStore:
    return device("stirling_store", **changes)


def test_a_store_with_an_engine_gives_the_product_of_its_shares():
    store = stirling()
    assert store.charge_max_kw == 40.0 and store.charge_efficiency_share == 0.95
    assert store.discharge_efficiency_share == pytest.approx(0.36)
    assert store.discharge_max_kw == pytest.approx(21.6) and store.rating_kw == 40.0
    assert stirling(consumption_max_kw=10.0).rating_kw == pytest.approx(21.6)


@pytest.mark.parametrize(("minutes", "share"), [(60, 1.0), (15, 4.0)])
def test_its_range_is_what_the_stored_heat_allows_in_an_interval(minutes, share):
    """30 kWh above the floor of 20 give 10.8 kWh of power; 12 below the top of 180 take 12.63 kWh."""
    store = stirling(consumption_max_kw=500.0, heat_discharge_max_kw=500.0)
    low_kw, _ = store.range_kw(signals(energy_kwh=50.0, step_hours=minutes / 60.0))
    np.testing.assert_allclose(low_kw, -30.0 * 0.36 * share)
    _, high_kw = store.range_kw(signals(energy_kwh=168.0, step_hours=minutes / 60.0))
    np.testing.assert_allclose(high_kw, 12.0 / 0.95 * share)
    low_kw, high_kw = stirling().range_kw(signals(energy_kwh=100.0, step_hours=0.25))
    np.testing.assert_allclose(low_kw, -21.6)
    np.testing.assert_allclose(high_kw, 40.0)


def test_its_profile_moves_its_heat():
    """From 100 kWh: 10 kW heat by 9.5 kWh, 7.2 kW of power take 20 kWh."""
    time = TimeAxis(datetime(2021, 4, 15, tzinfo=UTC), 60, 3)
    profiles = Profiles(time, {"stirling_store": np.array([10.0, -7.2, 0.0])})
    np.testing.assert_allclose(profiles.signals(stirling()).energy_kwh, [100.0, 109.5, 89.5])
    np.testing.assert_array_equal(stirling().net_kw(profiles.signals(stirling())), [10.0, -7.2, 0.0])


def test_columns_of_the_new_kinds_are_required_or_may_be_blank():
    needed = {
        kind: {name for name, rule in rating_columns(made).items() if rule["required"]}
        for kind, made in ASSET_KINDS.items()
    }
    assert needed["boiler"] == {"heat_max_kw", "ramp_kw_per_h", "heat_cost_per_kwh"}
    assert needed["chp"] == {"generation_max_kw"}
    assert {"inverter_kva", "q_share"}.isdisjoint(needed["smart_boiler"])
    assert {"tank_m3", "temp_initial_c", "cold_temp_c"} < needed["smart_boiler"]
    assert {"exchanger_share", "idle_loss_share_per_h"} < needed["stirling_store"]
    assert rating_columns(HeatPump)["cop"]["required"] is False
    blank = ASSET_KINDS["boiler"](
        asset="b", member="m", heat_max_kw=9.0, ramp_kw_per_h=1.0, heat_cost_per_kwh=0.3
    )
    assert blank.heat_min_kw == 0.0
    assert np.isnan(ASSET_KINDS["chp"](asset="c", member="m", generation_max_kw=1.0).electric_share)
