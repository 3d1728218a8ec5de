"""Axes and tables that the tests of synthesis share."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

from gridcommons.adapters.standard_profiles import read_heat_tables, read_household_table
from gridcommons.adapters.weather import read_reference_year, reference_year_path, weather_on_axis
from gridcommons.model.time import TimeAxis
from gridcommons.synthesis.local_time import read_clock, whole_years
from gridcommons.synthesis.profiles import StandardSource
from gridcommons.synthesis.settings import SynthesisSettings


def axis(start="2030-01-01", step_minutes=15, steps=96, zone="Europe/Berlin"):
    begin = datetime.fromisoformat(start)
    begin = begin.replace(tzinfo=begin.tzinfo or ZoneInfo(zone))
    return TimeAxis(begin.astimezone(UTC), step_minutes, steps, zone)


@cache
def year(step_minutes=15, start="2030-01-01", zone="Europe/Berlin"):
    """A whole year around a day: the axis, its calendar and the weather of the Upper Rhine."""
    time, _ = whole_years(axis(start, step_minutes, 1, zone))
    return time, read_clock(time), weather_on_axis(read_reference_year(reference_year_path("try:12")), time)


def standard_source(seed=1, step_minutes=15, start="2030-01-01", **settings):
    time, local, weather = year(step_minutes, start)
    tables = read_household_table(), read_heat_tables()
    return StandardSource(seed, time, local, weather, SynthesisSettings(**settings), *tables)
