"""The grid operator (DSO) as a party to the clearing: it holds limits, and never sees an offer.

Asked with target quantities v, it finds the nearest quantities z that the grid can carry, where missing
flexibility costs the price cap:

    min  ρ/2 ‖z − v‖² + cap Σ slack   where  matrix z_t ≤ room + slack,  slack ≥ 0,  in every interval t

and answers with the price of load, matrixᵀ μ, where 0 ≤ μ ≤ cap are the duals of the limits. The nearest
quantities themselves need no words: z = v − matrixᵀ μ / ρ. Limits couple load points within an interval
only, so that each interval is a program of its own in μ.
"""

from __future__ import annotations

import numpy as np

from gridcommons.flexibility.market_messages import NEAR_KW, GridReport, Proposal, Reply
from gridcommons.flexibility.share_kernel import Pieces, settle
from gridcommons.model.errors import NotConvergedError
from gridcommons.model.flexibility import LimitRows
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.messages import MessageError, expect_shape

AT_CAP = 1.0 - 1e-9
"""Share of the price cap from which a dual counts as at the cap, so that its limit may be short."""


class GridOperator:
    """Answers proposals from the limits it holds.

    Parameters
    ----------
    rows : LimitRows
        What the grid can still take.
    shortage_price_per_kwh : float
        Price cap: what a kWh of missing flexibility costs at a limit; above every price that is worth
        paying there.
    step_hours : float
        Length of an interval [h].
    """

    def __init__(self, rows: LimitRows, shortage_price_per_kwh: float, step_hours: float) -> None:
        self.rows = rows
        self._cap = shortage_price_per_kwh * step_hours
        self._order = np.argsort(rows.step, kind="stable")
        self._steps = np.unique(rows.step)
        self._pieces = _row_pieces(rows, self._order, self._steps, self._cap)
        # Two vertices a limit: what its dual leaves of the cap, and the dual as a share of the cap.
        self._share = np.tile([1.0, 0.0], len(rows))
        self._report: GridReport | None = None
        self._worst_kw: list[float] = []

    def answer(self, message: bytes) -> bytes:
        """The reply to a proposal, both in wire form.

        Raises
        ------
        MessageError
            The message is no proposal, or not about this grid.
        """
        proposal = Proposal.from_bytes(message)
        column = self._columns(proposal)
        change_kw = self._at_all_buses(proposal.change_kw, column)
        dual = self._duals(self._at_all_buses(proposal.target_kw, column), proposal.penalty)
        over_kw = self.rows.used_kw(change_kw) - self.rows.room_kw
        shortage_kw = np.where(dual >= AT_CAP * self._cap, np.maximum(over_kw, 0.0), 0.0)
        excess_kw = np.maximum(over_kw - shortage_kw, 0.0)
        self._report = GridReport(
            element=self.rows.element,
            kind_of_limit=self.rows.kind,
            step=self.rows.step,
            shortage_kw=shortage_kw,
            excess_kw=excess_kw,
            worst_excess_kw=self._log(proposal.round, float(excess_kw.max(initial=0.0))),
        )
        told = float(self._worst_kw[-1] < NEAR_KW)
        return Reply(
            round=proposal.round,
            price=self._prices(dual, change_kw.shape[1])[column],
            worst_excess_kw=min(self._worst_kw[-1], NEAR_KW),
            shortage_kw=told * float(shortage_kw.sum()),
            shortage_amount=told * float(self._cap * shortage_kw.sum()),
            balance_amount=told * float(dual @ over_kw),
            excess_amount=told * float(dual @ excess_kw),
        ).to_bytes()

    def report(self) -> bytes:
        """What the last proposal breaks and what is missing, by limit: a ``GridReport`` in wire form.

        Raises
        ------
        MessageError
            Nothing has been proposed yet.
        """
        if self._report is None:
            raise MessageError("report: received no proposal yet, expected one before")
        return self._report.to_bytes()

    def _log(self, number: int, worst_kw: float) -> FloatArray:
        if number == 1:
            self._worst_kw = []
        self._worst_kw.append(worst_kw)
        return np.array(self._worst_kw)

    def _columns(self, proposal: Proposal) -> IntArray:
        known = {name: k for k, name in enumerate(self.rows.bus)}
        unknown = [name for name in proposal.bus if name not in known]
        if unknown or len(set(proposal.bus)) < len(proposal.bus):
            what = f"unknown load point {unknown[0]!r}" if unknown else "a load point twice"
            raise MessageError(f"proposal: received {what}, expected load points of this grid, once each")
        steps = proposal.change_kw.shape[1]
        if steps <= self.rows.step.max(initial=-1):
            expected = (len(proposal.bus), int(self.rows.step.max()) + 1)
            expect_shape("proposal", "change_kw", proposal.change_kw, expected)
        return np.array([known[name] for name in proposal.bus], dtype=np.int64)

    def _at_all_buses(self, quantity_kw: FloatArray, column: IntArray) -> FloatArray:
        out = np.zeros((len(self.rows.bus), quantity_kw.shape[1]))
        out[column] = quantity_kw
        return out

    def _duals(self, target_kw: FloatArray, penalty: float) -> FloatArray:
        """Dual of every limit, shape (rows,) [currency/kW].

        Minimises ‖matrixᵀ μ − ρ v‖²/2ρ + room·μ, which is the dual of the projection.
        """
        pull = penalty * target_kw[:, self._steps].T.ravel()
        weight = np.full(pull.size, 1.0 / penalty)
        ended = settle(self._pieces, weight, pull, self._share)
        if ended < 0:
            raise NotConvergedError(
                f"limits at step {self._steps[-1 - ended]}: rounding kept them from ending"
            )
        dual = np.empty(len(self.rows))
        dual[self._order] = self._cap * self._share[1::2]
        return dual

    def _prices(self, dual: FloatArray, steps: int) -> FloatArray:
        price = np.zeros((len(self.rows.bus), steps))
        for step in self._steps:
            here = self.rows.step == step
            price[:, step] = dual[here] @ self.rows.matrix[here]
        return price


def _row_pieces(rows: LimitRows, order: IntArray, steps: IntArray, cap: float) -> Pieces:
    """A piece an interval, a block a limit: what is left of its cap (no entry), and its dual."""
    matrix = cap * rows.matrix[order]
    row, bus = np.nonzero(matrix)
    entries = np.bincount(row, minlength=len(rows))
    per_vertex = np.stack([np.zeros_like(entries), entries], axis=1).ravel()
    limits = np.concatenate([np.searchsorted(rows.step[order], steps), [len(rows)]])
    return Pieces(
        vertex_start=2 * limits,
        block_start=limits,
        row_start=np.arange(len(steps) + 1) * len(rows.bus),
        block_vertex=2 * np.arange(len(rows) + 1),
        entry_start=np.concatenate([[0], np.cumsum(per_vertex)]),
        entry_row=bus,
        entry_value=matrix[row, bus],
        cost=np.stack([np.zeros(len(rows)), cap * rows.room_kw[order]], axis=1).ravel(),
    )
