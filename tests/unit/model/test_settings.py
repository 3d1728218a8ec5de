from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from gridcommons.model.errors import StudyError
from gridcommons.model.settings import describe, read_settings, settings_problems, suggest


@dataclass(frozen=True)
class Everything:
    share: float
    steps: int = 1
    objective: Literal["equal", "max_total"] = "equal"
    is_fast: bool = False
    classes: tuple[tuple[str, ...], ...] = ()
    band: tuple[float, float] = (0.9, 1.1)
    weight: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        if self.band[0] > self.band[1]:
            raise ValueError("band upside down")


def test_values_become_what_the_types_say():
    table = {
        "share": 1,
        "objective": "max_total",
        "classes": [["a"], ["b", "c"]],
        "band": [1, 2],
        "weights": {"a": 2},
    }
    read = read_settings(Everything, table, "x")
    assert read == Everything(1.0, 1, "max_total", False, (("a",), ("b", "c")), (1.0, 2.0), None, {"a": 2.0})
    assert isinstance(read.share, float) and isinstance(read.weights["a"], float)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("share", "0.5", "a number"),
        ("share", True, "a number"),
        ("share", float("nan"), "a number"),
        ("share", float("inf"), "a number"),
        ("steps", 1.5, "a whole number"),
        ("steps", True, "a whole number"),
        ("is_fast", 1, "true or false"),
        ("objective", "fair", "one of 'equal', 'max_total'"),
        ("classes", "battery", "a list of a list of text in quotes"),
        ("classes", ["battery"], "a list of a list of text in quotes"),
        ("classes", [[1]], "a list of a list of text in quotes"),
        ("band", [1.0], "a list of 2: a number, a number"),
        ("weight", "much", "a number"),
        ("weights", [1], "a table of a number"),
        ("weights", {"a": "b"}, "a table of a number"),
    ],
)
def test_a_wrong_type_is_named_with_its_place(key, value, expected):
    (problem,) = settings_problems(Everything, {"share": 0.5, key: value}, "x")
    assert (problem.file, problem.table, problem.column) == ("study.toml", "tasks.x", key)
    assert problem.expected == expected


def test_all_problems_come_at_once():
    with pytest.raises(StudyError) as caught:
        read_settings(Everything, {"shares": 1, "steps": "many", "zzz": 0}, "x")
    found = {problem.column: problem for problem in caught.value.problems}
    assert set(found) == {"shares", "steps", "zzz", "share"}
    assert found["shares"].suggestion == "did you mean 'share'?"
    assert found["zzz"].suggestion.startswith("known: band, classes")
    assert found["share"].found == "nothing"


def test_what_the_dataclass_refuses_is_a_problem():
    (problem,) = settings_problems(Everything, {"share": 1, "band": [2, 1]}, "x")
    assert problem.found == "band upside down" and problem.table == "tasks.x"


def test_words():
    assert suggest("envelops", ["envelopes", "switching"]) == "did you mean 'envelopes'?"
    assert suggest("q", []) == "known: none"
    assert describe(float | None) == "a number"
