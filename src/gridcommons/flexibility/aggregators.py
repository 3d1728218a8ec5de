"""Aggregators: parties of their own, who see prices and published requirements, never the grid.

Each knows its customers' devices. It plans them for itself at the prices that hold at each load point,
offers flexibility for a requirement, and schedules its devices to deliver what was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.flexibility.bidding import Bundle, make_offers
from gridcommons.flexibility.fleet import Fleet
from gridcommons.model.flexibility import Offer, Requirement
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.ports import OfferingParty

PRICE_STEP_SHARE = 0.25
"""How much dearer each further offer of a load point is than the first."""


@dataclass(frozen=True, eq=False)
class Aggregator:
    """One aggregator and the devices that it may schedule.

    Parameters
    ----------
    name : str
        As in ``members.csv``.
    fleet : Fleet
        Its own devices that answer prices, and no others; no fixed load.
    devices : (devices,)
        Which they are in the fleet of all.
    price_per_kwh : (load points,)
        What it asks at each load point.
    offers_per_load_point : int
        How many offers it makes of the devices at one load point.
    plan_kw : (devices, steps)
        What its devices will do if nothing is bought of them [kW].
    tariff_per_kwh : (load points, steps), optional
        What was published before the market.
    """

    name: str
    fleet: Fleet
    devices: IntArray
    price_per_kwh: FloatArray
    offers_per_load_point: int
    plan_kw: FloatArray
    tariff_per_kwh: FloatArray | None = None

    @cached_property
    def load_points(self) -> IntArray:
        """Load points of the fleet at which it has devices."""
        return np.unique(self.fleet.load_point)

    def plan(self, tariff_per_kwh: FloatArray) -> FloatArray:
        """Its own plan at the spot price and a tariff, shape (devices, steps) [kW].

        Parameters
        ----------
        tariff_per_kwh : (load points, steps)
            What was published.
        """
        return self.fleet.plan(self.fleet.spot_per_kwh + tariff_per_kwh[self.fleet.load_point])

    def bundle(self, load_point: int) -> Bundle:
        """Its devices at one load point, around their plan."""
        mine = np.flatnonzero(self.fleet.load_point == load_point)
        price = self.fleet.spot_per_kwh
        if self.tariff_per_kwh is not None:
            price = price + self.tariff_per_kwh[load_point]
        return Bundle(self.fleet, mine, self.plan_kw[mine], price)

    def in_fleet(self, bundle: Bundle) -> IntArray:
        """Which devices of the fleet of all a bundle of its own is."""
        return self.devices[bundle.devices]

    def offers(self, requirement: Requirement) -> list[Offer]:
        """What it offers at every load point that is asked."""
        made: list[Offer] = []
        for point in self.load_points:
            asked: BoolArray = requirement.asked[point]
            if asked.any():
                ladder = 1.0 + PRICE_STEP_SHARE * np.arange(self.offers_per_load_point)
                prices = np.round(self.price_per_kwh[point] * ladder, 4)
                prices = prices[prices <= requirement.price_max_per_kwh]
                place = (self.name, requirement.bus[point])
                if len(prices):
                    made += make_offers(self.bundle(int(point)), place, asked, requirement, prices)
        return made


@dataclass(frozen=True, eq=False)
class FiledOffers:
    """An aggregator that has sent its offers already: it says what it sent, whatever is asked."""

    name: str
    sent: tuple[Offer, ...]

    def offers(self, requirement: Requirement) -> tuple[Offer, ...]:
        """What it sent."""
        return self.sent


def offering_parties(aggregators: Sequence[Aggregator], sent: Sequence[Offer]) -> list[OfferingParty]:
    """Who is asked for offers: those who sent some say these, the others make theirs."""
    filed: dict[str, tuple[Offer, ...]] = {}
    for offer in sent:
        filed[offer.aggregator] = (*filed.get(offer.aggregator, ()), offer)
    own: list[OfferingParty] = [party for party in aggregators if party.name not in filed]
    return [*own, *(FiledOffers(name, offers) for name, offers in filed.items())]


def aggregator_names(fleet: Fleet) -> Names:
    """Aggregators with a device that answers prices, in the order of the members."""
    moved = np.flatnonzero(~fleet.reprofiling)
    return tuple(dict.fromkeys(fleet.aggregator[device] for device in moved))


def make_aggregators(
    fleet: Fleet, plan_kw: FloatArray, price_per_kwh: FloatArray, offers_per_load_point: int = 1
) -> list[Aggregator]:
    """The aggregators of a fleet.

    Parameters
    ----------
    fleet : Fleet
        All devices.
    plan_kw : (devices, steps)
        What they will do if nothing is bought of them [kW].
    price_per_kwh : (aggregators, load points)
        What each asks, aggregators in the order of ``aggregator_names``.
    offers_per_load_point : int
        How many offers each makes of the devices at one load point.
    """
    made = []
    names = np.array(fleet.aggregator, dtype=object)
    for name, prices in zip(aggregator_names(fleet), price_per_kwh, strict=True):
        devices = np.flatnonzero((names == name) & ~fleet.reprofiling)
        own = fleet.take(devices)
        made.append(Aggregator(name, own, devices, prices, offers_per_load_point, plan_kw[devices]))
    return made
