import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.model.errors import StudyError
from gridcommons.settlement import sampled_shapley as module
from gridcommons.settlement.sampled_shapley import draws_needed, sampled_shapley, sampling_error

COST = np.linspace(0.05, 1.0, 20)
PLAYERS = tuple(f"member {i}" for i in range(20))


def runway(members):
    return np.max(members * COST, axis=1)


def shapley_of_runway():
    """Each stretch is shared among who needs it."""
    return np.cumsum(np.diff(COST, prepend=0.0) / np.arange(20, 0, -1))


def drawn(draws=1000, seed=1, value_of=runway, marginal_range=1.0, confidence_share=0.95):
    rng = np.random.default_rng(seed)
    return sampled_shapley(value_of, PLAYERS, draws, rng, marginal_range, confidence_share)


def test_is_within_its_error_of_the_closed_form():
    draws = draws_needed(1.0, 0.01, 20, 0.95)
    found = drawn(draws)
    assert found.error <= 0.01
    assert np.abs(found.amount - shapley_of_runway()).max() <= found.error
    assert found.amount.sum() == pytest.approx(1.0, abs=1e-15)
    assert (found.draws, found.confidence_share) == (draws, 0.95)


def test_comes_close_with_the_root_of_the_draws():
    """The standard error of each value, from the variance of what its player adds, at 5 of it."""
    shapley = shapley_of_runway()
    added = np.array([drawn(1, seed).amount for seed in range(400)])
    standard_error = added.std(axis=0) / np.sqrt(4000)
    assert (np.abs(drawn(4000).amount - shapley) <= 5.0 * standard_error + 1e-12).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_hands_out_what_there_is(seed, draws):
    assert drawn(draws, seed).amount.sum() == pytest.approx(1.0, abs=1e-12)


def test_of_one_order_is_what_each_adds_in_it():
    """The most expensive one pays what it adds to the most expensive before it, in some order."""
    amount = drawn(1).amount
    paying = np.flatnonzero(amount > 1e-12)
    assert paying[-1] == 19
    assert np.cumsum(amount[paying]) == pytest.approx(COST[paying])


def test_is_exact_where_each_always_adds_the_same():
    found = drawn(3, value_of=lambda members: members @ COST, marginal_range=1e-9)
    assert found.amount == pytest.approx(COST, abs=1e-12)


def test_of_a_single_player_is_all_there_is():
    rng = np.random.default_rng(1)
    found = sampled_shapley(lambda members: 3.0 * members[:, 0], ("A",), 2, rng, 1.0)
    assert found.amount.tolist() == [3.0]


def test_is_the_same_for_the_same_seed_and_however_many_are_asked_for_at_once(monkeypatch):
    found = drawn(50).amount
    assert drawn(50).amount.tolist() == found.tolist()
    assert drawn(50, seed=2).amount.tolist() != found.tolist()
    monkeypatch.setattr(module, "COALITIONS_AT_ONCE", 140)
    assert drawn(50).amount == pytest.approx(found, abs=1e-12)


def test_orders_needed_for_twenty_players():
    assert draws_needed(1.0, 0.01, 20, 0.95) == 33_424
    assert draws_needed(5.0, 0.05, 20, 0.95) == 33_424


@given(st.floats(0.1, 100.0), st.floats(0.01, 0.5), st.integers(1, 50), st.floats(0.5, 0.999))
def test_orders_needed_are_the_fewest_that_keep_the_error(marginal_range, share, players, confidence):
    error = share * marginal_range
    draws = draws_needed(marginal_range, error, players, confidence)
    assert sampling_error(marginal_range, draws, players, confidence) <= error * (1 + 1e-12)
    if draws > 1:
        assert sampling_error(marginal_range, draws - 1, players, confidence) > error * (1 - 1e-12)


def test_the_error_holds_as_often_as_it_says():
    """One player of two joins first by a fair coin: half the orders off by 10 % is as likely as it is."""
    share = np.random.default_rng(1).binomial(100, 0.5, 20_000) / 100
    for confidence in (0.5, 0.8, 0.95):
        error = sampling_error(1.0, 100, 2, confidence)
        assert np.mean(np.abs(share - 0.5) > error) <= 1.0 - confidence


def test_a_bound_that_does_not_hold_is_refused():
    with pytest.raises(StudyError, match="found contributions .* apart, expected at most the bound, 0.2;"):
        drawn(marginal_range=0.2)


@pytest.mark.parametrize("seed", range(10))
def test_a_bound_is_held_against_all_orders_together(monkeypatch, seed):
    """One order at a time shows no spread at all."""
    monkeypatch.setattr(module, "COALITIONS_AT_ONCE", 1)
    rng = np.random.default_rng(seed)
    added = np.array([sampled_shapley(runway, PLAYERS, 1, rng, 1.0).amount for _ in range(20)])
    spread = np.ptp(added, axis=0).max()
    assert drawn(20, seed, marginal_range=1.001 * spread).draws == 20
    with pytest.raises(StudyError, match="apart"):
        drawn(20, seed, marginal_range=0.999 * spread)


def test_a_bound_is_on_the_spread_of_one_player():
    """Contributions from 0.05 to 1.0 that are each always the same spread over nothing."""
    assert drawn(20, value_of=lambda members: members @ COST, marginal_range=0.01).error < 0.01


def test_a_value_without_any_player():
    with pytest.raises(StudyError, match="found 2 for the empty coalition, expected 0"):
        drawn(value_of=lambda members: runway(members) + 2.0)


@pytest.mark.parametrize(
    "value_of", [lambda members: members * 1.0, lambda members: runway(members) + np.nan]
)
def test_values_that_are_not_one_number_a_coalition(value_of):
    with pytest.raises(StudyError, match="expected a finite value for each of 2 coalitions; let the"):
        drawn(value_of=value_of)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"draws": 0}, "draws: found 0"),
        ({"marginal_range": -1.0}, "marginal_range: found -1"),
        ({"marginal_range": np.inf}, "marginal_range: found inf"),
        ({"confidence_share": 1.0}, "confidence_share: found 1"),
        ({"confidence_share": 0.0}, "confidence_share: found 0"),
    ],
)
def test_numbers_outside_what_they_may_be(wrong, place):
    with pytest.raises(StudyError, match=place):
        drawn(**wrong)


def test_no_error_takes_no_number_of_orders():
    with pytest.raises(StudyError, match="error: found 0, expected a finite number above 0"):
        draws_needed(1.0, 0.0, 20)
    with pytest.raises(StudyError, match="players: found 0"):
        draws_needed(1.0, 0.1, 0)
