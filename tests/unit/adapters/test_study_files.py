"""What a study folder says arrives in the study, bit for bit and step for step."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.adapters.grids.plain_json import TABLES, read_plain_grid, write_grid
from gridcommons.adapters.studies.check import check_study
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import Branches, Buses, Grid, Sources

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A copy of the chain example that a test may change."""
    folder = tmp_path / "chain"
    shutil.copytree(EXAMPLES / "chain", folder)
    return folder


def write_time(folder: Path, start: str, step_minutes: int, steps: int, zone: str = "UTC") -> None:
    """Give a study another window."""
    text = (folder / "study.toml").read_text(encoding="utf-8")
    head, rest = text.split("[time]")
    tail = rest[rest.index("[grid]") :]
    table = f'start = "{start}"\ntimezone = "{zone}"\nstep_minutes = {step_minutes}\nsteps = {steps}\n\n'
    (folder / "study.toml").write_text(f"{head}[time]\n{table}{tail}", encoding="utf-8")


def write_rows(path: Path, header: str, rows: list[str]) -> None:
    """Write a CSV file."""
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def problems_of(folder: Path) -> list[str]:
    """What the check finds wrong, a line each."""
    with pytest.raises(StudyError) as raised:
        load_study(folder)
    return [str(problem) for problem in raised.value.problems]


def test_chain_is_read_as_written() -> None:
    study = load_study(EXAMPLES / "chain")
    assert study.time.start == datetime(2024, 1, 1, tzinfo=UTC)
    assert (study.time.step_minutes, study.time.steps) == (60, 6)
    assert [asset.kind for asset in study.community.assets] == ["load", "ev_charger", "ev_charger", "load"]
    assert study.community.controllable == (1, 2)
    assert study.community.asset_buses(study.grid).tolist() == [1, 2, 3, 4]
    assert study.profiles.columns["UL02"].tolist() == [1.0, 2.0, 3.0, 5.0, 8.0, 10.0]
    assert study.grid.branches.r_pu == pytest.approx([0.642 * 0.15 / 0.16] * 4, rel=1e-12)
    assert study.limits.vm_min_pu.shape == (1, 5)
    assert set(study.limits.vm_min_pu.ravel()) == {0.95}
    assert study.tasks["envelopes"]["objective"] == "max_total"


def test_rural_day_is_the_day_that_it_says() -> None:
    study = load_study(EXAMPLES / "rural_day")
    assert study.time.start == datetime(2016, 5, 26, 22, tzinfo=UTC)
    assert study.time.steps == 96
    assert len(study.grid.buses) == 97
    assert len(study.community.controllable) == 46
    assert set(study.grid.sources.vm_pu) == {1.025}


def test_rural_day_exceeds_its_band_in_eight_steps_uncontrolled() -> None:
    lines = [
        line for line in check_study(EXAMPLES / "rural_day") if line.startswith("load flow, uncontrolled")
    ]
    assert len(lines) == 1
    assert "high voltage in 8 of 96 steps" in lines[0]


def test_heimschuh_has_the_pilot_s_size() -> None:
    study = load_study(EXAMPLES / "heimschuh")
    assets, members = study.community.assets, study.community.members
    assert (study.time.step_minutes, study.time.steps) == (1, 1440)
    assert sum(member.member.startswith("participant") for member in members) == 21
    assert sum(member.battery_share for member in members) == pytest.approx(1.0, abs=1e-12)
    solar_kw = [asset.rating_kw for asset in assets if asset.kind == "pv"]
    assert sum(solar_kw) == pytest.approx(250.0)
    flexible = [assets[index] for index in study.community.controllable]
    assert sorted((asset.kind, asset.rating_kw) for asset in flexible) == [
        ("battery", 40.0),
        ("ev_charger", 22.0),
        ("ev_charger", 22.0),
    ]
    assert not any("energy out of its band" in note or "above their rating" in note for note in study.notes)


def test_heimschuh_is_overloaded_in_the_evening_only() -> None:
    lines = [line for line in check_study(EXAMPLES / "heimschuh") if "without any flexibility" in line]
    assert len(lines) == 1
    assert "low voltage" in lines[0]
    assert "T19:" in lines[0]


def test_example_profiles_stay_small() -> None:
    assert (EXAMPLES / "heimschuh" / "profiles.parquet").stat().st_size < 1.5e6


