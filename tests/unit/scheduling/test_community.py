"""Communities as parties: what their plans add up to, what they pay, and how they answer prices."""

from __future__ import annotations

import pickle
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.model.messages import MessageError
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.energy_hub import make_hub
from gridcommons.scheduling.messages import Award, Call, Exchange
from gridcommons.scheduling.settings import Settings
from hubs import (
    CONVERTERS,
    ZONE,
    answered,
    day_of,
    delivered,
    device,
    hub_of,
    kind_of,
    lives,
    scheduled,
    states_of,
    studies,
    whole_hub,
)

OWN_HEAT = ("smart_boiler", "house")
HEATING = ("boiler", "chp", "heat_pump", "heat_store", "stirling_store")


# Balances


@settings(max_examples=100)
@given(lives(most=7))
def test_power_balances_at_every_connection_and_heat_over_all(life):
    hub = life.hub
    assets = (*hub.planned, *hub.fixed)
    for plan, exchange in zip(life.plans, life.exchanges, strict=True):
        p_kw, q_kvar = np.zeros((2, len(hub.bus), hub.steps))
        heat_kw = plan.heat_kw.copy()
        for asset in assets:
            day, place = day_of(plan, asset.asset), hub.bus.index(f"b{int(asset.member[1:]) + 1}")
            p_kw[place] += day.p_kw
            q_kvar[place] += day.q_kvar
            heat_kw += 0.0 if kind_of(asset) in OWN_HEAT else day.heat_kw
        np.testing.assert_allclose(plan.p_kw, p_kw, atol=1e-6)
        np.testing.assert_allclose(plan.q_kvar, q_kvar, atol=1e-6)
        np.testing.assert_allclose(heat_kw, 0.0, atol=1e-6)
        np.testing.assert_array_equal(exchange.p_kw, plan.p_kw)
        np.testing.assert_array_equal(exchange.q_kvar, plan.q_kvar)
        assert exchange.bus == hub.bus and exchange.community == "c"


@settings(max_examples=60)
@given(lives())
def test_load_that_is_not_served_is_a_part_of_it_and_takes_its_reactive_power_along(life):
    hub = life.hub
    for plan in life.plans:
        shed_kw = np.zeros(hub.steps)
        for k, asset in enumerate(hub.fixed):
            day, wanted_kw = day_of(plan, asset.asset), hub.fixed_kw[k]
            assert (day.p_kw >= -1e-6).all() and (day.p_kw <= wanted_kw + 1e-6).all()
            np.testing.assert_allclose(day.q_kvar, np.tan(np.arccos(0.9)) * day.p_kw, atol=1e-6)
            shed_kw += wanted_kw - day.p_kw
        np.testing.assert_allclose(plan.shed_kw, shed_kw, atol=1e-6)
        assert np.abs(plan.shed_kw).max() < 1e-6


# Costs


def local_days(time):
    """The local date of each interval."""
    return np.array([time.local(k).astimezone(ZoneInfo(ZONE)).toordinal() for k in range(time.steps)])


def fuel_cost(life, plan, states):
    """Of boilers by what they burn, of turbines without one by what they take."""
    fired = {asset.member for asset in life.hub.planned if asset.kind == "boiler"}
    cost = 0.0
    for asset in life.hub.planned:
        if asset.kind == "boiler":
            cost += asset.heat_cost_per_kwh * states[asset.asset].sum()
        elif asset.kind == "chp" and asset.member not in fired:
            cost -= asset.heat_cost_per_kwh * day_of(plan, asset.asset).p_kw.sum() / asset.electric_share
    return cost * life.hub.hours


