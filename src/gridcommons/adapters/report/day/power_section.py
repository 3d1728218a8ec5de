"""Power by kind of device: with nobody planning, and as it was; where load moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import Bins
from gridcommons.adapters.report.clusters.lines import draw_line, thin_bins
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.moments import capital, unbroken
from gridcommons.adapters.report.day.scenario_words import ALONE, REALISED, scenario_name
from gridcommons.adapters.report.day.wide_and_narrow import both, key
from gridcommons.adapters.report.figures import energy, power
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.scheduling.names_and_colours import in_order, kind_colour, kind_name
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    time_axis,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NOTHING_KW, _LEAST_MOVED_SHARE = 5e-3, 0.02
_SPAN_HOURS = 3.0
_LEFT_INCH, _GAP_INCH, _RIGHT_INCH = 0.45, 0.70, 0.24
_HEAD_INCH, _HIGH_INCH, _FOOT_INCH = 0.46, 2.0, 0.46


def power_section(found: Material) -> Section | None:
    """Two stacks on one scale; None where the result does not have both days."""
    if not {ALONE, REALISED} <= set(found.power_kw):
        return None
    kinds = drawn_kinds(found)
    shown = [("■", kind_colour(kind), kind_name(kind)) for kind in kinds]
    body = html.text(unbroken(_said(found), found.currency)) + key([*shown, ("━", INK, "all together, net")])
    body += both(lambda width, prefix: _draw(found, kinds, width, prefix))
    return Section("power", "Where load moved", body)


def drawn_kinds(found: Material) -> list[str]:
    """Kinds of device with any power in one of the two days, in the order in which they are stacked."""
    used = [
        kind
        for kind in found.power_kw[ALONE]
        if any(np.abs(found.power_kw[day][kind]).max() > _NOTHING_KW for day in (ALONE, REALISED))
    ]
    return in_order(used)


def moved_kwh(found: Material, kind: str) -> float:
    """Energy that a kind draws at other times than with nobody planning [kWh]."""
    change_kw = found.power_kw[REALISED][kind] - found.power_kw[ALONE][kind]
    ends = [float(np.maximum(sign * change_kw, 0.0).sum()) for sign in (1.0, -1.0)]
    return min(ends) * found.clock.step_hours


def _said(found: Material) -> str:
    days = [np.asarray(sum(found.power_kw[day].values())) for day in (ALONE, REALISED)]
    peaks = [(power(float(p.max())), found.clock.brief(int(np.argmax(p)))) for p in days]
    said = (
        f"With nobody planning all members together would have drawn at most {peaks[0][0]}, at "
        f"{peaks[0][1]}. They drew at most {peaks[1][0]}, at {peaks[1][1]}."
    )
    drawn = sum(float(np.maximum(p, 0.0).sum()) for p in found.power_kw[ALONE].values())
    least = max(_LEAST_MOVED_SHARE * drawn * found.clock.step_hours, 0.05)
    kinds = sorted(drawn_kinds(found), key=lambda kind: (-moved_kwh(found, kind), kind))
    moved = [_moved(found, kind) for kind in kinds if moved_kwh(found, kind) > least]
    return f"{said} {' '.join(moved[:3])}" if moved else f"{said} No kind of device moved much of its energy."


def _moved(found: Material, kind: str) -> str:
    """How much a kind moved, from which hours to which."""
    change_kw = found.power_kw[REALISED][kind] - found.power_kw[ALONE][kind]
    less, more = (_span(found, sign * change_kw) for sign in (-1.0, 1.0))
    moved = energy(moved_kwh(found, kind))
    return f"{capital(kind_name(kind))} moved {moved}, chiefly out of {less} and into {more}."


def _span(found: Material, values_kw: FloatArray) -> str:
    """The hours in which most of something lies: ``16:00–19:00``."""
    width = min(max(round(_SPAN_HOURS / found.clock.step_hours), 1), found.clock.steps)
    sums = np.convolve(np.maximum(values_kw, 0.0), np.ones(width), mode="valid")
    first = int(np.argmax(sums))
    return f"{found.clock.brief(first)}–{found.clock.brief(first + width)}"


def _draw(found: Material, kinds: list[str], width: float, prefix: str) -> Chart:
    """Side by side where there is room, else below each other."""
    columns = 2 if width > WIDTH_INCH - 1.0 else 1
    rows = 2 // columns
    total = rows * (_HEAD_INCH + _HIGH_INCH + _FOOT_INCH)
    figure, bins, panels = make_figure(total, width), thin_bins(found.clock), list["Axes"]()
    inch = (width - _LEFT_INCH - _RIGHT_INCH - (columns - 1) * _GAP_INCH) / columns
    for place, scenario in enumerate((ALONE, REALISED)):
        row, column = divmod(place, columns)
        left = _LEFT_INCH + column * (inch + _GAP_INCH)
        bottom = total - row * (_HEAD_INCH + _HIGH_INCH + _FOOT_INCH) - _HEAD_INCH - _HIGH_INCH
        axes = figure.add_axes((left / width, bottom / total, inch / width, _HIGH_INCH / total))
        _stack(axes, bins, {kind: found.power_kw[scenario][kind] for kind in kinds})
        axes.set_title(f"{capital(scenario_name(scenario))} [kW]", pad=6)
        time_axis(axes, bins.dates, found.clock.timezone, most_ticks=7 if columns == 2 else 6)
        axes.grid(True, axis="x", color="#dfe4e9", linewidth=0.6)
        panels.append(axes)
    ends = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
    return finish(figure, _words(found, kinds), f"power{prefix}")


def _stack(axes: Axes, bins: Bins, kinds: dict[str, FloatArray]) -> None:
    """What is drawn above 0, what is fed in below it."""
    ends = {1.0: np.zeros(len(bins.dates) - 1), -1.0: np.zeros(len(bins.dates) - 1)}
    for kind, p_kw in kinds.items():
        for sign, base in ends.items():
            part = bins.mean(sign * np.maximum(sign * p_kw, 0.0))
            if np.abs(part).max(initial=0.0) > _NOTHING_KW:
                low, high = (np.append(each, each[-1:]) for each in (base, base + part))
                axes.fill_between(bins.dates, low, high, step="post", color=kind_colour(kind), linewidth=0)
                ends[sign] = base + part
    draw_line(axes, bins, np.asarray(sum(kinds.values(), np.zeros(bins.first[-1]))), INK, 1.2)
    axes.axhline(0.0, color=MUTED, linewidth=0.7)
    axes.margins(y=0.06)
    quiet_grid(axes)


def _words(found: Material, kinds: list[str]) -> str:
    hours, told = found.clock.step_hours, []
    for scenario in (ALONE, REALISED):
        parts = [
            f"{kind_name(kind)} {energy(float(found.power_kw[scenario][kind].sum()) * hours)}"
            for kind in kinds
        ]
        told.append(f"{scenario_name(scenario)}: {', '.join(parts)}")
    return f"Power by kind of device, positive = drawn; net energy of the day. {'; '.join(told)}."
