"""The station of each run, interval by interval, and the local days on which pictures stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcommons.adapters.report.clock import Clock, local_dates
from gridcommons.adapters.report.tables import Names, ResultTables
from gridcommons.model.grid import FloatArray, IntArray

ANY_STRESS = "any"
"""Stress of a scenario that does not depend on it."""

COLUMNS = (
    "p_kw",
    "load_kw",
    "generation_kw",
    "car_kw",
    "heat_pump_kw",
    "battery_kw",
    "battery_kwh",
    "tank_kwh",
    "heat_put_off_kwh",
)

Station = Mapping[str, FloatArray]
"""Columns of ``station_load`` of one run, each of shape (steps,)."""


@dataclass(frozen=True, eq=False)
class Runs:
    """The station of all runs.

    Parameters
    ----------
    clock : Clock
        Intervals of the result.
    day, hour : (steps,)
        Local day of each interval, counted from the first, and its hour of the local day [h].
    station : mapping
        By scenario and stress.
    calls : mapping
        First interval and interval after the last of each call, shape (calls, 2), by scenario, stress
        and measure.
    """

    clock: Clock
    day: IntArray
    hour: FloatArray
    station: Mapping[tuple[str, str], Station]
    calls: Mapping[tuple[str, str, str], IntArray]

    def of(self, scenario: str, stress: str) -> Station | None:
        """The run of a scenario at a stress, or the one that holds at any; None where there is none."""
        return self.station.get((scenario, stress), self.station.get((scenario, ANY_STRESS)))

    def day_span(self, step: int) -> tuple[int, int]:
        """First interval of the local day of an interval, and the one after its last."""
        same = np.flatnonzero(self.day == self.day[step])
        return int(same[0]), int(same[-1]) + 1

    def steps(self, hours: float) -> int:
        """Number of intervals in some hours, at least one."""
        return max(1, round(hours / self.clock.step_hours))


def read_runs(tables: ResultTables, provenance: Mapping[str, Any]) -> Runs:
    """The station of all runs, read row group by row group."""
    names: dict[str, Names] = {}
    pieces: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for part in tables.parts("station_load", ("scenario", "stress", "time", *COLUMNS), names):
        label = part["scenario"] * (len(names["stress"]) + 1) + part["stress"]
        for value in np.unique(label):
            mine = label == value
            scenario, stress = divmod(int(value), len(names["stress"]) + 1)
            key = (names["scenario"].names[scenario], names["stress"].names[stress])
            pieces.setdefault(key, []).append({c: part[c][mine] for c in ("time", *COLUMNS)})
    found = {
        key: {c: np.concatenate([piece[c] for piece in parts]) for c in ("time", *COLUMNS)}
        for key, parts in pieces.items()
    }
    clock = _clock([run["time"] for run in found.values()], provenance)
    day, hour = local_dates(clock)
    return Runs(clock, day, hour, found, _calls(tables, clock))


def _clock(times: list[Any], provenance: Mapping[str, Any]) -> Clock:
    """The axis of the first run; a result without one is a single interval."""
    zone, minutes = str(provenance.get("timezone", "UTC")), float(provenance.get("step_minutes", 60.0))
    if not times:
        return Clock(np.datetime64(0, "ms"), minutes, 1, zone)
    return Clock(times[0][0], minutes, len(times[0]), zone)


def _calls(tables: ResultTables, clock: Clock) -> dict[tuple[str, str, str], IntArray]:
    rows = tables.whole("measure_calls", ("scenario", "stress", "measure", "time", "until"))
    keys = list(zip(*(rows[c].tolist() for c in ("scenario", "stress", "measure")), strict=True))
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    if keys:
        ends = zip(clock.step_of(rows["time"]).tolist(), clock.step_of(rows["until"]).tolist(), strict=True)
        for key, (start, stop) in zip(keys, ends, strict=True):
            found.setdefault(key, []).append((start, min(stop, clock.steps)))
    return {key: np.array(spans, dtype=np.int64) for key, spans in found.items()}
