"""The task ``control``: a year behind the meter, scenario by scenario, and what the station sees of it.

Two runs come first: today's mix, whose peak sets the station's limit, and the future mix without stores,
whose load is what is forecast. All others follow from them and are independent: as many at a time as
there are workers, the same bytes whatever their number. A finished one is kept and never repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

import numpy as np

from gridcommons.control.forecasts import make_forecaster
from gridcommons.control.households import GENERATING, Households, make_households
from gridcommons.control.runs import ANY_STRESS, Desk, FinishedRun, Job, finish_run
from gridcommons.control.scenarios import BASES, Scenario, read_scenario
from gridcommons.control.settings import Settings
from gridcommons.control.station import view_grid
from gridcommons.control.summary import summarise
from gridcommons.control.tables import limit_table, run_tables
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.model.members import Community, refuse_three_phase
from gridcommons.model.results import LazyTables, Result
from gridcommons.model.study import Study
from gridcommons.ports import Engines

__all__ = ["Settings", "run"]

TODAY_KINDS = ("load", "demand_response", *GENERATING)
"""What counts as today's where a study says nothing about today."""


def run(study: Study, settings: Settings, engines: Engines) -> Result:
    """Every scenario of the settings, with the load flow of each interval.

    Raises
    ------
    StudyError
        With everything that keeps the households from being controlled.
    """
    refuse_three_phase(study.grid, "control")
    mixes = _Mixes(study)
    desk = Desk(study, settings, view_grid(study, engines.method), _prices(study), mixes.owns_store)
    scenarios = [read_scenario(name) for name in settings.scenarios]
    book = _Runs(desk, mixes, engines)
    first = _needed_first(scenarios, settings)
    later = [scenario for scenario in scenarios if scenario not in first]
    total = len(first) + sum(len(settings.stress) if _is_by_stress(s, settings) else 1 for s in later)
    with engines.progress("scenario-years", 2 * total * study.time.steps) as advance:
        unknown_kw = np.full((2, study.time.steps), np.nan)
        base = book.finish([Job(scenario, ANY_STRESS, np.nan) for scenario in first], unknown_kw, advance)
        limits_kw = _limits_kw(settings, base)
        if settings.station_limit == "hold":
            book.desk = replace(desk, loss_share=_loss_share(_of(base, BASES[1]), min(limits_kw.values())))
        forecast_kw = _forecast(desk, base, any(scenario.measures for scenario in later))
        jobs = [job for scenario in later for job in _jobs(scenario, settings, limits_kw)]
        runs = {**base, **book.finish(jobs, forecast_kw, advance)}
    shown = [job for scenario in scenarios for job in runs if job.scenario == scenario]
    engines.sink.write("station_limits", limit_table(settings.stress, limits_kw))
    for job in shown:
        for table, columns in run_tables(study, mixes.of(job.scenario), job, runs[job], limits_kw):
            engines.sink.write(table, columns)
    summary = summarise(study, {job: runs[job] for job in shown}, mixes.of, limits_kw)
    return Result("control", LazyTables(engines.sink.readers()), summary, {})


class _Mixes:
    """The households of each mix, made when first asked for."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def of(self, scenario: Scenario) -> Households:
        """The households of a scenario."""
        if scenario.is_today:
            return self._today
        return self._with_stores if scenario.has_stores else self._without_stores

    @cached_property
    def owns_store(self) -> BoolArray:
        """Who has a battery or a tank in the future mix, shape (households,)."""
        plant = self._with_stores.plant
        return np.asarray((plant.battery_high_kwh > 0.0) | (plant.tank_kwh > 0.0))

    @cached_property
    def _today(self) -> Households:
        community = self.study.today
        if community is None:
            every = self.study.community
            kept = tuple(asset for asset in every.assets if asset.kind in TODAY_KINDS)
            community = Community(every.members, tuple(replace(asset, flexible=False) for asset in kept))
        return make_households(self.study, community, with_stores=True)

    @cached_property
    def _without_stores(self) -> Households:
        return make_households(self.study, self.study.community, with_stores=False)

    @cached_property
    def _with_stores(self) -> Households:
        # Profiles are the same with and without stores, and large: they are shared.
        plain = self._without_stores
        stores = make_households(self.study, self.study.community, with_stores=True)
        shared = ("load_kw", "load_kvar", "generation_kw", "car_kw", "car_plugged", "heat_kw", "cop")
        same = {
            name: getattr(plain.plant, name)
            for name in shared
            if np.array_equal(getattr(plain.plant, name), getattr(stores.plant, name))
        }
        return replace(stores, plant=stores.plant._replace(**same))


class _Runs:
    """Runs jobs on the workers, and takes those that are finished already."""

    def __init__(self, desk: Desk, mixes: _Mixes, engines: Engines) -> None:
        self.desk, self.mixes, self.engines = desk, mixes, engines

    def finish(
        self, jobs: list[Job], forecast_kw: FloatArray, advance: Callable[[int], None]
    ) -> dict[Job, FinishedRun]:
        """Each job's run."""
        for job in jobs:
            self.mixes.of(job.scenario)
        with ThreadPoolExecutor(max(1, self.engines.workers)) as pool:
            work = [pool.submit(self._one, job, forecast_kw, advance) for job in jobs]
            try:
                return {job: part.result() for job, part in zip(jobs, work, strict=True)}
            finally:
                # After an error or an interruption what has not begun shall not begin any more.
                pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, job: Job, forecast_kw: FloatArray, advance: Callable[[int], None]) -> FinishedRun:
        steps = self.desk.study.time.steps
        key = self._key(job)
        kept = self.engines.finished.load(key)
        if kept is not None:
            advance(2 * steps)
            return FinishedRun(**kept)
        run = finish_run(self.desk, self.mixes.of(job.scenario), job, forecast_kw, advance)
        self.engines.finished.save(key, run.arrays())
        return run

    def _key(self, job: Job) -> dict[str, Any]:
        """Everything that the run depends on."""
        study, settings = self.desk.study, asdict(self.desk.settings)
        for shown in ("scenarios", "stress"):
            del settings[shown]
        return {
            "scenario": job.scenario.name,
            "stress": job.stress,
            "limit_kw": job.limit_kw,
            "loss_share": self.desk.loss_share,
            "inputs_sha256": study.inputs_sha256,
            "seed": study.seed,
            "method": self.engines.method,
            "settings": settings,
        }


