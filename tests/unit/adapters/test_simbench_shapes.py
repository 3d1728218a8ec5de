"""SimBench's profiles as they are read: noise below 0 goes, anything worse is said."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.adapters.simbench_shapes import NOISE_SHARE, _read, read_simbench_shapes
from gridcommons.model.errors import StudyError


def write(folder, first, second):
    """A leap year of two profiles, 0.5 but for some of their first values."""
    stamps = np.datetime64("2016-01-01T00:00") + np.arange(366 * 96) * np.timedelta64(15, "m")
    rows = ["time;first;second"]
    for number, stamp in enumerate(stamps.tolist()):
        own = [column[number] if number < len(column) else 0.5 for column in (first, second)]
        rows.append(f"{stamp:%d.%m.%Y %H:%M};{own[0]};{own[1]}")
    path = folder / "Profile.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_noise_below_0_becomes_0_and_nothing_else_changes(tmp_path):
    shapes = _read(write(tmp_path, [0.1, -0.9 * NOISE_SHARE, 0.0, 1.0], []), ["first", "second"])
    assert shapes["first"][0, :5].tolist() == [0.1, 0.0, 0.0, 1.0, 0.5]
    assert (shapes["second"] == 0.5).all()


def test_values_below_noise_and_gaps_are_said_at_once_and_not_clipped(tmp_path):
    path = write(tmp_path, [0.1, -0.2, -0.3], [0.1, 0.2, 0.3, "nan"])
    with pytest.raises(StudyError) as caught:
        _read(path, ["first", "second"])
    assert [str(problem) for problem in caught.value.problems] == [
        "Profile.csv row 3, column first: found 2 values such as -0.2, expected numbers from -0.0001 up",
        "Profile.csv row 5, column second: found 1 values such as nan, expected numbers from -0.0001 up",
    ]


def test_the_data_of_simbench_hold_no_more_than_noise():
    pytest.importorskip("simbench")
    pool, _ = read_simbench_shapes()
    for tables in (pool.loads, pool.heat_pumps, pool.cars, pool.solar):
        assert all((table >= 0.0).all() and table.max() > 0.5 for table in tables.values())
