"""Where a feeder is drawn, and the way of each branch: at coordinates, or as a one-line diagram."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridcommons.adapters.report.grid import GridPicture
from gridcommons.adapters.report.switching.feeder_tree import lay_out_feeder
from gridcommons.model.grid import BoolArray, FloatArray

_BEND = 0.16
"""How far a branch that is no part of a tree bends out of its straight way, as a share of that."""


@dataclass(frozen=True, eq=False)
class FeederPlaces:
    """Places of the buses, and the points that each row of ``grid_branches`` is drawn through.

    Parameters
    ----------
    x, y : (buses,)
        Places.
    is_map : bool
        Whether these are coordinates of the grid file; else columns and rows.
    paths : list of (points, 2)
        Way of each branch.
    """

    x: FloatArray
    y: FloatArray
    is_map: bool
    paths: list[FloatArray]

    def middle(self, row: int) -> tuple[float, float]:
        """Where a branch is marked: in the middle of its longest stretch."""
        path = self.paths[row]
        stretch = int(np.argmax(np.hypot(*np.diff(path, axis=0).T))) if len(path) < 9 else len(path) // 2 - 1
        x, y = (path[stretch] + path[stretch + 1]) / 2.0
        return float(x), float(y)


def place_feeder(grid: GridPicture, before: BoolArray, after: BoolArray) -> FeederPlaces:
    """Coordinates where the grid file has some; else the diagram of whichever topology reaches more buses.

    Both topologies have the same places, so that they can be compared; of two that reach as many buses the
    one before gives the diagram.
    """
    if grid.layout.is_map:
        x, y = grid.layout.x, grid.layout.y
        pairs = zip(grid.ways.from_bus, grid.ways.to_bus, strict=True)
        return FeederPlaces(x, y, True, [np.array([[x[a], y[a]], [x[b], y[b]]]) for a, b in pairs])
    drawn = [lay_out_feeder(replace(grid.ways, closed=closed)) for closed in (before, after)]
    unreached = [int((parent < 0).sum()) for _, _, parent in drawn]
    x, y, parent = drawn[0] if unreached[0] <= unreached[1] else drawn[1]
    closed = before if unreached[0] <= unreached[1] else after
    paths, used = [], set()
    for row, (a, b) in enumerate(zip(grid.ways.from_bus.tolist(), grid.ways.to_bus.tolist(), strict=True)):
        up, down = (a, b) if parent[b] == a else (b, a)
        is_tree = closed[row] and parent[down] == up and down not in used
        if is_tree:
            used.add(down)
        path = _elbow(x, y, up, down) if is_tree else _bow(x, y, a, b)
        paths.append(path if a == up or not is_tree else path[::-1])
    return FeederPlaces(x, y, False, paths)


def _elbow(x: FloatArray, y: FloatArray, up: int, down: int) -> FloatArray:
    """From a bus straight up or down to the row of the next, then along it."""
    corner = [[x[up], y[down]]] if y[up] != y[down] else []
    return np.array([[x[up], y[up]], *corner, [x[down], y[down]]])


def _bow(x: FloatArray, y: FloatArray, a: int, b: int) -> FloatArray:
    """A bow between two buses, upwards where they stand in one row (M. Bezier's curve of second order)."""
    ends = np.array([[x[a], y[a]], [x[b], y[b]]])
    if ends[0, 0] > ends[1, 0]:
        ends = ends[::-1]
    across = ends[1] - ends[0]
    knee = ends.mean(axis=0) + _BEND * np.array([-across[1], across[0]])
    if across[1] == 0.0:
        knee = ends.mean(axis=0) + np.array([0.0, 0.9])
    share = np.linspace(0.0, 1.0, 17)[:, None]
    return np.asarray((1 - share) ** 2 * ends[0] + 2 * share * (1 - share) * knee + share**2 * ends[1])
