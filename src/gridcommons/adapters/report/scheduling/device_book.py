"""What each device does before and after, and the reactive power that it gives where it was bought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.tables import Names
from gridcommons.model.grid import BoolArray, FloatArray

_VALUES = ("p_kw", "q_kvar", "heat_kw", "soc_share")
_OWN_HEAT = "smart_boiler"
"""The kind whose heat goes into its own tank."""

_HOUSE_PUMP = "heat_pump"
"""The kind whose heat goes into its own house where it has a state; else into the heating."""


@dataclass(frozen=True, eq=False)
class DeviceBook:
    """Devices of all communities over the window.

    Parameters
    ----------
    asset, community, kind : tuple of str
        Which devices.
    p_kw, q_kvar : (devices, steps)
        Net power, positive when drawn [kW], [kvar].
    heat_kw : (devices, steps)
        Heat given, negative where taken [kW].
    soc_share : (devices, steps)
        State of charge at the end of each interval; NaN where nothing is stored.
    """

    asset: tuple[str, ...]
    community: tuple[str, ...]
    kind: tuple[str, ...]
    p_kw: FloatArray
    q_kvar: FloatArray
    heat_kw: FloatArray
    soc_share: FloatArray

    @property
    def has_own_heat(self) -> BoolArray:
        """Whether the heat of a device is no part of its community's balance, shape (devices,)."""
        has_state = np.isfinite(self.soc_share).any(axis=1)
        kind = np.array(self.kind, dtype=object)
        return np.asarray((kind == _OWN_HEAT) | ((kind == _HOUSE_PUMP) & has_state), dtype=np.bool_)

    def rows_of(self, community: str, kind: str = "") -> BoolArray:
        """Which devices are a community's, or those of a kind alone, shape (devices,)."""
        mine = np.array([each == community for each in self.community], dtype=np.bool_)
        if kind:
            mine &= np.array([each == kind for each in self.kind], dtype=np.bool_)
        return mine


def read_devices(found: Material, table: str) -> DeviceBook | None:
    """The devices of ``schedules`` or ``schedules_alone``; None where the result has no such table."""
    assets, communities = Names(), Names()
    names = {"asset": assets, "community": communities}
    rows = found.tables.whole(table, ("time", "community", "asset", *_VALUES), names)
    if not len(rows["time"]):
        return None
    step = found.clock.step_of(rows["time"])
    values = {column: np.full((len(assets), found.clock.steps), np.nan) for column in _VALUES}
    owner = np.zeros(len(assets), dtype=np.int64)
    owner[rows["asset"]] = rows["community"]
    for column in _VALUES:
        values[column][rows["asset"], step] = rows[column]
    return DeviceBook(
        asset=tuple(assets.names),
        community=tuple(communities.names[place] for place in owner),
        kind=tuple(found.kind_of.get(name, "") for name in assets.names),
        p_kw=np.nan_to_num(values["p_kw"]),
        q_kvar=np.nan_to_num(values["q_kvar"]),
        heat_kw=np.nan_to_num(values["heat_kw"]),
        soc_share=values["soc_share"],
    )


@dataclass(frozen=True, eq=False)
class Given:
    """Reactive power that devices inject beyond their schedules in the intervals that were called.

    Parameters
    ----------
    book : DeviceBook
        Which devices, as they are in the end.
    injected_kvar : (devices, called)
        Positive where injected, negative where absorbed [kvar].
    """

    book: DeviceBook
    injected_kvar: FloatArray

    def of_kind(self, community: str, kind: str) -> FloatArray:
        """What a community's devices of a kind inject together, shape (called,) [kvar]."""
        return np.asarray(self.injected_kvar[self.book.rows_of(community, kind)].sum(axis=0))


def read_given(found: Material) -> Given | None:
    """What devices give: their schedule alone less what they draw in the end; None without both or a call."""
    alone, final = read_devices(found, "schedules_alone"), read_devices(found, "schedules")
    if alone is None or final is None or not len(found.called) or alone.asset != final.asset:
        return None
    return Given(final, (alone.q_kvar - final.q_kvar)[:, found.called])
