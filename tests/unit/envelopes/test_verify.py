"""The check catches what is unsafe, says "certified" only with a proof, and repeats itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders import battery, branches, buses, charger, load, random_tree, solar, source, study, tree, window
from gridcommons.envelopes.at_rest import settle_at_rest
from gridcommons.envelopes.boxes import Boxes, all_queries, open_queries, values, worst_corners
from gridcommons.envelopes.capability import share_and_check
from gridcommons.envelopes.limit_rows import BUS_KINDS, Kind
from gridcommons.envelopes.margins import worst_margins
from gridcommons.envelopes.proof import certify
from gridcommons.envelopes.verify import _draw as draw_points
from gridcommons.envelopes.verify import adversarial_corners, check_boxes
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import Grid
from gridcommons.tasks import run
from unit_envelopes import boxes_of, mixed_study


def many_chargers(count=40, seed=1):
    generator = np.random.default_rng(seed)
    grid = random_tree(generator, count, rated_a=(400.0, 500.0))
    assets = [charger(f"C{k}", f"b{k}", 11.0) for k in range(1, count + 1)]
    return study(grid, assets)


def test_a_consuming_feeder_is_certified_and_a_box_two_per_cent_too_large_is_caught():
    w, rest, boxes = boxes_of(many_chargers())
    checks = check_boxes(w, boxes, rest, 1000, (1,))
    assert checks.certified.all() and not checks.violations.any()
    large = check_boxes(w, boxes.scaled(np.full(1, 1.02)), rest, 1000, (1,))
    assert large.violations[0, 0] > 10 and not large.certified[0, 0] and large.worst[0, 0] > 1e-4


def test_adversarial_corners_are_mixed_where_a_branch_can_reverse():
    found = 0
    for seed in range(12):
        w, rest, boxes = boxes_of(mixed_study(seed))
        corners = adversarial_corners(w, boxes)
        found += int((corners.is_up.any(axis=1) & ~corners.is_up.all(axis=1)).sum())
    assert found > 0


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), width=st.floats(0.2, 3.0))
def test_what_is_certified_no_vertex_breaks(seed, width):
    """Boxes of any width, safe or not: a certified side with safe corners holds at every vertex."""
    w, rest, boxes = boxes_of(mixed_study(seed))
    boxes = boxes.scaled(np.full(w.steps, width))
    corners = np.stack([np.ones(6, bool), np.zeros(6, bool)])
    vertices = np.array(list(product([False, True], repeat=6)))
    proven = certify(w, boxes)
    for step in range(w.steps):
        at_corners = worst_at(w, rest, boxes, step, corners)
        everywhere = worst_at(w, rest, boxes, step, vertices)
        if (at_corners <= 0.0).all():
            assert (everywhere[proven[step]] <= 1e-9).all()


def worst_at(w, rest, boxes, step, is_up):
    at = np.full(len(is_up), step)
    return worst_margins(rest.rows, w.flow(boxes.corner(at, is_up), at), at)[0].max(axis=0)


def test_the_same_seed_draws_the_same_and_another_draws_others():
    w, rest, boxes = boxes_of(many_chargers())
    one, same, other = (check_boxes(w, boxes.scaled(np.full(1, 1.02)), rest, 200, (s,)) for s in (1, 1, 2))
    assert one.worst.tobytes() == same.worst.tobytes()
    assert one.violations.tobytes() != other.violations.tobytes()


def test_a_window_without_a_flow_is_a_violation_not_a_silence():
    w, rest, boxes = boxes_of(many_chargers(5))
    hopeless = Boxes(boxes.rest_kw, boxes.up_kw + 1e5, boxes.down_kw)
    checks = check_boxes(w, hopeless, rest, 20, (1,))
    assert np.isinf(checks.worst[0]).all() and not checks.certified.any()


def test_the_task_writes_the_same_bytes_twice_and_names_its_columns():
    of = mixed_study(4)
    one, two = run(of, "envelopes"), run(of, "envelopes")
    for name in one.tables:
        assert one.tables[name].equals(two.tables[name])
    envelopes = one.tables["envelopes"]
    assert list(envelopes.columns) == ["time", "asset", "p_min_kw", "p_max_kw", "resolved"]
    assert len(envelopes) == 3 * 6 and (envelopes.p_min_kw <= envelopes.p_max_kw).all()
    assert one.summary["violations_found"] == 0
    assert set(one.summary["objectives"]) == {
        "max_total",
        "equal",
        "proportional",
        "max_min",
        "proportional_fairness",
    }


def test_a_study_with_nothing_to_control_and_unknown_names_are_refused_together():
    of = study(random_tree(np.random.default_rng(1), 3), [load("L", "b1")], {"L": 1.0}, priority=[["fridge"]])
    with pytest.raises(StudyError) as caught:
        run(of, "envelopes")
    text = str(caught.value)
    assert "no flexible asset" in text and "'fridge'" in text


def test_an_overloaded_feeder_is_reported_and_injection_stays_promised():
    assets = [load("L", "b3"), charger("C", "b3"), solar("S", "b2", 5.0)]
    of = study(tree([0, 1, 2], 0.6 + 0.08j), assets, {"L": 40.0, "S": 5.0})
    result = run(of, "envelopes")
    checks = result.tables["envelope_checks"].set_index("side")
    assert checks.loc["p_max", "status"] == "unresolved"
    unresolved = result.tables["unresolved"]
    assert (unresolved["excess"] > 0).all() and set(unresolved["side"]) == {"p_max"}
    band = result.tables["envelopes"].set_index("asset")
    assert band.loc["C", "p_max_kw"] == 0.0 and band.loc["S", "p_min_kw"] == pytest.approx(-5.0)


def test_a_voltage_with_its_peak_inside_the_box_is_not_certified():
    """Behind much reactance both corners hold 1.003, and half the injection passes it."""
    grid = tree([0], 0.05 + 0.5j)
    for limit in (1.003, 1.2):
        w = window(study(grid, [battery("B", "b1", 800.0)], limits=voltage_band(grid, 0.5, limit)))
        rest = settle_at_rest(w, np.zeros(1, dtype=bool))
        box = Boxes(rest.boxes.rest_kw, np.zeros((1, 1)), np.full((1, 1), 400.0))
        p_kw = -np.linspace(0.0, 400.0, 11)[:, None]
        vm = w.flow(p_kw, np.zeros(11, dtype=np.int64)).vm_pu()[:, 1]
        assert vm[[0, -1]].max() < 1.003 < vm.max()
        assert not certify(w, box).any()


def test_the_check_shrinks_boxes_that_break_a_limit_inside():
    """Both corners are fine and no vertex is worse; only points between them tell."""
    grid = tree([0], 0.05 + 0.5j)
    w = window(study(grid, [battery("B", "b1", 400.0)], limits=voltage_band(grid, 0.5, 1.003)))
    rest = settle_at_rest(w, np.zeros(1, dtype=bool))
    wide = Boxes(rest.boxes.rest_kw, np.zeros((1, 1)), np.full((1, 1), 400.0))
    assert check_boxes(w, wide, rest, 200, (1,)).violations[0, 1] > 0
    everyone = [np.ones(1, dtype=bool)]
    boxes, checks = share_and_check(w, rest, everyone, ("max_total", lambda *_: wide), (200, (1,)))
    assert checks.worst.max() <= 1e-6 and not checks.violations.any()
    assert 0.0 < boxes.down_kw[0, 0] < 400.0


def test_a_meshed_grid_is_never_certified():
    ring = Grid(buses(3), branches([(0, 1), (1, 2), (2, 0)], 0.2 + 0.05j), source())
    lines = Grid(buses(3), branches([(0, 1), (1, 2)], 0.2 + 0.05j), source())
    for grid, proven in ((ring, False), (lines, True)):
        w, _, boxes = boxes_of(study(grid, [charger("A", "b1"), charger("C", "b2")]))
        assert certify(w, boxes).all() == proven and certify(w, boxes).any() == proven


@pytest.mark.parametrize(("rated_a", "proven"), [(125.3, False), (135.0, True)])
def test_a_branch_whose_worst_vertex_is_mixed_is_certified_only_out_of_its_reach(rated_a, proven):
    """Boxes [−90, 0] and [0, 90] kW: 125.0 A at the worse corner, 125.6 A at the mixed vertex."""
    grid = tree([0, 1], [0.05 + 0.02j, 0.4 + 0.1j], i_max_ka=[np.inf, rated_a / 1e3])
    of = study(
        grid, [battery("far", "b2", 90.0), battery("near", "b1", 90.0)], limits=voltage_band(grid, 0.5, 1.5)
    )
    w = window(of)
    rest = settle_at_rest(w, np.zeros(2, dtype=bool))
    box = Boxes(rest.boxes.rest_kw, np.array([[0.0, 90.0]]), np.array([[90.0, 0.0]]))
    at = np.zeros(3, dtype=np.int64)
    vertices = np.array([[True, True], [False, False], [False, True]])
    worst = worst_margins(rest.rows, w.flow(box.corner(at, vertices), at), at)[0]
    assert worst[:2].max() < 0.0 and (worst[2, 1] < 0.0) == proven
    assert certify(w, box)[0, 1] == proven


def test_adversarial_corners_find_the_worst_vertex():
    """Of boxes too wide by a third, against all 64 vertices."""
    vertices = np.array(list(product([False, True], repeat=6)))
    missed = 0
    for seed in range(30):
        w, rest, boxes = boxes_of(mixed_study(seed))
        boxes = boxes.scaled(np.full(w.steps, 4.0 / 3.0))
        found = adversarial_corners(w, boxes)
        for step in range(w.steps):
            at = worst_at(w, rest, boxes, step, found.is_up[found.step == step]).max()
            missed += at < worst_at(w, rest, boxes, step, vertices).max() - 1e-9
    assert missed == 0


def test_a_corner_without_a_flow_is_where_the_search_starts():
    w, rest, boxes = boxes_of(many_chargers(5))
    hopeless = Boxes(boxes.rest_kw, boxes.up_kw + 1e5, boxes.down_kw)
    queries = open_queries(w, hopeless, np.array([0]))
    assert queries.is_up[np.isin(w.rows.kind[queries.limit], BUS_KINDS)].all()


def test_the_length_of_the_windows_changes_no_table(monkeypatch):
    of = study_over_time(7)
    whole = run(of, "envelopes")
    monkeypatch.setattr("gridcommons.envelopes.capability.WINDOW_STEPS", 3)
    cut = run(of, "envelopes")
    for name in ("envelopes", "bus_voltages", "branch_loadings", "unresolved"):
        keys = list(whole.tables[name].select_dtypes(exclude="number").columns)
        one, other = (
            of.sort_values(keys, ignore_index=True) for of in (whole.tables[name], cut.tables[name])
        )
        assert len(one) and (one[keys].astype(str) == other[keys].astype(str)).all(axis=None)
        for column in one.select_dtypes("number"):
            np.testing.assert_allclose(one[column], other[column], rtol=1e-7, atol=1e-7)
    assert cut.summary["export_kwh"] == pytest.approx(whole.summary["export_kwh"], rel=1e-9)


def study_over_time(steps: int):
    """Load, limits and a battery's energy that differ at every step; the last is beyond the limits."""
    grid = tree([0, 1, 2], 0.6 + 0.08j)
    limits = replace(
        voltage_band(grid, 0.95, 1.05), vm_min_pu=np.linspace(0.9, 0.96, steps)[:, None] * np.ones(4)
    )
    assets = [load("L", "b3"), battery("B", "b2", 9.0, energy_kwh=9.0), solar("S", "b3", 9.0)]
    profiles = {
        "L": np.linspace(0.0, 30.0, steps),
        "B": np.linspace(2.0, -3.0, steps),
        "S": np.linspace(9.0, 1.0, steps),
    }
    return study(grid, assets, profiles, steps=steps, limits=limits, draws=50)