def test_finer_steps_are_averaged_and_energies_summed(chain: Path) -> None:
    write_time(chain, "2024-01-01T00:00:00Z", 60, 2)
    values = np.arange(8.0)
    stamps = [f"2024-01-01T0{i // 4}:{15 * (i % 4):02d}:00Z" for i in range(8)]
    header = "time,UL01,UL02,CS01.drive_kwh,CS01.plugged_in"
    rows = [f"{at},{v},{2 * v},0.5,{int(v < 3)}" for at, v in zip(stamps, values, strict=True)]
    write_rows(chain / "profiles.csv", header, rows)
    study = load_study(chain)
    columns = study.profiles.columns
    assert columns["UL01"].tolist() == [1.5, 5.5]
    assert columns["UL02"].tolist() == [3.0, 11.0]
    assert columns["CS01.drive_kwh"].tolist() == [2.0, 2.0]
    assert columns["CS01.plugged_in"].tolist() == [0.75, 0.0]
    assert any("steps of 15 min are averaged to 60 min (4 rows each)" in note for note in study.notes)


def test_rows_outside_the_window_are_cut_and_counted(chain: Path) -> None:
    write_time(chain, "2024-01-01T01:00:00Z", 60, 3)
    study = load_study(chain)
    assert study.profiles.columns["UL01"].tolist() == [2.0, 3.0, 5.0]
    assert any("3 rows outside the window are cut" in note for note in study.notes)


@pytest.mark.parametrize(
    ("start", "end", "steps"),
    [("2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00", 23),
     ("2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00", 25)],
)  # fmt: skip
def test_day_of_clock_change_has_23_or_25_hours(chain: Path, start: str, end: str, steps: int) -> None:
    write_time(chain, start, 60, steps, "Europe/Berlin")
    first = datetime.fromisoformat(start).astimezone(UTC)
    stamps = np.datetime64(first.replace(tzinfo=None)) + np.arange(steps) * np.timedelta64(1, "h")
    write_rows(chain / "profiles.csv", "time,UL01,UL02", [f"{at}Z,{i},{i}" for i, at in enumerate(stamps)])
    study = load_study(chain)
    assert study.time.end == datetime.fromisoformat(end)
    assert study.profiles.columns["UL01"].tolist() == list(range(steps))
    assert study.time.local(steps).hour == 0


def test_stamps_with_local_offsets_mean_the_same_instants(chain: Path) -> None:
    expected = load_study(chain).profiles.columns["UL01"]
    rows = [f"2024-01-01T0{i + 1}:00:00+01:00,{v},{v}" for i, v in enumerate((1, 2, 3, 5, 8, 10))]
    write_rows(chain / "profiles.csv", "time,UL01,UL02", rows)
    assert load_study(chain).profiles.columns["UL01"].tolist() == expected.tolist()


