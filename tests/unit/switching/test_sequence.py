"""Safe sequences: nobody islanded, no limit broken on the way, and the nearest safe topology otherwise."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from feeders import branches, buses
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import Grid, Sources
from gridcommons.model.switches import Switch
from gridcommons.powerflow.solution import Injections
from gridcommons.switching.sequence import (
    Rules,
    Step,
    SwitchingSequence,
    plan_sequence,
    recover,
    worth_moving,
)
from gridcommons.switching.technical import Operation, find_topology_violations, find_violations
from sequence_replay import replay


def make(ends, count, *, load_kw=10.0, at=(0,), rated_ka=None, stuck=(), band=(0.8, 1.2), **how):
    """A grid in which every branch is a switch named ``line K``, with a member on each bus but sources'."""
    sources = Sources(tuple(f"s{k}" for k in at), np.array(at), np.ones(len(at)), np.zeros(len(at)))
    grid = Grid(buses(count), branches(ends, 0.05 + 0.02j, i_max_ka=rated_ka), sources)
    where = np.array([bus for bus in range(count) if bus not in at])
    p_kw = np.broadcast_to(np.asarray(load_kw, dtype=float), (1, len(where)))
    switches = tuple(
        Switch(f"line {row}", (row,), True, operation_cost_amount=1.0 + row, moves=row not in stuck)
        for row in range(len(ends))
    )
    given_kw = Injections(where, p_kw, np.zeros_like(p_kw))
    return Operation(grid, switches, voltage_band(grid, *band), given_kw, **how)


def positions(operation, *opened):
    return np.array([row not in opened for row in range(len(operation.switches))])


def words(sequence):
    return [
        ("close " if step.closes else "open ") + step.switch.removeprefix("line ") for step in sequence.steps
    ]


def in_order(start, goal, order):
    """The sequence that moves switches in a given order, safe or not."""
    steps = tuple(Step(f"line {k}", bool(goal[k])) for k in order)
    return SwitchingSequence(start, goal, goal, steps, "none", "", True, 0, 0.0, True)


RING = [(0, 1), (1, 2), (0, 3), (3, 4), (2, 4)]
"""b0 the source with two arms, b1 b2 and b3 b4, and a tie between their ends."""


def test_the_tie_is_closed_before_the_branch_is_opened():
    # Opening line 1 first, which comes first by name, would cut b2 off.
    ring = make(RING, 5)
    sequence = plan_sequence(ring, positions(ring, 4), positions(ring, 1))
    assert words(sequence) == ["close 4", "open 1"]
    assert (sequence.fallback, sequence.reason, sequence.is_fit, sequence.is_exact) == (
        "none",
        "",
        True,
        True,
    )
    assert sequence.passing_steps == 1 and sequence.operation_cost_amount == 5.0 + 2.0
    assert sequence.reached.tolist() == positions(ring, 1).tolist()
    assert replay(ring, sequence) == ()


def test_without_momentary_parallel_operation_nothing_moves_and_the_reason_is_said():
    ring = make(RING, 5)
    rules = Rules(momentary_parallel=False)
    sequence = plan_sequence(ring, positions(ring, 4), positions(ring, 1), rules)
    assert (sequence.fallback, sequence.steps, sequence.is_fit) == ("stay", (), True)
    assert sequence.reached.tolist() == positions(ring, 4).tolist()
    assert sequence.reason.startswith("no safe order found: after ")
    assert "path of b2" in sequence.reason or "radial of grid" in sequence.reason
    assert replay(ring, sequence, rules) == ()


def test_each_loop_is_opened_before_the_next_is_made():
    # Two rings; the ties of both closed first would have two loops at once.
    ends = [*RING, (0, 5), (5, 6), (0, 7), (7, 8), (6, 8)]
    both = make(ends, 9)
    sequence = plan_sequence(both, positions(both, 4, 9), positions(both, 1, 6))
    assert words(sequence) == ["close 4", "open 1", "close 9", "open 6"]
    assert sequence.passing_steps == 2 and replay(both, sequence) == ()


