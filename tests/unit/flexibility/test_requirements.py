"""The requirement table: who is asked for how much and when, and when energy may be taken back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dense_load_flow import loading_percent, solve
from feeders import source
from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.flexibility.check import flow_of
from gridcommons.flexibility.requirements import ENOUGH_HOURS, LEAST_EFFECT, PARTS, find_needs, publish
from gridcommons.flexibility.settings import Settings
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import FixedInjections

NAMES = tuple(f"load{bus}" for bus in range(5))
POINTS = ("b1", "b2", "b3", "b4")


def table_of(study, settings=None):
    settings, view, fleet, plan_kw, state = prepared(study, settings)
    need = find_needs(state, fleet, settings)
    return need, publish(view, state, fleet, need, settings), (view, fleet, plan_kw, state)


@pytest.mark.parametrize(
    ("line", "asked"), [(0, ("b3", "b4")), (1, ("b3", "b4")), (2, ("b3",)), (3, ("b4",))]
)
def test_an_overload_asks_its_excess_downstream_and_nobody_else(line, asked):
    """b1 and b2 have fixed load alone, which nobody moves; of b3 and b4, who is below the line."""
    need, table, (view, _, _, state) = table_of(squeezed(0.93, line=line))
    over_kw = state.carried_kw[:, line] - view.limit_kw[:, line]
    steps = np.flatnonzero(over_kw > 0.1)
    assert len(steps) >= 1 and set(need.rows.element) == {f"line {line}"}
    assert need.rows.step.tolist() == steps.tolist()
    for least_kw, most_kw in ((need.least_kw, need.most_kw),):
        np.testing.assert_allclose(least_kw, over_kw[steps], atol=1e-9)
        np.testing.assert_allclose(most_kw, over_kw[steps], atol=1e-9)
    assert table.bus == POINTS
    for place, bus in enumerate(POINTS):
        expected_kw = np.where(over_kw > 0.1, over_kw, 0.0) if bus in asked else np.zeros(24)
        np.testing.assert_allclose(table.most_kw[place], expected_kw, atol=1e-9)
        np.testing.assert_allclose(table.least_kw[place], expected_kw, atol=1e-9)
    np.testing.assert_array_equal(table.asked, table.most_kw > 0.0)
    assert (table.payback_max_share, table.price_max_per_kwh) == (1.5, 1.5)


def test_two_limits_above_a_load_point_ask_for_the_larger():
    study = flexibility_study()
    *_, state = prepared(study)
    peak_kw = state.carried_kw.max(axis=0)
    need, table, (view, _, _, state) = table_of(
        flexibility_study(rated_kw=(0.95 * peak_kw[0], 1e4, 0.8 * peak_kw[2], 1e4))
    )
    over_kw = state.carried_kw - view.limit_kw
    assert set(need.rows.element) == {"line 0", "line 2"}
    peak = int(state.carried_kw[:, 0].argmax())
    assert table.most_kw[2, peak] == pytest.approx(max(over_kw[peak, 0], over_kw[peak, 2]))
    assert table.most_kw[3, peak] == pytest.approx(over_kw[peak, 0])


def low_voltage(margin=0.01, **changes):
    """The voltage band's foot lies 0.0001 pu above what b3 and b4 come down to, less the margin."""
    *_, state = prepared(flexibility_study(**changes))
    lowest = float(state.vm_pu.min())
    return flexibility_study(vm_band=(lowest + 1e-4 - margin, 1.1), **changes)


