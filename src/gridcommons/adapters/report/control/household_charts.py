"""What each household felt: how each figure spreads over the households, by scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.control.counts import Counts
from gridcommons.adapters.report.control.household_book import HouseholdBook
from gridcommons.adapters.report.control.scenario_words import (
    scenario_colours,
    scenario_name,
    short_name,
    stress_name,
)
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.html import nothing, table
from gridcommons.adapters.report.html import text as paragraph
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    quiet_grid,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMED = 20
_ROW_INCH = 0.27
_LEFT_INCH = 2.05
KEY = (
    "dot: median, with its value  ·  thick: the middle half of the households  ·  thin: the middle 80 %"
    "  ·  ring: the last household to either side"
)
Spread = Callable[[HouseholdBook, Counts, str], FloatArray]


@dataclass(frozen=True)
class Measure:
    """A figure of households: heading, unit, how it is written at the median, and its values by scenario."""

    heading: str
    unit: str
    write: Callable[[float], str]
    values: Spread


def charging_delay_hours(book: HouseholdBook, counts: Counts, scenario: str) -> FloatArray:
    """How much later cars were charged, on the mean of their energy; households with a car [h]."""
    rows = book.of(scenario, counts.focus)
    return np.zeros(0) if rows is None else _finite(rows["charging_delay_hours"])


def heat_deferred_kwh(book: HouseholdBook, counts: Counts, scenario: str) -> FloatArray:
    """Heat put off over the result; households with a heat pump [kWh]."""
    rows = book.of(scenario, counts.focus)
    return np.zeros(0) if rows is None else rows["heat_deferred_kwh"][rows["heat_kwh"] > 0.0]


def self_consumption_percent(book: HouseholdBook, counts: Counts, scenario: str) -> FloatArray:
    """What of its own generation a household uses itself; households with a solar plant [%]."""
    rows = book.of(scenario, counts.focus)
    return np.zeros(0) if rows is None else 100.0 * _finite(rows["self_consumption_share"])


def extra_cost(book: HouseholdBook, counts: Counts, scenario: str) -> FloatArray:
    """What a household with a solar plant pays more than with storage alone, in the currency of the study.

    Nothing for today's mix, which has other devices; where the result has no storage alone the cost itself.
    """
    rows = book.of(scenario, counts.focus)
    before = book.of("storage", counts.focus)
    if rows is None:
        return np.zeros(0)
    if before is None:
        return _finite(rows["cost"])
    if scenario.startswith("status_quo"):
        return np.zeros(0)
    return _finite((rows["cost"] - before["cost"])[rows["generation_kwh"] > 0.0])


def _finite(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values)]


def household_measures(book: HouseholdBook, counts: Counts) -> list[Measure]:
    """The figures that are drawn."""
    has_storage = book.of("storage", counts.focus) is not None
    money = f"{book.currency}, " if book.currency else ""
    bill = ("Cost", f"{money}of all")
    if has_storage:
        bill = ("Cost against storage", f"{money}+ = dearer, with solar")
    figures = [
        Measure("Cars charged later", "hours, with a car", lambda v: number(v, 1), charging_delay_hours),
        Measure("Heat put off", "kWh, with a heat pump", lambda v: number(v), heat_deferred_kwh),
        Measure("Self-consumption", "% of own solar energy", lambda v: number(v), self_consumption_percent),
        Measure(*bill, lambda v: number(v), extra_cost),
    ]
    return [each for each in figures if any(len(each.values(book, counts, s)) for s in counts.scenarios)]


def draw_households(book: HouseholdBook, counts: Counts) -> Chart:
    """A column a figure, a row a scenario: median, middle half, middle 80 % and the ends."""
    shown = [s for s in counts.scenarios if book.of(s, counts.focus) is not None]
    measures = household_measures(book, counts)
    tall = _ROW_INCH * len(shown)
    high = tall + 1.02
    figure = make_figure(high)
    width = (WIDTH_INCH - _LEFT_INCH) / len(measures)
    said = []
    for column, measure in enumerate(measures):
        left = (_LEFT_INCH + column * width) / WIDTH_INCH
        axes = figure.add_axes((left, 0.50 / high, (width - 0.30) / WIDTH_INCH, tall / high))
        spreads = [measure.values(book, counts, s) for s in shown]
        draw_spreads(axes, spreads, [scenario_colours(counts.scenarios)[s] for s in shown], measure)
        if column == 0:
            name_rows(axes, shown)
        medians = [
            f"{scenario_name(s)} {measure.write(float(np.median(values)))}"
            for s, values in zip(shown, spreads, strict=True)
            if len(values)
        ]
        said.append(f"{measure.heading} ({measure.unit}): {', '.join(medians) or 'no household'}")
    figure.text(
        0.0,
        0.08 / high,
        KEY,
        fontsize=8,
        color=MUTED,
    )
    return finish(figure, "Medians over the households. " + "; ".join(said), "households")


def draw_spreads(axes: Axes, spreads: Sequence[FloatArray], colours: Sequence[str], measure: Measure) -> None:
    """A row for each spread, from the top."""
    last = len(spreads) - 1
    for place, (values, colour) in enumerate(zip(spreads, colours, strict=True)):
        y = last - place
        if not len(values):
            axes.annotate("–", (0.0, y), xycoords=("axes fraction", "data"), va="center", color=MUTED)
            continue
        low, first, middle, third, high = np.quantile(values, (0.1, 0.25, 0.5, 0.75, 0.9))
        axes.plot([low, high], [y, y], color=colour, linewidth=1.2, solid_capstyle="butt")
        axes.plot([first, third], [y, y], color=colour, linewidth=5.0, alpha=0.55, solid_capstyle="butt")
        ends = [float(values.min()), float(values.max())]
        axes.scatter(ends, [y, y], s=9, facecolor="white", edgecolor=colour, linewidth=0.8, zorder=3)
        axes.scatter([middle], [y], s=20, color=colour, edgecolor="white", linewidth=0.7, zorder=4)
        axes.annotate(
            measure.write(float(middle)),
            (middle, y),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=7.4,
            color=INK,
        )
    axes.set_ylim(-0.6, last + 0.75)
    axes.set_yticks([])
    quiet_grid(axes, "x")
    axes.margins(x=0.06)
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(labelsize=7.8)
    axes.set_title(measure.heading, fontsize=8.8, pad=18)
    axes.annotate(
        measure.unit,
        (0.0, 1.0),
        xycoords="axes fraction",
        xytext=(0, 6),
        textcoords="offset points",
        fontsize=7.8,
        color=MUTED,
    )


def name_rows(axes: Axes, shown: Sequence[str]) -> None:
    """Names of scenarios on the left, from the top."""
    for place, scenario in enumerate(shown):
        axes.annotate(
            short_name(scenario) if scenario else "",
            (0.0, len(shown) - 1 - place),
            xycoords=("axes fraction", "data"),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8.4,
            annotation_clip=False,
        )


def household_table(book: HouseholdBook, counts: Counts) -> str:
    """Medians and ends by scenario, and what all households felt together."""
    unit = f"[{book.currency}]" if book.currency else ""
    has_cost = any(each.heading.startswith("Cost") for each in household_measures(book, counts))
    cost = (
        {"cost#": f"cost, all together {unit}".rstrip(), "more#": "against storage alone"} if has_cost else {}
    )
    heads = {
        "scenario": "scenario",
        "delay#": "cars later, median / most [h]",
        "heat#": "heat put off, median / most [kWh]",
        "own#": "self-consumption, all together",
        **cost,
        "cold#": "heat not served [kWh]",
        "who#": "households without some heat",
    }
    before = book.felt("storage", counts.focus)
    rows = []
    for scenario in counts.scenarios:
        felt = book.felt(scenario, counts.focus)
        if felt is None:
            continue
        more = "–"
        if before is not None and scenario != "storage" and not scenario.startswith("status_quo"):
            more = _signed(felt.cost - before.cost)
        rows.append(
            {
                "scenario": short_name(scenario),
                "delay#": _ends(charging_delay_hours(book, counts, scenario), 1),
                "heat#": _ends(heat_deferred_kwh(book, counts, scenario), 0),
                "own#": percent(felt.self_consumption_share, 1),
                "cost#": number(felt.cost),
                "more#": more,
                "cold#": number(felt.unserved_kwh, 1 if felt.unserved_kwh else 0),
                "who#": number(felt.households_unserved),
            }
        )
    return table(heads, rows, [row["scenario"] == short_name(counts.strongest or "-") for row in rows])


def unserved_table(book: HouseholdBook) -> str:
    """Households whose heat pump was too small in some run, by name."""
    found = book.unserved()
    if not found:
        return nothing("No household goes without heat in any scenario.")
    heads = {"member": "household", "scenario": "scenario", "stress": "stress", "heat#": "not served [kWh]"}
    rows = [
        {
            "member": member,
            "scenario": scenario_name(scenario),
            "stress": stress_name(stress),
            "heat#": number(heat_kwh, 2),
        }
        for member, scenario, stress, heat_kwh in found[:_MOST_NAMED]
    ]
    hidden = len(found) - _MOST_NAMED
    more = f"and {number(hidden)} more, in the table household_energy beside this page."
    return table(heads, rows) + (paragraph(more) if hidden > 0 else "")


def _ends(values: FloatArray, digits: int) -> str:
    if not len(values):
        return "–"
    return f"{number(float(np.median(values)), digits)} / {number(float(values.max()), digits)}"


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0.5 else number(value)
