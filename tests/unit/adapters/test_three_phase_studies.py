"""Study folders on three-phase grids: members on phases, limits by element or phase, OpenDSS as a source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.studies.check import check_study
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import no_phase_loads
from gridcommons.powerflow.admittance import build_network
from gridcommons.tasks import run
from three_phase import four_bus_drawing, solve_by_gauss
from three_phase_studies import rated

TOML = """name = "Three phases"
currency = "EUR"
seed = 1

[time]
start = "2024-01-01T00:00:00Z"
step_minutes = 60
steps = 2

[grid]
file = "grid.json"

[limits]
vm_min_pu = 0.9
vm_max_pu = 1.1
line_loading_max_percent = 100
transformer_loading_max_percent = 100

[tasks.envelopes]
draws = 50
"""
MEMBERS = ["A,2,a", "B,3,b", "C,2,c", "PAIR,1,bc", "DELTA,1,delta", "ALL,1,"]
ASSETS = [
    "EA,A,ev_charger,true,7.4",
    "EB,B,ev_charger,true,7.4",
    "EALL,ALL,ev_charger,true,22",
    "LC,C,load,,",
    "LP,PAIR,load,,",
    "LD,DELTA,load,,",
]
LOADS = {"LC": 2.0, "LP": 3.0, "LD": 4.5}
MASTER = """clear
new circuit.small basekv=0.4 pu=1.02 mvasc3=1000 mvasc1=1000
new line.l1 bus1=sourcebus bus2=1 r1=0.2 x1=0.1 r0=0.5 x0=0.2 c1=0 c0=0 length=1 normamps=80
new load.fixed bus1=1.2 phases=1 kv=0.23 kw=3 kvar=1 vminpu=0.5 vmaxpu=1.5
set voltagebases=[0.4]
calcvoltagebases
"""


def write_rows(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def write_toml(folder: Path, *changes: tuple[str, str]) -> None:
    text = TOML
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "study.toml").write_text(text, encoding="utf-8")


def write_members(folder: Path, rows: list[str]) -> None:
    write_rows(folder / "members.csv", "member,bus,phase", rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study on the four-bus feeder: bus 2 has phases a and c, bus 3 has phase b."""
    write_toml(tmp_path)
    write_grid(rated(four_bus_drawing().grid(), {"L1": 150.0}), tmp_path / "grid.json")
    write_members(tmp_path, MEMBERS)
    write_rows(tmp_path / "assets.csv", "asset,member,kind,flexible,charge_max_kw", ASSETS)
    stamps = [f"2024-01-01T0{hour}:00:00Z," + ",".join(map(str, LOADS.values())) for hour in (0, 1)]
    write_rows(tmp_path / "profiles.csv", "time," + ",".join(LOADS), stamps)
    return tmp_path


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(StudyError) as raised:
        load_study(folder)
    return [str(problem) for problem in raised.value.problems]


def test_members_arrive_on_their_phases(folder: Path):
    study = load_study(folder)
    at, name = study.community.terminals(study.grid), (*study.grid.buses.name, "earth")
    found = {asset.asset: set() for asset in study.community.assets}
    for asset, bus, to_bus in zip(at.asset, at.bus, at.to_bus, strict=True):
        found[study.community.assets[asset].asset].add((name[bus], name[to_bus]))
    assert found == {
        "EA": {("2.a", "earth")},
        "EB": {("3.b", "earth")},
        "EALL": {("1.a", "earth"), ("1.b", "earth"), ("1.c", "earth")},
        "LC": {("2.c", "earth")},
        "LP": {("1.b", "1.c")},
        "LD": {("1.a", "1.b"), ("1.b", "1.c"), ("1.c", "1.a")},
    }


