"""Clearing by one program that sees everything: the reference of the clearing between two parties.

    min  Σ cost(x) + cap Σ slack   where  limits ≤ room + slack,  0 ≤ x ≤ 1,  groups hold

It takes block offers too, which make it a mixed-integer program; prices are then those of the shares that
are left once the blocks are fixed. A cost that curves (linear response) is built from tangents, added
where the last answer lies above them until none is missed by more than 1e-7 of the objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array, hstack, vstack

from gridcommons.flexibility.clearing import Clearing, rounds_log
from gridcommons.flexibility.market_operator import ClearingSettings
from gridcommons.flexibility.offer_columns import OfferColumns, make_columns
from gridcommons.model.errors import NotConvergedError, Problem, StudyError
from gridcommons.model.flexibility import LimitRows, Offer
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.optimisation.solve import LinearProgram, Optimum, solve

TANGENTS_MAX = 60
"""Rounds of tangents after the first."""

FIRST_TANGENTS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares at which every curved cost has a tangent from the start."""

Tangents = list[tuple[IntArray, FloatArray]]
"""Which curved costs get a tangent, and at which share."""


@dataclass(frozen=True, eq=False)
class _Program:
    """Rows over [shares, slack of each limit, curved cost of each curved share]."""

    columns: OfferColumns
    rows: LimitRows
    cap: float
    limits: csr_array
    groups: csr_array
    group_max: FloatArray
    curved: IntArray
    whole: BoolArray

    def linear(self, tangents: Tangents, fixed: FloatArray | None) -> LinearProgram:
        """The program with tangents at shares found before, and blocks fixed or free."""
        count, slack, curves = len(self.columns), len(self.rows), len(self.curved)
        cost = np.concatenate([self.columns.cost, np.full(slack, self.cap), np.ones(curves)])
        parts = [
            hstack([self.limits, -eye_array(slack), csr_array((slack, curves))]),
            hstack([self.groups, csr_array((self.groups.shape[0], slack + curves))]),
        ]
        row_max = [self.rows.room_kw, self.group_max]
        quadratic = self.columns.quadratic[self.curved]
        share_of, cost_of = eye_array(count, format="csr")[self.curved], eye_array(curves, format="csr")
        for which, at in tangents:
            # q·(2 a x − a²) ≤ the curved cost.
            slope = diags_array(2.0 * quadratic[which] * at) @ share_of[which]
            parts.append(hstack([slope, csr_array((len(which), slack)), -cost_of[which]]))
            row_max.append(quadratic[which] * at**2)
        lower = np.zeros(len(cost))
        upper = np.concatenate([np.ones(count), np.full(slack + curves, np.inf)])
        if fixed is not None:
            lower[:count][self.whole] = upper[:count][self.whole] = np.round(fixed[self.whole])
        free = self.whole.any() and fixed is None
        whole = np.concatenate([self.whole, np.zeros(slack + curves, dtype=bool)]) if free else None
        return LinearProgram(cost, csr_array(vstack(parts)), np.concatenate(row_max), lower, upper, whole)


def clear_centrally(
    offers: Sequence[Offer], rows: LimitRows, shortage_price_per_kwh: float, settings: ClearingSettings
) -> Clearing:
    """The shares of least cost with which all limits hold, blocks included.

    Parameters
    ----------
    offers : sequence of Offer
        What is offered.
    rows : LimitRows
        What the grid can still take.
    shortage_price_per_kwh : float
        What a kWh of missing flexibility costs at a limit.
    settings : ClearingSettings
        Load points, interval and how offers are shared; the rest concerns rounds.

    Raises
    ------
    StudyError
        An offer or a load point of the market is not one of the grid.
    NotConvergedError
        The solver, or the tangents, ended without an answer.
    """
    columns = make_columns(offers, settings.bus, settings.step_hours, settings.shares, settings.steps)
    program = _make_program(offers, columns, rows, shortage_price_per_kwh * settings.step_hours, settings)
    every = np.arange(len(program.curved))
    tangents = [(every, np.full(len(every), at)) for at in FIRST_TANGENTS] if len(every) else []
    optimum = _with_tangents(program, tangents, None)
    if program.whole.any():
        optimum = _with_tangents(program, tangents, optimum.x[: len(columns)])
    return _award(offers, program, optimum, settings)


