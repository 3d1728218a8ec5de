"""Currents at the ends of branches as they follow from voltages: two nodes a branch, or all it is coupled to.

A branch of a balanced grid is a two-port: the currents at its ends follow from the voltages there. Those of
a conductor in a three-phase grid follow from the voltages at both ends of all conductors beside it: six
nodes, or more where circuits run in parallel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray, Network


@dataclass(frozen=True, eq=False)
class BranchEnds:
    """Admittances of all branches: I = Σ_k y_k V(node_k) at either end [pu].

    Parameters
    ----------
    node : (branches, columns)
        Nodes; the first is the ``from`` end's own, the second the ``to`` end's. 0, with admittances of 0,
        where a branch has fewer.
    y_from, y_to : (branches, columns)
        Admittances that give the current into the branch at its ``from`` and its ``to`` end [pu].
    outward : (branches,)
        +1 where ``from`` is nearer to the source, else -1.
    """

    node: IntArray
    y_from: ComplexArray
    y_to: ComplexArray
    outward: FloatArray

    @property
    def f(self) -> IntArray:
        """Node of each ``from`` end, shape (branches,)."""
        return self.node[:, 0]

    @property
    def t(self) -> IntArray:
        """Node of each ``to`` end, shape (branches,)."""
        return self.node[:, 1]

    def currents(
        self, v: ComplexArray, scenario: IntArray, branch: IntArray
    ) -> tuple[ComplexArray, ComplexArray]:
        """Currents into branches at both ends, each in a scenario of ``v`` (scenarios, nodes) [pu]."""
        columns = [v[scenario, self.node[branch, k]] for k in range(self.node.shape[1])]
        return _summed(self.y_from[branch], columns), _summed(self.y_to[branch], columns)


def _summed(y: ComplexArray, columns: list[ComplexArray]) -> ComplexArray:
    total = y[:, 0] * columns[0]
    for k in range(1, len(columns)):
        total = total + y[:, k] * columns[k]
    return total


def branch_ends(network: Network) -> BranchEnds:
    """The admittances of all branches of a network."""
    branches = network.grid.branches
    f = np.maximum(network.node_of_bus[branches.from_bus], 0)
    t = np.maximum(network.node_of_bus[branches.to_bus], 0)
    node = np.concatenate([np.stack([f, t], axis=1), _others(network, f, t)], axis=1)
    y_from, y_to = _picked(network.y_from, node), _picked(network.y_to, node)
    node = np.maximum(node, 0)
    # Both ends on one node: what is picked twice is the whole current.
    y_from[:, 1], y_to[:, 1] = np.where(f == t, 0.0, y_from[:, 1]), np.where(f == t, 0.0, y_to[:, 1])
    return BranchEnds(node, y_from, y_to, _outward(network, f, t))


def _others(network: Network, f: IntArray, t: IntArray) -> IntArray:
    """Nodes of each branch beside its own two, in ascending order, -1 where it has fewer (branches, most)."""
    both = coo_array(abs(network.y_from) + abs(network.y_to))
    row, node = both.coords
    mine = (node != f[row]) & (node != t[row])
    row, node = row[mine].astype(np.int64), node[mine].astype(np.int64)
    order = np.lexsort((node, row))
    row, node = row[order], node[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    others: IntArray = np.full((len(f), int(rank.max(initial=-1)) + 1), -1, dtype=np.int64)
    others[row, rank] = node
    return others


def _picked(y: csr_array, node: IntArray) -> ComplexArray:
    """Entries of ``y`` (branches, nodes) at the nodes of each branch, 0 where the node is -1."""
    picked = np.zeros(node.shape, dtype=np.complex128)
    for k in range(node.shape[1]):
        row = np.flatnonzero(node[:, k] >= 0)
        # Without any branch scipy gives an empty matrix for an empty array.
        picked[row, k] = np.asarray(y[row, node[row, k]]).ravel() if len(row) else 0.0
    return picked


def _outward(network: Network, f: IntArray, t: IntArray) -> FloatArray:
    """+1 where a branch leads away from the source, by the voltage that a uniform load would leave."""
    level = np.zeros(network.y.shape[0])
    level[: network.pq_count] = np.abs(network.solve_pq(_uniform_load(network)))
    return np.where(level[t] >= level[f], 1.0, -1.0)


def _uniform_load(network: Network) -> ComplexArray:
    """Currents of one size, in a three-phase grid each in phase with its own voltage (pq nodes,) [pu]."""
    if not network.grid.is_three_phase:
        return np.ones(network.pq_count, dtype=np.complex128)
    v = network.v_no_load
    return np.asarray(v / np.abs(v))
