"""A study before it is written: what every source of new studies hands to the writer."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gridcommons.adapters.grids.reading import unique_names
from gridcommons.adapters.problems import listed
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import FloatArray
from gridcommons.model.time import TimeAxis

GRID_FILE = "grid.json"
INJECTION_TABLES = ("load", "sgen", "storage")
"""Tables of a network that become members and assets, and are emptied."""


@dataclass(frozen=True)
class AssetRow:
    """One row of ``assets.csv``; ``values`` are its ratings by column."""

    asset: str
    member: str
    kind: str
    flexible: bool = False
    values: dict[str, float] = field(default_factory=dict)


@dataclass
class StudyDraft(ABC):
    """A study as it will be written; each kind of source knows how its grid is.

    Parameters
    ----------
    name : str
        Title.
    time : TimeAxis
        The window.
    members : dict of str to dict
        Columns of ``members.csv`` by member id.
    assets : list of AssetRow
        The assets.
    columns : dict of str to (steps,)
        Profile columns.
    synthesis : dict of str to dict
        Instead of assets and profiles: what they are made from, by table of ``study.toml``.
    grid_settings : dict
        What goes under ``[grid]`` beside the file.
    said : list of str
        What was decided on the way, a line each.
    """

    name: str
    time: TimeAxis
    members: dict[str, dict[str, str]] = field(default_factory=dict)
    assets: list[AssetRow] = field(default_factory=list)
    columns: dict[str, FloatArray] = field(default_factory=dict)
    synthesis: dict[str, dict[str, str | float]] = field(default_factory=dict)
    grid_settings: dict[str, float | int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @abstractmethod
    def write_grid(self, folder: Path) -> None:
        """Write ``grid.json`` into a folder."""


@dataclass(kw_only=True)
class NetworkDraft(StudyDraft):
    """A study from a pandapower network ``net``, its loads, generators and storages still in it."""

    net: Any

    def settle(self) -> None:
        """Take out of the network what has become members and assets, and say what is open."""
        self.said += open_out_of_service(self.net)
        if not any(asset.flexible for asset in self.assets):
            self.said.append("nothing is flexible yet: name what may be controlled in assets.csv")
        empty_injections(self.net)

    def write_grid(self, folder: Path) -> None:
        """Write the network without the profiles and cases that SimBench hangs on it."""
        import pandapower

        for extra in ("profiles", "loadcases", "studycases"):
            self.net.pop(extra, None)
        pandapower.to_json(self.net, str(folder / GRID_FILE))


def id_of(name: str) -> str:
    """A name as an id: dots, blanks and other marks become underscores."""
    return re.sub(r"[^A-Za-z0-9_\-]+", "_", name).strip("_")


def _text(name: Any) -> str:
    """A name without the blanks around it; empty where it is missing (None, or a NaN unlike itself)."""
    return "" if name is None or name != name else str(name).strip()


def bus_names(net: Any) -> dict[int, str]:
    """Name of each bus as a study uses it: its own where all have unique ones, else its index."""
    indices = [int(index) for index in net.bus.index]
    own = [_text(name) for name in net.bus.name]
    by_name = all(own) and len(set(own)) == len(own)
    return dict(zip(indices, own if by_name else map(str, indices), strict=True))


def element_ids(net: Any, table: str) -> dict[int, str]:
    """Id of each element of a table: from its name where that is unique, else table and index."""
    frame = net[table]
    own = [id_of(_text(name)) for name in frame.name]
    fallback = [f"{table}_{index}" for index in frame.index]
    return dict(zip([int(index) for index in frame.index], unique_names(own, fallback), strict=True))


def add_members(draft: NetworkDraft, buses: Iterable[int]) -> dict[int, str]:
    """One member for each bus that something hangs on, in the order of the buses; ids by bus index."""
    names = bus_names(draft.net)
    wanted = sorted({int(bus) for bus in buses})
    own = [id_of(names[bus]) for bus in wanted]
    own = [f"bus_{name}" if name.isdigit() else name for name in own]
    ids = dict(zip(wanted, unique_names(own, [f"bus_{bus}" for bus in wanted]), strict=True))
    draft.members.update({ids[bus]: {"bus": names[bus]} for bus in wanted})
    draft.said.append(f"{len(ids)} members: one for each bus with a load, generator or storage")
    return ids


def local_window(
    start: datetime, day: date | None, days: int | None, timezone: str
) -> tuple[datetime, datetime]:
    """Start and end of a local day, or of ``days`` local days from ``start`` on; one without either."""
    zone = ZoneInfo(timezone)
    first = day or start.astimezone(zone).date()
    last = first + timedelta(days=1 if day else days or 1)
    # In UTC, because Python measures between two times of one zone by their clocks.
    begin, end = (datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) for d in (first, last))
    return begin, end


def refuse_choice(day: date | None, days: int | None) -> None:
    """Raise where both a day and a number of days are asked for, or less than one day."""
    if day is not None and days is not None:
        raise StudyError([Problem("new", "both a day and a number of days", "one of them")])
    if days is not None and days < 1:
        raise StudyError([Problem("new", f"{days} days", "at least one day")])


def empty_injections(net: Any) -> None:
    """Take out of a network what has become members and assets."""
    for table in INJECTION_TABLES:
        net[table] = net[table].iloc[:0]


def open_out_of_service(net: Any) -> list[str]:
    """Turn branches out of service into branches in service behind open switches at both ends."""
    import pandapower

    names = []
    for table, ends, mark in (("line", ("from_bus", "to_bus"), "l"), ("trafo", ("hv_bus", "lv_bus"), "t")):
        frame = net[table]
        for index in frame.index[~frame.in_service.astype(bool)]:
            for end in ends:
                _open_switch(net, pandapower, (int(frame.at[index, end]), int(index), mark))
            frame.at[index, "in_service"] = True
            names.append(f"{table} {index}")
    if not names:
        return []
    return [f"{len(names)} branches out of service are now open switches ({listed(names)})"]


def _open_switch(net: Any, pandapower: Any, where: tuple[int, int, str]) -> None:
    bus, element, mark = where
    switches = net.switch
    there = (switches.bus == bus) & (switches.element == element) & (switches.et == mark)
    if there.any():
        switches.loc[there, "closed"] = False
    else:
        pandapower.create_switch(net, bus, element, et=mark, closed=False)
