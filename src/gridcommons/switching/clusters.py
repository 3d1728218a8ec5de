"""From a grid, its members and its switches to the graph of clusters.

With all switches open the grid falls into zones. A zone with the members of one cluster is that cluster; a
switch between two clusters is a link, and one between a cluster and a zone that only a source is in is a PCC.
A source inside a cluster's zone is a PCC that cannot be opened. Whatever does not fit is said, all at once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridcommons.model.clusters import ClusterGraph, ClusterMap, Link, Pcc
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import FloatArray, Grid
from gridcommons.model.members import Member
from gridcommons.model.phases import bus_of_row
from gridcommons.model.switches import Switch
from gridcommons.model.topology import bus_nodes


@dataclass(frozen=True, eq=False)
class _Zones:
    """Zone of each bus by name (of each phase together), who lives in each zone, and its sources' rows."""

    of_bus: dict[str, int]
    clusters: dict[int, dict[str, list[str]]]
    sources: dict[int, dict[str, list[int]]]

    def cluster(self, zone: int) -> str:
        """The cluster of a zone; empty where it has none."""
        return next(iter(self.clusters.get(zone, {})), "")


@dataclass(frozen=True)
class _Place:
    """A link or PCC with what ``ClusterMap`` says of it; ``sources`` are those behind a PCC."""

    made: Link | Pcc
    row: int
    forward: bool = True
    sources: tuple[int, ...] = ()


def find_clusters(grid: Grid, members: tuple[Member, ...], switches: tuple[Switch, ...]) -> ClusterMap:
    """The clusters that switches cut a grid into, with their links and PCCs.

    A link's capacity is its switch's ``capacity_kw``; where that is infinite, what its rating allows at
    nominal voltage and unity power factor; where it has none, infinite. A switch that does not move is usable
    if closed, and then cannot be opened. Zones without member, source and switch are left out: nothing
    depends on them.

    Parameters
    ----------
    grid : Grid
        Balanced or three-phase; the phases of a bus are one.
    members : tuple of Member
        Each with its cluster.
    switches : tuple of Switch
        Every switch that may move.

    Raises
    ------
    StudyError
        A member has no cluster, a zone has two clusters, a cluster lies in two zones, or a switch lies inside
        one zone, between two sources, or at a zone with neither member nor source.
    """
    problems: list[Problem] = []
    zones = _find_zones(grid, members, switches, problems)
    problems += _mixed_zones(zones)
    places = []
    for row, switch in enumerate(switches):
        ends = _ends(grid, switch)
        if len(ends) != 1:
            found, expected = f"rows between {len(ends)} pairs of buses", "the phases of one branch"
            problems.append(_wrong_switch(switch, found, expected))
            continue
        sides = [zones.of_bus[bus] for bus in ends.pop()]
        problem = _misplaced(switch, sides, zones)
        if problem is None:
            places.append(_place(grid, (row, switch), sides, zones))
        else:
            problems.append(problem)
    places += _sources_inside(zones)
    if problems:
        raise StudyError(problems)
    return _make_map(grid, members, places, zones)


def _make_map(grid: Grid, members: tuple[Member, ...], places: list[_Place], zones: _Zones) -> ClusterMap:
    links = [(place, place.made) for place in places if isinstance(place.made, Link)]
    pccs = [(place, place.made) for place in places if isinstance(place.made, Pcc)]
    clusters = tuple(sorted({member.cluster for member in members}))
    graph = ClusterGraph(clusters, tuple(link for _, link in links), tuple(pcc for _, pcc in pccs))
    in_order = [place for place, _ in (*links, *pccs)]
    entries = list(dict.fromkeys(place.sources for place, _ in pccs))
    return ClusterMap(
        graph=graph,
        member_cluster=np.array([graph.index[member.cluster] for member in members], dtype=np.int64),
        switch_row=np.array([place.row for place in in_order], dtype=np.int64),
        forward=np.array([place.forward for place in in_order], dtype=np.bool_),
        pcc_zone=np.array([entries.index(place.sources) for place, _ in pccs], dtype=np.int64),
        sources_of_zone=tuple(np.array(rows, dtype=np.int64) for rows in entries),
        fixed_kw=_fixed_kw(grid, graph, zones),
    )


def _fixed_kw(grid: Grid, graph: ClusterGraph, zones: _Zones) -> FloatArray:
    """What the grid file itself draws in each cluster [kW]."""
    fixed_kw = np.zeros(len(graph.clusters))
    for table in (grid.fixed, grid.phase_loads):
        for bus, p_kw in zip(table.bus.tolist(), table.p_kw.tolist(), strict=True):
            cluster = zones.cluster(zones.of_bus[_without_phase(grid, grid.buses.name[bus])])
            if cluster:
                fixed_kw[graph.index[cluster]] += p_kw
    return fixed_kw


def source_name(grid: Grid, row: int) -> str:
    """Name of a source; of a three-phase grid without the phase, so that its three rows have one name."""
    name = grid.sources.name[row]
    if not grid.is_three_phase:
        return name
    return bus_of_row(name) or bus_of_row(grid.buses.name[grid.sources.bus[row]])


def _without_phase(grid: Grid, name: str) -> str:
    return bus_of_row(name) if grid.is_three_phase else name


def _find_zones(
    grid: Grid, members: tuple[Member, ...], switches: tuple[Switch, ...], problems: list[Problem]
) -> _Zones:
    whole = [_without_phase(grid, name) for name in grid.buses.name]
    of_bus = _zone_of_each(grid, whole, switches)
    clusters: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for member in members:
        if member.bus not in of_bus:
            problems.append(_wrong_member(member, "bus", f"bus {member.bus!r}", "a bus of the grid"))
        elif not member.cluster:
            problems.append(_wrong_member(member, "cluster", "no cluster", "the cluster that it belongs to"))
        else:
            clusters[of_bus[member.bus]][member.cluster].append(member.member)
    sources: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, at in enumerate(grid.sources.bus.tolist()):
        sources[of_bus[whole[at]]][source_name(grid, row)].append(row)
    return _Zones(of_bus, dict(clusters), dict(sources))


