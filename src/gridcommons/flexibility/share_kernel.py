"""The one quadratic program of the market, compiled: shares of a whole that are pulled to a target.

    min  cost·s + ½ Σ_r weight_r (A s − target)_r²   where the shares of each block are ≥ 0 and sum to 1

Both parties of the clearing solve it: the market operator a load point at a time (a block holds what
stands in each other's way, the rest of its share is "not taken"), the grid operator an hour at a time
(a block is the dual of one limit, between 0 and its cap). An active-set method: stay on the face of the
shares that are above 0 until nothing is to be gained there, then exchange the pair that gains most. Every
exchange lowers the objective, so no face comes twice, and the answer is exact to rounding. Started from
the shares of the round before, few exchanges are left.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from gridcommons.model.grid import FloatArray, IntArray

TOLERANCE = 1e-9
"""What an exchange must gain per share, of the largest term in any share's gradient."""

RIDGE = 1e-11
"""Share of the largest curvature that is added to all, since equal columns make a face singular."""

_jit = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")


class Pieces(NamedTuple):
    """Programs that have nothing in common, behind each other.

    Vertices are what shares are shares of; the columns of A are stored by vertex, rows counted within
    the piece. ``vertex_start``, ``block_start``, ``row_start`` have shape (pieces + 1,), ``block_vertex``
    (blocks + 1,), ``entry_start`` (vertices + 1,), ``entry_row`` and ``entry_value`` (entries,), ``cost``
    (vertices,).
    """

    vertex_start: IntArray
    block_start: IntArray
    row_start: IntArray
    block_vertex: IntArray
    entry_start: IntArray
    entry_row: IntArray
    entry_value: FloatArray
    cost: FloatArray


@_jit
def settle(pieces: Pieces, weight: FloatArray, target: FloatArray, share: FloatArray) -> int:
    """Bring the shares of every piece to their optimum, in place; the worst number of exchanges.

    Parameters
    ----------
    weight, target : (rows,)
        Of all pieces behind each other.
    share : (vertices,)
        Where to start, and then the answer; each block sums to 1.

    Returns
    -------
    int
        −1 − piece where one did not end, which rounding alone can cause.
    """
    worst = 0
    for piece in range(len(pieces.row_start) - 1):
        rows = slice(pieces.row_start[piece], pieces.row_start[piece + 1])
        exchanges = _settle_piece(pieces, piece, weight[rows], target[rows], share)
        if exchanges < 0:
            return -1 - piece
        worst = max(worst, exchanges)
    return worst


@_jit
def _settle_piece(
    pieces: Pieces, piece: int, weight: FloatArray, target: FloatArray, share: FloatArray
) -> int:
    first, last = pieces.vertex_start[piece], pieces.vertex_start[piece + 1]
    pull = -weight * target
    tolerance = 0.0
    for k in range(first, last):
        size = abs(pieces.cost[k])
        for e in range(pieces.entry_start[k], pieces.entry_start[k + 1]):
            size += abs(pieces.entry_value[e] * pull[pieces.entry_row[e]])
        tolerance = max(tolerance, TOLERANCE * size)
        if share[k] != 0.0:
            _add_column(pieces, k, share[k], weight, pull)
    for exchange in range(100 + 20 * (last - first)):
        _stay_on_face(pieces, piece, weight, pull, share)
        enter, leave, gain = _best_pair(pieces, piece, pull, share, tolerance)
        if gain <= 0.0:
            return exchange
        _exchange(pieces, (enter, leave), weight, pull, share)
    return -1


@_jit
def _add_column(pieces: Pieces, k: int, amount: float, weight: FloatArray, pull: FloatArray) -> None:
    for e in range(pieces.entry_start[k], pieces.entry_start[k + 1]):
        row = pieces.entry_row[e]
        pull[row] += weight[row] * pieces.entry_value[e] * amount


@_jit
def _slope(pieces: Pieces, k: int, pull: FloatArray) -> float:
    """Derivative of the objective by one share."""
    slope = pieces.cost[k]
    for e in range(pieces.entry_start[k], pieces.entry_start[k + 1]):
        slope += pieces.entry_value[e] * pull[pieces.entry_row[e]]
    return float(slope)


@_jit
def _best_pair(
    pieces: Pieces, piece: int, pull: FloatArray, share: FloatArray, tolerance: float
) -> tuple[int, int, float]:
    """The exchange within a block that gains most per share; gain 0 where none gains."""
    best, best_enter, best_leave = tolerance, -1, -1
    for block in range(pieces.block_start[piece], pieces.block_start[piece + 1]):
        low, high, enter, leave = np.inf, -np.inf, -1, -1
        for k in range(pieces.block_vertex[block], pieces.block_vertex[block + 1]):
            slope = _slope(pieces, k, pull)
            if slope < low:
                low, enter = slope, k
            if share[k] > 0.0 and slope > high:
                high, leave = slope, k
        if high - low > best:
            best, best_enter, best_leave = high - low, enter, leave
    return best_enter, best_leave, best if best_enter >= 0 else 0.0


