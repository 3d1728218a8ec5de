"""One day in each scenario: rounds, trades, switches, flows and bills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.clusters import ClusterMap
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.study import Study
from gridcommons.model.switches import positions
from gridcommons.ports import Engines, SwitchController, SwitchWish
from gridcommons.powerflow.switched_flows import Connected, SwitchedFlows, simulate_switched, with_asset_power
from gridcommons.trading.community_day import CommunityDay
from gridcommons.trading.contracts import Contracts, Market, make_contracts
from gridcommons.trading.mechanisms import make_mechanism
from gridcommons.trading.money import Bills, bills_alone, bills_together
from gridcommons.trading.rounds import Delay, FixedDelay, NormalDelay, Rounds, RoundSettings, find_rounds
from gridcommons.trading.scenarios import (
    Positions,
    Switchyard,
    all_joined,
    clusters_alone,
    constant_positions,
    group_numbers,
    joined_clusters,
)
from gridcommons.trading.settings import Scenario, Settings
from gridcommons.trading.shared_battery import (
    BatteryDay,
    SharedBatteries,
    find_shared_batteries,
    follow_market,
    owners_amount,
)
from gridcommons.trading.triggers import TRIGGERS, Periodic, Trigger


@dataclass(frozen=True, eq=False)
class Field:
    """What all scenarios of a study share.

    Parameters
    ----------
    study, settings : Study, Settings
        What is asked.
    day : CommunityDay
        Measurements and prices.
    clusters : ClusterMap
        The graph of clusters.
    connected : Connected
        Power of every asset.
    controller : SwitchController
        Who moves switches.
    batteries : SharedBatteries
        Batteries that members own together.
    method : str
        Load flow.
    """

    study: Study
    settings: Settings
    day: CommunityDay
    clusters: ClusterMap
    connected: Connected
    controller: SwitchController
    batteries: SharedBatteries
    method: str

    @property
    def balance_kw(self) -> FloatArray:
        """Surplus of each cluster, loads of the grid file included, shape (minutes, clusters) [kW]."""
        return np.asarray(self.day.balance_kw - self.clusters.fixed_kw)


@dataclass(frozen=True)
class Case:
    """A way to run a scenario: a trigger, its threshold, and a fixed delay or (None) the drawn one."""

    trigger: str
    threshold: float
    delay_minutes: float | None = None


@dataclass(frozen=True, eq=False)
class ScenarioDay:
    """A scenario that was run.

    Parameters
    ----------
    scenario : str
        Its name.
    case : Case
        Trigger and delay.
    fed_in_kw, absorbed_kw, losses_kw : (minutes,)
        Exchange with the main grid, and losses that are the community's [kW].
    rounds : Rounds or None
        Rounds of the market; None where members do not trade.
    contracts : Contracts or None
        Their trades; None where they were not asked for.
    positions, flows : Positions, SwitchedFlows or None
        Switches and what flows; None where each member is alone.
    bills : Bills or None
        Who pays what; None where no trades were asked for.
    battery : BatteryDay or None
        What batteries that are owned together did; None where each member is alone.
    metered : CommunityDay or None
        The day as meters saw it: nothing where there was no supply; None where each member is alone.
    """

    scenario: Scenario
    case: Case
    fed_in_kw: FloatArray
    absorbed_kw: FloatArray
    losses_kw: FloatArray
    rounds: Rounds | None = None
    contracts: Contracts | None = None
    positions: Positions | None = None
    flows: SwitchedFlows | None = None
    bills: Bills | None = None
    battery: BatteryDay | None = None
    metered: CommunityDay | None = None

    @property
    def battery_kw(self) -> FloatArray:
        """Net power of these batteries, charging positive, shape (minutes, batteries) [kW]."""
        return np.zeros((len(self.fed_in_kw), 0)) if self.battery is None else self.battery.p_kw

    @property
    def asked_kw(self) -> FloatArray:
        """What each round asked of the batteries of each cluster, shape (rounds, clusters) [kW]."""
        assert self.battery is not None
        return self.battery.asked_kw


def run_scenario(field: Field, scenario: Scenario) -> ScenarioDay:
    """A day in a scenario, with the study's own trigger and delay."""
    settings, day = field.settings, field.day
    case = Case(settings.trigger, settings.threshold)
    if scenario == "members":
        fed_in_kw, absorbed_kw = (np.maximum(sign * day.p_kw, 0.0).sum(axis=1) for sign in (-1.0, 1.0))
        return ScenarioDay(
            scenario, case, fed_in_kw, absorbed_kw, np.zeros(day.minutes), bills=bills_alone(day)
        )
    return run_case(field, scenario, case, with_market=True)


