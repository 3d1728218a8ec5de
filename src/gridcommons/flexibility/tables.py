"""The result tables of flexibility; names and columns are a contract (docs/results.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from gridcommons.flexibility.awareness import Advice
from gridcommons.flexibility.books import Verified
from gridcommons.flexibility.check import Violations, causes, find_violations
from gridcommons.flexibility.coordination import Coordination
from gridcommons.flexibility.day_ahead import ReprofilingStage, Stage, TariffStage
from gridcommons.flexibility.dynamic_tariff import PRICED_PER_KWH, TariffPlan
from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.market import MarketStage, taken
from gridcommons.model.grid_tables import GridState, grid_tables
from gridcommons.model.money import Posting
from gridcommons.model.results import Columns, text_column
from gridcommons.model.study import Study

Texts = npt.NDArray[np.object_]
Tables = Iterator[tuple[str, Columns]]


def stage_tables(study: Study, fleet: Fleet, stage: Stage) -> Tables:
    """What the grid and the devices do after an instrument."""
    state = stage.state
    told = GridState(state.vm_pu, state.flow.p_from_kw(), state.loading_percent)
    yield from grid_tables(study.grid, study.time.stamps(), stage.name, told)
    violations = find_violations(state)
    if len(violations):
        yield "violations", _violations(study, stage, violations)
        yield "violation_causes", _causes(study, fleet, stage, violations)
    yield "schedules", _schedules(study, fleet, stage)
    yield "aggregator_plans", _aggregator_plans(study, fleet, stage)


def _violations(study: Study, stage: Stage, found: Violations) -> Columns:
    return {
        "time": study.time.stamps()[found.step],
        "scenario": _same(stage.name, len(found)),
        "element": text_column(found.element),
        "kind": text_column(found.kind),
        "value": found.value,
        "limit": found.limit,
        "excess": np.abs(found.value - found.limit),
        "excess_kw": found.excess_kw,
    }


def _causes(study: Study, fleet: Fleet, stage: Stage, found: Violations) -> Columns:
    parties, part_kw = causes(stage.state, fleet, stage.power_kw, found)
    count = len(parties)
    total = np.abs(part_kw).sum(axis=1, keepdims=True)
    return {
        "time": np.repeat(study.time.stamps()[found.step], count),
        "scenario": _same(stage.name, len(found) * count),
        "element": np.repeat(text_column(found.element), count),
        "kind": np.repeat(text_column(found.kind), count),
        "party": np.tile(text_column(parties), len(found)),
        "load_kw": part_kw.ravel(),
        "load_share": (part_kw / np.where(total > 0.0, total, 1.0)).ravel(),
    }


def _schedules(study: Study, fleet: Fleet, stage: Stage) -> Columns:
    """Every device's power, and its state at the end of each interval."""
    states = fleet.chains.states(stage.power_kw)[:, :, 0]
    cars = np.isinf(fleet.chains.state_high[:, :, 1]) & (fleet.chains.effect[:, :, 1] == 0.0)
    return {
        "time": np.tile(study.time.stamps(), len(fleet)),
        "scenario": _same(stage.name, states.size),
        "asset": np.repeat(text_column(fleet.chains.name), study.time.steps),
        "p_kw": stage.power_kw.ravel(),
        "energy_kwh": np.where(cars, states, np.nan).ravel(),
        "temp_c": np.where(cars, np.nan, states).ravel(),
    }


def device_table(fleet: Fleet) -> Columns:
    """Rows of ``device_bounds``: between what the state of each device shall stay."""
    return {
        "asset": text_column(fleet.chains.name),
        "state_min": fleet.chains.state_low[:, 0, 0],
        "state_max": fleet.chains.state_high[:, :, 0].max(axis=1),
    }


def _aggregator_plans(study: Study, fleet: Fleet, stage: Stage) -> Columns:
    keys = list(zip(fleet.aggregator, fleet.load_point.tolist(), strict=True))
    distinct = list(dict.fromkeys(keys))
    place = {key: number for number, key in enumerate(distinct)}
    total_kw = np.zeros((len(distinct), study.time.steps))
    np.add.at(total_kw, [place[key] for key in keys], stage.power_kw)
    names = study.grid.buses.name
    return {
        "time": np.tile(study.time.stamps(), len(distinct)),
        "scenario": _same(stage.name, total_kw.size),
        "aggregator": np.repeat(text_column([name for name, _ in distinct]), study.time.steps),
        "bus": np.repeat(text_column([names[fleet.load_points[p]] for _, p in distinct]), study.time.steps),
        "p_kw": total_kw.ravel(),
    }


