"""When a deviation asks for a round."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.model.errors import GridcommonsError
from gridcommons.trading.triggers import TRIGGERS, Periodic, SendOnArea, SendOnDelta


def first_fired(trigger, p_kw):
    """Minutes after a round in which a lone meter fires first, None if never."""
    deviation = np.zeros(1)
    for minute, now_kw in enumerate(p_kw[1:], start=1):
        deviation = trigger.deviate(deviation, np.array([now_kw]), np.array([p_kw[0]]))
        if trigger.fires(deviation)[0]:
            return minute
    return None


def test_send_on_delta_looks_at_the_distance_alone_and_only_beyond_the_threshold():
    assert first_fired(SendOnDelta(2.0), [5.0, 7.0, 3.0, 6.9, 7.1]) == 4
    assert first_fired(SendOnDelta(2.0), [5.0, 3.0, 2.9]) == 2
    assert first_fired(SendOnDelta(np.inf), [0.0, 1e9]) is None


def test_send_on_area_adds_up_minutes_without_regard_to_sign():
    # 60 kW off in one minute is 1 kWh.
    assert first_fired(SendOnArea(2.0), [10.0, 70.0, -50.0, 10.0, 10.1]) == 4
    assert first_fired(SendOnArea(1.0), [10.0, 70.0, 10.0, 10.0]) is None
    assert first_fired(SendOnArea(0.99), [10.0, 70.0]) == 1


def test_periodic_counts_minutes_whatever_the_power():
    assert first_fired(Periodic(6), [1.0] * 10) == 6
    assert first_fired(Periodic(1), [1.0] * 10) == 1


def test_meters_do_not_see_each_other():
    for trigger in (SendOnDelta(1.0), SendOnArea(1.0 / 60.0)):
        deviation = trigger.deviate(np.zeros(3), np.array([1.0, -2.0, 5.0]), np.array([1.0, 1.0, 4.0]))
        assert trigger.fires(deviation).tolist() == [False, True, False]


def test_only_a_periodic_trigger_starts_everything():
    assert {name: made.starts_everything for name, made in TRIGGERS.items()} == {
        "periodic": True,
        "send_on_delta": False,
        "send_on_area": False,
    }
    assert all(made.name == name for name, made in TRIGGERS.items())


@pytest.mark.parametrize(
    ("name", "value"),
    [("periodic", 0), ("send_on_delta", -1.0), ("send_on_area", -0.1), ("send_on_delta", np.nan)],
)
def test_thresholds_that_mean_nothing_are_refused(name, value):
    with pytest.raises(GridcommonsError, match=f"trigger {name}: found"):
        TRIGGERS[name](value)
