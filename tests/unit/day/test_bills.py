"""Money: every set of postings sums to exactly zero, and every account is what it should be."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_ledgers import done_of, ledger_at, nothing_planned, random_field, random_ledger, random_power
from day_study import EXACT, day_of, day_study, field_of, random_day_study, usual_field
from gridcommons.day.bills import (
    cost_alone,
    flexibility_accounts,
    is_settled,
    postings_of,
    registers_of,
    residual_registers,
)
from gridcommons.day.outcomes import Marketed, Traded
from gridcommons.day.worth import ledger_of, realised_flow
from gridcommons.model.members import Community
from gridcommons.model.money import balance
from gridcommons.model.tariffs import Prices

SEEDS = st.integers(0, 10_000)
CENT = Decimal("0.01")


def paid(postings, item):
    """What each party pays for an item, less what it receives."""
    found = {}
    for each in postings:
        if each.item == item:
            found[each.party] = found.get(each.party, Decimal(0)) - each.amount
    return found


def money(postings, party):
    return balance(postings).get(party, Decimal(0))


@settings(max_examples=50)
@given(seed=SEEDS)
def test_all_postings_sum_to_exactly_zero(seed):
    ledger = random_ledger(seed)
    postings = postings_of(ledger)
    assert postings and sum(each.amount for each in postings) == 0
    assert all(each.amount == each.amount.quantize(CENT) != 0 for each in postings)
    # Both sides of each payment are there, and nobody else than the parties of the day.
    pairs = {}
    for each in postings:
        pair = (*sorted((each.party, each.counterparty)), each.item)
        pairs[pair] = pairs.get(pair, Decimal(0)) + each.amount
    assert set(pairs.values()) == {Decimal(0)}
    members = ledger.field.study.community.members
    known = {each.member for each in members} | {each.supplier or "supplier" for each in members}
    known |= {each.aggregator for each in members} | {"DSO", "community pool", "balancing"}
    assert {each.party for each in postings} <= known


@settings(max_examples=50)
@given(seed=SEEDS)
def test_the_pool_is_left_with_exactly_nothing(seed):
    """Also for each item alone: trades and shared energy do not pay for each other."""
    postings = postings_of(random_ledger(seed))
    assert money(postings, "community pool") == 0
    for item in {each.item for each in postings if each.party == "community pool"}:
        assert paid(postings, item)["community pool"] == 0


@settings(max_examples=50)
@given(seed=SEEDS)
def test_what_the_tariff_takes_is_what_it_gives_back(seed):
    """To the cent, to members by their consumption, whoever paid."""
    ledger = random_ledger(seed)
    postings = postings_of(ledger)
    taken, returned = paid(postings, "dynamic tariff"), paid(postings, "tariff returned")
    assert taken.get("DSO", 0) == -returned.get("DSO", 0)
    if ledger.tariff is None:
        assert not taken and not returned
        return
    field = ledger.field
    used_kwh = np.maximum(ledger.done.p_kw, 0.0).sum(axis=0) @ np.eye(len(names(field)))[field.member_of]
    total, share = float(-taken.get("DSO", 0)), used_kwh / used_kwh.sum()
    for name, part in zip(names(field), share, strict=True):
        assert float(-returned.get(name, 0)) == pytest.approx(part * total, abs=0.01)


@settings(max_examples=50)
@given(seed=SEEDS)
def test_who_answers_the_tariff_pays_it(seed):
    """Cars and houses with an aggregator, not under another contract: rate times energy of each."""
    ledger = random_ledger(seed)
    if ledger.tariff is None:
        return
    field = ledger.field
    taken = paid(postings_of(ledger), "dynamic tariff")
    of_member = field.study.community.member_by_id
    for name in names(field):
        member, due = of_member[name], 0.0
        for k in field.chained:
            if field.assets[k].member == name and member.aggregator and member.contract == "price":
                due += float(ledger.tariff.tariff_per_kwh[field.bus[k]] @ ledger.done.p_kw[:, k])
        assert float(taken.get(name, 0)) == pytest.approx(due, abs=0.01)


def names(field):
    return [member.member for member in field.study.community.members]


@settings(max_examples=50)
@given(seed=SEEDS)
def test_each_kilowatt_hour_of_a_meter_is_paid_for_once(seed):
    """All energy and fees of all members together: the supplier's price of the net, the fee of every draw."""
    ledger = replace(random_ledger(seed), tariff=None, market=None)
    field, prices = ledger.field, ledger.prices
    postings = postings_of(ledger)
    left, metered = residual_registers(ledger), registers_of(field, ledger.done.p_kw)
    net_kwh = metered.withdrawal_kwh - metered.injection_kwh
    traded_kwh = 0.0 if ledger.trades is None else ledger.trades.bought_kwh - ledger.trades.sold_kwh
    left_kwh = left.withdrawal_kwh - left.injection_kwh
    assert left_kwh + traded_kwh == pytest.approx(net_kwh, abs=1e-12)
    # Trades sum to nothing, so that suppliers deliver what all meters together lack, shared or not.
    inside_kwh = np.zeros(len(net_kwh))
    if field.settings.sharing_key != "virtual":
        inside_kwh = np.minimum(left.withdrawal_kwh.sum(axis=1), left.injection_kwh.sum(axis=1))
    outside = prices.import_price_per_kwh @ (left.withdrawal_kwh.sum(axis=1) - inside_kwh)
    outside -= prices.export_price_per_kwh @ (left.injection_kwh.sum(axis=1) - inside_kwh)
    rounding = 0.01 * (len(names(field)) + 1)
    energy = sum(v for name, v in paid(postings, "energy").items() if name in names(field))
    feed_in = sum(v for name, v in paid(postings, "feed-in").items() if name in names(field))
    assert float(energy + feed_in) == pytest.approx(outside, abs=rounding)
    fee = prices.network_fee_per_kwh @ metered.withdrawal_kwh.sum(axis=1)
    assert float(-paid(postings, "network fee").get("DSO", 0)) == pytest.approx(fee, abs=2 * rounding)


