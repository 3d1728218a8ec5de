"""The market mechanisms that a cluster can choose from."""

from __future__ import annotations

from collections.abc import Callable

from gridcommons.model.errors import GridcommonsError, did_you_mean
from gridcommons.trading.double_auction import DoubleAuction
from gridcommons.trading.mechanism import Mechanism
from gridcommons.trading.merit_order import MeritOrder
from gridcommons.trading.mid_market_rate import MidMarketRate
from gridcommons.trading.pay_as_bid import PayAsBid
from gridcommons.trading.welfare import Welfare

MECHANISMS: dict[str, Callable[[], Mechanism]] = {
    "merit_order": MeritOrder,
    "merit_order_literal": lambda: MeritOrder(literal=True),
    "double_auction": DoubleAuction,
    "pay_as_bid": PayAsBid,
    "mid_market_rate": MidMarketRate,
    "welfare": Welfare,
}
"""Mechanisms by name."""


def make_mechanism(name: str) -> Mechanism:
    """The mechanism of a name.

    Raises
    ------
    GridcommonsError
        There is none of this name.
    """
    if name not in MECHANISMS:
        hint = did_you_mean(name, MECHANISMS)
        raise GridcommonsError(
            f"market mechanism: found {name!r}, expected one of {', '.join(MECHANISMS)}"
            + (f"; {hint}" if hint else "")
        )
    return MECHANISMS[name]()
