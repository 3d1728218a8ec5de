"""Who got what: widths by asset and objective, Jain's index, the price of fairness."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gridcommons.envelopes.boxes import Boxes
from gridcommons.model.grid import FloatArray
from gridcommons.model.results import Columns


def jain_index(share: FloatArray) -> float:
    """Jain's index (Σx)² / (n Σx²): 1 where all have the same, 1/n where one has all; NaN where none has any.

    Source: R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984.
    """
    square = float((share**2).sum())
    return float(share.sum()) ** 2 / (len(share) * square) if square > 0.0 else float("nan")


@dataclass
class Shares:
    """Energy that each asset may draw and inject under each objective, summed over the windows.

    Parameters
    ----------
    asset : tuple of str
        Assets.
    step_hours : float
        Length of a step [h].
    """

    asset: tuple[str, ...]
    step_hours: float
    import_kwh: dict[str, FloatArray] = field(default_factory=dict)
    export_kwh: dict[str, FloatArray] = field(default_factory=dict)
    most_kwh: FloatArray = field(default_factory=lambda: np.zeros(0))

    def add(self, objective: str, boxes: Boxes) -> None:
        """Add a window's boxes under one objective."""
        for book, ends in ((self.import_kwh, boxes.up_kw), (self.export_kwh, boxes.down_kw)):
            gained = ends.sum(axis=0) * self.step_hours
            book[objective] = book.get(objective, np.zeros(len(self.asset))) + gained

    def add_most(self, up_kw: FloatArray, down_kw: FloatArray) -> None:
        """Add what the devices alone would allow in a window."""
        gained = (up_kw + down_kw).sum(axis=0) * self.step_hours
        self.most_kwh = gained if not len(self.most_kwh) else self.most_kwh + gained

    def total_kwh(self, objective: str) -> float:
        """Import and export of all assets together [kWh]."""
        return float(self.import_kwh[objective].sum() + self.export_kwh[objective].sum())

    def satisfaction(self, objective: str) -> FloatArray:
        """What each asset that can move got, as a share of what its device allows (movable assets,)."""
        got = self.import_kwh[objective] + self.export_kwh[objective]
        return got[self.most_kwh > 0.0] / self.most_kwh[self.most_kwh > 0.0]

    def table(self) -> Columns:
        """Long table of the shares."""
        names = list(self.import_kwh)
        return {
            "objective": np.repeat(np.array(names, dtype=object), len(self.asset)),
            "asset": np.tile(np.array(self.asset, dtype=object), len(names)),
            "import_kwh": np.concatenate([self.import_kwh[name] for name in names]),
            "export_kwh": np.concatenate([self.export_kwh[name] for name in names]),
        }

    def summary(self, reference: str) -> dict[str, dict[str, float]]:
        """By objective: total [kWh], price of fairness (share lost against ``reference``), Jain's index."""
        return {
            name: {
                "total_kwh": self.total_kwh(name),
                "price_of_fairness_share": _lost(self.total_kwh(name), self.total_kwh(reference)),
                "import_price_of_fairness_share": _lost_of(self.import_kwh, name, reference),
                "export_price_of_fairness_share": _lost_of(self.export_kwh, name, reference),
                "jain_index": jain_index(self.satisfaction(name)),
            }
            for name in self.import_kwh
        }


def _lost_of(book: dict[str, FloatArray], name: str, reference: str) -> float:
    return _lost(float(book[name].sum()), float(book[reference].sum()))


def _lost(got: float, best: float) -> float:
    return 1.0 - got / best if best > 0.0 else 0.0
