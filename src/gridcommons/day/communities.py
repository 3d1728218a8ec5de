"""Communities that plan heat and power: their schedules of the day before, and what they sell with them.

What they have planned is one table of the whole day (``Scheduled``); whoever plans the rest of it anew writes
over the intervals that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gridcommons.day.community_powers import of_connections
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Planned, Scheduled
from gridcommons.model.grid import FloatArray, IntArray, Names
from gridcommons.model.profiles import Profiles
from gridcommons.model.settings import read_settings
from gridcommons.model.study import Study
from gridcommons.scheduling.capability import energy_price, horizons_of, make_operator, schedule_horizon
from gridcommons.scheduling.community import Community, Plan
from gridcommons.scheduling.constraints import HEAT_FEE, hours_of_days
from gridcommons.scheduling.energy_hub import EnergyHub, make_hub
from gridcommons.scheduling.grid_operator import GridOperator
from gridcommons.scheduling.horizon_result import HorizonResult
from gridcommons.scheduling.requirements import require_scheduling
from gridcommons.scheduling.settings import Settings

SCHEDULING = "scheduling"


@dataclass(frozen=True, eq=False)
class Council:
    """All communities of a day, and where they meet the grid.

    Parameters
    ----------
    field : Field
        The day.
    with_round : bool
        Whether the grid operator may buy reactive power.
    """

    field: Field
    with_round: bool

    @cached_property
    def settings(self) -> Settings:
        """Settings of communities and rounds: those of the study's task ``scheduling``."""
        asked = read_settings(Settings, self.field.study.tasks.get(SCHEDULING, {}), SCHEDULING)
        return replace(asked, reactive_round=self.with_round and asked.reactive_round)

    def rows_of(self, community: str) -> IntArray:
        """Which connections are a community's."""
        return np.flatnonzero([name == community for name, _ in self.field.connections])

    @cached_property
    def horizons(self) -> tuple[slice, ...]:
        """Intervals that are planned at once."""
        return tuple(horizons_of(self.field.study, self.settings))

    def study(self, known: Profiles, plan_kw: FloatArray, margin_share: float) -> Study:
        """The study as it is known, with limits that leave a margin.

        Cars, houses and batteries that no community plans draw what they have planned, (steps, assets) [kW].
        """
        field, columns = self.field, dict(known.columns)
        for k in (*field.chained.tolist(), *field.stored.tolist()):
            columns[field.assets[k].asset] = plan_kw[:, k]
        limits = field.study.limits.with_margin(margin_share)
        return replace(field.study, profiles=replace(known, columns=columns), limits=limits)

    def operator(self, study: Study, steps: slice) -> GridOperator:
        """The grid operator's view of some intervals."""
        return make_operator(study, self.field.network, steps, self.field.engines.method)


def serving_all(hub: EnergyHub) -> EnergyHub:
    """A community that leaves no load unserved: the day serves all of it."""
    return replace(hub, may_shed=False)


def schedule_communities(
    field: Field, known: Profiles, plan_kw: FloatArray, *, with_round: bool
) -> Scheduled:
    """What communities do by what is known, with rounds of reactive power or without.

    Parameters
    ----------
    plan_kw : (steps, assets)
        What everybody else has planned [kW].

    Raises
    ------
    StudyError
        What their devices need is missing.
    InfeasibleError
        A community has no schedule: which law cannot hold, when, and by how much.
    """
    council = Council(field, with_round)
    # The interval is a forecast, too: what is bought leaves the room that envelopes leave.
    study = council.study(known, plan_kw, field.settings.envelope_margin_share)
    require_scheduling(study, council.settings)
    found: Scheduled | None = None
    start: Mapping[str, float] = {}
    for steps in council.horizons:
        hubs = [serving_all(make_hub(study, name, steps, start)) for name in field.hubs]
        communities = [Community(hub, council.settings) for hub in hubs]
        operator = council.operator(study, steps)
        result = schedule_horizon(communities, operator, council.settings, energy_price(study, steps))
        if found is None:
            found = nothing_scheduled(council, result.final)
        start = {asset: state for plan in result.final.values() for asset, state in plan.end.items()}
        write_plans(found, council, result, steps)
        found.seen_kw[steps] = field.net_kw(known)[steps, field.scheduled]
    assert found is not None  # a window has an interval
    return found


