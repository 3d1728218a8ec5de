"""Power between clusters in one topology: conservation, capacities, and the linear program's answer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cluster_graphs import by_program, rounds
from gridcommons.model.clusters import ClusterGraph, Link, Pcc
from gridcommons.switching.transport import carry


@st.composite
def positions(draw):
    """A round with any positions of its switches."""
    graph, balance_kw = draw(rounds())
    count = len(graph.switches)
    closed = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=bool)
    return graph, balance_kw, closed[: len(graph.links)], closed[len(graph.links) :]


@given(positions())
def test_every_cluster_conserves_power_inside_all_capacities(case):
    graph, balance_kw, link_closed, pcc_closed = case
    done = carry(*case)
    left_kw = balance_kw + done.unserved_kw - done.curtailed_kw
    for link, (a, b) in enumerate(graph.link_ends):
        left_kw[a] -= done.transfers_kw[link]
        left_kw[b] += done.transfers_kw[link]
    np.subtract.at(left_kw, graph.pcc_cluster, done.pcc_exchange_kw)
    np.testing.assert_allclose(left_kw, 0.0, atol=1e-9)
    assert (np.abs(done.transfers_kw) <= np.where(link_closed, graph.link_capacity_kw, 0.0)).all()
    assert (np.abs(done.pcc_exchange_kw) <= np.where(pcc_closed, graph.pcc_capacity_kw, 0.0)).all()
    assert (done.unserved_kw <= np.maximum(-balance_kw, 0.0)).all()
    assert (done.curtailed_kw <= np.maximum(balance_kw, 0.0)).all()
    total = done.pcc_exchange_kw.sum() + done.curtailed_kw.sum() - done.unserved_kw.sum()
    np.testing.assert_allclose(balance_kw.sum(), total, atol=1e-9)


@given(positions())
def test_it_serves_most_and_then_feeds_in_least(case):
    done = carry(*case)
    found = [done.injection_kw, done.absorbed_kw, done.unserved_kw.sum(), done.curtailed_kw.sum()]
    np.testing.assert_allclose(found, by_program(*case), atol=1e-6)


@given(positions())
def test_what_is_islanded_saturated_and_parallel_is_said(case):
    graph, _, link_closed, pcc_closed = case
    done = carry(*case)
    reach = np.eye(len(graph.clusters), dtype=int)
    reach[tuple(graph.link_ends[link_closed].T)] = 1
    reach = np.linalg.matrix_power(reach + reach.T, len(graph.clusters)) > 0
    fed = reach[:, graph.pcc_cluster[pcc_closed]]
    assert done.islanded == tuple(np.array(graph.clusters)[~fed.any(axis=1)])
    joined = {
        frozenset(graph.pccs[p].name for p in np.flatnonzero(pcc_closed) if reach[c, graph.pcc_cluster[p]])
        for c in range(len(graph.clusters))
    }
    assert {frozenset(names) for names in done.parallel_pccs} == {names for names in joined if len(names) > 1}
    assert done.parallel == any(len(names) > 1 for names in joined)
    assert done.loops == link_closed.sum() - (len(graph.clusters) - len(np.unique(reach, axis=0)))
    full = [
        link.name
        for link, transfer, closed in zip(graph.links, done.transfers_kw, link_closed, strict=True)
        if closed and abs(transfer) >= link.capacity_kw - 1e-9
    ]
    assert done.saturated == tuple(full)


def test_power_is_rerouted_so_that_a_later_need_finds_its_way():
    # Served first over the nearest link, 1 would keep 3's only partner from it.
    links = (Link("12", "1", "2"), Link("14", "1", "4"), Link("32", "3", "2"))
    graph = ClusterGraph(tuple("1234"), links)
    done = carry(graph, np.array([5.0, -5.0, 5.0, -5.0]), np.ones(3, bool), np.zeros(0, bool))
    assert done.shortfall_kw == 0.0
    assert done.transfers_kw.tolist() == [0.0, 5.0, 5.0]


def test_two_pccs_of_one_cluster_share_by_capacity():
    graph = ClusterGraph(("a",), (), (Pcc("p", "a", 10.0), Pcc("q", "a", 10.0)))
    done = carry(graph, np.array([-25.0]), np.zeros(0, bool), np.ones(2, bool))
    assert done.pcc_exchange_kw.tolist() == [-10.0, -10.0]
    assert done.unserved_kw.tolist() == [5.0] and done.absorbed_kw == 20.0 and done.injection_kw == 0.0
