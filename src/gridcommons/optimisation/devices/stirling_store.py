"""A latent heat store with a Stirling engine (Mohiti et al., eqs 32 to 40).

A heater charges it, H_ch = η P_in; the engine takes H_dis and gives electricity, P = η_Gen η_W H_dis, and low
heat, H_R = ε H_dis. Its loss at rest is a share of what it holds, where the source's is a constant: a store
that is empty would have to be heated for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import StirlingStore
from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.devices.battery import end_no_emptier
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    before,
    names_of,
    never_both,
    of_each,
    reactive_by_power_factor,
)
from gridcommons.optimisation.linear_model import Linear, LinearModel


def operate_stirling_stores(
    model: LinearModel, stores: Sequence[StirlingStore], horizon: Horizon
) -> Operation:
    """Heat stores that are heated or drive their engine, never both, and end no emptier than they began."""
    shape = (len(stores), horizon.steps)
    heater_max_kw, taken_max_kw = (
        of_each(stores, "consumption_max_kw"),
        of_each(stores, "heat_discharge_max_kw"),
    )
    heater_kw = model.variable(shape, upper=heater_max_kw)
    taken_kw = model.variable(shape, upper=taken_max_kw)
    energy_kwh = of_each(stores, "energy_kwh")
    stored_kwh = model.variable(
        shape,
        lower=of_each(stores, "soc_min_share") * energy_kwh,
        upper=of_each(stores, "soc_max_share") * energy_kwh,
    )
    own_start_kwh = of_each(stores, "soc_initial_share") * energy_kwh
    start_kwh = horizon.starts(stores, own_start_kwh[:, 0].tolist())
    keep_heat(model, stores, (heater_kw, taken_kw, stored_kwh), start_kwh, horizon.hours)
    never_both(
        model,
        "stirling store: heated or emptied",
        (heater_kw, np.broadcast_to(heater_max_kw, shape)),
        (taken_kw, np.broadcast_to(taken_max_kw, shape)),
    )
    end_no_emptier(model, "stirling store", stored_kwh, start_kwh)
    p_kw = heater_kw - taken_kw * of_each(stores, "discharge_efficiency_share")
    return Operation(
        names_of(stores),
        p_kw,
        reactive_by_power_factor(stores, p_kw),
        taken_kw * of_each(stores, "exchanger_share"),
        state=stored_kwh,
        empty=np.zeros(len(stores)),
        full=energy_kwh[:, 0],
    )


def keep_heat(
    model: LinearModel,
    stores: Sequence[StirlingStore],
    flows: tuple[Linear, Linear, Linear],
    start_kwh: FloatArray,
    hours: float,
) -> None:
    """φ[t] = φ[t−1] + (η P_in − H_dis − σ φ[t−1]) dt."""
    heater_kw, taken_kw, stored_kwh = flows
    held_kwh = before(stored_kwh, start_kwh)
    gained_kw = heater_kw * of_each(stores, "heater_efficiency_share")
    idle_kw = held_kwh * of_each(stores, "idle_loss_share_per_h")
    change_kwh = stored_kwh - held_kwh
    model.require_equal("stirling store: stored heat", change_kwh - (gained_kw - taken_kw - idle_kw) * hours)
