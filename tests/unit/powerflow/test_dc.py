"""The DC load flow as a matrix: pandapower's answer, and what a radial grid must give."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.adapters.grids.pandapower_grids import read_grid
from gridcommons.adapters.grids.pandapower_networks import open_net
from gridcommons.known_answers import chain_grid
from gridcommons.model.errors import InfeasibleError
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.dc import dc_flow_factors


@pytest.mark.parametrize("name", ["case33bw", "mv_oberrhein", "cigre_mv"])
def test_flows_are_those_of_pandapower(name):
    import pandapower as pp

    net = open_net(f"pandapower:{name}")
    grid = read_grid(net, file=name).grid
    network = build_network(grid)
    rng = np.random.default_rng(1)
    buses = np.array([grid.bus_index[n] for n in grid.buses.name if n in grid.bus_index][5:25])
    drawn = rng.uniform(-50.0, 100.0, len(buses))
    for table in ("load", "sgen", "shunt"):
        net[table] = net[table].iloc[:0]
    own = _indices(net, grid)
    for bus, p_kw in zip(buses, drawn, strict=True):
        pp.create_load(net, own[grid.buses.name[bus]], p_kw / 1e3)
    net.trafo["pfe_kw"] = 0.0
    pp.rundcpp(net)
    lines = np.flatnonzero(np.array(grid.branches.kind) == "line")
    ours = dc_flow_factors(network, lines, buses) @ drawn
    theirs = net.res_line.p_from_mw.to_numpy() * 1e3
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def _indices(net, grid):
    from gridcommons.adapters.studies.draft import bus_names

    return {name: index for index, name in bus_names(net).items()}


def test_on_a_chain_each_line_carries_what_lies_behind_it():
    network = build_network(chain_grid())
    factors = dc_flow_factors(network, np.arange(4), np.array([0, 1, 2, 3, 4]))
    np.testing.assert_allclose(factors, np.triu(np.ones((4, 5)), 1), atol=1e-12)


def test_a_bus_without_supply_is_refused():
    from dataclasses import replace

    grid = chain_grid()
    open_end = np.array([True, True, False, True])
    grid = replace(grid, branches=replace(grid.branches, from_closed=open_end))
    with pytest.raises(InfeasibleError, match="no source reaches bus bus 4"):
        dc_flow_factors(build_network(grid), np.array([0]), np.array([4]))
