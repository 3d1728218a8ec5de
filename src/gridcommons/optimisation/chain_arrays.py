"""The arrays that the kernels of chains work on.

numba's cache does not see edits of these tuples: whoever changes one clears the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray

BOUNDS = 6
"""Bounds of a device and interval: power low, high, first state low, high, second state low, high."""


class Law(NamedTuple):
    """What stays the same: as in ``Chains``; ``bound`` (devices, steps, 6), ``free`` (devices, steps)."""

    transition: FloatArray
    effect: FloatArray
    drift: FloatArray
    start: FloatArray
    bound: FloatArray
    free: BoolArray


class Goal(NamedTuple):
    """min Σ ½ curvature u² + cost u: curvature (devices,), cost (devices, steps)."""

    curvature: FloatArray
    cost: FloatArray


class Point(NamedTuple):
    """Where the method stands: u (devices, steps), x (.., 2), slack and dual of the bounds (.., 6)."""

    u: FloatArray
    x: FloatArray
    slack: FloatArray
    dual: FloatArray


class Step(NamedTuple):
    """Where it goes: changes of a ``Point``, its right-hand sides, and the factors of the recursion.

    ``gain`` (devices, steps, 2) and ``pivot`` (devices, steps) are K and S of u = K x[t−1] + k, and
    ``loop`` (.., 2, 2) is A + B K; ``push_u`` and ``push_x`` the gradients in powers and states.
    """

    u: FloatArray
    x: FloatArray
    slack: FloatArray
    dual: FloatArray
    gain: FloatArray
    pivot: FloatArray
    loop: FloatArray
    push_u: FloatArray
    push_x: FloatArray


Aim = tuple[float, bool]
"""Complementarity aimed at, and whether the direction before it corrects it."""

At = tuple[int, int]
"""A device, and the row of the ``Step`` that is its room."""

Products = tuple[float, int, float]
"""Sum of slacks times duals (the complementarity), how many they are, and the least of them."""

Span = tuple[int, int]
"""First device of a piece, and the one after its last."""


def make_step(devices: int, steps: int) -> Step:
    """Room for a step of some devices."""
    six = (devices, steps, BOUNDS)
    two = (devices, steps, 2)
    one = (devices, steps)
    return Step(
        np.zeros(one), np.zeros(two), np.zeros(six), np.zeros(six),
        np.zeros(two), np.ones(one), np.zeros((*two, 2)), np.zeros(one), np.zeros(two),
    )  # fmt: skip
