"""Reads the grid that ``[grid]`` of a study names, from whichever source, and checks it as a study needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gridcommons.adapters.grids.opendss_grids import read_opendss
from gridcommons.adapters.grids.pandapower_grids import open_net, read_grid
from gridcommons.adapters.grids.plain_json import is_plain, read_plain_grid
from gridcommons.adapters.grids.reading import (
    GridReading,
    clashing_sources,
    islanded_injections,
    unmatched_voltages,
    with_source_voltage,
)
from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.studies.toml_file import FILE, GridSettings
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import Grid


def read_study_grid(
    folder: Path, settings: GridSettings, problems: ProblemList, notes: list[str]
) -> Grid | None:
    """The grid of a study; None (and problems) where it cannot be used."""
    try:
        if settings.file:
            reading = _from_file(folder / settings.file, settings, problems)
        else:
            reading = _from_source(folder, settings, problems)
    except StudyError as error:
        problems.found.extend(error.problems)
        return None
    if reading is None:
        return None
    notes.extend(reading.notes)
    return reading.grid


def _from_file(path: Path, settings: GridSettings, problems: ProblemList) -> GridReading | None:
    content = _json(path, problems)
    if content is None:
        return None
    if is_plain(content):
        return _from_plain(content, path.name, settings, problems)
    net = open_net(path)
    return read_grid(net, slack_vm_pu=settings.slack_vm_pu, tap_pos=settings.tap_pos, file=path.name)


def _json(path: Path, problems: ProblemList) -> Any:
    place = Place(path.name)
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        problems.add(place, "no such file", f"the grid that {FILE} names in {path.parent}")
    except OSError as error:
        problems.add(place, f"a file that cannot be read ({error.strerror})", "a readable file")
    except UnicodeDecodeError:
        problems.add(place, "bytes that are not UTF-8", "a grid as JSON in UTF-8")
    except json.JSONDecodeError as error:
        where = place.at(row=error.lineno, column=str(error.colno))
        found = "an empty file" if not error.doc.strip() else f"not JSON: {error.msg}"
        problems.add(where, found, "a pandapower network or a gridcommons grid as JSON")
    return None


def _from_opendss(folder: Path, settings: GridSettings, problems: ProblemList) -> GridReading | None:
    place = Place(FILE, table="grid")
    taps, before = settings.options.get("taps", {}), len(problems.found)
    for key in settings.options:
        if key != "taps":
            problems.add(place.at(column="options"), f"the unknown option {key!r}", "taps")
    are_numbers = isinstance(taps, dict) and all(type(tap) in (int, float) for tap in taps.values())
    if not are_numbers:
        expected = "a table of taps [pu] by transformer, such as { reg1a = 1.0375 }"
        problems.add(place.at(column="options"), f"taps = {taps!r}", expected)
    if settings.tap_pos is not None:
        meant = "write options = { taps = { NAME = 1.0375 } }"
        problems.add(place.at(column="tap_pos"), f"{settings.tap_pos} with opendss", "no tap_pos", meant)
    if len(problems.found) > before:
        return None
    reading = read_opendss(folder / settings.source.partition(":")[2], {k: float(v) for k, v in taps.items()})
    return _with_slack(reading, settings)


def _with_slack(reading: GridReading, settings: GridSettings) -> GridReading:
    """The reading with the voltage that the study gives its sources, and a note on it."""
    if settings.slack_vm_pu is None:
        return reading
    grid = replace(reading.grid, sources=with_source_voltage(reading.grid.sources, settings.slack_vm_pu))
    note = f"override: every source holds {settings.slack_vm_pu:g} pu (slack_vm_pu)"
    return GridReading(grid, (*reading.notes, note))


def _from_source(folder: Path, settings: GridSettings, problems: ProblemList) -> GridReading | None:
    if settings.source.startswith("opendss:"):
        return _from_opendss(folder, settings, problems)
    net = open_net(settings.source, settings.options, folder=folder)
    return read_grid(net, slack_vm_pu=settings.slack_vm_pu, tap_pos=settings.tap_pos, file=settings.source)


def _from_plain(content: Any, file: str, settings: GridSettings, problems: ProblemList) -> GridReading | None:
    grid = read_plain_grid(content, file)
    if settings.tap_pos is not None:
        found = f"{settings.tap_pos} with a grid in the plain format"
        expected = "no tap_pos: the taps of this format are fixed in its ratios"
        problems.add(Place(FILE, table="grid", column="tap_pos"), found, expected, "convert the grid anew")
        return None
    reading, before = _with_slack(GridReading(grid, ()), settings), len(problems.found)
    _check_plain(reading.grid, file, problems)
    notes = [*reading.notes, *_fixed_notes(reading.grid, file)]
    return GridReading(reading.grid, tuple(notes)) if len(problems.found) == before else None


def _fixed_notes(grid: Grid, file: str) -> Iterator[str]:
    """A line each on what the file itself draws and injects."""
    for table, words in ((grid.fixed, "fixed injections"), (grid.phase_loads, "fixed loads by phase")):
        if len(table.name):
            yield (
                f"{file}: {len(table.name)} {words}, together {table.p_kw.sum():.1f} kW "
                f"and {table.q_kvar.sum():.1f} kvar ({listed(table.name, 4)})"
            )


def _check_plain(grid: Grid, file: str, problems: ProblemList) -> None:
    for index in islanded_injections(grid):
        bus = grid.buses.name[grid.fixed.bus[index]]
        place = Place(file, table="fixed", row=index, column="bus")
        found = f"{grid.fixed.name[index]!r} at bus {bus!r}, which no source reaches"
        problems.add(place, found, "a supplied bus")
    for first, other in clashing_sources(grid):
        place = Place(file, table="sources", row=other)
        found = f"{grid.sources.name[other]!r} and {grid.sources.name[first]!r} hold one node at two voltages"
        problems.add(place, found, "one voltage a node")
    for index in unmatched_voltages(grid):
        place = Place(file, table="switches", row=index)
        found = f"closed switch {grid.switches.name[index]!r} between two nominal voltages"
        problems.add(place, found, "a switch between buses of one nominal voltage")
