"""Where the buses of clusters are drawn: at their coordinates, or as trees, one a cluster, around a ring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.clusters.switch_day import SwitchDay, connected_parts
from gridcommons.adapters.report.layout import Layout, Ways, lay_out
from gridcommons.adapters.report.tables import ResultTables
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.model.phases import PHASES, bus_of_row, phase_of_row

NO_CLUSTER = -1
_BLOCK = (1.0, 1.0)
_FREE = (0.38, 0.62)
"""Size of a cluster's tree, and what is left free between two, sideways and upwards."""


@dataclass(frozen=True, eq=False)
class ClusterPlaces:
    """Buses (phases taken together) and branches of a grid that is cut into clusters.

    Parameters
    ----------
    bus : tuple of str
        Buses.
    x, y : (buses,)
        Places.
    is_map : bool
        Whether these are coordinates of the grid file.
    cluster : (buses,)
        Cluster of each bus by number; ``NO_CLUSTER`` for buses of the main grid.
    from_bus, to_bus : (branches,)
        Ends of the branches that are no links or connections.
    closed : (branches,)
        Their positions.
    switch_ends : (switches, 2)
        Buses that each link and connection lies between.
    """

    bus: Names
    x: FloatArray
    y: FloatArray
    is_map: bool
    cluster: IntArray
    from_bus: IntArray
    to_bus: IntArray
    closed: BoolArray
    switch_ends: IntArray


@dataclass(frozen=True, eq=False)
class _Graph:
    """Buses and branches by name, each once however many phases it has."""

    bus: dict[str, int]
    x_map: FloatArray
    y_map: FloatArray
    is_source: BoolArray
    branch: Names
    ends: IntArray
    length_km: FloatArray
    closed: BoolArray


def place_clusters(
    tables: ResultTables, day: SwitchDay, cluster_of_member: Mapping[str, str]
) -> ClusterPlaces | None:
    """The picture of the grid of a result; None where it is not described, with its switches and members."""
    graph = _read_graph(tables)
    cut = None if graph is None else _cut(graph, day)
    if graph is None or cut is None:
        return None
    of_switch, is_plain, part = cut
    cluster = _clusters(tables, graph, part, (day, cluster_of_member))
    if (cluster == NO_CLUSTER).all():
        return None
    ends = _forward(graph, day, of_switch, cluster)
    layout = _lay_out(graph, day, (is_plain, part, cluster, ends))
    plain = graph.ends[is_plain]
    return ClusterPlaces(
        tuple(graph.bus), layout.x, layout.y, layout.is_map, cluster, plain[:, 0], plain[:, 1],
        graph.closed[is_plain], ends,
    )  # fmt: skip


def find_members(tables: ResultTables, day: SwitchDay) -> dict[str, str]:
    """Cluster of each member that has assets, as the switches that border its part of the grid name it.

    A connection names one cluster, a link two: which of them a part is, its other switches and the far ends
    of its links tell. Members of a part that they leave open are left out.
    """
    graph = _read_graph(tables)
    cut = None if graph is None else _cut(graph, day)
    if graph is None or cut is None:
        return {}
    of_switch, _, part = cut
    place = {name: int(part[bus]) for name, bus in graph.bus.items()}
    part_of = {str(member): place[name] for member, name in _members(tables, graph)}
    names = _names_of_parts(day, part[graph.ends[of_switch]], set(part_of.values()))
    return {member: names[at] for member, at in part_of.items() if at in names}


def _names_of_parts(day: SwitchDay, ends: IntArray, inhabited: set[int]) -> dict[int, str]:
    """Cluster of each part with members, by elimination."""
    switches = list(zip(ends.tolist(), day.from_cluster, day.to_cluster, strict=True))
    left: dict[int, set[str]] = {}
    for pair, first, second in switches:
        for part in inhabited & set(pair):
            left[part] = left.get(part, {first, second}) & ({first, second} - {""})
    links = [tuple(pair) for pair, first, _ in switches if first]
    for _ in links:
        for part, other in (*links, *(pair[::-1] for pair in links)):
            if part in left and len(left.get(other, ())) == 1:
                left[part] = left[part] - left[other]
    return {part: next(iter(names)) for part, names in left.items() if len(names) == 1}


