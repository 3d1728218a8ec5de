"""A day of the community by the minute: what each member measures, and the prices of the main grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gridcommons.model.envelopes import member_envelopes_kw, net_power_kw, within_envelopes
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.model.orders import LimitPrices, PriceBand, StandingOrder
from gridcommons.model.study import Study
from gridcommons.trading.book import MemberEnvelopes
from gridcommons.trading.settings import LimitPriceRule


@dataclass(frozen=True, eq=False)
class CommunityDay:
    """What the market of a day is made of; a minute repeats the values of the interval that it lies in.

    Parameters
    ----------
    member, clusters : tuple of str
        Members in the order of the study; clusters sorted.
    cluster_of : (members,)
        Cluster of each member, by position.
    wanted_kw : (minutes, members)
        Net power that members would have without operating envelopes, and order [kW].
    p_kw : (minutes, members)
        Net power that they have, positive when the grid delivers [kW].
    consumption_kw : (minutes, members)
        What is consumed, whoever made it [kW].
    feed_in_price_per_kwh, retail_price_per_kwh : (minutes,)
        What the main grid pays and asks.
    limit_share : (2, members)
        Where in its half of the band each member's limit prices lie, to buy and to sell: 0 at the middle,
        1 at the end of the band.
    envelope_kw : (2, minutes, members), optional
        Least and most net power that each member's operating envelopes allow [kW].
    orders : tuple of StandingOrder
        What members order themselves.
    step_minutes : int
        Length of an interval of the study [min].
    """

    member: Names
    clusters: Names
    cluster_of: IntArray
    wanted_kw: FloatArray
    p_kw: FloatArray
    consumption_kw: FloatArray
    feed_in_price_per_kwh: FloatArray
    retail_price_per_kwh: FloatArray
    limit_share: FloatArray
    envelope_kw: FloatArray | None = None
    orders: tuple[StandingOrder, ...] = ()
    step_minutes: int = 1

    @property
    def minutes(self) -> int:
        """Length of the day [min]."""
        return len(self.p_kw)

    @cached_property
    def balance_kw(self) -> FloatArray:
        """Surplus of each cluster, shape (minutes, clusters) [kW]."""
        return -self.p_kw @ np.eye(len(self.clusters))[self.cluster_of]

    @cached_property
    def cluster_of_member(self) -> dict[str, str]:
        """Cluster of each member, by names."""
        names = (self.clusters[k] for k in self.cluster_of)
        return dict(zip(self.member, names, strict=True))

    def band(self, minute: int) -> PriceBand:
        """The main grid's prices in a minute."""
        low, high = self.feed_in_price_per_kwh[minute], self.retail_price_per_kwh[minute]
        return PriceBand(float(low), float(high))

    def served(self, has_way: BoolArray) -> CommunityDay:
        """The day where clusters are supplied, shape (minutes, clusters): elsewhere nothing is metered."""
        on = has_way[:, self.cluster_of]
        return replace(self, p_kw=self.p_kw * on, consumption_kw=self.consumption_kw * on)

    @cached_property
    def news(self) -> dict[int, str]:
        """Minutes in which a round is due whatever meters say: prices change, an order comes or goes."""
        low, high = self.feed_in_price_per_kwh, self.retail_price_per_kwh
        changed = np.flatnonzero((np.diff(low) != 0.0) | (np.diff(high) != 0.0)) + 1
        steps = {
            step for o in self.orders for step in (o.placed_step, max(o.placed_step, o.expires_step) + 1)
        }
        minutes = {step * self.step_minutes: "orders" for step in sorted(steps)}
        minutes |= dict.fromkeys(changed.tolist(), "prices")
        return {minute: name for minute, name in minutes.items() if 0 < minute < self.minutes}

    def envelopes(self, minute: int, step_hours: float) -> MemberEnvelopes | None:
        """The operating envelopes of a minute, held for ``step_hours``; None where the study has none."""
        if self.envelope_kw is None:
            return None
        low_kw, high_kw = self.envelope_kw[:, minute]
        return MemberEnvelopes(self.member, low_kw, high_kw, step_hours)

    def limit_prices(self, minute: int) -> LimitPrices:
        """What each member pays at most and takes at least in a minute."""
        band = self.band(minute)
        half = band.retail_price_per_kwh - band.middle_price_per_kwh
        buy, sell = self.limit_share * half
        # Half a band beside its middle may lie outside by rounding, where no order may be.
        return LimitPrices(
            np.minimum(band.middle_price_per_kwh + buy, band.retail_price_per_kwh),
            np.maximum(band.middle_price_per_kwh - sell, band.feed_in_price_per_kwh),
        )


