"""Graphs of clusters: what is refused, which clusters closed links join, and who can reach a PCC."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_graphs import case_study
from gridcommons.model.clusters import ClusterGraph, Link, Pcc, check_balances, groups
from gridcommons.model.errors import StudyError


def test_all_that_is_wrong_with_a_graph_is_said_at_once():
    with pytest.raises(StudyError) as caught:
        ClusterGraph(
            ("a", "b", "b"),
            (Link("l", "a", "z"), Link("m", "a", "a"), Link("l", "a", "b", -1.0)),
            (Pcc("p", "y"), Pcc("q", "a", float("nan")), Pcc("r", "a", usable=False, can_open=False)),
        )
    said = [str(problem) for problem in caught.value.problems]
    assert [line for line in said if "expected one" in line and "row b" in line]
    assert [line for line in said if "row l" in line and "2 of this name" in line]
    assert [line for line in said if "'z'" in line] and [line for line in said if "'y'" in line]
    assert [line for line in said if "row m" in line and "both ends" in line]
    assert [line for line in said if "found -1" in line] and [line for line in said if "found nan" in line]
    assert [line for line in said if "row r" in line and "can_open" in line]
    assert len(said) == 8


def test_a_link_and_a_pcc_do_not_share_a_name():
    with pytest.raises(StudyError, match="2 of this name"):
        ClusterGraph(("a", "b"), (Link("s", "a", "b"),), (Pcc("s", "a"),))


@given(st.data())
def test_groups_are_what_walking_over_closed_links_reaches(data):
    count = data.draw(st.integers(1, 6))
    names = tuple("abcdef"[:count])
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda pair: pair[0] != pair[1])
    ends = data.draw(st.lists(pairs, max_size=7)) if count > 1 else []
    graph = ClusterGraph(names, tuple(Link(f"l{k}", a, b) for k, (a, b) in enumerate(ends)))
    closed = np.array(
        data.draw(st.lists(st.booleans(), min_size=2 * len(ends), max_size=2 * len(ends))), bool
    )
    labels = groups(graph, closed.reshape(2, -1))
    for row, label in zip(closed.reshape(2, -1), labels, strict=True):
        np.testing.assert_array_equal(groups(graph, row), label)
        for start in range(count):
            seen, queue = {start}, [start]
            for at in queue:
                for link in np.flatnonzero(row):
                    if at in graph.link_ends[link]:
                        queue += [int(end) for end in graph.link_ends[link] if end not in seen]
                        seen |= set(queue)
            assert label[start] == min(seen)


def test_a_way_to_a_pcc_needs_links_and_a_pcc_that_carry():
    links = (Link("12", "1", "2"), Link("23", "2", "3", 0.0), Link("24", "2", "4", usable=False))
    graph = ClusterGraph(
        tuple("12345"), links, (Pcc("P1", "1"), Pcc("P3", "3", 0.0), Pcc("P5", "5", usable=False))
    )
    assert graph.reaches_pcc.tolist() == [True, True, False, False, False]
    assert case_study().reaches_pcc.all()


@pytest.mark.parametrize("balance_kw", [np.zeros(4), np.zeros((5, 2)), np.array([0, 0, np.nan, 0, np.inf])])
def test_balances_are_one_finite_number_a_cluster(balance_kw):
    with pytest.raises(StudyError, match="balances"):
        check_balances(case_study(), balance_kw)