def test_a_low_voltage_asks_what_its_sensitivity_makes_of_the_gap():
    """ΔP_j = (V_min + margin − V)/|∂V/∂P_j|, the derivative from two load flows half a kW apart."""
    margin = 0.01
    study = low_voltage(margin)
    need, table, (view, _, _, state) = table_of(study)
    assert set(need.rows.kind) == {"vm_min_pu"} and set(need.rows.element) <= {"b3", "b4"}
    assert len(need.rows) > 0
    least = np.zeros((4, 24))
    most = np.zeros((4, 24))
    for row, step in enumerate(need.rows.step):
        bus = int(need.rows.element[row][1])
        gap_pu = view.limits.vm_min_pu[step, bus] + margin - state.vm_pu[step, bus]
        assert gap_pu > 0.0
        need_kw = {}
        for place in (3, 4):
            up, down = state.load_kw.copy(), state.load_kw.copy()
            up[place, step] += 0.5
            down[place, step] -= 0.5
            ups = flow_of(view, up, 0.0 * up).vm_pu[step, bus]
            downs = flow_of(view, down, 0.0 * up).vm_pu[step, bus]
            need_kw[place] = gap_pu / (downs - ups)
        assert need.least_kw[row] == pytest.approx(min(need_kw.values()), rel=1e-4)
        assert need.most_kw[row] == pytest.approx(max(need_kw.values()), rel=1e-4)
        assert need.asked[row].tolist() == [False, False, True, True]
        least[2:, step] = np.maximum(least[2:, step], min(need_kw.values()))
        most[2:, step] = np.maximum(most[2:, step], max(need_kw.values()))
    np.testing.assert_allclose(table.least_kw, least, rtol=1e-4)
    np.testing.assert_allclose(table.most_kw, most, rtol=1e-4)
    assert (most > least + 0.1).any()


def test_without_the_margin_a_voltage_within_the_band_asks_nobody():
    study = low_voltage(0.01)
    assert len(table_of(study)[0].rows) > 0
    need, table, _ = table_of(study, Settings(voltage_margin_pu=0.0))
    assert not len(need.rows) and not table.asked.any() and table.payback_allowed.all()


def test_a_high_voltage_asks_nobody_for_less_load():
    study = flexibility_study()
    grid = replace(study.grid, sources=source(0, 1.08))
    study = replace(study, grid=grid, limits=voltage_band(grid, 0.9, 1.05))
    need, table, _ = table_of(study)
    assert set(need.rows.kind) == {"vm_max_pu"} and not need.asked.any()
    np.testing.assert_allclose(need.least_kw, -need.rows.room_kw)
    np.testing.assert_allclose(need.most_kw, -need.rows.room_kw)
    assert not table.asked.any()


def test_who_has_no_device_or_hardly_counts_is_not_asked():
    """Devices at b1 alone hardly move b3's voltage where the line to b1 is short; at b2 nobody has one."""
    study = low_voltage()
    r_pu = study.grid.branches.r_pu.copy()
    r_pu[1:] *= 100.0
    grid = replace(study.grid, branches=replace(study.grid.branches, r_pu=r_pu))
    study = replace(study, grid=grid)
    settings, _, fleet, _, state = prepared(study)
    fleet = replace(fleet, bus=np.where(np.arange(len(fleet)) % 3, fleet.bus, 1))
    need = find_needs(state, fleet, settings)
    assert "b3" in need.rows.element
    for row, element in enumerate(need.rows.element):
        effect = need.rows.matrix[row]
        assert 0.0 < effect[0] < LEAST_EFFECT * effect[2:].max() or element in ("b1",)
        # b3 and b4 share all but their last line: each counts for the other's voltage.
        assert need.asked[row].tolist() == [element == "b1", False, element != "b1", element != "b1"]


def worst_payback(table, need, fleet, settings):
    """What comes back at once: 150 % of all that each limit asks, over its load points by their devices."""
    power_kw = np.zeros(4)
    for device in range(len(fleet)):
        power_kw[fleet.load_point[device]] += fleet.chains.power_high[device].max()
    back_kw = np.zeros(4)
    for element in set(need.rows.element):
        mine = [row for row, name in enumerate(need.rows.element) if name == element]
        total_kw = settings.payback_max_share * sum(need.most_kw[row] for row in mine)
        here = np.any([need.asked[row] for row in mine], axis=0)
        share = power_kw * here
        back_kw = np.maximum(back_kw, total_kw * share / share.sum())
    return back_kw


def hours_that_hold(view, fleet, state, need, back_kw, margin_share):
    """Hours in which an independent load flow with that much more load breaks nothing, margin included."""
    grid, limits, holds = view.study.grid, view.limits, np.ones(24, dtype=bool)
    for step in range(24):
        load_kw = state.load_kw[:, step].copy()
        load_kw[fleet.load_points] += back_kw
        v = solve(replace(grid, fixed=FixedInjections(NAMES, np.arange(5), load_kw, 0.0 * load_kw)))
        free = (1.0 - margin_share) * limits.loading_max_percent[step] - loading_percent(grid, v)
        vm_pu = np.abs(v)[1:]
        above, below = vm_pu - limits.vm_min_pu[step, 1:], limits.vm_max_pu[step, 1:] - vm_pu
        holds[step] = min(free.min(), above.min(), below.min()) >= 0.0
    holds[need.rows.step] = False
    return holds


