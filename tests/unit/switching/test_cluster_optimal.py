"""The best topology over all: against brute force, against the heuristic, and the laws of exchange."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_graphs import balances, case_study, graphs, relabelled, rounds
from gridcommons.model.clusters import ClusterGraph, Link, Pcc, groups
from gridcommons.model.errors import GridcommonsError, InfeasibleError, StudyError
from gridcommons.switching.cluster_optimal import Aim, enumerate_states, gap, optimal, values_of
from gridcommons.switching.heuristic import join_clusters
from gridcommons.switching.transport import carry

OBJECTIVES = st.sampled_from(["injection", "exchange"])


def all_open(graph):
    return np.zeros(len(graph.switches), dtype=bool)


def best_of(graph, balance_kw, current=None, **aim):
    return optimal(graph, balance_kw[None], all_open(graph) if current is None else current, Aim(**aim))


@st.composite
def days(draw, **how):
    graph = draw(graphs(**how))
    return graph, draw(balances(graph, 3))


def is_radial(graph, link_closed, pcc_closed):
    label = groups(graph, link_closed)
    trees = len(set(label.tolist()))
    pccs = [label[graph.pcc_cluster[pcc]] for pcc in np.flatnonzero(pcc_closed)]
    return link_closed.sum() == len(label) - trees and len(set(pccs)) == len(pccs)


@settings(max_examples=40)
@given(rounds(clusters_max=4, pccs_max=3), st.booleans(), OBJECTIVES)
def test_no_allowed_topology_is_better(case, parallel_allowed, objective):
    graph, balance_kw = case
    links, carries = len(graph.links), np.array([switch.carries for switch in graph.switches], dtype=bool)
    found = []
    for bits in np.ndindex((2,) * len(graph.switches)):
        closed = np.array(bits, dtype=bool)
        done = carry(graph, balance_kw, closed[:links], closed[links:])
        reaches = {name for name, reach in zip(graph.clusters, graph.reaches_pcc, strict=True) if reach}
        if (closed & ~carries).any() or reaches & set(done.islanded):
            continue
        if not parallel_allowed and not is_radial(graph, closed[:links], closed[links:]):
            continue
        worth = done.injection_kw if objective == "injection" else done.exchange_kw
        found.append((round(done.shortfall_kw, 6), round(worth, 6), int(closed.sum())))
    best = best_of(graph, balance_kw, objective=objective, parallel_allowed=parallel_allowed)
    worth = best.injection_kw[0] if objective == "injection" else best.exchange_kw[0]
    assert (round(best.shortfall_kw[0], 6), round(worth, 6), int(best.operations[0])) == min(found)
    assert best.states == len(found)


@given(days(), st.booleans(), OBJECTIVES)
def test_the_heuristic_is_never_better(case, parallel_allowed, objective):
    graph, balance_kw = case
    aim = Aim(objective=objective, parallel_allowed=parallel_allowed)
    best = optimal(graph, balance_kw, all_open(graph), aim)
    plans = [join_clusters(graph, one, parallel_allowed=parallel_allowed) for one in balance_kw]
    for step, plan in enumerate(plans):
        worth = plan.injection_kw, plan.exchange_kw
        least = best.injection_kw[step], best.exchange_kw[step]
        at = objective == "exchange"
        assert best.shortfall_kw[step] <= plan.shortfall_kw + 1e-6
        assert best.shortfall_kw[step] < plan.shortfall_kw - 1e-6 or least[at] <= worth[at] + 1e-6
    found = gap(plans, best, aim)
    assert found.shortfall_kwh >= -1e-6 and (found.shortfall_kwh > 1e-6 or found.gap_kwh >= -1e-6)


@given(days(), st.booleans())
def test_the_closed_form_is_what_moving_power_gives(case, parallel_allowed):
    graph, balance_kw = case
    states = enumerate_states(graph, parallel_allowed=parallel_allowed)
    values = values_of(graph, states, balance_kw)
    for state in range(0, len(states), max(1, len(states) // 20)):
        for step, one in enumerate(balance_kw):
            done = carry(graph, one, states.link_closed[state], states.pcc_closed[state])
            unserved, curtailed = done.unserved_kw.sum(), done.curtailed_kw.sum()
            expected = [done.injection_kw, done.absorbed_kw, unserved, curtailed]
            np.testing.assert_allclose(values[:, state, step], expected, atol=1e-6)


@given(days(), st.booleans())
def test_energy_is_conserved_and_no_more_is_fed_in_than_the_sum_needs(case, parallel_allowed):
    graph, balance_kw = case
    best = optimal(graph, balance_kw, all_open(graph), Aim(parallel_allowed=parallel_allowed))
    net_kw = best.injection_kw - best.absorbed_kw + best.curtailed_kw - best.unserved_kw
    np.testing.assert_allclose(net_kw, balance_kw.sum(axis=1), atol=1e-9)
    served = best.shortfall_kw < 1e-9
    assert (best.injection_kw[served] >= np.maximum(balance_kw.sum(axis=1), 0.0)[served] - 1e-9).all()


@given(days(ample=True, all_usable=True), st.booleans())
def test_with_ample_links_and_one_pcc_the_sum_is_exchanged_by_both(case, parallel_allowed):
    graph, balance_kw = case
    chain = [
        Link(f"c{k}", *pair) for k, pair in enumerate(zip(graph.clusters, graph.clusters[1:], strict=False))
    ]
    graph = replace(graph, links=(*graph.links, *chain)[-8:], pccs=(Pcc("p", graph.clusters[-1]),))
    best = optimal(graph, balance_kw, all_open(graph), Aim(parallel_allowed=parallel_allowed))
    expected = np.maximum(balance_kw.sum(axis=1), 0.0)
    np.testing.assert_allclose(best.injection_kw, expected, atol=1e-9)
    plans = [join_clusters(graph, one, parallel_allowed=parallel_allowed) for one in balance_kw]
    np.testing.assert_allclose([plan.injection_kw for plan in plans], expected, atol=1e-9)


@given(rounds(all_usable=True), st.booleans(), st.integers(0, 6))
def test_a_wider_link_never_makes_it_worse(case, parallel_allowed, which):
    graph, balance_kw = case
    if not graph.links:
        return
    chosen = which % len(graph.links)
    wider = tuple(
        replace(link, capacity_kw=link.capacity_kw + 7.0) if k == chosen else link
        for k, link in enumerate(graph.links)
    )
    before = best_of(graph, balance_kw, parallel_allowed=parallel_allowed)
    after = best_of(replace(graph, links=wider), balance_kw, parallel_allowed=parallel_allowed)
    if graph.links[chosen].capacity_kw > 0.0:
        assert after.shortfall_kw[0] <= before.shortfall_kw[0] + 1e-9
        if after.shortfall_kw[0] > before.shortfall_kw[0] - 1e-9:
            assert after.injection_kw[0] <= before.injection_kw[0] + 1e-9


@given(rounds(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_clusters_does_not_matter(case, parallel_allowed, random):
    graph, balance_kw = case
    order = list(range(len(graph.clusters)))
    random.shuffle(order)
    one = best_of(graph, balance_kw, parallel_allowed=parallel_allowed)
    other = best_of(relabelled(graph, order), balance_kw[order], parallel_allowed=parallel_allowed)
    np.testing.assert_array_equal(one.link_closed, other.link_closed)
    np.testing.assert_array_equal(one.pcc_closed, other.pcc_closed)


def test_it_finds_what_the_heuristic_misses():
    # Between 1 and 2 lies 3, which has nothing to give and lacks nothing: no pair of the heuristic's.
    links = (Link("13", "1", "3"), Link("32", "3", "2"))
    graph = ClusterGraph(tuple("123"), links, tuple(Pcc(f"P{k}", k) for k in "123"))
    balance_kw = np.array([50.0, -50.0, 0.0])
    best, plan = best_of(graph, balance_kw), join_clusters(graph, balance_kw)
    assert (best.injection_kw[0], plan.injection_kw) == (0.0, 50.0)
    assert best.link_closed.tolist() == [[True, True]] and best.pcc_closed.sum() == 1


def test_among_equals_it_moves_least_and_then_goes_by_name():
    graph = ClusterGraph(("1",), (), (Pcc("b", "1"), Pcc("a", "1")))
    balance_kw = np.array([-10.0])
    assert best_of(graph, balance_kw).pcc_closed.tolist() == [[True, False]]
    stays = best_of(graph, balance_kw, np.array([False, True]))
    assert stays.pcc_closed.tolist() == [[False, True]] and stays.operations.tolist() == [0]


def test_steps_follow_each_other_unless_each_stands_alone():
    graph = ClusterGraph(("1", "2"), (Link("1-2", "1", "2"),), (Pcc("P1", "1"), Pcc("P2", "2")))
    balance_kw = np.array([[10.0, -50.0], [10.0, 10.0], [10.0, -50.0]])
    current = np.array([False, True, True])
    follows = optimal(graph, balance_kw, current)
    assert follows.operations.tolist() == [2, 0, 0]
    alone = optimal(graph, balance_kw, current, Aim(is_sequence=False))
    assert alone.operations.tolist() == [2, 0, 2]


def test_operations_are_weighed_against_energy_at_its_price():
    links = (Link("1-2", "1", "2", operation_cost_amount=1.0),)
    pccs = (Pcc("P1", "1", operation_cost_amount=2.0), Pcc("P2", "2", operation_cost_amount=2.0))
    graph = ClusterGraph(("1", "2"), links, pccs)
    balance_kw, current = np.array([[10.0, -50.0]]), np.array([False, True, True])
    # Joining saves 10 kW of feed-in and costs a link and a PCC: 3 in all.
    for price, moves in ((0.59, 0), (0.61, 2)):
        best = optimal(graph, balance_kw, current, Aim(price_per_kwh=price, step_hours=0.5))
        assert best.operations.tolist() == [moves]
        assert best.operation_cost_amount[0] == (3.0 if moves else 0.0)
        assert best.objective_amount[0] == pytest.approx(3.0 if moves else 10.0 * 0.5 * price)
    # Of the exchange it saves 20 kW.
    aim = Aim(objective="exchange", price_per_kwh=0.31, step_hours=0.5)
    assert optimal(graph, balance_kw, current, aim).objective_amount[0] == pytest.approx(40.0 * 0.155 + 3.0)


def test_serving_comes_before_any_price():
    graph = ClusterGraph(("1",), (), (Pcc("P1", "1", operation_cost_amount=1e6),))
    best = optimal(graph, np.array([[-1.0]]), np.array([False]), Aim(price_per_kwh=0.0))
    assert best.pcc_closed.tolist() == [[True]] and best.shortfall_kw.tolist() == [0.0]


def test_long_days_are_valued_in_parts_and_chained_over_them(monkeypatch):
    graph = case_study()
    balance_kw = np.random.default_rng(3).integers(-50, 50, (40, 5)).astype(float)
    whole = optimal(graph, balance_kw, all_open(graph))
    monkeypatch.setattr("gridcommons.switching.cluster_optimal.CHUNK", 7 * whole.states)
    parts = optimal(graph, balance_kw, all_open(graph))
    np.testing.assert_array_equal(whole.link_closed, parts.link_closed)
    np.testing.assert_array_equal(whole.operations, parts.operations)


def test_what_cannot_be_opened_stays_closed_and_what_cannot_be_closed_open():
    links = (Link("12", "1", "2", can_open=False), Link("23", "2", "3", usable=False))
    graph = ClusterGraph(tuple("123"), links, (Pcc("P1", "1"), Pcc("P2", "2"), Pcc("P3", "3", 0.0)))
    best = best_of(graph, np.array([5.0, -9.0, 3.0]))
    assert best.link_closed.tolist() == [[True, False]] and best.pcc_closed.sum() == 1
    assert best.curtailed_kw.tolist() == [3.0] and best.absorbed_kw.tolist() == [4.0]


def test_no_radial_topology_is_an_error_that_names_the_switches():
    pccs = (Pcc("P1", "1", can_open=False), Pcc("P2", "2", can_open=False))
    graph = ClusterGraph(("1", "2"), (Link("1-2", "1", "2", can_open=False),), pccs)
    with pytest.raises(InfeasibleError, match="1-2, P1, P2"):
        best_of(graph, np.zeros(2))
    assert best_of(graph, np.zeros(2), parallel_allowed=True).states == 1


def test_too_many_topologies_are_refused_with_the_reason():
    pccs = tuple(Pcc(f"P{k}", "1") for k in range(17))
    with pytest.raises(GridcommonsError, match="17 switches that move"):
        best_of(ClusterGraph(("1",), (), pccs), np.zeros(1))


@pytest.mark.parametrize(
    ("balance_kw", "current", "aim"),
    [
        (np.zeros(5), np.zeros(9, bool), Aim()),
        (np.zeros((0, 5)), np.zeros(9, bool), Aim()),
        (np.zeros((2, 5)), np.zeros(8, bool), Aim()),
        (np.zeros((2, 5)), np.zeros(9, bool), Aim(price_per_kwh=-0.1)),
    ],
)
def test_wrong_shapes_and_prices_are_refused(balance_kw, current, aim):
    with pytest.raises(StudyError):
        optimal(case_study(), balance_kw, current, aim)


def test_the_gap_is_of_energy_and_counts_the_steps_that_are_worse():
    graph = ClusterGraph(("1", "2"), (Link("1-2", "1", "2"),), (Pcc("P1", "1"), Pcc("P2", "2")))
    balance_kw = np.array([[10.0, -50.0], [20.0, -20.0], [30.0, 10.0]])
    best = optimal(graph, balance_kw, all_open(graph))
    none, both = np.zeros(1, bool), np.ones(2, bool)
    plans = [carry(graph, one, none, both) for one in balance_kw]
    found = gap(plans, best, Aim(step_hours=0.5))
    assert (found.plan_kwh, found.best_kwh, found.gap_kwh, found.worse_steps) == (35.0, 20.0, 15.0, 2)
    assert found.gap_share == 0.75 and found.shortfall_kwh == 0.0
    assert gap(plans[:2], optimal(graph, balance_kw[:2], all_open(graph))).gap_share == np.inf
    exchange = gap(plans, best, Aim(objective="exchange"))
    assert (exchange.plan_kwh, exchange.best_kwh) == (140.0, 80.0)
    with pytest.raises(StudyError):
        gap(plans[:2], best)
