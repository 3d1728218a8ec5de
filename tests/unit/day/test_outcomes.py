"""What a stage leaves is arrays, and comes back as it was."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from day_study import usual_day
from gridcommons.day.outcomes import Marketed, Planned, Realised, Tariffed, Traded, from_arrays, to_arrays


def test_every_outcome_comes_back_as_it_was():
    day = usual_day()
    for kind, outcome in (
        (Planned, day.baseline),
        (Tariffed, day.tariff),
        (Marketed, day.market),
        (Realised, day.done),
        (Traded, day.trades),
    ):
        arrays = to_arrays(outcome)
        assert all(isinstance(array, np.ndarray) for array in arrays.values())
        again = to_arrays(from_arrays(kind, arrays))
        assert arrays.keys() == again.keys()
        assert all(arrays[name] is again[name] for name in arrays)


def test_plans_within_an_outcome_have_its_name_before():
    day = usual_day()
    arrays = to_arrays(day.market)
    assert arrays["planned.plan_kw"] is day.market.planned.plan_kw
    assert arrays["planned.target"] is day.market.planned.target
    names = {column.name for column in fields(Marketed)} - {"planned"}
    assert set(arrays) == names | {f"planned.{column.name}" for column in fields(Planned)}
