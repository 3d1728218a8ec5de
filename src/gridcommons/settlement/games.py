"""Cooperative games: what each coalition of members is worth, and what each member may claim of it.

A game is its characteristic function v, one value a coalition, v(∅) = 0. Two readings share every formula:
benefits, where a coalition complains of getting less than v(S), and costs, where it complains of paying more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray

ValueOf = Callable[[BoolArray], FloatArray]
"""Values of coalitions, shape (coalitions,) [currency], from who is in them, shape (coalitions, players)."""

PLAYERS_MAX = 16
"""Most players of a game that is held whole: 65,536 coalitions."""


@dataclass(frozen=True, eq=False)
class Game:
    """A game as a characteristic function.

    Parameters
    ----------
    players : (players,)
        Names, at most ``PLAYERS_MAX``. Player i is in the coalitions whose number has bit i.
    value : (2**players,)
        Value of each coalition by its number, 0 for the empty one [currency].
    of_costs : bool
        Whether the values are costs to be paid, not benefits to be had.

    Raises
    ------
    StudyError
        Too many players, two of one name, or values that are not finite, not one a coalition, or not 0 for
        the empty coalition.

    Examples
    --------
    >>> glove = Game(("left", "right", "right too"), np.array([0.0, 0, 0, 1, 0, 1, 0, 1]))
    >>> shapley(glove).round(3).tolist()
    [0.667, 0.167, 0.167]
    """

    players: tuple[str, ...]
    value: FloatArray
    of_costs: bool = False

    def __post_init__(self) -> None:
        problems = _problems_of_players(self.players) or _problems_of_values(self.value, len(self.players))
        if problems:
            raise StudyError(problems)

    @classmethod
    def from_function(cls, players: Sequence[str], value_of: ValueOf, of_costs: bool = False) -> Game:
        """The game of a function that is asked once for all coalitions, the empty one first.

        Parameters
        ----------
        players : (players,)
            Names.
        value_of : callable
            Takes who is in each coalition, shape (coalitions, players), and gives their values [currency].
        of_costs : bool
            Whether the values are costs.

        Raises
        ------
        StudyError
            As for the game itself.
        """
        problems = _problems_of_players(players)
        if problems:
            raise StudyError(problems)
        value = np.asarray(value_of(coalitions(len(players))), dtype=np.float64)
        return cls(tuple(players), value, of_costs)

    @property
    def total(self) -> float:
        """Value of all players together, v(N) [currency]."""
        return float(self.value[-1])

    @property
    def alone(self) -> FloatArray:
        """Value of each player alone, v({i}), shape (players,) [currency]."""
        return np.asarray(self.value[1 << np.arange(len(self.players))])


def coalitions(players: int) -> BoolArray:
    """Who is in each coalition, shape (2**players, players), by the coalition's number."""
    return np.asarray(np.arange(2**players)[:, None] >> np.arange(players) & 1, dtype=np.bool_)


def shapley(game: Game) -> FloatArray:
    """Shapley values: what a player adds, averaged over all orders of joining, shape (players,) [currency].

    Notes
    -----
    φ_i = (1/n) Σ_{S∌i} [v(S∪i) − v(S)] / C(n−1, |S|), L. S. Shapley, A value for n-person games, 1953.
    """
    n = len(game.players)
    size = coalitions(n).sum(axis=1)
    weight_of_size = np.array([factorial(s) * factorial(n - 1 - s) / factorial(n) for s in range(n)])
    amount = np.empty(n)
    for i in range(n):
        # The middle axis is bit i of the coalition's number.
        value, without = game.value.reshape(-1, 2, 2**i), size.reshape(-1, 2, 2**i)[:, 0]
        amount[i] = np.sum(weight_of_size[without] * (value[:, 1] - value[:, 0]))
    return amount


def marginal_contributions(game: Game) -> FloatArray:
    """What is lost if one player leaves all others, v(N) − v(N∖i), shape (players,) [currency].

    They seldom add up to v(N).
    """
    others = len(game.value) - 1 - (1 << np.arange(len(game.players)))
    return np.asarray(game.total - game.value[others])