@settings(max_examples=40)
@given(seed=SEEDS)
def test_nobody_pays_more_when_energy_is_shared_than_alone_for_the_same_meters(seed):
    """Pro rata, at a price between feed-in and import, wherever import is no cheaper than feed-in."""
    rng = np.random.default_rng(seed)
    field = random_field(rng)
    prices = field.study.prices
    supply = prices.export_price_per_kwh + np.abs(prices.import_price_per_kwh)
    prices = replace(prices, import_price_per_kwh=supply)
    field = field_of(replace(field.study, prices=prices))
    p_kw = random_power(rng, field)
    # Losses and imbalance are the operator's and the suppliers'.
    postings = postings_of(ledger_at(field, p_kw))
    for name, alone in zip(names(field), cost_alone(field, done_of(field, p_kw)), strict=True):
        assert float(-money(postings, name)) <= alone + 0.025


@settings(max_examples=25)
@given(seed=SEEDS)
def test_a_known_day_without_instruments_and_sharing_costs_what_each_would_pay_alone(seed):
    field = field_of(random_day_study(seed, sharing_key="virtual", **EXACT))
    day = day_of(field, ())
    ledger = ledger_of(field, day, realised_flow(field, day))
    postings, alone = postings_of(ledger), cost_alone(field, day.done)
    assert money(postings, "balancing") == 0
    for name, cost in zip(names(field), alone, strict=True):
        # Energy, feed-in and fee are rounded, each by half a cent at most.
        assert float(-money(postings, name)) == pytest.approx(cost, abs=0.015 + 1e-9)


def test_a_day_by_hand():
    """One interval, two homes: 4 kWh drawn, 1 fed in; 0.5 traded, 0.5 shared; a plan missed by 2 kWh."""
    study = day_study(homes=2, steps=1)
    one = np.ones(1)
    study = replace(study, prices=Prices(0.30 * one, 0.10 * one, 0.05 * one, np.nan * one))
    members = (
        replace(study.community.members[0], supplier=""),
        replace(study.community.members[1], supplier="other"),
    )
    field = field_of(replace(study, community=Community(members, study.community.assets)))
    p_kw = np.zeros((1, len(field.assets)))
    p_kw[0, field.row["load0"]], p_kw[0, field.row["roof1"]] = 4.0, -1.0
    trades = Traded(
        np.array([[0.5, 0.0]]), np.array([[0.0, 0.5]]), np.array([[0.09, -0.09]]), np.array([[0.0, 0.5]])
    )
    plan_kw = p_kw.copy()
    plan_kw[0, field.row["load0"]] = 2.0
    postings = postings_of(ledger_at(field, p_kw, trades=trades, plan_kw=plan_kw, losses_kw=0.1 * one))
    # Trade 0.09; shared 0.5 kWh at 0.20; fees 0.05 on 4 kWh; 3 kWh at 0.30; losses 0.03; 2 kWh · 0.30 · 0.2.
    assert {name: float(amount) for name, amount in balance(postings).items()} == pytest.approx(
        {
            "home0": -(0.09 + 0.10 + 0.02 + 0.02 + 0.15 + 0.90),
            "home1": 0.09 + 0.10,
            "DSO": 0.02 + 0.02 + 0.15 - 0.03,
            "supplier": 0.90 + 0.03 - 0.12,
            "balancing": 0.12,
            "community pool": 0.0,
        },
        abs=0.021,
    )
    assert paid(postings, "local trades")["home0"] == Decimal("0.09")
    assert paid(postings, "shared energy")["home0"] == Decimal("0.10")
    assert paid(postings, "energy")["home0"] == Decimal("0.90")
    assert paid(postings, "losses")["DSO"] == Decimal("0.03")
    assert paid(postings, "imbalance") == {"supplier": Decimal("0.12"), "balancing": Decimal("-0.12")}


