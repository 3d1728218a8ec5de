"""Running ahead by the rule and stepping back where the grid binds is the same as one interval at a time."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.control.congestion import GridProgram, Monitored
from gridcommons.control.dispatch import Part, carry_out, look_at_all, run_rule
from gridcommons.control.households import copy_state
from gridcommons.control.rolling_horizon import control_year, make_record, worthwhile
from gridcommons.control.settings import Costs
from homes import make_homes, no_signals

STEPS = 400


def limited(homes, limit_kw):
    names, factor = ("station", "half"), np.ones((2, len(homes)))
    factor[1, : len(homes) // 2] = 0.0
    limits = Monitored(names, factor, np.zeros(2), np.array([[limit_kw, 0.8 * limit_kw]]))
    return GridProgram(homes, limits, Costs(), 1)


def one_by_one(homes, signals, program):
    """The same without running ahead: each interval by the rule, and by the program where that breaks."""
    state, price = copy_state(homes.start), np.zeros((2, STEPS))
    record, tried = make_record(homes, price), make_record(homes, price)
    binding = []
    for t in range(STEPS):
        trial = copy_state(state)
        run_rule(homes.plant, signals, worthwhile(Costs()), trial, (t, t + 1), tried)
        if program.breaks(tried.p_kw[:, t : t + 1], t)[0]:
            at = look_at_all(homes.plant, signals, state, t)
            battery_kw, tank_kw, _ = program.dispatch(at, signals.cheap[:, t], 0, t)
            carry_out(homes.plant, signals, state, t, (battery_kw, tank_kw, record))
            binding.append(t)
        else:
            run_rule(homes.plant, signals, worthwhile(Costs()), state, (t, t + 1), record)
    return record, state, binding


@pytest.mark.parametrize("limit_kw", [5.0, 25.0, 45.0])
def test_running_ahead_changes_nothing(limit_kw):
    homes = make_homes(11, count=9, steps=STEPS, lossless=False)
    signals = no_signals(homes, STEPS)
    year = control_year(homes, signals, Costs(), np.zeros((2, STEPS)), program=limited(homes, limit_kw))
    record, state, binding = one_by_one(homes, signals, limited(homes, limit_kw))
    assert year.binding.tolist() == binding and 0 < len(binding) < STEPS
    for name in ("p_kw", "parts", "sums", "reach"):
        np.testing.assert_allclose(getattr(year.record, name), getattr(record, name), atol=1e-6)
    for mine, other in zip(year.end, state, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize("flag", ["cheap", "wait"])
def test_signals_reach_the_program_too(flag):
    homes = make_homes(11, count=9, steps=STEPS)
    signals = no_signals(homes, STEPS)
    getattr(signals, flag)[...] = 1
    program = limited(homes, 25.0)
    year = control_year(homes, signals, Costs(), np.zeros((2, STEPS)), program=program)
    within = year.binding[year.slack_kw < 1e-9]
    assert len(within)
    battery_kw = year.record.parts[Part.BATTERY_KW, within]
    plain = control_year(homes, no_signals(homes, STEPS), Costs(), np.zeros((2, STEPS)), program=program)
    if flag == "cheap":  # what the limit leaves is charged, more than without the signal
        assert battery_kw.mean() > plain.record.parts[Part.BATTERY_KW, within].mean() + 0.1
    else:  # the stores give what the limit needs, and keep the rest
        flow_kw = program.monitored.factor @ year.record.p_kw[:, within]
        draws = flow_kw[0] > 0.0
        room_kw = (program.monitored.limit_kw.T - flow_kw).min(axis=0)
        np.testing.assert_allclose(room_kw[draws], 0.0, atol=1e-6)
        assert draws.any()


def test_what_binds_is_held_but_for_the_slack_that_is_told():
    homes = make_homes(11, count=9, steps=STEPS)
    program = limited(homes, 25.0)
    year = control_year(homes, no_signals(homes, STEPS), Costs(), np.zeros((2, STEPS)), program=program)
    flow_kw = np.abs(program.monitored.factor @ year.record.p_kw)
    above = np.maximum(flow_kw - program.monitored.limit_kw.T, 0.0).sum(axis=0)
    np.testing.assert_allclose(above[year.binding], year.slack_kw, atol=1e-6)
    assert np.delete(above, year.binding).max() <= 1e-6
    assert (year.slack_kw < 1e-9).any() and (year.slack_kw > 1.0).any()


def test_a_program_that_cannot_bind_is_not_asked():
    homes = make_homes(11, count=9, steps=STEPS)
    plain = control_year(homes, no_signals(homes, STEPS), Costs(), np.zeros((2, STEPS)))
    wide = control_year(
        homes, no_signals(homes, STEPS), Costs(), np.zeros((2, STEPS)), program=limited(homes, 1e5)
    )
    assert len(wide.binding) == 0
    np.testing.assert_array_equal(plain.record.p_kw, wide.record.p_kw)