def tariff_tables(study: Study, fleet: Fleet, tariff: TariffStage, scheme: str) -> Tables:
    """The tariff without a cap, the one that is published, and how its cap was found."""
    plans = {"plain": tariff.plain, scheme: tariff.published}
    for name, plan in plans.items():
        count = len(fleet.load_points)
        yield (
            "dynamic_tariffs",
            {
                "time": np.tile(study.time.stamps(), count),
                "scheme": _same(name, count * study.time.steps),
                "bus": np.repeat(_buses(study, fleet), study.time.steps),
                "tariff_per_kwh": plan.tariff_per_kwh.ravel(),
            },
        )
        yield "limit_prices", _limit_prices(study, name, plan)
    if tariff.coordination is not None:
        yield "coordination_trials", _trials(tariff.coordination)


def _limit_prices(study: Study, scheme: str, plan: TariffPlan) -> Columns:
    rows = plan.linear.rows
    shown = np.flatnonzero((plan.mu_per_kwh > PRICED_PER_KWH) | (plan.slack_kw > PRICED_PER_KWH))
    return {
        "time": study.time.stamps()[rows.step[shown]],
        "scheme": _same(scheme, len(shown)),
        "element": text_column(rows.element)[shown],
        "kind": text_column(rows.kind)[shown],
        "price_per_kwh": plan.mu_per_kwh[shown],
        "limit_kw": plan.linear.limit_kw[shown],
        "slack_kw": plan.slack_kw[shown],
    }


def _trials(coordination: Coordination) -> Columns:
    tried = coordination.tried
    return {
        "cap_per_kwh": np.array([trial.cap_per_kwh for trial in tried]),
        "revenue": np.array([trial.revenue for trial in tried]),
        "cost": np.array([trial.cost for trial in tried]),
    }


def reprofiling_tables(study: Study, fleet: Fleet, done: ReprofilingStage) -> Tables:
    """What was called, and what the load points could not give."""
    call = done.call
    point, step = np.nonzero(call.quantity_kw)
    short = {place: each.shortfall_kw for place, each in done.deliveries.items()}
    yield (
        "reprofiling_calls",
        {
            "time": study.time.stamps()[step],
            "bus": _buses(study, fleet)[point],
            "quantity_kw": call.quantity_kw[point, step],
            "price_per_kwh": call.price_per_kwh[point, step],
            "amount": done.paid_per_hour[point, step] * fleet.step_hours,
            "undelivered_kw": np.array([short[int(p)][s] for p, s in zip(point, step, strict=True)]),
        },
    )


def market_tables(study: Study, fleet: Fleet, market: MarketStage, verified: Sequence[Verified]) -> Tables:
    """Requirement, offers, clearing and delivery."""
    yield from _requirement_tables(study, market)
    yield from _offer_tables(study, market)
    if market.clearing is not None:
        yield from _clearing_tables(study, market)
    short = market.shortages
    yield (
        "shortages",
        {
            "time": study.time.stamps()[[step for _, _, step, _ in short]],
            "element": text_column([element for element, *_ in short]),
            "kind": text_column([kind for _, kind, *_ in short]),
            "missing_kw": np.array([kw for *_, kw in short]),
        },
    )
    if verified:
        yield "deliveries", _deliveries(study, market, verified)


def _requirement_tables(study: Study, market: MarketStage) -> Tables:
    requirement, stamps = market.requirement, study.time.stamps()
    point, step = np.nonzero(requirement.asked)
    yield (
        "flexibility_requirements",
        {
            "time": stamps[step],
            "bus": text_column(requirement.bus)[point],
            "least_kw": requirement.least_kw[point, step],
            "most_kw": requirement.most_kw[point, step],
        },
    )
    need = market.need
    yield (
        "flexibility_needs",
        {
            "time": stamps[need.rows.step],
            "element": text_column(need.rows.element),
            "kind": text_column(need.rows.kind),
            "least_kw": need.least_kw,
            "most_kw": need.most_kw,
            "buses": need.asked.sum(axis=1),
        },
    )
    yield "payback_hours", {"time": stamps, "is_allowed": requirement.payback_allowed}


