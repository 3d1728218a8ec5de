"""When the two corners of a box prove it, and nothing needs to be sampled.

A side of a step of a balanced radial grid is certified where, all of it computed on the exact load flow,

- every voltage (and angle) limit answers to all assets with one and the same sign at both corners, so
  that its worst point is a corner; and
- every branch limit does so too, or cannot be reached, or could be reached only where every asset
  still pushes it the same way, so that its largest value is at a corner. The current of a branch is
  linear in the currents of the nodes, I_b = I_b0 + Σ_i M_bi conj(S_i)/conj(V_i); it and its slopes are
  bounded with S anywhere in the box and V anywhere in the band that the corners prove.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridcommons.envelopes.boxes import Boxes, Queries, answer, open_queries
from gridcommons.envelopes.limit_rows import BUS_KINDS, Kind
from gridcommons.envelopes.problem import Window
from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, IntArray
from gridcommons.model.topology import is_radial
from gridcommons.powerflow.admittance import ComplexArray

REFINEMENTS = 2
"""Times that the bounds on angles are computed again from themselves."""

DIRECTIONS = 48
"""Directions of a current's phasor that are bounded one by one; between two of them 0.2 % is added."""


def certify(window: Window, boxes: Boxes) -> BoolArray:
    """Sides of steps that are proven, given that both corners hold, shape (steps, 2)."""
    proven = np.zeros((window.steps, 2), dtype=bool)
    grid = window.rows.network.grid
    # Where phases couple, a load lowers its own phase and may raise another: no corner proves a box.
    if grid.is_three_phase or not is_radial(grid):
        return proven
    queries = open_queries(window, boxes, np.arange(window.steps))
    _, once = np.unique(np.stack([queries.step, queries.limit]), axis=1, return_index=True)
    queries = queries.take(np.sort(once))
    at_up = answer(window, boxes, queries.at(np.ones_like(queries.is_up)))
    at_down = answer(window, boxes, queries.at(np.zeros_like(queries.is_up)))
    moves = (boxes.up_kw + boxes.down_kw > 0.0)[queries.step]
    doubtful = ~_one_sign(np.concatenate([at_up.slope, at_down.slope], axis=1), np.tile(moves, (1, 2)))
    at_bus = np.isin(window.rows.kind[queries.limit], BUS_KINDS)
    proven[:] = True
    # All bounds on currents rest on proven voltages: a doubtful one takes both sides' proof away.
    proven[queries.step[at_bus & doubtful]] = False
    doubtful &= ~at_bus & proven[queries.step].any(axis=1)
    _judge_branches(window, boxes, queries.take(doubtful), proven)
    return proven


def _one_sign(slope: FloatArray, moves: BoolArray) -> BoolArray:
    """Whether all assets that can move push a limit the same way, or not at all."""
    felt = np.where(moves, slope, 0.0)
    nothing = 1e-9 * np.abs(felt).max(axis=1, initial=0.0)[:, None]
    return np.asarray((felt >= -nothing).all(axis=1) | (felt <= nothing).all(axis=1))


def _judge_branches(window: Window, boxes: Boxes, queries: Queries, proven: BoolArray) -> None:
    """Take the proof from each side on which a branch might be overloaded away from the corners."""
    if not len(queries):
        return
    every = np.arange(window.steps)
    corner = np.ones((window.steps, len(window.asset)), dtype=bool)
    least = np.abs(window.flow(boxes.corner(every, corner), every).v_pq)
    most = np.abs(window.flow(boxes.corner(every, ~corner), every).v_pq)
    pairs = np.unique(np.stack([queries.step, queries.limit]), axis=1).T
    last, area = -1, None
    for step, limit in pairs.tolist():
        if window.rows.kind[limit] != Kind.LOADING:
            proven[step] = False
            continue
        if step != last:
            last, area = step, _area(window, boxes, step, (least[step], most[step]))
        assert area is not None
        bounds = (float(window.rows.bound[step, limit]), float(window.rows.bound_back[step, limit]))
        proven[step] &= _largest_at_a_corner(window, area, int(window.rows.element[limit]), bounds)


@dataclass(frozen=True, eq=False)
class _Area:
    """Where power and voltage of one step can be.

    ``s_fixed`` (pq nodes,) is injected power that nobody controls; ``s_ends`` (2, assets at PQ nodes)
    the injected power of each asset at its two ends, ``node`` its node. Voltage magnitudes lie in
    ``v_least`` … ``v_most``, angles within ``spread`` of ``angle`` (pq nodes,).
    """

    s_fixed: ComplexArray
    s_ends: ComplexArray
    node: IntArray
    v_least: FloatArray
    v_most: FloatArray
    angle: FloatArray
    spread: FloatArray

    def largest_power(self) -> FloatArray:
        """Bound on |S| of each node, shape (pq nodes,) [pu]."""
        power = np.abs(self.s_fixed)
        np.add.at(power, self.node, np.abs(self.s_ends).max(axis=0))
        return power

    def along(self, direction: ComplexArray, transfer: ComplexArray) -> FloatArray:
        """Largest component along ``direction`` of Σ_i M_i conj(S_i)/conj(V_i), shape (rows,).

        ``direction`` (rows,) are unit phasors, ``transfer`` (rows, pq nodes) the factors M of each row.
        """
        turned = np.conj(direction)[:, None] * transfer * np.exp(1j * self.angle)
        component = (turned * np.conj(self.s_fixed)).real
        of_assets = (turned[:, None, self.node] * np.conj(self.s_ends)).real.max(axis=1)
        np.add.at(component.T, self.node, of_assets.T)
        # The angle is known up to its spread only: the phasor's length times the turn is the most it adds.
        component = component + np.abs(transfer) * self.largest_power() * self.spread
        worst = np.where(component > 0.0, component / self.v_least, component / self.v_most)
        return np.asarray(worst.sum(axis=1))


