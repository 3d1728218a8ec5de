"""The limits of a grid as quantities that a load flow gives and a gradient can be taken of.

Each limit reads g ≤ 0. Voltages: band (source 1, eq. 5) [pu]. Branches: current against rating, in
both directions (eq. 8, by current) [share]. Angles and angle differences (eqs. 6 and 9) [rad].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from gridcommons.envelopes.branch_ends import BranchEnds, branch_ends
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.model.limits import Limits
from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.solution import FlowSolution, rated_currents_pu


class Kind(IntEnum):
    """What a limit bounds."""

    VM_MIN = 0
    VM_MAX = 1
    LOADING = 2
    VA_MIN = 3
    VA_MAX = 4
    VA_DIFF_MIN = 5
    VA_DIFF_MAX = 6


LIMIT_OF_KIND = {
    Kind.VM_MIN: "vm_min_pu",
    Kind.VM_MAX: "vm_max_pu",
    Kind.LOADING: "loading_max_percent",
    Kind.VA_MIN: "va_min_degree",
    Kind.VA_MAX: "va_max_degree",
    Kind.VA_DIFF_MIN: "va_diff_min_degree",
    Kind.VA_DIFF_MAX: "va_diff_max_degree",
}
BUS_KINDS = (Kind.VM_MIN, Kind.VM_MAX, Kind.VA_MIN, Kind.VA_MAX)


@dataclass(frozen=True, eq=False)
class Voltages:
    """Voltages that queries look at, each at a scenario of its own.

    Parameters
    ----------
    v : (scenarios, nodes)
        Voltages of all nodes, sources included [pu].
    scenario : (queries,)
        Scenario of each query.
    """

    v: ComplexArray
    scenario: IntArray

    def at(self, node: IntArray) -> ComplexArray:
        """Voltage at a node of each query, shape (queries,) [pu]."""
        return self.v[self.scenario, node]

    def take(self, which: BoolArray | IntArray) -> Voltages:
        """Those of some queries."""
        return Voltages(self.v, self.scenario[which])


@dataclass(frozen=True, eq=False)
class Directions:
    """h of dg = Re(Σ h_i dV_i) of each query, which looks at few nodes.

    Parameters
    ----------
    node : (queries, columns)
        Nodes; where a query has fewer, nodes of value 0.
    value : (queries, columns)
        h there [1/pu].
    """

    node: IntArray
    value: ComplexArray

    def take(self, which: BoolArray | IntArray) -> Directions:
        """Those of some queries."""
        return Directions(self.node[which], self.value[which])

    def dense(self, count: int) -> ComplexArray:
        """h at the first ``count`` nodes, shape (queries, count)."""
        every = np.arange(len(self.node))
        towards = np.zeros((len(self.node), max(count, int(self.node.max(initial=-1)) + 1)), np.complex128)
        for k in range(self.node.shape[1]):
            towards[every, self.node[:, k]] += self.value[:, k]
        return towards[:, :count]


@dataclass(frozen=True, eq=False)
class LimitRows:
    """All limits of a window of steps.

    Parameters
    ----------
    network : Network
        The grid.
    kind, element : (limits,)
        ``Kind`` codes; bus index or branch index.
    node : (limits,)
        Node of a bus limit; 0 for a branch.
    bound : (steps, limits)
        Right-hand side: pu, share of the rating, rad; infinite where a step has none.
    bound_back : (steps, limits)
        The same for a branch while power flows back over it; differs where one way is broken at rest.
    """

    network: Network
    kind: IntArray
    element: IntArray
    node: IntArray
    bound: FloatArray
    bound_back: FloatArray

    def __len__(self) -> int:
        """Number of limits."""
        return len(self.kind)

    def name(self, limit: int) -> tuple[str, str]:
        """Element and kind of a limit in the words of ``limits.csv``."""
        grid, kind = self.network.grid, Kind(self.kind[limit])
        names = grid.buses.name if kind in BUS_KINDS else grid.branches.name
        return names[self.element[limit]], LIMIT_OF_KIND[kind]

    def in_own_unit(self, limit: int, step: int, excess: float) -> tuple[float, float, float]:
        """Value, limit and excess in the unit of ``limits.csv`` for g = ``excess``."""
        kind, bound = Kind(self.kind[limit]), float(self.bound[step, limit])
        if kind == Kind.LOADING:
            return 100.0 * bound * (1.0 + excess), 100.0 * bound, 100.0 * bound * excess
        scale = 1.0 if kind in (Kind.VM_MIN, Kind.VM_MAX) else float(np.rad2deg(1.0))
        low = kind in (Kind.VM_MIN, Kind.VA_MIN, Kind.VA_DIFF_MIN)
        return scale * (bound - excess if low else bound + excess), scale * bound, scale * excess

    @cached_property
    def ends(self) -> BranchEnds:
        """Admittances of all branches."""
        return branch_ends(self.network)

    @cached_property
    def rated(self) -> tuple[FloatArray, FloatArray]:
        """Rated current at both ends of each branch [pu]."""
        return rated_currents_pu(self.network)

    def currents(self, at: Voltages, branch: IntArray) -> tuple[ComplexArray, ComplexArray]:
        """Currents into a branch of each query at both ends, as shares of their ratings."""
        i_f, i_t = self.ends.currents(at.v, at.scenario, branch)
        return i_f / self.rated[0][branch], i_t / self.rated[1][branch]


def make_limit_rows(network: Network, limits: Limits) -> LimitRows:
    """The limits of a window (``Limits.window``) that bound anything, on PQ nodes and rated branches."""
    parts = [*_bus_limits(network, limits), *_branch_limits(network, limits)]
    kind = np.concatenate([np.full(len(element), code) for code, element, _, _ in parts])
    bound = np.concatenate([bound for _, _, _, bound in parts], axis=1)
    return LimitRows(
        network,
        kind.astype(np.int64),
        np.concatenate([element for _, element, _, _ in parts]),
        np.concatenate([node for _, _, node, _ in parts]),
        bound,
        bound,
    )


def _bus_limits(network: Network, limits: Limits) -> list[tuple[Kind, IntArray, IntArray, FloatArray]]:
    """One limit a node and kind: buses that share a node share the tightest."""
    parts = []
    node = network.node_of_bus
    inside = (node >= 0) & (node < network.pq_count)
    for kind in BUS_KINDS:
        values: FloatArray = getattr(limits, LIMIT_OF_KIND[kind])
        is_angle = kind in (Kind.VA_MIN, Kind.VA_MAX)
        # Node angles have the transformers' shifts stripped, so the limit is stripped likewise.
        band = (limits.va_min_degree, limits.va_max_degree)
        own = _stripped(values, band, network.shift_degree[np.maximum(node, 0)]) if is_angle else values
        lower = kind in (Kind.VM_MIN, Kind.VA_MIN)
        bus = np.flatnonzero(inside & np.isfinite(values).any(axis=0))
        bus = bus[np.argsort(node[bus], kind="stable")]
        at_node, first = np.unique(node[bus], return_index=True)
        tightest = np.maximum if lower else np.minimum
        if len(first):
            bound = tightest.reduceat(own[:, bus], first, axis=1)
            parts.append((kind, bus[first], at_node, bound))
    return parts


def _branch_limits(network: Network, limits: Limits) -> list[tuple[Kind, IntArray, IntArray, FloatArray]]:
    branches = network.grid.branches
    supplied = network.node_of_bus[branches.from_bus] >= 0
    supplied &= network.node_of_bus[branches.to_bus] >= 0
    charged = branches.from_closed | branches.to_closed
    rated = np.isfinite(np.minimum(branches.i_max_from_ka, branches.i_max_to_ka))
    loading = limits.loading_max_percent
    bounded = np.isfinite(loading).any(axis=0) & supplied & charged & rated
    branch = np.flatnonzero(bounded)
    parts = [(Kind.LOADING, branch, np.zeros_like(branch), loading[:, branch] / 100.0)]
    for kind in (Kind.VA_DIFF_MIN, Kind.VA_DIFF_MAX):
        values: FloatArray = getattr(limits, LIMIT_OF_KIND[kind])
        band = (limits.va_diff_min_degree, limits.va_diff_max_degree)
        branch = np.flatnonzero(np.isfinite(values).any(axis=0) & supplied & branches.in_service)
        bound = _stripped(values, band, branches.shift_degree)[:, branch]
        parts.append((kind, branch, np.zeros_like(branch), bound))
    return parts


def _stripped(
    values: FloatArray, band: tuple[FloatArray, FloatArray], shift_degree: FloatArray
) -> FloatArray:
    """Angle limits less the phase shifts [rad], by whole turns where the band then lies nearest to 0."""
    low, high = band
    with np.errstate(invalid="ignore"):
        middle = np.where(np.isfinite(low) & np.isfinite(high), (low + high) / 2.0, values)
        turns = np.round((middle - shift_degree) / 360.0)
    return np.deg2rad(values - shift_degree - 360.0 * np.where(np.isfinite(turns), turns, 0.0))


def limit_values(
    rows: LimitRows, solution: FlowSolution, at: tuple[IntArray, IntArray, IntArray], assumed: FloatArray
) -> FloatArray:
    """g of each query, positive where the limit is violated, NaN where the flow has no solution.

    ``at`` is (scenario, step, limit) of each query, shape (queries,) each; ``assumed`` as in
    ``limit_directions``: a current that flows the other way counts as negative where the ways differ.
    """
    scenario, step, limit = at
    here = Voltages(solution.v_nodes(), scenario)
    kind, bound = rows.kind[limit], rows.bound[step, limit]
    value = np.full(len(limit), np.nan)
    for code in np.unique(kind):
        mine = kind == code
        if code == Kind.LOADING:
            value[mine] = _loading(rows, here.take(mine), (step[mine], limit[mine]), assumed[mine])
        else:
            value[mine] = _VALUES[Kind(code)](rows, here.take(mine), limit[mine], bound[mine])
    return value


def flows_back(rows: LimitRows, at: Voltages, limit: IntArray) -> BoolArray:
    """Whether active power flows towards the source over the branch of each query."""
    ends, branch = rows.ends, rows.element[limit]
    v_f, v_t = at.at(ends.f[branch]), at.at(ends.t[branch])
    i_f, i_t = rows.currents(at, branch)
    return np.asarray(ends.outward[branch] * (v_f * np.conj(i_f) - v_t * np.conj(i_t)).real < 0.0)


def _bound_along(
    rows: LimitRows, here: Voltages, at: tuple[IntArray, IntArray], assumed: FloatArray
) -> FloatArray:
    """Bound of each branch query for the way that its power flows, or is assumed to."""
    back = np.where(assumed == 0.0, flows_back(rows, here, at[1]), assumed < 0.0)
    return np.where(back, rows.bound_back[at], rows.bound[at])


def _loading_ends(
    rows: LimitRows, at: Voltages, limit: IntArray
) -> tuple[ComplexArray, FloatArray, BoolArray]:
    """Current against rating at the more loaded end: phasor, magnitude, and whether it is ``from``."""
    i_f, i_t = rows.currents(at, rows.element[limit])
    at_from = np.abs(i_f) >= np.abs(i_t)
    phasor = np.where(at_from, i_f, i_t)
    return phasor, np.abs(phasor), at_from


def _loading(
    rows: LimitRows, here: Voltages, at: tuple[IntArray, IntArray], assumed: FloatArray
) -> FloatArray:
    against = (assumed != 0.0) & (flows_back(rows, here, at[1]) == (assumed > 0.0))
    against &= rows.bound[at] != rows.bound_back[at]
    magnitude = np.where(against, -1.0, 1.0) * _loading_ends(rows, here, at[1])[1]
    return np.asarray(magnitude / _bound_along(rows, here, at, np.where(against, assumed, 0.0)) - 1.0)


def _vm(rows: LimitRows, at: Voltages, limit: IntArray) -> FloatArray:
    return np.abs(at.at(rows.node[limit]))


def _va(rows: LimitRows, at: Voltages, limit: IntArray) -> FloatArray:
    return np.angle(at.at(rows.node[limit]))


def _va_diff(rows: LimitRows, at: Voltages, limit: IntArray) -> FloatArray:
    branch = rows.element[limit]
    return np.angle(at.at(rows.ends.f[branch]) * np.conj(at.at(rows.ends.t[branch])))


_VALUES: dict[Kind, Callable[[LimitRows, Voltages, IntArray, FloatArray], FloatArray]] = {
    Kind.VM_MIN: lambda rows, at, limit, bound: bound - _vm(rows, at, limit),
    Kind.VM_MAX: lambda rows, at, limit, bound: _vm(rows, at, limit) - bound,
    Kind.VA_MIN: lambda rows, at, limit, bound: bound - _va(rows, at, limit),
    Kind.VA_MAX: lambda rows, at, limit, bound: _va(rows, at, limit) - bound,
    Kind.VA_DIFF_MIN: lambda rows, at, limit, bound: bound - _va_diff(rows, at, limit),
    Kind.VA_DIFF_MAX: lambda rows, at, limit, bound: _va_diff(rows, at, limit) - bound,
}


def limit_directions(
    rows: LimitRows, here: Voltages, at: tuple[IntArray, IntArray], assumed: FloatArray
) -> Directions:
    """How each query's g answers to voltages.

    Parameters
    ----------
    here : Voltages
        Where it is taken.
    at : (step, limit)
        Of each query.
    assumed : (queries,)
        0: take a branch's current as it flows. ±1: take it as active power flowing away from (+)
        or towards (−) the source; at rest it is too small to know which way it will grow.
    """
    step, limit = at
    kind, shape = rows.kind[limit], (len(limit), rows.ends.node.shape[1])
    node, value = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.complex128)
    sign = np.where(np.isin(kind, (Kind.VM_MIN, Kind.VA_MIN, Kind.VA_DIFF_MIN)), -1.0, 1.0)
    at_bus = np.flatnonzero(np.isin(kind, BUS_KINDS))
    node[at_bus, 0] = rows.node[limit[at_bus]]
    v = here.take(at_bus).at(node[at_bus, 0])
    is_vm = (kind[at_bus] == Kind.VM_MIN) | (kind[at_bus] == Kind.VM_MAX)
    value[at_bus, 0] = sign[at_bus] * np.where(is_vm, np.conj(v) / np.abs(v), -1j / v)
    loaded = np.flatnonzero(kind == Kind.LOADING)
    if len(loaded):
        node[loaded] = rows.ends.node[rows.element[limit[loaded]]]
        place = (step[loaded], limit[loaded])
        value[loaded] = _current_directions(rows, here.take(loaded), place, assumed[loaded])
    difference = np.flatnonzero((kind == Kind.VA_DIFF_MIN) | (kind == Kind.VA_DIFF_MAX))
    for k, turn in ((0, -1j), (1, 1j)):
        node[difference, k] = rows.ends.node[rows.element[limit[difference]], k]
        v = here.take(difference).at(node[difference, k])
        value[difference, k] = sign[difference] * turn / v
    return Directions(node, value)


def _current_directions(
    rows: LimitRows, here: Voltages, at: tuple[IntArray, IntArray], assumed: FloatArray
) -> ComplexArray:
    """h of the current against its limit at the nodes of each branch, shape (queries, columns)."""
    ends, branch = rows.ends, rows.element[at[1]]
    phasor, magnitude, at_from = _loading_ends(rows, here, at[1])
    v_f = here.at(ends.f[branch])
    # Current into the far end runs against the current into the near one.
    along = assumed * ends.outward[branch] * np.where(at_from, 1.0, -1.0) * v_f / np.abs(v_f)
    flowing = phasor / np.where(magnitude > 0.0, magnitude, 1.0)
    unit = np.conj(np.where(assumed == 0.0, flowing, along))
    rated = np.where(at_from, rows.rated[0][branch], rows.rated[1][branch])
    unit = unit / (rated * _bound_along(rows, here, at, assumed))
    y_end: ComplexArray = np.where(at_from[:, None], ends.y_from[branch], ends.y_to[branch])
    return unit[:, None] * y_end
