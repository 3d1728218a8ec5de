"""Flows under switches that move: whose power goes where, with which sign, and what is not supplied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from communities import community_study, wide_limits
from gridcommons.model.assets import Load
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import FixedInjections, Grid
from gridcommons.model.phases import conductors
from gridcommons.model.switches import Switch
from gridcommons.powerflow.switched_flows import connect, simulate_switched
from gridcommons.switching.clusters import find_clusters
from three_phase import four_bus_drawing
from three_phase_studies import phase_study

CONSUMPTION = np.array([[10.0, 20.0, 60.0], [40.0, 5.0, 0.0], [0.0, 30.0, 10.0]])
GENERATION = np.array([[45.0, 0.0, 5.0], [0.0, 70.0, 10.0], [0.0, 0.0, 50.0]])
BALANCE = GENERATION - CONSUMPTION
ALL = dict.fromkeys(("PCC A", "PCC C", "A-B", "B-C"), True)


def make(turned=(), **given):
    """Three clusters A-B-C with connections at A and C, branches in ``turned`` drawn the other way round."""
    study = community_study(CONSUMPTION, GENERATION, **given)
    branches = study.grid.branches
    swap = np.array([name in turned for name in branches.name])
    ends = branches.from_bus, branches.to_bus
    grid = replace(
        study.grid,
        branches=replace(branches, from_bus=np.where(swap, *ends[::-1]), to_bus=np.where(swap, *ends)),
    )
    return replace(study, grid=grid)


def simulate(study, rows, method="helm", rows_a_step=1):
    """Flows with the named switches open, one set a row."""
    clusters = find_clusters(study.grid, study.community.members, study.switches)
    names = [switch.name for switch in study.switches]
    positions = np.array([[name not in opened for name in names] for opened in rows])
    flows = simulate_switched(study, clusters, connect(study, rows_a_step), positions, method)
    return clusters.graph, flows


def by_name(graph, flows):
    names = [link.name for link in graph.links] + [pcc.name for pcc in graph.pccs]
    return dict(zip(names, np.concatenate([flows.link_kw, flows.pcc_kw], axis=1).T, strict=True))


@pytest.mark.parametrize("turned", [(), ("PCC A", "B-C"), ("PCC C", "A-B", "B-C"), tuple(ALL)])
def test_signs_do_not_depend_on_how_a_branch_is_drawn(turned):
    """One connection: what flows over each switch is the balance behind it, and losses."""
    graph, flows = simulate(make(turned), [{"PCC C"}] * 3)
    assert [(link.name, {link.a, link.b}) for link in graph.links] == [
        ("A-B", {"A", "B"}),
        ("B-C", {"B", "C"}),
    ]
    power = by_name(graph, flows)
    # Positive from a to b: what B and C lack flows from A to B.
    sign = [1.0 if link.a < link.b else -1.0 for link in graph.links]
    np.testing.assert_allclose(sign[0] * power["A-B"], -BALANCE[:, 1:].sum(axis=1), atol=1.0)
    np.testing.assert_allclose(sign[1] * power["B-C"], -BALANCE[:, 2], atol=1.0)
    np.testing.assert_allclose(power["PCC A"], flows.losses_kw - BALANCE.sum(axis=1), atol=1e-7)
    np.testing.assert_allclose(power["PCC C"], 0.0, atol=1e-9)
    assert (flows.losses_kw > 1e-3).all() and not flows.unserved_kw.any() and not flows.curtailed_kw.any()


def test_what_the_main_grid_delivers_is_metered_before_losses_on_the_way():
    """Both connections closed, drawn from either end: the meter stands at the main grid's side."""
    ours, turned = (simulate(make(names), [set()] * 3)[1] for names in ((), ("PCC A", "PCC C")))
    np.testing.assert_allclose(ours.pcc_kw, turned.pcc_kw, atol=1e-7)
    np.testing.assert_allclose(ours.pcc_kw.sum(axis=1), ours.losses_kw - BALANCE.sum(axis=1), atol=1e-7)


