"""A study from streets, buildings and stations: a synthetic grid, a member a dwelling, assets to be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.grids.street_features import Plane
from gridcommons.adapters.grids.street_files import read_streets
from gridcommons.adapters.report.street_map import draw_street_map, standalone
from gridcommons.adapters.studies.draft import GRID_FILE, StudyDraft, local_window
from gridcommons.model.grid import Grid
from gridcommons.model.time import TimeAxis
from gridcommons.synthesis.street_grids import HouseConnection
from gridcommons.synthesis.street_plan import StreetPlan
from gridcommons.synthesis.streets import SyntheticGrid, synthesise_grid

TIMEZONE = "Europe/Berlin"
STEP_MINUTES = 15
FIRST_DAY = datetime(2030, 1, 1, tzinfo=ZoneInfo(TIMEZONE))
"""Start of the window where no day is asked for: the year of the future mix."""
MAP_FILE = "map.svg"
SYNTHESIS: dict[str, dict[str, str | float]] = {
    "synthesis": {
        "profiles": "standard",
        "weather": "try:12",
        "remark": "all shares are CHOSEN, and so is the power of batteries: write what is known of the place",
    },
    "synthesis.today": {"pv_share": 0.25, "pv_kw": 6.6},
    "synthesis.future": {
        "pv_share": 0.40,
        "pv_kw": 8.0,
        "battery_share": 0.30,
        "battery_kwh": 16.0,
        "battery_kw": 5.0,
        "heat_pump_share": 0.35,
        "heat_store_share": 0.10,
        "heat_store_kwh": 11.6,
        "ev_share": 0.25,
        "ev_kw": 11.0,
    },
}
"""What the members have today and in 2030; sizes as in source 3, shares that it does not print are chosen."""


@dataclass(kw_only=True)
class StreetDraft(StudyDraft):
    """A study from streets: the plan, the grid made of it, and the way back to the file's coordinates."""

    plan: StreetPlan
    made: SyntheticGrid
    plane: Plane

    def write_grid(self, folder: Path) -> None:
        """Write the grid in the plain format, and beside it a map."""
        write_grid(in_coordinates(self.made.grid, self.plane), folder / GRID_FILE)
        chart = draw_street_map(self.plan, self.made)
        (folder / MAP_FILE).write_text(standalone(chart), encoding="utf-8")


def draft_from_streets(
    path: Path, day: date | None, days: int | None, station_kva: float | None
) -> StreetDraft:
    """The study that a file of streets makes, over a local day or the first days of 2030.

    Raises
    ------
    StudyError
        With everything that is wrong with the file, or that keeps a house from being served.
    """
    reading = read_streets(path, station_kva)
    made = synthesise_grid(reading.plan)
    begin, end = local_window(FIRST_DAY, day, days, TIMEZONE)
    steps = int((end - begin).total_seconds() / 60 / STEP_MINUTES)
    axis = TimeAxis(begin.astimezone(UTC), STEP_MINUTES, steps, TIMEZONE)
    draft = StreetDraft(path.stem, axis, plan=reading.plan, made=made, plane=reading.plane)
    draft.synthesis = SYNTHESIS
    draft.members = members_of(made.houses)
    draft.said = [*_areas(made), *reading.notes, *made.notes, f"{MAP_FILE} shows the grid"]
    return draft


def members_of(houses: Sequence[HouseConnection]) -> dict[str, dict[str, str]]:
    """A member for each dwelling on the bus of its building, the living area shared equally.

    Parameters
    ----------
    houses : sequence of HouseConnection
        The buildings.

    Returns
    -------
    dict of str to dict
        Columns of ``members.csv`` by member id: the building's name where it has one dwelling, else with
        ``_1``, ``_2``, ... behind it.
    """
    members: dict[str, dict[str, str]] = {}
    buildings = {house.name for house in houses}
    for house in houses:
        columns = {
            "bus": house.name,
            "cluster": house.station,
            "living_area_m2": f"{house.living_area_m2 / house.households:g}",
        }
        for name in _dwellings(house, buildings | members.keys()):
            members[name] = columns
    return members


def _dwellings(house: HouseConnection, taken: set[str]) -> list[str]:
    if house.households == 1:
        return [house.name]
    mark = "_"
    while True:
        names = [f"{house.name}{mark}{number + 1}" for number in range(house.households)]
        # Another building may be called so: what has its own name keeps it.
        if taken.isdisjoint(names):
            return names
        mark += "_"


def in_coordinates(grid: Grid, plane: Plane) -> Grid:
    """The same grid with its buses at the coordinates of the file, to about a centimetre."""
    x, y = plane.back(grid.buses.x_map, grid.buses.y_map)
    return replace(grid, buses=replace(grid.buses, x_map=x, y_map=y))


def _areas(made: SyntheticGrid) -> list[str]:
    lines = [
        f"station {area.station.name}: {area.houses} houses with {area.households} households, "
        f"{area.design_kva:.0f} of {area.station.kva:g} kVA by design, {area.cable_m:.0f} m of cable"
        for area in made.areas
    ]
    return [f"cables in {made.trench_m:.0f} of {made.street_m:.0f} m of streets", *lines]
