"""Every grid that pandapower bundles, and SimBench's, against pandapower's own load flow."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import pytest

from dense_load_flow import solve
from gridcommons.adapters.grids.pandapower_grids import open_net, read_grid
from gridcommons.adapters.grids.pandapower_networks import bundled_networks
from gridcommons.model.errors import StudyError
from pandapower_feeder import assert_same_as_runpp

COMPARED = {
    "case33bw": {},
    "create_cigre_network_lv": {},
    "create_cigre_network_mv": {},
    "create_dickert_lv_network": {},
    "create_kerber_dorfnetz": {},
    "create_kerber_landnetz_freileitung_1": {},
    "create_kerber_landnetz_freileitung_2": {},
    "create_kerber_landnetz_kabel_1": {},
    "create_kerber_landnetz_kabel_2": {},
    "create_kerber_vorstadtnetz_kabel_1": {},
    "create_kerber_vorstadtnetz_kabel_2": {},
    "create_synthetic_voltage_control_lv_network": {},
    "four_loads_with_branches_out": {},
    "kb_extrem_dorfnetz": {},
    "kb_extrem_dorfnetz_trafo": {},
    "kb_extrem_landnetz_freileitung": {},
    "kb_extrem_landnetz_freileitung_trafo": {},
    "kb_extrem_landnetz_kabel": {},
    "kb_extrem_landnetz_kabel_trafo": {},
    "kb_extrem_vorstadtnetz_1": {},
    "kb_extrem_vorstadtnetz_2": {},
    "kb_extrem_vorstadtnetz_trafo_1": {},
    "kb_extrem_vorstadtnetz_trafo_2": {},
    "lv_schutterwald": {"sections": [4, 6, 12]},  # whole it has 2,940 buses
    "mv_oberrhein": {},
    "panda_four_load_branch": {},
    "simple_four_bus_system": {},
    "simple_mv_open_ring_net": {},
}
"""All that pandapower 3.5 bundles that is balanced, all PQ, and up to 1,000 buses."""

VARIANTS = [
    ("create_cigre_network_mv", {"with_der": "all"}),
    ("create_dickert_lv_network", {"feeders_range": "long", "customer": "multiple", "case": "bad"}),
    *(
        ("create_synthetic_voltage_control_lv_network", {"network_class": name})
        for name in ("rural_2", "village_1", "village_2", "suburb_1")
    ),
    ("lv_schutterwald", {"sections": [0], "include_heat_pumps": True}),
    ("mv_oberrhein", {"scenario": "generation", "include_substations": True}),
]
"""The same with other options."""

WITH_PV_GENERATORS = [
    "case118",
    "case14",
    "case145",
    "case24_ieee_rts",
    "case30",
    "case300",
    "case39",
    "case4gs",
    "case5",
    "case57",
    "case6ww",
    "case89pegase",
    "case9",
    "case_ieee30",
    "case_illinois200",
    "create_cigre_network_hv",
    "example_multivoltage",
    "example_simple",
    "iceland",
]
"""Refused by name: they hold voltages by generators."""

ASYMMETRIC = ["ieee_european_lv_asymmetric"]
"""Refused by name: loads on single phases."""

RUNPP_FAILS = ["case11_iwamoto"]
"""Ill-conditioned on purpose: pandapower's own load flow does not converge, nothing to compare with."""

OVER_1000_BUSES = [
    "GBnetwork",
    "GBreducednetwork",
    "case1354pegase",
    "case1888rte",
    "case2848rte",
    "case2869pegase",
    "case3120sp",
    "case6470rte",
    "case6495rte",
    "case6515rte",
    "case9241pegase",
]

SIMBENCH = [
    "1-LV-rural1--0-sw",
    "1-LV-rural2--2-sw",
    "1-LV-semiurb4--1-sw",
    "1-LV-urban6--2-sw",
    "1-MV-rural--0-sw",
    "1-MV-urban--0-sw",
]


@pytest.mark.parametrize(("name", "options"), [*COMPARED.items(), *VARIANTS], ids=str)
def test_bundled_grid_gives_pandapowers_voltages_and_loadings(name, options):
    assert_same_as_runpp(open_net(f"pandapower:{name}", options))


@cache
def _simbench(code):
    pytest.importorskip("simbench")
    return open_net(f"simbench:{code}")


@pytest.mark.parametrize("code", SIMBENCH)
def test_simbench_grid_gives_pandapowers_voltages_and_loadings(code):
    net = _simbench(code)
    reading = assert_same_as_runpp(net)
    ignored = any("has no effect" in note for note in reading.notes)
    assert ignored == bool((net.trafo.tap_pos != 0).any())


@pytest.mark.parametrize("name", WITH_PV_GENERATORS)
def test_grid_with_pv_generators_is_refused_by_name(name):
    net = open_net(f"pandapower:{name}")
    with pytest.raises(StudyError) as caught:
        read_grid(net)
    tables = [problem.table for problem in caught.value.problems]
    assert tables.count("gen") == len(net.gen)


def test_every_bundled_grid_is_compared_or_accounted_for():
    named = {function.__name__ for function in bundled_networks().values()}
    known = {*COMPARED, *WITH_PV_GENERATORS, *ASYMMETRIC, *RUNPP_FAILS, *OVER_1000_BUSES}
    assert named == known


def test_asymmetric_grid_is_refused_by_name():
    with pytest.raises(StudyError, match="asymmetric_load.*single phases"):
        read_grid(open_net("pandapower:ieee_european_lv_asymmetric"))


def test_multivoltage_grid_without_its_generators_agrees():
    net = open_net("pandapower:example_multivoltage")
    net.gen["in_service"] = False
    net.xward["in_service"] = False
    reading = assert_same_as_runpp(net)
    arms = [name for name in reading.grid.branches.name if name.endswith((" hv", " mv", " lv"))]
    assert len(arms) == 3
    assert any("gen" in note and "out of service" in note for note in reading.notes)


def test_schutterwald_sections_are_those_of_pandapower():
    import pandapower.networks as networks

    section = networks.lv_schutterwald(separation_by_sub=True)[4]
    assert set(open_net("pandapower:lv_schutterwald", {"sections": 4}).bus.index) == set(section.bus.index)


def test_no_load_voltage_of_simbench_with_its_tap_applied_is_1_051():
    """Slack 1.025 over a tap of -1 with 2.5 % steps on the high-voltage side."""
    net = copy.copy(_simbench("1-LV-rural2--2-sw"))
    for table in ("load", "sgen", "storage"):
        net[table] = net[table].iloc[:0]
    grid = read_grid(net, tap_pos=-1).grid
    assert np.abs(solve(grid)).max() == pytest.approx(1.051, abs=5e-4)
    assert np.abs(solve(read_grid(net).grid)).max() == pytest.approx(1.025, abs=5e-4)
