"""The gates of the day: at which local time a stage looks at what is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.time import TimeAxis

GATES = {
    "forecast": "10:00",
    "baseline": "11:00",
    "check": "11:15",
    "tariff": "11:30",
    "market": "12:00",
    "schedules": "14:00",
}
"""Local times of the day before, by stage. The day itself has a gate at the start of each interval, and
settlement is after its end."""


def gate_minutes(axis: TimeAxis, times: Mapping[str, str]) -> dict[str, int]:
    """Minutes from the start of the window to each gate of the day before, negative.

    Parameters
    ----------
    times : mapping of str to str
        Local times that replace those of ``GATES``.

    Raises
    ------
    StudyError
        An unknown stage, a time that is none, or gates that are not in the order of their stages.
    """
    problems, at = [], {}
    for name in times:
        if name not in GATES:
            problems.append(_problem(name, repr(name), f"one of {', '.join(GATES)}"))
    for name, usual in GATES.items():
        word = times.get(name, usual)
        try:
            at[name] = _minutes(axis, time.fromisoformat(word))
        except ValueError:
            problems.append(_problem(name, repr(word), "a local time such as 11:30"))
    order = [name for name in GATES if name in at]
    for before, after in zip(order, order[1:], strict=False):
        if at[before] > at[after]:
            problems.append(_problem(after, f"{after} before {before}", "gates in the order of their stages"))
    if problems:
        raise StudyError(problems)
    return at


def _problem(name: str, found: str, expected: str) -> Problem:
    return Problem("study.toml", found, expected, table="tasks.day.gates", column=name)


def _minutes(axis: TimeAxis, clock: time) -> int:
    first = axis.local(0)
    yesterday = first.date() - timedelta(days=1)
    gate = datetime.combine(yesterday, clock, tzinfo=first.tzinfo)
    return round((gate.astimezone(axis.start.tzinfo) - axis.start).total_seconds() / 60.0)
