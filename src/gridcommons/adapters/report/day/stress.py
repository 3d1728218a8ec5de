"""The branch or bus that the day would strain most, and its day under all scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.scenario_words import (
    ALONE,
    BASELINE,
    LOADING,
    NAMED_PERCENT,
    NAMED_PU,
    SCENARIOS,
    element_name,
)
from gridcommons.adapters.report.tables import Names
from gridcommons.model.grid import BoolArray, FloatArray, IntArray

_KINDS = {
    LOADING: ("branch_loadings", "branch", "loading_percent"),
    "vm_min_pu": ("bus_voltages", "bus", "vm_pu"),
    "vm_max_pu": ("bus_voltages", "bus", "vm_pu"),
}
"""Table, element and value of each kind of limit."""

_LEAST_BAND_PU = 1e-3


@dataclass(frozen=True, eq=False)
class Stressed:
    """An element over the day.

    Parameters
    ----------
    name, kind : str
        ``transformer T1``, and which of its limits.
    scenarios : tuple of str
        Those that the result has, in their order.
    value : (scenarios, steps)
        Loading [%] or voltage [pu].
    limit : (steps,)
        In the same unit.
    """

    name: str
    kind: str
    scenarios: tuple[str, ...]
    value: FloatArray
    limit: FloatArray

    @property
    def sign(self) -> float:
        """1 where more is worse, else -1."""
        return -1.0 if self.kind == "vm_min_pu" else 1.0

    def of(self, scenario: str) -> FloatArray:
        """Its values in a scenario, shape (steps,); NaN where the result does not have it."""
        if scenario not in self.scenarios:
            return np.full(len(self.limit), np.nan)
        return np.asarray(self.value[self.scenarios.index(scenario)])

    def excess(self, scenario: str) -> FloatArray:
        """By how much it is beyond its limit, negative within, shape (steps,)."""
        return self.sign * (self.of(scenario) - self.limit)

    def worst_step(self, scenario: str) -> int:
        """The interval in which it is farthest beyond its limit, or nearest to it."""
        excess = self.excess(scenario)
        return int(np.argmax(np.where(np.isnan(excess), -np.inf, excess)))

    def is_broken(self, scenario: str) -> bool:
        """Whether it breaks its limit at any time by enough to count."""
        return bool(self.breaks(scenario).any())

    def breaks(self, scenario: str) -> BoolArray:
        """Where it is beyond its limit by enough to count, shape (steps,)."""
        least = NAMED_PERCENT if self.kind == LOADING else NAMED_PU
        return np.asarray(self.excess(scenario) > least)


def find_stressed(found: Material) -> Stressed | None:
    """What is strained most where nobody cares for the grid; None where no limit is known.

    Strain is a loading over its limit, or how far a voltage is from 1 pu against how far its limit is. What
    breaks no limit in those two scenarios is looked for in all.
    """
    if found.grid is None or found.limits is None:
        return None
    uses = {kind: _use(found, kind) for kind in _KINDS}
    careless = [SCENARIOS.index(name) for name in (ALONE, BASELINE)]
    if not any((use[careless] > 1.0).any() for use in uses.values()):
        careless = list(range(len(SCENARIOS)))
    most = {kind: float(use[careless].max(initial=0.0)) for kind, use in uses.items()}
    kind = max(most, key=lambda each: most[each])
    if not most[kind] > 0.0:
        return None
    return _follow(found, kind, int(np.argmax(uses[kind][careless].max(axis=0))))


def _elements(found: Material, kind: str) -> Names:
    assert found.grid is not None  # asked for only where there is a grid
    return found.grid.branches if kind == LOADING else found.grid.buses


def _use(found: Material, kind: str) -> FloatArray:
    """Largest use of a limit by scenario and element; sources, whose voltage is given, are left out."""
    assert found.grid is not None and found.limits is not None
    names = _elements(found, kind)
    use = np.zeros((len(SCENARIOS), len(names)))
    for scenario, step, element, value in _values(found, kind):
        limit = found.limits.at(kind, step, element)
        if kind == LOADING:
            share = value / limit
        else:
            away = 1.0 if kind == "vm_max_pu" else -1.0
            share = away * (value - 1.0) / np.maximum(away * (limit - 1.0), _LEAST_BAND_PU)
        np.fmax.at(use, (scenario, element), share)
    if kind != LOADING:
        use[:, : len(found.grid.ways.is_source)][:, found.grid.ways.is_source] = 0.0
    return use


def _values(found: Material, kind: str) -> Iterator[tuple[IntArray, IntArray, IntArray, FloatArray]]:
    """Scenario, interval, element and value of all rows of a known scenario and element."""
    table, column, value = _KINDS[kind]
    names = _elements(found, kind)
    own = Names(list(names.names), dict(names.number))
    scenarios = Names(list(SCENARIOS), {name: place for place, name in enumerate(SCENARIOS)})
    for part in found.tables.parts(
        table, ("time", "scenario", column, value), {"scenario": scenarios, column: own}
    ):
        known = (part["scenario"] < len(SCENARIOS)) & (part[column] < len(names))
        step = found.clock.step_of(part["time"])
        known &= (step >= 0) & (step < found.clock.steps)
        yield part["scenario"][known], step[known], part[column][known], part[value][known]


def _follow(found: Material, kind: str, element: int) -> Stressed:
    """An element through the day."""
    assert found.grid is not None and found.limits is not None
    table, column, value = _KINDS[kind]
    name = _elements(found, kind).names[element]
    rows = found.tables.rows_at(table, ("time", "scenario", value), {column: name})
    step, values = found.steps_of(rows), np.full((len(SCENARIOS), found.clock.steps), np.nan)
    for place, scenario in enumerate(SCENARIOS):
        mine = rows["scenario"] == scenario
        values[place, step[mine]] = rows[value][mine]
    shown = [place for place in range(len(SCENARIOS)) if np.isfinite(values[place]).any()]
    every = np.arange(found.clock.steps)
    return Stressed(
        element_name(name, found.grid.kind[element] if kind == LOADING else "bus"),
        kind,
        tuple(SCENARIOS[place] for place in shown),
        values[shown],
        found.limits.at(kind, every, np.full(found.clock.steps, element)),
    )
