"""Houses: the law of their losses, and heat pumps that keep them warm on every day of the year."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gridcommons.adapters.standard_profiles import read_heat_tables, read_household_table
from gridcommons.adapters.weather import read_reference_year, reference_year_path, weather_on_axis
from gridcommons.model.members import Member
from gridcommons.model.profiles import Profiles, room_cop
from gridcommons.synthesis.asset_mix import Mix
from gridcommons.synthesis.communities import Builder, Holdings
from gridcommons.synthesis.heat import HeatPumpYear
from gridcommons.synthesis.houses import House, fit_house, holding_kw
from gridcommons.synthesis.profiles import StandardSource
from gridcommons.synthesis.settings import SynthesisSettings
from unit_calendars import year

TYPES = ((0.280, 3.638), (0.315, 4.093), (0.350, 4.548), (0.385, 5.002), (0.420, 5.457))


@cache
def pumps(region=12, step_minutes=15, margin=0.2, rating_kw=None, **settings):
    """Six households with a heat pump over a year: assets, profiles, temperature outside, the builder."""
    time, local, _ = year(step_minutes)
    weather = weather_on_axis(read_reference_year(reference_year_path(f"try:{region}")), time)
    chosen = SynthesisSettings(**{"houses": True, **settings})
    tables = read_household_table(), read_heat_tables()
    source = StandardSource(1, time, local, weather, chosen, *tables)
    members = [Member(member=f"m{k}", bus="b", living_area_m2=50.0 + 40.0 * k) for k in range(6)]
    names = frozenset(member.member for member in members)
    owners = {"": {kind: names if kind == "heat_pump" else frozenset() for kind in
                   ("pv", "battery", "heat_pump", "heat_store", "ev")}}  # fmt: skip
    mix = Mix(heat_pump_share=1.0, heat_pump_margin_share=margin, heat_pump_kw=rating_kw)
    builder = Builder(source, chosen, time.step_hours, weather.temp_c, slice(0, time.steps))
    community = builder.build(members, Holdings({"": mix}, owners))
    found = [asset for asset in community.assets if asset.kind == "heat_pump"]
    return found, Profiles(time, builder.columns), weather.temp_c, builder


def full_power_c(pump, profiles, outdoor_c, start_c=21.0):
    """Air of every day under full power from ``start_c``, shape (days, steps of a day) [°C]."""
    hours = profiles.time.step_hours
    spare_kw = np.maximum(pump.consumption_max_kw - profiles.of(f"{pump.asset}.water_kw"), 0.0)
    heat_kw = room_cop(pump, profiles) * spare_kw
    per_day = round(24 / hours)
    heat_kw, outdoor_c = (part[: len(part) // per_day * per_day].reshape(-1, per_day)
                          for part in (heat_kw, outdoor_c))  # fmt: skip
    k1, k2 = pump.k1_kw_per_k * hours, pump.k2_kw_per_k * hours
    air, walls = pump.air_kwh_per_k, pump.structure_kwh_per_k
    inverse = np.linalg.inv(np.array([[air + k1 + k2, -k2], [-k2, walls + k2]]))
    state, out = np.full((2, len(heat_kw)), start_c), []
    for heat, outside in zip(heat_kw.T, outdoor_c.T, strict=True):
        state = inverse @ np.stack([air * state[0] + heat * hours + k1 * outside, walls * state[1]])
        out.append(state[0])
    return np.stack(out, axis=1)


def test_the_ratio_of_losses_is_that_of_all_printed_types():
    year_of = HeatPumpYear(np.ones(4), np.zeros(4), np.full(4, 3.0), np.full(4, 3.0))
    for k1, k2 in TYPES:
        # 3 kW of heat hold 20 °C against 3/k1 K of cold.
        house = fit_house(year_of, np.full(4, 20.0 - 3.0 / k1))
        assert house.k1_kw_per_k == pytest.approx(k1) and house.k2_kw_per_k == pytest.approx(k2, rel=1e-3)
    middle = fit_house(year_of, np.full(4, 20.0 - 3.0 / 0.350))
    assert (middle.air_kwh_per_k, middle.structure_kwh_per_k) == pytest.approx((1.2, 9.0))
    assert (middle.temp_min_c, middle.temp_max_c) == (20.0, 24.0)


def test_degree_hours_are_counted_below_the_heating_limit_and_rooms_alone_heat():
    outdoor_c = np.array([14.9, 15.0, 19.0, 0.0])
    pump = HeatPumpYear(np.array([2.0, 1.0, 1.0, 4.0]), np.ones(4), np.full(4, 9.0), np.full(4, 2.0))
    assert fit_house(pump, outdoor_c).k1_kw_per_k == pytest.approx((2.0 * (1.0 + 3.0)) / (5.1 + 20.0))


def test_holding_counts_losses_of_the_middle_and_hot_water():
    pump = HeatPumpYear(np.ones(3), np.array([0.5, 0.0, 0.25]), np.ones(3), np.array([2.0, 4.0, 4.0]))
    house = House(0.1, 1.3, 0.3, 2.5)
    assert holding_kw(house, pump, np.array([2.0, -18.0, 30.0])) == pytest.approx([1.5, 1.0, 0.25])


@pytest.mark.parametrize("region", [12, 13])
def test_a_house_loses_what_its_household_heats(region):
    found, profiles, outdoor_c, _ = pumps(region)
    cold_k = np.where(outdoor_c < 15.0, 20.0 - outdoor_c, 0.0)
    for pump, area_m2 in zip(found, range(50, 290, 40), strict=True):
        lost_kwh = pump.k1_kw_per_k * cold_k.sum() / 4.0
        assert lost_kwh == pytest.approx(0.7 * 40.0 * area_m2, rel=1e-9)
        water_kw, whole_kw = profiles.of(f"{pump.asset}.water_kw"), profiles.of(pump.asset)
        assert (water_kw >= 0.0).all() and (water_kw <= whole_kw).all()
        rooms_kw = (whole_kw - water_kw) * room_cop(pump, profiles)
        assert rooms_kw.sum() / 4.0 == pytest.approx(lost_kwh, rel=1e-9)
        heat_kw = whole_kw * profiles.of(f"{pump.asset}.cop")
        assert heat_kw.sum() / 4.0 == pytest.approx(40.0 * area_m2, rel=1e-9)


@pytest.mark.parametrize(
    ("region", "step_minutes", "margin", "settings"),
    [
        (12, 15, 0.2, {}),
        (13, 60, 0.2, {}),
        (13, 15, 0.0, {"heat_sink": "radiator"}),
        (11, 15, 0.0, {"heat_source": "ground"}),
        (7, 15, 0.0, {"hot_water_share": 0.9}),
    ],
)
def test_every_house_holds_twenty_degrees_on_every_day(region, step_minutes, margin, settings):
    found, profiles, outdoor_c, builder = pumps(region, step_minutes, margin, **settings)
    assert builder.too_small == []
    for pump in found:
        assert pump.has_house
        assert full_power_c(pump, profiles, outdoor_c).min() >= 20.0
        # Nor does it cool from the middle of the band, at whatever hour.
        assert full_power_c(pump, profiles, outdoor_c, 22.0).min() >= 22.0 - 1e-9


def test_a_rating_that_is_too_small_for_the_house_is_seen():
    found, profiles, outdoor_c, builder = pumps(12, rating_kw=0.5)
    assert set(builder.too_small) >= {pump.asset for pump in found[1:]}
    assert full_power_c(found[-1], profiles, outdoor_c).min() < 20.0


def test_without_houses_nothing_of_them_is_there_and_the_rest_is_the_same():
    (bare, without, _, _), (found, given, _, _) = pumps(houses=False), pumps()
    assert not any(pump.has_house for pump in bare)
    more = {f"{pump.asset}.{suffix}" for pump in found for suffix in ("room_cop", "water_kw")}
    assert set(given.columns) == set(without.columns) | more
    for name, column in without.columns.items():
        assert column.tobytes() == given.columns[name].tobytes()
