"""The interior-point method of chains: its recursion to the last digits, plans that it once went round."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexibility_study import car
from gridcommons.benchmarks.tariff import TariffWork, goal_of, solve_with_clarabel
from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.profiles import Profiles
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation import chain_kernels as kernels
from gridcommons.optimisation import chain_plans
from gridcommons.optimisation.chain_arrays import BOUNDS, Goal, Law, Point, make_step
from gridcommons.optimisation.chain_plans import SharedLimits, plan_devices, plan_shared
from gridcommons.optimisation.devices.chain import Chains, has_plan, join
from gridcommons.optimisation.devices.ev_charger import charging_chains

HOUR = np.arange(8)
WAVE = 0.32 + 0.08 * np.sin(2.0 * np.pi * HOUR / 12.0)
"""As dear before a plateau as behind it: hours 0 and 6 tie, so do 1 and 5, and 2 and 4."""

VALLEY = 0.34 - 0.06 * np.cos(2.0 * np.pi * HOUR / 8.0)
"""Cheapest at hour 0; hours 1 and 7 tie, and so on."""

BUMP = np.array([0.2, 0.22, 0.24, 0.26, 0.26, 0.24, 0.22, 0.2])


def away_at(hour, drive_kwh, name="car", **changes) -> Chains:
    """A car that is plugged in for eight hours but one, in which it drives."""
    away = np.equal(HOUR, hour)
    columns = {f"{name}.plugged_in": 1.0 - away, f"{name}.drive_kwh": np.where(away, drive_kwh, 0.0)}
    profiles = Profiles(TimeAxis(datetime(2024, 1, 10, tzinfo=UTC), 60, len(HOUR)), columns)
    return charging_chains([car(name, "home", **changes)], profiles)


# The recursion


def narrow_device(seed, steps=6):
    """A device with one state and a point at which some bounds bind, each at 1e12 times what is loose."""
    rng = np.random.default_rng(seed)
    six = (1, steps, BOUNDS)
    transition, effect = np.zeros((1, 2, 2)), np.zeros((1, steps, 2))
    transition[:, 0, 0], effect[:, :, 0] = rng.uniform(0.5, 1.0), rng.uniform(0.2, 1.0, steps)
    binds = rng.random(six) < 0.15
    dual = np.where(binds, 1.0, 1e-12) * rng.uniform(0.5, 2.0, six)
    slack = np.where(binds, 1e-12, 1.0)
    nothing = np.zeros((1, steps, 2))
    law = Law(transition, effect, nothing, np.zeros((1, 2)), np.zeros(six), np.ones((1, steps), dtype=bool))
    goal = Goal(np.array([0.002]), np.zeros((1, steps)))
    point = Point(np.zeros((1, steps)), nothing, slack, dual)
    step = make_step(1, steps)
    step.push_u[:], step.push_x[:, :, 0] = rng.normal(size=(1, steps)), rng.normal(size=(1, steps))
    return law, goal, point, step


def exact_step(law, goal, point, step):
    """Power and first state of Newton's step, by the recursion as it is printed, in 120 digits."""
    with localcontext() as context:
        context.prec = 120
        number = np.vectorize(Decimal, otypes=[object])
        a, b = Decimal(float(law.transition[0, 0, 0])), number(law.effect[0, :, 0])
        weight = number(point.dual[0]) / number(point.slack[0])
        push_u, push_x = number(step.push_u[0]), number(step.push_x[0, :, 0])
        p, pushed, gains, offsets = Decimal(0), Decimal(0), [], []
        for t in reversed(range(len(b))):
            m, pull = p + weight[t, 2] + weight[t, 3], push_x[t] + pushed
            s = Decimal(float(goal.curvature[0])) + weight[t, 0] + weight[t, 1] + b[t] * m * b[t]
            h = a * m * b[t]
            gains.append(-h / s)
            offsets.append(-(push_u[t] + b[t] * pull) / s)
            p, pushed = a * m * a - h * h / s, a * pull + h * offsets[-1]
        x, powers, states = Decimal(0), [], []
        for t in range(len(b)):
            powers.append(gains[-1 - t] * x + offsets[-1 - t])
            x = a * x + b[t] * powers[-1]
            states.append(x)
        return np.array(powers, dtype=float), np.array(states, dtype=float)


@given(st.integers(0, 10**6))
def test_a_step_at_bounds_that_bind_is_exact_to_the_last_digits(seed):
    """A bound's weight is 1e12, so a state may not err by more than 1e-12 of what it moves by elsewhere."""
    law, goal, point, step = narrow_device(seed)
    kernels.factor_all(law, goal, point, step, (0, 1))
    nothing = np.zeros((1, law.free.shape[1]))
    kernels.price_all(law, step, nothing, np.zeros(1, dtype=np.int64), (0, 1))
    powers, states = exact_step(law, goal, point, step)
    weight = point.dual[0] / point.slack[0]
    slope_u = (weight[:, 0] + weight[:, 1] + goal.curvature[0]) * (step.u[0] - powers)
    slope_x = (weight[:, 2] + weight[:, 3]) * (step.x[0, :, 0] - states)
    assert np.abs(slope_u).max() < 1e-11
    assert np.abs(slope_x).max() < 1e-11
    assert not step.x[0, :, 1].any()


# Plans at tied prices


@pytest.mark.parametrize(
    ("energy_kwh", "drive_kwh"),
    [(25.0, 1.1), (25.0, 1.95), (40.0, 0.05), (40.0, 0.4), (40.0, 1.25), (40.0, 2.4), (40.0, 3.25)],
)
def test_two_hours_that_tie_share_what_is_charged(energy_kwh, drive_kwh):
    chains = away_at(7, drive_kwh, charge_max_kw=7.4, energy_kwh=energy_kwh)
    power_kw = plan_devices(chains, np.array([0.002]), WAVE[None, :])
    expected_kw = np.where((HOUR == 0) | (HOUR == 6), drive_kwh / 2.0, 0.0)
    np.testing.assert_allclose(power_kw[0], expected_kw, atol=1e-3)
    assert chains.breach(power_kw) < 1e-6


