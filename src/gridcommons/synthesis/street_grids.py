"""Turns the trees of the stations into a grid: buses, cables, transformers, the source.

A cable is a π of its series impedance and its capacitance; a transformer is pandapower's "t" model (the
magnetising admittance between two halves of the leakage impedance) converted exactly to a π, see
pandapower 3.5, "Electric Model" of line and trafo. A test holds the result against its load flow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridcommons.model.grid import S_BASE_KVA, Branches, Buses, FloatArray, Grid, Sources
from gridcommons.synthesis.cables import (
    LV_KV,
    MV_CABLE,
    MV_KV,
    CableType,
    DesignRules,
    TransformerType,
    size_cables,
    transformer_type,
)
from gridcommons.synthesis.feeder_trees import FeederTree
from gridcommons.synthesis.street_graph import StreetGraph
from gridcommons.synthesis.street_plan import Point, StreetPlan

SOURCE = "20 kV source"
F_HZ = 50.0
SERVICE_MIN_M = 1.0
"""Length of a service line whose house stands on the street [m]; a line must have an impedance."""
SOURCE_ASIDE_M = 30.0
"""How far above a single station the source is drawn [m]."""


@dataclass(frozen=True)
class HouseConnection:
    """A building on the grid: its bus (of the same name), its station, what lives in it.

    Parameters
    ----------
    name, station : str
        Names of the building and of the station that serves it.
    living_area_m2 : float
        Living area [m²].
    households : int
        Dwellings.
    """

    name: str
    station: str
    living_area_m2: float
    households: int


@dataclass(frozen=True)
class LaidCable:
    """A cable of the grid: what lies where.

    Parameters
    ----------
    branch : str
        Name of the branch.
    cable : CableType
        The type.
    parallel : int
        How many lie side by side.
    station : str
        Whose it is.
    households : int
        Dwellings behind it.
    points : tuple of (x, y)
        Its way, along the bends of the street [m].
    is_service : bool
        Whether it leads from the street into a house.
    """

    branch: str
    cable: CableType
    parallel: int
    station: str
    households: int
    points: tuple[Point, ...]
    is_service: bool


@dataclass(frozen=True, eq=False)
class DrawnGrid:
    """The grid, its houses in the order of the buildings, its cables, the largest drop of each station."""

    grid: Grid
    houses: tuple[HouseConnection, ...]
    cables: tuple[LaidCable, ...]
    drop_share: tuple[float, ...]
    notes: tuple[str, ...]


@dataclass
class _Rows:
    """Buses and branches as they are drawn."""

    buses: list[tuple[str, float, Point]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    branches: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def bus(self, name: str, vn_kv: float, at: Point) -> int:
        """Add a bus; its index."""
        self.buses.append((name, vn_kv, at))
        return len(self.buses) - 1

    def cable(self, name: str, ends: tuple[int, int], laid: tuple[CableType, int], length_km: float) -> None:
        """Add a cable, or several side by side, between two buses."""
        kind, parallel = laid
        base_ohm = self.buses[ends[0]][1] ** 2 * 1e3 / S_BASE_KVA
        siemens = 2.0 * math.pi * F_HZ * kind.c_nf_per_km * 1e-9 * length_km * parallel
        columns = {
            "r_pu": kind.r_ohm_per_km * length_km / parallel / base_ohm,
            "x_pu": kind.x_ohm_per_km * length_km / parallel / base_ohm,
            "b_from_pu": siemens * base_ohm / 2.0,
            "b_to_pu": siemens * base_ohm / 2.0,
            "i_max_from_ka": kind.i_max_ka * parallel,
            "i_max_to_ka": kind.i_max_ka * parallel,
            "length_km": length_km,
        }
        self.branch(name, "line", ends, columns)

    def branch(self, name: str, kind: str, ends: tuple[int, int], columns: dict[str, float]) -> None:
        """Add a branch; what ``columns`` does not name is 0."""
        self.names.append(name)
        self.kinds.append(kind)
        self.branches.append({"from_bus": ends[0], "to_bus": ends[1], **columns})

    def grid(self, source_vm_pu: float) -> Grid:
        """All of it as a grid; the first bus is the source."""
        xy = np.array([at for _, _, at in self.buses], dtype=float)
        vn_kv = np.array([vn_kv for _, vn_kv, _ in self.buses], dtype=float)
        buses = Buses(tuple(name for name, _, _ in self.buses), vn_kv, xy[:, 0].copy(), xy[:, 1].copy())
        from_bus, to_bus = (
            np.array([row[end] for row in self.branches], np.int64) for end in ("from_bus", "to_bus")
        )
        numbers = {
            name: np.array([row.get(name, default) for row in self.branches], dtype=float)
            for name, default in _COLUMNS.items()
        }
        closed = np.ones(len(self.branches), dtype=np.bool_)
        branches = Branches(
            name=tuple(self.names),
            kind=tuple(self.kinds),
            from_bus=from_bus,
            to_bus=to_bus,
            from_closed=closed,
            to_closed=closed,
            **numbers,
        )
        held = (np.array([source_vm_pu]), np.zeros(1))
        return Grid(buses, branches, Sources((SOURCE,), np.zeros(1, np.int64), *held))


_COLUMNS = {
    **dict.fromkeys(("r_pu", "x_pu", "g_from_pu", "b_from_pu", "g_to_pu", "b_to_pu"), 0.0),
    "ratio": 1.0,
    **dict.fromkeys(("shift_degree", "i_max_from_ka", "i_max_to_ka", "length_km"), 0.0),
}


def draw_grid(
    plan: StreetPlan, graph: StreetGraph, trees: list[FeederTree], design: DesignRules, source_vm_pu: float
) -> DrawnGrid:
    """The grid of a plan whose stations have their trees; the source's voltage is in per unit.

    Every station hangs on one 20 kV source by a cable of its own. Its low-voltage busbar is where it joins
    the street: the few metres to it are no cable.
    """
    rows = _Rows()
    source = rows.bus(SOURCE, MV_KV, _place_of_source(plan))
    cables: list[LaidCable] = []
    drops = []
    houses: dict[int, HouseConnection] = {}
    for number, tree in enumerate(trees):
        busbar = _station(rows, plan, number, source)
        own, drop = _feeders(rows, (plan, graph, number, busbar), tree, design)
        cables += own
        drops.append(drop)
        for thing in tree.things:
            house = plan.buildings[thing - len(plan.stations)]
            houses[thing] = HouseConnection(
                house.name, plan.stations[number].name, house.living_area_m2, house.households
            )
    in_order = tuple(houses[thing] for thing in sorted(houses))
    return DrawnGrid(rows.grid(source_vm_pu), in_order, tuple(cables), tuple(drops), tuple(rows.notes))


def _place_of_source(plan: StreetPlan) -> Point:
    """Between the stations; above where there is only one. It is a place on the map, no more."""
    x, y = np.array([station.at for station in plan.stations], dtype=float).mean(axis=0).tolist()
    return (x, y + SOURCE_ASIDE_M) if len(plan.stations) == 1 else (x, y)


def _station(rows: _Rows, plan: StreetPlan, number: int, source: int) -> int:
    """Add a station's transformer and buses; the index of its low-voltage busbar."""
    station = plan.stations[number]
    upper = source
    straight_m = max(math.dist(rows.buses[source][2], station.at), SERVICE_MIN_M)
    length_km = straight_m / 1e3 if station.mv_cable_km is None else station.mv_cable_km
    if length_km > 0.0:
        upper = rows.bus(f"{station.name} 20 kV", MV_KV, station.at)
        rows.cable(f"20 kV cable to {station.name}", (source, upper), (MV_CABLE, 1), length_km)
    busbar = rows.bus(station.name, LV_KV, station.at)
    kind = transformer_type(station.kva)
    if kind.sn_kva != station.kva:
        rows.notes.append(
            f"station {station.name}: {station.kva:g} kVA is no standard size; the per cent values of "
            f"{kind.name} are taken, its iron losses in proportion"
        )
    rows.branch(f"transformer {station.name}", "transformer", (upper, busbar), _two_port(kind, station.kva))
    return busbar


