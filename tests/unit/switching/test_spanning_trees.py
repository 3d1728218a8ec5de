"""All radial topologies, once each, and as many as the matrix-tree theorem says."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses, source
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import Grid
from gridcommons.model.switches import Switch
from gridcommons.switching.feeder import make_feeder
from gridcommons.switching.radial_sweeps import SPANNING, evaluate_forests, make_forest, order_forest
from gridcommons.switching.spanning_trees import (
    count_radial_topologies,
    enumerate_topologies,
    radial_topologies,
)


def meshed(seed, *, count=6, edges=9, sources=1, fixed=0):
    """A random meshed feeder, some of whose edges stay closed."""
    generator = np.random.default_rng(seed)
    ends = [(int(generator.integers(0, k)), k) for k in range(1, count)]
    while len(ends) < edges:
        ends.append(tuple(int(n) for n in generator.choice(count, 2, replace=False)))
    z = generator.uniform(0.05, 0.3, edges) + 1j * generator.uniform(0.02, 0.2, edges)
    grid = Grid(buses(count), branches(ends, z), source())
    root = np.arange(sources)
    at = replace(
        grid.sources,
        name=tuple(map(str, root)),
        bus=root,
        vm_pu=np.ones(sources),
        va_degree=np.zeros(sources),
    )
    # The last edges of the random tree stay: they make no loop and join no two of the first buses.
    stays = set(range(count - 1 - fixed, count - 1))
    switches = tuple(Switch(str(k), (k,), True) for k in range(edges) if k not in stays)
    p_kw = generator.uniform(0.0, 40.0, (1, count))
    return make_feeder(replace(grid, sources=at), switches, p_kw, 0.4 * p_kw)


@pytest.mark.parametrize(("sources", "fixed"), [(1, 0), (2, 0), (1, 2), (3, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_every_forest_comes_once_and_none_else(seed, sources, fixed):
    feeder = meshed(seed, edges=11, sources=sources, fixed=fixed)
    forest = make_forest(6)
    expected = set()
    moving = np.flatnonzero(feeder.may_move)
    for choice in itertools.product((True, False), repeat=len(moving)):
        closed = np.ones(len(feeder.branch), dtype=bool)
        closed[moving] = choice
        if order_forest(feeder.case.graph, closed, forest) == SPANNING:
            expected.add(tuple(closed.tolist()))
    # A batch smaller than the number of trees: the search goes on where it stopped.
    found = [tuple(row) for batch in radial_topologies(feeder, batch=3) for row in batch.tolist()]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert count_radial_topologies(feeder) == len(expected) > 3


def test_all_nodes_joined_pairwise_have_n_to_the_n_minus_2_trees():
    ends = list(itertools.combinations(range(7), 2))
    grid = Grid(buses(7), branches(ends, 0.1 + 0.1j), source())
    switches = tuple(Switch(str(k), (k,), True) for k in range(len(ends)))
    feeder = make_feeder(grid, switches, np.ones((1, 7)), np.ones((1, 7)))
    assert count_radial_topologies(feeder) == 7**5
    assert sum(len(batch) for batch in radial_topologies(feeder)) == 7**5


def test_a_radial_grid_without_ties_has_one():
    grid = Grid(buses(3), branches([(0, 1), (1, 2)], 0.1 + 0.1j), source())
    for moving in ((), (0, 1)):
        switches = tuple(Switch(str(k), (k,), True) for k in moving)
        feeder = make_feeder(grid, switches, np.ones((1, 3)), np.ones((1, 3)))
        assert count_radial_topologies(feeder) == 1.0
        assert [batch.tolist() for batch in radial_topologies(feeder)] == [[[True, True]]]


def test_the_best_of_all_is_found_and_too_many_are_refused():
    feeder = meshed(3)
    best, seen = enumerate_topologies(feeder)
    assert seen == count_radial_topologies(feeder)
    everything = np.concatenate(list(radial_topologies(feeder)))
    found = np.empty((seen, 2))
    evaluate_forests(feeder.case, everything, found)
    assert best.losses_kwh == pytest.approx(found[:, 0].min(), rel=1e-9)
    assert enumerate_topologies(feeder, trees_max=seen)[1] == seen
    with pytest.raises(StudyError, match=f"{seen} radial topologies, expected at most {seen - 1}"):
        enumerate_topologies(feeder, trees_max=seen - 1)
