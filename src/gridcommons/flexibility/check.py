"""The AC load flow of a plan: what it breaks, by how much, and whose load it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.settlement import FIXED_LOAD
from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.model.limits import Limits
from gridcommons.model.study import Study
from gridcommons.powerflow.admittance import Network, build_network
from gridcommons.powerflow.dc import dc_flow_factors
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.sensitivities import gradients, voltage_sensitivities
from gridcommons.powerflow.solution import FlowSolution, Injections

KINDS = ("vm_min_pu", "vm_max_pu", "loading_max_percent")
"""What is looked at, by the name of its limit."""

LEAST_EXCESS_KW, LEAST_EXCESS_PU = 0.1, 1e-5
"""What is within this of its limit is not counted as broken."""


@dataclass(frozen=True, eq=False)
class GridView:
    """The grid as the DSO sees it: nobody else has it."""

    study: Study
    network: Network
    method: str

    @cached_property
    def limits(self) -> Limits:
        """Limits of every interval, each of shape (steps, things)."""
        return self.study.limits.window(0, self.study.time.steps)

    @cached_property
    def rated_kw(self) -> FloatArray:
        """What each branch carries at nominal voltage and 100 %, (branches,) [kVA]; infinite if unrated."""
        branches, vn_kv = self.study.grid.branches, self.study.grid.buses.vn_kv
        return np.asarray(np.sqrt(3.0) * vn_kv[branches.from_bus] * branches.i_max_from_ka * 1e3)

    @cached_property
    def limit_kw(self) -> FloatArray:
        """What each branch may carry, shape (steps, branches) [kVA]."""
        return self.rated_kw * self.limits.loading_max_percent / 100.0

    @cached_property
    def _all_factors(self) -> tuple[IntArray, FloatArray]:
        """Column of each bus, −1 where nothing supplies it, and D of all that are supplied."""
        supplied = np.flatnonzero(self.network.node_of_bus >= 0)
        column = np.full(len(self.network.node_of_bus), -1, dtype=np.int64)
        column[supplied] = np.arange(len(supplied))
        every = np.arange(len(self.study.grid.branches))
        return column, dc_flow_factors(self.network, every, supplied)

    def factors(self, buses: IntArray) -> FloatArray:
        """D: flow into each branch per kW drawn at each bus, shape (branches, buses)."""
        self.network.node_of(buses)
        column, factors = self._all_factors
        return factors[:, column[buses]]


@dataclass(frozen=True, eq=False)
class GridState:
    """A load flow of all intervals.

    Parameters
    ----------
    view : GridView
        The grid.
    load_kw, load_kvar : (buses, steps)
        What is drawn [kW], [kvar].
    flow : FlowSolution
        The solution.
    """

    view: GridView
    load_kw: FloatArray
    load_kvar: FloatArray
    flow: FlowSolution

    @cached_property
    def vm_pu(self) -> FloatArray:
        """Voltages, shape (steps, buses) [pu]."""
        return self.flow.vm_pu()

    @cached_property
    def loading_percent(self) -> FloatArray:
        """Loadings, shape (steps, branches) [%]."""
        return self.flow.loading_percent()

    @cached_property
    def carried_kw(self) -> FloatArray:
        """Current of each branch as power at nominal voltage, shape (steps, branches) [kVA]; 0 if unrated."""
        rated = np.where(np.isfinite(self.view.rated_kw), self.view.rated_kw, 0.0)
        return self.loading_percent / 100.0 * rated

    @cached_property
    def direction(self) -> FloatArray:
        """1 where active power flows from ``from`` to ``to``, −1 where it flows back, (steps, branches)."""
        return np.where(self.flow.p_from_kw() < 0.0, -1.0, 1.0)

    def voltage_answer(self, step: int, buses: IntArray, change_kw: FloatArray) -> FloatArray:
        """Linear change of every voltage when load at some buses changes, shape (buses,) [pu].

        Parameters
        ----------
        step : int
            Interval.
        buses, change_kw : (load points,)
            Bus indices, and by how much more each draws [kW].
        """
        network = self.flow.network
        node, moved = network.node_of(buses), change_kw != 0.0
        moved &= node < network.pq_count
        by_node = voltage_sensitivities(self.flow, step, node[moved])
        dv = change_kw[moved] @ by_node
        v = self.flow.v_pq[step]
        out = np.zeros(len(network.node_of_bus))
        inside = (network.node_of_bus >= 0) & (network.node_of_bus < network.pq_count)
        rises = (np.conj(v) * dv).real / np.abs(v)
        out[inside] = rises[network.node_of_bus[inside]]
        return out


@dataclass(frozen=True, eq=False)
class Violations:
    """What is broken, one row an element and interval, by interval.

    Parameters
    ----------
    step, index : (rows,)
        Interval; index of the bus or branch.
    kind, element : tuple of str
        Which limit, by its name in ``limits.csv``; name of the bus or branch.
    value, limit : (rows,)
        In the unit of the limit.
    excess_kw : (rows,)
        Of a branch: by how much too much flows [kW]; NaN for a voltage.
    """

    step: IntArray
    index: IntArray
    kind: Names
    element: Names
    value: FloatArray
    limit: FloatArray
    excess_kw: FloatArray

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.step)


def view_grid(study: Study, method: str) -> GridView:
    """The grid of a study, its admittance matrix factorised once for all load flows."""
    return GridView(study, build_network(study.grid), method)


def check_plan(view: GridView, fleet: Fleet, power_kw: FloatArray) -> GridState:
    """Load flow of the devices' plan and all fixed load.

    Raises
    ------
    NotConvergedError
        If an interval has no operable solution.
    """
    load_kw, load_kvar = fleet.bus_load(power_kw)
    return flow_of(view, load_kw, load_kvar)


def flow_of(
    view: GridView, load_kw: FloatArray, load_kvar: FloatArray, *, must_solve: bool = True
) -> GridState:
    """Load flow of all intervals; loads (buses, steps) [kW], [kvar]. NaN where none is found and may be."""
    # A bus that nothing supplies is refused by the load flow where it has load, and left out where not.
    there = (view.network.node_of_bus >= 0) | load_kw.any(axis=1) | load_kvar.any(axis=1)
    drawn = Injections(np.flatnonzero(there), load_kw[there].T.copy(), load_kvar[there].T.copy())
    flow = solve_power_flow(view.network, drawn, method=view.method)
    if must_solve and not flow.solved.all():
        step = int(np.flatnonzero(~flow.solved)[0])
        at = view.study.time.local(step)
        raise NotConvergedError(
            f"the grid cannot carry the load of {at:%Y-%m-%d %H:%M}, {load_kw[:, step].sum():,.0f} kW in "
            f"all: no operable load flow (mismatch {flow.mismatch_pu[step]:.2g} pu)"
        )
    return GridState(view, load_kw, load_kvar, flow)


def find_violations(state: GridState) -> Violations:
    """Everything that a load flow breaks by more than ``LEAST_EXCESS_KW`` or ``LEAST_EXCESS_PU``."""
    limits, grid = state.view.limits, state.view.study.grid
    rows = []
    for kind, values, limit, sign, names in (
        ("vm_min_pu", state.vm_pu, limits.vm_min_pu, -1.0, grid.buses.name),
        ("vm_max_pu", state.vm_pu, limits.vm_max_pu, 1.0, grid.buses.name),
        ("loading_max_percent", state.loading_percent, limits.loading_max_percent, 1.0, grid.branches.name),
    ):
        with np.errstate(invalid="ignore"):
            over = sign * (values - limit)
            least = np.full(values.shape[1], LEAST_EXCESS_PU)
            if kind == KINDS[2]:
                least = 100.0 * LEAST_EXCESS_KW / state.view.rated_kw
            broken = np.argwhere(over > least)
        for step, index in broken:
            over_kw = np.nan
            if kind == KINDS[2]:
                over_kw = state.carried_kw[step, index] - state.view.limit_kw[step, index]
            rows.append((step, index, kind, names[index], values[step, index], limit[step, index], over_kw))
    rows.sort(key=lambda row: (row[0], KINDS.index(row[2]), row[1]))
    return Violations(
        step=np.array([row[0] for row in rows], dtype=np.int64),
        index=np.array([row[1] for row in rows], dtype=np.int64),
        kind=tuple(row[2] for row in rows),
        element=tuple(row[3] for row in rows),
        value=np.array([row[4] for row in rows], dtype=np.float64),
        limit=np.array([row[5] for row in rows], dtype=np.float64),
        excess_kw=np.array([row[6] for row in rows], dtype=np.float64),
    )


def shift_factors(state: GridState, violations: Violations, buses: IntArray) -> FloatArray:
    """How each broken limit answers to load at some buses, shape (rows, buses) [kW/kW] or [pu/kW].

    Branches by the factors of the DC load flow, in the direction of the flow; voltages by the exact
    linearisation of the load flow at the state, as a fall per kW for a low voltage.
    """
    out = np.zeros((len(violations), len(buses)))
    is_branch = np.array([kind == KINDS[2] for kind in violations.kind], dtype=bool)
    if is_branch.any():
        sign = state.direction[violations.step[is_branch], violations.index[is_branch]]
        out[is_branch] = sign[:, None] * state.view.factors(buses)[violations.index[is_branch]]
    if (~is_branch).any():
        rises = voltage_gradients(state, violations.step[~is_branch], violations.index[~is_branch], buses)
        low = np.array([kind == KINDS[0] for kind in np.array(violations.kind)[~is_branch]])
        out[~is_branch] = np.where(low[:, None], -rises, rises)
    return out


def voltage_gradients(state: GridState, step: IntArray, bus: IntArray, buses: IntArray) -> FloatArray:
    """∂|V_i|/∂P_j at the state of some intervals, shape (rows, buses) [pu/kW]; negative for load."""
    network = state.flow.network
    node, drawn = network.node_of(bus), network.node_of(buses)
    towards = np.zeros((len(step), network.pq_count), dtype=np.complex128)
    v = state.flow.v_nodes()[step, node]
    inside = node < network.pq_count
    towards[np.flatnonzero(inside), node[inside]] = (np.conj(v) / np.abs(v))[inside]
    out = np.zeros((len(step), len(buses)))
    moves = drawn < network.pq_count
    out[:, moves] = gradients(state.flow, step, towards, drawn[moves])[0]
    return out


def causes(
    state: GridState, fleet: Fleet, power_kw: FloatArray, violations: Violations
) -> tuple[Names, FloatArray]:
    """Whose load makes each violation: parties and their part of it, shape (rows, parties) [kW].

    Of a branch the load behind it; of a voltage the load of each party weighted by its effect on the
    voltage, in kW at the bus with the largest effect.
    """
    parties = (FIXED_LOAD, *dict.fromkeys(fleet.aggregator))
    supplied = np.flatnonzero(state.view.network.node_of_bus >= 0)
    factor = np.zeros((len(violations), len(state.load_kw)))
    factor[:, supplied] = shift_factors(state, violations, supplied)
    peak = np.array([1.0 if kind == KINDS[2] else 0.0 for kind in violations.kind])
    peak = np.where(peak > 0.0, 1.0, np.abs(factor).max(axis=1, initial=1e-300))
    weight = factor / peak[:, None]
    part = np.zeros((len(violations), len(parties)))
    part[:, 0] = np.einsum("rb,br->r", weight, fleet.fixed_kw[:, violations.step])
    for column, party in enumerate(parties[1:], 1):
        mine: BoolArray = np.array([name == party for name in fleet.aggregator])
        part[:, column] = np.einsum(
            "rd,dr->r", weight[:, fleet.bus[mine]], power_kw[mine][:, violations.step]
        )
    return parties, part
