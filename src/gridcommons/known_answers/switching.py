"""Known answers of switching: the losses of published feeders before and after reconfiguration.

The feeders, their publications and the variants in which they circulate: ``reference/feeders/README.md``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridcommons.adapters.published_feeders import PublishedFeeder, published_feeders
from gridcommons.known_answers.answer import KnownAnswer
from gridcommons.model.grid import BoolArray
from gridcommons.model.switches import positions
from gridcommons.switching.feeder import Feeder
from gridcommons.switching.least_losses import LeastLosses, least_losses, solve_topology

TOLERANCE_SHARE = 1e-4
"""Share of a published loss by which the computed one may differ: about its last printed digit."""

SEED = 1


def switching_answers() -> Iterator[KnownAnswer]:
    """All of them, computed now."""
    for published in published_feeders():
        yield from answers_of(published, least_losses(published.feeder, np.random.default_rng(SEED)))


def answers_of(published: PublishedFeeder, found: LeastLosses) -> Iterator[KnownAnswer]:
    """What is known of one feeder, beside what was found.

    The branches that are open are compared by their losses, since some can be open or closed alike: on the
    69-bus feeder no load lies between branches 55 and 58.
    """
    feeder, source = published.feeder, f"reference/feeders/README.md, {published.name}"
    before_kw = _losses_kw(feeder, positions(feeder.switches))
    best_kw = _losses_kw(feeder, published.best)
    for name, computed, printed in (
        ("losses before", before_kw, published.losses_before_kw),
        ("least losses", found.losses_kwh, published.losses_best_kw),
    ):
        tolerance = TOLERANCE_SHARE * printed
        yield KnownAnswer(f"{published.name}, {name}", computed, printed, tolerance, "kW", source)
    name = f"{published.name}, losses with {' '.join(published.open_best)} open above the least"
    yield KnownAnswer(name, best_kw - found.losses_kwh, 0.0, 1e-4, "kW", source)


def _losses_kw(feeder: Feeder, closed: BoolArray) -> float:
    return float(solve_topology(feeder, closed).losses_kw()[0])
