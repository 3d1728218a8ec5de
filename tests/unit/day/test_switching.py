"""Switches of the day: they follow what is expected, and only where promises hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import EXACT, field_of, otherwise
from gridcommons.adapters.studies.files import load_study
from gridcommons.day.day_ahead import plan_alone
from gridcommons.day.envelope_issuer import Issuer
from gridcommons.day.expectation import expected_power
from gridcommons.day.real_time import live_the_day
from gridcommons.day.switching import (
    Course,
    Follower,
    clusters_of,
    follow_balances,
    live_with_switches,
)
from gridcommons.day.timeline import Stages, instruments_of, run_day
from gridcommons.model.switches import positions
from gridcommons.tasks import default_engines, run
from switched_day import switched_field, switched_study


@pytest.fixture(scope="module")
def study(examples):
    return load_study(examples / "two_clusters")


def field_with(study, **settings):
    engines = default_engines()
    named = {name: getattr(engines, name) for name in ("switch_controller", "method")}
    return field_of(replace(study, tasks={**study.tasks, "day": settings}), **named)


def lived(field, *instruments):
    return run_day(Stages(field), instruments or instruments_of(field))


def test_the_day_moves_switches_that_the_study_has(study):
    field = field_with(study)
    assert "switching" in instruments_of(field)
    day = lived(field)
    assert day.switched.closed.shape == (study.time.steps, len(study.switches))
    assert (day.switched.closed != positions(study.switches)).any()
    assert not day.switched.refused.any()


def test_without_switches_there_is_nothing_to_switch(study):
    assert "switching" not in instruments_of(field_with(replace(study, switches=())))


def with_thin_links(study, moved):
    """The study in which some switches carry a milliampere and no more."""
    rows = [row for k in moved for row in study.switches[k].branches]
    branches = study.grid.branches
    ends = {name: getattr(branches, name).copy() for name in ("i_max_from_ka", "i_max_to_ka")}
    for rated in ends.values():
        rated[rows] = 1e-6
    limits = replace(study.limits, loading_max_percent=np.full_like(study.limits.loading_max_percent, 100.0))
    return replace(study, grid=replace(study.grid, branches=replace(branches, **ends)), limits=limits)


def test_a_change_that_would_break_a_limit_is_not_made(study):
    day = lived(field_with(study))
    start, free = positions(study.switches), day.switched.closed
    moved = np.flatnonzero((free & ~start).any(axis=0))
    assert len(moved)
    narrow = lived(field_with(with_thin_links(study, moved))).switched.closed
    assert not narrow[:, moved].any()


def test_a_topology_that_breaks_a_limit_further_is_refused(study, monkeypatch):
    """Nobody else has said no: the positions that are wanted are held against the load flow here."""
    field = field_with(study)
    day, start = lived(field), positions(study.switches)
    wanted = day.switched.closed
    moved = np.flatnonzero((wanted & ~start).any(axis=0))
    rest = Course.at_rest(field)
    free = Follower(field, day.live, day.done)
    assert not free.follow(rest).refused.any()
    thin = Follower(field_with(with_thin_links(study, moved)), day.live, day.done)
    monkeypatch.setattr(Follower, "wanted", lambda self, step, now: wanted[step])
    found = thin.follow(rest)
    assert found.refused.any() and (found.closed[found.refused] == start).all()


def test_what_becomes_known_later_moves_no_switch_before(study):
    field = field_with(study)
    step = study.time.steps // 2
    here, there = (lived(each).switched.closed for each in (field, otherwise(field, step)))
    assert np.array_equal(here[: step + 1], there[: step + 1])


def test_expectations_are_forecasts_of_what_nobody_controls(study):
    field = field_with(study)
    day = lived(field, "trading")
    p_kw, q_kvar = expected_power(field, day.live, day.done)
    np.testing.assert_array_equal(p_kw, field.net_kw(field.information.nowcast()))
    assert (p_kw != day.done.p_kw).any()
    exact = field_with(study, **EXACT)
    sure = lived(exact, "trading")
    known_kw, known_kvar = expected_power(exact, sure.live, sure.done)
    np.testing.assert_allclose(known_kw, sure.done.p_kw, atol=1e-9)
    np.testing.assert_allclose(known_kvar, sure.done.q_kvar, atol=1e-9)
    assert clusters_of(field)[1].graph.clusters
    assert (
        follow_balances(exact, sure.live, sure.done).closed.dtype == np.bool_ and q_kvar.shape == p_kw.shape
    )


def test_refusals_are_told(study):
    """In the table of what each instrument did."""
    result = run(replace(study, tasks={**study.tasks, "day": {}}), "day")
    rows = result.tables["day_instruments"]
    assert rows["switches_refused"].tolist() == [0.0] * (4 * study.time.steps)
    assert rows["switches_moved"].sum() > 0
    states = result.tables["switch_states"]
    first = states[states["time"] == states["time"].min()]["closed"].to_numpy()
    # What moves as the day begins is counted, too.
    assert rows["switches_moved"].iloc[0] == (first != positions(study.switches)).sum() == 2
    assert result.summary["switches_moved"] == rows["switches_moved"].sum()
    assert result.provenance["step_minutes"] == 15


# Envelopes on the topology of each interval

RATINGS = ((55.0, 55.0, 40.0), (45.0, 45.0, 25.0), (80.0, 40.0, 60.0))


def interval_by_interval(issuer):
    """The order of a round written out, one interval after the other, each with all before it settled."""
    field, planned = issuer.field, issuer.planned
    now = positions(field.study.switches)
    ground = np.tile(now, (field.study.time.steps, 1))
    closed, refused = ground.copy(), np.zeros(len(ground), dtype=bool)

    def asked(step, of):
        ground[step] = of
        done = live_the_day(field, planned, None, control=True, issued=issuer.on(ground))
        follower = Follower(field, planned, done, issuer)
        return follower, follower.wanted(step, now)

    for step in range(len(ground)):
        follower, goal = asked(step, now)
        if (goal != now).any() and follower._is_worse(step, now, goal):
            again, still = asked(step, goal)
            if (still != goal).any() or not again._may_follow(step, now, goal):
                ground[step], refused[step], goal = now, True, now
        closed[step] = now = goal
    return ground, closed, refused


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rated_kw", RATINGS)
def test_all_intervals_at_once_are_as_one_after_the_other(study, seed, rated_kw):
    field = switched_field(switched_study(study, seed, rated_kw=rated_kw))
    issuer = Issuer(field, plan_alone(field), field.information.nowcast())
    ground, closed, refused = interval_by_interval(issuer)
    done, switched = live_with_switches(issuer, None, control=True)
    assert np.array_equal(switched.closed, closed) and np.array_equal(switched.refused, refused)
    issued = issuer.on(ground)
    assert done.p_max_kw.tobytes() == issued.p_max_kw.tobytes()
    assert done.p_min_kw.tobytes() == issued.p_min_kw.tobytes()


@pytest.fixture(scope="module")
def switched_days(study):
    """Days of many kinds, with the topologies for which envelopes were issued."""
    found = []
    for seed in range(10):
        field = switched_field(switched_study(study, seed, rated_kw=RATINGS[seed % 3]))
        issuer = Issuer(field, plan_alone(field), field.information.nowcast())
        found.append((field, issuer, *live_with_switches(issuer, None, control=True)))
    return found


def topology_of(issuer, done, step, before, after):
    """For which of two positions the envelopes of an interval are issued."""
    for name, of in (("before", before), ("after", after)):
        issued = issuer.on(np.tile(of, (len(done.p_kw), 1)))
        if np.array_equal(issued.p_max_kw[step], done.p_max_kw[step]) and np.array_equal(
            issued.p_min_kw[step], done.p_min_kw[step]
        ):
            return name
    return "neither"


def test_envelopes_are_those_of_the_present_topology_or_of_the_one_that_is_taken(switched_days):
    kinds = []
    for field, issuer, done, switched in switched_days:
        now = positions(field.study.switches)
        for step, closed in enumerate(switched.closed):
            kind = topology_of(issuer, done, step, now, closed)
            assert kind == "before" or (kind == "after" and (closed != now).any())
            kinds.append((kind, bool((closed != now).any()), bool(switched.refused[step])))
            now = closed
    # All that a round can come to was met.
    assert {("before", True, False), ("after", True, False), ("before", False, True)} <= set(kinds)


def worst_of_ends(field, done, closed):
    """By how much loadings and voltages are broken by all upper ends, or all lower ones, (steps,)."""
    known, limits = field.information.nowcast(), field.limits
    worst = np.full(len(done.p_kw), -np.inf)
    for end in (done.p_max_kw, done.p_min_kw):
        p_kw = np.where(np.isfinite(end), end, field.net_kw(known))
        flow = field.flow(p_kw, p_kw * field.tan, closed)
        over = np.nanmax(flow.loading_percent - limits.loading_max_percent, axis=1) / 100.0
        low = np.nanmax(limits.vm_min_pu - flow.vm_pu, axis=1)
        high = np.nanmax(flow.vm_pu - limits.vm_max_pu, axis=1)
        worst = np.maximum(worst, np.maximum(over, np.maximum(low, high)))
    return worst


def test_what_was_promised_holds_on_the_topology_that_is_taken(switched_days):
    """At both ends of the envelopes, unless what nobody can move breaks as much where it was."""
    held = 0
    for field, _, done, switched in switched_days:
        worst = worst_of_ends(field, done, switched.closed)
        start = positions(field.study.switches)
        before = np.vstack([start, switched.closed[:-1]])
        as_it_was = worst_of_ends(field, done, before)
        assert (worst <= np.maximum(as_it_was, 0.0) + 2e-6).all()
        held += int((worst <= 2e-6).sum())
    assert held > 60


@pytest.mark.parametrize("seed", range(3))
def test_nothing_of_an_interval_changes_envelopes_or_switches_before_it(study, seed):
    here = switched_field(switched_study(study, seed, rated_kw=RATINGS[1]))
    for step in (3, 7):
        days = [lived(each) for each in (here, otherwise(here, step))]
        closed, ends = (
            [getattr(part, name) for part in parts]
            for parts, name in (
                ([day.switched for day in days], "closed"),
                ([day.done for day in days], "p_max_kw"),
            )
        )
        assert np.array_equal(closed[0][: step + 1], closed[1][: step + 1])
        assert np.array_equal(ends[0][: step + 1], ends[1][: step + 1])
