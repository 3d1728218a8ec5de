"""Reads the tables of a result part by part, so that a year of voltages never sits in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import IntArray

if TYPE_CHECKING:
    import pyarrow as pa

Part = dict[str, npt.NDArray[Any]]
"""Columns of some rows; a text is the number of its name in ``Names``."""


@dataclass
class Names:
    """Texts and their numbers, in the order in which they were met."""

    names: list[str] = field(default_factory=list)
    number: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.names)

    def of(self, name: str) -> int:
        """Number of a text; a new one for a text not met before."""
        if name not in self.number:
            self.number[name] = len(self.names)
            self.names.append(name)
        return self.number[name]

    def numbers(self, names: Sequence[str]) -> IntArray:
        """Numbers of several texts."""
        return np.array([self.of(name) for name in names], dtype=np.int64)


class ResultTables:
    """The Parquet tables of a result folder.

    Parameters
    ----------
    folder : Path
        What a run left.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, table: object) -> bool:
        """Whether the run left such a table."""
        return self._path(str(table)).is_file()

    def parts(self, table: str, columns: Sequence[str], names: dict[str, Names]) -> Iterator[Part]:
        """The rows of a table, one row group at a time; nothing where there is no such table.

        Parameters
        ----------
        table : str
            Name of the table.
        columns : sequence of str
            Those to read.
        names : dict of str to Names
            Texts of each text column; grows as new ones are met.
        """
        import pyarrow.parquet as pq

        if table not in self:
            return
        with pq.ParquetFile(self._path(table)) as file:
            for group in range(file.num_row_groups):
                yield _arrays(file.read_row_group(group, columns=list(columns)), names)

    def whole(self, table: str, columns: Sequence[str], names: dict[str, Names] | None = None) -> Part:
        """All rows of a small table; texts as themselves where no ``names`` are given."""
        known: dict[str, Names] = {} if names is None else names
        parts = list(self.parts(table, columns, known))
        if not parts:
            return {column: np.zeros(0) for column in columns}
        joined = {column: np.concatenate([part[column] for part in parts]) for column in columns}
        return joined if names is not None else _spelled(joined, known)

    def rows_at(self, table: str, columns: Sequence[str], equal: dict[str, Any]) -> Part:
        """Rows in which columns have given values; row groups without them are not read."""
        import pyarrow.parquet as pq

        if table not in self:
            return {column: np.zeros(0) for column in columns}
        wanted = [(column, "=", value) for column, value in equal.items()]
        found = pq.read_table(self._path(table), columns=list(columns), filters=wanted)
        known: dict[str, Names] = {}
        return _spelled(_arrays(found, known), known)

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"


def of_scenario(rows: Part, scenario: str) -> Part:
    """The rows of one scenario."""
    mine = rows["scenario"] == scenario
    return {column: values[mine] for column, values in rows.items()}


def _spelled(part: Part, names: dict[str, Names]) -> Part:
    spelled = dict(part)
    for column, known in names.items():
        spelled[column] = np.array(known.names, dtype=object)[part[column]] if len(known) else part[column]
    return spelled


def _arrays(rows: pa.Table, names: dict[str, Names]) -> Part:
    return {column: _array(rows[column], column, names) for column in rows.column_names}


def _array(column: pa.ChunkedArray, name: str, names: dict[str, Names]) -> npt.NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries().combine_chunks()
        known = names.setdefault(name, Names())
        if isinstance(column, pa.ChunkedArray):
            if not column.num_chunks:
                return np.zeros(0, dtype=np.int64)
            column = column.chunk(0)
        return np.asarray(known.numbers(column.dictionary.to_pylist())[column.indices.to_numpy()])
    if pa.types.is_timestamp(column.type):
        return np.asarray(column.cast(pa.int64()).to_numpy().astype("datetime64[ms]"))
    return np.asarray(column.to_numpy())
