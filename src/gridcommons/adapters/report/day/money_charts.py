"""Money of the day as bars: the bills, what instruments move, and what each member saves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.moments import unbroken
from gridcommons.adapters.report.day.money_book import NEIGHBOURS, Flow, Savings
from gridcommons.adapters.report.day.scenario_words import ALONE, REALISED, SCENARIO_COLOURS
from gridcommons.adapters.report.day.wide_and_narrow import bar
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    MUTED,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAVES = SCENARIO_COLOURS[REALISED]
_ITEM_COLOURS = {
    "energy": "#2a6fb0",
    "network fee": "#8fb8de",
    "losses": "#5a6673",
    "feed-in": "#e8a317",
    "dynamic tariff": "#2a6fb0",
    "tariff returned": "#8fb8de",
    "local trades": "#a8892f",
    "shared energy": "#d3bf7d",
    "imbalance": "#8a94a0",
    "flexibility": "#12936a",
    "penalty": BROKEN,
}
_ITEM_NAMES = {
    "flexibility: discomfort and share": "for waiting",
    "flexibility: energy compensation": "for energy",
}
_ROW_INCH, _HEAD_INCH, _FOOT_INCH = 0.27, 0.30, 0.10
_LETTER_INCH = 0.066
_BAR_SHARE = 0.55
"""Of the width, so that the amount stands beside the longer bar."""


def item_colour(item: str) -> str:
    """Colour of what is paid for; the parts of an item share its colour."""
    return _ITEM_COLOURS.get(item.split(":")[0], MUTED)


def flow_name(flow: Flow) -> str:
    """Who pays whom for what: ``members → supplier: energy``."""
    item = _ITEM_NAMES.get(flow.item, flow.item)
    if flow.payer == NEIGHBOURS:
        return f"among {flow.payee}: {item}"
    return f"{flow.payer} → {flow.payee}: {item}"


def draw_flows(
    found: Material, groups: Sequence[tuple[str, Sequence[Flow]]], width: float, prefix: str
) -> Chart:
    """Payments as bars, each group on a scale of its own."""
    total = sum(_HEAD_INCH + _ROW_INCH * len(flows) + _FOOT_INCH for _, flows in groups)
    figure, top = make_figure(total, width), total
    is_wide = width > WIDTH_INCH - 1.0
    letters = 52 if is_wide else 32
    named = [flow_name(flow) for _, flows in groups for flow in flows]
    left = min(_LETTER_INCH * min(max(map(len, named)), letters) + 0.15, 0.62 * width)
    for head, flows in groups:
        top -= _HEAD_INCH
        high = _ROW_INCH * len(flows)
        box = (left / width, (top - high) / total, 1.0 - (left + 0.08) / width, high / total)
        axes = figure.add_axes(box)
        _draw_group(axes, flows, letters)
        figure.text(0.0, (top + 0.08) / total, f"{head}{found.money_unit}", fontsize=9.2, fontweight="bold")
        top -= high + _FOOT_INCH
    told = [f"{flow_name(flow)} {number(flow.amount, 2)}" for _, flows in groups for flow in flows]
    return finish(figure, f"Who pays whom{found.money_unit}. {'; '.join(told)}.", f"flows{prefix}")


def _draw_group(axes: Axes, flows: Sequence[Flow], letters: int) -> None:
    at, amounts = np.arange(len(flows)), np.array([flow.amount for flow in flows])
    axes.barh(at, amounts, height=0.68, color=[item_colour(flow.item) for flow in flows], linewidth=0)
    axes.set_xlim(0.0, 1.30 * max(float(amounts.max(initial=0.0)), 1e-9))
    axes.set_ylim(len(flows) - 0.5, -0.5)
    for y, flow in zip(at, flows, strict=True):
        axes.annotate(
            number(flow.amount, 2), (flow.amount, y), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=8.0, color=INK,
        )  # fmt: skip
        axes.annotate(
            shorten(flow_name(flow), letters), (0.0, y), xycoords=("axes fraction", "data"), xytext=(-6, 0),
            textcoords="offset points", ha="right", va="center", fontsize=8.2, annotation_clip=False,
        )  # fmt: skip
    axes.set_axis_off()


def draw_savings(found: Material, savings: Savings, width: float, prefix: str) -> Chart:
    """What each member saves, the most first: a column each, below 0 where it pays more."""
    order = np.argsort(-savings.saved, kind="stable")
    saved = savings.saved[order]
    figure = make_figure(2.3, width)
    axes = figure.add_axes((0.45 / width, 0.14, 1.0 - 0.60 / width, 0.74))
    edges = np.arange(len(saved) + 1) - 0.5
    for sign, colour in ((1.0, SAVES), (-1.0, BROKEN)):
        part = sign * np.maximum(sign * saved, 0.0)
        closed = np.append(part, part[-1:])
        axes.fill_between(edges, np.zeros(len(edges)), closed, step="post", color=colour, linewidth=0)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.margins(y=0.12)
    quiet_grid(axes)
    axes.set_title(f"Saved by each member{found.money_unit}", pad=6)
    axes.set_xlabel(
        f"{number(len(saved))} members, from who saves most", color=MUTED, fontsize=8, loc="right"
    )
    words = (
        f"What {number(len(saved))} members save{found.money_unit}: {number(float(saved[-1]), 2)} to "
        f"{number(float(saved[0]), 2)}, median {number(float(np.median(saved)), 2)}; "
        f"{number(len(savings.dearer))} pay more."
    )
    return finish(figure, words, f"savings{prefix}")


def bill_bars(found: Material, alone: float, together: float) -> str:
    """A bill alone and together, as two bars with their amounts (HTML)."""
    most = max(abs(alone), abs(together), 1e-9)
    rows = []
    for words, amount, colour in (
        ("alone", alone, SCENARIO_COLOURS[ALONE]),
        ("together", together, SAVES),
    ):
        said = html.escaped(unbroken(found.amount(amount), found.currency))
        drawn = bar(_BAR_SHARE * abs(amount) / most, colour)
        rows.append(f'<p class="row"><span>{words}</span><span>{drawn} {said}</span></p>')
    return "".join(rows)
