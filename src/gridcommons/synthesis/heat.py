"""Heat and hot water of a house, and the electricity that its heat pump needs for them.

Sources: BDEW/VKU/GEODE, "Abwicklung von Standardlastprofilen Gas" (2018), for the shape over days and
hours; O. Ruhnau, L. Hirth and A. Praktiknjo, "Time series of heat demand and heat pump efficiency for
energy system modeling", Scientific Data 6 (2019) 189, for splitting off hot water and for the COP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.synthesis.local_time import LocalTime, normalised

HeatSource = Literal["air", "ground"]
HeatSink = Literal["floor", "radiator"]

HOT_WATER_C = 50.0
LEAST_LIFT_K = 15.0
FIELD_FACTOR = 0.85
"""What a heat pump achieves in the field against its test bench (Ruhnau et al. 2019)."""
BRINE_BELOW_GROUND_K = 5.0
SHIFT_MINUTES = 60.0
"""A household's heat comes earlier or later than the mean by up to this, uniform."""
DAY_SHARE = (0.85, 1.15)
"""Heat of a day against the mean house in the same weather: uniform between these."""
INTERVAL_SHARE = (0.8, 1.2)
"""The same for an interval, on top."""
_MEMORY = (1.0, 0.5, 0.25, 0.125)
"""Weights of today's and the three days' temperature before, in the temperature that a house feels."""
_COP = {"air": (6.08, -0.0941, 0.000464), "ground": (10.29, -0.2084, 0.001322)}


@dataclass(frozen=True, eq=False)
class HeatTables:
    """Standard heat profile of a single-family house.

    Parameters
    ----------
    sigmoid : tuple of float
        A, B, C and D of the daily demand A/(1 + (B/(T − 40))^C) + D.
    hour_share : (24, 10)
        Share of an hour in its day's demand, by class of temperature.
    """

    sigmoid: tuple[float, float, float, float]
    hour_share: FloatArray


@dataclass(frozen=True, eq=False)
class HeatDemand:
    """Heat into rooms and into hot water, shape (steps,) each [kW]."""

    space_kw: FloatArray
    water_kw: FloatArray

    @property
    def total_kw(self) -> FloatArray:
        """Both together, shape (steps,) [kW]."""
        return self.space_kw + self.water_kw

    def weighted(self, space: float, water: float) -> HeatDemand:
        """The same with both parts multiplied, each by its own factor."""
        return HeatDemand(space * self.space_kw, water * self.water_kw)


@dataclass(frozen=True, eq=False)
class HeatPumpYear:
    """What one heat pump draws to meet a demand as it comes, arrays of shape (steps,).

    Parameters
    ----------
    electric_kw : (steps,)
        Electricity for rooms and hot water [kW].
    water_kw : (steps,)
        The part of it for hot water [kW].
    cop, room_cop : (steps,)
        Heat per electricity of both together, and of the rooms alone.
    """

    electric_kw: FloatArray
    water_kw: FloatArray
    cop: FloatArray
    room_cop: FloatArray

    @property
    def space_kw(self) -> FloatArray:
        """Heat into the rooms, shape (steps,) [kW]."""
        heat_kw: FloatArray = (self.electric_kw - self.water_kw) * self.room_cop
        return heat_kw


def standard_heat(tables: HeatTables, temp_c: FloatArray, local: LocalTime) -> HeatDemand:
    """Mean demand of houses in this weather, 1 kWh/a each for rooms and for hot water.

    Parameters
    ----------
    tables : HeatTables
        The standard profile.
    temp_c : (steps,)
        Air temperature [°C].
    local : LocalTime
        The intervals, whole calendar years.

    Notes
    -----
    The part of the standard profile that does not depend on temperature, D, is hot water; its hours are
    those of the warmest class, in which nobody heats. Steps within an hour follow the line between
    hours.
    """
    felt_c = _felt_temperature(temp_c, local)[local.day]
    a, b, c, _ = tables.sigmoid
    daily = a / (1.0 + (b / (felt_c - 40.0)) ** c)
    hour = local.minute_of_day // 60
    space = daily * tables.hour_share[hour, _temperature_class(felt_c)]
    water = tables.hour_share[hour, -1]
    return HeatDemand(*(normalised(_between_hours(each, local), local) for each in (space, water)))


