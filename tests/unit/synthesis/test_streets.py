"""Grids from streets: the laws they obey, what is refused, and their load flow against pandapower's."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings

from dense_load_flow import loading_percent, solve
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import FixedInjections
from gridcommons.model.topology import is_radial, supplied_buses
from gridcommons.synthesis.cables import LV_CABLES, MV_CABLE, TRANSFORMERS, DesignRules, transformer_type
from gridcommons.synthesis.street_graph import build_street_graph
from gridcommons.synthesis.street_plan import Building, Station, Street, StreetPlan
from gridcommons.synthesis.streets import StreetRules, synthesise_grid
from streets_at_random import plans

ALONG = Street(((0.0, 0.0), (100.0, 0.0), (200.0, 0.0)))

AT_THE_END = Station("S", (0.0, 5.0), 250.0)


def house(name, x, y=15.0, households=1):
    return Building(name, (x, y), 120.0, households, f"feature {name}")


def plan(buildings, stations=(AT_THE_END,), streets=(ALONG,)):
    return StreetPlan(tuple(streets), tuple(buildings), tuple(stations), "place.geojson")


def problems(a_plan, rules=None):
    with pytest.raises(StudyError) as caught:
        synthesise_grid(a_plan, rules)
    return [str(problem) for problem in caught.value.problems]


@settings(max_examples=60)
@given(plans())
def test_the_laws_of_a_grid_from_streets(a_plan):
    for tree in ("minimum_spanning", "shortest_paths"):
        made = synthesise_grid(a_plan, StreetRules(tree=tree))
        grid = made.grid
        assert is_radial(grid) and supplied_buses(grid).all()
        assert [h.name for h in made.houses] == [b.name for b in a_plan.buildings]
        # Every bus but the houses and the stations has something behind it.
        ends = Counter(np.concatenate([grid.branches.from_bus, grid.branches.to_bus]).tolist())
        leaves = {grid.buses.name[bus] for bus, count in ends.items() if count == 1}
        assert leaves <= {h.name for h in made.houses} | {s.name for s in a_plan.stations} | {"20 kV source"}
        # No junction only passes on: it branches, or a house joins there.
        inner = [
            bus for bus, count in ends.items() if count == 2 and re.search(r" k\d+$", grid.buses.name[bus])
        ]
        assert inner == [] or all(joins_house(made, bus) for bus in inner)
        for area in made.areas:
            assert area.design_kva <= area.station.kva + 1e-9
            assert area.cable_m <= made.street_m + 1e-6
        assert sum(area.houses for area in made.areas) == len(a_plan.buildings)
        assert made.trench_m <= made.street_m + 1e-6


def joins_house(made, bus):
    grid = made.grid
    houses = {h.name for h in made.houses}
    behind = grid.branches.to_bus[grid.branches.from_bus == bus]
    return any(grid.buses.name[other] in houses for other in behind)


@settings(max_examples=40)
@given(plans(kva=(45.0, 70.0, 250.0), houses=25))
def test_only_nearer_consumers_can_have_taken_the_room_of_a_nearer_station(a_plan):
    try:
        made = synthesise_grid(a_plan)
    except StudyError as error:
        assert "missing are about" in str(error)
        return
    assert all(area.design_kva <= area.station.kva for area in made.areas)
    reach = ways_m(a_plan)
    rules, names = DesignRules(), [s.name for s in a_plan.stations]
    own = np.array([names.index(h.station) for h in made.houses])
    households = np.array([h.households for h in made.houses])
    for k in range(len(own)):
        for nearer in np.flatnonzero(reach[:, k] < reach[own[k], k] - 1e-6):
            before = (own == nearer) & (reach[nearer] <= reach[nearer, k] + 1e-6)
            load = rules.design_kva(int(households[before].sum()) + int(households[k]))
            assert load > a_plan.stations[nearer].kva


def ways_m(a_plan):
    """Length of the way from every station to every house, by Floyd and Warshall."""
    things = np.array([thing.at for thing in a_plan.things])
    graph = build_street_graph([street.points for street in a_plan.streets], things, 0.5)
    count = len(graph.at)
    way = np.full((count, count), np.inf)
    np.fill_diagonal(way, 0.0)
    way[graph.a, graph.b] = way[graph.b, graph.a] = graph.length_m
    for k in range(count):
        way = np.minimum(way, way[:, k, None] + way[None, k])
    stations = len(a_plan.stations)
    return way[np.ix_(graph.node_of[:stations], graph.node_of[stations:])]


@settings(max_examples=30)
@given(plans())
def test_the_spanning_tree_needs_no_more_cable_and_the_paths_are_shortest(a_plan):
    least = synthesise_grid(a_plan)
    short = synthesise_grid(a_plan, StreetRules(tree="shortest_paths"))
    for ours, theirs in zip(least.areas, short.areas, strict=True):
        assert ours.cable_m <= theirs.cable_m + 1e-6
    reach, names = ways_m(a_plan), [s.name for s in a_plan.stations]
    along = path_m(short)
    for k, h in enumerate(short.houses):
        assert along[h.name] == pytest.approx(reach[names.index(h.station), k], abs=1e-6)


def path_m(made):
    """Length of the low-voltage cables from the station to each house, service line not counted."""
    grid, total = made.grid, {}
    for k in range(len(grid.branches)):
        name, upper = grid.buses.name[grid.branches.to_bus[k]], grid.buses.name[grid.branches.from_bus[k]]
        is_street = grid.branches.name[k].startswith("cable to")
        total[name] = total.get(upper, 0.0) + (1e3 * float(grid.branches.length_km[k]) if is_street else 0.0)
    return total


def test_the_same_place_gives_the_same_grid(village):
    one, two = synthesise_grid(village), synthesise_grid(village)
    assert one.grid.buses.name == two.grid.buses.name and one.cables == two.cables
    assert one.grid.branches.r_pu.tobytes() == two.grid.branches.r_pu.tobytes()


@pytest.fixture(scope="module")
def village(examples):
    from gridcommons.adapters.grids.street_files import read_streets

    return read_streets(examples / "streets_village" / "village.geojson").plan


def as_pandapower(a_plan, made):
    """The same grid built by pandapower's own means, from its own standard types."""
    grid = made.grid
    net = pp.create_empty_network(f_hz=50.0, sn_mva=1.0)
    pp.create_std_type(net, own_type(LV_CABLES[2]), "NAYY 4x240 SE")
    for vn_kv in grid.buses.vn_kv:
        pp.create_bus(net, float(vn_kv))
    pp.create_ext_grid(net, 0, vm_pu=1.0)
    laid = {cable.branch: (cable.cable.name, cable.parallel) for cable in made.cables}
    for k, name in enumerate(grid.branches.name):
        ends = int(grid.branches.from_bus[k]), int(grid.branches.to_bus[k])
        if grid.branches.kind[k] == "transformer":
            station = next(s for s in a_plan.stations if name == f"transformer {s.name}")
            pp.create_transformer(net, *ends, transformer_type(station.kva).name, name=name)
            continue
        kind, parallel = laid.get(name, (MV_CABLE.name, 1))
        length_km = float(grid.branches.length_km[k])
        pp.create_line(net, *ends, length_km, kind, name=name, parallel=parallel)
    return net


