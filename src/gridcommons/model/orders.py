"""Orders of a local energy market and the trades made of them, as typed columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names


@dataclass(frozen=True)
class PriceBand:
    """What the main grid pays and asks in an interval; where it cannot be reached, it binds no price.

    Parameters
    ----------
    feed_in_price_per_kwh, retail_price_per_kwh : float
        What the main grid pays for a kWh, and what it asks for one.
    main_grid_available : bool
        Whether what the market leaves can be exchanged with the main grid.

    Raises
    ------
    GridcommonsError
        A price is not finite, or the grid pays more than it asks.
    """

    feed_in_price_per_kwh: float
    retail_price_per_kwh: float
    main_grid_available: bool = True

    def __post_init__(self) -> None:
        low, high = self.feed_in_price_per_kwh, self.retail_price_per_kwh
        if not (np.isfinite(low) and np.isfinite(high) and low <= high):
            raise GridcommonsError(
                f"price band: found a feed-in price of {low:g} and a retail price of {high:g} per kWh, "
                f"expected finite prices, feed-in at most retail; mend the prices of this interval"
            )

    @property
    def middle_price_per_kwh(self) -> float:
        """Half way between feed-in and retail price."""
        return 0.5 * (self.feed_in_price_per_kwh + self.retail_price_per_kwh)

    def allows(self, price_per_kwh: FloatArray) -> BoolArray:
        """Which limit prices may enter: finite ones, inside the band while the main grid is there."""
        finite = np.isfinite(price_per_kwh)
        if not self.main_grid_available:
            return finite
        above = price_per_kwh >= self.feed_in_price_per_kwh
        return np.asarray(finite & above & (price_per_kwh <= self.retail_price_per_kwh))


@dataclass(frozen=True)
class StandingOrder:
    """An order that a member has sent itself; it goes to every round of its time.

    Parameters
    ----------
    order, member, cluster : str
        Its id, who gives it, and the cluster whose market it goes to.
    is_buy : bool
        Side.
    power_kw : float
        What it buys or sells while it stands [kW].
    price_per_kwh : float
        Limit price.
    placed_step, expires_step : int
        First and last interval in which it stands; one that expires before it is placed is refused.
    """

    order: str
    member: str
    cluster: str
    is_buy: bool
    power_kw: float
    price_per_kwh: float
    placed_step: int
    expires_step: int

    def is_sent(self, step: int) -> bool:
        """Whether it goes to the rounds of an interval."""
        return self.placed_step <= step <= max(self.placed_step, self.expires_step)


@dataclass(frozen=True, eq=False)
class Orders:
    """The book of one interval, one row an order.

    Parameters
    ----------
    order, member, cluster : tuple of str
        Id of each order, who gives it, and the cluster whose market it goes to.
    is_buy : (orders,)
        Side.
    energy_kwh : (orders,)
        Quantity on offer, a magnitude [kWh].
    price_per_kwh : (orders,)
        Limit price: a buyer's highest, a seller's lowest.
    expires_step : (orders,)
        Last interval in which the order stands.
    band : PriceBand
        Prices of the main grid in this interval.

    Raises
    ------
    GridcommonsError
        The columns differ in length.
    """

    order: Names
    member: Names
    cluster: Names
    is_buy: BoolArray
    energy_kwh: FloatArray
    price_per_kwh: FloatArray
    expires_step: IntArray
    band: PriceBand

    def __post_init__(self) -> None:
        rows = {name: len(getattr(self, name)) for name in (*_NAMES, *_ARRAYS)}
        if len(set(rows.values())) > 1:
            raise GridcommonsError(f"orders: found columns of {rows} rows, expected as many in each")

    def __len__(self) -> int:
        """Number of orders."""
        return len(self.order)

    @cached_property
    def rank(self) -> IntArray:
        """Place of each order among the ids, shape (orders,): it breaks ties, since arrival must not."""
        by_id = sorted(range(len(self)), key=self.order.__getitem__)
        rank = np.empty(len(self), np.int64)
        rank[by_id] = np.arange(len(self))
        return rank

    def take(self, which: IntArray | BoolArray) -> Orders:
        """Some of the orders, by row or by mask."""
        rows = np.arange(len(self))[which]
        chosen = rows.tolist()
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        columns |= {name: tuple(map(getattr(self, name).__getitem__, chosen)) for name in _NAMES}
        return Orders(**columns, band=self.band)

    def with_energy(self, energy_kwh: FloatArray) -> Orders:
        """The same orders with other quantities, shape (orders,) [kWh]."""
        return replace(self, energy_kwh=energy_kwh)


_NAMES = ("order", "member", "cluster")
_ARRAYS = ("is_buy", "energy_kwh", "price_per_kwh", "expires_step")


def join_orders(books: Sequence[Orders]) -> Orders:
    """One book of several of the same interval.

    Raises
    ------
    GridcommonsError
        There is no book, or their price bands differ.
    """
    bands = {book.band for book in books}
    if len(bands) != 1:
        raise GridcommonsError(
            f"orders: found books of {len(bands)} different price bands, expected books of one interval"
        )
    columns: dict[str, Any] = {
        name: tuple(each for book in books for each in getattr(book, name)) for name in _NAMES
    }
    columns |= {name: np.concatenate([getattr(book, name) for book in books]) for name in _ARRAYS}
    return Orders(**columns, band=bands.pop())


def standing_orders(orders: Sequence[StandingOrder], hours: float, band: PriceBand) -> Orders:
    """Orders that members have sent, as a book over so many hours."""
    return Orders(
        order=tuple(order.order for order in orders),
        member=tuple(order.member for order in orders),
        cluster=tuple(order.cluster for order in orders),
        is_buy=np.array([order.is_buy for order in orders], dtype=np.bool_),
        energy_kwh=np.array([order.power_kw * hours for order in orders], dtype=np.float64),
        price_per_kwh=np.array([order.price_per_kwh for order in orders], dtype=np.float64),
        expires_step=np.array([order.expires_step for order in orders], dtype=np.int64),
        band=band,
    )


@dataclass(frozen=True, eq=False)
class LimitPrices:
    """What each member would pay at most and take at least, shape (members,) each."""

    buy_price_per_kwh: FloatArray
    sell_price_per_kwh: FloatArray


@dataclass(frozen=True)
class OrderStamp:
    """What orders made in one interval share: its number, its length, and until when they stand."""

    step: int
    step_hours: float
    expires_step: int


def orders_of_net_power(
    members: Sequence[tuple[str, str]],
    p_kw: FloatArray,
    limits: LimitPrices,
    stamp: OrderStamp,
    band: PriceBand,
) -> Orders:
    """One order a member of what it expects to draw or to inject; none of a member in balance.

    Parameters
    ----------
    members : sequence of (member, cluster)
        Who orders, and where.
    p_kw : (members,)
        Net power, positive when the grid delivers: then the member buys, below zero it sells [kW].
    limits : LimitPrices
        Limit price of each member on either side.
    stamp : OrderStamp
        Interval of the orders; their ids are ``MEMBER@STEP``.
    band : PriceBand
        Prices of the main grid.
    """
    # What is not finite stays, so that the check of the book can say so.
    rows = np.flatnonzero(p_kw != 0.0)
    who = [members[row] for row in rows.tolist()]
    is_buy = ~(p_kw[rows] < 0.0)
    return Orders(
        order=tuple(f"{member}@{stamp.step}" for member, _ in who),
        member=tuple(member for member, _ in who),
        cluster=tuple(cluster for _, cluster in who),
        is_buy=is_buy,
        energy_kwh=np.abs(p_kw[rows]) * stamp.step_hours,
        price_per_kwh=np.where(is_buy, limits.buy_price_per_kwh[rows], limits.sell_price_per_kwh[rows]),
        expires_step=np.full(len(rows), stamp.expires_step, dtype=np.int64),
        band=band,
    )


@dataclass(frozen=True, eq=False)
class Trades:
    """Who buys how much from whom, one row a trade.

    Parameters
    ----------
    buy, sell : (trades,)
        Rows of the two orders.
    energy_kwh : (trades,)
        Quantity [kWh].
    price_per_kwh : (trades,)
        What the buyer pays and the seller gets.
    """

    buy: IntArray
    sell: IntArray
    energy_kwh: FloatArray
    price_per_kwh: FloatArray

    def __len__(self) -> int:
        """Number of trades."""
        return len(self.energy_kwh)

    @property
    def amount(self) -> FloatArray:
        """Money that changes hands, shape (trades,) [currency]."""
        return np.asarray(self.energy_kwh * self.price_per_kwh)

    def at_rows(self, rows: IntArray) -> Trades:
        """The same trades where order k of this book is order ``rows[k]`` of a larger one."""
        return replace(self, buy=rows[self.buy], sell=rows[self.sell])

    def traded_kwh(self, orders: int) -> FloatArray:
        """Energy traded of each of so many orders, shape (orders,) [kWh]."""
        bought = np.bincount(self.buy, self.energy_kwh, orders)
        return np.asarray(bought + np.bincount(self.sell, self.energy_kwh, orders))


def no_trades() -> Trades:
    """A table of trades with no row."""
    none = np.zeros(0, np.int64)
    return Trades(none, none, np.zeros(0), np.zeros(0))


def join_trades(parts: Sequence[Trades]) -> Trades:
    """One table of several whose rows count in the same book."""
    columns = ("buy", "sell", "energy_kwh", "price_per_kwh")
    everything = (no_trades(), *parts)
    return Trades(*(np.concatenate([getattr(part, name) for part in everything]) for name in columns))


@dataclass(frozen=True)
class Rejection:
    """An order that did not enter the book, and why; data, not an exception."""

    order: str
    reason: str


@dataclass(frozen=True)
class Clip:
    """An order that entered the book with less than was offered, and why.

    Parameters
    ----------
    order : str
        Its id.
    from_kwh, to_kwh : float
        What was offered, and what is left of it [kWh].
    reason : str
        What set the limit.
    """

    order: str
    from_kwh: float
    to_kwh: float
    reason: str