def test_parquet_says_the_same_as_csv(chain: Path) -> None:
    expected = load_study(chain)
    stamps = pa.array(expected.time.stamps(), pa.timestamp("ms")).cast(pa.timestamp("us", "Europe/Berlin"))
    columns = {name: pa.array(values) for name, values in expected.profiles.columns.items()}
    pyarrow.parquet.write_table(pa.table({"time": stamps, **columns}), chain / "profiles.parquet")
    (chain / "profiles.csv").unlink()
    # The zone is only a label of the same instants only if the cast kept them: naive meant UTC.
    with_zone = pyarrow.parquet.read_table(chain / "profiles.parquet").column("time")
    utc = pa.array(expected.time.stamps(), pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    table = pa.table({"time": utc, **columns})
    assert with_zone.type.tz == "Europe/Berlin"
    pyarrow.parquet.write_table(table, chain / "profiles.parquet")
    assert load_study(chain).profiles.columns["UL02"].tolist() == [1.0, 2.0, 3.0, 5.0, 8.0, 10.0]


def test_naive_parquet_times_are_refused(chain: Path) -> None:
    study = load_study(chain)
    table = pa.table({"time": pa.array(study.time.stamps()), **dict(study.profiles.columns)})
    pyarrow.parquet.write_table(table, chain / "profiles.parquet")
    (chain / "profiles.csv").unlink()
    assert problems_of(chain) == [
        "profiles.parquet row 1, column time: found times without an offset, expected a time with its offset "
        "from UTC, such as 2016-07-01T00:00:00Z; store them with the zone UTC"
    ]


def test_hourly_prices_hold_over_the_steps_in_them(chain: Path) -> None:
    write_time(chain, "2024-01-01T00:30:00Z", 30, 3)
    rows = [f"2024-01-01T0{i // 2}:{30 * (i % 2):02d}:00Z,1,1" for i in range(6)]
    write_rows(chain / "profiles.csv", "time,UL01,UL02", rows)
    header = "time,import_price_per_kwh,export_price_per_kwh"
    prices = [f"2024-01-01T0{i}:00:00Z,{value},-0.02" for i, value in enumerate((0.1, 0.2, 0.3))]
    write_rows(chain / "prices.csv", header, prices)
    study = load_study(chain)
    assert study.prices is not None
    assert study.prices.import_price_per_kwh.tolist() == [0.1, 0.2, 0.2]
    assert study.prices.export_price_per_kwh.tolist() == [-0.02] * 3
    assert np.isnan(study.prices.heat_price_per_kwh).all()


def test_limits_by_element_and_time(chain: Path) -> None:
    rows = [
        "CS01,bus,vm_min_pu,0.97,2024-01-01T02:00:00Z",
        "CS01,bus,vm_min_pu,0.96,",
        "cable_2,line,loading_max_percent,80,",
        "UL02,bus,va_min_degree,-3,",
    ]
    write_rows(chain / "limits.csv", "element,kind,limit,value,time", rows)
    limits = load_study(chain).limits
    assert limits.vm_min_pu[:, 2].tolist() == [0.96, 0.96, 0.97, 0.96, 0.96, 0.96]
    assert limits.vm_min_pu[:, 1].tolist() == [0.95] * 6
    assert limits.loading_max_percent.tolist() == [[100.0, 80.0, 100.0, 100.0]]
    assert limits.va_min_degree[0, 4] == -3.0


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("CS1,bus,vm_min_pu,0.97,", "element", "did you mean 'CS01'?"),
        ("CS01,buss,vm_min_pu,0.97,", "kind", "did you mean 'bus'?"),
        ("CS01,line,loading_max_percent,80,", "element", "the name of a line of the grid"),
        ("CS01,bus,loading_max_percent,80,", "limit", "a limit of a bus"),
        ("CS01,bus,vm_min_pu,0.97,2024-01-01T02:30:00Z", "time", "the start of an interval"),
        ("CS01,bus,vm_min_pu,0.97,2024-01-01T02:00:00", "time", "names no offset"),
        ("CS01,bus,vm_min_pu,1.06,", "value", "vm_min_pu not below vm_max_pu at CS01"),
        ("CS01,bus,vm_min_pu,,", "value", "an empty cell"),
    ],
)
def test_wrong_limits_are_placed(chain: Path, row: str, column: str, words: str) -> None:
    write_rows(chain / "limits.csv", "element,kind,limit,value,time", [row])
    found = problems_of(chain)
    assert len(found) == 1
    assert found[0].startswith(f"limits.csv row 2, column {column}:")
    assert words in found[0]


BATTERY = "B,station_1,battery,true,10,10,{energy},0.9,{efficiency},{initial},0.1,0.9"
BATTERY_HEADER = (
    "asset,member,kind,flexible,charge_max_kw,discharge_max_kw,energy_kwh,charge_efficiency_share,"
    "discharge_efficiency_share,soc_initial_share,soc_min_share,soc_max_share"
)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"initial": "0.95"}, "soc_initial_share"),
        ({"initial": "1.5"}, "soc_initial_share"),
        ({"efficiency": "0"}, "discharge_efficiency_share"),
        ({"efficiency": "95"}, "discharge_efficiency_share"),
        ({"energy": ""}, "energy_kwh"),
        ({"energy": "inf"}, "energy_kwh"),
    ],
)
def test_wrong_battery_is_placed(chain: Path, change: dict[str, str], column: str) -> None:
    values = {"energy": "20", "efficiency": "0.9", "initial": "0.5", **change}
    write_rows(chain / "assets.csv", BATTERY_HEADER, [BATTERY.format(**values)])
    write_rows(chain / "profiles.csv", "time", [f"2024-01-01T0{i}:00:00Z" for i in range(6)])
    found = problems_of(chain)
    assert len(found) == 1
    assert found[0].startswith(f"assets.csv row 2, column {column}:")


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("UL.01,household_1,load,false,1,", "asset", "an id without a dot"),
        ("UL01,household_1,load,true,1,", "flexible", "demand_response"),
        ("UL01,household_1,load,false,1,5", "charge_max_kw", "a load has no charge_max_kw"),
        ("UL01,household_1,load,maybe,1,", "flexible", "true or false"),
        ("UL01,household_1,load,false,0,", "power_factor", "above 0"),
        ("UL01,household_1,ev_charger,false,1,", "charge_max_kw", "every ev_charger needs it"),
        ("UL01,household,load,false,1,", "member", "did you mean 'household_"),
    ],
)
def test_wrong_assets_are_placed(chain: Path, row: str, column: str, words: str) -> None:
    text = (chain / "assets.csv").read_text(encoding="utf-8")
    (chain / "assets.csv").write_text(text.replace("UL01,household_1,load,false,1,", row), encoding="utf-8")
    found = [line for line in problems_of(chain) if line.startswith("assets.csv")]
    assert len(found) == 1
    assert found[0].startswith(f"assets.csv row 2, column {column}:")
    assert words in found[0]


