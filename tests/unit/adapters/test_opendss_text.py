"""The script language: values, comments, continuation, inclusion, and errors with file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridcommons.adapters.grids.opendss_text import (
    Command,
    Parameter,
    file_in,
    read_script,
    split_parameters,
)
from gridcommons.adapters.problems import Place, ProblemList

HERE = Place("x.dss", row=1)


def _split(line: str) -> list[tuple[str, str, bool]]:
    problems = ProblemList()
    found = split_parameters(line, HERE, problems)
    assert problems.found == []
    return [(each.name, each.text, each.is_bracketed) for each in found]


def _value(text: str, is_bracketed: bool = False) -> Parameter:
    return Parameter("x", text, is_bracketed, HERE)


def _script(folder: Path, text: str) -> tuple[list[Command], ProblemList]:
    path = folder / "main.dss"
    path.write_text(text, encoding="utf-8")
    problems = ProblemList()
    return read_script(path, problems), problems


def test_values_are_named_or_told_by_place_and_brackets_and_quotes_hold_them_together() -> None:
    assert _split("New  Line.L1, bus1 = a.1.2  kVs=[4.16, 0.48] 'x y' (1 2 +) \"p q\" {r}") == [
        ("", "New", False),
        ("", "Line.L1", False),
        ("bus1", "a.1.2", False),
        ("kvs", "4.16, 0.48", True),
        ("", "x y", True),
        ("", "1 2 +", True),
        ("", "p q", True),
        ("", "r", True),
    ]


def test_a_bracket_ends_at_its_own_kind() -> None:
    assert _split("a=(1 ] 2) b=[3 ) 4]") == [("a", "1 ] 2", True), ("b", "3 ) 4", True)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.00625 7 * 1 +", 1.04375),
        ("0.00625 -1 * 1 +", 0.99375),
        ("7 2 -", 5.0),
        ("8 2 /", 4.0),
        ("2 3 ^", 8.0),
        ("9 sqrt 2 sqr +", 7.0),
        ("4 inv", 0.25),
        ("100 log10", 2.0),
        ("1 exp ln", 1.0),
        ("3.5", 3.5),
    ],
)
def test_a_number_in_brackets_is_reverse_polish(text: str, value: float) -> None:
    problems = ProblemList()
    assert _value(text, True).number(problems) == pytest.approx(value, rel=1e-15)
    assert problems.found == []


@pytest.mark.parametrize("text", ["1 +", "1 2", "", "1 0 /", "-1 sqrt", "one", "nan"])
def test_what_is_no_number_is_refused_with_its_place(text: str) -> None:
    problems = ProblemList()
    assert np.isnan(_value(text, True).number(problems))
    assert str(problems.found[0]).startswith(f"x.dss row 1: found x = {text!r}, expected a number")


def test_arithmetic_stands_in_brackets_alone() -> None:
    problems = ProblemList()
    assert np.isnan(_value("7 2 -").number(problems))


def test_a_matrix_is_its_lower_triangle_or_whole() -> None:
    problems = ProblemList()
    expected = [[1.0, 2.0, 4.0], [2.0, 3.0, 5.0], [4.0, 5.0, 6.0]]
    assert _value("1 | 2 3 | 4 5 6").matrix(3, problems).tolist() == expected
    assert _value("1,2,4|2,3,5|4,5,6").matrix(3, problems).tolist() == expected
    assert _value(" 0.25 ").matrix(1, problems).tolist() == [[0.25]]
    assert problems.found == []


@pytest.mark.parametrize(
    "text", ["1 | 2 3", "1 2 3 | 4 5 6 | 7 8 9", "1 | 2 x | 3 4 5", "1 2 3", "1 | 2 inf | 3 4 5"]
)
def test_what_is_no_symmetric_matrix_is_refused(text: str) -> None:
    problems = ProblemList()
    _value(text).matrix(3, problems)
    assert "symmetric matrix" in str(problems.found[0])


@pytest.mark.parametrize(
    ("text", "value"), [("y", True), ("Yes", True), ("TRUE", True), ("no", False), ("F", False)]
)
def test_flags(text: str, value: bool) -> None:
    problems = ProblemList()
    assert _value(text).flag(problems) is value
    assert problems.found == []


def test_counts_are_whole_and_above_zero() -> None:
    problems = ProblemList()
    assert _value("3").count(problems) == 3
    for text in ("0", "2.5", "-1"):
        _value(text).count(problems)
    assert len(problems.found) == 3


def test_comments_end_lines_but_not_values_in_brackets(tmp_path: Path) -> None:
    commands, problems = _script(
        tmp_path,
        "! all\n// all\nNew a.b x=1 ! rest y=2\nNew a.c x=[1 ! 2] // z=3\n/* New a.d\n New a.e */\nNew a.f\n",
    )
    assert problems.found == []
    assert [command.parameters[0].text for command in commands] == ["a.b", "a.c", "a.f"]
    assert [len(command.parameters) for command in commands] == [2, 2, 1]
    assert commands[1].parameters[1].text == "1 ! 2"
    assert [command.place.row for command in commands] == [3, 4, 7]


@pytest.mark.parametrize("mark", ["~ ", "~", "more ", "MORE ", "m "])
def test_lines_go_on_with_the_element_before(tmp_path: Path, mark: str) -> None:
    commands, _ = _script(tmp_path, f"new a.b\n{mark}x=1 y=2\n")
    assert [command.verb for command in commands] == ["new", "more"]
    assert [each.name for each in commands[1].parameters] == ["x", "y"]


def test_a_property_of_an_object_is_an_edit_even_where_the_name_has_dots(tmp_path: Path) -> None:
    commands, _ = _script(tmp_path, "Transformer.reg.1a.wdg=2 Tap=(0.00625 7 * 1 +)\n")
    assert commands[0].verb == "edit"
    assert [(each.name, each.text) for each in commands[0].parameters] == [
        ("object", "transformer.reg.1a"),
        ("wdg", "2"),
        ("tap", "0.00625 7 * 1 +"),
    ]


def test_redirect_comes_back_to_its_folder_and_compile_stays(tmp_path: Path) -> None:
    (tmp_path / "Parts" / "deep").mkdir(parents=True)
    (tmp_path / "Parts" / "one.dss").write_text("redirect deep\\Two.DSS\nnew a.one\nredirect deep/two.dss\n")
    (tmp_path / "Parts" / "deep" / "two.dss").write_text("new a.two\n")
    commands, problems = _script(
        tmp_path, "redirect parts/one.dss\nnew a.main x=1\ncompile (parts/one.dss)\nnew a.last x=1\n"
    )
    assert problems.found == []
    assert [each.parameters[0].text for each in commands] == [
        *("a.two", "a.one", "a.two", "a.main", "a.two", "a.one", "a.two", "a.last")
    ]
    assert commands[0].place == Place("two.dss", row=1)
    assert [command.parameters[0].folder.name for command in commands][3] == tmp_path.name
    assert [command.parameters[0].folder.name for command in commands][-1] == "Parts"


def test_files_are_found_with_either_slash_and_in_either_case(tmp_path: Path) -> None:
    (tmp_path / "Sub").mkdir()
    (tmp_path / "Sub" / "File.TXT").write_text("")
    assert file_in(tmp_path, "sub\\file.txt") == tmp_path / "Sub" / "File.TXT"
    assert file_in(tmp_path, "sub/none.txt") == tmp_path / "Sub" / "none.txt"


def test_every_line_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    _, problems = _script(
        tmp_path, "new a.b x=[1 2\nredirect nowhere.dss\nfoo=3\nredirect main.dss\nnew a.c y=\n"
    )
    lines = [str(problem) for problem in problems.found]
    assert len(lines) == 5
    assert lines[0] == "main.dss row 1: found [1 2, expected a closing ]"
    assert lines[1].startswith("main.dss row 2: found ") and "nowhere.dss" in lines[1]
    assert lines[2] == "main.dss row 3: found foo = '3', expected a command, or class.name.property=value"
    assert lines[3].startswith("main.dss row 4: found 'main.dss', which is being read already")
    assert lines[4] == "main.dss row 5: found 'y', expected a value"
