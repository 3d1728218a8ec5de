"""Each link and connection over time: when it is closed, when it is operated, and the power over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import Bins, Clock, dates_of
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.panels import legend
from gridcommons.adapters.report.style import (
    EXPORT,
    IMPORT,
    INK,
    MUTED,
    PALE,
    RULE,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    shorten,
    time_axis,
)
from gridcommons.adapters.report.trading.lines import fill_signed, round_most
from gridcommons.adapters.report.trading.scenario_words import energy, times
from gridcommons.adapters.report.trading.switch_day import SwitchDay
from gridcommons.model.grid import BoolArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLOSED = "#d3ebe0"
_MARK = "#0b5c44"
_ROW_INCH, _HEAD_INCH, _FOOT_INCH, _TITLE_INCH = 0.52, 0.34, 0.46, 0.30
_LEFT_INCH, _RIGHT_INCH = 1.95, 1.42


def draw_switches(clock: Clock, bins: Bins, day: SwitchDay, colours: dict[str, str]) -> Chart:
    """A strip a switch, links above connections, all on one scale of power."""
    groups = [("Links between clusters", day.is_link), ("Connections to the main grid (PCCs)", ~day.is_link)]
    groups = [(words, which) for words, which in groups if which.any()]
    high = _HEAD_INCH + len(groups) * _TITLE_INCH + _ROW_INCH * len(day.name) + _FOOT_INCH
    figure = make_figure(high)
    most = round_most(
        max((float(np.abs(bins.mean(p_kw)).max(initial=0.0)) for p_kw in day.p_kw.T), default=0.0)
    )
    top, told = high - _HEAD_INCH, []
    for words, which in groups:
        top -= _TITLE_INCH
        figure.text(0.0, (top + 0.09) / high, words, fontweight="bold", fontsize=9.2)
        for row in np.flatnonzero(which):
            top -= _ROW_INCH
            axes = _axes(figure, top)
            _draw_strip(axes, bins, day, int(row), colours)
            axes.set_ylim(-most, most)
            _mark_operations(axes, clock, day, int(row))
            told.append(_label(axes, day, int(row), most))
            is_last = row == np.flatnonzero(groups[-1][1])[-1] and words == groups[-1][0]
            time_axis(axes, bins.dates, clock.timezone, label=bool(is_last), most_ticks=13)
            axes.tick_params(labelbottom=bool(is_last), length=3.0 if is_last else 0.0)
    _legend(figure, colours, most)
    return finish(figure, "Switches over the day. " + "; ".join(told), "switches")


def _axes(figure: Figure, bottom: float) -> Axes:
    high = float(figure.get_figheight())
    width = WIDTH_INCH - _LEFT_INCH - _RIGHT_INCH
    return figure.add_axes(
        (_LEFT_INCH / WIDTH_INCH, (bottom + 0.04) / high, width / WIDTH_INCH, (_ROW_INCH - 0.08) / high)
    )


def _draw_strip(axes: Axes, bins: Bins, day: SwitchDay, row: int, colours: dict[str, str]) -> None:
    axes.axvspan(bins.dates[0], bins.dates[-1], color=PALE, linewidth=0)
    share = bins.mean(day.closed[:, row].astype(np.float64))
    for first, end in _runs(share >= 0.5):
        axes.axvspan(bins.dates[first], bins.dates[end], color=_CLOSED, linewidth=0)
    ends = (IMPORT, EXPORT)
    if day.is_link[row]:
        # A flow has the colour of the cluster that it comes from.
        ends = (colours[day.from_cluster[row]], colours[day.to_cluster[row]])
    fill_signed(axes, bins, day.p_kw[:, row], ends)
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _runs(when: BoolArray) -> list[tuple[int, int]]:
    change = np.diff(np.concatenate([[0], when.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(change > 0).tolist(), np.flatnonzero(change < 0).tolist(), strict=True))


def _mark_operations(axes: Axes, clock: Clock, day: SwitchDay, row: int) -> None:
    steps = np.flatnonzero(day.moved[:, row])
    if len(steps):
        dates = dates_of(clock, steps)
        axes.vlines(dates, 0, 1, transform=axes.get_xaxis_transform(), color=_MARK, linewidth=1.1, zorder=4)


def _label(axes: Axes, day: SwitchDay, row: int, most: float) -> str:
    """Name and clusters on the left, energy and operations on the right; all of it in words."""
    first, second = day.from_cluster[row], day.to_cluster[row]
    between = f"{first} → {second}" if first else f"main grid → {second}"
    hours = 1.0 / 60.0
    forth, back = (float(np.maximum(sign * day.p_kw[:, row], 0.0).sum() * hours) for sign in (1.0, -1.0))
    count, share = int(day.moved[:, row].sum()), float(day.closed[:, row].mean())
    moved = times(count, "operation") if count else ("always closed" if share == 1.0 else "always open")
    if not count and 0.0 < share < 1.0:
        moved = "moves"
    left, right = -0.105 / (WIDTH_INCH - _LEFT_INCH - _RIGHT_INCH), 1.012
    texts = (
        (left, 0.72, shorten(day.name[row], 24), INK, "bold", "right"),
        (left, 0.28, shorten(between, 32), MUTED, "normal", "right"),
        (right, 0.72, f"↑ {energy(forth)}   ↓ {energy(back)}", INK, "normal", "left"),
        (right, 0.28, moved, MUTED, "normal", "left"),
    )
    for x, y, words, colour, weight, side in texts:
        axes.text(
            x, y, words, transform=axes.transAxes, color=colour, fontweight=weight, fontsize=7.9, ha=side,
            va="center",
        )  # fmt: skip
    axes.axhline(most, color=RULE, linewidth=0.4)
    return f"{day.name[row]} ({between}): {energy(forth)} forth, {energy(back)} back, {moved}"


def _legend(figure: Figure, colours: dict[str, str], most: float) -> None:
    entries = [("■", _CLOSED, "closed"), ("■", "#e3e7ea", "open"), ("|", _MARK, "operated")]
    entries += [("■", colour, f"from {name}") for name, colour in colours.items()]
    entries += [("■", IMPORT, "from the main grid"), ("■", EXPORT, "into it")]
    legend(figure, entries, f"height: ± {number(most)} kW")
