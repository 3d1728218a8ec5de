"""The day before: baselines, the dynamic tariff, and the market for what is still broken.

Each stage plans with what was known at its gate, and hands on plans: of every asset its net power, of every
car and house the path of its state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gridcommons.day.battery_plans import MeterPrices, plan_batteries
from gridcommons.day.communities import schedule_communities, with_schedules
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Marketed, Planned, Tariffed
from gridcommons.day.set_points import Orders, operate, unplanned_target
from gridcommons.flexibility.aggregators import Aggregator, offering_parties
from gridcommons.flexibility.check import GridView, check_plan
from gridcommons.flexibility.day_ahead import Stage, parties, tariff_stage
from gridcommons.flexibility.fleet import Fleet, make_fleet
from gridcommons.flexibility.market import Award, MarketPlace, MarketStage, taken
from gridcommons.flexibility.settings import Settings as FlexibilitySettings
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.profiles import Profiles
from gridcommons.model.settings import read_settings
from gridcommons.model.study import Study

FLEXIBILITY = "flexibility"

LET_PASS_SHARE = 0.005
"""By how much a limit may be broken before flexibility is bought for it: an offer is of all its hours, and
what the tariff leaves of a limit by rounding is not worth another hour of it."""


def flexibility_settings(study: Study) -> FlexibilitySettings:
    """Settings of tariff and market: those of the study's task ``flexibility``."""
    return read_settings(FlexibilitySettings, study.tasks.get(FLEXIBILITY, {}), FLEXIBILITY)


def has_fleet(field: Field) -> bool:
    """Whether an aggregator has devices that can be planned, and prices to plan them by."""
    has_party = any(_is_in_fleet(field, k) for k in field.chained.tolist())
    is_alone = not field.hubs and not field.study.grid.is_three_phase
    return has_party and is_alone and field.study.prices is not None


def _is_in_fleet(field: Field, k: int) -> bool:
    """Whether an aggregator plans a device: it has one, and may be moved."""
    member = field.study.community.member_by_id[field.assets[k].member]
    return bool(member.aggregator) and bool(field.is_controllable[k])


@dataclass(frozen=True, eq=False)
class Desk:
    """The fleet as it is seen at a gate.

    Parameters
    ----------
    field : Field
        The day.
    profiles : Profiles
        What is known.
    plan_kw : (steps, assets), optional
        Plans of everybody; batteries, and cars and houses that no aggregator plans, count by theirs.
    margin_share : float
        What is left of each limit; negative where a little more than the limit is let pass.
    """

    field: Field
    profiles: Profiles
    plan_kw: FloatArray | None = None
    margin_share: float = 0.0

    @cached_property
    def study(self) -> Study:
        """The study as it is known, with the plans of what no aggregator plans as profiles."""
        field, columns = self.field, dict(self.profiles.columns)
        chained = [k for k in field.chained.tolist() if not _is_in_fleet(field, k)]
        for k in (*field.stored.tolist(), *chained):
            columns[field.assets[k].asset] = (
                np.zeros(self.profiles.time.steps) if self.plan_kw is None else self.plan_kw[:, k]
            )
        limits = field.study.limits.with_margin(self.margin_share)
        return replace(field.study, profiles=replace(self.profiles, columns=columns), limits=limits)

    @cached_property
    def settings(self) -> FlexibilitySettings:
        """Settings of tariff and market."""
        return flexibility_settings(self.study)

    @cached_property
    def view(self) -> GridView:
        """The grid as the operator sees it."""
        return GridView(self.study, self.field.network, self.field.engines.method)

    @cached_property
    def fleet(self) -> Fleet:
        """The devices behind aggregators."""
        return make_fleet(self.study, self.settings)

    @cached_property
    def rows(self) -> IntArray:
        """Column of each device of the fleet."""
        return np.array([self.field.row[name] for name in self.fleet.chains.name], dtype=np.int64)

    @cached_property
    def water_kw(self) -> FloatArray:
        """What hot water takes of each device, shape (devices, steps) [kW]."""
        idle = self.field.net_kw(self.profiles)[:, self.rows].T
        return np.where(np.isin(self.rows, self.field.chained[len(self.field.cars) :])[:, None], idle, 0.0)

    def power_kw(self) -> FloatArray:
        """Plans of the fleet, hot water aside, shape (devices, steps) [kW]."""
        assert self.plan_kw is not None
        return self.plan_kw[:, self.rows].T - self.water_kw

    def planned(self, power_kw: FloatArray) -> Planned:
        """Plans of everybody when the fleet does this, shape (devices, steps) [kW]."""
        chains = self.field.chains(self.profiles)
        target = unplanned_target(chains, len(self.field.cars))
        place = {row: k for k, row in enumerate(self.field.chained.tolist())}
        mine = np.array([place[row] for row in self.rows.tolist()], dtype=np.int64)
        target[mine] = self.fleet.chains.states(power_kw)[:, :, 0]
        return planned_by(self.field, self.profiles, target, by_price=True)

    def stage(self, name: str) -> Stage:
        """The fleet's plans with their load flow."""
        power_kw = self.power_kw()
        return Stage(name, power_kw, check_plan(self.view, self.fleet, power_kw))


