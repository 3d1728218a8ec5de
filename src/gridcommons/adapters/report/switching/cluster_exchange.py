"""What is exchanged with the main grid before and after, and how far that is from the best."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.balances import draw_balances
from gridcommons.adapters.report.clusters.lines import draw_line, fill_between
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import Shape, legend, make_panels, title
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.style import Chart, finish, make_figure, quiet_grid, time_axis
from gridcommons.adapters.report.switching.cluster_lead import how_good
from gridcommons.adapters.report.switching.cluster_material import COLOURS, SCENARIOS, ClusterMaterial

_SAVED, _ABOVE, _BEST = "#bfe3d4", "#f0c27a", "#8464b0"
_PANELS = {"fed_in": "Fed into the main grid [kW]", "absorbed": "Drawn from the main grid [kW]"}
_LEAST_KW = 1e-6


def exchange_section(found: ClusterMaterial) -> Section | None:
    """Power fed in and drawn, before and after, and the balance of each cluster; None without any."""
    if not found.exchange_kw:
        return None
    said = "Before: the switches as the study has them all the time. After: as planned for each interval."
    body = html.text(said) + html.figure(draw_exchange(found)) + exchange_table(found)
    if found.day is not None:
        body += "<h3>What each cluster draws and has to spare, after</h3>"
        body += html.figure(draw_balances(found.clock, found.day))
    return Section("exchange", "Exchange with the main grid", body)


def draw_exchange(found: ClusterMaterial) -> Chart:
    """A panel a way: before and after, what is less filled."""
    figure, axes = make_panels(2, Shape(1, 1.45, head=0.34, foot=0.40, top=0.30))
    is_compared = len(found.exchange_kw) == len(SCENARIOS)
    for panel, (way, words) in zip(axes, _PANELS.items(), strict=True):
        if is_compared:
            before, after = (found.exchange_kw[name][way] for name in SCENARIOS)
            fill_between(panel, found.bins, (after, np.maximum(before, after)), (_SAVED, 0.8))
        for name, powers in found.exchange_kw.items():
            draw_line(panel, found.bins, powers[way], COLOURS[name])
        panel.set_ylim(bottom=0.0)
        quiet_grid(panel)
        time_axis(panel, found.bins.dates, found.clock.timezone, label=way == "absorbed")
        title(panel, words)
    entries = [("■", COLOURS[name], name) for name in found.exchange_kw]
    legend(figure, [*entries, ("■", _SAVED, "less after")] if is_compared else entries)
    told = "; ".join(
        f"{name} {energy(found.energy_kwh(name, 'fed_in'))} fed in, "
        f"{energy(found.energy_kwh(name, 'absorbed'))} drawn"
        for name in found.exchange_kw
    )
    return finish(figure, f"Exchange with the main grid over the window. {told}", "exchange")


def exchange_table(found: ClusterMaterial) -> str:
    """Energy each way, what is lost, and the highest power fed in, by scenario."""
    heads = {
        "name": "switches",
        "fed#": "fed in [kWh]",
        "drawn#": "drawn [kWh]",
        "losses#": "losses [kWh]",
        "most#": "fed in at most [kW]",
        "when": "at",
    }
    lines = []
    for name, powers in found.exchange_kw.items():
        step = int(np.argmax(powers["fed_in"]))
        most_kw = float(powers["fed_in"][step])
        line = {"name": name, "most#": number(most_kw, 1)}
        line["when"] = found.clock.brief(step) if most_kw > _LEAST_KW else "–"
        for key, way in (("fed#", "fed_in"), ("drawn#", "absorbed"), ("losses#", "losses")):
            line[key] = number(found.energy_kwh(name, way), 1)
        lines.append(line)
    return html.table(heads, lines, [line["name"] == "after" for line in lines])


def gap_section(found: ClusterMaterial) -> Section | None:
    """Plans against the best of all topologies; None where the result does not tell."""
    if found.gap_kw is None:
        return None
    said = how_good(found).replace("<b>", "").replace("</b>", "")
    said += (
        " The best is that of all topologies for the same balances, whatever its operations would cost. "
        "Neither has losses, and so both differ from what the load flow says above."
    )
    body = html.text(said.strip())
    above_kw = found.gap_kw[0] - found.gap_kw[1]
    count, worst = int((above_kw > _LEAST_KW).sum()), int(np.argmax(above_kw))
    if count:
        body += html.text(
            f"Above the best in {times(count, 'interval')} of {number(found.clock.steps)}, by "
            f"{number(float(above_kw[worst]), 1)} kW at most, at {found.clock.brief(worst)}."
        )
    return Section("gap", "How far from the best", body + html.figure(draw_gap(found)))


def draw_gap(found: ClusterMaterial) -> Chart:
    """Fed in as planned and by the best, what is above it filled."""
    assert found.gap_kw is not None
    planned_kw, best_kw = found.gap_kw
    figure = make_figure(2.5)
    axes = figure.add_axes((0.055, 0.19, 0.93, 0.65))
    fill_between(axes, found.bins, (best_kw, np.maximum(planned_kw, best_kw)), (_ABOVE, 0.8))
    draw_line(axes, found.bins, planned_kw, COLOURS["after"], 2.4)
    draw_line(axes, found.bins, best_kw, _BEST, 0.9)
    axes.set_ylim(bottom=0.0)
    quiet_grid(axes)
    time_axis(axes, found.bins.dates, found.clock.timezone)
    entries = [("■", COLOURS["after"], "as planned"), ("■", _BEST, "the best topology")]
    legend(figure, [*entries, ("■", _ABOVE, "above the best")], "fed in without losses [kW]")
    planned, best = (energy(float(values.sum() * found.clock.step_hours)) for values in found.gap_kw)
    return finish(figure, f"Fed in as planned {planned}, by the best topologies {best}.", "gap")
