"""What binds when, and how far it is proven: strips along the time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.report.clock import Bins, Clock, dates_of, make_bins
from gridcommons.adapters.report.envelopes import DEVICES, GRID, UNRESOLVED, CheckBook
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.style import (
    BROKEN,
    EXPORT,
    IMPORT,
    INK,
    MUTED,
    PALE,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    shorten,
    time_axis,
)
from gridcommons.model.grid import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ELEMENTS = 4
_ROW_INCH = 0.205
_SIDE_WORDS = ("Drawing more (p_max)", "Injecting more (p_min)")
_LIMIT_WORDS = {
    "vm_min_pu": "voltage too low",
    "vm_max_pu": "voltage too high",
    "loading_max_percent": "overloaded",
    "va_min_degree": "angle too low",
    "va_max_degree": "angle too high",
    "va_diff_min_degree": "angle difference too low",
    "va_diff_max_degree": "angle difference too high",
}
STATUS_COLOURS = {"certified": "#12756b", "tested": "#86bdb4", "unresolved": BROKEN}


@dataclass(frozen=True, eq=False)
class Row:
    """A strip: when something was so, its name and colour.

    ``note`` stands in place of the count; ``palest`` is how strong the colour of a bin at least is.
    """

    label: str
    when: BoolArray
    colour: str
    hatched: bool = False
    note: str = ""
    palest: float = 0.15


@dataclass(frozen=True, eq=False)
class Broken:
    """The uncontrolled grid's violations: interval, element and kind of each, shape (violations,)."""

    step: npt.NDArray[np.int64]
    element: npt.NDArray[Any]
    kind: npt.NDArray[Any]


def limit_words(kind: str) -> str:
    """What a broken limit means: ``voltage too high``."""
    return _LIMIT_WORDS.get(kind, kind.replace("_", " "))


def draw_binding(clock: Clock, checks: CheckBook, broken: Broken) -> Chart:
    """Which element sets the envelopes when, on each side; and which one breaks without control."""
    groups = [(words, _side_rows(checks, side)) for side, words in enumerate(_SIDE_WORDS)]
    groups.append(("Nobody controlled", _broken_rows(clock, broken)))
    high = sum(0.42 + _ROW_INCH * len(rows) for _, rows in groups) + 0.55
    figure = make_figure(high)
    top = high - 0.02
    for place, (words, rows) in enumerate(groups):
        tall = _ROW_INCH * len(rows)
        top -= 0.34
        axes = figure.add_axes((0.275, (top - tall) / high, 0.605, tall / high))
        axes.text(-0.445, 1.0 + 0.10 / tall, words, transform=axes.transAxes, fontweight="bold", fontsize=9.2)
        draw_rows(axes, clock, rows)
        if place == 0:
            axes.text(
                1.012, 1.0 + 0.10 / tall, "intervals", transform=axes.transAxes, fontsize=8, color=MUTED
            )
        time_axis(axes, dates_of(clock, np.array([0, clock.steps])), clock.timezone, label=place == 2)
        if place < 2:
            axes.tick_params(labelbottom=False, length=0)
        top -= tall + 0.08
    counted = [
        f"{row.label.replace(chr(10), ' ')}: {int(row.when.sum())}" for _, rows in groups for row in rows
    ]
    return finish(figure, "Intervals in which each thing holds. " + "; ".join(counted), "binding")


def _side_rows(checks: CheckBook, side: int) -> list[Row]:
    sets, element = checks.sets[:, side], checks.element[:, side]
    colour = (IMPORT, EXPORT)[side]
    binds = sets == GRID
    rows = [
        Row(shorten(str(name), 34) if name else "other elements", binds & when, colour)
        for name, when in _most_frequent(element, binds)
    ]
    rows.append(Row("the devices alone", sets == DEVICES, "#c3cbd3"))
    if (sets == UNRESOLVED).any():
        rows.append(Row("unresolved: held at rest", sets == UNRESOLVED, BROKEN, hatched=True))
    return rows


def _broken_rows(clock: Clock, broken: Broken) -> list[Row]:
    label = np.array(
        [
            f"{limit_words(str(k))}: {shorten(str(e), 24)}"
            for e, k in zip(broken.element, broken.kind, strict=True)
        ],
        dtype=object,
    )
    names, counts = np.unique(label.astype(str), return_counts=True)
    order = sorted(range(len(names)), key=lambda n: (-int(counts[n]), str(names[n])))
    rows = []
    for n in order[:_MOST_ELEMENTS]:
        rows.append(Row(str(names[n]), _at(clock, broken.step[label == names[n]]), BROKEN))
    others = ~np.isin(label.astype(str), [names[n] for n in order[:_MOST_ELEMENTS]])
    if others.any():
        rows.append(Row(f"{len(order) - _MOST_ELEMENTS} others", _at(clock, broken.step[others]), BROKEN))
    whole = ~_at(clock, broken.step)
    rows.append(Row("within all limits", whole, "#c3cbd3"))
    return rows


def _at(clock: Clock, steps: npt.NDArray[np.int64]) -> BoolArray:
    when = np.zeros(clock.steps, dtype=bool)
    when[steps] = True
    return when


def _most_frequent(element: npt.NDArray[Any], which: BoolArray) -> list[tuple[str, BoolArray]]:
    """The elements that bind most often, and the others together under an empty name."""
    names, counts = np.unique(element[which].astype(str), return_counts=True)
    order = sorted(range(len(names)), key=lambda n: (-int(counts[n]), str(names[n])))
    chosen = [str(names[n]) for n in order[:_MOST_ELEMENTS]]
    found = [(name, element == name) for name in chosen]
    if len(order) > _MOST_ELEMENTS:
        found.append(("", ~np.isin(element.astype(str), chosen)))
    return found


