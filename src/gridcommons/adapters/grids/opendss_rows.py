"""Rows of a three-phase grid: the phases of its buses, the conductors of its branches, their admittances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gridcommons.adapters.grids.opendss_branches import ComplexArray, Primitive
from gridcommons.adapters.grids.opendss_elements import Circuit, Element
from gridcommons.adapters.grids.opendss_sources import SourceBranch
from gridcommons.adapters.grids.reading import unique_names
from gridcommons.model.grid import S_BASE_KVA, BoolArray, Branches, Buses, Coupling, IntArray, Names
from gridcommons.model.phases import PHASES, row_name

_SAME_BASE_SHARE = 0.1
"""A bus takes one of the script's voltage bases where that is so close to what it would have without."""


def nominal_voltages(
    sources: Sequence[SourceBranch], branches: Sequence[Primitive], circuit: Circuit
) -> dict[str, float]:
    """Nominal voltage of each bus, line to line [kV], by name in lower case.

    A source has its base voltage, a line the same at both ends, a transformer the ratio of its rated ones; of
    the script's voltage bases the closest is taken where it is close.
    """
    neighbours: dict[str, list[tuple[str, float]]] = {}
    for branch in (*(source.primitive for source in sources), *branches):
        start, end = (terminal.bus.lower() for terminal in branch.ends)
        neighbours.setdefault(start, []).append((end, branch.turns))
        neighbours.setdefault(end, []).append((start, 1.0 / branch.turns))
    voltages: dict[str, float] = {}
    waiting = [(source.primitive.ends[0].bus.lower(), source.vn_kv) for source in sources]
    while waiting:
        bus, vn_kv = waiting.pop()
        if bus not in voltages:
            voltages[bus] = _rounded_to_base(vn_kv, circuit.voltage_bases_kv)
            waiting += [(other, voltages[bus] * turns) for other, turns in neighbours.get(bus, [])]
    for branch in branches:
        for terminal in branch.ends:
            if terminal.bus.lower() not in voltages:
                branch.element.refuse(
                    f"at {terminal.bus!r}, to which no branch leads", "a bus that a source reaches"
                )
    return voltages


def _rounded_to_base(vn_kv: float, bases_kv: Sequence[float]) -> float:
    closest = min(bases_kv, key=lambda base: abs(base / vn_kv - 1.0), default=vn_kv)
    return closest if abs(closest / vn_kv - 1.0) <= _SAME_BASE_SHARE else vn_kv


