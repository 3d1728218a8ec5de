"""Which branches and buses come near their limits in some stage, and how near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.grid import GridPicture
from gridcommons.model.grid import FloatArray, IntArray

NEAR_SHARE = 0.9
"""A branch is shown from this share of its limit on."""

NEAR_PU = 0.01
"""A bus is shown where it comes this close to its band; more where a market asks for a wider margin."""


@dataclass(frozen=True, eq=False)
class Branches:
    """Branches near their limits, the worst first.

    Parameters
    ----------
    name : list of str
        Names.
    value, limit : (stages, steps, branches), (steps, branches)
        What each carries and may carry, in ``unit``.
    unit : list of str
        ``kW`` where the result tells what 100 % are, else ``%``.
    """

    name: list[str]
    value: FloatArray
    limit: FloatArray
    unit: list[str]


@dataclass(frozen=True, eq=False)
class Buses:
    """Buses near the ends of their band, the worst of each feeder, the worst feeder first.

    Voltages have the shape (stages, steps, buses), limits (steps, buses) [pu].
    """

    name: list[str]
    vm_pu: FloatArray
    vm_min_pu: FloatArray
    vm_max_pu: FloatArray


def find_branches(found: Material) -> Branches:
    """Branches that are broken or near their limit in any stage."""
    grid, limits = found.grid, found.limits
    steps = found.clock.steps
    if grid is None or limits is None or "branch_loadings" not in found.tables:
        nothing = np.zeros((steps, 0))
        return Branches([], np.zeros((len(found.stages), steps, 0)), nothing, [])
    loading = found.series("branch_loadings", "branch", "loading_percent", grid.branches)
    at, element = np.meshgrid(np.arange(steps), np.arange(len(grid.branches)), indexing="ij")
    limit = limits.at("loading_max_percent", at, element)
    share = np.where(loading > 0.0, loading / limit, 0.0)
    worst = np.nan_to_num(share).max(axis=(0, 1), initial=0.0)
    chosen = [b for b in _order(worst) if worst[b] >= NEAR_SHARE]
    names = [grid.branches.names[b] for b in chosen]
    scale = np.array([found.rated_kw.get(name, 100.0) / 100.0 for name in names])
    unit = ["kW" if name in found.rated_kw else "%" for name in names]
    return Branches(names, loading[:, :, chosen] * scale, limit[:, chosen] * scale, unit)


def find_buses(found: Material) -> tuple[Buses, int]:
    """The worst bus of each feeder with one near its band, and how many more buses are near."""
    grid, limits = found.grid, found.limits
    steps, empty = found.clock.steps, np.zeros((found.clock.steps, 0))
    if grid is None or limits is None or "bus_voltages" not in found.tables:
        return Buses([], np.zeros((len(found.stages), steps, 0)), empty, empty), 0
    vm_pu = found.series("bus_voltages", "bus", "vm_pu", grid.buses)
    at, element = np.meshgrid(np.arange(steps), np.arange(len(grid.buses)), indexing="ij")
    low, high = limits.at("vm_min_pu", at, element), limits.at("vm_max_pu", at, element)
    room = np.fmin(vm_pu - low, high - vm_pu)
    room = np.where(np.isfinite(room), room, np.inf).min(axis=(0, 1), initial=np.inf)
    room[grid.ways.is_source] = np.inf
    near = room < max(NEAR_PU, voltage_margin_pu(found)) + 1e-9
    feeder = feeders(grid)
    chosen: list[int] = []
    for bus in _order(-room):
        if near[bus] and feeder[bus] not in {feeder[other] for other in chosen}:
            chosen.append(bus)
    names = [grid.buses.names[bus] for bus in chosen]
    return Buses(names, vm_pu[:, :, chosen], low[:, chosen], high[:, chosen]), int(near.sum()) - len(chosen)


def voltage_margin_pu(found: Material) -> float:
    """How far inside the band a market asks for help [pu]; 0 without a market."""
    return float(found.setting("voltage_margin_pu") or 0.0) if "market" in found.stages else 0.0


def feeders(grid: GridPicture) -> IntArray:
    """Number of the way out of a source behind which each bus lies: its first bus; −1 for the sources."""
    ways, count = grid.ways, len(grid.buses)
    near: list[list[int]] = [[] for _ in range(count)]
    for a, b in zip(ways.from_bus[ways.closed].tolist(), ways.to_bus[ways.closed].tolist(), strict=True):
        near[a].append(b)
        near[b].append(a)
    feeder = np.full(count, -1, dtype=np.int64)
    queue = [bus for source in np.flatnonzero(ways.is_source) for bus in near[source]]
    for bus in queue:
        feeder[bus] = bus if not ways.is_source[bus] else -1
    while queue:
        bus = queue.pop(0)
        for other in near[bus]:
            if feeder[other] < 0 and not ways.is_source[other]:
                feeder[other] = feeder[bus]
                queue.append(other)
    return feeder


def _order(worst: FloatArray) -> list[int]:
    """Places by falling value; of equal ones the first."""
    return [int(place) for place in np.argsort(-worst, kind="stable")]
