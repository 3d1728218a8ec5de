"""The round: prices of reactive power rise until every voltage is in its band (Mohiti et al., section II).

    schedules → load flow → where a voltage is out: prices → offers → load flow → … → purchase → delivery

The grid operator opens with the published step, c1 max(λ_e, λ_floor) (c2 + c3 e^(c4 k)) of the need; two
answers later the line through them leads (secant), within the bracket that earlier answers leave. Once the
least price that clears an hour is known to ``price_tolerance_share``, part of the offer at that price may be
bought: what the voltage needs and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.scheduling.grid_operator import HIGH, LOW, TOLERANCE_PU, GridOperator, Sight
from gridcommons.scheduling.hour_book import RIGHT_KVAR, RIGHT_SHARE, HourBook
from gridcommons.scheduling.messages import Award, Call, Exchange
from gridcommons.scheduling.parties import Parties
from gridcommons.scheduling.settings import Settings

MOST_AWARDS = 6
"""Times that amounts are corrected once prices stand."""

BREACH_SHARE, BREACH_KVAR = 0.01, 0.01
"""What may be missing of an amount that was bought, of itself and in kvar."""


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
        self.operator.start_from(before)
        self.base_kvar = before.q_kvar
        number = 0
        self._open_hours(sight)
        self._plan(sight, number)
        while any(not book.is_settled for book in self.books.values()) and number < self.settings.rounds_max:
            number += 1
            sight = self._ask_prices(number)
            self._open_hours(sight)
            self._plan(sight, number)
        for book in self.books.values():
            book.keep_to_what_was_asked()
        offered = self._offered()
        after = self._buy(sight, number) if self.books else before
        return self._outcome(before, after, offered, number)

    def _open_hours(self, sight: Sight) -> None:
        """Take up every interval in which a voltage is out."""
        for step in sight.hours.tolist():
            book = self.books.setdefault(step, HourBook(len(self.operator.connections), self.settings))
            book.note_out(sight.out_pu[step])

    def _plan(self, sight: Sight, number: int) -> None:
        """What is wanted of every interval that is not settled, and the prices to ask next."""
        for step, book in self.books.items():
            if not book.is_settled:
                delta_kvar = self._delta(sight)[step]
                need = self.operator.need(sight, step, book.rows, delta_kvar)
                book.plan(need, delta_kvar, self._published_step(step, number))

    def _offered(self) -> FloatArray:
        """What was offered at the prices that stand, shape (connections, hours) [kvar]."""
        if not self.books:
            return np.zeros((len(self.operator.connections), 0))
        return np.stack([self.books[step].offered_kvar for step in self._called().tolist()], axis=1)

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
            is_cleared = float(np.abs(sight.out_pu[step]).max()) <= TOLERANCE_PU
            self.books[step].take_answers(price[:, column], delta[step], is_cleared=is_cleared)
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
            # With part of the offers, a voltage may be out that all of them held.
            for step in called.tolist():
                self.books[step].note_out(sight.out_pu[step])
            corrected = self._wanted(sight, called)
            if (np.abs(corrected - bought) <= RIGHT_SHARE * np.abs(bought) + RIGHT_KVAR).all():
                break
            bought = corrected
        return sight

    def _wanted(self, sight: Sight, called: IntArray) -> FloatArray:
        """What is bought at each connection, shape (connections, hours) [kvar]."""
        delta, amounts = self._delta(sight), []
        for step in called.tolist():
            book = self.books[step]
            amounts.append(book.amounts(self.operator.need(sight, step, book.rows, delta[step])))
        return np.stack(amounts, axis=1)

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
            self.books[int(called[column])].count_on(j, float(delivered[j, column]))
            self.parties.note_breach(
                self.operator.connections[j].community,
                number,
                f"delivers {delivered[j, column]:.4g} kvar of {bought[j, column]:.4g} that were bought",
            )
        return sight

    def _outcome(self, before: Sight, after: Sight, offered: FloatArray, number: int) -> Outcome:
        called = self._called()
        short: dict[int, list[tuple[int, float]]] = {}
        for step in after.hours.tolist():
            worst, _ = after.worst(step)
            row = (worst, LOW if after.out_pu[step, worst] > 0.0 else HIGH)
            need = self.operator.need(after, step, [row], np.zeros(len(self.operator.connections)))
            missing_kvar = float(need.missing_pu[0] / need.own_effect_pu_per_kvar[0])
            short[step] = [(worst, missing_kvar * row[1])]
        price = self._prices(called) if len(called) else np.zeros((len(self.operator.connections), 0))
        bought = self._delta(after)[called].T
        return Outcome(before, after, called, price, offered, bought, tuple(self.rows), number, short)
