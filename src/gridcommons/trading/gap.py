"""How far the topologies of a day are from the best ones for the same balances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.results import Columns
from gridcommons.ports import Engines, SwitchWish
from gridcommons.trading.day import Field, ScenarioDay
from gridcommons.trading.tables import stamps


@dataclass(frozen=True, eq=False)
class Gap:
    """Exchange that was planned and that the best topology would have had, by community round.

    Parameters
    ----------
    round, minute : (rounds,)
        Which, and when it took effect.
    planned_kw, best_kw : (rounds,)
        Power fed in [kW].
    planned_shortfall_kw, best_shortfall_kw : (rounds,)
        What goes unserved or is curtailed [kW].
    hours : (rounds,)
        How long each held [h].
    """

    round: IntArray
    minute: IntArray
    planned_kw: FloatArray
    best_kw: FloatArray
    planned_shortfall_kw: FloatArray
    best_shortfall_kw: FloatArray
    hours: FloatArray

    @property
    def planned_kwh(self) -> float:
        """Fed in as planned over the day [kWh]."""
        return float(self.planned_kw @ self.hours)

    @property
    def shortfalls_kwh(self) -> tuple[float, float]:
        """What goes unserved or is curtailed over the day, as planned and at best [kWh]."""
        return float(self.planned_shortfall_kw @ self.hours), float(self.best_shortfall_kw @ self.hours)

    @property
    def best_kwh(self) -> float:
        """Fed in with the best topologies [kWh]."""
        return float(self.best_kw @ self.hours)

    def table(self, field: Field) -> Columns:
        """A row a round."""
        return {
            "round": self.round,
            "time": stamps(field, self.minute),
            "planned_fed_in_kw": self.planned_kw,
            "best_fed_in_kw": self.best_kw,
            "planned_shortfall_kw": self.planned_shortfall_kw,
            "best_shortfall_kw": self.best_shortfall_kw,
        }


def optimum_of_rounds(field: Field, engines: Engines, switched: ScenarioDay) -> Gap | None:
    """The rounds of a switched day beside the best of all topologies for what each round knew.

    None where there are too many topologies to compare.
    """
    if not engines.switch_controller("optimal").can_plan(field.clusters.graph):
        return None
    placed, rounds = switched.positions, switched.rounds
    assert placed is not None and rounds is not None
    ruling = np.flatnonzero(np.isfinite(placed.expected_kw).all(axis=1))
    best = engines.switch_controller("optimal")
    wish = SwitchWish(field.settings.parallel_allowed)
    start = field.clusters.closed_of(placed.closed[0])
    balances = field.balance_kw[rounds.minute[ruling]] - switched.asked_kw[ruling]
    found = [best.plan(field.clusters.graph, balance, start, wish) for balance in balances]
    effect = rounds.effect_minute[ruling]
    return Gap(
        ruling,
        effect,
        np.maximum(placed.expected_kw[ruling], 0.0).sum(axis=1),
        np.array([each.injection_kw for each in found]),
        placed.shortfall_kw[ruling],
        np.array([each.shortfall_kw for each in found]),
        np.diff(np.append(effect, field.day.minutes)) / 60.0,
    )
