"""Measured profiles: the calendar stays, energies are exact, and a household takes one of the pool."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.synthesis.heat import cop
from gridcommons.synthesis.sampled import Pool, SampledSource, on_calendar
from unit_calendars import standard_source, year

FRIDAY = 4
DAY, QUARTER = np.meshgrid(np.arange(366.0), np.arange(96.0), indexing="ij")


@pytest.fixture
def source():
    flat = np.ones((366, 96))
    noon = np.where((QUARTER > 30) & (QUARTER < 66), 1.0, 0.0)
    pool = Pool(
        FRIDAY,
        loads={"H0-A": flat + (DAY > 100), "H0-B": flat + noon},
        heat_pumps={"Air_1": flat + (DAY < 90), "Soil_1": flat},
        cars={"HLS_A_3.7": 0.1 * flat, "HLS_A_11.0": 0.2 * flat, "HLS_B_11.0": 0.3 * noon},
        solar={"PV1": noon},
    )
    return SampledSource(standard_source(), pool)


@pytest.mark.parametrize("start", ["2030-01-01", "2028-01-01", "2016-01-01"])
@pytest.mark.parametrize("weeks", [-3, 0, 2])
def test_weekday_and_clock_stay_and_the_date_nearly(start, weeks):
    local = year(15, start)[1]
    days = on_calendar(DAY, FRIDAY, local, weeks)
    assert ((days + FRIDAY) % 7 == local.weekday).all()
    assert (on_calendar(QUARTER, FRIDAY, local, weeks) == local.minute_of_day // 15).all()
    middle = slice(60 * 96, 300 * 96)
    later = days[middle] - local.day_of_year[middle] + 1 - 7 * weeks
    assert later.min() >= 0 and later.max() <= 6


def test_coarser_intervals_are_means_and_finer_ones_repeat():
    hourly = on_calendar(QUARTER, FRIDAY, year(60)[1], 0)
    assert hourly[:3].tolist() == [1.5, 5.5, 9.5]
    assert on_calendar(QUARTER, FRIDAY, year(5)[1], 0)[:4].tolist() == [0.0, 0.0, 0.0, 1.0]
    # 20 minutes: 15 of the first quarter and 5 of the second; 10 and 10; 5 and 15.
    thirds = on_calendar(QUARTER, FRIDAY, year(20)[1], 0)
    np.testing.assert_allclose(thirds[:4], [0.25, 1.5, 2.75, 4.25])


@pytest.mark.parametrize("step_minutes", [5, 6, 10, 12, 15, 20, 30, 60])
def test_a_day_has_the_same_energy_at_every_step(step_minutes):
    table = np.random.default_rng(1).random((366, 96))
    quarters, local = year(15)[1], year(step_minutes)[1]
    expected_kwh = np.bincount(quarters.day, on_calendar(table, FRIDAY, quarters, 1)) / 4.0
    mine_kwh = np.bincount(local.day, on_calendar(table, FRIDAY, local, 1)) * local.step_hours
    np.testing.assert_allclose(mine_kwh, expected_kwh, rtol=1e-12)


def test_energies_are_exact(source):
    assert source.load_kw("a", 3210.0).sum() / 4.0 == pytest.approx(3210.0)
    assert source.pv_per_kwp("a").sum() / 4.0 == pytest.approx(950.0)
    pump = source.heat_pump("a", 3680.0)
    assert (pump.electric_kw * pump.cop).sum() / 4.0 == pytest.approx(3680.0)
    assert pump.electric_kw.sum() / 4.0 < 1300.0


def test_hot_water_has_the_share_of_the_mean_house_at_every_interval(source):
    pump = source.heat_pump("a", 3680.0)
    standard = source.standard
    temp_c = standard.weather.temp_c
    mean = standard.mean_heat.weighted(0.7, 0.3)
    expected = mean.water_kw / cop(50.0 - temp_c, "air")
    whole = expected + mean.space_kw / cop(30.0 - 1.5 * temp_c, "air")
    np.testing.assert_allclose(pump.water_kw * whole, pump.electric_kw * expected, rtol=1e-9)
    water_kw = pump.water_kw * cop(50.0 - temp_c, "air")
    np.testing.assert_allclose(pump.space_kw + water_kw, pump.electric_kw * pump.cop, rtol=1e-9)


def test_a_charging_point_takes_a_profile_of_its_power(source):
    for member in "abcdef":
        eleven, small = source.car(member, 11.0), source.car(member, 4.0)
        assert eleven.charge_kw.max() in (pytest.approx(2.2), pytest.approx(3.3))
        assert small.charge_kw.max() == pytest.approx(0.4)
        assert eleven.plugged_in is None and eleven.drive_kwh is None


def test_households_differ_and_each_is_the_same_again(source):
    loads = {source.load_kw(f"house_{number}", 1.0).tobytes() for number in range(40)}
    assert len(loads) > 2
    assert source.load_kw("a", 1.0).tobytes() == source.load_kw("a", 1.0).tobytes()


def test_the_sun_is_not_shifted_and_heat_comes_from_where_the_study_says(source):
    assert source.pv_per_kwp("a").tobytes() == source.pv_per_kwp("b").tobytes()
    winter, summer = slice(20 * 96, 50 * 96), slice(180 * 96, 210 * 96)
    air_kw = source.heat_pump("a", 1.0).electric_kw
    assert air_kw[winter].mean() == pytest.approx(2.0 * air_kw[summer].mean())
    ground = SampledSource(standard_source(heat_source="ground"), source.pool)
    np.testing.assert_allclose(ground.heat_pump("a", 1.0).electric_kw, air_kw.min(), rtol=0.5)
    assert np.ptp(ground.heat_pump("a", 1.0).electric_kw) < 1e-12
