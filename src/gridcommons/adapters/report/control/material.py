"""Everything that the pages of control are made from, read from a result folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.control.counts import Counts, read_counts
from gridcommons.adapters.report.control.household_book import HouseholdBook, read_households
from gridcommons.adapters.report.control.lead import Found
from gridcommons.adapters.report.control.station import Runs, read_runs
from gridcommons.adapters.report.tables import ResultTables


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that the sections are made from."""

    tables: ResultTables
    summary: dict[str, Any]
    provenance: dict[str, Any]
    counts: Counts
    runs: Runs
    book: HouseholdBook

    @property
    def is_drawable(self) -> bool:
        """Whether there are scenarios with a limit and a station load."""
        return bool(self.counts.scenarios and self.counts.stresses and self.runs.station)

    def found(self) -> Found:
        """What the lead is made of."""
        settings = self.provenance.get("settings", {})
        felt = {}
        for scenario in self.counts.scenarios if self.counts.stresses else ():
            each = self.book.felt(scenario, self.counts.focus)
            if each is not None:
                felt[scenario] = each
        is_own_peak = "station_limit_kw" in settings and settings["station_limit_kw"] is None
        return Found(self.counts, felt, self.runs.clock.steps, is_own_peak)


def read_material(folder: Path) -> Material:
    """What a run left in a folder."""
    result, tables = read_result(folder), ResultTables(folder)
    return Material(
        tables=tables,
        summary=result.summary,
        provenance=result.provenance,
        counts=read_counts(tables),
        runs=read_runs(tables, result.provenance),
        book=read_households(tables, str(result.provenance.get("currency", ""))),
    )