def with_schedules(field: Field, planned: Planned, scheduled: Scheduled) -> Planned:
    """Plans of everybody with those of communities that planned anew."""
    tables = (planned.plan_kw.copy(), planned.plan_kvar.copy(), planned.seen_kw.copy())
    for table, theirs in zip(tables, (scheduled.p_kw, scheduled.q_kvar, scheduled.seen_kw), strict=True):
        table[:, field.scheduled] = theirs
    plan_kw, plan_kvar, seen_kw = tables
    cost = heat_costs(field, scheduled)
    return replace(planned, plan_kw=plan_kw, plan_kvar=plan_kvar, seen_kw=seen_kw, heat_cost=cost)


def heat_costs(field: Field, scheduled: Scheduled) -> FloatArray:
    """What heat and fuel cost each community, with the peak and the fee of each local day, (communities,).

    A community without a heating on a district network pays neither.
    """
    settings, time = Council(field, with_round=False).settings, field.study.time
    day = time.local_clock()[0]
    day = day - day[0]
    part = np.bincount(day) * time.step_hours / hours_of_days(time)
    peak_kw = np.zeros((len(part), len(field.hubs)))
    np.maximum.at(peak_kw, day, scheduled.heat_kw)
    daily = (settings.heat_peak_price_per_kw_day * peak_kw + settings.heat_fee_per_day) * scheduled.is_heated
    return np.asarray(scheduled.heat_cost.sum(axis=0) + part @ daily)


def nothing_scheduled(council: Council, plans: Mapping[str, Plan]) -> Scheduled:
    """A table of the whole day, still empty, with the states that these plans have."""
    field, steps = council.field, council.field.study.time.steps
    names: Names = tuple(name for plan in plans.values() for name in plan.states)

    def table(columns: int) -> FloatArray:
        return np.zeros((steps, columns))

    assets, hubs, connections = len(field.scheduled), len(field.hubs), len(council.field.connections)
    return Scheduled(
        p_kw=table(assets),
        q_kvar=table(assets),
        seen_kw=table(assets),
        state_name=np.array(names, dtype=np.str_),
        state=table(len(names)),
        heat_kw=table(hubs),
        heat_cost=table(hubs),
        is_heated=np.zeros(hubs, dtype=np.bool_),
        net_kw=table(connections),
        sold_kvar=table(connections),
        due_kvar=table(connections),
        paid=table(connections),
        planned_at=np.full((steps, hubs), -1, dtype=np.int64),
        rounds=np.zeros(steps, dtype=np.int64),
        kept=np.zeros(steps, dtype=np.int64),
    )


def write_plans(found: Scheduled, council: Council, result: HorizonResult, steps: slice) -> None:
    """What some intervals are planned to be, and what was sold with it."""
    field = council.field
    device = {field.assets[k].asset: column for column, k in enumerate(field.scheduled.tolist())}
    state = {name: column for column, name in enumerate(found.state_name.tolist())}
    for name, plan in result.final.items():
        for day in plan.devices:
            if day.asset in device:
                column = device[day.asset]
                found.p_kw[steps, column], found.q_kvar[steps, column] = day.p_kw, day.q_kvar
        for asset, values in plan.states.items():
            found.state[steps, state[asset]] = values
        hub = field.hubs.index(name)
        found.heat_kw[steps, hub], found.heat_cost[steps, hub] = plan.heat_kw, plan.heat_cost
        found.is_heated[hub] |= HEAT_FEE in plan.cost
        found.net_kw[steps, council.rows_of(name)] = plan.p_kw.T
    _enter_sales(found, field, result, steps)


def _enter_sales(found: Scheduled, field: Field, result: HorizonResult, steps: slice) -> None:
    """What was bought beyond what is due already, and what is due with it.

    A promise is never lowered: what a plan cannot give of it is missed, and bought again for nothing.
    """
    given_kvar = -found.q_kvar[steps] @ of_connections(field)
    for step, price, bought_kvar in _sales(result):
        place, given = steps.start + step, given_kvar[step]
        side = np.where(found.sold_kvar[place] != 0.0, np.sign(found.sold_kvar[place]), np.sign(bought_kvar))
        before = np.where(found.sold_kvar[place] != 0.0, found.due_kvar[place] * side, -np.inf)
        more = np.maximum(given * side - np.maximum(before, (given - bought_kvar) * side), 0.0)
        found.sold_kvar[place] += more * side
        found.paid[place] += price * more * side * field.study.time.step_hours
        found.due_kvar[place] = np.where(more > 0.0, given, found.due_kvar[place])


def _sales(result: HorizonResult) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Interval, price, and what was bought beyond the schedules, (connections,)."""
    outcome = result.outcome
    for column, step in enumerate(outcome.called.tolist()):
        yield step, outcome.price_per_kvarh[:, column], outcome.bought_kvar[:, column]
