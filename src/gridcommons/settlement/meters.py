"""What the meter of each member counts over the window of a study: all that is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gridcommons.model.asset import Asset
from gridcommons.model.grid import FloatArray
from gridcommons.model.study import Study
from gridcommons.settlement.sharing_keys import Registers

CELLS_AT_ONCE = 2**20
"""Intervals times members that are settled at once, so that memory stays small over a year."""


@dataclass(frozen=True, eq=False)
class Meters:
    """Net energy of each member.

    Parameters
    ----------
    net_kwh : (members, steps)
        Positive when the grid delivers [kWh].
    """

    net_kwh: FloatArray

    @property
    def steps(self) -> int:
        """Number of intervals."""
        return int(self.net_kwh.shape[1])

    def registers(self, steps: slice) -> Registers:
        """Withdrawal and injection registers of some intervals."""
        net_kwh = np.ascontiguousarray(self.net_kwh[:, steps].T)
        return Registers(np.maximum(net_kwh, 0.0), np.maximum(-net_kwh, 0.0))

    def blocks(self, steps_each: int) -> Iterator[slice]:
        """The window in pieces of whole netting intervals, one after the other."""
        most = max(CELLS_AT_ONCE // (len(self.net_kwh) * steps_each), 1) * steps_each
        for first in range(0, self.steps, most):
            yield slice(first, min(first + most, self.steps))


def read_meters(study: Study) -> Meters:
    """The meters of all members: what was metered of each asset, else what its profile says."""
    members = {member.member: k for k, member in enumerate(study.community.members)}
    net_kwh = np.zeros((len(members), study.time.steps))
    for asset in study.community.assets:
        net_kwh[members[asset.member]] += _net_kw(study, asset) * study.time.step_hours
    return Meters(net_kwh)


def is_unheard(study: Study, asset: Asset) -> bool:
    """Whether neither profile nor meter says what an asset draws."""
    known = study.profiles.columns
    return asset.needs_profile and asset.asset not in known and f"{asset.asset}.metered_kw" not in known


def _net_kw(study: Study, asset: Asset) -> FloatArray:
    metered_kw = study.profiles.columns.get(f"{asset.asset}.metered_kw")
    return asset.net_kw(study.profiles.signals(asset)) if metered_kw is None else metered_kw
