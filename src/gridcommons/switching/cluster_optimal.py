"""The best positions of links and PCCs, over all there are: what the heuristic is measured against.

What a topology exchanges has a closed form. With b(S) the balance of a set S of clusters, δ(S) the capacity
of the closed links that leave it and p(S) the capacity of its closed PCCs, max-flow min-cut gives, with
maxima over all sets, the empty one included:

    curtailed = max b(S) - δ(S) - p(S)        unserved = max -b(S) - δ(S) - p(S)
    fed in    = max b(S) - δ(S), less what is curtailed
    absorbed  = max -b(S) - δ(S), less what is unserved

(D. Gale, Pacific J. Math. 7(2), 1957, on flows that meet supply and demand; the level sets of the dual of the
transport problem give the rest.) So thousands of topologies and a day of steps are a few array operations.
``carry`` moves the same power along paths; the tests hold the two against each other. Where everything is
served, exchange is twice the feed-in less the sum of balances: both objectives then have the same optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gridcommons.model.clusters import ClusterGraph, Topology, check_balances, groups
from gridcommons.model.errors import GridcommonsError, InfeasibleError, Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray

STATES_MAX = 2**16
"""Most topologies that are enumerated, and most sets of clusters."""

CHUNK = 4_000_000
"""States times steps that are valued at once."""

TIE_SHARE = 1e-9
"""Values closer than this share of their size (and of 1 kW) count as equal."""

GAP_KW = 1e-6
"""A plan that exchanges less than this beyond the optimum is as good [kW]."""

Objective = Literal["injection", "exchange"]


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What is wanted of a topology, after as much as possible is served.

    Parameters
    ----------
    objective : {"injection", "exchange"}
        Least power fed into the main grid, or least power fed in and absorbed.
    parallel_allowed : bool
        Whether closed links may make loops and join PCCs. Where not, every group is a tree with one PCC.
    price_per_kwh : float, optional
        What a kWh of the objective costs [currency/kWh]: operations are then weighed against it by their
        cost. Without a price the objective comes first and fewest operations second.
    step_hours : float
        Length of a step [h].
    is_sequence : bool
        Whether steps follow each other, so that each starts from the positions of the one before.
    """

    objective: Objective = "injection"
    parallel_allowed: bool = False
    price_per_kwh: float | None = None
    step_hours: float = 1.0
    is_sequence: bool = True


@dataclass(frozen=True, eq=False)
class States:
    """Topologies that are allowed, in the order of their positions by name, open before closed.

    Parameters
    ----------
    link_closed : (states, links)
        Positions of the links.
    pcc_closed : (states, pccs)
        Positions of the PCCs.
    """

    link_closed: BoolArray
    pcc_closed: BoolArray

    def __len__(self) -> int:
        """Number of states."""
        return len(self.link_closed)

    @property
    def closed(self) -> BoolArray:
        """Positions of links, then PCCs, shape (states, switches)."""
        return np.concatenate([self.link_closed, self.pcc_closed], axis=1)


@dataclass(frozen=True, eq=False)
class Best:
    """The best topology of each step.

    Parameters
    ----------
    link_closed, pcc_closed : (steps, links), (steps, pccs)
        Positions.
    injection_kw, absorbed_kw, unserved_kw, curtailed_kw : (steps,)
        What it exchanges and what it leaves; magnitudes [kW].
    operations : (steps,)
        Switches that move.
    operation_cost_amount : (steps,)
        What that costs [currency].
    objective_amount : (steps,)
        Objective at its price plus operations [currency]; NaN without a price.
    states : int
        Topologies that were compared.
    """

    link_closed: BoolArray
    pcc_closed: BoolArray
    injection_kw: FloatArray
    absorbed_kw: FloatArray
    unserved_kw: FloatArray
    curtailed_kw: FloatArray
    operations: IntArray
    operation_cost_amount: FloatArray
    objective_amount: FloatArray
    states: int

    @property
    def exchange_kw(self) -> FloatArray:
        """Fed-in and absorbed power together, shape (steps,) [kW]."""
        return self.injection_kw + self.absorbed_kw

    @property
    def shortfall_kw(self) -> FloatArray:
        """Unserved and curtailed power together, shape (steps,) [kW]."""
        return self.unserved_kw + self.curtailed_kw


