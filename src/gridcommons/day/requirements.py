"""What a study must say so that its day can be lived: all that is missing at once."""

from __future__ import annotations

from collections.abc import Iterator

from gridcommons.day.bills import BALANCE
from gridcommons.day.field import Field
from gridcommons.model.errors import Problem, StudyError
from gridcommons.settlement.postings import COMMUNITY, DSO

LONGEST_DAYS = 7
"""Longest window: all of it is held at once, and planned at one gate."""


def require_day(field: Field) -> None:
    """Do nothing for a study whose day can be lived.

    Raises
    ------
    StudyError
        Everything that is missing.
    """
    problems = [*_window(field), *_profiles(field), *_names(field)]
    if problems:
        raise StudyError(problems)


def _window(field: Field) -> Iterator[Problem]:
    time = field.study.time
    days = time.steps * time.step_hours / 24.0
    if days > LONGEST_DAYS:
        yield Problem(
            "study.toml",
            f"a window of {days:.0f} days",
            f"at most {LONGEST_DAYS} days: they are planned at one gate",
            "make a study of one day with `gridcommons new`, or ask for the task control",
            table="time",
        )


def _profiles(field: Field) -> Iterator[Problem]:
    """Assets that follow a profile and have none."""
    planned = {*field.chained.tolist(), *field.scheduled.tolist()}
    for k, asset in enumerate(field.assets):
        if asset.needs_profile and k not in planned and asset.asset not in field.study.profiles.columns:
            expected = f"the profile that {asset.asset} follows: nothing plans it"
            yield Problem("profiles", "no such column", expected, column=asset.asset)


def _names(field: Field) -> Iterator[Problem]:
    """Parties that are called as an account of the settlement is."""
    accounts = (DSO, COMMUNITY, BALANCE)
    for column in ("member", "supplier", "aggregator", "cluster"):
        used = {getattr(member, column) for member in field.study.community.members}
        for name in sorted(used & set(accounts)):
            expected = f"a name other than {', '.join(accounts)}: these are accounts of the settlement"
            yield Problem("members.csv", repr(name), expected, column=column)
