"""Solar generation: hours keep their energy, roofs their order, and the year its full-load hours."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.synthesis.draws import generator_for
from gridcommons.synthesis.solar import (
    AZIMUTH_SHARE,
    TILT_SHARE,
    Roof,
    draw_roof,
    generation_per_kwp,
    make_sky,
    spread_within_hours,
)
from gridcommons.synthesis.weather import Weather
from unit_calendars import standard_source, year


@pytest.fixture(scope="module")
def sky():
    time, _, weather = year()
    return make_sky(weather, time)


def full_load_hours(sky, azimuth, tilt):
    return generation_per_kwp(sky, Roof(azimuth, tilt)).sum() / 4.0


def test_a_roof_to_the_south_at_mannheim_has_its_full_load_hours(sky):
    assert 900.0 < full_load_hours(sky, 180.0, 35.0) < 1100.0


def test_south_yields_most_and_east_as_much_as_west(sky):
    east, south, west = (full_load_hours(sky, azimuth, 35.0) for azimuth in (90.0, 180.0, 270.0))
    assert south > 1.15 * east and east == pytest.approx(west, rel=0.05)
    assert 0.75 * south < full_load_hours(sky, 180.0, 0.0) < south


def test_no_roof_exceeds_its_modules_or_generates_at_night(sky):
    for azimuth in (90.0, 180.0, 270.0):
        for tilt in (15.0, 45.0):
            power = generation_per_kwp(sky, Roof(azimuth, tilt))
            assert power.min() >= 0.0 and 0.7 < power.max() < 1.0
            assert power[sky.zenith_degree > 100.0].max() == 0.0


@pytest.mark.parametrize("step_minutes", [5, 15, 20, 60])
def test_every_hour_keeps_its_energy(step_minutes):
    time, _, weather = year(step_minutes)
    sky = make_sky(weather, time)
    hour = weather.hour - weather.hour[0]
    before = np.bincount(hour, weather.beam_w_per_m2 + weather.diffuse_w_per_m2)
    np.testing.assert_allclose(np.bincount(hour, sky.global_w_per_m2), before, atol=1e-6)


def test_the_direct_ray_and_the_rest_are_all_light(sky):
    height = np.cos(np.deg2rad(sky.zenith_degree))
    total = sky.normal_w_per_m2 * np.maximum(height, 0.0) + sky.diffuse_w_per_m2
    np.testing.assert_allclose(total, sky.global_w_per_m2, atol=1e-9)
    assert sky.normal_w_per_m2.max() < 0.76 * sky.extra_w_per_m2.max()


def test_spreading_follows_the_height_of_the_sun_and_holds_what_has_none():
    light = np.array([100.0, 100.0, 100.0, 100.0, 8.0, 8.0])
    height = np.array([0.0, 0.1, 0.2, 0.1, 0.0, 0.0])
    weather = Weather(light, light, light, np.array([5, 5, 5, 5, 6, 6]), 49.5, 8.5)
    assert spread_within_hours(light, height, weather).tolist() == [0.0, 100.0, 200.0, 100.0, 8.0, 8.0]


def test_the_year_is_not_clear_sky(sky):
    """At noon in summer, the weather decides: the worst days give less than a fifth of the best."""
    power = generation_per_kwp(sky, Roof(180.0, 35.0)).reshape(365, 96)
    noon = power[150:240, 44:48].mean(axis=1)
    assert noon.min() < 0.2 * noon.max()


def test_roofs_come_from_the_stated_distributions():
    assert sum(AZIMUTH_SHARE) == pytest.approx(1.0) and sum(TILT_SHARE) == pytest.approx(1.0)
    roofs = [draw_roof(generator_for(1, f"{number}")) for number in range(1000)]
    south = np.mean([roof.azimuth_degree == 180.0 for roof in roofs])
    assert south == pytest.approx(0.30, abs=0.04)
    assert np.mean([roof.yield_share for roof in roofs]) == pytest.approx(0.97, abs=0.005)


def test_two_roofs_of_one_direction_differ_only_in_yield():
    source = standard_source()
    profiles = [source.pv_per_kwp(f"house_{number}") for number in range(40)]
    shapes = {(profile / profile.max()).round(9).tobytes() for profile in profiles}
    assert 3 < len(shapes) <= 20
