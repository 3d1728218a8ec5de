"""Why a community has no schedule: which law cannot hold, of which asset, when, and by how much."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gridcommons.model.assets import Asset, HeatPump
from gridcommons.model.errors import InfeasibleError
from gridcommons.optimisation.devices.operation import Operation
from gridcommons.optimisation.linear_model import LinearModel, Shortfall
from gridcommons.scheduling.constraints import Program
from gridcommons.scheduling.energy_hub import EnergyHub

BALANCE, ENVELOPE = "heat balance", "operating envelope"

FIRST_ASKED = ((BALANCE,), (ENVELOPE,), (BALANCE, ENVELOPE))
"""Laws that are asked first: these say more to their owner than the device at their end."""

STORE, LIMIT = ("has too much by", "lacks"), ("short by", "too much by")

LAWS: dict[str, tuple[str, tuple[str, str]]] = {
    BALANCE: ("kW", ("heat that nobody gives,", "more heat than anybody takes, by")),
    ENVELOPE: ("kW", ("below its least by", "above its most by")),
    "battery: stored energy": ("kWh", STORE),
    "battery: one way at a time": ("kW", LIMIT),
    "battery: ends no lower than it began": ("kWh", LIMIT),
    "boiler: ramp": ("kW", ("falls too fast by", "rises too fast by")),
    "boiler: H_B = H_B2DH + H_T": ("kW", LIMIT),
    "boiler: heat to the turbines": ("kW", LIMIT),
    "chp: Q ≤ ξ P": ("kvar", LIMIT),
    "demand response: energy put off": ("kWh", STORE),
    "demand response: returned within the day": ("kWh", LIMIT),
    "ev charger: state": ("kWh", STORE),
    "heat pump: state": ("K", STORE),
    "heat store: stored heat": ("kWh", STORE),
    "heat store: ends no lower than it began": ("kWh", LIMIT),
    "pv: |Q| ≤ P": ("kvar", LIMIT),
    "pv: P² + Q² ≤ S²": ("kVA", LIMIT),
    "smart boiler: heat of the tank": ("kWh", STORE),
    "smart boiler: |Q| ≤ ξ P": ("kvar", LIMIT),
    "smart boiler: P² + Q² ≤ S²": ("kVA", LIMIT),
    "smart boiler: ends no lower than it began": ("K", LIMIT),
    "stirling store: stored heat": ("kWh", STORE),
    "stirling store: one way at a time": ("kW", LIMIT),
    "stirling store: ends no lower than it began": ("kWh", LIMIT),
}
"""Unit of each law that can break, and how it is said that its lower or its upper end is missed."""

MOST_LINES = 8
"""Breaks that are written out."""


def explain(model: LinearModel, hub: EnergyHub, program: Program) -> str:
    """The message of the error: the least breaks that would leave a schedule, largest first."""
    every = tuple(dict.fromkeys(rows.name for rows in model.rows if rows.name in LAWS))
    for names in (*FIRST_ASKED, every):
        try:
            found = model.shortfalls([name for name in names if name in every])
        except InfeasibleError:
            continue
        lines = [_line(each, hub, program) for each in found[:MOST_LINES]]
        if len(found) > MOST_LINES:
            lines.append(f"and {len(found) - MOST_LINES} more")
        return f"community {hub.name} has no schedule: {'; '.join(lines)}"
    named = ", ".join(_contradicting(model, program)) or "a device"
    return f"community {hub.name} has no schedule: the ratings of {named} contradict each other"


def _contradicting(model: LinearModel, program: Program) -> list[str]:
    """Assets with a variable whose least is above its most."""
    is_crossed = np.concatenate(model.lower) > np.concatenate(model.upper)
    named = []
    for each in program.operations:
        for power in (each.p_kw, each.q_kvar, each.heat_kw, *filter(None, [each.state])):
            rows = power.cell[is_crossed[power.column]] // power.shape[-1]
            named += [each.asset[row] for row in rows.tolist()]
    return list(dict.fromkeys(named))


def _line(each: Shortfall, hub: EnergyHub, program: Program) -> str:
    when = hub.horizon.profiles.time.local(_step_of(each, hub)).isoformat(timespec="minutes")
    unit, (short, over) = LAWS[each.name]
    asset = _asset_of(each, hub, program)
    how = short if each.amount > 0.0 else over
    return f"{each.name}{f' of {asset}' if asset else ''} at {when}: {how} {abs(each.amount):.4g} {unit}"


def _step_of(each: Shortfall, hub: EnergyHub) -> int:
    """The interval of a break; some laws have no row in each."""
    if each.name.endswith(": ends no lower than it began"):
        return hub.steps - 1
    if each.name == "demand response: returned within the day":
        return int(np.flatnonzero(hub.horizon.last_of_days())[each.cell[-1]])
    return each.cell[-1]


def _asset_of(each: Shortfall, hub: EnergyHub, program: Program) -> str:
    """The asset whose law it is; empty for a balance."""
    if each.name == BALANCE:
        return ""
    if each.name == ENVELOPE:
        return [name for part in program.operations for name in part.asset][each.cell[0]]
    kind = each.name.partition(":")[0].replace(" ", "_")
    asset_of = {asset.asset: asset for asset in hub.planned}
    part = next(part for part in program.operations if part.asset and _has_law(part, asset_of, kind))
    if each.name == "boiler: heat to the turbines":
        of_member = {asset_of[name].member: name for name in part.asset}
        return list(of_member.values())[each.cell[0]]
    if "Q" in each.name and part.converters is not None:
        return part.converters.asset[each.cell[0]]
    return part.asset[each.cell[0]]


def _has_law(part: Operation, asset_of: Mapping[str, Asset], kind: str) -> bool:
    """Whether a part writes the laws of a kind: of heat pumps, those with houses do."""
    asset = asset_of[part.asset[0]]
    return asset.kind == kind and (asset.has_house if isinstance(asset, HeatPump) else True)
