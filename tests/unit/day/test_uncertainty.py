"""Errors grow with the time that a forecast looks ahead, and neighbours are wrong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from day_study import EXACT, day_study
from gridcommons.day.settings import Settings
from gridcommons.day.uncertainty import draw_errors
from gridcommons.model.assets import Load, Pv
from gridcommons.model.members import Community, Member
from gridcommons.model.profiles import Profiles

FORECAST = -14 * 60


def crowd(count, steps=24, seed=1):
    """So many loads and roofs of one member."""
    study = day_study(seed, homes=1, steps=steps)
    loads = [Load(asset=f"load{k}", member="m") for k in range(count)]
    roofs = [Pv(asset=f"roof{k}", member="m", generation_max_kw=5.0) for k in range(count)]
    columns = {each.asset: np.ones(steps) for each in (*loads, *roofs)}
    people = Community((Member(member="m", bus="b1"),), (*loads, *roofs))
    return replace(study, community=people, profiles=Profiles(study.time, columns))


def path(study, **settings):
    errors = draw_errors(study, Settings(**settings), FORECAST)
    return errors.column, errors.path


def test_the_error_at_a_lead_of_n_intervals_has_the_variance_of_its_law():
    """1 − ρ^(2n): zero when the forecast is made, one far ahead; 2,000 draws are within a tenth of it."""
    _, e = path(crowd(1000), error_memory_hours=12.0, neighbour_share=0.0)
    memory = np.exp(-1.0 / 12.0)
    lead = 14 + np.arange(1, 25)
    assert e.var(axis=0) == pytest.approx(1.0 - memory ** (2 * lead), rel=0.1)
    assert np.var(e[:, -1]) > np.var(e[:, 0])


def test_neighbours_in_time_are_as_alike_as_the_memory_says():
    _, e = path(crowd(1000), error_memory_hours=6.0, neighbour_share=0.0)
    memory = np.exp(-1.0 / 6.0)
    assert (e[:, 1:] - memory * e[:, :-1]).std() == pytest.approx(np.sqrt(1.0 - memory**2), rel=0.02)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_loads_have_the_part_of_their_error_in_common_that_is_set(share):
    """Correlation of two loads, over 4,000 independent intervals; of a load and a roof there is none."""
    column, e = path(crowd(2, steps=4000), error_memory_hours=0.05, neighbour_share=share)
    pair = np.corrcoef(e)
    at = {name: k for k, name in enumerate(column)}
    assert pair[at["load0"], at["load1"]] == pytest.approx(share, abs=0.05)
    assert pair[at["roof0"], at["roof1"]] == pytest.approx(share, abs=0.05)
    assert pair[at["load0"], at["roof0"]] == pytest.approx(0.0, abs=0.05)


@given(seed=st.integers(0, 1000), order=st.integers(0, 1000))
def test_the_order_of_assets_decides_nothing(seed, order):
    study = day_study(seed)
    mixed = np.random.default_rng(order).permutation(len(study.community.assets))
    assets = tuple(study.community.assets[k] for k in mixed)
    other = replace(study, community=Community(study.community.members, assets))
    one, two = (dict(zip(*path(each), strict=True)) for each in (study, other))
    assert one.keys() == two.keys()
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_another_seed_is_another_day_and_the_same_one_the_same():
    (_, one), (_, same) = path(day_study(1)), path(day_study(1))
    _, other = path(replace(day_study(1), seed=2))
    assert one.tobytes() == same.tobytes() and not np.isclose(one, other).any()


def test_what_is_uncertain_are_loads_plants_and_the_weather():
    study = day_study()
    errors = draw_errors(study, Settings(), FORECAST)
    kinds = {asset.asset: asset.kind for asset in study.community.assets}
    assert {kinds.get(name, name) for name in errors.column} == {"load", "pv", "outdoor.temp_c"}
    spread = {kinds.get(name, name): float(s) for name, s in zip(errors.column, errors.spread, strict=True)}
    assert spread == {"load": 0.15, "pv": 0.2, "outdoor.temp_c": 1.0}
    assert [name for name, added in zip(errors.column, errors.is_added, strict=True) if added] == [
        "outdoor.temp_c"
    ]


def test_a_factor_keeps_the_sign_and_a_temperature_moves_by_degrees():
    study = day_study()
    errors = draw_errors(study, Settings(), FORECAST)
    base = np.array([study.profiles.columns[name] for name in errors.column])
    moved = errors.of(base, np.full_like(base, 2.0))
    factor = np.where(errors.is_added, 1.0, np.exp(2.0 * errors.spread))
    assert moved == pytest.approx(base * factor[:, None] + 2.0 * errors.is_added[:, None])


def test_without_spread_reality_is_the_forecast():
    study = day_study()
    errors = draw_errors(study, Settings(**EXACT), FORECAST)
    base = np.array([study.profiles.columns[name] for name in errors.column])
    assert errors.of(base, errors.path).tobytes() == base.tobytes()
