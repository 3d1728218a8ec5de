"""How limits answer to the power of each asset, from the linearised load flow at the corners looked at.

Two ways give the same numbers. The gradient of one limit with respect to all nodes (the adjoint) suits few
limits a corner. A three-phase grid has many nodes, and many limits that are looked at in one and the same
corner: there the answer of all voltages to one asset after the other is the cheap direction.
"""

from __future__ import annotations

import numpy as np

from gridcommons.envelopes.limit_rows import Directions
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray
from gridcommons.powerflow.sensitivities import gradients, reactive_sensitivities, voltage_sensitivities
from gridcommons.powerflow.solution import FlowSolution

GRADIENTS_AT_ONCE = 512
"""Gradients of one batch in a three-phase grid: each is as long as the grid has nodes."""


def row_slopes(
    solution: FlowSolution,
    scenario: IntArray,
    directions: Directions,
    at: tuple[IntArray, FloatArray],
) -> FloatArray:
    """Slope of each query for the power of each row of terminals, shape (queries, rows) [g/kW].

    Parameters
    ----------
    solution : FlowSolution
        Where it is taken.
    scenario : (queries,)
        Scenario of each query.
    directions : Directions
        How each query answers to voltages.
    at : (rows,), (rows,)
        PQ node of each row, and the kvar that it draws per kW.
    """
    if not solution.network.grid.is_three_phase:
        return _by_gradients(solution, scenario, directions, at)
    slope = np.empty((len(scenario), len(at[0])))
    order = np.argsort(scenario, kind="stable")
    first = np.flatnonzero(np.diff(scenario[order], prepend=-1))
    few = []
    for mine in np.split(order, first[1:]):
        if len(mine) > len(at[0]):
            slope[mine] = _by_assets(solution, int(scenario[mine[0]]), directions.take(mine), at)
        else:
            few.append(mine)
    rest = np.concatenate([order[:0], *few])
    for start in range(0, len(rest), GRADIENTS_AT_ONCE):
        part = rest[start : start + GRADIENTS_AT_ONCE]
        slope[part] = _by_gradients(solution, scenario[part], directions.take(part), at)
    return slope


def _by_gradients(
    solution: FlowSolution, scenario: IntArray, directions: Directions, at: tuple[IntArray, FloatArray]
) -> FloatArray:
    node, tan_phi = at
    towards = directions.dense(solution.network.pq_count)
    by_p, by_q = gradients(solution, scenario, towards, node)
    return by_p + tan_phi * by_q


def _by_assets(
    solution: FlowSolution, scenario: int, directions: Directions, at: tuple[IntArray, FloatArray]
) -> FloatArray:
    dv = _answers(solution, scenario, at)
    slope = np.zeros((len(directions.node), len(dv)))
    for k in range(directions.node.shape[1]):
        used = np.flatnonzero(directions.value[:, k])
        h = directions.value[used, k]
        slope[used] += (h[:, None] * dv[:, directions.node[used, k]].T).real
    return slope


def _answers(solution: FlowSolution, scenario: int, at: tuple[IntArray, FloatArray]) -> ComplexArray:
    """Change of every voltage per kW of each row and its reactive power, shape (rows, nodes) [pu/kW]."""
    node, tan_phi = at
    nodes, row = np.unique(node, return_inverse=True)
    dv = voltage_sensitivities(solution, scenario, nodes)[row]
    turning = np.flatnonzero(tan_phi)
    if len(turning):
        nodes, row = np.unique(node[turning], return_inverse=True)
        by_q = reactive_sensitivities(solution, scenario, nodes)[row]
        dv[turning] += tan_phi[turning, None] * by_q
    # Voltages of sources answer to nothing.
    held = np.zeros((len(dv), len(solution.network.v_source)))
    return np.concatenate([dv, held], axis=1)
