"""How the cap of a coordinated tariff was found: revenue and cost against it, and where they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import stage_colour
from gridcommons.adapters.report.style import BROKEN, MUTED, Chart, finish, make_figure, name_ends, quiet_grid
from gridcommons.model.grid import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AROUND_SHARE = 0.5
"""How far around the cap found trials are drawn, where enough of them are there."""

_ENOUGH = 4


def coordination_part(found: Material) -> str:
    """Picture and figures of the coordination; what revenue means without one."""
    body = ""
    rows = found.tables.whole("coordination_trials", ("cap_per_kwh", "revenue", "cost"))
    if len(rows["cap_per_kwh"]):
        cap = float(found.summary.get("tariff_cap_per_kwh") or np.nan)
        body += "<h3>Coordination: the cap at which the tariff pays for re-profiling</h3>"
        near = _near(rows["cap_per_kwh"], cap)
        body += html.text(_said(found, rows["cap_per_kwh"], near))
        body += html.figure(_draw(found, {key: values[near] for key, values in rows.items()}, cap))
    return body + _revenue_table(found)


def _near(cap: FloatArray, found_cap: float) -> BoolArray:
    """Trials close around the cap found, or all where they are few."""
    near: BoolArray = np.abs(cap - found_cap) <= _AROUND_SHARE * abs(found_cap)
    return near if near.sum() >= _ENOUGH else np.ones(len(cap), dtype=bool)


def _said(found: Material, cap: FloatArray, near: BoolArray) -> str:
    net = found.summary.get("coordination_net")
    said = f"{number(len(cap))} caps were tried about the last load flow."
    if (~near).any():
        said += f" {number(int((~near).sum()))} far from the one found are not shown."
    if net is not None:
        size = "less than 0.001" if abs(net) < 1e-3 else number(abs(net), 3)
        said += f" Revenue and cost differ by {size} {found.currency}".rstrip() + "."
    return said


def _draw(found: Material, rows: dict[str, FloatArray], cap: float) -> Chart:
    order = np.argsort(rows["cap_per_kwh"], kind="stable")
    figure = make_figure(2.75)
    axes = figure.add_axes((0.075, 0.20, 0.73, 0.62))
    at = rows["cap_per_kwh"][order]
    ends = []
    for key, words, colour in (
        ("revenue", "tariff revenue", stage_colour("tariff")),
        ("cost", "re-profiling cost", stage_colour("reprofiling")),
    ):
        values = rows[key][order]
        axes.plot(at, values, color=colour, linewidth=1.6, marker="o", markersize=3.5, markeredgewidth=0)
        ends.append((float(values[-1]), words, colour, True))
    axes.margins(x=0.03, y=0.12)
    _mark(axes, found, rows, cap)
    quiet_grid(axes)
    name_ends(axes, ends, 0.10)
    axes.set_title(
        f"{found.currency or 'amount'} a day, by cap", fontsize=8, fontweight="normal", color=MUTED
    )
    axes.set_xlabel(f"cap ρ [{found.per_kwh}]", fontsize=8, color=MUTED, loc="right")
    return finish(figure, f"Tariff revenue and re-profiling cost meet at a cap of {cap:.5g}.", "coordination")


def _mark(axes: Axes, found: Material, rows: dict[str, FloatArray], cap: float) -> None:
    if not np.isfinite(cap):
        return
    best = int(np.argmin(np.abs(rows["cap_per_kwh"] - cap)))
    y = float(rows["revenue"][best])
    axes.axvline(cap, color=BROKEN, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.scatter([cap], [y], s=60, facecolor="none", edgecolor=BROKEN, linewidth=1.4, zorder=5)
    axes.annotate(
        f"ρ = {number(cap, 5)}: {number(y, 2)} {found.currency}".rstrip(),
        (cap, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(6, -10),
        textcoords="offset points",
        fontsize=8.4,
        color=BROKEN,
    )


def _revenue_table(found: Material) -> str:
    """The three meanings of tariff revenue."""
    meanings = {
        "tariff_revenue": "Σ μ F: each limit's price on the limit; what coordination uses",
        "tariff_revenue_on_plan": "tariff on all planned load, fixed load included, before other instruments",
        "tariff_revenue_on_flexible": "tariff on the load that answers it alone",
    }
    rows = [
        {"what": words, "amount#": number(float(found.summary[key]), 2)}
        for key, words in meanings.items()
        if found.summary.get(key) is not None
    ]
    if not rows:
        return ""
    head = f"amount [{found.currency}]" if found.currency else "amount"
    return "<h3>Tariff revenue, in its three meanings</h3>" + html.table(
        {"what": "meaning", "amount#": head}, rows
    )