def test_the_check_counts_phases_and_solves_with_everyone_where_they_are(folder: Path):
    lines = check_study(folder)
    assert "grid: three-phase, 4 buses of 9 phases, 3 lines, 0 bus switches, 3 sources, radial" in lines
    assert "phases: members 1 on a, 1 on b, 1 on c, 1 on bc, 1 on delta, 1 on all three" in lines
    assert any("2 branches without a rating" in line for line in lines)
    assert any(line.startswith("note: grid.json: 9 fixed loads by phase, together 46.0 kW") for line in lines)
    loads = [("2.c", "", 2.0, "power"), ("1.b", "1.c", 3.0, "power")]
    loads += [(f"1.{p}", f"1.{q}", 1.5, "power") for p, q in ("ab", "bc", "ca")]
    vm_pu = np.abs(solve_by_gauss(four_bus_drawing(), loads=loads))
    write_toml(folder, ("vm_min_pu = 0.9", f"vm_min_pu = {vm_pu.min() + 1e-4}"))
    name = four_bus_drawing().grid().buses.name[int(vm_pu.argmin())]
    low = f"low voltage in 2 of 2 steps, worst {vm_pu.min():.4g} pu at {name} at 2024-01-01T00:00:00+00:00"
    assert f"load flow, without any flexibility (all at rest): {low}" in check_study(folder)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("X,2,b", "phase", ["'b' at bus '2' without phase b", "phases that the bus has: a, c"]),
        ("X,2,", "phase", ["an empty cell, which is all three phases, at bus '2' without phase b"]),
        ("X,2,bc", "phase", ["'bc' at bus '2' without phase b"]),
        ("X,3,delta", "phase", ["'delta' at bus '3' without phase a, c", "phases that the bus has: b"]),
        ("X,2,ac", "phase", ["'ac'", "a, b, c, ab, bc, ca, delta or empty"]),
        ("X,4,a", "bus", ["'4'", "the name of a bus of the grid"]),
        (
            "X,2.a,a",
            "bus",
            ["'2.a'", "the name of a bus without its phase", "write '2', and 'a' in the column"],
        ),
    ],
)
def test_wrong_connections_are_placed(folder: Path, row: str, column: str, words: list[str]):
    write_members(folder, [*MEMBERS, row])
    (problem,) = problems_of(folder)
    assert problem.startswith(f"members.csv row 8, column {column}:") and all(
        word in problem for word in words
    )


def test_a_phase_that_no_source_reaches_is_named(folder: Path):
    grid = four_bus_drawing().grid()
    opened = grid.branches.from_closed.copy()
    opened[grid.branch_index["L2.c"]] = False
    grid = replace(grid, branches=replace(grid.branches, from_closed=opened), phase_loads=no_phase_loads())
    write_grid(grid, folder / "grid.json")
    (problem,) = problems_of(folder)
    assert "member 'C' at bus '2', where no source reaches phase c" in problem and "'L2.c'" in problem


def test_a_three_phase_grid_has_no_phases_to_spread(folder: Path):
    write_toml(folder, ('file = "grid.json"', 'file = "grid.json"\nphases = "balanced"'))
    (problem,) = problems_of(folder)
    assert problem.startswith("study.toml [grid] column phases: found 'balanced' with a three-phase grid")


def test_limits_hold_for_all_phases_of_an_element_or_for_one(folder: Path):
    rows = ["2,bus,vm_min_pu,0.93,", "1.c,bus,vm_max_pu,1.07,", "L1,line,loading_max_percent,80,"]
    rows += [
        "L2.c,line,loading_max_percent,60,2024-01-01T01:00:00Z",
        "3,bus,vm_max_pu,1.05,2024-01-01T00:00:00Z",
    ]
    write_rows(folder / "limits.csv", "element,kind,limit,value,time", rows)
    study = load_study(folder)
    bus, branch, limits = study.grid.bus_index, study.grid.branch_index, study.limits.window(0, 2)
    low = np.full((2, 9), 0.9)
    low[:, [bus["2.a"], bus["2.c"]]] = 0.93
    high = np.full((2, 9), 1.1)
    high[:, bus["1.c"]], high[0, bus["3.b"]] = 1.07, 1.05
    loading = np.full((2, 6), 100.0)
    loading[:, [branch[f"L1.{phase}"] for phase in "abc"]], loading[1, branch["L2.c"]] = 80.0, 60.0
    np.testing.assert_array_equal(limits.vm_min_pu, low)
    np.testing.assert_array_equal(limits.vm_max_pu, high)
    np.testing.assert_array_equal(limits.loading_max_percent, loading)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2,bus,vm_min_pu,0.93,", "2.a,bus,vm_min_pu,0.94,"], "a second value for the same limit"),
        (["2,bus,va_max_degree,3,"], "a three-phase grid keeps the 120 degrees between its phases"),
        (["L1,line,va_diff_max_degree,3,"], "a three-phase grid keeps the 120 degrees between its phases"),
        (["2.b,bus,vm_min_pu,0.93,"], "'2.b', expected the name of a bus of the grid; did you mean"),
        (["L11,line,loading_max_percent,50,"], "'L11', expected the name of a line of the grid; did you"),
        (["L1,transformer,loading_max_percent,50,"], "'L1', expected the name of a transformer of the grid"),
        (["2.a,bus,vm_min_pu,1.2,"], "vm_min_pu not below vm_max_pu at 2.a"),
    ],
)  # fmt: skip
def test_wrong_limits_are_placed(folder: Path, rows: list[str], words: str):
    write_rows(folder / "limits.csv", "element,kind,limit,value,time", rows)
    (problem,) = problems_of(folder)
    assert problem.startswith(f"limits.csv row {len(rows) + 1}") and words in problem


