"""Energy in a store: its path under a power profile, and the powers that one interval allows."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from gridcommons.model.grid import FloatArray


class Store(Protocol):
    """What a battery and a car that discharges have in common."""

    @property
    def charge_max_kw(self) -> float:
        """Largest charging power [kW]."""

    @property
    def discharge_max_kw(self) -> float:
        """Largest discharging power [kW]."""

    @property
    def energy_kwh(self) -> float:
        """Capacity [kWh]."""

    @property
    def charge_efficiency_share(self) -> float:
        """Stored energy per energy drawn."""

    @property
    def discharge_efficiency_share(self) -> float:
        """Energy delivered per energy taken from the store."""

    @property
    def soc_initial_share(self) -> float:
        """State of charge at the start."""

    @property
    def soc_min_share(self) -> float:
        """Lowest state of charge."""

    @property
    def soc_max_share(self) -> float:
        """Highest state of charge."""


def energy_path_kwh(store: Store, power_kw: FloatArray, step_hours: float) -> FloatArray:
    """Energy at the start of each interval when the store follows ``power_kw``, shape (steps,) [kWh].

    E[t+1] = E[t] + dt (η_c P⁺ − P⁻/η_d), charging positive; drive or standby losses are not in it.
    """
    charge_kw, discharge_kw = np.maximum(power_kw, 0.0), np.maximum(-power_kw, 0.0)
    change_kw = store.charge_efficiency_share * charge_kw
    change_kw = change_kw - discharge_kw / store.discharge_efficiency_share
    change_kwh = np.cumsum(change_kw) * step_hours
    start_kwh = store.soc_initial_share * store.energy_kwh
    return start_kwh + np.concatenate([[0.0], change_kwh[:-1]])


def charge_bounds_kw(
    store: Store, energy_kwh: FloatArray, step_hours: float
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest net power that the energy in the store allows for one interval [kW].

    discharge ≤ η_d (E − E_min)/dt and charge ≤ (E_max − E)/(η_c dt), beside the ratings.
    """
    above_kwh = np.maximum(energy_kwh - store.soc_min_share * store.energy_kwh, 0.0)
    room_kwh = np.maximum(store.soc_max_share * store.energy_kwh - energy_kwh, 0.0)
    discharge_kw = store.discharge_efficiency_share * above_kwh / step_hours
    charge_kw = room_kwh / (store.charge_efficiency_share * step_hours)
    return (
        -np.minimum(discharge_kw, store.discharge_max_kw),
        np.minimum(charge_kw, store.charge_max_kw),
    )
