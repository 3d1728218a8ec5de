"""What a run leaves: tables, a summary and the provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, npt.NDArray[Any]]
"""One part of a long table: arrays of equal length by column name."""


def text_column(names: Iterable[str]) -> npt.NDArray[np.object_]:
    """Names as a column of a table, shape (rows,)."""
    return np.array(list(names), dtype=object)


@dataclass
class TablesInMemory:
    """Keeps the parts of each table as they are written; the sink of notebooks and tests."""

    parts: dict[str, list[Columns]] = field(default_factory=dict)

    def write(self, table: str, columns: Columns) -> None:
        """Append rows to a table."""
        lengths = {len(values) for values in columns.values()}
        if len(lengths) != 1:
            raise ValueError(f"table {table}: columns of different lengths {sorted(lengths)}")
        self.parts.setdefault(table, []).append(dict(columns))

    def readers(self) -> dict[str, Callable[[], pd.DataFrame]]:
        """A function a table that hands it out whole."""
        return {name: lambda name=name: self._frame(name) for name in self.parts}  # type: ignore[misc]

    def _frame(self, name: str) -> pd.DataFrame:
        import pandas as pd

        parts = self.parts[name]
        columns = {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}
        # Times are aware and texts are categories, as a table read from a file has them.
        for column, values in columns.items():
            if values.dtype.kind == "M":
                columns[column] = pd.Series(values.astype("datetime64[ms]")).dt.tz_localize("UTC")
            elif values.dtype.kind in "OU":
                columns[column] = pd.Categorical(values, categories=pd.unique(values.astype(object)))
        return pd.DataFrame(columns)


class LazyTables(Mapping[str, "pd.DataFrame"]):
    """Tables by name, each read when first asked for."""

    def __init__(self, readers: Mapping[str, Callable[[], pd.DataFrame]]) -> None:
        self._readers = dict(readers)
        self._frames: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The table as a pandas frame."""
        if name not in self._frames:
            self._frames[name] = self._readers[name]()
        return self._frames[name]

    def __iter__(self) -> Iterator[str]:
        """Names of the tables."""
        return iter(self._readers)

    def __len__(self) -> int:
        """Number of tables."""
        return len(self._readers)


@dataclass(frozen=True, eq=False)
class Result:
    """Tables (long form, pandas on request), headline figures, and where they come from."""

    task: str
    tables: Mapping[str, pd.DataFrame]
    summary: dict[str, Any]
    provenance: dict[str, Any]
