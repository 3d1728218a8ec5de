"""Where each bus is drawn: at its coordinates, or in a tidy tree that grows from the source."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, IntArray

HOP_SHARE = 0.06
"""Length of a branch without length in a tree, as a share of the longest path."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Places of the buses.

    Parameters
    ----------
    x, y : (buses,)
        Place of each bus, in units that mean the same on both axes where ``is_map``.
    is_map : bool
        Whether these are the coordinates of the grid file.
    distance_km : (buses,)
        Way along the branches from the nearest source [km]; infinite where there is none.
    """

    x: FloatArray
    y: FloatArray
    is_map: bool
    distance_km: FloatArray


@dataclass(frozen=True, eq=False)
class Ways:
    """What a layout needs of a grid: the ends, lengths [km] and positions of its branches, its sources."""

    from_bus: IntArray
    to_bus: IntArray
    length_km: FloatArray
    closed: BoolArray
    is_source: BoolArray


def lay_out(x_map: FloatArray, y_map: FloatArray, ways: Ways) -> Layout:
    """Coordinates where every bus has some and they are not all the same, else a tree."""
    order, parent, distance_km = walk_from_sources(ways)
    known = np.isfinite(x_map) & np.isfinite(y_map)
    spread = np.ptp(x_map) + np.ptp(y_map) if known.all() and len(x_map) else 0.0
    if spread > 0.0:
        return Layout(x_map * _narrowing(x_map, y_map), y_map, True, distance_km)
    x, y = _tree(order, parent, ways, distance_km)
    return Layout(x, y, False, distance_km)


def _narrowing(x_map: FloatArray, y_map: FloatArray) -> float:
    """Degrees of longitude are shorter than those of latitude; other coordinates are taken as they are."""
    is_degrees = np.abs(x_map).max() <= 180.0 and np.abs(y_map).max() <= 90.0
    is_local = np.ptp(x_map) < 5.0 and np.ptp(y_map) < 5.0
    return float(np.cos(np.radians(y_map.mean()))) if is_degrees and is_local else 1.0


def walk_from_sources(ways: Ways) -> tuple[list[int], IntArray, FloatArray]:
    """Buses in the order of a breadth-first walk from the sources, their parents, their distance [km].

    Buses that the walk does not reach come last, without a parent (-1) and infinitely far away.
    """
    count = len(ways.is_source)
    near: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for number in np.flatnonzero(ways.closed):
        a, b = int(ways.from_bus[number]), int(ways.to_bus[number])
        near[a].append((b, int(number)))
        near[b].append((a, int(number)))
    parent, distance_km = np.full(count, -1, dtype=np.int64), np.full(count, np.inf)
    roots = [int(bus) for bus in np.flatnonzero(ways.is_source)]
    distance_km[roots] = 0.0
    order, queue = [], deque(roots)
    while queue:
        at = queue.popleft()
        order.append(at)
        for other, branch in near[at]:
            if np.isinf(distance_km[other]):
                distance_km[other] = distance_km[at] + ways.length_km[branch]
                parent[other] = at
                queue.append(other)
    order += [bus for bus in range(count) if np.isinf(distance_km[bus])]
    return order, parent, distance_km


def _tree(
    order: list[int], parent: IntArray, ways: Ways, distance_km: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Distance to the right; each leaf a row of its own, each other bus at the middle of its children."""
    children: list[list[int]] = [[] for _ in order]
    for bus in order:
        if parent[bus] >= 0:
            children[parent[bus]].append(bus)
    rows = _leaf_rows(order, parent, children)
    x, y = np.zeros(len(order)), np.zeros(len(order))
    finite = distance_km[np.isfinite(distance_km)]
    hop_km = HOP_SHARE * float(finite.max(initial=0.0)) or 1.0
    for bus in order:
        if parent[bus] >= 0:
            step_km = distance_km[bus] - distance_km[parent[bus]]
            x[bus] = x[parent[bus]] + (step_km if step_km > 0.0 else hop_km)
    for bus in reversed(order):
        y[bus] = np.mean([y[child] for child in children[bus]]) if children[bus] else -rows[bus]
    return x, y


def _leaf_rows(order: list[int], parent: IntArray, children: list[list[int]]) -> dict[int, int]:
    """Row of each leaf, in the order of a depth-first walk (so that no two ways cross)."""
    rows: dict[int, int] = {}
    stack = [bus for bus in reversed(order) if parent[bus] < 0]
    while stack:
        at = stack.pop()
        if children[at]:
            stack += reversed(children[at])
        else:
            rows[at] = len(rows)
    return rows
