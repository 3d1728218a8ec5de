"""Profiles over time, and what every asset does or could do at each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gridcommons.model.assets import Asset, HeatPump, Signals
from gridcommons.model.grid import FloatArray
from gridcommons.model.storage import energy_path_kwh
from gridcommons.model.time import TimeAxis


@dataclass(frozen=True, eq=False)
class Profiles:
    """One array of shape (steps,) a column; an asset without a column is idle.

    Parameters
    ----------
    time : TimeAxis
        The axis that all columns share.
    columns : mapping of str to (steps,)
        ``<asset>`` [kW], ``<asset>.q_kvar``, ``<asset>.plugged_in``, ``<asset>.drive_kwh``,
        ``<asset>.cop``, ``<asset>.room_cop``, ``<asset>.water_kw``, ``<asset>.heat_kw``,
        ``<asset>.draw_m3``, ``<asset>.metered_kw``, ``outdoor.temp_c``.
    """

    time: TimeAxis
    columns: Mapping[str, FloatArray] = field(default_factory=dict)

    def of(self, name: str, otherwise: float = 0.0) -> FloatArray:
        """The column of this name, or a constant where there is none, shape (steps,)."""
        column = self.columns.get(name)
        return np.full(self.time.steps, otherwise) if column is None else column

    def signals(self, asset: Asset, *, soc_path: str = "profile") -> Signals:
        """What the profiles say about one asset.

        ``soc_path`` says which energy a store has at the start of each interval: along its
        ``profile``, or ``initial`` at all of them (an online sample, each step on its own).
        """
        profile_kw = self.of(asset.asset)
        follows = 1.0 if soc_path == "profile" else 0.0
        energy_kwh = np.zeros_like(profile_kw)
        if asset.signed_profile and getattr(asset, "discharge_max_kw", 0.0) > 0.0:
            energy_kwh = energy_path_kwh(asset, follows * profile_kw, self.time.step_hours)  # type: ignore[arg-type]
            driven_kwh = np.cumsum(follows * self.of(f"{asset.asset}.drive_kwh"))
            energy_kwh = energy_kwh - np.concatenate([[0.0], driven_kwh[:-1]])
        plugged_in = self.of(f"{asset.asset}.plugged_in", otherwise=1.0)
        return Signals(profile_kw, energy_kwh, plugged_in, self.time.step_hours)

    def net_kvar(self, asset: Asset, net_kw: FloatArray) -> FloatArray:
        """Reactive power of an asset whose net power is ``net_kw``, same shape [kvar].

        ``<asset>.q_kvar`` where the study gives it, else by the power factor with the sign of P.
        """
        given = self.columns.get(f"{asset.asset}.q_kvar")
        return reactive_per_active(asset) * net_kw if given is None else given


def reactive_per_active(asset: Asset) -> float:
    """tan φ of an asset's power factor: kvar per kW, with the sign of P."""
    return float(np.sqrt(1.0 / asset.power_factor**2 - 1.0))


def room_cop(pump: HeatPump, profiles: Profiles) -> FloatArray:
    """Heat for the rooms per electricity of a heat pump, shape (steps,); NaN where the study does not say.

    Its column ``room_cop``; else its COP, by its column or its constant: that of hot water is then the same.
    """
    cop = profiles.of(f"{pump.asset}.cop", otherwise=pump.cop)
    return profiles.columns.get(f"{pump.asset}.room_cop", cop)
