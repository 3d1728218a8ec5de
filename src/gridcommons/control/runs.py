"""One scenario over the year: what is asked, what the households do, what the station and grid see.

A finished run is a mapping of plain arrays, so that it can be kept and need not be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridcommons.control.congestion import GridProgram, monitor
from gridcommons.control.dispatch import Sum
from gridcommons.control.households import Households
from gridcommons.control.measures import MEASURE_FUNCTIONS, Asked, Call, ask, make_forecast, make_signals
from gridcommons.control.rolling_horizon import ControlledYear, control_year
from gridcommons.control.scenarios import Scenario
from gridcommons.control.settings import Settings
from gridcommons.control.station import KINDS, Extremes, GridView, StationYear, flow_at, flow_year
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.model.study import Study

ANY_STRESS = "any"
"""Stress of a scenario that does not depend on it."""


@dataclass(frozen=True)
class Job:
    """A scenario at one stress; ``limit_kw`` is the station's limit there, NaN where none is needed."""

    scenario: Scenario
    stress: str
    limit_kw: float


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What is left of a scenario-year.

    Parameters
    ----------
    p_kw, dc_kw : (steps,)
        Station load by the exact load flow, and without losses [kW].
    parts : (parts, steps)
        Sums over the households, rows of ``Part``.
    sums, end : (households, sums), (households, 4)
        Columns of ``Sum``; at the end: energy in battery and tank, charging and heat put off [kWh].
    reach : (households, 4)
        Lowest and highest energy of battery and tank [kWh].
    grid_broken : (steps,)
        Where voltages or loadings were outside their limits.
    binding, slack_kw : (intervals,)
        Where a limit of the dispatch bound, and what was left above it [kW].
    extreme_value, extreme_step, extreme_intervals : (buses and branches,)
        Lowest voltages, highest voltages, highest loadings one after the other, as in ``KINDS``.
    snapshot_step : (1,)
        Interval of the highest station load.
    vm_pu, loading_percent : (buses,), (branches,)
        The grid then.
    call_measure, call_steps : (calls,), (calls, 2)
        Number of the measure in ``MEASURE_FUNCTIONS``, first interval, interval after the last.
    surplus_kw : (steps,)
        What the households that own a store in the future mix feed in [kW].
    counts : (3,)
        Intervals without an operable load flow, in which a tank did two things at once, and limits watched.
    """

    p_kw: FloatArray
    dc_kw: FloatArray
    parts: FloatArray
    sums: FloatArray
    end: FloatArray
    reach: FloatArray
    grid_broken: BoolArray
    binding: IntArray
    slack_kw: FloatArray
    extreme_value: FloatArray
    extreme_step: IntArray
    extreme_intervals: IntArray
    snapshot_step: IntArray
    vm_pu: FloatArray
    loading_percent: FloatArray
    call_measure: IntArray
    call_steps: IntArray
    surplus_kw: FloatArray
    counts: IntArray

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The run as plain arrays by name."""
        return dict(self.__dict__)


@dataclass(frozen=True, eq=False)
class Desk:
    """What every run of a study shares.

    Parameters
    ----------
    study, settings, view : Study, Settings, GridView
        What is asked, and the grid.
    price : (2, steps)
        Price of import and of feed-in.
    owns_store : (households,)
        Who has a battery or a tank in the future mix.
    loss_share : float
        How far the exact load lies above the one without load losses, near the station's peak: what the
        dispatch leaves as a margin where it holds the station's limit.
    """

    study: Study
    settings: Settings
    view: GridView
    price: FloatArray
    owns_store: BoolArray
    loss_share: float = 0.0


def finish_run(
    desk: Desk,
    households: Households,
    job: Job,
    forecast_kw: FloatArray,
    advance: Callable[[int], None],
) -> FinishedRun:
    """Control a scenario-year and look at its load flow.

    Parameters
    ----------
    desk : Desk
        What all runs share.
    households : Households
        The mix of the scenario.
    job : Job
        Scenario and stress.
    forecast_kw : (2, steps)
        Day-ahead forecast of the station's load without storage, and of what owners of stores feed in [kW].
    advance : callable
        Told how many intervals are done, each twice: controlled, and its load flow.
    """
    settings, study = desk.settings, desk.study
    forecast = make_forecast(forecast_kw, job.limit_kw, study.time)
    asked = ask(job.scenario.measures, Call(forecast, households, settings, study.seed))
    signals = make_signals(asked, households, settings, study.time.step_hours)
    program = _program(desk, households, job)
    year = control_year(households, signals, settings.order, desk.price, program=program, advance=advance)
    station = flow_year(desk.view, households, year.record.p_kw, year.record.q_kvar, advance)
    return _finished(desk, households, (year, station, asked), len(program.monitored.name))


