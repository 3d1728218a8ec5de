"""Cheapest plans of many devices: the optimum by another solver, the laws that it obeys, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flexibility_study import car, pump
from gridcommons.benchmarks.tariff import TariffWork, goal_of, make_homes, make_work, solve_with_clarabel
from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.profiles import Profiles
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation import chain_plans
from gridcommons.optimisation.chain_plans import SharedLimits, plan_devices, plan_shared
from gridcommons.optimisation.devices.chain import Chains, join
from gridcommons.optimisation.devices.ev_charger import charging_chains
from gridcommons.optimisation.devices.heat_pump import OUTDOOR, heating_chains

BREACH = 1e-6
"""In kW, kWh or °C: what a bound may be missed by."""

seeds = st.integers(0, 10**6)


def axis(steps, minutes=60):
    return TimeAxis(datetime(2024, 1, 10, tzinfo=UTC), minutes, steps)


def one_car(steps=3, minutes=60, columns=None, **changes) -> Chains:
    made = {f"car.{name}": np.array(values, dtype=float) for name, values in (columns or {}).items()}
    return charging_chains([car("car", "home", **changes)], Profiles(axis(steps, minutes), made))


def one_house(steps=24, outdoor_c=-4.0, **changes) -> Chains:
    profiles = Profiles(axis(steps), {OUTDOOR: np.full(steps, outdoor_c)})
    return heating_chains([pump("pump", "home", **changes)], profiles)


def random_case(seed, homes=3):
    """Chains, curvatures and prices of either sign and of sizes from a hundredth to ten."""
    rng = np.random.default_rng(seed)
    chains = make_homes(homes, seed)
    curvature = 10.0 ** rng.uniform(-2.5, 0.5, len(chains))
    cost = 10.0 ** rng.uniform(-2.0, 1.0) * rng.normal(0.3, 1.0, (len(chains), chains.steps))
    return rng, chains, curvature, cost


def price_of(limits: SharedLimits, mu, steps):
    """D'μ of each group, row by row."""
    price = np.zeros((limits.matrix.shape[1], steps))
    for row, step in enumerate(limits.step):
        price[:, step] += mu[row] * limits.matrix[row]
    return price


def all_of(chains, rooms, **changes) -> SharedLimits:
    """One group, one row an interval, without relief."""
    rows = len(rooms)
    values = {
        "group": np.zeros(len(chains), dtype=np.int64),
        "matrix": np.ones((rows, 1)),
        "step": np.arange(rows),
        "room_kw": np.asarray(rooms, dtype=float),
        "relief": np.zeros((rows, 0)),
    }
    return SharedLimits(**{**values, **changes})


# Another solver


@pytest.mark.parametrize(
    ("homes", "seed", "squeeze"),
    [(5, 1, 0.85), (20, 2, 0.7), (40, 3, 0.55), (60, 5, 0.95), (30, 4, 0.3), (45, 6, 0.15)],
)
def test_shared_plans_equal_clarabel(homes, seed, squeeze):
    work = make_work(homes, seed, squeeze)
    plan = plan_shared(work.chains, work.curvature, work.cost, work.limits)
    other_kw = solve_with_clarabel(work)
    assert goal_of(work, plan.power_kw) == pytest.approx(goal_of(work, other_kw), rel=1e-6)
    assert np.abs(plan.power_kw - other_kw).max() < 0.01
    assert (plan.mu > 1e-3).any()
    if squeeze <= 0.3:
        assert plan.slack_kw.max() > 1.0
    else:
        assert plan.slack_kw.max() < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_plans_of_devices_alone_equal_clarabel(seed):
    rng, chains, _, _ = random_case(seed, homes=15)
    cost = rng.normal(0.3, 0.5, (len(chains), chains.steps))
    curvature = rng.uniform(0.02, 0.5, len(chains))
    loose = all_of(chains, np.full(chains.steps, 1e5), relief=np.eye(chains.steps), relief_price=1.0)
    other_kw = solve_with_clarabel(TariffWork(chains, curvature, cost, loose))
    power_kw = plan_devices(chains, curvature, cost)
    assert np.abs(power_kw - other_kw).max() < 0.01
    work = TariffWork(chains, curvature, cost, loose)
    assert goal_of(work, power_kw) == pytest.approx(goal_of(work, other_kw), rel=1e-6)


