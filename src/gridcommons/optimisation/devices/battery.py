"""Batteries: charge, discharge and what is stored (Mohiti et al., eqs 24 to 28, with the step's length)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import Battery
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    names_of,
    nothing,
    of_each,
    reactive_without_say,
)
from gridcommons.optimisation.devices.two_way_store import TwoWayFlows, fill_or_empty
from gridcommons.optimisation.linear_model import LinearModel


def operate_batteries(model: LinearModel, batteries: Sequence[Battery], horizon: Horizon) -> Operation:
    """Batteries that charge or discharge, never both, and end no emptier than they began."""
    flows = fill_or_empty(model, "battery", batteries, horizon, ("charge_max_kw", "discharge_max_kw"))
    keep_energy(model, batteries, flows, horizon.hours)
    wear_cost_per_kw = of_each(batteries, "wear_cost_per_kwh") * horizon.hours
    model.add_cost((flows.in_kw + flows.out_kw) * wear_cost_per_kw, "wear")
    p_kw = flows.in_kw - flows.out_kw
    return Operation(
        names_of(batteries),
        p_kw,
        reactive_without_say(batteries, p_kw, horizon),
        nothing(batteries, horizon),
        state=flows.stored_kwh,
        empty=np.zeros(len(batteries)),
        full=flows.energy_kwh,
    )


def keep_energy(model: LinearModel, batteries: Sequence[Battery], flows: TwoWayFlows, hours: float) -> None:
    """E[t] = E[t−1] + dt (η_ch P_ch − P_dis/η_d)."""
    gained_kw = flows.in_kw * of_each(batteries, "charge_efficiency_share")
    lost_kw = flows.out_kw * (1.0 / of_each(batteries, "discharge_efficiency_share"))
    change_kwh = flows.stored_kwh - flows.held_kwh
    model.require_equal("battery: stored energy", change_kwh - (gained_kw - lost_kw) * hours)
