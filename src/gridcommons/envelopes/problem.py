"""A window of steps made ready: who may move between what, over which background, within which limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.envelopes.limit_rows import BUS_KINDS, LimitRows, make_limit_rows
from gridcommons.envelopes.reach import Reach, make_reach
from gridcommons.envelopes.settings import Settings
from gridcommons.model.assets import Asset
from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, Grid, IntArray
from gridcommons.model.members import Terminals
from gridcommons.model.phases import phase_of_row
from gridcommons.model.profiles import reactive_per_active
from gridcommons.model.study import Study
from gridcommons.model.topology import path_impedance_pu
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.phase_loads import LoadPairs
from gridcommons.powerflow.solution import Background, FlowSolution, Injections


@dataclass(frozen=True, eq=False)
class BetweenPhases:
    """What nobody controls and lies between two phases, which no power of a single node can stand for.

    Parameters
    ----------
    bus, to_bus : (columns,)
        Rows of ``Buses`` between which each lies.
    p_kw, q_kvar : (steps, columns)
        Power drawn [kW], [kvar].
    """

    bus: IntArray
    to_bus: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray

    def __len__(self) -> int:
        """Number of columns."""
        return len(self.bus)

    def cut(self, steps: slice) -> BetweenPhases:
        """Some steps."""
        return BetweenPhases(self.bus, self.to_bus, self.p_kw[steps], self.q_kvar[steps])


@dataclass(frozen=True, eq=False)
class Window:
    """A window of steps of a study, as arrays.

    Parameters
    ----------
    rows : LimitRows
        The grid's limits.
    asset : tuple of str
        Controllable assets.
    terminals : Terminals
        Where they are connected, each row to earth.
    tan_phi : (assets,)
        kvar drawn per kW drawn.
    s_pu : (steps, pq nodes)
        Power injected to earth by everything that nobody controls [pu].
    between : BetweenPhases
        What of that lies between two phases; without columns in a balanced grid.
    low_kw, high_kw : (steps, assets)
        Device bounds [kW].
    planned_kw : (steps, assets)
        What the controllable assets would do uncontrolled [kW].
    rank : (assets,)
        Order of ties: nearest to the source by path impedance first, then by id.
    phase : (assets,)
        Assets of one number lie on the same phases: all of a balanced grid.
    reach : Reach or None
        What the currents of a three-phase grid can do; None in a balanced one.
    method : str
        Load flow.
    """

    rows: LimitRows
    asset: tuple[str, ...]
    terminals: Terminals
    tan_phi: FloatArray
    s_pu: ComplexArray
    between: BetweenPhases
    low_kw: FloatArray
    high_kw: FloatArray
    planned_kw: FloatArray
    rank: IntArray
    phase: IntArray
    reach: Reach | None = None
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
        return solve_power_flow(self.rows.network, self._injections(p_kw, step), method=self.method)

    @property
    def passes(self) -> BoolArray:
        """Limits of voltages that lie between two others, shape (limits,): none in a balanced grid."""
        if self.reach is None:
            return np.zeros(len(self.rows), dtype=bool)
        at_bus = np.isin(self.rows.kind, BUS_KINDS)
        return np.asarray(at_bus & self.reach.passes[self.rows.node])

    def pairs(self) -> LoadPairs:
        """All that lies between two nodes at each step: powers (steps, pairs)."""
        return self._injections(np.zeros_like(self.low_kw), np.arange(self.steps)).pairs(self.rows.network)

    def _injections(self, p_kw: FloatArray, step: IntArray) -> Injections:
        under, at, between = Background(self.s_pu, step), self.terminals, self.between
        row_kw, row_kvar = at.of_rows(p_kw), at.of_rows(p_kw * self.tan_phi)
        if not len(between):
            return Injections(at.bus, row_kw, row_kvar, under)
        return Injections(
            np.concatenate([at.bus, between.bus]),
            np.concatenate([row_kw, between.p_kw[step]], axis=1),
            np.concatenate([row_kvar, between.q_kvar[step]], axis=1),
            under,
            np.concatenate([at.to_bus, between.to_bus]),
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """A whole study as arrays, from which windows are cut.

    Parameters
    ----------
    study, network : Study, Network
        Where it comes from.
    asset, terminals, tan_phi, rank, phase, reach
        As in ``Window``.
    every : Terminals
        Where every asset of the study is connected.
    p_fixed_kw, q_fixed_kvar : (steps, assets of the study)
        Power of what nobody controls; 0 where an asset's power is its envelope's [kW], [kvar].
    low_kw, high_kw, planned_kw : (steps, controllable assets)
        As in ``Window``.
    """

    study: Study
    network: Network
    asset: tuple[str, ...]
    terminals: Terminals
    tan_phi: FloatArray
    rank: IntArray
    phase: IntArray
    reach: Reach | None
    every: Terminals
    p_fixed_kw: FloatArray
    q_fixed_kvar: FloatArray
    low_kw: FloatArray
    high_kw: FloatArray
    planned_kw: FloatArray

    def window(self, start: int, stop: int, method: str = "helm") -> Window:
        """Steps ``start`` to ``stop``."""
        cut = slice(start, stop)
        p_kw, q_kvar = (self.every.of_rows(fixed[cut]) for fixed in (self.p_fixed_kw, self.q_fixed_kvar))
        return Window(
            rows=make_limit_rows(self.network, self.study.limits.window(start, stop)),
            asset=self.asset,
            terminals=self.terminals,
            tan_phi=self.tan_phi,
            s_pu=_injected(self.network, self.every, p_kw, q_kvar),
            between=_between(self.every, p_kw, q_kvar),
            low_kw=self.low_kw[cut],
            high_kw=self.high_kw[cut],
            planned_kw=self.planned_kw[cut],
            rank=self.rank,
            phase=self.phase,
            reach=self.reach,
            method=method,
        )


def make_plan(study: Study, network: Network, settings: Settings) -> Plan:
    """Everything that the windows of a study are cut from."""
    community, profiles = study.community, study.profiles
    steps, every = profiles.time.steps, community.terminals(study.grid)
    chosen = np.array(community.controllable, dtype=np.int64)
    signals = [profiles.signals(asset, soc_path=settings.soc_path) for asset in community.assets]
    net_kw = _stack([a.net_kw(s) for a, s in zip(community.assets, signals, strict=True)], steps)
    q_kvar = _stack([profiles.net_kvar(a, net_kw[:, k]) for k, a in enumerate(community.assets)], steps)
    assets = [community.assets[c] for c in chosen]
    ranges = [asset.range_kw(signals[c]) for asset, c in zip(assets, chosen, strict=True)]
    # Reactive power that the study gives stays as given; the rest follows the power factor.
    given = np.array([f"{asset.asset}.q_kvar" in profiles.columns for asset in assets], dtype=bool)
    planned_kw, terminals = net_kw[:, chosen], every.taken(chosen)
    net_kw[:, chosen] = 0.0
    q_kvar[:, chosen[~given]] = 0.0
    return Plan(
        study=study,
        network=network,
        asset=tuple(asset.asset for asset in assets),
        terminals=terminals,
        tan_phi=np.where(given, 0.0, [reactive_per_active(asset) for asset in assets]),
        rank=_rank(study, assets, terminals),
        phase=_phases(study.grid, terminals),
        reach=_reach(network, every),
        every=every,
        p_fixed_kw=net_kw,
        q_fixed_kvar=q_kvar,
        low_kw=_stack([low for low, _ in ranges], steps),
        high_kw=_stack([high for _, high in ranges], steps),
        planned_kw=planned_kw,
    )


def _stack(columns: Sequence[FloatArray], steps: int) -> FloatArray:
    return np.stack(columns, axis=1) if columns else np.zeros((steps, 0))


def _injected(network: Network, at: Terminals, p_kw: FloatArray, q_kvar: FloatArray) -> ComplexArray:
    """Power injected to earth by rows (steps, rows) and the grid file, shape (steps, pq nodes) [pu]."""
    node = network.node_of(at.bus)
    power = np.tile(network.s_fixed, (len(p_kw), 1))
    inside = (node < network.pq_count) & ~at.is_between
    drawn = (p_kw + 1j * q_kvar) / S_BASE_KVA
    np.add.at(power.T, node[inside], -drawn[:, inside].T)
    return power


def _between(at: Terminals, p_kw: FloatArray, q_kvar: FloatArray) -> BetweenPhases:
    """The rows that lie between two phases and ever draw anything."""
    row = np.flatnonzero(at.is_between & ((p_kw != 0.0) | (q_kvar != 0.0)).any(axis=0))
    return BetweenPhases(at.bus[row], at.to_bus[row], p_kw[:, row], q_kvar[:, row])


def _rank(study: Study, assets: Sequence[Asset], terminals: Terminals) -> IntArray:
    distance = np.full(len(assets), np.inf)
    np.minimum.at(distance, terminals.asset, path_impedance_pu(study.grid)[terminals.bus])
    order = sorted(range(len(assets)), key=lambda c: (float(distance[c]), assets[c].asset))
    rank = np.empty(len(assets), dtype=np.int64)
    rank[order] = np.arange(len(assets))
    return rank


def _reach(network: Network, every: Terminals) -> Reach | None:
    if not network.grid.is_three_phase:
        return None
    far = every.to_bus[every.is_between]
    return make_reach(network, network.node_of(np.concatenate([every.bus, far])))


def _phases(grid: Grid, terminals: Terminals) -> IntArray:
    """A number for the phases that each asset lies on, from 0 up, shape (assets,)."""
    words = [""] * terminals.count
    if grid.is_three_phase:
        for asset, bus in zip(terminals.asset.tolist(), terminals.bus.tolist(), strict=True):
            words[asset] += phase_of_row(grid.buses.name[bus])
    return np.unique(np.array(words, dtype=str), return_inverse=True)[1].astype(np.int64)


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