def test_a_day_of_quarter_hours_equals_clarabel():
    steps, rng = 96, np.random.default_rng(5)
    hour = np.arange(steps) / 4.0
    columns = {OUTDOOR: 3.0 * np.cos(hour)}
    for name in ("c0", "c1", "c2"):
        columns[f"{name}.plugged_in"] = np.where((hour >= 7.25) & (hour < 16.5), 0.0, 1.0)
        columns[f"{name}.drive_kwh"] = np.where(hour == 16.25, 7.0, 0.0)
    profiles = Profiles(axis(steps, 15), columns)
    chains = join(
        [
            charging_chains([car(name, "home") for name in ("c0", "c1", "c2")], profiles),
            heating_chains([pump(f"p{k}", "home", k1) for k, k1 in enumerate((0.28, 0.42))], profiles),
        ]
    )
    cost = np.tile(0.25 * (0.35 + 0.1 * np.sin(hour)), (5, 1)) + 0.001 * rng.normal(size=(5, 1))
    curvature = np.full(5, 0.0025)
    free_kw = plan_devices(chains, curvature, cost).sum(axis=0)
    room_kw = np.full(steps, 0.8 * free_kw.max())
    limits = all_of(chains, room_kw, relief=np.eye(steps), relief_price=0.5)
    work = TariffWork(chains, curvature, cost, limits)
    plan, other_kw = plan_shared(chains, curvature, cost, limits), solve_with_clarabel(work)
    assert (plan.mu > 1e-4).sum() >= 2
    assert goal_of(work, plan.power_kw) == pytest.approx(goal_of(work, other_kw), rel=1e-6)
    assert np.abs(plan.power_kw - other_kw).max() < 0.01
    assert chains.breach(plan.power_kw) < BREACH


# Laws of plans alone


@given(seeds)
@settings(max_examples=60)
def test_a_plan_keeps_all_bounds_and_no_other_plan_is_cheaper(seed):
    """(q u + c)(v − u) ≥ 0 for every other plan v of the same devices: what makes u the optimum."""
    rng, chains, curvature, cost = random_case(seed)
    power_kw = plan_devices(chains, curvature, cost)
    assert chains.breach(power_kw) < BREACH
    assert ((power_kw >= chains.power_low) & (power_kw <= chains.power_high)).all(), "not to the last bit"
    scale = max(np.abs(cost).max(), curvature.max())
    for _ in range(3):
        other_kw = plan_devices(chains, curvature, rng.normal(0.0, scale, cost.shape))
        slope = curvature[:, None] * power_kw + cost
        gain = (slope * (other_kw - power_kw)).sum(axis=1)
        assert gain.min() > -3e-6 * scale


@given(seeds)
@settings(max_examples=60)
def test_the_answer_to_prices_is_monotone(seed):
    """Where a price rises, a device as a whole draws less: Σ Δp Δc ≤ −q Σ Δp² ≤ 0."""
    rng, chains, curvature, cost = random_case(seed)
    dearer = cost + rng.normal(0.0, np.abs(cost).max(), cost.shape) * (rng.random(cost.shape) < 0.3)
    moved_kw = plan_devices(chains, curvature, dearer) - plan_devices(chains, curvature, cost)
    product = (moved_kw * (dearer - cost)).sum(axis=1)
    strongly = product + curvature * (moved_kw**2).sum(axis=1)
    assert strongly.max() < 1e-5 * np.abs(dearer).max()


def test_a_car_of_two_free_hours_in_closed_form():
    """u1 + u2 = d and q u1 + c1 = q u2 + c2, so u1 = d/2 + (c2 − c1)/2q."""
    chains = one_car(3, columns={"drive_kwh": [0, 0, 6], "plugged_in": [1, 1, 0]})
    power_kw = plan_devices(chains, np.array([0.1]), np.array([[0.3, 0.5, 0.1]]))
    np.testing.assert_allclose(power_kw, [[3.0 + 0.2 / 0.2, 3.0 - 0.2 / 0.2, 0.0]], atol=1e-5)


def test_a_car_stops_where_the_next_kwh_would_be_dearer_than_nothing():
    """At negative prices q u + c = 0 without a binding bound: u = −c/q."""
    chains = one_car(2, energy_kwh=100.0)
    power_kw = plan_devices(chains, np.array([0.2]), np.array([[-0.4, -1.0]]))
    np.testing.assert_allclose(power_kw, [[2.0, 5.0]], atol=1e-5)