@_jit
def _exchange(
    pieces: Pieces, pair: tuple[int, int], weight: FloatArray, pull: FloatArray, share: FloatArray
) -> None:
    """Move share from one vertex of a block to another, as far as it gains."""
    enter, leave = pair
    direction = np.zeros(len(weight))
    _fill(pieces, enter, leave, direction)
    curvature = np.sum(weight * direction * direction)
    gain = _slope(pieces, leave, pull) - _slope(pieces, enter, pull)
    step = share[leave]
    if curvature * step > gain:
        step = gain / curvature
    share[enter] += step
    share[leave] = max(share[leave] - step, 0.0)
    pull += weight * direction * step


@_jit
def _fill(pieces: Pieces, to: int, away: int, direction: FloatArray) -> None:
    for e in range(pieces.entry_start[to], pieces.entry_start[to + 1]):
        direction[pieces.entry_row[e]] += pieces.entry_value[e]
    for e in range(pieces.entry_start[away], pieces.entry_start[away + 1]):
        direction[pieces.entry_row[e]] -= pieces.entry_value[e]


@_jit
def _stay_on_face(
    pieces: Pieces, piece: int, weight: FloatArray, pull: FloatArray, share: FloatArray
) -> None:
    """Newton steps among the shares above 0, each cut where a share reaches 0, until one is whole."""
    while True:
        to, away = _directions(pieces, piece, share)
        count = len(to)
        if count == 0:
            return
        columns = np.zeros((count, len(weight)))
        slope = np.empty(count)
        for k in range(count):
            _fill(pieces, to[k], away[k], columns[k])
            slope[k] = _slope(pieces, to[k], pull) - _slope(pieces, away[k], pull)
        step = _newton_step(columns, weight, slope)
        length, blocking = _longest_step(to, away, step, share)
        for k in range(count):
            share[to[k]] += length * step[k]
            share[away[k]] -= length * step[k]
            pull += weight * columns[k] * (length * step[k])
        # Only rounding, and only now that all steps of a block are made, can leave less than 0.
        for k in range(count):
            share[to[k]] = max(share[to[k]], 0.0)
            share[away[k]] = max(share[away[k]], 0.0)
        if blocking < 0:
            return
        share[blocking] = 0.0


@_jit
def _directions(pieces: Pieces, piece: int, share: FloatArray) -> tuple[IntArray, IntArray]:
    """Pairs that span the face: in each block every share above 0 against the largest."""
    most = pieces.vertex_start[piece + 1] - pieces.vertex_start[piece]
    to, away = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    count = 0
    for block in range(pieces.block_start[piece], pieces.block_start[piece + 1]):
        largest = pieces.block_vertex[block]
        for k in range(largest, pieces.block_vertex[block + 1]):
            if share[k] > share[largest]:
                largest = k
        for k in range(pieces.block_vertex[block], pieces.block_vertex[block + 1]):
            if share[k] > 0.0 and k != largest:
                to[count], away[count] = k, largest
                count += 1
    return to[:count], away[:count]


@_jit
def _newton_step(columns: FloatArray, weight: FloatArray, slope: FloatArray) -> FloatArray:
    """Solve (columns W columnsᵀ) step = −slope, with a ridge far below what is asked."""
    count = len(slope)
    curvature = np.empty((count, count))
    largest = 0.0
    for i in range(count):
        weighted = weight * columns[i]
        for j in range(i, count):
            curvature[j, i] = np.sum(weighted * columns[j])
        largest = max(largest, curvature[i, i])
    for i in range(count):
        curvature[i, i] += RIDGE * largest
    _factorise(curvature, 0.1 * RIDGE * largest + 1e-300)
    step = -slope
    for i in range(count):
        for j in range(i):
            step[i] -= curvature[i, j] * step[j]
        step[i] /= curvature[i, i]
    for i in range(count - 1, -1, -1):
        for j in range(i + 1, count):
            step[i] -= curvature[j, i] * step[j]
        step[i] /= curvature[i, i]
    return step


@_jit
def _factorise(lower: FloatArray, least: float) -> None:
    """Cholesky factor in place of the lower triangle; no pivot below the least."""
    for i in range(len(lower)):
        for j in range(i):
            lower[i, i] -= lower[i, j] ** 2
        lower[i, i] = np.sqrt(max(lower[i, i], least))
        for k in range(i + 1, len(lower)):
            for j in range(i):
                lower[k, i] -= lower[k, j] * lower[i, j]
            lower[k, i] /= lower[i, i]


@_jit
def _longest_step(to: IntArray, away: IntArray, step: FloatArray, share: FloatArray) -> tuple[float, int]:
    """How much of a step, at most 1, keeps all shares at or above 0, and which one stops it (or −1)."""
    length, blocking = 1.0, -1
    given = 0.0
    for k in range(len(step)):
        if share[to[k]] + length * step[k] < 0.0:
            length, blocking = -share[to[k]] / step[k], to[k]
        given = step[k] if k == 0 or away[k] != away[k - 1] else given + step[k]
        whole = k + 1 == len(step) or away[k + 1] != away[k]
        if whole and share[away[k]] - length * given < 0.0:
            length, blocking = share[away[k]] / given, away[k]
    return length, blocking