def test_profile_that_belongs_to_no_asset(chain: Path) -> None:
    text = (chain / "profiles.csv").read_text(encoding="utf-8").replace("time,UL01", "time,UL1")
    (chain / "profiles.csv").write_text(text, encoding="utf-8")
    found = problems_of(chain)
    assert any("column UL1: found a profile that belongs to no asset" in line for line in found)
    assert any(
        line.startswith("assets.csv row 2, column asset: found 'UL01' without a profile") for line in found
    )


def test_car_without_discharging_must_not_discharge(chain: Path) -> None:
    rows = [f"2024-01-01T0{i}:00:00Z,1,1,{-5 if i == 3 else 5}" for i in range(6)]
    write_rows(chain / "profiles.csv", "time,UL01,UL02,CS01", rows)
    assert problems_of(chain)[0].startswith("profiles.csv row 5, column CS01: found -5")


def test_phase_in_a_balanced_study(chain: Path) -> None:
    rows = ["household_1,UL01,a", "station_1,CS01,", "station_2,CS02,", "household_2,UL02,"]
    write_rows(chain / "members.csv", "member,bus,phase", rows)
    assert problems_of(chain)[0].startswith("members.csv row 2, column phase:")
    text = (chain / "study.toml").read_text(encoding="utf-8")
    balanced = text.replace('file = "grid.json"', 'file = "grid.json"\nphases = "balanced"')
    (chain / "study.toml").write_text(balanced, encoding="utf-8")
    assert any("1 members on one phase are spread" in note for note in load_study(chain).notes)


def test_hash_follows_every_input_byte(chain: Path) -> None:
    first = load_study(chain).inputs_sha256
    assert load_study(EXAMPLES / "chain").inputs_sha256 == first
    for name in ("study.toml", "members.csv", "assets.csv", "profiles.csv", "grid.json"):
        content = (chain / name).read_bytes()
        (chain / name).write_bytes(content + b"\n")
        assert load_study(chain).inputs_sha256 != first, name
        (chain / name).write_bytes(content)


def test_defaults_are_said(chain: Path) -> None:
    text = (chain / "study.toml").read_text(encoding="utf-8")
    (chain / "study.toml").write_text(text.replace("vm_max_pu = 1.05\n", ""), encoding="utf-8")
    assert "limits: no vm_max_pu is given; 1.05 is used" in load_study(chain).notes


@given(
    values=st.lists(
        st.floats(allow_nan=False, allow_infinity=False, min_value=1e-300), min_size=3, max_size=3
    ),
    rating_ka=st.one_of(st.just(float("inf")), st.floats(min_value=0.0, allow_infinity=False)),
)
@settings(max_examples=60, deadline=None)
def test_plain_grid_round_trip_is_exact(tmp_path_factory, values, rating_ka) -> None:  # type: ignore[no-untyped-def]
    r_pu, x_pu, vm_pu = (np.array([value]) for value in values)
    none, on = np.zeros(1), np.array([True])
    grid = Grid(
        Buses(("a", "b ä"), np.array([0.4, 0.4]), np.array([np.nan, 1.1]), np.array([np.nan, -2.2])),
        Branches(
            ("l",), ("line",), np.array([0]), np.array([1]), r_pu, x_pu, none, -x_pu, none, none,
            np.ones(1), none, np.array([rating_ka]), np.array([rating_ka]), none, on, ~on,
        ),
        Sources(("s",), np.array([0]), vm_pu, none),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("grid") / "grid.json"
    write_grid(grid, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    back = read_plain_grid(content, "grid.json")
    for name, kind in TABLES.items():
        for column in fields(kind):
            before, after = (getattr(getattr(g, name), column.name) for g in (grid, back))
            if isinstance(before, tuple):
                assert before == after
            else:
                assert before.dtype == after.dtype
                assert before.tobytes() == after.tobytes(), (name, column.name)


def test_plain_grid_with_a_wrong_bus_is_refused(chain: Path) -> None:
    content = json.loads((chain / "grid.json").read_text(encoding="utf-8"))
    content["branches"]["to_bus"][3] = 9
    (chain / "grid.json").write_text(json.dumps(content), encoding="utf-8")
    assert problems_of(chain) == [
        "grid.json [branches] row 3, column to_bus: found 9, expected a bus from 0 to 4"
    ]
