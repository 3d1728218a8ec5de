"""Envelopes where phases couple: a load on one phase lifts another, so that mixed corners are the worst."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import battery, charger, load, solar, study, tree, window
from gridcommons.envelopes import allocate, capability, verify
from gridcommons.envelopes.boxes import Boxes, _behind, all_queries, answer, cannot_overload, values
from gridcommons.envelopes.limit_rows import Kind, Voltages, limit_values
from gridcommons.envelopes.margins import worst_margins
from gridcommons.envelopes.proof import certify
from gridcommons.envelopes.reach import largest_currents
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import StudyError
from gridcommons.powerflow.phase_loads import LoadPairs
from gridcommons.tasks import run
from three_phase import PHASES, four_bus_drawing, solve_by_gauss
from three_phase_studies import four_wire_line, phase_study, rated, street
from unit_envelopes import boxes_of, worst_of_all_vertices

OBJECTIVES = ["max_total", "equal", "proportional", "max_min", "proportional_fairness"]


def on_every_phase(buses: int = 2, z_ohm=None, band=(0.95, 1.05), head_a=np.inf, power_kw=9.0):
    """A charger and a solar roof on each phase of each bus of a street."""
    grid = rated(street(buses, z_ohm).grid(), {"L1": head_a})
    places = {f"{k + 1}{phase}": f"{k + 1}.{phase}" for k in range(buses) for phase in PHASES}
    assets = [charger(f"C{name}", name, power_kw) for name in places]
    assets += [solar(f"S{name}", name, power_kw) for name in places]
    return phase_study(grid, places, assets, {f"S{name}": power_kw for name in places}, band=band)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_three_phases_alike_have_the_envelopes_of_the_balanced_grid(objective):
    """Without mutual impedance each phase is the balanced street with a third of the power."""
    z_ohm = 0.1 + 0.03j
    chain = tree([0, 1, 2], z_ohm / 0.16)
    chain = replace(chain, branches=replace(chain.branches, i_max_from_ka=np.array([0.09, np.inf, np.inf])))
    chain = replace(chain, branches=replace(chain.branches, i_max_to_ka=chain.branches.i_max_from_ka))
    balanced = study(
        chain,
        [charger("C1", "b1", 66.0), charger("C3", "b3", 66.0), solar("S2", "b2", 66.0), load("L", "b3")],
        {"S2": 66.0, "L": 3.0},
        limits=voltage_band(chain, 0.95, 1.05),
    )
    _, _, one = boxes_of(balanced, objective)
    grid = rated(street(3, np.eye(3) * z_ohm).grid(), {"L1": 90.0})
    places = {f"{k}{phase}": f"{k}.{phase}" for k in (1, 2, 3) for phase in PHASES}
    assets = [charger(f"C1{p}", f"1{p}", 22.0) for p in PHASES] + [
        charger(f"C3{p}", f"3{p}", 22.0) for p in PHASES
    ]
    assets += [solar(f"S2{p}", f"2{p}", 22.0) for p in PHASES] + [load(f"L{p}", f"3{p}") for p in PHASES]
    profiles = {f"S2{p}": 22.0 for p in PHASES} | {f"L{p}": 1.0 for p in PHASES}
    _, _, three = boxes_of(phase_study(grid, places, assets, profiles, band=(0.95, 1.05)), objective)
    assert one.up_kw.max() < 66.0 and one.down_kw.max() < 66.0
    for ours, theirs in ((three.up_kw, one.up_kw), (three.down_kw, one.down_kw)):
        np.testing.assert_allclose(ours.reshape(3, 3), np.tile(theirs.T / 3.0, 3), atol=2e-5)


def test_assets_on_three_phases_have_the_envelope_of_the_positive_sequence():
    """What draws alike on three phases sees the own impedance less the mutual one, whatever that is."""
    own, mutual = 0.3 + 0.1j, 0.12 + 0.04j
    chain = tree([0, 1], (own - mutual) / 0.16)
    balanced = study(chain, [charger("C1", "b1", 40.0), charger("C2", "b2", 40.0)])
    _, _, one = boxes_of(balanced, "equal")
    grid = street(2, four_wire_line(own, mutual)).grid()
    places = {"m1": "1.", "m2": "2."}
    assets = [charger("C1", "m1", 40.0), charger("C2", "m2", 40.0)]
    w, rest, three = boxes_of(phase_study(grid, places, assets, band=(0.95, 1.05)), "equal")
    assert 0.0 < one.up_kw[0, 0] < 40.0
    np.testing.assert_allclose(three.up_kw, one.up_kw, atol=1e-5)
    assert worst_of_all_vertices(w, rest, three) <= 0.0


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_vertex_of_coupled_phases_breaks_a_limit(objective):
    w, rest, boxes = boxes_of(on_every_phase(1, head_a=60.0), objective)
    assert boxes.up_kw.sum() > 1.0 and boxes.down_kw.sum() > 1.0
    assert -1e-5 < worst_of_all_vertices(w, rest, boxes) <= 1e-9


def mixed_corner():
    """Boxes of three chargers that both corners bear, and one of them loaded alone does not."""
    of = phase_study(
        street(1).grid(),
        {phase: f"1.{phase}" for phase in PHASES},
        [charger(f"C{phase}", phase, 9.0) for phase in PHASES],
        band=(0.95, 1.05),
    )
    w, rest, safe = boxes_of(of)
    wide = Boxes(safe.rest_kw, safe.up_kw * 1.3, safe.down_kw)
    return w, rest, safe, wide


def test_a_mixed_corner_is_worst_where_both_corners_would_pass_it():
    w, rest, safe, wide = mixed_corner()
    vertices = np.array([[True] * 3, [False] * 3, [True, False, False]])
    at = np.zeros(3, np.int64)
    worst = worst_margins(w.rows, w.flow(wide.corner(at, vertices), at), at)[0].max(axis=1)
    assert worst[0] < -1e-3 and worst[1] < -1e-3 and worst[2] > 1e-3
    # Ours finds it without any draw, and its own boxes end where that corner does.
    checks = verify.check_boxes(w, wide, rest, 0, (1,))
    assert checks.violations.sum() >= 3 and checks.worst.max() == pytest.approx(worst[2], abs=1e-9)
    kept = verify.check_boxes(w, safe, rest, 0, (1,))
    assert not kept.violations.any() and -1e-6 < kept.worst.max() <= 0.0


def test_the_adversary_turns_each_phase_to_its_own_corner():
    w, _, safe, _ = mixed_corner()
    found = verify.adversarial_corners(w, safe)
    for k, phase in enumerate(PHASES):
        bus = w.rows.network.grid.bus_index[f"1.{phase}"]
        low = (w.rows.kind[found.limit] == Kind.VM_MIN) & (w.rows.element[found.limit] == bus)
        high = (w.rows.kind[found.limit] == Kind.VM_MAX) & (w.rows.element[found.limit] == bus)
        assert (found.is_up[low] == (np.arange(3) == k)).all() and low.any()
        assert (found.is_up[high] == (np.arange(3) != k)).all() and high.any()


def test_boxes_that_break_a_limit_are_shrunk_until_the_check_holds(monkeypatch):
    w, rest, _, wide = mixed_corner()
    monkeypatch.setattr(capability, "share_window", lambda *_: wide)
    boxes, checks = capability.share_and_check(w, rest, [], ("max_total", None), (0, (1,)))
    assert checks.shrunk.all() and not checks.violations.any()
    assert 0.0 < boxes.up_kw.sum() < wide.up_kw.sum()


def test_nothing_is_certified_in_a_three_phase_grid_not_even_one_asset_with_room_to_spare():
    one = phase_study(street(1).grid(), {"m": "1.a"}, [charger("C", "m", 5.0)], band=(0.5, 1.5))
    for of in (one, on_every_phase(1, head_a=500.0, band=(0.5, 1.5))):
        w, _, boxes = boxes_of(of)
        assert not certify(w, boxes).any()


def with_every_kind_of_member():
    """Assets on single phases, on three, at several power factors; fixed ones between phases as well."""
    grid = rated(four_bus_drawing().grid(), {"L1": 80.0, "L2": 60.0, "L3": 60.0})
    places = {"a": "2.a", "b": "3.b", "all": "1.", "between": "1.bc", "delta": "1.delta"}
    assets = [
        replace(battery("Ba", "a", 5.0), power_factor=0.9),
        battery("Bb", "b", 5.0),
        replace(battery("Ball", "all", 9.0), power_factor=0.95),
        load("Lbetween", "between"),
        load("Ldelta", "delta"),
        load("Lb", "b"),
    ]
    profiles = {"Lbetween": [3.0, 1.0], "Ldelta": [4.0, 2.0], "Lb": [1.0, 2.0]}
    return phase_study(grid, places, assets, profiles, steps=2, band=(0.85, 1.1))


def test_a_flow_of_a_window_has_every_member_where_it_is():
    w = window(with_every_kind_of_member())
    p_kw = np.array([[2.0, -3.0, 6.0], [-1.0, 4.0, -3.0]])
    solution = w.flow(p_kw, np.array([0, 1]))
    for step, (between, delta, fixed) in enumerate([(3.0, 4.0, 1.0), (1.0, 2.0, 2.0)]):
        a, b, three = p_kw[step] + 1j * p_kw[step] * np.tan(np.arccos([0.9, 1.0, 0.95]))
        loads = [("2.a", "", a), ("3.b", "", b + fixed), ("1.b", "1.c", between)]
        loads += [(f"1.{p}", "", three / 3) for p in PHASES]
        loads += [(f"1.{p}", f"1.{q}", delta / 3) for p, q in ("ab", "bc", "ca")]
        dense = solve_by_gauss(four_bus_drawing(), loads=[(*each, "power") for each in loads])
        v = solution.v_nodes()[step][w.rows.network.node_of_bus]
        np.testing.assert_allclose(v, dense, atol=1e-8)


def each_value(w, solution, step):
    """g of all limits in each scenario, shape (scenarios, limits)."""
    scenario = np.repeat(np.arange(len(step)), len(w.rows))
    limit = np.tile(np.arange(len(w.rows)), len(step))
    at = (scenario, step[scenario], limit)
    return limit_values(w.rows, solution, at, np.zeros(len(limit))).reshape(len(step), -1)


def test_limits_are_those_of_the_load_flow_by_phase_and_conductor():
    w = window(with_every_kind_of_member())
    rng = np.random.default_rng(2)
    step = rng.integers(0, 2, 30)
    solution = w.flow(rng.uniform(-5.0, 5.0, (30, 3)), step)
    assert solution.solved.all()
    value, rows = each_value(w, solution, step), w.rows
    vm_pu, loading = solution.vm_pu(), solution.loading_percent()
    low, high = rows.kind == Kind.VM_MIN, rows.kind == Kind.VM_MAX
    np.testing.assert_allclose(value[:, low], 0.85 - vm_pu[:, rows.element[low]], atol=1e-12)
    np.testing.assert_allclose(value[:, high], vm_pu[:, rows.element[high]] - 1.1, atol=1e-12)
    flows = rows.kind == Kind.LOADING
    assert flows.sum() == 6
    np.testing.assert_allclose(value[:, flows], loading[:, rows.element[flows]] / 100.0 - 1.0, atol=1e-9)
    worst, where = worst_margins(rows, solution, step)
    np.testing.assert_allclose(worst.max(axis=1), value.max(axis=1), atol=1e-12)
    side = worst.argmax(axis=1)
    each = np.arange(30)
    np.testing.assert_allclose(value[each, where[each, side]], value.max(axis=1), atol=1e-12)


def test_currents_of_a_branch_are_those_of_the_network_whatever_it_is_coupled_to():
    w = window(with_every_kind_of_member())
    solution = w.flow(np.array([[5.0, -4.0, 3.0]]), np.array([0]))
    branch = np.arange(len(w.rows.network.grid.branches))
    assert w.rows.ends.node.shape[1] == 6
    ours = w.rows.ends.currents(solution.v_nodes(), np.zeros_like(branch), branch)
    for mine, theirs in zip(ours, solution.currents_pu(), strict=True):
        np.testing.assert_allclose(mine, theirs[0], atol=1e-12)


def test_branches_lead_away_from_the_source_on_every_phase():
    w = window(with_every_kind_of_member())
    assert (w.rows.ends.outward == 1.0).all()
    turned = with_every_kind_of_member()
    b, c = turned.grid.branches, turned.grid.coupling
    flipped = replace(b, from_bus=b.to_bus, to_bus=b.from_bus)
    coupling = replace(c, row_end=1 - c.row_end, column_end=1 - c.column_end)
    w = window(replace(turned, grid=replace(turned.grid, branches=flipped, coupling=coupling)))
    assert (w.rows.ends.outward == -1.0).all()


@pytest.mark.parametrize("by_assets", [True, False])
@pytest.mark.parametrize("of", [with_every_kind_of_member, lambda: on_every_phase(2, head_a=60.0)])
def test_slopes_are_what_a_small_step_of_each_asset_does(of, by_assets):
    w = window(of())
    rng = np.random.default_rng(4)
    count = len(w.asset)
    rest = rng.uniform(-2.0, 2.0, (w.steps, count))
    boxes = Boxes(rest, np.zeros_like(rest), np.zeros_like(rest))
    queries = all_queries(w, np.zeros(1, np.int64))
    if not by_assets:
        # Few limits a corner: each gets the gradient of its own.
        queries = queries.take(np.flatnonzero(np.arange(len(queries)) % 7 == 3)[: count - 1])
    found = answer(w, boxes, queries)
    for asset in range(count):
        step = np.zeros_like(rest)
        step[:, asset] = 1e-3
        up, down = (values(w, Boxes(rest + s * step, boxes.up_kw, boxes.down_kw), queries) for s in (1, -1))
        np.testing.assert_allclose(found.slope[:, asset], (up - down) / 2e-3, atol=3e-7)


def test_nothing_in_a_box_exceeds_the_bound_on_currents():
    w = window(with_every_kind_of_member())
    rng = np.random.default_rng(5)
    half = np.full((2, 3), 5.0)
    node = w.rows.network.node_of(w.terminals.bus)
    power = np.abs(w.s_pu)
    most = w.terminals.of_rows(half * np.hypot(1.0, w.tan_phi)) / 1e3
    np.add.at(power.T, node, most.T)
    bound = largest_currents(w.reach, power[:, w.reach.node], w.pairs())
    assert np.isfinite(bound).all()
    step = rng.integers(0, 2, 400)
    points = np.where(
        rng.random((400, 3)) < 0.7, np.sign(rng.normal(size=(400, 3))), rng.uniform(-1, 1, (400, 3))
    )
    solution = w.flow(5.0 * points, step)
    drawn = np.abs(solution.network.y_pq @ solution.v_pq.T + solution.network.rows.source_re[:, None]
                   + 1j * solution.network.rows.source_im[:, None]).T[:, w.reach.node]  # fmt: skip
    assert (drawn <= bound[step] + 1e-12).all()
    # A bound that is worth something: at a node where no two loads cancel it is nearly reached.
    assert np.median(bound.max(axis=0) / drawn.max(axis=0)) < 1.1


def test_powers_that_no_grid_bears_have_no_bound():
    w = window(on_every_phase(1))
    none = LoadPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, complex))
    for size, bounded in ((0.005, True), (1.0, False)):
        bound = largest_currents(w.reach, np.full((1, len(w.reach.node)), size), none)
        assert np.isfinite(bound).all() == bounded and (bounded or np.isinf(bound).all())


@pytest.mark.parametrize("share", [0.5, 0.999, 1.0001, 1.01, 2.0])
def test_currents_have_a_bound_up_to_where_one_node_collapses(share):
    """r = |Z| S / (V0 - r) has a solution up to 4 |Z| S = V0²; rounds that end early prove nothing."""
    w = window(phase_study(street(1).grid(), {"m": "1.a"}, [charger("C", "m")]))
    z, v_idle = w.reach.impedance[0, 0], np.abs(w.reach.v_idle[w.reach.node[0]])
    none = LoadPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, complex))
    power = share * v_idle**2 / (4.0 * z)
    bound = largest_currents(w.reach, np.array([[power]]), none)[0, 0]
    if share > 1.0:
        assert np.isinf(bound)
    elif share < 0.9:
        radius = (v_idle - np.sqrt(v_idle**2 - 4.0 * z * power)) / 2.0
        assert bound == pytest.approx(radius / z, rel=1e-6)


def test_who_is_behind_a_conductor_is_behind_it_on_any_of_its_phases():
    places = {"a": "2.a", "b": "2.b", "near": "1.a", "all": "2."}
    of = phase_study(rated(street(2).grid(), {"L2": 50.0}), places, [charger(f"C{n}", n) for n in places])
    w = window(of)
    limit = np.flatnonzero(w.rows.kind == Kind.LOADING)
    assert [w.rows.name(int(k))[0] for k in limit] == ["L2.a", "L2.b", "L2.c"]
    assert _behind(w, limit).tolist() == [
        [True, False, False, True],
        [False, True, False, True],
        [False, False, False, True],
    ]


def test_a_branch_is_passed_over_only_where_no_vertex_overloads_it():
    def settled_and_worst(head_a: float) -> tuple[np.ndarray, np.ndarray]:
        places = {phase: f"1.{phase}" for phase in PHASES}
        assets = [battery(f"B{phase}", phase, 5.0) for phase in PHASES]
        w = window(phase_study(rated(street(1).grid(), {"L1": head_a}), places, assets, band=(0.5, 1.5)))
        boxes = Boxes(w.rest_kw, w.high_kw - w.rest_kw, w.rest_kw - w.low_kw)
        vertices = ((np.arange(8)[:, None] >> np.arange(3)) & 1).astype(bool)
        at = np.zeros(8, np.int64)
        worst_a = w.flow(boxes.corner(at, vertices), at).loading_percent().max(axis=0) / 100.0 * head_a
        settled = cannot_overload(w, boxes)[0]
        loading = w.rows.kind == Kind.LOADING
        assert not settled[~loading].any()
        return settled[loading], worst_a

    _, worst_a = settled_and_worst(100.0)
    for head_a in np.linspace(0.9, 1.6, 15) * worst_a.max():
        settled, _ = settled_and_worst(head_a)
        assert not (settled & (worst_a > head_a)).any()
    assert settled.all() and not settled_and_worst(0.999 * worst_a.min())[0].any()


def narrow_in_between(low: float):
    """A street of four buses with chargers at the third, and a band of its own at the second."""
    grid = street(4).grid()
    assets = [charger(f"C{phase}", phase, 9.0) for phase in PHASES]
    of = phase_study(grid, {phase: f"3.{phase}" for phase in PHASES}, assets, band=(0.9, 1.05))
    own = of.limits.vm_min_pu.copy()
    own[0, [grid.bus_index[f"2.{phase}"] for phase in PHASES]] = low
    return replace(of, limits=replace(of.limits, vm_min_pu=own))


def test_a_limit_between_two_others_joins_where_it_is_the_tighter_one():
    """At bus 2 nothing is connected: left out at first, it binds if its own band is the narrowest."""
    _, _, loose = boxes_of(narrow_in_between(0.9))
    w, rest, tight = boxes_of(narrow_in_between(0.97))
    assert tight.up_kw.sum() < 0.9 * loose.up_kw.sum()
    assert -1e-6 < worst_of_all_vertices(w, rest, tight) <= 0.0


def test_limits_between_two_others_are_left_out_at_first(monkeypatch):
    looked_at = []
    iterate = allocate._iterate

    def watched(window, state, share, queries, answers):
        looked_at.append({window.rows.name(int(limit))[0] for limit in queries.limit})
        return iterate(window, state, share, queries, answers)

    monkeypatch.setattr(allocate, "_iterate", watched)
    w, _, _ = boxes_of(narrow_in_between(0.9))
    names = w.rows.network.grid.buses.name
    assert {names[bus] for bus in w.rows.element[w.passes]} == {f"{k}.{p}" for k in (1, 2) for p in PHASES}
    # The end of the street lies between no two others.
    assert looked_at[0] == {f"{k}.{p}" for k in (3, 4) for p in PHASES}


def test_no_phase_makes_a_limit_worse_that_another_breaks_at_rest():
    """Phase a is too low at rest. Injection on b and c would lower it further: it gets no room."""
    places = {phase: f"1.{phase}" for phase in PHASES} | {"heavy": "1.a"}
    assets = [*(battery(f"B{phase}", phase, 4.0) for phase in PHASES), load("L", "heavy")]
    of = phase_study(street(1).grid(), places, assets, {"L": 11.0}, band=(0.95, 1.1))
    w, rest, boxes = boxes_of(of)
    bus = w.rows.network.grid.bus_index["1.a"]
    broken = np.flatnonzero(rest.broken[0])
    assert w.rows.element[broken].tolist() == [bus] and not rest.max_resolved[0] and rest.min_resolved[0]
    assert not boxes.up_kw.any()
    assert boxes.down_kw[0, 0] == pytest.approx(4.0) and boxes.down_kw[0, 1:].max() < 0.01
    assert worst_of_all_vertices(w, rest, boxes) <= 0.0
    at_rest = w.flow(rest.boxes.rest_kw, np.zeros(1, np.int64)).vm_pu()[0, bus]
    sunny = w.flow(np.array([[0.0, -4.0, -4.0]]), np.zeros(1, np.int64)).vm_pu()[0, bus]
    assert sunny < at_rest - 1e-3


def test_draws_load_one_phase_and_leave_another():
    places = {f"{phase}{k}": f"1.{phase}" for phase in PHASES for k in range(8)}
    of = phase_study(street(1).grid(), places, [charger(f"C{n}", n, 0.1) for n in places])
    w, _, boxes = boxes_of(of)
    assert sorted(set(w.phase.tolist())) == [0, 1, 2]
    points = verify._draw(w, boxes, 500, np.random.default_rng(1))[0]
    up = (points > 0.05).reshape(500, 3, 8).mean(axis=2)
    for phase in range(3):
        others = np.delete(up, phase, axis=1)
        assert ((up[:, phase] >= 0.85) & (others <= 0.2).all(axis=1)).sum() >= 1


def test_the_nearest_phase_row_ranks_an_asset():
    of = phase_study(
        street(2).grid(),
        {"far": "2.a", "near": "1.b", "three": "2."},
        [charger("A", "far"), charger("Z", "near"), charger("B", "three")],
    )
    assert window(of).rank.tolist() == [1, 0, 2]


def test_the_task_names_phases_and_conductors_and_says_tested():
    of = on_every_phase(1, head_a=40.0)
    result = run(replace(of, tasks={"envelopes": {"draws": 200}}), "envelopes")
    checks = result.tables["envelope_checks"]
    assert set(checks["status"]) == {"tested"} and (checks["worst_margin"] >= 0.0).all()
    assert set(checks["element"]) <= {*of.grid.buses.name, *of.grid.branches.name}
    assert result.summary["violations_found"] == 0 and result.summary["certified_share"] == 0.0
    loadings = result.tables["branch_loadings"]
    assert set(loadings["branch"]) == {"L1.a", "L1.b", "L1.c"}


def test_flexible_assets_between_phases_and_angle_limits_are_refused_together():
    of = phase_study(
        street(1).grid(),
        {"m": "1.ab", "d": "1.delta", "o": "1.a"},
        [charger("C", "m"), charger("D", "d"), charger("O", "o")],
    )
    angles = replace(of.limits, va_max_degree=np.full_like(of.limits.va_max_degree, 10.0))
    with pytest.raises(StudyError) as raised:
        run(replace(of, limits=angles), "envelopes")
    found = [problem.found for problem in raised.value.problems]
    assert found == [
        "true for 'C', which lies on 'ab'",
        "true for 'D', which lies on 'delta'",
        "limits of angles",
    ]


def test_fixed_assets_between_phases_have_their_part_in_the_envelopes():
    """A heavy load between two phases takes room from both."""

    def up_kw(load_kw: float) -> np.ndarray:
        of = phase_study(
            street(1).grid(),
            {**{phase: f"1.{phase}" for phase in PHASES}, "pair": "1.ab"},
            [*(charger(f"C{phase}", phase, 20.0) for phase in PHASES), load("L", "pair")],
            {"L": load_kw},
            band=(0.9, 1.1),
        )
        w, rest, boxes = boxes_of(of)
        assert worst_of_all_vertices(w, rest, boxes) <= 1e-9
        return boxes.up_kw[0]

    alone, loaded = up_kw(0.0), up_kw(6.0)
    assert (loaded[:2] < alone[:2] - 0.5).all()


def test_a_look_at_voltages_is_one_of_its_own_scenario():
    v = np.arange(6).reshape(2, 3) + 0j
    at = Voltages(v, np.array([1, 0, 1]))
    assert at.at(np.array([0, 1, 2])).real.tolist() == [3.0, 1.0, 5.0]
    assert at.take(np.array([True, False, True])).at(np.array([2, 2])).real.tolist() == [5.0, 5.0]
