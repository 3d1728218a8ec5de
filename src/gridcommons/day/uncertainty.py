"""What tomorrow may bring: errors of the forecast, drawn once from the study's seed.

An error grows with the time that a forecast looks ahead and is alike in neighbouring intervals: the path of
an AR(1) process that is known to be zero when the first forecast is made,

    e[t] = ρ e[t−1] + √(1 − ρ²) ε[t],   ρ = exp(−dt / memory),

so that a forecast at s for t knows ρ^(t−s) e[s] of it. Part of ε is common to all loads, or to all plants.
A load or a plant is forecast times exp(σ e), so that it keeps its sign; the temperature is forecast plus σ e.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.day.settings import Settings
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.model.study import Study
from gridcommons.optimisation.devices.heat_pump import OUTDOOR

GENERATING = ("pv", "chp")
UNCERTAIN = ("load", "demand_response", *GENERATING)
"""Kinds whose profile is a forecast; what the others do follows from plans."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of some profiles.

    Parameters
    ----------
    column : tuple of str
        Which profiles.
    spread : (columns,)
        σ: of the logarithm, or in the unit of an additive one.
    is_added : (columns,)
        Whether the error is added.
    path : (columns, steps)
        e, of variance one far ahead.
    memory : float
        ρ, of one interval to the next.
    """

    column: Names
    spread: FloatArray
    is_added: BoolArray
    path: FloatArray
    memory: float

    def of(self, base: FloatArray, known: FloatArray) -> FloatArray:
        """Profiles with what is known of their errors, (columns, steps) both."""
        moved = self.spread[:, None] * known
        return np.where(self.is_added[:, None], base + moved, base * np.exp(moved))


def draw_errors(study: Study, settings: Settings, forecast_minute: int) -> Errors:
    """The errors of a study's profiles.

    Parameters
    ----------
    forecast_minute : int
        When the first forecast is made, from the start of the window [min].
    """
    columns, spread, group = _uncertain(study, settings)
    steps, dt_h = study.time.steps, study.time.step_hours
    memory = float(np.exp(-dt_h / settings.error_memory_hours))
    before = max(round(-forecast_minute / study.time.step_minutes), 0)
    rng = np.random.default_rng([study.seed, 7])
    # In the order of names, so that the order of the rows decides nothing.
    own = np.empty((len(columns), before + steps))
    own[np.argsort(np.array(columns, dtype=str))] = rng.standard_normal(own.shape)
    common = rng.standard_normal((3, before + steps))
    part = settings.neighbour_share
    shock = np.sqrt(1.0 - part) * own + np.sqrt(part) * common[group]
    path, e = np.empty_like(shock), np.zeros(len(columns))
    for step in range(shock.shape[1]):
        e = memory * e + np.sqrt(1.0 - memory**2) * shock[:, step]
        path[:, step] = e
    added = np.array([name == OUTDOOR for name in columns], dtype=np.bool_)
    return Errors(columns, spread, added, path[:, before:], memory)


def _uncertain(study: Study, settings: Settings) -> tuple[Names, FloatArray, IntArray]:
    """Columns with an error, its spread, and which common shock each has."""
    found: list[tuple[str, float, int]] = []
    for asset in study.community.assets:
        if asset.kind in UNCERTAIN and asset.asset in study.profiles.columns:
            generates = asset.kind in GENERATING
            share = settings.generation_error_share if generates else settings.load_error_share
            found.append((asset.asset, share, int(generates)))
    if OUTDOOR in study.profiles.columns:
        found.append((OUTDOOR, settings.temperature_error_c, 2))
    names = tuple(row[0] for row in found)
    spread = np.array([row[1] for row in found], dtype=np.float64)
    return names, spread, np.array([row[2] for row in found], dtype=np.int64)
