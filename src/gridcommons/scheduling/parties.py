"""The communities as the grid operator reaches them: a message out, bytes back, and nothing trusted.

What comes back is held against what was asked. A community that answers something else, or nothing, is left
with its own schedule for the rest of the round, and the reason is kept; the others go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.messages import MessageError
from gridcommons.ports import CommunityParty
from gridcommons.scheduling.messages import Award, Call, Exchange

ANSWER_S = 300.0
"""How long an answer may take that another process works on [s]."""


class NoAnswerError(GridcommonsError):
    """A party did not answer; the message says what it raised instead."""


@dataclass(frozen=True)
class Refusal:
    """An answer that was not taken: whose, in which round, and why."""

    community: str
    round: int
    reason: str


class Standing:
    """A community that keeps to the plan that it has: the same exchange, whatever is asked.

    Parameters
    ----------
    exchange : Exchange
        What it does.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    @property
    def name(self) -> str:
        """What it is called."""
        return self.exchange.community

    def schedule(self) -> bytes:
        """What it does."""
        return self._say(0)

    def answer(self, message: bytes) -> bytes:
        """The same at any price."""
        return self._say(Call.from_bytes(message).round)

    def deliver(self, message: bytes) -> bytes:
        """The same whatever is bought."""
        return self._say(Award.from_bytes(message).round)

    def _say(self, number: int) -> bytes:
        return replace(self.exchange, round=number).to_bytes()


def _work(party: CommunityParty, method: str, message: bytes) -> tuple[bytes, CommunityParty]:
    """In another process: the answer, and the party as it is after it."""
    return getattr(party, method)(message), party


def _schedule(party: CommunityParty) -> tuple[bytes, CommunityParty]:
    return party.schedule(), party


class Parties:
    """All communities of a horizon.

    Parameters
    ----------
    parties : sequence of CommunityParty
        Who they are.
    pool : Executor, optional
        Processes that work for them; in this process, one after the other, where there is none. The answers
        do not depend on it.
    steps : int, optional
        Intervals that a schedule must have.
    """

    def __init__(
        self, parties: Sequence[CommunityParty], pool: Executor | None = None, steps: int | None = None
    ) -> None:
        self.parties = {party.name: party for party in parties}
        self.refusals: list[Refusal] = []
        self.breaches: list[Refusal] = []
        self._pool = pool
        self._steps = steps
        self._schedules: dict[str, Exchange] = {}
        self._last: dict[str, Exchange] = {}

    def schedules(self) -> dict[str, Exchange]:
        """What each will exchange, by its own schedule.

        Raises
        ------
        InfeasibleError
            One of them has none; the message says why.
        MessageError
            What one of them sent is none: without its schedule nobody knows what it exchanges.
        """
        if self._pool is None:
            raw = {name: party.schedule() for name, party in self.parties.items()}
        else:
            work = {name: self._pool.submit(_schedule, party) for name, party in self.parties.items()}
            raw = {}
            for name, future in work.items():
                raw[name], self.parties[name] = future.result()
        self._schedules = {name: self._read_schedule(name, each) for name, each in raw.items()}
        self._last = dict(self._schedules)
        return dict(self._schedules)

    def _read_schedule(self, name: str, raw: bytes) -> Exchange:
        """A schedule, which must be its sender's own and of as many intervals as those before it."""
        try:
            exchange = Exchange.from_bytes(raw)
            if (exchange.round, exchange.community) != (0, name):
                found = f"round {exchange.round} of {exchange.community!r}"
                raise MessageError(f"exchange: received {found}, expected round 0 of {name!r}")
            if self._steps is not None and exchange.p_kw.shape[1] != self._steps:
                raise MessageError(
                    f"exchange: received {exchange.p_kw.shape[1]} intervals, expected {self._steps}"
                )
        except MessageError as error:
            raise MessageError(f"schedule of community {name}: {error}") from None
        return exchange

    def is_refused(self, name: str) -> bool:
        """Whether a community has left the round."""
        return any(refusal.community == name for refusal in self.refusals)

    def last(self) -> dict[str, Exchange]:
        """What all of them exchange now."""
        return dict(self._last)

    def moved_kva(self, name: str) -> float:
        """How far a community is from its schedule now, where it is furthest [kVA]."""
        now, schedule = self._last[name], self._schedules[name]
        moved = np.hypot(now.p_kw - schedule.p_kw, now.q_kvar - schedule.q_kvar)
        return float(moved.max(initial=0.0))

    def refuse(self, name: str, number: int, reason: str) -> None:
        """Go on without a community: it keeps its own schedule."""
        self.refusals.append(Refusal(name, number, reason))
        self._last[name] = self._schedules[name]

    def note_breach(self, name: str, number: int, reason: str) -> None:
        """Keep that a community did not deliver what was bought of it."""
        if not self.is_refused(name):
            self.breaches.append(Refusal(name, number, reason))

    def ask(self, method: str, number: int, messages: Mapping[str, bytes]) -> dict[str, Exchange]:
        """Send each its message; what all of them exchange now.

        Parameters
        ----------
        method : {"answer", "deliver"}
            What is asked for.
        number : int
            The round, which an answer must carry.
        messages : mapping of str to bytes
            By community; those that were refused are not asked.
        """
        asked = {name: raw for name, raw in messages.items() if not self.is_refused(name)}
        futures = (
            {}
            if self._pool is None
            else {
                name: self._pool.submit(_work, self.parties[name], method, raw) for name, raw in asked.items()
            }
        )
        for name, message in asked.items():
            try:
                raw = self._answer(name, method, message, futures)
                self._last[name] = self._checked(name, number, Exchange.from_bytes(raw))
            except (NoAnswerError, MessageError) as error:
                self.refuse(name, number, str(error))
        return self.last()

    def _answer(
        self,
        name: str,
        method: str,
        message: bytes,
        futures: Mapping[str, Future[tuple[bytes, CommunityParty]]],
    ) -> bytes:
        """The bytes of one party; whatever it raises is its own affair, and is told as it is."""
        try:
            if name not in futures:
                return bytes(getattr(self.parties[name], method)(message))
            raw, self.parties[name] = futures[name].result(timeout=ANSWER_S)
            return raw
        except Exception as error:
            raise NoAnswerError(f"{type(error).__name__}: {error}") from error

    def _checked(self, name: str, number: int, exchange: Exchange) -> Exchange:
        schedule = self._schedules[name]
        for what, found, expected in (
            ("round", exchange.round, number),
            ("community", exchange.community, name),
            ("bus", exchange.bus, schedule.bus),
            ("shape", exchange.p_kw.shape, schedule.p_kw.shape),
        ):
            if found != expected:
                raise MessageError(f"exchange: received {what} {found!r}, expected {expected!r}")
        return exchange
