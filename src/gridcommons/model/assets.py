"""The kinds of asset behind a connection: ratings, and what each does or could do.

A kind is a frozen dataclass whose fields are the columns of ``assets.csv``; one line in
``ASSET_KINDS`` makes it known to the study check, to the load flow and to the envelopes. Its two
behaviours turn what the profiles say (a magnitude in the kind's own direction) into net power at
the connection, positive when the grid delivers:

- ``net_kw``: what it does when nobody controls it;
- ``range_kw``: between what it could be set when it is flexible.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.model.storage import charge_bounds_kw


def rating(*, below: float = float("inf")) -> Any:
    """A column that must be given: a magnitude from 0 up to ``below``."""
    return field(metadata={"below": below})


def optional_rating(*, below: float = float("inf")) -> Any:
    """A column that a task may need but the file may leave blank (NaN)."""
    return field(default=float("nan"), metadata={"below": below})


HOUSE_COLUMNS = (
    "k1_kw_per_k",
    "k2_kw_per_k",
    "air_kwh_per_k",
    "structure_kwh_per_k",
    "temp_min_c",
    "temp_max_c",
)
"""What a house is made of: exchange of the air with outside and structure, heat capacities, comfort."""


@dataclass(frozen=True, eq=False)
class Signals:
    """What a study says about one asset over time.

    Parameters
    ----------
    profile_kw : (steps,)
        Magnitude in the kind's own direction, or signed (charging positive) for storages [kW].
    energy_kwh : (steps,)
        Energy stored at the start of each interval [kWh]; zeros where the kind stores nothing.
    plugged_in : (steps,)
        Share of the interval in which a car is connected, 0 to 1.
    step_hours : float
        Length of an interval [h].
    """

    profile_kw: FloatArray
    energy_kwh: FloatArray
    plugged_in: FloatArray
    step_hours: float


@dataclass(frozen=True, kw_only=True)
class Asset:
    """What every asset has. ``power_factor`` gives Q the sign of P: a load draws, a generator injects.

    ``needs_profile``: a task that follows profiles cannot do without the one of this kind.
    """

    kind: ClassVar[str] = ""
    needs_profile: ClassVar[bool] = True
    signed_profile: ClassVar[bool] = False
    may_be_flexible: ClassVar[bool] = True

    asset: str
    member: str
    flexible: bool = False
    power_factor: float = 1.0

    @property
    def may_lack_profile(self) -> bool:
        """Whether a study may come without its profile: some task can work out what it does."""
        return not self.needs_profile

    def net_kw(self, signals: Signals) -> FloatArray:
        """Net power when nobody controls it, shape (steps,) [kW]."""
        return signals.profile_kw

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest net power it could be set to, two arrays of shape (steps,) [kW]."""
        raise TypeError(f"a {self.kind} cannot be flexible")

    @property
    def rating_kw(self) -> float:
        """Largest magnitude of net power that the asset can have [kW]; infinite for a plain load."""
        return float("inf")


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
class Chp(Asset):
    """Combined heat and power; its profile is its electric generation."""

    kind: ClassVar[str] = "chp"
    generation_max_kw: float = rating()

    def net_kw(self, signals: Signals) -> FloatArray:
        """Generation is fed in."""
        return -signals.profile_kw

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From full generation to none."""
        full_kw = np.full_like(signals.profile_kw, self.generation_max_kw)
        return -full_kw, np.zeros_like(full_kw)

    @property
    def rating_kw(self) -> float:
        """Installed generation [kW]."""
        return self.generation_max_kw


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
    discharge_max_kw: float = field(default=0.0, metadata={"below": float("inf")})
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
class HeatPump(Asset):
    """A heat pump; its profile is its uncontrolled electric consumption.

    With a house, what it consumes can be planned, and the study may come without its profile.
    """

    kind: ClassVar[str] = "heat_pump"
    consumption_max_kw: float = rating()
    cop: float = optional_rating()
    k1_kw_per_k: float = optional_rating()
    k2_kw_per_k: float = optional_rating()
    air_kwh_per_k: float = optional_rating()
    structure_kwh_per_k: float = optional_rating()
    temp_min_c: float = optional_rating()
    temp_max_c: float = optional_rating()
    discomfort_per_kw2h: float = optional_rating()

    @property
    def has_house(self) -> bool:
        """Whether everything that a house is made of is given."""
        return all(np.isfinite(getattr(self, column)) for column in HOUSE_COLUMNS)

    @property
    def may_lack_profile(self) -> bool:
        """With a house, what it consumes follows from a plan."""
        return self.has_house

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From off to its rating."""
        full_kw = np.full_like(signals.profile_kw, self.consumption_max_kw)
        return np.zeros_like(full_kw), full_kw

    @property
    def rating_kw(self) -> float:
        """Rated electric consumption [kW]."""
        return self.consumption_max_kw


@dataclass(frozen=True, kw_only=True)
class HeatStore(Asset):
    """A water tank that a heat pump charges and heat demand empties; it has no electric power of its own."""

    kind: ClassVar[str] = "heat_store"
    needs_profile: ClassVar[bool] = False
    may_be_flexible: ClassVar[bool] = False
    energy_kwh: float = rating()
    soc_initial_share: float = rating(below=1.0)
    temp_min_c: float = optional_rating()
    temp_max_c: float = optional_rating()

    def net_kw(self, signals: Signals) -> FloatArray:
        """None: its heat passes through the heat pump."""
        return np.zeros_like(signals.profile_kw)

    @property
    def rating_kw(self) -> float:
        """None, see ``net_kw``."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class DemandResponse(Asset):
    """Consumption of which a share may be called off; its profile is consumption."""

    kind: ClassVar[str] = "demand_response"
    consumption_max_kw: float = rating()
    flexible_share: float = rating(below=1.0)
    discomfort_per_kw2h: float = optional_rating()

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From the part that cannot be called off to the rating."""
        high_kw = np.maximum(self.consumption_max_kw, signals.profile_kw)
        return (1.0 - self.flexible_share) * signals.profile_kw, high_kw

    @property
    def rating_kw(self) -> float:
        """Rated consumption [kW]."""
        return self.consumption_max_kw


ASSET_KINDS: dict[str, type[Asset]] = {
    kind.kind: kind for kind in (Load, Pv, Chp, Battery, EvCharger, HeatPump, HeatStore, DemandResponse)
}
"""Every kind by the name it has in ``assets.csv``."""


def rating_columns(kind: type[Asset]) -> dict[str, dict[str, Any]]:
    """Columns of a kind beyond those that every asset has: name to ``required`` and ``below``."""
    shared = {column.name for column in fields(Asset)}
    return {
        column.name: {"below": column.metadata["below"], "required": column.default is MISSING}
        for column in fields(kind)
        if column.name not in shared
    }