def test_most_draws_are_vertices_and_the_others_reach_edges_and_the_inside():
    w, _, boxes = boxes_of(many_chargers(6))
    low, high = (boxes.rest_kw - boxes.down_kw)[0], (boxes.rest_kw + boxes.up_kw)[0]
    assert (high > low + 1.0).all()
    points = draw_points(w, boxes, 1000, np.random.default_rng(1))[0]
    at_end = ((points == low) | (points == high)).sum(axis=1)
    assert ((points >= low) & (points <= high)).all()
    assert (at_end == 6).sum() >= 900 and (at_end == 0).sum() >= 5 and (at_end == 5).sum() >= 5
    # Each vertex has its own share of upper ends: nearly all up and nearly all down are drawn as well.
    up = (points == high).sum(axis=1)[at_end == 6]
    assert min(np.bincount(up, minlength=7)) >= 50


def test_a_hundred_thousandth_beyond_a_limit_is_a_violation():
    w, rest, boxes = boxes_of(many_chargers())
    fine = check_boxes(w, boxes, rest, 50, (1,))
    wide = check_boxes(w, boxes.scaled(np.full(1, 1.0002)), rest, 50, (1,))
    assert not fine.violations.any() and 2e-6 < wide.worst.max() < 1e-4
    assert wide.violations[0, 0] > 0 and not wide.certified[0, 0]


