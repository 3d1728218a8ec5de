"""Are the envelopes safe? Both corners, adversarial corners, random vertices, random interior points.

All on the exact load flow. ``certified`` is said only where a proof holds (``proof``). Elsewhere the
word is ``tested``, with the points tried and the worst margin: sampling is evidence, not proof. (A box
1.44 times too large passes a thousand uniform interior points with 50 assets, so most draws are
vertices, each with its own share of upper ends.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridcommons.envelopes.at_rest import RestState
from gridcommons.envelopes.boxes import Boxes, Queries, open_queries, worst_corners
from gridcommons.envelopes.margins import worst_margins
from gridcommons.envelopes.problem import Window
from gridcommons.envelopes.proof import certify
from gridcommons.model.grid import BoolArray, FloatArray, IntArray

TOLERANCE_PU = 1e-6
"""A limit counts as violated beyond this [pu, share of rating or rad]."""

INTERIOR_SHARE = 0.1
"""Part of the draws that are interior points, or between a vertex and one: on faces and edges."""


@dataclass(frozen=True, eq=False)
class Checks:
    """What the check found, by step and side (0: upper ends, 1: lower ends).

    Parameters
    ----------
    worst : (steps, 2)
        Largest g over everything tried; negative: margin left [pu, share of rating or rad].
    limit : (steps, 2)
        Limit where it was.
    certified : (steps, 2)
        Whether the corners prove the side.
    tried : int
        Points tried at each step.
    violations : (steps, 2)
        Points beyond the tolerance.
    shrunk : (steps,)
        Whether the boxes had to give way to the check before.
    """

    worst: FloatArray
    limit: IntArray
    certified: BoolArray
    tried: int
    violations: IntArray
    shrunk: BoolArray


def check_boxes(window: Window, boxes: Boxes, rest: RestState, draws: int, seed: tuple[int, ...]) -> Checks:
    """Try the boxes of a window; ``seed`` makes the draws, so that a rerun draws the same."""
    checks = Checks(
        np.full((window.steps, 2), -np.inf),
        np.full((window.steps, 2), -1, dtype=np.int64),
        np.zeros((window.steps, 2), dtype=bool),
        2 + draws,
        np.zeros((window.steps, 2), dtype=np.int64),
        np.zeros(window.steps, dtype=bool),
    )
    window = replace(window, rows=rest.rows)
    generator = np.random.default_rng(seed)
    assets = len(window.asset)
    every = np.arange(window.steps)
    for is_up in (True, False):
        corner = boxes.corner(every, np.full((window.steps, assets), is_up))
        _try(window, corner, every, checks)
    adversarial = adversarial_corners(window, boxes)
    corner = boxes.corner(adversarial.step, adversarial.is_up)
    _try(window, corner, adversarial.step, checks)
    points = _draw(window, boxes, draws, generator)
    _try(window, points.reshape(-1, assets), np.repeat(every, draws), checks)
    checks.certified[:] = certify(window, boxes) & (checks.worst <= TOLERANCE_PU)
    return checks


def adversarial_corners(window: Window, boxes: Boxes) -> Queries:
    """The worst corner of every limit of every step, by the signs of its own gradient."""
    every = np.arange(window.steps)
    return worst_corners(window, boxes, open_queries(window, boxes, every))[0]


def _try(window: Window, p_kw: FloatArray, step: IntArray, checks: Checks) -> None:
    """Solve scenarios and keep the worst of each step and side."""
    solution = window.flow(p_kw, step)
    worst, limit = worst_margins(window.rows, solution, step)
    for side in (0, 1):
        np.add.at(checks.violations[:, side], step, worst[:, side] > TOLERANCE_PU)
        order = np.lexsort((-worst[:, side], step))
        at, first = np.unique(step[order], return_index=True)
        best = order[first]
        better = worst[best, side] > checks.worst[at, side]
        checks.worst[at[better], side] = worst[best[better], side]
        checks.limit[at[better], side] = limit[best[better], side]


def _draw(window: Window, boxes: Boxes, draws: int, generator: np.random.Generator) -> FloatArray:
    """Points of the boxes, shape (steps, draws, assets) [kW]: mostly vertices with a random share up.

    The assets of each phase have their own share: where phases couple, a voltage is worst with one of them
    loaded and the others not. Of the points that are no vertices each has its own share of assets that stand
    inside their range: behind much reactance a voltage has its peak on an edge, with one asset inside and the
    rest at their ends.
    """
    assets = len(window.asset)
    low = (boxes.rest_kw - boxes.down_kw)[:, None, :]
    high = (boxes.rest_kw + boxes.up_kw)[:, None, :]
    interior = int(round(draws * INTERIOR_SHARE))
    share = generator.random((window.steps, draws, int(window.phase.max(initial=0)) + 1))
    is_up = generator.random((window.steps, draws, assets)) < share[:, :, window.phase]
    stays = generator.random((window.steps, interior, 1))
    at_end = generator.random((window.steps, interior, assets)) < stays
    points = np.where(is_up, high, low)
    inside = low + generator.random((window.steps, interior, assets)) * (high - low)
    points[:, :interior] = np.where(at_end, points[:, :interior], inside)
    return points