def test_two_sources_may_run_in_parallel_only_for_a_moment():
    line = make([(0, 1), (1, 2), (2, 3)], 4, at=(0, 3))
    sequence = plan_sequence(line, positions(line, 2), positions(line, 0))
    assert words(sequence) == ["close 2", "open 0"] and replay(line, sequence) == ()
    rules = Rules(momentary_parallel=False)
    assert replay(line, sequence, rules) == ("step 1: 1 loops or sources in parallel",)
    assert plan_sequence(line, positions(line, 2), positions(line, 0), rules).fallback == "stay"
    assert plan_sequence(line, positions(line, 2), positions(line)).fallback == "stay"
    allowed = replace(line, parallel_allowed=True)
    sequence = plan_sequence(allowed, positions(line, 2), positions(line), rules)
    assert words(sequence) == ["close 2"] and sequence.passing_steps == 0


FEEDERS = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (2, 5), (3, 5)]
"""Three feeders b1 b2 b3; b4 hangs on b1 or b2 (lines 3, 4), b5 on b2 or b3 (lines 5, 6)."""


def three_feeders(weak_ka=0.04, third_ka=1.0, **how):
    rated_ka = [1.0, weak_ka, third_ka, 1.0, 1.0, 1.0, 1.0]
    return make(FEEDERS, 6, load_kw=(0.0, 0.0, 0.0, 20.0, 20.0), rated_ka=rated_ka, **how)


def test_a_limit_that_would_break_halfway_makes_another_order():
    # 20 kW are 29 A. b2 carries one of b4 and b5, not both: b5 has to leave before b4 comes.
    grid = three_feeders()
    start, goal = positions(grid, 4, 6), positions(grid, 3, 5)
    sequence = plan_sequence(grid, start, goal)
    assert words(sequence) == ["close 6", "open 5", "close 4", "open 3"] and sequence.fallback == "none"
    assert replay(grid, sequence) == ()
    by_name = in_order(start, goal, (4, 3, 6, 5))
    assert any("a limit is broken" in text for text in replay(grid, by_name))


def test_where_no_order_is_safe_it_ends_at_the_nearest_safe_topology_and_says_why():
    # b3 cannot take b5, so b4 cannot come to b2; the ring beside them can still move.
    ends = [*FEEDERS, (0, 6), (6, 7), (0, 8), (8, 9), (7, 9)]
    rated_ka = [1.0, 0.04, 0.001, *[1.0] * 9]
    grid = make(ends, 10, load_kw=(0.0, 0.0, 0.0, 20.0, 20.0, *[5.0] * 4), rated_ka=rated_ka)
    start, goal = positions(grid, 4, 6, 11), positions(grid, 3, 5, 8)
    sequence = plan_sequence(grid, start, goal)
    assert words(sequence) == ["close 11", "open 8"]
    assert sequence.fallback == "nearest" and sequence.is_fit
    assert sequence.operation_cost_amount == 12.0 + 9.0
    assert "loading_max_percent of line" in sequence.reason
    assert sequence.reached.tolist() == positions(grid, 4, 6, 8).tolist()
    assert replay(grid, sequence) == ()


def test_a_limit_broken_before_may_stay_broken_but_not_more():
    # b2 carries b4 and b5 at the start, too much; moving b5 away relieves it.
    grid = three_feeders()
    sequence = plan_sequence(grid, positions(grid, 3, 6), positions(grid, 3, 5))
    assert words(sequence) == ["close 6", "open 5"] and sequence.fallback == "none"
    assert replay(grid, sequence) == ()
    # From one load too much to two is no way.
    heavy = three_feeders(weak_ka=0.02)
    sequence = plan_sequence(heavy, positions(heavy, 4, 6), positions(heavy, 3, 6))
    assert sequence.fallback == "stay" and "loading_max_percent of line 1" in sequence.reason


