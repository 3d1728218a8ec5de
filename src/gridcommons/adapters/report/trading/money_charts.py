"""Bills of clusters as bars, and what each member saves as dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    RULE,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    shorten,
)
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.scenario_words import scenario_colour, scenario_name
from gridcommons.model.grid import FloatArray, IntArray, Names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 2
"""Places left free between the members of two clusters."""


def draw_bills(found: Material, scenarios: Names, paid: FloatArray) -> Chart:
    """What each cluster pays in each scenario, shape (scenarios, clusters)."""
    figure = make_figure(2.75)
    axes = figure.add_axes((0.055, 0.12, 0.93, 0.74))
    width = 0.8 / len(scenarios)
    most = float(np.abs(paid).max(initial=0.0)) or 1.0
    for place, scenario in enumerate(scenarios):
        at = np.arange(len(found.clusters)) + (place - (len(scenarios) - 1) / 2.0) * width
        axes.bar(at, paid[place], width=0.92 * width, color=scenario_colour(scenario), linewidth=0)
        for x, value in zip(at, paid[place], strict=True):
            up = 1.0 if value >= 0.0 else -1.0
            digits = 0 if most >= 100.0 else 2
            axes.text(
                x,
                value + 0.02 * most * up,
                number(float(value), digits),
                ha="center",
                va="bottom" if up > 0 else "top",
                fontsize=7.4,
                color=INK,
            )
    axes.axhline(0.0, color=MUTED, linewidth=0.6)
    axes.set_xticks(range(len(found.clusters)), [shorten(name, 22) for name in found.clusters])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(found.clusters) - 0.5)
    axes.margins(y=0.12)
    quiet_grid(axes)
    entries = [("■", scenario_colour(name), scenario_name(name)) for name in scenarios]
    legend(figure, entries, f"each cluster pays [{found.currency or 'amount'}]")
    told = [
        f"{name} pays {', '.join(number(float(x), 2) for x in column)}"
        for name, column in zip(found.clusters, paid.T, strict=True)
    ]
    words = f"Bills of clusters in the scenarios {', '.join(map(scenario_name, scenarios))}: " + "; ".join(
        told
    )
    return finish(figure, words, "bills")


def draw_savings(found: Material, scenarios: Names, cluster: Names, saved: FloatArray) -> Chart:
    """A column a member, grouped by cluster and ordered by what it saves last; a dot a scenario."""
    figure = make_figure(3.1)
    axes = figure.add_axes((0.055, 0.11, 0.93, 0.76))
    order, at, groups = _places(found.clusters, cluster, saved[-1])
    size = float(np.clip(2200.0 / max(len(order), 1), 7.0, 40.0))
    axes.vlines(at, 0.0, saved[-1, order], color=scenario_colour(scenarios[-1]), linewidth=1.0, alpha=0.35)
    for place, scenario in enumerate(scenarios[1:], start=1):
        axes.scatter(
            at,
            saved[place, order],
            s=size * (1.25 if place == len(scenarios) - 1 else 0.7),
            color=scenario_colour(scenario),
            linewidth=0,
            zorder=3 + place,
        )
    axes.axhline(0.0, color=INK, linewidth=0.8)
    _name_groups(axes, found, groups)
    axes.set_xlim(-1.5, float(at.max(initial=0.0)) + 1.5)
    quiet_grid(axes)
    axes.set_xticks([])
    entries = [("●", scenario_colour(name), scenario_name(name)) for name in scenarios[1:]]
    legend(figure, entries, f"saved by each member, below 0: pays more [{found.currency or 'amount'}]")
    told = [
        f"{scenario_name(s)}: {number(float(x.min()), 2)} to {number(float(x.max()), 2)}, "
        f"{number(int((x < -0.005).sum()))} pay more"
        for s, x in zip(scenarios[1:], saved[1:], strict=True)
    ]
    words = f"What {number(len(order))} members save against {scenario_name(scenarios[0])}: " + "; ".join(
        told
    )
    return finish(figure, words, "savings")


def _places(
    clusters: Sequence[str], cluster: Names, last: FloatArray
) -> tuple[IntArray, IntArray, list[tuple[str, int, int]]]:
    """Members in the order in which they stand, their places, and first and last place of each cluster."""
    order: list[int] = []
    at: list[int] = []
    groups, free = [], 0
    for name in clusters:
        mine = [k for k, of in enumerate(cluster) if of == name]
        mine.sort(key=lambda k: -float(last[k]))
        order += mine
        at += range(free, free + len(mine))
        groups.append((name, free, free + len(mine) - 1))
        free += len(mine) + _GAP
    return np.array(order, dtype=np.int64), np.array(at, dtype=np.int64), groups


def _name_groups(axes: Axes, found: Material, groups: Sequence[tuple[str, int, int]]) -> None:
    total = max(groups[-1][2], 1)
    for name, first, last in groups:
        count = last - first + 1
        words = f"{name} ({count})"
        axes.text(
            (first + last) / 2.0,
            -0.035,
            shorten(words, max(7, int(130 * (count + _GAP) / total))),
            ha="center",
            va="top",
            transform=axes.get_xaxis_transform(),
            color=found.colours[name],
            fontweight="bold",
        )
        if first:
            axes.axvline(first - (_GAP + 1) / 2.0, color=RULE, linewidth=0.8)
