"""The headline figures of control."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gridcommons.control.dispatch import Sum
from gridcommons.control.households import Households
from gridcommons.control.runs import DIRECTIONS, FinishedRun, Job, balance_kwh, stores_outside_kwh, violations
from gridcommons.control.scenarios import Scenario
from gridcommons.model.study import Study

UNSERVED_KWH = 1e-6
"""Less heat than this over a year is rounding."""


def summarise(
    study: Study,
    runs: Mapping[Job, FinishedRun],
    households_of: Callable[[Scenario], Households],
    limits_kw: Mapping[str, float],
) -> dict[str, Any]:
    """The summary; docs/results.md says what each figure is."""
    pairs = [(run, households_of(job.scenario)) for job, run in runs.items()]
    counts = {direction: _counts(runs, limits_kw, direction) for direction in DIRECTIONS}
    intervals = sum(len(run.p_kw) for run in runs.values())
    return {
        "households": len(study.community.members),
        "steps": study.time.steps,
        "scenario_years": len(runs),
        "limits_kw": dict(limits_kw),
        "load_violations": counts["load"],
        "feed_in_violations": counts["feed_in"],
        "grid_violations": _each(runs, lambda run: int(run.grid_broken.sum())),
        "binding_intervals": _each(runs, lambda run: len(run.binding)),
        "binding_share": sum(len(run.binding) for run in runs.values()) / intervals,
        "unavoidable_kwh": _each(runs, lambda run: float(run.slack_kw.sum() * study.time.step_hours)),
        "unsolved_intervals": sum(int(run.counts[0]) for run in runs.values()),
        "ac_over_dc_share": _ac_over_dc(runs),
        "unserved_heat_kwh": _each(runs, lambda run: float(run.sums[:, Sum.UNSERVED_HEAT].sum())),
        "households_unserved": _unserved(runs, households_of),
        "carried_past_the_end_kwh": _each(runs, lambda run: float(run.end[:, 2:].sum())),
        "worst_energy_balance_kwh": max(float(balance_kwh(*pair).max()) for pair in pairs),
        "worst_store_bound_kwh": max(stores_outside_kwh(*pair) for pair in pairs),
        "stores_doing_two_things": sum(int(run.counts[1]) for run in runs.values()),
    }


def _counts(
    runs: Mapping[Job, FinishedRun], limits_kw: Mapping[str, float], direction: str
) -> dict[str, dict[str, int]]:
    """Intervals above the limit by scenario and stress."""
    counts: dict[str, dict[str, int]] = {}
    for job, run in runs.items():
        row = counts.setdefault(job.scenario.name, {})
        for stress in [job.stress] if job.stress in limits_kw else limits_kw:
            row[stress] = int(violations(run.p_kw, limits_kw[stress], direction).sum())
    return counts


def _each(runs: Mapping[Job, FinishedRun], what: Callable[[FinishedRun], float]) -> dict[str, Any]:
    """A figure of every run by scenario; by stress below it, where it depends on that."""
    found: dict[str, dict[str, float]] = {}
    for job, run in runs.items():
        found.setdefault(job.scenario.name, {})[job.stress] = what(run)
    return {name: next(iter(row.values())) if len(row) == 1 else row for name, row in found.items()}


def _ac_over_dc(runs: Mapping[Job, FinishedRun]) -> float:
    """How far the exact load at the station's peak lies above the one without losses, worst of all runs."""
    shares = []
    for run in runs.values():
        at = int(np.nanargmax(run.p_kw))
        shares.append(run.p_kw[at] / run.dc_kw[at] - 1.0 if run.dc_kw[at] > 0.0 else 0.0)
    return float(max(shares))


def _unserved(runs: Mapping[Job, FinishedRun], households_of: Callable[[Scenario], Households]) -> list[str]:
    """Households whose heat pump was too small in some scenario, those with most unserved heat first."""
    worst: dict[str, float] = {}
    for job, run in runs.items():
        for member, heat_kwh in zip(
            households_of(job.scenario).member, run.sums[:, Sum.UNSERVED_HEAT].tolist(), strict=True
        ):
            if heat_kwh > UNSERVED_KWH:
                worst[member] = max(worst.get(member, 0.0), heat_kwh)
    return sorted(worst, key=lambda member: (-worst[member], member))