def expected_cost(life, plan, states):
    """What a plan costs by item, from its powers and the prices alone."""
    hub, tariff = life.hub, life.community.settings
    prices, hours, days = hub.prices, hub.hours, local_days(hub.horizon.profiles.time)
    total_kw, base_kw = plan.p_kw.sum(axis=0), life.plans[0].p_kw
    import_kw, export_kw = np.maximum(total_kw, 0.0), np.maximum(-total_kw, 0.0)
    devices = {asset: day_of(plan, asset.asset) for asset in hub.planned}
    batteries = [(asset, day) for asset, day in devices.items() if asset.kind == "battery"]
    converters = [
        day
        for asset, day in devices.items()
        if asset.kind in CONVERTERS and not np.isnan(getattr(asset, "q_share", 1.0))
    ]
    given_up_kw = sum(np.hypot(day.p_kw, day.q_kvar) - np.abs(day.p_kw) for day in converters)
    paid = np.maximum(prices.import_price_per_kwh, 1e-6)
    has_network = np.isfinite(prices.heat_price_per_kwh)
    is_heated = hub.heat_demand_kw.any() or any(kind_of(asset) in HEATING for asset in hub.planned)
    part = {day: min((days == day).sum() * hours / 24.0, 1.0) for day in set(days.tolist())}
    peak_kw = {day: max(plan.heat_kw[days == day].max(), 0.0) for day in part}
    return {
        "energy": (import_kw * prices.import_price_per_kwh - export_kw * prices.export_price_per_kwh).sum()
        * hours,
        "network fee": (import_kw * prices.network_fee_per_kwh).sum() * hours,
        "fuel": fuel_cost(life, plan, states),
        "wear": sum(np.abs(day.p_kw).sum() * hours * asset.wear_cost_per_kwh for asset, day in batteries),
        "load not served": plan.shed_kw.sum() * hours * tariff.shedding_price_per_kwh,
        "heat": (plan.heat_kw[has_network] * prices.heat_price_per_kwh[has_network]).sum() * hours,
        "heat peak": sum(peak_kw[day] * part[day] for day in part)
        * tariff.heat_peak_price_per_kw_day
        * has_network.any(),
        "heat fee": sum(part.values()) * tariff.heat_fee_per_day * has_network.any() * is_heated,
        "reactive power": (paid * given_up_kw).sum() * hours,
        "imbalance": (np.abs(plan.p_kw - base_kw) * paid).sum() * hours * tariff.imbalance_share,
    }


@settings(max_examples=80)
@given(lives(most=7))
def test_every_item_of_the_bill_follows_from_powers_and_prices(life):
    for plan, states in zip(life.plans, life.states, strict=True):
        expected = expected_cost(life, plan, states)
        assert set(plan.cost) <= set(expected)
        for name, cost in expected.items():
            assert plan.cost.get(name, 0.0) == pytest.approx(cost, rel=1e-6, abs=2e-5), name


# Answers


def net_cost(life, plan, *, sold):
    """What a community pays for a plan, its reactive power included; ``sold`` at the prices of the call.

    In the hours called the fee is on the schedule's reactive power, and what is beyond it is earned.
    """
    hub, fee = life.hub, life.community.settings.reactive_fee_per_kvarh
    base_kvar = life.plans[0].q_kvar
    price = np.full(base_kvar.shape, fee)
    charged = plan.q_kvar.copy()
    earned = 0.0
    if sold:
        charged[:, life.called] = base_kvar[:, life.called]
        earned = ((base_kvar - plan.q_kvar)[:, life.called] * life.price_per_kvarh).sum() * hub.hours
    return sum(plan.cost.values()) + (charged * price).sum() * hub.hours - earned


@settings(max_examples=100)
@given(lives(most=7))
def test_an_answer_never_costs_more_than_it_earns(life):
    """The schedule itself is an answer: nobody is worse off by being asked."""
    alone, offered = (net_cost(life, plan, sold=True) for plan in life.plans[:2])
    assert offered <= alone + 1e-6


@settings(max_examples=60)
@given(lives())
def test_an_answer_at_the_start_price_is_the_schedule(life):
    fee = life.community.settings.reactive_fee_per_kvarh
    again = answered(life.community, fee)
    np.testing.assert_allclose(again.q_kvar, life.exchanges[0].q_kvar, atol=1e-5)
    np.testing.assert_allclose(again.p_kw, life.exchanges[0].p_kw, atol=1e-5)
    nobody = answered(life.community, np.zeros((len(life.hub.bus), 0)), [])
    np.testing.assert_allclose(nobody.q_kvar, again.q_kvar, atol=1e-5)


@settings(max_examples=60)
@given(lives(needed=("pv",)), st.data())
def test_more_is_given_the_more_is_paid(life, data):
    """At one connection in one interval; within what a price of S − P that is right to 1e-4 allows."""
    hub, community = life.hub, life.community
    place, hour = data.draw(st.integers(0, len(hub.bus) - 1)), data.draw(st.integers(0, hub.steps - 1))
    given_kvar, exact = [], []
    ladder = np.array([-0.8, -0.3, -0.1, 0.0, 0.1, 0.3, 0.8])
    for price in ladder:
        table = np.zeros((len(hub.bus), 1))
        table[place, 0] = price
        given_kvar.append(-answered(community, table, [hour]).q_kvar[place, hour])
        exact.append(community.plan().cost["reactive power"])
    slack = 4e-4 * max(exact) / (np.diff(ladder).min() * hub.hours) + 1e-4
    assert np.diff(given_kvar).min() >= -slack


