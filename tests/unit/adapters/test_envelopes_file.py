"""``envelopes.csv`` and ``envelopes.parquet``: what is read, until when it holds, and what is a problem."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

import gridcommons as gc
from gridcommons.model.errors import StudyError

HEADER = "time,asset,p_min_kw,p_max_kw"
FIRST, SECOND = "2022-06-15T10:00:00Z", "2022-06-15T13:00:00+02:00"


@pytest.fixture
def folder(examples, tmp_path):
    return shutil.copytree(examples / "two_clusters", tmp_path / "study")


def write(folder, *lines, header=HEADER):
    (folder / "envelopes.csv").write_text("\n".join([header, *lines]) + "\n")


def read(folder):
    envelopes = gc.load_study(folder).envelopes
    return {
        name: (envelopes.p_min_kw[:, k].tolist(), envelopes.p_max_kw[:, k].tolist())
        for k, name in enumerate(envelopes.asset)
    }


def test_each_end_by_asset_and_interval(folder):
    write(
        folder,
        f"{SECOND},roof_pv,-40,-1",
        f"{FIRST},shop_load,0,55",
        f"{FIRST},roof_pv,-15,0",
        f"{SECOND},shop_load,66,66",
    )
    assert read(folder) == {
        "roof_pv": ([-15.0, -40.0], [0.0, -1.0]),
        "shop_load": ([0.0, 66.0], [55.0, 66.0]),
    }
    assert gc.load_study(folder).envelopes.p_min_kw.shape == (2, 2)


def test_an_envelope_holds_until_the_next_of_its_asset(folder):
    write(
        folder,
        "2022-06-15T08:00:00Z,roof_pv,-15,0",
        "2022-06-15T09:00:00Z,roof_pv,-14,0",
        f"{FIRST},shop_load,0,55",
        f"{SECOND},shop_load,0,44",
        "2022-06-15T12:00:00Z,roof_pv,-1,0",
    )
    assert read(folder) == {"roof_pv": ([-14.0, -14.0], [0.0, 0.0]), "shop_load": ([0.0, 0.0], [55.0, 44.0])}


def test_what_a_run_leaves_is_what_is_read(folder):
    stamps = pd.to_datetime([FIRST, SECOND] * 2, utc=True)
    frame = pd.DataFrame(
        {
            "time": stamps,
            "asset": pd.Categorical(["roof_pv"] * 2 + ["shop_load"] * 2),
            "p_min_kw": [-15.0, -40.0, 0.0, 0.0],
            "p_max_kw": [0.0, 0.0, 55.0, 66.0],
            "resolved": [True, True, False, True],
        }
    )
    frame.to_parquet(folder / "envelopes.parquet")
    assert read(folder) == {"roof_pv": ([-15.0, -40.0], [0.0, 0.0]), "shop_load": ([0.0, 0.0], [55.0, 66.0])}


def test_no_file_is_no_envelope(folder):
    assert gc.load_study(folder).envelopes is None


def test_generation_and_loads_are_held(folder):
    write(folder, f"{FIRST},roof_pv,-15,0", f"{FIRST},shop_load,0,55")
    figures = gc.run(gc.load_study(folder), "trading").summary
    assert figures["generation_kwh"] == pytest.approx(105.0 - 5.0 - 45.0)
    assert figures["consumption_kwh"] == pytest.approx(155.0 - 5.0 - 20.0)
    assert figures["clipped_orders"] == 4


@pytest.mark.parametrize(
    ("lines", "column", "said"),
    [
        ([f"{FIRST},roof,-15,0"], "asset", "did you mean 'roof_pv'?"),
        (
            [f"{FIRST},roof_pv,1,0"],
            "p_min_kw",
            "p_min_kw above p_max_kw (roof_pv at 2022-06-15T12:00:00+02:00)",
        ),
        ([f"{FIRST},roof_pv,-1,0", f"{SECOND},roof_pv,1,0"], "p_min_kw", "13:00:00+02:00"),
        ([f"{FIRST},roof_pv,low,0"], "p_min_kw", "low"),
        ([f"{FIRST},roof_pv,0,high"], "p_max_kw", "high"),
        ([f"{FIRST},roof_pv,-15,0", f"{SECOND},roof_pv,-15,"], "p_max_kw", "an empty cell"),
        ([f"{FIRST},roof_pv,-inf,0"], "p_min_kw", "not finite"),
    ],
)
def test_what_is_no_envelope_is_a_problem_of_its_column(folder, lines, column, said):
    write(folder, *lines)
    with pytest.raises(StudyError) as raised:
        gc.load_study(folder)
    (problem,) = raised.value.problems
    assert (problem.file, problem.column) == ("envelopes.csv", column)
    assert said in str(problem)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([f"{SECOND},roof_pv,-15,0"], "no envelope of roof_pv in the first interval"),
        (["2022-06-15T10:00:00,roof_pv,-15,0"], "append Z"),
        (["noon,roof_pv,-15,0"], "noon"),
        ([f"{FIRST},roof_pv,-15,0", f"{FIRST},roof_pv,-16,0"], "duplicate"),
    ],
)
def test_times_that_cannot_be_used_are_told(folder, lines, said):
    write(folder, *lines)
    with pytest.raises(StudyError) as raised:
        gc.load_study(folder)
    assert all(problem.file == "envelopes.csv" for problem in raised.value.problems)
    assert said in str(raised.value)


def test_columns_are_those_of_the_table(folder):
    write(folder, f"{FIRST},roof_pv,-15,0", header="time,asset,p_min_kw,pmax_kw")
    with pytest.raises(StudyError) as raised:
        gc.load_study(folder)
    text = str(raised.value)
    assert "did you mean 'p_max_kw'?" in text and "no such column" in text
    assert len(raised.value.problems) == 2


def test_two_files_are_one_too_many(folder):
    write(folder, f"{FIRST},roof_pv,-15,0")
    pd.read_csv(folder / "envelopes.csv").assign(time=pd.to_datetime([FIRST])).to_parquet(
        folder / "envelopes.parquet"
    )
    with pytest.raises(StudyError, match="one file of envelopes"):
        gc.load_study(folder)


def test_a_file_that_is_no_table_is_told(folder):
    (folder / "envelopes.parquet").write_bytes(b"no parquet")
    with pytest.raises(StudyError, match="a file that cannot be read"):
        gc.load_study(folder)
