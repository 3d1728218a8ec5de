"""Curves over a span of intervals: named lines, fills, limits and local time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import dates_of
from gridcommons.adapters.report.control.station import Runs
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import BROKEN, name_ends, quiet_grid, time_axis
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Span = tuple[int, int]
"""First interval, and the one after the last."""


def day_words(runs: Runs, step: int) -> str:
    """The local day of an interval: ``Sat 5 Jan 2030``."""
    return runs.clock.words(step).rsplit(",", 1)[0]


def span_dates(runs: Runs, span: Span) -> FloatArray:
    """Edges of the intervals of a span."""
    return dates_of(runs.clock, np.arange(span[0], span[1] + 1))


def draw_lines(axes: Axes, runs: Runs, span: Span, rows: Sequence[tuple[str, FloatArray, str]]) -> None:
    """Lines over a span, named at their ends."""
    dates, ends = span_dates(runs, span), []
    for place, (_, values, colour) in reversed(list(enumerate(rows))):
        part = values[slice(*span)]
        draw_step(axes, dates, part, colour, 2.0 if place == 0 else 1.4)
        ends.append(float(part[np.isfinite(part)][-1]) if np.isfinite(part).any() else 0.0)
    quiet_grid(axes)
    axes.margins(y=0.08)
    inch = axes.get_position().height * axes.figure.get_figheight()  # type: ignore[union-attr]
    named = [(end, name, colour, True) for end, (name, _, colour) in zip(ends[::-1], rows, strict=True)]
    name_ends(axes, named, 0.17 / inch)


def draw_limit(axes: Axes, limit_kw: float) -> None:
    """A limit across the picture, with its value."""
    axes.axhline(limit_kw, color=BROKEN, linewidth=1.1, linestyle=(0, (4, 2)))
    axes.annotate(
        f"limit {number(limit_kw)} kW",
        (0.0, limit_kw),
        xycoords=("axes fraction", "data"),
        xytext=(3, 3),
        textcoords="offset points",
        color=BROKEN,
        fontsize=7.8,
    )


def draw_step(axes: Axes, dates: FloatArray, values: FloatArray, colour: str, width: float) -> None:
    """A line of steps."""
    axes.step(dates, np.append(values, values[-1]), where="post", color=colour, linewidth=width)


def draw_fill(axes: Axes, dates: FloatArray, low: FloatArray, high: FloatArray, colour: str) -> None:
    """What lies between two lines of steps."""
    ends = [np.append(values, values[-1]) for values in (low, high)]
    axes.fill_between(dates, ends[0], ends[1], step="post", color=colour, linewidth=0)


def local_time(axes: Axes, runs: Runs, span: Span, *, label: bool) -> None:
    """Local time along x."""
    time_axis(axes, span_dates(runs, span), runs.clock.timezone, label=label)
