"""What batteries plan: against enumeration, the laws of a battery, and where they follow their meter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.day.battery_plans import PARTS, MeterPrices, plan_batteries
from gridcommons.model.assets import Battery

RATINGS = {
    "charge_max_kw": 4.0,
    "discharge_max_kw": 4.0,
    "energy_kwh": 8.0,
    "charge_efficiency_share": 1.0,
    "discharge_efficiency_share": 1.0,
    "soc_initial_share": 0.5,
    "soc_min_share": 0.0,
    "soc_max_share": 1.0,
}


def battery(**changes):
    return Battery(asset="b", member="m", flexible=True, **{**RATINGS, **changes})


def meters(net_kw, price, export=0.05, hours=1.0):
    net_kw, price = (np.asarray(each, float)[:, None] for each in (net_kw, price))
    return MeterPrices(net_kw, price, np.full_like(price, export), hours)


def paid(made, power_kw):
    net_kw = made.net_kw[:, 0] + power_kw
    price = np.where(net_kw > 0.0, made.import_per_kwh[:, 0], made.export_per_kwh[:, 0])
    return float(net_kw @ price) * made.step_hours


def power_of(target, start_kwh, hours=1.0):
    return np.diff(np.concatenate([[start_kwh], target])) / hours


def test_it_buys_when_it_is_cheap_and_gives_when_it_is_dear():
    made = meters([10.0] * 4, [0.1, 0.4, 0.1, 0.4])
    (target,) = plan_batteries((battery(soc_initial_share=0.0),), made)
    np.testing.assert_allclose(target, [4.0, 0.0, 4.0, 0.0])


def test_it_does_nothing_for_nothing():
    (target,) = plan_batteries((battery(),), meters([10.0] * 4, [0.3] * 4))
    np.testing.assert_allclose(target, 4.0)


def test_losses_must_pay():
    lossy = battery(soc_initial_share=0.0, charge_efficiency_share=0.8, discharge_efficiency_share=0.8)
    (rests,) = plan_batteries((lossy,), meters([10.0] * 2, [0.3, 0.45]))
    np.testing.assert_allclose(rests, 0.0)
    (trades,) = plan_batteries((lossy,), meters([10.0] * 2, [0.3, 0.5]))
    assert trades[0] > 1.0 and trades[1] == pytest.approx(0.0)


def test_where_it_keeps_the_meter_at_zero_it_follows_the_meter():
    """Surplus of 2.03 kW is taken, and given when it is needed: no step of energy says 2.03."""
    made = meters([-2.03, 6.0, 2.03], [0.3, 0.2, 0.3])
    (target,) = plan_batteries((battery(soc_initial_share=0.0),), made)
    assert np.isnan(target).tolist() == [True, False, True]
    assert target[1] == pytest.approx(2.0)


def test_many_batteries_of_different_sizes_are_planned_as_each_alone():
    sizes = (battery(), battery(energy_kwh=3.0), battery(charge_max_kw=1.0, soc_min_share=0.2))
    alone = [meters(np.full(6, 3.0 + k), [0.11, 0.23, 0.52, 0.14, 0.37, 0.26]) for k in range(3)]
    joined = MeterPrices(
        *(
            np.concatenate([getattr(each, name) for each in alone], axis=1)
            for name in ("net_kw", "import_per_kwh", "export_per_kwh")
        ),
        1.0,
    )
    together = plan_batteries(sizes, joined)
    for k, (one, made) in enumerate(zip(sizes, alone, strict=True)):
        np.testing.assert_array_equal(together[k], plan_batteries((one,), made)[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_no_plan_of_the_same_steps_is_cheaper(seed):
    """Three intervals by enumeration of all moves of an eighth of the rating."""
    rng = np.random.default_rng(seed)
    one = battery(energy_kwh=float(rng.uniform(2.0, 10.0)), charge_max_kw=2.0, discharge_max_kw=2.0)
    made = meters(rng.uniform(3.0, 6.0, 3), rng.uniform(0.0, 0.6, 3), export=0.0)
    (target,) = plan_batteries((one,), made)
    assert np.isfinite(target).all()
    start, size = 0.5 * one.energy_kwh, one.energy_kwh
    step = 2.0 / PARTS
    moves = np.arange(-PARTS, PARTS + 1) * step
    grid = np.stack(np.meshgrid(moves, moves, moves, indexing="ij"), axis=-1).reshape(-1, 3)
    path = start + grid.cumsum(axis=1)
    inside = ((path >= -1e-9) & (path <= size + 1e-9)).all(axis=1) & (path[:, -1] >= start - 1e-9)
    best = min(paid(made, power) for power in grid[inside])
    assert paid(made, power_of(target, start)) == pytest.approx(best, abs=1e-4)
    assert target[-1] >= start - 1e-9


def test_without_batteries_there_is_nothing_to_plan():
    assert plan_batteries((), meters([1.0, 2.0], [0.1, 0.2])).shape == (0, 2)
