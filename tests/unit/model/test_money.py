"""Money: rounded once, and nothing of it is lost."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.model.money import CENT, balance, pay, post, round_to_cent, round_together

amounts = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.floats(-1e4, 1e4), min_size=1)


def strings(found):
    return {name: str(each) for name, each in found.items()}


class TestTheLargestRemainder:
    """Known answers of settlement practice: 1.00/3, −1.00/3, and 2 kWh/3 in watt-hours."""

    def test_ties_go_by_id(self):
        assert strings(round_together(dict.fromkeys("bca", 1 / 3))) == {"b": "0.33", "c": "0.33", "a": "0.34"}
        assert strings(round_together(dict.fromkeys("abc", -1 / 3))) == {
            "a": "-0.33",
            "b": "-0.33",
            "c": "-0.34",
        }

    def test_any_quantum(self):
        found = round_together(dict.fromkeys("abc", 2 / 3), quantum=Decimal("0.001"))
        assert strings(found) == {"a": "0.667", "b": "0.667", "c": "0.666"}

    def test_the_largest_fraction_gets_the_missing_cent(self):
        assert strings(round_together({"a": 1.011, "b": 1.018, "c": 1.011})) == {
            "a": "1.01",
            "b": "1.02",
            "c": "1.01",
        }

    def test_a_total_of_ones_own_is_met(self):
        found = round_together({"a": 1.014, "b": 1.014}, total=Decimal("2.03"))
        assert strings(found) == {"a": "1.02", "b": "1.01"}

    @pytest.mark.parametrize("total", ["2.005", "2.06", "1.99"])
    def test_a_total_beyond_rounding_is_refused(self, total):
        with pytest.raises(ValueError, match="found 2.028 in 2 amounts, expected within rounding of"):
            round_together({"a": 1.014, "b": 1.014}, total=Decimal(total))

    @given(amounts)
    def test_each_is_within_a_quantum_and_all_sum_to_the_rounded_sum(self, given):
        found = round_together(given)
        exact = sum(Fraction(each) for each in given.values())
        assert abs(Fraction(sum(found.values())) - exact) <= Fraction(1, 200)
        for name, amount in given.items():
            assert abs(Fraction(found[name]) - Fraction(amount)) < Fraction(1, 100)

    @given(amounts)
    def test_the_order_of_rows_decides_nothing(self, given):
        assert round_together(dict(reversed(given.items()))) == round_together(given)

    def test_nothing_is_shared_among_nobody(self):
        assert round_together({}) == {}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("efg"), st.floats(-1e3, 1e3))))
def test_payments_have_two_sides_and_sum_to_nothing(made):
    postings = [each for payer, payee, amount in made for each in pay(payer, payee, "item", amount)]
    assert sum(balance(postings).values(), Decimal(0)) == 0
    assert all(posting.amount % CENT == 0 for posting in postings)
    expected = sum(round_to_cent(amount) for _, payee, amount in made if payee == "e")
    assert balance(postings).get("e", Decimal(0)) == expected


def test_nothing_is_no_payment():
    assert pay("a", "b", "item", 0.004) == [] and post("a", "b", "item", Decimal(0)) == []
    payer, payee = pay("a", "b", "item", 0.006)
    assert (payer.party, payer.amount, payee.party, payee.amount) == ("a", -CENT, "b", CENT)
