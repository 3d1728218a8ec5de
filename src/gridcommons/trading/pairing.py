"""Pairs what was accepted of both sides into trades."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.orders import Trades
from gridcommons.trading.crossing import EQUAL_SHARE, Curve


@dataclass(frozen=True, eq=False)
class Pairs:
    """Which part of one side meets which part of the other.

    Parameters
    ----------
    first, second : (pairs,)
        Place on either side.
    energy_kwh : (pairs,)
        How much [kWh].
    """

    first: IntArray
    second: IntArray
    energy_kwh: FloatArray


def lay_side_by_side(first_kwh: FloatArray, second_kwh: FloatArray) -> Pairs:
    """Both sides as bars laid end to end from zero: every overlap of two bars is a pair.

    There are at most as many pairs as bars, less one. What overlaps by less than rounding makes no pair,
    and no bar is paired for more than its length.

    Parameters
    ----------
    first_kwh, second_kwh : (bars,)
        Lengths, none negative [kWh].
    """
    first_end, second_end = np.cumsum(first_kwh), np.cumsum(second_kwh)
    if not len(first_end) or not len(second_end):
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    total = min(first_end[-1], second_end[-1])
    end_kwh = np.minimum(np.concatenate([[0.0], first_end, second_end]), total)
    order = np.argsort(end_kwh, kind="stable")
    energy_kwh = np.diff(end_kwh[order])
    real = np.flatnonzero(energy_kwh > EQUAL_SHARE * total)
    energy_kwh = energy_kwh[real]
    # As many bars of a side end before an overlap as there are ends of theirs among the cuts up to it.
    first = np.cumsum((order > 0) & (order <= len(first_end)), dtype=np.int64)[real]
    second = real - first
    for place, length_kwh in ((first, first_kwh), (second, second_kwh)):
        energy_kwh = _within(energy_kwh, place, length_kwh)
    return Pairs(first, second, energy_kwh)


TradePrice = Callable[[FloatArray, FloatArray], FloatArray]
"""Price of each trade, from the limit prices of its bid and its ask, shape (trades,) each."""


def make_trades(
    demand: Curve, supply: Curve, accepted_kwh: tuple[FloatArray, FloatArray], price: TradePrice
) -> Trades:
    """Highest accepted bid with lowest accepted ask, and so on down both curves.

    Among equal prices the order of ids decides who meets whom, not who trades how much.

    Parameters
    ----------
    demand, supply : Curve
        Both sides of the book.
    accepted_kwh : tuple of (buys,) and (sells,)
        What is accepted of each order, in the order of the curves [kWh].
    price : TradePrice
        What a trade costs.
    """
    pairs = lay_side_by_side(*accepted_kwh)
    price_per_kwh = price(demand.price_per_kwh[pairs.first], supply.price_per_kwh[pairs.second])
    return Trades(demand.row[pairs.first], supply.row[pairs.second], pairs.energy_kwh, price_per_kwh)


def one_price(price_per_kwh: float) -> TradePrice:
    """The same price for all."""
    return lambda bid, ask: np.full(len(bid), price_per_kwh)


def _within(energy_kwh: FloatArray, place: IntArray, length_kwh: FloatArray) -> FloatArray:
    """Cuts what the rounding of sums has put above the length of a bar."""
    used_kwh = np.bincount(place, energy_kwh, len(length_kwh))
    over = used_kwh > length_kwh
    share = np.ones(len(length_kwh))
    share[over] = length_kwh[over] / used_kwh[over]
    return np.asarray(energy_kwh * share[place])