def own_type(cable):
    return {
        "r_ohm_per_km": cable.r_ohm_per_km,
        "x_ohm_per_km": cable.x_ohm_per_km,
        "c_nf_per_km": cable.c_nf_per_km,
        "max_i_ka": cable.i_max_ka,
    }


def test_the_load_flow_is_that_of_pandapower_on_its_standard_types(village):
    made = synthesise_grid(village)
    net = as_pandapower(village, made)
    rng = np.random.default_rng(1)
    p_kw, q_kvar = rng.uniform(-3.0, 2.5, len(made.houses)), rng.uniform(-0.5, 0.5, len(made.houses))
    bus = np.array([made.grid.bus_index[h.name] for h in made.houses])
    for at, p, q in zip(bus, p_kw, q_kvar, strict=True):
        pp.create_load(net, int(at), p / 1e3, q / 1e3)
    pp.runpp(net, calculate_voltage_angles=True, trafo_model="t", tolerance_mva=1e-10)
    fixed = FixedInjections(tuple(h.name for h in made.houses), bus, p_kw, q_kvar)
    grid = replace(made.grid, fixed=fixed)
    ours = solve(grid)
    theirs = net.res_bus.vm_pu * np.exp(1j * np.deg2rad(net.res_bus.va_degree))
    assert np.abs(ours).min() < 0.999
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    loading = dict(zip(grid.branches.name, loading_percent(grid, ours), strict=True))
    for table in ("line", "trafo"):
        expected = net[f"res_{table}"].loading_percent
        np.testing.assert_allclose([loading[n] for n in net[table].name], expected, rtol=1e-6, atol=1e-6)


