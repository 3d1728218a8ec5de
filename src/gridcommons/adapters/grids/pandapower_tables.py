"""Columns of a pandapower network, read strictly: what cannot be used is noted with its place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.model.grid import BoolArray, FloatArray, IntArray

OUT_OF_SERVICE = -1
"""Position of a bus that is out of service and so not in the grid."""


@dataclass
class Tables:
    """One network while it is read: problems and notes found so far, and where its buses went.

    Parameters
    ----------
    net : pandapowerNet
        The network.
    file : str
        What to call it in messages.
    position : dict of int to int
        Position in the grid of each bus by its index in the file; ``OUT_OF_SERVICE`` where left out.
    vn_kv : list of float
        Nominal voltage of each bus of the grid by position [kV]; three-winding transformers add to it.
    """

    net: Any
    file: str
    problems: ProblemList = field(default_factory=ProblemList)
    notes: list[str] = field(default_factory=list)
    position: dict[int, int] = field(default_factory=dict)
    vn_kv: list[float] = field(default_factory=list)

    def rows(self, table: str) -> Rows:
        """All rows of a table; none where the network has no such table."""
        frame = self.net.get(table)
        return Rows(self, table, frame if frame is not None else self.net.bus.iloc[:0])

    def rows_in_service(self, table: str) -> Rows:
        """Rows in service at buses in service; what is left out is noted."""
        every = self.rows(table)
        if not len(every):
            return every
        on = every.flags("in_service")
        off_bus = every.positions("bus") == OUT_OF_SERVICE
        self._note_left_out(every, ~on, "out of service")
        self._note_left_out(every, on & off_bus, "at a bus that is out of service")
        return every.where(on & ~off_bus)

    def _note_left_out(self, rows: Rows, mask: BoolArray, why: str) -> None:
        if mask.any():
            names = listed(rows.where(mask).labels())
            self.notes.append(f"left out, since {why}: {rows.table} {names}")


@dataclass
class Rows:
    """Some rows of one table."""

    tables: Tables
    table: str
    frame: Any

    def __post_init__(self) -> None:
        """Remember how many problems there were, so that ``sound`` can tell new ones."""
        self._problems_before = len(self.tables.problems.found)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.frame)

    @property
    def sound(self) -> bool:
        """Whether nothing wrong was found since these rows were taken."""
        return len(self.tables.problems.found) == self._problems_before

    @property
    def index(self) -> list[int]:
        """Index of each row in the file."""
        return [int(index) for index in self.frame.index]

    def has(self, column: str) -> bool:
        """Whether the table has this column."""
        return column in self.frame.columns

    def where(self, mask: BoolArray) -> Rows:
        """Those rows for which the mask is true."""
        return Rows(self.tables, self.table, self.frame[mask])

    def names(self) -> list[str]:
        """Own name of each row, empty where it has none."""
        return self.texts("name") if self.has("name") else [""] * len(self)

    def labels(self) -> list[str]:
        """What to call each row in a message: its name, else its index."""
        return [name or str(index) for name, index in zip(self.names(), self.index, strict=True)]

    def fallbacks(self, kind: str) -> list[str]:
        """Kind and index of each row: the name of those without a unique one."""
        return [f"{kind} {index}" for index in self.index]

    def texts(self, column: str) -> list[str]:
        """A column as stripped text; empty where nothing is given or there is no such column."""
        if not self.has(column):
            return [""] * len(self)
        return [as_text(value) for value in self.frame[column].tolist()]

    def numbers(self, column: str, missing: float | None = None) -> FloatArray:
        """A column of numbers; ``missing`` stands for those not given, else they are a problem."""
        if not self.has(column):
            if missing is None:
                self._refuse_column(column)
                return np.full(len(self), np.nan)
            return np.full(len(self), float(missing))
        values = np.array([as_number(value) for value in self.frame[column].tolist()], dtype=float)
        empty = np.isnan(values)
        if missing is not None:
            values[empty] = missing
            empty = np.isinf(values) & (not math.isinf(missing))
        else:
            empty |= np.isinf(values)
        for at in np.flatnonzero(empty):
            self.refuse(int(at), f"{self.frame[column].iloc[at]}", "a number", column=column)
        return values

    def positive(self, column: str, missing: float | None = None) -> FloatArray:
        """A column of numbers above zero."""
        values = self.numbers(column, missing)
        for at in np.flatnonzero(values <= 0):
            self.refuse(int(at), f"{values[at]:g}", "a number above zero", column=column)
        return values

    def flags(self, column: str, missing: bool | None = None) -> BoolArray:
        """A column of true and false; ``missing`` stands for those not given, else they are a problem."""
        if not self.has(column):
            if missing is None:
                self._refuse_column(column)
            return np.full(len(self), bool(missing))
        flags = np.zeros(len(self), dtype=np.bool_)
        for at, value in enumerate(self.frame[column].tolist()):
            number = as_number(value)
            if math.isnan(number) and missing is None:
                self.refuse(at, f"{value}", "true or false", column=column)
            flags[at] = bool(missing) if math.isnan(number) else number != 0
        return flags

    def positions(self, column: str) -> IntArray:
        """Positions in the grid of the buses in a column; a bus that the file lacks is a problem."""
        found = np.full(len(self), OUT_OF_SERVICE, dtype=np.int64)
        if not self.has(column):
            self._refuse_column(column)
            return found
        for at, value in enumerate(self.frame[column].tolist()):
            number = as_number(value)
            if math.isnan(number) or int(number) not in self.tables.position:
                self.refuse(at, f"bus {value}", "the index of a bus in the file", column=column)
            else:
                found[at] = self.tables.position[int(number)]
        return found

    def refuse(self, at: int, found: str, expected: str, suggestion: str = "", column: str = "") -> None:
        """Note a problem with the row at this place among these rows."""
        name = self.names()[at]
        row = f"{self.index[at]} '{name}'" if name else str(self.index[at])
        place = Place(self.tables.file, self.table, row, column)
        self.tables.problems.add(place, found, expected, suggestion)

    def _refuse_column(self, column: str) -> None:
        if len(self):
            self.tables.problems.add(
                Place(self.tables.file, self.table, column=column),
                "no such column",
                "the column that pandapower 3 writes",
                "open and save the network with pandapower 3.5",
            )


def as_number(value: object) -> float:
    """A cell as a float, NaN where it holds no number."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def as_text(value: object) -> str:
    """A cell as stripped text, empty where nothing is given."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
