"""Replays a switching sequence by another way than it was made: the oracle of its tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.model.switches import with_positions
from gridcommons.model.topology import bus_nodes
from gridcommons.powerflow.admittance import Network, build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import Injections
from gridcommons.switching.sequence import WORSE, Rules, SwitchingSequence
from gridcommons.switching.technical import Operation


def replay(
    operation: Operation,
    sequence: SwitchingSequence,
    rules: Rules | None = None,
    before: BoolArray | None = None,
) -> Names:
    """What is wrong with a sequence, found by another way than it was made; nothing where it is safe.

    Walks over closed branches instead of labelling components, and solves by Newton's method; for balanced
    grids, voltages and loadings.

    Parameters
    ----------
    before : (switches,), optional
        Positions against which nothing may get worse; the start of the sequence where none are given.
    """
    rules = rules or Rules()
    names = [switch.name for switch in operation.switches]
    closed, wrong = sequence.start.copy(), []
    first = _look(operation, sequence.start if before is None else before)
    needed = first.supplied & _look(operation, sequence.goal).supplied
    for number, step in enumerate(sequence.steps, start=1):
        at = names.index(step.switch)
        if closed[at] == step.closes or not operation.switches[at].moves:
            wrong.append(f"step {number} does not move {step.switch}")
        closed[at] = step.closes
        look = _look(operation, closed)
        is_last = number == len(sequence.steps)
        wrong += [f"step {number}: {text}" for text in look.worse_than(first, needed)]
        if look.meshes > first.meshes and (is_last or not rules.momentary_parallel):
            wrong.append(f"step {number}: {look.meshes} loops or sources in parallel")
    if (closed != sequence.reached).any():
        wrong.append("the steps do not lead to the positions reached")
    if (sequence.fallback == "none") != bool((sequence.reached == sequence.goal).all()):
        wrong.append("it is not said rightly whether the goal is reached")
    return tuple(wrong)


@dataclass(frozen=True, eq=False)
class _Look:
    """What a walk over closed branches and Newton's method say of positions."""

    supplied: BoolArray
    meshes: int
    room: FloatArray

    def worse_than(self, first: _Look, needed: BoolArray) -> Names:
        """Who is cut off, and whether a limit is broken that was not, or by more."""
        lost = [f"column {at} is cut off" for at in np.flatnonzero(needed & ~self.supplied)]
        tight = self.room < np.minimum(first.room, 0.0) - 2.0 * WORSE
        return (*lost, *(["a limit is broken"] if tight.any() else []))


def _look(operation: Operation, closed: BoolArray) -> _Look:
    grid = with_positions(operation.grid, operation.switches, closed)
    node, branches = bus_nodes(grid), grid.branches
    ends = np.stack([node[branches.from_bus], node[branches.to_bus]], axis=1)[branches.in_service]
    alive, meshes = _walk_from_sources(operation, ends, node[grid.sources.bus].tolist())
    fed = np.isin(node[operation.injections.bus], list(alive))
    return _Look(fed, meshes, _room(operation, build_network(grid), fed))


def _room(operation: Operation, network: Network, fed: BoolArray) -> FloatArray:
    """Room to every voltage and loading limit by Newton's method, (steps, limits) [pu or share of rating]."""
    given, limits = operation.injections, operation.limits
    if network.pq_count == 0:
        return np.full(
            (len(given), 2 * len(limits.vm_min_pu[0]) + len(limits.loading_max_percent[0])), np.inf
        )
    kept = Injections(given.bus[fed], given.p_kw[:, fed], given.q_kvar[:, fed])
    flow = solve_power_flow(network, kept, method="newton")
    vm_pu, loading = flow.vm_pu(), flow.loading_percent()
    rooms = (
        vm_pu - limits.vm_min_pu,
        limits.vm_max_pu - vm_pu,
        (limits.loading_max_percent - loading) / 100.0,
    )
    room = np.concatenate(rooms, axis=1)
    # Without a solution there is no room at all; where nothing is supplied there is any.
    room[~flow.solved] = -np.inf
    return np.where(np.isnan(room), np.inf, room)


def _walk_from_sources(operation: Operation, ends: IntArray, sources: list[int]) -> tuple[set[int], int]:
    """Nodes that sources reach, and how many ways there are beyond one to each."""
    alive: set[int] = set()
    meshes = 0
    for source in dict.fromkeys(sources):
        if source in alive:
            meshes += not operation.parallel_allowed
            continue
        queue, before = [source], len(alive)
        alive.add(source)
        for at in queue:
            beside = {int(end) for end in ends[(ends == at).any(axis=1)].ravel()} - alive
            alive |= beside
            queue += sorted(beside)
        edges = int(np.isin(ends[:, 0], queue).sum())
        meshes += (edges - (len(alive) - before - 1)) * operation.radial
    return alive, meshes
