"""Each element of pandapower against its own load flow, the overrides, names and notes."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandapower as pp
import pytest

from dense_load_flow import branch_currents_ka, solve
from gridcommons.adapters.grids.pandapower_grids import read_grid
from gridcommons.model.errors import StudyError
from pandapower_feeder import TAPS, assert_same_as_runpp, new_feeder, set_tap


@pytest.fixture
def net():
    return new_feeder()


@pytest.mark.parametrize("kind", TAPS)
def test_tap_changer_agrees(net, kind):
    plain = solve(read_grid(net).grid)
    set_tap(net, 1, tap_neutral=0, **TAPS[kind])
    reading = assert_same_as_runpp(net)
    assert np.abs(solve(reading.grid) - plain).max() > 1e-3


def test_second_tap_changer_agrees(net):
    set_tap(net, 1, tap_neutral=0, **TAPS["ratio hv"])
    second = {f"tap2_{key[4:]}": value for key, value in (TAPS["oblique lv"] | {"tap_neutral": 0}).items()}
    plain = read_grid(net).grid.branches.ratio
    set_tap(net, 1, **second)
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


def test_tap_position_that_pandapower_passes_over_is_said_and_tap_pos_applies_it(net):
    set_tap(net, 1, tap_neutral=0, **(TAPS["ratio hv"] | {"tap_changer_type": None, "tap_pos": -1}))
    silent = assert_same_as_runpp(net)
    assert any("MV/LV" in note and "no effect" in note for note in silent.notes)
    told = read_grid(net, tap_pos=-1)
    assert any("MV/LV" in note and "tap_pos -1 by the study" in note for note in told.notes)
    set_tap(net, 1, tap_changer_type="Ratio")
    set_tap(net, 0, tap_pos=-1)
    pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-10)
    np.testing.assert_allclose(np.abs(solve(told.grid)), net.res_bus.vm_pu, atol=1e-6)


def test_tap_pos_beyond_its_range_is_refused(net):
    with pytest.raises(StudyError, match="tap_pos = 40 in the study.*position from -9 to 9"):
        read_grid(net, tap_pos=40)


def test_slack_voltage_override_is_applied_and_said(net):
    reading = read_grid(net, slack_vm_pu=1.05)
    assert reading.grid.sources.vm_pu.tolist() == [1.05]
    assert any("1.05 pu" in note for note in reading.notes)


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


def test_lines_without_a_rating_are_unlimited_and_said(net):
    net.line.at[1, "max_i_ka"] = np.nan
    reading = read_grid(net)
    assert np.isinf(reading.grid.branches.i_max_from_ka).tolist().count(True) == 1
    assert any("1 lines and transformers have no rating" in note for note in reading.notes)


def test_reading_does_not_change_the_network(net):
    before = copy.deepcopy(net)
    pp.create_shunt(net, 3, q_mvar=-0.5)
    pp.create_shunt(before, 3, q_mvar=-0.5)
    read_grid(net, tap_pos=1, slack_vm_pu=1.0)
    assert pp.toolbox.nets_equal(net, before)
