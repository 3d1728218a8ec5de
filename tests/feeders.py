"""Small grids and studies made in Python, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from gridcommons.envelopes.problem import Window, make_plan
from gridcommons.envelopes.settings import Settings
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import Asset, Battery, EvCharger, Load, Pv
from gridcommons.model.grid import Branches, Buses, Grid, Sources
from gridcommons.model.limits import Limits
from gridcommons.model.members import Community, Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.time import TimeAxis
from gridcommons.powerflow.admittance import build_network


def branches(ends, z_pu, *, i_max_ka=None, **columns) -> Branches:
    """Lines between pairs of buses."""
    count = len(ends)
    nothing, rated = np.zeros(count), np.full(count, np.inf) if i_max_ka is None else np.asarray(i_max_ka)
    z = np.broadcast_to(np.asarray(z_pu, dtype=complex), count)
    given = {
        "name": tuple(f"line {k}" for k in range(count)),
        "kind": ("line",) * count,
        "from_bus": np.array([a for a, _ in ends]),
        "to_bus": np.array([b for _, b in ends]),
        "r_pu": z.real.copy(),
        "x_pu": z.imag.copy(),
        "g_from_pu": nothing,
        "b_from_pu": nothing,
        "g_to_pu": nothing,
        "b_to_pu": nothing,
        "ratio": np.ones(count),
        "shift_degree": nothing,
        "i_max_from_ka": rated,
        "i_max_to_ka": rated,
        "length_km": np.full(count, 0.1),
        "from_closed": np.ones(count, dtype=bool),
        "to_closed": np.ones(count, dtype=bool),
    }
    return Branches(**{**given, **columns})


def buses(count, vn_kv=0.4) -> Buses:
    """Buses named b0, b1, …"""
    return Buses(
        tuple(f"b{k}" for k in range(count)),
        np.full(count, vn_kv),
        np.arange(count, dtype=float),
        np.zeros(count),
    )


def source(bus=0, vm_pu=1.0, va_degree=0.0) -> Sources:
    """One source."""
    return Sources(("source",), np.array([bus]), np.array([vm_pu]), np.array([va_degree]))


def tree(parents, z_pu, *, i_max_ka=None) -> Grid:
    """A radial feeder: bus k+1 hangs on bus parents[k]."""
    ends = [(int(p), k + 1) for k, p in enumerate(parents)]
    return Grid(buses(len(parents) + 1), branches(ends, z_pu, i_max_ka=i_max_ka), source())


def random_tree(generator: np.random.Generator, count: int, *, rated_a=(80.0, 200.0)) -> Grid:
    """A random radial low-voltage feeder with R well above X."""
    parents = [int(generator.integers(0, k + 1)) for k in range(count)]
    length = generator.uniform(0.03, 0.25, count)
    ohm = (generator.uniform(0.2, 0.65, count) + 0.08j) * length
    rated_ka = generator.uniform(*rated_a, count) / 1e3
    return tree(parents, ohm / 0.16, i_max_ka=rated_ka)


def study(
    grid: Grid, assets: list[Asset], profiles=None, *, steps=1, limits: Limits | None = None, **tasks
) -> Study:
    """A study with the asset's member named after its bus."""
    members = tuple(Member(member=name, bus=name) for name in grid.buses.name)
    time = TimeAxis(datetime(2024, 6, 1, tzinfo=UTC), 15, steps)
    columns = {
        name: np.broadcast_to(np.asarray(value, float), steps).copy()
        for name, value in (profiles or {}).items()
    }
    return Study(
        name="test",
        currency="EUR",
        seed=7,
        grid=grid,
        community=Community(members, tuple(assets)),
        profiles=Profiles(time, columns),
        limits=voltage_band(grid, 0.95, 1.05) if limits is None else limits,
        tasks={"envelopes": tasks},
    )


def window(of: Study, settings: Settings | None = None, method: str = "helm") -> Window:
    """All steps of a study as one window."""
    plan = make_plan(of, build_network(of.grid), settings or Settings())
    return plan.window(0, of.time.steps, method)


def battery(name: str, member: str, power_kw: float, **changes) -> Battery:
    """A lossless battery, half full, large enough that its energy never binds."""
    made = Battery(
        asset=name,
        member=member,
        flexible=True,
        charge_max_kw=power_kw,
        discharge_max_kw=power_kw,
        energy_kwh=1000.0 * max(power_kw, 1.0),
        charge_efficiency_share=1.0,
        discharge_efficiency_share=1.0,
        soc_initial_share=0.5,
        soc_min_share=0.0,
        soc_max_share=1.0,
    )
    return replace(made, **changes)


def charger(name: str, member: str, power_kw: float = 22.0) -> EvCharger:
    """A flexible charging station."""
    return EvCharger(asset=name, member=member, flexible=True, charge_max_kw=power_kw)


def load(name: str, member: str) -> Load:
    """A plain load."""
    return Load(asset=name, member=member)


def solar(name: str, member: str, power_kw: float) -> Pv:
    """A flexible solar roof."""
    return Pv(asset=name, member=member, flexible=True, generation_max_kw=power_kw)
