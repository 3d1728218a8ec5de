"""Flexibility markets made at random: radial feeders with nested limits, and offers behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridcommons.flexibility.central_clearing import clear_centrally
from gridcommons.flexibility.grid_operator import GridOperator
from gridcommons.flexibility.market_operator import ClearingSettings
from gridcommons.flexibility.offer_columns import Shares
from gridcommons.model.flexibility import LimitRows, Offer, Relation
from gridcommons.model.grid import FloatArray, IntArray

OFFERS_MAX = 4000
"""Of a feeder before some are made groups: larger markets are the benchmark's alone."""

CAP_PER_KWH = 5.0
"""What a kWh of missing flexibility costs in the markets made here; offers ask at most 1.5."""


@dataclass(frozen=True, kw_only=True)
class MarketSize:
    """How large a market made at random is, and what is in it.

    Parameters
    ----------
    load_points, aggregators : int
        Each aggregator offers at every load point.
    congested, payback : int
        Hours at which load must go down, and hours at which it may come back.
    lines, voltages : int
        Limits an hour, of lines and of voltages.
    grouped, curved : float
        Shares of the offers that are in groups, and that respond linearly.
    depth : float
        What is needed, of all that is offered below a line.
    """

    load_points: int
    aggregators: int
    congested: int = 3
    payback: int = 6
    lines: int = 30
    voltages: int = 6
    grouped: float = 0.0
    curved: float = 0.0
    depth: float = 0.4


@dataclass(frozen=True, eq=False)
class Market:
    """What both parties bring."""

    offers: list[Offer]
    rows: LimitRows
    settings: ClearingSettings
    cap_per_kwh: float = CAP_PER_KWH

    @property
    def dso(self) -> GridOperator:
        """The grid operator in this process."""
        return GridOperator(self.rows, self.cap_per_kwh, self.settings.step_hours)


def random_market(generator: np.random.Generator, size: MarketSize) -> Market:
    """A radial feeder with offers: nested limits, a few congested hours, tight room where load comes back."""
    hours = generator.permutation(24)[: size.congested + size.payback]
    congested, payback = np.sort(hours[: size.congested]), np.sort(hours[size.congested :])
    bus = tuple(f"LP{k + 1}" for k in range(size.load_points))
    offers = [
        _offer(generator, (bus[k], f"A{a + 1}"), (congested, payback), size)
        for k in range(size.load_points)
        for a in range(size.aggregators)
    ]
    rows = _limit_rows(generator, bus, (offers, congested, payback), size)
    return Market(_bind(generator, offers, size), rows, ClearingSettings(bus=bus, step_hours=1.0))


def _offer(
    generator: np.random.Generator, who: tuple[str, str], hours: tuple[IntArray, IntArray], size: MarketSize
) -> Offer:
    flexibility, payback = np.zeros(24), np.zeros(24)
    count = int(generator.integers(1, len(hours[0]) + 1))
    flexibility[generator.permutation(hours[0])[:count]] = generator.uniform(5.0, 90.0, count)
    payback[generator.choice(hours[1])] = flexibility.sum() * generator.uniform(0.6, 1.4)
    price = float(generator.uniform(0.2, 1.5))
    curved = generator.random() < size.curved
    return Offer(
        offer=f"{who[1]}-{who[0]}",
        aggregator=who[1],
        bus=who[0],
        price_per_kwh=price,
        flexibility_kw=flexibility,
        payback_kw=payback,
        response_kw_per_price=float(flexibility.max() / price) if curved else 0.0,
    )


def _bind(generator: np.random.Generator, offers: list[Offer], size: MarketSize) -> list[Offer]:
    """Some offers in two or three parts: increments of one schedule, or alternatives."""
    out: list[Offer] = []
    for offer in offers:
        if generator.random() >= size.grouped:
            out.append(offer)
            continue
        relation: Relation = "increment" if generator.random() < 0.5 else "exclusive"
        for part in range(int(generator.integers(2, 4))):
            share = generator.uniform(0.3, 1.0)
            out.append(
                replace(
                    offer,
                    offer=f"{offer.offer}-{part + 1}",
                    price_per_kwh=offer.price_per_kwh * generator.uniform(0.7, 1.3),
                    flexibility_kw=offer.flexibility_kw * share,
                    payback_kw=offer.payback_kw * share,
                    group=offer.offer,
                    relation=relation,
                )
            )
    return out


