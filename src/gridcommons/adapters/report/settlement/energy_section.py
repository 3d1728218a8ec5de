"""Energy: what is shared at which time of day, and on which days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import dates_of, local_dates
from gridcommons.adapters.report.figures import energy, number, power
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import legend, title
from gridcommons.adapters.report.settlement.material import (
    SHARED,
    SUPPLIED,
    SURPLUS,
    Material,
    day_profile,
)
from gridcommons.adapters.report.style import INK, MUTED, Chart, finish, make_figure, quiet_grid, time_axis
from gridcommons.model.grid import IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DAY_HOURS = 24.0


def energy_section(found: Material) -> Section | None:
    """The mean day, and the days of a longer window; None without energy."""
    if not len(found.energy["time"]):
        return None
    said = (
        "What members draw, by where it comes from, and below zero what they feed in and no member draws in "
        "the same interval. What is used behind a meter is not in it."
    )
    body = html.text(said)
    return Section("energy", "Shared energy over the day", body + html.figure(draw_energy(found)))


def draw_energy(found: Material) -> Chart:
    """The mean day; beside it the days, where there are several."""
    days, _ = local_dates(found.clock)
    has_days = int(days[-1]) > 0
    figure = make_figure(3.1)
    axes = figure.add_axes((0.055, 0.15, 0.40 if has_days else 0.93, 0.62))
    _draw_day(axes, found, has_days)
    if has_days:
        _draw_days(figure.add_axes((0.54, 0.15, 0.445, 0.62)), found, days)
    entries = [("■", SHARED, "shared"), ("■", SUPPLIED, "from suppliers"), ("■", SURPLUS, "to suppliers")]
    legend(figure, entries)
    shared_kw = np.nan_to_num(day_profile(found, "shared_kwh"))
    most = int(np.argmax(shared_kw))
    at = f"{most * _DAY_HOURS / len(shared_kw):.4g}"
    words = f"Energy of the community: {energy(found.figure('shared_kwh'))} shared, most at {at} o'clock, "
    words += f"{power(float(shared_kw[most]))}; {energy(found.figure('surplus_kwh'))} to suppliers."
    return finish(figure, words, "energy")


def _draw_day(axes: Axes, found: Material, is_mean: bool) -> None:
    shared_kw, surplus_kw = (day_profile(found, name) for name in ("shared_kwh", "surplus_kwh"))
    supplied_kw = day_profile(found, "withdrawn_kwh") - shared_kw
    edges = np.linspace(0.0, _DAY_HOURS, len(shared_kw) + 1)
    nothing = np.zeros(len(shared_kw))
    for low, high, colour in (
        (nothing, shared_kw, SHARED),
        (shared_kw, shared_kw + supplied_kw, SUPPLIED),
        (-surplus_kw, nothing, SURPLUS),
    ):
        low, high = np.repeat(low, 2), np.repeat(high, 2)
        axes.fill_between(np.repeat(edges, 2)[1:-1], low, high, color=colour, alpha=0.85, linewidth=0)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    known = np.flatnonzero(np.isfinite(supplied_kw))
    axes.set_xlim(edges[known[0]], edges[known[-1] + 1])
    if len(known) == len(supplied_kw):
        axes.set_xticks(range(0, 25, 4))
    axes.set_xlabel(f"local time ({found.clock.timezone})", color=MUTED, fontsize=8, loc="right")
    quiet_grid(axes)
    title(axes, "The mean day [kW]" if is_mean else "The day [kW]")


def _draw_days(axes: Axes, found: Material, days: IntArray) -> None:
    """A bar a day."""
    first = np.flatnonzero(np.diff(days, prepend=-1))
    edges = dates_of(found.clock, np.append(first, found.clock.steps))
    column = {
        name: np.bincount(days, found.energy[f"{name}_kwh"]) for name in ("withdrawn", "shared", "surplus")
    }
    wide = np.diff(edges) * (0.86 if len(first) <= 62 else 1.0)
    for low, size, colour in (
        (0.0, column["shared"], SHARED),
        (column["shared"], column["withdrawn"] - column["shared"], SUPPLIED),
        (0.0, -column["surplus"], SURPLUS),
    ):
        axes.bar(edges[:-1], size, wide, bottom=low, align="edge", color=colour, alpha=0.85, linewidth=0)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    quiet_grid(axes)
    time_axis(axes, edges, found.clock.timezone, most_ticks=7)
    title(axes, f"Each of {number(len(first))} days [kWh]")
