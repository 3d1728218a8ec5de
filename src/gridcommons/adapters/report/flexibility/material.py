"""Everything that the page of flexibility is made from, read from a result folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.flexibility.stage_words import party_colours
from gridcommons.adapters.report.grid import GridPicture, LimitBook, read_grid, read_limits
from gridcommons.adapters.report.tables import Names, Part, ResultTables
from gridcommons.model.grid import FloatArray

LOADING = "loading_max_percent"
"""The kind of limit that a branch has."""

_TIMED = ("bus_voltages", "branch_loadings", "aggregator_plans", "dynamic_tariffs", "payback_hours")
_LEAST_EXCESS_PERCENT = 1e-9


@dataclass(frozen=True, eq=False)
class Material:
    """A result folder and what all sections need of it.

    Parameters
    ----------
    tables : ResultTables
        The tables.
    summary, provenance : dict
        As the run left them.
    clock : Clock
        Intervals of the result.
    stages : tuple of str
        The baseline and the instruments, in their order.
    """

    tables: ResultTables
    summary: dict[str, Any]
    provenance: dict[str, Any]
    clock: Clock
    stages: tuple[str, ...]

    @property
    def currency(self) -> str:
        """Currency of the study; may be empty."""
        return str(self.provenance.get("currency") or "")

    @property
    def per_kwh(self) -> str:
        """Unit of a price: ``DKK/kWh``."""
        return f"{self.currency or '1'}/kWh"

    def setting(self, name: str) -> Any:
        """A setting of the task; None where the result does not say."""
        return (self.provenance.get("settings") or {}).get(name)

    @cached_property
    def violations(self) -> Part:
        """Rows of ``violations``."""
        columns = ("time", "scenario", "element", "kind", "value", "limit", "excess", "excess_kw")
        return self.tables.whole("violations", columns)

    @cached_property
    def grid(self) -> GridPicture | None:
        """The grid; None where the result does not describe it."""
        return read_grid(self.tables)

    @cached_property
    def limits(self) -> LimitBook | None:
        """The limits; None where there is no grid."""
        return None if self.grid is None else read_limits(self.tables, self.clock, self.grid)

    @cached_property
    def aggregators(self) -> tuple[str, ...]:
        """Names of the aggregators, in their order."""
        names: dict[str, Names] = {}
        for table in ("aggregator_plans", "offers"):
            for _ in self.tables.parts(table, ("aggregator",), names):
                pass
        return tuple(names["aggregator"].names) if "aggregator" in names else ()

    @cached_property
    def colours(self) -> dict[str, str]:
        """Colour of fixed load and each aggregator."""
        return party_colours(self.aggregators)

    @cached_property
    def rated_kw(self) -> dict[str, float]:
        """What a branch that is broken somewhere carries at 100 %, at nominal voltage [kVA]."""
        rows, found = self.violations, {}
        for place in np.flatnonzero(rows["kind"] == LOADING):
            if rows["excess"][place] > _LEAST_EXCESS_PERCENT:
                found[str(rows["element"][place])] = float(
                    100.0 * rows["excess_kw"][place] / rows["excess"][place]
                )
        return found

    def series(self, table: str, column: str, value: str, names: Names) -> FloatArray:
        """Values of a long table, shape (stages, steps, elements); NaN where there is no row."""
        stages = Names(list(self.stages), {stage: place for place, stage in enumerate(self.stages)})
        out = np.full((len(self.stages), self.clock.steps, len(names)), np.nan)
        count = len(names)
        for part in self.tables.parts(
            table, ("time", "scenario", column, value), {"scenario": stages, column: names}
        ):
            step = self.clock.step_of(part["time"])
            known = (part["scenario"] < len(self.stages)) & (part[column] < count)
            known &= (step >= 0) & (step < self.clock.steps)
            out[part["scenario"][known], step[known], part[column][known]] = part[value][known]
        return out

    def columns(self, table: str) -> tuple[str, ...]:
        """Names of the columns of a table; none where there is no such table."""
        import pyarrow.parquet as pq

        if table not in self.tables:
            return ()
        return tuple(pq.read_schema(self.tables.folder / f"{table}.parquet").names)

    def brief(self, time: np.datetime64) -> str:
        """``17:00`` on the study's own clock, with the day where there are several."""
        return self.clock.brief(int(self.clock.step_of(np.array([time]))[0]))


def read_material(folder: Path) -> Material:
    """What a run left in a folder."""
    result, tables = read_result(folder), ResultTables(folder)
    stages = tuple(str(stage) for stage in result.summary.get("stages") or ("baseline",))
    return Material(tables, result.summary, result.provenance, _clock(tables, result), stages)


def _clock(tables: ResultTables, result: Any) -> Clock:
    """From the first time of any table over all intervals; without one, a single interval."""
    zone = str(result.provenance.get("timezone") or "UTC")
    minutes = float(result.provenance.get("step_minutes") or 60.0)
    steps = int(result.summary.get("steps") or 1)
    for table in _TIMED:
        times = tables.whole(table, ("time",))["time"]
        if len(times):
            span = (times.max() - times.min()) / np.timedelta64(1, "m")
            return Clock(times.min(), minutes, max(steps, round(span / minutes) + 1), zone)
    return Clock(np.datetime64(0, "ms"), minutes, steps, zone)
