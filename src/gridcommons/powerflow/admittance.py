"""From a grid to its nodal admittances: Y, branch currents, no-load voltages, one factorisation.

Nodes are (bus, phase): a balanced grid has one node a bus (buses joined by closed switches share it), all
three phases alike; a three-phase grid has one a row of its buses, and keeps its angles. Phase shifts of
the transformers of a balanced grid are stripped first, because the series of the holomorphic embedding
diverges with them: every node turns by the sum of the shifts on its path. What is left is symmetric, so
that one LDLᵀ serves every solve, transposed or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_array, csr_array, tril
from scipy.sparse.linalg import SuperLU, splu

from gridcommons.model.errors import InfeasibleError
from gridcommons.model.grid import S_BASE_KVA, FloatArray, Grid, IntArray
from gridcommons.model.grid import ComplexArray as ComplexArray
from gridcommons.model.topology import bus_nodes, supplied_buses
from gridcommons.powerflow.assembly import assemble
from gridcommons.powerflow.conductors import closed_conductors
from gridcommons.powerflow.phase_loads import LoadPairs, constant_admittance, constant_power, load_pairs


class Factors(NamedTuple):
    """LDLᵀ of the PQ block of Y in elimination order: L by columns, inverse of D."""

    start: IntArray
    row: IntArray
    re: FloatArray
    im: FloatArray
    pivot_re: FloatArray
    pivot_im: FloatArray


class Rows(NamedTuple):
    """The PQ rows of Y by rows, and the current that the sources drive into each at no load."""

    start: IntArray
    column: IntArray
    re: FloatArray
    im: FloatArray
    source_re: FloatArray
    source_im: FloatArray


@dataclass(frozen=True, eq=False)
class Network:
    """A grid made ready for load flow. Per unit on ``S_BASE_KVA``; nodes in elimination order.

    Parameters
    ----------
    grid : Grid
        Where it comes from.
    node_of_bus : (buses,)
        Node of each bus; -1 where no source reaches it.
    pq_count : int
        The first ``pq_count`` nodes carry given powers; the rest are held by sources.
    y, y_from, y_to : sparse
        Nodal admittance (nodes, nodes), and the rows that give the current into a branch at its
        ``from`` and its ``to`` end, (branches, nodes) [pu].
    v_source : (nodes - pq_count,)
        Held voltages, shifts stripped [pu].
    shift_degree : (nodes,)
        What was stripped from each node's angle [degree].
    s_fixed : (pq_count,)
        Power injected by the grid file's own fixed injections and loads of constant power to earth [pu].
    y_loads : sparse
        The part of ``y`` that is loads of constant impedance, (nodes, nodes) [pu].
    pairs : LoadPairs
        Loads of the grid file that are neither: constant current, or power between two phases.
    """

    grid: Grid
    node_of_bus: IntArray
    pq_count: int
    y: csr_array
    y_from: csr_array
    y_to: csr_array
    v_source: ComplexArray
    shift_degree: FloatArray
    s_fixed: ComplexArray
    y_loads: csr_array
    pairs: LoadPairs

    @cached_property
    def y_pq(self) -> csr_array:
        """The PQ block of Y."""
        return csr_array(self.y[: self.pq_count, : self.pq_count])

    @cached_property
    def factors(self) -> Factors:
        """LDLᵀ of the PQ block; nodes are already in the order in which it is eliminated."""
        block = csc_array(self.y_pq)
        lower, upper = _lu(block, "NATURAL")
        below = csc_array(tril(lower, -1))
        below.sort_indices()
        pivot = 1.0 / upper.diagonal()
        return Factors(
            below.indptr.astype(np.int64),
            below.indices.astype(np.int64),
            np.ascontiguousarray(below.data.real),
            np.ascontiguousarray(below.data.imag),
            np.ascontiguousarray(pivot.real),
            np.ascontiguousarray(pivot.imag),
        )

    @cached_property
    def _direct(self) -> SuperLU:
        return splu(csc_array(self.y_pq))

    def solve_pq(self, current: ComplexArray) -> ComplexArray:
        """Voltages that currents into the PQ nodes raise with the sources short-circuited [pu]."""
        return np.asarray(self._direct.solve(current), dtype=np.complex128)

    @cached_property
    def impedance(self) -> ComplexArray:
        """Voltage at each PQ node per current into each, shape (pq nodes, pq nodes) [pu]."""
        return self.solve_pq(np.eye(self.pq_count, dtype=np.complex128))

    @cached_property
    def transfer(self) -> tuple[ComplexArray, ComplexArray]:
        """Current at both ends of each branch per current into each PQ node, (branches, pq nodes) each."""
        parts = (self.y_from[:, : self.pq_count], self.y_to[:, : self.pq_count])
        from_end, to_end = (self.solve_pq(part.T.toarray()).T for part in parts)
        return from_end, to_end

    @cached_property
    def rows(self) -> Rows:
        """The PQ rows of Y for residuals."""
        block = self.y_pq
        source = self.y[: self.pq_count, self.pq_count :] @ self.v_source
        return Rows(
            block.indptr.astype(np.int64),
            block.indices.astype(np.int64),
            np.ascontiguousarray(block.data.real),
            np.ascontiguousarray(block.data.imag),
            np.ascontiguousarray(source.real),
            np.ascontiguousarray(source.imag),
        )

    @cached_property
    def v_no_load(self) -> ComplexArray:
        """Voltages of the PQ nodes with nothing connected, the germ of the embedding [pu]."""
        rows = self.rows
        return self.solve_pq(-(rows.source_re + 1j * rows.source_im))

    def node_of(self, bus: IntArray) -> IntArray:
        """Node of each of some buses; raises InfeasibleError where one is not supplied."""
        node = self.node_of_bus[bus]
        if (node < 0).any():
            names = sorted({self.grid.buses.name[b] for b in np.asarray(bus)[node < 0]})
            raise InfeasibleError(
                f"no source reaches bus {', '.join(names)}: close a switch on its path or "
                "remove what is connected there"
            )
        return node


def build_network(grid: Grid) -> Network:
    """The grid as nodal admittances, its PQ nodes in an order that eliminates with little fill."""
    supplied = supplied_buses(grid)
    raw = bus_nodes(grid)
    used, node_of_bus = np.unique(raw[supplied], return_inverse=True)
    nodes = np.full(len(grid.buses), -1, dtype=np.int64)
    nodes[supplied] = node_of_bus
    held, v_source = _held_voltages(grid, nodes)
    pq = np.setdiff1d(np.arange(len(used)), held)
    shift = _stripped_shifts(grid, nodes, len(used), held)
    coupling = grid.coupling
    conductors = None if coupling is None else closed_conductors(grid.branches, coupling, supplied)
    y = assemble(grid, nodes, len(used), shift, conductors)[0] + constant_admittance(grid, nodes, len(used))
    order = np.concatenate([pq[_elimination_order(y, pq)], held])
    rank = np.empty(len(used), dtype=np.int64)
    rank[order] = np.arange(len(used))
    nodes[supplied] = rank[nodes[supplied]]
    shift = shift[order]
    y, y_from, y_to = assemble(grid, nodes, len(used), shift, conductors)
    y_loads = constant_admittance(grid, nodes, len(used))
    turned = v_source * np.exp(-1j * np.deg2rad(shift[len(pq) :]))
    return Network(
        grid=grid,
        node_of_bus=nodes,
        pq_count=len(pq),
        y=csr_array(y + y_loads),
        y_from=y_from,
        y_to=y_to,
        v_source=turned,
        shift_degree=shift,
        s_fixed=_fixed_power(grid, nodes, len(pq)) + constant_power(grid, nodes, len(pq)),
        y_loads=y_loads,
        pairs=load_pairs(grid, nodes),
    )


def _held_voltages(grid: Grid, nodes: IntArray) -> tuple[IntArray, ComplexArray]:
    sources = grid.sources
    voltage = sources.vm_pu * np.exp(1j * np.deg2rad(sources.va_degree))
    held, first = np.unique(nodes[sources.bus], return_index=True)
    for index, node in enumerate(nodes[sources.bus]):
        if abs(voltage[index] - voltage[first[np.searchsorted(held, node)]]) > 1e-12:
            raise InfeasibleError(
                f"source {sources.name[index]} holds a bus at {voltage[index]:.6g} pu that another "
                "source on the same node holds at another voltage: open the switch between them"
            )
    return held, np.asarray(voltage[first], dtype=np.complex128)


def _fixed_power(grid: Grid, nodes: IntArray, pq_count: int) -> ComplexArray:
    power = np.zeros(pq_count, dtype=np.complex128)
    at = nodes[grid.fixed.bus]
    inside = (at >= 0) & (at < pq_count)
    drawn = (grid.fixed.p_kw + 1j * grid.fixed.q_kvar) / S_BASE_KVA
    np.add.at(power, at[inside], -drawn[inside])
    return power


def _stripped_shifts(grid: Grid, nodes: IntArray, count: int, held: IntArray) -> FloatArray:
    """Sum of phase shifts on the way from a source to each node [degree]; none in a three-phase grid."""
    if grid.is_three_phase:
        return np.zeros(count)
    branches = grid.branches
    neighbours: list[list[tuple[int, float, int]]] = [[] for _ in range(count)]
    for index in np.flatnonzero(branches.in_service).tolist():
        a, b = int(nodes[branches.from_bus[index]]), int(nodes[branches.to_bus[index]])
        if a >= 0:
            turn = float(branches.shift_degree[index])
            neighbours[a].append((b, -turn, index))
            neighbours[b].append((a, turn, index))
    shift = np.full(count, np.nan)
    for start in held:
        if np.isnan(shift[start]):
            _spread_shift(int(start), shift, neighbours, branches.name)
    return shift


def _spread_shift(
    start: int,
    shift: FloatArray,
    neighbours: list[list[tuple[int, float, int]]],
    names: tuple[str, ...],
) -> None:
    shift[start] = 0.0
    queue = [start]
    while queue:
        at = queue.pop()
        for other, turn, index in neighbours[at]:
            expected = shift[at] + turn
            if np.isnan(shift[other]):
                shift[other] = expected
                queue.append(other)
            elif abs((shift[other] - expected + 180.0) % 360.0 - 180.0) > 1e-9:
                raise InfeasibleError(
                    f"branch {names[index]} closes a loop whose phase shifts do not cancel "
                    f"({expected - shift[other]:.6g} degrees are left over): a phase shifter in a "
                    "mesh is not modelled; open the loop or give its transformers one vector group"
                )


def _lu(block: csc_array, ordering: str) -> tuple[csc_array, csc_array]:
    lu = splu(block, permc_spec=ordering, diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    if not (np.array_equal(lu.perm_r, lu.perm_c)):
        raise InfeasibleError(
            "the admittance matrix has a zero pivot: two impedances in the grid cancel each other"
        )
    return csc_array(lu.L), csc_array(lu.U)


def _elimination_order(y: csr_array, pq: IntArray) -> IntArray:
    """Positions of the PQ nodes in the order of least fill."""
    if not len(pq):
        return np.zeros(0, dtype=np.int64)
    block = csc_array(y[pq][:, pq])
    lu = splu(block, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.argsort(lu.perm_c).astype(np.int64)
