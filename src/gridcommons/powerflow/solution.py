"""Loads in, voltages and currents out: what every load flow takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.phase_loads import EARTH, LoadPairs


class Found(IntEnum):
    """How the solution of a scenario was found."""

    NONE = 0
    SERIES = 1
    PADE = 2
    NEWTON = 3


@dataclass(frozen=True, eq=False)
class Background:
    """Power that lies under the columns: few rows that many scenarios share.

    Parameters
    ----------
    s_pu : (rows, pq nodes)
        Power injected at each PQ node, the grid file's own included [pu].
    row : (scenarios,)
        Row of each scenario.
    """

    s_pu: ComplexArray
    row: IntArray


@dataclass(frozen=True, eq=False)
class Injections:
    """Net power of columns (assets, members, buses) in scenarios; positive when the grid delivers.

    Parameters
    ----------
    bus : (columns,)
        Bus index of each column; several columns may share a bus.
    p_kw, q_kvar : (scenarios, columns)
        Net power [kW], [kvar].
    background : Background, optional
        What lies under the columns; the grid file's own fixed injections where none is given.
    to_bus : (columns,), optional
        The other end of a column between two phases, -1 for earth; all to earth where none is given.
    """

    bus: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray
    background: Background | None = None
    to_bus: IntArray | None = None

    def __len__(self) -> int:
        """Number of scenarios."""
        return len(self.p_kw)

    def under(self, network: Network) -> Background:
        """The background, made of the grid file's own injections where none is given."""
        if self.background is not None:
            return self.background
        return Background(network.s_fixed[None, :], np.zeros(len(self), dtype=np.int64))

    @property
    def is_between(self) -> BoolArray:
        """Whether each column lies between two phases, shape (columns,)."""
        return np.zeros(len(self.bus), bool) if self.to_bus is None else self.to_bus != EARTH

    def pairs(self, network: Network) -> LoadPairs:
        """The grid file's own loads between two nodes, and the columns that are: powers by scenario."""
        if self.to_bus is None:
            return network.pairs
        own, column = network.pairs, np.flatnonzero(self.is_between)
        drawn = (self.p_kw[:, column] + 1j * self.q_kvar[:, column]) / S_BASE_KVA
        return LoadPairs(
            np.concatenate([own.first, network.node_of(self.bus[column])]),
            np.concatenate([own.second, network.node_of(self.to_bus[column])]),
            np.concatenate([own.is_current, np.zeros(len(column), dtype=bool)]),
            np.concatenate([np.tile(own.s_pu, (len(self), 1)), drawn], axis=1),
        )

    def at_nodes(self, network: Network, rows: slice | IntArray = slice(None)) -> ComplexArray:
        """Power injected to earth at each PQ node, background included, shape (scenarios, pq nodes) [pu]."""
        node = network.node_of(self.bus)
        under = self.under(network)
        power = under.s_pu[under.row[rows]]
        drawn = (self.p_kw[rows] + 1j * self.q_kvar[rows]) / S_BASE_KVA
        inside = (node < network.pq_count) & ~self.is_between
        np.add.at(power.T, node[inside], -drawn[:, inside].T)
        return power


