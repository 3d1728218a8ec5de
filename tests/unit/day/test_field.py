"""Who is connected where, and what can be moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import day_study, field_of, usual_field
from feeders import charger, load
from gridcommons.model.assets import Pv
from gridcommons.model.errors import NotConvergedError, StudyError
from gridcommons.model.members import Community
from gridcommons.model.profiles import Profiles


def with_assets(*assets, columns=None, homes=2):
    """A street of which these assets are all there is."""
    study = day_study(homes=homes)
    community = Community(study.community.members, assets)
    given = {"outdoor.temp_c": study.profiles.columns["outdoor.temp_c"], **(columns or {})}
    return replace(study, community=community, profiles=Profiles(study.time, given))


def names(field, rows):
    return [field.assets[k].asset for k in rows]


def test_every_device_is_planned_or_stored_or_follows():
    field = usual_field()
    kinds = [asset.kind for asset in field.assets]
    assert {kinds[k] for k in field.chained} == {"ev_charger", "heat_pump"}
    assert names(field, field.chained) == [*(c.asset for c in field.cars), *(p.asset for p in field.pumps)]
    assert {kinds[k] for k in field.stored} == {"battery"} and {kinds[k] for k in field.followers} == {"pv"}
    parts = np.concatenate([field.chained, field.stored, field.followers])
    assert sorted(parts) == np.flatnonzero(field.is_controllable).tolist()
    assert names(field, field.roofs) == ["roof1", "roof5"]
    assert field.chains(field.study.profiles).name == tuple(names(field, field.chained))


def test_members_and_buses_are_those_of_the_study():
    field = usual_field()
    of_member = field.study.community.member_by_id
    members = [member.member for member in field.study.community.members]
    for k, asset in enumerate(field.assets):
        assert members[field.member_of[k]] == asset.member
        assert field.study.grid.buses.name[field.bus[k]] == of_member[asset.member].bus
        assert field.row[asset.asset] == k


def test_who_opted_out_is_moved_by_nobody():
    study = day_study()
    members = tuple(replace(m, opted_in=m.member != "home1") for m in study.community.members)
    field = field_of(replace(study, community=Community(members, study.community.assets)))
    moved = {field.assets[k].member for k in np.flatnonzero(field.is_controllable)}
    assert "home1" not in moved and {"home0", "home2"} <= moved


def test_a_car_of_unknown_size_follows_its_profile():
    sizes = {"energy_kwh": 40.0, "soc_min_share": 0.1, "soc_max_share": 0.9}
    cars = [replace(charger(f"c{k}", "home0"), **{**sizes, name: np.nan}) for k, name in enumerate(sizes)]
    whole = replace(charger("c3", "home0"), **sizes)
    field = field_of(with_assets(*cars, whole))
    assert names(field, field.chained) == ["c3"] and names(field, field.followers) == ["c0", "c1", "c2"]


def test_a_house_without_weather_is_not_planned():
    study = day_study()
    columns = {name: c for name, c in study.profiles.columns.items() if not name.startswith("outdoor")}
    field = field_of(replace(study, profiles=Profiles(study.time, columns)))
    assert len(usual_field().pumps) > 0 and field.pumps == ()


def test_a_roof_gives_no_more_than_its_inverter():
    roofs = (
        Pv(asset="a", member="home0", generation_max_kw=5.0, inverter_kva=4.0),
        Pv(asset="b", member="home0", generation_max_kw=5.0),
    )
    field = field_of(with_assets(*roofs, columns={"a": np.full(24, 9.0), "b": np.full(24, 9.0)}))
    net_kw = field.net_kw(field.study.profiles)
    assert net_kw[:, 0].tolist() == [-4.0] * 24 and net_kw[:, 1].tolist() == [-5.0] * 24


def test_a_planned_heat_pump_draws_its_hot_water_whatever_is_planned():
    field = usual_field()
    net_kw = field.net_kw(field.study.profiles)
    row = field.row["pump2"]
    assert net_kw[:, row].tolist() == field.study.profiles.of("pump2.water_kw").tolist()
    assert net_kw[:, row].sum() == pytest.approx(0.8)


def test_reactive_power_is_given_or_follows_the_power_factor():
    study = with_assets(
        replace(load("a", "home0"), power_factor=0.8),
        load("b", "home1"),
        columns={"a": np.full(24, 4.0), "b": np.full(24, 4.0), "b.q_kvar": np.full(24, -1.5)},
    )
    field = field_of(study)
    p_kw = field.net_kw(study.profiles)
    assert field.net_kvar(p_kw, study.profiles) == pytest.approx(np.tile([3.0, -1.5], (24, 1)))


def test_a_day_that_the_grid_cannot_carry_is_named_by_its_hour():
    study = with_assets(load("a", "home1"), columns={"a": np.where(np.arange(24) == 5, 3e4, 1.0)})
    field = field_of(study)
    p_kw = field.net_kw(study.profiles)
    with pytest.raises(NotConvergedError, match=r"cannot carry 30,000 kW at 2030-02-14 05:00"):
        field.flow(p_kw, 0.0 * p_kw)


def test_gates_are_checked_first():
    with pytest.raises(StudyError, match="lunch"):
        field_of(day_study(gates={"lunch": "12:00"}))
