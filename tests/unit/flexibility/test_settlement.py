"""Money: every set of postings sums to exactly zero, and the DSO's cost is what the others get."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.flexibility.settlement import DSO, Account, settle
from gridcommons.model.money import balance, pay, round_to_cent

AMOUNT = st.floats(0.0, 1e6, allow_nan=False)


@st.composite
def accounts(draw, accepted=False):
    """Accounts of some aggregators; of accepted offers revenue covers discomfort and energy."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        discomfort, energy = draw(AMOUNT), draw(st.floats(-1e6, 1e6))
        revenue = draw(AMOUNT)
        if accepted:
            revenue += discomfort + max(energy, 0.0)
        penalty = 0.0 if accepted else draw(AMOUNT)
        made.append(Account(f"ag{number}", revenue, penalty, discomfort, energy))
    return made


SHARE = st.floats(0.0, 1.0)


@given(accounts(), SHARE)
def test_postings_sum_to_exactly_zero_between_each_pair(made, share):
    postings = settle(made, share)
    assert sum((posting.amount for posting in postings), Decimal(0)) == 0
    assert sum(balance(postings).values(), Decimal(0)) == 0
    between = {}
    for posting in postings:
        pair = (frozenset((posting.party, posting.counterparty)), posting.item)
        between[pair] = between.get(pair, Decimal(0)) + posting.amount
        assert posting.amount == posting.amount.quantize(Decimal("0.01")) != 0
    assert set(between.values()) <= {Decimal(0)}


def received(postings, party, item):
    return sum(
        (posting.amount for posting in postings if (posting.party, posting.item) == (party, item)), Decimal(0)
    )


@given(accounts(accepted=True), SHARE)
def test_the_cost_of_the_dso_is_margins_customers_and_energy_exactly_and_each_is_positive(made, share):
    postings = settle(made, share)
    left = balance(postings)
    margins, customers, energy = Decimal(0), Decimal(0), Decimal(0)
    for account in made:
        name = account.aggregator
        margin = left.get(name, Decimal(0))
        paid = received(postings, f"customers of {name}", "discomfort and share")
        compensation = received(postings, f"customers of {name}", "energy compensation")
        # Amounts are rounded, but never so that an aggregator pays more than it has.
        assert margin >= 0 and paid >= 0 and compensation >= 0
        assert abs(compensation - round_to_cent(max(account.energy_cost, 0.0))) <= Decimal("0.01")
        margins, customers, energy = margins + margin, customers + paid, energy + compensation
    assert -left.get(DSO, Decimal(0)) == margins + customers + energy


def test_a_settlement_by_hand():
    """Revenue 100, discomfort 20, dearer energy 10: 70 is left, a fifth of it to customers."""
    postings = settle([Account("ag", 100.0, 6.0, 20.0, 10.0)], 0.2)
    assert [(each.party, each.counterparty, each.item, each.amount) for each in postings] == [
        ("DSO", "ag", "flexibility", Decimal("-100.00")),
        ("ag", "DSO", "flexibility", Decimal("100.00")),
        ("ag", "DSO", "penalty", Decimal("-6.00")),
        ("DSO", "ag", "penalty", Decimal("6.00")),
        ("ag", "customers of ag", "discomfort and share", Decimal("-34.00")),
        ("customers of ag", "ag", "discomfort and share", Decimal("34.00")),
        ("ag", "customers of ag", "energy compensation", Decimal("-10.00")),
        ("customers of ag", "ag", "energy compensation", Decimal("10.00")),
    ]
    assert balance(postings) == {"DSO": Decimal(-94), "ag": Decimal(50), "customers of ag": Decimal(44)}


def test_energy_that_became_cheaper_is_the_customers_own():
    postings = settle([Account("ag", 100.0, 0.0, 20.0, -30.0)], 0.5)
    assert balance(postings) == {"DSO": Decimal(-100), "ag": Decimal(40), "customers of ag": Decimal(60)}


def test_customers_are_made_whole_even_where_the_aggregator_loses():
    postings = settle([Account("ag", 5.0, 0.0, 20.0, 10.0)], 0.5)
    assert balance(postings) == {"DSO": Decimal(-5), "ag": Decimal(-25), "customers of ag": Decimal(30)}


@pytest.mark.parametrize(
    ("amount", "cents"),
    [(0.005, "0.00"), (0.015, "0.02"), (0.025, "0.02"), (1.005, "1.00"), (-0.015, "-0.02"), (2.675, "2.68")],
)
def test_half_a_cent_goes_to_the_even_one_as_written(amount, cents):
    """As written: 1.005 is a little less as a binary number, but half a cent as anybody reads it."""
    assert round_to_cent(amount) == Decimal(cents)


def test_what_rounds_to_nothing_is_not_posted():
    assert pay("a", "b", "x", 0.004) == [] and pay("a", "b", "x", 0.005) == [] == pay("a", "b", "x", 0.0)
    assert len(pay("a", "b", "x", 0.006)) == 2
    one, other = pay("a", "b", "x", -3.0)
    assert (one.party, one.amount, other.amount) == ("a", Decimal("3.00"), Decimal("-3.00"))
    assert balance([]) == {}
