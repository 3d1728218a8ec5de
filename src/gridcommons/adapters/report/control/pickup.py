"""Heat put off that comes back as a new peak: the call of CurB that makes most new violations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report.control.counts import Counts, is_beyond
from gridcommons.adapters.report.control.scenario_words import (
    measures_of,
    reference_of,
    scenario_colours,
    scenario_name,
)
from gridcommons.adapters.report.control.spans import Span, draw_limit, draw_lines, local_time, span_dates
from gridcommons.adapters.report.control.station import Runs
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import BROKEN, MUTED, Chart, finish, make_figure
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEAT_CAPS = ("CurB", "CurB_night")
_DEFAULT_RETURN_HOURS = 6.0
_MARGIN_HOURS = 4.0


@dataclass(frozen=True)
class Pickup:
    """A call that throttles heat pumps, and what its heat brings when it comes back.

    Parameters
    ----------
    scenario, reference : str
        With the measure, and without it; both the same where no call makes new violations.
    new : int
        Intervals beyond the limit with the measure and not without it, in the call and the hours after it.
    call, back, window : tuple of int
        First interval and the one after the last: heat pumps throttled, heat coming back, drawn.
    """

    scenario: str
    reference: str
    new: int
    call: Span
    back: Span
    window: Span


def find_pickup(runs: Runs, counts: Counts, settings: Mapping[str, Any]) -> Pickup | None:
    """The call that makes most new load violations; None where no scenario has such a call."""
    hours = float(settings.get("heat_return_hours") or _DEFAULT_RETURN_HOURS)
    found = [
        pickup
        for scenario in _with_heat_caps(counts)
        for measure in _HEAT_CAPS
        for pickup in _pickups(runs, counts, (scenario, measure), hours)
    ]
    # The first of equals: that of the scenario with fewest other measures.
    return max(found, key=lambda pickup: pickup.new, default=None)


def _with_heat_caps(counts: Counts) -> list[str]:
    able = [s for s in counts.controlled if set(measures_of(s)) & set(_HEAT_CAPS)]
    return sorted(able, key=lambda s: (len(measures_of(s)), counts.scenarios.index(s)))


def _without_heat_caps(counts: Counts, scenario: str) -> str:
    """The same scenario without the measure; the plain mix where the result has none such."""
    base, *measures = scenario.split("+")
    same = "+".join([base, *(m for m in measures if m not in _HEAT_CAPS)])
    return next((s for s in (same, reference_of(scenario)) if s in counts.scenarios), "")


def _pickups(runs: Runs, counts: Counts, what: tuple[str, str], hours: float) -> list[Pickup]:
    scenario, measure = what
    reference = _without_heat_caps(counts, scenario)
    run, before = runs.of(scenario, counts.focus), runs.of(reference, counts.focus)
    calls = runs.calls.get((scenario, counts.focus, measure))
    if run is None or before is None or calls is None:
        return []
    limit_kw = counts.limits_kw[counts.focus]
    is_new = is_beyond(run["p_kw"], limit_kw, "load") & ~is_beyond(before["p_kw"], limit_kw, "load")
    found, margin = [], runs.steps(_MARGIN_HOURS)
    for start, stop in calls.tolist():
        end = min(stop + runs.steps(hours), runs.clock.steps)
        window = (max(start - margin, 0), min(end + margin, runs.clock.steps))
        new = int(is_new[start : window[1]].sum())
        found.append(Pickup(scenario, reference, new, (start, stop), (stop, end), window))
    return found


def draw_pickup(runs: Runs, counts: Counts, pickup: Pickup) -> Chart:
    """Station load, heat pumps and heat put off around a call, with the measure and without it."""
    figure = make_figure(5.0)
    tall = ((0.50, 0.425), (0.285, 0.155), (0.09, 0.135))
    axes = [figure.add_axes((0.055, bottom, 0.80, height)) for bottom, height in tall]
    for panel in axes:
        _shade(panel, runs, pickup.call, "#dfe4e9")
        _shade(panel, runs, pickup.back, "#fbeef4")
    limit_kw = counts.limits_kw[counts.focus]
    station = _pair(runs, counts, pickup, "p_kw")
    draw_lines(axes[0], runs, pickup.window, station)
    draw_limit(axes[0], limit_kw)
    _mark_new(axes[0], runs, pickup, limit_kw, [values for _, values, _ in station])
    draw_lines(axes[1], runs, pickup.window, _pair(runs, counts, pickup, "heat_pump_kw"))
    draw_lines(axes[2], runs, pickup.window, _pair(runs, counts, pickup, "heat_put_off_kwh")[:1])
    titles = (
        "station load [kW], net, positive = the grid delivers",
        "heat pumps [kW], drawn",
        "heat put off and not yet given back [kWh]",
    )
    for place, (panel, title) in enumerate(zip(axes, titles, strict=True)):
        panel.set_title(title, fontsize=8, fontweight="normal", color=MUTED, pad=12 if place == 0 else 4)
        local_time(panel, runs, pickup.window, label=place == 2)
        panel.tick_params(labelbottom=place == 2)
    for span, words in ((pickup.call, "throttled"), (pickup.back, "the heat comes back")):
        middle = span_dates(runs, span).mean()
        axes[0].annotate(
            words,
            (middle, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.8,
            color=MUTED,
        )
    words = f"{pickup_words(runs, pickup)} Station load, heat pumps and heat put off around that call."
    return finish(figure, words, "pickup")


def pickup_words(runs: Runs, pickup: Pickup) -> str:
    """Why this day: how many intervals are beyond the limit that were not before."""
    new = f"{number(pickup.new)} {'interval' if pickup.new == 1 else 'intervals'}"
    return (
        f"Of all calls that throttle heat pumps, the one of {runs.clock.words(pickup.call[0])} puts most "
        f"new intervals beyond the limit: {new} that {scenario_name(pickup.reference)} alone keeps within it."
    )


def _pair(runs: Runs, counts: Counts, pickup: Pickup, column: str) -> list[tuple[str, FloatArray, str]]:
    """Name, values and colour of the scenario with the measure and of the one without it."""
    colours = scenario_colours(counts.scenarios)
    rows = []
    for scenario in (pickup.scenario, pickup.reference):
        station = runs.of(scenario, counts.focus)
        assert station is not None
        rows.append((scenario_name(scenario), station[column], colours[scenario]))
    return rows


def _mark_new(axes: Axes, runs: Runs, pickup: Pickup, limit_kw: float, pair: Sequence[FloatArray]) -> None:
    """A band over each interval that is beyond the limit and was not before."""
    new = is_beyond(pair[0], limit_kw, "load") & ~is_beyond(pair[1], limit_kw, "load")
    first_step = pickup.call[0]
    for step in np.flatnonzero(new[first_step : pickup.window[1]]).tolist():
        at = first_step + step
        first, last = span_dates(runs, (at, at + 1))[[0, -1]]
        axes.axvspan(float(first), float(last), color=BROKEN, alpha=0.30, linewidth=0, zorder=1)


def _shade(axes: Axes, runs: Runs, span: Span, colour: str) -> None:
    first, last = span_dates(runs, span)[[0, -1]]
    axes.axvspan(float(first), float(last), color=colour, linewidth=0, zorder=0)
