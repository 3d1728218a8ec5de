"""The source's heuristic: join clusters with surplus to clusters with deficit, and choose their PCCs.

Source 4, section 3.3 and Fig. 6: (a) surplus joins deficit, (b) who has no PCC joins a group that has one,
(c) in each group the cluster that draws most is connected to the main grid. Departures: ties go to the larger
transfer and then to the smaller name, so that the answer is one; inside an entity, links that are full
already are counted as well, for a link that fits is of no use where the power does not get to it; and what
the positions exchange is computed from them at the end (``carry``).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.model.clusters import TOLERANCE_KW, ClusterGraph, Link, Topology, check_balances, groups
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.switching.transport import Flow, carry, exchange_at_pccs, send


@dataclass(eq=False)
class _Plan:
    """Entities in the making: ``joined`` links are closed and make one of two; ``used_up`` ones do not fit.

    A link that is used up is closed as well where ``parallel_allowed``: ``saturated`` says so.
    """

    graph: ClusterGraph
    balance_kw: FloatArray
    parallel_allowed: bool
    flow: Flow
    joined: BoolArray
    used_up: BoolArray
    saturated: BoolArray

    @property
    def entity(self) -> IntArray:
        """Entity of each cluster: the least position among its clusters, shape (clusters,)."""
        return groups(self.graph, self.joined)

    def entity_balance_kw(self) -> FloatArray:
        """What each entity still gives or lacks, at the position of its first cluster [kW]."""
        total = np.zeros(len(self.graph.clusters))
        np.add.at(total, self.entity, self.flow.residual_kw)
        return total


def join_clusters(graph: ClusterGraph, balance_kw: FloatArray, *, parallel_allowed: bool = False) -> Topology:
    """The topology that the source's heuristic finds for the balances of one round.

    Parameters
    ----------
    graph : ClusterGraph
        Clusters, links and PCCs. Without any PCC that works, all clusters are islanded and what they give or
        lack is in ``curtailed_kw`` and ``unserved_kw``.
    balance_kw : (clusters,)
        Surplus of each cluster after the community market [kW].
    parallel_allowed : bool
        Whether a saturated link stays closed between two groups that keep a PCC each (source 4, Fig. 7 b),
        which puts these PCCs in parallel. Where not, it stays open, each group has one PCC, and
        ``exchanged_more_kw`` says what that adds to the exchange.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcommons.model.clusters import ClusterGraph, Link, Pcc
    >>> graph = ClusterGraph(("1", "2"), (Link("1-2", "1", "2"),), (Pcc("P1", "1"), Pcc("P2", "2")))
    >>> plan = join_clusters(graph, np.array([10.0, -50.0]))
    >>> plan.link_closed, plan.pcc_closed, plan.pcc_exchange_kw
    (array([ True]), array([False,  True]), array([  0., -40.]))
    """
    check_balances(graph, balance_kw)
    plan = _start(graph, balance_kw.astype(np.float64), parallel_allowed)
    _join_surplus_with_deficit(plan)
    _join_those_without_pcc(plan)
    link_closed = plan.joined | plan.saturated
    if parallel_allowed:
        pcc_closed = _close_pccs(plan)
    else:
        link_closed, pcc_closed = _serve_radially(plan)
    topology = replace(carry(graph, plan.balance_kw, link_closed, pcc_closed), notes=notes_on(graph))
    if parallel_allowed:
        return topology
    left_open = (plan.used_up | plan.joined) & ~link_closed
    more_kw = 0.0
    if left_open.any():
        parallel = join_clusters(graph, balance_kw, parallel_allowed=True)
        more_kw = topology.exchange_kw - parallel.exchange_kw
    return replace(topology, left_open=_names(graph.links, left_open), exchanged_more_kw=more_kw)


def _names(links: tuple[Link, ...], chosen: BoolArray) -> Names:
    return tuple(link.name for link, is_chosen in zip(links, chosen, strict=True) if is_chosen)


def notes_on(graph: ClusterGraph) -> Names:
    """What of a graph cannot be used, and why, a line each."""
    notes = []
    for switch in graph.switches:
        if not switch.usable:
            notes.append(f"{switch.name} cannot be closed and is not used")
        elif switch.capacity_kw <= 0.0:
            notes.append(f"{switch.name} has no capacity and is not used")
        elif not switch.can_open:
            notes.append(f"{switch.name} cannot be opened and stays closed")
    lost = [name for name, reaches in zip(graph.clusters, graph.reaches_pcc, strict=True) if not reaches]
    if lost:
        notes.append(f"no usable link or PCC leads from {', '.join(lost)} to the main grid")
    return tuple(notes)


def _start(graph: ClusterGraph, balance_kw: FloatArray, parallel_allowed: bool) -> _Plan:
    """Every cluster alone, but for links that cannot be opened: who they join serve each other first."""
    joined = np.array([not link.can_open for link in graph.links], dtype=np.bool_)
    flow = Flow(balance_kw.copy(), np.zeros(len(graph.links)))
    surplus, deficit = np.maximum(balance_kw, 0.0), np.maximum(-balance_kw, 0.0)
    send(graph, joined, flow.transfers_kw, surplus, deficit)
    flow.residual_kw = surplus - deficit
    none = np.zeros(len(graph.links), dtype=np.bool_)
    return _Plan(graph, balance_kw, parallel_allowed, flow, joined, none, none.copy())


# (a) surplus joins deficit


def _join_surplus_with_deficit(plan: _Plan) -> None:
    """Source 4, Fig. 6 a: until no usable link joins an entity with surplus and one with deficit."""
    while (pair := _largest_pair(plan)) is not None:
        _transfer(plan, *pair)


def _largest_pair(plan: _Plan) -> tuple[int, float] | None:
    """The link over which most would be transferred, and how much that is [kW]; by name among equals."""
    entity, balance_kw = plan.entity, plan.entity_balance_kw()
    best: tuple[float, str, int] | None = None
    for link in np.flatnonzero(plan.graph.link_carries & ~plan.joined & ~plan.used_up).tolist():
        one, other = balance_kw[entity[plan.graph.link_ends[link]]]
        # Both ends of one entity have one balance, so never a surplus and a deficit.
        transfer_kw = float(min(max(one, other), -min(one, other)))
        if transfer_kw > TOLERANCE_KW:
            key = (-round(transfer_kw, 9), plan.graph.links[link].name, link)
            best = key if best is None else min(best, key)
    return None if best is None else (best[2], -best[0])


def _transfer(plan: _Plan, link: int, transfer_kw: float) -> None:
    """Merge the entities of a link that fits; else use up what it can carry, and keep both."""
    graph, entity = plan.graph, plan.entity
    closed = plan.joined.copy()
    closed[link] = True
    balance_kw = plan.entity_balance_kw()
    one, other = entity[graph.link_ends[link]]
    gives, takes = (one, other) if balance_kw[one] > 0.0 else (other, one)
    flow = plan.flow.copy()
    surplus = np.where(entity == gives, np.maximum(flow.residual_kw, 0.0), 0.0)
    deficit = np.where(entity == takes, np.maximum(-flow.residual_kw, 0.0), 0.0)
    left = surplus.copy(), deficit.copy()
    moved_kw = send(graph, closed, flow.transfers_kw, *left, transfer_kw)
    flow.residual_kw += (left[0] - surplus) - (left[1] - deficit)
    fits = moved_kw >= transfer_kw - TOLERANCE_KW
    plan.joined[link] = fits
    plan.used_up[link] = not fits
    plan.saturated[link] = not fits and plan.parallel_allowed and moved_kw > TOLERANCE_KW
    if fits or plan.saturated[link]:
        plan.flow = flow


# (b) who has no PCC joins a group that has one


def _join_those_without_pcc(plan: _Plan) -> None:
    """Source 4, Fig. 6 b: over the way with the largest exchange capacity, of several links if need be."""
    while (way := _first_way(plan)) is not None:
        plan.joined[way] = True


def _first_way(plan: _Plan) -> list[int] | None:
    """Links that join the first entity without a PCC (by the name of its clusters) to a group with one."""
    graph, entity = plan.graph, plan.entity
    exchange_kw = np.zeros(len(graph.clusters))
    carries = graph.pcc_carries
    np.add.at(exchange_kw, entity[graph.pcc_cluster[carries]], graph.pcc_capacity_kw[carries])
    names: dict[int, str] = {}
    for name, one in zip(graph.clusters, entity.tolist(), strict=True):
        names[one] = min(name, names.get(one, name))
    for lacks in sorted(names, key=lambda one: names[one]):
        if exchange_kw[lacks] <= 0.0:
            way = _widest_way(plan, lacks, exchange_kw, names)
            if way is not None:
                return way
    return None


def _widest_way(plan: _Plan, start: int, exchange_kw: FloatArray, names: dict[int, str]) -> list[int] | None:
    """The way whose narrowest link and whose group's PCCs let most through; fewest links among equals."""
    graph, entity = plan.graph, plan.entity
    room_kw = graph.link_capacity_kw - np.abs(plan.flow.transfers_kw)
    queue: list[tuple[float, int, str, int, list[int]]] = [(-np.inf, 0, names[start], start, [])]
    best: tuple[float, int, str, list[int]] | None = None
    done: set[int] = set()
    while queue:
        width, hops, name, at, way = heapq.heappop(queue)
        if at in done:
            continue
        done.add(at)
        if exchange_kw[at] > 0.0:
            found = (max(width, -float(exchange_kw[at])), hops, name, way)
            best = found if best is None else min(best, found)
            continue
        for link in np.flatnonzero(graph.link_carries & ~plan.joined).tolist():
            ends = entity[graph.link_ends[link]].tolist()
            if at in ends and (other := ends[0] if ends[1] == at else ends[1]) not in done:
                narrowest = max(width, -float(room_kw[link]))
                heapq.heappush(queue, (narrowest, hops + 1, names[other], other, [*way, link]))
    return None if best is None else best[3]


