"""When a controller leaves switches alone, what it counts, and how it moves them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from communities import community_study
from feeders import branches, buses, source
from gridcommons.known_answers import voltage_band
from gridcommons.model.clusters import ClusterGraph, Link, Pcc
from gridcommons.model.grid import Grid
from gridcommons.model.switches import Switch, positions
from gridcommons.ports import Loaded, SwitchWish
from gridcommons.switching.controller import PLANNERS, ClusterController, make_controller
from gridcommons.switching.transport import carry

BALANCE = np.array([10.0, -50.0])
APART, JOINED = np.array([False, True, True]), np.array([True, False, True])
"""Link, P1, P2: joined, 10 kW less are fed in and 10 kW less are drawn."""


def two(capacity_kw=np.inf, costs=(1.0, 2.0, 4.0)):
    link, first, second = costs
    return ClusterGraph(
        ("1", "2"),
        (Link("1-2", "1", "2", capacity_kw, operation_cost_amount=link),),
        (
            Pcc("P1", "1", operation_cost_amount=first),
            Pcc("P2", "2", operation_cost_amount=second),
        ),
    )


def closed_of(topology):
    return np.concatenate([topology.link_closed, topology.pcc_closed]).tolist()


def wish(price, hours=0.5, **more):
    return SwitchWish(price_per_kwh=price, worth_hours=hours, **more)


@pytest.mark.parametrize("method", list(PLANNERS))
def test_a_change_must_pay_for_the_switches_that_move_and_for_no_others(method):
    """20 kW of exchange less over half an hour at 0.3 are worth 3.00; the link and P1 cost 1 and 2."""
    controller = make_controller(method)
    stays = controller.plan(two(), BALANCE, APART, wish(0.3))
    assert closed_of(stays) == APART.tolist()
    assert (stays.injection_kw, stays.absorbed_kw) == (10.0, 50.0)
    moves = controller.plan(two(), BALANCE, APART, wish(0.3001))
    assert closed_of(moves) == JOINED.tolist()
    assert (moves.injection_kw, moves.absorbed_kw) == (0.0, 40.0)
    assert closed_of(controller.plan(two(), BALANCE, APART, wish(0.3, 0.51))) == JOINED.tolist()
    assert closed_of(controller.plan(two(), BALANCE, APART, wish(0.3, 0.49))) == APART.tolist()


@pytest.mark.parametrize("method", list(PLANNERS))
def test_without_prices_any_exchange_less_is_worth_every_operation(method):
    controller = make_controller(method)
    dear = two(costs=(1e9, 1e9, 1e9))
    assert closed_of(controller.plan(dear, BALANCE, APART, SwitchWish())) == JOINED.tolist()
    # Nothing is saved where both have too much.
    plenty, hardly = np.array([10.0, 50.0]), np.array([1e-7, -50.0])
    assert (
        closed_of(controller.plan(two(costs=(0.0, 0.0, 0.0)), hardly, APART, SwitchWish())) == APART.tolist()
    )
    assert closed_of(controller.plan(two(), plenty, APART, SwitchWish())) == APART.tolist()


@pytest.mark.parametrize("method", list(PLANNERS))
def test_positions_that_are_not_allowed_are_left_whatever_it_costs(method):
    """Both connections in parallel: no more is exchanged, yet it may not stay, unless it is allowed."""
    controller, everything = make_controller(method), np.ones(3, dtype=bool)
    left = controller.plan(two(costs=(1e9, 1e9, 1e9)), BALANCE, everything, wish(0.001))
    assert not left.parallel and closed_of(left) != everything.tolist()
    stays = controller.plan(two(), BALANCE, everything, wish(0.001, parallel_allowed=True))
    assert closed_of(stays) == everything.tolist()


def test_two_connections_of_one_cluster_are_parallel_too():
    made = ClusterGraph(("1",), (), (Pcc("P", "1"), Pcc("Q", "1")))
    left = make_controller("heuristic").plan(made, np.array([5.0]), np.ones(2, bool), wish(0.001))
    assert sum(closed_of(left)) == 1


def test_a_loop_may_not_stay():
    links = tuple(Link(f"{a}-{b}", a, b, operation_cost_amount=9.0) for a, b in ("12", "23", "13"))
    made = ClusterGraph(("1", "2", "3"), links, (Pcc("P1", "1"),))
    balance_kw = np.array([10.0, -20.0, 5.0])
    controller = make_controller("optimal")
    loop = np.ones(4, dtype=bool)
    assert sum(closed_of(controller.plan(made, balance_kw, loop, wish(0.001)))[:3]) == 2
    tree = np.array([True, True, False, True])
    assert closed_of(controller.plan(made, balance_kw, tree, wish(0.001))) == tree.tolist()
    assert controller.plan(made, balance_kw, loop, wish(0.001, parallel_allowed=True)).loops == 1


@pytest.mark.parametrize("method", list(PLANNERS))
def test_positions_that_leave_somebody_unserved_are_left_whatever_it_costs(method):
    dark = np.array([False, False, True])
    balance_kw = np.array([-10.0, -50.0])
    plan = make_controller(method).plan(two(costs=(1e9, 1e9, 1e9)), balance_kw, dark, wish(0.001))
    assert plan.shortfall_kw == 0.0 and plan.absorbed_kw == 60.0


def test_the_notes_of_a_plan_that_is_not_carried_out_are_kept():
    made = ClusterGraph(("1", "2"), (Link("1-2", "1", "2", 0.0),), (Pcc("P1", "1"), Pcc("P2", "2")))
    plan = make_controller("heuristic").plan(made, BALANCE, APART, SwitchWish())
    assert closed_of(plan) == APART.tolist() and any("1-2" in note for note in plan.notes)


def test_a_planner_is_asked_from_where_the_switches_stand():
    seen = []

    def planner(graph, balance_kw, current, asked):
        seen.append((current.tolist(), asked))
        return carry(graph, balance_kw, JOINED[:1], JOINED[1:])

    asked = SwitchWish(objective="exchange")
    plan = ClusterController(planner).plan(two(), BALANCE, APART, asked)
    assert seen == [(APART.tolist(), asked)] and closed_of(plan) == JOINED.tolist()


def loaded_study(parallel_allowed=False, moves=True):
    consumption, generation = np.array([[10.0, 20.0, 60.0]]), np.array([[45.0, 0.0, 5.0]])
    study = community_study(consumption, generation, cost=2.0, moves=moves)
    bus = np.arange(3)
    p_kw = (consumption - generation)[0]
    return study, Loaded(
        study.grid,
        study.switches,
        study.limits,
        bus,
        np.full(3, -1),
        p_kw,
        np.zeros(3),
        parallel_allowed,
    )


def test_switches_are_closed_before_others_are_opened():
    study, loaded = loaded_study()
    names = [switch.name for switch in study.switches]
    start = np.array([name != "B-C" for name in names])
    goal = np.array([name != "PCC C" for name in names])
    moves = make_controller("heuristic").move(loaded, start, goal)
    assert moves.switch == ("B-C", "PCC C") and moves.closes.tolist() == [True, False]
    assert moves.reached.tolist() == goal.tolist() and moves.reason == "" and moves.cost_amount == 4.0


def test_a_goal_in_parallel_is_reached_only_where_that_is_allowed():
    for allowed in (False, True):
        study, loaded = loaded_study(allowed)
        start = np.array([switch.name != "B-C" for switch in study.switches])
        moves = make_controller("heuristic").move(loaded, start, np.ones(4, dtype=bool))
        assert (moves.switch == ("B-C",)) == allowed and bool(moves.reason) != allowed


def test_a_loop_is_closed_only_where_parallel_operation_is_allowed():
    grid = Grid(buses(3), branches([(0, 1), (1, 2), (0, 2)], 0.05 + 0.02j), source())
    switches = tuple(Switch(f"line {k}", (k,), k != 2) for k in range(3))
    start = positions(switches)
    for allowed in (False, True):
        loaded = Loaded(
            grid,
            switches,
            voltage_band(grid, 0.8, 1.2),
            np.array([1, 2]),
            np.full(2, -1),
            np.array([5.0, 9.0]),
            np.zeros(2),
            allowed,
        )
        moves = make_controller("optimal").move(loaded, start, np.ones(3, dtype=bool))
        assert (moves.switch == ("line 2",)) == allowed and bool(moves.reason) != allowed


def test_a_switch_that_does_not_move_is_the_reason():
    study, loaded = loaded_study(moves=False)
    start = positions(study.switches)
    goal = np.array([switch.name != "PCC C" for switch in study.switches])
    moves = make_controller("optimal").move(loaded, start, goal)
    assert moves.switch == () and moves.reached.tolist() == start.tolist() and "PCC C" in moves.reason


def test_operations_are_judged_under_the_load_of_the_moment():
    """Over the link alone C would fall below its limit under load; without load it would not."""
    study, loaded = loaded_study()
    limits = replace(loaded.limits, vm_min_pu=np.full((1, 5), 0.9975))
    start = np.array([switch.name != "B-C" for switch in study.switches])
    goal = np.array([switch.name != "PCC C" for switch in study.switches])
    controller = make_controller("heuristic")
    heavy = controller.move(replace(loaded, limits=limits), start, goal)
    light = controller.move(replace(loaded, limits=limits, p_kw=0.1 * loaded.p_kw), start, goal)
    reactive = controller.move(
        replace(loaded, limits=limits, p_kw=0.1 * loaded.p_kw, q_kvar=np.array([0.0, 0.0, 80.0])), start, goal
    )
    assert heavy.reason and light.reason == "" and reactive.reason
