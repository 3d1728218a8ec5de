"""Laws that a grid operator obeys, in this process or another."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from gridcommons.adapters.loopback_parties import loopback_process
from gridcommons.flexibility.grid_operator import GridOperator
from gridcommons.flexibility.market_messages import GridReport, Proposal, Reply
from gridcommons.model.errors import GridcommonsError
from markets import limits

CAP = 3.0
ROWS = limits(
    "LP1 LP2 LP3",
    [
        ("trunk", 0, {"LP1": 1.0, "LP2": 1.0, "LP3": 1.0}, -40.0),
        ("lateral", 0, {"LP2": 1.0}, -20.0),
        ("node", 1, {"LP1": 0.3, "LP3": 0.8}, 15.0),
    ],
)


@pytest.fixture(scope="module", params=["in process", "other process"])
def party(request):
    inside = GridOperator(ROWS, CAP, 1.0)
    with nullcontext(inside) if request.param == "in process" else loopback_process(inside) as dso:
        yield dso


def ask(party, change, target, penalty=0.1, bus=ROWS.bus):
    proposal = Proposal(round=7, penalty=penalty, bus=bus, change_kw=change, target_kw=target)
    return Reply.from_bytes(party.answer(proposal.to_bytes()))


def test_prices_project_the_target_onto_what_the_grid_can_carry(party):
    """z = v − price/ρ is the nearest point: limits hold, and only those that bind have a price."""
    generator = np.random.default_rng(5)
    for _ in range(20):
        target, penalty = generator.uniform(-60.0, 60.0, (3, 2)), float(generator.uniform(1e-3, 1e-2))
        reply = ask(party, np.zeros((3, 2)), target, penalty)
        nearest = target - reply.price / penalty
        assert reply.round == 7 and (reply.price >= 0.0).all()
        assert (ROWS.used_kw(nearest) - ROWS.room_kw).max() < 1e-6
        # No feasible point is nearer: (v − z)·(y − z) ≤ 0 for feasible y.
        for _ in range(50):
            other = generator.uniform(-100.0, 60.0, (3, 2))
            if (ROWS.used_kw(other) <= ROWS.room_kw).all():
                assert ((target - nearest) * (other - nearest)).sum() <= 1e-6


def test_the_verdict_is_on_the_change_and_not_on_the_target(party):
    change = np.array([[-10.0, 20.0], [-25.0, 0.0], [0.0, 20.0]])
    reply = ask(party, change, np.full((3, 2), -60.0))
    # trunk needs 40 and gets 35; node may take 15 and gets 22.
    # So far away the operator is told no more than that.
    assert reply.worst_excess_kw == 1.0 and reply.shortage_kw == reply.balance_amount == 0.0
    report = GridReport.from_bytes(party.report())
    assert report.element == ROWS.element and report.step.tolist() == [0, 0, 1]
    np.testing.assert_allclose(report.excess_kw, [5.0, 0.0, 7.0])
    assert report.worst_excess_kw[-1] == pytest.approx(7.0)
    change[:, 1] = [0.0, 0.0, 19.0]
    change[2, 0] = -4.5
    reply = ask(party, change, np.full((3, 2), -60.0))
    assert reply.worst_excess_kw == pytest.approx(0.5)


def test_a_dual_ends_at_the_cap_and_what_breaks_the_limit_then_is_missing(party):
    reply = ask(party, np.zeros((3, 2)), np.zeros((3, 2)), penalty=10.0)
    np.testing.assert_allclose(reply.price[:, 0], [CAP, 2.0 * CAP, CAP])
    assert reply.shortage_kw == pytest.approx(60.0) and reply.worst_excess_kw == 0.0
    assert reply.shortage_amount == pytest.approx(60.0 * CAP)


def test_load_points_come_in_any_order_and_some_may_stay_away(party):
    change, target = np.zeros((3, 2)), np.array([[5.0, 9.0], [-7.0, 0.0], [0.0, 30.0]])
    whole = ask(party, change, target)
    some = ask(party, change[:2], target[[2, 0]], bus=("LP3", "LP1"))
    shuffled = ask(party, change, target[[1, 2, 0]], bus=("LP2", "LP3", "LP1"))
    np.testing.assert_allclose(shuffled.price, whole.price[[1, 2, 0]], atol=1e-9)
    np.testing.assert_allclose(some.price[:, 1], whole.price[[2, 0], 1], atol=1e-9)


@pytest.mark.parametrize(
    ("bus", "steps", "words"),
    [
        (("LP1", "LP9", "LP3"), 2, "unknown load point 'LP9'"),
        (("LP1", "LP1", "LP3"), 2, "a load point twice"),
        (ROWS.bus, 1, r"change_kw of shape \(3, 1\), expected \(3, 2\)"),
    ],
)
def test_a_proposal_about_another_grid_is_refused(party, bus, steps, words):
    with pytest.raises(GridcommonsError, match=words):
        ask(party, np.zeros((3, steps)), np.zeros((3, steps)), bus=bus)
