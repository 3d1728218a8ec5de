"""Reads small CSV tables of a study row by row, and hands out checked cells."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.model.errors import did_you_mean
from gridcommons.model.time import TimeAxis


@dataclass(frozen=True)
class Columns:
    """Columns that a table must have, and those that it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        """All columns that are known."""
        return self.required + self.optional


@dataclass(frozen=True)
class Row:
    """One row of a table: its line in the file (1 = header) and its cells by column."""

    place: Place
    cells: dict[str, str]
    problems: ProblemList

    def text(self, column: str) -> str:
        """A cell without the blanks around it; empty where the table has no such column."""
        return self.cells.get(column, "")

    def needed_text(self, column: str) -> str:
        """A cell that must not be empty; empty (and a problem) if it is."""
        if not self.text(column):
            self.add(column, "an empty cell", "a value")
        return self.text(column)

    def number(self, column: str, low: float = 0.0, high: float = math.inf) -> float:
        """A finite number from ``low`` to ``high``; NaN where the cell is empty or (a problem) wrong."""
        text = self.text(column)
        if not text:
            return math.nan
        try:
            value = float(text)
        except ValueError:
            comma = "write a decimal point, not a comma" if "," in text else ""
            self.add(column, repr(text), "a number", comma)
            return math.nan
        if math.isfinite(value) and low <= value <= high:
            return value
        self.add(column, text, _range_in_words(low, high))
        return math.nan

    def flag(self, column: str, otherwise: bool) -> bool:
        """True or false; ``otherwise`` where the cell is empty."""
        text = self.text(column).lower()
        if text in ("true", "false"):
            return text == "true"
        if text:
            self.add(column, repr(self.text(column)), "true or false")
        return otherwise

    def time(self, column: str) -> datetime | None:
        """A time in UTC, None where the cell is empty or (a problem) wrong."""
        text = self.text(column)
        if not text:
            return None
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            self.add(column, repr(text), "a time such as 2016-07-01T00:00:00Z")
            return None
        if value.tzinfo is None:
            expected = "a time with its offset from UTC"
            self.add(column, f"{text!r}, which names no offset", expected, "append Z for UTC")
            return None
        return value.astimezone(UTC)

    def interval(self, column: str, axis: TimeAxis) -> int | None:
        """Number of the interval that starts at a time; None where the cell is empty or (a problem) wrong."""
        stamp = self.time(column)
        if stamp is None:
            return None
        step, rest = divmod(stamp - axis.start, timedelta(minutes=axis.step_minutes))
        if rest or not 0 <= step < axis.steps:
            first, end = axis.start.isoformat(), axis.end.isoformat()
            self.add(column, self.text(column), f"the start of an interval from {first} to before {end}")
            return None
        return step

    def add(self, column: str, found: str, expected: str, suggestion: str = "") -> None:
        """Note a problem with one cell."""
        self.problems.add(self.place.at(row=self.place.row, column=column), found, expected, suggestion)


def _range_in_words(low: float, high: float) -> str:
    if not math.isfinite(low):
        return "a finite number"
    if math.isfinite(high):
        return f"a number from {low:g} to {high:g}"
    return f"a finite number from {low:g} up" if low else "a magnitude: a finite number from 0 up"


def read_table(path: Path, columns: Columns, problems: ProblemList) -> list[Row]:
    """The rows of a CSV file; whatever is wrong with its form goes to ``problems``."""
    place = Place(path.name)
    lines = _read_lines(path, problems)
    if lines is None:
        return []
    if not lines:
        problems.add(place, "an empty file", f"a header line with {listed(columns.required)}")
        return []
    header = [name.strip() for name in lines[0][1]]
    if not _header_fits(place, header, columns, problems):
        return []
    return [row for line, cells in lines[1:] if (row := _row(place, line, header, cells, problems))]


def _read_lines(path: Path, problems: ProblemList) -> list[tuple[int, list[str]]] | None:
    place = Place(path.name)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        problems.add(place, "no such file", f"a table in {path.parent}")
        return None
    except OSError as error:
        problems.add(place, f"a file that cannot be read ({error.strerror})", "a readable file")
        return None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        problems.add(place.at(row=line), "bytes that are not UTF-8", "text in UTF-8", "save it as UTF-8")
        return None
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        problems.add(place.at(row=reader.line_num), f"not CSV: {error}", "cells separated by commas")
        return None


def _header_fits(place: Place, header: Sequence[str], columns: Columns, problems: ProblemList) -> bool:
    before = len(problems.found)
    if len(header) == 1 and ";" in header[0]:
        problems.add(place.at(row=1), "cells separated by ';'", "cells separated by ','")
        return False
    for name in dict.fromkeys(header):
        if name not in columns.every:
            meant = did_you_mean(name, columns.every) or f"known columns: {listed(columns.every, 40)}"
            problems.add(place.at(row=1, column=name), "an unknown column", "a known column", meant)
        elif header.count(name) > 1:
            problems.add(place.at(row=1, column=name), "the column twice", "each column once")
    for name in columns.required:
        if name not in header:
            problems.add(place.at(row=1, column=name), "no such column", "the column")
    return len(problems.found) == before or set(columns.required) <= set(header)


def _row(
    place: Place, line: int, header: Sequence[str], cells: Sequence[str], problems: ProblemList
) -> Row | None:
    if len(cells) != len(header):
        problems.add(place.at(row=line), f"{len(cells)} cells", f"{len(header)} cells, as in the header")
        return None
    stripped = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    return Row(place.at(row=line), stripped, problems)