def test_a_price_far_above_all_others_is_never_paid_without_need():
    chains = make_homes(4, 8)
    cost = np.full((8, 24), 0.3)
    cost[:, 17] = 1e4
    power_kw = plan_devices(chains, np.full(8, 0.02), cost)
    assert chains.breach(power_kw) < BREACH
    assert power_kw[:4, 17].max() < 1e-4


def test_power_that_is_fixed_stays_what_it_is():
    rng, chains, curvature, cost = random_case(11)
    plan_kw = plan_devices(chains, curvature, cost)
    fixed = rng.random(plan_kw.shape) < 0.7
    low = np.where(fixed, plan_kw, chains.power_low)
    high = np.where(fixed, plan_kw, chains.power_high)
    narrowed = replace(chains, power_low=low, power_high=high)
    other_kw = plan_devices(narrowed, curvature, cost + rng.normal(0.0, 0.1, cost.shape))
    np.testing.assert_array_equal(other_kw[fixed], plan_kw[fixed])
    assert np.abs(other_kw - plan_kw)[~fixed].max() > 1e-3
    assert chains.breach(other_kw) < BREACH


@pytest.mark.parametrize("room_kw", [1e-2, 1e-4])
def test_bounds_close_around_a_plan_leave_an_answer(room_kw):
    """Nearly no interior, as where a plan may move at few hours only."""
    rng, chains, curvature, cost = random_case(12, homes=10)
    plan_kw = plan_devices(chains, curvature, cost)
    close = rng.random(plan_kw.shape) < 0.8
    close_low, close_high = (
        np.maximum(plan_kw - room_kw, 0.0),
        np.minimum(plan_kw + room_kw, chains.power_high),
    )
    narrowed = replace(
        chains,
        power_low=np.where(close, close_low, chains.power_low),
        power_high=np.where(close, close_high, chains.power_high),
    )
    dearer = cost + rng.normal(0.0, 0.2, cost.shape)
    power_kw = plan_devices(narrowed, curvature, dearer)
    assert narrowed.breach(power_kw) < BREACH
    scale = np.abs(dearer).max()
    gain = ((curvature[:, None] * power_kw + dearer) * (plan_kw - power_kw)).sum(axis=1)
    assert gain.min() > -1e-5 * scale
    assert gain.max() > 0.0


# Laws of shared plans


@given(seeds, st.floats(0.2, 0.97), st.integers(3, 20))
@settings(max_examples=40)
def test_shared_rows_and_their_duals_are_optimal(seed, squeeze, homes):
    """Rows hold, 0 ≤ μ ≤ ρ, μ (F + s − D p) = 0, μ = ρ where s > 0, and D'μ makes each device agree."""
    work = make_work(homes, seed, squeeze)
    limits = work.limits
    plan = plan_shared(work.chains, work.curvature, work.cost, limits)
    left_kw = limits.room_kw + plan.slack_kw - limits.used_kw(plan.power_kw)
    assert left_kw.min() > -2e-6
    assert work.chains.breach(plan.power_kw) < BREACH
    assert plan.mu.min() >= 0.0
    assert plan.mu.max() <= limits.relief_price + 1e-6
    assert plan.slack_kw.min() >= 0.0
    assert np.abs(plan.mu * left_kw).max() < 1e-5
    np.testing.assert_allclose(plan.mu[plan.slack_kw > 1e-3], limits.relief_price, atol=1e-5)
    own_cost = work.cost + price_of(limits, plan.mu, work.chains.steps)[limits.group]
    own_kw = plan_devices(work.chains, work.curvature, own_cost)
    assert np.abs(own_kw - plan.power_kw).max() < 0.01


def two_in_series(homes=20, seed=3, squeeze=(0.5, 0.5), cap=0.2):
    """Two lines one behind the other, both too small; slacks as a cap on every load point's sum of duals."""
    work = make_work(homes, seed)
    limits, steps = work.limits, work.chains.steps
    alone_kw = limits.used_kw(plan_devices(work.chains, work.curvature, work.cost)).reshape(2, steps)
    room_kw = np.repeat(np.array(squeeze) * alone_kw.max(axis=1), steps)
    relief = np.zeros((2 * steps, limits.matrix.shape[1], steps))
    for row, step in enumerate(limits.step):
        relief[row, :, step] = limits.matrix[row]
    return replace(
        work,
        limits=replace(limits, room_kw=room_kw, relief=relief.reshape(2 * steps, -1), relief_price=cap),
    )


