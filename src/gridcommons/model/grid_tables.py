"""The tables in which every task tells the state of the grid: a row an interval and element, by scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import FloatArray, Grid
from gridcommons.model.results import Columns, text_column


@dataclass(frozen=True, eq=False)
class GridState:
    """What a load flow says.

    Parameters
    ----------
    vm_pu : (steps, buses)
        Voltages, NaN where unsupplied [pu].
    p_from_kw, loading_percent : (steps, branches)
        Power into each branch [kW], and its loading [%].
    """

    vm_pu: FloatArray
    p_from_kw: FloatArray
    loading_percent: FloatArray


def grid_tables(
    grid: Grid, stamps: npt.NDArray[np.datetime64], scenario: str, state: GridState
) -> Iterator[tuple[str, Columns]]:
    """``bus_voltages`` and ``branch_loadings`` of a scenario; ``stamps`` are the starts of its intervals."""
    buses, branches = grid.buses, grid.branches
    yield "bus_voltages", {**long_keys(stamps, scenario, "bus", buses.name), "vm_pu": state.vm_pu.ravel()}
    yield (
        "branch_loadings",
        {
            **long_keys(stamps, scenario, "branch", branches.name),
            "kind": np.tile(text_column(branches.kind), len(stamps)),
            "p_from_kw": state.p_from_kw.ravel(),
            "loading_percent": state.loading_percent.ravel(),
        },
    )


def long_keys(
    stamps: npt.NDArray[np.datetime64], scenario: str, column: str, names: Sequence[str]
) -> dict[str, npt.NDArray[np.datetime64] | npt.NDArray[np.object_]]:
    """Keys of a table with a row an interval and name: ``time``, ``scenario``, and the name's ``column``."""
    return {
        "time": np.repeat(stamps, len(names)),
        "scenario": np.full(len(stamps) * len(names), scenario, dtype=object),
        column: np.tile(text_column(names), len(stamps)),
    }
