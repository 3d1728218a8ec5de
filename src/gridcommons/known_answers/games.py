"""Known answers of cooperative games: three of the literature, and a community of three members."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridcommons.known_answers.answer import KnownAnswer
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.settlement.games import Game, marginal_contributions, per_capita, shapley
from gridcommons.settlement.nucleolus import nucleolus
from gridcommons.settlement.sampled_shapley import draws_needed

TOLERANCE = 1e-9

VALUE_PER_SHARED_KWH = 0.177
"""Import at 0.30 less export at 0.08, less the fee of 0.043 that is left on shared energy."""

INJECTION_KWH = np.array([[6.0, 2.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
WITHDRAWAL_KWH = np.array([[0.0, 0.0, 1.0, 0.0], [1.0, 3.0, 2.0, 1.0], [4.0, 1.0, 2.0, 1.0]])
"""Registers of members A, B and C in four intervals, one row a member."""


def games_answers() -> Iterator[KnownAnswer]:
    """All of them, computed now."""
    yield from _literature()
    yield from _community()
    needed = draws_needed(1.0, 0.01, 20, 0.95)
    source = "Hoeffding 1963: r² ln(2n/δ) / 2ε²"
    yield KnownAnswer("orders for 20 players, 1 % of the range, 95 %", needed, 33_424.0, 0.0, "", source)


def community_game() -> Game:
    """Three members: a coalition gains by each kWh that one of them feeds in while another draws it."""
    return Game.from_function(("A", "B", "C"), _gain_of_sharing)


def _gain_of_sharing(members: BoolArray) -> FloatArray:
    inside = members.astype(np.float64)
    shared_kwh = np.minimum(inside @ INJECTION_KWH, inside @ WITHDRAWAL_KWH).sum(axis=1)
    return np.asarray(VALUE_PER_SHARED_KWH * shared_kwh)


def _literature() -> Iterator[KnownAnswer]:
    """The values are those of ∅, 1, 2, 12, 3, 13, 23 and 123."""
    players = ("1", "2", "3")
    glove = Game(players, np.array([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]))
    source = "test files of TheoryOfGames.jl"
    yield from _shares("glove, Shapley", shapley(glove), (2 / 3, 1 / 6, 1 / 6), source)
    yield from _shares("glove, nucleolus", nucleolus(glove), (1.0, 0.0, 0.0), source)
    superadditive = Game(players, np.array([0.0, 2.0, 5.0, 14.0, 4.0, 18.0, 9.0, 24.0]))
    yield from _shares("2 to 24, Shapley", shapley(superadditive), (9.5, 6.5, 8.0), source)
    yield from _shares("2 to 24, nucleolus", nucleolus(superadditive), (11.5, 5.5, 7.0), source)
    airport = Game(players, np.array([0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0]), of_costs=True)
    source = "closed form, S. C. Littlechild, G. Owen, Manag. Sci. 20, 1973"
    yield from _shares("airport 1, 2, 3, Shapley", shapley(airport), (1 / 3, 5 / 6, 11 / 6), source)
    source = "closed form, S. C. Littlechild, Int. J. Game Theory 3, 1974"
    yield from _shares("airport 1, 2, 3, nucleolus", nucleolus(airport), (0.5, 0.75, 1.75), source)


def _community() -> Iterator[KnownAnswer]:
    game = community_game()
    source = "exact fractions of 0.177 a shared kWh: AB 0.708, AC 1.062, ABC 1.593"
    for name, amount, expected in (
        ("Shapley", shapley(game), (0.826, 0.295, 0.472)),
        ("nucleolus", nucleolus(game), (0.885, 0.2655, 0.4425)),
        ("per capita", per_capita(game), (0.531, 0.531, 0.531)),
        ("marginal", marginal_contributions(game), (1.593, 0.531, 0.885)),
    ):
        yield from _shares(f"community, {name}", amount, expected, source)


def _shares(
    name: str, amount: FloatArray, expected: tuple[float, float, float], source: str
) -> Iterator[KnownAnswer]:
    for player, (computed, known) in enumerate(zip(amount, expected, strict=True), start=1):
        yield KnownAnswer(f"{name} of player {player}", float(computed), known, TOLERANCE, "", source)
