"""What cannot be read from pandapower is refused by name, and what cannot be opened is said."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandapower as pp
import pytest

from dense_load_flow import solve
from gridcommons.adapters.grids.pandapower_grids import NOT_MODELLED, open_net, read_grid
from gridcommons.model.errors import MissingExtraError, StudyError
from pandapower_feeder import TAPS, assert_same_as_runpp, new_feeder, set_tap


@pytest.fixture
def net():
    return new_feeder()


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
    "characteristic": (
        set_value("trafo", 0, "tap_dependency_table", True),
        "trafo",
        "tap position by a table",
    ),
    "resistance above impedance": (set_value("trafo", 0, "vkr_percent", 50.0), "trafo", "at most vk_percent"),
    "both steps ideal": (
        lambda net: set_tap(net, 1, tap_neutral=0, **(TAPS["ideal degrees"] | {"tap_step_percent": 1.0})),
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
    modelled = [
        "bus",
        "load",
        "sgen",
        "motor",
        "storage",
        "switch",
        "shunt",
        "ext_grid",
        "line",
        "trafo",
        "trafo3w",
        "impedance",
        "ward",
        "controller",
    ]
    no_effect = ["measurement", "pwl_cost", "poly_cost", "group"]
    assert tables - set(modelled) - set(no_effect) == set(NOT_MODELLED)


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
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gridcommons\[simbench\]'"):
        open_net("simbench:1-LV-rural2--2-sw")
