"""The headline figures of flexibility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcommons.flexibility.awareness import Advice
from gridcommons.flexibility.books import Verified
from gridcommons.flexibility.check import find_violations
from gridcommons.flexibility.day_ahead import ReprofilingStage, Stage, TariffStage
from gridcommons.flexibility.dynamic_tariff import say_shortfalls
from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.market import MarketStage
from gridcommons.model.money import Posting, balance
from gridcommons.model.study import Study
from gridcommons.model.time import TimeAxis


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything that a day ahead came to."""

    study: Study
    fleet: Fleet
    stages: tuple[Stage, ...]
    tariff: TariffStage | None
    reprofiling: ReprofilingStage | None
    market: MarketStage | None
    verified: Sequence[Verified]
    advice: Advice


def summarise(outcome: Outcome, postings: Sequence[Posting]) -> dict[str, Any]:
    """The summary; docs/results.md says what each figure is."""
    fleet = outcome.fleet
    said: dict[str, Any] = {
        "devices": len(fleet),
        "customers": len(set(fleet.member)),
        "aggregators": len(set(fleet.aggregator)),
        "steps": outcome.study.time.steps,
        "stages": [stage.name for stage in outcome.stages],
        "violations": {stage.name: len(find_violations(stage.state)) for stage in outcome.stages},
        "worst_excess_kw": {stage.name: _worst_excess_kw(stage) for stage in outcome.stages},
        "lowest_vm_pu": {stage.name: float(np.nanmin(stage.state.vm_pu)) for stage in outcome.stages},
        "worst_device_breach": max(fleet.chains.breach(stage.power_kw) for stage in outcome.stages),
        "suppliers_that_aggregate": _double_roles(fleet),
    }
    if outcome.tariff is not None:
        said.update(_tariff(outcome, outcome.tariff))
    if outcome.reprofiling is not None:
        said.update(_reprofiling(fleet, outcome.reprofiling))
    if outcome.market is not None:
        said.update(_market(outcome.market, outcome.verified, outcome.study.time))
    said["balances"] = {party: float(amount) for party, amount in balance(list(postings)).items()}
    said["advised_saving"] = float(outcome.advice.saving.sum())
    return said


def _worst_excess_kw(stage: Stage) -> float:
    """By how much the worst branch is over its limit [kW]."""
    return float(np.nan_to_num(find_violations(stage.state).excess_kw).max(initial=0.0))


def _double_roles(fleet: Fleet) -> list[str]:
    """Suppliers that are aggregators, too: they could plan congestion whose relief they sell."""
    return sorted(set(fleet.supplier) & set(fleet.aggregator))


def _tariff(outcome: Outcome, tariff: TariffStage) -> dict[str, Any]:
    published, plain = tariff.published, tariff.plain
    short = plain.shortfalls()
    return {
        "plain_tariff_is_feasible": not short,
        "plain_tariff_shortfalls": say_shortfalls(short, outcome.study.time) if short else "",
        "highest_plain_tariff_per_kwh": None if short else float(plain.tariff_per_kwh.max()),
        "highest_tariff_per_kwh": float(published.tariff_per_kwh.max()),
        "highest_limit_price_per_kwh": float(published.mu_per_kwh.max(initial=0.0)),
        "tariff_cap_per_kwh": None if published is plain else published.cap_per_kwh,
        "tariff_revenue": published.revenue,
        "tariff_revenue_on_plan": published.revenue_on_plan,
        "tariff_revenue_on_flexible": published.revenue_on_flexible,
        "tariff_leaves_kw": float(published.slack_kw.max(initial=0.0)),
        "decentralised_apart_kw": tariff.apart_kw,
        "caps_tried": 0 if tariff.coordination is None else len(tariff.coordination.tried),
        "coordination_net": None if tariff.coordination is None else tariff.coordination.found.net,
    }


def _reprofiling(fleet: Fleet, done: ReprofilingStage) -> dict[str, Any]:
    short = [float(each.shortfall_kw.max(initial=0.0)) for each in done.deliveries.values()]
    return {
        "reprofiling_cost": float(done.paid_per_hour.sum()) * fleet.step_hours,
        "highest_reprofiling_price_per_kwh": float(done.call.price_per_kwh.max(initial=0.0)),
        "reprofiling_kwh": float(done.call.quantity_kw.sum()) * fleet.step_hours,
        "reprofiling_missing_kw": float(done.call.missing_kw.max(initial=0.0)),
        "reprofiling_undelivered_kw": max(short, default=0.0),
    }


def _market(market: MarketStage, verified: Sequence[Verified], time: TimeAxis) -> dict[str, Any]:
    clearing = market.clearing
    missing = [
        f"{element} at {time.local(step):%Y-%m-%d %H:%M} lacks {kw:,.1f} kW ({kind})"
        for element, kind, step, kw in market.shortages
    ]
    ordered_kw = sum(float(each.award.obligation.less_kw.sum()) for each in verified)
    return {
        "offers": len(market.book.offers),
        "rejections": len(market.book.rejections),
        "share_rule": market.shares,
        "payback_part_share": market.requirement.payback_part_share,
        "flexibility_cost": 0.0 if clearing is None else clearing.cost,
        "flexibility_ordered_kw": ordered_kw,
        "flexibility_missing_kw": float(sum(float(each.missing_kw.sum()) for each in verified)),
        "clearing_rounds": 0 if clearing is None else len(clearing.rounds),
        "clearing_shortages": missing,
        "is_metered": bool(verified) and all(each.is_metered for each in verified),
        "linear_vm_error_pu": market.linear_vm_error_pu,
    }
