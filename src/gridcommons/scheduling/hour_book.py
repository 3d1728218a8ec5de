"""What the grid operator knows of one interval: who answered what to which price, and what to ask next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.scheduling.grid_operator import HIGH, LOW, TOLERANCE_PU, Row
from gridcommons.scheduling.purchase import Need, Purchase, plan_purchase
from gridcommons.scheduling.settings import Settings
from gridcommons.scheduling.supply_curves import GROWTH, Ahead, SupplyCurve, as_offered, extend

RIGHT_SHARE, RIGHT_KVAR = 1e-4, 1e-4
"""What an amount may still be corrected by and counts as right, of itself and in kvar."""

NO_EFFECT_SHARE = 1e-6
"""Effect of a connection on a voltage, of the bus's own, below which it is of no use."""

FIRST_REACH = 4.0
"""Published steps that a kvar at the bus itself may cost in the first plan; ``GROWTH`` times more in each."""

SAME_SHARE = 1e-3
"""Difference of two prices that counts as none."""

MISS_SHARE = 0.5
"""By how much an answer may be off what was promised, of the larger, before the range of prices is halved."""

BEYOND_SHARE = 0.6
"""How far beyond what is thought least a price is asked, of the tolerance, so that the answer is enough."""


class HourBook:
    """One interval in which a voltage is or was out.

    Parameters
    ----------
    connections : int
        How many there are.
    settings : Settings
        Tolerances and ends of prices.

    Attributes
    ----------
    rows : list of (bus, side)
        Voltages that were ever out.
    curves : list of SupplyCurve
        What each connection has answered.
    price_per_kvarh : (connections,)
        What is asked next, and in the end paid.
    was_cleared : bool
        Whether all that was offered in some round held every voltage: prices may fall from then on.
    is_settled : bool
        Whether the prices need no more rounds.
    purchase : Purchase or None
        What is wanted, by the last plan.
    """

    def __init__(self, connections: int, settings: Settings) -> None:
        self.settings = settings
        self.start = settings.reactive_fee_per_kvarh
        self.rows: list[Row] = []
        self.curves = [_curve_of(self.start, 0.0) for _ in range(connections)]
        self.price_per_kvarh: FloatArray = np.full(connections, self.start)
        self.was_cleared = False
        self.is_settled = False
        self.purchase: Purchase | None = None
        self._cleared_at: tuple[float, FloatArray] = (np.inf, self.price_per_kvarh)
        self._reach_per_kvarh = 0.0
        self._promised_kvar: FloatArray = np.zeros(connections)
        self._has_missed: BoolArray = np.zeros(connections, dtype=np.bool_)

    def note_out(self, out_pu: FloatArray) -> None:
        """Take up the worst bus on each side of the band, (buses,) [pu]; a new one opens the interval."""
        for side, beyond_pu in ((LOW, out_pu), (HIGH, -out_pu)):
            row = (int(np.argmax(beyond_pu)), side)
            if beyond_pu[row[0]] > TOLERANCE_PU and row not in self.rows:
                self.rows.append(row)
                self.is_settled = False

    def take_answers(self, price_per_kvarh: FloatArray, delta_kvar: FloatArray, *, is_cleared: bool) -> None:
        """Keep what each connection offers at a price, shape (connections,) each.

        ``is_cleared`` says whether all of it together holds every voltage.
        """
        self.was_cleared |= is_cleared
        paid = float(np.abs(price_per_kvarh * delta_kvar).sum())
        if is_cleared and paid < self._cleared_at[0]:
            self._cleared_at = (paid, price_per_kvarh.copy())
        larger = np.maximum(np.abs(delta_kvar), np.abs(self._promised_kvar))
        self._has_missed = np.abs(delta_kvar - self._promised_kvar) > MISS_SHARE * larger + RIGHT_KVAR
        self.curves = [
            curve.with_answer(float(price), float(delta))
            for curve, price, delta in zip(self.curves, price_per_kvarh, delta_kvar, strict=True)
        ]

    def plan(self, need: Need, delta_kvar: FloatArray, first_step_per_kvarh: float) -> None:
        """What is wanted now, and the prices to ask next.

        Parameters
        ----------
        need : Need
            Of the interval, as if nothing were offered.
        delta_kvar : (connections,)
            What is offered now.
        first_step_per_kvarh : float
            The published step of this round.
        """
        alone_kvar = _alone(need, need.missing_pu)
        beyond_kvar = _alone(need, need.missing_pu - need.effect_pu_per_kvar @ delta_kvar)
        sellers = int(np.count_nonzero(alone_kvar))
        supplies = [
            extend(curve, Ahead(float(alone), float(beyond), sellers, first_step_per_kvarh))
            for curve, alone, beyond in zip(self.curves, alone_kvar, beyond_kvar, strict=True)
        ]
        self._reach_per_kvarh = min(
            max(FIRST_REACH * first_step_per_kvarh, GROWTH * self._reach_per_kvarh),
            self.settings.shortage_price_per_kvarh,
        )
        self.purchase = plan_purchase(need, supplies, self.start, self._reach_per_kvarh)
        settled = [self._next_price(j) for j in np.flatnonzero(alone_kvar != 0.0).tolist()]
        self.is_settled = all(settled) and (self.was_cleared or self._is_short() or not settled)
        pairs = zip(supplies, self.price_per_kvarh, strict=True)
        self._promised_kvar = np.array([supply.at(float(price)) for supply, price in pairs])

    def _next_price(self, j: int) -> bool:
        """Set the price that a connection is asked next; whether it needs no other."""
        assert self.purchase is not None
        curve, start = self.curves[j], self.start
        wanted, price = float(self.purchase.quantity_kvar[j]), float(self.purchase.price_per_kvarh[j])
        tolerance, last = self.settings.price_tolerance_share, float(self.price_per_kvarh[j])
        if not self.was_cleared and abs(price - start) < abs(last - start):
            price = last  # another voltage of the interval is still out
        known = curve.asked_price_near(price, wanted)
        if known is not None and abs(known - price) <= tolerance * abs(known - start):
            self.price_per_kvarh[j] = known
            return True
        if self._is_short() and abs(curve.farthest_price - start) >= abs(price - start) * (1.0 - SAME_SHARE):
            return True
        low, high = curve.bracket(wanted)
        if not self._is_short():
            price += BEYOND_SHARE * tolerance * (price - start)
        if self._has_missed[j] and np.isfinite(high - low):
            price = 0.5 * (low + high)  # a jump lies between them, which no line shows
        self.price_per_kvarh[j] = price
        return False

    def _is_short(self) -> bool:
        """Whether even what a missing kvarh is worth brings too little."""
        at_most = self._reach_per_kvarh >= self.settings.shortage_price_per_kvarh
        return at_most and self.purchase is not None and bool(self.purchase.short_kvar.any())

    @property
    def offered_kvar(self) -> FloatArray:
        """What each connection offered at the price that stands, shape (connections,) [kvar]."""
        pairs = zip(self.curves, self.price_per_kvarh, strict=True)
        return np.array([as_offered(curve).at(float(price)) for curve, price in pairs])

    def keep_to_what_was_asked(self) -> None:
        """Where rounds end before prices are settled: what cleared for least, else the nearest enough."""
        if self.is_settled or self.purchase is None:
            return
        if self.was_cleared:
            self.price_per_kvarh = self._cleared_at[1]
            return
        for j, curve in enumerate(self.curves):
            price, wanted = self.purchase.price_per_kvarh[j], self.purchase.quantity_kvar[j]
            known = curve.asked_price_near(float(price), float(wanted))
            self.price_per_kvarh[j] = curve.farthest_price if known is None else known

    def amounts(self, need: Need) -> FloatArray:
        """What is bought at each connection, within what was offered up to its price [kvar]."""
        pairs = zip(self.curves, self.price_per_kvarh, strict=True)
        supplies = [as_offered(_up_to(curve, float(price))) for curve, price in pairs]
        most = self.settings.shortage_price_per_kvarh
        self.purchase = plan_purchase(need, supplies, self.start, most)
        return self.purchase.quantity_kvar

    def count_on(self, j: int, delivered_kvar: float) -> None:
        """From a connection that did not deliver, expect what it delivers, whatever is paid."""
        self.curves[j] = _curve_of(self.start, delivered_kvar)


def _curve_of(price_per_kvarh: float, quantity_kvar: float) -> SupplyCurve:
    """A curve of one point."""
    return SupplyCurve(np.array([price_per_kvarh]), np.array([quantity_kvar]), price_per_kvarh)


def _alone(need: Need, missing_pu: FloatArray) -> FloatArray:
    """What each connection would have to inject alone for what is missing; 0 where it is of no use [kvar]."""
    share = need.effect_pu_per_kvar / need.own_effect_pu_per_kvar[:, None]
    useful = np.abs(share) > NO_EFFECT_SHARE
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = np.where(useful, missing_pu[:, None] / need.effect_pu_per_kvar, 0.0)
    largest = np.abs(alone).argmax(axis=0)
    return np.asarray(alone[largest, np.arange(alone.shape[1])])


def _up_to(curve: SupplyCurve, price: float) -> SupplyCurve:
    """The answers at prices no further from the start than one."""
    start = curve.start_per_kvarh
    near = np.abs(curve.price_per_kvarh - start) <= abs(price - start) + 1e-12
    return replace(
        curve, price_per_kvarh=curve.price_per_kvarh[near], quantity_kvar=curve.quantity_kvar[near]
    )
