"""Both sides of the benchmark answer the same question: where one device asks, they give the same answer."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from feeders import charger, load, study, tree
from gridcommons.benchmarks.around_plan import compare_with_optimum, make_work
from unit_envelopes import mixed_study

R_PU = 0.5
"""500 kW of it would take the whole voltage: a line of 0.08 ohm at 0.4 kV."""

VM_MIN_PU = 0.951
"""The band of these studies begins at 0.95; of 0.1 pu two per cent are left, half of them here."""

CARRIED_KW = 1e3 * VM_MIN_PU * (1.0 - VM_MIN_PU) / R_PU
"""What the end of the line can draw: P = V (1 − V) / R behind a resistance alone and 1 pu."""

LOADS_KW = (10.0, 40.0, 30.0)

CUT_KW = 0.1
"""Ends around a plan are cut by what a kW does at no load, and end a thousandth inside of what is carried."""


def one_line(**plan_kw):
    """A charger and a load at the end of a line, in three intervals."""
    assets = [load("L", "b1"), charger("C", "b1", 200.0)]
    return study(tree([0], R_PU + 0.0j), assets, {"L": LOADS_KW, **plan_kw}, steps=3)


def test_both_sides_find_what_one_line_carries():
    """Beside 40 and 30 kW of load the charger has the rest of what the voltage allows."""
    figures = compare_with_optimum(one_line(), intervals=2, repeats=1)
    expected_kw = 2.0 * CARRIED_KW - 70.0
    assert figures["intervals"] == 3 and figures["intervals_compared"] == 2 and figures["devices"] == 1
    upper, lower = figures["width_kw"]["upper"], figures["width_kw"]["lower"]
    assert upper["max_total"] == pytest.approx(expected_kw, abs=1e-3)
    assert upper["around_plan"] == pytest.approx(expected_kw, abs=CUT_KW)
    assert upper["share"] == upper["around_plan"] / upper["max_total"]
    assert lower == {"around_plan": 0.0, "max_total": 0.0, "share": None}


def test_the_intervals_compared_are_those_in_which_most_is_drawn():
    assert make_work(one_line()).most_loaded(2).tolist() == [1, 2]


def vm_pu(p_kw, q_kvar=0.0):
    """Voltage at the end of the line: V⁴ + (2 R P − 1) V² + R² (P² + Q²) = 0, the larger solution."""
    half = 0.5 - R_PU * p_kw / 1e3
    return np.sqrt(half + np.sqrt(half**2 - R_PU**2 * (p_kw**2 + q_kvar**2) / 1e6))


def test_the_widest_break_is_that_of_the_closed_form():
    """Over the intervals asked for, fixed load included."""
    work, p_kw = make_work(one_line()), np.array([[150.0], [100.0]])
    assert work.widest_break(np.array([0, 1]), p_kw) == pytest.approx(VM_MIN_PU - vm_pu(160.0), abs=1e-7)
    assert work.widest_break(np.array([0]), np.zeros((1, 1))) < 0.0
    assert work.widest_break(np.array([0]), np.array([[600.0]])) == np.inf


def test_the_widest_break_counts_the_reactive_power_of_the_devices():
    inductive = replace(charger("C", "b1", 200.0), power_factor=0.8)
    work = make_work(study(tree([0], R_PU + 0.0j), [inductive]))
    expected = VM_MIN_PU - vm_pu(150.0, 0.75 * 150.0)
    assert work.widest_break(np.array([0]), np.array([[150.0]])) == pytest.approx(expected, abs=1e-7)


def test_a_plan_counts_as_outside_by_what_is_beyond_the_ends():
    """An uncontrolled charger draws by its profile: 120 and 100 kW, of which the line carries a part."""
    figures = compare_with_optimum(one_line(C=(0.0, 120.0, 100.0)), intervals=2, repeats=1)
    outside = figures["plan_outside_kw"]
    assert outside["plan"] == 220.0
    assert outside["max_total"] == pytest.approx(220.0 - (2.0 * CARRIED_KW - 70.0), abs=1e-3)
    assert outside["around_plan"] == pytest.approx(outside["max_total"], abs=CUT_KW)
    assert figures["widest_break"]["plan"] == pytest.approx(VM_MIN_PU - vm_pu(160.0), abs=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_no_end_of_either_side_breaks_a_limit_on_the_other_load_flow(seed):
    """Batteries, chargers and roofs on a random feeder; neither side has seen Newton's method."""
    widest = compare_with_optimum(mixed_study(seed), intervals=2, repeats=1)["widest_break"]
    assert max(widest[side] for side in ("around_plan", "around_plan_whole_day", "max_total")) <= 1e-6


def test_every_figure_is_documented(repository):
    """Also those inside of others, in the benchmark's own section of the page."""
    text = (repository / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    section = text.partition("\n## envelopes-around-plan\n")[2].partition("\n## ")[0]
    figures = compare_with_optimum(one_line(), intervals=1, repeats=1)
    keys = {key for value in figures.values() if isinstance(value, dict) for key in value} | set(figures)
    inner = {key for each in figures["width_kw"].values() for key in each}
    assert (keys | inner) - {"goal"} <= set(re.findall(r"`(\w+)`", section))
