"""Published feeders for reconfiguration that are shipped, and what is known of each.

Their publications, and the variants in which they circulate: ``reference/feeders/README.md``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gridcommons.model.grid import BoolArray, Names
from gridcommons.switching.feeder import Feeder, feeder_from_tables

FEEDERS = Path(__file__).parents[1] / "reference" / "feeders"


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
