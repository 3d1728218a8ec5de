"""A car at its charging station: energy in the battery, what it drives, when it is plugged in.

E[t] = E[t−1] + dt p[t] − d[t] (SMART-MLA, final report of project 64018-0302, 2022, §5.1; no loss of
charging is modelled, as there). The window ends with the energy of the ratings, or with what charging at full
power reaches where that is less: ours, because without it a day would end with every battery empty.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import EvCharger
from gridcommons.model.grid import FloatArray
from gridcommons.model.profiles import Profiles
from gridcommons.optimisation.devices.chain import STATES, Chains

ROOM_KWH = 1e-3
"""Energy that counts as none: a plan needs a little room to be found in."""


def charging_chains(
    cars: Sequence[EvCharger], profiles: Profiles, start_kwh: FloatArray | None = None
) -> Chains:
    """Cars that charge when it is cheap and are ready when they leave.

    Parameters
    ----------
    cars : sequence of EvCharger
        With ``energy_kwh``, ``soc_min_share`` and ``soc_max_share``.
    profiles : Profiles
        ``<asset>.plugged_in`` (always, where absent) and ``<asset>.drive_kwh`` (nothing, where absent).
    start_kwh : (cars,), optional
        Energy before the first interval; that of the ratings if absent.
    """
    count, steps = len(cars), profiles.time.steps
    energy_kwh = np.array([car.energy_kwh for car in cars])
    plugged_in = np.array([profiles.of(f"{car.asset}.plugged_in", otherwise=1.0) for car in cars])
    drive_kwh = np.array([profiles.of(f"{car.asset}.drive_kwh") for car in cars])
    usual_kwh = np.array([car.soc_initial_share for car in cars]) * energy_kwh
    start_kwh = usual_kwh if start_kwh is None else start_kwh
    low, high, drift = _unbounded(count, steps)
    low[:, :, 0] = (np.array([car.soc_min_share for car in cars]) * energy_kwh)[:, None]
    high[:, :, 0] = (np.array([car.soc_max_share for car in cars]) * energy_kwh)[:, None]
    drift[:, :, 0] = -drive_kwh.reshape(count, steps)
    transition, effect = np.zeros((count, STATES, STATES)), np.zeros((count, steps, STATES))
    hours = profiles.time.step_hours
    transition[:, 0, 0], effect[:, :, 0] = 1.0, hours
    start = np.zeros((count, STATES))
    start[:, 0] = start_kwh
    most_kw = np.array([car.charge_max_kw for car in cars])[:, None] * plugged_in.reshape(count, steps)
    # A car that cannot hold any more is not charged: a plan finds no way between two equal bounds.
    idle_kwh = start_kwh[:, None] + drift[:, :, 0].cumsum(axis=1)
    is_full = high[:, :, 0] - idle_kwh <= ROOM_KWH
    most_kw = np.where(is_full, 0.0, most_kw)
    high[:, :, 0] = np.where(is_full, idle_kwh + ROOM_KWH, high[:, :, 0])
    full_kwh = _full_charging(start_kwh, high[:, :, 0], drift[:, :, 0], most_kw * hours)
    end_kwh = np.minimum(usual_kwh, full_kwh - ROOM_KWH)
    low[:, -1, 0] = np.maximum(low[:, -1, 0], end_kwh)
    names = tuple(car.asset for car in cars)
    return Chains(names, transition, effect, drift, start, low, high, np.zeros_like(most_kw), most_kw)


def _full_charging(
    start_kwh: FloatArray, high_kwh: FloatArray, drift_kwh: FloatArray, most_kwh: FloatArray
) -> FloatArray:
    """Energy at the end of the window when every car charges as much as it can, shape (cars,) [kWh]."""
    energy_kwh = start_kwh
    for step in range(high_kwh.shape[1]):
        full_kwh = energy_kwh + drift_kwh[:, step] + most_kwh[:, step]
        energy_kwh = np.minimum(full_kwh, high_kwh[:, step])
    return energy_kwh


def _unbounded(count: int, steps: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    shape = (count, steps, STATES)
    return np.full(shape, -np.inf), np.full(shape, np.inf), np.zeros(shape)
