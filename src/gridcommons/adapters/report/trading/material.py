"""Everything that the page of trading is made from, read from a result folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.clusters.colours import cluster_colours
from gridcommons.adapters.report.clusters.switch_day import SwitchDay, read_switch_day
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.material import ResultMaterial, figure_of, read_clock
from gridcommons.adapters.report.tables import Part, ResultTables, of_scenario
from gridcommons.adapters.report.trading.scenario_words import SCENARIO_NAMES
from gridcommons.model.grid import FloatArray, Names

MINUTES_PER_HOUR = 60.0

_TIMED = ("grid_exchange", "voltage_bands", "switch_flows")
"""Tables with a row a minute."""

_BILL_COLUMNS = (
    "scenario",
    "member",
    "cluster",
    "consumption_kwh",
    "generation_kwh",
    "bought_kwh",
    "sold_kwh",
    "trades_amount",
    "grid_amount",
    "shared_amount",
    "bill_amount",
)


@dataclass(frozen=True, eq=False)
class Exchange:
    """What a scenario exchanges with the main grid, shape (minutes,) each [kW]."""

    fed_in_kw: FloatArray
    absorbed_kw: FloatArray
    losses_kw: FloatArray


@dataclass(frozen=True, eq=False)
class Material(ResultMaterial):
    """A result of trading by the minute, and what all sections need of it.

    Parameters
    ----------
    scenarios : tuple of str
        Those that were run, in the order of the source.
    """

    scenarios: Names

    def amount(self, value: float, digits: int = 2) -> str:
        """Money: ``3 072.89 EUR``."""
        return f"{number(value, digits)} {self.currency}".rstrip()

    def figure_in(self, scenario: str, name: str) -> float:
        """A figure of a scenario as the summary has it; NaN where it has none."""
        return figure_of((self.summary.get("scenarios") or {}).get(scenario, {}), name)

    @cached_property
    def last(self) -> str:
        """The last scenario; empty where there is none."""
        return self.scenarios[-1] if self.scenarios else ""

    @cached_property
    def together(self) -> Names:
        """Scenarios in which members share a grid of their own."""
        return tuple(name for name in self.scenarios if name != "members")

    @cached_property
    def exchange(self) -> dict[str, Exchange]:
        """Exchange with the main grid by scenario."""
        columns = ("fed_in_kwh", "absorbed_kwh", "losses_kwh")
        rows = self.tables.whole("grid_exchange", ("scenario", "time", *columns))
        found = {}
        for scenario in self.scenarios:
            mine = rows["scenario"] == scenario
            if mine.any():
                step, power = self.clock.step_of(rows["time"][mine]), []
                for column in columns:
                    values = np.zeros(self.clock.steps)
                    values[step] = rows[column][mine] * MINUTES_PER_HOUR
                    power.append(values)
                found[scenario] = Exchange(*power)
        return found

    @cached_property
    def surplus_kw(self) -> FloatArray:
        """What all have too much of, whatever the topology, shape (minutes,) [kW]; at least 0.

        The sum of all members, less the losses of the last scenario. Without the scenario of members alone,
        what the last one exchanges in all.
        """
        last = self.exchange[self.last]
        alone = self.exchange.get("members")
        if alone is None:
            return np.maximum(last.fed_in_kw - last.absorbed_kw, 0.0)
        return np.maximum(alone.fed_in_kw - alone.absorbed_kw - last.losses_kw, 0.0)

    @cached_property
    def bills(self) -> Part:
        """Rows of ``bills``."""
        return self.tables.whole("bills", _BILL_COLUMNS)

    @cached_property
    def clusters(self) -> Names:
        """Clusters in the order of the members, then those that only switches know."""
        ends = self.tables.whole("switch_flows", ("from_cluster", "to_cluster"))
        names = (*self.bills["cluster"], *ends["from_cluster"], *ends["to_cluster"])
        return tuple(dict.fromkeys(str(name) for name in names if name))

    @cached_property
    def colours(self) -> dict[str, str]:
        """Colour of each cluster."""
        return cluster_colours(self.clusters)

    @cached_property
    def comparison(self) -> list[dict[str, Any]]:
        """Rows of ``comparison``: the scenarios, then what the switched one was compared with."""
        if "comparison" not in self.tables:
            return []
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(self.tables.folder / "comparison.parquet").to_pylist()
        return rows

    @cached_property
    def switch_days(self) -> dict[str, SwitchDay]:
        """Switches by scenario."""
        columns = ("scenario", "time", "switch", "kind", "from_cluster", "to_cluster", "p_kw")
        rows = self.tables.whole("switch_flows", columns)
        states = self.tables.whole("switch_states", ("scenario", "time", "switch", "closed"))
        operations = self.tables.whole("operations", ("time", "switch"))
        found = {}
        for scenario in self.together:
            flows = of_scenario(rows, scenario)
            if len(flows["time"]):
                moves = operations if scenario == "switched" else _none_of(operations)
                found[scenario] = read_switch_day(
                    self.clock, self.clusters, (flows, of_scenario(states, scenario), moves)
                )
        return found

    @property
    def switched(self) -> SwitchDay | None:
        """The switches of the last scenario; None where nothing tells of them."""
        return self.switch_days.get(self.last)


def read_material(folder: Path) -> Material:
    """What a run left in a folder."""
    result, tables = read_result(folder), ResultTables(folder)
    known = result.summary.get("scenarios") or {}
    names = [
        *(name for name in SCENARIO_NAMES if name in known),
        *(n for n in known if n not in SCENARIO_NAMES),
    ]
    minutes = int(result.summary.get("minutes") or 1)
    clock = read_clock(tables, result.provenance, _TIMED, 1.0, minutes)
    return Material(tables, result.summary, result.provenance, clock, tuple(names))


def _none_of(rows: Part) -> Part:
    return {column: values[:0] for column, values in rows.items()}
