"""Households: their own energy, their own hours, and together the standard load profile."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from gridcommons.adapters.standard_profiles import read_household_table
from gridcommons.synthesis.draws import generator_for
from gridcommons.synthesis.households import (
    APPLIANCES,
    household_energy_kwh,
    household_kw,
    standard_profile,
)
from unit_calendars import standard_source, year


@pytest.mark.parametrize("step_minutes", [15, 60])
def test_the_standard_profile_is_that_of_the_package_that_carries_its_table(step_minutes):
    import pandas as pd
    from demandlib import bdew

    time, local, _ = year(step_minutes, zone="UTC")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = pd.date_range("2030-01-01", periods=time.steps, freq=f"{step_minutes}min")
        expected = np.asarray(bdew.H25(index), dtype=float)
    mine = standard_profile(read_household_table(), local)
    if step_minutes == 15:
        np.testing.assert_allclose(mine, expected / (expected.sum() * local.step_hours), rtol=1e-12)
    else:
        # The package averages the dynamics with the hour; the last hour of its index has one quarter.
        np.testing.assert_allclose(mine[:-1], expected[:-1] / expected.sum(), rtol=2e-3)


@pytest.mark.parametrize("step_minutes", [5, 6, 10, 12, 15, 20, 30, 60])
def test_a_day_of_the_standard_profile_has_the_same_energy_at_every_step(step_minutes):
    table_w = read_household_table()
    quarters, local = year(15)[1], year(step_minutes)[1]
    expected_kwh = np.bincount(quarters.day, standard_profile(table_w, quarters)) / 4.0
    mine_kwh = np.bincount(local.day, standard_profile(table_w, local)) * local.step_hours
    np.testing.assert_allclose(mine_kwh, expected_kwh, rtol=1e-12)


def test_energy_follows_the_living_area():
    assert household_energy_kwh(np.array([92.0, 46.0]), 3500.0, 92.0) == pytest.approx([3500.0, 1750.0])


def test_appliances_share_all_that_is_above_the_base_load():
    assert sum(each.energy_share for each in APPLIANCES) == pytest.approx(1.0)


@pytest.mark.parametrize("step_minutes", [5, 15, 60])
def test_every_household_has_exactly_its_energy_and_a_base_load(step_minutes):
    local = year(step_minutes)[1]
    source = standard_source(step_minutes=step_minutes)
    for member, energy_kwh in (("a", 3500.0), ("b", 800.0), ("c", 9000.0)):
        load_kw = source.load_kw(member, energy_kwh)
        assert load_kw.sum() * local.step_hours == pytest.approx(energy_kwh, rel=1e-10)
        assert load_kw.min() > 0.1 * energy_kwh / 8760.0


def test_one_household_is_jagged_and_many_are_the_standard_profile():
    source, local = standard_source(), year()[1]
    loads_kw = np.array([source.load_kw(f"house_{number}", 3500.0) for number in range(300)])
    standard_kw = 3500.0 * standard_profile(read_household_table(), local)
    assert (loads_kw.max(axis=1) > 4.0 * standard_kw.max()).all()
    mean_kw = loads_kw.mean(axis=0)
    # What is left is the noise of 300 draws, not a bias: it is as large as their spread says.
    noise_kw = np.sqrt(((mean_kw - standard_kw) ** 2).mean())
    spread_kw = np.sqrt(loads_kw.var(axis=0).mean() / 300)
    assert noise_kw == pytest.approx(spread_kw, rel=0.08)
    for group in (local.minute_of_day // 15, local.month, local.weekday):
        mean = np.bincount(group, mean_kw) / np.maximum(np.bincount(group), 1)
        standard = np.bincount(group, standard_kw) / np.maximum(np.bincount(group), 1)
        np.testing.assert_allclose(mean, standard, rtol=0.06)


def test_the_chains_are_on_as_often_as_they_should_at_every_interval():
    """The marginals themselves, on a profile that falls faster than appliances stop by themselves."""
    local = year(60)[1]
    hour = local.minute_of_day // 60
    shape = np.where(hour == 18, 1.8, np.where(hour == 19, 0.5, 1.0))
    shape = shape / shape.sum()
    loads = np.array(
        [household_kw(generator_for(3, f"{number}"), shape, local, 1.0) for number in range(400)]
    )
    by_hour = np.bincount(hour, loads.mean(axis=0)) / np.bincount(hour, shape)
    np.testing.assert_allclose(by_hour, 1.0, atol=0.05)


def test_a_household_is_its_own_whatever_the_others_are():
    one, again, other = (standard_source(seed).load_kw("house_7", 3500.0) for seed in (1, 1, 2))
    assert one.tobytes() == again.tobytes() != other.tobytes()
    assert one.tobytes() != standard_source().load_kw("house_8", 3500.0).tobytes()


def test_a_profile_steeper_than_appliances_can_follow_is_refused():
    local = year(60)[1]
    shape = np.where(np.arange(len(local.day)) == 100, 1.0, 1e-6)
    with pytest.raises(ValueError, match="appliances"):
        household_kw(generator_for(1, "a"), shape / shape.sum(), local, 1.0)
