"""Days in which envelopes and switches depend on each other: two clusters, a link, roofs and pumps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from day_study import field_of
from gridcommons.day.field import Field
from gridcommons.model.assets import HeatPump, Pv
from gridcommons.model.members import Community
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.tasks import default_engines


def switched_study(two_clusters: Study, seed: int, *, steps=10, rated_kw=(55.0, 55.0, 40.0), **day) -> Study:
    """``two_clusters`` over a random day, its roofs and two heat pumps flexible, its lines with a rating.

    Parameters
    ----------
    rated_kw : (branches,)
        What the two connections to the main grid and the link carry [kW].
    day
        Settings of the day.
    """
    rng = np.random.default_rng([seed, 11])
    time = replace(two_clusters.time, steps=steps)
    roofs = tuple(
        replace(asset, flexible=True) if isinstance(asset, Pv) else asset
        for asset in two_clusters.community.assets
    )
    pumps = tuple(
        HeatPump(asset=f"pump_{member}", member=member, consumption_max_kw=30.0, flexible=True)
        for member in ("home", "shop")
    )
    most_kw = {"roof_pv": 60.0, "home_load": 40.0, "shop_load": 60.0, "workshop_pv": 20.0}
    most_kw |= {pump.asset: 25.0 for pump in pumps}
    columns = {name: most * rng.random(steps) for name, most in most_kw.items()}
    branches = two_clusters.grid.branches
    rated_ka = np.array(rated_kw) / (np.sqrt(3.0) * 0.4) / 1e3
    grid = replace(
        two_clusters.grid, branches=replace(branches, i_max_from_ka=rated_ka, i_max_to_ka=rated_ka.copy())
    )
    percent = np.full_like(two_clusters.limits.loading_max_percent, 100.0)
    nothing = np.full(steps, np.nan)
    return replace(
        two_clusters,
        seed=seed,
        grid=grid,
        community=Community(two_clusters.community.members, (*roofs, *pumps)),
        profiles=Profiles(time, columns),
        limits=replace(two_clusters.limits, loading_max_percent=percent),
        prices=Prices(np.full(steps, 0.26), np.full(steps, 0.06), nothing, nothing),
        tasks={**two_clusters.tasks, "day": day},
    )


def switched_field(study: Study) -> Field:
    """Its day, with who moves switches."""
    engines = default_engines()
    return field_of(study, switch_controller=engines.switch_controller, method=engines.method)
