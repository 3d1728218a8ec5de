"""Writes a new study folder from SimBench, a pandapower network, a MATPOWER case, streets or OpenDSS."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from gridcommons.adapters.grids.pandapower_networks import open_net
from gridcommons.adapters.problems import listed
from gridcommons.adapters.studies.draft import GRID_FILE, NetworkDraft, StudyDraft, refuse_choice
from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.from_net import draft_from_net
from gridcommons.adapters.studies.from_opendss import draft_from_opendss
from gridcommons.adapters.studies.from_streets import draft_from_streets
from gridcommons.adapters.studies.members import ASSET_COLUMNS, ASSETS_FILE, MEMBERS_FILE
from gridcommons.adapters.studies.simbench import draft_simbench
from gridcommons.adapters.studies.toml_file import FILE, LimitSettings
from gridcommons.model.errors import Problem, StudyError, did_you_mean
from gridcommons.model.grid import FloatArray
from gridcommons.model.time import TimeAxis

SOURCE_KINDS = ("simbench", "pandapower", "matpower", "streets", "opendss")
_STUDY_TOML = """\
name = {name}
currency = "EUR"
seed = 1

[time]
start = "{start}"
timezone = "{timezone}"
step_minutes = {step_minutes}
steps = {steps}

[grid]
file = "{file}"
{overrides}
[limits]
vm_min_pu = {limits.vm_min_pu:g}
vm_max_pu = {limits.vm_max_pu:g}
line_loading_max_percent = {limits.line_loading_max_percent:g}
transformer_loading_max_percent = {limits.transformer_loading_max_percent:g}
{synthesis}
[tasks.envelopes]
objective = "max_total"
method = "linear"
"""


def new_study(
    folder: str | Path,
    source_kind: str,
    source: str,
    *,
    day: date | None = None,
    days: int | None = None,
    station_kva: float | None = None,
) -> list[str]:
    """Write a study folder that loads unchanged; return what was decided on the way.

    It also runs unchanged where the source has something flexible; where not, the lines say so.

    Parameters
    ----------
    folder : str or Path
        Where to write; must not exist, or be empty.
    source_kind : {"simbench", "pandapower", "matpower", "streets", "opendss"}
        What ``source`` is: a SimBench code, a bundled network or file of pandapower, a MATPOWER case,
        a file of streets, buildings and stations, a script of OpenDSS.
    source : str
        The code, name or file.
    day : date, optional
        The local day to cover.
    days : int, optional
        Instead of a day: the first days of the source's profiles; one where neither is given.
    station_kva : float, optional
        Rated power of stations along streets that name none [kVA].

    Raises
    ------
    StudyError
        If the folder is in use, or the source cannot be made into a study.
    """
    target = Path(folder)
    _refuse_folder(target)
    refuse_choice(day, days)
    if source_kind == "streets":
        draft: StudyDraft = draft_from_streets(Path(source), day, days, station_kva)
    elif source_kind == "opendss":
        draft = draft_from_opendss(Path(source), day, days)
    else:
        draft = _network_draft(source_kind, source, day, days)
    _write_whole(draft, target)
    return [_summary(target, draft), *draft.said]


def _write_whole(draft: StudyDraft, target: Path) -> None:
    """Write beside the target and move there what loads: a failure leaves no half study behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        fresh = Path(scratch) / "study"
        fresh.mkdir()
        write_draft(draft, fresh)
        draft.write_grid(fresh)
        load_study(fresh)
        if target.exists():
            target.rmdir()
        shutil.move(fresh, target)


def write_draft(draft: StudyDraft, folder: Path) -> None:
    """Write everything of a study but its grid."""
    (folder / FILE).write_text(_study_toml(draft), encoding="utf-8")
    columns = list(dict.fromkeys(column for row in draft.members.values() for column in row)) or ["bus"]
    members = ((name, *(row[column] for column in columns)) for name, row in draft.members.items())
    _write_csv(folder / MEMBERS_FILE, ("member", *columns), members)
    if draft.synthesis:
        return
    used = {column for asset in draft.assets for column in asset.values}
    ratings = [column for column in ASSET_COLUMNS.optional if column in used]
    header = (*ASSET_COLUMNS.required, "flexible", *ratings)
    _write_csv(folder / ASSETS_FILE, header, (_cells(asset, ratings) for asset in draft.assets))
    write_profiles(folder / "profiles.parquet", draft.time, draft.columns)


def write_profiles(path: Path, time: TimeAxis, columns: dict[str, FloatArray]) -> None:
    """Write profile columns as Parquet, one row an interval, times in UTC."""
    import pyarrow as pa
    import pyarrow.parquet

    stamps = pa.array(time.stamps().astype("datetime64[ms]"), pa.timestamp("ms", "UTC"))
    arrays = {"time": stamps, **{name: pa.array(values) for name, values in columns.items()}}
    pyarrow.parquet.write_table(pa.table(arrays), path, compression="zstd")


def _refuse_folder(target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists():
        found = "a folder that is not empty" if target.is_dir() else "a file"
        problem = Problem(str(target), found, "a new or an empty folder", "name another one")
        raise StudyError([problem])


def _network_draft(source_kind: str, source: str, day: date | None, days: int | None) -> NetworkDraft:
    if source_kind not in SOURCE_KINDS:
        meant = did_you_mean(source_kind, SOURCE_KINDS)
        raise StudyError([Problem("new", repr(source_kind), f"one of {listed(SOURCE_KINDS)}", meant)])
    if source_kind == "simbench":
        draft = draft_simbench(source, day, days)
    else:
        is_file = source_kind == "pandapower" and Path(source).suffix == ".json"
        net = open_net(Path(source) if is_file else f"{source_kind}:{source}")
        draft = draft_from_net(Path(source).stem, net, day, days)
    draft.settle()
    return draft


def _study_toml(draft: StudyDraft) -> str:
    overrides = "".join(f"{key} = {value!r}\n" for key, value in sorted(draft.grid_settings.items()))
    time = draft.time
    return _STUDY_TOML.format(
        name='"' + draft.name.replace("\\", "\\\\").replace('"', '\\"') + '"',
        start=time.local(0).isoformat(),
        timezone=time.timezone,
        step_minutes=time.step_minutes,
        steps=time.steps,
        file=GRID_FILE,
        overrides=overrides,
        limits=LimitSettings(),
        synthesis="".join(_table(name, table) for name, table in draft.synthesis.items()),
    )


def _table(name: str, values: Mapping[str, str | float]) -> str:
    """A table of a TOML file; json writes text and numbers as TOML does."""
    return f"\n[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def _cells(asset: Any, ratings: Sequence[str]) -> list[str]:
    values = [f"{asset.values[column]!r}" if column in asset.values else "" for column in ratings]
    return [asset.asset, asset.member, asset.kind, str(asset.flexible).lower(), *values]


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _summary(target: Path, draft: StudyDraft) -> str:
    kinds = Counter(asset.kind for asset in draft.assets)
    flexible = sum(asset.flexible for asset in draft.assets)
    assets = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    what = f"{len(draft.assets)} assets ({assets}), {flexible} flexible"
    if draft.synthesis:
        what = "assets and profiles as [synthesis] in study.toml says"
    return (
        f"{target}: {draft.time.steps} steps from {draft.time.local(0).isoformat()}, "
        f"{len(draft.members)} members, {what}"
    )
