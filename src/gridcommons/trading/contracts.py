"""What the rounds of a day contract: who buys how much from whom, from one round's effect to the next.

An offer is a prediction of the power that its member will exchange from then on (source, §3.2): a round
therefore clears power, as energy over an hour, and its trades run until a newer round of the same tier takes
effect. What a member exchanges beside its trades is settled with the main grid, by its meter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.model.orders import (
    Orders,
    OrderStamp,
    Rejection,
    Trades,
    join_orders,
    orders_of_net_power,
    standing_orders,
)
from gridcommons.trading.book import Book, open_book
from gridcommons.trading.community_day import CommunityDay
from gridcommons.trading.mechanism import Mechanism
from gridcommons.trading.rounds import Rounds
from gridcommons.trading.two_tier import clear_two_tiers

ROUND_HOURS = 1.0
"""Length over which a round's power is offered as energy [h]; trades are cut to their true length."""

TIERS = ("cluster", "community")


@dataclass(frozen=True, eq=False)
class RoundBook:
    """The orders of a round.

    Parameters
    ----------
    round : int
        Which round.
    sent : Orders
        What was sent.
    book : Book
        What entered, and why not all of it.
    """

    round: int
    sent: Orders
    book: Book


@dataclass(frozen=True, eq=False)
class Contracts:
    """The trades of a day, and what each member has contracted in each minute.

    Parameters
    ----------
    bought_kw : (minutes, members)
        Contracted from others, negative where sold to them [kW].
    paid_per_h : (minutes, members)
        What is paid to other members for it, negative where received [currency/h].
    round, tier, from_minute, minutes : (trades,)
        Round that made each trade, its tier (by position in ``TIERS``), and when it runs.
    buyer, seller : (trades,)
        Members, by position.
    energy_kwh, price_per_kwh : (trades,)
        Over all the time that it runs.
    books : tuple of RoundBook
        Orders of each round, with what was refused and cut.
    """

    bought_kw: FloatArray
    paid_per_h: FloatArray
    round: IntArray
    tier: IntArray
    from_minute: IntArray
    minutes: IntArray
    buyer: IntArray
    seller: IntArray
    energy_kwh: FloatArray
    price_per_kwh: FloatArray
    books: tuple[RoundBook, ...]


@dataclass(frozen=True)
class Market:
    """Who trades with whom, and how.

    Parameters
    ----------
    group_of : (rounds, clusters)
        Clusters that switches join after each round have one number: they trade in the second tier.
    supplied : (rounds, clusters)
        Whether each has a way to the main grid then; orders of one that has none are refused.
    mechanism_of_cluster : mapping of str to Mechanism
        The first tier's.
    community : Mechanism
        The second tier's.
    """

    group_of: IntArray
    supplied: BoolArray
    mechanism_of_cluster: Mapping[str, Mechanism]
    community: Mechanism


class _Standing:
    """Trades that run, by tier and cluster (or group), until a newer round takes their place."""

    def __init__(self, day: CommunityDay) -> None:
        self.day = day
        self.columns: list[tuple[int, int, int, Trades, IntArray, IntArray]] = []
        self.end: list[int] = []
        self.running: dict[tuple[int, int], int] = {}

    def end_tier(self, tier: int, minute: int) -> None:
        """No trades of a tier from a minute on."""
        for place in [place for place in self.running if place[0] == tier]:
            self.end[self.running.pop(place)] = minute

    def replace(self, place: tuple[int, int], index: int, minute: int, book: tuple[Trades, Orders]) -> None:
        """New trades of a tier's cluster or group from a minute on."""
        if place in self.running:
            self.end[self.running[place]] = minute
        trades, orders = book
        position = {name: k for k, name in enumerate(self.day.member)}
        who = np.array([position[name] for name in orders.member], dtype=np.int64)
        self.running[place] = len(self.columns)
        self.columns.append((index, place[0], minute, trades, who[trades.buy], who[trades.sell]))
        self.end.append(self.day.minutes)


def make_contracts(day: CommunityDay, rounds: Rounds, market: Market) -> Contracts:
    """The market of every round whose decisions take effect.

    Parameters
    ----------
    day : CommunityDay
        Measurements and prices.
    rounds : Rounds
        From ``find_rounds``.
    market : Market
        Who trades with whom.
    """
    standing, books = _Standing(day), []
    in_force = np.flatnonzero(rounds.takes_effect & (rounds.effect_minute < day.minutes))
    # A cluster's own round is in force at once, so that it can overtake one of the community.
    for index in in_force[np.argsort(rounds.effect_minute[in_force], kind="stable")].tolist():
        if rounds.kind[index] == "meters":
            continue
        whole = rounds.kind[index] == "community"
        clusters = np.arange(len(day.clusters)) if whole else rounds.cluster[[index]]
        minute = int(rounds.minute[index])
        sent = _orders_of_round(day, minute, clusters)
        step = minute // day.step_minutes
        book = open_book(sent, day.cluster_of_member, step, day.envelopes(minute, ROUND_HOURS))
        book = _without_islanded(day, book, market.supplied[index])
        books.append(RoundBook(index, sent, book))
        _clear(standing, (index, int(rounds.effect_minute[index])), book.orders, (market, clusters, whole))
    return _as_columns(day, standing, tuple(sorted(books, key=lambda book: book.round)))


