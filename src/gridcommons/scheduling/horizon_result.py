"""What a horizon of scheduling comes to: plans of all communities, and what was bought of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import FloatArray
from gridcommons.model.time import TimeAxis
from gridcommons.scheduling.community import Plan, ProgramSize
from gridcommons.scheduling.grid_operator import TOLERANCE_PU, GridOperator, Sight
from gridcommons.scheduling.parties import Refusal
from gridcommons.scheduling.transactive_round import Outcome


@dataclass(frozen=True, eq=False)
class HorizonResult:
    """One horizon.

    Parameters
    ----------
    time : TimeAxis
        Its intervals.
    operator : GridOperator
        The grid, and who is connected where.
    outcome : Outcome
        The grid before and after, and the rounds between.
    alone, final : mapping of str to Plan
        What each community does without the grid operator, and with what it sold.
    refusals : tuple of Refusal
        Answers that were not taken, and what was bought and not delivered.
    sizes : mapping of str to ProgramSize
        The program of each community.
    """

    time: TimeAxis
    operator: GridOperator
    outcome: Outcome
    alone: dict[str, Plan]
    final: dict[str, Plan]
    refusals: tuple[Refusal, ...]
    sizes: dict[str, ProgramSize]

    @property
    def stamps(self) -> npt.NDArray[np.datetime64]:
        """Start of each interval, UTC."""
        return self.time.stamps()

    @property
    def paid(self) -> FloatArray:
        """What is paid for each purchase, shape (connections, hours) [currency]."""
        outcome = self.outcome
        return np.asarray(outcome.price_per_kvarh * outcome.bought_kvar * self.time.step_hours)

    def paid_to(self, community: str) -> float:
        """What a community gets [currency]."""
        return float(self.paid[self.operator.rows_of(community)].sum())

    def cost_of(self, community: str, fee_per_kvarh: float) -> tuple[float, float]:
        """What a community pays alone and in the end, the fee on reactive power included, what it sold aside.

        In the hours that were called the fee is on the schedule's reactive power.
        """
        alone, final = self.alone[community], self.final[community]
        fee = fee_per_kvarh * self.time.step_hours
        charged = final.q_kvar.copy()
        charged[:, self.outcome.called] = alone.q_kvar[:, self.outcome.called]
        return (
            sum(alone.cost.values()) + fee * float(alone.q_kvar.sum()),
            sum(final.cost.values()) + fee * float(charged.sum()),
        )


def intervals_out(result: HorizonResult, sight: Sight) -> int:
    """Intervals in which a voltage is out of its band, those that a source holds included."""
    vm_pu, limits = sight.solution.vm_pu(), result.operator.limits
    out = (limits.vm_min_pu - vm_pu > TOLERANCE_PU) | (vm_pu - limits.vm_max_pu > TOLERANCE_PU)
    return int(out.any(axis=1).sum())


def resource_cost(result: HorizonResult) -> dict[str, float]:
    """What providing reactive power costs the communities: their bills, up from alone, sales aside."""
    return {
        name: sum(result.final[name].cost.values()) - sum(result.alone[name].cost.values())
        for name in result.alone
    }


def provided_by_kind(result: HorizonResult, kind_of: dict[str, str]) -> dict[str, Any]:
    """Reactive energy by kind of asset that moved it in the hours called, up from alone [kvarh]."""
    called, hours = result.outcome.called, result.time.step_hours
    total: dict[str, float] = {}
    for name, plan in result.final.items():
        for before, after in zip(result.alone[name].devices, plan.devices, strict=True):
            moved = float(np.abs(after.q_kvar - before.q_kvar)[called].sum() * hours)
            kind = kind_of[after.asset]
            total[kind] = total.get(kind, 0.0) + moved
    return total
