"""Studies on three-phase grids for tests: members on phases, and the European feeder with its customers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import gridcommons
from feeders import study
from gridcommons.adapters.grids.plain_json import read_plain_grid
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import Asset, EvCharger, Load, Pv
from gridcommons.model.grid import Grid, no_phase_loads
from gridcommons.model.members import Community, Member
from gridcommons.model.phases import bus_of_row, phase_of_row
from gridcommons.model.study import Study
from three_phase import Drawing

EUROPEAN_LV = Path(gridcommons.__file__).parent / "reference" / "european_lv" / "grid.json.gz"


def phase_study(
    grid: Grid,
    members: Mapping[str, str],
    assets: Sequence[Asset],
    profiles: Mapping[str, object] | None = None,
    *,
    steps: int = 1,
    band: tuple[float, float] = (0.9, 1.1),
) -> Study:
    """A study whose members are given as ``{name: "bus.phase"}``, the phase empty for all three."""
    of = study(grid, [], profiles, steps=steps, limits=voltage_band(grid, *band))
    who = tuple(
        Member(member=name, bus=bus_of_row(place), phase=phase_of_row(place))
        for name, place in members.items()
    )
    return replace(of, community=Community(who, tuple(assets)))


def rated(grid: Grid, ampere: Mapping[str, float]) -> Grid:
    """The grid with ratings of branches by name, each for all of its conductors [A]."""
    branches = grid.branches
    ka = np.array([ampere.get(bus_of_row(name), np.inf) / 1e3 for name in branches.name])
    return replace(grid, branches=replace(branches, i_max_from_ka=ka, i_max_to_ka=ka.copy()))


def four_wire_line(own: complex = 0.3 + 0.1j, mutual: complex = 0.12 + 0.04j) -> np.ndarray:
    """Impedances of a line whose neutral is resistive: a load on one phase lifts the two others [ohm]."""
    return np.full((3, 3), mutual) + np.eye(3) * (own - mutual)


def street(buses: int = 2, z_ohm: np.ndarray | None = None) -> Drawing:
    """A source and a row of three-phase buses 1, 2, …"""
    drawing, z = Drawing(), four_wire_line() if z_ohm is None else z_ohm
    for name in ("source", *map(str, range(1, buses + 1))):
        drawing.add_bus(name)
    for k in range(buses):
        drawing.add_line(f"L{k + 1}", ("source" if k == 0 else str(k), str(k + 1)), z)
    return drawing


def european_lv(head_a: float, band: tuple[float, float], load_kw: Sequence[float]) -> Study:
    """The European feeder; each of its 55 customers has load, a 7.4 kW charger and 5 kW of solar cells."""
    raw = json.loads(gzip.decompress(EUROPEAN_LV.read_bytes()))
    grid = rated(read_plain_grid(raw, EUROPEAN_LV.name), {"LINE1": head_a})
    places = {f"m{k}": grid.buses.name[bus] for k, bus in enumerate(grid.phase_loads.bus)}
    assets: list[Asset] = []
    profiles: dict[str, object] = {}
    for name in places:
        assets += [
            Load(asset=f"load_{name}", member=name, power_factor=0.95),
            EvCharger(asset=f"ev_{name}", member=name, flexible=True, charge_max_kw=7.4),
            Pv(asset=f"pv_{name}", member=name, flexible=True, generation_max_kw=5.0),
        ]
        profiles |= {f"load_{name}": load_kw, f"pv_{name}": 5.0}
    of = phase_study(
        replace(grid, phase_loads=no_phase_loads()), places, assets, profiles, steps=len(load_kw), band=band
    )
    return replace(of, seed=5)
