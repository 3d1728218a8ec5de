"""What switch positions over time do in the grid: a load flow a row, those of a topology at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gridcommons.model.clusters import ClusterMap
from gridcommons.model.envelopes import net_power_kw, within_envelopes
from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import BoolArray, FloatArray, Grid, IntArray
from gridcommons.model.results import text_column
from gridcommons.model.study import Study
from gridcommons.model.switches import with_positions
from gridcommons.model.topology import supplied_buses
from gridcommons.ports import Loaded
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections

LIMIT_KINDS = ("vm_min_pu", "vm_max_pu", "loading_max_percent", "capacity_kw")
"""Limits that are looked at; the last is the capacity of a switch."""

LIMIT_TOLERANCE = 1e-6
"""What breaks a limit by no more holds it [unit of the limit]."""


@dataclass(frozen=True, eq=False)
class SwitchedFlows:
    """Flows over time, a row a minute or an interval.

    Parameters
    ----------
    pcc_kw : (rows, pccs)
        What the main grid delivers at each connection, negative where it is fed [kW].
    losses_kw : (rows,)
        Losses of the grid [kW].
    link_kw : (rows, links)
        Power over each link, positive from its cluster ``a`` to ``b`` [kW].
    vm_pu : (rows, 2)
        Least and greatest voltage of any bus with supply [pu].
    bus : (rows, 2)
        Where they are.
    unserved_kw, curtailed_kw : (rows,)
        Consumption and generation of members without a way to the main grid: nothing flows there [kW].
    fixed_kw : (rows,)
        What the grid file's own injections and loads draw beside the members, at nominal voltage [kW].
    worst : (rows, kinds, 3)
        Of each of ``LIMIT_KINDS`` the value that breaks its limit by most, or comes nearest; the limit, and
        by how much it is broken, negative where it holds.
    worst_element : (rows, kinds)
        Row of the bus, branch or switch where that is; -1 where nothing is limited.
    """

    pcc_kw: FloatArray
    losses_kw: FloatArray
    link_kw: FloatArray
    vm_pu: FloatArray
    bus: IntArray
    unserved_kw: FloatArray
    curtailed_kw: FloatArray
    fixed_kw: FloatArray
    worst: FloatArray
    worst_element: IntArray


@dataclass(frozen=True, eq=False)
class Connected:
    """The power of every asset at the rows of the grid that it uses.

    Parameters
    ----------
    bus, to_bus : (terminals,)
        Rows of ``Buses``.
    p_kw, q_kvar : (steps, terminals)
        Net power [kW], [kvar].
    step_of_row : (rows,)
        Row of ``p_kw`` and ``q_kvar`` for each row of time.
    asset : (terminals,)
        Which asset of the study each terminal is of.
    share : (terminals,)
        Part of the asset's power.
    """

    bus: IntArray
    to_bus: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray
    step_of_row: IntArray
    asset: IntArray
    share: FloatArray


def loaded_at(study: Study, connected: Connected, row: int, parallel_allowed: bool) -> Loaded:
    """The grid under the load of one row of time, with the limits of its step."""
    step, power = row * study.time.steps // len(connected.step_of_row), connected.step_of_row[row]
    return Loaded(
        study.grid,
        study.switches,
        study.limits.window(step, step + 1),
        connected.bus,
        connected.to_bus,
        connected.p_kw[power],
        connected.q_kvar[power],
        parallel_allowed,
    )


def connect(study: Study, rows_a_step: int = 1) -> Connected:
    """All assets of a study, following their profiles within envelopes, a step for so many rows of time."""
    community, profiles, time = study.community, study.profiles, study.time
    at = community.terminals(study.grid)
    p_kw = within_envelopes(community, net_power_kw(community, profiles), study.envelopes)
    q_kvar = np.empty_like(p_kw)
    for index, asset in enumerate(community.assets):
        q_kvar[:, index] = profiles.net_kvar(asset, p_kw[:, index])
    of_row = np.repeat(np.arange(time.steps), rows_a_step)
    return Connected(
        at.bus,
        at.to_bus,
        p_kw[:, at.asset] * at.share,
        q_kvar[:, at.asset] * at.share,
        of_row,
        at.asset,
        at.share,
    )


def with_asset_power(connected: Connected, asset: IntArray, p_kw: FloatArray) -> Connected:
    """The same with the active power of some assets by row of time, shape (rows, those assets) [kW].

    The reactive power of these assets stays as it is.
    """
    rows = connected.step_of_row
    by_row = connected.p_kw[rows].copy()
    for column, index in enumerate(asset):
        mine = np.flatnonzero(connected.asset == index)
        by_row[:, mine] = p_kw[:, [column]] * connected.share[mine]
    return replace(connected, p_kw=by_row, q_kvar=connected.q_kvar[rows], step_of_row=np.arange(len(rows)))


def simulate_switched(
    study: Study, clusters: ClusterMap, connected: Connected, positions: BoolArray, method: str
) -> SwitchedFlows:
    """Flows of every minute with the switches in given positions, shape (rows, switches).

    Raises
    ------
    NotConvergedError
        If a row has no operable solution: which, with which switches closed.
    """
    rows = len(positions)
    graph = clusters.graph
    flows = SwitchedFlows(
        np.zeros((rows, len(graph.pccs))),
        np.zeros(rows),
        np.zeros((rows, len(graph.links))),
        np.full((rows, 2), np.nan),
        np.full((rows, 2), -1, dtype=np.int64),
        np.zeros(rows),
        np.zeros(rows),
        np.zeros(rows),
        np.full((rows, len(LIMIT_KINDS), 3), -np.inf),
        np.full((rows, len(LIMIT_KINDS)), -1, dtype=np.int64),
    )
    distinct, which = np.unique(positions, axis=0, return_inverse=True)
    for index, closed in enumerate(distinct):
        mine = np.flatnonzero(which == index)
        steps, back = np.unique(connected.step_of_row[mine], return_inverse=True)
        _simulate_topology(study, clusters, (connected, steps, method), closed, _Filled(flows, mine, back))
    return flows


@dataclass(frozen=True, eq=False)
class _Filled:
    """Rows of time that one topology's flows fill, and the scenario of each."""

    flows: SwitchedFlows
    row: IntArray
    scenario: IntArray

    def put(self, name: str, values: FloatArray | IntArray) -> None:
        """Values a scenario, shape (scenarios, …)."""
        getattr(self.flows, name)[self.row] = values[self.scenario]


