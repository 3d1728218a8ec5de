"""The mid-market rate: one price that no order can move."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.model.orders import Orders, Trades
from gridcommons.trading.crossing import Rationing, accept_at, in_proportion, make_curves
from gridcommons.trading.pairing import make_trades, one_price


@dataclass(frozen=True)
class MidMarketRate:
    """Trades half way between the feed-in and the retail price of the main grid.

    Orders whose limit does not allow this price stay out, the side that is too long is served in proportion.
    It does not reach the largest welfare, but nobody can gain by the choice of a limit price. The rate stays
    the same where the main grid is not available.
    """

    name: str = "mid_market_rate"

    def clear(self, orders: Orders) -> Trades:
        """Trades of a checked book, all at the middle of its price band."""
        demand, supply = make_curves(orders)
        price_per_kwh = orders.band.middle_price_per_kwh
        accepted_kwh = accept_at(price_per_kwh, demand, supply, Rationing(in_proportion, in_proportion))
        return make_trades(demand, supply, accepted_kwh, one_price(price_per_kwh))
