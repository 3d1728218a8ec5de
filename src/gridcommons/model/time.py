"""The time axis of a study: UTC inside, the local zone for display alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import FloatArray, IntArray


@dataclass(frozen=True)
class TimeAxis:
    """Equal intervals from ``start`` on; a value belongs to the interval that starts at its stamp.

    Parameters
    ----------
    start : datetime
        Start of the first interval, aware, in UTC.
    step_minutes : int
        Length of an interval [min].
    steps : int
        Number of intervals.
    timezone : str
        IANA zone, for display and for ``--day``.
    """

    start: datetime
    step_minutes: int
    steps: int
    timezone: str = "UTC"

    @property
    def step_hours(self) -> float:
        """Length of an interval [h]."""
        return self.step_minutes / 60.0

    @property
    def end(self) -> datetime:
        """End of the last interval, in UTC."""
        return self.start + timedelta(minutes=self.step_minutes) * self.steps

    def stamps(self) -> npt.NDArray[np.datetime64]:
        """Start of each interval, UTC, shape (steps,)."""
        first = np.datetime64(self.start.replace(tzinfo=None), "ms")
        return first + np.arange(self.steps) * np.timedelta64(self.step_minutes, "m")

    def local(self, step: int) -> datetime:
        """Start of interval ``step`` on the study's own clock."""
        at = self.start + timedelta(minutes=self.step_minutes) * int(step)
        return at.astimezone(ZoneInfo(self.timezone))

    def local_clock(self) -> tuple[IntArray, FloatArray]:
        """Local day of each interval, from the first on, and its hour of that day [h], (steps,) each."""
        zone = ZoneInfo(self.timezone)
        step = timedelta(minutes=self.step_minutes)
        at = [(self.start + step * k).astimezone(zone) for k in range(self.steps)]
        first = at[0].date()
        day = np.array([(each.date() - first).days for each in at], dtype=np.int64)
        return day, np.array([each.hour + each.minute / 60.0 for each in at])