def run_case(field: Field, scenario: Scenario, case: Case, *, with_market: bool) -> ScenarioDay:
    """A day of members that trade, with or without its trades and bills."""
    rounds = find_rounds(
        field.day.p_kw,
        field.day.cluster_of,
        _round_settings(field.settings, case),
        _generator(field),
        field.day.news,
    )
    connected = field.connected
    battery = follow_market(field.batteries, field.day, rounds, _sharing(field, scenario))
    if len(field.batteries):
        connected = with_asset_power(connected, field.batteries.column, battery.p_kw)
    placed = _positions(field, scenario, rounds, (battery, connected))
    flows = simulate_switched(field.study, field.clusters, connected, placed.closed, field.method)
    fed_in_kw, absorbed_kw = (np.maximum(sign * flows.pcc_kw, 0.0).sum(axis=1) for sign in (-1.0, 1.0))
    contracts = bills = None
    _, has_way = joined_clusters(field.clusters, placed.closed)
    metered = field.day.served(has_way)
    if with_market:
        contracts = make_contracts(field.day, rounds, _market(field, placed, rounds))
        owed = owners_amount(field.batteries, field.day, battery.p_kw)
        bills = bills_together(metered, (contracts.bought_kw, contracts.paid_per_h), flows.pcc_kw, owed)
    return ScenarioDay(
        scenario=scenario,
        case=case,
        fed_in_kw=fed_in_kw,
        absorbed_kw=absorbed_kw,
        losses_kw=flows.losses_kw,
        rounds=rounds,
        contracts=contracts,
        positions=placed,
        flows=flows,
        bills=bills,
        battery=battery,
        metered=metered,
    )


def cases_compared(settings: Settings) -> list[Case]:
    """Other ways to run the switched scenario that the study asks for."""
    own = Case(settings.trigger, settings.threshold)
    triggers = [Case(name, threshold) for name, threshold in settings.triggers_compared]
    delays = [Case(own.trigger, own.threshold, delay) for delay in settings.delays_compared_minutes]
    return [case for case in (*triggers, *delays) if case != own]


def _positions(
    field: Field, scenario: Scenario, rounds: Rounds, powers: tuple[BatteryDay, Connected]
) -> Positions:
    graph, shape = field.clusters.graph, (field.day.minutes, len(rounds))
    if scenario == "clusters":
        return constant_positions(field.clusters, clusters_alone(graph), shape)
    if scenario == "joined":
        return constant_positions(field.clusters, all_joined(graph), shape)
    settings = field.settings
    wish = SwitchWish(settings.parallel_allowed, worth_hours=settings.worth_minutes / 60.0)
    battery, connected = powers
    yard = Switchyard(field.study, field.clusters, field.controller, wish, connected)
    return yard.follow(field.day, rounds, battery.asked_kw, positions(field.study.switches))


def _sharing(field: Field, scenario: Scenario) -> IntArray:
    """Which clusters share a battery: in scenario 2 those that a link joins, else all that links could."""
    graph = field.clusters.graph
    return group_numbers(graph, clusters_alone(graph) if scenario == "clusters" else all_joined(graph))


def _market(field: Field, placed: Positions, rounds: Rounds) -> Market:
    """Who trades with whom: in the second tier those that the switches join once a round has taken effect."""
    settings, last = field.settings, field.day.minutes - 1
    group_of, supplied = joined_clusters(
        field.clusters, placed.closed[np.minimum(rounds.effect_minute, last)]
    )
    chosen = {
        name: settings.mechanisms.get(name, settings.mechanism) for name in field.clusters.graph.clusters
    }
    by_cluster = {name: make_mechanism(mechanism) for name, mechanism in chosen.items()}
    return Market(group_of, supplied, by_cluster, make_mechanism(settings.community_mechanism))


def _round_settings(settings: Settings, case: Case) -> RoundSettings:
    own_share = 1.0 if case.trigger == Periodic.name else settings.member_threshold_share
    return RoundSettings(
        member_trigger=_trigger(case.trigger, case.threshold * own_share),
        cluster_trigger=_trigger(case.trigger, case.threshold),
        idle_minutes=settings.idle_minutes,
        delay=_delay(settings, case),
        transaction_bytes=settings.transaction_bytes,
    )


def _trigger(name: str, threshold: float) -> Trigger:
    return Periodic(int(threshold)) if name == Periodic.name else TRIGGERS[name](threshold)  # type: ignore[arg-type]


def _delay(settings: Settings, case: Case) -> Delay:
    if case.delay_minutes is not None:
        return FixedDelay(case.delay_minutes)
    return NormalDelay(settings.delay_mean_s, settings.delay_sd_s)


def _generator(field: Field) -> np.random.Generator:
    """The same delays in every scenario and case of a study."""
    return np.random.default_rng((field.study.seed, 1))


def make_field(
    study: Study, settings: Settings, engines: Engines, day: CommunityDay, connected: Connected
) -> Field:
    """What all scenarios share; raises StudyError where switches and clusters do not fit."""
    controller = engines.switch_controller(settings.switching)
    clusters = controller.find_clusters(study.grid, study.community.members, study.switches)
    batteries = find_shared_batteries(study, day)
    return Field(study, settings, day, clusters, connected, controller, batteries, engines.method)
