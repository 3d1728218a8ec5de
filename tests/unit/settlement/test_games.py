from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.known_answers.games import games_answers
from gridcommons.model.errors import StudyError
from gridcommons.settlement.games import (
    Game,
    coalitions,
    core_excess,
    excesses,
    is_in_core,
    marginal_contributions,
    per_capita,
    shapley,
)

COMMUNITY = np.array([0.0, 0.0, 0.0, 0.708, 0.0, 1.062, 0.0, 1.593])
AIRPORT = np.array([0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0])


def names(players):
    return tuple(f"member {i}" for i in range(players))


def game(value, of_costs=False):
    return Game(names(len(value).bit_length() - 1), np.array(value, dtype=float), of_costs)


def values(players):
    amounts = st.lists(st.floats(-100.0, 100.0), min_size=2**players - 1, max_size=2**players - 1)
    return amounts.map(lambda some: np.array([0.0, *some]))


def with_others(value, player):
    """Values without the player, and with it, of the coalitions of all others."""
    without = np.flatnonzero(~coalitions(len(value).bit_length() - 1)[:, player])
    return value[without], value[without | 1 << player]


@pytest.mark.parametrize("answer", list(games_answers()), ids=lambda answer: answer.name)
def test_known_answers(answer):
    assert answer.passed, answer


class TestShapley:
    @settings(max_examples=40)
    @given(st.integers(1, 5).flatmap(values))
    def test_is_the_mean_over_all_orders_of_joining(self, value):
        players = len(value).bit_length() - 1
        added = np.zeros(players)
        orders = list(permutations(range(players)))
        for order in orders:
            joined = 0
            for player in order:
                added[player] += value[joined | 1 << player] - value[joined]
                joined |= 1 << player
        assert shapley(game(value)) == pytest.approx(added / len(orders), abs=1e-9)

    @given(st.integers(1, 6).flatmap(values))
    def test_hands_out_what_there_is(self, value):
        assert shapley(game(value)).sum() == pytest.approx(value[-1], abs=1e-9)

    @given(values(4), st.integers(0, 3), st.integers(0, 3))
    def test_gives_two_that_add_the_same_the_same(self, value, one, other):
        number = np.arange(16)
        one_in, other_in = number >> one & 1, number >> other & 1
        exchanged = number & ~(1 << one) & ~(1 << other) | other_in << one | one_in << other
        amount = shapley(game(0.5 * (value + value[exchanged])))
        assert amount[one] == pytest.approx(amount[other], abs=1e-9)

    @given(values(4), st.integers(0, 3), st.floats(-10.0, 10.0))
    def test_gives_one_that_always_adds_the_same_just_that(self, value, player, added):
        inside = coalitions(4)[:, player]
        value = value[np.arange(16) & ~(1 << player)] + np.where(inside, added, 0.0)
        assert shapley(game(value))[player] == pytest.approx(added, abs=1e-9)

    @given(values(4), values(4), st.floats(-5.0, 5.0))
    def test_adds_up_over_games(self, one, other, weight):
        together = shapley(game(one + weight * other))
        assert together == pytest.approx(shapley(game(one)) + weight * shapley(game(other)), abs=1e-8)

    def test_of_a_runway_for_sixteen_shares_each_stretch_among_who_needs_it(self):
        cost = np.linspace(1.0, 4.0, 16) ** 2
        runway = Game.from_function(names(16), lambda members: np.max(members * cost, axis=1), of_costs=True)
        shared = np.diff(cost, prepend=0.0) / np.arange(16, 0, -1)
        assert shapley(runway) == pytest.approx(np.cumsum(shared), abs=1e-9)


class TestGame:
    def test_counts_players_by_bits(self):
        found = Game(("A", "B", "C"), np.arange(8.0))
        assert found.alone.tolist() == [1.0, 2.0, 4.0]
        assert found.total == 7.0
        assert coalitions(3)[6].tolist() == [False, True, True]

    def test_of_a_function_asks_for_each_coalition(self):
        weight = np.array([1.0, 10.0, 100.0])
        found = Game.from_function(["A", "B", "C"], lambda members: members @ weight, of_costs=True)
        assert found.players == ("A", "B", "C")
        assert found.of_costs
        assert found.value.tolist() == [0.0, 1.0, 10.0, 11.0, 100.0, 101.0, 110.0, 111.0]

    @given(values(4), st.integers(0, 3))
    def test_the_marginal_contribution_is_what_the_last_one_adds(self, value, player):
        without, within = with_others(value, player)
        assert marginal_contributions(game(value))[player] == within[-1] - without[-1]

    @given(st.integers(1, 6).flatmap(values))
    def test_per_capita_hands_out_equal_parts(self, value):
        amount = per_capita(game(value))
        assert np.ptp(amount) == 0.0
        assert amount.sum() == pytest.approx(value[-1], abs=1e-9)


