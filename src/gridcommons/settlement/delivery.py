"""What an ordered reduction of load is paid, by what the meters say of it.

Two rules: a fee for what was delivered and a penalty for what was missing, or a payment that falls with the
delivered part and ends at a least one. Both look at one side: more than was ordered earns nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.delivery import verify_delivery
from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import FloatArray


@dataclass(frozen=True, eq=False)
class MeteredOrder:
    """An order beside its baseline and the meter, same shape each.

    Parameters
    ----------
    baseline_kw, metered_kw : (steps,)
        Load without the order, and as metered, means of the interval [kW].
    ordered_kw : (steps,)
        Reduction ordered, a magnitude; 0 where nothing was ordered [kW].
    hours : float
        Length of an interval [h].

    Raises
    ------
    GridcommonsError
        An order is negative: it would pay for load that rose.
    """

    baseline_kw: FloatArray
    metered_kw: FloatArray
    ordered_kw: FloatArray
    hours: float

    def __post_init__(self) -> None:
        if not (self.ordered_kw >= 0.0).all():
            raise GridcommonsError(
                f"delivery: found an order of {self.ordered_kw.min():g} kW, expected a reduction, at least 0"
            )


@dataclass(frozen=True, eq=False)
class SettledDelivery:
    """What is paid for an order, shape (steps,) each.

    Parameters
    ----------
    delivered_kwh, deficient_kwh : FloatArray
        Delivered of what was ordered, and missing [kWh].
    net_amount : FloatArray
        Paid to who delivers; negative where it pays [currency].
    """

    delivered_kwh: FloatArray
    deficient_kwh: FloatArray
    net_amount: FloatArray


def settle_delivery(order: MeteredOrder, fee_per_kwh: float, penalty_per_kwh: float) -> SettledDelivery:
    """A fee for what was delivered less a penalty for what was missing.

    net = fee · delivered − penalty · deficiency (Shapeshifter specification, settle phase, 2025). Who draws
    more than the baseline misses more than was ordered, and pays for it.

    Parameters
    ----------
    order : MeteredOrder
        What was ordered and metered.
    fee_per_kwh, penalty_per_kwh : float
        Of the order.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcommons.settlement.delivery import MeteredOrder, settle_delivery
    >>> metered_kw = np.array([7.0, 8.0, 9.0, 10.0, 11.0])
    >>> order = MeteredOrder(np.full(5, 10.0), metered_kw, np.full(5, 2.0), hours=1.0)
    >>> settle_delivery(order, fee_per_kwh=7.0, penalty_per_kwh=11.0).net_amount.tolist()
    [14.0, 14.0, -4.0, -22.0, -33.0]
    """
    delivered_kwh, deficient_kwh = _energy(order)
    return SettledDelivery(
        delivered_kwh, deficient_kwh, fee_per_kwh * delivered_kwh - penalty_per_kwh * deficient_kwh
    )


@dataclass(frozen=True)
class SlidingScale:
    """Part of the full payment by the delivered part of an order: straight lines between points.

    SSEN's TRANSITION project paid on a sliding scale from 50 to 100 % delivery. Its points in between are not
    known here, so that the default is one line, from nothing at half to all at the whole.

    Parameters
    ----------
    delivered_share : tuple of float
        Ascending; below the first nothing is paid.
    paid_share : tuple of float
        At these points; beyond the last as at the last.

    Raises
    ------
    GridcommonsError
        The points do not ascend or are not as many.
    """

    delivered_share: tuple[float, ...] = (0.5, 1.0)
    paid_share: tuple[float, ...] = (0.0, 1.0)

    def __post_init__(self) -> None:
        points = len(self.delivered_share)
        ascends = bool(np.all(np.diff(self.delivered_share) > 0.0))
        if points == 0 or points != len(self.paid_share) or not ascends:
            raise GridcommonsError(
                f"sliding scale: found {self.delivered_share} and {self.paid_share}, expected delivered "
                "shares that ascend and a paid share at each"
            )

    def paid(self, delivered_share: FloatArray) -> FloatArray:
        """Part of the full payment at each delivered part, same shape."""
        on_scale = np.interp(delivered_share, self.delivered_share, self.paid_share)
        return np.where(delivered_share < self.delivered_share[0], 0.0, on_scale)


def settle_on_scale(order: MeteredOrder, fee_per_kwh: float, scale: SlidingScale) -> SettledDelivery:
    """A part of the fee for the whole order, by the part that was delivered.

    net = fee · ordered · scale(delivered / ordered).

    Parameters
    ----------
    order : MeteredOrder
        What was ordered and metered.
    fee_per_kwh : float
        Of the order, in full.
    scale : SlidingScale
        Part of it that is paid.
    """
    delivered_kwh, deficient_kwh = _energy(order)
    ordered_kwh = order.ordered_kw * order.hours
    share = np.divide(delivered_kwh, ordered_kwh, out=np.zeros_like(ordered_kwh), where=ordered_kwh > 0.0)
    return SettledDelivery(delivered_kwh, deficient_kwh, fee_per_kwh * ordered_kwh * scale.paid(share))


def _energy(order: MeteredOrder) -> tuple[FloatArray, FloatArray]:
    delivered_kw, missing_kw = verify_delivery(order.baseline_kw, order.metered_kw, order.ordered_kw)
    return delivered_kw * order.hours, missing_kw * order.hours
