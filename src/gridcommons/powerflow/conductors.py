"""The admittances of coupled conductors, with the ends that are open eliminated.

A branch of a three-phase grid is a block of conductors that influence each other: its primitive admittance
gives the current into every end from the voltages at all of them (W. H. Kersting, Distribution System
Modeling and Analysis, 4th ed. 2018, chapters 6 and 8). An end that is open carries no current, and its
voltage follows from the others (Kron's reduction), so that a conductor open at one end stays charged, and
induces, as it does in the field.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridcommons.model.grid import BoolArray, Branches, ComplexArray, Coupling, IntArray


class ConductorEntries(NamedTuple):
    """Admittance of an end of a row to an end of a column, each of shape (entries,) [pu]; 0 is ``from``."""

    row: IntArray
    row_end: IntArray
    column: IntArray
    column_end: IntArray
    y: ComplexArray


def closed_conductors(branches: Branches, coupling: Coupling, supplied: BoolArray) -> ConductorEntries:
    """The entries of all coupled branches between ends that are closed, where a source reaches the bus.

    An end at a bus that none reaches, (buses,) ``supplied``, floats as an open one does: what would flow
    between two of them by their charging alone is left out.
    """
    entries = ConductorEntries(
        coupling.row_branch,
        coupling.row_end,
        coupling.column_branch,
        coupling.column_end,
        coupling.g_pu + 1j * coupling.b_pu,
    )
    at_from, at_to = supplied[branches.from_bus], supplied[branches.to_bus]
    closed = np.stack([branches.from_closed & at_from, branches.to_closed & at_to], axis=1)
    block = _blocks(entries, len(branches))
    rows = np.unique(entries.row)
    has_open = np.zeros(int(block.max(initial=0)) + 1, dtype=bool)
    has_open[block[rows][~closed[rows].all(axis=1)]] = True
    whole = ~has_open[block[entries.row]]
    parts = [_taken(entries, whole)]
    # A block that is open at every end carries nothing.
    alive = np.zeros(len(has_open), dtype=bool)
    alive[block[rows][closed[rows].any(axis=1)]] = True
    for opened in np.flatnonzero(has_open & alive):
        mine = block[entries.row] == opened
        parts.append(_reduced(_taken(entries, mine), closed))
    row, row_end, column, column_end = (
        np.concatenate([np.asarray(part[k], dtype=np.int64) for part in parts]) for k in range(4)
    )
    return ConductorEntries(row, row_end, column, column_end, np.concatenate([part.y for part in parts]))


def _taken(entries: ConductorEntries, which: BoolArray) -> ConductorEntries:
    row, row_end, column, column_end, y = entries
    return ConductorEntries(row[which], row_end[which], column[which], column_end[which], y[which])


def coupled_branches(coupling: Coupling) -> IntArray:
    """Branches that are described by their entries, each once."""
    return np.unique(coupling.row_branch)


def _blocks(entries: ConductorEntries, count: int) -> IntArray:
    """Block of conductors that each branch belongs to, shape (branches,)."""
    graph = coo_array((np.ones(len(entries.row)), (entries.row, entries.column)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _reduced(entries: ConductorEntries, closed: BoolArray) -> ConductorEntries:
    """One block without its open ends: Y_cc − Y_co Y_oo⁻¹ Y_oc."""
    key = np.unique(
        np.concatenate([2 * entries.row + entries.row_end, 2 * entries.column + entries.column_end])
    )
    y = np.zeros((len(key), len(key)), dtype=np.complex128)
    at = np.searchsorted(key, 2 * entries.row + entries.row_end)
    np.add.at(y, (at, np.searchsorted(key, 2 * entries.column + entries.column_end)), entries.y)
    is_closed = closed[key // 2, key % 2]
    stays, goes = np.flatnonzero(is_closed), np.flatnonzero(~is_closed)
    # A conductor open at both ends has a voltage of its own: the pseudo-inverse leaves it out.
    inner = np.linalg.pinv(y[np.ix_(goes, goes)])
    left = y[np.ix_(stays, stays)] - y[np.ix_(stays, goes)] @ inner @ y[np.ix_(goes, stays)]
    row, column = (part.ravel() for part in np.meshgrid(key[stays], key[stays], indexing="ij"))
    return ConductorEntries(row // 2, row % 2, column // 2, column % 2, left.ravel())
