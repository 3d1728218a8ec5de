"""Devices in the common form (``chain``) as part of a program: cars, and heat pumps with their houses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import EvCharger, HeatPump
from gridcommons.model.profiles import room_cop
from gridcommons.optimisation.devices.chain import Chains
from gridcommons.optimisation.devices.ev_charger import charging_chains
from gridcommons.optimisation.devices.heat_pump import heating_chains
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    before,
    names_of,
    nothing,
    of_each,
    reactive_without_say,
)
from gridcommons.optimisation.linear_model import Linear, LinearModel, constant

STRUCTURE = ".structure"
"""What stands behind a house's id for the temperature of its structure."""


def operate_cars(model: LinearModel, cars: Sequence[EvCharger], horizon: Horizon) -> Operation:
    """Cars that are ready when they leave; they charge and do not discharge."""
    own_kwh = [car.soc_initial_share * car.energy_kwh for car in cars]
    chains = charging_chains(cars, horizon.profiles, horizon.starts(cars, own_kwh))
    p_kw, states = follow_law(model, "ev charger", chains)
    return Operation(
        names_of(cars),
        p_kw,
        reactive_without_say(cars, p_kw, horizon),
        nothing(cars, horizon),
        state=states[0],
        empty=np.zeros(len(cars)),
        full=of_each(cars, "energy_kwh")[:, 0],
    )


def operate_houses(model: LinearModel, pumps: Sequence[HeatPump], horizon: Horizon) -> Operation:
    """Heat pumps that keep the air of their houses within its band; hot water is drawn beside them."""
    middle_c = [(pump.temp_min_c + pump.temp_max_c) / 2.0 for pump in pumps]
    start_c = [horizon.starts(pumps, middle_c, suffix) for suffix in ("", STRUCTURE)]
    chains = heating_chains(pumps, horizon.profiles, np.stack(start_c, axis=1))
    rooms_kw, states = follow_law(model, "heat pump", chains)
    p_kw = rooms_kw + horizon.series(pumps, ".water_kw")
    cop = np.array([room_cop(pump, horizon.profiles) for pump in pumps]).reshape(rooms_kw.shape)
    return Operation(
        names_of(pumps),
        p_kw,
        reactive_without_say(pumps, p_kw, horizon),
        rooms_kw * cop,
        own_heat=True,
        state=states[0],
        more_states={STRUCTURE: states[1]},
        empty=of_each(pumps, "temp_min_c")[:, 0],
        full=of_each(pumps, "temp_max_c")[:, 0],
    )


def follow_law(model: LinearModel, kind: str, chains: Chains) -> tuple[Linear, list[Linear]]:
    """Power drawn and states of chains, x[t] = A x[t−1] + B[t] u[t] + w[t], within their bounds."""
    power = model.variable(chains.power_low.shape, lower=chains.power_low, upper=chains.power_high)
    count = chains.start.shape[1]
    states = [
        model.variable(power.shape, lower=chains.state_low[:, :, k], upper=chains.state_high[:, :, k])
        for k in range(count)
    ]
    was = [before(states[k], chains.start[:, k]) for k in range(count)]
    for k in range(count):
        moved: Linear = constant(chains.drift[:, :, k])
        for j in range(count):
            moved = moved + was[j] * chains.transition[:, k, j][:, None]
        law = states[k] - moved - power * chains.effect[:, :, k]
        model.require_equal(f"{kind}: state", law)
    return power, states
