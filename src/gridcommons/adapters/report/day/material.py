"""Everything that the page of an operating day is made from, read from a result folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.day.scenario_words import (
    LOADING,
    NAMED_PERCENT,
    NAMED_PU,
    SCENARIOS,
)
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.material import ResultMaterial, read_clock
from gridcommons.adapters.report.tables import Part, ResultTables, of_scenario
from gridcommons.model.grid import FloatArray, IntArray, Names

_TIMED = ("day_instruments", "day_power", "branch_loadings", "bus_voltages")
"""Tables with rows in every interval."""

_SERIES = (
    "tariff_max_per_kwh",
    "flexibility_needed_kw",
    "flexibility_missing_kw",
    "flexibility_bought_kw",
    "flexibility_missed_kw",
    "held_back_kw",
    "reactive_bought_kvar",
    "reactive_missed_kvar",
    "communities_replanned",
    "switches_moved",
    "switches_refused",
    "traded_kw",
)
"""What instruments do by interval; a result has the columns of those that its run knew."""

_STATEMENT = (
    "withdrawn_kwh",
    "injected_kwh",
    "bought_locally_kwh",
    "sold_locally_kwh",
    "from_supplier_kwh",
    "flexibility_kwh",
    "missing_kwh",
    "stored_less_kwh",
    "cost_alone",
    "cost",
    "saved",
)
_WORTH = (
    "broken",
    "intervals",
    "worst_loading_percent",
    "lowest_vm_pu",
    "held_back_kwh",
    "missing_kwh",
    "cold_kelvin_hours",
    "batteries_kwh",
    "members_pay",
    "operator_gets",
)


@dataclass(frozen=True, eq=False)
class Material(ResultMaterial):
    """A result of the operating day, and what all sections need of it.

    Parameters
    ----------
    instruments : tuple of str
        Which took part.
    """

    instruments: Names

    def amount(self, value: float, digits: int = 2) -> str:
        """Money: ``3.41 EUR``."""
        return f"{number(round(value, digits), digits)} {self.currency}".rstrip()

    def whole_amount(self, value: float) -> str:
        """Money in a sentence: without cents where it is large."""
        return self.amount(value, 0 if abs(value) >= 100.0 else 2)

    @property
    def money_unit(self) -> str:
        """Unit of money for the head of a column: `` [EUR]``; empty where the study has no currency."""
        return f" [{self.currency}]" if self.currency else ""

    @property
    def per_kwh(self) -> str:
        """Unit of a price: ``EUR/kWh``."""
        return f"{self.currency or '1'}/kWh"

    def steps_of(self, rows: Part) -> IntArray:
        """Interval of each row of a table."""
        return self.clock.step_of(rows["time"]) if len(rows["time"]) else np.zeros(0, dtype=np.int64)

    @cached_property
    def violations(self) -> Part:
        """Rows of ``violations``, those of less excess than counts included."""
        columns = ("time", "scenario", "element", "kind", "value", "limit", "excess", "cause")
        return self.tables.whole("violations", columns)

    def counted(self, scenario: str) -> Part:
        """Limits that count as broken in a scenario."""
        rows = of_scenario(self.violations, scenario)
        least = np.where(rows["kind"] == LOADING, NAMED_PERCENT, NAMED_PU)
        return {column: values[rows["excess"] > least] for column, values in rows.items()}

    @cached_property
    def done(self) -> dict[str, FloatArray]:
        """What each instrument did, shape (steps,) by column; empty where the result does not say."""
        known = [column for column in _SERIES if column in self._columns("day_instruments")]
        rows = self.tables.whole("day_instruments", ("time", *known))
        if not len(rows["time"]):
            return {}
        step, found = self.steps_of(rows), {}
        for column in known:
            found[column] = np.zeros(self.clock.steps)
            found[column][step] = np.nan_to_num(rows[column])
        return found

    def _columns(self, table: str) -> tuple[str, ...]:
        """Names of the columns of a table; none where there is no such table."""
        import pyarrow.parquet as pq

        if table not in self.tables:
            return ()
        return tuple(pq.read_schema(self.tables.folder / f"{table}.parquet").names)

    def did(self, column: str) -> FloatArray:
        """What an instrument did, shape (steps,); zeros where the result does not say."""
        return self.done.get(column, np.zeros(self.clock.steps))

    def did_kwh(self, column: str) -> float:
        """Energy of a power over the day [kWh]."""
        return float(self.did(column).sum()) * self.clock.step_hours

    @cached_property
    def power_kw(self) -> dict[str, dict[str, FloatArray]]:
        """Net power by scenario and kind of device, shape (steps,) [kW]."""
        rows = self.tables.whole("day_power", ("time", "scenario", "kind", "p_kw"))
        step, found = self.steps_of(rows), dict[str, dict[str, FloatArray]]()
        kinds = list(dict.fromkeys(map(str, rows["kind"])))
        for scenario in SCENARIOS:
            if not (rows["scenario"] == scenario).any():
                continue
            found[scenario] = {kind: np.zeros(self.clock.steps) for kind in kinds}
            for kind in kinds:
                mine = (rows["scenario"] == scenario) & (rows["kind"] == kind)
                found[scenario][kind][step[mine]] = rows["p_kw"][mine]
        return found

    @cached_property
    def statements(self) -> Part:
        """Rows of ``statements``; empty where the day is not settled."""
        return self.tables.whole("statements", ("member", *_STATEMENT))

    @cached_property
    def postings(self) -> Part:
        """Rows of ``postings``."""
        return self.tables.whole("postings", ("party", "counterparty", "item", "amount"))

    @cached_property
    def worth(self) -> Part:
        """Rows of ``worth``; empty where the study does not ask for it."""
        return self.tables.whole("worth", ("day", *_WORTH))

    @cached_property
    def commitments(self) -> Part:
        """Rows of ``commitments``: an interval of each."""
        return self.tables.whole("commitments", ("time", "stage", "reference"))

    @property
    def missing_kwh(self) -> float:
        """What cars lack at the end of the day [kWh]."""
        if self.is_settled:
            return float(np.nansum(self.statements["missing_kwh"]))
        return float(np.nan_to_num(self.figure("missing_kwh")))

    @property
    def is_settled(self) -> bool:
        """Whether the result has bills."""
        return len(self.statements["member"]) > 0


def read_material(folder: Path) -> Material:
    """What a run left in a folder."""
    result, tables = read_result(folder), ResultTables(folder)
    clock = read_clock(tables, result.provenance, _TIMED, _step_minutes(tables, result.provenance))
    instruments = tuple(str(name) for name in result.summary.get("instruments") or ())
    return Material(tables, result.summary, result.provenance, clock, instruments)


def _step_minutes(tables: ResultTables, provenance: Mapping[str, Any]) -> float:
    """Minutes from one row to the next of the first table that has several intervals."""
    for table in _TIMED:
        times = np.unique(tables.whole(table, ("time",))["time"])
        if len(times) > 1:
            # The day may be lived in parts of the intervals of its study, whose length is in the provenance.
            return float(np.diff(times).min() / np.timedelta64(1, "m"))
    return float(provenance.get("step_minutes") or 60.0)
