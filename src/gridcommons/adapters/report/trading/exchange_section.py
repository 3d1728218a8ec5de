"""What is fed into the main grid over the day in each scenario, and what each cluster draws or can spare."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.panels import Shape, legend, make_panels, title
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.style import (
    EXPORT,
    IMPORT,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    time_axis,
)
from gridcommons.adapters.report.trading.lines import (
    draw_line,
    fill_between,
    fill_signed,
    note_zone,
    thin_bins,
)
from gridcommons.adapters.report.trading.material import MINUTES_PER_HOUR, Material
from gridcommons.adapters.report.trading.scenario_words import (
    SCENARIO_WORDS,
    energy,
    scenario_colour,
    scenario_name,
)
from gridcommons.adapters.report.trading.switch_day import SwitchDay

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
        alone = energy(found.figure("members", "fed_in_kwh"))
        said += f" Members alone, who would feed in {alone}, are left out of this picture."
    body = html.text(said) + html.figure(draw_fed_in(found, shown))
    if found.switched is not None:
        body += "<h3>What each cluster draws and has to spare</h3>"
        body += html.figure(draw_clusters(found, found.switched))
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
    return f"{scenario_name(name)}: {energy(found.figure(name, 'fed_in_kwh'))}"


def draw_clusters(found: Material, day: SwitchDay) -> Chart:
    """Net power of each cluster, blue above 0 and orange below."""
    count = len(day.clusters)
    figure, axes = make_panels(count, Shape(min(count, 3), 0.95, head=0.46, foot=0.38, top=0.30))
    bins, told = thin_bins(found.clock), []
    most = max(float(np.abs(bins.mean(net_kw)).max(initial=0.0)) for net_kw in day.net_kw.T)
    for place, panel in enumerate(axes):
        net_kw = day.net_kw[:, place]
        fill_signed(panel, bins, net_kw, (IMPORT, EXPORT))
        panel.set_ylim(-1.05 * max(most, 1e-3), 1.05 * max(most, 1e-3))
        quiet_grid(panel)
        time_axis(panel, bins.dates, found.clock.timezone, label=False, most_ticks=5)
        draws, spares = (float(np.maximum(sign * net_kw, 0.0).sum() / 60.0) for sign in (1.0, -1.0))
        remark = f"draws {energy(draws)}, has {energy(spares)} to spare"
        title(panel, day.clusters[place], remark)
        told.append(f"{day.clusters[place]}: {remark}")
    entries = [("■", IMPORT, "above 0: draws"), ("■", EXPORT, "below 0: has to spare")]
    legend(figure, entries, "net power, losses of its grid included [kW]")
    note_zone(figure, found.clock)
    words = f"Net power of {number(count)} clusters over the day. " + "; ".join(told)
    return finish(figure, words, "clusters")
