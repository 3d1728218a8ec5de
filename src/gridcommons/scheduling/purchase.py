"""What the grid operator buys in an hour: the cheapest amounts that bring every voltage into its band.

    min Σ ∫ TS dΔQ + C_LS Q_shed   subject to   v + Σ s ΔQ within the band

with the curves that answers have shown (Mohiti et al., eq. 47, with areas under curves: the cost, where the
source weighs what is paid). The dual has one price a voltage that is out, ν ≤ C_LS, and gives every
connection the price of its effect, TS_i = start + Σ_b ν_b s_bi / s_b: connections that share a voltage are
paid alike for what they do to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.scheduling.supply_curves import Supply

EXACT_SHARE = 1e-10
"""What may be missing at the end, of what was."""

ROUGH_SHARE = 1e-4
"""What may be missing after the last step, of what was; the load flow finds it and it is bought as well."""

MOST_STEPS = 200

SMALLEST_SHARE = 1e-12
"""Shortest step, and least curvature, of the whole."""

ARMIJO_SHARE = 1e-4
"""Part of what the slope promises that a step must bring."""


@dataclass(frozen=True, eq=False)
class Need:
    """What an hour lacks.

    Parameters
    ----------
    missing_pu : (rows,)
        By how much each voltage must rise, or fall where ``effect`` is turned, from where it is without any
        reactive power bought [pu].
    effect_pu_per_kvar : (rows, connections)
        What a kvar injected at each connection does to it [pu/kvar].
    own_effect_pu_per_kvar : (rows,)
        What a kvar at the bus itself would do [pu/kvar].
    """

    missing_pu: FloatArray
    effect_pu_per_kvar: FloatArray
    own_effect_pu_per_kvar: FloatArray


@dataclass(frozen=True, eq=False)
class Purchase:
    """What is wanted of an hour, and at which prices.

    Parameters
    ----------
    price_per_kvarh, quantity_kvar : (connections,)
        At each connection.
    short_kvar : (rows,)
        What is missing at each bus itself, since it would cost more than ``shortage_price_per_kvarh`` [kvar].
    """

    price_per_kvarh: FloatArray
    quantity_kvar: FloatArray
    short_kvar: FloatArray


def plan_purchase(
    need: Need, supplies: Sequence[Supply], start_per_kvarh: float, shortage_price_per_kvarh: float
) -> Purchase:
    """The cheapest amounts for an hour, by its dual.

    Parameters
    ----------
    need : Need
        Of the hour.
    supplies : sequence of Supply
        Curve of each connection.
    start_per_kvarh : float
        Price at which nobody gives anything.
    shortage_price_per_kvarh : float
        C_LS.
    """
    own = need.own_effect_pu_per_kvar
    # A kvar at the bus itself is the unit of each row, so that every dual is a price of reactive power.
    dual = Dual(
        need.effect_pu_per_kvar / own[:, None],
        need.missing_pu / own,
        supplies,
        start_per_kvarh,
        shortage_price_per_kvarh,
    )
    nu = _best_prices(dual)
    amounts = dual.amounts(nu)
    short = np.where(
        nu >= shortage_price_per_kvarh * (1.0 - 1e-9), dual.missing_kvar - dual.effect @ amounts, 0.0
    )
    return Purchase(dual.prices(nu), amounts, np.maximum(short, 0.0))


@dataclass(frozen=True, eq=False)
class Dual:
    """The dual: Σ ν missing − Σ ∫ Q dp, concave in the price ν of each voltage, 0 ≤ ν ≤ C_LS.

    Parameters
    ----------
    effect : (rows, connections)
        Effect of a kvar, of a kvar at the bus itself.
    missing_kvar : (rows,)
        What is missing, as kvar at the bus itself [kvar].
    supplies : sequence of Supply
        Curve of each connection.
    start_per_kvarh, most_per_kvarh : float
        Price at which nobody gives anything; C_LS.
    """

    effect: FloatArray
    missing_kvar: FloatArray
    supplies: Sequence[Supply]
    start_per_kvarh: float
    most_per_kvarh: float

    def prices(self, nu: FloatArray) -> FloatArray:
        """Price at each connection."""
        return np.asarray(self.start_per_kvarh + nu @ self.effect)

    def amounts(self, nu: FloatArray) -> FloatArray:
        """Amount at each connection [kvar]."""
        pairs = zip(self.supplies, self.prices(nu), strict=True)
        return np.array([supply.at(price) for supply, price in pairs])

    def value(self, nu: FloatArray) -> float:
        """The dual itself."""
        pairs = zip(self.supplies, self.prices(nu), strict=True)
        return float(nu @ self.missing_kvar) - sum(supply.area(price) for supply, price in pairs)

    def slopes(self, nu: FloatArray) -> FloatArray:
        """Slope of the amount at each connection."""
        pairs = zip(self.supplies, self.prices(nu), strict=True)
        return np.array([supply.slope(price) for supply, price in pairs])


def _best_prices(dual: Dual) -> FloatArray:
    """The best ν, shape (rows,): each row in turn exactly, and Newton's method on all rows together.

    Amounts are lines between points. A row alone is then solved at once; rows that move the same sellers are
    brought together by Newton's steps, which end after as many as lines are crossed.

    Raises
    ------
    NotConvergedError
        More than ``ROUGH_SHARE`` of what is missing is still missing after ``MOST_STEPS`` steps.
    """
    nu = np.zeros(len(dual.missing_kvar))
    exact = EXACT_SHARE * float(np.abs(dual.missing_kvar).max())
    for _ in range(MOST_STEPS):
        for row in range(len(nu)):
            nu[row] = _best_of_row(dual, nu, row)
        residual = dual.missing_kvar - dual.effect @ dual.amounts(nu)
        free = ~(((nu <= 0.0) & (residual <= 0.0)) | ((nu >= dual.most_per_kvarh) & (residual >= 0.0)))
        left = float(np.abs(residual[free]).max(initial=0.0))
        if left <= exact:
            return nu
        nu = _climb(dual, nu, _newton_step(dual, nu, residual, free), residual)
    if left > ROUGH_SHARE / EXACT_SHARE * exact:
        raise NotConvergedError(f"purchase of an hour: {left:.3g} kvar are missing after {MOST_STEPS} steps")
    return nu


def _newton_step(dual: Dual, nu: FloatArray, residual: FloatArray, free: BoolArray) -> FloatArray:
    """Newton's step of the free rows, no longer than the range of ν."""
    effect, step = dual.effect[free], np.zeros_like(nu)
    curvature = (effect * dual.slopes(nu)) @ effect.T
    curvature[np.diag_indices_from(curvature)] += max(SMALLEST_SHARE * np.trace(curvature), SMALLEST_SHARE)
    step[free] = np.linalg.solve(curvature, residual[free])
    return np.asarray(step * min(1.0, dual.most_per_kvarh / float(np.abs(step).max())))


