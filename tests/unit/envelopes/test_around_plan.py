"""Envelopes around a plan hold every limit at both corners, leave nothing unused, and let everybody rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders import battery, charger, load, solar, study, tree, window
from gridcommons.envelopes.around_plan import PlanEnvelopes, Surroundings, envelopes_around
from gridcommons.envelopes.at_rest import settle_at_rest
from gridcommons.envelopes.boxes import Boxes
from gridcommons.envelopes.problem import Window
from gridcommons.envelopes.verify import check_boxes
from gridcommons.model.study import Study
from unit_envelopes import mixed_study

SEEDS = st.integers(0, 10_000)
TOLERANCE = 1e-6
SHARES = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Made:
    """A study with envelopes around a plan."""

    study: Study
    window: Window
    around: Surroundings
    plan_kw: np.ndarray
    found: PlanEnvelopes

    @property
    def ends(self):
        """Both corners."""
        return self.found.p_max_kw, self.found.p_min_kw


def surroundings(of: Study, at: Window, margin=0.0) -> Surroundings:
    """The grid of a study around what it controls."""
    moved = set(at.asset)
    fixed = [k for k, asset in enumerate(of.community.assets) if asset.asset not in moved]
    net_kw = [asset.net_kw(of.profiles.signals(asset)) for asset in of.community.assets]
    fixed_kw = np.stack([net_kw[k] for k in fixed], axis=1) if fixed else np.zeros((at.steps, 0))
    limits = of.limits.window(0, at.steps)
    room_pu = 0.5 * margin * (limits.vm_max_pu - limits.vm_min_pu)
    limits = replace(
        limits,
        vm_min_pu=limits.vm_min_pu + room_pu,
        vm_max_pu=limits.vm_max_pu - room_pu,
        loading_max_percent=limits.loading_max_percent * (1.0 - margin),
    )
    bus = of.community.asset_buses(of.grid)
    return Surroundings(
        network=at.rows.network,
        limits=limits,
        bus=at.terminals.bus,
        tan=at.tan_phi,
        fixed_kw=fixed_kw,
        fixed_kvar=np.zeros_like(fixed_kw),
        fixed_bus=bus[fixed].astype(np.int64),
    )


def made(of: Study, plan_kw=None, seed=0, margin=0.0) -> Made:
    """Envelopes of a study, around a random plan unless one is given."""
    at = window(of)
    around = surroundings(of, at, margin)
    if plan_kw is None:
        share = np.random.default_rng([seed, 5]).random(at.low_kw.shape)
        plan_kw = at.low_kw + share * (at.high_kw - at.low_kw)
    found = envelopes_around(around, plan_kw, (at.low_kw, at.high_kw))
    return Made(of, at, around, plan_kw, found)


def beyond(of: Made, p_kw):
    """By how much each interval is beyond its worst limit, of voltages and loadings [pu or share]."""
    flow, limits = of.around.flow(p_kw), of.around.limits
    vm_pu, share = flow.vm_pu(), (flow.loading_percent() - limits.loading_max_percent) / 100.0
    return np.concatenate([limits.vm_min_pu - vm_pu, vm_pu - limits.vm_max_pu, share], axis=1)


@settings(max_examples=60)
@given(seed=SEEDS)
def test_both_corners_hold_every_limit_on_the_exact_load_flow(seed):
    of = made(mixed_study(seed), seed=seed)
    for p_kw, left in zip(of.ends, (of.found.left_up, of.found.left_down), strict=True):
        worst = beyond(of, p_kw).max(axis=1)
        assert (worst[left == 0.0] <= TOLERANCE + rest_breaks(of)[left == 0.0]).all()


def rest_breaks(of: Made):
    """What rest itself breaks of any limit, which the side that does not drive it cannot mend."""
    return np.maximum(beyond(of, of.window.rest_kw).max(axis=1), 0.0) * 1.001


@settings(max_examples=60)
@given(seed=SEEDS)
def test_the_ends_are_within_the_devices_and_around_rest(seed):
    """Nobody is made to draw or to inject, and nobody is promised what its device cannot do."""
    of = made(mixed_study(seed), seed=seed)
    assert (of.found.p_min_kw <= of.window.rest_kw + 1e-12).all()
    assert (of.found.p_max_kw >= of.window.rest_kw - 1e-12).all()
    assert (of.found.p_min_kw >= of.window.low_kw - 1e-12).all()
    assert (of.found.p_max_kw <= of.window.high_kw + 1e-12).all()


@settings(max_examples=60)
@given(seed=SEEDS)
def test_nothing_is_held_back_that_the_grid_could_carry(seed):
    """Where an end gave way, some limit is tight at its corner.

    Where the devices together would overload the grid by half and more, a kW there does more than at no load,
    by which ends are cut; then a little is left.
    """
    of = made(mixed_study(seed), seed=seed)
    bounds = (of.window.high_kw, of.window.low_kw)
    for p_kw, end_kw in zip(of.ends, bounds, strict=True):
        gave_way = (np.abs(p_kw - end_kw) > 1e-9).any(axis=1)
        at_rest = (np.abs(p_kw - of.window.rest_kw) < 1e-9).all(axis=1)
        worst, without = (beyond(of, kw).max(axis=1) for kw in (p_kw, end_kw))
        assert (worst > np.where(without < 0.4, -SLACK, -0.02))[gave_way & ~at_rest].all()


SLACK = 1e-4
"""What a limit may be left with [pu or share of the rating]."""


@settings(max_examples=60)
@given(seed=SEEDS)
def test_a_plan_that_the_grid_carries_is_inside_the_envelopes(seed):
    """What is safe with everybody's plan, one way and the other, is not cut to serve somebody's wish."""
    of = mixed_study(seed)
    at = window(of)
    rng = np.random.default_rng([seed, 6])
    plan_kw = 0.15 * rng.random(at.low_kw.shape) * rng.choice([at.low_kw, at.high_kw])
    here = made(of, plan_kw)
    drawn_kw = np.maximum(plan_kw, here.window.rest_kw)
    fed_in_kw = np.minimum(plan_kw, here.window.rest_kw)
    safe = (beyond(here, drawn_kw) <= 0.0).all(axis=1) & (beyond(here, fed_in_kw) <= 0.0).all(axis=1)
    assert (plan_kw <= here.found.p_max_kw + 1e-9)[safe].all()
    assert (plan_kw >= here.found.p_min_kw - 1e-9)[safe].all()


def test_plans_of_these_studies_are_often_safe_and_bind():
    """The law above is about something: hundreds of intervals, of which many had to give way."""
    count = 0
    for seed in range(40):
        of = made(mixed_study(seed), seed=seed)
        count += int((of.found.p_max_kw < of.window.high_kw - 1e-6).any(axis=1).sum())
    assert count > 20


@settings(max_examples=40)
@given(seed=SEEDS)
def test_what_stays_broken_is_said_exactly_where_rest_breaks_it(seed):
    """Loads that are too much by themselves: the side that makes it worse is left with what rest breaks."""
    rng = np.random.default_rng(seed)
    of = mixed_study(seed)
    much = {name: c * rng.choice([1.0, 12.0]) for name, c in of.profiles.columns.items() if name[0] == "L"}
    of = replace(of, profiles=replace(of.profiles, columns={**of.profiles.columns, **much}))
    here = made(of, seed=seed)
    flow, limits = here.around.flow(here.window.rest_kw), here.around.limits
    for left, p_kw, fall in (
        (here.found.left_up, here.found.p_max_kw, limits.vm_min_pu - flow.vm_pu()),
        (here.found.left_down, here.found.p_min_kw, flow.vm_pu() - limits.vm_max_pu),
    ):
        # A voltage beyond its limit at rest is beyond it whatever the side gives up.
        broken = fall.max(axis=1) > TOLERANCE
        assert (left[broken] >= fall.max(axis=1)[broken] - 1e-6).all()
        # What is left is what the corner breaks, and nobody there has anything to give.
        assert (left <= np.maximum(beyond(here, p_kw).max(axis=1), 0.0) + 1e-9).all()
    safe = (beyond(here, here.window.rest_kw) <= 0.0).all(axis=1)
    assert (here.found.left_up[safe] == 0.0).all() and (here.found.left_down[safe] == 0.0).all()


def test_a_load_that_is_too_much_leaves_its_side_broken_and_the_other_whole():
    """40 kW behind 1.8 Ω and a voltage far below its band: nobody may draw, and the roof may feed in."""
    assets = [load("L", "b3"), charger("C", "b3"), solar("S", "b2", 5.0)]
    of = study(tree([0, 1, 2], 0.6 + 0.08j), assets, {"L": 40.0, "S": 5.0})
    here = made(of, np.array([[3.0, -5.0]]))
    car, roof = (here.window.asset.index(name) for name in ("C", "S"))
    assert here.found.p_max_kw[0, car] == 0.0 and here.found.p_min_kw[0, roof] == pytest.approx(-5.0)
    idle = here.around.flow(here.window.rest_kw).vm_pu().min()
    assert here.found.left_up[0] == pytest.approx(0.95 - idle, abs=1e-6)
    assert here.found.left_down[0] == 0.0


def boxes_of(of: Made) -> Boxes:
    rest_kw = of.window.rest_kw
    return Boxes(rest_kw, of.found.p_max_kw - rest_kw, rest_kw - of.found.p_min_kw)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_no_mix_of_ends_breaks_a_limit_that_a_margin_is_left_of(seed):
    """Two per cent of each limit, as the day leaves them: no vertex and no point inside breaks the limit.

    Without a margin a mix can: who feeds in at the end of its line has more current there when all others
    draw, by as much as they lower its voltage.
    """
    of = made(mixed_study(seed), seed=seed, margin=0.02)
    rest = settle_at_rest(of.window, np.zeros(len(of.window.asset), dtype=bool))
    checks = check_boxes(of.window, boxes_of(of), rest, 200, (seed, 1))
    held = np.stack([of.found.left_up == 0.0, of.found.left_down == 0.0], axis=1)
    assert not checks.violations[held].any()


@settings(max_examples=25)
@given(seed=SEEDS)
def test_where_all_draw_both_corners_are_enough(seed):
    """Chargers and loads alone: every mix of ends is safe to the last bit."""
    of = mixed_study(seed)
    assets = tuple(a for a in of.community.assets if a.kind in ("ev_charger", "load"))
    of = replace(of, community=replace(of.community, assets=assets))
    here = made(of, seed=seed)
    rest = settle_at_rest(here.window, np.zeros(len(here.window.asset), dtype=bool))
    checks = check_boxes(here.window, boxes_of(here), rest, 200, (seed, 2))
    assert not checks.violations[here.found.left_up == 0.0].any()


def test_who_lies_behind_a_limit_gives_way_alike_and_who_does_not_is_left_alone():
    """Two chargers of 11 and 22 kW behind a line of 20 kVA, one before it: a part of their own way each."""
    rated_ka = np.array([1.0, 20.0 / (np.sqrt(3.0) * 0.4) / 1e3])
    grid = tree([0, 1], 0.01 + 0.0j, i_max_ka=rated_ka)
    assets = [charger("A", "b2", 11.0), charger("B", "b2", 22.0), charger("N", "b1", 22.0)]
    here = made(study(grid, assets), np.zeros((1, 3)))
    a, b, n = here.found.p_max_kw[0]
    assert n == 22.0 and a / 11.0 == pytest.approx(b / 22.0)
    flow = here.around.flow(here.found.p_max_kw)
    assert flow.loading_percent()[0, 1] == pytest.approx(100.0, abs=1e-3)
    assert a + b == pytest.approx(20.0, rel=0.02)


def test_who_plans_keeps_its_plan_and_who_only_might_gives_way_first():
    """18 of 20 kVA are planned by one of two alike: the other has what is left of them."""
    rated_ka = np.array([20.0 / (np.sqrt(3.0) * 0.4) / 1e3])
    grid = tree([0], 0.01 + 0.0j, i_max_ka=rated_ka)
    assets = [charger("A", "b1", 22.0), charger("B", "b1", 22.0)]
    here = made(study(grid, assets), np.array([[18.0, 0.0]]))
    a, b = here.found.p_max_kw[0]
    assert a >= 18.0 and a + b == pytest.approx(20.0, rel=0.02)
    assert (a - 18.0) / 4.0 == pytest.approx(b / 22.0, rel=1e-3)


def test_plans_that_are_too_much_together_give_way_alike():
    rated_ka = np.array([20.0 / (np.sqrt(3.0) * 0.4) / 1e3])
    grid = tree([0], 0.01 + 0.0j, i_max_ka=rated_ka)
    assets = [charger("A", "b1", 22.0), charger("B", "b1", 22.0)]
    here = made(study(grid, assets), np.array([[20.0, 10.0]]))
    a, b = here.found.p_max_kw[0]
    assert a == pytest.approx(2.0 * b, rel=1e-3) and a + b == pytest.approx(20.0, rel=0.02)


def test_the_intervals_of_a_day_do_not_know_of_each_other():
    """Newton's load flow solves each interval by itself: the same bytes alone and among others."""
    of = mixed_study(3)
    at = window(of)
    around = replace(surroundings(of, at), method="newton")
    plan_kw = 0.3 * at.high_kw
    whole = envelopes_around(around, plan_kw, (at.low_kw, at.high_kw))
    for step in range(at.steps):
        one = slice(step, step + 1)
        alone = replace(
            around,
            fixed_kw=around.fixed_kw[one],
            fixed_kvar=around.fixed_kvar[one],
            limits=of.limits.window(step, step + 1),
        )
        found = envelopes_around(alone, plan_kw[one], (at.low_kw[one], at.high_kw[one]))
        assert found.p_max_kw.tobytes() == whole.p_max_kw[one].tobytes()
        assert found.p_min_kw.tobytes() == whole.p_min_kw[one].tobytes()


def test_more_than_the_grid_can_carry_at_all_gives_way_too():
    """Ends so large that there is no load flow: the first rounds cut until there is one."""
    grid = tree([0, 1], 0.05 + 0.02j)
    assets = [battery("A", "b2", 5000.0), battery("B", "b1", 5000.0)]
    here = made(study(grid, assets), np.zeros((1, 2)))
    assert not here.around.flow(here.window.high_kw).solved.all()
    for p_kw in here.ends:
        assert beyond(here, p_kw).max() == pytest.approx(0.0, abs=1e-4)
    assert here.found.left_up[0] == here.found.left_down[0] == 0.0
