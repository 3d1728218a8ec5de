"""Losses before and after: over time where they change, else as two bars."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.lines import draw_line, fill_between
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.style import INK, Chart, finish, make_figure, quiet_grid, time_axis
from gridcommons.adapters.report.switching.loss_material import COLOURS, LossMaterial

_SAVED = "#bfe3d4"


def loss_section(found: LossMaterial) -> Section | None:
    """Picture and table; None where the result holds no losses."""
    if not found.losses_kw:
        return None
    changes = has_changes(found)
    said = "" if changes else "Losses are the same in every interval. "
    if "before" not in found.losses_kw:
        said += "The load flow before has no solution, and so there is nothing to compare with."
    chart = draw_lines(found) if changes else draw_bars(found)
    body = (html.text(said.strip()) if said else "") + html.figure(chart) + loss_table(found)
    return Section("losses", "Losses before and after", body)


def has_changes(found: LossMaterial) -> bool:
    """Whether losses are not the same in every interval."""
    return any(np.ptp(values) > 1e-6 * np.max(np.abs(values)) for values in found.losses_kw.values())


def draw_lines(found: LossMaterial) -> Chart:
    """Losses of each interval; what is saved is filled."""
    figure = make_figure(3.0)
    axes = figure.add_axes((0.055, 0.165, 0.93, 0.70))
    if len(found.losses_kw) > 1:
        fill_between(axes, found.bins, (found.losses_kw["after"], found.losses_kw["before"]), (_SAVED, 0.8))
    for name, values in found.losses_kw.items():
        draw_line(axes, found.bins, values, COLOURS[name])
    axes.set_ylim(bottom=0.0)
    quiet_grid(axes)
    time_axis(axes, found.bins.dates, found.clock.timezone)
    entries = [("■", COLOURS[name], name) for name in found.losses_kw]
    entries += [("■", _SAVED, "between them: saved")] if len(found.losses_kw) > 1 else []
    legend(figure, entries, "losses of the grid [kW]")
    return finish(figure, _words(found), "losses")


def draw_bars(found: LossMaterial) -> Chart:
    """A bar a scenario."""
    count = len(found.losses_kw)
    high = 0.30 + 0.36 * count
    figure = make_figure(high)
    axes = figure.add_axes((0.06, 0.02, 0.80, (high - 0.28) / high))
    for place, (name, values) in enumerate(found.losses_kw.items()):
        value, y = float(values[0]), count - 1 - place
        axes.barh(y, value, height=0.62, color=COLOURS[name], linewidth=0)
        axes.annotate(
            f"{number(value, 1)} kW", (value, y), xytext=(6, 0), textcoords="offset points", va="center",
            fontweight="bold", color=INK,
        )  # fmt: skip
        axes.text(-0.01, y, name, transform=axes.get_yaxis_transform(), ha="right", va="center")
    axes.set_xlim(0.0, max(float(values[0]) for values in found.losses_kw.values()) or 1.0)
    axes.set_ylim(-0.5, count - 0.5)
    axes.set_axis_off()
    legend(figure, [], "losses of the grid in every interval [kW]")
    return finish(figure, _words(found), "losses")


def _words(found: LossMaterial) -> str:
    told = [f"{name} {number(float(v.mean()), 1)} kW in the mean" for name, v in found.losses_kw.items()]
    return "Losses of the grid: " + "; ".join(told)


def loss_table(found: LossMaterial) -> str:
    """Mean, energy, and the highest with its interval, by scenario."""
    heads = {
        "name": "topology",
        "mean#": "in the mean [kW]",
        "energy#": "over the window",
        "most#": "at most [kW]",
        "when": "at",
    }
    lines = []
    for name, values in found.losses_kw.items():
        step = int(np.argmax(values))
        lines.append(
            {
                "name": name,
                "mean#": number(float(values.mean()), 2),
                "energy#": energy(float(values.sum() * found.clock.step_hours)),
                "most#": number(float(values[step]), 2),
                "when": found.clock.brief(step) if has_changes(found) else "all\u00a0the\u00a0time",
            }
        )
    return html.table(heads, lines, [line["name"] == "after" for line in lines])
