"""The source's heuristic: its worked examples to the digit, its laws, and what happens to bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_graphs import case_study, relabelled, rounds
from gridcommons.model.clusters import ClusterGraph, Link, Pcc, groups
from gridcommons.switching.heuristic import join_clusters


def two(capacity_kw=np.inf, **pcc):
    pccs = (Pcc("P1", "1", **pcc), Pcc("P2", "2", **pcc))
    return ClusterGraph(("1", "2"), (Link("1-2", "1", "2", capacity_kw),), pccs)


def closed_names(graph, plan):
    closed = (*plan.link_closed, *plan.pcc_closed)
    return {switch.name for switch, is_closed in zip(graph.switches, closed, strict=True) if is_closed}


@pytest.mark.parametrize("parallel_allowed", [False, True])
@pytest.mark.parametrize("capacity_kw", [np.inf, 30.0, 10.0])
def test_a_surplus_of_10_serves_a_deficit_of_50(capacity_kw, parallel_allowed):
    # Source 4, Fig. 7 a.
    plan = join_clusters(two(capacity_kw), np.array([10.0, -50.0]), parallel_allowed=parallel_allowed)
    assert plan.link_closed.tolist() == [True] and plan.pcc_closed.tolist() == [False, True]
    assert plan.transfers_kw.tolist() == [10.0]
    assert plan.pcc_exchange_kw.tolist() == [0.0, -40.0]
    assert not plan.parallel and plan.exchanged_more_kw == 0.0 and plan.left_open == ()


def test_a_link_of_30_is_saturated_and_both_keep_their_pcc():
    # Source 4, Fig. 7 b.
    plan = join_clusters(two(30.0), np.array([50.0, -60.0]), parallel_allowed=True)
    assert plan.link_closed.tolist() == [True] and plan.pcc_closed.tolist() == [True, True]
    assert plan.transfers_kw.tolist() == [30.0] and plan.saturated == ("1-2",)
    assert plan.pcc_exchange_kw.tolist() == [20.0, -30.0]
    assert plan.parallel and plan.parallel_pccs == (("P1", "P2"),)


def test_without_parallel_operation_the_saturated_link_stays_open_and_what_that_costs_is_said():
    plan = join_clusters(two(30.0), np.array([50.0, -60.0]))
    assert plan.link_closed.tolist() == [False] and plan.pcc_closed.tolist() == [True, True]
    assert plan.pcc_exchange_kw.tolist() == [50.0, -60.0]
    assert not plan.parallel and plan.left_open == ("1-2",) and plan.exchanged_more_kw == 60.0


def test_a_link_that_stays_open_has_transferred_nothing():
    # 1 still has all its 50 kW after 12 did not fit: 40 for 3, then 10 for 4. With 20 it would serve 4 alone.
    links = (Link("12", "1", "2", 30.0), Link("b3", "1", "3"), Link("a4", "1", "4"))
    graph = ClusterGraph(tuple("1234"), links, tuple(Pcc(f"P{k}", k) for k in "1234"))
    balance_kw = np.array([50.0, -60.0, -40.0, -30.0])
    plan = join_clusters(graph, balance_kw)
    assert closed_names(graph, plan) == {"b3", "a4", "P2", "P3"} and plan.left_open == ("12",)
    plan = join_clusters(graph, balance_kw, parallel_allowed=True)
    assert closed_names(graph, plan) == {"12", "a4", "P2", "P3", "P4"}


def test_a_transfer_runs_from_a_to_b():
    plan = join_clusters(two(), np.array([-50.0, 10.0]))
    assert plan.transfers_kw.tolist() == [-10.0] and plan.pcc_closed.tolist() == [True, False]


def test_the_largest_transfer_goes_first_and_the_name_decides_among_equals():
    links = (Link("z", "1", "2"), Link("y", "1", "3"), Link("x", "1", "4"))
    graph = ClusterGraph(tuple("1234"), links, tuple(Pcc(f"P{k}", k) for k in "1234"))
    plan = join_clusters(graph, np.array([30.0, -10.0, -40.0, -40.0]))
    # 30 kW fit x and y alike; after x nothing is left to give.
    assert closed_names(graph, plan) == {"x", "P2", "P3", "P4"}
    plan = join_clusters(graph, np.array([45.0, -44.0, -40.0, -40.0]))
    assert closed_names(graph, plan) == {"z", "x", "P2", "P3"}


def test_surplus_inside_an_entity_is_counted_only_as_far_as_it_gets_out():
    # 1 gives 2 its 10 kW, all that 1-2 carries; 3 then gives what 2 still lacks, and nothing of 1 passes on.
    links = (Link("12", "1", "2", 10.0), Link("23", "2", "3", 100.0))
    graph = ClusterGraph(tuple("123"), links, (Pcc("P1", "1"), Pcc("P3", "3")))
    plan = join_clusters(graph, np.array([10.0, 40.0, -60.0]), parallel_allowed=True)
    assert plan.transfers_kw.tolist() == [10.0, 50.0]
    plan = join_clusters(graph, np.array([40.0, -10.0, -30.0]), parallel_allowed=True)
    # 23 would fit what 1 has left, but 12 in front of it is full.
    assert plan.transfers_kw.tolist() == [10.0, 0.0]
    assert plan.pcc_exchange_kw.tolist() == [30.0, -30.0] and closed_names(graph, plan) == {"12", "P1", "P3"}


def test_who_has_no_pcc_joins_the_group_with_the_largest_exchange_capacity():
    links = (Link("12", "1", "2", 20.0), Link("13", "1", "3", 90.0), Link("14", "1", "4"))
    pccs = (Pcc("P2", "2"), Pcc("P3", "3", 50.0), Pcc("P4", "4", 40.0))
    graph = ClusterGraph(tuple("1234"), links, pccs)
    plan = join_clusters(graph, np.full(4, -5.0))
    assert closed_names(graph, plan) == {"13", "P2", "P3", "P4"}


def test_a_way_to_a_pcc_may_have_several_links_and_is_as_wide_as_its_narrowest():
    links = (Link("12", "1", "2"), Link("23", "2", "3", 30.0), Link("14", "1", "4", 20.0))
    graph = ClusterGraph(tuple("1234"), links, (Pcc("P3", "3"), Pcc("P4", "4")))
    plan = join_clusters(graph, np.array([-5.0, -5.0, -5.0, -5.0]))
    assert closed_names(graph, plan) == {"12", "23", "P3", "P4"}
    assert plan.islanded == ()


def test_of_ways_that_are_as_wide_the_shortest_is_taken():
    links = (Link("19", "1", "9"), Link("13", "1", "3"), Link("34", "3", "4"))
    graph = ClusterGraph(tuple("1349"), links, (Pcc("P4", "4", 50.0), Pcc("P9", "9", 50.0)))
    plan = join_clusters(graph, np.full(4, -5.0))
    assert {"19", "P9", "P4"} < closed_names(graph, plan)


def test_of_a_clusters_pccs_the_wider_is_closed():
    graph = ClusterGraph(("1",), (), (Pcc("a", "1", 10.0), Pcc("b", "1", 100.0)))
    for parallel_allowed in (False, True):
        plan = join_clusters(graph, np.array([-50.0]), parallel_allowed=parallel_allowed)
        assert closed_names(graph, plan) == {"b"}


def test_a_split_that_leaves_more_unserved_is_not_made():
    links = (Link("12", "1", "2"), Link("23", "2", "3"))
    graph = ClusterGraph(tuple("123"), links, (Pcc("P1", "1", 20.0), Pcc("P3", "3", 20.0)))
    plan = join_clusters(graph, np.array([-50.0, 60.0, -50.0]))
    assert closed_names(graph, plan) == {"12", "23", "P1"} and plan.shortfall_kw == 20.0


def test_who_a_link_joins_for_good_serve_each_other_before_their_pcc_is_chosen():
    links = (Link("12", "1", "2", can_open=False),)
    graph = ClusterGraph(("1", "2"), links, (Pcc("P1", "1", 25.0), Pcc("P2", "2", 25.0)))
    plan = join_clusters(graph, np.array([50.0, -30.0]), parallel_allowed=True)
    assert closed_names(graph, plan) == {"12", "P2"} and plan.pcc_exchange_kw.tolist() == [0.0, 20.0]


def test_what_a_link_carries_already_is_no_way_out():
    # 12 is full with what 1 gives 2; only 13, though narrower, lets the rest out.
    links = (Link("12", "1", "2", 30.0), Link("13", "1", "3", 10.0))
    graph = ClusterGraph(tuple("123"), links, (Pcc("P2", "2"), Pcc("P3", "3")))
    plan = join_clusters(graph, np.array([50.0, -60.0, 5.0]), parallel_allowed=True)
    assert closed_names(graph, plan) == {"12", "13", "P2", "P3"}
    assert plan.transfers_kw.tolist() == [30.0, 10.0] and plan.curtailed_kw.tolist() == [10.0, 0.0, 0.0]


def test_the_cluster_that_draws_most_has_the_pcc_and_the_next_where_it_is_short():
    links = (Link("12", "1", "2"), Link("23", "2", "3"))
    pccs = (Pcc("P1", "1", 25.0), Pcc("P2", "2"), Pcc("P3", "3", 30.0))
    graph = ClusterGraph(tuple("123"), links, pccs)
    balance_kw = np.array([-60.0, 90.0, -50.0])
    plan = join_clusters(graph, balance_kw, parallel_allowed=True)
    assert closed_names(graph, plan) == {"12", "23", "P1"} and plan.pcc_exchange_kw[0] == -20.0
    balance_kw[2] = -80.0
    plan = join_clusters(graph, balance_kw, parallel_allowed=True)
    # 50 kW: 3 draws most, its 30 kW are short, and 1 comes next.
    assert closed_names(graph, plan) == {"12", "23", "P3", "P1"} and plan.parallel_pccs == (("P1", "P3"),)
    plan = join_clusters(graph, balance_kw)
    # One PCC a group: 2 is wide enough on its own, and feeds nothing in.
    assert closed_names(graph, plan) == {"12", "23", "P2"} and plan.exchange_kw == 50.0


def test_a_group_that_no_pcc_can_serve_alone_is_split_where_least_is_left():
    # 4 has no PCC and joins 1 after 1, 2 and 3 are one: 59 kW are too much for either PCC, not for both.
    links = (Link("12", "1", "2"), Link("23", "2", "3"), Link("41", "4", "1"))
    graph = ClusterGraph(tuple("1234"), links, (Pcc("P1", "1", 50.0), Pcc("P3", "3", 10.0)))
    balance_kw = np.array([-30.0, 31.0, -10.0, -50.0])
    parallel = join_clusters(graph, balance_kw, parallel_allowed=True)
    assert closed_names(graph, parallel) == {"12", "23", "41", "P1", "P3"} and parallel.parallel
    plan = join_clusters(graph, balance_kw)
    assert closed_names(graph, plan) == {"12", "41", "P1", "P3"} and plan.left_open == ("23",)
    assert plan.pcc_exchange_kw.tolist() == [-49.0, -10.0] and plan.shortfall_kw == 0.0
    assert plan.loops == 0 and not plan.parallel and plan.exchanged_more_kw == 0.0


def test_a_link_without_capacity_is_never_used_and_said():
    plan = join_clusters(two(0.0), np.array([10.0, -50.0]), parallel_allowed=True)
    assert plan.link_closed.tolist() == [False] and plan.pcc_exchange_kw.tolist() == [10.0, -50.0]
    assert plan.notes == ("1-2 has no capacity and is not used",)


def test_with_all_pccs_lost_surplus_is_curtailed_and_deficit_unserved():
    plan = join_clusters(two(usable=False), np.array([10.0, -50.0]))
    assert plan.islanded == ("1", "2") and plan.pcc_closed.tolist() == [False, False]
    assert plan.unserved_kw.tolist() == [0.0, 40.0] and plan.curtailed_kw.tolist() == [0.0, 0.0]
    assert plan.notes[-1] == "no usable link or PCC leads from 1, 2 to the main grid"
    no_way = ClusterGraph(("1", "2"), two(0.0).links, (Pcc("P1", "1", 0.0), Pcc("P2", "2", 0.0)))
    plan = join_clusters(no_way, np.array([10.0, -50.0]))
    assert plan.unserved_kw.tolist() == [0.0, 50.0] and plan.curtailed_kw.tolist() == [10.0, 0.0]


def test_a_group_that_no_usable_link_connects_is_islanded_alone():
    graph = ClusterGraph(("1", "2"), (Link("1-2", "1", "2", usable=False),), (Pcc("P1", "1"),))
    plan = join_clusters(graph, np.array([10.0, -50.0]))
    assert plan.islanded == ("2",) and plan.unserved_kw.tolist() == [0.0, 50.0]
    assert plan.pcc_exchange_kw.tolist() == [10.0]


def test_a_link_that_cannot_be_opened_joins_from_the_start():
    links = (Link("12", "1", "2", 10.0, can_open=False), Link("23", "2", "3"))
    graph = ClusterGraph(tuple("123"), links, (Pcc("P1", "1"), Pcc("P3", "3", can_open=False)))
    plan = join_clusters(graph, np.array([-50.0, -50.0, -50.0]))
    assert closed_names(graph, plan) == {"12", "P1", "P3"} and plan.unserved_kw.tolist() == [0.0, 40.0, 0.0]
    assert "12 cannot be opened and stays closed" in plan.notes


def test_two_pccs_that_cannot_be_opened_are_split_apart_where_they_can_be():
    pccs = (Pcc("P1", "1", can_open=False), Pcc("P2", "2", can_open=False))
    graph = ClusterGraph(("1", "2"), (Link("1-2", "1", "2"),), pccs)
    plan = join_clusters(graph, np.array([10.0, -50.0]), parallel_allowed=True)
    assert closed_names(graph, plan) == {"1-2", "P1", "P2"} and plan.parallel
    stuck = ClusterGraph(("1", "2"), (Link("1-2", "1", "2", can_open=False),), pccs)
    assert join_clusters(stuck, np.array([10.0, -50.0])).parallel_pccs == (("P1", "P2"),)


@given(rounds(), st.booleans())
def test_whoever_can_reach_a_pcc_does_and_what_cannot_be_used_is_open(case, parallel_allowed):
    graph, balance_kw = case
    plan = join_clusters(graph, balance_kw, parallel_allowed=parallel_allowed)
    assert plan.islanded == tuple(np.array(graph.clusters)[~graph.reaches_pcc])
    assert not (plan.link_closed & ~graph.link_carries).any()
    assert not (plan.pcc_closed & ~graph.pcc_carries).any()
    total = plan.pcc_exchange_kw.sum() + plan.curtailed_kw.sum() - plan.unserved_kw.sum()
    assert abs(balance_kw.sum() - total) < 1e-9
    if not parallel_allowed:
        assert plan.loops == 0 and not plan.parallel


@given(rounds(ample=True, all_usable=True), st.booleans())
def test_with_ample_links_and_a_pcc_each_no_link_is_open_between_surplus_and_deficit(case, parallel_allowed):
    graph, balance_kw = case
    graph = replace(graph, pccs=tuple(Pcc(f"P{name}", name) for name in graph.clusters))
    plan = join_clusters(graph, balance_kw, parallel_allowed=parallel_allowed)
    assert plan.left_open == () and plan.loops == 0 and not plan.parallel and plan.shortfall_kw == 0.0
    label = groups(graph, plan.link_closed)
    total_kw = np.bincount(label, balance_kw, len(balance_kw))
    for a, b in graph.link_ends:
        assert label[a] == label[b] or total_kw[label[a]] * total_kw[label[b]] >= 0.0
    # The group's PCC is that of the cluster that draws most of it.
    for pcc in np.flatnonzero(plan.pcc_closed):
        assert balance_kw[pcc] == balance_kw[label == label[pcc]].min()


@given(rounds(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_clusters_does_not_matter(case, parallel_allowed, random):
    graph, balance_kw = case
    order = list(range(len(graph.clusters)))
    random.shuffle(order)
    one = join_clusters(graph, balance_kw, parallel_allowed=parallel_allowed)
    other = join_clusters(relabelled(graph, order), balance_kw[order], parallel_allowed=parallel_allowed)
    assert one.link_closed.tolist() == other.link_closed.tolist()
    assert one.pcc_closed.tolist() == other.pcc_closed.tolist()


def test_the_case_study_joins_the_cluster_without_a_pcc():
    graph = case_study()
    plan = join_clusters(graph, np.array([-50.0, -40.0, -30.0, -60.0, -20.0]))
    assert closed_names(graph, plan) == {"1-2", "P1", "P3", "P4", "P5"}
