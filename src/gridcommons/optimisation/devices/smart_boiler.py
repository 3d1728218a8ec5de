"""An electric boiler with a full tank of hot water (Mohiti et al., eqs 41 to 44).

The tank's law is derived here, since the printed one mixes volumes and temperatures: what is drawn is
replaced by cold water,

    V c_w (T[t+1] − T[t]) = H dt − V_hw c_w (T[t] − T_cold) − kA (T[t] − T_ambient) dt,

with c_w = 1.163 kWh/(m³ K), kA in kW/K. Its heat serves hot water alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import SmartBoiler
from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.apparent_power import limit_apparent_power
from gridcommons.optimisation.devices.operation import (
    Converters,
    Horizon,
    Operation,
    before,
    names_of,
    of_each,
    reactive_without_say,
    who_have_say,
)
from gridcommons.optimisation.devices.two_way_store import end_no_lower
from gridcommons.optimisation.linear_model import Linear, LinearModel

WATER_KWH_PER_M3K = 1.163
"""Heat capacity of water [kWh/(m³ K)]."""


def operate_smart_boilers(model: LinearModel, boilers: Sequence[SmartBoiler], horizon: Horizon) -> Operation:
    """Tanks that stay within their temperatures, |Q| ≤ ξ P, P² + Q² ≤ S², and end no colder than they began.

    A boiler without ``q_share`` has no say in its reactive power.
    """
    shape = (len(boilers), horizon.steps)
    s_kva = np.where(np.isnan(inverter := of_each(boilers, "inverter_kva")), np.inf, inverter)
    drawn_kw = model.variable(shape, upper=np.minimum(of_each(boilers, "consumption_max_kw"), s_kva))
    q_share = np.nan_to_num(of_each(boilers, "q_share"))
    q_max_kvar = q_share * of_each(boilers, "consumption_max_kw")
    injected_kvar = model.variable(shape, lower=-q_max_kvar, upper=q_max_kvar)
    has_say = who_have_say(boilers)
    gives = np.flatnonzero(has_say).tolist()
    p_kw, q_kvar = drawn_kw[gives], injected_kvar[gives]
    model.require("smart boiler: |Q| ≤ ξ P", q_kvar - p_kw * q_share[gives], upper=0.0)
    model.require("smart boiler: |Q| ≤ ξ P", -q_kvar - p_kw * q_share[gives], upper=0.0)
    limit_apparent_power(model, "smart boiler: P² + Q² ≤ S²", (p_kw, q_kvar), s_kva[gives])
    heat_kw = drawn_kw * of_each(boilers, "heater_efficiency_share")
    temp_c = keep_tank(model, boilers, heat_kw, horizon)
    return Operation(
        names_of(boilers),
        drawn_kw,
        reactive_without_say(boilers, drawn_kw, horizon, has_say) - injected_kvar,
        heat_kw,
        own_heat=True,
        state=temp_c,
        empty=of_each(boilers, "temp_min_c")[:, 0],
        full=of_each(boilers, "temp_max_c")[:, 0],
        converters=Converters(names_of([boilers[row] for row in gives]), p_kw, q_kvar),
    )


def keep_tank(
    model: LinearModel, boilers: Sequence[SmartBoiler], heat_kw: Linear, horizon: Horizon
) -> Linear:
    """Temperature of each tank at the end of each interval, within its band [°C]."""
    temp_c = model.variable(
        heat_kw.shape, lower=of_each(boilers, "temp_min_c"), upper=of_each(boilers, "temp_max_c")
    )
    usual_c = of_each(boilers, "temp_initial_c")[:, 0]
    start_c = horizon.starts(boilers, usual_c.tolist())
    was_c = before(temp_c, start_c)
    drawn_kwh_per_k = horizon.series(boilers, ".draw_m3") * WATER_KWH_PER_M3K
    lost_kwh_per_k = of_each(boilers, "loss_kw_per_k") * horizon.hours
    stored_kwh = (temp_c - was_c) * (of_each(boilers, "tank_m3") * WATER_KWH_PER_M3K)
    to_water_kwh = (was_c - _spread(boilers, "cold_temp_c", horizon)) * drawn_kwh_per_k
    to_room_kwh = (was_c - _spread(boilers, "ambient_temp_c", horizon)) * lost_kwh_per_k
    model.require_equal(
        "smart boiler: heat of the tank", stored_kwh - heat_kw * horizon.hours + to_water_kwh + to_room_kwh
    )
    end_no_lower(model, "smart boiler", temp_c, horizon.lowest_ends(boilers, usual_c.tolist()))
    return temp_c


def _spread(boilers: Sequence[SmartBoiler], rating: str, horizon: Horizon) -> FloatArray:
    return np.repeat(of_each(boilers, rating), horizon.steps, axis=1)
