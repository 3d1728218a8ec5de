"""The market operator as a party to the clearing: it holds offers, and never sees the grid.

In every round it takes, load point by load point, the shares that cost least when quantities are pulled
to what the grid operator allowed and prices said,

    min  cost(x) + ρ/2 ‖change(x) − allowed + price/ρ‖²   where  0 ≤ x ≤ 1 and groups hold,

proposes the quantities that follow, and learns new prices. The multipliers' method of Boyd et al. 2011
(Distributed optimization and statistical learning via ADMM, §3.4.1 adaptive penalty, §3.4.3
over-relaxation), extrapolated (``extrapolation``). Our stop is not theirs: prices of any round bound the
least cost from below, by what the offers would cost at best if load were paid for at these prices, less
what the limits are worth. The end is where limits hold and the cost is within a share of the best bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array

from gridcommons.flexibility.extrapolation import Extrapolation
from gridcommons.flexibility.market_messages import NEAR_KW, Proposal, Reply
from gridcommons.flexibility.offer_columns import OfferColumns, Shares, make_columns
from gridcommons.flexibility.share_kernel import Pieces, settle
from gridcommons.model.errors import NotConvergedError
from gridcommons.model.flexibility import Offer
from gridcommons.model.grid import FloatArray, IntArray, Names
from gridcommons.model.messages import MessageError, expect_shape


@dataclass(frozen=True, kw_only=True)
class ClearingSettings:
    """How a market is cleared.

    Parameters
    ----------
    bus : tuple of str
        Load points of the market.
    step_hours : float
        Length of an interval [h].
    shares : {"per_hour", "one"}
        A share an hour, or one share an offer (see ``offer_columns``).
    steps : int
        Number of intervals; 0 takes it from the offers, of which there must then be one.
    tolerance_kw : float
        By how much a limit may be broken at the end [kW].
    objective_share : float
        How far from the least cost the end may be, of what it costs.
    rounds_max : int
        After so many the clearing is given up.
    relaxation : float
        Over-relaxation, between 1 and 2.
    balance_every, balances_max : int
        The penalty is balanced at most every so many rounds at first, and at most so often.
    memory : int
        Rounds that the extrapolation combines; 0 for none.
    """

    bus: Names
    step_hours: float
    shares: Shares = "per_hour"
    steps: int = 0
    tolerance_kw: float = 0.1
    objective_share: float = 8e-4
    rounds_max: int = 2000
    relaxation: float = 1.6
    balance_every: int = 5
    balances_max: int = 40
    memory: int = 10


@dataclass(frozen=True)
class Round:
    """What one round came to, as the market operator sees it; see ``RoundsLog``."""

    round: int
    primal_residual: float
    dual_residual: float
    objective: float
    worst_excess_kw: float
    gap_share: float
    penalty: float


@dataclass
class _Quantities:
    """What the rounds move, (buses, steps) each but the shares: kW, and currency/kW for the price."""

    change_kw: FloatArray
    allowed_kw: FloatArray
    target_kw: FloatArray
    price: FloatArray
    share: FloatArray


@dataclass
class MarketOperator:
    """Proposes quantities from the offers it holds and the prices it is told.

    Parameters
    ----------
    offers : sequence of Offer
        What is offered; all divisible.
    settings : ClearingSettings
        How the market is cleared.
    """

    offers: Sequence[Offer]
    settings: ClearingSettings
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = self.settings
        self.columns = make_columns(
            self.offers, settings.bus, settings.step_hours, settings.shares, settings.steps
        )
        self._mix, self._slack = _vertices(self.columns)
        self._load_points = _LoadPoints(self.columns, self._mix, self._slack)
        shape = (len(settings.bus), self.columns.taken.shape[1])
        share = np.zeros(self._mix.shape[1])
        share[self._slack] = 1.0
        nothing = np.zeros(shape)
        self._at = _Quantities(nothing, nothing, nothing, nothing, share)
        self._penalty = _first_penalty(self.columns)
        self._bound, self._bound_price = -np.inf, self._at.price
        self._memory = Extrapolation(settings.memory)
        self._balances = 0
        self._balanced_at = 0

    def propose(self) -> Proposal:
        """The proposal of the next round."""
        at, settings = self._at, self.settings
        pull_kw = at.allowed_kw - at.price / self._penalty
        self._load_points.settle(self._penalty, pull_kw, at.share)
        at.change_kw = self.columns.at_buses(self.share)
        relaxed_kw = settings.relaxation * at.change_kw + (1.0 - settings.relaxation) * at.allowed_kw
        plain_kw = relaxed_kw + at.price / self._penalty
        at.target_kw = self._memory.next_after(at.target_kw, plain_kw)
        return Proposal(
            round=len(self.rounds) + 1,
            penalty=self._penalty,
            bus=settings.bus,
            change_kw=at.change_kw,
            target_kw=at.target_kw,
        )

    def hear(self, reply: Reply) -> None:
        """Take the grid operator's answer to the last proposal.

        Raises
        ------
        MessageError
            It answers another round, or has another shape.
        """
        at = self._at
        if reply.round != len(self.rounds) + 1:
            raise MessageError(f"reply: received round {reply.round}, expected {len(self.rounds) + 1}")
        expect_shape("reply", "price", reply.price, at.price.shape)
        allowed_kw = at.target_kw - reply.price / self._penalty
        dual_residual = self._penalty * float(np.linalg.norm(allowed_kw - at.allowed_kw))
        at.allowed_kw, at.price = allowed_kw, reply.price
        amount = self.columns.amount(self.share)
        objective = amount + reply.shortage_amount
        bound = amount - self._regret() + reply.balance_amount
        if reply.worst_excess_kw < NEAR_KW and bound > self._bound:
            self._bound, self._bound_price = bound, reply.price
        gap = max(objective - self._bound, reply.excess_amount)
        self.rounds.append(
            Round(
                round=reply.round,
                primal_residual=float(np.linalg.norm(at.change_kw - allowed_kw)),
                dual_residual=dual_residual,
                objective=objective,
                worst_excess_kw=reply.worst_excess_kw,
                gap_share=gap / max(abs(objective), 1e-9),
                penalty=self._penalty,
            )
        )
        self._balance()

    @property
    def share(self) -> FloatArray:
        """Share of every column now."""
        return np.asarray(np.clip(self._mix @ self._at.share, 0.0, 1.0))

    @property
    def change_kw(self) -> FloatArray:
        """Change of the load by the shares, shape (buses, steps) [kW]."""
        return self._at.change_kw

    @property
    def price(self) -> FloatArray:
        """Price of a kW more of load in an interval, shape (buses, steps) [currency/kW]."""
        return self._bound_price

    @property
    def is_settled(self) -> bool:
        """Whether limits hold and no side has more than a share of the objective to gain."""
        last = self.rounds[-1]
        return (
            last.worst_excess_kw <= self.settings.tolerance_kw
            and last.gap_share <= self.settings.objective_share
        )

    def _regret(self) -> float:
        """What other shares would save at the last prices [currency], by the slope of the cost.

        The cost is convex, so that its slope promises at least what there is to be saved.
        """
        columns, share = self.columns, self.share
        slope = columns.cost + 2.0 * columns.quadratic * share + columns.change_kw @ self._at.price.ravel()
        if not len(slope):
            return 0.0
        best = np.minimum.reduceat(slope @ self._mix, self._slack)
        return float(slope @ share - best.sum())

    def _balance(self) -> None:
        """Double or halve the penalty where one residual is far ahead of the other."""
        last, settings = self.rounds[-1], self.settings
        due = last.round - self._balanced_at >= settings.balance_every * (1 + self._balances // 4)
        if not due or self._balances >= settings.balances_max:
            return
        at = self._at
        scale_kw = max(float(np.linalg.norm(at.change_kw)), float(np.linalg.norm(at.allowed_kw)), 1e-9)
        primal = last.primal_residual / scale_kw
        dual = last.dual_residual / max(float(np.linalg.norm(at.price)), 1e-9)
        if max(primal, dual) > 3.0 * min(primal, dual):
            self._penalty *= 2.0 if primal > dual else 0.5
            self._memory.forget()
            at.target_kw = at.allowed_kw + at.price / self._penalty
            self._balances += 1
            self._balanced_at = last.round


def _first_penalty(columns: OfferColumns) -> float:
    """A penalty at which prices of the size asked move quantities of the size offered [currency/kW²]."""
    if not len(columns):
        return 1.0
    # An offer that takes back in the hour that it relieves may change nothing at all.
    size_kw = np.maximum(np.abs(columns.change_kw).max(axis=1).toarray().ravel(), 1e-3)
    price = (columns.cost + columns.quadratic) / size_kw
    return float(max(np.median(price), 1e-3)) / float(np.median(size_kw))


def _vertices(columns: OfferColumns) -> tuple[csr_array, IntArray]:
    """Shares as sums of vertices, (variables, vertices), and the vertex "none" of each block."""
    count = len(columns)
    size = np.bincount(columns.block, minlength=len(columns.relation))
    slack = np.concatenate([[0], np.cumsum(size + 1)])[:-1]
    own = np.arange(count) + columns.block + 1
    rows, vertices = [np.arange(count)], [own]
    first = slack - np.arange(len(slack))
    for block in np.flatnonzero([relation == "increment" for relation in columns.relation]):
        # The vertex of the k-th offer takes all before it as well.
        later, earlier = np.tril_indices(size[block], -1)
        rows.append(first[block] + earlier)
        vertices.append(slack[block] + 1 + later)
    row, vertex = np.concatenate(rows), np.concatenate(vertices)
    shape = (count, count + len(size))
    return csr_array((np.ones(len(row)), (row, vertex)), shape=shape), slack


class _LoadPoints:
    """The operator's program, a piece a load point: its hours, and a row for each curved cost."""

    def __init__(self, columns: OfferColumns, mix: csr_array, slack: IntArray) -> None:
        steps = columns.taken.shape[1]
        self._bus, first_block = np.unique(columns.bus[_first_of(columns.block)], return_index=True)
        blocks = np.concatenate([first_block, [len(slack)]])
        starts = np.concatenate([slack, [mix.shape[1]]])
        curved = np.flatnonzero(columns.quadratic > 0.0)
        extra = np.bincount(np.searchsorted(self._bus, columns.bus[curved]), minlength=len(self._bus))
        self._row_start = np.concatenate([[0], np.cumsum(steps + extra)])
        self._hours = self._row_start[:-1, None] + np.arange(steps)
        entries = csr_array(mix.T @ _local_rows(columns, curved, self._bus))
        entries.sort_indices()
        self._pieces = Pieces(
            vertex_start=starts[blocks],
            block_start=blocks,
            row_start=self._row_start,
            block_vertex=starts,
            entry_start=entries.indptr.astype(np.int64),
            entry_row=entries.indices.astype(np.int64),
            entry_value=entries.data,
            cost=columns.cost @ mix,
        )

    def settle(self, penalty: float, pull_kw: FloatArray, share: FloatArray) -> None:
        """Bring shares to the optimum of every load point, in place.

        Raises
        ------
        NotConvergedError
            Rounding kept one from ending.
        """
        weight, target = np.ones(self._row_start[-1]), np.zeros(self._row_start[-1])
        weight[self._hours], target[self._hours] = penalty, pull_kw[self._bus]
        ended = settle(self._pieces, weight, target, share)
        if ended < 0:
            raise NotConvergedError(
                f"load point {self._bus[-1 - ended]}: rounding kept its shares from ending"
            )


def _first_of(block: IntArray) -> IntArray:
    return np.unique(block, return_index=True)[1]


def _local_rows(columns: OfferColumns, curved: IntArray, bus: IntArray) -> csr_array:
    """Columns with rows counted within a load point: its hours, then √2·quadratic of each curved cost."""
    steps = columns.taken.shape[1]
    change = columns.change_kw.tocoo()
    at = np.searchsorted(bus, columns.bus[curved])
    nth = np.arange(len(curved)) - np.searchsorted(at, at)
    return csr_array(
        (
            np.concatenate([change.data, np.sqrt(2.0 * columns.quadratic[curved])]),
            (np.concatenate([change.row, curved]), np.concatenate([change.col % steps, steps + nth])),
        ),
        shape=(len(columns), steps + int(nth.max(initial=-1)) + 1),
    )
