"""What every asset has, and how the columns of a kind are declared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from gridcommons.model.grid import FloatArray


def rating(*, below: float = float("inf")) -> Any:
    """A column that must be given: a magnitude from 0 up to ``below``."""
    return field(metadata={"below": below})


def optional_rating(*, below: float = float("inf")) -> Any:
    """A column that a task may need but the file may leave blank (NaN)."""
    return field(default=float("nan"), metadata={"below": below})


def zero_if_blank() -> Any:
    """A column whose blank says that there is none of it: 0."""
    return field(default=0.0, metadata={"below": float("inf")})


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
