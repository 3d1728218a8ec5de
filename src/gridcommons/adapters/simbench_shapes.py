"""Reads SimBench's relative profiles of households, heat pumps, charging points and solar plants.

Source: S. Meinecke et al., "SimBench — A Benchmark Dataset of Electric Power Systems", Energies 13
(2020) 3290, scenario 1. The data are under the Open Database License (ODbL) 1.0.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList
from gridcommons.model.errors import MissingExtraError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.synthesis.sampled import Pool

DATASET = "1-complete_data-mixed-all-1-sw"
LOADS = ("H0-A", "H0-B", "H0-C", "H0-G", "H0-H", "H0-L")
HEAT_PUMPS = tuple(
    f"{kind}_{number}"
    for kind in ("Air_Parallel", "Air_Semi-Parallel", "Air_Alternative", "Soil_Alternative")
    for number in (1, 2)
)
CARS = ("HLS_A_3.7", "HLS_B_3.7", "HLS_C_3.7", "HLS_A_11.0", "HLS_B_11.0", "HLS_A_22.0")
SOLAR = tuple(f"PV{number}" for number in range(1, 9))
NOISE_SHARE = 1e-4
"""Negative values up to this share of the peak are noise of the data and become 0 (chosen); the release of
2020 has eight in what is read, down to -1.2e-5. Lower ones are refused."""
_DAYS, _QUARTERS = 366, 96


def read_simbench_shapes() -> tuple[Pool, list[Path]]:
    """The profiles on the local clock of their year, 2016, and the files that hold them.

    Raises
    ------
    MissingExtraError
        If simbench is not installed.
    StudyError
        If a profile has values that are negative beyond noise, or are no numbers.
    """
    spec = importlib.util.find_spec("simbench")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("simbench", "simbench")
    folder = Path(spec.submodule_search_locations[0]) / "networks" / DATASET
    paths = [folder / "LoadProfile.csv", folder / "RESProfile.csv"]
    consumers = _read(paths[0], [f"{name}_pload" for name in (*LOADS, *HEAT_PUMPS, *CARS)])
    loads, heat_pumps, cars = (
        {name: consumers[f"{name}_pload"] for name in names} for names in (LOADS, HEAT_PUMPS, CARS)
    )
    first_weekday = datetime(2016, 1, 1).weekday()
    return Pool(first_weekday, loads, heat_pumps, cars, _read(paths[1], SOLAR)), paths


def _read(path: Path, names: Sequence[str]) -> dict[str, FloatArray]:
    """Columns of a file as (days, 96) on the local clock."""
    from pyarrow import csv

    table = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(delimiter=";"),
        convert_options=csv.ConvertOptions(include_columns=["time", *names]),
    )
    stamps = table["time"].to_pylist()
    day, quarter = _clock(stamps)
    problems = ProblemList()
    shapes = {}
    for name in names:
        values = np.asarray(table[name], dtype=np.float64)
        shapes[name] = _by_day(_without_noise(values, Place(path.name, column=name), problems), day, quarter)
    problems.raise_if_any()
    return shapes


def _without_noise(values: FloatArray, place: Place, problems: ProblemList) -> FloatArray:
    """The values, those that are negative by noise set to 0; worse ones are noted."""
    wrong = np.flatnonzero(~(values >= -NOISE_SHARE))
    if len(wrong):
        found = f"{len(wrong)} values such as {values[wrong[0]]:g}"
        # The heading is row 1.
        at = place.at(row=int(wrong[0]) + 2, column=place.column)
        problems.add(at, found, f"numbers from {-NOISE_SHARE:g} up")
    return np.maximum(values, 0.0)


def _clock(stamps: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Day of the year from 0 and quarter of the day of texts such as ``01.01.2016 00:15``."""
    first = np.datetime64("2016-01-01")
    date = np.array([f"{text[6:10]}-{text[3:5]}-{text[:2]}" for text in stamps], dtype="datetime64[D]")
    quarter = np.array([4 * int(text[11:13]) + int(text[14:16]) // 15 for text in stamps], dtype=np.int64)
    return (date - first).astype(np.int64), quarter


def _by_day(values: FloatArray, day: IntArray, quarter: IntArray) -> FloatArray:
    """Values by day and clock; the hour that March skips repeats the one before, October's first counts."""
    table = np.full((_DAYS, _QUARTERS), np.nan)
    table[day[::-1], quarter[::-1]] = values[::-1]
    skipped = np.isnan(table)
    table[skipped] = np.roll(table, 4, axis=1)[skipped]
    return table
