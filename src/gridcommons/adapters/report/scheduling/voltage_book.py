"""Voltages of a result before and after, their band, and the hours in which they are out of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import ALONE, BOUGHT, SCENARIOS
from gridcommons.adapters.report.tables import Names
from gridcommons.model.grid import BoolArray, FloatArray

TOLERANCE_PU = 1e-5
"""What a voltage may be out of its band and counts as inside [pu]; as in the round."""

_NO_BAND_PU = 1e3
"""Distance inside the band where there is none: beyond any other, and still a number to compare [pu]."""

LOW, HIGH = "vm_min_pu", "vm_max_pu"


@dataclass(frozen=True, eq=False)
class VoltageBook:
    """Voltages by scenario (before, after), interval and bus.

    Parameters
    ----------
    buses : tuple of str
        Their names.
    is_source : (buses,)
        Whether the voltage of a bus is given.
    vm_pu : (2, steps, buses)
        Voltages [pu]; NaN where there is no supply.
    vm_min_pu, vm_max_pu : (1 or steps, buses)
        Their band [pu]; infinite where there is none.
    """

    buses: tuple[str, ...]
    is_source: BoolArray
    vm_pu: FloatArray
    vm_min_pu: FloatArray
    vm_max_pu: FloatArray

    @cached_property
    def inside_pu(self) -> FloatArray:
        """Distance to the nearer end of the band, below 0 outside, shape (2, steps, buses) [pu].

        Sources count only where they are out themselves.
        """
        inside = np.fmin(self.vm_pu - self.vm_min_pu, self.vm_max_pu - self.vm_pu)
        return np.where(self.is_source & (inside >= -TOLERANCE_PU), np.inf, inside)

    @cached_property
    def worst_pu(self) -> FloatArray:
        """The voltage of each bus nearest to an end of its band, or furthest out, shape (2, buses)."""
        return self._at_worst(self.vm_pu)

    @cached_property
    def worst_is_low(self) -> BoolArray:
        """Whether that end is the lower one, shape (2, buses)."""
        above, below = (self._at_worst(v) for v in (self.vm_pu - self.vm_min_pu, self.vm_max_pu - self.vm_pu))
        return np.where(np.isfinite(np.fmin(above, below)), above < below, self.worst_pu < 1.0)

    def _at_worst(self, values: FloatArray) -> FloatArray:
        """Values when each bus is at its worst; without a band that is furthest from the nominal voltage."""
        inside = np.where(np.isfinite(self.inside_pu), self.inside_pu, _NO_BAND_PU - np.abs(self.vm_pu - 1.0))
        step = np.argmin(np.where(np.isfinite(self.vm_pu), inside, np.inf), axis=1)
        return np.take_along_axis(values, step[:, None, :], axis=1)[:, 0, :]

    @cached_property
    def worst_inside_pu(self) -> FloatArray:
        """Distance of each bus to the nearer end of its band at its worst, shape (2, buses) [pu]."""
        inside = np.where(np.isfinite(self.vm_pu), self.inside_pu, np.inf)
        return np.asarray(inside.min(axis=1))

    @cached_property
    def band(self) -> tuple[float, float]:
        """The tightest band of any bus [pu]; infinite where there is none."""
        return float(self.vm_min_pu.max(initial=-np.inf)), float(self.vm_max_pu.min(initial=np.inf))

    def out_intervals(self, scenario: str) -> int:
        """In how many intervals some voltage is out of its band."""
        out = self.inside_pu[SCENARIOS.index(scenario)] < -TOLERANCE_PU
        return int(out.any(axis=1).sum())

    def at(self, scenario: str, step: int, bus: str) -> float:
        """A voltage [pu]; NaN where it is not known."""
        if bus not in self.buses:
            return float("nan")
        return float(self.vm_pu[SCENARIOS.index(scenario), step, self.buses.index(bus)])


@dataclass(frozen=True)
class Out:
    """A voltage out of its band: interval, bus, which end of the band, voltage and limit [pu]."""

    step: int
    bus: str
    kind: str
    vm_pu: float
    limit_pu: float

    @property
    def excess_pu(self) -> float:
        """By how much it is out [pu]."""
        return abs(self.vm_pu - self.limit_pu)

    @property
    def is_low(self) -> bool:
        """Whether it is too low."""
        return self.kind == LOW


def read_voltages(found: Material) -> VoltageBook | None:
    """Voltages; None where the result holds none, or does not describe its grid."""
    grid, limits = found.grid, found.limits
    if grid is None or limits is None or "bus_voltages" not in found.tables:
        return None
    count = len(grid.buses)
    buses = Names(list(grid.buses.names), dict(grid.buses.number))
    scenarios = Names(list(SCENARIOS), {name: place for place, name in enumerate(SCENARIOS)})
    vm_pu = np.full((len(SCENARIOS), found.clock.steps, count), np.nan)
    names = {"bus": buses, "scenario": scenarios}
    for part in found.tables.parts("bus_voltages", ("time", "scenario", "bus", "vm_pu"), names):
        known = (part["bus"] < count) & (part["scenario"] < len(SCENARIOS))
        step = found.clock.step_of(part["time"][known])
        vm_pu[part["scenario"][known], step, part["bus"][known]] = part["vm_pu"][known]
    if not np.isfinite(vm_pu).any():
        return None
    band = (limits.values[LOW], limits.values[HIGH])
    return VoltageBook(tuple(grid.buses.names), grid.ways.is_source, vm_pu, *band)


def read_outs(found: Material, scenario: str) -> list[Out]:
    """Voltages out of their band in a scenario, as the run found them; the furthest out first."""
    rows, step = found.violations, found.steps_of(found.violations)
    outs = [
        Out(
            int(step[k]),
            str(rows["element"][k]),
            str(rows["kind"][k]),
            float(rows["value"][k]),
            float(rows["limit"][k]),
        )
        for k in np.flatnonzero(rows["scenario"] == scenario)
        if rows["kind"][k] in (LOW, HIGH)
    ]
    return sorted(outs, key=lambda out: (-round(out.excess_pu, 9), out.step, out.bus))


def worst_of_buses(outs: Iterable[Out]) -> list[Out]:
    """The first of each bus, in the order of ``outs``."""
    worst: dict[str, Out] = {}
    for out in outs:
        worst.setdefault(out.bus, out)
    return list(worst.values())


def worst_of_hours(outs: list[Out]) -> dict[int, Out]:
    """The voltage furthest out in each interval, by interval, in the order of ``outs``."""
    worst: dict[int, Out] = {}
    for out in outs:
        worst.setdefault(out.step, out)
    return worst


@dataclass(frozen=True)
class Spell:
    """Intervals in a row in which the same voltage is the one furthest out: first and last, and the worst."""

    first: int
    last: int
    worst: Out


def read_spells(outs: list[Out]) -> list[Spell]:
    """Spells of a scenario, the one furthest out first."""
    worst = worst_of_hours(outs)
    spells: list[Spell] = []
    for step in sorted(worst):
        out, before = worst[step], spells[-1] if spells else None
        if before is None or step != before.last + 1 or before.worst.bus != out.bus:
            spells.append(Spell(step, step, out))
        else:
            further = max(before.worst, out, key=lambda each: each.excess_pu)
            spells[-1] = Spell(before.first, step, further)
    return sorted(spells, key=lambda spell: (-round(spell.worst.excess_pu, 9), spell.first))


@dataclass(frozen=True)
class CloseUp:
    """The worst voltage of an interval before and after, as distances inside its band (below 0: outside)."""

    step: int
    bus: str
    before_pu: float
    after_pu: float
    limit_pu: float
    is_low: bool

    def inside(self, vm_pu: float) -> float:
        """How far inside its band a voltage is [pu]."""
        return (vm_pu - self.limit_pu) * (1.0 if self.is_low else -1.0)


def read_close_ups(found: Material, book: VoltageBook) -> list[CloseUp]:
    """Intervals with a voltage out before or after, the furthest out first: that voltage in both."""
    before, after = (worst_of_hours(read_outs(found, scenario)) for scenario in SCENARIOS)
    rows = []
    for step, out in (before | {k: v for k, v in after.items() if k not in before}).items():
        ends = (book.at(ALONE, step, out.bus), book.at(BOUGHT, step, out.bus))
        rows.append(CloseUp(step, out.bus, *ends, out.limit_pu, out.is_low))
    return rows
