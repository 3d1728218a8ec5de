"""When the station is beyond its limit: day by hour of the study's own clock, a panel a scenario."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report.control.counts import DIRECTIONS, Counts, beyond_kw, is_beyond
from gridcommons.adapters.report.control.scenario_words import scenario_name
from gridcommons.adapters.report.control.station import Runs
from gridcommons.adapters.report.figures import number, power
from gridcommons.adapters.report.html import table
from gridcommons.adapters.report.style import (
    EXPORT,
    IMPORT,
    MUTED,
    PALE,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
)
from gridcommons.model.grid import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"load": IMPORT, "feed_in": EXPORT}
_LEGEND = {"load": "net power above the limit", "feed_in": "net power below minus the limit"}
_PALEST = 0.6
"""Strength of the colour just beyond the limit."""

_COLUMNS = 2
_PANEL_INCH, _HEAD_INCH = 1.12, 0.36
_MOST_DAYS_BY_NAME = 62
_LONG_CELL_HOURS = 0.5
"""Cells of a long result: single quarters of an hour would be too small to be seen."""

_LABEL_PT = 92.0
"""Room for a count and its word at the head of a panel."""


def day_by_hour(runs: Runs, values: FloatArray, cell_hours: float = 0.0) -> FloatArray:
    """Values laid out by time of day and local day, shape (intervals or cells of a day, days).

    A cell of several intervals, and an hour that the clock shows twice, hold the largest of their values;
    an hour that the clock skips, and what lies outside the result, hold NaN.
    """
    step_hours = min(max(runs.clock.step_hours, cell_hours), 24.0)
    row = np.floor(runs.hour / step_hours + 1e-9).astype(np.int64)
    laid = np.full((int(np.ceil(24.0 / step_hours - 1e-9)), int(runs.day[-1]) + 1), np.nan)
    np.fmax.at(laid, (row, runs.day), values)
    return laid


def draw_rasters(runs: Runs, counts: Counts) -> Chart:
    """The panels; the deeper the colour, the farther beyond the limit."""
    shown = [s for s in counts.scenarios if runs.of(s, counts.focus) is not None]
    beyond = {(s, d): _beyond(runs, counts, s, d) for s in shown for d in DIRECTIONS}
    most = {d: max(float(np.nan_to_num(beyond[s, d]).max()) for s in shown) for d in DIRECTIONS}
    rows = -(-len(shown) // _COLUMNS)
    high = rows * (_PANEL_INCH + _HEAD_INCH) + 0.86
    figure = make_figure(high)
    left, gap, width = 0.042, 0.045, 0.4525
    for place, scenario in enumerate(shown):
        at = (left + (place % _COLUMNS) * (width + gap), place // _COLUMNS)
        bottom = high - (at[1] + 1) * (_PANEL_INCH + _HEAD_INCH)
        axes = figure.add_axes((at[0], bottom / high, width, _PANEL_INCH / high))
        _draw_panel(axes, [beyond[scenario, d] for d in DIRECTIONS], [most[d] for d in DIRECTIONS])
        _name(axes, counts, scenario)
        _day_ticks(axes, runs, label=place >= len(shown) - _COLUMNS)
        _hour_ticks(axes, label=place % _COLUMNS == 0)
    _legend(figure, runs, most)
    said = "; ".join(
        f"{scenario_name(s)}: {counts.at(s, 'load')} by load, {counts.at(s, 'feed_in')} by feed-in"
        for s in shown
    )
    words = f"Intervals beyond the limit by local day and time of day. {said}."
    return finish(figure, words, "rasters")


def month_table(runs: Runs, counts: Counts) -> str:
    """Violations by calendar month of the study's own clock, load / feed-in, a column a scenario."""
    shown = [s for s in counts.scenarios if runs.of(s, counts.focus) is not None]
    first = runs.clock.local(0).date()
    names = [f"{first + timedelta(days=day):%Y-%m}" for day in range(int(runs.day[-1]) + 1)]
    months = list(dict.fromkeys(names))
    month = np.array([months.index(name) for name in names])[runs.day]
    columns = {}
    for scenario in shown:
        beyond = [_is_beyond(runs, counts, scenario, d) for d in DIRECTIONS]
        columns[scenario] = [np.bincount(month[when], minlength=len(months)) for when in beyond]
    heads = {"month": "month"} | {f"{s}#": scenario_name(s) for s in shown}
    rows = [
        {"month": name}
        | {f"{s}#": f"{number(load[k])} / {number(feed_in[k])}" for s, (load, feed_in) in columns.items()}
        for k, name in enumerate(months)
    ]
    return table(heads, rows)


def _is_beyond(runs: Runs, counts: Counts, scenario: str, direction: str) -> BoolArray:
    station = runs.of(scenario, counts.focus)
    assert station is not None
    return is_beyond(station["p_kw"], counts.limits_kw[counts.focus], direction)


