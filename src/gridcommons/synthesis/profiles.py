"""The profiles of one household after the other, from standard profiles, weather and agents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from gridcommons.model.grid import FloatArray
from gridcommons.model.time import TimeAxis
from gridcommons.synthesis.cars import CarYear, live_car
from gridcommons.synthesis.draws import generator_for
from gridcommons.synthesis.heat import (
    HeatDemand,
    HeatPumpYear,
    HeatTables,
    heat_pump_kw,
    individual_heat,
    standard_heat,
)
from gridcommons.synthesis.households import household_kw, standard_profile
from gridcommons.synthesis.local_time import LocalTime
from gridcommons.synthesis.settings import SynthesisSettings
from gridcommons.synthesis.solar import Roof, Sky, draw_roof, generation_per_kwp, make_sky
from gridcommons.synthesis.weather import Weather


class ProfileSource(Protocol):
    """Where the profiles of a household come from; arrays of shape (steps,) over whole years."""

    def load_kw(self, member: str, energy_kwh: float) -> FloatArray:
        """Consumption whose energy in each calendar year is as given [kW]."""

    def pv_per_kwp(self, member: str) -> FloatArray:
        """Generation of 1 kWp on this household's roof [kW]."""

    def heat_pump(self, member: str, heat_kwh: float) -> HeatPumpYear:
        """A heat pump that makes this much heat a year, hot water included, as it is needed."""

    def car(self, member: str, rating_kw: float) -> CarYear:
        """The household's car at a charging point of this power [kW]."""


@dataclass(frozen=True, eq=False)
class StandardSource:
    """Profiles made from the standard load profiles, the weather and agents.

    Parameters
    ----------
    seed : int
        Seed of the study.
    time : TimeAxis
        Whole calendar years.
    local : LocalTime
        The same intervals on the local clock.
    weather : Weather
        Over the same intervals.
    settings : SynthesisSettings
        Of the study.
    household_table_w : (12, 3, 96)
        Profile H25.
    heat_tables : HeatTables
        Standard profile of heat.
    """

    seed: int
    time: TimeAxis
    local: LocalTime
    weather: Weather
    settings: SynthesisSettings
    household_table_w: FloatArray
    heat_tables: HeatTables

    def load_kw(self, member: str, energy_kwh: float) -> FloatArray:
        """Consumption of a household of its own habits, see `households`."""
        rng = generator_for(self.seed, "load", member)
        return household_kw(rng, self._standard_kw, self.local, energy_kwh)

    def pv_per_kwp(self, member: str) -> FloatArray:
        """Generation on a roof drawn for this household, see `solar`."""
        roof = draw_roof(generator_for(self.seed, "roof", member))
        way = (roof.azimuth_degree, roof.tilt_degree)
        if way not in self._by_way:
            self._by_way[way] = generation_per_kwp(self._sky, Roof(*way))
        return roof.yield_share * self._by_way[way]

    def heat_pump(self, member: str, heat_kwh: float) -> HeatPumpYear:
        """Electricity for the household's own heat demand, see `heat`."""
        water_kwh = self.settings.hot_water_share * heat_kwh
        rng = generator_for(self.seed, "heat", member)
        demand = individual_heat(rng, self.mean_heat, self.local, heat_kwh - water_kwh, water_kwh)
        return heat_pump_kw(demand, self.weather.temp_c, self.settings.heat_source, self.settings.heat_sink)

    def car(self, member: str, rating_kw: float) -> CarYear:
        """A car with tours of its own, see `cars`."""
        return live_car(generator_for(self.seed, "car", member), self.local, self.weather.temp_c, rating_kw)

    @cached_property
    def _standard_kw(self) -> FloatArray:
        return standard_profile(self.household_table_w, self.local)

    @cached_property
    def mean_heat(self) -> HeatDemand:
        """Mean demand of houses in the weather, 1 kWh/a each for rooms and hot water."""
        return standard_heat(self.heat_tables, self.weather.temp_c, self.local)

    @cached_property
    def _sky(self) -> Sky:
        return make_sky(self.weather, self.time)

    @cached_property
    def _by_way(self) -> dict[tuple[float, float], FloatArray]:
        return {}
