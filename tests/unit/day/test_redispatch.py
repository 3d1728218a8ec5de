"""Communities plan the rest of their day anew, and what they have sold is kept."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest

from day_study import EXACT, field_of, nobody, otherwise
from feeders import tree
from gridcommons.adapters.studies.files import load_study
from gridcommons.day.account import Account, AccountError
from gridcommons.day.account_entries import _room_kvar, promise_reactive_power
from gridcommons.day.communities import _enter_sales, heat_costs, schedule_communities, with_schedules
from gridcommons.day.community_powers import moved_powers, of_connections
from gridcommons.day.information import Information
from gridcommons.day.reactive_delivery import missed_kvar, replanned
from gridcommons.day.redispatch import redispatch
from gridcommons.day.tables import REALISED, Told, tables_of
from gridcommons.day.timeline import Stages, run_day
from gridcommons.day.worth import realised_flow
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import InfeasibleError
from gridcommons.model.members import Member
from gridcommons.scheduling.community import Community
from hubs import device, study_of

SUNNY = np.array([0, 0, 0, 0, 0, 5, 20, 40, 60, 75, 85, 90, 90, 80, 60, 40, 20, 8, 2, 0, 0, 0, 0, 0], float)


def field_with(study, **day):
    settings = {"interval_minutes": 60, **day}
    return field_of(replace(study, tasks={**study.tasks, "scheduling": {}, "day": settings}))


def village(seed=1, **day):
    """A sunny community with a battery, hot water and a tank; prices that move."""
    assets = (
        device("load", member="m0"),
        device("pv", member="m0"),
        device("battery", member="m0"),
        device("smart_boiler", member="m0"),
    )
    hour = np.arange(24)
    columns = {"load": 30.0 + 20.0 * np.sin(hour / 4.0), "pv": SUNNY, "smart_boiler.draw_m3": 0.04}
    price = 0.3 + 0.1 * np.sin(hour / 3.0)
    study = study_of(*assets, columns=columns, steps=24, **{"import": price, "export": 0.8 * price})
    return field_with(replace(study, seed=seed), **day)


def gate_plan(field, with_round=True):
    known = field.information.seen(field.gates["schedules"])
    return schedule_communities(field, known, nobody(field), with_round=with_round)


def arrays_of(scheduled):
    return {column.name: getattr(scheduled, column.name) for column in fields(scheduled)}


@pytest.fixture(scope="module")
def uncertain():
    """A village whose forecasts are poor, before and after."""
    field = village(load_error_share=0.4, generation_error_share=0.5)
    before = gate_plan(field)
    return field, before, redispatch(field, before, nobody(field), rounds=True)


def test_when_the_forecast_is_right_nobody_plans_anew():
    field = village(**EXACT)
    before = gate_plan(field)
    found = redispatch(field, before, nobody(field), rounds=True)
    for name, table in arrays_of(before).items():
        assert np.array_equal(table, getattr(found, name)), name


def test_who_bears_any_error_does_not_plan_anew():
    field = village(load_error_share=0.4, redispatch_share=100.0)
    assert not replanned(redispatch(field, gate_plan(field), nobody(field), rounds=True)).any()


def test_the_more_is_let_pass_the_fewer_plans():
    counts = []
    for share in (0.02, 0.1, 0.3):
        field = village(load_error_share=0.4, redispatch_share=share)
        counts.append(int(replanned(redispatch(field, gate_plan(field), nobody(field), rounds=False)).sum()))
    assert counts[0] > counts[1] > counts[2] > 0


def test_what_is_over_is_as_it_was(uncertain):
    """A plan is of intervals to come; each table keeps what the plan of its interval said."""
    _, before, found = uncertain
    when = found.planned_at[:, 0]
    assert (when <= np.arange(24)).all() and replanned(found).sum() > 3
    first = int(np.flatnonzero(replanned(found))[0])
    assert np.array_equal(found.p_kw[:first], before.p_kw[:first])
    assert not np.array_equal(found.p_kw[first:], before.p_kw[first:])


def test_stores_go_on_from_where_they_are(uncertain):
    """Energy of the battery by its powers alone, whichever plan each interval is of."""
    field, _, found = uncertain
    column = [field.assets[k].asset for k in field.scheduled.tolist()].index("battery")
    p_kw = found.p_kw[:, column]
    gained = np.where(p_kw > 0.0, 0.9 * p_kw, p_kw / 0.8)
    stored_kwh = found.state[:, found.state_name.tolist().index("battery")]
    assert stored_kwh == pytest.approx(30.0 + np.cumsum(gained), abs=1e-5)
    assert stored_kwh.min() >= 6.0 - 1e-6 and stored_kwh.max() <= 54.0 + 1e-6


def test_no_plan_of_the_rest_empties_the_stores(uncertain):
    """The day ends with no less than it began with, however often it was planned."""
    _, _, found = uncertain
    names = found.state_name.tolist()
    assert found.state[-1, names.index("battery")] >= 30.0 - 1e-6
    assert found.state[-1, names.index("smart_boiler")] >= 70.0 - 1e-6


def with_news_at(field, step, error):
    """The same day, on which everything is off by as much from an interval on, and stays so."""
    told = field.information
    path = np.zeros_like(told._errors.path)
    path[:, step:] = error
    errors = replace(told._errors, path=path, memory=1.0)
    return replace(field, information=Information(told._forecast, errors))


@pytest.mark.parametrize("error", [-2.0, 2.0])
@pytest.mark.parametrize("step", [4, 9, 12])
def test_on_news_that_stay_true_planning_anew_costs_less_than_keeping_the_plan(step, error):
    """Energy, and what leaving the sold schedule costs, by what meters count of the hours after it."""
    field = with_news_at(village(generation_error_share=0.5), step, error)
    before = gate_plan(field)
    found = redispatch(field, before, nobody(field), rounds=False)
    assert np.flatnonzero(replanned(found)).tolist() == [step + 1]
    real, prices = field.information.meters(), field.study.prices
    fixed = np.setdiff1d(np.arange(len(field.assets)), field.scheduled)
    fixed_kw = field.net_kw(real)[:, fixed].sum(axis=1)
    cost = []
    for plan in (found, before):
        p_kw, _ = moved_powers(field, (plan.p_kw, plan.q_kvar, plan.seen_kw), real)
        net_kw = fixed_kw + p_kw.sum(axis=1)
        bill = np.maximum(net_kw, 0.0) * prices.import_price_per_kwh
        bill = bill - np.maximum(-net_kw, 0.0) * prices.export_price_per_kwh
        missed = np.abs(net_kw - before.net_kw[:, 0]) * prices.import_price_per_kwh
        cost.append(float((bill + 0.5 * missed)[step + 1 :].sum()))
    assert cost[0] < cost[1] - 0.05


@pytest.mark.parametrize("step", [1, 9, 15])
def test_what_becomes_known_later_changes_no_plan_before(step):
    here = village(load_error_share=0.4, generation_error_share=0.5)
    one, two = (
        redispatch(each, gate_plan(each), nobody(each), rounds=True) for each in (here, otherwise(here, step))
    )
    for name in ("p_kw", "q_kvar", "planned_at", "sold_kvar", "paid", "rounds"):
        assert np.array_equal(getattr(one, name)[: step + 1], getattr(two, name)[: step + 1]), name
    assert not np.array_equal(one.p_kw, two.p_kw)


def test_who_finds_no_plan_keeps_the_old_one_and_it_is_told(monkeypatch):
    field = village(load_error_share=0.4)
    before = gate_plan(field)

    def none(self):
        raise InfeasibleError("no plan")

    monkeypatch.setattr(Community, "schedule", none)
    found = redispatch(field, before, nobody(field), rounds=True)
    assert np.array_equal(found.p_kw, before.p_kw) and np.array_equal(found.q_kvar, before.q_kvar)
    assert found.kept.sum() > 0 and not replanned(found).any()


# Reactive power within the day


@pytest.fixture(scope="module")
def campus(examples):
    return load_study(examples / "campus_low_voltage")


@pytest.fixture(scope="module")
def short_of_volts(campus):
    """A day on which loads turn out higher than they were to be, with and without rounds within it."""
    field = field_with(campus, load_error_share=0.25, envelope_margin_share=0.0, redispatch_share=0.2)
    path = field.information._errors.path
    path[:] = np.abs(path)
    stages = Stages(field)
    chosen = {"both": ("reactive", "control"), "gate": ("reactive",)}
    return field, {name: run_day(stages, instruments) for name, instruments in chosen.items()}


def test_a_voltage_that_nobody_foresaw_is_mended_within_the_day(short_of_volts):
    field, days = short_of_volts
    floor = field.limits.vm_min_pu
    lacks = {}
    for name, day in days.items():
        lacks[name] = float(np.maximum(floor - realised_flow(field, day).vm_pu, 0.0).sum())
    assert lacks["gate"] > 1e-3 and lacks["both"] < 0.5 * lacks["gate"]
    both = days["both"].scheduled
    assert (
        both.rounds.sum() > 0
        and np.abs(both.sold_kvar).sum() > np.abs(days["gate"].scheduled.sold_kvar).sum()
    )


def test_what_was_sold_the_day_before_is_kept_and_paid(short_of_volts):
    _, days = short_of_volts
    first, last = days["gate"].scheduled, days["both"].scheduled
    sold = first.sold_kvar != 0.0
    side = np.sign(first.sold_kvar)
    assert sold.any() and (last.sold_kvar * side >= first.sold_kvar * side - 1e-9)[sold].all()
    assert (last.paid >= first.paid - 1e-9).all()
    assert (last.due_kvar * side >= first.due_kvar * side - 1e-3)[sold].all()


def test_what_is_due_is_planned_or_missed(short_of_volts):
    """What devices inject by the newest plan of each interval, at every connection that sold something."""
    field, days = short_of_volts
    for day in days.values():
        last, place = day.scheduled, of_connections(field)
        planned = replace(day.done, q_kvar=day.done.q_kvar.copy())
        planned.q_kvar[:, field.scheduled] = last.q_kvar
        lacks = missed_kvar(field, last, planned)
        given, side = -last.q_kvar @ place, np.sign(last.sold_kvar)
        sold = last.sold_kvar != 0.0
        assert sold.sum() > 2 and (given * side >= last.due_kvar * side - lacks - 1e-3)[sold].all()
        # Nearly all of it is given.
        assert lacks.sum() < 0.1 * np.abs(last.sold_kvar).sum()


def test_nothing_is_bought_further_ahead_than_the_study_says(campus):
    field = field_with(campus, load_error_share=0.25, redispatch_share=0.2, reactive_ahead_minutes=60)
    field.information._errors.path[:] = np.abs(field.information._errors.path)
    before = gate_plan(field)
    found = redispatch(field, before, nobody(field), rounds=True)
    bought = np.flatnonzero((found.sold_kvar != before.sold_kvar).any(axis=1))
    assert len(bought) and (found.planned_at[bought] == bought[:, None]).any(axis=1).all()


def test_without_rounds_nothing_more_is_sold(campus):
    field = field_with(campus, load_error_share=0.25)
    before = gate_plan(field)
    found = redispatch(field, before, nobody(field), rounds=False)
    assert np.array_equal(found.sold_kvar, before.sold_kvar) and not found.rounds.any()
    assert np.array_equal(found.paid, before.paid)


def test_communities_sell_into_the_account_of_everybody(short_of_volts):
    field, days = short_of_volts
    day = days["both"]
    sold = [each for each in day.account.commitments if each.stage == "reactive"]
    sellers = {(f"{name} at {bus}", "kvar") for name, bus in field.connections}
    assert {(each.seller, each.unit) for each in sold} == sellers
    total = sum(float(each.quantity.sum()) for each in sold)
    assert total == pytest.approx(np.abs(day.scheduled.sold_kvar).sum())
    paid = sum(float((each.quantity * each.price).sum()) for each in sold)
    assert paid == pytest.approx(day.scheduled.paid.sum())


def test_what_no_sun_can_give_is_missed_and_not_more(short_of_volts):
    field, days = short_of_volts
    day = days["both"]
    missed = missed_kvar(field, day.scheduled, day.done)
    assert (missed >= 0.0).all() and (missed <= np.abs(day.scheduled.sold_kvar) + 1e-9).all()
    # Devices that give as much less as was sold miss all of it; the more they give, the less.
    sold, due = day.scheduled.sold_kvar, day.scheduled.due_kvar
    place = of_connections(field)
    for part in (0.0, 0.25, 1.0):
        given = due - (1.0 - part) * sold
        done = replace(day.done, q_kvar=day.done.q_kvar.copy())
        done.q_kvar[:, field.scheduled] = -(given / place.sum(axis=0)) @ place.T
        lacks = missed_kvar(field, day.scheduled, done)
        assert lacks == pytest.approx((1.0 - part) * np.abs(sold), abs=2e-3)


def weak(assets, members, columns, steps=12, **day):
    """A community and others at the end of a long line."""
    study = study_of(*assets, columns=columns, steps=steps, members=members)
    grid = tree((0, 1), 0.1 + 0.2j)
    limits = voltage_band(grid, 0.97, 1.06)
    return field_with(replace(study, grid=grid, limits=limits), **EXACT, **day)


SUN = np.array([60.0] * 12)


def clouds(field, step):
    """The sun gives a fifth from an interval on, for two of them, and then what it was to give."""
    told = field.information
    path = np.zeros_like(told._errors.path)
    path[:, step : step + 2] = -1.0
    spread = np.full(len(told._errors.column), np.log(5.0))
    errors = replace(told._errors, path=path, memory=1.0, spread=spread)
    return replace(field, information=Information(told._forecast, errors))


def test_what_a_cloud_takes_is_missed_and_not_sold_again():
    """A promise stays as large as it was sold, however small the plan under the cloud."""
    members = (Member(member="m0", bus="b1", cluster="c"), Member(member="m1", bus="b1"))
    assets = (device("pv", q_share=0.5), device("load", "other", member="m1", power_factor=0.9))
    field = clouds(weak(assets, members, {"pv": SUN, "other": 230.0}), 4)
    before = gate_plan(field)
    sold = np.abs(before.sold_kvar).sum(axis=1)
    assert (sold > 5.0).all()
    found = redispatch(field, before, nobody(field), rounds=True)
    assert replanned(found).any()
    assert (np.abs(found.sold_kvar) <= 60.0 + 1e-6).all() and (found.due_kvar >= before.due_kvar - 1e-6).all()
    day = run_day(Stages(field), ("reactive", "control"))
    missed = missed_kvar(field, day.scheduled, day.done)[:, 0]
    given = -day.done.q_kvar[:, field.scheduled][:, 0]
    assert missed[4:6].min() > 1.0
    # The plant gives nothing by itself: whatever is paid for was given.
    assert (np.abs(day.scheduled.sold_kvar[:, 0]) - missed <= given + 0.01).all()


def test_no_load_is_left_unserved_for_reactive_power():
    """A community of one load has nothing to sell: the day serves all of it."""
    members = (Member(member="m0", bus="b1", cluster="c"),)
    study = weak((device("load", power_factor=0.6),), members, {"load": 130.0}).study
    # Leaving it unserved is cheap, and a voltage is worth a lot.
    tasks = {**study.tasks, "scheduling": {"shedding_price_per_kwh": 0.5, "shortage_price_per_kvarh": 50.0}}
    field = field_of(replace(study, tasks=tasks))
    scheduled = gate_plan(field)
    assert not scheduled.sold_kvar.any() and not scheduled.paid.any()
    day = run_day(Stages(field), ("reactive", "control"))
    assert realised_flow(field, day).vm_pu.min() < 0.97
    assert not day.scheduled.sold_kvar.any()


def test_the_grid_operator_sees_cars_that_no_community_plans():
    """A neighbour's car is as good a reason to buy as a load of the same power."""
    members = (Member(member="m0", bus="b1", cluster="c"), Member(member="m1", bus="b1"))
    car = device("ev_charger", "car", member="m1", power_factor=0.9, charge_max_kw=200.0, energy_kwh=2000.0)
    assets = (device("pv", q_share=0.5), car, device("load", "other", member="m1", power_factor=0.9))
    field = weak(assets, members, {"pv": SUN, "other": 40.0})
    day = run_day(Stages(field), ("reactive", "control"))
    drawn_kw = day.final.plan_kw[:, field.row["car"]]
    sold = np.abs(day.scheduled.sold_kvar).sum(axis=1)
    assert drawn_kw.max() > 150.0 and (sold[drawn_kw > 170.0] > 1.0).all() and not sold[drawn_kw < 1.0].any()