@pytest.mark.parametrize("price", [WAVE, BUMP], ids=["wave", "bump"])
def test_plans_at_tied_prices_equal_clarabel(price):
    """Four hundred cars: by corrections alone, four of them go round at one price and 36 at the other."""
    rng, cars = np.random.default_rng(1), []
    for number in range(400):
        ratings = {
            "charge_max_kw": rng.choice([3.7, 7.4, 11.0]),
            "energy_kwh": rng.choice([25.0, 40.0, 60.0]),
        }
        cars.append(away_at(rng.integers(1, 8), rng.uniform(0.05, 4.0), f"car{number}", **ratings))
    chains, steps = join(cars), len(HOUR)
    curvature, cost = rng.choice([0.002, 0.02], len(chains)), np.tile(price, (len(chains), 1))
    loose = SharedLimits(
        group=np.zeros(len(chains), dtype=np.int64),
        matrix=np.ones((steps, 1)),
        step=HOUR,
        room_kw=np.full(steps, 1e5),
        relief=np.eye(steps),
        relief_price=1.0,
    )
    work = TariffWork(chains, curvature, cost, loose)
    power_kw, other_kw = plan_devices(chains, curvature, cost), solve_with_clarabel(work)
    assert chains.breach(power_kw) < 1e-6
    assert goal_of(work, power_kw) == pytest.approx(goal_of(work, other_kw), rel=1e-6)


@pytest.mark.parametrize("cars", [1, 3])
def test_two_hours_that_tie_share_what_a_limit_leaves(cars):
    """The cheapest hour has room for 0.045 kW of a car's 0.1 kWh; the two after it in price take as much."""
    chains = away_at(2, 0.1, charge_max_kw=3.7).take([0] * cars)
    limits = SharedLimits(
        group=np.zeros(cars, dtype=np.int64),
        matrix=np.ones((1, 1)),
        step=np.array([0]),
        room_kw=np.array([0.045 * cars]),
        relief=np.ones((1, 1)),
        relief_price=2.0,
    )
    plan = plan_shared(chains, np.full(cars, 0.002), np.tile(VALLEY, (cars, 1)), limits)
    expected_kw = np.where(HOUR == 0, 0.045, np.where((HOUR == 1) | (HOUR == 7), 0.0275, 0.0))
    np.testing.assert_allclose(plan.power_kw, np.tile(expected_kw, (cars, 1)), atol=1e-3)
    assert plan.mu[0] == pytest.approx(VALLEY[1] - VALLEY[0] + 0.002 * (0.0275 - 0.045), abs=1e-5)


# What is said of a device without a plan


def test_a_plan_that_was_not_found_is_not_called_impossible(monkeypatch):
    monkeypatch.setattr(chain_plans, "TOLERANCE", 0.0)
    chains = away_at(7, 1.0)
    with pytest.raises(NotConvergedError, match="^car has a plan that was not found$"):
        plan_devices(chains, np.array([0.002]), WAVE[None, :])


def charged_for_sure() -> Chains:
    """5 kWh at hour 1 that nobody can refuse, at most 16 kWh behind it, and at least 18 at hour 2."""
    chains = away_at(2, 0.0)
    low_kw, high_kw = chains.power_low.copy(), chains.power_high.copy()
    low_kw[0, 1] = high_kw[0, 1] = 5.0
    low_kwh, high_kwh = chains.state_low.copy(), chains.state_high.copy()
    start = np.array([[10.0, 0.0]])
    high_kwh[0, 1, 0], low_kwh[0, 2, 0] = 16.0, 18.0
    changes = {"power_low": low_kw, "power_high": high_kw, "state_low": low_kwh, "state_high": high_kwh}
    return replace(chains, start=start, **changes)


def test_bounds_that_conflict_through_powers_that_are_fixed_are_called_impossible():
    chains = charged_for_sure()
    assert not has_plan(chains, 0)
    with pytest.raises(InfeasibleError, match="^car has no plan within its bounds$"):
        plan_devices(chains, np.array([0.002]), WAVE[None, :])
    later = chains.state_low.copy()
    later[0, 2, 0] = 16.0
    possible = replace(chains, state_low=later)
    assert has_plan(possible, 0)
    assert possible.breach(plan_devices(possible, np.array([0.002]), WAVE[None, :])) < 1e-6


@given(st.integers(0, 10**6))
def test_the_method_refuses_what_a_linear_program_refuses_and_nothing_else(seed):
    """Cars with a charge to be reached at a random hour: some cannot, by little or by much."""
    rng = np.random.default_rng(seed)
    chains = away_at(rng.integers(0, 8), rng.uniform(0.0, 9.0), charge_max_kw=rng.choice([1.0, 2.3, 3.7]))
    low_kwh = chains.state_low.copy()
    hour = rng.integers(0, 8)
    low_kwh[0, hour, 0] = max(low_kwh[0, hour, 0], rng.uniform(8.0, 21.0))
    chains = replace(chains, state_low=low_kwh)
    cost = rng.choice([WAVE, VALLEY, BUMP, rng.normal(0.3, 0.2, 8)])[None, :]
    try:
        power_kw = plan_devices(chains, np.array([0.002]), cost)
    except InfeasibleError:
        assert not has_plan(chains, 0)
    else:
        assert has_plan(chains, 0)
        assert chains.breach(power_kw) < 1e-6
