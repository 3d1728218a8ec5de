"""Streets as a graph: nodes at crossings, bends and where a building or station joins, edges between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from gridcommons.model.grid import FloatArray, IntArray

_PAIRS_AT_ONCE = 4_000_000
"""Distances from things to segments that are held in memory at a time."""


@dataclass(frozen=True, eq=False)
class StreetGraph:
    """The base graph of a place.

    Parameters
    ----------
    at : (nodes, 2)
        Place of each node [m].
    a, b : (edges,)
        Ends of each edge, ``a < b``; no two edges join the same nodes.
    length_m : (edges,)
        Length of each edge [m].
    node_of : (things,)
        Node at which each thing (stations, then buildings) joins.
    service_m : (things,)
        Distance of each thing from its node [m].
    component : (nodes,)
        Which nodes hang together.
    street_m : float
        Length of all edges [m].
    """

    at: FloatArray
    a: IntArray
    b: IntArray
    length_m: FloatArray
    node_of: IntArray
    service_m: FloatArray
    component: IntArray

    @property
    def street_m(self) -> float:
        """Length of all edges [m]."""
        return float(self.length_m.sum())

    def matrix(self) -> csr_array:
        """Lengths as a sparse symmetric matrix, shape (nodes, nodes)."""
        ends = (np.concatenate([self.a, self.b]), np.concatenate([self.b, self.a]))
        return csr_array((np.tile(self.length_m, 2), ends), shape=(len(self.at), len(self.at)))


@dataclass(frozen=True, eq=False)
class _Segments:
    """Straight pieces of streets between two joined points; ``at`` is the place of the points [m]."""

    at: FloatArray
    a: IntArray
    b: IntArray

    @property
    def length_m(self) -> FloatArray:
        return np.asarray(np.hypot(*(self.at[self.b] - self.at[self.a]).T), dtype=float)


def build_street_graph(
    streets: Sequence[Sequence[tuple[float, float]]], things: FloatArray, join_m: float
) -> StreetGraph:
    """The graph of streets with a node where each thing is nearest to a street.

    Streets join where they share a point, or where one ends on another (within ``join_m``); where two
    cross without a common point they do not, as on a bridge.

    Parameters
    ----------
    streets : sequence of sequence of (x, y)
        Polylines [m].
    things : (things, 2)
        Places of stations and buildings [m].
    join_m : float
        Points closer than this are one [m].

    Raises
    ------
    ValueError
        If nothing is left of the streets.
    """
    segments = _join_points(streets, join_m)
    if not len(segments.a):
        raise ValueError(f"no street longer than {join_m:g} m")
    segments = _join_loose_ends(segments, join_m)
    on_segment, along, service_m = _nearest(segments, things)
    segments, node_of = _cut_at(segments, on_segment, along, join_m)
    a, b, length_m = _unique_edges(segments)
    count = len(segments.at)
    matrix = csr_array((np.ones(len(a)), (a, b)), shape=(count, count))
    component = connected_components(matrix, directed=False)[1].astype(np.int64)
    return StreetGraph(segments.at, a, b, length_m, node_of, service_m, component)


def _join_points(streets: Sequence[Sequence[tuple[float, float]]], join_m: float) -> _Segments:
    """Segments between points, each of which is the first in the files within ``join_m``."""
    points = np.array([point for street in streets for point in street], dtype=float)
    starts = np.cumsum([0, *(len(street) for street in streets)])
    pairs = cKDTree(points).query_pairs(join_m, output_type="ndarray")
    stands_for = np.arange(len(points))
    # One by one, so that a finely drawn street does not shrink to a point: what stands for another
    # point stays, and only what is close to it joins it.
    for i, j in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))].tolist():
        if stands_for[i] == i and stands_for[j] == j:
            stands_for[j] = i
    first, node = np.unique(stands_for, return_inverse=True)
    is_last = np.zeros(len(points), dtype=np.bool_)
    is_last[starts[1:] - 1] = True
    head = np.flatnonzero(~is_last)
    a, b = node[head].astype(np.int64), node[head + 1].astype(np.int64)
    a, b, _ = _unique_edges(_Segments(points[first], a, b))
    return _Segments(points[first], a, b)


def _nearest(
    segments: _Segments, places: FloatArray, not_at: IntArray | None = None
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Nearest segment of each place, the share along it, and the distance [m]; each (places,).

    ``not_at`` names for each place a point whose own segments do not count.
    """
    start, way = segments.at[segments.a], segments.at[segments.b] - segments.at[segments.a]
    square = np.maximum((way**2).sum(axis=1), 1e-12)
    rows = max(_PAIRS_AT_ONCE // max(len(square), 1), 1)
    found: list[tuple[IntArray, FloatArray, FloatArray]] = []
    for first in range(0, len(places), rows):
        some = places[first : first + rows, None, :] - start[None]
        share = np.clip((some * way).sum(axis=2) / square, 0.0, 1.0)
        off = np.hypot(*np.moveaxis(some - share[..., None] * way, 2, 0))
        if not_at is not None:
            own = not_at[first : first + rows, None]
            off[(segments.a[None] == own) | (segments.b[None] == own)] = np.inf
        best = off.argmin(axis=1)
        at = (np.arange(len(best)), best)
        found.append((best.astype(np.int64), share[at], off[at]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    segment, along, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    return segment, along, distance


def _join_loose_ends(segments: _Segments, join_m: float) -> _Segments:
    """Draw streets through the ends of others that lie on them without sharing a point."""
    degree = np.bincount(np.concatenate([segments.a, segments.b]), minlength=len(segments.at))
    ends = np.flatnonzero(degree == 1).astype(np.int64)
    on_segment, along, off_m = _nearest(segments, segments.at[ends], not_at=ends)
    chains: dict[int, list[int]] = {}
    for end in np.lexsort((along, on_segment)).tolist():
        if off_m[end] <= join_m:
            chains.setdefault(int(on_segment[end]), []).append(int(ends[end]))
    return _drawn_through(segments, chains)


def _cut_at(
    segments: _Segments, on_segment: IntArray, along: FloatArray, join_m: float
) -> tuple[_Segments, IntArray]:
    """Segments cut where things join them, and the point at which each thing does.

    A cut closer than ``join_m`` to the one before, or to an end, is not made anew.
    """
    point_of = np.empty(len(on_segment), dtype=np.int64)
    lengths_m = segments.length_m
    at, new = segments.at, list[FloatArray]()
    chains: dict[int, list[int]] = {}
    last_m: dict[int, float] = {}
    for thing in np.lexsort((along, on_segment)).tolist():
        segment = int(on_segment[thing])
        start, end = int(segments.a[segment]), int(segments.b[segment])
        chain, here_m = chains.setdefault(segment, []), float(along[thing] * lengths_m[segment])
        if lengths_m[segment] - here_m < join_m:
            point_of[thing] = end
            continue
        if here_m - last_m.get(segment, 0.0) >= join_m:
            chain.append(len(at) + len(new))
            new.append(at[start] + along[thing] * (at[end] - at[start]))
            last_m[segment] = here_m
        point_of[thing] = chain[-1] if chain else start
    whole = _Segments(np.concatenate([at, np.array(new).reshape(-1, 2)]), segments.a, segments.b)
    return _drawn_through(whole, chains), point_of


def _drawn_through(segments: _Segments, chains: dict[int, list[int]]) -> _Segments:
    """The segments, each drawn through the points that its chain names in their order."""
    keep = np.ones(len(segments.a), dtype=np.bool_)
    keep[list(chains)] = False
    a, b = [segments.a[keep]], [segments.b[keep]]
    for segment, chain in sorted(chains.items()):
        every = np.array([segments.a[segment], *chain, segments.b[segment]], dtype=np.int64)
        a.append(every[:-1])
        b.append(every[1:])
    return _Segments(segments.at, np.concatenate(a), np.concatenate(b))


def _unique_edges(segments: _Segments) -> tuple[IntArray, IntArray, FloatArray]:
    """Edges with ``a < b``, each pair once, in order."""
    ends = np.sort(np.stack([segments.a, segments.b], axis=1), axis=1)
    ends = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    a, b = ends[:, 0].astype(np.int64), ends[:, 1].astype(np.int64)
    return a, b, np.asarray(np.hypot(*(segments.at[b] - segments.at[a]).T), dtype=float)
