"""The DC load flow as a matrix: how much of each kilowatt drawn at a bus flows over each branch.

θ from B θ = P with b = 1/(x ratio), voltages 1 and losses 0; on a radial grid the factors are 0 or ±1
whatever the impedances. A branch without reactance counts by its resistance.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.powerflow.admittance import Network


def dc_flow_factors(network: Network, branches: IntArray, buses: IntArray) -> FloatArray:
    """Flow into each branch at its ``from`` end per kW drawn at each bus, shape (branches, buses).

    Parameters
    ----------
    network : Network
        From ``build_network``; its sources deliver what is drawn.
    branches : (branches,)
        Indices of the branches asked for; one out of service carries nothing.
    buses : (buses,)
        Indices of the buses at which power is drawn.

    Raises
    ------
    InfeasibleError
        If no source reaches one of the buses.
    """
    grid, count = network.grid.branches, network.pq_count
    susceptance = _susceptance(network)
    start, end = network.node_of_bus[grid.from_bus], network.node_of_bus[grid.to_bus]
    used = np.flatnonzero(susceptance)
    row = np.repeat(used, 2)
    node = np.stack([start[used], end[used]], axis=1).ravel()
    sign = np.tile([1.0, -1.0], len(used))
    inside = node < count
    incidence = coo_array((sign[inside], (row[inside], node[inside])), shape=(len(grid), count)).tocsr()
    weighted = incidence.multiply(susceptance[:, None]).tocsr()
    drawn = network.node_of(buses)
    if not count:
        return np.zeros((len(branches), len(buses)))
    # Drawing lowers the angle: θ = −B⁻¹ P, and the flow is b (θ_from − θ_to).
    factors = splu(csc_array(incidence.T @ weighted))
    answer = factors.solve(weighted[branches].toarray().T).T
    at_source = np.concatenate([-answer, np.zeros((len(branches), 1))], axis=1)
    return np.asarray(at_source[:, np.minimum(drawn, count)])


def _susceptance(network: Network) -> FloatArray:
    """b of each branch [pu]; 0 where it is out of service or unsupplied."""
    grid = network.grid.branches
    x = np.where(grid.x_pu != 0.0, grid.x_pu, grid.r_pu)
    alive = grid.in_service & (network.node_of_bus[grid.from_bus] >= 0)
    return np.where(alive, 1.0 / (x * grid.ratio), 0.0)
