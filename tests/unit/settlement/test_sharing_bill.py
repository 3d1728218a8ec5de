"""Bills of a community: the worked example, and members pay what the network and the supplier get."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.known_answers.settlement import (
    EXAMPLE,
    EXAMPLE_TARIFF,
    EXAMPLE_TERMS,
    KEY_ANSWERS,
    settlement_answers,
)
from gridcommons.model.errors import GridcommonsError
from gridcommons.settlement.sharing_bill import SharingTariff, bill_alone, bill_together
from gridcommons.settlement.sharing_keys import KEYS, Registers, Terms, allocate


def drawn(seed):
    """A community, its terms and prices of either sign, one an interval."""
    generator = np.random.default_rng(seed)
    steps, members = (int(n) for n in generator.integers(1, 9, 2))
    withdrawal_kwh, injection_kwh = generator.uniform(0.0, 5.0, (2, steps, members)) * (
        generator.random((2, steps, members)) > 0.4
    )
    pair = generator.uniform(0.0, 1.0, (members, members))
    terms = Terms(
        static_share=generator.dirichlet(np.ones(members)),
        rank=generator.permutation(members),
        pair_share=pair / np.maximum(pair.sum(axis=0), 1.0),
    )
    prices = SharingTariff(*generator.uniform(-0.5, 0.5, (5, steps)))
    return Registers(withdrawal_kwh, injection_kwh), terms, prices


@pytest.mark.parametrize("key", KEYS)
class TestEveryKey:
    def test_pays_the_worked_example(self, key):
        found = bill_together(allocate(key, EXAMPLE, EXAMPLE_TERMS), EXAMPLE_TARIFF)
        expected = KEY_ANSWERS[key]
        np.testing.assert_allclose(found.amount, expected.paid_amount, atol=1e-12)
        assert found.dso_amount == pytest.approx(expected.dso_amount, abs=1e-12)
        assert found.supplier_amount == pytest.approx(expected.supplier_amount, abs=1e-12)

    @given(seed=st.integers(0, 2**32))
    def test_members_pay_what_the_network_and_the_supplier_get(self, key, seed):
        registers, terms, tariff = drawn(seed)
        found = bill_together(allocate(key, registers, terms), tariff)
        assert found.amount.sum() == pytest.approx(found.dso_amount + found.supplier_amount, abs=1e-9)
        assert found.bought_amount.sum() + found.sold_amount.sum() == pytest.approx(0.0, abs=1e-9)

    @given(seed=st.integers(0, 2**32))
    def test_lines_are_energy_times_price_interval_by_interval(self, key, seed):
        registers, terms, tariff = drawn(seed)
        shared = allocate(key, registers, terms)
        supply = np.zeros(registers.members)
        network, reduced, surplus, bought, sold = (np.zeros(registers.members) for _ in range(5))
        for step in range(registers.steps):
            fee = tariff.network_fee_per_kwh[step]
            supply += (tariff.import_price_per_kwh[step] - fee) * shared.residual_kwh[step]
            network += fee * shared.residual_kwh[step]
            reduced += tariff.shared_fee_per_kwh[step] * shared.allocated_kwh[step]
            surplus -= tariff.export_price_per_kwh[step] * shared.surplus_kwh[step]
            bought += tariff.internal_price_per_kwh[step] * shared.allocated_kwh[step]
            sold -= tariff.internal_price_per_kwh[step] * shared.given_kwh[step]
        found = bill_together(shared, tariff)
        lines = (supply, network, reduced, surplus, bought, sold)
        for field, line in zip(fields(found), lines, strict=True):
            np.testing.assert_allclose(getattr(found, field.name), line, atol=1e-9)

    @given(seed=st.integers(0, 2**32))
    def test_the_internal_price_only_moves_money_between_members(self, key, seed):
        registers, terms, tariff = drawn(seed)
        shared = allocate(key, registers, terms)
        dear = bill_together(shared, replace(tariff, internal_price_per_kwh=0.9))
        cheap = bill_together(shared, replace(tariff, internal_price_per_kwh=-0.2))
        assert dear.amount.sum() == pytest.approx(cheap.amount.sum(), abs=1e-9)
        assert dear.dso_amount == pytest.approx(cheap.dso_amount, abs=1e-12)


def test_without_the_community_each_pays_its_registers():
    found = bill_alone(EXAMPLE, EXAMPLE_TARIFF)
    np.testing.assert_allclose(found.amount, [-0.66, 2.10, 2.40], atol=1e-12)
    assert found.amount.sum() == pytest.approx(3.84)


def test_a_shared_kwh_is_worth_its_import_less_its_export_and_its_reduced_fee():
    saved = bill_alone(EXAMPLE, EXAMPLE_TARIFF).amount.sum() - (1.087 + 1.16)
    assert saved == pytest.approx(9.0 * (0.30 - 0.08 - 0.043)) == pytest.approx(1.593)


def test_surplus_at_a_negative_price_costs_its_owner():
    tariff = replace(EXAMPLE_TARIFF, export_price_per_kwh=-0.05)
    found = bill_together(allocate("dynamic_prorata", EXAMPLE), tariff)
    np.testing.assert_allclose(found.surplus_amount, [0.15, 0.0, 0.0], atol=1e-12)


def test_a_price_an_interval_counts_in_its_interval():
    tariff = replace(EXAMPLE_TARIFF, import_price_per_kwh=np.array([0.3, 0.4, 0.5, -0.1]))
    found = bill_alone(EXAMPLE, tariff)
    np.testing.assert_allclose(
        (found.supply_amount + found.network_amount)[1:], [0.3 + 1.2 + 1.0 - 0.1, 1.2 + 0.4 + 1.0 - 0.1]
    )


@pytest.mark.parametrize("name", [field.name for field in fields(SharingTariff)])
@pytest.mark.parametrize("price", [np.zeros(3), np.zeros((4, 3)), np.nan, np.array([0.1, np.inf, 0.1, 0.1])])
def test_prices_that_do_not_fit_the_intervals_are_refused(name, price):
    with pytest.raises(GridcommonsError, match=f"{name}: found"):
        bill_alone(EXAMPLE, replace(EXAMPLE_TARIFF, **{name: price}))


@pytest.mark.parametrize("answer", list(settlement_answers()), ids=lambda answer: answer.name)
def test_known_answers_come_out(answer):
    assert answer.passed, f"{answer.computed} instead of {answer.expected} {answer.unit}"


def test_known_answers_cover_every_key():
    assert set(KEY_ANSWERS) == set(KEYS)
