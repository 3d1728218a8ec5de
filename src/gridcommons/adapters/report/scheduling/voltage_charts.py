"""Voltages of all buses over the window before and after, and the hours that were out, close up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import Bins, dates_of
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.panels import legend, title
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import (
    ALONE,
    ONLY_NAME,
    SCENARIO_COLOURS,
    SCENARIOS,
    bus_name,
    short_bus,
    voltage,
)
from gridcommons.adapters.report.scheduling.voltage_book import (
    CloseUp,
    Out,
    Spell,
    VoltageBook,
    read_outs,
    read_spells,
    worst_of_buses,
    worst_of_hours,
)
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    name_ends,
    quiet_grid,
    spread_labels,
    time_axis,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BUS = "#a9b4bf"
_MOST_POINTS = 16_000
"""Points of a panel up to which each bus has a line of its own."""

_MOST_NAMED, _MOST_LABELS, _MOST_LARGE, _NEAR_PU = 3, 6, 12, 0.02
_LETTER_INCH = 0.058

_ROW_INCH, _NAME_INCH, _VALUE_INCH = 0.28, 1.75, 2.2


def draw_profiles(found: Material, book: VoltageBook) -> Chart:
    """A line a bus within the band, before and after side by side; what is out is marked."""
    figure = make_figure(3.75)
    shown = found.shown
    boxes = [(0.050, 0.13, 0.385, 0.69), (0.525, 0.13, 0.385, 0.69)]
    boxes = boxes if len(shown) > 1 else [(0.050, 0.13, 0.855, 0.69)]
    ends = _ends(book)
    named = named_buses(found, book)
    for scenario, box in zip(shown, boxes, strict=False):
        axes = figure.add_axes(box)
        vm_pu, outs = book.vm_pu[SCENARIOS.index(scenario)], read_outs(found, scenario)
        _draw_buses(axes, found.bins, vm_pu)
        axes.set_ylim(*ends)
        _draw_band(axes, book)
        _name_buses(axes, found.bins, vm_pu[:, named], [book.buses[bus] for bus in named])
        quiet_grid(axes)
        time_axis(axes, found.bins.dates, found.clock.timezone, most_ticks=7)
        axes.tick_params(labelleft=scenario == ALONE)
        _mark_outs(axes, found, outs)
        hours = len({out.step for out in outs})
        remark = f"{found.intervals(hours)} out of the band" if hours else "every voltage within its band"
        head = found.scenario_name(scenario)
        title(axes, f"{head[:1].upper()}{head[1:]}", remark, is_broken=hours > 0)
    one_by_one = _is_one_by_one(found.bins, book.vm_pu[0])
    entries = [("━", _BUS, "a bus")] if one_by_one else [("■", _BUS, "lowest to highest")]
    entries += [("━", INK, "a bus named at its right end")]
    entries += [("━", BROKEN, "limit")] if any(ends[0] < limit < ends[1] for limit in book.band) else []
    sides = {out.is_low for scenario in shown for out in read_outs(found, scenario)}
    entries += [("▼", BROKEN, "too low")] * (True in sides) + [("▲", BROKEN, "too high")] * (False in sides)
    legend(figure, entries, "voltage of all buses [pu]")
    return finish(figure, _words(found, book), "voltages")


def _ends(book: VoltageBook) -> tuple[float, float]:
    """Ends of the axis: all that is drawn, and the limits that are near it, with room for labels."""
    seen = book.vm_pu[np.isfinite(book.vm_pu)]
    low, high = float(seen.min()), float(seen.max())
    near = [limit for limit in book.band if low - _NEAR_PU <= limit <= high + _NEAR_PU]
    low, high = min([low, *near]), max([high, *near])
    room = 0.17 * max(high - low, 1e-4)
    return low - room, high + room


def _is_one_by_one(bins: Bins, vm_pu: FloatArray) -> bool:
    """Whether each bus has a line of its own."""
    return bins.is_plain and vm_pu.size <= _MOST_POINTS


def _draw_buses(axes: Axes, bins: Bins, vm_pu: FloatArray) -> None:
    """A line of steps a bus; what lies between the lowest and the highest where they are many."""
    from matplotlib.collections import LineCollection

    if _is_one_by_one(bins, vm_pu):
        x = np.repeat(bins.dates, 2)[1:-1]
        lines = [np.stack([x, np.repeat(column, 2)], axis=1) for column in vm_pu.T]
        axes.add_collection(LineCollection(lines, colors=_BUS, linewidths=0.7, alpha=0.75, zorder=2))
        return
    low = bins.least(np.fmin.reduce(vm_pu, axis=1))
    high = -bins.least(-np.fmax.reduce(vm_pu, axis=1))
    low, high = (np.append(values, values[-1:]) for values in (low, high))
    axes.fill_between(bins.dates, low, high, step="post", color=_BUS, alpha=0.6, linewidth=0)


def _draw_band(axes: Axes, book: VoltageBook) -> None:
    """The limits, and what lies beyond them."""
    low, high = axes.get_ylim()
    for limit, beyond in zip(book.band, (low, high), strict=True):
        if low < limit < high:
            axes.axhline(limit, color=BROKEN, linewidth=1.1, zorder=3)
            axes.axhspan(min(limit, beyond), max(limit, beyond), color=BROKEN, alpha=0.07, linewidth=0)


def named_buses(found: Material, book: VoltageBook) -> list[int]:
    """The buses furthest out in some interval before anything is bought; the worst bus where none is out."""
    worst = worst_of_buses(worst_of_hours(read_outs(found, ALONE)).values())
    out = [book.buses.index(each.bus) for each in worst if each.bus in book.buses]
    inside = np.where(np.isfinite(book.worst_pu[0]), book.worst_inside_pu[0], np.inf)
    return out[:_MOST_NAMED] or [int(np.argmin(inside))]


def _name_buses(axes: Axes, bins: Bins, vm_pu: FloatArray, names: Sequence[str]) -> None:
    ends = []
    for column, name in zip(vm_pu.T, names, strict=True):
        values = bins.mean(column)
        axes.step(
            bins.dates, np.append(values, values[-1:]), where="post", color=INK, linewidth=1.3, zorder=4
        )
        if np.isfinite(values[-1]):
            ends.append((float(values[-1]), short_bus(name, 11), INK, False))
    name_ends(axes, ends, 0.06)


def _mark_outs(axes: Axes, found: Material, outs: list[Out]) -> None:
    """A mark at each voltage that is out; the worst spells bear bus and hours."""
    edges = dates_of(found.clock, np.arange(found.clock.steps + 1))
    middle = (edges[:-1] + edges[1:]) / 2.0
    for is_low, marker in ((True, "v"), (False, "^")):
        mine = [out for out in outs if out.is_low == is_low]
        at = middle[[out.step for out in mine]]
        size = 30.0 if len(mine) <= _MOST_LARGE else 11.0
        axes.scatter(
            at, [out.vm_pu for out in mine], s=size, marker=marker, color=BROKEN, linewidth=0, zorder=6
        )
        spells = read_spells(mine)[:_MOST_LABELS]
        labels = [(float(middle[each.first : each.last + 1].mean()), _label(found, each)) for each in spells]
        _label_outs(axes, labels, is_low)


def _label(found: Material, spell: Spell) -> str:
    """Bus, and from when to when it is out."""
    hours = found.clock.brief(spell.first)
    if spell.last > spell.first:
        hours += f"–{found.clock.local(spell.last + 1):%H:%M}"
    return f"{short_bus(spell.worst.bus, 14)}\n{hours}"


def _label_outs(axes: Axes, labels: list[tuple[float, str]], is_low: bool) -> None:
    """Labels beyond the limit, kept apart along the axis of time: the first ones, as there is room."""
    if not labels:
        return
    left, right = axes.get_xlim()
    inch = axes.get_position().width * WIDTH_INCH
    letters = max(len(line) for _, words in labels for line in words.split("\n"))
    gap = (right - left) * (_LETTER_INCH * letters + 0.16) / inch
    labels = sorted(labels[: max(int((right - left) / gap), 1)])
    places = spread_labels([x for x, _ in labels], gap, left + gap / 2.0)
    over = max([place + gap / 2.0 - right for place in places] + [0.0])
    for place, (_, words) in zip(places, labels, strict=True):
        axes.text(
            place - over, 0.012 if is_low else 0.988, words, ha="center", va="bottom" if is_low else "top",
            transform=axes.get_xaxis_transform(), fontsize=7.4, linespacing=0.95, color=BROKEN, zorder=7,
        )  # fmt: skip


def _words(found: Material, book: VoltageBook) -> str:
    told = []
    for place, scenario in enumerate(found.shown):
        seen = book.vm_pu[place][np.isfinite(book.vm_pu[place])]
        hours = len({out.step for out in read_outs(found, scenario)})
        span = f"{number(float(seen.min()), 4)} to {number(float(seen.max()), 4)} pu"
        told.append(f"{found.scenario_name(scenario)} {span}, {found.intervals(hours)} out of the band")
    return f"Voltages of {number(len(book.buses))} buses: {'; '.join(told)}."


def draw_close_ups(found: Material, rows: Sequence[CloseUp]) -> Chart:
    """A row an hour: where its worst voltage is before and after, as distance inside the band."""
    high = 0.40 + _ROW_INCH * len(rows) + 0.52
    figure = make_figure(high)
    wide = WIDTH_INCH - _NAME_INCH - _VALUE_INCH
    box = (_NAME_INCH / WIDTH_INCH, 0.50 / high, wide / WIDTH_INCH, _ROW_INCH * len(rows) / high)
    axes = figure.add_axes(box)
    has_after = len(found.called) > 0
    inside = [row.inside(v) for row in rows for v in ((row.before_pu, row.after_pu)[: 1 + has_after])]
    most = max(float(np.nanmax(np.abs(inside))), 1e-5)
    left, right = -1.15 * max(most, -min(inside)), max(0.25 * most, 1.2 * max([*inside, 0.0]))
    axes.set_xlim(1e3 * left, 1e3 * right)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.axvspan(1e3 * left, 0.0, color=BROKEN, alpha=0.07, linewidth=0)
    axes.axvline(0.0, color=BROKEN, linewidth=1.1, zorder=3)
    for place, row in enumerate(rows):
        _draw_close_up(axes, found, row, (place, has_after))
    quiet_grid(axes, "x")
    axes.set_yticks([])
    axes.set_xlabel(
        "inside the band [thousandths of the nominal voltage]", fontsize=8, color=MUTED, loc="right"
    )
    entries = [("●", SCENARIO_COLOURS[ALONE], "before" if has_after else ONLY_NAME)]
    entries += [("●", SCENARIO_COLOURS[SCENARIOS[1]], "after")] if has_after else []
    legend(figure, [*entries, ("━", BROKEN, "limit")], "worst voltage of each; left of the limit: out")
    told = [
        f"{bus_name(row.bus)} at {found.clock.brief(row.step)}: {_ends_words(row, has_after)}" for row in rows
    ]
    return finish(figure, "Worst voltages close up. " + "; ".join(told), "closeups")


def _draw_close_up(axes: Axes, found: Material, row: CloseUp, what: tuple[int, bool]) -> None:
    place, has_after = what
    before, after = (1e3 * row.inside(vm_pu) for vm_pu in (row.before_pu, row.after_pu))
    if has_after:
        axes.plot([before, after], [place, place], color="#c3cbd3", linewidth=2.2, zorder=3)
    for x, scenario in ((before, SCENARIOS[0]), (after, SCENARIOS[1]))[: 1 + has_after]:
        axes.scatter(x, place, s=42, color=SCENARIO_COLOURS[scenario], linewidth=0, zorder=5)
    name = f"{found.clock.brief(row.step)} · {short_bus(row.bus, 14)}"
    for x, words, side, gap in ((0.0, name, "right", -8), (1.0, _ends_words(row, has_after), "left", 8)):
        axes.annotate(
            words, (x, place), xycoords=("axes fraction", "data"), xytext=(gap, 0), fontsize=8.2,
            textcoords="offset points", ha=side, va="center", color=INK, annotation_clip=False,
        )  # fmt: skip


def _ends_words(row: CloseUp, has_after: bool) -> str:
    before = voltage(row.before_pu)
    return f"{number(row.before_pu, 5)} → {voltage(row.after_pu)}" if has_after else before
