"""The report of control: its words and figures are those of the tables."""

import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_results import LIMIT_KW, write_control
from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.clock import Clock, local_dates
from gridcommons.adapters.report.control import call_strips, household_charts
from gridcommons.adapters.report.control.calendar_rasters import day_by_hour
from gridcommons.adapters.report.control.counts import beyond_kw, is_beyond
from gridcommons.adapters.report.control.material import read_material
from gridcommons.adapters.report.control.peak_day import peak_span, worst_span
from gridcommons.adapters.report.control.pickup import find_pickup
from gridcommons.adapters.report.control.station import Runs
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.page import write_report
from gridcommons.control.runs import violations
from gridcommons.control.scenarios import MEASURES, SOURCE_SCENARIOS
from gridcommons.model.results import Result
from html_pages import Page

SECTIONS = ["rasters", "counts", "days", "households", "grid", "calls", "origin"]
TABLES = [
    "station_limits",
    "violation_counts",
    "station_load",
    "household_energy",
    "measure_calls",
    "grid_extremes",
    "bus_voltages",
    "branch_loadings",
    "grid_buses",
    "grid_branches",
    "grid_limits",
]
HOSTILE = 'Zürich <b>&"北" $x_1$ </section>'


def page_of(folder):
    return write_report(folder).read_text(encoding="utf-8")


def charts_of(page):
    return " ".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))


@pytest.fixture(scope="module")
def two_days(tmp_path_factory):
    return write_control(tmp_path_factory.mktemp("control") / "two_days")


def test_every_section_stands_in_its_order_and_the_page_is_whole(two_days):
    page = Page(page_of(two_days))
    assert page.sections == SECTIONS
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    figures = [attributes for tag, attributes in page.tags if tag == "figure"]
    assert len(figures) == [tag for tag, _ in page.tags].count("svg") == 7
    assert all(len(figure["aria-label"]) > 40 for figure in figures)


def test_the_page_needs_nothing_from_elsewhere_and_its_charts_are_well_formed(two_days):
    page = re.sub(r"(data:image/png;base64,)[^\"]*", r"\1", page_of(two_days))
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
    for chart in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        tree = ElementTree.fromstring(chart)
        ids = {element.get("id") for element in tree.iter()}
        assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", chart)) <= ids


def test_the_same_result_gives_the_same_bytes(two_days, tmp_path):
    other = tmp_path / "two_days"
    shutil.copytree(two_days, other)
    assert write_report(two_days).read_bytes() == write_report(other).read_bytes()


def test_names_are_escaped_and_never_typeset(tmp_path):
    page = page_of(write_control(tmp_path / "out", name=HOSTILE, unserved=2.5))
    assert "<b>&" not in page
    assert Page(page).sections == SECTIONS
    assert f"{HOSTILE} 2" in Page(page).text
    assert f"a note on {HOSTILE}" in Page(page).text
    assert "$x_1$ 0 bus" in charts_of(page_of(write_control(tmp_path / "short", name="$x_1$")))


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_table_leaves_every_section_in_place(tmp_path, table):
    page = Page(page_of(write_control(tmp_path / "out", without=(table,))))
    assert page.sections == SECTIONS


def test_without_any_table_the_page_says_what_it_lacks(tmp_path):
    page = Page(page_of(write_control(tmp_path / "out", without=TABLES)))
    assert page.sections == SECTIONS
    for said in ("no scenarios", "no station load", "no counts", "no households", "No measure is called"):
        assert said in page.text


@pytest.mark.parametrize("steps", [1, 4, 96, 672])
def test_any_window_can_be_shown(tmp_path, steps):
    assert Page(page_of(write_control(tmp_path / "out", steps=steps))).sections == SECTIONS


@pytest.mark.parametrize(
    "scenarios",
    [
        ("base_2030",),
        ("status_quo",),
        ("storage+CurB",),
        ("base_2030", "storage"),
        ("storage", "storage+law14a_manager"),
    ],
)
def test_any_choice_of_scenarios_can_be_shown(tmp_path, scenarios):
    page = Page(page_of(write_control(tmp_path / "out", scenarios=scenarios)))
    assert page.sections == SECTIONS
    assert page.open == []


def test_intervals_without_a_load_flow_are_shown(tmp_path):
    def nothing(_, steps):
        return np.full(steps, np.nan)

    page = Page(page_of(write_control(tmp_path / "out", load=nothing)))
    assert page.sections == SECTIONS


