"""The plain format of three-phase grids: two tables more, and a balanced grid as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridcommons.adapters.grids.plain_json import THREE_PHASE_TABLES, read_plain_grid, write_grid
from gridcommons.known_answers import chain_grid
from gridcommons.model.errors import StudyError
from opendss_feeders import SHIPPED
from three_phase import four_bus_drawing

BALANCED_TABLES = ["format", "buses", "branches", "sources", "switches", "shunts", "fixed"]


def _content(folder: Path) -> dict[str, Any]:
    write_grid(four_bus_drawing().grid(), folder / "grid.json")
    content: dict[str, Any] = json.loads((folder / "grid.json").read_text())
    return content


def test_a_three_phase_grid_comes_back_to_the_bit(tmp_path: Path) -> None:
    grid = four_bus_drawing().grid()
    content = _content(tmp_path)
    assert list(content) == [*BALANCED_TABLES, "coupling", "phase_loads"]
    back = read_plain_grid(content, "grid.json")
    assert back.is_three_phase
    for table in ("buses", "branches", "sources", *THREE_PHASE_TABLES):
        for column in fields(getattr(grid, table)):
            own, other = (getattr(getattr(each, table), column.name) for each in (grid, back))
            if isinstance(own, tuple):
                assert own == other
            else:
                assert own.tobytes() == other.tobytes() or (np.isnan(own).all() and np.isnan(other).all())
    write_grid(back, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "grid.json").read_bytes()


def test_a_balanced_grid_has_neither_table(tmp_path: Path) -> None:
    write_grid(chain_grid(), tmp_path / "grid.json")
    content = json.loads((tmp_path / "grid.json").read_text())
    assert list(content) == BALANCED_TABLES
    assert not read_plain_grid(content, "grid.json").is_three_phase


@pytest.mark.parametrize("name", ["chain", "heimschuh", "rbts4_market", "rural_day", "schutterwald"])
def test_grids_of_the_examples_are_written_as_they_were(name: str, tmp_path: Path) -> None:
    path = Path(__file__).parents[3] / "examples" / name / "grid.json"
    content = json.loads(path.read_text())
    if content.get("format") != "gridcommons-grid-1":
        pytest.skip("a network of pandapower")
    write_grid(read_plain_grid(content, "grid.json"), tmp_path / "grid.json")
    assert (tmp_path / "grid.json").read_bytes() == path.read_bytes()


def test_the_converted_feeder_is_written_as_it_was(tmp_path: Path) -> None:
    path = SHIPPED / "ieee123" / "grid.json"
    write_grid(read_plain_grid(json.loads(path.read_text()), "grid.json"), tmp_path / "grid.json")
    assert (tmp_path / "grid.json").read_bytes() == path.read_bytes()


Change = Callable[[dict[str, Any]], None]


def _set(table: str, column: str, row: int, value: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        content[table][column][row] = value

    return change


def _drop(table: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        del content[table]

    return change


def _scale_one(content: dict[str, Any]) -> None:
    c = content["coupling"]
    ends = zip(c["row_branch"], c["row_end"], c["column_branch"], c["column_end"], strict=True)
    at = next(i for i, (row, end, column, other) in enumerate(ends) if (row, end) != (column, other))
    c["b_pu"][at] *= 1.001


def _drop_one(content: dict[str, Any]) -> None:
    for column in content["coupling"].values():
        del column[1]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_drop("phase_loads"), "[phase_loads]: found no such table"),
        (_drop("coupling"), "[coupling]: found no such table"),
        (_set("coupling", "row_branch", 3, 99), "[coupling] row 3, column row_branch: found 99"),
        (_set("coupling", "column_branch", 3, -1), "[coupling] row 3, column column_branch: found -1"),
        (
            _set("coupling", "row_end", 2, 2),
            "[coupling] row 2, column row_end: found 2, expected a number from 0 to 1",
        ),
        (_set("coupling", "column_end", 2, -1), "[coupling] row 2, column column_end: found -1"),
        (_set("coupling", "g_pu", 2, None), "[coupling] row 2, column g_pu"),
        (_scale_one, "[coupling]: found an admittance that differs"),
        (_drop_one, "[coupling]: found an admittance that differs"),
        (_set("phase_loads", "bus", 1, 99), "[phase_loads] row 1, column bus: found 99"),
        (_set("phase_loads", "to_bus", 1, -2), "[phase_loads] row 1, column to_bus: found -2"),
        (_set("phase_loads", "model", 1, "zip"), "[phase_loads] row 1, column model: found 'zip'"),
        (_set("phase_loads", "p_kw", 1, None), "[phase_loads] row 1, column p_kw"),
        (_set("buses", "name", 4, "b.d"), "[buses] row 4, column name: found 'b.d'"),
        (_set("buses", "name", 4, ".a"), "[buses] row 4, column name: found '.a'"),
        (_set("branches", "name", 0, "L"), "[branches] row 0, column name: found 'L'"),
    ],
)
def test_what_is_wrong_is_named_by_table_row_and_column(tmp_path: Path, change: Change, found: str) -> None:
    content = _content(tmp_path)
    change(content)
    with pytest.raises(StudyError) as raised:
        read_plain_grid(content, "g.json")
    assert any(f"g.json {found}" in str(problem) for problem in raised.value.problems)


def test_a_load_lies_between_two_rows(tmp_path: Path) -> None:
    content = _content(tmp_path)
    content["phase_loads"]["to_bus"][0] = content["phase_loads"]["bus"][0]
    with pytest.raises(StudyError, match="found the same row as bus"):
        read_plain_grid(content, "g.json")


def test_both_ends_of_the_ranges_are_allowed(tmp_path: Path) -> None:
    content = _content(tmp_path)
    content["phase_loads"]["bus"][0] = len(content["buses"]["name"]) - 1
    content["phase_loads"]["bus"][1] = 0
    assert min(content["phase_loads"]["to_bus"]) == -1
    assert max(content["coupling"]["row_branch"]) == len(content["branches"]["name"]) - 1
    read_plain_grid(content, "g.json")
