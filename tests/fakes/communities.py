"""Communities that do not do what they should: silent, garbled, late, absurd, or false."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.messages import Award, Call, Exchange


class Steady(Community):
    """Never leaves its schedule, whatever is paid."""

    def answer(self, message: bytes) -> bytes:
        self._now = self.scheduled
        return self._message(json.loads(message)["round"])

    deliver = answer


class Garbled(Community):
    """Answers bytes that are no message."""

    def answer(self, message: bytes) -> bytes:
        return b"\x00 no message"


class Mute(Community):
    """Does not answer at all."""

    def answer(self, message: bytes) -> bytes:
        raise TimeoutError("nothing in 300 s")


class Broken(Community):
    """Breaks down with an error of its own."""

    def answer(self, message: bytes) -> bytes:
        raise GridcommonsError("our meter is on fire")


class Foreign(Community):
    """Not written by us: it raises what it likes."""

    def answer(self, message: bytes) -> bytes:
        return {}["the price of tomorrow"]


class Speechless(Community):
    """Sends something that is no message at all."""

    def answer(self, message: bytes) -> bytes:
        return None


class _Tampering(Community):
    """Changes its answers before they are sent."""

    def answer(self, message: bytes) -> bytes:
        return self.tampered(Exchange.from_bytes(super().answer(message))).to_bytes()

    def tampered(self, offer: Exchange) -> Exchange:
        raise NotImplementedError


class SomebodyElse(_Tampering):
    """Signs as somebody else."""

    def tampered(self, offer: Exchange) -> Exchange:
        return replace(offer, community="somebody else")


class Elsewhere(_Tampering):
    """Answers for a bus where it is not."""

    def tampered(self, offer: Exchange) -> Exchange:
        return replace(offer, bus=("20",))


class Late(_Tampering):
    """Answers a round that is over."""

    def tampered(self, offer: Exchange) -> Exchange:
        return replace(offer, round=offer.round - 1)


class Short(_Tampering):
    """Answers for fewer intervals than there are."""

    def tampered(self, offer: Exchange) -> Exchange:
        return replace(offer, p_kw=offer.p_kw[:, :-1], q_kvar=offer.q_kvar[:, :-1])


class Absurd(_Tampering):
    """Offers what no grid could carry."""

    def tampered(self, offer: Exchange) -> Exchange:
        return replace(offer, q_kvar=np.full_like(offer.q_kvar, -1e9))


class Liar(Community):
    """Offers, and delivers nothing of what is bought."""

    def deliver(self, message: bytes) -> bytes:
        self._now = self.scheduled
        return self._message(json.loads(message)["round"])


class Fickle(Community):
    """Gives all that it can in one round and nothing in the next, whatever is paid."""

    def answer(self, message: bytes) -> bytes:
        if json.loads(message)["round"] % 2:
            return super().answer(message)
        self._now = self.scheduled
        return self._message(json.loads(message)["round"])


class Jumping(Community):
    """Absorbs ``JUMP_KVAR`` from a price of ``FROM_PER_KVARH`` on, and nothing below."""

    JUMP_KVAR = 0.0
    FROM_PER_KVARH = 0.3

    def answer(self, message: bytes) -> bytes:
        call = Call.from_bytes(message)
        amount = np.where(np.abs(call.price_per_kvarh) >= self.FROM_PER_KVARH, self.JUMP_KVAR, 0.0)
        return self._absorbing(call.round, call.called, amount)

    def deliver(self, message: bytes) -> bytes:
        award = Award.from_bytes(message)
        return self._absorbing(award.round, award.called, -award.bought_kvar)

    def _absorbing(self, number: int, called: IntArray, amount_kvar: FloatArray) -> bytes:
        self._now = self.scheduled
        schedule = Exchange.from_bytes(self._message(number))
        schedule.q_kvar[:, called] += amount_kvar
        return schedule.to_bytes()
