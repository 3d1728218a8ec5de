"""Statements: what a member pays more than alone is what its postings say, but for rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.settlement.agreement import make_agreement
from gridcommons.settlement.benefit import hand_out, make_game
from gridcommons.settlement.capability import Settings
from gridcommons.settlement.meters import read_meters
from gridcommons.settlement.statements import make_statements
from gridcommons.settlement.window import share_window
from settlement_study import SUMMER, flat_prices, random_study, worked_example

ITALIAN = {"rules": "Italy, CER", "key": "virtual", "plant_kw": 200.0}


def stated(study, **settings):
    asked = Settings(**settings)
    meters, agreement = read_meters(study), make_agreement(study, asked)
    window = share_window(meters, agreement, asked.key, asked.premium_producers_share)
    benefit = None
    if asked.benefit != "none":
        benefit = hand_out(make_game(meters, agreement, asked.key, asked.vat_share), asked, 0)
    return make_statements(window, agreement, asked.vat_share, benefit), window, benefit


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"vat_share": 0.2, "shared_fee_share": 0.3},
        {"benefit": "shapley", "vat_share": 0.2},
        ITALIAN,
        {**ITALIAN, "benefit": "per_capita"},
    ],
    ids=str,
)
@given(seed=st.integers(0, 2**32))
def test_more_is_cost_less_cost_alone(settings, seed):
    study = random_study(seed)
    if "rules" in settings:
        study = replace(study, profiles=replace(study.profiles, time=replace(study.time, start=SUMMER)))
    found, _, _ = stated(study, **settings)
    paid = [float(a - b) for a, b in zip(found.cost, found.cost_alone, strict=True)]
    # Three lines and two taxes on either side, each up to half a cent off, and the pool by less than one.
    assert paid == pytest.approx(found.more.tolist(), abs=0.06)
    assert sum(each.amount for each in found.postings) == 0
    assert sum(each.amount for each in found.postings_alone) == 0


def test_a_premium_is_not_paid_more_than_alone():
    study = replace(worked_example(), prices=flat_prices(4, export=0.06))
    found, window, _ = stated(study, **ITALIAN)
    np.testing.assert_allclose(found.more, -window.premium)
    assert window.premium.sum() == pytest.approx(1.44)


@given(seed=st.integers(0, 2**32))
def test_a_benefit_is_what_is_paid_less(seed):
    found, _, benefit = stated(random_study(seed), benefit="shapley", vat_share=0.1)
    np.testing.assert_allclose(found.more, -benefit.amount, atol=1e-9)
