"""What the grid can still take around a load flow, as linear rows in the load of the load points.

A branch by the factors of the DC load flow, in the direction of its flow, against what the AC load flow says
it carries: losses, reactive power and low voltages are in the room, not in the factors. A voltage by the
exact linearisation of the load flow. Solved, checked and linearised again at the answer, the rows end where
the AC load flow itself holds.
"""

from __future__ import annotations

import numpy as np

from gridcommons.flexibility.check import GridState, voltage_gradients
from gridcommons.model.flexibility import LimitRows
from gridcommons.model.grid import FloatArray, IntArray

SCREEN_FACTOR = 1.5
"""How much further than at no load a voltage is thought to fall, when looking for limits that can bind."""


def linear_limits(
    state: GridState, buses: IntArray, reach_kw: FloatArray, margin: tuple[float, float] = (0.0, 0.0)
) -> LimitRows:
    """Rows of every limit that is broken, or could be when load grows by up to ``reach_kw``.

    Parameters
    ----------
    state : GridState
        The load flow about which changes are counted.
    buses : (load points,)
        Bus indices at which load can change.
    reach_kw : (load points, steps)
        How much more may be drawn [kW].
    margin : pair of float
        Share of each rating, and voltage [pu], that shall stay free.
    """
    branch = _branch_rows(state, buses, reach_kw, margin[0])
    voltage = _voltage_rows(state, buses, reach_kw, margin[1])
    matrix, room_kw, step, element, kind = (
        np.concatenate([first, second]) for first, second in zip(branch, voltage, strict=True)
    )
    names = state.view.study.grid.buses.name
    order = np.argsort(step, kind="stable")
    return LimitRows(
        tuple(names[bus] for bus in buses),
        matrix[order],
        room_kw[order],
        step[order].astype(np.int64),
        tuple(element[order]),
        tuple(kind[order]),
    )


Rows = tuple[FloatArray, FloatArray, IntArray, np.ndarray, np.ndarray]


def _branch_rows(state: GridState, buses: IntArray, reach_kw: FloatArray, margin_share: float) -> Rows:
    view = state.view
    factors = view.factors(buses)
    limit_kw = (1.0 - margin_share) * view.limit_kw
    rated = np.isfinite(view.rated_kw)
    room_kw = np.where(rated, limit_kw - state.carried_kw, np.inf)
    # What the load points could add to each branch, in the direction in which it already flows.
    most_kw = (np.maximum(factors, 0.0) @ reach_kw).T
    least_kw = (np.maximum(-factors, 0.0) @ reach_kw).T
    adds_kw = np.where(state.direction > 0.0, most_kw, least_kw)
    step, branch = np.nonzero((adds_kw > room_kw) | (room_kw < 0.0))
    matrix = state.direction[step, branch][:, None] * factors[branch]
    helps = np.abs(matrix).any(axis=1)
    step, branch, matrix = step[helps], branch[helps], matrix[helps]
    names = np.array(view.study.grid.branches.name, dtype=object)
    kinds = np.full(len(step), "loading_max_percent", dtype=object)
    return matrix, room_kw[step, branch], step, names[branch], kinds


def _voltage_rows(state: GridState, buses: IntArray, reach_kw: FloatArray, margin_pu: float) -> Rows:
    limits, network = state.view.limits, state.view.network
    low_pu, high_pu = limits.vm_min_pu + margin_pu, limits.vm_max_pu - margin_pu
    fall_pu = SCREEN_FACTOR * _resistance(state, buses) @ reach_kw
    with np.errstate(invalid="ignore"):
        low = np.argwhere(state.vm_pu - fall_pu.T < low_pu)
        high = np.argwhere(state.vm_pu > high_pu)
    step = np.concatenate([low[:, 0], high[:, 0]]).astype(np.int64)
    bus = np.concatenate([low[:, 1], high[:, 1]]).astype(np.int64)
    is_low = np.arange(len(step)) < len(low)
    moved = network.node_of_bus[bus] < network.pq_count
    step, bus, is_low = step[moved], bus[moved], is_low[moved]
    sign = np.where(is_low, -1.0, 1.0)
    rises = sign[:, None] * voltage_gradients(state, step, bus, buses)
    peak = np.abs(rises).max(axis=1, initial=0.0)
    room_pu = np.where(
        is_low, state.vm_pu[step, bus] - low_pu[step, bus], high_pu[step, bus] - state.vm_pu[step, bus]
    )
    helps = peak > 0.0
    names = np.array(state.view.study.grid.buses.name, dtype=object)
    kinds = np.array(["vm_max_pu", "vm_min_pu"], dtype=object)[is_low.astype(int)]
    scale = peak[helps]
    return rises[helps] / scale[:, None], room_pu[helps] / scale, step[helps], names[bus[helps]], kinds[helps]


def _resistance(state: GridState, buses: IntArray) -> FloatArray:
    """Fall of each voltage per kW at some buses, with nothing connected, (buses, load points) [pu/kW]."""
    network = state.view.network
    node, drawn = network.node_of_bus, network.node_of(buses)
    out = np.zeros((len(node), len(buses)))
    inside, moves = (node >= 0) & (node < network.pq_count), drawn < network.pq_count
    block = network.impedance[np.ix_(node[inside], drawn[moves])]
    out[np.ix_(np.flatnonzero(inside), np.flatnonzero(moves))] = np.abs(block.real) / 1e3
    return out