def test_the_worst_corner_of_a_mesh_is_found_by_moving():
    """In a mesh neither all up, nor all down, nor what lies behind is the worst corner of a branch."""
    vertices = np.array(list(product([False, True], repeat=4)))
    moved = 0
    for seed in range(12):
        generator = np.random.default_rng(seed)
        ends = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (1, 4), (2, 4)]
        z_pu = generator.uniform(0.1, 0.6, 7) + 0.1j
        grid = Grid(buses(5), branches(ends, z_pu, i_max_ka=np.full(7, 0.1)), source())
        of = study(grid, [battery(f"B{k}", f"b{k}", 30.0) for k in range(1, 5)])
        w = window(replace(of, limits=voltage_band(grid, 0.5, 1.5)))
        rest = settle_at_rest(w, np.zeros(4, dtype=bool))
        box = Boxes(rest.boxes.rest_kw, np.full((1, 4), 30.0), np.full((1, 4), 30.0))
        started = all_queries(w, np.array([0]))
        at_start = values(w, box, started)
        found, answers = worst_corners(w, box, all_queries(w, np.array([0])))
        for limit in np.flatnonzero(w.rows.kind == Kind.LOADING):
            mine = started.limit == limit
            every = started.take(np.repeat(np.flatnonzero(mine)[:1], 16)).at(vertices)
            worst = values(w, box, every).max()
            assert answers.g[found.limit == limit].max() == pytest.approx(worst, abs=1e-6)
            moved += at_start[mine].max() < worst - 1e-4
    assert moved > 5
