"""Envelopes by sequential linear programming on exact load-flow sensitivities.

Class A of the source's classification (optimum by Jacobian and sensitivities) with the exact load
flow as judge. At every iteration each limit is linearised at its own worst corner of the present
boxes; the chosen objective shares the room; the new boxes are judged again. In a box the robust
constraint Σ_c max(a_c Pmin_c, a_c Pmax_c) ≤ b takes the upper end of an asset where a_c > 0 and the
lower end where a_c < 0, which couples the two sides where a branch's flow can reverse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.envelopes.boxes import (
    Answers,
    Boxes,
    Queries,
    all_queries,
    answer,
    open_queries,
    together,
    values,
    worst_corners,
)
from gridcommons.envelopes.objectives import LinearRoom, Share
from gridcommons.envelopes.problem import Window
from gridcommons.model.grid import BoolArray, FloatArray, IntArray

MARGIN_PU = 1e-8
"""How far inside a limit the boxes are aimed [pu, share of the rating or rad]."""

ROUNDING = 2e-9
"""What the load flow's own rounding may leave of a violation, beside what the held boxes have."""

ITERATIONS = 40
JOINS = 4
"""Times that limits which were left out and are broken may join."""
SETTLED_KW = 1e-6
NEGLIGIBLE_GAIN = 1e-6
"""Gain of the last iteration, as a share of the total, at which alternating answers are left alone."""

NEAR = -0.05
"""Where one limit is broken that had been left out, all within this of their bound join."""

NO_ROOM = 1e-6
"""Of limits that lie between two others only those join which have less room than this."""

REACH = 1.5
"""A limit that 1.5 times the linear reach of the device bounds cannot break is left out until the check."""


@dataclass
class _State:
    """Boxes on the way, by step.

    ``moved`` is the last change of the ends; ``reach_kw`` how far an end may rise in one iteration,
    without bound until answers are seen to alternate.
    """

    boxes: Boxes
    active: BoolArray
    free: BoolArray
    moved: FloatArray
    reach_kw: FloatArray


def allocate(window: Window, start: Boxes, free: BoolArray, share: Share) -> Boxes:
    """The boxes grown from ``start`` in the assets that are ``free``, the others held.

    Parameters
    ----------
    start : Boxes
        Where to start: rest, or the boxes of higher classes.
    free : (steps, 2, assets)
        Which upper (0) and lower (1) ends may move at each step.
    share : callable
        The objective.
    """
    state = _State(start, _movable(free), free, np.zeros(free.shape), np.full(window.steps, np.inf))
    queries = all_queries(window, np.flatnonzero(state.active))
    answers = answer(window, state.boxes, queries, at_rest=True)
    queries, answers = _within_reach(window, state, queries, answers)
    for _ in range(JOINS):
        queries = _iterate(window, state, share, queries, answers)
        state.active[:] = _movable(free)
        every, found = worst_corners(
            window, state.boxes, open_queries(window, state.boxes, np.flatnonzero(state.active))
        )
        queries = _joined(window, state, queries, (every, found))
        if not state.active.any():
            break
        queries, answers = _look_again(window, state, queries)
    return back_off(window, state.boxes, every, found, free)


def _iterate(window: Window, state: _State, share: Share, queries: Queries, answers: Answers) -> Queries:
    """Advance until every step stands still; gives all queries as they were last looked at."""
    done: list[Queries] = []
    for _ in range(ITERATIONS):
        _advance(window, state, share, queries, answers)
        done.append(queries.take(~state.active[queries.step]))
        queries = queries.take(state.active[queries.step])
        if not len(queries):
            break
        queries, answers = _look_again(window, state, queries)
    return together([*done, queries])


def _joined(window: Window, state: _State, queries: Queries, looked: tuple[Queries, Answers]) -> Queries:
    """The queries of steps where a limit is broken, with all that are near there; others are done."""
    every, found = looked
    state.active[:] = False
    state.active[every.step[~(found.g <= MARGIN_PU)]] = True
    state.reach_kw[:], state.moved[:] = np.inf, 0.0
    near = state.active[every.step] & (found.g > np.where(window.passes[every.limit], -NO_ROOM, NEAR))
    return together([queries.take(state.active[queries.step]), every.take(near)])


def _movable(free: BoolArray) -> BoolArray:
    return np.asarray(free.any(axis=(1, 2)))


def _look_again(window: Window, state: _State, queries: Queries) -> tuple[Queries, Answers]:
    """Values at the new boxes; corners follow the newest gradients."""
    return worst_corners(window, state.boxes, queries.take(state.active[queries.step]))


def _within_reach(
    window: Window, state: _State, queries: Queries, answers: Answers
) -> tuple[Queries, Answers]:
    up_max, down_max = _bounds(window, state)
    up, down = np.maximum(answers.slope, 0.0), np.maximum(-answers.slope, 0.0)
    reach = (up * up_max[queries.step]).sum(axis=1) + (down * down_max[queries.step]).sum(axis=1)
    near = (answers.g + REACH * reach > -MARGIN_PU) & ~window.passes[queries.limit]
    kept = queries.take(near)
    return kept.at(answers.slope[near] > 0.0), Answers(answers.g[near], answers.slope[near])


