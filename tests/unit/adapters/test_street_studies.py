"""From streets to members: a dwelling each, whose areas and names fit their building."""

from __future__ import annotations

import csv
from datetime import date

import pytest

from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.from_streets import draft_from_streets, members_of
from gridcommons.adapters.studies.writer import new_study
from gridcommons.synthesis.street_grids import HouseConnection


def house(name, households, living_area_m2=100.0):
    return HouseConnection(name, "Mill", living_area_m2, households)


def test_every_dwelling_is_a_member_with_its_part_of_the_building():
    members = members_of([house("a", 1, 90.0), house("b", 3, 249.6)])
    assert list(members) == ["a", "b_1", "b_2", "b_3"]
    assert [row["bus"] for row in members.values()] == ["a", "b", "b", "b"]
    assert {row["cluster"] for row in members.values()} == {"Mill"}
    assert [row["living_area_m2"] for row in members.values()] == ["90", "83.2", "83.2", "83.2"]


def test_no_dwelling_takes_the_name_of_another_building():
    houses = [
        house("a", 2),
        house("a_1", 1),
        house("b", 3),
        house("b__2", 1),
        house("b_", 2),
        house("b_3", 1),
    ]
    members = members_of(houses)
    assert len(members) == sum(each.households for each in houses)
    assert members["a_1"]["bus"] == "a_1" and members["a__1"]["bus"] == members["a__2"]["bus"] == "a"
    assert members["b__2"]["bus"] == "b__2"
    assert sum(row["bus"] == "b" for row in members.values()) == 3


def test_shares_count_dwellings_and_the_grid_and_its_map_know_buildings(examples, tmp_path):
    source = examples / "streets_village" / "village.geojson"
    new_study(tmp_path / "village", "streets", str(source), day=date(2030, 1, 15))
    with (tmp_path / "village" / "members.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    made = draft_from_streets(source, None, None, None).made
    assert len(rows) == sum(each.households for each in made.houses) > len(made.houses)
    areas = {each.name: each.living_area_m2 for each in made.houses}
    for name, area_m2 in areas.items():
        own = [float(row["living_area_m2"]) for row in rows if row["bus"] == name]
        assert sum(own) == pytest.approx(area_m2, rel=1e-4)
    study = load_study(tmp_path / "village")
    counts = [sum(asset.kind == kind for asset in study.community.assets) for kind in ("load", "pv")]
    assert counts[0] == len(rows) and counts[1] == pytest.approx(0.4 * len(rows), abs=1.5)


def test_the_study_says_that_its_shares_are_chosen(examples, tmp_path):
    source = examples / "streets_village" / "village.geojson"
    new_study(tmp_path / "village", "streets", str(source), day=date(2030, 1, 15))
    assert any("all shares are CHOSEN" in note for note in load_study(tmp_path / "village").notes)