def _zone_of_each(grid: Grid, whole: list[str], switches: tuple[Switch, ...]) -> dict[str, int]:
    """Zone of each bus by its name without phase, all switches open."""
    moved = np.array([row for switch in switches for row in switch.branches], dtype=np.int64)
    stays = grid.branches.in_service.copy()
    stays[moved] = False
    names, bus = np.unique(np.array(whole), return_inverse=True)
    node = bus_nodes(grid)
    first_of_node = np.unique(node, return_index=True)[1]
    ends = (
        np.concatenate([bus[grid.branches.from_bus[stays]], bus]),
        np.concatenate([bus[grid.branches.to_bus[stays]], bus[first_of_node[node]]]),
    )
    edges = coo_array((np.ones(len(ends[0])), ends), shape=(len(names), len(names)))
    zone = connected_components(edges, directed=False)[1]
    return {str(name): int(one) for name, one in zip(names, zone, strict=True)}


def _mixed_zones(zones: _Zones) -> list[Problem]:
    problems = []
    zones_of: dict[str, list[str]] = defaultdict(list)
    for inside in zones.clusters.values():
        if len(inside) > 1:
            found = " and ".join(f"{name} ({_some(inside[name])})" for name in sorted(inside))
            problems.append(
                Problem(
                    file="members.csv",
                    column="cluster",
                    found=f"clusters {found} in one zone",
                    expected="one cluster a zone",
                    suggestion="put a switch between them",
                )
            )
        for name, residents in inside.items():
            zones_of[name].append(_some(residents))
    for name, residents in sorted(zones_of.items()):
        if len(residents) > 1:
            problems.append(
                Problem(
                    file="members.csv",
                    column="cluster",
                    found=f"cluster {name} in {len(residents)} zones, of {'; of '.join(residents)}",
                    expected="one zone a cluster",
                    suggestion="give each zone its own cluster, or take the switch between them out",
                )
            )
    return problems


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _ends(grid: Grid, switch: Switch) -> set[tuple[str, str]]:
    """Pairs of buses, from and to, that the rows of a switch lie between, without phase."""
    name, branches = grid.buses.name, grid.branches
    return {
        (
            _without_phase(grid, name[branches.from_bus[row]]),
            _without_phase(grid, name[branches.to_bus[row]]),
        )
        for row in switch.branches
    }


def _misplaced(switch: Switch, sides: list[int], zones: _Zones) -> Problem | None:
    """Why a switch is neither link nor PCC; None where it is one, or where its zone is what is wrong."""
    expected = "two clusters, or a cluster and a source, at its ends"
    names = [zones.cluster(zone) for zone in sides]
    if sides[0] == sides[1]:
        return _wrong_switch(switch, "both ends in one zone when all switches are open", expected)
    for zone, name in zip(sides, names, strict=True):
        if not name and zone not in zones.sources:
            return _wrong_switch(switch, "an end in a zone without member and source", expected)
    if not any(names):
        return _wrong_switch(switch, "sources at both ends", expected)
    return None


def _wrong_switch(switch: Switch, found: str, expected: str) -> Problem:
    return Problem(file="switches.csv", row=switch.name, found=found, expected=expected)


def _wrong_member(member: Member, column: str, found: str, expected: str) -> Problem:
    return Problem(file="members.csv", row=member.member, column=column, found=found, expected=expected)


def _sources_inside(zones: _Zones) -> list[_Place]:
    return [
        _Place(Pcc(name, zones.cluster(zone), can_open=False), -1, sources=tuple(rows))
        for zone, named in sorted(zones.sources.items())
        if zone in zones.clusters
        for name, rows in named.items()
    ]


def _place(grid: Grid, switch: tuple[int, Switch], sides: list[int], zones: _Zones) -> _Place:
    row, one = switch
    first, second = (zones.cluster(zone) for zone in sides)
    capacity_kw, cost = _capacity_kw(grid, one), one.operation_cost_amount
    usable, can_open = one.moves or one.closed, one.moves or not one.closed
    # Two clusters could have one name by mistake, which has its own problem.
    if first and second and first != second:
        return _Place(Link(one.name, first, second, capacity_kw, usable, can_open, cost), row)
    far = sides[1] if first else sides[0]
    behind = tuple(at for rows in zones.sources.get(far, {}).values() for at in rows)
    pcc = Pcc(one.name, first or second, capacity_kw, usable, can_open, cost)
    return _Place(pcc, row, forward=not first, sources=behind)


def _capacity_kw(grid: Grid, switch: Switch) -> float:
    """The switch's own capacity, else rating times nominal voltage, over its conductors [kW]."""
    if np.isfinite(switch.capacity_kw):
        return switch.capacity_kw
    rows = np.array(switch.branches, dtype=np.int64)
    branches, vn_kv = grid.branches, grid.buses.vn_kv
    # A row of a three-phase grid is one conductor, against earth; else three against each other.
    per_row = 1.0 / np.sqrt(3.0) if grid.is_three_phase else np.sqrt(3.0)
    from_kva = vn_kv[branches.from_bus[rows]] * branches.i_max_from_ka[rows]
    to_kva = vn_kv[branches.to_bus[rows]] * branches.i_max_to_ka[rows]
    return float(np.minimum(from_kva, to_kva).sum() * per_row * 1e3)
