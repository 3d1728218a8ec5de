"""Communities for tests of scheduling: devices with ratings, studies of one community, and random ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from hypothesis import strategies as st

from feeders import tree
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import ASSET_KINDS, Asset
from gridcommons.model.members import Community as Members
from gridcommons.model.members import Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis
from gridcommons.scheduling.community import Community, Plan
from gridcommons.scheduling.energy_hub import EnergyHub, make_hub
from gridcommons.scheduling.messages import Award, Call, Exchange
from gridcommons.scheduling.settings import Settings

MIDNIGHT = datetime(2021, 4, 14, 22, tzinfo=UTC)
"""The first hour of 15 April in Stockholm."""

ZONE = "Europe/Stockholm"

STORE = {"soc_initial_share": 0.5, "soc_min_share": 0.1, "soc_max_share": 0.9}
HOUSE = {"k1_kw_per_k": 0.2, "k2_kw_per_k": 2.6, "air_kwh_per_k": 1.2, "structure_kwh_per_k": 9.0}
ENGINE = {"stirling_efficiency_share": 0.4, "generator_efficiency_share": 0.9, "exchanger_share": 0.5}
TANK = {
    "temp_min_c": 55.0,
    "temp_max_c": 90.0,
    "temp_initial_c": 70.0,
    "cold_temp_c": 8.0,
    "ambient_temp_c": 20.0,
}
RATINGS = {
    "load": {},
    "pv": {"generation_max_kw": 100.0, "inverter_kva": 120.0, "q_share": 0.5},
    "chp": {
        "generation_max_kw": 60.0,
        "electric_share": 0.3,
        "heat_cost_per_kwh": 0.25,
        "q_inject_share": 0.5,
        "q_absorb_share": 0.3,
    },
    "boiler": {"heat_max_kw": 300.0, "ramp_kw_per_h": 400.0, "heat_cost_per_kwh": 0.3},
    "battery": {
        "charge_max_kw": 20.0,
        "discharge_max_kw": 25.0,
        "energy_kwh": 60.0,
        "charge_efficiency_share": 0.9,
        "discharge_efficiency_share": 0.8,
        **STORE,
    },
    "ev_charger": {
        "charge_max_kw": 11.0,
        "energy_kwh": 50.0,
        "soc_min_share": 0.1,
        "soc_max_share": 0.9,
        "departure_soc_share": 0.6,
    },
    "heat_pump": {"consumption_max_kw": 40.0, "cop": 3.0},
    "house": {"consumption_max_kw": 6.0, "cop": 3.0, "temp_min_c": 20.0, "temp_max_c": 24.0, **HOUSE},
    "heat_store": {"energy_kwh": 120.0, "soc_initial_share": 0.5},
    "smart_boiler": {
        "consumption_max_kw": 30.0,
        "inverter_kva": 30.0,
        "q_share": 0.1,
        "heater_efficiency_share": 0.95,
        "tank_m3": 2.0,
        "loss_kw_per_k": 0.01,
        **TANK,
    },
    "stirling_store": {
        "consumption_max_kw": 40.0,
        "heater_efficiency_share": 0.95,
        "heat_discharge_max_kw": 60.0,
        "idle_loss_share_per_h": 0.01,
        "energy_kwh": 200.0,
        **ENGINE,
        **STORE,
    },
    "demand_response": {"consumption_max_kw": 60.0, "flexible_share": 0.3, "power_to_energy_per_h": 1.0},
}
"""What a device of each kind is rated at; a house is a heat pump with everything that a house is made of."""

CONVERTERS = ("pv", "chp", "smart_boiler")
"""Kinds that can give reactive power."""

KINDS = tuple(kind for kind in RATINGS if kind != "load")


STEPS = (1, 2, 3, 5, 8, 12, 18, 24, 25, 30, 36)
"""Lengths of random horizons."""

SEEDS = st.integers(0, 2**32 - 1)


def device(kind: str, name: str | None = None, **changes) -> Asset:
    """A device of this kind that its community controls, or a load."""
    made = ASSET_KINDS["heat_pump" if kind == "house" else kind]
    values = {"asset": name or kind, "member": "m0", "flexible": made.may_be_flexible, **RATINGS[kind]}
    return made(**{**values, **changes})


def study_of(
    *assets: Asset,
    columns: dict[str, object] | None = None,
    steps: int = 4,
    minutes: int = 60,
    members: tuple[Member, ...] | None = None,
    start: datetime = MIDNIGHT,
    zone: str = ZONE,
    **prices: object,
) -> Study:
    """A study with one community, "c", on a feeder; members m0, m1, … at b1, b2, … unless they are given.

    Numbers in ``columns`` and ``prices`` hold in all intervals. Without other words 0.4 is paid for what is
    imported, 0.3 for what is exported, and there is no network fee and no district network.
    """
    buses = max([int(asset.member[1:]) for asset in assets if asset.member[1:].isdigit()], default=0) + 1
    if members is None:
        members = tuple(Member(member=f"m{k}", bus=f"b{k + 1}", cluster="c") for k in range(buses))
    grid = tree([0] * max(len(members), buses), 0.01)
    time = TimeAxis(start, minutes, steps, zone)
    spread = {
        name: np.broadcast_to(np.asarray(value, float), steps) + 0.0
        for name, value in (columns or {}).items()
    }
    paid = {"import": 0.4, "export": 0.3, "network_fee": 0.0, "heat": np.nan, **prices}
    of_each = [
        np.broadcast_to(np.asarray(paid[name], float), steps) + 0.0
        for name in ("import", "export", "network_fee", "heat")
    ]
    return Study(
        name="hub",
        currency="SEK",
        seed=1,
        grid=grid,
        community=Members(members, assets),
        profiles=Profiles(time, spread),
        limits=voltage_band(grid, 0.9, 1.1),
        prices=Prices(*of_each),
    )


def hub_of(*assets: Asset, **study) -> EnergyHub:
    """The community of ``study_of`` over all of its intervals."""
    return whole_hub(study_of(*assets, **study))


def whole_hub(study: Study) -> EnergyHub:
    """The community "c" of a study over all intervals, with devices that start by their ratings."""
    return make_hub(study, "c", slice(0, study.time.steps), {})


def scheduled(hub: EnergyHub, **settings) -> Community:
    """A community that has its schedule, exact unless another gap is asked for."""
    community = Community(hub, Settings(**{"mip_gap_share": 1e-7, **settings}))
    community.schedule()
    return community


def day_of(plan: Plan, name: str):
    """What one device does."""
    return next(each for each in plan.devices if each.asset == name)


def answered(community: Community, price_per_kvarh: object, called: object = None) -> Exchange:
    """What a community would exchange at prices; at all connections and in all intervals if not said."""
    hub = community.hub
    hours = np.arange(hub.steps) if called is None else np.asarray(called, dtype=np.int64)
    price = np.broadcast_to(np.asarray(price_per_kvarh, float), (len(hub.bus), len(hours)))
    call = Call(round=1, called=hours, price_per_kvarh=price)
    return Exchange.from_bytes(community.answer(call.to_bytes()))


def delivered(community: Community, bought_kvar: object, called: object) -> Exchange:
    """What a community exchanges when some reactive power is bought."""
    hours = np.asarray(called, dtype=np.int64)
    bought = np.broadcast_to(np.asarray(bought_kvar, float), (len(community.hub.bus), len(hours)))
    award = Award(round=2, called=hours, price_per_kvarh=np.zeros_like(bought), bought_kvar=bought)
    return Exchange.from_bytes(community.deliver(award.to_bytes()))


@dataclass(frozen=True, eq=False)
class Lived:
    """A random community and what it did: its schedule, its answer to a call, what it then delivered.

    ``exchanges`` is what it said each time, and ``states`` the path of every device with a state, as the
    solution has it. ``called`` and ``price_per_kvarh`` are the call's, ``bought_kvar`` is the part of the
    answer that was bought.
    """

    community: Community
    plans: tuple[Plan, ...]
    exchanges: tuple[Exchange, ...]
    states: tuple[dict[str, np.ndarray], ...]
    called: np.ndarray
    price_per_kvarh: np.ndarray
    bought_kvar: np.ndarray

    @property
    def hub(self) -> EnergyHub:
        """What the community has and needs."""
        return self.community.hub

    def days(self, kind: str):
        """Every planned device of a kind, each of its days, and its states where it has some."""
        for asset in self.hub.planned:
            if kind_of(asset) == kind:
                for plan, states in zip(self.plans, self.states, strict=True):
                    yield asset, day_of(plan, asset.asset), states.get(asset.asset)


def kind_of(asset: Asset) -> str:
    """The kind of an asset; "house" for a heat pump that has one."""
    return "house" if getattr(asset, "has_house", False) else asset.kind


def states_of(community: Community) -> dict[str, np.ndarray]:
    """States at the end of each interval, as things stand, by device."""
    parts = [each for each in community.program.operations if each.state is not None]
    return {
        name: path
        for each in parts
        for name, path in zip(each.asset, each.state.value(community._now), strict=True)
    }


@st.composite
def studies(draw, kinds=KINDS, needed=(), most=5):
    """A study with a random community, and settings for it; ``needed`` are kinds that it has.

    Whatever is drawn has a schedule: heat can be bought or a boiler can make all of it, tanks are not emptied
    faster than they are heated, and cars do not drive further than they are charged.
    """
    drawn = draw(st.lists(st.sampled_from(kinds), max_size=most - len(needed)))
    chosen = _with_few_stores([*needed, *drawn])
    paid = draw(st.sampled_from(["usual", "negative", "flat", "zero"]))
    steps, minutes = draw(st.sampled_from(STEPS)), draw(st.sampled_from([15, 30, 60]))
    if paid == "zero" and "stirling_store" in chosen:
        # Where nothing costs anything, the solver has to prove it by trying.
        steps = min(steps, 8)
    buses = draw(st.integers(1, 3))
    # Hypothesis repeats its numbers: what is drawn beside the seed makes other ratings of it.
    rng = np.random.default_rng([draw(SEEDS), steps, minutes, buses, *(KINDS.index(kind) for kind in chosen)])
    network = draw(st.sampled_from(["both ways", "import", "some hours", "none"]))
    at = [f"m{k}" for k in rng.integers(0, buses, len(chosen))]
    free = network == "both ways"
    assets = [_random_device(rng, kind, f"{kind}{k}", at[k], free) for k, kind in enumerate(chosen)]
    assets += [device("load", f"load{k}", member=f"m{k}", power_factor=0.9) for k in range(buses)]
    if network != "both ways":
        assets.append(device("boiler", "reserve", member="m0", heat_max_kw=1e4, ramp_kw_per_h=1e5))
    columns = {}
    for asset in assets:
        columns |= _random_columns(rng, asset, steps, minutes / 60.0)
    prices = _random_prices(rng, paid, steps, network)
    study = study_of(
        *assets,
        columns={**columns, "outdoor.temp_c": rng.uniform(-8.0, 30.0, steps)},
        steps=steps,
        minutes=minutes,
        start=MIDNIGHT.replace(hour=int(rng.integers(24))),
        **prices,
    )
    settings = Settings(
        mip_gap_share=float(rng.choice([1e-3, 1e-2])),
        reactive_fee_per_kvarh=float(rng.choice([0.0, 0.02])),
        heat_peak_price_per_kw_day=float(rng.choice([0.0, 2.0])),
        heat_fee_per_day=float(rng.choice([0.0, 76.0])),
        heat_export_max_kw=None if free else 0.0,
    )
    return study, settings


@st.composite
def lives(draw, kinds=KINDS, needed=(), most=5):
    """A random community that was scheduled, called at random prices, and sold a part of its answer."""
    study, settings = draw(studies(kinds, needed, most))
    rng = np.random.default_rng([draw(SEEDS), study.time.steps, len(study.community.assets)])
    return live(study, settings, rng)


def live(study: Study, settings: Settings, rng: np.random.Generator) -> Lived:
    """A schedule, an answer at random prices of either sign, and a delivery of a part of it."""
    hub = whole_hub(study)
    community = Community(hub, settings)
    base = Exchange.from_bytes(community.schedule())
    plans, states = [community.plan()], [states_of(community)]
    called = np.flatnonzero(rng.random(hub.steps) < 0.6)
    price = rng.choice([-0.4, -0.05, 0.0, 0.05, 0.4], (len(hub.bus), len(called)))
    offer = answered(community, price, called)
    plans.append(community.plan())
    states.append(states_of(community))
    bought = rng.choice([0.0, 0.5, 1.0], price.shape) * (base.q_kvar - offer.q_kvar)[:, called]
    final = delivered(community, bought, called)
    plans.append(community.plan())
    states.append(states_of(community))
    return Lived(community, tuple(plans), (base, offer, final), tuple(states), called, price, bought)


def _with_few_stores(kinds: list[str]) -> list[str]:
    """Without the third store and those after it: whole numbers take long where prices are negative."""
    stores = [k for k, kind in enumerate(kinds) if kind in ("battery", "stirling_store")]
    return [kind for k, kind in enumerate(kinds) if k not in stores[2:]]


def _random_device(rng, kind, name, member, free) -> Asset:
    """Ratings around those of ``RATINGS``; what must run has where to put its heat (``free``)."""
    shape = {
        column: value * rng.uniform(0.5, 1.5)
        for column, value in RATINGS[kind].items()
        if column.endswith(("_kw", "_kwh", "_per_h", "_kva", "_cost_per_kwh", "_m3")) and value
    }
    shape |= {
        column: rng.uniform(0.3, 1.0)
        for column in RATINGS[kind]
        if column.endswith(("efficiency_share", "exchanger_share"))
    }
    if kind in ("battery", "stirling_store"):
        low, start, high = np.sort(rng.uniform(0.0, 1.0, 3))
        shape |= {"soc_min_share": low, "soc_initial_share": start, "soc_max_share": high}
    shape |= _random_shares(rng, free)[kind]
    return device(
        kind, name, **{"member": member, **{column: float(value) for column, value in shape.items()}}
    )


def _random_shares(rng, free) -> dict[str, dict[str, float]]:
    """What is drawn of each kind in a way of its own."""
    tank = {"temp_initial_c": rng.uniform(55.0, 88.0), "heater_efficiency_share": rng.uniform(0.9, 1.0)}
    return {kind: {} for kind in RATINGS} | {
        "battery": {"wear_cost_per_kwh": rng.choice([0.0, 0.01])},
        "stirling_store": {"idle_loss_share_per_h": rng.uniform(0.0, 0.02)},
        "chp": {
            "electric_share": rng.uniform(0.15, 0.6),
            "generation_min_kw": rng.choice([0.0, 5.0]) * free,
            "q_inject_share": rng.choice([0.5, np.nan]),
        },
        "boiler": {"heat_min_kw": rng.choice([0.0, 40.0]) * free, "heat_max_kw": rng.uniform(400.0, 600.0)},
        "pv": {"q_share": rng.choice([0.2, 0.9, np.nan])},
        "smart_boiler": {"q_share": rng.choice([0.1, 0.4, np.nan]), **tank},
        "demand_response": {
            "flexible_share": rng.uniform(0.0, 1.0),
            "power_factor": rng.choice([1.0, 0.95]),
            "power_to_energy_per_h": rng.choice([0.5, 1.0, 5.0]),
        },
        "heat_pump": {"power_factor": rng.choice([1.0, 0.95])},
    }


def _random_columns(rng, asset, steps, hours) -> dict[str, np.ndarray]:
    """Profiles of one asset."""
    name, random = asset.asset, rng.random(steps)
    if asset.kind == "load":
        return {name: 60.0 * random * (rng.random(steps) < 0.9), f"{name}.heat_kw": 50.0 * rng.random(steps)}
    if asset.kind == "pv":
        return {name: 120.0 * random * (rng.random(steps) < 0.6)}
    if asset.kind == "demand_response":
        return {name: 70.0 * random}
    if asset.kind == "smart_boiler":
        # Two thirds of what the heater gives, so that no tank has to be kept cold for what it will not reach.
        most_m3 = 0.6 * min(asset.consumption_max_kw, asset.inverter_kva) * hours / (1.163 * 85.0)
        return {f"{name}.draw_m3": np.minimum(most_m3, 0.9 * asset.tank_m3) * random}
    if asset.kind == "ev_charger":
        room_kwh = (asset.soc_initial_share - asset.soc_min_share) * asset.energy_kwh
        driven = random * (rng.random(steps) < 0.4)
        share = 0.9 * room_kwh / max(driven.sum(), 1.0)
        return {f"{name}.plugged_in": rng.choice([0.0, 0.5, 1.0], steps), f"{name}.drive_kwh": share * driven}
    if asset.kind == "heat_pump":
        columns = {f"{name}.cop": rng.uniform(2.0, 4.0, steps)}
        if asset.has_house:
            columns[f"{name}.water_kw"] = 0.3 * rng.random(steps)
        return columns
    return {}


def _random_prices(rng, what, steps, network) -> dict[str, np.ndarray]:
    level = {"usual": 0.4, "negative": 0.0, "zero": 0.0, "flat": 0.4}[what]
    width = {"usual": 0.2, "negative": 0.3, "zero": 0.0, "flat": 0.0}[what]
    paid = level + width * rng.uniform(-1.0, 1.0, steps)
    fee = float(rng.choice([0.0, 0.1]))
    heat = rng.uniform(0.2, 0.5, steps)
    if network == "none":
        heat[:] = np.nan
    elif network == "some hours":
        heat[rng.random(steps) < 0.5] = np.nan
    spread = rng.choice([0.0, 0.02])
    return {"import": paid, "export": paid - spread, "network_fee": fee, "heat": heat}


def with_start(hub: EnergyHub, **start: float) -> EnergyHub:
    """The same community with devices that start in other states than their ratings say."""
    return replace(hub, horizon=replace(hub.horizon, start=start))
