"""What each community pays by item, and what selling reactive power changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.panels import legend, title
from gridcommons.adapters.report.scheduling.bill_book import BillBook
from gridcommons.adapters.report.scheduling.legend_rows import legend_inch
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import item_colour, item_name
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    shorten,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEAD_INCH, _FOOT_INCH, _NAME_INCH = 0.34, 0.32, 1.55
_ROW_INCH, _LOW_ROW_INCH, _MOST_HIGH = 0.62, 0.46, 6
_COSTS, _GETS = "#e8a317", "#12936a"
_AT = (-0.19, 0.19)
"""Places of the bars before and after, within the row of a community."""


def draw_bills(found: Material, bills: BillBook, is_sold: bool) -> Chart:
    """Two bars a community, stacked by item; beside them what selling costs and what it brings."""
    entries = [("■", item_colour(item), item_name(item)) for item in bills.items]
    said = f"paid{found.money_unit}; left of 0: received"
    rows, top = len(bills.communities), legend_inch(entries, said)
    row_inch = _ROW_INCH if rows <= _MOST_HIGH else _LOW_ROW_INCH
    high = top + _HEAD_INCH + row_inch * rows + _FOOT_INCH
    figure = make_figure(high)
    tall, bottom = row_inch * rows / high, _FOOT_INCH / high
    wide = 5.0 if is_sold else WIDTH_INCH - _NAME_INCH - 0.15
    axes = figure.add_axes((_NAME_INCH / WIDTH_INCH, bottom, wide / WIDTH_INCH, tall))
    _draw_items(axes, bills, is_sold)
    title(axes, "All that is paid, reactive power sold aside" if is_sold else "All that is paid")
    _name_rows(axes, bills)
    if is_sold:
        left = _NAME_INCH + wide + 0.35
        axes = figure.add_axes((left / WIDTH_INCH, bottom, (WIDTH_INCH - 0.1 - left) / WIDTH_INCH, tall))
        _draw_change(axes, bills)
        title(axes, "What selling reactive power changes")
    legend(figure, entries, said)
    return finish(figure, _words(found, bills), "bills")


def _rows(axes: Axes, bills: BillBook) -> None:
    axes.set_ylim(len(bills.communities) - 0.5, -0.5)
    axes.set_yticks([])
    axes.axvline(0.0, color=MUTED, linewidth=0.7, zorder=4)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: number(value, 0 if value == round(value) else 2))
    quiet_grid(axes, "x")


def _draw_items(axes: Axes, bills: BillBook, is_sold: bool) -> None:
    at = np.arange(len(bills.communities))
    shown = ((0, _AT[0], 0.45), (1, _AT[1], 1.0)) if is_sold else ((1, 0.0, 1.0),)
    tall = 0.30 if is_sold else 0.5
    reach = np.zeros((2, len(at)))
    for scenario, offset, alpha in shown:
        ends = {1.0: np.zeros(len(at)), -1.0: np.zeros(len(at))}
        for column, item in enumerate(bills.items):
            for sign, base in ends.items():
                part = sign * np.maximum(sign * bills.amount[scenario, :, column], 0.0)
                axes.barh(
                    at + offset, part, left=base, height=tall, color=item_colour(item), alpha=alpha,
                    linewidth=0, zorder=3,
                )  # fmt: skip
                ends[sign] = base + part
        _write_totals(
            axes,
            (ends[1.0], np.asarray(at + offset, dtype=np.float64)),
            bills.total[scenario],
            scenario,
            is_sold,
        )
        reach = np.stack([np.minimum(reach[0], ends[-1.0]), np.maximum(reach[1], ends[1.0])])
    low, high = float(reach[0].min()), float(reach[1].max())
    span = max(high - low, 1e-9)
    axes.set_xlim(low - 0.03 * span if low < 0.0 else 0.0, high + 0.30 * span)
    _rows(axes, bills)


def _write_totals(
    axes: Axes, places: tuple[FloatArray, FloatArray], total: FloatArray, scenario: int, is_sold: bool
) -> None:
    word = ("before ", "after ")[scenario] if is_sold else ""
    for x, y, value in zip(*places, total, strict=True):
        axes.annotate(
            f"{word}{number(float(value), _digits(value))}", (x, y), xytext=(4, 0), va="center",
            textcoords="offset points", fontsize=7.6, color=INK if scenario else MUTED,
        )  # fmt: skip


def _draw_change(axes: Axes, bills: BillBook) -> None:
    """What the items are up by, to the right; what is received, to the left; the balance in words."""
    at = np.arange(len(bills.communities))
    parts = ((bills.more, _AT[0], _COSTS, "costs"), (-bills.received, _AT[1], _GETS, "gets"))
    most = max(float(np.abs(np.stack([bills.more, bills.received])).max()), 1e-9)
    for values, offset, colour, word in parts:
        axes.barh(at + offset, values, height=0.30, color=colour, linewidth=0, zorder=3)
        for y, value in zip(at + offset, values, strict=True):
            up = value > 0.0 or (value == 0.0 and word == "costs")
            axes.annotate(
                f"{word} {number(abs(float(value)), 2)}", (value, y), xytext=(4 if up else -4, 0),
                textcoords="offset points", ha="left" if up else "right", va="center", fontsize=7.6,
                color=INK,
            )  # fmt: skip
    axes.set_xlim(-1.75 * most, 1.75 * most)
    _rows(axes, bills)


def _name_rows(axes: Axes, bills: BillBook) -> None:
    for row, name in enumerate(bills.communities):
        axes.annotate(
            shorten(name, 20), (0.0, row), xycoords=("axes fraction", "data"), xytext=(-8, 0),
            textcoords="offset points", ha="right", va="center", fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def _digits(value: float) -> int:
    return 0 if abs(value) >= 1e4 else 2


def _words(found: Material, bills: BillBook) -> str:
    told = []
    for place, name in enumerate(bills.communities):
        before, after = (number(float(bills.total[k, place]), 2) for k in (0, 1))
        got = number(float(bills.received[place]), 2)
        told.append(f"{name}: {before} before, {after} after, {got} received for reactive power")
    return f"What each community pays{found.money_unit}. {'; '.join(told)}."
