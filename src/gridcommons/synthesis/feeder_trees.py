"""The tree of a station: the streets that lead to its consumers, without what serves nobody."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.synthesis.station_areas import Ways
from gridcommons.synthesis.street_graph import StreetGraph

TreeKind = Literal["minimum_spanning", "shortest_paths"]


@dataclass(frozen=True, eq=False)
class FeederTree:
    """The cables of a station in the streets; its nodes are where they meet, branch or serve.

    Parameters
    ----------
    nodes : tuple of int
        Nodes of the street graph; the station's is the first, a parent comes before its children.
    parent : tuple of int
        Number of the parent of each node within ``nodes``; -1 for the first.
    ways : tuple of tuple of int
        Nodes of the street graph from the parent to each node, both included; empty for the first.
    length_m : (nodes,)
        Length of each of these ways [m].
    things : dict of int to int
        Number within ``nodes`` at which each thing (as in ``StreetGraph.node_of``) joins.
    edges : tuple of int
        Edges of the street graph in which the cables lie.
    """

    nodes: tuple[int, ...]
    parent: tuple[int, ...]
    ways: tuple[tuple[int, ...], ...]
    length_m: FloatArray
    things: dict[int, int]
    edges: tuple[int, ...]

    @property
    def cable_m(self) -> float:
        """Length of all ways [m]."""
        return float(self.length_m.sum())


def grow_tree(graph: StreetGraph, ways: Ways, station: int, things: IntArray, kind: TreeKind) -> FeederTree:
    """The pruned tree from a station to its consumers.

    Parameters
    ----------
    graph : StreetGraph
        The base graph.
    ways : Ways
        Shortest ways from all stations.
    station : int
        Which station.
    things : (consumers,)
        Its consumers, as numbers in ``graph.node_of``.
    kind : {"minimum_spanning", "shortest_paths"}
        Spanning tree of least length over the nodes on the shortest ways to the consumers, or these
        ways themselves.
    """
    root = int(ways.root[station])
    wanted = {int(node) for node in graph.node_of[things]}
    before = _shortest_paths(ways.before[station], wanted)
    if kind == "minimum_spanning":
        before = _prune(_minimum_spanning(graph, root, before), wanted)
    return _contract(graph, root, before, things)


def _shortest_paths(before: IntArray, wanted: set[int]) -> dict[int, int]:
    """Node before each node on the ways to what is wanted; the station itself is not among the keys."""
    found: dict[int, int] = {}
    for node in sorted(wanted):
        at = node
        while at not in found and before[at] >= 0:
            found[at] = int(before[at])
            at = found[at]
    return found


def _minimum_spanning(graph: StreetGraph, root: int, before: dict[int, int]) -> dict[int, int]:
    """As ``_shortest_paths``, along the spanning tree of least length over the same nodes."""
    nodes = np.array(sorted({root, *before}), dtype=np.int64)
    number = np.full(len(graph.at), -1, dtype=np.int64)
    number[nodes] = np.arange(len(nodes))
    inside = (number[graph.a] >= 0) & (number[graph.b] >= 0)
    ends = (number[graph.a[inside]], number[graph.b[inside]])
    shape = (len(nodes), len(nodes))
    tree = minimum_spanning_tree(csr_array((graph.length_m[inside], ends), shape=shape))
    order, previous = breadth_first_order(tree, int(number[root]), directed=False)
    return {int(nodes[at]): int(nodes[previous[at]]) for at in order[1:]}


def _prune(before: dict[int, int], wanted: set[int]) -> dict[int, int]:
    """Without the ends that serve nobody: what is left is on the way to something wanted."""
    kept: dict[int, int] = {}
    for node in sorted(wanted):
        at = node
        while at in before and at not in kept:
            kept[at] = before[at]
            at = before[at]
    return kept


def _contract(graph: StreetGraph, root: int, before: dict[int, int], things: IntArray) -> FeederTree:
    """The tree without the nodes at which a cable only bends."""
    children: dict[int, list[int]] = {}
    for node in sorted(before):
        children.setdefault(before[node], []).append(node)
    serving = {int(node) for node in graph.node_of[things]}
    nodes, parent, number = [root], [-1], {root: 0}
    ways: list[tuple[int, ...]] = [()]
    stack = [(0, child) for child in reversed(children.get(root, []))]
    while stack:
        start, at = stack.pop()
        way = [nodes[start], at]
        while at not in serving and len(children[at]) == 1:
            at = children[at][0]
            way.append(at)
        number[at] = len(nodes)
        nodes.append(at)
        parent.append(start)
        ways.append(tuple(way))
        stack += [(number[at], child) for child in reversed(children.get(at, []))]
    edge_of = {pair: edge for edge, pair in enumerate(zip(graph.a.tolist(), graph.b.tolist(), strict=True))}
    edges = [[edge_of[min(a, b), max(a, b)] for a, b in pairwise(way)] for way in ways]
    return FeederTree(
        nodes=tuple(nodes),
        parent=tuple(parent),
        ways=tuple(ways),
        length_m=np.array([graph.length_m[some].sum() for some in edges], dtype=float),
        things={int(thing): number[int(graph.node_of[thing])] for thing in things},
        edges=tuple(edge for some in edges for edge in some),
    )
