"""From a grid to its nodal admittances: Y, branch currents, no-load voltages, one factorisation.

Nodes are (bus, phase): a balanced grid has one node a bus (buses joined by closed switches share
it), all three phases alike. Phase shifts of transformers are stripped first, because the series of
the holomorphic embedding diverges with them: every node turns by the sum of the shifts on its path.
What is left is symmetric, so that one LDLᵀ serves every solve, transposed or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csc_array, csr_array, tril
from scipy.sparse.linalg import SuperLU, splu

from gridcommons.model.errors import InfeasibleError
from gridcommons.model.grid import S_BASE_KVA, FloatArray, Grid, IntArray
from gridcommons.model.topology import bus_nodes, supplied_buses

ComplexArray = npt.NDArray[np.complex128]


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
    node_phase : tuple of str
        Phases of each node: ``abc`` where all three are alike.
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
        Power injected by the grid file's own fixed injections [pu].
    """

    grid: Grid
    node_of_bus: IntArray
    node_phase: tuple[str, ...]
    pq_count: int
    y: csr_array
    y_from: csr_array
    y_to: csr_array
    v_source: ComplexArray
    shift_degree: FloatArray
    s_fixed: ComplexArray

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
    y, _, _ = _assemble(grid, nodes, len(used), shift)
    order = np.concatenate([pq[_elimination_order(y, pq)], held])
    rank = np.empty(len(used), dtype=np.int64)
    rank[order] = np.arange(len(used))
    nodes[supplied] = rank[nodes[supplied]]
    shift = shift[order]
    y, y_from, y_to = _assemble(grid, nodes, len(used), shift)
    turned = v_source * np.exp(-1j * np.deg2rad(shift[len(pq) :]))
    return Network(
        grid=grid,
        node_of_bus=nodes,
        node_phase=("abc",) * len(used),
        pq_count=len(pq),
        y=y,
        y_from=y_from,
        y_to=y_to,
        v_source=turned,
        shift_degree=shift,
        s_fixed=_fixed_power(grid, nodes, len(pq)),
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
    """Sum of phase shifts on the way from a source to each node [degree]."""
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


def _two_ports(grid: Grid, turn: FloatArray) -> tuple[ComplexArray, ...]:
    """Admittances y_ff, y_ft, y_tf, y_tt of every branch, shape (branches,) each [pu].

    ``turn`` is the phase shift that is left in after stripping [degree]. An end that is open
    carries no current: its voltage is eliminated, the branch stays charged from the other end.
    """
    branches = grid.branches
    series = 1.0 / (branches.r_pu + 1j * branches.x_pu)
    ratio = branches.ratio * np.exp(1j * np.deg2rad(turn))
    y_ff = (series + branches.g_from_pu + 1j * branches.b_from_pu) / np.abs(ratio) ** 2
    y_tt = series + branches.g_to_pu + 1j * branches.b_to_pu
    y_ft, y_tf = -series / np.conj(ratio), -series / ratio
    # At least the series admittance is in y_ff and y_tt, so the quotients are finite.
    charged_from = y_ff - y_ft * y_tf / y_tt
    charged_to = y_tt - y_ft * y_tf / y_ff
    both = branches.in_service
    zero = np.zeros_like(series)
    return (
        np.where(both, y_ff, np.where(branches.from_closed, charged_from, zero)),
        np.where(both, y_ft, zero),
        np.where(both, y_tf, zero),
        np.where(both, y_tt, np.where(branches.to_closed, charged_to, zero)),
    )


def _assemble(
    grid: Grid, nodes: IntArray, count: int, shift: FloatArray
) -> tuple[csr_array, csr_array, csr_array]:
    branches = grid.branches
    f, t = nodes[branches.from_bus], nodes[branches.to_bus]
    left_over = np.where(branches.in_service & (f >= 0), branches.shift_degree - shift[f] + shift[t], 0.0)
    # Stripping leaves whole turns at most; rounding them away keeps Y exactly symmetric.
    y_ff, y_ft, y_tf, y_tt = _two_ports(grid, np.where(np.abs(left_over) > 1e-9, left_over % 360.0, 0.0))
    row = np.arange(len(branches), dtype=np.int64)
    has_f, has_t = f >= 0, t >= 0
    shape = (len(branches), count)
    at_from = [(row[has_f], f[has_f], y_ff[has_f]), (row[has_t], t[has_t], y_ft[has_t])]
    at_to = [(row[has_f], f[has_f], y_tf[has_f]), (row[has_t], t[has_t], y_tt[has_t])]
    y_from, y_to = _sparse(at_from, shape), _sparse(at_to, shape)
    incidence_f = _sparse([(row[has_f], f[has_f], np.ones(has_f.sum()))], shape)
    incidence_t = _sparse([(row[has_t], t[has_t], np.ones(has_t.sum()))], shape)
    y = incidence_f.T @ y_from + incidence_t.T @ y_to + _shunt_admittance(grid, nodes, count)
    return csr_array(y), y_from, y_to


def _shunt_admittance(grid: Grid, nodes: IntArray, count: int) -> csr_array:
    at = nodes[grid.shunts.bus]
    on = at >= 0
    drawn = (grid.shunts.p_kw - 1j * grid.shunts.q_kvar) / S_BASE_KVA
    return _sparse([(at[on], at[on], drawn[on])], (count, count))


def _sparse(
    parts: Sequence[tuple[IntArray, IntArray, npt.NDArray[Any]]], shape: tuple[int, int]
) -> csr_array:
    row, column, value = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return csr_array(coo_array((value.astype(np.complex128), (row, column)), shape=shape))


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
