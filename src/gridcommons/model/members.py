"""Who is connected: members, their assets, and where on the grid they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from gridcommons.model.assets import Asset
from gridcommons.model.errors import GridcommonsError, Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, Grid, IntArray
from gridcommons.model.phases import PHASES, bus_row

Contract = Literal["price", "reprofiling"]
"""What a member's flexibility answers to: prices, or calls of the DSO for re-profiling."""

EARTH = -1
"""The other end of what lies between a phase and earth."""

_PAIRS = (("a", "b"), ("b", "c"), ("c", "a"))
CONNECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    **{phase: ((phase, ""),) for phase in PHASES},
    **{"".join(pair): (pair,) for pair in _PAIRS},
    "delta": _PAIRS,
    "": tuple((phase, "") for phase in PHASES),
}
"""Between which phases a member of a three-phase grid lies, by the word in its ``phase``; empty is earth."""


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
        ``a``, ``b`` or ``c``; ``ab``, ``bc`` or ``ca`` between two phases; ``delta`` for three equal parts
        between the phases; empty for three-phase.
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
class Terminals:
    """Where the power of assets enters the grid: one row an asset and pair of phases, in the order of assets.

    In a balanced grid, and for an asset on one phase or between two, an asset is one row with all of its
    power; on three phases it is three rows with a third each.

    Parameters
    ----------
    asset : (rows,)
        Index of the asset.
    bus, to_bus : (rows,)
        Rows of ``Buses`` between which it lies; ``to_bus`` is -1 for earth.
    share : (rows,)
        Part of the asset's power, 0 to 1.
    """

    asset: IntArray
    bus: IntArray
    to_bus: IntArray
    share: FloatArray

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.asset)

    @cached_property
    def count(self) -> int:
        """Number of assets."""
        return int(self.asset.max(initial=-1)) + 1

    @cached_property
    def is_between(self) -> BoolArray:
        """Whether each row lies between two phases, shape (rows,)."""
        return np.asarray(self.to_bus != EARTH)

    @cached_property
    def _is_one_row_each(self) -> bool:
        return bool(np.array_equal(self.asset, np.arange(len(self))) and (self.share == 1.0).all())

    def of_rows(self, power: FloatArray) -> FloatArray:
        """Power of each row from that of each asset, shape (…, rows) from (…, assets) [kW or kvar]."""
        return power if self._is_one_row_each else np.asarray(power[..., self.asset] * self.share)

    def of_assets(self, slope: FloatArray) -> FloatArray:
        """What a kW of each asset does, from what one of each row does, shape (…, assets) from (…, rows)."""
        if self._is_one_row_each:
            return slope
        total = np.zeros((*slope.shape[:-1], self.count))
        np.add.at(total.T, self.asset, (slope * self.share).T)
        return total

    def taken(self, assets: IntArray) -> Terminals:
        """The rows of some assets, which are counted anew in this order."""
        rows = [np.flatnonzero(self.asset == asset) for asset in assets.tolist()]
        row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        anew = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
        return Terminals(anew, self.bus[row], self.to_bus[row], self.share[row])


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
        """Bus index of each asset of a balanced grid, shape (assets,).

        Raises
        ------
        GridcommonsError
            If the grid is three-phase: there an asset lies on phases, see ``terminals``.
        """
        if grid.is_three_phase:
            raise GridcommonsError(
                "asset_buses of a three-phase grid, where an asset may lie on several phases: use terminals"
            )
        bus = [grid.bus_index[self.member_by_id[asset.member].bus] for asset in self.assets]
        return np.array(bus, dtype=np.int64)

    def terminals(self, grid: Grid) -> Terminals:
        """Where each asset is connected: its bus, in a three-phase grid the phases of its member there.

        Raises
        ------
        GridcommonsError
            If a bus has not the phases that a member uses.
        """
        if not grid.is_three_phase:
            place = self.asset_buses(grid)
            return Terminals(np.arange(len(place)), place, np.full(len(place), EARTH), np.ones(len(place)))
        rows: list[tuple[int, int, int]] = []
        share: list[float] = []
        for index, asset in enumerate(self.assets):
            member = self.member_by_id[asset.member]
            ends = CONNECTIONS[member.phase]
            for phase, to_phase in ends:
                far = bus_row(grid, member.bus, to_phase) if to_phase else EARTH
                rows.append((index, bus_row(grid, member.bus, phase), far))
                share.append(1.0 / len(ends))
        of_asset, bus, to_bus = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return Terminals(of_asset, bus, to_bus, np.array(share))

    @cached_property
    def controllable(self) -> tuple[int, ...]:
        """Indices of the assets that get envelopes: flexible, of a member that opted in."""
        return tuple(
            index
            for index, asset in enumerate(self.assets)
            if asset.flexible and self.member_by_id[asset.member].opted_in
        )


def refuse_three_phase(grid: Grid, task: str) -> None:
    """Do nothing for a balanced grid.

    Raises
    ------
    StudyError
        If the grid is three-phase: ``task`` knows three phases that are alike, and no others.
    """
    if grid.is_three_phase:
        raise StudyError(
            [
                Problem(
                    file="study.toml",
                    table="grid",
                    found=f"a three-phase grid for the task {task!r}",
                    expected="a balanced grid: this task plans with three phases that are alike",
                    suggestion="ask for envelopes of this study, or give this task a balanced grid",
                )
            ]
        )