@pytest.mark.parametrize("squeeze", [(0.55, 0.45), (0.3, 0.2), (0.5, 0.4)])
def test_a_cap_on_sums_holds_at_every_load_point(squeeze):
    work = two_in_series(squeeze=squeeze)
    limits, steps = work.limits, work.chains.steps
    plan = plan_shared(work.chains, work.curvature, work.cost, limits)
    price = price_of(limits, plan.mu, steps)
    assert price.max() == pytest.approx(limits.relief_price, abs=1e-6)
    both = (plan.mu.reshape(2, steps) > 1e-4).all(axis=0)
    assert both.any(), "two limits in series have to bind at once"
    left_kw = limits.room_kw + limits.relief @ plan.slack_kw - limits.used_kw(plan.power_kw)
    assert left_kw.min() > -2e-6
    assert np.abs(plan.mu * left_kw).max() < 1e-5
    slack_kw = plan.slack_kw.reshape(-1, steps)
    assert slack_kw.max() > 0.1
    np.testing.assert_allclose(price[slack_kw > 1e-3], limits.relief_price, atol=1e-5)
    own_kw = plan_devices(work.chains, work.curvature, work.cost + price[limits.group])
    assert np.abs(own_kw - plan.power_kw).max() < 0.01


def test_a_cap_on_sums_equals_clarabel():
    work = two_in_series(squeeze=(0.4, 0.3))
    plan, other_kw = (
        plan_shared(work.chains, work.curvature, work.cost, work.limits),
        solve_with_clarabel(work),
    )
    assert np.abs(plan.power_kw - other_kw).max() < 0.01


def test_a_cap_on_each_limit_lets_their_sum_exceed_it():
    """The contrast that makes the cap on sums worth having."""
    work = two_in_series(squeeze=(0.3, 0.2))
    limits = replace(work.limits, relief=np.eye(len(work.limits.room_kw)))
    plan = plan_shared(work.chains, work.curvature, work.cost, limits)
    assert plan.mu.max() <= limits.relief_price + 1e-6
    assert price_of(limits, plan.mu, work.chains.steps).max() > 1.5 * limits.relief_price


def test_rows_that_hold_anyway_cost_nothing():
    work = make_work(10, 1)
    loose = replace(work.limits, room_kw=work.limits.room_kw * 10.0)
    plan = plan_shared(work.chains, work.curvature, work.cost, loose)
    np.testing.assert_array_equal(plan.power_kw, plan_devices(work.chains, work.curvature, work.cost))
    assert not plan.mu.any()
    assert plan.rounds == 0


@pytest.mark.parametrize("squeeze", [0.99, 0.97, 0.9])
def test_a_relief_price_that_nobody_pays_changes_no_plan(squeeze):
    """Accuracy is against the prices that are paid, however dear a slack would be."""
    work = make_work(30, 7, squeeze)
    plans = [
        plan_shared(work.chains, work.curvature, work.cost, replace(work.limits, relief_price=price))
        for price in (2.0, 1e4)
    ]
    assert 1e-3 < plans[0].mu.max() < 2.0
    np.testing.assert_allclose(plans[1].mu, plans[0].mu, atol=1e-5)
    np.testing.assert_allclose(plans[1].power_kw, plans[0].power_kw, atol=1e-3)
    left_kw = work.limits.room_kw - work.limits.used_kw(plans[1].power_kw)
    assert np.abs(plans[1].mu * left_kw).max() < 1e-5


def test_two_cars_share_an_hour_in_closed_form():
    """One row on the cheap hour: both give it up alike, and μ is what makes them."""
    columns = {"drive_kwh": [0, 0, 6], "plugged_in": [1, 1, 0]}
    chains = one_car(3, columns=columns).take([0, 0])
    cost = np.tile([0.1, 0.5, 0.1], (2, 1))
    limits = all_of(chains, [6.0])
    plan = plan_shared(chains, np.full(2, 0.1), cost, limits)
    # Alone u1 = 3 + 0.4/0.2 = 5 each. At u1 = 3 = u2: q·3 + 0.1 + μ = q·3 + 0.5.
    np.testing.assert_allclose(plan.power_kw[:, :2], 3.0, atol=1e-4)
    np.testing.assert_allclose(plan.mu, [0.4], atol=1e-5)
    assert not plan.slack_kw.size


