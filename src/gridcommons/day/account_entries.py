"""What the stages of a day enter in its account."""

from __future__ import annotations

import numpy as np

from gridcommons.day.account import Account, Commitment
from gridcommons.day.community_powers import reactive_swing_kvar
from gridcommons.day.envelope_issuer import device_bounds_kw
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Marketed, Planned, Realised, Scheduled, Traded
from gridcommons.model.grid import FloatArray
from gridcommons.settlement.postings import COMMUNITY, DSO

MARKET, REACTIVE, TRADING = "market", "reactive", "trading"


def open_account(field: Field, planned: Planned) -> Account:
    """Bands as the devices are rated, before anything is sold: of all that is planned or held back."""
    mine = np.concatenate([field.chained, field.stored, field.roofs])
    known = field.information.seen(field.gates["baseline"])
    low_kw, high_kw = device_bounds_kw(field, known)
    for k in field.roofs.tolist():
        low_kw[:, k] = -field.assets[k].rating_kw
    plan_kw = planned.plan_kw[:, mine]
    names = tuple(field.assets[k].asset for k in mine)
    return Account(names, plan_kw.copy(), low_kw[:, mine], high_kw[:, mine])


def replan(field: Field, account: Account, name: str, planned: Planned) -> None:
    """Move the plans of all assets to those of a stage."""
    account.replan(name, np.arange(len(account.asset)), planned.plan_kw[:, account.rows_of(field.row)])


def sell(field: Field, account: Account, market: Marketed) -> None:
    """Each device commits what its plan gives of an award; then all others plan anew around it."""
    for k, (device, award) in enumerate(zip(market.device.tolist(), market.award.tolist(), strict=True)):
        asset, plan_kw = field.assets[device].asset, market.planned.plan_kw[:, device]
        less_kw = np.maximum(market.before_kw[k] - plan_kw, 0.0)
        aggregator = str(market.aggregator[award])
        commitment = Commitment(
            stage=MARKET,
            seller=asset,
            counterparty=aggregator,
            reference=f"{MARKET} {award} {asset}",
            quantity=np.where(market.ordered_kw[award] > 0.0, less_kw, 0.0),
            price=np.full(len(less_kw), market.price_per_kwh[award]),
        )
        account.sell(commitment, plan_kw)
    replan(field, account, MARKET, market.planned)


def promise_reactive_power(field: Field, account: Account, scheduled: Scheduled) -> None:
    """What communities have sold of reactive power, against all that their devices can move."""
    room_kvar = _room_kvar(field)
    for column, (community, bus) in enumerate(field.connections):
        sold_kvar = np.abs(scheduled.sold_kvar[:, column])
        price = np.divide(
            scheduled.paid[:, column] / field.study.time.step_hours,
            sold_kvar,
            out=np.zeros_like(sold_kvar),
            where=sold_kvar > 0.0,
        )
        if not sold_kvar.any():
            continue
        # Each connection has its own room.
        seller = f"{community} at {bus}"
        sold = Commitment(REACTIVE, seller, DSO, f"{REACTIVE} {seller}", sold_kvar, price, "kvar")
        account.promise(sold, np.full(len(sold_kvar), room_kvar[column]))


def _room_kvar(field: Field) -> FloatArray:
    """What the devices at each connection can move from end to end, shape (connections,)."""
    swing_kvar = np.array([reactive_swing_kvar(field.assets[k]) for k in field.scheduled.tolist()])
    room_kvar = np.bincount(field.connection_of[field.scheduled], swing_kvar, len(field.connections))
    return np.asarray(room_kvar, dtype=np.float64)


def promise_trades(field: Field, account: Account, trades: Traded) -> None:
    """What members have sold each other, against what they had offered."""
    hours = field.study.time.step_hours
    for column, member in enumerate(field.study.community.members):
        sold_kw = trades.sold_kwh[:, column] / hours
        if sold_kw.any():
            got = -trades.paid[:, column] / hours
            price = np.divide(got, sold_kw, out=np.zeros_like(got), where=sold_kw > 0.0)
            reference = f"{TRADING} {member.member}"
            sold = Commitment(TRADING, member.member, COMMUNITY, reference, sold_kw, price)
            account.promise(sold, trades.offered_kw[:, column])


def close(field: Field, account: Account, done: Realised) -> None:
    """Envelopes narrow the bands, and what devices did is inside of what was left."""
    rows, at = np.arange(len(account.asset)), account.rows_of(field.row)
    account.narrow("envelopes", rows, done.p_min_kw[:, at], done.p_max_kw[:, at])
    account.replan("day", rows, done.p_kw[:, at])
