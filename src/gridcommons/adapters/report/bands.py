"""Envelopes as bands over time: all assets together by kind, and some assets by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import Bins, Clock
from gridcommons.adapters.report.envelopes import AssetBook, Bands
from gridcommons.adapters.report.figures import percent
from gridcommons.adapters.report.style import (
    EXPORT,
    IMPORT,
    INK,
    MUTED,
    Chart,
    finish,
    kind_colour,
    kind_words,
    make_figure,
    name_ends,
    quiet_grid,
    shorten,
    time_axis,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIGN = "net power [kW], positive = the grid delivers"
_COLUMNS = 3


def draw_total(clock: Clock, bins: Bins, by_kind: Mapping[str, Bands], total: Bands) -> Chart:
    """The band of all assets together: stacked by kind, within what the devices alone would allow."""
    figure = make_figure(4.1)
    axes = figure.add_axes((0.06, 0.13, 0.80, 0.80))
    if bins.is_plain and _is_stackable(by_kind):
        _stack(axes, bins, by_kind)
    else:
        _band(axes, bins, total)
    ends = _lines(axes, bins, total)
    axes.axhline(0.0, color=INK, linewidth=0.7)
    quiet_grid(axes)
    axes.margins(y=0.04)
    time_axis(axes, bins.dates, clock.timezone)
    axes.set_title(SIGN, fontsize=8, fontweight="normal", color=MUTED, pad=8)
    _label_ends(axes, ends)
    upper, lower = (f"{v.min():.0f} to {v.max():.0f} kW" for v in (total.p_max_kw, total.p_min_kw))
    words = f"All envelopes together: upper end from {upper}, lower end from {lower}."
    return finish(figure, words, "total")


def draw_assets(
    clock: Clock, bins: Bins, book: AssetBook, chosen: Sequence[int], bands: Mapping[str, Bands]
) -> Chart:
    """A small chart for each chosen asset: its envelope within what its device could do, and its plan."""
    rows = -(-len(chosen) // _COLUMNS)
    high = 1.62 * rows + 0.6
    figure = make_figure(high)
    width, gap = 0.264, 0.058
    for place, asset in enumerate(chosen):
        left = 0.045 + (place % _COLUMNS) * (width + gap)
        bottom = high - (place // _COLUMNS + 1) * 1.62 - 0.08
        axes = figure.add_axes((left, bottom / high, width, 1.0 / high))
        _draw_asset(axes, bins, book, asset, bands[book.name[asset]])
        time_axis(axes, bins.dates, clock.timezone, label=place == len(chosen) - 1, most_ticks=6)
    figure.text(0.045, 1.0 - 0.13 / high, SIGN, fontsize=8, color=MUTED)
    words = "Envelopes of " + ", ".join(book.name[asset] for asset in chosen)
    return finish(figure, words, "assets")


def _draw_asset(axes: Axes, bins: Bins, book: AssetBook, asset: int, bands: Bands) -> None:
    kind, share = book.kind[asset], book.got_share[asset]
    low, high = (bins.mean(v) for v in (bands.p_low_kw, bands.p_high_kw))
    if np.isfinite(low).any():
        _fill(axes, bins, low, high, "#e4e8ec")
    ends = [bins.mean(v) for v in (bands.p_min_kw, bands.p_max_kw)]
    _fill(axes, bins, ends[0], ends[1], kind_colour(kind), 0.55)
    for values in ends:
        _line(axes, bins, values, kind_colour(kind), 1.1)
    plan = bins.mean(bands.p_planned_kw)
    if np.isfinite(plan).any():
        _line(axes, bins, plan, INK, 1.0)
    axes.axhline(0.0, color=INK, linewidth=0.6)
    quiet_grid(axes)
    axes.margins(y=0.08)
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(labelsize=7.6)
    axes.set_title(shorten(book.name[asset], 34), pad=15, fontsize=8.6)
    got = "" if np.isnan(share) else f" · gets {percent(share)}"
    where = f" · {shorten(book.bus[asset], 22)}" if book.bus[asset] else ""
    axes.text(
        0, 1.06, f"{kind_words(kind, 1)}{where}{got}", transform=axes.transAxes, fontsize=7.4, color=MUTED
    )


def _is_stackable(by_kind: Mapping[str, Bands]) -> bool:
    """Whether every kind spans zero, so that its part of the stack can be read off."""
    ends = by_kind.values()
    return all((b.p_max_kw >= -1e-9).all() and (b.p_min_kw <= 1e-9).all() for b in ends)


def _stack(axes: Axes, bins: Bins, by_kind: Mapping[str, Bands]) -> None:
    for end in ("p_max_kw", "p_min_kw"):
        base = np.zeros(len(bins.dates) - 1)
        tall = max(float(np.abs(sum(getattr(b, end) for b in by_kind.values())).max()), 1e-9)
        for kind, bands in by_kind.items():
            top = base + getattr(bands, end)
            _fill(axes, bins, base, top, kind_colour(kind), 0.78)
            _label_layer(axes, bins, (base, top), kind, tall)
            base = top


def _label_layer(
    axes: Axes, bins: Bins, layer: tuple[FloatArray, FloatArray], kind: str, tall: float
) -> None:
    """The kind's name where its layer is thick for long enough to hold it."""
    base, top = layer
    count = len(base)
    thick = np.abs(top - base)
    span = max(1, round(0.16 * count))
    if count < 3:
        held, at = thick, int(np.argmax(thick))
    else:
        held = np.array([thick[k : k + span].min() for k in range(count - span + 1)])
        at = int(np.argmax(held)) + span // 2
    if held.max() > 0.08 * tall:
        date = (bins.dates[at] + bins.dates[at + 1]) / 2.0
        middle = (base[at] + top[at]) / 2.0
        axes.text(date, middle, kind_words(kind), ha="center", va="center", fontsize=8.4)


