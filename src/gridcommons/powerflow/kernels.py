"""The compiled inner loops of load flow and sensitivities, eight scenarios at a time.

All of them live in this one file: numba's cache does not see edits in another one. Vectors are flat,
(node, re/im, lane); series are flat, (node, order, re/im, lane).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray, Factors, Rows
from gridcommons.powerflow.lanes import LANES, larger, load, spread, store

PAIR = 2 * LANES
"""A complex number in eight lanes: real parts, then imaginary parts."""

LAST_TERM_PU = 1e-9
"""The direct sum stops once no voltage coefficient is larger than this."""

SWEEPS = 40
"""Sweeps over a linearised system before it is solved directly."""

SWEEP_TOLERANCE = 1e-9
"""Largest change in the last sweep, against the largest value."""

_jit = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")


class Germ(NamedTuple):
    """No-load voltages and their reciprocals, shape (pq nodes,)."""

    v_re: FloatArray
    v_im: FloatArray
    w_re: FloatArray
    w_im: FloatArray


class Demand(NamedTuple):
    """Net power of each column in each scenario [kW], [kvar], the columns of each node, and what lies under.

    ``column[start[i]:start[i + 1]]`` are the columns at PQ node i; ``scale`` turns kW into pu.
    ``base_re``, ``base_im`` (rows, pq nodes) is the conjugate of the power injected beside the columns
    [pu], ``base_row`` the row that each scenario takes.
    """

    p_kw: FloatArray
    q_kvar: FloatArray
    start: IntArray
    column: IntArray
    base_re: FloatArray
    base_im: FloatArray
    base_row: IntArray
    scale: float


class Work(NamedTuple):
    """Memory of one worker: coefficients (node, order, re/im, lane) and vectors (node, re/im, lane)."""

    v: FloatArray
    w: FloatArray
    x: FloatArray
    carried: FloatArray
    s: FloatArray
    total: FloatArray
    peak: FloatArray


def make_work(pq_count: int, terms: int) -> Work:
    """Memory for ``terms`` coefficients of ``pq_count`` nodes in eight lanes."""
    series, vector = pq_count * terms * PAIR, pq_count * PAIR
    return Work(
        np.empty(series),
        np.empty(series),
        np.empty(vector),
        np.empty(vector),
        np.empty(vector),
        np.empty(vector),
        np.empty(PAIR),
    )


@_jit
def _gather(demand: Demand, first: int, count: int, s: FloatArray) -> None:
    """Conjugate of the injected power per node, from the columns of eight scenarios."""
    p_kw, q_kvar, start, column = demand.p_kw, demand.q_kvar, demand.start, demand.column
    s[:] = 0.0
    for lane in range(count):
        scenario = first + lane
        row = demand.base_row[scenario]
        for node in range(start.shape[0] - 1):
            p, q = 0.0, 0.0
            for k in range(start[node], start[node + 1]):
                p += p_kw[scenario, column[k]]
                q += q_kvar[scenario, column[k]]
            at = node * PAIR + lane
            s[at] = demand.base_re[row, node] - demand.scale * p
            s[at + LANES] = demand.base_im[row, node] + demand.scale * q


@_jit
def _start(germ: Germ, terms: int, work: Work) -> None:
    """Order 0: the no-load state."""
    for node in range(germ.v_re.shape[0]):
        row, at = node * terms * PAIR, node * PAIR
        store(work.w, row, spread(germ.w_re[node]))
        store(work.w, row + LANES, spread(germ.w_im[node]))
        store(work.total, at, spread(germ.v_re[node]))
        store(work.total, at + LANES, spread(germ.v_im[node]))
        store(work.carried, at, spread(0.0))
        store(work.carried, at + LANES, spread(0.0))


@_jit
def _extend_reciprocal(order: int, row: int, a: Any, b: Any, work: Work) -> Any:
    """W[n] = −W[0] Σ_{m<n} W[m] V[n−m] of the node whose series start at ``row``; −W[0] = a + jb."""
    sum_re, sum_im = spread(0.0), spread(0.0)
    w_at, v_at = row, row + order * PAIR
    for _ in range(order):
        w_re, w_im = load(work.w, w_at), load(work.w, w_at + LANES)
        v_re, v_im = load(work.v, v_at), load(work.v, v_at + LANES)
        sum_re = sum_re + w_re * v_re - w_im * v_im
        sum_im = sum_im + w_re * v_im + w_im * v_re
        w_at += PAIR
        v_at -= PAIR
    w_re, w_im = a * sum_re - b * sum_im, a * sum_im + b * sum_re
    store(work.w, row + order * PAIR, w_re)
    store(work.w, row + order * PAIR + LANES, w_im)
    return w_re, w_im


@_jit
def _forward(order: int, factors: Factors, germ: Germ, terms: int, work: Work) -> None:
    """W[n−1], the right-hand side S* conj(W[n−1]) and its elimination, in one sweep."""
    for node in range(germ.w_re.shape[0]):
        row, at = node * terms * PAIR, node * PAIR
        w_re, w_im = load(work.w, row), load(work.w, row + LANES)
        if order > 1:
            a, b = spread(-germ.w_re[node]), spread(-germ.w_im[node])
            w_re, w_im = _extend_reciprocal(order - 1, row, a, b, work)
        s_re, s_im = load(work.s, at), load(work.s, at + LANES)
        y_re = load(work.carried, at) + s_re * w_re + s_im * w_im
        y_im = load(work.carried, at + LANES) + s_im * w_re - s_re * w_im
        store(work.carried, at, spread(0.0))
        store(work.carried, at + LANES, spread(0.0))
        store(work.x, at, y_re)
        store(work.x, at + LANES, y_im)
        for entry in range(factors.start[node], factors.start[node + 1]):
            to = factors.row[entry] * PAIR
            a, b = spread(factors.re[entry]), spread(factors.im[entry])
            store(work.carried, to, load(work.carried, to) - a * y_re + b * y_im)
            store(work.carried, to + LANES, load(work.carried, to + LANES) - a * y_im - b * y_re)


@_jit
def _backward(order: int, factors: Factors, terms: int, work: Work) -> float:
    """V[n] by back-substitution, added to the sum; gives the largest |V[n]|², NaN if one is not finite."""
    peak = spread(0.0)
    for node in range(factors.pivot_re.shape[0] - 1, -1, -1):
        at, row = node * PAIR, (node * terms + order) * PAIR
        a, b = spread(factors.pivot_re[node]), spread(factors.pivot_im[node])
        x_re, x_im = load(work.x, at), load(work.x, at + LANES)
        y_re, y_im = a * x_re - b * x_im, a * x_im + b * x_re
        for entry in range(factors.start[node], factors.start[node + 1]):
            of = factors.row[entry] * PAIR
            a, b = spread(factors.re[entry]), spread(factors.im[entry])
            x_re, x_im = load(work.x, of), load(work.x, of + LANES)
            y_re = y_re - a * x_re + b * x_im
            y_im = y_im - a * x_im - b * x_re
        store(work.x, at, y_re)
        store(work.x, at + LANES, y_im)
        store(work.v, row, y_re)
        store(work.v, row + LANES, y_im)
        store(work.total, at, load(work.total, at) + y_re)
        store(work.total, at + LANES, load(work.total, at + LANES) + y_im)
        peak = larger(y_re * y_re + y_im * y_im, peak)
    store(work.peak, 0, peak)
    worst = 0.0
    for lane in range(LANES):
        if not work.peak[lane] <= worst:
            worst = work.peak[lane]
    return worst


@_jit
def _series(factors: Factors, germ: Germ, terms: int, work: Work) -> int:
    """Coefficients of eight scenarios and their direct sum; gives the highest order computed."""
    _start(germ, terms, work)
    for order in range(1, terms):
        _forward(order, factors, germ, terms, work)
        if _backward(order, factors, terms, work) < LAST_TERM_PU * LAST_TERM_PU:
            return order
    return terms - 1


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


@_jit
def _mismatch(rows: Rows, work: Work) -> None:
    """Largest |V conj(Y V) − S|² of each lane, into ``peak``: the law itself, not the series' word."""
    worst = spread(0.0)
    for node in range(rows.source_re.shape[0]):
        i_re, i_im = spread(rows.source_re[node]), spread(rows.source_im[node])
        for entry in range(rows.start[node], rows.start[node + 1]):
            at = rows.column[entry] * PAIR
            a, b = spread(rows.re[entry]), spread(rows.im[entry])
            v_re, v_im = load(work.total, at), load(work.total, at + LANES)
            i_re = i_re + a * v_re - b * v_im
            i_im = i_im + a * v_im + b * v_re
        v_re, v_im = load(work.total, node * PAIR), load(work.total, node * PAIR + LANES)
        p = v_re * i_re + v_im * i_im - load(work.s, node * PAIR)
        q = v_re * i_im - v_im * i_re - load(work.s, node * PAIR + LANES)
        worst = larger(p * p + q * q, worst)
    store(work.peak, 0, worst)


