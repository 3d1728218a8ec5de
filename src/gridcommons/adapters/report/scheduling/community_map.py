"""The grid with its communities: a panel before and one after, buses by their worst voltage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.grid import GridPicture
from gridcommons.adapters.report.map import colour_bar, voltage_scale
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.scheduling.legend_rows import legend_inch
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import SCENARIOS, bus_name
from gridcommons.adapters.report.scheduling.voltage_book import TOLERANCE_PU, VoltageBook
from gridcommons.adapters.report.style import (
    BROKEN,
    EXPORT,
    IMPORT,
    INK,
    MUTED,
    UNKNOWN,
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

_CONNECTED = "connections of"
_HEAD_INCH, _FOOT_INCH = 0.46, 0.72
_LEAST_INCH, _MOST_INCH = 1.5, 4.4
_MOST_NAMED = 4


def read_places(found: Material) -> dict[int, list[str]]:
    """Communities by the number of the bus where they are connected."""
    grid, places = found.grid, dict[int, list[str]]()
    if grid is None:
        return places
    assets = found.tables.whole("assets", ("member", "bus", "asset"))
    bus_of = dict(zip(map(str, assets["asset"]), map(str, assets["bus"]), strict=True))
    pairs = dict.fromkeys(found.connections)
    rows = found.tables.whole("schedules", ("community", "asset"))
    pairs |= dict.fromkeys(
        (community, bus_of.get(asset, ""))
        for community, asset in dict.fromkeys(
            zip(map(str, rows["community"]), map(str, rows["asset"]), strict=True)
        )
    )
    for community, bus in pairs:
        if bus in grid.buses.number:
            places.setdefault(grid.buses.number[bus], []).append(community)
    return places


def draw_community_map(found: Material, book: VoltageBook, places: Mapping[int, Sequence[str]]) -> Chart:
    """Before and after, side by side or below each other where the grid is wide."""
    grid, limits = found.grid, found.limits
    assert grid is not None and limits is not None
    shown = found.shown
    entries = _legend_entries(found, book, places)
    figure, axes = _panels(grid, len(shown), legend_inch(entries, _CONNECTED))
    scale = _scale(book, voltage_scale(limits, list(book.worst_pu)))
    for panel, scenario in zip(axes, shown, strict=True):
        _draw_lines(panel, grid)
        _draw_buses(panel, grid, (book, SCENARIOS.index(scenario)), scale)
        _draw_communities(panel, grid, found, places)
        _head(panel, found, book, scenario)
    legend(figure, entries, _CONNECTED)
    colour_bar(figure, scale, "worst voltage of each bus [pu]")
    return finish(figure, _words(found, book, places, shown), "map")


def _scale(
    book: VoltageBook, both: tuple[Normalize, Colormap, list[float]]
) -> tuple[Normalize, Colormap, list[float]]:
    """The half of the scale of voltages that is needed where all buses are at their worst on one side."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    known = np.isfinite(book.worst_pu) & ~book.is_source
    is_low = book.worst_is_low[known]
    limit = book.band[0 if is_low.all() else 1]
    if not known.any() or not np.isfinite(limit) or is_low.any() != is_low.all():
        return both
    seen = np.append(book.worst_pu[known], limit)
    low, high = float(seen.min()), float(seen.max())
    room = 0.06 * max(high - low, 1e-3)
    shades = ["#08306b", IMPORT, "#dfe7ee"] if is_low.all() else ["#f1e6da", EXPORT, "#7f2704"]
    colours = LinearSegmentedColormap.from_list("worst", shades)
    return Normalize(low - room, high + room), colours, [limit]


