"""What a DSO, a market operator and aggregators say to each other about flexibility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names

Relation = Literal["alone", "increment", "exclusive"]
"""How the offers of one group, which use the same devices, stand to each other."""

RELATIONS: dict[str, Relation] = {"alone": "alone", "increment": "increment", "exclusive": "exclusive"}
"""The same, by the word that a file has for it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Offer:
    """Less load at some hours for a price, and more load at another to make up for it.

    Parameters
    ----------
    offer, aggregator, bus : str
        Id; who makes it; where.
    price_per_kwh : float
        Asked for each kWh of less load; payback is not paid for.
    flexibility_kw, payback_kw : (steps,)
        Less load at the hours asked for, and more load at the payback hour; magnitudes [kW].
    group : str
        Offers of one group are made of the same devices: their shares are bound to each other.
    relation : {"alone", "increment", "exclusive"}
        ``increment``: each offer of a group, in the order given, adds to those before it, so its share is
        at most theirs. ``exclusive``: alternatives, whose shares sum to at most 1.
    divisible : bool
        Whether a part of it can be taken; a block is all or nothing.
    response_kw_per_price : float
        Where above 0, a linear response instead of a fixed price: each kW costs more the more is taken,
        q kW at an hour cost q²/response [kW per currency/kWh], and ``price_per_kwh`` is ignored.
    """

    offer: str
    aggregator: str
    bus: str
    price_per_kwh: float
    flexibility_kw: FloatArray
    payback_kw: FloatArray
    group: str = ""
    relation: Relation = "alone"
    divisible: bool = True
    response_kw_per_price: float = 0.0

    @property
    def change_kw(self) -> FloatArray:
        """Change of the load if the whole offer is taken, shape (steps,) [kW]."""
        return self.payback_kw - self.flexibility_kw


@dataclass(frozen=True, eq=False)
class Requirement:
    """The requirement table: what is published to aggregators, without the grid behind it.

    Parameters
    ----------
    bus : tuple of str
        Load points.
    least_kw, most_kw : (load points, steps)
        How much less load is asked for at least and at most, by itself or with the other load points asked
        for the same limit; 0 at hours without congestion [kW].
    payback_allowed : (steps,)
        Hours in which energy may be taken back.
    payback_max_share : float
        Energy taken back, against the energy offered, at most.
    price_max_per_kwh : float
        The price cap.
    payback_part_share : float
        Which part of all that could be taken back at once these hours hold.
    """

    bus: Names
    least_kw: FloatArray
    most_kw: FloatArray
    payback_allowed: BoolArray
    payback_max_share: float
    price_max_per_kwh: float
    payback_part_share: float = 1.0

    @property
    def asked(self) -> BoolArray:
        """Whether less load is asked for, shape (load points, steps)."""
        return np.asarray(self.most_kw > 0.0)


@dataclass(frozen=True)
class Rejection:
    """What was not taken into the market, and why; data, not an exception."""

    offer: str
    aggregator: str
    reason: str


@dataclass(frozen=True, eq=False)
class LimitRows:
    """What the grid can still take: ``matrix @ change_kw[:, step] ≤ room_kw``, one row a limit and interval.

    Voltage limits are scaled by the largest sensitivity in their row, so that a row is in kW of the bus
    that helps most.

    Parameters
    ----------
    bus : tuple of str
        Load points, in the order of the columns.
    matrix : (rows, buses)
        Change of the limited quantity per kW of load [kW/kW].
    room_kw : (rows,)
        What is left; negative where the limit is broken [kW].
    step : (rows,)
        Interval of each row.
    element, kind : tuple of str
        Which limit: a branch or bus, and the name of the limit as in ``limits.csv``.
    """

    bus: Names
    matrix: FloatArray
    room_kw: FloatArray
    step: IntArray
    element: Names
    kind: Names

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.room_kw)

    def take(self, which: IntArray) -> LimitRows:
        """Some of the rows."""
        element, kind = (tuple(names[row] for row in which) for names in (self.element, self.kind))
        return LimitRows(self.bus, self.matrix[which], self.room_kw[which], self.step[which], element, kind)

    def places(self) -> list[tuple[str, str, int]]:
        """Element, kind and interval of each row: what a limit is known by in another linearisation."""
        return list(zip(self.element, self.kind, self.step.tolist(), strict=True))

    def used_kw(self, load_kw: FloatArray) -> FloatArray:
        """What a load, or its change, of shape (buses, steps) uses of each row, shape (rows,) [kW]."""
        return np.asarray(np.einsum("rb,br->r", self.matrix, load_kw[:, self.step]))
