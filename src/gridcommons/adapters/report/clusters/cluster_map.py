"""The clusters of a grid on a map: links and connections open or closed, and what flows over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clusters.cluster_places import NO_CLUSTER, ClusterPlaces
from gridcommons.adapters.report.clusters.switch_day import SwitchDay
from gridcommons.adapters.report.figures import power
from gridcommons.adapters.report.style import (
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

_LEAST_KW = 0.05
_HIGHEST_INCH = 5.6


def draw_cluster_map(places: ClusterPlaces, day: SwitchDay, colours: dict[str, str], step: int) -> Chart:
    """All clusters in one interval; words tell every switch and what flows over it."""
    figure = make_figure(_height(places))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set_axis_off()
    _draw_branches(axes, places, day, colours)
    most = float(np.abs(day.p_kw[step]).max(initial=0.0))
    told = [_draw_switch(axes, places, (day, step), row, most) for row in range(len(day.name))]
    _name_clusters(axes, places, (day, step), colours)
    if places.is_map:
        axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.05, 0.07)
    return finish(figure, "Map of the clusters. " + "; ".join(told), "clustermap")


def _height(places: ClusterPlaces) -> float:
    x, y = np.ptp(places.x), np.ptp(places.y)
    if not places.is_map:
        return float(np.clip(0.9 + 1.75 * y, 2.4, _HIGHEST_INCH))
    return float(np.clip(WIDTH_INCH * y / x if x > 0.0 else _HIGHEST_INCH, 2.4, _HIGHEST_INCH))


def _draw_branches(axes: Axes, places: ClusterPlaces, day: SwitchDay, colours: dict[str, str]) -> None:
    from matplotlib.collections import LineCollection

    shades = np.array([*(colours[name] for name in day.clusters), MUTED], dtype=object)
    x, y = places.x, places.y
    a, b = places.from_bus, places.to_bus
    segments = np.stack([np.stack([x[a], y[a]], 1), np.stack([x[b], y[b]], 1)], 1)
    shown = places.closed & (places.cluster[a] == places.cluster[b])
    axes.add_collection(
        LineCollection(
            list(segments[shown]), colors=list(shades[places.cluster[a][shown]]), linewidths=1.1, alpha=0.65
        )
    )
    inside = places.cluster != NO_CLUSTER
    size = float(np.clip(1900.0 / max(len(x), 1), 6.0, 50.0))
    axes.scatter(x[inside], y[inside], s=size, c=list(shades[places.cluster[inside]]), linewidth=0, zorder=3)


def _draw_switch(
    axes: Axes, places: ClusterPlaces, what: tuple[SwitchDay, int], row: int, most: float
) -> str:
    """A link or connection: thick and with an arrow where power flows, thin and dotted where open."""
    day, step = what
    is_closed, p_kw = bool(day.closed[step, row]), float(day.p_kw[step, row])
    is_link = bool(day.is_link[row])
    at = places.switch_ends[row][:: -1 if is_link and p_kw < 0.0 else 1]
    ends = np.stack([places.x[at], places.y[at]], axis=1)
    colour = MUTED if not is_closed else INK if is_link else IMPORT if p_kw >= 0.0 else EXPORT
    if not is_closed:
        axes.plot(ends[:, 0], ends[:, 1], color=colour, linewidth=1.0, linestyle=(0, (1, 2.2)), zorder=4)
    else:
        wide = 1.4 + 3.2 * abs(p_kw) / most if most > 0.0 else 1.4
        axes.plot(ends[:, 0], ends[:, 1], color=colour, linewidth=wide, zorder=4, solid_capstyle="round")
        if abs(p_kw) > _LEAST_KW:
            _arrow(axes, ends if is_link or p_kw > 0.0 else ends[::-1], colour)
    if not is_link:
        fill = colour if is_closed else "white"
        x, y = ends[0]
        axes.scatter(x, y, s=95, marker="s", color=fill, edgecolor=colour, linewidth=1.2, zorder=5)
    words = f"{day.name[row]} {power(abs(p_kw)) if is_closed else 'open'}"
    middle = (places.x.min() + places.x.max()) / 2.0
    _write(axes, ends, words, (colour, is_link, bool(ends[0, 0] <= middle)))
    return words


def _arrow(axes: Axes, ends: FloatArray, colour: str) -> None:
    start, stop = ends[0] + 0.62 * (ends[1] - ends[0]), ends[0] + 0.80 * (ends[1] - ends[0])
    axes.annotate(
        "",
        xy=(float(stop[0]), float(stop[1])),
        xytext=(float(start[0]), float(start[1])),
        arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 0.0, "mutation_scale": 26},
        zorder=6,
    )


def _write(axes: Axes, ends: FloatArray, words: str, look: tuple[str, bool, bool]) -> None:
    colour, is_link, is_left = look
    x, y = (ends[0] + 0.34 * (ends[1] - ends[0])) if is_link else ends[0]
    axes.annotate(
        words,
        (float(x), float(y)),
        xytext=(0, 0) if is_link else (9 if is_left else -9, 0),
        textcoords="offset points",
        ha="center" if is_link else "left" if is_left else "right",
        va="center",
        fontsize=8.4,
        fontweight="bold",
        color=colour,
        zorder=8,
        bbox={"facecolor": "white", "alpha": 0.88, "edgecolor": "none", "pad": 1.6},
    )


def _name_clusters(
    axes: Axes, places: ClusterPlaces, what: tuple[SwitchDay, int], colours: dict[str, str]
) -> None:
    """Name of each cluster and what it draws or has to spare, at its lower left."""
    day, step = what
    for place, name in enumerate(day.clusters):
        mine = places.cluster == place
        if not mine.any():
            continue
        net_kw = float(day.net_kw[step, place])
        verb = "draws" if net_kw >= 0.0 else "has to spare"
        axes.annotate(
            f"{shorten(name, 26)}: {verb} {power(abs(net_kw))}",
            (float(places.x[mine].min()), float(places.y[mine].min())),
            xytext=(0, -8),
            textcoords="offset points",
            va="top",
            fontsize=8.8,
            fontweight="bold",
            color=colours[name],
            zorder=7,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0},
        )
