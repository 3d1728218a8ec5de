"""Two results of control, and what both have."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.adapters.report.control.material import Material


@dataclass(frozen=True, eq=False)
class Pair:
    """Two results, what they are called on the page, and what both have."""

    name: tuple[str, str]
    result: tuple[Material, Material]

    @property
    def scenarios(self) -> list[str]:
        """Scenarios of both, in the order of the first."""
        other = self.result[1].counts.scenarios
        return [s for s in self.result[0].counts.scenarios if s in other]

    @property
    def stresses(self) -> list[str]:
        """Levels of stress of both."""
        other = self.result[1].counts.stresses
        return [s for s in self.result[0].counts.stresses if s in other]

    @property
    def focus(self) -> str:
        """The level of stress in words and pictures of one level; empty where none is common."""
        level = self.result[0].counts.focus if self.result[0].counts.stresses else ""
        return level if level in self.stresses else (self.stresses[-1] if self.stresses else "")

    def at(self, scenario: str, direction: str, stress: str = "") -> tuple[int, int]:
        """Violations in both."""
        first, second = (r.counts.at(scenario, direction, stress or self.focus) for r in self.result)
        return first, second
