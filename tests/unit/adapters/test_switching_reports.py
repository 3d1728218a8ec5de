"""The report of switching as a page, for least losses and between clusters: its sections and its lead."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from communities import community_study
from feeders import branches, buses, source
from feeders import study as bus_study
from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.switching import (
    cluster_lead,
    loss_lead,
)
from gridcommons.adapters.report.switching.cluster_material import read_clusters
from gridcommons.adapters.report.switching.loss_material import read_losses
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import Load
from gridcommons.model.grid import Grid
from gridcommons.tasks import default_engines, run
from html_pages import Page
from unit.adapters.test_trading_reports import NO_NUMBER, change, page_of, plain, summarise

KW = np.array(
    [[90.0, 60.0, 1.0, 1.0], [45.0, 30.0, 1.0, 1.0], [120.0, 80.0, 2.0, 1.0], [118.0, 79.0, 1.0, 1.0]]
)
"""Loads of the buses b1 to b4 of the ring in four intervals [kW]: the third is the heaviest."""

RING = [(0, 1), (1, 2), (0, 3), (3, 4), (2, 4)]
"""b0 the source with two arms of two lines each, and a tie between their ends."""

CONSUMPTION = np.array([[10.0, 20.0, 60.0], [40.0, 5.0, 0.0], [0.0, 30.0, 10.0]])
GENERATION = np.array([[45.0, 0.0, 5.0], [0.0, 70.0, 10.0], [0.0, 0.0, 50.0]])
"""Of the clusters A, B and C in three half hours [kW]."""

LOSS_SECTIONS = ["feeder", "losses", "voltages", "operations", "violations", "origin"]
LOSS_TABLES = {
    "grid_buses": {"feeder", "voltages"},
    "grid_branches": {"feeder", "voltages"},
    "grid_limits": set(),
    "losses": {"losses"},
    "bus_voltages": {"voltages"},
    "branch_loadings": set(),
    "switch_states": {"feeder", "operations"},
    "operations": set(),
    "violations": {"violations"},
    "assets": set(),
}
CLUSTER_SECTIONS = ["exchange", "topology", "map", "gap", "operations", "origin"]
CLUSTER_TABLES = {
    "grid_exchange": {"exchange"},
    "switch_flows": {"topology", "map"},
    "switch_states": set(),
    "switching_gap": {"gap"},
    "operations": {"operations"},
    "grid_buses": {"map"},
    "grid_branches": {"map"},
    "assets": {"map"},
}
"""The sections that go with a table; all others stay."""

NUMBERS = re.compile(r"(?<![\w:.\u2011-])\u2212?\d[\d\u202f]*(?:\.\d+)?(?![\w:\u2011-])")
MARCH = (
    "2024-03-31T00:30",
    "2024-03-31T00:45",
    "2024-03-31T01:00",
    "2024-03-31T01:15",
)
"""Intervals around the hour that Madrid leaves out."""


def switch(folder, study, **settings):
    study = replace(study, tasks={"switching": settings})
    with ParquetTables(folder) as sink:
        sink.finish(run(study, "switching", default_engines(sink)))
    return folder


def ring(kw, closed=(True, True, True, True, False), low_pu=0.8):
    """The ring with a load at each bus but the source, shape (steps, 4) [kW]."""
    lines = branches(RING, 0.05 + 0.02j)
    lines = replace(lines, from_closed=np.array(closed), to_closed=np.array(closed))
    grid = Grid(buses(5), lines, source())
    assets = [Load(asset=f"l{bus}", member=f"b{bus}") for bus in range(1, 5)]
    profiles = {f"l{bus}": kw[:, bus - 1] for bus in range(1, 5)}
    return bus_study(grid, assets, profiles, steps=len(kw), limits=voltage_band(grid, low_pu, 1.2))


def save_losses(folder, **settings):
    """The ring in four intervals; its voltages break a limit, its clock is Madrid's."""
    study = ring(KW, low_pu=0.989)
    switch(folder, study, objective="losses", **settings)
    provenance = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({**provenance, "timezone": "Europe/Madrid"}))
    return folder


def share_power(folder):
    """Three clusters in three half hours, by the heuristic."""
    study = community_study(CONSUMPTION, GENERATION, step_minutes=30)
    return switch(folder, study, objective="exchange", method="heuristic")


def read(folder, table):
    return pq.read_table(folder / f"{table}.parquet").to_pandas()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_losses(tmp_path_factory.mktemp("losses") / "out")