@pytest.mark.parametrize("margin_share", [0.0, 0.02, 0.08])
@pytest.mark.parametrize("study", ["line 0", "line 2", "voltage", "both"])
def test_an_hour_is_a_payback_hour_if_and_only_if_a_load_flow_carries_the_worst_of_it(study, margin_share):
    study = {
        "line 0": lambda: squeezed(0.9),
        "line 2": lambda: squeezed(0.85, line=2),
        "voltage": lambda: low_voltage(0.001),
        "both": lambda: replace(squeezed(0.93), limits=low_voltage(0.001).limits),
    }[study]()
    settings = Settings(payback_margin_share=margin_share, voltage_margin_pu=0.001)
    need, table, (view, fleet, _, state) = table_of(study, settings)
    back_kw = worst_payback(table, need, fleet, settings)
    holds = {part: hours_that_hold(view, fleet, state, need, part * back_kw, margin_share) for part in PARTS}
    # All of it, or where too few hours hold that, the largest part that enough hours hold.
    enough = [part for part in PARTS if holds[part].sum() >= ENOUGH_HOURS]
    assert table.payback_part_share == enough[0]
    np.testing.assert_array_equal(table.payback_allowed, holds[enough[0]])
    assert not table.payback_allowed[need.rows.step].any()


def test_where_too_few_hours_hold_all_of_it_a_part_is_published():
    need, table, (view, fleet, _, state) = table_of(squeezed(0.8))
    back_kw = worst_payback(table, need, fleet, Settings())
    part = table.payback_part_share
    assert part in PARTS[1:]
    larger = PARTS[PARTS.index(part) - 1]
    assert hours_that_hold(view, fleet, state, need, larger * back_kw, 0.02).sum() < ENOUGH_HOURS
    np.testing.assert_array_equal(
        table.payback_allowed, hours_that_hold(view, fleet, state, need, part * back_kw, 0.02)
    )
    assert table_of(squeezed(0.95))[1].payback_part_share == 1.0


def test_a_rise_that_breaks_a_limit_at_an_hour_removes_exactly_that_hour():
    study = squeezed(0.9)
    need, table, (view, fleet, _, state) = table_of(study)
    for hour in (2, 9, 22):
        assert table.payback_allowed[hour]
        columns = dict(study.profiles.columns)
        # The margin, and what comes back, leave less than this.
        columns["load2"] = columns["load2"] + np.where(
            np.arange(24) == hour, 0.985 * view.limit_kw[hour, 0] - state.carried_kw[hour, 0], 0.0
        )
        other = replace(study, profiles=replace(study.profiles, columns=columns))
        need_then, then, _ = table_of(other)
        assert need_then.rows.step.tolist() == need.rows.step.tolist()
        np.testing.assert_array_equal(np.flatnonzero(table.payback_allowed != then.payback_allowed), [hour])


def test_where_nobody_could_carry_what_comes_back_no_hour_is_one():
    """A voltage missed all day: what all hours ask, in one, is beyond what any voltage can carry."""
    need, table, _ = table_of(flexibility_study(fixed_kw=700.0, vm_band=(0.985, 1.1)))
    assert set(need.rows.step.tolist()) == set(range(24))
    assert not table.payback_allowed.any()
    few = flexibility_study(fixed_kw=100.0, vm_band=(0.9, 1.1))
    assert table_of(few)[1].payback_allowed.all()


def test_an_hour_that_no_load_flow_survives_is_no_payback_hour():
    """Ten thousand times what is asked for at two hours comes back at once: no voltage carries that."""
    settings = Settings(payback_max_share=1e4)
    need, table, (view, fleet, _, state) = table_of(squeezed(0.9), settings)
    load_kw = state.load_kw.copy()
    load_kw[fleet.load_points] += PARTS[-1] * worst_payback(table, need, fleet, settings)[:, None]
    assert not flow_of(view, load_kw, 0.0 * load_kw, must_solve=False).flow.solved.any()
    with pytest.raises(NotConvergedError, match="2024-01-10 00:00"):
        flow_of(view, load_kw, 0.0 * load_kw)
    assert len(need.rows) == 2 and not table.payback_allowed.any()
