"""Laws of the batched holomorphic embedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders import branches, buses, random_tree, source, tree
from gridcommons.known_answers import chain_grid, two_bus_closed_form_pu
from gridcommons.model.errors import GridcommonsError, InfeasibleError
from gridcommons.model.grid import BusSwitches, FixedInjections, Grid, Shunts, Sources
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import make_demand, solve_power_flow
from gridcommons.powerflow.helm import HelmKernel
from gridcommons.powerflow.polish import mismatch_pu
from gridcommons.powerflow.solution import Background, Found, Injections


def at_every_bus(grid: Grid, p_kw, q_kvar) -> Injections:
    return Injections(np.arange(1, len(grid.buses)), np.atleast_2d(p_kw), np.atleast_2d(q_kvar))


def random_injections(generator: np.random.Generator, grid: Grid, scenarios: int) -> Injections:
    shape = (scenarios, len(grid.buses) - 1)
    return at_every_bus(grid, generator.uniform(-8, 10, shape), generator.uniform(-3, 4, shape))


@pytest.mark.parametrize("share", [0.05, 0.4, 0.7, 0.9, 0.97, 0.995])
def test_two_buses_have_the_closed_form(share):
    network = build_network(chain_grid(1))
    z_pu = complex(network.grid.branches.r_pu[0], network.grid.branches.x_pu[0])
    load_pu = np.array([share / (2.0 * (z_pu.real + abs(z_pu)))])
    solution = solve_power_flow(network, at_every_bus(network.grid, load_pu * 1e3, 0.0 * load_pu))
    assert solution.vm_pu()[0, 1] == pytest.approx(two_bus_closed_form_pu(load_pu, z_pu)[0], abs=1e-8)


def test_beyond_collapse_no_solution_is_claimed_and_its_neighbours_are_untouched():
    network = build_network(chain_grid(1))
    z_pu = complex(network.grid.branches.r_pu[0], network.grid.branches.x_pu[0])
    critical_kw = 1e3 / (2.0 * (z_pu.real + abs(z_pu)))
    p_kw = np.array([0.2, 1.05, 0.3, 2.0])[:, None] * critical_kw
    solution = solve_power_flow(network, Injections(np.array([1]), p_kw, 0 * p_kw))
    assert solution.solved.tolist() == [True, False, True, False]
    assert np.isnan(solution.vm_pu()[1, 1]) and solution.mismatch_pu[1] > 1e-3
    alone = solve_power_flow(network, Injections(np.array([1]), p_kw[[0, 2]], 0 * p_kw[[0, 2]]))
    np.testing.assert_allclose(solution.v_pq[[0, 2]], alone.v_pq, atol=2e-9)


@pytest.mark.parametrize("alpha", [0.25, 0.6, 1.0])
def test_the_series_solves_the_embedded_equations_at_every_alpha(alpha):
    """Σ V[n] αⁿ carries the power α S: a wrong sign or index in the recursion fails here."""
    generator = np.random.default_rng(3)
    grid = random_tree(generator, 12)
    network, injections = build_network(grid), random_injections(generator, grid, 1)
    series = HelmKernel(network).coefficients(make_demand(network, injections), 0, 16)
    v = (series * alpha ** np.arange(16)[:, None]).sum(axis=0)
    s = alpha * injections.at_nodes(network)[0]
    assert np.abs(mismatch_pu(network, s, v)).max() < 1e-8


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 30), loops=st.integers(0, 3))
def test_helm_equals_newton_on_random_grids(seed, count, loops):
    generator = np.random.default_rng(seed)
    grid = random_tree(generator, count)
    extra = [tuple(generator.integers(0, count + 1, 2)) for _ in range(loops)]
    ends = list(zip(grid.branches.from_bus, grid.branches.to_bus, strict=True))
    ends += [(int(a), int(b)) for a, b in extra if a != b]
    z_pu = generator.uniform(0.05, 0.6, len(ends)) + 0.1j
    ratio = generator.uniform(0.95, 1.05, len(ends))
    charging = generator.uniform(0.0, 0.02, len(ends))
    grid = Grid(
        grid.buses,
        branches(ends, z_pu, ratio=ratio, b_from_pu=charging, b_to_pu=charging),
        source(vm_pu=1.02),
    )
    network, injections = build_network(grid), random_injections(generator, grid, 19)
    helm = solve_power_flow(network, injections)
    newton = solve_power_flow(network, injections, method="newton")
    both = helm.solved & newton.solved
    np.testing.assert_allclose(helm.v_pq[both], newton.v_pq[both], atol=2e-8)
    # Newton may land on no or another solution; the series finds the operable one whenever Newton does.
    assert (helm.solved | ~newton.solved).all()
    own = np.abs(mismatch_pu(network, injections.at_nodes(network), helm.v_pq)[helm.solved]).max(initial=0.0)
    assert own < 1e-8


def test_the_answer_depends_neither_on_the_batch_nor_on_the_workers():
    generator = np.random.default_rng(5)
    grid = random_tree(generator, 20)
    network, injections = build_network(grid), random_injections(generator, grid, 300)
    one = solve_power_flow(network, injections)
    assert solve_power_flow(network, injections, threads=2).v_pq.tobytes() == one.v_pq.tobytes()
    part = Injections(injections.bus, injections.p_kw[8:16], injections.q_kvar[8:16])
    assert solve_power_flow(network, part).v_pq.tobytes() == one.v_pq[8:16].tobytes()


def test_columns_background_and_fixed_injections_are_the_same_power():
    generator = np.random.default_rng(6)
    grid = random_tree(generator, 9)
    network, injections = build_network(grid), random_injections(generator, grid, 5)
    under = Background(injections.at_nodes(network), np.arange(5))
    nothing = Injections(np.zeros(0, dtype=int), np.zeros((5, 0)), np.zeros((5, 0)), under)
    fixed = FixedInjections(
        tuple("abcdefghi"), injections.bus, injections.p_kw[0].copy(), injections.q_kvar[0].copy()
    )
    inside = build_network(replace(grid, fixed=fixed))
    empty = Injections(np.zeros(0, dtype=int), np.zeros((1, 0)), np.zeros((1, 0)))
    for method in ("helm", "newton"):
        direct = solve_power_flow(network, injections, method=method).v_pq
        np.testing.assert_allclose(solve_power_flow(network, nothing, method=method).v_pq, direct, atol=1e-9)
        np.testing.assert_allclose(
            solve_power_flow(inside, empty, method=method).v_pq[0], direct[0], atol=1e-9
        )


def test_phase_shifts_are_stripped_and_given_back_in_the_angles():
    plain = tree([0, 1], 0.1 + 0.2j)
    shifted = replace(plain, branches=replace(plain.branches, shift_degree=np.array([150.0, 0.0])))
    injections = at_every_bus(plain, [30.0, 20.0], [5.0, 5.0])
    one, other = (solve_power_flow(build_network(g), injections) for g in (plain, shifted))
    np.testing.assert_allclose(one.vm_pu(), other.vm_pu(), atol=1e-12)
    turn = one.va_degree() - other.va_degree()
    np.testing.assert_allclose(turn[0], [0.0, 150.0, 150.0], atol=1e-9)


def test_a_phase_shifter_in_a_loop_is_refused_by_name():
    ends = [(0, 1), (1, 2), (0, 2)]
    grid = Grid(buses(3), branches(ends, 0.1 + 0.1j, shift_degree=np.array([30.0, 0.0, 0.0])), source())
    with pytest.raises(InfeasibleError, match=r"line \d .*phase shifts"):
        build_network(grid)


def test_an_open_end_leaves_the_branch_charged_and_a_closed_switch_joins_buses():
    ends = [(0, 1), (1, 2)]
    charging = np.array([0.0, 0.3])
    lines = branches(ends, 0.1 + 0.2j, b_from_pu=charging, b_to_pu=charging)
    opened = replace(lines, to_closed=np.array([True, False]))
    solution = solve_power_flow(
        build_network(Grid(buses(3), opened, source())),
        Injections(np.array([1]), np.array([[10.0]]), np.zeros((1, 1))),
    )
    assert np.isnan(solution.vm_pu()[0, 2])
    i_to = 0.3j + 1.0 / (0.1 + 0.2j + 1.0 / 0.3j)
    by_hand = np.abs(i_to * solution.vm_pu()[0, 1])
    assert np.abs(solution.currents_pu()[0][0, 1]) == pytest.approx(by_hand, rel=1e-9)
    switch = BusSwitches(("s",), np.array([1]), np.array([2]), np.array([True]))
    joined = Grid(buses(3), branches([(0, 1)], 0.1 + 0.2j), source(), switches=switch)
    far = solve_power_flow(
        build_network(joined), Injections(np.array([2]), np.array([[40.0]]), np.zeros((1, 1)))
    )
    assert far.vm_pu()[0, 1] == far.vm_pu()[0, 2] < 1.0


def test_a_shunt_draws_its_power_at_nominal_voltage():
    shunt = Shunts(np.array([1]), np.array([0.0]), np.array([-50.0]))
    grid = replace(tree([0], 0.1 + 0.4j), shunts=shunt)
    solution = solve_power_flow(build_network(grid), at_every_bus(grid, [0.0], [0.0]))
    y, z = 0.05j, 0.1 + 0.4j
    assert solution.vm_pu()[0, 1] == pytest.approx(abs(1.0 / (1.0 + z * y)), abs=1e-12)


def test_two_sources_feed_from_both_ends_and_contradicting_ones_are_refused():
    grid = replace(
        tree([0, 1], 0.2 + 0.1j),
        sources=Sources(("a", "b"), np.array([0, 2]), np.array([1.0, 1.0]), np.zeros(2)),
    )
    solution = solve_power_flow(
        build_network(grid), Injections(np.array([1]), np.array([[50.0]]), np.zeros((1, 1)))
    )
    p_kw = solution.p_from_kw()[0]
    # The load is shared half and half; each source adds the losses of its own line.
    assert p_kw[1] == pytest.approx(-25.0, abs=1e-6) and 25.0 < p_kw[0] < 25.2
    torn = replace(grid, sources=Sources(("a", "b"), np.array([0, 0]), np.array([1.0, 1.01]), np.zeros(2)))
    with pytest.raises(InfeasibleError, match="source b"):
        build_network(torn)


def test_a_load_without_source_and_an_unknown_method_are_refused():
    grid = tree([0, 1], 0.1 + 0.1j)
    cut = replace(grid, branches=replace(grid.branches, to_closed=np.array([True, False])))
    injections = at_every_bus(grid, [1.0, 1.0], [0.0, 0.0])
    with pytest.raises(InfeasibleError, match="no source reaches bus b2"):
        solve_power_flow(build_network(cut), injections)
    with pytest.raises(GridcommonsError, match="unknown load flow 'gauss'"):
        solve_power_flow(build_network(grid), injections, method="gauss")


def test_losses_are_what_goes_in_and_does_not_come_out():
    generator = np.random.default_rng(11)
    grid = random_tree(generator, 15)
    network, injections = build_network(grid), random_injections(generator, grid, 4)
    solution = solve_power_flow(network, injections)
    at_source = solution.p_from_kw()[:, grid.branches.from_bus == 0].sum(axis=1)
    np.testing.assert_allclose(solution.losses_kw(), at_source - injections.p_kw.sum(axis=1), atol=1e-4)
    assert (solution.found == Found.SERIES).all()


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("bad", [0, 1])
def test_a_lane_without_a_number_is_unsolved_and_its_neighbours_are_untouched(first, bad):
    """Two islands, so that a NaN does not reach every node: it must be seen all the same."""
    ends = [(first, first + 1), (2 - first, 3 - first)]
    sources = Sources(("one", "two"), np.array([0, 2]), np.ones(2), np.zeros(2))
    grid = Grid(buses(4), branches(ends, 2.0 + 0.3j), sources)
    p_kw = np.full((11, 2), 5.0)
    good = solve_power_flow(build_network(grid), Injections(np.array([1, 3]), p_kw, 0.0 * p_kw))
    p_kw[4, bad] = np.nan
    mixed = solve_power_flow(build_network(grid), Injections(np.array([1, 3]), p_kw, 0.0 * p_kw))
    others = np.arange(11) != 4
    assert not mixed.solved[4] and np.isnan(mixed.v_pq[4]).all()
    assert mixed.solved[others].all()
    np.testing.assert_allclose(mixed.v_pq[others], good.v_pq[others], atol=1e-10)
