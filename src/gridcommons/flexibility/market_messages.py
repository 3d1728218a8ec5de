"""What market operator and grid operator say to each other while a market is cleared: bytes, and no more.

A proposal carries quantities at load points and hours; the reply carries prices at the same places, and
a few sums once the end is near. Nothing else crosses. What each side can learn from that:

- The grid operator sees how the market as a whole answers to prices, load point by load point: never an
  offer, who made it, or what it asks. Where a single aggregator is at a load point, the whole is that one.
- The market operator sees prices at load points and hours, the worst excess below ``NEAR_KW``, and, once it
  is below, how much is missing. Further away the excess would tell what a limit leaves: before anything
  is taken, exactly that.
  Prices are sums of the duals of the limits above a load point, weighted by the grid's sensitivities:
  load points that share a limit show equal or proportional prices, and once a limit holds with equality
  the quantities show what it leaves. No matrix, room or name of an element is sent. Where flexibility is
  short, prices reach the price cap, which the grid operator sets and publishes anyway.
- Whoever pays for shortage is told by the grid operator itself what is missing and where: a report that
  names elements, kept apart from the replies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gridcommons.model.grid import FloatArray, IntArray, Names
from gridcommons.model.messages import FloatTable, Message, MessageError, expect_shape

NEAR_KW = 1.0
"""Excess from which on a reply says no more than that it is so large [kW]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposal(Message):
    """What the market operator asks the grid operator.

    Parameters
    ----------
    round : int
        Counts from 1.
    penalty : float
        ρ of the round [currency/kW²].
    bus : tuple of str
        Load points.
    change_kw : (buses, steps)
        Change of the load that the market would make now [kW].
    target_kw : (buses, steps)
        Quantity and dual in one: that change, relaxed, plus price/ρ [kW].
    """

    kind: ClassVar[str] = "proposal"
    round: int
    penalty: float
    bus: Names
    change_kw: FloatTable
    target_kw: FloatTable

    def check(self) -> None:
        """Both tables have a row a load point, the penalty is positive."""
        if self.penalty <= 0.0:
            raise MessageError(f"proposal: received penalty {self.penalty}, expected one above 0")
        expect_shape("proposal", "target_kw", self.target_kw, self.change_kw.shape)
        expect_shape("proposal", "change_kw", self.change_kw, (len(self.bus), self.change_kw.shape[1]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reply(Message):
    """What the grid operator answers.

    Parameters
    ----------
    round : int
        Of the proposal.
    price : (buses, steps)
        What a kW more of load in that interval costs [currency/kW].
    worst_excess_kw : float
        By how much the proposed change breaks a limit at worst, beside what is missing; ``NEAR_KW`` stands
        for that and more, and the sums below are then 0.
    shortage_kw : float
        How much flexibility is missing, summed over limits.
    shortage_amount : float
        What that costs at the price cap.
    balance_amount : float
        Σ dual of a limit × (what the change takes − what there is) [currency]; bounds the least cost.
    excess_amount : float
        Σ dual of a limit × what breaks it beside what is missing [currency].
    """

    kind: ClassVar[str] = "reply"
    round: int
    price: FloatTable
    worst_excess_kw: float
    shortage_kw: float
    shortage_amount: float
    balance_amount: float
    excess_amount: float


@dataclass(frozen=True, kw_only=True, eq=False)
class GridReport(Message):
    """The grid operator's own account of the last proposal, for whoever pays; no part of the clearing.

    Parameters
    ----------
    element, kind_of_limit : tuple of str
        Which limits.
    step : (rows,)
        Interval of each.
    shortage_kw, excess_kw : (rows,)
        What is missing, and what the change breaks beside it.
    worst_excess_kw : (rounds,)
        Worst excess of every proposal since the first.
    """

    kind: ClassVar[str] = "report"
    element: Names
    kind_of_limit: Names
    step: IntArray
    shortage_kw: FloatArray
    excess_kw: FloatArray
    worst_excess_kw: FloatArray

    def check(self) -> None:
        """All columns have one length."""
        rows = (len(self.element),)
        for name in ("step", "shortage_kw", "excess_kw"):
            expect_shape("report", name, getattr(self, name), rows)
        if len(self.kind_of_limit) != len(self.element):
            raise MessageError(
                f"report: received {len(self.kind_of_limit)} kind_of_limit, expected {len(self.element)}"
            )
