"""What cannot be settled is refused, all of it at once, each with its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from gridcommons import tasks
from gridcommons.model.errors import StudyError
from gridcommons.model.members import Community, Member
from settlement_study import flat_prices, sharing_study, worked_example


def refused(study):
    """File, table and column of each problem with what was found."""
    with pytest.raises(StudyError) as error:
        tasks.run(study, "settlement")
    return {(each.file, each.table, each.column): each for each in error.value.problems}


def of_table(column):
    return ("study.toml", "tasks.settlement", column)


def test_everything_at_once():
    study = worked_example(
        key="equal_maxmin",
        shares={"A": 0.5, "Bb": 0.4},
        priority=["A", "A"],
        pairs=[["B", "A", 0.7], ["C", "A", 0.5]],
        plant_kw=5.0,
        benefit="nucleolus",
    )
    found = refused(replace(study, prices=None))
    assert set(found) == {
        ("prices.csv", "", ""),
        *(of_table(column) for column in ("key", "shares", "priority", "pairs", "plant_kw")),
    }
    assert "dynamic_prorata, static_capped" in found[of_table("key")].expected
    assert found[of_table("pairs")].found == "1.2 of 'A' together"


def test_shares_that_do_not_sum_to_one():
    found = refused(worked_example(key="static_capped", shares={"B": 0.6, "C": 0.3}))
    assert found[of_table("shares")].found == "0.9 together"


@pytest.mark.parametrize(
    ("key", "column"), [("static_capped", "shares"), ("priority", "priority"), ("pairwise", "pairs")]
)
@pytest.mark.parametrize("how", ["key", "keys_compared"])
def test_a_key_without_its_terms(key, column, how):
    task = {"key": key} if how == "key" else {"keys_compared": [key]}
    assert list(refused(worked_example(rules="", **task))) == [of_table(column)]


@pytest.mark.parametrize(
    "task",
    [
        {"shares": {"Bb": 1.0}},
        {"priority": ["Bb"]},
        {"pairs": [["Bb", "A", 0.5]]},
        {"pairs": [["A", "Bb", 0.5]]},
    ],
)
def test_unknown_members_with_the_nearest_known_one(task):
    problem = refused(worked_example(**task))[of_table(next(iter(task)))]
    assert problem.found == "the unknown member 'Bb'"
    assert problem.suggestion == "did you mean 'B'?"


def test_a_pair_twice():
    assert "2 times" in refused(worked_example(pairs=[["B", "A", 0.1]] * 2))[of_table("pairs")].found


@pytest.mark.parametrize("column", ["import_price_per_kwh", "export_price_per_kwh"])
def test_prices_that_are_missing(column):
    study = worked_example()
    prices = replace(study.prices, **{column: np.full(4, np.nan)})
    assert list(refused(replace(study, prices=prices))) == [("prices.csv", "", column)]


def test_a_price_missing_in_one_interval():
    study = worked_example()
    fee = np.array([0.1, np.nan, 0.1, 0.1])
    found = refused(replace(study, prices=replace(study.prices, network_fee_per_kwh=fee)))
    assert found[("prices.csv", "", "network_fee_per_kwh")].found == "nothing at 2025-07-01T00:15+00:00"


def test_no_network_fee_is_none():
    study = worked_example()
    prices = replace(study.prices, network_fee_per_kwh=np.full(4, np.nan))
    assert tasks.run(replace(study, prices=prices), "settlement").summary["operator_gets"] == 0.0


def test_an_asset_that_nobody_heard_of():
    study = worked_example()
    columns = {name: each for name, each in study.profiles.columns.items() if name != "B_load"}
    found = refused(replace(study, profiles=replace(study.profiles, columns=columns)))
    assert list(found) == [("profiles", "", "B_load")]


@pytest.mark.parametrize("name", ["DSO", "community pool", "supplier", "support scheme", "power company"])
def test_a_member_with_the_name_of_an_account(name):
    found = refused(sharing_study(np.ones((1, 2)), names=["m0", name], suppliers=["power company"]))
    assert list(found) == [("members.csv", "", "member")]


def test_a_supplier_with_the_name_of_an_account():
    found = refused(sharing_study(np.ones((1, 2)), suppliers=["DSO"]))
    assert list(found) == [("members.csv", "", "supplier")]


class TestRules:
    def test_unknown_ones_with_what_is_known(self):
        found = refused(worked_example(rules="Austria, EEG lokal"))[of_table("rules")]
        assert found.found == "'Austria', 'EEG lokal' on 2025-07-01"
        assert "Austria, EEG local (2024-04-01 to 2026-09-30)" in found.expected
        assert "did you mean 'EEG local'?" in found.expected

    def test_ones_that_change_within_the_window(self):
        study = sharing_study(
            np.ones((8, 2)), start=datetime(2024, 3, 31, 23, tzinfo=UTC), rules="Austria, GEA"
        )
        found = refused(study)[of_table("rules")]
        assert "2024-03-31 to 2024-04-01" in found.found

    def test_the_day_is_that_of_the_study_zone(self):
        study = sharing_study(
            np.ones((8, 2)), start=datetime(2024, 3, 31, 22, tzinfo=UTC), rules="Austria, GEA"
        )
        vienna = replace(study.time, timezone="Europe/Vienna")
        study = replace(study, profiles=replace(study.profiles, time=vienna))
        assert "2024-04-01" in tasks.run(study, "settlement").summary["rules"]

    def test_a_network_level_that_the_cut_depends_on(self):
        found = refused(worked_example(rules="Austria, EEG regional"))[of_table("network_level")]
        assert found.found == "'any'" and "level 5, level 7" in found.expected

    def test_a_premium_without_the_power_of_the_plants(self):
        assert list(refused(worked_example(rules="Italy, CER", key="virtual"))) == [of_table("plant_kw")]

    def test_another_interval_than_that_of_the_rules(self):
        found = refused(worked_example(netting_minutes=60))[of_table("netting_minutes")]
        assert found.expected.startswith("15, the interval of Austria")

    def test_intervals_longer_than_that_of_the_rules(self):
        study = sharing_study(np.ones((2, 2)), minutes=60, rules="Austria, EEG local")
        found = refused(study)[of_table("netting_minutes")]
        assert found.found.startswith("15 minutes, the interval of Austria")


@pytest.mark.parametrize("minutes", [20, 45, 120])
def test_netting_that_does_not_fit_intervals_and_hours(minutes):
    assert list(refused(worked_example(rules="", netting_minutes=minutes))) == [of_table("netting_minutes")]


def test_netting_that_does_not_fit_the_window():
    late = datetime(2025, 7, 1, 0, 15, tzinfo=UTC)
    assert of_table("netting_minutes") in refused(
        sharing_study(np.ones((4, 2)), start=late, netting_minutes=60)
    )
    assert of_table("netting_minutes") in refused(sharing_study(np.ones((5, 2)), netting_minutes=60))


def test_any_length_of_interval_is_settled_by_itself():
    study = sharing_study(np.ones((3, 2)), minutes=1440)
    assert tasks.run(study, "settlement").summary["netting_minutes"] == 1440


def test_a_nucleolus_of_too_many():
    study = sharing_study(np.ones((1, 17)), benefit="nucleolus")
    assert list(refused(study)) == [of_table("benefit")]


def test_a_benefit_at_prices_that_change_within_a_netting_interval():
    supply = np.array([0.2, 0.2, 0.3, 0.2])
    task = {"netting_minutes": 60, "benefit": "shapley"}
    study = sharing_study(np.ones((4, 2)), prices=flat_prices(4, supply=supply), **task)
    assert list(refused(study)) == [("prices.csv", "", "import_price_per_kwh")]
    priced = {**study.tasks["settlement"], "benefit": "none"}
    assert tasks.run(replace(study, tasks={"settlement": priced}), "settlement").summary["benefit"] == "none"


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"internal_price_share": 1.2}, "internal_price_share 1.2"),
        ({"shared_fee_share": -0.1}, "shared_fee_share -0.1"),
        ({"vat_share": 2.0}, "vat_share 2"),
        ({"premium_producers_share": -1.0}, "premium_producers_share -1"),
        ({"confidence_share": 1.0}, "confidence_share 1"),
        ({"netting_minutes": 0}, "netting_minutes 0"),
        ({"plant_kw": 0.0}, "plant_kw 0"),
        ({"draws": 0}, "draws 0"),
        ({"shares": {"B": 1.5}}, "shares of B 1.5"),
        ({"pairs": [["B", "A", -0.5]]}, "pairs of B and A -0.5"),
        ({"benefit": "shapley", "key": "static_capped"}, "benefit 'shapley' with key 'static_capped'"),
        ({"benefit": "shapley", "keys_compared": ["virtual"]}, "keys_compared with benefit 'shapley'"),
        ({"key": "prorata"}, "'prorata'"),
    ],
    ids=str,
)
def test_settings_that_make_no_settlement(task, said):
    (problem,) = refused(worked_example(**task)).values()
    assert problem.found == said and problem.expected


def test_a_share_of_who_draws_nothing_is_surplus():
    member = Member(member="E", bus="b1")
    study = worked_example(shares={"E": 1.0}, key="static_capped")
    community = Community((*study.community.members, member), study.community.assets)
    assert tasks.run(replace(study, community=community), "settlement").summary["shared_kwh"] == 0.0
