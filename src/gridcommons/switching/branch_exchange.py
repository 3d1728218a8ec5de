"""A search of the radial topology of least losses: descent over all exchanges, kicks, and descent again.

A plain branch exchange stops where no single exchange helps. Here it starts from the optimal flow pattern
of the meshed grid, evaluates exchanges exactly, and is kicked out of where it stops until a stated number of
kicks has not helped (iterated local search: Lourenço, Martin, Stützle, in "Handbook of Metaheuristics", 2003,
chapter 11). Some ends are too deep for any kick, so that whole chains are begun anew as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array, csr_array, diags_array
from scipy.sparse.linalg import splu

from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.switching.feeder import Feeder
from gridcommons.switching.radial_sweeps import (
    SPANNING,
    Case,
    Flow,
    Forest,
    Scenarios,
    evaluate_exchanges,
    exchange_estimates,
    forest_flow,
    loop_of,
    make_forest,
    order_forest,
    reaches_all,
)

KICKS = 40
"""Kicks in a row that must not help before a chain ends."""

CHAINS = 3
"""Chains in a row that must not help before the search ends."""

STEPS = 8
"""Steps beyond which chains run on representative steps; what they end at is finished on all."""

CHUNK = 16
"""Exchanges that are evaluated before one of them is taken."""

EXCESS_TOLERANCE = 1e-9
"""What lies outside limits by no more counts as inside."""

WORTH_SHARE = 1e-10
"""Share of the losses by which a topology must be better to count as better."""


@dataclass(frozen=True, eq=False)
class Topology:
    """A forest with what it loses.

    Parameters
    ----------
    closed : (edges,)
        Which edges of the feeder's graph are closed.
    losses_kwh : float
        Losses over all steps [kWh].
    excess : float
        Sum of what lies outside limits: voltages [pu], currents and powers as shares; infinite where the
        load flow has no solution.
    """

    closed: BoolArray
    losses_kwh: float
    excess: float

    @property
    def is_inside(self) -> bool:
        """Whether all limits hold."""
        return self.excess <= EXCESS_TOLERANCE

    def is_better_than(self, other: Topology) -> bool:
        """Whether it breaks limits less or, where both hold them or break them alike, loses less."""
        if self.is_inside != other.is_inside:
            return self.is_inside
        if not self.is_inside and abs(self.excess - other.excess) > WORTH_SHARE * other.excess:
            return self.excess < other.excess
        return self.losses_kwh < other.losses_kwh * (1.0 - WORTH_SHARE)


@dataclass(frozen=True, eq=False)
class SearchEnd:
    """The best topology that a search found, and how many it evaluated."""

    best: Topology
    evaluated: int


class ExchangeSearch:
    """Descent and kicks over one feeder; counts what it evaluates.

    Parameters
    ----------
    case : Case
        Graph, loads and limits.
    may_move : (edges,)
        Which edges may be opened and closed.
    """

    def __init__(self, case: Case, may_move: BoolArray) -> None:
        self.case, self.may_move = case, may_move
        steps, nodes = case.scenarios.s.shape
        self.forest: Forest = make_forest(nodes)
        self.flow = Flow(np.empty((steps, nodes), np.complex128), np.empty((steps, nodes), np.complex128))
        self.loop = np.empty(nodes, np.int64)
        most = nodes * int(may_move.sum())
        self.pairs, self.promised = np.empty((most, 2), np.int64), np.empty(most)
        self.evaluated = 0

    def topology(self, closed: BoolArray) -> Topology:
        """A forest with its losses; leaves its order and its flow behind for the next exchanges."""
        self.evaluated += 1
        losses_kwh, excess = forest_flow(self.case, closed, self.forest, self.flow)
        return Topology(closed.copy(), float(losses_kwh), float(excess))

    def descend(self, closed: BoolArray) -> Topology:
        """The topology, from a forest on, at which no exchange of one closed for one open edge is better."""
        now = self.topology(closed)
        while np.isfinite(now.excess):
            after = self._better_exchange(now)
            if after is None:
                break
            now = self.topology(after)
        return now

    def _better_exchange(self, now: Topology) -> BoolArray | None:
        """The best of the most promising exchanges among which one is better; None if none of all is."""
        pairs = self._promising(np.flatnonzero(self.may_move & ~now.closed))
        for first in range(0, len(pairs), CHUNK):
            chunk = pairs[first : first + CHUNK]
            found = np.empty((len(chunk), 2))
            evaluate_exchanges(self.case, now.closed, chunk, self.flow, found)
            self.evaluated += len(chunk)
            best, at = now, -1
            for k, (losses_kwh, excess) in enumerate(found.tolist()):
                candidate = Topology(now.closed, losses_kwh, excess)
                if candidate.is_better_than(best):
                    best, at = candidate, k
            if at >= 0:
                return exchanged(now.closed, chunk[at])
        return None

    def _promising(self, ties: IntArray) -> IntArray:
        """All exchanges that close one of some edges, (close, open), the most promising first, (pairs, 2)."""
        switches, found = (ties, self.may_move), (self.pairs, self.promised)
        count = exchange_estimates(self.case, self.forest, self.flow, switches, found)
        return self.pairs[np.argsort(self.promised[:count], kind="stable")]

    def chain(self, start: Topology, rng: np.random.Generator, kicks: int) -> Topology:
        """The best topology that descents from kicked ones reach before ``kicks`` in a row do not help."""
        best, still = start, 0
        while still < kicks:
            closed = self.regrow(best.closed, rng) if rng.integers(2) else self.shuffle(best.closed, rng)
            found = self.descend(closed)
            still += 1
            if found.is_better_than(best):
                best, still = found, 0
        return best

    def shuffle(self, closed: BoolArray, rng: np.random.Generator) -> BoolArray:
        """A forest a few random exchanges away."""
        for _ in range(int(rng.integers(2, 13))):
            order_forest(self.case.graph, closed, self.forest)
            tie = int(rng.choice(np.flatnonzero(self.may_move & ~closed)))
            count, _ = loop_of(self.case.graph, self.forest, tie, self.loop)
            ring = self.forest.up[self.loop[:count]]
            ring = ring[self.may_move[ring]]
            if len(ring):
                closed = exchanged(closed, np.array([tie, int(rng.choice(ring))]))
        return closed

    def regrow(self, closed: BoolArray, rng: np.random.Generator) -> BoolArray:
        """A forest in which a few random open edges are closed, each for the edge that then costs least."""
        ties = np.flatnonzero(self.may_move & ~closed)
        for tie in rng.permutation(ties)[: int(rng.integers(2, 6))]:
            if not np.isfinite(self.topology(closed).excess):
                break
            pairs = self._promising(np.array([tie]))
            if len(pairs):
                closed = exchanged(closed, pairs[0])
        return closed


def exchanged(closed: BoolArray, pair: IntArray) -> BoolArray:
    """The forest with the first of a pair of edges closed and the second opened."""
    after = closed.copy()
    after[pair[0]], after[pair[1]] = True, False
    return after


def search_exchanges(feeder: Feeder, rng: np.random.Generator, kicks: int = KICKS) -> SearchEnd:
    """The best radial topology found by chains of descents and kicks.

    Parameters
    ----------
    feeder : Feeder
        What to search. The positions at the start are a start where they are radial, so that the answer
        is never worse than they are.
    rng : numpy.random.Generator
        Where kicks come from; the same generator gives the same answer.
    kicks : int
        Kicks in a row that must not help before a chain ends; ``CHAINS`` chains in a row must not help.

    Returns
    -------
    SearchEnd
        The answer has been evaluated on all steps by the exact sweeps, and so has every exchange beside it.
        It is outside limits only where the search met none inside: ``Topology.is_inside`` tells.

    Notes
    -----
    Beyond ``STEPS`` steps chains run on representative ones, and what each ends at descends again on all.
    Where that leaves limits broken, chains on all steps follow.
    """
    whole = ExchangeSearch(feeder.case, feeder.may_move)
    if len(feeder.case.scenarios.hours) <= STEPS:
        return SearchEnd(_chains(whole, whole, feeder, rng, kicks), whole.evaluated)
    part = ExchangeSearch(representative(feeder.case, STEPS), feeder.may_move)
    best = _chains(part, whole, feeder, rng, kicks)
    if not best.is_inside:
        other = _chains(whole, whole, feeder, rng, kicks)
        best = other if other.is_better_than(best) else best
    return SearchEnd(best, part.evaluated + whole.evaluated)


def _chains(
    part: ExchangeSearch, whole: ExchangeSearch, feeder: Feeder, rng: np.random.Generator, kicks: int
) -> Topology:
    """Chains on one case, each finished on the whole one, until ``CHAINS`` in a row have not helped."""
    pattern = optimal_flow_pattern(feeder)
    best, still = whole.descend(pattern), 0
    if order_forest(feeder.case.graph, feeder.start, whole.forest) == SPANNING:
        present = whole.descend(feeder.start)
        best = present if present.is_better_than(best) else best
    # With nothing open there is nothing to exchange.
    begin = pattern
    while still < CHAINS and not best.closed.all():
        end = part.chain(part.descend(begin), rng, kicks)
        found = end if part is whole else whole.descend(end.closed)
        still += 1
        if found.is_better_than(best):
            best, still = found, 0
        begin = part.shuffle(pattern, rng)
    return best


def representative(case: Case, count: int) -> Case:
    """A case of fewer steps: the lightest, the heaviest, and means of those between, alike in their load.

    Parameters
    ----------
    case : Case
        Of more steps.
    count : int
        Steps that are left, at least 3.
    """
    s, hours = case.scenarios.s, case.scenarios.hours
    order = np.argsort(s.real.sum(axis=1), kind="stable")
    groups = [order[:1], *np.array_split(order[1:-1], count - 2), order[-1:]]
    mean = np.array([np.average(s[group], axis=0, weights=hours[group]) for group in groups])
    bounds = case.bounds
    return case._replace(
        scenarios=Scenarios(mean, np.array([hours[group].sum() for group in groups])),
        bounds=bounds._replace(
            v_min=_tightest(bounds.v_min, groups, np.max),
            v_max=_tightest(bounds.v_max, groups, np.min),
            i_max=_tightest(bounds.i_max, groups, np.min),
        ),
    )


def _tightest(values: FloatArray, groups: list[IntArray], of: Callable[..., FloatArray]) -> FloatArray:
    if len(values) == 1:
        return values
    return np.array([of(values[group], axis=0) for group in groups])


def optimal_flow_pattern(feeder: Feeder) -> BoolArray:
    """The forest left of the meshed grid when the edge of least current is opened, again and again.

    Currents are those of the loads at nominal voltage in a grid of resistances, which loses least of all
    currents that serve the loads (Shirmohammadi, Hong, "Reconfiguration of electric distribution networks for
    resistive line losses reduction", IEEE Trans. Power Deliv. 4(2), 1989, 1492–1498).
    """
    graph = feeder.case.graph
    closed, kept = np.ones(len(graph.from_node), dtype=np.bool_), ~feeder.may_move
    while True:
        size = _current_squared(feeder, closed)
        opened = False
        for edge in np.argsort(size, kind="stable"):
            if kept[edge] or not closed[edge]:
                continue
            closed[edge] = False
            if reaches_all(graph, closed):
                opened = True
                break
            # An edge that all power behind it needs now is needed for good.
            closed[edge] = kept[edge] = True
        if not opened:
            return closed


def _current_squared(feeder: Feeder, closed: BoolArray) -> FloatArray:
    """Σ hours |I|² of each edge in the grid of resistances, shape (edges,) [pu² h]."""
    graph, scenarios = feeder.case.graph, feeder.case.scenarios
    # An edge without resistance takes what it is offered: a small one keeps the matrix regular.
    r = np.maximum(graph.resistance, 1e-6 * max(float(graph.resistance.max()), 1e-12))
    g = np.where(closed, 1.0 / r, 0.0)
    nodes, row = len(graph.shunt), np.arange(len(g))
    ends = (np.concatenate([row, row]), np.concatenate([graph.from_node, graph.to_node]))
    sign = np.concatenate([np.ones(len(g)), -np.ones(len(g))])
    incidence = csr_array(coo_array((sign, ends), shape=(len(g), nodes)))
    y = csc_array(incidence.T @ diags_array(g) @ incidence)
    free = np.setdiff1d(np.arange(nodes), graph.root)
    v = np.zeros((nodes, len(scenarios.s)), dtype=np.complex128)
    drawn = np.conj(scenarios.s[:, free]).T
    lu = splu(csc_array(y[free][:, free]))
    v[free] = -(lu.solve(np.ascontiguousarray(drawn.real)) + 1j * lu.solve(np.ascontiguousarray(drawn.imag)))
    current = g[:, None] * np.asarray(incidence @ v)
    return np.asarray((np.abs(current) ** 2) @ scenarios.hours)