def test_the_typed_facts_are_those_of_pandapower():
    net = pp.create_empty_network()
    lines, trafos = pp.available_std_types(net, "line"), pp.available_std_types(net, "trafo")
    for cable in (*LV_CABLES[:2], MV_CABLE):
        assert dict(lines.loc[cable.name, list(own_type(cable))]) == own_type(cable)
    for kind in TRANSFORMERS:
        row = trafos.loc[kind.name]
        facts = (
            row.sn_mva * 1e3,
            row.vk_percent,
            row.vkr_percent,
            row.pfe_kw,
            row.i0_percent,
            row.shift_degree,
        )
        assert facts == pytest.approx(
            (kind.sn_kva, kind.vk_percent, kind.vkr_percent, kind.pfe_kw, kind.i0_percent, kind.shift_degree)
        )


def test_no_cable_is_overloaded_and_no_voltage_beyond_the_rule_at_design_power(village):
    rules, made = DesignRules(), synthesise_grid(village)
    for cable in made.cables:
        amps = float(rules.design_kva(cable.households)) / (math.sqrt(3) * 0.4)
        assert amps <= 1e3 * cable.cable.i_max_ka * cable.parallel + 1e-9
    assert 0.01 < max(area.voltage_drop_share for area in made.areas) <= rules.voltage_drop_max_share


@pytest.mark.parametrize(
    ("households", "laid"),
    [
        (1, ("NAYY 4x50 SE", 1)),
        (30, ("NAYY 4x150 SE", 1)),
        (80, ("NAYY 4x240 SE", 1)),
        (90, ("NAYY 4x240 SE", 2)),
    ],
)
def test_near_the_station_the_current_decides(households, laid):
    # 14.5, 115, 233 and 254 kVA are 21, 166, 336 and 367 A; the cables carry 142, 270 and 357 A.
    near = plan([house("h", 5.0, 3.0, households)], [replace(AT_THE_END, kva=630.0)])
    assert {(c.cable.name, c.parallel) for c in synthesise_grid(near).cables} == {laid}


def test_a_long_street_gets_thicker_cables_than_its_current_needs_and_says_where_they_end():
    long = Street(((0.0, 0.0), (900.0, 0.0)))
    thin = DesignRules(voltage_drop_max_share=1.0)
    far = plan([house(f"h{k}", 860.0 + k) for k in range(8)], streets=[long])
    by_current = synthesise_grid(far, StreetRules(design=thin)).areas[0].voltage_drop_share
    by_voltage = synthesise_grid(far).areas[0].voltage_drop_share
    assert by_voltage <= 0.05 < by_current
    very_long = Street(((0.0, 0.0), (9000.0, 0.0)))
    hopeless = synthesise_grid(plan([house("h", 8990.0, households=12)], streets=[very_long]))
    assert any("even with the thickest cables" in note for note in hopeless.notes)


def test_coincidence_is_rusck_and_its_inverse():
    rules = DesignRules(household_kva=10.0, coincidence_share=0.2)
    assert rules.design_kva(1) == pytest.approx(10.0)
    assert rules.design_kva(100) == pytest.approx(100 * 10.0 * (0.2 + 0.8 / 10))
    for kva in (9.0, 10.0, 99.0, 250.0, 630.0):
        most = rules.most_households(kva)
        assert rules.design_kva(most) <= kva < rules.design_kva(most + 1)
    assert DesignRules(10.0, 0.0).most_households(100.0) == 100


def test_a_full_station_gives_to_the_next_and_two_full_ones_say_what_is_missing():
    stations = [Station("A", (0.0, 5.0), 30.0), Station("B", (200.0, 5.0), 250.0)]
    room = DesignRules().most_households(30.0)
    houses = [house(f"h{k}", 10.0 + 5 * k) for k in range(room + 2)]
    made = synthesise_grid(plan(houses, stations))
    assert [h.station for h in made.houses] == ["A"] * room + ["B"] * 2
    (said,) = problems(plan(houses, [stations[0], replace(stations[1], kva=15.0)]))
    assert f"{room + 2} households for 2 stations of together 45 kVA, which have room for {room + 1}" in said
    assert f"1 are left over ('h{room}')" in said and "missing are about 14 kVA" in said


def test_every_unreachable_house_is_named_with_what_to_do():
    island = Street(((0.0, 500.0), (100.0, 500.0)))
    lost = plan(
        [house("near", 50.0), house("a", 20.0, 510.0), house("b", 60.0, 510.0), house("far", 50.0, 200.0)],
        streets=[ALONG, island],
    )
    too_far, apart = problems(lost)
    assert too_far.startswith("place.geojson [feature far]: found 'far', 200 m from the nearest street")
    assert "at most 80 m" in too_far and "draw the missing way" in too_far
    assert "'a', 'b' on streets that lead to no station" in apart and "put a station there" in apart


