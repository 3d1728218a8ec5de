"""What is connected to what: electrical nodes, supplied buses, radiality, path impedance."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, Grid, IntArray


def _root(parent: list[int], item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


def _components(count: int, ends: list[tuple[int, int]]) -> IntArray:
    parent = list(range(count))
    for a, b in ends:
        root_a, root_b = _root(parent, a), _root(parent, b)
        if root_a != root_b:
            parent[max(root_a, root_b)] = min(root_a, root_b)
    roots = np.array([_root(parent, item) for item in range(count)], dtype=np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def with_branches_closed(grid: Grid, branch: IntArray, closed: BoolArray) -> Grid:
    """The grid with some branches closed at both ends or open at both ends.

    Parameters
    ----------
    branch : (moved,)
        Rows of ``Branches``.
    closed : (moved,)
        What each becomes.
    """
    from_closed, to_closed = grid.branches.from_closed.copy(), grid.branches.to_closed.copy()
    from_closed[branch] = to_closed[branch] = closed
    return replace(grid, branches=replace(grid.branches, from_closed=from_closed, to_closed=to_closed))


def bus_nodes(grid: Grid) -> IntArray:
    """Electrical node of each bus, shape (buses,): buses joined by closed switches share one."""
    switches = grid.switches
    ends = [
        (int(a), int(b))
        for a, b, closed in zip(switches.bus_a, switches.bus_b, switches.closed, strict=True)
        if closed
    ]
    return _components(len(grid.buses), ends)


def _branch_nodes(grid: Grid) -> list[tuple[int, int]]:
    node = bus_nodes(grid)
    branches = grid.branches
    return [
        (int(node[a]), int(node[b]))
        for a, b, on in zip(branches.from_bus, branches.to_bus, branches.in_service, strict=True)
        if on
    ]


def supplied_buses(grid: Grid) -> BoolArray:
    """Whether each bus has a closed path to a source, shape (buses,)."""
    node = bus_nodes(grid)
    component = _components(int(node.max()) + 1, _branch_nodes(grid))
    alive = np.unique(component[node[grid.sources.bus]])
    return np.isin(component[node], alive)


def is_radial(grid: Grid) -> bool:
    """Whether the supplied part is a forest with one source a tree (closed parallel branches are a loop)."""
    node = bus_nodes(grid)
    ends = _branch_nodes(grid)
    component = _components(int(node.max()) + 1, ends)
    source_nodes = np.unique(node[grid.sources.bus])
    if len(np.unique(component[source_nodes])) < len(source_nodes):
        return False
    alive = set(component[source_nodes].tolist())
    nodes_alive = sum(1 for c in component if c in alive)
    edges_alive = sum(1 for a, _ in ends if component[a] in alive)
    return edges_alive == nodes_alive - len(alive)


def path_impedance_pu(grid: Grid) -> FloatArray:
    """Least sum of |z| from each bus to its source [pu], shape (buses,); infinite where unsupplied."""
    node = bus_nodes(grid)
    branches = grid.branches
    neighbours: list[list[tuple[int, float]]] = [[] for _ in range(int(node.max()) + 1)]
    impedance = np.hypot(branches.r_pu, branches.x_pu)
    for index in np.flatnonzero(branches.in_service):
        a, b = int(node[branches.from_bus[index]]), int(node[branches.to_bus[index]])
        neighbours[a].append((b, float(impedance[index])))
        neighbours[b].append((a, float(impedance[index])))
    distance = np.full(len(neighbours), np.inf)
    queue = [(0.0, int(n)) for n in np.unique(node[grid.sources.bus])]
    distance[[n for _, n in queue]] = 0.0
    while queue:
        far, at = heapq.heappop(queue)
        if far > distance[at]:
            continue
        for other, z in neighbours[at]:
            if far + z < distance[other]:
                distance[other] = far + z
                heapq.heappush(queue, (far + z, other))
    return distance[node]
