"""Switches of the day: they follow what is expected, and only where promises hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import EXACT, field_of, otherwise
from gridcommons.adapters.studies.files import load_study
from gridcommons.day.expectation import expected_power
from gridcommons.day.switching import _kept_promises, clusters_of, follow_balances
from gridcommons.day.timeline import Stages, instruments_of, run_day
from gridcommons.model.switches import positions
from gridcommons.tasks import default_engines, run


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


def test_a_topology_that_breaks_a_limit_further_is_refused(study):
    """Nobody else has said no: the positions that are wanted are held against the load flow here."""
    field = field_with(study)
    day, start = lived(field), positions(study.switches)
    wanted = day.switched.closed
    moved = np.flatnonzero((wanted & ~start).any(axis=0))
    power = expected_power(field, day.done)
    assert not _kept_promises(field, day.done, power, (wanted, start)).refused.any()
    thin = field_with(with_thin_links(study, moved))
    found = _kept_promises(thin, day.done, power, (wanted, start))
    assert found.refused.any() and (found.closed[found.refused] == start).all()


def test_what_becomes_known_later_moves_no_switch_before(study):
    field = field_with(study)
    step = study.time.steps // 2
    here, there = (lived(each).switched.closed for each in (field, otherwise(field, step)))
    assert np.array_equal(here[: step + 1], there[: step + 1])


def test_expectations_are_forecasts_of_what_nobody_controls(study):
    field = field_with(study)
    done = lived(field, "trading").done
    p_kw, q_kvar = expected_power(field, done)
    np.testing.assert_array_equal(p_kw, field.net_kw(field.information.nowcast()))
    assert (p_kw != done.p_kw).any()
    exact = field_with(study, **EXACT)
    sure = lived(exact, "trading").done
    np.testing.assert_allclose(expected_power(exact, sure)[0], sure.p_kw, atol=1e-9)
    np.testing.assert_allclose(expected_power(exact, sure)[1], sure.q_kvar, atol=1e-9)
    assert clusters_of(field)[1].graph.clusters
    assert follow_balances(exact, sure).closed.dtype == np.bool_ and q_kvar.shape == p_kw.shape


def test_refusals_are_told(study):
    """In the table of what each instrument did."""
    rows = run(replace(study, tasks={**study.tasks, "day": {}}), "day").tables["day_instruments"]
    assert rows["switches_refused"].tolist() == [0.0] * study.time.steps
    assert rows["switches_moved"].sum() > 0
