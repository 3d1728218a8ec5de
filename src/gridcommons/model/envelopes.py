"""Operating envelopes as a limit that others read: between what an asset may set its net power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray, Names
from gridcommons.model.members import Community
from gridcommons.model.profiles import Profiles


@dataclass(frozen=True, eq=False)
class Envelopes:
    """Least and most net power of assets in each interval, positive when the grid delivers.

    Parameters
    ----------
    asset : tuple of str
        Which assets have one.
    p_min_kw, p_max_kw : (steps, assets)
        The envelope [kW]; the export limit is minus the first.
    """

    asset: Names
    p_min_kw: FloatArray
    p_max_kw: FloatArray


def net_power_kw(community: Community, profiles: Profiles) -> FloatArray:
    """What every asset would draw by its profile, shape (steps, assets) [kW]."""
    columns = [asset.net_kw(profiles.signals(asset)) for asset in community.assets]
    return np.stack(columns, axis=1) if columns else np.zeros((profiles.time.steps, 0))


def within_envelopes(community: Community, net_kw: FloatArray, envelopes: Envelopes | None) -> FloatArray:
    """Net power held within the envelopes, shape (steps, assets) [kW]; as it is where there is none."""
    if envelopes is None:
        return net_kw
    column = {asset.asset: k for k, asset in enumerate(community.assets)}
    at = [column[name] for name in envelopes.asset]
    held = net_kw.copy()
    held[:, at] = np.clip(net_kw[:, at], envelopes.p_min_kw, envelopes.p_max_kw)
    return held


def member_envelopes_kw(
    community: Community, net_kw: FloatArray, envelopes: Envelopes
) -> tuple[FloatArray, FloatArray]:
    """Least and most net power of each member, shape (steps, members) each [kW].

    An asset without envelope cannot be moved: it counts with its net power at both ends.
    """
    column = {asset.asset: k for k, asset in enumerate(community.assets)}
    at = [column[name] for name in envelopes.asset]
    ends = []
    for end_kw in (envelopes.p_min_kw, envelopes.p_max_kw):
        of_assets = net_kw.copy()
        of_assets[:, at] = end_kw
        ends.append(of_assets @ _owners(community))
    return ends[0], ends[1]


def _owners(community: Community) -> FloatArray:
    """1 where an asset belongs to a member, shape (assets, members)."""
    row = {member.member: k for k, member in enumerate(community.members)}
    owners = np.zeros((len(community.assets), len(row)))
    owners[np.arange(len(community.assets)), [row[asset.member] for asset in community.assets]] = 1.0
    return owners
