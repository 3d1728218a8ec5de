"""Devices of communities when things are not as their plan expected them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import EXACT, field_of, nobody
from gridcommons.day.communities import schedule_communities, with_schedules
from gridcommons.day.community_houses import Houses
from gridcommons.day.community_powers import community_powers, reactive_swing_kvar
from gridcommons.day.day_ahead import plan_alone
from gridcommons.model.envelopes import Envelopes
from gridcommons.optimisation.devices.heat_pump import OUTDOOR
from hubs import device, study_of

NIGHT = {"soc_initial_share": 0.5}


def field_with(*assets, columns, steps=4, **day):
    study = study_of(*assets, columns=columns, steps=steps)
    tasks = {"scheduling": {}, "day": {"interval_minutes": 60, **EXACT, **day}}
    return field_of(replace(study, tasks=tasks))


def planned_of(field, p_kw, q_kvar, seen_kw):
    """Plans of one asset that a community controls."""
    planned, at = plan_alone(field), field.scheduled
    tables = [getattr(planned, name).copy() for name in ("plan_kw", "plan_kvar", "seen_kw")]
    for table, value in zip(tables, (p_kw, q_kvar, seen_kw), strict=True):
        table[:, at] = value
    return replace(planned, plan_kw=tables[0], plan_kvar=tables[1], seen_kw=tables[2])


def changed(field, name, values):
    profiles = field.study.profiles
    return replace(profiles, columns={**profiles.columns, name: np.asarray(values, float)})


@pytest.fixture(scope="module")
def solar():
    return field_with(device("pv"), columns={"pv": 50.0})


def test_a_plant_that_is_free_follows_the_sun(solar):
    planned = planned_of(solar, -50.0, 0.0, -50.0)
    p_kw, q_kvar = community_powers(solar, planned, changed(solar, "pv", [50.0, 30.0, 70.0, 0.0]))
    assert p_kw[:, 0].tolist() == [-50.0, -30.0, -70.0, 0.0] and not q_kvar.any()


def test_a_plant_that_is_held_back_stays_so_unless_the_sun_gives_less(solar):
    planned = planned_of(solar, -20.0, 0.0, -50.0)
    p_kw, _ = community_powers(solar, planned, changed(solar, "pv", [50.0, 30.0, 70.0, 10.0]))
    assert p_kw[:, 0].tolist() == [-20.0, -20.0, -20.0, -10.0]


def test_no_inverter_gives_more_reactive_than_active_power_or_than_it_can(solar):
    """Rated 120 kVA: 60 kvar leave √(120² − 60²) = 103.9 kW, but the plant is rated 100 kW."""
    planned = planned_of(solar, -50.0, -40.0, -50.0)
    p_kw, q_kvar = community_powers(solar, planned, changed(solar, "pv", [50.0, 30.0, 100.0, 0.0]))
    assert q_kvar[:, 0].tolist() == [-40.0, -30.0, -40.0, 0.0]
    small = field_with(device("pv", inverter_kva=60.0, q_share=0.9), columns={"pv": 50.0})
    planned = planned_of(small, -50.0, 48.0, -50.0)
    p_kw, q_kvar = community_powers(small, planned, changed(small, "pv", [60.0, 60.0, 60.0, 20.0]))
    assert p_kw[:, 0] == pytest.approx([-36.0, -36.0, -36.0, -20.0])
    assert q_kvar[:, 0] == pytest.approx([48.0, 48.0, 48.0, 20.0])


def test_a_plant_without_a_say_goes_with_its_power_factor():
    field = field_with(device("pv", q_share=np.nan, power_factor=0.9), columns={"pv": 50.0})
    planned = planned_of(field, -50.0, -99.0, -50.0)
    p_kw, q_kvar = community_powers(field, planned, changed(field, "pv", [40.0] * 4))
    assert q_kvar == pytest.approx(p_kw * np.tan(np.arccos(0.9)))


def test_what_is_put_off_is_put_off_whatever_is_consumed():
    field = field_with(device("demand_response"), columns={"demand_response": 30.0})
    planned = planned_of(field, [[25.0], [35.0], [30.0], [30.0]], 0.0, 30.0)
    p_kw, _ = community_powers(field, planned, changed(field, "demand_response", [20.0, 40.0, 33.0, 30.0]))
    assert p_kw[:, 0].tolist() == [15.0, 45.0, 33.0, 30.0]


def test_consumption_never_feeds_in_and_stays_within_its_rating():
    field = field_with(device("demand_response"), columns={"demand_response": 30.0})
    planned = planned_of(field, [[0.0], [50.0], [30.0], [30.0]], 0.0, 30.0)
    p_kw, _ = community_powers(field, planned, changed(field, "demand_response", [20.0, 45.0, 33.0, 30.0]))
    assert p_kw[:, 0].tolist() == [0.0, 60.0, 33.0, 30.0]


def test_a_plant_of_a_community_keeps_an_envelope_that_the_study_brings(solar):
    given = Envelopes(("pv",), np.full((4, 1), -55.0), np.zeros((4, 1)))
    field = replace(solar, study=replace(solar.study, envelopes=given))
    planned = planned_of(field, -50.0, 0.0, -50.0)
    p_kw, _ = community_powers(field, planned, changed(field, "pv", [50.0, 30.0, 70.0, 0.0]))
    assert p_kw[:, 0].tolist() == [-50.0, -30.0, -55.0, 0.0]


def test_what_has_a_set_point_keeps_it():
    field = field_with(device("battery"), columns={})
    planned = planned_of(field, 7.0, 1.0, 0.0)
    p_kw, q_kvar = community_powers(field, planned, field.study.profiles)
    assert (p_kw == 7.0).all() and (q_kvar == 1.0).all()


def test_when_all_is_as_expected_all_is_as_planned():
    assets = [device(kind) for kind in ("pv", "battery", "demand_response", "smart_boiler", "chp", "boiler")]
    columns = {"pv": [0.0, 40.0, 60.0, 20.0], "demand_response": 30.0, "smart_boiler.draw_m3": 0.05}
    field = field_with(*assets, columns=columns)
    known = field.study.profiles
    planned = with_schedules(
        field, plan_alone(field), schedule_communities(field, known, nobody(field), with_round=False)
    )
    p_kw, q_kvar = community_powers(field, planned, known)
    assert p_kw == pytest.approx(planned.plan_kw[:, field.scheduled], abs=1e-6)
    assert q_kvar == pytest.approx(planned.plan_kvar[:, field.scheduled], abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "changes", "swing"),
    [
        ("pv", {}, 2.0 * 0.5 * 120.0),
        ("pv", {"q_share": np.nan}, 0.0),
        ("smart_boiler", {}, 2.0 * 0.1 * 30.0),
        ("chp", {}, 0.8 * 60.0),
        ("chp", {"q_absorb_share": np.nan}, 0.5 * 60.0),
        ("battery", {}, 0.0),
        ("battery", {"power_factor": 0.8}, 2.0 * 0.75 * 25.0),
        ("heat_pump", {"power_factor": 0.8}, 0.75 * 40.0),
    ],
)
def test_what_a_device_can_move_of_reactive_power(kind, changes, swing):
    assert reactive_swing_kvar(device(kind, **changes)) == pytest.approx(swing)


# Houses


@pytest.fixture(scope="module")
def heated():
    columns = {OUTDOOR: [5.0, 4.0, 3.0, 2.0, 1.0, 0.0], "house.water_kw": [0.0, 0.5, 0.0, 0.0, 0.5, 0.0]}
    return field_with(device("house"), columns=columns, steps=6, temperature_error_c=3.0)


def test_a_house_is_as_warm_as_the_weather_leaves_it(heated):
    """Each interval by hand: air and structure by backward Euler, with the weather as it was."""
    known, real = heated.study.profiles, heated.information.meters()
    scheduled = schedule_communities(heated, known, nobody(heated), with_round=False)
    houses = Houses.of(heated, scheduled)
    planned_c = scheduled.state.copy()
    for step in range(6):
        houses.warm(scheduled, step)
    k1, k2, air, structure = 0.2, 2.6, 1.2, 9.0
    x = np.array([22.0, 22.0])
    names = scheduled.state_name.tolist()
    at = [names.index("house"), names.index("house.structure")]
    for step in range(6):
        heat_kw = 3.0 * (scheduled.p_kw[step, 0] - known.columns["house.water_kw"][step])
        outdoor_c = real.columns[OUTDOOR][step]
        # (air + k1 + k2) T − k2 S = air T₀ + heat + k1 outdoor, (structure + k2) S − k2 T = structure S₀
        matrix = np.array([[air + k1 + k2, -k2], [-k2, structure + k2]])
        x = np.linalg.solve(matrix, [air * x[0] + heat_kw + k1 * outdoor_c, structure * x[1]])
        assert scheduled.state[step, at] == pytest.approx(x)
    assert not np.allclose(scheduled.state[:, at], planned_c[:, at])


def test_with_the_weather_as_forecast_a_house_is_as_warm_as_planned():
    columns = {OUTDOOR: [5.0, 4.0, 3.0, 2.0]}
    field = field_with(device("house"), columns=columns)
    scheduled = schedule_communities(field, field.study.profiles, nobody(field), with_round=False)
    planned_c, houses = scheduled.state.copy(), Houses.of(field, scheduled)
    for step in range(4):
        houses.warm(scheduled, step)
    assert scheduled.state == pytest.approx(planned_c, abs=1e-6)
