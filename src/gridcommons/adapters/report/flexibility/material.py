"""Everything that the page of flexibility is made from, read from a result folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.flexibility.stage_words import party_colours
from gridcommons.adapters.report.material import ResultMaterial, read_clock
from gridcommons.adapters.report.tables import Names, Part, ResultTables
from gridcommons.model.grid import FloatArray

LOADING = "loading_max_percent"
"""The kind of limit that a branch has."""

_TIMED = ("bus_voltages", "branch_loadings", "aggregator_plans", "dynamic_tariffs", "payback_hours")
_LEAST_EXCESS_PERCENT = 1e-9


@dataclass(frozen=True, eq=False)
class Material(ResultMaterial):
    """A result of flexibility, and what all sections need of it.

    Parameters
    ----------
    stages : tuple of str
        The baseline and the instruments, in their order.
    """

    stages: tuple[str, ...]

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
    minutes = float(result.provenance.get("step_minutes") or 60.0)
    steps = int(result.summary.get("steps") or 1)
    clock = read_clock(tables, result.provenance, _TIMED, minutes, steps)
    return Material(tables, result.summary, result.provenance, clock, stages)
