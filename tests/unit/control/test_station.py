"""The year's load flow at the station: losses, extremes and what counts as broken, over several batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control_study import control_study
from gridcommons.control.congestion import monitor
from gridcommons.control.households import make_households
from gridcommons.control.station import STEPS_AT_ONCE, flow_year, view_grid
from gridcommons.model.grid import FixedInjections
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import Injections

DAYS = 14


@pytest.fixture(scope="module")
def study():
    return control_study(days=DAYS)


@pytest.fixture(scope="module")
def homes(study):
    return make_households(study, study.community, with_stores=False)


def powers(study, homes):
    """More than one batch, the worst interval in the second."""
    p_kw = np.tile(np.array([[3.0], [2.0], [1.0], [-1.0]]), (1, study.time.steps))
    p_kw[:, STEPS_AT_ONCE + 7] = 9.0
    p_kw[:, STEPS_AT_ONCE + 9] = -9.0
    p_kw[:, 5] = 4.0
    return p_kw, 0.2 * p_kw


def with_fixed(study, p_kw=5.0):
    fixed = FixedInjections(("lamp",), np.array([2]), np.array([p_kw]), np.array([1.0]))
    return replace(study, grid=replace(study.grid, fixed=fixed))


def test_the_station_is_the_sources_power_and_the_idle_grid_is_without_losses_of_load(study, homes):
    lit = with_fixed(study)
    view = view_grid(lit, "helm")
    p_kw, q_kvar = powers(study, homes)
    year = flow_year(view, homes, p_kw, q_kvar)
    flow = solve_power_flow(build_network(lit.grid), Injections(homes.bus, p_kw.T, q_kvar.T))
    np.testing.assert_allclose(year.p_kw, p_kw.sum(axis=0) + 5.0 + flow.losses_kw(), atol=1e-6)
    # Without load the grid of this study loses what its fixed lamp causes, and nothing else.
    nothing = np.zeros((1, 4))
    lone = solve_power_flow(build_network(lit.grid), Injections(homes.bus, nothing, nothing))
    assert view.idle_kw == pytest.approx(lone.losses_kw()[0], abs=1e-6) and view.idle_kw > 0.0
    np.testing.assert_allclose(year.dc_kw, p_kw.sum(axis=0) + 5.0 + view.idle_kw, atol=1e-12)


def test_extremes_are_found_in_every_batch_with_their_interval(study, homes):
    p_kw, q_kvar = powers(study, homes)
    year = flow_year(view_grid(study, "helm"), homes, p_kw, q_kvar)
    flow = solve_power_flow(build_network(study.grid), Injections(homes.bus, p_kw.T, q_kvar.T))
    vm = flow.vm_pu()
    np.testing.assert_array_equal(year.extremes.step["vm_min_pu"][1:], STEPS_AT_ONCE + 7)
    np.testing.assert_array_equal(year.extremes.step["vm_max_pu"][1:], STEPS_AT_ONCE + 9)
    np.testing.assert_allclose(year.extremes.value["vm_min_pu"], vm.min(axis=0))
    np.testing.assert_allclose(year.extremes.value["vm_max_pu"], vm.max(axis=0))


def test_broken_intervals_add_up_over_batches_under_limits_that_change(study, homes):
    steps = study.time.steps
    lowest = np.full((steps, 5), 0.9)
    lowest[5, 4], lowest[STEPS_AT_ONCE + 7, 4], lowest[STEPS_AT_ONCE + 8, 4] = 1.0, 1.0, 1.2
    strict = replace(study, limits=replace(study.limits, vm_min_pu=lowest))
    p_kw, q_kvar = powers(study, homes)
    year = flow_year(view_grid(strict, "helm"), homes, p_kw, q_kvar)
    broken = np.flatnonzero(year.extremes.any_broken)
    assert broken.tolist() == [5, STEPS_AT_ONCE + 7, STEPS_AT_ONCE + 8]
    assert year.extremes.intervals["vm_min_pu"].tolist() == [0, 0, 0, 0, 3]


def test_an_interval_without_load_flow_has_no_station_load_and_counts_as_broken(study, homes):
    p_kw, q_kvar = powers(study, homes)
    p_kw[3, 20] = 5000.0
    year = flow_year(view_grid(study, "helm"), homes, p_kw, q_kvar)
    assert np.flatnonzero(np.isnan(year.p_kw)).tolist() == [20] and year.extremes.any_broken[20]


def test_a_branch_is_held_at_its_rated_power_its_own_limit_and_time():
    study = control_study(rating_ka=0.02)
    loading = np.full((study.time.steps, 4), 100.0)
    loading[:, 1], loading[7, 1] = 80.0, 40.0
    study = with_fixed(replace(study, limits=replace(study.limits, loading_max_percent=loading)), 2.0)
    homes = make_households(study, study.community, with_stores=True)
    watched = monitor(view_grid(study, "helm"), homes, branches=True, station_limit_kw=30.0)
    rated_kw = np.sqrt(3.0) * 0.4 * 0.02 * 1e3
    assert watched.name == ("line 1", "line 2", "line 3", "line 4", "station")
    np.testing.assert_allclose(watched.limit_kw[0], [rated_kw, 0.8 * rated_kw, rated_kw, rated_kw, 30.0])
    np.testing.assert_allclose(watched.limit_kw[7, 1], 0.4 * rated_kw)
    # The lamp at bus 2 hangs behind lines 1 and 2; the station carries the idle grid, too.
    idle_kw = view_grid(study, "helm").idle_kw
    np.testing.assert_allclose(watched.fixed_kw, [2.0, 2.0, 0.0, 0.0, 2.0 + idle_kw], atol=1e-12)
    np.testing.assert_allclose(watched.factor[3], [0.0, 0.0, 0.0, 1.0], atol=1e-12)


def test_only_what_the_households_can_reach_is_watched():
    study = control_study(rating_ka=0.06)
    homes = make_households(study, study.community, with_stores=True)
    watched = monitor(view_grid(study, "helm"), homes, branches=True, station_limit_kw=None)
    # 41.6 kW: one home could reach 11 (car) + 11 (debt) + 3 (pump) + 8 (battery) + load and sun, two surely.
    assert set(watched.name) >= {"line 1", "line 2", "line 3"}
    wide = control_study(rating_ka=10.0)
    assert monitor(view_grid(wide, "helm"), homes, branches=True, station_limit_kw=None).name == ()
