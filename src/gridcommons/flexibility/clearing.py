"""Clearing of the flexibility market between two parties that keep what they know to themselves.

The market operator holds offers, the grid operator limits; rounds of proposals and replies
(``market_messages``) bring them to the shares of least cost with which every limit holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from gridcommons.flexibility.market_messages import GridReport, Reply
from gridcommons.flexibility.market_operator import ClearingSettings, MarketOperator, Round
from gridcommons.flexibility.offer_columns import split_blocks
from gridcommons.model.errors import NotConvergedError, Problem, StudyError
from gridcommons.model.flexibility import Offer
from gridcommons.model.grid import FloatArray, IntArray, Names
from gridcommons.ports import GridOperatorParty


@dataclass(frozen=True, eq=False)
class RoundsLog:
    """How a clearing came about, one value a round; empty where one program saw everything.

    Parameters
    ----------
    round : (rounds,)
        Number of the round.
    primal_residual, dual_residual : (rounds,)
        Distance between proposed and allowed quantities [kW], and ρ times the last move of the allowed
        ones [currency/kW], as Euclidean norms.
    objective : (rounds,)
        Cost of the shares and, once the end is near, of what is missing [currency].
    worst_excess_kw : (rounds,)
        By how much the proposal breaks a limit at worst, beside what is missing, by the grid operator's
        own report [kW].
    gap_share : (rounds,)
        How far the objective may be above the least, of the objective; infinite until the end is near.
    penalty : (rounds,)
        ρ [currency/kW²].
    """

    round: IntArray
    primal_residual: FloatArray
    dual_residual: FloatArray
    objective: FloatArray
    worst_excess_kw: FloatArray
    gap_share: FloatArray
    penalty: FloatArray

    def __len__(self) -> int:
        """Number of rounds."""
        return len(self.round)


@dataclass(frozen=True, eq=False)
class Clearing:
    """What is taken of each offer, at which prices, and what is missing.

    Parameters
    ----------
    offers : tuple of str
        Order of the offers.
    bus : tuple of str
        Order of the load points.
    shares : (offers, steps)
        Share taken; 0 where an offer has no flexibility.
    change_kw : (buses, steps)
        Change of the load [kW].
    cost : float
        What the shares cost at their own prices [currency].
    price_per_kwh : (buses, steps)
        Price of a kWh more of load, so of a kWh less as well.
    shortage_kw, excess_kw : (rows,)
        Flexibility that is missing at a limit, and what breaks it beside that [kW].
    element, kind : tuple of str
        Of each limit.
    step : (rows,)
        Interval of each limit.
    rounds : RoundsLog
        How it came about.
    """

    offers: Names
    bus: Names
    shares: FloatArray
    change_kw: FloatArray
    cost: float
    price_per_kwh: FloatArray
    shortage_kw: FloatArray
    excess_kw: FloatArray
    element: Names
    kind: Names
    step: IntArray
    rounds: RoundsLog


def clear_market(offers: Sequence[Offer], dso: GridOperatorParty, settings: ClearingSettings) -> Clearing:
    """The shares of least cost with which all limits hold, found without either side showing what it has.

    Parameters
    ----------
    offers : sequence of Offer
        Divisible offers; ``split_blocks`` sets the others aside.
    dso : GridOperatorParty
        Who answers proposals.
    settings : ClearingSettings
        How to clear.

    Raises
    ------
    StudyError
        An offer cannot be cleared in parts, or not at these load points.
    MessageError
        The grid operator's answer is not one.
    NotConvergedError
        Not settled after ``rounds_max`` rounds: with residuals and the worst limit.
    """
    blocks = split_blocks(offers)[1]
    if blocks:
        raise StudyError(
            [
                Problem(file="offers", row=each.offer, found=each.reason, expected="a divisible offer")
                for each in blocks
            ]
        )
    operator = MarketOperator(offers, settings)
    for _ in range(settings.rounds_max):
        operator.hear(Reply.from_bytes(dso.answer(operator.propose().to_bytes())))
        if operator.is_settled:
            return _award(operator, GridReport.from_bytes(dso.report()))
    raise _not_settled(operator, GridReport.from_bytes(dso.report()))


def rounds_log(rounds: Sequence[Round]) -> RoundsLog:
    """Rounds as columns."""
    return RoundsLog(*(np.array([getattr(r, column.name) for r in rounds]) for column in fields(RoundsLog)))


def _award(operator: MarketOperator, report: GridReport) -> Clearing:
    share = operator.share
    return Clearing(
        offers=tuple(offer.offer for offer in operator.offers),
        bus=operator.settings.bus,
        shares=operator.columns.by_offer(share),
        change_kw=operator.change_kw,
        cost=operator.columns.amount(share),
        price_per_kwh=operator.price / operator.settings.step_hours,
        shortage_kw=report.shortage_kw,
        excess_kw=report.excess_kw,
        element=report.element,
        kind=report.kind_of_limit,
        step=report.step,
        rounds=replace(rounds_log(operator.rounds), worst_excess_kw=report.worst_excess_kw),
    )


def _not_settled(operator: MarketOperator, report: GridReport) -> NotConvergedError:
    last, worst = operator.rounds[-1], int(np.argmax(report.excess_kw)) if len(report.excess_kw) else -1
    place = f"{report.kind_of_limit[worst]} of {report.element[worst]} at step {report.step[worst]}"
    return NotConvergedError(
        f"clearing of {len(operator.offers)} offers not settled after {last.round} rounds: primal residual "
        f"{last.primal_residual:.3g} kW, dual residual {last.dual_residual:.3g} per kW, "
        f"{last.gap_share:.2e} of the objective open; worst limit {place if worst >= 0 else '(none)'}, "
        f"broken by {report.excess_kw.max(initial=0.0):.3f} kW"
    )
