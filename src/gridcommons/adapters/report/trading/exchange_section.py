"""What is fed into the main grid over the day in each scenario, and what each cluster draws or can spare."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.balances import draw_balances
from gridcommons.adapters.report.clusters.lines import (
    draw_line,
    fill_between,
)
from gridcommons.adapters.report.figures import energy
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.style import (
    Chart,
    finish,
    make_figure,
    quiet_grid,
    time_axis,
)
from gridcommons.adapters.report.trading.material import MINUTES_PER_HOUR, Material
from gridcommons.adapters.report.trading.scenario_words import SCENARIO_WORDS, scenario_colour, scenario_name

_SURPLUS = "#f0c27a"
_LEAST_KWH = 0.05
_HEADING = "Fed into the main grid over the day"


def exchange_section(found: Material) -> Section | None:
    """Power fed in by scenario, and the balance of each cluster; None without either."""
    if found.last not in found.exchange:
        return None
    shown = shown_scenarios(found)
    listed = "; ".join(f"{scenario_name(name)}: {SCENARIO_WORDS.get(name, name)}" for name in shown)
    said = f"{listed[:1].upper()}{listed[1:]}. {_least(found)}"
    if "members" in found.scenarios and "members" not in shown:
        alone = energy(found.figure_in("members", "fed_in_kwh"))
        said += f" Members alone, who would feed in {alone}, are left out of this picture."
    body = html.text(said) + html.figure(draw_fed_in(found, shown))
    if found.switched is not None:
        body += "<h3>What each cluster draws and has to spare</h3>"
        body += html.figure(draw_balances(found.clock, found.switched))
    return Section("exchange", _HEADING, body)


def _least(found: Material) -> str:
    if surplus_kwh(found) < _LEAST_KWH:
        return "Together the members never have too much: whatever is fed in is drawn elsewhere."
    return (
        f"Shaded: what all members together have too much of, after losses, {energy(surplus_kwh(found))}; no "
        "topology can feed in less."
    )


def shown_scenarios(found: Material) -> list[str]:
    """Scenarios whose members share a grid, as in Figs. 12 and 13 of the source; else all."""
    together = [name for name in found.together if name in found.exchange]
    return together or list(found.exchange)


def surplus_kwh(found: Material) -> float:
    """What has to be fed in whatever the topology [kWh]."""
    return float(found.surplus_kw.sum() / MINUTES_PER_HOUR)


def draw_fed_in(found: Material, shown: list[str]) -> Chart:
    """A line a scenario over the surplus of all."""
    figure = make_figure(3.35)
    axes = figure.add_axes((0.055, 0.15, 0.93, 0.71))
    nought = np.zeros(found.clock.steps)
    fill_between(axes, found.bins, (nought, found.surplus_kw), (_SURPLUS, 0.75))
    for name in shown:
        draw_line(axes, found.bins, found.exchange[name].fed_in_kw, scenario_colour(name))
    axes.set_ylim(bottom=0.0)
    quiet_grid(axes)
    time_axis(axes, found.bins.dates, found.clock.timezone)
    entries = [("■", scenario_colour(name), _entry(found, name)) for name in shown]
    if surplus_kwh(found) >= _LEAST_KWH:
        entries.append(("■", _SURPLUS, "more than all members draw"))
    legend(figure, entries, "fed into the main grid [kW]")
    words = "; ".join(_entry(found, name) for name in shown)
    return finish(
        figure,
        f"Power fed into the main grid over the day. {words}; at least {energy(surplus_kwh(found))}.",
        "fedin",
    )


def _entry(found: Material, name: str) -> str:
    return f"{scenario_name(name)}: {energy(found.figure_in(name, 'fed_in_kwh'))}"
