"""One account of every kilowatt: plan, band and commitments of each asset through the day.

What is sold is taken out of the band, so that nobody can sell it again: a commitment moves the plan inside
the band or narrows the band, never widens it; the plan is inside the band after every stage; and what is sold
of an asset in an interval is no more than its band had. The methods below keep each of these laws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import FloatArray, IntArray, Names

TOLERANCE_KW = 1e-6


class AccountError(GridcommonsError):
    """A stage asked of an asset what it does not have any more; the message says which, when and how much."""


@dataclass(frozen=True, eq=False)
class Commitment:
    """What was sold, to be settled exactly once.

    Parameters
    ----------
    stage, seller, counterparty, reference : str
        Who sold what to whom: an asset, a member or a community; ``reference`` is unique.
    quantity : (steps,)
        A magnitude, 0 where nothing was sold: less load of an asset, or what a member or community gives.
    price : (steps,)
        What is paid for each unit over an hour.
    unit : str
        ``kW`` or ``kvar``.
    """

    stage: str
    seller: str
    counterparty: str
    reference: str
    quantity: FloatArray
    price: FloatArray
    unit: str = "kW"


@dataclass(eq=False)
class Account:
    """Plans and bands of all assets.

    Parameters
    ----------
    asset : tuple of str
        Which assets.
    plan_kw, low_kw, high_kw : (steps, assets)
        Planned net power, and the range that may still be used [kW].
    commitments : list of Commitment
        What was sold, in the order in which it was.
    """

    asset: Names
    plan_kw: FloatArray
    low_kw: FloatArray
    high_kw: FloatArray
    commitments: list[Commitment] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse plans that start outside their band."""
        self._row = {name: row for row, name in enumerate(self.asset)}
        self._expect_inside("start", self.plan_kw, np.arange(len(self.asset)))

    def rows(self, assets: Iterable[str]) -> IntArray:
        """Columns of some assets."""
        return np.array([self._row[name] for name in assets], dtype=np.int64)

    def rows_of(self, column: Mapping[str, int]) -> IntArray:
        """Where the assets of the account are in a table whose columns are known by name."""
        return np.array([column[name] for name in self.asset], dtype=np.int64)

    def replan(self, stage: str, assets: IntArray, plan_kw: FloatArray) -> None:
        """Move the plan of some assets inside their bands, shape (steps, assets) [kW].

        Raises
        ------
        AccountError
            The new plan is outside.
        """
        self._expect_inside(stage, plan_kw, assets)
        self.plan_kw[:, assets] = np.clip(plan_kw, self.low_kw[:, assets], self.high_kw[:, assets])

    def narrow(self, stage: str, assets: IntArray, low_kw: FloatArray, high_kw: FloatArray) -> None:
        """Take room from the bands of some assets; the plan gives way to it, shape (steps, assets) [kW].

        Raises
        ------
        AccountError
            Nothing would be left.
        """
        low_kw = np.maximum(self.low_kw[:, assets], low_kw)
        high_kw = np.minimum(self.high_kw[:, assets], high_kw)
        crossed = low_kw - high_kw
        if (crossed > TOLERANCE_KW).any():
            raise self._error(stage, assets, crossed, "is asked to leave its band")
        high_kw = np.maximum(low_kw, high_kw)
        self.low_kw[:, assets], self.high_kw[:, assets] = low_kw, high_kw
        self.plan_kw[:, assets] = np.clip(self.plan_kw[:, assets], low_kw, high_kw)

    def sell(self, commitment: Commitment, plan_kw: FloatArray) -> None:
        """Sell less load of one asset against its present plan, and plan for it.

        Parameters
        ----------
        commitment : Commitment
            What is sold.
        plan_kw : (steps,)
            The plan that delivers it: no more than the old one less what is sold, where something is.

        Raises
        ------
        AccountError
            The asset has not that much in its band, or the plan does not deliver it.
        ValueError
            The reference was used before.
        """
        self._expect_new(commitment)
        row = self.rows([commitment.seller])
        sold = commitment.quantity > 0.0
        room_kw = self.plan_kw[:, row] - self.low_kw[:, row]
        lacks = np.where(sold, commitment.quantity, 0.0)[:, None] - room_kw
        if (lacks > TOLERANCE_KW).any():
            raise self._error(commitment.stage, row, lacks, "sells more than its band has")
        due_kw = self.plan_kw[:, row] - commitment.quantity[:, None]
        missing = np.where(sold[:, None], plan_kw[:, None] - due_kw, 0.0)
        if (missing > TOLERANCE_KW).any():
            raise self._error(commitment.stage, row, missing, "plans to deliver less than it sells")
        self.replan(commitment.stage, row, plan_kw[:, None])
        most_kw = np.where(sold[:, None], self.plan_kw[:, row], self.high_kw[:, row])
        self.narrow(commitment.stage, row, self.low_kw[:, row], most_kw)
        self.commitments.append(commitment)

    def promise(self, commitment: Commitment, room: FloatArray) -> None:
        """Sell what a member or a community gives beside the plans of single assets.

        Parameters
        ----------
        commitment : Commitment
            What is sold.
        room : (steps,)
            All that its seller has of it; what it sold of it before is taken off.

        Raises
        ------
        AccountError
            It has not that much.
        ValueError
            The reference was used before.
        """
        self._expect_new(commitment)
        before = [
            each.quantity
            for each in self.commitments
            if (each.stage, each.seller, each.unit) == (commitment.stage, commitment.seller, commitment.unit)
        ]
        beyond = commitment.quantity - np.maximum(room - sum(before, np.zeros(len(room))), 0.0)
        if (beyond > TOLERANCE_KW).any():
            step = int(np.argmax(beyond))
            raise AccountError(
                f"{commitment.stage}: {commitment.seller} sells more than it has by {beyond[step]:.4g} "
                f"{commitment.unit} in interval {step}; what is sold once cannot be sold again"
            )
        self.commitments.append(commitment)

    def _expect_new(self, commitment: Commitment) -> None:
        if any(each.reference == commitment.reference for each in self.commitments):
            raise ValueError(f"{commitment.reference}: sold before, and is settled once")

    def check(self) -> None:
        """Hold all laws once more.

        Raises
        ------
        AccountError
            A plan is outside its band.
        """
        self._expect_inside("check", self.plan_kw, np.arange(len(self.asset)))

    def _expect_inside(self, stage: str, plan_kw: FloatArray, assets: IntArray) -> None:
        beyond = np.maximum(self.low_kw[:, assets] - plan_kw, plan_kw - self.high_kw[:, assets])
        if (beyond > TOLERANCE_KW).any():
            raise self._error(stage, assets, beyond, "is planned outside its band")

    def _error(self, stage: str, assets: IntArray, beyond: FloatArray, what: str) -> AccountError:
        step, column = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
        name = self.asset[int(assets[column])]
        return AccountError(
            f"{stage}: {name} {what} by {beyond[step, column]:.4g} kW in interval {step}; "
            "what is sold or promised once cannot be used again"
        )
