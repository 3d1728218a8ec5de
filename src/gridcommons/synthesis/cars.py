"""Cars and their charging at home: an agent for each, from its tours to the power it draws.

A car makes its main tour on a day with a stated probability, and sometimes a second one. Back home it is
plugged in the more likely the emptier it is, and then charges at full power until it is full or leaves.
What a tour needs beyond the battery is charged on the way, and is in no profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.synthesis.local_time import LocalTime

BATTERY_KWH = (40.0, 52.0, 64.0, 77.0)
BATTERY_SHARE = (0.25, 0.30, 0.25, 0.20)
"""Usable battery of a car, and how many have it."""
DRIVE_SHARE = (0.85, 0.70)
"""Probability of a main tour on a working day, and on a Saturday or Sunday."""
SECOND_SHARE = (0.20, 0.15)
"""Probability of a second tour in the evening of a day with a first one."""
TOUR_KM, TOUR_SPREAD = (42.0, 14.0), 0.7
"""Mean length of a main and of a second tour, and the spread of their logarithm (log-normal)."""
CAR_SPREAD = 0.4
"""Spread of the logarithm of a car's own mean length against that of all cars."""
COMMUTER_SHARE = 0.6
"""Cars that go to work on working days; the others have no fixed hours."""
LEAVES_MINUTE = ((470.0, 65.0), (620.0, 130.0), (650.0, 120.0))
"""Mean and spread of the departure in minutes after midnight (normal): commuters on working days, others
on working days, all at weekends."""
RETURNS_MINUTE = ((1030.0, 105.0), (900.0, 190.0), (990.0, 170.0))
"""Mean and spread of the return, likewise."""
SECOND_MINUTES = (60.0, 150.0)
"""Length of a second tour and its distance from the return before, uniform each."""
EARLIEST_MINUTE, LATEST_MINUTE, LEAST_MINUTES = 240.0, 1425.0, 60.0
"""No tour begins before, none ends after, none and no stay between two is shorter."""
USE_KWH_PER_KM, MILD_C, COLD_SHARE_PER_K = 0.165, 20.0, 0.015
"""Consumption in mild weather, and what each kelvin below adds to it."""
SURE_BELOW_SHARE, NEVER_ABOVE_SHARE = 0.35, 0.92
"""States of charge below which a car is always plugged in, and above which never; linear between."""
START_SHARE = (0.5, 1.0)
"""State of charge, uniform, from which a first pass begins; the years begin with what it ends with."""
RESERVE_SHARE = 0.1
"""What stays in the battery on the road: a driver charges on the way before it is emptier."""


@dataclass(frozen=True, eq=False)
class Tours:
    """Tours of one car in order: minutes from the start of the axis, energy needed [kWh], shape (tours,).

    ``chance`` decides, tour by tour, whether the car is plugged in afterwards.
    """

    leaves_minute: FloatArray
    returns_minute: FloatArray
    need_kwh: FloatArray
    chance: FloatArray


@dataclass(frozen=True, eq=False)
class CarYear:
    """What one car does: arrays of shape (steps,) and its battery.

    Parameters
    ----------
    charge_kw : (steps,)
        Uncontrolled charging [kW].
    plugged_in : (steps,) or None
        Share of the interval in which it is connected; None where nobody knows.
    drive_kwh : (steps,) or None
        Energy from its battery used on the road [kWh]; None where nobody knows.
    energy_kwh : float
        Usable battery [kWh]; NaN where nobody knows.
    start_kwh, end_kwh : float
        Energy in the battery before the first and after the last interval [kWh].
    """

    charge_kw: FloatArray
    plugged_in: FloatArray | None = None
    drive_kwh: FloatArray | None = None
    energy_kwh: float = float("nan")
    start_kwh: float = float("nan")
    end_kwh: float = float("nan")


def live_car(rng: np.random.Generator, local: LocalTime, temp_c: FloatArray, rating_kw: float) -> CarYear:
    """The years of one car.

    Parameters
    ----------
    rng : Generator
        Of this car alone.
    local : LocalTime
        The intervals, at most an hour each.
    temp_c : (steps,)
        Air temperature [°C].
    rating_kw : float
        Power of the charging point [kW]; charging is counted there, without loss.
    """
    energy_kwh = float(rng.choice(BATTERY_KWH, p=BATTERY_SHARE))
    first_kwh = energy_kwh * float(rng.uniform(*START_SHARE))
    tours = draw_tours(rng, local, temp_c)
    before = _live(tours, (rating_kw, energy_kwh, first_kwh), local)
    return _live(tours, (rating_kw, energy_kwh, before.end_kwh), local)


def _live(tours: Tours, car: tuple[float, float, float], local: LocalTime) -> CarYear:
    """One pass over all intervals; ``car`` is power [kW], battery and energy in it at first [kWh]."""
    charge_kw, plugged_in, drive_kwh = (np.zeros(len(local.day)) for _ in range(3))
    end_kwh = _drive_and_charge(
        (tours.leaves_minute, tours.returns_minute, tours.need_kwh, tours.chance),
        (charge_kw, plugged_in, drive_kwh),
        (float(local.step_minutes), *car),
        (SURE_BELOW_SHARE, NEVER_ABOVE_SHARE, RESERVE_SHARE),
    )
    return CarYear(charge_kw, plugged_in, drive_kwh, car[1], car[2], float(end_kwh))


