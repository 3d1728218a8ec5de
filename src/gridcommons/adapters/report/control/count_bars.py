"""How often the station is beyond its limit: bars by scenario, level of stress and direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridcommons.adapters.report.control.counts import DIRECTIONS, Counts
from gridcommons.adapters.report.control.scenario_words import (
    reference_of,
    scenario_colours,
    scenario_name,
    short_name,
    stress_name,
)
from gridcommons.adapters.report.figures import fine_percent, number
from gridcommons.adapters.report.html import table
from gridcommons.adapters.report.style import INK, MUTED, WIDTH_INCH, Chart, finish, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEADINGS = {
    "load": "Load violations: intervals with more drawn than the limit (net power above it)",
    "feed_in": "Feed-in violations: intervals with more fed in than the limit (net power below minus it)",
}
_ROW_INCH = 0.215
_LEFT_INCH = 2.05


def draw_bars(counts: Counts) -> Chart:
    """A row of panels a direction, a panel a level of stress, a bar a scenario."""
    tall = _ROW_INCH * len(counts.scenarios)
    broken = [d for d in DIRECTIONS if is_broken(counts, d)] or ["load"]
    high = len(broken) * (tall + 0.80)
    figure = make_figure(high)
    width = (WIDTH_INCH - _LEFT_INCH) / len(counts.stresses)
    for row, direction in enumerate(broken):
        bottom = high - (row + 1) * (tall + 0.80) + 0.14
        most = max([counts.at(s, direction, x) for s in counts.scenarios for x in counts.stresses] + [1])
        figure.text(0.0, (bottom + tall + 0.40) / high, _HEADINGS[direction], fontweight="bold", fontsize=9.2)
        for column, stress in enumerate(counts.stresses):
            left = (_LEFT_INCH + column * width) / WIDTH_INCH
            axes = figure.add_axes((left, bottom / high, (width - 0.12) / WIDTH_INCH, tall / high))
            _draw_panel(axes, counts, direction, stress)
            axes.set_xlim(0, most / 0.60)
            if column == 0:
                _name_rows(axes, counts)
    return finish(figure, _words(counts), "bars")


def is_broken(counts: Counts, direction: str) -> bool:
    """Whether any scenario is ever beyond the limit in a direction."""
    return any(counts.at(s, direction, x) for s in counts.scenarios for x in counts.stresses)


def count_table(counts: Counts) -> str:
    """Intervals beyond the limit by scenario and stress, load / feed-in, and the energy in focus."""
    heads = {"scenario": "scenario"}
    heads |= {f"{x}#": f"{stress_name(x)}: load / feed\u2011in" for x in counts.stresses}
    heads |= {
        "load#": f"load beyond, {stress_name(counts.focus)} [kWh]",
        "feed_in#": f"feed-in beyond, {stress_name(counts.focus)} [kWh]",
    }
    rows = []
    for s in counts.scenarios:
        row = {"scenario": short_name(s)}
        for x in counts.stresses:
            row[f"{x}#"] = " / ".join(number(counts.at(s, d, x)) for d in DIRECTIONS)
        for d in DIRECTIONS:
            row[f"{d}#"] = number(counts.excess_kwh.get((s, counts.focus, d), 0.0))
        rows.append(row)
    return table(heads, rows, [s == counts.strongest for s in counts.scenarios])


def change_words(counts: Counts, scenario: str, direction: str, stress: str) -> str:
    """How a count changed against the scenario's reference: ``−50 %``, ``+3 %``, ``as before``."""
    change = counts.change(scenario, direction, stress)
    if change is None:
        return ""
    if change == 0.0:
        return "as before"
    return f"{'+' if change > 0.0 else chr(0x2212)}{fine_percent(abs(change))}"


def _draw_panel(axes: Axes, counts: Counts, direction: str, stress: str) -> None:
    colours = scenario_colours(counts.scenarios)
    last = len(counts.scenarios) - 1
    for place, scenario in enumerate(counts.scenarios):
        y, value = last - place, counts.at(scenario, direction, stress)
        axes.barh(y, value, height=0.74, color=colours[scenario], linewidth=0)
        axes.annotate(
            number(value),
            (value, y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.2,
            color=INK if value else MUTED,
            fontweight="bold" if value else "normal",
        )
        # A thin space is narrower than a figure.
        wide = 5.8 * len(str(value)) + 2.2 * (len(number(value)) - len(str(value))) + 10.0
        axes.annotate(
            change_words(counts, scenario, direction, stress),
            (value, y),
            xytext=(wide, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.8,
            color=MUTED,
        )
    axes.set_ylim(-0.6, last + 0.6)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    name = f"{stress_name(stress)} · limit {number(counts.limits_kw[stress])} kW"
    axes.set_title(name, fontsize=8.2, fontweight="normal", color=MUTED, pad=4)


def _name_rows(axes: Axes, counts: Counts) -> None:
    last = len(counts.scenarios) - 1
    for place, scenario in enumerate(counts.scenarios):
        axes.annotate(
            short_name(scenario),
            (0, last - place),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8.4,
            annotation_clip=False,
        )


def reference_words(counts: Counts) -> str:
    """What the changes beside the bars are held against."""
    pairs = [reference_of(s) for s in counts.scenarios if reference_of(s) in counts.scenarios]
    none = [d.replace("_", "-") for d in DIRECTIONS if not is_broken(counts, d)]
    never = f" No scenario is ever beyond it by {' or by '.join(none)}." if none else ""
    said = []
    if "storage" in counts.scenarios and "base_2030" in pairs:
        said.append("storage against 2030 without it")
    if any(counts.change(s, d) is not None for s in counts.controlled for d in DIRECTIONS):
        said.append("a control against the same mix without it")
    return never + (f" Beside the bars, the change: {', '.join(said)}." if said else "")


def _words(counts: Counts) -> str:
    said = []
    for direction in DIRECTIONS:
        for stress in counts.stresses:
            each = ", ".join(
                f"{scenario_name(s)} {counts.at(s, direction, stress)}" for s in counts.scenarios
            )
            said.append(f"{direction.replace('_', '-')} at {stress_name(stress)}: {each}")
    return "Intervals beyond the limit. " + "; ".join(said)
