"""Checks that every member hangs on a bus of the grid that a source reaches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.studies.members import MemberTable
from gridcommons.adapters.studies.tables import Row
from gridcommons.adapters.studies.toml_file import FILE
from gridcommons.model.errors import did_you_mean
from gridcommons.model.grid import BoolArray, Grid
from gridcommons.model.members import CONNECTIONS, Member
from gridcommons.model.phases import bus_of_row, bus_row, phase_of_row
from gridcommons.model.topology import bus_nodes, supplied_buses


def check_connections(grid: Grid, members: MemberTable, phases: str, problems: ProblemList) -> list[str]:
    """Notes on the connections of the members; whatever is wrong with them goes to ``problems``."""
    supplied = supplied_buses(grid)
    if grid.is_three_phase:
        _check_rows(grid, supplied, members)
        return _refuse_spreading(phases, problems)
    for member in members.members:
        row = members.rows[member.member]
        if member.bus and member.bus not in grid.bus_index:
            meant = did_you_mean(member.bus, grid.bus_index)
            row.add("bus", repr(member.bus), "the name of a bus of the grid", meant)
        elif member.bus and not supplied[grid.bus_index[member.bus]]:
            found = f"member {member.member!r} at bus {member.bus!r}, which no source reaches"
            row.add("bus", found, "a supplied bus", _next_switches(grid, grid.bus_index[member.bus]))
    return _check_phases(members, phases)


def _check_rows(grid: Grid, supplied: BoolArray, members: MemberTable) -> None:
    """Every member of a three-phase grid is at a bus that has its phases, each supplied."""
    there: dict[str, list[str]] = {}
    for name in grid.buses.name:
        there.setdefault(bus_of_row(name), []).append(phase_of_row(name))
    for member in members.members:
        row = members.rows[member.member]
        if member.bus in grid.bus_index:
            meant = f"write {bus_of_row(member.bus)!r}, and {phase_of_row(member.bus)!r} in the column phase"
            row.add("bus", repr(member.bus), "the name of a bus without its phase", meant)
        elif member.bus and member.bus not in there:
            row.add("bus", repr(member.bus), "the name of a bus of the grid", did_you_mean(member.bus, there))
        elif member.bus and member.phase in CONNECTIONS:
            _check_own_rows(grid, supplied, member, (row, there[member.bus]))


def _check_own_rows(grid: Grid, supplied: BoolArray, member: Member, at: tuple[Row, list[str]]) -> None:
    row, there = at
    used = sorted({phase for ends in CONNECTIONS[member.phase] for phase in ends if phase})
    missing = [phase for phase in used if phase not in there]
    if missing:
        asked = repr(member.phase) if member.phase else "an empty cell, which is all three phases,"
        found = f"{asked} at bus {member.bus!r} without phase {listed(missing)}"
        row.add("phase", found, f"phases that the bus has: {listed(sorted(there))}")
        return
    dark = [phase for phase in used if not supplied[bus_row(grid, member.bus, phase)]]
    if dark:
        found = (
            f"member {member.member!r} at bus {member.bus!r}, where no source reaches phase {listed(dark)}"
        )
        meant = _next_switches(grid, bus_row(grid, member.bus, dark[0]))
        row.add("bus", found, "a supplied bus", meant)


def _refuse_spreading(phases: str, problems: ProblemList) -> list[str]:
    if phases:
        place = Place(FILE, table="grid", column="phases")
        found = f"{phases!r} with a three-phase grid"
        problems.add(place, found, "no such key: each member is on its own phases", "remove it")
    return []


def _check_phases(members: MemberTable, phases: str) -> list[str]:
    between = [member for member in members.members if len(member.phase) > 1 and member.phase in CONNECTIONS]
    for member in between:
        found = f"{member.phase!r} in a balanced study"
        members.rows[member.member].add(
            "phase", found, "a, b, c or empty: between phases needs a three-phase grid"
        )
    on_one_phase = [member for member in members.members if member.phase and member not in between]
    if phases == "balanced":
        names = listed([member.member for member in on_one_phase], 4)
        text = f"phases: {len(on_one_phase)} members on one phase are spread over all three ({names})"
        return [text] if on_one_phase else []
    for member in on_one_phase:
        meant = 'write phases = "balanced" under [grid] to spread it over all three'
        found = f"{member.phase!r} in a balanced study"
        members.rows[member.member].add("phase", found, "an empty cell", meant)
    return []


def _next_switches(grid: Grid, bus: int) -> str:
    """The open switches at the edge of the island around a bus, in words."""
    island = _island(grid, bus)
    names = list(_open_at(grid, island))
    if not names:
        return "nothing leads there; connect it or remove the member"
    return f"open next to it: {listed(names)}"


def _island(grid: Grid, bus: int) -> set[int]:
    """The buses that hang together with ``bus`` by closed switches and branches in service."""
    node = bus_nodes(grid)
    branches = grid.branches
    nodes = {int(node[bus])}
    grown = True
    while grown:
        grown = False
        for a, b in zip(
            branches.from_bus[branches.in_service], branches.to_bus[branches.in_service], strict=True
        ):
            ends = {int(node[a]), int(node[b])}
            if ends & nodes and not ends <= nodes:
                nodes |= ends
                grown = True
    return {int(i) for i in np.flatnonzero(np.isin(node, list(nodes)))}


def _open_at(grid: Grid, island: set[int]) -> Iterator[str]:
    switches, branches = grid.switches, grid.branches
    for index in np.flatnonzero(~switches.closed):
        a, b = int(switches.bus_a[index]), int(switches.bus_b[index])
        if (a in island) != (b in island):
            yield f"switch {switches.name[index]!r} from {grid.buses.name[a]!r} to {grid.buses.name[b]!r}"
    for index in np.flatnonzero(~branches.in_service):
        a, b = int(branches.from_bus[index]), int(branches.to_bus[index])
        if (a in island) == (b in island):
            continue
        ends = [
            grid.buses.name[at]
            for at, closed in ((a, branches.from_closed[index]), (b, branches.to_closed[index]))
            if not closed
        ]
        yield f"{branches.kind[index]} {branches.name[index]!r}, open at {listed(map(repr, ends))}"