def _prices(study: Study) -> FloatArray:
    """Price of import (with the network fee) and of feed-in, shape (2, steps); NaN where there is none."""
    if study.prices is None:
        return np.full((2, study.time.steps), np.nan)
    fee = np.nan_to_num(study.prices.network_fee_per_kwh)
    return np.stack([study.prices.import_price_per_kwh + fee, study.prices.export_price_per_kwh])


def _needed_first(scenarios: Iterable[Scenario], settings: Settings) -> list[Scenario]:
    """Scenarios that others need: today's peak, and the load without stores that is forecast."""
    wanted = list(scenarios)
    today, base = (read_scenario(name) for name in BASES[:2])
    first = []
    if settings.station_limit_kw is None or today in wanted:
        first.append(today)
    holds = settings.station_limit == "hold" and any(scenario.has_stores for scenario in wanted)
    if base in wanted or holds or any(scenario.measures for scenario in wanted):
        first.append(base)
    return first


def _is_by_stress(scenario: Scenario, settings: Settings) -> bool:
    return scenario.depends_on_stress or (settings.station_limit == "hold" and scenario.has_stores)


def _jobs(scenario: Scenario, settings: Settings, limits_kw: dict[str, float]) -> list[Job]:
    if not _is_by_stress(scenario, settings):
        return [Job(scenario, ANY_STRESS, np.nan)]
    return [Job(scenario, stress, limit_kw) for stress, limit_kw in limits_kw.items()]


def _limits_kw(settings: Settings, base: dict[Job, FinishedRun]) -> dict[str, float]:
    """The station's limit at each stress: today's peak, of which it is the stated share [kW]."""
    peak_kw = settings.station_limit_kw
    if peak_kw is None:
        peak_kw = _peak_kw(_of(base, BASES[0]))
    return {stress: peak_kw / share for stress, share in settings.stress.items()}


def _of(base: dict[Job, FinishedRun], name: str) -> FinishedRun:
    return next(run for job, run in base.items() if job.scenario.name == name)


def _peak_kw(today: FinishedRun) -> float:
    """Today's peak, if it is one [kW]."""
    unsolved = int((~np.isfinite(today.p_kw)).sum())
    known = "or give station_limit_kw"
    if unsolved:
        found = f"{unsolved} intervals of {BASES[0]} without an operable load flow"
        raise StudyError([Problem("study.toml", found, "a grid that can carry today's mix", known)])
    peak_kw = float(today.p_kw.max())
    if peak_kw <= 0.0:
        found = f"a highest station load of {peak_kw:.4g} kW under {BASES[0]}"
        expected = "a window in which the station delivers: its peak sets the limit"
        raise StudyError([Problem("study.toml", found, expected, known, table="time")])
    return peak_kw


def _loss_share(base: FinishedRun, limit_kw: float) -> float:
    """Load losses as a share of the load where that is near the station's limit, the worst of the year.

    They are the grid's at such a load, and no forecast: a held limit leaves them as its margin.
    """
    near = np.flatnonzero(base.p_kw > 0.9 * limit_kw)
    return float((base.p_kw[near] / base.dc_kw[near] - 1.0).max(initial=0.0))


def _forecast(desk: Desk, base: dict[Job, FinishedRun], is_needed: bool) -> FloatArray:
    """Forecast of the load without storage, and of what owners of stores feed in, (2, steps) [kW]."""
    if not is_needed:
        return np.full((2, desk.study.time.steps), np.nan)
    settings = desk.settings
    forecaster = make_forecaster(settings.forecast, settings.forecast_quantile)
    measured = _of(base, BASES[1])
    series = (measured.p_kw, measured.surplus_kw)
    return np.stack([forecaster.forecast(each, desk.study.time) for each in series])
