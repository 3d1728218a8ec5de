"""The four scenarios of a day (source 4, §4.2): who is joined with whom, and which switches stand where.

1 ``members``: each member alone with the main grid; losses are the grid operator's. 2 ``clusters``: each
cluster behind its own connection, one without a connection joined to the neighbour over the link of largest
capacity. 3 ``joined``: every link and connection closed, connections in parallel, as nobody moves a switch.
4 ``switched``: positions follow each community round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from gridcommons.model.clusters import ClusterGraph, ClusterMap, groups
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.model.study import Study
from gridcommons.model.switches import Moves
from gridcommons.ports import SwitchController, SwitchWish
from gridcommons.powerflow.switched_flows import Connected, loaded_at
from gridcommons.trading.community_day import CommunityDay
from gridcommons.trading.rounds import Rounds


@dataclass(frozen=True, eq=False)
class Change:
    """A change of topology in the course of a day.

    Parameters
    ----------
    round : int
        Community round that decided it.
    minute : int
        When it takes effect.
    moves : Moves
        Operations, in their order.
    """

    round: int
    minute: int
    moves: Moves


@dataclass(frozen=True, eq=False)
class Positions:
    """Where switches stand over a day.

    Parameters
    ----------
    closed : (minutes, switches)
        Positions.
    changes : tuple of Change
        Changes of topology.
    expected_kw : (rounds, pccs)
        Exchange that the grid operator is told to expect after each community round, positive when fed in
        [kW]; NaN in other rounds.
    shortfall_kw : (rounds,)
        What goes unserved or is curtailed by then, as planned [kW]; NaN in other rounds.
    notes : tuple of str
        What could not be done, and why.
    """

    closed: BoolArray
    changes: tuple[Change, ...]
    expected_kw: FloatArray
    shortfall_kw: FloatArray
    notes: tuple[str, ...]

    @property
    def operations(self) -> int:
        """Switches moved over the day."""
        return sum(len(change.moves.switch) for change in self.changes)

    @property
    def cost_amount(self) -> float:
        """What they cost, in the currency of the study."""
        return sum(change.moves.cost_amount for change in self.changes)


def clusters_alone(graph: ClusterGraph) -> BoolArray:
    """Links, then PCCs: every connection closed, and the links by which those without one reach one."""
    link_closed = np.array([not link.can_open for link in graph.links], dtype=np.bool_)
    pcc_closed = graph.pcc_carries.copy()
    order = np.argsort(-graph.link_capacity_kw, kind="stable")
    for _ in graph.clusters:
        label = groups(graph, link_closed)
        has_pcc = np.isin(label, label[graph.pcc_cluster[pcc_closed]])
        a, b = graph.link_ends[order].T if len(order) else (order, order)
        leads = graph.link_carries[order] & (has_pcc[a] != has_pcc[b])
        if not leads.any():
            break
        link_closed[order[np.flatnonzero(leads)[0]]] = True
    return np.concatenate([link_closed, pcc_closed])


def all_joined(graph: ClusterGraph) -> BoolArray:
    """Links, then PCCs: everything closed that can be."""
    return np.concatenate([graph.link_carries, graph.pcc_carries])


def constant_positions(clusters: ClusterMap, closed: BoolArray, shape: tuple[int, int]) -> Positions:
    """The same positions all day, of (minutes, rounds)."""
    minutes, rounds = shape
    everywhere = np.tile(clusters.positions_of(closed), (minutes, 1))
    unknown = np.full((rounds, len(clusters.graph.pccs)), np.nan)
    return Positions(everywhere, (), unknown, np.full(rounds, np.nan), ())


def joined_clusters(clusters: ClusterMap, closed: BoolArray) -> tuple[IntArray, BoolArray]:
    """Which clusters positions join, one number a group, and which have a way to the main grid.

    Parameters
    ----------
    closed : (rows, switches)
        Positions.

    Returns
    -------
    tuple of (rows, clusters)
        Group numbers, and whether a closed connection is in the group.
    """
    graph, links = clusters.graph, len(clusters.graph.links)
    distinct, which = np.unique(closed, axis=0, return_inverse=True)
    labels, ways = [], []
    for positions in distinct:
        both = clusters.closed_of(positions)
        label = groups(graph, both[:links])
        labels.append(label)
        ways.append(np.isin(label, label[graph.pcc_cluster[both[links:]]]))
    return np.stack(labels)[which], np.stack(ways)[which]


@dataclass(frozen=True, eq=False)
class Switchyard:
    """Whoever moves the switches of a day: a controller and what it looks at.

    Parameters
    ----------
    study : Study
        Grid, switches and limits.
    clusters : ClusterMap
        The graph of its clusters.
    controller : SwitchController
        Finds positions and ways.
    wish : SwitchWish
        What is wanted of them.
    connected : Connected
        Power of every asset.
    """

    study: Study
    clusters: ClusterMap
    controller: SwitchController
    wish: SwitchWish
    connected: Connected

    def follow(self, day: CommunityDay, rounds: Rounds, asked_kw: FloatArray, start: BoolArray) -> Positions:
        """Positions over a day that starts from given ones, (switches,), and follows its community rounds.

        ``asked_kw`` is what each round asks of the batteries of each cluster, shape (rounds, clusters) [kW].
        """
        now, notes = start, dict[str, None]()
        closed = np.tile(now, (day.minutes, 1))
        changes: list[Change] = []
        expected_kw = np.full((len(rounds), len(self.clusters.graph.pccs)), np.nan)
        shortfall_kw = np.full(len(rounds), np.nan)
        for index in self.ruling(day, rounds).tolist():
            minute = int(rounds.effect_minute[index])
            balance_kw = self.balance_kw(day, int(rounds.minute[index]), asked_kw[index])
            moves, said = self.decide(day, (int(rounds.minute[index]), minute), balance_kw, now)
            notes |= dict.fromkeys(said)
            if moves is not None:
                if len(moves.switch):
                    changes.append(Change(index, minute, moves))
                now = moves.reached
                closed[minute:] = now
            # Of the positions that are reached, whatever was asked for.
            topology = self.controller.exchange(self.clusters.graph, balance_kw, self.clusters.closed_of(now))
            expected_kw[index], shortfall_kw[index] = topology.pcc_exchange_kw, topology.shortfall_kw
        return Positions(closed, tuple(changes), expected_kw, shortfall_kw, tuple(notes))

    def ruling(self, day: CommunityDay, rounds: Rounds) -> IntArray:
        """The rounds that may move switches, in their order."""
        rules = rounds.is_kind("community") & rounds.takes_effect & (rounds.effect_minute < day.minutes)
        return np.flatnonzero(rules)

    def balance_kw(self, day: CommunityDay, minute: int, asked_kw: FloatArray) -> FloatArray:
        """Surplus of each cluster in a minute, with what is asked of its batteries, (clusters,) [kW]."""
        return np.asarray(day.balance_kw[minute] - self.clusters.fixed_kw - asked_kw)

    def decide(
        self, day: CommunityDay, minutes: tuple[int, int], balance_kw: FloatArray, now: BoolArray
    ) -> tuple[Moves | None, list[str]]:
        """What a round does from the positions that are there: moves, where others are wanted, and notes.

        ``minutes`` are when it is decided and when it takes effect.
        """
        decided, minute = minutes
        price = day.band(decided)
        wish = replace(self.wish, price_per_kwh=price.retail_price_per_kwh - price.feed_in_price_per_kwh)
        here = self.clusters.closed_of(now)
        topology = self.controller.plan(self.clusters.graph, balance_kw, here, wish)
        goal = self.clusters.positions_of(np.concatenate([topology.link_closed, topology.pcc_closed]))
        if (goal == now).all():
            return None, list(topology.notes)
        loaded = loaded_at(self.study, self.connected, minute, self.wish.parallel_allowed)
        moves = self.controller.move(loaded, now, goal)
        said = [f"{self._clock(minute)}: {moves.reason}"] if moves.reason else []
        return moves, [*topology.notes, *said]

    def _clock(self, minute: int) -> str:
        return (self.study.time.local(0) + timedelta(minutes=minute)).strftime("%Y-%m-%d %H:%M")


def group_numbers(graph: ClusterGraph, closed: BoolArray) -> IntArray:
    """Which clusters closed links join, as one number a group, shape (clusters,)."""
    return groups(graph, closed[: len(graph.links)])
