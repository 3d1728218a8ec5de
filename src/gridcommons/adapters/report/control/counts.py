"""Violations at the station by scenario, level of stress and direction, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.control.scenario_words import measures_of, reference_of
from gridcommons.adapters.report.tables import ResultTables
from gridcommons.model.grid import BoolArray, FloatArray

DIRECTIONS = ("load", "feed_in")
_ROUNDING = 1e-12
"""Today's own peak is the limit of the critical level, and does not break it."""


@dataclass(frozen=True, eq=False)
class Counts:
    """How often the station is beyond its limit.

    Parameters
    ----------
    scenarios : tuple of str
        In the order of the result.
    stresses : tuple of str
        Levels of stress, the mildest first.
    limits_kw : mapping of str to float
        The station's limit at each [kW].
    intervals, excess_kwh : mapping
        By scenario, stress and direction: intervals beyond the limit, and the energy beyond it [kWh].
    """

    scenarios: tuple[str, ...]
    stresses: tuple[str, ...]
    limits_kw: Mapping[str, float]
    intervals: Mapping[tuple[str, str, str], int]
    excess_kwh: Mapping[tuple[str, str, str], float]

    @property
    def focus(self) -> str:
        """The level that pictures of one level show: ``critical``, else the hardest."""
        return "critical" if "critical" in self.stresses else self.stresses[-1]

    def at(self, scenario: str, direction: str, stress: str = "") -> int:
        """Intervals beyond the limit, by default at the level in focus."""
        return self.intervals.get((scenario, stress or self.focus, direction), 0)

    @property
    def controlled(self) -> tuple[str, ...]:
        """Scenarios with measures."""
        return tuple(scenario for scenario in self.scenarios if measures_of(scenario))

    @property
    def strongest(self) -> str:
        """The control that leaves fewest load violations in focus; of equals least energy, then measures."""
        ranked = sorted(
            self.controlled,
            key=lambda s: (
                self.at(s, "load"),
                round(self.excess_kwh.get((s, self.focus, "load"), 0.0), 3),
                len(measures_of(s)),
                self.scenarios.index(s),
            ),
        )
        return ranked[0] if ranked else ""

    def shown(self) -> list[str]:
        """The scenarios that pictures of few show: without storage, with it, and the strongest control."""
        few = [s for s in ("base_2030", "storage", self.strongest) if s in self.scenarios]
        return few or list(self.scenarios[:3])

    def change(self, scenario: str, direction: str, stress: str = "") -> float | None:
        """Share by which a count lies above that of the scenario's reference; None where there is none."""
        reference = reference_of(scenario)
        before = self.at(reference, direction, stress) if reference in self.scenarios else 0
        return self.at(scenario, direction, stress) / before - 1.0 if before else None


def read_counts(tables: ResultTables) -> Counts:
    """The counts of a result."""
    limits = tables.whole("station_limits", ("stress", "share", "limit_kw"))
    order = np.argsort(limits["share"], kind="stable")
    rows = tables.whole("violation_counts", ("scenario", "stress", "direction", "intervals", "excess_kwh"))
    keys = list(zip(*(rows[c].tolist() for c in ("scenario", "stress", "direction")), strict=True))
    return Counts(
        scenarios=tuple(dict.fromkeys(rows["scenario"].tolist())),
        stresses=tuple(limits["stress"][order].tolist()),
        limits_kw=dict(zip(limits["stress"].tolist(), limits["limit_kw"].tolist(), strict=True)),
        intervals=dict(zip(keys, (int(count) for count in rows["intervals"]), strict=True)),
        excess_kwh=dict(zip(keys, rows["excess_kwh"].tolist(), strict=True)),
    )


def beyond_kw(p_kw: FloatArray, limit_kw: float, direction: str) -> FloatArray:
    """How far the station is beyond its limit in one direction, 0 where it is within, shape (steps,) [kW]."""
    signed = p_kw if direction == "load" else -p_kw
    return np.asarray(np.where(is_beyond(p_kw, limit_kw, direction), signed - limit_kw, 0.0))


def is_beyond(p_kw: FloatArray, limit_kw: float, direction: str) -> BoolArray:
    """Where the station is beyond its limit; an interval without a load flow counts as load."""
    signed = p_kw if direction == "load" else -p_kw
    return np.asarray(~(signed <= limit_kw * (1.0 + _ROUNDING))) & (np.isfinite(p_kw) | (direction == "load"))
