"""A large order book by the double auction, beside the linear program of largest welfare."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcommons.benchmarks.timing import Timing, measure
from gridcommons.model.orders import Orders, PriceBand
from gridcommons.trading.double_auction import DoubleAuction
from gridcommons.trading.mechanism import Mechanism
from gridcommons.trading.merit_order import MeritOrder
from gridcommons.trading.welfare import Welfare, most_welfare, welfare_of

BAND = PriceBand(feed_in_price_per_kwh=0.08, retail_price_per_kwh=0.32)


def random_book(count: int, generator: np.random.Generator) -> Orders:
    """Orders of as many members, half of them on either side, prices inside the band."""
    return Orders(
        order=tuple(f"o{number}" for number in generator.permutation(count)),
        member=tuple(f"m{number}" for number in range(count)),
        cluster=("c",) * count,
        is_buy=generator.random(count) < 0.5,
        energy_kwh=generator.uniform(0.01, 2.5, count),
        price_per_kwh=generator.uniform(BAND.feed_in_price_per_kwh, BAND.retail_price_per_kwh, count),
        expires_step=np.zeros(count, np.int64),
        band=BAND,
    )


def compare_order_books(count: int = 10_000, repeats: int = 11) -> dict[str, Any]:
    """One book of many orders by double auction, by merit order, and by the linear program."""
    book = random_book(count, np.random.default_rng(1))
    auction, merit, program = DoubleAuction(), MeritOrder(), Welfare()
    times = {each.name: _clear_anew(each, book, repeats).median for each in (auction, merit, program)}
    trades = auction.clear(book)
    reached, most = welfare_of(book, trades), most_welfare(book)
    return {
        "orders": count,
        "trades": len(trades),
        "double_auction_s": times[auction.name],
        "merit_order_s": times[merit.name],
        "welfare_program_s": times[program.name],
        "ratio": times[auction.name] / times[program.name],
        "double_auction_welfare": reached,
        "welfare_program_welfare": most,
        "welfare_gap_share": abs(reached - most) / most,
        "goal": "double auction of 10,000 orders in at most 0.05 s, welfare within 1e-6",
    }


def _clear_anew(mechanism: Mechanism, book: Orders, repeats: int) -> Timing:
    """A book is new each time: to find the order of its ids is part of the work."""
    return measure(lambda: mechanism.clear(book.with_energy(book.energy_kwh)), repeats)
