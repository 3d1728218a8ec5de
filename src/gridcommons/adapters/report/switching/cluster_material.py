"""Everything that the page of switches between clusters is made from, read from a result folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.clusters.colours import cluster_colours
from gridcommons.adapters.report.clusters.switch_day import SwitchDay, read_switch_day
from gridcommons.adapters.report.material import ResultMaterial, read_clock
from gridcommons.adapters.report.tables import Part, ResultTables, of_scenario
from gridcommons.model.grid import FloatArray, IntArray

SCENARIOS = ("before", "after")
COLOURS = {"before": "#5a6673", "after": "#12936a"}
WAYS = ("fed_in", "absorbed", "losses")
_TIMED = ("grid_exchange", "switching_gap", "switch_flows")


@dataclass(frozen=True, eq=False)
class ClusterMaterial(ResultMaterial):
    """A result between clusters, and what all sections need of it."""

    @property
    def is_timed(self) -> bool:
        """Whether a table tells which intervals these are."""
        return any(table in self.tables for table in _TIMED)

    @cached_property
    def exchange_kw(self) -> dict[str, dict[str, FloatArray]]:
        """Power fed in, absorbed and lost by scenario, shape (steps,) each [kW]."""
        columns = [f"{way}_kwh" for way in WAYS]
        rows = self.tables.whole("grid_exchange", ("scenario", "time", *columns))
        found = {}
        for scenario in SCENARIOS:
            mine = of_scenario(rows, scenario)
            if len(mine["time"]):
                step = self.clock.step_of(mine["time"])
                found[scenario] = {way: self._power(step, mine[f"{way}_kwh"]) for way in WAYS}
        return found

    def _power(self, step: IntArray, energy_kwh: FloatArray) -> FloatArray:
        values = np.zeros(self.clock.steps)
        values[step] = energy_kwh / self.clock.step_hours
        return values

    def energy_kwh(self, scenario: str, way: str) -> float:
        """Energy over the window [kWh]."""
        return float(self.exchange_kw[scenario][way].sum() * self.clock.step_hours)

    @cached_property
    def gap_kw(self) -> tuple[FloatArray, FloatArray] | None:
        """Fed in as planned, and by the best of all topologies, shape (steps,) each [kW]."""
        rows = self.tables.whole("switching_gap", ("time", "planned_fed_in_kw", "best_fed_in_kw"))
        if not len(rows["time"]):
            return None
        planned_kw, best_kw = np.zeros((2, self.clock.steps))
        step = self.clock.step_of(rows["time"])
        planned_kw[step], best_kw[step] = rows["planned_fed_in_kw"], rows["best_fed_in_kw"]
        return planned_kw, best_kw

    @cached_property
    def operations(self) -> Part:
        """Rows of ``operations`` in the order in which they are made."""
        rows = self.tables.whole("operations", ("time", "operation", "switch", "closes"))
        order = np.lexsort((rows["operation"], rows["time"]))
        return {column: values[order] for column, values in rows.items()}

    @cached_property
    def day(self) -> SwitchDay | None:
        """The switches over the window, after; None where nothing tells what flows over them."""
        columns = ("scenario", "time", "switch", "kind", "from_cluster", "to_cluster", "p_kw")
        flows = of_scenario(self.tables.whole("switch_flows", columns), "after")
        if not len(flows["time"]):
            return None
        states = self.tables.whole("switch_states", ("scenario", "time", "switch", "closed"))
        names = (*flows["from_cluster"], *flows["to_cluster"])
        clusters = tuple(sorted({str(name) for name in names if name}))
        return read_switch_day(self.clock, clusters, (flows, of_scenario(states, "after"), self.operations))

    @cached_property
    def colours(self) -> dict[str, str]:
        """Colour of each cluster."""
        return cluster_colours(() if self.day is None else self.day.clusters)


def read_clusters(folder: Path) -> ClusterMaterial:
    """What a run between clusters left in a folder."""
    result, tables = read_result(folder), ResultTables(folder)
    minutes = float(result.provenance.get("step_minutes") or 1.0)
    clock = read_clock(tables, result.provenance, _TIMED, minutes)
    return ClusterMaterial(tables, result.summary, result.provenance, clock)
