"""Markets for tests: random radial feeders of any size, and small ones by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridcommons.benchmarks.clearing import CAP_PER_KWH, Market, MarketSize, random_market
from gridcommons.flexibility.central_clearing import clear_centrally
from gridcommons.flexibility.market_operator import ClearingSettings
from gridcommons.model.flexibility import LimitRows, Offer

OFFERS_MAX = 4000
"""Larger markets are the benchmark's."""


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
    shares = "one" if generator.random() < 0.3 else "per_hour"
    return replace(market, settings=replace(market.settings, shares=shares))


def least_cost(market: Market) -> tuple[float, np.ndarray]:
    """Objective and shortage by the program that sees everything."""
    best = clear_centrally(market.offers, market.rows, market.cap_per_kwh, market.settings)
    missing = market.cap_per_kwh * market.settings.step_hours * float(best.shortage_kw.sum())
    return best.cost + missing, best.shortage_kw


def offer(name: str, price: float, flexibility: dict[int, float], payback=None, **more) -> Offer:
    """An offer ``aggregator@bus`` over 4 steps, or as many as named, by hour."""
    steps = more.pop("steps", 4)
    less, back = np.zeros(steps), np.zeros(steps)
    for step, kw in flexibility.items():
        less[step] = kw
    for step, kw in (payback or {}).items():
        back[step] = kw
    aggregator, _, bus = name.partition("@")
    return Offer(
        offer=name + more.pop("part", ""),
        aggregator=aggregator,
        bus=bus,
        price_per_kwh=price,
        flexibility_kw=less,
        payback_kw=back,
        **more,
    )


def limits(bus: str, rows: list[tuple[str, int, dict[str, float], float]]) -> LimitRows:
    """Limits as (element, step, factor by bus, room) at load points named in one string."""
    names = tuple(bus.split())
    return LimitRows(
        bus=names,
        matrix=np.array([[factors.get(name, 0.0) for name in names] for _, _, factors, _ in rows]).reshape(
            len(rows), len(names)
        ),
        room_kw=np.array([room for *_, room in rows], dtype=float),
        step=np.array([step for _, step, *_ in rows], dtype=np.int64),
        element=tuple(element for element, *_ in rows),
        kind=("loading_max_percent",) * len(rows),
    )


def market(offers: list[Offer], rows: LimitRows, **settings) -> Market:
    """Offers and limits by hand, in hours."""
    settings = {"bus": rows.bus, "step_hours": 1.0, **settings}
    return Market(offers, rows, ClearingSettings(**settings), settings.pop("cap_per_kwh", CAP_PER_KWH))
