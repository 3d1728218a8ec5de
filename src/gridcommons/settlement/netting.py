"""Sharing over longer intervals than those with prices: energy nets by the hour, prices hold by the quarter.

A key looks at the sums of a longer interval. What it decides is spread over the shorter ones in it, in
proportion to what each member withdrew and injected there, so that every kWh has the price of its own time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.settlement.sharing_keys import Allocation, Registers, Terms, allocate, net_over

OWNED_BY_SHARE = ("static_owned",)
"""Keys whose surplus is of who has the share, and not of who injected."""


@dataclass(frozen=True, eq=False)
class NettedSharing:
    """What a key decides over netting intervals, and how that is billed.

    Parameters
    ----------
    registers : Registers
        Of netting intervals.
    shared_kwh : (netting intervals,)
        What counts as shared [kWh].
    billed : Allocation
        The allocation, spread over the intervals that have prices.
    """

    registers: Registers
    shared_kwh: FloatArray
    billed: Allocation


def allocate_netted(key: str, registers: Registers, terms: Terms, steps_each: int) -> NettedSharing:
    """What a key makes of registers that net over some intervals together.

    Parameters
    ----------
    key : str
        A name in ``KEYS``.
    registers : Registers
        Of the intervals that have prices.
    terms : Terms
        What the key needs to know.
    steps_each : int
        How many of them net together.

    Raises
    ------
    GridcommonsError
        The key lacks its terms, or the intervals do not fill the last netting interval.
    """
    if steps_each == 1:
        allocation = allocate(key, registers, terms)
        return NettedSharing(registers, allocation.shared_kwh, allocation)
    netted = net_over(registers, steps_each)
    allocation = allocate(key, netted, terms)
    billed = _spread(allocation, netted, registers, is_owned=key in OWNED_BY_SHARE)
    return NettedSharing(netted, allocation.shared_kwh, billed)


def _spread(allocation: Allocation, netted: Registers, registers: Registers, is_owned: bool) -> Allocation:
    """An allocation of netting intervals, over the intervals in them."""
    allocated_kwh = _along(registers.withdrawal_kwh, netted.withdrawal_kwh, allocation.allocated_kwh)
    if is_owned:
        made_kwh, all_made_kwh = registers.generated_kwh[:, None], netted.generated_kwh[:, None]
    else:
        made_kwh, all_made_kwh = registers.injection_kwh, netted.injection_kwh
    return Allocation(
        allocated_kwh=allocated_kwh,
        residual_kwh=registers.withdrawal_kwh - allocated_kwh,
        given_kwh=_along(registers.injection_kwh, netted.injection_kwh, allocation.given_kwh),
        surplus_kwh=_along(made_kwh, all_made_kwh, allocation.surplus_kwh),
        shared_kwh=np.asarray(allocated_kwh.sum(axis=1)),
    )


def _along(part_kwh: FloatArray, whole_kwh: FloatArray, amount_kwh: FloatArray) -> FloatArray:
    """An amount of each netting interval, over its intervals in proportion to their part of the whole."""
    has_some = np.broadcast_to(whole_kwh > 0.0, amount_kwh.shape)
    of_each = np.divide(amount_kwh, whole_kwh, out=np.zeros_like(amount_kwh), where=has_some)
    return np.asarray(np.repeat(of_each, len(part_kwh) // len(whole_kwh), axis=0) * part_kwh)
