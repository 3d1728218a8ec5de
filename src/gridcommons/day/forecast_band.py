"""How sure the forecast of the day before is: quantiles of all loads together, and of all generation.

Errors of neighbours are alike, so that their sum is no sharper than its common part lets it be. The band is
drawn from the law of the errors as it is known at the gate of the forecast, and not from what will happen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.day.field import Field
from gridcommons.day.uncertainty import GENERATING, UNCERTAIN
from gridcommons.model.grid import FloatArray

DRAWS = 400
"""Draws that the quantiles are taken of."""

SHARES = (0.1, 0.5, 0.9)


@dataclass(frozen=True, eq=False)
class Band:
    """A forecast and what it turned out to be, shape (steps,) each [kW].

    Parameters
    ----------
    kind : str
        ``load`` or ``generation``.
    low_kw, middle_kw, high_kw : FloatArray
        Quantiles of 10, 50 and 90 %.
    realised_kw : FloatArray
        What it was.
    """

    kind: str
    low_kw: FloatArray
    middle_kw: FloatArray
    high_kw: FloatArray
    realised_kw: FloatArray


def forecast_bands(field: Field) -> list[Band]:
    """The band of all loads, and of all generation, where there are any."""
    known = field.information.seen(field.gates["forecast"])
    real, bands = field.information.meters(), []
    for kind, members in (("load", set(UNCERTAIN) - set(GENERATING)), ("generation", set(GENERATING))):
        names = [asset.asset for asset in field.assets if asset.kind in members]
        names = sorted(name for name in names if name in known.columns)
        if names:
            base_kw = np.array([known.columns[name] for name in names])
            real_kw = np.sum([real.columns[name] for name in names], axis=0)
            low_kw, middle_kw, high_kw = _quantiles(field, kind, base_kw)
            bands.append(Band(kind, low_kw, middle_kw, high_kw, real_kw))
    return bands


def _quantiles(field: Field, kind: str, base_kw: FloatArray) -> FloatArray:
    """Quantiles of the sum of profiles, shape (quantiles, steps) [kW]."""
    settings, time = field.settings, field.study.time
    spread = settings.generation_error_share if kind == "generation" else settings.load_error_share
    memory = np.exp(-time.step_hours / settings.error_memory_hours)
    ahead = np.arange(1, time.steps + 1) - field.gates["forecast"] / time.step_minutes
    sure = np.sqrt(1.0 - memory ** (2.0 * np.maximum(ahead, 1.0)))
    rng = np.random.default_rng([field.study.seed, 8, int(kind == "generation")])
    common = np.sqrt(settings.neighbour_share) * rng.standard_normal(DRAWS)
    own = np.sqrt(1.0 - settings.neighbour_share) * rng.standard_normal((DRAWS, len(base_kw)))
    shock = common[:, None] + own
    totals = [np.exp(spread * part * shock) @ base_kw[:, step] for step, part in enumerate(sure)]
    return np.asarray(np.quantile(np.array(totals), SHARES, axis=1))
