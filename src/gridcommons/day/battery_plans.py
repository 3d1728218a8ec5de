"""What batteries plan the day before: dynamic programming over energy, a member a battery.

Each battery minimises what its member pays for the forecast of its meter, at its own price by interval:

    V[t](E) = min over p of  c[t](n[t] + p) + V[t+1](E'),
    E' = E + η p dt charging, E + p dt / η discharging,

with c the price of import where the meter draws and that of feed-in where it injects. It ends no emptier than
it began. Energy is in steps of an eighth of what an interval can move. Where a plan keeps the meter at zero,
it says so instead of naming an energy: the battery then follows the meter itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.assets import Battery
from gridcommons.model.grid import FloatArray, IntArray

PARTS = 8
"""Steps of energy that a battery moves in an interval at the lesser of its ratings."""

LEVELS_MAX = 500
"""Steps of energy between empty and full at most."""

LEAST_PRICE = 1e-6
"""What a kWh in and out costs at least, so that nothing is moved for nothing [currency/kWh]."""


@dataclass(frozen=True, eq=False)
class MeterPrices:
    """What meters of batteries are expected to count, and what that costs.

    Parameters
    ----------
    net_kw : (steps, batteries)
        Net power of each battery's part of its member, the battery aside [kW].
    import_per_kwh, export_per_kwh : (steps, batteries)
        Prices of what is drawn and of what is injected.
    step_hours : float
        Length of an interval [h].
    """

    net_kw: FloatArray
    import_per_kwh: FloatArray
    export_per_kwh: FloatArray
    step_hours: float


def plan_batteries(batteries: tuple[Battery, ...], meters: MeterPrices) -> FloatArray:
    """Energy after each interval, NaN where a battery follows its meter, (batteries, steps) [kWh]."""
    if not batteries:
        return np.zeros((0, len(meters.net_kw)))
    return _Programs(batteries, meters).solve()


class _Programs:
    """The programs of all batteries side by side: (batteries, levels) of energy."""

    def __init__(self, batteries: tuple[Battery, ...], meters: MeterPrices) -> None:
        def of(rating: str) -> FloatArray:
            return np.array([getattr(battery, rating) for battery in batteries], dtype=np.float64)

        self.meters, hours = meters, meters.step_hours
        size, charge_share, discharge_share = (
            of("energy_kwh"),
            of("charge_efficiency_share"),
            of("discharge_efficiency_share"),
        )
        most_in = of("charge_max_kw") * charge_share * hours
        most_out = of("discharge_max_kw") / discharge_share * hours
        # One that can hardly charge, or hardly discharge, takes its steps from the other; none is endless.
        lesser, larger = np.minimum(most_in, most_out), np.maximum(most_in, most_out)
        smallest = np.maximum(size / LEVELS_MAX, 1e-6)
        self.step_kwh = np.maximum(np.where(lesser > larger / PARTS, lesser, larger) / PARTS, smallest)
        self.start_kwh = of("soc_initial_share") * size
        below = np.floor((self.start_kwh - of("soc_min_share") * size) / self.step_kwh + 1e-9)
        above = np.floor((of("soc_max_share") * size - self.start_kwh) / self.step_kwh + 1e-9)
        self.start_level = below.astype(np.int64)
        self.levels = (below + above).astype(np.int64) + 1
        reach_in, reach_out = (np.floor(most / self.step_kwh + 1e-9) for most in (most_in, most_out))
        self.moves: IntArray = np.arange(-int(reach_out.max()), int(reach_in.max()) + 1)
        moved_kwh = self.moves[:, None] * self.step_kwh
        share = np.where(self.moves[:, None] > 0, 1.0 / charge_share, discharge_share)
        self.power_kw = moved_kwh * share / hours
        self.is_barred = (self.moves[:, None] > reach_in) | (self.moves[:, None] < -reach_out)

    def _cost(self, step: int) -> FloatArray:
        """What each move costs, shape (moves, batteries)."""
        meters = self.meters
        net_kw = meters.net_kw[step] + self.power_kw
        price = np.where(net_kw > 0.0, meters.import_per_kwh[step], meters.export_per_kwh[step])
        cost = net_kw * price + LEAST_PRICE * np.abs(self.power_kw)
        return np.where(self.is_barred, np.inf, cost * meters.step_hours)

    def solve(self) -> FloatArray:
        """Back from the end to the start, and forward along the best moves."""
        count, levels, steps = len(self.levels), int(self.levels.max()), len(self.meters.net_kw)
        level = np.arange(levels)
        self.is_none = level >= self.levels[:, None]
        # The end is no emptier than the start.
        value = np.where(self.is_none | (level < self.start_level[:, None]), np.inf, 0.0)
        best = np.zeros((steps, count, levels), dtype=np.int64)
        for step in range(steps - 1, -1, -1):
            value, best[step] = self._back(value, self._cost(step))
        return self._forward(best)

    def _back(self, value: FloatArray, cost: FloatArray) -> tuple[FloatArray, IntArray]:
        """Value before an interval, and which move is best at each level."""
        found, which = np.full(value.shape, np.inf), np.zeros(value.shape, dtype=np.int64)
        levels = value.shape[1]
        # Small moves first: of what costs the same, the one that moves less.
        for index in np.argsort(np.abs(self.moves), kind="stable").tolist():
            move = int(self.moves[index])
            low, high = max(0, -move), min(levels, levels - move)
            if low >= high:
                continue
            tried = cost[index][:, None] + value[:, low + move : high + move]
            better = tried < found[:, low:high]
            found[:, low:high] = np.where(better, tried, found[:, low:high])
            which[:, low:high] = np.where(better, index, which[:, low:high])
        return np.where(self.is_none, np.inf, found), which

    def _forward(self, best: IntArray) -> FloatArray:
        steps, count, _ = best.shape
        row, level = np.arange(count), self.start_level.copy()
        target = np.empty((count, steps))
        for step in range(steps):
            move = best[step, row, level]
            level = level + self.moves[move]
            net_kw = self.meters.net_kw[step]
            power_kw = self.power_kw[move, row]
            # The nearest step to the meter's own power is meant to be that power.
            step_kw = self.step_kwh / self.meters.step_hours
            balances = (power_kw * net_kw < 0.0) & (np.abs(net_kw + power_kw) <= step_kw)
            energy_kwh = self.start_kwh + (level - self.start_level) * self.step_kwh
            target[:, step] = np.where(balances, np.nan, energy_kwh)
        return target