def draw_tours(rng: np.random.Generator, local: LocalTime, temp_c: FloatArray) -> Tours:
    """All tours of a car, from the stated distributions."""
    days = local.days
    start = local.day_start
    weekend = (local.weekday[start] >= 5).astype(np.int64)
    mean_c = np.bincount(local.day, weights=temp_c) / np.bincount(local.day)
    own = float(rng.lognormal(-(CAR_SPREAD**2) / 2.0, CAR_SPREAD))
    drives, again, chance = rng.random(days), rng.random(days), rng.random((days, 2))
    km = own * np.array(TOUR_KM) * rng.lognormal(-(TOUR_SPREAD**2) / 2.0, TOUR_SPREAD, (days, 2))
    kwh = km * (USE_KWH_PER_KM * (1.0 + COLD_SHARE_PER_K * np.maximum(MILD_C - mean_c, 0.0)))[:, None]
    kind_of_day = np.where(weekend == 1, 2, 0 if rng.random() < COMMUTER_SHARE else 1)
    leaves, returns = _clock(rng, kind_of_day)
    first = drives < np.array(DRIVE_SHARE)[weekend]
    second = first & (again < np.array(SECOND_SHARE)[weekend]) & (returns[:, 1] <= LATEST_MINUTE)
    taken = np.stack([first, second], axis=1)
    # The clock's minutes count from local midnight; the first day may have begun before the axis.
    midnight = start * float(local.step_minutes)
    midnight[0] -= local.minute_of_day[0]
    whole = taken & (midnight[:, None] + leaves >= 0.0)
    whole &= midnight[:, None] + returns <= len(local.day) * local.step_minutes
    return Tours(
        (midnight[:, None] + leaves)[whole], (midnight[:, None] + returns)[whole], kwh[whole], chance[whole]
    )


def _clock(rng: np.random.Generator, kind_of_day: IntArray) -> tuple[FloatArray, FloatArray]:
    """Departure and return of both tours of each day, shape (days, 2) each [min after midnight]."""
    days = len(kind_of_day)
    leaves, returns = (
        np.array(times)[kind_of_day, 0] + np.array(times)[kind_of_day, 1] * rng.standard_normal(days)
        for times in (LEAVES_MINUTE, RETURNS_MINUTE)
    )
    leaves = np.clip(leaves, EARLIEST_MINUTE, LATEST_MINUTE - LEAST_MINUTES)
    returns = np.clip(returns, leaves + LEAST_MINUTES, LATEST_MINUTE)
    again = returns + rng.uniform(*SECOND_MINUTES, days)
    back = again + rng.uniform(*SECOND_MINUTES, days)
    return np.stack([leaves, again], axis=1), np.stack([returns, back], axis=1)


@numba.njit(cache=True, nogil=True)
def _drive_and_charge(
    tours: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    out: tuple[FloatArray, FloatArray, FloatArray],
    car: tuple[float, float, float, float],
    shares: tuple[float, float, float],
) -> float:
    """Fill charging power, share plugged in and energy driven; return the energy left at the end.

    At most one departure or return falls into an interval. Half of what a tour takes from the battery
    is booked when it leaves, half when it is back.
    """
    leaves, returns, need_kwh, chance = tours
    charge_kw, plugged_in, drive_kwh = out
    step_minutes, rating_kw, capacity_kwh, stored_kwh = car
    sure_below, never_above, reserve = shares
    tour, away, plugged, owed_kwh = 0, False, False, 0.0
    for step in range(len(charge_kw)):
        end = (step + 1) * step_minutes
        share = 1.0 if plugged else 0.0
        leaving = not away and tour < len(leaves) and leaves[tour] < end
        if leaving:
            share *= (leaves[tour] - step * step_minutes) / step_minutes
        if away and returns[tour] < end:
            away = False
            drive_kwh[step] = owed_kwh
            stored_kwh -= owed_kwh
            filled = stored_kwh / capacity_kwh
            plugged = chance[tour] * (never_above - sure_below) < never_above - filled
            share = (end - returns[tour]) / step_minutes if plugged else 0.0
            tour += 1
        if share > 0.0:
            taken_kwh = min(rating_kw * share * step_minutes / 60.0, capacity_kwh - stored_kwh)
            stored_kwh += taken_kwh
            charge_kw[step] = taken_kwh * 60.0 / step_minutes
            plugged_in[step] = share
        if leaving:
            away, plugged = True, False
            at_hand_kwh = max(0.0, stored_kwh - reserve * capacity_kwh)
            owed_kwh = 0.5 * min(need_kwh[tour], at_hand_kwh)
            drive_kwh[step] = owed_kwh
            stored_kwh -= owed_kwh
    return stored_kwh
