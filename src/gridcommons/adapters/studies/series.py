"""Reads columns over time from CSV or Parquet: only the columns asked for, only the rows of a window.

A file may be far larger than memory: CSV is read in blocks, Parquet by row group, and of both only
what the study needs is turned into numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.problems import Place, ProblemList
from gridcommons.model.grid import FloatArray, IntArray

TIME = "time"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ARROW_ERRORS = (OSError, ValueError, KeyError, NotImplementedError)
"""What pyarrow's own errors are made of; pyarrow itself is only imported where a file is read."""
_BLOCK_BYTES = 1 << 20
_HEADERS_IN_BLOCK = 16
_EXPECTED_TIME = "a time with its offset from UTC, such as 2016-07-01T00:00:00Z"


@dataclass(frozen=True)
class Window:
    """Which rows are wanted: stamps from ``start_ms`` up to, not including, ``end_ms`` (UTC) [ms]."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, eq=False)
class Series:
    """What a file says.

    Parameters
    ----------
    place : Place
        The file.
    all_ms : (rows of the file,)
        Stamp of every row, UTC [ms].
    first_row : int
        Number of the first of all rows.
    rows : (rows in the window,)
        Number of each row in the window: 1 is the header of a CSV file, but the first row of Parquet.
    stamps_ms : (rows in the window,)
        Stamp of each row in the window, UTC [ms].
    values : mapping of str to (rows in the window,)
        The columns asked for; NaN where a cell is empty.
    """

    place: Place
    all_ms: IntArray
    first_row: int
    rows: IntArray
    stamps_ms: IntArray
    values: dict[str, FloatArray]


@dataclass
class _Part:
    rows: IntArray
    stamps_ms: IntArray
    columns: dict[str, Any]


class _UnreadableError(Exception):
    """The file cannot be read further; the problem has been noted."""


def column_names(path: Path, problems: ProblemList) -> list[str]:
    """Names of the columns of a CSV or Parquet file; empty (and a problem) where it has none."""
    place = Place(path.name)
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet

            return list(pyarrow.parquet.read_schema(path).names)
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = [name.strip('"') for name in file.readline().rstrip("\r\n").split(",")]
    except (OSError, ValueError) as error:
        expected = "a Parquet file" if path.suffix == ".parquet" else "a CSV file in UTF-8"
        problems.add(place, f"a file that cannot be read: {_first_line(error)}", expected)
        return []
    if names == [""]:
        problems.add(place, "an empty file", "a header line that starts with time")
        return []
    return names


def read_series(path: Path, columns: Sequence[str], window: Window, problems: ProblemList) -> Series | None:
    """The wanted columns in the wanted rows; None (and a problem) where the file cannot be read."""
    reader = _ParquetReader if path.suffix == ".parquet" else _CsvReader
    source = reader(path, list(columns), window, problems)
    try:
        parts = list(source.parts())
    except _UnreadableError:
        return None
    except _ARROW_ERRORS as error:
        problems.add(Place(path.name), f"a file that cannot be read: {_first_line(error)}", "a readable file")
        return None
    return source.series(parts)


class _Reader(ABC):
    first_row = 1

    def __init__(self, path: Path, columns: list[str], window: Window, problems: ProblemList) -> None:
        self.path = path
        self.place = Place(path.name)
        self.columns = columns
        self.window = window
        self.problems = problems
        self.all_ms: list[IntArray] = []

    @abstractmethod
    def parts(self) -> Iterator[_Part]:
        """What lies in the window, piece by piece; fills ``all_ms`` as it goes."""

    def inside(self, stamps_ms: IntArray) -> IntArray:
        """Positions of the stamps that lie in the window."""
        return np.flatnonzero((stamps_ms >= self.window.start_ms) & (stamps_ms < self.window.end_ms))

    def series(self, parts: list[_Part]) -> Series:
        """The parts in one piece, as numbers."""
        none = np.zeros(0, np.int64)
        rows = np.concatenate([none, *(part.rows for part in parts)])
        values = {
            name: np.concatenate([np.zeros(0), *(self._numbers(name, part) for part in parts)])
            for name in self.columns
        }
        return Series(
            place=self.place,
            all_ms=np.concatenate([none, *self.all_ms]),
            first_row=self.first_row,
            rows=rows,
            stamps_ms=np.concatenate([none, *(part.stamps_ms for part in parts)]),
            values=values,
        )

    def _numbers(self, name: str, part: _Part) -> FloatArray:
        cells = part.columns[name]
        try:
            return _as_floats(cells)
        except (ValueError, NotImplementedError):
            pass
        for row, cell in zip(part.rows, cells.to_pylist(), strict=True):
            if cell is not None and not _is_number(cell):
                place = self.place.at(row=int(row), column=name)
                self.problems.add(place, repr(cell), "a number")
                return np.zeros(len(part.rows))
        return np.array([np.nan if cell is None else float(cell) for cell in cells.to_pylist()])

    def stamps_ms(self, cells: Any, first_row: int) -> IntArray:
        """Stamps of a block of the time column, UTC [ms]."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_timestamp(cells.type):
            return self._from_timestamps(cells, first_row)
        try:
            stamps = pc.cast(cells, pa.timestamp("ms", "UTC"))
            if stamps.null_count == 0:
                return _as_int64(stamps)
        except (ValueError, NotImplementedError):
            pass
        return np.array(
            [self._stamp_ms(cell, first_row + i) for i, cell in enumerate(cells.to_pylist())], dtype=np.int64
        )

    def _from_timestamps(self, cells: Any, first_row: int) -> IntArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        if cells.type.tz is None:
            self._refuse_time(first_row, "times without an offset", "store them with the zone UTC")
        if cells.null_count:
            empty = int(np.flatnonzero(np.asarray(cells.is_null()))[0])
            self._refuse_time(first_row + empty, "no time")
        return _as_int64(pc.cast(cells, pa.timestamp("ms", "UTC"), safe=False))

    def _stamp_ms(self, cell: Any, row: int) -> int:
        try:
            stamp = datetime.fromisoformat(str(cell).strip())
        except ValueError:
            self._refuse_time(row, "an empty cell" if cell is None else repr(cell))
        if stamp.tzinfo is None:
            self._refuse_time(row, f"{cell!r}, which names no offset", "append Z for UTC, or an offset")
        return round((stamp - _EPOCH).total_seconds() * 1000)

    def _refuse_time(self, row: int, found: str, suggestion: str = "") -> NoReturn:
        self.problems.add(self.place.at(row=row, column=TIME), found, _EXPECTED_TIME, suggestion)
        raise _UnreadableError