def optimal(graph: ClusterGraph, balance_kw: FloatArray, current: BoolArray, aim: Aim | None = None) -> Best:
    """The allowed topology that first serves most and then has the least objective, for each step.

    Among equals the one with fewest operations from ``current``, then the first by name of what is closed.
    Each step is the best for itself from where the step before ended, not part of the best day.

    Parameters
    ----------
    graph : ClusterGraph
        Clusters, links and PCCs.
    balance_kw : (steps, clusters)
        Surplus of each cluster [kW].
    current : (links + pccs,)
        Positions before the first step, links first.
    aim : Aim
        What is wanted.

    Raises
    ------
    GridcommonsError
        There are more than 2^16 topologies.
    InfeasibleError
        Switches that cannot be opened make a loop or put PCCs in parallel, which is not allowed.
    """
    aim = aim or Aim()
    _check(graph, balance_kw, current, aim)
    states = enumerate_states(graph, parallel_allowed=aim.parallel_allowed)
    size = max(1, CHUNK // len(states))
    at, parts = current, []
    for start in range(0, len(balance_kw), size):
        values = values_of(graph, states, balance_kw[start : start + size])
        chosen = _choose(graph, states, values, at, aim)
        parts.append((chosen, values[:, chosen, np.arange(len(chosen))]))
        at = states.closed[chosen[-1]] if aim.is_sequence else at
    picked, flows = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    closed = states.closed[picked]
    before = np.concatenate([current[None], closed[:-1]]) if aim.is_sequence else current[None]
    moves = closed != before
    cost = moves @ _operation_costs(graph)
    objective_kw = flows[0] + (flows[1] if aim.objective == "exchange" else 0.0)
    price = np.nan if aim.price_per_kwh is None else aim.price_per_kwh
    links = len(graph.links)
    return Best(
        link_closed=closed[:, :links],
        pcc_closed=closed[:, links:],
        injection_kw=flows[0],
        absorbed_kw=flows[1],
        unserved_kw=flows[2],
        curtailed_kw=flows[3],
        operations=moves.sum(axis=1),
        operation_cost_amount=cost,
        objective_amount=objective_kw * aim.step_hours * price + cost,
        states=len(states),
    )


def _operation_costs(graph: ClusterGraph) -> FloatArray:
    return np.array([switch.operation_cost_amount for switch in graph.switches], dtype=np.float64)


def _check(graph: ClusterGraph, balance_kw: FloatArray, current: BoolArray, aim: Aim) -> None:
    check_balances(graph, balance_kw)
    problems = []
    if balance_kw.ndim != 2 or len(balance_kw) == 0:
        problems.append(
            Problem("balances", f"shape {balance_kw.shape}", "(steps, clusters), a step at least")
        )
    if current.shape != (len(graph.switches),):
        expected = f"({len(graph.switches)},), links first"
        problems.append(Problem("current positions", f"shape {current.shape}", expected))
    if aim.price_per_kwh is not None and not aim.price_per_kwh >= 0.0:
        found = f"{aim.price_per_kwh:g}"
        problems.append(Problem("aim", found, "a price of at least 0", column="price_per_kwh"))
    if problems:
        raise StudyError(problems)


def can_enumerate(graph: ClusterGraph) -> bool:
    """Whether the topologies, and the sets of clusters, are few enough to compare all."""
    free = sum(switch.carries and switch.can_open for switch in graph.switches)
    return bool(2 ** max(free, len(graph.clusters)) <= STATES_MAX)


def enumerate_states(graph: ClusterGraph, *, parallel_allowed: bool) -> States:
    """All topologies in which whoever can reach a PCC does, in trees with one PCC unless parallel is allowed.

    A switch that cannot be closed, or has no capacity, is open in all; one that cannot be opened is closed.
    """
    free = np.array([s.carries and s.can_open for s in graph.switches], dtype=np.bool_)
    names = np.array([s.name for s in graph.switches])
    count = int(free.sum())
    if not can_enumerate(graph):
        raise GridcommonsError(
            f"{count} switches that move and {len(graph.clusters)} clusters: more than {STATES_MAX} "
            "topologies or sets of clusters to compare; use the heuristic, or take switches out that need "
            "not move"
        )
    order = np.flatnonzero(free)[np.argsort(names[free], kind="stable")]
    bits = np.arange(2**count)[:, None] >> np.arange(count)[::-1] & 1
    closed = np.zeros((2**count, len(free)), dtype=np.bool_)
    closed[:, order] = bits.astype(np.bool_)
    closed[:, [not s.can_open for s in graph.switches]] = True
    links = len(graph.links)
    states = States(closed[:, :links], closed[:, links:])
    allowed = _allowed(graph, states, parallel_allowed)
    if not allowed.any():
        stuck = [s.name for s in graph.switches if not s.can_open]
        raise InfeasibleError(
            f"no topology is radial while {', '.join(stuck)} cannot be opened: they close a loop or put PCCs "
            "in parallel; allow parallel operation"
        )
    return States(states.link_closed[allowed], states.pcc_closed[allowed])


def _allowed(graph: ClusterGraph, states: States, parallel_allowed: bool) -> BoolArray:
    label = groups(graph, states.link_closed)
    pccs = np.zeros(label.shape, dtype=np.int64)
    every = np.arange(len(states))
    for pcc, cluster in enumerate(graph.pcc_cluster):
        pccs[every, label[:, cluster]] += states.pcc_closed[:, pcc]
    of_cluster = np.take_along_axis(pccs, label, axis=1)
    reached: BoolArray = np.all((of_cluster > 0) | ~graph.reaches_pcc, axis=1)
    if parallel_allowed:
        return reached
    trees = (label == np.arange(label.shape[1])).sum(axis=1)
    loops = states.link_closed.sum(axis=1) - (label.shape[1] - trees)
    radial: BoolArray = reached & (loops == 0) & np.all(pccs <= 1, axis=1)
    return radial


def values_of(graph: ClusterGraph, states: States, balance_kw: FloatArray) -> FloatArray:
    """Fed in, absorbed, unserved and curtailed in each topology at each step, shape (4, states, steps) [kW].

    Parameters
    ----------
    states : States
        Topologies.
    balance_kw : (steps, clusters)
        Surplus of each cluster [kW].
    """
    sets = (np.arange(2 ** len(graph.clusters))[:, None] >> np.arange(len(graph.clusters)) & 1).astype(
        np.bool_
    )
    surplus_kw = sets.astype(np.float64) @ balance_kw.T
    ends = graph.link_ends
    leaves = sets[:, ends[:, 0]] ^ sets[:, ends[:, 1]]
    rows, of_state = np.unique(states.link_closed, axis=0, return_inverse=True)
    cut_kw = _capacity_kw(leaves, rows, graph.link_capacity_kw)
    way_out_kw = _capacity_kw(sets[:, graph.pcc_cluster], states.pcc_closed, graph.pcc_capacity_kw)
    give, lack = (_most(sign * surplus_kw, cut_kw)[of_state.ravel()] for sign in (1.0, -1.0))
    way_out_kw += cut_kw[of_state.ravel()]
    curtailed, unserved = (_most(sign * surplus_kw, way_out_kw) for sign in (1.0, -1.0))
    return np.stack([give - curtailed, lack - unserved, unserved, curtailed])


def _capacity_kw(crosses: BoolArray, closed: BoolArray, capacity_kw: FloatArray) -> FloatArray:
    """Capacity of the closed switches that lead out of each set, shape (rows, sets) [kW]."""
    total = np.zeros((len(closed), len(crosses)))
    for switch, most in enumerate(capacity_kw):
        total += np.where(closed[:, switch, None] & crosses[None, :, switch], most, 0.0)
    return total


def _most(surplus_kw: FloatArray, way_out_kw: FloatArray) -> FloatArray:
    """Largest surplus beyond the way out over all sets, shape (rows, steps) [kW]; 0 for the empty set."""
    most = np.zeros((len(way_out_kw), surplus_kw.shape[1]))
    for each in range(1, len(surplus_kw)):
        np.maximum(most, surplus_kw[each] - way_out_kw[:, each, None], out=most)
    return most


def _choose(
    graph: ClusterGraph, states: States, values: FloatArray, current: BoolArray, aim: Aim
) -> IntArray:
    """State of each step: least shortfall, then objective (or amount), then operations, then name."""
    cost = _operation_costs(graph)
    shortfall_kw = values[2] + values[3]
    objective = values[0] + (values[1] if aim.objective == "exchange" else 0.0)
    chosen = np.zeros(values.shape[2], dtype=np.int64)
    for step in range(len(chosen)):
        moves = states.closed != current
        candidates = _least(np.arange(len(states)), shortfall_kw[:, step])
        worth = objective[:, step]
        if aim.price_per_kwh is not None:
            worth = worth * aim.step_hours * aim.price_per_kwh + moves @ cost
        candidates = _least(candidates, worth)
        # Equally good states are in the order of names, so the first with fewest moves is it.
        chosen[step] = candidates[np.argmin(moves.sum(axis=1)[candidates])]
        current = states.closed[chosen[step]] if aim.is_sequence else current
    return chosen


def _least(candidates: IntArray, value: FloatArray) -> IntArray:
    least = float(value[candidates].min())
    kept: IntArray = candidates[value[candidates] <= least + TIE_SHARE * max(1.0, abs(least))]
    return kept


@dataclass(frozen=True)
class Gap:
    """How much more a sequence of plans exchanges than the optimum.

    Parameters
    ----------
    plan_kwh, best_kwh : float
        Objective summed over the steps [kWh].
    gap_kwh : float
        Difference [kWh].
    gap_share : float
        The same, of the optimum; infinite where that is 0 and the plan's is not.
    shortfall_kwh : float
        What the plan leaves unserved and curtailed beyond the optimum [kWh]; where it is above 0, the plan
        exchanges less because it serves less.
    worse_steps : int
        Steps at which the plan serves less, or exchanges more.
    """

    plan_kwh: float
    best_kwh: float
    gap_kwh: float
    gap_share: float
    shortfall_kwh: float
    worse_steps: int


def gap(plans: Sequence[Topology], best: Best, aim: Aim | None = None) -> Gap:
    """What a plan a step costs against the optimum of the same steps and the same aim.

    Parameters
    ----------
    plans : sequence of Topology
        One a step, as of ``join_clusters``.
    best : Best
        Of ``optimal``, without a price: with one the optimum saves operations as well.
    aim : Aim
        What both were made for.
    """
    aim = aim or Aim()
    is_exchange = aim.objective == "exchange"
    plan_kw = np.array([plan.exchange_kw if is_exchange else plan.injection_kw for plan in plans])
    best_kw = best.exchange_kw if is_exchange else best.injection_kw
    if plan_kw.shape != best_kw.shape:
        expected = f"{len(best_kw)}, one a step of the optimum"
        raise StudyError([Problem("plans", f"{len(plan_kw)} plans", expected)])
    more_kw = plan_kw - best_kw
    short_kw = np.array([plan.shortfall_kw for plan in plans]) - best.shortfall_kw
    plan_kwh, best_kwh = (float(kw.sum()) * aim.step_hours for kw in (plan_kw, best_kw))
    is_zero = best_kwh <= TIE_SHARE
    share = (0.0 if plan_kwh <= TIE_SHARE else np.inf) if is_zero else plan_kwh / best_kwh - 1.0
    worse = (short_kw > GAP_KW) | ((np.abs(short_kw) <= GAP_KW) & (more_kw > GAP_KW))
    return Gap(
        plan_kwh=plan_kwh,
        best_kwh=best_kwh,
        gap_kwh=plan_kwh - best_kwh,
        gap_share=float(share),
        shortfall_kwh=float(short_kw.sum()) * aim.step_hours,
        worse_steps=int(worse.sum()),
    )
