"""Which switches stand where in each scenario, and how a switchyard follows the rounds of a day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from communities import community_study
from gridcommons.model.clusters import ClusterGraph, Link, Pcc
from gridcommons.model.limits import Limits
from gridcommons.model.switches import Moves, positions
from gridcommons.model.tariffs import Prices
from gridcommons.ports import SwitchWish
from gridcommons.powerflow.switched_flows import connect, with_asset_power
from gridcommons.switching.clusters import find_clusters
from gridcommons.switching.transport import carry
from gridcommons.trading.community_day import make_community_day
from gridcommons.trading.rounds import NOBODY, Rounds
from gridcommons.trading.scenarios import (
    Switchyard,
    all_joined,
    clusters_alone,
    constant_positions,
    group_numbers,
    joined_clusters,
)

CONSUMPTION = np.array([[10.0, 20.0, 60.0], [40.0, 5.0, 0.0]])
GENERATION = np.array([[45.0, 0.0, 5.0], [0.0, 70.0, 10.0]])
BALANCE = GENERATION - CONSUMPTION


def graph(links, pccs):
    names = sorted({end for link in links for end in (link.a, link.b)} | {pcc.cluster for pcc in pccs})
    return ClusterGraph(tuple(names), tuple(links), tuple(pccs))


def test_clusters_alone_leaves_links_open_between_those_with_a_connection():
    made = graph([Link("1-2", "1", "2")], [Pcc("P1", "1"), Pcc("P2", "2")])
    assert clusters_alone(made).tolist() == [False, True, True]


def test_of_equal_links_the_first_is_closed():
    links = [Link("1-2", "1", "2", 30.0), Link("2-3", "2", "3", 30.0)]
    made = graph(links, [Pcc("P1", "1"), Pcc("P3", "3")])
    assert clusters_alone(made).tolist() == [True, False, True, True]
    turned = graph(links[::-1], [Pcc("P1", "1"), Pcc("P3", "3")])
    assert clusters_alone(turned).tolist() == [True, False, True, True]


def test_links_that_cannot_carry_are_no_way_to_a_connection():
    links = [
        Link("wide", "1", "2", 90.0, usable=False),
        Link("none", "1", "2", 0.0),
        Link("thin", "2", "3", 5.0),
    ]
    made = graph(links, [Pcc("P1", "1"), Pcc("P3", "3")])
    assert clusters_alone(made).tolist() == [False, False, True, True, True]


def test_what_is_stuck_closed_stays_closed_and_what_is_stuck_open_open():
    links = [Link("1-2", "1", "2", can_open=False), Link("2-3", "2", "3")]
    made = graph(links, [Pcc("P1", "1"), Pcc("P2", "2", usable=False), Pcc("P3", "3")])
    assert clusters_alone(made).tolist() == [True, False, True, False, True]
    assert all_joined(made).tolist() == [True, True, True, False, True]
    apart = graph(links, [Pcc("P1", "1"), Pcc("P2", "2"), Pcc("P3", "3")])
    assert clusters_alone(apart).tolist() == [True, False, True, True, True]


def test_a_cluster_without_any_way_is_left_alone():
    made = graph([Link("1-2", "1", "2")], [Pcc("P3", "3")])
    assert clusters_alone(made).tolist() == [False, True]


def test_groups_are_those_of_closed_links_alone():
    made = graph([Link("1-2", "1", "2"), Link("2-3", "2", "3")], [Pcc("P1", "1"), Pcc("P3", "3")])
    assert group_numbers(made, np.array([True, False, True, True])).tolist() == [0, 0, 2]


def make_study(**given):
    study = community_study(CONSUMPTION, GENERATION, **given)
    blank = np.full(2, np.nan)
    return replace(study, prices=Prices(np.array([0.3, 0.5]), np.array([0.1, 0.1]), blank, blank))


def make_rounds(*rows):
    """Rounds of (minute, kind, minute of effect, whether in force)."""
    minute, kind, effect, in_force = zip(*rows, strict=True)
    return Rounds(
        minute=np.array(minute),
        kind=kind,
        cluster=np.full(len(rows), NOBODY),
        trigger=("periodic",) * len(rows),
        member=np.full(len(rows), NOBODY),
        effect_minute=np.array(effect),
        takes_effect=np.array(in_force),
        storage_bytes=np.zeros(len(rows), dtype=np.int64),
    )


class Scripted:
    """A controller that closes what it is told to, and remembers what it was asked."""

    def __init__(self, wanted, *, reason="", refused=()):
        self.wanted, self.reason, self.refused = (
            [np.array(each, dtype=bool) for each in wanted],
            reason,
            refused,
        )
        self.asked, self.loaded = [], []

    def find_clusters(self, grid, members, switches):
        return find_clusters(grid, members, switches)

    def plan(self, made, balance_kw, current, wish):
        self.asked.append((balance_kw.copy(), current.copy(), wish))
        closed = self.wanted[len(self.asked) - 1]
        links = len(made.links)
        return replace(
            carry(made, balance_kw, closed[:links], closed[links:]), notes=(f"plan {len(self.asked)}",)
        )

    def exchange(self, made, balance_kw, closed):
        links = len(made.links)
        return carry(made, balance_kw, closed[:links], closed[links:])

    def move(self, loaded, start, goal):
        self.loaded.append(loaded)
        moved = [k for k in np.flatnonzero(start != goal) if loaded.switches[k].name not in self.refused]
        reached = start.copy()
        reached[moved] = goal[moved]
        names = tuple(loaded.switches[k].name for k in moved)
        return Moves(names, goal[moved], reached, self.reason, float(len(moved)))


# Links A-B and B-C, then the connections of A and C; in the grid the connections come first.
JOINED = (True, True, True, False)
APART = (True, False, True, True)


def follow(controller, rounds, *, asked_kw=None, study=None, connected=None, allowed=False):
    study = make_study() if study is None else study
    clusters = controller.find_clusters(study.grid, study.community.members, study.switches)
    assert [switch.name for switch in clusters.graph.switches] == ["A-B", "B-C", "PCC A", "PCC C"]
    connected = connect(study, study.time.step_minutes) if connected is None else connected
    yard = Switchyard(study, clusters, controller, SwitchWish(allowed, worth_hours=0.5), connected)
    asked = np.zeros((len(rounds), 3)) if asked_kw is None else asked_kw
    return yard.follow(make_community_day(study, "band"), rounds, asked, positions(study.switches))


def in_grid(wanted):
    """Positions of the switches in the order of the study."""
    return [wanted[2], wanted[3], wanted[0], wanted[1]]


def test_positions_change_when_a_decision_takes_effect_and_stay_until_the_next():
    controller = Scripted([JOINED, APART])
    placed = follow(controller, make_rounds((0, "community", 4, True), (16, "community", 20, True)))
    assert placed.closed.shape == (30, 4)
    assert placed.closed[:4].all()
    np.testing.assert_array_equal(placed.closed[4:20], np.tile(in_grid(JOINED), (16, 1)))
    np.testing.assert_array_equal(placed.closed[20:], np.tile(in_grid(APART), (10, 1)))
    assert [(change.round, change.minute) for change in placed.changes] == [(0, 4), (1, 20)]
    assert [change.moves.switch for change in placed.changes] == [("PCC C",), ("PCC C", "B-C")]
    assert placed.operations == 3 and placed.cost_amount == 3.0
    assert placed.notes == ("plan 1", "plan 2")


def test_a_plan_is_made_for_what_is_measured_and_moved_under_what_then_flows():
    controller = Scripted([JOINED, APART])
    follow(controller, make_rounds((0, "community", 20, True), (16, "community", 21, True)), allowed=True)
    (first, current, wish), (second, then, later) = controller.asked
    np.testing.assert_allclose(first, BALANCE[0])
    np.testing.assert_allclose(second, BALANCE[1])
    assert current.all() and then.tolist() == list(JOINED)
    assert (wish.price_per_kwh, later.price_per_kwh) == pytest.approx((0.2, 0.4))
    assert wish.worth_hours == 0.5 and wish.parallel_allowed
    loaded = controller.loaded[0]
    np.testing.assert_allclose(loaded.p_kw[:2], [40.0, 0.0])
    assert loaded.parallel_allowed and loaded.to_bus.tolist() == [-1] * 6


def test_what_is_asked_of_batteries_is_no_longer_surplus():
    controller = Scripted([JOINED])
    asked_kw = np.array([[5.0, -2.0, 0.0]])
    placed = follow(controller, make_rounds((0, "community", 0, True)), asked_kw=asked_kw)
    np.testing.assert_allclose(controller.asked[0][0], BALANCE[0] - asked_kw[0])
    assert placed.expected_kw[0].tolist() == pytest.approx([BALANCE[0].sum() - 3.0, 0.0])


def test_limits_and_loads_are_those_of_the_minute_of_effect_even_where_loads_go_by_the_minute():
    study = make_study()
    one = study.limits
    by_step = Limits(*(np.repeat(getattr(one, name), 2, axis=0) for name in one.__dataclass_fields__))
    by_step.vm_min_pu[1] = 0.9
    study = replace(study, limits=by_step)
    power = np.arange(30.0)[:, None]
    by_minute = with_asset_power(connect(study, 15), np.array([0]), power)
    for connected, drawn in ((connect(study, 15), [10.0, 40.0]), (by_minute, [14.0, 15.0])):
        controller = Scripted([JOINED, APART])
        rounds = make_rounds((0, "community", 14, True), (1, "community", 15, True))
        follow(controller, rounds, study=study, connected=connected)
        assert [loaded.limits.vm_min_pu[0, 0] for loaded in controller.loaded] == [0.85, 0.9]
        assert [loaded.p_kw[0] for loaded in controller.loaded] == drawn


def test_the_grid_operator_is_told_what_to_expect_in_rounds_that_rule_alone():
    controller = Scripted([JOINED])
    rounds = make_rounds(
        (0, "cluster", 0, True),
        (0, "meters", 0, True),
        (1, "community", 3, False),
        (2, "community", 5, True),
        (3, "community", 30, True),
    )
    placed = follow(controller, rounds)
    told = np.isfinite(placed.expected_kw)
    assert told.tolist() == [[False] * 2] * 3 + [[True] * 2, [False] * 2]
    # Fed in is positive; all lack 20 − 35 + 55 kW together.
    assert placed.expected_kw[3].tolist() == pytest.approx([BALANCE[0].sum(), 0.0])


def test_where_nothing_moves_nothing_changes():
    controller = Scripted([(True, True, True, True)])
    placed = follow(controller, make_rounds((0, "community", 0, True)))
    assert not controller.loaded and not placed.changes and placed.closed.all()


def test_what_cannot_be_reached_is_noted_and_goes_on_from_where_it_stands():
    controller = Scripted([APART, APART], reason="B-C does not move", refused=("B-C",))
    placed = follow(controller, make_rounds((0, "community", 0, True), (5, "community", 5, True)))
    assert placed.closed.all() and not placed.changes
    assert len(controller.loaded) == 2 and any(note.endswith(": B-C does not move") for note in placed.notes)
    part = Scripted([(True, False, True, False)], reason="B-C does not move", refused=("B-C",))
    placed = follow(part, make_rounds((0, "community", 0, True)))
    np.testing.assert_array_equal(placed.closed[-1], in_grid(JOINED))
    assert placed.changes[0].moves.switch == ("PCC C",)


def test_the_grid_operator_is_told_what_comes_with_the_positions_that_are_reached():
    part = Scripted([(True, False, True, False)], reason="B-C does not move", refused=("B-C",))
    placed = follow(part, make_rounds((0, "community", 5, True)))
    assert placed.expected_kw[0].tolist() == pytest.approx([BALANCE[0].sum(), 0.0])
    assert placed.shortfall_kw.tolist() == [0.0]
    assert [note for note in placed.notes if "B-C" in note] == ["2022-06-15 00:05: B-C does not move"]


def test_what_goes_unserved_is_known_by_round():
    dark = (True, False, True, False)
    placed = follow(Scripted([dark]), make_rounds((0, "cluster", 0, True), (1, "community", 2, True)))
    assert np.isnan(placed.shortfall_kw[0]) and placed.shortfall_kw[1] == pytest.approx(-BALANCE[0, 2])
    assert placed.expected_kw[1].tolist() == pytest.approx([BALANCE[0, :2].sum(), 0.0])


def test_who_is_joined_and_who_has_a_way_by_positions():
    study = make_study()
    clusters = find_clusters(study.grid, study.community.members, study.switches)
    rows = [JOINED, (True, False, True, False), (False, False, True, True), JOINED]
    closed = np.array([in_grid(row) for row in rows])
    label, has_way = joined_clusters(clusters, closed)
    assert label.tolist() == [[0, 0, 0], [0, 0, 2], [0, 1, 2], [0, 0, 0]]
    assert has_way.tolist() == [[True] * 3, [True, True, False], [True, False, True], [True] * 3]


def test_constant_positions_tell_the_grid_operator_nothing():
    study = make_study()
    clusters = find_clusters(study.grid, study.community.members, study.switches)
    placed = constant_positions(clusters, np.array(JOINED), (7, 3))
    np.testing.assert_array_equal(placed.closed, np.tile(in_grid(JOINED), (7, 1)))
    assert placed.expected_kw.shape == (3, 2) and np.isnan(placed.expected_kw).all()
    assert placed.operations == 0 and placed.cost_amount == 0.0 and placed.notes == ()
