"""Reads the German standard load profiles of electricity and heat that the package demandlib carries."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from gridcommons.adapters.weather import package_file
from gridcommons.model.grid import FloatArray
from gridcommons.synthesis.heat import HeatTables

HOUSEHOLD_FILE = "bdew/bdew_data/h25.csv"
SIGMOID_FILE = "bdew/bdew_data/shlp_sigmoid_factors.csv"
HOUR_FILE = "bdew/bdew_data/shlp_hour_factors.csv"
HOUSE, BUILDING_CLASS, WIND = "EFH", 11, 0
"""Single-family house, the mean of all ages, normal wind."""
_KINDS_OF_DAY = ("WT", "SA", "FT")


def profile_paths() -> list[Path]:
    """All files that are read here."""
    return [package_file(name) for name in (HOUSEHOLD_FILE, SIGMOID_FILE, HOUR_FILE)]


def read_household_table() -> FloatArray:
    """Profile H25 before its dynamics, shape (12 months, 3 kinds of day, 96 quarters of an hour) [kWh].

    Kinds of day are working day, Saturday and Sunday. Source: BDEW, "Standardlastprofile Strom" (2025).
    """
    with package_file(HOUSEHOLD_FILE).open(encoding="utf-8", newline="") as file:
        months, kinds, *rows = list(csv.reader(file))
    order = list(dict.fromkeys(months[1:]))
    table = np.empty((12, 3, 96))
    for column, (month, kind) in enumerate(zip(months[1:], kinds[1:], strict=True), 1):
        table[order.index(month), _KINDS_OF_DAY.index(kind)] = [float(row[column]) for row in rows]
    return table


def read_heat_tables() -> HeatTables:
    """Sigmoid and hourly shares of a single-family house; source: BDEW/VKU/GEODE (2018)."""
    sigmoid = [
        row
        for row in _rows(SIGMOID_FILE)
        if row["shlp_type"] == HOUSE
        and int(row["building_class"]) == BUILDING_CLASS
        and int(row["wind_impact"]) == WIND
    ]
    hours = {
        int(row["hour_of_day"]): [float(row[f"temp_intervall_{number:02d}"]) for number in range(1, 11)]
        for row in _rows(HOUR_FILE)
        if row["shlp_type"] == HOUSE and int(row["building_class"]) == BUILDING_CLASS
    }
    a, b, c, d = (float(sigmoid[0][f"parameter_{letter}"]) for letter in "abcd")
    return HeatTables((a, b, c, d), np.array([hours[hour] for hour in range(1, 25)]))


def _rows(name: str) -> list[dict[str, str]]:
    with package_file(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
