"""The grid as linear rows: what they predict, which are there, and which way they point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.flexibility.check import check_plan, flow_of, view_grid
from gridcommons.flexibility.limits import linear_limits

PEAK = 18


@pytest.fixture(scope="module")
def base():
    return prepared(flexibility_study(fixed_kw=250.0))


def rows_of(state, fleet, reach_kw=0.0, margin=(0.0, 0.0)):
    reach = np.full((len(fleet.load_points), 24), reach_kw)
    return linear_limits(state, fleet.load_points, reach, margin)


def changed(view, fleet, plan_kw, change_kw):
    """Load flow with more load at the load points, shape (load points, steps)."""
    load_kw, load_kvar = fleet.bus_load(plan_kw)
    load_kw = load_kw.copy()
    load_kw[fleet.load_points] += change_kw
    return flow_of(view, load_kw, load_kvar)


def by_key(rows):
    return {key: row for row, key in enumerate(zip(rows.element, rows.kind, rows.step.tolist(), strict=True))}


@pytest.mark.parametrize("seed", range(3))
def test_rooms_foretell_the_load_flow_of_a_small_change(base, seed):
    """Lines within losses and voltages, voltages to second order."""
    low = float(base[4].vm_pu.min()) + 1e-4
    study = flexibility_study(fixed_kw=250.0, rated_kw=(1500.0, 1000.0, 400.0, 400.0), vm_band=(low, 1.1))
    _, view, fleet, plan_kw, state = prepared(study)
    change_kw = np.random.default_rng(seed).uniform(-20.0, 20.0, (len(fleet.load_points), 24))
    rows = rows_of(state, fleet, 500.0)
    predicted_kw = rows.room_kw - np.einsum("rn,nr->r", rows.matrix, change_kw[:, rows.step])
    moved_kw = np.abs(change_kw).sum(axis=0)[rows.step]
    after = rows_of(changed(view, fleet, plan_kw, change_kw), fleet, 500.0)
    now, seen = by_key(after), set()
    for key, row in by_key(rows).items():
        # Loads reach a line at less than nominal voltage and with losses; of a voltage, the kW that it is
        # counted in change a little. Exact to second order: below.
        assert abs(after.room_kw[now[key]] - predicted_kw[row]) <= 0.03 * moved_kw[row]
        seen.add(key[1])
    assert seen == {"loading_max_percent", "vm_min_pu"}


def test_a_voltage_row_is_exact_to_second_order(base):
    _, view, fleet, plan_kw, state = base
    low = float(state.vm_pu[:, 4].min()) - 1e-5
    limits = replace(view.study.limits, vm_min_pu=np.array([[0.9, 0.9, 0.9, 0.9, low]]))
    view = view_grid(replace(view.study, limits=limits), "helm")
    state = check_plan(view, fleet, plan_kw)
    rows = rows_of(state, fleet, 100.0)
    row = by_key(rows)["b4", "vm_min_pu", PEAK]
    scale = (state.vm_pu[PEAK, 4] - low) / rows.room_kw[row]
    errors = []
    for size in (40.0, 20.0):
        change_kw = np.array([0.2, -0.4, 1.0, 0.6])[:, None] * size * np.ones((1, 24))
        after = changed(view, fleet, plan_kw, change_kw)
        predicted_pu = scale * (rows.room_kw[row] - rows.matrix[row] @ change_kw[:, PEAK])
        errors.append(abs(after.vm_pu[PEAK, 4] - low - predicted_pu))
    assert errors[0] < 1e-6
    assert errors[1] == pytest.approx(errors[0] / 4.0, rel=0.1)


def test_nothing_can_bind_where_nothing_is_rated(base):
    _, _, fleet, _, state = base
    assert len(rows_of(state, fleet, 100.0)) == 0


def test_rows_are_there_from_the_reach_that_breaks_them():
    _, _, fleet, _, state = prepared(flexibility_study(rated_kw=(1200.0, 1e5, 1e5, 1e5)))
    room_kw = 1200.0 - state.carried_kw[:, 0]
    order = np.sort(room_kw)
    # All four load points lie behind line 0: together they add four times their reach.
    for count in (0, 1, 5, 24):
        between_kw = [0.0, *order, 2.0 * order[-1]]
        reach_kw = (between_kw[count] + between_kw[count + 1]) / 2.0 / 4.0
        rows = rows_of(state, fleet, reach_kw)
        np.testing.assert_array_equal(rows.step, np.flatnonzero(room_kw < 4.0 * reach_kw))
        np.testing.assert_allclose(rows.room_kw, room_kw[rows.step])
        assert set(rows.element) <= {"line 0"}


def test_a_broken_limit_is_there_without_any_reach():
    _, _, fleet, _, state = prepared(squeezed(0.8, line=2))
    rows = rows_of(state, fleet)
    limit_kw = 0.8 * state.carried_kw[:, 2].max()
    np.testing.assert_array_equal(rows.step, np.flatnonzero(state.carried_kw[:, 2] > limit_kw))
    np.testing.assert_allclose(rows.room_kw, limit_kw - state.carried_kw[rows.step, 2])
    assert (rows.room_kw < 0.0).all()
    np.testing.assert_allclose(rows.matrix, np.tile([0.0, 0.0, 1.0, 0.0], (len(rows), 1)), atol=1e-12)
    assert rows.bus == ("b1", "b2", "b3", "b4")


@pytest.mark.parametrize("seed", range(4))
def test_no_limit_that_can_bind_is_missing(base, seed):
    """Whatever is drawn within the reach breaks no limit that has no row."""
    *_, state = base
    rng = np.random.default_rng(seed)
    carried_kw = state.carried_kw.max(axis=0)
    study = flexibility_study(
        fixed_kw=250.0,
        rated_kw=tuple(carried_kw * rng.uniform(0.9, 1.05, 4)),
        vm_band=(float(state.vm_pu.min()) - 5e-4, 1.1),
    )
    _, view, fleet, plan_kw, state = prepared(study)
    reach_kw = rng.uniform(0.0, 120.0, (4, 24))
    there = set(by_key(linear_limits(state, fleet.load_points, reach_kw)))
    broken = 0
    for share in (1.0, rng.random((4, 24)), (rng.random((4, 24)) < 0.5)):
        after = changed(view, fleet, plan_kw, 0.98 * share * reach_kw)
        found = set(by_key(rows_of(after, fleet)))
        broken += len(found)
        assert found <= there
    assert broken > 20


def test_margins_keep_their_share_of_the_rating_and_their_voltage(base):
    low = float(base[4].vm_pu.min()) - 1e-4
    study = flexibility_study(fixed_kw=250.0, rated_kw=(1500.0, 1e5, 1e5, 1e5), vm_band=(low, 1.1))
    _, _, fleet, _, state = prepared(study)
    without, within = rows_of(state, fleet, 500.0), rows_of(state, fleet, 500.0, (0.02, 1e-3))
    first, second = by_key(without), by_key(within)
    assert set(first) <= set(second)
    seen = set()
    for key, row in first.items():
        less_kw = without.room_kw[row] - within.room_kw[second[key]]
        if key[1] == "loading_max_percent":
            assert less_kw == pytest.approx(0.02 * 1500.0)
        else:
            bus = int(key[0][1:])
            scale = (state.vm_pu[key[2], bus] - low) / without.room_kw[row]
            assert less_kw == pytest.approx(1e-3 / scale)
        seen.add(key[1])
    assert seen == {"loading_max_percent", "vm_min_pu"}


def test_a_margin_makes_a_high_voltage_count_earlier(base):
    _, view, fleet, plan_kw, state = base
    high = np.full((1, 5), 1.1)
    high[0, 4] = state.vm_pu[:, 4].max() + 5e-4
    study = replace(view.study, limits=replace(view.study.limits, vm_max_pu=high))
    state = check_plan(view_grid(study, "helm"), fleet, plan_kw)
    assert len(rows_of(state, fleet)) == 0
    rows = rows_of(state, fleet, margin=(0.0, 1e-3))
    np.testing.assert_array_equal(rows.step, np.flatnonzero(state.vm_pu[:, 4] > high[0, 4] - 1e-3))
    assert (rows.room_kw < 0.0).all()


def test_where_power_flows_back_more_load_is_more_room(base):
    _, view, fleet, plan_kw, _ = base
    fed = replace(fleet, fixed_kw=-2.0 * fleet.fixed_kw)
    before = check_plan(view, fed, plan_kw)
    peak_kw = before.carried_kw[:, 1].max()
    study = flexibility_study(fixed_kw=250.0, rated_kw=(1e5, 0.9 * peak_kw, 1e5, 1e5))
    view = view_grid(study, "helm")
    state = check_plan(view, fed, plan_kw)
    rows = rows_of(state, fed)
    assert len(rows) > 0
    np.testing.assert_allclose(rows.matrix, np.tile([0.0, -1.0, -1.0, -1.0], (len(rows), 1)), atol=1e-12)
    np.testing.assert_allclose(rows.room_kw, 0.9 * peak_kw - state.carried_kw[rows.step, 1])
    # Load grows by 15 kW at b3 and b4: the rows say what the load flow says.
    change_kw = np.zeros((4, 24))
    change_kw[2:] = 15.0
    after = changed(view, fed, plan_kw, change_kw)
    room_kw = 0.9 * peak_kw - after.carried_kw[rows.step, 1]
    np.testing.assert_allclose(room_kw, rows.room_kw + 30.0, atol=0.03 * 30.0)


def test_load_does_not_reach_a_limit_that_binds_backwards(base):
    """A reach of more load takes no room of a line that carries back."""
    _, view, fleet, plan_kw, _ = base
    fed = replace(fleet, fixed_kw=-2.0 * fleet.fixed_kw)
    peak_kw = check_plan(view, fed, plan_kw).carried_kw[:, 1].max()
    study = flexibility_study(fixed_kw=250.0, rated_kw=(1e5, 1.02 * peak_kw, 1e5, 1e5))
    state = check_plan(view_grid(study, "helm"), fed, plan_kw)
    assert (state.direction[:, 1] == -1.0).all()
    assert len(rows_of(state, fed, 0.05 * peak_kw)) == 0


def test_voltage_rows_count_kilowatts_of_the_bus_that_helps_most(base):
    low = float(base[4].vm_pu.min()) + 1e-4
    _, _, fleet, _, state = prepared(flexibility_study(fixed_kw=250.0, vm_band=(low, 1.1)))
    rows = rows_of(state, fleet)
    assert set(rows.kind) == {"vm_min_pu"}
    np.testing.assert_allclose(rows.matrix.max(axis=1), 1.0)
    place = {"b3": 2, "b4": 3}
    for element, row in zip(rows.element, rows.matrix, strict=True):
        if element in place:
            assert row.argmax() == place[element]
            # b1 shares one of three sections with it, b2 two.
            np.testing.assert_allclose(row[:2], [1 / 3, 2 / 3], rtol=0.01)
    assert (rows.room_kw < 0.0).any()


def test_a_high_voltage_asks_for_more_load(base):
    _, view, fleet, plan_kw, state = base
    high = np.full((1, 5), 1.1)
    high[0, 4] = state.vm_pu[:, 4].max() - 1e-4
    study = replace(view.study, limits=replace(view.study.limits, vm_max_pu=high))
    view = view_grid(study, "helm")
    state = check_plan(view, fleet, plan_kw)
    rows = rows_of(state, fleet)
    assert set(rows.kind) == {"vm_max_pu"}
    assert set(rows.element) == {"b4"}
    np.testing.assert_allclose(rows.matrix.min(axis=1), -1.0)
    row = int(np.argmin(rows.room_kw))
    change_kw = np.zeros((4, 24))
    change_kw[3] = -rows.room_kw[row]
    after = changed(view, fleet, plan_kw, change_kw)
    assert after.vm_pu[rows.step[row], 4] == pytest.approx(high[0, 4], abs=1e-6)


def test_rows_come_by_interval():
    low = 0.9975
    _, _, fleet, _, state = prepared(
        flexibility_study(rated_kw=(900.0, 700.0, 250.0, 1e5), vm_band=(low, 1.1))
    )
    rows = rows_of(state, fleet, 200.0)
    assert len(set(rows.kind)) == 2
    assert (np.diff(rows.step) >= 0).all()
    voltages = [k for k in range(len(rows)) if rows.kind[k] == "vm_min_pu"]
    for row in voltages:
        bus = int(rows.element[row][1:])
        short = state.vm_pu[rows.step[row], bus] < low
        assert (rows.room_kw[row] < 0.0) == short
