"""What market operator and grid operator say to each other while a market is cleared: bytes, and no more.

A proposal carries quantities at load points and hours; the reply carries prices at the same places, and
a few sums once the end is near. Nothing else crosses. What each side can learn from that:

- The grid operator sees how the market as a whole answers to prices, load point by load point: never an
  offer, who made it, or what it asks. Where a single aggregator is at a load point, the whole is that one.
- The market operator sees prices at load points and hours, the worst excess below ``NEAR_KW``, and, once it
  is below, how much is missing. Further away the excess would tell what a limit leaves: before anything
  is taken, exactly that.
  Prices are sums of the duals of the limits above a load point, weighted by the grid's sensitivities:
  load points that share a limit show equal or proportional prices, and once a limit holds with equality
  the quantities show what it leaves. No matrix, room or name of an element is sent. Where flexibility is
  short, prices reach the price cap, which the grid operator sets and publishes anyway.
- Whoever pays for shortage is told by the grid operator itself what is missing and where: a report that
  names elements, kept apart from the replies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import FloatArray, IntArray, Names

NEAR_KW = 1.0
"""Excess from which on a reply says no more than that it is so large [kW]."""

TABLE = 2
"""Dimensions of a table of load points and hours."""

MOST_STEPS = 100_000
"""More hours than this are no market: a number alone shall not fill the memory."""

VERSION = 1
"""Version of the wire form; another one is refused."""


class MessageError(GridcommonsError):
    """What came over the wire is not what was expected there: the message says what was received."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Message:
    """One message; ``to_bytes`` and ``from_bytes`` are its wire form, JSON with sorted keys."""

    kind: ClassVar[str]

    def to_bytes(self) -> bytes:
        """The message as UTF-8 JSON; floats keep every bit."""
        body = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        record = {"kind": self.kind, "version": VERSION, **body}
        return json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read a message; only its own kind and version, all of its fields and nothing else.

        Raises
        ------
        MessageError
            With what was received and what was expected.
        """
        record = _parse(raw, cls.kind)
        for name, expected in (("version", VERSION), ("kind", cls.kind)):
            if record.get(name) != expected or isinstance(record.get(name), bool):
                raise MessageError(f"{cls.kind}: received {name} {record.get(name)!r}, expected {expected!r}")
        body = {name: value for name, value in record.items() if name not in ("version", "kind")}
        wanted = {field.name: str(field.type) for field in fields(cls)}
        if body.keys() != wanted.keys():
            raise MessageError(
                f"{cls.kind}: received the fields {', '.join(sorted(body)) or 'none'}, "
                f"expected {', '.join(sorted(wanted))}"
            )
        message = cls(**{name: READERS[wanted[name]](cls.kind, name, body[name]) for name in wanted})
        message.check()
        return message

    def check(self) -> None:
        """Raise ``MessageError`` where fields do not fit each other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposal(Message):
    """What the market operator asks the grid operator.

    Parameters
    ----------
    round : int
        Counts from 1.
    penalty : float
        ρ of the round [currency/kW²].
    bus : tuple of str
        Load points.
    change_kw : (buses, steps)
        Change of the load that the market would make now [kW].
    target_kw : (buses, steps)
        Quantity and dual in one: that change, relaxed, plus price/ρ [kW].
    """

    kind: ClassVar[str] = "proposal"
    round: int
    penalty: float
    bus: Names
    change_kw: FloatArray
    target_kw: FloatArray

    def check(self) -> None:
        """Both tables have a row a load point, the penalty is positive."""
        if self.penalty <= 0.0:
            raise MessageError(f"proposal: received penalty {self.penalty}, expected one above 0")
        expect_shape("proposal", "target_kw", self.target_kw, self.change_kw.shape)
        expect_shape("proposal", "change_kw", self.change_kw, (len(self.bus), self.change_kw.shape[1]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reply(Message):
    """What the grid operator answers.

    Parameters
    ----------
    round : int
        Of the proposal.
    price : (buses, steps)
        What a kW more of load in that interval costs [currency/kW].
    worst_excess_kw : float
        By how much the proposed change breaks a limit at worst, beside what is missing; ``NEAR_KW`` stands
        for that and more, and the sums below are then 0.
    shortage_kw : float
        How much flexibility is missing, summed over limits.
    shortage_amount : float
        What that costs at the price cap.
    balance_amount : float
        Σ dual of a limit × (what the change takes − what there is) [currency]; bounds the least cost.
    excess_amount : float
        Σ dual of a limit × what breaks it beside what is missing [currency].
    """

    kind: ClassVar[str] = "reply"
    round: int
    price: FloatArray
    worst_excess_kw: float
    shortage_kw: float
    shortage_amount: float
    balance_amount: float
    excess_amount: float


@dataclass(frozen=True, kw_only=True, eq=False)
class GridReport(Message):
    """The grid operator's own account of the last proposal, for whoever pays; no part of the clearing.

    Parameters
    ----------
    element, kind_of_limit : tuple of str
        Which limits.
    step : (rows,)
        Interval of each.
    shortage_kw, excess_kw : (rows,)
        What is missing, and what the change breaks beside it.
    worst_excess_kw : (rounds,)
        Worst excess of every proposal since the first.
    """

    kind: ClassVar[str] = "report"
    element: Names
    kind_of_limit: Names
    step: IntArray
    shortage_kw: FloatArray
    excess_kw: FloatArray
    worst_excess_kw: FloatArray

    def check(self) -> None:
        """All columns have one length."""
        rows = (len(self.element),)
        for name in ("step", "shortage_kw", "excess_kw"):
            expect_shape("report", name, getattr(self, name), rows)
        if len(self.kind_of_limit) != len(self.element):
            raise MessageError(
                f"report: received {len(self.kind_of_limit)} kind_of_limit, expected {len(self.element)}"
            )


def expect_shape(kind: str, name: str, value: FloatArray | IntArray, shape: tuple[int, ...]) -> None:
    """Raise ``MessageError`` where an array has another shape."""
    if value.shape != shape:
        raise MessageError(f"{kind}: received {name} of shape {value.shape}, expected {shape}")


def _parse(raw: bytes, kind: str) -> dict[str, Any]:
    try:
        record = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError(
            f"{kind}: received {len(raw)} bytes that begin with {raw[:40]!r}, expected JSON ({error})"
        ) from None
    if not isinstance(record, dict):
        raise MessageError(f"{kind}: received {type(record).__name__} {str(record)[:40]}, expected an object")
    return record


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no number here")


def _plain(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if value.ndim < TABLE:
        return value.tolist()
    # Most hours are of no concern to a market: columns of plain zeros are not sent.
    step = np.flatnonzero(((value != 0.0) | np.signbit(value)).any(axis=0))
    return {"steps": value.shape[1], "step": step.tolist(), "values": value[:, step].tolist()}


def _read_int(kind: str, name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MessageError(f"{kind}: received {name} {str(value)[:40]!r}, expected a whole number")
    return value


def _read_float(kind: str, name: str, value: Any) -> float:
    return float(_numbers(kind, name, value, "a finite number", 0))


def _read_floats(kind: str, name: str, value: Any) -> FloatArray:
    if name not in ("price", "change_kw", "target_kw"):
        return _numbers(kind, name, value, "finite numbers in 1 dimensions", 1)
    if not isinstance(value, dict) or value.keys() != {"steps", "step", "values"}:
        expected = "a table of steps, step and values"
        raise MessageError(f"{kind}: received {name} {str(value)[:60]!r}, expected {expected}")
    steps = _read_int(kind, f"{name}.steps", value["steps"])
    step = _read_ints(kind, f"{name}.step", value["step"])
    if not (0 <= steps <= MOST_STEPS and (np.diff(step, prepend=-1, append=steps) > 0).all()):
        expected = f"ascending numbers below {steps} (at most {MOST_STEPS})"
        raise MessageError(f"{kind}: received {name}.step {str(value['step'])[:60]}, expected {expected}")
    if value["values"] == []:
        return np.zeros((0, steps))
    given = _numbers(kind, name, value["values"], "finite numbers in 2 dimensions", TABLE)
    expect_shape(kind, name, given, (len(given), len(step)))
    table = np.zeros((len(given), steps))
    table[:, step] = given
    return table


def _numbers(kind: str, name: str, value: Any, expected: str, dimensions: int) -> FloatArray:
    try:
        array = np.array(value)
        # Strings and Booleans would turn into numbers without a word.
        right = array.dtype.kind in "fi" or array.size == 0
    except (ValueError, TypeError, OverflowError):
        right = False
    if not right or array.ndim != dimensions or not np.isfinite(array.astype(np.float64)).all():
        raise MessageError(f"{kind}: received {name} {str(value)[:60]!r}, expected {expected}")
    return np.asarray(array, dtype=np.float64)


def _read_ints(kind: str, name: str, value: Any) -> IntArray:
    whole = isinstance(value, list) and all(type(each) is int for each in value)
    if not whole:
        raise MessageError(f"{kind}: received {name} {str(value)[:60]!r}, expected a list of whole numbers")
    return np.array(value, dtype=np.int64)


def _read_names(kind: str, name: str, value: Any) -> Names:
    if not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise MessageError(f"{kind}: received {name} {str(value)[:60]!r}, expected a list of names")
    return tuple(value)


READERS = {
    "int": _read_int,
    "float": _read_float,
    "FloatArray": _read_floats,
    "IntArray": _read_ints,
    "Names": _read_names,
}
"""How a field is read, by its type."""
