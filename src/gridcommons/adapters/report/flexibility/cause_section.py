"""Who causes it: a bar for each broken limit, a segment for each party's load behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.flexibility.material import LOADING, Material
from gridcommons.adapters.report.flexibility.stage_words import MOST_PARTIES, OTHERS_COLOUR, stage_name
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.phrases import listed
from gridcommons.adapters.report.strips import limit_words
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BARS = 16
_ROW_INCH = 0.30
_LEFT_INCH = 2.75
_OTHERS = "others"


def cause_section(found: Material) -> Section | None:
    """Whose load breaks each limit; None where nothing is broken or the result does not say."""
    if "violation_causes" not in found.tables:
        return None
    bars = _bars(found)
    if not bars:
        return Section("causes", "Who causes it", html.nothing("No limit is broken."))
    said = (
        "Load behind each broken limit by who draws it: what no aggregator can move, and the devices of each "
        "aggregator. Of a voltage each load counts by its effect on it, in kW at the bus with the largest."
    )
    doubles = found.summary.get("suppliers_that_aggregate") or []
    body = html.text(said)
    if doubles:
        body += html.text(
            f"{listed([str(name) for name in doubles])}: supplier and aggregator at once, who could plan "
            "congestion whose relief they sell."
        )
    body += html.figure(_draw(found, bars[:_MOST_BARS]))
    if len(bars) > _MOST_BARS:
        body += html.text(f"{number(len(bars) - _MOST_BARS)} more, with less excess, are not shown.")
    return Section("causes", "Who causes it", body)


def _bars(found: Material) -> list[dict[str, Any]]:
    """Broken limits by stage, the farthest beyond first, with the load of each party."""
    columns = ("time", "scenario", "element", "kind", "party", "load_kw")
    rows = found.tables.whole("violation_causes", columns)
    bars: dict[tuple[str, str, str, Any], dict[str, Any]] = {}
    keys = zip(rows["scenario"], rows["element"], rows["kind"], rows["time"], strict=True)
    for place, key in enumerate(keys):
        bar = bars.setdefault(key, {"key": key, "load": {}, "excess": np.nan, "share": 0.0})
        party = _party(found, str(rows["party"][place]))
        bar["load"][party] = bar["load"].get(party, 0.0) + float(rows["load_kw"][place])
    broken = found.violations
    keys = zip(broken["scenario"], broken["element"], broken["kind"], broken["time"], strict=True)
    for place, key in enumerate(keys):
        if key in bars:
            bars[key]["excess"] = float(broken["excess_kw" if key[2] == LOADING else "excess"][place])
            bars[key]["share"] = float(broken["excess"][place] / abs(broken["limit"][place]))
    order = {stage: place for place, stage in enumerate(found.stages)}
    return sorted(
        bars.values(), key=lambda bar: (order.get(bar["key"][0], 99), -bar["share"], str(bar["key"]))
    )


def _party(found: Material, name: str) -> str:
    """A party, or the others together where they are too many to tell apart."""
    return _OTHERS if name in found.aggregators[MOST_PARTIES:] else name


def _draw(found: Material, bars: list[dict[str, Any]]) -> Chart:
    tall = _ROW_INCH * len(bars)
    high = tall + 0.95
    figure = make_figure(high)
    width = (WIDTH_INCH - _LEFT_INCH - 1.35) / WIDTH_INCH
    axes = figure.add_axes((_LEFT_INCH / WIDTH_INCH, 0.50 / high, width, tall / high))
    colours = {**found.colours, _OTHERS: OTHERS_COLOUR}
    parties = list(dict.fromkeys(party for bar in bars for party in bar["load"]))
    legend(
        figure,
        [("■", colours.get(party, OTHERS_COLOUR), party) for party in parties] + [("╎", BROKEN, "limit")],
    )
    most = max(sum(abs(kw) for kw in bar["load"].values()) for bar in bars)
    said = []
    for place, bar in enumerate(bars):
        y = len(bars) - 1 - place
        total = _draw_bar(axes, bar, (y, most), colours)
        words, excess = _words(found, bar)
        _write(axes, (words, excess), (y, total))
        said.append(f"{words}: " + ", ".join(f"{p} {number(kw)} kW" for p, kw in bar["load"].items()))
    axes.set_ylim(-0.6, len(bars) - 0.4)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.axvline(0.0, color=MUTED, linewidth=0.6)
    axes.set_xlabel("load [kW], positive = drawn", fontsize=8, color=MUTED, loc="right")
    return finish(figure, f"Load behind each broken limit. {'; '.join(said)}", "causes")


def _draw_bar(axes: Axes, bar: dict[str, Any], place: tuple[int, float], colours: dict[str, str]) -> float:
    """Segments to the right, what feeds in to the left; returns where the bar ends."""
    (y, most), ends = place, [0.0, 0.0]
    whole = sum(abs(kw) for kw in bar["load"].values()) or 1.0
    for party, kw in bar["load"].items():
        side = int(kw < 0.0)
        axes.barh(y, kw, left=ends[side], height=0.70, color=colours.get(party, OTHERS_COLOUR), linewidth=0.0)
        if abs(kw) > 0.045 * most:
            tone = INK if party in ("fixed load",) else "white"
            axes.text(
                ends[side] + kw / 2,
                y,
                percent(abs(kw) / whole),
                ha="center",
                va="center",
                fontsize=7.6,
                color=tone,
            )
        ends[side] += kw
    if bar["key"][2] == LOADING and np.isfinite(bar["excess"]):
        at = sum(ends) - bar["excess"]
        # Above and below the bar alone, clear of the figures in it.
        for near, far in ((-0.50, -0.28), (0.28, 0.50)):
            axes.plot([at, at], [y + near, y + far], color=BROKEN, linewidth=1.8)
    return ends[0]


def _words(found: Material, bar: dict[str, Any]) -> tuple[str, str]:
    stage, element, kind, time = bar["key"]
    words = f"{shorten(str(element), 20)} {found.brief(time)}, {stage_name(str(stage))}"
    if not np.isfinite(bar["excess"]):
        return words, limit_words(str(kind))
    if kind == LOADING:
        return words, f"+{number(bar['excess'], 1)} kW"
    sign = "\u2212" if kind == "vm_min_pu" else "+"
    return words, f"{sign}{number(bar['excess'], 4)} pu"


def _write(axes: Axes, words: tuple[str, str], place: tuple[int, float]) -> None:
    y, end = place
    axes.annotate(
        words[0], (0.0, y), xycoords=("axes fraction", "data"), xytext=(-7, 0), textcoords="offset points",
        ha="right", va="center", fontsize=8.2, annotation_clip=False,
    )  # fmt: skip
    axes.annotate(
        words[1], (end, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8.2,
        color=BROKEN, fontweight="bold", annotation_clip=False,
    )  # fmt: skip
