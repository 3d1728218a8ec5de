"""Who is connected: members, their assets, and where on the grid they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from gridcommons.model.assets import Asset
from gridcommons.model.grid import Grid, IntArray

Contract = Literal["price", "reprofiling"]
"""What a member's flexibility answers to: prices, or calls of the DSO for re-profiling."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One connection and the household, business or station behind it.

    Parameters
    ----------
    member, bus : str
        Id of the member, name of its bus.
    cluster, aggregator, supplier : str
        Whom it belongs to; empty where it belongs to nobody.
    phase : str
        ``a``, ``b``, ``c``, or empty for three-phase.
    opted_in : bool
        An opted-out member's assets are fixed load everywhere.
    living_area_m2 : float
        Living area [m²], NaN where unknown.
    battery_share : float
        Its share of a community battery, 0 to 1.
    contract : {"price", "reprofiling"}
        ``price``: its aggregator answers prices. ``reprofiling``: under contract for scheduled
        re-profiling, planned by the spot price alone and called by the DSO.
    """

    member: str
    bus: str
    cluster: str = ""
    aggregator: str = ""
    supplier: str = ""
    phase: str = ""
    opted_in: bool = True
    living_area_m2: float = float("nan")
    battery_share: float = 0.0
    contract: Contract = "price"


@dataclass(frozen=True, eq=False)
class Community:
    """The members and all their assets, in the order of the files."""

    members: tuple[Member, ...]
    assets: tuple[Asset, ...]

    @cached_property
    def member_by_id(self) -> dict[str, Member]:
        """Members by id."""
        return {member.member: member for member in self.members}

    def asset_buses(self, grid: Grid) -> IntArray:
        """Bus index of each asset, shape (assets,)."""
        bus = [grid.bus_index[self.member_by_id[asset.member].bus] for asset in self.assets]
        return np.array(bus, dtype=np.int64)

    @cached_property
    def controllable(self) -> tuple[int, ...]:
        """Indices of the assets that get envelopes: flexible, of a member that opted in."""
        return tuple(
            index
            for index, asset in enumerate(self.assets)
            if asset.flexible and self.member_by_id[asset.member].opted_in
        )
