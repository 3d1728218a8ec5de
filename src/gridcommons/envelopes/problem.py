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
        return np.asarray(np.clip(0.0, self.low_kw, self.high_kw))

    def flow(self, p_kw: FloatArray, step: IntArray) -> FlowSolution:
        """Load flow of scenarios: power of each controllable asset (scenarios, assets), step of each."""
        under = Background(self.s_pu, step)
        injections = Injections(self.bus, p_kw, p_kw * self.tan_phi, under)
        return solve_power_flow(self.rows.network, injections, method=self.method)


@dataclass(frozen=True, eq=False)
class Plan:
    """A whole study as arrays, from which windows are cut.

    Parameters
    ----------
    study, network : Study, Network
        Where it comes from.
    asset, bus, tan_phi, rank
        As in ``Window``.
    bus_fixed : (assets of the study,)
        Bus of every asset.
    p_fixed_kw, q_fixed_kvar : (steps, assets of the study)
        Power of what nobody controls; 0 where an asset's power is its envelope's [kW], [kvar].
    low_kw, high_kw, planned_kw : (steps, controllable assets)
        As in ``Window``.
    """

    study: Study
    network: Network
    asset: tuple[str, ...]
    bus: IntArray
    tan_phi: FloatArray
    rank: IntArray
    bus_fixed: IntArray
    p_fixed_kw: FloatArray
    q_fixed_kvar: FloatArray
    low_kw: FloatArray
    high_kw: FloatArray
    planned_kw: FloatArray

    def window(self, start: int, stop: int, method: str = "helm") -> Window:
        """Steps ``start`` to ``stop``."""
        cut = slice(start, stop)
        return Window(
            rows=make_limit_rows(self.network, self.study.limits.window(start, stop)),
            asset=self.asset,
            bus=self.bus,
            tan_phi=self.tan_phi,
            s_pu=_injected(self.network, self.bus_fixed, self.p_fixed_kw[cut], self.q_fixed_kvar[cut]),
            low_kw=self.low_kw[cut],
            high_kw=self.high_kw[cut],
            planned_kw=self.planned_kw[cut],
            rank=self.rank,
            method=method,
        )


def make_plan(study: Study, network: Network, settings: Settings) -> Plan:
    """Everything that the windows of a study are cut from."""
    community, profiles = study.community, study.profiles
    steps, buses = profiles.time.steps, community.asset_buses(study.grid)
    chosen = np.array(community.controllable, dtype=np.int64)
    signals = [profiles.signals(asset, soc_path=settings.soc_path) for asset in community.assets]
    net_kw = _stack([a.net_kw(s) for a, s in zip(community.assets, signals, strict=True)], steps)
    q_kvar = _stack([profiles.net_kvar(a, net_kw[:, k]) for k, a in enumerate(community.assets)], steps)
    assets = [community.assets[c] for c in chosen]
    ranges = [asset.range_kw(signals[c]) for asset, c in zip(assets, chosen, strict=True)]
    # Reactive power that the study gives stays as given; the rest follows the power factor.
    given = np.array([f"{asset.asset}.q_kvar" in profiles.columns for asset in assets], dtype=bool)
    planned_kw = net_kw[:, chosen]
    net_kw[:, chosen] = 0.0
    q_kvar[:, chosen[~given]] = 0.0
    return Plan(
        study=study,
        network=network,
        asset=tuple(asset.asset for asset in assets),
        bus=buses[chosen],
        tan_phi=np.where(given, 0.0, [reactive_per_active(asset) for asset in assets]),
        rank=_rank(study, assets, buses[chosen]),
        bus_fixed=buses,
        p_fixed_kw=net_kw,
        q_fixed_kvar=q_kvar,
        low_kw=_stack([low for low, _ in ranges], steps),
        high_kw=_stack([high for _, high in ranges], steps),
        planned_kw=planned_kw,
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


def _rank(study: Study, assets: Sequence[Asset], buses: IntArray) -> IntArray:
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
