"""The grid-wide program is the rule where nothing binds, and keeps a limit where one does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.control.congestion import GridProgram, Monitored
from gridcommons.control.dispatch import look_at_all, set_stores
from gridcommons.control.plant import AtRest
from gridcommons.control.rolling_horizon import worthwhile
from gridcommons.control.settings import Costs
from homes import make_homes, no_signals


def limits(homes, limit_kw):
    return Monitored(("station",), np.ones((1, len(homes))), np.zeros(1), np.full((1, 1), limit_kw))


def by_rule(homes, at, cheap, wait, costs):
    worths = worthwhile(costs)
    found = []
    for h, is_cheap in enumerate(cheap):
        rest = AtRest(0.0, 0.0, 0.0, 0.0, 0.0, *(values[h] for values in (at.cop, *at[:1], *at[2:])))
        found.append(set_stores(rest, worths[2 * is_cheap + wait]))
    return np.array(found).T


@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_the_program_is_the_rule_where_nothing_binds(seed, is_cheap, waits):
    homes = make_homes(seed)
    signals, costs = no_signals(homes), Costs()
    at = look_at_all(homes.plant, signals, homes.start, 0)
    cheap = np.full(len(homes), int(is_cheap), np.uint8)
    program = GridProgram(homes, limits(homes, 1e6), costs, seed)
    if not program.can_bind:
        return
    battery_kw, tank_kw, slack_kw = program.dispatch(at, cheap, int(waits), 0)
    rule = by_rule(homes, at, cheap, int(waits), costs)
    assert slack_kw == 0.0
    np.testing.assert_allclose(battery_kw, rule[0], atol=1e-4)
    np.testing.assert_allclose(tank_kw, rule[1], atol=1e-4)


@given(st.integers(0, 10**6), st.floats(0.3, 0.95))
def test_a_limit_is_kept_as_far_as_stores_reach(seed, share):
    homes = make_homes(seed)
    signals, costs = no_signals(homes), Costs()
    at = look_at_all(homes.plant, signals, homes.start, 0)
    cheap = np.zeros(len(homes), np.uint8)
    rule = by_rule(homes, at, cheap, 0, costs)
    net_kw = (at.residual_kw + rule[0] + rule[1] / at.cop).sum()
    limit_kw = share * abs(net_kw)
    program = GridProgram(homes, limits(homes, limit_kw), costs, seed)
    if not program.can_bind or limit_kw < 1e-3:
        return
    battery_kw, tank_kw, slack_kw = program.dispatch(at, cheap, 0, 0)
    held_kw = (at.residual_kw + battery_kw + tank_kw / at.cop).sum()
    # What stores could do at most, from below and from above.
    lowest = (at.residual_kw - at.battery_down_kw - at.tank_down_kw / at.cop).sum()
    highest = (at.residual_kw + at.battery_up_kw + at.tank_up_kw / at.cop).sum()
    missing = max(lowest - limit_kw, -limit_kw - highest, 0.0)
    assert slack_kw == pytest.approx(missing, abs=1e-6)
    assert abs(held_kw) <= limit_kw + missing + 1e-6
    assert (battery_kw <= at.battery_up_kw + 1e-9).all() and (-battery_kw <= at.battery_down_kw + 1e-9).all()


def test_a_warm_start_answers_as_a_cold_one():
    homes = make_homes(3, count=30, steps=40)
    signals, costs = no_signals(homes, 40), Costs()
    cheap = np.zeros(len(homes), np.uint8)
    tight = limits(homes, 5.0)
    warm = GridProgram(homes, tight, costs, 1)
    for t in range(40):
        at = look_at_all(homes.plant, signals, homes.start, t)
        cold = GridProgram(homes, tight, costs, 1).dispatch(at, cheap, 0, t)
        for one, other in zip(warm.dispatch(at, cheap, 0, t), cold, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_ties_turn_so_that_nobody_is_always_first():
    homes = make_homes(5, count=12)
    at = look_at_all(homes.plant, no_signals(homes), homes.start, 0)
    program = GridProgram(homes, limits(homes, 2.0), Costs(), 1)
    first = {int(np.argmin(program._ties(t)[: len(program.able)])) for t in range(40)}
    assert first == set(range(len(program.able))) and len(first) > 1
    assert at.residual_kw.shape == (12,)


def test_costs_in_another_order_are_another_rule():
    usual, waiting, cheap, both = worthwhile(Costs())
    assert tuple(usual) == (0, 0, 1, 1) and tuple(waiting) == (0, 0, 0, 0)
    assert tuple(cheap) == (1, 1, 0, 0) and tuple(both) == (1, 1, 0, 0)
    assert tuple(worthwhile(replace(Costs(), discharge_battery=70.0))[0]) == (0, 0, 0, 1)


def test_a_limit_that_changes_in_time_is_held_as_it_is_then():
    homes = make_homes(5, count=12, steps=2)
    at = look_at_all(homes.plant, no_signals(homes, 2), homes.start, 0)
    cheap = np.zeros(len(homes), np.uint8)
    rule = by_rule(homes, at, cheap, 0, Costs())
    net_kw = (at.residual_kw + rule[0] + rule[1] / at.cop).sum()
    lowest_kw = (at.residual_kw - at.battery_down_kw - at.tank_down_kw / at.cop).sum()
    tight_kw = 0.5 * (net_kw + max(lowest_kw, 0.0))
    assert net_kw > tight_kw + 1.0
    changing = Monitored(("station",), np.ones((1, 12)), np.zeros(1), np.array([[1e6], [tight_kw]]))
    program = GridProgram(homes, changing, Costs(), 1)
    for t, expected_kw in ((0, net_kw), (1, tight_kw)):
        battery_kw, tank_kw, _ = program.dispatch(at, cheap, 0, t)
        assert (at.residual_kw + battery_kw + tank_kw / at.cop).sum() == pytest.approx(expected_kw)
    assert program.breaks(np.full((12, 2), net_kw / 12), 0).tolist() == [False, True]
    assert program.breaks(np.full((12, 1), net_kw / 12), 1).tolist() == [True]
