"""Scheduled re-profiling: who is called when, for how much, at which price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import stage_colour
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
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
from gridcommons.adapters.report.tables import Part
from gridcommons.model.grid import IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BARS = 16
_ROW_INCH, _LEFT_INCH = 0.30, 2.4


def reprofiling_section(found: Material) -> Section | None:
    """Calls by bus and hour; None where the instrument was not used."""
    if "reprofiling" not in found.stages:
        return None
    heading = "Re-profiling"
    columns = ("time", "bus", "quantity_kw", "price_per_kwh", "amount", "undelivered_kw")
    rows = found.tables.whole("reprofiling_calls", columns)
    if not len(rows["bus"]):
        return Section("reprofiling", heading, html.nothing("Nobody is called."))
    order = np.lexsort((rows["time"], rows["bus"].astype(str), -rows["quantity_kw"]))
    said = (
        "Customers under contract draw less where the load flow still breaks a limit, and take it back "
        "at hours with room. Each draws so much less for each unit of price; the "
        "price follows from what is needed."
    )
    body = html.text(said) + html.figure(_draw(found, rows, order[:_MOST_BARS]))
    body += _missing_words(found) + _table(found, rows, order)
    return Section("reprofiling", heading, body)


def _draw(found: Material, rows: Part, shown: IntArray) -> Chart:
    tall = _ROW_INCH * len(shown)
    high = tall + 0.80
    figure = make_figure(high)
    box = (_LEFT_INCH / WIDTH_INCH, 0.45 / high, 0.50, tall / high)
    axes = figure.add_axes(box)
    figure.text(
        0.0, 1.0 - 0.14 / high, "load less than planned [kW], positive = less drawn", fontsize=8, color=MUTED
    )
    said = []
    for place, row in enumerate(shown):
        y = len(shown) - 1 - place
        kw, short = float(rows["quantity_kw"][row]), float(rows["undelivered_kw"][row])
        axes.barh(y, kw - short, height=0.68, color=stage_colour("reprofiling"), linewidth=0)
        axes.barh(y, short, left=kw - short, height=0.68, color=BROKEN, alpha=0.5, linewidth=0)
        name = f"{shorten(str(rows['bus'][row]), 18)} {found.brief(rows['time'][row])}"
        price, amount = float(rows["price_per_kwh"][row]), float(rows["amount"][row])
        words = (
            f"{number(kw, 1)} kW · {number(price, 2)} {found.per_kwh} · {number(amount, 2)} {found.currency}"
        )
        _write(axes, (name, words.rstrip()), (y, kw))
        said.append(f"{name}: {words}")
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.axvline(0.0, color=MUTED, linewidth=0.6)
    return finish(figure, f"Calls by bus and hour. {'; '.join(said)}", "calls")


def _write(axes: Axes, words: tuple[str, str], place: tuple[int, float]) -> None:
    y, end = place
    axes.annotate(
        words[0], (0.0, y), xycoords=("axes fraction", "data"), xytext=(-7, 0), textcoords="offset points",
        ha="right", va="center", fontsize=8.2, annotation_clip=False,
    )  # fmt: skip
    axes.annotate(
        words[1], (end, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8.2, color=INK,
        annotation_clip=False,
    )  # fmt: skip


def _missing_words(found: Material) -> str:
    """What contracts could not cover, and what schedules could not keep; nothing where both are 0."""
    missing = float(found.summary.get("reprofiling_missing_kw") or 0.0)
    undelivered = float(found.summary.get("reprofiling_undelivered_kw") or 0.0)
    said = []
    if missing > 0.05:
        said.append(f"Up to {number(missing, 1)} kW is needed beyond what the contracts can give.")
    if undelivered > 0.05:
        said.append(f"Up to {number(undelivered, 1)} kW is called and cannot be delivered.")
    return html.text(" ".join(said)) if said else ""


def _table(found: Material, rows: Part, order: IntArray) -> str:
    heads = {
        "bus": "bus", "when": "at", "kw#": "called [kW]", "price#": f"price [{found.per_kwh}]",
        "amount#": f"amount [{found.currency}]" if found.currency else "amount",
        "short#": "not delivered [kW]",
    }  # fmt: skip
    lines = [
        {
            "bus": str(rows["bus"][row]),
            "when": found.brief(rows["time"][row]),
            "kw#": number(float(rows["quantity_kw"][row]), 2),
            "price#": number(float(rows["price_per_kwh"][row]), 2),
            "amount#": number(float(rows["amount"][row]), 2),
            "short#": number(float(rows["undelivered_kw"][row]), 2),
        }
        for row in order
    ]
    return long_table(heads, lines, "reprofiling_calls")
