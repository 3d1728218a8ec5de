"""Each link and connection over time: when it is closed, when it is operated, and the power over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import Bins, Clock, dates_of
from gridcommons.adapters.report.clusters.lines import fill_signed, round_most, thin_bins
from gridcommons.adapters.report.clusters.switch_day import SwitchDay
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.style import (
    EXPORT,
    IMPORT,
    INK,
    MUTED,
    PALE,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    shorten,
    time_axis,
)
from gridcommons.model.grid import BoolArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLOSED = "#d3ebe0"
_MARK = "#0b5c44"
_ROW_INCH, _HEAD_INCH, _FOOT_INCH, _TITLE_INCH = 0.56, 0.40, 0.46, 0.34
_LEFT_INCH, _RIGHT_INCH = 1.95, 1.42


def draw_switches(clock: Clock, day: SwitchDay, colours: dict[str, str]) -> Chart:
    """A strip a switch, links above connections, each kind on one scale of power."""
    kinds = [("Links between clusters", day.is_link), ("Connections to the main grid (PCCs)", ~day.is_link)]
    kinds = [(words, which) for words, which in kinds if which.any()]
    high = _HEAD_INCH + len(kinds) * _TITLE_INCH + _ROW_INCH * len(day.name) + _FOOT_INCH
    figure, bins = make_figure(high), thin_bins(clock)
    top, told, axes = high - _HEAD_INCH, [], None
    for words, which in kinds:
        rows = np.flatnonzero(which)
        most = round_most(max(float(np.abs(bins.mean(day.p_kw[:, row])).max(initial=0.0)) for row in rows))
        top -= _TITLE_INCH
        heading = f"{words}, each strip ±\u202f{number(most)} kW high"
        figure.text(0.0, (top + 0.09) / high, heading, fontweight="bold", fontsize=9.2)
        for row in rows:
            top -= _ROW_INCH
            axes = _axes(figure, top)
            axes.set_ylim(-most, most)
            _draw_strip(axes, (clock, bins), day, int(row), colours)
            told.append(_label(axes, day, int(row), clock.step_hours))
            time_axis(axes, bins.dates, clock.timezone, label=False, most_ticks=13)
            axes.tick_params(labelbottom=False, length=0.0)
    if axes is not None:
        time_axis(axes, bins.dates, clock.timezone, most_ticks=13)
        axes.tick_params(labelbottom=True, length=3.0)
    _legend(figure, colours, bins)
    return finish(figure, "Switches over the day. " + "; ".join(told), "switches")


def _axes(figure: Figure, bottom: float) -> Axes:
    high = float(figure.get_figheight())
    width = WIDTH_INCH - _LEFT_INCH - _RIGHT_INCH
    return figure.add_axes(
        (_LEFT_INCH / WIDTH_INCH, (bottom + 0.04) / high, width / WIDTH_INCH, (_ROW_INCH - 0.08) / high)
    )


def _draw_strip(
    axes: Axes, when: tuple[Clock, Bins], day: SwitchDay, row: int, colours: dict[str, str]
) -> None:
    clock, bins = when
    axes.axvspan(bins.dates[0], bins.dates[-1], color=PALE, linewidth=0)
    for ends in _runs(day.closed[:, row]):
        axes.axvspan(*dates_of(clock, np.array(ends)), color=_CLOSED, linewidth=0)
    moved = dates_of(clock, np.flatnonzero(day.moved[:, row]))
    axes.vlines(moved, 0, 1, transform=axes.get_xaxis_transform(), color=_MARK, linewidth=1.1, zorder=4)
    shades = (IMPORT, EXPORT)
    if day.is_link[row]:
        # A flow has the colour of the cluster that it comes from.
        shades = (colours[day.from_cluster[row]], colours[day.to_cluster[row]])
    fill_signed(axes, bins, day.p_kw[:, row], shades)
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _runs(when: BoolArray) -> list[tuple[int, int]]:
    change = np.diff(np.concatenate([[0], when.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(change > 0).tolist(), np.flatnonzero(change < 0).tolist(), strict=True))


def _label(axes: Axes, day: SwitchDay, row: int, step_hours: float) -> str:
    """Name and clusters on the left, energy and operations on the right; all of it in words."""
    first, second = day.from_cluster[row], day.to_cluster[row]
    between = f"{first} → {second}" if first else f"main grid → {second}"
    forth, back = (
        number(float(np.maximum(sign * day.p_kw[:, row], 0.0).sum() * step_hours)) for sign in (1.0, -1.0)
    )
    count, share = int(day.moved[:, row].sum()), float(day.closed[:, row].mean())
    moved = times(count, "operation") if count else ("always closed" if share == 1.0 else "always open")
    if not count and 0.0 < share < 1.0:
        moved = "moves"
    left, right = -0.105 / (WIDTH_INCH - _LEFT_INCH - _RIGHT_INCH), 1.012
    texts = (
        (left, 0.72, shorten(day.name[row], 24), INK, "bold", "right"),
        (left, 0.28, shorten(between, 32), MUTED, "normal", "right"),
        (right, 0.72, f"↑ {forth}  ↓ {back} kWh", INK, "normal", "left"),
        (right, 0.28, moved, MUTED, "normal", "left"),
    )
    for x, y, words, colour, weight, side in texts:
        axes.text(
            x, y, words, transform=axes.transAxes, color=colour, fontweight=weight, fontsize=7.9, ha=side,
            va="center",
        )  # fmt: skip
    return f"{day.name[row]} ({between}): {forth} kWh forth, {back} kWh back, {moved}"


def _legend(figure: Figure, colours: dict[str, str], bins: Bins) -> None:
    entries = [("■", _CLOSED, "closed"), ("■", "#e3e7ea", "open"), ("|", _MARK, "operated")]
    entries += [("■", colour, f"from {name}") for name, colour in colours.items()]
    entries += [("■", IMPORT, "from the main grid"), ("■", EXPORT, "into it")]
    legend(figure, entries, "" if bins.is_plain else f"means of {bins.name}")
