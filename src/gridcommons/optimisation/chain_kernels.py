"""The inner loops of planning chains: an interior-point method whose linear algebra is a Riccati recursion.

For one device the Newton step of min ½ q Σ u² + c·u within bounds is a linear-quadratic control problem:
the barrier puts weights on powers and states, the law x[t] = A x[t−1] + B[t] u[t] + w[t] couples them, and
one backward and one forward pass over the intervals solve it exactly (Rao, Wright, Rawlings, "Application of
interior-point methods to model predictive control", J. Optim. Theory Appl. 99, 1998, 723–757). A plan of a
day then costs microseconds, and the cost grows with the intervals, not with their cube.

Bounds of a device are one array, six an interval: power low and high, first state low and high, second state
low and high; infinite where there is none. Even ones are lower bounds.
"""

from __future__ import annotations

import numba
import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.optimisation.chain_arrays import BOUNDS, Aim, At, Goal, Law, Point, Span, Step

MOST_ITERATIONS = 80
PRIMAL_TOLERANCE, SLOPE_TOLERANCE = 1e-7, 1e-7
"""In the units of the bounds, and of the largest price: a slope beyond it is no longer rounding."""

WORTH_CORRECTING, USUAL_ITERATIONS = 0.1, 30
"""A method that has not ended by then may go in circles: a step shorter than this corrects no more."""

TO_BOUNDARY = 0.995
"""Share of the way to the nearest bound that a step goes."""


