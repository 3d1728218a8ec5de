"""Communities that plan heat and power: their schedules, and what they sell when a voltage is out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gridcommons.day.field import Field
from gridcommons.day.outcomes import Planned, Scheduled
from gridcommons.model.profiles import Profiles
from gridcommons.model.settings import read_settings
from gridcommons.scheduling.capability import make_operator, schedule_horizon
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.energy_hub import make_hub
from gridcommons.scheduling.horizon_result import HorizonResult
from gridcommons.scheduling.requirements import require_scheduling
from gridcommons.scheduling.settings import Settings

SCHEDULING = "scheduling"


def schedule_communities(field: Field, known: Profiles, *, with_round: bool) -> Scheduled:
    """What communities do by what is known, with rounds of reactive power or without.

    Raises
    ------
    StudyError
        What their devices need is missing.
    InfeasibleError
        A community has no schedule: which law cannot hold, when, and by how much.
    """
    # The interval is a forecast, too: what is bought leaves the room that envelopes leave.
    limits = field.study.limits.with_margin(field.settings.envelope_margin_share)
    study = replace(field.study, profiles=known, limits=limits)
    asked = read_settings(Settings, study.tasks.get(SCHEDULING, {}), SCHEDULING)
    settings = replace(asked, reactive_round=with_round and asked.reactive_round)
    require_scheduling(study, settings)
    assert study.prices is not None  # refused before
    shape = (study.time.steps, len(field.scheduled))
    place = {field.assets[k].asset: column for column, k in enumerate(field.scheduled.tolist())}
    found = Scheduled(np.zeros(shape), np.zeros(shape), np.zeros(len(field.hubs)), np.zeros(shape[0]))
    start: Mapping[str, float] = {}
    length = settings.horizon_hours * 60 // study.time.step_minutes
    for first in range(0, study.time.steps, length):
        steps = slice(first, min(first + length, study.time.steps))
        communities = [Community(make_hub(study, name, steps, start), settings) for name in field.hubs]
        operator = make_operator(study, field.network, steps, field.engines.method)
        price = study.prices.import_price_per_kwh[steps]
        result = schedule_horizon(communities, operator, settings, price)
        start = {asset: state for plan in result.final.values() for asset, state in plan.end.items()}
        _read(found, result, steps, place)
        found.paid[:] += [result.paid_to(name) for name in field.hubs]
    return found


def with_schedules(field: Field, planned: Planned, scheduled: Scheduled) -> Planned:
    """Plans of everybody with those of communities that planned anew."""
    plan_kw, plan_kvar = planned.plan_kw.copy(), planned.plan_kvar.copy()
    plan_kw[:, field.scheduled], plan_kvar[:, field.scheduled] = scheduled.p_kw, scheduled.q_kvar
    return replace(planned, plan_kw=plan_kw, plan_kvar=plan_kvar)


def _read(found: Scheduled, result: HorizonResult, steps: slice, place: Mapping[str, int]) -> None:
    for plan in result.final.values():
        for day in plan.devices:
            column = place.get(day.asset)
            if column is not None:
                found.p_kw[steps, column], found.q_kvar[steps, column] = day.p_kw, day.q_kvar
    bought = np.abs(result.outcome.bought_kvar).sum(axis=0) * result.time.step_hours
    found.bought_kvarh[steps.start + result.outcome.called] = bought
