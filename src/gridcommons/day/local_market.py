"""The local market of the day: a round at the start of each interval, in two tiers.

Members order what their meters are expected to count, at limit prices between feed-in and retail; clusters
clear first, then what is left among them.
"""

from __future__ import annotations

import numpy as np

from gridcommons.day.expectation import expected_power
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Planned, Realised, Traded
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.model.settings import read_settings
from gridcommons.trading.community_day import CommunityDay
from gridcommons.trading.contracts import ROUND_HOURS, Contracts, Market, make_contracts
from gridcommons.trading.mechanisms import make_mechanism
from gridcommons.trading.rounds import FixedDelay, Rounds, RoundSettings, find_rounds
from gridcommons.trading.settings import Settings as TradingSettings
from gridcommons.trading.triggers import Periodic

TRADING = "trading"
ALL = "community"
"""Cluster of members that name none."""

SHORT_MINUTES = 5
"""Intervals shorter than this do not each have a round of their own."""

LEAST_KW = 1e-6
"""Power that is none."""


def trading_settings(field: Field) -> TradingSettings:
    """Settings of market and switches: those of the study's task ``trading``."""
    return read_settings(TradingSettings, field.study.tasks.get(TRADING, {}), TRADING)


def rounds_of(field: Field, day: CommunityDay) -> Rounds:
    """A round at the start of each interval, or where intervals are short, when the study's trigger says."""
    settings, minutes = trading_settings(field), field.study.time.step_minutes
    if minutes < SHORT_MINUTES and settings.trigger == Periodic.name:
        minutes = max(minutes, int(settings.threshold))
    trigger = Periodic(minutes)
    how = RoundSettings(
        member_trigger=trigger, cluster_trigger=trigger, idle_minutes=day.minutes, delay=FixedDelay(0.0)
    )
    rng = np.random.default_rng([field.study.seed, 1])
    return find_rounds(day.p_kw, day.cluster_of, how, rng, day.news)


def trade_locally(
    field: Field, planned: Planned, done: Realised, joined: tuple[IntArray, BoolArray] | None = None
) -> Traded:
    """What members buy of each other, interval by interval.

    Parameters
    ----------
    joined : pair of (steps, clusters), optional
        Group of clusters that the switches join, and whether each has a way to the main grid; all joined and
        supplied if absent.
    """
    settings = trading_settings(field)
    day = expected_day(field, (planned, done), settings)
    rounds, steps, minutes = rounds_of(field, day), field.study.time.steps, field.study.time.step_minutes
    group = np.zeros((steps, len(day.clusters)), dtype=np.int64)
    supplied = np.ones(group.shape, dtype=np.bool_)
    if joined is not None:
        group, supplied = joined
    at = np.minimum(rounds.minute // minutes, steps - 1)
    chosen = {name: settings.mechanisms.get(name, settings.mechanism) for name in day.clusters}
    by_cluster = {name: make_mechanism(mechanism) for name, mechanism in chosen.items()}
    market = Market(group[at], supplied[at], by_cluster, make_mechanism(settings.community_mechanism))
    contracts = make_contracts(day, rounds, market)
    shape = (steps, minutes, len(day.member))
    bought_kwh = contracts.bought_kw.reshape(shape).sum(axis=1) / 60.0
    paid = contracts.paid_per_h.reshape(shape).sum(axis=1) / 60.0
    offered_kw = _offered_kw(contracts, rounds, day).reshape(shape).max(axis=1)
    return Traded(np.maximum(bought_kwh, 0.0), np.maximum(-bought_kwh, 0.0), paid, offered_kw)


def _offered_kw(contracts: Contracts, rounds: Rounds, day: CommunityDay) -> FloatArray:
    """What each member offers to sell in each minute, by the round in force, (minutes, members) [kW]."""
    offered_kw, column = np.zeros(day.p_kw.shape), {name: k for k, name in enumerate(day.member)}
    for book in contracts.books:
        orders, sold_kw = book.book.orders, np.zeros(len(column))
        who = [column[name] for name in orders.member]
        np.add.at(sold_kw, who, np.where(orders.is_buy, 0.0, orders.energy_kwh) / ROUND_HOURS)
        offered_kw[int(rounds.effect_minute[book.round]) :] = sold_kw
    return offered_kw


def expected_day(field: Field, day: tuple[Planned, Realised], settings: TradingSettings) -> CommunityDay:
    """Meters as they are expected at each interval's start: set-points, and forecasts of the rest."""
    study, prices = field.study, field.study.prices
    assert prices is not None
    expected_kw, _ = expected_power(field, *day)
    members = study.community.members
    owners = np.eye(len(members))[field.member_of]
    names = tuple(member.member for member in members)
    clusters = tuple(sorted({member.cluster or ALL for member in members}))
    share = np.ones((2, len(members)))
    if settings.limit_prices == "drawn":
        drawn = np.random.default_rng(study.seed).random((2, len(members)))
        share[:, np.argsort(np.array(names))] = drawn
    each = study.time.step_minutes
    expected_net_kw = expected_kw @ owners
    # A battery that keeps a meter at zero leaves rounding, which nobody orders.
    expected_net_kw[np.abs(expected_net_kw) < LEAST_KW] = 0.0
    envelope_kw = _member_envelopes_kw(day[1], expected_kw, owners)
    net_kw = np.repeat(expected_net_kw, each, axis=0)
    return CommunityDay(
        member=names,
        clusters=clusters,
        cluster_of=np.array([clusters.index(m.cluster or ALL) for m in members], dtype=np.int64),
        wanted_kw=net_kw,
        p_kw=net_kw,
        consumption_kw=np.repeat(np.maximum(expected_kw, 0.0) @ owners, each, axis=0),
        feed_in_price_per_kwh=np.repeat(prices.export_price_per_kwh, each),
        retail_price_per_kwh=np.repeat(prices.import_price_per_kwh, each),
        limit_share=share,
        envelope_kw=None if envelope_kw is None else np.repeat(envelope_kw, each, axis=1),
        orders=study.orders,
        step_minutes=each,
    )


def _member_envelopes_kw(done: Realised, expected_kw: FloatArray, owners: FloatArray) -> FloatArray | None:
    """Least and most net power of each member, (2, steps, members) [kW]; None where nobody has an envelope.

    What has none is expected to do what it does.
    """
    if not np.isfinite(done.p_max_kw).any():
        return None
    ends = (done.p_min_kw, done.p_max_kw)
    low_kw, high_kw = (np.where(np.isfinite(end), end, expected_kw) @ owners for end in ends)
    return np.stack([low_kw - LEAST_KW, high_kw + LEAST_KW])