def _simulate_topology(
    study: Study,
    clusters: ClusterMap,
    what: tuple[Connected, IntArray, str],
    closed: BoolArray,
    filled: _Filled,
) -> None:
    connected, steps, method = what
    grid = with_positions(study.grid, study.switches, closed)
    alive = supplied_buses(grid)[connected.bus]
    lost_kw = connected.p_kw[steps][:, ~alive]
    filled.put("unserved_kw", np.maximum(lost_kw, 0.0).sum(axis=1))
    filled.put("curtailed_kw", np.maximum(-lost_kw, 0.0).sum(axis=1))
    network = build_network(grid)
    p_kw, q_kvar = (power[steps][:, alive] for power in (connected.p_kw, connected.q_kvar))
    injections = Injections(connected.bus[alive], p_kw, q_kvar, to_bus=_between(connected.to_bus[alive]))
    solution = solve_power_flow(network, injections, method=method)
    if not solution.solved.all():
        _tell_unsolved(study, solution, steps, closed)
    switch_kw = _switch_kw(study, clusters, solution)
    links = len(clusters.graph.links)
    is_closed = clusters.closed_of(closed)[links:]
    source_kw = _source_kw(grid, solution, injections)
    filled.put("pcc_kw", _delivered_kw(clusters, is_closed, source_kw, switch_kw[:, links:]))
    filled.put("link_kw", switch_kw[:, :links])
    filled.put("losses_kw", solution.losses_kw())
    filled.put("fixed_kw", np.full(len(steps), _fixed_kw(grid)))
    worst, element = _worst(study, solution, steps)
    filled.put("worst", worst)
    filled.put("worst_element", element)
    vm_pu = solution.vm_pu()
    low, high = np.nanargmin(vm_pu, axis=1), np.nanargmax(vm_pu, axis=1)
    row = np.arange(len(vm_pu))
    filled.put("vm_pu", np.stack([vm_pu[row, low], vm_pu[row, high]], axis=1))
    filled.put("bus", np.stack([low, high], axis=1))


def _delivered_kw(
    clusters: ClusterMap, is_closed: BoolArray, source_kw: FloatArray, pcc_kw: FloatArray
) -> FloatArray:
    """What the main grid delivers over each PCC, (…, PCCs) [kW].

    What it delivers before its connection is lost on the way there, or drawn inside the cluster, and
    belongs to the first connection of the zone that is closed: an open one carries nothing.
    """
    delivered_kw = pcc_kw.copy()
    for zone, rows in enumerate(clusters.sources_of_zone):
        mine = np.flatnonzero(clusters.pcc_zone == zone)
        first = (*mine[is_closed[mine]], *mine)[0]
        delivered_kw[:, first] += source_kw[:, rows].sum(axis=1) - pcc_kw[:, mine].sum(axis=1)
    return delivered_kw


