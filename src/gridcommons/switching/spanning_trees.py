"""All radial topologies of a feeder: how many there are, and each of them in turn.

A radial topology that supplies every node from one source each is a spanning tree of the graph in which edges
that stay are contracted and all sources are one node. Their number is a determinant (Kirchhoff's matrix-tree
theorem), known before any is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.switching.branch_exchange import Topology
from gridcommons.switching.feeder import Feeder
from gridcommons.switching.radial_sweeps import evaluate_forests

TREES_MAX = 200_000
"""Most topologies that are enumerated; some seconds for a feeder of fifty buses and one step."""

BATCH = 4096
"""Topologies that are built before they are evaluated."""

UNDECIDED, OPEN, CLOSED = -1, 0, 1

_jit = numba.njit(cache=True, nogil=True)


@dataclass(frozen=True, eq=False)
class Contracted:
    """A feeder's graph with what stays contracted, its sources one node: an ordinary multigraph.

    Parameters
    ----------
    edge : (moving,)
        Edges of the feeder's graph that move; one that joins a node to itself is in no tree.
    a, b : (moving,)
        Nodes that each joins.
    nodes : int
        Number of nodes.
    """

    edge: IntArray
    a: IntArray
    b: IntArray
    nodes: int


def contract(feeder: Feeder) -> Contracted:
    """The graph whose spanning trees are the feeder's radial topologies."""
    graph = feeder.case.graph
    top: IntArray = np.arange(len(graph.shunt), dtype=np.int64)
    top[graph.root] = graph.root[0]
    for edge in np.flatnonzero(~feeder.may_move):
        near, far = top[graph.from_node[edge]], top[graph.to_node[edge]]
        top[top == far] = near
    label = np.unique(top, return_inverse=True)[1]
    moving = np.flatnonzero(feeder.may_move)
    a, b = label[graph.from_node[moving]], label[graph.to_node[moving]]
    return Contracted(moving, a, b, int(label.max()) + 1)


def count_radial_topologies(feeder: Feeder) -> float:
    """Number of radial topologies by the matrix-tree theorem; whole up to 2⁵³, infinite beyond 10³⁰⁸."""
    graph = contract(feeder)
    laplacian = np.zeros((graph.nodes, graph.nodes))
    for row, column, sign in (
        (graph.a, graph.a, 1.0),
        (graph.b, graph.b, 1.0),
        (graph.a, graph.b, -1.0),
        (graph.b, graph.a, -1.0),
    ):
        np.add.at(laplacian, (row, column), sign)
    sign, logarithm = np.linalg.slogdet(laplacian[1:, 1:])
    with np.errstate(over="ignore"):
        count = float(sign * np.exp(logarithm))
    return float(np.round(count))


def radial_topologies(feeder: Feeder, batch: int = BATCH) -> Iterator[BoolArray]:
    """Every radial topology once, as closed edges, in batches of shape (up to ``batch``, edges)."""
    graph = contract(feeder)
    choice: npt.NDArray[np.int8] = np.full(len(graph.edge), UNDECIDED, dtype=np.int8)
    # The node of depth 0 is the state before any choice; -1 tells that all have been made.
    depth = np.zeros(1, dtype=np.int64)
    while depth[0] >= 0:
        found = np.empty((batch, len(graph.edge)), dtype=np.bool_)
        count = _next_trees(graph.a, graph.b, graph.nodes, (choice, depth), found)
        if count:
            closed = np.tile(~feeder.may_move, (count, 1))
            closed[:, graph.edge] = found[:count]
            yield closed


@_jit
def _top(above: IntArray, at: int) -> int:
    while above[at] != at:
        above[at] = above[above[at]]
        at = above[at]
    return at


@_jit
def _may_grow(a: IntArray, b: IntArray, nodes: int, choice: npt.NDArray[np.int8], above: IntArray) -> bool:
    """Whether the closed edges have no loop and, with those undecided, still join all nodes."""
    parts = nodes
    for node in range(nodes):
        above[node] = node
    for wanted in (CLOSED, UNDECIDED):
        for edge in range(a.shape[0]):
            if choice[edge] != wanted:
                continue
            x, y = _top(above, a[edge]), _top(above, b[edge])
            if x != y:
                above[x] = y
                parts -= 1
            elif wanted == CLOSED:
                return False
    return parts == 1


@_jit
def _next_trees(
    a: IntArray, b: IntArray, nodes: int, state: tuple[npt.NDArray[np.int8], IntArray], found: BoolArray
) -> int:
    """Go on with a depth-first search over closed and open until ``found`` is full; gives how many."""
    choice, depth = state
    edges, above, count = a.shape[0], np.empty(nodes, np.int64), 0
    at = depth[0]
    while at >= 0:
        if at == edges:
            for edge in range(edges):
                found[count, edge] = choice[edge] == CLOSED
            count += 1
            at -= 1
            if count == found.shape[0]:
                break
            continue
        # Closed is tried first, then open, then the choice before is changed.
        if choice[at] == OPEN:
            choice[at] = UNDECIDED
            at -= 1
            continue
        choice[at] = CLOSED if choice[at] == UNDECIDED else OPEN
        if _may_grow(a, b, nodes, choice, above):
            at += 1
    depth[0] = at
    return count


def enumerate_topologies(feeder: Feeder, trees_max: int = TREES_MAX) -> tuple[Topology, int]:
    """The best of all radial topologies, each evaluated exactly on all steps, and their number.

    Parameters
    ----------
    feeder : Feeder
        What to enumerate.
    trees_max : int
        Most topologies to enumerate.

    Raises
    ------
    StudyError
        There are more.
    """
    count = count_radial_topologies(feeder)
    if count > trees_max:
        expected = f"at most {trees_max:,}"
        do = 'take method "search", or let fewer switches move'
        raise StudyError([Problem("switches", f"{count:.6g} radial topologies", expected, do)])
    best, seen = Topology(np.zeros(0, dtype=np.bool_), np.inf, np.inf), 0
    for closed in radial_topologies(feeder):
        found: FloatArray = np.empty((len(closed), 2))
        evaluate_forests(feeder.case, closed, found)
        seen += len(closed)
        for row, (losses_kwh, excess) in enumerate(found.tolist()):
            candidate = Topology(closed[row], losses_kwh, excess)
            best = candidate if not len(best.closed) or candidate.is_better_than(best) else best
    return best, seen
