"""The compiled rule: laws over random years, and days that can be reckoned by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.control.dispatch import Part, Sum
from gridcommons.control.measures import MEASURE_FUNCTIONS, Call, ask, make_forecast, make_signals
from gridcommons.control.rolling_horizon import control_year
from gridcommons.control.runs import FinishedRun, balance_kwh, stores_outside_kwh
from gridcommons.control.settings import Costs, Settings
from homes import day_axis, make_homes, one_home

STEPS = 96 * 3


def run(homes, steps, *, measures=(), station_kw=None, limit_kw=np.inf):
    """A few days under measures whose forecast is ``station_kw``."""
    if station_kw is None:
        station_kw = np.zeros(steps)
    forecast = make_forecast(np.stack([station_kw, np.zeros(steps)]), limit_kw, day_axis(steps))
    chosen = Settings()
    asked = ask(measures, Call(forecast, homes, chosen, 1))
    signals = make_signals(asked, homes, chosen, 0.25)
    return control_year(homes, signals, Costs(), np.zeros((2, steps)))


def books(year):
    """What ``balance_kwh`` and ``stores_outside_kwh`` need of a finished run."""
    end = year.end
    parts = dict.fromkeys(FinishedRun.__dataclass_fields__)
    parts |= {"sums": year.record.sums, "reach": year.record.reach}
    parts["end"] = np.stack([end.battery_kwh, end.tank_kwh, end.car_debt_kwh, end.heat_debt_kwh], axis=1)
    return FinishedRun(**parts)


measure_sets = st.lists(st.sampled_from(sorted(MEASURE_FUNCTIONS)), unique=True, max_size=4)


@settings(max_examples=60)
@given(st.integers(0, 10**6), measure_sets, st.booleans())
def test_energy_is_conserved_and_stores_keep_their_bounds(seed, measures, lossless):
    homes = make_homes(seed, count=6, steps=STEPS, lossless=lossless)
    rng = np.random.default_rng(seed)
    # Congestion that begins at any hour, once or several times a day.
    station_kw = np.repeat(rng.random(STEPS // 4), 4)
    year = run(homes, STEPS, measures=measures, station_kw=station_kw, limit_kw=0.8)
    assert balance_kwh(books(year), homes).max() < 1e-6
    assert stores_outside_kwh(books(year), homes) < 1e-9
    assert year.record.clash.sum() == 0
    # The two ways of adding up are one: by household over time, and over households by interval.
    np.testing.assert_allclose(year.record.p_kw.sum(), (year.record.sums[:, Sum.IMPORTED] -
        year.record.sums[:, Sum.FED_IN]).sum() / 0.25, atol=1e-6)  # fmt: skip
    parts = year.record.parts
    balance_kw = (
        parts[Part.LOAD_KW] - parts[Part.GENERATION_KW] + parts[Part.CAR_KW]
        + parts[Part.PUMP_KW] + parts[Part.BATTERY_KW]
    )  # fmt: skip
    np.testing.assert_allclose(balance_kw, year.record.p_kw.sum(axis=0), atol=1e-9)


def test_surplus_charges_the_battery_before_the_tank_and_deficit_empties_the_tank_first():
    # 6 kW of sun for an hour: 4 kW into the battery, 2 kW into the pump for the tank; then a dark hour.
    home = one_home(
        load_kw=[0.0] * 4 + [3.0] * 4, generation_kw=[6.0] * 4 + [0.0] * 4, heat_kw=[0.0] * 4 + [3.0] * 4,
        cop=3.0, pump_max_kw=4.0, battery_kw=4.0, battery_kwh=16.0, tank_kwh=11.6,
    )  # fmt: skip
    year = run(home, 8)
    np.testing.assert_allclose(year.record.parts[Part.BATTERY_KW, :4], 4.0)
    np.testing.assert_allclose(year.record.parts[Part.PUMP_KW, :4], 2.0)
    np.testing.assert_allclose(year.record.p_kw[0, :4], 0.0, atol=1e-12)
    # Heat of 3 kW is met by the tank alone (6 kWh are in it); the battery gives the load of 3 kW.
    np.testing.assert_allclose(year.record.parts[Part.PUMP_KW, 4:], 0.0, atol=1e-12)
    np.testing.assert_allclose(year.record.parts[Part.BATTERY_KW, 4:], -3.0)
    assert year.end.tank_kwh[0] == pytest.approx(3.0) and year.end.battery_kwh[0] == pytest.approx(1.0)


def test_the_tank_serves_heat_above_the_pump_even_while_the_sun_shines():
    home = one_home(
        generation_kw=[20.0] * 4, heat_kw=[15.0] * 4, cop=3.0, pump_max_kw=4.0,
        tank_kwh=11.6, tank_start_kwh=2.0,
    )  # fmt: skip
    year = run(home, 4)
    # 3 kW are missing: the tank has them for 40 minutes, then heat goes unserved, and that is counted.
    np.testing.assert_allclose(year.record.parts[Part.PUMP_KW], 4.0)
    assert year.record.sums[0, Sum.TANK_DISCHARGED] == pytest.approx(2.0)
    assert year.record.sums[0, Sum.UNSERVED_HEAT] == pytest.approx(1.0)


def test_efficiencies_count_at_the_terminals():
    home = one_home(
        load_kw=[0.0] * 4 + [2.0] * 8, generation_kw=[4.0] * 4 + [0.0] * 8, battery_kw=4.0, battery_kwh=10.0,
        efficiency=0.9,
    )  # fmt: skip
    year = run(home, 12)
    assert year.record.sums[0, Sum.CHARGED] == pytest.approx(4.0)
    assert year.record.sums[0, Sum.DISCHARGED] == pytest.approx(4.0 * 0.81)
    assert year.end.battery_kwh[0] == pytest.approx(0.0, abs=1e-12)


def test_curative_cut_of_cars_charges_slower_then_makes_up_at_midnight():
    # 11 kW from 22:00 for an hour, congestion from 22:00 on; the car is there all night.
    car = np.zeros(2 * 96)
    car[88:92] = 11.0
    home = one_home(load_kw=np.full(2 * 96, 0.1), car_kw=car)
    station = np.zeros(2 * 96)
    station[88:90] = 2.0
    year = run(home, 2 * 96, measures=("CurA",), station_kw=station, limit_kw=1.0)
    charged = year.record.parts[Part.CAR_KW]
    np.testing.assert_allclose(charged[88:96], 3.7)
    np.testing.assert_allclose(charged[96], 11.0)
    assert charged[97] == pytest.approx(4.0 * (11.0 - 2 * 3.7 - 11.0 / 4.0))
    assert charged.sum() / 4.0 == pytest.approx(11.0) and year.end.car_debt_kwh[0] == pytest.approx(0.0)


def test_a_car_that_has_left_charges_when_it_is_back_and_what_is_left_is_carried():
    car, plugged = np.zeros(96), np.ones(96)
    car[80:84] = 11.0
    plugged[88:] = 0.0
    home = one_home(load_kw=np.full(96, 0.1), car_kw=car, plugged=plugged)
    station = np.zeros(96)
    station[80] = 2.0
    year = run(home, 96, measures=("CurA",), station_kw=station, limit_kw=1.0)
    assert year.record.sums[0, Sum.CAR] == pytest.approx(2.0 * 3.7)
    assert year.end.car_debt_kwh[0] == pytest.approx(11.0 - 2.0 * 3.7)


def test_curative_cut_of_heat_gives_it_back_over_six_hours_under_the_maximum():
    heat = np.full(96, 6.0)
    home = one_home(load_kw=np.full(96, 0.1), heat_kw=heat, cop=3.0, pump_max_kw=3.0)
    station = np.zeros(96)
    station[40] = 2.0
    year = run(home, 96, measures=("CurB",), station_kw=station, limit_kw=1.0)
    pump_heat = 3.0 * year.record.parts[Part.PUMP_KW]
    np.testing.assert_allclose(pump_heat[40:48], 0.3 * 9.0)
    # 6.6 kWh were put off: 1.1 kW more for six hours, which the pump can give.
    np.testing.assert_allclose(pump_heat[48:72], 7.1)
    np.testing.assert_allclose(pump_heat[72:], 6.0)
    assert year.end.heat_debt_kwh[0] == pytest.approx(0.0, abs=1e-9)


def test_heat_that_the_pump_cannot_give_back_in_time_comes_later():
    home = one_home(load_kw=np.full(192, 0.1), heat_kw=np.full(192, 8.7), cop=3.0, pump_max_kw=3.0)
    station = np.zeros(192)
    station[40] = 2.0
    year = run(home, 192, measures=("CurB",), station_kw=station, limit_kw=1.0)
    pump_heat = 3.0 * year.record.parts[Part.PUMP_KW]
    assert pump_heat.max() == pytest.approx(9.0)
    np.testing.assert_allclose(pump_heat[48:72], 9.0)
    put_off = 2.0 * (8.7 - 2.7)
    given_back = (pump_heat[48:] - 8.7).sum() / 4.0
    assert given_back + year.end.heat_debt_kwh[0] == pytest.approx(put_off)


def test_own_sun_comes_on_top_of_what_the_law_leaves():
    car = np.full(8, 11.0)
    home = one_home(load_kw=np.full(8, 1.0), generation_kw=[0.0] * 4 + [4.0] * 4, car_kw=car)
    year = run(home, 8, measures=("law14a",), station_kw=np.full(8, 2.0), limit_kw=1.0)
    charged = year.record.parts[Part.CAR_KW]
    np.testing.assert_allclose(charged[:4], 4.2)
    np.testing.assert_allclose(charged[4:], 4.2 + 3.0)


def test_the_energy_manager_serves_the_pump_first_and_leaves_the_car_the_rest():
    home = one_home(
        load_kw=np.full(4, 1.0), car_kw=np.full(4, 11.0), heat_kw=np.full(4, 9.0), cop=3.0, pump_max_kw=5.0
    )
    year = run(home, 4, measures=("law14a_manager",), station_kw=np.full(4, 2.0), limit_kw=1.0)
    # Two devices: 4.2 + 0.8 · 4.2 = 7.56 kW together; the pump draws 3 of them.
    np.testing.assert_allclose(year.record.parts[Part.PUMP_KW], 3.0)
    np.testing.assert_allclose(year.record.parts[Part.CAR_KW], 7.56 - 3.0)


def test_own_sun_comes_on_top_of_the_common_limit_for_both():
    home = one_home(
        load_kw=np.full(4, 1.0), generation_kw=np.full(4, 5.0), car_kw=np.full(4, 11.0),
        heat_kw=np.full(4, 33.0), cop=3.0, pump_max_kw=14.0,
    )  # fmt: skip
    year = run(home, 4, measures=("law14a_manager",), station_kw=np.full(4, 2.0), limit_kw=1.0)
    # 0.4 · 14 + 0.8 · 4.2 = 8.96 kW and 4 kW of sun: 11 for the pump, the rest for the car.
    np.testing.assert_allclose(year.record.parts[Part.PUMP_KW], 11.0)
    np.testing.assert_allclose(year.record.parts[Part.CAR_KW], 8.96 + 4.0 - 11.0)


def test_a_pump_that_the_law_limits_puts_its_heat_off_and_the_tank_helps():
    home = one_home(
        load_kw=np.full(8, 0.5), heat_kw=np.full(8, 15.0), cop=3.0, pump_max_kw=6.0, tank_kwh=5.0,
        tank_start_kwh=1.2,
    )  # fmt: skip
    year = run(home, 8, measures=("law14a",), station_kw=np.full(8, 2.0), limit_kw=1.0)
    # 4.2 kW make 12.6 kW of heat; the tank gives the other 2.4 kW, and 2.4 more in place of the grid.
    np.testing.assert_allclose(year.record.parts[Part.PUMP_KW], [3.4] + [4.2] * 7)
    np.testing.assert_allclose(year.record.parts[Part.TANK_KWH], 0.0, atol=1e-12)
    assert year.end.heat_debt_kwh[0] == pytest.approx(7 * 0.25 * 2.4)
    assert year.record.sums[0, Sum.UNSERVED_HEAT] == pytest.approx(0.0, abs=1e-12)


def test_a_capped_pump_charges_no_tank_above_its_cap():
    home = one_home(
        generation_kw=np.full(16, 20.0), heat_kw=np.full(16, 1.5), cop=3.0, pump_max_kw=3.0, tank_kwh=50.0
    )
    station = np.zeros(16)
    station[0] = 2.0
    year = run(home, 16, measures=("CurB",), station_kw=station, limit_kw=1.0)
    np.testing.assert_allclose(3.0 * year.record.parts[Part.PUMP_KW, :8], 0.3 * 9.0)
    np.testing.assert_allclose(3.0 * year.record.parts[Part.PUMP_KW, 8:], 9.0)


def test_the_pace_of_return_stands_still_while_a_cap_acts_again():
    home = one_home(load_kw=np.full(192, 0.1), heat_kw=np.full(192, 6.0), cop=3.0, pump_max_kw=3.0)
    station = np.zeros(192)
    station[86], station[98] = 2.0, 2.0
    year = run(home, 192, measures=("CurB",), station_kw=station, limit_kw=1.0)
    pump_heat = 3.0 * year.record.parts[Part.PUMP_KW]
    np.testing.assert_allclose(pump_heat[94:98], 6.0 + 1.1)
    # 6.6 − 1.1 + 6.6 kWh are left at 02:30, and come back over six hours from then.
    np.testing.assert_allclose(pump_heat[106:130], 6.0 + 12.1 / 6.0)
    np.testing.assert_allclose(pump_heat[130:], 6.0)


def test_the_pace_of_return_stands_still_under_a_cap_that_puts_nothing_off():
    heat = np.full(192, 6.0)
    heat[98:106] = 1.0
    home = one_home(load_kw=np.full(192, 0.1), heat_kw=heat, cop=3.0, pump_max_kw=3.0)
    station = np.zeros(192)
    station[86], station[98] = 2.0, 2.0
    year = run(home, 192, measures=("CurB",), station_kw=station, limit_kw=1.0)
    pump_heat = 3.0 * year.record.parts[Part.PUMP_KW]
    np.testing.assert_allclose(pump_heat[98:106], 1.0)
    # Twenty intervals of the six hours are left after it, at the same pace.
    np.testing.assert_allclose(pump_heat[106:126], 6.0 + 1.1)
    np.testing.assert_allclose(pump_heat[126:], 6.0)


def test_the_record_says_how_far_the_energies_have_reached():
    home = one_home(
        load_kw=[0.0] * 4 + [3.0] * 4, generation_kw=[8.0] * 4 + [0.0] * 4, heat_kw=[0.0] * 4 + [3.0] * 4,
        cop=3.0, pump_max_kw=4.0, battery_kw=4.0, battery_kwh=16.0, tank_kwh=20.0, tank_start_kwh=5.0,
    )  # fmt: skip
    year = run(home, 8)
    tank, battery = (year.record.parts[part] for part in (Part.TANK_KWH, Part.BATTERY_KWH))
    np.testing.assert_allclose(year.record.reach[0], [0.0, battery.max(), 5.0, tank.max()])
    assert battery.max() == pytest.approx(4.0) and tank.max() == pytest.approx(17.0)


def test_each_car_that_is_there_has_the_cap_and_a_part_of_an_interval_a_part_of_it():
    home = one_home(
        load_kw=np.full(8, 0.1), car_kw=np.full(8, 22.0), plugged=[2.0, 1.0, 0.5, 0.0, 2.0, 2.0, 2.0, 2.0]
    )
    plant = home.plant._replace(car_count=np.array([2.0]), car_max_kw=np.array([22.0]))
    year = run(replace(home, plant=plant), 8, measures=("CurA",), station_kw=np.full(8, 2.0), limit_kw=1.0)
    np.testing.assert_allclose(year.record.parts[Part.CAR_KW, :5], [7.4, 3.7, 1.85, 0.0, 7.4])


def test_a_profile_above_its_rating_stays_as_it_is():
    home = one_home(load_kw=np.full(4, 0.1), car_kw=np.full(4, 14.0))
    np.testing.assert_allclose(run(home, 4).record.parts[Part.CAR_KW], 14.0)


def test_deferred_energy_and_delay_are_in_kilowatt_hours_and_hours():
    car = np.zeros(96)
    car[80:84] = 11.0
    home = one_home(load_kw=np.full(96, 0.1), car_kw=car)
    station = np.zeros(96)
    station[80] = 2.0
    sums = run(home, 96, measures=("CurA",), station_kw=station, limit_kw=1.0).record.sums[0]
    assert sums[Sum.CAR_DEFERRED] == pytest.approx(11.0 - 3.7)
    # Debt at the ends of the intervals: four steps up to 7.3 kWh, then down by 0.925 an interval.
    debt = np.concatenate([1.825 * np.arange(1, 5), 7.3 - 0.925 * np.arange(1, 8), np.zeros(5)])
    assert sums[Sum.CAR_DELAY_KWH_H] == pytest.approx(0.25 * debt[debt > 0.0].sum())


def test_proactive_charging_fills_ahead_and_holding_back_keeps_it():
    load = np.full(96, 1.0)
    home = one_home(load_kw=load, battery_kw=4.0, battery_kwh=12.0)
    station = np.full(96, 10.0)
    station[8:32], station[72:80] = 1.0, 30.0
    ahead = run(home, 96, measures=("ProA",), station_kw=station, limit_kw=20.0)
    both = run(home, 96, measures=("ProA", "ProB"), station_kw=station, limit_kw=20.0)
    stored = ahead.record.parts[Part.BATTERY_KWH], both.record.parts[Part.BATTERY_KWH]
    # Charged in the low hours alone, three of them; then emptied into the load, or kept until the onset.
    assert stored[0][:8].max() == 0.0 and stored[0][19] == pytest.approx(12.0)
    assert stored[0][71] == pytest.approx(0.0) and stored[1][71] == pytest.approx(12.0)
    np.testing.assert_allclose(ahead.record.p_kw[0, 72:80], 1.0)
    np.testing.assert_allclose(both.record.p_kw[0, 72:80], 0.0, atol=1e-12)
    np.testing.assert_allclose(both.record.p_kw[0, 32:72], 1.0)
