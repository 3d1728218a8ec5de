"""Names of the rows of a three-phase grid."""

from __future__ import annotations

import pytest

from gridcommons.known_answers import chain_grid
from gridcommons.model.errors import GridcommonsError
from gridcommons.model.phases import bus_of_row, bus_row, conductors, phase_of_row, row_name, rows_of_bus
from three_phase import four_bus_drawing


def test_a_row_is_named_by_its_bus_and_phase_even_where_the_name_has_dots() -> None:
    for bus in ("34", "150 source", "2c_.007"):
        name = row_name(bus, "b")
        assert (bus_of_row(name), phase_of_row(name)) == (bus, "b")


def test_rows_of_a_bus_and_of_a_branch_are_those_that_there_are() -> None:
    grid = four_bus_drawing().grid()
    assert [grid.buses.name[row] for row in rows_of_bus(grid, "2")] == ["2.a", "2.c"]
    assert [grid.buses.name[row] for row in rows_of_bus(grid, "1")] == ["1.a", "1.b", "1.c"]
    assert [grid.branches.name[row] for row in conductors(grid, "L2")] == ["L2.a", "L2.c"]
    assert grid.buses.name[bus_row(grid, "3", "b")] == "3.b"


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    grid = four_bus_drawing().grid()
    with pytest.raises(GridcommonsError, match="bus '2' has the phases a, c, and no phase 'b'"):
        bus_row(grid, "2", "b")
    with pytest.raises(
        GridcommonsError, match="no bus 'sorce' with phases in the grid; did you mean 'source'"
    ):
        bus_row(grid, "sorce", "a")
    with pytest.raises(GridcommonsError, match="no branch 'x' with phases in the grid$"):
        conductors(grid, "x")
    with pytest.raises(GridcommonsError, match="with phases"):
        rows_of_bus(chain_grid(), chain_grid().buses.name[1])
