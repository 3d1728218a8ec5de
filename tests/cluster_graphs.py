"""Random graphs of clusters, and what is exchanged in them by linear programming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import linprog

from gridcommons.model.clusters import ClusterGraph, Link, Pcc

SERVE_FIRST = 1000.0
"""What a kW that is left over weighs against one that is fed in."""


def case_study():
    """The five clusters of source 4 and their links; cluster 2 has no PCC."""
    pairs = ("13", "12", "34", "45", "25")
    links = tuple(Link(f"{a}-{b}", a, b) for a, b in pairs)
    return ClusterGraph(tuple("12345"), links, tuple(Pcc(f"P{one}", one) for one in "1345"))


@st.composite
def graphs(draw, *, clusters_max=6, ample=False, pccs_max=4, all_usable=False):
    """Up to six clusters, some of whose links and PCCs are narrow, lost or without capacity."""
    count = draw(st.integers(1, clusters_max))
    names = tuple("abcdef"[:count])
    capacity = st.just(np.inf) if ample else st.sampled_from([0.0, 5.0, 10.0, 30.0, 100.0, np.inf])
    usable = st.just(True) if all_usable else st.sampled_from([True] * 7 + [False])
    pairs = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=7)) if pairs else []
    links = [Link(f"l{k}", a, b, draw(capacity), draw(usable)) for k, (a, b) in enumerate(chosen)]
    at = draw(st.lists(st.sampled_from(names), max_size=pccs_max))
    pccs = [Pcc(f"p{k}", one, draw(capacity), draw(usable)) for k, one in enumerate(at)]
    return ClusterGraph(names, tuple(links), tuple(pccs))


def balances(graph, steps=None):
    """Whole kW for each cluster, so that ties are exact."""
    shape = len(graph.clusters) * (steps or 1)
    values = st.lists(st.integers(-60, 60), min_size=shape, max_size=shape)
    one = values.map(lambda kw: np.array(kw, dtype=float))
    return one if steps is None else one.map(lambda kw: kw.reshape(steps, -1))


@st.composite
def rounds(draw, **how):
    """A graph and one balance a cluster."""
    graph = draw(graphs(**how))
    return graph, draw(balances(graph))


def by_program(graph, balance_kw, link_closed, pcc_closed):
    """Fed in, absorbed, unserved and curtailed of one topology by linear programming [kW]."""
    clusters, links, pccs = len(graph.clusters), len(graph.links), len(graph.pccs)
    columns = links + 2 * pccs + 2 * clusters
    balance = np.zeros((clusters, columns))
    for link, (a, b) in enumerate(graph.link_ends):
        balance[a, link], balance[b, link] = 1.0, -1.0
    for pcc, cluster in enumerate(graph.pcc_cluster):
        balance[cluster, links + pcc], balance[cluster, links + pccs + pcc] = 1.0, -1.0
    left = links + 2 * pccs
    balance[:, left : left + clusters], balance[:, left + clusters :] = -np.eye(clusters), np.eye(clusters)
    most_link = np.where(link_closed, graph.link_capacity_kw, 0.0)
    most_pcc = np.where(pcc_closed, graph.pcc_capacity_kw, 0.0)
    bounds = [(-most, most) for most in most_link] + [(0.0, most) for most in (*most_pcc, *most_pcc)]
    bounds += [(0.0, None)] * (2 * clusters)
    weight = np.zeros(columns)
    weight[links : links + pccs], weight[left:] = 1.0, SERVE_FIRST
    x = linprog(weight, A_eq=balance, b_eq=balance_kw, bounds=bounds).x
    ends = (links, links + pccs, left, left + clusters)
    fed, absorbed, unserved, curtailed = (part.sum() for part in np.split(x, ends)[1:])
    return np.array([fed, absorbed, unserved, curtailed])


def relabelled(graph, order):
    """The same graph with its clusters in another order."""
    return replace(graph, clusters=tuple(graph.clusters[k] for k in order))
