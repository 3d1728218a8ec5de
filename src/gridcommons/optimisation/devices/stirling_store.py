"""A latent heat store with a Stirling engine (Mohiti et al., eqs 32 to 40).

A heater charges it, H_ch = η P_in; the engine takes H_dis and gives electricity, P = η_Gen η_W H_dis, and low
heat, H_R = ε H_dis. Its loss at rest is a share of what it holds, where the source's is a constant: a store
that is empty would have to be heated for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import StirlingStore
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    names_of,
    of_each,
    reactive_without_say,
)
from gridcommons.optimisation.devices.two_way_store import TwoWayFlows, fill_or_empty
from gridcommons.optimisation.linear_model import LinearModel


def operate_stirling_stores(
    model: LinearModel, stores: Sequence[StirlingStore], horizon: Horizon
) -> Operation:
    """Heat stores that are heated or drive their engine, never both, and end no emptier than they began."""
    most = ("consumption_max_kw", "heat_discharge_max_kw")
    flows = fill_or_empty(model, "stirling store", stores, horizon, most)
    keep_heat(model, stores, flows, horizon.hours)
    p_kw = flows.in_kw - flows.out_kw * of_each(stores, "discharge_efficiency_share")
    return Operation(
        names_of(stores),
        p_kw,
        reactive_without_say(stores, p_kw, horizon),
        flows.out_kw * of_each(stores, "exchanger_share"),
        state=flows.stored_kwh,
        empty=np.zeros(len(stores)),
        full=flows.energy_kwh,
    )


def keep_heat(model: LinearModel, stores: Sequence[StirlingStore], flows: TwoWayFlows, hours: float) -> None:
    """φ[t] = φ[t−1] + (η P_in − H_dis − σ φ[t−1]) dt."""
    gained_kw = flows.in_kw * of_each(stores, "heater_efficiency_share")
    idle_kw = flows.held_kwh * of_each(stores, "idle_loss_share_per_h")
    change_kwh = flows.stored_kwh - flows.held_kwh
    law = change_kwh - (gained_kw - flows.out_kw - idle_kw) * hours
    model.require_equal("stirling store: stored heat", law)