def test_a_switch_that_does_not_move_is_worked_around():
    ring = make(RING, 5, stuck=(4,))
    sequence = plan_sequence(ring, positions(ring, 4), positions(ring, 1))
    assert (sequence.fallback, sequence.steps) == ("stay", ())
    assert sequence.reason.startswith("line 4 does not move")
    # Of two rings the other still moves.
    ends = [*RING, (0, 5), (5, 6), (0, 7), (7, 8), (6, 8)]
    both = make(ends, 9, stuck=(4,))
    sequence = plan_sequence(both, positions(both, 4, 9), positions(both, 1, 6))
    assert words(sequence) == ["close 9", "open 6"] and sequence.fallback == "nearest"


def test_a_switch_that_refuses_on_the_way_makes_the_loop_be_taken_back():
    ring = make(RING, 5)
    sequence = plan_sequence(ring, positions(ring, 4), positions(ring, 1))
    back = recover(ring, sequence, 1, "line 1")
    assert back.start.tolist() == positions(ring).tolist() and words(back) == ["open 4"]
    assert back.fallback == "nearest" and back.is_fit and back.reason.startswith("line 1 does not move")
    assert back.reached.tolist() == positions(ring, 4).tolist()
    assert replay(ring, back, before=sequence.start) == ()
    # Where both refuse, the loop stays and is not fit to.
    stuck = replace(
        ring, switches=tuple(replace(each, moves=each.name != "line 4") for each in ring.switches)
    )
    last = recover(stuck, sequence, 1, "line 1")
    assert (last.fallback, last.steps, last.is_fit) == ("stay", (), False)
    assert "may stay" in last.reason
    with pytest.raises(StudyError, match="'line 9'"):
        recover(ring, sequence, 1, "line 9")


def test_recovering_goes_on_where_the_goal_is_near_without_the_refusing_switch():
    ends = [*RING, (0, 5), (5, 6), (0, 7), (7, 8), (6, 8)]
    both = make(ends, 9)
    sequence = plan_sequence(both, positions(both, 4, 9), positions(both, 1, 6))
    on = recover(both, sequence, 2, "line 9")
    assert on.steps == () and on.reached.tolist() == positions(both, 1, 9).tolist() and on.is_fit
    on = recover(both, sequence, 0, "line 4")
    assert words(on) == ["close 9", "open 6"]


def test_who_has_no_path_before_or_after_needs_none_on_the_way():
    line = make([(0, 1), (1, 2), (0, 3)], 4)
    # b2 is given up; b1 keeps its path.
    sequence = plan_sequence(line, positions(line), positions(line, 1))
    assert words(sequence) == ["open 1"] and sequence.fallback == "none"
    # b2 is taken up again with b3 given up.
    sequence = plan_sequence(line, positions(line, 1), positions(line, 2))
    assert words(sequence) == ["close 1", "open 2"] and replay(line, sequence) == ()


def test_the_goal_is_the_start():
    ring = make(RING, 5)
    sequence = plan_sequence(ring, positions(ring, 4), positions(ring, 4))
    assert (sequence.steps, sequence.fallback, sequence.reason) == ((), "none", "")


def test_positions_of_another_number_of_switches_are_refused():
    ring = make(RING, 5)
    with pytest.raises(StudyError, match="one a switch"):
        plan_sequence(ring, positions(ring), np.ones(4, bool))


def test_a_change_pays_only_beyond_its_operations_and_the_least_benefit():
    assert worth_moving(3.0, 2.0) and not worth_moving(2.0, 2.0) and not worth_moving(1.0, 2.0)
    assert worth_moving(3.0, 2.0, 0.5) and not worth_moving(3.0, 2.0, 1.0)


@st.composite
def changes(draw, *, rated=False):
    """A meshed grid of up to six buses and two of its spanning trees, three exchanges apart at most."""
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    count = draw(st.integers(4, 6))
    tree = [(int(generator.integers(0, k)), k) for k in range(1, count)]
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count) if (a, b) not in tree]
    ties = [pairs[k] for k in generator.permutation(len(pairs))[:3]]
    ends = [*tree, *ties]
    rated_ka = generator.uniform(0.02, 0.12, len(ends)) if rated else None
    load_kw = generator.uniform(-15.0, 15.0, count - 1)
    grid = make(ends, count, load_kw=load_kw, rated_ka=rated_ka)
    start = np.arange(len(ends)) < len(tree)
    goal = start.copy()
    for _ in range(draw(st.integers(1, 2))):
        goal = _exchanged(grid, goal, generator)
    assume((start != goal).any())
    return grid, start, goal


