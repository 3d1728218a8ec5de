"""Pictures of the market: what is asked for, the merit order of offers, and the rounds of clearing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.market_book import Asked, MarketBook, Offered
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import (
    MOST_PARTIES,
    OTHERS_COLOUR,
    bus_group,
    stage_colour,
)
from gridcommons.adapters.report.panels import (
    Cells,
    Shape,
    draw_cells,
    legend,
    make_panels,
    title,
)
from gridcommons.adapters.report.style import BROKEN, IMPORT, INK, MUTED, Chart, finish, quiet_grid
from gridcommons.adapters.report.tables import Part
from gridcommons.model.grid import BoolArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 6
_MOST_GROUPS, _MOST_RULED, _MOST_MARKED = 14, 40, 150
ENOUGH_KW = 0.1
"""An excess that a clearing may end with."""

_FLOOR_SHARE = 1e-9
"""Residuals below this share of the largest one are drawn at the bottom."""


def draw_requirement(found: Material, book: MarketBook) -> Chart:
    """The least flexibility by group of buses and hour, and the hours of payback below."""
    groups = book.asked[:_MOST_GROUPS]
    names = [bus_group(group.buses) for group in groups]
    least = np.array([group.least_kw for group in groups])
    blocks = [Cells("Least flexibility needed [kW], positive = less load", names, least)]
    allowed = payback_allowed(found)
    if allowed is not None:
        flags = np.where(allowed, 1.0, 0.0)[None, :]
        blocks.append(Cells("Payback is allowed (green)", ["payback"], flags, is_flag=True))
    figure = draw_cells(
        found.clock, blocks, stage_colour("market"), lambda kw: number(kw, 0 if kw >= 1000 else 1)
    )
    said = [
        f"{name}: " + ", ".join(f"{number(g.least_kw[s], 1)} kW at {found.clock.brief(int(s))}"
                                for s in np.flatnonzero(g.least_kw))
        for name, g in zip(names, groups, strict=True)
    ]  # fmt: skip
    return finish(figure, f"Flexibility asked for. {'; '.join(said)}", "requirement")


def payback_allowed(found: Material) -> BoolArray | None:
    """Whether load may come back at each interval; None where the result does not say."""
    rows = found.tables.whole("payback_hours", ("time", "is_allowed"))
    if not len(rows["time"]):
        return None
    allowed = np.zeros(found.clock.steps, dtype=bool)
    allowed[found.clock.step_of(rows["time"])] = rows["is_allowed"].astype(bool)
    return allowed


def draw_merit(found: Material, book: MarketBook) -> Chart:
    """Offers by price, a panel for each group of buses and hour; full colour is what was taken."""
    pairs = [pair for pair in book.pairs() if book.offers_at(*pair)][:MOST_PANELS]
    figure, axes = make_panels(len(pairs), Shape(columns=3, height=1.55, foot=0.46))
    entries = [("■", found.colours[name], name) for name in found.aggregators[:MOST_PARTIES]]
    if len(found.aggregators) > MOST_PARTIES:
        entries.append(("■", OTHERS_COLOUR, "others"))
    legend(
        figure,
        [*entries, ("┃", INK, "least needed")],
        f"price [{found.per_kwh}]; pale: offered, full: taken",
    )
    said = []
    for place, (panel, (group, step)) in enumerate(zip(axes, pairs, strict=True)):
        offers = book.offers_at(group, step)
        taken = _draw_offers(panel, found, offers, step)
        _draw_need(panel, group, step)
        name = f"{bus_group(group.buses)}, {found.clock.brief(step)}"
        offered = sum(float(o.flexibility_kw[step]) for o in offers)
        title(panel, name, f"taken {number(taken, 1)} of {number(offered, 1)} kW offered")
        said.append(f"{name}: taken {number(taken, 1)} of {number(offered, 1)} kW")
        if place == len(pairs) - 1:
            panel.set_xlabel("flexibility [kW], positive = less load", fontsize=8, color=MUTED, loc="right")
    _share_y(axes)
    return finish(figure, f"Offers by price. {'; '.join(said)}", "merit")


def _draw_offers(axes: Axes, found: Material, offers: list[Offered], step: int) -> float:
    """Bars as wide as what is offered and as high as its price; returns what was taken [kW]."""
    from matplotlib.collections import PolyCollection

    wide = np.array([offer.flexibility_kw[step] for offer in offers])
    part = np.array([offer.taken_kw[step] for offer in offers])
    high = np.array([offer.price_per_kwh for offer in offers])
    left = np.cumsum(wide) - wide
    colours = [found.colours.get(offer.aggregator, OTHERS_COLOUR) for offer in offers]
    for width, alpha in ((wide, 0.28), (part, 1.0)):
        right, zero = left + width, np.zeros(len(left))
        corners = np.stack([[left, left, right, right], [zero, high, high, zero]], axis=-1).transpose(1, 0, 2)
        # White rules would swallow bars that are thinner than they are.
        line = 0.7 if len(offers) < _MOST_RULED else 0.0
        look = {"facecolors": colours, "edgecolors": "white", "linewidths": line, "alpha": alpha}
        axes.add_collection(PolyCollection(list(corners), **look))  # type: ignore[arg-type]
    axes.set_ylim(0.0, 1.05 * float(high.max()))
    axes.set_xlim(0.0, float(wide.sum()))
    axes.tick_params(labelsize=7.8)
    axes.locator_params(axis="x", nbins=5)
    quiet_grid(axes)
    return float(part.sum())


def _draw_need(axes: Axes, group: Asked, step: int) -> None:
    need = float(group.least_kw[step])
    if need < axes.get_xlim()[1]:
        axes.axvline(need, color=INK, linewidth=1.5)


def _share_y(axes: list[Axes]) -> None:
    top = max(panel.get_ylim()[1] for panel in axes)
    for panel in axes:
        panel.set_ylim(0.0, 1.04 * top)


def draw_rounds(found: Material, rounds: Part) -> Chart:
    """Residuals, objective and worst excess against the rounds of clearing."""
    from matplotlib.ticker import FuncFormatter

    figure, axes = make_panels(3, Shape(columns=3, height=1.65, foot=0.46, gap=0.78))
    residuals = (
        ("primal_residual", "primal [kW]", IMPORT),
        ("dual_residual", f"dual [{found.per_kwh}]", "#d9791f"),
    )
    legend(figure, [("━", colour, words) for _, words, colour in residuals], "residuals:")
    at = rounds["round"]
    for column, _, colour in residuals:
        _draw_log(axes[0], at, rounds[column], colour)
    title(axes[0], "Residuals", "log scale")
    axes[1].plot(at, rounds["objective"], color=INK, linewidth=1.5)
    axes[1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    last = float(rounds["objective"][-1])
    title(
        axes[1],
        f"Objective [{found.currency or 'amount'}]",
        f"at the end {number(last, 2)}",
    )
    _draw_log(axes[2], at, rounds["worst_excess_kw"], BROKEN, most_floor=ENOUGH_KW / 2.0)
    end = float(rounds["worst_excess_kw"][-1])
    axes[2].axhline(ENOUGH_KW, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
    axes[2].annotate("0.1 kW", (1.0, ENOUGH_KW), xycoords=("axes fraction", "data"), xytext=(0, 3),
                     textcoords="offset points", ha="right", fontsize=7.8, color=MUTED)  # fmt: skip
    title(axes[2], "Worst excess of a limit [kW]", f"log scale, ○ none; at the end {number(end, 3)}")
    for place, panel in enumerate(axes):
        quiet_grid(panel)
        panel.set_xlim(0, max(float(at[-1]), 2.0) + 0.5)
        if place == 2:
            panel.set_xlabel("round", fontsize=8, color=MUTED, loc="right")
    words = f"{len(at)} rounds: objective {number(last, 2)}, worst excess {number(end, 3)} kW at the end."
    return finish(figure, words, "rounds")


def _draw_log(axes: Axes, at: Any, values: Any, colour: str, *, most_floor: float = np.inf) -> None:
    """A line on a log scale; what is 0 stands as a circle at the bottom."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    values = np.nan_to_num(values)
    most = float(values.max(initial=1e-12))
    floor = max(_FLOOR_SHARE * most, float(values[values > _FLOOR_SHARE * most].min(initial=most)) / 3.0)
    floor = min(floor, most_floor)
    shown = np.where(values > _FLOOR_SHARE * most, values, np.nan)
    marker = "o" if len(at) <= _MOST_MARKED else ""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.plot(at, shown, color=colour, linewidth=1.4, marker=marker, markersize=2.2, markeredgewidth=0)
    zero = ~np.isfinite(shown)
    axes.scatter(
        at[zero], np.full(int(zero.sum()), floor), s=10, facecolor="white", edgecolor=colour, linewidth=0.8
    )
