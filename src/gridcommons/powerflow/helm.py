"""Batched holomorphic embedding load flow (HELM) for nodes of given power.

Embedding (source 1, eq. 10, corrected): Σ_k Y_ik V_k(α) = α S_i*/V_i*(α*), sources fixed. The germ
V[0] is the no-load state; with W = 1/V the coefficients follow by recursion:

    W[0] = 1/V[0],   W[n] = −W[0] Σ_{m<n} W[m] V[n−m]
    Σ_k Y_ik V_k[n] = S_i* conj(W_i[n−1]),   V_source[n] = 0,   n ≥ 1

Y is the same at every order, step and scenario: one LDLᵀ serves them all, one back-substitution an
order. Eight scenarios are computed at once (``kernels``), real and imaginary parts side by side.

Sources: A. Trias, "The holomorphic embedding load flow method", IEEE PES GM 2012,
doi:10.1109/PESGM.2012.6344759; B. V. Rao et al., IJEPES 134 (2022) 107355, eqs. 10–13.
"""

from __future__ import annotations

import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.kernels import Demand, Germ, coefficients, make_work, solve_range


def make_germ(network: Network) -> Germ:
    """The germ of the embedding."""
    v = network.v_no_load
    w = 1.0 / v
    return Germ(v.real.copy(), v.imag.copy(), w.real.copy(), w.imag.copy())


class HelmKernel:
    """The compiled series over one network; memory and factors are made once and shared."""

    def __init__(self, network: Network) -> None:
        self._parts = (network.factors, network.rows, make_germ(network))

    def sum_series(
        self,
        demand: Demand,
        scenarios: tuple[int, int],
        terms: int,
        out: tuple[ComplexArray, FloatArray, IntArray],
    ) -> None:
        """Fill ``out`` (voltages, mismatch, order) for scenarios from one to another; releases the GIL."""
        work = make_work(len(self._parts[2].v_re), terms)
        solve_range(self._parts, demand, scenarios, terms, out, work)

    def coefficients(self, demand: Demand, scenario: int, terms: int) -> ComplexArray:
        """V[0] … V[terms−1] of one scenario, shape (terms, pq nodes) [pu]."""
        factors, _, germ = self._parts
        work = make_work(len(germ.v_re), terms)
        series: ComplexArray = coefficients((factors, germ), demand, scenario, terms, work)
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
