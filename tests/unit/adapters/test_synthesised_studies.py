"""Studies whose assets and profiles are made: what arrives, what is said, and all that is wrong at once."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from gridcommons.adapters.studies.check import check_study
from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.synthesis_table import SYNTHESIS_KEYS
from gridcommons.model.errors import MissingExtraError, StudyError
from gridcommons.synthesis.asset_mix import Mix
from gridcommons.synthesis.settings import SynthesisSettings

ROOT = Path(__file__).parents[3]
WINDOW = """\
[time]
start = "2030-01-15T00:00:00+01:00"
timezone = "Europe/Berlin"
step_minutes = 15
steps = 96

"""
KINDS = ("load", "pv", "battery", "heat_pump", "heat_store", "ev_charger")


@pytest.fixture
def folder(tmp_path):
    """A winter day of the example's forty first households."""
    target = tmp_path / "day"
    shutil.copytree(ROOT / "examples" / "schutterwald", target)
    cut(target, "[time]\n", "[grid]", WINDOW)
    replace(target, "clusters.section_6", "clusters.section_4")
    cut(target, "[synthesis.future.clusters.section_12]", "")
    rows = (target / "members.csv").read_text().splitlines()
    (target / "members.csv").write_text("\n".join(rows[:41]) + "\n")
    return target


def cut(folder, begin, end, instead=""):
    """Replace a table of study.toml from its heading up to where the next thing begins."""
    head, _, rest = (folder / "study.toml").read_text().partition(begin)
    tail = rest[rest.index(end) :] if end else ""
    (folder / "study.toml").write_text(head + instead + tail)


def replace(folder, old, new, name="study.toml"):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def problems_of(folder):
    with pytest.raises(StudyError) as raised:
        load_study(folder)
    return [str(problem) for problem in raised.value.problems]


def of_kind(community, kind):
    return [asset for asset in community.assets if asset.kind == kind]


def test_both_communities_and_one_set_of_profiles_arrive(folder):
    study = load_study(folder)
    counts = {kind: len(of_kind(study.community, kind)) for kind in KINDS}
    assert counts == {
        "load": 40,
        "pv": 24,
        "battery": 12,
        "heat_pump": 16,
        "heat_store": 4,
        "ev_charger": 8,
    }
    assert {asset.kind for asset in study.today.assets} == {"load", "pv"}
    assert len(of_kind(study.today, "pv")) == 10
    assert study.today.members == study.community.members
    roofs = {asset.member for asset in of_kind(study.community, "pv")}
    assert {asset.member for asset in of_kind(study.today, "pv")} <= roofs
    assert {asset.member for asset in of_kind(study.community, "battery")} <= roofs
    for community in (study.community, study.today):
        for asset in community.assets:
            assert (
                asset.asset in study.profiles.columns
            ) == asset.needs_profile or asset.kind == "ev_charger"
    assert all(
        column.shape == (96,) and np.isfinite(column).all() for column in study.profiles.columns.values()
    )


def test_ids_ratings_and_columns_are_as_documented(folder):
    study = load_study(folder)
    by_id = {asset.asset: asset for asset in (*study.community.assets, *study.today.assets)}
    car = of_kind(study.community, "ev_charger")[0]
    assert car.asset == f"{car.member}_ev" and car.flexible and car.charge_max_kw == 11.0
    assert car.energy_kwh in (40.0, 52.0, 64.0, 77.0)
    assert {f"{car.asset}.plugged_in", f"{car.asset}.drive_kwh"} <= set(study.profiles.columns)
    pump = of_kind(study.community, "heat_pump")[0]
    assert pump.flexible and f"{pump.member}_heat_pump.cop" in study.profiles.columns
    store = of_kind(study.community, "heat_store")[0]
    assert {f"{store.member}_heat_pump", f"{store.member}_pv"} <= set(by_id) and store.energy_kwh == 11.6
    battery = of_kind(study.community, "battery")[0]
    assert (battery.energy_kwh, battery.charge_max_kw, battery.flexible) == (16.0, 5.0, True)
    roof = of_kind(study.today, "pv")[0]
    assert roof.asset == f"{roof.member}_pv_today" and not roof.flexible
    today, future = (study.profiles.columns[name] for name in (roof.asset, f"{roof.member}_pv"))
    np.testing.assert_allclose(today / 6.6, future / 8.0)
    assert study.profiles.columns["outdoor.temp_c"].min() < 5.0


