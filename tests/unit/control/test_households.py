"""From a study to arrays: who is controlled, what follows its profile, and where reactive power goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control_study import control_study
from gridcommons.control.dispatch import Part
from gridcommons.control.households import make_households
from gridcommons.control.measures import Asked, make_signals
from gridcommons.control.rolling_horizon import control_year
from gridcommons.control.settings import Costs, Settings
from gridcommons.model.errors import StudyError
from gridcommons.model.members import Community


def changed(study, /, columns=None, add=(), **by_asset):
    """The study with fields of some assets replaced, columns added, and assets added."""
    assets = [replace(asset, **by_asset.get(asset.asset, {})) for asset in study.community.assets]
    community = Community(study.community.members, (*assets, *add))
    profiles = replace(study.profiles, columns={**study.profiles.columns, **(columns or {})})
    return replace(study, community=community, profiles=profiles)


def year_of(study, *, with_stores=True):
    homes = make_households(study, study.community, with_stores=with_stores)
    signals = make_signals(Asked(study.time.steps, len(homes)), homes, Settings(), 0.25)
    return control_year(homes, signals, Costs(), np.zeros((2, study.time.steps)))


def test_reactive_power_follows_each_device_with_its_own_factor_and_sign():
    own = np.linspace(0.1, 0.9, 288)
    study = changed(
        control_study(),
        {"home_2_load.q_kvar": own},
        home_2_battery={"power_factor": 0.8},
        home_2_ev={"power_factor": 0.9},
        home_2_heat_pump={"power_factor": 0.95},
        home_2_pv={"power_factor": 0.98},
    )
    alone = replace(study, community=only(study.community, "home_2"))
    year = year_of(alone)
    parts = year.record.parts
    tan = {pf: np.sqrt(1.0 / pf**2 - 1.0) for pf in (0.8, 0.9, 0.95, 0.98)}
    expected = (
        own
        + tan[0.8] * parts[Part.BATTERY_KW]
        + tan[0.9] * parts[Part.CAR_KW]
        + tan[0.95] * parts[Part.PUMP_KW]
        - tan[0.98] * parts[Part.GENERATION_KW]
    )
    np.testing.assert_allclose(year.record.q_kvar[0], expected, atol=1e-12)
    assert parts[Part.BATTERY_KW].min() < 0.0 < parts[Part.BATTERY_KW].max()
    assert parts[Part.CAR_KW].max() > 0.0 and parts[Part.GENERATION_KW].max() > 0.0


def test_reactive_power_that_is_given_is_kept_as_it_is():
    given = np.linspace(-1.0, 1.0, 288)
    study = changed(
        control_study(), {"home_3_heat_pump.q_kvar": given}, home_3_heat_pump={"power_factor": 0.9}
    )
    year = year_of(replace(study, community=only(study.community, "home_3")))
    np.testing.assert_allclose(year.record.q_kvar[0], given, atol=1e-12)


def only(community, member):
    members = tuple(each for each in community.members if each.member == member)
    return Community(members, tuple(asset for asset in community.assets if asset.member == member))


def test_what_is_not_flexible_follows_its_profile():
    rest = np.tile([2.0, -2.0], 144)
    study = changed(
        control_study(),
        {"home_2_battery": rest},
        home_2_battery={"flexible": False},
        home_3_ev={"flexible": False},
    )
    homes = make_households(study, study.community, with_stores=True)
    columns = study.profiles.columns
    np.testing.assert_allclose(homes.plant.load_kw[1], columns["home_2_load"] + rest)
    np.testing.assert_allclose(homes.plant.load_kw[2], columns["home_3_load"] + columns["home_3_ev"])
    assert homes.plant.car_of[2] == -1 and homes.plant.battery_high_kwh[1] == 0.0
    without = make_households(study, study.community, with_stores=False)
    np.testing.assert_allclose(without.plant.load_kw[1], columns["home_2_load"])


def test_several_cars_and_pumps_act_as_one_of_their_sums():
    study = control_study()
    of = {asset.asset: asset for asset in study.community.assets}
    extra = [
        replace(of["home_2_ev"], asset="home_2_ev_2", charge_max_kw=3.7),
        replace(of["home_2_heat_pump"], asset="home_2_heat_pump_2", consumption_max_kw=1.0),
    ]
    columns = {
        "home_2_ev_2": np.full(288, 1.0),
        "home_2_ev_2.plugged_in": np.full(288, 0.5),
        "home_2_heat_pump_2": np.full(288, 0.5),
        "home_2_heat_pump_2.cop": np.full(288, 2.0),
    }
    study = changed(study, columns, extra)
    homes = make_households(study, study.community, with_stores=True)
    plant, car, pump = homes.plant, homes.plant.car_of[1], homes.plant.pump_of[1]
    assert plant.car_max_kw[1] == 14.7 and plant.car_count[1] == 2.0 and plant.pump_max_kw[1] == 4.0
    np.testing.assert_allclose(plant.car_plugged[car], 1.5)
    own = study.profiles.columns["home_2_heat_pump"]
    np.testing.assert_allclose(plant.heat_kw[pump], 3.0 * own + 2.0 * 0.5)
    np.testing.assert_allclose(plant.cop[pump], (3.0 * own + 1.0) / (own + 0.5))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"home_2_heat_pump": {"flexible": False}}, "a heat_store of 'home_2' beside a fixed heat pump"),
        ({}, "heat_pumps of 'home_2' with several power factors"),
    ],
)
def test_homes_that_cannot_be_controlled_as_one_are_refused(changes, said):
    study = control_study()
    of = {asset.asset: asset for asset in study.community.assets}
    extra = []
    if not changes:
        extra = [replace(of["home_2_heat_pump"], asset="home_2_heat_pump_2", power_factor=0.9)]
    columns = {"home_2_heat_pump_2": np.ones(288)} if extra else {}
    broken = changed(study, columns, extra, **changes)
    with pytest.raises(StudyError, match=said):
        make_households(broken, broken.community, with_stores=True)


def test_a_roof_at_night_and_a_battery_alone_are_members_like_others():
    study = control_study()
    kinds = {"home_1": ("pv",), "home_2": ("battery",)}
    assets = [
        asset for asset in study.community.assets
        if asset.kind in kinds.get(asset.member, (asset.kind,))
    ]  # fmt: skip
    dark = {"home_1_pv": np.zeros(288)}
    study = changed(replace(study, community=Community(study.community.members, tuple(assets))), dark)
    homes = make_households(study, study.community, with_stores=True)
    assert len(homes) == 4 and homes.plant.battery_high_kwh[1] == 10.0
