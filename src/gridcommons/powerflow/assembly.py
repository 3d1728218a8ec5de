"""From branches to Y: two-ports, coupled conductors and shunts as one nodal admittance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from gridcommons.model.grid import S_BASE_KVA, ComplexArray, FloatArray, Grid, IntArray
from gridcommons.powerflow.conductors import ConductorEntries, coupled_branches

Part = tuple[IntArray, IntArray, npt.NDArray[Any]]
"""Rows, columns and values of a part of a sparse matrix."""


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


def assemble(
    grid: Grid, nodes: IntArray, count: int, shift: FloatArray, conductors: ConductorEntries | None
) -> tuple[csr_array, csr_array, csr_array]:
    """Nodal admittance, and the rows that give the current into each branch at its two ends.

    Parameters
    ----------
    nodes : (buses,)
        Node of each bus; -1 where no source reaches it.
    count : int
        Number of nodes.
    shift : (nodes,)
        What is stripped from each node's angle [degree].
    conductors : ConductorEntries or None
        The closed conductors of a three-phase grid.

    Returns
    -------
    tuple of sparse
        (nodes, nodes), (branches, nodes), (branches, nodes) [pu].
    """
    branches = grid.branches
    f, t = nodes[branches.from_bus], nodes[branches.to_bus]
    left_over = np.where(branches.in_service & (f >= 0), branches.shift_degree - shift[f] + shift[t], 0.0)
    # Stripping leaves whole turns at most; rounding them away keeps Y exactly symmetric.
    y_ff, y_ft, y_tf, y_tt = _two_ports(grid, np.where(np.abs(left_over) > 1e-9, left_over % 360.0, 0.0))
    row = np.arange(len(branches), dtype=np.int64)
    coupled_from, coupled_to = _coupled(grid, conductors, (f, t), (y_ff, y_ft, y_tf, y_tt))
    has_f, has_t = f >= 0, t >= 0
    shape = (len(branches), count)
    at_from = [(row[has_f], f[has_f], y_ff[has_f]), (row[has_t], t[has_t], y_ft[has_t]), *coupled_from]
    at_to = [(row[has_f], f[has_f], y_tf[has_f]), (row[has_t], t[has_t], y_tt[has_t]), *coupled_to]
    y_from, y_to = sparse(at_from, shape), sparse(at_to, shape)
    incidence_f = sparse([(row[has_f], f[has_f], np.ones(has_f.sum()))], shape)
    incidence_t = sparse([(row[has_t], t[has_t], np.ones(has_t.sum()))], shape)
    y = incidence_f.T @ y_from + incidence_t.T @ y_to + _shunt_admittance(grid, nodes, count)
    return csr_array(y), y_from, y_to


def _coupled(
    grid: Grid,
    entries: ConductorEntries | None,
    ends: tuple[IntArray, IntArray],
    alone: tuple[ComplexArray, ...],
) -> tuple[list[Part], list[Part]]:
    """Entries of the coupled conductors by the end that they flow into; their two-ports become zero."""
    if grid.coupling is None or entries is None:
        return [], []
    for y in alone:
        y[coupled_branches(grid.coupling)] = 0.0
    column = np.where(entries.column_end == 0, ends[0][entries.column], ends[1][entries.column])
    own = np.where(entries.row_end == 0, ends[0][entries.row], ends[1][entries.row])
    supplied = (column >= 0) & (own >= 0)
    parts: list[list[Part]] = []
    for end in (0, 1):
        mine = supplied & (entries.row_end == end)
        parts.append([(entries.row[mine], column[mine], entries.y[mine])])
    return parts[0], parts[1]


def _shunt_admittance(grid: Grid, nodes: IntArray, count: int) -> csr_array:
    at = nodes[grid.shunts.bus]
    on = at >= 0
    drawn = (grid.shunts.p_kw - 1j * grid.shunts.q_kvar) / S_BASE_KVA
    return sparse([(at[on], at[on], drawn[on])], (count, count))


def sparse(parts: Sequence[Part], shape: tuple[int, int]) -> csr_array:
    """A sparse matrix from (rows, columns, values) that add up where they meet."""
    row, column, value = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return csr_array(coo_array((value.astype(np.complex128), (row, column)), shape=shape))
