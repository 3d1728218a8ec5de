"""Profiles from a pool of measured ones: each household takes one of them, shifted by whole weeks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.synthesis.cars import CarYear
from gridcommons.synthesis.draws import generator_for
from gridcommons.synthesis.heat import HeatPumpYear, heat_pump_kw
from gridcommons.synthesis.local_time import LocalTime, normalised, quarter_parts
from gridcommons.synthesis.profiles import StandardSource

WEEKS = {"load": 3, "heat_pump": 1, "car": 3, "pv": 0}
"""By how many whole weeks a profile may be shifted either way: few, because the season must stay, and
none for the sun, which shines on all roofs at once."""
_QUARTERS = 96
_WEEKS_DAYS = 364
"""Days of whole weeks in a year: a shift past its end comes back at its beginning, on the same weekday."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Profiles of one year on its local clock.

    Parameters
    ----------
    first_weekday : int
        Weekday of its first day, 0 is Monday.
    loads, heat_pumps, cars, solar : mapping of str to (days, 96)
        Relative profiles by name; those of cars end in the power of the charging point [kW].
    """

    first_weekday: int
    loads: Mapping[str, FloatArray]
    heat_pumps: Mapping[str, FloatArray]
    cars: Mapping[str, FloatArray]
    solar: Mapping[str, FloatArray]


def on_calendar(table: FloatArray, first_weekday: int, local: LocalTime, weeks: int) -> FloatArray:
    """A year's profile over other years: same weekday, same clock, near enough the same date, (steps,).

    Parameters
    ----------
    table : (days, 96)
        The profile by day and quarter of an hour on the local clock.
    first_weekday : int
        Weekday of its first day, 0 is Monday.
    local : LocalTime
        The intervals.
    weeks : int
        Whole weeks by which it is taken later.
    """
    weekday_of_first = (local.weekday - (local.day_of_year - 1)) % 7
    day = local.day_of_year - 1 + (weekday_of_first - first_weekday) % 7 + 7 * weeks
    values = np.zeros(len(day))
    for quarter, share in quarter_parts(local):
        values += share * table[(day + quarter // _QUARTERS) % _WEEKS_DAYS, quarter % _QUARTERS]
    return values


@dataclass(frozen=True, eq=False)
class SampledSource:
    """Profiles drawn from a pool; heat, its COP and all energies are those of the standard source.

    Parameters
    ----------
    standard : StandardSource
        Seed, calendar, weather and settings, and what is not measured.
    pool : Pool
        The profiles.
    """

    standard: StandardSource
    pool: Pool

    def load_kw(self, member: str, energy_kwh: float) -> FloatArray:
        """A household's profile, its energy in each calendar year exactly given [kW]."""
        return energy_kwh * normalised(self._drawn("load", member, self.pool.loads), self.standard.local)

    def pv_per_kwp(self, member: str) -> FloatArray:
        """A solar profile, scaled to the stated full-load hours [kW]."""
        shape = normalised(self._drawn("pv", member, self.pool.solar), self.standard.local)
        return self.standard.settings.pv_full_load_hours * shape

    def heat_pump(self, member: str, heat_kwh: float) -> HeatPumpYear:
        """Measured consumption, scaled so that with the weather's COP it makes the heat of each year.

        Nobody measured its hot water: at every interval that has the share it has in the mean house.
        """
        source = self.standard.settings.heat_source
        fit = {name: table for name, table in self.pool.heat_pumps.items() if _draws_from(name) == source}
        shape = self._drawn("heat_pump", member, fit)
        mean = self._mean_pump
        electric_kw = heat_kwh * normalised(shape * mean.cop, self.standard.local) / mean.cop
        # Where the mean house needs nothing, its COP is that of hot water.
        water_share = np.ones_like(electric_kw)
        np.divide(mean.water_kw, mean.electric_kw, out=water_share, where=mean.electric_kw > 0.0)
        return HeatPumpYear(electric_kw, water_share * electric_kw, mean.cop, mean.room_cop)

    def car(self, member: str, rating_kw: float) -> CarYear:
        """A home charging point's profile; nobody knows when the car is there, or what it uses."""
        nearest = min(abs(_rating_kw(name) - rating_kw) for name in self.pool.cars)
        fit = {n: t for n, t in self.pool.cars.items() if abs(_rating_kw(n) - rating_kw) == nearest}
        return CarYear(rating_kw * self._drawn("car", member, fit))

    def _drawn(self, kind: str, member: str, tables: Mapping[str, FloatArray]) -> FloatArray:
        rng = generator_for(self.standard.seed, "sampled", kind, member)
        names = sorted(tables)
        table = tables[names[int(rng.integers(len(names)))]]
        weeks = int(rng.integers(-WEEKS[kind], WEEKS[kind] + 1))
        return on_calendar(table, self.pool.first_weekday, self.standard.local, weeks)

    @cached_property
    def _mean_pump(self) -> HeatPumpYear:
        """The heat pump of the mean house in the weather, for 1 kWh of heat a year."""
        settings = self.standard.settings
        water = settings.hot_water_share
        mean = self.standard.mean_heat.weighted(1.0 - water, water)
        return heat_pump_kw(mean, self.standard.weather.temp_c, settings.heat_source, settings.heat_sink)


def _draws_from(name: str) -> str:
    return "ground" if name.startswith("Soil") else "air"


def _rating_kw(name: str) -> float:
    return float(name.rpartition("_")[2])
