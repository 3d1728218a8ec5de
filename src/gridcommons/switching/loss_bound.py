"""A proven lower bound on the losses of every radial topology, by a mixed-integer linear program.

The branch flow equations of a radial grid (Baran, Wu, "Network reconfiguration in distribution systems for
loss reduction and load balancing", IEEE Trans. Power Deliv. 4(2), 1989, eqs. 1.i to 1.iii) with the squared
current ℓ only bounded from below, ℓ ≥ (P² + Q²)/v, are a convex relaxation (Taylor, Hover, "Convex models of
distribution system reconfiguration", IEEE Trans. Power Syst. 27(3), 2012, 1407–1413). The cone is replaced
by tangents, which leaves a linear program with a whole number for each direction of each branch. Every true
state satisfies every row, so that no topology loses less than HiGHS proves the program to cost, up to its
tolerance of 1e-9 a row. Unlike in LinDistFlow, flows carry the losses behind them, and v is the sender's: the
bound then lies within about a thousandth of the least losses.

Where a bound is proven: every node draws P ≥ 0 and Q ≥ 0 in every step, every branch has r > 0 and x ≥ 0 and
neither charging nor a ratio, and there is no shunt. Then both powers flow away from the source, no voltage is
above the highest source, and flows of one sign are all that need be looked at. Limits are left out, which
only lowers the bound.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from gridcommons.model.grid import S_BASE_KVA, FloatArray, IntArray
from gridcommons.optimisation.solve import make_solver
from gridcommons.switching.feeder import Feeder

LP_ROUNDS = 30
"""Most rounds of tangents on the program without whole numbers."""

TANGENT_WORTH = 1e-4
"""A tangent is added where the cone is broken by more than this share of the largest current."""

FIRST_TANGENTS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Shares of the whole load at which every arc has a tangent from the beginning."""

PROVEN_GAP = 1e-4
"""The program ends where its own gap is below this."""


_Term = tuple[IntArray, IntArray, FloatArray | float]
"""Rows within a block, columns, coefficients."""


@dataclass(frozen=True)
class LossBound:
    """A bound, or why there is none.

    Parameters
    ----------
    losses_kwh : float or None
        What no radial topology loses less than, over all steps [kWh]; None where nothing is proven.
    status : str
        ``proven`` (the program was solved to its end), ``stopped`` (by time; what was proven until then), or
        ``refused``.
    open_share : float
        How far the program's own best solution was above its bound at the end, of the former.
    why : str
        The reason of a refusal.
    """

    losses_kwh: float | None
    status: str
    open_share: float
    why: str = ""


@dataclass(frozen=True, eq=False)
class _Columns:
    """Places of the variables: d (arcs,), then per step P, Q, ℓ, w (arcs,) and v (nodes,)."""

    arcs: int
    nodes: int
    steps: int

    @property
    def count(self) -> int:
        return self.arcs + self.steps * (4 * self.arcs + self.nodes)

    def part(self, step: int, which: int) -> IntArray:
        """Columns of P, Q, ℓ, w (0 to 3) or v (4) in a step."""
        begin = self.arcs + step * (4 * self.arcs + self.nodes) + which * self.arcs
        return np.arange(begin, begin + (self.nodes if which == 4 else self.arcs))


@dataclass(frozen=True, eq=False)
class _Arcs:
    """Every edge in both directions, and what they may carry [pu]."""

    tail: IntArray
    head: IntArray
    r: FloatArray
    x: FloatArray
    v_max: float
    p_max: FloatArray
    q_max: FloatArray


class _Rows:
    """Rows as they are written: entries and two sides."""

    def __init__(self) -> None:
        self.entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        self.lower: list[FloatArray] = []
        self.upper: list[FloatArray] = []
        self.count = 0

    def add(self, terms: Sequence[_Term], lower: FloatArray, upper: FloatArray) -> None:
        """Rows Σ coefficient · variable; each term is (row within these, column, coefficient)."""
        for row, column, value in terms:
            self.entries.append(
                (row + self.count, column, np.broadcast_to(np.asarray(value, float), row.shape))
            )
        self.lower.append(lower)
        self.upper.append(upper)
        self.count += len(lower)

    def matrix(self, columns: int) -> csr_array:
        """All rows so far."""
        row, column, value = (np.concatenate([entry[k] for entry in self.entries]) for k in range(3))
        return csr_array(coo_array((value, (row, column)), shape=(self.count, columns)))


def bound_losses(feeder: Feeder, losses_kwh: float, seconds: float = 60.0) -> LossBound:
    """What no radial topology of a feeder loses less than.

    Parameters
    ----------
    feeder : Feeder
        The feeder.
    losses_kwh : float
        Losses of a known topology [kWh]: flows of any better one are below the loads and these losses.
    seconds : float
        Time after which the search for a proof stops; what was proven until then is returned. The bound then
        depends on the machine.

    Returns
    -------
    LossBound
        Refused, with the reason, where the conditions above do not hold.
    """
    why = _refusal(feeder)
    if why:
        return LossBound(None, "refused", np.inf, why)
    arcs = _arcs(feeder, losses_kwh / S_BASE_KVA)
    program = _Program(feeder, arcs, time.monotonic() + seconds)
    program.tighten()
    return program.prove(losses_kwh)


