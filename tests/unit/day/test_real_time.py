"""The day itself: promises are kept, what was sold is kept, and the grid holds with what was known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_study import EXACT, day_of, day_study, field_of, random_day_study, usual_field
from gridcommons.day.account_entries import open_account
from gridcommons.day.day_ahead import plan_baseline
from gridcommons.day.envelope_issuer import Issuer, device_bounds_kw
from gridcommons.day.real_time import live_the_day
from gridcommons.model.envelopes import Envelopes

SEEDS = st.integers(0, 10_000)


def issuer_of(field, planned):
    """Envelopes as things are expected at each interval's start."""
    return Issuer(field, planned, field.information.nowcast())


def test_devices_are_bounded_by_their_ratings():
    field = usual_field()
    low_kw, high_kw = device_bounds_kw(field, field.study.profiles)
    net_kw = field.net_kw(field.study.profiles)
    fixed = ~field.is_controllable
    assert np.array_equal(low_kw[:, fixed], net_kw[:, fixed])
    assert np.array_equal(high_kw[:, fixed], net_kw[:, fixed])
    car, pump, roof, battery = (field.row[name] for name in ("car2", "pump2", "roof1", "battery3"))
    plugged_in = field.study.profiles.of("car2.plugged_in")
    assert low_kw[:, car].tolist() == [0.0] * 24
    assert high_kw[:, car] == pytest.approx(11.0 * plugged_in)
    # Hot water is drawn whatever the rooms do, and within the rating.
    assert low_kw[:, pump] == pytest.approx(field.study.profiles.of("pump2.water_kw"))
    assert high_kw[:, pump] == pytest.approx(6.0)
    assert low_kw[:, roof] == pytest.approx(-field.study.profiles.of("roof1"))
    assert high_kw[:, roof] == pytest.approx(0.0)
    assert (low_kw[:, battery] == -4.0).all() and (high_kw[:, battery] == 4.0).all()


def test_a_margin_leaves_its_share_of_every_limit():
    limits = usual_field().limits.with_margin(0.1)
    assert limits.vm_min_pu == pytest.approx(0.91) and limits.vm_max_pu == pytest.approx(1.09)
    assert limits.loading_max_percent == pytest.approx(90.0)


@settings(max_examples=25)
@given(seed=SEEDS, control=st.booleans())
def test_what_is_promised_and_what_is_sold_is_kept(seed, control):
    """Set-points lie within envelopes; a sale is never taken back, whatever happens."""
    field = field_of(random_day_study(seed, load_error_share=0.4))
    instruments = ("market", "envelopes", "control") if control else ("market", "envelopes")
    day = day_of(field, instruments)
    moved = field.is_controllable
    assert (day.done.p_kw <= day.done.p_max_kw + 1e-9)[:, moved].all()
    assert (day.done.p_kw >= day.done.p_min_kw - 1e-9)[:, moved].all()
    for each in day.account.commitments:
        row, sold = field.row[each.seller], each.quantity > 0.0
        assert (day.done.p_kw[sold, row] <= day.market.planned.plan_kw[sold, row] + 1e-6).all()
    day.account.check()


@settings(max_examples=25)
@given(seed=SEEDS)
def test_on_a_known_day_no_limit_is_broken_that_could_be_kept(seed):
    """Without errors the day within its envelopes is inside all limits, unless rest itself is not."""
    field = field_of(random_day_study(seed, **EXACT))
    day = day_of(field, ("control", "envelopes"))
    done, issued = day.done, issuer_of(field, day.final).of_devices(field.network)
    flow, limits = field.flow(done.p_kw, done.q_kvar), field.limits
    held = (issued.left_up == 0.0) & (issued.left_down == 0.0)
    assert (flow.loading_percent <= limits.loading_max_percent + 1e-3)[held].all()
    assert (flow.vm_pu >= limits.vm_min_pu - 1e-5)[held].all()
    assert (flow.vm_pu <= limits.vm_max_pu + 1e-5)[held].all()


def test_envelopes_are_there_because_the_day_needs_them():
    """The same known day without them overloads a line."""
    field = usual_field(**EXACT)
    with_them, without = (day_of(field, ("control", *each)).done for each in (("envelopes",), ()))
    worst = [field.flow(done.p_kw, done.q_kvar).loading_percent.max() for done in (with_them, without)]
    assert worst[0] <= 98.0 + 1e-3 and worst[1] > 110.0
    assert np.isfinite(with_them.p_max_kw[:, field.is_controllable]).all()
    assert np.isinf(with_them.p_max_kw[:, ~field.is_controllable]).all()
    assert np.isinf(without.p_max_kw).all() and np.isinf(without.p_min_kw).all()


