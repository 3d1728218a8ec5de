"""A grid and its switches become a graph, or what stands in the way is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses, source
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import InfeasibleError, StudyError
from gridcommons.model.grid import BusSwitches, Coupling, Grid, Sources
from gridcommons.model.switches import Switch
from gridcommons.switching.feeder import feeder_from_tables, make_feeder


def ring():
    """0-1-2-3-0, the last open."""
    closed = np.array([True, True, True, False])
    lines = branches([(0, 1), (1, 2), (2, 3), (3, 0)], 0.1 + 0.1j, from_closed=closed, to_closed=closed)
    return Grid(buses(4), lines, source())


def feeder_of(grid, moving=(0, 1, 2, 3), load_kw=10.0, **how):
    switches = tuple(Switch(f"line {k}", (k,), bool(grid.branches.in_service[k])) for k in moving)
    load = np.full((1, len(grid.buses)), load_kw)
    return make_feeder(grid, switches, load, 0.5 * load, **how)


def test_edges_know_their_switch_and_their_position():
    feeder = feeder_of(ring(), moving=(3, 1))
    assert feeder.branch.tolist() == [0, 1, 2, 3]
    assert feeder.switch.tolist() == [-1, 1, -1, 0]
    assert feeder.may_move.tolist() == [False, True, False, True]
    assert feeder.start.tolist() == [True, True, True, False]
    closed = np.array([True, False, True, True])
    assert feeder.positions(closed).tolist() == [True, False]


def test_loads_include_what_the_grid_file_carries_and_limits_go_to_nodes():
    grid = ring()
    joined = replace(grid, switches=BusSwitches(("b",), np.array([1]), np.array([2]), np.array([True])))
    # Buses 1 and 2 are one node: the line between them would be a loop of its own.
    limits = voltage_band(joined, 0.9, 1.1)
    limits.vm_min_pu[0, 2], limits.vm_max_pu[0, 1] = 0.95, 1.05
    feeder = feeder_of(joined, limits=limits, load_kw=8.0)
    node = feeder.node
    assert node[1] == node[2] and len(set(node.tolist())) == 3
    assert feeder.case.scenarios.s[0, node[1]] == pytest.approx((16.0 + 8.0j) / 1e3)
    assert feeder.case.bounds.v_min[0, node[1]] == 0.95
    assert feeder.case.bounds.v_max[0, node[1]] == 1.05
    assert feeder.case.bounds.v_min[0, node[3]] == 0.9


def test_a_switch_that_does_not_obey_stays():
    grid = ring()
    stays_closed = (Switch("line 1", (1,), True, moves=False), Switch("line 3", (3,), False))
    feeder = make_feeder(grid, stays_closed, np.zeros((1, 4)), np.zeros((1, 4)))
    assert feeder.switch.tolist() == [-1, -1, -1, 1]
    with_open = (Switch("line 1", (1,), True), Switch("line 3", (3,), False, moves=False))
    feeder = make_feeder(grid, with_open, np.zeros((1, 4)), np.zeros((1, 4)))
    assert feeder.branch.tolist() == [0, 1, 2]
    assert feeder.positions(np.array([True, True, True])).tolist() == [True, False]


def test_capacity_is_a_limit_of_its_edge():
    grid = ring()
    switches = (Switch("line 2", (2,), True, capacity_kw=250.0), Switch("line 3", (3,), False))
    feeder = make_feeder(grid, switches, np.zeros((1, 4)), np.zeros((1, 4)))
    assert feeder.case.bounds.p_max.tolist() == [np.inf, np.inf, 0.25, np.inf]


def test_ratings_are_per_unit_at_each_end_and_scaled_by_the_loading():
    grid = ring()
    rated = replace(grid.branches, i_max_from_ka=np.full(4, 0.1), i_max_to_ka=np.full(4, 0.2))
    grid = replace(grid, branches=rated)
    limits = replace(voltage_band(grid, 0.9, 1.1), loading_max_percent=np.full((1, 4), 50.0))
    base_ka = 1.0 / (np.sqrt(3.0) * 0.4)
    i_max = feeder_of(grid, limits=limits).case.bounds.i_max
    assert i_max[0, 1] == pytest.approx([0.05 / base_ka, 0.1 / base_ka])


def test_loops_that_no_switch_opens_are_refused():
    grid = ring()
    on = np.ones(4, dtype=bool)
    meshed = replace(grid, branches=replace(grid.branches, from_closed=on, to_closed=on))
    with pytest.raises(InfeasibleError, match="line 3 closes a loop"):
        feeder_of(meshed, moving=())
    two = replace(ring(), sources=Sources(("a", "b"), np.array([0, 2]), np.ones(2), np.zeros(2)))
    with pytest.raises(InfeasibleError, match="joins two sources"):
        feeder_of(two, moving=(2, 3))
    assert feeder_of(two, moving=(0,)).switch.tolist() == [0, -1, -1]


def test_loads_that_no_switch_reaches_are_refused_and_empty_buses_are_left_out():
    grid = ring()
    ends = np.array([True, True, False, False])
    cut = replace(grid, branches=replace(grid.branches, from_closed=ends, to_closed=ends))
    with pytest.raises(InfeasibleError, match=r"1 buses with load \(b3\)"):
        feeder_of(cut, moving=(0, 1))
    feeder = feeder_of(cut, moving=(0, 1), load_kw=0.0)
    assert feeder.node.tolist() == [0, 1, 2, -1] and feeder.branch.tolist() == [0, 1]


def test_what_cannot_be_modelled_is_refused_all_at_once():
    grid, none = ring(), np.zeros(0, np.int64)
    coupling = Coupling(none, none, none, none, np.zeros(0), np.zeros(0))
    limits = replace(voltage_band(grid, 0.9, 1.1), va_diff_max_degree=np.full((1, 4), 30.0))
    switches = (Switch("two", (0, 1), True), Switch("same", (1,), True))
    with pytest.raises(StudyError) as caught:
        make_feeder(
            replace(grid, coupling=coupling), switches, np.zeros((1, 4)), np.zeros((1, 4)), 1.0, limits
        )
    assert len(caught.value.problems) == 4


def test_tables_of_text_become_a_feeder():
    rows = [
        {"branch": "1", "from_bus": "a", "to_bus": "b", "r_ohm": "0.5", "x_ohm": "1", "tie": "0"},
        {"branch": "2", "from_bus": "a", "to_bus": "b", "r_ohm": "1", "x_ohm": "0", "tie": "1"},
    ]
    loads = [{"bus": "a", "p_kw": "0", "q_kvar": "0"}, {"bus": "b", "p_kw": "30", "q_kvar": "-4"}]
    feeder = feeder_from_tables(rows, loads, 10.0, None, ["a"])
    # 10 kV and 1 MVA: 100 ohm.
    assert feeder.grid.branches.r_pu == pytest.approx([0.005, 0.01])
    assert feeder.start.tolist() == [True, False]
    assert feeder.case.scenarios.s[0].tolist() == [0.0, pytest.approx(0.03 - 0.004j)]
    pu = [{**row, "r_pu": row["r_ohm"], "x_pu": row["x_ohm"]} for row in rows]
    assert feeder_from_tables(pu, loads, 10.0, 100.0, ["a"]).grid.branches.x_pu == pytest.approx([0.01, 0.0])
