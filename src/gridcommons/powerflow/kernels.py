"""The compiled inner loops of the load flow, eight scenarios at a time.

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


class Pairs(NamedTuple):
    """Loads whose current depends on the voltage D between their own two ends, shape (pairs,) each.

    ``c`` is the conjugate of the power that such a load injects at its first end, over its nominal voltage
    where the current is constant; ``column`` is the column that it comes from, -1 for one that never changes.
    An end at a source or earth is -1: ``held`` is what such ends add to D, ``d`` its no-load value [pu].
    """

    first: IntArray
    second: IntArray
    is_current: IntArray
    column: IntArray
    c_re: FloatArray
    c_im: FloatArray
    d_re: FloatArray
    d_im: FloatArray
    held_re: FloatArray
    held_im: FloatArray


class Work(NamedTuple):
    """Memory of one worker: coefficients (node, order, re/im, lane) and vectors (node, re/im, lane)."""

    v: FloatArray
    w: FloatArray
    x: FloatArray
    carried: FloatArray
    s: FloatArray
    total: FloatArray
    peak: FloatArray
    pair_d: FloatArray
    pair_w: FloatArray
    pair_u: FloatArray
    pair_c: FloatArray


def make_work(pq_count: int, terms: int, pairs: int = 0) -> Work:
    """Memory for ``terms`` coefficients of ``pq_count`` nodes and some pairs in eight lanes."""
    series, vector, of_pairs = pq_count * terms * PAIR, pq_count * PAIR, pairs * terms * PAIR
    vectors = [np.empty(vector) for _ in range(4)]
    of_each = [np.empty(of_pairs) for _ in range(3)]
    head = (np.empty(series), np.empty(series))
    return Work(*head, *vectors, np.empty(PAIR), *of_each, np.empty(pairs * PAIR))  # type: ignore[call-arg]


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
def _gather_pairs(pairs: Pairs, demand: Demand, scenarios: tuple[int, int], c: FloatArray) -> None:
    """Conjugate of the power that each pair injects, in eight scenarios (first, count)."""
    first, count = scenarios
    c[:] = 0.0
    for pair in range(pairs.first.shape[0]):
        column, at = pairs.column[pair], pair * PAIR
        for lane in range(count):
            if column < 0:
                c[at + lane], c[at + LANES + lane] = pairs.c_re[pair], pairs.c_im[pair]
            else:
                c[at + lane] = -demand.scale * demand.p_kw[first + lane, column]
                c[at + LANES + lane] = demand.scale * demand.q_kvar[first + lane, column]


@_jit
def _difference(pairs: Pairs, pair: int, order: int, terms: int, v: FloatArray) -> Any:
    """D[n] of a pair: the difference of the coefficients at its two ends."""
    d_re, d_im = spread(0.0), spread(0.0)
    if order == 0:
        return spread(pairs.d_re[pair]), spread(pairs.d_im[pair])
    a, b = pairs.first[pair], pairs.second[pair]
    if a >= 0:
        at = (a * terms + order) * PAIR
        d_re, d_im = d_re + load(v, at), d_im + load(v, at + LANES)
    if b >= 0:
        at = (b * terms + order) * PAIR
        d_re, d_im = d_re - load(v, at), d_im - load(v, at + LANES)
    return d_re, d_im


@_jit
def _extend_direction(order: int, row: int, work: Work) -> Any:
    """U[n] of U = D/|D|, from U² = D(α)/D*(α*): 2 U[0] U[n] = T[n] − Σ_{0<m<n} U[m] U[n−m]."""
    t_re, t_im = spread(0.0), spread(0.0)
    d, w, u = work.pair_d, work.pair_w, work.pair_u
    for m in range(order + 1):
        d_at, w_at = row + m * PAIR, row + (order - m) * PAIR
        d_re, d_im, w_re, w_im = load(d, d_at), load(d, d_at + LANES), load(w, w_at), load(w, w_at + LANES)
        t_re, t_im = t_re + d_re * w_re + d_im * w_im, t_im + d_im * w_re - d_re * w_im
    for m in range(1, order):
        a_at, b_at = row + m * PAIR, row + (order - m) * PAIR
        a_re, a_im, b_re, b_im = load(u, a_at), load(u, a_at + LANES), load(u, b_at), load(u, b_at + LANES)
        t_re, t_im = t_re - a_re * b_re + a_im * b_im, t_im - a_re * b_im - a_im * b_re
    # U[0] has length 1, so that its reciprocal is its conjugate.
    a_re, a_im, half = load(u, row), load(u, row + LANES), spread(0.5)
    u_re, u_im = half * (t_re * a_re + t_im * a_im), half * (t_im * a_re - t_re * a_im)
    store(u, row + order * PAIR, u_re)
    store(u, row + order * PAIR + LANES, u_im)
    return u_re, u_im


@_jit
def _inject_pairs(order: int, pairs: Pairs, terms: int, work: Work) -> None:
    """Right-hand side of order n from the pairs: c conj(W[n−1]), or c U[n−1] for constant current."""
    before = order - 1
    for pair in range(pairs.first.shape[0]):
        row = pair * terms * PAIR
        d_re, d_im = _difference(pairs, pair, before, terms, work.v)
        store(work.pair_d, row + before * PAIR, d_re)
        store(work.pair_d, row + before * PAIR + LANES, d_im)
        square = pairs.d_re[pair] ** 2 + pairs.d_im[pair] ** 2
        w0_re, w0_im = pairs.d_re[pair] / square, -pairs.d_im[pair] / square
        if before == 0:
            store(work.pair_w, row, spread(w0_re))
            store(work.pair_w, row + LANES, spread(w0_im))
            size = np.sqrt(square)
            store(work.pair_u, row, spread(pairs.d_re[pair] / size))
            store(work.pair_u, row + LANES, spread(pairs.d_im[pair] / size))
        else:
            _extend_reciprocal(before, row, (spread(-w0_re), spread(-w0_im)), work.pair_w, work.pair_d)
            if pairs.is_current[pair]:
                _extend_direction(before, row, work)
        at = row + before * PAIR
        if pairs.is_current[pair]:
            x_re, x_im = load(work.pair_u, at), load(work.pair_u, at + LANES)
        else:
            x_re, x_im = load(work.pair_w, at), spread(0.0) - load(work.pair_w, at + LANES)
        c_re, c_im = load(work.pair_c, pair * PAIR), load(work.pair_c, pair * PAIR + LANES)
        _add_to_ends(pairs, pair, (c_re * x_re - c_im * x_im, c_re * x_im + c_im * x_re), work.carried)


@_jit
def _add_to_ends(pairs: Pairs, pair: int, current: Any, out: FloatArray) -> None:
    """A current into the first end and out of the second; ends at sources and earth need none."""
    i_re, i_im = current
    a, b = pairs.first[pair] * PAIR, pairs.second[pair] * PAIR
    if a >= 0:
        store(out, a, load(out, a) + i_re)
        store(out, a + LANES, load(out, a + LANES) + i_im)
    if b >= 0:
        store(out, b, load(out, b) - i_re)
        store(out, b + LANES, load(out, b + LANES) - i_im)


@_jit
def _pair_currents(pairs: Pairs, work: Work) -> None:
    """Currents of the pairs at the summed voltages, added up by node into ``x``."""
    work.x[:] = 0.0
    for pair in range(pairs.first.shape[0]):
        a, b = pairs.first[pair] * PAIR, pairs.second[pair] * PAIR
        for lane in range(LANES):
            d_re, d_im = pairs.held_re[pair], pairs.held_im[pair]
            if a >= 0:
                d_re, d_im = d_re + work.total[a + lane], d_im + work.total[a + LANES + lane]
            if b >= 0:
                d_re, d_im = d_re - work.total[b + lane], d_im - work.total[b + LANES + lane]
            c_re, c_im = work.pair_c[pair * PAIR + lane], work.pair_c[pair * PAIR + LANES + lane]
            square = d_re * d_re + d_im * d_im
            size = np.sqrt(square) if pairs.is_current[pair] else square
            i_re, i_im = (c_re * d_re - c_im * d_im) / size, (c_re * d_im + c_im * d_re) / size
            if a >= 0:
                work.x[a + lane] += i_re
                work.x[a + LANES + lane] += i_im
            if b >= 0:
                work.x[b + lane] -= i_re
                work.x[b + LANES + lane] -= i_im


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
def _extend_reciprocal(order: int, row: int, minus_w0: Any, w: FloatArray, v: FloatArray) -> Any:
    """W[n] = −W[0] Σ_{m<n} W[m] V[n−m] of the node whose series start at ``row``; −W[0] = a + jb."""
    a, b = minus_w0
    sum_re, sum_im = spread(0.0), spread(0.0)
    w_at, v_at = row, row + order * PAIR
    for _ in range(order):
        w_re, w_im = load(w, w_at), load(w, w_at + LANES)
        v_re, v_im = load(v, v_at), load(v, v_at + LANES)
        sum_re = sum_re + w_re * v_re - w_im * v_im
        sum_im = sum_im + w_re * v_im + w_im * v_re
        w_at += PAIR
        v_at -= PAIR
    w_re, w_im = a * sum_re - b * sum_im, a * sum_im + b * sum_re
    store(w, row + order * PAIR, w_re)
    store(w, row + order * PAIR + LANES, w_im)
    return w_re, w_im


@_jit
def _forward(order: int, factors: Factors, germ: Germ, terms: int, work: Work) -> None:
    """W[n−1], the right-hand side S* conj(W[n−1]) and its elimination, in one sweep."""
    for node in range(germ.w_re.shape[0]):
        row, at = node * terms * PAIR, node * PAIR
        w_re, w_im = load(work.w, row), load(work.w, row + LANES)
        if order > 1:
            a, b = spread(-germ.w_re[node]), spread(-germ.w_im[node])
            w_re, w_im = _extend_reciprocal(order - 1, row, (a, b), work.w, work.v)
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
def _series(factors: Factors, germ: Germ, pairs: Pairs, terms: int, work: Work) -> int:
    """Coefficients of eight scenarios and their direct sum; gives the highest order computed."""
    _start(germ, terms, work)
    for order in range(1, terms):
        _inject_pairs(order, pairs, terms, work)
        _forward(order, factors, germ, terms, work)
        if _backward(order, factors, terms, work) < LAST_TERM_PU * LAST_TERM_PU:
            return order
    return terms - 1


@_jit
def _mismatch(rows: Rows, pairs: Pairs, work: Work) -> None:
    """Largest |V conj(Y V − I_pairs) − S|² of each lane, into ``peak``: the law itself, not a series."""
    _pair_currents(pairs, work)
    worst = spread(0.0)
    for node in range(rows.source_re.shape[0]):
        i_re, i_im = spread(rows.source_re[node]), spread(rows.source_im[node])
        for entry in range(rows.start[node], rows.start[node + 1]):
            at = rows.column[entry] * PAIR
            a, b = spread(rows.re[entry]), spread(rows.im[entry])
            v_re, v_im = load(work.total, at), load(work.total, at + LANES)
            i_re = i_re + a * v_re - b * v_im
            i_im = i_im + a * v_im + b * v_re
        i_re, i_im = i_re - load(work.x, node * PAIR), i_im - load(work.x, node * PAIR + LANES)
        v_re, v_im = load(work.total, node * PAIR), load(work.total, node * PAIR + LANES)
        p = v_re * i_re + v_im * i_im - load(work.s, node * PAIR)
        q = v_re * i_im - v_im * i_re - load(work.s, node * PAIR + LANES)
        worst = larger(p * p + q * q, worst)
    store(work.peak, 0, worst)


@_jit
def solve_range(
    network: tuple[Factors, Rows, Germ, Pairs],
    demand: Demand,
    scenarios: tuple[int, int],
    terms: int,
    out: tuple[ComplexArray, FloatArray, IntArray],
    work: Work,
) -> None:
    """Direct sums of scenarios from one to another: voltages, mismatch and order of each."""
    factors, rows, germ, pairs = network
    v_out, mismatch, orders = out
    nodes = germ.v_re.shape[0]
    for first in range(scenarios[0], scenarios[1], LANES):
        count = min(LANES, scenarios[1] - first)
        _gather(demand, first, count, work.s)
        _gather_pairs(pairs, demand, (first, count), work.pair_c)
        order = _series(factors, germ, pairs, terms, work)
        _mismatch(rows, pairs, work)
        for lane in range(count):
            mismatch[first + lane] = np.sqrt(work.peak[lane])
            orders[first + lane] = order
            for node in range(nodes):
                at = node * PAIR + lane
                v_out[first + lane, node] = complex(work.total[at], work.total[at + LANES])


@_jit
def coefficients(
    network: tuple[Factors, Germ, Pairs], demand: Demand, first: int, terms: int, work: Work
) -> ComplexArray:
    """All coefficients V[n] of one scenario, shape (terms, pq nodes)."""
    factors, germ, pairs = network
    nodes = germ.v_re.shape[0]
    _gather(demand, first, 1, work.s)
    _gather_pairs(pairs, demand, (first, 1), work.pair_c)
    highest = _series(factors, germ, pairs, terms, work)
    series = np.zeros((terms, nodes), np.complex128)
    for node in range(nodes):
        series[0, node] = complex(germ.v_re[node], germ.v_im[node])
    for order in range(1, highest + 1):
        for node in range(nodes):
            at = (node * terms + order) * PAIR
            series[order, node] = complex(work.v[at], work.v[at + LANES])
    return series