def _exchanged(grid, closed, generator):
    """Another spanning tree, one branch in and one out."""
    found = []
    for opens in np.flatnonzero(closed):
        for closes in np.flatnonzero(~closed):
            other = closed.copy()
            other[[opens, closes]] ^= True
            if not {"path", "radial"} & set(find_violations(grid, other).kind):
                found.append(other)
    return found[int(generator.integers(len(found)))]


@settings(max_examples=30)
@given(changes())
def test_with_ample_ratings_any_radial_topology_is_reached_from_any_other(case):
    grid, start, goal = case
    sequence = plan_sequence(grid, start, goal)
    assert sequence.fallback == "none" and replay(grid, sequence) == ()
    assert len(sequence.steps) == (start != goal).sum()
    # As many loops are made, for a moment, as branches are exchanged.
    assert sequence.passing_steps == (start != goal).sum() // 2


@pytest.mark.slow
@settings(max_examples=20)
@given(changes(rated=True), st.booleans())
def test_every_order_is_tried_before_the_goal_is_given_up(case, momentary_parallel):
    grid, start, goal = case
    rules = Rules(momentary_parallel=momentary_parallel)
    sequence = plan_sequence(grid, start, goal, rules)
    assert replay(grid, sequence, rules) == ()
    safe = 0
    for order in permutations(np.flatnonzero(start != goal).tolist()):
        safe += replay(grid, in_order(start, goal, order), rules) == ()
    assert (sequence.fallback == "none") == (safe > 0)
    assert sequence.is_fit and (sequence.fallback == "none") == (sequence.reason == "")


@settings(max_examples=20)
@given(changes(rated=True))
def test_a_narrow_search_is_safe_as_well(case):
    grid, start, goal = case
    rules = Rules(exact_moves_max=1, width=1)
    sequence = plan_sequence(grid, start, goal, rules)
    assert replay(grid, sequence, rules) == () and not sequence.is_exact
    exact = plan_sequence(grid, start, goal)
    left = (sequence.reached != goal).sum()
    assert left >= (exact.reached != goal).sum()


@pytest.mark.parametrize(
    ("rules", "most"), [(Rules(), 2**4), (Rules(exact_moves_max=3, width=1), 4 + 3 + 2 + 1)]
)
def test_a_search_judges_each_set_once_and_a_narrow_one_a_few(monkeypatch, rules, most):
    ends = [*RING, (0, 5), (5, 6), (0, 7), (7, 8), (6, 8)]
    both = make(ends, 9)
    judged = []

    def look(operation, closed):
        judged.append(closed.tobytes())
        return find_topology_violations(operation, closed)

    monkeypatch.setattr("gridcommons.switching.sequence.find_topology_violations", look)
    sequence = plan_sequence(both, positions(both, 4, 9), positions(both, 1, 6), rules)
    assert sequence.fallback == "none" and len(set(judged)) == len(judged)
    assert len(judged) <= most + (most < 16)


def test_replay_finds_what_is_wrong():
    ring = make(RING, 5)
    good = plan_sequence(ring, positions(ring, 4), positions(ring, 1))
    naive = replace(good, steps=good.steps[::-1])
    assert replay(ring, naive) == ("step 1: column 1 is cut off",)
    assert replay(ring, good, Rules(momentary_parallel=False)) == ("step 1: 1 loops or sources in parallel",)
    half = replace(good, steps=good.steps[:1], reached=positions(ring))
    assert len(replay(ring, half)) == 2
    twice = replace(good, steps=(good.steps[0], *good.steps))
    assert "step 2 does not move line 4" in replay(ring, twice)
    wrong = replace(good, reached=good.start)
    assert "the steps do not lead to the positions reached" in replay(ring, wrong)
