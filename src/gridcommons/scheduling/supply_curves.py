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

FURTHER = 10.0
"""How many times what is missing a curve goes on: where one voltage is too low and another too high, more of
one seller is wanted than is missing."""

LEAST_STEP_SHARE = 0.5
"""Least rise beyond what was asked, of the published step: after a jump of the amount the line through two
answers says nothing of what follows."""

GROWTH = 3.0
"""How many times its distance from the start a price may add at once beyond what was ever asked."""

SMALLEST_KVAR = 1e-9

ENOUGH_SHARE = 1e-6
"""What an offer may be short of an amount and is enough for it."""


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

    @property
    def farthest_price(self) -> float:
        """The price that was asked furthest from the start."""
        return float(self.price_per_kvarh[np.argmax(np.abs(self.price_per_kvarh - self.start_per_kvarh))])

    def asked_price_near(self, price_per_kvarh: float, quantity_kvar: float) -> float | None:
        """The price nearest to another at which so much was offered; None where it never was."""
        sign = 1.0 if quantity_kvar > 0.0 else -1.0
        enough = sign * self.quantity_kvar >= sign * quantity_kvar * (1.0 - ENOUGH_SHARE)
        if not enough.any():
            return None
        prices = self.price_per_kvarh[enough]
        return float(prices[np.argmin(np.abs(prices - price_per_kvarh))])

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

    def slope(self, price_per_kvarh: float) -> float:
        """What the amount rises by with the price: at a point the steeper of its lines, 0 beyond the ends."""
        price, rise = self.price_per_kvarh, np.diff(self.quantity_kvar)
        touched = (price[:-1] <= price_per_kvarh) & (price_per_kvarh <= price[1:])
        return float(np.max(rise[touched] / np.diff(price)[touched], initial=0.0))

    def area(self, price_per_kvarh: float) -> float:
        """∫ of the amount over the price, from the first point on."""
        price, quantity = self.price_per_kvarh, self.quantity_kvar
        inside = price < price_per_kvarh
        p = np.append(price[inside], price_per_kvarh)
        q = np.append(quantity[inside], self.at(price_per_kvarh))
        if not inside.any():
            return float((price_per_kvarh - price[0]) * quantity[0])
        return float(np.sum(0.5 * (q[1:] + q[:-1]) * np.diff(p)))


@dataclass(frozen=True)
class Ahead:
    """What lies before a connection in an hour.

    Parameters
    ----------
    need_kvar : float
        What would mend the hour if this connection were alone, with its sign [kvar].
    missing_kvar : float
        What would mend it beside all that is offered now, likewise.
    sellers : int
        Connections that share it.
    first_step_per_kvarh : float
        How much the published rule raises the price for all of the need.
    """

    need_kvar: float
    missing_kvar: float
    sellers: int
    first_step_per_kvarh: float


def extend(curve: SupplyCurve, ahead: Ahead) -> Supply:
    """A curve beyond what was asked, towards a need.

    Beyond the last answer the line through the last two goes on (the secant step), but no flatter than half
    the published step and no steeper than ``GROWTH`` times what the price has risen, each over the seller's
    part of what is missing. With the start alone it is the published step.
    """
    sign = 1.0 if ahead.need_kvar >= 0.0 else -1.0
    price, quantity = curve.price_per_kvarh * sign, curve.quantity_kvar * sign
    order = np.argsort(price)
    price, quantity = price[order], quantity[order]
    need = max(abs(ahead.need_kvar), SMALLEST_KVAR)
    missing = max(sign * ahead.missing_kvar, LEAST_AHEAD_SHARE * need)
    slope = ahead.sellers * ahead.first_step_per_kvarh / need
    risen = price[-1] - curve.start_per_kvarh * sign
    if risen > 0.0 and len(price) > 1:
        secant = (price[-1] - price[-2]) / max(quantity[-1] - quantity[-2], SMALLEST_KVAR)
        steepest = ahead.sellers * GROWTH * risen / missing
        slope = min(max(secant, LEAST_STEP_SHARE * slope), steepest)
    price = np.append(price, price[-1] + slope * missing * FURTHER)
    quantity = np.append(quantity, quantity[-1] + missing * FURTHER)
    if sign < 0.0:
        price, quantity = -price[::-1], -quantity[::-1]
    return Supply(price, quantity)


def as_offered(curve: SupplyCurve) -> Supply:
    """A curve between its answers, and no further."""
    return Supply(curve.price_per_kvarh, curve.quantity_kvar)
