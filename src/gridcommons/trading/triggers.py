"""When a new round of the market is worth its cost: triggers at each member's own meter.

A trigger keeps no state: it says how a deviation grows with a new measurement, and whether it has grown too
large. Powers may be counted in either direction, as deviations are magnitudes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import BoolArray, FloatArray

MINUTES_PER_HOUR = 60.0


class Trigger(Protocol):
    """Watches a row of meters, one measurement a minute.

    Attributes
    ----------
    name : str
        The word for it in studies and results.
    starts_everything : bool
        Whether it starts a round of the whole community at once, whatever the clusters' own deviations.
    """

    name: ClassVar[str]
    starts_everything: ClassVar[bool]

    def deviate(self, before: FloatArray, p_kw: FloatArray, reference_kw: FloatArray) -> FloatArray:
        """Deviation since the last round, shape (meters,), from that a minute before (0 at the round).

        Parameters
        ----------
        before : (meters,)
            Deviation a minute ago.
        p_kw, reference_kw : (meters,)
            Net power now and at the last round [kW].
        """

    def fires(self, deviation: FloatArray) -> BoolArray:
        """Whether each deviation asks for a round, shape (meters,)."""


@dataclass(frozen=True)
class Periodic:
    """A round of everything every so many minutes.

    Parameters
    ----------
    period_minutes : int
        Minutes between rounds.
    """

    period_minutes: int
    name: ClassVar[str] = "periodic"
    starts_everything: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.period_minutes >= 1:
            raise GridcommonsError(
                f"trigger {self.name}: found a period of {self.period_minutes} minutes, expected 1 or more"
            )

    def deviate(self, before: FloatArray, p_kw: FloatArray, reference_kw: FloatArray) -> FloatArray:
        """Minutes since the last round."""
        return before + 1.0

    def fires(self, deviation: FloatArray) -> BoolArray:
        """Whether a period has passed."""
        return np.asarray(deviation >= self.period_minutes)


@dataclass(frozen=True)
class SendOnDelta:
    """A round once the power differs by more than a threshold from what was sent last.

    Eq. 1 and 2 of the source: t_k = min{t > t_(k-1) : |P(t) − P(t_(k-1))| > Δ}, P = PV − demand.

    Parameters
    ----------
    delta_kw : float
        Threshold Δ [kW]; infinite to never start a round.
    """

    delta_kw: float
    name: ClassVar[str] = "send_on_delta"
    starts_everything: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _refuse_threshold(self.name, self.delta_kw, "kW")

    def deviate(self, before: FloatArray, p_kw: FloatArray, reference_kw: FloatArray) -> FloatArray:
        """Distance from the power sent last [kW]."""
        return np.abs(p_kw - reference_kw)

    def fires(self, deviation: FloatArray) -> BoolArray:
        """Whether the power is further off than the threshold."""
        return np.asarray(deviation > self.delta_kw)


@dataclass(frozen=True)
class SendOnArea:
    """A round once the energy between the power and what was sent last passes a threshold.

    Eq. 3 and 4 of the source: t_k = min{t > t_(k-1) : Σ_m |E_m − E_(k-1)| > Δ} over the one-minute energies
    E_m since the last round, E_(k-1) being that of the round itself.

    Parameters
    ----------
    area_kwh : float
        Threshold Δ [kWh]; infinite to never start a round.
    """

    area_kwh: float
    name: ClassVar[str] = "send_on_area"
    starts_everything: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _refuse_threshold(self.name, self.area_kwh, "kWh")

    def deviate(self, before: FloatArray, p_kw: FloatArray, reference_kw: FloatArray) -> FloatArray:
        """Energy by which the minutes since the last round are off, without regard to sign [kWh]."""
        return np.asarray(before + np.abs(p_kw - reference_kw) / MINUTES_PER_HOUR)

    def fires(self, deviation: FloatArray) -> BoolArray:
        """Whether more energy is off than the threshold."""
        return np.asarray(deviation > self.area_kwh)


TRIGGERS: dict[str, type[Periodic] | type[SendOnDelta] | type[SendOnArea]] = {
    Periodic.name: Periodic,
    SendOnDelta.name: SendOnDelta,
    SendOnArea.name: SendOnArea,
}
"""Triggers by name, each made from its one threshold."""


def _refuse_threshold(name: str, threshold: float, unit: str) -> None:
    if not threshold >= 0.0:
        raise GridcommonsError(
            f"trigger {name}: found a threshold of {threshold:g} {unit}, expected 0 or more"
        )
