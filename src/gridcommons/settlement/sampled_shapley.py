"""Shapley values of games too large to hold: estimates from random orders of joining, and their error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt

import numpy as np
from numpy.random import Generator

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.settlement.games import ValueOf, empty_is_not_zero

COALITIONS_AT_ONCE = 100_000
"""How many coalitions are asked for at once, so that memory stays small."""

ROUNDING_SHARE = 1e-9
"""What an observed spread of contributions may be above its bound and keeps it."""


@dataclass(frozen=True, eq=False)
class SampledShapley:
    """Shapley values from random orders of joining.

    Parameters
    ----------
    amount : (players,)
        Estimates, which add up to v(N) [currency].
    error : float
        What none of them is off by more than, with this confidence [currency].
    confidence_share : float
        Probability that this holds, before the orders are drawn.
    draws : int
        Orders drawn.
    """

    amount: FloatArray
    error: float
    confidence_share: float
    draws: int


def sampled_shapley(
    value_of: ValueOf,
    players: Sequence[str],
    draws: int,
    rng: Generator,
    marginal_range: float,
    confidence_share: float = 0.95,
) -> SampledShapley:
    """Shapley values of a game too large to hold, from random orders of joining, and their error.

    Parameters
    ----------
    value_of : callable
        Takes who is in each coalition, shape (coalitions, players), and gives their values [currency].
    players : (players,)
        Names, of any number.
    draws : int
        Orders; each asks for one coalition a player. ``draws_needed`` tells how many.
    rng : Generator
        The only source of chance.
    marginal_range : float
        Bound on the largest less the smallest of what any one player can add to a coalition [currency]. It
        must be known of the game: the spread that was seen is no bound on what was not. Where nobody's
        joining ever lowers a value, v(N) is one.
    confidence_share : float
        Probability with which the error is to hold for all players at once.

    Raises
    ------
    StudyError
        No draws, a confidence outside 0..1, values of a wrong shape, v(∅) ≠ 0, or contributions seen that
        spread over more than the bound.

    Notes
    -----
    Sampling by J. Castro, D. Gómez, J. Tejada, Comput. Oper. Res. 36, 2009; the error by W. Hoeffding,
    J. Am. Stat. Assoc. 58, 1963, and a union over players. The contributions of one order add up to v(N), so
    that nothing but rounding is left to spread.
    """
    n = len(players)
    error = sampling_error(marginal_range, draws, n, confidence_share)
    empty, total = _ask(value_of, np.array([[False] * n, [True] * n]))
    if empty != 0.0:
        raise StudyError([empty_is_not_zero(float(empty))])
    summed, least, most = np.zeros(n), np.full(n, np.inf), np.full(n, -np.inf)
    at_once = max(COALITIONS_AT_ONCE // n, 1)
    for start in range(0, draws, at_once):
        orders = np.tile(np.arange(n), (min(at_once, draws - start), 1))
        added = _added_in(value_of, rng.permuted(orders, axis=1), total)
        summed += added.sum(axis=0)
        least, most = np.minimum(least, added.min(axis=0)), np.maximum(most, added.max(axis=0))
    spread = float(np.max(most - least))
    if spread > marginal_range * (1.0 + ROUNDING_SHARE):
        found, expected = f"contributions {spread:g} apart", f"at most the bound, {marginal_range:g}"
        raise StudyError([Problem("marginal_range", found, expected, "hand in a bound that holds")])
    amount = summed / draws
    return SampledShapley(amount + (total - amount.sum()) / n, error, confidence_share, draws)


def sampling_error(marginal_range: float, draws: int, players: int, confidence_share: float = 0.95) -> float:
    """What no sampled Shapley value is off by more than, ε = r √(ln(2n/δ) / 2m) [currency].

    Parameters
    ----------
    marginal_range : float
        Bound r on the largest less the smallest of what any one player can add [currency].
    draws : int
        Orders drawn, m.
    players : int
        How many, n.
    confidence_share : float
        Probability 1 − δ that it holds for all players at once.

    Raises
    ------
    StudyError
        A number outside what it may be.
    """
    _refuse_numbers(marginal_range=marginal_range, draws=draws, players=players)
    return marginal_range * sqrt(_log_of_doubt(players, confidence_share) / (2.0 * draws))


def draws_needed(marginal_range: float, error: float, players: int, confidence_share: float = 0.95) -> int:
    """How many orders keep every sampled Shapley value within an error, m ≥ r² ln(2n/δ) / 2ε².

    Parameters
    ----------
    marginal_range : float
        Bound r on the largest less the smallest of what any one player can add [currency].
    error : float
        What no value may be off by more than, ε [currency].
    players : int
        How many, n.
    confidence_share : float
        Probability 1 − δ that it holds for all players at once.

    Raises
    ------
    StudyError
        A number outside what it may be.
    """
    _refuse_numbers(marginal_range=marginal_range, error=error, players=players)
    return ceil((marginal_range / error) ** 2 * _log_of_doubt(players, confidence_share) / 2.0)


def _log_of_doubt(players: int, confidence_share: float) -> float:
    """ln(2n/δ): both sides of every player's error share the doubt δ."""
    if not 0.0 < confidence_share < 1.0:
        expected = "a share above 0 and below 1"
        raise StudyError([Problem("confidence_share", f"{confidence_share:g}", expected, "try 0.95")])
    return log(2.0 * players / (1.0 - confidence_share))


def _added_in(value_of: ValueOf, place: IntArray, total: float) -> FloatArray:
    """What each player adds in orders that give it a place, both of shape (orders, players) [currency]."""
    orders, n = place.shape
    joined = place[:, None, :] < np.arange(1, n)[:, None]
    between = _ask(value_of, joined.reshape(-1, n)).reshape(orders, n - 1)
    value = np.concatenate([np.zeros((orders, 1)), between, np.full((orders, 1), total)], axis=1)
    return np.take_along_axis(np.diff(value, axis=1), place, axis=1)


def _ask(value_of: ValueOf, members: BoolArray) -> FloatArray:
    value = np.asarray(value_of(members), dtype=np.float64)
    if value.shape != (len(members),) or not np.isfinite(value).all():
        found = f"an array of shape {value.shape} with {np.count_nonzero(~np.isfinite(value))} not finite"
        expected = f"a finite value for each of {len(members)} coalitions"
        do = "let the function give one number a row of its argument"
        raise StudyError([Problem("game", found, expected, do, column="value")])
    return value


def _refuse_numbers(**numbers: float) -> None:
    problems = [
        Problem(name, f"{number:g}", "a finite number above 0", "hand in what the game gives")
        for name, number in numbers.items()
        if not 0.0 < number < np.inf
    ]
    if problems:
        raise StudyError(problems)
