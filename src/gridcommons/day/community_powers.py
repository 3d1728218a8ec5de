"""What the devices of communities do when things are not as their plan expected them.

Set-points are kept: what is stored, burnt and pumped is as planned. A solar plant that was not held back
gives what the sun gives; consumption that is put off is put off by as much, whatever it is. What an inverter
cannot give for want of sun, of active or reactive power, is not given.
"""

from __future__ import annotations

import numpy as np

from gridcommons.day.field import Field
from gridcommons.day.outcomes import Planned
from gridcommons.model.assets import Asset, Battery, Chp, DemandResponse, Pv, SmartBoiler
from gridcommons.model.grid import FloatArray
from gridcommons.model.profiles import Profiles, reactive_per_active
from gridcommons.optimisation.devices.operation import has_say

HELD_BACK_KW = 1e-3
"""By how much a plan must be below what the sun was to give for a plant to count as held back."""


def community_powers(field: Field, planned: Planned, profiles: Profiles) -> tuple[FloatArray, FloatArray]:
    """Net and reactive power of what communities control, (steps, scheduled assets) each [kW], [kvar].

    Parameters
    ----------
    planned : Planned
        Plans of everybody, and what they were made from.
    profiles : Profiles
        What is, or is expected to be.
    """
    at = field.scheduled
    p_kw, q_kvar, seen_kw = planned.plan_kw[:, at], planned.plan_kvar[:, at], planned.seen_kw[:, at]
    return moved_powers(field, (p_kw, q_kvar, seen_kw), profiles)


def moved_powers(
    field: Field, plan: tuple[FloatArray, FloatArray, FloatArray], profiles: Profiles
) -> tuple[FloatArray, FloatArray]:
    """The same of plans of communities alone: net and reactive power, and what profiles were to be."""
    p_kw, q_kvar, seen_kw = (part.copy() for part in plan)
    least_kw, most_kw = (end[:, field.scheduled] for end in field.given_kw)
    now_kw = field.net_kw(profiles)[:, field.scheduled]
    for column, k in enumerate(field.scheduled.tolist()):
        asset = field.assets[k]
        if isinstance(asset, Pv):
            powers = (p_kw[:, column], q_kvar[:, column], seen_kw[:, column])
            p_kw[:, column], q_kvar[:, column] = _under_the_sun(
                asset, powers, np.maximum(now_kw[:, column], least_kw[:, column])
            )
        elif isinstance(asset, DemandResponse):
            moved_kw = p_kw[:, column] + now_kw[:, column] - seen_kw[:, column]
            rated_kw = np.minimum(asset.consumption_max_kw, most_kw[:, column])
            p_kw[:, column] = np.clip(moved_kw, 0.0, rated_kw)
        if isinstance(asset, Pv | DemandResponse) and not has_say(asset):
            q_kvar[:, column] = profiles.net_kvar(asset, p_kw[:, column])
    return p_kw, q_kvar


def of_connections(field: Field) -> FloatArray:
    """1 where a device with a say in reactive power is at a connection, (scheduled assets, connections)."""
    says = [has_say(field.assets[k]) for k in field.scheduled.tolist()]
    place = np.eye(len(field.connections))[field.connection_of[field.scheduled]]
    return place * np.array(says, dtype=np.float64).reshape(-1, 1)


def reactive_swing_kvar(asset: Asset) -> float:
    """From the most that an asset can absorb to the most that it can inject, as it is rated [kvar].

    What has no say in it moves its reactive power with its active power.
    """
    moved = reactive_per_active(asset) * asset.rating_kw * (2.0 if isinstance(asset, Battery) else 1.0)
    if isinstance(asset, Pv):
        moved += 2.0 * float(np.nan_to_num(asset.q_share * asset.inverter_kva))
    elif isinstance(asset, SmartBoiler):
        moved += 2.0 * float(np.nan_to_num(asset.q_share)) * asset.consumption_max_kw
    elif isinstance(asset, Chp):
        shares = np.nan_to_num([asset.q_inject_share, asset.q_absorb_share])
        moved += float(shares.sum()) * asset.generation_max_kw
    return float(moved)


def _under_the_sun(
    plant: Pv, planned: tuple[FloatArray, FloatArray, FloatArray], now_kw: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Power of a plant, within what the sun gives and what its inverter can, (steps,) each [kW], [kvar]."""
    p_kw, q_kvar, seen_kw = planned
    is_free = p_kw - seen_kw <= HELD_BACK_KW
    most_kw = np.where(is_free, -now_kw, np.minimum(-p_kw, -now_kw))
    s_kva = plant.inverter_kva if np.isfinite(plant.inverter_kva) else np.inf
    q_kvar = np.clip(q_kvar, -most_kw, most_kw)
    most_kw = np.minimum(most_kw, np.sqrt(np.maximum(s_kva**2 - q_kvar**2, 0.0)))
    return -most_kw, q_kvar
