import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.settlement import nucleolus as module
from gridcommons.settlement.games import Game, coalitions, core_excess, excesses, is_in_core
from gridcommons.settlement.nucleolus import nucleolus

LEVELS_APART = 1e-6


def game(value, of_costs=False):
    players = tuple(f"member {i}" for i in range(len(value).bit_length() - 1))
    return Game(players, np.array(value, dtype=float), of_costs)


def random_game(players, most, gain, seed):
    """Small whole values, so that many excesses are equal; all together have what each has alone or more.

    The less they gain, the more often somebody gets no more than alone.
    """
    value = np.random.default_rng(seed).integers(0, most + 1, 2**players).astype(float)
    value[0] = 0.0
    value[-1] = value[1 << np.arange(players)].sum() + gain
    return value


def games_of(players):
    most, gain = st.sampled_from([1, 2, 4, 50]), st.sampled_from([0, 1, 2, 3, 5, 10, 100])
    return st.builds(random_game, players, most, gain, st.integers(0, 2**32 - 1))


random_games = games_of(st.integers(2, 5))


def is_kohlberg(value, x):
    """Kohlberg's criterion: the coalitions with an excess of t or more are balanced, at each t, with weights
    above 0; those who get no more than alone may stand in with any weight."""
    players = len(x)
    members = coalitions(players)[1:-1].astype(float)
    excess = value[1:-1] - members @ x
    tied = np.eye(players)[np.abs(x - value[1 << np.arange(players)]) < LEVELS_APART]
    for level in np.unique(np.round(excess, 6)):
        high = members[excess >= level - LEVELS_APART]
        weighted = np.concatenate([high, tied])
        # Σ w_S 1_S = w 1, with weights of at least 1 for who must be above 0.
        equations = np.column_stack([weighted.T, -np.ones(players)])
        bounds = [(1.0, None)] * len(high) + [(0.0, None)] * len(tied) + [(0.0, None)]
        if linprog(
            np.zeros(equations.shape[1]), A_eq=equations, b_eq=np.zeros(players), bounds=bounds
        ).status:
            return False
    return True


def least_core_excess(value):
    """min ε with x(S) + ε ≥ v(S) and x(N) = v(N)."""
    players = len(value).bit_length() - 1
    members = coalitions(players)[1:-1].astype(float)
    rows = -np.column_stack([members, np.ones(len(members))])
    all_of_it = np.append(np.ones(players), 0.0)[None, :]
    cost = np.append(np.zeros(players), 1.0)
    return linprog(cost, rows, -value[1:-1], all_of_it, [value[-1]], bounds=(None, None)).fun


class TestKohlbergsCriterion:
    @settings(max_examples=60, deadline=None)
    @given(random_games)
    def test_holds(self, value):
        x = nucleolus(game(value))
        assert x.sum() == pytest.approx(value[-1], abs=1e-9)
        assert is_kohlberg(value, x)

    @pytest.mark.parametrize("most", [1, 3, 100])
    def test_holds_for_seven(self, most):
        value = random_game(7, most, 6 * most, seed=most)
        assert is_kohlberg(value, nucleolus(game(value)))

    def test_tells_others_apart(self):
        value = np.array([0.0, 2.0, 5.0, 14.0, 4.0, 18.0, 9.0, 24.0])
        assert is_kohlberg(value, np.array([11.5, 5.5, 7.0]))
        assert not is_kohlberg(value, np.array([11.4, 5.6, 7.0]))
        assert not is_kohlberg(value, np.array([9.5, 6.5, 8.0]))


@settings(max_examples=40, deadline=None)
@given(random_games, st.integers(0, 2**32 - 1))
def test_no_other_allocation_leaves_less_to_complain_of(value, seed):
    """Lexicographically, in the order of excesses from the largest on, far from it and near."""
    x = nucleolus(game(value))
    rng = np.random.default_rng(seed)
    alone = value[1 << np.arange(len(x))]
    other = alone + rng.dirichlet(np.ones(len(x)), 200) * (value[-1] - alone.sum())
    other = x + (other - x) * rng.choice([1.0, 0.1, 0.01], (200, 1))
    members = coalitions(len(x)).astype(float)
    own, theirs = np.sort(value - members @ x)[::-1], np.sort(value - other @ members.T, axis=1)[:, ::-1]
    for each in theirs - own:
        apart = np.flatnonzero(np.abs(each) > 1e-8)
        assert len(apart) == 0 or each[apart[0]] > 0.0


@settings(max_examples=60, deadline=None)
@given(random_games)
def test_gives_nobody_less_than_alone(value):
    assert (nucleolus(game(value)) >= value[1 << np.arange(len(value).bit_length() - 1)] - 1e-9).all()


@settings(max_examples=60, deadline=None)
@given(random_games)
def test_is_in_the_core_whenever_there_is_one(value):
    least, found = least_core_excess(value), game(value)
    assert is_in_core(found, nucleolus(found), 1e-8) == (least <= 1e-9)


@settings(max_examples=40, deadline=None)
@given(
    random_games,
    st.lists(st.integers(-20, 20), min_size=5, max_size=5).map(np.array),
    st.sampled_from([1e-6, 0.001, 0.5, 3.0, 1000.0]),
)
def test_goes_with_an_amount_a_player_and_with_the_currency(value, added, scale):
    players = len(value).bit_length() - 1
    moved = scale * value + coalitions(players) @ added[:players]
    expected = scale * nucleolus(game(value)) + added[:players]
    assert nucleolus(game(moved)) == pytest.approx(expected, abs=1e-8 * scale + 1e-12)


