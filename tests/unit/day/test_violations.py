"""Each broken limit is a row, and has a cause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from day_study import EXACT, day_of, day_study, field_of, usual_day, usual_field
from gridcommons.day.field import DayFlow
from gridcommons.day.violations import (
    FIXED,
    FORECAST,
    UNDELIVERED,
    UNPROMISED,
    Broken,
    at_rest,
    causes,
    find_broken,
)

SHAPE = (24, 6)


def flow_of(vm_pu=None, loading_percent=None) -> DayFlow:
    """A load flow in which nothing is broken, unless it is said."""
    steps, buses = SHAPE
    return DayFlow(
        np.ones(SHAPE) if vm_pu is None else vm_pu,
        np.zeros((steps, buses - 1)) if loading_percent is None else loading_percent,
        np.zeros((steps, buses - 1)),
        np.zeros(steps),
    )


def row_of(broken, k):
    return (int(broken.step[k]), broken.element[k], broken.kind[k])


def test_each_row_says_where_when_what_and_by_how_much():
    vm_pu, loading = np.ones(SHAPE), np.zeros((24, 5))
    vm_pu[7, 3], vm_pu[7, 1], vm_pu[2, 5], loading[7, 4] = 0.89, 1.12, 0.88, 130.0
    broken = find_broken(usual_field(), flow_of(vm_pu, loading))
    assert [row_of(broken, k) for k in range(4)] == [
        (2, "b5", "vm_min_pu"),
        (7, "line 4", "loading_max_percent"),
        (7, "b1", "vm_max_pu"),
        (7, "b3", "vm_min_pu"),
    ]
    assert broken.value == pytest.approx([0.88, 130.0, 1.12, 0.89])
    assert broken.limit == pytest.approx([0.9, 100.0, 1.1, 0.9])
    assert broken.excess == pytest.approx([0.02, 30.0, 0.02, 0.01])
    assert broken.counted().tolist() == [0, 1, 2, 3]


@given(seed=st.integers(0, 10_000))
def test_there_is_a_row_for_each_limit_that_is_broken_and_for_no_other(seed):
    rng = np.random.default_rng(seed)
    vm_pu, loading = rng.normal(1.0, 0.06, SHAPE), rng.normal(80.0, 20.0, (24, 5))
    broken = find_broken(usual_field(), flow_of(vm_pu, loading))
    rows = {row_of(broken, k): broken.excess[k] for k in range(len(broken.step))}
    wanted = {}
    for step in range(24):
        for bus in range(6):
            for kind, excess in (
                ("vm_min_pu", 0.9 - vm_pu[step, bus]),
                ("vm_max_pu", vm_pu[step, bus] - 1.1),
            ):
                if excess > 1e-5:
                    wanted[step, f"b{bus}", kind] = excess
        for line in range(5):
            if loading[step, line] - 100.0 > 1e-3:
                wanted[step, f"line {line}", "loading_max_percent"] = loading[step, line] - 100.0
    assert rows == pytest.approx(wanted)
    assert [row_of(broken, k)[0] for k in range(len(rows))] == sorted(key[0] for key in rows)


def test_rounding_is_no_violation_and_a_little_is_one_that_does_not_count():
    loading = np.zeros((24, 5))
    loading[0, 0], loading[1, 0], loading[2, 0] = 100.0005, 100.3, 100.6
    vm_pu = np.ones(SHAPE)
    vm_pu[3, 1], vm_pu[4, 1], vm_pu[5, 1] = 0.899995, 0.8995, 0.898
    broken = find_broken(usual_field(), flow_of(vm_pu, loading))
    assert broken.step.tolist() == [1, 2, 4, 5]
    assert broken.step[broken.counted()].tolist() == [2, 5]


def test_what_has_no_voltage_breaks_nothing():
    vm_pu = np.ones(SHAPE)
    vm_pu[:, 4] = np.nan
    assert len(find_broken(usual_field(), flow_of(vm_pu)).step) == 0


def test_every_broken_limit_has_the_first_cause_that_holds():
    """Nobody can move it, a party did not deliver, there were no envelopes, the forecast erred."""
    day = usual_day()
    missed_kw = np.zeros(24)
    missed_kw[[0, 2]] = 1.0
    step = np.arange(4)
    words = ("x",) * 4
    broken = Broken(step, words, words, *np.ones((3, 4)))
    fixed = Broken(step[:2], words[:2], words[:2], *np.ones((3, 2)))
    assert causes(day, broken, fixed, missed_kw) == [FIXED, FIXED, UNDELIVERED, FORECAST]
    without = replace(day, instruments=("tariff", "market"))
    assert causes(without, broken, fixed, missed_kw) == [FIXED, FIXED, UNDELIVERED, UNPROMISED]
    elsewhere = Broken(step[:2], ("y",) * 2, words[:2], *np.ones((3, 2)))
    assert causes(day, broken, elsewhere, missed_kw) == [UNDELIVERED, FORECAST, UNDELIVERED, FORECAST]


def test_a_voltage_that_rounds_were_to_hold_is_no_load_that_nobody_can_move():
    """A loading is; and without rounds a voltage is, too."""
    day = replace(usual_day(), instruments=("reactive",))
    step, missed = np.arange(3), np.array([0.0, 1.0, 0.0])
    kinds = ("vm_min_pu", "vm_max_pu", "loading_max_percent")
    broken = Broken(step, ("x",) * 3, kinds, *np.ones((3, 3)))
    assert causes(day, broken, broken, missed) == [FORECAST, UNDELIVERED, FIXED]
    assert causes(replace(day, instruments=("control",)), broken, broken, missed) == [FIXED] * 3


def test_what_is_broken_at_rest_is_load_that_nobody_can_move():
    """Fixed load of eight times as much overloads the street, whatever the others do."""
    study = day_study(**EXACT)
    loads = {asset.asset for asset in study.community.assets if asset.kind == "load"}
    columns = {
        name: values * (8.0 if name in loads else 1.0) for name, values in study.profiles.columns.items()
    }
    field = field_of(replace(study, profiles=replace(study.profiles, columns=columns)))
    day = day_of(field, ("control", "envelopes"))
    broken = find_broken(field, field.flow(day.done.p_kw, day.done.q_kvar))
    found = causes(day, broken, at_rest(field, day), np.zeros(24))
    assert "loading_max_percent" in broken.kind
    worst = int(np.argmax(np.where(np.array(broken.kind) == "loading_max_percent", broken.excess, 0.0)))
    assert found[worst] == FIXED
