"""Checks what a three-phase grid in the plain format has beside a balanced one."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.model.grid import LOAD_MODELS, Coupling, Grid, IntArray
from gridcommons.model.phases import PHASES, bus_of_row, phase_of_row

_SYMMETRIC_SHARE = 1e-9
"""Share of the largest admittance by which an entry and its mirror image may differ: rounding."""


def check_three_phase(grid: Grid, file: str, problems: ProblemList) -> None:
    """Note whatever is wrong with the phases, the coupling and the phase loads of a grid."""
    for table in ("buses", "branches"):
        place = Place(file, table=table)
        for row, name in enumerate(getattr(grid, table).name):
            if phase_of_row(name) not in PHASES or not bus_of_row(name):
                expected = f"a name that ends in {listed('.' + phase for phase in PHASES)}"
                problems.add(place.at(row=row, column="name"), repr(name), expected)
    if grid.coupling is not None:
        _check_coupling(grid.coupling, len(grid.branches), Place(file, table="coupling"), problems)
    _check_phase_loads(grid, Place(file, table="phase_loads"), problems)


def _check_coupling(coupling: Coupling, branches: int, place: Place, problems: ProblemList) -> None:
    before = len(problems.found)
    for column in ("row_branch", "column_branch"):
        _check_range(getattr(coupling, column), (0, branches - 1), place.at(column=column), problems)
    for column in ("row_end", "column_end"):
        _check_range(getattr(coupling, column), (0, 1), place.at(column=column), problems)
    if len(problems.found) == before and not _is_symmetric(coupling, branches):
        found = "an admittance that differs from the one the other way round"
        problems.add(place, found, "a symmetric matrix: each pair of ends in both orders")


def _check_phase_loads(grid: Grid, place: Place, problems: ProblemList) -> None:
    loads, last = grid.phase_loads, len(grid.buses) - 1
    _check_range(loads.bus, (0, last), place.at(column="bus"), problems)
    _check_range(loads.to_bus, (-1, last), place.at(column="to_bus"), problems)
    for row in np.flatnonzero(loads.bus == loads.to_bus).tolist():
        found = "the same row as bus"
        problems.add(place.at(row=row, column="to_bus"), found, "another row of buses, or -1 for earth")
    for row, model in enumerate(loads.model):
        if model not in LOAD_MODELS:
            problems.add(place.at(row=row, column="model"), repr(model), listed(LOAD_MODELS))


def _check_range(values: IntArray, bounds: tuple[int, int], place: Place, problems: ProblemList) -> None:
    for row in np.flatnonzero((values < bounds[0]) | (values > bounds[1])).tolist():
        expected = f"a number from {bounds[0]} to {bounds[1]}"
        problems.add(place.at(row=row, column=place.column), str(values[row]), expected)


def _is_symmetric(coupling: Coupling, branches: int) -> bool:
    row = 2 * coupling.row_branch + coupling.row_end
    column = 2 * coupling.column_branch + coupling.column_end
    y_pu = coupling.g_pu + 1j * coupling.b_pu
    both = np.concatenate([row * 2 * branches + column, column * 2 * branches + row])
    key, at = np.unique(both, return_inverse=True)
    difference = np.zeros(len(key), dtype=np.complex128)
    np.add.at(difference, at, np.concatenate([y_pu, -y_pu]))
    largest = float(np.abs(y_pu).max(initial=0.0))
    return bool((np.abs(difference) <= _SYMMETRIC_SHARE * largest).all())
