"""What an aggregator offers: less load at the hours asked for, paid back at one hour, by devices that can.

For each load point and payback hour τ,

    max Σ_t price f_t − Σ_d c_d Δp_d² − Σ λ Δp,   f_t = Σ_d (p0_dt − p_dt) ≥ 0 at the hours asked for,
    0 ≤ payback at τ ≤ 1.5 Σ f, no other hour changes, each car and house within its bounds

(SMART-MLA, final report of project 64018-0302, 2022, §5.2.2, where τ is a binary of a MIQP). The devices
share only the payback cap, so τ is enumerated: each is a batch of small plans, and where they would take
back more than the cap allows, a price on payback is raised until they do not. That is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.flexibility.fleet import Fleet
from gridcommons.flexibility.settings import Settings
from gridcommons.model.flexibility import Offer, Relation, Requirement
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.optimisation.chain_plans import plan_devices
from gridcommons.optimisation.devices.chain import Chains

LEAST_OFFER_KW = 0.05
"""What is less than this is not offered."""

BISECTIONS = 40
ROOM = 1e-4
"""How far a state may leave its bound where the plan lies on it [kWh], [K]."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """The devices of one aggregator at one load point, around their plan.

    Parameters
    ----------
    devices : (devices,)
        Their indices in the fleet.
    plan_kw : (devices, steps)
        Their plan [kW].
    price_per_kwh : (steps,), optional
        What a kWh costs them, tariffs included; the spot price by default.
    """

    fleet: Fleet
    devices: IntArray
    plan_kw: FloatArray
    price_per_kwh: FloatArray | None = None

    @property
    def energy_price(self) -> FloatArray:
        """What a kWh costs, shape (steps,)."""
        return self.fleet.spot_per_kwh if self.price_per_kwh is None else self.price_per_kwh

    def narrowed(self, down: BoolArray, up: BoolArray) -> Chains:
        """The devices, free to draw less at some hours and more at others, fixed to their plan elsewhere."""
        chains = self.fleet.chains.take(self.devices)
        # A plan may touch its bounds within rounding; the range around it always holds it.
        low = np.where(down, np.minimum(chains.power_low, self.plan_kw), self.plan_kw)
        high = np.where(up, np.maximum(chains.power_high, self.plan_kw), self.plan_kw)
        return with_room(replace(chains, power_low=low, power_high=high), self.plan_kw)

    def cost(self, power_kw: FloatArray) -> float:
        """Discomfort and extra energy cost of leaving the plan, for one day."""
        moved_kw = power_kw - self.plan_kw
        hours = self.fleet.step_hours
        discomfort = (self.fleet.discomfort_per_kw2h[self.devices, None] * moved_kw**2).sum()
        return float(discomfort + (self.energy_price * moved_kw).sum()) * hours


@dataclass(frozen=True, eq=False)
class Schedule:
    """What a bundle would do for one price and payback hour, and what the aggregator gains by it."""

    power_kw: FloatArray
    flexibility_kw: FloatArray
    payback_kw: FloatArray
    gain: float


def with_room(chains: Chains, plan_kw: FloatArray) -> Chains:
    """State bounds that a plan touches, widened to hold it with a little room for the solver to move in."""
    states = chains.states(plan_kw)
    low = np.minimum(chains.state_low, states - ROOM)
    high = np.maximum(chains.state_high, states + ROOM)
    return replace(chains, state_low=low, state_high=high)


def make_offers(
    bundle: Bundle, place: tuple[str, str], asked: BoolArray, requirement: Requirement, prices: FloatArray
) -> list[Offer]:
    """The offers of an aggregator at one load point.

    Parameters
    ----------
    bundle : Bundle
        Its devices there.
    place : pair of str
        Aggregator and bus.
    asked : (steps,)
        Hours in which less load is asked for there.
    requirement : Requirement
        Payback hours and caps.
    prices : (offers,)
        What is asked for each kWh, ascending: each price buys more of the same devices.

    Returns
    -------
    list of Offer
        Empty where no hour pays. Several are increments of one schedule where each adds to the one before
        at every hour, otherwise alternatives.
    """
    paid, ladder = _ladder(bundle, asked, requirement, prices)
    parts = _increments(ladder)
    relation: Relation = "increment"
    if parts is None:
        parts, relation = [(s.flexibility_kw, s.payback_kw) for s in ladder], "exclusive"
    aggregator, bus = place
    group = f"{aggregator}/{bus}"
    return [
        Offer(
            offer=f"{group}/{number}",
            aggregator=aggregator,
            bus=bus,
            price_per_kwh=float(price),
            flexibility_kw=flexibility_kw,
            payback_kw=payback_kw,
            group=group,
            relation=relation if len(parts) > 1 else "alone",
        )
        for number, (price, (flexibility_kw, payback_kw)) in enumerate(zip(paid, parts, strict=True), 1)
        if flexibility_kw.max() > LEAST_OFFER_KW
    ]


def _ladder(
    bundle: Bundle, asked: BoolArray, requirement: Requirement, prices: FloatArray
) -> tuple[list[float], list[Schedule]]:
    """The prices that pay, and a schedule for each, all with the payback hour of the first."""
    paid: list[float] = []
    ladder: list[Schedule] = []
    for price in prices.tolist():
        if ladder:
            hours = payback_windows(requirement.payback_allowed & ~asked, bundle.fleet.step_hours)
            same = (hours & (ladder[0].payback_kw > 0.0)).any(axis=1)
            hour: BoolArray = np.asarray(hours[same].any(axis=0))
            schedule = schedule_at(bundle, asked, hour, price, requirement.payback_max_share)
        else:
            schedule = best_schedule(bundle, asked, requirement, price)
        if schedule is not None and schedule.flexibility_kw.max() > LEAST_OFFER_KW:
            paid.append(price)
            ladder.append(schedule)
    return paid, ladder


def _increments(ladder: list[Schedule]) -> list[tuple[FloatArray, FloatArray]] | None:
    """What each schedule adds to the one before; None where one adds less than nothing."""
    if not ladder:
        return []
    parts, before = [], (np.zeros_like(ladder[0].flexibility_kw), np.zeros_like(ladder[0].payback_kw))
    for schedule in ladder:
        more_kw = schedule.flexibility_kw - before[0]
        back_kw = schedule.payback_kw - before[1]
        if min(more_kw.min(), back_kw.min()) < -1e-6:
            return None
        parts.append((np.maximum(more_kw, 0.0), np.maximum(back_kw, 0.0)))
        before = (schedule.flexibility_kw, schedule.payback_kw)
    return parts


def payback_windows(allowed: BoolArray, step_hours: float) -> BoolArray:
    """The payback hours, counted from the first interval, as masks, shape (hours, steps).

    An hour holds those of its intervals in which energy may be taken back; an interval of an hour or more is
    an hour of its own.
    """
    width = max(1, round(1.0 / step_hours))
    hour = np.arange(len(allowed)) // width
    masks = (hour == np.arange(hour[-1] + 1)[:, None]) & allowed
    return np.asarray(masks[masks.any(axis=1)])


def best_schedule(
    bundle: Bundle, asked: BoolArray, requirement: Requirement, price: float
) -> Schedule | None:
    """The most gainful schedule over all payback hours, taking nothing back among them."""
    hours = payback_windows(requirement.payback_allowed & ~asked, bundle.fleet.step_hours)
    count, devices = len(hours), len(bundle.devices)
    # All payback hours at once: a copy of the devices for each.
    copies = Bundle(
        bundle.fleet,
        np.tile(bundle.devices, count),
        np.tile(bundle.plan_kw, (count, 1)),
        bundle.price_per_kwh,
    )
    power_kw = _answer(copies, asked, np.repeat(hours, devices, axis=0), price, 0.0)
    best: Schedule | None = None
    for number, hour in enumerate(hours):
        mine = power_kw[number * devices : (number + 1) * devices]
        schedule = _schedule(bundle, mine, asked, price)
        if schedule.payback_kw.sum() > requirement.payback_max_share * schedule.flexibility_kw.sum() + 1e-9:
            found = schedule_at(bundle, asked, hour, price, requirement.payback_max_share)
            if found is None:
                continue
            schedule = found
        if schedule.gain > 0.0 and (best is None or schedule.gain > best.gain):
            best = schedule
    return best


def schedule_at(
    bundle: Bundle, asked: BoolArray, hour: BoolArray, price: float, most_share: float
) -> Schedule | None:
    """The most gainful schedule with one payback hour; None where nothing is gained."""
    up = np.tile(hour, (len(bundle.devices), 1))

    def at(dearer: float) -> Schedule:
        return _schedule(bundle, _answer(bundle, asked, up, price, dearer, most_share), asked, price)

    schedule = _least_dearer(at, most_share, price)
    return schedule if schedule.gain > 0.0 and schedule.flexibility_kw.max() > LEAST_OFFER_KW else None


def _least_dearer(at: Callable[[float], Schedule], most_share: float, price: float) -> Schedule:
    """The schedule at the least price ν on (payback − share · flexibility) at which the cap holds."""

    def holds(schedule: Schedule) -> bool:
        return bool(schedule.payback_kw.sum() <= most_share * schedule.flexibility_kw.sum() + 1e-6)

    schedule = at(0.0)
    if holds(schedule):
        return schedule
    low, high = 0.0, max(price, 0.1)
    while not holds(schedule := at(high)):
        low, high = high, 4.0 * high
        if high > 1e4:
            return replace(schedule, gain=0.0)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        trial = at(middle)
        if holds(trial):
            high, schedule = middle, trial
        else:
            low = middle
    return schedule


def _answer(
    bundle: Bundle,
    asked: BoolArray,
    up: BoolArray,
    price: float,
    dearer: float,
    most_share: float = 0.0,
) -> FloatArray:
    """What devices do for a price at the hours asked for, and ν = ``dearer`` on payback above its share."""
    fleet, hours = bundle.fleet, bundle.fleet.step_hours
    down = np.broadcast_to(asked, up.shape)
    chains = bundle.narrowed(down, up)
    curvature = 2.0 * fleet.discomfort_per_kw2h[bundle.devices] * hours
    cost = (
        np.tile(bundle.energy_price * hours, (len(bundle.devices), 1)) - curvature[:, None] * bundle.plan_kw
    )
    cost += np.where(down, (price + most_share * dearer) * hours, 0.0) + np.where(up, dearer * hours, 0.0)
    return plan_devices(chains, curvature, cost)


def _schedule(bundle: Bundle, power_kw: FloatArray, asked: BoolArray, price: float) -> Schedule:
    change_kw = (power_kw - bundle.plan_kw).sum(axis=0)
    flexibility_kw = np.where(asked, np.maximum(-change_kw, 0.0), 0.0)
    payback_kw = np.where(asked, 0.0, np.maximum(change_kw, 0.0))
    payback_kw[payback_kw < 1e-9] = 0.0
    income = price * flexibility_kw.sum() * bundle.fleet.step_hours
    return Schedule(power_kw, flexibility_kw, payback_kw, income - bundle.cost(power_kw))


def draw_prices(settings: Settings, seed: int, aggregators: int, places: int) -> FloatArray:
    """What each aggregator asks at each load point for its first offer, shape (aggregators, places)."""
    rng = np.random.default_rng([seed, 4])
    drawn = rng.normal(
        settings.offer_price_per_kwh, settings.offer_price_spread_per_kwh, (aggregators, places)
    )
    return np.asarray(np.round(np.clip(drawn, 0.01, settings.price_max_per_kwh), 2), dtype=np.float64)