def per_capita(game: Game) -> FloatArray:
    """Equal parts of v(N), shape (players,) [currency]; a coalition may do better without the others."""
    n = len(game.players)
    return np.full(n, game.total / n)


def excesses(game: Game, allocation: FloatArray) -> FloatArray:
    """What each coalition has to complain of, shape (2**players,) [currency].

    Parameters
    ----------
    game : Game
        Its excess is v(S) − x(S) of benefits, x(S) − v(S) of costs: above 0 where S does better by itself.
    allocation : (players,)
        What each player gets, or pays, x [currency].

    Raises
    ------
    StudyError
        The allocation has not one amount a player.
    """
    n = len(game.players)
    if np.shape(allocation) != (n,):
        found, expected = f"an array of shape {np.shape(allocation)}", f"one amount a player, shape {(n,)}"
        raise StudyError([Problem("allocation", found, expected, "give them in the order of the players")])
    lacking = game.value - coalitions(n) @ allocation
    return np.asarray(-lacking if game.of_costs else lacking)


@dataclass(frozen=True)
class CoreExcess:
    """The coalition with most to complain of.

    Parameters
    ----------
    coalition : tuple of str
        Its players; none where there is but one player, whom nobody can leave.
    amount : float
        Its excess, above 0 where it does better by itself; −∞ where there is no such coalition [currency].
    """

    coalition: tuple[str, ...]
    amount: float


def core_excess(game: Game, allocation: FloatArray) -> CoreExcess:
    """The coalition, neither empty nor of all, that has most to complain of, the first one of several.

    Parameters
    ----------
    game : Game
        Of benefits or costs.
    allocation : (players,)
        What each player gets, or pays [currency].

    Raises
    ------
    StudyError
        The allocation has not one amount a player.
    """
    inner = excesses(game, allocation)[1:-1]
    if len(inner) == 0:
        return CoreExcess((), -np.inf)
    worst = int(np.argmax(inner))
    inside = tuple(name for i, name in enumerate(game.players) if worst + 1 >> i & 1)
    return CoreExcess(inside, float(inner[worst]))


def is_in_core(game: Game, allocation: FloatArray, tolerance: float = 1e-9) -> bool:
    """Whether the allocation hands out v(N), and no coalition does better by itself.

    Parameters
    ----------
    game : Game
        Of benefits or costs.
    allocation : (players,)
        What each player gets, or pays [currency].
    tolerance : float
        By how much either may be missed [currency].

    Raises
    ------
    StudyError
        The allocation has not one amount a player.
    """
    worst = core_excess(game, allocation).amount
    return bool(worst <= tolerance and abs(float(np.sum(allocation)) - game.total) <= tolerance)


def _problems_of_players(players: Sequence[str]) -> list[Problem]:
    n = len(players)
    if not 1 <= n <= PLAYERS_MAX:
        do = "draw orders with sampled_shapley, or join players to groups" if n else "name the players"
        return [Problem("game", f"{n} players", f"1 to {PLAYERS_MAX}", do, column="players")]
    twice = sorted({name for name in players if list(players).count(name) > 1})
    expected, do = "each name once", "rename all but one"
    return [Problem("game", f"{name!r} twice or more", expected, do, column="players") for name in twice]


def _problems_of_values(value: FloatArray, players: int) -> list[Problem]:
    if np.shape(value) != (2**players,):
        found, expected = f"an array of shape {np.shape(value)}", f"shape {(2**players,)}"
        do = f"give one value for each coalition of {players} players, the empty one first"
        return [Problem("game", found, expected, do, column="value")]
    problems = [
        Problem("game", f"{value[k]:g}", "a finite value", "compute it anew", row=str(k), column="value")
        for k in np.flatnonzero(~np.isfinite(value))
    ]
    return problems if value[0] == 0.0 else [empty_is_not_zero(float(value[0])), *problems]


def empty_is_not_zero(value: float) -> Problem:
    """What is wrong with a game that has a value without any player [currency]."""
    do = "take what is there without any player off all values"
    return Problem("game", f"{value:g} for the empty coalition", "0", do, column="value")
