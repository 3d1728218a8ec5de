"""Markets for tests, small ones by hand."""

from __future__ import annotations

import numpy as np

from gridcommons.benchmarks.markets import CAP_PER_KWH, Market
from gridcommons.flexibility.market_operator import ClearingSettings
from gridcommons.model.flexibility import LimitRows, Offer


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