@numba.njit(cache=True, nogil=True, inline="always")
def _value(u: FloatArray, x: FloatArray, t: int, j: int) -> float:
    """What bound j limits at interval t."""
    return u[t] if j < 2 else x[t, (j - 2) // 2]  # type: ignore[no-any-return]


@numba.njit(cache=True, nogil=True)
def _roll(law: Law, i: int, u: FloatArray, x: FloatArray) -> None:
    """States under powers."""
    a, b, w = law.transition[i], law.effect[i], law.drift[i]
    x0, x1 = law.start[i, 0], law.start[i, 1]
    for t in range(len(u)):
        y0 = a[0, 0] * x0 + a[0, 1] * x1 + b[t, 0] * u[t] + w[t, 0]
        x1 = a[1, 0] * x0 + a[1, 1] * x1 + b[t, 1] * u[t] + w[t, 1]
        x0 = y0
        x[t, 0], x[t, 1] = x0, x1


@numba.njit(cache=True, nogil=True)
def _begin(law: Law, point: Point, scale: float, i: int) -> None:
    """Powers in the middle of their bounds, slacks and duals well inside; a dual of 0 marks no bound."""
    bound, free = law.bound[i], law.free[i]
    u, x, slack, dual = point.u[i], point.x[i], point.slack[i], point.dual[i]
    for t in range(len(u)):
        u[t] = 0.5 * (bound[t, 0] + bound[t, 1])
    _roll(law, i, u, x)
    for t in range(len(u)):
        for j in range(BOUNDS):
            slack[t, j], dual[t, j] = 1.0, 0.0
            if np.isfinite(bound[t, j]) and (j > 1 or free[t]):
                gap = _value(u, x, t, j) - bound[t, j]
                slack[t, j] = max(gap if j % 2 == 0 else -gap, 0.5)
                dual[t, j] = scale / slack[t, j]


@numba.njit(cache=True, nogil=True)
def _factor(law: Law, curvature: float, point: Point, step: Step, at: At) -> None:
    """Backward pass of the recursion: K and S of every interval."""
    i, k = at
    a, b, free = law.transition[i], law.effect[i], law.free[i]
    slack, dual, gain, pivot = point.slack[i], point.dual[i], step.gain[k], step.pivot[k]
    p00, p01, p11 = 0.0, 0.0, 0.0
    for t in range(len(free) - 1, -1, -1):
        m00 = p00 + dual[t, 2] / slack[t, 2] + dual[t, 3] / slack[t, 3]
        m11 = p11 + dual[t, 4] / slack[t, 4] + dual[t, 5] / slack[t, 5]
        m01, b0, b1 = p01, b[t, 0], b[t, 1]
        mb0, mb1 = m00 * b0 + m01 * b1, m01 * b0 + m11 * b1
        h0, h1 = a[0, 0] * mb0 + a[1, 0] * mb1, a[0, 1] * mb0 + a[1, 1] * mb1
        am00, am01 = m00 * a[0, 0] + m01 * a[1, 0], m00 * a[0, 1] + m01 * a[1, 1]
        am10, am11 = m01 * a[0, 0] + m11 * a[1, 0], m01 * a[0, 1] + m11 * a[1, 1]
        p00 = a[0, 0] * am00 + a[1, 0] * am10
        p01 = a[0, 0] * am01 + a[1, 0] * am11
        p11 = a[0, 1] * am01 + a[1, 1] * am11
        pivot[t], gain[t, 0], gain[t, 1] = 1.0, 0.0, 0.0
        if free[t]:
            s = curvature + dual[t, 0] / slack[t, 0] + dual[t, 1] / slack[t, 1] + b0 * mb0 + b1 * mb1
            p00, p01, p11 = p00 - h0 * h0 / s, p01 - h0 * h1 / s, p11 - h1 * h1 / s
            pivot[t], gain[t, 0], gain[t, 1] = s, -h0 / s, -h1 / s


@numba.njit(cache=True, nogil=True)
def _solve(law: Law, step: Step, at: At) -> None:
    """The step under the gradients ``push``: backward for the offsets, forward for the powers."""
    i, k = at
    a, b, free = law.transition[i], law.effect[i], law.free[i]
    gain, pivot, push_u, push_x = step.gain[k], step.pivot[k], step.push_u[k], step.push_x[k]
    du, dx = step.u[k], step.x[k]
    p0, p1 = 0.0, 0.0
    for t in range(len(free) - 1, -1, -1):
        m0, m1 = push_x[t, 0] + p0, push_x[t, 1] + p1
        offset = -(push_u[t] + b[t, 0] * m0 + b[t, 1] * m1) / pivot[t] if free[t] else 0.0
        p0 = a[0, 0] * m0 + a[1, 0] * m1 - gain[t, 0] * pivot[t] * offset
        p1 = a[0, 1] * m0 + a[1, 1] * m1 - gain[t, 1] * pivot[t] * offset
        du[t] = offset
    x0, x1 = 0.0, 0.0
    for t in range(len(free)):
        du[t] += gain[t, 0] * x0 + gain[t, 1] * x1
        y0 = a[0, 0] * x0 + a[0, 1] * x1 + b[t, 0] * du[t]
        x1 = a[1, 0] * x0 + a[1, 1] * x1 + b[t, 1] * du[t]
        x0 = y0
        dx[t, 0], dx[t, 1] = x0, x1


@numba.njit(cache=True, nogil=True)
def _push(law: Law, goal: Goal, point: Point, step: Step, aim: Aim, at: At) -> None:
    """Gradients of the barrier problem; with the ds·dz of the direction before where it corrects."""
    i, k = at
    bound, cost, curvature = law.bound[i], goal.cost[i], goal.curvature[i]
    u, x, slack, dual = point.u[i], point.x[i], point.slack[i], point.dual[i]
    ds, dz, push_u, push_x = step.slack[k], step.dual[k], step.push_u[k], step.push_x[k]
    for t in range(len(u)):
        push_u[t] = curvature * u[t] + cost[t]
        push_x[t, 0], push_x[t, 1] = 0.0, 0.0
        for j in range(BOUNDS):
            if dual[t, j] == 0.0:
                continue
            sign = 1.0 if j % 2 == 0 else -1.0
            residual = sign * (_value(u, x, t, j) - bound[t, j]) - slack[t, j]
            wanted = aim[0] - slack[t, j] * dual[t, j]
            if aim[1]:
                wanted -= ds[t, j] * dz[t, j]
            force = sign * (dual[t, j] + (wanted - dual[t, j] * residual) / slack[t, j])
            if j < 2:
                push_u[t] -= force
            else:
                push_x[t, (j - 2) // 2] -= force


@numba.njit(cache=True, nogil=True)
def _follow(law: Law, point: Point, step: Step, aim: Aim, at: At) -> float:
    """Steps of slacks and duals that belong to du, dx; the longest step that keeps them positive."""
    i, k = at
    bound, u, x = law.bound[i], point.u[i], point.x[i]
    slack, dual, du, dx = point.slack[i], point.dual[i], step.u[k], step.x[k]
    ds, dz = step.slack[k], step.dual[k]
    longest = 1.0 / TO_BOUNDARY
    for t in range(len(u)):
        for j in range(BOUNDS):
            if dual[t, j] == 0.0:
                continue
            sign = 1.0 if j % 2 == 0 else -1.0
            residual = sign * (_value(u, x, t, j) - bound[t, j]) - slack[t, j]
            wanted = aim[0] - slack[t, j] * dual[t, j]
            if aim[1]:
                wanted -= ds[t, j] * dz[t, j]
            ds[t, j] = sign * _value(du, dx, t, j) + residual
            dz[t, j] = (wanted - dual[t, j] * ds[t, j]) / slack[t, j]
            if ds[t, j] < 0.0:
                longest = min(longest, -slack[t, j] / ds[t, j])
            if dz[t, j] < 0.0:
                longest = min(longest, -dual[t, j] / dz[t, j])
    return min(1.0, TO_BOUNDARY * longest)


@numba.njit(cache=True, nogil=True)
def _complementarity(point: Point, step: Step, alpha: float, at: At) -> tuple[float, int]:
    """Σ of slack times dual after a step, and how many bounds there are."""
    slack, dual, ds, dz = point.slack[at[0]], point.dual[at[0]], step.slack[at[1]], step.dual[at[1]]
    total, count = 0.0, 0
    for t in range(slack.shape[0]):
        for j in range(BOUNDS):
            if dual[t, j] != 0.0:
                total += (slack[t, j] + alpha * ds[t, j]) * (dual[t, j] + alpha * dz[t, j])
                count += 1
    return total, count


@numba.njit(cache=True, nogil=True)
def _advance(point: Point, step: Step, alpha: float, at: At) -> None:
    """Take a step."""
    u, x, slack, dual = point.u[at[0]], point.x[at[0]], point.slack[at[0]], point.dual[at[0]]
    du, dx, ds, dz = step.u[at[1]], step.x[at[1]], step.slack[at[1]], step.dual[at[1]]
    for t in range(len(u)):
        u[t] += alpha * du[t]
        x[t, 0] += alpha * dx[t, 0]
        x[t, 1] += alpha * dx[t, 1]
        for j in range(BOUNDS):
            if dual[t, j] != 0.0:
                slack[t, j] += alpha * ds[t, j]
                dual[t, j] += alpha * dz[t, j]


@numba.njit(cache=True, nogil=True)
def _error(law: Law, goal: Goal, point: Point, i: int) -> tuple[float, float]:
    """Worst breach of a bound's account, and worst slope of a power that nothing balances."""
    a, b, bound, free = law.transition[i], law.effect[i], law.bound[i], law.free[i]
    u, x, slack, dual, cost = point.u[i], point.x[i], point.slack[i], point.dual[i], goal.cost[i]
    primal, stationary = 0.0, 0.0
    f0, f1 = 0.0, 0.0
    for t in range(len(u) - 1, -1, -1):
        for j in range(BOUNDS):
            if dual[t, j] != 0.0:
                gap = _value(u, x, t, j) - bound[t, j]
                primal = max(primal, abs((gap if j % 2 == 0 else -gap) - slack[t, j]))
        f0 += dual[t, 2] - dual[t, 3]
        f1 += dual[t, 4] - dual[t, 5]
        if free[t]:
            slope = goal.curvature[i] * u[t] + cost[t] - dual[t, 0] + dual[t, 1]
            stationary = max(stationary, abs(slope - b[t, 0] * f0 - b[t, 1] * f1))
        f0, f1 = a[0, 0] * f0 + a[1, 0] * f1, a[0, 1] * f0 + a[1, 1] * f1
    return primal, stationary


@numba.njit(cache=True, nogil=True)
def begin(law: Law, point: Point, scale: float, span: Span) -> None:
    """Start some devices well inside their bounds."""
    for i in range(span[0], span[1]):
        _begin(law, point, scale, i)


@numba.njit(cache=True, nogil=True)
def plan_each(law: Law, goal: Goal, point: Point, step: Step, tolerance: float, span: Span) -> IntArray:
    """Plans of devices that share nothing: iterations that each took, 0 where it reached no answer.

    ``tolerance`` is relative to the largest price; ``step`` has room for one device.
    """
    taken = np.zeros(span[1] - span[0], dtype=np.int64)
    for i in range(span[0], span[1]):
        at = (i, 0)
        scale = max(1e-3, np.abs(goal.cost[i]).max(), goal.curvature[i])
        _begin(law, point, scale, i)
        for iteration in range(1, MOST_ITERATIONS + 1):
            total, count = _complementarity(point, step, 0.0, at)
            primal, stationary = _error(law, goal, point, i)
            mean = total / max(count, 1)
            if (
                primal < PRIMAL_TOLERANCE
                and mean < tolerance * scale
                and stationary < SLOPE_TOLERANCE * scale
            ):
                taken[i - span[0]] = iteration
                break
            _factor(law, goal.curvature[i], point, step, at)
            _push(law, goal, point, step, (0.0, False), at)
            _solve(law, step, at)
            alpha = _follow(law, point, step, (0.0, False), at)
            ahead, _ = _complementarity(point, step, alpha, at)
            corrects = alpha > WORTH_CORRECTING or iteration < USUAL_ITERATIONS
            aim = (mean * (max(ahead, 0.0) / total) ** 3 if total > 0.0 else 0.0, corrects)
            _push(law, goal, point, step, aim, at)
            _solve(law, step, at)
            _advance(point, step, _follow(law, point, step, aim, at), at)
    return taken


@numba.njit(cache=True, nogil=True)
def factor_all(law: Law, goal: Goal, point: Point, step: Step, span: Span) -> None:
    """Factors of the recursion of some devices."""
    for i in range(span[0], span[1]):
        _factor(law, goal.curvature[i], point, step, (i, i))


@numba.njit(cache=True, nogil=True)
def answer_all(
    law: Law, step: Step, group: IntArray, hours: IntArray, answer: FloatArray, span: Span
) -> None:
    """Adds −∂u/∂price of some devices to their groups, ``answer`` (groups, hours, hours) [kW per price]."""
    for i in range(span[0], span[1]):
        free, push_u, du, out = law.free[i], step.push_u[i], step.u[i], answer[group[i]]
        push_u[:] = 0.0
        step.push_x[i, :, :] = 0.0
        for column in range(len(hours)):
            if not free[hours[column]]:
                continue
            push_u[hours[column]] = -1.0
            _solve(law, step, (i, i))
            push_u[hours[column]] = 0.0
            for row in range(len(hours)):
                out[row, column] += du[hours[row]]


@numba.njit(cache=True, nogil=True)
def direct_all(law: Law, goal: Goal, point: Point, step: Step, aim: Aim, span: Span) -> None:
    """Directions of some devices."""
    for i in range(span[0], span[1]):
        _push(law, goal, point, step, aim, (i, i))
        _solve(law, step, (i, i))


@numba.njit(cache=True, nogil=True)
def price_all(law: Law, step: Step, extra: FloatArray, group: IntArray, span: Span) -> None:
    """Directions of some devices when their group's price changes by ``extra`` (groups, steps)."""
    for i in range(span[0], span[1]):
        push_u, more = step.push_u[i], extra[group[i]]
        for t in range(len(push_u)):
            push_u[t] += more[t]
        _solve(law, step, (i, i))


@numba.njit(cache=True, nogil=True)
def follow_all(law: Law, point: Point, step: Step, aim: Aim, span: Span) -> float:
    """Steps of slacks and duals of some devices; the longest step of all."""
    longest = 1.0
    for i in range(span[0], span[1]):
        longest = min(longest, _follow(law, point, step, aim, (i, i)))
    return longest


@numba.njit(cache=True, nogil=True)
def complementarity_all(point: Point, step: Step, alpha: float, span: Span) -> tuple[float, int]:
    """Σ of slack times dual of some devices after a step, and how many bounds there are."""
    total, count = 0.0, 0
    for i in range(span[0], span[1]):
        part, bounds = _complementarity(point, step, alpha, (i, i))
        total += part
        count += bounds
    return total, count


@numba.njit(cache=True, nogil=True)
def advance_all(point: Point, step: Step, alpha: float, span: Span) -> None:
    """Take a step of some devices."""
    for i in range(span[0], span[1]):
        _advance(point, step, alpha, (i, i))


@numba.njit(cache=True, nogil=True)
def error_all(law: Law, goal: Goal, point: Point, span: Span) -> tuple[float, float]:
    """Worst breach of a bound's account, and worst slope that nothing balances, of some devices."""
    primal, stationary = 0.0, 0.0
    for i in range(span[0], span[1]):
        first, second = _error(law, goal, point, i)
        primal, stationary = max(primal, first), max(stationary, second)
    return primal, stationary
