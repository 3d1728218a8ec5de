"""The operating day: one stage after the other, each with what was known at its gate.

    baseline → tariff → market → reactive rounds → each interval → switches → local trades

Each stage leaves an outcome of arrays, which is kept as soon as it is there: a day that was killed takes what
it finds and goes on. One account follows every asset through all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, TypeVar

from gridcommons.day.account import Account
from gridcommons.day.account_entries import (
    MARKET,
    close,
    open_account,
    promise_reactive_power,
    promise_trades,
    replan,
    sell,
)
from gridcommons.day.bills import is_settled
from gridcommons.day.communities import schedule_communities, with_schedules
from gridcommons.day.day_ahead import buy_flexibility, has_fleet, plan_alone, plan_baseline, publish_tariff
from gridcommons.day.envelope_issuer import Issuer
from gridcommons.day.field import Field
from gridcommons.day.local_market import trade_locally
from gridcommons.day.outcomes import (
    Marketed,
    Planned,
    Realised,
    Scheduled,
    Switched,
    Tariffed,
    Traded,
    from_arrays,
    to_arrays,
)
from gridcommons.day.real_time import live_the_day
from gridcommons.day.redispatch import redispatch
from gridcommons.day.settings import INSTRUMENTS
from gridcommons.day.switching import clusters_of, follow_balances, live_with_switches
from gridcommons.trading.scenarios import joined_clusters

Outcome = TypeVar("Outcome")

Path = tuple[str, ...]
"""Stages up to one: all that its outcome depends on."""

Instruments = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OperatingDay:
    """A day with some instruments.

    Parameters
    ----------
    instruments : tuple of str
        Which took part.
    baseline, final, live : Planned
        Plans before any instrument, those with which the day began, and those that it followed: communities
        plan anew.
    tariff, market, scheduled, switched, trades
        What each left; None where it took no part.
    account : Account
        Every asset that can be moved, after the day.
    done : Realised
        The day as it was.
    """

    instruments: tuple[str, ...]
    baseline: Planned
    final: Planned
    live: Planned
    tariff: Tariffed | None
    market: Marketed | None
    scheduled: Scheduled | None
    account: Account
    done: Realised
    switched: Switched | None
    trades: Traded | None


def instruments_of(field: Field) -> tuple[str, ...]:
    """Instruments that the study asks for and that it has something for."""
    has_prices = is_settled(field.study)
    able = {
        "tariff": has_fleet(field),
        MARKET: has_fleet(field),
        "reactive": bool(field.hubs),
        "control": bool(len(field.hubs) + len(field.stored) + len(field.chained) - len(field.by_themselves)),
        "envelopes": bool(field.is_controllable.any()) and not field.study.grid.is_three_phase,
        "switching": has_prices and can_switch(field),
        "trading": has_prices,
    }
    return tuple(name for name in INSTRUMENTS if name not in field.settings.without and able[name])


class Stages:
    """Outcomes of stages, each run once for all days that share what it depends on.

    Parameters
    ----------
    field : Field
        The day.
    """

    def __init__(self, field: Field) -> None:
        self.field = field
        self._known: dict[tuple[str, ...], Any] = {}

    def take(self, path: tuple[str, ...], kind: type[Outcome], make: Callable[[], Outcome]) -> Outcome:
        """The outcome of the last stage of a path: known, or kept by an earlier run, or made now."""
        if path not in self._known:
            finished, key = self.field.engines.finished, self._key(path, kind)
            kept = finished.load(key)
            outcome = make() if kept is None else from_arrays(kind, kept)
            if kept is None:
                finished.save(key, to_arrays(outcome))
            self._known[path] = outcome
        found: Outcome = self._known[path]
        return found

    def _key(self, path: tuple[str, ...], kind: type[Any]) -> dict[str, Any]:
        """Everything that the outcome depends on, and what it consists of."""
        study, settings = self.field.study, asdict(self.field.settings)
        for shown in ("without", "worth"):
            del settings[shown]
        return {
            "path": list(path),
            "kept": [column.name for column in fields(kind)],
            "inputs_sha256": study.inputs_sha256,
            "seed": study.seed,
            "method": self.field.engines.method,
            "settings": settings,
            "tasks": {task: dict(table) for task, table in study.tasks.items() if task != "day"},
        }


def can_switch(field: Field) -> bool:
    """Whether a study has switches between clusters that can be planned."""
    if not field.study.switches:
        return False
    controller, clusters = clusters_of(field)
    return controller.can_plan(clusters.graph)


def run_day(stages: Stages, instruments: tuple[str, ...]) -> OperatingDay:
    """The day with some instruments, in the order of its gates."""
    field = stages.field
    path: tuple[str, ...] = ("baseline",)
    baseline = planned = stages.take(path, Planned, lambda: plan_baseline(field))
    account = open_account(field, baseline)
    tariff = market = scheduled = None
    if "tariff" in instruments:
        path = (*path, "tariff")
        before = planned
        tariff = stages.take(path, Tariffed, lambda: publish_tariff(field, before))
        planned = tariff.planned
        replan(field, account, "tariff", planned)
    if MARKET in instruments:
        path = (*path, MARKET)
        after, published = planned, tariff
        market = stages.take(path, Marketed, lambda: buy_flexibility(field, after, published))
        planned = market.planned
        sell(field, account, market)
    final = live = planned
    if field.hubs and {"reactive", "control"} & set(instruments):
        path, final, live, scheduled = _communities(stages, instruments, path, planned)
        promise_reactive_power(field, account, scheduled)
    path, done, switched = _intervals(stages, instruments, path, (live, account))
    close(field, account, done)
    trades = _trades(stages, instruments, path, (live, done, switched))
    if trades is not None:
        promise_trades(field, account, trades)
    agreed = (tariff, market, scheduled)
    return OperatingDay(instruments, baseline, final, live, *agreed, account, done, switched, trades)


def _communities(
    stages: Stages, instruments: Instruments, path: Path, planned: Planned
) -> tuple[Path, Planned, Planned, Scheduled]:
    """Plans with the schedules of communities: of the day before, and as they plan anew through the day."""
    field, rounds = stages.field, "reactive" in instruments
    path = (*path, "reactive" if rounds else "schedules")
    known = field.information.seen(field.gates["schedules"])
    scheduled = stages.take(
        path, Scheduled, lambda: schedule_communities(field, known, planned.plan_kw, with_round=rounds)
    )
    final = live = with_schedules(field, planned, scheduled)
    if "control" in instruments:
        path, before = (*path, "redispatch"), scheduled
        scheduled = stages.take(
            path, Scheduled, lambda: redispatch(field, before, planned.plan_kw, rounds=rounds)
        )
        live = with_schedules(field, planned, scheduled)
    return path, final, live, scheduled


def _intervals(
    stages: Stages, instruments: Instruments, path: Path, given: tuple[Planned, Account]
) -> tuple[Path, Realised, Switched | None]:
    """What happens in each interval, and where switches stand."""
    field, (planned, account), control = stages.field, given, "control" in instruments
    path = (*path, *(name for name in ("control", "envelopes") if name in instruments))
    issuer = Issuer(field, planned, field.information.nowcast())
    if {"envelopes", "switching"} <= set(instruments):
        path = (*path, "switching")
        both = cache(lambda: live_with_switches(issuer, account, control=control))
        done = stages.take((*path, "day"), Realised, lambda: both()[0])
        return path, done, stages.take(path, Switched, lambda: both()[1])

    def live() -> Realised:
        issued = issuer.usual if "envelopes" in instruments else None
        return live_the_day(field, planned, account, control=control, issued=issued)

    path = (*path, "day")
    done = stages.take(path, Realised, live)
    if "switching" not in instruments:
        return path, done, None
    path = (*path, "switching")
    return path, done, stages.take(path, Switched, lambda: follow_balances(field, planned, done))


def _trades(
    stages: Stages, instruments: Instruments, path: Path, lived: tuple[Planned, Realised, Switched | None]
) -> Traded | None:
    """Local trades, among those whom the switches join."""
    if "trading" not in instruments:
        return None
    field, (planned, done, switched) = stages.field, lived
    joined = None if switched is None else joined_clusters(clusters_of(field)[1], switched.closed)
    return stages.take((*path, "trading"), Traded, lambda: trade_locally(field, planned, done, joined))


def run_alone(stages: Stages) -> Realised:
    """The same day with nobody planning: cars charge when they come, houses are kept as warm as always."""
    field = stages.field

    def make() -> Realised:
        return live_the_day(field, plan_alone(field), None, control=True)

    return stages.take(("alone",), Realised, make)
