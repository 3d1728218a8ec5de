"""The task: the worked example to the cent, and laws that every key and every national profile keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons import tasks
from gridcommons.known_answers.settlement import KEY_ANSWERS
from gridcommons.model.assets import Load, Pv
from gridcommons.model.members import Community, Member
from gridcommons.settlement.national_rules import RULES
from gridcommons.settlement.postings import COMMUNITY
from gridcommons.settlement.settings import SHARING_ALL, KeyName
from gridcommons.settlement.sharing_keys import KEYS
from settlement_study import (
    EXAMPLE_TERMS,
    flat_prices,
    random_study,
    sharing_study,
    worked_example,
)
from three_phase_studies import phase_study, street

seeds = st.integers(0, 2**32)
SEVERAL = [
    {},
    {"key": "equal_maxmin", "vat_share": 0.2},
    {"netting_minutes": 60, "internal_price_share": 0.3},
    {"benefit": "shapley", "vat_share": 0.1},
    {"benefit": "per_capita", "key": "priority", "priority": ["m2", "m0"]},
    {"key": "static_owned", "shares": {"m0": 0.25, "m3": 0.75}, "shared_fee_share": 0.2},
]


def settled(study):
    return tasks.run(study, "settlement")


def costs(result):
    return result.tables["statements"]["cost"].to_numpy()


class TestWorkedExample:
    def test_to_the_cent(self):
        found = settled(worked_example()).tables["statements"]
        assert found["cost"].tolist() == [-1.02, 1.62, 1.65]
        assert found["cost_alone"].tolist() == [-0.66, 2.10, 2.40]
        assert found["saved"].tolist() == [0.36, 0.48, 0.75]

    def test_counterparties(self):
        summary = settled(worked_example()).summary
        assert (summary["operator_gets"], summary["suppliers_get"]) == (1.09, 1.16)
        assert (summary["operator_gets_alone"], summary["suppliers_get_alone"]) == (1.6, 2.24)
        assert summary["postings_sum"] == 0.0

    def test_energy(self):
        result = settled(worked_example())
        shared = result.tables["shared_energy"]
        assert shared["shared_kwh"].tolist() == [5.0, 2.0, 0.0, 2.0]
        assert shared["surplus_kwh"].tolist() == pytest.approx([1.0, 0.0, 0.0, 2.0])
        assert result.summary["shared_kwh"] == 9.0
        assert (result.summary["covered_share"], result.summary["used_share"]) == (9.0 / 16.0, 9.0 / 12.0)
        assert result.tables["statements"]["given_kwh"].tolist() == pytest.approx([9.0, 0.0, 0.0])

    @pytest.mark.parametrize("key", KEYS)
    def test_every_key(self, key):
        # Rules of Austria do not allow every key: without them, what is left of the fee is said.
        asked = {"rules": "", "shared_fee_share": 0.43, "key": key, **EXAMPLE_TERMS}
        result = settled(worked_example(**asked))
        expected = KEY_ANSWERS[key]
        # Up to three lines of a member are rounded, and its part of the pool.
        assert costs(result) == pytest.approx(expected.paid_amount, abs=0.021)
        shared = result.tables["statements"]["shared_kwh"]
        assert shared.tolist() == pytest.approx(expected.allocated_kwh.sum(axis=0).tolist())
        assert result.summary["key"] == key

    def test_keys_compared_are_what_each_would_bring(self):
        asked = {"rules": "", "shared_fee_share": 0.43, **EXAMPLE_TERMS}
        compared = settled(worked_example(**asked, keys_compared=list(KEYS))).tables["keys_compared"]
        for key in KEYS:
            rows = compared[compared["key"] == key]
            alone = settled(worked_example(**asked, key=key)).tables["statements"]
            assert rows["cost"].tolist() == alone["cost"].tolist()
            assert rows["shared_kwh"].tolist() == alone["shared_kwh"].tolist()

    def test_the_comparison_says_what_rules_allow(self):
        asked = {"keys_compared": ["static_capped", "equal_maxmin"], "shares": EXAMPLE_TERMS["shares"]}
        compared = settled(worked_example(**asked)).summary["compared"]
        assert [(each["key"], each["is_allowed"]) for each in compared] == [
            ("static_capped", True),
            ("equal_maxmin", False),
        ]

    @pytest.mark.parametrize(
        ("benefit", "part"),
        [("shapley", (0.826, 0.295, 0.472)), ("nucleolus", (0.885, 0.2655, 0.4425))],
    )
    def test_the_benefit_is_handed_out(self, benefit, part):
        result = settled(worked_example(benefit=benefit))
        assert result.tables["statements"]["saved"].tolist() == pytest.approx(list(part), abs=0.021)
        assert result.summary["benefit_amount"] == pytest.approx(1.593)
        assert set(result.tables["postings"]["item"]) >= {"shared benefit"}
        assert "shared energy" not in set(result.tables["postings"]["item"])

    def test_tax_is_paid_on_what_is_bought(self):
        result = settled(worked_example(vat_share=0.20))
        # A 0.30, B 0.70 and 0.50, C 0.50 and 0.49: a fifth of each line, rounded for each seller.
        paid = {"A": 0.06, "B": 0.24, "C": 0.20}
        rows = result.tables["postings"]
        rows = rows[rows["item"] == "VAT"]
        for name, amount in paid.items():
            assert -rows[rows["party"] == name]["amount"].sum() == pytest.approx(amount)
        assert result.summary["vat"] == pytest.approx(0.50)
        alone = result.tables["statements"]["cost_alone"].tolist()
        assert alone == pytest.approx([-0.66 + 0.06, 2.10 * 1.2, 2.40 * 1.2])


@pytest.mark.parametrize("asked", SEVERAL, ids=str)
class TestLaws:
    @given(seed=seeds)
    def test_postings_sum_to_zero_and_are_the_statements(self, asked, seed):
        result = settled(random_study(seed, **asked))
        rows = result.tables["postings"]
        cents = (rows["amount"] * 100.0).round().astype(int)
        assert cents.sum() == 0
        assert result.summary["postings_sum"] == 0.0
        paid = -cents.groupby(rows["party"].astype(str)).sum()
        for member, cost in zip(*(result.tables["statements"][c] for c in ("member", "cost")), strict=True):
            assert paid.get(member, 0) == round(cost * 100.0)
        assert paid.get(COMMUNITY, 0) == 0

    @given(seed=seeds)
    def test_energy_is_conserved(self, asked, seed):
        tables = settled(random_study(seed, **asked)).tables
        members, window = tables["statements"], tables["shared_energy"]
        assert members["shared_kwh"].sum() == pytest.approx(window["shared_kwh"].sum(), abs=1e-9)
        assert members["given_kwh"].sum() == pytest.approx(window["shared_kwh"].sum(), abs=1e-9)
        assert members["surplus_kwh"].sum() == pytest.approx(window["surplus_kwh"].sum(), abs=1e-9)
        assert members["withdrawn_kwh"].sum() == pytest.approx(window["withdrawn_kwh"].sum(), abs=1e-9)
        drawn = members["shared_kwh"] + members["from_supplier_kwh"]
        np.testing.assert_allclose(drawn, members["withdrawn_kwh"], atol=1e-9)
        np.testing.assert_allclose(
            window["shared_kwh"] + window["surplus_kwh"], window["injected_kwh"], atol=1e-9
        )

    @given(seed=seeds)
    def test_what_members_save_others_do_not_get(self, asked, seed):
        summary = settled(random_study(seed, **asked)).summary
        less = sum(summary[f"{who}_alone"] - summary[who] for who in ("operator_gets", "suppliers_get"))
        assert summary["saved"] == pytest.approx(less, abs=1e-9)


@given(seed=seeds, share=st.floats(0.0, 1.0), netting=st.sampled_from([15, 30]))
def test_nobody_pays_more_than_alone_at_a_price_between_feed_in_and_import(seed, share, netting):
    study = random_study(seed, internal_price_share=share, netting_minutes=netting)
    prices = study.prices
    each = {
        name: np.repeat(getattr(prices, name)[::2], 2)
        for name in ("import_price_per_kwh", "export_price_per_kwh", "network_fee_per_kwh")
    }
    result = settled(replace(study, prices=replace(prices, **each)))
    assert result.summary["members_worse_off"] == 0
    assert result.summary["worst_loss"] == pytest.approx(0.0, abs=1e-9)
    # Rounding of four lines and the pool moves no more than this.
    assert result.tables["statements"]["saved"].min() >= -0.035


def test_who_pays_more_than_alone_is_counted():
    study = sharing_study(np.array([[-2.0, 4.0, 4.0]]), internal_price_per_kwh=0.30)
    result = settled(study)
    assert result.summary["members_worse_off"] == 2
    # 1 kWh at 0.30 and the fee in place of 0.20 and the fee.
    assert result.summary["worst_loss"] == pytest.approx(0.10)


@pytest.mark.parametrize("key", SHARING_ALL)
@given(seed=seeds)
def test_shapley_values_do_not_depend_on_the_key(key, seed):
    found = settled(random_study(seed, key=key, benefit="shapley", priority=["m0"]))
    if key != "virtual":
        other = settled(random_study(seed, benefit="shapley"))
        assert costs(found) == pytest.approx(costs(other), abs=0.021)


LEVELS = {"EEG regional": "level 7"}


@pytest.mark.parametrize("rules", RULES, ids=str)
class TestEveryNationalProfile:
    def study(self, rules, **more):
        start = datetime.combine(rules.valid_from + timedelta(days=1), time(), UTC)
        asked = {
            "rules": f"{rules.country}, {rules.name}",
            "key": rules.keys[0],
            "network_level": LEVELS.get(rules.name, "any"),
            **EXAMPLE_TERMS,
            **({"plant_kw": 100.0} if rules.premium else {}),
            **more,
        }
        return replace(worked_example(**asked), profiles=self.at(worked_example(), start))

    def at(self, study, start):
        return replace(study.profiles, time=replace(study.time, start=start))

    def test_settles_with_its_keys_and_its_interval(self, rules):
        for key in rules.keys:
            summary = settled(self.study(rules, key=key)).summary
            assert (summary["key"], summary["rules"]) == (key, str(rules))
            assert summary["netting_minutes"] == rules.netting_minutes
            assert summary["postings_sum"] == 0.0

    def test_its_reduction_of_the_fee_is_applied(self, rules):
        result = settled(self.study(rules))
        cut = rules.fee_reduction_share.get(LEVELS.get(rules.name, "any"), 0.0)
        assert result.summary["shared_fee_share"] == pytest.approx(1.0 - cut)
        shared = result.tables["statements"]["shared_kwh"].sum()
        saved = result.summary["operator_gets_alone"] - result.summary["operator_gets"]
        assert saved == pytest.approx(0.10 * cut * shared, abs=0.016)

    def test_its_reduction_gives_way_to_what_is_set(self, rules):
        assert settled(self.study(rules, shared_fee_share=0.5)).summary["shared_fee_share"] == 0.5

    def test_what_is_to_be_verified_is_listed(self, rules):
        summary = settled(self.study(rules)).summary
        assert summary["to_verify"] == list(rules.to_verify) != []
        assert summary["not_computed"] == list(rules.not_computed)
        assert summary["rules_source"] == rules.source


class TestItalianPremium:
    """Hourly 12 kWh shared; at a zonal price of 60, 150 and 200 per MWh."""

    def study(self, price, **more):
        start = datetime(2025, 7, 1, tzinfo=UTC)
        study = worked_example(
            rules="Italy, CER", key="virtual", plant_kw=200.0, internal_price_per_kwh=None, **more
        )
        study.tasks["settlement"].pop("internal_price_per_kwh")
        profiles = replace(study.profiles, time=replace(study.time, start=start))
        return replace(study, profiles=profiles, prices=flat_prices(4, export=price))

    @pytest.mark.parametrize(("price", "premium"), [(0.060, 1.44), (0.150, 1.32), (0.200, 0.96)])
    def test_known_answers(self, price, premium):
        result = settled(self.study(price))
        assert result.summary["premium"] == premium
        assert result.summary["shared_kwh"] == 12.0
        assert result.summary["saved"] == pytest.approx(premium)

    def test_half_is_for_who_injected(self):
        saved = settled(self.study(0.06)).tables["statements"]["saved"].tolist()
        # Of 16 kWh withdrawn, A drew 1, B 7 and C 8.
        assert saved == pytest.approx([0.72 + 0.72 / 16, 0.72 * 7 / 16, 0.72 * 8 / 16], abs=0.01)

    def test_all_for_who_withdrew(self):
        saved = settled(self.study(0.06, premium_producers_share=0.0)).tables["statements"]["saved"]
        assert saved.tolist() == pytest.approx([0.09, 0.63, 0.72])

    def test_it_may_be_handed_out_as_a_benefit(self):
        result = settled(self.study(0.06, benefit="per_capita"))
        assert result.tables["statements"]["saved"].tolist() == pytest.approx([0.48, 0.48, 0.48])
        rows = result.tables["postings"]
        assert rows[rows["party"] == "support scheme"]["amount"].tolist() == [-1.44]


def test_a_three_phase_study_is_settled():
    grid = street().grid()
    assets = [Pv(asset="roof", member="one", generation_max_kw=10.0), Load(asset="home", member="two")]
    study = phase_study(grid, {"one": "1.a", "two": "2.b"}, assets, {"roof": 8.0, "home": 4.0}, steps=2)
    result = settled(replace(study, prices=flat_prices(2)))
    assert result.summary["shared_kwh"] == pytest.approx(2.0)
    # 2 kWh each: 0.14 among them, the fee to the operator; 2 kWh of surplus at 0.08.
    assert costs(result).tolist() == pytest.approx([-0.28 - 0.16, 0.28 + 0.20])


def test_a_year_in_pieces_is_a_year_at_once(monkeypatch):
    study = random_study(9, steps=40, netting_minutes=60, keys_compared=["equal_maxmin"])
    at_once = settled(study)
    monkeypatch.setattr("gridcommons.settlement.meters.CELLS_AT_ONCE", 60)
    pieces = settled(study)
    assert costs(pieces).tolist() == costs(at_once).tolist()
    for name in ("shared_energy", "statements"):
        for column in at_once.tables[name]:
            if column not in ("time", "member"):
                np.testing.assert_allclose(
                    pieces.tables[name][column], at_once.tables[name][column], atol=1e-9
                )
    assert pieces.tables["shared_energy"]["time"].tolist() == at_once.tables["shared_energy"]["time"].tolist()


def test_members_without_assets_have_an_empty_statement():
    study = worked_example()
    community = Community((*study.community.members, Member(member="D", bus="b1")), study.community.assets)
    found = settled(replace(study, community=community)).tables["statements"]
    assert found["cost"].tolist() == [-1.02, 1.62, 1.65, 0.0]


def test_every_key_can_be_asked_for():
    assert set(get_args(KeyName)) == set(KEYS)


def test_shared_energy_stands_at_the_start_of_each_netting_interval():
    study = random_study(4, steps=12, netting_minutes=60)
    times = settled(study).tables["shared_energy"]["time"]
    assert [f"{at:%H:%M}" for at in times] == ["00:00", "01:00", "02:00"]


def test_estimates_follow_the_seed_of_the_study():
    study = random_study(4, members=17, benefit="shapley", draws=20)
    first, again = (costs(settled(study)).tolist() for _ in range(2))
    assert first == again
    assert costs(settled(replace(study, seed=study.seed + 1))).tolist() != first
