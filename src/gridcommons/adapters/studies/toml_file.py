"""Reads ``study.toml``: name, time axis, grid source, limits and the tables of the tasks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.studies.synthesis_table import SYNTHESIS_KEYS, SynthesisTable, read_synthesis_table
from gridcommons.model.errors import did_you_mean
from gridcommons.model.time import TimeAxis

FILE = "study.toml"
KEYS: dict[str, tuple[str, ...]] = {
    "": ("name", "currency", "seed", "time", "grid", "limits", "synthesis", "tasks"),
    "time": ("start", "timezone", "step_minutes", "steps"),
    "grid": ("file", "source", "options", "slack_vm_pu", "tap_pos", "phases"),
    "limits": ("vm_min_pu", "vm_max_pu", "line_loading_max_percent", "transformer_loading_max_percent"),
    **SYNTHESIS_KEYS,
}
"""Which keys each table of ``study.toml`` may have."""
SOURCE_KINDS = ("simbench", "pandapower", "matpower", "opendss")


@dataclass(frozen=True)
class GridSettings:
    """Where the grid comes from, and the explicit overrides; None where the study gives none."""

    file: str = ""
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    slack_vm_pu: float | None = None
    tap_pos: int | None = None
    phases: str = ""


@dataclass(frozen=True)
class LimitSettings:
    """Limits of all buses [pu] and branches [%] before ``limits.csv``."""

    vm_min_pu: float = 0.95
    vm_max_pu: float = 1.05
    line_loading_max_percent: float = 100.0
    transformer_loading_max_percent: float = 100.0


@dataclass
class StudySettings:
    """What ``study.toml`` says; ``time`` and ``grid`` are None where they could not be read."""

    name: str = ""
    currency: str = ""
    seed: int = 0
    time: TimeAxis | None = None
    grid: GridSettings | None = None
    limits: LimitSettings = field(default_factory=LimitSettings)
    synthesis: SynthesisTable | None = None
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class _Table:
    """One table of the file: hands out checked values, and notes what is wrong with them."""

    def __init__(self, name: str, content: Mapping[str, Any], problems: ProblemList) -> None:
        self.place = Place(FILE, table=name)
        self.content = content
        self.problems = problems
        for key in content:
            if key not in KEYS[name]:
                meant = did_you_mean(key, KEYS[name]) or f"known keys: {listed(KEYS[name])}"
                self.problems.add(self.place.at(column=key), "an unknown key", "a known key", meant)

    def value(self, key: str, fits: Callable[[Any], bool], expected: str, *, required: bool = True) -> Any:
        """The value of a key if it fits, else None and a problem; an absent optional key is None."""
        if key not in self.content:
            if required:
                self.problems.add(self.place.at(column=key), "nothing", expected)
            return None
        value = self.content[key]
        if not fits(value):
            self.problems.add(self.place.at(column=key), repr(value), expected)
            return None
        return value


def read_study_toml(path: Path, problems: ProblemList) -> StudySettings:
    """What ``study.toml`` says; whatever is wrong with it goes to ``problems``."""
    content = _parse(path, problems)
    settings = StudySettings()
    if content is None:
        return settings
    top = _Table("", content, problems)
    settings.name = top.value("name", _is_text, "a title in quotes") or ""
    settings.currency = top.value("currency", _is_text, 'a currency such as "EUR"') or ""
    settings.seed = top.value("seed", _is_count, "a whole number from 0 up") or 0
    settings.time = _read_time(_table(top, "time"), problems)
    settings.grid = _read_grid(_table(top, "grid"), problems)
    settings.limits = _read_limits(_table(top, "limits", required=False), problems, settings.notes)
    synthesis = _table(top, "synthesis", required=False)
    settings.synthesis = None if synthesis is None else read_synthesis_table(synthesis, problems)
    settings.tasks = _read_tasks(_table(top, "tasks", required=False), problems)
    return settings


def _parse(path: Path, problems: ProblemList) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.add(Place(FILE), "no such file", f"a study file in {path.parent}", "a study is a folder")
    except OSError as error:
        problems.add(Place(FILE), f"a file that cannot be read ({error.strerror})", "a readable file")
    except UnicodeDecodeError as error:
        row = path.read_bytes()[: error.start].count(b"\n") + 1
        problems.add(Place(FILE, row=row), "bytes that are not UTF-8", "text in UTF-8")
    except tomllib.TOMLDecodeError as error:
        problems.add(_place_of_syntax_error(str(error)), f"not TOML: {error}", "a file in TOML")
    return None


def _place_of_syntax_error(message: str) -> Place:
    where = re.search(r"\(at line (\d+), column (\d+)\)", message)
    return Place(FILE, row=where[1], column=where[2]) if where else Place(FILE, row="last")


def _table(top: _Table, name: str, *, required: bool = True) -> dict[str, Any] | None:
    content = top.value(name, lambda value: isinstance(value, dict), f"a table [{name}]", required=required)
    return content if isinstance(content, dict) else None


def _read_time(content: Mapping[str, Any] | None, problems: ProblemList) -> TimeAxis | None:
    if content is None:
        return None
    before = len(problems.found)
    table = _Table("time", content, problems)
    start = _read_start(table)
    zone = table.value("timezone", _is_zone, 'a zone such as "Europe/Berlin"', required=False) or "UTC"
    minutes = table.value("step_minutes", _is_positive_count, "a whole number of minutes from 1 up")
    steps = table.value("steps", _is_positive_count, "a whole number from 1 up")
    if start is None or len(problems.found) > before:
        return None
    return TimeAxis(start, minutes, steps, zone)


def _read_start(table: _Table) -> datetime | None:
    value = table.value("start", lambda value: True, 'a time with its offset, such as "2016-07-01T00:00:00Z"')
    if value is None:
        return None
    place = table.place.at(column="start")
    try:
        start = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        table.problems.add(place, repr(value), "a time such as 2016-07-01T00:00:00Z")
        return None
    if start.tzinfo is None:
        table.problems.add(
            place,
            f"{str(value)!r}, which names no offset",
            "a time with its offset from UTC",
            "append Z for UTC, or an offset such as +02:00",
        )
        return None
    return start.astimezone(UTC)


def _read_grid(content: Mapping[str, Any] | None, problems: ProblemList) -> GridSettings | None:
    if content is None:
        return None
    before = len(problems.found)
    table = _Table("grid", content, problems)
    if ("file" in content) == ("source" in content):
        found = "both" if "file" in content else "neither"
        problems.add(table.place, f"{found} file and source", "one of file and source")
    source = table.value("source", _is_source, f"KIND:NAME with KIND {listed(SOURCE_KINDS)}", required=False)
    settings = GridSettings(
        file=table.value("file", _is_text, "the name of a file", required=False) or "",
        source=source or "",
        options=table.value("options", lambda v: isinstance(v, dict), "a table", required=False) or {},
        slack_vm_pu=table.value("slack_vm_pu", _is_voltage, "a voltage from 0.5 to 1.5", required=False),
        tap_pos=table.value("tap_pos", _is_whole, "a whole number", required=False),
        phases=table.value("phases", lambda v: v == "balanced", '"balanced"', required=False) or "",
    )
    return settings if len(problems.found) == before else None


def _read_limits(content: Mapping[str, Any] | None, problems: ProblemList, notes: list[str]) -> LimitSettings:
    table = _Table("limits", content or {}, problems)
    given: dict[str, float] = {}
    for key in KEYS["limits"]:
        value = table.value(key, _is_positive, "a number above 0", required=False)
        if value is not None:
            given[key] = float(value)
        elif key not in table.content:
            notes.append(f"limits: no {key} is given; {getattr(LimitSettings(), key):g} is used")
    limits = LimitSettings(**given)
    if limits.vm_min_pu >= limits.vm_max_pu:
        found = f"{limits.vm_min_pu:g} with vm_max_pu = {limits.vm_max_pu:g}"
        problems.add(table.place.at(column="vm_min_pu"), found, "vm_min_pu below vm_max_pu")
    return limits


def _read_tasks(content: Mapping[str, Any] | None, problems: ProblemList) -> dict[str, dict[str, Any]]:
    tasks: dict[str, dict[str, Any]] = {}
    for name, settings in (content or {}).items():
        if isinstance(settings, dict):
            tasks[name] = settings
        else:
            place = Place(FILE, table="tasks", column=name)
            problems.add(place, repr(settings), f"a table [tasks.{name}]")
    return tasks


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_positive_count(value: Any) -> bool:
    return _is_whole(value) and value >= 1


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _is_voltage(value: Any) -> bool:
    return _is_positive(value) and 0.5 <= value <= 1.5


def _is_source(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    kind, _, name = value.partition(":")
    return kind in SOURCE_KINDS and bool(name)


def _is_zone(value: Any) -> bool:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, TypeError, OSError):
        return False
    return True
