"""Envelopes around a plan, found on load flows alone, beside the largest sum of widths on the same grid.

Both sides are handed the same grid, limits, devices and fixed loads. The optimum is asked for one interval
at a time, in which it is fastest on a large grid, and on the most loaded intervals alone: of a whole day it
would take more than a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from gridcommons.benchmarks.timing import load_example, measure
from gridcommons.envelopes.around_plan import Surroundings, envelopes_around
from gridcommons.envelopes.at_rest import settle_at_rest
from gridcommons.envelopes.problem import Plan, Window, make_plan
from gridcommons.envelopes.settings import Settings
from gridcommons.envelopes.sharing import share_window
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.limits import Limits
from gridcommons.model.study import Study
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import Injections

INTERVALS = 12
"""Most loaded intervals on which both sides are compared."""

MARGIN_SHARE = 0.02
"""What is left of each limit: as the operating day leaves it unless a study says otherwise."""


@dataclass(frozen=True, eq=False)
class Ends:
    """Envelopes of some intervals: lower and upper ends, shape (steps, devices) each [kW]."""

    p_min_kw: FloatArray
    p_max_kw: FloatArray


@dataclass(frozen=True, eq=False)
class EnvelopeWork:
    """What both sides are handed: a study as arrays, its limits already with the margin.

    The plan is what the devices would do uncontrolled.
    """

    plan: Plan

    @property
    def every(self) -> IntArray:
        """All intervals."""
        return np.arange(len(self.plan.planned_kw))

    @cached_property
    def limits(self) -> Limits:
        """Limits of every interval."""
        return self.plan.study.limits.window(0, len(self.every))

    @property
    def rest_kw(self) -> FloatArray:
        """Every device as near to nothing as it can be, shape (intervals, devices) [kW]."""
        return np.asarray(np.clip(0.0, self.plan.low_kw, self.plan.high_kw))

    def most_loaded(self, count: int) -> IntArray:
        """Intervals in which plans and fixed loads together draw most, in the order of time."""
        drawn_kw = self.plan.planned_kw.sum(axis=1) + self.plan.p_fixed_kw.sum(axis=1)
        return np.sort(np.argsort(-drawn_kw, kind="stable")[:count])

    def limits_of(self, steps: IntArray) -> Limits:
        """Limits of some intervals."""
        return Limits(*(getattr(self.limits, column.name)[steps] for column in fields(Limits)))

    def around_plan(self, steps: IntArray) -> Ends:
        """Envelopes around the plan, all intervals together, as the operating day asks for them."""
        plan = self.plan
        around = Surroundings(
            network=plan.network,
            limits=self.limits_of(steps),
            bus=plan.terminals.bus,
            tan=plan.tan_phi,
            fixed_kw=plan.p_fixed_kw[steps],
            fixed_kvar=plan.q_fixed_kvar[steps],
            fixed_bus=plan.every.bus,
        )
        found = envelopes_around(around, plan.planned_kw[steps], (plan.low_kw[steps], plan.high_kw[steps]))
        return Ends(found.p_min_kw, found.p_max_kw)

    def max_total(self, steps: IntArray) -> Ends:
        """The largest sum of widths, interval by interval."""
        found = [_max_total(self.plan.window(step, step + 1)) for step in steps.tolist()]
        return Ends(*(np.concatenate(ends) for ends in zip(*found, strict=True)))

    def widest_break(self, steps: IntArray, p_kw: FloatArray) -> float:
        """By how much the worst limit is broken with the devices at a power [pu or share of the rating].

        By power-grid-model's Newton method, of which neither side has made use, and with every device a
        column of its own. Negative: what is left of the limit that is nearest. Infinite: no load flow.
        """
        plan, limits = self.plan, self.limits_of(steps)
        chosen = np.array(plan.study.community.controllable, dtype=np.int64)
        all_kw, all_kvar = plan.p_fixed_kw[steps], plan.q_fixed_kvar[steps]
        all_kw[:, chosen] += p_kw
        all_kvar[:, chosen] += p_kw * plan.tan_phi
        flow = solve_power_flow(plan.network, Injections(plan.every.bus, all_kw, all_kvar), method="newton")
        vm_pu, loading_percent = flow.vm_pu(), flow.loading_percent()
        over_share = (loading_percent - limits.loading_max_percent) / 100.0
        over = np.concatenate([limits.vm_min_pu - vm_pu, vm_pu - limits.vm_max_pu, over_share], axis=1)
        return float(np.nanmax(over)) if flow.solved.all() else float("inf")


def envelopes_around_plan() -> dict[str, Any]:
    """The devices of 319 households on an operating day: a day of envelopes, and twelve intervals of it."""
    return compare_with_optimum(load_example("schutterwald_day"), INTERVALS)


def compare_with_optimum(study: Study, intervals: int, repeats: int = 3) -> dict[str, Any]:
    """Both sides on the most loaded intervals of a study, and envelopes around the plan on all of them.

    Parameters
    ----------
    study : Study
        With a balanced grid and something that can be controlled.
    intervals : int
        How many of its intervals both sides are given.
    repeats : int
        How often each is timed.
    """
    work = make_work(study)
    steps = work.most_loaded(intervals)
    plan_kw = work.plan.planned_kw[steps]
    whole_day = measure(lambda: work.around_plan(work.every), repeats)
    ours = measure(lambda: work.around_plan(steps), repeats)
    # What takes seconds is not done once more for its answer.
    found: list[Ends] = []
    optimum = measure(lambda: found.append(work.max_total(steps)), repeats)
    around, best = work.around_plan(steps), found[-1]
    return {
        "buses": len(study.grid.buses),
        "devices": len(work.plan.asset),
        "intervals": len(work.every),
        "around_plan_whole_day_s": whole_day.median,
        "intervals_compared": len(steps),
        "around_plan_s": ours.median,
        "max_total_s": optimum.median,
        "ratio": optimum.median / ours.median,
        "width_kw": _widths(work.rest_kw[steps], around, best),
        "plan_outside_kw": {
            "plan": float(np.abs(plan_kw).sum()),
            "around_plan": _outside_kw(plan_kw, around),
            "max_total": _outside_kw(plan_kw, best),
        },
        "widest_break": {
            "plan": work.widest_break(steps, plan_kw),
            "around_plan": _at_both_ends(work, steps, around),
            "around_plan_whole_day": _at_both_ends(work, work.every, work.around_plan(work.every)),
            "max_total": _at_both_ends(work, steps, best),
        },
        "goal": "a day of envelopes in at most 1 s, no limit broken at the ends by more than 1e-6",
    }


def make_work(study: Study) -> EnvelopeWork:
    """The arrays of a study, at each interval every battery as full as at the start of the first."""
    study = replace(study, limits=study.limits.with_margin(MARGIN_SHARE))
    return EnvelopeWork(make_plan(study, build_network(study.grid), Settings(soc_path="initial")))


def _max_total(window: Window) -> tuple[FloatArray, FloatArray]:
    everyone = np.ones(len(window.asset), dtype=np.bool_)
    rest = settle_at_rest(window, ~everyone)
    boxes = share_window(window, rest, [everyone], "max_total")
    return boxes.rest_kw - boxes.down_kw, boxes.rest_kw + boxes.up_kw


def _widths(rest_kw: FloatArray, around: Ends, best: Ends) -> dict[str, dict[str, float | None]]:
    """Sums of the widths on either side of rest [kW], and the first's share of the second."""
    rows: dict[str, dict[str, float | None]] = {}
    for side, ours_kw, best_kw in (
        ("upper", around.p_max_kw - rest_kw, best.p_max_kw - rest_kw),
        ("lower", rest_kw - around.p_min_kw, rest_kw - best.p_min_kw),
    ):
        ours, optimum = float(ours_kw.sum()), float(best_kw.sum())
        # Where nothing can inject there are no lower widths, and there is nothing to have a share of.
        share = ours / optimum if optimum > 0.0 else None
        rows[side] = {"around_plan": ours, "max_total": optimum, "share": share}
    return rows


def _outside_kw(plan_kw: FloatArray, ends: Ends) -> float:
    """How much of a plan is beyond the ends, over all intervals [kW]."""
    return float(np.abs(plan_kw - np.clip(plan_kw, ends.p_min_kw, ends.p_max_kw)).sum())


def _at_both_ends(work: EnvelopeWork, steps: IntArray, ends: Ends) -> float:
    """The widest break with all devices at one end, of either."""
    return max(work.widest_break(steps, p_kw) for p_kw in (ends.p_min_kw, ends.p_max_kw))
