"""Sharing keys: what each promises, over registers at random, and the worked example."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.known_answers.settlement import EXAMPLE, EXAMPLE_TERMS, KEY_ANSWERS
from gridcommons.model.errors import GridcommonsError
from gridcommons.settlement.sharing_keys import (
    KEYS,
    Registers,
    Terms,
    allocate,
    assign_to_plants,
    net_over,
)

ALLOCATING = [key for key in KEYS if key != "virtual"]
MAXIMAL = ["dynamic_prorata", "equal_maxmin", "priority"]
FIELDS = ("allocated_kwh", "residual_kwh", "given_kwh", "surplus_kwh")


def drawn(seed, steps, members, empty=0.4):
    """Registers with many zeros, and terms of every kind, some shares zero."""
    generator = np.random.default_rng(seed)

    def some(*shape):
        return np.round(generator.uniform(0.0, 10.0, shape), 3) * (generator.random(shape) > empty)

    static = generator.uniform(0.0, 1.0, members) * (generator.random(members) > 0.3)
    static[generator.integers(members)] += 0.1
    pair = generator.uniform(0.0, 1.0, (members, members)) * (generator.random((members, members)) > 0.3)
    pair /= np.maximum(pair.sum(axis=0), 1.0)
    terms = Terms(static / static.sum(), generator.permutation(members), pair)
    return Registers(some(steps, members), some(steps, members)), terms


communities = st.builds(
    drawn, st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 9), st.sampled_from([0.0, 0.4, 0.9])
)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("key", KEYS)
class TestEveryKey:
    @given(community=communities)
    def test_gives_no_more_than_is_drawn_and_no_more_than_can_be_shared(self, key, community):
        registers, terms = community
        found = allocate(key, registers, terms)
        assert (found.allocated_kwh >= 0.0).all()
        assert (found.allocated_kwh <= registers.withdrawal_kwh + 1e-12).all()
        assert (found.allocated_kwh.sum(axis=1) <= registers.sharable_kwh + 1e-9).all()
        assert (found.shared_kwh <= registers.sharable_kwh + 1e-9).all()

    @given(community=communities)
    def test_loses_and_makes_no_energy(self, key, community):
        registers, terms = community
        found = allocate(key, registers, terms)
        allocated_kwh = found.allocated_kwh.sum(axis=1)
        close(found.residual_kwh, registers.withdrawal_kwh - found.allocated_kwh)
        close(found.given_kwh.sum(axis=1), allocated_kwh)
        close(found.surplus_kwh.sum(axis=1), registers.generated_kwh - allocated_kwh)
        assert min(found.surplus_kwh.min(), found.given_kwh.min()) >= 0.0
        assert (found.given_kwh <= registers.injection_kwh + 1e-9).all()
        if key != "static_owned":
            close(found.given_kwh + found.surplus_kwh, registers.injection_kwh)
        if key != "virtual":
            close(found.shared_kwh, allocated_kwh)

    @given(community=communities, seed=st.integers(0, 1000))
    def test_does_not_depend_on_the_order_of_members(self, key, community, seed):
        registers, terms = community
        order = np.random.default_rng(seed).permutation(registers.members)
        turned = Registers(registers.withdrawal_kwh[:, order], registers.injection_kwh[:, order])
        pair_share = terms.pair_share[np.ix_(order, order)]
        turned_terms = Terms(terms.static_share[order], terms.rank[order], pair_share)
        found, other = allocate(key, registers, terms), allocate(key, turned, turned_terms)
        for name in FIELDS:
            close(getattr(other, name), getattr(found, name)[:, order])

    @given(community=communities, factor=st.floats(1e-3, 1e4))
    def test_scales_with_the_registers(self, key, community, factor):
        registers, terms = community
        larger = Registers(registers.withdrawal_kwh * factor, registers.injection_kwh * factor)
        found, other = allocate(key, registers, terms), allocate(key, larger, terms)
        for name in (*FIELDS, "shared_kwh"):
            np.testing.assert_allclose(
                getattr(other, name), getattr(found, name) * factor, rtol=1e-9, atol=1e-9 * factor
            )

    @given(community=communities)
    def test_sees_one_interval_alone(self, key, community):
        registers, terms = community
        last = Registers(registers.withdrawal_kwh[-1:], registers.injection_kwh[-1:])
        found, other = allocate(key, registers, terms), allocate(key, last, terms)
        for name in (*FIELDS, "shared_kwh"):
            close(getattr(other, name), getattr(found, name)[-1:])

    def test_gives_the_worked_example(self, key):
        found, expected = allocate(key, EXAMPLE, EXAMPLE_TERMS), KEY_ANSWERS[key]
        close(found.allocated_kwh, expected.allocated_kwh)

    @pytest.mark.parametrize(("day", "quarters"), [((2026, 3, 29), 92), ((2026, 10, 25), 100)])
    def test_takes_the_days_on_which_the_clock_changes(self, key, day, quarters):
        zone = ZoneInfo("Europe/Vienna")
        start = datetime(*day, tzinfo=zone).astimezone(UTC)
        end = datetime(day[0], day[1], day[2] + 1, tzinfo=zone).astimezone(UTC)
        assert (end - start).total_seconds() == quarters * 900
        registers, terms = drawn(7, quarters, 5)
        found = allocate(key, registers, terms)
        assert found.allocated_kwh.shape == (quarters, 5)
        assert found.shared_kwh.sum() > 0.0
        # As many whole hours as the day has.
        hours = net_over(registers, 4)
        assert hours.steps == quarters // 4
        close(hours.withdrawal_kwh.sum(axis=0), registers.withdrawal_kwh.sum(axis=0))

    def test_gives_nothing_where_nothing_is_made_and_all_back_where_nothing_is_drawn(self, key):
        some, nothing = np.full((2, 3), 2.0), np.zeros((2, 3))
        for registers in (Registers(some, nothing), Registers(nothing, some)):
            terms = replace(EXAMPLE_TERMS)
            found = allocate(key, registers, terms)
            assert not found.allocated_kwh.any() and not found.shared_kwh.any()
            np.testing.assert_array_equal(found.residual_kwh, registers.withdrawal_kwh)
            close(found.surplus_kwh.sum(axis=1), registers.generated_kwh)


class TestMaximal:
    @pytest.mark.parametrize("key", [*MAXIMAL, "virtual"])
    @given(community=communities)
    def test_all_that_can_be_shared_is(self, key, community):
        registers, terms = community
        close(allocate(key, registers, terms).shared_kwh, registers.sharable_kwh)

    @given(community=communities)
    def test_redistribution_leaves_surplus_only_where_all_with_a_share_are_full(self, community):
        registers, terms = community
        found = allocate("static_redistributed", registers, terms)
        can_kwh = registers.withdrawal_kwh[:, terms.static_share > 0.0].sum(axis=1)
        close(found.shared_kwh, np.minimum(registers.generated_kwh, can_kwh))

    def test_capped_shares_leave_surplus_beside_unmet_withdrawal(self):
        found = allocate("static_capped", EXAMPLE, EXAMPLE_TERMS)
        assert found.surplus_kwh[0].sum() == pytest.approx(2.6)
        assert found.residual_kwh[0, 2] == pytest.approx(1.6)


class TestStatic:
    @given(community=communities)
    def test_redistribution_ends_where_its_rounds_end(self, community):
        registers, terms = community
        found = allocate("static_redistributed", registers, terms)
        for step in range(registers.steps):
            drawn_kwh, left_kwh = registers.withdrawal_kwh[step], registers.generated_kwh[step]
            allocated_kwh = np.zeros(registers.members)
            # Each round fills a member or ends.
            for _ in range(registers.members + 1):
                active = (allocated_kwh < drawn_kwh - 1e-12) & (terms.static_share > 0.0)
                if not active.any() or left_kwh <= 1e-12:
                    break
                part = np.where(active, terms.static_share, 0.0)
                more_kwh = np.minimum(part / part.sum() * left_kwh, drawn_kwh - allocated_kwh)
                allocated_kwh, left_kwh = allocated_kwh + more_kwh, left_kwh - more_kwh.sum()
            close(found.allocated_kwh[step], allocated_kwh)

    @given(community=communities)
    def test_redistribution_never_takes_from_anyone(self, community):
        capped, spread = (allocate(key, *community) for key in ("static_capped", "static_redistributed"))
        assert (spread.allocated_kwh >= capped.allocated_kwh - 1e-9).all()

    def test_surplus_is_the_producers_or_the_consumers_by_key(self):
        """B and C own 3.6 and 2.4 kWh in the first interval and use 1 and 2.4."""
        producers = allocate("static_capped", EXAMPLE, EXAMPLE_TERMS)
        consumers = allocate("static_owned", EXAMPLE, EXAMPLE_TERMS)
        close(producers.surplus_kwh.sum(axis=0), [4.6, 0.0, 0.0])
        close(consumers.surplus_kwh.sum(axis=0), [0.0, 4.0, 0.6])
        close(consumers.allocated_kwh, producers.allocated_kwh)

    def test_shares_may_be_set_for_each_interval(self):
        hourly = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.2, 0.4, 0.4]])
        found = allocate("static_capped", EXAMPLE, Terms(static_share=hourly))
        close(found.allocated_kwh, [[0, 0, 4], [0, 2, 0], [0, 0, 0], [0, 1, 1]])

    def test_members_without_a_share_get_nothing(self):
        registers = Registers(np.array([[1.0, 5.0]]), np.array([[4.0, 0.0]]))
        found = allocate("static_redistributed", registers, Terms(static_share=np.array([1.0, 0.0])))
        close(found.allocated_kwh, [[1.0, 0.0]])
        close(found.surplus_kwh, [[3.0, 0.0]])


class TestFairness:
    @given(community=communities)
    def test_maxmin_gives_the_same_to_all_who_are_not_full(self, community):
        registers, _ = community
        found = allocate("equal_maxmin", registers)
        for allocated_kwh, residual_kwh in zip(found.allocated_kwh, found.residual_kwh, strict=True):
            hungry = residual_kwh > 1e-9
            if hungry.any():
                close(allocated_kwh[hungry], allocated_kwh.max())

    @given(community=communities)
    def test_prorata_covers_the_same_share_of_all(self, community):
        registers, _ = community
        found = allocate("dynamic_prorata", registers)
        drawn_kwh = registers.withdrawal_kwh
        covered = np.divide(
            found.allocated_kwh, drawn_kwh, out=np.full(drawn_kwh.shape, np.nan), where=drawn_kwh > 0
        )
        for share in covered[(drawn_kwh > 0.0).any(axis=1)]:
            assert np.nanmax(share) == pytest.approx(np.nanmin(share), abs=1e-12)

    @given(community=communities)
    def test_priority_leaves_nobody_hungry_before_one_who_is_served(self, community):
        registers, terms = community
        found = allocate("priority", registers, terms)
        order = np.argsort(terms.rank)
        hungry = found.residual_kwh[:, order] > 1e-9
        earlier_hungry = np.cumsum(hungry, axis=1) - hungry > 0
        assert (found.allocated_kwh[:, order][earlier_hungry] <= 1e-9).all()


class TestPairs:
    @given(community=communities)
    def test_nobody_gets_more_than_its_parts_of_what_each_producer_made(self, community):
        registers, terms = community
        parts_kwh = terms.pair_share * registers.injection_kwh[:, None, :]
        found = allocate("pairwise", registers, terms)
        assert (found.allocated_kwh <= parts_kwh.sum(axis=2) + 1e-9).all()
        assert (found.given_kwh <= parts_kwh.sum(axis=1) + 1e-9).all()
        close(found.allocated_kwh, np.minimum(parts_kwh.sum(axis=2), registers.withdrawal_kwh))

    @given(community=communities)
    def test_shares_may_be_set_for_each_interval(self, community):
        registers, terms = community
        each = np.broadcast_to(terms.pair_share, (registers.steps, *terms.pair_share.shape)).copy()
        found = allocate("pairwise", registers, Terms(pair_share=each))
        constant = allocate("pairwise", registers, terms)
        for name in FIELDS:
            close(getattr(found, name), getattr(constant, name))
        each[0] = 0.0
        assert not allocate("pairwise", registers, Terms(pair_share=each)).allocated_kwh[0].any()

    @given(community=communities)
    def test_the_same_shares_of_every_producer_are_fixed_shares(self, community):
        registers, terms = community
        alike = Terms(pair_share=np.tile(terms.static_share[:, None], registers.members))
        close(
            allocate("pairwise", registers, alike).allocated_kwh,
            allocate("static_capped", registers, terms).allocated_kwh,
        )

    def test_a_producer_keeps_what_its_own_partner_cannot_use(self):
        """P1 gives to C1 alone, P2 to C2 alone; C1 uses 1 of 4 kWh."""
        registers = Registers(np.array([[0.0, 0.0, 1.0, 5.0]]), np.array([[4.0, 2.0, 0.0, 0.0]]))
        share = np.zeros((4, 4))
        share[2, 0] = share[3, 1] = 1.0
        found = allocate("pairwise", registers, Terms(pair_share=share))
        close(found.allocated_kwh, [[0, 0, 1, 2]])
        close(found.given_kwh, [[1, 2, 0, 0]])
        close(found.surplus_kwh, [[3, 0, 0, 0]])


class TestNetting:
    def test_an_hour_shares_12_kwh_and_its_quarter_hours_9(self):
        assert allocate("virtual", EXAMPLE).shared_kwh.sum() == pytest.approx(9.0)
        assert allocate("virtual", net_over(EXAMPLE, 4)).shared_kwh.sum() == pytest.approx(12.0)

    @given(community=communities, each=st.integers(1, 4))
    def test_longer_intervals_never_share_less(self, community, each):
        registers, _ = community
        whole = registers.steps // each * each
        part = Registers(registers.withdrawal_kwh[:whole], registers.injection_kwh[:whole])
        netted = net_over(part, each)
        assert netted.steps == whole // each
        assert netted.sharable_kwh.sum() >= part.sharable_kwh.sum() - 1e-9
        if whole:
            close(netted.injection_kwh[-1], part.injection_kwh[-each:].sum(axis=0))

    @pytest.mark.parametrize("each", [0, 3, -4])
    def test_intervals_that_do_not_fill_a_longer_one_are_refused(self, each):
        with pytest.raises(GridcommonsError, match="found 4 intervals"):
            net_over(EXAMPLE, each)


@given(community=communities)
def test_plants_are_assigned_what_is_shared_the_oldest_first(community):
    registers, terms = community
    counted_kwh = assign_to_plants(registers, terms.rank)
    close(counted_kwh.sum(axis=1), registers.sharable_kwh)
    assert (counted_kwh <= registers.injection_kwh).all()
    order = np.argsort(terms.rank)
    open_kwh = (registers.injection_kwh - counted_kwh)[:, order]
    for step in range(registers.steps):
        began = np.flatnonzero(counted_kwh[step, order] > 1e-9)
        assert not (open_kwh[step, : began.max(initial=0)] > 1e-9).any()


class TestRefused:
    @pytest.mark.parametrize(
        ("key", "term"),
        [
            ("static_capped", "static_share"),
            ("static_owned", "static_share"),
            ("static_redistributed", "static_share"),
            ("priority", "rank"),
            ("pairwise", "pair_share"),
        ],
    )
    def test_a_key_without_its_terms_says_which(self, key, term):
        with pytest.raises(GridcommonsError, match=f"{key}: .*Terms.{term}"):
            allocate(key, EXAMPLE, replace(EXAMPLE_TERMS, **{term: None}))

    def test_every_other_key_needs_none(self):
        for key in ("dynamic_prorata", "equal_maxmin", "virtual"):
            close(allocate(key, EXAMPLE).shared_kwh.sum(), 9.0)

    @pytest.mark.parametrize("key", ["static_capped", "static_owned", "static_redistributed"])
    @pytest.mark.parametrize(
        "share", [[0.0, 0.6, 0.3], [0.0, 0.6, 0.5], [-0.2, 0.6, 0.6], [0.5, 0.5], [np.nan, 0.6, 0.4]]
    )
    def test_shares_that_are_not_one_together(self, key, share):
        with pytest.raises(GridcommonsError, match=f"{key}: found"):
            allocate(key, EXAMPLE, Terms(static_share=np.array(share)))

    def test_one_interval_whose_shares_are_not_one_together(self):
        hourly = np.tile([0.2, 0.4, 0.4], (4, 1))
        hourly[2, 1] = 0.5
        with pytest.raises(GridcommonsError, match=r"1\.1 together"):
            allocate("static_capped", EXAMPLE, Terms(static_share=hourly))

    @pytest.mark.parametrize("rank", [[1, 2, 2], [1, 2], [[1, 2, 3]]])
    def test_ranks_that_do_not_say_who_is_first(self, rank):
        with pytest.raises(GridcommonsError, match="3 different numbers"):
            allocate("priority", EXAMPLE, Terms(rank=np.array(rank)))

    @pytest.mark.parametrize("share", [np.full((3, 3), 0.4), np.full((3, 3), -0.1), np.zeros((2, 3))])
    def test_pairs_that_give_more_than_all(self, share):
        with pytest.raises(GridcommonsError, match="pairwise: found"):
            allocate("pairwise", EXAMPLE, Terms(pair_share=share))

    def test_an_unknown_key(self):
        with pytest.raises(GridcommonsError, match="did you mean 'priority'"):
            allocate("priorty", EXAMPLE)

    @pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf])
    @pytest.mark.parametrize("name", ["withdrawal_kwh", "injection_kwh"])
    def test_registers_that_no_meter_shows(self, name, value):
        kwh = np.ones((4, 3))
        kwh[2, 1] = value
        with pytest.raises(GridcommonsError, match=f"{name}.*interval 2 of member 1"):
            replace(EXAMPLE, **{name: kwh})

    @pytest.mark.parametrize("shape", [(4,), (3, 3), (4, 3, 1)])
    def test_registers_of_different_shapes(self, shape):
        with pytest.raises(GridcommonsError, match="for both"):
            replace(EXAMPLE, injection_kwh=np.zeros(shape))

    def test_a_community_of_nobody(self):
        with pytest.raises(GridcommonsError, match="at least one member"):
            Registers(np.zeros((4, 0)), np.zeros((4, 0)))
