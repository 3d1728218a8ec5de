"""Who has what: counts, subsets, and everything that cannot be, said with numbers."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.synthesis.asset_mix import (
    KINDS,
    NEEDS,
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


SHARES = st.floats(0.0, 1.0)


@st.composite
def mixes(draw):
    """A mix whose counts fit, whatever the draw."""
    pv, heat_pump = draw(SHARES), draw(SHARES)
    return Mix(
        pv_share=pv,
        battery_share=pv * draw(SHARES),
        heat_pump_share=heat_pump,
        heat_store_share=min(pv, heat_pump) * draw(SHARES),
        ev_share=draw(SHARES),
    )


@given(mix=mixes(), seed=st.integers(0, 10_000), households=st.integers(0, 60))
def test_a_mix_whose_counts_fit_is_never_refused_and_whoever_has_one_has_what_it_needs(mix, seed, households):
    owners = drawn(mix, seed, HOUSES[:households])
    for kind in KINDS:
        assert len(owners[kind]) == wanted_count(mix.share_of(kind), households)
    assert owners["battery"] <= owners["pv"]
    assert owners["heat_store"] <= owners["pv"] & owners["heat_pump"]


@pytest.mark.parametrize("kind", KINDS)
@given(mix=mixes(), more=SHARES, seed=st.integers(0, 10_000), households=st.integers(1, 60))
def test_a_larger_share_adds_households_of_its_kind_and_takes_from_none(kind, mix, more, seed, households):
    share = mix.share_of(kind)
    bound = min((mix.share_of(need) for need in NEEDS.get(kind, ())), default=1.0)
    larger = replace(mix, **{f"{kind}_share": min(share + (bound - share) * more, bound)})
    one, other = (drawn(each, seed, HOUSES[:households]) for each in (mix, larger))
    assert one[kind] <= other[kind]
    if kind in ("pv", "battery", "ev"):
        assert all(one[each] == other[each] for each in KINDS if each != kind)


def test_more_roofs_take_no_battery():
    few, many = (drawn(replace(FULL, pv_share=share), members=HOUSES[:42]) for share in (0.4, 0.6))
    assert few["pv"] < many["pv"] and few["battery"] == many["battery"] and len(few["battery"]) == 13


def test_the_mix_of_the_example_fits_whatever_the_seed():
    folder = Path(__file__).parents[3] / "examples" / "schutterwald"
    future = tomllib.loads((folder / "study.toml").read_text())["synthesis"]["future"]
    of_cluster = future.pop("clusters")
    members: dict[str, list[str]] = {}
    for row in csv.DictReader((folder / "members.csv").read_text().splitlines()):
        members.setdefault(row["cluster"], []).append(row["member"])
    for seed in range(300):
        for cluster, houses in members.items():
            mix = Mix(**future | of_cluster.get(cluster, {}))
            owners = drawn(mix, seed, houses, cluster)
            assert len(owners["heat_store"]) == wanted_count(mix.heat_store_share, len(houses))


def test_the_first_with_modules_have_the_battery_and_the_heat_store():
    owners = drawn(FULL)
    assert owners["heat_store"] < owners["battery"] < owners["pv"]
    assert owners["pv"] == drawn(Mix(pv_share=0.4))["pv"]
    assert owners["battery"] == drawn(Mix(pv_share=0.3))["pv"]


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
        "section_6: 62, where 49 with solar modules are asked for, expected at most 0.3984"
    )


@pytest.mark.parametrize(("pv", "heat_pump"), [(0.4, 0.6), (0.6, 0.4)])
def test_more_heat_stores_than_modules_or_heat_pumps_are_said_with_numbers(pv, heat_pump):
    (line,) = said(Mix(pv_share=pv, heat_pump_share=heat_pump, heat_store_share=0.5))
    roofs, pumps = (wanted_count(share, 123) for share in (pv, heat_pump))
    assert f": 62, where {roofs} with solar modules and {pumps} with a heat pump are asked for" in line
    assert line.endswith("expected at most 0.3984")
    fit = Mix(pv_share=pv, heat_pump_share=heat_pump, heat_store_share=0.3984)
    assert len(drawn(fit)["heat_store"]) == 49


def test_both_shortages_are_said_at_once():
    lines = said(Mix(battery_share=0.5, heat_store_share=0.5))
    assert len(lines) == 2 and "battery_share" in lines[0] and "heat_store_share" in lines[1]


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
