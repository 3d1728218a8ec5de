"""The books: what meters show is paid for, what is missing is not, and all instruments add up to nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from flexibility_study import prepared, squeezed
from gridcommons.flexibility.books import all_postings, market_accounts, verify_awards
from gridcommons.flexibility.day_ahead import Stage, parties, reprofiling_stage, tariff_stage
from gridcommons.flexibility.delivery import Delivery
from gridcommons.flexibility.market import MarketPlace
from gridcommons.flexibility.settings import Settings
from gridcommons.model.money import round_to_cent
from gridcommons.ports import Engines

STEPS = 24


class Day:
    """A market of one day, with what its books need."""

    def __init__(self, **task):
        self.study = squeezed(0.95)
        self.settings, view, self.fleet, plan_kw, state = prepared(self.study, Settings(**task))
        before = Stage("baseline", plan_kw, state)
        self.parties = parties(self.fleet, plan_kw, self.settings, self.study.seed)
        self.market = MarketPlace(
            view, self.fleet, self.settings, Engines(), before, self.parties, self.parties
        ).run()
        self.profiles = self.study.profiles

    def metered(self, part, **of_device):
        """The day with meters: each device moved by a part of its schedule, or as named."""
        columns = dict(self.profiles.columns)
        for device, name in enumerate(self.fleet.chains.name):
            plan_kw = self.plan_of(device)
            moved_kw = self.market.stage.power_kw[device] - plan_kw
            columns[f"{name}.metered_kw"] = plan_kw + of_device.get(name, part) * moved_kw
        return replace(self.profiles, columns=columns)

    def plan_of(self, device):
        party = next(party for party in self.parties if device in party.devices)
        return party.plan_kw[list(party.devices).index(device)]

    def accounts(self, profiles=None, step_hours=1.0):
        verified = verify_awards(self.market, self.parties, profiles or self.profiles)
        made = market_accounts(self.market, verified, self.parties, self.settings, step_hours)
        return verified, {account.aggregator: account for account in made}

    def worth(self, price_of):
        """Σ price x f by aggregator, over what was cleared."""
        clearing, found = self.market.clearing, {}
        offers = {offer.offer: offer for offer in self.market.book.offers}
        for name, share in zip(clearing.offers, clearing.shares, strict=True):
            offer = offers[name]
            amount = float((price_of(offer) * share * offer.flexibility_kw).sum())
            found[offer.aggregator] = found.get(offer.aggregator, 0.0) + amount
        return {name: amount for name, amount in found.items() if amount}


@pytest.fixture(scope="module")
def day():
    return Day(offers_per_load_point=2)


def test_schedules_that_keep_the_award_are_paid_as_bid(day):
    verified, accounts = day.accounts()
    expected = day.worth(lambda offer: offer.price_per_kwh)
    assert len(expected) > 1
    assert {name: account.revenue for name, account in accounts.items()} == pytest.approx(expected)
    for each in verified:
        assert not each.is_metered and not each.missing_kw.any()
        np.testing.assert_array_equal(each.delivered_kw, each.award.obligation.less_kw)
    assert all(account.penalty == 0.0 for account in accounts.values())
    assert sum(expected.values()) == pytest.approx(day.market.clearing.cost)


def test_costs_of_customers_are_those_of_the_schedule(day):
    _, accounts = day.accounts()
    for party in day.parties:
        moved_kw = day.market.stage.power_kw[party.devices] - party.plan_kw
        account = accounts.get(party.name)
        if account is None:
            assert not moved_kw.any()
            continue
        discomfort = (day.fleet.discomfort_per_kw2h[party.devices, None] * moved_kw**2).sum()
        assert account.discomfort_cost == pytest.approx(discomfort)
        assert account.energy_cost == pytest.approx((day.fleet.spot_per_kwh * moved_kw).sum())
        # An accepted offer earns more than it costs.
        assert account.revenue > account.discomfort_cost + account.energy_cost


def test_as_clear_pays_the_price_of_the_load_point_for_all_that_was_taken():
    day = Day(payment="as_clear", offers_per_load_point=2)
    clearing = day.market.clearing
    price = {bus: clearing.price_per_kwh[row] for row, bus in enumerate(clearing.bus)}
    _, accounts = day.accounts()
    expected = day.worth(lambda offer: price[offer.bus])
    as_bid = day.worth(lambda offer: offer.price_per_kwh)
    assert {name: account.revenue for name, account in accounts.items()} == pytest.approx(expected)
    # The market pays nobody less than the bid, and the dearest taken just that.
    for name, amount in expected.items():
        assert amount >= as_bid[name] - 1e-2
    assert sum(expected.values()) > 1.02 * sum(as_bid.values())


def test_meters_change_what_is_paid(day):
    """Half of the schedule is half of the revenue, and a penalty for the other half."""
    _, whole = day.accounts()
    for part in (1.0, 0.5, 0.0):
        verified, accounts = day.accounts(day.metered(part))
        assert all(each.is_metered for each in verified)
        for name, account in accounts.items():
            assert account.revenue == pytest.approx(part * whole[name].revenue, rel=1e-4)
            ordered_kwh = sum(
                each.award.obligation.less_kw.sum() for each in verified if each.award.aggregator == name
            )
            missing_kwh = (1.0 - part) * ordered_kwh
            assert account.penalty == pytest.approx(2.0 * missing_kwh, rel=1e-4, abs=1e-2)
            # Who moves half as far has a quarter of the discomfort, and half of the extra energy.
            assert account.discomfort_cost == pytest.approx(part**2 * whole[name].discomfort_cost, abs=1e-6)
            assert account.energy_cost == pytest.approx(part * whole[name].energy_cost, abs=1e-6)


def test_more_than_was_ordered_is_paid_for_as_ordered(day):
    _, whole = day.accounts()
    verified, accounts = day.accounts(day.metered(1.5))
    for name, account in accounts.items():
        assert account.revenue == pytest.approx(whole[name].revenue) and account.penalty == 0.0
    # Who moves the other way misses more than was ordered.
    verified, accounts = day.accounts(day.metered(-0.5))
    for each in verified:
        np.testing.assert_allclose(
            each.missing_kw[each.award.obligation.less_kw > 0.0],
            1.5 * each.award.obligation.less_kw[each.award.obligation.less_kw > 0.0],
            rtol=1e-3,
        )
        assert not each.delivered_kw.any()
    assert all(account.revenue == 0.0 for account in accounts.values())


def test_an_award_is_metered_only_where_all_its_devices_are(day):
    profiles = day.metered(0.0)
    party = day.parties[0]
    unmetered = day.fleet.chains.name[party.devices[0]]
    columns = dict(profiles.columns)
    del columns[f"{unmetered}.metered_kw"]
    verified, _ = day.accounts(replace(profiles, columns=columns))
    assert {each.award.aggregator: each.is_metered for each in verified} == {
        name: name != party.name for name in {each.award.aggregator for each in verified}
    }
    assert party.name in {each.award.aggregator for each in verified}


def test_what_a_schedule_lacks_is_not_paid_for_and_costs_the_penalty(day):
    award = day.market.awards[0]
    less_kw = award.obligation.less_kw
    short_kw = np.where(less_kw > 0.0, 0.25 * less_kw, 0.0)
    lacking = Delivery(award.delivery.power_kw, short_kw, 0.0, 0.0)
    _, whole = day.accounts()
    market = replace(day.market, awards=(replace(award, delivery=lacking), *day.market.awards[1:]))
    verified = verify_awards(market, day.parties, day.profiles)
    made = market_accounts(market, verified, day.parties, day.settings, 1.0)
    account = next(account for account in made if account.aggregator == award.aggregator)
    assert account.revenue == pytest.approx(0.75 * whole[award.aggregator].revenue)
    assert account.penalty == pytest.approx(2.0 * short_kw.sum())


def test_half_an_hour_is_half_the_money(day):
    _, whole = day.accounts()
    _, half = day.accounts(day.metered(0.5), step_hours=0.5)
    for name, account in half.items():
        assert account.revenue == pytest.approx(0.25 * whole[name].revenue, rel=1e-4)
    _, hourly = day.accounts(day.metered(0.5))
    for name, account in half.items():
        assert account.penalty == pytest.approx(0.5 * hourly[name].penalty)


def test_a_linear_response_is_paid_its_average_price(day):
    """q kW cost q²/e."""
    offers = tuple(replace(offer, response_kw_per_price=40.0) for offer in day.market.book.offers)
    market = replace(day.market, book=replace(day.market.book, offers=offers))
    verified = verify_awards(market, day.parties, day.profiles)
    made = market_accounts(market, verified, day.parties, day.settings, 1.0)
    expected = {}
    for offer, share in zip(offers, day.market.clearing.shares, strict=True):
        amount = ((share * offer.flexibility_kw) ** 2).sum() / 40.0
        expected[offer.aggregator] = expected.get(offer.aggregator, 0.0) + amount
    for account in made:
        assert account.revenue == pytest.approx(expected[account.aggregator])


@pytest.fixture(scope="module")
def instruments():
    study = squeezed(0.85, reprofiling=True)
    settings, view, fleet, plan_kw, state = prepared(study)
    before = Stage("baseline", plan_kw, state)
    tariff = tariff_stage(view, fleet, settings, before, study.seed, lambda advance: None)
    return fleet, settings, tariff, reprofiling_stage(view, fleet, settings, tariff.stage)


def by_payer(postings, item):
    return {
        (posting.party, posting.counterparty): posting.amount
        for posting in postings
        if posting.item == item and posting.amount < 0
    }


def test_the_tariff_is_paid_on_all_load_of_the_final_plan(instruments):
    fleet, settings, tariff, _ = instruments
    rate, power_kw = tariff.published.tariff_per_kwh, tariff.stage.power_kw
    expected = {
        ("fixed load", "DSO"): -round_to_cent(float((rate * fleet.fixed_kw[fleet.load_points]).sum()))
    }
    for name in set(fleet.aggregator):
        mine = [device for device in range(len(fleet)) if fleet.aggregator[device] == name]
        amount = sum(float((rate[fleet.load_point[device]] * power_kw[device]).sum()) for device in mine)
        expected[f"customers of {name}", "DSO"] = -round_to_cent(amount)
    postings = all_postings(fleet, settings, power_kw, tariff, None, [])
    assert by_payer(postings, "tariff") == expected
    half = by_payer(all_postings(fleet, settings, 0.0 * power_kw, tariff, None, []), "tariff")
    assert set(half) == {("fixed load", "DSO")}
    total = -float(sum(expected.values()))
    assert total == pytest.approx(tariff.published.revenue_on_plan, rel=2e-3) and total > 1.0


def test_re_profiling_is_paid_to_whose_customers_are_called(instruments):
    fleet, settings, _, done = instruments
    amount = (done.call.price_per_kwh * done.delivered_kw).sum(axis=1)
    members = {}
    for device in np.flatnonzero(fleet.reprofiling):
        key = int(fleet.load_point[device]), fleet.member[device]
        members[key] = fleet.aggregator[device]
    expected = {}
    for point in range(len(amount)):
        here = [name for (place, _), name in members.items() if place == point]
        for name in here:
            expected[name] = expected.get(name, 0.0) + float(amount[point]) / len(here)
    postings = all_postings(fleet, settings, done.stage.power_kw, None, done, [])
    paid = by_payer(postings, "re-profiling")
    assert paid == {
        ("DSO", f"customers of {name}"): -round_to_cent(total) for name, total in expected.items() if total
    }
    assert -float(sum(paid.values())) == pytest.approx(done.call.cost(1.0), abs=0.02) and len(paid) == 2


def test_all_instruments_together_sum_to_exactly_zero(instruments, day):
    fleet, settings, tariff, done = instruments
    _, accounts = day.accounts(day.metered(0.7))
    postings = all_postings(fleet, settings, done.stage.power_kw, tariff, done, list(accounts.values()))
    assert {posting.item for posting in postings} >= {"tariff", "re-profiling", "flexibility", "penalty"}
    assert sum((posting.amount for posting in postings), Decimal(0)) == 0
    assert all_postings(fleet, settings, done.stage.power_kw, None, None, []) == []


def test_what_is_called_and_not_delivered_is_not_paid_for(instruments):
    fleet, settings, _, done = instruments
    point = next(iter(done.deliveries))

    def paid_for(stage):
        postings = all_postings(fleet, settings, done.stage.power_kw, None, stage, [])
        return -sum(by_payer(postings, "re-profiling").values())

    called = done.call.quantity_kw[point]
    worth = float((done.call.price_per_kwh[point] * called).sum())
    short = replace(done.deliveries[point], shortfall_kw=called.copy())
    less = replace(done, deliveries={**done.deliveries, point: short})
    whole, paid = paid_for(done), paid_for(less)
    assert float(whole - paid) == pytest.approx(worth, abs=0.05) and worth > 0.1
