"""A feeder as a one-line diagram: trunks straight to the right, laterals above and below them."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.layout import Ways, walk_from_sources
from gridcommons.model.grid import FloatArray, IntArray

_Contour = dict[int, int]
"""How far a drawing reaches in each column, in rows."""


def lay_out_feeder(ways: Ways) -> tuple[FloatArray, FloatArray, IntArray]:
    """Column and row of each bus, and its parent (-1 of a source and of a bus that no source reaches).

    The longest way goes straight to the right, one column a branch. A lateral leaves it upwards or downwards,
    where it lies nearer, and keeps clear of all that is there. Each source has a drawing of its own.
    """
    order, parent, _ = walk_from_sources(ways)
    children: list[list[int]] = [[] for _ in order]
    column, reach = np.zeros(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64)
    for bus in order:
        if parent[bus] >= 0:
            children[parent[bus]].append(bus)
            column[bus] = column[parent[bus]] + 1
    for bus in reversed(order):
        reach[bus] = 1 + max((reach[child] for child in children[bus]), default=0)
    y = np.zeros(len(order))
    low = 0
    for root in (bus for bus in order if parent[bus] < 0):
        rows, up, down = _block(root, children, column, reach)
        shift = low - max(up.values(), default=0)
        for bus, row in rows.items():
            y[bus] = row + shift
        low = shift - max(down.values(), default=0) - 1
    return column.astype(np.float64), y, parent


def _block(
    root: int, children: list[list[int]], column: IntArray, reach: IntArray
) -> tuple[dict[int, int], _Contour, _Contour]:
    """Rows of a bus and all behind it, its trunk in row 0, and how far they reach up and down."""
    trunk = [root]
    while children[trunk[-1]]:
        trunk.append(max(children[trunk[-1]], key=lambda bus: int(reach[bus])))
    rows = dict.fromkeys(trunk, 0)
    # One column more than there are: names do not touch, and whatever stands where a lateral goes up or down
    # is level with its first bus, one column on, and so kept clear of.
    up: _Contour = dict.fromkeys(range(int(column[root]), int(column[trunk[-1]]) + 2), 0)
    down = dict(up)
    for at in reversed(trunk):
        for lateral in (bus for bus in children[at] if bus not in rows):
            inner, above, below = _block(lateral, children, column, reach)
            ways = [(_distance(down, above), -1), (_distance(up, below), 1)]
            distance, side = min(ways, key=lambda way: way[0])
            for bus, row in inner.items():
                rows[bus] = row + side * distance
            _add(up, above, side * distance)
            _add(down, below, -side * distance)
    return rows, up, down


def _distance(contour: _Contour, other: _Contour) -> int:
    """Rows between a trunk and that of a drawing which clears what is there already."""
    return max(1, *(contour.get(at, 0) + far + 1 for at, far in other.items()))


def _add(contour: _Contour, other: _Contour, shift: int) -> None:
    for at, far in other.items():
        contour[at] = max(contour.get(at, 0), far + shift)