def test_a_weight_in_a_row_is_a_weight_in_the_price():
    """At half the effect and half the room the same plan follows from twice the dual."""
    columns = {"drive_kwh": [0, 0, 6], "plugged_in": [1, 1, 0]}
    chains = one_car(3, columns=columns).take([0, 0])
    cost = np.tile([0.1, 0.5, 0.1], (2, 1))
    half = all_of(chains, [3.0], matrix=np.array([[0.5]]))
    plan = plan_shared(chains, np.full(2, 0.1), cost, half)
    np.testing.assert_allclose(plan.power_kw[:, :2], 3.0, atol=1e-4)
    np.testing.assert_allclose(plan.mu, [0.8], atol=1e-5)


def test_rows_that_cannot_hold_and_have_no_relief_are_said():
    work = make_work(5, 1)
    limits = replace(work.limits, room_kw=np.full(48, 0.5), relief=np.zeros((48, 0)), relief_price=0.0)
    with pytest.raises(NotConvergedError, match=r"plans of 10 devices under \d+ shared limits: no answer"):
        plan_shared(work.chains, work.curvature, work.cost, limits)


def test_used_power_counts_each_group_at_the_interval_of_its_row():
    chains = one_car(2).take([0, 0, 0])
    limits = SharedLimits(
        group=np.array([0, 1, 1]),
        matrix=np.array([[1.0, 0.5], [0.0, 2.0]]),
        step=np.array([1, 0]),
        room_kw=np.zeros(2),
        relief=np.zeros((2, 0)),
    )
    power_kw = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    assert len(chains) == 3
    np.testing.assert_allclose(limits.used_kw(power_kw), [10.0 + 0.5 * 50.0, 2.0 * 5.0])


# The same bytes


def test_threads_do_not_change_a_byte(monkeypatch):
    work = make_work(60, 9, 0.6)
    monkeypatch.setattr(chain_plans, "DEVICES_AT_ONCE", 16)
    alone = plan_devices(work.chains, work.curvature, work.cost)
    together = plan_shared(work.chains, work.curvature, work.cost, work.limits)
    monkeypatch.setattr(chain_plans, "WORTH_A_THREAD", 1)
    for _ in range(3):
        again = plan_devices(work.chains, work.curvature, work.cost)
        shared = plan_shared(work.chains, work.curvature, work.cost, work.limits)
        assert again.tobytes() == alone.tobytes()
        assert shared.power_kw.tobytes() == together.power_kw.tobytes()
        assert shared.mu.tobytes() == together.mu.tobytes()


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_the_size_of_pieces_changes_no_plan(pieces, monkeypatch):
    """Alone not a byte; together the sums over pieces round in another order."""
    work = make_work(30, 9, 0.6)
    alone = plan_devices(work.chains, work.curvature, work.cost)
    together = plan_shared(work.chains, work.curvature, work.cost, work.limits)
    monkeypatch.setattr(chain_plans, "DEVICES_AT_ONCE", pieces)
    assert plan_devices(work.chains, work.curvature, work.cost).tobytes() == alone.tobytes()
    again = plan_shared(work.chains, work.curvature, work.cost, work.limits)
    np.testing.assert_allclose(again.power_kw, together.power_kw, atol=1e-4)
    np.testing.assert_allclose(again.mu, together.mu, atol=1e-5)


def test_a_device_is_planned_the_same_in_any_company():
    _, chains, curvature, cost = random_case(21, homes=6)
    together = plan_devices(chains, curvature, cost)
    for device in (0, 5, 11):
        alone = plan_devices(chains.take([device]), curvature[[device]], cost[[device]])
        assert alone[0].tobytes() == together[device].tobytes()


def test_no_devices_have_an_empty_plan():
    chains = make_homes(1, 1).take([])
    assert plan_devices(chains, np.zeros(0), np.zeros((0, 24))).shape == (0, 24)


# What has no plan


def test_a_car_that_cannot_charge_enough_is_named():
    # 12.5 + 3 · 1 − 11 = 4.5 of the 5 kWh that have to be left, after three hours at 1 kW.
    short = one_car(4, columns={"drive_kwh": [0, 0, 11, 0]}, charge_max_kw=1.0)
    fine = replace(one_car(4), name=("fine",))
    chains = join([fine, short])
    with pytest.raises(InfeasibleError) as refused:
        plan_devices(chains, np.full(2, 0.1), np.full((2, 4), 0.3))
    assert str(refused.value) == "car is below its bound 5 by 0.5 at interval 2, whatever its power"


