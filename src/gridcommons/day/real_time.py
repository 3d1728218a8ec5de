"""The day itself: envelopes and set-points of each interval, from what is known at its start.

Every interval begins with new envelopes around what was planned, valid until the next ones; devices follow
their plans within them, and within what they have sold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridcommons.day.account import Account
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Planned, Realised
from gridcommons.day.set_points import Orders, operate
from gridcommons.envelopes.around_plan import PlanEnvelopes, Surroundings, envelopes_around
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.profiles import Profiles


def device_bounds_kw(field: Field, profiles: Profiles) -> tuple[FloatArray, FloatArray]:
    """Least and most net power that each asset is rated for, shape (steps, assets) each [kW].

    What cannot be moved is at its profile. Energy is no part of it: an envelope is a promise of the grid.
    """
    low_kw = field.net_kw(profiles)
    high_kw = low_kw.copy()
    for k in np.flatnonzero(field.is_controllable):
        asset = field.assets[k]
        ends = asset.range_kw(profiles.signals(asset, soc_path="initial"))
        low_kw[:, k], high_kw[:, k] = (np.broadcast_to(end, len(low_kw)) for end in ends)
    law, water_kw = field.chains(profiles), field.net_kw(profiles)[:, field.chained]
    water_kw[:, : len(field.cars)] = 0.0
    low_kw[:, field.chained] = law.power_low.T + water_kw
    high_kw[:, field.chained] = law.power_high.T + water_kw
    low_kw[:, field.stored] = [-battery.discharge_max_kw for battery in field.batteries]
    high_kw[:, field.stored] = [battery.charge_max_kw for battery in field.batteries]
    return low_kw, high_kw


def surroundings(field: Field, profiles: Profiles, planned: Planned, devices: IntArray) -> Surroundings:
    """The grid around some assets, everybody else as the profiles say, communities as they have planned."""
    p_kw = field.net_kw(profiles)
    q_kvar = field.net_kvar(p_kw, profiles)
    _do_as_scheduled(field, (p_kw, q_kvar), planned)
    others = np.setdiff1d(np.arange(len(field.assets)), devices)
    return Surroundings(
        network=field.network,
        limits=field.limits.with_margin(field.settings.envelope_margin_share),
        bus=field.bus[devices],
        tan=field.tan[devices],
        fixed_kw=p_kw[:, others],
        fixed_kvar=q_kvar[:, others],
        fixed_bus=field.bus[others],
        method=field.engines.method,
    )


def issue_envelopes(field: Field, expected: Profiles, planned: Planned) -> PlanEnvelopes:
    """Envelopes of what can be moved, around the plans, as things are expected at each interval's start."""
    devices = np.flatnonzero(field.is_controllable)
    low_kw, high_kw = (end[:, devices] for end in device_bounds_kw(field, expected))
    around = surroundings(field, expected, planned, devices)
    return envelopes_around(around, planned.plan_kw[:, devices], (low_kw, high_kw))


def live_the_day(
    field: Field,
    planned: Planned,
    account: Account | None,
    *,
    control: bool,
    envelopes: bool,
) -> Realised:
    """What happens when plans meet reality.

    Parameters
    ----------
    planned : Planned
        Plans of the day before.
    account : Account, optional
        What has been sold; nothing where there is none.
    control : bool
        Whether devices look at what is; else they do what was planned.
    envelopes : bool
        Whether operating envelopes are issued, and kept.
    """
    expected, real = field.information.nowcast(), field.information.meters()
    issued = _issued(field, expected, planned) if envelopes else _no_envelopes(planned)
    low_kw, high_kw = issued.p_min_kw.copy(), issued.p_max_kw.copy()
    if account is not None:
        mine = account.rows_of(field.row)
        low_kw[:, mine] = np.maximum(low_kw[:, mine], account.low_kw)
        # Where the grid allows less than was planned, it is the grid that is kept.
        high_kw[:, mine] = np.maximum(np.minimum(high_kw[:, mine], account.high_kw), low_kw[:, mine])
    plan_kw = None if control else planned.plan_kw
    orders = Orders(planned.target, low_kw, high_kw, plan_kw, planned.stored_target)
    done = operate(field, expected, real, orders)
    q_kvar = field.net_kvar(done.p_kw, real)
    _do_as_scheduled(field, (done.p_kw, q_kvar), planned)
    return Realised(
        p_kw=done.p_kw,
        q_kvar=q_kvar,
        wanted_kw=done.wanted_kw,
        p_min_kw=issued.p_min_kw,
        p_max_kw=issued.p_max_kw,
        state=done.state[:, :, 0],
        stored_kwh=done.stored_kwh,
    )


def _no_envelopes(planned: Planned) -> PlanEnvelopes:
    endless, nothing = np.full(planned.plan_kw.shape, np.inf), np.zeros(len(planned.plan_kw))
    return PlanEnvelopes(-endless, endless, nothing, nothing)


def _issued(field: Field, expected: Profiles, planned: Planned) -> PlanEnvelopes:
    """Envelopes of all assets, endless where an asset cannot be moved."""
    free, devices = _no_envelopes(planned), np.flatnonzero(field.is_controllable)
    if not len(devices):
        return free
    issued = issue_envelopes(field, expected, planned)
    free.p_min_kw[:, devices], free.p_max_kw[:, devices] = issued.p_min_kw, issued.p_max_kw
    return replace(issued, p_min_kw=free.p_min_kw, p_max_kw=free.p_max_kw)


def _do_as_scheduled(field: Field, power: tuple[FloatArray, FloatArray], planned: Planned) -> None:
    """Communities of heat and power do what they planned; no plan makes the sun shine."""
    (p_kw, q_kvar), at = power, field.scheduled
    p_kw[:, at] = np.maximum(planned.plan_kw[:, at], np.where(field.is_solar[at], p_kw[:, at], -np.inf))
    q_kvar[:, at] = planned.plan_kvar[:, at]
