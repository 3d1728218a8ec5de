"""Who got what under each objective, asset by asset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report.envelopes import AssetBook
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    RULE,
    Chart,
    finish,
    kind_colour,
    kind_words,
    make_figure,
    quiet_grid,
    shorten,
)
from gridcommons.adapters.report.tables import Names, ResultTables
from gridcommons.model.grid import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OBJECTIVE_WORDS = {
    "max_total": "the largest total, whoever gets it",
    "equal": "the same for all, up to each one's own bound",
    "proportional": "the same share of each one's range",
    "max_min": "the least served first",
    "proportional_fairness": "the largest sum of logarithms",
}
_MOST_NAMED = 14


@dataclass(frozen=True, eq=False)
class Shares:
    """What each asset may draw and inject under each objective.

    Parameters
    ----------
    objective : list of str
        Objectives compared.
    import_kwh, export_kwh : (objectives, assets)
        Energy above and below rest [kWh].
    figures : list of dict
        Total, price of fairness and Jain's index of each, as the summary has them.
    """

    objective: list[str]
    import_kwh: FloatArray
    export_kwh: FloatArray
    figures: list[dict[str, Any]]


def read_shares(tables: ResultTables, book: AssetBook, summary: dict[str, Any]) -> Shares | None:
    """The shares by objective; None where the result has none."""
    rows = tables.whole("objective_shares", ("objective", "asset", "import_kwh", "export_kwh"))
    if not len(rows["asset"]) or not book.name:
        return None
    objectives, assets = Names(), Names()
    assets.numbers(list(book.name))
    place = (objectives.numbers(rows["objective"].tolist()), assets.numbers(rows["asset"].tolist()))
    energy = []
    for column in ("import_kwh", "export_kwh"):
        table = np.zeros((len(objectives), len(assets)))
        table[place] = rows[column]
        energy.append(table[:, : len(book.name)])
    listed = summary.get("objectives", {})
    return Shares(objectives.names, energy[0], energy[1], [listed.get(name, {}) for name in objectives.names])


def draw_shares(shares: Shares, book: AssetBook, distance_km: FloatArray, chosen: str) -> Chart:
    """A row of dots an objective: each asset's share of its range, kind by kind, the nearest first."""
    order, groups = _order(book, distance_km)
    got, unit = _got(shares, book)
    rows = len(shares.objective)
    row_inch, foot = 0.92, 0.80 if len(order) <= _MOST_NAMED else 0.55
    high = row_inch * rows + foot + 0.25
    figure = make_figure(high)
    for place, objective in enumerate(shares.objective):
        bottom = high - 0.25 - (place + 1) * row_inch + 0.16
        axes = figure.add_axes((0.255, bottom / high, 0.725, (row_inch - 0.2) / high))
        _draw_objective(axes, got[place][order], [book.kind[a] for a in order], unit)
        _say(axes, objective, shares.figures[place], objective == chosen)
        _separate(axes, groups)
        if place == 0:
            axes.text(0, 1.1, unit, transform=axes.transAxes, fontsize=8, color=MUTED)
        if place == rows - 1:
            _name(axes, book, order, groups)
    spans = [
        f"{o}: {np.nanmin(g):.0f} to {np.nanmax(g):.0f}" for o, g in zip(shares.objective, got, strict=True)
    ]
    return finish(figure, f"{unit} by asset and objective. " + "; ".join(spans), "shares")


def _order(book: AssetBook, distance_km: FloatArray) -> tuple[IntArray, list[tuple[str, int, int]]]:
    """Assets by kind, the nearest to the source first; kinds with their first and last place."""
    keys = range(len(book.name))
    order = sorted(keys, key=lambda a: (book.kind[a], float(distance_km[a]), book.name[a]))
    kinds = [book.kind[a] for a in order]
    groups = [
        (kind, kinds.index(kind), len(kinds) - 1 - kinds[::-1].index(kind)) for kind in dict.fromkeys(kinds)
    ]
    return np.array(order, dtype=np.int64), groups


