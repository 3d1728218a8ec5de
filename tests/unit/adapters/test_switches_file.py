"""``switches.csv``: what is read, and what is a problem of the file."""

from __future__ import annotations

import json
import math
import shutil

import pytest

import gridcommons as gc
from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.model.errors import StudyError
from gridcommons.model.topology import with_branches_closed
from three_phase import four_bus_drawing

HEADER = "branch,capacity_kw,operation_cost,moves"


@pytest.fixture
def folder(examples, tmp_path):
    return shutil.copytree(examples / "two_clusters", tmp_path / "study")


def write(folder, *lines, header=HEADER):
    (folder / "switches.csv").write_text("\n".join([header, *lines]) + "\n")


def edit_grid(folder, **branch_columns):
    path = folder / "grid.json"
    grid = json.loads(path.read_text())
    grid["branches"] |= branch_columns
    path.write_text(json.dumps(grid))


def test_columns_are_read_in_the_order_of_the_file(folder):
    write(folder, "link,30,2.5,false", "PCC B,,,", "PCC A,0,0,true")
    link, second, first = gc.load_study(folder).switches
    assert (link.name, link.branches, link.closed) == ("link", (2,), False)
    assert (link.capacity_kw, link.operation_cost_amount, link.moves) == (30.0, 2.5, False)
    assert (second.name, second.branches, second.closed) == ("PCC B", (1,), True)
    assert (second.capacity_kw, second.operation_cost_amount, second.moves) == (math.inf, 0.0, True)
    assert (first.capacity_kw, first.operation_cost_amount, first.moves) == (0.0, 0.0, True)


def test_the_branch_alone_is_enough_and_no_file_is_no_switch(folder):
    write(folder, "link", header="branch")
    (link,) = gc.load_study(folder).switches
    assert (link.capacity_kw, link.operation_cost_amount, link.moves) == (math.inf, 0.0, True)
    (folder / "switches.csv").unlink()
    assert gc.load_study(folder).switches == ()


def test_a_branch_open_at_one_end_is_open(folder):
    edit_grid(folder, from_closed=[True, False, True], to_closed=[False, True, True])
    assert [switch.closed for switch in gc.load_study(folder).switches] == [False, False, True]


@pytest.mark.parametrize(
    ("lines", "row", "column", "said"),
    [
        (["PCC A,,,", "link,,,", "PCC A,,,"], "4", "branch", "unique names; row 2 has it first"),
        (["PCC A,,,", "lnik,,,"], "3", "branch", "did you mean 'link'?"),
        (["PCC A,,,", ",30,,"], "3", "branch", "an empty cell"),
        (["link,-1,,"], "2", "capacity_kw", "a finite number from 0 up"),
        (["link,inf,,"], "2", "capacity_kw", "a finite number from 0 up"),
        (["link,many,,"], "2", "capacity_kw", "'many'"),
        (["link,,-1,"], "2", "operation_cost", "a finite number from 0 up"),
        (["link,,,no"], "2", "moves", "true or false"),
    ],
)
def test_what_is_no_switch_is_a_problem_of_its_cell(folder, lines, row, column, said):
    write(folder, *lines)
    with pytest.raises(StudyError) as raised:
        gc.load_study(folder)
    (problem,) = raised.value.problems
    assert (problem.file, problem.row, problem.column) == ("switches.csv", row, column)
    assert said in str(problem)


def test_all_problems_are_told_at_once(folder):
    write(folder, "nowhere,,,", "link,-1,,maybe", "link,,,")
    with pytest.raises(StudyError) as raised:
        gc.load_study(folder)
    assert [problem.row for problem in raised.value.problems] == ["2", "3", "3", "4"]


TOML = """name = "Three phases"
currency = "EUR"
seed = 1

[time]
start = "2024-01-01T00:00:00Z"
step_minutes = 60
steps = 1

[grid]
file = "grid.json"

[limits]
vm_min_pu = 0.9
vm_max_pu = 1.1
"""


def three_phase(folder, closed=None):
    """A folder whose lines are L1 (a b c), L2 (a c) and L3 (b), some conductors open."""
    grid = four_bus_drawing().grid()
    for name, is_closed in (closed or {}).items():
        grid = with_branches_closed(grid, grid.branch_index[name], is_closed)
    folder.mkdir()
    (folder / "study.toml").write_text(TOML)
    (folder / "members.csv").write_text("member,bus,phase\nA,3,b\n")
    (folder / "assets.csv").write_text("asset,member,kind\nLA,A,load\n")
    (folder / "profiles.csv").write_text("time,LA\n2024-01-01T00:00:00Z,1\n")
    write_grid(grid, folder / "grid.json")
    return folder


def test_a_switch_of_three_phases_moves_all_conductors_of_its_branch(tmp_path):
    folder = three_phase(tmp_path / "study", {"L2.a": False, "L2.c": False})
    write(folder, "L2", "L1", "L3", header="branch")
    second, first, third = gc.load_study(folder).switches
    assert (second.branches, second.closed) == ((3, 4), False)
    assert (first.branches, first.closed) == ((0, 1, 2), True)
    assert (third.name, third.branches) == ("L3", (5,))


def test_conductors_that_do_not_stand_alike_are_a_problem(tmp_path):
    folder = three_phase(tmp_path / "study", {"L2.a": False})
    write(folder, "L2", header="branch")
    with pytest.raises(StudyError, match="some conductors are open and some closed"):
        gc.load_study(folder)


def test_a_conductor_by_itself_is_no_branch(tmp_path):
    folder = three_phase(tmp_path / "study")
    write(folder, "L2.a", header="branch")
    with pytest.raises(StudyError, match="the name of a branch of the grid"):
        gc.load_study(folder)
