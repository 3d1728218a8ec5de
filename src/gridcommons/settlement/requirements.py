"""What a study must say so that its window can be settled: all that is missing at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from gridcommons.model.errors import GridcommonsError, Problem, StudyError, did_you_mean
from gridcommons.model.grid import FloatArray
from gridcommons.model.study import Study
from gridcommons.settlement.agreement import (
    netting_minutes,
    rules_in_force,
    shared_fee_share,
)
from gridcommons.settlement.games import PLAYERS_MAX
from gridcommons.settlement.meters import is_unheard
from gridcommons.settlement.national_rules import NationalRules
from gridcommons.settlement.postings import COMMUNITY, DSO, Parties
from gridcommons.settlement.settings import Settings
from gridcommons.settlement.sharing_keys import SHARE_TOLERANCE
from gridcommons.settlement.statements import SUPPORT

PRICES, PROFILES, MEMBERS, STUDY = "prices.csv", "profiles", "members.csv", "study.toml"
TABLE = "tasks.settlement"

HOUR_MINUTES = 60


def require_settlement(study: Study, settings: Settings) -> None:
    """Do nothing for a study that can be settled.

    Raises
    ------
    StudyError
        Everything that is missing or contradicts itself.
    """
    problems = [
        *_prices(study),
        *_meters(study),
        *_account_names(study),
        *_shares(study, settings),
        *_priority(study, settings),
        *_pairs(study, settings),
        *_rules(study, settings),
        *_benefit(study, settings),
    ]
    if problems:
        raise StudyError(problems)


def _of_table(column: str, found: str, expected: str, suggestion: str = "") -> Problem:
    return Problem(STUDY, found, expected, suggestion, table=TABLE, column=column)


def _prices(study: Study) -> Iterator[Problem]:
    prices = study.prices
    if prices is None:
        yield Problem(PRICES, "no such file", "import_price_per_kwh and export_price_per_kwh")
        return
    for column in ("import_price_per_kwh", "export_price_per_kwh", "network_fee_per_kwh"):
        missing = np.isnan(getattr(prices, column))
        if missing.all() and column != "network_fee_per_kwh":
            yield Problem(PRICES, "no such column", "a price of every interval", column=column)
        elif missing.any() and not missing.all():
            at = study.time.local(int(np.argmax(missing))).isoformat(timespec="minutes")
            yield Problem(PRICES, f"nothing at {at}", "a price of every interval", column=column)


def _meters(study: Study) -> Iterator[Problem]:
    for asset in study.community.assets:
        if is_unheard(study, asset):
            expected = f"what {asset.asset} draws: its profile, or {asset.asset}.metered_kw"
            yield Problem(PROFILES, "no such column", expected, column=asset.asset)


def _account_names(study: Study) -> Iterator[Problem]:
    parties = Parties.of(study.community)
    taken = {DSO, COMMUNITY, SUPPORT, *parties.suppliers}
    for name in parties.members:
        if name in taken:
            expected = f"another name: {name} is an account of its own in all statements"
            yield Problem(MEMBERS, f"a member {name!r}", expected, column="member")
    for name in sorted({*parties.suppliers} & {DSO, COMMUNITY, SUPPORT}):
        expected = f"another name: {name} is an account of its own in all statements"
        yield Problem(MEMBERS, f"a supplier {name!r}", expected, column="supplier")


def _unknown(study: Study, column: str, names: Iterable[str]) -> Iterator[Problem]:
    known = study.community.member_by_id
    for name in dict.fromkeys(names):
        if name not in known:
            yield _of_table(
                column, f"the unknown member {name!r}", "a known member", did_you_mean(name, known)
            )


def _shares(study: Study, settings: Settings) -> Iterator[Problem]:
    yield from _unknown(study, "shares", settings.shares)
    static = [key for key in settings.keys if key.startswith("static")]
    if not static and not settings.shares:
        return
    total = sum(settings.shares.values())
    if not settings.shares:
        yield _of_table("shares", f"none with key {static[0]!r}", "a share of each member, 1 together")
    elif abs(total - 1.0) > SHARE_TOLERANCE:
        yield _of_table("shares", f"{total:.12g} together", "1 together")


def _priority(study: Study, settings: Settings) -> Iterator[Problem]:
    yield from _unknown(study, "priority", settings.priority)
    for name, count in Counter(settings.priority).items():
        if count > 1:
            yield _of_table("priority", f"{name!r} {count} times", "each member once")
    if "priority" in settings.keys and not settings.priority:
        yield _of_table(
            "priority", "nobody with key 'priority'", "members in the order in which they are served"
        )


def _pairs(study: Study, settings: Settings) -> Iterator[Problem]:
    yield from _unknown(study, "pairs", (name for pair in settings.pairs for name in pair[:2]))
    if "pairwise" in settings.keys and not settings.pairs:
        yield _of_table("pairs", "none with key 'pairwise'", "members, producers and shares")
    for (member, producer), count in Counter(pair[:2] for pair in settings.pairs).items():
        if count > 1:
            yield _of_table("pairs", f"{member!r} and {producer!r} {count} times", "each pair once")
    total: dict[str, float] = {}
    for _, producer, share in settings.pairs:
        total[producer] = total.get(producer, 0.0) + share
    for producer, share in total.items():
        if share > 1.0 + SHARE_TOLERANCE:
            yield _of_table("pairs", f"{share:.12g} of {producer!r} together", "at most 1 of a producer")


def _rules(study: Study, settings: Settings) -> Iterator[Problem]:
    first, last = (study.time.local(step).date() for step in (0, study.time.steps - 1))
    try:
        rules = rules_in_force(settings, first)
        still = rules_in_force(settings, last)
    except GridcommonsError as error:
        found, _, expected = str(error).removeprefix("national rules: found ").partition(", expected ")
        yield _of_table("rules", found, expected)
        return
    if rules is not still:
        found = f"a window from {first.isoformat()} to {last.isoformat()}, in which they change"
        yield _of_table("rules", found, f"a window inside one version: {rules} or {still}")
    if rules is not None:
        yield from _against_rules(settings, rules)
    yield from _premium(settings, rules)
    yield from _netting(study, settings, rules)


def _against_rules(settings: Settings, rules: NationalRules) -> Iterator[Problem]:
    if settings.key not in rules.keys:
        yield _of_table("key", repr(settings.key), f"what {rules} allows: {', '.join(rules.keys)}")
    if settings.netting_minutes not in (None, rules.netting_minutes):
        found = str(settings.netting_minutes)
        yield _of_table("netting_minutes", found, f"{rules.netting_minutes}, the interval of {rules}")
    try:
        shared_fee_share(settings, rules)
    except GridcommonsError as error:
        found, _, expected = str(error).partition(": found network level ")[2].partition(", expected ")
        yield _of_table("network_level", found, f"{expected}: the cut of {rules} depends on it")


def _premium(settings: Settings, rules: NationalRules | None) -> Iterator[Problem]:
    pays = rules is not None and bool(rules.premium)
    if pays and settings.plant_kw is None:
        yield _of_table(
            "plant_kw", "nothing", f"the power of the plants, on which the premium of {rules} depends"
        )
    if not pays and settings.plant_kw is not None:
        yield _of_table("plant_kw", f"{settings.plant_kw:g}", "nothing: no rules in force pay a premium")


def _netting(study: Study, settings: Settings, rules: NationalRules | None) -> Iterator[Problem]:
    minutes, step = netting_minutes(study, settings, rules), study.time.step_minutes
    if minutes % step or (HOUR_MINUTES % minutes and minutes != step):
        expected = f"whole intervals of {step} minutes, and whole netting intervals in an hour"
        whose = "" if rules is None or settings.netting_minutes is not None else f", the interval of {rules}"
        yield _of_table("netting_minutes", f"{minutes} minutes{whose}", expected)
        return
    start = study.time.local(0)
    late = (start.hour * HOUR_MINUTES + start.minute) % minutes if minutes != step else 0
    if late or (study.time.steps * step) % minutes:
        found = f"{minutes} minutes in a window of {study.time.steps * step} minutes from {start:%H:%M}"
        yield _of_table("netting_minutes", found, "a window of whole netting intervals on the local clock")
        return
    yield from _prices_of_benefit(study, settings, minutes)


def _benefit(study: Study, settings: Settings) -> Iterator[Problem]:
    count = len(study.community.members)
    if settings.benefit == "nucleolus" and count > PLAYERS_MAX:
        expected = f"at most {PLAYERS_MAX}; Shapley values are estimated of more"
        yield _of_table("benefit", f"the nucleolus of {count} members", expected)


def _prices_of_benefit(study: Study, settings: Settings, minutes: int) -> Iterator[Problem]:
    """Prices that change within a netting interval, over which the benefit is valued."""
    each = minutes // study.time.step_minutes
    if settings.benefit == "none" or study.prices is None:
        return
    for column in ("import_price_per_kwh", "export_price_per_kwh", "network_fee_per_kwh"):
        if _changes_within(getattr(study.prices, column), each):
            expected = (
                f"one price all through {minutes} minutes: the benefit is valued over netting intervals"
            )
            yield Problem(PRICES, "a price that changes within a netting interval", expected, column=column)


def _changes_within(price_per_kwh: FloatArray, steps_each: int) -> bool:
    prices = np.nan_to_num(price_per_kwh).reshape(-1, steps_each)
    return bool((prices != prices[:, :1]).any())
