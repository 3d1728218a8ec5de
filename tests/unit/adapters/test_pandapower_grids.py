"""Grids read from pandapower against pandapower's own load flow, and what is refused or said."""

from __future__ import annotations

import copy
import json
import warnings
from functools import cache

import numpy as np
import pytest
from grid_reference import branch_currents_ka, loading_percent, solve

from gridcommons.adapters.pandapower_grids import NOT_MODELLED, open_net, read_grid
from gridcommons.adapters.pandapower_networks import bundled_networks
from gridcommons.model.errors import MissingExtraError, StudyError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
pp = pytest.importorskip("pandapower")

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

WITH_PV_GENERATORS = (
    "case118 case14 case145 case24_ieee_rts case30 case300 case39 case4gs case5 case57 case6ww "
    "case89pegase case9 case_ieee30 case_illinois200 create_cigre_network_hv example_multivoltage "
    "example_simple iceland"
).split()
"""Refused by name: they hold voltages by generators."""

ASYMMETRIC = ["ieee_european_lv_asymmetric"]
"""Refused by name: loads on single phases."""

RUNPP_FAILS = ["case11_iwamoto"]
"""Ill-conditioned on purpose: pandapower's own load flow does not converge, nothing to compare with."""

OVER_1000_BUSES = (
    "GBnetwork GBreducednetwork case1354pegase case1888rte case2848rte case2869pegase case3120sp "
    "case6470rte case6495rte case6515rte case9241pegase"
).split()

SIMBENCH = (
    "1-LV-rural1--0-sw 1-LV-rural2--2-sw 1-LV-semiurb4--1-sw 1-LV-urban6--2-sw 1-MV-rural--0-sw "
    "1-MV-urban--0-sw"
).split()


def assert_same_as_runpp(net, **overrides):
    """Voltages within 1e-6 pu and loadings within 1e-6 of pandapower's load flow."""
    reading = read_grid(net, **overrides)
    grid = reading.grid
    pp.runpp(net, calculate_voltage_angles=True, trafo_model="t", tolerance_mva=1e-10)
    v = solve(grid)
    on = net.bus.in_service.to_numpy(dtype=bool)
    expected = net.res_bus.vm_pu[on] * np.exp(1j * np.deg2rad(net.res_bus.va_degree[on]))
    ours = v[: int(on.sum())]
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(expected))
    np.testing.assert_allclose(np.nan_to_num(ours), np.nan_to_num(expected), rtol=0, atol=1e-6)
    loading = dict(zip(grid.branches.name, loading_percent(grid, v), strict=True))
    for table, kind in (("line", "line"), ("trafo", "transformer")):
        for index, theirs in net[f"res_{table}"].loading_percent.items():
            name = net[table].name.get(index)
            key = name if name in loading else f"{kind} {index}"
            if key in loading and not np.isnan(theirs):
                assert loading[key] == pytest.approx(theirs, rel=1e-6, abs=1e-6), key
    return reading


@pytest.mark.parametrize(("name", "options"), [*COMPARED.items(), *VARIANTS], ids=str)
def test_bundled_grid_gives_pandapowers_voltages_and_loadings(name, options):
    assert_same_as_runpp(open_net(f"pandapower:{name}", options))


@pytest.mark.parametrize("code", SIMBENCH)
def test_simbench_grid_gives_pandapowers_voltages_and_loadings(code):
    pytest.importorskip("simbench")
    net = open_net(f"simbench:{code}")
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


# ---- single elements, each against runpp -----------------------------------------------------------


