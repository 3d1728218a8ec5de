"""A small study for the tests of flexibility: homes with cars and heat pumps on a short 11 kV feeder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from feeders import buses, tree
from gridcommons.flexibility.check import check_plan, view_grid
from gridcommons.flexibility.fleet import make_fleet
from gridcommons.flexibility.settings import Settings
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import EvCharger, HeatPump, Load
from gridcommons.model.members import Community, Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis

STEPS = 24
HOUR = np.arange(STEPS)
VN_KV = 11.0
K1 = (0.28, 0.315, 0.35, 0.385, 0.42)
PARENTS = (0, 1, 2, 2)
"""b1 behind b0 (the source), b2 behind b1, b3 and b4 behind b2; line k ends at bus k+1."""


def flexibility_study(
    homes=24, *, rated_kw=(1e4, 1e4, 1e4, 1e4), reprofiling=False, fixed_kw=100.0, vm_band=(0.9, 1.1), **task
) -> Study:
    """Homes at b3 and b4 in turn, aggregators ag0 to ag3 in turn, every second under re-profiling contract.

    ``rated_kw`` are the limits of lines 0 to 3 as power at nominal voltage.
    """
    rng = np.random.default_rng(1)
    i_max_ka = np.asarray(rated_kw) / (np.sqrt(3.0) * VN_KV) / 1e3
    grid = tree(PARENTS, complex(0.26, 0.027) * 0.75 / VN_KV**2, i_max_ka=i_max_ka)
    grid = replace(grid, buses=buses(5, VN_KV))
    columns = {"outdoor.temp_c": -4.0 * np.cos(2.0 * np.pi * (HOUR - 3.0) / 24.0)}
    members, assets = [], []
    for bus in (1, 2, 3, 4):
        members.append(Member(member=f"fixed{bus}", bus=f"b{bus}"))
        assets.append(Load(asset=f"load{bus}", member=f"fixed{bus}"))
        columns[f"load{bus}"] = fixed_kw * (1.0 + 0.6 * np.exp(-((HOUR - 18.0) ** 2) / 8.0))
    for home in range(homes):
        name = f"home{home}"
        contract = "reprofiling" if reprofiling and (home // 2) % 2 else "price"
        members.append(
            Member(
                member=name,
                bus=f"b{3 + home % 2}",
                aggregator=f"ag{home % 4}",
                supplier="supplier",
                contract=contract,
            )
        )
        leaves, returns = int(rng.integers(6, 9)), int(rng.integers(15, 19))
        columns[f"car{home}.plugged_in"] = np.where((leaves <= HOUR) & (returns > HOUR), 0.0, 1.0)
        drive_kwh = np.zeros(STEPS)
        drive_kwh[[leaves, returns - 1]] = 3.0
        columns[f"car{home}.drive_kwh"] = drive_kwh
        assets.append(car(f"car{home}", name))
        assets.append(pump(f"pump{home}", name, K1[rng.integers(len(K1))]))
    nothing = np.full(STEPS, np.nan)
    price = 0.35 + 0.1 * np.sin(HOUR) - 0.08 * np.exp(-((HOUR - 18.0) ** 2) / 3.0)
    return Study(
        name="test",
        currency="DKK",
        seed=7,
        grid=grid,
        community=Community(tuple(members), tuple(assets)),
        profiles=Profiles(TimeAxis(datetime(2024, 1, 10, tzinfo=UTC), 60, STEPS), columns),
        limits=voltage_band(grid, *vm_band),
        prices=Prices(price, nothing, nothing, nothing),
        tasks={"flexibility": task},
    )


def car(name, member, **changes) -> EvCharger:
    """A car of 25 kWh at an 11 kW station."""
    shares = {"soc_min_share": 0.2, "soc_max_share": 0.85, "departure_soc_share": 0.5}
    values = {"flexible": True, "charge_max_kw": 11.0, "energy_kwh": 25.0, **shares, **changes}
    return EvCharger(asset=name, member=member, **values)


def pump(name, member, k1=0.35, **changes) -> HeatPump:
    """A heat pump of 6 kW and its house."""
    house = {"k1_kw_per_k": k1, "k2_kw_per_k": 13.0 * k1, "air_kwh_per_k": 1.2, "structure_kwh_per_k": 9.0}
    house |= {"temp_min_c": 20.0, "temp_max_c": 24.0, "cop": 2.3, "consumption_max_kw": 6.0}
    return HeatPump(asset=name, member=member, flexible=True, **{**house, **changes})


def prepared(study, settings=None):
    """Settings, view, fleet, baseline plan and its load flow of a study."""
    settings = settings or Settings()
    fleet, view = make_fleet(study, settings), view_grid(study, "helm")
    plan_kw = fleet.plan(np.tile(fleet.spot_per_kwh, (len(fleet), 1)))
    return settings, view, fleet, plan_kw, check_plan(view, fleet, plan_kw)


def squeezed(share, *, line=0, **changes) -> Study:
    """The study with one line's limit at a share of what it carries at most in the baseline."""
    study = flexibility_study(**changes)
    *_, state = prepared(study)
    rated_kw = [1e4] * len(PARENTS)
    rated_kw[line] = share * float(state.carried_kw[:, line].max())
    return flexibility_study(**{**changes, "rated_kw": tuple(rated_kw)})