# (c) PCCs


def _draw_order(plan: _Plan, group: IntArray) -> list[int]:
    """PCCs of a group: those of the cluster that draws most first, the wider and then the smaller name."""
    graph = plan.graph
    inside = np.flatnonzero(graph.pcc_carries & np.isin(graph.pcc_cluster, group)).tolist()
    return sorted(
        inside,
        key=lambda pcc: (
            plan.balance_kw[graph.pcc_cluster[pcc]],
            graph.pccs[pcc].cluster,
            -graph.pcc_capacity_kw[pcc],
            graph.pccs[pcc].name,
        ),
    )


def _stay_closed(graph: ClusterGraph) -> BoolArray:
    return np.array([not pcc.can_open for pcc in graph.pccs], dtype=np.bool_)


def _close_pccs(plan: _Plan) -> BoolArray:
    """Source 4, Fig. 6 c: in each group the PCC of who draws most, the next where its capacity is short."""
    closed = _stay_closed(plan.graph)
    entity = plan.entity
    for one in np.unique(entity):
        group = np.flatnonzero(entity == one)
        left_kw = _left_over_kw(plan, group, closed)
        for pcc in _draw_order(plan, group):
            is_first = not closed[np.isin(plan.graph.pcc_cluster, group)].any()
            with_it = closed.copy()
            with_it[pcc] = True
            less_kw = _left_over_kw(plan, group, with_it)
            if is_first or less_kw < left_kw - TOLERANCE_KW:
                closed, left_kw = with_it, less_kw
    return closed


