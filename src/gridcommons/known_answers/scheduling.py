"""Known answers of scheduling: a converter in closed form, and the best capacitor of the 33-bus feeder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from gridcommons.adapters.published_feeders import published_feeders
from gridcommons.known_answers.answer import KnownAnswer
from gridcommons.model.assets import Asset, Pv
from gridcommons.model.grid import FloatArray
from gridcommons.model.profiles import Profiles
from gridcommons.model.switches import positions, with_positions
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.devices.operation import Horizon
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.solution import Injections
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.compensation import compensate
from gridcommons.scheduling.energy_hub import EnergyHub
from gridcommons.scheduling.messages import Call, Exchange
from gridcommons.scheduling.oracles import closed_form_kvar
from gridcommons.scheduling.settings import Settings

PRICE_PER_KWH = 0.5


def scheduling_answers() -> Iterator[KnownAnswer]:
    """All of them, computed now."""
    yield from _one_converter()
    yield from _one_capacitor()


def _one_converter() -> Iterator[KnownAnswer]:
    """A solar plant of 100 kW behind 125 kVA answers prices."""
    plant = Pv(
        asset="pv", member="roof", flexible=True, generation_max_kw=125.0, inverter_kva=125.0, q_share=0.5
    )
    community = Community(_alone(plant, 100.0), Settings())
    schedule = Exchange.from_bytes(community.schedule())
    for share in (0.1, 0.3, -0.3, 0.9):
        price = np.array([[share * PRICE_PER_KWH]])
        call = Call(round=1, called=np.zeros(1, dtype=np.int64), price_per_kvarh=price)
        offer = Exchange.from_bytes(community.answer(call.to_bytes()))
        given = float(schedule.q_kvar[0, 0] - offer.q_kvar[0, 0])
        expected = float(closed_form_kvar(np.array(100.0), np.array(price[0, 0]), PRICE_PER_KWH, 62.5))
        name = f"one converter of 100 kW at {share:g} of the energy price, Q given"
        yield KnownAnswer(name, given, expected, 0.003 * abs(expected), "kvar", "closed form")


def _alone(plant: Asset, generation_kw: float) -> EnergyHub:
    """A community of one plant over one hour."""
    time, none = TimeAxis(datetime(2024, 6, 1, 10, tzinfo=UTC), 60, 1), np.zeros((0, 1))
    price, nothing = np.full(1, PRICE_PER_KWH), np.full(1, np.nan)
    return EnergyHub(
        name="one plant",
        bus=("bus",),
        planned=(plant,),
        fixed=(),
        connection={plant.asset: 0},
        fixed_kw=none,
        fixed_kvar=none,
        heat_demand_kw=none,
        horizon=Horizon(Profiles(time, {plant.asset: np.full(1, generation_kw)})),
        prices=Prices(price, price, np.zeros(1), nothing),
        p_min_kw=_endless(-1.0),
        p_max_kw=_endless(1.0),
    )


def _endless(sign: float) -> FloatArray:
    return np.full((1, 1), sign * np.inf)


def _one_capacitor() -> Iterator[KnownAnswer]:
    """Where one capacitor on the 33-bus feeder makes losses least, how large it is, and what is left."""
    feeder = next(each.feeder for each in published_feeders() if each.name == "baran_wu_33")
    grid = with_positions(feeder.grid, feeder.switches, positions(feeder.switches))
    buses = np.arange(len(grid.buses), dtype=np.int64)
    candidates = np.setdiff1d(buses, grid.sources.bus)
    load = Injections(buses, feeder.p_kw[:1], feeder.q_kvar[:1])
    found = compensate(build_network(grid), load, candidates)
    source = "Baran and Wu's feeder; one capacitor at bus 30 of 1.253 Mvar leaves 143.60 kW"
    bus = float(grid.buses.name[found.bus[found.best]])
    yield KnownAnswer("33 buses, best bus of one capacitor", bus, 30.0, 0.0, "", source)
    size = float(found.injected_kvar[found.best])
    yield KnownAnswer("33 buses, size of one capacitor", size, 1253.0, 0.5, "kvar", source)
    losses = float(found.losses_kw[found.best])
    yield KnownAnswer("33 buses, losses with one capacitor", losses, 143.60, 0.005, "kW", source)