def _climb(dual: Dual, nu: FloatArray, step: FloatArray, residual: FloatArray) -> FloatArray:
    """The longest of the halved steps along which the dual rises as its slope says (Armijo)."""
    here, length = dual.value(nu), 1.0
    while length > SMALLEST_SHARE:
        there = np.clip(nu + length * step, 0.0, dual.most_per_kvarh)
        if dual.value(there) >= here + ARMIJO_SHARE * float(residual @ (there - nu)):
            return there
        length *= 0.5
    return nu


def _best_of_row(dual: Dual, nu: FloatArray, row: int) -> float:
    """The best ν of one row while the others stay: where the amounts meet what is missing."""
    effect, missing_kvar = dual.effect[row], float(dual.missing_kvar[row])
    without = dual.prices(np.where(np.arange(len(nu)) == row, 0.0, nu))
    useful = np.flatnonzero(effect != 0.0).tolist()
    points = [(dual.supplies[j].price_per_kvarh - without[j]) / effect[j] for j in useful]
    ends = np.array([0.0, dual.most_per_kvarh])
    tried = np.unique(np.clip(np.concatenate([ends, *points]), 0.0, dual.most_per_kvarh))
    total = np.zeros_like(tried)
    for j in useful:
        supply = dual.supplies[j]
        price = without[j] + tried * effect[j]
        total += effect[j] * np.interp(price, supply.price_per_kvarh, supply.quantity_kvar)
    # Amounts never fall with the price; rounding may.
    total = np.maximum.accumulate(total)
    above = int(np.searchsorted(total, missing_kvar))
    if above in (0, len(tried)):
        return float(tried[min(above, len(tried) - 1)])
    part = (missing_kvar - total[above - 1]) / (total[above] - total[above - 1])
    return float(tried[above - 1] + part * (tried[above] - tried[above - 1]))
