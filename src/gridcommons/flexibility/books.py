"""The books of a day: from plans, shares and meters to the accounts that are settled.

Flexibility is paid for what meters show against the plan that stood before it was sold; where the study has
no meters (a day that has not been), against the schedules, and the summary says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.flexibility.aggregators import Aggregator
from gridcommons.flexibility.bidding import Bundle
from gridcommons.flexibility.day_ahead import ReprofilingStage, TariffStage
from gridcommons.flexibility.delivery import measure, verify_delivery
from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.market import Award, MarketStage, taken
from gridcommons.flexibility.settings import Settings
from gridcommons.flexibility.settlement import CUSTOMERS_OF, DSO, FIXED_LOAD, Account, settle
from gridcommons.model.grid import FloatArray
from gridcommons.model.money import Posting, pay
from gridcommons.model.profiles import Profiles


@dataclass(frozen=True, eq=False)
class Verified:
    """One award as it was delivered.

    Parameters
    ----------
    award : Award
        What was bought, and the schedule for it.
    power_kw : (devices, steps)
        What its devices drew by meter, or by schedule where they have none [kW].
    baseline_kw, metered_kw, delivered_kw, missing_kw : (steps,)
        Load of all its devices without the award and with it; delivered and missing of it [kW].
    is_metered : bool
        Whether meters said so.
    """

    award: Award
    power_kw: FloatArray
    baseline_kw: FloatArray
    metered_kw: FloatArray
    delivered_kw: FloatArray
    missing_kw: FloatArray
    is_metered: bool


def verify_awards(
    market: MarketStage, aggregators: Sequence[Aggregator], profiles: Profiles
) -> tuple[Verified, ...]:
    """What was delivered of every award, by meters where all its devices have them."""
    by_name = {party.name: party for party in aggregators}
    found = []
    for award in market.awards:
        bundle = by_name[award.aggregator].bundle(award.load_point)
        metered = _metered(bundle, profiles)
        power_kw = award.delivery.power_kw if metered is None else metered
        baseline_kw, metered_kw = bundle.plan_kw.sum(axis=0), power_kw.sum(axis=0)
        parts = verify_delivery(baseline_kw, metered_kw, award.obligation.less_kw)
        if metered is None:
            # A schedule keeps its award to within the solver's tolerance; that is no shortfall.
            parts = (award.obligation.less_kw - award.delivery.shortfall_kw, award.delivery.shortfall_kw)
        found.append(Verified(award, power_kw, baseline_kw, metered_kw, *parts, metered is not None))
    return tuple(found)


def _metered(bundle: Bundle, profiles: Profiles) -> FloatArray | None:
    names = [f"{bundle.fleet.chains.name[device]}.metered_kw" for device in bundle.devices]
    if not all(name in profiles.columns for name in names):
        return None
    return np.array([profiles.columns[name] for name in names])


def market_accounts(
    market: MarketStage,
    verified: Sequence[Verified],
    aggregators: Sequence[Aggregator],
    settings: Settings,
    step_hours: float,
) -> list[Account]:
    """Each aggregator's part of a market, before money is rounded."""
    revenue = _revenue(market, verified, settings, step_hours)
    by_name = {party.name: party for party in aggregators}
    accounts = []
    for party in aggregators:
        mine = [each for each in verified if each.award.aggregator == party.name]
        if not mine:
            continue
        costs = [
            measure(
                by_name[party.name].bundle(each.award.load_point),
                each.award.obligation,
                each.power_kw,
            )
            for each in mine
        ]
        missing_kwh = sum(float(each.missing_kw.sum()) for each in mine) * step_hours
        accounts.append(
            Account(
                aggregator=party.name,
                revenue=sum(revenue[party.name, each.award.load_point] for each in mine),
                penalty=settings.penalty_per_kwh * missing_kwh,
                discomfort_cost=sum(cost.discomfort_cost for cost in costs),
                energy_cost=sum(cost.energy_cost for cost in costs),
            )
        )
    return accounts