def _panels(grid: GridPicture, count: int, top: float) -> tuple[Figure, list[Axes]]:
    wide, tall = float(np.ptp(grid.layout.x)), float(np.ptp(grid.layout.y))
    is_map = grid.layout.is_map
    columns = count if not is_map or wide < 2.2 * max(tall, 1e-9) else 1
    rows = -(-count // columns)
    width = (WIDTH_INCH - 0.2 - 0.3 * (columns - 1)) / columns
    height = width * tall / wide if is_map and wide > 0.0 else 0.26 * (len(np.unique(grid.layout.y)) + 2)
    height = float(np.clip(height, _LEAST_INCH, _MOST_INCH))
    total = top + rows * (_HEAD_INCH + height) + _FOOT_INCH
    figure, axes = make_figure(total), []
    for place in range(count):
        row, column = divmod(place, columns)
        left = 0.1 + column * (width + 0.3)
        bottom = total - top - (row + 1) * (_HEAD_INCH + height)
        panel = figure.add_axes((left / WIDTH_INCH, bottom / total, width / WIDTH_INCH, height / total))
        panel.set_axis_off()
        panel.set_aspect("equal" if is_map else "auto", adjustable="datalim")
        panel.margins(0.07, 0.07 if tall > 0.0 else 0.5)
        axes.append(panel)
    return figure, axes


def _draw_lines(axes: Axes, grid: GridPicture) -> None:
    from matplotlib.collections import LineCollection

    x, y, ways = grid.layout.x, grid.layout.y, grid.ways
    places = np.stack([x, y], axis=1)
    lines = np.stack([places[ways.from_bus], places[ways.to_bus]], axis=1)
    axes.add_collection(LineCollection(list(lines[ways.closed]), colors="#aab4be", linewidths=1.1, zorder=1))
    axes.add_collection(
        LineCollection(list(lines[~ways.closed]), colors=MUTED, linewidths=0.8, linestyles=":")
    )


def _draw_buses(
    axes: Axes,
    grid: GridPicture,
    what: tuple[VoltageBook, int],
    scale: tuple[Normalize, Colormap, list[float]],
) -> None:
    book, scenario = what
    norm, colours, _ = scale
    vm_pu, x, y = book.worst_pu[scenario], grid.layout.x, grid.layout.y
    is_out = book.worst_inside_pu[scenario] < -TOLERANCE_PU
    is_low = book.worst_is_low[scenario]
    known = np.isfinite(vm_pu)
    size = float(np.clip(2200.0 / max(len(x), 1), 8.0, 46.0))
    for which, marker, area in (
        (known & ~is_out & ~book.is_source, "o", size),
        (known & is_out & is_low, "v", 2.2 * size),
        (known & is_out & ~is_low, "^", 2.2 * size),
        (known & ~is_out & book.is_source, "s", 1.8 * size),
    ):
        edge, wide = (BROKEN, 1.2) if marker in "v^" else (INK, 0.45)
        shades = colours(norm(vm_pu[which]))
        axes.scatter(
            x[which], y[which], s=area, c=shades, marker=marker, edgecolor=edge, linewidth=wide, zorder=4
        )
    axes.scatter(x[~known], y[~known], s=size, marker="x", color=MUTED, linewidth=0.8, zorder=4)
    axes.autoscale_view()


def _draw_communities(
    axes: Axes, grid: GridPicture, found: Material, places: Mapping[int, Sequence[str]]
) -> None:
    """A ring around each connection, with the names of its communities where connections are few."""
    x, y, taken = grid.layout.x, grid.layout.y, list[tuple[float, float, float]]()
    size = float(np.clip(9000.0 / max(len(x), 1), 60.0, 190.0))
    for bus, names in places.items():
        colour = found.colours.get(names[0], UNKNOWN)
        axes.scatter(x[bus], y[bus], s=size, facecolor="none", edgecolor=colour, linewidth=1.9, zorder=5)
        if len(places) > _MOST_NAMED:
            continue
        words = shorten(", ".join(names), 22)
        offset = _free_place(axes, (float(x[bus]), float(y[bus])), words, taken)
        axes.annotate(
            words, (x[bus], y[bus]), xytext=offset, textcoords="offset points", ha="center", va="center",
            fontsize=8.8, fontweight="bold", color=colour, zorder=7, annotation_clip=False,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip


def _free_place(
    axes: Axes, at: tuple[float, float], words: str, taken: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """Where a name stands beside its ring [points]: the first place that no other name has."""
    # Places on the paper are known once the limits of the axes are.
    x, y = (float(v) * 72.0 / float(axes.figure.dpi) for v in axes.transData.transform(at))
    half = 2.9 * len(words)
    for dx, dy in ((0, 15), (0, -15), (half + 11, 0), (-half - 11, 0), (0, 27), (0, -27)):
        if all(abs(x + dx - a) > half + b or abs(y + dy - c) > 11.0 for a, c, b in taken):
            break
    taken.append((x + dx, y + dy, half))
    return dx, dy


def _head(axes: Axes, found: Material, book: VoltageBook, name: str) -> None:
    """The scenario, and its worst bus."""
    scenario, head = SCENARIOS.index(name), found.scenario_name(name)
    inside = np.where(np.isfinite(book.worst_pu[scenario]), book.worst_inside_pu[scenario], np.inf)
    bus, out = int(np.argmin(inside)), int((inside < -TOLERANCE_PU).sum())
    worst = f"worst: {bus_name(book.buses[bus])}, {number(float(book.worst_pu[scenario, bus]), 5)} pu"
    said = f"{number(out)} {'bus' if out == 1 else 'buses'} out of the band, {worst}" if out else worst
    high = axes.get_position().height * float(axes.figure.get_figheight())  # type: ignore[union-attr]
    for above, words, colour, weight in (
        (0.24, f"{head[:1].upper()}{head[1:]}", INK, "bold"),
        (0.06, said, BROKEN if out else MUTED, "normal"),
    ):
        axes.text(
            0.0, 1.0 + above / high, words, transform=axes.transAxes, color=colour, fontweight=weight,
            fontsize=9.2 if weight == "bold" else 8.0,
        )  # fmt: skip


def _legend_entries(
    found: Material, book: VoltageBook, places: Mapping[int, Sequence[str]]
) -> list[tuple[str, str, str]]:
    """Communities with a colour of their own, the others together, and marks."""
    connected = [name for name in found.communities if any(name in names for names in places.values())]
    own = [name for name in connected if found.colours[name] != UNKNOWN]
    entries = [("◯", found.colours[name], name) for name in own]
    entries += [("◯", UNKNOWN, "other communities")] if len(own) < len(connected) else []
    is_out, is_low = book.worst_inside_pu < -TOLERANCE_PU, book.worst_is_low
    entries += [("▼", BROKEN, "ever too low")] if (is_out & is_low).any() else []
    entries += [("▲", BROKEN, "ever too high")] if (is_out & ~is_low).any() else []
    return [*entries, ("■", MUTED, "source")]


def _words(
    found: Material, book: VoltageBook, places: Mapping[int, Sequence[str]], shown: Sequence[str]
) -> str:
    assert found.grid is not None
    told = [f"{', '.join(names)} at {bus_name(book.buses[bus])}" for bus, names in places.items()]
    for scenario in shown:
        worst: FloatArray = book.worst_inside_pu[SCENARIOS.index(scenario)]
        out = [bus_name(book.buses[bus]) for bus in np.flatnonzero(worst < -TOLERANCE_PU)]
        told.append(f"out of the band, {found.scenario_name(scenario)}: {', '.join(out) or 'none'}")
    return "Map of the grid. " + "; ".join(told)
