"""A window of steps made ready: who may move between what, over which background, within which limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.envelopes.limit_rows import LimitRows, make_limit_rows
from gridcommons.envelopes.settings import Settings
from gridcommons.model.assets import Asset
from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, IntArray
from gridcommons.model.profiles import reactive_per_active
from gridcommons.model.study import Study
from gridcommons.model.topology import path_impedance_pu
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import Background, FlowSolution, Injections


@dataclass(frozen=True, eq=False)
class Window:
    """A window of steps of a study, as arrays.

    Parameters
    ----------
    rows : LimitRows
        The grid's limits.
    asset : tuple of str
        Controllable assets.
    bus : (assets,)
        Their buses.
    tan_phi : (assets,)
        kvar drawn per kW drawn.
    s_pu : (steps, pq nodes)
        Power injected by everything that nobody controls [pu].
    low_kw, high_kw : (steps, assets)
        Device bounds [kW].
    planned_kw : (steps, assets)
        What the controllable assets would do uncontrolled [kW].
    rank : (assets,)
        Order of ties: nearest to the source by path impedance first, then by id.
    method : str
        Load flow.
    """

    rows: LimitRows
    asset: tuple[str, ...]
    bus: IntArray
    tan_phi: FloatArray
    s_pu: ComplexArray
    low_kw: FloatArray
    high_kw: FloatArray
    planned_kw: FloatArray
    rank: IntArray
    method: str = "helm"

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.s_pu)

    @property
    def rest_kw(self) -> FloatArray:
        """Doing nothing, or as little as the device can: 0 clipped to its bounds, (steps, assets) [kW]."""
        return np.clip(0.0, self.low_kw, self.high_kw)

    def flow(self, p_kw: FloatArray, step: IntArray) -> FlowSolution:
        """Load flow of scenarios: power of each controllable asset (scenarios, assets), step of each."""
        under = Background(self.s_pu, step)
        injections = Injections(self.bus, p_kw, p_kw * self.tan_phi, under)
        return solve_power_flow(self.rows.network, injections, method=self.method)


def make_window(
    study: Study, network: Network, settings: Settings, span: tuple[int, int], method: str = "helm"
) -> Window:
    """Steps ``span[0]`` to ``span[1]`` of a study."""
    community, profiles = study.community, study.profiles
    buses = community.asset_buses(study.grid)
    chosen = np.array(community.controllable, dtype=np.int64)
    signals = [profiles.signals(asset, soc_path=settings.soc_path) for asset in community.assets]
    net_kw = _stack([asset.net_kw(s) for asset, s in zip(community.assets, signals, strict=True)], profiles.time.steps)
    ranges = [community.assets[c].range_kw(signals[c]) for c in chosen]
    q_kvar = _stack(
        [profiles.net_kvar(asset, net_kw[:, k]) for k, asset in enumerate(community.assets)],
        profiles.time.steps,
    )
    given_q = np.array([f"{a.asset}.q_kvar" in profiles.columns for a in community.assets], dtype=bool)
    p_fixed, q_fixed = net_kw.copy(), q_kvar.copy()
    p_fixed[:, chosen] = 0.0
    q_fixed[:, chosen[~given_q[chosen]]] = 0.0
    cut = slice(*span)
    assets = [community.assets[c] for c in chosen]
    return Window(
        rows=make_limit_rows(network, study.limits.window(*span)),
        asset=tuple(asset.asset for asset in assets),
        bus=buses[chosen],
        tan_phi=np.array([0.0 if given_q[c] else reactive_per_active(community.assets[c]) for c in chosen]),
        s_pu=_injected(network, buses, p_fixed[cut], q_fixed[cut]),
        low_kw=_stack([low for low, _ in ranges], profiles.time.steps)[cut],
        high_kw=_stack([high for _, high in ranges], profiles.time.steps)[cut],
        planned_kw=net_kw[cut][:, chosen],
        rank=_rank(study, network, assets, buses[chosen]),
        method=method,
    )


def _stack(columns: Sequence[FloatArray], steps: int) -> FloatArray:
    return np.stack(columns, axis=1) if columns else np.zeros((steps, 0))


def _injected(network: Network, buses: IntArray, p_kw: FloatArray, q_kvar: FloatArray) -> ComplexArray:
    node = network.node_of(buses)
    power = np.tile(network.s_fixed, (len(p_kw), 1))
    inside = node < network.pq_count
    drawn = (p_kw + 1j * q_kvar) / S_BASE_KVA
    np.add.at(power.T, node[inside], -drawn[:, inside].T)
    return power


def _rank(study: Study, network: Network, assets: Sequence[Asset], buses: IntArray) -> IntArray:
    distance = path_impedance_pu(study.grid)[buses]
    order = sorted(range(len(assets)), key=lambda c: (float(distance[c]), assets[c].asset))
    rank = np.empty(len(assets), dtype=np.int64)
    rank[order] = np.arange(len(assets))
    return rank


def members_of(names: Sequence[str], study: Study, asset: Sequence[str]) -> BoolArray:
    """Which controllable assets a list of kinds and ids names, shape (assets,)."""
    kind = {a.asset: a.kind for a in study.community.assets}
    return np.array([a in names or kind[a] in names for a in asset], dtype=bool)


def priority_classes(settings: Settings, study: Study, asset: Sequence[str]) -> list[BoolArray]:
    """Classes in order of priority, each a mask over the controllable assets; the unnamed come last."""
    left = np.ones(len(asset), dtype=bool)
    classes = []
    for names in settings.priority:
        mine = members_of(names, study, asset) & left
        left &= ~mine
        classes.append(mine)
    return [mine for mine in [*classes, left] if mine.any()]
