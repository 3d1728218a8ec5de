"""Days to be settled, made by hand: any meters, trades, tariffs and awards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from day_study import day_study, field_of
from gridcommons.day.bills import Ledger
from gridcommons.day.outcomes import Marketed, Planned, Realised, Tariffed, Traded
from gridcommons.model.members import Community
from gridcommons.model.tariffs import Prices


def done_of(field, p_kw) -> Realised:
    """Meters alone."""
    nothing, steps = np.zeros_like(p_kw), len(p_kw)
    state = np.zeros((len(field.chained), steps))
    stored = np.zeros((len(field.batteries), steps))
    return Realised(p_kw, nothing, p_kw, nothing, nothing, state, stored)


def ledger_at(field, p_kw, tariff=None, market=None, trades=None, plan_kw=None, losses_kw=None) -> Ledger:
    """A day of these meters; planned as it was, without losses, unless it is said."""
    losses_kw = np.zeros(len(p_kw)) if losses_kw is None else losses_kw
    plan_kw = p_kw if plan_kw is None else plan_kw
    return Ledger(field, done_of(field, p_kw), tariff, market, trades, plan_kw, losses_kw)


def nothing_planned(field) -> Planned:
    nothing = np.zeros((field.study.time.steps, len(field.assets)))
    return Planned(nothing, nothing, nothing, np.zeros((len(field.chained), len(nothing))))


def random_field(rng, **day):
    """A street with random suppliers, contracts and prices of either sign."""
    study = day_study(int(rng.integers(1000)), homes=int(rng.integers(1, 9)), **day)
    steps = study.time.steps
    members = tuple(
        replace(
            member,
            supplier=str(rng.choice(["", "supplier", "other"])),
            contract=str(rng.choice(["price", "price", "reprofiling"])),
        )
        for member in study.community.members
    )
    given = [rng.normal(mean, 0.2, steps) for mean in (0.3, 0.1, 0.05)]
    prices = Prices(*given, np.full(steps, np.nan))
    return field_of(replace(study, community=Community(members, study.community.assets), prices=prices))


def random_power(rng, field):
    """Any power of any asset; what cannot feed in does not."""
    p_kw = rng.normal(0.0, 4.0, (field.study.time.steps, len(field.assets)))
    feeds = [asset.kind in ("pv", "battery") for asset in field.assets]
    return np.where(feeds, p_kw, np.abs(p_kw))


def random_trades(rng, field) -> Traded:
    """Trades that sum to nothing in each interval, and what is paid for them."""
    shape = (field.study.time.steps, len(field.study.community.members))
    net_kwh = rng.normal(0.0, 2.0, shape) * (rng.random(shape) < 0.7)
    net_kwh -= net_kwh.mean(axis=1, keepdims=True)
    price = rng.normal(0.15, 0.1, (shape[0], 1))
    sold_kwh = np.maximum(-net_kwh, 0.0)
    offered_kw = sold_kwh / field.study.time.step_hours
    return Traded(np.maximum(net_kwh, 0.0), sold_kwh, price * net_kwh, offered_kw)


def random_tariff(rng, field) -> Tariffed:
    buses = np.arange(len(field.study.grid.buses))
    rate = rng.exponential(0.05, (len(buses), field.study.time.steps))
    return Tariffed(nothing_planned(field), buses, rate)


def random_market(rng, field, p_kw) -> Marketed | None:
    """Awards of the devices of aggregators, at one load point each, delivered or not."""
    steps, of_member = field.study.time.steps, field.study.community.member_by_id
    owner = {k: of_member[field.assets[k].member].aggregator for k in field.chained.tolist()}
    places = sorted({(name, int(field.bus[k])) for k, name in owner.items() if name})
    places = [place for place in places if rng.random() < 0.7]
    if not places:
        return None
    devices = [[k for k, name in owner.items() if (name, int(field.bus[k])) == place] for place in places]
    ordered_kw = rng.exponential(2.0, (len(places), steps)) * (rng.random((len(places), steps)) < 0.4)
    device = np.concatenate(devices).astype(np.int64)
    before_kw = np.maximum(p_kw[:, device].T + rng.normal(0.5, 2.0, (len(device), steps)), 0.0)
    return Marketed(
        planned=nothing_planned(field),
        aggregator=np.array([name for name, _ in places]),
        bus=np.array([bus for _, bus in places]),
        ordered_kw=ordered_kw,
        price_per_kwh=rng.uniform(0.05, 0.5, len(places)),
        device=device,
        award=np.repeat(np.arange(len(places)), [len(each) for each in devices]),
        before_kw=before_kw,
        needed_kw=np.zeros(steps),
        missing_kw=np.zeros(steps),
    )


def random_ledger(seed) -> Ledger:
    """Any day: any members, meters, trades, tariff, awards, plans and losses."""
    rng = np.random.default_rng(seed)
    key = str(rng.choice(["dynamic_prorata", "equal_maxmin", "virtual"]))
    field = random_field(rng, sharing_key=key, internal_price_share=float(rng.random()))
    p_kw = random_power(rng, field)
    has = rng.random(3) < 0.7
    return ledger_at(
        field,
        p_kw,
        random_tariff(rng, field) if has[0] else None,
        random_market(rng, field, p_kw) if has[1] else None,
        random_trades(rng, field) if has[2] else None,
        p_kw + rng.normal(0.0, 0.3, p_kw.shape),
        rng.exponential(0.5, len(p_kw)),
    )