def _two_port(kind: TransformerType, kva: float) -> dict[str, float]:
    """The columns of a transformer of a type, of a rated power [kVA], between nominal voltages."""
    per_unit = S_BASE_KVA / kva
    r = kind.vkr_percent / 100.0 * per_unit
    x = math.sqrt(kind.vk_percent**2 - kind.vkr_percent**2) / 100.0 * per_unit
    iron_kw = kind.pfe_kw * kva / kind.sn_kva
    # The no-load current of the largest type is rounded to just below what its iron losses imply.
    magnetising_kvar = math.sqrt(max((kind.i0_percent / 100.0 * kva) ** 2 - iron_kw**2, 0.0))
    y = complex(iron_kw, -magnetising_kvar) / S_BASE_KVA
    half = complex(r, x) / 2.0
    series, end = 2.0 * half + half * half * y, half * y / (2.0 * half + half * half * y)
    return {
        "r_pu": series.real,
        "x_pu": series.imag,
        "g_from_pu": end.real,
        "b_from_pu": end.imag,
        "g_to_pu": end.real,
        "b_to_pu": end.imag,
        "shift_degree": kind.shift_degree,
        "i_max_from_ka": kva / (math.sqrt(3.0) * MV_KV) / 1e3,
        "i_max_to_ka": kva / (math.sqrt(3.0) * LV_KV) / 1e3,
    }


