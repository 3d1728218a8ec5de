"""The one load-flow function, whatever method answers it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import S_BASE_KVA
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.helm import HelmKernel, continue_series, make_pairs
from gridcommons.powerflow.kernels import Demand
from gridcommons.powerflow.newton import solve_newton
from gridcommons.powerflow.phase_loads import LoadPairs
from gridcommons.powerflow.polish import mismatch_pu, newton_polish
from gridcommons.powerflow.solution import FlowSolution, Found, Injections

TOLERANCE_PU = 1e-8
"""Worst power mismatch of a solved scenario, on 1 MVA."""

DIRECT_TERMS = 16
"""Orders of the direct sum; a series that needs more is continued by Padé."""

PADE_TERMS = 60
"""Orders of a series that is continued."""


def solve_power_flow(
    network: Network, injections: Injections, *, method: str = "helm", threads: int = 1
) -> FlowSolution:
    """Voltages of every scenario.

    Parameters
    ----------
    network : Network
        From ``build_network``.
    injections : Injections
        Net power of each column in each scenario [kW], [kvar].
    method : str
        ``helm`` (our batched holomorphic embedding) or ``newton`` (power-grid-model's batch Newton).
    threads : int
        Workers; the answer does not depend on their number.

    Returns
    -------
    FlowSolution
        A scenario without operable solution has ``solved`` False and NaN voltages; it is never an
        exception, because it is an answer.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcommons.known_answers import chain_grid
    >>> from gridcommons.powerflow.admittance import build_network
    >>> network = build_network(chain_grid())
    >>> load = Injections(np.array([4]), np.array([[10.0]]), np.array([[0.0]]))
    >>> solve_power_flow(network, load).vm_pu().round(4)
    array([[1.    , 0.9938, 0.9877, 0.9815, 0.9753]])
    """
    if method not in METHODS:
        raise GridcommonsError(f"unknown load flow {method!r}; known are {', '.join(METHODS)}")
    return METHODS[method](network, injections, threads)


def _solve_helm(network: Network, injections: Injections, threads: int) -> FlowSolution:
    demand = make_demand(network, injections)
    kernel = HelmKernel(network, make_pairs(network, injections))
    count = len(injections)
    v = np.empty((count, network.pq_count), dtype=np.complex128)
    mismatch, orders = np.empty(count), np.empty(count, dtype=np.int64)
    bounds = _shares(count, threads)
    if len(bounds) == 1:
        kernel.sum_series(demand, bounds[0], DIRECT_TERMS, (v, mismatch, orders))
    else:
        with ThreadPoolExecutor(threads) as pool:
            work = [
                pool.submit(kernel.sum_series, demand, b, DIRECT_TERMS, (v, mismatch, orders)) for b in bounds
            ]
            for part in work:
                part.result()
    found = np.where(mismatch < TOLERANCE_PU, Found.SERIES, Found.NONE).astype(np.int64)
    pairs = injections.pairs(network)
    for scenario in np.flatnonzero(found == Found.NONE):
        s = injections.at_nodes(network, np.array([scenario]))[0]
        series = kernel.coefficients(demand, int(scenario), PADE_TERMS)
        v[scenario], mismatch[scenario], found[scenario] = _continue(
            network, s, series, pairs.of(int(scenario))
        )
    return FlowSolution(network, v, mismatch, found, pairs)


def _continue(
    network: Network, s: ComplexArray, series: ComplexArray, pairs: LoadPairs
) -> tuple[ComplexArray, float, Found]:
    """Padé's best approximant, polished by Newton where it stalls; NaN where neither solves."""
    values = continue_series(series)
    with np.errstate(all="ignore"):
        errors = np.abs(mismatch_pu(network, s, values, pairs)).max(axis=1)
    best = int(np.argmin(np.where(np.isfinite(errors), errors, np.inf)))
    if errors[best] < TOLERANCE_PU:
        return values[best], float(errors[best]), Found.PADE
    polished = newton_polish(network, s, values[best], TOLERANCE_PU, pairs)
    if polished is None:
        return np.full_like(values[best], np.nan), float(errors[best]), Found.NONE
    error = float(np.abs(mismatch_pu(network, s, polished, pairs)).max())
    return polished, error, Found.NEWTON


def make_demand(network: Network, injections: Injections) -> Demand:
    """The load as the kernels read it."""
    node = network.node_of(injections.bus)
    under = injections.under(network)
    # Columns at a source change no voltage; the rest are sorted by node, for one pass over memory.
    order = np.argsort(node, kind="stable")
    column = order[((node < network.pq_count) & ~injections.is_between)[order]].astype(np.int64)
    start = np.searchsorted(node[column], np.arange(network.pq_count + 1)).astype(np.int64)
    return Demand(
        np.ascontiguousarray(injections.p_kw, dtype=np.float64),
        np.ascontiguousarray(injections.q_kvar, dtype=np.float64),
        start,
        column,
        np.ascontiguousarray(under.s_pu.real),
        np.ascontiguousarray(-under.s_pu.imag),
        under.row,
        1.0 / S_BASE_KVA,
    )


def _shares(count: int, threads: int) -> list[tuple[int, int]]:
    """Ranges of scenarios, in multiples of 64 so that eight lanes are never cut between workers."""
    if threads <= 1:
        return [(0, count)]
    edges = np.unique(np.linspace(0, count, max(threads, 1) + 1).astype(int) // 64 * 64)
    edges[-1] = count
    edges = np.unique(np.concatenate([[0], edges]))
    return [(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


METHODS: dict[str, Callable[[Network, Injections, int], FlowSolution]] = {
    "helm": _solve_helm,
    "newton": solve_newton,
}
"""Load flows by name."""
