"""The task ``scheduling``: communities schedule heat and power, and sell reactive power for voltage.

Each horizon (24 hours by default) is planned by each community for itself; the grid operator runs the load
flow of what they exchange, and where a voltage is out of its band it asks prices of reactive power until the
offers mend it. What a horizon ends with is what the next one begins with.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from gridcommons.model.results import LazyTables, Result
from gridcommons.model.study import Study
from gridcommons.ports import CommunityParty, Engines
from gridcommons.powerflow.admittance import Network, build_network
from gridcommons.powerflow.solution import Injections
from gridcommons.scheduling.community import Community, Plan, ProgramSize
from gridcommons.scheduling.energy_hub import communities_of, follow_profiles, make_hub, window_of
from gridcommons.scheduling.grid_operator import GridOperator
from gridcommons.scheduling.horizon_result import HorizonResult
from gridcommons.scheduling.parties import Parties
from gridcommons.scheduling.requirements import require_scheduling
from gridcommons.scheduling.settings import Settings
from gridcommons.scheduling.summary import summarise
from gridcommons.scheduling.tables import tables_of
from gridcommons.scheduling.transactive_round import Outcome, TransactiveRound

__all__ = ["Settings", "run"]

POOL_FROM = 4
"""Communities from which processes of their own pay for their start."""


def run(study: Study, settings: Settings, engines: Engines) -> Result:
    """Schedules of all communities over the window of a study, and what the grid operator bought.

    Raises
    ------
    StudyError
        Prices, ratings or profiles that scheduling needs are missing or contradict each other.
    InfeasibleError
        A community has no schedule: which law cannot hold, when, and by how much.
    NotConvergedError
        An interval without operable load flow.
    """
    require_scheduling(study, settings)
    network = build_network(study.grid)
    horizons = list(horizons_of(study, settings))
    start: Mapping[str, float] = {}
    results: list[HorizonResult] = []
    names = list(communities_of(study))
    with _pool(len(names), engines.workers) as pool, engines.progress("horizons", len(horizons)) as advance:
        for steps in horizons:
            communities = [Community(make_hub(study, name, steps, start), settings) for name in names]
            operator = make_operator(study, network, steps, engines.method)
            result = schedule_horizon(communities, operator, settings, energy_price(study, steps), pool)
            start = {asset: state for plan in result.final.values() for asset, state in plan.end.items()}
            for name, columns in tables_of(result):
                if len(next(iter(columns.values()))):
                    engines.sink.write(name, columns)
            results.append(result)
            advance(1)
    summary = summarise(study, settings, results)
    provenance = {"programs": _programs(results)}
    return Result("scheduling", LazyTables(engines.sink.readers()), summary, provenance)


def schedule_horizon(
    communities: Sequence[CommunityParty],
    operator: GridOperator,
    settings: Settings,
    energy_price_per_kwh: np.ndarray[tuple[int], np.dtype[np.float64]],
    pool: Executor | None = None,
) -> HorizonResult:
    """Schedules of one horizon, the round, and what it came to."""
    parties = Parties(communities, pool, operator.time.steps)
    schedules = parties.schedules()
    alone = _plans(parties)
    if settings.reactive_round:
        outcome = TransactiveRound(operator, settings, energy_price_per_kwh, parties).hold(schedules)
    else:
        operator.admit(schedules)
        outcome = Outcome.without_round(operator.look(schedules), len(operator.connections))
    final = {
        name: alone[name] if parties.is_refused(name) else plan for name, plan in _plans(parties).items()
    }
    refusals = (*parties.refusals, *parties.breaches)
    return HorizonResult(operator.time, operator, outcome, alone, final, refusals, _sizes(parties))


def _sizes(parties: Parties) -> dict[str, ProgramSize]:
    communities = [party for party in parties.parties.values() if isinstance(party, Community)]
    return {each.name: each.size for each in communities if each.size is not None}


def _programs(results: list[HorizonResult]) -> dict[str, Any]:
    """For the provenance: the largest program of each community, and its worst gap."""
    return {
        name: {
            column: max(getattr(each.sizes[name], column) for each in results)
            for column in ("variables", "whole_variables", "rows", "gap_share")
        }
        for name in results[0].sizes
    }


def _plans(parties: Parties) -> dict[str, Plan]:
    return {name: party.plan() for name, party in parties.parties.items() if isinstance(party, Community)}


def horizons_of(study: Study, settings: Settings) -> Iterator[slice]:
    """Intervals that are planned at once, one horizon after the other."""
    length = settings.horizon_hours * 60 // study.time.step_minutes
    for first in range(0, study.time.steps, length):
        yield slice(first, min(first + length, study.time.steps))


def make_operator(study: Study, network: Network, steps: slice, method: str) -> GridOperator:
    """The grid operator's view: what members without a community draw is known, the rest is not."""
    members = study.community.member_by_id
    others = [asset for asset in study.community.assets if not members[asset.member].cluster]
    p_kw, q_kvar = follow_profiles(study, others, steps)
    bus = np.array([study.grid.bus_index[members[asset.member].bus] for asset in others], dtype=np.int64)
    limits = study.limits.window(steps.start, steps.stop)
    time = window_of(study.profiles, steps).time
    return GridOperator(network, limits, Injections(bus, p_kw.T, q_kvar.T), time, method)


def energy_price(study: Study, steps: slice) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What energy costs in some intervals, shape (steps,)."""
    assert study.prices is not None
    return study.prices.import_price_per_kwh[steps]


@contextmanager
def _pool(communities: int, workers: int) -> Iterator[Executor | None]:
    """Processes for the communities where there are enough of them; the answers do not depend on it."""
    if communities < POOL_FROM or workers < 2:
        yield None
        return
    # Not forked: threads of compiled kernels do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, communities), mp_context=context) as pool:
        yield pool
