"""A pandapower network as our own grid; what is not modelled is refused by name, never dropped.

The semantics are those of ``pandapower.runpp(net, calculate_voltage_angles=True, trafo_model="t")``
of pandapower 3.5, with two exceptions that the notes tell: a tap position set by the study is
applied wherever there is a tap changer, and constant-impedance shares are taken load by load.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from gridcommons.adapters.grids.pandapower_branches import (
    read_bus_switches,
    read_impedances,
    read_lines,
    read_open_ends,
)
from gridcommons.adapters.grids.pandapower_injections import read_injections, read_sources
from gridcommons.adapters.grids.pandapower_networks import open_net
from gridcommons.adapters.grids.pandapower_tables import OUT_OF_SERVICE, Rows, Tables
from gridcommons.adapters.grids.pandapower_transformers import read_three_winding, read_transformers
from gridcommons.adapters.grids.reading import (
    FixedRows,
    GridReading,
    ShuntRows,
    clashing_sources,
    islanded_injections,
    join_branches,
    unmatched_voltages,
    unrated_notes,
    with_source_voltage,
)
from gridcommons.adapters.problems import Place, listed
from gridcommons.model.grid import Buses, FloatArray, Grid

__all__ = ["NOT_MODELLED", "GridReading", "open_net", "read_grid"]

NOT_MODELLED = {
    "gen": (
        "a generator that holds its voltage (PV)",
        "make it a static generator (sgen) with its reactive power",
    ),
    "xward": ("an extended ward", "make it a ward, or a static generator and an impedance"),
    "dcline": ("a DC line", "replace it by a load and a static generator"),
    "svc": ("a static var compensator", "replace it by a shunt of fixed susceptance"),
    "tcsc": ("a thyristor-controlled series capacitor", "replace it by an impedance"),
    "ssc": ("a static synchronous compensator", "replace it by a static generator"),
    "vsc": ("a voltage source converter", "replace it by a static generator"),
    "vsc_stacked": ("a stacked voltage source converter", "replace it by a static generator"),
    "vsc_bipolar": ("a bipolar voltage source converter", "replace it by a static generator"),
    "asymmetric_load": ("a load on single phases", "give its mean per phase as a load"),
    "asymmetric_sgen": ("a generator on single phases", "give its mean per phase as a static generator"),
    "bus_dc": ("a DC bus", "replace the DC part by loads and static generators"),
    "line_dc": ("a DC line", "replace the DC part by loads and static generators"),
    "load_dc": ("a DC load", "replace the DC part by loads and static generators"),
    "source_dc": ("a DC source", "replace the DC part by loads and static generators"),
}
"""Tables that are refused where they have a row in service: what it is, and what to do."""


def read_grid(
    net: Any, *, slack_vm_pu: float | None = None, tap_pos: int | None = None, file: str = "grid.json"
) -> GridReading:
    """Return a pandapower network as a grid, with notes on all that the user should know.

    Parameters
    ----------
    net : pandapowerNet
        The network, in the format of pandapower 3.5; it is not changed.
    slack_vm_pu : float, optional
        Voltage that every external grid holds instead of its own [pu].
    tap_pos : int, optional
        Position of every tap changer instead of its own; applied even where pandapower ignores taps
        for want of ``tap_changer_type`` (then as a ratio changer).
    file : str
        What to call the network in messages.

    Returns
    -------
    GridReading
        Grid and notes.

    Raises
    ------
    StudyError
        If an element in service is not modelled, or a value cannot be used: all of them at once.
    """
    tables = Tables(net, file)
    names, geo = _place_buses(tables)
    _refuse_not_modelled(tables)
    open_ends = read_open_ends(tables)
    shunts, fixed = ShuntRows(), FixedRows()
    switches, impedant = read_bus_switches(tables)
    parts = [
        read_lines(tables, open_ends, shunts),
        read_transformers(tables, open_ends, tap_pos),
        read_impedances(tables),
        impedant,
        read_three_winding(tables, open_ends, tap_pos),
    ]
    read_injections(tables, fixed, shunts)
    sources = read_sources(tables)
    if slack_vm_pu is not None:
        sources = with_source_voltage(sources, slack_vm_pu)
        tables.notes.append(f"external grids hold {slack_vm_pu:g} pu by the study")
    tables.problems.raise_if_any()
    buses = _buses(tables, names, geo)
    branches = join_branches([part for part in parts if part is not None])
    tables.notes.extend(unrated_notes(branches))
    grid = Grid(buses, branches, sources, switches, shunts.table(), fixed.table())
    _check_whole(tables, grid)
    return GridReading(grid, tuple(tables.notes))


def _place_buses(tables: Tables) -> tuple[list[str], list[tuple[float, float]]]:
    """Give the buses in service their positions; return their names and places on the map."""
    rows = tables.rows("bus")
    own = rows.names()
    by_name = len(own) == len(set(own)) and all(own)
    every = own if by_name else [str(index) for index in rows.index]
    vn_kv, on = rows.positive("vn_kv"), rows.flags("in_service")
    if not len(rows):
        tables.problems.add(Place(tables.file, "bus"), "no bus", "at least one")
    tables.position = dict.fromkeys(rows.index, OUT_OF_SERVICE)
    kept = np.flatnonzero(on)
    tables.position.update({rows.index[at]: place for place, at in enumerate(kept.tolist())})
    tables.vn_kv = vn_kv[kept].tolist()
    if not on.all():
        tables.notes.append(f"left out, since out of service: bus {listed(rows.where(~on).labels())}")
    return [every[at] for at in kept], _places(rows.where(on))


def _places(rows: Rows) -> list[tuple[float, float]]:
    """Map positions from the GeoJSON points in ``bus.geo``; NaN where unknown."""
    places = []
    for text in rows.texts("geo"):
        try:
            x, y = json.loads(text)["coordinates"][:2] if text else (math.nan, math.nan)
            places.append((float(x), float(y)))
        except (ValueError, TypeError, KeyError):
            rows.tables.notes.append(f"bus.geo holds {text[:40]!r}, no GeoJSON point: left off the map")
            places.append((math.nan, math.nan))
    return places


def _buses(tables: Tables, names: list[str], places: list[tuple[float, float]]) -> Buses:
    """The table of buses, star points of three-winding transformers at the end."""
    stars = len(tables.vn_kv) - len(names)
    taken = set(names)
    star_names: list[str] = []
    while len(star_names) < stars:
        name = f"star point {len(star_names) + 1}"
        star_names.append(name if name not in taken else f"transformer {name}")
    xy: FloatArray = np.array(places + [(math.nan, math.nan)] * stars, dtype=float).reshape(-1, 2)
    return Buses((*names, *star_names), np.array(tables.vn_kv, dtype=float), xy[:, 0].copy(), xy[:, 1].copy())


def _refuse_not_modelled(tables: Tables) -> None:
    for table, (what, suggestion) in NOT_MODELLED.items():
        rows = tables.rows(table)
        if not len(rows):
            continue
        on = rows.flags("in_service", missing=True)
        for at in np.flatnonzero(on):
            advice = f"{suggestion}, or take it out of service"
            rows.refuse(int(at), what, "an element that is modelled", advice)
        if not on.all():
            tables.notes.append(f"left out, since out of service: {table} {listed(rows.where(~on).labels())}")
    controllers = tables.rows("controller")
    if len(controllers) and controllers.flags("in_service", missing=True).any():
        tables.notes.append("controllers are not run: taps and set points stay as the file has them")


def _check_whole(tables: Tables, grid: Grid) -> None:
    """Raise what only shows once the grid is whole."""
    problems, buses, fixed = tables.problems, grid.buses, grid.fixed
    for index in unmatched_voltages(grid):
        a, b = int(grid.switches.bus_a[index]), int(grid.switches.bus_b[index])
        problems.add(
            Place(tables.file, "switch", grid.switches.name[index]),
            f"closed between {buses.vn_kv[a]:g} kV and {buses.vn_kv[b]:g} kV",
            "buses of one nominal voltage",
        )
    for first, second in clashing_sources(grid):
        problems.add(
            Place(tables.file, "ext_grid", grid.sources.name[second]),
            f"another voltage than {grid.sources.name[first]!r} holds at the same node",
            "one voltage a node",
            "open a switch between them or give them one voltage",
        )
    for index in islanded_injections(grid):
        problems.add(
            Place(tables.file, "fixed injections", fixed.name[index]),
            f"{fixed.p_kw[index]:g} kW at bus {buses.name[fixed.bus[index]]!r}, without a source",
            "a closed path to an external grid",
            "close a switch on its path or take it out of service",
        )
    problems.raise_if_any()
