"""Offers as columns: what each share of an offer changes and costs, and how shares are bound to each other.

``one`` gives an offer one share over all its hours: a mix of the baseline and the bid, which any mix of
schedules can deliver. ``per_hour`` splits it into one share an hour in which it has flexibility; payback
follows the energy taken, so that a share x of hour t moves x·f_t away from t and brings back, at each
payback hour, the part x·f_t/Σf of the offer's payback. Relations then hold hour by hour, among the offers
of a group that have flexibility in that hour.

Groups become blocks of a simplex each: with alternatives (``exclusive``) the shares themselves and what
is left over sum to 1; with increments 1 ≥ x_1 ≥ x_2 ≥ … ≥ 0 the shares are sums of "the first k offers
and no more", which again sum to 1 with "none".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.flexibility import Offer, Rejection, Relation
from gridcommons.model.grid import FloatArray, IntArray

Shares = Literal["per_hour", "one"]
"""Whether an offer is taken by one share, or by a share in each hour that it relieves."""


@dataclass(frozen=True, eq=False)
class OfferColumns:
    """One variable a share, ordered by block; a block's variables stand in the order of the offers.

    Parameters
    ----------
    offer, bus, block : (variables,)
        Position of the offer, of its load point, and of the block; blocks of a load point stand together.
    step : (variables,)
        The hour that the share is of; −1 where it is of the whole offer.
    change_kw : (variables, buses · steps), sparse
        Change of the load at each load point and hour by the whole share [kW].
    cost, quadratic : (variables,)
        The share x costs cost·x + quadratic·x².
    relation : tuple, (blocks,)
        How the shares of each block are bound.
    taken : (offers, steps)
        Where an offer has flexibility.
    """

    offer: IntArray
    bus: IntArray
    block: IntArray
    step: IntArray
    change_kw: csr_array
    cost: FloatArray
    quadratic: FloatArray
    relation: tuple[Relation, ...]
    taken: np.ndarray[tuple[int, int], np.dtype[np.bool_]]

    def __len__(self) -> int:
        """Number of shares."""
        return len(self.offer)

    def by_offer(self, share: FloatArray) -> FloatArray:
        """Shares as a table, shape (offers, steps); 0 where an offer has no flexibility."""
        table = np.zeros(self.taken.shape)
        hourly = self.step >= 0
        table[self.offer[hourly], self.step[hourly]] = share[hourly]
        table[self.offer[~hourly]] = share[~hourly, None]
        return np.where(self.taken, table, 0.0)

    def at_buses(self, share: FloatArray) -> FloatArray:
        """Change of the load by shares, shape (buses, steps) [kW]."""
        return np.asarray(share @ self.change_kw).reshape(-1, self.taken.shape[1])

    def amount(self, share: FloatArray) -> float:
        """What shares cost [currency]."""
        return float(self.cost @ share + self.quadratic @ share**2)


def split_blocks(offers: Sequence[Offer]) -> tuple[list[Offer], list[Rejection]]:
    """The offers of which parts can be taken, and why the others wait for a central clearing.

    The rest of a group whose block is set aside stays in, except increments that stand on the block.
    """
    kept: list[Offer] = []
    rejected: list[Rejection] = []
    broken: dict[tuple[str, str], str] = {}
    for offer in offers:
        key = (offer.aggregator, offer.group)
        stands_on = broken.get(key) if offer.group and offer.relation == "increment" else None
        if not offer.divisible:
            broken.setdefault(key, offer.offer)
            reason = "a block, all or nothing: only the central clearing takes it"
        elif stands_on is not None:
            reason = f"adds to {stands_on}, a block, which only the central clearing takes"
        else:
            kept.append(offer)
            continue
        rejected.append(Rejection(offer.offer, offer.aggregator, reason))
    return kept, rejected


def make_columns(
    offers: Sequence[Offer], bus: Sequence[str], step_hours: float, shares: Shares, steps: int = 0
) -> OfferColumns:
    """The columns of offers at load points, over the steps given or, where none are, those of the offers.

    Raises
    ------
    StudyError
        An offer names a load point that is not in the market, has another number of steps, or its group
        is at several load points or mixes relations.
    """
    steps = steps or (len(offers[0].flexibility_kw) if offers else 0)
    _check(offers, bus, steps)
    flexibility = np.array([offer.flexibility_kw for offer in offers]).reshape(len(offers), steps)
    payback = np.array([offer.payback_kw for offer in offers]).reshape(flexibility.shape)
    if shares == "per_hour":
        index, step = np.nonzero(flexibility > 0.0)
        part_kw = np.zeros((len(index), flexibility.shape[1]))
        part_kw[np.arange(len(index)), step] = flexibility[index, step]
        returned = flexibility[index, step] / flexibility[index].sum(axis=1)
    else:
        index = np.flatnonzero((flexibility > 0.0).any(axis=1))
        step, part_kw, returned = np.full(len(index), -1), flexibility[index], np.ones(len(index))
    block, relation = _blocks(offers, bus, (index, step))
    order = np.argsort(block, kind="stable")
    change_kw = (payback[index] * returned[:, None] - part_kw)[order]
    place = {name: k for k, name in enumerate(bus)}
    at = np.array([place[offers[k].bus] for k in index[order].tolist()], dtype=np.int64)
    cost, quadratic = _prices([offers[k] for k in index.tolist()], part_kw, step_hours)
    return OfferColumns(
        offer=index[order],
        bus=at,
        block=block[order],
        step=step[order],
        change_kw=_at_places(change_kw, at, len(bus)),
        cost=cost[order],
        quadratic=quadratic[order],
        relation=relation,
        taken=flexibility > 0.0,
    )


def _prices(offers: Sequence[Offer], part_kw: FloatArray, step_hours: float) -> tuple[FloatArray, FloatArray]:
    """Linear and quadratic cost of each share [currency]."""
    response = np.array([offer.response_kw_per_price for offer in offers])
    price = np.array([offer.price_per_kwh for offer in offers])
    curved = response > 0.0
    linear = np.where(curved, 0.0, price) * part_kw.sum(axis=1)
    quadratic = np.where(curved, (part_kw**2).sum(axis=1) / np.where(curved, response, 1.0), 0.0)
    return linear * step_hours, quadratic * step_hours


def _at_places(change_kw: FloatArray, bus: IntArray, buses: int) -> csr_array:
    """Changes by step as changes by load point and step, (variables, buses · steps)."""
    steps = change_kw.shape[1]
    row, step = np.nonzero(change_kw)
    shape = (len(change_kw), buses * steps)
    return csr_array((change_kw[row, step], (row, bus[row] * steps + step)), shape=shape)


def _blocks(
    offers: Sequence[Offer], bus: Sequence[str], shares: tuple[IntArray, IntArray]
) -> tuple[IntArray, tuple[Relation, ...]]:
    """Block of each share, in the order of the load points, and the relation in each block."""
    index, step = shares
    keys = []
    for k, hour in zip(index.tolist(), step.tolist(), strict=True):
        offer = offers[k]
        bound = offer.group and offer.relation != "alone"
        keys.append((offer.bus, offer.aggregator, offer.group, hour) if bound else (offer.bus, "", k, hour))
    places = {name: at for at, name in enumerate(bus)}
    known: dict[tuple[object, ...], Relation] = {}
    for k, key in zip(index.tolist(), keys, strict=True):
        known.setdefault(key, offers[k].relation)
    ordered = sorted(known, key=lambda key: places[str(key[0])])
    number = {key: at for at, key in enumerate(ordered)}
    return np.array([number[key] for key in keys], dtype=np.int64), tuple(known[key] for key in ordered)


def _check(offers: Sequence[Offer], bus: Sequence[str], steps: int) -> None:
    known, problems = set(bus), []
    groups: dict[tuple[str, str], Offer] = {}
    for offer in offers:
        place = {"file": "offers", "row": offer.offer}
        if offer.bus not in known:
            problems.append(Problem(found=offer.bus, expected="a load point of the market", **place))
        if not len(offer.flexibility_kw) == len(offer.payback_kw) == steps:
            found = f"{len(offer.flexibility_kw)} and {len(offer.payback_kw)} steps"
            problems.append(Problem(found=found, expected=f"{steps} of each", **place))
        first = groups.setdefault((offer.aggregator, offer.group), offer) if offer.group else offer
        if (first.bus, first.relation) != (offer.bus, offer.relation):
            found = f"group {offer.group} at {offer.bus} as {offer.relation}"
            problems.append(Problem(found=found, expected=f"{first.bus}, {first.relation}", **place))
    if problems:
        raise StudyError(problems)