def _without_islanded(day: CommunityDay, book: Book, supplied: BoolArray) -> Book:
    """The book without orders of clusters that have no way to the main grid: nothing flows there."""
    if supplied.all():
        return book
    lost = {name for name, has_way in zip(day.clusters, supplied, strict=True) if not has_way}
    stays = np.array([cluster not in lost for cluster in book.orders.cluster], dtype=np.bool_)
    refused = book.orders.take(~stays)
    reasons = tuple(
        Rejection(order, f"cluster {cluster!r} has no way to the main grid: nothing flows there")
        for order, cluster in zip(refused.order, refused.cluster, strict=True)
    )
    return Book(book.orders.take(stays), (*book.rejections, *reasons), book.clips)


def _orders_of_round(day: CommunityDay, minute: int, clusters: IntArray) -> Orders:
    """The orders that stand, and one of every other member of some clusters: what it exchanges then."""
    step, names = minute // day.step_minutes, list(day.cluster_of_member.items())
    own = {order.member for order in day.orders}
    taking_part = np.isin(day.cluster_of, clusters) & np.array([name not in own for name in day.member])
    band = day.band(minute)
    p_kw = np.where(taking_part, day.wanted_kw[minute], 0.0)
    stamp = OrderStamp(step, ROUND_HOURS, step)
    made = orders_of_net_power(names, p_kw, day.limit_prices(minute), stamp, band)
    asked = {day.clusters[k] for k in clusters}
    known = set(day.clusters)
    # An order for a cluster that does not exist goes to every round, to be refused there.
    standing = [o for o in day.orders if o.is_sent(step) and (o.cluster in asked or o.cluster not in known)]
    return join_orders([made, standing_orders(standing, ROUND_HOURS, band)])


def _clear(
    standing: _Standing, start: tuple[int, int], orders: Orders, by: tuple[Market, IntArray, bool]
) -> None:
    """Both tiers of each group in a community round, the first tier alone in a cluster's own."""
    market, clusters, whole = by
    names, index, minute = standing.day.clusters, *start
    group_of = market.group_of[index]
    group = {name: int(group_of[k]) for k, name in enumerate(names)}
    if whole:
        standing.end_tier(1, minute)
    for number in np.unique(group_of[clusters]).tolist():
        mine: BoolArray = np.array([group[name] == number for name in orders.cluster], dtype=bool)
        tiers = clear_two_tiers(orders.take(mine), market.mechanism_of_cluster, market.community)
        if whole:
            standing.replace((1, number), index, minute, (tiers.community_trades, tiers.orders))
        for k in clusters[group_of[clusters] == number].tolist():
            own = np.array([cluster == names[k] for cluster in tiers.orders.cluster], dtype=bool)
            part = _of_buyers(tiers.cluster_trades, own)
            standing.replace((0, k), index, minute, (part, tiers.orders))


def _of_buyers(trades: Trades, own: BoolArray) -> Trades:
    mine = own[trades.buy]
    return Trades(trades.buy[mine], trades.sell[mine], trades.energy_kwh[mine], trades.price_per_kwh[mine])


def _as_columns(day: CommunityDay, standing: _Standing, books: tuple[RoundBook, ...]) -> Contracts:
    bought_kw, paid_per_h = np.zeros((2, day.minutes, len(day.member)))
    parts: list[tuple[IntArray, ...]] = []
    amounts: list[tuple[FloatArray, FloatArray]] = []
    for (index, tier, start, trades, buyer, seller), end in zip(standing.columns, standing.end, strict=True):
        power_kw = trades.energy_kwh / ROUND_HOURS
        for who, sign in ((buyer, 1.0), (seller, -1.0)):
            bought_kw[start:end] += sign * np.bincount(who, power_kw, len(day.member))
            paid_per_h[start:end] += sign * np.bincount(who, power_kw * trades.price_per_kwh, len(day.member))
        count = len(trades)
        fixed = (np.full(count, value, dtype=np.int64) for value in (index, tier, start, end - start))
        parts.append((*fixed, buyer, seller))
        amounts.append((power_kw * (end - start) / 60.0, trades.price_per_kwh))
    # Where no decision takes effect in the day there is no part.
    none = np.zeros(0, dtype=np.int64)
    of_round, of_tier, first, length, buyers, sellers = (
        np.concatenate([none, *(part[k] for part in parts)]) for k in range(6)
    )
    energy_kwh, price = (np.concatenate([np.zeros(0), *(part[k] for part in amounts)]) for k in range(2))
    return Contracts(
        bought_kw, paid_per_h, of_round, of_tier, first, length, buyers, sellers, energy_kwh, price, books
    )
