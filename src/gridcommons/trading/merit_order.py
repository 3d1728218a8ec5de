"""The cluster market of the source: highest bid with lowest ask while prices cross."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.model.grid import FloatArray
from gridcommons.model.orders import Orders, Trades, no_trades
from gridcommons.trading.crossing import (
    Rationing,
    accept_at,
    clearing_prices,
    make_curves,
    prices_cross,
    worst_first,
)
from gridcommons.trading.pairing import make_trades


@dataclass(frozen=True)
class MeritOrder:
    """Pairs bids and asks in the order of merit, each pair at the midpoint of its two limit prices.

    Among orders whose prices cross, the short side is accepted whole; of the long side the best prices until
    the short side is met, sellers lowest first, buyers highest first; equal prices share in proportion.
    Which orders cross is seen at the middle of the clearing prices: all bids from there up with all asks
    from there down.

    Parameters
    ----------
    literal : bool
        The source's literal rule: of buyers, too, the lowest prices come first, so that who values energy
        most may go without.

    Notes
    -----
    Source: the two-tier community market, §3.2. It names no price of a trade, and lets "offers with a lower
    price" pass first on whichever side is long; the midpoint, and highest bids first, are ours.
    """

    literal: bool = False

    @property
    def name(self) -> str:
        """``merit_order``, or ``merit_order_literal``."""
        return "merit_order_literal" if self.literal else "merit_order"

    def clear(self, orders: Orders) -> Trades:
        """Trades of a checked book."""
        demand, supply = make_curves(orders)
        if not prices_cross(demand, supply):
            return no_trades()
        low, high = clearing_prices(demand, supply)
        rationing = Rationing(buyers=worst_first) if self.literal else Rationing()
        accepted_kwh = accept_at(0.5 * (low + high), demand, supply, rationing)
        return make_trades(demand, supply, accepted_kwh, midpoint)


def midpoint(bid_per_kwh: FloatArray, ask_per_kwh: FloatArray) -> FloatArray:
    """Half way between the two limit prices of a trade."""
    return 0.5 * (bid_per_kwh + ask_per_kwh)