def _cut(graph: _Graph, day: SwitchDay) -> tuple[IntArray, BoolArray, IntArray] | None:
    """Rows of the switches, which branches are none, and the part of each bus that these join."""
    rows = {name: row for row, name in enumerate(graph.branch)}
    if not all(name in rows for name in day.name):
        return None
    of_switch = np.array([rows[name] for name in day.name], dtype=np.int64)
    is_plain = np.ones(len(graph.branch), dtype=np.bool_)
    is_plain[of_switch] = False
    return of_switch, is_plain, connected_parts(len(graph.bus), graph.ends[is_plain & graph.closed])


def _members(tables: ResultTables, graph: _Graph) -> list[tuple[str, str]]:
    """Member and bus of each asset whose bus is in the grid."""
    assets = tables.whole("assets", ("member", "bus"))
    found = []
    for member, bus in zip(assets["member"], assets["bus"], strict=True):
        name = str(bus) if str(bus) in graph.bus else bus_of_row(str(bus))
        if name in graph.bus:
            found.append((str(member), name))
    return found


def _read_graph(tables: ResultTables) -> _Graph | None:
    if "grid_buses" not in tables or "grid_branches" not in tables:
        return None
    buses = tables.whole("grid_buses", ("bus", "x_map", "y_map", "is_source"))
    lines = tables.whole("grid_branches", ("branch", "from_bus", "to_bus", "length_km", "closed"))
    plain = _plain_names(buses["bus"].tolist())
    first = _first_of_each([plain(name) for name in buses["bus"]])
    bus = {plain(buses["bus"][row]): number for number, row in enumerate(first)}
    names = [plain(name) for name in lines["branch"]]
    kept = _first_of_each(names)
    ends = np.array(
        [
            [bus[plain(a)], bus[plain(b)]]
            for a, b in zip(lines["from_bus"][kept], lines["to_bus"][kept], strict=True)
        ]
    )
    return _Graph(
        bus,
        buses["x_map"][first].astype(np.float64),
        buses["y_map"][first].astype(np.float64),
        buses["is_source"][first].astype(np.bool_),
        tuple(names[row] for row in kept),
        ends.reshape(-1, 2).astype(np.int64),
        lines["length_km"][kept],
        lines["closed"][kept].astype(np.bool_),
    )


def _plain_names(buses: Sequence[str]) -> Callable[[str], str]:
    """What takes the phase off a name, where every bus has one."""
    is_three_phase = bool(buses) and all(bus_of_row(name) and phase_of_row(name) in PHASES for name in buses)
    return bus_of_row if is_three_phase else str


def _first_of_each(names: Sequence[str]) -> list[int]:
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        seen.setdefault(name, row)
    return list(seen.values())


def _clusters(
    tables: ResultTables, graph: _Graph, part: IntArray, known: tuple[SwitchDay, Mapping[str, str]]
) -> IntArray:
    """Cluster of each bus: that of the members in its part of the grid."""
    day, cluster_of_member = known
    number = {name: k for k, name in enumerate(day.clusters)}
    of_part: dict[int, int] = {}
    for member, name in _members(tables, graph):
        if member in cluster_of_member:
            of_part[int(part[graph.bus[name]])] = number[cluster_of_member[member]]
    return np.array([of_part.get(int(each), NO_CLUSTER) for each in part], dtype=np.int64)


def _forward(graph: _Graph, day: SwitchDay, of_switch: IntArray, cluster: IntArray) -> IntArray:
    """Ends of each switch, in the order in which power over it is counted."""
    ends = graph.ends[of_switch].copy()
    for row, (first, second) in enumerate(day.ends):
        a, b = (int(cluster[bus]) for bus in ends[row])
        if (a, b) != (first, second) and (a == second or b == first):
            ends[row] = ends[row, ::-1]
    return ends


def _lay_out(graph: _Graph, day: SwitchDay, what: tuple[BoolArray, IntArray, IntArray, IntArray]) -> Layout:
    """Coordinates where the grid file has some; else trees around a ring."""
    is_plain, part, cluster, ends = what
    found = lay_out(
        graph.x_map, graph.y_map, _ways(graph, np.ones(len(graph.branch), dtype=np.bool_), graph.is_source)
    )
    if found.is_map:
        return found
    x, y = np.zeros(len(graph.bus)), np.zeros(len(graph.bus))
    roots = _roots(day, cluster, ends)
    for place, (column, row) in zip(_ring(day), _cells(len(day.clusters)), strict=True):
        mine = cluster == place
        if not mine.any():
            continue
        root = np.zeros(len(graph.bus), dtype=np.bool_)
        root[roots.get(place, int(np.flatnonzero(mine)[0]))] = True
        tree = _tree(graph, is_plain, mine, root)
        x[mine] = column * (_BLOCK[0] + _FREE[0]) + _unit(tree.x[mine]) * _BLOCK[0]
        y[mine] = row * (_BLOCK[1] + _FREE[1]) + _unit(tree.y[mine]) * _BLOCK[1]
    _turn_trees((x, y), cluster, ends[day.is_link])
    _place_sources((x, y), day, (part, cluster, ends))
    return Layout(x, y, False, found.distance_km)


