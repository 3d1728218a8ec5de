"""What a market mechanism is."""

from __future__ import annotations

from typing import Protocol

from gridcommons.model.orders import Orders, Trades


class Mechanism(Protocol):
    """Turns the orders of one interval into trades; it knows no earlier book and no clock.

    Every mechanism obeys: nobody buys above or sells below the limit price, no order trades more than it
    offers, the order of arrival changes nothing, every trade has a buyer and a seller at one price.
    """

    @property
    def name(self) -> str:
        """The word for it in studies and results."""

    def clear(self, orders: Orders) -> Trades:
        """Trades of a checked book; their rows count in ``orders``."""
