"""Limits as the load flow has them: both scans agree, angles by whole turns, odd branches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses, charger, load, source, study, tree, window
from gridcommons.envelopes.limit_rows import Kind, limit_values
from gridcommons.envelopes.margins import worst_margins
from gridcommons.known_answers import voltage_band
from gridcommons.model.grid import BusSwitches, Grid, Sources
from gridcommons.tasks import run
from unit_envelopes import boxes_of, mixed_study


def every_value(w, solution, step):
    """g of all limits in each scenario, shape (scenarios, limits)."""
    scenario = np.repeat(np.arange(len(step)), len(w.rows))
    limit = np.tile(np.arange(len(w.rows)), len(step))
    at = (scenario, step[scenario], limit)
    return limit_values(w.rows, solution, at, np.zeros(len(limit))).reshape(len(step), -1)


@pytest.mark.parametrize("seed", range(5))
def test_the_compiled_scan_finds_the_worst_of_all_limits(seed):
    of = mixed_study(seed)
    m = len(of.grid.branches)
    of = replace(
        of,
        limits=replace(
            of.limits,
            va_min_degree=np.full((1, len(of.grid.buses)), -1.0),
            va_max_degree=np.full((1, len(of.grid.buses)), 1.0),
            va_diff_min_degree=np.full((1, m), -0.3),
            va_diff_max_degree=np.full((1, m), 0.3),
        ),
    )
    w = window(of)
    assert set(w.rows.kind.tolist()) == {int(kind) for kind in Kind}
    generator = np.random.default_rng(seed)
    step = generator.integers(0, w.steps, 40)
    solution = w.flow(generator.uniform(-25.0, 25.0, (40, len(w.asset))), step)
    assert solution.solved.all()
    worst, where = worst_margins(w.rows, solution, step)
    value = every_value(w, solution, step)
    np.testing.assert_allclose(worst.max(axis=1), value.max(axis=1), atol=1e-12)
    side = worst.argmax(axis=1)
    np.testing.assert_allclose(
        value[np.arange(40), where[np.arange(40), side]], value.max(axis=1), atol=1e-12
    )
    # A voltage too low belongs to the upper ends, one too high to the lower ends.
    for kind, belongs in ((Kind.VM_MIN, 0), (Kind.VM_MAX, 1)):
        own = value[:, w.rows.kind == kind].max(axis=1)
        assert (worst[:, belongs] >= own - 1e-12).all()


@pytest.mark.parametrize("limit", [(55.0, 65.0), (-305.0, -295.0), (415.0, 425.0)])
def test_an_angle_band_means_the_same_whatever_its_whole_turns(limit):
    """Two transformers of 150 degrees: the far bus stands at −300, which is 60."""
    grid = Grid(buses(3), branches([(0, 1), (1, 2)], 0.01 + 0.05j, shift_degree=np.full(2, 150.0)), source())
    low, high = np.full((1, 3), -np.inf), np.full((1, 3), np.inf)
    low[0, 2], high[0, 2] = limit
    limits = replace(voltage_band(grid, 0.5, 1.5), va_min_degree=low, va_max_degree=high)
    of = study(grid, [charger("C", "b2", 22.0)], limits=limits)
    _, rest, boxes = boxes_of(of)
    assert rest.max_resolved[0] and boxes.up_kw[0, 0] == pytest.approx(22.0)
    difference = replace(
        voltage_band(grid, 0.5, 1.5),
        va_diff_min_degree=np.array([[-np.inf, -215.0]]),
        va_diff_max_degree=np.array([[np.inf, -205.0]]),
    )
    _, rest, boxes = boxes_of(replace(of, limits=difference))
    assert rest.max_resolved[0] and boxes.up_kw[0, 0] == pytest.approx(22.0)


def test_a_branch_with_both_ends_on_one_node_has_the_current_of_the_load_flow():
    """A transformer bridged by a closed switch: what circulates in it counts once."""
    lines = branches(
        [(0, 1), (1, 2)],
        0.1 + 0.05j,
        i_max_ka=[0.2, 0.2],
        ratio=np.array([1.0, 1.05]),
        b_to_pu=np.full(2, 0.02),
    )
    switch = BusSwitches(("bridge",), np.array([1]), np.array([2]), np.array([True]))
    grid = Grid(buses(3), lines, source(), switch)
    w = window(study(grid, [charger("C", "b2")], limits=voltage_band(grid, 0.5, 1.5)))
    solution = w.flow(np.array([[10.0]]), np.array([0]))
    loading = np.flatnonzero(w.rows.kind == Kind.LOADING)
    value = every_value(w, solution, np.zeros(1, dtype=np.int64))[0, loading]
    np.testing.assert_allclose(100.0 * (1.0 + value), solution.loading_percent()[0], rtol=1e-9)


def test_a_grid_of_sources_alone_bounds_nothing():
    held = Sources(("one", "two"), np.array([0, 1]), np.array([1.0, 0.999]), np.zeros(2))
    between = Grid(buses(2), branches([(0, 1)], 0.1, i_max_ka=[0.1]), held)
    nowhere = np.zeros(0, dtype=np.int64)
    alone = Grid(buses(1), branches([], np.zeros(0), from_bus=nowhere, to_bus=nowhere), source())
    for grid in (between, alone):
        band = run(study(grid, [charger("C", "b0")]), "envelopes").tables["envelopes"]
        assert band[["p_min_kw", "p_max_kw"]].to_numpy().tolist() == [[0.0, 22.0]]


def test_an_asset_beside_a_source_is_free():
    of = study(tree([0], 1.0 + 0.3j), [charger("S", "b0", 500.0), charger("C", "b1", 500.0), load("L", "b1")])
    _, _, boxes = boxes_of(of)
    assert boxes.up_kw[0, 0] == pytest.approx(500.0) and boxes.up_kw[0, 1] < 100.0


@pytest.mark.parametrize(("from_ka", "to_ka"), [(0.010, 0.600), (0.020, 0.300)])
def test_each_end_of_a_transformer_has_its_own_rating(from_ka, to_ka):
    """300 kW through 20/0.4 kV: 8.66 A and 433 A; whichever end is tighter decides."""
    ends = {"i_max_from_ka": np.array([from_ka]), "i_max_to_ka": np.array([to_ka])}
    branch = branches([(0, 1)], 0.001 + 0.004j, kind=("transformer",), **ends)
    grid = Grid(replace(buses(2), vn_kv=np.array([20.0, 0.4])), branch, source())
    w = window(study(grid, [charger("C", "b1", 500.0)], limits=voltage_band(grid, 0.0, 1.5)))
    solution = w.flow(np.array([[300.0]]), np.array([0]))
    # One current in per unit on both sides: 0.3 pu of the power over the voltage at the far bus.
    current_pu = 0.3 / solution.vm_pu()[0, 1]
    base_ka = np.array([1.0 / (np.sqrt(3.0) * 20.0), 1.0 / (np.sqrt(3.0) * 0.4)])
    by_hand = current_pu * (base_ka / np.array([from_ka, to_ka])).max()
    assert solution.loading_percent()[0, 0] == pytest.approx(100.0 * by_hand, rel=1e-9)
    worst, _ = worst_margins(w.rows, solution, np.array([0]))
    loading = int(np.flatnonzero(w.rows.kind == Kind.LOADING)[0])
    assert every_value(w, solution, np.array([0]))[0, loading] == pytest.approx(by_hand - 1.0, abs=1e-9)
    assert worst.max() == pytest.approx(max(by_hand - 1.0, solution.vm_pu().max() - 1.5), abs=1e-9)


def test_a_balanced_branch_keeps_the_arithmetic_of_a_two_port_to_the_bit():
    """Two columns, the nodes of its ends, added in this order: balanced studies keep every byte."""
    w = window(mixed_study(3))
    network, ends = w.rows.network, w.rows.ends
    lines = network.grid.branches
    f, t = network.node_of_bus[lines.from_bus], network.node_of_bus[lines.to_bus]
    assert ends.node.tolist() == np.stack([f, t], axis=1).tolist()
    solution = w.flow(np.full((1, len(w.asset)), 3.0), np.zeros(1, dtype=np.int64))
    v, every = solution.v_nodes()[0], np.arange(len(lines))
    ours = ends.currents(solution.v_nodes(), np.zeros_like(every), every)
    for mine, y in zip(ours, (network.y_from.toarray(), network.y_to.toarray()), strict=True):
        assert mine.tolist() == (y[every, f] * v[f] + y[every, t] * v[t]).tolist()
    p_kw = np.ones((2, len(w.asset)))
    assert w.terminals.of_rows(p_kw) is p_kw and w.terminals.of_assets(p_kw) is p_kw
    assert w.reach is None and not w.passes.any() and not w.phase.any() and not len(w.between)
