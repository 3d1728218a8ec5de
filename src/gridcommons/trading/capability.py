"""The task ``trading``: a day of a two-tier local market, and of the topology that serves it.

The same day is run in up to four scenarios, from each member alone to clusters that are joined by switches
which follow the market. Rounds start by the study's trigger, decisions come late, flows are those of the load
flow, and bills add up to what the main grid gets.
"""

from __future__ import annotations

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.results import LazyTables, Result
from gridcommons.model.study import Study
from gridcommons.ports import Engines
from gridcommons.powerflow.switched_flows import connect
from gridcommons.trading.community_day import make_community_day
from gridcommons.trading.day import (
    Field,
    ScenarioDay,
    cases_compared,
    make_field,
    run_case,
    run_scenario,
)
from gridcommons.trading.gap import optimum_of_rounds
from gridcommons.trading.settings import SCENARIOS, Settings
from gridcommons.trading.summary import summarise
from gridcommons.trading.tables import comparison, grid_prices, tables_of

__all__ = ["Settings", "run"]

LONGEST_DAYS = 31
"""Longest window: everything is held by the minute."""


def run(study: Study, settings: Settings, engines: Engines) -> Result:
    """The day in the scenarios that the settings name.

    Raises
    ------
    StudyError
        Members without cluster, prices that are missing or crossed, switches that fit no cluster, a mechanism
        for an unknown cluster, or a window of more than a month.
    NotConvergedError
        A minute without operable load flow.
    """
    _refuse(study, settings)
    day, connected = make_community_day(study, settings.limit_prices), connect(study, study.time.step_minutes)
    field = make_field(study, settings, engines, day, connected)
    scenarios = [name for name in SCENARIOS if name in settings.scenarios]
    cases = cases_compared(settings) if "switched" in scenarios else []
    days: list[ScenarioDay] = []
    engines.sink.write("grid_prices", grid_prices(field))
    with engines.progress("days of trading", len(scenarios) + len(cases)) as advance:
        for name in scenarios:
            days.append(run_scenario(field, name))
            _write(field, days[-1], engines, is_last=name == scenarios[-1])
            advance(1)
        for case in cases:
            days.append(run_case(field, "switched", case, with_market=False))
            advance(1)
    engines.sink.write("comparison", comparison(field, days))
    gap = optimum_of_rounds(field, engines, days[len(scenarios) - 1]) if "switched" in scenarios else None
    if gap is not None:
        engines.sink.write("switching_gap", gap.table(field))
    summary = summarise(field, days[: len(scenarios)], days[len(scenarios) :], gap)
    return Result("trading", LazyTables(engines.sink.readers()), summary, {})


def _write(field: Field, day: ScenarioDay, engines: Engines, *, is_last: bool) -> None:
    for name, columns in tables_of(field, day, is_last=is_last):
        engines.sink.write(name, columns)


def _refuse(study: Study, settings: Settings) -> None:
    problems = []
    clusters = {member.cluster for member in study.community.members}
    for name in sorted(set(settings.mechanisms) - clusters):
        expected = f"a cluster of members.csv: {', '.join(sorted(clusters))}"
        problems.append(
            Problem("study.toml", repr(name), expected, table="tasks.trading", column="mechanisms")
        )
    minutes = study.time.steps * study.time.step_minutes
    if minutes > LONGEST_DAYS * 1440:
        found = f"a window of {minutes / 1440:.0f} days"
        problems.append(Problem("study.toml", found, f"at most {LONGEST_DAYS} days", table="time"))
    if problems:
        raise StudyError(problems)