@pytest.fixture
def losses(saved, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(saved, tmp_path / "out")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return share_power(tmp_path_factory.mktemp("clusters") / "out")


@pytest.fixture
def clusters(shared, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(shared, tmp_path / "out")


def whole(page, figures):
    """What holds of every page."""
    read_page = Page(page)
    assert read_page.open == []
    assert len(read_page.ids) == len(set(read_page.ids))
    drawn = [attributes for tag, attributes in read_page.tags if tag == "figure"]
    assert len(drawn) == [tag for tag, _ in read_page.tags].count("svg") == figures
    assert all(len(figure["aria-label"]) > 30 for figure in drawn)
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
    assert not NO_NUMBER.search(page)
    for chart in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ids = {element.get("id") for element in ElementTree.fromstring(chart).iter()}
        assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", chart)) <= ids


# Least losses.


def test_the_page_of_losses_is_whole_and_always_the_same(saved, losses):
    page = page_of(saved)
    assert Page(page).sections == LOSS_SECTIONS
    whole(page, 4)
    assert page == page_of(losses)
    assert "Switching for least losses · 1 June 2024 · 4 15-minute intervals · 5 switches" in Page(page).text


@pytest.mark.parametrize("table", LOSS_TABLES)
def test_a_missing_table_of_losses_takes_its_sections_along(losses, table):
    (losses / f"{table}.parquet").unlink()
    page = page_of(losses)
    assert set(LOSS_SECTIONS) - set(Page(page).sections) == LOSS_TABLES[table]
    assert not NO_NUMBER.search(page)


def test_without_tables_the_page_of_losses_says_what_the_summary_knows(losses):
    for path in losses.glob("*.parquet"):
        path.unlink()
    page = Page(page_of(losses))
    assert page.sections == ["origin"]
    assert "The grid loses" in page.text
    assert "Open are line 1." in plain(page.text).replace("- ", "-")
    assert "1970" not in page.text


def test_tables_of_losses_without_rows_break_nothing(losses):
    for table in LOSS_TABLES:
        path = losses / f"{table}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert Page(page_of(losses)).sections == ["origin"]


def test_every_number_of_the_lead_of_losses_stands_in_the_summary(saved):
    found = read_losses(saved)
    summary, words = found.summary, re.sub(r"<[^>]*>", "", loss_lead.lead(found))
    assert plain(words).startswith("On 1 June 2024, the grid loses ")
    assert "line 1 is opened and line 4 is closed" in plain(words)
    assert "All 5 radial topologies were computed: none loses less." in plain(words)
    assert "A safe order of 2 operations leads there." in plain(words)
    assert summary["violations"] > 0
    assert f"Limits are reported, not held: {summary['violations']} are broken" in plain(words)
    known = {number(summary[key], 1) for key in ("losses_kw", "losses_before_kw")}
    known |= {number(summary[key]) for key in ("topologies_evaluated", "violations", "operations")}
    known |= {number(100 * summary["saved_share"], digits) for digits in (0, 1)}
    told = set(NUMBERS.findall(re.sub(r"line \d|On 1 June 2024", "", words)))
    assert told <= known
    assert {number(summary["losses_kw"], 1), number(summary["losses_before_kw"], 1)} <= told


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"gap_share": None}, "found none that loses less. Nothing proves that there is none."),
        ({"gap_share": 0.0042}, "It is proven that losses are at most 0.4 % above the least."),
        ({"gap_share": 0.0}, "It is proven that there is none."),
        ({"limits": "hold", "violations": 0}, "none that breaks no limit that loses less"),
        ({"limits": "hold", "violations": 0}, "Limits are held."),
        ({"violations": 0}, "Limits are reported, not held: none is broken."),
        ({"violations": 1}, "1 is broken, counted in every interval"),
        ({"losses_before_kw": None, "saved_share": None}, "before, the load flow has no solution."),
        ({"saved_share": -0.05}, ": 5.0 % more."),
        ({"saved_share": 0.0}, "in the mean, as it does before."),
        ({"operations_end": "nearest"}, "The safe order of 2 operations ends short of it"),
        ({"operations_end": "stay", "operations": 0}, "No safe order of operations leads there."),
        ({"bound_status": "refused", "bound_why": "someone injects"}, "and refused: someone injects."),
    ],
)
def test_the_lead_says_how_sure_it_is(losses, figures, words):
    summarise(losses, **{"method": "search", **figures})
    found = read_losses(losses)
    assert words in plain(loss_lead.lead(found))
    assert not NO_NUMBER.search(page_of(losses))


def test_where_nothing_moves_the_page_says_so(tmp_path):
    study = ring(KW, closed=(True, False, True, True, True))
    page = page_of(switch(tmp_path / "out", study, objective="losses"))
    assert Page(page).sections == ["feeder", "losses", "voltages", "operations", "origin"]
    assert "No switch is moved: the present topology is the one found." in plain(page)
    assert "The topology found is the present one" in plain(page)
    assert "as it does before" in plain(page)


