"""Studies whose day cannot be lived: everything that is missing, at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import day_study, field_of
from gridcommons.day.requirements import LONGEST_DAYS, require_day
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import StudyError
from gridcommons.model.members import Community


def problems_of(study):
    with pytest.raises(StudyError) as caught:
        require_day(field_of(study))
    return [str(problem) for problem in caught.value.problems]


def renamed(study, member=0, **names):
    members = list(study.community.members)
    members[member] = replace(members[member], **names)
    return replace(study, community=Community(tuple(members), study.community.assets))


def without(study, *columns):
    kept = {name: values for name, values in study.profiles.columns.items() if name not in columns}
    return replace(study, profiles=replace(study.profiles, columns=kept))


def test_a_whole_study_has_no_problem():
    assert require_day(field_of(day_study())) is None


def test_what_follows_a_profile_needs_one_and_what_is_planned_does_not():
    study = day_study()
    load = next(asset.asset for asset in study.community.assets if asset.kind == "load")
    car = next(asset.asset for asset in study.community.assets if asset.kind == "ev_charger")
    assert problems_of(without(study, load, car)) == [
        f"profiles column {load}: found no such column, expected the profile that {load} follows: "
        "nothing plans it"
    ]


def test_a_window_is_no_longer_than_a_few_days():
    study = day_study(steps=24 * (LONGEST_DAYS + 1))
    (line,) = problems_of(study)
    assert line.startswith(f"study.toml [time]: found a window of {LONGEST_DAYS + 1} days, expected at most")
    require_day(field_of(day_study(steps=24 * LONGEST_DAYS)))


@pytest.mark.parametrize("column", ["supplier", "aggregator", "cluster"])
@pytest.mark.parametrize("name", ["DSO", "community pool", "balancing"])
def test_nobody_is_called_as_an_account_is(column, name):
    (line,) = problems_of(renamed(day_study(), **{column: name}))
    assert line.startswith(f"members.csv column {column}: found {name!r}, expected a name other than DSO")


def test_all_problems_come_at_once():
    study = renamed(without(day_study(steps=24 * 9), "home0_load"), supplier="DSO")
    assert len(problems_of(study)) >= 2


@pytest.mark.parametrize("column", ["supplier", "aggregator"])
def test_no_member_is_called_as_another_party(column):
    """Else it would pay itself, or get what all the others pay."""
    (line,) = problems_of(renamed(day_study(), **{column: "home3"}))
    assert line.startswith("members.csv column member: found 'home3', expected a name that no supplier")


def test_a_fee_with_gaps_is_no_fee_and_prices_do_not_cross():
    study = day_study()
    fee, low = study.prices.network_fee_per_kwh.copy(), study.prices.export_price_per_kwh.copy()
    fee[3:5], low[7] = np.nan, 1.0
    prices = replace(study.prices, network_fee_per_kwh=fee, export_price_per_kwh=low)
    first, second = problems_of(replace(study, prices=prices))
    assert "found no fee in 2 intervals, the first at 2030-02-14T03:00:00+01:00" in first
    assert "column export_price_per_kwh: found 1 with" in second and "2030-02-14T07:00+01:00" in second
    none = replace(study.prices, network_fee_per_kwh=np.full(24, np.nan))
    assert require_day(field_of(replace(study, prices=none))) is None


def test_envelopes_that_would_make_somebody_draw_or_inject_are_refused():
    study = day_study()
    ends = {"low": np.zeros((24, 2)), "high": np.zeros((24, 2))}
    ends["low"][5, 0], ends["high"][7, 1] = 1.0, -2.0
    ends["high"][:, 0] = 3.0
    ends["low"][:, 1] = -4.0
    given = Envelopes(("car2", "battery3"), ends["low"], ends["high"])
    first, second = problems_of(replace(study, envelopes=given))
    assert "1 to 3 kW of car2 at 2030-02-14T05:00+01:00" in first and "-4 to -2 kW of battery3" in second
    still = Envelopes(("load0",), np.ones((24, 1)), np.ones((24, 1)))
    assert require_day(field_of(replace(study, envelopes=still))) is None


def test_what_drives_or_cools_needs_a_profile_or_what_its_state_follows_from():
    study = day_study()
    car = next(asset for asset in study.community.assets if asset.kind == "ev_charger")
    assets = tuple(
        replace(each, energy_kwh=np.nan) if each is car else each for each in study.community.assets
    )
    (said,) = problems_of(replace(study, community=Community(study.community.members, assets)))
    assert f"column {car.asset}: found no such column" in said and "energy_kwh, soc_min_share" in said
    columns = {name: each for name, each in study.profiles.columns.items() if name != "outdoor.temp_c"}
    said = problems_of(replace(study, profiles=replace(study.profiles, columns=columns)))
    assert len(said) == sum(asset.kind == "heat_pump" for asset in study.community.assets)
    assert all("outdoor.temp_c and a COP" in line for line in said)


def test_seven_days_over_the_clock_change_are_seven_days():
    assert require_day(field_of(day_study(steps=24 * LONGEST_DAYS + 1))) is None
