"""Gates are local times of the day before, also where the clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.day.gates import GATES, gate_minutes
from gridcommons.model.errors import StudyError
from gridcommons.model.time import TimeAxis

ZONE = "Europe/Berlin"


def axis(year, month, day, zone=ZONE):
    """The local day of this date."""
    start = datetime(year, month, day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return TimeAxis(start, 60, 24, zone)


def test_gates_of_a_usual_day():
    at = gate_minutes(axis(2030, 2, 14), {})
    assert {name: -minutes / 60.0 for name, minutes in at.items()} == {
        "forecast": 14.0,
        "baseline": 13.0,
        "check": 12.75,
        "tariff": 12.5,
        "market": 12.0,
        "schedules": 10.0,
    }


@pytest.mark.parametrize(
    ("date", "hours"),
    [
        # The clocks change in the night before the window's day begins, or before the gate, or not between.
        ((2030, 4, 1), 14.0),
        ((2030, 3, 31), 14.0),
        ((2030, 10, 28), 14.0),
    ],
)
def test_a_gate_after_the_change_of_clocks_is_as_far_from_midnight_as_ever(date, hours):
    assert gate_minutes(axis(*date), {})["forecast"] == -60.0 * hours


@pytest.mark.parametrize(("date", "hours"), [((2030, 4, 1), 22.0), ((2030, 10, 28), 24.0)])
def test_a_gate_before_the_change_of_clocks_is_an_hour_nearer_or_farther(date, hours):
    """01:00 on a Sunday of change: 22 hours in spring and 24 in autumn before the midnight after it."""
    assert gate_minutes(axis(*date), {"forecast": "01:00"})["forecast"] == -60.0 * hours


@given(
    day=st.dates(datetime(2030, 1, 2).date(), datetime(2030, 12, 30).date()),
    zone=st.sampled_from([ZONE, "America/New_York", "Australia/Lord_Howe", "UTC"]),
    minute=st.integers(0, 719),
)
def test_every_gate_reads_its_local_time_on_the_clock_of_the_day_before(day, zone, minute):
    word = f"{minute // 60:02}:{minute % 60:02}"
    time, before = axis(day.year, day.month, day.day, zone), day - timedelta(days=1)
    at = gate_minutes(time, {"forecast": word, "baseline": "12:00", "check": "12:00", "tariff": "12:00"})
    for name, minutes in at.items():
        wanted = {"forecast": word, "schedules": "14:00"}.get(name, "12:00")
        clock = (time.start + timedelta(minutes=minutes)).astimezone(ZoneInfo(zone))
        assert minutes < 0
        if is_on_the_clock(datetime.fromisoformat(f"{before} {wanted}"), ZoneInfo(zone)):
            assert f"{clock:%Y-%m-%d %H:%M}" == f"{before} {wanted}"


def is_on_the_clock(local, zone):
    """Whether this time is not left out when the clocks go forward."""
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local


def test_everything_that_is_wrong_is_said_at_once():
    wrong = {"lunch": "12:00", "baseline": "noon", "tariff": "13:00", "market": "12:30"}
    with pytest.raises(StudyError) as caught:
        gate_minutes(axis(2030, 2, 14), wrong)
    found = {problem.column: problem for problem in caught.value.problems}
    assert set(found) == {"lunch", "baseline", "market"}
    assert all(name in found["lunch"].expected for name in GATES)
    assert found["baseline"].found == "'noon'" and "11:30" in found["baseline"].expected
    assert found["market"].found == "market before tariff"
    assert {problem.table for problem in found.values()} == {"tasks.day.gates"}


def test_gates_may_be_at_the_same_time():
    at = gate_minutes(axis(2030, 2, 14), dict.fromkeys(GATES, "12:00"))
    assert set(at.values()) == {-720}
