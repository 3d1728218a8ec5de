"""Cars: energy is conserved, nothing charges unplugged, and eighty of them do not charge at once."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.synthesis.cars import BATTERY_SHARE, draw_tours, live_car
from gridcommons.synthesis.draws import generator_for
from unit_calendars import standard_source, year

RATING_KW = 11.0


@pytest.fixture(scope="module")
def cars():
    source = standard_source()
    return [source.car(f"house_{number}", RATING_KW) for number in range(80)]


def test_what_is_charged_is_what_is_driven_up_to_what_is_left(cars):
    for car in cars:
        left_kwh = car.charge_kw.sum() / 4.0 - car.drive_kwh.sum() - (car.end_kwh - car.start_kwh)
        assert abs(left_kwh) < 1e-6


def test_no_car_charges_unplugged_or_above_the_rating(cars):
    for car in cars:
        assert (car.charge_kw[car.plugged_in == 0.0] == 0.0).all()
        assert (car.charge_kw <= RATING_KW * car.plugged_in + 1e-9).all()
        assert car.plugged_in.min() == 0.0 and car.plugged_in.max() == 1.0


def test_the_battery_is_never_empty_nor_more_than_full(cars):
    for car in cars:
        stored = car.start_kwh + np.cumsum(car.charge_kw / 4.0 - car.drive_kwh)
        assert stored.min() > -1e-9 and stored.max() < car.energy_kwh + 1e-9
        assert (car.drive_kwh >= 0.0).all()


def test_the_years_begin_as_they_end(cars):
    """A car does not begin the year emptier or fuller than it usually is."""
    start = np.mean([car.start_kwh / car.energy_kwh for car in cars])
    end = np.mean([car.end_kwh / car.energy_kwh for car in cars])
    assert start == pytest.approx(end, abs=0.05)


def test_diversity_holds_the_peak_far_below_the_sum_of_ratings(cars):
    total_kw = sum(car.charge_kw for car in cars)
    assert 0.1 < total_kw.max() / (len(cars) * RATING_KW) < 0.3


def test_distances_are_those_of_german_cars(cars):
    local, weather = year()[1:]
    tours = [
        draw_tours(generator_for(1, f"{number}"), local, np.full_like(weather.temp_c, 20.0))
        for number in range(200)
    ]
    km_per_day = np.array([each.need_kwh.sum() for each in tours]) / 0.165 / 365.0
    assert 33.0 < km_per_day.mean() < 40.0
    mean_kwh = np.mean([car.charge_kw.sum() / 4.0 for car in cars])
    assert 2000.0 < mean_kwh < 2800.0


def test_not_every_car_is_plugged_in_every_evening(cars):
    at_ten = np.array([car.plugged_in[88::96][:365] > 0.0 for car in cars])
    assert 0.2 < at_ten.mean() < 0.6


def test_charging_is_full_power_until_full(cars):
    """Between the first and the last interval of a charge, the car takes all that it can."""
    for car in cars[:20]:
        on = car.charge_kw > 0.0
        inside = on[1:-1] & on[:-2] & on[2:]
        assert (car.charge_kw[1:-1][inside] > RATING_KW - 1e-9).mean() > 0.98


def test_tours_are_in_order_and_an_hour_apart():
    local, weather = year()[1:]
    for name in "abcde":
        tours = draw_tours(generator_for(1, name), local, weather.temp_c)
        assert (tours.returns_minute - tours.leaves_minute >= 60.0 - 1e-6).all()
        assert (tours.leaves_minute[1:] - tours.returns_minute[:-1] >= 60.0 - 1e-6).all()


def test_winter_takes_more():
    local = year()[1]
    cold, mild = (
        draw_tours(generator_for(1, "a"), local, np.full(len(local.day), temp_c)).need_kwh.sum()
        for temp_c in (0.0, 20.0)
    )
    assert cold == pytest.approx(1.3 * mild)


@pytest.mark.parametrize("step_minutes", [5, 60])
def test_the_laws_hold_at_other_steps(step_minutes):
    local, weather = year(step_minutes)[1:]
    for name in "abc":
        car = live_car(generator_for(1, name), local, weather.temp_c, 3.7)
        stored = car.start_kwh + np.cumsum(car.charge_kw * local.step_hours - car.drive_kwh)
        assert stored[-1] == pytest.approx(car.end_kwh, abs=1e-6)
        assert stored.min() > -1e-9 and stored.max() < car.energy_kwh + 1e-9
        assert (car.charge_kw <= 3.7 * car.plugged_in + 1e-9).all()


def test_the_same_seed_gives_the_same_bytes():
    one, again, other = (standard_source(seed).car("a", RATING_KW).charge_kw for seed in (1, 1, 2))
    assert one.tobytes() == again.tobytes() != other.tobytes()
    assert sum(BATTERY_SHARE) == pytest.approx(1.0)
