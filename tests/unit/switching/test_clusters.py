"""From a grid to its clusters: zones, links, PCCs, capacities, and all that is wrong at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import BusSwitches, Grid, Sources
from gridcommons.model.members import Member
from gridcommons.model.phases import conductors
from gridcommons.model.switches import Switch
from gridcommons.switching.clusters import find_clusters
from three_phase import Drawing

ENDS = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (1, 5)]
"""main 0 -PCC- 1 - 2 -link- 3 - 4 -PCC- 5(main) ...: see ``grid``."""


def sources(*at):
    count = len(at)
    return Sources(tuple(f"s{k}" for k in range(count)), np.array(at), np.ones(count), np.zeros(count))


def grid(ends, count, at=(0,), **how):
    return Grid(buses(count), branches(ends, 0.01, **how), sources(*at))


def members(**where):
    """Members named after their bus, in the cluster given: ``b2="x"``."""
    return tuple(Member(member=f"m{bus}", bus=bus, cluster=name) for bus, name in where.items())


def switch(row, **how):
    return Switch(f"line {row}", (row,), True, **how)


def two_clusters(**how):
    # s0 -0- [b1 -1- b2] -2- [b3 -3- b4] -4- s1
    return grid([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)], 6, (0, 5), **how)


def test_zones_become_clusters_and_switches_links_and_pccs():
    found = find_clusters(two_clusters(), members(b2="y", b1="y", b3="x"), (switch(4), switch(2), switch(0)))
    graph = found.graph
    assert graph.clusters == ("x", "y")
    assert [(link.name, link.a, link.b) for link in graph.links] == [("line 2", "y", "x")]
    assert [(pcc.name, pcc.cluster) for pcc in graph.pccs] == [("line 4", "x"), ("line 0", "y")]
    assert found.member_cluster.tolist() == [1, 1, 0] and found.switch_row.tolist() == [1, 0, 2]
    # Branch 0 enters its cluster, branch 4 leaves it; both come from sources of their own.
    assert found.forward.tolist() == [True, False, True] and found.pcc_zone.tolist() == [0, 1]
    assert [rows.tolist() for rows in found.sources_of_zone] == [[1], [0]]
    # Surplus is minus net power.
    p_kw = np.array([[1.0, 2.0, -5.0], [0.0, 4.0, 1.0]])
    assert found.balance_kw(p_kw).tolist() == [[5.0, -3.0], [-1.0, -4.0]]
    closed = np.array([True, False, False])
    assert found.positions_of(closed).tolist() == [False, True, False]
    assert found.closed_of(found.positions_of(closed)).tolist() == closed.tolist()


def test_a_link_runs_from_the_branchs_from_end():
    ends = [(0, 1), (2, 1), (2, 3)]
    found = find_clusters(grid(ends, 4), members(b1="x", b3="y"), (switch(0), switch(1)))
    assert (found.graph.links[0].a, found.graph.links[0].b) == ("y", "x")


def test_parallel_switches_are_links_of_their_own_and_a_source_inside_is_a_pcc_for_good():
    ends = [(0, 1), (1, 2), (1, 2)]
    found = find_clusters(grid(ends, 3), members(b1="x", b2="y"), (switch(1), switch(2)))
    assert [link.name for link in found.graph.links] == ["line 1", "line 2"]
    (pcc,) = found.graph.pccs
    assert (pcc.name, pcc.cluster, pcc.can_open, pcc.usable) == ("s0", "x", False, True)
    assert found.switch_row.tolist() == [0, 1, -1]
    assert found.closed_of(np.array([True, False])).tolist() == [True, False, True]
    assert found.positions_of(np.array([True, False, True])).tolist() == [True, False]


def test_bus_switches_and_open_branches_shape_the_zones():
    # b2 and b3 are one node by a closed bus switch; line 2 is out of service and joins nothing.
    made = grid([(0, 1), (1, 2), (3, 4)], 5)
    closed = BusSwitches(("q",), np.array([2]), np.array([3]), np.array([True]))
    made = replace(made, switches=closed)
    found = find_clusters(made, members(b1="x", b4="y"), (switch(0), switch(1)))
    assert [(link.a, link.b) for link in found.graph.links] == [("x", "y")]
    opened = replace(made, switches=replace(closed, closed=np.array([False])))
    with pytest.raises(StudyError, match="line 1: found an end in a zone without"):
        find_clusters(opened, members(b1="x", b4="y"), (switch(0), switch(1)))
    on = np.array([True, True, False])
    apart = replace(made, branches=replace(made.branches, from_closed=on, to_closed=on))
    with pytest.raises(StudyError, match="zone without member and source"):
        find_clusters(apart, members(b1="x", b4="y"), (switch(0), switch(1)))


@pytest.mark.parametrize(
    ("how", "usable", "can_open"),
    [
        ({"closed": True}, True, True),
        ({"closed": False}, True, True),
        ({"closed": True, "moves": False}, True, False),
        ({"closed": False, "moves": False}, False, True),
    ],
)
def test_a_switch_that_does_not_move_keeps_its_position(how, usable, can_open):
    switches = tuple(Switch(f"line {row}", (row,), operation_cost_amount=2.5, **how) for row in (0, 2, 4))
    graph = find_clusters(two_clusters(), members(b1="x", b3="y"), switches).graph
    for each in graph.switches:
        assert (each.usable, each.can_open, each.operation_cost_amount) == (usable, can_open, 2.5)


def test_capacity_is_the_switchs_own_else_its_rating_else_none():
    made = two_clusters(i_max_ka=[0.1, 1.0, np.inf, 1.0, 0.3], i_max_to_ka=np.array([0.2, 1, np.inf, 1, 0.2]))
    switches = (switch(0), switch(2), switch(4, capacity_kw=12.0))
    graph = find_clusters(made, members(b1="x", b3="y"), switches).graph
    assert graph.pccs[0].capacity_kw == pytest.approx(np.sqrt(3.0) * 0.4 * 0.1 * 1e3)
    assert graph.links[0].capacity_kw == np.inf and graph.pccs[1].capacity_kw == 12.0
    graph = find_clusters(made, members(b1="x", b3="y"), (*switches[:2], switch(4))).graph
    # The narrower end counts.
    assert graph.pccs[1].capacity_kw == pytest.approx(np.sqrt(3.0) * 0.4 * 0.2 * 1e3)


def three_phase():
    drawing = Drawing()
    for bus in ("s", "1", "2", "3"):
        drawing.add_bus(bus, "abc" if bus != "3" else "b")
    z = np.eye(3) * (0.05 + 0.02j)
    drawing.add_line("P", ("s", "1"), z)
    drawing.add_line("L", ("2", "1"), z)
    drawing.add_line("M", ("2", "3"), z[:1, :1], "b")
    return drawing.grid()


def test_the_phases_of_a_bus_and_of_a_switch_are_one():
    made = three_phase()
    made = replace(
        made,
        branches=replace(made.branches, i_max_from_ka=np.full(7, 0.1), i_max_to_ka=np.full(7, 0.1)),
    )
    switches = tuple(Switch(name, tuple(conductors(made, name).tolist()), True) for name in ("P", "L"))
    who = (Member(member="u", bus="1", cluster="x"), Member(member="v", bus="3", phase="b", cluster="y"))
    found = find_clusters(made, who, switches)
    (link,), (pcc,) = found.graph.links, found.graph.pccs
    assert (link.a, link.b, pcc.name, pcc.cluster) == ("y", "x", "P", "x")
    assert link.capacity_kw == pytest.approx(np.sqrt(3.0) * 0.4 * 0.1 * 1e3)
    assert [rows.tolist() for rows in found.sources_of_zone] == [[0, 1, 2]]
    inside = find_clusters(made, who, switches[1:])
    # The three rows of the source are one PCC, named after its bus where it has no name but a phase.
    assert [pcc.name for pcc in inside.graph.pccs] == ["s"]
    assert [rows.tolist() for rows in inside.sources_of_zone] == [[0, 1, 2]]


def test_two_pccs_from_one_source_and_two_sources_inside():
    ends = [(0, 1), (0, 2), (1, 2)]
    found = find_clusters(grid(ends, 3), members(b1="x", b2="y"), (switch(0), switch(1), switch(2)))
    assert found.pcc_zone.tolist() == [0, 0] and [rows.tolist() for rows in found.sources_of_zone] == [[0]]
    inside = find_clusters(grid([(0, 1)], 2, (0, 1)), members(b1="x"), ())
    assert [pcc.name for pcc in inside.graph.pccs] == ["s0", "s1"] and inside.pcc_zone.tolist() == [0, 1]
    assert inside.positions_of(np.ones(2, bool)).tolist() == [] and inside.switch_row.tolist() == [-1, -1]


def test_rows_of_one_switch_lie_between_the_same_buses():
    made = two_clusters()
    with pytest.raises(StudyError, match="rows between 2 pairs of buses"):
        find_clusters(made, members(b1="x", b3="y"), (Switch("both", (0, 2), True),))


def test_all_that_does_not_fit_is_said_at_once():
    # s0 -0- b1 -1- b2 -2- b3 -3- b4, s1 at b5 -4- s0's zone, b1 -5- b2 again, b6 alone with -6- b4
    ends = [(0, 1), (1, 2), (2, 3), (3, 4), (5, 0), (1, 2), (4, 6)]
    made = grid(ends, 7, (0, 5))
    who = (
        *members(b1="x", b3="y", b4="x"),
        Member(member="nobody", bus="b3"),
        Member(member="lost", bus="b9", cluster="x"),
        Member(member="mixed", bus="b3", cluster="z"),
    )
    switches = (switch(0), switch(1), switch(3), switch(4), switch(6))
    with pytest.raises(StudyError) as caught:
        find_clusters(made, who, switches)
    said = "\n".join(str(problem) for problem in caught.value.problems)
    assert "row nobody, column cluster: found no cluster" in said
    assert "row lost, column bus: found bus 'b9'" in said
    assert "row line 4: found sources at both ends" in said
    assert "row line 1: found both ends in one zone" in said
    assert "row line 6: found an end in a zone without member and source" in said
    assert "cluster x in 2 zones, of mb4; of mb1" in said or "cluster x in 2 zones, of mb1; of mb4" in said
    assert "found clusters x (mb1) and y (mb3) and z (mixed) in one zone" in said
    assert len(caught.value.problems) == 7


def test_a_zone_on_which_nothing_depends_is_left_out():
    made = grid([(0, 1), (2, 3)], 4)
    found = find_clusters(made, members(b1="x"), (switch(0),))
    assert found.graph.clusters == ("x",) and len(found.graph.pccs) == 1
