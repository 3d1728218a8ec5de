"""The task ``flexibility``: tomorrow within the limits of the grid, by tariff, re-profiling and market.

Baselines at the spot price are checked by AC load flow. Each instrument that the study asks for then takes
the plan that the one before left: a dynamic tariff moves it, customers under contract are called for what
remains, and a market buys the rest. Every plan is checked again, and the money adds up to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gridcommons.flexibility import tables
from gridcommons.flexibility.aggregators import offering_parties
from gridcommons.flexibility.awareness import Advice, advise
from gridcommons.flexibility.books import Verified, all_postings, market_accounts, verify_awards
from gridcommons.flexibility.check import GridView, view_grid
from gridcommons.flexibility.day_ahead import (
    ReprofilingStage,
    Stage,
    TariffStage,
    baseline_stage,
    check_instruments,
    parties,
    reprofiling_stage,
    tariff_stage,
)
from gridcommons.flexibility.fleet import Fleet, make_fleet
from gridcommons.flexibility.market import MarketPlace, MarketStage
from gridcommons.flexibility.settings import INSTRUMENTS, Settings
from gridcommons.flexibility.settlement import Account
from gridcommons.flexibility.summary import Outcome, summarise
from gridcommons.model.grid import FloatArray
from gridcommons.model.members import refuse_three_phase
from gridcommons.model.money import Posting
from gridcommons.model.results import LazyTables, Result
from gridcommons.model.study import Study
from gridcommons.ports import Engines

__all__ = ["Settings", "run"]


@dataclass(eq=False)
class _Day:
    """The day as far as it has been planned."""

    study: Study
    settings: Settings
    engines: Engines
    view: GridView
    fleet: Fleet
    stages: list[Stage]
    tariff: TariffStage | None = None
    reprofiling: ReprofilingStage | None = None
    market: MarketStage | None = None
    verified: tuple[Verified, ...] = ()
    accounts: list[Account] = field(default_factory=list)


def run(study: Study, settings: Settings, engines: Engines) -> Result:
    """The day ahead with the instruments that the settings name.

    Raises
    ------
    StudyError
        With everything that keeps the devices from being planned.
    InfeasibleError
        If a device cannot be kept within its bounds, a plain tariff holds no limit, or a coordinated one
        finds no cap: which, where, by how much.
    """
    refuse_three_phase(study.grid, "flexibility")
    fleet, view = make_fleet(study, settings), view_grid(study, engines.method)
    check_instruments(fleet, settings)
    day = _Day(study, settings, engines, view, fleet, [baseline_stage(view, fleet)])
    used = [name for name in INSTRUMENTS if name in settings.instruments]
    with engines.progress("day ahead", len(used)) as advance:
        for name in used:
            _INSTRUMENT[name](day)
            advance(1)
    postings = all_postings(
        fleet, settings, day.stages[-1].power_kw, day.tariff, day.reprofiling, day.accounts
    )
    advice = _advice(day)
    _write(day, postings, advice)
    outcome = Outcome(
        study, fleet, tuple(day.stages), day.tariff, day.reprofiling, day.market, day.verified, advice
    )
    return Result("flexibility", LazyTables(engines.sink.readers()), summarise(outcome, postings), {})


def _use_tariff(day: _Day) -> None:
    with day.engines.progress("tariffs tried", None) as told:
        day.tariff = tariff_stage(day.view, day.fleet, day.settings, day.stages[-1], day.study.seed, told)
    day.stages.append(day.tariff.stage)


def _use_reprofiling(day: _Day) -> None:
    day.reprofiling = reprofiling_stage(day.view, day.fleet, day.settings, day.stages[-1])
    day.stages.append(day.reprofiling.stage)


def _use_market(day: _Day) -> None:
    before = day.stages[-1]
    aggregators = parties(day.fleet, before.power_kw, day.settings, day.study.seed)
    if day.tariff is not None:
        tariff = day.tariff.published.tariff_per_kwh
        aggregators = [replace(party, tariff_per_kwh=tariff) for party in aggregators]
    asked = offering_parties(aggregators, day.study.offers)
    place = MarketPlace(day.view, day.fleet, day.settings, day.engines, before, aggregators, asked)
    day.market = place.run()
    day.verified = verify_awards(day.market, aggregators, day.study.profiles)
    if day.verified:
        hours = day.fleet.step_hours
        day.accounts = market_accounts(day.market, day.verified, aggregators, day.settings, hours)
    day.stages.append(day.market.stage)


_INSTRUMENT = {"tariff": _use_tariff, "reprofiling": _use_reprofiling, "market": _use_market}


def _advice(day: _Day) -> Advice:
    """Comparison and advice by the baseline: what customers would do without any instrument."""
    members = day.study.community.members
    load_kw = _member_load(day.study, day.fleet, day.stages[0].power_kw)
    groups = tuple(member.cluster or "all" for member in members)
    names = tuple(member.member for member in members)
    return advise(names, groups, load_kw, day.fleet.spot_per_kwh, day.study.time.step_hours)


def _member_load(study: Study, fleet: Fleet, power_kw: FloatArray) -> FloatArray:
    """Net load of each member, shape (members, steps) [kW]."""
    place = {member.member: row for row, member in enumerate(study.community.members)}
    load_kw = np.zeros((len(place), study.time.steps))
    np.add.at(load_kw, [place[name] for name in fleet.member], power_kw)
    planned = set(fleet.chains.name)
    for asset in study.community.assets:
        if asset.asset not in planned:
            load_kw[place[asset.member]] += asset.net_kw(study.profiles.signals(asset))
    return load_kw


def _write(day: _Day, postings: list[Posting], advice: Advice) -> None:
    """All tables; one without a row is not written."""
    sink = day.engines.sink
    sink.write("device_bounds", tables.device_table(day.fleet))
    parts = [tables.stage_tables(day.study, day.fleet, stage) for stage in day.stages]
    if day.tariff is not None:
        parts.append(tables.tariff_tables(day.study, day.fleet, day.tariff, day.settings.tariff))
    if day.reprofiling is not None:
        parts.append(tables.reprofiling_tables(day.study, day.fleet, day.reprofiling))
    if day.market is not None:
        parts.append(tables.market_tables(day.study, day.fleet, day.market, day.verified))
    parts.append(
        iter(
            [("settlement", tables.money_table(postings)), ("advice", tables.advice_table(day.study, advice))]
        )
    )
    for part in parts:
        for table, columns in part:
            if len(next(iter(columns.values()))):
                sink.write(table, columns)
