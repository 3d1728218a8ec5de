"""The plain grid format: the columns of `gridcommons.model.grid.Grid` as JSON, floats exact.

A three-phase grid has two tables more, ``coupling`` and ``phase_loads``; a balanced one has neither.

A study whose ``grid.json`` is in this format loads without pandapower, in milliseconds. To convert
one: ``write_grid(read_grid(open_net("grid.json")).grid, path)``. NaN is written as null,
infinity as the word ``"inf"``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.grids.plain_three_phase import check_three_phase
from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.model.errors import did_you_mean
from gridcommons.model.grid import (
    Branches,
    Buses,
    BusSwitches,
    Coupling,
    FixedInjections,
    Grid,
    PhaseLoads,
    Shunts,
    Sources,
)

FORMAT = "gridcommons-grid-1"
TABLES: dict[str, type] = {
    "buses": Buses,
    "branches": Branches,
    "sources": Sources,
    "switches": BusSwitches,
    "shunts": Shunts,
    "fixed": FixedInjections,
}
THREE_PHASE_TABLES: dict[str, type] = {"coupling": Coupling, "phase_loads": PhaseLoads}
"""Tables of a three-phase grid alone."""
BRANCH_KINDS = ("line", "transformer", "impedance")
_BUS_COLUMNS = ("from_bus", "to_bus", "bus", "bus_a", "bus_b")
_MAY_BE_NAN = ("x_map", "y_map")
_MAY_BE_INFINITE = ("i_max_from_ka", "i_max_to_ka")


def is_plain(content: Any) -> bool:
    """Whether the content of a JSON file says that it is in the plain format."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def write_grid(grid: Grid, path: Path) -> None:
    """Write a grid in the plain format; reading it back gives the same bits."""
    path.write_text(grid_text(grid), encoding="utf-8")


def grid_text(grid: Grid) -> str:
    """A grid in the plain format, as text."""
    content: dict[str, Any] = {"format": FORMAT}
    tables = {**TABLES, **THREE_PHASE_TABLES} if grid.is_three_phase else TABLES
    for name, kind in tables.items():
        table = getattr(grid, name)
        content[name] = {column.name: _plain(getattr(table, column.name)) for column in fields(kind)}
    lines = ["{", f' "format": {json.dumps(FORMAT)}']
    for name in tables:
        columns = [
            f"  {json.dumps(column)}: {json.dumps(values, allow_nan=False, ensure_ascii=False)}"
            for column, values in content[name].items()
        ]
        lines[-1] += ","
        lines.append(f" {json.dumps(name)}: {{\n" + ",\n".join(columns) + "\n }")
    return "\n".join([*lines, "}", ""])


def read_plain_grid(content: Mapping[str, Any], file: str) -> Grid:
    """The grid that the content of a file in the plain format describes.

    Raises
    ------
    StudyError
        With every problem found.
    """
    problems = ProblemList()
    known = {**TABLES, **THREE_PHASE_TABLES}
    for name in content:
        if name not in ("format", *known):
            meant = did_you_mean(name, known)
            problems.add(Place(file, column=name), "an unknown key", f"one of {listed(known)}", meant)
    is_three_phase = any(name in content for name in THREE_PHASE_TABLES)
    wanted = known if is_three_phase else TABLES
    tables = {name: _table(content, name, known[name], Place(file, table=name), problems) for name in wanted}
    problems.raise_if_any()
    grid = Grid(**tables)
    _check(grid, file, problems)
    if is_three_phase:
        check_three_phase(grid, file, problems)
    problems.raise_if_any()
    return grid


def _plain(values: Any) -> list[Any]:
    if isinstance(values, tuple):
        return list(values)
    return [_plain_number(value) for value in values.tolist()]


def _plain_number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _table(content: Mapping[str, Any], name: str, kind: type, place: Place, problems: ProblemList) -> Any:
    table = content.get(name)
    if not isinstance(table, dict):
        problems.add(place, "no such table", f"the columns {listed([f.name for f in fields(kind)], 20)}")
        return None
    columns = {}
    for column in fields(kind):
        columns[column.name] = _column(
            table.get(column.name), str(column.type), place.at(column=column.name), problems
        )
    for extra in set(table) - set(columns):
        problems.add(place.at(column=extra), "an unknown column", "a known one", did_you_mean(extra, columns))
    lengths = {len(values) for values in columns.values() if values is not None}
    if len(lengths) > 1:
        problems.add(place, f"columns of {listed(map(str, sorted(lengths)))} rows", "columns of one length")
    is_whole = len(lengths) == 1 and all(values is not None for values in columns.values())
    return kind(**columns) if is_whole else None