def test_a_house_too_cold_at_full_power_is_named():
    chains = one_house(24, outdoor_c=-6.0, consumption_max_kw=3.0)
    air_c = chains.states(chains.power_high)[0, :, 0]
    step = int(np.argmax(air_c < 20.0))
    assert 0 < step < 23
    with pytest.raises(InfeasibleError) as refused:
        plan_devices(chains, np.full(1, 0.1), np.full((1, 24), 0.3))
    expected = (
        f"pump is below its bound 20 by {20.0 - air_c[step]:.3g} at interval {step}, whatever its power"
    )
    assert str(refused.value) == expected


def test_a_trip_that_no_full_battery_can_make_is_named():
    # Ten hours at 11 kW fill 21.25 kWh and not 122.5: after 20 kWh, 1.25 are left.
    trip = one_car(12, columns={"drive_kwh": [0] * 10 + [20, 0], "plugged_in": [1] * 10 + [0, 0]})
    with pytest.raises(InfeasibleError, match=r"^car is below its bound 5 by 3.75 at interval 10,"):
        plan_devices(trip, np.full(1, 0.1), np.full((1, 12), 0.3))


def test_bounds_that_no_power_joins_are_named():
    # No more than 13.5 at first and no less than 16 an hour later, at 2 kW: 0.5 are missing.
    chains = one_car(3, charge_max_kw=2.0)
    low, high = chains.state_low.copy(), chains.state_high.copy()
    high[0, 0, 0], low[0, 1, 0] = 13.5, 16.0
    with pytest.raises(InfeasibleError, match=r"^car is below its bound 16 by 0.5 at interval 1,"):
        plan_devices(replace(chains, state_low=low, state_high=high), np.full(1, 0.1), np.full((1, 3), 0.3))


def test_a_house_that_can_only_be_too_warm_is_named():
    # An upper bound below the lower one: too warm at the least power that comfort needs.
    chains = one_house(6)
    high = chains.state_high.copy()
    high[0, 3, 0] = 5.0
    with pytest.raises(InfeasibleError, match=r"^pump is above its bound 5 by 15 at interval 3,"):
        plan_devices(replace(chains, state_high=high), np.full(1, 0.1), np.full((1, 6), 0.3))


def test_a_battery_that_overflows_by_itself_is_named():
    chains = one_car(3)
    full = replace(chains, drift=chains.drift + np.array([4.0, 0.0]))
    with pytest.raises(InfeasibleError, match=r"^car is above its bound 21.25 by 3.25 at interval 2"):
        plan_devices(full, np.full(1, 0.1), np.full((1, 3), 0.3))


def test_every_device_without_a_plan_is_named_in_a_shared_plan_too():
    work = make_work(3, 1)
    drift = work.chains.drift.copy()
    drift[[0, 2], 12, 0] -= 40.0
    with pytest.raises(InfeasibleError) as refused:
        plan_shared(replace(work.chains, drift=drift), work.curvature, work.cost, work.limits)
    said = str(refused.value)
    assert "car_0 is below" in said
    assert "car_2 is below" in said
    assert "car_1" not in said


def test_cars_that_come_full_and_cars_that_charge_to_the_end_share_a_limit():
    """Neither has any choice, which leaves a plan no way between two equal bounds."""
    columns = {"plugged_in": [1.0, 1.0, 0.0, 1.0], "drive_kwh": [0.0, 0.0, 20.0, 0.0]}
    cars = [
        one_car(steps=4, columns=columns, energy_kwh=40.0, departure_soc_share=1.0, soc_max_share=1.0)
        for _ in range(3)
    ]
    chains = join(cars)
    assert (chains.power_high[:, :2] == 0.0).all()
    limits = SharedLimits(
        group=np.zeros(3, dtype=np.int64),
        matrix=np.ones((1, 1)),
        step=np.array([3]),
        room_kw=np.array([25.0]),
        relief=np.ones((1, 1)),
        relief_price=100.0,
    )
    found = plan_shared(chains, np.full(3, 0.01), np.full((3, 4), 0.3), limits)
    assert found.power_kw[:, 3] == pytest.approx(11.0, abs=1e-2)
    assert found.slack_kw[0] == pytest.approx(8.0, abs=1e-2)
