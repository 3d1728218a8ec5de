"""The compiled inner loops of reconfiguration: exact load flow of a forest, and what an exchange changes.

A forest is given by which edges of a graph are closed. Its branches are two-ports between a parent and a
child. With J the current into the child's node, its own and all behind it, an edge obeys

    V_child = α V_parent − ζ J,    I_parent = γ J + σ V_parent,

so that one sweep from the leaves to the roots gives currents and one back gives voltages (Shirmohammadi,
Hong, Semlyen, Luo, "A compensation-based power flow method for weakly meshed distribution and transmission
networks", IEEE Trans. Power Syst. 3(2), 1988, 753–762; here with charging and ratios in α, γ, σ).
All kernels live in this one file: numba's cache does not see edits in another one.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray

SWEEPS = 100
"""Most sweeps over a forest; one that needs more is close to voltage collapse and counts as unsolved."""

SWEEP_TOLERANCE_PU = 1e-10
"""Largest change of a voltage in the last sweep."""

LEAST_SCALE = 1e-9
"""What stands for a limit of zero where an excess is a share of its limit [pu]."""

SPANNING, LOOP, ISLAND = 0, 1, 2
"""What closed edges are: a forest that reaches every node, or with a loop, or without reaching all."""

_jit = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")


class Graph(NamedTuple):
    """Nodes and edges of a feeder, per unit on 1 MVA.

    ``edge[start[n]:start[n + 1]]`` are the edges at node n and ``other`` their far nodes. ``law`` has shape
    (2, edges, 4): α, ζ, γ, σ with the parent at the ``from`` end, then with the parent at the ``to`` end.
    ``root`` (roots,) are the nodes of sources, ``v_root`` (roots,) what they hold, ``shunt`` (nodes,) the
    admittance to earth.
    """

    from_node: IntArray
    to_node: IntArray
    start: IntArray
    edge: IntArray
    other: IntArray
    law: ComplexArray
    resistance: FloatArray
    root: IntArray
    v_root: ComplexArray
    shunt: ComplexArray


class Scenarios(NamedTuple):
    """Power drawn at each node, (steps, nodes) [pu], and how long each step lasts, (steps,) [h]."""

    s: ComplexArray
    hours: FloatArray


class Bounds(NamedTuple):
    """What must hold; the first axis is 1 where constant, else (steps,).

    ``v_min``, ``v_max`` (…, nodes) [pu], ``i_max`` (…, edges, 2) at the ``from`` and the ``to`` end [pu],
    ``p_max`` (edges,) [pu]. Infinite where there is no limit.
    """

    v_min: FloatArray
    v_max: FloatArray
    i_max: FloatArray
    p_max: FloatArray


class Case(NamedTuple):
    """A feeder, its loads and its limits."""

    graph: Graph
    scenarios: Scenarios
    bounds: Bounds


class Forest(NamedTuple):
    """Nodes from the roots outwards: ``node`` (nodes,) in order; ``parent``, ``up``, ``depth`` by node.

    ``parent`` and ``up`` (the edge to the parent) are -1 at a root.
    """

    node: IntArray
    parent: IntArray
    up: IntArray
    depth: IntArray


class Flow(NamedTuple):
    """State of every step: voltages and currents into the nodes from their parents, (steps, nodes) [pu]."""

    v: ComplexArray
    j: ComplexArray


@_jit
def make_forest(nodes: int) -> Forest:
    """Memory for a forest."""
    return Forest(
        np.empty(nodes, np.int64),
        np.empty(nodes, np.int64),
        np.empty(nodes, np.int64),
        np.empty(nodes, np.int64),
    )


@_jit
def order_forest(graph: Graph, closed: BoolArray, forest: Forest) -> int:
    """Order the nodes from the roots outwards; gives ``SPANNING``, ``LOOP`` or ``ISLAND``."""
    forest.depth[:] = -1
    found = 0
    for root in graph.root:
        forest.node[found] = root
        forest.parent[root], forest.up[root], forest.depth[root] = -1, -1, 0
        found += 1
    at = 0
    while at < found:
        node = forest.node[at]
        at += 1
        for k in range(graph.start[node], graph.start[node + 1]):
            edge = graph.edge[k]
            if not closed[edge] or edge == forest.up[node]:
                continue
            other = graph.other[k]
            if forest.depth[other] >= 0:
                return LOOP
            forest.node[found] = other
            forest.parent[other], forest.up[other] = node, edge
            forest.depth[other] = forest.depth[node] + 1
            found += 1
    return SPANNING if found == forest.node.shape[0] else ISLAND


@_jit
def reaches_all(graph: Graph, closed: BoolArray) -> bool:
    """Whether every node has a closed path to a root."""
    nodes = graph.shunt.shape[0]
    seen, queue = np.zeros(nodes, np.bool_), np.empty(nodes, np.int64)
    found = 0
    for root in graph.root:
        seen[root], queue[found] = True, root
        found += 1
    at = 0
    while at < found:
        node = queue[at]
        at += 1
        for k in range(graph.start[node], graph.start[node + 1]):
            if closed[graph.edge[k]] and not seen[graph.other[k]]:
                seen[graph.other[k]], queue[found] = True, graph.other[k]
                found += 1
    return bool(found == nodes)


@_jit
def _laws(graph: Graph, forest: Forest, law: ComplexArray) -> None:
    """α, ζ, γ, σ of the edge above each node that is not a root, in order, shape (nodes, 4)."""
    for k in range(graph.root.shape[0], forest.node.shape[0]):
        node = forest.node[k]
        edge = forest.up[node]
        end = 0 if graph.from_node[edge] == forest.parent[node] else 1
        for c in range(4):
            law[k, c] = graph.law[end, edge, c]


@_jit
def _sweep(
    graph: Graph, forest: Forest, law: ComplexArray, s: ComplexArray, v: ComplexArray, j: ComplexArray
) -> float:
    """Currents from the leaves to the roots, then voltages outwards; gives the largest |ΔV|²."""
    roots, nodes = graph.root.shape[0], forest.node.shape[0]
    for node in range(nodes):
        near = v[node]
        j[node] = (
            np.conj(s[node]) * near / (near.real * near.real + near.imag * near.imag)
            + graph.shunt[node] * near
        )
    for k in range(nodes - 1, roots - 1, -1):
        node = forest.node[k]
        parent = forest.parent[node]
        j[parent] += law[k, 2] * j[node] + law[k, 3] * v[parent]
    worst = 0.0
    for k in range(roots, nodes):
        node = forest.node[k]
        new = law[k, 0] * v[forest.parent[node]] - law[k, 1] * j[node]
        change = new - v[node]
        v[node] = new
        size = change.real * change.real + change.imag * change.imag
        if not size <= worst:
            worst = size
    return worst


@_jit
def _solve_step(
    graph: Graph, forest: Forest, law: ComplexArray, s: ComplexArray, v: ComplexArray, j: ComplexArray
) -> bool:
    """Sweep one step until its voltages stand; whether they do."""
    for k in range(graph.root.shape[0]):
        v[graph.root[k]] = graph.v_root[k]
    for _ in range(SWEEPS):
        worst = _sweep(graph, forest, law, s, v, j)
        if worst < SWEEP_TOLERANCE_PU * SWEEP_TOLERANCE_PU:
            return True
        if not np.isfinite(worst):
            return False
    return False


@_jit
def _losses(graph: Graph, forest: Forest, law: ComplexArray, v: ComplexArray, j: ComplexArray) -> float:
    """What the edges take in and do not give on, and what shunts draw [pu]."""
    loss = 0.0
    for node in range(v.shape[0]):
        loss += graph.shunt[node].real * (v[node].real ** 2 + v[node].imag ** 2)
    for k in range(graph.root.shape[0], forest.node.shape[0]):
        node = forest.node[k]
        above = v[forest.parent[node]]
        into = law[k, 2] * j[node] + law[k, 3] * above
        loss += (above * np.conj(into)).real - (v[node] * np.conj(j[node])).real
    return loss


@_jit
def _above(value: float, most: float, scale: float) -> float:
    """By how much a value is above its limit, of the scale; 0 where the limit is infinite."""
    return (value - most) / scale if value > most else 0.0


@_jit
def _excess(
    case: Case, step: int, forest: Forest, law: ComplexArray, v: ComplexArray, j: ComplexArray
) -> float:
    """Sum of what lies outside limits: voltages [pu], currents and powers as shares of their limit."""
    graph, bounds = case.graph, case.bounds
    row_v = step if bounds.v_min.shape[0] > 1 else 0
    row_i = step if bounds.i_max.shape[0] > 1 else 0
    excess = 0.0
    for node in range(v.shape[0]):
        size = abs(v[node])
        excess += _above(size, bounds.v_max[row_v, node], 1.0) + _above(
            -size, -bounds.v_min[row_v, node], 1.0
        )
    for k in range(graph.root.shape[0], forest.node.shape[0]):
        node = forest.node[k]
        edge, above = forest.up[node], v[forest.parent[node]]
        end = 0 if graph.from_node[edge] == forest.parent[node] else 1
        into = law[k, 2] * j[node] + law[k, 3] * above
        near, far = bounds.i_max[row_i, edge, end], bounds.i_max[row_i, edge, 1 - end]
        most = bounds.p_max[edge]
        excess += _above(abs(into), near, max(near, LEAST_SCALE))
        excess += _above(abs(j[node]), far, max(far, LEAST_SCALE))
        power = max(abs((above * np.conj(into)).real), abs((v[node] * np.conj(j[node])).real))
        excess += _above(power, most, max(most, LEAST_SCALE))
    return excess


@_jit
def _solve_forest(
    case: Case, closed: BoolArray, forest: Forest, law: ComplexArray, flow: Flow
) -> tuple[float, float]:
    """Losses [kWh] and what lies outside limits of one forest, from the voltages in ``flow`` on."""
    graph, scenarios = case.graph, case.scenarios
    if order_forest(graph, closed, forest) != SPANNING:
        return np.inf, np.inf
    _laws(graph, forest, law)
    losses_kwh, excess = 0.0, 0.0
    for step in range(scenarios.s.shape[0]):
        v, j = flow.v[step], flow.j[step]
        if not _solve_step(graph, forest, law, scenarios.s[step], v, j):
            return np.inf, np.inf
        losses_kwh += S_BASE_KVA * scenarios.hours[step] * _losses(graph, forest, law, v, j)
        excess += _excess(case, step, forest, law, v, j)
    return losses_kwh, excess


@_jit
def start_flat(graph: Graph, flow: Flow) -> None:
    """The voltage of the first root everywhere."""
    flow.v[:] = graph.v_root[0]


@_jit
def forest_flow(case: Case, closed: BoolArray, forest: Forest, flow: Flow) -> tuple[float, float]:
    """Losses [kWh] and excess of one forest, infinite where unsolved; leaves its order and its flow."""
    start_flat(case.graph, flow)
    law = np.empty((forest.node.shape[0], 4), np.complex128)
    return _solve_forest(case, closed, forest, law, flow)


@_jit
def evaluate_forests(case: Case, closed: BoolArray, found: FloatArray) -> None:
    """Losses [kWh] and excess of forests, ``closed`` (forests, edges), into ``found`` (forests, 2)."""
    steps, nodes = case.scenarios.s.shape
    forest, law = make_forest(nodes), np.empty((nodes, 4), np.complex128)
    flow = Flow(np.empty((steps, nodes), np.complex128), np.empty((steps, nodes), np.complex128))
    for k in range(closed.shape[0]):
        start_flat(case.graph, flow)
        found[k, 0], found[k, 1] = _solve_forest(case, closed[k], forest, law, flow)


@_jit
def evaluate_exchanges(case: Case, closed: BoolArray, pairs: IntArray, flow: Flow, found: FloatArray) -> None:
    """Losses [kWh] and excess after closing ``pairs[k, 0]`` and opening ``pairs[k, 1]``, into ``found``.

    Every exchange starts from the voltages of ``flow``, the state before it.
    """
    steps, nodes = case.scenarios.s.shape
    forest, law = make_forest(nodes), np.empty((nodes, 4), np.complex128)
    work = Flow(np.empty((steps, nodes), np.complex128), np.empty((steps, nodes), np.complex128))
    after = closed.copy()
    for k in range(pairs.shape[0]):
        after[pairs[k, 0]], after[pairs[k, 1]] = True, False
        work.v[:] = flow.v
        found[k, 0], found[k, 1] = _solve_forest(case, after, forest, law, work)
        after[pairs[k, 0]], after[pairs[k, 1]] = False, True


@_jit
def loop_of(graph: Graph, forest: Forest, tie: int, loop: IntArray) -> tuple[int, int]:
    """Nodes below the edges of the loop that an open edge would close; gives how many, and of the first side.

    The first side hangs on the tie's ``from`` end. A loop through two roots ends at both of them.
    """
    a, b = graph.from_node[tie], graph.to_node[tie]
    first, second = 0, loop.shape[0]
    while a != b and (forest.up[a] >= 0 or forest.up[b] >= 0):
        if forest.depth[a] >= forest.depth[b]:
            loop[first] = a
            first, a = first + 1, forest.parent[a]
        else:
            second -= 1
            loop[second] = b
            b = forest.parent[b]
    count = first
    for k in range(second, loop.shape[0]):
        loop[count] = loop[k]
        count += 1
    return count, first


@_jit
def exchange_estimates(
    case: Case,
    forest: Forest,
    flow: Flow,
    switches: tuple[IntArray, BoolArray],
    found: tuple[IntArray, FloatArray],
) -> int:
    """All exchanges and the change of losses that each promises [kWh] while currents stay; gives how many.

    Moving the current δ of an opened edge to the other side of its loop changes the losses by
    |δ|² R + 2 Re(δ* D), with R the loop's resistance and D = Σ ± r J round it (the estimate of Civanlar,
    Grainger, Yin, Lee, "Distribution feeder reconfiguration for loss reduction", IEEE Trans. Power Deliv. 3,
    1988, 1217–1223, with D for the difference of voltages across the open edge). ``switches`` are the open
    edges that may be closed, (ties,), and whether an edge may be opened, (edges,); ``found`` is the pairs
    (close, open) and the estimates.
    """
    graph, scenarios = case.graph, case.scenarios
    ties, may_open = switches
    pairs, estimate = found
    nodes, steps = forest.node.shape[0], scenarios.s.shape[0]
    loop, drop = np.empty(nodes, np.int64), np.empty(steps, np.complex128)
    total = 0
    for tie in ties:
        count, first = loop_of(graph, forest, tie, loop)
        drop[:] = 0.0
        around = graph.resistance[tie]
        for k in range(count):
            r = graph.resistance[forest.up[loop[k]]]
            around += r
            for step in range(steps):
                drop[step] += (-r if k < first else r) * flow.j[step, loop[k]]
        for k in range(count):
            if not may_open[forest.up[loop[k]]]:
                continue
            change, sign = 0.0, 1.0 if k < first else -1.0
            for step in range(steps):
                moved = flow.j[step, loop[k]]
                quadratic = around * (moved.real**2 + moved.imag**2)
                linear = 2.0 * sign * (np.conj(moved) * drop[step]).real
                change += S_BASE_KVA * scenarios.hours[step] * (quadratic + linear)
            pairs[total, 0], pairs[total, 1], estimate[total] = tie, forest.up[loop[k]], change
            total += 1
    return total