@pytest.mark.parametrize(("turned", "a"), [((), "C"), (("B-C",), "B")])
def test_power_over_a_link_is_that_at_its_cluster_a(turned, a):
    """At C it is what C has too much, exactly; at B what C lacks and the losses of the link."""
    graph, flows = simulate(make(turned), [{"PCC C"}] * 3)
    (column,) = [k for k, link in enumerate(graph.links) if link.name == "B-C"]
    assert graph.links[column].a == a
    if a == "C":
        np.testing.assert_allclose(flows.link_kw[:, column], BALANCE[:, 2], atol=1e-7)
        return
    losses_kw = flows.link_kw[:, column] + BALANCE[:, 2]
    resistance_per_kw = 0.004 / 0.4**2 / 1e3
    np.testing.assert_allclose(losses_kw, resistance_per_kw * BALANCE[:, 2] ** 2, rtol=0.02, atol=1e-7)


def test_whoever_is_cut_off_goes_unserved_or_curtailed():
    _, flows = simulate(make(), [{"A-B", "B-C"}, {"PCC A", "A-B"}, {"PCC C", "B-C"}])
    # B alone; A alone; C alone.
    np.testing.assert_allclose(flows.unserved_kw, [20.0, 40.0, 10.0])
    np.testing.assert_allclose(flows.curtailed_kw, [0.0, 0.0, 50.0])
    served = [BALANCE[0, 0] + BALANCE[0, 2], BALANCE[1, 1] + BALANCE[1, 2], BALANCE[2, 0] + BALANCE[2, 1]]
    np.testing.assert_allclose(flows.pcc_kw.sum(axis=1), flows.losses_kw - served, atol=1e-7)


def test_rows_of_several_topologies_are_those_of_each_by_itself():
    rows = [{"PCC C"}, {"A-B"}, {"PCC C"}]
    _, mixed = simulate(make(), rows)
    for row, opened in enumerate(rows):
        _, alone = simulate(make(), [opened] * 3)
        for name in ("pcc_kw", "losses_kw", "link_kw", "vm_pu", "bus"):
            np.testing.assert_array_equal(getattr(mixed, name)[row], getattr(alone, name)[row])


def test_a_step_stands_for_its_minutes():
    _, flows = simulate(make(), [{"PCC C"}] * 6, rows_a_step=2)
    _, steps = simulate(make(), [{"PCC C"}] * 3)
    np.testing.assert_array_equal(flows.pcc_kw, np.repeat(steps.pcc_kw, 2, axis=0))
    assert connect(make(), 2).step_of_row.tolist() == [0, 0, 1, 1, 2, 2]


def test_least_and_greatest_voltage_and_where():
    study = make()
    _, flows = simulate(study, [{"PCC C"}] * 3)
    names = np.array(study.grid.buses.name)[flows.bus]
    # All lack power: the far end is lowest, the source highest. All have too much: the other way round.
    assert names[0].tolist()[1] in {"main A", "main C"} and names[0][0] == "C"
    assert names[1].tolist() == [names[1][0], "B"] or names[1][1] == "C"
    assert (flows.vm_pu[:, 0] <= 1.0).all() and (flows.vm_pu[:, 1] >= 1.0).all()
    assert flows.vm_pu[0, 0] < 0.999 and flows.vm_pu[1, 1] > 1.0001


def test_buses_without_supply_have_no_voltage_to_be_least():
    _, flows = simulate(make(), [{"A-B", "PCC C"}] * 3)
    assert np.isfinite(flows.vm_pu).all() and (flows.bus >= 0).all()


