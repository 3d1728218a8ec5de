"""The round: prices of reactive power rise until every voltage is in its band (Mohiti et al., section II).

    schedules → load flow → where a voltage is out: prices → offers → load flow → … → purchase → delivery

The grid operator opens with the published step, c1 max(λ_e, λ_floor) (c2 + c3 e^(c4 k)) of the need; two
answers later the line through them leads (secant), within the bracket that earlier answers leave. Once the
least price that clears an hour is known to ``price_tolerance_share``, part of the offer at that price may be
bought: what the voltage needs and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.scheduling.grid_operator import HIGH, LOW, TOLERANCE_PU, GridOperator, Sight
from gridcommons.scheduling.messages import Award, Call, Exchange
from gridcommons.scheduling.parties import Parties
from gridcommons.scheduling.purchase import Need, Purchase, plan_purchase
from gridcommons.scheduling.settings import Settings
from gridcommons.scheduling.supply_curves import Ahead, SupplyCurve, as_offered, extend

MOST_AWARDS = 6
"""Times that amounts are corrected once prices stand."""

RIGHT_SHARE, RIGHT_KVAR = 1e-4, 1e-4
"""What an amount may still be corrected by and counts as right, of itself and in kvar."""

BREACH_SHARE, BREACH_KVAR = 0.01, 0.01
"""What may be missing of an amount that was bought, of itself and in kvar."""

NO_EFFECT_SHARE = 1e-6
"""Effect of a connection on a voltage, of the bus's own, below which it is of no use."""

MISS_SHARE = 0.5
"""By how much an answer may be off what was promised, of the larger, before the range of prices is halved."""

BEYOND_SHARE = 0.6
"""How far beyond what is thought least a price is asked, of the tolerance, so that the answer is enough."""


@dataclass(eq=False)
class HourBook:
    """What the grid operator knows of an hour.

    Parameters
    ----------
    curves : list of SupplyCurve
        A connection each.
    price_per_kvarh : (connections,)
        Asked last.
    rows : list of (bus, side)
        Voltages that were ever out.
    was_cleared : bool
        Whether all that was offered in some round held every voltage: prices may fall from then on.
    is_settled : bool
        Whether the prices need no more rounds.
    purchase : Purchase, optional
        What is wanted.
    promised_kvar : (connections,)
        What the lines through answers promised for the prices asked last.
    has_missed : (connections,)
        Whether the last answer was far from it.
    """

    curves: list[SupplyCurve]
    price_per_kvarh: FloatArray
    promised_kvar: FloatArray
    has_missed: BoolArray
    rows: list[tuple[int, float]] = field(default_factory=list)
    was_cleared: bool = False
    is_settled: bool = False
    purchase: Purchase | None = None