def _refusal(feeder: Feeder) -> str:
    graph, s = feeder.case.graph, feeder.case.scenarios.s
    branches = feeder.grid.branches
    x = branches.x_pu[feeder.branch]
    charging = np.stack([branches.g_from_pu, branches.b_from_pu, branches.g_to_pu, branches.b_to_pu])
    checks = (
        ((s.real < 0.0).any(), "a node feeds in active power in some step"),
        ((s.imag < 0.0).any(), "a node feeds in reactive power in some step"),
        ((graph.shunt != 0.0).any(), "there are shunts, or branches that hang on one end"),
        ((charging[:, feeder.branch] != 0.0).any(), "a branch has charging"),
        ((branches.ratio[feeder.branch] != 1.0).any(), "a transformer has an off-nominal ratio"),
        ((graph.resistance <= 0.0).any() or (x < 0.0).any(), "a branch has no resistance or is capacitive"),
    )
    return "; ".join(reason for broken, reason in checks if broken)


def _arcs(feeder: Feeder, losses_pu_h: float) -> _Arcs:
    graph, scenarios = feeder.case.graph, feeder.case.scenarios
    r, x = graph.resistance, feeder.grid.branches.x_pu[feeder.branch]
    most = losses_pu_h / scenarios.hours
    return _Arcs(
        tail=np.concatenate([graph.from_node, graph.to_node]),
        head=np.concatenate([graph.to_node, graph.from_node]),
        r=np.tile(r, 2),
        x=np.tile(x, 2),
        v_max=float(np.abs(graph.v_root).max() ** 2),
        p_max=scenarios.s.real.sum(axis=1) + most,
        q_max=scenarios.s.imag.sum(axis=1) + most * float((x / r).max()),
    )


