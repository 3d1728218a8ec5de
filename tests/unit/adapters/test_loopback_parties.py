"""A grid operator in another process: the same bytes, and a clear word when it does not answer."""

from __future__ import annotations

import time

import pytest

from fakes.grid_operators import Dies, Garbage, Recording, Sleeps
from gridcommons.adapters.loopback_parties import PartyError, loopback_process
from gridcommons.benchmarks.markets import feeder
from gridcommons.flexibility.clearing import clear_market
from gridcommons.flexibility.market_operator import MarketOperator
from gridcommons.model.messages import MessageError
from markets import limits, market, offer


@pytest.fixture
def small():
    rows = limits("LP1 LP2", [("line", 1, {"LP1": 1.0, "LP2": 1.0}, -50.0)])
    return market([offer("A@LP1", 0.3, {1: 40.0}), offer("B@LP2", 0.5, {1: 40.0})], rows)


def test_two_processes_say_the_same_bytes_as_one():
    case = feeder(2)
    one = Recording(case.dso)
    here = clear_market(case.offers, one, case.settings)
    with loopback_process(case.dso) as remote:
        two = Recording(remote)
        there = clear_market(case.offers, two, case.settings)
    assert two.proposals == one.proposals and two.replies == one.replies
    assert len(one.proposals) == len(here.rounds) > 10
    assert there.shares.tobytes() == here.shares.tobytes()
    assert there.shortage_kw.tobytes() == here.shortage_kw.tobytes()


def test_garbage_is_named_with_what_was_expected(small):
    with (
        loopback_process(Garbage()) as dso,
        pytest.raises(MessageError, match=r"reply: received 15 bytes that begin .*not a message.*JSON"),
    ):
        clear_market(small.offers, dso, small.settings)


def test_a_proposal_that_is_refused_says_why_and_the_process_goes_on(small):
    good = MarketOperator(small.offers, small.settings).propose().to_bytes()
    with loopback_process(small.dso) as dso:
        with pytest.raises(PartyError, match="refused: report: received no proposal yet"):
            dso.report()
        with pytest.raises(PartyError, match="refused: proposal: received version 2, expected 1"):
            dso.answer(good.replace(b'"version":1', b'"version":2'))
        with pytest.raises(PartyError, match="refused: proposal: received 7 bytes"):
            dso.answer(b"nothing")
        assert dso.answer(good) == small.dso.answer(good)


def test_a_process_that_dies_is_missed(small):
    with (
        loopback_process(Dies()) as dso,
        pytest.raises(PartyError, match="received the end of the connection.*expected a reply"),
    ):
        clear_market(small.offers, dso, small.settings)


def test_a_process_that_does_not_answer_is_not_waited_for(small):
    context = loopback_process(Sleeps(), timeout_s=0.2)
    start = time.perf_counter()
    with context as dso, pytest.raises(PartyError, match=r"received nothing in 0.2 s, expected a reply"):
        clear_market(small.offers, dso, small.settings)
    assert time.perf_counter() - start < 25.0
    assert not context.process.is_alive()


def test_a_process_that_cannot_start_is_an_error():
    with pytest.raises(PartyError, match="its process ended"), loopback_process(NotThere()):
        raise AssertionError


class NotThere:
    """Pickles, but cannot be made again."""

    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise SystemExit(1)
