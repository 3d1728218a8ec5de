"""Reads ``envelopes.parquet`` or ``envelopes.csv``: operating envelopes that other tasks hold.

The columns are those of the result table ``envelopes``, so that the file of one run is the input of another.
An envelope holds from its time until the next one of its asset.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.studies.members import AssetTable
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import did_you_mean
from gridcommons.model.time import TimeAxis

ENVELOPE_FILES = ("envelopes.parquet", "envelopes.csv")
NEEDED = ("time", "asset", "p_min_kw", "p_max_kw")
KNOWN = (*NEEDED, "resolved")


def read_envelopes(
    folder: Path, assets: AssetTable, time: TimeAxis, problems: ProblemList
) -> Envelopes | None:
    """The envelopes of a study folder, None where it has no such file; what is wrong goes to ``problems``."""
    there = [name for name in ENVELOPE_FILES if (folder / name).exists()]
    if not there:
        return None
    place = Place(there[0])
    if len(there) > 1:
        problems.add(Place(there[1]), f"beside {there[0]}", "one file of envelopes", "remove one")
    frame = _read(folder / there[0], place, problems)
    if frame is None or not _check_columns(frame.columns, place, problems):
        return None
    before = len(problems.found)
    for name in sorted(set(frame["asset"].astype(str)) - set(assets.rows)):
        meant = did_you_mean(name, assets.rows)
        problems.add(place.at(column="asset"), repr(name), "an asset of assets.csv", meant)
    ends = [_on_axis(frame, column, time, place, problems) for column in ("p_min_kw", "p_max_kw")]
    if len(problems.found) > before or ends[0] is None or ends[1] is None:
        return None
    crossed = np.argwhere(ends[0].to_numpy() > ends[1].to_numpy())
    if len(crossed):
        step, column = crossed[0]
        where = f"{ends[0].columns[column]} at {time.local(int(step)).isoformat()}"
        problems.add(
            place.at(column="p_min_kw"), f"p_min_kw above p_max_kw ({where})", "p_min_kw up to p_max_kw"
        )
        return None
    return Envelopes(tuple(map(str, ends[0].columns)), ends[0].to_numpy(), ends[1].to_numpy())


def _read(path: Path, place: Place, problems: ProblemList) -> Any:
    import pandas as pd

    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        problems.add(place, f"a file that cannot be read: {lines[0]}", f"a table with {listed(NEEDED)}")
        return None


def _check_columns(columns: Sequence[str], place: Place, problems: ProblemList) -> bool:
    before = len(problems.found)
    for name in columns:
        if name not in KNOWN:
            meant = did_you_mean(name, KNOWN)
            problems.add(place.at(row=1, column=name), "an unknown column", "a known column", meant)
    for name in NEEDED:
        if name not in columns:
            problems.add(place.at(row=1, column=name), "no such column", "the column")
    return len(problems.found) == before


def _stamps(column: Any) -> Any:
    """Times in UTC; raises ValueError where one cannot be read or names no offset."""
    import pandas as pd

    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC")
    stamp = {cell: pd.Timestamp(cell) for cell in column.unique()}
    if any(each.tzinfo is None for each in stamp.values()):
        raise ValueError("a time that names no offset from UTC: append Z")
    return pd.to_datetime(column.map(stamp), utc=True)


def _on_axis(frame: Any, column: str, time: TimeAxis, place: Place, problems: ProblemList) -> Any:
    """One end of the envelopes, a row an interval, a column an asset; None (and a problem) if incomplete."""
    import pandas as pd

    try:
        stamps = _stamps(frame["time"])
        values = pd.to_numeric(frame[column])
        if not np.isfinite(values.to_numpy(dtype=np.float64)).all():
            raise ValueError("an empty cell, or a number that is not finite")
        table = pd.DataFrame({"time": stamps, "asset": frame["asset"].astype(str), "kw": values})
        wide = table.pivot(index="time", columns="asset", values="kw").sort_index()
    except (ValueError, TypeError) as error:
        problems.add(place.at(column=column), str(error).splitlines()[0], "one number an asset and time")
        return None
    axis = pd.DatetimeIndex(time.stamps()).tz_localize("UTC")
    held = wide.reindex(wide.index.union(axis)).ffill().reindex(axis)
    missing = held.columns[held.isna().any()]
    if len(missing):
        found = f"no envelope of {listed(missing)} in the first interval of the study"
        problems.add(place.at(column=column), found, f"one from {time.start.isoformat()} or before")
        return None
    return held
