"""Scheduled re-profiling: customers under contract draw less at called hours, in proportion to a price.

A customer answers linearly, q_j = e_j π, so that what is missing at a limit costs Σ s²/Σe (SMART-MLA, final
report of project 64018-0302, 2022, §5.1). With several limits above a load point the cheapest call is

    min Σ_n q_n²/E_n   subject to   D q ≥ s,  0 ≤ q ≤ planned load,  E_n = Σ e_j at n,

whose duals are the prices of the limits; π_n = q_n/E_n. What the load points cannot give is said, not lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.flexibility.check import GridState
from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.limits import linear_limits
from gridcommons.model.flexibility import LimitRows
from gridcommons.model.grid import FloatArray

LEAST_CALL_KW = 0.01
"""Nobody is called for less."""

SWEEPS = 2000
EXACT_KW = 1e-9


@dataclass(frozen=True, eq=False)
class Call:
    """What the customers under contract are asked to do.

    Parameters
    ----------
    quantity_kw : (load points, steps)
        q: less load [kW].
    price_per_kwh : (load points, steps)
        π at each load point.
    rows : LimitRows
        The limits that are broken without the call.
    missing_kw : (rows,)
        What the load points cannot give [kW].
    """

    quantity_kw: FloatArray
    price_per_kwh: FloatArray
    rows: LimitRows
    missing_kw: FloatArray

    def cost(self, step_hours: float) -> float:
        """Σ π q: what the DSO pays."""
        return float((self.price_per_kwh * self.quantity_kw).sum()) * step_hours


def call_customers(fleet: Fleet, rows: LimitRows, power_kw: FloatArray, response: float) -> Call:
    """The cheapest call that brings a plan back within the limits that it breaks.

    Parameters
    ----------
    fleet : Fleet
        The devices; those under contract give.
    rows : LimitRows
        Broken limits, as rows over the load points of the fleet.
    power_kw : (devices, steps)
        The plan [kW].
    response : float
        e of each customer [kW per currency/kWh].
    """
    planned_kw = fleet.at_load_points(power_kw, fleet.reprofiling)
    response_kw = response * customers(fleet)
    quantity_kw, price = np.zeros((2, *planned_kw.shape))
    missing_kw = np.zeros(len(rows))
    for step in np.unique(rows.step):
        here = np.flatnonzero(rows.step == step)
        quantity_kw[:, step], missing_kw[here] = cheapest_call(
            rows.matrix[here], -rows.room_kw[here], response_kw, planned_kw[:, step]
        )
    gives = response_kw > 0.0
    price[gives] = quantity_kw[gives] / response_kw[gives, None]
    return Call(quantity_kw, price, rows, missing_kw)


def broken_rows(fleet: Fleet, state: GridState) -> LimitRows:
    """The limits that a load flow breaks, as rows over the load points."""
    nothing_kw = np.zeros((len(fleet.load_points), len(fleet.spot_per_kwh)))
    rows = linear_limits(state, fleet.load_points, nothing_kw)
    return rows.take(np.flatnonzero(rows.room_kw < -LEAST_CALL_KW))


def customers(fleet: Fleet) -> FloatArray:
    """Members under re-profiling contract at each load point, shape (load points,)."""
    found: dict[int, set[str]] = {}
    for device in np.flatnonzero(fleet.reprofiling):
        found.setdefault(int(fleet.load_point[device]), set()).add(fleet.member[device])
    return np.array([float(len(found.get(place, ()))) for place in range(len(fleet.load_points))])


def cheapest_call(
    matrix: FloatArray, need_kw: FloatArray, response_kw: FloatArray, most_kw: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """min Σ q²/E subject to matrix q ≥ need, 0 ≤ q ≤ most, at one hour.

    Parameters
    ----------
    matrix : (rows, load points)
        How much a kW less at a load point takes off each limit.
    need_kw : (rows,)
        s [kW].
    response_kw : (load points,)
        E [kW per currency/kWh].
    most_kw : (load points,)
        Planned load [kW].

    Returns
    -------
    tuple of (load points,) and (rows,)
        q, and what is missing at each limit [kW].

    Notes
    -----
    Coordinate ascent on the duals: the price of one limit at a time is raised until it holds, which is exact
    where limits do not share load points and converges where they do (Hildreth 1957).
    """
    helps = np.where(response_kw > 0.0, np.maximum(matrix, 0.0), 0.0)
    most_kw = np.maximum(most_kw, 0.0)
    price = np.zeros(len(need_kw))

    def given(at: FloatArray) -> FloatArray:
        return np.asarray(np.clip(response_kw * (at @ helps) / 2.0, 0.0, most_kw))

    reachable = np.minimum(need_kw, helps @ most_kw)
    for _ in range(SWEEPS):
        before = price.copy()
        for row in range(len(need_kw)):
            price[row] = _price_that_meets(price, row, helps, reachable[row], (response_kw, most_kw))
        if np.abs(price - before).max(initial=0.0) <= EXACT_KW * max(1.0, float(price.max(initial=0.0))):
            break
    quantity_kw = given(price)
    return quantity_kw, np.maximum(need_kw - helps @ quantity_kw, 0.0) * (
        need_kw - helps @ quantity_kw > 1e-6
    )


def _price_that_meets(
    price: FloatArray, row: int, helps: FloatArray, need_kw: float, supply: tuple[FloatArray, FloatArray]
) -> float:
    """The least price of one limit at which the load points give what it needs, others held.

    What they give is piecewise linear in the price: it is met exactly between two of its corners.
    """
    response_kw, most_kw = supply
    mine, weight = helps[row] > 0.0, helps[row][helps[row] > 0.0]
    others = price @ helps - price[row] * helps[row]
    slope, most, base = response_kw[mine] / 2.0, most_kw[mine], others[mine]

    def total(at: FloatArray) -> FloatArray:
        power = np.clip(slope * (base + np.multiply.outer(at, weight)), 0.0, most)
        return np.asarray(power @ weight)

    corners = np.concatenate([[0.0], np.maximum((most / slope - base) / weight, 0.0)])
    corners = np.unique(corners)
    reached = total(corners)
    above = int(np.searchsorted(reached, need_kw - EXACT_KW))
    if above == 0:
        return 0.0
    if above == len(corners):
        return float(corners[-1])
    low, high = corners[above - 1], corners[above]
    share = (need_kw - reached[above - 1]) / max(reached[above] - reached[above - 1], 1e-300)
    return float(low + min(share, 1.0) * (high - low))