def _got(shares: Shares, book: AssetBook) -> tuple[FloatArray, str]:
    energy = shares.import_kwh + shares.export_kwh
    known = book.device_kwh > 1e-9
    if known.any():
        return np.where(known, 100.0 * energy / np.where(known, book.device_kwh, 1.0), np.nan), (
            "% of what the device alone would allow, drawing and injecting together"
        )
    return energy, "kWh, drawing and injecting together"


def _draw_objective(axes: Axes, got: FloatArray, kinds: list[str], unit: str) -> None:
    at = np.arange(len(got))
    colours = [kind_colour(kind) for kind in kinds]
    size = float(np.clip(1500.0 / max(len(got), 1), 4.0, 34.0))
    if len(got) <= 200:
        axes.vlines(
            at, 0.0, got, color=colours, linewidth=float(np.clip(160.0 / len(got), 0.6, 2.2)), alpha=0.35
        )
    axes.scatter(at, got, s=size, c=colours, linewidth=0, zorder=3, rasterized=len(got) > 600)
    mean = float(np.nanmean(got)) if np.isfinite(got).any() else 0.0
    axes.axhline(mean, color=INK, linewidth=0.7, linestyle=(0, (4, 3)), zorder=2)
    axes.set_xlim(-0.8, len(got) - 0.2)
    axes.set_ylim(0.0, 106.0 if unit.startswith("%") else None)
    if unit.startswith("%"):
        axes.set_yticks([0, 50, 100])
    axes.tick_params(labelsize=7.6, labelbottom=False, bottom=False)
    axes.spines["bottom"].set_color(RULE)
    quiet_grid(axes)


def _say(axes: Axes, objective: str, figures: dict[str, Any], is_chosen: bool) -> None:
    """Name, meaning and figures of an objective, left of its row."""
    jain, price = figures.get("jain_index"), figures.get("price_of_fairness_share")
    numbers = "" if jain is None else f"Jain {jain:.3f}"
    numbers += "" if price is None else f"  ·  {100 * price:.1f} % given up"
    texts = (
        (0.80, objective + ("  ← used here" if is_chosen else ""), INK, "bold", 8.8),
        (0.50, OBJECTIVE_WORDS.get(objective, ""), MUTED, "normal", 7.6),
        (0.22, numbers, INK, "normal", 8.2),
    )
    for above, text, colour, weight, size in texts:
        axes.text(
            -0.34, above, text, transform=axes.transAxes, color=colour, fontweight=weight, fontsize=size
        )


def _separate(axes: Axes, groups: list[tuple[str, int, int]]) -> None:
    for _, first, _last in groups[1:]:
        axes.axvline(first - 0.5, color=RULE, linewidth=0.8)


def _name(axes: Axes, book: AssetBook, order: IntArray, groups: list[tuple[str, int, int]]) -> None:
    """Kinds under their assets, and the assets themselves where they are few."""
    below = -0.16
    if len(order) <= _MOST_NAMED:
        for place, asset in enumerate(order):
            axes.text(
                place,
                below,
                shorten(book.name[asset], max(8, 90 // len(order))),
                ha="center",
                va="top",
                transform=axes.get_xaxis_transform(),
                fontsize=7.6,
                color=MUTED,
            )
        below = -0.42
    for kind, first, last in groups:
        many = last - first + 1
        wide = many / len(order)
        label = f"{many} {kind_words(kind, many)}" if wide > 0.11 else f"{many}"
        axes.text(
            (first + last) / 2.0,
            below,
            label,
            ha="center",
            va="top",
            color=kind_colour(kind),
            fontweight="bold",
            transform=axes.get_xaxis_transform(),
        )
    axes.text(
        1.0,
        below - 0.26,
        "within a kind, the nearest to the source stands first",
        ha="right",
        va="top",
        transform=axes.transAxes,
        fontsize=7.8,
        color=MUTED,
    )