def _beyond(runs: Runs, counts: Counts, scenario: str, direction: str) -> FloatArray:
    """How far beyond the limit by time of day and day [kW]; NaN where there is no interval."""
    station = runs.of(scenario, counts.focus)
    assert station is not None
    excess = beyond_kw(station["p_kw"], counts.limits_kw[counts.focus], direction)
    # Without an operable load flow there is no value: as far beyond as can be.
    known = np.where(np.isnan(excess), np.nanmax(excess, initial=1.0), excess)
    return day_by_hour(runs, known, _LONG_CELL_HOURS if _is_long(runs) else 0.0)


def _is_long(runs: Runs) -> bool:
    return int(runs.day[-1]) >= _MOST_DAYS_BY_NAME


def mark_words(runs: Runs) -> str:
    """What a mark stands for: an interval, or half an hour with one."""
    taken_together = _is_long(runs) and runs.clock.step_hours < _LONG_CELL_HOURS
    return "half an hour with an interval" if taken_together else "an interval"


def _draw_panel(axes: Axes, beyond: list[FloatArray], most: list[float]) -> None:
    from matplotlib.colors import to_rgb

    image = np.ones((*beyond[0].shape, 4))
    image[..., :3] = np.where(np.isnan(beyond[0])[..., None], 1.0, to_rgb(PALE))
    for excess, largest, colour in zip(beyond, most, _COLOURS.values(), strict=True):
        strength = _PALEST + (1.0 - _PALEST) * np.nan_to_num(excess) / max(largest, 1e-9)
        mixed = _ramp(strength, colour)
        is_over = np.nan_to_num(excess) > 0.0
        image[is_over, :3] = mixed[is_over]
    days = beyond[0].shape[1]
    axes.imshow(image, extent=(0, days, 0, 24), origin="lower", aspect="auto", interpolation="none")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _name(axes: Axes, counts: Counts, scenario: str) -> None:
    load, feed_in = counts.at(scenario, "load"), counts.at(scenario, "feed_in")
    axes.set_title(scenario_name(scenario), pad=5, fontsize=8.8)
    words = [(f"{number(feed_in)} by feed-in", EXPORT), (f"{number(load)} by load", IMPORT)]
    right_pt = 0.0
    words = [word for word, count in zip(words, (feed_in, load), strict=True) if count]
    for text, colour in words or [("always within the limit", MUTED)]:
        axes.annotate(
            text,
            (1.0, 1.0),
            xycoords="axes fraction",
            xytext=(right_pt, 5),
            textcoords="offset points",
            ha="right",
            fontsize=8.2,
            color=colour,
            fontweight="bold",
        )
        right_pt -= _LABEL_PT


def _day_ticks(axes: Axes, runs: Runs, *, label: bool) -> None:
    """Months of a long result, days of a short one."""
    first, days = runs.clock.local(0).date(), int(runs.day[-1]) + 1
    dates = [first + timedelta(days=day) for day in range(days)]
    if days > _MOST_DAYS_BY_NAME:
        at = [k for k, date in enumerate(dates) if date.day == 1]
        every = -(-len(at) // 12)
        names = [(float(k), f"{dates[k]:%b}") for k in at[::every]]
    else:
        every = -(-days // 8)
        names = [(k + 0.5, f"{dates[k].day} {dates[k]:%b}") for k in range(0, days, every)]
    axes.set_xticks([k for k, _ in names], [name for _, name in names] if label else [])
    axes.tick_params(labelsize=7.8, length=2.5 if label else 0.0)
    axes.set_xlim(0, days)


def _hour_ticks(axes: Axes, *, label: bool) -> None:
    hours = (0, 6, 12, 18, 24)
    axes.set_ylim(0, 24)
    axes.set_yticks(hours, [f"{hour}:00" for hour in hours] if label else [])
    axes.tick_params(axis="y", length=2.5 if label else 0.0)


def _legend(figure: Figure, runs: Runs, most: dict[str, float]) -> None:
    high = float(figure.get_figheight())
    text: dict[str, Any] = {"fontsize": 8, "color": MUTED, "va": "center"}
    left = 0.042
    for direction, words in _LEGEND.items():
        if most[direction] <= 0.0:
            continue
        axes = figure.add_axes((left, 0.14 / high, 1.1 / WIDTH_INCH, 0.11 / high))
        ramp = np.linspace(_PALEST, 1.0, 24)[None, :]
        from_colour = np.ones((1, 24, 4))
        from_colour[..., :3] = _ramp(ramp, _COLOURS[direction])
        axes.imshow(from_colour, aspect="auto", extent=(0, 1, 0, 1), interpolation="none")
        axes.set_axis_off()
        words = f"{words}, by up to {power(most[direction])}"
        figure.text(left + 0.112, 0.195 / high, words, **text)
        left += 0.40
    zone = f"local time ({runs.clock.timezone})"
    figure.text(0.995, 0.195 / high, zone, ha="right", fontsize=8, color=MUTED, va="center")


def _ramp(strength: FloatArray, colour: str) -> FloatArray:
    from matplotlib.colors import to_rgb

    return np.asarray(1.0 - strength[..., None] * (1.0 - np.array(to_rgb(colour))))