def _limit_rows(
    generator: np.random.Generator,
    bus: tuple[str, ...],
    market: tuple[list[Offer], IntArray, IntArray],
    size: MarketSize,
) -> LimitRows:
    offers, congested, payback = market
    at = {name: k for k, name in enumerate(bus)}
    offered, returned = np.zeros((len(bus), 24)), np.zeros((len(bus), 24))
    for offer in offers:
        offered[at[offer.bus]] += offer.flexibility_kw
        returned[at[offer.bus]] += offer.payback_kw
    below = _downstream(generator, len(bus))
    monitored = np.sort(generator.permutation(len(bus))[: size.lines])
    voltages = generator.uniform(0.4, 1.0, (size.voltages, len(bus)))
    voltages /= voltages.max(axis=1, keepdims=True)
    matrix = np.concatenate([below[monitored], voltages])
    element = [f"line_{k}" for k in monitored] + [f"node_{k}" for k in range(size.voltages)]
    kind = ["loading_max_percent"] * len(monitored) + ["vm_min_pu"] * size.voltages
    # Every limit would hold with what a part of the offers gives, and less than all payback fits.
    needs = generator.uniform(-0.5, 1.0, (len(matrix), 24)) * size.depth
    room_kw = np.where(needs > 0.0, -needs * (matrix @ offered), 0.1 * matrix @ offered + 50.0)
    tight = generator.uniform(0.8, 1.6, (len(matrix), len(payback)))
    room_kw[:, payback] = tight * size.depth * (matrix @ returned)[:, payback]
    hours = np.sort(np.concatenate([congested, payback]))
    return LimitRows(
        bus=bus,
        matrix=np.concatenate([matrix] * len(hours)),
        room_kw=room_kw[:, hours].T.ravel(),
        step=np.repeat(hours, len(matrix)),
        element=tuple(element) * len(hours),
        kind=tuple(kind) * len(hours),
    )


def _downstream(generator: np.random.Generator, count: int) -> FloatArray:
    """Load points below the line that feeds each load point of a random tree, (lines, load points)."""
    below = np.eye(count)
    parent = [int(generator.integers(max(0, k - 12), k)) if k else -1 for k in range(count)]
    for k in range(count - 1, 0, -1):
        below[parent[k]] += below[k]
    return below


def feeder(seed: int) -> Market:
    """One of the random feeders: 10 to 500 load points, 2 to 50 aggregators."""
    generator = np.random.default_rng(seed)
    load_points = int(10 * 50 ** generator.random())
    aggregators = int(2 * 25 ** generator.random() ** 1.5)
    size = MarketSize(
        load_points=load_points,
        aggregators=min(aggregators, max(2, OFFERS_MAX // load_points)),
        grouped=float(generator.choice([0.0, 0.2, 0.5])),
        curved=float(generator.choice([0.0, 0.0, 0.1, 0.3])),
        # Of the last, more than there is below some limits.
        depth=float(generator.choice([0.1, 0.3, 0.4, 0.6, 0.9])),
        congested=int(generator.integers(1, 4)),
    )
    market = random_market(np.random.default_rng(seed), size)
    shares: Shares = "one" if generator.random() < 0.3 else "per_hour"
    return replace(market, settings=replace(market.settings, shares=shares))


def least_cost(market: Market) -> tuple[float, FloatArray]:
    """Least cost, what is missing included, and what is missing at each limit, by one program."""
    best = clear_centrally(market.offers, market.rows, market.cap_per_kwh, market.settings)
    missing = market.cap_per_kwh * market.settings.step_hours * float(best.shortage_kw.sum())
    return best.cost + missing, best.shortage_kw
