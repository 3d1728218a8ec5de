"""A three-phase feeder without the buses at which one line only goes on as another: exact and far smaller."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from gridcommons.model.grid import Branches, Buses, Coupling, Grid
from gridcommons.model.phases import bus_of_row, phase_of_row
from three_phase import PHASES


def thinned(grid: Grid, kept: set[str]) -> Grid:
    """The same grid without the buses at which two lines meet, but for those that are ``kept``.

    Two lines without charging are one line of the summed impedance matrices.
    """
    lines = _Lines(grid)
    for bus in [bus for bus, names in lines.at.items() if len(names) == 2 and bus not in kept]:
        lines.join(bus)
    return _assembled(grid, lines)


class _Lines:
    """Lines by name: between which buses, with which impedances [pu], rated at how much [kA]."""

    def __init__(self, grid: Grid) -> None:
        branches = grid.branches
        row = {name: k for k, name in enumerate(branches.name)}
        bus_of = [bus_of_row(name) for name in grid.buses.name]
        self.ends: dict[str, list[str]] = {}
        self.z: dict[str, np.ndarray] = {}
        self.rated: dict[str, float] = {}
        self.at: dict[str, list[str]] = {}
        elsewhere = set()
        for k, name in enumerate(branches.name):
            ends = [bus_of[branches.from_bus[k]], bus_of[branches.to_bus[k]]]
            if branches.kind[k] != "line":
                elsewhere |= set(ends)
            elif phase_of_row(name) == "a":
                line = bus_of_row(name)
                rows = [row[f"{line}.{phase}"] for phase in PHASES]
                self.ends[line], self.rated[line] = ends, float(branches.i_max_from_ka[k])
                self.z[line] = np.linalg.inv(_own_admittance(grid, rows))
                for bus in ends:
                    self.at.setdefault(bus, []).append(line)
        self.at = {bus: names for bus, names in self.at.items() if bus not in elsewhere}

    def join(self, bus: str) -> None:
        """Make one line of the two that meet at a bus."""
        one, two = self.at.pop(bus)
        outer = [next(end for end in self.ends[name] if end != bus) for name in (one, two)]
        if outer[1] in self.at:
            self.at[outer[1]] = [one if name == two else name for name in self.at[outer[1]]]
        self.ends[one], self.z[one] = outer, self.z[one] + self.z[two]
        self.rated[one] = min(self.rated[one], self.rated[two])
        del self.ends[two], self.z[two], self.rated[two]


def _own_admittance(grid: Grid, rows: list[int]) -> np.ndarray:
    """Admittance of the ``from`` ends of a line's conductors to each other [pu]."""
    c = grid.coupling
    assert c is not None
    mine = np.flatnonzero(np.isin(c.row_branch, rows) & (c.row_end == 0) & (c.column_end == 0))
    y = np.zeros((3, 3), complex)
    place = {row: k for k, row in enumerate(rows)}
    for k in mine:
        y[place[c.row_branch[k]], place[c.column_branch[k]]] = c.g_pu[k] + 1j * c.b_pu[k]
    return y


def _assembled(grid: Grid, lines: _Lines) -> Grid:
    """The grid with these lines in the place of its own; what else it has stays."""
    b = grid.branches
    is_line = [kind == "line" for kind in b.kind]
    left = np.array([k for k, n in enumerate(b.name) if not is_line[k] or bus_of_row(n) in lines.ends])
    ends = [b.from_bus.copy(), b.to_bus.copy()]
    ka = b.i_max_from_ka.copy(), b.i_max_to_ka.copy()
    for k in left[[is_line[k] for k in left]]:
        line, phase = bus_of_row(b.name[k]), phase_of_row(b.name[k])
        for end in (0, 1):
            ends[end][k] = grid.bus_index[f"{lines.ends[line][end]}.{phase}"]
            ka[end][k] = lines.rated[line]
    used = np.unique(np.concatenate([ends[0][left], ends[1][left], grid.sources.bus]))
    place = np.full(len(grid.buses), -1)
    place[used] = np.arange(len(used))
    names = tuple(b.name[k] for k in left)
    columns = {field: np.asarray(getattr(b, field))[left] for field in b.__dataclass_fields__}
    columns |= {"i_max_from_ka": ka[0][left], "i_max_to_ka": ka[1][left]}
    columns |= {"from_bus": place[ends[0][left]], "to_bus": place[ends[1][left]]}
    columns |= {"name": names, "kind": tuple(b.kind[k] for k in left)}
    old = grid.buses
    buses = Buses(
        tuple(old.name[k] for k in used), *(column[used] for column in (old.vn_kv, old.x_map, old.y_map))
    )
    return replace(
        grid,
        buses=buses,
        branches=Branches(**columns),
        sources=replace(grid.sources, bus=place[grid.sources.bus]),
        coupling=_coupling(grid, lines, {b.name[k]: n for n, k in enumerate(left)}),
    )


def _coupling(grid: Grid, lines: _Lines, row: dict[str, int]) -> Coupling:
    c, name = grid.coupling, grid.branches.name
    assert c is not None
    others = np.flatnonzero([grid.branches.kind[k] != "line" for k in c.row_branch])
    entries = [
        (row[name[c.row_branch[k]]], c.row_end[k], row[name[c.column_branch[k]]], c.column_end[k])
        for k in others
    ]
    values = [complex(c.g_pu[k], c.b_pu[k]) for k in others]
    for line, z in lines.z.items():
        rows, y = [row[f"{line}.{phase}"] for phase in PHASES], np.linalg.inv(z)
        for (i, e), (j, f) in product(product(range(3), range(2)), repeat=2):
            entries.append((rows[i], e, rows[j], f))
            values.append(y[i, j] if e == f else -y[i, j])
    ends = (np.array(column) for column in zip(*entries, strict=True))
    return Coupling(*ends, np.real(values), np.imag(values))
