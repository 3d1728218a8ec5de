"""What an instrument is worth is told by days that differ in it alone."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from day_study import EXACT, day_of, day_study, field_of, usual_day, usual_field
from gridcommons.day.bills import postings_of
from gridcommons.day.timeline import Stages
from gridcommons.day.violations import find_broken
from gridcommons.day.worth import (
    cold_kelvin_hours,
    compare,
    figures_of,
    held_back_kw,
    ledger_of,
    missing_by_member_kwh,
    missing_kwh,
    realised_flow,
    selections,
)
from gridcommons.model.money import balance


def test_days_that_are_compared():
    asked = list(selections(("tariff", "control", "trading"), ("trading", "tariff", "market")))
    assert asked == [
        ("none", ()),
        ("tariff alone", ("tariff",)),
        ("trading alone", ("trading",)),
        ("all but tariff", ("control", "trading")),
        ("all but trading", ("tariff", "control")),
        ("all", ("tariff", "control", "trading")),
    ]
    assert list(selections(("control",), ("control",))) == [
        ("none", ()),
        ("control alone", ("control",)),
        ("all", ("control",)),
    ]


def test_each_row_is_the_day_with_these_instruments():
    field = field_of(day_study(worth=["envelopes"]))
    used = ("tariff", "market", "control", "envelopes", "trading")
    found = {each.label: each for each in compare(Stages(field), used)}
    assert list(found) == ["none", "envelopes alone", "all but envelopes", "all"]
    for label, chosen in (("none", ()), ("envelopes alone", ("envelopes",)), ("all", used)):
        day = day_of(field, chosen)
        assert asdict(found[label]) == asdict(figures_of(field, label, day, realised_flow(field, day)))
    assert found["all but envelopes"].broken > found["all"].broken
    assert found["none"].held_back_kwh == 0.0 and found["envelopes alone"].held_back_kwh > 1.0


def test_figures_of_a_day_follow_from_its_arrays():
    field, day = usual_field(), usual_day()
    flow = realised_flow(field, day)
    account = figures_of(field, "all", day, flow)
    assert account.worst_loading_percent == flow.loading_percent.max()
    assert account.lowest_vm_pu == flow.vm_pu.min()
    broken = find_broken(field, flow)
    rows = broken.counted()
    assert (account.broken, account.intervals) == (len(rows), len(set(broken.step[rows].tolist())))
    moved_kw = np.abs(day.done.wanted_kw - day.done.p_kw)[:, field.is_controllable]
    assert account.held_back_kwh == pytest.approx(moved_kw.sum()) and moved_kw.sum() > 1.0
    left = balance(postings_of(ledger_of(field, day, flow)))
    names = [member.member for member in field.study.community.members]
    assert account.members_pay == pytest.approx(-float(sum(left[name] for name in names)))
    assert account.operator_gets == float(left["DSO"])


def test_intervals_are_counted_by_their_length():
    """The same powers over quarter hours are a quarter of the energy."""
    hour, quarter = usual_field(), field_of(day_study(minutes=15))
    done = replace(usual_day().done, wanted_kw=usual_day().done.p_kw + 1.0)
    day = replace(usual_day(), done=done)
    assert held_back_kw(hour, day) == pytest.approx(np.full(24, hour.is_controllable.sum()))
    cold = np.full_like(done.state, 18.0)
    done = replace(done, state=cold)
    assert cold_kelvin_hours(hour, done) == pytest.approx(2.0 * 24 * len(hour.pumps))
    assert cold_kelvin_hours(quarter, done) == pytest.approx(0.25 * 2.0 * 24 * len(hour.pumps))


def test_houses_within_their_band_are_not_cold():
    field = usual_field(**EXACT)
    done = day_of(field, ()).done
    assert cold_kelvin_hours(field, done) == pytest.approx(0.0, abs=1e-3)
    warm = replace(done, state=np.full_like(done.state, 30.0))
    assert cold_kelvin_hours(field, warm) == 0.0


def test_what_a_car_lacks_is_missed_by_its_member():
    """Cars have to end as full as they began: 12.5 kWh."""
    field, done = usual_field(), usual_day().done
    state = done.state.copy()
    state[: len(field.cars), -1] = 20.0
    assert missing_kwh(field, replace(done, state=state)) == 0.0
    state[0, -1], state[1, -1], state[:, -2] = 10.0, 12.4, 0.0
    by_member = missing_by_member_kwh(field, replace(done, state=state))
    names = [member.member for member in field.study.community.members]
    wanted = np.zeros(len(names))
    wanted[names.index(field.cars[0].member)] = 2.5
    wanted[names.index(field.cars[1].member)] = 0.1
    assert by_member == pytest.approx(wanted, abs=2e-3)


def test_a_day_without_prices_is_not_worth_money():
    field = field_of(replace(day_study(), prices=None))
    day = day_of(field)
    account = figures_of(field, "all", day, realised_flow(field, day))
    assert np.isnan(account.members_pay) and np.isnan(account.operator_gets)
    assert account.worst_loading_percent > 50.0
