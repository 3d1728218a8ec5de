"""The day before: plans keep their devices' bounds, answer prices, and mend what they can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_study import day_of, day_study, field_of, random_day_study, usual_day, usual_field
from gridcommons.day.day_ahead import (
    Desk,
    buy_flexibility,
    has_fleet,
    plan_alone,
    plan_baseline,
    publish_tariff,
)
from gridcommons.day.set_points import unplanned_target
from gridcommons.model.members import Community

SEEDS = st.integers(0, 10_000)


def without_aggregators(study):
    members = tuple(replace(member, aggregator="") for member in study.community.members)
    return replace(study, community=Community(members, study.community.assets))


@settings(max_examples=25)
@given(seed=SEEDS)
def test_every_plan_keeps_its_devices_within_power_and_state(seed):
    """What an aggregator plans breaks no bound of its device, as things are known at the gate."""
    field = field_of(random_day_study(seed))
    day = day_of(field, ("tariff", "market"))
    for planned, gate in (
        (day.baseline, "baseline"),
        (day.tariff.planned, "tariff"),
        (day.market.planned, "market"),
    ):
        known = field.information.seen(field.gates[gate])
        desk = Desk(field, known, planned.plan_kw)
        # What an obligation fixes has this much room, for a plan to be found in.
        assert desk.fleet.chains.breach(desk.power_kw()) < 1.1e-4


def test_plans_go_to_the_cheap_hours():
    """Moving any kWh of a car to another hour in which it may charge makes its plan no cheaper."""
    field, day = usual_field(), usual_day()
    fleet = Desk(field, field.study.profiles).fleet
    planned_kw = day.baseline.plan_kw[:, [field.row[name] for name in fleet.chains.name]]
    cost = float((fleet.spot_per_kwh @ planned_kw).sum())
    flat_kw = np.broadcast_to(planned_kw.mean(axis=0), planned_kw.shape)
    assert cost < float((fleet.spot_per_kwh @ flat_kw).sum())


def test_who_has_no_aggregator_is_as_if_nobody_planned():
    field, day = usual_field(), usual_day()
    alone = plan_alone(field)
    of_member = field.study.community.member_by_id
    lonely = [k for k in field.chained if not of_member[field.assets[k].member].aggregator]
    assert len(lonely) == 3
    for planned in (day.baseline, day.tariff.planned, day.market.planned):
        assert planned.plan_kw[:, lonely].tobytes() == alone.plan_kw[:, lonely].tobytes()


def test_without_a_party_that_plans_the_baseline_is_nobody_planning():
    field = field_of(without_aggregators(day_study()))
    assert not has_fleet(field) and has_fleet(usual_field())
    planned = plan_baseline(field)
    known = field.information.seen(field.gates["baseline"])
    target = unplanned_target(field.chains(known), len(field.cars))
    assert planned.target.tobytes() == target.tobytes()
    assert not has_fleet(field_of(replace(day_study(), prices=None)))


def test_the_operator_sees_what_no_aggregator_plans_by_its_plan():
    """The load that the operator's view starts from is the plan of everybody, not a part of it."""
    field, day = usual_field(), usual_day()
    known = field.information.seen(field.gates["tariff"])
    desk = Desk(field, known, day.baseline.plan_kw)
    load_kw, load_kvar = desk.fleet.bus_load(desk.power_kw())
    at_bus = np.eye(len(field.study.grid.buses))[field.bus]
    assert pytest.approx(day.baseline.plan_kw @ at_bus, abs=1e-9) == load_kw.T
    q_kvar = field.net_kvar(day.baseline.plan_kw, known)
    assert pytest.approx(q_kvar @ at_bus, abs=1e-9) == load_kvar.T


def test_a_plan_has_the_reactive_power_of_its_power():
    field, day = usual_field(), usual_day()
    for planned, gate in ((day.baseline, "baseline"), (day.market.planned, "market")):
        known = field.information.seen(field.gates[gate])
        assert planned.plan_kvar == pytest.approx(field.net_kvar(planned.plan_kw, known))


def worst_percent(field, planned):
    return field.flow(planned.plan_kw, planned.plan_kvar).loading_percent.max()


def test_a_tariff_without_a_cap_brings_the_plans_within_the_grid():
    study = day_study(rated_a=60.0)
    tasks = {**study.tasks, "flexibility": {**study.tasks["flexibility"], "tariff_cap_per_kwh": 5.0}}
    field = field_of(replace(study, tasks=tasks))
    baseline = plan_baseline(field)
    tariff = publish_tariff(field, baseline)
    assert worst_percent(field, baseline) > 110.0 and worst_percent(field, tariff.planned) < 101.0
    assert (tariff.tariff_per_kwh >= 0.0).all() and tariff.tariff_per_kwh.max() > 0.0


def test_a_grid_that_carries_everything_asks_for_nothing():
    field = usual_field(rated_a=300.0)
    baseline = plan_baseline(field)
    tariff = publish_tariff(field, baseline)
    assert tariff.tariff_per_kwh.max() == 0.0
    assert tariff.planned.plan_kw == pytest.approx(baseline.plan_kw, abs=1e-4)
    market = buy_flexibility(field, tariff.planned, tariff)
    assert len(market.aggregator) == len(market.device) == 0 and market.ordered_kw.shape == (0, 24)
    assert market.needed_kw.max() <= 0.0 and market.missing_kw.max() == 0.0
    assert market.planned.plan_kw == pytest.approx(tariff.planned.plan_kw, abs=1e-6)


def test_what_is_bought_is_planned_and_mends_the_grid():
    field, day = usual_field(), usual_day()
    market = day.market
    assert len(market.aggregator) > 1 and market.needed_kw.max() > 1.0
    for place in range(len(market.aggregator)):
        mine, ordered_kw = market.award == place, market.ordered_kw[place]
        devices = market.device[mine]
        given_kw = market.before_kw[mine].sum(axis=0) - market.planned.plan_kw[:, devices].sum(axis=1)
        assert (given_kw >= ordered_kw - 1e-3)[ordered_kw > 0.0].all()
        of_member = field.study.community.member_by_id
        assert {of_member[field.assets[k].member].aggregator for k in devices} == {market.aggregator[place]}
        assert set(field.bus[devices]) == {market.bus[place]}
    assert len(set(market.device.tolist())) == len(market.device)
    assert market.before_kw == pytest.approx(day.tariff.planned.plan_kw[:, market.device].T, abs=1e-9)
    assert worst_percent(field, market.planned) < worst_percent(field, day.tariff.planned) - 5.0


def test_what_is_paid_lies_between_the_offers():
    """As bid: each award is paid what its offers ask, which the settings bound."""
    price = usual_day().market.price_per_kwh
    assert (price > 0.0).all() and (price <= 1.5).all()


def test_a_market_without_offers_leaves_what_is_missing():
    """Where nobody may sell, what is needed is what is missing."""
    study = day_study()
    tasks = {**study.tasks, "flexibility": {**study.tasks["flexibility"], "price_max_per_kwh": 0.01}}
    field = field_of(replace(study, tasks=tasks))
    baseline = plan_baseline(field)
    market = buy_flexibility(field, baseline, None)
    assert len(market.aggregator) == 0 and market.needed_kw.max() > 1.0
    assert market.missing_kw == pytest.approx(np.maximum(market.needed_kw, 0.0), abs=1e-6)
    assert market.planned.plan_kw == pytest.approx(baseline.plan_kw, abs=1e-4)
