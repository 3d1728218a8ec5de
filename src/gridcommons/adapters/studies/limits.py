"""Reads ``limits.csv`` and builds the limits of a study on its grid."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.studies.tables import Columns, Row, read_table
from gridcommons.adapters.studies.toml_file import LimitSettings
from gridcommons.model.errors import did_you_mean
from gridcommons.model.grid import FloatArray, Grid, IntArray
from gridcommons.model.limits import LIMIT_NAMES, Limits
from gridcommons.model.phases import bus_of_row
from gridcommons.model.time import TimeAxis

LIMITS_FILE = "limits.csv"
LIMIT_COLUMNS = Columns(("element", "kind", "limit", "value"), ("time",))
BRANCH_KINDS = ("line", "transformer", "impedance")
_ALWAYS = -1
_Target = tuple[str, IntArray, int]
"""A limit by name, the rows of its element, and the step that it holds in."""


def read_limits(
    folder: Path, settings: LimitSettings, grid: Grid, time: TimeAxis, problems: ProblemList
) -> Limits:
    """The limits of ``study.toml``, overridden by those of ``limits.csv`` where there is one."""
    values = _of_settings(settings, grid)
    path = folder / LIMITS_FILE
    rows = read_table(path, LIMIT_COLUMNS, problems) if path.exists() else []
    timed: list[tuple[str, IntArray, int, float]] = []
    seen: dict[tuple[str, int, int], Row] = {}
    for row in rows:
        where = _target(row, grid, time)
        if where is None or not _is_first(row, where, seen):
            continue
        name, elements, step = where
        value = row.number("value", low=-math.inf if "degree" in name else 0.0)
        if step == _ALWAYS:
            values[name][:, elements] = value
        else:
            timed.append((name, elements, step, value))
    # What holds at one time overrides what holds always, whatever the order of the rows.
    for name, elements, step, value in timed:
        if len(values[name]) == 1:
            values[name] = np.repeat(values[name], time.steps, axis=0)
        values[name][step, elements] = value
    limits = Limits(**values)
    _check_bands(limits, grid, seen, problems)
    return limits


def _of_settings(settings: LimitSettings, grid: Grid) -> dict[str, FloatArray]:
    buses, branches = (1, len(grid.buses)), (1, len(grid.branches))
    loading = [
        settings.transformer_loading_max_percent
        if kind == "transformer"
        else settings.line_loading_max_percent
        for kind in grid.branches.kind
    ]
    return {
        "vm_min_pu": np.full(buses, settings.vm_min_pu),
        "vm_max_pu": np.full(buses, settings.vm_max_pu),
        "va_min_degree": np.full(buses, -np.inf),
        "va_max_degree": np.full(buses, np.inf),
        "loading_max_percent": np.array([loading], dtype=np.float64),
        "va_diff_min_degree": np.full(branches, -np.inf),
        "va_diff_max_degree": np.full(branches, np.inf),
    }


def _is_first(row: Row, where: _Target, seen: dict[tuple[str, int, int], Row]) -> bool:
    """Whether no row before speaks of the same limit; a problem where one does."""
    name, elements, step = where
    before = [seen[name, element, step] for element in elements.tolist() if (name, element, step) in seen]
    if before:
        found = "a second value for the same limit"
        row.add("element", found, f"one; row {before[0].place.row} has it")
        return False
    seen.update({(name, element, step): row for element in elements.tolist()})
    return True


def _target(row: Row, grid: Grid, time: TimeAxis) -> _Target | None:
    """Limit, rows of the element and step (or always) that a row speaks of."""
    before = len(row.problems.found)
    kind, name = row.needed_text("kind"), row.needed_text("element")
    if kind and kind not in ("bus", *BRANCH_KINDS):
        known = ("bus", *BRANCH_KINDS)
        row.add("kind", repr(kind), listed(known), did_you_mean(kind, known))
    if len(row.problems.found) > before:
        return None
    elements = _elements(row, kind, name, grid)
    words = LIMIT_NAMES["bus" if kind == "bus" else "branch"]
    limit = row.needed_text("limit")
    if limit and limit not in words:
        row.add("limit", repr(limit), f"a limit of a {kind}: {listed(words)}", did_you_mean(limit, words))
    elif grid.is_three_phase and limit.endswith("_degree"):
        expected = (
            "a limit of voltage or loading: a three-phase grid keeps the 120 degrees between its phases"
        )
        row.add("limit", repr(limit), expected, "limit voltages or loadings instead")
    row.needed_text("value")
    step = row.interval("time", time)
    if len(row.problems.found) > before:
        return None
    return limit, elements, _ALWAYS if step is None else step


def _elements(row: Row, kind: str, name: str, grid: Grid) -> IntArray:
    """The rows that a name stands for: in a three-phase grid one of them, or all phases of an element."""
    if kind == "bus":
        index, whose = grid.bus_index, "a bus"
    else:
        of_kind = zip(grid.branches.name, grid.branches.kind, strict=True)
        index = {each: grid.branch_index[each] for each, own in of_kind if own == kind}
        whose = f"a {kind}"
    if name in index:
        return np.array([index[name]])
    phases = [at for each, at in index.items() if grid.is_three_phase and bus_of_row(each) == name]
    if not phases:
        known = [*index, *dict.fromkeys(map(bus_of_row, index))] if grid.is_three_phase else index
        row.add("element", repr(name), f"the name of {whose} of the grid", did_you_mean(name, known))
    return np.array(phases, dtype=np.int64)


def _check_bands(
    limits: Limits, grid: Grid, seen: dict[tuple[str, int, int], Row], problems: ProblemList
) -> None:
    names = {field.name for field in fields(limits)}
    for low_name in sorted(name for name in names if "_min_" in name):
        high_name = low_name.replace("_min_", "_max_")
        crossed = getattr(limits, low_name) >= getattr(limits, high_name)
        elements = grid.buses.name if low_name in LIMIT_NAMES["bus"] else grid.branches.name
        for index in np.flatnonzero(crossed.any(axis=0)):
            rows = [
                r.place.row
                for (name, i, _), r in seen.items()
                if i == index and name in (low_name, high_name)
            ]
            if rows:
                place = Place(LIMITS_FILE, row=rows[-1], column="value")
                problems.add(place, f"{low_name} not below {high_name} at {elements[index]}", "a band")
