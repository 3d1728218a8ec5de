"""power-grid-model's batch Newton behind the same function: the independent second opinion.

It gets the same admittances as the series, as the equivalent circuit of Y: one branch an
off-diagonal entry, one shunt a node, all on 1 kV and 1 MVA so that siemens are per unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array, triu

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import S_BASE_KVA
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.polish import mismatch_pu
from gridcommons.powerflow.solution import FlowSolution, Found, Injections

SOURCE_POWER_VA = 1e20
"""Short-circuit power of a source; power-grid-model's default would err by up to 2.7e-3 pu."""

TOLERANCE_PU = 1e-8
"""Worst mismatch of a solved scenario, the same as of the series."""


def solve_newton(network: Network, injections: Injections, threads: int = 1) -> FlowSolution:
    """Voltages of every scenario by power-grid-model; see ``solve_power_flow``."""
    if len(network.pairs) or injections.is_between.any():
        raise GridcommonsError(
            "power-grid-model has no load of constant current and none between two phases in this form: "
            "use the load flow 'helm'"
        )
    if injections.background is not None:
        injections = _flattened(network, injections)
    count, pq_count = len(injections), network.pq_count
    v = np.full((count, pq_count), np.nan, dtype=np.complex128)
    mismatch = np.full(count, np.inf)
    if count:
        model, update = prepare_model(network, injections), update_data(network, injections)
        solve_batch(model, update, threads, v)
        mismatch = _mismatch(network, injections, v)
    solved = mismatch < TOLERANCE_PU
    v[~solved] = np.nan
    return FlowSolution(network, v, mismatch, np.where(solved, Found.NEWTON, Found.NONE).astype(np.int64))


def prepare_model(network: Network, injections: Injections) -> Any:
    """A ``PowerGridModel`` with a load a column (and one a node with fixed injections)."""
    from power_grid_model import PowerGridModel

    tables = {"node": _nodes(network), "source": _sources(network)}
    tables |= _equivalent_circuit(network)
    tables["sym_load"] = _loads(network, injections)
    return PowerGridModel(tables, system_frequency=50.0)


def update_data(network: Network, injections: Injections) -> dict[str, Any]:
    """The batch of load updates: columns mapped to loads, scenario by scenario."""
    from power_grid_model import initialize_array

    columns = injections.p_kw.shape[1]
    update = initialize_array("update", "sym_load", (len(injections), columns))
    update["id"] = _first_load_id(network) + np.arange(columns)
    update["p_specified"] = injections.p_kw * 1e3
    update["q_specified"] = injections.q_kvar * 1e3
    return {"sym_load": update}


def solve_batch(model: Any, update: dict[str, Any], threads: int, v: ComplexArray) -> None:
    """Fill ``v`` (scenarios, pq nodes); rows of scenarios that fail keep their NaN."""
    from power_grid_model.errors import PowerGridBatchError  # type: ignore[attr-defined]

    options = {
        "update_data": update,
        "error_tolerance": 1e-10,
        "max_iterations": 40,
        "threading": threads if threads > 1 else -1,
        "output_component_types": {"node": ["u_pu", "u_angle"]},
    }
    try:
        output = model.calculate_power_flow(**options)
        good = np.ones(len(v), dtype=bool)
    except PowerGridBatchError:
        output = model.calculate_power_flow(**options, continue_on_batch_error=True)
        good = np.ones(len(v), dtype=bool)
        good[model.batch_error.failed_scenarios] = False
    node = output["node"]
    u_pu, u_angle = node["u_pu"][:, : v.shape[1]], node["u_angle"][:, : v.shape[1]]
    v[good] = (u_pu * np.exp(1j * u_angle))[good]


def _flattened(network: Network, injections: Injections) -> Injections:
    """The same power with one column a PQ node, less what the model carries as fixed loads."""
    power = network.s_fixed - injections.at_nodes(network)
    buses = np.array([np.flatnonzero(network.node_of_bus == node)[0] for node in range(network.pq_count)])
    return Injections(buses, power.real * S_BASE_KVA, power.imag * S_BASE_KVA)


def _mismatch(network: Network, injections: Injections, v: ComplexArray) -> Any:
    worst = np.empty(len(v))
    for start in range(0, len(v), 4096):
        part = slice(start, start + 4096)
        error = np.abs(mismatch_pu(network, injections.at_nodes(network, part), v[part]))
        worst[part] = np.where(np.isnan(error), np.inf, error).max(axis=1)
    return worst


def _nodes(network: Network) -> Any:
    from power_grid_model import initialize_array

    nodes = initialize_array("input", "node", network.y.shape[0])
    nodes["id"] = np.arange(len(nodes))
    nodes["u_rated"] = 1e3
    return nodes


def _sources(network: Network) -> Any:
    from power_grid_model import initialize_array

    sources = initialize_array("input", "source", len(network.v_source))
    first = network.y.shape[0]
    sources["id"] = first + np.arange(len(sources))
    sources["node"] = network.pq_count + np.arange(len(sources))
    sources["status"] = 1
    sources["u_ref"] = np.abs(network.v_source)
    sources["u_ref_angle"] = np.angle(network.v_source)
    sources["sk"] = SOURCE_POWER_VA
    return sources


def _equivalent_circuit(network: Network) -> dict[str, Any]:
    from power_grid_model import initialize_array

    upper = coo_array(triu(network.y, 1))
    link = upper.data != 0.0
    series = -1.0 / upper.data[link]
    branches = initialize_array("input", "generic_branch", int(link.sum()))
    first = network.y.shape[0] + len(network.v_source)
    branches["id"] = first + np.arange(len(branches))
    branches["from_node"], branches["to_node"] = upper.row[link], upper.col[link]
    branches["from_status"] = branches["to_status"] = 1
    branches["r1"], branches["x1"] = series.real, series.imag
    branches["g1"] = branches["b1"] = 0.0
    branches["k"], branches["theta"], branches["sn"] = 1.0, 0.0, 1e6
    to_earth = np.asarray(network.y.sum(axis=1)).ravel()
    shunts = initialize_array("input", "shunt", len(to_earth))
    shunts["id"] = first + len(branches) + np.arange(len(shunts))
    shunts["node"] = np.arange(len(shunts))
    shunts["status"] = 1
    shunts["g1"], shunts["b1"] = to_earth.real, to_earth.imag
    shunts["g0"] = shunts["b0"] = 0.0
    return {"generic_branch": branches, "shunt": shunts}


def _first_load_id(network: Network) -> int:
    upper = coo_array(triu(network.y, 1))
    return int(2 * network.y.shape[0] + len(network.v_source) + (upper.data != 0.0).sum())


def _loads(network: Network, injections: Injections) -> Any:
    from power_grid_model import initialize_array

    fixed = np.flatnonzero(network.s_fixed)
    columns = injections.p_kw.shape[1]
    loads = initialize_array("input", "sym_load", columns + len(fixed))
    loads["id"] = _first_load_id(network) + np.arange(len(loads))
    loads["node"] = np.concatenate([network.node_of(injections.bus), fixed])
    loads["status"] = 1
    loads["type"] = 0
    power = np.concatenate([np.zeros(columns), -network.s_fixed[fixed] * S_BASE_KVA * 1e3])
    loads["p_specified"], loads["q_specified"] = power.real, power.imag
    return loads
