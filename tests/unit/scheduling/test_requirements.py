"""What a study must say before its communities are scheduled: every problem at once, each at its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridcommons.model.errors import StudyError
from gridcommons.model.members import Member
from gridcommons.scheduling.requirements import require_scheduling
from gridcommons.scheduling.settings import Settings
from hubs import KINDS, RATINGS, device, study_of
from three_phase_studies import street

NAN = float("nan")


def problems(study, **settings):
    """Everything that is wrong with a study, as it is written."""
    with pytest.raises(StudyError) as caught:
        require_scheduling(study, Settings(**settings))
    return [str(problem) for problem in caught.value.problems]


def only(study, **settings):
    """The one problem of a study."""
    (found,) = problems(study, **settings)
    return found


def complete():
    """Two devices of every kind and all their columns, at two members of a community."""
    assets = [device(kind, f"{kind}{k}", member=f"m{k}") for k in range(2) for kind in RATINGS]
    columns = {asset.asset: 1.0 for asset in assets if asset.kind in ("load", "pv", "demand_response")}
    columns |= {"outdoor.temp_c": 5.0, "smart_boiler0.draw_m3": 1.9, "house0.water_kw": 6.0}
    return study_of(*assets, columns=columns, steps=8, minutes=30)


def changed(name, **changes):
    """The complete study with another rating of one asset."""
    study = complete()
    assets = tuple(
        replace(asset, **changes) if asset.asset == name else asset for asset in study.community.assets
    )
    return replace(study, community=replace(study.community, assets=assets))


def without_column(*names):
    """The complete study without some columns."""
    study = complete()
    columns = {name: values for name, values in study.profiles.columns.items() if name not in names}
    return replace(study, profiles=replace(study.profiles, columns=columns))


def priced(**prices):
    """The complete study at other prices."""
    study = complete()
    spread = {name: np.broadcast_to(np.asarray(value, float), 8) + 0.0 for name, value in prices.items()}
    return replace(study, prices=replace(study.prices, **spread))


def test_a_complete_study_of_every_kind_has_no_problem():
    assert {asset.kind for asset in complete().community.assets} >= set(KINDS) - {"house"}
    require_scheduling(complete(), Settings())


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("pv1", "inverter_kva", "expected the inverter behind the reactive power of q_share"),
        ("smart_boiler1", "inverter_kva", "expected the inverter behind the reactive power of q_share"),
        ("chp1", "electric_share", "expected the electric part of its heat, above 0"),
        ("demand_response1", "power_to_energy_per_h", "a planned demand_response needs it"),
        ("ev_charger1", "energy_kwh", "a planned ev_charger needs it"),
        ("ev_charger1", "soc_min_share", "a planned ev_charger needs it"),
        ("ev_charger1", "soc_max_share", "a planned ev_charger needs it"),
        ("heat_pump1", "cop", "expected a COP above 0, here or as heat_pump1.cop in the profiles"),
        ("house1", "cop", "expected a COP above 0, here or as house1.cop in the profiles"),
    ],
)
def test_a_planned_asset_without_a_rating_is_named_with_the_column(name, column, words):
    found = only(changed(name, **{column: NAN}))
    assert found.startswith(f"assets.csv row {name}, column {column}: found nothing, ") and words in found
    # Where nobody plans it, nobody needs it.
    if name.startswith(("smart_boiler", "ev_charger")):
        require_scheduling(changed(name, **{column: NAN, "flexible": False}), Settings())


def test_what_is_not_needed_may_be_missing():
    assert require_scheduling(changed("pv0", inverter_kva=NAN, q_share=NAN), Settings()) is None
    assert require_scheduling(changed("pv0", inverter_kva=NAN, q_share=0.0), Settings()) is None
    assert require_scheduling(changed("ev_charger0", departure_soc_share=NAN), Settings()) is None
    # The boiler of the member makes the heat of its turbine, and what it costs.
    assert require_scheduling(changed("chp0", heat_cost_per_kwh=NAN), Settings()) is None
    study = changed("heat_pump0", cop=NAN)
    columns = {**study.profiles.columns, "heat_pump0.cop": np.full(8, 3.0)}
    study = replace(study, profiles=replace(study.profiles, columns=columns))
    assert require_scheduling(study, Settings()) is None


def test_a_turbine_without_a_boiler_needs_a_price_of_its_heat():
    found = only(study_of(device("chp", heat_cost_per_kwh=NAN), device("boiler", member="m1")))
    assert found.startswith("assets.csv row chp, column heat_cost_per_kwh: ") and "without a boiler" in found
    assert "above 0" in only(study_of(device("chp", electric_share=0.0)))


def test_a_pump_that_makes_heat_of_nothing_is_none():
    assert "a COP above 0" in only(
        study_of(device("heat_pump"), columns={"heat_pump.cop": [3.0, 0.0, 3.0, 3.0]})
    )


def test_a_boiler_that_nobody_plans_needs_a_profile_for_its_hot_water():
    follows = device("smart_boiler", flexible=False)
    found = only(study_of(follows, columns={"smart_boiler.draw_m3": 0.1}))
    assert found.startswith(
        "profiles column smart_boiler: found no such column, expected what smart_boiler draws"
    )
    require_scheduling(
        study_of(follows, columns={"smart_boiler.draw_m3": 0.1, "smart_boiler": 5.0}), Settings()
    )
    require_scheduling(study_of(follows, device("pv"), columns={"pv": 1.0}), Settings())


def test_a_house_needs_the_weather():
    found = problems(without_column("outdoor.temp_c"))
    assert [each.partition(":")[0] for each in found] == [
        f"profiles row house{k}, column outdoor.temp_c" for k in range(2)
    ]


def test_more_water_than_a_tank_holds_and_more_than_a_heat_pump_makes():
    boiler = device("smart_boiler", loss_kw_per_k=0.0)
    require_scheduling(study_of(boiler, columns={"smart_boiler.draw_m3": 2.0}), Settings())
    found = only(study_of(boiler, columns={"smart_boiler.draw_m3": [0.1, 2.1, 0.3, 2.0]}))
    assert found.startswith("profiles column smart_boiler.draw_m3: found 2.1, expected at most 2 ")
    assert found.endswith("; use a finer step")
    # What a tank loses in an hour counts as well: 0.2326 kWh a kelvin are 0.2 m³ of 2.
    leaky = device("smart_boiler", loss_kw_per_k=0.2326)
    assert "found 1.9, expected at most 1.8 " in only(study_of(leaky, columns={"smart_boiler.draw_m3": 1.9}))
    require_scheduling(study_of(leaky, columns={"smart_boiler.draw_m3": 1.9}, minutes=30), Settings())
    house = device("house", consumption_max_kw=6.0)
    columns = {"outdoor.temp_c": 5.0, "house.water_kw": [0.0, 6.5, 0.0, 0.0]}
    found = only(study_of(house, columns=columns))
    assert found.startswith(
        "profiles column house.water_kw: found 6.5, expected at most consumption_max_kw 6"
    )


def test_who_follows_a_profile_needs_one():
    study = without_column("load1")
    assert only(study) == (
        "profiles column load1: found no such column, expected the profile that load1 follows"
    )
    for name in ("pv1", "heat_pump1", "chp1", "demand_response1"):
        fixed = changed(name, flexible=False)
        columns = {key: values for key, values in fixed.profiles.columns.items() if key != name}
        bare = replace(fixed, profiles=replace(fixed.profiles, columns=columns))
        assert only(bare).startswith(f"profiles column {name}: ")


def test_a_member_of_nobody_follows_its_profile_too():
    members = Member(member="m0", bus="b1", cluster="c"), Member(member="m1", bus="b2")
    assets = device("pv"), device("demand_response", "far", member="m1", power_to_energy_per_h=NAN)
    study = study_of(*assets, members=members, columns={"pv": 1.0})
    assert only(study).startswith("profiles column far: found no such column")


@pytest.mark.parametrize("column", ["import_price_per_kwh", "export_price_per_kwh"])
def test_prices_of_every_interval(column):
    assert only(priced(**{column: NAN})) == (
        f"prices.csv column {column}: found no such column, expected a price of every interval"
    )
    assert only(replace(complete(), prices=None)).startswith("prices.csv: found no such file")


def test_selling_for_more_than_buying_costs():
    sold = np.full(8, 0.3)
    sold[[3, 6]] = 0.55
    found = only(priced(export_price_per_kwh=sold, network_fee_per_kwh=0.1))
    assert found.startswith(
        "prices.csv column export_price_per_kwh: found 0.55 with 0.5 for import and network fee at "
        "2021-04-15T01:30+02:00 (and 1 more), expected no more than import and network fee"
    )
    require_scheduling(priced(export_price_per_kwh=0.5, network_fee_per_kwh=0.1), Settings())
    assert "0.45 with 0.4" in only(priced(export_price_per_kwh=0.45, network_fee_per_kwh=NAN))


def test_a_horizon_of_whole_intervals():
    study = study_of(device("battery"), minutes=45)
    assert only(study, horizon_hours=25).startswith(
        "study.toml [tasks.scheduling]: found horizon_hours 25 with step_minutes 45, expected whole intervals"
    )
    require_scheduling(study, Settings(horizon_hours=24))
    require_scheduling(study_of(device("battery")), Settings(horizon_hours=1))


def test_somebody_to_schedule():
    study = study_of(device("load"), columns={"load": 1.0}, members=(Member(member="m0", bus="b1"),))
    assert only(study).startswith("members.csv column cluster: found no member with a cluster")


def test_a_grid_of_three_phases_is_refused_before_all_else():
    grid = street().grid()
    assert grid.is_three_phase
    with pytest.raises(StudyError, match="a three-phase grid for the task 'scheduling'"):
        require_scheduling(replace(complete(), grid=grid, prices=None), Settings())


def test_all_problems_come_at_once():
    assets = (
        device("pv", inverter_kva=NAN),
        device("chp", electric_share=NAN, heat_cost_per_kwh=NAN),
        device("demand_response", power_to_energy_per_h=NAN),
        device("ev_charger", energy_kwh=NAN, soc_min_share=NAN, soc_max_share=NAN),
        device("heat_pump", cop=NAN),
        device("house"),
        device("smart_boiler"),
        device("load"),
    )
    study = study_of(*assets, columns={"smart_boiler.draw_m3": 3.0}, minutes=45, export=0.9)
    found = problems(study, horizon_hours=25)
    assert len(found) == len(set(found)) == 13
    with pytest.raises(StudyError, match="13 problems in the input"):
        require_scheduling(study, Settings(horizon_hours=25))