def _column(values: Any, wanted: str, place: Place, problems: ProblemList) -> Any:
    kinds = {"Names": str, "FloatArray": (int, float), "IntArray": int, "BoolArray": bool}
    if not isinstance(values, list):
        problems.add(place, "no such column", "a list")
        return None
    if wanted == "FloatArray":
        values = [_number(value, place) for value in values]
    for row, value in enumerate(values):
        is_wrong_flag = isinstance(value, bool) != (wanted == "BoolArray")
        if not isinstance(value, kinds[wanted]) or is_wrong_flag:  # type: ignore[arg-type]
            problems.add(place.at(row=row, column=place.column), repr(value), f"a value for {wanted}")
            return None
    if wanted == "Names":
        return tuple(values)
    dtypes = {"FloatArray": np.float64, "IntArray": np.int64, "BoolArray": np.bool_}
    array: Any = np.array(values, dtype=dtypes[wanted])
    return array if _is_finite(array, place, problems) else None


def _is_finite(array: Any, place: Place, problems: ProblemList) -> bool:
    allowed = np.isfinite(array)
    if place.column in _MAY_BE_NAN:
        allowed |= np.isnan(array)
    if place.column in _MAY_BE_INFINITE:
        allowed |= np.isposinf(array)
    for row in np.flatnonzero(~allowed)[:1]:
        problems.add(place.at(row=int(row), column=place.column), f"{array[row]}", "a finite number")
    return bool(allowed.all())


def _number(value: Any, place: Place) -> Any:
    if value is None and place.column in _MAY_BE_NAN:
        return math.nan
    if value in ("inf", "-inf") and place.column in _MAY_BE_INFINITE:
        return float(value)
    return value


def _check(grid: Grid, file: str, problems: ProblemList) -> None:
    for name in ("buses", "branches", "sources", "switches"):
        _check_names(getattr(grid, name).name, Place(file, table=name, column="name"), problems)
    for name, kind in TABLES.items():
        for column in fields(kind):
            if column.name in _BUS_COLUMNS:
                values = getattr(getattr(grid, name), column.name)
                _check_buses(values, len(grid.buses), Place(file, table=name, column=column.name), problems)
    if not grid.sources.name:
        problems.add(Place(file, table="sources"), "no source", "at least one bus whose voltage is held")
    for row in np.flatnonzero(~(grid.buses.vn_kv > 0)):
        place = Place(file, table="buses", row=int(row), column="vn_kv")
        problems.add(place, f"{grid.buses.vn_kv[row]:g}", "a voltage above 0")
    _check_branches(grid.branches, file, problems)


def _check_names(names: tuple[str, ...], place: Place, problems: ProblemList) -> None:
    seen: set[str] = set()
    for row, name in enumerate(names):
        if name in seen:
            problems.add(place.at(row=row, column="name"), f"{name!r} again", "unique names")
        seen.add(name)


def _check_buses(values: Any, count: int, place: Place, problems: ProblemList) -> None:
    for row in np.flatnonzero((values < 0) | (values >= count)):
        problems.add(
            place.at(row=int(row), column=place.column), str(values[row]), f"a bus from 0 to {count - 1}"
        )


def _check_branches(branches: Branches, file: str, problems: ProblemList) -> None:
    place = Place(file, table="branches")
    for row, kind in enumerate(branches.kind):
        name = branches.name[row]
        if kind not in BRANCH_KINDS:
            problems.add(place.at(row=row, column="kind"), repr(kind), listed(BRANCH_KINDS))
        if branches.r_pu[row] == 0.0 and branches.x_pu[row] == 0.0:
            found = f"{kind} {name!r} without any impedance"
            meant = "make it a closed switch between its buses"
            problems.add(place.at(row=row, column="r_pu"), found, "r_pu or x_pu other than 0", meant)
        if not branches.ratio[row] > 0.0:
            problems.add(place.at(row=row, column="ratio"), f"{branches.ratio[row]:g}", "a ratio above 0")
