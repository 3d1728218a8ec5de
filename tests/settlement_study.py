"""Small studies for the tests of settlement: members whose meters count what a test says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from feeders import study, tree
from gridcommons.known_answers.settlement import EXAMPLE
from gridcommons.model.assets import Load, Pv
from gridcommons.model.members import Community, Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis

SUMMER = datetime(2025, 7, 1, tzinfo=UTC)
"""The first hour of the day in which most rules are in force."""

EXAMPLE_TASK = {
    "rules": "Austria, EEG local",
    "internal_price_per_kwh": 0.12,
}
EXAMPLE_TERMS = {
    "shares": {"B": 0.6, "C": 0.4},
    "priority": ["B", "C", "A"],
    "pairs": [["B", "A", 0.6], ["C", "A", 0.4]],
}


def sharing_study(
    net_kwh, *, names=None, start=SUMMER, minutes=15, suppliers=(), prices=None, **task
) -> Study:
    """Members whose meters count a net energy, shape (steps, members), positive when the grid delivers [kWh].

    Each has a load and a plant behind its meter, 1 kW apart at least: what meters count is their difference.
    """
    steps, members = net_kwh.shape
    names = [f"m{k}" for k in range(members)] if names is None else names
    of = study(tree(range(members), 0.001), [], steps=steps)
    columns, assets, hours = {}, [], minutes / 60.0
    for name, net_kw in zip(names, (net_kwh / hours).T, strict=True):
        assets += [Load(asset=f"{name}_load", member=name)]
        assets += [Pv(asset=f"{name}_pv", member=name, generation_max_kw=100.0)]
        columns[f"{name}_load"] = np.maximum(net_kw, 0.0) + 1.0
        columns[f"{name}_pv"] = np.maximum(-net_kw, 0.0) + 1.0
    supplied = [*suppliers, *[""] * members]
    who = tuple(Member(member=name, bus=f"b{k + 1}", supplier=supplied[k]) for k, name in enumerate(names))
    return replace(
        of,
        community=Community(who, tuple(assets)),
        profiles=Profiles(TimeAxis(start, minutes, steps), columns),
        prices=flat_prices(steps) if prices is None else prices,
        tasks={"settlement": task},
    )


def flat_prices(steps, supply=0.20, export=0.08, fee=0.10) -> Prices:
    """The same prices in all intervals; energy without the fee."""
    return Prices(
        *(np.broadcast_to(np.asarray(price, float), steps) for price in (supply, export, fee, np.nan))
    )


def worked_example(**task) -> Study:
    """Members A, B and C of the known answers."""
    net_kwh = EXAMPLE.withdrawal_kwh - EXAMPLE.injection_kwh
    return sharing_study(net_kwh, names=["A", "B", "C"], **{**EXAMPLE_TASK, **task})


def random_study(seed, *, steps=8, members=5, **task) -> Study:
    """Members that draw and inject at random; import is dearer than feed-in, whose price has any sign."""
    generator = np.random.default_rng(seed)
    net_kwh = generator.normal(0.5, 2.0, (steps, members)) * (generator.random((steps, members)) > 0.2)
    export = generator.uniform(-0.1, 0.2, steps)
    supply = export + generator.uniform(0.0, 0.3, steps)
    prices = flat_prices(steps, supply, export, generator.uniform(0.0, 0.1, steps))
    return sharing_study(net_kwh, prices=prices, suppliers=["s1", "s2", "s1"], **task)
