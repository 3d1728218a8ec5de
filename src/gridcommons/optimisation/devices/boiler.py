"""Boilers and the turbines that they drive (Mohiti et al., eqs 14 to 20; P and H of the turbine from H_T)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import Boiler, Chp
from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.devices.operation import (
    Converters,
    Horizon,
    Operation,
    before,
    names_of,
    nothing,
    of_each,
    reactive_without_say,
    who_have_say,
)
from gridcommons.optimisation.linear_model import Linear, LinearModel, stack


def operate_boilers(
    model: LinearModel, boilers: Sequence[Boiler], turbines: Sequence[Chp], horizon: Horizon
) -> tuple[Operation, Operation]:
    """Boilers and turbines; those of a member with boilers are driven by these, others by their own fire.

    Returns
    -------
    tuple of Operation
        Of the boilers (heat that goes directly to the heating), and of the turbines (electricity and the
        heat that is left of it).
    """
    fired_kw = _fire(model, boilers, horizon)
    to_turbines_kw = model.variable(fired_kw.shape)
    model.require("boiler: H_B = H_B2DH + H_T", fired_kw - to_turbines_kw, lower=0.0)
    generation_kw, injected_kvar, turbine_heat_kw = _turbines(model, turbines, horizon)
    share_heat(model, (boilers, to_turbines_kw), (turbines, turbine_heat_kw))
    _pay_own_fires(model, boilers, turbines, turbine_heat_kw * horizon.hours)
    nil = nothing(boilers, horizon)
    of_boilers = Operation(names_of(boilers), nil, nil, fired_kw - to_turbines_kw, state=fired_kw)
    of_turbines = Operation(
        names_of(turbines),
        -generation_kw,
        reactive_without_say(turbines, -generation_kw, horizon, who_have_say(turbines)) - injected_kvar,
        turbine_heat_kw - generation_kw,
        converters=Converters(names_of(turbines), generation_kw, injected_kvar),
    )
    return of_boilers, of_turbines


def _fire(model: LinearModel, boilers: Sequence[Boiler], horizon: Horizon) -> Linear:
    """Heat of boilers within bounds and ramp, H_min ≤ H_B ≤ H_max, |ΔH_B| ≤ RR [kW]."""
    shape = (len(boilers), horizon.steps)
    fired_kw = model.variable(
        shape, lower=of_each(boilers, "heat_min_kw"), upper=of_each(boilers, "heat_max_kw")
    )
    ramp_kw = of_each(boilers, "ramp_kw_per_h") * horizon.hours
    start_kw = horizon.starts(boilers, [np.nan] * len(boilers))
    limit_ramp(model, fired_kw, start_kw, ramp_kw)
    model.add_cost(fired_kw * of_each(boilers, "heat_cost_per_kwh") * horizon.hours, "fuel")
    return fired_kw


def limit_ramp(model: LinearModel, fired_kw: Linear, start_kw: FloatArray, ramp_kw: FloatArray) -> None:
    """|H_B[t] − H_B[t−1]| ≤ RR; free in the first interval where nothing was before it."""
    change_kw = fired_kw - before(fired_kw, np.nan_to_num(start_kw))
    allowed_kw = np.broadcast_to(ramp_kw, fired_kw.shape).copy()
    allowed_kw[np.isnan(start_kw), 0] = np.inf
    model.require("boiler: ramp", change_kw, lower=-allowed_kw, upper=allowed_kw)


def _turbines(model: LinearModel, turbines: Sequence[Chp], horizon: Horizon) -> tuple[Linear, Linear, Linear]:
    """P within bounds, −ξ_l P ≤ Q ≤ ξ_u P, and the heat that they take, H_T = P/η_T."""
    shape = (len(turbines), horizon.steps)
    generation_kw = model.variable(
        shape, lower=of_each(turbines, "generation_min_kw"), upper=of_each(turbines, "generation_max_kw")
    )
    injected_kvar = model.variable(shape, lower=-np.inf)
    inject, absorb = (np.nan_to_num(of_each(turbines, f"q_{way}_share")) for way in ("inject", "absorb"))
    model.require("chp: Q ≤ ξ P", injected_kvar - generation_kw * inject, upper=0.0)
    model.require("chp: Q ≤ ξ P", injected_kvar + generation_kw * absorb, lower=0.0)
    return generation_kw, injected_kvar, generation_kw * (1.0 / of_each(turbines, "electric_share"))


def share_heat(
    model: LinearModel, boilers: tuple[Sequence[Boiler], Linear], turbines: tuple[Sequence[Chp], Linear]
) -> None:
    """What boilers give to turbines is what turbines take, member by member."""
    lacks = []
    for member in dict.fromkeys(boiler.member for boiler in boilers[0]):
        given, taken = (
            heat_kw[np.flatnonzero([asset.member == member for asset in assets])].sum(0)
            for assets, heat_kw in (boilers, turbines)
        )
        lacks.append((given - taken)[None, :])
    if lacks:
        model.require_equal("boiler: heat to the turbines", stack(lacks))


def _pay_own_fires(
    model: LinearModel, boilers: Sequence[Boiler], turbines: Sequence[Chp], heat_kwh: Linear
) -> None:
    """Fuel of turbines without a boiler; that of the others is the boiler's."""
    served = {boiler.member for boiler in boilers}
    price = [0.0 if turbine.member in served else turbine.heat_cost_per_kwh for turbine in turbines]
    model.add_cost(heat_kwh * np.array(price).reshape(-1, 1), "fuel")
