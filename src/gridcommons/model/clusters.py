"""Clusters of a community, the links between them, and their connections to the main grid (PCC).

The balance of a cluster is its surplus after the community market in the market's view: positive when it has
power to give [kW]. That is minus the sign of net power elsewhere, which is positive when the grid delivers.
Exchange at a PCC has the sign of balances, so that it is positive when power is fed into the main grid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names

TOLERANCE_KW = 1e-9
"""Power below this counts as nothing [kW]."""


@dataclass(frozen=True)
class Link:
    """A switch between two clusters.

    Parameters
    ----------
    name, a, b : str
        Id; the clusters that it joins. A transfer is positive from ``a`` to ``b``.
    capacity_kw : float
        Most power that it may carry, either way [kW].
    usable : bool
        Whether it can be closed; one that is broken or refuses to close is not.
    can_open : bool
        Whether it can be opened; one that refuses stays closed.
    operation_cost_amount : float
        What one operation costs, in the currency of the study.
    """

    name: str
    a: str
    b: str
    capacity_kw: float = float("inf")
    usable: bool = True
    can_open: bool = True
    operation_cost_amount: float = 0.0

    @property
    def carries(self) -> bool:
        """Whether it can be closed and power can flow through it then."""
        return self.usable and self.capacity_kw > 0.0


@dataclass(frozen=True)
class Pcc:
    """A switch between a cluster and the main grid, its point of common coupling.

    Parameters
    ----------
    name, cluster : str
        Id; the cluster that it connects.
    capacity_kw : float
        Most power that it may exchange, either way [kW].
    usable, can_open, operation_cost_amount
        As for ``Link``.
    """

    name: str
    cluster: str
    capacity_kw: float = float("inf")
    usable: bool = True
    can_open: bool = True
    operation_cost_amount: float = 0.0

    @property
    def carries(self) -> bool:
        """Whether it can be closed and power can flow through it then."""
        return self.usable and self.capacity_kw > 0.0


@dataclass(frozen=True, eq=False)
class ClusterGraph:
    """Clusters as nodes, links as edges, and where the main grid can be reached.

    Parameters
    ----------
    clusters : tuple of str
        Order of the clusters.
    links : tuple of Link
        Several may join the same two clusters.
    pccs : tuple of Pcc
        A cluster may have none, one or several.

    Raises
    ------
    StudyError
        A name is used twice, a cluster is unknown, a link joins a cluster with itself, a capacity is negative
        or no number, or a switch that cannot be closed is said not to open.
    """

    clusters: Names
    links: tuple[Link, ...] = ()
    pccs: tuple[Pcc, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no graph."""
        problems = [*self._doubled_names(), *self._wrong_links(), *self._wrong_switches()]
        if problems:
            raise StudyError(problems)

    def _doubled_names(self) -> Iterable[Problem]:
        switches = [switch.name for switch in self.switches]
        for kind, names in (("cluster", list(self.clusters)), ("link or PCC", switches)):
            for name in sorted({name for name in names if names.count(name) > 1}):
                found = f"{names.count(name)} of this name"
                yield Problem(file="cluster graph", table=kind, row=name, found=found, expected="one")

    def _wrong_links(self) -> Iterable[Problem]:
        ends: list[tuple[str, Names]] = [(link.name, (link.a, link.b)) for link in self.links]
        ends += [(pcc.name, (pcc.cluster,)) for pcc in self.pccs]
        for name, clusters in ends:
            for cluster in clusters:
                if cluster not in self.clusters:
                    expected = f"one of {', '.join(self.clusters)}"
                    yield Problem("cluster graph", f"cluster {cluster!r}", expected, row=name)
            if len(clusters) == 2 and clusters[0] == clusters[1]:
                yield Problem("cluster graph", f"{clusters[0]!r} at both ends", "two clusters", row=name)

    def _wrong_switches(self) -> Iterable[Problem]:
        for switch in self.switches:
            if not switch.capacity_kw >= 0.0:
                found = f"{switch.capacity_kw:g}"
                yield Problem("cluster graph", found, "at least 0", row=switch.name, column="capacity_kw")
            if not (switch.usable or switch.can_open):
                found, expected = "neither usable nor able to open", "closed for good means usable"
                yield Problem("cluster graph", found, expected, row=switch.name, column="can_open")

    @property
    def switches(self) -> tuple[Link | Pcc, ...]:
        """Links, then PCCs."""
        return (*self.links, *self.pccs)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each cluster."""
        return {name: at for at, name in enumerate(self.clusters)}

    @cached_property
    def link_ends(self) -> IntArray:
        """Positions of the clusters of each link, shape (links, 2)."""
        ends = [(self.index[link.a], self.index[link.b]) for link in self.links]
        return np.array(ends, dtype=np.int64).reshape(-1, 2)

    @cached_property
    def neighbours(self) -> tuple[tuple[tuple[int, int, float], ...], ...]:
        """Links at each cluster: which, the cluster at the other end, 1 where it leaves ``a``, else -1."""
        beside: list[list[tuple[int, int, float]]] = [[] for _ in self.clusters]
        for link, (a, b) in enumerate(self.link_ends.tolist()):
            beside[a].append((link, b, 1.0))
            beside[b].append((link, a, -1.0))
        return tuple(map(tuple, beside))

    @cached_property
    def pcc_cluster(self) -> IntArray:
        """Position of the cluster of each PCC, shape (pccs,)."""
        return np.array([self.index[pcc.cluster] for pcc in self.pccs], dtype=np.int64)

    @cached_property
    def link_capacity_kw(self) -> FloatArray:
        """Capacity of each link, shape (links,) [kW]."""
        return np.array([link.capacity_kw for link in self.links], dtype=np.float64)

    @cached_property
    def pcc_capacity_kw(self) -> FloatArray:
        """Capacity of each PCC, shape (pccs,) [kW]."""
        return np.array([pcc.capacity_kw for pcc in self.pccs], dtype=np.float64)

    @cached_property
    def link_carries(self) -> BoolArray:
        """Whether each link can be closed and carry, shape (links,)."""
        return np.array([link.carries for link in self.links], dtype=np.bool_)

    @cached_property
    def pcc_carries(self) -> BoolArray:
        """Whether each PCC can be closed and carry, shape (pccs,)."""
        return np.array([pcc.carries for pcc in self.pccs], dtype=np.bool_)

    @cached_property
    def reaches_pcc(self) -> BoolArray:
        """Whether each cluster has a way to a PCC over switches that carry, shape (clusters,)."""
        label = groups(self, self.link_carries)
        return np.isin(label, label[self.pcc_cluster[self.pcc_carries]])


@dataclass(frozen=True, eq=False)
class ClusterMap:
    """A graph of clusters, and what its parts are in the grid.

    Parameters
    ----------
    graph : ClusterGraph
        Clusters in the order of their names; links and PCCs carry the names of their switches.
    member_cluster : (members,)
        Position of each member's cluster.
    switch_row : (links + pccs,)
        Switch behind each link and then each PCC; -1 for a source inside a cluster.
    forward : (links + pccs,)
        Whether the ``from`` end of the branch is at ``a`` of a link, or at the main grid's side of a PCC.
    pcc_zone : (pccs,)
        Entry from the main grid behind each PCC.
    sources_of_zone : tuple of (sources,)
        Rows of ``Sources`` at each entry.
    fixed_kw : (clusters,)
        What the grid file itself draws in each cluster, at nominal voltage [kW].
    """

    graph: ClusterGraph
    member_cluster: IntArray
    switch_row: IntArray
    forward: BoolArray
    pcc_zone: IntArray
    sources_of_zone: tuple[IntArray, ...]
    fixed_kw: FloatArray

    def balance_kw(self, p_kw: FloatArray) -> FloatArray:
        """Surplus of each cluster, shape (steps, clusters) [kW]: minus what its members and the file draw.

        Parameters
        ----------
        p_kw : (steps, members)
            Net power of each member, positive when the grid delivers [kW].
        """
        total = np.zeros((len(p_kw), len(self.graph.clusters)))
        np.add.at(total.T, self.member_cluster, -p_kw.T)
        return total - self.fixed_kw

    def closed_of(self, positions: BoolArray) -> BoolArray:
        """Links, then PCCs, as positions of all switches have them, shape (links + pccs,)."""
        inside = np.ones(len(self.switch_row), dtype=np.bool_)
        has_switch = self.switch_row >= 0
        inside[has_switch] = positions[self.switch_row[has_switch]]
        return inside

    def positions_of(self, closed: BoolArray) -> BoolArray:
        """Positions of all switches that links and then PCCs stand for, shape (switches,)."""
        has_switch = self.switch_row >= 0
        positions = np.zeros(int(has_switch.sum()), dtype=np.bool_)
        positions[self.switch_row[has_switch]] = closed[has_switch]
        return positions


@dataclass(frozen=True, eq=False)
class Topology:
    """Positions of links and PCCs, and the power that moves in them.

    Sum of balances = sum of ``pcc_exchange_kw`` + sum of ``curtailed_kw`` - sum of ``unserved_kw``.

    Parameters
    ----------
    link_closed : (links,)
        Position of each link.
    pcc_closed : (pccs,)
        Position of each PCC.
    transfers_kw : (links,)
        Power over each link, positive from ``a`` to ``b`` [kW].
    pcc_exchange_kw : (pccs,)
        Power at each PCC, positive when fed into the main grid [kW].
    unserved_kw, curtailed_kw : (clusters,)
        Deficit and surplus for which there is no way; magnitudes [kW].
    saturated : tuple of str
        Closed links that carry all that they can.
    parallel_pccs : tuple of tuple of str
        Closed PCCs that closed links join: the main grid's points that run in parallel, a tuple a group.
    loops : int
        Closed links more than a forest has.
    islanded : tuple of str
        Clusters without a closed way to a PCC.
    left_open : tuple of str
        Links that the plan would close, saturated or between two PCCs, were parallel operation allowed.
    exchanged_more_kw : float
        Exchange beyond that of the same plan with parallel operation [kW].
    notes : tuple of str
        What could not be used, and why.
    """

    link_closed: BoolArray
    pcc_closed: BoolArray
    transfers_kw: FloatArray
    pcc_exchange_kw: FloatArray
    unserved_kw: FloatArray
    curtailed_kw: FloatArray
    saturated: Names
    parallel_pccs: tuple[Names, ...]
    loops: int
    islanded: Names
    left_open: Names = ()
    exchanged_more_kw: float = 0.0
    notes: Names = ()

    @property
    def parallel(self) -> bool:
        """Whether two PCCs run in parallel."""
        return bool(self.parallel_pccs)

    @property
    def injection_kw(self) -> float:
        """Power fed into the main grid, over all PCCs [kW]."""
        return float(np.maximum(self.pcc_exchange_kw, 0.0).sum())

    @property
    def absorbed_kw(self) -> float:
        """Power drawn from the main grid, over all PCCs [kW]."""
        return float(np.maximum(-self.pcc_exchange_kw, 0.0).sum())

    @property
    def exchange_kw(self) -> float:
        """Fed-in and absorbed power together [kW]."""
        return self.injection_kw + self.absorbed_kw

    @property
    def shortfall_kw(self) -> float:
        """Unserved and curtailed power together [kW]."""
        return float(self.unserved_kw.sum() + self.curtailed_kw.sum())


def groups(graph: ClusterGraph, link_closed: BoolArray) -> IntArray:
    """Least position among the clusters that closed links join with each, shape (..., clusters).

    Parameters
    ----------
    link_closed : (..., links)
        Positions of the links, of one topology or of many.
    """
    if link_closed.ndim == 1:
        return _groups_of_one(graph, link_closed)
    count = len(graph.clusters)
    label = np.broadcast_to(np.arange(count), (*link_closed.shape[:-1], count)).copy()
    for _ in range(count):
        for link, (a, b) in enumerate(graph.link_ends):
            least = np.minimum(label[..., a], label[..., b])
            for end in (a, b):
                label[..., end] = np.where(link_closed[..., link], least, label[..., end])
    return label.astype(np.int64)


def _groups_of_one(graph: ClusterGraph, link_closed: BoolArray) -> IntArray:
    label = list(range(len(graph.clusters)))
    for (a, b), is_closed in zip(graph.link_ends.tolist(), link_closed.tolist(), strict=True):
        if is_closed and label[a] != label[b]:
            least, most = sorted((label[a], label[b]))
            label = [least if one == most else one for one in label]
    return np.array(label, dtype=np.int64)


def check_balances(graph: ClusterGraph, balance_kw: FloatArray) -> None:
    """Raise StudyError where balances are not one finite number a cluster, shape (..., clusters)."""
    if balance_kw.shape[-1:] != (len(graph.clusters),):
        expected = f"{len(graph.clusters)} values, one a cluster"
        raise StudyError([Problem("balances", f"an array of shape {balance_kw.shape}", expected)])
    wrong = ~np.isfinite(balance_kw).reshape(-1, len(graph.clusters)).all(axis=0)
    if wrong.any():
        raise StudyError(
            [
                Problem(
                    "balances", "a value that is no finite number", "kW of surplus", row=graph.clusters[at]
                )
                for at in np.flatnonzero(wrong)
            ]
        )


def gap_share(planned: tuple[float, float], best: tuple[float, float]) -> float | None:
    """By how much a plan feeds in more than the best, of the best; (fed in, shortfall) of each [kWh].

    None where nothing need be fed in, or where the two do not serve alike: they cannot be compared then.
    """
    more_kwh = planned[0] - best[0]
    if abs(planned[1] - best[1]) > 1e-6 * max(1.0, best[1]):
        return None
    if best[0] <= 1e-9:
        return 0.0 if more_kwh <= 1e-6 else None
    return more_kwh / best[0]
