"""The load flow of a plan: what it breaks beyond which thresholds, and whose load it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flexibility_study import PARENTS, VN_KV, flexibility_study, prepared
from gridcommons.flexibility.check import (
    FIXED_LOAD,
    causes,
    check_plan,
    find_violations,
    flow_of,
    shift_factors,
    view_grid,
    voltage_gradients,
)
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import NotConvergedError

Z_PU = complex(0.26, 0.027) * 0.75 / VN_KV**2
"""Of every line, at 1 MVA."""


def sweep(load_kw, load_kvar):
    """Backward and forward sweep of the feeder at one interval: voltages, and current into each line [pu]."""
    count = len(PARENTS) + 1
    v = np.ones(count, dtype=complex)
    for _ in range(60):
        drawn = np.conj((load_kw + 1j * load_kvar) / 1e3 / v)
        current = drawn[1:].copy()
        for line in range(count - 2, -1, -1):
            if PARENTS[line]:
                current[PARENTS[line] - 1] += current[line]
        for line in range(count - 1):
            v[line + 1] = v[PARENTS[line]] - Z_PU * current[line]
    return v, current


@pytest.fixture(scope="module")
def base():
    return prepared(flexibility_study(fixed_kw=250.0))


def with_band(study, low, high=1.1):
    return replace(study, limits=voltage_band(study.grid, low, high))


@pytest.mark.parametrize("tan", [0.0, 0.4])
def test_load_flow_of_a_plan_is_that_of_a_sweep(base, tan):
    _, view, fleet, plan_kw, _ = base
    fleet = replace(fleet, tan=np.full(len(fleet), tan), fixed_kvar=tan * fleet.fixed_kw)
    state = check_plan(view, fleet, plan_kw)
    load_kw, load_kvar = fleet.bus_load(plan_kw)
    assert load_kvar.any() == (tan > 0.0)
    for step in range(24):
        v, current = sweep(load_kw[:, step], load_kvar[:, step])
        np.testing.assert_allclose(state.vm_pu[step], np.abs(v), atol=1e-8)
        np.testing.assert_allclose(state.carried_kw[step], np.abs(current) * 1e3, rtol=1e-6)


def test_bus_load_is_fixed_load_and_every_device_with_its_power_factor(base):
    _, _, fleet, plan_kw, _ = base
    leaning = replace(fleet, tan=np.full(len(fleet), 0.25))
    load_kw, load_kvar = leaning.bus_load(plan_kw)
    for bus in range(5):
        here = fleet.bus == bus
        moved_kw = plan_kw[here].sum(axis=0)
        np.testing.assert_allclose(load_kw[bus], fleet.fixed_kw[bus] + moved_kw)
        np.testing.assert_allclose(load_kvar[bus], fleet.fixed_kvar[bus] + 0.25 * moved_kw)


@pytest.mark.parametrize(("excess_kw", "hours"), [(0.09, 0), (0.11, 1)])
def test_a_line_is_broken_from_a_tenth_of_a_kilowatt_on(base, excess_kw, hours):
    *_, state = base
    carried_kw = state.carried_kw[:, 1]
    rated = [1e4, carried_kw.max() - excess_kw, 1e4, 1e4]
    *_, after = prepared(flexibility_study(fixed_kw=250.0, rated_kw=tuple(rated)))
    found = find_violations(after)
    assert len(found) == hours
    if hours:
        step = int(carried_kw.argmax())
        assert (found.step[0], found.index[0], found.element[0]) == (step, 1, "line 1")
        assert found.kind == ("loading_max_percent",)
        assert found.excess_kw[0] == pytest.approx(excess_kw, abs=1e-6)
        assert found.value[0] == pytest.approx(100.0 * carried_kw.max() / rated[1])
        assert found.limit[0] == 100.0


def test_a_line_may_carry_its_share_of_its_rating(base):
    *_, state = base
    study = flexibility_study(fixed_kw=250.0, rated_kw=(1e4, 1e4, 2000.0, 1e4))
    percent = study.limits.loading_max_percent.copy()
    carried_kw = state.carried_kw[:, 2]
    percent[0, 2] = 100.0 * (carried_kw.max() - 7.0) / 2000.0
    *_, after = prepared(replace(study, limits=replace(study.limits, loading_max_percent=percent)))
    found = find_violations(after)
    assert set(found.element) == {"line 2"}
    assert found.excess_kw.max() == pytest.approx(7.0, abs=1e-6)
    np.testing.assert_array_equal(found.step, np.flatnonzero(carried_kw > carried_kw.max() - 6.9))
    np.testing.assert_allclose(found.limit, percent[0, 2])


@pytest.mark.parametrize(("beyond_pu", "rows"), [(0.9e-5, 0), (1.1e-5, 1)])
@pytest.mark.parametrize("kind", ["vm_min_pu", "vm_max_pu"])
def test_a_voltage_is_broken_from_a_hundred_thousandth_on(base, kind, beyond_pu, rows):
    *_, state = base
    vm_pu = state.vm_pu
    if kind == "vm_min_pu":
        step, bus = np.unravel_index(vm_pu.argmin(), vm_pu.shape)
        band = (vm_pu.min() + beyond_pu, 1.1)
    else:
        # Only b4 is looked at: its highest voltage lies below that of the source.
        step, bus = vm_pu[:, 4].argmax(), 4
        band = (0.9, np.array([1.1, 1.1, 1.1, 1.1, vm_pu[:, 4].max() - beyond_pu]))
    found = find_violations(check_with(base, band))
    assert len(found) == rows
    if rows:
        assert (found.step[0], found.index[0], found.kind[0]) == (step, bus, kind)
        assert found.element == (f"b{bus}",)
        assert found.value[0] == pytest.approx(vm_pu[step, bus])
        assert np.isnan(found.excess_kw[0])


def check_with(base, band):
    _, view, fleet, plan_kw, _ = base
    study = with_band(view.study, 0.9)
    limits = replace(
        study.limits,
        vm_min_pu=np.full((1, 5), band[0]),
        vm_max_pu=np.broadcast_to(np.asarray(band[1], dtype=float), (1, 5)).copy(),
    )
    return check_plan(view_grid(replace(study, limits=limits), "helm"), fleet, plan_kw)


def test_a_limit_that_changes_in_time_is_read_at_its_own_interval(base):
    _, view, fleet, plan_kw, state = base
    low = np.full((24, 5), 0.9)
    low[5, 3] = 0.9999
    study = replace(view.study, limits=replace(view.study.limits, vm_min_pu=low))
    found = find_violations(check_plan(view_grid(study, "helm"), fleet, plan_kw))
    assert found.step.tolist() == [5]
    assert found.element == ("b3",)
    assert found.limit[0] == 0.9999
    assert found.value[0] == pytest.approx(state.vm_pu[5, 3])


def test_violations_come_by_interval_then_by_kind(base):
    *_, state = base
    carried_kw = state.carried_kw.max(axis=0)
    low = float(np.sort(state.vm_pu[:, 4])[4])
    study = flexibility_study(
        fixed_kw=250.0, rated_kw=tuple(0.9 * carried_kw[:2]) + (1e4, 1e4), vm_band=(low, 1.1)
    )
    *_, after = prepared(study)
    found = find_violations(after)
    kinds = ("vm_min_pu", "vm_max_pu", "loading_max_percent")
    order = [
        (step, kinds.index(kind), index)
        for step, kind, index in zip(found.step, found.kind, found.index, strict=True)
    ]
    assert order == sorted(order)
    assert len(set(found.kind)) == 2
    np.testing.assert_array_equal(np.isnan(found.excess_kw), np.array(found.kind) == "vm_min_pu")


def test_load_that_the_grid_cannot_carry_names_the_local_hour(base):
    _, view, fleet, plan_kw, _ = base
    load_kw, load_kvar = fleet.bus_load(plan_kw)
    load_kw = load_kw.copy()
    load_kw[4, 7] = 1e7
    time = replace(view.study.time, timezone="Europe/Copenhagen")
    study = replace(view.study, profiles=replace(view.study.profiles, time=time))
    with pytest.raises(NotConvergedError, match=r"2024-01-10 08:00, 10,0\d\d,\d\d\d kW in all"):
        flow_of(view_grid(study, "helm"), load_kw, load_kvar)


# Whose load it is


def broken(base, line=0, share=0.8, feed_in=False):
    """A state with one line broken at its peak; with ``feed_in`` by power that flows back."""
    _, view, fleet, plan_kw, state = base
    if feed_in:
        fleet = replace(fleet, fixed_kw=-2.0 * fleet.fixed_kw)
        state = check_plan(view, fleet, plan_kw)
    rated = [1e4] * 4
    rated[line] = share * state.carried_kw[:, line].max()
    study = flexibility_study(fixed_kw=250.0, rated_kw=tuple(rated))
    state = check_plan(view_grid(study, "helm"), fleet, plan_kw)
    return fleet, plan_kw, state, find_violations(state)


@pytest.mark.parametrize(("line", "behind"), [(0, (1, 2, 3, 4)), (1, (2, 3, 4)), (2, (3,))])
def test_causes_of_a_broken_line_are_the_load_behind_it(base, line, behind):
    fleet, plan_kw, state, found = broken(base, line)
    assert len(found) > 0
    parties, part = causes(state, fleet, plan_kw, found)
    assert parties == (FIXED_LOAD, "ag0", "ag1", "ag2", "ag3")
    np.testing.assert_allclose(part.sum(axis=1), state.load_kw[list(behind)][:, found.step].sum(axis=0))
    np.testing.assert_allclose(part[:, 0], fleet.fixed_kw[list(behind)][:, found.step].sum(axis=0))
    for column, party in enumerate(parties[1:], 1):
        mine = np.isin(fleet.bus, behind) & (np.array(fleet.aggregator) == party)
        np.testing.assert_allclose(part[:, column], plan_kw[mine][:, found.step].sum(axis=0), atol=1e-9)
    sent_kw = state.flow.p_from_kw()[found.step, found.index]
    losses_share = 1.0 - part.sum(axis=1) / sent_kw
    assert losses_share.min() > 0.0
    assert losses_share.max() < 0.02


def test_causes_of_a_line_that_carries_power_back_are_who_feeds_in(base):
    fleet, plan_kw, state, found = broken(base, feed_in=True)
    assert len(found) > 0
    assert (state.direction[found.step, 0] == -1.0).all()
    parties, part = causes(state, fleet, plan_kw, found)
    np.testing.assert_allclose(part.sum(axis=1), -state.load_kw[1:, found.step].sum(axis=0))
    assert (part[:, 0] > 0.0).all()
    assert (part[:, 1:] <= 1e-9).all()


def test_causes_of_a_voltage_weigh_load_by_its_effect(base):
    """Whole at the bus that moves the voltage most; elsewhere by the resistance that both share."""
    _, view, fleet, plan_kw, state = base
    low = state.vm_pu[:, 3].min() + 2e-5
    limits = replace(view.study.limits, vm_min_pu=np.array([[0.9, 0.9, 0.9, low, 0.9]]))
    state = check_plan(view_grid(replace(view.study, limits=limits), "helm"), fleet, plan_kw)
    found = find_violations(state)
    assert set(found.element) == {"b3"}
    _, part = causes(state, fleet, plan_kw, found)
    # Sections that b3 shares with b1, b2, b3, b4: 1, 2, 3, 2 of its 3.
    weight = np.array([0.0, 1.0, 2.0, 3.0, 2.0]) / 3.0
    for row, step in enumerate(found.step):
        np.testing.assert_allclose(part[row, 0], weight @ fleet.fixed_kw[:, step], rtol=5e-3)
        np.testing.assert_allclose(part[row].sum(), weight @ state.load_kw[:, step], rtol=5e-3)


# How the grid answers to load


def moved_state(base, bus, change_kw):
    _, view, fleet, plan_kw, _ = base
    load_kw, load_kvar = fleet.bus_load(plan_kw)
    load_kw = load_kw.copy()
    load_kw[bus] += change_kw
    return flow_of(view, load_kw, load_kvar)


def test_voltage_gradients_are_differences_of_load_flows(base):
    *_, state = base
    steps, bus = np.array([3, 18, 18]), np.array([4, 3, 1])
    exact = voltage_gradients(state, steps, bus, np.arange(5))
    for drawn in range(1, 5):
        up, down = moved_state(base, drawn, 1.0), moved_state(base, drawn, -1.0)
        slope = (up.vm_pu[steps, bus] - down.vm_pu[steps, bus]) / 2.0
        np.testing.assert_allclose(exact[:, drawn], slope, rtol=1e-6)
    assert (exact[:, 1:] < 0.0).all()
    assert not exact[:, 0].any(), "load at the source moves no voltage"


def test_the_source_has_no_gradient(base):
    *_, state = base
    assert not voltage_gradients(state, np.array([4]), np.array([0]), np.arange(5)).any()


def test_the_answer_of_voltages_is_right_to_first_order(base):
    *_, state = base
    change_kw = np.array([0.0, 30.0, 0.0, -20.0, 50.0])
    errors = []
    for scale in (1.0, 0.5):
        _, view, fleet, plan_kw, _ = base
        load_kw, load_kvar = fleet.bus_load(plan_kw)
        after = flow_of(view, load_kw + scale * change_kw[:, None], load_kvar)
        answer = state.voltage_answer(18, np.arange(5), scale * change_kw)
        assert answer[0] == 0.0
        errors.append(np.abs(after.vm_pu[18] - state.vm_pu[18] - answer).max())
    assert errors[0] < 1e-6
    assert errors[1] == pytest.approx(errors[0] / 4.0, rel=0.05)


def test_factors_have_the_sign_of_the_limit(base):
    """More load: more on a line that carries to it, less on one that carries back, a lower voltage."""
    fleet, plan_kw, state, found = broken(base, line=1)
    factor = shift_factors(state, found, np.arange(5))
    np.testing.assert_allclose(factor, np.tile([0.0, 0.0, 1.0, 1.0, 1.0], (len(found), 1)), atol=1e-12)
    *_, state, found = broken(base, line=1, feed_in=True)
    factor = shift_factors(state, found, np.arange(5))
    np.testing.assert_allclose(factor, -np.tile([0.0, 0.0, 1.0, 1.0, 1.0], (len(found), 1)), atol=1e-12)
    state = check_with(base, (base[4].vm_pu.min() + 2e-5, 1.1))
    low = find_violations(state)
    assert (shift_factors(state, low, np.arange(1, 5)) > 0.0).all()
    state = check_with(base, (0.9, np.array([1.1, 1.1, 1.1, 1.1, base[4].vm_pu[:, 4].max() - 2e-5])))
    high = find_violations(state)
    assert (shift_factors(state, high, np.arange(1, 5)) < 0.0).all()