def _turn_trees(at: tuple[FloatArray, FloatArray], cluster: IntArray, links: IntArray) -> None:
    """Mirror trees sideways and upwards as long as that makes the links shorter."""
    x, y = at

    def length() -> float:
        return float(np.hypot(*(values[links[:, 0]] - values[links[:, 1]] for values in at)).sum())

    for place in np.tile(np.unique(cluster[cluster != NO_CLUSTER]), 2):
        mine = cluster == place
        for values in (x, y):
            before, kept = length(), values[mine].copy()
            values[mine] = kept.min() + kept.max() - kept
            if length() >= before - 1e-9:
                values[mine] = kept


def _ways(graph: _Graph, which: BoolArray, is_source: BoolArray) -> Ways:
    ends = graph.ends[which]
    return Ways(ends[:, 0], ends[:, 1], graph.length_km[which], graph.closed[which], is_source)


def _tree(graph: _Graph, is_plain: BoolArray, mine: BoolArray, root: BoolArray) -> Layout:
    """The tree of one cluster, the other buses out of the way."""
    nowhere = np.full(len(graph.bus), np.nan)
    inside = is_plain & mine[graph.ends[:, 0]] & mine[graph.ends[:, 1]]
    return lay_out(nowhere, nowhere, _ways(graph, inside, root))


def _unit(values: FloatArray) -> FloatArray:
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)


def _roots(day: SwitchDay, cluster: IntArray, ends: IntArray) -> dict[int, int]:
    """The bus that each cluster's tree grows from: at its connection, else at a link."""
    roots: dict[int, int] = {}
    for row in [*np.flatnonzero(~day.is_link), *np.flatnonzero(day.is_link)]:
        for bus in ends[row, ::-1]:
            if cluster[bus] != NO_CLUSTER:
                roots.setdefault(int(cluster[bus]), int(bus))
    return roots


def _ring(day: SwitchDay) -> list[int]:
    """Clusters in an order in which neighbours are linked as far as possible."""
    near: dict[int, list[int]] = {place: [] for place in range(len(day.clusters))}
    for a, b in day.ends[day.is_link]:
        near[int(a)].append(int(b))
        near[int(b)].append(int(a))
    order: list[int] = []
    while len(order) < len(day.clusters):
        at = next(place for place in near if place not in order)
        while True:
            order.append(at)
            free = [place for place in near[at] if place not in order]
            if not free:
                break
            at = min(free, key=lambda place: (len([p for p in near[place] if p not in order]), place))
    return order


def _cells(count: int) -> list[tuple[float, float]]:
    """Column and row of each place of the ring: the upper row to the right, the lower one back."""
    upper = -(-count // 2) if count > 3 else count
    lower = count - upper
    cells = [(float(k), 1.0 if lower else 0.0) for k in range(upper)]
    if lower:
        span = (upper - 1) / max(lower - 1, 1)
        cells += [(upper - 1 - k * span, 0.0) for k in range(lower)]
    return cells


def _place_sources(
    at: tuple[FloatArray, FloatArray], day: SwitchDay, what: tuple[IntArray, IntArray, IntArray]
) -> None:
    """Buses of the main grid beyond the connection that leads to them, outside the clusters."""
    x, y = at
    part, cluster, ends = what
    middle = float(np.mean(y[cluster != NO_CLUSTER])) if (cluster != NO_CLUSTER).any() else 0.0
    for row in np.flatnonzero(~day.is_link):
        outer, inner = ends[row]
        if cluster[outer] != NO_CLUSTER:
            continue
        mine = cluster == cluster[inner]
        is_up = y[mine].mean() >= middle
        beyond = (y[mine].max() + 0.30) if is_up else (y[mine].min() - 0.30)
        x[part == part[outer]], y[part == part[outer]] = x[inner], beyond
