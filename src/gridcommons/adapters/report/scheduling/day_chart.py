"""The day of a community: electricity and heat by kind of device, stores, and reactive power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report.clock import Bins, Clock, dates_of
from gridcommons.adapters.report.clusters.lines import draw_line, note_zone
from gridcommons.adapters.report.figures import energy
from gridcommons.adapters.report.panels import Shape, legend, make_panels, title
from gridcommons.adapters.report.scheduling.device_book import DeviceBook
from gridcommons.adapters.report.scheduling.legend_rows import legend_inch
from gridcommons.adapters.report.scheduling.material import Exchange, Material
from gridcommons.adapters.report.scheduling.names_and_colours import (
    ALONE,
    BOUGHT,
    SCENARIO_COLOURS,
    in_order,
    kind_colour,
    kind_name,
)
from gridcommons.adapters.report.style import INK, MUTED, Chart, finish, quiet_grid, time_axis
from gridcommons.model.grid import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTHS_MINUTES = (15, 30, 60, 120, 180, 360, 720, 1440)
_MOST_PARTS = 340
_NOTHING_KW = 5e-3
_CALLED = "#f4e3ee"
_DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.3)))


@dataclass(frozen=True, eq=False)
class Layer:
    """What the devices of a kind use, shape (steps,): positive used, negative given."""

    kind: str
    used_kw: FloatArray


@dataclass(frozen=True, eq=False)
class CommunityDay:
    """A community over the window.

    Parameters
    ----------
    name : str
        Which.
    electricity, heat : tuple of Layer
        By kind of device.
    stores : tuple of (str, (steps,))
        Kind and state of charge of each store.
    exchange : Exchange
        What it draws in the end.
    alone_kvar : (steps,)
        The reactive power that it draws by its own schedule.
    """

    name: str
    electricity: tuple[Layer, ...]
    heat: tuple[Layer, ...]
    stores: tuple[tuple[str, FloatArray], ...]
    exchange: Exchange
    alone_kvar: FloatArray


def read_day(found: Material, book: DeviceBook, name: str) -> CommunityDay | None:
    """The day of a community as it is in the end; None where the result does not tell of it."""
    exchange, alone = found.exchange.get((BOUGHT, name)), found.exchange.get((ALONE, name))
    if exchange is None or alone is None:
        return None
    heated = book.rows_of(name) & ~book.has_own_heat
    rows = np.flatnonzero(book.rows_of(name) & np.isfinite(book.soc_share).any(axis=1))
    return CommunityDay(
        name,
        _layers(book, book.rows_of(name), book.p_kw),
        _layers(book, heated, -book.heat_kw),
        tuple((book.kind[row], book.soc_share[row]) for row in rows),
        exchange,
        alone.q_kvar,
    )


def _layers(book: DeviceBook, rows: BoolArray, used_kw: FloatArray) -> tuple[Layer, ...]:
    kinds = np.array(book.kind, dtype=object)
    made = [Layer(kind, used_kw[rows & (kinds == kind)].sum(axis=0)) for kind in in_order(book.kind)]
    return tuple(layer for layer in made if np.abs(layer.used_kw).max(initial=0.0) > _NOTHING_KW)


def day_bins(clock: Clock) -> Bins:
    """Intervals, or parts of an hour, a day or so where these are many: few enough for filled areas."""
    widths = [round(minutes / clock.step_minutes) for minutes in _WIDTHS_MINUTES]
    wide = next((w for w in (1, *widths) if w >= 1 and clock.steps / w <= _MOST_PARTS), max(widths[-1], 1))
    first = np.append(np.arange(0, clock.steps, wide), clock.steps)
    return Bins(first, dates_of(clock, first), "interval" if wide == 1 else f"{wide} intervals")


def draw_day(found: Material, day: CommunityDay, prefix: str) -> Chart:
    """Up to four panels: those that have something to show."""
    panels: list[Callable[[Axes, Bins], None]] = [
        lambda axes, bins: _draw_electricity(axes, bins, found, day)
    ]
    if day.heat:
        panels.append(lambda axes, bins: _draw_heat(axes, bins, found, day))
    if day.stores:
        panels.append(lambda axes, bins: _draw_stores(axes, bins, day))
    panels.append(lambda axes, bins: _draw_reactive(axes, bins, found, day))
    entries = _entries(found, day)
    shape = Shape(2, 1.80, head=0.56, foot=0.44, top=legend_inch(entries))
    figure, axes = make_panels(len(panels), shape)
    bins = day_bins(found.clock)
    for draw, panel in zip(panels, axes, strict=True):
        draw(panel, bins)
        quiet_grid(panel)
        panel.locator_params(axis="y", nbins=5)
        time_axis(panel, bins.dates, found.clock.timezone, label=False, most_ticks=7)
    legend(figure, entries)
    note_zone(figure, found.clock)
    return finish(figure, _words(found, day), prefix)


def _entries(found: Material, day: CommunityDay) -> list[tuple[str, str, str]]:
    kinds = [layer.kind for layer in (*day.electricity, *day.heat)] + [kind for kind, _ in day.stores]
    entries = [("■", kind_colour(kind), kind_name(kind)) for kind in in_order(kinds)]
    entries.append(("━", INK, "drawn from the network"))
    return entries + ([("■", _CALLED, "reactive power bought")] if len(found.called) else [])


def _stack(axes: Axes, bins: Bins, layers: tuple[Layer, ...], net_kw: FloatArray) -> None:
    """What is used above 0, what is given below it; their sum is what the network delivers."""
    ends = {1.0: np.zeros(len(bins.dates) - 1), -1.0: np.zeros(len(bins.dates) - 1)}
    for layer in layers:
        for sign, base in ends.items():
            part = bins.mean(sign * np.maximum(sign * layer.used_kw, 0.0))
            if not np.abs(part).max(initial=0.0) > _NOTHING_KW:
                continue
            low, high = (np.append(each, each[-1:]) for each in (base, base + part))
            axes.fill_between(bins.dates, low, high, step="post", color=kind_colour(layer.kind), linewidth=0)
            ends[sign] = base + part
    axes.axhline(0.0, color=MUTED, linewidth=0.7, zorder=3)
    if np.abs(net_kw).max(initial=0.0) > _NOTHING_KW:
        draw_line(axes, bins, net_kw, INK, 1.3)
    axes.margins(y=0.06)


def _draw_electricity(axes: Axes, bins: Bins, found: Material, day: CommunityDay) -> None:
    _stack(axes, bins, day.electricity, day.exchange.p_kw)
    title(axes, "Electricity [kW]", f"above 0 used, below 0 given{_both(found, day.exchange.p_kw)}")


def _draw_heat(axes: Axes, bins: Bins, found: Material, day: CommunityDay) -> None:
    _stack(axes, bins, day.heat, day.exchange.heat_kw)
    title(axes, "Heat [kW]", f"above 0 used, below 0 given{_both(found, day.exchange.heat_kw)}")


def _both(found: Material, p_kw: FloatArray) -> str:
    both = [float(np.maximum(sign * p_kw, 0.0).sum() * found.clock.step_hours) for sign in (1.0, -1.0)]
    drawn, given = (value if value > _NOTHING_KW else 0.0 for value in both)
    if not drawn and not given:
        return "; nothing from or to a network"
    return f"; draws {energy(drawn)}, delivers {energy(given)}"


def _draw_stores(axes: Axes, bins: Bins, day: CommunityDay) -> None:
    """A line a store; where a kind has many, thin ones and their mean."""
    remark = "at the end of each interval, between empty (0) and full (100)"
    for kind in dict.fromkeys(kind for kind, _ in day.stores):
        mine = [100.0 * bins.mean(soc_share) for each, soc_share in day.stores if each == kind]
        if len(mine) > len(_DASHES):
            for percent in mine:
                _draw_store(axes, bins, percent, {"color": kind_colour(kind), "linewidth": 0.7, "alpha": 0.5})
            mine, remark = [np.nanmean(mine, axis=0)], "at the end of each interval; thick: mean of a kind"
        for percent, dash in zip(mine, _DASHES, strict=False):
            _draw_store(
                axes, bins, percent, {"color": kind_colour(kind), "linewidth": 1.6, "linestyle": dash}
            )
    axes.set_ylim(-3.0, 103.0)
    title(axes, "Stores [% full]", remark)


def _draw_store(axes: Axes, bins: Bins, percent: FloatArray, look: dict[str, Any]) -> None:
    axes.step(bins.dates, np.append(percent, percent[-1:]), where="post", **look)


def _draw_reactive(axes: Axes, bins: Bins, found: Material, day: CommunityDay) -> None:
    edges = dates_of(found.clock, np.arange(found.clock.steps + 1))
    change = np.diff(np.concatenate([[0], found.is_called.astype(np.int8), [0]]))
    for first, last in zip(edges[change > 0], edges[change < 0], strict=True):
        axes.axvspan(first, last, color=_CALLED, linewidth=0, zorder=0)
    remark = "above 0 drawn, below 0 injected"
    if len(found.called):
        draw_line(axes, bins, day.alone_kvar, SCENARIO_COLOURS[ALONE], 1.6)
        remark += "; grey: by its own schedule, green: in the end"
    draw_line(axes, bins, day.exchange.q_kvar, SCENARIO_COLOURS[BOUGHT], 1.4)
    axes.margins(y=0.10)
    title(axes, "Reactive power at its connections [kvar]", remark)


def _words(found: Material, day: CommunityDay) -> str:
    hours, told = found.clock.step_hours, []
    for word, layers in (("electricity", day.electricity), ("heat", day.heat)):
        for layer in layers:
            used, given = (float(np.maximum(s * layer.used_kw, 0.0).sum() * hours) for s in (1.0, -1.0))
            parts = [f"use {energy(used)}"] * (used > _NOTHING_KW) + [f"give {energy(given)}"] * (
                given > _NOTHING_KW
            )
            told.append(f"{kind_name(layer.kind)} {' and '.join(parts)} of {word}")
    return f"The day of {day.name}. {'; '.join(told)}."