@_jit
def solve_range(
    network: tuple[Factors, Rows, Germ],
    demand: Demand,
    scenarios: tuple[int, int],
    terms: int,
    out: tuple[ComplexArray, FloatArray, IntArray],
    work: Work,
) -> None:
    """Direct sums of scenarios from one to another: voltages, mismatch and order of each."""
    factors, rows, germ = network
    v_out, mismatch, orders = out
    nodes = germ.v_re.shape[0]
    for first in range(scenarios[0], scenarios[1], LANES):
        count = min(LANES, scenarios[1] - first)
        _gather(demand, first, count, work.s)
        order = _series(factors, germ, terms, work)
        _mismatch(rows, work)
        for lane in range(count):
            mismatch[first + lane] = np.sqrt(work.peak[lane])
            orders[first + lane] = order
            for node in range(nodes):
                at = node * PAIR + lane
                v_out[first + lane, node] = complex(work.total[at], work.total[at + LANES])


@_jit
def coefficients(
    network: tuple[Factors, Germ], demand: Demand, first: int, terms: int, work: Work
) -> ComplexArray:
    """All coefficients V[n] of one scenario, shape (terms, pq nodes)."""
    factors, germ = network
    nodes = germ.v_re.shape[0]
    _gather(demand, first, 1, work.s)
    highest = _series(factors, germ, terms, work)
    series = np.zeros((terms, nodes), np.complex128)
    for node in range(nodes):
        series[0, node] = complex(germ.v_re[node], germ.v_im[node])
    for order in range(1, highest + 1):
        for node in range(nodes):
            at = (node * terms + order) * PAIR
            series[order, node] = complex(work.v[at], work.v[at + LANES])
    return series


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
