"""Takes in what aggregators offer, and says of everything that is not taken why: data, not exceptions.

An aggregator is another party: it may answer late, not at all, or with anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from gridcommons.model.errors import did_you_mean
from gridcommons.model.flexibility import Offer, Rejection, Relation, Requirement
from gridcommons.model.grid import FloatArray
from gridcommons.ports import OfferingParty

ROUNDING_KW = 1e-6


@dataclass(frozen=True)
class OfferBook:
    """Offers that were taken in, and what was not."""

    offers: tuple[Offer, ...]
    rejections: tuple[Rejection, ...]


def collect_offers(
    parties: Sequence[OfferingParty], requirement: Requirement, timeout_s: float
) -> tuple[dict[str, Any], list[Rejection]]:
    """What each party answers within a time, all asked at once.

    Parameters
    ----------
    parties : sequence of OfferingParty
        The aggregators.
    requirement : Requirement
        What is published to them.
    timeout_s : float
        How long they may take [s]; who takes longer is left out, and said.

    Returns
    -------
    tuple of dict and list
        Answers by name of the party, as they came; rejections of those that gave none.
    """
    answers: dict[str, Any] = {}
    failures: dict[str, str] = {}

    def ask(party: OfferingParty) -> None:
        try:
            answers[party.name] = party.offers(requirement)
        except BaseException as error:  # noqa: BLE001 - whatever another party does wrong is its own affair
            failures[party.name] = f"failed: {type(error).__name__}: {error}"

    # Daemons: one that never answers must not keep the process from ending.
    threads = [threading.Thread(target=ask, args=(party,), daemon=True) for party in parties]
    for thread in threads:
        thread.start()
    end_s = time.monotonic() + timeout_s
    silent = []
    for party, thread in zip(parties, threads, strict=True):
        thread.join(max(0.0, end_s - time.monotonic()))
        if thread.is_alive():
            silent.append(Rejection("", party.name, f"no answer within {timeout_s:g} s"))
    late = {each.aggregator for each in silent}
    in_time = {
        party.name: answers[party.name]
        for party in parties
        if party.name in answers and party.name not in late
    }
    # A copy: who is late may still fail while this is read.
    failed = [Rejection("", name, reason) for name, reason in dict(failures).items() if name not in late]
    return in_time, [*silent, *failed]


def check_offers(
    answers: Mapping[str, Any],
    requirement: Requirement,
    capacity_kw: Mapping[tuple[str, str], FloatArray],
    price_top_per_kwh: float | None = None,
) -> OfferBook:
    """Offers that can be cleared, and the reason for each that cannot.

    Parameters
    ----------
    answers : mapping of str to anything
        What each aggregator sent.
    requirement : Requirement
        What was asked.
    capacity_kw : mapping of (aggregator, bus) to (steps,)
        Load that each has planned at each load point: nobody can take away more [kW].
    price_top_per_kwh : float, optional
        Another cap than the requirement's.
    """
    rejections: list[Rejection] = []
    intake = _Intake(capacity_kw)
    cap = requirement.price_max_per_kwh if price_top_per_kwh is None else price_top_per_kwh
    for party, answer in answers.items():
        if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
            rejections.append(Rejection("", party, f"sent {_said(answer)} instead of offers"))
            continue
        for offer in answer:
            reason = _malformed(offer, party, requirement)
            if not reason:
                reason = intake.take(offer, _why_not(offer, requirement, capacity_kw, cap))
            if reason:
                rejections.append(Rejection(_id(offer), party, reason))
    return OfferBook(tuple(intake.taken), tuple(rejections))


def _malformed(offer: Any, party: str, requirement: Requirement) -> str:
    """What keeps something from being an offer of this party at all."""
    if not isinstance(offer, Offer):
        return f"is {_said(offer)}, no offer"
    return _misnamed(offer, party, requirement) or _misfigured(offer, requirement)


def _misfigured(offer: Offer, requirement: Requirement) -> str:
    """What is wrong with the figures of an offer, which may be anything."""
    for name in ("price_per_kwh", "response_kw_per_price"):
        if not _is_number(getattr(offer, name)):
            return f"has {name} {_said(getattr(offer, name))}, expected a number"
    steps = requirement.most_kw.shape[1]
    for name in ("flexibility_kw", "payback_kw"):
        values = getattr(offer, name)
        if not isinstance(values, np.ndarray):
            return f"has {name} {_said(values)}, expected one figure for each of {steps} intervals"
        if values.shape != (steps,) or values.dtype.kind not in "fiu":
            return f"has {name} of shape {values.shape}, expected one figure for each of {steps} intervals"
        if not np.isfinite(values).all():
            return f"has a {name} that is no number"
        if (values < 0.0).any():
            return f"has a negative {name}: {values.min():.6g} kW"
    return ""


def _misnamed(offer: Offer, party: str, requirement: Requirement) -> str:
    """What is wrong with the words of an offer, which may be anything."""
    for name in ("offer", "aggregator", "bus", "group", "relation"):
        if not isinstance(getattr(offer, name), str):
            return f"has {name} {_said(getattr(offer, name))}, expected a text"
    if offer.aggregator != party:
        return f"names the aggregator {offer.aggregator!r}, but came from {party!r}"
    if offer.bus not in requirement.bus:
        return f"names the load point {offer.bus!r}, which the requirement does not have"
    if offer.relation not in get_args(Relation):
        return f"has the relation {_said(offer.relation)}, expected {', '.join(get_args(Relation))}"
    return ""


def _is_number(thing: Any) -> bool:
    return isinstance(thing, int | float | np.integer | np.floating) and not isinstance(thing, bool)


def _why_not(
    offer: Offer, requirement: Requirement, capacity_kw: Mapping[tuple[str, str], FloatArray], cap: float
) -> str:
    """What the market does not take; empty where it does."""
    reason = _why_not_at_its_price(offer, cap)
    if reason:
        return reason
    point = requirement.bus.index(offer.bus)
    offers = offer.flexibility_kw > 0.0
    if not offers.any():
        return "offers nothing"
    beside = offers & ~requirement.asked[point]
    if beside.any():
        return (
            f"offers flexibility at interval {int(beside.argmax())}, where none is asked for at {offer.bus}"
        )
    outside = (offer.payback_kw > 0.0) & ~requirement.payback_allowed
    if outside.any():
        return f"takes back at interval {int(outside.argmax())}, which is no payback hour"
    back, share = offer.payback_kw.sum(), requirement.payback_max_share
    if back > share * offer.flexibility_kw.sum() + ROUNDING_KW * len(offers):
        return (
            f"takes back {back:.2f} kW for {offer.flexibility_kw.sum():.2f} kW, more than {share:.0%} of it"
        )
    most_kw = capacity_kw.get((offer.aggregator, offer.bus))
    if most_kw is None:
        meant = did_you_mean(offer.aggregator, [name for name, bus in capacity_kw if bus == offer.bus])
        said = f"comes from {offer.aggregator!r}, who has no devices at {offer.bus}"
        return f"{said}; {meant}" if meant else said
    over = offer.flexibility_kw - most_kw
    if over.max() > ROUNDING_KW:
        step = int(over.argmax())
        return (
            f"offers {offer.flexibility_kw[step]:.2f} kW at interval {step}, above its capacity of "
            f"{most_kw[step]:.2f} kW, the load that it has planned at {offer.bus}"
        )
    return ""


def _why_not_at_its_price(offer: Offer, cap: float) -> str:
    """What is wrong with what an offer asks; a linear response asks q/response for each of q kW."""
    price = offer.price_per_kwh
    if not price >= 0.0:
        return f"asks a price of {price:g} per kWh, expected 0 or more"
    if price > cap:
        return f"asks {price:g} per kWh, above the cap of {cap:g}"
    response = offer.response_kw_per_price
    if not 0.0 <= response < np.inf:
        return f"responds by {response:g} kW per price, expected 0 or more"
    if response > 0.0 and offer.flexibility_kw.max() / response > cap:
        return f"asks up to {offer.flexibility_kw.max() / response:g} per kWh, above the cap of {cap:g}"
    return ""


class _Intake:
    """What was taken in so far, against which the next offer is held.

    Parameters
    ----------
    capacity_kw : mapping of (aggregator, bus) to (steps,)
        Load that each has planned at each load point [kW].
    """

    def __init__(self, capacity_kw: Mapping[tuple[str, str], FloatArray]) -> None:
        self.taken: list[Offer] = []
        self._capacity_kw = capacity_kw
        self._ids: set[str] = set()
        self._first: dict[tuple[str, str], Offer] = {}
        self._lost: dict[tuple[str, str], str] = {}
        self._used: dict[tuple[str, str], FloatArray] = {}
        self._of_group: dict[tuple[str, str, str], FloatArray] = {}

    def take(self, offer: Offer, reason: str) -> str:
        """Take an offer in where there is no reason yet not to; the reason where it is not taken."""
        reason = reason or self._out_of_place(offer) or self._overbooked(offer)
        key = (offer.aggregator, offer.group)
        if not reason:
            self._ids.add(offer.offer)
            self._first.setdefault(key, offer)
            self.taken.append(offer)
        elif offer.relation == "increment" and offer.offer not in self._ids:
            self._lost.setdefault(key, offer.offer)
        return reason

    def _out_of_place(self, offer: Offer) -> str:
        """What keeps an offer from standing beside the others."""
        if offer.offer in self._ids:
            return "its id stands for another offer already"
        if not offer.group:
            return ""
        key = (offer.aggregator, offer.group)
        first = self._first.get(key, offer)
        if (offer.bus, offer.relation) != (first.bus, first.relation):
            return (
                f"is of the group {offer.group!r} at {offer.bus} as {offer.relation}, where the group is at "
                f"{first.bus} as {first.relation}"
            )
        if offer.relation == "increment" and key in self._lost:
            return f"adds to {self._lost[key]}, which is not taken in"
        return ""

    def _overbooked(self, offer: Offer) -> str:
        """Whether it takes away, with those before it, more than is planned.

        Alternatives (``exclusive``) of one group count once, by the largest of them.
        """
        place, nothing_kw = (offer.aggregator, offer.bus), np.zeros(len(offer.flexibility_kw))
        key = (*place, offer.group)
        before = self._used.get(place, nothing_kw)
        counted = nothing_kw
        if offer.group and offer.relation == "exclusive":
            counted = self._of_group.get(key, nothing_kw)
        peak = np.maximum(counted, offer.flexibility_kw)
        after = before + peak - counted
        over = after - self._capacity_kw.get(place, nothing_kw)
        if over.max() <= ROUNDING_KW:
            self._used[place], self._of_group[key] = after, peak
            return ""
        step = int(over.argmax())
        return (
            f"with the offers before it, takes away {over[step]:.2f} kW more than is planned at "
            f"{offer.bus} at interval {step}"
        )


def _id(offer: Any) -> str:
    return offer.offer if isinstance(offer, Offer) else ""


def _said(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) <= 60 else f"{text[:57]}..."
