"""Who can move load, what stays as it is, and what keeps devices from being planned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flexibility_study import car, flexibility_study, prepared, pump
from gridcommons.flexibility.fleet import make_fleet
from gridcommons.flexibility.settings import Settings
from gridcommons.model.assets import Battery
from gridcommons.model.errors import StudyError
from gridcommons.model.members import Community


def changed(study, assets=None, members=None, **columns):
    """The study with other assets or members by name, and other columns; None removes one."""
    community = study.community
    known = [asset.asset for asset in community.assets]
    table = [(assets or {}).get(asset.asset, asset) for asset in community.assets]
    table += [asset for name, asset in (assets or {}).items() if name not in known]
    people = tuple(replace(member, **(members or {}).get(member.member, {})) for member in community.members)
    given = {name.replace("__", "."): values for name, values in columns.items()}
    kept = {
        name: values for name, values in {**study.profiles.columns, **given}.items() if values is not None
    }
    return replace(
        study,
        community=Community(people, tuple(asset for asset in table if asset is not None)),
        profiles=replace(study.profiles, columns=kept),
    )


def fleet_of(study, **settings):
    return make_fleet(study, Settings(**settings))


def row_of(fleet, name):
    return fleet.chains.name.index(name)


def test_every_device_knows_whose_and_where_it_is():
    study = flexibility_study(homes=8, reprofiling=True)
    fleet = fleet_of(study)
    assert len(fleet) == 16
    by_name = study.community.member_by_id
    for row, name in enumerate(fleet.chains.name):
        member = by_name["home" + name.removeprefix("car").removeprefix("pump")]
        assert fleet.member[row] == member.member
        assert fleet.aggregator[row] == member.aggregator
        assert fleet.supplier[row] == "supplier"
        assert fleet.bus[row] == int(member.bus[1:])
        assert fleet.reprofiling[row] == (member.contract == "reprofiling")
        assert fleet.load_points[fleet.load_point[row]] == fleet.bus[row]
    assert fleet.reprofiling.sum() == 8
    np.testing.assert_array_equal(fleet.load_points, [1, 2, 3, 4])


def test_fixed_load_is_what_its_profile_says():
    study = flexibility_study(homes=2)
    fleet = fleet_of(study)
    for bus in range(1, 5):
        np.testing.assert_allclose(fleet.fixed_kw[bus], study.profiles.columns[f"load{bus}"])
    assert not fleet.fixed_kw[0].any()
    assert not fleet.fixed_kvar.any()


@pytest.mark.parametrize("how", ["opted out", "no aggregator"])
def test_who_does_not_take_part_stays_fixed_load(how):
    """By the profile of the device, with its power factor; the rest of the fleet is the same."""
    study = flexibility_study(homes=4)
    profile_kw, heating_kw = np.linspace(0.0, 7.0, 24), np.linspace(2.0, 1.0, 24)
    member = {"opted_in": False} if how == "opted out" else {"aggregator": ""}
    out = changed(
        study,
        assets={"pump1": pump("pump1", "home1", power_factor=0.8)},
        members={"home1": member},
        car1=profile_kw,
        pump1=heating_kw,
    )
    fleet, whole = fleet_of(out), fleet_of(study)
    assert set(whole.chains.name) - set(fleet.chains.name) == {"car1", "pump1"}
    bus = int(study.community.member_by_id["home1"].bus[1:])
    np.testing.assert_allclose(fleet.fixed_kw[bus] - whole.fixed_kw[bus], profile_kw + heating_kw)
    np.testing.assert_allclose(fleet.fixed_kvar[bus], 0.75 * heating_kw)


def test_a_device_that_is_not_flexible_is_not_planned():
    study = flexibility_study(homes=4)
    out = changed(study, assets={"car2": replace(car("car2", "home2"), flexible=False)}, car2=np.ones(24))
    fleet = fleet_of(out)
    assert "car2" not in fleet.chains.name
    assert "pump2" in fleet.chains.name
    np.testing.assert_allclose(fleet.fixed_kw - fleet_of(study).fixed_kw, np.eye(5)[3][:, None] * np.ones(24))


def test_other_flexible_assets_stay_fixed_load():
    study = flexibility_study(homes=2)
    battery = Battery(
        asset="cell",
        member="home0",
        flexible=True,
        charge_max_kw=5.0,
        discharge_max_kw=5.0,
        energy_kwh=10.0,
        charge_efficiency_share=1.0,
        discharge_efficiency_share=1.0,
        soc_initial_share=0.5,
        soc_min_share=0.0,
        soc_max_share=1.0,
    )
    fleet = fleet_of(changed(study, assets={"cell": battery}, cell=np.full(24, 0.2)))
    assert "cell" not in fleet.chains.name
    np.testing.assert_allclose(fleet.fixed_kw[3] - fleet_of(study).fixed_kw[3], 0.2)


def test_the_plan_of_a_profile_does_not_count_twice():
    """A planned car that has a profile, too, is not fixed load."""
    study = flexibility_study(homes=2)
    fleet = fleet_of(changed(study, car0=np.full(24, 3.0)))
    np.testing.assert_array_equal(fleet.fixed_kw, fleet_of(study).fixed_kw)
    assert "car0" in fleet.chains.name


def test_hot_water_of_a_planned_heat_pump_is_fixed_load_and_takes_its_rating():
    study = flexibility_study(homes=2)
    water_kw = np.linspace(0.0, 1.0, 24)
    leaning = pump("pump0", "home0", power_factor=0.8)
    fleet = fleet_of(changed(study, assets={"pump0": leaning}, pump0__water_kw=water_kw))
    dry = fleet_of(study)
    np.testing.assert_allclose(fleet.fixed_kw[3] - dry.fixed_kw[3], water_kw)
    np.testing.assert_allclose(fleet.fixed_kvar[3], 0.75 * water_kw)
    row = row_of(fleet, "pump0")
    np.testing.assert_allclose(fleet.chains.power_high[row], 6.0 - water_kw)
    assert fleet.tan[row] == pytest.approx(0.75)
    assert fleet.tan[row_of(fleet, "car0")] == 0.0


def test_discomfort_is_the_assets_own_or_the_settings():
    study = changed(
        flexibility_study(homes=2), assets={"car1": car("car1", "home1", discomfort_per_kw2h=0.38)}
    )
    fleet = fleet_of(study, discomfort_per_kw2h=0.44)
    assert fleet.discomfort_per_kw2h[row_of(fleet, "car1")] == 0.38
    assert fleet.discomfort_per_kw2h[row_of(fleet, "car0")] == 0.44
    assert fleet.discomfort_per_kw2h[row_of(fleet, "pump1")] == 0.44


def test_the_spot_price_holds_network_fees():
    study = flexibility_study(homes=2)
    price = study.prices.import_price_per_kwh
    np.testing.assert_allclose(fleet_of(study).spot_per_kwh, price)
    fee = np.where(np.arange(24) < 12, 0.05, np.nan)
    fleet = fleet_of(replace(study, prices=replace(study.prices, network_fee_per_kwh=fee)))
    np.testing.assert_allclose(fleet.spot_per_kwh, price + np.where(np.arange(24) < 12, 0.05, 0.0))


def test_a_plan_is_the_cheapest_at_curvature_and_interval():
    """A car whose two free half-hours cost c: p1 − p2 = (c2 − c1)/B, whatever the interval."""
    study = flexibility_study(homes=2)
    time = replace(study.time, step_minutes=30, steps=3)
    columns = {name: values[:3] for name, values in study.profiles.columns.items()}
    columns["car0.plugged_in"], columns["car0.drive_kwh"] = (
        np.array([1.0, 1.0, 0.0]),
        np.array([0.0, 0.0, 4.0]),
    )
    columns["car1.drive_kwh"] = np.zeros(3)
    prices = replace(
        study.prices,
        **{name: getattr(study.prices, name)[:3] for name in vars(study.prices) if name.endswith("_kwh")},
    )
    study = replace(study, profiles=replace(study.profiles, time=time, columns=columns), prices=prices)
    fleet = fleet_of(study, plan_curvature_per_kw2h=0.05)
    row = row_of(fleet, "car0")
    plan_kw = fleet.plan(np.tile([0.3, 0.4, 0.2], (1, 1)), [row])
    # Two half-hours give 4 kWh: p1 + p2 = 8 kW.
    np.testing.assert_allclose(plan_kw[0], [4.0 + 1.0, 4.0 - 1.0, 0.0], atol=1e-4)


def test_load_by_load_point_adds_up():
    _, _, fleet, plan_kw, _ = prepared(flexibility_study(homes=10, reprofiling=True))
    everybody = fleet.at_load_points(plan_kw)
    contract = fleet.at_load_points(plan_kw, fleet.reprofiling)
    others = fleet.at_load_points(plan_kw, ~fleet.reprofiling)
    np.testing.assert_allclose(contract + others, everybody)
    for place, bus in enumerate(fleet.load_points):
        np.testing.assert_allclose(everybody[place], plan_kw[fleet.bus == bus].sum(axis=0), atol=1e-9)
    assert contract.any()


# What keeps devices from being planned


def problems_of(study):
    with pytest.raises(StudyError) as refused:
        fleet_of(study)
    return [(problem.file, problem.found) for problem in refused.value.problems]


def test_everything_that_is_missing_is_said_at_once():
    study = flexibility_study(homes=4)
    broken = changed(
        study,
        assets={
            "car0": car("car0", "home0", energy_kwh=np.nan, soc_max_share=np.nan),
            "car1": car("car1", "home1", soc_min_share=np.nan),
            "pump0": pump("pump0", "home0", k1_kw_per_k=np.nan, temp_max_c=np.nan),
            "pump1": pump("pump1", "home1", cop=np.nan),
            "pump2": replace(pump("pump2", "home2"), flexible=False),
            "pump3": pump("pump3", "home3", k2_kw_per_k=np.nan, cop=np.nan),
        },
        **{"outdoor.temp_c": None},
    )
    said = problems_of(replace(broken, prices=None))
    assert said[:2] == [("prices.csv", "no price"), ("profiles", "no column outdoor.temp_c")]
    assert sorted(found for _, found in said[2:]) == sorted(
        [
            "'car0' without energy_kwh, soc_max_share",
            "'car1' without soc_min_share",
            "'pump0' without k1_kw_per_k, temp_max_c",
            "'pump1' without cop",
            "'pump2' without a profile",
            "'pump3' without k2_kw_per_k, cop",
        ]
    )
    assert {where for where, _ in said[2:]} == {"assets.csv"}


def test_one_price_that_is_missing_is_no_price():
    study = flexibility_study(homes=2)
    price = study.prices.import_price_per_kwh.copy()
    price[7] = np.nan
    blank = replace(study, prices=replace(study.prices, import_price_per_kwh=price))
    assert problems_of(blank) == [("prices.csv", "no price")]


def test_nobody_to_plan_is_said():
    study = flexibility_study(homes=2)
    alone = changed(study, members={"home0": {"aggregator": ""}, "home1": {"aggregator": ""}})
    quiet = changed(alone, pump0=np.ones(24), pump1=np.ones(24))
    assert problems_of(quiet) == [("assets.csv", "nothing that can be planned")]


def test_a_heat_pump_of_a_member_without_aggregator_needs_its_profile():
    study = flexibility_study(homes=4)
    out = changed(study, members={"home1": {"aggregator": ""}})
    assert problems_of(out) == [("assets.csv", "'pump1' without a profile")]


def test_a_cop_by_column_is_enough():
    study = flexibility_study(homes=2)
    bare = {"pump0": pump("pump0", "home0", cop=np.nan)}
    assert problems_of(changed(study, assets=bare)) == [("assets.csv", "'pump0' without cop")]
    for column in ("pump0__cop", "pump0__room_cop"):
        fleet = fleet_of(changed(study, assets=bare, **{column: np.full(24, 2.3)}))
        whole = fleet_of(changed(study, assets={"pump0": pump("pump0", "home0")}))
        np.testing.assert_allclose(fleet.chains.effect, whole.chains.effect)


def test_cars_alone_need_no_weather():
    study = flexibility_study(homes=2)
    cars = changed(study, assets={"pump0": None, "pump1": None}, **{"outdoor.temp_c": None})
    fleet = fleet_of(cars)
    assert fleet.chains.name == ("car0", "car1")


def test_reactive_power_at_a_load_point_is_that_of_all_devices_at_their_most():
    study = flexibility_study(homes=2)
    weak = {
        asset.asset: replace(asset, power_factor=0.9)
        for asset in study.community.assets
        if asset.kind == "heat_pump"
    }
    fleet = make_fleet(changed(study, assets=weak), Settings())
    tan = np.sqrt(1.0 / 0.81 - 1.0)
    # A car of 11 kW at unity power factor, a heat pump of 6 kW at 0.9; fixed load alone has none.
    expected = {bus: 6.0 * tan / 17.0 if bus in (3, 4) else 0.0 for bus in fleet.load_points.tolist()}
    np.testing.assert_allclose(fleet.tan_at_load_points, list(expected.values()))
