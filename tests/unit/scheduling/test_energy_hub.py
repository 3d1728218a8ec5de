"""A community as it sees itself: who is planned, what is fixed, and only its own columns and prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.model.envelopes import Envelopes
from gridcommons.model.members import Member
from gridcommons.scheduling.energy_hub import communities_of, make_hub, window_of
from hubs import device, study_of, whole_hub

STEPS = 6
STEP = np.arange(STEPS, dtype=float)


def two_communities():
    """Members of "c" at b1 and b2 (two of them), one of "other", one opted out, one of nobody."""
    members = (
        Member(member="m0", bus="b2", cluster="c"),
        Member(member="m1", bus="b1", cluster="c"),
        Member(member="m2", bus="b2", cluster="c"),
        Member(member="m3", bus="b4", cluster="other"),
        Member(member="m4", bus="b1", cluster="c", opted_in=False),
        Member(member="m5", bus="b5"),
    )
    assets = (
        device("pv", "sun0"),
        device("load", "load1", member="m1", power_factor=0.9),
        device("battery", "bat2", member="m2", flexible=False),
        device("boiler", "fire2", member="m2"),
        device("pv", "sun00", member="m3"),
        device("pv", "sun4", member="m4"),
        device("boiler", "fire4", member="m4"),
        device("heat_store", "store4", member="m4"),
        device("load", "load5", member="m5"),
    )
    columns = {
        "sun0": 10.0 + STEP,
        "load1": 20.0 + STEP,
        "load1.heat_kw": 30.0 + STEP,
        "bat2": 1.0 - STEP,
        "sun00": 99.0,
        "sun4": 40.0 + STEP,
        "sun4.q_kvar": 5.0,
        "load5": 50.0,
        "outdoor.temp_c": 3.0 * STEP,
    }
    return study_of(
        *assets, columns=columns, steps=STEPS, members=members, **{"import": 0.1 * STEP, "heat": STEP}
    )


def test_communities_are_clusters_in_the_order_of_the_file():
    found = communities_of(two_communities())
    assert list(found) == ["c", "other"]
    assert [member.member for member in found["c"]] == ["m0", "m1", "m2", "m4"]


def test_who_opted_in_is_planned_and_the_rest_follows_its_profile():
    hub = whole_hub(two_communities())
    assert [asset.asset for asset in hub.planned] == ["sun0", "fire2"]
    assert [asset.asset for asset in hub.fixed] == ["load1", "bat2", "sun4", "fire4", "store4"]
    assert hub.bus == ("b2", "b1")
    assert [hub.connection[name] for name in ("sun0", "load1", "bat2", "fire2", "sun4")] == [0, 1, 0, 0, 1]
    np.testing.assert_array_equal(hub.connections_of(("fire2", "load1")), [0, 1])
    np.testing.assert_array_equal(hub.may_be_shed, [0])


def test_what_is_fixed_has_its_net_power_reactive_power_and_heat():
    hub = whole_hub(two_communities())
    np.testing.assert_allclose(hub.fixed_kw[:3], [20.0 + STEP, 1.0 - STEP, -40.0 - STEP])
    assert not hub.fixed_kw[3:].any()
    np.testing.assert_allclose(hub.fixed_kvar[0], (20.0 + STEP) * np.tan(np.arccos(0.9)))
    np.testing.assert_allclose(hub.fixed_kvar[1], 0.0)
    np.testing.assert_allclose(hub.fixed_kvar[2], 5.0)
    np.testing.assert_allclose(hub.heat_demand_kw.sum(axis=0), 30.0 + STEP)


def test_a_community_sees_nobody_elses_columns():
    """Of planned assets alone, and the weather; a name that begins alike is another asset."""
    study = two_communities()
    assert set(whole_hub(study).horizon.profiles.columns) == {"sun0", "outdoor.temp_c"}
    other = make_hub(study, "other", slice(0, STEPS), {})
    assert set(other.horizon.profiles.columns) == {"sun00", "outdoor.temp_c"}


@given(st.integers(0, STEPS - 1), st.integers(1, STEPS))
def test_a_window_is_cut_out_of_profiles_prices_and_envelopes(first, count):
    steps = slice(first, min(first + count, STEPS))
    study = two_communities()
    limits = Envelopes(
        ("sun00", "fire2", "sun0"),
        np.arange(3 * STEPS, dtype=float).reshape(STEPS, 3) - 100.0,
        np.full((STEPS, 3), 7.0),
    )
    hub = make_hub(replace(study, envelopes=limits), "c", steps, {"fire2": 4.0})
    cut = STEP[steps]
    np.testing.assert_array_equal(hub.horizon.profiles.columns["sun0"], 10.0 + cut)
    np.testing.assert_array_equal(hub.fixed_kw[0], 20.0 + cut)
    np.testing.assert_array_equal(hub.heat_demand_kw[0], 30.0 + cut)
    np.testing.assert_allclose(hub.prices.import_price_per_kwh, 0.1 * cut)
    np.testing.assert_allclose(hub.prices.heat_price_per_kwh, cut)
    np.testing.assert_array_equal(hub.p_min_kw, [3.0 * cut + 2.0 - 100.0, 3.0 * cut + 1.0 - 100.0])
    assert (hub.p_max_kw == 7.0).all() and hub.steps == len(cut)
    assert hub.horizon.profiles.time.local(0) == study.time.local(first) and hub.horizon.start == {
        "fire2": 4.0
    }


def test_without_envelopes_there_are_no_ends_and_a_fee_that_is_not_given_is_none():
    study = two_communities()
    nothing = replace(study.prices, network_fee_per_kwh=np.full(STEPS, np.nan))
    hub = whole_hub(replace(study, prices=nothing))
    assert np.isneginf(hub.p_min_kw).all() and np.isposinf(hub.p_max_kw).all()
    assert not hub.prices.network_fee_per_kwh.any()


def test_a_window_over_the_change_of_clocks_keeps_its_instants():
    study = study_of(
        device("load"), columns={"load": 1.0}, steps=30, start=datetime(2021, 3, 27, 23, tzinfo=UTC)
    )
    window = window_of(study.profiles, slice(25, 30))
    assert window.time.start == datetime(2021, 3, 29, 0, tzinfo=UTC) and window.time.steps == 5
    assert window.time.local(0).isoformat() == "2021-03-29T02:00:00+02:00"


def test_a_community_without_anything_fixed_or_planned_has_empty_tables():
    nothing = whole_hub(study_of(device("pv"), columns={"pv": 1.0}, steps=3))
    assert nothing.fixed_kw.shape == (0, 3) and nothing.heat_demand_kw.shape == (0, 3)
    assert nothing.may_be_shed.shape == (0,)
    fixed = whole_hub(study_of(device("load"), columns={"load": 1.0}, steps=3))
    assert fixed.planned == () and fixed.p_min_kw.shape == (0, 3)
    with pytest.raises(KeyError):
        make_hub(study_of(device("load")), "no such community", slice(0, 1), {})
