"""Why a community has no schedule: which law cannot hold, of which asset, when, and by how much."""

from __future__ import annotations

from gridcommons.model.errors import InfeasibleError
from gridcommons.optimisation.linear_model import LinearModel, Shortfall
from gridcommons.scheduling.constraints import Program
from gridcommons.scheduling.energy_hub import EnergyHub

FIRST_ASKED = ("heat balance",)
"""Laws that are asked first: a balance says more to its owner than the device at its end."""

MOST_LINES = 8
"""Breaks that are written out."""


def explain(model: LinearModel, hub: EnergyHub, program: Program) -> str:
    """The message of the error: the least breaks that would leave a schedule, largest first."""
    every = tuple(dict.fromkeys(rows.name for rows in model.rows))
    for names in (FIRST_ASKED, every):
        try:
            found = model.shortfalls([name for name in names if name in every])
        except InfeasibleError:
            continue
        lines = [_line(each, hub, program) for each in found[:MOST_LINES]]
        if len(found) > MOST_LINES:
            lines.append(f"and {len(found) - MOST_LINES} more")
        return f"community {hub.name} has no schedule: {'; '.join(lines)}"
    return f"community {hub.name} has no schedule: the ratings of a device contradict each other"


def _line(each: Shortfall, hub: EnergyHub, program: Program) -> str:
    when = hub.horizon.profiles.time.local(each.cell[-1]).isoformat(timespec="minutes")
    unit = " kW" if each.name == "heat balance" else ""
    how = "short by" if each.amount > 0.0 else "too much by"
    if each.name == "heat balance" and each.amount < 0.0:
        how = "more heat than anybody takes, by"
    elif each.name == "heat balance":
        how = "heat that nobody gives,"
    asset = _asset_of(each, hub, program)
    return f"{each.name}{f' of {asset}' if asset else ''} at {when}: {how} {abs(each.amount):.4g}{unit}"


def _asset_of(each: Shortfall, hub: EnergyHub, program: Program) -> str:
    """The asset whose law it is; empty where the law is not one of a row an asset."""
    kind = each.name.partition(":")[0].replace(" ", "_")
    kind_of = {asset.asset: asset.kind for asset in hub.planned}
    for part in program.operations:
        if part.asset and kind_of[part.asset[0]] == kind and each.cell[0] < len(part.asset):
            return part.asset[each.cell[0]]
    return ""