def _offer_tables(study: Study, market: MarketStage) -> Tables:
    stamps, offers = study.time.stamps(), market.book.offers
    used = [
        (offer, step) for offer in offers for step in np.flatnonzero(offer.flexibility_kw + offer.payback_kw)
    ]
    yield (
        "offers",
        {
            "offer": text_column([offer.offer for offer, _ in used]),
            "aggregator": text_column([offer.aggregator for offer, _ in used]),
            "bus": text_column([offer.bus for offer, _ in used]),
            "relation": text_column([offer.relation for offer, _ in used]),
            "time": stamps[[step for _, step in used]],
            "price_per_kwh": np.array([offer.price_per_kwh for offer, _ in used]),
            "flexibility_kw": np.array([offer.flexibility_kw[step] for offer, step in used]),
            "payback_kw": np.array([offer.payback_kw[step] for offer, step in used]),
        },
    )
    rejected = market.book.rejections
    yield (
        "rejections",
        {
            "offer": text_column([each.offer for each in rejected]),
            "aggregator": text_column([each.aggregator for each in rejected]),
            "reason": text_column([each.reason for each in rejected]),
        },
    )


def _clearing_tables(study: Study, market: MarketStage) -> Tables:
    clearing, stamps = market.clearing, study.time.stamps()
    assert clearing is not None
    offers = {offer.offer: offer for offer in market.book.offers}
    rows = []
    for name, share in zip(clearing.offers, clearing.shares, strict=True):
        less_kw, more_kw = taken(offers[name], share)
        rows += [(name, s, share[s], less_kw[s], more_kw[s]) for s in np.flatnonzero(less_kw + more_kw)]
    yield (
        "awards",
        {
            "offer": text_column([row[0] for row in rows]),
            "time": stamps[[row[1] for row in rows]],
            "share": np.array([row[2] for row in rows], dtype=np.float64),
            "quantity_kw": np.array([row[3] for row in rows], dtype=np.float64),
            "payback_kw": np.array([row[4] for row in rows], dtype=np.float64),
        },
    )
    point, step = np.nonzero(np.abs(clearing.price_per_kwh) > PRICED_PER_KWH)
    yield (
        "flexibility_prices",
        {
            "time": stamps[step],
            "bus": text_column(clearing.bus)[point],
            "price_per_kwh": clearing.price_per_kwh[point, step],
        },
    )
    log = clearing.rounds
    yield (
        "admm_rounds",
        {
            "round": log.round,
            "primal_residual": log.primal_residual,
            "dual_residual": log.dual_residual,
            "objective": log.objective,
            "worst_excess_kw": log.worst_excess_kw,
        },
    )


def _deliveries(study: Study, market: MarketStage, verified: Sequence[Verified]) -> Columns:
    rows = [(each, step) for each in verified for step in np.flatnonzero(each.award.obligation.less_kw)]
    bus = market.requirement.bus
    return {
        "time": study.time.stamps()[[step for _, step in rows]],
        "aggregator": text_column([each.award.aggregator for each, _ in rows]),
        "bus": text_column([bus[each.award.load_point] for each, _ in rows]),
        "ordered_kw": np.array([each.award.obligation.less_kw[step] for each, step in rows]),
        "delivered_kw": np.array([each.delivered_kw[step] for each, step in rows]),
        "missing_kw": np.array([each.missing_kw[step] for each, step in rows]),
        "is_metered": np.array([each.is_metered for each, _ in rows], dtype=bool),
    }


def money_table(postings: Sequence[Posting]) -> Columns:
    """Rows of ``settlement``."""
    return {
        "party": text_column([posting.party for posting in postings]),
        "counterparty": text_column([posting.counterparty for posting in postings]),
        "item": text_column([posting.item for posting in postings]),
        "amount": np.array([float(posting.amount) for posting in postings]),
    }


def advice_table(study: Study, advice: Advice) -> Columns:
    """Rows of ``advice``."""
    stamps = study.time.stamps()
    return {
        "member": text_column(advice.member),
        "group": text_column(advice.group),
        "consumption_kwh": advice.consumption_kwh,
        "group_mean_kwh": advice.group_mean_kwh,
        "rank": advice.rank,
        "group_size": advice.group_size,
        "mean_price_per_kwh": advice.mean_price_per_kwh,
        "dear_from": stamps[advice.dear_step],
        "cheap_from": stamps[advice.cheap_step],
        "movable_kwh": advice.movable_kwh,
        "saving": advice.saving,
    }


def _buses(study: Study, fleet: Fleet) -> Texts:
    return text_column([study.grid.buses.name[bus] for bus in fleet.load_points])


def _same(word: str, count: int) -> Texts:
    return text_column([word] * count)