def test_envelopes_are_issued_around_the_plans_with_what_is_expected():
    field = usual_field()
    planned = plan_baseline(field)
    issuer = issuer_of(field, planned)
    issued = issuer.of_devices(field.network)
    done = live_the_day(field, planned, None, control=True, issued=issuer.usual)
    moved = field.is_controllable
    assert done.p_max_kw[:, moved].tobytes() == issued.p_max_kw.tobytes()
    assert done.p_min_kw[:, moved].tobytes() == issued.p_min_kw.tobytes()
    later = Issuer(field, planned, field.information.meters()).of_devices(field.network)
    assert not np.array_equal(issued.p_max_kw, later.p_max_kw)


def test_what_is_realised_is_measured_on_the_real_profiles():
    field = usual_field()
    planned = plan_baseline(field)
    done = live_the_day(field, planned, open_account(field, planned), control=True)
    real = field.information.meters()
    fixed = ~field.is_controllable
    assert np.array_equal(done.p_kw[:, fixed], field.net_kw(real)[:, fixed])
    assert done.q_kvar == pytest.approx(field.net_kvar(done.p_kw, real))


def test_what_was_sold_is_not_taken_back_in_a_colder_day():
    """Houses want more than their plans, and have sold what is above them."""
    field = field_of(day_study(temperature_error_c=8.0, seed=4))
    planned = plan_baseline(field)
    account = open_account(field, planned)
    rows = account.rows(field.assets[k].asset for k in field.chained)
    plan_kw = account.plan_kw[:, rows]
    account.narrow("market", rows, account.low_kw[:, rows], plan_kw)
    done = live_the_day(field, planned, account, control=True)
    assert (done.wanted_kw[:, field.chained] > plan_kw + 0.1).any()
    assert (done.p_kw[:, field.chained] <= plan_kw + 1e-9).all()


def test_where_the_grid_allows_less_than_was_promised_to_draw_the_grid_is_kept():
    field = usual_field(rated_a=40.0)
    planned = plan_baseline(field)
    account = open_account(field, planned)
    mine = account.rows_of(field.row)
    done = live_the_day(field, planned, account, control=True, issued=issuer_of(field, planned).usual)
    assert (done.p_max_kw[:, mine] < planned.plan_kw[:, mine] - 1.0).any()
    assert (done.p_kw <= done.p_max_kw + 1e-9)[:, field.is_controllable].all()


def with_given(study, **ends):
    """The study with envelopes of its own: least and most of some assets, the same in every interval."""
    names = tuple(ends)
    low_kw, high_kw = (np.tile([ends[name][end] for name in names], (study.time.steps, 1)) for end in (0, 1))
    return replace(study, envelopes=Envelopes(names, low_kw.astype(float), high_kw.astype(float)))


@pytest.mark.parametrize("instruments", [("control",), ("control", "envelopes", "market", "tariff")])
def test_envelopes_that_the_study_brings_are_kept_whatever_is_issued(instruments):
    of = day_study()
    free = day_of(field_of(of), instruments).done
    given = {"car2": (0.0, 3.0), "roof1": (-1.0, 0.0), "battery3": (-0.5, 0.5)}
    field = field_of(with_given(of, **given, load0=(0.0, 0.0)))
    day = day_of(field, instruments)
    for name, (low, high) in given.items():
        k = field.row[name]
        assert day.done.p_kw[:, k].min() >= low - 1e-9 and day.done.p_kw[:, k].max() <= high + 1e-9
        assert free.p_kw[:, k].min() < low - 0.1 or free.p_kw[:, k].max() > high + 0.1
    # A load that nobody may move is no part of it.
    assert np.array_equal(day.done.p_kw[:, field.row["load0"]], free.p_kw[:, field.row["load0"]])
    day.account.check()


def test_what_a_device_must_draw_it_draws_whatever_it_is_allowed():
    field = field_of(with_given(day_study(), pump2=(0.0, 0.0)))
    done = day_of(field, ("control",)).done
    assert done.p_kw[:, field.row["pump2"]] == pytest.approx(field.study.profiles.of("pump2.water_kw"))
