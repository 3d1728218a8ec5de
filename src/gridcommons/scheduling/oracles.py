"""What a round must come to, found another way: in closed form, and by bisection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gridcommons.model.grid import FloatArray

BISECTIONS = 60


def closed_form_kvar(
    p_kw: FloatArray, price_per_kvarh: FloatArray, price_per_kwh: float, q_max_kvar: float
) -> FloatArray:
    """What one converter gives at a price, while its active power stays, same shape as the price [kvar].

    min λ (S − P) − TS Q has its optimum where λ Q/S = TS: Q = min(Q_max, P s/√(1 − s²)) with s = TS/λ, and
    Q_max where the price is λ or more.

    Parameters
    ----------
    p_kw : (...)
        Active power, a magnitude [kW].
    price_per_kvarh : (...)
        TS, of either sign.
    price_per_kwh : float
        λ, above 0.
    q_max_kvar : float
        Most that it can give, from S, ξ and P.
    """
    share = np.clip(price_per_kvarh / price_per_kwh, -1.0, 1.0)
    rest = np.sqrt(np.maximum(1.0 - share**2, 0.0))
    free = np.divide(p_kw * np.abs(share), rest, out=np.full_like(share, np.inf), where=rest > 0.0)
    return np.asarray(np.sign(share) * np.minimum(free, q_max_kvar))


def bisect_price(missing_at: Callable[[float], float], most_per_kvarh: float) -> float:
    """The least price (in magnitude) from which on nothing is missing, by bisection from 0 to the most.

    Parameters
    ----------
    missing_at : callable
        What is missing when this price is paid and all that is offered is taken; falls with the price.
    most_per_kvarh : float
        A price at which nothing is missing, of either sign.

    Raises
    ------
    ValueError
        Something is missing even there.
    """
    if missing_at(most_per_kvarh) > 0.0:
        raise ValueError(
            f"{most_per_kvarh:g} leaves {missing_at(most_per_kvarh):g} missing, expected nothing"
        )
    low, high = 0.0, most_per_kvarh
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if missing_at(middle) > 0.0:
            low = middle
        else:
            high = middle
    return high
