"""The uniform-price double auction."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.model.orders import Orders, Trades, no_trades
from gridcommons.trading.crossing import Rationing, accept_at, clearing_prices, make_curves, prices_cross
from gridcommons.trading.pairing import make_trades, one_price


@dataclass(frozen=True)
class DoubleAuction:
    """One price for all: the midpoint of the prices at which demand and supply can be equal.

    All that crosses is traded, so that nobody could gain from more trade (largest welfare); orders at the
    margin share in proportion.
    """

    name: str = "double_auction"

    def clear(self, orders: Orders) -> Trades:
        """Trades of a checked book, all at one price."""
        demand, supply = make_curves(orders)
        if not prices_cross(demand, supply):
            return no_trades()
        low, high = clearing_prices(demand, supply)
        price_per_kwh = 0.5 * (low + high)
        accepted_kwh = accept_at(price_per_kwh, demand, supply, Rationing())
        return make_trades(demand, supply, accepted_kwh, one_price(price_per_kwh))