@dataclass(frozen=True, eq=False)
class FlowSolution:
    """Voltages of every scenario; NaN where no operable solution exists.

    Parameters
    ----------
    network : Network
        What was solved.
    v_pq : (scenarios, pq nodes)
        Complex voltages in elimination order, phase shifts stripped [pu].
    mismatch_pu : (scenarios,)
        Worst power mismatch, computed from Y and not from the method's own account [pu].
    found : (scenarios,)
        ``Found`` codes.
    pairs : LoadPairs, optional
        Loads between two nodes that it was solved with; the grid file's own where none is given.
    """

    network: Network
    v_pq: ComplexArray
    mismatch_pu: FloatArray
    found: IntArray
    pairs: LoadPairs | None = None

    @property
    def solved(self) -> BoolArray:
        """Whether an operable solution was found, shape (scenarios,)."""
        return np.asarray(self.found != Found.NONE)

    @property
    def load_pairs(self) -> LoadPairs:
        """Loads between two nodes that the solution was found with."""
        return self.network.pairs if self.pairs is None else self.pairs

    def v_nodes(self) -> ComplexArray:
        """Voltages of all nodes, sources included, shifts stripped, shape (scenarios, nodes) [pu]."""
        source = np.broadcast_to(self.network.v_source, (len(self.v_pq), len(self.network.v_source)))
        return np.concatenate([self.v_pq, source], axis=1)

    def vm_pu(self) -> FloatArray:
        """Voltage magnitude of each bus, NaN where unsupplied, shape (scenarios, buses) [pu]."""
        return self._at_buses(np.abs(self.v_nodes()))

    def va_degree(self) -> FloatArray:
        """Voltage angle of each bus, phase shifts included, shape (scenarios, buses) [degree]."""
        angle = np.rad2deg(np.angle(self.v_nodes())) + self.network.shift_degree
        return self._at_buses((angle + 180.0) % 360.0 - 180.0)

    def _at_buses(self, values: FloatArray) -> FloatArray:
        node = self.network.node_of_bus
        out = values[:, np.maximum(node, 0)]
        out[:, node < 0] = np.nan
        return out

    def currents_pu(self) -> tuple[ComplexArray, ComplexArray]:
        """Currents into each branch at its two ends, shape (scenarios, branches) each [pu]."""
        v = self.v_nodes().T
        return (self.network.y_from @ v).T, (self.network.y_to @ v).T

    def loading_percent(self) -> FloatArray:
        """Larger of the two ends' current against rating, shape (scenarios, branches) [%]."""
        i_from, i_to = self.currents_pu()
        rated_from, rated_to = rated_currents_pu(self.network)
        return 100.0 * np.maximum(np.abs(i_from) / rated_from, np.abs(i_to) / rated_to)

    def p_from_kw(self) -> FloatArray:
        """Active power into each branch at its ``from`` end, shape (scenarios, branches) [kW]."""
        from_bus = self.network.grid.branches.from_bus
        node = np.maximum(self.network.node_of_bus[from_bus], 0)
        power = self.v_nodes()[:, node] * np.conj(self.currents_pu()[0])
        return np.asarray(power.real * S_BASE_KVA)

    def source_kw(self) -> FloatArray:
        """Active power that the main grid delivers at each source's bus, shape (scenarios, sources) [kW].

        Less what the grid's shunts there draw; sources on one node give its power once, at the first of them.
        """
        network = self.network
        node = network.node_of_bus[network.grid.sources.bus]
        v = self.v_nodes()
        power = (v[:, node] * np.conj((network.y[node] @ v.T).T)).real * S_BASE_KVA
        first = np.zeros(len(node), dtype=bool)
        first[np.unique(node, return_index=True)[1]] = True
        return np.where(first, power, 0.0)

    def losses_kw(self) -> FloatArray:
        """Active losses of all branches and shunts' active part, shape (scenarios,) [kW]."""
        v, y = self.v_nodes(), self.network.y - self.network.y_loads
        return np.asarray((v * np.conj((y @ v.T).T)).real.sum(axis=1) * S_BASE_KVA)


def rated_currents_pu(network: Network) -> tuple[FloatArray, FloatArray]:
    """Rated current of each branch at its two ends [pu]."""
    branches, vn_kv = network.grid.branches, network.grid.buses.vn_kv
    # Of one phase the base is S over the voltage to earth, of three alike S over √3 times that between two.
    base_kva = S_BASE_KVA * (3.0 if network.grid.is_three_phase else 1.0)
    base_from_ka = base_kva / 1e3 / (np.sqrt(3.0) * vn_kv[branches.from_bus])
    base_to_ka = base_kva / 1e3 / (np.sqrt(3.0) * vn_kv[branches.to_bus])
    return branches.i_max_from_ka / base_from_ka, branches.i_max_to_ka / base_to_ka
