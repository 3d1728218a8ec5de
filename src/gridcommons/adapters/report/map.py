"""The map of a report: buses by voltage, branches by loading, in the worst interval of each scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.grid import GridPicture, LimitBook, Snapshot
from gridcommons.adapters.report.style import (
    BROKEN,
    EXPORT,
    IMPORT,
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    shorten,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

TITLES = {
    "uncontrolled": "Nobody controlled",
    "p_max": "All at their upper end (p_max)",
    "p_min": "All at their lower end (p_min)",
}
_MOST_NAMED = 14
_MOST_STRETCH = 2.5
"""How much a map that is high and narrow may be stretched sideways."""


@dataclass(frozen=True, eq=False)
class Scales:
    """The colour scales that all panels share, and the limits to mark on them."""

    voltage: Normalize
    voltage_colours: Colormap
    loading: Normalize
    loading_colours: Colormap
    vm_marks_pu: list[float]
    loading_marks_percent: list[float]


def draw_maps(
    grid: GridPicture,
    limits: LimitBook,
    clock: Clock,
    snapshots: Mapping[str, Snapshot],
    when: str = "worst",
) -> Chart:
    """One panel a scenario, side by side, or below each other where the grid is much wider than high.

    Panels are headed by ``TITLES``, or by the key itself; ``when`` says what is special about the interval.
    """
    scales = _scales(limits, snapshots)
    figure, axes = _panels(grid, len(snapshots))
    for panel, scenario in zip(axes, snapshots, strict=True):
        _draw_panel(panel, grid, snapshots[scenario], scales)
        snapshot = snapshots[scenario]
        _head(
            panel, grid, snapshot, (TITLES.get(scenario, scenario), f"{when} at {clock.brief(snapshot.step)}")
        )
    _colour_bars(figure, scales)
    words = "; ".join(
        f"{TITLES.get(s, s)}: {' '.join(describe(grid, snap))}" for s, snap in snapshots.items()
    )
    return finish(figure, f"The grid in one interval of each case: {when}. {words}", "map")


def describe(grid: GridPicture, snapshot: Snapshot) -> tuple[str, str]:
    """The worst bus and the worst branch of an interval, in words."""
    bus, branch = snapshot.worst_bus(), snapshot.worst_branch()
    first = "no operable solution: no voltages"
    if bus >= 0:
        side = "below" if snapshot.too_low[bus] else "above" if snapshot.too_high[bus] else "within"
        first = f"{grid.buses.names[bus]}: {snapshot.vm_pu[bus]:.3f} pu, {side} its limits"
    second = "no branch is rated"
    if branch >= 0:
        second = f"{grid.branches.names[branch]}: {snapshot.loading_percent[branch]:.0f} % loaded"
    return first, second


def _scales(limits: LimitBook, snapshots: Mapping[str, Snapshot]) -> Scales:
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    voltage, voltage_colours, vm_marks = voltage_scale(limits, [snap.vm_pu for snap in snapshots.values()])
    loading = LinearSegmentedColormap.from_list("load", ["#d3d9de", "#8c97a3", "#1d2733"])
    marks = sorted({v for v in limits.spread("loading_max_percent") if np.isfinite(v)})
    return Scales(voltage, voltage_colours, Normalize(0, max([100.0, *marks])), loading, vm_marks, marks)


def voltage_scale(limits: LimitBook, vm_pu: Sequence[FloatArray]) -> tuple[Normalize, Colormap, list[float]]:
    """Colours of voltages, blue for low and orange for high, and the limits to mark on their scale [pu]."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    vm_min, vm_max = limits.spread("vm_min_pu")[0], limits.spread("vm_max_pu")[1]
    seen = np.concatenate(list(vm_pu))
    seen = seen[np.isfinite(seen)]
    ends = np.array([*(v for v in (vm_min, vm_max) if np.isfinite(v)), *seen, 0.99, 1.01])
    middle = (vm_min + vm_max) / 2.0 if np.isfinite(vm_min + vm_max) else 1.0
    half = float(np.abs(ends - middle).max()) * 1.04
    colours = LinearSegmentedColormap.from_list("vm", ["#08306b", IMPORT, "#d5dade", EXPORT, "#7f2704"])
    marks = [v for v in (vm_min, vm_max) if np.isfinite(v)]
    return Normalize(middle - half, middle + half), colours, marks


