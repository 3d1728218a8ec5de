"""Everything that gridcommons raises, in one tree.

GridcommonsError
├── StudyError            the input is wrong: every problem at once, each with its place
├── InfeasibleError       no answer exists: which constraints conflict, where, by how much
├── NotConvergedError     the computation did not reach an answer: iterations, mismatch, place
└── MissingExtraError     an optional package is needed: the line to type
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class GridcommonsError(Exception):
    """Base of every error that gridcommons raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input: where, what was found, what was expected, what to do."""

    file: str
    found: str
    expected: str
    suggestion: str = ""
    table: str = ""
    row: str = ""
    column: str = ""

    def __str__(self) -> str:
        """The problem on one line: ``file [table] row R, column C: found …, expected …; do …``."""
        place = self.file
        if self.table:
            place += f" [{self.table}]"
        where = [f"{word} {value}" for word, value in (("row", self.row), ("column", self.column)) if value]
        if where:
            place += " " + ", ".join(where)
        line = f"{place}: found {self.found}, expected {self.expected}"
        return f"{line}; {self.suggestion}" if self.suggestion else line


class StudyError(GridcommonsError):
    """The input cannot be used; ``problems`` lists all that is wrong with it, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the input"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class InfeasibleError(GridcommonsError):
    """No solution exists: the message names the constraint families, elements and amounts in conflict."""


class NotConvergedError(GridcommonsError):
    """A computation stopped without an answer: the message gives iterations, worst mismatch and place."""


class MissingExtraError(GridcommonsError):
    """An optional package is needed; the message is the line to type."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed, and this needs it: pip install 'gridcommons[{extra}]'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion of the closest known word, empty where none is close."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return f"did you mean {by_lower[close[0]]!r}?" if close else ""
