"""The time axis of a report: intervals of the result, bins where they are many, words for an interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.time import TimeAxis

Times = npt.NDArray[np.datetime64]

MOST_POINTS = 2_000
"""Intervals that are drawn one by one; more are drawn as quantiles of bins."""


@dataclass(frozen=True)
class Clock:
    """Intervals of a result.

    Parameters
    ----------
    start : numpy.datetime64
        Start of the first interval, UTC.
    step_minutes : float
        Length of an interval [min].
    steps : int
        Number of intervals.
    timezone : str
        Zone in which times are shown.
    """

    start: np.datetime64
    step_minutes: float
    steps: int
    timezone: str

    @property
    def step_hours(self) -> float:
        """Length of an interval [h]."""
        return self.step_minutes / 60.0

    def step_of(self, times: Times) -> IntArray:
        """Number of the interval that starts at each time."""
        minutes = (times - self.start) / np.timedelta64(1, "m")
        return np.rint(minutes / self.step_minutes).astype(np.int64)

    def time_of(self, step: int) -> np.datetime64:
        """Start of an interval, UTC."""
        return self.start + np.timedelta64(round(step * self.step_minutes * 60_000), "ms")

    def local(self, step: int) -> datetime:
        """Start of an interval on the study's own clock."""
        at: datetime = self.time_of(step).astype("datetime64[ms]").item()
        return at.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone))

    def words(self, step: int) -> str:
        """``Fri 27 May 2016, 12:00`` on the study's own clock."""
        at = self.local(step)
        return f"{at:%a} {at.day} {at:%b %Y, %H:%M}"

    def brief(self, step: int) -> str:
        """``12:00``, with the day where the result has several."""
        at, first, last = self.local(step), self.local(0), self.local(self.steps) - timedelta(seconds=1)
        if first.date() == last.date():
            return f"{at:%H:%M}"
        year = "" if first.year == last.year else f" {at.year}"
        return f"{at.day} {at:%b}{year}, {at:%H:%M}"

    def window_words(self) -> str:
        """The span of the result: its day, or its first and last one."""
        first, last = self.local(0), self.local(self.steps) - timedelta(microseconds=1)
        if first.date() == last.date():
            return f"{first.day} {first:%B %Y}"
        return f"{first.day} {first:%b %Y} – {last.day} {last:%b %Y}"

    def step_words(self) -> str:
        """The length of an interval: ``15-minute``, ``hourly``."""
        return "hourly" if self.step_minutes == 60 else f"{self.step_minutes:g}-minute"


@dataclass(frozen=True, eq=False)
class Bins:
    """Intervals taken together where they are too many to draw.

    Parameters
    ----------
    first : (bins + 1,)
        First interval of each bin, and the number of intervals.
    dates : (bins + 1,)
        Edges of the bins, in the days that matplotlib counts.
    name : str
        ``interval``, ``hour`` or ``day``.
    """

    first: IntArray
    dates: FloatArray
    name: str

    @property
    def is_plain(self) -> bool:
        """Whether each bin is one interval."""
        return self.name == "interval"

    def quantile(self, values: FloatArray, share: float) -> FloatArray:
        """Quantile of the values in each bin, shape (bins,)."""
        if self.is_plain:
            return values
        parts = np.split(values, self.first[1:-1])
        return np.array([np.quantile(part, share) for part in parts])

    def mean(self, values: FloatArray) -> FloatArray:
        """Mean of the values in each bin, shape (bins,)."""
        return np.asarray(np.add.reduceat(values, self.first[:-1]) / np.diff(self.first))

    def least(self, values: FloatArray) -> FloatArray:
        """Least value in each bin, NaN left out, shape (bins,)."""
        return np.asarray(np.fmin.reduceat(values, self.first[:-1]))


def make_bins(clock: Clock) -> Bins:
    """Single intervals up to ``MOST_POINTS``, hours up to as many, else days of the study's own clock."""
    every = np.arange(clock.steps + 1)
    name = "interval"
    if clock.steps > MOST_POINTS:
        hours = clock.steps * clock.step_hours
        name = "hour" if hours <= MOST_POINTS else "day"
        every = np.append(np.flatnonzero(_begins(clock, name)), clock.steps)
    return Bins(every, dates_of(clock, every), name)


def dates_of(clock: Clock, steps: IntArray) -> FloatArray:
    """Starts of intervals in the days that matplotlib counts: since 1970, UTC."""
    begin = (clock.start - np.datetime64(0, "ms")) / np.timedelta64(1, "D")
    return begin + steps * (clock.step_minutes / 1440.0)


def local_dates(clock: Clock) -> tuple[IntArray, FloatArray]:
    """Local day of each interval, counted from the first, and its hour of the local day."""
    start = clock.local(0).astimezone(UTC)
    return TimeAxis(start, round(clock.step_minutes), clock.steps, clock.timezone).local_clock()


def _begins(clock: Clock, name: str) -> Any:
    day, hour = local_dates(clock)
    key = day if name == "day" else day * 24 + np.floor(hour).astype(np.int64)
    begins = np.ones(clock.steps, dtype=bool)
    begins[1:] = key[1:] != key[:-1]
    return begins