def test_members_follow_their_power_factor_and_their_envelopes():
    study = make()
    assets = tuple(
        replace(asset, power_factor=0.8) if asset.asset == "load_C" else asset
        for asset in study.community.assets
    )
    envelopes = Envelopes(("load_C",), np.zeros((3, 1)), np.array([[15.0], [15.0], [15.0]]))
    study = replace(study, community=replace(study.community, assets=assets), envelopes=envelopes)
    connected = connect(study)
    column = [asset.asset for asset in assets].index("load_C")
    np.testing.assert_allclose(connected.p_kw[:, column], [15.0, 0.0, 10.0])
    np.testing.assert_allclose(connected.q_kvar[:, column], [0.75 * 15.0, 0.0, 0.75 * 10.0])
    _, flows = simulate(study, [{"PCC C"}] * 3)
    drawn = CONSUMPTION.sum(axis=1) - GENERATION.sum(axis=1) - [45.0, 0.0, 0.0]
    np.testing.assert_allclose(flows.pcc_kw.sum(axis=1), drawn + flows.losses_kw, atol=1e-7)


def test_what_the_grid_file_draws_itself_counts_where_it_is_supplied():
    study = make()
    fixed = FixedInjections(("f B", "f C"), np.array([1, 2]), np.array([3.0, 4.0]), np.array([1.0, 0.0]))
    study = replace(study, grid=replace(study.grid, fixed=fixed))
    _, flows = simulate(study, [{"PCC C"}, {"PCC C", "B-C"}, {"PCC C", "A-B"}])
    np.testing.assert_allclose(flows.fixed_kw, [7.0, 3.0, 0.0])
    served = [BALANCE[0].sum(), BALANCE[1, :2].sum(), BALANCE[2, 0]]
    np.testing.assert_allclose(flows.pcc_kw.sum(axis=1), flows.losses_kw + flows.fixed_kw - served, atol=1e-7)


def test_both_load_flows_agree():
    helm, newton = (simulate(make(), [set()] * 3, method)[1] for method in ("helm", "newton"))
    np.testing.assert_allclose(helm.pcc_kw, newton.pcc_kw, atol=1e-5)
    np.testing.assert_allclose(helm.link_kw, newton.link_kw, atol=1e-5)


def test_a_row_without_load_flow_is_told_with_its_time_and_its_switches():
    heavy = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 9e3], [1.0, 1.0, 9e3]])
    study = community_study(heavy, np.zeros((3, 3)))
    with pytest.raises(NotConvergedError) as raised:
        simulate(study, [{"PCC C"}] * 3)
    text = str(raised.value)
    assert (
        "in 2 of 3 intervals, first at 2022-06-15T00:15:00" in text and "with PCC A, A-B, B-C closed" in text
    )


def one_entry(turned=()):
    """A and C behind one substation: both connections leave from the same bus of the main grid."""
    study = make(turned)
    grid, main = study.grid, study.grid.bus_index["main A"]
    branches = grid.branches
    lost = grid.bus_index["main C"]
    moved = {
        side: np.where(getattr(branches, side) == lost, main, getattr(branches, side))
        for side in ("from_bus", "to_bus")
    }
    sources = replace(
        grid.sources,
        **{name: getattr(grid.sources, name)[:1] for name in ("name", "bus", "vm_pu", "va_degree")},
    )
    made = Grid(grid.buses, replace(branches, **moved), sources)
    return replace(study, grid=made, limits=wide_limits(made))


@pytest.mark.parametrize("turned", [(), ("PCC A",), ("PCC C",), ("PCC A", "PCC C")])
@pytest.mark.parametrize("opened", ["PCC A", "PCC C"])
def test_an_open_connection_carries_nothing_beside_a_closed_one_of_the_same_entry(turned, opened):
    graph, flows = simulate(one_entry(turned), [{opened}] * 3)
    power = by_name(graph, flows)
    (closed,) = {"PCC A", "PCC C"} - {opened}
    np.testing.assert_allclose(power[opened], 0.0, atol=1e-9)
    np.testing.assert_allclose(power[closed], flows.losses_kw - BALANCE.sum(axis=1), atol=1e-7)


