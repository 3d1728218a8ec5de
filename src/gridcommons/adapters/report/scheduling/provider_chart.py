"""Reactive power by kind of device: a panel a community, a bar an hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.panels import legend, title
from gridcommons.adapters.report.phrases import listed
from gridcommons.adapters.report.scheduling.device_book import Given
from gridcommons.adapters.report.scheduling.legend_rows import legend_inch
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import (
    in_order,
    kind_colour,
    kind_name,
    reactive,
)
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    quiet_grid,
)
from gridcommons.model.grid import IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_INCH, _HEAD_INCH, _FOOT_INCH, _NAME_INCH, _GAP_INCH = 0.29, 0.34, 0.32, 1.30, 0.25
_MOST_COLUMNS = 4
_NOTHING_KVAR = 5e-4


@dataclass(frozen=True, eq=False)
class Shown:
    """What is drawn: communities, and places of hours among those that were called."""

    communities: tuple[str, ...]
    hours: IntArray


def draw_providers(found: Material, given: Given, shown: Shown) -> Chart:
    """Stacked bars to the right (injected) and to the left (absorbed), on one scale for all communities."""
    kinds = [
        kind
        for kind in in_order(given.book.kind)
        if any(np.abs(given.of_kind(name, kind)).max() > _NOTHING_KVAR for name in shown.communities)
    ]
    entries = [("■", kind_colour(kind), kind_name(kind)) for kind in kinds]
    said = "reactive power beyond the schedule [kvar]; right of 0: injected, left: absorbed"
    columns = min(len(shown.communities), _MOST_COLUMNS)
    blocks = -(-len(shown.communities) // columns)
    tall, top = _ROW_INCH * len(shown.hours), legend_inch(entries, said)
    high = top + blocks * (_HEAD_INCH + tall + _FOOT_INCH)
    figure = make_figure(high)
    wide = (WIDTH_INCH - _NAME_INCH - 0.1 - (columns - 1) * _GAP_INCH) / columns
    span = _span(given, shown, kinds)
    for place, community in enumerate(shown.communities):
        block, column = divmod(place, columns)
        left = _NAME_INCH + column * (wide + _GAP_INCH)
        bottom = high - top - (block + 1) * (_HEAD_INCH + tall) - block * _FOOT_INCH
        axes = figure.add_axes((left / WIDTH_INCH, bottom / high, wide / WIDTH_INCH, tall / high))
        axes.set_xlim(*span)
        axes.set_ylim(len(shown.hours) - 0.5, -0.5)
        _draw_bars(axes, given, (community, kinds), shown)
        title(axes, community)
        if column == 0:
            _name_hours(axes, found, shown)
    legend(figure, entries, said)
    return finish(figure, _words(found, given, shown, kinds), "providers")


def _span(given: Given, shown: Shown, kinds: list[str]) -> tuple[float, float]:
    """Ends of the axis for all panels, with room for the sums."""
    ends = []
    for sign in (-1.0, 1.0):
        sums = [
            sum(np.maximum(sign * given.of_kind(name, kind)[shown.hours], 0.0) for kind in kinds)
            for name in shown.communities
        ]
        ends.append(max(float(np.max(each)) for each in sums))
    room = 0.24 * max(sum(ends), 1e-6)
    low, high = (end + room if end > _NOTHING_KVAR else 0.0 for end in ends)
    return -low, high


def _draw_bars(axes: Axes, given: Given, what: tuple[str, list[str]], shown: Shown) -> None:
    community, kinds = what
    at = np.arange(len(shown.hours))
    ends = {sign: np.zeros(len(at)) for sign in (1.0, -1.0)}
    for kind in kinds:
        values = given.of_kind(community, kind)[shown.hours]
        for sign, base in ends.items():
            part = sign * np.maximum(sign * values, 0.0)
            axes.barh(at, part, left=base, height=0.66, color=kind_colour(kind), linewidth=0, zorder=3)
            ends[sign] = base + part
    total = ends[1.0] + ends[-1.0]
    for row, value in enumerate(total):
        if np.abs([ends[1.0][row], ends[-1.0][row]]).max() <= _NOTHING_KVAR:
            continue
        sign = 1.0 if value >= 0.0 else -1.0
        axes.annotate(
            number(float(value), 1), (ends[sign][row], row), xytext=(4.0 * sign, 0), va="center", fontsize=8,
            textcoords="offset points", ha="left" if sign > 0 else "right", color=INK, zorder=5,
        )  # fmt: skip
    axes.axvline(0.0, color=MUTED, linewidth=0.7, zorder=4)
    axes.locator_params(axis="x", nbins=5)
    axes.set_yticks([])
    quiet_grid(axes, "x")


def _name_hours(axes: Axes, found: Material, shown: Shown) -> None:
    for row, hour in enumerate(shown.hours):
        axes.annotate(
            found.clock.brief(int(found.called[hour])), (0.0, row), xycoords=("axes fraction", "data"),
            xytext=(-8, 0), textcoords="offset points", ha="right", va="center", fontsize=8.2,
            annotation_clip=False,
        )  # fmt: skip


def _words(found: Material, given: Given, shown: Shown, kinds: list[str]) -> str:
    told = []
    for community in shown.communities:
        for hour in shown.hours:
            parts = {kind: float(given.of_kind(community, kind)[hour]) for kind in kinds}
            said = [f"{kind_name(k)} {reactive(v)}" for k, v in parts.items() if abs(v) > _NOTHING_KVAR]
            if said:
                told.append(f"{community} at {found.clock.brief(int(found.called[hour]))}: {listed(said)}")
    return f"Reactive power beyond the schedules, positive where injected. {'; '.join(told)}."
