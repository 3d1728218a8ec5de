"""Loads of a three-phase grid's file by what they are to a load flow.

A load of constant impedance is part of the admittances; one of constant power to earth is an injection.
What remains depends on the voltage of its own two ends: constant current, or power between two phases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from gridcommons.model.errors import InfeasibleError
from gridcommons.model.grid import S_BASE_KVA, BoolArray, ComplexArray, FloatArray, Grid, IntArray
from gridcommons.powerflow.assembly import sparse

EARTH = -1
"""The other end of a load between a phase and earth."""


@dataclass(frozen=True, eq=False)
class LoadPairs:
    """Loads between two nodes, or between a node and earth.

    Parameters
    ----------
    first, second : (pairs,)
        Nodes; ``second`` is -1 for earth.
    is_current : (pairs,)
        Whether the magnitude of its current is constant, instead of its power.
    s_pu : (pairs,) or (scenarios, pairs)
        Power drawn at nominal voltage [pu].
    """

    first: IntArray
    second: IntArray
    is_current: BoolArray
    s_pu: ComplexArray

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.first)

    def of(self, scenario: int) -> LoadPairs:
        """The loads of one scenario."""
        return self if self.s_pu.ndim == 1 else replace(self, s_pu=self.s_pu[scenario])

    @property
    def nominal_pu(self) -> FloatArray:
        """Nominal voltage between the two ends, shape (pairs,) [pu]."""
        return np.where(self.second == EARTH, 1.0, np.sqrt(3.0))


def pair_currents(pairs: LoadPairs, v_nodes: ComplexArray, pq_count: int) -> ComplexArray:
    """Current that the pairs of one scenario drive into each PQ node, shape (…, pq nodes) [pu].

    ``v_nodes`` are the voltages of all nodes, shape (…, nodes).
    """
    current = np.zeros(v_nodes.shape, dtype=np.complex128)
    d = _differences(pairs, v_nodes)
    drawn = np.where(pairs.is_current, d / np.abs(d) / pairs.nominal_pu, 1.0 / np.conj(d)) * np.conj(
        pairs.s_pu
    )
    np.add.at(current.T, pairs.first, -drawn.T)
    between = pairs.second != EARTH
    np.add.at(current.T, pairs.second[between], drawn[..., between].T)
    return current[..., :pq_count]


def linearised_pairs(pairs: LoadPairs, v_nodes: ComplexArray, pq_count: int) -> tuple[csr_array, csr_array]:
    """A and B of dI = A dV + B conj(dV) of their currents at one state, (pq nodes, pq nodes) each.

    Constant power: dI = −c/conj(D)² conj(dD). Constant current: dI = c/(2|D|) dD − c D²/(2|D|³) conj(dD),
    with c the conjugate of what is injected, over the nominal voltage where the current is constant.
    """
    d, c = _differences(pairs, v_nodes), -np.conj(pairs.s_pu)
    size, c_current = np.abs(d), c / pairs.nominal_pu
    along = np.where(pairs.is_current, c_current / (2.0 * size), 0.0)
    against = np.where(pairs.is_current, -c_current * d**2 / (2.0 * size**3), -c / np.conj(d) ** 2)
    return _between(pairs, along, pq_count), _between(pairs, against, pq_count)


def _differences(pairs: LoadPairs, v_nodes: ComplexArray) -> ComplexArray:
    """D of each pair, shape (…, pairs) [pu]."""
    far = np.where(pairs.second == EARTH, 0.0, v_nodes[..., np.maximum(pairs.second, 0)])
    return np.asarray(v_nodes[..., pairs.first] - far)


def _between(pairs: LoadPairs, values: ComplexArray, pq_count: int) -> csr_array:
    """Values as admittances between the ends of each pair, the ends at sources left out."""
    a, b = pairs.first, pairs.second
    has_a, has_b = a < pq_count, (b != EARTH) & (b < pq_count)
    both = has_a & has_b
    parts = [
        (a[has_a], a[has_a], values[has_a]),
        (b[has_b], b[has_b], values[has_b]),
        (a[both], b[both], -values[both]),
        (b[both], a[both], -values[both]),
    ]
    return sparse(parts, (pq_count, pq_count))


def constant_admittance(grid: Grid, nodes: IntArray, count: int) -> csr_array:
    """Admittance of the loads of constant impedance, (nodes, nodes) [pu]; ``nodes`` is each bus's node."""
    first, second, s_pu, on = _of_model(grid, nodes, "impedance")
    between = second != EARTH
    y = np.where(between, np.conj(s_pu) / 3.0, np.conj(s_pu))[on]
    a, b, both = first[on], second[on], between[on]
    parts = [
        (a, a, y),
        (b[both], b[both], y[both]),
        (a[both], b[both], -y[both]),
        (b[both], a[both], -y[both]),
    ]
    return sparse(parts, (count, count))


def constant_power(grid: Grid, nodes: IntArray, pq_count: int) -> ComplexArray:
    """Power injected by the loads of constant power to earth, shape (pq nodes,) [pu]."""
    first, second, s_pu, on = _of_model(grid, nodes, "power")
    mine = on & (second == EARTH) & (first < pq_count)
    power = np.zeros(pq_count, dtype=np.complex128)
    np.add.at(power, first[mine], -s_pu[mine])
    return power


def load_pairs(grid: Grid, nodes: IntArray) -> LoadPairs:
    """The loads that depend on the voltage of their own two ends."""
    first, second, s_pu, on = _of_model(grid, nodes, "current")
    power_first, power_second, power, power_on = _of_model(grid, nodes, "power")
    between = power_on & (power_second != EARTH)
    return LoadPairs(
        np.concatenate([first[on], power_first[between]]),
        np.concatenate([second[on], power_second[between]]),
        np.repeat([True, False], [int(on.sum()), int(between.sum())]),
        np.concatenate([s_pu[on], power[between]]),
    )


def _of_model(grid: Grid, nodes: IntArray, model: str) -> tuple[IntArray, IntArray, ComplexArray, BoolArray]:
    """Nodes, power and whether supplied, of the loads of one model; raises where only one end is supplied."""
    loads = grid.phase_loads
    mine = np.array([name == model for name in loads.model], dtype=bool)
    bus, to_bus = loads.bus[mine], loads.to_bus[mine]
    first = nodes[bus]
    second = np.where(to_bus == EARTH, EARTH, nodes[np.maximum(to_bus, 0)])
    torn = (first < 0) != ((second < 0) & (to_bus != EARTH))
    torn &= to_bus != EARTH
    if torn.any():
        which = np.array(loads.name, dtype=object)[mine][torn]
        raise InfeasibleError(
            f"load {', '.join(which)} lies between a phase that a source reaches and one that none does"
        )
    s_pu = (loads.p_kw[mine] + 1j * loads.q_kvar[mine]) / S_BASE_KVA
    return first, second, s_pu, first >= 0
