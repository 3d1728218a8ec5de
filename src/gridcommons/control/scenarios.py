"""What is compared: an asset mix, its stores, and the measures on top, read from a scenario's name."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.model.errors import did_you_mean

BASES = ("status_quo", "base_2030", "storage")
"""Today's mix; the future mix without stores; the future mix with them."""

MEASURES = ("CurA", "CurB", "CurB_night", "ProA", "ProB", "law14a", "law14a_manager")
"""Measures by name, each in `gridcommons.control.measures`."""

SOURCE_SCENARIOS = (
    "status_quo",
    "base_2030",
    "storage",
    "storage+CurA",
    "storage+CurB",
    "storage+ProA",
    "storage+ProA+ProB",
    "storage+ProA+ProB+CurB_night",
)
"""The eight scenarios of source 3."""


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Parameters
    ----------
    name : str
        As written, such as ``storage+ProA+ProB``.
    base : str
        One of ``BASES``.
    measures : tuple of str
        Measures on top, in any order.
    """

    name: str
    base: str
    measures: tuple[str, ...]

    @property
    def is_today(self) -> bool:
        """Whether it has today's assets."""
        return self.base == "status_quo"

    @property
    def has_stores(self) -> bool:
        """Whether batteries and tanks are there."""
        return self.base == "storage"

    @property
    def depends_on_stress(self) -> bool:
        """Whether it runs anew for each level of stress: measures act on congestion of that level."""
        return bool(self.measures)


def read_scenario(name: str) -> Scenario:
    """The scenario that a name describes; call ``scenario_problem`` first."""
    base, *measures = name.split("+")
    return Scenario(name, base, tuple(measures))


def scenario_problem(name: str) -> str:
    """What is wrong with a scenario's name; empty where nothing is."""
    base, *measures = name.split("+")
    if base not in BASES:
        meant = did_you_mean(base, BASES) or f"known: {', '.join(BASES)}"
        return f"scenario {name!r} begins with the unknown {base!r}; {meant}"
    for measure in measures:
        if measure not in MEASURES:
            meant = did_you_mean(measure, MEASURES) or f"known: {', '.join(MEASURES)}"
            return f"scenario {name!r} has the unknown measure {measure!r}; {meant}"
    if len(set(measures)) < len(measures):
        return f"scenario {name!r} names a measure twice"
    return ""