def _program(desk: Desk, households: Households, job: Job) -> GridProgram:
    holds = desk.settings.station_limit == "hold" and job.scenario.has_stores
    held_kw = job.limit_kw / (1.0 + desk.loss_share) if holds else None
    monitored = monitor(desk.view, households, branches=desk.settings.grid_limits, station_limit_kw=held_kw)
    return GridProgram(households, monitored, desk.settings.order, desk.study.seed)


def _finished(
    desk: Desk, households: Households, found: tuple[ControlledYear, StationYear, Asked], limits: int
) -> FinishedRun:
    year, station, asked = found
    record, end = year.record, year.end
    known = np.where(np.isfinite(station.p_kw), station.p_kw, -np.inf)
    top = np.array([int(known.argmax())], dtype=np.int64)
    flow = flow_at(desk.view, households, record.p_kw, record.q_kvar, top)
    number = {name: place for place, name in enumerate(MEASURE_FUNCTIONS)}
    unsolved = int((~np.isfinite(station.p_kw)).sum())
    return FinishedRun(
        p_kw=station.p_kw,
        dc_kw=station.dc_kw,
        parts=record.parts,
        sums=record.sums,
        end=np.stack([end.battery_kwh, end.tank_kwh, end.car_debt_kwh, end.heat_debt_kwh], axis=1),
        reach=record.reach,
        grid_broken=station.extremes.any_broken,
        binding=year.binding,
        slack_kw=year.slack_kw,
        extreme_value=_joined(station.extremes, "value"),
        extreme_step=_joined(station.extremes, "step"),
        extreme_intervals=_joined(station.extremes, "intervals"),
        snapshot_step=top,
        vm_pu=flow.vm_pu()[0],
        loading_percent=flow.loading_percent()[0],
        call_measure=np.array([number[name] for name, _, _ in asked.calls], dtype=np.int64),
        call_steps=np.array([steps for _, *steps in asked.calls], dtype=np.int64).reshape(-1, 2),
        surplus_kw=np.maximum(-record.p_kw[desk.owns_store], 0.0).sum(axis=0),
        counts=np.array([unsolved, int(record.clash.sum()), limits], dtype=np.int64),
    )


def _joined(extremes: Extremes, what: str) -> npt.NDArray[Any]:
    return np.concatenate([getattr(extremes, what)[kind] for kind in KINDS])


def balance_kwh(run: FinishedRun, households: Households) -> FloatArray:
    """What is missing in each household's accounts over the year, the worst of five, (households,) [kWh].

    Electricity: imported + generated = fed in + load + cars + heat pump + charged − discharged. Battery and
    tank: change of energy = what went in − what came out. Cars: wanted = charged + still put off. Heat:
    wanted = delivered + unserved + still put off.
    """
    sums, plant, start = run.sums, households.plant, households.start
    battery_kwh, tank_kwh, car_debt_kwh, heat_debt_kwh = run.end.T
    meter = (
        sums[:, Sum.IMPORTED] + sums[:, Sum.GENERATION] + sums[:, Sum.DISCHARGED]
        - sums[:, Sum.FED_IN] - sums[:, Sum.LOAD] - sums[:, Sum.CAR]
        - sums[:, Sum.PUMP] - sums[:, Sum.CHARGED]
    )  # fmt: skip
    stored = plant.charge_share * sums[:, Sum.CHARGED] - sums[:, Sum.DISCHARGED] / plant.discharge_share
    battery = stored - (battery_kwh - start.battery_kwh)
    tank = sums[:, Sum.TANK_CHARGED] - sums[:, Sum.TANK_DISCHARGED] - (tank_kwh - start.tank_kwh)
    cars = sums[:, Sum.CAR_DEMAND] - sums[:, Sum.CAR] - car_debt_kwh
    heat = sums[:, Sum.HEAT_DEMAND] - sums[:, Sum.HEAT] - sums[:, Sum.UNSERVED_HEAT] - heat_debt_kwh
    return np.asarray(np.abs([meter, battery, tank, cars, heat]).max(axis=0))


def stores_outside_kwh(run: FinishedRun, households: Households) -> float:
    """How far any store left its bounds in any interval [kWh]."""
    plant, reach = households.plant, run.reach
    return float(
        max(
            np.max(plant.battery_low_kwh - reach[:, 0], initial=0.0),
            np.max(reach[:, 1] - plant.battery_high_kwh, initial=0.0),
            np.max(-reach[:, 2], initial=0.0),
            np.max(reach[:, 3] - plant.tank_kwh, initial=0.0),
        )
    )


def violations(p_kw: FloatArray, limit_kw: float, direction: str) -> BoolArray:
    """Where the station is above its limit, in one direction (``load`` or ``feed_in``), shape (steps,).

    An interval without an operable load flow counts as a violation: nobody could run it.
    """
    signed = p_kw if direction == "load" else -p_kw
    # Today's own peak is the limit of the critical level, and does not break it.
    return np.asarray(~(signed <= limit_kw * (1.0 + 1e-12))) & (np.isfinite(p_kw) | (direction == "load"))


DIRECTIONS = ("load", "feed_in")
