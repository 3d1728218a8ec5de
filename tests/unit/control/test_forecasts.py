"""Forecasts: none but the pseudo-forecast knows the day, and the statistical one earns its name."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from gridcommons.control.forecasts import Persistence, Pseudo, Statistical, make_forecaster
from gridcommons.model.time import TimeAxis

DAYS = 60


def axis(days=DAYS, timezone="Europe/Berlin"):
    return TimeAxis(datetime(2030, 1, 31, 23, tzinfo=UTC), 15, 96 * days, timezone)


def load(days=DAYS, seed=1):
    """A load with a shape of the day, weekends, a trend and noise that lasts a day."""
    rng = np.random.default_rng(seed)
    t = np.arange(96 * days)
    shape = 100.0 + 60.0 * np.sin(2 * np.pi * (t % 96) / 96.0 - 2.0)
    weekend = np.where((t // 96) % 7 >= 5, 25.0, 0.0)
    weather = np.repeat(np.cumsum(rng.normal(0.0, 8.0, days)), 96)
    return shape + weekend + weather + rng.normal(0.0, 4.0, len(t))


@pytest.mark.parametrize("name", ["persistence", "statistical"])
def test_no_forecast_sees_its_own_day_or_a_later_one(name):
    forecaster, known = make_forecaster(name, 0.5), load()
    before = forecaster.forecast(known, axis())
    for day in (3, 20, 45):
        changed = known.copy()
        changed[96 * day :] += 1000.0
        after = forecaster.forecast(changed, axis())
        np.testing.assert_array_equal(before[: 96 * (day + 1)], after[: 96 * (day + 1)])
        assert (before[96 * (day + 1) :] != after[96 * (day + 1) :]).any()


def test_the_pseudo_forecast_is_the_load_itself_and_no_alias_of_it():
    known = load()
    forecast = Pseudo().forecast(known, axis())
    np.testing.assert_array_equal(forecast, known)
    assert forecast is not known


def test_persistence_repeats_last_week_and_before_that_yesterday():
    known = load()
    forecast = Persistence().forecast(known, axis())
    assert np.isnan(forecast[:96]).all()
    np.testing.assert_array_equal(forecast[96:192], known[:96])
    np.testing.assert_array_equal(forecast[96 * 30 : 96 * 31], known[96 * 23 : 96 * 24])


def test_the_statistical_forecast_errs_less_than_persistence():
    known, late = load(), slice(96 * 30, None)
    error = {
        type(each).__name__: np.abs(each.forecast(known, axis()) - known)[late].mean()
        for each in (Persistence(), Statistical())
    }
    assert error["Statistical"] < 0.8 * error["Persistence"]


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantiles_cover_what_they_promise(quantile):
    below = []
    for seed in range(6):
        known = load(90, seed)
        forecast = Statistical(quantile).forecast(known, axis(90))
        below.append((known <= forecast)[96 * 40 :].mean())
    assert np.mean(below) == pytest.approx(quantile, abs=0.06)


@pytest.mark.parametrize("month", [3, 10])
def test_days_of_23_and_25_hours_keep_the_hour_of_the_clock(month):
    last = {3: 31, 10: 27}[month]
    time = TimeAxis(datetime(2030, month, last - 10, 22, tzinfo=UTC), 15, 96 * 20, "Europe/Berlin")
    _, hour = time.local_clock()
    forecast = Persistence().forecast(np.floor(hour), time)
    day, _ = time.local_clock()
    late = (day >= 8) & (day < day[-1]) & (np.floor(hour) != 2)
    np.testing.assert_array_equal(forecast[late], np.floor(hour)[late])
    assert np.isfinite(forecast[day >= 2]).all()


@pytest.mark.parametrize("load_kw", [0.0, 7.0])
def test_a_constant_load_is_forecast_as_it_is(load_kw):
    forecast = Statistical(0.9).forecast(np.full(96 * 30, load_kw), axis(30))
    np.testing.assert_allclose(forecast[96:], load_kw, atol=1e-9)
