"""A load flow of the tests' own, small and dense, against which grids are compared."""

from __future__ import annotations

import numpy as np

from gridcommons.model.grid import S_BASE_KVA, Grid
from gridcommons.model.topology import bus_nodes, supplied_buses


def two_port_matrices(grid: Grid) -> np.ndarray:
    """Current into each end from the voltages of both, shape (branches, 2, 2) [pu]; open ends carry none."""
    b = grid.branches
    y = 1 / (b.r_pu + 1j * b.x_pu)
    t = b.ratio * np.exp(1j * np.deg2rad(b.shift_degree))
    y_from, y_to = b.g_from_pu + 1j * b.b_from_pu, b.g_to_pu + 1j * b.b_to_pu
    full = np.empty((len(b), 2, 2), dtype=complex)
    full[:, 0, 0] = (y + y_from) / np.abs(t) ** 2
    full[:, 0, 1] = -y / np.conj(t)
    full[:, 1, 0] = -y / t
    full[:, 1, 1] = y + y_to
    for k in range(len(b)):
        open_from, open_to = not b.from_closed[k], not b.to_closed[k]
        if open_from and open_to:
            full[k] = 0
        elif open_from or open_to:
            cut, kept = (0, 1) if open_from else (1, 0)
            seen = full[k, kept, kept] - full[k, kept, cut] * full[k, cut, kept] / full[k, cut, cut]
            full[k] = 0
            full[k, kept, kept] = seen
    return full


def admittance(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Dense nodal admittance (nodes, nodes) [pu], and the node of each bus."""
    node, b = bus_nodes(grid), grid.branches
    y = np.zeros((node.max() + 1,) * 2, dtype=complex)
    ends = np.stack([node[b.from_bus], node[b.to_bus]], axis=1)
    for k, block in enumerate(two_port_matrices(grid)):
        y[np.ix_(ends[k], ends[k])] += block
    shunts = (grid.shunts.p_kw - 1j * grid.shunts.q_kvar) / S_BASE_KVA
    np.add.at(y, (node[grid.shunts.bus],) * 2, shunts)
    return y, node


def solve(grid: Grid) -> np.ndarray:
    """Complex voltage of each bus with the fixed injections [pu], NaN where no source reaches it."""
    y, node = admittance(grid)
    alive = np.unique(node[supplied_buses(grid)])
    v = np.full(len(y), np.nan, dtype=complex)
    held = node[grid.sources.bus]
    v[held] = grid.sources.vm_pu * np.exp(1j * np.deg2rad(grid.sources.va_degree))
    pq = np.setdiff1d(alive, held)
    sources = np.unique(held)
    s = np.zeros(len(y), dtype=complex)
    np.add.at(s, node[grid.fixed.bus], -(grid.fixed.p_kw + 1j * grid.fixed.q_kvar) / S_BASE_KVA)
    block, driven = y[np.ix_(pq, pq)], y[np.ix_(pq, sources)] @ v[sources]
    v[pq] = np.linalg.solve(block, -driven)
    for _ in range(30):
        current = block @ v[pq] + driven
        step = _newton_step(block, v[pq], current, v[pq] * np.conj(current) - s[pq])
        v[pq] -= step
        if np.abs(step).max(initial=0.0) < 1e-10:
            return v[node]
    raise AssertionError(f"no solution: last step {np.abs(step).max():.1e} pu")


def _newton_step(block: np.ndarray, v: np.ndarray, current: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Solve A dv + B conj(dv) = residual with A = diag(conj I), B = diag(V) conj(Y)."""
    a, b = np.diag(np.conj(current)), v[:, None] * np.conj(block)
    real = np.block([[(a + b).real, (b - a).imag], [(a + b).imag, (a - b).real]])
    step = np.linalg.solve(real, np.concatenate([residual.real, residual.imag]))
    return step[: len(v)] + 1j * step[len(v) :]


def branch_currents_ka(grid: Grid, v: np.ndarray) -> np.ndarray:
    """Current at both ends of each branch, shape (branches, 2) [kA]."""
    b = grid.branches
    voltage = np.nan_to_num(np.stack([v[b.from_bus], v[b.to_bus]], axis=1))
    current = np.abs(np.einsum("kij,kj->ki", two_port_matrices(grid), voltage))
    vn_kv = np.stack([grid.buses.vn_kv[b.from_bus], grid.buses.vn_kv[b.to_bus]], axis=1)
    return current * S_BASE_KVA / 1000 / (np.sqrt(3) * vn_kv)


def loading_percent(grid: Grid, v: np.ndarray) -> np.ndarray:
    """Current against rating, the higher of both ends, shape (branches,) [%]."""
    rating = np.stack([grid.branches.i_max_from_ka, grid.branches.i_max_to_ka], axis=1)
    return 100 * (branch_currents_ka(grid, v) / rating).max(axis=1)


def losses_kw(grid: Grid, v: np.ndarray) -> float:
    """Active power that the branches take in [kW]."""
    b = grid.branches
    voltage = np.nan_to_num(np.stack([v[b.from_bus], v[b.to_bus]], axis=1))
    current = np.einsum("kij,kj->ki", two_port_matrices(grid), voltage)
    return float((voltage * np.conj(current)).real.sum() * S_BASE_KVA)
