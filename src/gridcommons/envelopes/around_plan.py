"""Operating envelopes around a plan: as wide as the grid lets them be, found on load flows alone.

Each end starts where the device ends and gives way, first down to the plan and then down to rest, where a
limit is broken that it weighs on: nobody is made to draw or to inject, so that everybody may always rest.
Who lies behind a limit gives way first and alike, in the share of its own way; then who weighs less on it;
and plans only where nobody has anything beyond its plan. A round costs one load flow of all intervals; the
shares of ``allocate`` are the best that there are, and cost gradients of every limit.

The ends are safe together: all upper ones at once, and all lower ones. That covers every combination in
between as long as each limit answers to all devices behind it in the same direction, as in a radial grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, IntArray
from gridcommons.model.limits import Limits
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import Background, FlowSolution, Injections, rated_currents_pu

TOLERANCE = 1e-6
"""What a limit may be broken by [pu or share of the rating]."""

AIM = 1e-7
"""How far inside a limit the ends are aimed [pu or share of the rating]."""

ROUNDS = 100
"""Times that ends may give way."""

DAMPED, FINE = 0.5, 2e-4
"""Part of what is broken that a round mends, where it is more than so much [pu or share of the rating]."""

LEAST_KW = 1e-3
"""What all have beyond their plans together and is nothing [kW]."""

BEHIND_SHARE, LEAST_SHARE = 0.5, 1e-3
"""A device lies behind a limit where it weighs at least the first part of what the heaviest one does, and
weighs nothing below the second."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The grid around some devices over some intervals.

    Parameters
    ----------
    network, limits : Network, Limits
        The grid; limits of every interval.
    bus : (devices,)
        Bus index of each device.
    tan : (devices,)
        Reactive per active power.
    fixed_kw, fixed_kvar : (steps, columns)
        What nobody controls [kW], [kvar].
    fixed_bus : (columns,)
        Where it is.
    method : str
        Load flow.
    """

    network: Network
    limits: Limits
    bus: IntArray
    tan: FloatArray
    fixed_kw: FloatArray
    fixed_kvar: FloatArray
    fixed_bus: IntArray
    method: str = "helm"

    @cached_property
    def background(self) -> ComplexArray:
        """Power injected by what nobody controls, shape (steps, pq nodes) [pu]."""
        return Injections(self.fixed_bus, self.fixed_kw, self.fixed_kvar).at_nodes(self.network)

    def flow(self, p_kw: FloatArray) -> FlowSolution:
        """Load flow of every interval with the devices at a power, shape (steps, devices) [kW]."""
        under = Background(self.background, np.arange(len(p_kw)))
        drawn = Injections(self.bus, p_kw, p_kw * self.tan, under)
        return solve_power_flow(self.network, drawn, method=self.method)

    @cached_property
    def weight(self) -> FloatArray:
        """What a kW of each device does to each voltage and loading, (buses + branches, devices) [1/kW].

        Magnitudes, at no load.
        """
        network = self.network
        node, per_kw = network.node_of(self.bus), (1.0 - 1j * self.tan) / S_BASE_KVA
        inside = node < network.pq_count
        at_node = np.zeros((network.pq_count, len(node)), dtype=np.complex128)
        at_node[node[inside], np.flatnonzero(inside)] = per_kw[inside]
        fall = np.zeros((len(network.node_of_bus), len(node)))
        supplied = (network.node_of_bus >= 0) & (network.node_of_bus < network.pq_count)
        fall[supplied] = np.abs((network.impedance @ at_node).real)[network.node_of_bus[supplied]]
        ends = zip(network.transfer, rated_currents_pu(network), strict=True)
        loading = np.maximum(*(np.abs(end @ at_node) / rated[:, None] for end, rated in ends))
        weight = np.concatenate([fall, loading])
        return np.where(weight >= LEAST_SHARE * weight.max(axis=1, keepdims=True), weight, 0.0)

    @cached_property
    def is_behind(self) -> BoolArray:
        """Devices that lie behind each voltage and loading, shape (buses + branches, devices)."""
        return np.asarray(self.weight >= BEHIND_SHARE * self.weight.max(axis=1, keepdims=True, initial=0.0))


@dataclass(frozen=True, eq=False)
class PlanEnvelopes:
    """Envelopes around a plan.

    Parameters
    ----------
    p_min_kw, p_max_kw : (steps, devices)
        The ends [kW].
    left_up, left_down : (steps,)
        By how much the worst limit stays broken with all upper ends, and with all lower ends, which no
        device can mend [pu or share of the rating]; 0 where all hold.
    """

    p_min_kw: FloatArray
    p_max_kw: FloatArray
    left_up: FloatArray
    left_down: FloatArray


def envelopes_around(
    around: Surroundings, plan_kw: FloatArray, bounds_kw: tuple[FloatArray, FloatArray]
) -> PlanEnvelopes:
    """Envelopes of devices around what they plan.

    Parameters
    ----------
    around : Surroundings
        The grid.
    plan_kw : (steps, devices)
        What they would do [kW].
    bounds_kw : pair of (steps, devices)
        Least and most that each can do [kW].
    """
    low_kw, high_kw = bounds_kw
    plan_kw = np.clip(plan_kw, low_kw, high_kw)
    rest_kw = np.clip(0.0, low_kw, high_kw)
    p_max_kw, left_up = _give_way(around, high_kw, plan_kw, rest_kw, 1.0)
    p_min_kw, left_down = _give_way(around, -low_kw, -plan_kw, -rest_kw, -1.0)
    return PlanEnvelopes(0.0 - p_min_kw, p_max_kw, left_up, left_down)


def _give_way(
    around: Surroundings, end_kw: FloatArray, plan_kw: FloatArray, base_kw: FloatArray, sign: float
) -> tuple[FloatArray, FloatArray]:
    """Ends of one side, and what stays broken; ``sign`` turns what is drawn into what is injected."""
    end_kw, weight = end_kw.copy(), around.weight
    idle = around.flow(sign * base_kw).p_from_kw()
    left = np.zeros(len(end_kw))
    for _ in range(ROUNDS):
        flow = around.flow(sign * end_kw)
        over = _broken(around, flow, idle, sign)
        spare_kw = np.maximum(end_kw - np.maximum(plan_kw, base_kw), 0.0)
        planned_kw = np.maximum(np.minimum(end_kw, plan_kw) - base_kw, 0.0)
        can = (over > TOLERANCE) & flow.solved[:, None]
        can &= (spare_kw + planned_kw) @ weight.T > 0.0
        left = np.where(can, 0.0, np.maximum(over, 0.0)).max(axis=1, initial=0.0)
        left = np.where(left > TOLERANCE, left, 0.0)
        if not can.any() and flow.solved.all():
            break
        # A device that lies behind several limits serves all of them: the last bit alone is taken at once.
        over = np.where(over > FINE, DAMPED * over, over + AIM)
        end_kw -= _cut(np.where(can, over, 0.0), around, spare_kw, planned_kw)
        end_kw -= _half(~flow.solved, spare_kw, planned_kw)
    return end_kw, left


def _half(lost: BoolArray, spare_kw: FloatArray, planned_kw: FloatArray) -> FloatArray:
    """Half of what all have beyond their plans in intervals without a load flow, then half of their plans."""
    has_spare = spare_kw.sum(axis=1, keepdims=True) > LEAST_KW
    return np.where(lost[:, None], 0.5 * np.where(has_spare, spare_kw, planned_kw), 0.0)


def _cut(over: FloatArray, around: Surroundings, spare_kw: FloatArray, planned_kw: FloatArray) -> FloatArray:
    """What each device gives way by in a round [kW].

    Of each limit the first who have something: what those behind it have beyond their plans, what the others
    have, the plans of those behind, the plans of the others. A plan gives way when all the rest is gone.
    """
    step, limit = np.nonzero(over)
    need, weight, behind = over[step, limit], around.weight[limit], around.is_behind[limit]
    waits = np.ones(len(step), dtype=np.bool_)
    cut_kw = np.zeros_like(spare_kw)
    for kw in (spare_kw, planned_kw):
        part = np.zeros_like(kw)
        for mine in (behind, ~behind):
            of_mine = np.where(mine, weight, 0.0)
            have = np.einsum("rd,rd->r", kw[step], of_mine)
            share = np.divide(
                np.minimum(need, have), have, out=np.zeros_like(have), where=waits & (have > 0.0)
            )
            np.maximum.at(part, step, share[:, None] * (of_mine > 0.0))
            waits &= have <= AIM
        cut_kw += part * kw
    return cut_kw


def _broken(around: Surroundings, flow: FlowSolution, idle: FloatArray, sign: float) -> FloatArray:
    """By how much each voltage and loading is beyond its limit on this side, (steps, buses + branches).

    A loading counts where the devices of this side drive its flow. An interval without a load flow breaks
    everything by a tenth.
    """
    limits, vm_pu = around.limits, flow.vm_pu()
    fall = limits.vm_min_pu - vm_pu if sign > 0.0 else vm_pu - limits.vm_max_pu
    share = (flow.loading_percent() - limits.loading_max_percent) / 100.0
    p_kw = flow.p_from_kw()
    drives: BoolArray = np.asarray((p_kw - idle) * p_kw > 0.0)
    over = np.concatenate([fall, np.where(drives, share, -np.inf)], axis=1)
    over = np.where(np.isnan(over), -np.inf, over)
    over[~flow.solved] = 0.1
    return np.asarray(over)
