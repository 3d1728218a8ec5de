"""Power between clusters in one topology: who serves whom, and what the main grid must take or give.

Power is moved over closed links, inside their capacities, as in a transport problem: what a cluster gives is
served to others first, then fed in, and what then lacks is absorbed. Where links or PCCs run in parallel the
laws of the network decide how they share; that is the load flow's to say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.clusters import TOLERANCE_KW, ClusterGraph, Topology, check_balances, groups
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names


@dataclass(eq=False)
class Flow:
    """Power on its way: what clusters still have to give or lack, and what links carry.

    Parameters
    ----------
    residual_kw : (clusters,)
        Balance that is not yet served [kW].
    transfers_kw : (links,)
        Power over each link, positive from ``a`` to ``b`` [kW].
    """

    residual_kw: FloatArray
    transfers_kw: FloatArray

    def copy(self) -> Flow:
        """The same, to try something on."""
        return Flow(self.residual_kw.copy(), self.transfers_kw.copy())


def send(
    graph: ClusterGraph,
    closed: BoolArray,
    transfers_kw: FloatArray,
    give_kw: FloatArray,
    take_kw: FloatArray,
    most_kw: float = float("inf"),
) -> float:
    """Moves as much power as fits from givers to takers, rerouting what flows; says how much [kW].

    Shortest augmenting paths (J. Edmonds, R. M. Karp, J. ACM 19(2), 1972), so the most that can be moved.
    Changes ``transfers_kw``, ``give_kw`` and ``take_kw`` in place.

    Parameters
    ----------
    closed : (links,)
        Links that may be used.
    transfers_kw : (links,)
        Power over each link [kW].
    give_kw, take_kw : (clusters,)
        What each cluster gives and takes at most [kW].
    most_kw : float
        Upper bound of what is moved [kW].
    """
    moved_kw = 0.0
    while most_kw - moved_kw > TOLERANCE_KW:
        path = _shortest_path(graph, closed, transfers_kw, give_kw, take_kw)
        if path is None:
            break
        start, end, hops = path
        rooms = [_room_kw(graph, transfers_kw, link, sign) for link, sign in hops]
        amount = float(min(most_kw - moved_kw, give_kw[start], take_kw[end], *rooms))
        for link, sign in hops:
            transfers_kw[link] += sign * amount
        give_kw[start] -= amount
        take_kw[end] -= amount
        moved_kw += amount
    return moved_kw


def _room_kw(graph: ClusterGraph, transfers_kw: FloatArray, link: int, sign: float) -> float:
    return float(graph.link_capacity_kw[link] - sign * transfers_kw[link])


def _shortest_path(
    graph: ClusterGraph,
    closed: BoolArray,
    transfers_kw: FloatArray,
    give_kw: FloatArray,
    take_kw: FloatArray,
) -> tuple[int, int, list[tuple[int, float]]] | None:
    """From a giver to a taker over links with room: both ends, and each link with its direction."""
    queue = [int(at) for at in np.flatnonzero(give_kw > TOLERANCE_KW)]
    came: dict[int, tuple[int, int, float] | None] = dict.fromkeys(queue)
    for at in queue:
        if take_kw[at] > TOLERANCE_KW:
            return _walk_back(at, came)
        for link, other, sign in graph.neighbours[at]:
            if not closed[link] or other in came:
                continue
            if _room_kw(graph, transfers_kw, link, sign) > TOLERANCE_KW:
                came[other] = (at, link, sign)
                queue.append(other)
    return None


def _walk_back(
    end: int, came: dict[int, tuple[int, int, float] | None]
) -> tuple[int, int, list[tuple[int, float]]]:
    hops: list[tuple[int, float]] = []
    at = end
    while (step := came[at]) is not None:
        at, link, sign = step
        hops.append((link, sign))
    return at, end, hops


def exchange_at_pccs(
    graph: ClusterGraph, link_closed: BoolArray, pcc_closed: BoolArray, flow: Flow
) -> FloatArray:
    """What closed PCCs feed in (positive) or absorb of a flow's residuals, shape (pccs,) [kW].

    As much as there is a way for. Changes ``flow`` in place: what is left there is unserved or curtailed.
    """
    at_pcc = np.zeros(len(graph.clusters))
    np.add.at(at_pcc, graph.pcc_cluster[pcc_closed], graph.pcc_capacity_kw[pcc_closed])
    surplus, deficit = np.maximum(flow.residual_kw, 0.0), np.maximum(-flow.residual_kw, 0.0)
    feeds, draws = at_pcc.copy(), at_pcc.copy()
    fed = _sent(graph, link_closed, flow.transfers_kw, (surplus, feeds))
    drawn = _sent(graph, link_closed, flow.transfers_kw, (draws, deficit))
    flow.residual_kw[:] = surplus - deficit
    # Least feed-in never feeds in and absorbs at one cluster: the two would serve each other instead.
    return _by_pcc(graph, pcc_closed, fed[1] - drawn[0])


def _sent(
    graph: ClusterGraph, closed: BoolArray, transfers_kw: FloatArray, ends: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    give, take = ends
    infinite = tuple(np.isinf(side) for side in ends)
    # An infinite PCC stays infinite when something is taken off; a bound beyond everything is as good.
    bound = float(sum(side[np.isfinite(side)].sum() for side in ends)) + 1.0
    for side, endless in zip(ends, infinite, strict=True):
        side[endless] = bound
    before = give.copy(), take.copy()
    send(graph, closed, transfers_kw, give, take)
    return before[0] - give, before[1] - take


def _by_pcc(graph: ClusterGraph, pcc_closed: BoolArray, at_cluster_kw: FloatArray) -> FloatArray:
    """Exchange of each cluster over its PCCs, the first ones filled first."""
    left, exchange_kw = at_cluster_kw.copy(), np.zeros(len(graph.pccs))
    for pcc in np.flatnonzero(pcc_closed):
        cluster, most = graph.pcc_cluster[pcc], graph.pcc_capacity_kw[pcc]
        exchange_kw[pcc] = np.clip(left[cluster], -most, most)
        left[cluster] -= exchange_kw[pcc]
    return exchange_kw


def carry(
    graph: ClusterGraph, balance_kw: FloatArray, link_closed: BoolArray, pcc_closed: BoolArray
) -> Topology:
    """What positions of links and PCCs exchange at least, with as much served as there is a way for.

    First clusters serve each other, then surplus is fed in, then deficit is absorbed; each step moves the
    most that can be moved and reroutes what the step before sent, so that first unserved and curtailed power
    and then feed-in are least.

    Parameters
    ----------
    balance_kw : (clusters,)
        Surplus of each cluster [kW].
    link_closed : (links,)
        Position of each link.
    pcc_closed : (pccs,)
        Position of each PCC.
    """
    check_balances(graph, balance_kw)
    flow = Flow(balance_kw.astype(np.float64), np.zeros(len(graph.links)))
    surplus, deficit = np.maximum(flow.residual_kw, 0.0), np.maximum(-flow.residual_kw, 0.0)
    send(graph, link_closed, flow.transfers_kw, surplus, deficit)
    flow.residual_kw = surplus - deficit
    exchange_kw = exchange_at_pccs(graph, link_closed, pcc_closed, flow)
    label = groups(graph, link_closed)
    full = link_closed & (np.abs(flow.transfers_kw) >= graph.link_capacity_kw - TOLERANCE_KW)
    supplied = np.isin(label, label[graph.pcc_cluster[pcc_closed]])
    return Topology(
        link_closed=link_closed.copy(),
        pcc_closed=pcc_closed.copy(),
        transfers_kw=flow.transfers_kw,
        pcc_exchange_kw=exchange_kw,
        unserved_kw=np.maximum(-flow.residual_kw, 0.0),
        curtailed_kw=np.maximum(flow.residual_kw, 0.0),
        saturated=tuple(link.name for link, is_full in zip(graph.links, full, strict=True) if is_full),
        parallel_pccs=_parallel(graph, label, pcc_closed),
        loops=int(link_closed.sum()) - (len(graph.clusters) - len(np.unique(label))),
        islanded=tuple(graph.clusters[at] for at in np.flatnonzero(~supplied)),
    )


def _parallel(graph: ClusterGraph, label: IntArray, pcc_closed: BoolArray) -> tuple[Names, ...]:
    closed = np.flatnonzero(pcc_closed)
    group = label[graph.pcc_cluster[closed]]
    together = [tuple(graph.pccs[pcc].name for pcc in closed[group == one]) for one in np.unique(group)]
    return tuple(names for names in together if len(names) > 1)
