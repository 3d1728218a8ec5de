"""The band of the forecast holds reality as often as it says, and knows nothing of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridcommons.day.field import make_field
from gridcommons.day.forecast_band import forecast_bands
from gridcommons.day.settings import Settings
from gridcommons.tasks import default_engines
from hubs import device, study_of


def field_of(seed=1, loads=8, **settings):
    assets = [device("load", f"load{k}", member="m0") for k in range(loads)]
    assets += [device("pv", f"roof{k}", member="m0") for k in range(2)]
    columns = {f"load{k}": 2.0 + k for k in range(loads)} | {f"roof{k}": 5.0 for k in range(2)}
    study = replace(study_of(*assets, columns=columns, steps=24), seed=seed)
    return make_field(study, Settings(**settings), default_engines())


def test_it_holds_four_of_five_intervals_over_many_days():
    inside = []
    for seed in range(60):
        for band in forecast_bands(field_of(seed)):
            inside.append((band.realised_kw >= band.low_kw) & (band.realised_kw <= band.high_kw))
    assert np.mean(inside) == pytest.approx(0.8, abs=0.05)


def test_what_neighbours_have_in_common_does_not_even_out():
    alone, alike = (forecast_bands(field_of(neighbour_share=share))[0] for share in (0.0, 1.0))
    assert ((alike.high_kw - alike.low_kw) > 2.0 * (alone.high_kw - alone.low_kw)).all()


def test_without_errors_there_is_no_band():
    for band in forecast_bands(field_of(load_error_share=0.0, generation_error_share=0.0)):
        for values in (band.low_kw, band.high_kw, band.realised_kw):
            np.testing.assert_allclose(values, band.middle_kw)


def test_a_kind_that_nobody_has_has_no_band():
    assert [band.kind for band in forecast_bands(field_of())] == ["load", "generation"]
    assert [band.kind for band in forecast_bands(field_of(loads=0))] == ["generation"]
