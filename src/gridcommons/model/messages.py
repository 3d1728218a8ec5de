"""Messages between parties that share nothing else: dataclasses with a wire form, bytes and no more.

A message is a frozen dataclass of numbers, names and arrays. What comes over the wire is held against the
fields of the dataclass before anything is done with it: another kind or version, a missing field, a text
where a number is expected, NaN or an array of the wrong shape is refused, with what was received.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import FloatArray, IntArray, Names

FloatTable = FloatArray
"""A field with a row a place and a column an interval; columns of plain zeros are not sent."""

TABLE = 2
"""Dimensions of a table of load points and hours."""

MOST_INT = 2**63
"""Whole numbers from here on have no place in an array."""

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
    return _numbers(kind, name, value, "finite numbers in 1 dimensions", 1)


def _read_table(kind: str, name: str, value: Any) -> FloatTable:
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
        right = (array.dtype.kind in "fi" and not _holds_truth(value)) or array.size == 0
    except (ValueError, TypeError, OverflowError):
        right = False
    if not right or array.ndim != dimensions or not np.isfinite(array.astype(np.float64)).all():
        raise MessageError(f"{kind}: received {name} {str(value)[:60]!r}, expected {expected}")
    return np.asarray(array, dtype=np.float64)


def _holds_truth(value: Any) -> bool:
    """Whether true or false stands among numbers, which would make them 1 and 0."""
    if isinstance(value, list):
        return any(_holds_truth(each) for each in value)
    return isinstance(value, bool)


def _read_ints(kind: str, name: str, value: Any) -> IntArray:
    whole = isinstance(value, list) and all(
        type(each) is int and -MOST_INT <= each < MOST_INT for each in value
    )
    if not whole:
        raise MessageError(f"{kind}: received {name} {str(value)[:60]!r}, expected a list of whole numbers")
    return np.array(value, dtype=np.int64)


def _read_text(kind: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise MessageError(f"{kind}: received {name} {str(value)[:40]!r}, expected a text")
    return value


def _read_names(kind: str, name: str, value: Any) -> Names:
    if not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise MessageError(f"{kind}: received {name} {str(value)[:60]!r}, expected a list of names")
    return tuple(value)


READERS = {
    "int": _read_int,
    "str": _read_text,
    "float": _read_float,
    "FloatArray": _read_floats,
    "FloatTable": _read_table,
    "IntArray": _read_ints,
    "Names": _read_names,
}
"""How a field is read, by its type."""
