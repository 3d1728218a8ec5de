"""The grid operator: the load flow of what communities exchange, what the voltages lack, and what mends them.

It knows the grid, what others draw, and messages: never a device of a community.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.limits import Limits
from gridcommons.model.time import TimeAxis
from gridcommons.powerflow.admittance import Network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.sensitivities import reactive_sensitivities
from gridcommons.powerflow.solution import FlowSolution, Injections
from gridcommons.scheduling.messages import Exchange
from gridcommons.scheduling.purchase import Need

TOLERANCE_PU = 1e-5
"""What a voltage may be out of its band and counts as inside [pu]."""

AIM_PU = 1e-7
"""How far inside the band a purchase aims; amounts are corrected until voltages are out by no more [pu]."""

SCALES = (0.2, 5.0)
"""Between what the effect of reactive power is scaled by what moves with it."""

LOW, HIGH = 1.0, -1.0
"""Sides of the band, as the direction in which a voltage must move."""

Row = tuple[int, float]
"""A voltage that counts: its bus, and the side of the band."""


@dataclass(frozen=True)
class Connection:
    """Where a community meets the grid: its name, and the name of the bus."""

    community: str
    bus: str


@dataclass(frozen=True, eq=False)
class Sight:
    """What the grid operator sees of a state of the grid.

    Parameters
    ----------
    solution : FlowSolution
        A scenario an interval.
    p_kw, q_kvar : (steps, connections)
        What communities exchange [kW], [kvar].
    out_pu : (steps, buses)
        By how much each voltage is out of its band: positive below it, negative above; 0 inside, and where
        a source holds it [pu].
    excess_pu : (steps, buses)
        The same without its sign, and below 0 inside the band; -inf without supply and at sources [pu].
    """

    solution: FlowSolution
    p_kw: FloatArray
    q_kvar: FloatArray
    out_pu: FloatArray
    excess_pu: FloatArray

    @cached_property
    def hours(self) -> IntArray:
        """Intervals in which a voltage is out, ascending."""
        return np.flatnonzero((np.abs(self.out_pu) > TOLERANCE_PU).any(axis=1))

    def worst(self, step: int) -> tuple[int, float]:
        """The bus furthest out of its band in an interval, or nearest to its end, and its voltage [pu]."""
        bus = int(np.argmax(self.excess_pu[step]))
        return bus, float(self.solution.vm_pu()[step, bus])


class GridOperator:
    """The grid over one horizon.

    Parameters
    ----------
    network : Network
        The grid.
    limits : Limits
        Of every interval of the horizon.
    others : Injections
        What is drawn beside the communities, a scenario an interval.
    time : TimeAxis
        The horizon.
    method : str
        The load flow.
    """

    def __init__(
        self, network: Network, limits: Limits, others: Injections, time: TimeAxis, method: str
    ) -> None:
        self.network = network
        self.limits = limits
        self.others = others
        self.time = time
        self.method = method
        self.connections: tuple[Connection, ...] = ()
        self._vm_scheduled_pu: FloatArray | None = None

    def start_from(self, sight: Sight) -> None:
        """Take note of the state under the schedules, from which needs are counted."""
        self._vm_scheduled_pu = sight.solution.vm_pu()

    def admit(self, schedules: Mapping[str, Exchange]) -> None:
        """Take note of the connections that communities have, from their schedules."""
        self.connections = tuple(
            Connection(name, bus) for name, exchange in schedules.items() for bus in exchange.bus
        )

    @cached_property
    def bus_index(self) -> IntArray:
        """Bus of each connection, shape (connections,)."""
        return np.array([self.network.grid.bus_index[each.bus] for each in self.connections], dtype=np.int64)

    def rows_of(self, community: str) -> IntArray:
        """Which connections are a community's."""
        return np.flatnonzero([each.community == community for each in self.connections])

    def look(self, exchanges: Mapping[str, Exchange]) -> Sight:
        """The load flow of every interval.

        Raises
        ------
        NotConvergedError
            An interval without operable solution.
        """
        p_kw = np.concatenate([each.p_kw for each in exchanges.values()]).T
        q_kvar = np.concatenate([each.q_kvar for each in exchanges.values()]).T
        others = self.others
        load = Injections(
            np.concatenate([others.bus, self.bus_index]),
            np.concatenate([others.p_kw, p_kw], axis=1),
            np.concatenate([others.q_kvar, q_kvar], axis=1),
        )
        solution = solve_power_flow(self.network, load, method=self.method)
        if not solution.solved.all():
            first = int(np.flatnonzero(~solution.solved)[0])
            when = self.time.local(first).isoformat(timespec="minutes")
            raise NotConvergedError(
                f"load flow of {int((~solution.solved).sum())} intervals has no operable solution, first at "
                f"{when}: mismatch {solution.mismatch_pu[first]:.3g} pu"
            )
        vm_pu = solution.vm_pu()
        below, above = self.limits.vm_min_pu - vm_pu, vm_pu - self.limits.vm_max_pu
        out_pu = np.where(below > 0.0, below, np.where(above > 0.0, -above, 0.0))
        excess_pu = np.nan_to_num(np.maximum(below, above), nan=-np.inf)
        # What a source holds, nobody's reactive power can move.
        held = self.network.node_of_bus >= self.network.pq_count
        out_pu[:, held], excess_pu[:, held] = 0.0, -np.inf
        return Sight(solution, p_kw, q_kvar, np.nan_to_num(out_pu), excess_pu)

    def need(
        self, sight: Sight, step: int, rows: Sequence[tuple[int, float]], delta_kvar: FloatArray
    ) -> Need:
        """What an interval lacks under the schedules, and what reactive power does to it.

        Effects are the sensitivities of the state seen, scaled so that what was injected explains all of the
        way from the schedules to it: what moves with reactive power, its owner's active power, is counted in.

        Parameters
        ----------
        sight : Sight
            The state, in which ``delta_kvar`` (connections,) is injected beyond the schedules.
        step : int
            The interval.
        rows : sequence of (bus, side)
            Voltages that count, and the side of the band.
        """
        bus = np.array([each[0] for each in rows], dtype=np.int64)
        side = np.array([each[1] for each in rows])
        of_connections = self._effects(sight.solution, step, self.bus_index, bus)
        own = np.diag(self._effects(sight.solution, step, bus, bus))
        vm_pu, limits = sight.solution.vm_pu()[step, bus], self.limits
        edge = np.where(
            side == LOW, limits.vm_min_pu[step, bus] + AIM_PU, limits.vm_max_pu[step, bus] - AIM_PU
        )
        effect = of_connections * side[:, None]
        if self._vm_scheduled_pu is None:
            return Need((edge - vm_pu) * side + effect @ delta_kvar, effect, own)
        scheduled_pu = self._vm_scheduled_pu[step, bus]
        moved_pu, explained_pu = (vm_pu - scheduled_pu) * side, effect @ delta_kvar
        scale = np.divide(moved_pu, explained_pu, out=np.ones_like(moved_pu), where=explained_pu != 0.0)
        effect = effect * np.clip(scale, *SCALES)[:, None]
        return Need((edge - vm_pu) * side + effect @ delta_kvar, effect, own)

    def _effects(self, solution: FlowSolution, step: int, at: IntArray, on: IntArray) -> FloatArray:
        """Rise of voltage magnitudes per kvar injected, shape (on, at) [pu/kvar]; 0 at a source."""
        network = self.network
        node_at, node_on = network.node_of(at), network.node_of(on)
        inside_at = np.flatnonzero(node_at < network.pq_count)
        out = np.zeros((len(on), len(at)))
        drawn = reactive_sensitivities(solution, step, node_at[inside_at])
        v = solution.v_pq[step, node_on]
        out[:, inside_at] = -(drawn[:, node_on] * np.conj(v) / np.abs(v)).real.T
        return out
