"""The search finds what enumeration finds, leaves no forest, holds limits, and is the same for a seed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses
from gridcommons.known_answers import voltage_band
from gridcommons.model.grid import Grid, Sources
from gridcommons.model.switches import Switch
from gridcommons.switching import branch_exchange
from gridcommons.switching.branch_exchange import (
    STEPS,
    ExchangeSearch,
    Topology,
    optimal_flow_pattern,
    representative,
    search_exchanges,
)
from gridcommons.switching.feeder import make_feeder
from gridcommons.switching.radial_sweeps import SPANNING, evaluate_forests, make_forest, order_forest
from gridcommons.switching.spanning_trees import enumerate_topologies, radial_topologies


def meshed(seed, *, count=12, ties=4, sources=1, steps=1, feed_in=False, limits=None):
    """A random meshed feeder; the ties are open at the start."""
    generator = np.random.default_rng(seed)
    ends = [(int(generator.integers(max(0, k - 4), k)), k) for k in range(sources, count)]
    edges = len(ends) + ties
    while len(ends) < edges:
        ends.append(tuple(int(n) for n in generator.choice(count, 2, replace=False)))
    z = generator.uniform(0.05, 0.4, edges) + 1j * generator.uniform(0.02, 0.3, edges)
    on = np.arange(edges) < count - sources
    lines = branches(ends, z, from_closed=on, to_closed=on, i_max_ka=np.full(edges, 2.0))
    at = Sources(
        tuple(map(str, range(sources))), np.arange(sources), np.full(sources, 1.02), np.zeros(sources)
    )
    low = -20.0 if feed_in else 2.0
    p_kw = generator.uniform(low, 30.0, (steps, count))
    switches = tuple(Switch(str(k), (k,), bool(on[k])) for k in range(edges))
    grid = Grid(buses(count), lines, at)
    return make_feeder(grid, switches, p_kw, 0.4 * p_kw, 0.5, limits)


@pytest.mark.parametrize("seed", range(20))
def test_the_search_finds_what_enumeration_finds(seed):
    feeder = meshed(seed, sources=1 + seed % 3, feed_in=seed % 2 == 1, steps=1 + seed % 4)
    best, _ = enumerate_topologies(feeder)
    end = search_exchanges(feeder, np.random.default_rng(seed))
    assert end.best.losses_kwh == pytest.approx(best.losses_kwh, rel=1e-8)
    assert order_forest(feeder.case.graph, end.best.closed, make_forest(12)) == SPANNING
    # The losses that are told are those of the topology that is told.
    found = np.empty((1, 2))
    evaluate_forests(feeder.case, end.best.closed[None, :], found)
    assert found[0, 0] == pytest.approx(end.best.losses_kwh, rel=1e-9)


@pytest.mark.parametrize("sources", [1, 3])
def test_no_kick_and_no_start_leaves_anything_but_a_forest(sources):
    feeder = meshed(1, sources=sources, ties=6)
    moves = feeder.may_move.copy()
    moves[:3] = False
    search, rng = ExchangeSearch(feeder.case, moves), np.random.default_rng(0)
    closed, changed = optimal_flow_pattern(replace(feeder, switch=np.where(moves, feeder.switch, -1))), 0
    assert closed[:3].all()
    for _ in range(100):
        for kick in (search.shuffle, search.regrow):
            after = kick(closed, rng)
            assert order_forest(feeder.case.graph, after, search.forest) == SPANNING
            assert after[:3].all()
            changed += bool((after != closed).any())
            closed = after
    assert changed > 100


def exchanges(search, closed):
    """Every topology that is one exchange away."""
    for tie, edge in itertools.product(np.flatnonzero(~closed), np.flatnonzero(closed)):
        after = closed.copy()
        after[tie], after[edge] = True, False
        if order_forest(search.case.graph, after, search.forest) == SPANNING:
            yield search.topology(after)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 6])
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("chunk", [1, 16])
def test_a_descent_ends_where_no_exchange_is_better(seed, limited, chunk, monkeypatch):
    monkeypatch.setattr(branch_exchange, "CHUNK", chunk)
    feeder = meshed(seed, count=14, ties=6, steps=2)
    case = feeder.case
    if limited:
        # Capacities that losses know nothing of, so that the most promising exchange is not the best.
        p_max = np.random.default_rng(seed).uniform(0.01, 0.1, len(feeder.branch))
        case = case._replace(bounds=case.bounds._replace(p_max=p_max))
    search = ExchangeSearch(case, feeder.may_move)
    end = search.descend(feeder.start)
    assert end.is_better_than(search.topology(feeder.start))
    assert not [other for other in exchanges(search, end.closed) if other.is_better_than(end)]


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_few_exchanges_is_taken(seed):
    feeder = meshed(seed, count=8, ties=2)
    search = ExchangeSearch(feeder.case, feeder.may_move)
    # All exchanges of one loop fit into one chunk.
    search.may_move = feeder.may_move.copy()
    search.may_move[-1] = False
    now = search.topology(feeder.start)
    after = search._better_exchange(now)
    closed_last = [t for t in exchanges(search, feeder.start) if not t.closed[-1]]
    least_kwh = min(t.losses_kwh for t in closed_last)
    if after is None:
        assert least_kwh >= now.losses_kwh * (1.0 - 1e-9)
    else:
        assert search.topology(after).losses_kwh == pytest.approx(least_kwh, rel=1e-9)


def test_the_same_generator_gives_the_same_answer_and_count():
    feeder = meshed(8, count=16, ties=6, steps=12)
    first, again = (search_exchanges(feeder, np.random.default_rng(3), 5) for _ in range(2))
    assert first.best.closed.tolist() == again.best.closed.tolist()
    assert (first.best.losses_kwh, first.evaluated) == (again.best.losses_kwh, again.evaluated)


def test_many_steps_are_searched_by_few_and_answered_on_all():
    feeder = meshed(9, steps=STEPS + 30, feed_in=True)
    best, _ = enumerate_topologies(feeder)
    assert search_exchanges(feeder, np.random.default_rng(0)).best.losses_kwh == pytest.approx(
        best.losses_kwh, rel=1e-8
    )


def test_representative_steps_keep_the_energy_the_ends_and_the_tightest_limit():
    limits = voltage_band(meshed(0).grid, 0.9, 1.1)
    limits = replace(
        limits,
        vm_min_pu=np.repeat(limits.vm_min_pu, 20, axis=0),
        vm_max_pu=np.repeat(limits.vm_max_pu, 20, axis=0),
        loading_max_percent=np.repeat(limits.loading_max_percent, 20, axis=0),
    )
    feeder = meshed(2, steps=20, limits=limits)
    s = feeder.case.scenarios.s
    order = np.argsort(s.real.sum(axis=1))
    limits.vm_min_pu[order[4]], limits.loading_max_percent[order[10]] = 0.93, 60.0
    feeder = meshed(2, steps=20, limits=limits)
    hours = np.random.default_rng(0).uniform(0.2, 0.8, 20)
    few = representative(feeder.case._replace(scenarios=feeder.case.scenarios._replace(hours=hours)), 8)
    assert few.scenarios.s.shape == (8, 12)
    assert few.scenarios.hours.sum() == pytest.approx(hours.sum())
    energy = (s * hours[:, None]).sum(axis=0)
    assert (few.scenarios.s * few.scenarios.hours[:, None]).sum(axis=0) == pytest.approx(energy)
    assert few.scenarios.s[[0, -1]] == pytest.approx(s[order[[0, -1]]])
    assert few.bounds.v_min.max(axis=1).tolist() == [0.9, 0.9, 0.93] + [0.9] * 5
    assert few.bounds.v_max.max() == 1.1
    share = few.bounds.i_max[:, 0, 0] / few.bounds.i_max[0, 0, 0]
    assert share == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.6, 1.0, 1.0, 1.0])


def least_voltages(feeder):
    """Losses, excess and least voltage of every topology."""
    everything = np.concatenate(list(radial_topologies(feeder)))
    found = np.empty((len(everything), 2))
    evaluate_forests(feeder.case, everything, found)
    return everything, found


@pytest.mark.parametrize("seed", [6, 12, 19, 22, 31])
def test_a_topology_inside_limits_is_preferred_to_one_that_loses_less(seed):
    free = meshed(seed)
    search = ExchangeSearch(free.case, free.may_move)
    everything, found = least_voltages(free)
    lowest = []
    for closed in everything:
        search.topology(closed)
        lowest.append(np.abs(search.flow.v).min())
    # A band that some topology holds and that of least losses does not.
    by_loss = np.argsort(found[:, 0])
    lowest = np.array(lowest)
    best_v = lowest[by_loss[0]]
    limit = 0.5 * (best_v + lowest[lowest > best_v + 1e-6].min())
    feeder = meshed(seed, limits=voltage_band(free.grid, limit, 1.1))
    inside = lowest >= limit
    assert 0 < inside.sum() < len(inside)
    end = search_exchanges(feeder, np.random.default_rng(0))
    assert end.best.is_inside
    assert end.best.losses_kwh == pytest.approx(found[inside, 0].min(), rel=1e-8)
    assert end.best.losses_kwh > found[by_loss[0], 0]


def test_where_none_is_inside_the_one_nearest_to_it_is_returned():
    feeder = meshed(4, limits=voltage_band(meshed(4).grid, 1.019, 1.1))
    _, found = least_voltages(feeder)
    end = search_exchanges(feeder, np.random.default_rng(0))
    assert not end.best.is_inside
    assert end.best.excess == pytest.approx(found[:, 1].min(), rel=1e-6)


def test_the_start_is_an_answer_where_nothing_can_be_exchanged():
    feeder = meshed(0, ties=0)
    end = search_exchanges(feeder, np.random.default_rng(0))
    assert end.best.closed.all() and end.evaluated > 0


def test_better_means_inside_first_then_less_excess_then_less_loss():
    closed = np.ones(1, dtype=bool)
    inside, dear = Topology(closed, 2.0, 0.0), Topology(closed, 3.0, 0.0)
    outside, far = Topology(closed, 1.0, 0.1), Topology(closed, 0.5, 0.2)
    unsolved = Topology(closed, np.inf, np.inf)
    ranking = [inside, dear, outside, far, unsolved]
    for (i, a), (j, b) in itertools.product(enumerate(ranking), repeat=2):
        assert a.is_better_than(b) == (i < j)
    assert Topology(closed, 1.0, 1e-12).is_better_than(inside)
    assert not Topology(closed, 2.0 * (1 - 1e-12), 0.0).is_better_than(inside)


def test_the_flow_pattern_opens_the_edge_of_least_current():
    """A ring of four with three loads: the edge opens where power from both sides meets."""
    lines = branches([(0, 1), (1, 2), (2, 3), (3, 0)], [0.1, 0.1, 0.1, 0.2])
    grid = Grid(buses(4), lines, Sources(("s",), np.array([0]), np.ones(1), np.zeros(1)))
    switches = tuple(Switch(str(k), (k,), True) for k in range(4))
    p_kw = np.array([[0.0, 10.0, 10.0, 10.0]])
    # With i from the left, 0.1 i + 0.1 (i - 10) + 0.1 (i - 20) = 0.2 (30 - i): i = 18, the edges carry
    # 18, 8, -2 and 12.
    feeder = make_feeder(grid, switches, p_kw, np.zeros((1, 4)))
    assert optimal_flow_pattern(feeder).tolist() == [True, True, False, True]
    feeder = make_feeder(grid, switches[:2] + switches[3:], p_kw, np.zeros((1, 4)))
    assert optimal_flow_pattern(feeder).tolist() == [True, False, True, True]
