"""Energy in a store: losses on the way in and out, and the power that one interval allows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feeders import battery
from gridcommons.model.storage import charge_bounds_kw, energy_path_kwh

LOSSY = battery(
    "B",
    "m",
    10.0,
    energy_kwh=20.0,
    charge_efficiency_share=0.8,
    discharge_efficiency_share=0.5,
    soc_min_share=0.1,
    soc_max_share=0.9,
)


def test_the_path_counts_losses_on_both_ways():
    path = energy_path_kwh(LOSSY, np.array([4.0, -2.0, 0.0, 7.0]), 0.5)
    np.testing.assert_allclose(path, [10.0, 11.6, 9.6, 9.6])


@given(energy_kwh=st.floats(2.0, 18.0), step_hours=st.sampled_from([1 / 60, 0.25, 1.0, 6.0]))
def test_what_the_bounds_allow_keeps_the_energy_in_its_band_and_no_less_would_do(energy_kwh, step_hours):
    low, high = charge_bounds_kw(LOSSY, np.array([energy_kwh]), step_hours)
    for power_kw in (low[0], high[0]):
        after = energy_kwh + step_hours * (0.8 * max(power_kw, 0.0) - max(-power_kw, 0.0) / 0.5)
        assert 2.0 - 1e-9 <= after <= 18.0 + 1e-9
        assert abs(power_kw) > 10.0 - 1e-9 or min(abs(after - 2.0), abs(after - 18.0)) < 1e-9


def test_outside_its_band_a_store_may_only_come_back():
    low, high = charge_bounds_kw(LOSSY, np.array([1.0, 19.0]), 0.25)
    assert low[0] == 0.0 and high[0] > 0.0 and high[1] == 0.0 and low[1] < 0.0
