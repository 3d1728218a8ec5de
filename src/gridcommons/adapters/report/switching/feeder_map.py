"""The feeder before and after: power by thickness, voltage by colour, what is opened and closed marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.grid import Snapshot
from gridcommons.adapters.report.map import colour_bar, voltage_scale
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    shorten,
)
from gridcommons.adapters.report.switching.feeder_places import FeederPlaces, place_feeder
from gridcommons.adapters.report.switching.loss_material import SCENARIOS, LossMaterial
from gridcommons.model.grid import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

OPENED, CLOSED, LINE = "#c4501b", "#12936a", "#4a5663"
_TOP_INCH, _HEAD_INCH, _FOOT_INCH = 0.42, 0.44, 0.72
_MOST_NAMED_BUSES, _MOST_NAMED_SWITCHES = 45, 40


@dataclass(frozen=True, eq=False)
class Panel:
    """One topology as it is drawn.

    Parameters
    ----------
    heading : str
        Above it.
    closed : (branches,)
        Positions of the rows of ``grid_branches``.
    opened, joined : (branches,)
        Rows that are closed before and open after, and the other way round.
    p_kw : (branches,)
        Power over them [kW]; NaN where it is not known.
    snapshot : Snapshot or None
        Voltages; None where there are none.
    """

    heading: str
    closed: BoolArray
    opened: BoolArray
    joined: BoolArray
    p_kw: FloatArray
    snapshot: Snapshot | None


def draw_feeder(found: LossMaterial) -> Chart | None:
    """Both topologies below each other; None where the result does not describe grid or positions."""
    grid, closed = found.grid, found.closed
    if grid is None or not closed or found.limits is None:
        return None
    places = place_feeder(grid, closed["before"], closed["after"])
    panels = [_panel(found, scenario) for scenario in SCENARIOS]
    figure, axes = _axes(places, len(panels))
    known = [snapshot.vm_pu for snapshot in found.snapshots.values()] or [np.ones(1)]
    scale = voltage_scale(found.limits, known)
    most = max([float(np.nanmax(np.abs(p.p_kw), initial=0.0)) for p in panels] + [1e-9])
    for place, (panel, at) in enumerate(zip(panels, axes, strict=True)):
        _draw_lines(at, places, panel, most)
        _draw_changes(at, places, panel, (found.branch_names, place == 1))
        _draw_buses(at, places, found, (panel, scale))
        _head(at, panel.heading)
    _legend(figure, found, most)
    if found.snapshots:
        colour_bar(figure, scale, "voltage at the buses [pu]")
    return finish(figure, _words(found, panels), "feeder")


def _panel(found: LossMaterial, scenario: str) -> Panel:
    before, after = found.closed["before"], found.closed["after"]
    heading = scenario.capitalize()
    if scenario in found.losses_kw:
        lost_kw = float(found.losses_kw[scenario][found.heaviest])
        heading += f": {number(lost_kw, 1)} kW are lost"
    else:
        heading += ": no load flow solution"
    return Panel(
        heading,
        found.closed[scenario],
        before & ~after,
        after & ~before,
        found.flow_kw(scenario),
        found.snapshots.get(scenario),
    )


def _axes(places: FeederPlaces, count: int) -> tuple[Figure, list[Axes]]:
    wide, high = float(np.ptp(places.x)), float(np.ptp(places.y))
    if places.is_map:
        height = float(np.clip(WIDTH_INCH * high / wide if wide > 0.0 else 4.4, 1.6, 4.6))
    else:
        rows = high + 1.7
        height = float(np.clip(2.4, 0.30 * rows, 0.52 * rows))
    total = _TOP_INCH + count * (_HEAD_INCH + height) + _FOOT_INCH
    figure, axes = make_figure(total), []
    for place in range(count):
        bottom = total - _TOP_INCH - (place + 1) * (_HEAD_INCH + height)
        panel = figure.add_axes((0.005, bottom / total, 0.99, height / total))
        panel.set_axis_off()
        if places.is_map:
            panel.set_aspect("equal", adjustable="datalim")
            panel.margins(0.04, 0.06)
        else:
            panel.set_xlim(places.x.min() - 0.6, places.x.max() + 0.8)
            panel.set_ylim(places.y.min() - 0.8, places.y.max() + 0.9)
        axes.append(panel)
    return figure, axes


def _draw_lines(axes: Axes, places: FeederPlaces, panel: Panel, most: float) -> None:
    from matplotlib.collections import LineCollection

    wide = 0.9 + 4.6 * np.sqrt(np.nan_to_num(np.abs(panel.p_kw)) / most)
    changed = panel.opened | panel.joined
    looks = (
        (panel.closed & ~changed, LINE, "-"),
        (~panel.closed & ~changed, MUTED, (0, (1, 2.4))),
        (panel.closed & panel.opened, OPENED, "-"),
        (panel.closed & panel.joined, CLOSED, "-"),
        (~panel.closed & panel.opened, OPENED, (0, (1, 1.6))),
        (~panel.closed & panel.joined, CLOSED, (0, (1, 1.6))),
    )
    for which, colour, dashes in looks:
        rows = np.flatnonzero(which)
        is_open = isinstance(dashes, tuple)
        widths = [1.2] * len(rows) if is_open else list(wide[rows])
        axes.add_collection(
            LineCollection(
                [places.paths[row] for row in rows],
                colors=colour,
                linewidths=widths,
                linestyles=[dashes],
                capstyle="butt" if is_open else "round",
                zorder=2 if colour in (LINE, MUTED) else 3,
            )
        )
    if places.is_map:
        axes.autoscale_view()


def _draw_changes(axes: Axes, places: FeederPlaces, panel: Panel, what: tuple[list[str], bool]) -> None:
    """A mark on each branch that is moved, filled where it is closed, and its name in the second panel."""
    names, is_named = what
    rows = np.flatnonzero(panel.opened | panel.joined)
    for row in rows:
        x, y = places.middle(int(row))
        colour = OPENED if panel.opened[row] else CLOSED
        fill = colour if panel.closed[row] else "white"
        axes.scatter(x, y, s=26, marker="s", color=fill, edgecolor=colour, linewidth=1.2, zorder=6)
        if is_named and len(rows) <= _MOST_NAMED_SWITCHES:
            axes.annotate(
                shorten(names[row], 14), (x, y), xytext=(0, 5), textcoords="offset points", ha="center",
                fontsize=7.0, fontweight="bold", color=colour, zorder=8,
                bbox={"facecolor": "white", "alpha": 0.78, "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip


def _draw_buses(
    axes: Axes,
    places: FeederPlaces,
    found: LossMaterial,
    what: tuple[Panel, tuple[Normalize, Colormap, list[float]]],
) -> None:
    panel, (norm, colours, _) = what
    assert found.grid is not None
    x, y, is_source = places.x, places.y, found.grid.ways.is_source
    size = float(np.clip(1500.0 / max(len(x), 1), 9.0, 34.0))
    snapshot = panel.snapshot
    vm_pu = np.full(len(x), np.nan) if snapshot is None else snapshot.vm_pu
    lit = np.isfinite(vm_pu)
    low = np.zeros(len(x), dtype=np.bool_) if snapshot is None else snapshot.too_low
    high = np.zeros(len(x), dtype=np.bool_) if snapshot is None else snapshot.too_high
    groups = (
        (lit & ~low & ~high & ~is_source, "o", size),
        (low, "v", 1.9 * size),
        (high, "^", 1.9 * size),
        (lit & is_source, "s", 2.0 * size),
    )
    for which, marker, area in groups:
        edge, wide = (BROKEN, 1.0) if marker in "v^" else (INK, 0.45)
        shades = colours(norm(vm_pu[which]))
        axes.scatter(
            x[which], y[which], s=area, c=shades, marker=marker, edgecolor=edge, linewidth=wide, zorder=5
        )
    axes.scatter(x[~lit], y[~lit], s=size, marker="x", color=MUTED, linewidth=0.8, zorder=5)
    if len(x) <= _MOST_NAMED_BUSES and not places.is_map:
        for number_, name in enumerate(found.grid.buses.names):
            axes.annotate(
                shorten(name, 8), (x[number_], y[number_]), xytext=(3, -4), textcoords="offset points",
                va="top", fontsize=6.8, color=MUTED, zorder=4,
            )  # fmt: skip


def _head(axes: Axes, heading: str) -> None:
    high = axes.get_position().height * float(axes.figure.get_figheight())  # type: ignore[union-attr]
    axes.text(
        0.0, 1.0 + 0.14 / high, heading, transform=axes.transAxes, fontweight="bold", fontsize=9.2, color=INK
    )


def _legend(figure: Figure, found: LossMaterial, most: float) -> None:
    entries = [("■", OPENED, "is opened"), ("■", CLOSED, "is closed"), ("┄", MUTED, "open before and after")]
    if found.snapshots:
        seen = found.snapshots.values()
        entries += [("▼", BROKEN, "voltage too low")] if any(each.too_low.any() for each in seen) else []
        entries += [("▲", BROKEN, "voltage too high")] if any(each.too_high.any() for each in seen) else []
    said = f"thickness: power, the thickest {number(most)} kW" if most > 1e-6 else ""
    legend(figure, entries, said)


def _words(found: LossMaterial, panels: list[Panel]) -> str:
    positions = found.positions
    assert positions is not None
    opened, closed = ", ".join(positions.opened) or "nothing", ", ".join(positions.closed) or "nothing"
    heads = "; ".join(panel.heading for panel in panels)
    return f"The feeder before and after. {heads}. Opened: {opened}. Closed: {closed}."
