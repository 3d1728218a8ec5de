"""The inner loops of planning chains: an interior-point method whose linear algebra is a Riccati recursion.

For one device the Newton step of min ½ q Σ u² + c·u within bounds is a linear-quadratic control problem:
the barrier puts weights on powers and states, the law x[t] = A x[t−1] + B[t] u[t] + w[t] couples them, and
one backward and one forward pass over the intervals solve it exactly (Rao, Wright, Rawlings, "Application of
interior-point methods to model predictive control", J. Optim. Theory Appl. 99, 1998, 723–757). A plan of a
day then costs microseconds, and the cost grows with the intervals, not with their cube.

Mehrotra's steps are the shortest way, but may go in circles (Cartis, "Some disadvantages of a Mehrotra-type
primal-dual corrector interior point algorithm for linear programming", Appl. Numer. Math. 59, 2009): where
two intervals cost alike, each corrector gives to one what the last gave to the other. A plan that they do not
find follows the central path, where every step gains (Algorithm IPF of Wright, "Primal-dual interior-point
methods", SIAM 1997, chapter 6).

Bounds of a device are one array, six an interval: power low and high, first state low and high, second state
low and high; infinite where there is none. Even ones are lower bounds.
"""

from __future__ import annotations

import numba
import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.optimisation.chain_arrays import BOUNDS, Aim, At, Goal, Law, Point, Products, Span, Step

USUAL_ITERATIONS, MOST_ITERATIONS = 30, 180
"""What Mehrotra's steps have not found after the usual ones is planned anew along the central path."""

PRIMAL_TOLERANCE, SLOPE_TOLERANCE = 1e-7, 1e-7
"""In the units of the bounds, and of the largest price: a slope beyond it is no longer rounding."""

TO_BOUNDARY = 0.995
"""Share of the way to the nearest bound that a step goes."""

CENTRING, NEAR_PATH, SURE_DECREASE = 0.3, 1e-3, 0.01
"""σ, γ of the path: mean product aimed at, least product, both against the mean; and Armijo's constant."""

SHORTER, SHORTEST = 0.7, 1e-8
"""By how much a step that leaves the path is shortened at a time, and the length that gets nowhere."""


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
    """Backward pass of the recursion: K, S and A + B K of every interval.

    At a bound that binds M is 1e10 times what P = A'MA − S K'K and A + B K leave of it: rounding. So both are
    sums: P = (A + BK)' M (A + BK) + r K'K, with r the weight of the power itself (Joseph's form), and
    S (A + BK) = (r + B'MB − BB'M) A, without the terms that cancel each other.
    """
    i, k = at
    a, b, free = law.transition[i], law.effect[i], law.free[i]
    slack, dual, gain, pivot, loop = point.slack[i], point.dual[i], step.gain[k], step.pivot[k], step.loop[k]
    p00, p01, p11 = 0.0, 0.0, 0.0
    for t in range(len(free) - 1, -1, -1):
        m00 = p00 + dual[t, 2] / slack[t, 2] + dual[t, 3] / slack[t, 3]
        m11 = p11 + dual[t, 4] / slack[t, 4] + dual[t, 5] / slack[t, 5]
        m01, b0, b1 = p01, b[t, 0], b[t, 1]
        r, s, g0, g1 = 0.0, 1.0, 0.0, 0.0
        c00, c01, c10, c11 = a[0, 0], a[0, 1], a[1, 0], a[1, 1]
        if free[t]:
            mb0, mb1 = m00 * b0 + m01 * b1, m01 * b0 + m11 * b1
            r = curvature + dual[t, 0] / slack[t, 0] + dual[t, 1] / slack[t, 1]
            s = r + b0 * mb0 + b1 * mb1
            g0, g1 = -(a[0, 0] * mb0 + a[1, 0] * mb1) / s, -(a[0, 1] * mb0 + a[1, 1] * mb1) / s
            k00, k01, k10, k11 = (r + b1 * mb1) / s, -b0 * mb1 / s, -b1 * mb0 / s, (r + b0 * mb0) / s
            c00, c01 = k00 * a[0, 0] + k01 * a[1, 0], k00 * a[0, 1] + k01 * a[1, 1]
            c10, c11 = k10 * a[0, 0] + k11 * a[1, 0], k10 * a[0, 1] + k11 * a[1, 1]
        pivot[t], gain[t, 0], gain[t, 1] = s, g0, g1
        loop[t, 0, 0], loop[t, 0, 1], loop[t, 1, 0], loop[t, 1, 1] = c00, c01, c10, c11
        mc00, mc01 = m00 * c00 + m01 * c10, m00 * c01 + m01 * c11
        mc10, mc11 = m01 * c00 + m11 * c10, m01 * c01 + m11 * c11
        p00 = c00 * mc00 + c10 * mc10 + r * g0 * g0
        p01 = c00 * mc01 + c10 * mc11 + r * g0 * g1
        p11 = c01 * mc01 + c11 * mc11 + r * g1 * g1