def test_names_of_switches_are_escaped(losses):
    hostile = "line <b>4&</b>"
    columns = {"switch_states": "switch", "operations": "switch", "grid_branches": "branch"}
    columns |= {"grid_limits": "element", "branch_loadings": "branch"}
    for table, column in columns.items():

        def rename(rows, column=column):
            return rows.assign(**{column: rows[column].astype(str).replace("line 4", hostile)})

        change(losses, table, rename)
    page = page_of(losses)
    assert "<b>4&" not in page
    assert hostile in Page(page).text.replace("\u2011", "-")


def test_a_day_without_an_hour_is_told_on_the_local_clock(losses):
    for table in ("losses", "bus_voltages", "branch_loadings", "violations", "switch_states"):
        starts = read(losses, "losses").time.unique()
        late = {old: pd.Timestamp(new, tz="UTC") for old, new in zip(starts, MARCH, strict=True)}
        if table != "losses":
            change(losses, table, lambda rows, late=late: rows.assign(time=rows.time.map(late)))
    change(losses, "losses", lambda rows: rows.assign(time=rows.time.map(late)))
    found = read_losses(losses)
    assert [found.clock.brief(step) for step in range(4)] == ["01:30", "01:45", "03:00", "03:15"]
    assert "At 03:00, when most is lost." in page_of(losses)


# Between clusters.


def test_the_page_between_clusters_is_whole_and_always_the_same(shared, clusters):
    page = page_of(shared)
    assert Page(page).sections == CLUSTER_SECTIONS
    whole(page, 5)
    assert page == page_of(clusters)
    assert "Switching between clusters for least exchange ·" in Page(page).text
    assert "3 30-minute intervals" in Page(page).text


@pytest.mark.parametrize("table", CLUSTER_TABLES)
def test_a_missing_table_between_clusters_takes_its_sections_along(clusters, table):
    (clusters / f"{table}.parquet").unlink()
    page = page_of(clusters)
    assert set(CLUSTER_SECTIONS) - set(Page(page).sections) == CLUSTER_TABLES[table]
    assert not NO_NUMBER.search(page)


def test_without_tables_the_page_between_clusters_says_what_the_summary_knows(clusters):
    for path in clusters.glob("*.parquet"):
        path.unlink()
    page = Page(page_of(clusters))
    assert page.sections == ["origin"]
    assert "The community feeds" in page.text
    assert "1970" not in page.text


def test_tables_between_clusters_without_rows_break_nothing(clusters):
    for table in CLUSTER_TABLES:
        path = clusters / f"{table}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert Page(page_of(clusters)).sections == ["origin"]


def test_every_number_of_the_lead_between_clusters_stands_in_the_summary(shared):
    found = read_clusters(shared)
    summary, words = found.summary, re.sub(r"<[^>]*>", "", cluster_lead.lead(found))
    known = {
        energy(summary[f"{key}_kwh"]).split()[0]
        for key in ("fed_in", "fed_in_before", "absorbed", "absorbed_before")
    }
    assert {plain(each) for each in known} <= set(re.findall(r"[\d.]+", plain(words)))
    step = cluster_lead.busiest(found, found.day)
    known |= {number(summary[key]) for key in ("topology_changes", "operations")}
    known |= {f"{p:.1f}" for p in np.abs(found.day.p_kw[step])} | {f"{found.day.given_kw[step]:.1f}"}
    told = set(NUMBERS.findall(words.replace(found.clock.window_words(), "")))
    assert told <= known
    assert "No other topologies would feed in less." in words
    changes, count = summary["topology_changes"], summary["operations"]
    how = f"changes {times(changes, 'time')}, in {times(count, 'operation')} by the published heuristic."
    assert how in plain(words)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (
            {"gap_share": 0.25, "planned_fed_in_kwh": 50.0, "best_fed_in_kwh": 40.0},
            "feed in 50.0 kWh where the best topology of each interval would feed in 40.0 kWh, 25 % more",
        ),
        ({"gap_share": None, "planned_fed_in_kwh": 5.0, "best_fed_in_kwh": 0.0}, "would feed in 0 kWh; both"),
        ({"operations": 0, "topology_changes": 0}, "No switch is moved."),
        ({"unserved_kwh": 3.25}, "Without a way to the main grid, 3.2 kWh of consumption are lost."),
        ({"unserved_kwh": 3.25, "curtailed_kwh": 7.0}, "3.2 kWh of consumption and 7.0 kWh of generation"),
        ({"method": "optimal"}, "by the best of all topologies."),
    ],
)
def test_the_lead_between_clusters_says_how_good_it_is(clusters, figures, words):
    summarise(clusters, **figures)
    assert words in plain(cluster_lead.lead(read_clusters(clusters)))
    assert not NO_NUMBER.search(page_of(clusters))


def test_words_are_listed_alike():
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip
