"""A community's schedule as a table of contents of its laws (Mohiti et al., eqs 10 to 44, corrected).

    min Σ λ_e (P_im − P_ex) + network fee + fuel + λ_h (H_im − H_ex) + heat peak and fee + Σ C^Q
        + c_Q (Q_im − Q_ex) + C_LS Σ P_LS + wear

The printed electricity balance has its signs reversed and lacks the smart boiler; the heat balance counts the
smart boiler, whose heat goes into its own tank; the cost of Q is multiplied by Q once too often. What each
kind of device can do stands in ``optimisation/devices``; here it is balanced and paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

import numpy as np

from gridcommons.model.assets import Asset, HeatPump
from gridcommons.model.grid import FloatArray, Names
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.apparent_power import above_tangents, tangents
from gridcommons.optimisation.devices.battery import operate_batteries
from gridcommons.optimisation.devices.boiler import operate_boilers
from gridcommons.optimisation.devices.community_heat_pump import operate_heat_pumps
from gridcommons.optimisation.devices.demand_response import operate_demand_response
from gridcommons.optimisation.devices.heat_store import operate_heat_stores
from gridcommons.optimisation.devices.operation import Horizon, Operation, Past
from gridcommons.optimisation.devices.planned_chains import operate_cars, operate_houses
from gridcommons.optimisation.devices.pv import operate_pv
from gridcommons.optimisation.devices.smart_boiler import operate_smart_boilers
from gridcommons.optimisation.devices.stirling_store import operate_stirling_stores
from gridcommons.optimisation.linear_model import Linear, LinearModel, constant, stack
from gridcommons.scheduling.energy_hub import EnergyHub
from gridcommons.scheduling.settings import Settings

LEAST_PRICE_PER_KWH = 1e-6
"""What active power given up for reactive power costs at least, so that nothing is given for nothing."""

HEAT_FEE = "heat fee"
"""Name of what a connection to a district network costs a day."""

REACTIVE_COST = "reactive power"
"""Name of the rows and of the cost of S − P."""

OPERATE: dict[str, Callable[[LinearModel, Any, Horizon], Operation]] = {
    "pv": operate_pv,
    "battery": operate_batteries,
    "demand_response": operate_demand_response,
    "ev_charger": operate_cars,
    "heat_pump": operate_heat_pumps,
    "house": operate_houses,
    "heat_store": operate_heat_stores,
    "smart_boiler": operate_smart_boilers,
    "stirling_store": operate_stirling_stores,
}
"""The laws of each kind that stands alone; boilers and turbines come together."""


@dataclass(frozen=True, eq=False)
class Priced:
    """Where reactive power takes the place of active power: S of every converter from below.

    Parameters
    ----------
    asset : tuple of str
        Which converters.
    p_kw, q_kvar, s_kva : Linear of shape (converters, steps)
        Active power as a magnitude, reactive power injected, and S ≥ the tangents.
    """

    asset: Names
    p_kw: Linear
    q_kvar: Linear
    s_kva: Linear


@dataclass(frozen=True, eq=False)
class Program:
    """The program of a community, and the expressions by which its solution is read.

    Parameters
    ----------
    model : LinearModel
        Variables, laws and costs, the exchange of reactive power aside.
    operations : tuple of Operation
        What its devices do.
    shed_kw : Linear of shape (loads, steps)
        Load that is not served.
    p_kw, q_kvar : Linear of shape (connections, steps)
        Net power at its connections.
    heat_kw : Linear of shape (steps,)
        Heat drawn from the district network, negative where given.
    priced : Priced
        What prices its reactive power.
    """

    model: LinearModel
    operations: tuple[Operation, ...]
    shed_kw: Linear
    p_kw: Linear
    q_kvar: Linear
    heat_kw: Linear
    priced: Priced


def make_program(hub: EnergyHub, settings: Settings) -> Program:
    """The laws of a community, one after the other."""
    model = LinearModel()
    operations = operate_devices(model, hub)
    shed_kw = shed_load(model, hub, settings)
    p_kw = balance_electricity(model, hub, operations, shed_kw)
    q_kvar = balance_reactive_power(model, hub, operations, shed_kw)
    heat_kw = balance_heat(model, hub, operations, settings)
    keep_envelopes(model, hub, operations)
    pay_energy(model, hub, p_kw)
    pay_heat(model, hub, heat_kw)
    if has_heat(hub, operations):
        pay_heat_peak(model, hub, heat_kw, settings)
    priced = price_reactive_power(model, hub, operations)
    return Program(model, operations, shed_kw, p_kw, q_kvar, heat_kw, priced)


def operate_devices(model: LinearModel, hub: EnergyHub) -> tuple[Operation, ...]:
    """What each device can do, kind by kind."""
    by_kind: dict[str, list[Asset]] = {}
    for asset in hub.planned:
        kind = "house" if isinstance(asset, HeatPump) and asset.has_house else asset.kind
        by_kind.setdefault(kind, []).append(asset)
    boilers: Sequence[Any] = by_kind.pop("boiler", [])
    turbines: Sequence[Any] = by_kind.pop("chp", [])
    alone = tuple(OPERATE[kind](model, assets, hub.horizon) for kind, assets in by_kind.items())
    return alone + (operate_boilers(model, boilers, turbines, hub.horizon) if boilers or turbines else ())


def shed_load(model: LinearModel, hub: EnergyHub, settings: Settings) -> Linear:
    """0 ≤ P_LS ≤ P_L at C_LS; the reactive power of a load goes with it, in the same share [kW].

    Shedding reactive power alone, as printed, would cost nothing and be sold.
    """
    load_kw = hub.fixed_kw[hub.may_be_shed]
    shed_kw = model.variable(load_kw.shape, upper=load_kw)
    model.add_cost(shed_kw * (settings.shedding_price_per_kwh * hub.hours), "load not served")
    return shed_kw


def balance_electricity(
    model: LinearModel, hub: EnergyHub, operations: Sequence[Operation], shed_kw: Linear
) -> Linear:
    """P_im − P_ex = Σ what is drawn − Σ what is given, at each connection [kW]."""
    fixed = constant(hub.fixed_kw)
    powers = [(hub.connections_of(hub.fixed), fixed)]
    powers += [(hub.connections_of(each.asset), each.p_kw) for each in operations]
    powers.append((hub.connections_of(hub.fixed)[hub.may_be_shed], -shed_kw))
    return at_connections(hub, powers)


def balance_reactive_power(
    model: LinearModel, hub: EnergyHub, operations: Sequence[Operation], shed_kw: Linear
) -> Linear:
    """Q_im − Q_ex = Σ Q_L − Σ (Q_CHP + Q_PV + Q_SB), at each connection [kvar]."""
    powers = [(hub.connections_of(hub.fixed), constant(hub.fixed_kvar))]
    powers += [(hub.connections_of(each.asset), each.q_kvar) for each in operations]
    load_kw, load_kvar = hub.fixed_kw[hub.may_be_shed], hub.fixed_kvar[hub.may_be_shed]
    per_kw = np.divide(load_kvar, load_kw, out=np.zeros_like(load_kw), where=load_kw > 0.0)
    powers.append((hub.connections_of(hub.fixed)[hub.may_be_shed], shed_kw * -per_kw))
    return at_connections(hub, powers)


def at_connections(hub: EnergyHub, powers: Sequence[tuple[Any, Linear]]) -> Linear:
    """Powers summed at the connections where they enter, shape (connections, steps)."""
    rows = [
        stack(
            [
                constant(np.zeros((1, hub.steps))),
                *(power[np.flatnonzero(place == connection)] for place, power in powers),
            ]
        ).sum(0)
        for connection in range(len(hub.bus))
    ]
    return stack([row[None, :] for row in rows])


def balance_heat(
    model: LinearModel, hub: EnergyHub, operations: Sequence[Operation], settings: Settings
) -> Linear:
    """H_im − H_ex = H_L − (H_B2DH + H_CHP + H_R + H_HP); nothing is exchanged where heat has no price [kW].

    Where it has none, the balance must close by itself.
    """
    has_network = np.isfinite(hub.prices.heat_price_per_kwh)
    import_max_kw, export_max_kw = (
        np.where(has_network, np.inf if most is None else most, 0.0)
        for most in (settings.heat_import_max_kw, settings.heat_export_max_kw)
    )
    exchanged_kw = model.variable((hub.steps,), lower=-export_max_kw, upper=import_max_kw)
    given = [constant(np.zeros((1, hub.steps)))]
    given += [each.heat_kw for each in operations if not each.own_heat]
    model.require_equal("heat balance", exchanged_kw + stack(given).sum(0), hub.heat_demand_kw.sum(axis=0))
    return exchanged_kw


def keep_envelopes(model: LinearModel, hub: EnergyHub, operations: Sequence[Operation]) -> None:
    """p_min ≤ p ≤ p_max where an asset has an operating envelope."""
    if not (np.isfinite(hub.p_min_kw).any() or np.isfinite(hub.p_max_kw).any()):
        return
    row = {asset.asset: k for k, asset in enumerate(hub.planned)}
    mine = np.array([row[name] for each in operations for name in each.asset], dtype=np.int64)
    p_kw = stack([each.p_kw for each in operations])
    model.require("operating envelope", p_kw, lower=hub.p_min_kw[mine], upper=hub.p_max_kw[mine])


def pay_energy(model: LinearModel, hub: EnergyHub, p_kw: Linear) -> None:
    """λ_e (P_im − P_ex) and the network fee on what is imported; members share what they have.

    With one price for both ways and no fee, no variable is needed for each way.
    """
    prices, total_kw = hub.prices, p_kw.sum(0)
    model.add_cost(total_kw * (prices.export_price_per_kwh * hub.hours), "energy")
    spread = prices.import_price_per_kwh - prices.export_price_per_kwh
    apart = np.flatnonzero(spread + prices.network_fee_per_kwh > 0.0)
    import_kw = model.variable((len(apart),))
    model.require("import", import_kw - total_kw[apart], lower=0.0)
    model.add_cost(import_kw * (spread[apart] * hub.hours), "energy")
    model.add_cost(import_kw * (prices.network_fee_per_kwh[apart] * hub.hours), "network fee")


def pay_heat(model: LinearModel, hub: EnergyHub, heat_kw: Linear) -> None:
    """λ_h (H_im − H_ex)."""
    model.add_cost(heat_kw * (np.nan_to_num(hub.prices.heat_price_per_kwh) * hub.hours), "heat")


def has_heat(hub: EnergyHub, operations: Sequence[Operation]) -> bool:
    """Whether a community has a heating and a district network to connect it to."""
    has_network = np.isfinite(hub.prices.heat_price_per_kwh).any()
    return bool(has_network and (hub.heat_demand_kw.any() or any(each.heats for each in operations)))


def pay_heat_peak(model: LinearModel, hub: EnergyHub, heat_kw: Linear, settings: Settings) -> None:
    """c_H,var · highest heat of each local day, and c_H,fix; of a day that is held in part, that part.

    Where the rest of a horizon is planned, the peak of the day that goes on is no lower than it was.
    """
    past = hub.horizon.past or Past()
    day = hub.horizon.profiles.time.local_clock()[0]
    day = day - day[0]
    first = np.arange(day[-1] + 1) == 0
    part = (np.bincount(day) * hub.hours + first * past.hours) / hours_of_days(hub.horizon.profiles.time)
    peak_kw = model.variable(part.shape, lower=first * past.heat_peak_kw)
    of_steps = stack([peak_kw[k : k + 1] for k in day])
    model.require("heat peak", of_steps - heat_kw, lower=0.0)
    model.add_cost(peak_kw * (settings.heat_peak_price_per_kw_day * part), "heat peak")
    model.add_cost(constant(settings.heat_fee_per_day * part), HEAT_FEE)


def hours_of_days(time: TimeAxis) -> FloatArray:
    """Length of each local day of a window, 23 or 25 hours where the clock changes, shape (days,) [h]."""
    first = np.unique(time.local_clock()[0], return_index=True)[1].tolist()
    midnights = [time.local(step).replace(hour=0, minute=0) for step in first]
    lengths = []
    for midnight in midnights:
        following = midnight + timedelta(days=1)
        lengths.append((following.astimezone(UTC) - midnight.astimezone(UTC)).total_seconds() / 3600.0)
    return np.array(lengths)


def price_reactive_power(model: LinearModel, hub: EnergyHub, operations: Sequence[Operation]) -> Priced:
    """C^Q = λ⁺ (S − P) dt of every converter, from below by tangents."""
    converters = [each.converters for each in operations if each.converters is not None]
    nil = constant(np.zeros((0, hub.steps)))
    p_kw = stack([nil, *(each.p_kw for each in converters)])
    q_kvar = stack([nil, *(each.q_kvar for each in converters)])
    s_kva = above_tangents(model, REACTIVE_COST, (p_kw, q_kvar), tangents())
    model.add_cost((s_kva - p_kw) * (price_of_active_power(hub) * hub.hours), REACTIVE_COST)
    return Priced(tuple(name for each in converters for name in each.asset), p_kw, q_kvar, s_kva)


def price_of_active_power(hub: EnergyHub) -> FloatArray:
    """λ⁺: the import price, where it is above zero, shape (steps,)."""
    return np.maximum(hub.prices.import_price_per_kwh, LEAST_PRICE_PER_KWH)
