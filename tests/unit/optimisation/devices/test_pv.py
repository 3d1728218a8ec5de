"""Solar plants in a program: what the sun gives, and reactive power within the inverter beside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubs import answered, device, hub_of, lives, scheduled


@settings(max_examples=60)
@given(lives(needed=("pv", "pv")))
def test_plants_stay_below_the_sun_and_within_their_inverters(life):
    for plant, day, _ in life.days("pv"):
        p_kw, q_kvar = -day.p_kw, -day.q_kvar
        available_kw = life.hub.horizon.profiles.columns[plant.asset]
        assert p_kw.min() >= -1e-6
        assert (p_kw <= np.minimum(available_kw, plant.generation_max_kw) + 1e-6).all()
        assert (np.hypot(p_kw, q_kvar) <= plant.inverter_kva + 1e-6).all()
        most_kvar = np.nan_to_num(plant.q_share) * plant.inverter_kva
        assert (np.abs(q_kvar) <= np.minimum(most_kvar, p_kw) + 1e-6).all()


def test_below_zero_it_gives_nothing():
    hub = hub_of(
        device("pv"), columns={"pv": 50.0}, steps=2, **{"import": [0.1, -0.1], "export": [0.1, -0.1]}
    )
    np.testing.assert_allclose(scheduled(hub).plan().p_kw[0], [-50.0, 0.0], atol=1e-6)


def test_a_small_inverter_cuts_what_it_feeds_in_and_no_inverter_does_not():
    small, none = device("pv", inverter_kva=30.0), device("pv", "free", inverter_kva=np.nan, q_share=np.nan)
    hub = hub_of(small, none, columns={"pv": 50.0, "free": 60.0}, steps=1)
    assert scheduled(hub).plan().p_kw[0, 0] == pytest.approx(-90.0, abs=1e-6)


@settings(max_examples=60)
@given(st.floats(0.02, 0.98), st.floats(5.0, 100.0), st.floats(0.1, 1.0), st.floats(0.1, 2.0))
def test_an_answer_is_the_closed_form(share, p_kw, q_share, price):
    """Q = min(Q_max, P s/√(1 − s²)), s = TS/λ: the marginal price of Q is λ Q/S. To 1 %."""
    plant = device("pv", generation_max_kw=100.0, inverter_kva=250.0, q_share=q_share)
    hub = hub_of(plant, columns={"pv": p_kw}, steps=1, **{"import": price, "export": price})
    community = scheduled(hub)
    sold_kvar = -answered(community, share * price).q_kvar[0, 0]
    most_kvar = min(250.0 * q_share, p_kw)
    assert sold_kvar == pytest.approx(min(most_kvar, p_kw * share / np.sqrt(1.0 - share**2)), rel=0.01)
    assert answered(community, -share * price).q_kvar[0, 0] == pytest.approx(sold_kvar, rel=1e-6)
    assert -community.plan().p_kw[0, 0] == pytest.approx(p_kw, abs=1e-6)
    if sold_kvar < 0.99 * most_kvar:
        assert price * sold_kvar / np.hypot(p_kw, sold_kvar) == pytest.approx(share * price, rel=0.01)


def test_where_the_inverter_is_full_reactive_power_takes_the_place_of_active_power():
    """With TS far above λ the angle goes to the end of |Q| ≤ P: P = Q = S/√2, on the inner polygon."""
    plant = device("pv", generation_max_kw=100.0, inverter_kva=100.0, q_share=1.0)
    community = scheduled(hub_of(plant, columns={"pv": 100.0}, steps=1, **{"import": 0.1, "export": 0.1}))
    answered(community, 2.0)
    plan = community.plan()
    np.testing.assert_allclose([plan.p_kw[0, 0], plan.q_kvar[0, 0]], -100.0 / np.sqrt(2.0), rtol=1.3e-3)


def test_at_night_there_is_no_reactive_power():
    hub = hub_of(device("pv"), columns={"pv": [0.0, 20.0]}, steps=2)
    np.testing.assert_allclose(answered(scheduled(hub), 9.0).q_kvar[0], [0.0, -20.0], atol=1e-6)
