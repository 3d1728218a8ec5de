"""Batteries: charge, discharge and what is stored (Mohiti et al., eqs 24 to 28, with the step's length)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import Battery
from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    before,
    names_of,
    never_both,
    nothing,
    of_each,
    reactive_by_power_factor,
)
from gridcommons.optimisation.linear_model import Linear, LinearModel


def operate_batteries(model: LinearModel, batteries: Sequence[Battery], horizon: Horizon) -> Operation:
    """Batteries that charge or discharge, never both, and end no emptier than they began.

    The end is ours: the source says nothing of it, and a day would end with every battery empty.
    """
    shape = (len(batteries), horizon.steps)
    charge_max_kw, discharge_max_kw = (of_each(batteries, f"{way}_max_kw") for way in ("charge", "discharge"))
    charge_kw = model.variable(shape, upper=charge_max_kw)
    discharge_kw = model.variable(shape, upper=discharge_max_kw)
    energy_kwh = of_each(batteries, "energy_kwh")
    stored_kwh = model.variable(
        shape,
        lower=of_each(batteries, "soc_min_share") * energy_kwh,
        upper=of_each(batteries, "soc_max_share") * energy_kwh,
    )
    own_start_kwh = of_each(batteries, "soc_initial_share") * energy_kwh
    start_kwh = horizon.starts(batteries, own_start_kwh[:, 0].tolist())
    keep_energy(model, batteries, (charge_kw, discharge_kw, stored_kwh), start_kwh, horizon.hours)
    never_both(
        model,
        "battery: charges or discharges",
        (charge_kw, np.broadcast_to(charge_max_kw, shape)),
        (discharge_kw, np.broadcast_to(discharge_max_kw, shape)),
    )
    end_no_emptier(model, "battery", stored_kwh, start_kwh)
    model.add_cost(
        (charge_kw + discharge_kw) * of_each(batteries, "wear_cost_per_kwh") * horizon.hours, "wear"
    )
    p_kw = charge_kw - discharge_kw
    return Operation(
        names_of(batteries),
        p_kw,
        reactive_by_power_factor(batteries, p_kw),
        nothing(batteries, horizon),
        state=stored_kwh,
        empty=np.zeros(len(batteries)),
        full=energy_kwh[:, 0],
    )


def keep_energy(
    model: LinearModel,
    batteries: Sequence[Battery],
    flows: tuple[Linear, Linear, Linear],
    start_kwh: FloatArray,
    hours: float,
) -> None:
    """E[t] = E[t−1] + dt (η_ch P_ch − P_dis/η_d)."""
    charge_kw, discharge_kw, stored_kwh = flows
    gained_kw = charge_kw * of_each(batteries, "charge_efficiency_share")
    lost_kw = discharge_kw * (1.0 / of_each(batteries, "discharge_efficiency_share"))
    change_kwh = stored_kwh - before(stored_kwh, start_kwh)
    model.require_equal("battery: stored energy", change_kwh - (gained_kw - lost_kw) * hours)


def end_no_emptier(model: LinearModel, kind: str, state: Linear, start: FloatArray) -> None:
    """The last state is no lower than the one before the first interval."""
    model.require(f"{kind}: ends no lower than it began", state[:, -1], lower=start)