def _panels(grid: GridPicture, count: int) -> tuple[Figure, list[Axes]]:
    """Axes of equal size, with room above each for two lines and below all for the scales."""
    x, y = grid.layout.x, grid.layout.y
    aspect = float(np.ptp(x) / np.ptp(y)) if np.ptp(y) > 0.0 else 10.0
    wide = grid.layout.is_map and aspect > 2.2
    columns, rows = (1, count) if wide else (count, 1)
    width = (WIDTH_INCH - 0.2 - 0.25 * (columns - 1)) / columns
    stretch = float(np.clip(0.55 / max(aspect, 1e-6), 1.0, _MOST_STRETCH)) if grid.layout.is_map else 1.0
    if grid.layout.is_map:
        height = float(np.clip(width / max(aspect * stretch, 1e-6), 0.7 if np.ptp(y) == 0.0 else 1.6, 4.4))
    else:
        height = float(np.clip(0.27 * (len(np.unique(y)) + 1), 1.0, 5.0))
    head, foot = 0.72, 0.98
    total = rows * (height + head) + foot
    figure = make_figure(total)
    axes = []
    for k in range(count):
        left = 0.1 + (k % columns) * (width + 0.25)
        bottom = total - (k // columns + 1) * (height + head)
        box = (left / WIDTH_INCH, bottom / total, width / WIDTH_INCH, height / total)
        axes.append(figure.add_axes(box))
    for panel in axes:
        panel.set_axis_off()
        panel.set_aspect(1.0 / stretch if grid.layout.is_map else "auto", adjustable="datalim")
        panel.margins(0.06, 0.06 if np.ptp(y) > 0 else 0.5)
    return figure, axes


def _draw_panel(axes: Axes, grid: GridPicture, snapshot: Snapshot, scales: Scales) -> None:
    from matplotlib.collections import LineCollection

    x, y, ways = grid.layout.x, grid.layout.y, grid.ways
    segments = np.stack(
        [np.stack([x[ways.from_bus], y[ways.from_bus]], 1), np.stack([x[ways.to_bus], y[ways.to_bus]], 1)], 1
    )
    count = len(grid.branches)
    loading = np.full(len(segments), np.nan)
    loading[:count] = snapshot.loading_percent
    over = np.zeros(len(segments), dtype=bool)
    over[:count] = snapshot.overloaded
    fine = ways.closed & ~over
    known = np.maximum(np.nan_to_num(loading), 0.0)
    axes.add_collection(
        LineCollection(
            list(segments[fine]),
            colors=scales.loading_colours(scales.loading(known[fine])),
            linewidths=1.2 + 2.8 * np.minimum(known[fine], 130.0) / 100.0,
            capstyle="round",
            zorder=2,
        )
    )
    axes.add_collection(
        LineCollection(list(segments[~ways.closed]), colors=MUTED, linewidths=0.8, linestyles=":")
    )
    axes.add_collection(LineCollection(list(segments[over]), colors=BROKEN, linewidths=3.2, zorder=3))
    middle = segments[over].mean(axis=1)
    axes.scatter(
        middle[:, 0], middle[:, 1], marker="X", s=70, color=BROKEN, edgecolor="white", linewidth=0.8, zorder=6
    )
    _draw_buses(axes, grid, snapshot, scales)
    axes.autoscale_view()


def _draw_buses(axes: Axes, grid: GridPicture, snapshot: Snapshot, scales: Scales) -> None:
    x, y, is_source = grid.layout.x, grid.layout.y, grid.ways.is_source
    size = float(np.clip(1900.0 / max(len(x), 1), 6.0, 60.0))
    colours = scales.voltage_colours(scales.voltage(np.nan_to_num(snapshot.vm_pu, nan=1.0)))
    dark = np.isfinite(snapshot.vm_pu)
    groups: list[tuple[Any, str, float]] = [
        (dark & ~snapshot.too_low & ~snapshot.too_high & ~is_source, "o", size),
        (snapshot.too_low, "v", 2.6 * size),
        (snapshot.too_high, "^", 2.6 * size),
        (is_source & dark, "s", 1.9 * size),
    ]
    for which, marker, area in groups:
        broken = marker in "v^"
        axes.scatter(
            x[which],
            y[which],
            s=area,
            c=colours[which],
            marker=marker,
            edgecolor=BROKEN if broken else INK,
            linewidth=1.1 if broken else 0.45,
            zorder=5 if broken else 4,
        )
    axes.scatter(x[~dark], y[~dark], s=size, marker="x", color=MUTED, linewidth=0.8, zorder=4)
    _ring(axes, grid, snapshot, size)


def _ring(axes: Axes, grid: GridPicture, snapshot: Snapshot, size: float) -> None:
    """Rings the worst bus, points at the worst branch, and names all buses where they are few."""
    x, y, ways = grid.layout.x, grid.layout.y, grid.ways
    bus, branch = snapshot.worst_bus(), snapshot.worst_branch()
    if bus >= 0:
        axes.scatter(x[bus], y[bus], s=7.0 * size, facecolor="none", edgecolor=INK, linewidth=1.3, zorder=7)
    if branch >= 0:
        at_x, at_y = (float(p[[ways.from_bus[branch], ways.to_bus[branch]]].mean()) for p in (x, y))
        axes.scatter(
            at_x, at_y, s=5.0 * size, marker="D", facecolor="none", edgecolor=INK, linewidth=1.3, zorder=7
        )
    if len(x) <= _MOST_NAMED:
        for number, name in enumerate(grid.buses.names):
            axes.annotate(
                shorten(name, 18),
                (x[number], y[number]),
                xytext=(0, 13),
                textcoords="offset points",
                ha="center",
                fontsize=7.4,
                color=MUTED,
            )


def _head(axes: Axes, grid: GridPicture, snapshot: Snapshot, said: tuple[str, str]) -> None:
    title, when = said
    bus, branch = describe(grid, snapshot)
    high = axes.get_position().height * float(axes.figure.get_figheight())  # type: ignore[union-attr]
    broken = snapshot.too_low.any() or snapshot.too_high.any()
    texts = (
        (0.54, title, INK, "bold", 9.2),
        (0.36, when, MUTED, "normal", 8.0),
        (0.20, f"○ {shorten(bus, 56)}", BROKEN if broken else INK, "normal", 8.0),
        (0.04, f"◇ {shorten(branch, 56)}", BROKEN if snapshot.overloaded.any() else INK, "normal", 8.0),
    )
    for above, text, colour, weight, size in texts:
        axes.text(
            0.0,
            1.0 + above / high,
            text,
            transform=axes.transAxes,
            color=colour,
            fontweight=weight,
            fontsize=size,
        )


def _colour_bars(figure: Figure, scales: Scales) -> None:
    from matplotlib.cm import ScalarMappable

    high = float(figure.get_figheight())
    bars: list[tuple[float, Any, Any, FloatArray, str]] = [
        (
            0.03,
            scales.voltage,
            scales.voltage_colours,
            np.array(scales.vm_marks_pu),
            "voltage at the buses [pu]",
        ),
        (
            0.53,
            scales.loading,
            scales.loading_colours,
            np.array(scales.loading_marks_percent),
            "loading of the branches [% of rating]",
        ),
    ]
    for left, norm, colours, marks, label in bars:
        axes = figure.add_axes((left, 0.36 / high, 0.42, 0.11 / high))
        bar = figure.colorbar(ScalarMappable(norm, colours), cax=axes, orientation="horizontal")
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=7.8, length=2)
        axes.set_title(label, fontsize=8, fontweight="normal", color=MUTED, pad=15, loc="center")
        for mark in marks:
            mark_limit(axes, float(mark), to_the_left=norm(mark) > 0.97)
    figure.text(
        0.03,
        0.05 / high,
        "▼ below and ▲ above the voltage limits  ·  ✕ overloaded  ·  ■ source  ·  ○ ◇ worst bus and branch",
        fontsize=8,
        color=MUTED,
    )


