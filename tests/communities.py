"""Small communities with clusters, links and connections, for tests of trading and switching."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from gridcommons.model.assets import Load, Pv
from gridcommons.model.grid import Branches, Buses, Grid, Sources
from gridcommons.model.limits import Limits
from gridcommons.model.members import Community, Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.switches import Switch
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis

CLUSTERS = ("A", "B", "C")
LINKS = (("A-B", 0, 1), ("B-C", 1, 2))


def community_study(
    consumption_kw: np.ndarray,
    generation_kw: np.ndarray,
    *,
    step_minutes: int = 15,
    pccs: tuple[str, ...] = ("A", "C"),
    link_capacity_kw: float = np.inf,
    moves: bool = True,
    closed: bool = True,
    cost: float = 0.0,
    **task,
) -> Study:
    """Three clusters in a row, one member each with a load and a roof, shape (steps, 3) [kW]."""
    steps = len(consumption_kw)
    names = [*CLUSTERS, *(f"main {name}" for name in pccs)]
    ends = [(CLUSTERS.index(name), 3 + k) for k, name in enumerate(pccs)]
    ends += [(a, b) for _, a, b in LINKS]
    count = len(ends)
    none = np.zeros(count)
    z_base = 0.4**2
    branches = Branches(
        tuple([f"PCC {name}" for name in pccs] + [name for name, _, _ in LINKS]),
        ("line",) * count,
        np.array([b for _, b in ends]),
        np.array([a for a, _ in ends]),
        none + 0.004 / z_base,
        none + 0.003 / z_base,
        none, none, none, none,
        none + 1.0, none,
        none + np.inf, none + np.inf,
        none + 0.05,
        np.full(count, closed), np.full(count, closed),
    )  # fmt: skip
    sources = Sources(
        tuple(f"main {name}" for name in pccs),
        np.arange(3, 3 + len(pccs)),
        np.ones(len(pccs)),
        np.zeros(len(pccs)),
    )
    buses = Buses(tuple(names), np.full(len(names), 0.4), np.zeros(len(names)), np.zeros(len(names)))
    grid = Grid(buses, branches, sources)
    switches = tuple(
        Switch(name, (row,), closed, link_capacity_kw if row >= len(pccs) else np.inf, cost, moves)
        for row, name in enumerate(branches.name)
    )
    members = tuple(Member(member=f"m{name}", bus=name, cluster=name) for name in CLUSTERS)
    assets = tuple(
        asset
        for name in CLUSTERS
        for asset in (
            Load(asset=f"load_{name}", member=f"m{name}"),
            Pv(asset=f"pv_{name}", member=f"m{name}", generation_max_kw=1e3),
        )
    )
    columns = {f"load_{name}": consumption_kw[:, k] for k, name in enumerate(CLUSTERS)}
    columns |= {f"pv_{name}": generation_kw[:, k] for k, name in enumerate(CLUSTERS)}
    time = TimeAxis(datetime(2022, 6, 15, tzinfo=UTC), step_minutes, steps)
    blank = np.full(steps, np.nan)
    return Study(
        name="three clusters",
        currency="EUR",
        seed=3,
        grid=grid,
        community=Community(members, assets),
        profiles=Profiles(time, columns),
        limits=wide_limits(grid),
        prices=Prices(np.full(steps, 0.30), np.full(steps, 0.10), blank, blank),
        switches=switches,
        tasks={"trading": task} if task else {},
    )


def wide_limits(grid: Grid) -> Limits:
    """A voltage band of ± 15 %, and nothing else."""
    buses, branches = len(grid.buses), len(grid.branches)
    return Limits(
        np.full((1, buses), 0.85),
        np.full((1, buses), 1.15),
        np.full((1, buses), -np.inf),
        np.full((1, buses), np.inf),
        np.full((1, branches), np.inf),
        np.full((1, branches), -np.inf),
        np.full((1, branches), np.inf),
    )
