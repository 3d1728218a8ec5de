"""The local calendar of every interval, and the whole years around a study."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.synthesis.local_time import normalised, read_clock, whole_years
from unit_calendars import axis


@pytest.mark.parametrize(
    ("start", "steps"), [("2030-03-31", 92), ("2030-10-27", 100), ("2028-02-29", 96), ("2030-12-31", 96)]
)
def test_days_have_the_hours_they_have(start, steps):
    time = axis(start, steps=steps + 4)
    local = read_clock(time)
    for step in (0, 7, 8, 9, 12, 13, 50, steps - 1, steps, steps + 3):
        at = time.local(step)
        assert local.minute_of_day[step] == 60 * at.hour + at.minute
        assert (local.weekday[step], local.month[step], local.year[step]) == (at.weekday(), at.month, at.year)
        assert local.day_of_year[step] == at.timetuple().tm_yday
    assert local.day.tolist() == [0] * steps + [1] * 4
    assert local.day_start.tolist() == [0, steps]


@pytest.mark.parametrize(
    ("start", "step_minutes", "steps", "expected"),
    [
        ("2030-06-01", 15, 96, 35_040),
        ("2028-06-01", 15, 96, 35_136),
        ("2030-01-01", 15, 35_040, 35_040),
        ("2030-12-31", 60, 48, 17_520),
        ("2030-05-01T00:05", 15, 4, 35_040),
    ],
)
def test_whole_years_surround_the_study(start, step_minutes, steps, expected):
    time = axis(start, step_minutes, steps)
    years, window = whole_years(time)
    assert years.steps == expected
    np.testing.assert_array_equal(years.stamps()[window], time.stamps())
    first, last = years.local(0), years.local(years.steps - 1)
    assert (first.month, first.day, first.hour) == (1, 1, 0) and (last.month, last.day, last.hour) == (
        12,
        31,
        23,
    )


def test_every_year_has_the_energy_of_one():
    years, _ = whole_years(axis("2029-12-31", 60, 48))
    local = read_clock(years)
    scaled = normalised(np.arange(1.0, years.steps + 1.0), local)
    assert [scaled[local.year == year].sum() for year in (2029, 2030)] == pytest.approx([1.0, 1.0])
    with pytest.raises(ValueError, match="without energy"):
        normalised(np.where(local.year == 2029, 1.0, 0.0), local)
