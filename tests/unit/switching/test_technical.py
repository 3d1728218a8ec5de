"""Technical checks of positions: paths, loops, sources in parallel, and every limit on the load flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import GridcommonsError, StudyError
from gridcommons.model.grid import Grid, Sources
from gridcommons.model.phases import conductors
from gridcommons.model.switches import Switch, with_positions
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import Background, Injections
from gridcommons.switching.technical import Operation, find_topology_violations, find_violations
from three_phase import Drawing

RING = [(0, 1), (1, 2), (2, 3), (3, 0), (2, 4)]
"""b0 the source, b1 b2 b3 a ring with it, b4 behind b2."""


def sources(*at):
    count = len(at)
    return Sources(tuple(f"s{k}" for k in range(count)), np.array(at), np.ones(count), np.zeros(count))


def ring(at=(0,), p_kw=((10.0, 10.0, 10.0, 10.0),), limits=None, ratings=None, **how):
    grid = Grid(buses(5), branches(RING, 0.05 + 0.02j, i_max_ka=ratings), sources(*at))
    load = np.array(p_kw, dtype=float)
    given = Injections(np.array([1, 2, 3, 4]), load, np.zeros_like(load))
    switches = tuple(Switch(f"line {row}", (row,), True) for row in range(5))
    band = voltage_band(grid, 0.9, 1.1) if limits is None else limits(grid)
    return Operation(grid, how.pop("switches", switches), band, given, **how)


def positions(*opened):
    return np.array([row not in opened for row in range(5)])


def rows(found):
    return set(zip(found.kind, found.element, found.step.tolist(), strict=True))


def flow(operation, closed):
    network = build_network(with_positions(operation.grid, operation.switches, closed))
    return solve_power_flow(network, operation.injections, method="newton")


def test_a_tree_inside_all_limits_has_no_violation():
    assert len(find_violations(ring(), positions(1))) == 0


def test_members_without_a_path_are_named_and_the_rest_is_still_solved():
    limits = lambda grid: voltage_band(grid, 0.9999, 1.1)  # noqa: E731
    found = find_violations(ring(limits=limits), positions(1, 2))
    assert [(k, e, s) for k, e, s in rows(found) if k == "path"] and rows(found) == {
        ("path", "b2", -1), ("path", "b4", -1), ("vm_min_pu", "b1", 0), ("vm_min_pu", "b3", 0),
    }  # fmt: skip
    assert rows(find_topology_violations(ring(limits=limits), positions(1, 2))) == {
        ("path", "b2", -1), ("path", "b4", -1),
    }  # fmt: skip


def test_with_everything_open_only_paths_are_missing():
    assert rows(find_violations(ring(), positions(0, 1, 2, 3, 4))) == {
        ("path", f"b{k}", -1) for k in (1, 2, 3, 4)
    }


def test_a_loop_is_a_violation_where_radiality_is_demanded():
    found = find_violations(ring(), positions())
    assert rows(found) == {("radial", "grid", -1)} and found.value.tolist() == [1.0]
    assert found.text(0) == "radial of grid: 1, limit 0"
    assert len(find_violations(ring(radial=False), positions())) == 0


def test_a_loop_without_source_is_none_of_the_grids():
    # b1 b2 b3 in two loops of their own: nobody there has a path, and what is supplied is a tree.
    ends = [(0, 4), (1, 2), (1, 2), (2, 3), (3, 1), (0, 1)]
    grid = Grid(buses(5), branches(ends, 0.05), sources(0))
    given = Injections(np.array([4]), np.ones((1, 1)), np.zeros((1, 1)))
    switches = tuple(Switch(f"line {row}", (row,), True) for row in range(6))
    operation = Operation(grid, switches, voltage_band(grid, 0.9, 1.1), given)
    closed = np.ones(6, dtype=bool)
    found = find_violations(operation, closed)
    assert rows(found) == {("radial", "grid", -1)} and found.value.tolist() == [2.0]
    closed[5] = False
    assert len(find_violations(operation, closed)) == 0


def test_sources_in_parallel_are_named_together():
    found = find_violations(ring(at=(0, 4)), positions(1))
    assert rows(found) == {("parallel", "s0, s1", -1)} and found.value.tolist() == [2.0]
    assert len(find_violations(ring(at=(0, 4), parallel_allowed=True), positions(1))) == 0
    assert len(find_violations(ring(at=(0, 4)), positions(1, 2))) == 0
    # Two sources on one node are one point of the main grid.
    assert len(find_violations(ring(at=(0, 0)), positions(1))) == 0


def test_voltages_are_checked_to_the_digit_at_each_step():
    operation = ring(p_kw=((10.0, 10.0, 10.0, 10.0), (30.0, 30.0, 30.0, 30.0), (-40.0, -40.0, -40.0, -40.0)))
    vm_pu = flow(operation, positions(1)).vm_pu()
    low, high = vm_pu[1, 4], vm_pu[2, 4]
    for move, broken in ((2e-6, True), (0.0, False)):
        limits = voltage_band(operation.grid, low + move, high - move)
        found = find_violations(replace(operation, limits=limits), positions(1))
        expected = {("vm_min_pu", "b4", 1), ("vm_max_pu", "b4", 2)} if broken else set()
        assert rows(found) == expected
        if broken:
            np.testing.assert_allclose(sorted(found.value), [low, high], atol=1e-8)
            np.testing.assert_allclose(sorted(found.limit), [low + move, high - move])


def test_limits_of_each_step_are_those_of_its_own():
    operation = ring(p_kw=((30.0,) * 4, (30.0,) * 4))
    limits = voltage_band(operation.grid, 0.5, 1.1)
    vm_min_pu = np.array([[0.5] * 5, [0.5, 0.999, 0.5, 0.5, 0.5]])
    found = find_violations(replace(operation, limits=replace(limits, vm_min_pu=vm_min_pu)), positions(1))
    assert rows(found) == {("vm_min_pu", "b1", 1)}


def test_loadings_and_angles_are_checked():
    operation = ring(ratings=[0.05] * 5, p_kw=((20.0, -30.0, 20.0, 5.0),))
    solved = flow(operation, positions(1))
    loading, va = solved.loading_percent()[0], solved.va_degree()[0]
    calm = voltage_band(operation.grid, 0.5, 1.5)
    ends = operation.grid.branches
    turn = va[ends.from_bus] - va[ends.to_bus]
    on = positions(1)
    for name, value, sign, names in (
        ("loading_max_percent", loading, 1.0, ends.name),
        ("va_max_degree", va, 1.0, operation.grid.buses.name),
        ("va_min_degree", va, -1.0, operation.grid.buses.name),
        ("va_diff_max_degree", turn, 1.0, ends.name),
        ("va_diff_min_degree", turn, -1.0, ends.name),
    ):
        there = on if len(value) == 5 and "diff" in name or "loading" in name else np.ones(5, bool)
        cut = np.median(value[there])
        limits = replace(calm, **{"loading_max_percent": np.full((1, 5), np.inf), name: np.full((1, 5), cut)})
        found = find_violations(replace(operation, limits=limits), on)
        beyond = np.flatnonzero((sign * (value - cut) > 1e-4) & there)
        assert rows(found) == {(name, names[k], 0) for k in beyond} and len(beyond) >= 1


def test_a_loading_is_checked_to_the_digit():
    operation = ring(ratings=[0.05] * 5)
    loading = flow(operation, positions(1)).loading_percent()[0]
    for move, broken in ((1e-3, True), (0.0, False)):
        limits = replace(operation.limits, loading_max_percent=loading[None] - move * (np.arange(5) == 2))
        found = find_violations(replace(operation, limits=limits), positions(1))
        assert rows(found) == ({("loading_max_percent", "line 2", 0)} if broken else set())


def test_a_switch_carries_no_more_than_its_own_capacity_either_way():
    for p_kw in ((10.0, 10.0, 10.0, 10.0), (-10.0, -10.0, -10.0, -10.0)):
        operation = ring(p_kw=(p_kw,))
        carried = abs(flow(operation, positions(1)).p_from_kw()[0, 2])
        for capacity, broken in ((carried - 0.01, True), (carried + 0.01, False)):
            switches = tuple(
                replace(each, capacity_kw=capacity) if k == 2 else each
                for k, each in enumerate(operation.switches)
            )
            found = find_violations(replace(operation, switches=switches), positions(1))
            assert rows(found) == ({("capacity_kw", "line 2", 0)} if broken else set())
            if broken:
                assert found.value[0] == pytest.approx(carried, abs=1e-4) and found.limit[0] == capacity


def test_a_load_that_no_voltage_can_carry_is_a_violation_of_its_step_alone():
    found = find_violations(ring(p_kw=((10.0,) * 4, (1e5,) * 4)), positions(1))
    assert rows(found) == {("load_flow", "grid", 1)} and not found.value[0] <= 1e-8


def test_a_loop_whose_phase_shifts_do_not_cancel_has_no_load_flow():
    operation = ring(radial=False)
    shifted = replace(operation.grid.branches, shift_degree=np.array([30.0, 0, 0, 0, 0]))
    operation = replace(operation, grid=replace(operation.grid, branches=shifted))
    found = find_violations(operation, positions())
    assert found.kind == ("load_flow",) and "phase shifts do not cancel" in found.element[0]
    assert len(find_violations(operation, positions(1))) == 0


def test_the_phases_of_a_source_are_no_sources_in_parallel_and_lost_phases_are_one_bus():
    drawing = Drawing()
    for bus in ("s", "1", "2"):
        drawing.add_bus(bus)
    drawing.add_line("L", ("s", "1"), np.full((3, 3), 0.01 + 0.01j) + np.eye(3) * (0.05 + 0.02j))
    drawing.add_line("M", ("1", "2"), np.eye(3) * (0.05 + 0.02j))
    grid = drawing.grid()
    switches = tuple(Switch(name, tuple(conductors(grid, name).tolist()), True) for name in ("L", "M"))
    given = Injections(np.array([6, 7]), np.ones((1, 2)), np.zeros((1, 2)), to_bus=np.array([-1, 8]))
    operation = Operation(grid, switches, voltage_band(grid, 0.9, 1.1), given)
    assert len(find_violations(operation, np.array([True, True]))) == 0
    assert rows(find_violations(operation, np.array([True, False]))) == {("path", "2", -1)}
    rows_of = np.array([0, 1, 2, 6, 7, 8])
    turn = np.tile([0.0, -120.0, 120.0], 2)
    names = ("x.a", "x.b", "x.c", "y.a", "y.b", "y.c")
    both = replace(operation, grid=replace(grid, sources=Sources(names, rows_of, np.ones(6), turn)))
    assert list(find_violations(both, np.array([True, True])).element) == ["x, y"]
    assert len(find_violations(both, np.array([True, False]))) == 0
    # A load between two phases is lost with one of them.
    one = Switch("M.b", (int(conductors(grid, "M")[1]),), True)
    found = find_violations(replace(operation, switches=(one,)), np.array([False]))
    assert rows(found) == {("path", "2", -1)}
    tight = replace(operation, limits=voltage_band(grid, 0.99999, 1.1))
    assert ("vm_min_pu", "2.a", 0) in rows(find_violations(tight, np.array([True, True])))


def test_injections_of_one_topology_and_limits_of_other_steps_are_refused():
    operation = ring()
    under = Background(np.zeros((1, 4), complex), np.zeros(1, np.int64))
    with pytest.raises(GridcommonsError, match="background"):
        replace(operation, injections=replace(operation.injections, background=under))
    limits = replace(operation.limits, va_max_degree=np.full((3, 5), np.inf))
    with pytest.raises(StudyError, match="limits of 3 steps"):
        replace(operation, limits=limits)
