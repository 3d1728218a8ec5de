"""The check catches what is unsafe, says "certified" only with a proof, and repeats itself."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders import charger, load, random_tree, solar, study, tree
from gridcommons.envelopes.boxes import Boxes
from gridcommons.envelopes.margins import worst_margins
from gridcommons.envelopes.proof import certify
from gridcommons.envelopes.verify import adversarial_corners, check_boxes
from gridcommons.model.errors import StudyError
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
