"""The benefit of sharing as a game: the worked example, and values that are those of bills."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.settlement.agreement import make_agreement
from gridcommons.settlement.benefit import hand_out, make_game
from gridcommons.settlement.capability import Settings
from gridcommons.settlement.games import Game, coalitions, is_in_core, shapley
from gridcommons.settlement.meters import Meters, read_meters
from gridcommons.settlement.window import share_window
from settlement_study import random_study, sharing_study, worked_example

seeds = st.integers(0, 2**32)


def game_of(study, **settings):
    asked = Settings(**settings)
    meters, agreement = read_meters(study), make_agreement(study, asked)
    return make_game(meters, agreement, asked.key, asked.vat_share), meters, agreement


AUSTRIAN = {"rules": "Austria, EEG local"}


@pytest.mark.parametrize(
    ("rule", "expected", "excess"),
    [
        ("shapley", (0.826, 0.295, 0.472), -0.236),
        ("nucleolus", (0.885, 0.2655, 0.4425), -0.2655),
        ("per_capita", (0.531, 0.531, 0.531), 0.0),
    ],
)
def test_the_worked_example(rule, expected, excess):
    """Without B, A and C have 1.062: so much less than they are handed out, or no more."""
    game, _, _ = game_of(worked_example(), **AUSTRIAN)
    found = hand_out(game, Settings(benefit=rule, **AUSTRIAN), seed=0)
    np.testing.assert_allclose(found.amount, expected, atol=1e-9)
    assert (found.error, found.draws) == (0.0, 0)
    assert found.core_excess == pytest.approx(excess, abs=1e-9)


def test_coalitions_of_the_worked_example():
    game, _, _ = game_of(worked_example(), **AUSTRIAN)
    value = game.value_of(coalitions(3))
    np.testing.assert_allclose(value, [0, 0, 0, 0.708, 0, 1.062, 0, 1.593], atol=1e-12)


@given(seed=seeds, vat_share=st.sampled_from([0.0, 0.2]))
def test_a_coalition_is_worth_what_its_bills_fall_by(seed, vat_share):
    study = random_study(seed, members=4)
    game, meters, agreement = game_of(study, vat_share=vat_share, shared_fee_share=0.4)
    for inside in coalitions(4)[1:]:
        window = share_window(Meters(meters.net_kwh * inside[:, None]), agreement, "dynamic_prorata")
        alone, together = (gross(bill, vat_share) for bill in (window.bill_alone, window.bill))
        assert game.value_of(inside[None])[0] == pytest.approx(alone - together, abs=1e-9)


def gross(bill, vat_share):
    bought = bill.supply_amount + bill.network_amount + bill.shared_fee_amount
    return ((1.0 + vat_share) * bought + bill.surplus_amount + bill.bought_amount + bill.sold_amount).sum()


@given(seed=seeds)
def test_no_member_adds_more_than_the_bound(seed):
    game, _, _ = game_of(random_study(seed, members=5), netting_minutes=15)
    inside = coalitions(5)
    value = game.value_of(inside).reshape(-1)
    for member in range(5):
        with_it = inside[:, member]
        added = value[with_it] - value[np.flatnonzero(with_it) - (1 << member)]
        assert added.max() - added.min() <= game.marginal_range * (1.0 + 1e-12) + 1e-12


def test_the_bound_holds_where_members_share_with_themselves_over_an_hour():
    net_kwh = np.array([[3.0, 1.0, -1.0], [-3.0, -1.0, 2.0], [3.0, 0.0, 0.0], [-3.0, 1.0, 0.0]])
    study = sharing_study(net_kwh, netting_minutes=60)
    game, _, _ = game_of(study, netting_minutes=60)
    value = game.value_of(coalitions(3))
    assert value[[1, 2, 4]].tolist() == [0.0, 0.0, 0.0]
    assert value[3] > 0.0
    added = value[3] - value[2]
    assert added <= game.marginal_range


def test_values_in_pieces_are_values_at_once(monkeypatch):
    game, _, _ = game_of(random_study(3, steps=20, members=6))
    at_once = game.value_of(coalitions(6))
    monkeypatch.setattr("gridcommons.settlement.benefit.CELLS_AT_ONCE", 50)
    np.testing.assert_allclose(game.value_of(coalitions(6)), at_once, rtol=1e-12)


def test_estimates_of_many_are_within_their_error():
    """Seventeen members, sixteen of whom matter: the estimates against the values of the sixteen."""
    generator = np.random.default_rng(5)
    net_kwh = generator.normal(0.3, 1.0, (6, 17))
    net_kwh[:, 16] = 0.0
    game, meters, agreement = game_of(sharing_study(net_kwh))
    found = hand_out(game, Settings(benefit="shapley", draws=4000), seed=3)
    small = make_game(Meters(meters.net_kwh[:16]), agreement, "dynamic_prorata", 0.0)
    exact = shapley(Game.from_function(agreement.parties.members[:16], small.value_of))
    assert found.draws == 4000
    assert np.abs(found.amount[:16] - exact).max() <= found.error
    assert found.amount.sum() == pytest.approx(game.value_of(np.ones((1, 17), dtype=bool))[0])
    assert found.error < 0.1 * game.marginal_range
    again = hand_out(game, Settings(benefit="shapley", draws=4000), seed=3)
    assert np.array_equal(again.amount, found.amount)
    other = hand_out(game, Settings(benefit="shapley", draws=4000), seed=4)
    assert not np.array_equal(other.amount, found.amount)


def test_many_get_equal_parts():
    game, _, _ = game_of(random_study(1, members=17))
    found = hand_out(game, Settings(benefit="per_capita"), seed=0)
    total = game.value_of(np.ones((1, 17), dtype=bool))[0]
    np.testing.assert_allclose(found.amount, total / 17)


@given(seed=seeds)
def test_the_nucleolus_is_in_the_core_where_shapley_values_are(seed):
    game, _, _ = game_of(random_study(seed, members=4))
    whole = Game.from_function(game.members, game.value_of)
    found = hand_out(game, Settings(benefit="nucleolus"), seed=0)
    if is_in_core(whole, shapley(whole)):
        assert is_in_core(whole, found.amount, tolerance=1e-7)
        assert found.core_excess <= 1e-7