def draw_rows(axes: Axes, clock: Clock, rows: Sequence[Row]) -> None:
    """Strips below each other, their names on the left and their counts on the right."""
    for place, row in enumerate(rows):
        y = len(rows) - 1 - place
        edges = dates_of(clock, np.array([0, clock.steps]))
        axes.broken_barh([(edges[0], edges[1] - edges[0])], (y - 0.39, 0.78), facecolor=PALE, linewidth=0)
        _draw_when(axes, clock, row, y)
        share = row.when.mean()
        count = number(int(row.when.sum()))
        axes.text(
            -0.012, y, row.label, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8.2
        )
        axes.text(
            1.012,
            y,
            row.note or f"{count} · {percent(share)}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8.2,
            color=INK if row.when.any() else MUTED,
        )
    axes.set_ylim(-0.55, len(rows) - 0.45)
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _draw_when(axes: Axes, clock: Clock, row: Row, y: float) -> None:
    """Bars for the runs of intervals; a year becomes a raster of the share of each day."""
    bins = make_bins(clock)
    if not bins.is_plain:
        share = np.add.reduceat(row.when.astype(float), bins.first[:-1]) / np.diff(bins.first)
        rgba = np.tile(_rgba(row.colour), (1, len(share), 1))
        rgba[0, :, 3] = np.where(share > 0.0, row.palest + (1.0 - row.palest) * share, 0.0)
        extent = (bins.dates[0], bins.dates[-1], y - 0.39, y + 0.39)
        axes.imshow(rgba, extent=extent, aspect="auto", interpolation="none", zorder=3)
        return
    change = np.diff(np.concatenate([[0], row.when.astype(np.int8), [0]]))
    begin, end = dates_of(clock, np.flatnonzero(change > 0)), dates_of(clock, np.flatnonzero(change < 0))
    axes.broken_barh(
        list(zip(begin, end - begin, strict=True)),
        (y - 0.39, 0.78),
        facecolor="white" if row.hatched else row.colour,
        edgecolor=row.colour if row.hatched else "none",
        hatch="////" if row.hatched else None,
        linewidth=0.8 if row.hatched else 0.0,
        zorder=3,
    )


def _rgba(colour: str) -> FloatArray:
    from matplotlib.colors import to_rgba

    return np.array(to_rgba(colour))


def draw_proof(clock: Clock, bins: Bins, checks: CheckBook) -> Chart:
    """Shares certified, tested and unresolved of each side, and the worst margin over time."""
    figure = make_figure(2.7)
    _draw_status(figure.add_axes((0.105, 0.20, 0.25, 0.62)), checks)
    axes = figure.add_axes((0.45, 0.20, 0.43, 0.62))
    ends = []
    for side, colour in enumerate((IMPORT, EXPORT)):
        margin = bins.least(np.where(_is_settled(checks, side), checks.margin[:, side], np.nan))
        axes.step(bins.dates, np.append(margin, margin[-1:]), where="post", color=colour, linewidth=1.3)
        ends.append(margin)
    axes.axhline(0.0, color=BROKEN, linewidth=1.2)
    known = np.concatenate(ends)[np.isfinite(np.concatenate(ends))]
    top = max(float(np.quantile(known, 0.99)) if known.size else 0.0, 1e-3)
    least = min(float(known.min()) if known.size else 0.0, 0.0)
    axes.set_ylim(1.1 * least - 0.06 * top, 1.15 * top)
    axes.axhspan(axes.get_ylim()[0], 0.0, color=BROKEN, alpha=0.08, linewidth=0)
    quiet_grid(axes)
    time_axis(axes, bins.dates, clock.timezone)
    axes.set_title("Worst margin of all points tried", pad=19)
    axes.text(
        0,
        1.06,
        "distance to the nearest limit [pu of voltage, or share of the rating]; below 0 = broken",
        transform=axes.transAxes,
        fontsize=7.8,
        color=MUTED,
    )
    for place, (label, colour) in enumerate((("drawing", IMPORT), ("injecting", EXPORT))):
        axes.text(1.015, 0.9 - 0.12 * place, label, transform=axes.transAxes, color=colour, fontweight="bold")
    axes.text(1.015, 0.0, "the limit", transform=axes.get_yaxis_transform(), color=BROKEN, va="center")
    return finish(figure, "How far each side is proven, and the worst margin over time.", "proof")


def _is_settled(checks: CheckBook, side: int) -> BoolArray:
    """Where a margin means something: resolved, and under a limit at all."""
    is_resolved: BoolArray = checks.status[:, side] != "unresolved"
    return is_resolved & np.isfinite(checks.margin[:, side])


def _draw_status(axes: Axes, checks: CheckBook) -> None:
    for side, words in enumerate(("drawing", "injecting")):
        left = 0.0
        for status, colour in STATUS_COLOURS.items():
            share = float((checks.status[:, side] == status).mean())
            axes.barh(1 - side, share, left=left, height=0.5, color=colour, linewidth=0)
            if share > 0.12:
                tone = INK if status == "tested" else "white"
                axes.text(left + share / 2, 1 - side, percent(share), ha="center", va="center", color=tone)
            left += share
        axes.text(-0.03, 1 - side, words, ha="right", va="center")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.7, 1.5)
    axes.set_axis_off()
    axes.set_title("Intervals by proof", pad=19)
    left = 0.0
    for status, colour in STATUS_COLOURS.items():
        axes.text(left, -0.55, "■", color=colour, fontsize=10)
        axes.text(left + 0.05, -0.55, status, fontsize=8.2)
        left += 0.36
