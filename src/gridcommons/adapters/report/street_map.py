"""A map of a grid made from streets: streets grey, cables by size, houses in the colour of their station."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    RULE,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    style,
)
from gridcommons.model.grid import FloatArray
from gridcommons.synthesis.cables import LV_CABLES
from gridcommons.synthesis.street_plan import StreetPlan
from gridcommons.synthesis.streets import SyntheticGrid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STATION_COLOURS = ("#2a6fb0", "#d9791f", "#12936a", "#bb5f94", "#8a6d1d", "#5b4bb3", "#c4501b", "#3d8fa6")
"""Colours of the stations, used again where there are more (M. Okabe, K. Ito, Color Universal Design)."""
_WIDTHS = {cable.name: width for cable, width in zip(LV_CABLES, (1.1, 2.1, 3.2), strict=True)}
_SIDE = 0.35
_FOOT = 0.75


def draw_street_map(plan: StreetPlan, made: SyntheticGrid) -> Chart:
    """The map of a plan and of what was made of it.

    Parameters
    ----------
    plan : StreetPlan
        Streets, buildings and stations [m].
    made : SyntheticGrid
        The grid of that plan.
    """
    colours = {
        area.station.name: STATION_COLOURS[number % len(STATION_COLOURS)]
        for number, area in enumerate(made.areas)
    }
    points = np.array([p for street in plan.streets for p in street.points] + [t.at for t in plan.things])
    low, high = points.min(axis=0), points.max(axis=0)
    with style():
        width = WIDTH_INCH - 2 * _SIDE
        aspect = float((high[1] - low[1] + 1.0) / (high[0] - low[0] + 1.0))
        height = float(np.clip(width * aspect, 2.0, 9.0))
        total = height + _FOOT + _SIDE
        figure = make_figure(total)
        box = (_SIDE / WIDTH_INCH, _FOOT / total, width / WIDTH_INCH, height / total)
        axes = figure.add_axes(box)
        axes.set_axis_off()
        axes.set_aspect("equal", adjustable="datalim")
        _draw_streets(axes, plan)
        _draw_cables(axes, made, colours)
        _draw_houses(axes, plan, made, colours)
        _draw_stations(axes, plan, made, colours)
        axes.margins(0.04)
        axes.autoscale_view()
        _draw_scale(axes, high - low)
        _draw_legend(axes, made)
        return finish(figure, describe(made), "streets")


def standalone(chart: Chart) -> str:
    """The chart as a file of its own, which a browser opens."""
    body = chart.svg.removeprefix("<svg ")
    return f'<svg xmlns="http://www.w3.org/2000/svg" style="background:white" {body}\n'


def describe(made: SyntheticGrid) -> str:
    """What the map shows, in words."""
    areas = "; ".join(
        f"{area.station.name} ({area.station.kva:g} kVA) serves {area.houses} houses" for area in made.areas
    )
    return (
        f"{len(made.houses)} houses on {made.trench_m / 1e3:.2f} km of streets with cables, of "
        f"{made.street_m / 1e3:.2f} km. {areas}."
    )


def _draw_streets(axes: Axes, plan: StreetPlan) -> None:
    from matplotlib.collections import LineCollection

    lines = [np.array(street.points) for street in plan.streets]
    axes.add_collection(LineCollection(lines, colors=RULE, linewidths=6.0, capstyle="round", zorder=1))


def _draw_cables(axes: Axes, made: SyntheticGrid, colours: dict[str, str]) -> None:
    from matplotlib.collections import LineCollection

    lines: list[FloatArray] = [np.array(cable.points) for cable in made.cables]
    widths = [
        0.5 if cable.is_service else _WIDTHS[cable.cable.name] + 0.9 * (cable.parallel - 1)
        for cable in made.cables
    ]
    shades = [colours[cable.station] for cable in made.cables]
    axes.add_collection(LineCollection(lines, colors=shades, linewidths=widths, capstyle="round", zorder=2))


def _draw_houses(axes: Axes, plan: StreetPlan, made: SyntheticGrid, colours: dict[str, str]) -> None:
    at = np.array([building.at for building in plan.buildings])
    size = float(np.clip(4000.0 / len(at), 3.0, 16.0))
    shades = [colours[house.station] for house in made.houses]
    areas = [size * min(house.households, 9) ** 0.5 for house in made.houses]
    axes.scatter(at[:, 0], at[:, 1], s=areas, c=shades, marker="o", linewidth=0.0, zorder=3)


def _draw_stations(axes: Axes, plan: StreetPlan, made: SyntheticGrid, colours: dict[str, str]) -> None:
    for station, area in zip(plan.stations, made.areas, strict=True):
        x, y = station.at
        axes.scatter(x, y, s=110, marker="s", color=colours[station.name], edgecolor=INK, zorder=5)
        axes.annotate(
            f"{station.name}\n{station.kva:g} kVA, {area.houses} houses",
            (x, y),
            xytext=(9, 9),
            textcoords="offset points",
            fontsize=8.2,
            fontweight="bold",
            color=INK,
            zorder=6,
            bbox={"facecolor": "white", "alpha": 0.6, "edgecolor": "none", "pad": 1.5},
        )


def _draw_scale(axes: Axes, extent_m: FloatArray) -> None:
    """A bar of a round length at the lower left, under the map."""
    rough_m = max(float(extent_m.max()) / 6.0, 1.0)
    power = 10.0 ** np.floor(np.log10(rough_m))
    length_m = power * max(step for step in (1.0, 2.0, 5.0) if step * power <= rough_m)
    low_x, high_x = axes.get_xlim()
    inch = axes.get_position().width * WIDTH_INCH / (high_x - low_x)
    share = float(length_m * inch / (WIDTH_INCH - 2 * _SIDE))
    axes.plot([0.0, share], [-0.03, -0.03], color=INK, linewidth=1.6, transform=axes.transAxes, clip_on=False)
    axes.text(0.0, -0.02, f"{length_m:g} m", fontsize=8, color=INK, transform=axes.transAxes, va="bottom")


def _draw_legend(axes: Axes, made: SyntheticGrid) -> None:
    from matplotlib.lines import Line2D

    used = {cable.cable.name for cable in made.cables if not cable.is_service}
    handles = [Line2D([], [], color=RULE, linewidth=6.0, label="street")]
    handles += [
        Line2D([], [], color=MUTED, linewidth=_WIDTHS[cable.name], label=cable.name)
        for cable in LV_CABLES
        if cable.name in used
    ]
    handles.append(Line2D([], [], color=MUTED, marker="o", linewidth=0.5, markersize=3.5, label="house"))
    handles.append(
        Line2D([], [], color=MUTED, marker="s", markeredgecolor=INK, linewidth=0.0, label="station")
    )
    axes.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(1.0, -0.005),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
    )
