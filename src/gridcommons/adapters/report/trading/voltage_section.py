"""Voltages: the lowest and the highest of any bus over the day by scenario, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.lines import draw_line
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.style import (
    BROKEN,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    time_axis,
)
from gridcommons.adapters.report.tables import Part
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.scenario_words import scenario_colour, scenario_name
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("scenario", "time", "vm_min_pu", "bus_min", "vm_max_pu", "bus_max")


def voltage_section(found: Material) -> Section | None:
    """Lines and the extremes; None where the result holds no voltages."""
    rows = found.tables.whole("voltage_bands", _COLUMNS)
    if not len(rows["time"]):
        return None
    low, high = _limits(found)
    said = "The lowest and the highest voltage of any bus with supply, each scenario in its colour."
    if np.isfinite([low, high]).all():
        said += f" Limits: {number(low, 3)} and {number(high, 3)} pu."
    body = html.text(said) + html.figure(draw_voltages(found, rows, (low, high)))
    return Section("voltages", "Voltages", body + extremes_table(found, rows, (low, high)))


def _limits(found: Material) -> tuple[float, float]:
    """The tightest limits of voltage; NaN where there is none."""
    rows = found.tables.whole("grid_limits", ("kind", "limit"))
    ends = []
    for kind, tightest in (("vm_min_pu", np.max), ("vm_max_pu", np.min)):
        mine = rows["limit"][(rows["kind"] == kind) & np.isfinite(rows["limit"])]
        ends.append(float(tightest(mine)) if len(mine) else float("nan"))
    return ends[0], ends[1]


def _series(found: Material, rows: Part, scenario: str, column: str) -> FloatArray:
    mine = rows["scenario"] == scenario
    values = np.full(found.clock.steps, np.nan)
    values[found.clock.step_of(rows["time"][mine])] = rows[column][mine]
    return values


def draw_voltages(found: Material, rows: Part, limits: tuple[float, float]) -> Chart:
    """Two lines a scenario between the limits."""
    figure = make_figure(3.0)
    axes = figure.add_axes((0.055, 0.165, 0.93, 0.70))
    shown = [name for name in found.together if (rows["scenario"] == name).any()]
    for name in shown:
        for column in ("vm_min_pu", "vm_max_pu"):
            draw_line(axes, found.bins, _series(found, rows, name, column), scenario_colour(name), 1.2)
    for limit in limits:
        _mark(axes, limit)
    axes.axhline(1.0, color="#b9c1c9", linewidth=0.8, zorder=1)
    quiet_grid(axes)
    time_axis(axes, found.bins.dates, found.clock.timezone)
    entries = [("■", scenario_colour(name), scenario_name(name)) for name in shown]
    legend(figure, [*entries, ("■", BROKEN, "limit")], "lowest and highest voltage [pu]")
    told = [
        f"{scenario_name(name)} {number(low, 3)} to {number(high, 3)}"
        for name in shown
        for low, high in [[found.figure_in(name, key) for key in ("vm_min_pu", "vm_max_pu")]]
    ]
    return finish(figure, "Voltages over the day [pu]: " + "; ".join(told), "voltages")


def _mark(axes: Axes, limit: float) -> None:
    if np.isfinite(limit):
        axes.axhline(limit, color=BROKEN, linewidth=1.2)


def extremes_table(found: Material, rows: Part, limits: tuple[float, float]) -> str:
    """Lowest and highest voltage of each scenario, with bus, time and the minutes beyond a limit."""
    heads = {
        "name": "scenario",
        "low#": "lowest [pu]",
        "low_at": "where and when",
        "high#": "highest [pu]",
        "high_at": "where and when",
        "beyond#": "minutes beyond a limit",
    }
    lines = []
    for name in found.together:
        mine = np.flatnonzero(rows["scenario"] == name)
        if not len(mine):
            continue
        low = int(mine[np.nanargmin(rows["vm_min_pu"][mine])])
        high = int(mine[np.nanargmax(rows["vm_max_pu"][mine])])
        outside = rows["vm_min_pu"][mine] < limits[0] - 1e-6
        outside |= rows["vm_max_pu"][mine] > limits[1] + 1e-6
        lines.append(
            {
                "name": scenario_name(name),
                "low#": number(float(rows["vm_min_pu"][low]), 4),
                "low_at": f"{rows['bus_min'][low]}, {_time(found, rows, low)}",
                "high#": number(float(rows["vm_max_pu"][high]), 4),
                "high_at": f"{rows['bus_max'][high]}, {_time(found, rows, high)}",
                "beyond#": number(int(outside.sum())),
            }
        )
    return html.table(heads, lines, [line["name"] == scenario_name(found.last) for line in lines])


def _time(found: Material, rows: Part, place: int) -> str:
    return found.clock.brief(int(found.clock.step_of(rows["time"][place])))
