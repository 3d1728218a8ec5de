"""Postings of a bill: nothing is lost, lines are rounded, and tax is of the sum of rounded lines."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.model.members import Community, Member
from gridcommons.model.money import balance, pay
from gridcommons.settlement.postings import (
    COMMUNITY,
    DSO,
    SUPPLIER,
    Parties,
    sharing_postings,
    supply_postings,
    through_pool,
    vat_postings,
)
from gridcommons.settlement.sharing_bill import SharingBill

NAMES = ("a", "b", "c", "d")
PARTIES = Parties(NAMES, ("s1", "s2", "s1", "s2"))
CENT = Decimal("0.01")


def drawn(seed):
    """A bill whose members pay each other, of any sign."""
    lines = np.random.default_rng(seed).uniform(-20.0, 20.0, (6, len(NAMES)))
    lines[5] -= (lines[4] + lines[5]).sum() / len(NAMES)
    return SharingBill(*lines)


seeds = st.integers(0, 2**32)


@given(seed=seeds)
def test_all_postings_sum_to_exactly_zero(seed):
    found = sharing_postings(PARTIES, drawn(seed))
    assert sum(each.amount for each in found) == 0


@given(seed=seeds)
def test_the_pool_is_left_with_nothing(seed):
    assert balance(sharing_postings(PARTIES, drawn(seed))).get(COMMUNITY, Decimal(0)) == 0


@given(seed=seeds)
def test_each_pays_its_bill_but_for_rounding(seed):
    bill = drawn(seed)
    left = balance(sharing_postings(PARTIES, bill))
    for k, name in enumerate(NAMES):
        # Three lines are rounded to the nearest cent, and the pool's by less than one.
        assert -float(left[name]) == pytest.approx(bill.amount[k], abs=0.025)


@given(seed=seeds)
def test_suppliers_and_the_operator_get_what_is_theirs(seed):
    bill = drawn(seed)
    left = balance(sharing_postings(PARTIES, bill))
    theirs = bill.supply_amount + bill.surplus_amount
    assert float(left["s1"]) == pytest.approx(theirs[[0, 2]].sum(), abs=0.021)
    assert float(left["s2"]) == pytest.approx(theirs[[1, 3]].sum(), abs=0.021)
    assert float(left[DSO]) == pytest.approx(bill.dso_amount, abs=0.021)


def test_a_line_is_rounded_before_it_is_posted():
    nothing = np.zeros(1)
    lines = {"supply_amount": np.array([0.126]), "network_amount": np.array([0.003])}
    rest = dict.fromkeys(("surplus_amount", "bought_amount", "sold_amount"), nothing)
    bill = SharingBill(**lines, shared_fee_amount=np.array([0.003]), **rest)
    found = supply_postings(Parties(("a",), ("s",)), bill)
    assert [(each.party, each.item, str(each.amount)) for each in found] == [
        ("a", "energy", "-0.13"),
        ("s", "energy", "0.13"),
        ("a", "network fee", "-0.01"),
        (DSO, "network fee", "0.01"),
    ]


def test_what_the_pool_keeps_is_exact():
    found = through_pool("abc", np.array([1.0, 1.0, 1.0]) / 3.0, "item", total=Decimal("1.00"))
    assert balance(found)[COMMUNITY] == Decimal("1.00")
    assert [str(-balance(found)[name]) for name in "abc"] == ["0.34", "0.33", "0.33"]


def test_the_pool_keeps_no_cent_that_rounding_makes():
    found = through_pool("abc", np.array([0.003, 0.003, 0.0]), "item")
    assert sum(each.amount for each in found if each.party == COMMUNITY) == 0


def test_tax_is_of_the_sum_of_rounded_lines():
    lines = [posting for _ in range(3) for posting in pay("a", "s", "energy", 0.33)]
    (paid, received) = vat_postings(lines, ["a"], 0.20)
    assert (paid.party, paid.counterparty, paid.item, paid.amount) == ("a", "s", "VAT", Decimal("-0.20"))
    assert received.amount == Decimal("0.20")


@pytest.mark.parametrize(("line", "share", "tax"), [(0.31, 0.20, "0.06"), (0.25, 0.10, "0.02")])
def test_tax_is_rounded_half_to_even(line, share, tax):
    assert str(vat_postings(pay("a", "s", "energy", line), ["a"], share)[1].amount) == tax


def test_tax_is_rounded_for_each_seller_alone():
    lines = pay("a", "s", "energy", 0.33) + pay("a", DSO, "network fee", 0.33)
    found = vat_postings(lines, ["a"], 0.20)
    assert [(each.counterparty, str(each.amount)) for each in found if each.party == "a"] == [
        ("s", "-0.07"),
        (DSO, "-0.07"),
    ]


def test_what_households_sell_bears_no_tax():
    lines = pay("s", "a", "feed-in", 5.0) + pay("a", COMMUNITY, "shared energy", 7.0)
    assert vat_postings(lines, ["a", "s"], 0.20) == []


def test_who_names_no_supplier_has_the_same_one():
    members = (Member(member="a", bus="b1"), Member(member="b", bus="b2", supplier="s"))
    assert Parties.of(Community(members, ())) == Parties(("a", "b"), (SUPPLIER, "s"))
