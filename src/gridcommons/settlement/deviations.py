"""What members pay for having drawn or fed in other than they had traded.

A deviation is positive where a member is long: it delivered more, or drew less, than its trades say. Members'
deviations net within the community first, and only what is left reaches the outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gridcommons.model.errors import GridcommonsError, did_you_mean
from gridcommons.model.grid import FloatArray
from gridcommons.settlement.sharing_keys import Registers

BALANCED_SHARE = 1e-9
"""Of all deviations: below this their sum counts as zero."""


@dataclass(frozen=True, eq=False)
class DeviationPrices:
    """Prices of deviations, one number or (steps,); of either sign.

    Parameters
    ----------
    short_per_kwh : float or (steps,)
        Paid for what is missing.
    long_per_kwh : float or (steps,)
        Got for what is left.
    """

    short_per_kwh: float | FloatArray
    long_per_kwh: float | FloatArray


@dataclass(frozen=True, eq=False)
class SettledDeviations:
    """Who pays what for deviations [currency].

    Parameters
    ----------
    charge_amount : (steps, members)
        Paid by each member, negative where it is paid.
    outside_amount : (steps,)
        What the community's own deviation costs outside.
    excess_amount : (steps,)
        What members pay beyond that; it goes to ``excess_account``.
    excess_account : str
        Whose it is.
    """

    charge_amount: FloatArray
    outside_amount: FloatArray
    excess_amount: FloatArray
    excess_account: str


def deviations_kwh(registers: Registers, sold_kwh: FloatArray, bought_kwh: FloatArray) -> FloatArray:
    """What each delivered beyond its trades, (out − in) − (sold − bought), shape (steps, members) [kWh].

    Both registers count, also where both are above zero in one interval.

    Parameters
    ----------
    registers : Registers
        Injected (out) and withdrawn (in).
    sold_kwh, bought_kwh : (steps, members)
        By trades, magnitudes [kWh].
    """
    return (registers.injection_kwh - registers.withdrawal_kwh) - (sold_kwh - bought_kwh)


def at_single_price(deviation_kwh: FloatArray, short: FloatArray, long: FloatArray) -> FloatArray:
    """Charges at one price for all, that of the community's sign: −dev_i · p(sign Σ dev), (steps, members).

    Members together pay exactly what the outside takes. Where deviations cancel, the price is the mean of the
    two, which favours neither side.

    Parameters
    ----------
    deviation_kwh : (steps, members)
        Positive where long [kWh].
    short, long : (steps,)
        Prices per kWh.
    """
    return -deviation_kwh * _price_of(_total_kwh(deviation_kwh), short, long)[:, None]


def at_dual_prices(deviation_kwh: FloatArray, short: FloatArray, long: FloatArray) -> FloatArray:
    """Charges at the price of each one's own sign: −dev_i · p(sign dev_i), shape (steps, members).

    Parameters
    ----------
    deviation_kwh : (steps, members)
        Positive where long [kWh].
    short, long : (steps,)
        Prices per kWh.
    """
    return -deviation_kwh * np.where(deviation_kwh < 0.0, short[:, None], long[:, None])


PRICINGS: dict[str, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "single": at_single_price,
    "dual": at_dual_prices,
}
"""Ways to charge deviations, by name."""


def settle_deviations(
    deviation_kwh: FloatArray, prices: DeviationPrices, pricing: str, excess_account: str
) -> SettledDeviations:
    """What members pay for their deviations, what the outside gets of it, and where the rest goes.

    Parameters
    ----------
    deviation_kwh : (steps, members)
        Positive where long [kWh].
    prices : DeviationPrices
        Of the outside.
    pricing : str
        A name in ``PRICINGS``.
    excess_account : str
        Who gets what dual prices leave over, by name, so that it is never lost.

    Raises
    ------
    GridcommonsError
        There is no such pricing, or the excess has no account.
    """
    if pricing not in PRICINGS:
        hint = did_you_mean(pricing, PRICINGS)
        raise GridcommonsError(
            f"deviations: found pricing {pricing!r}, expected one of {', '.join(PRICINGS)}"
            + (f"; {hint}" if hint else "")
        )
    if not excess_account:
        raise GridcommonsError("deviations: found no account for the excess, expected its name")
    steps = len(deviation_kwh)
    short = np.broadcast_to(np.asarray(prices.short_per_kwh, dtype=np.float64), steps)
    long = np.broadcast_to(np.asarray(prices.long_per_kwh, dtype=np.float64), steps)
    charge_amount = PRICINGS[pricing](deviation_kwh, short, long)
    total_kwh = _total_kwh(deviation_kwh)
    outside_amount = -total_kwh * _price_of(total_kwh, short, long)
    excess_amount = np.asarray(charge_amount.sum(axis=1)) - outside_amount
    return SettledDeviations(charge_amount, outside_amount, excess_amount, excess_account)


def _total_kwh(deviation_kwh: FloatArray) -> FloatArray:
    """Σ dev, and 0 where only rounding keeps it from that."""
    total_kwh = deviation_kwh.sum(axis=1)
    rounding_kwh = BALANCED_SHARE * np.abs(deviation_kwh).sum(axis=1)
    return np.where(np.abs(total_kwh) <= rounding_kwh, 0.0, total_kwh)


def _price_of(total_kwh: FloatArray, short: FloatArray, long: FloatArray) -> FloatArray:
    return np.select([total_kwh < 0.0, total_kwh > 0.0], [short, long], 0.5 * (short + long))
