"""The task ``day``: one operating day, from forecast to statements.

Forecast, baselines, a dynamic tariff and a market the day before; envelopes and set-points in each interval;
local trades; then meters, postings and statements. The same day with nobody planning stands beside it, and a
table says what each instrument is worth.
"""

from __future__ import annotations

import numpy as np

from gridcommons.day.bills import cost_alone, is_settled, mean_price_per_kwh, postings_of
from gridcommons.day.field import make_field
from gridcommons.day.requirements import require_day
from gridcommons.day.settings import Settings
from gridcommons.day.summary import summarise
from gridcommons.day.tables import ALONE, BASELINE, PLANNED, REALISED, Told, tables_of
from gridcommons.day.timeline import Stages, instruments_of, run_alone, run_day
from gridcommons.day.worth import compare, ledger_of, realised_flow, stored_by_member_kwh
from gridcommons.model.finer_intervals import in_finer_intervals
from gridcommons.model.results import LazyTables, Result
from gridcommons.model.study import Study
from gridcommons.ports import Engines

__all__ = ["Settings", "run"]


def run(study: Study, settings: Settings, engines: Engines) -> Result:
    """The operating day of a study, with the instruments that it does not leave out.

    Raises
    ------
    StudyError
        Gates, prices or devices that the stages need are missing or contradict each other.
    NotConvergedError
        An interval without operable load flow.
    """
    study = in_finer_intervals(study, settings.interval_minutes)
    field = make_field(study, settings, engines)
    require_day(field)
    stages, instruments = Stages(field), instruments_of(field)
    with engines.progress("the operating day", 2) as advance:
        alone = run_alone(stages)
        advance(1)
        day = run_day(stages, instruments)
        advance(1)
    accounts = compare(stages, instruments) if settings.worth else []
    plans = {BASELINE: day.baseline.plan_kw, PLANNED: day.final.plan_kw}
    power_kw = {ALONE: alone.p_kw, **plans, REALISED: day.done.p_kw}
    flows = {
        ALONE: field.flow(alone.p_kw, alone.q_kvar),
        BASELINE: field.flow(day.baseline.plan_kw, day.baseline.plan_kvar),
        PLANNED: field.flow(day.final.plan_kw, day.final.plan_kvar),
        REALISED: realised_flow(field, day),
    }
    postings = postings_of(ledger_of(field, day, flows[REALISED])) if is_settled(study) else []
    less_kwh = stored_by_member_kwh(field, alone) - stored_by_member_kwh(field, day.done)
    cost = np.zeros(len(study.community.members))
    if postings and study.prices is not None:
        # Alone, too, only what is held at the end of the day is paid for.
        cost = cost_alone(field, alone) - np.round(mean_price_per_kwh(study.prices) * less_kwh, 2)
    told = Told(field, day, alone, flows, power_kw, postings, cost, less_kwh, accounts)
    for name, columns in tables_of(told):
        if len(next(iter(columns.values()))):
            engines.sink.write(name, columns)
    provenance = {"step_minutes": study.time.step_minutes}
    return Result("day", LazyTables(engines.sink.readers()), summarise(told), provenance)
