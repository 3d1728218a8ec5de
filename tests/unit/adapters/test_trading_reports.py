"""The report of trading as a page: which sections stand in it, whatever tables there are."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.page import write_report
from gridcommons.adapters.studies.files import load_study
from gridcommons.tasks import default_engines, run
from gridcommons.trading.settings import SCENARIOS
from html_pages import Page

SECTIONS = [
    "exchange",
    "scenarios",
    "topology",
    "map",
    "money",
    "trades",
    "triggers",
    "voltages",
    "told",
    "origin",
]
"""Of a result with everything in it, save orders that were refused."""

OF_TABLE = {
    "grid_exchange": {"exchange"},
    "switch_flows": {"topology", "map", "told"},
    "grid_buses": {"map"},
    "grid_branches": {"map"},
    "bills": {"money", "map"},
    "trades": {"trades"},
    "comparison": {"triggers"},
    "voltage_bands": {"voltages"},
    "expected_exchange": {"told"},
    "switch_states": set(),
    "operations": set(),
    "orders": set(),
    "assets": {"map"},
    "rounds": set(),
    "grid_limits": set(),
    "switching_gap": set(),
}
"""The sections that go with a table; all others stay."""

NO_NUMBER = re.compile(r"\b[nN]a[nN]\b|\binf\b|\bNone\b(?!\.)")

COMPARED = {
    "triggers_compared": [["send_on_delta", 5], ["send_on_area", 3]],
    "delays_compared_minutes": [0, 12],
}


def trade(folder, name="two_clusters", **settings):
    """Two clusters for two hours, a surplus in one of them, with other settings."""
    study = load_study(f"examples/{name}")
    study = replace(study, tasks={"trading": {**study.tasks["trading"], **settings}})
    with ParquetTables(folder) as sink:
        sink.finish(run(study, "trading", default_engines(sink)))
    return folder


def page_of(folder):
    return write_report(folder).read_text(encoding="utf-8")


def plain(words):
    """Words without marks, and with common spaces and dashes."""
    words = re.sub(r"<[^>]*>", "", words)
    return words.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2011", "-")


def labels(page):
    """What the charts tell those who do not see them, by the id prefix of the chart."""
    found = re.findall(r'aria-label="([^"]*)">\s*<svg.*?id="([a-z]+)-', page, flags=re.DOTALL)
    return {prefix: plain(words) for words, prefix in found}


def cells(page):
    """Rows of the tables of a piece of HTML, as lists of texts."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, flags=re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)] for row in rows]


def put(folder, table, frame):
    """A table of a result, times in milliseconds as a run leaves them."""
    times = {name: "datetime64[ms, UTC]" for name in ("time", "effect_time") if name in frame}
    rows = pa.Table.from_pandas(frame.astype(times), preserve_index=False)
    pq.write_table(rows, folder / f"{table}.parquet")


def change(folder, table, edit):
    """A table of a result as a function of its rows leaves it."""
    put(folder, table, edit(pq.read_table(folder / f"{table}.parquet").to_pandas()))


def summarise(folder, **figures):
    """A summary with other figures."""
    path = folder / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **figures}))


@pytest.fixture(scope="session")
def traded(tmp_path_factory):
    return trade(tmp_path_factory.mktemp("trading") / "day", **COMPARED)


