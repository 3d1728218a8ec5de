"""The devices of a result over the day: who changed most between two stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.tables import Names
from gridcommons.model.grid import FloatArray

_CHANGED_KW = 1e-3
_KINDS = 2
"""Devices with an energy, and those with a temperature."""


@dataclass(frozen=True, eq=False)
class DeviceDay:
    """A device before and after the last stages.

    Parameters
    ----------
    name, kind, bus : str
        Which one.
    power_max_kw : float
        What it can draw at most; infinite where the result does not say.
    power_kw, state : (2, steps)
        Power, and state at the end of each interval, before and after.
    bounds : tuple of float
        Least and largest state; NaN where the result does not say.
    """

    name: str
    kind: str
    bus: str
    power_max_kw: float
    power_kw: FloatArray
    state: FloatArray
    bounds: tuple[float, float]


def shown_change(found: Material) -> tuple[str, str] | None:
    """The stages to compare: before and after the last instrument that moved cars and heat pumps alike.

    Where none moved both, the first and the last stage; None where no device leaves its plan.
    """
    if len(found.stages) == 1:
        return None
    pairs = list(zip(found.stages[:-1], found.stages[1:], strict=True))[::-1]
    ends = (found.stages[0], found.stages[-1])
    for pair in [*pairs, ends]:
        if len(_most_changed(found, pair)) == _KINDS:
            return pair
    return ends if _most_changed(found, ends) else None


def most_changed(found: Material, stages: tuple[str, str]) -> list[DeviceDay]:
    """The car and the heat pump whose plans changed most between two stages."""
    return [_device(found, stages, name) for name in _most_changed(found, stages)]


def _most_changed(found: Material, stages: tuple[str, str]) -> list[str]:
    """Their names; the one with an energy first, and none of a kind that did not change."""
    power_kw, assets = _power(found, stages)
    change_kw = np.nan_to_num(np.abs(power_kw[1] - power_kw[0])).sum(axis=1)
    has_energy = np.zeros(len(assets), dtype=bool)
    names = {"asset": assets, "scenario": Names([stages[1]], {stages[1]: 0})}
    for part in found.tables.parts("schedules", ("scenario", "asset", "energy_kwh"), names):
        mine = (part["scenario"] == 0) & np.isfinite(part["energy_kwh"])
        has_energy[part["asset"][mine]] = True
    chosen = []
    for which in (has_energy, ~has_energy):
        if which.any() and change_kw[which].max() > _CHANGED_KW:
            best = int(np.argmax(np.where(which, change_kw, -1.0)))
            chosen.append(assets.names[best])
    return chosen


def _power(found: Material, stages: tuple[str, str]) -> tuple[FloatArray, Names]:
    """Power of all devices at two stages, shape (2, devices, steps) [kW], and their names."""
    assets, pieces = Names(), []
    names = {
        "asset": assets,
        "scenario": Names(list(stages), {stage: place for place, stage in enumerate(stages)}),
    }
    for part in found.tables.parts("schedules", ("time", "scenario", "asset", "p_kw"), names):
        mine = part["scenario"] < 2
        pieces.append({column: values[mine] for column, values in part.items()})
    out = np.zeros((2, len(assets), found.clock.steps))
    for part in pieces:
        out[part["scenario"], part["asset"], found.clock.step_of(part["time"])] = part["p_kw"]
    return out, assets


def _device(found: Material, stages: tuple[str, str], name: str) -> DeviceDay:
    columns = ("time", "scenario", "p_kw", "energy_kwh", "temp_c")
    rows = found.tables.rows_at("schedules", columns, {"asset": name})
    power_kw, state = np.zeros((2, found.clock.steps)), np.full((2, found.clock.steps), np.nan)
    for place, stage in enumerate(stages):
        mine = rows["scenario"] == stage
        step = found.clock.step_of(rows["time"][mine])
        power_kw[place, step] = rows["p_kw"][mine]
        state[place, step] = np.fmax(rows["energy_kwh"][mine], rows["temp_c"][mine])
    is_store = bool(np.isfinite(rows["energy_kwh"]).any())
    about = _about(found, "assets", ("kind", "bus", "rating_kw"), name)
    bound = _about(found, "device_bounds", ("state_min", "state_max"), name)
    bounds = (float(bound.get("state_min", np.nan)), float(bound.get("state_max", np.nan)))
    kind = str(about.get("kind", "ev_charger" if is_store else "heat_pump"))
    rating_kw = float(about.get("rating_kw", np.inf))
    return DeviceDay(name, kind, str(about.get("bus", "")), rating_kw, power_kw, state, bounds)


def _about(found: Material, table: str, wanted: tuple[str, ...], name: str) -> dict[str, Any]:
    """What a table says of a device, where the result has it."""
    known = found.columns(table)
    columns = [column for column in wanted if column in known]
    if not columns:
        return {}
    rows = found.tables.rows_at(table, columns, {"asset": name})
    return {column: values[0] for column, values in rows.items() if len(values)}
