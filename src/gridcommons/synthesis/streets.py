"""A low-voltage grid from streets, buildings and stations, for places where no grid data exist.

The method is that of source 3 (section 2.2.1, after its reference 24): a graph of the streets, stations
and buildings snapped to it, each consumer assigned to a station by the length of the way within the
station's capacity, a tree for each station pruned to what serves somebody, standard cables.
Positions are in metres on a plane; nothing here reads a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import FloatArray, Grid
from gridcommons.synthesis.cables import DesignRules
from gridcommons.synthesis.feeder_trees import FeederTree, grow_tree
from gridcommons.synthesis.station_areas import assign, find_ways
from gridcommons.synthesis.street_graph import StreetGraph, build_street_graph
from gridcommons.synthesis.street_grids import HouseConnection, LaidCable, draw_grid
from gridcommons.synthesis.street_plan import Station, StreetPlan

_MOST_NAMED = 8


@dataclass(frozen=True)
class StreetRules:
    """How a grid is laid along streets.

    Parameters
    ----------
    design : DesignRules
        Design power and voltage drop.
    service_max_m : float
        Longest connection from the middle of a building, or a station, to a street [m].
    join_m : float
        Points of streets closer than this are one [m].
    tree : {"minimum_spanning", "shortest_paths"}
        The tree of a station: the least cable (as the source has it), or the shortest way to each house.
    source_vm_pu : float
        Voltage that the medium-voltage source holds [pu].
    """

    design: DesignRules = field(default_factory=DesignRules)
    service_max_m: float = 80.0
    join_m: float = 0.5
    tree: Literal["minimum_spanning", "shortest_paths"] = "minimum_spanning"
    source_vm_pu: float = 1.0


@dataclass(frozen=True, eq=False)
class StationArea:
    """What a station serves.

    Parameters
    ----------
    station : Station
        The station.
    houses, households : int
        Buildings and dwellings in its area.
    design_kva : float
        Their design power together [kVA].
    cable_m : float
        Length of its cables in the streets, service lines not counted [m].
    voltage_drop_share : float
        Largest drop below the station's busbar at design power.
    """

    station: Station
    houses: int
    households: int
    design_kva: float
    cable_m: float
    voltage_drop_share: float


@dataclass(frozen=True, eq=False)
class SyntheticGrid:
    """A grid that was made from streets, and what it was made of.

    Parameters
    ----------
    grid : Grid
        Ready for a load flow; buses carry their place [m].
    houses : tuple of HouseConnection
        One for each building, in the order of the buildings.
    cables : tuple of LaidCable
        Type and way of each cable.
    areas : tuple of StationArea
        In the order of the stations.
    street_m, trench_m : float
        Length of all streets, and of the streets in which at least one cable lies [m].
    notes : tuple of str
        What was decided on the way.
    """

    grid: Grid
    houses: tuple[HouseConnection, ...]
    cables: tuple[LaidCable, ...]
    areas: tuple[StationArea, ...]
    street_m: float
    trench_m: float
    notes: tuple[str, ...]


def synthesise_grid(plan: StreetPlan, rules: StreetRules | None = None) -> SyntheticGrid:
    """The low-voltage grid of a place; the same place gives the same grid.

    Parameters
    ----------
    plan : StreetPlan
        Streets, buildings and stations [m].
    rules : StreetRules, optional
        How it is laid.

    Raises
    ------
    StudyError
        With everything that is missing: streets, buildings or stations, houses that no station
        reaches, room in the stations.

    Examples
    --------
    >>> from gridcommons.synthesis.street_plan import Building, Street
    >>> street = Street(((0.0, 0.0), (100.0, 0.0)))
    >>> houses = (Building("h1", (40.0, 15.0), 120.0), Building("h2", (90.0, -15.0), 140.0))
    >>> made = synthesise_grid(StreetPlan((street,), houses, (Station("S", (0.0, 5.0), 250.0),)))
    >>> made.grid.buses.name
    ('20 kV source', 'S 20 kV', 'S', 'S k1', 'S k2', 'h1', 'h2')
    >>> made.trench_m
    90.0
    """
    rules = rules or StreetRules()
    _refuse_empty(plan)
    graph = _graph(plan, rules)
    count = len(plan.stations)
    ways = find_ways(graph, graph.node_of[:count])
    reach = ways.length_m[:, graph.node_of[count:]]
    _refuse_unreachable(plan, graph, reach, rules)
    households = np.array([building.households for building in plan.buildings], dtype=np.int64)
    room = [rules.design.most_households(station.kva) for station in plan.stations]
    served_by, left_out = assign(reach, households, room)
    _refuse_lack(plan, (households, room), left_out, rules)
    trees = []
    for station in range(count):
        own = np.flatnonzero(served_by == station)
        trees.append(grow_tree(graph, ways, station, count + own, rules.tree))
    return _finish(plan, graph, trees, rules)


def _graph(plan: StreetPlan, rules: StreetRules) -> StreetGraph:
    places = np.array([thing.at for thing in plan.things], np.float64)
    try:
        return build_street_graph([street.points for street in plan.streets], places, rules.join_m)
    except ValueError as error:
        raise StudyError([Problem(plan.file, str(error), "streets as lines on the ground")]) from None


def _finish(
    plan: StreetPlan, graph: StreetGraph, trees: list[FeederTree], rules: StreetRules
) -> SyntheticGrid:
    drawn = draw_grid(plan, graph, trees, rules.design, rules.source_vm_pu)
    areas = [
        _area(plan, number, tree, drop, rules)
        for number, (tree, drop) in enumerate(zip(trees, drawn.drop_share, strict=True))
    ]
    used = sorted({edge for tree in trees for edge in tree.edges})
    return SyntheticGrid(
        grid=drawn.grid,
        houses=drawn.houses,
        cables=drawn.cables,
        areas=tuple(areas),
        street_m=graph.street_m,
        trench_m=float(graph.length_m[used].sum()),
        notes=(*drawn.notes, *_notes(areas, rules)),
    )


def _area(plan: StreetPlan, number: int, tree: FeederTree, drop: float, rules: StreetRules) -> StationArea:
    own = sum(plan.buildings[thing - len(plan.stations)].households for thing in tree.things)
    design_kva = float(rules.design.design_kva(own))
    return StationArea(plan.stations[number], len(tree.things), own, design_kva, tree.cable_m, drop)


def _notes(areas: list[StationArea], rules: StreetRules) -> list[str]:
    design = rules.design
    notes = [
        f"designed for {design.household_kva:g} kVA a household, of which a share of "
        f"{design.coincidence_share:g} counts among very many (Rusck), power factor {design.power_factor:g}"
    ]
    for area in areas:
        if not area.houses:
            notes.append(f"station {area.station.name} serves nobody: every house is nearer to another one")
        if area.voltage_drop_share > design.voltage_drop_max_share:
            notes.append(
                f"station {area.station.name}: {area.voltage_drop_share:.1%} of voltage is lost at design "
                f"power, above {design.voltage_drop_max_share:.0%}, even with the thickest cables"
            )
    return notes


def _refuse_empty(plan: StreetPlan) -> None:
    problems = []
    for things, what, todo in (
        (plan.streets, "no street", "draw the streets as lines with a highway property"),
        (plan.buildings, "no dwelling", "add the buildings as areas with a building property"),
        (plan.stations, "no station", "add the MV/LV stations as points with power=transformer and kva"),
    ):
        if not things:
            problems.append(Problem(plan.file, what, "at least one", todo))
    if problems:
        raise StudyError(problems)


def _refuse_unreachable(plan: StreetPlan, graph: StreetGraph, reach: FloatArray, rules: StreetRules) -> None:
    """Raise with every building and station that is too far from a street or from every station."""
    problems = []
    for number, thing in enumerate(plan.things):
        if graph.service_m[number] > rules.service_max_m:
            found = f"{thing.name!r}, {graph.service_m[number]:.0f} m from the nearest street"
            expected = f"at most {rules.service_max_m:g} m from a street"
            todo = "draw the missing way to it, or leave it out"
            problems.append(Problem(plan.file, found, expected, todo, table=thing.where))
    lost: dict[int, list[str]] = {}
    for house in np.flatnonzero(~np.isfinite(reach).any(axis=0)).tolist():
        node = int(graph.node_of[len(plan.stations) + house])
        lost.setdefault(int(graph.component[node]), []).append(plan.buildings[house].name)
    for names in lost.values():
        where = next(building.where for building in plan.buildings if building.name == names[0])
        problems.append(
            Problem(
                plan.file,
                f"{_named(names)} on streets that lead to no station",
                "every house on streets that hang together with a station's",
                "draw the street that joins them, put a station there, or leave the houses out",
                table=where,
            )
        )
    if problems:
        raise StudyError(problems)


def _refuse_lack(
    plan: StreetPlan, counts: tuple[np.ndarray, list[int]], left_out: list[int], rules: StreetRules
) -> None:
    if not left_out:
        return
    households, room = counts
    missing = int(households[left_out].sum())
    names = [plan.buildings[number].name for number in left_out]
    kva = sum(station.kva for station in plan.stations)
    found = (
        f"{int(households.sum())} households for {len(room)} stations of together {kva:g} kVA, which have "
        f"room for {sum(room)}; {missing} are left over ({_named(names)})"
    )
    todo = f"missing are about {float(rules.design.design_kva(missing)):.0f} kVA: add a station or raise kva"
    expected = f"room for all at {rules.design.household_kva:g} kVA a household and its coincidence"
    raise StudyError([Problem(plan.file, found, expected, todo)])


def _named(names: list[str]) -> str:
    head = ", ".join(repr(name) for name in names[:_MOST_NAMED])
    return head if len(names) <= _MOST_NAMED else f"{head} and {len(names) - _MOST_NAMED} more"
