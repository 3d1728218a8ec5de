"""No stage reads what was not yet known."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_study import EXACT, day_of, day_study, field_of, otherwise, random_day_study
from gridcommons.day.timeline import Stages, run_alone

SEEDS = st.integers(0, 10_000)
WHEN = st.floats(0.0, 1.0, exclude_max=True)


def told(field, minute):
    return bytes_of(field.information.seen(minute))


def bytes_of(profiles, steps=None):
    return {name: column[:steps].tobytes() for name, column in profiles.columns.items()}


@settings(max_examples=40)
@given(seed=SEEDS, when=WHEN)
def test_nothing_is_seen_of_an_interval_before_it_is_over(seed, when):
    """Two days that differ from an interval on look the same until its end, and different from then on."""
    field = field_of(random_day_study(seed))
    steps, each = field.study.time.steps, field.study.time.step_minutes
    k = int(when * steps)
    other = otherwise(field, k)
    for minute in [*field.gates.values(), 0, *(each * m for m in range(k)), each * (k + 1) - 1]:
        assert told(field, minute) == told(other, minute)
    assert told(field, each * (k + 1)) != told(other, each * (k + 1))
    one, two = (each.information.nowcast() for each in (field, other))
    assert bytes_of(one, k + 1) == bytes_of(two, k + 1)
    if k + 1 < steps:
        assert bytes_of(one) != bytes_of(two)
    assert bytes_of(field.information.meters()) != bytes_of(other.information.meters())


@settings(max_examples=25)
@given(seed=SEEDS, when=WHEN)
def test_the_day_is_the_same_until_something_else_is_known(seed, when):
    """Everything of the day before, and what was decided up to an interval that turns out otherwise.

    Newton's load flow solves each interval by itself, so that the bytes are the same.
    """
    field = field_of(random_day_study(seed), method="newton")
    k = int(when * field.study.time.steps)
    one, two = (day_of(each) for each in (field, otherwise(field, k)))
    for stage in ("baseline", "tariff", "market"):
        assert_same(getattr(one, stage), getattr(two, stage))
    sold = [
        [each.quantity.tobytes() for each in day.account.commitments if each.stage == "market"]
        for day in (one, two)
    ]
    assert sold[0] == sold[1]
    # What is decided at the start of interval k is decided without knowing it.
    for name in ("p_min_kw", "p_max_kw"):
        assert_bytes(getattr(one.done, name)[: k + 1], getattr(two.done, name)[: k + 1])
    decided = np.concatenate([field.chained, field.stored])
    assert_bytes(one.done.p_kw[: k + 1, decided], two.done.p_kw[: k + 1, decided])
    assert_bytes(one.done.p_kw[:k], two.done.p_kw[:k])
    assert_bytes(one.done.state[:, :k], two.done.state[:, :k])
    for name in ("bought_kwh", "sold_kwh", "paid"):
        assert_bytes(getattr(one.trades, name)[: k + 1], getattr(two.trades, name)[: k + 1])
    assert one.done.p_kw.tobytes() != two.done.p_kw.tobytes()


def test_what_is_known_later_changes_what_is_done_later():
    """Set-points, envelopes and trades of the intervals after the one that turned out otherwise."""
    field = field_of(day_study())
    one, two = (day_of(each) for each in (field, otherwise(field, 8)))
    decided = np.concatenate([field.chained, field.stored])
    after = slice(9, None)
    assert not np.array_equal(one.done.p_kw[after, decided], two.done.p_kw[after, decided])
    assert not np.array_equal(one.done.p_max_kw[after], two.done.p_max_kw[after])
    assert not np.array_equal(one.trades.bought_kwh[after], two.trades.bought_kwh[after])


@settings(max_examples=25)
@given(seed=SEEDS, when=WHEN)
def test_a_load_flow_that_sums_intervals_together_tells_none_of_another(seed, when):
    """Eight intervals are summed to the same order, which moves the last digits of each and nothing else."""
    field = field_of(random_day_study(seed))
    k = int(when * field.study.time.steps)
    one, two = (day_of(each).done for each in (field, otherwise(field, k)))
    decided = np.concatenate([field.chained, field.stored])
    for ours, theirs in ((one.p_min_kw, two.p_min_kw), (one.p_max_kw, two.p_max_kw)):
        assert ours[: k + 1] == pytest.approx(theirs[: k + 1], rel=0.0, abs=1e-9)
    assert one.p_kw[: k + 1, decided] == pytest.approx(two.p_kw[: k + 1, decided], rel=0.0, abs=1e-9)


@given(seed=SEEDS, when=WHEN)
def test_a_day_alone_is_the_same_until_something_else_is_known(seed, when):
    field = field_of(random_day_study(seed))
    k = int(when * field.study.time.steps)
    one, two = (run_alone(Stages(each)) for each in (field, otherwise(field, k)))
    assert_bytes(one.p_kw[:k], two.p_kw[:k])
    assert_bytes(one.p_kw[: k + 1, field.chained], two.p_kw[: k + 1, field.chained])


@settings(max_examples=20)
@given(seed=SEEDS)
def test_without_errors_everybody_knows_everything(seed):
    field = field_of(random_day_study(seed, **EXACT))
    forecast = bytes_of(field.study.profiles)
    for minute in (*field.gates.values(), 0, 90):
        assert told(field, minute) == forecast
    assert bytes_of(field.information.nowcast()) == bytes_of(field.information.meters()) == forecast


def test_what_is_expected_is_the_newest_measurement_fading():
    field = field_of(day_study(load_error_share=0.3, error_memory_hours=3.0))
    forecast, e = field.study.profiles, field.information._errors
    row, memory = e.column.index("load2"), np.exp(-1.0 / 3.0)
    seen = field.information.seen(5 * 60).of("load2") / forecast.of("load2")
    known = np.concatenate([e.path[row, :5], e.path[row, 4] * memory ** np.arange(1, 20)])
    assert np.log(seen) == pytest.approx(0.3 * known)
    at_start = field.information.nowcast().of("load2") / forecast.of("load2")
    assert np.log(at_start) == pytest.approx(0.3 * memory * np.concatenate([[0.0], e.path[row, :-1]]))


def test_reactive_power_of_a_profile_goes_with_its_active_power():
    study = day_study()
    load_kw = study.profiles.columns["load0"].copy()
    load_kw[3] = 0.0
    columns = {**study.profiles.columns, "load0": load_kw, "load0.q_kvar": 0.2 * load_kw + 0.1}
    study = replace(study, profiles=replace(study.profiles, columns=columns))
    real = field_of(study).information.meters()
    factor = np.divide(real.of("load0"), load_kw, out=np.ones(24), where=load_kw > 0.0)
    assert not np.allclose(factor, 1.0)
    assert real.of("load0.q_kvar") == pytest.approx(columns["load0.q_kvar"] * factor)
    assert real.of("load0.q_kvar")[3] == pytest.approx(0.1)


def test_what_is_no_forecast_is_as_the_study_says():
    field = field_of(day_study())
    real, forecast = field.information.meters(), field.study.profiles
    uncertain = set(field.information._errors.column)
    assert all(real.of(name) is forecast.of(name) for name in forecast.columns if name not in uncertain)


def assert_same(one, two):
    for column in fields(one):
        ours, theirs = getattr(one, column.name), getattr(two, column.name)
        if isinstance(ours, np.ndarray):
            assert ours.tobytes() == theirs.tobytes(), column.name
        else:
            assert_same(ours, theirs)


def assert_bytes(ours, theirs):
    assert np.ascontiguousarray(ours).tobytes() == np.ascontiguousarray(theirs).tobytes()
