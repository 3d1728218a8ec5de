"""Where supply and demand of a book cross, and which energy is accepted at a price.

All of it works on curves: orders in the order of merit, ties by id, so that the order in which orders
arrived cannot matter, not even in the last digit of a sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.orders import Orders

EQUAL_SHARE = 1e-12
"""Energies that differ by no more of themselves count as equal: sums are rounded, orders are not so exact."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One side of a book, best price first.

    Parameters
    ----------
    row : (orders,)
        Row of each order in the book.
    energy_kwh : (orders,)
        Quantity [kWh].
    price_per_kwh : (orders,)
        Limit price; falling for buyers, rising for sellers.
    """

    row: IntArray
    energy_kwh: FloatArray
    price_per_kwh: FloatArray

    def __len__(self) -> int:
        """Number of orders."""
        return len(self.row)


def make_curves(orders: Orders) -> tuple[Curve, Curve]:
    """Demand, highest bid first, and supply, lowest ask first; ties in the order of ids."""
    merit = np.where(orders.is_buy, -orders.price_per_kwh, orders.price_per_kwh)
    row = np.lexsort((orders.rank, merit, ~orders.is_buy))
    buys = int(np.count_nonzero(orders.is_buy))
    demand, supply = (
        Curve(part, orders.energy_kwh[part], orders.price_per_kwh[part]) for part in (row[:buys], row[buys:])
    )
    return demand, supply


def level_starts(price_per_kwh: FloatArray) -> IntArray:
    """Where in a sorted column each distinct price starts, shape (levels,)."""
    changes = np.flatnonzero(price_per_kwh[1:] != price_per_kwh[:-1]) + 1
    return np.concatenate([np.zeros(min(len(price_per_kwh), 1), np.int64), changes])


def prices_cross(demand: Curve, supply: Curve) -> bool:
    """Whether the highest bid reaches the lowest ask; equal prices do."""
    return bool(len(demand) > 0 and len(supply) > 0 and demand.price_per_kwh[0] >= supply.price_per_kwh[0])


def clearing_prices(demand: Curve, supply: Curve) -> tuple[float, float]:
    """Lowest and highest price at which demand and supply can be equal.

    At a price p, demand is anything between what is bid above p and what is bid at p or above; supply
    likewise. p clears where the two ranges meet: D(> p) ≤ S(≤ p) and S(< p) ≤ D(≥ p). These prices are the
    optimal duals of the energy balance in the welfare program, so they do not depend on how ties at the
    margin are resolved.

    Parameters
    ----------
    demand, supply : Curve
        Both sides; their prices cross.
    """
    bids, bid_kwh = demand.price_per_kwh[::-1], np.concatenate([[0.0], np.cumsum(demand.energy_kwh)])
    asks, ask_kwh = supply.price_per_kwh, np.concatenate([[0.0], np.cumsum(supply.energy_kwh)])
    price = np.unique(np.concatenate([bids, asks]))
    bid_above = bid_kwh[len(bids) - np.searchsorted(bids, price, "right")]
    bid_from = bid_kwh[len(bids) - np.searchsorted(bids, price, "left")]
    asked_to = ask_kwh[np.searchsorted(asks, price, "right")]
    asked_below = ask_kwh[np.searchsorted(asks, price, "left")]
    low = price[bid_above <= asked_to * (1.0 + EQUAL_SHARE)][0]
    high = price[asked_below <= bid_from * (1.0 + EQUAL_SHARE)][-1]
    return float(low), float(high)


Ration = Callable[[FloatArray, FloatArray, float], FloatArray]
"""How a side that is too long is cut: its energies [kWh], prices, and what is wanted of them [kWh]."""


def best_first(energy_kwh: FloatArray, price_per_kwh: FloatArray, wanted_kwh: float) -> FloatArray:
    """Accept in the order given until enough is had; orders of one price share in proportion.

    Nobody gains a place among equals by the choice of an id.
    """
    starts = level_starts(price_per_kwh)
    level_kwh = np.add.reduceat(energy_kwh, starts)
    before_kwh = np.concatenate([[0.0], np.cumsum(level_kwh)])[:-1]
    there = level_kwh > 0.0
    share = np.zeros(len(starts))
    share[there] = np.clip((wanted_kwh - before_kwh[there]) / level_kwh[there], 0.0, 1.0)
    return np.asarray(energy_kwh * np.repeat(share, np.diff(starts, append=len(energy_kwh))))


def worst_first(energy_kwh: FloatArray, price_per_kwh: FloatArray, wanted_kwh: float) -> FloatArray:
    """The same from the other end."""
    return best_first(energy_kwh[::-1], price_per_kwh[::-1], wanted_kwh)[::-1]


def in_proportion(energy_kwh: FloatArray, price_per_kwh: FloatArray, wanted_kwh: float) -> FloatArray:
    """The same share of every order, whatever its price."""
    return np.asarray(energy_kwh * (wanted_kwh / energy_kwh.sum()))


@dataclass(frozen=True)
class Rationing:
    """How either side is cut where it is the long one."""

    buyers: Ration = best_first
    sellers: Ration = best_first


def accept_at(
    price_per_kwh: float, demand: Curve, supply: Curve, rationing: Rationing
) -> tuple[FloatArray, FloatArray]:
    """Energy accepted of each order at one price: the short side whole, as much of the long side.

    Parameters
    ----------
    price_per_kwh : float
        Only orders whose limit allows this price take part.
    demand, supply : Curve
        Both sides.
    rationing : Rationing
        Which orders of the long side.

    Returns
    -------
    tuple of (buys,) and (sells,)
        In the order of the curves [kWh].
    """
    bid_kwh = np.where(demand.price_per_kwh >= price_per_kwh, demand.energy_kwh, 0.0)
    asked_kwh = np.where(supply.price_per_kwh <= price_per_kwh, supply.energy_kwh, 0.0)
    bid, asked = float(bid_kwh.sum()), float(asked_kwh.sum())
    if bid > asked:
        return rationing.buyers(bid_kwh, demand.price_per_kwh, asked), asked_kwh
    if asked > bid:
        return bid_kwh, rationing.sellers(asked_kwh, supply.price_per_kwh, bid)
    return bid_kwh, asked_kwh
