"""How charts look: colours, figures, time axes, labels that keep clear of each other, clean SVG.

Blue stands for drawing power and for low voltage, which it causes; orange for injecting and for high
voltage. The pair, and the colours of the kinds (M. Okabe, K. Ito, Color Universal Design, 2008), stay
apart for colour-blind readers.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, PALE = "#17202b", "#5a6673", "#dfe4e9", "#f3f5f7"
IMPORT, EXPORT = "#2a6fb0", "#d9791f"
BROKEN = "#b3125e"
UNKNOWN = "#8a94a0"
KIND_COLOURS = {
    "pv": "#e8a317",
    "battery": "#12936a",
    "ev_charger": "#2a6fb0",
    "heat_pump": "#bb5f94",
    "chp": "#c4501b",
    "demand_response": "#58a6d8",
}
KIND_WORDS = {
    "pv": ("solar plant", "solar plants"),
    "battery": ("battery", "batteries"),
    "ev_charger": ("charging station", "charging stations"),
    "heat_pump": ("heat pump", "heat pumps"),
    "chp": ("CHP", "CHPs"),
    "demand_response": ("demand response", "demand responses"),
}
WIDTH_INCH = 10.8
"""Width of a chart over the whole page; text of 9 pt is then about 13 px."""

_RC = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 8.6,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.2,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "xtick.major.width": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "image.interpolation": "none",
    "path.simplify_threshold": 0.2,
}


_PLACES = re.compile(r'\b(?:d|points|transform|x|y|x1|y1|x2|y2|width|height)="[^"]*"')
_FINE = re.compile(r"(?<=\d\.\d\d)\d+")


@dataclass(frozen=True)
class Chart:
    """A finished chart: its SVG, and in words what it shows."""

    svg: str
    words: str


def style() -> AbstractContextManager[None]:
    """The settings under which all charts are made."""
    import matplotlib

    settings: Any = {**_RC, "svg.hashsalt": "gridcommons"}
    return matplotlib.rc_context(settings)


def make_figure(height_inch: float, width_inch: float = WIDTH_INCH) -> Figure:
    """An empty figure."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inch, height_inch))


@contextmanager
def _plain_strokes() -> Iterator[None]:
    """Strokes begin as matplotlib has them: importing pandapower gives each of this process a round cap."""
    from matplotlib.backend_bases import GraphicsContextBase
    from matplotlib.backends.backend_svg import RendererSVG

    RendererSVG.new_gc = lambda self: GraphicsContextBase()  # type: ignore[method-assign]
    try:
        yield
    finally:
        del RendererSVG.new_gc


def finish(figure: Figure, words: str, prefix: str) -> Chart:
    """The figure as SVG that can stand in a page: ids of its own, no address, no date."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    target = io.StringIO()
    with warnings.catch_warnings(), _plain_strokes():
        # Texts stay texts: the font of the reader draws what the font that measures them lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, format="svg", dpi=144, metadata={"Date": None, "Creator": None})
    return Chart(_cleaned(target.getvalue(), prefix), words)


def _cleaned(svg: str, prefix: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="([^"]*)"', head)
    head = f'<svg viewBox="{box.group(1) if box else "0 0 100 100"}" class="chart" aria-hidden="true"'
    # Images are named after their pixels: two alike would bear the same id, and nothing points at them.
    body = re.sub(r' id="image[0-9a-f]+"', "", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'(\bid=")', rf"\g<1>{prefix}-", body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", body)
    # Hundredths of a point are finer than any screen; six decimals are twice the bytes.
    body = _PLACES.sub(lambda found: _FINE.sub("", found.group(0)), body)
    body = re.sub(r"\n\s*", "\n", body)
    return f"{head}>{body}".strip()


def kind_colour(kind: str) -> str:
    """Colour of an asset kind; the same grey for all that have none of their own."""
    return KIND_COLOURS.get(kind, UNKNOWN)


def kind_words(kind: str, count: int = 2) -> str:
    """An asset kind in plain words: ``solar plants``."""
    if not kind:
        return "device" if count == 1 else "devices"
    one, many = KIND_WORDS.get(kind, (kind.replace("_", " "), kind.replace("_", " ")))
    return one if count == 1 else many


def time_axis(axes: Axes, dates: FloatArray, zone: str, *, label: bool = True, most_ticks: int = 9) -> None:
    """Local times along x."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    local = ZoneInfo(zone)
    locator = AutoDateLocator(tz=local, minticks=min(4, most_ticks - 2), maxticks=most_ticks)
    formatter = ConciseDateFormatter(locator, tz=local, show_offset=False)
    if dates[-1] - dates[0] <= 1.5:
        formatter.zero_formats = ["", "%Y", "%b", "%-d %b", "%H:%M", "%H:%M"]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlim(dates[0], dates[-1])
    if label:
        axes.set_xlabel(f"local time ({zone})", color=MUTED, fontsize=8, loc="right")


def quiet_grid(axes: Axes, which: str = "y") -> None:
    """Rules behind the data along one axis, no frame on the left."""
    axes.grid(True, axis=which, color=RULE, linewidth=0.6)  # type: ignore[arg-type]
    axes.spines["left"].set_visible(False)


def spread_labels(places: Sequence[float], gap: float, least: float) -> list[float]:
    """Places near the given ones, in the same order, at least ``gap`` apart and none below ``least``."""
    order = np.argsort(places, kind="stable")
    moved = np.array(places, dtype=float)[order]
    for _ in range(200):
        short = gap - np.diff(moved)
        if not (short > 1e-9).any():
            break
        push = np.maximum(short, 0.0) / 2.0
        moved[:-1] -= push
        moved[1:] += push
    # From the bottom up: no label shall stand below the axis.
    for place in range(len(moved)):
        moved[place] = max(moved[place], least if place == 0 else moved[place - 1] + gap)
    out = np.empty(len(moved))
    out[order] = moved
    return [float(value) for value in out]


def name_ends(axes: Axes, ends: Sequence[tuple[float, str, str, bool]], gap_share: float) -> None:
    """Names of lines at their right ends, kept apart: value, name, colour, and whether it is bold.

    ``gap_share`` is the least distance of two names as a share of the axis.
    """
    low, high = axes.get_ylim()
    places = spread_labels([value for value, *_ in ends], gap_share * (high - low), low)
    for place, (_, name, colour, is_bold) in zip(places, ends, strict=True):
        axes.annotate(
            name,
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=8.4,
            fontweight="bold" if is_bold else "normal",
            annotation_clip=False,
        )


def shorten(name: str, most: int) -> str:
    """A name with its middle left out where it is too long for a label."""
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"