@settings(max_examples=60)
@given(lives(needed=("pv",)), st.floats(0.0, 1.0))
def test_what_is_bought_is_delivered_exactly_and_at_least_cost(life, share):
    """A part of an offer lies between it and the schedule, and so is within reach of a convex community."""
    community, hub = life.community, life.hub
    base, offer = life.exchanges[0].q_kvar, life.exchanges[1].q_kvar
    bought = share * (base - offer)[:, life.called]
    final = delivered(community, bought, life.called)
    np.testing.assert_allclose((base - final.q_kvar)[:, life.called], bought, atol=1e-6)
    between = (1.0 - share) * net_cost(life, life.plans[0], sold=False) + share * cost_of_offer(life)
    rough = 1e-4 * life.plans[1].cost["reactive power"] + 1e-5 * hub.steps
    assert cost_of_offer(life, community.plan()) <= between + rough


def cost_of_offer(life, plan=None):
    """Bill and fee of an answer, with the fee in the hours called on the schedule's reactive power."""
    plan = plan or life.plans[1]
    charged = plan.q_kvar.copy()
    charged[:, life.called] = life.plans[0].q_kvar[:, life.called]
    fee = life.community.settings.reactive_fee_per_kvarh
    return sum(plan.cost.values()) + fee * charged.sum() * life.hub.hours


# Optimality


@settings(max_examples=60)
@given(studies(most=4), st.sampled_from(["battery", "heat_store", "pv", "heat_pump"]))
def test_one_device_more_never_costs_more(drawn, kind):
    """Each of these can rest; within the gap of the schedules."""
    study, tariff = drawn
    richer = with_more(study, device(kind, "more"), 5.0)
    assert total_cost(richer, tariff) <= total_cost(study, tariff) + room(study, tariff)


@settings(max_examples=40)
@given(studies(most=4))
def test_consumption_that_can_be_put_off_costs_no_more_than_what_cannot(drawn):
    study, tariff = drawn
    free = with_more(study, device("demand_response", "more"), 20.0)
    bound = with_more(study, device("load", "more"), 20.0)
    assert total_cost(free, tariff) <= total_cost(bound, tariff) + room(bound, tariff)


def with_more(study, asset, profile_kw):
    """A study with one asset more."""
    columns = {**study.profiles.columns, asset.asset: np.full(study.time.steps, profile_kw)}
    members = replace(study.community, assets=(*study.community.assets, asset))
    return replace(study, community=members, profiles=replace(study.profiles, columns=columns))


def total_cost(study, tariff):
    """What the schedule of a study costs, the reactive fee included."""
    community = Community(whole_hub(study), tariff)
    community.schedule()
    plan, fee = community.plan(), tariff.reactive_fee_per_kvarh
    return sum(plan.cost.values()) + fee * plan.q_kvar.sum() * community.hub.hours


def room(study, tariff):
    """What the gap of a schedule may cost, and ties."""
    return 1.01 * tariff.mip_gap_share * (abs(total_cost(study, tariff)) + 100.0) + 1e-3


@settings(max_examples=30)
@given(st.floats(0.05, 0.9), st.floats(0.05, 0.9), st.floats(0.1, 0.5))
def test_every_connection_answers_its_own_price(low, high, price):
    plants = device("pv", "a", q_share=1.0), device("pv", "b", member="m1", q_share=1.0)
    hub = hub_of(*plants, columns={"a": 40.0, "b": 40.0}, steps=2, **{"import": price, "export": price})
    community = scheduled(hub)
    sold_kvar = -answered(community, [[low * price], [-high * price]], [1]).q_kvar
    np.testing.assert_allclose(sold_kvar[:, 0], 0.0, atol=1e-6)
    expected = [min(40.0 * s / np.sqrt(1.0 - s * s), 40.0) for s in (low, high)]
    np.testing.assert_allclose(sold_kvar[:, 1], [expected[0], -expected[1]], rtol=0.01)