def _bounds(window: Window, state: _State) -> tuple[FloatArray, FloatArray]:
    """Largest distance of the two ends from rest: device bounds where free, the present where held."""
    boxes = state.boxes
    up = np.where(state.free[:, 0], window.high_kw - boxes.rest_kw, boxes.up_kw)
    down = np.where(state.free[:, 1], boxes.rest_kw - window.low_kw, boxes.down_kw)
    return np.maximum(up, 0.0), np.maximum(down, 0.0)


def _advance(window: Window, state: _State, share: Share, queries: Queries, answers: Answers) -> None:
    """One linear step at every active step; steps that stand still and hold are done."""
    most = _bounds(window, state)
    up, down = state.boxes.up_kw.copy(), state.boxes.down_kw.copy()
    order = np.argsort(queries.step, kind="stable")
    first = np.searchsorted(queries.step[order], np.arange(window.steps + 1))
    for step in np.flatnonzero(state.active).tolist():
        mine = order[first[step] : first[step + 1]]
        if np.isnan(answers.g[mine]).any():
            # No operable state at a corner: half the way back, and look again with a shorter reach.
            ends = np.where(state.free[step], np.stack([up[step], down[step]]) / 2.0, [up[step], down[step]])
            up[step], down[step] = ends
            state.reach_kw[step] = 0.5 * min(state.reach_kw[step], float(ends.max(initial=0.0)))
            continue
        room = _room(state, window, step, mine, answers, (most[0][step], most[1][step]))
        ends = np.where(state.free[step], share(room).reshape(2, -1), [up[step], down[step]])
        if _settle(state, step, float(answers.g[mine].max(initial=-np.inf)), ends):
            up[step], down[step] = ends
    state.boxes = Boxes(state.boxes.rest_kw, up, down)


def _settle(state: _State, step: int, worst: float, ends: FloatArray) -> bool:
    """Decide whether a step moves on to new ends; otherwise its present ends are the answer.

    Where an end goes back on its last change, two answers alternate (under a transformer limit every kW
    costs nearly the same; a linear answer may overshoot): rises are then held to half as far, until
    nothing is gained.
    """
    now = np.stack([state.boxes.up_kw[step], state.boxes.down_kw[step]])
    moved = ends - now
    change, gain = float(np.abs(moved).max(initial=0.0)), float(moved.sum())
    turns = bool((moved * state.moved[step]).sum() < 0.0)
    if turns:
        state.reach_kw[step] = 0.5 * min(state.reach_kw[step], change)
    short = turns and gain <= NEGLIGIBLE_GAIN * float(ends.sum())
    state.moved[step] = moved
    state.active[step] = worst > 0.0 or (change > SETTLED_KW and not short)
    return bool(state.active[step]) or change <= SETTLED_KW


def _room(
    state: _State,
    window: Window,
    step: int,
    mine: IntArray,
    answers: Answers,
    most: tuple[FloatArray, FloatArray],
) -> LinearRoom:
    """What is free at one step, linearised at the present boxes; held ends are moved to the right."""
    up_cost = np.maximum(answers.slope[mine], 0.0)
    down_cost = np.maximum(-answers.slope[mine], 0.0)
    up_now, down_now = state.boxes.up_kw[step], state.boxes.down_kw[step]
    free_up, free_down = state.free[step, 0], state.free[step, 1]
    room = -answers.g[mine] - MARGIN_PU + up_cost[:, free_up] @ up_now[free_up]
    room = room + down_cost[:, free_down] @ down_now[free_down]
    return LinearRoom(
        up_cost * free_up,
        down_cost * free_down,
        np.maximum(room, 0.0),
        np.where(free_up, most[0], 0.0),
        np.where(free_down, most[1], 0.0),
        window.rank,
        np.concatenate([up_now, down_now]) + state.reach_kw[step],
    )


def back_off(window: Window, boxes: Boxes, queries: Queries, answers: Answers, free: BoolArray) -> Boxes:
    """The boxes shrunk towards where they started, as little as the exact load flow asks for."""
    held = Boxes(
        boxes.rest_kw, np.where(free[:, 0], 0.0, boxes.up_kw), np.where(free[:, 1], 0.0, boxes.down_kw)
    )
    base = values(window, held, queries)
    g = answers.g
    share = np.ones(window.steps)
    now = boxes
    for _ in range(30):
        broken = ~(g <= np.maximum(base, 0.0) + ROUNDING)
        if not broken.any():
            break
        # Secant to a hair inside; half where the corner has no solution at all.
        at_rest = np.minimum(base[broken], 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where(np.isnan(g[broken]), 0.5, at_rest / (at_rest - g[broken]) - 1e-9)
        factor = np.ones(window.steps)
        np.minimum.at(factor, queries.step[broken], np.maximum(np.nan_to_num(part), 0.0))
        share *= factor
        now = Boxes(
            boxes.rest_kw,
            held.up_kw + (boxes.up_kw - held.up_kw) * share[:, None],
            held.down_kw + (boxes.down_kw - held.down_kw) * share[:, None],
        )
        again = factor[queries.step] < 1.0
        queries, base = queries.take(again), base[again]
        g = values(window, now, queries)
    return now
