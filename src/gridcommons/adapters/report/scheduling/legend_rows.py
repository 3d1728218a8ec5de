"""Room for legends that take more than one line."""

from __future__ import annotations

from collections.abc import Sequence

from gridcommons.adapters.report.style import WIDTH_INCH

_LETTER_INCH, _GLYPH_INCH, _LINE_INCH, _FIRST_INCH = 0.066, 0.40, 0.17, 0.30
_MOST_LETTERS = 30


def legend_inch(entries: Sequence[tuple[str, str, str]], said: str = "") -> float:
    """Height of what ``panels.legend`` draws [inch]."""
    left, lines = 0.9 * _LETTER_INCH * len(said) + 0.22 if said else 0.0, 1
    for *_, words in entries:
        wide = _GLYPH_INCH + _LETTER_INCH * min(len(words), _MOST_LETTERS)
        if left + wide > WIDTH_INCH + 0.2:
            left, lines = 0.0, lines + 1
        left += wide
    return _FIRST_INCH + _LINE_INCH * (lines - 1)
