"""What the grid operator was told to expect at each connection, and what its meters read."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.lines import draw_line, note_zone
from gridcommons.adapters.report.clusters.switch_day import SwitchDay
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import Shape, legend, make_panels, title
from gridcommons.adapters.report.style import IMPORT, MUTED, Chart, finish, quiet_grid, time_axis
from gridcommons.adapters.report.trading.material import MINUTES_PER_HOUR, Material
from gridcommons.model.grid import FloatArray, IntArray

_TOLD = "#d9a300"


def told_section(found: Material) -> Section | None:
    """Expected against metered exchange; None where nobody was told anything."""
    day = found.switched
    if day is None or found.last != "switched":
        return None
    rows = np.flatnonzero(~day.is_link)
    told_kw = read_told(found, day, rows)
    if not np.isfinite(told_kw).any():
        return None
    said = (
        "After each round of the community the grid operator is told what to expect at every connection. "
        "That holds no losses, and nothing that changes before the next round. Above 0 the main grid "
        "delivers, below 0 it is fed."
    )
    body = html.text(said) + html.figure(draw_told(found, day, rows, told_kw))
    body += told_table(day, rows, told_kw)
    return Section("told", "What the grid operator was told, and what came", body)


def read_told(found: Material, day: SwitchDay, rows: IntArray) -> FloatArray:
    """What was expected at each connection, shape (minutes, pccs) [kW]; NaN before anything was said."""
    told = found.tables.whole("expected_exchange", ("time", "pcc", "p_kw"))
    expected = np.full((found.clock.steps, len(rows)), np.nan)
    at = {day.name[row]: column for column, row in enumerate(rows)}
    for time, pcc, p_kw in zip(told["time"], told["pcc"], told["p_kw"], strict=True):
        if pcc in at:
            # In the order of the rounds: what is said later holds from then on.
            expected[int(found.clock.step_of(time)) :, at[pcc]] = p_kw
    return expected


def draw_told(found: Material, day: SwitchDay, rows: IntArray, told_kw: FloatArray) -> Chart:
    """A panel a connection: told and metered."""
    columns = 2 if len(rows) > 1 else 1
    figure, axes = make_panels(len(rows), Shape(columns, 1.0, head=0.46, foot=0.38, top=0.30))
    words = []
    for place, (panel, row) in enumerate(zip(axes, rows, strict=True)):
        draw_line(panel, found.bins, day.p_kw[:, row], IMPORT, 2.2)
        draw_line(panel, found.bins, told_kw[:, place], _TOLD, 0.9)
        panel.axhline(0.0, color=MUTED, linewidth=0.6)
        quiet_grid(panel)
        time_axis(panel, found.bins.dates, found.clock.timezone, label=False, most_ticks=7)
        off_kw = _off_kw(day, int(row), told_kw[:, place])
        remark = f"off by {number(float(np.mean(off_kw)), 1)} kW in the mean"
        title(panel, f"{day.name[row]} ({day.to_cluster[row]})", remark)
        words.append(f"{day.name[row]}: {remark}")
    entries = [("■", IMPORT, "metered"), ("■", _TOLD, "told")]
    legend(figure, entries, "power from the main grid [kW]")
    note_zone(figure, found.clock)
    return finish(figure, "Expected against metered exchange. " + "; ".join(words), "told")


def _off_kw(day: SwitchDay, row: int, told_kw: FloatArray) -> FloatArray:
    """How far meters are from what was told, where something was [kW]."""
    known = np.isfinite(told_kw)
    return np.abs(day.p_kw[known, row] - told_kw[known]) if known.any() else np.zeros(1)


def told_table(day: SwitchDay, rows: IntArray, told_kw: FloatArray) -> str:
    """Energy told and metered each way, and how far they are apart."""
    heads = {
        "pcc": "connection",
        "cluster": "at",
        "told_in#": "told: delivered [kWh]",
        "came_in#": "metered",
        "told_out#": "told: fed in [kWh]",
        "came_out#": "metered",
        "mean#": "off in the mean [kW]",
        "most#": "at most [kW]",
    }
    lines = []
    for place, row in enumerate(rows):
        known = np.isfinite(told_kw[:, place])
        off_kw = _off_kw(day, int(row), told_kw[:, place])
        line = {"pcc": day.name[row], "cluster": day.to_cluster[row]}
        for key, values in (("told", told_kw[known, place]), ("came", day.p_kw[known, row])):
            for way, sign in (("in", 1.0), ("out", -1.0)):
                energy_kwh = float(np.maximum(sign * values, 0.0).sum() / MINUTES_PER_HOUR)
                line[f"{key}_{way}#"] = number(energy_kwh, 1)
        line["mean#"] = number(float(off_kw.mean()), 1)
        line["most#"] = number(float(off_kw.max()), 1)
        lines.append(line)
    return html.table(heads, lines)