def _source_kw(grid: Grid, solution: FlowSolution, injections: Injections) -> FloatArray:
    """What the main grid delivers at each source, with what is drawn at its own bus, (…, sources) [kW]."""
    source_kw, node = solution.source_kw(), solution.network.node_of_bus
    _, first = np.unique(node[grid.sources.bus], return_index=True)
    for source in first:
        here = node[grid.sources.bus[source]]
        source_kw[:, source] += injections.p_kw[:, node[injections.bus] == here].sum(axis=1)
        source_kw[:, source] += grid.fixed.p_kw[node[grid.fixed.bus] == here].sum()
    return source_kw


def _worst(study: Study, solution: FlowSolution, steps: IntArray) -> tuple[FloatArray, IntArray]:
    """Value, limit and excess of what breaks each kind of limit by most, and where; see ``SwitchedFlows``."""
    limits, vm_pu = study.limits, solution.vm_pu()
    from_kw, switches = solution.p_from_kw(), study.switches
    through_kw = [np.abs(from_kw[:, list(switch.branches)].sum(axis=1)) for switch in switches]
    capacity_kw = np.array([switch.capacity_kw for switch in switches])[None, :]
    kinds = (
        (vm_pu, _at(limits.vm_min_pu, steps), -1.0),
        (vm_pu, _at(limits.vm_max_pu, steps), 1.0),
        (solution.loading_percent(), _at(limits.loading_max_percent, steps), 1.0),
        (np.stack(through_kw, axis=1) if through_kw else np.zeros((len(steps), 0)), capacity_kw, 1.0),
    )
    worst = np.full((len(steps), len(kinds), 3), -np.inf)
    element = np.full((len(steps), len(kinds)), -1, dtype=np.int64)
    row = np.arange(len(steps))
    for kind, (value, limit, sign) in enumerate(kinds):
        if not value.shape[1]:
            continue
        bound = np.broadcast_to(limit, value.shape)
        over = np.where(np.isfinite(value) & np.isfinite(bound), sign * (value - bound), -np.inf)
        at = over.argmax(axis=1)
        worst[:, kind] = np.stack([value[row, at], bound[row, at], over[row, at]], axis=1)
        element[:, kind] = np.where(np.isfinite(over[row, at]), at, -1)
    return worst, element


def _at(limit: FloatArray, steps: IntArray) -> FloatArray:
    return limit[steps] if len(limit) > 1 else limit


def broken_limits(study: Study, flows: SwitchedFlows) -> tuple[IntArray, dict[str, npt.NDArray[Any]]]:
    """Rows of time in which a limit is broken, once a kind, and the columns of a table of them."""
    row, kind = np.nonzero(flows.worst[:, :, 2] > LIMIT_TOLERANCE)
    names = (
        study.grid.buses.name,
        study.grid.buses.name,
        study.grid.branches.name,
        tuple(switch.name for switch in study.switches),
    )
    value, limit, excess = flows.worst[row, kind].T
    return row, {
        "element": text_column(names[k][flows.worst_element[r, k]] for r, k in zip(row, kind, strict=True)),
        "kind": text_column(LIMIT_KINDS[k] for k in kind),
        "value": value,
        "limit": limit,
        "excess": excess,
    }


def _fixed_kw(grid: Grid) -> float:
    """What the grid file's own injections and loads draw where a source reaches them [kW]."""
    supplied, fixed, loads = supplied_buses(grid), grid.fixed, grid.phase_loads
    return float(fixed.p_kw[supplied[fixed.bus]].sum() + loads.p_kw[supplied[loads.bus]].sum())


def _switch_kw(study: Study, clusters: ClusterMap, solution: FlowSolution) -> FloatArray:
    """Power over links from ``a`` to ``b``, then over PCCs into clusters, (scenarios, links + PCCs) [kW]."""
    from_kw = solution.p_from_kw()
    power_kw = np.zeros((len(from_kw), len(clusters.switch_row)))
    for column, row in enumerate(clusters.switch_row):
        if row >= 0:
            through_kw = from_kw[:, list(study.switches[row].branches)].sum(axis=1)
            power_kw[:, column] = through_kw if clusters.forward[column] else -through_kw
    return power_kw


def _between(to_bus: IntArray) -> IntArray | None:
    return to_bus if (to_bus >= 0).any() else None


def _tell_unsolved(study: Study, solution: FlowSolution, steps: IntArray, closed: BoolArray) -> None:
    first = int(steps[np.flatnonzero(~solution.solved)[0]])
    names = [switch.name for switch, is_closed in zip(study.switches, closed, strict=True) if is_closed]
    raise NotConvergedError(
        f"no operable load flow in {int((~solution.solved).sum())} of {len(steps)} intervals, first at "
        f"{study.time.local(first).isoformat()}, with {', '.join(names) or 'no switch'} closed: more power "
        f"than the grid can carry that way (worst mismatch {solution.mismatch_pu.max():.3g} pu)"
    )
