"""The auction in which buyers pay what they bid."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.model.orders import Orders, Trades, no_trades
from gridcommons.trading.crossing import Rationing, accept_at, clearing_prices, make_curves, prices_cross
from gridcommons.trading.pairing import make_trades


@dataclass(frozen=True)
class PayAsBid:
    """The quantities of the double auction, each trade at the limit price of its buyer."""

    name: str = "pay_as_bid"

    def clear(self, orders: Orders) -> Trades:
        """Trades of a checked book, each at its buyer's price."""
        demand, supply = make_curves(orders)
        if not prices_cross(demand, supply):
            return no_trades()
        low, high = clearing_prices(demand, supply)
        accepted_kwh = accept_at(0.5 * (low + high), demand, supply, Rationing())
        return make_trades(demand, supply, accepted_kwh, lambda bid, ask: bid)
