"""Which switches of a feeder are opened and closed, in which order, and how far that order leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.adapters.report.clusters.switch_day import connected_parts
from gridcommons.adapters.report.tables import ResultTables
from gridcommons.model.grid import BoolArray, IntArray


@dataclass(frozen=True)
class Operation:
    """One switch that is moved."""

    switch: str
    closes: bool

    @property
    def verb(self) -> str:
        """``close`` or ``open``."""
        return "close" if self.closes else "open"


@dataclass(frozen=True, eq=False)
class Positions:
    """Switches before and after, whether each is closed, and the operations in their order."""

    before: Mapping[str, bool]
    after: Mapping[str, bool]
    operations: Sequence[Operation]

    @cached_property
    def opened(self) -> list[str]:
        """Switches that are closed before and open after."""
        return [name for name, closed in self.after.items() if self.before[name] and not closed]

    @cached_property
    def closed(self) -> list[str]:
        """Switches that are open before and closed after."""
        return [name for name, closed in self.after.items() if closed and not self.before[name]]

    @cached_property
    def stages(self) -> list[dict[str, bool]]:
        """Positions at the start and after each operation."""
        stages = [dict(self.before)]
        for move in self.operations:
            stages.append({**stages[-1], move.switch: move.closes})
        return stages

    @cached_property
    def left(self) -> list[Operation]:
        """What is still between the end of the operations and the topology found, closings first."""
        reached = self.stages[-1]
        left = [Operation(name, on) for name, on in self.after.items() if reached[name] != on]
        return sorted(left, key=lambda move: not move.closes)


def read_positions(tables: ResultTables) -> Positions | None:
    """Positions and operations of a result; None where it does not hold the positions of both."""
    rows = tables.whole("switch_states", ("scenario", "switch", "closed"))
    of: dict[str, dict[str, bool]] = {"before": {}, "after": {}}
    for scenario, name, closed in zip(rows["scenario"], rows["switch"], rows["closed"], strict=True):
        of.setdefault(str(scenario), {})[str(name)] = bool(closed)
    if not of["before"] or of["before"].keys() != of["after"].keys():
        return None
    moves = tables.whole("operations", ("operation", "switch", "closes"))
    operations = [
        Operation(str(moves["switch"][row]), bool(moves["closes"][row]))
        for row in np.argsort(moves["operation"], kind="stable")
    ]
    if not {move.switch for move in operations} <= of["before"].keys():
        return None
    return Positions(of["before"], of["after"], operations)


def count_loops(ends: IntArray, closed: BoolArray, is_source: BoolArray) -> int:
    """Loops of closed branches, the sources taken as one bus: two sources in parallel are one, too.

    Parameters
    ----------
    ends : (branches, 2)
        Buses at both ends.
    closed : (branches,)
        Positions.
    is_source : (buses,)
        Where the voltage is held from outside.
    """
    node = np.arange(len(is_source))
    node[is_source] = node[is_source].min(initial=0)
    used = node[ends[closed]]
    parts = len(np.unique(connected_parts(len(node), used)[node]))
    return len(used) - (len(np.unique(node)) - parts)
