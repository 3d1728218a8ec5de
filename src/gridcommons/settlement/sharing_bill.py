"""What members of a community pay under a sharing key, and who gets it.

What a member is not allocated it buys from its supplier, and what it does not give it sells there. For what
it is allocated it pays the internal price to the producers, in proportion to what they gave, and a fee to the
network. So members together pay what the network (DSO) and the supplier get. Nothing is rounded here, and
prices keep their sign: at a negative price surplus costs its owner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import FloatArray
from gridcommons.settlement.sharing_keys import Allocation, Registers, Terms, virtual


@dataclass(frozen=True, eq=False)
class SharingTariff:
    """Prices of a community, each one number or one an interval, shape (steps,); of either sign.

    Parameters
    ----------
    import_price_per_kwh : float or (steps,)
        Of energy from the supplier, network fee included.
    network_fee_per_kwh : float or (steps,)
        The fee in it, which goes to the DSO.
    export_price_per_kwh : float or (steps,)
        Got for surplus.
    shared_fee_per_kwh : float or (steps,)
        Fee on allocated energy, which goes to the DSO.
    internal_price_per_kwh : float or (steps,)
        Of allocated energy, from who is allocated to who gave.
    """

    import_price_per_kwh: float | FloatArray
    network_fee_per_kwh: float | FloatArray
    export_price_per_kwh: float | FloatArray
    shared_fee_per_kwh: float | FloatArray
    internal_price_per_kwh: float | FloatArray


@dataclass(frozen=True, eq=False)
class SharingBill:
    """Lines of each member, shape (members,) each [currency]; paid is positive.

    Parameters
    ----------
    supply_amount : FloatArray
        Residual withdrawal, to the supplier, without the fee.
    network_amount : FloatArray
        Fee on it, to the DSO.
    shared_fee_amount : FloatArray
        Fee on allocated energy, to the DSO.
    surplus_amount : FloatArray
        Surplus, from the supplier: negative unless its price is.
    bought_amount, sold_amount : FloatArray
        Allocated energy bought from members, and energy sold to them (negative).
    """

    supply_amount: FloatArray
    network_amount: FloatArray
    shared_fee_amount: FloatArray
    surplus_amount: FloatArray
    bought_amount: FloatArray
    sold_amount: FloatArray

    @property
    def amount(self) -> FloatArray:
        """What each member pays in all, shape (members,) [currency]."""
        to_others = self.supply_amount + self.network_amount + self.shared_fee_amount + self.surplus_amount
        return to_others + self.bought_amount + self.sold_amount

    @property
    def dso_amount(self) -> float:
        """What the DSO gets from all [currency]."""
        return float((self.network_amount + self.shared_fee_amount).sum())

    @property
    def supplier_amount(self) -> float:
        """What the supplier gets from all, less what it pays for surplus [currency]."""
        return float((self.supply_amount + self.surplus_amount).sum())


def bill_together(allocation: Allocation, tariff: SharingTariff) -> SharingBill:
    """What each member pays for its intervals under an allocation.

    Parameters
    ----------
    allocation : Allocation
        What a key decided.
    tariff : SharingTariff
        Prices of the same intervals.

    Raises
    ------
    GridcommonsError
        A price is not finite, or is neither one number nor one an interval.
    """
    steps = len(allocation.shared_kwh)
    fee = _price(tariff.network_fee_per_kwh, steps, "network_fee_per_kwh")
    supply = _price(tariff.import_price_per_kwh, steps, "import_price_per_kwh") - fee
    internal = _price(tariff.internal_price_per_kwh, steps, "internal_price_per_kwh")
    export = _price(tariff.export_price_per_kwh, steps, "export_price_per_kwh")
    shared_fee = _price(tariff.shared_fee_per_kwh, steps, "shared_fee_per_kwh")
    return SharingBill(
        supply_amount=supply @ allocation.residual_kwh,
        network_amount=fee @ allocation.residual_kwh,
        shared_fee_amount=shared_fee @ allocation.allocated_kwh,
        surplus_amount=-(export @ allocation.surplus_kwh),
        bought_amount=internal @ allocation.allocated_kwh,
        sold_amount=-(internal @ allocation.given_kwh),
    )


def bill_alone(registers: Registers, tariff: SharingTariff) -> SharingBill:
    """What each member would pay without the community: nothing is allocated.

    Parameters
    ----------
    registers : Registers
        Of the members.
    tariff : SharingTariff
        Prices of the same intervals.
    """
    return bill_together(virtual(registers, Terms()), tariff)


def _price(price_per_kwh: float | FloatArray, steps: int, name: str) -> FloatArray:
    """A price of each interval, shape (steps,)."""
    price = np.asarray(price_per_kwh, dtype=np.float64)
    if price.shape not in ((), (steps,)) or not np.isfinite(price).all():
        raise GridcommonsError(
            f"{name}: found prices of shape {price.shape}, expected one finite number or one an interval, "
            f"({steps},)"
        )
    return np.broadcast_to(price, steps)
