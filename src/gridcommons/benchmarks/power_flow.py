"""A year of load flows: HELM against power-grid-model's batch Newton."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcommons.benchmarks.timing import measure, year_of_injections, year_of_the_rural_feeder
from gridcommons.powerflow.admittance import Network, build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.newton import prepare_model, solve_batch, update_data
from gridcommons.powerflow.solution import Injections


def power_flow(repeats: int = 5) -> dict[str, Any]:
    """A year of load flows on the 97-bus rural feeder: HELM against power-grid-model's batch Newton."""
    study, origin = year_of_the_rural_feeder()
    network, injections = build_network(study.grid), year_of_injections(study)
    rows = {f"{threads}_threads": _flow_row(network, injections, threads, repeats) for threads in (1, 2)}
    ours = solve_power_flow(network, injections)
    theirs = solve_power_flow(network, injections, method="newton")
    return {
        "buses": len(study.grid.buses),
        "steps": len(injections),
        "columns": injections.p_kw.shape[1],
        "profiles": origin,
        **rows,
        "worst_voltage_difference_pu": float(np.abs(ours.v_pq - theirs.v_pq).max()),
        "worst_mismatch_pu": float(ours.mismatch_pu.max()),
        "goal": "ratio at least 10 on one and on two threads, difference below 1e-8 pu",
    }


def _flow_row(network: Network, injections: Injections, threads: int, repeats: int) -> dict[str, float]:
    """Microseconds a load flow of each, both with their input mapping, and the ratio pair by pair."""
    model = prepare_model(network, injections)
    v = np.empty((len(injections), network.pq_count), dtype=np.complex128)

    def newton() -> None:
        solve_batch(model, update_data(network, injections), threads, v)

    ours = measure(lambda: solve_power_flow(network, injections, threads=threads), repeats)
    theirs = measure(newton, repeats)
    return {
        "helm_us": ours.median / len(injections) * 1e6,
        "newton_us": theirs.median / len(injections) * 1e6,
        "ratio": theirs.median / ours.median,
    }