def _feeders(
    rows: _Rows, where: tuple[StreetPlan, StreetGraph, int, int], tree: FeederTree, design: DesignRules
) -> tuple[list[LaidCable], float]:
    """Add the cables and service lines of a station; what was laid, and the largest drop of voltage."""
    plan, graph, number, busbar = where
    station, first_house = plan.stations[number].name, len(plan.stations)
    things = sorted(tree.things)
    parent = [*tree.parent, *(tree.things[thing] for thing in things)]
    service_m = np.maximum(graph.service_m[things], SERVICE_MIN_M)
    length_km = np.concatenate([tree.length_m, service_m]) / 1e3
    households = _households_behind(parent, [plan.buildings[t - first_house].households for t in things])
    laid, drop = size_cables(parent, length_km, households, design)
    bus, found = [busbar], []
    for node in range(1, len(parent)):
        is_service = node >= len(tree.nodes)
        if is_service:
            thing = things[node - len(tree.nodes)]
            name, at = plan.things[thing].name, plan.things[thing].at
            points = [_point(graph, int(graph.node_of[thing])), at]
        else:
            name, at = f"{station} k{node}", _point(graph, tree.nodes[node])
            points = [_point(graph, each) for each in tree.ways[node]]
        bus.append(rows.bus(name, LV_KV, at))
        branch = f"{'service line' if is_service else 'cable'} to {name}"
        lies = laid[node]
        ends = (bus[parent[node]], bus[node])
        rows.cable(branch, ends, (lies.cable, lies.parallel), float(length_km[node]))
        behind, way = int(households[node]), tuple(points)
        found.append(LaidCable(branch, lies.cable, lies.parallel, station, behind, way, is_service))
    return found, float(drop.max())


def _households_behind(parent: list[int], own: list[int]) -> FloatArray:
    """Households behind each node [count], those of the last nodes given, shape (nodes,)."""
    behind = np.zeros(len(parent))
    behind[len(parent) - len(own) :] = own
    for node in range(len(parent) - 1, 0, -1):
        behind[parent[node]] += behind[node]
    return behind


def _point(graph: StreetGraph, node: int) -> Point:
    return float(graph.at[node, 0]), float(graph.at[node, 1])
