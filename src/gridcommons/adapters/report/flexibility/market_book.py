"""The market of a result: what was asked for, what was offered, and what was taken of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.strips import limit_words
from gridcommons.adapters.report.tables import Part
from gridcommons.model.grid import FloatArray, IntArray

_SAME_KW = 1e-6


@dataclass(frozen=True, eq=False)
class Offered:
    """An offer: its flexibility and payback, and what was taken of both, each of shape (steps,) [kW]."""

    offer: str
    aggregator: str
    bus: str
    relation: str
    price_per_kwh: float
    flexibility_kw: FloatArray
    payback_kw: FloatArray
    taken_kw: FloatArray
    taken_back_kw: FloatArray

    @property
    def share(self) -> float:
        """How much of all its flexibility was taken."""
        offered = float(self.flexibility_kw.sum())
        return float(self.taken_kw.sum()) / offered if offered > 0.0 else 0.0


@dataclass(frozen=True, eq=False)
class Asked:
    """Buses that are asked for the same: least and most at each interval, shape (steps,) [kW]."""

    buses: tuple[str, ...]
    least_kw: FloatArray
    most_kw: FloatArray


@dataclass(frozen=True, eq=False)
class MarketBook:
    """Requirement, offers, and prices.

    Parameters
    ----------
    asked : sequence of Asked
        Groups of buses, in the order of the result.
    offers : sequence of Offered
        In the order of the result.
    needs : mapping of int to list
        What is to be mended by interval: words and the least that is needed [kW].
    price_per_kwh : mapping
        What one kWh more at a bus would be worth, by bus and interval.
    """

    asked: Sequence[Asked]
    offers: Sequence[Offered]
    needs: Mapping[int, list[tuple[str, float]]]
    price_per_kwh: Mapping[tuple[str, int], float]

    def pairs(self) -> list[tuple[Asked, int]]:
        """Groups of buses and the intervals at which they are asked, the largest need first."""
        found = [(group, int(step)) for group in self.asked for step in np.flatnonzero(group.least_kw)]
        return sorted(found, key=lambda pair: -float(pair[0].least_kw[pair[1]]))

    def offers_at(self, group: Asked, step: int) -> list[Offered]:
        """Offers of a group of buses with flexibility at an interval, the cheapest first."""
        mine = [o for o in self.offers if o.bus in group.buses and o.flexibility_kw[step] > 0.0]
        return sorted(mine, key=lambda o: (o.price_per_kwh, o.offer))

    def need_words(self, group: Asked, step: int) -> str:
        """What a group is asked to mend: the needs of just its size."""
        size = float(group.least_kw[step])
        said = [
            words for words, least_kw in self.needs.get(step, []) if abs(least_kw - size) < _SAME_KW * size
        ]
        return ", ".join(said)


def read_market(found: Material) -> MarketBook:
    """Requirement, offers, awards and prices; each empty where its table is missing."""
    return MarketBook(_asked(found), _offers(found), _needs(found), _prices(found))


def _asked(found: Material) -> list[Asked]:
    rows = found.tables.whole("flexibility_requirements", ("time", "bus", "least_kw", "most_kw"))
    if not len(rows["bus"]):
        return []
    step = found.clock.step_of(rows["time"])
    by_bus: dict[str, tuple[FloatArray, FloatArray]] = {}
    for place, bus in enumerate(rows["bus"].tolist()):
        least, most = by_bus.setdefault(bus, (np.zeros(found.clock.steps), np.zeros(found.clock.steps)))
        least[step[place]], most[step[place]] = rows["least_kw"][place], rows["most_kw"][place]
    groups: dict[bytes, list[str]] = {}
    for bus, (least, most) in by_bus.items():
        groups.setdefault(np.round(np.concatenate([least, most]), 6).tobytes(), []).append(bus)
    return [Asked(tuple(buses), *by_bus[buses[0]]) for buses in groups.values()]


def _needs(found: Material) -> dict[int, list[tuple[str, float]]]:
    rows = found.tables.whole("flexibility_needs", ("time", "element", "kind", "least_kw"))
    needs: dict[int, list[tuple[str, float]]] = {}
    for place in range(len(rows["element"])):
        step = int(found.clock.step_of(rows["time"][place : place + 1])[0])
        words = f"{rows['element'][place]} {limit_words(str(rows['kind'][place]))}"
        needs.setdefault(step, []).append((words, float(rows["least_kw"][place])))
    return needs


def _offers(found: Material) -> list[Offered]:
    columns = (
        "offer",
        "aggregator",
        "bus",
        "relation",
        "time",
        "price_per_kwh",
        "flexibility_kw",
        "payback_kw",
    )
    rows = found.tables.whole("offers", columns)
    if not len(rows["offer"]):
        return []
    step = found.clock.step_of(rows["time"])
    offers: dict[str, Offered] = {}
    for place, name in enumerate(rows["offer"].tolist()):
        if name not in offers:
            offers[name] = _nothing_taken(found, rows, place)
        offers[name].flexibility_kw[step[place]] = rows["flexibility_kw"][place]
        offers[name].payback_kw[step[place]] = rows["payback_kw"][place]
    taken = found.tables.whole("awards", ("offer", "time", "quantity_kw", "payback_kw"))
    at = _steps(found, taken)
    for place, name in enumerate(taken["offer"].tolist()):
        if name in offers:
            offers[name].taken_kw[at[place]] = taken["quantity_kw"][place]
            offers[name].taken_back_kw[at[place]] = taken["payback_kw"][place]
    return list(offers.values())


def _nothing_taken(found: Material, rows: Part, place: int) -> Offered:
    """An offer as its row names it, with nothing offered or taken yet."""
    steps = found.clock.steps
    return Offered(
        offer=str(rows["offer"][place]),
        aggregator=str(rows["aggregator"][place]),
        bus=str(rows["bus"][place]),
        relation=str(rows["relation"][place]),
        price_per_kwh=float(rows["price_per_kwh"][place]),
        flexibility_kw=np.zeros(steps),
        payback_kw=np.zeros(steps),
        taken_kw=np.zeros(steps),
        taken_back_kw=np.zeros(steps),
    )


def _steps(found: Material, rows: Part) -> IntArray:
    """Intervals of rows; a missing table has none."""
    times = rows["time"]
    return found.clock.step_of(times) if len(times) else np.zeros(0, dtype=np.int64)


def _prices(found: Material) -> dict[tuple[str, int], float]:
    rows = found.tables.whole("flexibility_prices", ("time", "bus", "price_per_kwh"))
    step = _steps(found, rows)
    return {
        (str(bus), int(step[place])): float(rows["price_per_kwh"][place])
        for place, bus in enumerate(rows["bus"])
    }
