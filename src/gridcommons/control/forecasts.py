"""Day-ahead forecasts of the station's load, each from what is known at the midnight before.

A forecast is of the load *without storage*, which a DSO can work out from meters: the stores answer to
what it asks for, so that a forecast of what they will do would forecast the measures themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.time import TimeAxis
from gridcommons.ports import Forecaster

MEMORY_DAYS = 56
"""Days that a statistical forecast learns from."""

LEAST_DAYS = 14
"""Days before a statistical forecast speaks; until then it persists."""


@dataclass(frozen=True)
class Pseudo:
    """Perfect knowledge of the load without storage, as in source 3."""

    def forecast(self, measured_kw: FloatArray, time: TimeAxis) -> FloatArray:
        """The load itself, shape (steps,) [kW]."""
        return measured_kw.copy()


@dataclass(frozen=True)
class Persistence:
    """The same interval a week ago, in the first week that of the day before; NaN on the first day."""

    def forecast(self, measured_kw: FloatArray, time: TimeAxis) -> FloatArray:
        """The load of a week ago, shape (steps,) [kW]."""
        table, place = _by_day(measured_kw, time)
        return _persist(table)[place]


@dataclass(frozen=True)
class Statistical:
    """Regression on yesterday and a week ago, with the empirical quantile of its own past errors.

    For each day anew, on the ``MEMORY_DAYS`` days before it: y = a + b y(day before) + c y(week before),
    one set of coefficients an hour of the day, and the quantile of that hour's errors on top.

    Parameters
    ----------
    quantile : float
        Which quantile is forecast, 0 to 1.
    """

    quantile: float = 0.5

    def forecast(self, measured_kw: FloatArray, time: TimeAxis) -> FloatArray:
        """The quantile of tomorrow's load, shape (steps,) [kW]."""
        table, place = _by_day(measured_kw, time)
        forecast = _persist(table)
        whole = int(np.isnan(table[0]).any())
        for day in range(LEAST_DAYS + whole, len(table)):
            forecast[day] = self._day(table[max(whole, day - MEMORY_DAYS - 7) : day])
        return forecast[place]

    def _day(self, past: FloatArray) -> FloatArray:
        """The day after ``past`` (days, slots), shape (slots,)."""
        slots = past.shape[1]
        target, yesterday, week = past[7:], past[6:-1], past[:-7]
        group = max(1, slots // 24)
        hours = [slice(k, min(k + group, slots)) for k in range(0, slots, group)]
        forecast = np.empty(slots)
        for hour in hours:
            x = np.stack(
                [np.ones(target[:, hour].size), yesterday[:, hour].ravel(), week[:, hour].ravel()], axis=1
            )
            y = target[:, hour].ravel()
            # Of least norm: a series that stands still, such as the sun at night, has many solutions.
            weight = np.linalg.lstsq(x, y, rcond=None)[0]
            error = float(np.quantile(y - x @ weight, self.quantile))
            forecast[hour] = weight[0] + weight[1] * past[-1, hour] + weight[2] * past[-7, hour] + error
        return forecast


def make_forecaster(name: str, quantile: float) -> Forecaster:
    """The forecaster that a study names."""
    known: dict[str, Forecaster] = {
        "pseudo": Pseudo(),
        "persistence": Persistence(),
        "statistical": Statistical(quantile),
    }
    return known[name]


def _by_day(values: FloatArray, time: TimeAxis) -> tuple[FloatArray, tuple[IntArray, IntArray]]:
    """Values by local day and slot of the local clock, and the place of each interval in that table.

    The hour that a change of clocks repeats is averaged, the one it leaves out takes its neighbour's value.
    """
    day, hour = time.local_clock()
    slots = max(1, round(24.0 / time.step_hours))
    slot = np.floor(hour / time.step_hours + 1e-9).astype(np.int64)
    total, count = np.zeros((int(day[-1]) + 1, slots)), np.zeros((int(day[-1]) + 1, slots))
    np.add.at(total, (day, slot), values)
    np.add.at(count, (day, slot), 1.0)
    table = np.where(count > 0.0, total / np.maximum(count, 1.0), np.nan)
    for row in table:
        known = np.flatnonzero(np.isfinite(row))
        inside = np.arange(known[0], known[-1] + 1)
        # A gap is an hour that the clock skips; what lies outside the window is not known.
        row[inside] = np.interp(inside, known, row[known])
    return table, (day, slot)


def _persist(table: FloatArray) -> FloatArray:
    forecast = np.full_like(table, np.nan)
    forecast[1:] = table[:-1]
    # A window may begin in the middle of a day: what is not known of a week ago is yesterday's.
    forecast[7:] = np.where(np.isnan(table[:-7]), forecast[7:], table[:-7])
    return forecast