def individual_heat(
    rng: np.random.Generator, mean: HeatDemand, local: LocalTime, space_kwh: float, water_kwh: float
) -> HeatDemand:
    """Demand of one household: the mean, shifted in time and varied by day and interval.

    The energies of each calendar year are exactly ``space_kwh`` and ``water_kwh``.
    """
    shift = round(float(rng.uniform(-SHIFT_MINUTES, SHIFT_MINUTES)) / local.step_minutes)
    by_day = rng.uniform(*DAY_SHARE, local.days)[local.day]
    parts = []
    for part_kw, energy_kwh in ((mean.space_kw, space_kwh), (mean.water_kw, water_kwh)):
        varied = np.roll(part_kw, shift) * by_day * rng.uniform(*INTERVAL_SHARE, len(part_kw))
        parts.append(energy_kwh * normalised(varied, local))
    return HeatDemand(*parts)


def cop(lift_k: FloatArray, source: HeatSource) -> FloatArray:
    """Coefficient of performance by the lift from source to sink, same shape.

    Ruhnau et al. (2019): air 6.08 − 0.0941 D + 0.000464 D², ground 10.29 − 0.2084 D + 0.001322 D² with
    D the lift, at least 15 K; times 0.85 for the field.
    """
    constant, linear, square = _COP[source]
    lift_k = np.maximum(lift_k, LEAST_LIFT_K)
    value: FloatArray = FIELD_FACTOR * (constant + linear * lift_k + square * lift_k**2)
    return value


def room_sink_c(temp_c: FloatArray, sink: HeatSink) -> FloatArray:
    """Flow temperature of the heating by the weather: floor 30 − 0.5 T, radiator 40 − T [°C]."""
    return 30.0 - 0.5 * temp_c if sink == "floor" else 40.0 - temp_c


def source_c(temp_c: FloatArray, source: HeatSource) -> FloatArray:
    """What a heat pump draws from: the air, or brine 5 K below the mean temperature of the year [°C]."""
    if source == "air":
        return temp_c
    return np.full_like(temp_c, temp_c.mean() - BRINE_BELOW_GROUND_K)


def heat_pump_kw(demand: HeatDemand, temp_c: FloatArray, source: HeatSource, sink: HeatSink) -> HeatPumpYear:
    """Electricity that meets the demand as it comes, and heat per electricity.

    P = Σ q_k/COP_k over rooms and hot water [kW], COP = Σ q_k/P. The electricity is what is needed,
    whatever the rating of the heat pump.
    """
    from_c = source_c(temp_c, source)
    room = cop(room_sink_c(temp_c, sink) - from_c, source)
    water = cop(HOT_WATER_C - from_c, source)
    water_kw = demand.water_kw / water
    electric_kw = demand.space_kw / room + water_kw
    # Without any demand the ratio is that of hot water, which is what could be asked for next.
    needed = electric_kw > 0.0
    ratio = np.divide(demand.total_kw, electric_kw, out=water.copy(), where=needed)
    return HeatPumpYear(electric_kw, water_kw, ratio, room)


def _felt_temperature(temp_c: FloatArray, local: LocalTime) -> FloatArray:
    """Mean of the day and, with less weight, of the three before, shape (days,) [°C]."""
    mean_c = np.bincount(local.day, weights=temp_c) / np.bincount(local.day)
    felt_c = sum(weight * np.roll(mean_c, back) for back, weight in enumerate(_MEMORY))
    result: FloatArray = np.asarray(felt_c) / sum(_MEMORY)
    return result


def _temperature_class(felt_c: FloatArray) -> IntArray:
    """Column of the hourly table: up to −15 °C, then 5 K each, above 25 °C."""
    number: IntArray = np.ceil((np.ceil(felt_c) + 15.0) / 5.0).astype(np.int64)
    return np.clip(number, 0, 9)


def _between_hours(values: FloatArray, local: LocalTime) -> FloatArray:
    """Values that jump from hour to hour, made to run along the line between the hours' middles."""
    width = max(1, 60 // local.step_minutes)
    if width == 1:
        return values
    padded = np.concatenate([values[-width:], values, values[:width]])
    kernel = np.ones(width) / width
    # Twice half a step to either side: an even width has no middle.
    smooth = np.convolve(padded, kernel, mode="same")
    if width % 2 == 0:
        smooth = 0.5 * (smooth + np.roll(smooth, -1))
    cut: FloatArray = smooth[width:-width]
    return cut