def _with_tangents(program: _Program, tangents: Tangents, fixed: FloatArray | None) -> Optimum:
    quadratic = program.columns.quadratic[program.curved]
    for _ in range(TANGENTS_MAX):
        optimum = solve(program.linear(tangents, fixed))
        at = optimum.x[: len(program.columns)][program.curved]
        missed = quadratic * at**2 - optimum.x[len(optimum.x) - len(at) :]
        if missed.sum() <= 1e-7 * max(abs(optimum.objective), 1e-3):
            return optimum
        which = np.flatnonzero(missed > 0.1 * missed.mean())
        tangents.append((which, at[which]))
    raise NotConvergedError(
        f"tangents of {len(quadratic)} curved costs miss {missed.sum():.3g} after {TANGENTS_MAX}"
    )


def _make_program(
    offers: Sequence[Offer],
    columns: OfferColumns,
    rows: LimitRows,
    cap: float,
    settings: ClearingSettings,
) -> _Program:
    known = {name: k for k, name in enumerate(rows.bus)}
    missing = [name for name in settings.bus if name not in known]
    if missing:
        raise StudyError([Problem("limits", name, "a load point of the grid") for name in missing])
    at_bus = rows.matrix[:, [known[name] for name in settings.bus]]
    row, bus = np.nonzero(at_bus)
    steps = columns.taken.shape[1]
    places = (row, bus * steps + rows.step[row])
    sensitivity = csr_array((at_bus[row, bus], places), shape=(len(rows), columns.change_kw.shape[1]))
    indivisible = np.array([not offer.divisible for offer in offers], dtype=bool)[columns.offer]
    groups, group_max = _group_rows(columns, indivisible)
    return _Program(
        columns=columns,
        rows=rows,
        cap=cap,
        limits=csr_array(sensitivity @ columns.change_kw.T),
        groups=groups,
        group_max=group_max,
        curved=np.flatnonzero(columns.quadratic > 0.0),
        whole=indivisible,
    )


def _group_rows(columns: OfferColumns, indivisible: BoolArray) -> tuple[csr_array, FloatArray]:
    """Rows of alternatives and increments, and those that keep all hours of a block offer together."""
    relation = np.array(columns.relation, dtype=object)
    of_share = relation[columns.block] if len(columns) else relation
    entries: list[tuple[int, int, float]] = []
    limit: list[float] = []
    for block in np.flatnonzero(relation == "exclusive"):
        members = np.flatnonzero(columns.block == block)
        entries += [(len(limit), int(k), 1.0) for k in members]
        limit.append(1.0)
    pairs = [
        (k + 1, k)
        for k in np.flatnonzero(of_share == "increment")[:-1]
        if k + 1 < len(columns) and columns.block[k + 1] == columns.block[k]
    ]
    for offer in np.unique(columns.offer[indivisible]):
        hours = np.flatnonzero(columns.offer == offer)
        pairs += list(zip(hours, np.roll(hours, 1), strict=True)) if len(hours) > 1 else []
    for less, more in pairs:
        entries += [(len(limit), int(less), 1.0), (len(limit), int(more), -1.0)]
        limit.append(0.0)
    row, column, value = zip(*entries, strict=True) if entries else ((), (), ())
    shape = (len(limit), len(columns))
    return csr_array((value, (row, column)), shape=shape, dtype=np.float64), np.array(limit)


def _award(
    offers: Sequence[Offer], program: _Program, optimum: Optimum, settings: ClearingSettings
) -> Clearing:
    columns, rows = program.columns, program.rows
    share = np.clip(optimum.x[: len(columns)], 0.0, 1.0)
    shortage_kw = np.maximum(optimum.x[len(columns) : len(columns) + len(rows)], 0.0)
    known = {name: k for k, name in enumerate(rows.bus)}
    dual = np.maximum(optimum.mu[: len(rows)], 0.0)
    price = np.zeros((len(rows.bus), columns.taken.shape[1]))
    np.add.at(price.T, rows.step, dual[:, None] * rows.matrix)
    return Clearing(
        offers=tuple(offer.offer for offer in offers),
        bus=settings.bus,
        shares=columns.by_offer(share),
        change_kw=columns.at_buses(share),
        cost=columns.amount(share),
        price_per_kwh=price[[known[name] for name in settings.bus]] / settings.step_hours,
        shortage_kw=np.where(shortage_kw > 1e-9, shortage_kw, 0.0),
        excess_kw=np.zeros(len(rows)),
        element=rows.element,
        kind=rows.kind,
        step=rows.step,
        rounds=rounds_log([]),
    )