class Rows:
    """The rows of buses and branches, in the order in which the script names them.

    Parameters
    ----------
    primitives : sequence of Primitive
        The branches, sources first.
    voltages : mapping of str to float
        Nominal voltage of each bus, line to line [kV], by name in lower case.
    circuit : Circuit
        The circuit, for coordinates and for what is opened.
    """

    def __init__(
        self, primitives: Sequence[Primitive], voltages: Mapping[str, float], circuit: Circuit
    ) -> None:
        self._primitives, self._voltages, self._circuit = primitives, voltages, circuit
        terminals = [terminal for primitive in primitives for terminal in primitive.ends]
        self._bus_names: dict[str, str] = {}
        touched: dict[str, set[str]] = {}
        for terminal in terminals:
            self._bus_names.setdefault(terminal.bus.lower(), terminal.bus)
            touched.setdefault(terminal.bus.lower(), set()).update(terminal.phases)
        keys = [(bus, phase) for bus, phases in touched.items() for phase in PHASES if phase in phases]
        self._row = {key: row for row, key in enumerate(keys)}
        own = [primitive.element.name for primitive in primitives]
        self._names = unique_names(own, [f"{p.element.kind} {p.element.name}" for p in primitives])
        self._closed = [self._ends_closed(primitive) for primitive in primitives]

    def vn_kv(self, bus: str) -> float:
        """Nominal voltage of a bus, line to line [kV]; 1 where there is no such bus, which `row` refuses."""
        return self._voltages.get(bus.lower(), 1.0)

    def to_earth_kv(self, bus: str) -> float:
        """Nominal voltage of a bus to earth [kV]."""
        return self.vn_kv(bus) / math.sqrt(3.0)

    def row(self, bus: str, phase: str, element: Element) -> int:
        """Row of one phase of a bus; 0, and a problem of the element, where no branch leads there."""
        row = self._row.get((bus.lower(), phase))
        if row is None:
            there = [each for name, each in self._row if name == bus.lower()]
            expected = f"one of the phases {', '.join(there)}" if there else "a bus that a branch leads to"
            element.refuse(f"on phase {phase} of bus {bus!r}", expected)
            return 0
        return row

    def buses(self) -> Buses:
        """The table of buses."""
        nowhere = (math.nan, math.nan)
        # The bus inside a source is drawn where the source is.
        inside = [each.ends for each in self._primitives if each.element.kind == "vsource"]
        at = {inner.bus.lower(): outer.bus.lower() for inner, outer in inside}
        places = self._circuit.coordinates
        x_y = np.array([places.get(bus, places.get(at.get(bus, ""), nowhere)) for bus, _ in self._row])
        return Buses(
            tuple(row_name(self._bus_names[bus], phase) for bus, phase in self._row),
            np.array([self.vn_kv(bus) for bus, _ in self._row]),
            x_y[:, 0].copy(),
            x_y[:, 1].copy(),
        )

    def branches(self) -> Branches:
        """The table of branches, a row a conductor."""
        counts = [primitive.conductors for primitive in self._primitives]
        total = sum(counts)
        z_pu = np.repeat([self._z_pu(primitive) for primitive in self._primitives], counts)
        rated_ka = np.repeat([primitive.i_max_ka for primitive in self._primitives], counts, axis=0)
        ends = [self._end_rows(end) for end in (0, 1)]
        closed = np.hstack(self._closed)
        zero = np.zeros(total)
        return Branches(
            name=self._conductor_names(),
            kind=tuple(p.kind for p in self._primitives for _ in range(p.conductors)),
            from_bus=ends[0],
            to_bus=ends[1],
            r_pu=z_pu.real.copy(),
            x_pu=z_pu.imag.copy(),
            g_from_pu=zero.copy(),
            b_from_pu=zero.copy(),
            g_to_pu=zero.copy(),
            b_to_pu=zero.copy(),
            ratio=np.ones(total),
            shift_degree=zero.copy(),
            i_max_from_ka=rated_ka[:, 0].copy(),
            i_max_to_ka=rated_ka[:, 1].copy(),
            length_km=np.repeat([primitive.length_km for primitive in self._primitives], counts),
            from_closed=closed[0].copy(),
            to_closed=closed[1].copy(),
        )

    def coupling(self) -> Coupling:
        """The admittances between conductor ends, per unit."""
        parts, start = [], 0
        for primitive in self._primitives:
            y_pu = self._admittance_pu(primitive)
            row, column = np.nonzero(y_pu)
            n, value = primitive.conductors, y_pu[row, column]
            parts.append((start + row % n, row // n, start + column % n, column // n, value))
            start += n
        at = [np.concatenate([part[k] for part in parts]).astype(np.int64) for k in range(4)]
        value = np.concatenate([part[4] for part in parts])
        return Coupling(at[0], at[1], at[2], at[3], value.real.copy(), value.imag.copy())

    def open_branches(self) -> list[str]:
        """Names of the branches of which a conductor is open."""
        return [name for name, closed in zip(self._names, self._closed, strict=True) if not closed.all()]

    def switches(self) -> list[str]:
        """Names of the branches that the script calls switches, or opens."""
        named = zip(self._names, self._primitives, self._closed, strict=True)
        return [name for name, each, closed in named if _is_switch(each.element) or not closed.all()]

    def _admittance_pu(self, primitive: Primitive) -> ComplexArray:
        volts = np.repeat([self.to_earth_kv(end.bus) for end in primitive.ends], primitive.conductors) * 1e3
        scaled: ComplexArray = primitive.admittance_s * np.outer(volts, volts) / (S_BASE_KVA * 1e3)
        return scaled

    def _z_pu(self, primitive: Primitive) -> complex:
        return primitive.z_ohm * S_BASE_KVA / (self.to_earth_kv(primitive.ends[0].bus) ** 2 * 1e3)

    def _end_rows(self, end: int) -> IntArray:
        rows = [
            self._row[primitive.ends[end].bus.lower(), phase]
            for primitive in self._primitives
            for phase in primitive.ends[end].phases
        ]
        return np.array(rows, dtype=np.int64)

    def _conductor_names(self) -> Names:
        names = []
        for name, primitive in zip(self._names, self._primitives, strict=True):
            # A conductor that has no phase of its own at one end is named by the other.
            widest = max(primitive.ends, key=lambda end: len(set(end.phases)))
            names += [row_name(name, phase) for phase in widest.phases]
        return tuple(names)

    def _ends_closed(self, primitive: Primitive) -> BoolArray:
        """Whether each conductor is closed at each end, shape (2, conductors)."""
        element, count = primitive.element, primitive.conductors
        closed = np.full((2, count), element.is_enabled)
        for opening in self._circuit.openings:
            if opening.element is not element or not element.is_enabled:
                continue
            if opening.terminal > 2 or opening.conductor >= count:
                element.refuse(
                    f"opened at terminal {opening.terminal}", f"terminal 1 or 2, {count} conductors"
                )
            elif opening.conductor < 0:
                closed[opening.terminal - 1] = opening.closed
            else:
                closed[opening.terminal - 1, opening.conductor] = opening.closed
        return closed


def _is_switch(element: Element) -> bool:
    setting = element.last("switch")
    return setting is not None and setting.flag(element.problems)
