"""Writes what a run leaves, one Parquet file a table as the rows are made, and reads it again."""

from __future__ import annotations

import glob
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.results import Columns, LazyTables, Result

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

SUMMARY = "summary.json"
PROVENANCE = "provenance.json"
REPORT = "report.html"
COMPARISON = "comparison.html"
STATEMENTS = "statements.html"

_ROWS_AT_ONCE = 131_072
"""Rows of a row group: what a table keeps in memory, and a fixed cut, so that a file's bytes depend
on its rows alone and not on the parts in which they came."""


class ParquetTables:
    """A table sink that becomes a result folder when the run is finished, and nothing when it is not.

    Tables are written in a temporary folder beside ``folder`` and moved into place by ``finish``. A
    run that fails or is interrupted before that leaves no trace, and an older result stays as it was.

    Parameters
    ----------
    folder : str or Path
        Where the result shall be; new, empty, or what an earlier run left.

    Raises
    ------
    StudyError
        If ``folder`` holds anything that no run leaves: it would be lost.

    Examples
    --------
    >>> import numpy as np
    >>> with ParquetTables("out/two_rows") as sink:
    ...     sink.write("envelopes", {"asset": np.array(["a", "b"]), "p_max_kw": np.array([22.0, 10.1])})
    ...     done = sink.finish(Result("envelopes", {}, {"steps": 1}, {}))
    >>> read_result("out/two_rows").tables["envelopes"]["p_max_kw"].tolist()
    [22.0, 10.1]
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        _refuse_foreign(self.folder)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(self.folder)
        prefix = f".{self.folder.name}.{os.getpid()}."
        made = tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=self.folder.parent)
        self._place = Path(made)
        self._tables: dict[str, _TableFile] = {}

    def __enter__(self) -> ParquetTables:
        """The sink itself; leaving the block without ``finish`` discards what was written."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._place != self.folder:
            self.discard()

    def write(self, table: str, columns: Columns) -> None:
        """Append rows to a table.

        Parameters
        ----------
        table : str
            Name of the table, and of its file.
        columns : mapping of str to (rows,)
            Numbers, truth values, texts, or times (UTC); the same names and types in every part.

        Raises
        ------
        ValueError
            If the columns differ in length, or from those of an earlier part.
        """
        if table not in self._tables:
            self._tables[table] = _TableFile(self._path(table))
        self._tables[table].append(columns)

    def readers(self) -> Mapping[str, Callable[[], pd.DataFrame]]:
        """A function a table that hands it out whole; the first use of one closes its file."""
        return {name: lambda name=name: self._frame(name) for name in self._tables}  # type: ignore[misc]

    def finish(self, result: Result) -> Path:
        """Close the tables, add summary and provenance, and move all into place; returns the folder."""
        for table in self._tables.values():
            table.close()
        _write_json(self._place / SUMMARY, result.summary)
        _write_json(self._place / PROVENANCE, {"task": result.task, **result.provenance})
        os.chmod(self._place, 0o777 & ~_umask())
        _refuse_foreign(self.folder)
        _put_in_place(self._place, self.folder)
        self._place = self.folder
        return self.folder

    def discard(self) -> None:
        """Forget everything that was written."""
        for table in self._tables.values():
            table.abandon()
        shutil.rmtree(self._place, ignore_errors=True)

    def _path(self, table: str) -> Path:
        return self._place / f"{table}.parquet"

    def _frame(self, name: str) -> pd.DataFrame:
        self._tables[name].close()
        return _read_table(self._path(name))


