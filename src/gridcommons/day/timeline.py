"""The operating day: one stage after the other, each with what was known at its gate.

    baseline → tariff → market → reactive rounds → each interval → switches → local trades

Each stage leaves an outcome of arrays, which is kept as soon as it is there: a day that was killed takes what
it finds and goes on. One account follows every asset through all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from gridcommons.day.account import Account, Commitment
from gridcommons.day.bills import is_settled
from gridcommons.day.communities import schedule_communities, with_schedules
from gridcommons.day.day_ahead import buy_flexibility, has_fleet, plan_alone, plan_baseline, publish_tariff
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
from gridcommons.day.real_time import device_bounds_kw, live_the_day
from gridcommons.day.settings import INSTRUMENTS
from gridcommons.day.switching import clusters_of, follow_balances
from gridcommons.trading.scenarios import joined_clusters

Outcome = TypeVar("Outcome")

MARKET = "market"


@dataclass(frozen=True, eq=False)
class OperatingDay:
    """A day with some instruments.

    Parameters
    ----------
    instruments : tuple of str
        Which took part.
    baseline, final : Planned
        Plans before any instrument, and the schedules with which the day began.
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
        "control": len(field.chained) + len(field.stored) > 0,
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
            finished, key = self.field.engines.finished, self._key(path)
            kept = finished.load(key)
            outcome = make() if kept is None else from_arrays(kind, kept)
            if kept is None:
                finished.save(key, to_arrays(outcome))
            self._known[path] = outcome
        found: Outcome = self._known[path]
        return found

    def _key(self, path: tuple[str, ...]) -> dict[str, Any]:
        """Everything that the outcome depends on."""
        study, settings = self.field.study, asdict(self.field.settings)
        for shown in ("without", "worth"):
            del settings[shown]
        return {
            "path": list(path),
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
        _replan(field, account, "tariff", planned)
    if MARKET in instruments:
        path = (*path, MARKET)
        after, published = planned, tariff
        market = stages.take(path, Marketed, lambda: buy_flexibility(field, after, published))
        planned = market.planned
        _sell(field, account, market)
    if "reactive" in instruments:
        path = (*path, "reactive")
        known = field.information.seen(field.gates["schedules"])
        scheduled = stages.take(path, Scheduled, lambda: schedule_communities(field, known, with_round=True))
        planned = with_schedules(field, planned, scheduled)
    flags = {name: name in instruments for name in ("control", "envelopes")}
    path, final = (*path, *(name for name in flags if flags[name]), "day"), planned
    done = stages.take(path, Realised, lambda: live_the_day(field, final, account, **flags))
    _close(field, account, done)
    switched, trades = _after_the_interval(stages, instruments, path, done)
    agreed = (tariff, market, scheduled)
    return OperatingDay(instruments, baseline, final, *agreed, account, done, switched, trades)


def _after_the_interval(
    stages: Stages, instruments: tuple[str, ...], path: tuple[str, ...], done: Realised
) -> tuple[Switched | None, Traded | None]:
    """Switches, and trades among those that they join."""
    field, switched, trades, joined = stages.field, None, None, None
    if "switching" in instruments:
        path = (*path, "switching")
        switched = stages.take(path, Switched, lambda: follow_balances(field, done))
        joined = joined_clusters(clusters_of(field)[1], switched.closed)
    if "trading" in instruments:
        path = (*path, "trading")
        trades = stages.take(path, Traded, lambda: trade_locally(field, done, joined))
    return switched, trades


def run_alone(stages: Stages) -> Realised:
    """The same day with nobody planning: cars charge when they come, houses are kept as warm as always."""
    field = stages.field

    def make() -> Realised:
        return live_the_day(field, plan_alone(field), None, control=True, envelopes=False)

    return stages.take(("alone",), Realised, make)


def open_account(field: Field, planned: Planned) -> Account:
    """Bands as the devices are rated, before anything is sold: of all that is planned or held back."""
    mine = np.concatenate([field.chained, field.stored, field.roofs])
    known = field.information.seen(field.gates["baseline"])
    low_kw, high_kw = device_bounds_kw(field, known)
    for k in field.roofs.tolist():
        low_kw[:, k] = -field.assets[k].rating_kw
    plan_kw = planned.plan_kw[:, mine]
    names = tuple(field.assets[k].asset for k in mine)
    return Account(names, plan_kw.copy(), low_kw[:, mine], high_kw[:, mine])


def _replan(field: Field, account: Account, name: str, planned: Planned) -> None:
    account.replan(name, np.arange(len(account.asset)), planned.plan_kw[:, account.rows_of(field.row)])


def _sell(field: Field, account: Account, market: Marketed) -> None:
    """Each device commits what its plan gives of an award; then all others plan anew around it."""
    for k, (device, award) in enumerate(zip(market.device.tolist(), market.award.tolist(), strict=True)):
        asset, plan_kw = field.assets[device].asset, market.planned.plan_kw[:, device]
        less_kw = np.maximum(market.before_kw[k] - plan_kw, 0.0)
        aggregator = str(market.aggregator[award])
        commitment = Commitment(
            stage=MARKET,
            asset=asset,
            counterparty=aggregator,
            reference=f"{MARKET} {award} {asset}",
            quantity_kw=np.where(market.ordered_kw[award] > 0.0, less_kw, 0.0),
            price_per_kwh=float(market.price_per_kwh[award]),
        )
        account.sell(commitment, plan_kw)
    _replan(field, account, MARKET, market.planned)


def _close(field: Field, account: Account, done: Realised) -> None:
    """Envelopes narrow the bands, and what devices did is inside of what was left."""
    rows, at = np.arange(len(account.asset)), account.rows_of(field.row)
    account.narrow("envelopes", rows, done.p_min_kw[:, at], done.p_max_kw[:, at])
    account.replan("day", rows, done.p_kw[:, at])
