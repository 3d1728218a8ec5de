"""Each way in which a study can be wrong is said with its exact place, and all of them at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from gridcommons.adapters.studies.check import check_study
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.errors import Problem, StudyError

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A copy of the chain example that a test may break."""
    folder = tmp_path / "chain"
    shutil.copytree(EXAMPLES / "chain", folder)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """Replace the only occurrence of a text in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def edit_grid(folder: Path, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    """Change the content of the grid file."""
    content = json.loads((folder / "grid.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "grid.json").write_text(json.dumps(content), encoding="utf-8")


def problems_of(folder: Path) -> tuple[Problem, ...]:
    """What the check finds wrong with a folder."""
    with pytest.raises(StudyError) as raised:
        load_study(folder)
    return raised.value.problems


def only_problem(folder: Path) -> Problem:
    """The one thing that is wrong with a folder."""
    found = problems_of(folder)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def place(problem: Problem) -> tuple[str, str, str]:
    """File, row and column of a problem."""
    return problem.file, problem.row, problem.column


def test_unknown_bus(chain: Path) -> None:
    edit(chain / "members.csv", "station_2,CS02", "station_2,CS2")
    problem = only_problem(chain)
    assert place(problem) == ("members.csv", "4", "bus")
    assert "'CS2'" in problem.found
    assert problem.suggestion == "did you mean 'CS02'?"


def test_duplicate_member(chain: Path) -> None:
    edit(chain / "members.csv", "household_2,UL02", "household_2,UL02\nhousehold_1,UL02")
    problem = only_problem(chain)
    assert place(problem) == ("members.csv", "6", "member")
    assert "row 2 has it first" in problem.expected


def test_duplicate_asset(chain: Path) -> None:
    edit(chain / "assets.csv", "CS02,station_2,ev_charger,true,1,22", "CS01,station_2,ev_charger,true,1,22")
    problem = only_problem(chain)
    assert place(problem) == ("assets.csv", "4", "asset")
    assert "'CS01' again" in problem.found


def test_naive_time_in_profiles(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T03:00:00Z", "2024-01-01T03:00:00")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "5", "time")
    assert "names no offset" in problem.found


def test_naive_start(chain: Path) -> None:
    edit(chain / "study.toml", '"2024-01-01T00:00:00Z"', '"2024-01-01T00:00:00"')
    problem = only_problem(chain)
    assert (problem.file, problem.table, problem.column) == ("study.toml", "time", "start")
    assert "names no offset" in problem.found


def test_missing_step(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T03:00:00Z,5,5\n", "")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "5", "time")
    assert "2024-01-01T03:00:00Z missing" in problem.found


def test_repeated_step(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T03:00:00Z", "2024-01-01T02:00:00Z")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "5", "time")
    assert "2024-01-01T02:00:00Z" in problem.found


def test_rows_out_of_order(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T03:00:00Z", "2024-01-01T00:30:00Z")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "5", "time")
    assert "a time before that of the row above" in problem.found


def test_nan_in_profile(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T02:00:00Z,3,3", "2024-01-01T02:00:00Z,3,nan")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "4", "UL02")
    assert problem.found == "an empty cell or NaN"


def test_infinite_value_in_profile(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T02:00:00Z,3,3", "2024-01-01T02:00:00Z,inf,3")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "4", "UL01")
    assert problem.found == "inf"


def test_word_in_profile(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T02:00:00Z,3,3", "2024-01-01T02:00:00Z,three,3")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "4", "UL01")
    assert problem.found == "'three'"


def test_profile_of_another_length(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T04:00:00Z,8,8\n2024-01-01T05:00:00Z,10,10\n", "")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "6", "time")
    assert problem.found == "4 rows in the window; 2024-01-01T04:00:00Z and 1 more missing"
    assert problem.expected == "6 rows from 2024-01-01T00:00:00Z to 2024-01-01T05:00:00Z"


def test_profile_row_with_a_missing_cell(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T04:00:00Z,8,8", "2024-01-01T04:00:00Z,8")
    problem = only_problem(chain)
    assert place(problem)[:2] == ("profiles.csv", "6")
    assert (problem.found, problem.expected) == ("2 cells", "3 cells, as in the header")


def test_coarser_profile_is_refused(chain: Path) -> None:
    edit(chain / "study.toml", "step_minutes = 60", "step_minutes = 30")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "", "time")
    assert problem.found == "a step of 60 min"


def test_negative_magnitude_in_profile(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T01:00:00Z,2,2", "2024-01-01T01:00:00Z,-2,2")
    problem = only_problem(chain)
    assert place(problem) == ("profiles.csv", "3", "UL01")
    assert problem.found == "-2"


def test_negative_rating(chain: Path) -> None:
    edit(chain / "assets.csv", "CS01,station_1,ev_charger,true,1,22", "CS01,station_1,ev_charger,true,1,-22")
    problem = only_problem(chain)
    assert place(problem) == ("assets.csv", "3", "charge_max_kw")
    assert "magnitude" in problem.expected


def test_islanded_member(chain: Path) -> None:
    def add_lonely_bus(grid: dict) -> None:  # type: ignore[type-arg]
        for column, value in (("name", "far"), ("vn_kv", 0.4), ("x_map", None), ("y_map", None)):
            grid["buses"][column].append(value)

    edit_grid(chain, add_lonely_bus)
    edit(chain / "members.csv", "household_2,UL02", "household_2,far")
    problem = only_problem(chain)
    assert place(problem) == ("members.csv", "5", "bus")
    assert problem.found == "member 'household_2' at bus 'far', which no source reaches"
    assert "nothing leads there" in problem.suggestion


def test_zero_impedance_line(chain: Path) -> None:
    def short_circuit(grid: dict) -> None:  # type: ignore[type-arg]
        grid["branches"]["r_pu"][2] = grid["branches"]["x_pu"][2] = 0.0

    edit_grid(chain, short_circuit)
    problem = only_problem(chain)
    assert (problem.file, problem.table, problem.row) == ("grid.json", "branches", "2")
    assert "'cable_3' without any impedance" in problem.found


def test_open_line_end_that_islands_loads(chain: Path) -> None:
    edit_grid(chain, lambda grid: grid["branches"]["to_closed"].__setitem__(2, False))
    found = problems_of(chain)
    assert [(p.row, p.column) for p in found] == [("4", "bus"), ("5", "bus")]
    assert "member 'station_2' at bus 'CS02'" in found[0].found
    assert found[0].suggestion == "open next to it: line 'cable_3', open at 'CS02'"


def test_open_switch_that_islands_a_load(chain: Path) -> None:
    def put_a_switch_before_the_last_bus(grid: dict) -> None:  # type: ignore[type-arg]
        for column, value in (("name", "end"), ("vn_kv", 0.4), ("x_map", None), ("y_map", None)):
            grid["buses"][column].append(value)
        grid["switches"] = {"name": ["S1"], "bus_a": [4], "bus_b": [5], "closed": [False]}

    edit_grid(chain, put_a_switch_before_the_last_bus)
    edit(chain / "members.csv", "household_2,UL02", "household_2,end")
    problem = only_problem(chain)
    assert place(problem) == ("members.csv", "5", "bus")
    assert "member 'household_2' at bus 'end'" in problem.found
    assert problem.suggestion == "open next to it: switch 'S1' from 'UL02' to 'end'"


def test_voltage_already_out_without_any_flexibility(chain: Path) -> None:
    edit(chain / "profiles.csv", "2024-01-01T05:00:00Z,10,10", "2024-01-01T05:00:00Z,25,25")
    lines = [line for line in check_study(chain) if line.startswith("load flow, without any flexibility")]
    assert len(lines) == 1
    assert "low voltage in 1 of 6 steps" in lines[0]
    assert "at UL02 at 2024-01-01T05:00:00+00:00" in lines[0]


def test_study_file_that_is_not_toml(chain: Path) -> None:
    edit(chain / "study.toml", 'currency = "EUR"', "currency : EUR")
    problem = only_problem(chain)
    assert place(problem) == ("study.toml", "4", "10")
    assert problem.found.startswith("not TOML")


def test_study_file_in_another_encoding(chain: Path) -> None:
    (chain / "study.toml").write_bytes(b'name = "K\xfche"\n')
    assert place(only_problem(chain)) == ("study.toml", "1", "")


def test_unknown_key_is_told_the_right_one(chain: Path) -> None:
    edit(chain / "study.toml", "vm_min_pu = 0.95", "vmin_pu = 0.95")
    problem = only_problem(chain)
    assert (problem.table, problem.column) == ("limits", "vmin_pu")
    assert problem.suggestion == "did you mean 'vm_min_pu'?"


def test_everything_wrong_is_said_at_once(chain: Path) -> None:
    edit(chain / "study.toml", "seed = 1", "seed = -1")
    edit(chain / "members.csv", "station_2,CS02", "station_2,nowhere")
    edit(chain / "assets.csv", "UL01,household_1,load,false,1,", "UL01,household_9,lod,false,1,")
    edit(chain / "profiles.csv", "2024-01-01T01:00:00Z,2,2", "2024-01-01T01:00:00Z,2,-2")
    found = {(p.file, p.column) for p in problems_of(chain)}
    assert found == {
        ("study.toml", "seed"),
        ("members.csv", "bus"),
        ("assets.csv", "member"),
        ("assets.csv", "kind"),
        ("profiles.csv", "UL02"),
    }


def test_missing_files(chain: Path) -> None:
    for name in ("members.csv", "grid.json", "profiles.csv"):
        (chain / name).unlink()
    assert {"members.csv", "grid.json", "profiles.parquet"} <= {p.file for p in problems_of(chain)}


def test_no_such_folder(tmp_path: Path) -> None:
    assert only_problem(tmp_path / "nothing").found == "no such folder"


@pytest.mark.parametrize("name", ["members.csv", "assets.csv", "profiles.csv", "grid.json"])
def test_empty_file(chain: Path, name: str) -> None:
    (chain / name).write_text("", encoding="utf-8")
    assert any(p.file == name and p.found == "an empty file" for p in problems_of(chain))


def big_columns(rows: int, columns: int) -> dict[str, pa.Array]:
    """Hourly rows around the window of the chain, and many columns."""
    first = np.datetime64("2024-01-01T00:00:00", "ms") - np.timedelta64(rows // 2, "h")
    stamps = pa.array(first + np.arange(rows) * np.timedelta64(1, "h"), pa.timestamp("ms", "UTC"))
    rng = np.random.default_rng(1)
    return {"time": stamps, **{f"X{i}": pa.array(rng.random(rows)) for i in range(columns)}}


@contextmanager
def arrow_memory() -> Iterator[pa.MemoryPool]:
    """A pool that counts only what is allocated inside the block; files are read by way of it."""
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(pool)
    try:
        yield pool
    finally:
        pa.set_memory_pool(usual)


def write_big(chain: Path, columns: dict[str, pa.Array], suffix: str) -> Path:
    """Replace the profiles of the chain by a file of about 100 MB."""
    (chain / "profiles.csv").unlink()
    path = chain / f"profiles.{suffix}"
    if suffix == "csv":
        pyarrow.csv.write_csv(pa.table(columns), path)
    else:
        pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=20_000, compression="none")
    assert path.stat().st_size > 95e6
    return path


@pytest.mark.parametrize(("suffix", "rows", "count"), [("csv", 60_000, 88), ("parquet", 120_000, 105)])
def test_profile_of_100_mb(chain: Path, suffix: str, rows: int, count: int) -> None:
    columns = big_columns(rows, count)
    columns["UL01"] = columns["UL02"] = pa.array(np.arange(rows, dtype=float))
    write_big(chain, columns, suffix)
    known = "".join(f"X{i},household_1,load,false,1,\n" for i in range(count))
    with (chain / "assets.csv").open("a", encoding="utf-8") as file:
        file.write(known)
    with arrow_memory() as pool:
        study = load_study(chain)
    assert 0 < pool.max_memory() < 60e6
    start = rows // 2
    assert study.profiles.columns["UL01"].tolist() == [float(start + i) for i in range(6)]
    assert any(f"{rows - 6} rows outside the window are cut" in note for note in study.notes)


def test_profile_of_100_mb_with_a_wrong_row_far_down(chain: Path) -> None:
    rows = 60_000
    columns = big_columns(rows, 88)
    columns["UL01"] = columns["UL02"] = pa.array(np.zeros(rows))
    path = write_big(chain, columns, "csv")
    with path.open("a", encoding="utf-8") as file:
        file.write("yesterday" + ",1" * 90 + "\n")
    found = problems_of(chain)
    assert ("profiles.csv", str(rows + 2), "time") in {place(p) for p in found}
