"""What the grid operator and the communities say to each other: bytes, and no more.

A community says what it exchanges at its connections, and never what is behind them; the grid operator says
prices and what it buys, and never anything of the grid. All tables have a row a connection and a column an
interval; net power is positive when the grid delivers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gridcommons.model.grid import IntArray, Names
from gridcommons.model.messages import FloatTable, Message, MessageError, expect_shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Exchange(Message):
    """A community to the grid operator: what it will exchange; its schedule, an offer, or what it delivers.

    Parameters
    ----------
    round : int
        0 for the schedule that it made without the grid operator, else the round that it answers.
    community : str
        Who.
    bus : tuple of str
        Its connections.
    p_kw, q_kvar : (connections, steps)
        Net power there [kW], [kvar].
    """

    kind: ClassVar[str] = "exchange"
    round: int
    community: str
    bus: Names
    p_kw: FloatTable
    q_kvar: FloatTable

    def check(self) -> None:
        """Both tables have a row a connection."""
        expect_shape("exchange", "p_kw", self.p_kw, (len(self.bus), self.p_kw.shape[1]))
        expect_shape("exchange", "q_kvar", self.q_kvar, self.p_kw.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Call(Message):
    """The grid operator to a community: prices of reactive power (the transactive signals of a round).

    Parameters
    ----------
    round : int
        Counts from 1.
    called : (hours,)
        Intervals in which reactive power is paid for, ascending.
    price_per_kvarh : (connections, hours)
        TS: paid for each kvarh injected beyond the schedule; negative where absorbing is wanted.
    """

    kind: ClassVar[str] = "call"
    round: int
    called: IntArray
    price_per_kvarh: FloatTable

    def check(self) -> None:
        """Prices have a column an interval that is called."""
        _expect_hours("call", "price_per_kvarh", self.price_per_kvarh, self.called)


@dataclass(frozen=True, kw_only=True, eq=False)
class Award(Message):
    """The grid operator to a community: what it buys of the last offer, and at which price.

    Parameters
    ----------
    round : int
        Counts on.
    called : (hours,)
        Intervals in which something may be bought, ascending.
    price_per_kvarh : (connections, hours)
        Paid for each kvarh.
    bought_kvar : (connections, hours)
        Reactive power injected beyond the schedule that is bought, negative where absorbed [kvar].
    """

    kind: ClassVar[str] = "award"
    round: int
    called: IntArray
    price_per_kvarh: FloatTable
    bought_kvar: FloatTable

    def check(self) -> None:
        """Both tables have a column an interval that is called."""
        _expect_hours("award", "price_per_kvarh", self.price_per_kvarh, self.called)
        expect_shape("award", "bought_kvar", self.bought_kvar, self.price_per_kvarh.shape)


def _expect_hours(kind: str, name: str, table: FloatTable, called: IntArray) -> None:
    expect_shape(kind, name, table, (len(table), len(called)))
    if (called[1:] <= called[:-1]).any() or (called < 0).any():
        raise MessageError(f"{kind}: received called {called.tolist()}, expected ascending intervals")