def test_each_table_figure_of_violations_is_that_of_the_result(two_days):
    counts = read_material(two_days).counts
    told = Page(page_of(two_days)).text
    charts = charts_of(page_of(two_days))
    for scenario in SOURCE_SCENARIOS:
        pairs = " ".join(
            f"{number(counts.at(scenario, 'load', level))} / {number(counts.at(scenario, 'feed_in', level))}"
            for level in counts.stresses
        )
        assert pairs in told
        assert f"{number(counts.at(scenario, 'load'))}</text>" in charts
    # Where nothing was counted nothing would be tested.
    assert (
        counts.at("base_2030", "load") > counts.at("storage", "load") > counts.at("storage+CurA", "load") > 0
    )
    assert counts.at("base_2030", "feed_in") > 0


def test_levels_of_stress_stand_from_mild_to_hard_whatever_their_order(tmp_path):
    stress = {"critical": 1.0, "near_critical": 0.95, "safe": 0.9}
    counts = read_material(write_control(tmp_path / "out", stress=stress)).counts
    assert counts.stresses == ("safe", "near_critical", "critical")
    assert counts.focus == "critical"
    assert replace(counts, stresses=("easy", "hard")).focus == "hard"


@given(st.lists(st.floats(-200, 200) | st.just(float("nan")) | st.just(100.0), min_size=1))
def test_what_is_beyond_the_limit_is_what_the_run_counted(loads):
    p_kw = np.array(loads)
    for direction in ("load", "feed_in"):
        broken = violations(p_kw, 100.0, direction)
        assert is_beyond(p_kw, 100.0, direction).tolist() == broken.tolist()
        excess = beyond_kw(p_kw, 100.0, direction)
        known = np.isfinite(p_kw)
        assert ((excess > 0.0) == broken)[known].all()


def runs_from(start, steps, zone="Europe/Berlin"):
    clock = Clock(np.datetime64(start, "ms"), 15, steps, zone)
    return Runs(clock, *local_dates(clock), {}, {})


def test_a_day_of_23_hours_has_a_gap_and_one_of_25_holds_the_worse_of_both():
    # 30 March 2030, 0:00 local time, and three days; 31 March has no 2:00 to 3:00.
    spring = runs_from("2030-03-29T23:00", 4 * (24 + 23 + 24))
    laid = day_by_hour(spring, np.arange(float(spring.clock.steps)))
    assert laid.shape == (96, 3)
    assert np.isnan(laid[8:12, 1]).all()
    assert np.isnan(laid).sum() == 4
    assert laid[12, 1] == 96 + 8
    # 27 October 2030 shows 2:00 to 3:00 twice.
    autumn = runs_from("2030-10-25T22:00", 4 * (24 + 25))
    values = np.zeros(autumn.clock.steps)
    values[96 + 8], values[96 + 13] = 5.0, 7.0
    laid = day_by_hour(autumn, values)
    assert (laid[8, 1], laid[9, 1]) == (5.0, 7.0)
    assert not np.isnan(laid).any()


def test_marks_of_a_raster_are_as_many_as_the_counts(two_days):
    found = read_material(two_days)
    for scenario in SOURCE_SCENARIOS:
        p_kw = found.runs.of(scenario, "critical")["p_kw"]
        for direction in ("load", "feed_in"):
            laid = day_by_hour(found.runs, beyond_kw(p_kw, found.counts.limits_kw["critical"], direction))
            assert int((np.nan_to_num(laid) > 0.0).sum()) == found.counts.at(scenario, direction)


def test_half_hours_of_a_long_result_hold_the_worst_of_their_quarters():
    year = runs_from("2029-12-31T23:00", 96)
    values = np.zeros(96)
    values[3], values[40] = 2.0, 3.0
    laid = day_by_hour(year, values, 0.5)
    assert laid.shape == (48, 1)
    assert (laid[1, 0], laid[20, 0], laid.sum()) == (2.0, 3.0, 5.0)


def heat_comes_back(scenario, steps):
    """Under CurB two quarters after the second day's call are new beyond the limit, on the first day one."""
    p_kw = np.full(steps, 50.0)
    if scenario == "storage+CurB":
        p_kw[[85, 96 + 81, 96 + 83]] = LIMIT_KW + 1.0
        p_kw[10] = LIMIT_KW + 1.0
    return p_kw


