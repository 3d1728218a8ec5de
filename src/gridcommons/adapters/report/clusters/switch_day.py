"""Where switches stand over a time, what flows over them, and which clusters they join."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.tables import Part
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names


@dataclass(frozen=True)
class Joined:
    """Clusters that closed links join, and the closed connections (PCCs) of them to the main grid."""

    clusters: tuple[str, ...]
    pccs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SwitchDay:
    """Links and connections (PCCs) over the intervals of a result.

    Parameters
    ----------
    name : tuple of str
        Names; links first.
    from_cluster, to_cluster : tuple of str
        Ends of a link; a PCC has the main grid, an empty name, at its first.
    clusters : tuple of str
        All clusters.
    closed : (steps, switches)
        Positions.
    p_kw : (steps, switches)
        Power from the first end to the second [kW]: over a PCC, what the main grid delivers.
    moved : (steps, switches)
        Operations of each switch that take effect in each interval.
    """

    name: Names
    from_cluster: Names
    to_cluster: Names
    clusters: Names
    closed: BoolArray
    p_kw: FloatArray
    moved: IntArray

    @cached_property
    def is_link(self) -> BoolArray:
        """Which are links, shape (switches,)."""
        return np.array([bool(first) for first in self.from_cluster], dtype=np.bool_)

    @cached_property
    def ends(self) -> IntArray:
        """Clusters at both ends, shape (switches, 2); -1 stands for the main grid."""
        number = {"": -1, **{name: k for k, name in enumerate(self.clusters)}}
        pairs = zip(self.from_cluster, self.to_cluster, strict=True)
        return np.array([(number[a], number[b]) for a, b in pairs], dtype=np.int64).reshape(-1, 2)

    @cached_property
    def net_kw(self) -> FloatArray:
        """What each cluster draws, losses of its grid included, shape (steps, clusters) [kW].

        What comes over links and PCCs, less what leaves: nothing else crosses the border of a cluster.
        """
        into = np.zeros((len(self.name), len(self.clusters)))
        for row, (a, b) in enumerate(self.ends):
            into[row, b] += 1.0
            if a >= 0:
                into[row, a] -= 1.0
        return self.p_kw @ into

    @cached_property
    def exchange_kw(self) -> FloatArray:
        """Power over all links together, whichever way, shape (steps,) [kW]."""
        return np.asarray(np.abs(self.p_kw[:, self.is_link]).sum(axis=1))

    @cached_property
    def given_kw(self) -> FloatArray:
        """What clusters with a surplus give to the others, shape (steps,) [kW].

        All that clusters have to spare, less what leaves at the connections.
        """
        spare_kw = np.maximum(-self.net_kw, 0.0).sum(axis=1)
        leaves_kw = np.maximum(-self.p_kw[:, ~self.is_link], 0.0).sum(axis=1)
        return np.asarray(np.maximum(spare_kw - leaves_kw, 0.0))

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """First interval of each time without a change of position, and the first one after it."""
        change = np.flatnonzero((self.closed[1:] != self.closed[:-1]).any(axis=1)) + 1
        borders = [0, *change.tolist(), len(self.closed)]
        return list(zip(borders[:-1], borders[1:], strict=True))

    def joined_at(self, step: int) -> list[Joined]:
        """The groups of clusters that are joined in an interval, in the order of the clusters."""
        label = self._labels(self.closed[step])
        groups = []
        for number in dict.fromkeys(label.tolist()):
            mine = np.flatnonzero(label == number)
            pccs = [
                self.name[row]
                for row in np.flatnonzero(self.closed[step] & ~self.is_link)
                if self.ends[row, 1] in mine
            ]
            groups.append(Joined(tuple(self.clusters[k] for k in mine), tuple(pccs)))
        return groups

    @cached_property
    def is_islanded(self) -> BoolArray:
        """Whether a cluster has no way to the main grid, shape (steps, clusters)."""
        islanded = np.zeros((len(self.closed), len(self.clusters)), dtype=np.bool_)
        for first, end in self.spans:
            for group in self.joined_at(first):
                if not group.pccs:
                    islanded[first:end, [self.clusters.index(name) for name in group.clusters]] = True
        return islanded

    def _labels(self, closed: BoolArray) -> IntArray:
        """A number a group that closed links join, shape (clusters,)."""
        return connected_parts(len(self.clusters), self.ends[closed & self.is_link])


def connected_parts(count: int, ends: IntArray) -> IntArray:
    """A number a part that branches connect, shape (count,); branches by their two ends."""
    label = np.arange(count)
    for a, b in ends:
        if label[a] != label[b]:
            label[label == label[b]] = label[a]
    return label


def read_switch_day(clock: Clock, clusters: Names, rows: tuple[Part, Part, Part]) -> SwitchDay:
    """Links and connections of one scenario, from rows of its flows, positions and operations.

    Parameters
    ----------
    clock : Clock
        The intervals of the result.
    clusters : tuple of str
        All clusters.
    rows : tuple of Part
        Of ``switch_flows``, ``switch_states`` and ``operations``.
    """
    flows, states, operations = rows
    names = list(dict.fromkeys(flows["switch"].tolist()))
    first = [int(np.flatnonzero(flows["switch"] == name)[0]) for name in names]
    from_cluster = tuple(str(flows["from_cluster"][row]) for row in first)
    to_cluster = tuple(str(flows["to_cluster"][row]) for row in first)
    at = {name: column for column, name in enumerate(names)}
    p_kw = np.zeros((clock.steps, len(names)))
    p_kw[clock.step_of(flows["time"]), _columns(at, flows["switch"])] = flows["p_kw"]
    # What nobody can move, or has no switch at all, is closed.
    closed = np.ones((clock.steps, len(names)), dtype=np.bool_)
    for time, name, is_closed in zip(states["time"], states["switch"], states["closed"], strict=True):
        if name in at:
            closed[int(clock.step_of(time)) :, at[name]] = is_closed
    moved = np.zeros((clock.steps, len(names)), dtype=np.int64)
    known = np.array([name in at for name in operations["switch"]], dtype=np.bool_)
    step = clock.step_of(operations["time"][known]) if known.any() else np.zeros(0, dtype=np.int64)
    np.add.at(moved, (step, _columns(at, operations["switch"][known])), 1)
    return SwitchDay(tuple(names), from_cluster, to_cluster, clusters, closed, p_kw, moved)


def _columns(at: dict[str, int], names: Any) -> IntArray:
    return np.array([at[str(name)] for name in names], dtype=np.int64)
