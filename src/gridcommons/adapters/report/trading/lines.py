"""Power and prices over time as lines of steps: minutes, or the means of hours or days where they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import Bins
from gridcommons.adapters.report.style import MUTED
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    return float(
        next(step * power for step in (1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 10.0) if step * power >= value * 0.999)
    )


def _closed(values: FloatArray) -> FloatArray:
    return np.append(values, values[-1:])
