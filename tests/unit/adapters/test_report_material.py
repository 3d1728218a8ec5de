"""The intervals of a result, from its tables."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.material import figure_of, read_clock
from gridcommons.adapters.report.tables import ResultTables
from gridcommons.model.results import Result

START = np.datetime64("2024-06-01T00:00", "ms")


@pytest.fixture
def tables(tmp_path):
    """Voltages in the second and the fourth of quarters of an hour; nothing else."""
    times = START + np.array([15, 45]) * np.timedelta64(1, "m")
    with ParquetTables(tmp_path / "out") as sink:
        sink.write("bus_voltages", {"time": times, "vm_pu": np.ones(2)})
        return ResultTables(sink.finish(Result("flexibility", {}, {}, {})))


def test_a_clock_runs_over_the_first_table_with_rows_and_over_all_steps_that_the_summary_knows(tables):
    timed = ("violations", "bus_voltages")
    clock = read_clock(tables, {"timezone": "Europe/Berlin"}, timed, 15.0)
    assert (clock.start, clock.steps) == (START + np.timedelta64(15, "m"), 3)
    assert (clock.step_minutes, clock.timezone) == (15.0, "Europe/Berlin")
    assert read_clock(tables, {}, timed, 15.0, 96).steps == 96
    assert read_clock(tables, {}, timed, 1.0, 2).steps == 31


def test_without_rows_a_clock_has_the_steps_of_the_summary(tables):
    clock = read_clock(tables, {}, ("violations",), 15.0, 4)
    assert (clock.steps, clock.timezone) == (4, "UTC")


def test_a_figure_that_is_not_there_is_no_number():
    assert figure_of({"losses_kw": 3}, "losses_kw") == 3.0
    assert np.isnan(figure_of({"losses_kw": None}, "losses_kw"))
    assert np.isnan(figure_of({}, "losses_kw"))
