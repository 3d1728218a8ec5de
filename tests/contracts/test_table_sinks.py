"""Every table sink hands out the rows that were written, in their order, with the same types."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.model.results import TablesInMemory


@pytest.fixture(scope="module", params=["memory", "parquet"])
def new_sink(request, tmp_path_factory):
    def make():
        if request.param == "memory":
            return TablesInMemory()
        return ParquetTables(tmp_path_factory.mktemp("sink") / "out")

    return make


def columns(rows):
    names = np.array([f"bus {i % 3}" for i in rows], dtype=object)
    start = np.datetime64("2024-03-31T00:00", "ms")
    return {
        "time": start + np.array(rows, dtype=np.int64) * np.timedelta64(15, "m"),
        "bus": names,
        "vm_pu": np.array(rows, dtype=float) / 7.0,
        "draws": np.array(rows, dtype=np.int64),
        "resolved": np.array([i % 2 == 0 for i in rows], dtype=bool),
    }


@given(cuts=st.lists(st.integers(0, 30), max_size=4))
def test_rows_come_back_however_they_were_cut(new_sink, cuts):
    sink, rows = new_sink(), list(range(30))
    edges = [0, *sorted(cuts), 30]
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        sink.write("bus_voltages", columns(rows[start:stop]))
    frame = sink.readers()["bus_voltages"]()
    whole = columns(rows)
    expected = pd.DataFrame(
        {
            **whole,
            "time": pd.Series(whole["time"]).dt.tz_localize("UTC"),
            "bus": pd.Categorical(whole["bus"], categories=["bus 0", "bus 1", "bus 2"]),
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_a_table_without_rows_keeps_its_columns(new_sink):
    sink = new_sink()
    sink.write("violations", columns([]))
    frame = sink.readers()["violations"]()
    assert len(frame) == 0
    assert frame.columns.tolist() == list(columns([]))
    assert str(frame["time"].dtype) == "datetime64[ms, UTC]"


def test_columns_of_different_lengths_are_refused(new_sink):
    with pytest.raises(ValueError, match="different lengths"):
        new_sink().write("rows", {"a": np.zeros(2), "b": np.zeros(3)})


def test_not_a_number_stays_not_a_number(new_sink):
    sink = new_sink()
    sink.write("rows", {"a": np.array([1.0, np.nan, np.inf])})
    np.testing.assert_array_equal(sink.readers()["rows"]()["a"], [1.0, np.nan, np.inf])
