"""Heat: the COP's printed figures, the standard profile, and energies that come out exactly."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from gridcommons.adapters.standard_profiles import read_heat_tables
from gridcommons.synthesis.draws import generator_for
from gridcommons.synthesis.heat import (
    HeatDemand,
    cop,
    heat_pump_kw,
    individual_heat,
    room_sink_c,
    source_c,
    standard_heat,
)
from unit_calendars import standard_source, year


@pytest.mark.parametrize(
    ("lift_k", "source", "expected"),
    [
        (30.0, "air", 0.85 * (6.08 - 2.823 + 0.4176)),
        (15.0, "air", 0.85 * (6.08 - 1.4115 + 0.1044)),
        (3.0, "air", 0.85 * (6.08 - 1.4115 + 0.1044)),
        (40.0, "ground", 0.85 * (10.29 - 8.336 + 2.1152)),
    ],
)
def test_cop_by_lift(lift_k, source, expected):
    assert cop(np.array([lift_k]), source) == pytest.approx([expected], rel=1e-12)


def test_floor_heating_from_air_at_freezing_point():
    temp_c = np.zeros(1)
    assert cop(room_sink_c(temp_c, "floor") - source_c(temp_c, "air"), "air") == pytest.approx(
        [3.12], abs=5e-3
    )


def test_flow_temperatures_and_brine():
    temp_c = np.array([-10.0, 0.0, 10.0])
    assert room_sink_c(temp_c, "floor").tolist() == [35.0, 30.0, 25.0]
    assert room_sink_c(temp_c, "radiator").tolist() == [50.0, 40.0, 30.0]
    assert source_c(temp_c, "ground").tolist() == [-5.0, -5.0, -5.0]


def test_electricity_is_heat_by_cop_and_their_ratio_is_weighted_by_heat():
    temp_c = np.array([0.0, 0.0, 25.0])
    demand = HeatDemand(np.array([3.0, 0.0, 0.0]), np.array([1.0, 2.0, 0.0]))
    pump = heat_pump_kw(demand, temp_c, "air", "floor")
    electric_kw, ratio = pump.electric_kw, pump.cop
    room, water = (float(cop(np.array([lift]), "air")[0]) for lift in (30.0, 50.0))
    assert electric_kw == pytest.approx([3.0 / room + 1.0 / water, 2.0 / water, 0.0])
    assert ratio[:2] == pytest.approx([4.0 / electric_kw[0], water])
    assert np.isfinite(ratio).all() and ratio[2] > water
    assert pump.water_kw == pytest.approx([1.0 / water, 2.0 / water, 0.0])
    assert pump.room_cop[:2] == pytest.approx([room, room]) and pump.space_kw == pytest.approx(
        [3.0, 0.0, 0.0]
    )


def test_rooms_follow_the_standard_profile_of_the_package_that_carries_its_tables():
    import pandas as pd
    from demandlib import bdew

    time, local, weather = year(60, zone="UTC")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = bdew.HeatBuilding(
            pd.date_range("2030-01-01", periods=time.steps, freq="h"),
            temperature=pd.Series(weather.temp_c),
            shlp_type="EFH",
            building_class=11,
            wind_class=0,
            annual_heat_demand=1.0,
            ww_incl=False,
        ).get_bdew_profile()
    mine = standard_heat(read_heat_tables(), weather.temp_c, local)
    # The package scales by days and not by hours, so that its hours sum to 1 but for the rounding of tables.
    np.testing.assert_allclose(mine.space_kw, expected / expected.sum(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("step_minutes", [15, 20, 60])
def test_hot_water_is_the_same_every_day_and_heat_is_not(step_minutes):
    local, weather = year(step_minutes)[1:]
    mean = standard_heat(read_heat_tables(), weather.temp_c, local)
    days = local.day_start[[20, 200]]
    per_day = 24 * 60 // step_minutes
    water, space = (
        [part[day : day + per_day].sum() * local.step_hours for day in days]
        for part in (mean.water_kw, mean.space_kw)
    )
    assert water == pytest.approx([1.0 / 365, 1.0 / 365], rel=2e-3)
    assert space[0] > 20.0 * space[1]
    assert mean.space_kw.sum() * local.step_hours == pytest.approx(1.0)


def test_between_hours_the_line_is_followed_and_no_energy_is_lost():
    fine, coarse = (
        standard_heat(read_heat_tables(), year(minutes)[2].temp_c, year(minutes)[1]).water_kw
        for minutes in (15, 60)
    )
    np.testing.assert_allclose(np.abs(np.diff(fine)).max(), np.abs(np.diff(coarse)).max() / 4, rtol=0.01)
    smooth = fine.reshape(-1, 4).mean(axis=1)
    assert np.abs(smooth - coarse).max() < 0.15 * coarse.max()


def test_each_household_has_exactly_its_heat_and_its_own_hours():
    source, local = standard_source(), year()[1]
    demands = [
        individual_heat(generator_for(1, name), source.mean_heat, local, 2500.0, 1100.0) for name in "abc"
    ]
    for demand in demands:
        assert demand.space_kw.sum() * local.step_hours == pytest.approx(2500.0)
        assert demand.water_kw.sum() * local.step_hours == pytest.approx(1100.0)
        assert (demand.total_kw >= 0.0).all()
    one, other = demands[0].total_kw, demands[1].total_kw
    assert one.tobytes() != other.tobytes()
    assert np.corrcoef(one, other)[0, 1] > 0.85


def test_a_year_of_an_efficiency_house_gives_a_plausible_seasonal_cop():
    source, local = standard_source(), year()[1]
    pump = source.heat_pump("a", 40.0 * 92.0)
    electric_kw, ratio = pump.electric_kw, pump.cop
    heat_kwh = (electric_kw * ratio).sum() * local.step_hours
    assert heat_kwh == pytest.approx(40.0 * 92.0, rel=1e-9)
    assert 3.0 < heat_kwh / (electric_kw.sum() * local.step_hours) < 3.4
    assert 2.0 < ratio.min() < ratio.max() < 4.5
    ground = standard_source(heat_source="ground").heat_pump("a", 3680.0).electric_kw
    radiators = standard_source(heat_sink="radiator").heat_pump("a", 3680.0).electric_kw
    assert ground.sum() < electric_kw.sum() < radiators.sum()
