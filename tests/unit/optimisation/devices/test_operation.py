"""Reactive power of what has no say in it: as its profile says, else by its power factor."""

from __future__ import annotations

import numpy as np
import pytest

from hubs import day_of, device, hub_of, scheduled

SILENT = {
    "battery": {},
    "demand_response": {},
    "ev_charger": {},
    "heat_pump": {},
    "stirling_store": {},
    "pv": {"q_share": np.nan},
    "chp": {"q_inject_share": np.nan, "q_absorb_share": 0.0},
    "smart_boiler": {"q_share": 0.0},
}
WITH_A_SAY = {"pv": {}, "smart_boiler": {}, "chp": {"q_inject_share": np.nan}}
PRICE = [0.1, 1.5, 0.2]
COLUMNS = {
    "x": [20.0, 5.0, 8.0],
    "x.draw_m3": 0.1,
    "x.plugged_in": [1.0, 0.0, 1.0],
    "x.drive_kwh": [0.0, 4.0, 0.0],
    "load.heat_kw": [30.0, 60.0, 40.0],
}


def day(kind, changes, **columns):
    asset = device(kind, "x", power_factor=0.8, **changes)
    made = hub_of(
        asset,
        device("load"),
        columns={**COLUMNS, **columns},
        steps=3,
        heat=0.4,
        **{"import": PRICE, "export": PRICE},
    )
    return day_of(scheduled(made).plan(), "x")


@pytest.mark.parametrize("kind", SILENT)
class TestWithoutASay:
    def test_the_power_factor_holds_at_every_power(self, kind):
        found = day(kind, SILENT[kind])
        assert np.abs(found.p_kw).max() > 1.0
        np.testing.assert_allclose(found.q_kvar, 0.75 * found.p_kw, atol=1e-9)

    def test_a_profile_of_it_takes_its_place(self, kind):
        given = [1.0, -2.0, 3.0]
        assert day(kind, SILENT[kind], **{"x.q_kvar": given}).q_kvar.tolist() == given


@pytest.mark.parametrize("kind", WITH_A_SAY)
def test_with_a_say_neither_binds(kind):
    found = day(kind, WITH_A_SAY[kind], **{"x.q_kvar": 4.0})
    np.testing.assert_allclose(found.q_kvar, 0.0, atol=1e-6)
