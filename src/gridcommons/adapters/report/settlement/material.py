"""Everything that the page of settlement is made from, read from a result folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.clock import local_dates
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.material import ResultMaterial, read_clock
from gridcommons.adapters.report.tables import Part, ResultTables
from gridcommons.model.grid import FloatArray, Names

SHARED, SUPPLIED, SURPLUS = "#12936a", "#2a6fb0", "#d9791f"
"""Colours of energy: shared, from suppliers, to suppliers."""

KEY_WORDS = {
    "static_capped": "fixed shares",
    "static_owned": "fixed shares, own surplus",
    "static_redistributed": "fixed shares, redistributed",
    "dynamic_prorata": "by consumption",
    "equal_maxmin": "equal parts",
    "priority": "one after the other",
    "pairwise": "pair by pair",
    "virtual": "nothing allocated",
}

BENEFIT_WORDS = {
    "shapley": "Shapley values",
    "nucleolus": "the nucleolus",
    "per_capita": "equal parts a head",
}

_STATEMENT = ("withdrawn_kwh", "injected_kwh", "shared_kwh", "given_kwh", "cost_alone", "cost", "saved")


@dataclass(frozen=True, eq=False)
class Material(ResultMaterial):
    """A result of settlement and what all sections need of it."""

    def amount(self, value: float, digits: int = 2) -> str:
        """Money: ``3 072.89 EUR``."""
        return f"{number(value, digits)} {self.currency}".rstrip()

    @property
    def unit(self) -> str:
        """The currency as the unit of an axis or a column; empty where the study has none."""
        return f" [{self.currency}]" if self.currency else ""

    @property
    def key(self) -> str:
        """The sharing key."""
        return str(self.summary.get("key") or "")

    @cached_property
    def energy(self) -> Part:
        """Rows of ``shared_energy``."""
        columns = ("time", "withdrawn_kwh", "injected_kwh", "shared_kwh", "surplus_kwh")
        return self.tables.whole("shared_energy", columns)

    @cached_property
    def members(self) -> Names:
        """Members, in the order of their statements."""
        return tuple(map(str, self.statements["member"]))

    @cached_property
    def statements(self) -> Part:
        """Rows of ``statements``."""
        return self.tables.whole("statements", ("member", *_STATEMENT))

    @cached_property
    def saved_by_key(self) -> dict[str, FloatArray]:
        """What each member would save under the keys compared, shape (members,) each [currency]."""
        rows = self.tables.whole("keys_compared", ("key", "saved"))
        return {key: rows["saved"][rows["key"] == key] for key in dict.fromkeys(map(str, rows["key"]))}

    @cached_property
    def compared(self) -> list[dict[str, Any]]:
        """Figures of the keys compared."""
        return list(self.summary.get("compared") or [])

    @cached_property
    def by_item(self) -> dict[str, float]:
        """Money that changes hands, by item [currency]."""
        rows = self.tables.whole("postings", ("item", "amount"))
        paid = dict.fromkeys(dict.fromkeys(map(str, rows["item"])), 0.0)
        for item, amount in zip(map(str, rows["item"]), rows["amount"], strict=True):
            paid[item] += max(float(amount), 0.0)
        return paid


def key_words(key: str) -> str:
    """A key in plain words."""
    return KEY_WORDS.get(key, key.replace("_", " "))


def read_material(folder: Path) -> Material:
    """What a run left in a folder."""
    result, tables = read_result(folder), ResultTables(folder)
    minutes = float(result.summary.get("netting_minutes") or 15.0)
    steps = max(len(tables.whole("shared_energy", ("time",))["time"]), 1)
    clock = read_clock(tables, result.provenance, ("shared_energy",), minutes, steps)
    return Material(tables, result.summary, result.provenance, clock)


def day_profile(found: Material, column: str) -> FloatArray:
    """Mean power of a column at each time of the local day, shape (times of day,) [kW]; NaN where none is."""
    _, hour = local_dates(found.clock)
    slots = max(round(24.0 / found.clock.step_hours), 1)
    slot = np.minimum((hour / found.clock.step_hours + 1e-9).astype(np.int64), slots - 1)
    count = np.bincount(slot, minlength=slots)
    total = np.bincount(slot, found.energy[column], minlength=slots) / found.clock.step_hours
    mean_kw = np.divide(total, count, out=np.full(slots, np.nan), where=count > 0)
    return np.asarray(mean_kw)
