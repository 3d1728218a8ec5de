"""Household electricity: the standard load profile, lived by each household in its own way.

A household is a constant base load and a few appliances that are either on or off. Each appliance is a
two-state Markov chain whose probability of being on is, at every interval, exactly the share of the
standard profile that falls to it; so one household is as jagged as a household is, and the mean of many
converges to the standard profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import FloatArray
from gridcommons.synthesis.local_time import LocalTime, normalised, quarter_parts

REFERENCE_KWH = 3500.0
"""Energy of the household whose appliances have the powers below [kWh/a]; others are scaled."""
BASE_SHARE = (0.5, 1.0)
"""Base load against the lowest value of the standard profile: uniform between these."""
POWER_SHARE = (0.8, 1.2)
"""Power of an appliance against that of its class: uniform between these."""
AWAY_SHARE = 0.04
"""Share of the days on which nobody is at home, drawn day by day."""
DAY_SHARE = (0.7, 1.3)
"""Activity of a day against the mean of days at home: uniform between these."""
HABIT_SHARE = (0.30, 0.25, 0.20)
"""Amplitudes of a household's own daily rhythm: waves of 24, 12 and 8 h, each with a random phase."""


@dataclass(frozen=True)
class Appliance:
    """A class of appliance.

    Parameters
    ----------
    name : str
        What it is.
    power_kw : float
        Mean power of an interval in use [kW].
    minutes : float
        Mean time in use [min].
    count : int
        How many a household has.
    energy_share : float
        Share of all of them in what is above the base load.
    """

    name: str
    power_kw: float
    minutes: float
    count: int
    energy_share: float


APPLIANCES = (
    Appliance("lights and media", 0.3, 90.0, 4, 0.30),
    Appliance("cooking", 1.8, 30.0, 1, 0.28),
    Appliance("washing, drying, dishes", 1.3, 60.0, 1, 0.27),
    Appliance("short use", 0.8, 12.0, 1, 0.15),
)
"""Appliances of the reference household; the shares of what is above the base load sum to 1."""


def standard_profile(table_w: FloatArray, local: LocalTime) -> FloatArray:
    """The dynamised standard load profile of a household with 1 kWh/a, shape (steps,) [kW].

    Parameters
    ----------
    table_w : (12, 3, 96)
        Profile H25 by month, kind of day (working day, Saturday, Sunday) and quarter of an hour, in any
        unit.
    local : LocalTime
        The intervals, whole calendar years. Public holidays are days like others.

    Notes
    -----
    BDEW, "Standardlastprofile Strom" (2025): each value is multiplied by F(t) = −3.92e-10 t⁴ +
    3.2e-7 t³ − 7.02e-5 t² + 2.1e-3 t + 1.24, t the day of the year.
    """
    kind = np.where(local.weekday == 6, 2, np.where(local.weekday == 5, 1, 0))
    values = np.zeros(len(local.day))
    for quarter, share in quarter_parts(local):
        values += share * table_w[local.month - 1, kind, quarter % 96]
    t = local.day_of_year.astype(float)
    factor = -3.92e-10 * t**4 + 3.2e-7 * t**3 - 7.02e-5 * t**2 + 2.1e-3 * t + 1.24
    return normalised(values * factor, local)


def household_kw(
    rng: np.random.Generator, standard_kw: FloatArray, local: LocalTime, energy_kwh: float
) -> FloatArray:
    """Consumption of one household, its energy in each calendar year exactly given, shape (steps,) [kW].

    Parameters
    ----------
    rng : Generator
        Of this household alone.
    standard_kw : (steps,)
        Standard profile of 1 kWh/a [kW].
    local : LocalTime
        The intervals.
    energy_kwh : float
        Energy of a calendar year [kWh].
    """
    mean_kw = REFERENCE_KWH * standard_kw
    base_kw = rng.uniform(*BASE_SHARE) * mean_kw.min()
    above_kw = (mean_kw - base_kw) * _rhythm(rng, local)
    units = [unit for unit in APPLIANCES for _ in range(unit.count)]
    power_kw = np.array([unit.power_kw for unit in units]) * rng.uniform(*POWER_SHARE, len(units))
    share = np.array([unit.energy_share / unit.count for unit in units])
    stop = 1.0 - np.exp(-local.step_minutes / np.array([unit.minutes for unit in units]))
    # Up to q (1 + r) = 1 a chain can follow any profile; beyond it could not be on often enough.
    if (share / power_kw * (1.0 + stop)).max() * above_kw.max() > 1.0:
        raise ValueError("the standard profile asks for more than these appliances can draw")
    chance = rng.random((len(units), len(local.day)), dtype=np.float32)
    drawn_kw = _switch(above_kw, share, power_kw, stop, chance)
    return energy_kwh * normalised(base_kw + drawn_kw, local)


def household_energy_kwh(living_area_m2: FloatArray, mean_kwh: float, mean_m2: float) -> FloatArray:
    """E_i = Ē A_i/Ā: energy of a year by living area, same shape [kWh/a]."""
    return mean_kwh * living_area_m2 / mean_m2


def _rhythm(rng: np.random.Generator, local: LocalTime) -> FloatArray:
    """What a household does of the mean above base, by hour and day; its expectation is 1 everywhere."""
    angle = 2.0 * np.pi * local.minute_of_day / 1440.0
    habit = np.ones(len(angle))
    for wave, amplitude in enumerate(HABIT_SHARE, 1):
        habit += amplitude * np.cos(wave * angle + rng.uniform(0.0, 2.0 * np.pi))
    at_home = rng.random(local.days) >= AWAY_SHARE
    activity = at_home * rng.uniform(*DAY_SHARE, local.days) / (1.0 - AWAY_SHARE)
    rhythm: FloatArray = habit * activity[local.day]
    return rhythm


@numba.njit(cache=True, nogil=True)
def _switch(
    above_kw: FloatArray,
    share: FloatArray,
    power_kw: FloatArray,
    stop: FloatArray,
    chance: npt.NDArray[np.float32],
) -> FloatArray:
    """Power of all units, each on with probability share·above/power at every interval.

    From q to q' with a chance r to stop: where q' ≥ q (1−r), an idle unit starts with probability
    (q' − q (1−r))/(1−q); where q falls faster than units stop by themselves, one in use goes on with
    probability q'/q and none starts.
    """
    total_kw = np.zeros(len(above_kw))
    for unit in range(len(share)):
        on_by_kw = share[unit] / power_kw[unit]
        q = on_by_kw * above_kw[0]
        on = chance[unit, 0] < q
        for step in range(len(above_kw)):
            q_next = on_by_kw * above_kw[step]
            kept = q * (1.0 - stop[unit])
            if q_next >= kept:
                p = 1.0 - stop[unit] if on else (q_next - kept) / (1.0 - q)
            else:
                p = q_next / q if on else 0.0
            if step > 0:
                on = chance[unit, step] < p
            if on:
                total_kw[step] += power_kw[unit]
            q = q_next
    return total_kw
