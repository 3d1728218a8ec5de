"""The dynamic tariff: prices at which aggregators, planning for themselves, keep the grid's limits.

The DSO minimises the plans of all price-responsive devices together,

    min Σ ½ B p² + λ p   subject to   D (p + p_fixed) ≤ F (+ s, at ρ a kWh),

and publishes DT[n, t] = Σ_l D[l, n] μ[l, t], the duals of the limits above each load point (SMART-MLA, final
report of project 64018-0302, 2022, §5.1). Since B > 0, an aggregator's answer to a price is unique, and at
these prices it is the DSO's own plan. Relaxed, 0 ≤ μ ≤ ρ, and μ = ρ wherever s > 0.

D are the factors of the DC load flow; what the AC load flow carries beyond them (losses, reactive power, low
voltages) is taken off F, at the plan found, until both agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.flexibility.check import GridState, GridView, check_plan
from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.limits import linear_limits
from gridcommons.flexibility.settings import Settings
from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.flexibility import LimitRows
from gridcommons.model.grid import FloatArray
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.chain_plans import SharedLimits, plan_shared

NO_PRICE_PER_KWH = 1e4
"""A limit that holds at no tariff up to this one cannot be held by a tariff."""

TOLERANCE_KW = 0.05
"""How far the AC load flow may be beyond the limits, and the linear rows from it."""

ROUGH_KW = 1.0
"""The same where no price holds the limits: which of several is then broken is not unique."""

PRICED_PER_KWH = 1e-6
"""A dual above this is a price; beside duals above 1, above this share of the largest."""

MOST_PASSES = 12


@dataclass(frozen=True, eq=False)
class TariffProblem:
    """What a tariff is computed from: the grid, the devices, and their plan without it."""

    view: GridView
    fleet: Fleet
    settings: Settings
    baseline_kw: FloatArray

    def solve(self, cap_per_kwh: float) -> TariffPlan:
        """The tariff relaxed at a cap ρ.

        Raises
        ------
        NotConvergedError
            If linear rows and AC load flow do not come together.
        """
        plan_kw, state = self.baseline_kw, check_plan(self.view, self.fleet, self.baseline_kw)
        for _ in range(MOST_PASSES):
            plan = self.linearise(plan_kw, state).at(cap_per_kwh)
            plan_kw, state = plan.power_kw, plan.state
            if plan.off_kw < (ROUGH_KW if plan.is_beyond_price else TOLERANCE_KW):
                return plan
        raise NotConvergedError(
            f"tariff at a cap of {cap_per_kwh:g} per kWh: after {MOST_PASSES} linearisations the AC load "
            f"flow is still {plan.off_kw:.3g} kW off"
        )

    def linearise(self, plan_kw: FloatArray, state: GridState) -> LinearTariff:
        """The problem with the limits as they are around one load flow."""
        fleet, moved = self.fleet, ~self.fleet.reprofiling
        used_kw = fleet.at_load_points(plan_kw, moved)
        most_kw = fleet.at_load_points(fleet.chains.power_high, moved)
        rows = linear_limits(state, fleet.load_points, most_kw - used_kw)
        return LinearTariff(self, plan_kw, state, rows)


@dataclass(frozen=True, eq=False)
class LinearTariff:
    """A tariff problem with linear limits about one load flow."""

    problem: TariffProblem
    plan_kw: FloatArray
    state: GridState
    rows: LimitRows

    @cached_property
    def limit_kw(self) -> FloatArray:
        """F: what all load together may use of each row, shape (rows,) [kW]."""
        return self.rows.room_kw + self.rows.used_kw(self.state.load_kw[self.problem.fleet.load_points])

    @cached_property
    def relief(self) -> FloatArray:
        """Which rows a slack relaxes: its own, or all above a load point at one interval; (rows, slacks)."""
        rows = self.rows
        if self.problem.settings.tariff_cap_on == "limit":
            return np.eye(len(rows))
        relief = np.zeros((len(rows), rows.matrix.shape[1], len(self.problem.fleet.spot_per_kwh)))
        relief[np.arange(len(rows)), :, rows.step] = rows.matrix
        return relief.reshape(len(rows), -1)

    def at(self, cap_per_kwh: float) -> TariffPlan:
        """The tariff at a cap ρ."""
        fleet, rows = self.problem.fleet, self.rows
        devices = np.flatnonzero(~fleet.reprofiling)
        movable = fleet.chains.take(devices)
        own_kw = self.rows.used_kw(fleet.at_load_points(self.plan_kw, ~fleet.reprofiling))
        shared = SharedLimits(
            group=fleet.load_point[devices],
            matrix=rows.matrix,
            step=rows.step,
            room_kw=rows.room_kw + own_kw,
            relief=self.relief,
            relief_price=cap_per_kwh * fleet.step_hours,
        )
        cost = np.tile(fleet.spot_per_kwh * fleet.step_hours, (len(movable), 1))
        found = plan_shared(movable, fleet.curvature(len(movable)), cost, shared)
        power_kw = self.plan_kw.copy()
        power_kw[devices] = found.power_kw
        mu_per_kwh = found.mu / fleet.step_hours
        # A slack of a load point relaxes every limit above it; not each of them is broken by as much.
        beyond_kw = shared.used_kw(found.power_kw) - shared.room_kw
        slack_kw = np.clip(beyond_kw, 0.0, np.maximum(self.relief @ found.slack_kw, 0.0))
        return TariffPlan(self, cap_per_kwh, power_kw, mu_per_kwh, slack_kw)


@dataclass(frozen=True, eq=False)
class TariffPlan:
    """A tariff and what follows from it.

    Parameters
    ----------
    linear : LinearTariff
        The problem that it solves.
    cap_per_kwh : float
        ρ.
    power_kw : (devices, steps)
        The DSO's plan: price-responsive devices as the tariff moves them, the others as before [kW].
    mu_per_kwh : (rows,)
        Dual of each limit.
    slack_kw : (rows,)
        s: by how much the plan is beyond it [kW].
    """

    linear: LinearTariff
    cap_per_kwh: float
    power_kw: FloatArray
    mu_per_kwh: FloatArray
    slack_kw: FloatArray

    @cached_property
    def state(self) -> GridState:
        """AC load flow of the plan."""
        return check_plan(self.linear.problem.view, self.linear.problem.fleet, self.power_kw)

    @cached_property
    def tariff_per_kwh(self) -> FloatArray:
        """DT, shape (load points, steps)."""
        rows, fleet = self.linear.rows, self.linear.problem.fleet
        tariff = np.zeros((len(fleet.load_points), len(fleet.spot_per_kwh)))
        np.add.at(tariff.T, rows.step, self.mu_per_kwh[:, None] * rows.matrix)
        return tariff

    @cached_property
    def off_kw(self) -> float:
        """How far the AC load flow at the plan is from what the plan's rows said of it.

        Above a limit and its slack for every row; on either side for a row that has a price.
        """
        rows = self.linear.rows
        now = self.linear.problem.linearise(self.power_kw, self.state).rows
        room_kw = dict(zip(now.places(), now.room_kw, strict=True))
        off_kw, price = 0.0, PRICED_PER_KWH * max(1.0, float(self.mu_per_kwh.max(initial=0.0)))
        for row, key in enumerate(rows.places()):
            over_kw = -room_kw.pop(key, np.inf) - self.slack_kw[row]
            off_kw = max(off_kw, abs(over_kw) if self.mu_per_kwh[row] > price else over_kw)
        return max(off_kw, *(-float(room) for room in room_kw.values()), 0.0)

    @property
    def is_beyond_price(self) -> bool:
        """Whether some limit stays broken although a price no tariff would ask is put on it."""
        return self.cap_per_kwh >= NO_PRICE_PER_KWH and bool((self.slack_kw > TOLERANCE_KW).any())

    @property
    def revenue(self) -> float:
        """Σ μ F: the tariff on as much load as the limits allow; the source's meaning of revenue."""
        return float(self.mu_per_kwh @ self.linear.limit_kw) * self.linear.problem.fleet.step_hours

    @property
    def revenue_on_plan(self) -> float:
        """Σ μ (F + s): the tariff on all planned load, fixed load included."""
        hours = self.linear.problem.fleet.step_hours
        return float(self.mu_per_kwh @ (self.linear.limit_kw + self.slack_kw)) * hours

    @property
    def revenue_on_flexible(self) -> float:
        """The tariff on the load of the price-responsive devices alone."""
        fleet = self.linear.problem.fleet
        load_kw = fleet.at_load_points(self.power_kw, ~fleet.reprofiling)
        return float((self.tariff_per_kwh * load_kw).sum()) * fleet.step_hours

    def shortfalls(self) -> list[tuple[str, int, float]]:
        """Limits that stay broken: element, interval, by how much [kW]."""
        rows = self.linear.rows
        return [
            (rows.element[row], int(rows.step[row]), float(self.slack_kw[row]))
            for row in np.flatnonzero(self.slack_kw > TOLERANCE_KW)
        ]


def plain_tariff(problem: TariffProblem) -> TariffPlan:
    """The tariff that holds all limits.

    Raises
    ------
    InfeasibleError
        If no tariff does: which limit stays broken at which hour, and by how much at least.
    """
    plan = problem.solve(NO_PRICE_PER_KWH)
    short = plan.shortfalls()
    if short:
        raise InfeasibleError("no tariff holds the limits: " + say_shortfalls(short, problem.view.study.time))
    return plan


def say_shortfalls(shortfalls: Sequence[tuple[str, int, float]], time: TimeAxis) -> str:
    """Limits that stay broken, for a reader."""
    return "; ".join(
        f"{element} at {time.local(step):%Y-%m-%d %H:%M} lacks {over_kw:,.1f} kW"
        for element, step, over_kw in shortfalls
    )