def test_a_fee_on_reactive_power_is_a_price_at_all_times():
    """Of a fee of a third of the energy price, the plant gives 0.354 P from the start."""
    hub = hub_of(device("pv"), columns={"pv": 60.0}, steps=1, **{"import": 0.3, "export": 0.3})
    community = scheduled(hub, reactive_fee_per_kvarh=0.1)
    given_kvar = -community.plan().q_kvar[0, 0]
    assert given_kvar == pytest.approx(60.0 / np.sqrt(8.0), rel=0.01)
    assert -answered(community, 0.1).q_kvar[0, 0] == pytest.approx(given_kvar, abs=1e-6)
    # Called at nothing, it gives nothing beyond its schedule, and is free to give none at all.
    assert answered(community, 0.0).q_kvar[0, 0] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_it_cannot_deliver_is_missing_and_no_more(sign):
    hub = hub_of(device("pv"), columns={"pv": 30.0}, steps=2)
    community = scheduled(hub)
    answered(community, sign * 0.2)
    final = delivered(community, [[sign * 50.0]], [1])
    np.testing.assert_allclose(final.q_kvar, [[0.0, -sign * 30.0]], atol=1e-5)


@pytest.mark.parametrize("bought_kvar", [4.0, 30.0, -75.0])
def test_what_is_bought_is_shared_so_that_its_marginal_price_is_the_same(bought_kvar):
    """Plants of 40 and 80 kW give a third and two thirds: Q/S is the same."""
    plants = device("pv", "a", q_share=1.0), device("pv", "b", q_share=1.0)
    community = scheduled(hub_of(*plants, columns={"a": 40.0, "b": 80.0}, steps=1))
    delivered(community, [[bought_kvar]], [0])
    given_kvar = [-day_of(community.plan(), name).q_kvar[0] for name in ("a", "b")]
    np.testing.assert_allclose(given_kvar, [bought_kvar / 3.0, bought_kvar * 2.0 / 3.0], rtol=0.03)


# Horizons in sequence


KEEPS = {"battery": "energy", "heat_store": "energy", "ev_charger": "energy", "stirling_store": "energy"}
KEEPS |= {"smart_boiler": "temperature", "house": "temperature", "boiler": "heat"}


def first_state(asset, day, was, columns, hours):
    """The state after the first interval by the law of the kind, from the one before it; None without one."""
    p_kw, heat_kw = day.p_kw[0], day.heat_kw[0]
    if asset.kind == "battery":
        gained_kw = max(p_kw, 0.0) * asset.charge_efficiency_share
        return was + (gained_kw - max(-p_kw, 0.0) / asset.discharge_efficiency_share) * hours
    if asset.kind == "heat_store":
        return was - heat_kw * hours
    if asset.kind == "ev_charger":
        return was + p_kw * hours - columns[f"{asset.asset}.drive_kwh"][0]
    if asset.kind == "stirling_store":
        taken_kw = heat_kw / asset.exchanger_share
        heater_kw = p_kw + asset.stirling_efficiency_share * asset.generator_efficiency_share * taken_kw
        gained_kw = asset.heater_efficiency_share * heater_kw - taken_kw
        return was * (1.0 - asset.idle_loss_share_per_h * hours) + gained_kw * hours
    if asset.kind == "smart_boiler":
        lost_kwh = 1.163 * columns[f"{asset.asset}.draw_m3"][0] * (was - asset.cold_temp_c)
        lost_kwh += asset.loss_kw_per_k * (was - asset.ambient_temp_c) * hours
        return was + (heat_kw * hours - lost_kwh) / (1.163 * asset.tank_m3)
    return None


@settings(max_examples=60)
@given(studies(kinds=tuple(KEEPS), most=6), st.integers(1, 3))
def test_a_horizon_goes_on_from_where_the_last_one_ended(drawn, pieces):
    study, tariff = drawn
    cuts = np.unique(np.linspace(0, study.time.steps, pieces + 1).astype(int))
    end = {}
    for first, last in zip(cuts[:-1], cuts[1:], strict=True):
        hub = make_hub(study, "c", slice(int(first), int(last)), end)
        community = Community(hub, tariff)
        community.schedule()
        plan, states = community.plan(), states_of(community)
        for asset in hub.planned:
            was, path = end.get(asset.asset), states.get(asset.asset)
            if was is not None and kind_of(asset) == "boiler":
                assert abs(path[0] - was) <= asset.ramp_kw_per_h * hub.hours + 1e-6
            elif was is not None:
                day = day_of(plan, asset.asset)
                state = first_state(asset, day, was, hub.horizon.profiles.columns, hub.hours)
                assert state is None or path[0] == pytest.approx(state, abs=1e-6)
        end = plan.end
        kept = {asset.asset for asset in hub.planned if kind_of(asset) in KEEPS}
        assert kept <= set(end) and all(end[name] == states[name][-1] for name in kept)


