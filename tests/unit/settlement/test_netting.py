"""Netting over longer intervals: what is shared is that of the sums, and every kWh stays in its own time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.known_answers.settlement import EXAMPLE, EXAMPLE_TERMS
from gridcommons.settlement.netting import allocate_netted
from gridcommons.settlement.sharing_keys import KEYS, Registers, Terms, allocate, net_over

seeds = st.integers(0, 2**32)


def drawn(seed, steps_each):
    generator = np.random.default_rng(seed)
    steps, members = int(generator.integers(1, 4)) * steps_each, int(generator.integers(1, 6))
    kwh = generator.uniform(0.0, 5.0, (2, steps, members)) * (generator.random((2, steps, members)) > 0.4)
    pair = generator.uniform(0.0, 1.0, (members, members))
    terms = Terms(
        generator.dirichlet(np.ones(members)),
        generator.permutation(members),
        pair / np.maximum(pair.sum(axis=0), 1.0),
    )
    return Registers(*kwh), terms


def summed(kwh, steps_each):
    return kwh.reshape(-1, steps_each, kwh.shape[1]).sum(axis=1)


@pytest.mark.parametrize("key", KEYS)
class TestEveryKey:
    @given(seed=seeds, steps_each=st.integers(1, 4))
    def test_shares_in_a_netting_interval_what_it_would_of_its_sums(self, key, seed, steps_each):
        registers, terms = drawn(seed, steps_each)
        found = allocate_netted(key, registers, terms, steps_each)
        expected = allocate(key, net_over(registers, steps_each), terms)
        np.testing.assert_allclose(found.shared_kwh, expected.shared_kwh, atol=1e-12)
        for name in ("allocated_kwh", "residual_kwh", "given_kwh", "surplus_kwh"):
            np.testing.assert_allclose(
                summed(getattr(found.billed, name), steps_each), getattr(expected, name), atol=1e-9
            )

    @given(seed=seeds, steps_each=st.integers(1, 4))
    def test_nobody_gets_or_gives_in_an_interval_what_was_not_there(self, key, seed, steps_each):
        registers, terms = drawn(seed, steps_each)
        billed = allocate_netted(key, registers, terms, steps_each).billed
        assert (billed.allocated_kwh <= registers.withdrawal_kwh + 1e-9).all()
        assert (billed.given_kwh <= registers.injection_kwh + 1e-9).all()
        together_kwh = billed.allocated_kwh + billed.residual_kwh
        np.testing.assert_allclose(together_kwh, registers.withdrawal_kwh, atol=1e-12)

    def test_one_interval_each_changes_nothing(self, key):
        found = allocate_netted(key, EXAMPLE, EXAMPLE_TERMS, 1)
        expected = allocate(key, EXAMPLE, EXAMPLE_TERMS)
        assert np.array_equal(found.billed.allocated_kwh, expected.allocated_kwh)


@given(seed=seeds)
def test_surplus_is_made_when_its_energy_was(seed):
    registers, terms = drawn(seed, 2)
    billed = allocate_netted("dynamic_prorata", registers, terms, 2).billed
    np.testing.assert_allclose(billed.given_kwh + billed.surplus_kwh, registers.injection_kwh, atol=1e-9)
    owned = allocate_netted("static_owned", registers, terms, 2).billed
    made = registers.generated_kwh == 0.0
    assert (owned.surplus_kwh[made] == 0.0).all()


def test_an_hour_shares_twelve_where_quarters_share_nine():
    assert allocate_netted("virtual", EXAMPLE, EXAMPLE_TERMS, 1).shared_kwh.sum() == 9.0
    assert allocate_netted("virtual", EXAMPLE, EXAMPLE_TERMS, 4).shared_kwh.sum() == 12.0
