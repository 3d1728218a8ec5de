"""The published search: a genetic algorithm around the batched load flow, the whole population at once.

Source 1, section 2.2: F = Σ P is maximised for the upper ends and minimised for the lower ends, one
after the other, each candidate judged by a load flow. Kept as the published method and as a
cross-check of ``allocate``; like there, the boxes found are judged at the worst corner of every limit
and shrunk where the search, which looks at the two corners alone, left them unsafe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcommons.envelopes.allocate import back_off
from gridcommons.envelopes.boxes import Boxes, open_queries, worst_corners
from gridcommons.envelopes.margins import worst_margins
from gridcommons.envelopes.objectives import Share
from gridcommons.envelopes.problem import Window
from gridcommons.envelopes.sharing import Method
from gridcommons.model.errors import MissingExtraError
from gridcommons.model.grid import BoolArray, FloatArray

POPULATION = 200
EVALUATIONS = 20_000
"""Load flows a side and step; about 10,000 are needed with 20 assets, 100,000 with 50."""


@dataclass(frozen=True)
class Budget:
    """How long to search: candidates at once, and candidates in all, for each side of each step."""

    population: int = POPULATION
    evaluations: int = EVALUATIONS


def search(seed: int, budget: Budget | None = None) -> Method:
    """The search as a method for ``share_window``, its draws made from ``seed``."""
    chosen = Budget() if budget is None else budget

    def grow(window: Window, start: Boxes, free: BoolArray, _share: Share) -> Boxes:
        up, down = start.up_kw.copy(), start.down_kw.copy()
        for step in range(window.steps):
            for side, ends in ((0, up), (1, down)):
                if free[step, side].any():
                    ends[step] = _best(window, start, (step, side), free[step, side], (seed, chosen))
        boxes = Boxes(start.rest_kw, up, down)
        queries = open_queries(window, boxes, np.flatnonzero(free.any(axis=(1, 2))))
        queries, answers = worst_corners(window, boxes, queries)
        return back_off(window, boxes, queries, answers, free)

    return grow


def _best(
    window: Window,
    start: Boxes,
    place: tuple[int, int],
    free: BoolArray,
    how: tuple[int, Budget],
) -> FloatArray:
    """Ends of one side of one step: the largest total that keeps every limit at that corner."""
    step, side = place
    seed, budget = how
    sign = 1.0 if side == 0 else -1.0
    rest = start.rest_kw[step]
    held: FloatArray = (start.up_kw if side == 0 else start.down_kw)[step]
    most = (window.high_kw[step] - rest) if side == 0 else (rest - window.low_kw[step])
    movable = np.flatnonzero(free & (most > 0.0))
    if not len(movable):
        return held

    def judge(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        ends = np.tile(held, (len(x), 1))
        ends[:, movable] = x
        at = np.full(len(x), step)
        worst, _ = worst_margins(window.rows, window.flow(rest + sign * ends, at), at)
        violation = np.minimum(worst.max(axis=1), 1e3)
        return -x.sum(axis=1), violation

    found = _evolve(judge, np.maximum(most[movable], 0.0), (seed, step, side), budget)
    ends: FloatArray = held.copy()
    if found is not None:
        ends[movable] = found
    return ends


def _evolve(judge: Any, most: FloatArray, seed: tuple[int, ...], budget: Budget) -> FloatArray | None:
    """pymoo's genetic algorithm over 0 … most; None where no candidate kept the limits."""
    try:
        from pymoo.algorithms.soo.nonconvex.ga import GA
        from pymoo.core.problem import Problem
        from pymoo.optimize import minimize
    except ImportError as error:
        raise MissingExtraError("pymoo", "genetic") from error

    class _Side(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=len(most), n_obj=1, n_ieq_constr=1, xl=0.0, xu=most)

        def _evaluate(self, x: FloatArray, out: dict[str, Any], *_args: Any, **_options: Any) -> None:
            out["F"], out["G"] = judge(x)

    # The two ends of the range are candidates from the start: everyone at rest is always allowed.
    first = np.random.default_rng(seed).random((budget.population, len(most))) * most
    first[0] = 0.0
    outcome = minimize(
        _Side(),
        GA(pop_size=budget.population, sampling=first),
        ("n_eval", budget.evaluations),
        seed=int(np.random.default_rng(seed).integers(2**31)),
    )
    return None if outcome.X is None else np.asarray(outcome.X, dtype=np.float64)
