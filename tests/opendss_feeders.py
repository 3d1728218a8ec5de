"""Scripts of OpenDSS for tests, and a solver of three-phase grids that shares nothing with the project's."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

import gridcommons
from gridcommons.adapters.grids.opendss_grids import Feeder, read_feeder
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import S_BASE_KVA, Grid
from gridcommons.model.phases import conductors

REFERENCE = Path(__file__).parent / "reference"
SHIPPED = Path(gridcommons.__file__).parent / "reference"
HEAD = "new circuit.c bus1=head basekv=10 r1=0 x1=.1 r0=0 x0=.1\n"
"""A stiff source of 10 kV."""
MODEL_POWER = {"power": 0, "current": 1, "impedance": 2}


def read_text(folder: Path, script: str, head: str = HEAD, **taps: float) -> Feeder:
    """The feeder of a script behind a stiff source."""
    path = folder / "feeder.dss"
    path.write_text(head + script, encoding="utf-8")
    return read_feeder(path, taps)


def problems_of(folder: Path, script: str, head: str = HEAD) -> list[str]:
    """What is wrong with a script, a line each; ``head`` takes the first line of the file."""
    try:
        read_text(folder, script, head)
    except StudyError as error:
        return [str(problem) for problem in error.problems]
    return []


def admittance_s(grid: Grid, branch: str) -> tuple[list[str], np.ndarray]:
    """Rows of buses at the ends of a branch, and its admittances between them [S]."""
    rows = conductors(grid, branch).tolist()
    ends = [(row, end) for end in (0, 1) for row in rows]
    bus = (grid.branches.from_bus, grid.branches.to_bus)
    at = {each: place for place, each in enumerate(ends)}
    y = np.zeros((len(ends), len(ends)), complex)
    c = grid.coupling
    assert c is not None
    entries = zip(c.row_branch, c.row_end, c.column_branch, c.column_end, c.g_pu + 1j * c.b_pu, strict=True)
    for row, row_end, column, column_end, value in entries:
        if row in rows:
            y[at[row, row_end], at[column, column_end]] += value
    volts = np.array([grid.buses.vn_kv[bus[end][row]] for row, end in ends]) * 1e3 / np.sqrt(3.0)
    return [grid.buses.name[bus[end][row]] for row, end in ends], y * S_BASE_KVA * 1e3 / np.outer(
        volts, volts
    )


def block_s(grid: Grid, branch: str, rows: list[str], columns: list[str]) -> np.ndarray:
    """Admittances of a branch between named rows of buses [S]; ends on one row are added up."""
    names, y = admittance_s(grid, branch)
    here = np.array([[name == row for name in names] for row in rows], float)
    there = np.array([[name == column for name in names] for column in columns], float)
    return here @ y @ there.T


def solve_voltages(
    grid: Grid, p_kw: np.ndarray | None = None, q_kvar: np.ndarray | None = None
) -> np.ndarray:
    """Voltages to earth of every row of buses [pu], zero where nothing leads, iterated on load currents."""
    y, count = _nodal_matrix(grid), len(grid.buses)
    v = np.zeros(y.shape[0], complex)
    v[grid.sources.bus] = grid.sources.vm_pu * np.exp(1j * np.deg2rad(grid.sources.va_degree))
    reached = _reached(y, grid.sources.bus)
    free = np.setdiff1d(reached, grid.sources.bus)
    factors = splu(csc_array(y[free][:, free]))
    held = -(y[free][:, grid.sources.bus] @ v[grid.sources.bus])
    v[free] = factors.solve(held)
    for _ in range(300):
        injected = _load_currents(grid, v, p_kw, q_kvar)
        new = factors.solve(held + injected[free])
        moved = np.abs(new - v[free]).max()
        v[free] = new
        if moved < 1e-13:
            break
    assert moved < 1e-9
    return v[:count]


def losses_kw(grid: Grid, v: np.ndarray) -> float:
    """Active power that stays in the branches [kW]."""
    c, ends = grid.coupling, np.array([grid.branches.from_bus, grid.branches.to_bus])
    assert c is not None
    y_pu = c.g_pu + 1j * c.b_pu
    s = v[ends[c.row_end, c.row_branch]] * np.conj(y_pu * v[ends[c.column_end, c.column_branch]])
    return float(s.real.sum() * S_BASE_KVA)


def read_voltages(path: Path) -> dict[str, complex]:
    """Voltages of a reference by row of buses, names in lower case [pu]."""
    with path.open(encoding="utf-8") as file:
        return {
            f"{row['bus']}.{row['phase']}".lower(): float(row["vm_pu"])
            * np.exp(1j * np.deg2rad(float(row["va_degree"])))
            for row in csv.DictReader(file)
        }


def _nodal_matrix(grid: Grid) -> csc_array:
    """Admittances between rows of buses; an open end is a node of its own behind them."""
    c, b = grid.coupling, grid.branches
    assert c is not None
    node = np.array([b.from_bus, b.to_bus])
    open_ends = ~np.array([b.from_closed, b.to_closed])
    count = len(grid.buses) + int(open_ends.sum())
    node[open_ends] = np.arange(len(grid.buses), count)
    row, column = node[c.row_end, c.row_branch], node[c.column_end, c.column_branch]
    shunt = (grid.shunts.p_kw - 1j * grid.shunts.q_kvar) / S_BASE_KVA
    at = (np.concatenate([row, grid.shunts.bus]), np.concatenate([column, grid.shunts.bus]))
    return csc_array((np.concatenate([c.g_pu + 1j * c.b_pu, shunt]), at), shape=(count, count))


def _reached(y: csc_array, sources: np.ndarray) -> np.ndarray:
    found = np.zeros(y.shape[0], bool)
    found[sources] = True
    while True:
        grown = found | (np.abs(y) @ found > 0)
        if (grown == found).all():
            return np.flatnonzero(found)
        found = grown


def _load_currents(
    grid: Grid, v: np.ndarray, p_kw: np.ndarray | None, q_kvar: np.ndarray | None
) -> np.ndarray:
    loads = grid.phase_loads
    p, q = loads.p_kw if p_kw is None else p_kw, loads.q_kvar if q_kvar is None else q_kvar
    is_between = loads.to_bus >= 0
    u = v[loads.bus] - np.where(is_between, v[loads.to_bus], 0.0)
    nominal = np.where(is_between, np.sqrt(3.0), 1.0)
    exponent = np.array([MODEL_POWER[model] for model in loads.model])
    drawn = np.conj((p + 1j * q) / S_BASE_KVA * (np.abs(u) / nominal) ** exponent / np.where(u == 0, 1, u))
    injected = np.zeros(len(v), complex)
    np.add.at(injected, loads.bus, -drawn)
    np.add.at(injected, loads.to_bus[is_between], drawn[is_between])
    return injected
