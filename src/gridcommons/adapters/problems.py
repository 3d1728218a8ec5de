"""Collects everything that is wrong with a study, so that it can be said at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gridcommons.model.errors import Problem, StudyError


@dataclass(frozen=True)
class Place:
    """Where in a study: a file, and in it a table, a row (1 = header line) and a column."""

    file: str
    table: str = ""
    row: int | str = ""
    column: str = ""

    def at(self, *, row: int | str = "", column: str = "") -> Place:
        """The same file and table, at another row or column."""
        return Place(self.file, self.table, row, column)


@dataclass
class ProblemList:
    """Problems in the order in which they were found."""

    found: list[Problem] = field(default_factory=list)

    def add(self, place: Place, found: str, expected: str, suggestion: str = "") -> None:
        """Note one problem."""
        self.found.append(
            Problem(
                file=place.file,
                table=place.table,
                row=str(place.row),
                column=place.column,
                found=found,
                expected=expected,
                suggestion=suggestion,
            )
        )

    def raise_if_any(self) -> None:
        """Raise all that was noted as one `StudyError`.

        Raises
        ------
        StudyError
            If anything was noted.
        """
        if self.found:
            raise StudyError(self.found)


def listed(words: Iterable[str], limit: int = 8) -> str:
    """Words joined by commas; those beyond ``limit`` are counted."""
    every = list(words)
    head = ", ".join(every[:limit])
    return head if len(every) <= limit else f"{head} and {len(every) - limit} more"