def one_award(metered_kw, *, share=0.2):
    """Shapeshifter's example: 10 kW before, 2 ordered in the first of two hours, at 7 and a penalty of 11.

    The car at home3 and the house at home0 of another street deliver it: 6 and 4 kW before.
    """
    study = day_study(homes=4, steps=2)
    nothing = np.zeros(2)
    task = {"penalty_per_kwh": 11.0, "discomfort_per_kw2h": 1e-9, "customer_share": share}
    study = replace(study, tasks={**study.tasks, "flexibility": task})
    field = field_of(replace(study, prices=Prices(nothing, nothing, nothing, np.nan * nothing)))
    devices = np.array([field.row["car1"], field.row["pump2"]])
    before_kw = np.array([[6.0, 6.0], [4.0, 4.0]])
    market = Marketed(
        planned=nothing_planned(field),
        aggregator=np.array(["ag"]),
        bus=np.array([1]),
        ordered_kw=np.array([[2.0, 0.0]]),
        price_per_kwh=np.array([7.0]),
        device=devices,
        award=np.zeros(2, dtype=np.int64),
        before_kw=before_kw,
        needed_kw=nothing,
        missing_kw=nothing,
    )
    p_kw = np.zeros((2, len(field.assets)))
    p_kw[:, devices] = before_kw.T
    p_kw[0, devices] = metered_kw
    return ledger_at(field, p_kw, market=market)


@pytest.mark.parametrize(
    ("metered_kw", "fee", "penalty"),
    [([4, 3], 14, 0), ([4, 4], 14, 0), ([5, 4], 7, 11), ([6, 4], 0, 22), ([6, 5], 0, 33), ([3, 6], 7, 11)],
)
def test_flexibility_is_settled_by_meter(metered_kw, fee, penalty):
    """Net 14, 14, −4, −22, −33 (Shapeshifter specification, settle phase), the two devices together."""
    ledger = one_award(metered_kw)
    (account,), _ = flexibility_accounts(ledger)
    assert (account.revenue, account.penalty) == pytest.approx((fee, penalty))
    postings = postings_of(ledger)
    assert paid(postings, "flexibility").get("ag", Decimal(0)) == -fee
    assert paid(postings, "penalty").get("ag", Decimal(0)) == penalty


def test_customers_are_paid_by_what_their_devices_gave():
    """A fifth of 14: 1.5 of the 2 kWh were the car's, so that its home gets three quarters of 2.80."""
    ledger = one_award([4.5, 3.5])
    # What the house does not draw in the hour after it was sold to nobody.
    ledger.done.p_kw[1, ledger.market.device[1]] = 1.0
    _, given_kwh = flexibility_accounts(ledger)
    assert given_kwh["ag"].tolist() == [0.0, 1.5, 0.5, 0.0]
    postings = paid(postings_of(ledger), "flexibility: discomfort and share")
    assert postings == {"ag": Decimal("2.80"), "home1": Decimal("-2.10"), "home2": Decimal("-0.70")}


def test_who_left_its_plan_and_gave_nothing_is_paid_its_discomfort_all_the_same():
    """Both draw more when less was sold: each has a part of what leaving the plan was to cost."""
    ledger = one_award([9.0, 6.0])
    ledger.market.planned.plan_kw[:, ledger.market.device] = [[3.0, 2.0], [6.0, 4.0]]
    tasks = {**ledger.field.study.tasks, "flexibility": {"discomfort_per_kw2h": 0.1}}
    field = field_of(replace(ledger.field.study, tasks=tasks))
    postings = postings_of(replace(ledger, field=field))
    parts = paid(postings, "flexibility: discomfort and share")
    # 0.1 · (3² + 2²) = 1.30.
    assert parts == {"ag": Decimal("1.30"), "home1": Decimal("-0.65"), "home2": Decimal("-0.65")}
    assert sum(each.amount for each in postings) == 0


@settings(max_examples=30)
@given(seed=SEEDS)
def test_what_an_aggregator_keeps_is_what_is_left(seed):
    """Revenue less penalty, less what its customers get."""
    ledger = random_ledger(seed)
    if ledger.market is None:
        return
    postings = postings_of(ledger)
    for account in flexibility_accounts(ledger)[0]:
        mine = [each for each in postings if each.party == account.aggregator]
        customers = sum(
            (-each.amount for each in mine if each.item.startswith("flexibility: ")), start=Decimal(0)
        )
        kept = account.revenue - account.penalty - float(customers)
        assert float(sum(each.amount for each in mine)) == pytest.approx(kept, abs=0.011)
        if account.revenue > account.discomfort_cost + max(account.energy_cost, 0.0):
            assert float(customers) <= account.revenue + 0.005


def test_a_study_without_prices_to_buy_and_to_sell_is_not_settled():
    study = day_study()
    assert is_settled(study) and not is_settled(replace(study, prices=None))
    for column in ("import_price_per_kwh", "export_price_per_kwh"):
        price = getattr(study.prices, column).copy()
        price[3] = np.nan
        assert not is_settled(replace(study, prices=replace(study.prices, **{column: price})))


def test_a_missing_network_fee_is_none():
    field = usual_field()
    nothing = np.full(24, np.nan)
    bare = field_of(replace(field.study, prices=replace(field.study.prices, network_fee_per_kwh=nothing)))
    p_kw = field.net_kw(field.study.profiles)
    postings = postings_of(ledger_at(bare, p_kw))
    assert paid(postings, "network fee") == {} and paid(postings_of(ledger_at(field, p_kw)), "network fee")