@numba.njit(cache=True, nogil=True)
def _solve(law: Law, step: Step, at: At) -> None:
    """The step under the gradients ``push``: backward for the offsets, forward for the powers."""
    i, k = at
    b, free = law.effect[i], law.free[i]
    gain, pivot, loop = step.gain[k], step.pivot[k], step.loop[k]
    push_u, push_x, du, dx = step.push_u[k], step.push_x[k], step.u[k], step.x[k]
    p0, p1 = 0.0, 0.0
    for t in range(len(free) - 1, -1, -1):
        m0, m1 = push_x[t, 0] + p0, push_x[t, 1] + p1
        own = push_u[t] if free[t] else 0.0
        du[t] = -(own + b[t, 0] * m0 + b[t, 1] * m1) / pivot[t] if free[t] else 0.0
        p0 = loop[t, 0, 0] * m0 + loop[t, 1, 0] * m1 + gain[t, 0] * own
        p1 = loop[t, 0, 1] * m0 + loop[t, 1, 1] * m1 + gain[t, 1] * own
    x0, x1 = 0.0, 0.0
    for t in range(len(free)):
        offset = du[t]
        du[t] = offset + gain[t, 0] * x0 + gain[t, 1] * x1
        y0 = loop[t, 0, 0] * x0 + loop[t, 0, 1] * x1 + b[t, 0] * offset
        x1 = loop[t, 1, 0] * x0 + loop[t, 1, 1] * x1 + b[t, 1] * offset
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
def _products(point: Point, step: Step, alpha: float, at: At) -> Products:
    """Slacks times duals after a step."""
    slack, dual, ds, dz = point.slack[at[0]], point.dual[at[0]], step.slack[at[1]], step.dual[at[1]]
    total, count, least = 0.0, 0, np.inf
    for t in range(slack.shape[0]):
        for j in range(BOUNDS):
            if dual[t, j] != 0.0:
                product = (slack[t, j] + alpha * ds[t, j]) * (dual[t, j] + alpha * dz[t, j])
                total += product
                least = min(least, product)
                count += 1
    return total, count, least


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
def _corrected_step(law: Law, goal: Goal, point: Point, step: Step, total: float, at: At) -> float:
    """A step of Mehrotra's method, factors given, from a sum of products: how far it goes."""
    aim = (0.0, False)
    _push(law, goal, point, step, aim, at)
    _solve(law, step, at)
    ahead, count, _ = _products(point, step, _follow(law, point, step, aim, at), at)
    aim = (total / count * (max(ahead, 0.0) / total) ** 3 if total > 0.0 else 0.0, True)
    _push(law, goal, point, step, aim, at)
    _solve(law, step, at)
    return _follow(law, point, step, aim, at)


@numba.njit(cache=True, nogil=True)
def _path_step(law: Law, goal: Goal, point: Point, step: Step, total: float, at: At) -> float:
    """A step along the central path, factors given, from a sum of products: how far it goes, 0 if nowhere."""
    aim = (CENTRING * total / max(_products(point, step, 0.0, at)[1], 1), False)
    _push(law, goal, point, step, aim, at)
    _solve(law, step, at)
    alpha = _follow(law, point, step, aim, at)
    while not is_on_path(alpha, total, _products(point, step, alpha, at)):
        alpha *= SHORTER
        if alpha < SHORTEST:
            return 0.0
    return alpha


@numba.njit(cache=True, nogil=True)
def is_on_path(alpha: float, total: float, after: Products) -> bool:
    """Whether products fell together in a step from a sum of ``total``, by some, no faster than errors do."""
    falls = (1.0 - alpha) * total <= after[0] <= (1.0 - SURE_DECREASE * alpha) * total
    return falls and after[2] * after[1] >= NEAR_PATH * after[0]


@numba.njit(cache=True, nogil=True)
def plan_each(law: Law, goal: Goal, point: Point, step: Step, tolerance: float, span: Span) -> IntArray:
    """Plans of devices that share nothing: iterations that each took, 0 where it reached no answer.

    ``tolerance`` is relative to the largest price; ``step`` has room for one device.
    """
    taken = np.zeros(span[1] - span[0], dtype=np.int64)
    for i in range(span[0], span[1]):
        at = (i, 0)
        scale = max(1e-3, np.abs(goal.cost[i]).max(), goal.curvature[i])
        for iteration in range(1, MOST_ITERATIONS + 1):
            if iteration in (1, USUAL_ITERATIONS + 1):
                _begin(law, point, scale, i)
            total, count, _ = _products(point, step, 0.0, at)
            primal, stationary = _error(law, goal, point, i)
            if (
                primal < PRIMAL_TOLERANCE
                and total < tolerance * scale * max(count, 1)
                and stationary < SLOPE_TOLERANCE * scale
            ):
                taken[i - span[0]] = iteration
                break
            _factor(law, goal.curvature[i], point, step, at)
            if iteration <= USUAL_ITERATIONS:
                alpha = _corrected_step(law, goal, point, step, total, at)
            else:
                alpha = _path_step(law, goal, point, step, total, at)
                if alpha == 0.0:
                    break
            _advance(point, step, alpha, at)
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
def products_all(point: Point, step: Step, alpha: float, span: Span) -> Products:
    """Slacks times duals of some devices after a step."""
    total, count, least = 0.0, 0, np.inf
    for i in range(span[0], span[1]):
        part = _products(point, step, alpha, (i, i))
        total, count, least = total + part[0], count + part[1], min(least, part[2])
    return total, count, least


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
