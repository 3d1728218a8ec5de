"""Small three-phase grids for tests, and a solver of their load flow that shares nothing with ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gridcommons.model.grid import S_BASE_KVA, Branches, Buses, Coupling, Grid, PhaseLoads, Sources

PHASES = "abc"
TURN = np.exp(-2j * np.pi / 3 * np.arange(3))


@dataclass
class Drawing:
    """A grid as it is drawn: phases of buses, branches as blocks of admittance, loads."""

    vn_kv: float = 0.4
    bus: list[str] = field(default_factory=list)
    branch: list[str] = field(default_factory=list)
    ends: list[tuple[int, int]] = field(default_factory=list)
    blocks: list[tuple[list[int], np.ndarray]] = field(default_factory=list)
    loads: list[tuple[str, str, complex, str]] = field(default_factory=list)

    def add_bus(self, name: str, phases: str = PHASES) -> None:
        self.bus += [f"{name}.{phase}" for phase in phases]

    def add_line(
        self, name: str, ends: tuple[str, str], z_ohm: np.ndarray, phases: str = PHASES, b_s: float = 0.0
    ) -> None:
        """A line of a series impedance matrix [ohm] and half the charging at each end and phase [S]."""
        series = np.linalg.inv(np.atleast_2d(z_ohm))
        charging = 1j * b_s * np.eye(len(phases))
        y_s = np.block([[series + charging, -series], [-series, series + charging]])
        first = len(self.branch)
        for phase in phases:
            self.branch.append(f"{name}.{phase}")
            self.ends.append((self.bus.index(f"{ends[0]}.{phase}"), self.bus.index(f"{ends[1]}.{phase}")))
        self.blocks.append((list(range(first, first + len(phases))), y_s))

    def add_load(self, where: str, to: str, s_kva: complex, model: str = "power") -> None:
        """A load at ``bus.phase``, to another one or (empty) to earth."""
        self.loads.append((where, to, s_kva, model))

    def grid(self, vm_pu: float = 1.0) -> Grid:
        """The grid, held by a source at its first bus."""
        base_s = S_BASE_KVA * 1e3 / (self.vn_kv * 1e3 / np.sqrt(3.0)) ** 2
        entries: list[tuple[int, int, int, int, complex]] = []
        for rows, y_s in self.blocks:
            place = [(row, end) for end in (0, 1) for row in rows]
            for i, (row, end) in enumerate(place):
                entries += [(row, end, *place[j], y_s[i, j] / base_s) for j in range(len(place))]
        row, row_end, column, column_end, y = zip(*entries, strict=True)
        count, none = len(self.branch), np.zeros(len(self.branch))
        endless, on = np.full(count, np.inf), np.ones(count, bool)
        f, t = np.array(self.ends).T
        branches = Branches(
            tuple(self.branch), ("line",) * count, f, t, none + 0.01, none + 0.01, none, none, none, none,
            none + 1.0, none, endless, endless, none, on, on.copy(),
        )  # fmt: skip
        buses = Buses(
            tuple(self.bus), np.full(len(self.bus), self.vn_kv), *(np.full((2, len(self.bus)), np.nan))
        )
        return Grid(
            buses,
            branches,
            Sources(tuple("abc"), np.arange(3), np.full(3, vm_pu), np.array([0.0, -120.0, 120.0])),
            coupling=Coupling(
                *(np.array(part) for part in (row, row_end, column, column_end)), np.real(y), np.imag(y)
            ),
            phase_loads=self._loads(),
        )

    def _loads(self) -> PhaseLoads:
        at = {name: k for k, name in enumerate(self.bus)} | {"": -1}
        where, to, s_kva, model = zip(*self.loads, strict=True) if self.loads else ((), (), (), ())
        power = np.array(s_kva, dtype=complex)
        bus, to_bus = (np.array([at[name] for name in names], dtype=np.int64) for names in (where, to))
        return PhaseLoads(
            tuple(f"load {k}" for k in range(len(where))), bus, to_bus, tuple(model), power.real, power.imag
        )


def solve_by_gauss(
    drawing: Drawing, vm_pu: float = 1.0, loads: Sequence[tuple[str, str, complex, str]] = ()
) -> np.ndarray:
    """Voltages to earth of every bus row [V], by fixed-point iteration on the dense matrix in siemens."""
    count, v_base = len(drawing.bus), drawing.vn_kv * 1e3 / np.sqrt(3.0)
    y = np.zeros((count, count), complex)
    for rows, block in drawing.blocks:
        nodes = [drawing.ends[row][end] for end in (0, 1) for row in rows]
        y[np.ix_(nodes, nodes)] += block
    held = vm_pu * v_base * TURN
    free = np.arange(3, count)
    at = {name: k for k, name in enumerate(drawing.bus)}
    v = np.concatenate([held, np.linalg.solve(y[3:, 3:], -y[3:, :3] @ held)])
    for _ in range(500):
        current = np.zeros(count, complex)
        for where, to, s_kva, model in [*drawing.loads, *loads]:
            nominal = v_base * (np.sqrt(3.0) if to else 1.0)
            d = v[at[where]] - (v[at[to]] if to else 0.0)
            size = {"power": 1.0, "current": abs(d) / nominal, "impedance": (abs(d) / nominal) ** 2}[model]
            drawn = np.conj(1e3 * s_kva * size / d)
            current[at[where]] -= drawn
            if to:
                current[at[to]] += drawn
        new = np.linalg.solve(y[np.ix_(free, free)], current[3:] - y[3:, :3] @ held)
        if np.abs(new - v[3:]).max() < 1e-11 * v_base:
            break
        v[3:] = new
    return v / v_base


def four_bus_drawing() -> Drawing:
    """A source, a three-phase line, a two-phase and a single-phase lateral; loads of every kind."""
    own, mutual = 0.05 + 0.04j, 0.012 + 0.018j
    z = np.full((3, 3), mutual) + np.diag([own - mutual, own * 1.1 - mutual, own * 0.95 - mutual])
    drawing = Drawing()
    drawing.add_bus("source")
    drawing.add_bus("1")
    drawing.add_bus("2", "ac")
    drawing.add_bus("3", "b")
    drawing.add_line("L1", ("source", "1"), z, b_s=2e-4)
    drawing.add_line("L2", ("1", "2"), z[np.ix_([0, 2], [0, 2])], "ac")
    drawing.add_line("L3", ("1", "3"), z[1:2, 1:2], "b")
    drawing.add_load("1.a", "", 9 + 3j)
    drawing.add_load("1.b", "", 4 + 1j, "current")
    drawing.add_load("1.c", "", 6 + 2j, "impedance")
    drawing.add_load("1.a", "1.b", 7 + 2j)
    drawing.add_load("1.b", "1.c", 5 - 1j, "current")
    drawing.add_load("1.c", "1.a", 3 + 1j, "impedance")
    drawing.add_load("2.a", "2.c", 8 + 3j)
    drawing.add_load("3.b", "", 10 + 4j)
    drawing.add_load("2.c", "", -6 + 0j)
    return drawing
