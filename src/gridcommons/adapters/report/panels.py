"""Small multiples, legends in one line, and cells of figures over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import Clock, dates_of
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    MUTED,
    PALE,
    WIDTH_INCH,
    make_figure,
    shorten,
    time_axis,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_WRITTEN = 26
"""Intervals up to which cells bear their figures."""

NO_PRICE = np.inf
"""A cell that is marked as beyond any price."""

_FLAG = "#9fd3bf"
_ROW_INCH = 0.27
_GLYPH_INCH, _BOLD_INCH, _SMALL_INCH = 0.066, 0.084, 0.056
"""Mean width of a letter: in labels, in titles, in remarks."""

_LEFT_INCH = 0.55


@dataclass(frozen=True)
class Shape:
    """Small multiples: panels in a row, height of each, room above it and at the foot [inch]."""

    columns: int
    height: float
    head: float = 0.50
    foot: float = 0.38
    top: float = 0.34
    gap: float = 0.55


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows of figures over time: a heading, names of the rows, and values (rows, steps); 0 stays blank.

    A flag is drawn in one colour and bears no figure.
    """

    heading: str
    names: Sequence[str]
    values: FloatArray
    is_flag: bool = False


def make_panels(count: int, shape: Shape) -> tuple[Figure, list[Axes]]:
    """Axes of equal size, row by row, below a line for the legend."""
    rows = -(-count // shape.columns)
    total = shape.top + rows * (shape.head + shape.height + shape.foot)
    figure = make_figure(total)
    width = (WIDTH_INCH - 0.30 - (shape.columns - 1) * shape.gap - _LEFT_INCH) / shape.columns
    axes = []
    for place in range(count):
        row, column = divmod(place, shape.columns)
        left = _LEFT_INCH + column * (width + shape.gap)
        bottom = total - shape.top - (row + 1) * (shape.head + shape.height) - row * shape.foot
        box = (left / WIDTH_INCH, bottom / total, width / WIDTH_INCH, shape.height / total)
        axes.append(figure.add_axes(box))
    return figure, axes


def legend(figure: Figure, entries: Sequence[tuple[str, str, str]], said: str = "") -> None:
    """At the top: a glyph, its colour and its meaning each; what the axes mean stands first."""
    high = float(figure.get_figheight())
    left, y = 0.0, 0.13
    if said:
        figure.text(0.0, 1.0 - y / high, said, fontsize=8, color=MUTED, va="center_baseline")
        left = len(said) * _GLYPH_INCH * 0.90 + 0.22
    for glyph, colour, meaning in entries:
        words = shorten(meaning, 30)
        wide = 0.40 + _GLYPH_INCH * len(words)
        if left + wide > WIDTH_INCH + 0.2:
            left, y = 0.0, y + 0.17
        place = 1.0 - y / high
        figure.text(left / WIDTH_INCH, place, glyph, color=colour, fontsize=10, va="center_baseline")
        figure.text((left + 0.18) / WIDTH_INCH, place, words, fontsize=8.2, color=INK, va="center_baseline")
        left += wide


def title(axes: Axes, words: str, remark: str = "", *, is_broken: bool = False) -> None:
    """Name of a panel, and a remark in the line below it."""
    inch = axes.get_position().width * axes.figure.get_figwidth()  # type: ignore[union-attr]
    axes.set_title(shorten(words, int(inch / _BOLD_INCH)), pad=17 if remark else 6)
    if remark:
        axes.annotate(
            shorten(remark, int(inch / _SMALL_INCH)),
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, 5),
            textcoords="offset points",
            fontsize=8,
            color=BROKEN if is_broken else MUTED,
        )


def edges(clock: Clock) -> FloatArray:
    """Edges of all intervals, as dates."""
    return dates_of(clock, np.arange(clock.steps + 1))


def draw_step(axes: Axes, clock: Clock, values: FloatArray, colour: str, width: float = 1.5) -> None:
    """A line of steps over all intervals."""
    axes.step(edges(clock), np.append(values, values[-1]), where="post", color=colour, linewidth=width)


