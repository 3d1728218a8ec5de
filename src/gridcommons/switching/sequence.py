"""A safe order of switching operations from one set of positions to another.

Every step moves one switch. After every step, whoever has a path to the main grid before and after the whole
sequence has one, and no limit is broken that was not broken before. Make before break: a loop or sources in
parallel are allowed for a moment, if at all, and as briefly as possible. Where no order is safe, the sequence
ends at the safe topology that is nearest to the goal, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, Names
from gridcommons.switching.technical import Operation, Violations, find_topology_violations, find_violations

MOMENTARY = ("parallel", "radial")
"""Violations that may pass when the next step ends them."""

WORSE = 1e-6
"""A limit that was broken before is broken by more where it is by more than this [unit of the limit]."""


@dataclass(frozen=True)
class Rules:
    """How sequences are looked for.

    Parameters
    ----------
    momentary_parallel : bool
        Whether loops and sources in parallel may exist between two steps.
    exact_moves_max : int
        Up to so many moves every order is looked at, over the sets of moves made so far.
    width : int
        Beyond, only so many sets of moves are followed after each step, the best so far.
    """

    momentary_parallel: bool = True
    exact_moves_max: int = 8
    width: int = 64


@dataclass(frozen=True)
class Step:
    """One operation."""

    switch: str
    closes: bool


@dataclass(frozen=True, eq=False)
class SwitchingSequence:
    """Operations in their order, and where they lead.

    Parameters
    ----------
    start, goal, reached : (switches,)
        Positions before, those that were asked for, and those after the last step.
    steps : tuple of Step
        One switch each.
    fallback : {"none", "nearest", "stay"}
        ``none``: the goal is reached. ``nearest``: another safe topology is. ``stay``: nothing is moved.
    reason : str
        Why the goal is not reached; empty where it is.
    is_fit : bool
        Whether the topology reached may stay. False only if ``start`` may not and nothing better is found.
    passing_steps : int
        Steps after which a loop or sources in parallel exist for a moment.
    operation_cost_amount : float
        Cost of all steps [currency].
    is_exact : bool
        Whether every order was looked at.
    """

    start: BoolArray
    goal: BoolArray
    reached: BoolArray
    steps: tuple[Step, ...]
    fallback: Literal["none", "nearest", "stay"]
    reason: str
    is_fit: bool
    passing_steps: int
    operation_cost_amount: float
    is_exact: bool


def worth_moving(
    benefit_amount: float, operation_cost_amount: float, least_benefit_amount: float = 0.0
) -> bool:
    """Whether a change of topology pays: its benefit exceeds its operations by more than a least benefit.

    The least benefit keeps a topology from flapping between two that are nearly as good [currency].
    """
    return benefit_amount - operation_cost_amount > least_benefit_amount


def plan_sequence(
    operation: Operation, start: BoolArray, goal: BoolArray, rules: Rules | None = None
) -> SwitchingSequence:
    """The safe order with fewest passing steps; closings come before openings, then names decide.

    Parameters
    ----------
    operation : Operation
        Grid, switches, load and limits. A switch with ``moves`` False stays, and the goal is then missed.
    start, goal : (switches,)
        Positions now and wanted.
    rules : Rules
        How to look.
    """
    _check(operation, start, goal)
    return _Search(operation, rules or Rules(), before=start, goal=goal).run(start, start != goal)


def recover(
    operation: Operation,
    sequence: SwitchingSequence,
    done: int,
    refusing: str,
    rules: Rules | None = None,
) -> SwitchingSequence:
    """What to do when a switch refuses after ``done`` steps: the best safe topology without it.

    Steps that are made may be taken back. ``before`` is still the start of the first sequence, so that no
    limit may be broken that held there.

    Parameters
    ----------
    sequence : SwitchingSequence
        What was under way.
    done : int
        Steps made.
    refusing : str
        Name of the switch that does not move.
    """
    names = [switch.name for switch in operation.switches]
    if refusing not in names:
        expected = f"one of {', '.join(names)}"
        raise StudyError([Problem("switches", f"switch {refusing!r}", expected)])
    switches = tuple(replace(each, moves=each.moves and each.name != refusing) for each in operation.switches)
    at = sequence.start.copy()
    for step in sequence.steps[:done]:
        at[names.index(step.switch)] = step.closes
    search = _Search(replace(operation, switches=switches), rules or Rules(), sequence.start, sequence.goal)
    return search.run(at, (at != sequence.goal) | (at != sequence.start))


def _check(operation: Operation, *positions: BoolArray) -> None:
    for each in positions:
        if each.shape != (len(operation.switches),):
            expected = f"({len(operation.switches)},), one a switch"
            raise StudyError([Problem("positions", f"shape {each.shape}", expected)])


Key = tuple[int, tuple[tuple[bool, str], ...]]
"""Passing steps so far, then the moves themselves: closing before opening, by name."""


@dataclass(eq=False)
class _Search:
    """Breadth-first over the sets of moves that are made; each is judged once."""

    operation: Operation
    rules: Rules
    before: BoolArray
    goal: BoolArray

    def __post_init__(self) -> None:
        self.judged: dict[bytes, tuple[str, bool]] = {}
        first, last = (find_violations(self.operation, each) for each in (self.before, self.goal))
        self.excused = {key: by for key, by in first.excess.items() if key[0] != "path"}
        self.lost = {each.element[row] for each in (first, last) for row in _rows(each, ("path",))}

    def judge(self, closed: BoolArray) -> tuple[str, bool]:
        """Why positions must not be passed through (empty if they may), and whether they may stay."""
        key = closed.tobytes()
        if key not in self.judged:
            # Most positions fail already for somebody's path, which needs no load flow.
            verdict = self._verdict(find_topology_violations(self.operation, closed))
            self.judged[key] = (
                verdict if verdict[0] else self._verdict(find_violations(self.operation, closed))
            )
        return self.judged[key]

    def _verdict(self, found: Violations) -> tuple[str, bool]:
        broken = [row for row in range(len(found)) if self._is_broken(found, row)]
        passes = MOMENTARY if self.rules.momentary_parallel else ()
        bars = [row for row in broken if found.kind[row] not in passes]
        return (found.text(bars[0]) if bars else "", not broken)

    def _is_broken(self, found: Violations, row: int) -> bool:
        kind, element, step = found.kind[row], found.element[row], int(found.step[row])
        if kind == "path":
            return element not in self.lost
        excused = self.excused.get((kind, element, step))
        # A load flow without solution has no excess to compare.
        by = abs(float(found.value[row] - found.limit[row]))
        return excused is None or not (by <= excused + WORSE)

    def run(self, start: BoolArray, moved: BoolArray) -> SwitchingSequence:
        switches = self.operation.switches
        stuck = tuple(
            switches[k].name for k in np.flatnonzero(moved & (start != self.goal)) if not switches[k].moves
        )
        moves = [k for k in np.flatnonzero(moved).tolist() if switches[k].moves]
        reached, barred = self._walk(start, moves)
        paths = [
            (int((self._after(start, path) != self.goal).sum()), len(path), key, path)
            for key, path in reached.values()
            if self.judge(self._after(start, path))[1]
        ]
        far, _, key, path = min(paths, default=(-1, 0, (0, ()), ()))
        closed = self._after(start, path)
        return SwitchingSequence(
            start=start.copy(),
            goal=self.goal.copy(),
            reached=closed,
            steps=tuple(Step(switches[k].name, bool(closed[k])) for k in path),
            fallback="none" if far == 0 else "nearest" if path else "stay",
            reason="" if far == 0 else _reason(stuck, barred, bool(paths)),
            is_fit=bool(paths),
            passing_steps=key[0],
            operation_cost_amount=float(sum(switches[k].operation_cost_amount for k in path)),
            is_exact=len(moves) <= self.rules.exact_moves_max,
        )

    def _after(self, start: BoolArray, path: tuple[int, ...]) -> BoolArray:
        closed = start.copy()
        closed[list(path)] ^= True
        return closed

    def _walk(
        self, start: BoolArray, moves: list[int]
    ) -> tuple[dict[frozenset[int], tuple[Key, tuple[int, ...]]], str]:
        """The best safe order of each set of moves that can be reached, and what barred the way last."""
        none: Key = (0, ())
        layer: dict[frozenset[int], tuple[Key, tuple[int, ...]]] = {frozenset(): (none, ())}
        reached, barred = dict(layer), ""
        for _ in moves:
            following: dict[frozenset[int], tuple[Key, tuple[int, ...]]] = {}
            for made, ((passing, order), path) in layer.items():
                for move in moves:
                    if move in made:
                        continue
                    closed = self._after(start, (*path, move))
                    bar, may_stay = self.judge(closed)
                    if bar:
                        barred = f"{self._story(start, (*path, move))}, {bar}"
                        continue
                    name = self.operation.switches[move].name
                    key = (passing + (not may_stay), (*order, (not closed[move], name)))
                    found = (key, (*path, move))
                    following[made | {move}] = min(following.get(made | {move}, found), found)
            layer = self._kept(following, len(moves))
            reached |= layer
        return reached, barred

    def _kept(
        self, layer: dict[frozenset[int], tuple[Key, tuple[int, ...]]], moves: int
    ) -> dict[frozenset[int], tuple[Key, tuple[int, ...]]]:
        if moves <= self.rules.exact_moves_max:
            return layer
        return dict(sorted(layer.items(), key=lambda item: item[1])[: self.rules.width])

    def _story(self, start: BoolArray, path: tuple[int, ...]) -> str:
        words = [f"{'opening' if start[k] else 'closing'} {self.operation.switches[k].name}" for k in path]
        return "after " + " and ".join(words)


def _rows(found: Violations, kinds: Names) -> list[int]:
    return [row for row, kind in enumerate(found.kind) if kind in kinds]


def _reason(stuck: Names, barred: str, is_fit: bool) -> str:
    parts = [f"{', '.join(stuck)} does not move"] if stuck else []
    if barred:
        parts.append(f"no safe order found: {barred}")
    if not is_fit:
        parts.append("no topology in reach may stay, nor the present one")
    return "; ".join(parts) or "the goal itself may only be passed through"