class TestCore:
    def test_the_coalition_with_most_to_complain_of(self):
        worst = core_excess(game(COMMUNITY), np.array([0.531, 0.531, 0.531]))
        assert worst.coalition == ("member 0", "member 2")
        assert worst.amount == pytest.approx(0.0, abs=1e-12)
        worst = core_excess(game(COMMUNITY), np.array([0.4, 0.7, 0.493]))
        assert worst.coalition == ("member 0", "member 2")
        assert worst.amount == pytest.approx(0.169, abs=1e-12)

    def test_who_pays_costs_complains_of_paying_more(self):
        runway = game(AIRPORT, of_costs=True)
        worst = core_excess(runway, np.array([1.0, 1.5, 0.5]))
        assert worst.coalition == ("member 0", "member 1")
        assert worst.amount == pytest.approx(0.5)
        assert is_in_core(runway, np.array([0.5, 0.75, 1.75]))
        assert not is_in_core(runway, np.array([1.0, 1.5, 0.5]))
        assert not is_in_core(game(AIRPORT), np.array([0.5, 0.75, 1.75]))

    def test_holds_only_what_hands_out_all(self):
        assert is_in_core(game(COMMUNITY), np.array([0.826, 0.295, 0.472]))
        assert not is_in_core(game(COMMUNITY), np.array([0.826, 0.295, 0.473]))
        assert not is_in_core(game(COMMUNITY), np.array([0.826, 0.295, 0.471]))
        assert is_in_core(game(COMMUNITY), np.array([0.826, 0.295, 0.471]), tolerance=0.0011)

    def test_a_coalition_may_miss_no_more_than_the_tolerance(self):
        short = np.array([1.5931, -0.0001, 0.0])
        assert not is_in_core(game(COMMUNITY), short)
        assert is_in_core(game(COMMUNITY), short, tolerance=0.000101)

    def test_nobody_can_leave_a_single_player(self):
        alone = game([0.0, 3.0])
        assert core_excess(alone, np.array([3.0])).coalition == ()
        assert is_in_core(alone, np.array([3.0]))
        assert not is_in_core(alone, np.array([2.0]))

    @given(values(3), st.lists(st.floats(-50.0, 50.0), min_size=3, max_size=3).map(np.array))
    def test_the_worst_is_the_largest_excess_but_of_all_and_none(self, value, amount):
        by_hand = {
            names(3)[i] + names(3)[j] * (i != j): value[1 << i | 1 << j] - sum(amount[k] for k in {i, j})
            for i in range(3)
            for j in range(i, 3)
        }
        worst = core_excess(game(value), amount)
        assert worst.amount == pytest.approx(max(by_hand.values()), abs=1e-9)
        assert by_hand["".join(worst.coalition)] == pytest.approx(worst.amount, abs=1e-9)
        assert (
            excesses(game(value, of_costs=True), amount).tolist() == (-excesses(game(value), amount)).tolist()
        )


class TestWhatIsWrong:
    def test_a_value_without_any_player(self):
        with pytest.raises(StudyError, match="found 0.5 for the empty coalition, expected 0; take what"):
            game([0.5, 1.0, 1.0, 2.0])

    def test_a_wrong_number_of_values(self):
        with pytest.raises(StudyError, match=r"found an array of shape \(3,\), expected shape \(4,\); give"):
            Game(("A", "B"), np.zeros(3))

    def test_a_function_that_gives_no_number_a_coalition(self):
        with pytest.raises(StudyError, match=r"found an array of shape \(4, 2\), expected shape \(4,\)"):
            Game.from_function(("A", "B"), lambda members: members * 1.0)

    @pytest.mark.parametrize("players", [0, 17])
    def test_a_number_of_players_that_cannot_be_held(self, players):
        never = {}.__getitem__
        with pytest.raises(StudyError, match=f"found {players} players, expected 1 to 16; "):
            Game.from_function(names(players), never)
        with pytest.raises(StudyError, match=f"found {players} players, expected 1 to 16; "):
            Game(names(players), np.zeros(1))

    def test_too_many_players_are_told_of_sampling(self):
        with pytest.raises(StudyError, match="sampled_shapley"):
            Game(names(17), np.zeros(2**17))

    def test_two_players_of_one_name(self):
        with pytest.raises(StudyError, match="found 'A' twice or more, expected each name once; rename"):
            Game(("A", "B", "A"), np.zeros(8))

    def test_every_value_that_is_no_number(self):
        with pytest.raises(StudyError) as wrong:
            game([1.0, np.nan, 1.0, np.inf])
        assert [problem.row for problem in wrong.value.problems] == ["", "1", "3"]

    def test_an_allocation_to_others(self):
        with pytest.raises(StudyError, match=r"found an array of shape \(2,\), expected one amount a player"):
            core_excess(game(COMMUNITY), np.array([1.0, 0.593]))
