"""The kinds of asset that make, keep or take heat: boilers, heat and power at once, tanks, heat stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridcommons.model.asset import Asset, Signals, optional_rating, rating, zero_if_blank
from gridcommons.model.grid import FloatArray
from gridcommons.model.storage import charge_bounds_kw

HOUSE_COLUMNS = (
    "k1_kw_per_k",
    "k2_kw_per_k",
    "air_kwh_per_k",
    "structure_kwh_per_k",
    "temp_min_c",
    "temp_max_c",
)
"""What a house is made of: exchange of the air with outside and structure, heat capacities, comfort."""


@dataclass(frozen=True, kw_only=True)
class Consumer(Asset):
    """What consumes up to a rating, and may be set to anything below."""

    consumption_max_kw: float = rating()

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From off to its rating."""
        full_kw = np.full_like(signals.profile_kw, self.consumption_max_kw)
        return np.zeros_like(full_kw), full_kw

    @property
    def rating_kw(self) -> float:
        """Rated electric consumption [kW]."""
        return self.consumption_max_kw


@dataclass(frozen=True, kw_only=True)
class HeatPump(Consumer):
    """A heat pump; its profile is its uncontrolled electric consumption.

    With a house, what it consumes can be planned, and the study may come without its profile.
    """

    kind: ClassVar[str] = "heat_pump"
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
        """With a house or where it is controlled, what it consumes follows from a plan."""
        return self.has_house or self.flexible


@dataclass(frozen=True, kw_only=True)
class HeatAlone(Asset):
    """What gives or keeps heat and has no electric power of its own."""

    needs_profile: ClassVar[bool] = False
    may_be_flexible: ClassVar[bool] = False

    def net_kw(self, signals: Signals) -> FloatArray:
        """None: heat alone passes through it."""
        return np.zeros_like(signals.profile_kw)

    @property
    def rating_kw(self) -> float:
        """None, see ``net_kw``."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class HeatStore(HeatAlone):
    """A water tank that a heat pump charges and heat demand empties; it has no electric power of its own."""

    kind: ClassVar[str] = "heat_store"
    energy_kwh: float = rating()
    soc_initial_share: float = rating(below=1.0)
    temp_min_c: float = optional_rating()
    temp_max_c: float = optional_rating()


@dataclass(frozen=True, kw_only=True)
class Boiler(HeatAlone):
    """A boiler that burns something: heat for its community and for the turbines of its member."""

    kind: ClassVar[str] = "boiler"
    heat_max_kw: float = rating()
    heat_min_kw: float = zero_if_blank()
    ramp_kw_per_h: float = rating()
    heat_cost_per_kwh: float = rating()


@dataclass(frozen=True, kw_only=True)
class Chp(Asset):
    """Combined heat and power; its profile is its electric generation.

    One that can be controlled may come without: what it does follows from a plan of its community. Its heat
    comes from the boilers of its member; without one it has a fire of its own.
    """

    kind: ClassVar[str] = "chp"
    generation_max_kw: float = rating()
    generation_min_kw: float = zero_if_blank()
    electric_share: float = optional_rating(below=1.0)
    heat_cost_per_kwh: float = optional_rating()
    q_inject_share: float = optional_rating()
    q_absorb_share: float = optional_rating()

    @property
    def may_lack_profile(self) -> bool:
        """When it is controlled, what it does follows from a plan."""
        return self.flexible

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
class SmartBoiler(Consumer):
    """An electric boiler with a tank for hot water, behind a converter that can give reactive power.

    Its profile is its consumption; one that can be controlled may come without.
    """

    kind: ClassVar[str] = "smart_boiler"
    needs_profile: ClassVar[bool] = False
    inverter_kva: float = optional_rating()
    q_share: float = optional_rating(below=1.0)
    heater_efficiency_share: float = rating(below=1.0)
    tank_m3: float = rating()
    loss_kw_per_k: float = rating()
    temp_min_c: float = rating()
    temp_max_c: float = rating()
    temp_initial_c: float = rating()
    cold_temp_c: float = rating()
    ambient_temp_c: float = rating()


@dataclass(frozen=True, kw_only=True)
class StirlingStore(Asset):
    """A latent heat store that a heater charges and a Stirling engine empties; signed, charging positive."""

    kind: ClassVar[str] = "stirling_store"
    needs_profile: ClassVar[bool] = False
    signed_profile: ClassVar[bool] = True
    consumption_max_kw: float = rating()
    heater_efficiency_share: float = rating(below=1.0)
    heat_discharge_max_kw: float = rating()
    stirling_efficiency_share: float = rating(below=1.0)
    generator_efficiency_share: float = rating(below=1.0)
    exchanger_share: float = rating(below=1.0)
    idle_loss_share_per_h: float = rating(below=1.0)
    energy_kwh: float = rating()
    soc_initial_share: float = rating(below=1.0)
    soc_min_share: float = rating(below=1.0)
    soc_max_share: float = rating(below=1.0)

    def range_kw(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """From full generation to full heating, within what the stored heat allows for one interval."""
        return charge_bounds_kw(self, signals.energy_kwh, signals.step_hours)

    @property
    def charge_max_kw(self) -> float:
        """Rated power of the heater [kW]."""
        return self.consumption_max_kw

    @property
    def discharge_max_kw(self) -> float:
        """Electricity of the engine when it takes as much heat as it can [kW]."""
        return self.discharge_efficiency_share * self.heat_discharge_max_kw

    @property
    def charge_efficiency_share(self) -> float:
        """Heat in the store per electricity."""
        return self.heater_efficiency_share

    @property
    def discharge_efficiency_share(self) -> float:
        """Electricity per heat of the store: η_W of the engine times η_Gen of its generator."""
        return self.stirling_efficiency_share * self.generator_efficiency_share

    @property
    def rating_kw(self) -> float:
        """The larger of heating and generating power [kW]."""
        return max(self.charge_max_kw, self.discharge_max_kw)
