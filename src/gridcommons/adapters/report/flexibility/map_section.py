"""The grid at the hour that is farthest beyond a limit, before and after."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.flexibility.loads import find_branches
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import stage_name
from gridcommons.adapters.report.grid import GridPicture, LimitBook, Snapshot
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.map import draw_maps
from gridcommons.model.grid import FloatArray

_HEADING = "The grid at its worst hour"


def map_section(found: Material) -> Section | None:
    """Maps of the first and the last stage; None where the result does not describe its grid."""
    grid, limits = found.grid, found.limits
    if grid is None or limits is None or "bus_voltages" not in found.tables:
        return None
    vm_pu = found.series("bus_voltages", "bus", "vm_pu", grid.buses)
    if not np.isfinite(vm_pu).any():
        return Section("map", _HEADING, html.nothing("The result holds no voltages."))
    loading = found.series("branch_loadings", "branch", "loading_percent", grid.branches)
    step = worst_step(found)
    snapshots = {
        _title(found, place): _snapshot(grid, limits, step, vm_pu[place, step], loading[place, step])
        for place in dict.fromkeys((0, len(found.stages) - 1))
    }
    said = (
        f"At {found.clock.brief(step)}, when the baseline is farthest beyond its limits or nearest to them. "
    )
    said += (
        "Buses stand at the coordinates of the grid file."
        if grid.layout.is_map
        else "The grid file has no coordinates: distance from the source grows to the right."
    )
    chart = draw_maps(grid, limits, found.clock, snapshots, "worst of the baseline")
    return Section("map", _HEADING, html.text(said) + html.figure(chart))


def worst_step(found: Material) -> int:
    """The interval in which the baseline is farthest beyond a limit, else that of its highest loading."""
    rows = found.violations
    mine = np.flatnonzero(rows["scenario"] == found.stages[0])
    if len(mine):
        share = rows["excess"][mine] / np.abs(rows["limit"][mine])
        return int(found.clock.step_of(rows["time"][mine[[int(np.argmax(share))]]])[0])
    branches = find_branches(found)
    if branches.name:
        return int(np.argmax((branches.value[0] / branches.limit).max(axis=1)))
    return 0


def _title(found: Material, place: int) -> str:
    name = stage_name(found.stages[place])
    return name.capitalize() if place == 0 else f"After {name}"


def _snapshot(
    grid: GridPicture, limits: LimitBook, step: int, vm_pu: FloatArray, loading_percent: FloatArray
) -> Snapshot:
    buses, branches = np.arange(len(grid.buses)), np.arange(len(grid.branches))
    return Snapshot(
        step,
        vm_pu,
        loading_percent,
        grid.ways.is_source,
        limits.at("vm_min_pu", np.full(len(buses), step), buses),
        limits.at("vm_max_pu", np.full(len(buses), step), buses),
        limits.at("loading_max_percent", np.full(len(branches), step), branches),
    )
