"""Bars and spreads of two results: the first in full colour, the second below it and paler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.control.comparison_pair import Pair
from gridcommons.adapters.report.control.counts import DIRECTIONS
from gridcommons.adapters.report.control.household_charts import (
    KEY,
    draw_spreads,
    household_measures,
    name_rows,
)
from gridcommons.adapters.report.control.scenario_words import (
    scenario_colours,
    scenario_name,
    stress_name,
)
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_INCH = 0.30
_SPREAD_INCH = 0.25
_LEFT_INCH = 2.05
_PALER = 0.55
_HEADINGS = {"load": "Load violations [intervals]", "feed_in": "Feed-in violations [intervals]"}


def signed(change: int) -> str:
    """A difference with its sign: ``+3``, ``±0``."""
    return "±0" if change == 0 else f"+{number(change)}" if change > 0 else number(change)


def draw_paired_bars(pair: Pair) -> Chart:
    """A row of panels a direction, a panel a level of stress, two bars a scenario."""
    tall = _ROW_INCH * len(pair.scenarios)
    high = len(DIRECTIONS) * (tall + 0.80)
    figure = make_figure(high)
    width = (WIDTH_INCH - _LEFT_INCH) / len(pair.stresses)
    for row, direction in enumerate(DIRECTIONS):
        bottom = high - (row + 1) * (tall + 0.80) + 0.14
        most = max([max(pair.at(s, direction, x)) for s in pair.scenarios for x in pair.stresses] + [1])
        figure.text(0.0, (bottom + tall + 0.40) / high, _HEADINGS[direction], fontweight="bold", fontsize=9.2)
        for column, stress in enumerate(pair.stresses):
            left = (_LEFT_INCH + column * width) / WIDTH_INCH
            axes = figure.add_axes((left, bottom / high, (width - 0.12) / WIDTH_INCH, tall / high))
            _draw_bars(axes, pair, direction, stress)
            axes.set_xlim(0, most / 0.55)
            if column == 0:
                name_rows(axes, pair.scenarios)
    said = [
        f"{direction.replace('_', '-')} at {stress_name(stress)}: "
        + ", ".join(
            f"{scenario_name(s)} {pair.at(s, direction, stress)[0]} and {pair.at(s, direction, stress)[1]}"
            for s in pair.scenarios
        )
        for direction in DIRECTIONS
        for stress in pair.stresses
    ]
    return finish(figure, f"Intervals beyond the limit in both results. {'; '.join(said)}", "paired")


def _draw_bars(axes: Axes, pair: Pair, direction: str, stress: str) -> None:
    last = len(pair.scenarios) - 1
    colours = scenario_colours(tuple(pair.scenarios))
    for place, scenario in enumerate(pair.scenarios):
        y, values = last - place, pair.at(scenario, direction, stress)
        axes.barh(y + 0.19, values[0], height=0.36, color=colours[scenario], linewidth=0)
        axes.barh(y - 0.19, values[1], height=0.36, color=_paler(colours[scenario]), linewidth=0)
        axes.annotate(
            f"{number(values[0])} → {number(values[1])} ({signed(values[1] - values[0])})",
            (max(values), y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.0,
            color=INK if any(values) else MUTED,
        )
    axes.set_ylim(-0.6, last + 0.6)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_title(stress_name(stress), fontsize=8.2, fontweight="normal", color=MUTED, pad=4)


def draw_paired_spreads(pair: Pair) -> Chart:
    """A column a figure of households, two rows a scenario."""
    books = [result.book for result in pair.result]
    shown = [s for s in pair.scenarios if all(book.of(s, pair.focus) is not None for book in books)]
    colours = scenario_colours(tuple(pair.scenarios))
    both = [tone for s in shown for tone in (colours[s], _paler(colours[s]))]
    measures = household_measures(books[0], pair.result[0].counts)
    tall = 2 * _SPREAD_INCH * len(shown)
    high = tall + 1.02
    figure = make_figure(high)
    width = (WIDTH_INCH - _LEFT_INCH) / len(measures)
    said = []
    for column, measure in enumerate(measures):
        left = (_LEFT_INCH + column * width) / WIDTH_INCH
        axes = figure.add_axes((left, 0.50 / high, (width - 0.30) / WIDTH_INCH, tall / high))
        spreads = [measure.values(r.book, r.counts, s) for s in shown for r in pair.result]
        draw_spreads(axes, spreads, both, measure)
        if column == 0:
            name_rows(axes, [name for s in shown for name in (s, "")])
        medians = [measure.write(float(np.median(v))) if len(v) else "–" for v in spreads]
        each = zip(shown, medians[::2], medians[1::2], strict=True)
        said.append(f"{measure.heading}: " + ", ".join(f"{scenario_name(s)} {a} and {b}" for s, a, b in each))
    figure.text(0.0, 0.08 / high, KEY, fontsize=8, color=MUTED)
    return finish(figure, f"Medians over the households in both results. {'; '.join(said)}", "spreads")


def _paler(colour: str) -> str:
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (1.0 - _PALER * (1.0 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))