def test_the_day_of_the_pickup_is_that_of_most_new_violations(tmp_path):
    folder = write_control(tmp_path / "out", scenarios=("storage", "storage+CurB"), load=heat_comes_back)
    found = read_material(folder)
    pickup = find_pickup(found.runs, found.counts, {"heat_return_hours": 6.0})
    assert (pickup.scenario, pickup.reference, pickup.new) == ("storage+CurB", "storage", 2)
    assert pickup.call == (96 + 72, 96 + 80)
    assert pickup.back == (96 + 80, 192)
    page = Page(page_of(folder)).text
    assert "the one of Sat 6 Jan 2024, 19:00 puts most new intervals beyond the limit: 2 intervals" in page


def test_without_a_pickup_the_day_farthest_out_is_shown_and_why_is_said(tmp_path):
    def second_day(scenario, steps):
        p_kw = np.full(steps, 50.0)
        p_kw[96 + 20] = -150.0 if scenario == "storage" else 95.0
        return p_kw

    without = write_control(tmp_path / "without", scenarios=("base_2030", "storage"), load=second_day)
    found = read_material(without)
    span, why = worst_span(found.runs, found.counts)
    # Days begin at midnight in Vienna, an hour before that of UTC.
    assert span == (92, 188)
    assert why == "Storage goes farthest beyond the limit: 60.0 kW by feed-in"
    assert peak_span(found.runs, found.counts) == (92, 188)
    assert (
        "No call throttles heat pumps, so this is the day on which Storage goes"
        in Page(page_of(without)).text
    )
    calm = write_control(
        tmp_path / "calm", scenarios=("storage", "storage+CurB"), load=lambda _, n: np.full(n, 1.0)
    )
    text = Page(page_of(calm)).text
    assert "No call that throttles heat pumps puts new intervals beyond the limit" in text
    assert "the load is highest" in text


def test_what_households_felt_is_that_of_the_table(two_days):
    found = read_material(two_days)
    words = household_charts.draw_households(found.book, found.counts).words
    assert "Storage + ProA + ProB + CurB at night 1.5" in words
    table = Page(household_charts.household_table(found.book, found.counts)).text
    # Three measures: a car waits 1.5 h; heat 9 and 15 kWh put off; 140 of 300 kWh used; 66 for 60.
    assert "+ ProA + ProB + CurB at night 1.5 / 1.5 12 / 15 46.7 % 66 +6 0 0" in re.sub(r"\s+", " ", table)
    assert found.book.felt("storage", "critical").cost == pytest.approx(60.0)


def test_households_without_heat_are_named_with_what_they_lack(tmp_path):
    page = Page(page_of(write_control(tmp_path / "out", unserved=2.5))).text
    assert "house 2 Today any 2.50" in page
    assert "1 household goes without some heat (2.5\u00a0kWh" in page
    assert "No household goes without heat" not in page


def test_calls_are_counted_once_for_all_scenarios_that_have_them(two_days):
    found = read_material(two_days)
    calls = {(m, s): spans for m, s, spans, _ in call_strips.called(found.runs, found.counts)}
    assert len(calls["ProA", "critical"]) == 2
    assert "ProA · critical: 2 days" in call_strips.draw_calls(found.runs, found.counts).words
    told = Page(call_strips.call_table(found.runs, found.counts)).text
    assert "ProA critical 2 2 4.0 2.0 Storage + ProA, Storage + ProA + ProB" in told


def test_every_measure_that_there_is_is_explained(tmp_path):
    page = Page(page_of(write_control(tmp_path / "out", scenarios=tuple(f"storage+{m}" for m in MEASURES))))
    explained = page.text.split("What the measures do")[1].split("Days in full")[0]
    assert explained.count(":") == len(MEASURES)


def test_a_task_without_pictures_gets_its_summary(tmp_path):
    with ParquetTables(tmp_path / "out") as sink:
        sink.finish(Result("sorting", {}, {"sorted": 3}, {"study": "S"}))
    page = Page(page_of(tmp_path / "out"))
    assert page.sections == ["summary", "origin"]
    assert '"sorted": 3' in page.text


def test_the_report_and_the_task_mean_the_same_by_their_words():
    from gridcommons.adapters.report.control import household_book, station
    from gridcommons.control import runs, summary

    assert station.ANY_STRESS == runs.ANY_STRESS
    assert household_book.UNSERVED_KWH == summary.UNSERVED_KWH
