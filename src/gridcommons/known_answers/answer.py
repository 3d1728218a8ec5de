"""One known answer: what came out, what should, and how far apart they may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownAnswer:
    """One figure that must come out.

    Parameters
    ----------
    name, unit, source : str
        What it is, its unit, and where the expected value comes from.
    computed, expected, tolerance : float
        In that unit.
    """

    name: str
    computed: float
    expected: float
    tolerance: float
    unit: str
    source: str

    @property
    def error(self) -> float:
        """How far off it is."""
        return abs(self.computed - self.expected)

    @property
    def passed(self) -> bool:
        """Whether it is within its tolerance (a NaN is not)."""
        return bool(self.error <= self.tolerance)
