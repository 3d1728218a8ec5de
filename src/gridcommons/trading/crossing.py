"""Where supply and demand of a book cross, and which energy is accepted at a price.

All of it works on curves: orders in the order of merit, ties by id, so that the order in which orders
arrived cannot matter, not even in the last digit of a sum.
"""

from __future__ import annotations

from bisect import bisect_left
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
    price_per_kwh = orders.price_per_kwh
    demand, supply = np.flatnonzero(orders.is_buy), np.flatnonzero(~orders.is_buy)
    demand = demand[np.argsort(-price_per_kwh[demand])]
    supply = supply[np.argsort(price_per_kwh[supply])]
    return _curve(orders, demand), _curve(orders, supply)


def _curve(orders: Orders, row: IntArray) -> Curve:
    price_per_kwh = orders.price_per_kwh[row]
    row = _ties_by_id(orders, row, price_per_kwh)
    return Curve(row, orders.energy_kwh[row], price_per_kwh)


def _ties_by_id(orders: Orders, row: IntArray, price_per_kwh: FloatArray) -> IntArray:
    """Rows in the order of price, those of one price in the order of ids; only these ids are compared."""
    same = price_per_kwh[1:] == price_per_kwh[:-1]
    if not same.any():
        return row
    place = np.flatnonzero(np.append(same, False) | np.append(False, same))
    level, tied = np.cumsum(np.append(True, ~same))[place], row[place]
    ids = [orders.order[each] for each in tied.tolist()]
    by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    ordered = row.copy()
    ordered[place] = tied[by_id[np.argsort(level[by_id], kind="stable")]]
    return ordered


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

    def demand_is_met(price: float) -> bool:
        bid_above = bid_kwh[len(bids) - bids.searchsorted(price, "right")]
        asked_to = ask_kwh[asks.searchsorted(price, "right")]
        return bool(bid_above <= asked_to * (1.0 + EQUAL_SHARE))

    def supply_is_too_long(price: float) -> bool:
        bid_from = bid_kwh[len(bids) - bids.searchsorted(price, "left")]
        asked_below = ask_kwh[asks.searchsorted(price, "left")]
        return bool(asked_below > bid_from * (1.0 + EQUAL_SHARE))

    # Both turn from false to true once as the price rises, so that bisection finds where.
    low = min(side[first] for side in (bids, asks) if (first := _first(side, demand_is_met)) < len(side))
    high = max(side[first - 1] for side in (bids, asks) if (first := _first(side, supply_is_too_long)) > 0)
    return float(low), float(high)


def _first(price_per_kwh: FloatArray, holds: Callable[[float], bool]) -> int:
    """Place of the first of rising prices at which something holds; their number where it never does."""
    return bisect_left(range(len(price_per_kwh)), True, key=lambda place: holds(float(price_per_kwh[place])))


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
