"""Consumption that is put off: what is owed, how fast, and returned before the local day ends."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings

from hubs import ZONE, day_of, device, hub_of, lives, scheduled


def last_of_days(time):
    """Whether the interval after each one is of another local day, or of none."""
    day = [time.local(k).astimezone(ZoneInfo(ZONE)).date() for k in range(time.steps)]
    return [k + 1 == time.steps or day[k + 1] != day[k] for k in range(time.steps)]


@settings(max_examples=60)
@given(lives(needed=("demand_response", "demand_response")))
def test_what_is_put_off_is_owed_within_its_share_and_returned_by_the_end_of_the_day(life):
    hub = life.hub
    for load, day, owed_kwh in life.days("demand_response"):
        wanted_kw = hub.horizon.profiles.columns[load.asset]
        owed = np.cumsum(wanted_kw - day.p_kw) * hub.hours
        np.testing.assert_allclose(owed_kwh, owed, atol=1e-6)
        assert owed.min() >= -1e-6 and (owed <= load.flexible_share * wanted_kw + 1e-6).all()
        most_kw = load.power_to_energy_per_h * load.flexible_share * wanted_kw
        assert (np.abs(wanted_kw - day.p_kw) <= most_kw + 1e-6).all() and day.p_kw.min() >= -1e-6
        assert (day.p_kw <= np.maximum(wanted_kw, load.consumption_max_kw) + 1e-6).all()
        assert np.abs(owed[last_of_days(hub.horizon.profiles.time)]).max() <= 1e-6
        per_kw = np.tan(np.arccos(load.power_factor))
        np.testing.assert_allclose(day.q_kvar, per_kw * day.p_kw, atol=1e-9)
        assert np.isnan(day.soc_share).all()


def one_load(price, consumption_kw=20.0, minutes=60, start=None, **changes):
    """The day of one load at prices of both ways."""
    load = device("demand_response", "dr", **changes)
    when = {} if start is None else {"start": start}
    hub = hub_of(
        load,
        columns={"dr": consumption_kw},
        steps=len(price),
        minutes=minutes,
        **when,
        **{"import": price, "export": price},
    )
    return day_of(scheduled(hub).plan(), "dr").p_kw


def test_dear_hours_are_put_off_to_cheap_ones_and_nothing_is_brought_forward():
    """6 kWh of the dear hour may be owed; the cheap hour before it is of no use."""
    np.testing.assert_allclose(one_load([0.1, 0.5, 0.3, 0.2]), [20.0, 14.0, 20.0, 26.0], atol=1e-6)
    np.testing.assert_allclose(one_load([0.1, 0.5]), [20.0, 20.0], atol=1e-6)


def test_nothing_is_owed_over_midnight():
    """Two hours before midnight in Stockholm: the cheap hours of the next day come too late."""
    start = datetime(2021, 4, 14, 20, tzinfo=UTC)
    np.testing.assert_allclose(
        one_load([0.5, 0.4, 0.1, 0.05], start=start), [14.0, 26.0, 14.0, 26.0], atol=1e-6
    )


def test_a_day_of_23_hours_ends_at_its_own_midnight():
    """28 March 2021 begins at 23:00 UTC and ends at 22:00 UTC of the day itself."""
    price = np.full(25, 0.3)
    price[22:] = [0.5, 0.1, 0.1]
    p_kw = one_load(price, start=datetime(2021, 3, 27, 23, tzinfo=UTC))
    np.testing.assert_allclose(p_kw, 20.0, atol=1e-6)
    price[21:24] = [0.5, 0.2, 0.1]
    p_kw = one_load(price, start=datetime(2021, 3, 27, 23, tzinfo=UTC))
    np.testing.assert_allclose(p_kw[21:23], [14.0, 26.0], atol=1e-6)


def test_the_pace_is_a_share_of_the_energy_an_hour_and_the_rating_bounds_what_is_made_up_for():
    # κ = 0.5/h: 3 kW, of which a half hour owes 1.5 kWh.
    p_kw = one_load([0.5, 0.1], minutes=30, power_to_energy_per_h=0.5)
    np.testing.assert_allclose(p_kw, [17.0, 23.0], atol=1e-6)
    np.testing.assert_allclose(one_load([0.5, 0.1], consumption_max_kw=22.0), [18.0, 22.0], atol=1e-6)
    np.testing.assert_allclose(one_load([0.5, 0.1], consumption_max_kw=15.0), [20.0, 20.0], atol=1e-6)


@pytest.mark.parametrize("pace_per_h", [2.0, 4.0, 100.0])
def test_no_more_is_put_off_than_is_consumed(pace_per_h):
    """Half of an hour's 20 kWh may be owed: at once, in a quarter of an hour, only what this one consumes."""
    p_kw = one_load([9.0, 0.1, 0.1, 0.1], minutes=15, flexible_share=0.5, power_to_energy_per_h=pace_per_h)
    assert p_kw[0] == pytest.approx(max(20.0 - pace_per_h * 10.0, 0.0), abs=1e-6)
    assert p_kw.sum() == pytest.approx(80.0)
