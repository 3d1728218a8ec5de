"""Known answers of switching: the losses of published feeders before and after reconfiguration.

The feeders, their publications and the variants in which they circulate: ``reference/feeders/README.md``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gridcommons.known_answers.answer import KnownAnswer
from gridcommons.model.grid import BoolArray, Names
from gridcommons.model.switches import positions
from gridcommons.switching.feeder import Feeder, feeder_from_tables
from gridcommons.switching.least_losses import LeastLosses, least_losses, solve_topology

FEEDERS = Path(__file__).parents[1] / "reference" / "feeders"
TOLERANCE_SHARE = 1e-4
"""Share of a published loss by which the computed one may differ: about its last printed digit."""

SEED = 1


@dataclass(frozen=True, eq=False)
class PublishedFeeder:
    """A feeder as published, and what is known of it.

    Parameters
    ----------
    name : str
        Name of its folder.
    feeder : Feeder
        Every branch a switch, named by its number.
    losses_before_kw, losses_best_kw : float
        Published losses before reconfiguration, and the best published after [kW].
    open_best : tuple of str
        Branches that are open in that best.
    """

    name: str
    feeder: Feeder
    losses_before_kw: float
    losses_best_kw: float
    open_best: Names

    @property
    def best(self) -> BoolArray:
        """Positions of the switches in the best published topology, shape (switches,)."""
        return np.array([switch.name not in self.open_best for switch in self.feeder.switches])


def published_feeders() -> tuple[PublishedFeeder, ...]:
    """All published feeders that are shipped."""
    return tuple(
        PublishedFeeder(
            name=row["feeder"],
            feeder=feeder_from_tables(
                _rows(FEEDERS / row["feeder"] / "branches.csv"),
                _rows(FEEDERS / row["feeder"] / "buses.csv"),
                float(row["vn_kv"]),
                float(row["base_mva"]) if row["base_mva"] else None,
                row["sources"].split(),
            ),
            losses_before_kw=float(row["losses_before_kw"]),
            losses_best_kw=float(row["losses_best_kw"]),
            open_best=tuple(row["open_best"].split()),
        )
        for row in _rows(FEEDERS / "feeders.csv")
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


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
