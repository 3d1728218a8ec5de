"""A kilowatt is sold once: plans stay in their bands, and bands only become narrower."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.day.account import TOLERANCE_KW, Account, AccountError, Commitment

SEEDS = st.integers(0, 10_000)


def account(steps=3):
    """A car that plans 4 of 0 to 10 kW, and a roof that gives 5 of 8 kW."""
    shape = (steps, 2)
    plan_kw = np.broadcast_to([4.0, -5.0], shape).copy()
    return Account(
        ("car", "roof"),
        plan_kw,
        np.broadcast_to([0.0, -8.0], shape).copy(),
        np.broadcast_to([10.0, 0.0], shape).copy(),
    )


def sale(quantity_kw, reference="r1", asset="car"):
    quantity = np.asarray(quantity_kw, float)
    return Commitment("market", asset, "DSO", reference, quantity, np.full(len(quantity), 0.2))


def column(*values):
    return np.array(values, float)[:, None]


CAR, ROOF = np.array([0]), np.array([1])


def test_assets_are_found_by_name():
    of = account()
    assert of.rows(["roof", "car"]).tolist() == [1, 0]
    assert of.rows_of({"x": 0, "roof": 4, "car": 2}).tolist() == [2, 4]


def test_a_plan_outside_its_band_opens_no_account():
    with pytest.raises(AccountError, match=r"start: car is planned outside its band by 2 kW in interval 1"):
        Account(("car",), column(1, 12, 11), np.zeros((3, 1)), np.full((3, 1), 10.0))


def test_a_new_plan_moves_inside_its_band_alone():
    of = account()
    of.replan("tariff", ROOF, column(-8, 0, -1))
    assert of.plan_kw.tolist() == [[4, -8], [4, 0], [4, -1]]
    with pytest.raises(AccountError, match=r"tariff: roof .* by 1.5 kW in interval 2"):
        of.replan("tariff", ROOF, column(-8.5, 0.0, 1.5))
    assert of.plan_kw.tolist() == [[4, -8], [4, 0], [4, -1]]


def test_rounding_is_no_breach_and_leaves_no_trace():
    of = account()
    of.replan("tariff", CAR, np.full((3, 1), 10.0 + 0.5 * TOLERANCE_KW))
    assert of.plan_kw[:, 0].tolist() == [10.0] * 3
    of.check()


def test_a_plan_gives_way_to_a_narrower_band():
    of = account()
    of.narrow("envelopes", CAR, column(0, 5, -3), column(2, 20, 9))
    assert of.low_kw[:, 0].tolist() == [0, 5, 0] and of.high_kw[:, 0].tolist() == [2, 10, 9]
    assert of.plan_kw[:, 0].tolist() == [2, 5, 4]


def test_a_band_of_which_nothing_would_be_left_is_refused():
    of = account()
    with pytest.raises(
        AccountError, match=r"envelopes: car is asked to leave its band by 1 kW in interval 2"
    ):
        of.narrow("envelopes", CAR, column(0, 0, 0), column(10, 10, -1))
    with pytest.raises(AccountError, match=r"by 3 kW in interval 0"):
        of.narrow("envelopes", CAR, column(13, 0, 0), column(20, 20, 20))


def test_what_is_sold_is_out_of_the_band():
    of = account()
    of.sell(sale([0.0, 3.0, 0.0]), np.array([6.0, 1.0, 4.0]))
    assert of.plan_kw[:, 0].tolist() == [6, 1, 4]
    assert of.high_kw[:, 0].tolist() == [10, 1, 10] and of.low_kw[:, 0].tolist() == [0, 0, 0]
    # Nobody can take back what was sold.
    with pytest.raises(AccountError, match="interval 1"):
        of.replan("day", CAR, column(4, 4, 4))


def test_the_same_kilowatt_is_not_sold_twice():
    of = account()
    of.sell(sale([0.0, 3.0, 0.0]), np.array([4.0, 1.0, 4.0]))
    with pytest.raises(AccountError, match=r"market: car sells more than its band has by 2 kW in interval 1"):
        of.sell(sale([0.0, 3.0, 0.0], "r2"), np.array([4.0, 0.0, 4.0]))
    of.sell(sale([0.0, 1.0, 0.0], "r2"), np.array([4.0, 0.0, 4.0]))
    assert [each.reference for each in of.commitments] == ["r1", "r2"]


def test_a_refused_sale_changes_nothing():
    of = account()
    for quantity_kw, plan_kw, word in (
        ([0.0, 5.0, 0.0], [4.0, 0.0, 4.0], "sells more than its band has by 1 kW"),
        ([0.0, 3.0, 0.0], [4.0, 2.0, 4.0], "plans to deliver less than it sells by 1 kW"),
        ([0.0, 3.0, 0.0], [4.0, 1.0, 11.0], "is planned outside its band by 1 kW"),
    ):
        with pytest.raises(AccountError, match=word):
            of.sell(sale(quantity_kw), np.array(plan_kw))
    fresh = account()
    assert of.commitments == []
    for name in ("plan_kw", "low_kw", "high_kw"):
        assert getattr(of, name).tobytes() == getattr(fresh, name).tobytes()


def test_a_reference_is_settled_once():
    of = account()
    of.sell(sale([1.0, 0.0, 0.0]), np.array([3.0, 4.0, 4.0]))
    with pytest.raises(ValueError, match="r1: sold before"):
        of.sell(sale([0.0, 0.0, 1.0]), np.array([3.0, 4.0, 3.0]))
    assert len(of.commitments) == 1


def test_a_plan_that_was_bent_is_found_by_the_check():
    of = account()
    of.check()
    of.plan_kw[2, 1] = 0.5
    with pytest.raises(
        AccountError, match=r"check: roof is planned outside its band by 0.5 kW in interval 2"
    ):
        of.check()


@given(seed=SEEDS)
def test_whatever_is_asked_the_laws_hold(seed):
    """Random stages: bands never widen, plans stay inside, and no more is sold than the band had."""
    rng = np.random.default_rng(seed)
    of = account(steps=4)
    first_kw, sold_kw = of.plan_kw[:, 0] - of.low_kw[:, 0], np.zeros(4)
    for k in range(12):
        low_kw, high_kw, count = of.low_kw.copy(), of.high_kw.copy(), len(of.commitments)
        try:
            ask(rng, of, k)
        except AccountError:
            assert np.array_equal(low_kw, of.low_kw) and np.array_equal(high_kw, of.high_kw)
        if len(of.commitments) > count:
            sold_kw += of.commitments[-1].quantity
        assert (of.low_kw >= low_kw).all() and (of.high_kw <= high_kw).all()
        of.check()
    # Nobody plans more than before in between, so that all sales together fit what there was at first.
    assert (sold_kw <= first_kw + 1e-6).all()


def ask(rng, of, k):
    """A sale, a narrower band or a lower plan, which may go too far."""
    plan_kw = of.plan_kw[:, 0]
    kind = rng.integers(3)
    if kind == 0:
        quantity_kw = np.maximum(rng.uniform(-2.0, 3.0, 4), 0.0)
        of.sell(sale(quantity_kw, f"r{k}"), plan_kw - quantity_kw - 0.1 * rng.random(4) * (quantity_kw > 0.0))
    elif kind == 1:
        of.narrow("envelopes", CAR, rng.uniform(-3.0, 0.5, (4, 1)), rng.uniform(1.0, 12.0, (4, 1)))
    else:
        of.replan("day", CAR, (plan_kw - rng.uniform(0.0, 1.0, 4))[:, None])


# What members and communities give


def promise(quantity, reference="t1", seller="home", unit="kW", stage="trading"):
    quantity = np.asarray(quantity, float)
    return Commitment(stage, seller, "pool", reference, quantity, np.full(len(quantity), 0.2), unit)


def test_a_member_sells_no_more_than_it_has():
    of = account()
    of.promise(promise([1.0, 2.0, 0.0]), np.array([1.0, 2.5, 0.0]))
    assert [each.reference for each in of.commitments] == ["t1"]
    with pytest.raises(AccountError, match=r"trading: home sells more than it has by 0.5 kW in interval 1"):
        of.promise(promise([0.0, 1.0, 0.0], "t2"), np.array([1.0, 2.5, 0.0]))
    assert len(of.commitments) == 1


def test_what_it_sold_before_is_no_longer_there_and_nobody_elses_counts():
    of, room = account(), np.full(3, 2.0)
    of.promise(promise([2.0, 0.0, 1.0]), room)
    of.promise(promise([2.0, 2.0, 2.0], "t2", seller="other"), room)
    of.promise(promise([2.0, 2.0, 2.0], "t3", unit="kvar", stage="reactive"), room)
    of.promise(promise([0.0, 2.0, 1.0], "t4"), room)
    with pytest.raises(AccountError, match=r"by 0.1 kW in interval 2"):
        of.promise(promise([0.0, 0.0, 0.1], "t5"), room)


def test_a_reference_is_used_once_by_whoever_sells():
    of = account()
    of.sell(sale([1.0, 0.0, 0.0], "same"), np.array([3.0, 4.0, 4.0]))
    with pytest.raises(ValueError, match="same: sold before"):
        of.promise(promise([0.0, 0.0, 0.0], "same"), np.zeros(3))
