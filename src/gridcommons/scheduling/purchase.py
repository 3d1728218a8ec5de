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
from scipy.optimize import minimize

from gridcommons.model.grid import FloatArray
from gridcommons.scheduling.supply_curves import Supply


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
    effect, missing_kvar = need.effect_pu_per_kvar / own[:, None], need.missing_pu / own

    def negative_dual(nu: FloatArray) -> tuple[float, FloatArray]:
        price = start_per_kvarh + nu @ effect
        amounts = np.array([supply.at(p) for supply, p in zip(supplies, price, strict=True)])
        areas = sum(supply.area(p) for supply, p in zip(supplies, price, strict=True))
        return float(areas - nu @ missing_kvar), effect @ amounts - missing_kvar

    if len(own) == 1:
        nu = _price_of_one(effect[0], missing_kvar[0], supplies, start_per_kvarh, shortage_price_per_kvarh)
    else:
        bounds = [(0.0, shortage_price_per_kvarh)] * len(own)
        options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 1000}
        start = np.zeros(len(own))
        found = minimize(negative_dual, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        nu = np.asarray(found.x)
    price = start_per_kvarh + nu @ effect
    amounts = np.array([supply.at(p) for supply, p in zip(supplies, price, strict=True)])
    short = np.where(nu >= shortage_price_per_kvarh * (1 - 1e-9), missing_kvar - effect @ amounts, 0.0)
    return Purchase(price, amounts, np.maximum(short, 0.0))


def _price_of_one(
    effect: FloatArray,
    missing_kvar: float,
    supplies: Sequence[Supply],
    start_per_kvarh: float,
    most_per_kvarh: float,
) -> FloatArray:
    """The dual of a single voltage, shape (1,): where amounts, lines between points, meet what is missing."""
    useful = [(e, supply) for e, supply in zip(effect, supplies, strict=True) if e != 0.0]
    points = [(supply.price_per_kvarh - start_per_kvarh) / e for e, supply in useful]
    nu = np.unique(np.clip(np.concatenate([[0.0], *points, [most_per_kvarh]]), 0.0, most_per_kvarh))
    total = np.zeros_like(nu)
    for e, supply in useful:
        total += e * np.interp(start_per_kvarh + nu * e, supply.price_per_kvarh, supply.quantity_kvar)
    # Amounts never fall with the price; rounding may.
    total = np.maximum.accumulate(total)
    above = int(np.searchsorted(total, missing_kvar))
    if above == 0:
        return nu[:1]
    if above == len(nu):
        return nu[-1:]
    part = (missing_kvar - total[above - 1]) / (total[above] - total[above - 1])
    return np.array([nu[above - 1] + part * (nu[above] - nu[above - 1])])
