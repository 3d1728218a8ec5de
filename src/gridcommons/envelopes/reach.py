"""How far currents can go anywhere in a box: a branch that nothing in it overloads need not be looked at.

The current of a branch is linear in those of the nodes: |I_b| <= |I_b0| + Σ_i |M_bi| max|I_i|, and a constant
power draws at most max|S_i| / min|V_i|. In a balanced grid the least voltages are those of the two corners of
the box, where voltages fall (or rise) with every load. Where phases couple they are not: there every voltage
stays within a disc around its no-load value, of a radius that bounds the currents which it follows from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.phase_loads import EARTH, LoadPairs

ROUNDS = 60
"""Rounds in which the discs of a three-phase grid grow until they contain what follows from them."""

ROOM = 1e-9
"""By which the last disc is larger than the one it was found from [pu]: then it contains all that follows."""


@dataclass(frozen=True, eq=False)
class Reach:
    """What a current into each node that ever draws anything does, by magnitude.

    Parameters
    ----------
    node : (active,)
        PQ nodes, ascending.
    v_idle : (nodes,)
        No-load voltages of all nodes, sources included [pu].
    impedance : (active, active)
        Voltage at each per current into each [pu].
    from_end, to_end : (branches, active)
        Current at both ends of each branch per current into each.
    passes : (nodes,)
        Nodes where nothing is connected and one line goes on as another: the voltage there lies between those
        of its neighbours, but for what the charging of the lines and the turn between these two add.
    """

    node: IntArray
    v_idle: ComplexArray
    impedance: FloatArray
    from_end: FloatArray
    to_end: FloatArray
    passes: BoolArray


def make_reach(network: Network, node: IntArray) -> Reach:
    """The reach of some PQ nodes (and of those of the grid file's own loads)."""
    own = np.concatenate([np.flatnonzero(network.s_fixed), network.pairs.first, network.pairs.second])
    node = np.unique(np.concatenate([node, own]))
    node = node[(node >= 0) & (node < network.pq_count)]
    unit = np.zeros((network.pq_count, len(node)), dtype=np.complex128)
    unit[node, np.arange(len(node))] = 1.0
    impedance = network.solve_pq(unit)
    from_end, to_end = (y[:, : network.pq_count] @ impedance for y in (network.y_from, network.y_to))
    v_idle = np.concatenate([network.v_no_load, network.v_source])
    z, i_from, i_to = (np.abs(part) for part in (impedance[node], from_end, to_end))
    return Reach(node, v_idle, z, i_from, i_to, _passes(network, node))


def _passes(network: Network, active: IntArray) -> BoolArray:
    branches, count = network.grid.branches, network.y.shape[0]
    node = np.concatenate([network.node_of_bus[at] for at in (branches.from_bus, branches.to_bus)])
    is_line = np.tile(np.array(branches.kind, dtype=object) == "line", 2)
    on = np.concatenate([branches.from_closed, branches.to_closed]) & (node >= 0)
    ends = np.bincount(node[on], minlength=count)
    passes = (ends == 2) & (np.bincount(node[on & is_line], minlength=count) == 2)
    passes[active] = False
    passes[network.pq_count :] = False
    return np.asarray(passes)


def largest_currents(reach: Reach, power_pu: FloatArray, pairs: LoadPairs) -> FloatArray:
    """Bound on the current of each active node wherever powers stay below theirs, shape (steps, active) [pu].

    Parameters
    ----------
    power_pu : (steps, active)
        Largest power to earth [pu].
    pairs : LoadPairs
        Loads between two nodes, of constant current, or of powers (pairs,) or (steps, pairs).

    Notes
    -----
    V = V0 + Z conj(S/V) maps the discs |V_i − V0_i| <= r_i into themselves where r_i is at least
    Σ_k |Z_ik| max|S_k| / (|V0_k| − r_k); by Brouwer's theorem a solution lies in them, and it is the one that
    grows from no load, since it does so for every smaller power, too. Infinite where no discs are found.
    """
    loads = _Pairs(pairs, np.abs(np.broadcast_to(pairs.s_pu, (len(power_pu), len(pairs)))))
    radius = np.zeros_like(power_pu)
    with np.errstate(all="ignore"):
        for _ in range(ROUNDS):
            grown = _currents(reach, power_pu, loads, radius) @ reach.impedance.T
            still = bool((grown - radius < ROOM / 10.0).all())
            radius = grown
            if still:
                break
        radius = radius + ROOM
        current = _currents(reach, power_pu, loads, radius)
        contained = np.all(current @ reach.impedance.T <= radius, axis=1, keepdims=True)
    return np.where(contained, current, np.inf)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Loads between two nodes and the magnitude of their powers, shape (steps, pairs) [pu]."""

    of: LoadPairs
    size: FloatArray


def _currents(reach: Reach, power_pu: FloatArray, loads: _Pairs, radius: FloatArray) -> FloatArray:
    """Largest currents with all voltages within ``radius`` of their no-load values (steps, active) [pu]."""
    least = np.abs(reach.v_idle[reach.node]) - radius
    current = np.where(power_pu > 0.0, np.where(least > 0.0, power_pu / least, np.inf), 0.0)
    if len(loads.of):
        _add_pairs(reach, loads, radius, current)
    return current


def _add_pairs(reach: Reach, loads: _Pairs, radius: FloatArray, current: FloatArray) -> None:
    of = loads.of
    idle = reach.v_idle[of.first] - np.where(of.second == EARTH, 0.0, reach.v_idle[of.second])
    least = np.broadcast_to(np.abs(idle), loads.size.shape).copy()
    ends = []
    for node in (of.first, of.second):
        at = np.minimum(np.searchsorted(reach.node, node), len(reach.node) - 1)
        inside = np.flatnonzero(reach.node[at] == node)
        least[:, inside] -= radius[:, at[inside]]
        ends.append((at[inside], inside))
    by_power = np.where(least > 0.0, loads.size / least, np.inf)
    drawn = np.where(of.is_current, loads.size / of.nominal_pu, by_power)
    for at, inside in ends:
        np.add.at(current.T, at, drawn[:, inside].T)