def test_everything_that_is_missing_is_said_at_once():
    said = problems(StreetPlan((), (), ()))
    assert [line.split("found ")[1].split(",")[0] for line in said] == [
        "no street",
        "no dwelling",
        "no station",
    ]


def test_dead_ends_and_bends_leave_no_bus_and_a_loop_is_opened():
    ring = Street(((100.0, 0.0), (150.0, 60.0), (200.0, 0.0)))
    blind = Street(((50.0, 0.0), (50.0, 80.0)))
    made = synthesise_grid(
        plan([house("a", 60.0), house("b", 150.0, 75.0), house("c", 190.0)], streets=[ALONG, ring, blind])
    )
    assert [name for name in made.grid.buses.name if name.startswith("S k")] == [
        "S k1",
        "S k2",
        "S k3",
        "S k4",
    ]
    assert made.trench_m < made.street_m - 80.0 - 10.0
    (bent,) = [cable for cable in made.cables if len(cable.points) > 2 and not cable.is_service][:1]
    assert bent.station == "S"


def test_a_street_that_ends_on_another_joins_it_and_one_that_crosses_does_not():
    ends_there = Street(((50.0, 0.2), (50.0, 90.0)))
    assert synthesise_grid(plan([house("h", 60.0, 80.0)], streets=[ALONG, ends_there])).areas[0].houses == 1
    bridge = Street(((50.0, -90.0), (50.0, 90.0)))
    (said,) = problems(plan([house("h", 60.0, 80.0)], streets=[ALONG, bridge]))
    assert "'h' on streets that lead to no station" in said


def test_finely_drawn_and_doubled_streets_are_the_same_street():
    fine = Street(tuple((0.3 * k, 0.0) for k in range(400)))
    houses = [house("a", 30.0), house("b", 90.0)]
    for streets in ([fine], [ALONG, ALONG], [Street((*ALONG.points, *reversed(ALONG.points)))]):
        made = synthesise_grid(plan(houses, streets=streets))
        assert made.trench_m == pytest.approx(90.0, abs=0.5)
        assert made.street_m == pytest.approx(120.0 if fine in streets else 200.0, abs=1.0)
    (said,) = problems(plan(houses, streets=[Street(((0.0, 0.0), (0.2, 0.0)))]))
    assert "found no street longer than 0.5 m" in said


def test_medium_voltage_cables_are_straight_given_or_none():
    stations = [
        Station("A", (0.0, 5.0), 250.0),
        Station("B", (200.0, 5.0), 250.0, 1.5),
        Station("C", (100.0, 5.0), 250.0, 0.0),
    ]
    grid = synthesise_grid(plan([house("h", 10.0)], stations)).grid
    length = {n: float(km) for n, km in zip(grid.branches.name, grid.branches.length_km, strict=True)}
    assert length["20 kV cable to A"] == pytest.approx(0.1) and length["20 kV cable to B"] == 1.5
    assert "20 kV cable to C" not in length
    assert grid.branches.from_bus[grid.branch_index["transformer C"]] == 0


def test_an_odd_rating_and_an_idle_station_are_said():
    stations = [Station("A", (0.0, 5.0), 160.0), Station("B", (200.0, 5.0), 250.0)]
    notes = synthesise_grid(plan([house("h", 10.0)], stations)).notes
    assert any("160 kVA is no standard size" in note for note in notes)
    assert any("station B serves nobody" in note for note in notes)


def test_houses_on_the_street_and_at_one_point_are_served():
    made = synthesise_grid(plan([house("a", 50.0, 0.0), house("b", 50.1, 0.0), house("c", 0.0, 3.0)]))
    lines = {
        n: float(km) for n, km in zip(made.grid.branches.name, made.grid.branches.length_km, strict=True)
    }
    assert lines["service line to a"] == pytest.approx(1e-3) and lines["service line to c"] == pytest.approx(
        3e-3
    )


def test_a_thousand_houses_take_seconds():
    rng = np.random.default_rng(1)
    lines = np.arange(12) * 100.0
    streets = [Street(tuple((float(x), y) for x in lines)) for y in lines]
    streets += [Street(tuple((x, float(y)) for y in lines)) for x in lines]
    places = rng.uniform(0.0, 1100.0, (1008, 2)).tolist()
    stations = [Station(f"S{k}", tuple(places[k]), 400.0) for k in range(8)]
    houses = [Building(f"h{k}", tuple(places[8 + k]), 120.0) for k in range(1000)]
    begin = time.process_time()
    made = synthesise_grid(plan(houses, stations, streets))
    assert sum(area.houses for area in made.areas) == 1000 and is_radial(made.grid)
    # Half a second where this was written; what grows with the square of the houses would take minutes.
    assert time.process_time() - begin < 20.0
