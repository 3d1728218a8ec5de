"""Who has what: counts, subsets, and everything that cannot be, said with numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.synthesis.asset_mix import (
    KINDS,
    Mix,
    MixPlace,
    draw_mix,
    mix_problems,
    shrinking_roofs,
    wanted_count,
)

PLACE = MixPlace("study.toml", "synthesis.future")
HOUSES = [f"house_{number}" for number in range(123)]
FULL = Mix(
    pv_share=0.4,
    pv_kw=8.0,
    battery_share=0.3,
    battery_kwh=16.0,
    battery_kw=5.0,
    heat_pump_share=0.35,
    heat_store_share=0.08,
    heat_store_kwh=11.6,
    ev_share=0.25,
    ev_kw=11.0,
)


def drawn(mix, seed=1, members=HOUSES, cluster="section_6"):
    owners, problems = draw_mix(seed, cluster, members, mix, PLACE)
    assert problems == []
    return owners


def said(mix, members=HOUSES):
    return [str(problem) for problem in draw_mix(1, "section_6", members, mix, PLACE)[1]]


def test_counts_are_shares_of_all_households():
    owners = drawn(FULL)
    assert {kind: len(owners[kind]) for kind in KINDS} == {
        "pv": 49,
        "battery": 37,
        "heat_pump": 43,
        "heat_store": 10,
        "ev": 31,
    }


@given(seed=st.integers(0, 10_000))
def test_batteries_need_a_roof_and_stores_a_heat_pump_as_well(seed):
    mix = Mix(pv_share=0.6, battery_share=0.5, heat_pump_share=0.6, heat_store_share=0.2)
    owners, problems = draw_mix(seed, "a", HOUSES[:60], mix, PLACE)
    assert problems == []
    assert owners["battery"] <= owners["pv"]
    assert owners["heat_store"] <= owners["pv"] & owners["heat_pump"]


def test_todays_roofs_are_among_the_futures_and_a_larger_share_takes_from_none():
    few, many = drawn(Mix(pv_share=0.25)), drawn(Mix(pv_share=0.4))
    assert few["pv"] < many["pv"] and (len(few["pv"]), len(many["pv"])) == (31, 49)


def test_cars_do_not_move_when_heat_pumps_do():
    one, other = drawn(FULL), drawn(Mix(heat_pump_share=0.9, ev_share=0.25))
    assert one["ev"] == other["ev"] and one["heat_pump"] != other["heat_pump"]
    # Neither kind follows the other: as many have both as chance gives, 43 * 31 / 123 = 11.
    assert 3 < len(one["ev"] & one["heat_pump"]) < 20


def test_the_same_seed_draws_the_same_and_another_another():
    assert drawn(FULL) == drawn(FULL)
    assert drawn(FULL)["pv"] != drawn(FULL, seed=2)["pv"]
    assert drawn(FULL)["pv"] != drawn(FULL, cluster="section_4")["pv"]


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.5, 3), (0.1, 1), (0.09, 0), (1.0, 5)])
def test_counts_are_rounded_to_the_nearest_and_a_half_up(share, count):
    assert wanted_count(share, 5) == count


def test_too_few_roofs_are_said_with_numbers():
    (line,) = said(Mix(pv_share=0.4, battery_share=0.5))
    assert line == (
        "study.toml [synthesis.future] column battery_share: found battery_share 0.5 of 123 households in "
        "section_6 asks for 62 roofs, 49 have one, expected at most 0.3984"
    )


def test_too_few_households_with_both_are_said_with_numbers():
    (line,) = said(Mix(pv_share=0.5, heat_pump_share=0.5, heat_store_share=0.5))
    both = drawn(Mix(pv_share=0.5, heat_pump_share=0.5))
    count = len(both["pv"] & both["heat_pump"])
    assert f"asks for 62 households with solar modules and a heat pump, {count} have both" in line


def test_both_shortages_are_said_at_once():
    lines = said(Mix(battery_share=0.5, heat_store_share=0.5))
    assert len(lines) == 2 and "0 have one" in lines[0] and "0 have both" in lines[1]


def test_shares_and_sizes_that_cannot_be_are_said_at_once():
    mix = Mix(pv_share=1.2, pv_kw=8.0, ev_share=-0.1, battery_share=0.5, battery_efficiency_share=0.0)
    found = {problem.column: problem.found for problem in mix_problems(mix, PLACE)}
    assert found == {
        "pv_share": "1.2",
        "ev_share": "-0.1",
        "battery_efficiency_share": "0",
        "battery_kwh": "no size for battery_share 0.5",
        "battery_kw": "no size for battery_share 0.5",
    }
    assert mix_problems(FULL, PLACE) == []
    assert mix_problems(Mix(heat_pump_margin_share=1.5), PLACE) == []


def test_a_problem_stands_in_the_table_that_its_key_comes_from():
    place = MixPlace("study.toml", "synthesis.future", "synthesis.future.clusters.a", frozenset({"pv_share"}))
    tables = {p.column: p.table for p in mix_problems(Mix(pv_share=2.0, pv_kw=1.0, ev_share=2.0), place)}
    assert tables["pv_share"] == "synthesis.future.clusters.a"
    assert tables["ev_share"] == "synthesis.future"


def test_fewer_roofs_than_today_cannot_be():
    today, future = {"a": Mix(pv_share=0.3), "b": Mix(pv_share=0.2)}, {"a": Mix(pv_share=0.2), "b": FULL}
    (problem,) = shrinking_roofs(today, future, PLACE)
    assert problem.found == "0.2 in a" and "today's 0.3" in problem.expected