@dataclass(frozen=True, eq=False)
class RoundRow:
    """One round in one hour: what was asked and offered, and the worst voltage with all of it."""

    round: int
    step: int
    price_per_kvarh: FloatArray
    delta_kvar: FloatArray
    worst_bus: int
    worst_vm_pu: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a round of messages came to.

    Parameters
    ----------
    before, after : Sight
        The grid with the schedules, and with what was bought.
    called : (hours,)
        Intervals with a price.
    price_per_kvarh, offered_kvar, bought_kvar : (connections, hours)
        Last prices, what was offered at them, and what was delivered.
    rows : tuple of RoundRow
        Every round in every hour.
    rounds : int
        Rounds of prices.
    short : mapping of int to (bus, kvar)
        Intervals that stay out: where, and what is missing there.
    """

    before: Sight
    after: Sight
    called: IntArray
    price_per_kvarh: FloatArray
    offered_kvar: FloatArray
    bought_kvar: FloatArray
    rows: tuple[RoundRow, ...]
    rounds: int
    short: dict[int, list[tuple[int, float]]]

    @classmethod
    def without_round(cls, sight: Sight, connections: int) -> Outcome:
        """The grid as the schedules leave it, where nobody may buy anything."""
        none = np.zeros((connections, 0))
        return cls(sight, sight, np.zeros(0, dtype=np.int64), none, none, none, (), 0, {})


class TransactiveRound:
    """The grid operator's side of one horizon's rounds.

    Parameters
    ----------
    operator : GridOperator
        Sees the grid.
    settings : Settings
        Steps, tolerances and ends.
    energy_price_per_kwh : (steps,)
        λ_e.
    parties : Parties
        The communities.
    """

    def __init__(
        self, operator: GridOperator, settings: Settings, energy_price_per_kwh: FloatArray, parties: Parties
    ) -> None:
        self.operator = operator
        self.settings = settings
        self.energy_price_per_kwh = energy_price_per_kwh
        self.parties = parties
        self.books: dict[int, HourBook] = {}
        self.rows: list[RoundRow] = []

    def hold(self, schedules: Mapping[str, Exchange]) -> Outcome:
        """Ask, look and buy until every voltage is in its band, or nobody can do more."""
        self.operator.admit(schedules)
        before = sight = self.operator.look(schedules)
        self.base_kvar = before.q_kvar
        number = 0
        self._open_hours(sight)
        self._plan(sight, number)
        while any(not book.is_settled for book in self.books.values()) and number < self.settings.rounds_max:
            number += 1
            sight = self._ask_prices(number)
            self._open_hours(sight)
            self._note_cleared(sight)
            self._plan(sight, number)
        self._keep_to_what_was_asked()
        offered = self._delta(sight)[self._called()].T
        after = self._buy(sight, number) if self.books else before
        return self._outcome(before, after, offered, number)

    def _open_hours(self, sight: Sight) -> None:
        """Take up every interval in which a voltage is out, and the worst bus on each side of its band."""
        for step in sight.hours.tolist():
            start, count = self.settings.reactive_fee_per_kvarh, len(self.operator.connections)
            book = self.books.setdefault(step, _new_book(count, start))
            for side, out_pu in ((LOW, sight.out_pu[step]), (HIGH, -sight.out_pu[step])):
                row = (int(np.argmax(out_pu)), side)
                if out_pu[row[0]] > TOLERANCE_PU and row not in book.rows:
                    book.rows.append(row)
                    book.is_settled = False

    def _plan(self, sight: Sight, number: int) -> None:
        """What is wanted of every interval now, and the prices to ask next."""
        for step, book in self.books.items():
            if book.is_settled:
                continue
            need = self.operator.need(sight, step, book.rows, self._delta(sight)[step])
            alone_kvar = _alone(need, need.missing_pu)
            beyond_kvar = _alone(need, need.missing_pu - need.effect_pu_per_kvar @ self._delta(sight)[step])
            sellers, first = int(np.count_nonzero(alone_kvar)), self._published_step(step, number)
            supplies = [
                extend(curve, Ahead(float(alone), float(beyond), sellers, first))
                for curve, alone, beyond in zip(book.curves, alone_kvar, beyond_kvar, strict=True)
            ]
            book.purchase = plan_purchase(
                need, supplies, self.settings.reactive_fee_per_kvarh, self.settings.shortage_price_per_kvarh
            )
            settled = [self._next_price(book, j) for j in np.flatnonzero(alone_kvar != 0.0).tolist()]
            book.is_settled = number > 0 and all(settled)
            pairs = zip(supplies, book.price_per_kvarh, strict=True)
            book.promised_kvar = np.array([supply.at(float(price)) for supply, price in pairs])

    def _note_cleared(self, sight: Sight) -> None:
        for step, book in self.books.items():
            book.was_cleared |= float(np.abs(sight.out_pu[step]).max()) <= TOLERANCE_PU

    def _next_price(self, book: HourBook, j: int) -> bool:
        """Set the price that a connection is asked next; whether it needs no other."""
        assert book.purchase is not None
        curve, start = book.curves[j], self.settings.reactive_fee_per_kvarh
        wanted, price = float(book.purchase.quantity_kvar[j]), float(book.purchase.price_per_kvarh[j])
        tolerance, last = self.settings.price_tolerance_share, float(book.price_per_kvarh[j])
        if not book.was_cleared and abs(price - start) < abs(last - start):
            price = last  # another voltage of the interval is still out
        known = curve.asked_price_near(price, wanted)
        if known is not None and abs(known - price) <= tolerance * abs(known - start):
            book.price_per_kvarh[j] = known
            return True
        farthest = abs(curve.farthest_price - start)
        if book.purchase.short_kvar.any() and farthest >= abs(price - start) * (1.0 - tolerance):
            return True
        low, high = curve.bracket(wanted)
        price += BEYOND_SHARE * tolerance * (price - start)
        if book.has_missed[j] and np.isfinite(high - low):
            price = 0.5 * (low + high)  # a jump lies between them, which no line shows
        book.price_per_kvarh[j] = price
        return False

    def _keep_to_what_was_asked(self) -> None:
        """Where rounds end before prices are settled: the nearest that was asked and brings enough."""
        for book in self.books.values():
            if book.is_settled or book.purchase is None:
                continue
            for j, curve in enumerate(book.curves):
                price, wanted = book.purchase.price_per_kvarh[j], book.purchase.quantity_kvar[j]
                known = curve.asked_price_near(float(price), float(wanted))
                book.price_per_kvarh[j] = curve.farthest_price if known is None else known

    def _published_step(self, step: int, number: int) -> float:
        """c1 max(λ_e, λ_floor) (c2 + c3 e^(c4 k)): rise of the price for all of a need (eq. 9)."""
        c1, c2, c3, c4 = self.settings.step_factors
        price = max(float(self.energy_price_per_kwh[step]), self.settings.price_floor_per_kvarh)
        return c1 * price * (c2 + c3 * float(np.exp(c4 * number)))

    def _delta(self, sight: Sight) -> FloatArray:
        """Reactive power injected beyond the schedules, shape (steps, connections) [kvar]."""
        return self.base_kvar - sight.q_kvar

    def _called(self) -> IntArray:
        return np.array(sorted(self.books), dtype=np.int64)

    def _prices(self, called: IntArray) -> FloatArray:
        return np.stack([self.books[step].price_per_kvarh for step in called.tolist()], axis=1)

    def _ask_prices(self, number: int) -> Sight:
        """One round: prices out, offers in, and the grid with all that is offered."""
        called = self._called()
        price = self._prices(called)
        messages = {
            community: Call(
                round=number, called=called, price_per_kvarh=price[self.operator.rows_of(community)]
            ).to_bytes()
            for community in self._communities()
        }
        sight = self._look(self.parties.ask("answer", number, messages), number)
        delta = self._delta(sight)
        for column, step in enumerate(called.tolist()):
            book = self.books[step]
            larger = np.maximum(np.abs(delta[step]), np.abs(book.promised_kvar))
            book.has_missed = np.abs(delta[step] - book.promised_kvar) > MISS_SHARE * larger + RIGHT_KVAR
            book.curves = [
                curve.with_answer(float(price[j, column]), float(delta[step, j]))
                for j, curve in enumerate(book.curves)
            ]
            worst, vm_pu = sight.worst(step)
            self.rows.append(RoundRow(number, step, price[:, column].copy(), delta[step], worst, vm_pu))
        return sight

    def _look(self, exchanges: dict[str, Exchange], number: int) -> Sight:
        """The load flow of what is exchanged; who makes it impossible is left with its schedule."""
        while True:
            try:
                return self.operator.look(exchanges)
            except NotConvergedError as error:
                moved = {
                    name: self.parties.moved_kva(name)
                    for name in exchanges
                    if not self.parties.is_refused(name)
                }
                if not moved:
                    raise
                worst = max(moved, key=lambda name: moved[name])
                reason = f"{moved[worst]:.4g} kVA away from its schedule: {error}"
                self.parties.refuse(worst, number, reason)
                exchanges = self.parties.last()

    def _communities(self) -> list[str]:
        return list(dict.fromkeys(each.community for each in self.operator.connections))

    def _buy(self, sight: Sight, number: int) -> Sight:
        """Buy part of the offers, and correct the amounts until the load flow says that they are right."""
        called = self._called()
        bought = self._wanted(sight, called)
        for award in range(number + 1, number + 1 + MOST_AWARDS):
            sight = self._deliver(called, bought, award)
            corrected = self._wanted(sight, called)
            if (np.abs(corrected - bought) <= RIGHT_SHARE * np.abs(bought) + RIGHT_KVAR).all():
                break
            bought = corrected
        return sight

    def _wanted(self, sight: Sight, called: IntArray) -> FloatArray:
        """What is bought at each connection, shape (connections, hours) [kvar]."""
        return np.stack([self._amounts(sight, step) for step in called.tolist()], axis=1)

    def _deliver(self, called: IntArray, bought: FloatArray, number: int) -> Sight:
        """Awards out, and the grid with what is delivered; who delivers less is not counted on any more."""
        price = self._prices(called)
        messages = {
            community: Award(
                round=number, called=called, price_per_kvarh=price[rows], bought_kvar=bought[rows]
            ).to_bytes()
            for community in self._communities()
            for rows in [self.operator.rows_of(community)]
        }
        sight = self._look(self.parties.ask("deliver", number, messages), number)
        delivered = self._delta(sight)[called].T
        short = np.abs(delivered - bought) > BREACH_SHARE * np.abs(bought) + BREACH_KVAR
        for j, column in np.argwhere(short).tolist():
            book, start = self.books[int(called[column])], self.settings.reactive_fee_per_kvarh
            book.curves[j] = SupplyCurve(np.array([start]), delivered[j, column : column + 1], start)
            self.parties.note_breach(
                self.operator.connections[j].community,
                number,
                f"delivers {delivered[j, column]:.4g} kvar of {bought[j, column]:.4g} that were bought",
            )
        return sight

    def _amounts(self, sight: Sight, step: int) -> FloatArray:
        """What is bought in an interval at each connection, within what was offered up to its price."""
        book = self.books[step]
        need = self.operator.need(sight, step, book.rows, self._delta(sight)[step])
        pairs = zip(book.curves, book.price_per_kvarh, strict=True)
        supplies = [as_offered(_up_to(curve, float(price))) for curve, price in pairs]
        settings = self.settings
        book.purchase = plan_purchase(
            need, supplies, settings.reactive_fee_per_kvarh, settings.shortage_price_per_kvarh
        )
        return book.purchase.quantity_kvar

    def _outcome(self, before: Sight, after: Sight, offered: FloatArray, number: int) -> Outcome:
        called = self._called()
        short: dict[int, list[tuple[int, float]]] = {}
        for step in after.hours.tolist():
            worst, _ = after.worst(step)
            row = (worst, LOW if after.out_pu[step, worst] > 0.0 else HIGH)
            need = self.operator.need(after, step, [row], np.zeros(len(self.operator.connections)))
            short[step] = [(worst, float(need.missing_pu[0] / need.own_effect_pu_per_kvar[0]))]
        price = self._prices(called) if len(called) else np.zeros((len(self.operator.connections), 0))
        bought = self._delta(after)[called].T
        return Outcome(before, after, called, price, offered, bought, tuple(self.rows), number, short)


def _new_book(connections: int, start: float) -> HourBook:
    curves = [SupplyCurve(np.array([start]), np.zeros(1), start) for _ in range(connections)]
    nothing = np.zeros(connections)
    return HourBook(curves, np.full(connections, start), nothing, np.zeros(connections, dtype=np.bool_))


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
