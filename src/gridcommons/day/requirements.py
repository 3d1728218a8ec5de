"""What a study must say so that its day can be lived: all that is missing at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridcommons.day.bills import BALANCE, HEAT
from gridcommons.day.field import Field
from gridcommons.model.assets import HeatPump
from gridcommons.model.errors import Problem, StudyError
from gridcommons.settlement.postings import COMMUNITY, DSO, SUPPLIER

LONGEST_DAYS = 7
"""Longest window: all of it is held at once, and planned at one gate."""


def require_day(field: Field) -> None:
    """Do nothing for a study whose day can be lived.

    Raises
    ------
    StudyError
        Everything that is missing.
    """
    problems = [*_window(field), *_profiles(field), *_envelopes(field), *_prices(field), *_names(field)]
    if problems:
        raise StudyError(problems)


def _window(field: Field) -> Iterator[Problem]:
    time = field.study.time
    days = time.steps * time.step_hours / 24.0
    # A day more or less an hour where the clock changes.
    if days > LONGEST_DAYS + 0.1:
        yield Problem(
            "study.toml",
            f"a window of {days:.0f} days",
            f"at most {LONGEST_DAYS} days: they are planned at one gate",
            "make a study of one day with `gridcommons new`, or ask for the task control",
            table="time",
        )


def _profiles(field: Field) -> Iterator[Problem]:
    """Assets of which neither a profile nor a plan nor their state says what they draw."""
    known, profiles = {*field.chained.tolist(), *field.scheduled.tolist()}, field.study.profiles
    for k, asset in enumerate(field.assets):
        if k in known or asset.asset in profiles.columns:
            continue
        expected = f"the profile that {asset.asset} follows"
        if isinstance(asset, HeatPump) and asset.has_house:
            expected += ", or outdoor.temp_c and a COP to know what its house needs"
        elif profiles.of(f"{asset.asset}.drive_kwh").any():
            expected += ", or energy_kwh, soc_min_share and soc_max_share to know what its car needs"
        elif asset.needs_profile:
            expected += ": nothing plans it"
        else:
            continue
        yield Problem("profiles", "no such column", expected, column=asset.asset)


def _envelopes(field: Field) -> Iterator[Problem]:
    """Envelopes that would make somebody draw or inject: a day lets everybody rest."""
    given = field.study.envelopes
    if given is None:
        return
    for place, name in enumerate(given.asset):
        forced = (given.p_min_kw[:, place] > 0.0) | (given.p_max_kw[:, place] < 0.0)
        if forced.any() and field.is_controllable[field.row[name]]:
            step = int(np.argmax(forced))
            at = field.study.time.local(step).isoformat(timespec="minutes")
            found = f"{given.p_min_kw[step, place]:g} to {given.p_max_kw[step, place]:g} kW of {name} at {at}"
            yield Problem("envelopes", found, "envelopes that hold zero: nobody is made to draw or inject")


def _prices(field: Field) -> Iterator[Problem]:
    """A network fee with gaps, and intervals in which the grid pays more than it asks."""
    prices, time = field.study.prices, field.study.time
    if prices is None:
        return
    gaps = np.flatnonzero(np.isnan(prices.network_fee_per_kwh))
    if 0 < len(gaps) < time.steps:
        found = f"no fee in {len(gaps)} intervals, the first at {time.local(int(gaps[0])).isoformat()}"
        yield Problem("prices.csv", found, "a fee in every interval or in none", column="network_fee_per_kwh")
    low, high = prices.export_price_per_kwh, prices.import_price_per_kwh
    crossed = np.flatnonzero(low > high)
    if len(crossed):
        step = int(crossed[0])
        at = time.local(step).isoformat(timespec="minutes")
        found = f"{low[step]:g} with {high[step]:g} for import at {at} (and {len(crossed) - 1} more)"
        expected = "no more than the price of import: members trade between the two"
        yield Problem("prices.csv", found, expected, column="export_price_per_kwh")


def _names(field: Field) -> Iterator[Problem]:
    """Parties that are called as another party or as an account of the settlement is."""
    accounts, members = (DSO, COMMUNITY, BALANCE, HEAT), field.study.community.members
    for column in ("member", "supplier", "aggregator", "cluster"):
        used = {getattr(member, column) for member in members}
        for name in sorted(used & set(accounts)):
            expected = f"a name other than {', '.join(accounts)}: these are accounts of the settlement"
            yield Problem("members.csv", repr(name), expected, column=column)
    parties = {member.supplier or SUPPLIER for member in members}
    parties |= {member.aggregator for member in members}
    # A community may be called as one of its own: what it gets is theirs.
    others = {member.member for member in members if member.member in field.hubs} - {
        member.member for member in members if member.member == member.cluster
    }
    for name in sorted({member.member for member in members} & parties | others):
        expected = "a name that no supplier, aggregator or other community has: each has its own account"
        yield Problem("members.csv", repr(name), expected, column="member")
