"""What enters the book of an interval; of all that does not, the reason is kept as data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gridcommons.model.errors import GridcommonsError, did_you_mean
from gridcommons.model.grid import FloatArray, IntArray, Names
from gridcommons.model.orders import Clip, Orders, Rejection
from gridcommons.trading.crossing import EQUAL_SHARE

Reasons = dict[int, str]
"""Why a row is refused, by row."""


@dataclass(frozen=True, eq=False)
class Book:
    """Orders that may trade, what was refused, and what was cut.

    Parameters
    ----------
    orders : Orders
        What the market clears.
    rejections : tuple of Rejection
        Orders that did not enter, in the order of arrival.
    clips : tuple of Clip
        Orders that entered with less than was offered.
    """

    orders: Orders
    rejections: tuple[Rejection, ...] = ()
    clips: tuple[Clip, ...] = ()


@dataclass(frozen=True, eq=False)
class MemberEnvelopes:
    """Operating envelopes of members in one interval.

    Parameters
    ----------
    member : tuple of str
        Whose they are; infinite limits for who has none.
    p_min_kw, p_max_kw : (members,)
        Net power between which a member must stay, positive when the grid delivers [kW].
    step_hours : float
        Length of the interval [h].

    Raises
    ------
    GridcommonsError
        A limit is not a number, or the lower one is above the upper one.
    """

    member: Names
    p_min_kw: FloatArray
    p_max_kw: FloatArray
    step_hours: float

    def __post_init__(self) -> None:
        for row in np.flatnonzero(~(self.p_min_kw <= self.p_max_kw)).tolist():
            raise GridcommonsError(
                f"operating envelope of {self.member[row]}: found {self.p_min_kw[row]:g} to "
                f"{self.p_max_kw[row]:g} kW, expected p_min_kw at most p_max_kw; mend the envelopes"
            )


def open_book(
    orders: Orders,
    cluster_of_member: Mapping[str, str],
    step: int,
    envelopes: MemberEnvelopes | None = None,
) -> Book:
    """The book of one interval: orders checked, then cut to the operating envelopes.

    Parameters
    ----------
    orders : Orders
        All that was sent.
    cluster_of_member : mapping of str to str
        Cluster of every member.
    step : int
        The interval.
    envelopes : MemberEnvelopes, optional
        Envelopes of the members; without them nothing is cut.
    """
    checked = check_orders(orders, cluster_of_member, step)
    if envelopes is None:
        return checked
    cut = clip_to_envelopes(checked.orders, envelopes)
    return Book(cut.orders, (*checked.rejections, *cut.rejections), cut.clips)


def check_orders(orders: Orders, cluster_of_member: Mapping[str, str], step: int) -> Book:
    """Orders that can be cleared, and every reason against each that cannot.

    Orders with the same id are all refused, since which one counts would depend on their arrival. So are a
    member's bids and asks at prices at which it could trade with itself; of these, only orders without
    another fault are looked at.

    Parameters
    ----------
    orders : Orders
        All that was sent.
    cluster_of_member : mapping of str to str
        Cluster of every member.
    step : int
        The interval.
    """
    reasons: dict[int, list[str]] = defaultdict(list)
    for row, reason in _faults(orders, cluster_of_member, step):
        reasons[row].append(reason)
    sound = np.array([row for row in range(len(orders)) if row not in reasons], dtype=np.int64)
    reasons |= {row: [reason] for row, reason in _trades_with_itself(orders, sound).items()}
    return _without(orders, {row: "; ".join(each) for row, each in reasons.items()})


def _without(orders: Orders, reasons: Reasons) -> Book:
    refused = sorted(reasons)
    stays = np.ones(len(orders), np.bool_)
    stays[refused] = False
    rejections = tuple(Rejection(orders.order[row], reasons[row]) for row in refused)
    return Book(orders.take(stays) if refused else orders, rejections)


def _faults(orders: Orders, cluster_of_member: Mapping[str, str], step: int) -> Iterator[tuple[int, str]]:
    """Rows with what is wrong with them."""
    energy_kwh, price, band = orders.energy_kwh, orders.price_per_kwh, orders.band
    for row in np.flatnonzero(~(np.isfinite(energy_kwh) & (energy_kwh > 0.0))).tolist():
        yield row, f"energy is {energy_kwh[row]:g} kWh, expected a finite energy above 0"
    limits = (
        f"a price from {band.feed_in_price_per_kwh:g} (feed-in) to {band.retail_price_per_kwh:g} (retail)"
        if band.main_grid_available
        else "a finite price"
    )
    for row in np.flatnonzero(~band.allows(price)).tolist():
        yield row, f"price is {price[row]:g} per kWh, expected {limits}"
    for row in np.flatnonzero(orders.expires_step < step).tolist():
        yield row, f"expired after step {orders.expires_step[row]}, this is step {step}"
    yield from _misplaced(orders, cluster_of_member)
    count = Counter(orders.order)
    if len(count) < len(orders):
        for row, order in enumerate(orders.order):
            if count[order] > 1:
                yield row, f"{count[order]} orders have the id {order!r}, expected one"


def _misplaced(orders: Orders, cluster_of_member: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Rows whose member or cluster does not exist, or do not belong together."""
    clusters = set(cluster_of_member.values())
    for row, (member, cluster) in enumerate(zip(orders.member, orders.cluster, strict=True)):
        home = cluster_of_member.get(member)
        if home == cluster:
            continue
        if home is None:
            yield row, _unknown("member", member, cluster_of_member)
        if cluster not in clusters:
            yield row, _unknown("cluster", cluster, clusters)
        elif home is not None:
            yield row, f"member {member!r} belongs to cluster {home!r}, expected an order there"


