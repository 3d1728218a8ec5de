"""What the grid looks like with everyone at rest: mended by support where asked, unresolved where not.

Rest is 0 clipped to a device's bounds. Assets named in ``support`` may be asked below or above it to
mend a violation (the source's community battery, which "can rectify" what stations cannot), by the
smallest total change that the exact load flow accepts. What no support mends is unresolved: the
limit is reported with its place and size, and the side it belongs to stays at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.envelopes.boxes import Answers, Boxes, Queries, all_queries, answer, values
from gridcommons.envelopes.problem import Window
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.optimisation.solve import LinearProgram, solve

MEND_ROUNDS = 8
TOLERANCE = 1e-9
SLACK_COST = 1e6
"""Cost of leaving 1 pu broken, against 1 for a kW of support: support is used in full first."""


@dataclass(frozen=True, eq=False)
class RestState:
    """The start of every box.

    Parameters
    ----------
    boxes : Boxes
        Width zero at rest, support moved where it mends.
    broken : (steps, limits)
        Limits that stay violated.
    excess : (steps, limits)
        By how much [pu, share or rad]; 0 where not broken.
    max_resolved, min_resolved : (steps,)
        False where consumption (injection) would make a broken limit worse.
    """

    boxes: Boxes
    broken: BoolArray
    excess: FloatArray
    max_resolved: BoolArray
    min_resolved: BoolArray


def settle_at_rest(window: Window, support: BoolArray) -> RestState:
    """Rest for every step of a window; ``support`` says which assets may mend, shape (assets,)."""
    none = np.zeros_like(window.low_kw)
    boxes = Boxes(window.rest_kw, none, none)
    steps = np.arange(window.steps)
    queries = _one_a_limit(all_queries(window, steps))
    g = values(window, boxes, queries)
    for _ in range(MEND_ROUNDS if support.any() else 0):
        sore = np.unique(queries.step[~(g <= TOLERANCE)])
        at_sore = np.isin(queries.step, sore)
        here = queries.take(at_sore)
        if not len(sore) or not _mend(window, boxes, (here, answer(window, boxes, here)), sore, support):
            break
        g[at_sore] = values(window, boxes, here)
    broken = ~(g <= TOLERANCE)
    return _judge(window, boxes, queries.take(broken), answer(window, boxes, queries.take(broken)))


def _one_a_limit(queries: Queries) -> Queries:
    """At rest both directions of a branch limit are the same point."""
    _, first = np.unique(np.stack([queries.step, queries.limit]), axis=1, return_index=True)
    return queries.take(np.sort(first))


def _mend(
    window: Window,
    boxes: Boxes,
    looked: tuple[Queries, Answers],
    sore: IntArray,
    support: BoolArray,
) -> bool:
    """Move support by one linear step at the sore steps; whether anything moved."""
    queries, answers = looked
    moved = False
    for step in sore:
        mine = queries.step == step
        if np.isnan(answers.g[mine]).any():
            continue
        low = (window.low_kw[step] - boxes.rest_kw[step])[support]
        high = (window.high_kw[step] - boxes.rest_kw[step])[support]
        change = _least_change(answers.g[mine], answers.slope[mine][:, support], low, high)
        moved |= bool(np.abs(change).max(initial=0.0) > 1e-7)
        boxes.rest_kw[step, support] += change
    return moved


def _least_change(g: FloatArray, slope: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """min Σ|Δ| + cost·slack subject to g + slope Δ ≤ slack, low ≤ Δ ≤ high."""
    count, limits = len(low), len(g)
    identity = -np.eye(limits)
    matrix = np.concatenate([slope, -slope, identity], axis=1)
    cost = np.concatenate([np.ones(2 * count), np.full(limits, SLACK_COST)])
    upper = np.concatenate([np.maximum(high, 0.0), np.maximum(-low, 0.0), np.full(limits, np.inf)])
    live = g + np.abs(slope) @ np.maximum(np.abs(low), np.abs(high)) > 0.0
    program = LinearProgram(cost, matrix[live], -g[live] - TOLERANCE, np.zeros_like(upper), upper)
    x = solve(program).x
    return np.clip(x[:count] - x[count : 2 * count], low, high)


def _judge(window: Window, boxes: Boxes, queries: Queries, answers: Answers) -> RestState:
    """The state with these limits broken."""
    shape = (window.steps, len(window.rows))
    broken, excess = np.zeros(shape, dtype=bool), np.zeros(shape)
    broken[queries.step, queries.limit] = True
    excess[queries.step, queries.limit] = answers.g
    resolved = np.ones((2, window.steps), dtype=bool)
    worse_by = np.nansum(answers.slope, axis=1)
    # Where the grid has no state at all, neither direction can be promised.
    lost = np.isnan(answers.g)
    resolved[0, queries.step[lost | (worse_by > 0.0)]] = False
    resolved[1, queries.step[lost | (worse_by <= 0.0)]] = False
    return RestState(boxes, broken, excess, resolved[0], resolved[1])
