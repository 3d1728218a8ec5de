"""A study in finer intervals is the same study."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from feeders import tree
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import EvCharger, Load
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.finer_intervals import in_finer_intervals
from gridcommons.model.flexibility import Offer
from gridcommons.model.members import Community, Member
from gridcommons.model.orders import StandingOrder
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis


def study_of(minutes=60, steps=2) -> Study:
    """A load and a car, with everything that a study can have by interval."""
    grid, rows = tree([0], 0.01), np.arange(1.0, steps + 1.0)
    columns = {
        "load": rows,
        "load.q_kvar": 0.1 * rows,
        "car.plugged_in": np.array([1.0] * (steps - 1) + [0.0]),
        "car.drive_kwh": 4.0 * rows,
        "boiler.draw_m3": 0.4 * rows,
        "outdoor.temp_c": -rows,
    }
    limits = voltage_band(grid, 0.9, 1.1)
    limits = replace(limits, vm_min_pu=np.repeat(limits.vm_min_pu, steps, axis=0) + 0.01 * rows[:, None])
    return Study(
        name="s",
        currency="EUR",
        seed=1,
        grid=grid,
        community=Community(
            (Member(member="m", bus="b1"),),
            (Load(asset="load", member="m"), EvCharger(asset="car", member="m", charge_max_kw=11.0)),
        ),
        profiles=Profiles(TimeAxis(datetime(2030, 1, 1, tzinfo=UTC), minutes, steps), columns),
        limits=limits,
        prices=Prices(rows, 0.5 * rows, np.full(steps, np.nan), 2.0 * rows),
        offers=(
            Offer(
                offer="o",
                aggregator="a",
                bus="b1",
                price_per_kwh=0.2,
                flexibility_kw=rows,
                payback_kw=rows[::-1].copy(),
            ),
        ),
        orders=(StandingOrder("o", "m", "c", True, 3.0, 0.2, 0, 1),),
        envelopes=Envelopes(("car",), -rows[:, None], rows[:, None]),
        inputs_sha256="x",
    )


def test_powers_and_prices_are_the_same_in_every_part():
    fine = in_finer_intervals(study_of(), 15)
    assert (fine.time.step_minutes, fine.time.steps) == (15, 8)
    assert fine.time.end == study_of().time.end
    for name in ("load", "load.q_kvar", "car.plugged_in", "outdoor.temp_c"):
        assert np.array_equal(fine.profiles.columns[name], np.repeat(study_of().profiles.columns[name], 4))
    assert fine.prices.import_price_per_kwh.tolist() == [1.0] * 4 + [2.0] * 4
    assert fine.prices.heat_price_per_kwh.tolist() == [2.0] * 4 + [4.0] * 4
    assert fine.prices.export_price_per_kwh.tolist() == [0.5] * 4 + [1.0] * 4
    assert np.isnan(fine.prices.network_fee_per_kwh).all() and len(fine.prices.network_fee_per_kwh) == 8


@pytest.mark.parametrize("name", ["car.drive_kwh", "boiler.draw_m3"])
def test_an_amount_is_divided_among_the_parts(name):
    whole, fine = (of.profiles.columns[name] for of in (study_of(), in_finer_intervals(study_of(), 15)))
    assert fine.tolist() == pytest.approx(np.repeat(whole / 4.0, 4))
    assert fine.reshape(2, 4).sum(axis=1) == pytest.approx(whole)


def test_limits_that_change_do_so_at_the_same_time_and_constants_stay():
    study = study_of()
    fine = in_finer_intervals(study, 20)
    assert fine.time.steps == 6
    assert np.array_equal(fine.limits.vm_min_pu, np.repeat(study.limits.vm_min_pu, 3, axis=0))
    assert fine.limits.vm_max_pu is study.limits.vm_max_pu


def test_offers_orders_and_envelopes_hold_for_as_long_as_before():
    fine = in_finer_intervals(study_of(), 30)
    (offer,), (order,) = fine.offers, fine.orders
    assert offer.flexibility_kw.tolist() == [1, 1, 2, 2] and offer.payback_kw.tolist() == [2, 2, 1, 1]
    assert (order.placed_step, order.expires_step) == (0, 3) and order.power_kw == 3.0
    assert fine.envelopes.p_max_kw[:, 0].tolist() == [1, 1, 2, 2]
    assert fine.envelopes.p_min_kw[:, 0].tolist() == [-1, -1, -2, -2]
    later = replace(study_of(), orders=(replace(study_of().orders[0], placed_step=1, expires_step=1),))
    (order,) = in_finer_intervals(later, 15).orders
    assert (order.placed_step, order.expires_step) == (4, 7)


@pytest.mark.parametrize(
    ("minutes", "longest", "found"),
    [(15, 15, 15), (1, 15, 1), (60, 60, 60), (50, 15, 10), (7, 5, 1), (30, 16, 15)],
)
def test_parts_are_equal_of_whole_minutes_and_short_enough(minutes, longest, found):
    study = study_of(minutes=minutes)
    fine = in_finer_intervals(study, longest)
    assert fine.time.step_minutes == found
    assert (fine is study) == (found == minutes)


def test_a_study_without_all_of_that_stays_without():
    bare = replace(study_of(), prices=None, offers=(), orders=(), envelopes=None)
    fine = in_finer_intervals(bare, 15)
    assert fine.prices is fine.envelopes is None and fine.offers == fine.orders == ()
    assert fine.inputs_sha256 == bare.inputs_sha256 and fine.grid is bare.grid
