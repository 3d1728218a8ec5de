"""Tanks of the heating: what they take is what they give, within their size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from hubs import day_of, device, hub_of, lives, scheduled, with_start


@settings(max_examples=40)
@given(lives(needed=("heat_store", "heat_store")))
def test_what_is_stored_is_the_sum_of_what_was_taken(life):
    for store, day, stored_kwh in life.days("heat_store"):
        taken_kwh = -np.cumsum(day.heat_kw) * life.hub.hours
        np.testing.assert_allclose(
            stored_kwh, store.soc_initial_share * store.energy_kwh + taken_kwh, atol=1e-6
        )
        np.testing.assert_allclose(day.soc_share * store.energy_kwh, stored_kwh, atol=1e-9)
        assert -1e-6 <= day.soc_share.min() <= day.soc_share.max() <= 1.0 + 1e-6
        assert day.soc_share[-1] >= store.soc_initial_share - 1e-6
        assert not day.p_kw.any() and not day.q_kvar.any()


def test_cheap_heat_is_kept_for_dear_hours():
    """60 kWh of room: they are bought at 0.2 and sold at 0.5."""
    hub = hub_of(device("heat_store"), steps=3, heat=[0.2, 0.3, 0.5])
    plan = scheduled(hub).plan()
    np.testing.assert_allclose(plan.heat_kw, [60.0, 0.0, -60.0], atol=1e-6)
    assert plan.cost["heat"] == pytest.approx(60.0 * (0.2 - 0.5))


def test_half_hours_store_half_and_it_goes_on_from_where_it_was():
    hub = hub_of(device("heat_store"), steps=2, minutes=30, heat=[0.2, 0.5])
    plan = scheduled(with_start(hub, heat_store=20.0)).plan()
    np.testing.assert_allclose(day_of(plan, "heat_store").heat_kw, [-200.0, 200.0], atol=1e-6)
    assert plan.end["heat_store"] == pytest.approx(20.0)
    # What it has beside the half of its ratings it may give.
    plan = scheduled(with_start(hub, heat_store=100.0)).plan()
    np.testing.assert_allclose(day_of(plan, "heat_store").heat_kw, [-40.0, 120.0], atol=1e-6)
    assert plan.end["heat_store"] == pytest.approx(60.0)
