"""Worst margin of every scenario over all limits, in one compiled pass.

Side 0 belongs to the upper ends (low voltage, power flowing out over a branch), side 1 to the lower
ends (high voltage, power flowing back).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from gridcommons.envelopes.limit_rows import Kind, LimitRows
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray
from gridcommons.powerflow.solution import FlowSolution

_jit = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
_VM_MIN, _VM_MAX, _LOADING = int(Kind.VM_MIN), int(Kind.VM_MAX), int(Kind.LOADING)
_VA_MIN, _VA_MAX = int(Kind.VA_MIN), int(Kind.VA_MAX)
_VA_DIFF_MIN = int(Kind.VA_DIFF_MIN)


class _Table(NamedTuple):
    """Limits and two-ports as flat arrays."""

    kind: IntArray
    node: IntArray
    f: IntArray
    t: IntArray
    admittance: ComplexArray
    per_rated: FloatArray
    outward: FloatArray
    bound: FloatArray
    ignored: BoolArray


def worst_margins(
    rows: LimitRows, solution: FlowSolution, step: IntArray, ignored: BoolArray
) -> tuple[FloatArray, IntArray]:
    """Largest g of each scenario and side, and its limit; ``ignored`` (steps, limits) is left out.

    Returns
    -------
    tuple of (scenarios, 2)
        g (positive: violated; infinite where the scenario has no solution) and limit index.
    """
    ends, element = rows.ends, rows.element
    at_branch = ~np.isin(rows.kind, (_VM_MIN, _VM_MAX, _VA_MIN, _VA_MAX))
    branch = np.where(at_branch, element, 0)
    table = _Table(
        rows.kind,
        rows.node,
        ends.f[branch],
        ends.t[branch],
        np.ascontiguousarray(np.stack([ends.ff, ends.ft, ends.tf, ends.tt], axis=1)[branch]),
        np.ascontiguousarray(1.0 / np.stack(rows.rated, axis=1)[branch]),
        ends.outward[branch],
        np.ascontiguousarray(rows.bound),
        ignored,
    )
    count = len(step)
    worst, where = np.full((count, 2), -np.inf), np.full((count, 2), -1, dtype=np.int64)
    _scan(table, solution.v_pq, rows.network.v_source, step, worst, where)
    worst[~solution.solved] = np.inf
    return worst, where


@_jit
def _size(number: complex) -> float:
    # numba's abs guards against overflow, which per-unit numbers never reach, at four times the time.
    size: float = np.sqrt(number.real * number.real + number.imag * number.imag)
    return size


@_jit
def _voltage(v: ComplexArray, source: ComplexArray, scenario: int, node: int) -> complex:
    voltage: complex = v[scenario, node] if node < v.shape[1] else source[node - v.shape[1]]
    return voltage


@_jit
def _bus_value(table: _Table, k: int, bound: float, v: complex) -> tuple[float, int]:
    kind = table.kind[k]
    if kind == _VM_MIN:
        return bound - _size(v), 0
    if kind == _VM_MAX:
        return _size(v) - bound, 1
    angle = np.angle(v)
    if kind == _VA_MIN:
        return bound - angle, 0
    return angle - bound, 1


@_jit
def _branch_value(table: _Table, k: int, bound: float, v_f: complex, v_t: complex) -> tuple[float, int]:
    y = table.admittance[k]
    i_f, i_t = y[0] * v_f + y[1] * v_t, y[2] * v_f + y[3] * v_t
    # Power drawn at the end towards the source flows out; the mean of both ends leaves losses aside.
    out = table.outward[k] * ((v_f * np.conj(i_f)).real - (v_t * np.conj(i_t)).real)
    side = 0 if out >= 0.0 else 1
    if table.kind[k] == _LOADING:
        return max(_size(i_f) * table.per_rated[k, 0], _size(i_t) * table.per_rated[k, 1]) / bound - 1.0, side
    difference = np.angle(v_f * np.conj(v_t))
    return (bound - difference if table.kind[k] == _VA_DIFF_MIN else difference - bound), side


@_jit
def _scan(
    table: _Table,
    v: ComplexArray,
    source: ComplexArray,
    step: IntArray,
    worst: FloatArray,
    where: IntArray,
) -> None:
    for scenario in range(v.shape[0]):
        at = step[scenario]
        for k in range(table.kind.shape[0]):
            if table.ignored[at, k]:
                continue
            kind, bound = table.kind[k], table.bound[at, k]
            if kind in (_VM_MIN, _VM_MAX, _VA_MIN, _VA_MAX):
                g, side = _bus_value(table, k, bound, _voltage(v, source, scenario, table.node[k]))
            else:
                v_f = _voltage(v, source, scenario, table.f[k])
                v_t = _voltage(v, source, scenario, table.t[k])
                g, side = _branch_value(table, k, bound, v_f, v_t)
            if not g <= worst[scenario, side]:
                worst[scenario, side] = g
                where[scenario, side] = k
