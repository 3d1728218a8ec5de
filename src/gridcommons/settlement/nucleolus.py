"""The nucleolus: the allocation that leaves the coalition with most to complain of least to complain of.

Of all allocations that hand out v(N) and give nobody less than alone, it makes the largest excess smallest,
then the second largest, and so on, by one linear program a stage:

    min ε  subject to  v(S) − x(S) ≤ ε of the coalitions still free,  x(S) = v(S) − ε_j of those held,

until the coalitions held determine x. A coalition is held only if it is at ε in every optimum, which its dual
proves by being positive; one that is merely at ε in the optimum found may yet do better. What the held ones
determine together with N is no longer free: its excess is the same in all that is left to choose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.optimisation.solve import LinearProgram, solve
from gridcommons.settlement.games import Game, coalitions

NOTHING_SHARE = 1e-12
"""Gain of all together over each alone that counts as none, of the largest value."""

VIOLATION_SHARE = 1e-11
"""Excess above ε from which a coalition joins the program, of the gain of all together."""

HELD_DUAL = 1e-4
"""Dual from which it is positive beyond rounding. A stage's duals add up to 1, at most one more than players
are above 0, so that some are far larger; to hold fewer than could be held only makes another stage."""

OUTSIDE = 1e-8
"""Distance of a coalition's 0s and 1s from the span of others from which it is outside."""


def nucleolus(game: Game) -> FloatArray:
    """The nucleolus of a game, shape (players,) [currency].

    Parameters
    ----------
    game : Game
        Of benefits, where the excess is v(S) − x(S), or of costs, where it is x(S) − v(S).

    Raises
    ------
    InfeasibleError
        All together have less, or pay more, than each alone: no allocation suits every single player.
    NotConvergedError
        A linear program ended without an optimum, or with duals that prove nothing.

    Notes
    -----
    D. Schmeidler, SIAM J. Appl. Math. 17, 1969; the stages by A. Kopelowitz, 1967, and M. Maschler, B. Peleg,
    L. S. Shapley, Math. Oper. Res. 4, 1979. Where the core is not empty, the nucleolus is in it.

    Examples
    --------
    >>> airport = Game(("small", "middle", "large"), np.array([0.0, 1, 2, 2, 3, 3, 3, 3]), of_costs=True)
    >>> nucleolus(airport).round(9).tolist()
    [0.5, 0.75, 1.75]
    """
    sign = -1.0 if game.of_costs else 1.0
    value, alone = sign * game.value, sign * game.alone
    members = coalitions(len(game.players)).astype(np.float64)
    gain = float(value[-1] - alone.sum())
    nothing = NOTHING_SHARE * float(np.abs(value).max())
    if gain < -nothing:
        raise InfeasibleError(
            f"game of {len(game.players)} players: found {game.total:g} for all together and"
            f" {float(game.alone.sum()):g} for each alone; expected that all together do no worse; leave out"
            " who costs the others more than he brings"
        )
    if gain <= nothing:
        return np.asarray(sign * (alone + gain / len(alone)))
    # Adding an amount a player and scaling all values changes the nucleolus alike; gains over being alone,
    # with 1 for all together, make the tolerances mean the same in every game.
    return np.asarray(sign * (alone + gain * _of_gains(members, (value - members @ alone) / gain)))


@dataclass(frozen=True, eq=False)
class _Stage:
    """What a stage starts from.

    Parameters
    ----------
    members : (coalitions, players)
        1 for who is in a coalition, else 0.
    value : (coalitions,)
        Gains of coalitions, 1 for all together.
    free : (coalitions,)
        Which of them are neither held nor determined by those that are.
    held : (held, players)
        Coalitions held, all together among them, none determined by the others.
    held_total : (held,)
        What each of them gets.
    """

    members: FloatArray
    value: FloatArray
    free: BoolArray
    held: FloatArray
    held_total: FloatArray


def _of_gains(members: FloatArray, value: FloatArray) -> FloatArray:
    """The nucleolus of a game where each alone has 0 and all together have 1, shape (players,)."""
    players = members.shape[1]
    held, held_total, x = members[-1:], value[-1:], np.full(players, 1.0 / players)
    while len(held) < players:
        stage = _Stage(members, value, _is_outside(members, held), held, held_total)
        x, epsilon, dual = _least_excess(stage, x)
        for coalition in np.flatnonzero(dual > HELD_DUAL):
            if _is_outside(members[[coalition]], held)[0]:
                held = np.vstack([held, members[coalition]])
                held_total = np.append(held_total, value[coalition] - epsilon)
        if len(held) == len(stage.held):
            raise NotConvergedError(
                f"nucleolus of {players} players: {len(held)} coalitions are held, and no dual of others is"
                f" above {HELD_DUAL:g}, the largest {dual.max():g}"
            )
    return np.asarray(np.linalg.solve(held, held_total))


def _is_outside(members: FloatArray, held: FloatArray) -> BoolArray:
    """Which coalitions those held do not determine: 0s and 1s outside their span, shape (coalitions,)."""
    along = np.linalg.qr(held.T)[0]
    return np.asarray(np.linalg.norm(members - members @ along @ along.T, axis=1) > OUTSIDE)


def _least_excess(stage: _Stage, x: FloatArray) -> tuple[FloatArray, float, FloatArray]:
    """An optimum of a stage: x (players,), ε, and the duals of all coalitions (coalitions,).

    The program starts from the coalitions with most to complain of at a point given, and takes in those that
    it leaves above ε: few of them ever matter.
    """
    at_once = 2 * len(x)
    in_program = np.zeros(len(stage.value), dtype=np.bool_)
    epsilon, dual = -np.inf, np.zeros(len(stage.value))
    while True:
        excess = np.where(stage.free & ~in_program, stage.value - stage.members @ x, -np.inf)
        worst = np.argsort(-excess, kind="stable")[:at_once]
        missing = worst[excess[worst] > epsilon + VIOLATION_SHARE]
        if len(missing) == 0:
            return x, epsilon, dual
        in_program[missing] = True
        optimum = solve(_program(stage, in_program))
        x, epsilon = optimum.x[:-1], float(optimum.x[-1])
        dual[in_program] = optimum.mu[: np.count_nonzero(in_program)]


def _program(stage: _Stage, in_program: BoolArray) -> LinearProgram:
    """min ε over x ≥ 0 and ε, with rows of the free coalitions in the program, then of those held."""
    free, players = stage.members[in_program], stage.members.shape[1]
    matrix = np.block([[-free, np.full((len(free), 1), -1.0)], [stage.held, np.zeros((len(stage.held), 1))]])
    return LinearProgram(
        cost=np.append(np.zeros(players), 1.0),
        matrix=matrix,
        row_max=np.concatenate([-stage.value[in_program], stage.held_total]),
        lower=np.append(np.zeros(players), -np.inf),
        upper=np.full(players + 1, np.inf),
        row_min=np.concatenate([np.full(len(free), -np.inf), stage.held_total]),
    )