class _CsvReader(_Reader):
    first_row = 2

    def parts(self) -> Iterator[_Part]:
        ragged: list[Any] = []

        def note(row: Any) -> str:
            ragged.append(row)
            return "skip"

        import pyarrow.csv

        text = {name: pyarrow.string() for name in (TIME, *self.columns)}
        try:
            blocks = pyarrow.csv.open_csv(
                self.path,
                read_options=pyarrow.csv.ReadOptions(block_size=self._block_bytes(), use_threads=False),
                parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=note),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=list(text), column_types=text, strings_can_be_null=True, null_values=[""]
                ),
            )
            yield from self._blocks(blocks, ragged)
        except ValueError as error:
            self._refuse_form(error)

    def _block_bytes(self) -> int:
        """Small blocks, since several are read ahead; but no line may be longer than one."""
        with self.path.open("rb") as file:
            return max(_BLOCK_BYTES, _HEADERS_IN_BLOCK * len(file.readline()))

    def _blocks(self, blocks: Any, ragged: list[Any]) -> Iterator[_Part]:
        row = self.first_row
        for block in blocks:
            if ragged:
                self._refuse_ragged(ragged[0])
            stamps_ms = self.stamps_ms(block.column(TIME), row)
            self.all_ms.append(stamps_ms)
            inside = self.inside(stamps_ms)
            if len(inside):
                chosen = block.take(inside)
                yield _Part(
                    row + inside, stamps_ms[inside], {name: chosen.column(name) for name in self.columns}
                )
            row += len(stamps_ms)
        if ragged:
            self._refuse_ragged(ragged[0])

    def _refuse_ragged(self, ragged: Any) -> NoReturn:
        line: int | str = ""
        with self.path.open(encoding="utf-8-sig", errors="replace") as file:
            line = next((i for i, text in enumerate(file, 1) if text.rstrip("\r\n") == ragged.text), "")
        expected = f"{ragged.expected_columns} cells, as in the header"
        self.problems.add(self.place.at(row=line), f"{ragged.actual_columns} cells", expected)
        raise _UnreadableError

    def _refuse_form(self, error: Exception) -> NoReturn:
        with self.path.open("rb") as file:
            for line, raw in enumerate(file, 1):
                try:
                    raw.decode("utf-8")
                except UnicodeDecodeError:
                    place = self.place.at(row=line)
                    self.problems.add(place, "bytes that are not UTF-8", "text in UTF-8", "save it as UTF-8")
                    raise _UnreadableError from None
        self.problems.add(self.place, f"not CSV: {_first_line(error)}", "cells separated by commas")
        raise _UnreadableError


class _ParquetReader(_Reader):
    def parts(self) -> Iterator[_Part]:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(self.path) as file:
            row = self.first_row
            for group in range(file.num_row_groups):
                times = file.read_row_group(group, columns=[TIME]).column(TIME)
                stamps_ms = self.stamps_ms(times, row)
                self.all_ms.append(stamps_ms)
                inside = self.inside(stamps_ms)
                if len(inside):
                    yield self._part(file, group, row, stamps_ms, inside)
                row += len(stamps_ms)

    def _part(self, file: Any, group: int, row: int, stamps_ms: IntArray, inside: IntArray) -> _Part:
        chosen = file.read_row_group(group, columns=[TIME, *self.columns]).take(inside)
        columns = {name: chosen.column(name) for name in self.columns}
        return _Part(row + inside, stamps_ms[inside], columns)


def _as_floats(cells: Any) -> FloatArray:
    return np.asarray(cells.cast("float64").fill_null(float("nan")), dtype=np.float64)


def _as_int64(stamps: Any) -> npt.NDArray[np.int64]:
    return np.asarray(stamps.cast("int64"), dtype=np.int64)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
