"""Communities' schedules and rounds: a large community's program, and messages beside one central program."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from gridcommons.benchmarks.timing import load_example, measure, measure_once
from gridcommons.model.assets import (
    Asset,
    Battery,
    Boiler,
    Chp,
    DemandResponse,
    HeatPump,
    HeatStore,
    Load,
    Pv,
    SmartBoiler,
    StirlingStore,
)
from gridcommons.model.errors import MissingExtraError
from gridcommons.model.grid import FloatArray
from gridcommons.model.profiles import Profiles
from gridcommons.model.settings import read_settings
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.devices.operation import Horizon
from gridcommons.powerflow.admittance import build_network
from gridcommons.scheduling.capability import make_operator, schedule_horizon
from gridcommons.scheduling.central_optimum import CentralOptimum, find_central_optimum
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.energy_hub import EnergyHub, communities_of, make_hub
from gridcommons.scheduling.grid_operator import GridOperator
from gridcommons.scheduling.horizon_result import HorizonResult, resource_cost
from gridcommons.scheduling.messages import Call
from gridcommons.scheduling.settings import Settings

STEPS = 24
STORE: dict[str, Any] = {"soc_initial_share": 0.5, "soc_min_share": 0.1, "soc_max_share": 0.9}


def community_schedule(each: int = 10, repeats: int = 3) -> dict[str, Any]:
    """24 hours of a community with ten devices of every kind: its schedule, and an answer to prices."""
    hub, settings = large_community(each, np.random.default_rng(1)), Settings(heat_peak_price_per_kw_day=2.35)
    model = Community(hub, settings).program.model
    arrays = model.as_program()
    milp = measure(lambda: model.solve(settings.mip_gap_share), repeats)
    schedule = measure(lambda: Community(hub, settings).schedule(), repeats)
    community = Community(hub, settings)
    community.schedule()
    price = np.full((1, 3), 0.15)
    call = Call(round=1, called=np.array([9, 14, 17]), price_per_kvarh=price).to_bytes()
    answer = measure(lambda: community.answer(call), repeats)
    return {
        "devices": len(hub.planned),
        "variables": model.columns,
        "whole_variables": int(np.concatenate(model.whole).sum()),
        "rows": arrays.matrix.shape[0],
        "gap_share": settings.mip_gap_share,
        "program_s": milp.median,
        "schedule_s": schedule.median,
        "answer_s": answer.median,
        "goal": "24 hours of ten devices of every kind in under 5 s, to a gap of 0.1 %",
    }


def reactive_round(example: str = "three_communities") -> dict[str, Any]:
    """Three communities on a medium-voltage grid: the round by messages, beside one central program."""
    study = load_example(example)
    settings = read_settings(Settings, study.tasks["scheduling"], "scheduling")
    found: list[tuple[list[Community], GridOperator, HorizonResult]] = []

    def by_messages() -> None:
        found.append(hold(study, settings))

    seconds = measure_once(by_messages)
    communities, operator, result = found[0]
    outcome = result.outcome
    figures: dict[str, Any] = {
        "communities": len(communities),
        "connections": len(operator.connections),
        "intervals_called": len(outcome.called),
        "rounds": outcome.rounds,
        "round_s": seconds,
        "resource_cost": sum(resource_cost(result).values()),
        "goal": "cleared in at most 10 rounds, resource cost within 2 % of the central optimum",
    }
    central: list[CentralOptimum] = []

    def by_one_mind() -> None:
        called = outcome.called
        central.append(find_central_optimum(communities, operator, called, active_power_fixed=True))

    try:
        figures["central_s"] = measure_once(by_one_mind)
    except MissingExtraError as missing:
        return {**figures, "central": str(missing)}
    best = central[0].resource_cost
    return {**figures, "central_cost": best, "gap_share": figures["resource_cost"] / best - 1.0}


def hold(study: Study, settings: Settings) -> tuple[list[Community], GridOperator, HorizonResult]:
    """Schedules and round of a study's first horizon, in this process."""
    every = slice(0, study.time.steps)
    communities = [Community(make_hub(study, name, every, {}), settings) for name in communities_of(study)]
    operator = make_operator(study, build_network(study.grid), every, "helm")
    assert study.prices is not None
    price = study.prices.import_price_per_kwh
    return communities, operator, schedule_horizon(communities, operator, settings, price)