def planned_by(
    field: Field,
    profiles: Profiles,
    target: FloatArray,
    *,
    by_price: bool = False,
) -> Planned:
    """Plans of everybody for given states, batteries by what their members then lack or have left.

    Parameters
    ----------
    by_price : bool
        Whether batteries may plan by the price of their member, where the study lets them.
    """
    shape = (field.study.time.steps, len(field.assets))
    free = Orders(target, np.full(shape, -np.inf), np.full(shape, np.inf))
    p_kw = operate(field, profiles, profiles, free).p_kw
    stored_target = np.zeros((0, 0))
    if by_price and field.settings.battery_plan == "price" and len(field.batteries):
        stored_target = plan_batteries(field.batteries, _meters(field, p_kw))
        p_kw = operate(field, profiles, profiles, replace(free, stored_target=stored_target)).p_kw
    seen_kw = field.net_kw(profiles)
    return Planned(p_kw, field.net_kvar(p_kw, profiles), seen_kw, target, stored_target)


def _meters(field: Field, p_kw: FloatArray) -> MeterPrices:
    """What the meter of each battery is expected to count without it, and its prices."""
    prices, others = field.study.prices, p_kw.copy()
    assert prices is not None  # nobody plans by a price without one
    others[:, field.stored] = 0.0
    member_kw = others @ np.eye(len(field.study.community.members))[field.member_of]
    owner = field.member_of[field.stored]
    size = np.array([battery.charge_max_kw for battery in field.batteries])
    together = np.bincount(owner, size, member_kw.shape[1])[owner]
    part = size / np.where(together > 0.0, together, 1.0)
    paid = prices.import_price_per_kwh + np.nan_to_num(prices.network_fee_per_kwh)
    import_per_kwh = np.tile(paid[:, None], len(owner))
    export = np.minimum(np.nan_to_num(prices.export_price_per_kwh)[:, None], import_per_kwh)
    return MeterPrices(member_kw[:, owner] * part, import_per_kwh, export, field.study.time.step_hours)


def plan_alone(field: Field) -> Planned:
    """What everybody does when nobody plans for the price; communities of heat and power plan their own."""
    profiles = field.information.seen(field.gates["baseline"])
    target = unplanned_target(field.chains(profiles), len(field.cars))
    planned = planned_by(field, profiles, target)
    if not field.hubs:
        return planned
    scheduled = schedule_communities(field, profiles, planned.plan_kw, with_round=False)
    return with_schedules(field, planned, scheduled)


def plan_baseline(field: Field) -> Planned:
    """Everybody at the spot price alone; who has no aggregator as if nobody planned."""
    if not has_fleet(field):
        return plan_alone(field)
    desk = Desk(field, field.information.seen(field.gates["baseline"]))
    spot = np.tile(desk.fleet.spot_per_kwh, (len(desk.fleet), 1))
    return desk.planned(desk.fleet.plan(spot))