@cache
def _feeder():
    """110/20/0.4 kV, one of each of the usual, with losses everywhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = pp.create_empty_network(f_hz=50.0, sn_mva=10.0)
        for vn_kv in (110.0, 20.0, 20.0, 20.0, 0.4, 0.4, 0.4):
            pp.create_bus(net, vn_kv)
        pp.create_ext_grid(net, 0, vm_pu=1.02, va_degree=10.0)
        pp.create_transformer(net, 0, 1, "25 MVA 110/20 kV", tap_pos=0, name="HV/MV")
        for a, b, km in ((1, 2, 4.0), (2, 3, 6.0), (1, 3, 9.0)):
            pp.create_line(net, a, b, km, "NA2XS2Y 1x185 RM/25 12/20 kV", name=f"mv{a}{b}")
        pp.create_transformer(net, 2, 4, "0.63 MVA 20/0.4 kV", name="MV/LV")
        for a, b in ((4, 5), (5, 6)):
            pp.create_line(net, a, b, 0.15, "NAYY 4x150 SE", name=f"lv{a}{b}")
        pp.create_load(net, 3, 3.0, 1.0, name="MV load", scaling=0.8)
        for bus in (5, 6):
            pp.create_load(net, bus, 0.05, 0.015, name=f"load at {bus}")
    return net


@pytest.fixture
def net():
    return copy.deepcopy(_feeder())


def tap(net, row, **values):
    for column, value in values.items():
        net.trafo[column] = net.trafo[column].astype(object) if column in net.trafo else None
        net.trafo.at[row, column] = value


TAPS = {
    "ratio hv": {"tap_changer_type": "Ratio", "tap_side": "hv", "tap_pos": -2, "tap_step_percent": 2.5},
    "ratio lv": {"tap_changer_type": "Ratio", "tap_side": "lv", "tap_pos": 2, "tap_step_percent": 1.5},
    "oblique hv": {
        "tap_changer_type": "Ratio",
        "tap_side": "hv",
        "tap_pos": 2,
        "tap_step_percent": 2.0,
        "tap_step_degree": 60.0,
    },
    "oblique lv": {
        "tap_changer_type": "Symmetrical",
        "tap_side": "lv",
        "tap_pos": -2,
        "tap_step_percent": 2.0,
        "tap_step_degree": 90.0,
    },
    "ideal degrees": {
        "tap_changer_type": "Ideal",
        "tap_side": "hv",
        "tap_pos": 1,
        "tap_step_percent": 0.0,
        "tap_step_degree": 3.0,
    },
    "ideal percent": {
        "tap_changer_type": "Ideal",
        "tap_side": "lv",
        "tap_pos": 2,
        "tap_step_percent": 2.0,
        "tap_step_degree": 0.0,
    },
}


@pytest.mark.parametrize("kind", TAPS)
def test_tap_changer_agrees(net, kind):
    plain = solve(read_grid(net).grid)
    tap(net, 1, tap_neutral=0, **TAPS[kind])
    reading = assert_same_as_runpp(net)
    assert np.abs(solve(reading.grid) - plain).max() > 1e-3


def test_second_tap_changer_agrees(net):
    tap(net, 1, tap_neutral=0, **TAPS["ratio hv"])
    second = {f"tap2_{key[4:]}": value for key, value in (TAPS["oblique lv"] | {"tap_neutral": 0}).items()}
    plain = read_grid(net).grid.branches.ratio
    tap(net, 1, **second)
    assert read_grid(net).grid.branches.ratio.tolist() != plain.tolist()
    assert_same_as_runpp(net)


def test_transformer_rating_parallel_leakage_shares_and_rated_voltages_agree(net):
    net.trafo["parallel"], net.trafo["df"] = [1, 3], [1.0, 0.8]
    net.trafo["leakage_resistance_ratio_hv"], net.trafo["leakage_reactance_ratio_hv"] = 0.3, 0.8
    net.trafo["vn_lv_kv"], net.trafo["vn_hv_kv"] = [21.0, 0.41], [112.0, 19.5]
    net.trafo["i0_percent"], net.trafo["shift_degree"] = 3.0, [30.0, 150.0]
    assert_same_as_runpp(net)


def test_all_leakage_on_one_side_is_exact(net):
    """pandapower divides by zero here; nearly all of it on that side must be nearly the same."""
    net.trafo["leakage_resistance_ratio_hv"], net.trafo["leakage_reactance_ratio_hv"] = 1.0, 1.0
    at_edge = solve(read_grid(net).grid)
    net.trafo["leakage_resistance_ratio_hv"] = net.trafo["leakage_reactance_ratio_hv"] = 1.0 - 1e-9
    np.testing.assert_allclose(at_edge, solve(read_grid(net).grid), atol=1e-9)


def test_lines_with_parallels_derating_and_conductance_agree(net):
    net.line["parallel"], net.line["df"], net.line["g_us_per_km"] = [1, 2, 1, 3, 1], 0.7, 20.0
    assert_same_as_runpp(net)


@pytest.mark.parametrize(("bus", "element", "et"), [(2, 1, "l"), (3, 1, "l"), (2, 1, "t"), (4, 1, "t")])
def test_open_switch_at_one_end_leaves_the_branch_charged(net, bus, element, et):
    if et == "t":
        net.load.drop(index=[1, 2], inplace=True)
        pp.create_load(net, 2, 0.5, 0.1)
    pp.create_switch(net, bus, element, et=et, closed=False)
    pp.create_switch(net, 1, 0, et="l", closed=True)
    reading = assert_same_as_runpp(net)
    assert (~reading.grid.branches.in_service).sum() == 1


def test_open_switches_at_both_ends_cut_the_branch(net):
    for bus in (2, 3):
        pp.create_switch(net, bus, 1, et="l", closed=False)
    branches = assert_same_as_runpp(net).grid.branches
    assert not branches.from_closed[1]
    assert not branches.to_closed[1]


def test_bus_switches_join_and_impedant_ones_become_branches(net):
    for name in ("joined", "apart", "through impedance"):
        pp.create_bus(net, 20.0, name=name)
    pp.create_switch(net, 3, 7, et="b", closed=True)
    pp.create_switch(net, 7, 8, et="b", closed=False)
    pp.create_switch(net, 7, 9, et="b", closed=True, z_ohm=2.5, name="busbar coupler")
    for bus in (7, 9):
        pp.create_load(net, bus, 1.0, 0.2)
    reading = assert_same_as_runpp(net)
    assert len(reading.grid.switches) == 2
    assert reading.grid.branches.kind[reading.grid.branch_index["busbar coupler"]] == "impedance"
    assert any("R/X" in note for note in reading.notes)


def test_branches_out_of_service_stay_as_open_branches(net):
    net.line.at[2, "in_service"] = False
    branches = assert_same_as_runpp(net).grid.branches
    assert branches.in_service.tolist().count(False) == 1
    assert not branches.from_closed[2]


def test_bus_out_of_service_goes_with_all_that_is_at_it(net):
    net.bus.at[3, "in_service"] = False
    pp.create_bus(net, 0.4, in_service=False)
    pp.create_transformer(net, 2, 7, "0.63 MVA 20/0.4 kV", name="dead end")
    reading = assert_same_as_runpp(net)
    assert len(reading.grid.buses) == 6
    assert "MV load" not in reading.grid.fixed.name
    assert len(reading.grid.shunts.bus) == 2, "the charging of the two lines that end there"
    said = "\n".join(reading.notes)
    assert all(word in said for word in ("MV load", "mv23", "mv13", "dead end"))


def test_wards_motors_storages_shunts_and_generators_agree(net):
    pp.create_ward(net, 3, 0.4, 0.1, 0.3, -0.2)
    pp.create_motor(net, 5, pn_mech_mw=0.03, cos_phi=0.85, efficiency_percent=93.0, loading_percent=80.0)
    pp.create_storage(net, 6, 0.02, max_e_mwh=0.1, q_mvar=0.005, scaling=1.5)
    pp.create_sgen(net, 3, 0.9, 0.1, scaling=0.9)
    pp.create_shunt(net, 3, q_mvar=-0.5, p_mw=0.01, step=2, vn_kv=21.0)
    pp.create_shunt(net, 2, q_mvar=0.3)
    pp.create_sgen(net, 3, 5.0, in_service=False, name="mothballed")
    reading = assert_same_as_runpp(net)
    assert "mothballed" not in reading.grid.fixed.name
    assert any("mothballed" in note for note in reading.notes)


def test_constant_impedance_share_agrees_where_a_load_is_alone(net):
    net.load["const_z_p_percent"], net.load["const_z_q_percent"] = [60.0, 0.0, 100.0], [20.0, 50.0, 0.0]
    reading = assert_same_as_runpp(net)
    assert len(reading.grid.shunts.bus) == 3
    assert any("load by load" in note for note in reading.notes)


def test_impedance_element_agrees(net):
    net.line.drop(index=[2], inplace=True)
    pp.create_impedance(net, 1, 3, 0.05, 0.1, sn_mva=5.0, gf_pu=0.01, bf_pu=-0.02, gt_pu=0.005, bt_pu=0.03)
    assert_same_as_runpp(net)


@pytest.mark.parametrize("star_point", [False, True])
@pytest.mark.parametrize("side", ["hv", "mv", "lv"])
def test_three_winding_transformer_agrees(net, side, star_point):
    for vn_kv in (20.0, 10.0):
        pp.create_bus(net, vn_kv)
    pp.create_transformer3w_from_parameters(
        net,
        *(0, 7, 8),
        *(115.0, 20.5, 10.4),
        *(40.0, 25.0, 20.0),
        *(10.0, 11.0, 12.0),
        *(0.3, 0.35, 0.4),
        pfe_kw=30.0,
        i0_percent=0.4,
        shift_mv_degree=30.0,
        shift_lv_degree=150.0,
        tap_side=side,
        tap_pos=3,
        tap_neutral=0,
        tap_step_percent=1.5,
        tap_step_degree=20.0,
        tap_changer_type="Ratio",
        tap_at_star_point=star_point,
        name="T3",
    )
    pp.create_load(net, 7, 10.0, 3.0)
    pp.create_load(net, 8, 6.0, -1.0)
    grid = assert_same_as_runpp(net).grid
    v = solve(grid)
    rating = np.fmin(grid.branches.i_max_from_ka, grid.branches.i_max_to_ka)
    current = branch_currents_ka(grid, v)
    arms = [grid.branch_index[f"T3 {end}"] for end in ("hv", "mv", "lv")]
    at_winding = [current[arms[0], 0], current[arms[1], 1], current[arms[2], 1]]
    loading = 100 * max(np.array(at_winding) / rating[arms])
    assert loading == pytest.approx(net.res_trafo3w.loading_percent[0], rel=1e-6)


@pytest.mark.parametrize("bus", [0, 7, 8])
def test_open_switch_at_a_three_winding_transformer_agrees(net, bus):
    for vn_kv in (20.0, 10.0):
        pp.create_bus(net, vn_kv)
    pp.create_transformer3w(net, 0, 7, 8, "63/25/38 MVA 110/20/10 kV")
    pp.create_switch(net, bus, 0, et="t3", closed=False)
    if bus != 0:
        pp.create_load(net, 15 - bus, 2.0, 0.5)
    assert_same_as_runpp(net)


def test_several_external_grids_are_several_sources(net):
    pp.create_bus(net, 20.0)
    pp.create_line(net, 3, 7, 3.0, "NA2XS2Y 1x185 RM/25 12/20 kV")
    pp.create_ext_grid(net, 7, vm_pu=1.01, va_degree=-142.0, name="second")
    assert assert_same_as_runpp(net).grid.sources.name == ("ext_grid 0", "second")


# ---- overrides -------------------------------------------------------------------------------------


def test_tap_position_that_pandapower_passes_over_is_said_and_tap_pos_applies_it(net):
    tap(net, 1, tap_neutral=0, **(TAPS["ratio hv"] | {"tap_changer_type": None, "tap_pos": -1}))
    silent = assert_same_as_runpp(net)
    assert any("MV/LV" in note and "no effect" in note for note in silent.notes)
    told = read_grid(net, tap_pos=-1)
    assert any("MV/LV" in note and "tap_pos -1 by the study" in note for note in told.notes)
    tap(net, 1, tap_changer_type="Ratio")
    tap(net, 0, tap_pos=-1)
    pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-10)
    np.testing.assert_allclose(np.abs(solve(told.grid)), net.res_bus.vm_pu, atol=1e-6)


def test_tap_pos_beyond_its_range_is_refused(net):
    with pytest.raises(StudyError, match="tap_pos = 40 in the study.*position from -9 to 9"):
        read_grid(net, tap_pos=40)


def test_no_load_voltage_of_simbench_with_its_tap_applied_is_1_051():
    """Slack 1.025 over a tap of -1 with 2.5 % steps on the high-voltage side."""
    pytest.importorskip("simbench")
    net = open_net("simbench:1-LV-rural2--2-sw")
    for table in ("load", "sgen", "storage"):
        net[table] = net[table].iloc[:0]
    grid = read_grid(net, tap_pos=-1).grid
    assert np.abs(solve(grid)).max() == pytest.approx(1.051, abs=5e-4)
    assert np.abs(solve(read_grid(net).grid)).max() == pytest.approx(1.025, abs=5e-4)


def test_slack_voltage_override_is_applied_and_said(net):
    reading = read_grid(net, slack_vm_pu=1.05)
    assert reading.grid.sources.vm_pu.tolist() == [1.05]
    assert any("1.05 pu" in note for note in reading.notes)


# ---- names, places, notes --------------------------------------------------------------------------


def test_bus_names_are_used_only_where_all_are_unique_and_given(net):
    assert read_grid(net).grid.buses.name == tuple("0123456")
    net.bus["name"] = [f"bus {letter}" for letter in "abcdefg"]
    assert read_grid(net).grid.buses.name[0] == "bus a"
    net.bus.at[1, "name"] = "bus a"
    assert read_grid(net).grid.buses.name == tuple("0123456")


def test_branch_names_are_unique_over_all_kinds(net):
    net.line["name"] = ["HV/MV", "line 3", "b", "b", None]
    names = read_grid(net).grid.branches.name
    assert names == ("line 0", "line 1", "line 2", "line 3", "line 4", "transformer 0", "MV/LV")


def test_places_come_from_geojson_and_are_unknown_without(net):
    net.bus["geo"] = [json.dumps({"type": "Point", "coordinates": [11.4, 53.6]}), *[None] * 6]
    buses = read_grid(net).grid.buses
    assert (buses.x_map[0], buses.y_map[0]) == (11.4, 53.6)
    assert np.isnan(buses.x_map[1:]).all()


def test_fixed_injections_are_listed_with_their_sums(net):
    note = next(note for note in read_grid(net, file="grid.json").notes if "stay fixed" in note)
    assert note == (
        "loads of grid.json that stay fixed: 3, together 2500 kW, 830 kvar (MV load, load at 5, load at 6)"
    )


def test_reading_does_not_change_the_network(net):
    before = copy.deepcopy(net)
    pp.create_shunt(net, 3, q_mvar=-0.5)
    pp.create_shunt(before, 3, q_mvar=-0.5)
    read_grid(net, tap_pos=1, slack_vm_pu=1.0)
    assert pp.nets_equal(net, before)


# ---- refusals --------------------------------------------------------------------------------------


def set_value(table, row, column, value):
    def change(net):
        net[table][column] = net[table][column].astype(object) if column in net[table] else None
        net[table].at[row, column] = value

    return change


REFUSALS = {
    "PV generator": (lambda net: pp.create_gen(net, 3, 1.0), "gen", r"holds its voltage \(PV\)"),
    "extended ward": (lambda net: pp.create_xward(net, 3, 0, 0, 0, 0, 0.1, 0.1, 1), "xward", "extended ward"),
    "DC line": (lambda net: pp.create_dcline(net, 1, 3, 1, 1, 0, 1, 1), "dcline", "DC line"),
    "svc": (lambda net: pp.create_svc(net, 3, 1, -10, 1.0, 90), "svc", "var compensator"),
    "tcsc": (lambda net: pp.create_tcsc(net, 1, 3, 1, -10, 5, 140), "tcsc", "series capacitor"),
    "ssc": (lambda net: pp.create_ssc(net, 3, 0, 0.1), "ssc", "synchronous compensator"),
    "asymmetric load": (
        lambda net: pp.create_asymmetric_load(net, 5, p_a_mw=0.01),
        "asymmetric_load",
        "single phases",
    ),
    "asymmetric generator": (
        lambda net: pp.create_asymmetric_sgen(net, 5, p_a_mw=0.01),
        "asymmetric_sgen",
        "single phases",
    ),
    "zero impedance": (
        lambda net: [set_value("line", 0, c, 0.0)(net) for c in ("r_ohm_per_km", "x_ohm_per_km")],
        "line",
        "zero impedance.*bus-bus switch",
    ),
    "line to itself": (set_value("line", 0, "to_bus", 1), "line", "both ends at one bus"),
    "line without resistance given": (set_value("line", 1, "r_ohm_per_km", None), "line", "r_ohm_per_km"),
    "line without rating": (set_value("line", 1, "max_i_ka", 0.0), "line", "above zero"),
    "unknown bus": (set_value("line", 1, "to_bus", 99), "line", "bus 99"),
    "constant current": (set_value("load", 0, "const_i_p_percent", 30.0), "load", "constant-current"),
    "load that is no number": (set_value("load", 0, "p_mw", float("nan")), "load", "a number"),
    "characteristic": (set_value("trafo", 0, "tap_dependency_table", True), "trafo", "tap position by a table"),
    "resistance above impedance": (set_value("trafo", 0, "vkr_percent", 50.0), "trafo", "at most vk_percent"),
    "both steps ideal": (
        lambda net: tap(net, 1, tap_neutral=0, **(TAPS["ideal degrees"] | {"tap_step_percent": 1.0})),
        "trafo",
        "one of the two",
    ),
    "one-way impedance": (
        lambda net: pp.create_impedance(net, 1, 3, 0.1, 0.1, sn_mva=1, rtf_pu=0.2, xtf_pu=0.1),
        "impedance",
        "both directions",
    ),
    "shunt table": (
        lambda net: pp.create_shunt(net, 3, 0.1, step_dependency_table=True, id_characteristic_table=0),
        "shunt",
        "from a table",
    ),
    "switch at no end": (
        lambda net: net.switch.update(
            net.switch.loc[[pp.create_switch(net, 2, 1, et="l", closed=False)]].assign(bus=5)
        ),
        "switch",
        "bus 5.*an end of line 1",
    ),
    "line switch with impedance": (
        lambda net: pp.create_switch(net, 2, 1, et="l", z_ohm=0.1),
        "switch",
        "bus-bus switches only",
    ),
    "no source": (set_value("ext_grid", 0, "in_service", False), "ext_grid", "no external grid"),
    "two voltages at a node": (
        lambda net: pp.create_ext_grid(net, 0, vm_pu=1.03),
        "ext_grid",
        "another voltage than",
    ),
    "coupler between voltages": (
        lambda net: pp.create_switch(net, 3, 6, et="b"),
        "switch",
        "20 kV and 0.4 kV|0.4 kV and 20 kV",
    ),
    "islanded load": (
        lambda net: pp.create_switch(net, 4, 1, et="t", closed=False),
        "fixed injections",
        "without a source.*closed path",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_not_modelled_is_refused_by_name(net, case):
    change, table, said = REFUSALS[case]
    change(net)
    with pytest.raises(StudyError, match=said) as caught:
        read_grid(net, file="village.json")
    assert {problem.table for problem in caught.value.problems} == {table}
    assert {problem.file for problem in caught.value.problems} == {"village.json"}


def test_all_problems_come_at_once(net):
    for case in ("PV generator", "zero impedance", "constant current", "characteristic"):
        REFUSALS[case][0](net)
    with pytest.raises(StudyError) as caught:
        read_grid(net)
    assert [problem.table for problem in caught.value.problems] == ["gen", "line", "trafo", "load"]


def test_what_is_not_modelled_may_stand_by_out_of_service(net):
    pp.create_gen(net, 3, 1.0, in_service=False, name="spare")
    assert any("spare" in note for note in assert_same_as_runpp(net).notes)


def test_every_table_of_pandapower_is_read_or_refused():
    """A table that a later pandapower adds must not be passed over."""
    import pandas as pd

    tables = {
        name
        for name, table in pp.create_empty_network().items()
        if isinstance(table, pd.DataFrame) and not name.startswith(("res_", "_"))
    }
    modelled = (
        "bus load sgen motor storage switch shunt ext_grid line trafo trafo3w impedance ward controller"
    ).split()
    no_effect = "measurement pwl_cost poly_cost group".split()
    assert tables - set(modelled) - set(no_effect) == set(NOT_MODELLED)


# ---- opening ---------------------------------------------------------------------------------------


def test_json_file_gives_the_same_grid_as_the_network(net, tmp_path):
    pp.to_json(net, str(tmp_path / "grid.json"))
    there = read_grid(open_net("grid.json", folder=tmp_path)).grid
    np.testing.assert_allclose(solve(there), solve(read_grid(net).grid), atol=1e-12)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("pandapower:lv_shutterwald", {}, "did you mean 'lv_schutterwald'"),
        ("pandapower:mv_oberrhein", {"scenaro": "load"}, "did you mean 'scenario'"),
        ("pandapower:mv_oberrhein", {"scenario": "storm"}, "Unknown scenario"),
        ("pandapower:lv_schutterwald", {"sections": [4, 14]}, "different numbers from 0 to 13"),
        ("pandapowr:case33bw", {}, "did you mean 'pandapower'"),
        ("nowhere.json", {}, "no such file"),
        ("broken.json", {}, "a pandapower network in JSON"),
        ("list.json", {}, "a pandapower network in JSON"),
        ("list.json", {"sections": [1]}, "no options for this source"),
    ],
)
def test_source_that_cannot_be_opened_is_said(source, options, said, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(StudyError, match=said):
        open_net(source, options, folder=tmp_path)


@pytest.mark.parametrize("alias", ["cigre_mv", "cigre_network_mv", "create_cigre_network_mv"])
def test_bundled_networks_go_by_short_names_too(alias):
    assert len(open_net(f"pandapower:{alias}").bus) == 15


def test_unknown_simbench_code_is_said():
    pytest.importorskip("simbench")
    with pytest.raises(StudyError, match="did you mean '1-LV-rural2--2-sw'"):
        open_net("simbench:1-LV-rural2-2-sw")


def test_missing_simbench_is_said_with_the_line_to_type(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gridcommons\[simbench\]'"):
        open_net("simbench:1-LV-rural2--2-sw")
