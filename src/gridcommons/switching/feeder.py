"""A grid with movable switches as a graph: nodes, edges that stay, edges that move, roots at the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.model.errors import InfeasibleError, Problem, StudyError
from gridcommons.model.grid import (
    S_BASE_KVA,
    BoolArray,
    Buses,
    FloatArray,
    Grid,
    IntArray,
    Sources,
    plain_lines,
)
from gridcommons.model.limits import Limits
from gridcommons.model.switches import Switch, with_positions
from gridcommons.model.topology import bus_nodes, supplied_buses
from gridcommons.powerflow.admittance import ComplexArray
from gridcommons.switching.radial_sweeps import Bounds, Case, Graph, Scenarios


@dataclass(frozen=True, eq=False)
class Feeder:
    """A grid, its loads and its switches, made ready for the search of a topology.

    Parameters
    ----------
    grid : Grid
        Where it comes from.
    switches : tuple of Switch
        What may be opened and closed.
    p_kw, q_kvar : (steps, buses)
        Net power beside the grid file's own fixed injections, positive when the grid delivers [kW], [kvar].
    step_hours : float
        Length of a step [h].
    limits : Limits or None
        What must hold.
    node : (buses,)
        Node of each bus; -1 where no source reaches it even with every switch closed.
    branch : (edges,)
        Row of ``Branches`` of each edge of the graph.
    switch : (edges,)
        Index of the switch that moves an edge; -1 where it stays closed.
    case : Case
        What the compiled sweeps read.
    """

    grid: Grid
    switches: tuple[Switch, ...]
    p_kw: FloatArray
    q_kvar: FloatArray
    step_hours: float
    limits: Limits | None
    node: IntArray
    branch: IntArray
    switch: IntArray
    case: Case

    @property
    def may_move(self) -> BoolArray:
        """Which edges a switch moves, shape (edges,)."""
        return np.asarray(self.switch >= 0)

    @property
    def start(self) -> BoolArray:
        """Which edges are closed at the start, shape (edges,)."""
        position = np.array([switch.closed for switch in self.switches] + [True], dtype=np.bool_)
        return np.asarray(position[self.switch])

    def positions(self, closed: BoolArray) -> BoolArray:
        """Position of every switch, those that do not move included, from closed edges; shape (switches,)."""
        position = np.array([switch.closed for switch in self.switches], dtype=np.bool_)
        moved = self.may_move
        position[self.switch[moved]] = closed[moved]
        return position


def make_feeder(
    grid: Grid,
    switches: tuple[Switch, ...],
    p_kw: FloatArray,
    q_kvar: FloatArray,
    step_hours: float = 1.0,
    limits: Limits | None = None,
) -> Feeder:
    """A grid, its switches and its loads as a graph whose radial topologies can be searched.

    Parameters
    ----------
    grid : Grid
        A balanced grid.
    switches : tuple of Switch
        Each moves one branch; one that does not obey stays as it is.
    p_kw, q_kvar : (steps, buses)
        Net power beside the grid file's own fixed injections, positive when the grid delivers [kW], [kvar].
    step_hours : float
        Length of a step [h].
    limits : Limits, optional
        Voltage bands and loadings that must hold; angles are free in a radial grid's search.

    Raises
    ------
    StudyError
        A three-phase grid, a switch of several branches, two switches on one branch, a limit on angles.
    InfeasibleError
        A bus with load that no source reaches, or a loop that no switch can open.
    """
    _check(grid, switches, limits)
    closed = np.array([switch.moves or switch.closed for switch in switches], dtype=np.bool_)
    everything = with_positions(grid, switches, closed)
    s_kva = p_kw + 1j * q_kvar
    np.add.at(s_kva.T, grid.fixed.bus, (grid.fixed.p_kw + 1j * grid.fixed.q_kvar)[:, None])
    node = _nodes(everything, s_kva)
    branches = everything.branches
    branch = np.flatnonzero(branches.in_service & (node[branches.from_bus] >= 0))
    switch = _movers(switches, len(branches))[branch]
    reached = node >= 0
    s = np.zeros((len(s_kva), int(node.max()) + 1), dtype=np.complex128)
    np.add.at(s.T, node[reached], s_kva[:, reached].T / S_BASE_KVA)
    bounds = _bounds(grid, node, branch, limits)
    capacity_kw = np.array([each.capacity_kw for each in switches] + [np.inf])
    case = Case(
        _graph(everything, node, branch),
        Scenarios(s, np.full(len(s), step_hours)),
        bounds._replace(p_max=capacity_kw[switch] / S_BASE_KVA),
    )
    feeder = Feeder(grid, switches, p_kw, q_kvar, step_hours, limits, node, branch, switch, case)
    _refuse_fixed_loops(feeder)
    return feeder


def _nodes(grid: Grid, s_kva: ComplexArray) -> IntArray:
    """Node of each bus that a source reaches, -1 for the rest; raises where one of these has load."""
    reached = supplied_buses(grid)
    alone = np.flatnonzero(~reached & (s_kva != 0.0).any(axis=0))
    if len(alone):
        names = ", ".join(grid.buses.name[bus] for bus in alone[:5])
        raise InfeasibleError(
            f"no source reaches {len(alone)} buses with load ({names}), even with every switch closed: "
            "make a branch on their path a switch, or close it"
        )
    node = np.full(len(grid.buses), -1, dtype=np.int64)
    node[reached] = np.unique(bus_nodes(grid)[reached], return_inverse=True)[1]
    return node


def _movers(switches: tuple[Switch, ...], branches: int) -> IntArray:
    """Switch that moves each branch, -1 where none does, shape (branches,)."""
    switch = np.full(branches, -1, dtype=np.int64)
    for index, each in enumerate(switches):
        if each.moves:
            switch[list(each.branches)] = index
    return switch


def feeder_from_tables(
    branches: Sequence[Mapping[str, str]],
    buses: Sequence[Mapping[str, str]],
    vn_kv: float,
    base_mva: float | None,
    sources: Sequence[str],
) -> Feeder:
    """A feeder in which every branch is a switch, from tables of text as published feeders are kept in.

    Parameters
    ----------
    branches : sequence of mappings
        Columns ``branch``, ``from_bus``, ``to_bus``, ``tie`` (1 where open at the start), and ``r_ohm`` and
        ``x_ohm`` or ``r_pu`` and ``x_pu``.
    buses : sequence of mappings
        Columns ``bus``, ``p_kw``, ``q_kvar``: the net power of the one step, an hour long.
    vn_kv : float
        Nominal voltage, line to line [kV].
    base_mva : float or None
        Base of ``r_pu`` and ``x_pu`` [MVA]; None where they are ``r_ohm`` and ``x_ohm``.
    sources : sequence of str
        Buses that are held at 1 pu.
    """
    index = {row["bus"]: at for at, row in enumerate(buses)}
    unit, base = ("ohm", vn_kv**2) if base_mva is None else ("pu", base_mva)
    scale = S_BASE_KVA / 1e3 / base
    at, unknown = np.array([index[name] for name in sources], dtype=np.int64), np.full(len(buses), np.nan)
    ends = np.array([[index[row["from_bus"]], index[row["to_bus"]]] for row in branches])
    r_pu, x_pu = (np.array([scale * float(row[f"{part}_{unit}"]) for row in branches]) for part in "rx")
    closed = np.array([row["tie"] == "0" for row in branches], dtype=np.bool_)
    lines = plain_lines(tuple(row["branch"] for row in branches), ends, r_pu, x_pu)
    grid = Grid(
        Buses(tuple(index), np.full(len(buses), vn_kv), unknown, unknown),
        replace(lines, from_closed=closed, to_closed=closed),
        Sources(tuple(f"source {name}" for name in sources), at, np.ones(len(at)), np.zeros(len(at))),
    )
    switches = tuple(
        Switch(name, (k,), bool(grid.branches.in_service[k])) for k, name in enumerate(grid.branches.name)
    )
    p_kw, q_kvar = (np.array([[float(row[column]) for row in buses]]) for column in ("p_kw", "q_kvar"))
    return make_feeder(grid, switches, p_kw, q_kvar)


def _check(grid: Grid, switches: tuple[Switch, ...], limits: Limits | None) -> None:
    problems = []
    if grid.is_three_phase:
        problems.append(
            Problem("grid", "a three-phase grid", "a balanced one, whose rows stand for three phases")
        )
    owner: dict[int, str] = {}
    for switch in switches:
        if len(switch.branches) != 1:
            found = f"{len(switch.branches)} branches"
            problems.append(Problem("switches", found, "one branch that it moves", row=switch.name))
        for row in switch.branches:
            if row in owner:
                found = f"a branch that {owner[row]} moves as well"
                problems.append(Problem("switches", found, "one switch a branch", row=switch.name))
            owner[row] = switch.name
    if limits is not None and _limits_angles(limits):
        expected = "angles that are free: in a radial grid voltages and loadings bind"
        problems.append(Problem("limits", "a limit on angles", expected, "set it to infinity"))
    if problems:
        raise StudyError(problems)


def _limits_angles(limits: Limits) -> bool:
    angles = (
        limits.va_min_degree,
        limits.va_max_degree,
        limits.va_diff_min_degree,
        limits.va_diff_max_degree,
    )
    return any(bool(np.isfinite(values).any()) for values in angles)


def _graph(grid: Grid, node: IntArray, branch: IntArray) -> Graph:
    branches, count = grid.branches, int(node.max()) + 1
    from_node, to_node = node[branches.from_bus[branch]], node[branches.to_bus[branch]]
    ends, far = np.concatenate([from_node, to_node]), np.concatenate([to_node, from_node])
    order = np.argsort(ends, kind="stable")
    root, first = np.unique(node[grid.sources.bus], return_index=True)
    return Graph(
        from_node=from_node,
        to_node=to_node,
        start=np.searchsorted(ends[order], np.arange(count + 1)).astype(np.int64),
        edge=np.tile(np.arange(len(branch)), 2)[order],
        other=far[order],
        law=_laws(grid, branch),
        resistance=branches.r_pu[branch].astype(np.float64),
        root=root,
        v_root=grid.sources.vm_pu[first].astype(np.complex128),
        shunt=_shunts(grid, node, count),
    )


def _two_ports(grid: Grid) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """Admittances y_ff, y_ft = y_tf, y_tt of every branch, phase shifts stripped, shape (branches,) [pu].

    In a forest a shift turns all that is behind it and changes no loss and no magnitude.
    """
    branches = grid.branches
    series = 1.0 / (branches.r_pu + 1j * branches.x_pu)
    y_ff = (series + branches.g_from_pu + 1j * branches.b_from_pu) / branches.ratio**2
    y_tt = series + branches.g_to_pu + 1j * branches.b_to_pu
    return np.asarray(y_ff), np.asarray(-series / branches.ratio), np.asarray(y_tt)


def _laws(grid: Grid, branch: IntArray) -> ComplexArray:
    """α, ζ, γ, σ with the parent at the ``from`` and at the ``to`` end, shape (2, edges, 4)."""
    y_ff, y_ft, y_tt = (y[branch] for y in _two_ports(grid))
    ends = ((y_ff, y_tt), (y_tt, y_ff))
    return np.ascontiguousarray(
        [np.stack([-y_ft / far, 1.0 / far, -y_ft / far, near - y_ft**2 / far], axis=1) for near, far in ends]
    )


def _shunts(grid: Grid, node: IntArray, count: int) -> ComplexArray:
    """Admittance to earth at each node: shunts, and branches that hang on it with their far end open."""
    shunt = np.zeros(count, dtype=np.complex128)
    at = node[grid.shunts.bus]
    drawn = (grid.shunts.p_kw - 1j * grid.shunts.q_kvar) / S_BASE_KVA
    np.add.at(shunt, at[at >= 0], drawn[at >= 0])
    branches = grid.branches
    y_ff, y_ft, y_tt = _two_ports(grid)
    for bus, near, far, here, there in (
        (branches.from_bus, y_ff, y_tt, branches.from_closed, branches.to_closed),
        (branches.to_bus, y_tt, y_ff, branches.to_closed, branches.from_closed),
    ):
        hanging = here & ~there & (node[bus] >= 0)
        np.add.at(shunt, node[bus[hanging]], (near - y_ft**2 / far)[hanging])
    return shunt


def _bounds(grid: Grid, node: IntArray, branch: IntArray, limits: Limits | None) -> Bounds:
    count, branches = int(node.max()) + 1, grid.branches
    p_max = np.full(len(branch), np.inf)
    if limits is None:
        free = np.full((1, count), np.inf)
        return Bounds(-free, free, np.full((1, len(branch), 2), np.inf), p_max)
    steps = max(len(limits.vm_min_pu), len(limits.vm_max_pu))
    v_min, v_max = np.full((steps, count), -np.inf), np.full((steps, count), np.inf)
    reached = np.flatnonzero(node >= 0)
    np.maximum.at(v_min.T, node[reached], np.broadcast_to(limits.vm_min_pu, (steps, len(node)))[:, reached].T)
    np.minimum.at(v_max.T, node[reached], np.broadcast_to(limits.vm_max_pu, (steps, len(node)))[:, reached].T)
    rated_ka = np.stack([branches.i_max_from_ka, branches.i_max_to_ka], axis=1)[branch]
    vn_kv = grid.buses.vn_kv[np.stack([branches.from_bus, branches.to_bus], axis=1)[branch]]
    base_ka = S_BASE_KVA / 1e3 / (np.sqrt(3.0) * vn_kv)
    i_max = limits.loading_max_percent[:, branch, None] / 100.0 * (rated_ka / base_ka)
    return Bounds(v_min, v_max, np.ascontiguousarray(i_max), p_max)


def _refuse_fixed_loops(feeder: Feeder) -> None:
    """Raise where edges that stay closed make a loop, or a path between two sources."""
    graph, above = feeder.case.graph, list(range(len(feeder.case.graph.shunt) + 1))

    def top(at: int) -> int:
        while above[at] != at:
            above[at] = above[above[at]]
            at = above[at]
        return at

    # All sources hang on one virtual node, so that a path between two of them is a loop as well.
    for root in graph.root:
        above[int(root)] = len(graph.shunt)
    for edge in np.flatnonzero(feeder.switch < 0):
        a, b = top(int(graph.from_node[edge])), top(int(graph.to_node[edge]))
        if a == b:
            name = feeder.grid.branches.name[feeder.branch[edge]]
            raise InfeasibleError(
                f"branch {name} closes a loop or joins two sources, and no switch can open it: no radial "
                "topology exists; make a branch of the loop a switch"
            )
        above[a] = b
