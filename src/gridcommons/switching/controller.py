"""The two controllers of switches between clusters: the source's heuristic, and the best of all topologies.

Both leave the switches alone where a change does not pay for its operations, so that the topology does not
flap, and move by safe sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.model.clusters import ClusterGraph, ClusterMap, Topology, groups
from gridcommons.model.grid import BoolArray, FloatArray, Grid
from gridcommons.model.members import Member
from gridcommons.model.switches import Moves, Switch
from gridcommons.ports import Loaded, SwitchController, SwitchWish
from gridcommons.powerflow.solution import Injections
from gridcommons.switching.cluster_optimal import Aim, can_enumerate, optimal
from gridcommons.switching.clusters import find_clusters
from gridcommons.switching.heuristic import join_clusters, notes_on
from gridcommons.switching.sequence import plan_sequence, worth_moving
from gridcommons.switching.technical import Operation
from gridcommons.switching.transport import carry

Planner = Callable[[ClusterGraph, FloatArray, BoolArray, SwitchWish], Topology]
"""From balances and current positions to positions."""


def _by_heuristic(
    graph: ClusterGraph, balance_kw: FloatArray, _current: BoolArray, wish: SwitchWish
) -> Topology:
    return join_clusters(graph, balance_kw, parallel_allowed=wish.parallel_allowed)


def _by_enumeration(
    graph: ClusterGraph, balance_kw: FloatArray, current: BoolArray, wish: SwitchWish
) -> Topology:
    best = optimal(
        graph,
        balance_kw[None, :],
        current,
        Aim(objective=wish.objective, parallel_allowed=wish.parallel_allowed),
    )
    topology = carry(graph, balance_kw, best.link_closed[0], best.pcc_closed[0])
    return replace(topology, notes=notes_on(graph))


PLANNERS: dict[str, Planner] = {"heuristic": _by_heuristic, "optimal": _by_enumeration}
"""How positions are found, by the name that a study gives."""


@dataclass(frozen=True)
class ClusterController:
    """Plans by one of ``PLANNERS`` and moves by safe sequences.

    Parameters
    ----------
    planner : callable
        Finds positions.
    """

    planner: Planner

    def can_plan(self, graph: ClusterGraph) -> bool:
        """See ``SwitchController``."""
        return self.planner is not _by_enumeration or can_enumerate(graph)

    def find_clusters(self, grid: Grid, members: Sequence[Member], switches: Sequence[Switch]) -> ClusterMap:
        """See ``SwitchController``."""
        return find_clusters(grid, tuple(members), tuple(switches))

    def plan(
        self, graph: ClusterGraph, balance_kw: FloatArray, current: BoolArray, wish: SwitchWish
    ) -> Topology:
        """See ``SwitchController``."""
        wanted = self.planner(graph, balance_kw, current, wish)
        closed = np.concatenate([wanted.link_closed, wanted.pcc_closed])
        links = len(graph.links)
        staying = carry(graph, balance_kw, current[:links], current[links:])
        if not _may_stay(graph, current, wish) or staying.shortfall_kw > wanted.shortfall_kw + 1e-9:
            return wanted
        saved_kw = staying.exchange_kw - wanted.exchange_kw
        benefit = saved_kw * wish.price_per_kwh * wish.worth_hours
        moved = (
            switch.operation_cost_amount
            for switch, k in zip(graph.switches, closed != current, strict=True)
            if k
        )
        # What is no better by more than rounding is not worth any operation.
        return (
            wanted
            if saved_kw > 1e-6 and worth_moving(benefit, sum(moved))
            else replace(staying, notes=wanted.notes)
        )

    def exchange(self, graph: ClusterGraph, balance_kw: FloatArray, closed: BoolArray) -> Topology:
        """See ``SwitchController``."""
        links = len(graph.links)
        return carry(graph, balance_kw, closed[:links], closed[links:])

    def move(self, loaded: Loaded, start: BoolArray, goal: BoolArray) -> Moves:
        """See ``SwitchController``."""
        to_bus = loaded.to_bus if (loaded.to_bus >= 0).any() else None
        injections = Injections(loaded.bus, loaded.p_kw[None, :], loaded.q_kvar[None, :], to_bus=to_bus)
        operation = Operation(
            loaded.grid,
            loaded.switches,
            loaded.limits,
            injections,
            radial=not loaded.parallel_allowed,
            parallel_allowed=loaded.parallel_allowed,
        )
        sequence = plan_sequence(operation, start, goal)
        return Moves(
            tuple(step.switch for step in sequence.steps),
            np.array([step.closes for step in sequence.steps], dtype=np.bool_),
            sequence.reached,
            # There is one step: the moment in which switches move.
            sequence.reason.replace(" at step 0", ""),
            sequence.operation_cost_amount,
        )


def _may_stay(graph: ClusterGraph, current: BoolArray, wish: SwitchWish) -> bool:
    """Whether current positions have what every plan has: no loop, no two PCCs of one group closed."""
    if wish.parallel_allowed:
        return True
    links = len(graph.links)
    label = groups(graph, current[:links])
    pccs = np.bincount(label[graph.pcc_cluster[current[links:]]], minlength=len(graph.clusters))
    loops = int(current[:links].sum()) - (len(graph.clusters) - len(np.unique(label)))
    return loops == 0 and bool((pccs <= 1).all())


def make_controller(method: str) -> SwitchController:
    """The controller of a method by its name in ``PLANNERS``."""
    return ClusterController(PLANNERS[method])