@pytest.mark.parametrize("start", ["2030-01-01", "2030-01-15", "2030-07-09"])
def test_a_car_can_follow_its_profile_and_whatever_charges_no_less(folder, start):
    replace(folder, "2030-01-15", start)
    study = load_study(folder)
    for car in of_kind(study.community, "ev_charger"):
        columns, name = study.profiles.columns, car.asset
        plugged, drive_kwh = columns[f"{name}.plugged_in"], columns[f"{name}.drive_kwh"]
        assert (columns[name] <= car.charge_max_kw * plugged + 1e-9).all()
        start_kwh = car.soc_initial_share * car.energy_kwh
        assert 0.1 - 1e-9 <= car.departure_soc_share == car.soc_initial_share <= 1.0
        followed = start_kwh + np.cumsum(columns[name] / 4.0 - drive_kwh)
        assert car.soc_min_share * car.energy_kwh - 1e-9 < followed.min()
        assert followed.max() < car.soc_max_share * car.energy_kwh + 1e-9
        stored = start_kwh
        for step in range(96):
            room_kwh = car.soc_max_share * car.energy_kwh - stored + drive_kwh[step]
            stored += min(car.charge_max_kw * plugged[step] / 4.0, room_kwh) - drive_kwh[step]
            assert stored >= followed[step] - 1e-9


@pytest.mark.parametrize("clock", ["T00:00", "T17:30"])
def test_a_car_begins_a_window_with_what_the_days_before_left(folder, clock):
    replace(folder, "2030-01-15T00:00", f"2030-01-15{clock}")
    day = load_study(folder)
    replace(folder, "2030-01-15", "2030-01-13")
    replace(folder, "steps = 96", "steps = 192")
    before = load_study(folder)
    cars = of_kind(day.community, "ev_charger")
    assert len({car.departure_soc_share for car in cars}) > 4
    for car, earlier in zip(cars, of_kind(before.community, "ev_charger"), strict=True):
        columns = before.profiles.columns
        change_kwh = columns[car.asset].sum() / 4.0 - columns[f"{car.asset}.drive_kwh"].sum()
        left_kwh = earlier.departure_soc_share * earlier.energy_kwh + change_kwh
        assert car.departure_soc_share * car.energy_kwh == pytest.approx(left_kwh, abs=1e-6)


def test_houses_come_when_they_are_asked_for_and_change_nothing_else(folder):
    without = load_study(folder)
    replace(folder, 'heat_sink = "floor"', 'heat_sink = "floor"\nhouses = true')
    study = load_study(folder)
    pumps = of_kind(study.community, "heat_pump")
    assert all(pump.has_house for pump in pumps) and len(pumps) == 16
    added = {f"{pump.asset}.{suffix}" for pump in pumps for suffix in ("room_cop", "water_kw")}
    assert set(study.profiles.columns) == set(without.profiles.columns) | added
    assert {name: values for name, values in columns(study).items() if name not in added} == columns(without)
    assert any(note.startswith("synthesis: 16 houses of k1 0.0") for note in study.notes)
    assert not any("cannot hold" in note for note in study.notes)
    replace(folder, "heat_pump_margin_share = 0.2", "heat_pump_kw = 0.1")
    (said,) = (note for note in load_study(folder).notes if "cannot hold" in note)
    assert said.startswith("synthesis: 16 heat pumps cannot hold the middle of their comfort band all year (")


def test_houses_of_nobody_are_said(folder):
    replace(folder, 'heat_sink = "floor"', 'heat_sink = "floor"\nhouses = true')
    replace(folder, "heat_pump_share = 0.40", "heat_pump_share = 0.0")
    replace(folder, "heat_store_share = 0.10", "heat_store_share = 0.0")
    assert "synthesis: houses are asked for, and no household has a heat pump" in load_study(folder).notes


def test_houses_must_be_true_or_false(folder):
    replace(folder, 'heat_sink = "floor"', 'heat_sink = "floor"\nhouses = 1')
    (line,) = problems_of(folder)
    assert line == "study.toml [synthesis] column houses: found 1, expected true or false"


