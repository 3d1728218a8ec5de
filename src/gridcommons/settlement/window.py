"""What a key makes of the whole window of a study: energy, and the lines of each member's bill.

A key has no memory, so that the window is settled piece by piece and added up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.settlement.agreement import Agreement
from gridcommons.settlement.meters import Meters
from gridcommons.settlement.netting import NettedSharing, allocate_netted
from gridcommons.settlement.sharing_bill import SharingBill, bill_alone, bill_together


@dataclass(frozen=True, eq=False)
class SharedWindow:
    """A window under a key.

    Parameters
    ----------
    withdrawn_kwh, injected_kwh, shared_kwh, surplus_kwh : (netting intervals,)
        Of all members together [kWh].
    of_member : MemberEnergy
        Of each member, over the window.
    bill, bill_alone : SharingBill
        What each member pays under the key, and without the community.
    premium : (members,)
        What each gets of a premium on shared energy [currency].
    """

    withdrawn_kwh: FloatArray
    injected_kwh: FloatArray
    shared_kwh: FloatArray
    surplus_kwh: FloatArray
    of_member: MemberEnergy
    bill: SharingBill
    bill_alone: SharingBill
    premium: FloatArray


@dataclass(frozen=True, eq=False)
class MemberEnergy:
    """Energy of each member over the window, shape (members,) each [kWh].

    Parameters
    ----------
    withdrawn_kwh, injected_kwh : FloatArray
        What its meter counted.
    shared_kwh, given_kwh : FloatArray
        What it was allocated, and what of its injection was allocated to members.
    surplus_kwh : FloatArray
        What it sold to its supplier.
    """

    withdrawn_kwh: FloatArray
    injected_kwh: FloatArray
    shared_kwh: FloatArray
    given_kwh: FloatArray
    surplus_kwh: FloatArray

    @property
    def from_supplier_kwh(self) -> FloatArray:
        """What it bought from its supplier, shape (members,) [kWh]."""
        return np.asarray(self.withdrawn_kwh - self.shared_kwh)


def share_window(
    meters: Meters, agreement: Agreement, key: str, producers_share: float = 0.5
) -> SharedWindow:
    """The window under a key.

    Parameters
    ----------
    meters : Meters
        Of all members.
    agreement : Agreement
        Terms, prices and netting.
    key : str
        A name in ``KEYS``.
    producers_share : float
        Part of a premium for who injected.
    """
    parts = [
        _share_part(meters, agreement, key, (steps, producers_share))
        for steps in meters.blocks(agreement.steps_each)
    ]
    over_time = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("withdrawn_kwh", "injected_kwh", "shared_kwh", "surplus_kwh")
    }
    return SharedWindow(
        **over_time,
        of_member=_added([part.of_member for part in parts]),
        bill=_added([part.bill for part in parts]),
        bill_alone=_added([part.bill_alone for part in parts]),
        premium=np.asarray(np.sum([part.premium for part in parts], axis=0)),
    )


def _share_part(meters: Meters, agreement: Agreement, key: str, what: tuple[slice, float]) -> SharedWindow:
    steps, producers_share = what
    registers, tariff = meters.registers(steps), agreement.tariff_of(steps)
    sharing = allocate_netted(key, registers, agreement.terms, agreement.steps_each)
    billed = sharing.billed
    withdrawn_kwh = sharing.registers.withdrawal_kwh.sum(axis=1)
    injected_kwh = sharing.registers.generated_kwh
    return SharedWindow(
        withdrawn_kwh=withdrawn_kwh,
        injected_kwh=injected_kwh,
        shared_kwh=sharing.shared_kwh,
        surplus_kwh=billed.surplus_kwh.reshape(len(withdrawn_kwh), -1).sum(axis=1),
        of_member=MemberEnergy(
            withdrawn_kwh=registers.withdrawal_kwh.sum(axis=0),
            injected_kwh=registers.injection_kwh.sum(axis=0),
            shared_kwh=billed.allocated_kwh.sum(axis=0),
            given_kwh=billed.given_kwh.sum(axis=0),
            surplus_kwh=billed.surplus_kwh.sum(axis=0),
        ),
        bill=bill_together(billed, tariff),
        bill_alone=bill_alone(registers, tariff),
        premium=_premium(sharing, agreement.premium_of(steps), producers_share),
    )


def _premium(sharing: NettedSharing, premium_per_kwh: FloatArray, producers_share: float) -> FloatArray:
    """The premium of all netting intervals, by injection and withdrawal in each, (members,) [currency]."""
    amount = premium_per_kwh * sharing.shared_kwh
    injection_kwh, withdrawal_kwh = sharing.registers.injection_kwh, sharing.registers.withdrawal_kwh
    made, used = (_per_kwh(amount, each) @ each for each in (injection_kwh, withdrawal_kwh))
    return np.asarray(producers_share * made + (1.0 - producers_share) * used)


def _per_kwh(amount: FloatArray, by_kwh: FloatArray) -> FloatArray:
    total_kwh = by_kwh.sum(axis=1)
    per_kwh = np.divide(amount, total_kwh, out=np.zeros_like(total_kwh), where=total_kwh > 0.0)
    return np.asarray(per_kwh)


def _added(parts: list[Any]) -> Any:
    """Parts of one kind, each of their arrays added up."""
    kind = type(parts[0])
    return kind(
        **{
            column.name: np.sum([getattr(part, column.name) for part in parts], axis=0)
            for column in fields(kind)
        }
    )
