"""Delivery: what was ordered and came, and one car and one heat pump before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.device_days import DeviceDay, most_changed, shown_change
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import stage_colour, stage_name
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.panels import (
    Shape,
    draw_step,
    edges,
    fill_step,
    legend,
    make_panels,
    title,
)
from gridcommons.adapters.report.style import BROKEN, Chart, finish, kind_words, quiet_grid, time_axis
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MISSING_KW = 0.05


def delivery_section(found: Material) -> Section | None:
    """Devices and deliveries; None where the result has neither schedules nor deliveries."""
    if "schedules" not in found.tables and "deliveries" not in found.tables:
        return None
    body = _deliveries(found)
    stages = shown_change(found) if "schedules" in found.tables else None
    devices = most_changed(found, stages) if stages is not None else []
    if stages is None or not devices:
        return Section("delivery", "Delivery", body + html.nothing("No device leaves its plan."))
    said = (
        f"The devices whose plan changes most from {stage_name(stages[0])} to {stage_name(stages[1])}. "
        "The state is that at the end of each interval."
    )
    body += html.text(said) + html.figure(_draw(found, stages, devices))
    return Section("delivery", "Delivery", body)


def _deliveries(found: Material) -> str:
    columns = ("time", "aggregator", "bus", "ordered_kw", "delivered_kw", "missing_kw", "is_metered")
    rows = found.tables.whole("deliveries", columns)
    if not len(rows["bus"]):
        return ""
    by = (
        "by meters" if rows["is_metered"].astype(bool).all() else "by schedules: nothing has been metered yet"
    )
    ordered, delivered = float(rows["ordered_kw"].sum()), float(rows["delivered_kw"].sum())
    said = (
        f"Of {number(ordered, 1)} kW ordered, summed over all hours, {number(delivered, 1)} kW comes, {by}."
    )
    short = np.flatnonzero(rows["missing_kw"] > _MISSING_KW)
    if not len(short):
        return html.text(said)
    order = short[np.argsort(-rows["missing_kw"][short], kind="stable")]
    heads = {
        "who": "aggregator",
        "bus": "bus",
        "when": "at",
        "due#": "ordered [kW]",
        "short#": "missing [kW]",
    }
    lines = [
        {
            "who": str(rows["aggregator"][row]),
            "bus": str(rows["bus"][row]),
            "when": found.brief(rows["time"][row]),
            "due#": number(float(rows["ordered_kw"][row]), 1),
            "short#": number(float(rows["missing_kw"][row]), 1),
        }
        for row in order
    ]
    return html.text(said) + long_table(heads, lines, "deliveries")


def _draw(found: Material, stages: tuple[str, str], devices: list[DeviceDay]) -> Chart:
    """Power above and state below, a column for each device."""
    figure, axes = make_panels(
        2 * len(devices), Shape(columns=len(devices), height=1.45, head=0.5, foot=0.44)
    )
    entries = [("━", stage_colour(stage), stage_name(stage)) for stage in stages]
    entries += [("╌", BROKEN, "limit"), ("▒", stage_colour(stages[1]), "less or more than before")]
    legend(figure, entries, "power positive = drawn")
    said = []
    for column, device in enumerate(devices):
        top, below = axes[column], axes[column + len(devices)]
        words = kind_words(device.kind, 1)
        name = f"{words[0].upper()}{words[1:]} {device.name}"
        where = f" at {device.bus}" if device.bus else ""
        _draw_power(top, found, stages, device)
        title(top, f"{name}{where}", "power [kW]")
        _draw_state(below, found, stages, device)
        is_heat = "heat" in device.kind
        title(below, "Indoor temperature [°C]" if is_heat else "Energy stored [kWh]", _state_words(device))
        time_axis(
            below, edges(found.clock), found.clock.timezone, label=column == len(devices) - 1, most_ticks=7
        )
        change = float(np.abs(device.power_kw[1] - device.power_kw[0]).max())
        said.append(f"{name}{where}: changed by up to {number(change, 2)} kW; {_state_words(device)}")
    return finish(figure, f"Devices before and after. {'; '.join(said)}", "devices")


def _draw_power(axes: Axes, found: Material, stages: tuple[str, str], device: DeviceDay) -> None:
    low, high = device.power_kw.min(axis=0), device.power_kw.max(axis=0)
    fill_step(axes, found.clock, low, high, (stage_colour(stages[1]), 0.16))
    for place, stage in enumerate(stages):
        draw_step(axes, found.clock, device.power_kw[place], stage_colour(stage), 1.3 + 0.5 * place)
    if device.power_max_kw < 2.0 * max(float(device.power_kw.max()), 1e-6):
        axes.axhline(device.power_max_kw, color=BROKEN, linewidth=1.0, linestyle=(0, (4, 2)))
    quiet_grid(axes)
    axes.set_ylim(min(0.0, float(device.power_kw.min())), None)
    time_axis(axes, edges(found.clock), found.clock.timezone, label=False, most_ticks=7)
    axes.tick_params(labelbottom=False)


def _draw_state(axes: Axes, found: Material, stages: tuple[str, str], device: DeviceDay) -> None:
    at: FloatArray = edges(found.clock)[1:]
    for place, stage in enumerate(stages):
        axes.plot(at, device.state[place], color=stage_colour(stage), linewidth=1.3 + 0.5 * place)
    for bound in device.bounds:
        if np.isfinite(bound):
            axes.axhline(bound, color=BROKEN, linewidth=1.0, linestyle=(0, (4, 2)))
    quiet_grid(axes)
    axes.margins(y=0.10)


def _state_words(device: DeviceDay) -> str:
    unit = "°C" if "heat" in device.kind else "kWh"
    low, high = (float(f.reduce(device.state[1])) for f in (np.fmin, np.fmax))
    return f"after: {number(low, 1)} to {number(high, 1)} {unit}"
