"""Small studies for the tests of the operating day: a street with cars, houses, batteries and roofs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np

from feeders import random_tree, tree
from flexibility_study import car, pump
from gridcommons.day.field import Field, make_field
from gridcommons.day.information import Information
from gridcommons.day.settings import Settings
from gridcommons.day.timeline import OperatingDay, Stages, instruments_of, run_day
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import Battery, Load, Pv
from gridcommons.model.members import Community, Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis
from gridcommons.ports import Engines

MIDNIGHT = datetime(2030, 2, 13, 23, tzinfo=UTC)
"""The first hour of 14 February in Berlin."""

EXACT = {"load_error_share": 0.0, "generation_error_share": 0.0, "temperature_error_c": 0.0}
"""Settings under which reality is as forecast."""

PARENTS = (0, 1, 2, 3, 2)
"""b1 behind b0 (the source) and so on to b4; b5 behind b2. Line k ends at bus k+1."""


def day_study(seed=1, *, homes=8, steps=24, minutes=60, rated_a=55.0, grid=None, **day) -> Study:
    """Homes along a street; ``day`` are settings of the day.

    All have a load, and in turn a car, a heat pump, a roof with a battery; the second half of them has an
    aggregator, ag0 or ag1. The last one has a supplier of its own.
    """
    rng = np.random.default_rng(seed)
    time = TimeAxis(MIDNIGHT, minutes, steps, "Europe/Berlin")
    hour = np.arange(steps) * minutes / 60.0
    if grid is None:
        grid = tree(PARENTS, (0.02 + 0.005j) / 0.16, i_max_ka=np.full(len(PARENTS), rated_a / 1e3))
    columns = {"outdoor.temp_c": 2.0 - 5.0 * np.cos((hour - 4.0) / 24.0 * 2.0 * np.pi)}
    members, assets = [], []
    for k in range(homes):
        name = f"home{k}"
        members.append(
            Member(
                member=name,
                bus=f"b{1 + k % (len(grid.buses) - 1)}",
                aggregator=f"ag{k % 2}" if k >= homes // 4 else "",
                supplier="other" if k == homes - 1 else "supplier",
                cluster=f"c{k % 2}",
            )
        )
        own, theirs = _home(rng, k, hour, minutes / 60.0)
        assets += own
        columns |= theirs
    sine = np.sin(hour / 24.0 * 4.0 * np.pi) + rng.uniform(-0.1, 0.1, steps)
    return Study(
        name="A small street",
        currency="EUR",
        seed=seed,
        grid=grid,
        community=Community(tuple(members), tuple(assets)),
        profiles=Profiles(time, columns),
        limits=voltage_band(grid, 0.9, 1.1),
        prices=Prices(0.25 + 0.08 * sine, 0.06 + 0.02 * sine, np.full(steps, 0.07), np.full(steps, np.nan)),
        tasks={
            "flexibility": {
                "tariff_cap_per_kwh": 0.004,
                "plan_curvature_per_kw2h": 0.002,
                "offer_price_per_kwh": 0.2,
                "offer_price_spread_per_kwh": 0.03,
                "clearing": "central",
            },
            "day": {"interval_minutes": 60, **day},
        },
        inputs_sha256=f"street {seed} {homes} {steps} {minutes} {rated_a}",
    )


def _home(rng, k, hour, hours):
    """Assets and profiles of one home."""
    name, steps = f"home{k}", len(hour)
    assets = [Load(asset=f"load{k}", member=name, power_factor=0.97)]
    evening = 0.3 + 1.5 * np.exp(-((hour - 19.0) ** 2) / 6.0)
    columns = {f"load{k}": evening * rng.uniform(0.5, 1.5, steps)}
    if k % 4 != 3:
        assets.append(car(f"car{k}", name))
        leaves, returns = (int(rng.uniform(*when) / hours) for when in ((6.0, 9.0), (15.0, 19.0)))
        away = (np.arange(steps) >= leaves) & (np.arange(steps) < returns)
        columns[f"car{k}.plugged_in"] = np.where(away, 0.0, 1.0)
        drive_kwh = np.zeros(steps)
        drive_kwh[[leaves % steps, (returns - 1) % steps]] = rng.uniform(1.0, 3.5)
        columns[f"car{k}.drive_kwh"] = drive_kwh
    if k % 3 != 1:
        assets.append(pump(f"pump{k}", name, rng.uniform(0.15, 0.3)))
        columns[f"pump{k}.water_kw"] = 0.4 * (hour >= 6.0) * (hour < 8.0)
    if k % 2:
        assets.append(Pv(asset=f"roof{k}", member=name, flexible=k % 4 == 1, generation_max_kw=8.0))
        sun = np.clip(np.sin((hour - 7.0) / 10.0 * np.pi), 0.0, None) * (np.abs(hour - 12.0) < 5.0)
        columns[f"roof{k}"] = 7.0 * sun * rng.uniform(0.5, 1.0)
        assets.append(home_battery(f"battery{k}", name))
    return assets, columns


def home_battery(name, member, **changes) -> Battery:
    """A battery of 10 kWh and 4 kW, with losses."""
    values = {"charge_max_kw": 4.0, "discharge_max_kw": 4.0, "energy_kwh": 10.0, "soc_initial_share": 0.4}
    values |= {"charge_efficiency_share": 0.95, "discharge_efficiency_share": 0.9}
    values |= {"soc_min_share": 0.1, "soc_max_share": 0.95, **changes}
    return Battery(asset=name, member=member, flexible=True, **values)


def random_day_study(seed, **day) -> Study:
    """A street on a random feeder, of 4 to 9 homes, with 8 to 24 intervals of an hour."""
    rng = np.random.default_rng([seed, 3])
    grid = random_tree(rng, int(rng.integers(3, 7)), rated_a=(25.0, 70.0))
    homes, steps = int(rng.integers(4, 10)), int(rng.integers(8, 25))
    return day_study(seed, homes=homes, steps=steps, grid=grid, **day)


def field_of(study: Study, **engines) -> Field:
    """The day of a study with its own settings."""
    return make_field(study, Settings(**study.tasks["day"]), Engines(**engines))


def day_of(field: Field, instruments=None) -> OperatingDay:
    """The day of a field; with everything that it has something for, unless instruments are named."""
    return run_day(Stages(field), instruments_of(field) if instruments is None else instruments)


@cache
def usual_field(**changes) -> Field:
    """The small street, for tests that change nothing about it."""
    return field_of(day_study(**changes))


@cache
def usual_day() -> OperatingDay:
    """Its day with everything."""
    return day_of(usual_field())


def otherwise(field: Field, step: int) -> Field:
    """The same day, in which everything turns out otherwise from an interval on."""
    told = field.information
    path = told._errors.path.copy()
    path[:, step:] = 1.5 - path[:, step:]
    errors = replace(told._errors, path=path)
    return Field(field.study, field.settings, field.engines, field.gates, Information(told._forecast, errors))


def nobody(field: Field) -> np.ndarray:
    """Plans of a day on which nobody but communities plans anything."""
    return np.zeros((field.study.time.steps, len(field.assets)))
