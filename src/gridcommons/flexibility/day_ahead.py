"""The day ahead, one instrument after the other, each plan checked by AC load flow.

Each instrument takes the plan that the one before left and returns a new one with its own account of what it
did. Nothing here writes anything; ``tables`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.flexibility.aggregators import Aggregator, aggregator_names, make_aggregators
from gridcommons.flexibility.bidding import Bundle, draw_prices
from gridcommons.flexibility.check import GridState, GridView, check_plan
from gridcommons.flexibility.coordination import Coordination, coordinate
from gridcommons.flexibility.delivery import Delivery, Obligation, deliver
from gridcommons.flexibility.dynamic_tariff import (
    NO_PRICE_PER_KWH,
    TariffPlan,
    TariffProblem,
    plain_tariff,
)
from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.limits import linear_limits
from gridcommons.flexibility.reprofiling import Call, broken_rows, call_customers
from gridcommons.flexibility.settings import Settings
from gridcommons.model.errors import InfeasibleError
from gridcommons.model.grid import FloatArray

Told = Callable[[int], None]

MOST_CALLS = 4
"""How often re-profiling may be called again for what the load flow still shows."""

ENOUGH_KW = 0.05
"""What a limit may be broken by without another call."""


@dataclass(frozen=True, eq=False)
class Stage:
    """A plan after an instrument: ``power_kw`` (devices, steps), and its AC load flow."""

    name: str
    power_kw: FloatArray
    state: GridState


@dataclass(frozen=True, eq=False)
class TariffStage:
    """What the tariff did.

    Parameters
    ----------
    published : TariffPlan
        What aggregators are told.
    plain : TariffPlan
        The tariff without a cap; with shortfalls where no tariff holds the limits.
    coordination : Coordination, optional
        How the cap was found.
    stage : Stage
        What the aggregators make of it, each planning for itself.
    apart_kw : float
        How far any device's plan is from what the DSO expected [kW].
    """

    published: TariffPlan
    plain: TariffPlan
    coordination: Coordination | None
    stage: Stage
    apart_kw: float


@dataclass(frozen=True, eq=False)
class ReprofilingStage:
    """What re-profiling did: the call, what each load point delivers of it, and the plan after it."""

    call: Call
    deliveries: Mapping[int, Delivery]
    obligations: Mapping[int, Obligation]
    stage: Stage

    @property
    def delivered_kw(self) -> FloatArray:
        """What the devices deliver of the call, shape (load points, steps) [kW]."""
        delivered_kw = self.call.quantity_kw.copy()
        for point, delivery in self.deliveries.items():
            delivered_kw[point] -= delivery.shortfall_kw
        return np.maximum(delivered_kw, 0.0)

    @property
    def paid_per_hour(self) -> FloatArray:
        """What the DSO pays an hour, for what is delivered, shape (load points, steps)."""
        return self.call.price_per_kwh * self.delivered_kw


def baseline_stage(view: GridView, fleet: Fleet) -> Stage:
    """What every device does at the spot price alone."""
    power_kw = fleet.plan(np.tile(fleet.spot_per_kwh, (len(fleet), 1)))
    return Stage("baseline", power_kw, check_plan(view, fleet, power_kw))


def parties(fleet: Fleet, plan_kw: FloatArray, settings: Settings, seed: int) -> list[Aggregator]:
    """The aggregators around a plan."""
    names = aggregator_names(fleet)
    prices = draw_prices(settings, seed, len(names), len(fleet.load_points))
    return make_aggregators(fleet, plan_kw, prices, settings.offers_per_load_point)


def tariff_stage(
    view: GridView, fleet: Fleet, settings: Settings, before: Stage, seed: int, told: Told
) -> TariffStage:
    """Publishes a tariff, and lets every aggregator plan for itself.

    Raises
    ------
    InfeasibleError
        If a plain tariff is asked for and none holds the limits, or a coordinated one and no cap makes the
        DSO neutral.
    """
    problem = TariffProblem(view, fleet, settings, before.power_kw)
    coordination = None
    if settings.tariff == "plain":
        published = plain = plain_tariff(problem)
    else:
        plain = problem.solve(NO_PRICE_PER_KWH)
        if not plain.tariff_per_kwh.any():
            published = plain
        elif settings.tariff == "relaxed":
            published = problem.solve(settings.tariff_cap_per_kwh)
        else:
            rng = np.random.default_rng([seed, 3])
            coordination = coordinate(problem, settings.coordination, rng, told)
            published = coordination.found.plan
    power_kw = before.power_kw.copy()
    for party in parties(fleet, before.power_kw, settings, seed):
        power_kw[party.devices] = party.plan(published.tariff_per_kwh)
    apart_kw = float(np.abs(power_kw - published.power_kw).max(initial=0.0))
    stage = Stage("tariff", power_kw, check_plan(view, fleet, power_kw))
    return TariffStage(published, plain, coordination, stage, apart_kw)


def reprofiling_stage(view: GridView, fleet: Fleet, settings: Settings, before: Stage) -> ReprofilingStage:
    """Calls the customers under contract for what is still broken, and re-schedules their devices.

    What they draw less comes back at hours where the grid has room. Where the load flow of the new schedules
    still breaks a limit, that much more is called.
    """
    response = settings.response_kw_per_price
    call = call_customers(fleet, broken_rows(fleet, before.state), before.power_kw, response)
    for _ in range(MOST_CALLS):
        done = _reprofiled(view, fleet, settings, before, call)
        still = broken_rows(fleet, done.stage.state)
        is_mended = not len(still) or (-still.room_kw).max() < ENOUGH_KW
        # Where devices cannot deliver what was called, calling for more of it mends nothing.
        falls_short = (done.call.quantity_kw - done.delivered_kw).max(initial=0.0) > ENOUGH_KW
        if is_mended or falls_short:
            break
        call = _call_more(fleet, before, call, done, response)
    return done


def _call_more(fleet: Fleet, before: Stage, call: Call, done: ReprofilingStage, response: float) -> Call:
    """A call for what is broken before it, and for what the load flow shows beyond it."""
    first, still = broken_rows(fleet, before.state), broken_rows(fleet, done.stage.state)
    over_kw = dict(zip(still.places(), -still.room_kw, strict=True))
    # What nobody could give is not asked for again: the load flow still shows it.
    given_kw = -call.rows.room_kw - call.missing_kw
    asked_kw = dict(zip(call.rows.places(), given_kw, strict=True))
    need_kw = np.array([asked_kw.get(key, 0.0) + over_kw.get(key, 0.0) for key in first.places()])
    return call_customers(fleet, replace(first, room_kw=-need_kw), before.power_kw, response)


def _reprofiled(
    view: GridView, fleet: Fleet, settings: Settings, before: Stage, call: Call
) -> ReprofilingStage:
    back_kw = room_to_take_back(fleet, settings, before, call)
    power_kw = before.power_kw.copy()
    deliveries, obligations = {}, {}
    for point in np.flatnonzero(call.quantity_kw.any(axis=1)):
        devices = np.flatnonzero(fleet.reprofiling & (fleet.load_point == point))
        bundle = Bundle(fleet, devices, before.power_kw[devices])
        obligation = Obligation(call.quantity_kw[point], back_kw[point])
        deliveries[int(point)], obligations[int(point)] = deliver(bundle, obligation), obligation
        power_kw[devices] = deliveries[int(point)].power_kw
    stage = Stage("reprofiling", power_kw, check_plan(view, fleet, power_kw))
    return ReprofilingStage(call, deliveries, obligations, stage)


def room_to_take_back(fleet: Fleet, settings: Settings, before: Stage, call: Call) -> FloatArray:
    """How much more each load point may draw at the other hours, shape (load points, steps) [kW].

    Every limit's room, less the margin, is shared by the load points that are called, by what they owe.
    """
    owed_kw = call.quantity_kw.sum(axis=1)
    power_kw = fleet.at_load_points(fleet.chains.power_high - before.power_kw, fleet.reprofiling)
    back_kw = np.where((call.quantity_kw > 0.0) | (owed_kw[:, None] == 0.0), 0.0, power_kw)
    margin = (settings.payback_margin_share, 0.0)
    rows = linear_limits(before.state, fleet.load_points, back_kw, margin)
    for row, step in enumerate(rows.step):
        weight = np.maximum(rows.matrix[row], 0.0)
        wanted = float(weight @ owed_kw)
        if wanted > 0.0:
            share = max(float(rows.room_kw[row]), 0.0) / wanted
            mine = weight > 0.0
            back_kw[mine, step] = np.minimum(back_kw[mine, step], share * owed_kw[mine])
    return back_kw


def check_instruments(fleet: Fleet, settings: Settings) -> None:
    """Refuse an instrument that nobody could answer.

    Raises
    ------
    InfeasibleError
        With what is missing.
    """
    if "reprofiling" in settings.instruments and not fleet.reprofiling.any():
        raise InfeasibleError(
            "re-profiling is asked for, but no member with a flexible device has the contract 'reprofiling': "
            "leave 'reprofiling' out of instruments, or write the contract into members.csv"
        )
    if settings.tariff == "coordinated" and "tariff" in settings.instruments and not fleet.reprofiling.any():
        raise InfeasibleError(
            "a coordinated tariff pays for re-profiling, but no member with a flexible device has the "
            "contract 'reprofiling': set tariff = 'relaxed', or write the contract into members.csv"
        )
    if {"tariff", "market"} & set(settings.instruments) and fleet.reprofiling.all():
        raise InfeasibleError(
            "tariff or market is asked for, but every member with a flexible device is under contract for "
            "re-profiling"
        )
