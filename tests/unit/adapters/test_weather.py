"""Test reference years on any axis: right hour, right day, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.adapters.weather import (
    ReferenceYear,
    read_reference_year,
    reference_year_path,
    weather_on_axis,
)
from gridcommons.model.errors import StudyError
from unit_calendars import axis

COUNT = np.arange(8760.0)
COUNTING = ReferenceYear(COUNT, COUNT, 2.0 * COUNT, 49.5, 8.5)
"""A year whose values are the numbers of its hours."""


def test_mannheim_is_read_as_it_is_written():
    year = read_reference_year(reference_year_path("try:12"))
    assert (year.latitude_degree, year.longitude_degree) == pytest.approx((49 + 31 / 60, 8 + 33 / 60))
    assert year.temp_c[:3].tolist() == [6.5, 5.2, 4.4]
    assert year.temp_c.mean() == pytest.approx(11.13, abs=0.01)
    assert (year.beam_w_per_m2 + year.diffuse_w_per_m2).sum() / 1e3 == pytest.approx(1089.4, abs=0.1)


@pytest.mark.parametrize("region", range(1, 16))
def test_every_region_is_there_and_its_light_is_centred_on_noon(region):
    year = read_reference_year(reference_year_path(f"try:{region}"))
    by_hour = (year.beam_w_per_m2 + year.diffuse_w_per_m2).reshape(365, 24).sum(axis=0)
    noon = 12.0 + (15.0 - year.longitude_degree) / 15.0
    assert (by_hour * np.arange(1, 25)).sum() / by_hour.sum() == pytest.approx(noon, abs=0.35)


def test_light_is_centred_on_noon_on_average():
    """What the hour of a row is taken to be: half an hour off either way would show in all regions."""
    off = []
    for region in range(1, 16):
        year = read_reference_year(reference_year_path(f"try:{region}"))
        by_hour = (year.beam_w_per_m2 + year.diffuse_w_per_m2).reshape(365, 24).sum(axis=0)
        noon = 12.0 + (15.0 - year.longitude_degree) / 15.0
        off.append(noon - (by_hour * np.arange(1, 25)).sum() / by_hour.sum())
    assert abs(np.median(off)) < 0.1


@pytest.mark.parametrize("name", ["try:0", "try:16", "try", "dwd:12", "try:1x", ""])
def test_other_years_are_refused(name):
    with pytest.raises(StudyError, match="try:1 to try:15"):
        reference_year_path(name)


@pytest.mark.parametrize("step_minutes", [1, 2, 5, 10, 15, 30])
def test_an_hour_holds_from_half_past_to_half_past(step_minutes):
    steps = 60 // step_minutes
    # The row of 13:00 on 1 June in Central European time, which is 12:00 in UTC.
    weather = weather_on_axis(COUNTING, axis("2030-06-01T11:30+00:00", step_minutes, steps))
    row = 151 * 24 + 12
    assert weather.beam_w_per_m2.tolist() == [row] * steps
    assert weather.diffuse_w_per_m2.tolist() == [2.0 * row] * steps
    assert len(set(weather.hour.tolist())) == 1


def test_an_hour_from_full_to_full_has_half_of_either_row():
    weather = weather_on_axis(COUNTING, axis("2030-06-01T12:00+00:00", 60, 2))
    row = 151 * 24 + 12
    assert weather.beam_w_per_m2.tolist() == [row + 0.5, row + 1.5]
    assert weather.temp_c == pytest.approx([row + 0.5, row + 1.5], abs=0.13)


def test_temperature_follows_the_line_between_the_middles_of_the_hours():
    weather = weather_on_axis(COUNTING, axis("2030-06-01T12:00+00:00", 10, 6))
    row = 151 * 24 + 12
    expected = row + (np.arange(6) + 0.5) / 6
    assert weather.temp_c == pytest.approx(expected, abs=0.05)


def test_a_leap_day_repeats_the_day_before():
    weather = weather_on_axis(COUNTING, axis("2028-02-28", 15, 3 * 96, "Europe/Berlin"))
    days = weather.beam_w_per_m2.reshape(3, 96)[:, 4:92]
    np.testing.assert_array_equal(days[0], days[1])
    np.testing.assert_array_equal(days[2], days[1] + 24)


def test_a_year_ends_where_the_next_begins():
    weather = weather_on_axis(COUNTING, axis("2029-12-31T22:30+00:00", 30, 6))
    assert weather.beam_w_per_m2.tolist() == [8759.0, 8759.0, 0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("day", ["2030-03-31", "2030-10-27"])
def test_summer_time_does_not_move_the_sun(day):
    """Noon by the sun stays where it is in UTC on the days on which the clocks change."""
    year = read_reference_year(reference_year_path("try:12"))
    local = weather_on_axis(year, axis(day, 15, 92))
    utc = weather_on_axis(year, axis(axis(day).start.isoformat(), 15, 92, "UTC"))
    np.testing.assert_array_equal(local.beam_w_per_m2, utc.beam_w_per_m2)


def test_a_day_is_a_piece_of_its_year():
    year = read_reference_year(reference_year_path("try:12"))
    whole = weather_on_axis(year, axis("2030-01-01", 15, 35_040))
    first = 96 * 180
    day = weather_on_axis(year, axis(whole_start(first), 15, 96))
    for name in ("temp_c", "beam_w_per_m2", "diffuse_w_per_m2", "hour"):
        np.testing.assert_array_equal(getattr(day, name), getattr(whole, name)[first : first + 96])


def whole_start(step):
    return axis("2030-01-01", 15, 35_040).local(step).isoformat()
