"""Whether positions of switches are fit for operation: paths, voltages, loadings, radiality, sources.

Source 4, section 4.5.2: every member always has a path to the main grid, and voltages stay inside their band;
checked here on the load flow, for one set of positions and many steps at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridcommons.model.errors import GridcommonsError, InfeasibleError, Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, Grid, IntArray, Names
from gridcommons.model.limits import Limits
from gridcommons.model.phases import bus_of_row
from gridcommons.model.switches import Switch, with_positions
from gridcommons.model.topology import bus_nodes, supplied_buses
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import TOLERANCE_PU, solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections
from gridcommons.switching.clusters import source_name

SLACK_SHARE = 1e-6
"""A limit counts as broken beyond this [pu, or share of a rating or capacity]; angles beyond 1e-6 degree."""

ALWAYS = -1
"""Step of a violation that is one of the topology, whatever the load."""


@dataclass(frozen=True, eq=False)
class Operation:
    """What positions of switches are judged by.

    Parameters
    ----------
    grid : Grid
        The grid; positions of its switches in it do not matter.
    switches : tuple of Switch
        What may be moved.
    limits : Limits
        Bands and loadings, of one step or of as many as there are scenarios.
    injections : Injections
        Net power of the members, a column a connection, in each scenario; positive when the grid delivers.
        Their buses are those that need a path to the main grid. Without a background of its own, for that is
        one of a single topology.
    radial : bool
        Whether loops of closed branches are violations.
    parallel_allowed : bool
        Whether sources may run in parallel in one component.
    method : str
        Load flow.

    Raises
    ------
    GridcommonsError
        The injections have a background.
    StudyError
        Limits are of another number of steps.
    """

    grid: Grid
    switches: tuple[Switch, ...]
    limits: Limits
    injections: Injections
    radial: bool = True
    parallel_allowed: bool = False
    method: str = "helm"

    def __post_init__(self) -> None:
        """Refuse what fits one topology only, or other steps."""
        if self.injections.background is not None:
            raise GridcommonsError(
                "injections for switching have a background, which is one of a single topology: put it into "
                "the columns or into the grid's fixed injections"
            )
        steps = {len(getattr(self.limits, column.name)) for column in fields(self.limits)} - {1}
        if steps - {len(self.injections)}:
            expected = f"1 or {len(self.injections)}, one a scenario"
            raise StudyError([Problem("limits", f"limits of {max(steps)} steps", expected)])


@dataclass(frozen=True, eq=False)
class Violations:
    """What is wrong with positions of switches, a row a violation.

    Parameters
    ----------
    kind : tuple of str
        ``path``: a bus with members that no source reaches. ``parallel``: sources in one component, named
        together, with their number. ``radial``: loops, with their number. ``load_flow``: no operable
        solution, with its mismatch [pu]. ``capacity_kw``: active power of a switch beyond its own capacity
        [kW]. Else the name of the limit (``vm_min_pu``, ``loading_max_percent``, …).
    element : tuple of str
        Bus, branch, switch or sources.
    step : (rows,)
        Scenario; -1 where it does not depend on the load.
    value, limit : (rows,)
        What was found and what was allowed.
    """

    kind: Names
    element: Names
    step: IntArray
    value: FloatArray
    limit: FloatArray

    def __len__(self) -> int:
        """Number of violations."""
        return len(self.kind)

    @property
    def excess(self) -> dict[tuple[str, str, int], float]:
        """By how much each limit is broken, by kind, element and step."""
        keys = zip(self.kind, self.element, self.step.tolist(), strict=True)
        return dict(zip(keys, np.abs(self.value - self.limit).tolist(), strict=True))

    def text(self, row: int) -> str:
        """One violation in words."""
        when = "" if self.step[row] == ALWAYS else f" at step {self.step[row]}"
        found = f"{self.value[row]:.6g}, limit {self.limit[row]:.6g}"
        return f"{self.kind[row]} of {self.element[row]}{when}: {found}"


Row = tuple[str, str, int, float, float]


def find_violations(operation: Operation, closed: BoolArray) -> Violations:
    """All that is wrong with positions of the switches; no row where they are fit for operation.

    Parameters
    ----------
    operation : Operation
        Grid, load and limits.
    closed : (switches,)
        Positions.
    """
    grid = with_positions(operation.grid, operation.switches, closed)
    supplied = supplied_buses(grid)
    rows = [*_without_path(operation, grid, supplied), *_of_topology(operation, grid)]
    return _columns([*rows, *_of_load_flow(operation, grid, supplied)])


def find_topology_violations(operation: Operation, closed: BoolArray) -> Violations:
    """The same without the load flow: paths, loops and sources in parallel.

    Parameters
    ----------
    operation : Operation
        Grid and load.
    closed : (switches,)
        Positions.
    """
    grid = with_positions(operation.grid, operation.switches, closed)
    return _columns([*_without_path(operation, grid, supplied_buses(grid)), *_of_topology(operation, grid)])


def _columns(rows: list[Row]) -> Violations:
    columns: list[Sequence[object]] = [[row[k] for row in rows] for k in range(5)]
    return Violations(
        tuple(map(str, columns[0])),
        tuple(map(str, columns[1])),
        np.array(columns[2], dtype=np.int64),
        np.array(columns[3], dtype=np.float64),
        np.array(columns[4], dtype=np.float64),
    )


def _bus_name(grid: Grid, bus: int) -> str:
    name = grid.buses.name[bus]
    return bus_of_row(name) if grid.is_three_phase else name


def _connections(injections: Injections) -> IntArray:
    """Buses of every column, both where it lies between two phases, shape (ends, columns)."""
    if injections.to_bus is None:
        return injections.bus[None]
    return np.stack([injections.bus, np.where(injections.is_between, injections.to_bus, injections.bus)])


def drawing_buses(grid: Grid, injections: Injections) -> IntArray:
    """Buses at which anything is drawn or injected, by members or by the grid file itself."""
    fixed, loads = grid.fixed, grid.phase_loads
    own = fixed.bus[(fixed.p_kw != 0.0) | (fixed.q_kvar != 0.0)]
    return np.concatenate([_connections(injections).ravel(), own, loads.bus, loads.to_bus[loads.to_bus >= 0]])


def _without_path(operation: Operation, grid: Grid, supplied: BoolArray) -> list[Row]:
    ends = drawing_buses(grid, operation.injections)
    lost = dict.fromkeys(_bus_name(grid, bus) for bus in ends[~supplied[ends]].tolist())
    return [("path", name, ALWAYS, 0.0, 1.0) for name in lost]


def _of_topology(operation: Operation, grid: Grid) -> Iterator[Row]:
    node = bus_nodes(grid)
    count, on = int(node.max()) + 1, grid.branches.in_service
    ends = node[grid.branches.from_bus[on]], node[grid.branches.to_bus[on]]
    edges = coo_array((np.ones(len(ends[0])), ends), shape=(count, count))
    component = connected_components(edges, directed=False)[1]
    held = node[grid.sources.bus]
    alive = np.unique(component[held])
    if not operation.parallel_allowed:
        for names in dict.fromkeys(_together(grid, held, component[held], one) for one in alive):
            if len(names) > 1:
                yield "parallel", ", ".join(names), ALWAYS, float(len(names)), 1.0
    branches = int(np.isin(component[ends[0]], alive).sum())
    # A forest has as many branches as nodes, less one a tree.
    loops = branches - int(np.isin(component, alive).sum()) + len(alive)
    if operation.radial and loops > 0:
        yield "radial", "grid", ALWAYS, float(loops), 0.0


def _together(grid: Grid, held: IntArray, component: IntArray, one: int) -> Names:
    """Sources of a component, the phases of one as one, those on one node by the first of them."""
    by_node = {int(held[at]): source_name(grid, int(at)) for at in np.flatnonzero(component == one)[::-1]}
    return tuple(sorted(set(by_node.values())))


def _of_load_flow(operation: Operation, grid: Grid, supplied: BoolArray) -> list[Row]:
    """Violations of what is supplied; none where nothing is."""
    injections = operation.injections
    fed = supplied[_connections(injections)].all(axis=0)
    to_bus = None if injections.to_bus is None else injections.to_bus[fed]
    kept = replace(
        injections,
        bus=injections.bus[fed],
        p_kw=injections.p_kw[:, fed],
        q_kvar=injections.q_kvar[:, fed],
        to_bus=to_bus,
    )
    try:
        network = build_network(grid)
    except InfeasibleError as error:
        return [("load_flow", str(error), ALWAYS, np.nan, TOLERANCE_PU)]
    if network.pq_count == 0:
        return []
    solution = solve_power_flow(network, kept, method=operation.method)
    lost = np.flatnonzero(~solution.solved)
    rows: list[Row] = [
        ("load_flow", "grid", int(step), float(solution.mismatch_pu[step]), TOLERANCE_PU) for step in lost
    ]
    rows += _of_buses(operation.limits, solution)
    rows += _of_branches(operation.limits, solution)
    rows += _of_switches(operation.switches, solution)
    return rows


def _beyond(
    kind: str, names: Names, value: FloatArray, limit: FloatArray, sign: float, slack: float = SLACK_SHARE
) -> Iterator[Row]:
    """Rows where a value is above (sign 1) or below (-1) its limit; NaN, where none is supplied, is not."""
    limits = np.broadcast_to(limit, value.shape)
    for step, at in np.argwhere(sign * (value - limits) > slack).tolist():
        yield kind, names[at], step, float(value[step, at]), float(limits[step, at])


def _of_buses(limits: Limits, solution: FlowSolution) -> Iterator[Row]:
    names = solution.network.grid.buses.name
    vm_pu, va_degree = solution.vm_pu(), solution.va_degree()
    yield from _beyond("vm_min_pu", names, vm_pu, limits.vm_min_pu, -1.0)
    yield from _beyond("vm_max_pu", names, vm_pu, limits.vm_max_pu, 1.0)
    yield from _beyond("va_min_degree", names, va_degree, limits.va_min_degree, -1.0)
    yield from _beyond("va_max_degree", names, va_degree, limits.va_max_degree, 1.0)


def _of_branches(limits: Limits, solution: FlowSolution) -> Iterator[Row]:
    branches = solution.network.grid.branches
    loading = solution.loading_percent()
    yield from _beyond(
        "loading_max_percent", branches.name, loading, limits.loading_max_percent, 1.0, 100.0 * SLACK_SHARE
    )
    va_degree = solution.va_degree()
    turn = va_degree[:, branches.from_bus] - va_degree[:, branches.to_bus]
    turn = np.where(branches.in_service, (turn + 180.0) % 360.0 - 180.0, np.nan)
    yield from _beyond("va_diff_min_degree", branches.name, turn, limits.va_diff_min_degree, -1.0)
    yield from _beyond("va_diff_max_degree", branches.name, turn, limits.va_diff_max_degree, 1.0)


def _of_switches(switches: tuple[Switch, ...], solution: FlowSolution) -> Iterator[Row]:
    p_kw = solution.p_from_kw()
    for switch in switches:
        if np.isfinite(switch.capacity_kw):
            carried = np.abs(p_kw[:, list(switch.branches)].sum(axis=1, keepdims=True))
            slack = SLACK_SHARE * max(switch.capacity_kw, 1.0)
            limit = np.full((1, 1), switch.capacity_kw)
            yield from _beyond("capacity_kw", (switch.name,), carried, limit, 1.0, slack)