def test_heat_pumps_are_sized_with_their_margin_or_as_given_and_never_clipped(folder):
    pumps = of_kind(load_study(folder).community, "heat_pump")
    replace(folder, "heat_pump_margin_share = 0.2", "heat_pump_margin_share = 0.5")
    wider = of_kind(load_study(folder).community, "heat_pump")
    for pump, wide in zip(pumps, wider, strict=True):
        assert wide.consumption_max_kw == pytest.approx(1.25 * pump.consumption_max_kw)
    replace(folder, "heat_pump_margin_share = 0.5", "heat_pump_kw = 0.1")
    study = load_study(folder)
    small = of_kind(study.community, "heat_pump")
    assert {pump.consumption_max_kw for pump in small} == {0.1}
    assert max(study.profiles.columns[pump.asset].max() for pump in small) > 0.1
    assert any("above their rating" in note for note in study.notes)


def test_the_same_seed_gives_the_same_bytes_and_another_others(folder):
    one, again = load_study(folder), load_study(folder)
    assert columns(one) == columns(again) and one.inputs_sha256 == again.inputs_sha256
    replace(folder, "seed = 1", "seed = 2")
    other = load_study(folder)
    assert columns(other) != columns(one) and other.inputs_sha256 != one.inputs_sha256
    assert [a.asset for a in other.community.assets] != [a.asset for a in one.community.assets]


def columns(study):
    return {name: column.tobytes() for name, column in study.profiles.columns.items()}


def test_a_household_does_not_change_when_others_leave(folder):
    before = load_study(folder)
    rows = (folder / "members.csv").read_text().splitlines()
    (folder / "members.csv").write_text("\n".join([*rows[:1], *rows[11:]]) + "\n")
    after = load_study(folder)
    loads = [asset.asset for asset in of_kind(after.community, "load")]
    assert len(loads) == 30
    for name in loads:
        assert before.profiles.columns[name].tobytes() == after.profiles.columns[name].tobytes()


def test_a_day_is_a_piece_of_its_week_and_a_day_of_23_hours_works(folder):
    day = load_study(folder)
    replace(folder, "2030-01-15", "2030-01-13")
    replace(folder, "steps = 96", "steps = 672")
    week = load_study(folder)
    for name, column in day.profiles.columns.items():
        np.testing.assert_array_equal(column, week.profiles.columns[name][192:288])
    replace(folder, "2030-01-13", "2030-03-31")
    replace(folder, "steps = 672", "steps = 92")
    assert load_study(folder).time.local(92).hour == 0


@pytest.mark.parametrize("step_minutes", [5, 60])
def test_other_steps_work(folder, step_minutes):
    replace(folder, "step_minutes = 15", f"step_minutes = {step_minutes}")
    replace(folder, "steps = 96", "steps = 24")
    study = load_study(folder)
    assert study.time.steps == 24 and len(study.profiles.columns) > 100


def test_a_mix_of_the_future_alone_is_enough(folder):
    cut(folder, "[synthesis.today]", "# Published")
    study = load_study(folder)
    assert study.today is None and len(of_kind(study.community, "pv")) == 24


def test_the_check_says_what_was_made(folder):
    lines = check_study(folder)
    text = "\n".join(lines)
    assert "40 load (0 flexible), 24 pv (0 flexible), 12 battery (12 flexible)" in text
    assert "note: synthesis: today: 40 load (section_4 40); 10 pv (section_4 10)" in lines
    assert any("CHOSEN" in line for line in lines)
    assert any(line.startswith("note: synthesis: future: energy in the window: load") for line in lines)
    assert any(line.startswith("load flow, uncontrolled: ") for line in lines)


def test_every_problem_is_said_at_once(folder):
    replace(folder, 'weather = "try:12"', 'weather = "try:99"')
    replace(folder, "battery_share = 0.30", "battery_share = 0.9")
    replace(folder, "step_minutes = 15", "step_minutes = 7")
    replace(folder, "pv_share = 0.25 ", "pv_share = 0.7 ")
    rows = (folder / "members.csv").read_text().splitlines()
    rows[3] = rows[3].rpartition(",")[0] + ","
    rows[4] = rows[4].rpartition(",")[0] + ",0"
    (folder / "members.csv").write_text("\n".join(rows) + "\n")
    shutil.copy(ROOT / "examples" / "chain" / "assets.csv", folder)
    shutil.copy(ROOT / "examples" / "chain" / "profiles.csv", folder)
    text = "\n".join(problems_of(folder))
    for part in (
        "assets.csv: found a file beside [synthesis], expected no such file",
        "profiles.csv: found a file beside [synthesis]",
        "members.csv row 4, column living_area_m2: found an empty cell, expected an area above 0",
        "members.csv row 5, column living_area_m2: found 0",
        "study.toml [time] column step_minutes: found 7, expected a step that divides 60 min",
        "study.toml [synthesis] column weather: found 'try:99', expected try:1 to try:15",
        "study.toml [synthesis.future] column battery_share: found battery_share 0.9 of 40 households in "
        "section_4: 36, where 24 with solar modules are asked for, expected at most 0.6",
        "[synthesis.future] column pv_share: found 0.6 in section_4, expected at least today's 0.7",
    ):
        assert part in text
    assert len(problems_of(folder)) == 8


