"""Cheapest plans of many devices in the common form: each alone, or all under limits that they share.

min Σ ½ q_i u_it² + c_it u_it, with the law and the bounds of each device (``devices/chain.py``), and for all
together rows of shared limits D u ≤ room + E s, s ≥ 0, at ρ a unit of s. Alone, each device is planned by
its own interior-point method (``chain_kernels``). Together they share one: every Newton step solves the
devices by the same recursion and the shared rows by their Schur complement D H⁻¹ Dᵀ, which is as small as
there are rows that could bind. Only rows that are broken without them are taken in, until none is.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.optimisation import chain_kernels as kernels
from gridcommons.optimisation.chain_arrays import BOUNDS, Goal, Law, Point, Products, make_step
from gridcommons.optimisation.devices.chain import Chains, furthest, has_plan
from gridcommons.ports import cores

TOLERANCE = 1e-9
"""Complementarity and slope of an optimal plan, against the largest price."""

ROW_TOLERANCE_KW = 1e-6
"""By how much a shared row may be broken before it is taken in."""

MOST_ROUNDS, USUAL_ROUNDS = 210, 60
"""As for devices alone: what is not found in the usual rounds is planned anew along the central path."""

DEVICES_AT_ONCE = 256
"""Devices of one piece of work; a multiple keeps the pieces, and so the answer, the same on any machine."""

MOST_NAMED = 5
"""Devices that an error names; it counts the rest."""

WORTH_A_THREAD = 1024
"""Devices from which waking another thread costs less than it saves."""


@dataclass(frozen=True, eq=False)
class SharedLimits:
    """Rows that devices share: matrix[r] · load of the groups at step[r] ≤ room[r] + relief[r] · s.

    Parameters
    ----------
    group : (devices,)
        Group of each device: its load point.
    matrix : (rows, groups)
        How much of a group's load counts in a row.
    step : (rows,)
        Interval of each row.
    room_kw : (rows,)
        What the devices may use [kW].
    relief : (rows, slacks)
        Which rows a unit of slack relaxes; without columns nothing is relaxed.
    relief_price : float
        What a unit of slack costs over one interval, in the unit of ``cost``.
    """

    group: IntArray
    matrix: FloatArray
    step: IntArray
    room_kw: FloatArray
    relief: FloatArray
    relief_price: float = 0.0

    def used_kw(self, power_kw: FloatArray) -> FloatArray:
        """What the devices use of each row, shape (rows,) [kW]."""
        load_kw = np.zeros((self.matrix.shape[1], power_kw.shape[1]))
        np.add.at(load_kw, self.group, power_kw)
        return np.asarray(np.einsum("rn,nr->r", self.matrix, load_kw[:, self.step]))

    def rows(self, which: IntArray) -> SharedLimits:
        """Some of the rows, with the slacks that relax them."""
        return replace(
            self,
            matrix=self.matrix[which],
            step=self.step[which],
            room_kw=self.room_kw[which],
            relief=self.relief[which],
        )


@dataclass(frozen=True, eq=False)
class SharedPlan:
    """Plans under shared limits.

    Parameters
    ----------
    power_kw : (devices, steps)
        Power of each device [kW].
    mu : (rows,)
        Dual of each row, 0 or more, in the unit of ``cost``.
    slack_kw : (slacks,)
        What was relaxed [kW].
    rounds : int
        Iterations of the interior-point method, over all passes.
    """

    power_kw: FloatArray
    mu: FloatArray
    slack_kw: FloatArray
    rounds: int


def plan_devices(chains: Chains, curvature: FloatArray, cost: FloatArray) -> FloatArray:
    """Cheapest plan of each device on its own, shape (devices, steps) [kW].

    Parameters
    ----------
    chains : Chains
        The devices.
    curvature : (devices,)
        q, above 0: what makes the answer to a price unique.
    cost : (devices, steps)
        c, of either sign.

    Raises
    ------
    InfeasibleError
        With every device that cannot be kept within its bounds, and where it first fails.
    NotConvergedError
        With devices whose plan was not found, though they have one.
    """
    law, point = _law(chains), _point(chains)
    goal = Goal(np.ascontiguousarray(curvature), np.ascontiguousarray(cost))

    def piece(span: tuple[int, int]) -> IntArray:
        room = make_step(1, chains.steps)
        return kernels.plan_each(law, goal, point, room, TOLERANCE, span)

    taken = np.concatenate([np.zeros(0, np.int64), *_in_pieces(piece, len(chains))])
    if (taken == 0).any():
        raise _why_not(chains, np.flatnonzero(taken == 0))
    return np.clip(point.u, chains.power_low, chains.power_high)


def plan_shared(chains: Chains, curvature: FloatArray, cost: FloatArray, limits: SharedLimits) -> SharedPlan:
    """Cheapest plans of all devices under the limits that they share.

    Parameters
    ----------
    chains, curvature, cost
        As for ``plan_devices``.
    limits : SharedLimits
        The rows; where ``relief`` has no column for a row, it must hold.

    Raises
    ------
    InfeasibleError
        If a device cannot be kept within its bounds.
    NotConvergedError
        If no plan was found: without relief, most likely because there is none.
    """
    power_kw = plan_devices(chains, curvature, cost)
    taken_in = np.zeros(0, dtype=np.int64)
    plan = SharedPlan(power_kw, np.zeros(0), np.zeros(limits.relief.shape[1]), 0)
    while True:
        allowed_kw = limits.room_kw + limits.relief @ plan.slack_kw
        over_kw = limits.used_kw(plan.power_kw) - allowed_kw
        over_kw[taken_in] = 0.0
        broken = np.flatnonzero(over_kw > ROW_TOLERANCE_KW)
        if not len(broken):
            mu = np.zeros(len(limits.room_kw))
            mu[taken_in] = plan.mu
            return replace(plan, mu=mu)
        taken_in = np.sort(np.concatenate([taken_in, broken]))
        found = _Together(chains, curvature, cost, limits.rows(taken_in)).solve()
        plan = replace(found, rounds=plan.rounds + found.rounds)


class _Together:
    """One interior-point method over all devices, the rows that they share, and the slacks of these."""

    def __init__(self, chains: Chains, curvature: FloatArray, cost: FloatArray, limits: SharedLimits) -> None:
        self.chains, self.limits, self.own_cost = chains, limits, cost
        self.law, self.point = _law(chains), _point(chains)
        self.step = make_step(len(chains), chains.steps)
        self.goal = Goal(np.ascontiguousarray(curvature), np.array(cost))
        self.group = np.ascontiguousarray(limits.group, dtype=np.int64)
        self.hours, self.hour_of_row = np.unique(limits.step, return_inverse=True)
        self.slack_used = np.flatnonzero(np.abs(limits.relief).any(axis=0))
        self.relief = limits.relief[:, self.slack_used]
        self.own_scale = max(float(np.abs(cost).max()), float(np.max(curvature)))
        self.scale = max(self.own_scale, limits.relief_price)
        self._begin()

    def _begin(self) -> None:
        """Devices well inside their bounds; of the rows the gap y and its dual λ, slacks s and their ζ."""
        limits = self.limits
        kernels.begin(self.law, self.point, self.scale, (0, len(self.chains)))
        used = limits.used_kw(self.point.u)
        self.y = np.maximum(limits.room_kw - used, 1.0)
        self.mu = np.minimum(self.scale / self.y, max(0.5 * limits.relief_price, 1e-3) or np.inf)
        self.s = np.ones(len(self.slack_used))
        self.zeta = np.full(len(self.slack_used), max(0.5 * limits.relief_price, 1e-3))
        self.dy, self.dmu = np.zeros_like(self.y), np.zeros_like(self.mu)
        self.ds, self.dzeta = np.zeros_like(self.s), np.zeros_like(self.zeta)

    def solve(self) -> SharedPlan:
        """Iterate until complementary, feasible and stationary."""
        limits, slope = self.limits, 0.0
        for iteration in range(MOST_ROUNDS):
            if iteration == USUAL_ROUNDS:
                self._begin()
            self._price()
            total, count, _ = self._products(0.0)
            mean = total / count
            if self._is_solved(mean, slope):
                slack = np.zeros(limits.relief.shape[1])
                slack[self.slack_used] = self.s
                power_kw = np.clip(self.point.u, self.chains.power_low, self.chains.power_high)
                return SharedPlan(power_kw, self.mu, slack, iteration)
            self._each(lambda span: kernels.factor_all(self.law, self.goal, self.point, self.step, span))
            try:
                system = self._schur()
            except LinAlgError:
                break
            if iteration < USUAL_ROUNDS:
                ahead, _, _ = self._products(self._direction(system, 0.0, corrected=False))
                target = mean * (max(ahead, 0.0) / total) ** 3
                alpha = self._direction(system, target, corrected=True)
            else:
                alpha = self._path_step(system, total, mean)
                if alpha == 0.0:
                    break
            self._advance(alpha)
            slope = self._slope()
        raise NotConvergedError(
            f"plans of {len(self.chains)} devices under {len(limits.room_kw)} shared limits: no answer after "
            f"{iteration + 1} iterations, worst breach {self._error():.3g} kW"
        )

    def _is_solved(self, mean: float, slope: float) -> bool:
        # Against the prices that are paid: a relief price that nobody pays says nothing about a plan.
        scale = max(self.own_scale, float(self.mu.max()))
        return (
            self._error() < kernels.PRIMAL_TOLERANCE
            and mean < TOLERANCE * scale
            and slope < kernels.SLOPE_TOLERANCE * scale
        )

    def _price(self) -> None:
        """Cost of each device: its own, and the duals of the rows above it."""
        price = np.zeros((self.limits.matrix.shape[1], self.chains.steps))
        np.add.at(price.T, self.limits.step, self.mu[:, None] * self.limits.matrix)
        np.add(self.own_cost, price[self.group], out=self.goal.cost)

    def _each(self, work: Callable[[tuple[int, int]], Any]) -> list[Any]:
        return _in_pieces(work, len(self.chains))

    def _schur(self) -> Any:
        """D H⁻¹ Dᵀ + y/λ + E s/ζ Eᵀ, factorised."""
        groups, hours = self.limits.matrix.shape[1], len(self.hours)

        def piece(span: tuple[int, int]) -> FloatArray:
            answer = np.zeros((groups, hours, hours))
            kernels.answer_all(self.law, self.step, self.group, self.hours, answer, span)
            return answer

        answer = np.sum(self._each(piece), axis=0)
        row = self.hour_of_row
        weighted = np.einsum(
            "rn,qn,nrq->rq", self.limits.matrix, self.limits.matrix, answer[:, row][:, :, row]
        )
        weighted += (self.relief * (self.s / self.zeta)) @ self.relief.T
        weighted[np.diag_indices_from(weighted)] += self.y / self.mu
        return cho_factor(weighted)

    def _direction(self, system: Any, target: float, *, corrected: bool) -> float:
        """All changes at a target complementarity; the longest step that stays inside."""
        aim = (target, corrected)
        self._each(lambda span: kernels.direct_all(self.law, self.goal, self.point, self.step, aim, span))
        limits = self.limits
        aim_y, aim_s = target - self.y * self.mu, target - self.s * self.zeta
        if corrected:
            aim_y, aim_s = aim_y - self.dy * self.dmu, aim_s - self.ds * self.dzeta
        left_s = limits.relief_price - self.relief.T @ self.mu - self.zeta
        left_y = limits.room_kw + self.relief @ self.s - limits.used_kw(self.point.u) - self.y
        free_s = (aim_s - self.s * left_s) / self.zeta
        right = aim_y / self.mu - self.relief @ free_s + limits.used_kw(self.step.u) - left_y
        self.dmu = cho_solve(system, right)
        extra = np.zeros((limits.matrix.shape[1], self.chains.steps))
        np.add.at(extra.T, limits.step, self.dmu[:, None] * limits.matrix)
        self._each(lambda span: kernels.price_all(self.law, self.step, extra, self.group, span))
        self.dzeta = left_s - self.relief.T @ self.dmu
        self.ds = (aim_s - self.s * self.dzeta) / self.zeta
        self.dy = (aim_y - self.y * self.dmu) / self.mu
        alphas = self._each(lambda span: kernels.follow_all(self.law, self.point, self.step, aim, span))
        pairs = ((self.y, self.dy), (self.mu, self.dmu), (self.s, self.ds), (self.zeta, self.dzeta))
        return float(min(1.0, *alphas, *(_longest(value, change) for value, change in pairs)))

    def _path_step(self, system: Any, total: float, mean: float) -> float:
        """A step along the central path: how far it goes, 0 if nowhere."""
        alpha = self._direction(system, kernels.CENTRING * mean, corrected=False)
        while not kernels.is_on_path(alpha, total, self._products(alpha)):
            alpha *= kernels.SHORTER
            if alpha < kernels.SHORTEST:
                return 0.0
        return alpha

    def _products(self, alpha: float) -> Products:
        """Slacks times duals after a step, of devices and rows."""
        parts = self._each(lambda span: kernels.products_all(self.point, self.step, alpha, span))
        of_y, of_s = self.y * self.mu, self.s * self.zeta
        if alpha > 0.0:
            of_y = (self.y + alpha * self.dy) * (self.mu + alpha * self.dmu)
            of_s = (self.s + alpha * self.ds) * (self.zeta + alpha * self.dzeta)
        total = sum(part[0] for part in parts) + float(of_y.sum() + of_s.sum())
        least = min(*(part[2] for part in parts), float(of_y.min()), float(of_s.min(initial=np.inf)))
        return total, sum(part[1] for part in parts) + len(of_y) + len(of_s), least

    def _advance(self, alpha: float) -> None:
        self._each(lambda span: kernels.advance_all(self.point, self.step, alpha, span))
        self.y, self.mu = self.y + alpha * self.dy, self.mu + alpha * self.dmu
        self.s, self.zeta = self.s + alpha * self.ds, self.zeta + alpha * self.dzeta

    def _error(self) -> float:
        """Worst breach of any account of a bound or row [kW]."""
        parts = self._each(lambda span: kernels.error_all(self.law, self.goal, self.point, span))
        limits = self.limits
        left_y = limits.room_kw + self.relief @ self.s - limits.used_kw(self.point.u) - self.y
        return float(max(float(np.abs(left_y).max()), *(part[0] for part in parts)))

    def _slope(self) -> float:
        """Worst slope that nothing balances."""
        self._price()
        parts = self._each(lambda span: kernels.error_all(self.law, self.goal, self.point, span))
        left_s = self.limits.relief_price - self.relief.T @ self.mu - self.zeta
        return float(max(float(np.abs(left_s).max(initial=0.0)), *(part[1] for part in parts)))


def _longest(value: FloatArray, change: FloatArray) -> float:
    """Longest step that keeps all values positive."""
    down = change < 0.0
    if not down.any():
        return 1.0
    return float(min(1.0, kernels.TO_BOUNDARY * (-value[down] / change[down]).min()))


def _law(chains: Chains) -> Law:
    six = np.empty((len(chains), chains.steps, BOUNDS))
    six[:, :, 0], six[:, :, 1] = chains.power_low, chains.power_high
    six[:, :, 2::2], six[:, :, 3::2] = chains.state_low, chains.state_high
    free = chains.power_high > chains.power_low
    arrays = (chains.transition, chains.effect, chains.drift, chains.start)
    transition, effect, drift, start = (np.ascontiguousarray(array) for array in arrays)
    return Law(transition, effect, drift, start, six, free)


def _point(chains: Chains) -> Point:
    shape = (len(chains), chains.steps)
    six = (*shape, BOUNDS)
    return Point(np.zeros(shape), np.zeros((*shape, 2)), np.ones(six), np.zeros(six))


def _in_pieces(work: Callable[[tuple[int, int]], Any], devices: int) -> list[Any]:
    """Work on all devices in pieces, on all cores; pieces are the same whatever their number."""
    spans = [(start, min(start + DEVICES_AT_ONCE, devices)) for start in range(0, devices, DEVICES_AT_ONCE)]
    if devices < WORTH_A_THREAD:
        return [work(span) for span in spans]
    return list(_pool().map(work, spans))


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that stay: a plan asks for them some hundred times."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="plans")


def _why_not(chains: Chains, which: IntArray) -> InfeasibleError | NotConvergedError:
    """Which devices have no plan, and where the most or the least power first fails to keep their bounds."""
    some = chains.take(which)
    lines: list[str] = []
    said: set[int] = set()
    for bound, sign, word in ((some.state_low, -1.0, "below"), (some.state_high, 1.0, "above")):
        beyond = sign * (furthest(some, -sign) - bound)
        for device in np.flatnonzero((beyond > 1e-9).any(axis=(1, 2))):
            said.add(int(device))
            step, state = np.argwhere(beyond[device] > 1e-9)[0]
            lines.append(
                f"{some.name[device]} is {word} its bound {bound[device, step, state]:.4g} by "
                f"{beyond[device, step, state]:.3g} at interval {step}, whatever its power"
            )
    unsaid = [device for device in range(len(some)) if device not in said]
    lines += [f"{some.name[k]} has no plan within its bounds" for k in unsaid if not has_plan(some, k)]
    kind = InfeasibleError if lines else NotConvergedError
    lines = lines or [f"{name} has a plan that was not found" for name in some.name]
    more = f"; and {len(lines) - MOST_NAMED} more devices" if len(lines) > MOST_NAMED else ""
    return kind("; ".join(lines[:MOST_NAMED]) + more)
