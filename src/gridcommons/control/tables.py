"""The result tables of control; names and columns are a contract (docs/results.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from gridcommons.control.dispatch import Part, Sum
from gridcommons.control.households import Households
from gridcommons.control.measures import MEASURE_FUNCTIONS
from gridcommons.control.runs import DIRECTIONS, FinishedRun, Job, balance_kwh, violations
from gridcommons.control.station import KINDS
from gridcommons.model.grid import FloatArray
from gridcommons.model.results import Columns, text_column
from gridcommons.model.study import Study

Texts = npt.NDArray[np.object_]


def run_tables(
    study: Study, households: Households, job: Job, run: FinishedRun, limits_kw: Mapping[str, float]
) -> Iterator[tuple[str, Columns]]:
    """All tables of one finished run, name and rows; a run for any stress is counted at each."""
    yield "station_load", _station_load(study, job, run)
    yield "household_energy", _household_energy(households, job, run)
    yield "grid_extremes", _grid_extremes(study, job, run)
    yield "bus_voltages", _voltages(study, job, run)
    yield "branch_loadings", _loadings(study, job, run)
    if len(run.call_measure):
        yield "measure_calls", _calls(study, job, run)
    stresses = [job.stress] if job.stress in limits_kw else list(limits_kw)
    yield "violation_counts", _counts(study, job, run, {stress: limits_kw[stress] for stress in stresses})


def limit_table(shares: Mapping[str, float], limits_kw: Mapping[str, float]) -> Columns:
    """Rows of ``station_limits``."""
    return {
        "stress": text_column(list(shares)),
        "share": np.array(list(shares.values())),
        "limit_kw": np.array([limits_kw[stress] for stress in shares]),
    }


def _station_load(study: Study, job: Job, run: FinishedRun) -> Columns:
    parts = {
        "load_kw": Part.LOAD_KW,
        "generation_kw": Part.GENERATION_KW,
        "car_kw": Part.CAR_KW,
        "heat_pump_kw": Part.PUMP_KW,
        "battery_kw": Part.BATTERY_KW,
        "battery_kwh": Part.BATTERY_KWH,
        "tank_kwh": Part.TANK_KWH,
        "charging_put_off_kwh": Part.CAR_DEBT_KWH,
        "heat_put_off_kwh": Part.HEAT_DEBT_KWH,
    }
    return {
        **_keys(job, len(run.p_kw)),
        "time": study.time.stamps(),
        "p_kw": run.p_kw,
        "dc_kw": run.dc_kw,
        **{name: run.parts[column] for name, column in parts.items()},
        "grid_broken": run.grid_broken,
    }


def _household_energy(households: Households, job: Job, run: FinishedRun) -> Columns:
    sums = run.sums
    generation, fed_in = sums[:, Sum.GENERATION], sums[:, Sum.FED_IN]
    cost = sums[:, Sum.IMPORT_COST] - sums[:, Sum.FEED_IN_REVENUE]
    return {
        **_keys(job, len(households)),
        "member": text_column(households.member),
        "consumption_kwh": sums[:, Sum.LOAD] + sums[:, Sum.CAR] + sums[:, Sum.PUMP],
        "deferred_kwh": sums[:, Sum.CAR_DEFERRED] + sums[:, Sum.HEAT_DEFERRED],
        "unserved_kwh": sums[:, Sum.UNSERVED_HEAT],
        "carried_kwh": run.end[:, 2] + run.end[:, 3],
        "generation_kwh": generation,
        "imported_kwh": sums[:, Sum.IMPORTED],
        "fed_in_kwh": fed_in,
        "charging_kwh": sums[:, Sum.CAR],
        "heat_kwh": sums[:, Sum.HEAT],
        "charging_deferred_kwh": sums[:, Sum.CAR_DEFERRED],
        "heat_deferred_kwh": sums[:, Sum.HEAT_DEFERRED],
        "charging_delay_hours": _ratio(sums[:, Sum.CAR_DELAY_KWH_H], sums[:, Sum.CAR]),
        "heat_delay_hours": _ratio(sums[:, Sum.HEAT_DELAY_KWH_H], sums[:, Sum.HEAT]),
        "self_consumption_share": _ratio(generation - fed_in, generation),
        "cost": cost,
        "balance_kwh": balance_kwh(run, households),
    }


def _grid_extremes(study: Study, job: Job, run: FinishedRun) -> Columns:
    """Where the grid came nearest to its limits, one row an element and kind that can be broken at all."""
    grid, limits = study.grid, study.limits
    names = [*grid.buses.name, *grid.buses.name, *grid.branches.name]
    kinds = np.repeat(np.arange(3), [len(grid.buses), len(grid.buses), len(grid.branches)])
    limit = np.concatenate([_at(getattr(limits, kind), run, kinds == k) for k, kind in enumerate(KINDS)])
    # An unsupplied bus and a branch without a rating have nothing to say.
    keep = np.isfinite(run.extreme_value) & np.isfinite(limit)
    keep &= ~((kinds == 2) & (run.extreme_value <= 0.0))
    return {
        **_keys(job, int(keep.sum())),
        "element": text_column(names)[keep],
        "kind": text_column(KINDS)[kinds[keep]],
        "value": run.extreme_value[keep],
        "limit": limit[keep],
        "time": study.time.stamps()[run.extreme_step[keep]],
        "intervals": run.extreme_intervals[keep],
    }


def _at(limit: FloatArray, run: FinishedRun, which: npt.NDArray[np.bool_]) -> FloatArray:
    """The limit of each element in its own worst interval."""
    rows = np.minimum(run.extreme_step[which], len(limit) - 1)
    return np.asarray(limit[rows, np.arange(limit.shape[1])])


def _voltages(study: Study, job: Job, run: FinishedRun) -> Columns:
    count = len(study.grid.buses)
    return {
        "time": np.repeat(study.time.stamps()[run.snapshot_step], count),
        **_keys(job, count),
        "bus": text_column(study.grid.buses.name),
        "vm_pu": run.vm_pu,
    }


def _loadings(study: Study, job: Job, run: FinishedRun) -> Columns:
    branches = study.grid.branches
    return {
        "time": np.repeat(study.time.stamps()[run.snapshot_step], len(branches)),
        **_keys(job, len(branches)),
        "branch": text_column(branches.name),
        "kind": text_column(branches.kind),
        "loading_percent": run.loading_percent,
    }


def _calls(study: Study, job: Job, run: FinishedRun) -> Columns:
    stamps, step = study.time.stamps(), np.timedelta64(study.time.step_minutes, "m")
    return {
        **_keys(job, len(run.call_measure)),
        "measure": text_column(list(MEASURE_FUNCTIONS))[run.call_measure],
        "time": stamps[run.call_steps[:, 0]],
        "until": stamps[run.call_steps[:, 1] - 1] + step,
    }


def _counts(study: Study, job: Job, run: FinishedRun, limits_kw: Mapping[str, float]) -> Columns:
    rows = [(stress, direction) for stress in limits_kw for direction in DIRECTIONS]
    broken = [violations(run.p_kw, limits_kw[stress], direction) for stress, direction in rows]
    excess = [
        float(np.nansum((np.abs(run.p_kw) - limits_kw[stress])[which])) * study.time.step_hours
        for (stress, _), which in zip(rows, broken, strict=True)
    ]
    return {
        "scenario": text_column([job.scenario.name] * len(rows)),
        "stress": text_column([stress for stress, _ in rows]),
        "direction": text_column([direction for _, direction in rows]),
        "intervals": np.array([int(which.sum()) for which in broken]),
        "excess_kwh": np.array(excess),
    }


def _keys(job: Job, count: int) -> dict[str, Texts]:
    return {"scenario": text_column([job.scenario.name] * count), "stress": text_column([job.stress] * count)}


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Part of a whole; NaN where there is nothing to have a part of."""
    has = whole > 0.0
    return np.where(has, part / np.where(has, whole, 1.0), np.nan)