def make_community_day(study: Study, rule: LimitPriceRule) -> CommunityDay:
    """The members of a study over its whole window, a minute a row.

    Raises
    ------
    StudyError
        Members without a cluster, or a study without prices to buy from and to sell to the main grid.
    """
    problems = [*_members_without_cluster(study), *_missing_prices(study)]
    if problems:
        raise StudyError(problems)
    community, time, prices = study.community, study.time, study.prices
    assert prices is not None
    clusters = tuple(sorted({member.cluster for member in community.members}))
    position = {member.member: k for k, member in enumerate(community.members)}
    wanted_kw = net_power_kw(community, study.profiles)
    held_kw = within_envelopes(community, wanted_kw, study.envelopes)
    owners = np.eye(len(position))[[position[asset.member] for asset in community.assets]]
    share = np.ones((2, len(position)))
    if rule == "drawn":
        # In the order of ids, so that the order of the rows decides nothing.
        drawn = np.random.default_rng(study.seed).random((2, len(position)))
        share[:, np.argsort(np.array(list(position)))] = drawn
    # A fee not given is none; which prices must be given is checked above.
    fee = np.nan_to_num(prices.network_fee_per_kwh)
    return CommunityDay(
        member=tuple(position),
        clusters=clusters,
        cluster_of=np.array([clusters.index(member.cluster) for member in community.members], dtype=np.int64),
        wanted_kw=np.repeat(wanted_kw @ owners, time.step_minutes, axis=0),
        p_kw=np.repeat(held_kw @ owners, time.step_minutes, axis=0),
        consumption_kw=np.repeat(np.maximum(held_kw, 0.0) @ owners, time.step_minutes, axis=0),
        feed_in_price_per_kwh=np.repeat(prices.export_price_per_kwh, time.step_minutes),
        retail_price_per_kwh=np.repeat(prices.import_price_per_kwh + fee, time.step_minutes),
        limit_share=share,
        envelope_kw=_envelopes_kw(study, wanted_kw),
        orders=study.orders,
        step_minutes=time.step_minutes,
    )


def _envelopes_kw(study: Study, wanted_kw: FloatArray) -> FloatArray | None:
    if study.envelopes is None:
        return None
    ends = member_envelopes_kw(study.community, wanted_kw, study.envelopes)
    return np.stack([np.repeat(end, study.time.step_minutes, axis=0) for end in ends])


def _members_without_cluster(study: Study) -> list[Problem]:
    homeless = [member.member for member in study.community.members if not member.cluster]
    if not homeless:
        return []
    found = f"{len(homeless)} members without a cluster ({', '.join(homeless[:5])})"
    return [Problem("members.csv", found, "the cluster whose market each takes part in", column="cluster")]


def _missing_prices(study: Study) -> list[Problem]:
    expected = "a price in every interval: members trade between the two"
    if study.prices is None:
        return [Problem("prices.csv", "no such file", "import_price_per_kwh and export_price_per_kwh")]
    problems = []
    for column in ("import_price_per_kwh", "export_price_per_kwh"):
        missing = int(np.isnan(getattr(study.prices, column)).sum())
        if missing:
            found = f"{missing} intervals without a price"
            problems.append(Problem("prices.csv", found, expected, column=column))
    low, high = study.prices.export_price_per_kwh, study.prices.import_price_per_kwh
    crossed = np.flatnonzero(low > high + np.nan_to_num(study.prices.network_fee_per_kwh))
    if len(crossed) and not problems:
        at = study.time.local(int(crossed[0])).isoformat()
        found = f"{len(crossed)} intervals in which the grid pays more than it asks, first at {at}"
        problems.append(Problem("prices.csv", found, "export at most import price plus network fee"))
    return problems
