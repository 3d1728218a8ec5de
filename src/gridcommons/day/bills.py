"""Settlement of the day: meters, trades and commitments become postings that sum to exactly zero.

Each member trades what it traded, the rest of its meter is shared by the community's key, and what is left
over is its supplier's. A dynamic tariff is paid by the devices that answer it and handed back to all by
consumption, since it is there to move load and not to earn. Flexibility is paid for what meters show of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from gridcommons.day.day_ahead import flexibility_settings
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Marketed, Realised, Scheduled, Tariffed, Traded
from gridcommons.day.reactive_delivery import missed_kvar
from gridcommons.flexibility.settlement import CUSTOMERS_OF, Account, settle
from gridcommons.model.grid import FloatArray
from gridcommons.model.money import Posting, pay, post, round_together
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.settlement.delivery import MeteredOrder, settle_delivery
from gridcommons.settlement.postings import DSO, NETWORK_FEE, Parties, sharing_postings, through_pool
from gridcommons.settlement.sharing_bill import SharingTariff, bill_alone, bill_together
from gridcommons.settlement.sharing_keys import Registers, allocate

BALANCE, HEAT = "balancing", "heat and fuel"
"""Accounts of who keeps the system in balance, and of whom communities buy heat and fuel."""


@dataclass(frozen=True, eq=False)
class Ledger:
    """The day that is settled.

    Parameters
    ----------
    field : Field
        Members, prices, keys.
    done : Realised
        What meters counted.
    tariff, market, trades, scheduled
        What was agreed; None where a stage was left out.
    plan_kw : (steps, assets)
        What suppliers had planned [kW].
    losses_kw : (steps,)
        Losses of the grid [kW].
    """

    field: Field
    done: Realised
    tariff: Tariffed | None
    market: Marketed | None
    trades: Traded | None
    plan_kw: FloatArray
    losses_kw: FloatArray
    scheduled: Scheduled | None = None

    @property
    def prices(self) -> Prices:
        """Prices of the study."""
        prices = self.field.study.prices
        assert prices is not None  # a day without prices is not settled
        return prices


def is_settled(study: Study) -> bool:
    """Whether a study has what bills are made of: prices to buy and to sell in every interval."""
    prices = study.prices
    return prices is not None and bool(
        np.isfinite(prices.import_price_per_kwh).all() and np.isfinite(prices.export_price_per_kwh).all()
    )


def registers_of(field: Field, p_kw: FloatArray) -> Registers:
    """What the meters of members counted, (steps, members)."""
    owners = np.eye(len(field.study.community.members))[field.member_of]
    net_kwh = p_kw @ owners * field.study.time.step_hours
    return Registers(np.maximum(net_kwh, 0.0), np.maximum(-net_kwh, 0.0))


def energy_tariff(field: Field, prices: Prices) -> SharingTariff:
    """Prices of energy alone; the network fee is paid on what the meter drew."""
    supply, export = prices.import_price_per_kwh, prices.export_price_per_kwh
    internal = export + field.settings.internal_price_share * (supply - export)
    return SharingTariff(supply, 0.0, export, 0.0, internal)


def cost_alone(field: Field, alone: Realised) -> FloatArray:
    """What each member would pay by itself with its supplier, each line in cents, (members,) [currency].

    A community that is its only member pays for its heat and fuel, too.
    """
    prices = field.study.prices
    assert prices is not None
    registers = registers_of(field, alone.p_kw)
    bill = bill_alone(registers, energy_tariff(field, prices))
    fee = np.nan_to_num(prices.network_fee_per_kwh) @ registers.withdrawal_kwh
    heat = dict(zip(field.hubs, alone.heat_cost.tolist(), strict=False))
    own_heat = np.array([heat.get(name, 0.0) for name in _names(field)])
    lines = np.stack([bill.supply_amount, bill.surplus_amount, fee, own_heat])
    return np.asarray(np.round(lines, 2).sum(axis=0))


def mean_price_per_kwh(prices: Prices) -> float:
    """What a kWh costs in the mean of the day, network fee included: the worth of what is left in stores."""
    return float((prices.import_price_per_kwh + np.nan_to_num(prices.network_fee_per_kwh)).mean())


def postings_of(ledger: Ledger) -> list[Posting]:
    """All postings of the day; they sum to exactly zero."""
    return [
        *_trade_postings(ledger),
        *_sharing_postings(ledger),
        *_fee_postings(ledger),
        *_tariff_postings(ledger),
        *_flexibility_postings(ledger),
        *_operator_postings(ledger),
        *_reactive_postings(ledger),
        *_heat_postings(ledger),
    ]


def _names(field: Field) -> list[str]:
    return [member.member for member in field.study.community.members]


def _trade_postings(ledger: Ledger) -> list[Posting]:
    if ledger.trades is None:
        return []
    field, trades = ledger.field, ledger.trades
    return through_pool(_names(field), trades.paid.sum(axis=0), "local trades")


def residual_registers(ledger: Ledger) -> Registers:
    """What meters counted beside the trades: what was bought and not used is there to be shared."""
    metered = registers_of(ledger.field, ledger.done.p_kw)
    if ledger.trades is None:
        return metered
    net_kwh = metered.withdrawal_kwh - metered.injection_kwh
    left_kwh = net_kwh - ledger.trades.bought_kwh + ledger.trades.sold_kwh
    return Registers(np.maximum(left_kwh, 0.0), np.maximum(-left_kwh, 0.0))


def _sharing_postings(ledger: Ledger) -> list[Posting]:
    field = ledger.field
    allocation = allocate(field.settings.sharing_key, residual_registers(ledger))
    bill = bill_together(allocation, energy_tariff(field, ledger.prices))
    return sharing_postings(Parties.of(field.study.community), bill)


def _fee_postings(ledger: Ledger) -> list[Posting]:
    """The network fee, on all that a meter drew, whoever it was bought of."""
    fee = np.nan_to_num(ledger.prices.network_fee_per_kwh)
    due = fee @ registers_of(ledger.field, ledger.done.p_kw).withdrawal_kwh
    parties = zip(_names(ledger.field), due.tolist(), strict=True)
    return [posting for name, amount in parties for posting in pay(name, DSO, NETWORK_FEE, amount)]


def _tariff_postings(ledger: Ledger) -> list[Posting]:
    """The tariff on what devices drew that answer it, and all of it handed back by consumption."""
    if ledger.tariff is None:
        return []
    field, hours = ledger.field, ledger.field.study.time.step_hours
    rate = dict(zip(ledger.tariff.bus.tolist(), ledger.tariff.tariff_per_kwh, strict=True))
    of_member = field.study.community.member_by_id
    paid = np.zeros(len(of_member))
    for k in field.chained.tolist():
        member = of_member[field.assets[k].member]
        if field.is_controllable[k] and member.aggregator and member.contract == "price":
            drawn_kwh = ledger.done.p_kw[:, k] * hours
            paid[field.member_of[k]] += float(rate[int(field.bus[k])] @ drawn_kwh)
    names = _names(field)
    due = round_together(dict(zip(names, paid.tolist(), strict=True)))
    used = registers_of(field, np.maximum(ledger.done.p_kw, 0.0)).withdrawal_kwh.sum(axis=0)
    back = float(sum(due.values())) * used / max(float(used.sum()), 1e-12)
    returned = round_together(
        dict(zip(names, back.tolist(), strict=True)), total=sum(due.values(), Decimal(0))
    )
    postings = [each for name in names for each in post(name, DSO, "dynamic tariff", due[name])]
    return postings + [each for name in names for each in post(DSO, name, "tariff returned", returned[name])]


def flexibility_accounts(ledger: Ledger) -> tuple[list[Account], dict[str, FloatArray]]:
    """What each aggregator sold, delivered and missed by meter; and what each member's devices gave of it.

    Returns
    -------
    tuple of list and dict
        Accounts; reduction of each member's devices by aggregator, shape (members,) [kWh].
    """
    field, market, hours = ledger.field, ledger.market, ledger.field.study.time.step_hours
    assert market is not None
    settings, spot = flexibility_settings(field.study), ledger.prices.import_price_per_kwh
    metered_kw = ledger.done.p_kw[:, market.device].T
    planned_kw = market.planned.plan_kw[:, market.device].T
    accounts: dict[str, Account] = {}
    given: dict[str, FloatArray] = {}
    for place, name in enumerate(market.aggregator.tolist()):
        mine = market.award == place
        # What was planned for the award moves its devices; what else does is not the aggregator's.
        moved_kw = planned_kw[mine] - market.before_kw[mine]
        shown_kw = metered_kw[mine] - market.before_kw[mine]
        order = MeteredOrder(
            market.before_kw[mine].sum(axis=0),
            metered_kw[mine].sum(axis=0),
            market.ordered_kw[place],
            hours,
        )
        settled = settle_delivery(order, float(market.price_per_kwh[place]), settings.penalty_per_kwh)
        fee = float(market.price_per_kwh[place] * settled.delivered_kwh.sum())
        penalty = float(settings.penalty_per_kwh * settled.deficient_kwh.sum())
        discomfort = settings.discomfort_per_kw2h * float((moved_kw**2).sum()) * hours
        energy = float((spot * moved_kw).sum()) * hours
        old = accounts.get(name, Account(name, 0.0, 0.0, 0.0, 0.0))
        accounts[name] = Account(
            name,
            old.revenue + fee,
            old.penalty + penalty,
            old.discomfort_cost + discomfort,
            old.energy_cost + energy,
        )
        asked = market.ordered_kw[place] > 0.0
        less_kwh = np.maximum(-shown_kw[:, asked], 0.0).sum(axis=1) * hours
        part = given.setdefault(name, np.zeros(len(field.study.community.members)))
        np.add.at(part, field.member_of[market.device[mine]], less_kwh)
    return list(accounts.values()), given


def _parts(ledger: Ledger, aggregator: str, given_kwh: FloatArray) -> FloatArray:
    """Whose a payment to customers is: by what they gave; a part a device where nobody gave anything."""
    if given_kwh.sum() > 0.0:
        return np.asarray(given_kwh / given_kwh.sum())
    market = ledger.market
    assert market is not None
    moved = market.device[np.isin(market.award, np.flatnonzero(market.aggregator == aggregator))]
    count = np.bincount(ledger.field.member_of[moved], minlength=len(given_kwh))
    return np.asarray(count / len(moved))


def _flexibility_postings(ledger: Ledger) -> list[Posting]:
    """What the grid operator pays, what aggregators keep, and what their customers get by what they gave."""
    if ledger.market is None or not len(ledger.market.aggregator):
        return []
    accounts, given = flexibility_accounts(ledger)
    names, postings = _names(ledger.field), []
    for posting in settle(accounts, flexibility_settings(ledger.field.study).customer_share):
        if posting.party.startswith(CUSTOMERS_OF):
            aggregator = posting.counterparty
            part = _parts(ledger, aggregator, given[aggregator])
            shares = dict(zip(names, (part * float(posting.amount)).tolist(), strict=True))
            for name, amount in round_together(shares, total=posting.amount).items():
                postings += post(aggregator, name, f"flexibility: {posting.item}", amount)
        elif not posting.counterparty.startswith(CUSTOMERS_OF):
            postings.append(posting)
    return postings


def _operator_postings(ledger: Ledger) -> list[Posting]:
    """Losses, which the grid operator buys, and what missing the plan costs suppliers."""
    field, hours = ledger.field, ledger.field.study.time.step_hours
    price = ledger.prices.import_price_per_kwh
    suppliers = np.array(Parties.of(field.study.community).suppliers, dtype=object)
    names, share = list(dict.fromkeys(suppliers)), field.settings.imbalance_price_share
    # One of them sells the grid operator its losses.
    postings = pay(DSO, names[0], "losses", float((price * ledger.losses_kw).sum()) * hours)
    missed_kw = ledger.done.p_kw - ledger.plan_kw
    for name in names:
        mine = (suppliers == name)[field.member_of]
        short_kw = np.abs(missed_kw[:, mine].sum(axis=1))
        postings += pay(name, BALANCE, "imbalance", float(np.abs(price) @ short_kw) * hours * share)
    return postings


def _heat_postings(ledger: Ledger) -> list[Posting]:
    """Heat and fuel of communities that plan them."""
    due = zip(ledger.field.hubs, ledger.done.heat_cost.tolist(), strict=False)
    return [each for name, amount in due for each in pay(name, HEAT, HEAT, amount)]


def _reactive_postings(ledger: Ledger) -> list[Posting]:
    """Reactive power that communities sold, as far as their devices gave it."""
    field, sold = ledger.field, ledger.scheduled
    if sold is None:
        return []
    due_kvar = np.abs(sold.sold_kvar)
    missed_share = np.divide(
        missed_kvar(field, sold, ledger.done), due_kvar, out=np.zeros_like(due_kvar), where=due_kvar > 0.0
    )
    paid = (sold.paid * (1.0 - missed_share)).sum(axis=0)
    names = [community for community, _ in field.connections]
    due = {name: sum(paid[k] for k, each in enumerate(names) if each == name) for name in field.hubs}
    return [each for name, amount in due.items() for each in pay(DSO, name, "reactive power", amount)]
