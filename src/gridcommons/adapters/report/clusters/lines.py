"""Power over time as lines and areas of steps: minutes, or means of longer parts where they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import Bins, Clock, dates_of
from gridcommons.adapters.report.style import MUTED
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTHS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)
_MOST_PARTS = 300


def thin_bins(clock: Clock) -> Bins:
    """Parts of equal length, few enough for filled areas: minutes, or as many as it takes."""
    width = next((w for w in _WIDTHS if -(-clock.steps // w) <= _MOST_PARTS), _WIDTHS[-1])
    first = np.append(np.arange(0, clock.steps, width), clock.steps)
    return Bins(first, dates_of(clock, first), "interval" if width == 1 else f"{width} minutes")


def note_zone(figure: Figure, clock: Clock) -> None:
    """Whose clock the times of small multiples are, at the foot."""
    words = f"local time ({clock.timezone})"
    figure.text(0.985, 0.002, words, ha="right", va="bottom", color=MUTED, fontsize=8)


def draw_line(axes: Axes, bins: Bins, values: FloatArray, colour: str, width: float = 1.4) -> None:
    """A line of steps."""
    axes.step(bins.dates, _closed(bins.mean(values)), where="post", color=colour, linewidth=width)


def fill_between(
    axes: Axes, bins: Bins, ends: tuple[FloatArray, FloatArray], look: tuple[str, float]
) -> None:
    """What lies between two lines of steps; colour and opacity."""
    low, high = (_closed(bins.mean(values)) for values in ends)
    axes.fill_between(bins.dates, low, high, step="post", color=look[0], alpha=look[1], linewidth=0)


def fill_signed(axes: Axes, bins: Bins, values: FloatArray, colours: tuple[str, str]) -> None:
    """What lies above 0 in the first colour, what lies below in the second."""
    mean, nought = bins.mean(values), np.zeros(len(bins.dates))
    for sign, colour in zip((1.0, -1.0), colours, strict=True):
        part = _closed(sign * np.maximum(sign * mean, 0.0))
        if part.any():
            axes.fill_between(bins.dates, nought, part, step="post", color=colour, alpha=0.8, linewidth=0)
    axes.axhline(0.0, color=MUTED, linewidth=0.6)


def round_most(value: float) -> float:
    """The next of 1, 2, 3, 5 times a power of ten that is not below a value; 1 for nothing."""
    if not value > 0.0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 10.0) if step * power >= value))


def _closed(values: FloatArray) -> FloatArray:
    return np.append(values, values[-1:])
