"""Worst margin of every scenario over all limits, in one compiled pass.

Side 0 belongs to the upper ends (low voltage, power flowing out over a branch), side 1 to the lower
ends (high voltage, power flowing back).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from gridcommons.envelopes.limit_rows import Kind, LimitRows
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray
from gridcommons.powerflow.solution import FlowSolution

_jit = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
_VM_MIN, _VM_MAX, _LOADING = int(Kind.VM_MIN), int(Kind.VM_MAX), int(Kind.LOADING)
_VA_MIN, _VA_MAX = int(Kind.VA_MIN), int(Kind.VA_MAX)
_VA_DIFF_MIN = int(Kind.VA_DIFF_MIN)


class _Table(NamedTuple):
    """Limits and ends of branches as flat arrays; bounds, by way of the flow, are 1/limit for loadings."""

    kind: IntArray
    node: IntArray
    ends: IntArray
    y_from: ComplexArray
    y_to: ComplexArray
    outward: FloatArray
    bound: FloatArray
    bound_back: FloatArray


def worst_margins(rows: LimitRows, solution: FlowSolution, step: IntArray) -> tuple[FloatArray, IntArray]:
    """Largest g of each scenario and side, and its limit.

    Returns
    -------
    tuple of (scenarios, 2)
        g (positive: violated; infinite where the scenario has no solution) and limit index (-1 where
        nothing bounds the side).
    """
    ends, element = rows.ends, rows.element
    at_branch = ~np.isin(rows.kind, (_VM_MIN, _VM_MAX, _VA_MIN, _VA_MAX))
    branch = np.where(at_branch, element, 0)
    # Admittances per rated current: what flows is then the share of the rating itself.
    y_from, y_to = ends.y_from / rows.rated[0][:, None], ends.y_to / rows.rated[1][:, None]
    table = _Table(
        rows.kind,
        rows.node,
        np.ascontiguousarray(ends.node[branch]),
        np.ascontiguousarray(y_from[branch]),
        np.ascontiguousarray(y_to[branch]),
        ends.outward[branch],
        _per_rating(rows, rows.bound),
        _per_rating(rows, rows.bound_back),
    )
    count = len(step)
    worst, where = np.full((count, 2), -np.inf), np.full((count, 2), -1, dtype=np.int64)
    _scan(table, solution.v_pq, rows.network.v_source, step, worst, where)
    worst[~solution.solved] = np.inf
    return worst, where


def _per_rating(rows: LimitRows, bound: FloatArray) -> FloatArray:
    loading = rows.kind == _LOADING
    return np.ascontiguousarray(np.where(loading, 1.0 / np.where(loading, bound, 1.0), bound))


@_jit
def _square(number: complex) -> float:
    size: float = number.real * number.real + number.imag * number.imag
    return size


@_jit
def _bus_value(kind: int, bound: float, v: complex) -> tuple[float, int]:
    if kind == _VM_MIN:
        return bound - np.sqrt(_square(v)), 0
    if kind == _VM_MAX:
        return np.sqrt(_square(v)) - bound, 1
    angle = np.angle(v)
    if kind == _VA_MIN:
        return bound - angle, 0
    return angle - bound, 1


@_jit
def _flow_out(v_f: complex, v_t: complex, i_f: complex, i_t: complex) -> float:
    """Twice the active power from ``f`` to ``t``, as the mean of both ends, so that losses stay aside."""
    power: float = v_f.real * i_f.real + v_f.imag * i_f.imag - v_t.real * i_t.real - v_t.imag * i_t.imag
    return power


@_jit
def _branch_value(
    kind: int, bound: float, voltages: tuple[complex, complex], currents: tuple[complex, complex]
) -> float:
    if kind == _LOADING:
        share: float = np.sqrt(max(_square(currents[0]), _square(currents[1]))) * bound
        return share - 1.0
    difference: float = np.angle(voltages[0] * np.conj(voltages[1]))
    return bound - difference if kind == _VA_DIFF_MIN else difference - bound


@_jit
def _scan(
    table: _Table,
    v: ComplexArray,
    source: ComplexArray,
    step: IntArray,
    worst: FloatArray,
    where: IntArray,
) -> None:
    # Only numbers go into the functions called here: arrays handed on are counted in and out at every
    # limit, which takes seven times as long as the work.
    kinds, bounds, bounds_back, nodes = table.kind, table.bound, table.bound_back, table.node
    pq = v.shape[1]
    ends, y_from, y_to, outward = table.ends, table.y_from, table.y_to, table.outward
    for scenario in range(v.shape[0]):
        at = step[scenario]
        most_out, most_back, k_out, k_back = -np.inf, -np.inf, -1, -1
        for k in range(kinds.shape[0]):
            kind = kinds[k]
            if kind in (_VM_MIN, _VM_MAX, _VA_MIN, _VA_MAX):
                g, side = _bus_value(kind, bounds[at, k], v[scenario, nodes[k]])
            else:
                f, t = ends[k, 0], ends[k, 1]
                v_f = v[scenario, f] if f < pq else source[f - pq]
                v_t = v[scenario, t] if t < pq else source[t - pq]
                i_f, i_t = y_from[k, 0] * v_f + y_from[k, 1] * v_t, y_to[k, 0] * v_f + y_to[k, 1] * v_t
                for column in range(2, ends.shape[1]):
                    other = ends[k, column]
                    v_other = v[scenario, other] if other < pq else source[other - pq]
                    i_f, i_t = i_f + y_from[k, column] * v_other, i_t + y_to[k, column] * v_other
                side = 0 if outward[k] * _flow_out(v_f, v_t, i_f, i_t) >= 0.0 else 1
                bound = bounds[at, k] if side == 0 else bounds_back[at, k]
                g = _branch_value(kind, bound, (v_f, v_t), (i_f, i_t))
            if side == 0 and not g <= most_out:
                most_out, k_out = g, k
            elif side == 1 and not g <= most_back:
                most_back, k_back = g, k
        worst[scenario, 0], worst[scenario, 1] = most_out, most_back
        where[scenario, 0], where[scenario, 1] = k_out, k_back