def _band(axes: Axes, bins: Bins, total: Bands) -> None:
    """What lies between both ends, drawn and injected apart; the middle 80 % of each end of longer bins."""
    low, high = (bins.mean(values) for values in (total.p_min_kw, total.p_max_kw))
    _fill(axes, bins, np.maximum(low, 0.0), np.maximum(high, 0.0), IMPORT, 0.30)
    _fill(axes, bins, np.minimum(low, 0.0), np.minimum(high, 0.0), EXPORT, 0.30)
    if not bins.is_plain:
        for values, colour in ((total.p_max_kw, IMPORT), (total.p_min_kw, EXPORT)):
            _fill(axes, bins, bins.quantile(values, 0.1), bins.quantile(values, 0.9), colour, 0.45)


def _lines(axes: Axes, bins: Bins, total: Bands) -> list[tuple[float, str, str]]:
    """The ends of the band, of the devices and the plan; the last value, label and colour of each."""
    drawn = [
        (total.p_high_kw, "devices alone", MUTED, "--"),
        (total.p_max_kw, "may draw", IMPORT, "-"),
        (total.p_planned_kw, "the plan", INK, "-"),
        (total.p_min_kw, "may inject", EXPORT, "-"),
        (total.p_low_kw, "devices alone", MUTED, "--"),
    ]
    ends = []
    for values, label, colour, dash in drawn:
        if np.isfinite(values).any():
            shown = bins.mean(values)
            _line(axes, bins, shown, colour, 1.0 if dash == "--" else 1.8, dash)
            ends.append((float(shown[-1]), label, colour))
    return ends


def _label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    name_ends(axes, [(*end, end[2] in (IMPORT, EXPORT)) for end in ends], 0.055)


def _line(axes: Axes, bins: Bins, values: FloatArray, colour: str, width: float, dash: str = "-") -> None:
    axes.step(
        bins.dates, np.append(values, values[-1]), where="post", color=colour, linewidth=width, linestyle=dash
    )


def _fill(axes: Axes, bins: Bins, low: FloatArray, high: FloatArray, colour: str, alpha: float = 1.0) -> None:
    axes.fill_between(
        bins.dates,
        np.append(low, low[-1]),
        np.append(high, high[-1]),
        step="post",
        color=colour,
        alpha=alpha,
        linewidth=0,
    )
