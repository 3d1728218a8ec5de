"""The report of a result: what stands in it, not how it looks."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report import grid as report_grid
from gridcommons.adapters.report.clock import Clock, make_bins
from gridcommons.adapters.report.envelopes import DEVICES, GRID, UNRESOLVED, read_assets, read_checks
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.layout import Ways, lay_out
from gridcommons.adapters.report.page import write_report
from gridcommons.adapters.report.style import shorten, spread_labels
from gridcommons.adapters.report.tables import ResultTables
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.errors import StudyError
from gridcommons.model.results import Result
from gridcommons.tasks import default_engines, run
from html_pages import Page

SECTIONS = ["map", "envelopes", "binding", "shares", "proof", "unresolved", "origin"]
TABLES = [
    "grid_buses",
    "grid_branches",
    "grid_limits",
    "assets",
    "asset_ranges",
    "envelopes",
    "envelope_checks",
    "unresolved",
    "bus_voltages",
    "branch_loadings",
    "violations",
    "objective_shares",
]
HOSTILE = 'Zürich <b>&"北" $x_1$ </section> 101.123456'


def page_of(folder):
    return write_report(folder).read_text(encoding="utf-8")


def write_result(folder, *, steps=4, step_minutes=60, zone="UTC", name="bus", assets=3, without=()):
    """A made-up result on a chain of three buses behind a source; the worst interval is the last."""
    stamps = np.datetime64("2024-03-30T00:00", "ms") + np.arange(steps) * np.timedelta64(step_minutes, "m")
    buses = np.array(["source", *(f"{name} {k}" for k in range(3))], dtype=object)
    lines = np.array([f"line {k}" for k in range(3)], dtype=object)
    ids = np.array([f"{name} asset {k}" for k in range(assets)], dtype=object)
    with ParquetTables(folder) as sink:

        def write(table, **columns):
            if table not in without:
                sink.write(table, {key: np.asarray(values) for key, values in columns.items()})

        def text(word, count):
            return np.array([word] * count, dtype=object)

        nowhere = np.full(4, np.nan)
        write(
            "grid_buses",
            bus=buses,
            vn_kv=np.full(4, 0.4),
            x_map=nowhere,
            y_map=nowhere,
            is_source=np.array([True, False, False, False]),
        )
        write(
            "grid_branches",
            branch=lines,
            kind=text("line", 3),
            from_bus=buses[:3],
            to_bus=buses[1:],
            length_km=np.full(3, 0.1),
            closed=np.full(3, True),
        )
        first = np.repeat(stamps[:1], 4)
        write("grid_limits", time=first, element=buses, kind=text("vm_min_pu", 4), limit=np.full(4, 0.95))
        write("grid_limits", time=first, element=buses, kind=text("vm_max_pu", 4), limit=np.full(4, 1.05))
        write("assets", asset=ids, kind=text("pv", assets), bus=text(buses[2], assets))
        for cut in np.array_split(np.arange(steps), max(1, steps // 1000)):
            time = stamps[cut]
            each = np.repeat(time, assets)
            who, many = np.tile(ids, len(cut)), assets * len(cut)
            write(
                "envelopes",
                time=each,
                asset=who,
                p_min_kw=np.full(many, -2.0),
                p_max_kw=np.zeros(many),
                resolved=np.full(many, True),
            )
            write(
                "asset_ranges",
                time=each,
                asset=who,
                p_low_kw=np.full(many, -4.0),
                p_high_kw=np.zeros(many),
                p_planned_kw=np.full(many, -4.0),
            )
            for scenario in report_grid.SCENARIOS:
                drop = 0.04 * (cut + 1) / steps * (2.0 if scenario == "uncontrolled" else 1.0)
                vm_pu = 1.0 - drop[:, None] * np.array([0.0, 0.4, 0.8, 1.0])
                write(
                    "bus_voltages",
                    time=np.repeat(time, 4),
                    scenario=text(scenario, 4 * len(cut)),
                    bus=np.tile(buses, len(cut)),
                    vm_pu=vm_pu.ravel(),
                )
                loading = 100.0 * drop[:, None] * np.array([3.0, 2.0, 1.0])
                write(
                    "branch_loadings",
                    time=np.repeat(time, 3),
                    scenario=text(scenario, 3 * len(cut)),
                    branch=np.tile(lines, len(cut)),
                    loading_percent=loading.ravel(),
                )
            write(
                "envelope_checks",
                time=np.repeat(time, 2),
                side=np.tile(np.array(["p_max", "p_min"], dtype=object), len(cut)),
                status=np.tile(np.array(["certified", "tested"], dtype=object), len(cut)),
                draws=np.full(2 * len(cut), 12),
                worst_margin=np.tile([0.01, 0.0], len(cut)),
                element=np.tile(buses[[3, 1]], len(cut)),
            )
        write(
            "violations",
            time=stamps[-1:],
            element=buses[3:],
            kind=text("vm_min_pu", 1),
            value=[0.92],
            limit=[0.95],
            excess=[0.03],
        )
        write(
            "unresolved",
            time=stamps[-1:],
            side=text("p_max", 1),
            element=buses[3:],
            kind=text("vm_min_pu", 1),
            value=[0.93],
            limit=[0.95],
            excess=[0.02],
        )
        energy = np.arange(2.0 * assets)
        write(
            "objective_shares",
            objective=np.repeat(np.array(["max_total", "equal"], dtype=object), assets),
            asset=np.tile(ids, 2),
            import_kwh=energy,
            export_kwh=energy,
        )
        summary = {"steps": steps, "objective": "equal", "points_tried": 12 * steps, "violations_found": 0}
        origin = {"study": f"Study of {name}", "timezone": zone, "step_minutes": step_minutes}
        sink.finish(Result("envelopes", {}, summary, {**origin, "notes": [f"a note on {name}"]}))
    return folder


@pytest.fixture(scope="module")
def chain(tmp_path_factory, examples):
    """The result folder of a real run."""
    folder = tmp_path_factory.mktemp("report") / "chain"
    with ParquetTables(folder) as sink:
        sink.finish(run(load_study(examples / "chain"), "envelopes", default_engines(sink)))
    return folder


def test_every_section_stands_in_its_order_and_the_page_is_whole(chain):
    page = Page(page_of(chain))
    assert page.sections == SECTIONS
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert [tag for tag, _ in page.tags].count("svg") == 6


def test_the_headline_is_drawn_from_the_tables(chain):
    text = Page(page_of(chain)).text
    tables = ResultTables(chain)
    rows = tables.whole("envelopes", ("time", "p_max_kw"))
    total = [rows["p_max_kw"][rows["time"] == time].sum() for time in np.unique(rows["time"])]
    assert f"up to {max(total):.1f} kW (at the tightest {min(total):.1f} kW)" in text
    assert "2 devices on a grid of 5 buses" in text
    assert "and may inject nothing" in text
    assert "the planned use breaks no limit" in text
    assert f"none of the {number(json.loads((chain / 'summary.json').read_text())['points_tried'])}" in text


def test_the_page_needs_nothing_from_elsewhere(chain):
    page = page_of(chain)
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
    assert set(re.findall(r"url\((.)", page)) <= {"#"}
    for tag, attributes in Page(page).tags:
        for key in ("src", "href"):
            assert attributes.get(key, "#").startswith(("#", "data:image/png;base64,")), (tag, attributes)


def test_charts_are_well_formed_and_point_at_their_own_parts(chain):
    page = page_of(chain)
    for chart in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        tree = ElementTree.fromstring(chart)
        ids = {element.get("id") for element in tree.iter()}
        used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", chart))
        assert used <= ids


def test_the_same_result_gives_the_same_bytes(chain, tmp_path):
    other = tmp_path / "chain"
    shutil.copytree(chain, other)
    assert write_report(chain).read_bytes() == write_report(other).read_bytes()


def test_names_are_escaped_and_never_typeset(tmp_path):
    page = page_of(write_result(tmp_path / "out", name=HOSTILE))
    assert "<b>&" not in page
    assert Page(page).sections == SECTIONS
    text = Page(page).text
    assert f"Study of {HOSTILE}" in text
    assert f"a note on {HOSTILE}" in text
    # In charts too, digits and dollars included.
    charts = " ".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert shorten(f"{HOSTILE} 2", 34).split()[-1] in charts
    assert "$x_1$" in charts


def test_digits_of_names_survive_the_rounding_of_places(tmp_path):
    page = page_of(write_result(tmp_path / "out", name="LV2.101 0.123456"))
    charts = " ".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "LV2.101 0.123456 2" in charts
    assert not re.search(r'\sd="[^"]*\.\d{3}', charts)


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_table_leaves_every_section_in_place(tmp_path, table):
    page = Page(page_of(write_result(tmp_path / "out", without=(table,))))
    assert page.sections == SECTIONS


def test_without_any_table_the_page_says_what_it_lacks(tmp_path):
    page = Page(page_of(write_result(tmp_path / "out", without=TABLES)))
    assert page.sections == SECTIONS
    for said in ("no envelopes", "no checks", "compares no objectives", "does not describe its grid"):
        assert said in page.text


def test_a_folder_without_a_result_is_refused(tmp_path):
    with pytest.raises(StudyError, match="result folder of a run"):
        write_report(tmp_path)


@pytest.mark.parametrize(("steps", "minutes"), [(1, 60), (96, 15), (1_440, 1)])
def test_any_number_of_intervals_can_be_shown(tmp_path, steps, minutes):
    page = page_of(write_result(tmp_path / "out", steps=steps, step_minutes=minutes))
    assert Page(page).sections == SECTIONS
    assert len(page) < 2_000_000
    # The worst interval of the uncontrolled case is the last, at the far end of the chain.
    assert "bus 2: 0.920 pu, below its limits" in Page(page).text


def test_a_year_is_read_row_group_by_row_group_and_shown_by_day(tmp_path, monkeypatch):
    folder = write_result(tmp_path / "out", steps=35_040, step_minutes=15, zone="Europe/Vienna")
    whole = pyarrow.parquet.read_table

    def only_some_rows(path, *, filters=None, **options):
        assert filters is not None, f"{path} was read as a whole"
        found = whole(path, filters=filters, **options)
        assert found.num_rows <= 4
        return found

    monkeypatch.setattr(pyarrow.parquet, "read_table", only_some_rows)
    groups = pyarrow.parquet.ParquetFile(folder / "bus_voltages.parquet").num_row_groups
    assert groups > 1
    page = page_of(folder)
    assert "the mean of each day" in Page(page).text
    assert "bus 2: 0.920 pu, below its limits" in Page(page).text
    assert len(page) < 2_000_000


def test_hundreds_of_assets_fit_on_the_page(tmp_path):
    page = page_of(write_result(tmp_path / "out", assets=700))
    assert Page(page).sections == SECTIONS
    assert len(page) < 2_000_000


def test_the_worst_of_every_interval_is_found_by_streaming(tmp_path):
    folder = write_result(tmp_path / "out", steps=5)
    tables, clock = ResultTables(folder), Clock(np.datetime64("2024-03-30T00:00", "ms"), 60, 5, "UTC")
    grid = report_grid.read_grid(tables)
    limits = report_grid.read_limits(tables, clock, grid)
    found = report_grid.read_extremes(tables, clock, grid, limits)
    falls = 0.08 * np.arange(1, 6) / 5
    assert found["uncontrolled"].vm_low_pu == pytest.approx(1.0 - falls)
    assert found["uncontrolled"].vm_high_pu == pytest.approx(np.ones(5))
    assert found["uncontrolled"].stress == pytest.approx(falls - 0.05)
    assert found["p_min"].loading_percent == pytest.approx(100 * 3.0 * falls / 2)
    assert report_grid.worst_step(found["uncontrolled"]) == 4


def test_limits_hold_from_their_time_on(tmp_path):
    folder, start = tmp_path / "out", np.datetime64("2024-01-01T00:00", "ms")
    hour = np.timedelta64(1, "h")
    write_result(folder, without=("grid_limits",))
    with ParquetTables(tmp_path / "limits") as sink:
        sink.write(
            "grid_limits",
            {
                "time": np.array([start, start + 2 * hour]),
                "element": np.array(["bus 1", "bus 1"], dtype=object),
                "kind": np.array(["vm_max_pu"] * 2, dtype=object),
                "limit": np.array([1.05, 1.02]),
            },
        )
        sink.finish(Result("envelopes", {}, {}, {}))
    grid = report_grid.read_grid(ResultTables(folder))
    book = report_grid.read_limits(ResultTables(tmp_path / "limits"), Clock(start, 60, 4, "UTC"), grid)
    bus = grid.buses.number["bus 1"]
    assert book.values["vm_max_pu"][:, bus].tolist() == [1.05, 1.05, 1.02, 1.02]
    assert np.isinf(book.values["vm_max_pu"][:, 0]).all()
    assert book.spread("vm_max_pu") == (1.02, 1.05)


def test_what_sets_an_envelope_agrees_with_the_summary(chain):
    summary = json.loads((chain / "summary.json").read_text(encoding="utf-8"))
    provenance = json.loads((chain / "provenance.json").read_text(encoding="utf-8"))
    start = ResultTables(chain).whole("envelope_checks", ("time",))["time"][0]
    clock = Clock(start, provenance["step_minutes"], summary["steps"], provenance["timezone"])
    sets = read_checks(ResultTables(chain), clock).sets
    assert (sets[:, 0] == GRID).sum() == summary["binding_import_steps"]
    assert (sets[:, 1] == GRID).sum() == summary["binding_export_steps"]
    assert (sets == UNRESOLVED).sum() == 0
    assert (sets[:, 1] == DEVICES).sum() == 6


def test_what_assets_got_agrees_with_the_shares_of_the_result(chain):
    start = ResultTables(chain).whole("envelopes", ("time",))["time"][0]
    book, by_kind = read_assets(ResultTables(chain), Clock(start, 60, 6, "UTC"))
    rows = ResultTables(chain).whole("objective_shares", ("objective", "asset", "import_kwh", "export_kwh"))
    chosen = rows["objective"] == "max_total"
    energy = dict(zip(rows["asset"][chosen], (rows["import_kwh"] + rows["export_kwh"])[chosen], strict=True))
    assert dict(zip(book.name, book.offered_kwh, strict=True)) == pytest.approx(energy, abs=1e-6)
    assert book.device_kwh == pytest.approx([6 * 22.0, 6 * 22.0])
    assert list(by_kind) == ["ev_charger"]


@given(st.lists(st.integers(0, 11), min_size=1, max_size=12))
def test_a_tree_grows_to_the_right_and_puts_no_two_buses_on_one_place(parents):
    parent = np.array([min(p, k) for k, p in enumerate(parents)])
    count = len(parent) + 1
    ways = Ways(
        from_bus=parent,
        to_bus=np.arange(1, count),
        length_km=np.full(len(parent), 0.2),
        closed=np.full(len(parent), True),
        is_source=np.arange(count) == 0,
    )
    layout = lay_out(np.full(count, np.nan), np.full(count, np.nan), ways)
    assert not layout.is_map
    assert (layout.x[ways.to_bus] > layout.x[ways.from_bus]).all()
    assert len({(round(x, 9), round(y, 9)) for x, y in zip(layout.x, layout.y, strict=True)}) == count
    assert layout.distance_km[1:] == pytest.approx(layout.distance_km[parent] + 0.2)


def test_coordinates_are_used_where_every_bus_has_some():
    ways = Ways(np.array([0]), np.array([1]), np.ones(1), np.array([True]), np.array([True, False]))
    layout = lay_out(np.array([11.0, 11.1]), np.array([60.0, 60.0]), ways)
    assert layout.is_map
    # A degree of longitude at 60° north is half as long as one of latitude.
    assert np.ptp(layout.x) == pytest.approx(0.05)
    assert not lay_out(np.array([11.0, np.nan]), np.array([60.0, 60.0]), ways).is_map


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=6), st.floats(0.1, 20))
def test_labels_keep_clear_of_each_other_and_in_order(places, gap):
    moved = np.array(spread_labels(places, gap, -100.0))
    order = np.argsort(places, kind="stable")
    assert (np.diff(moved[order]) >= gap - 1e-6).all()
    assert moved.min() >= -100.0 - 1e-6


def test_days_are_those_of_the_local_clock():
    # 31 March 2024 has 23 hours in Vienna.
    clock = Clock(np.datetime64("2024-03-29T23:00", "ms"), 1, 4 * 1440, "Europe/Vienna")
    bins = make_bins(clock)
    assert bins.name == "hour"
    year = Clock(np.datetime64("2024-03-29T23:00", "ms"), 60, 24 * 300, "Europe/Vienna")
    assert make_bins(year).name == "day"
    assert np.diff(make_bins(year).first)[:3].tolist() == [24, 23, 24]
    assert clock.words(0) == "Sat 30 Mar 2024, 00:00"


def test_a_share_is_never_rounded_to_all_or_nothing():
    assert (percent(0.0), percent(1.0)) == ("0 %", "100 %")
    assert (percent(0.001), percent(0.999)) == ("<1 %", ">99 %")
    assert percent(float("nan")) == "–"
    assert number(-1234.5, 1) == "\u22121\u202f234.5"
