"""What crosses the wire: exactly what a message may hold, and nothing that only one side may know."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fakes.grid_operators import Recording
from gridcommons.benchmarks.markets import feeder
from gridcommons.flexibility.clearing import clear_market
from gridcommons.flexibility.market_messages import GridReport, Proposal, Reply
from gridcommons.flexibility.market_operator import MarketOperator
from gridcommons.model.messages import MessageError
from markets import limits, market, offer

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def proposals(draw):
    names = draw(st.lists(st.text(min_size=1), unique=True, max_size=4))
    shape = (len(names), draw(st.integers(1, 4)) if names else 0)
    return Proposal(
        round=draw(st.integers(1, 10_000)),
        penalty=draw(st.floats(min_value=1e-9, max_value=1e9)),
        bus=tuple(names),
        change_kw=draw(arrays(np.float64, shape, elements=FINITE)) if names else np.zeros((0, 1)),
        target_kw=draw(arrays(np.float64, shape, elements=FINITE)) if names else np.zeros((0, 1)),
    )


@given(proposals())
def test_a_proposal_comes_back_bit_by_bit(proposal):
    if not proposal.bus:
        return
    again = Proposal.from_bytes(proposal.to_bytes())
    assert again.to_bytes() == proposal.to_bytes() and again.bus == proposal.bus
    assert again.change_kw.tobytes() == proposal.change_kw.tobytes()
    assert again.target_kw.tobytes() == proposal.target_kw.tobytes()


@given(arrays(np.float64, (2, 3), elements=FINITE), FINITE, FINITE)
def test_a_reply_and_a_report_come_back_bit_by_bit(table, one, two):
    reply = Reply(
        round=3,
        price=table,
        worst_excess_kw=one,
        shortage_kw=two,
        shortage_amount=one,
        balance_amount=two,
        excess_amount=one,
    )
    again = Reply.from_bytes(reply.to_bytes())
    assert again.price.tobytes() == table.tobytes() and again.to_bytes() == reply.to_bytes()
    report = GridReport(
        element=("a", "b", "ç"),
        kind_of_limit=("x", "y", "z"),
        step=np.array([1, 2, 3]),
        shortage_kw=table[0],
        excess_kw=table[1],
        worst_excess_kw=table[0, :2],
    )
    assert GridReport.from_bytes(report.to_bytes()).to_bytes() == report.to_bytes()


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_a_clear_error(raw):
    with pytest.raises(MessageError, match=r"^reply: received .*expected "):
        Reply.from_bytes(raw)


def table_of(values, step=(0, 1), steps=2):
    """A table as it stands on the wire."""
    return {"steps": steps, "step": list(step), "values": values}


def good():
    table = table_of([[1.0, 2.0], [3.0, 4.0]])
    body = {"round": 1, "penalty": 0.1, "bus": ["a", "b"], "change_kw": table, "target_kw": table}
    return {"kind": "proposal", "version": 1, **body}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "received version 2, expected 1"),
        ({"version": True}, "received version True, expected 1"),
        ({"kind": "reply"}, "received kind 'reply', expected 'proposal'"),
        ({"round": 1.5}, "received round '1.5', expected a whole number"),
        ({"round": True}, "received round 'True', expected a whole number"),
        ({"penalty": 0.0}, "received penalty 0.0, expected one above 0"),
        ({"penalty": "0.1"}, "received penalty '0.1', expected a finite number"),
        ({"penalty": float("nan")}, "expected JSON .NaN is no number here"),
        ({"change_kw": table_of([[1.0, float("inf")], [0.0, 0.0]])}, "Infinity is no number here"),
        ({"change_kw": table_of([[1.0, 1e999], [0.0, 0.0]])}, "Infinity is no number here"),
        ({"change_kw": table_of([[1.0], [0.0, 0.0]])}, "received change_kw .* expected finite numbers in 2"),
        ({"change_kw": table_of([1.0, 2.0])}, "received change_kw .* expected finite numbers in 2"),
        ({"change_kw": [[1.0, 2.0]]}, "received change_kw .* expected a table of steps, step and values"),
        ({"change_kw": table_of([[1.0, 2.0]], (1, 0))}, "received change_kw.step .* expected ascending"),
        ({"change_kw": table_of([[1.0, 2.0]], (0, 2))}, "received change_kw.step .* expected ascending"),
        ({"change_kw": table_of([[1.0, 2.0]], (0, 0))}, "received change_kw.step .* expected ascending"),
        ({"change_kw": table_of([[1.0]], (-1,))}, "received change_kw.step .* expected ascending"),
        ({"change_kw": table_of([[1.0]], (0,), 10**9)}, "at most 100000"),
        ({"change_kw": table_of([[1.0]], (0,), -1)}, "received change_kw.step"),
        ({"change_kw": table_of([[1.0]], (0, 1))}, r"change_kw of shape \(1, 1\), expected \(1, 2\)"),
        ({"change_kw": table_of([["1", "2"], ["3", "4"]])}, "received change_kw .* expected finite numbers"),
        ({"change_kw": table_of([[None, 2.0], [3.0, 4.0]])}, "received change_kw .* expected finite numbers"),
        (
            {"change_kw": table_of([[True, False], [True, True]])},
            "received change_kw .* expected finite numbers",
        ),
        ({"target_kw": table_of([[1.0, 2.0]])}, r"received target_kw of shape \(1, 2\), expected \(2, 2\)"),
        ({"bus": ["a"]}, r"received change_kw of shape \(2, 2\), expected \(1, 2\)"),
        ({"bus": "ab"}, "received bus 'ab', expected a list of names"),
        ({"price_per_kwh": 0.5}, "received the fields .*price_per_kwh.*, expected bus, change_kw"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(change, words):
    raw = json.dumps({**good(), **change}).encode()
    with pytest.raises(MessageError, match=words):
        Proposal.from_bytes(raw)


def test_a_missing_field_and_a_number_out_of_range_are_refused():
    record = good()
    del record["penalty"]
    with pytest.raises(MessageError, match="received the fields bus, change_kw, round, target_kw"):
        Proposal.from_bytes(json.dumps(record).encode())
    raw = json.dumps(good()).replace("4.0", "1e999").encode()
    with pytest.raises(MessageError, match="expected finite numbers"):
        Proposal.from_bytes(raw)


NO_QUANTITY = ("version", "round", "steps", "step")
TABLE_WORDS = ("steps", "step", "values")


def filled(table):
    """A table from the wire with its columns of zeros."""
    out = np.zeros((len(table["values"]), table["steps"]))
    out[:, table["step"]] = table["values"]
    return out


def wire(case):
    recording = Recording(case.dso)
    clear_market(case.offers, recording, case.settings)
    return recording


def numbers(value):
    if isinstance(value, dict):
        return {n for key, each in value.items() if key not in NO_QUANTITY for n in numbers(each)}
    if isinstance(value, list):
        return {n for each in value for n in numbers(each)}
    return {float(value)} if isinstance(value, int | float) else set()


def words(value):
    if isinstance(value, dict):
        return set(value) | {w for each in value.values() for w in words(each)}
    if isinstance(value, list):
        return {w for each in value for w in words(each)}
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("seed", [2, 3, 11])
def test_no_limit_reaches_the_operator(seed):
    case = feeder(seed)
    replies = wire(case).replies
    assert len(replies) > 5
    # 0 and 1 are entries of every matrix and values of everything.
    secret = (set(case.rows.matrix.ravel()) | set(np.abs(case.rows.room_kw))) - {0.0, 1.0}
    names = set(case.rows.element) | set(case.rows.kind)
    for raw in replies:
        reply = json.loads(raw)
        assert words(reply) == {"kind", "version", "reply", *WORDS_OF_A_REPLY, *TABLE_WORDS}
        assert not {abs(n) for n in numbers(reply)} & secret
        assert not any(name.encode() in raw for name in names)
        # Far from the end not even sums: they would tell what limits leave.
        sums = [reply[name] for name in WORDS_OF_A_REPLY if name.endswith(("_kw", "_amount"))]
        assert reply["worst_excess_kw"] < 1.0 or sums == [1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("seed", [2, 3, 11])
def test_no_bid_reaches_the_grid_operator(seed):
    """No id, name or price; and quantities only as sums, which are one offer's where only one is taken."""
    case = feeder(seed)
    dso, operator = case.dso, MarketOperator(case.offers, case.settings)
    prices = {one.price_per_kwh for one in case.offers} - {0.0, 1.0}
    names = {w for one in case.offers for w in (one.offer, one.aggregator, one.group) if w}
    columns = operator.columns
    parts = set(np.abs(columns.change_kw.data))
    for one in case.offers:
        parts |= set(one.flexibility_kw) | set(one.payback_kw)
    parts -= {0.0, 1.0}
    while not operator.rounds or not operator.is_settled:
        raw = operator.propose().to_bytes()
        proposal = json.loads(raw)
        assert words(proposal) == KEYS_OF_A_PROPOSAL | set(case.settings.bus)
        assert not any(b'"' + name.encode() + b'"' in raw for name in names)
        assert not {abs(n) for n in numbers(proposal)} & prices
        taken = np.asarray((operator.share > 0.0) @ (columns.change_kw != 0.0).astype(float))
        for field in ("change_kw", "target_kw"):
            table = filled(proposal[field])
            assert table.shape == (len(case.settings.bus), 24)
            one_offer_s = np.isin(np.abs(table), list(parts))
            assert (taken.reshape(table.shape)[one_offer_s] <= 1).all()
        operator.hear(Reply.from_bytes(dso.answer(raw)))


WORDS_OF_A_REPLY = (
    "round",
    "price",
    "worst_excess_kw",
    "shortage_kw",
    "shortage_amount",
    "balance_amount",
    "excess_amount",
)
WORDS_OF_A_PROPOSAL = ("round", "penalty", "bus", "change_kw", "target_kw")
KEYS_OF_A_PROPOSAL = {"kind", "version", "proposal", *WORDS_OF_A_PROPOSAL, *TABLE_WORDS}


def test_proposals_sum_over_the_offers_of_a_load_point():
    """Offers that amount to the same at a load point cannot be told apart by the grid operator."""
    rows = limits("LP1", [("line", 1, {"LP1": 1.0}, -50.0)])
    one = [offer("A@LP1", 0.4, {1: 60.0})]
    many = [offer(f"{name}@LP1", 0.4, {1: 15.0}) for name in "ABCD"]
    seen = [
        filled(json.loads(wire(market(offers, rows)).proposals[-1])["change_kw"]) for offers in (one, many)
    ]
    np.testing.assert_allclose(*seen, atol=0.2)
