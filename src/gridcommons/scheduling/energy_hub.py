"""A community as it sees itself: its assets, what its members need, and prices; nothing of the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.model.assets import Asset, Chp, HeatPump, Load
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.grid import FloatArray, IntArray, Names
from gridcommons.model.members import Member
from gridcommons.model.profiles import Profiles, room_cop
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.devices.heat_pump import OUTDOOR
from gridcommons.optimisation.devices.operation import Horizon, Past

PLANNED_WITHOUT_FLAG = ("boiler", "heat_store")
"""Kinds without electric power: they have no ``flexible`` and are planned where their member opted in."""


@dataclass(frozen=True, eq=False)
class EnergyHub:
    """One community over one horizon.

    Parameters
    ----------
    name : str
        The cluster of its members.
    bus : tuple of str
        Its connections to the grid.
    planned, fixed : tuple of Asset
        What it controls; what follows its profile.
    connection : mapping of str to int
        Position in ``bus`` of each asset.
    fixed_kw, fixed_kvar : (fixed, steps)
        Net power of what is fixed [kW], [kvar].
    heat_demand_kw : (fixed, steps)
        Heat that each of the fixed takes, negative where it gives some [kW].
    horizon : Horizon
        Profiles of the planned assets, and how they start.
    prices : Prices
        Of the horizon.
    p_min_kw, p_max_kw : (planned, steps)
        Operating envelopes [kW]; infinite where there are none.
    untouched : frozenset of str
        Assets of members who opted out.
    may_shed : bool
        Whether load may be left unserved at all.
    """

    name: str
    bus: Names
    planned: tuple[Asset, ...]
    fixed: tuple[Asset, ...]
    connection: Mapping[str, int]
    fixed_kw: FloatArray
    fixed_kvar: FloatArray
    heat_demand_kw: FloatArray
    horizon: Horizon
    prices: Prices
    p_min_kw: FloatArray
    p_max_kw: FloatArray
    untouched: frozenset[str] = frozenset()
    may_shed: bool = True

    @property
    def steps(self) -> int:
        """Number of intervals."""
        return self.horizon.steps

    @property
    def hours(self) -> float:
        """Length of an interval [h]."""
        return self.horizon.hours

    @property
    def may_be_shed(self) -> IntArray:
        """Positions in ``fixed`` of loads that can be left unserved: those of members who opted in."""
        return np.flatnonzero(
            [
                self.may_shed and isinstance(asset, Load) and asset.asset not in self.untouched
                for asset in self.fixed
            ]
        )

    def connections_of(self, assets: Sequence[Asset] | Names) -> IntArray:
        """Position in ``bus`` of each of some assets, shape (assets,)."""
        names = [asset if isinstance(asset, str) else asset.asset for asset in assets]
        return np.array([self.connection[name] for name in names], dtype=np.int64)


def communities_of(study: Study) -> dict[str, list[Member]]:
    """Members of each community (cluster), in the order of the file; those without one belong to none."""
    communities: dict[str, list[Member]] = {}
    for member in study.community.members:
        if member.cluster:
            communities.setdefault(member.cluster, []).append(member)
    return communities


def is_planned(asset: Asset, member: Member) -> bool:
    """Whether a community controls an asset of this member."""
    return member.opted_in and (asset.flexible or asset.kind in PLANNED_WITHOUT_FLAG)


def make_hub(
    study: Study, name: str, steps: slice, start: Mapping[str, float], past: Past | None = None
) -> EnergyHub:
    """One community over some intervals of a study.

    Parameters
    ----------
    study : Study
        With prices.
    name : str
        The community.
    steps : slice
        Which intervals.
    start : mapping of str to float
        States of its assets where other intervals were planned before.
    past : Past, optional
        What is over, where the rest of a horizon is planned anew.
    """
    members = {member.member: member for member in communities_of(study)[name]}
    bus = tuple(dict.fromkeys(member.bus for member in members.values()))
    assets = [asset for asset in study.community.assets if asset.member in members]
    planned = tuple(asset for asset in assets if is_planned(asset, members[asset.member]))
    fixed = tuple(asset for asset in assets if not is_planned(asset, members[asset.member]))
    profiles = window_of(study.profiles, steps)
    fixed_kw, fixed_kvar = follow_profiles(study, fixed, steps)
    low_kw, high_kw = _envelopes(study.envelopes, planned, steps)
    return EnergyHub(
        name=name,
        bus=bus,
        planned=planned,
        fixed=fixed,
        connection={asset.asset: bus.index(members[asset.member].bus) for asset in assets},
        fixed_kw=fixed_kw,
        fixed_kvar=fixed_kvar,
        heat_demand_kw=np.array(
            [_heat_taken_kw(asset, profiles, fixed_kw[k]) for k, asset in enumerate(fixed)]
        ).reshape(fixed_kw.shape),
        horizon=Horizon(_own_profiles(profiles, planned), dict(start), past),
        prices=_prices_of(study, steps),
        p_min_kw=low_kw,
        p_max_kw=high_kw,
        untouched=frozenset(asset.asset for asset in fixed if not members[asset.member].opted_in),
    )


def _heat_taken_kw(asset: Asset, profiles: Profiles, p_kw: FloatArray) -> FloatArray:
    """Heat that a fixed asset takes from the heating, negative where it gives some, shape (steps,) [kW].

    A heat pump without a house gives COP times what it draws, a turbine what electricity leaves of its heat.
    """
    if isinstance(asset, HeatPump) and not asset.has_house:
        water_kw = profiles.of(f"{asset.asset}.water_kw")
        return -np.nan_to_num(room_cop(asset, profiles)) * (p_kw - water_kw)
    if isinstance(asset, Chp) and asset.electric_share > 0.0:
        return p_kw * (1.0 - asset.electric_share) / asset.electric_share
    return profiles.of(f"{asset.asset}.heat_kw")


def follow_profiles(study: Study, assets: Sequence[Asset], steps: slice) -> tuple[FloatArray, FloatArray]:
    """Net power of assets that follow their profiles, within envelopes; (assets, steps) each [kW], [kvar]."""
    profiles, shape = window_of(study.profiles, steps), (len(assets), steps.stop - steps.start)
    net_kw = np.array([asset.net_kw(profiles.signals(asset)) for asset in assets]).reshape(shape)
    p_kw = np.clip(net_kw, *_envelopes(study.envelopes, assets, steps))
    q_kvar = np.array([profiles.net_kvar(asset, p_kw[k]) for k, asset in enumerate(assets)]).reshape(shape)
    return p_kw, q_kvar


def window_of(profiles: Profiles, steps: slice) -> Profiles:
    """The profiles of some intervals alone."""
    time = profiles.time
    axis = TimeAxis(
        time.local(steps.start).astimezone(time.start.tzinfo),
        time.step_minutes,
        steps.stop - steps.start,
        time.timezone,
    )
    return Profiles(axis, {name: column[steps] for name, column in profiles.columns.items()})


def _own_profiles(profiles: Profiles, assets: Sequence[Asset]) -> Profiles:
    """The columns of some assets, and the weather: a community sees nobody else's."""
    own = {asset.asset for asset in assets}
    columns = {
        name: column
        for name, column in profiles.columns.items()
        if name.partition(".")[0] in own or name == OUTDOOR
    }
    return replace(profiles, columns=columns)


def _prices_of(study: Study, steps: slice) -> Prices:
    prices = study.prices
    assert prices is not None  # refused before
    return Prices(
        prices.import_price_per_kwh[steps],
        prices.export_price_per_kwh[steps],
        np.nan_to_num(prices.network_fee_per_kwh[steps]),
        prices.heat_price_per_kwh[steps],
    )


def _envelopes(
    envelopes: Envelopes | None, assets: Sequence[Asset], steps: slice
) -> tuple[FloatArray, FloatArray]:
    shape = (len(assets), steps.stop - steps.start)
    low_kw, high_kw = np.full(shape, -np.inf), np.full(shape, np.inf)
    if envelopes is not None:
        for row, asset in enumerate(assets):
            if asset.asset in envelopes.asset:
                place = envelopes.asset.index(asset.asset)
                low_kw[row] = envelopes.p_min_kw[steps, place]
                high_kw[row] = envelopes.p_max_kw[steps, place]
    return low_kw, high_kw
