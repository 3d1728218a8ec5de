"""The intervals of a result of switching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.tables import ResultTables


def read_clock(tables: ResultTables, provenance: Mapping[str, Any], timed: Sequence[str]) -> Clock:
    """From the first to the last interval of the first of these tables that has any; one where none has."""
    minutes = float(provenance.get("step_minutes") or 1.0)
    zone = str(provenance.get("timezone") or "UTC")
    for table in timed:
        times = tables.whole(table, ("time",))["time"]
        if len(times):
            steps = round((times.max() - times.min()) / np.timedelta64(1, "m") / minutes) + 1
            return Clock(times.min(), minutes, steps, zone)
    return Clock(np.datetime64(0, "ms"), minutes, 1, zone)


def window_sentence(clock: Clock) -> str:
    """``On 15 June 2022``, ``From 1 Jan 2024 – 3 Jan 2024``."""
    words = clock.window_words()
    return f"From {words}" if "–" in words else f"On {words}"


def kicker(task: str, clock: Clock | None, switches: str) -> str:
    """Task, window, intervals and switches on one line; without a clock no window."""
    parts = [task]
    if clock is not None:
        parts += [clock.window_words(), times(clock.steps, f"{clock.step_words()} interval")]
    return " · ".join([*parts, f"{switches} switches"])
