"""What the grid looks like with everyone at rest: mended by support where asked, unresolved where not.

Rest is 0 clipped to a device's bounds. Assets named in ``support`` may be asked below or above it to
mend a violation (the source's community battery, which "can rectify" what stations cannot), by the
smallest total change that the exact load flow accepts. What no support mends is unresolved: the
limit is reported with its place and size, and the side it belongs to stays at rest. For the other side
the limit still holds, at what rest itself has: no point of a box is worse than rest, and a branch that
is overloaded one way keeps its rating the other way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridcommons.envelopes.boxes import Answers, Boxes, Queries, all_queries, answer, values
from gridcommons.envelopes.limit_rows import Kind, LimitRows, Voltages, flows_back
from gridcommons.envelopes.problem import Window
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.optimisation.solve import LinearProgram, solve

MEND_ROUNDS = 8
TOLERANCE = 1e-9
NO_WORSE = 1e-6
"""How far beyond rest a limit that is broken at rest may go on the other side: nothing that is measured."""
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
    of_max : (steps, limits)
        Where broken: whether consumption would make it worse, so that it closes the upper side.
    rows : LimitRows
        The limits that hold for the boxes: those of the window, the broken ones as rest has them.
    max_resolved, min_resolved : (steps,)
        False where consumption (injection) would make a broken limit worse.
    """

    boxes: Boxes
    broken: BoolArray
    excess: FloatArray
    of_max: BoolArray
    rows: LimitRows
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
    at = (queries.step, queries.limit)
    broken, excess, of_max = np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros(shape, dtype=bool)
    broken[at], excess[at] = True, answers.g
    back = _back_at_rest(window, boxes, queries)
    # Where the grid has no state at all, neither direction can be promised.
    lost = np.isnan(answers.g)
    of_max[at] = lost | _closes_max(window.rows.kind[queries.limit], answers.slope, back[at])
    resolved = np.ones((2, window.steps), dtype=bool)
    resolved[0, queries.step[of_max[at]]] = False
    resolved[1, queries.step[lost | ~of_max[at]]] = False
    rows = _as_rest_has_them(window.rows, broken, excess, back)
    return RestState(boxes, broken, excess, of_max, rows, resolved[0], resolved[1])


def _back_at_rest(window: Window, boxes: Boxes, queries: Queries) -> BoolArray:
    """Branch limits of these queries over which power flows back at rest, shape (steps, limits)."""
    back = np.zeros((window.steps, len(window.rows)), dtype=bool)
    mine = queries.take(window.rows.kind[queries.limit] == Kind.LOADING)
    if len(mine):
        v = window.flow(boxes.rest_kw, np.arange(window.steps)).v_nodes()
        back[mine.step, mine.limit] = flows_back(window.rows, Voltages(v, mine.step), mine.limit)
    return back


def _closes_max(kind: IntArray, slope: FloatArray, back: BoolArray) -> BoolArray:
    """Whether each broken limit closes the upper side: low voltage, import, or what consumption worsens."""
    worse_by = np.nansum(slope, axis=1)
    by_slope = np.where(worse_by == 0.0, ~back, worse_by > 0.0)
    return np.asarray(np.where(kind == Kind.VM_MIN, True, np.where(kind == Kind.VM_MAX, False, by_slope)))


def _as_rest_has_them(rows: LimitRows, broken: BoolArray, excess: FloatArray, back: BoolArray) -> LimitRows:
    """The limits with the broken ones moved to what rest has, branches only for the way of the flow."""
    low = np.isin(rows.kind, (Kind.VM_MIN, Kind.VA_MIN, Kind.VA_DIFF_MIN))
    loading, lost = rows.kind == Kind.LOADING, np.isnan(excess)
    give = np.where(broken & ~lost, excess + NO_WORSE, 0.0) * np.where(low, -1.0, 1.0)
    moved = rows.bound + give * np.where(loading & (give != 0.0), rows.bound, 1.0)
    # Without any state at rest there is nothing to hold to: both sides stay at rest, and say so.
    moved = np.where(lost, np.where(low, -np.inf, np.inf), moved)
    return replace(
        rows,
        bound=np.where(loading & back & ~lost, rows.bound, moved),
        bound_back=np.where(loading & ~back & ~lost, rows.bound, moved),
    )