def test_what_the_table_may_not_hold_is_said_at_once(folder):
    replace(folder, "pv_kw = 6.6", 'pv_kw = "6.6"')
    replace(folder, "ev_share = 0.20", "ev_shares = 0.25")
    replace(folder, 'heat_sink = "floor"', 'heat_sink = "wall"')
    replace(
        folder,
        "[synthesis.future.clusters.section_4]\npv_share",
        "[synthesis.future.clusters.section_4]\nwind",
    )
    lines = problems_of(folder)
    assert len(lines) == 4
    text = "\n".join(lines)
    assert "[synthesis.today] column pv_kw: found '6.6', expected a number" in text
    assert "column ev_shares: found an unknown key, expected a known key; did you mean 'ev_share'?" in text
    assert "[synthesis] column heat_sink: found 'wall', expected" in text
    assert "[synthesis.future.clusters.section_4] column wind: found an unknown key" in text


def test_clusters_that_nobody_belongs_to_and_shares_out_of_range_are_said_at_once(folder):
    replace(folder, "clusters.section_4", "clusters.section_9")
    replace(folder, "ev_share = 0.20", "ev_share = 1.25")
    text = "\n".join(problems_of(folder))
    assert "[synthesis.future.clusters] column section_9: found an unknown cluster" in text
    assert "did you mean 'section_4'?" in text
    assert "[synthesis.future] column ev_share: found 1.25, expected a share from 0 up, at most 1" in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("household_kwh = 3500", "household_kwh = 0", "a number above 0 is needed"),
        ("hot_water_share = 0.3", "hot_water_share = 1.0", "a share between 0 and 1 is needed"),
        ("[synthesis.future", "[synthesis.later", "[synthesis.future]: found no such table"),
        (
            "[synthesis.future.clusters.section_4]\n",
            "[synthesis.future.clusters]\n",
            "a table for each cluster",
        ),
        ('profiles = "standard"', 'profiles = "measured"', "'measured'"),
    ],
)
def test_settings_that_do_not_fit_are_said(folder, old, new, said):
    replace(folder, old, new)
    assert any(said in line for line in problems_of(folder))


def test_a_table_that_is_no_table_is_said(folder):
    text = (folder / "study.toml").read_text()
    head = text[: text.index("[synthesis]")].replace('currency = "EUR"', 'currency = "EUR"\nsynthesis = 3')
    (folder / "study.toml").write_text(head)
    assert any("expected a table [synthesis]" in line for line in problems_of(folder))


def test_simbench_is_the_other_source(folder):
    pytest.importorskip("simbench")
    replace(folder, 'profiles = "standard"', 'profiles = "simbench"')
    study = load_study(folder)
    assert len(of_kind(study.community, "pv")) == 24
    loads = [study.profiles.columns[asset.asset] for asset in of_kind(study.community, "load")]
    assert all(load.min() >= 0.0 for load in loads)
    car = of_kind(study.community, "ev_charger")[0]
    assert f"{car.asset}.plugged_in" not in study.profiles.columns and np.isnan(car.departure_soc_share)
    assert study.inputs_sha256 != load_study_hash(folder)


def load_study_hash(folder):
    replace(folder, 'profiles = "simbench"', 'profiles = "standard"')
    return load_study(folder).inputs_sha256


def test_without_simbench_the_line_to_type_is_said(folder, monkeypatch):
    replace(folder, 'profiles = "standard"', 'profiles = "simbench"')
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "simbench" else found(name, *rest)
    )
    with pytest.raises(MissingExtraError, match=r"gridcommons\[simbench\]"):
        load_study(folder)


def test_every_key_is_known_and_documented():
    own = {field.name for field in fields(SynthesisSettings)}
    assert set(SYNTHESIS_KEYS["synthesis"]) == own | {"today", "future"}
    text = (ROOT / "docs" / "synthesis.md").read_text()
    for field in (*fields(SynthesisSettings), *fields(Mix)):
        assert f"`{field.name}`" in text, field.name
