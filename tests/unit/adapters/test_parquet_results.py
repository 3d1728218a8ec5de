from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters import parquet_results
from gridcommons.adapters.parquet_results import ParquetTables, json_text, read_result
from gridcommons.model.errors import StudyError
from gridcommons.model.results import LazyTables, Result


def rows(start, stop):
    index = np.arange(start, stop)
    return {
        "time": np.datetime64("2024-01-01", "ms") + index * np.timedelta64(1, "m"),
        "asset": np.array([f"asset {i % 5}" for i in index], dtype=object),
        "p_max_kw": index / 3.0,
    }


def leave(folder, parts=((0, 10),), summary=None):
    with ParquetTables(folder) as sink:
        for start, stop in parts:
            sink.write("envelopes", rows(start, stop))
        result = Result("envelopes", LazyTables(sink.readers()), summary or {"steps": 1}, {"seed": 7})
        sink.finish(result)
    return result


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_finished_run_leaves_tables_and_says_where_they_come_from(tmp_path):
    made = leave(tmp_path / "deep" / "out", summary={"steps": np.int64(3), "worst": np.float64("nan")})
    assert names(tmp_path / "deep") == ["out"]
    assert names(tmp_path / "deep" / "out") == ["envelopes.parquet", "provenance.json", "summary.json"]
    read = read_result(tmp_path / "deep" / "out")
    assert read.task == "envelopes"
    assert read.summary == {"steps": 3, "worst": None}
    assert read.provenance == {"task": "envelopes", "seed": 7}
    assert read.tables["envelopes"].equals(made.tables["envelopes"])
    assert str(read.tables["envelopes"]["time"].dt.tz) == "UTC"
    schema = pq.read_schema(tmp_path / "deep" / "out" / "envelopes.parquet")
    assert pa.types.is_dictionary(schema.field("asset").type)
    assert schema.field("time").type == pa.timestamp("ms", tz="UTC")


def test_the_bytes_of_a_table_depend_on_its_rows_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_results, "_ROWS_AT_ONCE", 64)
    leave(tmp_path / "whole", [(0, 300)])
    leave(tmp_path / "parts", [(0, 1), (1, 100), (100, 100), (100, 227), (227, 300)])
    whole, parts = ((tmp_path / name / "envelopes.parquet").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    assert pq.ParquetFile(tmp_path / "whole" / "envelopes.parquet").num_row_groups == 5
    assert (
        read_result(tmp_path / "parts").tables["envelopes"]["p_max_kw"].tolist()
        == (np.arange(300) / 3).tolist()
    )


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_results, "_ROWS_AT_ONCE", 10_000)
    most = 0
    with ParquetTables(tmp_path / "out") as sink:
        for part in range(100):
            sink.write("envelopes", rows(part * 5_000, (part + 1) * 5_000))
            most = max(most, pa.total_allocated_bytes())
        sink.finish(Result("envelopes", {}, {}, {}))
    # Half a million rows are 13 MB in memory; one row group and what waits for the next are under 2.
    assert most < 4e6
    assert pq.ParquetFile(tmp_path / "out" / "envelopes.parquet").metadata.num_rows == 500_000


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_run_that_breaks_off_leaves_nothing_and_the_old_result_as_it_was(tmp_path, error):
    leave(tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for folder in ("out", "new"):
        with pytest.raises(error), ParquetTables(tmp_path / folder) as sink:
            sink.write("envelopes", rows(0, 200_000))
            raise error
    assert names(tmp_path) == ["out"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_the_old_result_comes_back_if_the_new_one_cannot_be_moved(tmp_path, monkeypatch):
    leave(tmp_path / "out", summary={"run": 1})
    rename = type(tmp_path).rename

    def fail_for_new(path, target):
        if path.suffix == ".part":
            raise OSError("disk gone")
        return rename(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", fail_for_new)
    with pytest.raises(OSError, match="disk gone"):
        leave(tmp_path / "out", summary={"run": 2})
    assert names(tmp_path) == ["out"]
    assert read_result(tmp_path / "out").summary == {"run": 1}


def test_a_new_result_replaces_the_old_one_whole(tmp_path):
    leave(tmp_path / "out", summary={"run": 1})
    (tmp_path / "out" / "report.html").write_text("old")
    with ParquetTables(tmp_path / "out") as sink:
        sink.write("switch_states", {"closed": np.array([True])})
        sink.finish(Result("switching", LazyTables(sink.readers()), {"run": 2}, {}))
    assert names(tmp_path / "out") == ["provenance.json", "summary.json", "switch_states.parquet"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("stranger", ["thesis.docx", "members.parquet"])
def test_a_folder_with_work_of_others_is_refused(tmp_path, stranger):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / stranger).write_text("years of work")
    with pytest.raises(StudyError, match="a new folder, or one that an earlier run left"):
        ParquetTables(tmp_path / "mine")
    assert names(tmp_path) == ["mine"] and names(tmp_path / "mine") == [stranger]
    with pytest.raises(StudyError, match="found a file"):
        ParquetTables(tmp_path / "mine" / stranger)


def test_parts_of_another_shape_are_refused(tmp_path):
    with ParquetTables(tmp_path / "out") as sink:
        sink.write("rows", {"a": np.array([1.0])})
        with pytest.raises(ValueError, match=r"a \(int64\), an earlier one a \(double\)"):
            sink.write("rows", {"a": np.array([1])})
        sink.readers()["rows"]()
        with pytest.raises(ValueError, match="after it was read"):
            sink.write("rows", {"a": np.array([1.0])})


def test_tables_can_be_read_before_and_after_the_run_is_finished(tmp_path):
    with ParquetTables(tmp_path / "out") as sink:
        sink.write("rows", {"a": np.array([1.0, 2.0])})
        early, late = sink.readers()["rows"], LazyTables(sink.readers())
        assert early()["a"].sum() == 3.0
        sink.finish(Result("x", late, {}, {}))
    assert late["rows"]["a"].sum() == 3.0


def test_a_folder_without_a_result_is_said_to_have_none(tmp_path):
    with pytest.raises(StudyError, match="provenance.json: found no such file"):
        read_result(tmp_path)
    (tmp_path / "provenance.json").write_text("{")
    with pytest.raises(StudyError, match="found no JSON"):
        read_result(tmp_path)


def test_json_has_plain_values_alone():
    content = {1: np.array([1, 2]), "b": (np.bool_(True), float("inf")), "c": {"d": np.float64(0.5)}}
    assert json.loads(json_text(content)) == {"1": [1, 2], "b": [True, None], "c": {"d": 0.5}}