def publish_tariff(field: Field, before: Planned) -> Tariffed:
    """A tariff that keeps the plans within the grid, and the plans that answer it.

    Raises
    ------
    InfeasibleError
        A plain tariff is asked for and none holds the limits.
    """
    desk = Desk(field, field.information.seen(field.gates["tariff"]), before.plan_kw)
    with field.engines.progress("tariffs tried", None) as told:
        found = tariff_stage(
            desk.view, desk.fleet, desk.settings, desk.stage("baseline"), field.study.seed, told
        )
    rate = found.published.tariff_per_kwh
    return Tariffed(desk.planned(found.stage.power_kw), desk.fleet.load_points, rate)


def buy_flexibility(field: Field, before: Planned, tariff: Tariffed | None) -> Marketed:
    """What the grid operator buys of aggregators for what the plans still break."""
    desk = Desk(field, field.information.seen(field.gates["market"]), before.plan_kw, -LET_PASS_SHARE)
    stage = desk.stage("market")
    aggregators = parties(desk.fleet, stage.power_kw, desk.settings, field.study.seed)
    if tariff is not None:
        aggregators = [replace(party, tariff_per_kwh=tariff.tariff_per_kwh) for party in aggregators]
    asked = offering_parties(aggregators, field.study.offers)
    place = MarketPlace(desk.view, desk.fleet, desk.settings, field.engines, stage, aggregators, asked)
    market = place.run()
    return replace(
        _marketed(desk, market, aggregators, stage.power_kw),
        planned=desk.planned(market.stage.power_kw),
    )


def _marketed(
    desk: Desk, market: MarketStage, aggregators: list[Aggregator], before_kw: FloatArray
) -> Marketed:
    by_name = {party.name: party for party in aggregators}
    devices = [by_name[each.aggregator].bundle(each.load_point).devices for each in market.awards]
    inside = [
        by_name[each.aggregator].devices[mine] for each, mine in zip(market.awards, devices, strict=True)
    ]
    count = np.array([len(mine) for mine in inside], dtype=np.int64)
    fleet_rows = np.concatenate([np.zeros(0, dtype=np.int64), *inside])
    steps = desk.study.time.steps
    needed_kw, missing_kw = np.zeros(steps), np.zeros(steps)
    np.maximum.at(needed_kw, market.need.rows.step, -market.need.rows.room_kw)
    for _, _, step, kw in market.shortages:
        missing_kw[step] = max(missing_kw[step], kw)
    return Marketed(
        planned=desk.planned(market.stage.power_kw),
        aggregator=np.array([each.aggregator for each in market.awards], dtype=np.str_),
        bus=desk.fleet.load_points[[each.load_point for each in market.awards]],
        ordered_kw=np.array([each.obligation.less_kw for each in market.awards]).reshape(-1, steps),
        price_per_kwh=np.array([_price(desk, market, each) for each in market.awards], dtype=np.float64),
        device=desk.rows[fleet_rows],
        award=np.repeat(np.arange(len(count)), count),
        before_kw=(before_kw + desk.water_kw)[fleet_rows],
        needed_kw=needed_kw,
        missing_kw=missing_kw,
    )


def _price(desk: Desk, market: MarketStage, award: Award) -> float:
    """What a kWh of an award is paid, the mean over its offers."""
    clearing = market.clearing
    assert clearing is not None
    bus = market.requirement.bus[award.load_point]
    amount, energy = 0.0, 0.0
    for offer in market.book.offers:
        if (offer.aggregator, offer.bus) != (award.aggregator, bus):
            continue
        less_kw, _ = taken(offer, clearing.shares[clearing.offers.index(offer.offer)])
        price: FloatArray = np.full(len(less_kw), offer.price_per_kwh)
        if desk.settings.payment == "as_clear":
            market_price = clearing.price_per_kwh[clearing.bus.index(bus)]
            price = np.minimum(market_price, desk.settings.price_max_per_kwh)
        elif offer.response_kw_per_price > 0.0:
            price = less_kw / offer.response_kw_per_price
        amount, energy = amount + float(price @ less_kw), energy + float(less_kw.sum())
    return amount / energy if energy else 0.0
