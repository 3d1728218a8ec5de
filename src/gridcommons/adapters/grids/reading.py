"""What every grid source hands back: the grid, and what is worth saying about how it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridcommons.model.grid import (
    Branches,
    FixedInjections,
    FloatArray,
    Grid,
    Names,
    Shunts,
    Sources,
)
from gridcommons.model.topology import bus_nodes, supplied_buses


@dataclass(frozen=True, eq=False)
class GridReading:
    """A grid as read from a file.

    Parameters
    ----------
    grid : Grid
        The grid.
    notes : tuple of str
        One line each on what the user should know: fixed loads of the file, overrides applied,
        elements left out, taps without effect.
    """

    grid: Grid
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class BranchPart:
    """Branches of one table before they are named: columns as in `Branches`."""

    own_names: tuple[str, ...]
    fallback_names: tuple[str, ...]
    kind: str | tuple[str, ...]
    columns: dict[str, Any]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of each branch."""
        return (self.kind,) * len(self.own_names) if isinstance(self.kind, str) else self.kind


@dataclass
class ShuntRows:
    """Shunts as they are found, element by element."""

    bus: list[int] = field(default_factory=list)
    p_kw: list[float] = field(default_factory=list)
    q_kvar: list[float] = field(default_factory=list)

    def add(self, bus: int, p_kw: float, q_kvar: float) -> None:
        """Add what draws ``p_kw`` and ``q_kvar`` at nominal voltage [kW], [kvar]."""
        self.bus.append(bus)
        self.p_kw.append(p_kw)
        self.q_kvar.append(q_kvar)

    def table(self) -> Shunts:
        """All of them as one table."""
        return Shunts(np.array(self.bus, np.int64), np.array(self.p_kw, float), np.array(self.q_kvar, float))


@dataclass
class FixedRows:
    """Fixed injections as they are found, element by element."""

    own_names: list[str] = field(default_factory=list)
    fallback_names: list[str] = field(default_factory=list)
    bus: list[int] = field(default_factory=list)
    p_kw: list[float] = field(default_factory=list)
    q_kvar: list[float] = field(default_factory=list)

    def add(self, names: tuple[str, str], bus: int, p_kw: float, q_kvar: float) -> None:
        """Add an injection under its own name and the fallback, positive when the grid delivers."""
        self.own_names.append(names[0])
        self.fallback_names.append(names[1])
        self.bus.append(bus)
        self.p_kw.append(p_kw)
        self.q_kvar.append(q_kvar)

    def table(self) -> FixedInjections:
        """All of them as one table."""
        return FixedInjections(
            unique_names(self.own_names, self.fallback_names),
            np.array(self.bus, np.int64),
            np.array(self.p_kw, float),
            np.array(self.q_kvar, float),
        )


def unique_names(own: Sequence[str], fallback: Sequence[str]) -> Names:
    """Each element's own name where no other has it, else its fallback (kind and index)."""
    times = Counter(own)
    reserved = set(fallback)
    return tuple(
        name if name and times[name] == 1 and (name not in reserved or name == spare) else spare
        for name, spare in zip(own, fallback, strict=True)
    )


def join_branches(parts: Sequence[BranchPart]) -> Branches:
    """All parts as one table, with names that are unique over all branches."""
    full = [part for part in parts if part.own_names]
    own = [name for part in full for name in part.own_names]
    fallback = [name for part in full for name in part.fallback_names]
    kinds = tuple(kind for part in full for kind in part.kinds)
    columns: dict[str, Any] = {
        name: np.concatenate([np.asarray(part.columns[name], dtype) for part in full])
        if full
        else np.zeros(0, dtype)
        for name, dtype in BRANCH_COLUMNS.items()
    }
    return Branches(name=unique_names(own, fallback), kind=kinds, **columns)


BRANCH_COLUMNS: dict[str, type] = {
    "from_bus": np.int64,
    "to_bus": np.int64,
    **dict.fromkeys(("r_pu", "x_pu", "g_from_pu", "b_from_pu", "g_to_pu", "b_to_pu"), np.float64),
    **dict.fromkeys(("ratio", "shift_degree", "i_max_from_ka", "i_max_to_ka", "length_km"), np.float64),
    "from_closed": np.bool_,
    "to_closed": np.bool_,
}
"""Columns of `Branches` after name and kind, with their types."""


def unrated_notes(branches: Branches) -> list[str]:
    """One line on lines and transformers without a rating, none where all have one."""
    endless = np.isinf(branches.i_max_from_ka) & np.isinf(branches.i_max_to_ka)
    count = sum(1 for kind, free in zip(branches.kind, endless, strict=True) if free and kind != "impedance")
    return [f"{count} lines and transformers have no rating: nothing limits their loading"] if count else []


def with_source_voltage(sources: Sources, vm_pu: float) -> Sources:
    """The same sources, all holding ``vm_pu`` [pu]."""
    return Sources(sources.name, sources.bus, np.full(len(sources.name), float(vm_pu)), sources.va_degree)


def islanded_injections(grid: Grid) -> list[int]:
    """Fixed injections other than zero whose bus no source reaches."""
    supplied = supplied_buses(grid)
    fixed = grid.fixed
    drawn = (fixed.p_kw != 0) | (fixed.q_kvar != 0)
    return [int(index) for index in np.flatnonzero(drawn & ~supplied[fixed.bus])]


def clashing_sources(grid: Grid) -> list[tuple[int, int]]:
    """Pairs of sources on one electrical node that hold it at different voltages."""
    node = bus_nodes(grid)[grid.sources.bus]
    held = grid.sources.vm_pu * np.exp(1j * np.deg2rad(grid.sources.va_degree))
    first: dict[int, int] = {}
    pairs = []
    for index, at in enumerate(node.tolist()):
        other = first.setdefault(at, index)
        if abs(held[other] - held[index]) > SAME_VOLTAGE_PU:
            pairs.append((other, index))
    return pairs


SAME_VOLTAGE_PU = 1e-12
"""Held voltages closer than this are one voltage [pu]."""


def unmatched_voltages(grid: Grid) -> list[int]:
    """Closed bus switches that join buses of different nominal voltage."""
    switches, vn_kv = grid.switches, grid.buses.vn_kv
    a: FloatArray = vn_kv[switches.bus_a]
    b: FloatArray = vn_kv[switches.bus_b]
    return [int(index) for index in np.flatnonzero(switches.closed & (np.abs(a - b) > 1e-9 * a))]
