"""Clearing between two parties: the least cost, limits and groups, and what is missing."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from gridcommons.benchmarks.markets import feeder, least_cost
from gridcommons.flexibility.central_clearing import clear_centrally
from gridcommons.flexibility.clearing import clear_market
from gridcommons.flexibility.market_operator import ClearingSettings, MarketOperator
from gridcommons.flexibility.offer_columns import split_blocks
from gridcommons.known_answers.flexibility import NEEDED_KW, printed_limits, printed_offers
from gridcommons.model.errors import NotConvergedError, StudyError
from markets import limits, market, offer


def clear(case):
    return clear_market(case.offers, case.dso, case.settings)


def check_against_least_cost(case):
    cleared, (least, shortage_kw) = clear(case), least_cost(case)
    rounds = cleared.rounds
    assert abs(rounds.objective[-1] - least) <= 1e-3 * least
    missing = case.cap_per_kwh * float(cleared.shortage_kw.sum()) * case.settings.step_hours
    assert cleared.cost + missing == pytest.approx(rounds.objective[-1])
    over_kw = np.maximum(case.rows.used_kw(cleared.change_kw) - case.rows.room_kw, 0.0)
    assert (over_kw - cleared.shortage_kw).max() <= 0.1 + 1e-9
    assert cleared.excess_kw.max() == pytest.approx(rounds.worst_excess_kw[-1])
    assert ((cleared.shares >= 0.0) & (cleared.shares <= 1.0)).all()
    np.testing.assert_allclose(cleared.change_kw, change_of(case, cleared), atol=1e-8)
    assert_groups_hold(case, cleared.shares)
    if shortage_kw.sum() < 1e-6:
        assert cleared.shortage_kw.sum() <= 0.1
    return len(rounds)


def change_of(case, cleared):
    """The change of the load from the shares alone, offer by offer."""
    change_kw = np.zeros_like(cleared.change_kw)
    for one, share in zip(case.offers, cleared.shares, strict=True):
        taken_kw = share * one.flexibility_kw
        total_kw = one.flexibility_kw.sum()
        back_kw = one.payback_kw * (taken_kw.sum() / total_kw if total_kw else 0.0)
        change_kw[cleared.bus.index(one.bus)] += back_kw - taken_kw
    return change_kw


def assert_groups_hold(case, shares):
    groups = {}
    for one, share in zip(case.offers, shares, strict=True):
        if one.group:
            groups.setdefault((one.aggregator, one.group, one.relation), []).append((one, share))
    for (_, _, relation), members in groups.items():
        table = np.array([share for _, share in members])
        if relation == "exclusive":
            assert table.sum(axis=0).max() <= 1.0 + 1e-9
        elif relation == "increment":
            assert np.diff(table, axis=0).max(initial=0.0) <= 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_least_cost_within_a_thousandth_and_limits_within_a_tenth_of_a_kw(seed):
    assert check_against_least_cost(feeder(seed)) < 500


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 100, 10))
def test_a_hundred_random_feeders_reach_the_least_cost(first):
    rounds = [check_against_least_cost(feeder(seed)) for seed in range(first, first + 10)]
    assert np.median(rounds) < 250


def test_the_random_feeders_hold_what_they_are_meant_to():
    cases = [feeder(seed) for seed in range(30)]
    offers = [one for case in cases for one in case.offers]
    assert {"alone", "increment", "exclusive"} == {one.relation for one in offers}
    assert any(one.response_kw_per_price > 0.0 for one in offers)
    assert {"one", "per_hour"} == {case.settings.shares for case in cases}


def test_merit_order_of_two_offers_and_the_price_of_the_one_taken_in_part():
    rows = limits("LP1", [("line", 1, {"LP1": 1.0}, -50.0)])
    case = market([offer("A@LP1", 0.5, {1: 40.0}), offer("B@LP1", 0.3, {1: 40.0})], rows)
    cleared = clear(case)
    np.testing.assert_allclose(cleared.shares[:, 1], [0.25, 1.0], atol=0.1 / 40.0)
    assert cleared.cost == pytest.approx(12.0 + 5.0, abs=0.05)
    assert cleared.price_per_kwh[0, 1] == pytest.approx(0.5, abs=2e-3)
    assert cleared.shares[:, [0, 2, 3]].max() == 0.0 and cleared.price_per_kwh[0, 0] == 0.0


def test_half_hours_count_half():
    rows = limits("LP1", [("line", 1, {"LP1": 1.0}, -50.0)])
    case = market([offer("A@LP1", 0.5, {1: 60.0})], rows, step_hours=0.5)
    cleared = clear(case)
    assert cleared.cost == pytest.approx(0.5 * 50.0 * 0.5, abs=0.03)
    assert cleared.price_per_kwh[0, 1] == pytest.approx(0.5, abs=2e-3)


def test_linear_responses_share_by_their_slopes():
    """q²/e each: marginal costs 2 q/e are equal, so that what is needed is shared as e."""
    rows = limits("LP1 LP2", [("line", 0, {"LP1": 1.0, "LP2": 1.0}, -30.0)])
    offers = [
        offer("A@LP1", 9.0, {0: 50.0}, response_kw_per_price=100.0),
        offer("B@LP2", 9.0, {0: 50.0}, response_kw_per_price=50.0),
    ]
    case = market(offers, rows)
    for cleared in (clear(case), clear_centrally(offers, rows, case.cap_per_kwh, case.settings)):
        np.testing.assert_allclose(cleared.change_kw[:, 0], [-20.0, -10.0], atol=0.1)
        assert cleared.cost == pytest.approx(400.0 / 100.0 + 100.0 / 50.0, rel=1e-2)
        assert cleared.price_per_kwh[0, 0] == pytest.approx(0.4, rel=1e-2)


@pytest.mark.parametrize("shares", ["one", "per_hour"])
def test_payback_follows_the_share_and_its_limit_keeps_a_cheap_offer_out(shares):
    rows = limits(
        "LP1 LP2",
        [
            ("line", 1, {"LP1": 1.0, "LP2": 1.0}, -20.0),
            ("line", 2, {"LP1": 1.0, "LP2": 1.0}, -10.0),
            ("lateral", 3, {"LP1": 1.0}, 12.0),
        ],
    )
    cheap = offer("A@LP1", 0.2, {1: 40.0, 2: 20.0}, {3: 60.0})
    dear = offer("B@LP2", 0.6, {1: 40.0, 2: 20.0}, {0: 60.0})
    case = market([cheap, dear], rows, shares=shares)
    cleared = clear(case)
    # 12 kW of payback are 12 kWh of less load at LP1, however they are shared between the hours.
    assert -cleared.change_kw[0, 1:3].sum() == pytest.approx(12.0, abs=0.15)
    assert cleared.cost == pytest.approx(12.0 * 0.2 + 18.0 * 0.6, abs=0.1)
    if shares == "one":
        np.testing.assert_allclose(cleared.shares[0], [0.0, 0.2, 0.2, 0.0], atol=0.01)


def test_too_little_flexibility_says_how_much_is_missing_where_and_when():
    rows = limits(
        "LP1 LP2",
        [("trunk", 1, {"LP1": 1.0, "LP2": 1.0}, -100.0), ("lateral", 3, {"LP2": 1.0}, -5.0)],
    )
    cleared = clear(market([offer("A@LP1", 0.5, {1: 60.0}), offer("B@LP2", 0.3, {1: 15.0})], rows))
    np.testing.assert_allclose(cleared.shortage_kw, [25.0, 5.0], atol=0.01)
    np.testing.assert_allclose(cleared.shares[:, 1], 1.0, atol=1e-3)
    assert (cleared.element, cleared.step.tolist()) == (("trunk", "lateral"), [1, 3])
    assert cleared.price_per_kwh[1, 1] == pytest.approx(5.0)


def test_nothing_is_taken_where_nothing_is_needed_and_no_offer_is_an_answer():
    rows = limits("LP1", [("line", 1, {"LP1": 1.0}, 5.0)])
    cleared = clear(market([offer("A@LP1", 0.0, {1: 60.0}), offer("B@LP1", 0.1, {})], rows))
    assert cleared.cost == 0.0 and len(cleared.rounds) == 1 and cleared.shares.shape == (2, 4)
    assert cleared.shares.max() == 0.0


def test_a_market_to_which_nobody_comes_is_short_of_all_that_is_needed():
    rows = limits("LP1", [("line", 1, {"LP1": 1.0}, -5.0)])
    case = market([], rows, steps=4)
    for cleared in (clear(case), clear_centrally([], rows, case.cap_per_kwh, case.settings)):
        assert cleared.shares.shape == (0, 4) and cleared.cost == 0.0
        np.testing.assert_allclose(cleared.shortage_kw, [5.0])
        np.testing.assert_allclose(cleared.price_per_kwh, [[0.0, 5.0, 0.0, 0.0]])


@pytest.mark.parametrize("relation", ["increment", "exclusive"])
def test_a_cheap_offer_bound_to_a_dear_one_is_not_taken_alone(relation):
    rows = limits("LP1", [("line", 1, {"LP1": 1.0}, -30.0)])
    bound = {"group": "g", "relation": relation}
    offers = [
        offer("A@LP1", 0.9, {1: 20.0}, part="-1", **bound),
        offer("A@LP1", 0.1, {1: 20.0}, part="-2", **bound),
        offer("B@LP1", 1.4, {1: 40.0}),
    ]
    shares = clear(market(offers, rows)).shares[:, 1]
    # As increments the second needs the first: 15 kW each. As alternatives: all of the cheap one.
    expected = [0.75, 0.75, 0.0] if relation == "increment" else [0.0, 1.0, 0.25]
    np.testing.assert_allclose(shares, expected, atol=0.01)


def test_blocks_are_set_aside_and_the_central_clearing_takes_them_whole():
    rows = limits("LP1", [("line", 1, {"LP1": 1.0}, -30.0), ("line", 2, {"LP1": 1.0}, -1.0)])
    block = offer("A@LP1", 0.2, {1: 25.0, 2: 1.0}, divisible=False)
    offers = [block, offer("B@LP1", 0.5, {1: 40.0}), offer("C@LP1", 0.6, {2: 10.0})]
    kept, rejected = split_blocks(offers)
    assert [one.offer for one in kept] == ["B@LP1", "C@LP1"]
    assert [(one.offer, one.aggregator) for one in rejected] == [("A@LP1", "A")]
    assert "only the central clearing" in rejected[0].reason
    case = market(offers, rows)
    with pytest.raises(StudyError, match="row A@LP1: found a block, all or nothing"):
        clear(case)
    whole = clear_centrally(offers, rows, case.cap_per_kwh, case.settings)
    np.testing.assert_allclose(whole.shares, [[0, 1, 1, 0], [0, 0.125, 0, 0], [0, 0, 0, 0]], atol=1e-6)
    assert whole.price_per_kwh[0, 1] == pytest.approx(0.5)
    # A block that is too large for what is needed is still taken whole, or not at all.
    small = limits("LP1", [("line", 1, {"LP1": 1.0}, -20.0)])
    whole = clear_centrally(offers, small, case.cap_per_kwh, case.settings)
    np.testing.assert_allclose(whole.shares[:, 1], [1.0, 0.0, 0.0], atol=1e-6)
    assert whole.cost == pytest.approx(0.2 * 26.0)


def test_increments_on_a_block_wait_with_it():
    bound = {"group": "g", "relation": "increment"}
    offers = [
        offer("A@LP1", 0.2, {1: 9.0}, part="-1", divisible=False, **bound),
        offer("A@LP1", 0.3, {1: 9.0}, part="-2", **bound),
        offer("B@LP1", 0.3, {1: 9.0}, **bound),
    ]
    kept, rejected = split_blocks(offers)
    assert [one.offer for one in kept] == ["B@LP1"]
    assert "adds to A@LP1-1" in rejected[1].reason


def test_what_does_not_settle_says_where_it_stands():
    case = feeder(2)
    case = replace(case, settings=replace(case.settings, rounds_max=5))
    with pytest.raises(NotConvergedError, match=r"after 5 rounds: primal residual .* worst limit \w+ of "):
        clear(case)


def test_offers_that_do_not_fit_are_named_all_at_once():
    offers = [
        offer("A@LP9", 0.2, {1: 9.0}),
        offer("B@LP1", 0.2, {1: 9.0}, steps=3),
        offer("C@LP1", 0.2, {1: 9.0}, group="g", relation="exclusive"),
        offer("C@LP2", 0.2, {1: 9.0}, group="g", relation="exclusive"),
    ]
    with pytest.raises(StudyError) as error:
        MarketOperator(offers, ClearingSettings(bus=("LP1", "LP2"), step_hours=1.0))
    assert [problem.row for problem in error.value.problems] == ["A@LP9", "B@LP1", "C@LP2"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_offers_and_load_points_changes_nothing_that_matters(order):
    case = feeder(2)
    bus = tuple(np.random.default_rng(3).permutation(case.settings.bus).tolist())
    offers = case.offers[::order]
    moved = clear_market(offers, case.dso, replace(case.settings, bus=bus))
    straight = clear(case)
    assert moved.rounds.objective[-1] == pytest.approx(straight.rounds.objective[-1], rel=2e-3)
    assert moved.bus == bus and moved.offers == tuple(one.offer for one in offers)


@pytest.fixture
def printed(repository):
    with (repository / "tests" / "reference" / "rbts4_market" / "expected.csv").open() as file:
        return printed_offers(), list(csv.DictReader(file))


def test_printed_bids_are_taken_as_printed(printed):
    offers, expected = printed
    rows = printed_limits(NEEDED_KW)
    case = market(offers, rows)
    tight = replace(case.settings, tolerance_kw=0.01, objective_share=1e-5)
    for cleared in (
        clear_market(offers, case.dso, tight),
        clear_centrally(offers, rows, case.cap_per_kwh, tight),
    ):
        shares = dict(zip(cleared.offers, cleared.shares, strict=True))
        for row in expected:
            share = shares[f"{row['aggregator']} at {row['bus']}"][int(row["step"])]
            assert share == pytest.approx(float(row["share"]), abs=float(row["tolerance"])), row
        at_l7 = [one for one in offers if one.bus != "LP1"]
        cost = sum(one.price_per_kwh * (one.flexibility_kw * shares[one.offer])[6] for one in at_l7)
        # 242.24 DKK belong to the printed overload of 378.2 kW; the printed choice costs 243.69 DKK.
        assert cost == pytest.approx(242.24, abs=0.05) and cost < 243.69