def _left_over_kw(plan: _Plan, group: IntArray, pcc_closed: BoolArray) -> float:
    """What a group's PCCs cannot exchange of what is left after (a) [kW]."""
    inside = np.isin(np.arange(len(plan.graph.clusters)), group)
    flow = plan.flow.copy()
    flow.residual_kw = np.where(inside, flow.residual_kw, 0.0)
    exchange_at_pccs(plan.graph, plan.joined, pcc_closed, flow)
    return float(np.abs(flow.residual_kw).sum())


def _serve_radially(plan: _Plan) -> tuple[BoolArray, BoolArray]:
    """Positions with one PCC a group: a group for which no PCC is wide enough is split where that helps."""
    link_closed, pcc_closed = plan.joined.copy(), np.zeros(len(plan.graph.pccs), dtype=np.bool_)
    waiting = [np.flatnonzero(plan.entity == one) for one in np.unique(plan.entity)]
    while waiting:
        group = waiting.pop()
        whole = _best_alone(plan, group, link_closed)
        split = _best_split(plan, group, link_closed) if whole[0] > (0, TOLERANCE_KW) else None
        if split is not None and split[0][:2] < whole[0][:2]:
            link_closed[split[1]] = False
            label = groups(plan.graph, link_closed)
            waiting += [group[label[group] == one] for one in np.unique(label[group])]
        else:
            pcc_closed |= whole[1]
    return link_closed, pcc_closed


