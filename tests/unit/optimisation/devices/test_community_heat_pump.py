"""Heat pumps of the heating: H = COP · P, from off to the rating."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from hubs import day_of, device, hub_of, lives, scheduled


@settings(max_examples=40)
@given(lives(needed=("heat_pump", "heat_pump")))
def test_heat_is_the_cop_of_the_hour_times_what_is_drawn(life):
    for pump, day, _ in life.days("heat_pump"):
        cop = life.hub.horizon.profiles.columns[f"{pump.asset}.cop"]
        np.testing.assert_allclose(day.heat_kw, cop * day.p_kw, atol=1e-9)
        assert -1e-6 <= day.p_kw.min() <= day.p_kw.max() <= pump.consumption_max_kw + 1e-6
        np.testing.assert_allclose(day.q_kvar, np.tan(np.arccos(pump.power_factor)) * day.p_kw, atol=1e-9)


@pytest.mark.parametrize("price", [0.59, 0.61])
def test_it_runs_where_heat_is_dearer_than_power_over_cop(price):
    """λ / COP < λ_h: with a COP of 3 and heat at 0.2 below 0.6, the network fee included."""
    hub = hub_of(
        device("heat_pump"), steps=1, heat=0.2, network_fee=0.1, **{"import": price - 0.1, "export": 0.0}
    )
    plan = scheduled(hub).plan()
    assert plan.p_kw[0, 0] == pytest.approx(40.0 * (price < 0.6), abs=1e-6)
    assert plan.heat_kw[0] == pytest.approx(-3.0 * plan.p_kw[0, 0], abs=1e-6)


def test_a_column_goes_before_the_constant():
    hub = hub_of(
        device("heat_pump"),
        device("load"),
        columns={"heat_pump.cop": [2.0, 4.0], "load.heat_kw": 60.0},
        steps=2,
    )
    np.testing.assert_allclose(day_of(scheduled(hub).plan(), "heat_pump").p_kw, [30.0, 15.0], atol=1e-6)


def test_hot_water_takes_its_part_of_the_rating_and_gives_no_heat():
    hub = hub_of(
        device("heat_pump"),
        device("load"),
        columns={"heat_pump.water_kw": [5.0, 35.0], "load.heat_kw": 60.0},
        steps=2,
        heat=9.0,
    )
    plan = scheduled(hub, heat_export_max_kw=0.0).plan()
    day = day_of(plan, "heat_pump")
    np.testing.assert_allclose(day.p_kw, [25.0, 40.0], atol=1e-6)
    np.testing.assert_allclose(day.heat_kw, [60.0, 15.0], atol=1e-6)
