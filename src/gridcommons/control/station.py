"""The load flow of a year at the station and in the grid behind it: peaks, violations, extremes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.control.households import Households
from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, IntArray
from gridcommons.model.limits import Limits
from gridcommons.model.study import Study
from gridcommons.powerflow.admittance import Network, build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections

STEPS_AT_ONCE = 1024
"""Intervals of one batch of load flows: a year stays small in memory."""


@dataclass(frozen=True, eq=False)
class GridView:
    """The grid as the load flow of a year needs it."""

    study: Study
    network: Network
    method: str

    @cached_property
    def idle_kw(self) -> float:
        """What the grid itself draws with nothing connected: iron losses, for the most part [kW]."""
        nothing = np.zeros((1, 1))
        bus = self.study.grid.sources.bus[:1]
        flow = solve_power_flow(self.network, Injections(bus, nothing, nothing), method=self.method)
        return float(_source_kw(flow)[0]) - self.fixed_kw

    @property
    def fixed_kw(self) -> float:
        """What the grid file itself draws [kW]."""
        return float(self.study.grid.fixed.p_kw.sum())


@dataclass(eq=False)
class Extremes:
    """How near the grid came to its limits over a year.

    Parameters
    ----------
    value : (kinds) of (elements,)
        Lowest voltage, highest voltage [pu] of each bus; highest loading of each branch [%].
    step : (kinds) of (elements,)
        Interval of each.
    intervals : (kinds) of (elements,)
        Intervals in which the limit was broken.
    any_broken : (steps,)
        Intervals in which anything in the grid was outside its limits.
    """

    value: dict[str, FloatArray]
    step: dict[str, IntArray]
    intervals: dict[str, IntArray]
    any_broken: BoolArray


@dataclass(frozen=True, eq=False)
class StationYear:
    """A year at the station.

    Parameters
    ----------
    p_kw : (steps,)
        Net power by the exact load flow, losses included; NaN where it has no operable solution [kW].
    dc_kw : (steps,)
        The same with the losses of the idle grid alone [kW].
    extremes : Extremes
        The grid behind it.
    """

    p_kw: FloatArray
    dc_kw: FloatArray
    extremes: Extremes


KINDS = ("vm_min_pu", "vm_max_pu", "loading_max_percent")
"""What is looked at, by the name of its limit."""


def view_grid(study: Study, method: str) -> GridView:
    """The grid of a study, its admittance matrix factorised once for all scenarios."""
    network = build_network(study.grid)
    _ = network.factors, network.rows, network.v_no_load
    view = GridView(study, network, method)
    _ = view.idle_kw
    return view


def flow_year(
    view: GridView,
    households: Households,
    p_kw: FloatArray,
    q_kvar: FloatArray,
    advance: Callable[[int], None] = lambda _: None,
) -> StationYear:
    """Load flow of every interval.

    Parameters
    ----------
    view : GridView
        The grid.
    households : Households
        Who is connected where.
    p_kw, q_kvar : (households, steps)
        Net power of each household [kW], [kvar].
    advance : callable
        Told how many intervals are done.
    """
    steps = p_kw.shape[1]
    station_kw = np.empty(steps)
    extremes = _nothing_yet(view, steps)
    for start in range(0, steps, STEPS_AT_ONCE):
        cut = slice(start, min(start + STEPS_AT_ONCE, steps))
        flow = solve_power_flow(
            view.network, Injections(households.bus, p_kw[:, cut].T, q_kvar[:, cut].T), method=view.method
        )
        station_kw[cut] = np.where(flow.solved, _source_kw(flow), np.nan)
        _note(extremes, flow, view.study.limits.window(cut.start, cut.stop), cut)
        advance(cut.stop - cut.start)
    return StationYear(station_kw, p_kw.sum(axis=0) + view.fixed_kw + view.idle_kw, extremes)


def flow_at(
    view: GridView, households: Households, p_kw: FloatArray, q_kvar: FloatArray, steps: IntArray
) -> FlowSolution:
    """Load flow of some intervals."""
    return solve_power_flow(
        view.network, Injections(households.bus, p_kw[:, steps].T, q_kvar[:, steps].T), method=view.method
    )


def _source_kw(flow: FlowSolution) -> FloatArray:
    """What all sources deliver, shape (steps,) [kW]."""
    network = flow.network
    v = flow.v_nodes()
    current = (network.y[network.pq_count :] @ v.T).T
    return np.asarray((v[:, network.pq_count :] * np.conj(current)).real.sum(axis=1) * S_BASE_KVA)


def _nothing_yet(view: GridView, steps: int) -> Extremes:
    buses, branches = len(view.study.grid.buses), len(view.study.grid.branches)
    size = {"vm_min_pu": buses, "vm_max_pu": buses, "loading_max_percent": branches}
    worst = {"vm_min_pu": np.inf, "vm_max_pu": -np.inf, "loading_max_percent": -np.inf}
    return Extremes(
        {kind: np.full(size[kind], worst[kind]) for kind in KINDS},
        {kind: np.zeros(size[kind], dtype=np.int64) for kind in KINDS},
        {kind: np.zeros(size[kind], dtype=np.int64) for kind in KINDS},
        np.zeros(steps, dtype=bool),
    )


def _note(extremes: Extremes, flow: FlowSolution, limits: Limits, cut: slice) -> None:
    vm_pu, loading = flow.vm_pu(), flow.loading_percent()
    for kind, values, limit, sign in (
        ("vm_min_pu", vm_pu, limits.vm_min_pu, -1.0),
        ("vm_max_pu", vm_pu, limits.vm_max_pu, 1.0),
        ("loading_max_percent", loading, limits.loading_max_percent, 1.0),
    ):
        if not values.size:
            continue
        with np.errstate(invalid="ignore"):
            broken = sign * (values - limit) > 0.0
        extremes.intervals[kind] += broken.sum(axis=0)
        extremes.any_broken[cut] |= broken.any(axis=1)
        towards = np.where(np.isfinite(values), sign * values, -np.inf)
        row = towards.argmax(axis=0)
        top = towards[row, np.arange(values.shape[1])]
        better = top > sign * extremes.value[kind]
        extremes.value[kind][better] = sign * top[better]
        extremes.step[kind][better] = cut.start + row[better]
    extremes.any_broken[cut] |= ~flow.solved
