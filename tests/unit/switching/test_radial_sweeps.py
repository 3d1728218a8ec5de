"""The compiled sweeps agree with the load flow, and their estimate with what an exchange then costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses
from gridcommons.known_answers import voltage_band
from gridcommons.model.grid import FixedInjections, Grid, Shunts, Sources
from gridcommons.model.switches import Switch
from gridcommons.powerflow.solution import rated_currents_pu
from gridcommons.switching.feeder import make_feeder
from gridcommons.switching.least_losses import solve_topology
from gridcommons.switching.radial_sweeps import (
    ISLAND,
    LOOP,
    SPANNING,
    Flow,
    evaluate_exchanges,
    evaluate_forests,
    exchange_estimates,
    forest_flow,
    loop_of,
    make_forest,
    order_forest,
    reaches_all,
)


def random_grid(generator, *, count=12, sources=1, ties=4, plain=False):
    """A random forest of two-ports with ties: charging, ratios, shifts and shunts unless plain."""
    ends = [(int(generator.integers(0, k)), k) for k in range(sources, count)]
    # Branches point either way, so that a parent is at the to end as often as at the from end.
    ends = [(b, a) if generator.random() < 0.5 else (a, b) for a, b in ends]
    while len(ends) < count - sources + ties:
        a, b = (int(n) for n in generator.choice(count, 2, replace=False))
        ends.append((a, b))
    edges = len(ends)
    z = generator.uniform(0.02, 0.08, edges) + 1j * generator.uniform(0.01, 0.08, edges)
    tie = np.arange(edges) >= count - sources
    columns = {"from_closed": ~tie, "to_closed": ~tie}
    if not plain:
        some = generator.random(edges) < 0.5
        columns |= {
            "ratio": np.where(some, generator.uniform(0.95, 1.05, edges), 1.0),
            "shift_degree": np.where(some & ~tie, 150.0, 0.0),
            **{k: generator.uniform(0.0, 0.02, edges) for k in ("b_from_pu", "b_to_pu")},
            **{k: generator.uniform(0.0, 0.005, edges) for k in ("g_from_pu", "g_to_pu")},
        }
    shunts = Shunts(
        np.array([count - 1]), np.array([0.0 if plain else 3.0]), np.array([0.0 if plain else -20.0])
    )
    held = generator.uniform(1.0, 1.04, sources)
    # Angles of sources differ: in a forest this changes no loss.
    at = Sources(tuple(f"s{k}" for k in range(sources)), np.arange(sources), held, np.arange(sources) * 10.0)
    extra = FixedInjections(("fixed",), np.array([count - 2]), np.array([7.0]), np.array([3.0]))
    return Grid(buses(count), branches(ends, z, **columns), at, shunts=shunts, fixed=extra)


def every_branch(grid):
    return tuple(
        Switch(name, (k,), bool(grid.branches.in_service[k])) for k, name in enumerate(grid.branches.name)
    )


def random_feeder(seed, *, steps=1, limits=None, feed_in=True, **how):
    generator = np.random.default_rng(seed)
    grid = random_grid(generator, **how)
    shape = (steps, len(grid.buses))
    low = -20.0 if feed_in else 0.0
    p_kw, q_kvar = generator.uniform(low, 50.0, shape), generator.uniform(low / 2.0, 30.0, shape)
    return make_feeder(grid, every_branch(grid), p_kw, q_kvar, 0.25, limits)


def swept(feeder, closed):
    steps, nodes = feeder.case.scenarios.s.shape
    forest = make_forest(nodes)
    flow = Flow(np.empty((steps, nodes), complex), np.empty((steps, nodes), complex))
    losses_kwh, excess = forest_flow(feeder.case, closed, forest, flow)
    return losses_kwh, excess, forest, flow


@pytest.mark.parametrize("sources", [1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_losses_voltages_and_currents_are_those_of_the_load_flow(seed, sources):
    feeder = random_feeder(seed, steps=3, sources=sources, count=14)
    losses_kwh, _, forest, flow = swept(feeder, feeder.start)
    solution = solve_topology(feeder, feeder.positions(feeder.start))
    assert losses_kwh == pytest.approx(solution.losses_kw().sum() * 0.25, rel=1e-7)
    assert np.abs(flow.v[:, feeder.node]) == pytest.approx(solution.vm_pu(), abs=1e-8)
    i_from, i_to = solution.currents_pu()
    graph = feeder.case.graph
    for node in range(len(graph.shunt)):
        edge = forest.up[node]
        if edge >= 0:
            far = i_to if graph.to_node[edge] == node else i_from
            assert np.abs(flow.j[:, node]) == pytest.approx(np.abs(far[:, feeder.branch[edge]]), abs=1e-7)


def test_a_branch_that_hangs_on_one_end_charges_its_bus():
    grid = random_grid(np.random.default_rng(5))
    for end in ("from_closed", "to_closed"):
        closed = getattr(grid.branches, end).copy()
        closed[-2:] = True
        hanging = replace(grid, branches=replace(grid.branches, **{end: closed}))
        switches = every_branch(hanging)[:-2]
        p_kw = np.full((1, len(grid.buses)), 20.0)
        feeder = make_feeder(hanging, switches, p_kw, p_kw)
        assert len(feeder.branch) == len(grid.branches) - 2
        losses_kwh = swept(feeder, feeder.start)[0]
        solution = solve_topology(feeder, feeder.positions(feeder.start))
        assert losses_kwh == pytest.approx(solution.losses_kw()[0], rel=1e-7)


def test_what_is_no_forest_is_told():
    feeder = random_feeder(0, sources=2)
    graph, forest = feeder.case.graph, make_forest(12)
    start = feeder.start
    assert order_forest(graph, start, forest) == SPANNING
    assert order_forest(graph, np.ones_like(start), forest) == LOOP
    fewer = start.copy()
    fewer[np.flatnonzero(start)[3]] = False
    assert order_forest(graph, fewer, forest) == ISLAND
    assert not reaches_all(graph, fewer)
    assert reaches_all(graph, start) and reaches_all(graph, np.ones_like(start))
    assert swept(feeder, fewer)[:2] == (np.inf, np.inf)


def test_a_path_between_two_sources_is_a_loop():
    grid = Grid(
        buses(3),
        branches([(0, 1), (1, 2)], 0.1 + 0.1j),
        Sources(("a", "b"), np.array([0, 2]), np.ones(2), np.zeros(2)),
    )
    feeder = make_feeder(grid, every_branch(grid), np.zeros((1, 3)), np.zeros((1, 3)))
    forest = make_forest(3)
    assert order_forest(feeder.case.graph, np.array([True, True]), forest) == LOOP
    assert order_forest(feeder.case.graph, np.array([True, False]), forest) == SPANNING


@pytest.mark.parametrize("sources", [1, 3])
def test_exchanges_are_evaluated_as_forests_are(sources):
    feeder = random_feeder(2, steps=2, sources=sources)
    _, _, forest, flow = swept(feeder, feeder.start)
    ties, count = np.flatnonzero(~feeder.start), 12 * 4
    pairs, promised = np.empty((count, 2), np.int64), np.empty(count)
    total = exchange_estimates(feeder.case, forest, flow, (ties, feeder.may_move), (pairs, promised))
    assert total >= 4
    found, alone = np.empty((total, 2)), np.empty((total, 2))
    evaluate_exchanges(feeder.case, feeder.start, pairs[:total], flow, found)
    after = np.repeat(feeder.start[None, :], total, axis=0)
    after[np.arange(total), pairs[:total, 0]] = True
    after[np.arange(total), pairs[:total, 1]] = False
    evaluate_forests(feeder.case, after, alone)
    assert np.isfinite(found).all()
    assert found == pytest.approx(alone, rel=1e-8)
    # Where a forest is left after every exchange, the loop is the right one.
    assert all(order_forest(feeder.case.graph, row, forest) == SPANNING for row in after)


@pytest.mark.parametrize("sources", [1, 2])
def test_all_edges_of_a_loop_are_offered_and_no_other(sources):
    feeder = random_feeder(4, sources=sources)
    graph, forest = feeder.case.graph, make_forest(12)
    order_forest(graph, feeder.start, forest)
    for tie in np.flatnonzero(~feeder.start):
        nodes = np.empty(12, np.int64)
        count, _ = loop_of(graph, forest, int(tie), nodes)
        loop = {int(forest.up[n]) for n in nodes[:count]}
        trees = set()
        for edge in np.flatnonzero(feeder.start):
            after = feeder.start.copy()
            after[tie], after[edge] = True, False
            if order_forest(graph, after, make_forest(12)) == SPANNING:
                trees.add(int(edge))
        assert loop == trees


def test_an_estimate_is_the_change_of_losses_where_loads_are_light():
    feeder = random_feeder(6, plain=True, sources=2, feed_in=True)
    case = feeder.case
    light = case._replace(
        scenarios=case.scenarios._replace(s=case.scenarios.s * 1e-4),
        graph=case.graph._replace(v_root=np.ones(2, complex)),
    )
    feeder = replace(feeder, case=light)
    losses_kwh, _, forest, flow = swept(feeder, feeder.start)
    pairs, promised = np.empty((48, 2), np.int64), np.empty(48)
    ties = np.flatnonzero(~feeder.start)
    total = exchange_estimates(light, forest, flow, (ties, feeder.may_move), (pairs, promised))
    found = np.empty((total, 2))
    evaluate_exchanges(light, feeder.start, pairs[:total], flow, found)
    assert promised[:total] == pytest.approx(found[:, 0] - losses_kwh, abs=2e-3 * losses_kwh)
    assert (promised[:total] > 0).any() and np.ptp(promised[:total]) > 0.1 * losses_kwh


def test_edges_that_stay_are_not_offered():
    feeder = random_feeder(2)
    case, start = feeder.case, feeder.start
    _, _, forest, flow = swept(feeder, start)
    may = feeder.may_move.copy()
    may[np.flatnonzero(start)[::2]] = False
    pairs, promised = np.empty((48, 2), np.int64), np.empty(48)
    total = exchange_estimates(case, forest, flow, (np.flatnonzero(~start), may), (pairs, promised))
    assert total and may[pairs[:total, 1]].all()


def test_what_lies_outside_limits_is_counted():
    free = random_feeder(3, steps=2)
    solution = solve_topology(free, free.positions(free.start))
    grid = replace(
        free.grid,
        branches=replace(
            free.grid.branches,
            i_max_from_ka=np.full(len(free.branch), 0.08),
            i_max_to_ka=np.full(len(free.branch), 0.11),
        ),
    )
    limits = replace(
        voltage_band(grid, 0.97, 1.01),
        # Limits of each step: the second is wider for currents, narrower for voltages.
        vm_min_pu=np.repeat([[0.97], [1.0]], 12, axis=1),
        loading_max_percent=np.repeat([[90.0], [180.0]], len(free.branch), axis=1),
    )
    switches = tuple(replace(s, capacity_kw=40.0) for s in free.switches)
    feeder = make_feeder(grid, switches, free.p_kw, free.q_kvar, 0.25, limits)
    _, excess, _, _ = swept(feeder, feeder.start)
    vm, (i_from, i_to) = solution.vm_pu(), solution.currents_pu()
    solution = solve_topology(feeder, feeder.positions(feeder.start))
    share = np.array([[0.9], [1.8]])
    rated_from, rated_to = (share * part for part in rated_currents_pu(solution.network))
    on = feeder.start
    expected = np.maximum(vm - 1.01, 0.0).sum() + np.maximum([[0.97], [1.0]] - vm, 0.0).sum()
    for current, rated in ((i_from, rated_from), (i_to, rated_to)):
        expected += np.maximum(np.abs(current[:, on]) / rated[:, on] - 1.0, 0.0).sum()
    v, at = solution.v_nodes(), solution.network.node_of_bus
    p = [
        np.abs((v[:, at[bus]] * np.conj(i)).real)[:, on]
        for bus, i in ((grid.branches.from_bus, i_from), (grid.branches.to_bus, i_to))
    ]
    expected += np.maximum(np.maximum(*p) / 0.04 - 1.0, 0.0).sum()
    assert expected > 1.0
    assert excess == pytest.approx(expected, rel=1e-6)


def test_a_load_beyond_collapse_has_no_answer():
    feeder = random_feeder(1)
    heavy = feeder.case._replace(scenarios=feeder.case.scenarios._replace(s=feeder.case.scenarios.s * 500.0))
    assert swept(replace(feeder, case=heavy), feeder.start)[:2] == (np.inf, np.inf)