# Messages and repeats


def test_an_answer_is_the_same_after_other_answers_and_in_another_process():
    hub = hub_of(
        device("pv"),
        device("battery"),
        device("boiler"),
        device("chp"),
        columns={"pv": [9.0, 40.0, 70.0, 20.0]},
        heat=0.3,
    )
    community = scheduled(hub)
    call = Call(round=3, called=np.array([1, 2]), price_per_kvarh=np.array([[0.1, 0.2]])).to_bytes()
    first = community.answer(call)
    answered(community, -0.3)
    delivered(community, [[1.0]], [2])
    assert community.answer(call) == first
    sent = pickle.dumps(community)
    there = pickle.loads(sent)
    assert b"LinearModel" not in sent
    assert there.answer(call) == first and there.plan().cost == community.plan().cost
    again = Community(hub, community.settings)
    assert again.schedule() == Community(hub, community.settings).schedule()
    assert Exchange.from_bytes(first).round == 3


def test_a_call_that_does_not_fit_is_refused():
    hub = hub_of(device("pv"), columns={"pv": 9.0}, steps=2)
    community = Community(hub, Settings())
    call = Call(round=1, called=np.array([1]), price_per_kvarh=np.array([[0.1]]))
    with pytest.raises(MessageError, match="c: received a call, expected to be asked for its schedule first"):
        community.answer(call.to_bytes())
    with pytest.raises(MessageError, match="schedule first"):
        community.plan()
    community.schedule()
    for wrong, words in (
        (replace(call, called=np.array([2])), "received interval 2, expected below 2"),
        (replace(call, price_per_kvarh=np.zeros((2, 1))), "call: received 2 rows, expected 1"),
    ):
        with pytest.raises(MessageError, match=words):
            community.answer(wrong.to_bytes())
    table = np.zeros((1, 2))
    for called, words in (
        ([1, 0], r"call: received called \[1, 0\], expected ascending intervals"),
        ([0, 0], "expected ascending intervals"),
        ([-1, 0], "expected ascending intervals"),
        ([0], r"received price_per_kvarh of shape \(1, 2\), expected \(1, 1\)"),
    ):
        wrong = Call(round=1, called=np.array(called), price_per_kvarh=table)
        with pytest.raises(MessageError, match=words):
            community.answer(wrong.to_bytes())
    with pytest.raises(MessageError, match="NaN is no number here"):
        community.answer(call.to_bytes().replace(b"0.1", b"NaN"))
    with pytest.raises(MessageError, match="received kind 'call', expected 'award'"):
        community.deliver(call.to_bytes())


def test_an_award_that_does_not_fit_is_refused():
    community = scheduled(hub_of(device("pv"), columns={"pv": 9.0}, steps=2))
    one, two = np.zeros((1, 1)), np.zeros((2, 1))
    for prices, bought, words in (
        (one, two, r"award: received bought_kvar of shape \(2, 1\), expected \(1, 1\)"),
        (two, two, "award: received 2 rows, expected 1"),
    ):
        award = Award(round=1, called=np.array([0]), price_per_kvarh=prices, bought_kvar=bought)
        with pytest.raises(MessageError, match=words):
            community.deliver(award.to_bytes())


def test_an_exchange_whose_tables_do_not_fit_is_refused():
    good = Exchange(round=1, community="c", bus=("a",), p_kw=np.ones((1, 2)), q_kvar=np.ones((1, 2)))
    assert Exchange.from_bytes(good.to_bytes()).bus == ("a",)
    for change, words in (
        ({"bus": ("a", "b")}, r"received p_kw of shape \(1, 2\), expected \(2, 2\)"),
        ({"q_kvar": np.ones((1, 3))}, r"received q_kvar of shape \(1, 3\), expected \(1, 2\)"),
        ({"community": 5}, "received community '5', expected a text"),
    ):
        with pytest.raises(MessageError, match=words):
            Exchange.from_bytes(replace(good, **change).to_bytes())
