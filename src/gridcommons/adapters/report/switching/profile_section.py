"""Voltages before and after: by distance from the source, sorted, and their extremes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.grid import GridPicture, LimitBook
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.layout import walk_from_sources
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.style import BROKEN, MUTED, Chart, finish, make_figure, quiet_grid
from gridcommons.adapters.report.switching.loss_material import COLOURS, BusRange, LossMaterial
from gridcommons.model.grid import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def profile_section(found: LossMaterial) -> Section | None:
    """Profiles and extremes; None where the result holds no voltages."""
    if not found.snapshots or found.grid is None or found.limits is None:
        return None
    low, high = limits_of(found.limits)
    said = f"At {found.clock.brief(found.heaviest)}, when most is lost."
    if found.closed:
        said += (
            " On the left each bus at its distance from the source, joined along the closed branches: "
            "a bus that is fed by another way stands elsewhere after. On the right all buses in order."
        )
    if np.isfinite([low, high]).all():
        said += f" Limits: {number(low, 3)} and {number(high, 3)} pu."
    body = html.text(said) + html.figure(draw_profiles(found)) + range_table(found)
    return Section("voltages", "Voltages before and after", body)


def limits_of(limits: LimitBook) -> tuple[float, float]:
    """The tightest limits of voltage of any bus [pu]; NaN where there is none."""
    return limits.spread("vm_min_pu")[1], limits.spread("vm_max_pu")[0]


def distances(grid: GridPicture, closed: BoolArray) -> FloatArray:
    """Way from the nearest source to each bus [km], or branches where these are all of one length.

    Without a way it is infinite.
    """
    ways = grid.ways
    lengths = np.ones(len(closed)) if has_plain_lengths(grid) else ways.length_km
    return walk_from_sources(replace(ways, closed=closed, length_km=lengths))[2]


def has_plain_lengths(grid: GridPicture) -> bool:
    """Whether all branches are of one length, as in files that know no lengths."""
    return bool(len(grid.ways.length_km)) and float(np.ptp(grid.ways.length_km)) == 0.0


def draw_profiles(found: LossMaterial) -> Chart:
    """Voltage by distance, where positions are known, and sorted, on one scale."""
    figure = make_figure(3.5)
    right = figure.add_axes((0.70, 0.145, 0.285, 0.73) if found.closed else (0.055, 0.145, 0.93, 0.73))
    _draw_sorted(right, found)
    if found.closed:
        left = figure.add_axes((0.055, 0.145, 0.585, 0.73), sharey=right)
        _draw_by_distance(left, found)
        right.tick_params(labelleft=False)
    for axes in figure.axes:
        quiet_grid(axes)
        _mark_limits(axes, found)
    entries = [("■", COLOURS[name], name) for name in found.snapshots]
    legend(figure, [*entries, ("■", BROKEN, "limit")], "voltage [pu]")
    return finish(figure, _words(found), "profile")


def _draw_by_distance(axes: Axes, found: LossMaterial) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    grid = found.grid
    assert grid is not None
    for name, snapshot in found.snapshots.items():
        at, closed = distances(grid, found.closed[name]), found.closed[name]
        a, b = grid.ways.from_bus[closed], grid.ways.to_bus[closed]
        places = np.stack([at, snapshot.vm_pu], axis=1)
        lines = np.stack([places[a], places[b]], axis=1)
        lines = lines[np.isfinite(lines).all(axis=(1, 2))]
        axes.add_collection(LineCollection(list(lines), colors=COLOURS[name], linewidths=1.2, alpha=0.75))
        known = np.isfinite(places).all(axis=1)
        axes.scatter(places[known, 0], places[known, 1], s=9, color=COLOURS[name], linewidth=0, zorder=3)
    words = "branches from the source" if has_plain_lengths(grid) else "way from the source [km]"
    axes.set_xlabel(words, fontsize=8, color=MUTED, loc="right")
    axes.xaxis.set_major_locator(MaxNLocator(integer=has_plain_lengths(grid)))
    axes.margins(x=0.02)
    axes.autoscale_view()
    axes.set_xlim(left=0.0)


def _draw_sorted(axes: Axes, found: LossMaterial) -> None:
    for name, snapshot in found.snapshots.items():
        vm_pu = np.sort(snapshot.vm_pu[np.isfinite(snapshot.vm_pu)])
        axes.step(np.arange(len(vm_pu) + 1), np.append(vm_pu, vm_pu[-1:]), where="post", color=COLOURS[name])
        axes.set_xlim(0, len(vm_pu))
    axes.set_xlabel("buses, the lowest first", fontsize=8, color=MUTED, loc="right")


def _mark_limits(axes: Axes, found: LossMaterial) -> None:
    """A line at each limit that is near what is drawn."""
    assert found.limits is not None
    seen = np.concatenate([snapshot.vm_pu for snapshot in found.snapshots.values()])
    for limit in limits_of(found.limits):
        if np.isfinite(limit) and np.nanmin(seen) - 0.02 <= limit <= np.nanmax(seen) + 0.02:
            axes.axhline(limit, color=BROKEN, linewidth=1.2)


def _words(found: LossMaterial) -> str:
    told = [
        f"{name} {number(float(np.nanmin(each.vm_pu)), 3)} to {number(float(np.nanmax(each.vm_pu)), 3)}"
        for name, each in found.snapshots.items()
    ]
    return "Voltages of all buses when most is lost [pu]: " + "; ".join(told)


def range_table(found: LossMaterial) -> str:
    """Lowest and highest voltage over the window by scenario, where and when, and buses beyond a limit."""
    heads = {
        "name": "topology",
        "low#": "lowest [pu]",
        "low_at": "where and when",
        "high#": "highest [pu]",
        "high_at": "where and when",
        "beyond#": "buses ever beyond a limit",
    }
    lines = []
    for name, each in found.ranges.items():
        low, high = int(np.nanargmin(each.low_pu)), int(np.nanargmax(each.high_pu))
        lines.append(
            {
                "name": name,
                "low#": number(float(each.low_pu[low]), 4),
                "low_at": _where(found, low, int(each.low_step[low])),
                "high#": number(float(each.high_pu[high]), 4),
                "high_at": _where(found, high, int(each.high_step[high])),
                "beyond#": number(count_broken(each)),
            }
        )
    return html.table(heads, lines, [line["name"] == "after" for line in lines])


def count_broken(each: BusRange) -> int:
    """Buses that are beyond a limit in some interval."""
    return int(each.is_broken.sum())


def _where(found: LossMaterial, bus: int, step: int) -> str:
    assert found.grid is not None
    return f"{found.grid.buses.names[bus]}, {found.clock.brief(step)}".replace(" ", "\u00a0")
