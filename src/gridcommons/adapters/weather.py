"""Reads the German test reference years onto the time axis of a study.

Source: Deutscher Wetterdienst, "Aktualisierte und erweiterte Testreferenzjahre von Deutschland für
mittlere, extreme und zukünftige Witterungsverhältnisse" (2011), mean years of 15 regions; the package
demandlib carries them.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.time import TimeAxis
from gridcommons.synthesis.weather import Weather

REGIONS = range(1, 16)
HOURS = 8760
_CET = np.timedelta64(1, "h")
"""Central European time is an hour ahead of UTC all year; a test reference year knows no summer time."""
_HALF_HOUR = np.timedelta64(30, "m")
_COLUMNS = {"temp_c": 8, "beam_w_per_m2": 13, "diffuse_w_per_m2": 14}


@dataclass(frozen=True, eq=False)
class ReferenceYear:
    """A test reference year: hourly means from 00:00 on 1 January, shape (8760,) each, and its station."""

    temp_c: FloatArray
    beam_w_per_m2: FloatArray
    diffuse_w_per_m2: FloatArray
    latitude_degree: float
    longitude_degree: float


def package_file(relative: str) -> Path:
    """A file that demandlib carries, found without importing it."""
    spec = importlib.util.find_spec("demandlib")
    if spec is None or not spec.submodule_search_locations:
        raise AssertionError("demandlib is a dependency of this package")
    return Path(spec.submodule_search_locations[0]) / relative


def reference_year_path(name: str) -> Path:
    """The file of ``try:N``.

    Raises
    ------
    StudyError
        If there is no such year.
    """
    match = re.fullmatch(r"try:0?(\d{1,2})", name)
    if match is None or int(match[1]) not in REGIONS:
        expected = "try:1 to try:15, a German test reference year"
        raise StudyError([Problem("study.toml", repr(name), expected, table="synthesis", column="weather")])
    return package_file(f"vdi/resources_weather/TRY2010_{int(match[1]):02d}_Jahr.dat")


def read_reference_year(path: Path) -> ReferenceYear:
    """A test reference year from its file; temperatures in °C, irradiances on the horizontal in W/m²."""
    head, _, body = path.read_text(encoding="utf-8").partition("***")
    place = re.search(r"(\d+)°(\d+)'N.*?(\d+)°(\d+)'O", head)
    values = np.array([line.split() for line in body.splitlines() if line.strip()], dtype=float)
    if place is None or values.shape[0] != HOURS:
        raise StudyError([Problem(path.name, f"{len(values)} hours", f"{HOURS} hours and a place")])
    north, north_minute, east, east_minute = map(int, place.groups())
    columns = {name: values[:, column].copy() for name, column in _COLUMNS.items()}
    return ReferenceYear(
        **columns,
        latitude_degree=north + north_minute / 60.0,
        longitude_degree=east + east_minute / 60.0,
    )


def weather_on_axis(year: ReferenceYear, time: TimeAxis) -> Weather:
    """A test reference year over the intervals of a study, by their day and hour in Central European time.

    Parameters
    ----------
    year : ReferenceYear
        8,760 hours; 29 February repeats the 28th.
    time : TimeAxis
        Intervals of at most an hour.

    Notes
    -----
    The row of hour h (1 to 24) holds from half past h−1 to half past h: then the light of the 15 years is
    centred on noon (to 0.07 h in the median), and half an hour off otherwise. Temperatures follow the
    line between the middles of the hours; irradiances are held, so that an hour keeps its sum.
    """
    quarter = np.timedelta64(time.step_minutes * 15, "s")
    # Half past lies on the edge of the halves of an interval, whatever part of an hour an interval is.
    halves = [_at(year, time.stamps() + part * quarter) for part in (1, 3)]
    temp_c, beam, diffuse = (0.5 * (first + second) for first, second in zip(*halves, strict=True))
    number: IntArray = _row_hour(time.stamps() + 2 * quarter).astype(np.int64)
    return Weather(temp_c, beam, diffuse, number, year.latitude_degree, year.longitude_degree)


def _row_hour(moment: np.typing.NDArray[np.datetime64]) -> np.typing.NDArray[np.datetime64]:
    """The hour, by its number in the year, whose row holds at each moment in UTC."""
    return (moment + _CET - _HALF_HOUR).astype("datetime64[h]")


def _at(year: ReferenceYear, moment: np.typing.NDArray[np.datetime64]) -> tuple[FloatArray, ...]:
    """Temperature, direct and diffuse irradiance at each moment."""
    hour = _row_hour(moment)
    past_middle = (moment + _CET - _HALF_HOUR - hour) / np.timedelta64(1, "h") - 0.5
    here = _hour_of_year(hour)
    beside = _hour_of_year(hour + np.where(past_middle < 0.0, -1, 1).astype("timedelta64[h]"))
    weight = np.abs(past_middle)
    temp_c = (1.0 - weight) * year.temp_c[here] + weight * year.temp_c[beside]
    return temp_c, year.beam_w_per_m2[here], year.diffuse_w_per_m2[here]


def _hour_of_year(hour: np.typing.NDArray[np.datetime64]) -> IntArray:
    """Row of the reference year for each hour, shape (steps,)."""
    date = hour.astype("datetime64[D]")
    first = date.astype("datetime64[Y]").astype("datetime64[D]")
    day = (date - first).astype(np.int64)
    number = date.astype("datetime64[Y]").astype(np.int64) + 1970
    leap = (number % 4 == 0) & ((number % 100 != 0) | (number % 400 == 0))
    # 29 February is day 59 from 0; it and all that follow take the row of the day before.
    day = day - (leap & (day >= 59))
    row: IntArray = 24 * day + (hour - date).astype(np.int64)
    return row