def _area(window: Window, boxes: Boxes, step: int, band: tuple[FloatArray, FloatArray]) -> _Area:
    network = window.rows.network
    node = network.node_of(window.terminals.bus)
    inside = node < network.pq_count
    ends_kw = np.stack([boxes.rest_kw[step] - boxes.down_kw[step], boxes.rest_kw[step] + boxes.up_kw[step]])
    s_ends = -ends_kw * (1.0 + 1j * window.tan_phi) / S_BASE_KVA
    angle = np.angle(network.v_no_load)
    area = _Area(window.s_pu[step], s_ends[:, inside], node[inside], *band, angle, np.zeros_like(angle))
    # Every voltage lies in a disc around its no-load value: |V − V0| <= Σ_k |Z_ik| max|S_k| / min|V_k|.
    radius = np.abs(network.impedance) @ (area.largest_power() / area.v_least)
    turn = np.minimum(radius / np.abs(network.v_no_load), 1.0)
    area = replace(area, spread=np.where(turn < 1.0, np.arcsin(turn), np.pi))
    for _ in range(REFINEMENTS):
        area = _narrower(window, area)
    return area


def _narrower(window: Window, area: _Area) -> _Area:
    """The same area with angles bounded by the part of V that stands across its no-load value."""
    network = window.rows.network
    v_idle = network.v_no_load
    across = 1j * v_idle / np.abs(v_idle)
    high = area.along(across, network.impedance) / area.v_least
    low = -area.along(-across, network.impedance) / area.v_least
    if not (np.abs(np.stack([high, low])) < 1.0).all():
        return area
    # sin is odd and the band of |V| is one-sided here: dividing by the least |V| widens both ends.
    top, bottom = np.arcsin(np.maximum(high, 0.0)), np.arcsin(np.minimum(low, 0.0))
    top, bottom = np.where(high < 0.0, 0.0, top), np.where(low > 0.0, 0.0, bottom)
    spread = np.minimum((top - bottom) / 2.0, area.spread)
    kept = spread < area.spread
    middle = np.angle(v_idle) + (top + bottom) / 2.0
    return replace(area, angle=np.where(kept, middle, area.angle), spread=spread)


def _largest_at_a_corner(window: Window, area: _Area, branch: int, bounds: tuple[float, float]) -> BoolArray:
    """Whether a branch can pass its limit at a corner only, with power flowing out and back, shape (2,)."""
    rows, network, ends = window.rows, window.rows.network, window.rows.ends
    v_idle = np.concatenate([network.v_no_load, network.v_source])
    angles = np.concatenate([area.angle, np.angle(network.v_source)])
    spreads = np.concatenate([area.spread, np.zeros(len(network.v_source))])
    psi = 2.0 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    safe = np.ones(2, dtype=bool)
    for y_end, transfer, rated, node, sign in (
        (network.y_from, network.transfer[0][branch], rows.rated[0], ends.f, 1.0),
        (network.y_to, network.transfer[1][branch], rows.rated[1], ends.t, -1.0),
    ):
        idle = (y_end[[branch]] @ v_idle)[0]
        along = area.along(np.exp(1j * psi), np.broadcast_to(transfer, (DIRECTIONS, network.pq_count)))
        share = (along + (np.exp(-1j * psi) * idle).real) / np.cos(np.pi / DIRECTIONS) / rated[branch]
        # Active power runs with the voltage; near the change of sign a direction counts for both sides.
        at = int(node[branch])
        out = sign * ends.outward[branch] * np.cos(psi - angles[at])
        band = np.sin(min(float(spreads[at]) + np.pi / DIRECTIONS, np.pi / 2.0))
        for side, mine in ((0, out >= -band), (1, out <= band)):
            reached = psi[mine & (share > bounds[side])]
            safe[side] &= not len(reached) or _pushed_one_way(window, area, transfer, reached)
    return safe


def _pushed_one_way(window: Window, area: _Area, transfer: ComplexArray, psi: FloatArray) -> bool:
    """Whether every asset that moves changes |I_b| with one sign wherever it flows along ``psi``.

    dI_b/dP_c = −M_bc (1 − j tan φ)/conj(V_c) − Σ_i M_bi conj(S_i)/conj(V_i)² conj(dV_i/dP_c). The first
    part has a known direction; the second is bounded through dV = Z (b − D conj(dV)), D = conj(S)/conj(V)².
    """
    network = window.rows.network
    moving = (area.s_ends[0] != area.s_ends[1])[None, :]
    node = area.node
    tan_phi = window.tan_phi[network.node_of(window.terminals.bus) < network.pq_count]
    pull = area.largest_power() / area.v_least**2
    feedback = float((np.abs(network.impedance) @ pull).max())
    if feedback >= 1.0:
        return False
    apparent = np.hypot(1.0, tan_phi)
    bend = np.abs(network.impedance[:, node]).max(axis=0) * apparent / area.v_least[node] / (1.0 - feedback)
    second = float(np.abs(transfer) @ pull) * bend
    first = -transfer[node] * (1.0 - 1j * tan_phi) * np.exp(1j * area.angle[node])
    away = np.abs(np.angle(first[None, :] * np.exp(-1j * psi)[:, None]))
    doubt = area.spread[node] + np.pi / DIRECTIONS
    # A magnitude over the largest |V| is the least first part; its angle may be off by ``doubt``.
    size = np.abs(first) / area.v_most[node]
    rises = size * np.cos(np.minimum(away + doubt, np.pi)) > second
    falls = size * np.cos(np.maximum(away - doubt, 0.0)) < -second
    return bool((rises | ~moving).all() or (falls | ~moving).all())
