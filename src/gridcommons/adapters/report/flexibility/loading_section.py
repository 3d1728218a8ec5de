"""Loading and voltage before and after: a panel for each branch and bus near its limit, a line a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.loads import (
    NEAR_PU,
    NEAR_SHARE,
    Branches,
    Buses,
    find_branches,
    find_buses,
    voltage_margin_pu,
)
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import stage_colour, stage_name
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import (
    Shape,
    draw_step,
    edges,
    fill_step,
    legend,
    make_panels,
    title,
)
from gridcommons.adapters.report.style import BROKEN, Chart, finish, quiet_grid, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BRANCHES, _MOST_BUSES = 6, 4
_SHAPE = Shape(columns=2, height=1.75)


def loading_section(found: Material) -> Section | None:
    """Loadings and voltages by stage; None where the result has neither."""
    if "branch_loadings" not in found.tables and "bus_voltages" not in found.tables:
        return None
    branches = find_branches(found)
    buses, more = find_buses(found)
    body = html.text(_said())
    if branches.name:
        body += html.figure(_draw_branches(found, branches))
        body += _hidden(len(branches.name) - _MOST_BRANCHES, "branches come near their limit")
    else:
        body += html.nothing(f"No branch comes above {100 * NEAR_SHARE:.0f} % of its limit in any stage.")
    body += "<h3>Voltages</h3>"
    if buses.name:
        body += html.figure(_draw_buses(found, buses))
        body += _hidden(more + max(len(buses.name) - _MOST_BUSES, 0), "buses come as near to a voltage limit")
    else:
        body += html.nothing(f"No bus comes within {NEAR_PU:g} pu of a voltage limit in any stage.")
    return Section("loading", "Loading before and after", body)


def _said() -> str:
    return (
        "The worst first; every stage is checked by AC load flow. A loading is the current as power at "
        "nominal voltage, whichever way it flows, so it is never negative. Shaded: beyond the limit. The "
        "axes do not start at 0. Of voltages the worst bus of each feeder."
    )


def _hidden(count: int, words: str) -> str:
    return html.text(f"{number(count)} more {words} and are not shown.") if count > 0 else ""


def _entries(found: Material) -> list[tuple[str, str, str]]:
    return [("━", stage_colour(stage), stage_name(stage)) for stage in found.stages]


def _draw_branches(found: Material, branches: Branches) -> Chart:
    shown = branches.name[:_MOST_BRANCHES]
    figure, axes = make_panels(len(shown), _SHAPE)
    legend(figure, [*_entries(found), ("╌", BROKEN, "limit")], "loading by stage")
    said = []
    for place, (panel, name) in enumerate(zip(axes, shown, strict=True)):
        values, limit = branches.value[:, :, place], branches.limit[:, place]
        excess = np.nan_to_num(values - limit)
        unit = branches.unit[place]
        _draw_limited(panel, found, values, limit)
        words = _worst_words(found, excess, unit)
        title(panel, f"{name} [{unit}]", words, is_broken=bool((excess[0] > 0.05).any()))
        said.append(f"{name}: {words}")
        time_axis(panel, edges(found.clock), found.clock.timezone, label=place == len(shown) - 1)
    return finish(figure, f"Loading by stage. {'; '.join(said)}", "loading")


def _worst_words(found: Material, excess: np.ndarray, unit: str) -> str:
    """By how much each stage is beyond the limit: ``baseline +585 kW at 17:00, then none``."""
    said = []
    for stage, over in zip(found.stages, excess, strict=True):
        step = int(np.argmax(over))
        if over[step] > 0.05:
            said.append(
                f"{stage_name(stage)} +{number(float(over[step]), 1)} {unit} at {found.clock.brief(step)}"
            )
        elif said:
            said.append(f"{stage_name(stage)} within")
            break
    return ", ".join(said) or "within its limit in every stage"


def _draw_limited(axes: Axes, found: Material, values: np.ndarray, limit: np.ndarray) -> None:
    clock = found.clock
    last = len(found.stages) - 1
    for place, stage in enumerate(found.stages):
        fill_step(axes, clock, limit, values[place], (BROKEN, 0.22))
        draw_step(axes, clock, values[place], stage_colour(stage), 1.9 if place == last else 1.3)
    _draw_limit(axes, found, limit)
    quiet_grid(axes)
    axes.margins(y=0.08)


def _draw_limit(axes: Axes, found: Material, limit: np.ndarray) -> None:
    axes.step(
        edges(found.clock),
        np.append(limit, limit[-1]),
        where="post",
        color=BROKEN,
        linewidth=1.0,
        linestyle=(0, (4, 2)),
    )


def _draw_buses(found: Material, buses: Buses) -> Chart:
    shown = buses.name[:_MOST_BUSES]
    figure, axes = make_panels(len(shown), _SHAPE)
    margin = voltage_margin_pu(found)
    entries = [*_entries(found), ("╌", BROKEN, "limit")]
    entries += [("░", BROKEN, f"security margin {margin:g} pu")] if margin else []
    legend(figure, entries, "voltage [pu]")
    said = []
    for place, (panel, name) in enumerate(zip(axes, shown, strict=True)):
        _draw_voltage(panel, found, buses, place)
        words = ", ".join(
            f"{stage_name(stage)} {number(float(np.fmin.reduce(values)), 4)}"
            for stage, values in zip(found.stages, buses.vm_pu[:, :, place], strict=True)
        )
        title(panel, name, f"lowest: {words} pu")
        said.append(f"{name}: {words}")
        time_axis(panel, edges(found.clock), found.clock.timezone, label=place == len(shown) - 1)
    return finish(figure, f"Voltages by stage; lowest of each. {'; '.join(said)}", "voltages")


def _draw_voltage(axes: Axes, found: Material, buses: Buses, place: int) -> None:
    clock, margin, last = found.clock, voltage_margin_pu(found), len(found.stages) - 1
    values = buses.vm_pu[:, :, place]
    spread = (float(np.nanmin(values)), float(np.nanmax(values)))
    for row, stage in enumerate(found.stages):
        draw_step(axes, clock, values[row], stage_colour(stage), 1.9 if row == last else 1.3)
    for limit, sign in ((buses.vm_min_pu[:, place], 1.0), (buses.vm_max_pu[:, place], -1.0)):
        # The far end of the band would flatten the picture.
        if not np.isfinite(limit).all() or abs(limit.min() - np.clip(limit.min(), *spread)) > 0.02:
            continue
        inside = limit + sign * margin
        fill_step(axes, clock, np.minimum(limit, inside), np.maximum(limit, inside), (BROKEN, 0.10))
        for line in values:
            low, high = (line, limit) if sign > 0 else (limit, line)
            fill_step(axes, clock, low, high, (BROKEN, 0.22))
        _draw_limit(axes, found, limit)
    quiet_grid(axes)
    axes.margins(y=0.08)