Worth = tuple[int, float, float]
"""PCCs beyond one a group, then unserved and curtailed power, then exchange [kW]: less is better."""


def _best_alone(plan: _Plan, group: IntArray, link_closed: BoolArray) -> tuple[Worth, BoolArray]:
    """The PCC that serves a group best on its own: the first, in the order of draw, that is wide enough."""
    graph = plan.graph
    fixed = _stay_closed(graph) & np.isin(graph.pcc_cluster, group)
    options = [fixed] if fixed.any() else [_one(len(graph.pccs), pcc) for pcc in _draw_order(plan, group)]
    # A group that no PCC can be reached from has none to choose.
    options = options or [fixed]
    best = options[0]
    least = _worth(plan, group, link_closed, best)
    for closed in options[1:]:
        if least[:2] <= (0, 0.0):
            break
        worth = _worth(plan, group, link_closed, closed)
        if worth[:2] < least[:2]:
            best, least = closed, worth
    return least, best


def _one(count: int, at: int) -> BoolArray:
    chosen: BoolArray = np.arange(count) == at
    return chosen


def _worth(plan: _Plan, group: IntArray, link_closed: BoolArray, pcc_closed: BoolArray) -> Worth:
    inside = np.isin(np.arange(len(plan.graph.clusters)), group)
    done = carry(plan.graph, np.where(inside, plan.balance_kw, 0.0), link_closed, pcc_closed)
    beyond = max(0, int(pcc_closed.sum()) - 1)
    return beyond, round(done.shortfall_kw, 9), round(done.exchange_kw, 9)


def _best_split(plan: _Plan, group: IntArray, link_closed: BoolArray) -> tuple[Worth, int] | None:
    """The link inside a group whose opening leaves least unserved, both sides having a PCC each."""
    graph = plan.graph
    found: list[tuple[Worth, str, int]] = []
    for link in np.flatnonzero(link_closed & np.isin(graph.link_ends[:, 0], group)).tolist():
        opened = link_closed & ~_one(len(graph.links), link)
        label = groups(graph, opened)[group]
        sides = [group[label == one] for one in np.unique(label)]
        if graph.links[link].can_open and len(sides) == 2 and all(_draw_order(plan, side) for side in sides):
            (one, _), (other, _) = (_best_alone(plan, side, opened) for side in sides)
            worth = (one[0] + other[0], round(one[1] + other[1], 9), round(one[2] + other[2], 9))
            found.append((worth, graph.links[link].name, link))
    return (min(found)[0], min(found)[2]) if found else None
