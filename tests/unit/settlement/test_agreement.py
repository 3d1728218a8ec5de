"""What a community has agreed on becomes ranks, shares and prices in the order of its members."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from gridcommons.settlement.agreement import make_agreement, make_terms, rules_in_force
from gridcommons.settlement.capability import Settings
from settlement_study import flat_prices, worked_example


def agreed(study, **settings):
    return make_agreement(study, Settings(**settings))


def test_who_is_not_named_comes_after_those_who_are():
    terms = make_terms(Settings(priority=("C",)), ["A", "B", "C", "D"])
    assert terms.rank.tolist() == [1, 2, 0, 3]
    assert make_terms(Settings(), ["A", "B"]).rank.tolist() == [0, 1]


def test_who_is_not_named_has_no_share():
    assert make_terms(Settings(shares={"B": 1.0}), ["A", "B"]).static_share.tolist() == [0.0, 1.0]
    assert make_terms(Settings(), ["A", "B"]).static_share is None


def test_a_row_of_pairs_is_a_member_and_a_column_a_producer():
    pairs = (("A", "B", 0.25), ("C", "B", 0.5))
    terms = make_terms(Settings(key="pairwise", pairs=pairs), ["A", "B", "C"])
    assert terms.pair_share.tolist() == [[0.0, 0.25, 0.0], [0.0, 0.0, 0.0], [0.0, 0.5, 0.0]]


@pytest.mark.parametrize(("share", "price"), [(0.0, 0.08), (0.25, 0.11), (1.0, 0.20)])
def test_the_internal_price_lies_between_feed_in_and_import_without_fee(share, price):
    tariff = agreed(worked_example(), internal_price_share=share).tariff
    np.testing.assert_allclose(tariff.internal_price_per_kwh, price)


def test_the_internal_price_is_the_mean_of_a_netting_interval():
    prices = flat_prices(4, supply=np.array([0.2, 0.3, 0.4, 0.5]))
    study = replace(worked_example(), prices=prices)
    tariff = agreed(study, internal_price_share=1.0, netting_minutes=30).tariff
    np.testing.assert_allclose(tariff.internal_price_per_kwh, [0.25, 0.25, 0.45, 0.45])


def test_prices_of_a_study_have_the_fee_on_top():
    tariff = agreed(worked_example(), shared_fee_share=0.3).tariff
    np.testing.assert_allclose(tariff.import_price_per_kwh, 0.30)
    np.testing.assert_allclose(tariff.network_fee_per_kwh, 0.10)
    np.testing.assert_allclose(tariff.shared_fee_per_kwh, 0.03)


def test_the_premium_looks_at_the_mean_price_of_an_hour():
    prices = flat_prices(4, export=np.array([0.08, 0.16, 0.16, 0.20]))
    study = replace(worked_example(), prices=prices)
    found = agreed(study, rules="Italy, CER", key="virtual", plant_kw=200.0)
    # 0.080 + 0.180 − 0.150, below the cap of 0.120.
    np.testing.assert_allclose(found.premium_per_kwh, [0.110])


def test_parts_of_a_window_have_their_own_prices():
    prices = flat_prices(4, supply=np.array([0.2, 0.3, 0.4, 0.5]))
    found = agreed(replace(worked_example(), prices=prices), netting_minutes=30)
    part = found.tariff_of(slice(2, 4))
    np.testing.assert_allclose(part.import_price_per_kwh, [0.5, 0.6])
    assert len(found.premium_of(slice(2, 4))) == 1


@pytest.mark.parametrize("rules", ["Austria, EEG local", "Austria,EEG local", " Austria ,  EEG local "])
def test_rules_are_a_country_and_a_kind(rules):
    assert rules_in_force(Settings(rules=rules), date(2025, 7, 1)).name == "EEG local"


def test_no_rules_are_none():
    assert rules_in_force(Settings(), date(2025, 7, 1)) is None
