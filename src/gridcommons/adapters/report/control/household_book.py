"""What each household felt: energy put off, waiting, self-consumption and cost, by run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.report.control.station import ANY_STRESS
from gridcommons.adapters.report.tables import ResultTables
from gridcommons.model.grid import FloatArray

UNSERVED_KWH = 1e-6
"""Less heat than this over a result is rounding."""

_COLUMNS = (
    "generation_kwh",
    "fed_in_kwh",
    "imported_kwh",
    "charging_kwh",
    "heat_kwh",
    "charging_deferred_kwh",
    "heat_deferred_kwh",
    "charging_delay_hours",
    "self_consumption_share",
    "unserved_kwh",
    "carried_kwh",
    "cost",
)


@dataclass(frozen=True)
class Felt:
    """What all households together felt in one run; money in the currency of the study."""

    cost: float
    self_consumption_share: float
    unserved_kwh: float
    households_unserved: int
    charging_delay_hours: float
    carried_kwh: float = 0.0
    currency: str = ""


@dataclass(frozen=True, eq=False)
class HouseholdBook:
    """Columns of ``household_energy`` by scenario and stress, and the members in the order of the rows.

    ``currency`` is that of the costs, empty where the result does not say.
    """

    member: Mapping[tuple[str, str], npt.NDArray[Any]]
    values: Mapping[tuple[str, str], Mapping[str, FloatArray]]
    currency: str = ""

    def key(self, scenario: str, stress: str) -> tuple[str, str] | None:
        """Which rows are those of a scenario at a stress; None where there are none."""
        for key in ((scenario, stress), (scenario, ANY_STRESS)):
            if key in self.values:
                return key
        return None

    def of(self, scenario: str, stress: str) -> Mapping[str, FloatArray] | None:
        """The columns of a run."""
        key = self.key(scenario, stress)
        return None if key is None else self.values[key]

    def felt(self, scenario: str, stress: str) -> Felt | None:
        """What all households together felt in a run."""
        rows = self.of(scenario, stress)
        if rows is None:
            return None
        generation = float(rows["generation_kwh"].sum())
        used = generation - float(rows["fed_in_kwh"].sum())
        waiting = rows["charging_delay_hours"][np.isfinite(rows["charging_delay_hours"])]
        return Felt(
            cost=float(rows["cost"].sum()),
            currency=self.currency,
            self_consumption_share=used / generation if generation > 0.0 else np.nan,
            unserved_kwh=float(rows["unserved_kwh"].sum()),
            households_unserved=int((rows["unserved_kwh"] > UNSERVED_KWH).sum()),
            charging_delay_hours=float(np.median(waiting)) if len(waiting) else np.nan,
            carried_kwh=float(rows["carried_kwh"].sum()),
        )

    def unserved(self) -> list[tuple[str, str, str, float]]:
        """Member, scenario and stress of its worst run, and unserved heat there [kWh]; most first."""
        worst: dict[str, tuple[str, str, float]] = {}
        for (scenario, stress), rows in self.values.items():
            heat = rows["unserved_kwh"]
            for place in np.flatnonzero(heat > UNSERVED_KWH).tolist():
                member = str(self.member[scenario, stress][place])
                if heat[place] > worst.get(member, ("", "", 0.0))[2]:
                    worst[member] = (scenario, stress, float(heat[place]))
        found = [(member, *what) for member, what in worst.items()]
        return sorted(found, key=lambda row: (-row[3], row[0]))


def read_households(tables: ResultTables, currency: str = "") -> HouseholdBook:
    """The households of a result."""
    rows = tables.whole("household_energy", ("scenario", "stress", "member", *_COLUMNS))
    members: dict[tuple[str, str], npt.NDArray[Any]] = {}
    values: dict[tuple[str, str], dict[str, FloatArray]] = {}
    for key in dict.fromkeys(zip(rows["scenario"].tolist(), rows["stress"].tolist(), strict=True)):
        mine = (rows["scenario"] == key[0]) & (rows["stress"] == key[1])
        members[key] = rows["member"][mine]
        values[key] = {column: rows[column][mine] for column in _COLUMNS}
    return HouseholdBook(members, values, currency)
