"""Communities of heat and power in the day: they do what they scheduled, and sell what a voltage needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import EXACT, field_of, nobody, otherwise
from gridcommons.adapters.studies.files import load_study
from gridcommons.day.bills import HEAT, cost_alone, postings_of
from gridcommons.day.communities import heat_costs, schedule_communities
from gridcommons.day.timeline import Stages, instruments_of, run_day
from gridcommons.day.worth import ledger_of, realised_flow
from gridcommons.model.errors import StudyError
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.energy_hub import make_hub
from gridcommons.scheduling.settings import Settings


@pytest.fixture(scope="module")
def study(examples):
    return load_study(examples / "campus_low_voltage")


def field_with(study, **settings):
    return field_of(replace(study, tasks={**study.tasks, "day": settings}))


@pytest.fixture(scope="module")
def days(study):
    field = field_with(study, **EXACT)
    stages = Stages(field)
    return field, {
        name: run_day(stages, chosen) for name, chosen in (("with", ("reactive",)), ("without", ()))
    }


def test_what_they_control_is_nobody_elses(days):
    field, _ = days
    assert len(field.hubs) == 2 and len(field.scheduled) > 5
    assert not field.is_controllable[field.scheduled].any()
    assert instruments_of(field) == ("reactive", "control", "trading")


def test_with_a_table_of_scheduling_alone_they_plan(study):
    field = field_with(replace(study, tasks={}))
    assert field.hubs == () and len(field.scheduled) == 0


def test_they_do_what_they_scheduled_when_the_forecast_is_right(days):
    field, (day, alone) = days[0], days[1].values()
    at = field.scheduled
    np.testing.assert_allclose(day.done.q_kvar[:, at], day.scheduled.q_kvar)
    np.testing.assert_allclose(day.done.p_kw[:, at], day.scheduled.p_kw, atol=1e-6)
    np.testing.assert_allclose(alone.done.q_kvar[:, at], alone.baseline.plan_kvar[:, at])


def test_reactive_power_is_bought_where_a_voltage_is_out_and_mends_it(days):
    field, days = days
    least = {name: np.nanmin(realised_flow(field, day).vm_pu) for name, day in days.items()}
    floor = float(field.limits.vm_min_pu.max())
    assert least["without"] < floor < least["with"]
    assert np.abs(days["with"].scheduled.sold_kvar).sum() > 0.0
    assert days["without"].scheduled is None


def test_it_is_paid_for_once_by_who_buys_it(days):
    field, days = days
    day = days["with"]
    rows = postings_of(ledger_of(field, day, realised_flow(field, day)))
    paid = {
        each.party: float(each.amount) for each in rows if each.item == "reactive power" and each.amount > 0
    }
    expected = dict.fromkeys(field.hubs, 0.0)
    for (name, _), amount in zip(field.connections, day.scheduled.paid.sum(axis=0), strict=True):
        expected[name] += amount
    assert paid and paid == pytest.approx(
        {name: amount for name, amount in expected.items() if amount > 0.005}, abs=0.01
    )


def test_heat_and_fuel_are_what_the_plans_say_peaks_and_fees_included(study):
    """Without a round a community's day is its own schedule."""
    tasks = {"scheduling": {"heat_peak_price_per_kw_day": 2.0, "heat_fee_per_day": 50.0}, "day": EXACT}
    field = field_of(replace(study, tasks=tasks))
    known = field.information.seen(field.gates["schedules"])
    scheduled = schedule_communities(field, known, nobody(field), with_round=False)
    settings = Settings(heat_peak_price_per_kw_day=2.0, heat_fee_per_day=50.0)
    expected = []
    for name in field.hubs:
        community = Community(make_hub(study, name, slice(0, 24), {}), settings)
        community.schedule()
        cost = community.plan().cost
        expected.append(sum(cost.get(item, 0.0) for item in ("heat", "fuel", "heat peak", "heat fee")))
    found = heat_costs(field, scheduled)
    assert found == pytest.approx(expected, rel=1e-9) and (found > 1000.0).all()
    assert scheduled.heat_cost.sum() < found.sum() - 100.0


def test_heat_is_paid_by_the_community_in_the_day_and_alone(days):
    field, days = days
    day = days["with"]
    rows = postings_of(ledger_of(field, day, realised_flow(field, day)))
    paid = {each.party: -float(each.amount) for each in rows if each.item == HEAT and each.party != HEAT}
    assert [paid[name] for name in field.hubs] == pytest.approx(day.done.heat_cost, abs=0.005)
    assert sum(each.amount for each in rows) == 0
    alone = days["without"].done
    members = [member.member for member in field.study.community.members]
    free = replace(alone, heat_cost=np.zeros(0))
    more = cost_alone(field, alone) - cost_alone(field, free)
    for name, amount in zip(members, more, strict=True):
        own = alone.heat_cost[field.hubs.index(name)] if name in field.hubs else 0.0
        assert amount == pytest.approx(own, abs=0.01)


def test_what_becomes_known_later_changes_no_schedule(study):
    field = field_with(study)
    gate = field.gates["schedules"]
    here, there = (
        schedule_communities(each, each.information.seen(gate), nobody(each), with_round=True)
        for each in (field, otherwise(field, 0))
    )
    assert np.array_equal(here.p_kw, there.p_kw) and np.array_equal(here.q_kvar, there.q_kvar)


def test_what_scheduling_lacks_is_said(study):
    prices = replace(study.prices, import_price_per_kwh=np.full(study.time.steps, np.nan))
    with pytest.raises(StudyError, match="import_price_per_kwh"):
        run_day(Stages(field_with(replace(study, prices=prices))), ())
