"""Boxes of power, their worst corner for each limit, and the exact load flow there.

The worst corner of a limit puts every asset whose consumption makes it worse at its upper end and
every other at its lower end. Where all signs agree these are the two corners of the box; at a branch
whose flow can reverse they are not, so that its worst corner is sought from three corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcommons.envelopes.limit_rows import BUS_KINDS, Kind, Voltages, limit_directions, limit_values
from gridcommons.envelopes.problem import Window
from gridcommons.envelopes.reach import largest_currents
from gridcommons.envelopes.slopes import row_slopes
from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, IntArray
from gridcommons.powerflow.solution import FlowSolution


@dataclass(frozen=True, eq=False)
class Boxes:
    """Ends of the boxes of a window, measured from rest: rest − down ≤ p ≤ rest + up.

    Parameters
    ----------
    rest_kw : (steps, assets)
        Rest, moved where support mends a violation [kW].
    up_kw, down_kw : (steps, assets)
        Distance of the two ends from rest, ≥ 0 [kW].
    """

    rest_kw: FloatArray
    up_kw: FloatArray
    down_kw: FloatArray

    def corner(self, step: IntArray, is_up: BoolArray) -> FloatArray:
        """Power at corners of the boxes of some steps, shape (corners, assets) [kW]."""
        rest = self.rest_kw[step]
        return np.where(is_up, rest + self.up_kw[step], rest - self.down_kw[step])

    def scaled(self, share: FloatArray) -> Boxes:
        """The boxes shrunk towards rest, ``share`` of shape (steps,)."""
        return Boxes(self.rest_kw, self.up_kw * share[:, None], self.down_kw * share[:, None])


@dataclass(frozen=True, eq=False)
class Queries:
    """Limits of steps, each at a corner.

    Parameters
    ----------
    step, limit : (queries,)
        Which limit at which step.
    outward : (queries,)
        Whether the query starts from all up (and takes an unknown current as flowing out).
    is_up : (queries, assets)
        The corner.
    """

    step: IntArray
    limit: IntArray
    outward: BoolArray
    is_up: BoolArray

    def __len__(self) -> int:
        """Number of queries."""
        return len(self.step)

    def take(self, which: BoolArray | IntArray) -> Queries:
        """Some of them."""
        return Queries(self.step[which], self.limit[which], self.outward[which], self.is_up[which])

    def at(self, is_up: BoolArray) -> Queries:
        """The same limits at other corners."""
        return Queries(self.step, self.limit, self.outward, is_up)


def together(parts: Sequence[Queries]) -> Queries:
    """All of several."""
    return Queries(
        np.concatenate([part.step for part in parts]),
        np.concatenate([part.limit for part in parts]),
        np.concatenate([part.outward for part in parts]),
        np.concatenate([part.is_up for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class Answers:
    """Value and gradient of each query: ``g`` (queries,), ``slope`` (queries, assets) [1/kW]."""

    g: FloatArray
    slope: FloatArray


def all_queries(window: Window, steps: IntArray) -> Queries:
    """Every limit of some steps at the corners from which its worst one is sought.

    Voltages start where loads make them worse. Branches start three times: from all up (power flows
    out), from all down (it flows back), and from what lies behind the branch down with all else up,
    where it flows back against the lowest voltages.
    """
    rows, assets = window.rows, len(window.asset)
    limit, two_sided = np.arange(len(rows)), ~np.isin(rows.kind, BUS_KINDS)
    first = np.isin(rows.kind, (Kind.VM_MIN, Kind.VA_MIN)) | two_sided
    branch = limit[two_sided]
    limits = np.concatenate([limit, branch, branch])
    outward = np.concatenate([first, np.zeros(2 * len(branch), dtype=bool)])
    is_up = np.concatenate(
        [
            np.tile(first[:, None], (1, assets)),
            np.zeros((len(branch), assets), dtype=bool),
            ~_behind(window, branch),
        ]
    )
    every, many = np.repeat(steps, len(limits)), len(steps)
    return Queries(every, np.tile(limits, many), np.tile(outward, many), np.tile(is_up, (many, 1)))


def _behind(window: Window, limit: IntArray) -> BoolArray:
    """Assets whose current passes through the branch of each limit for the most part (limits, assets)."""
    network, node = window.rows.network, window.rows.network.node_of(window.terminals.bus)
    element = window.rows.element[limit]
    if window.reach is None:
        share, column = np.abs(network.transfer[0][element]), node
        inside = node < network.pq_count
    else:
        share, column = window.reach.from_end[element], np.searchsorted(window.reach.node, node)
        inside = node < network.pq_count
    of_rows = np.zeros((len(limit), len(node)))
    of_rows[:, inside] = share[:, column[inside]]
    mine = np.zeros((len(limit), len(window.asset)))
    np.maximum.at(mine.T, window.terminals.asset, of_rows.T)
    return np.asarray(mine > 0.5 * share.max(axis=1, initial=0.0)[:, None])


def open_queries(window: Window, boxes: Boxes, steps: IntArray) -> Queries:
    """The limits of some steps that a point of the boxes might break, each where it starts from.

    A bus limit starts at the worse of the two corners of the box: behind much reactance a voltage has
    a peak, beyond which more injection lowers it again.
    """
    queries = all_queries(window, steps)
    settled = cannot_overload(window, boxes)
    queries = queries.take(~settled[queries.step, queries.limit])
    at_bus = np.flatnonzero(np.isin(window.rows.kind[queries.limit], BUS_KINDS))
    of_buses = queries.take(at_bus)
    up = values(window, boxes, of_buses.at(np.ones_like(of_buses.is_up)))
    down = values(window, boxes, of_buses.at(np.zeros_like(of_buses.is_up)))
    # A corner without any load flow is the worst there is.
    queries.is_up[at_bus] = (np.isnan(up) | (up >= down))[:, None]
    return queries


def cannot_overload(window: Window, boxes: Boxes) -> BoolArray:
    """Branches that no power in the boxes can overload, whatever its direction, shape (steps, limits)."""
    rows, network = window.rows, window.rows.network
    end_kw = np.maximum(np.abs(boxes.rest_kw + boxes.up_kw), np.abs(boxes.rest_kw - boxes.down_kw))
    apparent_pu = window.terminals.of_rows(end_kw * np.hypot(1.0, window.tan_phi) / S_BASE_KVA)
    node = network.node_of(window.terminals.bus)
    power = np.abs(window.s_pu)
    np.add.at(power.T, node[node < network.pq_count], apparent_pu[:, node < network.pq_count].T)
    largest, transfers = _largest_currents(window, boxes, power)
    bound = np.zeros((window.steps, len(network.grid.branches)))
    v_idle = np.concatenate([network.v_no_load, network.v_source])
    for y_end, transfer, rated in zip((network.y_from, network.y_to), transfers, rows.rated, strict=True):
        current = np.abs(y_end @ v_idle) + largest @ np.abs(transfer).T
        bound = np.maximum(bound, current / rated)
    is_loading = rows.kind == Kind.LOADING
    branch = np.where(is_loading, rows.element, 0)
    # A corner without solution gives NaN, which is never below the bound.
    return np.asarray(is_loading & (bound[:, branch] < np.minimum(rows.bound, rows.bound_back)))


def _largest_currents(window: Window, boxes: Boxes, power_pu: FloatArray) -> tuple[FloatArray, Sequence[Any]]:
    """Bound on the current of nodes that draw up to ``power_pu`` (steps, pq nodes), and what each does.

    In a balanced grid the least voltages are those of the two corners, where voltages fall (or rise) with
    every load; where phases couple they are not.
    """
    if window.reach is not None:
        pairs = window.pairs()
        largest = largest_currents(window.reach, power_pu[:, window.reach.node], pairs)
        return largest, (window.reach.from_end, window.reach.to_end)
    every = np.arange(window.steps)
    is_up = np.ones((window.steps, len(window.asset)), dtype=bool)
    v_up = np.abs(window.flow(boxes.corner(every, is_up), every).v_pq)
    v_down = np.abs(window.flow(boxes.corner(every, ~is_up), every).v_pq)
    return power_pu / np.minimum(v_up, v_down), window.rows.network.transfer


def values(window: Window, boxes: Boxes, queries: Queries) -> FloatArray:
    """Exact value of each query at its corner, shape (queries,); NaN where the flow has no solution."""
    return _solve_corners(window, boxes, queries, np.zeros(len(queries)))[2]


def answer(window: Window, boxes: Boxes, queries: Queries, *, at_rest: bool = False) -> Answers:
    """Exact value and gradient of each query at its corner (one load flow for each distinct corner).

    ``at_rest`` takes each branch current along the way that its query assumes (``limit_directions``).
    """
    assumed = np.where(queries.outward, 1.0, -1.0) if at_rest else np.zeros(len(queries))
    solution, scenario, g = _solve_corners(window, boxes, queries, assumed)
    solved = np.flatnonzero(solution.solved[scenario])
    slope = np.full(queries.is_up.shape, np.nan)
    directions = limit_directions(
        window.rows,
        Voltages(solution.v_nodes(), scenario[solved]),
        (queries.step[solved], queries.limit[solved]),
        assumed[solved],
    )
    at = window.terminals
    node = window.rows.network.node_of(at.bus)
    felt = np.flatnonzero(node < window.rows.network.pq_count)
    of_rows = np.zeros((len(solved), len(node)))
    of_rows[:, felt] = row_slopes(
        solution, scenario[solved], directions, (node[felt], window.tan_phi[at.asset[felt]])
    )
    slope[solved] = at.of_assets(of_rows)
    return Answers(g, slope)


def _solve_corners(
    window: Window, boxes: Boxes, queries: Queries, assumed: FloatArray
) -> tuple[FlowSolution, IntArray, FloatArray]:
    """Load flow of the distinct corners, the scenario of each query, and its value."""
    corner = boxes.corner(queries.step, queries.is_up)
    step, p_kw, scenario = _distinct(queries.step, corner)
    solution = window.flow(p_kw, step)
    at = (scenario, queries.step, queries.limit)
    return solution, scenario, limit_values(window.rows, solution, at, assumed)


def _distinct(step: IntArray, corner: FloatArray) -> tuple[IntArray, FloatArray, IntArray]:
    """Distinct (step, corner) pairs and where each query's is."""
    key = np.concatenate([step[:, None].astype(np.float64), corner + 0.0], axis=1)
    packed = np.ascontiguousarray(key).view(np.dtype((np.void, key.dtype.itemsize * key.shape[1])))
    _, first, scenario = np.unique(packed.ravel(), return_index=True, return_inverse=True)
    return step[first], corner[first], scenario.ravel()


def worst_corners(window: Window, boxes: Boxes, queries: Queries, rounds: int = 3) -> tuple[Queries, Answers]:
    """Each query moved to the corner that its own gradient points to, until the corners stand still."""
    answers = answer(window, boxes, queries)
    for _ in range(rounds):
        is_up = np.where(np.isnan(answers.slope), queries.is_up, answers.slope > 0.0)
        moved = (is_up != queries.is_up).any(axis=1)
        if not moved.any():
            break
        trial = queries.take(moved).at(is_up[moved])
        found = answer(window, boxes, trial)
        # Worse, or without any load flow at all.
        keep = ~(found.g <= answers.g[moved])
        better = np.flatnonzero(moved)[keep]
        if not len(better):
            break
        queries.is_up[better] = trial.is_up[keep]
        answers.g[better], answers.slope[better] = found.g[keep], found.slope[keep]
    return queries, answers