class _TableFile:
    """One Parquet file that grows by whole row groups; what is left over waits in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.schema: pa.Schema | None = None
        self.waiting: list[pa.Table] = []
        self.waiting_rows = 0
        self.writer: pq.ParquetWriter | None = None
        self.is_closed = False

    def append(self, columns: Columns) -> None:
        import pyarrow as pa

        if self.is_closed:
            raise ValueError(f"table {self.path.stem}: rows after it was read or finished")
        lengths = sorted({len(values) for values in columns.values()})
        if len(lengths) != 1:
            raise ValueError(f"table {self.path.stem}: columns of different lengths {lengths}")
        part = pa.table({name: _column(values) for name, values in columns.items()})
        self.schema = part.schema if self.schema is None else self.schema
        if part.schema != self.schema:
            raise ValueError(
                f"table {self.path.stem}: a part has columns {_shape(part.schema)}, "
                f"an earlier one {_shape(self.schema)}"
            )
        self.waiting.append(part)
        self.waiting_rows += lengths[0]
        if self.waiting_rows >= _ROWS_AT_ONCE:
            self._write_whole_groups()

    def close(self) -> None:
        if self.is_closed:
            return
        rest = self._waiting()
        if rest.num_rows or self.writer is None:
            self._write_group(rest)
        self._close_writer()

    def abandon(self) -> None:
        self._close_writer()

    def _close_writer(self) -> None:
        self.is_closed = True
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _waiting(self) -> pa.Table:
        import pyarrow as pa

        return pa.concat_tables(self.waiting)

    def _write_whole_groups(self) -> None:
        rows = self._waiting()
        whole = rows.num_rows // _ROWS_AT_ONCE * _ROWS_AT_ONCE
        for start in range(0, whole, _ROWS_AT_ONCE):
            self._write_group(rows.slice(start, _ROWS_AT_ONCE))
        rest = rows.slice(whole).combine_chunks()
        self.waiting, self.waiting_rows = [rest], rest.num_rows

    def _write_group(self, rows: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        encoded = pa.table({name: _encode(rows[name]) for name in rows.column_names})
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, encoded.schema, compression="zstd")
        self.writer.write_table(encoded, row_group_size=_ROWS_AT_ONCE)


def read_result(folder: str | Path) -> Result:
    """The result that a run left in a folder; each table is read when first asked for.

    Parameters
    ----------
    folder : str or Path
        What was given to ``gridcommons run`` as ``--out``.

    Raises
    ------
    StudyError
        If the folder holds no result.
    """
    place = Path(folder)
    provenance = _read_json(place / PROVENANCE)
    readers = {path.stem: lambda path=path: _read_table(path) for path in sorted(place.glob("*.parquet"))}
    return Result(
        task=str(provenance.get("task", "")),
        tables=LazyTables(readers),
        summary=_read_json(place / SUMMARY),
        provenance=provenance,
    )


def json_text(content: Mapping[str, Any]) -> str:
    """Content as JSON; a number that is not finite becomes null, because JSON has no word for it."""
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _column(values: npt.NDArray[Any]) -> pa.Array:
    import pyarrow as pa

    if values.dtype.kind in "OU":
        return pa.array(values, type=pa.string())
    if values.dtype.kind == "M":
        return pa.array(values.astype("datetime64[ms]"), type=pa.timestamp("ms", tz="UTC"))
    return pa.array(values)


def _encode(column: pa.ChunkedArray) -> pa.Array:
    """One array, texts as codes into the list of those that occur."""
    import pyarrow as pa

    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], type=column.type)
    return whole.dictionary_encode() if pa.types.is_string(column.type) else whole


def _shape(schema: pa.Schema) -> str:
    return ", ".join(f"{column.name} ({column.type})" for column in schema)


def _read_table(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pandas()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(
            [Problem(file=str(path), found="no such file", expected="the result folder of a run")]
        ) from None
    except ValueError as error:
        raise StudyError([Problem(file=str(path), found=f"no JSON ({error})", expected="JSON")]) from None
    return dict(content)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json_text(content), encoding="utf-8")


def _refuse_foreign(folder: Path) -> None:
    """Only what a run leaves may be replaced: ``--out`` may point at someone's work by mistake."""
    if not folder.exists():
        return
    if not folder.is_dir():
        found = "a file"
    else:
        ours = {SUMMARY, PROVENANCE, REPORT, COMPARISON, STATEMENTS}
        foreign = sorted(p.name for p in folder.iterdir() if p.name not in ours and p.suffix != ".parquet")
        if not foreign and _is_result_or_empty(folder):
            return
        found = f"a folder that holds {foreign[0]}" if foreign else "Parquet files that no run left"
    expected = "a new folder, or one that an earlier run left"
    raise StudyError([Problem(file=str(folder), found=found, expected=expected)])


def _is_result_or_empty(folder: Path) -> bool:
    return (folder / PROVENANCE).is_file() or not any(folder.iterdir())


def _remove_orphans(folder: Path) -> None:
    """Remove what runs into this folder have left that were killed before they could tidy up."""
    for path in folder.parent.glob(f".{glob.escape(folder.name)}.*.part"):
        process = path.name.removeprefix(f".{folder.name}.").partition(".")[0]
        if process.isdigit() and not is_alive(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def is_alive(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    if os.name != "posix":  # elsewhere the question itself would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and belongs to somebody else
        return True
    return True


def _put_in_place(made: Path, folder: Path) -> None:
    """Rename the finished folder over the old one; the old one comes back if that fails."""
    if not folder.exists():
        made.rename(folder)
        return
    old = made.with_suffix(".old")
    try:
        folder.rename(old)
        made.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
