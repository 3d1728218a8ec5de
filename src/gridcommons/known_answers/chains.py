"""Chains of lines behind a source: the grids of known answers, and of small examples."""

from __future__ import annotations

import numpy as np

from gridcommons.model.grid import S_BASE_KVA, Buses, FloatArray, Grid, Sources, plain_lines
from gridcommons.model.limits import Limits


def chain_grid(lines: int = 4) -> Grid:
    """A chain of 150 m lines of 0.642 + j0.083 Ω/km at 0.4 kV behind a source at 1 pu (source 1's feeder)."""
    return chain_of_lines(np.full(lines, 0.15), complex(0.642, 0.083), 0.4)


def chain_of_lines(length_km: FloatArray, ohm_per_km: complex, vn_kv: float) -> Grid:
    """A chain of unrated lines behind a source at 1 pu at ``bus 0``.

    Parameters
    ----------
    length_km : (lines,)
        Length of each line [km].
    ohm_per_km : complex
        Series impedance [Ω/km].
    vn_kv : float
        Nominal voltage [kV].
    """
    lines = len(length_km)
    base_ohm = vn_kv**2 / (S_BASE_KVA / 1e3)
    every = np.arange(lines)
    return Grid(
        Buses(
            tuple(f"bus {k}" for k in range(lines + 1)),
            np.full(lines + 1, vn_kv),
            np.concatenate([[0.0], np.cumsum(length_km)]) * 1e3,
            np.zeros(lines + 1),
        ),
        plain_lines(
            tuple(f"line {k + 1}" for k in every),
            np.stack([every, every + 1], axis=1),
            ohm_per_km.real * length_km / base_ohm,
            ohm_per_km.imag * length_km / base_ohm,
            length_km,
        ),
        Sources(("source",), np.array([0]), np.array([1.0]), np.array([0.0])),
    )


def voltage_band(grid: Grid, vm_min_pu: float, vm_max_pu: float) -> Limits:
    """The same voltage band at every bus, ratings at 100 %, angles free."""
    buses, branches = (1, len(grid.buses)), (1, len(grid.branches))
    return Limits(
        np.full(buses, vm_min_pu),
        np.full(buses, vm_max_pu),
        np.full(buses, -np.inf),
        np.full(buses, np.inf),
        np.full(branches, 100.0),
        np.full(branches, -np.inf),
        np.full(branches, np.inf),
    )
