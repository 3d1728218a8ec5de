"""What flexibility the DSO asks for: where, when, how much, and when the energy may be taken back.

A limit that the plan breaks asks the load points that can relieve it, each as far as it counts: a line for
its excess, a voltage for what is missing divided by the sensitivity of the voltage to the load point,

    ΔP_j = (V_min + margin − V_i) / |∂V_i/∂P_j|

(SMART-MLA, final report of project 64018-0302, 2022, §5.2.2). Payback hours are those in which the most that
could be taken back, everywhere at once, breaks nothing, with a margin: a load flow says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.flexibility.check import LEAST_EXCESS_KW, GridState, GridView, flow_of
from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.limits import linear_limits
from gridcommons.flexibility.settings import Settings
from gridcommons.model.flexibility import LimitRows, Requirement
from gridcommons.model.grid import BoolArray, FloatArray

PARTS = (1.0, 0.5, 0.25, 0.1)
"""Of the worst case of payback, tried in turn until enough hours hold it."""

ENOUGH_HOURS = 4.0
"""As many as the report's own example of a requirement table has [h]."""

LEAST_EFFECT = 0.05
"""A load point that counts for less than this, against the one that counts most, is not asked."""


@dataclass(frozen=True, eq=False)
class Need:
    """The DSO's own side of a requirement: one row a broken limit.

    Parameters
    ----------
    rows : LimitRows
        The broken limits, margin included, over the load points of the fleet.
    least_kw, most_kw : (rows,)
        Needed from the load point that helps most, and from the one asked that helps least [kW].
    asked : (rows, load points)
        Which load points are asked for it; none where less load helps nowhere.
    """

    rows: LimitRows
    least_kw: FloatArray
    most_kw: FloatArray
    asked: BoolArray


def find_needs(state: GridState, fleet: Fleet, settings: Settings) -> Need:
    """What a plan's load flow asks of the load points that have devices, the voltage margin included."""
    nothing_kw = np.zeros((len(fleet.load_points), len(fleet.spot_per_kwh)))
    rows = linear_limits(state, fleet.load_points, nothing_kw, (0.0, settings.voltage_margin_pu))
    rows = rows.take(np.flatnonzero(rows.room_kw < -LEAST_EXCESS_KW))
    has_device = np.zeros(len(fleet.load_points), dtype=bool)
    has_device[fleet.load_point] = True
    effect = np.maximum(rows.matrix, 0.0) * has_device
    asked = effect > LEAST_EFFECT * effect.max(axis=1, initial=0.0, keepdims=True)
    need_kw = -rows.room_kw
    with np.errstate(divide="ignore"):
        by_point = np.where(asked, need_kw[:, None] / np.where(asked, effect, 1.0), np.nan)
    least_kw, most_kw = need_kw.copy(), need_kw.copy()
    some = asked.any(axis=1)
    least_kw[some], most_kw[some] = np.nanmin(by_point[some], axis=1), np.nanmax(by_point[some], axis=1)
    return Need(rows, least_kw, most_kw, asked)


def publish(view: GridView, state: GridState, fleet: Fleet, need: Need, settings: Settings) -> Requirement:
    """The requirement table that belongs to some needs."""
    shape = (len(fleet.load_points), len(fleet.spot_per_kwh))
    least_kw, most_kw = np.zeros(shape), np.zeros(shape)
    for row, step in enumerate(need.rows.step):
        points = need.asked[row]
        least_kw[points, step] = np.maximum(least_kw[points, step], need.least_kw[row])
        most_kw[points, step] = np.maximum(most_kw[points, step], need.most_kw[row])
    names = view.study.grid.buses.name
    allowed, part = payback_hours(view, state, fleet, need, settings)
    return Requirement(
        tuple(names[bus] for bus in fleet.load_points),
        least_kw,
        most_kw,
        allowed,
        settings.payback_max_share,
        settings.price_max_per_kwh,
        part,
    )


def payback_hours(
    view: GridView, state: GridState, fleet: Fleet, need: Need, settings: Settings
) -> tuple[BoolArray, float]:
    """Hours in which what could be taken back breaks nothing, (steps,), and which part of it that is.

    The most that a limit asks for in all its hours comes back in one hour, times the payback cap, spread over
    the load points asked for it by the power of their devices. Where fewer than ``ENOUGH_HOURS`` hold all of
    that, those that hold the largest of ``PARTS`` of it: the clearing itself keeps every limit with the
    payback that it takes.
    """
    comes_back_kw = _all_at_once(fleet, need, settings)
    allowed: BoolArray = np.zeros(len(fleet.spot_per_kwh), dtype=bool)
    for part in PARTS:
        allowed = _holds(view, state, fleet, part * comes_back_kw, settings)
        allowed[need.rows.step] = False
        if allowed.sum() * fleet.step_hours >= ENOUGH_HOURS:
            break
    return allowed, part


def _all_at_once(fleet: Fleet, need: Need, settings: Settings) -> FloatArray:
    """What comes back in one hour at worst, shape (load points,) [kW]."""
    power_kw = np.zeros(len(fleet.load_points))
    np.add.at(power_kw, fleet.load_point, fleet.chains.power_high.max(axis=1))
    comes_back_kw = np.zeros(len(fleet.load_points))
    elements = list(zip(need.rows.element, need.rows.kind, strict=True))
    for element in dict.fromkeys(elements):
        mine = np.array([other == element for other in elements])
        points = need.asked[mine].any(axis=0)
        back_kw = settings.payback_max_share * need.most_kw[mine].sum()
        weight = power_kw * points
        if weight.any():
            comes_back_kw = np.maximum(comes_back_kw, back_kw * weight / weight.sum())
    return comes_back_kw


def _holds(
    view: GridView, state: GridState, fleet: Fleet, more_kw: FloatArray, settings: Settings
) -> BoolArray:
    """Whether each hour holds more load at the load points, with the margin, shape (steps,)."""
    load_kw, load_kvar = state.load_kw.copy(), state.load_kvar.copy()
    load_kw[fleet.load_points] += more_kw[:, None]
    load_kvar[fleet.load_points] += (fleet.tan_at_load_points * more_kw)[:, None]
    # So much may come back at once that no grid carries it: then the hour is none.
    tried = flow_of(view, load_kw, load_kvar, must_solve=False)
    nothing_kw = np.zeros((len(more_kw), load_kw.shape[1]))
    rows = linear_limits(tried, fleet.load_points, nothing_kw, (settings.payback_margin_share, 0.0))
    holds = tried.flow.solved.copy()
    holds[rows.step[rows.room_kw < 0.0]] = False
    return holds
