"""Load flow of three-phase grids: against a dense solver that shares nothing with it, and by its laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridcommons.model.errors import GridcommonsError, InfeasibleError
from gridcommons.model.grid import S_BASE_KVA, no_phase_loads
from gridcommons.model.topology import with_branches_closed
from gridcommons.powerflow import polish
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.polish import mismatch_pu, newton_polish, with_sources
from gridcommons.powerflow.sensitivities import gradients, reactive_sensitivities, voltage_sensitivities
from gridcommons.powerflow.solution import Found, Injections
from three_phase import PHASES, TURN, Drawing, four_bus_drawing, solve_by_gauss


def nothing(scenarios: int = 1) -> Injections:
    return Injections(np.zeros(0, np.int64), np.zeros((scenarios, 0)), np.zeros((scenarios, 0)))


def bus_voltages(solution, scenario=0):
    v = solution.v_nodes()[scenario]
    return v[solution.network.node_of_bus]


def test_every_kind_of_load_agrees_with_a_dense_solver():
    drawing = four_bus_drawing()
    solution = solve_power_flow(build_network(drawing.grid(1.02)), nothing())
    assert solution.solved.all() and solution.mismatch_pu.max() < 1e-8
    assert (solution.found == Found.SERIES).all()
    np.testing.assert_allclose(bus_voltages(solution), solve_by_gauss(drawing, 1.02), atol=1e-9)


@pytest.mark.parametrize("model", ["power", "current", "impedance"])
@pytest.mark.parametrize("to", ["", "1.b"])
def test_each_kind_of_load_alone(model, to):
    drawing = four_bus_drawing()
    drawing.loads = [("1.a", to, 30 + 10j, model)]
    solution = solve_power_flow(build_network(drawing.grid()), nothing())
    # A wrong coefficient would be mended by Newton's method, and be found out by that.
    assert (solution.found == Found.SERIES).all()
    np.testing.assert_allclose(bus_voltages(solution), solve_by_gauss(drawing), atol=1e-9)


def test_columns_to_earth_and_between_phases_are_loads_like_those_of_the_file():
    drawing = four_bus_drawing()
    grid = drawing.grid()
    rng = np.random.default_rng(3)
    p_kw, q_kvar = rng.uniform(-8, 12, (19, 2)), rng.uniform(-4, 4, (19, 2))
    at = grid.bus_index
    bus, to_bus = np.array([at["2.a"], at["1.c"]]), np.array([-1, at["1.b"]])
    solution = solve_power_flow(build_network(grid), Injections(bus, p_kw, q_kvar, to_bus=to_bus))
    assert (solution.found == Found.SERIES).all()
    for scenario in range(19):
        power = p_kw[scenario] + 1j * q_kvar[scenario]
        extra = [("2.a", "", power[0], "power"), ("1.c", "1.b", power[1], "power")]
        np.testing.assert_allclose(
            bus_voltages(solution, scenario), solve_by_gauss(drawing, loads=extra), atol=1e-9
        )


def test_a_load_between_a_phase_and_a_source_counts_the_held_voltage():
    drawing = four_bus_drawing()
    drawing.loads.append(("1.c", "source.a", 12 + 2j, "power"))
    drawing.loads.append(("source.b", "1.a", 5 + 2j, "current"))
    solution = solve_power_flow(build_network(drawing.grid()), nothing())
    assert (solution.found == Found.SERIES).all()
    np.testing.assert_allclose(bus_voltages(solution), solve_by_gauss(drawing), atol=1e-9)


def balanced_pair(load: complex) -> tuple[Drawing, np.ndarray]:
    own, mutual = 0.08 + 0.06j, 0.02 + 0.025j
    drawing = Drawing()
    for name in ("source", "1", "2"):
        drawing.add_bus(name)
    z = np.full((3, 3), mutual) + np.eye(3) * (own - mutual)
    drawing.add_line("L1", ("source", "1"), z)
    drawing.add_line("L2", ("1", "2"), z)
    for phase in PHASES:
        drawing.add_load(f"2.{phase}", "", load / 3)
    return drawing, np.array(own - mutual)


def test_three_phases_alike_are_the_balanced_load_flow():
    load = 30 + 12j
    drawing, z1_ohm = balanced_pair(load)
    solution = solve_power_flow(build_network(drawing.grid()), nothing())
    z_pu = 2 * z1_ohm * S_BASE_KVA / 1e3 / drawing.vn_kv**2
    s = load / S_BASE_KVA
    # |V|^2 of two buses in closed form.
    b = 1 - 2 * (s.real * z_pu.real + s.imag * z_pu.imag)
    vm = np.sqrt((b + np.sqrt(b**2 - 4 * abs(s) ** 2 * abs(z_pu) ** 2)) / 2)
    v = bus_voltages(solution)
    np.testing.assert_allclose(np.abs(v[6:]), vm, atol=1e-9)
    np.testing.assert_allclose(v[6:] / v[6], TURN, atol=1e-9)
    current_ka = abs(load) / 1e3 / np.sqrt(3) / (drawing.vn_kv * vm)
    losses_kw = 3 * current_ka**2 * 2 * z1_ohm.real * 1e3
    assert solution.losses_kw()[0] == pytest.approx(losses_kw, abs=1e-6)


def test_loading_is_the_current_of_each_conductor():
    drawing, _ = balanced_pair(30 + 12j)
    grid = drawing.grid()
    grid = replace(
        grid, branches=replace(grid.branches, i_max_from_ka=np.full(6, 0.1), i_max_to_ka=np.full(6, 0.1))
    )
    solution = solve_power_flow(build_network(grid), nothing())
    vm = np.abs(bus_voltages(solution)[6:])
    current_ka = abs(30 + 12j) / 3 / 1e3 / (drawing.vn_kv / np.sqrt(3) * vm)
    np.testing.assert_allclose(solution.loading_percent()[0], np.tile(current_ka / 0.1 * 100, 2), rtol=1e-7)


def test_power_is_conserved_and_losses_count_no_load():
    drawing = four_bus_drawing()
    network = build_network(drawing.grid())
    solution = solve_power_flow(network, nothing())
    from_source = solution.p_from_kw()[0, :3].sum()
    v = solve_by_gauss(drawing)
    at = {name: k for k, name in enumerate(drawing.bus)}
    drawn = 0.0
    for where, to, s_kva, model in drawing.loads:
        d = v[at[where]] - (v[at[to]] if to else 0.0)
        size = abs(d) / (np.sqrt(3) if to else 1.0)
        drawn += s_kva.real * {"power": 1.0, "current": size, "impedance": size**2}[model]
    assert from_source == pytest.approx(drawn + solution.losses_kw()[0], abs=1e-5)
    assert solution.losses_kw()[0] > 0.1


def test_a_conductor_open_at_one_end_is_the_line_with_that_end_floating():
    drawing = four_bus_drawing()
    drawing.loads = [load for load in drawing.loads if not load[0].startswith("2") and "2" not in load[1]]
    grid = drawing.grid()
    branch = np.array([grid.branch_index["L2.a"], grid.branch_index["L2.c"]])
    whole = bus_voltages(solve_power_flow(build_network(grid), nothing()))
    to_closed = grid.branches.to_closed.copy()
    to_closed[branch] = False
    opened = replace(grid, branches=replace(grid.branches, to_closed=to_closed))
    solution = solve_power_flow(build_network(opened), nothing())
    known = [k for k, name in enumerate(drawing.bus) if not name.startswith("2.")]
    np.testing.assert_allclose(bus_voltages(solution)[known], whole[known], atol=1e-9)
    assert np.isnan(solution.vm_pu()[0, grid.bus_index["2.a"]])


def test_one_open_conductor_leaves_the_others_as_a_line_of_their_own():
    own, mutual = 0.05 + 0.04j, 0.012 + 0.018j
    z = np.full((3, 3), mutual) + np.eye(3) * (own - mutual)
    whole, part = Drawing(), Drawing()
    for drawing, phases in ((whole, "abc"), (part, "ac")):
        drawing.add_bus("source")
        drawing.add_bus("1", phases)
        picked = [PHASES.index(phase) for phase in phases]
        drawing.add_line("L", ("source", "1"), z[np.ix_(picked, picked)], phases)
        drawing.add_load("1.a", "1.c", 20 + 5j)
    grid = whole.grid()
    opened = with_branches_closed(grid, np.array([1]), np.array([False]))
    v = bus_voltages(solve_power_flow(build_network(opened), nothing()))
    np.testing.assert_allclose(v[[3, 5]], solve_by_gauss(part)[[3, 4]], atol=1e-9)


def test_newton_finds_what_the_series_finds_and_its_jacobian_is_quadratic(monkeypatch):
    # A wrong Jacobian converges, too, but not in three steps from the state without load.
    monkeypatch.setattr(polish, "STEPS", 4)
    drawing = four_bus_drawing()
    network = build_network(drawing.grid())
    solution = solve_power_flow(network, nothing())
    s = nothing().at_nodes(network)[0]
    start = network.v_no_load
    found = newton_polish(network, s, start, 1e-12)
    np.testing.assert_allclose(found, solution.v_pq[0], atol=1e-9)
    assert np.abs(mismatch_pu(network, s, found)).max() < 1e-12


def test_close_to_collapse_the_series_is_continued():
    drawing = four_bus_drawing()
    network = build_network(drawing.grid())
    bus = np.array([drawing.bus.index("2.a")])
    to_bus = np.array([drawing.bus.index("2.c")])
    p_kw = np.arange(0.0, 4000.0, 25.0)[:, None]
    solution = solve_power_flow(network, Injections(bus, p_kw, 0.3 * p_kw, to_bus=to_bus))
    last = int(np.flatnonzero(solution.solved).max())
    assert 2 < last < len(p_kw) - 1 and solution.solved[: last + 1].all()
    assert set(solution.found[: last + 1].tolist()) - {int(Found.SERIES)}
    vm = np.abs(solution.v_pq[: last + 1]).min(axis=1)
    assert (np.diff(vm) < 0).all()


def test_sensitivities_are_the_differences_of_the_load_flow():
    drawing = four_bus_drawing()
    grid = drawing.grid()
    network = build_network(grid)
    bus = np.arange(3, len(drawing.bus))
    node = network.node_of(bus)
    base = solve_power_flow(network, Injections(bus, np.zeros((1, len(bus))), np.zeros((1, len(bus)))))
    step_kw = 1e-3
    p = solve_power_flow(network, Injections(bus, step_kw * np.eye(len(bus)), np.zeros((len(bus), len(bus)))))
    q = solve_power_flow(network, Injections(bus, np.zeros((len(bus), len(bus))), step_kw * np.eye(len(bus))))
    by_p, by_q = (voltage_sensitivities(base, 0, node), reactive_sensitivities(base, 0, node))
    np.testing.assert_allclose(by_p, (p.v_pq - base.v_pq) / step_kw, atol=1e-8)
    np.testing.assert_allclose(by_q, (q.v_pq - base.v_pq) / step_kw, atol=1e-8)
    towards = np.conj(base.v_pq) / np.abs(base.v_pq) * np.eye(network.pq_count)
    dp, dq = gradients(base, np.zeros(network.pq_count, np.int64), towards, node)
    np.testing.assert_allclose(dp.T, (np.abs(p.v_pq) - np.abs(base.v_pq)) / step_kw, atol=1e-8)
    np.testing.assert_allclose(dq.T, (np.abs(q.v_pq) - np.abs(base.v_pq)) / step_kw, atol=1e-8)


def test_sensitivities_with_columns_between_phases():
    drawing = four_bus_drawing()
    network = build_network(drawing.grid())
    at = network.grid.bus_index
    bus, to_bus = np.array([at["1.a"], at["3.b"]]), np.array([at["1.c"], -1])
    p_kw = np.array([[20.0, 0.0], [60.0, 5.0]])
    base = solve_power_flow(network, Injections(bus, p_kw, 0.2 * p_kw, to_bus=to_bus))
    node = network.node_of(np.array([at["3.b"]]))
    for scenario in range(2):
        step_kw = np.array([[0.0, -1e-3], [0.0, 1e-3]])
        q_kvar = np.tile(0.2 * p_kw[scenario], (2, 1))
        after = solve_power_flow(network, Injections(bus, p_kw[scenario] + step_kw, q_kvar, to_bus=to_bus))
        answer = voltage_sensitivities(base, scenario, node)[0]
        np.testing.assert_allclose(answer, (after.v_pq[1] - after.v_pq[0]) / 2e-3, atol=1e-8)


def test_the_other_load_flow_agrees_where_it_can_and_says_where_it_cannot():
    drawing = four_bus_drawing()
    drawing.loads = [load for load in drawing.loads if not load[1] and load[3] != "current"]
    network = build_network(drawing.grid())
    injections = Injections(np.array([3, 6]), np.array([[2.0, 3.0], [-4.0, 6.0]]), np.zeros((2, 2)))
    helm, newton = (solve_power_flow(network, injections, method=name) for name in ("helm", "newton"))
    assert newton.solved.all()
    np.testing.assert_allclose(helm.v_pq, newton.v_pq, atol=1e-8)
    with pytest.raises(GridcommonsError, match="helm"):
        solve_power_flow(build_network(four_bus_drawing().grid()), nothing(), method="newton")


def test_without_loads_the_table_is_empty():
    grid = replace(four_bus_drawing().grid(), phase_loads=no_phase_loads())
    network = build_network(grid)
    assert len(network.pairs) == 0 and not network.s_fixed.any() and network.y_loads.nnz == 0


@pytest.mark.parametrize("drawn_from", ["1", "2"])
@pytest.mark.parametrize("opened", ["abc", "ab", "b"])
def test_a_line_open_at_its_far_end_is_charged_as_one_that_ends_at_an_idle_bus(drawn_from, opened):
    own, mutual = 0.05 + 0.04j, 0.012 + 0.018j
    z = np.full((3, 3), mutual) + np.eye(3) * (own - mutual)
    drawing = Drawing()
    for name in ("source", "1", "2"):
        drawing.add_bus(name)
    drawing.add_line("L1", ("source", "1"), z)
    drawing.add_line("L2", ("1", "2") if drawn_from == "1" else ("2", "1"), z, b_s=0.4)
    drawing.add_load("1.a", "", 9 + 3j)
    grid = drawing.grid()
    side = "to_closed" if drawn_from == "1" else "from_closed"
    closed = getattr(grid.branches, side).copy()
    closed[[grid.branch_index[f"L2.{phase}"] for phase in opened]] = False
    solution = solve_power_flow(
        build_network(replace(grid, branches=replace(grid.branches, **{side: closed}))), nothing()
    )
    expected = solve_by_gauss(drawing)
    np.testing.assert_allclose(bus_voltages(solution)[3:6], expected[3:6], atol=1e-9)
    # The charging lifts bus 1 by far more than that.
    drawing.blocks.pop()
    assert np.abs(np.abs(expected[3:6]) - np.abs(solve_by_gauss(without_last(drawing))[3:6])).min() > 1e-3


def without_last(drawing):
    """The same grid without its last line, whose block is gone, and without the bus behind it."""
    return replace(drawing, bus=drawing.bus[:6], branch=drawing.branch[:3], ends=drawing.ends[:3])


def test_what_is_supplied_at_one_end_alone_is_refused_and_at_neither_draws_nothing():
    drawing = four_bus_drawing()
    drawing.loads = [("2.a", "1.b", 5 + 1j, "power")]
    grid = drawing.grid()
    opened = with_branches_closed(
        grid, np.array([grid.branch_index["L2.a"], grid.branch_index["L2.c"]]), np.zeros(2, dtype=bool)
    )
    with pytest.raises(InfeasibleError, match="load 0 lies between a phase that a source reaches"):
        build_network(opened)
    for to in ("", "2.c"):
        for model in ("power", "current", "impedance"):
            drawing.loads = [("2.a", to, 5 + 1j, model), ("1.b", "", 4 + 1j, "power")]
            dark = replace(drawing.grid(), branches=opened.branches)
            solution = solve_power_flow(build_network(dark), nothing())
            drawing.loads = drawing.loads[1:]
            expected = solve_by_gauss(drawing)[3:6]
            np.testing.assert_allclose(bus_voltages(solution)[3:6], expected, atol=1e-9)


def test_newton_counts_loads_between_a_phase_and_a_source():
    drawing = four_bus_drawing()
    drawing.loads += [("1.c", "source.a", 12 + 2j, "power"), ("source.b", "1.a", 5 + 2j, "current")]
    network = build_network(drawing.grid())
    s = nothing().at_nodes(network)[0]
    found = newton_polish(network, s, network.v_no_load, 1e-12)
    np.testing.assert_allclose(
        with_sources(network, found)[network.node_of_bus], solve_by_gauss(drawing), atol=1e-9
    )


@pytest.mark.parametrize("side", ["from_closed", "to_closed", "both"])
def test_conductors_behind_an_open_one_float_and_are_not_earthed(side):
    """Phase b is open on the first of two lines: the second is a line of two conductors."""
    own, mutual = 0.05 + 0.04j, 0.012 + 0.018j
    z = np.full((3, 3), mutual) + np.eye(3) * (own - mutual)
    whole, part = Drawing(), Drawing()
    for drawing, phases in ((whole, "abc"), (part, "ac")):
        drawing.add_bus("source")
        picked = [PHASES.index(phase) for phase in phases]
        for name, before in (("1", "source"), ("2", "1")):
            drawing.add_bus(name, phases)
            drawing.add_line(f"L{name}", (before, name), z[np.ix_(picked, picked)], phases)
        drawing.add_load("2.a", "", 20 + 5j)
    branches = whole.grid().branches
    ends = {name: getattr(branches, name).copy() for name in ("from_closed", "to_closed")}
    for name in ends if side == "both" else (side,):
        ends[name][branches.name.index("L1.b")] = False
    solution = solve_power_flow(
        build_network(replace(whole.grid(), branches=replace(branches, **ends))), nothing()
    )
    alive = [whole.bus.index(name) for name in part.bus[3:]]
    np.testing.assert_allclose(bus_voltages(solution)[alive], solve_by_gauss(part)[3:], atol=1e-9)


def test_newton_is_as_fast_with_columns_between_phases(monkeypatch):
    monkeypatch.setattr(polish, "STEPS", 5)
    network = build_network(four_bus_drawing().grid())
    at = network.grid.bus_index
    columns = Injections(
        np.array([at["1.a"], at["2.c"]]),
        np.array([[90.0, 20.0]]),
        np.array([[30.0, 5.0]]),
        to_bus=np.array([at["1.c"], at["2.a"]]),
    )
    found = newton_polish(
        network,
        columns.at_nodes(network)[0],
        network.v_no_load,
        1e-10,
        columns.pairs(network).of(0),
    )
    np.testing.assert_allclose(found, solve_power_flow(network, columns).v_pq[0], atol=1e-9)
