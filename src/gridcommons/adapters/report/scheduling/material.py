"""Everything that the page of scheduling is made from, read from a result folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.clusters.colours import cluster_colours
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.material import ResultMaterial, figure_of, read_clock
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.scheduling.names_and_colours import (
    ALONE,
    BOUGHT,
    ONLY_NAME,
    SCENARIO_NAMES,
    SCENARIOS,
)
from gridcommons.adapters.report.tables import Part, ResultTables
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names

_TIMED = ("community_exchange", "schedules", "bus_voltages")
"""Tables with rows in every interval."""

_MINUTES_PER_HOUR = 60.0


@dataclass(frozen=True, eq=False)
class Exchange:
    """What a community draws at its connections in a scenario, each of shape (steps,)."""

    p_kw: FloatArray
    q_kvar: FloatArray
    heat_kw: FloatArray
    shed_kw: FloatArray


@dataclass(frozen=True, eq=False)
class Material(ResultMaterial):
    """A result of scheduling, and what all sections need of it.

    Parameters
    ----------
    communities : tuple of str
        In the order of the study.
    """

    communities: Names

    def amount(self, value: float, digits: int = 2) -> str:
        """Money: ``3.41 SEK``."""
        return f"{number(value, digits)} {self.currency}".rstrip()

    @property
    def money_unit(self) -> str:
        """Unit of money for the head of a column: `` [SEK]``; empty where the study has no currency."""
        return f" [{self.currency}]" if self.currency else ""

    @property
    def price_unit(self) -> str:
        """Unit of a price of reactive power: ``SEK/kvarh``."""
        return f"{self.currency or '1'}/kvarh"

    def setting(self, name: str) -> Any:
        """A setting of the task; None where the result does not say."""
        return (self.provenance.get("settings") or {}).get(name)

    @property
    def fee_per_kvarh(self) -> float:
        """What reactive power costs where no price is asked: where prices start."""
        return float(self.setting("reactive_fee_per_kvarh") or 0.0)

    @property
    def shown(self) -> tuple[str, ...]:
        """Scenarios to show: before and after, or one where nothing is bought."""
        return SCENARIOS if len(self.called) else (ALONE,)

    def scenario_name(self, scenario: str) -> str:
        """A scenario in a few words."""
        return SCENARIO_NAMES[scenario] if len(self.called) else ONLY_NAME

    @property
    def may_buy(self) -> bool:
        """Whether the grid operator buys reactive power in this study."""
        return self.setting("reactive_round") is not False

    def figure_in(self, community: str, name: str) -> float:
        """A figure of a community as the summary has it; NaN where it has none."""
        return figure_of((self.summary.get("communities") or {}).get(community, {}), name)

    def intervals(self, count: int) -> str:
        """``2 hours``, or intervals where they are of another length."""
        return times(count, "hour" if self.clock.step_minutes == _MINUTES_PER_HOUR else "interval")

    def steps_of(self, rows: Part) -> IntArray:
        """Interval of each row of a table."""
        return self.clock.step_of(rows["time"]) if len(rows["time"]) else np.zeros(0, dtype=np.int64)

    @cached_property
    def colours(self) -> dict[str, str]:
        """Colour of each community."""
        return cluster_colours(self.communities)

    @cached_property
    def kind_of(self) -> dict[str, str]:
        """Kind of each asset."""
        rows = self.tables.whole("assets", ("asset", "kind"))
        return dict(zip(map(str, rows["asset"]), map(str, rows["kind"]), strict=True))

    @cached_property
    def violations(self) -> Part:
        """Rows of ``violations``."""
        columns = ("time", "scenario", "element", "kind", "value", "limit", "excess")
        return self.tables.whole("violations", columns)

    @cached_property
    def purchases(self) -> Part:
        """Rows of ``reactive_purchases``."""
        columns = ("time", "community", "bus", "price_per_kvarh", "offered_kvar", "bought_kvar", "amount")
        return self.tables.whole("reactive_purchases", columns)

    @cached_property
    def shortages(self) -> Part:
        """Rows of ``reactive_shortages``."""
        return self.tables.whole("reactive_shortages", ("time", "bus", "missing_kvar", "vm_pu"))

    @cached_property
    def refusals(self) -> Part:
        """Rows of ``refusals``."""
        return self.tables.whole("refusals", ("time", "community", "round", "reason"))

    @cached_property
    def called(self) -> IntArray:
        """Intervals in which reactive power was asked for, ascending."""
        return np.unique(self.steps_of(self.purchases))

    @cached_property
    def is_called(self) -> BoolArray:
        """Whether reactive power was asked for in an interval, shape (steps,)."""
        called = np.zeros(self.clock.steps, dtype=np.bool_)
        called[self.called] = True
        return called

    @cached_property
    def exchange(self) -> dict[tuple[str, str], Exchange]:
        """What each community draws, by scenario and community."""
        columns = ("p_kw", "q_kvar", "heat_kw", "shed_kw")
        rows = self.tables.whole("community_exchange", ("time", "scenario", "community", *columns))
        step, found = self.steps_of(rows), {}
        for scenario in (ALONE, BOUGHT):
            for community in self.communities:
                mine = (rows["scenario"] == scenario) & (rows["community"] == community)
                if mine.any():
                    values = np.zeros((len(columns), self.clock.steps))
                    for place, column in enumerate(columns):
                        values[place, step[mine]] = rows[column][mine]
                    found[scenario, community] = Exchange(*values)
        return found

    @cached_property
    def connections(self) -> list[tuple[str, str]]:
        """Community and bus of each connection that was asked for reactive power, in their order."""
        rows = self.purchases
        pairs = zip(map(str, rows["community"]), map(str, rows["bus"]), strict=True)
        return list(dict.fromkeys(pairs))


def read_material(folder: Path) -> Material:
    """What a run left in a folder."""
    result, tables = read_result(folder), ResultTables(folder)
    minutes = float(result.provenance.get("step_minutes") or _MINUTES_PER_HOUR)
    clock = read_clock(tables, result.provenance, _TIMED, minutes)
    communities = tuple(str(name) for name in result.summary.get("communities") or ())
    return Material(tables, result.summary, result.provenance, clock, communities)
