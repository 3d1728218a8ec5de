"""The compiled inner loops of the sensitivities, eight problems at a time.

All of them live in this one file: numba's cache does not see edits in another one. Vectors are flat,
(node, re/im, lane).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from gridcommons.model.grid import ComplexArray, FloatArray
from gridcommons.powerflow.admittance import Factors
from gridcommons.powerflow.lanes import LANES, larger, load, spread, store

PAIR = 2 * LANES
"""A complex number in eight lanes: real parts, then imaginary parts."""

SWEEPS = 40
"""Sweeps over a linearised system before it is solved directly."""

SWEEP_TOLERANCE = 1e-9
"""Largest change in the last sweep, against the largest value."""

_jit = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")


@_jit
def _eliminate(factors: Factors, x: FloatArray) -> None:
    """Forward substitution with L, by columns."""
    for node in range(factors.pivot_re.shape[0]):
        y_re, y_im = load(x, node * PAIR), load(x, node * PAIR + LANES)
        for entry in range(factors.start[node], factors.start[node + 1]):
            at = factors.row[entry] * PAIR
            a, b = spread(factors.re[entry]), spread(factors.im[entry])
            store(x, at, load(x, at) - a * y_re + b * y_im)
            store(x, at + LANES, load(x, at + LANES) - a * y_im - b * y_re)


@_jit
def _back_substitute(factors: Factors, x: FloatArray) -> None:
    """Division by D and backward substitution with Lᵀ."""
    for node in range(factors.pivot_re.shape[0] - 1, -1, -1):
        a, b = spread(factors.pivot_re[node]), spread(factors.pivot_im[node])
        x_re, x_im = load(x, node * PAIR), load(x, node * PAIR + LANES)
        y_re, y_im = a * x_re - b * x_im, a * x_im + b * x_re
        for entry in range(factors.start[node], factors.start[node + 1]):
            at = factors.row[entry] * PAIR
            a, b = spread(factors.re[entry]), spread(factors.im[entry])
            x_re, x_im = load(x, at), load(x, at + LANES)
            y_re = y_re - a * x_re + b * x_im
            y_im = y_im - a * x_im - b * x_re
        store(x, node * PAIR, y_re)
        store(x, node * PAIR + LANES, y_im)


class System(NamedTuple):
    """D and right-hand sides b, each of shape (problems, pq nodes) [pu]."""

    d: ComplexArray
    b: ComplexArray


@_jit
def _read(values: ComplexArray, first: int, count: int, out: FloatArray) -> None:
    """Eight rows of a complex table into lanes; lanes beyond the last row repeat it."""
    for lane in range(LANES):
        row = first + min(lane, count - 1)
        for node in range(values.shape[1]):
            out[node * PAIR + lane] = values[row, node].real
            out[node * PAIR + LANES + lane] = values[row, node].imag


@_jit
def _right_hand_side(d: FloatArray, b: FloatArray, now: FloatArray, x: FloatArray) -> None:
    """x = b − D conj(now)."""
    for at in range(0, b.shape[0], PAIR):
        d_re, d_im = load(d, at), load(d, at + LANES)
        v_re, v_im = load(now, at), load(now, at + LANES)
        store(x, at, load(b, at) - d_re * v_re - d_im * v_im)
        store(x, at + LANES, load(b, at + LANES) - d_im * v_re + d_re * v_im)


@_jit
def _change(now: FloatArray, x: FloatArray, peak: FloatArray) -> float:
    """Copy x to now; gives the largest change relative to the largest value of each lane."""
    change, size = spread(0.0), spread(0.0)
    for at in range(0, x.shape[0], LANES):
        new, old = load(x, at), load(now, at)
        difference = new - old
        change = larger(difference * difference, change)
        size = larger(new * new, size)
        store(now, at, new)
    store(peak, 0, change)
    store(peak, LANES, size)
    worst = 0.0
    for lane in range(LANES):
        # A right-hand side of zeros has the answer zero, at once.
        ratio = peak[lane] / peak[LANES + lane] if peak[LANES + lane] > 0.0 else peak[lane]
        if not ratio <= worst:
            worst = ratio
    return worst


@_jit
def iterate_linearised(factors: Factors, system: System, out: ComplexArray, reached: FloatArray) -> None:
    """All problems, eight at a time; ``reached`` is each one's last relative change."""
    nodes = factors.pivot_re.shape[0]
    d, b = np.empty(nodes * PAIR), np.empty(nodes * PAIR)
    now, x, peak = np.empty(nodes * PAIR), np.empty(nodes * PAIR), np.empty(PAIR)
    for first in range(0, out.shape[0], LANES):
        count = min(LANES, out.shape[0] - first)
        _read(system.d, first, count, d)
        _read(system.b, first, count, b)
        now[:] = 0.0
        worst = 1.0
        for _ in range(SWEEPS):
            _right_hand_side(d, b, now, x)
            _eliminate(factors, x)
            _back_substitute(factors, x)
            worst = np.sqrt(_change(now, x, peak))
            if worst < SWEEP_TOLERANCE or not np.isfinite(worst):
                break
        for lane in range(count):
            reached[first + lane] = worst
            for node in range(nodes):
                at = node * PAIR + lane
                out[first + lane, node] = complex(now[at], now[at + LANES])