class _Program:
    """The program in HiGHS, and the tangents that are added to it."""

    def __init__(self, feeder: Feeder, arcs: _Arcs, end: float) -> None:
        self.arcs, self.end = arcs, end
        self.scenarios = feeder.case.scenarios
        steps, nodes = self.scenarios.s.shape
        self.columns = _Columns(len(arcs.tail), nodes, steps)
        self.highs: Any = make_solver()
        for option, value in (("mip_feasibility_tolerance", 1e-9), ("mip_rel_gap", PROVEN_GAP)):
            self.highs.setOptionValue(option, value)
        rows = _Rows()
        self._radiality(rows, feeder)
        for step in range(steps):
            self._balance(rows, feeder, step)
            self._voltages(rows, step)
            for share in FIRST_TANGENTS:
                p, q = (np.full(len(arcs.tail), share * part[step]) for part in (arcs.p_max, arcs.q_max))
                self._tangents(rows, step, (p, q, np.full(len(p), arcs.v_max)), np.arange(len(p)))
        self._pass(rows, feeder)

    def _radiality(self, rows: _Rows, feeder: Feeder) -> None:
        """Each node but the roots has one parent; an edge that stays has a direction, one that moves may."""
        arcs, nodes = self.arcs, self.columns.nodes
        every, edges = np.arange(len(arcs.head)), len(arcs.head) // 2
        parents = np.ones(nodes)
        parents[feeder.case.graph.root] = 0.0
        rows.add([(arcs.head, every, 1.0)], parents, parents)
        stays = np.where(feeder.may_move, 0.0, 1.0)
        rows.add([(np.tile(np.arange(edges), 2), every, 1.0)], stays, np.ones(edges))

    def _balance(self, rows: _Rows, feeder: Feeder, step: int) -> None:
        """What arrives at a node, less the losses on the way, is drawn there or goes on."""
        arcs, every = self.arcs, np.arange(len(self.arcs.head))
        node = np.arange(self.columns.nodes)
        is_root = np.isin(node, feeder.case.graph.root)
        s, current = self.scenarios.s[step], self.columns.part(step, 2)
        for which, drawn, z, most in ((0, s.real, arcs.r, arcs.p_max), (1, s.imag, arcs.x, arcs.q_max)):
            flow = self.columns.part(step, which)
            terms: list[_Term] = [(arcs.head, flow, 1.0), (arcs.head, current, -z), (arcs.tail, flow, -1.0)]
            free = np.where(is_root, np.inf, 0.0)
            rows.add(terms, drawn - free, drawn + free)
            limit = np.zeros(len(every))
            rows.add([(every, flow, 1.0), (every, every, -most[step])], limit - np.inf, limit)

    def _voltages(self, rows: _Rows, step: int) -> None:
        """Squared voltages fall along closed arcs; w is the sender's on a closed arc, else 0."""
        arcs, every = self.arcs, np.arange(len(self.arcs.head))
        p, q, current, w, v = (self.columns.part(step, k) for k in range(5))
        below = np.full(len(every), -np.inf)
        fall: list[_Term] = [
            (every, v[arcs.head], 1.0),
            (every, v[arcs.tail], -1.0),
            (every, p, 2.0 * arcs.r),
            (every, q, 2.0 * arcs.x),
            (every, current, -(arcs.r**2 + arcs.x**2)),
            (every, every, arcs.v_max),
        ]
        rows.add(fall, below, np.full(len(every), arcs.v_max))
        rows.add([(every, w, 1.0), (every, v[arcs.tail], -1.0)], below, np.zeros(len(every)))
        rows.add([(every, w, 1.0), (every, every, -arcs.v_max)], below, np.zeros(len(every)))

    def _tangents(
        self, rows: _Rows, step: int, at: tuple[FloatArray, FloatArray, FloatArray], arc: IntArray
    ) -> None:
        """ℓ ≥ (2 P₀ P + 2 Q₀ Q)/w₀ − (P₀² + Q₀²) w/w₀²: the cone of degree 1 lies above its tangents."""
        p0, q0, w0 = (part[arc] for part in at)
        p, q, current, w = (self.columns.part(step, k)[arc] for k in range(4))
        row, scale = np.arange(len(arc)), w0 / np.hypot(p0, q0)
        terms = [
            (row, p, 2.0 * p0 / w0 * scale),
            (row, q, 2.0 * q0 / w0 * scale),
            (row, w, -(p0**2 + q0**2) / w0**2 * scale),
            (row, current, -scale),
        ]
        rows.add(terms, np.full(len(arc), -np.inf), np.zeros(len(arc)))

    def _pass(self, rows: _Rows, feeder: Feeder) -> None:
        from highspy import HighsLp, MatrixFormat

        columns, graph = self.columns, feeder.case.graph
        cost, upper = np.zeros(columns.count), np.full(columns.count, np.inf)
        upper[: columns.arcs] = 1.0
        lower = np.zeros(columns.count)
        for step, hours in enumerate(self.scenarios.hours):
            cost[columns.part(step, 2)] = hours * self.arcs.r * S_BASE_KVA
            v = columns.part(step, 4)
            upper[v] = self.arcs.v_max
            lower[v[graph.root]] = upper[v[graph.root]] = np.abs(graph.v_root) ** 2
        matrix = rows.matrix(columns.count)
        lp = HighsLp()
        lp.num_row_, lp.num_col_ = matrix.shape
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = np.concatenate(rows.lower), np.concatenate(rows.upper)
        lp.a_matrix_.format_ = MatrixFormat.kRowwise
        lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
        lp.a_matrix_.value_ = matrix.data
        self.highs.passModel(lp)

    def _run(self) -> bool:
        """Solve in the time that is left; whether there is a solution."""
        # HiGHS counts the time of all runs of one instance against the limit.
        left = max(self.end - time.monotonic(), 0.1)
        self.highs.setOptionValue("time_limit", self.highs.getRunTime() + left)
        self.highs.run()
        return bool(self.highs.getInfo().primal_solution_status == 2)

    def _cut(self) -> bool:
        """Add tangents where the present solution breaks the cone; whether there were any."""
        x, rows = np.array(self.highs.getSolution().col_value), _Rows()
        for step in range(self.columns.steps):
            p, q, current, w = (x[self.columns.part(step, k)] for k in range(4))
            cone = (p**2 + q**2) / np.maximum(w, 1e-9)
            worst = cone - current > TANGENT_WORTH * max(float(cone.max()), 1e-12)
            arc = np.flatnonzero(worst & (w > 1e-6))
            if len(arc):
                self._tangents(rows, step, (p, q, w), arc)
        if rows.count:
            matrix = rows.matrix(self.columns.count)
            start, index = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
            sides = np.concatenate(rows.lower), np.concatenate(rows.upper)
            self.highs.addRows(rows.count, *sides, matrix.nnz, start, index, matrix.data)
        return rows.count > 0

    def tighten(self) -> None:
        """Tangents round the solution of the program without whole numbers."""
        for _ in range(LP_ROUNDS):
            if time.monotonic() > self.end or not self._run() or not self._cut():
                return

    def prove(self, losses_kwh: float) -> LossBound:
        """Solve with whole numbers, add tangents where the solution breaks the cone, and solve again."""
        from highspy import HighsModelStatus, HighsVarType

        for arc in range(self.columns.arcs):
            self.highs.changeColIntegrality(arc, HighsVarType.kInteger)
        bound, open_share = 0.0, np.inf
        while True:
            has_solution = self._run()
            info, status = self.highs.getInfo(), self.highs.getModelStatus()
            bound = max(bound, min(float(info.mip_dual_bound), losses_kwh))
            open_share = float(info.mip_gap) if has_solution else np.inf
            if status == HighsModelStatus.kInfeasible:
                # No topology loses less than the known one.
                return LossBound(losses_kwh, "proven", 0.0)
            if status != HighsModelStatus.kOptimal or time.monotonic() > self.end:
                return LossBound(bound, "stopped", open_share)
            if not self._cut():
                return LossBound(bound, "proven", open_share)
