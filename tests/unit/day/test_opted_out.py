"""Cars and houses of members who take no part live as they always did, in the middle of everybody's day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import EXACT, day_of, day_study, field_of
from gridcommons.day.timeline import Stages, instruments_of, run_alone
from gridcommons.model.members import Community
from gridcommons.tasks import run

OUT = "home2"
"""A member with an aggregator, a car and a heat pump."""


def opted_out(study, *names):
    members = tuple(
        replace(member, opted_in=member.member not in names) for member in study.community.members
    )
    return replace(study, community=Community(members, study.community.assets))


@pytest.fixture(scope="module")
def lived():
    field = field_of(opted_out(day_study(temperature_error_c=2.0), OUT))
    return field, day_of(field), run_alone(Stages(field))


def test_nobody_plans_them_and_they_have_no_envelope(lived):
    field, day, alone = lived
    rows = [field.row["car2"], field.row["pump2"]]
    assert not field.is_controllable[rows].any() and set(rows) == set(field.by_themselves.tolist())
    assert np.array_equal(day.done.p_kw[:, rows], alone.p_kw[:, rows])
    assert np.isinf(day.done.p_max_kw[:, rows]).all()
    assert not {"car2", "pump2"} & {each.seller for each in day.account.commitments}


def test_the_car_drives_and_the_house_is_kept_warm(lived):
    field, day, _ = lived
    place = {k: row for row, k in enumerate(field.chained.tolist())}
    energy_kwh = day.done.state[place[field.row["car2"]]]
    drive_kwh = field.study.profiles.of("car2.drive_kwh")
    charged_kwh = day.done.p_kw[:, field.row["car2"]]
    assert drive_kwh.sum() > 1.0 and charged_kwh.sum() > 1.0
    assert np.diff(energy_kwh) == pytest.approx((charged_kwh - drive_kwh)[1:])
    air_c = day.done.state[place[field.row["pump2"]]]
    assert np.abs(air_c - 22.0).max() < 0.5 and air_c.std() > 1e-3


def test_the_market_pays_them_nothing_and_asks_no_tariff_of_them(lived):
    field, day, _ = lived
    whole = run(opted_out(day_study(), OUT), "day").tables
    mine = whole["postings"][whole["postings"].party == OUT]
    assert not mine.item.str.startswith("flexibility").any() and "dynamic tariff" not in set(mine.item)
    assert "tariff returned" in set(mine.item)
    statement = whole["statements"].set_index("member").loc[OUT]
    assert statement.flexibility_kwh == 0.0 and statement.withdrawn_kwh > 5.0


def test_everybody_elses_envelopes_leave_room_for_them():
    """On a known day no limit is broken: what they draw is counted where envelopes are made."""
    field = field_of(opted_out(day_study(**EXACT), OUT))
    done = day_of(field, ("control", "envelopes")).done
    flow = field.flow(done.p_kw, done.q_kvar)
    assert flow.loading_percent.max() <= 98.0 + 1e-3
    free = day_of(field_of(day_study(**EXACT)), ("control", "envelopes")).done
    assert not np.allclose(done.p_max_kw[:, field.row["car6"]], free.p_max_kw[:, field.row["car6"]])


def test_where_all_opt_out_there_is_nothing_to_plan():
    study = day_study()
    field = field_of(opted_out(study, *(member.member for member in study.community.members)))
    assert instruments_of(field) == ("trading",)
    day, alone = day_of(field), run_alone(Stages(field))
    assert np.array_equal(day.done.p_kw, alone.p_kw)
