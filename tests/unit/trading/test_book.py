"""What enters a book, and the reason for everything that does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.orders import PriceBand
from gridcommons.trading.book import MemberEnvelopes, check_orders, clip_to_envelopes, open_book
from order_books import book_of

BAND = PriceBand(0.08, 0.32)
CLUSTER_OF = {"anna": "north", "bert": "north", "cleo": "south"}


def orders(*rows, band=BAND):
    """Orders of (id, member, cluster, side, energy, price) that expire after step 5."""
    return book_of(rows, band)


GOOD = ("o1", "anna", "north", "buy", 2.0, 0.2)
OTHER = ("o2", "cleo", "south", "sell", 1.0, 0.15)


def changed(**changes):
    keys = ("order", "member", "cluster", "side", "kwh", "price")
    return tuple({**dict(zip(keys, GOOD, strict=True)), **changes}.values())


def reasons(book):
    return {each.order: each.reason for each in book.rejections}


REASONS = [
    ({"kwh": np.nan}, "energy is nan kWh, expected a finite energy above 0"),
    ({"kwh": np.inf}, "energy is inf kWh, expected a finite energy above 0"),
    ({"kwh": 0.0}, "energy is 0 kWh, expected a finite energy above 0"),
    ({"kwh": -1.0}, "energy is -1 kWh, expected a finite energy above 0"),
    ({"price": 0.33}, "price is 0.33 per kWh, expected a price from 0.08 (feed-in) to 0.32 (retail)"),
    ({"price": 0.07}, "price is 0.07 per kWh, expected a price from 0.08 (feed-in) to 0.32 (retail)"),
    ({"price": np.nan}, "price is nan per kWh, expected a price from 0.08 (feed-in) to 0.32 (retail)"),
    ({"member": "anne"}, "there is no member 'anne', did you mean 'anna'?"),
    ({"member": "xyz"}, "there is no member 'xyz'"),
    ({"cluster": "nort"}, "there is no cluster 'nort', did you mean 'north'?"),
    ({"cluster": "south"}, "member 'anna' belongs to cluster 'north', expected an order there"),
    (
        {"member": "anne", "cluster": "nort"},
        "there is no member 'anne', did you mean 'anna'?; there is no cluster 'nort', did you mean 'north'?",
    ),
    (
        {"kwh": -1.0, "price": 0.5},
        "energy is -1 kWh, expected a finite energy above 0; "
        "price is 0.5 per kWh, expected a price from 0.08 (feed-in) to 0.32 (retail)",
    ),
]


@pytest.mark.parametrize(("changes", "reason"), REASONS, ids=[str(case[0]) for case in REASONS])
def test_a_faulty_order_is_refused_with_every_reason_and_the_others_stay(changes, reason):
    book = check_orders(orders(changed(**changes), OTHER), CLUSTER_OF, step=0)
    assert reasons(book) == {"o1": reason}
    assert book.orders.order == ("o2",)


def test_a_sound_book_enters_whole_and_the_ends_of_the_band_are_inside():
    sent = orders(
        GOOD, OTHER, ("o3", "bert", "north", "sell", 1.0, 0.08), ("o4", "cleo", "south", "buy", 1, 0.1)
    )
    sent = replace(sent, price_per_kwh=np.array([0.32, 0.15, 0.08, 0.1]))
    book = check_orders(sent, CLUSTER_OF, step=5)
    assert book.rejections == () and book.orders.order == sent.order


def test_an_order_stands_until_its_last_step():
    assert check_orders(orders(GOOD), CLUSTER_OF, step=5).rejections == ()
    assert reasons(check_orders(orders(GOOD), CLUSTER_OF, step=6)) == {
        "o1": "expired after step 5, this is step 6"
    }


def test_without_a_main_grid_any_finite_price_is_good():
    island = replace(BAND, main_grid_available=False)
    sent = orders(
        changed(price=9.0), changed(order="o3", price=-1.0), changed(order="o4", price=np.inf), band=island
    )
    assert reasons(check_orders(sent, CLUSTER_OF, 0)) == {
        "o4": "price is inf per kWh, expected a finite price"
    }


def test_orders_with_one_id_are_all_refused():
    book = check_orders(orders(GOOD, OTHER, changed(kwh=9.0)), CLUSTER_OF, 0)
    assert [each.order for each in book.rejections] == ["o1", "o1"]
    assert book.rejections[0].reason == "2 orders have the id 'o1', expected one"
    assert book.orders.order == ("o2",)


def test_bids_and_asks_of_one_member_that_would_trade_with_each_other_are_refused():
    mine = [
        ("bid-low", "anna", "north", "buy", 1.0, 0.15),
        ("bid-high", "anna", "north", "buy", 1.0, 0.2),
        ("ask-low", "anna", "north", "sell", 1.0, 0.18),
        ("ask-same", "anna", "north", "sell", 1.0, 0.2),
        ("ask-high", "anna", "north", "sell", 1.0, 0.25),
        ("of-another", "bert", "north", "sell", 1.0, 0.1),
    ]
    found = reasons(check_orders(orders(*mine), CLUSTER_OF, 0))
    assert sorted(found) == ["ask-low", "ask-same", "bid-high"]
    assert found["bid-high"] == (
        "member 'anna' bids up to 0.2 and asks from 0.18 per kWh in one book and would trade with itself, "
        "expected its bids below its asks"
    )


def test_a_bid_that_just_meets_the_own_ask_would_trade_with_it():
    mine = [("bid", "anna", "north", "buy", 1.0, 0.2), ("ask", "anna", "north", "sell", 1.0, 0.2)]
    assert sorted(reasons(check_orders(orders(*mine), CLUSTER_OF, 0))) == ["ask", "bid"]


def test_an_order_that_is_refused_anyway_crosses_nothing():
    book = check_orders(orders(GOOD, changed(order="o3", side="sell", price=0.1, kwh=-1.0)), CLUSTER_OF, 0)
    assert list(reasons(book)) == ["o3"]


def test_an_empty_book_stays_empty():
    empty = orders(GOOD).take(np.zeros(0, np.int64))
    book = open_book(empty, CLUSTER_OF, 0, envelope(-1.0, 1.0))
    assert (len(book.orders), book.rejections, book.clips) == (0, (), ())


def envelope(p_min_kw, p_max_kw, step_hours=0.5):
    """The same for all three."""
    return MemberEnvelopes(tuple(CLUSTER_OF), np.full(3, p_min_kw), np.full(3, p_max_kw), step_hours)


def test_purchases_are_cut_to_the_upper_limit_the_dearest_bids_last():
    sent = orders(
        ("low", "anna", "north", "buy", 2.0, 0.1),
        ("high", "anna", "north", "buy", 2.0, 0.3),
        ("middle", "anna", "north", "buy", 2.0, 0.2),
        ("other", "bert", "north", "buy", 3.0, 0.1),
    )
    book = clip_to_envelopes(sent, envelope(-9.0, 6.0))
    assert dict(zip(book.orders.order, book.orders.energy_kwh.tolist(), strict=True)) == {
        "high": 2.0,
        "middle": 1.0,
        "other": 3.0,
    }
    says = "operating envelope of 'anna', -9 to 6 kW, allows at most 3 kWh of purchases in all"
    assert [(c.order, c.from_kwh, c.to_kwh, c.reason) for c in book.clips] == [("middle", 2.0, 1.0, says)]
    assert reasons(book) == {"low": says}


def test_sales_are_cut_to_the_lower_limit_the_cheapest_asks_last():
    sent = orders(
        ("dear", "cleo", "south", "sell", 2.0, 0.3),
        ("cheap", "cleo", "south", "sell", 2.0, 0.1),
        ("bid", "cleo", "south", "buy", 0.5, 0.09),
    )
    book = clip_to_envelopes(sent, envelope(-6.0, 1.0))
    assert book.orders.order == ("dear", "cheap", "bid")
    assert book.orders.energy_kwh.tolist() == [1.0, 2.0, 0.5]
    says = "operating envelope of 'cleo', -6 to 1 kW, allows at most 3 kWh of sales in all"
    assert [(c.order, c.reason) for c in book.clips] == [("dear", says)]


SIDES = orders(("bid", "anna", "north", "buy", 1.0, 0.1), ("ask", "anna", "north", "sell", 1.0, 0.2))


@pytest.mark.parametrize(
    ("p_min_kw", "p_max_kw", "refused"),
    [
        (1.0, 4.0, {"ask": "operating envelope of 'anna', 1 to 4 kW, forces import, nothing can be sold"}),
        (
            -4.0,
            -1.0,
            {"bid": "operating envelope of 'anna', -4 to -1 kW, forces export, nothing can be bought"},
        ),
        (0.0, 4.0, {"ask": "operating envelope of 'anna', 0 to 4 kW, allows at most 0 kWh of sales in all"}),
        (
            -4.0,
            0.0,
            {"bid": "operating envelope of 'anna', -4 to 0 kW, allows at most 0 kWh of purchases in all"},
        ),
        (-np.inf, np.inf, {}),
    ],
)
def test_an_envelope_that_forces_one_direction_refuses_the_other(p_min_kw, p_max_kw, refused):
    book = clip_to_envelopes(SIDES, envelope(p_min_kw, p_max_kw))
    assert reasons(book) == refused and book.clips == ()
    assert set(book.orders.order) == {"bid", "ask"} - set(refused)


def test_a_member_without_an_envelope_cannot_order():
    sent = orders(("x", "dora", "north", "buy", 1.0, 0.2), GOOD)
    book = clip_to_envelopes(sent, envelope(-9.0, 9.0))
    assert reasons(book) == {"x": "member 'dora' has no operating envelope"}


def test_rounding_is_no_cut():
    book = clip_to_envelopes(orders(changed(kwh=0.1 + 0.2)), envelope(-1.0, 3.0, step_hours=0.1))
    assert book.clips == () and book.orders.energy_kwh.tolist() == [0.1 + 0.2]


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (np.nan, 1.0)])
def test_an_envelope_is_two_numbers_in_order(low, high):
    with pytest.raises(GridcommonsError, match="operating envelope of anna: found"):
        envelope(low, high)


def test_checks_come_before_cuts_so_a_refused_order_takes_no_room():
    sent = orders(changed(order="bad", price=0.5, kwh=3.0), changed(order="good", kwh=3.0))
    book = open_book(sent, CLUSTER_OF, 0, envelope(-9.0, 6.0))
    assert book.orders.energy_kwh.tolist() == [3.0] and list(reasons(book)) == ["bad"]


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(sorted(CLUSTER_OF)),
            st.booleans(),
            st.sampled_from([0.1, 1.0, 2.5, 1e6]),
            st.sampled_from([0.1, 0.2, 0.3]),
        ),
        min_size=1,
        max_size=20,
    ),
    limits=st.tuples(st.floats(-9.0, 9.0), st.floats(0.0, 9.0)),
)
def test_what_enters_fits_every_envelope_and_nothing_vanishes_unsaid(rows, limits):
    sent = orders(
        *(
            (f"o{k}", member, CLUSTER_OF[member], "buy" if is_buy else "sell", kwh, price)
            for k, (member, is_buy, kwh, price) in enumerate(rows)
        )
    )
    low, high = limits[0], limits[0] + limits[1]
    book = clip_to_envelopes(sent, envelope(low, high))
    left = dict(zip(book.orders.order, book.orders.energy_kwh.tolist(), strict=True))
    cut = {clip.order: clip for clip in book.clips}
    refused = reasons(book)
    for k, (_, _, kwh, _) in enumerate(rows):
        order = f"o{k}"
        assert (order in refused) != (order in left)
        assert order in refused or left[order] == (cut[order].to_kwh if order in cut else kwh)
        assert order not in cut or 0.0 < cut[order].to_kwh < cut[order].from_kwh == kwh
    for member in CLUSTER_OF:
        for side, room_kw in ((True, high), (False, -low)):
            mine = [
                left.get(f"o{k}", 0.0) for k, row in enumerate(rows) if row[0] == member and row[1] == side
            ]
            offered = sum(row[2] for row in rows if row[0] == member and row[1] == side)
            assert sum(mine) == pytest.approx(min(offered, max(0.5 * room_kw, 0.0)), rel=1e-9, abs=1e-9)