def fill_step(axes: Axes, clock: Clock, low: FloatArray, high: FloatArray, look: tuple[str, float]) -> None:
    """What lies between two lines of steps where the second is higher; colour and opacity."""
    low, high = np.append(low, low[-1]), np.append(high, high[-1])
    axes.fill_between(
        edges(clock), low, np.fmax(low, high), step="post", color=look[0], alpha=look[1], linewidth=0
    )


def draw_cells(clock: Clock, blocks: Sequence[Cells], colour: str, write: Callable[[float], str]) -> Figure:
    """Blocks of rows below each other, darker where the value is higher, written out where there is room."""
    tall = sum(0.42 + _ROW_INCH * len(block.names) for block in blocks) + 0.62
    figure = make_figure(tall)
    finite = [block.values[np.isfinite(block.values)] for block in blocks if not block.is_flag]
    most = max([float(values.max(initial=0.0)) for values in finite] + [1e-12])
    longest = max([len(name) for block in blocks for name in block.names] + [8])
    left = min(0.20 + _GLYPH_INCH * longest, 2.7) / WIDTH_INCH
    top = tall - 0.04
    for place, block in enumerate(blocks):
        high = _ROW_INCH * len(block.names)
        top -= 0.36
        axes = figure.add_axes((left, (top - high) / tall, 0.972 - left, high / tall))
        figure.text(0.0, (top + 0.11) / tall, block.heading, fontweight="bold", fontsize=9.2)
        _draw_block(axes, clock, block, (colour, most), write)
        time_axis(axes, edges(clock), clock.timezone, label=place == len(blocks) - 1, most_ticks=13)
        if place < len(blocks) - 1:
            axes.tick_params(labelbottom=False, length=0)
        top -= high + 0.06
    return figure


def _draw_block(
    axes: Axes, clock: Clock, block: Cells, scale: tuple[str, float], write: Callable[[float], str]
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colour, most = scale
    dates, rows = edges(clock), len(block.names)
    colours = LinearSegmentedColormap.from_list("cells", ["#e4ecf4", colour, "#0f2438"])
    finite = np.where(np.isfinite(block.values), block.values, 0.0)
    rgba = colours(0.80 * finite / most)
    if block.is_flag:
        rgba[block.values > 0.0] = _rgba(_FLAG)
    rgba[block.values == 0.0] = _rgba(PALE)
    rgba[np.isinf(block.values)] = _rgba("#f6d9e7")
    rgba[np.isnan(block.values)] = (1.0, 1.0, 1.0, 0.0)
    axes.imshow(
        rgba,
        extent=(dates[0], dates[-1], -0.5, rows - 0.5),
        aspect="auto",
        interpolation="none",
        origin="upper",
    )
    for place in range(1, rows):
        axes.axhline(place - 0.5, color="white", linewidth=2.0)
    for place, name in enumerate(block.names):
        y = rows - 1 - place
        axes.annotate(
            shorten(name, 40), (0.0, y), xycoords=("axes fraction", "data"), xytext=(-7, 0),
            textcoords="offset points", ha="right", va="center", fontsize=8.2, annotation_clip=False,
        )  # fmt: skip
        if clock.steps <= MOST_WRITTEN and not block.is_flag:
            _write_row(axes, dates, y, (block.values[place], most), write)
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _write_row(
    axes: Axes, dates: FloatArray, y: int, what: tuple[FloatArray, float], write: Callable[[float], str]
) -> None:
    values, most = what
    for step in np.flatnonzero(np.nan_to_num(values) > 0.0):
        value = float(values[step])
        tone = BROKEN if np.isinf(value) else "white" if value > 0.33 * most else INK
        words = "none" if np.isinf(value) else write(value)
        x = (dates[step] + dates[step + 1]) / 2.0
        axes.text(x, y, words, ha="center", va="center", fontsize=7.0, color=tone)


def _rgba(colour: str) -> tuple[float, float, float, float]:
    from matplotlib.colors import to_rgba

    red, green, blue, alpha = to_rgba(colour)
    return float(red), float(green), float(blue), float(alpha)
