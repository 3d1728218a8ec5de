"""The day of the peak: who draws and feeds in, and what the stores hold; and the day farthest out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from gridcommons.adapters.report.control.counts import Counts, beyond_kw
from gridcommons.adapters.report.control.scenario_words import scenario_colours, scenario_name
from gridcommons.adapters.report.control.spans import (
    Span,
    day_words,
    draw_fill,
    draw_limit,
    draw_lines,
    draw_step,
    local_time,
    span_dates,
)
from gridcommons.adapters.report.control.station import Runs, Station
from gridcommons.adapters.report.figures import power
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    KIND_COLOURS,
    MUTED,
    Chart,
    finish,
    make_figure,
    quiet_grid,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HALF_DAY_HOURS = 12.0
_NEAR = 0.7
"""Share of the limit from which on a picture shows it for feed-in, too."""

_PARTS = (
    ("losses", "losses_kw", 1.0, "#6f7b88"),
    ("households", "load_kw", 1.0, "#b4bec8"),
    ("heat pumps", "heat_pump_kw", 1.0, KIND_COLOURS["heat_pump"]),
    ("cars", "car_kw", 1.0, KIND_COLOURS["ev_charger"]),
    ("solar plants", "generation_kw", -1.0, KIND_COLOURS["pv"]),
    ("batteries", "battery_kw", 1.0, KIND_COLOURS["battery"]),
)
_TANK_COLOUR = "#e2b5cd"


def worst_span(runs: Runs, counts: Counts) -> tuple[Span, str]:
    """The day on which some scenario goes farthest beyond the limit, else the day of the highest load."""
    excess = {
        (s, d): beyond_kw(station["p_kw"], counts.limits_kw[counts.focus], d)
        for s in counts.scenarios
        for d in ("load", "feed_in")
        if (station := runs.of(s, counts.focus)) is not None
    }
    found = {key: float(np.nan_to_num(values).max()) for key, values in excess.items()}
    key = max(found, key=lambda k: found[k])
    if found[key] > 0.0:
        scenario, direction = key
        step = highest_step(excess[key])
        why = f"{scenario_name(scenario)} goes farthest beyond the limit: {power(found[key])} by "
        return runs.day_span(step), f"{why}{direction.replace('_', '-')}"
    first = runs.of(counts.shown()[0], counts.focus)
    assert first is not None
    return runs.day_span(highest_step(first["p_kw"])), "the load is highest"


def draw_worst(runs: Runs, counts: Counts, span: Span) -> Chart:
    """Station load of the scenarios shown over one day."""
    figure = make_figure(2.6)
    axes = figure.add_axes((0.055, 0.17, 0.80, 0.70))
    colours = scenario_colours(counts.scenarios)
    rows = [
        (scenario_name(s), station["p_kw"], colours[s])
        for s in counts.shown()
        if (station := runs.of(s, counts.focus)) is not None
    ]
    draw_lines(axes, runs, span, rows)
    limit_kw = counts.limits_kw[counts.focus]
    draw_limit(axes, limit_kw)
    if min(float(np.nan_to_num(values[slice(*span)]).min()) for _, values, _ in rows) < -_NEAR * limit_kw:
        draw_limit(axes, -limit_kw)
    axes.set_title(
        "station load [kW], net, positive = the grid delivers", fontsize=8, fontweight="normal", color=MUTED
    )
    local_time(axes, runs, span, label=True)
    return finish(figure, f"Station load on {day_words(runs, span[0])}, by scenario.", "worst")


def highest_step(values: FloatArray) -> int:
    """The interval of the highest value, those without one left out."""
    return int(np.argmax(np.nan_to_num(values, nan=-np.inf)))


def peak_span(runs: Runs, counts: Counts) -> Span:
    """The local day of the highest load of the first scenario shown."""
    station = runs.of(counts.shown()[0], counts.focus)
    assert station is not None
    return runs.day_span(highest_step(station["p_kw"]))


def draw_peak(runs: Runs, counts: Counts, span: Span) -> Chart:
    """Who draws and feeds in, and what the stores hold, a column for each scenario shown."""
    shown = [s for s in counts.shown() if runs.of(s, counts.focus) is not None]
    figure = make_figure(4.7)
    width = (0.955 - 0.025 * (len(shown) - 1)) / len(shown)
    tops, stores = [], []
    for place, scenario in enumerate(shown):
        left = 0.045 + place * (width + 0.025)
        tops.append(figure.add_axes((left, 0.42, width, 0.455)))
        stores.append(figure.add_axes((left, 0.105, width, 0.195)))
        _draw_parts(tops[-1], runs, counts, scenario, span)
        _draw_stores(stores[-1], runs, counts, scenario, span)
        tops[-1].set_title(scenario_name(scenario), pad=6)
    _share_y(tops)
    _share_y(stores)
    for place, panel in enumerate(stores):
        _quarters(panel, runs, span, label=place == len(shown) - 1)
        panel.tick_params(labelleft=place == 0)
    for place, panel in enumerate(tops):
        _quarters(panel, runs, span, label=False)
        panel.tick_params(labelbottom=False, labelleft=place == 0)
    figure.text(0.0, 0.965, "power [kW], drawn above 0, fed in below 0", fontsize=8, color=MUTED)
    figure.text(0.0, 0.335, "energy stored [kWh]", fontsize=8, color=MUTED)
    _legend(figure)
    return finish(figure, f"Power by part and stored energy on {day_words(runs, span[0])}.", "peak")


def losses_kw(station: Station) -> FloatArray:
    """What the station delivers beyond the needs of the households, losses at rest included [kW]."""
    drawn = station["load_kw"] + station["car_kw"] + station["heat_pump_kw"] + station["battery_kw"]
    return np.nan_to_num(station["p_kw"] - (drawn - station["generation_kw"]))


def _draw_parts(axes: Axes, runs: Runs, counts: Counts, scenario: str, span: Span) -> None:
    station, part = runs.of(scenario, counts.focus), slice(*span)
    assert station is not None
    dates = span_dates(runs, span)
    up, down = np.zeros(span[1] - span[0]), np.zeros(span[1] - span[0])
    for _, column, sign, colour in _PARTS:
        values = sign * (losses_kw(station) if column == "losses_kw" else station[column])[part]
        draw_fill(axes, dates, up, up + np.maximum(values, 0.0), colour)
        draw_fill(axes, dates, down, down + np.minimum(values, 0.0), colour)
        up, down = up + np.maximum(values, 0.0), down + np.minimum(values, 0.0)
    draw_step(axes, dates, station["p_kw"][part], INK, 1.5)
    axes.axhline(0.0, color=INK, linewidth=0.6)
    limit_kw = counts.limits_kw[counts.focus]
    for limit in (limit_kw, -limit_kw) if down.min() < -_NEAR * limit_kw else (limit_kw,):
        axes.axhline(limit, color=BROKEN, linewidth=1.0, linestyle=(0, (4, 2)))
    quiet_grid(axes)


def _draw_stores(axes: Axes, runs: Runs, counts: Counts, scenario: str, span: Span) -> None:
    station, part = runs.of(scenario, counts.focus), slice(*span)
    assert station is not None
    dates = span_dates(runs, span)
    battery, tank = station["battery_kwh"][part], station["tank_kwh"][part]
    draw_fill(axes, dates, np.zeros(len(battery)), battery, KIND_COLOURS["battery"])
    draw_fill(axes, dates, battery, battery + tank, _TANK_COLOUR)
    for measure, place in (("ProA", 1.23), ("ProB", 1.03)):
        calls = runs.calls.get((scenario, counts.focus, measure))
        for start, stop in [] if calls is None else calls.tolist():
            if start < span[1] and stop > span[0]:
                _call_bar(axes, runs, measure, (max(start, span[0]), min(stop, span[1])), place)
    if not (battery + tank).any():
        axes.text(0.5, 0.4, "no stores", transform=axes.transAxes, ha="center", fontsize=8, color=MUTED)
    quiet_grid(axes)


def _call_bar(axes: Axes, runs: Runs, measure: str, span: Span, place: float) -> None:
    """A bar above the stores while a measure is called."""
    from matplotlib.transforms import blended_transform_factory

    dates = span_dates(runs, span)
    across = blended_transform_factory(axes.transData, axes.transAxes)
    axes.plot(dates[[0, -1]], [place, place], transform=across, color=INK, linewidth=2.0, clip_on=False)
    words = {"ProA": "ProA: charge ahead", "ProB": "ProB: hold back"}[measure]
    axes.text(
        dates[0], place + 0.02, words, transform=across, fontsize=7.4, color=INK, va="bottom", clip_on=False
    )


def _legend(figure: Any) -> None:
    left = 0.265
    for name, _, _, colour in _PARTS:
        figure.text(left, 0.965, "■", color=colour, fontsize=10, va="center_baseline")
        figure.text(left + 0.016, 0.965, name, fontsize=8.2, va="center_baseline")
        left += 0.030 + 0.0078 * len(name)
    figure.text(left, 0.965, "━", color=INK, fontsize=9, va="center_baseline")
    figure.text(left + 0.018, 0.965, "station", fontsize=8.2, va="center_baseline")
    figure.text(left + 0.085, 0.965, "╌", color=BROKEN, fontsize=9, va="center_baseline")
    figure.text(left + 0.103, 0.965, "its limit", fontsize=8.2, va="center_baseline")
    figure.text(0.17, 0.335, "■", color=KIND_COLOURS["battery"], fontsize=10)
    figure.text(0.186, 0.335, "batteries", fontsize=8.2)
    figure.text(0.27, 0.335, "■", color=_TANK_COLOUR, fontsize=10)
    figure.text(0.286, 0.335, "heat stores", fontsize=8.2)


def _share_y(axes: Sequence[Axes]) -> None:
    low = min(panel.get_ylim()[0] for panel in axes)
    high = max(panel.get_ylim()[1] for panel in axes)
    for panel in axes:
        panel.set_ylim(low, high)


def _quarters(axes: Axes, runs: Runs, span: Span, *, label: bool) -> None:
    """Ticks at 6, 12 and 18 o'clock: at midnight the labels of neighbours would meet."""
    from matplotlib.dates import DateFormatter, HourLocator

    zone = ZoneInfo(runs.clock.timezone)
    local_time(axes, runs, span, label=label)
    if (span[1] - span[0]) * runs.clock.step_hours > _HALF_DAY_HOURS:
        axes.xaxis.set_major_locator(HourLocator(byhour=(6, 12, 18), tz=zone))
        axes.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=zone))
