"""The flexibility market of one day: requirement, offers, clearing, delivery, and its load flow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.flexibility.aggregators import Aggregator
from gridcommons.flexibility.central_clearing import clear_centrally
from gridcommons.flexibility.check import GridState, GridView, check_plan
from gridcommons.flexibility.clearing import Clearing, clear_market
from gridcommons.flexibility.day_ahead import Stage
from gridcommons.flexibility.delivery import Delivery, Obligation, deliver
from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.grid_operator import GridOperator
from gridcommons.flexibility.limits import linear_limits
from gridcommons.flexibility.market_operator import ClearingSettings
from gridcommons.flexibility.offer_check import OfferBook, check_offers, collect_offers
from gridcommons.flexibility.offer_columns import Shares, split_blocks
from gridcommons.flexibility.requirements import Need, find_needs, publish
from gridcommons.flexibility.settings import Settings
from gridcommons.model.flexibility import LimitRows, Offer, Rejection, Requirement
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.ports import Engines, GridOperatorParty, OfferingParty

UNDELIVERED_KW = 0.05
"""What an award may lack in its schedule."""


@dataclass(frozen=True, eq=False)
class Award:
    """What was bought of one aggregator at one load point, and how it is delivered."""

    aggregator: str
    load_point: int
    obligation: Obligation
    delivery: Delivery


@dataclass(frozen=True, eq=False)
class MarketStage:
    """What the market did.

    Parameters
    ----------
    need : Need
        What is broken.
    requirement : Requirement
        What was published.
    book : OfferBook
        Offers, and what was rejected.
    clearing : Clearing
        Shares and prices; None where nothing was needed or offered.
    shares : str
        The rule by which shares were found.
    awards : tuple of Award
        One for each aggregator and load point with something taken.
    stage : Stage
        The plan after it.
    linear_vm_error_pu : float
        How far the linear voltages of the clearing are from the load flow of the result [pu].
    """

    need: Need
    requirement: Requirement
    book: OfferBook
    clearing: Clearing | None
    shares: str
    awards: tuple[Award, ...]
    stage: Stage
    linear_vm_error_pu: float

    @property
    def shortages(self) -> list[tuple[str, str, int, float]]:
        """Element, kind, interval and missing kW of each limit, those that nobody can help included."""
        found, need = {}, self.need
        asked: BoolArray = np.asarray(need.asked.any(axis=1))
        missing_kw = {} if self.clearing is None else _missing_of(self.clearing)
        for row, key in enumerate(need.rows.places()):
            # The clearing is not asked for what nobody can help, and says nothing is missing there.
            needs_kw = -float(need.rows.room_kw[row])
            lacks_kw = missing_kw.pop(key, needs_kw)
            found[key] = lacks_kw if asked[row] else needs_kw
        return [(*key, kw) for key, kw in (found | missing_kw).items() if kw > 0.0]


@dataclass(frozen=True, eq=False)
class MarketPlace:
    """Everything that the market of a day needs; ``parties`` may be any that offer."""

    view: GridView
    fleet: Fleet
    settings: Settings
    engines: Engines
    before: Stage
    aggregators: Sequence[Aggregator]
    parties: Sequence[OfferingParty]

    def run(self) -> MarketStage:
        """Requirement, offers, clearing, delivery."""
        need = find_needs(self.before.state, self.fleet, self.settings)
        requirement = publish(self.view, self.before.state, self.fleet, need, self.settings)
        book = self._offers(requirement)
        nothing = MarketStage(need, requirement, book, None, self.settings.shares, (), self._after(()), 0.0)
        if not len(need.rows) or not book.offers:
            return nothing
        rows = self._rows(book.offers, need)
        for shares in dict.fromkeys((self.settings.shares, "one")):
            clearing = self._clear(book.offers, rows, shares)
            awards = self._deliver(book.offers, clearing)
            short_kw = max((float(award.delivery.shortfall_kw.max()) for award in awards), default=0.0)
            # Shares that differ by hour are no mix of two schedules: undeliverable ones are not awarded.
            if short_kw < UNDELIVERED_KW:
                break
        stage = self._after(awards)
        error_pu = self._linear_error(stage.state)
        return MarketStage(need, requirement, book, clearing, shares, awards, stage, error_pu)

    def _offers(self, requirement: Requirement) -> OfferBook:
        if not requirement.asked.any():
            sent = [offer for party in self.parties for offer in getattr(party, "sent", ())]
            reason = "nothing is asked for"
            return OfferBook((), tuple(Rejection(each.offer, each.aggregator, reason) for each in sent))
        answers, silent = collect_offers(self.parties, requirement, self.settings.answer_timeout_s)
        capacity_kw = {
            (party.name, requirement.bus[point]): party.bundle(int(point)).plan_kw.sum(axis=0)
            for party in self.aggregators
            for point in party.load_points
        }
        book = check_offers(answers, requirement, capacity_kw)
        book = self._deliverable(book)
        offers: list[Offer] = list(book.offers)
        blocks: list[Rejection] = []
        if self.settings.clearing == "admm":
            offers, blocks = split_blocks(book.offers)
        return OfferBook(tuple(offers), (*silent, *book.rejections, *blocks))

    def _deliverable(self, book: OfferBook) -> OfferBook:
        """The book without what was offered from outside and the devices cannot deliver together."""
        own = {party.name for party in self.parties if isinstance(party, Aggregator)}
        names = self.view.study.grid.buses.name
        kept: list[Offer] = []
        rejections = list(book.rejections)
        owed: dict[tuple[str, str], Obligation] = {}
        for offer in book.offers:
            place = (offer.aggregator, offer.bus)
            before = owed.get(place, Obligation(0.0 * offer.flexibility_kw, 0.0 * offer.payback_kw))
            due = Obligation(offer.flexibility_kw, offer.payback_kw)
            if offer.relation != "exclusive":
                due = Obligation(before.less_kw + due.less_kw, before.more_kw + due.more_kw)
            short_kw = 0.0 if offer.aggregator in own else self._shortfall_kw(place, due, names)
            if short_kw > UNDELIVERED_KW:
                reason = f"its devices cannot deliver {short_kw:.2f} kW of it and of the offers before it"
                rejections.append(Rejection(offer.offer, offer.aggregator, reason))
                continue
            kept.append(offer)
            if offer.relation != "exclusive":
                owed[place] = due
        return OfferBook(tuple(kept), tuple(rejections))

    def _shortfall_kw(self, place: tuple[str, str], due: Obligation, names: Sequence[str]) -> float:
        """What the devices of an aggregator at a load point cannot deliver of an obligation [kW]."""
        (party,) = (party for party in self.aggregators if party.name == place[0])
        (point,) = (int(p) for p in party.load_points if names[self.fleet.load_points[p]] == place[1])
        return float(deliver(party.bundle(point), due).shortfall_kw.max())

    def _rows(self, offers: Sequence[Offer], need: Need) -> LimitRows:
        """Limits of the market: what is asked for shall hold, margin included; nothing else gets worse."""
        index = self.view.study.grid.bus_index
        buses = np.unique([index[offer.bus] for offer in offers])
        reach_kw = np.zeros((len(buses), len(self.fleet.spot_per_kwh)))
        for offer in offers:
            reach_kw[np.searchsorted(buses, index[offer.bus])] += offer.payback_kw
        state, settings = self.before.state, self.settings
        margin = (settings.payback_margin_share, settings.voltage_margin_pu)
        inside = linear_limits(state, buses, reach_kw, margin)
        plain = linear_limits(state, buses, reach_kw, (0.0, settings.voltage_margin_pu))
        # A clearing may end this far beyond a limit.
        guard_kw = ClearingSettings.tolerance_kw
        full_kw = dict(zip(plain.places(), plain.room_kw - guard_kw, strict=True))
        asked = set(need.rows.take(np.flatnonzero(need.asked.any(axis=1))).places())
        room_kw = [
            full_kw[key] if key in asked else max(room, 0.0)
            for key, room in zip(inside.places(), inside.room_kw, strict=True)
        ]
        return replace(inside, room_kw=np.array(room_kw))

    def _clear(self, offers: Sequence[Offer], rows: LimitRows, shares: str) -> Clearing:
        settings, hours = self.settings, self.fleet.step_hours
        rule: Shares = "one" if shares == "one" else "per_hour"
        how = ClearingSettings(
            bus=rows.bus, step_hours=hours, shares=rule, steps=len(self.fleet.spot_per_kwh)
        )
        if settings.clearing == "central":
            return clear_centrally(offers, rows, settings.shortage_price_per_kwh, how)
        dso = GridOperator(rows, settings.shortage_price_per_kwh, hours)
        with self._party(dso) as party:
            return clear_market(offers, party, how)

    def _party(self, dso: GridOperator) -> AbstractContextManager[GridOperatorParty]:
        if self.settings.parties == "one_process":
            return nullcontext(dso)
        return self.engines.other_process(dso, self.settings.answer_timeout_s)

    def _deliver(self, offers: Sequence[Offer], clearing: Clearing) -> tuple[Award, ...]:
        by_id = {offer.offer: offer for offer in offers}
        names = self.view.study.grid.buses.name
        owed: dict[tuple[str, str], list[FloatArray]] = {}
        for name, share in zip(clearing.offers, clearing.shares, strict=True):
            offer = by_id[name]
            less_kw, more_kw = taken(offer, share)
            if less_kw.any():
                total = owed.setdefault((offer.aggregator, offer.bus), [0.0 * less_kw, 0.0 * more_kw])
                total[0], total[1] = total[0] + less_kw, total[1] + more_kw
        awards = []
        for party in self.aggregators:
            for point in party.load_points:
                due = owed.get((party.name, names[self.fleet.load_points[point]]))
                if due is not None:
                    obligation = Obligation(due[0], due[1])
                    delivery = deliver(party.bundle(int(point)), obligation)
                    awards.append(Award(party.name, int(point), obligation, delivery))
        return tuple(awards)

    def _after(self, awards: Sequence[Award]) -> Stage:
        power_kw = self.before.power_kw.copy()
        by_name = {party.name: party for party in self.aggregators}
        for award in awards:
            party = by_name[award.aggregator]
            power_kw[party.in_fleet(party.bundle(award.load_point))] = award.delivery.power_kw
        state = check_plan(self.view, self.fleet, power_kw) if awards else self.before.state
        return Stage("market", power_kw, state)

    def _linear_error(self, after: GridState) -> float:
        """Worst difference of the voltages that the linear model expects, over all limited buses."""
        state, points = self.before.state, self.fleet.load_points
        change_kw = (after.load_kw - state.load_kw)[points]
        step = np.flatnonzero(change_kw.any(axis=0))
        worst = 0.0
        for each in step:
            buses = np.flatnonzero(self.view.network.node_of_bus >= 0)
            expected = state.vm_pu[each] + 0.0
            expected[buses] += state.voltage_answer(int(each), points, change_kw[:, each])[buses]
            worst = max(worst, float(np.nanmax(np.abs(expected - after.vm_pu[each]))))
        return worst


def taken(offer: Offer, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Less load, and payback that goes with it, when shares (steps,) of an offer are taken [kW].

    Payback follows the energy taken: with one share it is that share, with shares by hour their mean,
    weighted by flexibility.
    """
    less_kw = share * offer.flexibility_kw
    part = less_kw.sum() / offer.flexibility_kw.sum()
    return less_kw, part * offer.payback_kw


def _missing_of(clearing: Clearing) -> dict[tuple[str, str, int], float]:
    keys = zip(clearing.element, clearing.kind, clearing.step.tolist(), strict=True)
    return dict(zip(keys, clearing.shortage_kw.tolist(), strict=True))
