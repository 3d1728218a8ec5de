"""Figures that are drawn twice, for a desk and for a hand, and keys and bars that fit both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gridcommons.adapters.report import html
from gridcommons.adapters.report.style import WIDTH_INCH, Chart

NARROW_INCH = 4.3
"""Width of a chart on a phone; text of 9 pt is then about 10 px."""


def both(draw: Callable[[float, str], Chart]) -> str:
    """A figure for wide pages and one for narrow ones: the page shows the one that fits.

    Parameters
    ----------
    draw : callable
        Draws at a width [inch]; the word stands in the names of its parts, which no two charts share.
    """
    wide, narrow = html.figure(draw(WIDTH_INCH, "")), html.figure(draw(NARROW_INCH, "small"))
    return f'<div class="wide-only">{wide}</div><div class="narrow-only">{narrow}</div>'


def key(entries: Sequence[tuple[str, str, str]]) -> str:
    """What colours mean: glyph, colour and words each."""
    said = [
        f'<span><b style="color:{colour}">{glyph}</b> {html.escaped(words)}</span>'
        for glyph, colour, words in entries
    ]
    return f'<p class="key">{" ".join(said)}</p>'


def bar(share: float, colour: str) -> str:
    """A bar of some share of its width."""
    return f'<i class="bar" style="width:{100.0 * min(max(share, 0.0), 1.0):.1f}%;background:{colour}"></i>'
