"""Words that all pages put together alike."""

from __future__ import annotations

from collections.abc import Sequence

from gridcommons.adapters.report.figures import number


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def times(count: int, one: str, many: str = "") -> str:
    """``1 change``, ``7 changes``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"
