"""The safe order of operations: one switch at a time, how far it leads, and why it ends there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    PALE,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    shorten,
)
from gridcommons.adapters.report.switching.feeder_map import CLOSED, OPENED
from gridcommons.adapters.report.switching.loss_material import LossMaterial
from gridcommons.adapters.report.switching.positions import Operation, Positions, count_loops

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR, _LOOP = "#d3ebe0", "#d9a300"
_ROW_INCH, _TOP_INCH, _LEFT_INCH, _CELL_INCH = 0.235, 0.66, 1.35, 0.62
_MOST_ROWS = 60

ENDS = {
    "goal": "The order leads to the topology found.",
    "nearest": "No safe order leads all the way to the topology found: this one ends at the safe topology "
    "that is nearest to it.",
    "stay": "No safe order leads anywhere: nothing is moved.",
}
"""Where an order ends, by the key of the summary."""


def operation_section(found: LossMaterial) -> Section | None:
    """Picture, table, and where the order ends; None where the result does not tell of switches."""
    positions = found.positions
    if positions is None:
        return None
    body = html.text(_said(found, positions))
    if positions.operations:
        body += html.figure(draw_order(found, positions))
    body += end_words(found, positions)
    if positions.operations:
        body += "<h3>Step by step</h3>" + order_table(found, positions)
    return Section("operations", "The order of operations", body)


def _said(found: LossMaterial, positions: Positions) -> str:
    if not positions.operations and not positions.left:
        return "The topology found is the present one: no switch is moved."
    said = (
        "One switch is moved at a time. After each operation whoever has a path to a source has it still, "
        "and no limit is broken that was not broken before, or by more"
    )
    when = (
        f", at the load of {found.clock.brief(found.heaviest)}, when most is lost" if found.is_timed else ""
    )
    said += f"{when}. A switch is closed before another is opened, so that loops exist for a moment."
    return said


def end_words(found: LossMaterial, positions: Positions) -> str:
    """Where the order ends, why, and what is left to be moved (HTML)."""
    end = str(found.summary.get("operations_end") or "")
    said = html.text(ENDS.get(end, f"The order ends: {end}.")) if end else ""
    reason = str(found.summary.get("operations_reason") or "")
    said += html.folded("Why it ends there", html.text(reason)) if len(reason) > 300 else ""
    said += html.text(f"Why it ends there: {reason}") if 0 < len(reason) <= 300 else ""
    if positions.left:
        said += html.text(f"Left to be moved: {listed([_told(move) for move in positions.left])}.")
    return said


def _told(move: Operation) -> str:
    return f"{move.verb} {move.switch}"


def loops_after(found: LossMaterial, positions: Positions) -> list[int]:
    """Loops, or sources in parallel, at the start and after each operation; empty without a grid."""
    if found.grid is None:
        return []
    ways = found.grid.ways
    ends = np.stack([ways.from_bus, ways.to_bus], axis=1)
    return [count_loops(ends, found.closed_at(stage), ways.is_source) for stage in positions.stages]


def draw_order(found: LossMaterial, positions: Positions) -> Chart:
    """A strip a switch over the operations: closed or open, and where it is moved; loops below."""
    moved = list(dict.fromkeys(move.switch for move in positions.operations))[:_MOST_ROWS]
    loops = loops_after(found, positions)
    count, rows = len(positions.stages), len(moved) + bool(loops)
    high = _TOP_INCH + _ROW_INCH * rows + 0.08
    figure = make_figure(high)
    wide = min(WIDTH_INCH - _LEFT_INCH - 0.05, _CELL_INCH * count)
    axes = figure.add_axes((_LEFT_INCH / WIDTH_INCH, 0.04 / high, wide / WIDTH_INCH, _ROW_INCH * rows / high))
    axes.set_xlim(0, count)
    axes.set_ylim(rows, 0)
    axes.set_axis_off()
    for place, name in enumerate(moved):
        _draw_strip(axes, positions, name, place)
    for place in range(count):
        words = "start" if place == 0 else str(place)
        axes.text(place + 0.5, -0.25, words, ha="center", fontsize=7.6, color=MUTED)
    if loops:
        _draw_loops(axes, loops, len(moved))
    entries = [
        ("■", _BAR, "closed"),
        ("■", "#e3e7ea", "open"),
        ("●", CLOSED, "closes"),
        ("●", OPENED, "opens"),
    ]
    legend(figure, entries, "operations from left to right")
    told = "; ".join(f"{place}. {_told(move)}" for place, move in enumerate(positions.operations, 1))
    return finish(figure, f"The order of {times(count - 1, 'operation')}: {told}", "order")


def _draw_strip(axes: Axes, positions: Positions, name: str, place: int) -> None:
    for column, stage in enumerate(positions.stages):
        colour = _BAR if stage[name] else PALE
        axes.barh(place + 0.5, 1.0, left=column, height=0.80, color=colour, linewidth=0)
    for column, move in enumerate(positions.operations, 1):
        if move.switch == name:
            colour = CLOSED if move.closes else OPENED
            axes.scatter(column + 0.5, place + 0.5, s=34, color=colour, linewidth=0, zorder=4)
    axes.text(-0.08, place + 0.5, shorten(name, 18), ha="right", va="center", fontsize=8.2, color=INK)


def _draw_loops(axes: Axes, loops: list[int], place: int) -> None:
    for column, loop in enumerate(loops):
        if loop:
            axes.barh(place + 0.5, 1.0, left=column, height=0.5, color=_LOOP, linewidth=0)
            axes.text(column + 0.5, place + 0.5, number(loop), ha="center", va="center", fontsize=7.4)
    axes.text(-0.08, place + 0.5, "loops", ha="right", va="center", fontsize=8.2, color=MUTED)


def order_table(found: LossMaterial, positions: Positions) -> str:
    """Each operation: switch, what it does, between which buses, and the loops after it."""
    loops, ends = loops_after(found, positions), {}
    if found.grid is not None:
        names, ways = found.grid.buses.names, found.grid.ways
        pairs = zip(found.branch_names, ways.from_bus, ways.to_bus, strict=True)
        ends = {name: f"{names[int(a)]}\u00a0and\u00a0{names[int(b)]}" for name, a, b in pairs}
    heads = {"place#": "step", "what": "operation", "between": "between"}
    heads |= {"loops#": "loops after it"} if loops else {}
    lines = []
    for place, move in enumerate(positions.operations, 1):
        line = {"place#": number(place), "what": _told(move), "between": ends.get(move.switch, "–")}
        line |= {"loops#": number(loops[place])} if loops else {}
        lines.append(line)
    return html.table(heads, lines)
