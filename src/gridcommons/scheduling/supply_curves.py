"""How much reactive power a connection gives at which price, as its answers of an hour have shown.

Answers of a convex schedule rise with the price, so that a price in between brings an amount in between: the
grid operator never sees a cost, and learns the curve point by point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridcommons.model.grid import FloatArray

LEAST_AHEAD_SHARE = 1e-3
"""How far a curve goes on at least, of the need."""

GROWTH = 3.0
"""How many times its distance from the start a price may add at once beyond what was ever asked."""


@dataclass(frozen=True, eq=False)
class SupplyCurve:
    """Answers of one connection in one hour.

    Parameters
    ----------
    price_per_kvarh : (answers,)
        Prices, ascending.
    quantity_kvar : (answers,)
        Reactive power injected beyond the schedule, ascending; negative where absorbed [kvar].
    start_per_kvarh : float
        Price at which the schedule itself is the answer: the reactive fee.
    """

    price_per_kvarh: FloatArray
    quantity_kvar: FloatArray
    start_per_kvarh: float

    def with_answer(self, price_per_kvarh: float, quantity_kvar: float) -> SupplyCurve:
        """The curve with one more answer; earlier ones that contradict it are forgotten."""
        price, quantity = self.price_per_kvarh, self.quantity_kvar
        fits = ((price < price_per_kvarh) & (quantity <= quantity_kvar)) | (
            (price > price_per_kvarh) & (quantity >= quantity_kvar)
        )
        place = int(np.searchsorted(price[fits], price_per_kvarh))
        return replace(
            self,
            price_per_kvarh=np.insert(price[fits], place, price_per_kvarh),
            quantity_kvar=np.insert(quantity[fits], place, quantity_kvar),
        )

    def least_price_for(self, quantity_kvar: float) -> float | None:
        """The price nearest to the start at which at least so much was offered; None where it never was."""
        enough = (
            self.quantity_kvar >= quantity_kvar
            if quantity_kvar > 0.0
            else self.quantity_kvar <= quantity_kvar
        )
        if not enough.any():
            return None
        prices = self.price_per_kvarh[enough]
        return float(prices.min() if quantity_kvar > 0.0 else prices.max())

    def bracket(self, quantity_kvar: float) -> tuple[float, float]:
        """Prices asked between which the amount lies; infinite where there is none on a side."""
        below = self.price_per_kvarh[self.quantity_kvar < quantity_kvar]
        above = self.price_per_kvarh[self.quantity_kvar >= quantity_kvar]
        return (float(below.max(initial=-np.inf)), float(above.min(initial=np.inf)))


@dataclass(frozen=True, eq=False)
class Supply:
    """Amount as a function of price: a curve, and what is assumed beyond its ends.

    Parameters
    ----------
    price_per_kvarh, quantity_kvar : (points,)
        Both ascending, the prices strictly; the amount is constant beyond the ends.
    """

    price_per_kvarh: FloatArray
    quantity_kvar: FloatArray

    def at(self, price_per_kvarh: float) -> float:
        """Amount at a price [kvar]."""
        return float(np.interp(price_per_kvarh, self.price_per_kvarh, self.quantity_kvar))

    def area(self, price_per_kvarh: float) -> float:
        """∫ of the amount over the price, from the first point on."""
        price, quantity = self.price_per_kvarh, self.quantity_kvar
        inside = price < price_per_kvarh
        p = np.append(price[inside], price_per_kvarh)
        q = np.append(quantity[inside], self.at(price_per_kvarh))
        if not inside.any():
            return float((price_per_kvarh - price[0]) * quantity[0])
        return float(np.sum(0.5 * (q[1:] + q[:-1]) * np.diff(p)))


def extend(curve: SupplyCurve, need_kvar: float, missing_kvar: float, first_step_per_kvarh: float) -> Supply:
    """A curve beyond what was asked, towards a need.

    Parameters
    ----------
    curve : SupplyCurve
        At least its start.
    need_kvar : float
        What would mend the hour if this connection were alone, with its sign [kvar].
    missing_kvar : float
        What would mend it beside all that is offered now, likewise.
    first_step_per_kvarh : float
        How much the published rule would raise the price for all of the need.

    Notes
    -----
    Beyond the last answer the line through the last two goes on (the secant step). With the start alone it is
    the published step; where the last answers differ by nothing, ``GROWTH`` times what the price has risen.
    """
    sign = 1.0 if need_kvar >= 0.0 else -1.0
    price, quantity = curve.price_per_kvarh * sign, curve.quantity_kvar * sign
    order = np.argsort(price)
    price, quantity = price[order], quantity[order]
    start = curve.start_per_kvarh * sign
    missing = max(sign * missing_kvar, LEAST_AHEAD_SHARE * abs(need_kvar), 1e-9)
    rise = first_step_per_kvarh * missing / max(abs(need_kvar), 1e-9)
    risen = price[-1] - start
    if risen > 0.0 and len(price) > 1:
        slope = (price[-1] - price[-2]) / max(quantity[-1] - quantity[-2], 1e-12)
        rise = min(max(slope, 1e-3 * first_step_per_kvarh / abs(need_kvar)) * missing, GROWTH * risen)
    price = np.append(price, price[-1] + rise)
    quantity = np.append(quantity, quantity[-1] + missing)
    if sign < 0.0:
        price, quantity = -price[::-1], -quantity[::-1]
    return Supply(price, quantity)


def as_offered(curve: SupplyCurve) -> Supply:
    """A curve between its answers, and no further."""
    return Supply(curve.price_per_kvarh, curve.quantity_kvar)
