"""Apparent power in linear programs, and what reactive power costs its owner.

An inverter that carries Q gives up active power: γP = S − P with S = √(P² + Q²), so that an hour of it
costs λ⁺ γP. Both sides of the circle are straight lines here, without binaries:

- from below, S ≥ P cos a + Q sin a for the angles a of some tangents prices γP;
- from inside, P cos m + Q sin m ≤ S_nom cos(π/n) for the sides m of a polygon keeps P² + Q² ≤ S_nom².

Here P ≥ 0 is a magnitude in the asset's own direction, and the angle of (P, Q) lies within ±90°.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.linear_model import Linear, LinearModel

QUARTER = 0.5 * np.pi


def given_up_kw(p_kw: FloatArray, q_kvar: FloatArray) -> FloatArray:
    """Active power that reactive power takes the place of, γP = S − P [kW].

    Parameters
    ----------
    p_kw : (...)
        Active power, a magnitude [kW].
    q_kvar : (...)
        Reactive power of either sign [kvar].

    Notes
    -----
    Written as Q² / (S + P), which keeps its digits where Q is small beside P.
    """
    s_kva = np.hypot(p_kw, q_kvar)
    total = s_kva + p_kw
    return np.divide(np.square(q_kvar), total, out=np.zeros_like(total), where=total > 0.0)


def opportunity_cost(
    p_kw: FloatArray, q_kvar: FloatArray, price_per_kwh: FloatArray, hours: float
) -> FloatArray:
    """What reactive power costs its owner, C^Q = λ⁺ (S − P) h [currency].

    Parameters
    ----------
    p_kw, q_kvar : (...)
        Active power, a magnitude [kW], and reactive power [kvar].
    price_per_kwh : (...)
        Price of active power; below zero nothing is lost by giving it up.
    hours : float
        Length of an interval [h].
    """
    return np.asarray(np.maximum(price_per_kwh, 0.0) * given_up_kw(p_kw, q_kvar) * hours)


@dataclass(frozen=True, eq=False)
class HalfPlanes:
    """Lines P cos a + Q sin a, one a row of a linear program.

    Parameters
    ----------
    p_share, q_share : (lines,)
        cos a and sin a.
    s_share : float
        What bounds each line, of the apparent power.
    """

    p_share: FloatArray
    q_share: FloatArray
    s_share: float

    def __len__(self) -> int:
        """Number of lines."""
        return len(self.p_share)

    def largest(self, p_kw: FloatArray, q_kvar: FloatArray) -> FloatArray:
        """Largest of the lines at each point, shape (...) [kVA]."""
        lines = np.multiply.outer(p_kw, self.p_share) + np.multiply.outer(q_kvar, self.q_share)
        return np.asarray(lines.max(axis=-1))


def tangents(error_share: float = 0.03, from_share: float = 0.01) -> HalfPlanes:
    """Tangents S ≥ P cos a + Q sin a that price S − P from below, symmetric in Q, one of them at Q = 0.

    Equal steps would price a small Q at nothing. Here each tangent reaches as far as the error allows:
    beside a tangent at a, S − P at the angle t is short by 1 − cos(t − a) of 1 − cos t, so that it is
    within the error while sin(|t − a| / 2) ≤ √error · sin(t / 2).

    Parameters
    ----------
    error_share : float
        Largest error, of S − P itself, above 0 and below 1.
    from_share : float
        Q, of S, from which on this holds; S − P of less is priced too low, never too high.

    Returns
    -------
    HalfPlanes
        15 tangents a side for the defaults.
    """
    reach = np.sqrt(error_share)
    covered = float(np.arcsin(from_share))
    angles: list[float] = []
    while covered < QUARTER:
        # The tangent whose error falls to the limit where the last one's rises to it.
        angle = min(covered + 2.0 * float(np.arcsin(reach * np.sin(0.5 * covered))), QUARTER)
        angles.append(angle)
        half = 0.5 * angle
        covered = 2.0 * float(np.arctan2(np.sin(half), np.cos(half) - reach))
    side = np.array(angles)
    return _lines(np.concatenate([-side[::-1], [0.0], side]), 1.0)


def inner_polygon(sides: int = 64) -> HalfPlanes:
    """Sides of a polygon inside the circle P² + Q² ≤ S², with a vertex at Q = 0: full P stays allowed.

    Parameters
    ----------
    sides : int
        Sides of the whole circle, divisible by four, so that full Q stays allowed as well. It takes away at
        most 1 − cos(π / sides) of S, 0.12 % of 64 sides; only sides that bound P ≥ 0 are given.
    """
    step = 2.0 * np.pi / sides
    middle = -QUARTER + step * (np.arange(sides // 2, dtype=np.float64) + 0.5)
    return _lines(middle, float(np.cos(0.5 * step)))


def limit_apparent_power(
    model: LinearModel, name: str, power: tuple[Linear, Linear], s_max_kva: FloatArray
) -> None:
    """Keep P² + Q² ≤ S², by the inner polygon.

    Parameters
    ----------
    model : LinearModel
        Gets the rows, under ``name``.
    power : pair of Linear
        P as a magnitude [kW] and Q [kvar], of one shape.
    s_max_kva : (…)
        S, spread over that shape [kVA]; infinite where nothing limits it.
    """
    lines = inner_polygon()
    top = np.broadcast_to(lines.s_share * s_max_kva, power[0].shape)
    for p_share, q_share in zip(lines.p_share, lines.q_share, strict=True):
        model.require(name, power[0] * p_share + power[1] * q_share, upper=top)


def above_tangents(model: LinearModel, name: str, power: tuple[Linear, Linear], lines: HalfPlanes) -> Linear:
    """Apparent power from below, S ≥ P cos a + Q sin a for every tangent: variables, shape of P [kVA]."""
    s_kva = model.variable(power[0].shape)
    for p_share, q_share in zip(lines.p_share, lines.q_share, strict=True):
        model.require(name, s_kva - power[0] * p_share - power[1] * q_share, lower=0.0)
    return s_kva


def _lines(angle: FloatArray, s_share: float) -> HalfPlanes:
    return HalfPlanes(np.cos(angle), np.sin(angle), s_share)