def colour_bar(figure: Figure, scale: tuple[Normalize, Colormap, list[float]], words: str) -> None:
    """A bar of a scale's colours at the foot of a figure, with its limits marked and what it shows in words.

    Parameters
    ----------
    scale : tuple of Normalize, Colormap and list of float
        Values, their colours, and the limits to mark.
    words : str
        What the colours are of, with its unit.
    """
    from matplotlib.cm import ScalarMappable

    norm, colours, marks = scale
    high = float(figure.get_figheight())
    axes = figure.add_axes((0.03, 0.22 / high, 0.42, 0.11 / high))
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=axes, orientation="horizontal")
    bar.outline.set_visible(False)
    axes.tick_params(labelsize=7.8, length=2)
    figure.text(0.47, 0.235 / high, words, fontsize=8, color=MUTED)
    for mark in marks:
        mark_limit(axes, float(mark), to_the_left=bool(norm(mark) > 0.97))


def mark_limit(axes: Axes, limit: float, *, to_the_left: bool) -> None:
    """A bar across a colour scale, with its value above."""
    axes.axvline(limit, ymin=-0.4, ymax=1.6, color=BROKEN, linewidth=1.6, clip_on=False)
    axes.text(
        limit,
        1.9,
        f"limit {limit:g}",
        color=BROKEN,
        fontsize=7.8,
        ha="right" if to_the_left else "center",
        transform=axes.get_xaxis_transform(),
    )