def _unknown(what: str, name: str, known: Mapping[str, str] | set[str]) -> str:
    hint = did_you_mean(name, sorted(known))
    return f"there is no {what} {name!r}" + (f", {hint}" if hint else "")


def _trades_with_itself(orders: Orders, rows: IntArray) -> Reasons:
    """Bids of a member that reach its own lowest ask, and asks that its own highest bid reaches."""
    member = np.unique(np.array([orders.member[row] for row in rows.tolist()]), return_inverse=True)[1]
    price, is_buy = orders.price_per_kwh[rows], orders.is_buy[rows]
    members = int(member.max(initial=-1)) + 1
    highest_bid, lowest_ask = np.full(members, -np.inf), np.full(members, np.inf)
    np.maximum.at(highest_bid, member[is_buy], price[is_buy])
    np.minimum.at(lowest_ask, member[~is_buy], price[~is_buy])
    crossed = np.where(is_buy, price >= lowest_ask[member], price <= highest_bid[member])
    return {
        int(rows[k]): (
            f"member {orders.member[rows[k]]!r} bids up to {highest_bid[member[k]]:g} and asks from "
            f"{lowest_ask[member[k]]:g} per kWh in one book and would trade with itself, expected its bids "
            f"below its asks"
        )
        for k in np.flatnonzero(crossed).tolist()
    }


def clip_to_envelopes(orders: Orders, envelopes: MemberEnvelopes) -> Book:
    """Orders cut to what the operating envelope lets their members draw and inject.

    All bids of a member together are at most p_max_kw · h, all its asks at most −p_min_kw · h. Its dearest
    bids and cheapest asks stay whole first, since they are the likeliest to trade; ties by id. Where the
    envelope forces import (p_min_kw > 0) nothing can be sold, where it forces export (p_max_kw < 0) nothing
    can be bought.

    Parameters
    ----------
    orders : Orders
        Checked orders.
    envelopes : MemberEnvelopes
        One for each member that orders; an order of another member is refused.
    """
    row_of = {member: row for row, member in enumerate(envelopes.member)}
    envelope = np.array([row_of.get(member, -1) for member in orders.member], dtype=np.int64)
    held = np.flatnonzero(envelope >= 0)
    to_kwh = np.zeros(len(orders))
    to_kwh[held] = _room_left(orders, held, envelope[held], envelopes)
    # A cut by less than rounding is none.
    same = np.abs(orders.energy_kwh - to_kwh) <= EQUAL_SHARE * orders.energy_kwh
    to_kwh = np.where(
        same, orders.energy_kwh, np.where(to_kwh <= EQUAL_SHARE * orders.energy_kwh, 0.0, to_kwh)
    )
    refused: Reasons = {}
    clips = []
    for row in np.flatnonzero(to_kwh < orders.energy_kwh).tolist():
        reason = _why_cut(orders, row, envelopes, int(envelope[row]))
        if to_kwh[row] > 0.0:
            clips.append(Clip(orders.order[row], float(orders.energy_kwh[row]), float(to_kwh[row]), reason))
        else:
            refused[row] = reason
    book = _without(orders.with_energy(to_kwh), refused)
    return Book(book.orders, book.rejections, tuple(clips))


def _room_left(orders: Orders, rows: IntArray, envelope: IntArray, envelopes: MemberEnvelopes) -> FloatArray:
    """What the better orders of the same member and side leave of the envelope for each row [kWh]."""
    is_buy, energy_kwh = orders.is_buy[rows], orders.energy_kwh[rows]
    room_kw = np.where(is_buy, envelopes.p_max_kw[envelope], -envelopes.p_min_kw[envelope])
    room_kwh = np.maximum(room_kw * envelopes.step_hours, 0.0)
    merit = np.where(is_buy, -orders.price_per_kwh[rows], orders.price_per_kwh[rows])
    group = 2 * envelope + is_buy
    sequence = np.lexsort((orders.rank[rows], merit, group))
    # No order uses more than the room, so one far above it costs the sums of others no digits.
    used_kwh = np.minimum(energy_kwh, room_kwh)[sequence]
    before_kwh = np.concatenate([[0.0], np.cumsum(used_kwh)])[:-1]
    starts = np.flatnonzero(np.diff(group[sequence], prepend=-1))
    before_kwh -= np.repeat(before_kwh[starts], np.diff(starts, append=len(rows)))
    left_kwh = np.empty(len(rows))
    left_kwh[sequence] = np.clip(room_kwh[sequence] - before_kwh, 0.0, energy_kwh[sequence])
    return left_kwh


def _why_cut(orders: Orders, row: int, envelopes: MemberEnvelopes, envelope: int) -> str:
    """The envelope in words, and what it leaves for this side."""
    member = orders.member[row]
    if envelope < 0:
        return f"member {member!r} has no operating envelope"
    low, high = envelopes.p_min_kw[envelope], envelopes.p_max_kw[envelope]
    says = f"operating envelope of {member!r}, {low:g} to {high:g} kW,"
    if orders.is_buy[row]:
        if high < 0.0:
            return f"{says} forces export, nothing can be bought"
        return f"{says} allows at most {high * envelopes.step_hours:g} kWh of purchases in all"
    if low > 0.0:
        return f"{says} forces import, nothing can be sold"
    return f"{says} allows at most {max(0.0, -low) * envelopes.step_hours:g} kWh of sales in all"