@pytest.fixture
def day(traded, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(traded, tmp_path / "out")


def test_every_section_stands_in_its_order_and_the_page_is_whole(traded):
    page = Page(page_of(traded))
    assert page.sections == SECTIONS
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    figures = [attributes for tag, attributes in page.tags if tag == "figure"]
    assert len(figures) == [tag for tag, _ in page.tags].count("svg") == 11
    assert all(len(figure["aria-label"]) > 40 for figure in figures)
    assert "Local trading and switching · 15 June 2022 · 120 minutes" in page.text


def test_the_page_needs_nothing_from_elsewhere_and_its_charts_are_well_formed(traded):
    page = page_of(traded)
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
    for chart in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        tree = ElementTree.fromstring(chart)
        ids = {element.get("id") for element in tree.iter()}
        assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", chart)) <= ids
        assert "mathdefault" not in chart


def test_no_number_is_missing_or_endless(traded):
    assert not NO_NUMBER.search(page_of(traded))


def test_the_same_result_gives_the_same_bytes(traded, day):
    assert write_report(traded).read_bytes() == write_report(day).read_bytes()


@pytest.mark.parametrize("table", OF_TABLE)
def test_a_missing_table_takes_its_sections_along_and_no_other(day, table):
    (day / f"{table}.parquet").unlink()
    page = Page(page_of(day))
    assert set(SECTIONS) - set(page.sections) == OF_TABLE[table]
    assert page.open == []


def test_tables_without_rows_break_nothing(day):
    for table in OF_TABLE:
        path = day / f"{table}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    page = Page(page_of(day))
    assert page.sections == ["scenarios", "origin"]


def test_without_any_table_the_page_says_what_the_summary_knows(day):
    for path in day.glob("*.parquet"):
        path.unlink()
    page = Page(page_of(day))
    assert page.sections == ["scenarios", "origin"]
    assert "105 kWh with each member alone" in plain(page.text)


def test_a_result_without_scenarios_says_so(day):
    summarise(day, scenarios={})
    page = Page(page_of(day))
    assert page.sections == ["origin"]
    assert "holds no scenario" in page.text


@pytest.mark.parametrize(
    ("scenarios", "sections"),
    [
        (["members"], {"exchange", "scenarios", "money"}),
        (["joined"], set(SECTIONS) - {"triggers", "told"}),
        (["clusters", "switched"], set(SECTIONS) - {"triggers"}),
        (["members", "clusters"], set(SECTIONS) - {"triggers", "told"}),
    ],
)
def test_a_scenario_that_is_not_run_is_not_shown(tmp_path, scenarios, sections):
    page = page_of(trade(tmp_path / "out", scenarios=scenarios))
    assert set(Page(page).sections) - {"origin"} == sections - {"origin"}
    told = labels(page)["scenarios"]
    names = {"members": "each alone", "clusters": "clusters", "joined": "joined", "switched": "switched"}
    for name in SCENARIOS:
        assert (f"{names[name]} fed into" in told) == (name in scenarios)
    assert not NO_NUMBER.search(page)
    assert ("What the switches did" in page) == ("switched" in scenarios)
    assert ("The switches alone" in page) == ({"joined", "switched"} <= set(scenarios))


def test_orders_that_were_refused_or_cut_stand_with_their_reasons(day):
    def refuse(orders):
        orders["reason"] = orders["reason"].astype(str)
        orders.loc[0, ["reason", "entered_kwh"]] = ["price above the retail price", 0.0]
        orders.loc[1, ["reason", "entered_kwh"]] = [
            "beyond the operating envelope",
            orders["energy_kwh"][1] / 2,
        ]
        return orders

    change(day, "orders", refuse)
    page = Page(page_of(day))
    assert page.sections == [*SECTIONS[:-1], "orders", "origin"]
    assert "Of 8 orders, 1 were refused and 1 cut" in page.text
    assert "price above the retail price" in page.text
    assert "beyond the operating envelope" in page.text


def test_a_cluster_without_a_way_to_the_main_grid_is_told(day):
    def open_both(states):
        mine = (states["scenario"] == "switched") & states["switch"].isin(["PCC A", "link"])
        return states.assign(closed=states["closed"] & ~mine)

    change(day, "switch_states", open_both)
    page = Page(page_of(day))
    assert page.sections == [*SECTIONS[:-1], "orders", "origin"]
    assert "A: 2.0 h without a way to the main grid" in page.text
    assert "B: " not in page.text.partition("What went unserved")[2].partition("Where it comes")[0]


def test_names_are_escaped_and_never_typeset(day):
    hostile = {"A": 'Zürich <b>&"north" $x_1$ </section>'}
    for table in ("bills", "switch_flows", "orders"):
        change(
            day,
            table,
            lambda rows: rows.assign(
                **{
                    column: rows[column].astype(str).replace(hostile)
                    for column in ("cluster", "from_cluster", "to_cluster")
                    if column in rows
                }
            ),
        )
    page = page_of(day)
    assert "<b>&" not in page
    assert Page(page).sections == SECTIONS
    assert hostile["A"] in Page(page).text


def test_a_month_of_minutes_can_be_shown(day):
    days = 30

    def repeated(rows):
        import pandas as pd

        later = [rows.assign(time=rows["time"] + np.timedelta64(k, "D")) for k in range(days)]
        return pd.concat(later, ignore_index=True)

    for table in ("grid_exchange", "switch_flows", "voltage_bands", "trades", "orders", "expected_exchange"):
        change(day, table, repeated)
    summarise(day, minutes=1440 * (days - 1) + 120)
    page = page_of(day)
    assert Page(page).sections == SECTIONS
    assert len(page) < 1_500_000
    assert not NO_NUMBER.search(page)
