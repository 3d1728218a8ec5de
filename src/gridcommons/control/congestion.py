"""The grid-wide program of one interval, for when a limit binds.

    min Σ_k c_grid g_k − c_feed-in e_k − w_b b⁺_k + c_b b⁻_k − w_t s⁺_k + c_t s⁻_k + c_slack Σ_m (z⁺_m + z⁻_m)
    g_k − e_k − b⁺_k + b⁻_k − s⁺_k + s⁻_k = r_k                  each household k (or one row at the station)
    −F_m ≤ Σ_k φ_mk (r_k + b⁺_k − b⁻_k + s⁺_k − s⁻_k) − z⁺_m + z⁻_m ≤ F_m        each monitored branch m

with r the net power with stores at rest, b and s battery and tank in electric kW, φ the factors of the DC
load flow. Source 3, section 2.3.2 ("while accounting for grid constraints"). Limits are soft, dearer
than everything else: their slack is the violation that no dispatch could avoid.

Ties are broken by a share of a cost far below the distance between two of them, in an order that is drawn
once and turns from interval to interval: the answer is unique, and nobody is always the first to be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack, vstack

from gridcommons.control.households import Households
from gridcommons.control.plant import Interval, Plant, UInt8Array
from gridcommons.control.settings import Costs
from gridcommons.control.station import GridView
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.optimisation.warm import WarmProgram
from gridcommons.powerflow.dc import dc_flow_factors

SLACK_COST = 1e5
"""Cost of a kilowatt above a limit: dearer than anything that `settings.MOST_COST` lets make up for it."""

TIE_COST = 1e-3
"""Spread of the costs that break ties, far below `settings.LEAST_DISTANCE` of two costs of dispatch."""

TOLERANCE_KW = 1e-6
"""A flow above its limit by less than this does not bind."""


@dataclass(frozen=True, eq=False)
class Monitored:
    """Limits that the dispatch holds.

    Parameters
    ----------
    name : tuple of str
        Branches, and ``station``.
    factor : (limits, households)
        Flow per kW drawn by each household.
    fixed_kw : (limits,)
        Flow of what the grid file itself draws [kW].
    limit_kw : (1 or steps, limits)
        Largest flow either way [kW].
    """

    name: tuple[str, ...]
    factor: FloatArray
    fixed_kw: FloatArray
    limit_kw: FloatArray


def monitor(
    view: GridView, households: Households, *, branches: bool, station_limit_kw: float | None
) -> Monitored:
    """The limits that could bind for these households: those that their ratings can reach.

    Parameters
    ----------
    view : GridView
        The grid.
    households : Households
        Who could break them.
    branches : bool
        Whether lines and transformers are held at their ratings.
    station_limit_kw : float or None
        Limit of the station, where it is held [kW].
    """
    grid = view.study.grid
    rated = np.flatnonzero(np.isfinite(grid.branches.i_max_from_ka)) if branches else np.zeros(0, np.int64)
    factor = dc_flow_factors(view.network, rated, households.bus)
    fixed_kw = dc_flow_factors(view.network, rated, grid.fixed.bus) @ grid.fixed.p_kw
    rating_kw = (
        np.sqrt(3.0) * grid.buses.vn_kv[grid.branches.from_bus[rated]]
        * grid.branches.i_max_from_ka[rated] * 1e3
    )  # fmt: skip
    limit_kw = rating_kw * view.study.limits.loading_max_percent[:, rated] / 100.0
    reach = _reach_kw(households.plant, factor) + np.abs(fixed_kw) > limit_kw.min(axis=0)
    name = tuple(grid.branches.name[index] for index in rated[reach])
    parts = Monitored(name, factor[reach], fixed_kw[reach], limit_kw[:, reach])
    return parts if station_limit_kw is None else _with_station(parts, view, station_limit_kw)


def _with_station(parts: Monitored, view: GridView, limit_kw: float) -> Monitored:
    rows = len(parts.limit_kw)
    return Monitored(
        (*parts.name, "station"),
        np.vstack([parts.factor, np.ones((1, parts.factor.shape[1]))]),
        np.append(parts.fixed_kw, view.fixed_kw + view.idle_kw),
        np.hstack([parts.limit_kw, np.full((rows, 1), limit_kw)]),
    )


def _reach_kw(plant: Plant, factor: FloatArray) -> FloatArray:
    """The largest flow that these households could bring about over each branch, either way [kW]."""
    most_kw = _most_kw(plant)
    return np.asarray(np.abs(factor) @ most_kw)


def _most_kw(plant: Plant) -> FloatArray:
    """The largest net power of each household, drawn or fed in [kW]."""
    most_kw = np.abs(plant.load_kw).max(axis=1, initial=0.0)
    for of, values in ((plant.generation_of, plant.generation_kw), (plant.car_of, plant.car_kw)):
        has = of >= 0
        most_kw[has] += values.max(axis=1, initial=0.0)[of[has]]
    return np.asarray(
        most_kw + plant.car_max_kw + plant.pump_max_kw + plant.battery_charge_kw + plant.battery_discharge_kw
    )


class GridProgram:
    """The program of one grid and its households, built once, each interval from the basis of the last.

    Parameters
    ----------
    households : Households
        All of them; those with a store can be set.
    monitored : Monitored
        The limits it holds.
    costs : Costs
        The order of dispatch.
    seed : int
        Draws the order in which ties are broken.
    priced_at : {"household", "station"}
        Where import and feed-in are priced. At the station one's surplus serves another: so does an
        optimal power flow whose only price is at its source.
    """

    def __init__(
        self,
        households: Households,
        monitored: Monitored,
        costs: Costs,
        seed: int,
        priced_at: Literal["household", "station"] = "household",
    ) -> None:
        plant = households.plant
        self.monitored, self.costs, self.priced_at = monitored, costs, priced_at
        self.able: IntArray = np.flatnonzero((plant.battery_high_kwh > 0.0) | (plant.tank_kwh > 0.0))
        self.rank = np.random.default_rng((seed, 0)).permutation(len(self.able))
        self._program = WarmProgram(self._matrix()) if self.can_bind else None
        self.objective = 0.0

    @property
    def can_bind(self) -> bool:
        """Whether there is a limit that could bind, and a store that could answer."""
        return len(self.monitored.name) > 0 and len(self.able) > 0

    def breaks(self, p_kw: FloatArray, start: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Where net powers (households, steps) from ``start`` on break a limit, shape (steps,)."""
        flow_kw = np.abs(self.monitored.factor @ p_kw + self.monitored.fixed_kw[:, None])
        limit_kw = self.monitored.limit_kw
        limit_kw = limit_kw[start : start + p_kw.shape[1]] if len(limit_kw) > 1 else limit_kw
        return np.asarray((flow_kw > limit_kw.T + TOLERANCE_KW).any(axis=0))

    def dispatch(
        self, at: Interval, cheap: UInt8Array, wait: int, t: int
    ) -> tuple[FloatArray, FloatArray, float]:
        """Battery (net) and tank (heat) of every household, and the slack that is left [kW].

        Parameters
        ----------
        at : Interval
            What they draw with stores at rest, and how far the stores can go.
        cheap : (households,)
            For whom the grid is cheap.
        wait : int
            1 where discharging is dear.
        t : int
            The interval.
        """
        assert self._program is not None
        cost = self._cost(cheap[self.able], wait)
        x = self._program.solve(cost + self._ties(t), self._bounds(at), self._rows(at, t))
        self.objective = float(cost @ x)
        charge, discharge, tank_up, tank_down = self._parts(x)
        count = len(at.residual_kw)
        battery_kw, tank_kw = np.zeros(count), np.zeros(count)
        battery_kw[self.able] = charge - discharge
        tank_kw[self.able] = (tank_up - tank_down) * at.cop[self.able]
        return battery_kw, tank_kw, float(x[len(x) - 2 * len(self.monitored.name) :].sum())

    def _parts(self, x: FloatArray) -> tuple[FloatArray, ...]:
        n = len(self.able)
        return tuple(x[k * n : (k + 1) * n] for k in range(4))

    @property
    def _meters(self) -> int:
        """Places at which import and feed-in are priced."""
        return 1 if self.priced_at == "station" else len(self.able)

    def _matrix(self) -> csr_array:
        """Columns b⁺, b⁻, s⁺, s⁻, g, e, z⁺, z⁻; rows of balance, then of the limits."""
        n, limits = len(self.able), len(self.monitored.name)
        drawn = csr_array(hstack([eye_array(n), -eye_array(n), eye_array(n), -eye_array(n)]))
        gathered = csr_array(np.ones((1, n))) if self.priced_at == "station" else csr_array(eye_array(n))
        meters = eye_array(self._meters)
        none = csr_array((self._meters, 2 * limits))
        balance = hstack([-(gathered @ drawn), meters, -meters, none])
        flow = csr_array(self.monitored.factor[:, self.able]) @ drawn
        slack = eye_array(limits)
        free = csr_array((limits, 2 * self._meters))
        return csr_array(vstack([balance, hstack([flow, free, -slack, slack])]))

    def _cost(self, cheap: UInt8Array, wait: int) -> FloatArray:
        costs, n = self.costs, len(self.able)
        battery, tank = costs.discharge_battery, costs.discharge_tank
        if wait:
            battery = tank = costs.dear_discharge
        grid = np.where(cheap == 1, costs.cheap_grid, costs.grid)
        grid = np.array([costs.grid]) if self.priced_at == "station" else grid
        return np.concatenate(
            [
                np.full(n, -costs.charge_battery),
                np.full(n, battery),
                np.full(n, -costs.charge_tank),
                np.full(n, tank),
                grid,
                np.full(self._meters, -costs.feed_in),
                np.full(2 * len(self.monitored.name), SLACK_COST),
            ]
        )

    def _ties(self, t: int) -> FloatArray:
        n = len(self.able)
        turn = TIE_COST * ((self.rank + t) % n) / n
        ties = np.zeros(4 * n + 2 * self._meters + 2 * len(self.monitored.name))
        ties[: 4 * n] = np.concatenate([turn, turn, turn + 0.5 * TIE_COST / n, turn + 0.5 * TIE_COST / n])
        return ties

    def _bounds(self, at: Interval) -> tuple[FloatArray, FloatArray]:
        able = self.able
        upper = np.concatenate(
            [
                at.battery_up_kw[able],
                at.battery_down_kw[able],
                at.tank_up_kw[able] / at.cop[able],
                at.tank_down_kw[able] / at.cop[able],
                np.full(2 * self._meters + 2 * len(self.monitored.name), np.inf),
            ]
        )
        return np.zeros(len(upper)), np.maximum(upper, 0.0)

    def _rows(self, at: Interval, t: int) -> tuple[FloatArray, FloatArray]:
        residual = at.residual_kw
        balance = np.array([residual.sum()]) if self.priced_at == "station" else residual[self.able]
        rest_kw = self.monitored.factor @ residual + self.monitored.fixed_kw
        limit_kw = self.monitored.limit_kw[min(t, len(self.monitored.limit_kw) - 1)]
        return np.append(balance, -limit_kw - rest_kw), np.append(balance, limit_kw - rest_kw)
