"""The wire form of messages: every bit comes back, and what does not fit is refused by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gridcommons.model.grid import FloatArray, IntArray, Names
from gridcommons.model.messages import READERS, FloatTable, Message, MessageError, expect_shape

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Parcel(Message):
    """One field of every type that can cross the wire."""

    kind: ClassVar[str] = "parcel"
    count: int
    text: str
    amount: float
    row: FloatArray
    table: FloatTable
    called: IntArray
    place: Names

    def check(self) -> None:
        """The table has a row a place."""
        expect_shape("parcel", "table", self.table, (len(self.place), len(self.row)))


@st.composite
def parcels(draw):
    shape = draw(st.integers(0, 3)), draw(st.integers(0, 4))
    table = draw(arrays(np.float64, shape, elements=FINITE))
    table[:, draw(arrays(np.bool_, shape[1]))] = 0.0
    return Parcel(
        count=draw(st.integers()),
        text=draw(TEXT),
        amount=draw(FINITE),
        row=draw(arrays(np.float64, shape[1], elements=FINITE)),
        table=table,
        called=draw(arrays(np.int64, st.integers(0, 4))),
        place=tuple(draw(st.lists(TEXT, min_size=shape[0], max_size=shape[0]))),
    )


def test_every_type_that_can_cross_the_wire_is_tried():
    assert {str(kind) for kind in Parcel.__annotations__.values()} - {"ClassVar[str]"} == set(READERS)


@given(parcels())
def test_a_message_comes_back_bit_by_bit(parcel):
    raw = parcel.to_bytes()
    again = Parcel.from_bytes(raw)
    assert again.to_bytes() == raw
    assert (again.count, again.text, again.place) == (parcel.count, parcel.text, parcel.place)
    assert np.float64(again.amount).tobytes() == np.float64(parcel.amount).tobytes()
    for name in ("row", "table", "called"):
        one, other = getattr(again, name), getattr(parcel, name)
        assert one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def test_columns_of_zeros_are_not_sent_and_negative_zeros_are():
    table = np.array([[0.0, 1.5, 0.0, -0.0], [0.0, 0.0, 0.0, 0.0]])
    record = json.loads(parcel_of(table=table, row=np.zeros(4)).to_bytes())
    assert record["table"] == {"steps": 4, "step": [1, 3], "values": [[1.5, -0.0], [0.0, 0.0]]}
    assert list(record) == sorted(record) and record["version"] == 1 and record["kind"] == "parcel"


def parcel_of(**changes):
    """A parcel with two places and two intervals."""
    values = {"count": 3, "text": "a", "amount": 0.5, "row": np.array([1.0, 2.0]), "called": np.array([4])}
    values |= {"table": np.array([[1.0, 2.0], [3.0, 4.0]]), "place": ("x", "y")}
    return Parcel(**{**values, **changes})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["amount", "row", "table"])
def test_what_is_no_number_is_not_sent(name, value):
    made = {"amount": value, "row": np.array([1.0, value]), "table": np.array([[1.0, value], [0.0, 0.0]])}
    with pytest.raises(ValueError, match="not JSON compliant"):
        parcel_of(**{name: made[name]}).to_bytes()


def received(**changes):
    """The error of a parcel with other fields on the wire."""
    record = json.loads(parcel_of().to_bytes())
    with pytest.raises(MessageError) as caught:
        Parcel.from_bytes(json.dumps({**record, **changes}).encode())
    return str(caught.value)


TABLE = {"steps": 2, "step": [0, 1], "values": [[1.0, 2.0], [3.0, 4.0]]}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("version", 2, "received version 2, expected 1"),
        ("version", True, "received version True, expected 1"),
        ("version", None, "received version None, expected 1"),
        ("kind", "letter", "received kind 'letter', expected 'parcel'"),
        ("count", 3.0, "received count '3.0', expected a whole number"),
        ("count", True, "received count 'True', expected a whole number"),
        ("count", "3", "received count '3', expected a whole number"),
        ("text", 5, "received text '5', expected a text"),
        ("text", None, "received text 'None', expected a text"),
        ("text", ["a"], "expected a text"),
        ("amount", "0.5", "received amount '0.5', expected a finite number"),
        ("amount", True, "received amount 'True', expected a finite number"),
        ("amount", None, "expected a finite number"),
        ("amount", [0.5], "expected a finite number"),
        ("amount", float("nan"), "NaN is no number here"),
        ("amount", float("-inf"), "-Infinity is no number here"),
        ("amount", 10**400, "expected a finite number"),
        ("row", 1.0, "expected finite numbers in 1 dimensions"),
        ("row", [[1.0, 2.0]], "expected finite numbers in 1 dimensions"),
        ("row", [1.0, None], "expected finite numbers in 1 dimensions"),
        ("row", [1.0, "2"], "expected finite numbers in 1 dimensions"),
        ("row", [1.0], "received table of shape (2, 2), expected (2, 1)"),
        ("called", [1.0], "received called '[1.0]', expected a list of whole numbers"),
        ("called", [True], "received called '[True]', expected a list of whole numbers"),
        ("called", 1, "expected a list of whole numbers"),
        ("called", [[1]], "expected a list of whole numbers"),
        ("place", "xy", "received place 'xy', expected a list of names"),
        ("place", ["x", 1], "expected a list of names"),
        ("place", ["x"], "received table of shape (2, 2), expected (1, 2)"),
        ("table", [[1.0, 2.0], [3.0, 4.0]], "expected a table of steps, step and values"),
        ("table", {**TABLE, "more": 1}, "expected a table of steps, step and values"),
        ("table", {**TABLE, "steps": 2.0}, "received table.steps '2.0', expected a whole number"),
        ("table", {**TABLE, "steps": 100_001}, "(at most 100000)"),
        (
            "table",
            {**TABLE, "step": [1, 0]},
            "received table.step [1, 0], expected ascending numbers below 2",
        ),
        ("table", {**TABLE, "step": [0, 2]}, "expected ascending numbers below 2"),
        ("table", {**TABLE, "step": [0, 0]}, "expected ascending numbers below 2"),
        ("table", {**TABLE, "step": [-1, 0]}, "expected ascending numbers below 2"),
        ("table", {**TABLE, "step": [0]}, "received table of shape (2, 2), expected (2, 1)"),
        ("table", {**TABLE, "values": [[1.0], [2.0, 3.0]]}, "expected finite numbers in 2 dimensions"),
        ("table", {**TABLE, "values": [["1", "2"], ["3", "4"]]}, "expected finite numbers in 2 dimensions"),
        ("table", {**TABLE, "values": [[True, False], [True, True]]}, "expected finite numbers in 2"),
        ("table", {**TABLE, "values": [[True, 1.0], [1.0, 2.0]]}, "expected finite numbers in 2"),
        ("table", {**TABLE, "step": [0, 10**30]}, "expected a list of whole numbers"),
        ("called", [10**30], "expected a list of whole numbers"),
        ("table", {**TABLE, "values": []}, "received table of shape (0, 2), expected (2, 2)"),
        (
            "price",
            1.0,
            "received the fields amount, called, count, place, price, row, table, text, expected ",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_was_received(field, value, words):
    said = received(**{field: value})
    assert said.startswith("parcel: received ") and words in said


@pytest.mark.parametrize(
    ("known", "field"), [(b'"amount":0.5', "amount"), (b'"row":[1.0', "row"), (b"[3.0,4.0", "table")]
)
def test_a_number_beyond_all_numbers_is_refused(known, field):
    raw = parcel_of().to_bytes()
    assert known in raw
    wrong = raw.replace(known, known[: known.rindex(known[-3:])] + b"1e999")
    with pytest.raises(MessageError, match=f"parcel: received {field} .*expected "):
        Parcel.from_bytes(wrong)


def test_a_missing_field_is_told():
    record = json.loads(parcel_of().to_bytes())
    del record["text"]
    with pytest.raises(
        MessageError, match=r"received the fields amount, called, count, place, row, table, expe"
    ):
        Parcel.from_bytes(json.dumps(record).encode())
    with pytest.raises(MessageError, match="received the fields none, expected amount"):
        Parcel.from_bytes(b'{"kind": "parcel", "version": 1}')


@given(
    st.binary(max_size=60) | TEXT.map(str.encode) | st.sampled_from([b"[]", b"null", b"1", b"[" * 100_000])
)
def test_any_bytes_are_a_message_or_a_clear_error(raw):
    with pytest.raises(MessageError, match=r"(?s)^parcel: received .*expected "):
        Parcel.from_bytes(raw)


def test_what_is_received_is_told_in_short():
    assert len(received(text=["long"] * 1000)) < 200
    assert len(received(row=[[1.0] * 1000])) < 200