def test_the_day_follows_the_newest_plan(short_of_volts):
    field, days = short_of_volts
    day = days["both"]
    again = with_schedules(field, day.final, day.scheduled)
    assert np.array_equal(day.live.plan_kw, again.plan_kw) and not np.array_equal(
        day.live.plan_kw, day.final.plan_kw
    )


def test_each_look_is_at_what_is_known_then(monkeypatch):
    field = village(load_error_share=0.4)
    before, asked = gate_plan(field), []
    seen = field.information.seen
    monkeypatch.setattr(field.information, "seen", lambda minute: asked.append(minute) or seen(minute))
    redispatch(field, before, nobody(field), rounds=True)
    # Reality is read for the temperatures that houses have when an interval is over, of which there is none.
    within = [minute for minute in asked if 0 <= minute < 24 * 60]
    assert within == [60 * k for k in range(24)]


def test_each_connection_of_a_community_has_its_own_room(campus):
    """Two connections that each sell all that their devices can move."""
    members = tuple(
        replace(member, cluster="both") if member.cluster else member for member in campus.community.members
    )
    field = field_with(replace(campus, community=replace(campus.community, members=members)))
    assert field.hubs == ("both",) and len(field.connections) == 2
    scheduled, account = gate_plan(field), Account((), *(np.zeros((24, 0)) for _ in range(3)))
    full = replace(scheduled, sold_kvar=np.tile(_room_kvar(field), (24, 1)), paid=np.ones((24, 2)))
    promise_reactive_power(field, account, full)
    assert len(account.commitments) == 2
    more = replace(scheduled, sold_kvar=np.tile(1.01 * _room_kvar(field), (24, 1)), paid=np.ones((24, 2)))
    with pytest.raises(AccountError, match="both at 2 sells more than it has"):
        promise_reactive_power(field, Account((), *(np.zeros((24, 0)) for _ in range(3))), more)


