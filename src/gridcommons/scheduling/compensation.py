"""The grid operator's own alternative: reactive power at one bus, as much as makes losses least.

Losses are exact (load flow), and so is their slope: with L = Re(vᴴ Y v) and Y symmetric, dL = Re(h dV) with
h = 2 conj(Re(Y) v), whose gradient with respect to all injections is one adjoint solve. Every candidate bus
is a scenario of one batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import S_BASE_KVA, FloatArray, IntArray
from gridcommons.powerflow.admittance import Network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.sensitivities import gradients
from gridcommons.powerflow.solution import FlowSolution, Injections

SLOPE_KW_PER_KVAR = 1e-9
"""Slope of the losses that counts as none."""

MOST_STEPS = 60

FIRST_STEP_SHARE = 0.1
"""First step, of all reactive power that is drawn."""


@dataclass(frozen=True, eq=False)
class Compensation:
    """The best of each candidate bus, alone.

    Parameters
    ----------
    bus : (candidates,)
        Bus indices.
    injected_kvar : (candidates,)
        Reactive power injected there that makes losses least [kvar]; negative where absorbed.
    losses_kw : (candidates,)
        Losses then [kW].
    """

    bus: IntArray
    injected_kvar: FloatArray
    losses_kw: FloatArray

    @property
    def best(self) -> int:
        """Position of the candidate with the least losses."""
        return int(np.argmin(self.losses_kw))


def compensate(network: Network, load: Injections, bus: IntArray) -> Compensation:
    """For each of some buses, the reactive power injected there alone that makes losses least.

    Parameters
    ----------
    network : Network
        The grid.
    load : Injections
        One scenario: what is drawn beside it.
    bus : (candidates,)
        Bus indices, none of them at a source.

    Raises
    ------
    NotConvergedError
        A load flow without solution, or a slope that does not vanish.
    """
    injected = np.zeros(len(bus))
    step = np.full(len(bus), FIRST_STEP_SHARE * max(float(np.abs(load.q_kvar).sum()), 1.0))
    losses, slope = _losses_and_slope(network, load, bus, injected)
    step *= -np.sign(slope)
    for _ in range(MOST_STEPS):
        moving = np.abs(slope) > SLOPE_KW_PER_KVAR
        if not moving.any():
            return Compensation(bus, injected, losses)
        before = slope
        injected = injected + np.where(moving, step, 0.0)
        losses, slope = _losses_and_slope(network, load, bus, injected)
        # The slope rises with the amount, nearly as a line: the secant step finds its zero.
        change = np.where(moving & (slope != before), slope - before, 1.0)
        step = np.where(moving, -slope * step / change, 0.0)
    worst = float(np.abs(slope).max())
    raise NotConvergedError(f"losses still change by {worst:.3g} kW/kvar after {MOST_STEPS} load flows")


def _losses_and_slope(
    network: Network, load: Injections, bus: IntArray, injected: FloatArray
) -> tuple[FloatArray, FloatArray]:
    count = len(bus)
    each = Injections(
        np.concatenate([load.bus, bus]),
        np.concatenate([np.tile(load.p_kw, (count, 1)), np.zeros((count, count))], axis=1),
        np.concatenate([np.tile(load.q_kvar, (count, 1)), -np.diag(injected)], axis=1),
    )
    solution = solve_power_flow(network, each)
    if not solution.solved.all():
        raise NotConvergedError(f"{int((~solution.solved).sum())} of {count} load flows have no solution")
    return solution.losses_kw(), _slope(solution, bus)


def _slope(solution: FlowSolution, bus: IntArray) -> FloatArray:
    """dL/dQ of the injection at each scenario's own bus [kW/kvar]."""
    network = solution.network
    conductance = (network.y - network.y_loads).real
    towards = 2.0 * np.conj((conductance @ solution.v_nodes().T).T)[:, : network.pq_count] * S_BASE_KVA
    every = np.arange(len(bus))
    _, of_drawn = gradients(solution, every, np.ascontiguousarray(towards), network.node_of(bus))
    return np.asarray(-of_drawn[every, every])