def _revenue(
    market: MarketStage, verified: Sequence[Verified], settings: Settings, step_hours: float
) -> dict[tuple[str, int], float]:
    """What the DSO pays for each award: its offers' prices or the market's, for what was delivered."""
    clearing = market.clearing
    assert clearing is not None
    offers = {offer.offer: offer for offer in market.book.offers}
    worth: dict[tuple[str, str], FloatArray] = {}
    for name, share in zip(clearing.offers, clearing.shares, strict=True):
        offer = offers[name]
        less_kw, _ = taken(offer, share)
        price = np.full(len(less_kw), offer.price_per_kwh)
        if settings.payment == "as_clear":
            # Where flexibility is short, the market price is the price of a shortage: no offer is worth that.
            market_price = clearing.price_per_kwh[clearing.bus.index(offer.bus)]
            price = np.minimum(market_price, settings.price_max_per_kwh)
        elif offer.response_kw_per_price > 0.0:
            price = less_kw / offer.response_kw_per_price
        key = (offer.aggregator, offer.bus)
        worth[key] = worth.get(key, 0.0 * less_kw) + price * less_kw * step_hours
    bus_of = market.requirement.bus
    found = {}
    for each in verified:
        ordered_kw = each.award.obligation.less_kw
        share = np.divide(each.delivered_kw, ordered_kw, out=0.0 * ordered_kw, where=ordered_kw > 0.0)
        amount = worth[each.award.aggregator, bus_of[each.award.load_point]] * share
        found[each.award.aggregator, each.award.load_point] = float(amount.sum())
    return found


def all_postings(
    fleet: Fleet,
    settings: Settings,
    final_kw: FloatArray,
    tariff: TariffStage | None,
    reprofiling: ReprofilingStage | None,
    accounts: list[Account],
) -> list[Posting]:
    """Postings of all instruments that were used; they sum to exactly zero."""
    postings: list[Posting] = []
    if tariff is not None:
        postings += _tariff_postings(fleet, tariff, final_kw)
    if reprofiling is not None:
        postings += _call_postings(fleet, reprofiling)
    return postings + settle(accounts, settings.customer_share)


def _tariff_postings(fleet: Fleet, tariff: TariffStage, final_kw: FloatArray) -> list[Posting]:
    """The tariff on all load of the final plan: on each aggregator's customers, and on fixed load."""
    rate = tariff.published.tariff_per_kwh
    fixed_kw = fleet.fixed_kw[fleet.load_points]
    names = np.array(fleet.aggregator, dtype=object)
    postings = pay(FIXED_LOAD, DSO, "tariff", float((rate * fixed_kw).sum()) * fleet.step_hours)
    for name in dict.fromkeys(fleet.aggregator):
        load_kw = fleet.at_load_points(final_kw, names == name)
        amount = float((rate * load_kw).sum()) * fleet.step_hours
        postings += pay(f"{CUSTOMERS_OF}{name}", DSO, "tariff", amount)
    return postings


def _call_postings(fleet: Fleet, reprofiling: ReprofilingStage) -> list[Posting]:
    """What is delivered of re-profiling, paid to customers, by aggregator in proportion to their number."""
    amount = reprofiling.paid_per_hour.sum(axis=1) * fleet.step_hours
    members: dict[tuple[int, str], set[str]] = {}
    for device in np.flatnonzero(fleet.reprofiling):
        key = (int(fleet.load_point[device]), fleet.aggregator[device])
        members.setdefault(key, set()).add(fleet.member[device])
    whole = np.zeros(len(amount))
    for (point, _), group in members.items():
        whole[point] += len(group)
    paid: dict[str, float] = {}
    for (point, name), group in members.items():
        paid[name] = paid.get(name, 0.0) + float(amount[point]) * len(group) / whole[point]
    return [
        posting
        for name, total in paid.items()
        for posting in pay(DSO, f"{CUSTOMERS_OF}{name}", "re-profiling", total)
    ]