@settings(max_examples=40, deadline=None)
@given(random_games)
def test_costs_are_shared_as_negative_benefits(value):
    assert nucleolus(game(-value, of_costs=True)).tolist() == (-nucleolus(game(value))).tolist()


@settings(max_examples=40, deadline=None)
@given(games_of(st.just(4)), st.permutations(range(4)))
def test_does_not_depend_on_the_order_of_players(value, order):
    number = coalitions(4) @ (1 << np.array(order))
    assert nucleolus(game(value[number])) == pytest.approx(nucleolus(game(value))[order], abs=1e-8)


def contested_garment(claims, estate):
    """What Aumann and Maschler (1985) show to be the nucleolus of a bankruptcy, after the Talmud."""
    half = 0.5 * claims
    if estate > half.sum():
        return claims - contested_garment(claims, claims.sum() - estate)
    low, high = 0.0, half.max()
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.minimum(half, middle).sum() < estate else (low, middle)
    return np.minimum(half, high)


def bankruptcy(claims, estate):
    """A coalition is worth what the claims of all others leave of the estate."""
    others = ~coalitions(len(claims)) @ claims
    return np.maximum(estate - others, 0.0)


class TestBankruptcy:
    @pytest.mark.parametrize(
        ("estate", "talmud"),
        [(100.0, (100 / 3, 100 / 3, 100 / 3)), (200.0, (50.0, 75.0, 75.0)), (300.0, (50.0, 100.0, 150.0))],
    )
    def test_of_three_wives(self, estate, talmud):
        found = nucleolus(game(bankruptcy(np.array([100.0, 200.0, 300.0]), estate)))
        assert found == pytest.approx(talmud, abs=1e-9)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.integers(1, 20), min_size=2, max_size=7).map(np.array), st.floats(0.01, 0.99))
    def test_is_shared_like_contested_garments(self, claims, share):
        estate = share * claims.sum()
        expected = contested_garment(claims.astype(float), estate)
        assert nucleolus(game(bankruptcy(claims, estate))) == pytest.approx(expected, abs=1e-7)

    def test_of_twelve(self):
        claims = np.arange(1.0, 13.0)
        for estate in (20.0, 39.0, 60.0):
            expected = contested_garment(claims, estate)
            assert nucleolus(game(bankruptcy(claims, estate))) == pytest.approx(expected, abs=1e-7)


def test_a_runway_of_ten():
    """S. C. Littlechild, 1974: the cheapest stretches first, each group at the least burden of leaving."""
    cost = np.array([1.0, 1.5, 2.0, 4.0, 4.5, 7.0, 7.5, 8.0, 12.0, 12.5])
    members = coalitions(10)
    found = nucleolus(game(np.max(members * cost, axis=1), of_costs=True))
    expected, first, paid = np.zeros(10), 0, 0.0
    while first < 10:
        burden = [(cost[k] - paid) / (k - first + 2) for k in range(first, 9)] + [
            (cost[9] - paid) / (10 - first)
        ]
        last = first + int(np.argmin(burden))
        expected[first : last + 1] = min(burden)
        paid += (last + 1 - first) * min(burden)
        first = last + 1
    assert found == pytest.approx(expected, abs=1e-8)


def test_all_get_what_they_have_alone_where_nothing_is_gained():
    found = game([0.0, 1.0, 2.0, 9.0, 3.0, 0.0, 1.0, 6.0])
    assert nucleolus(found).tolist() == [1.0, 2.0, 3.0]


def test_of_a_single_player_is_all_there_is():
    assert nucleolus(game([0.0, -4.0])).tolist() == [-4.0]


def test_of_two_is_half_of_the_gain_each():
    assert nucleolus(game([0.0, 1.0, 2.0, 5.0])) == pytest.approx([2.0, 3.0], abs=1e-12)


def test_an_individual_bound_that_holds_somebody_up():
    """Without it player 2, whom nobody gains by, would pay the others."""
    value = np.array([0.0, 0.0, 0.0, 9.0, 0.0, 3.0, 3.0, 6.0])
    x = nucleolus(game(value))
    assert x == pytest.approx([3.0, 3.0, 0.0], abs=1e-9)
    assert core_excess(game(value), x).amount == pytest.approx(3.0)
    free = np.array([3.5, 3.5, -1.0])
    assert excesses(game(value), free)[1:-1].max() < 3.0


def test_together_worse_than_alone_has_no_allocation():
    with pytest.raises(InfeasibleError, match="found 2 for all together and 3 for each alone; expected that"):
        nucleolus(game([0.0, 1.0, 2.0, 2.0]))
    with pytest.raises(InfeasibleError, match="found 4 for all together and 3 for each alone"):
        nucleolus(game([0.0, 1.0, 2.0, 4.0], of_costs=True))


def test_duals_that_prove_nothing_end_it(monkeypatch):
    monkeypatch.setattr(module, "HELD_DUAL", 2.0)
    with pytest.raises(NotConvergedError, match="3 players: 1 coalitions are held, and no dual"):
        nucleolus(game([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]))
