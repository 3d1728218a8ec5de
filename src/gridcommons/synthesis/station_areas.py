"""Which station serves which consumer: the nearest along the streets that has room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import dijkstra

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.synthesis.street_graph import StreetGraph

NOBODY = -1
"""Stands for no station."""


@dataclass(frozen=True, eq=False)
class Ways:
    """Shortest ways along the streets from each station.

    Parameters
    ----------
    length_m : (stations, nodes)
        Length of the way to each node [m]; infinite where there is none.
    before : (stations, nodes)
        The node before on that way; negative at the station and where there is no way.
    root : (stations,)
        Node of each station.
    """

    length_m: FloatArray
    before: IntArray
    root: IntArray


def find_ways(graph: StreetGraph, roots: IntArray) -> Ways:
    """Shortest ways from each station (Dijkstra's algorithm)."""
    length_m, before = dijkstra(graph.matrix(), directed=False, indices=roots, return_predecessors=True)
    return Ways(np.asarray(length_m, dtype=float), before.astype(np.int64), roots)


def assign(reach_m: FloatArray, households: IntArray, room: list[int]) -> tuple[IntArray, list[int]]:
    """Station of each consumer, and the consumers for whom no station that they can reach has room.

    Pairs of station and consumer are gone through from the shortest way to the longest: a consumer gets
    the nearest station that still has room, and only nearer consumers can have taken it.

    Parameters
    ----------
    reach_m : (stations, consumers)
        Length of the way [m]; infinite where there is none.
    households : (consumers,)
        Households of each consumer.
    room : list of int
        Households that each station can serve.
    """
    left = list(room)
    station_of = np.full(len(households), NOBODY, dtype=np.int64)
    # Stable, and by consumer first: among equally long ways the order of the files decides.
    order = np.argsort(reach_m.T, axis=None, kind="stable")
    for pair in order.tolist():
        consumer, station = divmod(pair, len(room))
        if station_of[consumer] != NOBODY or not np.isfinite(reach_m[station, consumer]):
            continue
        if households[consumer] <= left[station]:
            station_of[consumer] = station
            left[station] -= int(households[consumer])
    return station_of, np.flatnonzero(station_of == NOBODY).tolist()