def large_community(each: int, generator: np.random.Generator) -> EnergyHub:
    """A community of as many members, each with a device of every kind; no other study has so many."""
    members = [_member(f"{k}", generator) for k in range(each)]
    planned = tuple(asset for devices, _ in members for asset in devices)
    columns = {name: values for _, series in members for name, values in series.items()}
    hour = np.arange(STEPS)
    loads = tuple(Load(asset=f"load{k}", member=f"{k}", power_factor=0.9) for k in range(each))
    load_kw = 60.0 + 30.0 * np.sin((hour - 8.0) / 4.0) + generator.uniform(0.0, 10.0, (each, STEPS))
    heat_kw = 300.0 + 100.0 * np.cos(hour / 4.0) + generator.uniform(0.0, 40.0, (each, STEPS))
    price = 0.4 + 0.2 * np.sin((hour - 3.0) / 3.8) + generator.normal(0.0, 0.02, STEPS)
    time = TimeAxis(datetime(2021, 4, 13, 22, tzinfo=UTC), 60, STEPS, "Europe/Stockholm")
    endless = np.full((len(planned), STEPS), np.inf)
    return EnergyHub(
        name="large",
        bus=("bus",),
        planned=planned,
        fixed=loads,
        connection=dict.fromkeys([asset.asset for asset in (*planned, *loads)], 0),
        fixed_kw=load_kw,
        fixed_kvar=load_kw * float(np.tan(np.arccos(0.9))),
        heat_demand_kw=heat_kw,
        horizon=Horizon(Profiles(time, columns)),
        prices=Prices(price, price - 0.02, np.full(STEPS, 0.1), np.full(STEPS, 0.359)),
        p_min_kw=-endless,
        p_max_kw=endless,
    )


def _member(name: str, generator: np.random.Generator) -> tuple[list[Asset], dict[str, FloatArray]]:
    """A device of every kind, and their profiles."""
    hour, sun = np.arange(STEPS), np.clip(np.sin((np.arange(STEPS) - 5.0) / 14.0 * np.pi), 0.0, None)
    size = float(generator.uniform(0.7, 1.3))
    own: dict[str, Any] = {"member": name, "flexible": True}
    devices: list[Asset] = [
        Pv(asset=f"pv{name}", generation_max_kw=100.0, inverter_kva=100.0, q_share=0.5, **own),
        Battery(
            asset=f"battery{name}",
            charge_max_kw=50.0,
            discharge_max_kw=50.0,
            energy_kwh=150.0 * size,
            charge_efficiency_share=0.95,
            discharge_efficiency_share=0.95,
            wear_cost_per_kwh=0.01,
            **STORE,
            **own,
        ),
        *_fires(name, size),
        HeatPump(asset=f"pump{name}", consumption_max_kw=60.0 * size, cop=3.0, **own),
        HeatStore(asset=f"tank{name}", member=name, energy_kwh=200.0, soc_initial_share=0.5),
        _smart_boiler(name),
        _stirling_store(name),
        DemandResponse(
            asset=f"response{name}",
            power_factor=0.95,
            consumption_max_kw=60.0,
            flexible_share=0.3,
            power_to_energy_per_h=1.0,
            **own,
        ),
    ]
    return devices, {
        f"pv{name}": 65.0 * size * sun,
        f"smart{name}.draw_m3": generator.uniform(0.0, 0.15, STEPS),
        f"response{name}": 20.0 + 15.0 * np.sin(hour / 3.0 + 6.0 * size),
    }


def _fires(name: str, size: float) -> list[Asset]:
    boiler = Boiler(
        asset=f"boiler{name}",
        member=name,
        heat_max_kw=750.0 * size,
        heat_min_kw=50.0,
        ramp_kw_per_h=150.0,
        heat_cost_per_kwh=0.3,
    )
    turbine = Chp(
        asset=f"chp{name}",
        member=name,
        flexible=True,
        generation_max_kw=100.0,
        generation_min_kw=5.0,
        electric_share=0.3,
        q_inject_share=0.5,
        q_absorb_share=0.3,
    )
    return [boiler, turbine]


def _smart_boiler(name: str) -> Asset:
    return SmartBoiler(
        asset=f"smart{name}",
        member=name,
        flexible=True,
        consumption_max_kw=30.0,
        inverter_kva=30.0,
        q_share=0.1,
        heater_efficiency_share=0.98,
        tank_m3=2.0,
        loss_kw_per_k=0.01,
        temp_min_c=55.0,
        temp_max_c=90.0,
        temp_initial_c=70.0,
        cold_temp_c=8.0,
        ambient_temp_c=20.0,
    )


def _stirling_store(name: str) -> Asset:
    return StirlingStore(
        asset=f"stirling{name}",
        member=name,
        flexible=True,
        consumption_max_kw=40.0,
        heater_efficiency_share=0.95,
        heat_discharge_max_kw=60.0,
        stirling_efficiency_share=0.3,
        generator_efficiency_share=0.9,
        exchanger_share=0.6,
        idle_loss_share_per_h=0.003,
        energy_kwh=300.0,
        **STORE,
    )