@pytest.mark.parametrize("task", ["control", "flexibility"])
def test_tasks_of_balanced_grids_say_that_they_are(folder: Path, task: str):
    with pytest.raises(StudyError, match=f"a three-phase grid for the task '{task}'.*ask for envelopes"):
        run(load_study(folder), task)


def test_envelopes_of_a_folder_are_tested_on_their_phases(folder: Path):
    write_toml(folder, ("vm_min_pu = 0.9", "vm_min_pu = 0.8"))
    result = run(load_study(folder), "envelopes")
    assert set(result.tables["envelopes"]["asset"]) == {"EA", "EB", "EALL"}
    assert set(result.tables["envelope_checks"]["status"]) == {"tested"}
    assert result.summary["violations_found"] == 0
    assert set(result.tables["bus_voltages"]["bus"]) == set(four_bus_drawing().grid().buses.name)


@pytest.fixture
def opendss(folder: Path) -> Path:
    (folder / "Master.dss").write_text(MASTER, encoding="utf-8")
    write_members(folder, ["A,1,a"])
    write_rows(
        folder / "assets.csv", "asset,member,kind,flexible,charge_max_kw", ["EA,A,ev_charger,true,7.4"]
    )
    write_rows(folder / "profiles.csv", "time", [f"2024-01-01T0{hour}:00:00Z" for hour in (0, 1)])
    write_toml(folder, ('file = "grid.json"', 'source = "opendss:Master.dss"'))
    return folder


def test_a_script_of_opendss_is_a_source(opendss: Path):
    study = load_study(opendss)
    assert study.grid.is_three_phase and {"1.a", "1.b", "1.c"} <= set(study.grid.buses.name)
    assert study.grid.sources.vm_pu == pytest.approx([1.02] * 3)
    assert study.grid.phase_loads.p_kw.tolist() == [3.0]


def test_the_hash_of_the_inputs_is_that_of_the_grid_that_scripts_make(opendss: Path):
    first = load_study(opendss).inputs_sha256
    assert load_study(opendss).inputs_sha256 == first
    script = opendss / "Master.dss"
    script.write_text(script.read_text() + "\n! a word\n")
    assert load_study(opendss).inputs_sha256 == first
    write_toml(opendss, ('file = "grid.json"', 'source = "opendss:Master.dss"\nslack_vm_pu = 1.01'))
    assert load_study(opendss).inputs_sha256 != first


def test_the_source_of_a_script_can_be_held_at_another_voltage(opendss: Path):
    source = 'source = "opendss:Master.dss"'
    write_toml(opendss, ('file = "grid.json"', f"{source}\nslack_vm_pu = 1.01"))
    study = load_study(opendss)
    assert study.grid.sources.vm_pu == pytest.approx([1.01] * 3)
    assert "override: every source holds 1.01 pu (slack_vm_pu)" in study.notes


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tap_pos = 0", "column tap_pos: found 0 with opendss"),
        ("options = { tap = 1 }", "column options: found the unknown option 'tap'"),
        ('options = { taps = { reg1a = "up" } }', "column options: found taps = {'reg1a': 'up'}"),
        ("options = { taps = 1.02 }", "column options: found taps = 1.02"),
    ],
)
def test_wrong_options_of_a_script_are_placed(opendss: Path, line: str, words: str):
    write_toml(opendss, ('file = "grid.json"', f'source = "opendss:Master.dss"\n{line}'))
    (problem,) = problems_of(opendss)
    assert problem.startswith("study.toml [grid]") and words in problem


def test_taps_of_a_script_are_those_of_the_study(opendss: Path):
    regulator = "phases=3 windings=2 buses=(1 2) conns=(wye wye) kvs=(0.4 0.4) kvas=(100 100) xhl=1"
    script = MASTER.replace("new load", f"new transformer.reg {regulator}\nnew load")
    (opendss / "Master.dss").write_text(script, encoding="utf-8")
    for tap in (1.0, 1.05):
        options = f"options = {{ taps = {{ reg = {tap} }} }}"
        write_toml(opendss, ('file = "grid.json"', f'source = "opendss:Master.dss"\n{options}'))
        grid = load_study(opendss).grid
        network = build_network(grid)
        idle = network.v_no_load[network.node_of_bus[[grid.bus_index[f"{bus}.a"] for bus in "12"]]]
        assert abs(idle[1] / idle[0]) == pytest.approx(tap, abs=1e-4)
