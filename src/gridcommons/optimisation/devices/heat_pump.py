"""A heat pump and its house: indoor air and structure as two states, comfort as a band of the air.

    C_a (T_a[t] − T_a[t−1]) = COP p[t] dt − k1 (T_a[t] − T_o[t]) dt − k2 (T_a[t] − T_s[t]) dt
    C_s (T_s[t] − T_s[t−1]) = k2 (T_a[t] − T_s[t]) dt

(SMART-MLA, final report of project 64018-0302, 2022). Backward Euler, because the explicit step is unstable
at an hour: k2 dt/C_a is about 4. Both states start in the middle of the comfort band, and the structure
ends no colder than it began; start and end are ours, the source gives none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gridcommons.model.assets import HeatPump
from gridcommons.model.grid import FloatArray
from gridcommons.model.profiles import Profiles, room_cop
from gridcommons.optimisation.devices.chain import STATES, Chains

OUTDOOR = "outdoor.temp_c"
"""Column of the outdoor temperature."""


def heating_chains(
    pumps: Sequence[HeatPump], profiles: Profiles, start_c: FloatArray | None = None
) -> Chains:
    """Heat pumps that keep their houses within the comfort band.

    Parameters
    ----------
    pumps : sequence of HeatPump
        Each with its house and a COP (``room_cop``).
    profiles : Profiles
        ``outdoor.temp_c``; ``<asset>.water_kw`` is what hot water takes of the rating, which no plan moves.
    start_c : (pumps, states), optional
        Temperatures before the first interval; the middle of the band if absent [°C].

    Notes
    -----
    States in °C. Where the weather keeps the air above the band, the upper bound of these intervals is what
    the least heating leaves: a heat pump does not cool.
    """
    count, time = len(pumps), profiles.time
    cop = np.array([room_cop(pump, profiles) for pump in pumps])
    transition, per_heat, per_outdoor = _backward_euler(pumps, time.step_hours)
    outdoor_c = profiles.of(OUTDOOR)
    drift = per_outdoor[:, None, :] * outdoor_c[None, :, None]
    effect = cop.reshape(count, time.steps, 1) * per_heat[:, None, :]
    low, high = np.full((2, count, time.steps, STATES), np.inf)
    low *= -1.0
    middle_c = np.array([(pump.temp_min_c + pump.temp_max_c) / 2.0 for pump in pumps])
    low[:, :, 0] = np.array([pump.temp_min_c for pump in pumps])[:, None]
    high[:, :, 0] = np.array([pump.temp_max_c for pump in pumps])[:, None]
    low[:, -1, 1] = middle_c
    start = np.repeat(middle_c[:, None], STATES, axis=1) if start_c is None else start_c
    water_kw = np.array([profiles.of(f"{pump.asset}.water_kw") for pump in pumps]).reshape(count, time.steps)
    most_kw = np.array([pump.consumption_max_kw for pump in pumps])[:, None] - water_kw
    names = tuple(pump.asset for pump in pumps)
    idle_kw = np.zeros_like(most_kw)
    chains = Chains(names, transition, effect, drift, start, low, high, idle_kw, most_kw)
    return replace(chains, state_high=np.maximum(high, _least_heated(chains)))


def _least_heated(chains: Chains) -> FloatArray:
    """States of houses that are heated no more than the band asks, shape (pumps, steps, states) [°C]."""
    out, state = np.empty_like(chains.state_low), chains.start
    for step in range(chains.steps):
        state = np.einsum("dij,dj->di", chains.transition, state) + chains.drift[:, step]
        per_kw = chains.effect[:, step, 0]
        lacks_c = np.maximum(chains.state_low[:, step, 0] - state[:, 0], 0.0)
        power_kw = np.divide(lacks_c, per_kw, out=np.zeros_like(lacks_c), where=per_kw > 0.0)
        power_kw = np.minimum(power_kw, chains.power_high[:, step])
        state = state + chains.effect[:, step] * power_kw[:, None]
        out[:, step] = state
    return out


def _backward_euler(
    pumps: Sequence[HeatPump], step_hours: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A; change of the states per kW of heat; per °C outdoors."""
    k1 = np.array([pump.k1_kw_per_k for pump in pumps]) * step_hours
    k2 = np.array([pump.k2_kw_per_k for pump in pumps]) * step_hours
    air = np.array([pump.air_kwh_per_k for pump in pumps])
    structure = np.array([pump.structure_kwh_per_k for pump in pumps])
    law = np.moveaxis(np.array([[air + k1 + k2, -k2], [-k2, structure + k2]]), 2, 0)
    inverse = np.linalg.inv(law)
    kept = np.moveaxis(np.array([[air, 0.0 * air], [0.0 * air, structure]]), 2, 0)
    return inverse @ kept, inverse[:, :, 0] * step_hours, inverse[:, :, 0] * k1[:, None]
