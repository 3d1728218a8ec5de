"""Envelopes keep the grid inside its limits at every vertex of the box, and take what there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders import battery, branches, buses, charger, load, source, study, tree, window
from gridcommons.envelopes.allocate import _joined, _State, allocate, back_off
from gridcommons.envelopes.boxes import Answers, Boxes, all_queries, worst_corners
from gridcommons.envelopes.margins import worst_margins
from gridcommons.envelopes.objectives import OBJECTIVES
from gridcommons.known_answers import chain_grid, voltage_band
from gridcommons.model.grid import Grid
from unit_envelopes import boxes_of, mixed_study, worst_of_all_vertices


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), objective=st.sampled_from(sorted(OBJECTIVES)))
def test_no_vertex_of_any_box_breaks_a_limit(seed, objective):
    w, rest, boxes = boxes_of(mixed_study(seed), objective)
    assert worst_of_all_vertices(w, rest, boxes) <= 1e-6
    assert (boxes.up_kw >= 0.0).all() and (boxes.down_kw >= 0.0).all()
    assert (boxes.rest_kw + boxes.up_kw <= w.high_kw + 1e-9).all()
    assert (boxes.rest_kw - boxes.down_kw >= w.low_kw - 1e-9).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_max_total_leaves_nothing_and_no_objective_beats_it(seed):
    of = mixed_study(seed)
    w, rest, best = boxes_of(of, "max_total")
    total = (best.up_kw + best.down_kw).sum(axis=1)
    for objective in OBJECTIVES:
        _, _, other = boxes_of(of, objective)
        assert ((other.up_kw + other.down_kw).sum(axis=1) <= total + 1e-3 + 1e-4 * total).all()
    # Widening every end that still has room by 1 % of its bound breaks something, or nothing has room.
    room_up, room_down = w.high_kw - best.rest_kw - best.up_kw, best.rest_kw - best.down_kw - w.low_kw
    wider = Boxes(best.rest_kw, best.up_kw + 0.01 * room_up, best.down_kw + 0.01 * room_down)
    if max(room_up.max(), room_down.max()) > 5.0:
        assert worst_of_all_vertices(w, rest, wider) > 1e-6


def test_the_branch_whose_flow_reverses_is_safe_where_both_corners_would_not_be():
    """Boxes [−90, 0] and [0, 90] kW: both corners 125.7 A, mixed vertex 129.3 A (2.8 % above)."""
    grid = tree([0, 1], [0.05 + 0.02j, 0.4 + 0.1j])
    rated = np.array([np.inf, 0.100])
    grid = replace(grid, branches=replace(grid.branches, i_max_from_ka=rated, i_max_to_ka=rated))
    of = study(
        grid, [battery("far", "b2", 90.0), battery("near", "b1", 90.0)], limits=voltage_band(grid, 0.5, 1.5)
    )
    w, rest, boxes = boxes_of(of)
    assert worst_of_all_vertices(w, rest, boxes) <= 1e-6
    wide = Boxes(boxes.rest_kw, boxes.up_kw.copy(), boxes.down_kw.copy())
    corners = np.array([[True, True], [False, False], [False, True]])
    p_kw = wide.corner(np.zeros(3, dtype=int), corners)
    loading = w.flow(p_kw, np.zeros(3, dtype=int)).loading_percent()[:, 1]
    assert loading[2] == pytest.approx(100.0, abs=1e-3) and loading[2] > loading[1] + 0.1


def chain(load_kw, assets, **limits) -> tuple:
    profiles = {"UL01": load_kw, "UL02": load_kw}
    members = [load("UL01", "bus 1"), *assets, load("UL02", "bus 4")]
    grid = chain_grid()
    return study(grid, members, profiles, limits=voltage_band(grid, 0.95, 1.05), **limits)


def test_support_mends_what_rest_cannot():
    """18 kW at both ends: 0.943 pu at rest; the battery at the third bus must give 3.562 kW."""
    of = chain(18.0, [battery("CB", "bus 3", 20.0), charger("CS", "bus 2")])
    classes = [np.array([True, False]), np.array([False, True])]
    w, rest, boxes = boxes_of(of, classes=classes, support=np.array([True, False]))
    assert rest.max_resolved.all() and not rest.broken.any()
    assert (boxes.rest_kw + boxes.up_kw)[0, 0] == pytest.approx(-3.5621, abs=1e-3)
    assert (boxes.rest_kw + boxes.up_kw)[0, 1] == 0.0
    assert worst_of_all_vertices(w, rest, boxes) <= 1e-6


def test_what_no_support_mends_is_unresolved_on_its_side_alone():
    of = chain(18.0, [battery("CB", "bus 3", 2.0), charger("CS", "bus 2")])
    w, rest, boxes = boxes_of(of, support=np.array([True, False]))
    assert not rest.max_resolved[0] and rest.min_resolved[0]
    assert boxes.rest_kw[0, 0] == pytest.approx(-2.0)
    assert (boxes.up_kw == 0.0).all()
    _, without, _ = boxes_of(of)
    names = {w.rows.name(k) for k in np.flatnonzero(without.broken[0])}
    assert ("bus 4", "vm_min_pu") in names
    assert without.excess.max() == pytest.approx(0.00706, abs=1e-5)


def test_a_higher_class_is_served_first_and_held_at_both_ends():
    of = chain(3.0, [charger("CS01", "bus 2"), charger("CS02", "bus 3")])
    far_first = [np.array([False, True]), np.array([True, False])]
    w, rest, boxes = boxes_of(of, classes=far_first)
    alone = allocate(w, rest.boxes, np.array([[[False, True]] * 2]), OBJECTIVES["max_total"])
    assert boxes.up_kw[0, 1] == pytest.approx(alone.up_kw[0, 1], abs=1e-9)
    assert boxes.up_kw[0, 1] > 20.0 and boxes.up_kw[0, 0] < 1.0
    assert worst_of_all_vertices(w, rest, boxes) <= 1e-6


def test_limits_that_change_in_time_bind_when_they_say():
    grid = chain_grid()
    limits = replace(voltage_band(grid, 0.95, 1.05), vm_min_pu=np.array([[0.95] * 5, [0.97] * 5, [0.0] * 5]))
    of = study(grid, [charger("C", "bus 4", 100.0)], steps=3, limits=limits)
    w, _, boxes = boxes_of(of)
    vm = w.flow(boxes.corner(np.arange(3), np.ones((3, 1), bool)), np.arange(3)).vm_pu()[:, 4]
    np.testing.assert_allclose(vm[:2], [0.95, 0.97], atol=1e-7)
    assert boxes.up_kw[2, 0] == pytest.approx(100.0) or vm[2] < 0.8


def test_angle_bands_and_angle_differences_bind():
    grid = tree([0, 1], 0.05 + 0.3j)
    free = voltage_band(grid, 0.5, 1.5)
    band = replace(free, va_min_degree=np.array([[-np.inf, -np.inf, -2.0]]))
    w, _, boxes = boxes_of(study(grid, [charger("C", "b2", 400.0)], limits=band))
    up = w.flow(boxes.corner(np.array([0]), np.ones((1, 1), bool)), np.array([0]))
    assert up.va_degree()[0, 2] == pytest.approx(-2.0, abs=1e-5)
    difference = replace(free, va_diff_max_degree=np.array([[np.inf, 0.5]]))
    w, _, boxes = boxes_of(study(grid, [charger("C", "b2", 400.0)], limits=difference))
    angle = w.flow(boxes.corner(np.array([0]), np.ones((1, 1), bool)), np.array([0])).va_degree()[0]
    assert angle[1] - angle[2] == pytest.approx(0.5, abs=1e-5)


def test_a_battery_promises_no_more_than_its_energy_for_one_interval():
    small = battery("B", "bus 2", 20.0, energy_kwh=4.0, charge_efficiency_share=0.8)
    w, _, boxes = boxes_of(chain(1.0, [small]))
    assert boxes.down_kw[0, 0] == pytest.approx(2.0 / 0.25) and boxes.up_kw[0, 0] == pytest.approx(2.0 / 0.2)


def test_an_opted_out_member_has_no_envelope_and_its_plan_is_load():
    of = chain(1.0, [charger("CS01", "bus 2"), charger("CS02", "bus 3")])
    out = tuple(replace(m, opted_in=m.member != "bus 2") for m in of.community.members)
    profiles = replace(of.profiles, columns={**of.profiles.columns, "CS01": np.array([22.0])})
    of = replace(of, community=replace(of.community, members=out), profiles=profiles)
    w, _, boxes = boxes_of(of)
    assert w.asset == ("CS02",)
    assert boxes.up_kw[0, 0] == pytest.approx(10.0983, abs=0.01)


def test_meshed_grids_are_served_too():
    generator = np.random.default_rng(8)
    of = mixed_study(12)
    ring = of.grid.branches
    ends = [*zip(ring.from_bus, ring.to_bus, strict=True), (int(len(of.grid.buses) - 1), 1)]
    grid = Grid(of.grid.buses, _lines(ends, generator), of.grid.sources)
    w, rest, boxes = boxes_of(replace(of, grid=grid, limits=voltage_band(grid, 0.95, 1.05)))
    assert worst_of_all_vertices(w, rest, boxes) <= 1e-6


def _lines(ends, generator):
    return branches(ends, generator.uniform(0.1, 0.4, len(ends)) + 0.1j, i_max_ka=np.full(len(ends), 0.12))


def test_ties_go_to_the_nearest_first_whatever_the_order_of_the_file():
    grid = tree([0, 1], [0.3 + 0.1j, 1e-6 + 0j])
    far_first = study(grid, [charger("A", "b2", 100.0), charger("B", "b1", 100.0)])
    near_first = study(grid, [charger("B", "b1", 100.0), charger("A", "b2", 100.0)])
    one, other = boxes_of(far_first)[2].up_kw[0], boxes_of(near_first)[2].up_kw[0]
    np.testing.assert_allclose(one, other[::-1], atol=1e-6)
    assert one[1] > one[0]


def test_a_lower_class_that_overshoots_leaves_a_higher_one_alone():
    """No voltage limit to speak of: the first linear answers are beyond collapse, which is at 111 kW."""
    grid = tree([0, 1], 1.0 + 0.3j)
    of = study(
        grid, [charger("A", "b1", 50.0), charger("C", "b2", 400.0)], limits=voltage_band(grid, 0.3, 1.5)
    )
    w, rest, boxes = boxes_of(of, classes=[np.array([True, False]), np.array([False, True])])
    assert boxes.up_kw[0, 0] == pytest.approx(50.0)
    assert 50.0 < boxes.up_kw[0, 1] < 111.0
    assert worst_of_all_vertices(w, rest, boxes) <= 1e-6


def ladder(seed: int):
    """Batteries on a feeder with a ring and little room: two linear answers that alternate."""
    generator = np.random.default_rng(seed)
    ends = [(0, 1), (1, 2), (2, 3), (1, 4), (4, 3)]
    z_pu = generator.uniform(0.1, 0.9, 5) + 1j * generator.uniform(0.05, 0.6, 5)
    grid = Grid(buses(5), branches(ends, z_pu, i_max_ka=generator.uniform(0.04, 0.12, 5)), source())
    sizes = generator.uniform(20.0, 80.0, 3)
    assets = [
        battery("A", "b2", sizes[0]),
        battery("B", "b3", sizes[1], power_factor=0.9),
        battery("C", "b4", sizes[2]),
    ]
    return study(grid, assets, limits=voltage_band(grid, 0.94, 1.05))


@pytest.mark.parametrize("seed", range(12))
def test_max_total_is_where_an_exact_search_ends(seed):
    """Against a sequential quadratic program on the exact load flow at all vertices, from our own answer."""
    from scipy.optimize import minimize

    w, rest, boxes = boxes_of(ladder(seed))
    found = np.concatenate([boxes.up_kw[0], boxes.down_kw[0]])
    most = np.concatenate([w.high_kw[0] - rest.boxes.rest_kw[0], rest.boxes.rest_kw[0] - w.low_kw[0]])

    def room(x):
        tried = Boxes(rest.boxes.rest_kw, x[None, :3], x[None, 3:])
        step = np.zeros(8, dtype=np.int64)
        p_kw = tried.corner(step, np.array(list(product([False, True], repeat=3))))
        return -100.0 * worst_margins(rest.rows, w.flow(p_kw, step), step)[0].ravel()

    better = minimize(
        lambda x: -x.sum() / 100.0,
        0.99 * found,
        method="SLSQP",
        bounds=[(0.0, high) for high in most],
        constraints={"type": "ineq", "fun": room},
        options={"maxiter": 100, "ftol": 1e-10},
    )
    if room(better.x).min() >= -1e-5:
        assert found.sum() >= better.x.sum() * (1.0 - 1e-4)


def test_proportional_gives_one_share_however_often_the_answer_turns():
    for seed in range(8):
        w, _, boxes = boxes_of(ladder(seed), "proportional")
        for ends, most in ((boxes.up_kw, w.high_kw), (boxes.down_kw, -w.low_kw)):
            share = ends[0] / most[0]
            np.testing.assert_allclose(share, share.max(), rtol=1e-6)


def test_nothing_is_left_for_the_exact_load_flow_to_shrink(monkeypatch):
    """The iteration itself ends inside all limits, also those that were out of its reach at first."""
    kept = []

    def watch(window, boxes, *rest):
        after = back_off(window, boxes, *rest)
        before = (boxes.up_kw + boxes.down_kw).sum(axis=1)
        kept.extend((after.up_kw + after.down_kw).sum(axis=1)[before > 1.0] / before[before > 1.0])
        return after

    monkeypatch.setattr("gridcommons.envelopes.allocate.back_off", watch)
    for of in [*(ladder(seed) for seed in range(12)), *(mixed_study(seed) for seed in range(12))]:
        for objective in ("max_total", "max_min"):
            boxes_of(of, objective)
    assert len(kept) > 60 and min(kept) > 1.0 - 1e-6


def test_ties_rank_the_nearest_by_impedance_first_and_by_name_on_one_bus():
    grid = tree([0, 1], [0.3 + 0.1j, 0.2 + 0j])
    assets = [charger("A", "b2"), charger("C", "b1"), charger("B", "b1")]
    assert window(study(grid, assets)).rank.tolist() == [2, 1, 0]


def test_limits_left_out_at_first_join_and_drive_none_out(monkeypatch):
    """With a reach of nothing every limit starts outside; the answer must be the one of all limits."""
    for of in (mixed_study(seed) for seed in range(8)):
        _, _, usual = boxes_of(of)
        with monkeypatch.context() as patch:
            patch.setattr("gridcommons.envelopes.allocate.REACH", 0.0)
            w, rest, late = boxes_of(of)
        assert worst_of_all_vertices(w, rest, late) <= 1e-6
        total, again = (usual.up_kw + usual.down_kw).sum(), (late.up_kw + late.down_kw).sum()
        assert again == pytest.approx(total, rel=1e-6)


def test_backing_off_stops_at_the_limit_and_leaves_held_ends():
    of = chain(1.0, [charger("CS01", "bus 2"), charger("CS02", "bus 3")])
    w, rest, boxes = boxes_of(of)
    wide = Boxes(boxes.rest_kw, boxes.up_kw * np.array([[1.0, 1.5]]), boxes.down_kw)
    assert worst_of_all_vertices(w, rest, wide) > 1e-3
    free = np.array([[[False, True], [False, True]]])
    queries, answers = worst_corners(w, wide, all_queries(w, np.arange(1)))
    after = back_off(w, wide, queries, answers, free)
    assert after.up_kw[0, 0] == boxes.up_kw[0, 0]
    # One secant of a voltage that falls ever faster ends a hair inside.
    assert 0.98 * boxes.up_kw[0, 1] < after.up_kw[0, 1] <= boxes.up_kw[0, 1] + 1e-4
    assert worst_of_all_vertices(w, rest, after) <= 1e-8


def test_what_joins_stands_beside_what_was_there():
    """Only where a limit is broken the iteration goes on, with its old limits and those that are near."""
    w, _, boxes = boxes_of(mixed_study(1))
    every = all_queries(w, np.arange(w.steps))
    second = np.flatnonzero(every.step == 1)
    g = np.full(len(every), -0.2)
    g[second[3]], g[second[4]] = 0.01, -0.01
    free = np.ones((w.steps, 2, len(w.asset)), dtype=bool)
    state = _State(boxes, np.ones(w.steps, bool), free, np.zeros(free.shape), np.full(w.steps, 7.0))
    old = every.take(np.array([0, second[0], second[1]]))
    joined = _joined(w, state, old, (every, Answers(g, np.zeros(every.is_up.shape))))
    assert state.active.tolist() == [False, True, False] and np.isinf(state.reach_kw[1])
    assert set(joined.step.tolist()) == {1}
    assert joined.limit.tolist() == every.limit[second[[0, 1, 3, 4]]].tolist()