def test_two_connections_of_one_entry_add_up_to_what_it_delivers():
    _, flows = simulate(one_entry(), [set()] * 3)
    np.testing.assert_allclose(flows.pcc_kw.sum(axis=1), flows.losses_kw - BALANCE.sum(axis=1), atol=1e-7)
    assert (np.abs(flows.pcc_kw) > 0.5).all()
    # However they are drawn, but for the losses on the way.
    for turned in (("PCC A",), ("PCC C",), ("PCC A", "PCC C")):
        _, other = simulate(one_entry(turned), [set()] * 3)
        np.testing.assert_allclose(other.pcc_kw, flows.pcc_kw, atol=0.2)


def test_a_source_inside_a_cluster_is_a_connection_and_counts_who_lives_at_its_bus():
    study = make()
    sources = replace(
        study.grid.sources,
        name=("main A", "main C", "own B"),
        bus=np.array([3, 4, 1]),
        vm_pu=np.ones(3),
        va_degree=np.zeros(3),
    )
    fixed = FixedInjections(("f B",), np.array([1]), np.array([2.0]), np.zeros(1))
    study = replace(study, grid=replace(study.grid, sources=sources, fixed=fixed))
    graph, flows = simulate(study, [{"A-B", "B-C"}] * 3)
    assert {pcc.name for pcc in graph.pccs} == {"PCC A", "PCC C", "own B"}
    np.testing.assert_allclose(by_name(graph, flows)["own B"], 2.0 - BALANCE[:, 1], atol=1e-7)
    np.testing.assert_allclose(
        flows.pcc_kw.sum(axis=1), flows.losses_kw + flows.fixed_kw - BALANCE.sum(axis=1), atol=1e-7
    )


def three_phase_study():
    """A source, bus 1 behind L1 (a b c), bus 2 behind L2 (a c) and bus 3 behind L3 (b), a cluster at each."""
    drawing = four_bus_drawing()
    drawing.loads = []
    places, assets = {"m1": "1.", "m2": "2.c", "m3": "3.b"}, []
    for name in places:
        assets.append(Load(asset=f"l_{name}", member=name))
    profiles = {"l_m1": [9.0, 3.0], "l_m2": [4.0, 5.0], "l_m3": [2.0, 1.0]}
    grid = drawing.grid()
    study = phase_study(grid, places, assets, profiles, steps=2)
    members = tuple(replace(one, cluster=one.member.upper()) for one in study.community.members)
    rows = {name: tuple(conductors(grid, name).tolist()) for name in ("L2", "L1", "L3")}
    switches = tuple(Switch(name, branches, True) for name, branches in rows.items())
    return replace(study, community=replace(study.community, members=members), switches=switches)


def test_of_three_phases_a_switch_carries_and_moves_all_its_conductors():
    graph, flows = simulate(three_phase_study(), [set(), {"L2"}])
    assert [(link.name, link.a, link.b) for link in graph.links] == [("L2", "M1", "M2"), ("L3", "M1", "M3")]
    np.testing.assert_allclose(flows.pcc_kw[:, 0], np.array([15.0, 4.0]) + flows.losses_kw, atol=1e-6)
    np.testing.assert_allclose(flows.link_kw, [[4.0, 2.0], [0.0, 1.0]], atol=0.2)
    np.testing.assert_allclose(flows.unserved_kw, [0.0, 5.0])
    assert (flows.losses_kw > 1e-3).all()
    _, dark = simulate(three_phase_study(), [{"L1"}] * 2)
    np.testing.assert_allclose(dark.unserved_kw, [15.0, 9.0])
    assert not dark.pcc_kw.any() and not dark.link_kw.any()


def test_the_interval_that_is_told_is_that_of_the_study():
    """Another topology has the first interval, so that its numbers are not those of the load flow."""
    heavy = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 9e3]])
    study = community_study(heavy, np.zeros((3, 3)))
    with pytest.raises(NotConvergedError, match="in 1 of 2 intervals, first at 2022-06-15T00:30:00"):
        simulate(study, [{"PCC C"}, {"A-B"}, {"A-B"}])
