"""The common form of what stores energy: a state that a power moves, within bounds.

A battery's charge, a car's charge, and the air and walls of a house obey one law,

    x[t] = A x[t−1] + B[t] u[t] + w[t],   x_low ≤ x[t] ≤ x_high,   u_low ≤ u[t] ≤ u_high,

with u the electric power drawn. A device file states its law in this form once; every optimisation
reads it: the plans of price-responsive devices (``chain_plans``), and rows for any other solver
(``chain_rows``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.sparse import csr_array

from gridcommons.model.errors import InfeasibleError
from gridcommons.model.grid import FloatArray, Names
from gridcommons.optimisation.solve import LinearProgram, solve

STATES = 2
"""States of a device; one that has fewer leaves the rest at zero."""


@dataclass(frozen=True, eq=False)
class Chains:
    """Devices in the common form.

    Parameters
    ----------
    name : tuple of str
        Asset of each device.
    transition : (devices, states, states)
        A: what one interval leaves of each state.
    effect : (devices, steps, states)
        B: change of each state per kW drawn over the interval [state/kW].
    drift : (devices, steps, states)
        w: what moves the states by itself: driving, weather.
    start : (devices, states)
        States before the first interval.
    state_low, state_high : (devices, steps, states)
        Bounds of the states at the end of each interval; infinite where there is none.
    power_low, power_high : (devices, steps)
        Bounds of the power drawn [kW]; equal where it is fixed.
    """

    name: Names
    transition: FloatArray
    effect: FloatArray
    drift: FloatArray
    start: FloatArray
    state_low: FloatArray
    state_high: FloatArray
    power_low: FloatArray
    power_high: FloatArray

    def __len__(self) -> int:
        """Number of devices."""
        return len(self.name)

    @property
    def steps(self) -> int:
        """Number of intervals."""
        return int(self.power_low.shape[1])

    def take(self, which: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Chains:
        """Some of the devices, in the order given; one may appear more than once."""
        index = np.asarray(which, dtype=np.int64)
        arrays = (getattr(self, column.name)[index] for column in fields(self)[1:])
        return Chains(tuple(self.name[k] for k in index), *arrays)

    def states(self, power_kw: FloatArray) -> FloatArray:
        """States at the end of each interval under a power, shape (devices, steps, states).

        Parameters
        ----------
        power_kw : (devices, steps)
            Power drawn [kW].
        """
        out = np.empty((*power_kw.shape, STATES))
        state = self.start
        for step in range(power_kw.shape[1]):
            moved = np.einsum("dij,dj->di", self.transition, state) + self.drift[:, step]
            state = moved + self.effect[:, step] * power_kw[:, step, None]
            out[:, step] = state
        return out

    def breach(self, power_kw: FloatArray) -> float:
        """By how much a power breaks any bound, in the unit of the bound; 0 where all hold."""
        states = self.states(power_kw)
        beyond = [
            self.power_low - power_kw,
            power_kw - self.power_high,
            self.state_low - states,
            states - self.state_high,
        ]
        return max(0.0, *(float(part.max(initial=0.0)) for part in beyond))


def join(parts: Sequence[Chains]) -> Chains:
    """The devices of several kinds as one table, in the order given.

    Raises
    ------
    ValueError
        If there is no part at all.
    """
    names = tuple(name for part in parts for name in part.name)
    arrays = (np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Chains)[1:])
    return Chains(names, *arrays)


def chain_rows(chains: Chains, device: int) -> tuple[csr_array, FloatArray]:
    """The law of one device as equations over [u, x of every interval], for any solver.

    Returns
    -------
    tuple of (steps·states, steps·(1+states)) sparse and (steps·states,)
        Matrix and right-hand side: x[t] − A x[t−1] − B[t] u[t] = w[t], the first one with x[−1] given.
    """
    steps = chains.steps
    transition, effect = chains.transition[device], chains.effect[device]
    below = np.eye(steps, k=-1)
    states = np.eye(steps * STATES) - np.kron(below, transition)
    power = np.zeros((steps, STATES, steps))
    power[np.arange(steps), :, np.arange(steps)] = -effect
    given = chains.drift[device].copy()
    given[0] += transition @ chains.start[device]
    return csr_array(np.hstack([power.reshape(-1, steps), states])), given.ravel()


def has_plan(chains: Chains, device: int) -> bool:
    """Whether any power keeps all bounds of one device, by a linear program that costs nothing.

    What ``furthest`` shows is where a plan fails; what it does not show, this decides.
    """
    law, given = chain_rows(chains, device)
    low = np.concatenate([chains.power_low[device], chains.state_low[device].ravel()])
    high = np.concatenate([chains.power_high[device], chains.state_high[device].ravel()])
    try:
        solve(LinearProgram(np.zeros(len(low)), law, given, low, high, row_min=given))
    except InfeasibleError:
        return False
    return True


def furthest(chains: Chains, way: float) -> FloatArray:
    """The highest (``way`` 1) or lowest (−1) states that power within the first state's bounds can reach.

    More power and a higher state raise every later state, so keeping the first one as far as its bound
    allows, interval by interval, is the furthest that any plan gets.

    Returns
    -------
    (devices, steps, states)
        States at the end of each interval.
    """
    extreme_kw = chains.power_high if way > 0.0 else chains.power_low
    kept = (chains.state_high if way > 0.0 else chains.state_low)[:, :, 0]
    power_kw = extreme_kw.copy()
    for step in range(chains.steps):
        over = chains.states(power_kw[:, : step + 1])[:, step, 0] - kept[:, step]
        beyond = (way * over > 0.0) & (chains.effect[:, step, 0] > 0.0)
        power_kw[beyond, step] -= over[beyond] / chains.effect[beyond, step, 0]
        power_kw[:, step] = np.clip(power_kw[:, step], chains.power_low[:, step], chains.power_high[:, step])
    return chains.states(power_kw)
