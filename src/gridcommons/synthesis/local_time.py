"""The intervals of a study on its local calendar, and the whole calendar years around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.time import TimeAxis

QUARTER_MINUTES = 15
"""What tables by the clock are in."""


@dataclass(frozen=True, eq=False)
class LocalTime:
    """Where each interval starts on the local clock and calendar; arrays of shape (steps,).

    Parameters
    ----------
    minute_of_day : (steps,)
        Minutes since 00:00 by the clock.
    weekday : (steps,)
        0 is Monday.
    month, day_of_year, year : (steps,)
        As written: 1 to 12, 1 to 366, and such as 2030.
    day : (steps,)
        Number of the local day, 0 at the first.
    step_minutes : int
        Length of an interval [min].
    """

    minute_of_day: IntArray
    weekday: IntArray
    month: IntArray
    day_of_year: IntArray
    year: IntArray
    day: IntArray
    step_minutes: int

    @property
    def step_hours(self) -> float:
        """Length of an interval [h]."""
        return self.step_minutes / 60.0

    @property
    def days(self) -> int:
        """Number of local days, begun ones included."""
        return int(self.day[-1]) + 1

    @property
    def day_start(self) -> IntArray:
        """First interval of each local day, shape (days,)."""
        return np.searchsorted(self.day, np.arange(self.days))


def read_clock(time: TimeAxis) -> LocalTime:
    """The local clock and calendar at the start of each interval; days of 23 and 25 hours are as they are."""
    day, hour = time.local_clock()
    date = np.datetime64(time.local(0).date(), "D") + day
    return LocalTime(
        minute_of_day=np.rint(hour * 60.0).astype(np.int64),
        weekday=(date.astype(np.int64) + 3) % 7,
        month=date.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        day_of_year=(date - date.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1,
        year=date.astype("datetime64[Y]").astype(np.int64) + 1970,
        day=day,
        step_minutes=time.step_minutes,
    )


def whole_years(time: TimeAxis) -> tuple[TimeAxis, slice]:
    """The axis over all local calendar years that a study touches, and where the study lies on it.

    Profiles are made for whole years and then cut: a day's study is a piece of the year's, and what is
    stated for a year (an energy, a rating) holds for the year.
    """
    step = timedelta(minutes=time.step_minutes)
    first, last = time.local(0).year, time.local(time.steps - 1).year
    zone = ZoneInfo(time.timezone)
    begin, end = (datetime(year, 1, 1, tzinfo=zone).astimezone(UTC) for year in (first, last + 1))
    before = (time.start - begin) // step
    start = time.start - before * step
    steps = -((start - end) // step)
    return TimeAxis(start, time.step_minutes, steps, time.timezone), slice(before, before + time.steps)


def quarter_parts(local: LocalTime) -> Iterator[tuple[IntArray, FloatArray]]:
    """The quarters of an hour that each interval touches, and the share of it that lies in each.

    Parameters
    ----------
    local : LocalTime
        The intervals, of any length and beginning at any minute.

    Yields
    ------
    quarter, share : (steps,)
        Quarter of the day, from 0, beyond 95 on the next day; 0 to 1, over all that is yielded a sum of 1.
    """
    first, into = np.divmod(local.minute_of_day, QUARTER_MINUTES)
    for ahead in range(-(-(int(into.max()) + local.step_minutes) // QUARTER_MINUTES)):
        begin = np.maximum(into, ahead * QUARTER_MINUTES)
        end = np.minimum(into + local.step_minutes, (ahead + 1) * QUARTER_MINUTES)
        yield first + ahead, np.maximum(end - begin, 0) / local.step_minutes


def normalised(values: FloatArray, local: LocalTime) -> FloatArray:
    """A power of the same shape in time whose energy is 1 kWh in each calendar year, shape (steps,) [kW].

    Raises
    ------
    ValueError
        If there is a year without any energy to scale.
    """
    first = local.year - local.year[0]
    sums_kwh = np.bincount(first, weights=values) * local.step_hours
    if not (sums_kwh > 0.0).all():
        raise ValueError("a year without energy cannot be normalised")
    scaled: FloatArray = values / sums_kwh[first]
    return scaled
