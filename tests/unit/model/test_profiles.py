"""What the profiles say about stores: energy along a path, or of an online sample."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from gridcommons.model.assets import EvCharger
from gridcommons.model.profiles import Profiles
from gridcommons.model.time import TimeAxis


def car(**given) -> EvCharger:
    ratings = {"energy_kwh": 40.0, "soc_min_share": 0.1, "soc_max_share": 1.0, "departure_soc_share": 0.6}
    return EvCharger(asset="E", member="m", charge_max_kw=11.0, discharge_max_kw=11.0, **{**ratings, **given})


def profiles(steps: int = 4) -> Profiles:
    time = TimeAxis(datetime(2024, 6, 1, tzinfo=UTC), 60, steps)
    return Profiles(time, {"E": np.array([2.0, 0.0, -3.0, 0.0]), "E.drive_kwh": np.full(steps, 5.0)})


def test_a_car_follows_its_profile_and_its_drives():
    energy = profiles().signals(car(), soc_path="profile").energy_kwh
    np.testing.assert_allclose(energy, [24.0, 21.0, 16.0, 8.0])


def test_an_online_sample_starts_every_step_with_the_same_energy():
    signals = profiles().signals(car(), soc_path="initial")
    np.testing.assert_allclose(signals.energy_kwh, 24.0)
    low, high = car().range_kw(signals)
    np.testing.assert_allclose(low, -11.0)
    np.testing.assert_allclose(high, 11.0)


def test_the_energy_of_a_car_bounds_its_power_on_both_sides():
    signals = profiles().signals(car(energy_kwh=16.0, departure_soc_share=0.5), soc_path="initial")
    low, high = car(energy_kwh=16.0).range_kw(signals)
    np.testing.assert_allclose(low, -(8.0 - 1.6))
    np.testing.assert_allclose(high, 8.0)


def test_a_car_of_unknown_size_is_bounded_by_its_ratings_alone():
    unknown = car(energy_kwh=np.nan, soc_min_share=np.nan, soc_max_share=np.nan, departure_soc_share=np.nan)
    low, high = unknown.range_kw(profiles().signals(unknown))
    np.testing.assert_allclose(low, -11.0)
    np.testing.assert_allclose(high, 11.0)


def test_an_unplugged_car_neither_charges_nor_discharges():
    time = TimeAxis(datetime(2024, 6, 1, tzinfo=UTC), 60, 3)
    of = Profiles(time, {"E.plugged_in": np.array([1.0, 0.0, 0.5])})
    low, high = car().range_kw(of.signals(car()))
    np.testing.assert_allclose(low, [-11.0, 0.0, -11.0])
    np.testing.assert_allclose(high, [11.0, 0.0, 11.0])
