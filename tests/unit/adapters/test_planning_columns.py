"""What a study says for plans: contracts, discomfort, houses behind heat pumps, hot water and meters."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridcommons import tasks
from gridcommons.adapters.studies.check import check_study
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.assets import HOUSE_COLUMNS
from gridcommons.model.errors import StudyError
from gridcommons.model.profiles import room_cop

EXAMPLES = Path(__file__).parents[3] / "examples"
HOUSE = dict(zip(HOUSE_COLUMNS, ("0.35", "4.548", "1.2", "9", "20", "24"), strict=True))
BATTERY = {
    "charge_max_kw": "5",
    "discharge_max_kw": "5",
    "energy_kwh": "10",
    "charge_efficiency_share": "0.9",
    "discharge_efficiency_share": "0.9",
    "soc_initial_share": "0.5",
    "soc_min_share": "0",
    "soc_max_share": "1",
}


@pytest.fixture
def chain(tmp_path):
    """A copy of the chain example that a test may change."""
    folder = tmp_path / "chain"
    shutil.copytree(EXAMPLES / "chain", folder)
    return folder


def give(folder, kind, profiles=None, flexible="true", **cells):
    """One asset of household_1, and its profile columns: a value for all six hours, or one each."""
    columns = {"asset": "D", "member": "household_1", "kind": kind, "flexible": flexible, **cells}
    (folder / "assets.csv").write_text(f"{','.join(columns)}\n{','.join(columns.values())}\n")
    profiles = {name: np.broadcast_to(values, 6) for name, values in (profiles or {}).items()}
    rows = [
        ",".join([f"2024-01-01T0{i}:00:00Z", *(f"{values[i]}" for values in profiles.values())])
        for i in range(6)
    ]
    (folder / "profiles.csv").write_text("\n".join([",".join(["time", *profiles]), *rows, ""]))


def pump(folder, profiles=None, flexible="true", **house):
    give(folder, "heat_pump", profiles, flexible, consumption_max_kw="6", **house)


def problems_of(folder):
    with pytest.raises(StudyError) as raised:
        load_study(folder)
    return [str(problem) for problem in raised.value.problems]


def asset_of(folder):
    return load_study(folder).community.assets[0]


def contracts(folder, *words):
    names = ("household_1", "station_1", "station_2", "household_2")
    buses = ("UL01", "CS01", "CS02", "UL02")
    rows = [",".join(row) for row in zip(names, buses, words, strict=True)]
    (folder / "members.csv").write_text("\n".join(["member,bus,contract", *rows, ""]))


def test_contracts_are_read_and_prices_are_the_default(chain):
    assert {member.contract for member in load_study(chain).community.members} == {"price"}
    contracts(chain, "", "reprofiling", "price", "")
    found = [member.contract for member in load_study(chain).community.members]
    assert found == ["price", "reprofiling", "price", "price"]


def test_an_unknown_contract_is_said_with_its_place(chain):
    contracts(chain, "", "re-profiling", "flat", "")
    assert problems_of(chain) == [
        "members.csv row 3, column contract: found 're-profiling', expected price, reprofiling or empty; "
        "did you mean 'reprofiling'?",
        "members.csv row 4, column contract: found 'flat', expected price, reprofiling or empty",
    ]


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("battery", BATTERY),
        ("ev_charger", {"charge_max_kw": "11"}),
        ("heat_pump", {"consumption_max_kw": "6"}),
        ("demand_response", {"consumption_max_kw": "6", "flexible_share": "0.5"}),
    ],
)
def test_discomfort_is_read_and_unknown_where_blank(chain, kind, cells):
    give(chain, kind, {"D": 1.0}, **cells)
    assert np.isnan(asset_of(chain).discomfort_per_kw2h)
    give(chain, kind, {"D": 1.0}, **cells, discomfort_per_kw2h="0.04")
    assert asset_of(chain).discomfort_per_kw2h == 0.04
    give(chain, kind, {"D": 1.0}, **cells, discomfort_per_kw2h="-0.04")
    (line,) = problems_of(chain)
    assert line.startswith("assets.csv row 2, column discomfort_per_kw2h: found -0.04, expected a magnitude")


def test_what_cannot_be_moved_has_no_discomfort(chain):
    give(chain, "load", {"D": 1.0}, flexible="false", discomfort_per_kw2h="0.04")
    (line,) = problems_of(chain)
    assert line.startswith("assets.csv row 2, column discomfort_per_kw2h: found '0.04', expected an empty")


def test_a_heat_pump_with_a_house_may_come_without_profile_and_check_says_so(chain):
    pump(chain, {"outdoor.temp_c": [-3.0, -2.0, -1.0, 0.0, 1.0, 2.5]}, **HOUSE)
    study = load_study(chain)
    asset = study.community.assets[0]
    assert asset.has_house and asset.needs_profile and asset.may_lack_profile
    assert [getattr(asset, column) for column in HOUSE_COLUMNS] == [0.35, 4.548, 1.2, 9.0, 20.0, 24.0]
    assert study.profiles.of("outdoor.temp_c").tolist() == [-3.0, -2.0, -1.0, 0.0, 1.0, 2.5]
    assert "note: 1 heat pumps without a profile, so idle when nobody plans them (D)" in check_study(chain)
    pump(chain, {"D": 2.0}, **HOUSE)
    assert not any("heat pumps without a profile" in note for note in load_study(chain).notes)


@pytest.mark.parametrize("column", HOUSE_COLUMNS)
def test_a_house_in_part_is_none(chain, column):
    pump(chain, {"D": 1.0}, **HOUSE)
    part = replace(asset_of(chain), flexible=False, **{column: float("nan")})
    assert not part.has_house and not part.may_lack_profile


def test_houses_alone_need_no_file_of_profiles(chain):
    pump(chain, **HOUSE)
    (chain / "profiles.csv").unlink()
    assert load_study(chain).profiles.columns == {}


@pytest.mark.parametrize(
    ("kind", "rating", "whose"),
    [
        ("heat_pump", "consumption_max_kw", "a heat_pump that is not flexible and has no house"),
        ("chp", "generation_max_kw", "a chp that is not flexible"),
    ],
)
def test_what_nobody_plans_needs_its_profile(chain, kind, rating, whose):
    give(chain, kind, flexible="false", **{rating: "6"})
    assert problems_of(chain) == [
        "assets.csv row 2, column asset: found 'D' without a profile, expected a column 'D' in profiles.csv: "
        f"{whose} needs its profile"
    ]
    (chain / "profiles.csv").unlink()
    (line,) = problems_of(chain)
    assert line.startswith("profiles.parquet: found no such file, nor profiles.csv, expected profiles of D")


@pytest.mark.parametrize(
    ("kind", "rating"), [("heat_pump", "consumption_max_kw"), ("chp", "generation_max_kw")]
)
def test_what_a_community_can_plan_may_come_without_a_profile(chain, kind, rating):
    give(chain, kind, **{rating: "6"})
    study = load_study(chain)
    assert "D" not in study.profiles.columns
    assert any("idle when nobody plans them (D)" in note for note in study.notes)


@pytest.mark.parametrize("missing", [HOUSE_COLUMNS[:1], HOUSE_COLUMNS[3:], ("k2_kw_per_k", "temp_max_c")])
def test_a_house_in_part_lists_what_is_missing(chain, missing):
    pump(chain, {"D": 1.0}, **{**HOUSE, **dict.fromkeys(missing, "")})
    (line,) = problems_of(chain)
    assert line.startswith(
        f"assets.csv row 2, column {missing[0]}: found a house without {', '.join(missing)}, "
        f"expected a whole house or none: k1_kw_per_k, k2_kw_per_k"
    )


@pytest.mark.parametrize("kind", ["heat_pump", "heat_store"])
@pytest.mark.parametrize(("low", "ok"), [("23.9", True), ("24", False), ("25", False), ("-5", True)])
def test_the_lower_temperature_is_below_the_upper(chain, kind, low, ok):
    cells = {**HOUSE, "consumption_max_kw": "6"} if kind == "heat_pump" else {"energy_kwh": "10"}
    store = {"soc_initial_share": "0.5"} if kind == "heat_store" else {}
    band = {"temp_min_c": low, "temp_max_c": "24"}
    give(chain, kind, {}, "false", **{**cells, **store, **band})
    if ok:
        assert asset_of(chain).temp_min_c == float(low)
        return
    assert problems_of(chain) == [
        f"assets.csv row 2, column temp_min_c: found {low} with temp_max_c 24, "
        f"expected temp_min_c below temp_max_c"
    ]


@pytest.mark.parametrize("column", HOUSE_COLUMNS[:4])
def test_a_house_loses_and_stores_heat(chain, column):
    pump(chain, {"D": 1.0}, **{**HOUSE, column: "0"})
    assert problems_of(chain) == [f"assets.csv row 2, column {column}: found 0, expected a number above 0"]


def test_a_wrong_number_in_a_house_is_said_once(chain):
    pump(chain, {"D": 1.0}, **{**HOUSE, "k1_kw_per_k": "none"})
    (line,) = problems_of(chain)
    assert line == "assets.csv row 2, column k1_kw_per_k: found 'none', expected a number"


@pytest.mark.parametrize("flexible", ["true", "false"])
@pytest.mark.parametrize("task", ["control", "envelopes"])
def test_tasks_that_follow_profiles_still_ask_for_them(chain, task, flexible):
    pump(chain, **HOUSE, flexible=flexible)
    text = (chain / "members.csv").read_text().splitlines()
    (chain / "members.csv").write_text("\n".join(text[:2]) + "\n")
    study = replace(load_study(chain), tasks={})
    with pytest.raises(StudyError, match="profile") as raised:
        tasks.run(study, task)
    expected = {
        "control": "assets.csv: found member 'household_1' with an asset without profile, "
        "expected a profile of D: what it draws or makes over time",
        "envelopes": "assets.csv: found 'D' without a profile, "
        "expected a profile: what it draws is in every load flow",
    }
    assert expected[task] in str(raised.value)


@pytest.mark.parametrize("kind", ["battery", "ev_charger", "demand_response"])
def test_meters_of_any_kind_are_read_with_their_sign(chain, kind):
    cells = {"battery": BATTERY, "ev_charger": {"charge_max_kw": "11"}}
    rated = cells.get(kind, {"consumption_max_kw": "6", "flexible_share": "0.5"})
    give(chain, kind, {"D": 1.0, "D.metered_kw": [-1.0, 0.0, 2.0, 3.0, -4.5, 1.0]}, **rated)
    study = load_study(chain)
    assert study.profiles.of("D.metered_kw").tolist() == [-1.0, 0.0, 2.0, 3.0, -4.5, 1.0]
    assert study.profiles.of("D").tolist() == [1.0] * 6


def test_a_meter_needs_numbers_and_an_asset(chain):
    give(chain, "ev_charger", {"D.metered_kw": [1.0, np.nan, 1.0, 1.0, 1.0, 1.0]}, charge_max_kw="11")
    (line,) = problems_of(chain)
    assert line.startswith("profiles.csv row 3, column D.metered_kw: found an empty cell or NaN")
    give(chain, "ev_charger", {"D.meterd_kw": 1.0}, charge_max_kw="11")
    (line,) = problems_of(chain)
    assert "'meterd_kw' for a ev_charger" in line and line.endswith("did you mean 'metered_kw'?")


def test_hot_water_is_a_part_of_the_profile_and_has_no_meaning_for_others(chain):
    pump(chain, {"D": 1.0, "D.water_kw": [1.0, 0.5, 0.0, 0.0, 0.0, 0.0], "D.room_cop": 4.0})
    assert load_study(chain).profiles.of("D.water_kw").tolist() == [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    pump(chain, {"D": 1.0, "D.water_kw": [1.0, 1.5, 2.0, 0.0, 0.0, 0.0]})
    assert problems_of(chain) == [
        "profiles.csv row 3, column D.water_kw: found 1.5 with 1 in D (and 1 more), "
        "expected at most D, of which it is a part"
    ]
    pump(chain, {"D": 1.0, "D.water_kw": -0.5, "D.room_cop": -1.0})
    assert [line.partition(", expected")[0] for line in problems_of(chain)] == [
        "profiles.csv row 2, column D.water_kw: found -0.5 (and 5 more)",
        "profiles.csv row 2, column D.room_cop: found -1 (and 5 more)",
    ]
    pump(chain, {"D.water_kw": 7.0}, **HOUSE)
    assert load_study(chain).profiles.of("D.water_kw").tolist() == [7.0] * 6
    give(chain, "ev_charger", {"D.water_kw": 1.0}, charge_max_kw="11")
    (line,) = problems_of(chain)
    assert line.startswith("profiles.csv column D.water_kw: found 'water_kw' for a ev_charger")


def test_rooms_have_their_own_cop_else_that_of_all_heat_else_the_figure(chain):
    def heard(columns, **cells):
        pump(chain, {"D": 1.0, **columns}, **cells)
        study = load_study(chain)
        return room_cop(study.community.assets[0], study.profiles)

    assert heard({"D.room_cop": 4.0, "D.cop": 3.0}, cop="2").tolist() == [4.0] * 6
    assert heard({"D.cop": 3.0}, cop="2").tolist() == [3.0] * 6
    assert heard({}, cop="2").tolist() == [2.0] * 6
    assert np.isnan(heard({})).all()


STIRLING = {
    "consumption_max_kw": "40",
    "heater_efficiency_share": "0.95",
    "heat_discharge_max_kw": "60",
    "stirling_efficiency_share": "0.4",
    "generator_efficiency_share": "0.9",
    "exchanger_share": "0.7",
    "idle_loss_share_per_h": "0",
    "energy_kwh": "200",
    "soc_initial_share": "0.5",
    "soc_min_share": "0",
    "soc_max_share": "1",
}
TANK = {
    "consumption_max_kw": "30",
    "heater_efficiency_share": "0.95",
    "tank_m3": "2",
    "loss_kw_per_k": "0.01",
    "temp_min_c": "55",
    "temp_max_c": "90",
    "temp_initial_c": "70",
    "cold_temp_c": "60",
    "ambient_temp_c": "20",
}


@pytest.mark.parametrize(
    ("kind", "cells", "words"),
    [
        ("stirling_store", STIRLING, "exchanger_share: found 0.7 with 0.36 of the heat as electricity"),
        ("smart_boiler", TANK, "cold_temp_c: found 60 with temp_min_c 55"),
        ("smart_boiler", {**TANK, "cold_temp_c": "8", "tank_m3": "0"}, "tank_m3: found 0, expected a number"),
        ("heat_pump", {"consumption_max_kw": "6", "cop": "0"}, "cop: found 0, expected a number above 0"),
    ],
)
def test_ratings_that_make_heat_of_nothing_are_refused(chain, kind, cells, words):
    give(chain, kind, **cells)
    (line,) = problems_of(chain)
    assert words in line
