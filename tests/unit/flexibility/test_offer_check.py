"""Offers of other parties: taken in, or rejected with a reason; never an exception."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.flexibility.offer_check import check_offers, collect_offers
from gridcommons.flexibility.offer_columns import make_columns
from gridcommons.model.flexibility import Offer, Requirement

ASKED = np.array([0.0, 50.0, 50.0, 0.0, 0.0])
REQUIREMENT = Requirement(
    bus=("LP1", "LP2"),
    least_kw=np.array([ASKED, 0.0 * ASKED]),
    most_kw=np.array([ASKED, [0.0, 0.0, 50.0, 0.0, 0.0]]),
    payback_allowed=np.array([True, False, False, True, False]),
    payback_max_share=1.5,
    price_max_per_kwh=1.5,
)
CAPACITY_KW = {
    ("ag", "LP1"): np.array([0.0, 30.0, 20.0, 0.0, 0.0]),
    ("ag", "LP2"): np.full(5, 12.0),
    ("other", "LP1"): np.full(5, 12.0),
}


def good(**changes):
    values = {
        "offer": "o1",
        "aggregator": "ag",
        "bus": "LP1",
        "price_per_kwh": 0.7,
        "flexibility_kw": np.array([0.0, 10.0, 5.0, 0.0, 0.0]),
        "payback_kw": np.array([0.0, 0.0, 0.0, 12.0, 0.0]),
    }
    return Offer(**{**values, **changes})


def check(*offers, party="ag"):
    return check_offers({party: list(offers)}, REQUIREMENT, CAPACITY_KW)


def kw(**by_step):
    values = np.zeros(5)
    for name, value in by_step.items():
        values[int(name[1:])] = value
    return values


REASONS = [
    ({"price_per_kwh": -0.01}, "asks a price of -0.01 per kWh, expected 0 or more"),
    ({"price_per_kwh": float("nan")}, "asks a price of nan per kWh, expected 0 or more"),
    ({"price_per_kwh": float("-inf")}, "asks a price of -inf per kWh, expected 0 or more"),
    ({"price_per_kwh": 1.5001}, "asks 1.5001 per kWh, above the cap of 1.5"),
    ({"price_per_kwh": float("inf")}, "asks inf per kWh, above the cap of 1.5"),
    ({"price_per_kwh": "cheap"}, "has price_per_kwh 'cheap', expected a number"),
    ({"price_per_kwh": None}, "has price_per_kwh None, expected a number"),
    ({"price_per_kwh": True}, "has price_per_kwh True, expected a number"),
    ({"bus": "LP9"}, "names the load point 'LP9', which the requirement does not have"),
    ({"bus": ["LP1"]}, "has bus ['LP1'], expected a text"),
    ({"aggregator": "other"}, "names the aggregator 'other', but came from 'ag'"),
    ({"offer": ["o1"]}, "has offer ['o1'], expected a text"),
    ({"group": {}}, "has group {}, expected a text"),
    ({"relation": "either"}, "has the relation 'either', expected alone, increment, exclusive"),
    ({"response_kw_per_price": float("nan")}, "responds by nan kW per price, expected 0 or more"),
    ({"response_kw_per_price": -2.0}, "responds by -2 kW per price, expected 0 or more"),
    ({"response_kw_per_price": float("inf")}, "responds by inf kW per price, expected 0 or more"),
    ({"response_kw_per_price": 4.0}, "asks up to 2.5 per kWh, above the cap of 1.5"),
    ({"flexibility_kw": kw(h3=1.0)}, "offers flexibility at interval 3, where none is asked for at LP1"),
    (
        {"bus": "LP2", "flexibility_kw": kw(h1=1.0)},
        "offers flexibility at interval 1, where none is asked for at LP2",
    ),
    ({"payback_kw": kw(h4=1.0)}, "takes back at interval 4, which is no payback hour"),
    ({"payback_kw": kw(h1=1.0)}, "takes back at interval 1, which is no payback hour"),
    ({"payback_kw": kw(h0=11.5, h3=11.5)}, "takes back 23.00 kW for 15.00 kW, more than 150% of it"),
    ({"flexibility_kw": np.zeros(5)}, "offers nothing"),
    (
        {"flexibility_kw": kw(h1=30.0, h2=20.5)},
        "offers 20.50 kW at interval 2, above its capacity of 20.00 kW",
    ),
    ({"flexibility_kw": kw(h1=-1.0)}, "has a negative flexibility_kw: -1 kW"),
    ({"payback_kw": kw(h3=-0.5)}, "has a negative payback_kw: -0.5 kW"),
    ({"flexibility_kw": kw(h1=float("nan"))}, "has a flexibility_kw that is no number"),
    ({"payback_kw": kw(h3=float("inf"))}, "has a payback_kw that is no number"),
    ({"flexibility_kw": np.ones(4)}, "has flexibility_kw of shape (4,), expected one figure for each of 5"),
    ({"payback_kw": np.ones((5, 1))}, "has payback_kw of shape (5, 1), expected one figure for each of 5"),
    ({"flexibility_kw": np.array(["10"] * 5)}, "has flexibility_kw of shape (5,), expected one figure"),
    ({"flexibility_kw": np.ones(5, dtype=complex)}, "has flexibility_kw of shape (5,), expected one figure"),
    ({"flexibility_kw": [1.0] * 5}, "has flexibility_kw [1.0, 1.0, 1.0, 1.0, 1.0], expected one figure"),
    ({"payback_kw": [[1.0], [1.0, 2.0]]}, "has payback_kw [[1.0], [1.0, 2.0]], expected one figure"),
    ({"payback_kw": None}, "has payback_kw None, expected one figure for each of 5 intervals"),
]


@pytest.mark.parametrize(("changes", "reason"), REASONS, ids=[reason[:40] for _, reason in REASONS])
def test_each_offer_that_is_not_taken_has_its_reason_and_the_others_stay(changes, reason):
    bad, after = good(**changes), good(offer="o2", flexibility_kw=kw(h2=5.0), payback_kw=np.zeros(5))
    before = good(offer="o0")
    book = check(before, bad, after)
    assert book.offers == (before, after)
    (rejection,) = book.rejections
    assert rejection.reason.startswith(reason)
    assert rejection.aggregator == "ag" and rejection.offer == bad.offer


def test_good_offers_are_taken_to_the_very_edge_of_what_is_allowed():
    edge = good(
        price_per_kwh=1.5,
        flexibility_kw=np.array([0.0, 30.0, 20.0, 0.0, 0.0]),
        payback_kw=np.array([0.0, 0.0, 0.0, 75.0, 0.0]),
    )
    free = good(offer="o2", bus="LP2", price_per_kwh=0, flexibility_kw=kw(h2=12.0), payback_kw=kw())
    responds = good(offer="o3", response_kw_per_price=6.7, price_per_kwh=0.0, aggregator="other")
    answers = {"ag": (edge, free), "other": [responds]}
    book = check_offers(answers, REQUIREMENT, CAPACITY_KW)
    assert book.offers == (edge, free, responds) and not book.rejections
    cheaper = check_offers(answers, REQUIREMENT, CAPACITY_KW, price_top_per_kwh=1.0)
    assert [each.offer for each in cheaper.rejections] == ["o1", "o3"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "sent None instead of offers"),
        ("offers", "sent 'offers' instead of offers"),
        (b"offers", "sent b'offers' instead of offers"),
        (7, "sent 7 instead of offers"),
        ({"o1": 1}, "sent {'o1': 1} instead of offers"),
        (np.zeros(2), "sent array([0., 0.]) instead of offers"),
        ("x" * 100, "sent 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... instead of offers"),
        ([3.0], "is 3.0, no offer"),
        ([{"offer": "o1"}], "is {'offer': 'o1'}, no offer"),
    ],
)
def test_what_is_no_offer_at_all_is_said_and_harms_nobody_else(answer, said):
    fine = good(aggregator="other")
    book = check_offers({"ag": answer, "other": [fine]}, REQUIREMENT, CAPACITY_KW)
    assert book.offers == (fine,)
    assert [(each.offer, each.aggregator, each.reason) for each in book.rejections] == [("", "ag", said)]


def test_an_id_stands_for_one_offer():
    first = good()
    book = check(first, good(flexibility_kw=kw(h1=1.0), payback_kw=kw()))
    assert book.offers == (first,)
    assert book.rejections[0].reason == "its id stands for another offer already"
    across = check_offers({"ag": [first], "other": [good(aggregator="other")]}, REQUIREMENT, CAPACITY_KW)
    assert across.offers == (first,) and across.rejections[0].aggregator == "other"


def test_offers_that_together_exceed_the_plan_are_rejected_from_the_first_that_does():
    offers = [
        good(offer=f"o{k}", flexibility_kw=kw(h1=less), payback_kw=kw())
        for k, less in enumerate((16, 10, 5, 4))
    ]
    book = check(*offers)
    assert [offer.offer for offer in book.offers] == ["o0", "o1", "o3"]
    (rejection,) = book.rejections
    assert rejection.offer == "o2"
    assert rejection.reason == (
        "with the offers before it, takes away 1.00 kW more than is planned at LP1 at interval 1"
    )


def test_alternatives_count_once_and_increments_add_up():
    parts = [
        good(offer=f"o{k}", flexibility_kw=kw(h1=less), payback_kw=kw(), group="g")
        for k, less in enumerate((20.0, 28.0, 24.0))
    ]
    assert len(check(*(replace(part, relation="exclusive") for part in parts)).offers) == 3
    beside = good(offer="o9", flexibility_kw=kw(h1=3.0), payback_kw=kw())
    book = check(*(replace(part, relation="exclusive") for part in parts), beside)
    assert [each.offer for each in book.rejections] == ["o9"]
    book = check(*(replace(part, relation="increment") for part in parts))
    assert [offer.offer for offer in book.offers] == ["o0"]


def test_an_increment_falls_with_what_it_stands_on():
    def part(number, less, **changes):
        more = {"group": "g", "relation": "increment", "payback_kw": kw(), **changes}
        return good(offer=f"o{number}", flexibility_kw=kw(h1=less), **more)

    book = check(part(1, 5.0), part(2, 5.0, price_per_kwh=2.0), part(3, 5.0), part(4, 5.0, group="h"))
    assert [offer.offer for offer in book.offers] == ["o1", "o4"]
    assert [each.reason for each in book.rejections][1] == "adds to o2, which is not taken in"
    # Sent twice, the second is no increment that could be missed.
    book = check(part(1, 5.0), part(1, 5.0), part(3, 5.0))
    assert [offer.offer for offer in book.offers] == ["o1", "o3"]


@pytest.mark.parametrize("other", [{"bus": "LP2", "flexibility_kw": kw(h2=1.0)}, {"relation": "exclusive"}])
def test_a_group_is_at_one_load_point_in_one_relation(other):
    """The clearing could not be told of it otherwise, and would end for everybody."""
    first = good(group="g", relation="increment")
    second = good(**{"offer": "o2", "group": "g", "relation": "increment", **other, "payback_kw": kw()})
    book = check(first, second)
    assert book.offers == (first,)
    assert book.rejections[0].reason.startswith("is of the group 'g' at ")
    assert "where the group is at LP1 as increment" in book.rejections[0].reason


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 60),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["ag", "LP1", "LP2", "increment", "exclusive", "alone", "g"]),
    st.lists(st.floats(0.0, 20.0), min_size=5, max_size=5).map(np.array),
    st.sampled_from(
        [ASKED / 5.0, kw(h1=5.0), kw(h3=6.0), kw(), np.zeros(3), np.array("x"), [1, [2]], {}, 1j]
    ),
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                [
                    "offer",
                    "aggregator",
                    "bus",
                    "price_per_kwh",
                    "flexibility_kw",
                    "payback_kw",
                    "group",
                    "relation",
                    "response_kw_per_price",
                ]
            ),
            ANYTHING,
            max_size=3,
        ),
        max_size=5,
    )
)
def test_whatever_is_sent_ends_in_the_book_or_among_the_rejections_and_can_be_cleared(sent):
    offers = [good(**{"offer": f"o{k}", **changes}) for k, changes in enumerate(sent)]
    book = check(*offers)
    assert len(book.offers) + len(book.rejections) == len(offers)
    assert all(each.reason for each in book.rejections)
    for shares in ("one", "per_hour"):
        make_columns(book.offers, REQUIREMENT.bus, 1.0, shares, steps=5)
    for offer in book.offers:
        assert 0.0 <= offer.price_per_kwh <= 1.5
        assert (offer.flexibility_kw <= CAPACITY_KW["ag", offer.bus] + 1e-6).all()


class Party:
    """An aggregator that does what it is told."""

    def __init__(self, name, answers):
        self.name = name
        self._answers = answers

    def offers(self, requirement):
        assert requirement is REQUIREMENT
        return self._answers()


def raising(error):
    def fail():
        raise error

    return fail


def test_who_never_answers_is_left_out_and_named_within_the_time():
    never = threading.Event()
    parties = [Party("ag", lambda: ["first"]), Party("deaf", never.wait), Party("other", lambda: ["second"])]
    start = time.monotonic()
    answers, silent = collect_offers(parties, REQUIREMENT, 0.3)
    took_s = time.monotonic() - start
    never.set()
    assert 0.25 < took_s < 3.0
    assert answers == {"ag": ["first"], "other": ["second"]}
    assert [(each.offer, each.aggregator, each.reason) for each in silent] == [
        ("", "deaf", "no answer within 0.3 s")
    ]


def test_the_time_is_for_all_together_and_not_for_each():
    never = threading.Event()
    parties = [Party(f"deaf{k}", never.wait) for k in range(5)]
    start = time.monotonic()
    answers, silent = collect_offers(parties, REQUIREMENT, 0.3)
    took_s = time.monotonic() - start
    never.set()
    assert took_s < 1.2 and answers == {} and len(silent) == 5


@pytest.mark.parametrize("error", [ValueError("no idea"), SystemExit("gone"), KeyboardInterrupt("gone")])
def test_who_fails_is_left_out_and_named(error):
    parties = [Party("bad", raising(error)), Party("ag", lambda: ["fine"])]
    answers, failed = collect_offers(parties, REQUIREMENT, 5.0)
    assert answers == {"ag": ["fine"]}
    assert [(each.aggregator, each.reason) for each in failed] == [
        ("bad", f"failed: {type(error).__name__}: {error}")
    ]


def test_a_late_answer_is_not_used_even_where_it_arrives_before_the_others_are_read():
    """The first is too late; while the second is waited for no longer, both hand in their offers."""
    late, release = threading.Event(), threading.Event()

    def late_answer():
        release.wait()
        late.set()
        return ["late"]

    class Slow(Party):
        """Its name is read when it is found to be silent: at that moment the other answers."""

        reads = 0

        @property
        def name(self):
            Slow.reads += 1
            if threading.current_thread() is threading.main_thread():
                release.set()
                late.wait(2.0)
                time.sleep(0.05)
            return "slow"

        @name.setter
        def name(self, value):
            pass

    parties = [Slow("slow", late_answer), Party("ag", lambda: ["fine"])]
    answers, silent = collect_offers(parties, REQUIREMENT, 0.2)
    assert late.is_set() and Slow.reads > 1
    assert answers == {"ag": ["fine"]}
    assert [each.aggregator for each in silent] == ["slow"]


def test_a_late_failure_is_said_once_as_late():
    release = threading.Event()

    def fail_late():
        release.wait()
        raise ValueError("too late to matter")

    answers, silent = collect_offers([Party("slow", fail_late)], REQUIREMENT, 0.2)
    release.set()
    time.sleep(0.05)
    assert answers == {} and [each.reason for each in silent] == ["no answer within 0.2 s"]
