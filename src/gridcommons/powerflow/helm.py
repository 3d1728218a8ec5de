"""Batched holomorphic embedding load flow (HELM) for nodes of given power.

Embedding (source 1, eq. 10, corrected): Σ_k Y_ik V_k(α) = α S_i*/V_i*(α*), sources fixed. The germ
V[0] is the no-load state; with W = 1/V the coefficients follow by recursion:

    W[0] = 1/V[0],   W[n] = −W[0] Σ_{m<n} W[m] V[n−m]
    Σ_k Y_ik V_k[n] = S_i* conj(W_i[n−1]),   V_source[n] = 0,   n ≥ 1

A load between two nodes has the series of the difference D of their voltages in the place of V. One of
constant current is conj(S)/|D_nominal| U with U = D/|D|, which is holomorphic where it is written
U² = D(α)/D*(α*): its coefficients follow from 2 U[0] U[n] = T[n] − Σ_{0<m<n} U[m] U[n−m], T = D conj(W).

Y is the same at every order, step and scenario: one LDLᵀ serves them all, one back-substitution an
order. Eight scenarios are computed at once (``kernels``), real and imaginary parts side by side.

Sources: A. Trias, "The holomorphic embedding load flow method", IEEE PES GM 2012,
doi:10.1109/PESGM.2012.6344759; B. V. Rao et al., IJEPES 134 (2022) 107355, eqs. 10–13.
"""

from __future__ import annotations

import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.kernels import Demand, Germ, Pairs, coefficients, make_work, solve_range
from gridcommons.powerflow.phase_loads import EARTH
from gridcommons.powerflow.solution import Injections


def make_germ(network: Network) -> Germ:
    """The germ of the embedding."""
    v = network.v_no_load
    w = 1.0 / v
    return Germ(v.real.copy(), v.imag.copy(), w.real.copy(), w.imag.copy())


def make_pairs(network: Network, injections: Injections | None = None) -> Pairs:
    """The loads between two nodes as the kernels read them: the grid file's own, then columns."""
    own, column = network.pairs, np.zeros(0, dtype=np.int64)
    first, second = own.first, own.second
    if injections is not None and injections.to_bus is not None:
        column = np.flatnonzero(injections.is_between)
        first = np.concatenate([first, network.node_of(injections.bus[column])])
        second = np.concatenate([second, network.node_of(injections.to_bus[column])])
    idle = np.concatenate([network.v_no_load, network.v_source])
    held = np.concatenate([np.zeros(network.pq_count), network.v_source])
    d, d_held = (v[first] - np.where(second == EARTH, 0.0, v[second]) for v in (idle, held))
    kind = np.concatenate([own.is_current, np.zeros(len(column))]).astype(np.int64)
    of_column = np.concatenate([np.full(len(own), -1), column]).astype(np.int64)
    constant = -np.conj(own.s_pu) / np.where(own.is_current, own.nominal_pu, 1.0)
    c = np.concatenate([constant, np.zeros(len(column))])
    a, b = (np.where((end != EARTH) & (end < network.pq_count), end, EARTH) for end in (first, second))
    parts = [np.ascontiguousarray(part) for value in (c, d, d_held) for part in (value.real, value.imag)]
    return Pairs(a, b, kind, of_column, *parts)


class HelmKernel:
    """The compiled series over one network; memory and factors are made once and shared."""

    def __init__(self, network: Network, pairs: Pairs | None = None) -> None:
        pairs = make_pairs(network) if pairs is None else pairs
        self._parts = (network.factors, network.rows, make_germ(network), pairs)

    def sum_series(
        self,
        demand: Demand,
        scenarios: tuple[int, int],
        terms: int,
        out: tuple[ComplexArray, FloatArray, IntArray],
    ) -> None:
        """Fill ``out`` (voltages, mismatch, order) for scenarios from one to another; releases the GIL."""
        work = make_work(len(self._parts[2].v_re), terms, len(self._parts[3].first))
        solve_range(self._parts, demand, scenarios, terms, out, work)

    def coefficients(self, demand: Demand, scenario: int, terms: int) -> ComplexArray:
        """V[0] … V[terms−1] of one scenario, shape (terms, pq nodes) [pu]."""
        factors, _, germ, pairs = self._parts
        work = make_work(len(germ.v_re), terms, len(pairs.first))
        series: ComplexArray = coefficients((factors, germ, pairs), demand, scenario, terms, work)
        return series


def continue_series(series: ComplexArray) -> ComplexArray:
    """Values at α = 1 by diagonal Padé approximants of growing order (Wynn's ε algorithm).

    Parameters
    ----------
    series : (terms, nodes)
        Coefficients V[0], V[1], …

    Returns
    -------
    (approximants, nodes)
        The direct sum, then the newest entry of each even column of the ε table. Entries of a node
        whose series has already converged stand at its last finite value.
    """
    sums = np.cumsum(series, axis=0)
    before, now = np.zeros_like(sums), sums
    values = [sums[-1]]
    for column in range(1, len(sums)):
        # A series that has converged stands still: its table overflows, and the last value is kept.
        with np.errstate(all="ignore"):
            step = now[1:] - now[:-1]
            before, now = now, before[1 : len(step) + 1] + 1.0 / step
        if column % 2 == 0:
            newest = now[-1]
            values.append(np.where(np.isfinite(newest), newest, values[-1]))
    return np.array(values)