def test_who_has_no_heating_on_a_network_pays_no_heat_fee():
    field = village()
    tasks = {**field.study.tasks, "scheduling": {"heat_fee_per_day": 50.0, "heat_peak_price_per_kw_day": 2.0}}
    field = field_of(replace(field.study, tasks=tasks))
    scheduled = gate_plan(field)
    assert not scheduled.is_heated.any() and not heat_costs(field, scheduled).any()


def test_rounds_and_new_plans_are_told_by_interval(short_of_volts):
    field, days = short_of_volts
    day = days["both"]
    flow = realised_flow(field, day)
    told = Told(field, day, day.done, {}, {}, [], np.zeros(0), np.zeros(0), [])
    rows = dict(tables_of(replace(told, flows={REALISED: flow}, power_kw={REALISED: day.done.p_kw})))
    instruments = rows["day_instruments"]
    assert np.array_equal(instruments["reactive_rounds"], day.scheduled.rounds) and day.scheduled.rounds.any()
    assert np.array_equal(instruments["communities_replanned"], replanned(day.scheduled))


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(
    ("given", "bought", "sold", "due"),
    [
        (9.0, 3.0, 10.0, 10.0),  # what a cloud took is given again in part: nothing new
        (12.0, 6.0, 12.0, 12.0),  # only what is beyond what is due
        (12.0, 1.0, 11.0, 12.0),  # the community gave 11 of itself
        (10.0, 0.0, 10.0, 10.0),
    ],
)
def test_only_what_is_beyond_a_promise_is_sold_and_paid(side, given, bought, sold, due):
    """10 kvar are due in an interval; a later round buys with these devices injecting so much in all."""
    members = (Member(member="m0", bus="b1", cluster="c"),)
    field = weak((device("pv", q_share=0.5),), members, {"pv": SUN})
    found = gate_plan(field)
    found.sold_kvar[3], found.due_kvar[3], found.paid[3] = 10.0 * side, 10.0 * side, 2.0
    found.q_kvar[3] = -given * side
    bought_kvar, price = np.array([[bought * side]]), np.array([[0.5 * side]])
    outcome = SimpleNamespace(called=np.array([3]), price_per_kvarh=price, bought_kvar=bought_kvar)
    _enter_sales(found, field, SimpleNamespace(outcome=outcome), slice(0, 12))
    assert found.sold_kvar[3] == pytest.approx([sold * side])
    assert found.due_kvar[3] == pytest.approx([due * side])
    assert found.paid[3] == pytest.approx([2.0 + 0.5 * (sold - 10.0)])
