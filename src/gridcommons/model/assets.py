"""The kinds of asset behind a connection: ratings, and what each does or could do.

A kind is a frozen dataclass whose fields are the columns of ``assets.csv``; one line in
``ASSET_KINDS`` makes it known to the study check, to the load flow and to the envelopes. Its two
behaviours turn what the profiles say (a magnitude in the kind's own direction) into net power at
the connection, positive when the grid delivers:

- ``net_kw``: what it does when nobody controls it;
- ``range_kw``: between what it could be set when it is flexible.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from gridcommons.model.asset import Asset, Signals, optional_rating, rating, zero_if_blank
from gridcommons.model.grid import FloatArray
from gridcommons.model.heat_assets import (
    HOUSE_COLUMNS,
    Boiler,
    Chp,
    HeatPump,
    HeatStore,
    SmartBoiler,
    StirlingStore,
)
from gridcommons.model.storage import charge_bounds_kw

__all__ = [
    "ASSET_KINDS",
    "HOUSE_COLUMNS",
    "Asset",
    "Battery",
    "Boiler",
    "Chp",
    "DemandResponse",
    "EvCharger",
    "HeatPump",
    "HeatStore",
    "Load",
    "Pv",
    "Signals",
    "SmartBoiler",
    "StirlingStore",
    "rating_columns",
]


@dataclass(frozen=True, kw_only=True)
class Load(Asset):
    """Consumption that nobody controls; its profile is consumption."""

    kind: ClassVar[str] = "load"
    may_be_flexible: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Pv(Asset):
    """Solar generation; its profile is what the sun makes available."""

    kind: ClassVar[str] = "pv"
    generation_max_kw: float = rating()
    inverter_kva: float = optional_rating()
    q_share: float = optional_rating(below=1.0)

    def net_kw(self, signals: Signals) -> FloatArray:
        """All available generation is fed in."""
        return -signals.profile_kw

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From all available generation to none (curtailed)."""
        available_kw = np.minimum(signals.profile_kw, self.rating_kw)
        return -available_kw, np.zeros_like(available_kw)

    @property
    def rating_kw(self) -> float:
        """Installed generation, or the inverter where it is smaller [kW]."""
        return float(np.nanmin([self.generation_max_kw, self.inverter_kva]))


@dataclass(frozen=True, kw_only=True)
class Battery(Asset):
    """A battery; its profile is signed, charging positive, and idle where none is given."""

    kind: ClassVar[str] = "battery"
    needs_profile: ClassVar[bool] = False
    signed_profile: ClassVar[bool] = True
    charge_max_kw: float = rating()
    discharge_max_kw: float = rating()
    energy_kwh: float = rating()
    charge_efficiency_share: float = rating(below=1.0)
    discharge_efficiency_share: float = rating(below=1.0)
    soc_initial_share: float = rating(below=1.0)
    soc_min_share: float = rating(below=1.0)
    soc_max_share: float = rating(below=1.0)
    discomfort_per_kw2h: float = optional_rating()
    wear_cost_per_kwh: float = zero_if_blank()

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From full discharge to full charge, within what the stored energy allows for one interval."""
        return charge_bounds_kw(self, signals.energy_kwh, signals.step_hours)

    @property
    def rating_kw(self) -> float:
        """The larger of charging and discharging power [kW]."""
        return max(self.charge_max_kw, self.discharge_max_kw)


@dataclass(frozen=True, kw_only=True)
class EvCharger(Asset):
    """A charging station; its profile is uncontrolled charging (signed where the car discharges)."""

    kind: ClassVar[str] = "ev_charger"
    needs_profile: ClassVar[bool] = False
    signed_profile: ClassVar[bool] = True
    charge_max_kw: float = rating()
    discharge_max_kw: float = zero_if_blank()
    energy_kwh: float = optional_rating()
    soc_min_share: float = optional_rating(below=1.0)
    soc_max_share: float = optional_rating(below=1.0)
    departure_soc_share: float = optional_rating(below=1.0)
    discomfort_per_kw2h: float = optional_rating()

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From rest (or discharge) to full charge while plugged in, zero while not.

        The energy of the car bounds the range only where it can discharge and its size is known:
        a station that charges alone promises power, not a full car.
        """
        plugged = signals.plugged_in > 0.0
        low_kw = np.full(len(plugged), -self.discharge_max_kw)
        high_kw = np.full(len(plugged), self.charge_max_kw)
        if self.discharge_max_kw > 0.0 and np.isfinite(signals.energy_kwh).all():
            low_kw, high_kw = charge_bounds_kw(self, signals.energy_kwh, signals.step_hours)
        return np.where(plugged, low_kw, 0.0), np.where(plugged, high_kw, 0.0)

    @property
    def rating_kw(self) -> float:
        """The larger of charging and discharging power [kW]."""
        return max(self.charge_max_kw, self.discharge_max_kw)

    @property
    def charge_efficiency_share(self) -> float:
        """Charging is counted at the connection: no loss is modelled."""
        return 1.0

    @property
    def discharge_efficiency_share(self) -> float:
        """Discharging is counted at the connection: no loss is modelled."""
        return 1.0

    @property
    def soc_initial_share(self) -> float:
        """The car starts as it wants to leave; without that figure, full."""
        return self.soc_max_share if np.isnan(self.departure_soc_share) else self.departure_soc_share


@dataclass(frozen=True, kw_only=True)
class DemandResponse(Asset):
    """Consumption of which a share may be called off; its profile is consumption."""

    kind: ClassVar[str] = "demand_response"
    consumption_max_kw: float = rating()
    flexible_share: float = rating(below=1.0)
    discomfort_per_kw2h: float = optional_rating()
    power_to_energy_per_h: float = optional_rating()

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From the part that cannot be called off to the rating."""
        high_kw = np.maximum(self.consumption_max_kw, signals.profile_kw)
        return (1.0 - self.flexible_share) * signals.profile_kw, high_kw

    @property
    def rating_kw(self) -> float:
        """Rated consumption [kW]."""
        return self.consumption_max_kw


_KINDS: tuple[type[Asset], ...] = (
    Load,
    Pv,
    Chp,
    Boiler,
    Battery,
    EvCharger,
    HeatPump,
    HeatStore,
    SmartBoiler,
    StirlingStore,
    DemandResponse,
)
ASSET_KINDS: dict[str, type[Asset]] = {kind.kind: kind for kind in _KINDS}
"""Every kind by the name it has in ``assets.csv``."""


def rating_columns(kind: type[Asset]) -> dict[str, dict[str, Any]]:
    """Columns of a kind beyond those that every asset has: name to ``required`` and ``below``."""
    shared = {column.name for column in fields(Asset)}
    return {
        column.name: {"below": column.metadata["below"], "required": column.default is MISSING}
        for column in fields(kind)
        if column.name not in shared
    }
