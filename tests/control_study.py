"""A small study for the tests of control: five homes on a chain, a few winter days, everything at hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from gridcommons.known_answers import chain_grid, voltage_band
from gridcommons.model.assets import Battery, EvCharger, HeatPump, HeatStore, Load, Pv
from gridcommons.model.grid import Grid
from gridcommons.model.members import Community, Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis

HOMES = 4


def control_study(days=3, seed=1, *, rating_ka=np.inf, cars=True, **tasks):
    """Homes 1 to 4 behind lines 1 to 4: all have sun, heat pump and car; stores in homes 2 to 4."""
    rng = np.random.default_rng(seed)
    time = TimeAxis(datetime(2030, 1, 6, 23, tzinfo=UTC), 15, 96 * days, "Europe/Berlin")
    hour = time.local_clock()[1]
    columns: dict[str, np.ndarray] = {}
    assets, today = [], []
    for k in range(1, HOMES + 1):
        home = f"home_{k}"
        own = _devices(home, with_stores=k > 1)
        assets += own
        today += [own[0], Pv(asset=f"{home}_pv_today", member=home, generation_max_kw=3.0)]
        evening = 0.4 + 1.6 * np.exp(-((hour - 19.0) ** 2) / 4.0)
        columns[f"{home}_load"] = evening * rng.uniform(0.7, 1.3, len(hour))
        sun = np.clip(np.sin((hour - 8.0) / 8.0 * np.pi), 0.0, None) * (np.abs(hour - 12.0) < 4.0)
        columns[f"{home}_pv"] = 6.0 * sun * np.repeat(rng.uniform(0.2, 1.0, days), 96)
        columns[f"{home}_pv_today"] = 0.5 * columns[f"{home}_pv"]
        columns[f"{home}_heat_pump"] = rng.uniform(0.6, 1.2, len(hour)) + 0.8 * (hour > 17.0)
        columns[f"{home}_heat_pump.cop"] = np.full(len(hour), 3.0)
        arrives = 17.5 + rng.uniform(0.0, 1.5)
        columns[f"{home}_ev"] = 11.0 * cars * ((hour >= arrives) & (hour < arrives + 1.0))
    members = tuple(Member(member=f"home_{k}", bus=f"bus {k}") for k in range(1, HOMES + 1))
    flat, grid = np.ones(len(hour)), rated_chain(rating_ka)
    return Study(
        name="Five homes in winter",
        currency="EUR",
        seed=seed,
        grid=grid,
        community=Community(members, tuple(assets)),
        profiles=Profiles(time, columns),
        limits=voltage_band(grid, 0.9, 1.1),
        prices=Prices(0.30 * flat, 0.08 * flat, 0.05 * flat, np.nan * flat),
        today=Community(members, tuple(today)),
        tasks={"control": tasks},
        inputs_sha256=f"{days} {seed} {rating_ka} {cars}",
    )


def _devices(home, *, with_stores):
    devices = [
        Load(asset=f"{home}_load", member=home),
        Pv(asset=f"{home}_pv", member=home, generation_max_kw=6.0),
        EvCharger(asset=f"{home}_ev", member=home, charge_max_kw=11.0, flexible=True),
        HeatPump(asset=f"{home}_heat_pump", member=home, consumption_max_kw=3.0, flexible=True),
    ]
    if with_stores:
        devices += [
            Battery(
                asset=f"{home}_battery", member=home, flexible=True, charge_max_kw=4.0, discharge_max_kw=4.0,
                energy_kwh=10.0, charge_efficiency_share=0.95, discharge_efficiency_share=0.95,
                soc_initial_share=0.5, soc_min_share=0.05, soc_max_share=1.0,
            ),
            HeatStore(asset=f"{home}_heat_store", member=home, energy_kwh=8.0, soc_initial_share=0.5),
        ]  # fmt: skip
    return devices


def rated_chain(rating_ka) -> Grid:
    """The chain of the known answers, its lines rated."""
    grid = chain_grid()
    rating = np.full(len(grid.branches), rating_ka)
    return replace(grid, branches=replace(grid.branches, i_max_from_ka=rating, i_max_to_ka=rating))
