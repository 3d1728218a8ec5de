"""The report of flexibility as a page: which sections stand in it, whatever tables there are."""

import re
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.page import write_report
from gridcommons.adapters.report.phrases import listed
from gridcommons.flexibility.settings import INSTRUMENTS
from gridcommons.model.results import Result
from html_pages import Page

GRID = ["grid_buses", "grid_branches", "grid_limits", "assets"]
TABLES = [
    "bus_voltages",
    "branch_loadings",
    "violations",
    "violation_causes",
    "schedules",
    "aggregator_plans",
    "dynamic_tariffs",
    "limit_prices",
    "coordination_trials",
    "reprofiling_calls",
    "flexibility_requirements",
    "flexibility_needs",
    "payback_hours",
    "offers",
    "rejections",
    "awards",
    "flexibility_prices",
    "shortages",
    "admm_rounds",
    "deliveries",
    "settlement",
    "advice",
]
SECTIONS = [
    "loading",
    "causes",
    "tariff",
    "reprofiling",
    "market",
    "delivery",
    "money",
    "advice",
    "map",
    "origin",
]
OF_TABLE = {
    "violation_causes": {"causes"},
    "dynamic_tariffs": {"tariff"},
    "settlement": {"money"},
    "advice": {"advice"},
    "grid_buses": {"map"},
    "grid_branches": {"map"},
    "bus_voltages": {"map"},
}
"""The section that goes with a table; all others stay."""

HOSTILE = 'Zürich <b>&"北" $x_1$ </section>'


class Made:
    """A made-up day: a source and two lines in series; hour 17 of the local day is broken, then mended."""

    def __init__(self, folder, **changed):
        self.name, self.count = changed.get("name", "L"), changed.get("aggregators", 2)
        self.stages = changed.get("stages", ("baseline", *INSTRUMENTS))
        self.without, self.still = changed.get("without", ()), changed.get("still", {})
        self.steps, self.minutes = changed.get("steps", 24), changed.get("minutes", 60)
        start = np.datetime64(changed.get("start", "2021-01-19T23:00"), "ms")
        self.stamps = start + np.arange(self.steps) * np.timedelta64(self.minutes, "m")
        self.at = changed.get("at", min(17, self.steps - 1))
        self.then = self.stamps[self.at]
        self.buses = [f"{self.name} source", f"{self.name}P1", f"{self.name}P2"]
        self.parties = [f"{self.name}ag{k + 1}" for k in range(self.count)]
        self.broken = (f"{self.name}2", "loading_max_percent")
        with ParquetTables(folder) as self.sink:
            for make in (self.grid, self.states, self.devices, self.tariff, self.market, self.money):
                make()
            summary = self.summary() | changed.get("summary", {})
            self.sink.finish(Result("flexibility", {}, summary, self.origin(changed)))

    def rows(self, table, columns, rows):
        """Rows of a table by the names of its columns."""
        if table in self.without or not rows:
            return
        arrays = [np.array(values, dtype=kind_of(values[0])) for values in zip(*rows, strict=True)]
        self.sink.write(table, dict(zip(columns.split(), arrays, strict=True)))

    def origin(self, changed):
        settings = {"voltage_margin_pu": 0.01, "price_max_per_kwh": 1.5, "payback_max_share": 1.5}
        settings |= {"tariff": "coordinated", "clearing": "admm"} | changed.get("settings", {})
        said = {"study": f"Study of {self.name}", "notes": [f"a note on {self.name}"], "seed": 1}
        zone = changed.get("zone", "Europe/Copenhagen")
        return said | {
            "currency": "DKK",
            "timezone": zone,
            "step_minutes": self.minutes,
            "settings": settings,
        }

    def summary(self):
        grid = {
            "violations": {"baseline": 1, "tariff": 1},
            "worst_excess_kw": {"baseline": 250.0, "tariff": 90.0},
            "lowest_vm_pu": {},
        }
        said = {key: {stage: values.get(stage, 0) for stage in self.stages} for key, values in grid.items()}
        said |= {"steps": self.steps, "stages": list(self.stages), "suppliers_that_aggregate": []}
        said |= {"plain_tariff_is_feasible": False, "highest_plain_tariff_per_kwh": None}
        said |= {"highest_tariff_per_kwh": 0.75, "tariff_cap_per_kwh": 0.75, "tariff_leaves_kw": 90.0}
        said |= {"tariff_revenue": 70.0, "coordination_net": 1e-6}
        said |= {"reprofiling_cost": 70.0, "reprofiling_kwh": 90.0, "linear_vm_error_pu": 2e-5}
        said |= {"offers": 3, "rejections": 1, "flexibility_cost": 25.5, "flexibility_ordered_kw": 40.0}
        said |= {"clearing_rounds": 3, "clearing_shortages": []}
        first = self.parties[0]
        return said | {"balances": {"DSO": -5.5, first: 1.5, f"customers of {first}": 4.0}}

    def grid(self):
        nan, lines = np.nan, [f"{self.name}1", f"{self.name}2"]
        buses = [(bus, 11.0, nan, nan, bus == self.buses[0]) for bus in self.buses]
        self.rows("grid_buses", "bus vn_kv x_map y_map is_source", buses)
        ends = list(zip(lines, self.buses[:2], self.buses[1:], strict=True))
        columns = "branch kind from_bus to_bus length_km closed"
        self.rows("grid_branches", columns, [(line, "line", a, b, 1.0, True) for line, a, b in ends])
        limits = [
            (bus, kind, x) for kind, x in (("vm_min_pu", 0.94), ("vm_max_pu", 1.1)) for bus in self.buses
        ]
        limits += [(line, "loading_max_percent", 100.0) for line in lines]
        self.rows("grid_limits", "time element kind limit", [(self.stamps[0], *limit) for limit in limits])

    def states(self):
        """Line 2 carries 1,250 kW of 1,000 kW at the broken hour, then 1,090 kW, then 1,000 kW."""
        peak = {"baseline": 125.0, "tariff": 109.0}
        for stage in self.stages:
            low_pu, most = 0.946 if stage == "baseline" else 0.951, peak.get(stage, 100.0)
            voltages, loadings = [], []
            for time in self.stamps:
                end = (low_pu, most) if time == self.then else (0.97, 50.0)
                vm_pu = zip(self.buses, (1.0, 0.98, end[0]), strict=True)
                voltages += [(time, stage, bus, pu) for bus, pu in vm_pu]
                loadings += [(time, stage, f"{self.name}1", 50.0), (time, stage, self.broken[0], end[1])]
            self.rows("bus_voltages", "time scenario bus vm_pu", voltages)
            self.rows("branch_loadings", "time scenario branch loading_percent", loadings)
            if stage in peak:
                where, over = (self.then, stage, *self.broken), most - 100.0
                columns = "time scenario element kind value limit excess excess_kw"
                self.rows("violations", columns, [(*where, most, 100.0, over, 10.0 * over)])
                load = [("fixed load", 700.0)] + [(name, 300.0 / self.count) for name in self.parties]
                columns = "time scenario element kind party load_kw"
                self.rows("violation_causes", columns, [(*where, *each) for each in load])

    def devices(self):
        names = [f"{self.name} {kind} {k}" for kind in ("car", "pump") for k in range(2)]
        kinds = [("ev_charger", 11.0)] * 2 + [("heat_pump", 6.0)] * 2
        about = [(n, *kind, self.buses[2]) for n, kind in zip(names, kinds, strict=True)]
        self.rows("assets", "asset kind rating_kw bus", about)
        for place, stage in enumerate(self.stages):
            rows = []
            # The second car and the first pump give most.
            for name, kw in zip(names, (0.2, 0.5, 0.4, 0.1), strict=True):
                moved = place - any(kind in name for kind in self.still.get(stage, ()))
                power_kw = np.where(self.stamps == self.then, 3.0 - kw * moved, 3.0)
                state = 20.0 + np.cumsum(power_kw) / 100.0
                both = np.stack([state, 0 * state + np.nan], axis=1)[:, :: 1 if "car" in name else -1]
                rows += [(t, stage, name, p, *b) for t, p, b in zip(self.stamps, power_kw, both, strict=True)]
            self.rows("schedules", "time scenario asset p_kw energy_kwh temp_c", rows)
            plans = [(time, stage, name, self.buses[2], 1.0) for name in self.parties for time in self.stamps]
            self.rows("aggregator_plans", "time scenario aggregator bus p_kw", plans)

    def tariff(self):
        for scheme, price, slack in (("plain", 1e4, 72.5), ("coordinated", 0.75, 90.0)):
            rows = [(t, scheme, bus, price * (t == self.then)) for bus in self.buses[1:] for t in self.stamps]
            mine = rows if "tariff" in self.stages else []
            self.rows("dynamic_tariffs", "time scheme bus tariff_per_kwh", mine)
            limit = [(self.then, scheme, *self.broken, price, 990.0, slack)] if mine else []
            self.rows("limit_prices", "time scheme element kind price_per_kwh limit_kw slack_kw", limit)
        trials = [(0.5, 60.0, 90.0), (0.9, 80.0, 50.0), (0.75, 70.0, 70.0)]
        self.rows("coordination_trials", "cap_per_kwh revenue cost", trials)
        if "reprofiling" in self.stages:
            columns = "time bus quantity_kw price_per_kwh amount undelivered_kw"
            self.rows("reprofiling_calls", columns, [(self.then, self.buses[2], 90.0, 0.78, 70.0, 0.0)])

    def market(self):
        if "market" not in self.stages:
            return
        then, bus, first, last = self.then, self.buses[2], self.parties[0], self.parties[-1]
        self.rows("flexibility_requirements", "time bus least_kw most_kw", [(then, bus, 40.0, 60.0)])
        self.rows("flexibility_needs", "time element kind least_kw", [(then, *self.broken, 40.0)])
        self.rows("payback_hours", "time is_allowed", [(time, bool(time != then)) for time in self.stamps])
        columns = "offer aggregator bus relation time price_per_kwh flexibility_kw payback_kw"
        for word, who, price in (("z", first, 0.6), ("b", last, 0.7), ("c", first, 0.9)):
            rows = {self.stamps[0]: (price, 0.0, 33.0)} | {then: (price, 30.0, 0.0)}
            offer = (f"{self.name} {word}", who, bus, "alone")
            self.rows("offers", columns, [(*offer, time, *figures) for time, figures in rows.items()])
        self.rows("rejections", "offer aggregator reason", [("late", first, "no answer within 60 s")])
        taken = [(f"{self.name} z", then, 30.0, 0.0), (f"{self.name} b", then, 10.0, 0.0)]
        self.rows("awards", "offer time quantity_kw payback_kw", taken)
        self.rows("flexibility_prices", "time bus price_per_kwh", [(then, bus, 0.7)])
        self.rows("shortages", "time element kind missing_kw", [(then, *self.broken, 3.5)])
        rounds = [(1, 9.0, 1.0, 0.0, 40.0), (2, 1.0, 0.1, 20.0, 5.0), (3, 0.0, 0.01, 25.5, 0.0)]
        columns = "round primal_residual dual_residual objective worst_excess_kw"
        self.rows("admm_rounds", columns, rounds)
        columns = "time aggregator bus ordered_kw delivered_kw missing_kw is_metered"
        self.rows("deliveries", columns, [(then, first, bus, 30.0, 28.0, 2.0, True)])

    def money(self):
        first = self.parties[0]
        paid = [("fixed load", "DSO", "tariff", 20.0), ("DSO", first, "flexibility", 25.5)]
        paid += [(first, f"customers of {first}", "discomfort and share", 24.0)]
        paid += [(f"customers of {name}", "DSO", "tariff", 1.0) for name in self.parties]
        both = [row for a, b, item, x in paid for row in ((a, b, item, -x), (b, a, item, x))]
        self.rows("settlement", "party counterparty item amount", both)
        columns = "member group consumption_kwh group_mean_kwh rank group_size mean_price_per_kwh"
        each = ((f"{self.name} home {k}", "homes", k + 5.0, 10.5, k + 1, 12, 0.3) for k in range(12))
        moved = ((self.then, self.then, float(k), k / 10.0) for k in range(12))
        advice = [(*a, *b) for a, b in zip(each, moved, strict=True)]
        self.rows("advice", f"{columns} dear_from cheap_from movable_kwh saving", advice)


def kind_of(value):
    return (
        object if isinstance(value, str) else "datetime64[ms]" if isinstance(value, np.datetime64) else None
    )


def made(folder, **changed):
    Made(folder, **changed)
    return folder


def page_of(folder):
    return write_report(folder).read_text(encoding="utf-8")


def plain(words):
    """Words without marks, and with common spaces."""
    return re.sub(r"<[^>]*>", "", words).replace("\u00a0", " ").replace("\u202f", " ")


def labels(page):
    """What the charts tell those who do not see them, by the id prefix of the chart."""
    found = re.findall(r'aria-label="([^"]*)">\s*<svg.*?id="([a-z]+)-', page, flags=re.DOTALL)
    return {prefix: plain(words) for words, prefix in found}


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return made(tmp_path_factory.mktemp("flexibility") / "day")


def test_every_section_stands_in_its_order_and_the_page_is_whole(day):
    page = Page(page_of(day))
    assert page.sections == SECTIONS
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    figures = [attributes for tag, attributes in page.tags if tag == "figure"]
    assert len(figures) == [tag for tag, _ in page.tags].count("svg") == 13
    assert all(len(figure["aria-label"]) > 40 for figure in figures)


def test_the_page_needs_nothing_from_elsewhere_and_its_charts_are_well_formed(day):
    page = re.sub(r"(data:image/png;base64,)[^\"]*", r"\1", page_of(day))
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
    for chart in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        tree = ElementTree.fromstring(chart)
        ids = {element.get("id") for element in tree.iter()}
        assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", chart)) <= ids
        assert "mathdefault" not in chart


def test_the_same_result_gives_the_same_bytes(day, tmp_path):
    shutil.copytree(day, tmp_path / "day")
    assert write_report(day).read_bytes() == write_report(tmp_path / "day").read_bytes()


@pytest.mark.parametrize("table", [*GRID, *TABLES])
def test_a_missing_table_takes_its_section_along_and_no_other(tmp_path, table):
    page = Page(page_of(made(tmp_path / "out", without=(table,))))
    assert set(SECTIONS) - set(page.sections) == OF_TABLE.get(table, set())
    assert page.open == []


def test_tables_without_rows_are_said_to_be_empty(tmp_path):
    folder = made(tmp_path / "out")
    for table in TABLES:
        path = folder / f"{table}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    page = Page(page_of(folder))
    assert page.sections == SECTIONS
    said = (
        "No limit binds",
        "Nobody is called",
        "Nothing is asked for",
        "No device",
        "Nobody pays",
        "Nobody is",
    )
    assert all(words in page.text for words in said)


def test_without_any_table_the_page_says_what_the_summary_knows(tmp_path):
    page = Page(page_of(made(tmp_path / "out", without=[*GRID, *TABLES])))
    assert page.sections == ["reprofiling", "market", "origin"]
    assert "Nobody is called." in page.text
    assert "Nothing is asked for" in page.text
    assert "break 1 limit" in plain(page.text) or "break limits" in plain(page.text)


@pytest.mark.parametrize(
    ("stages", "gone"),
    [
        (("baseline",), {"tariff", "reprofiling", "market"}),
        (("baseline", "tariff"), {"reprofiling", "market"}),
        (("baseline", "reprofiling"), {"tariff", "market"}),
        (("baseline", "market"), {"tariff", "reprofiling"}),
        (("baseline", "tariff", "reprofiling"), {"market"}),
        (("baseline", "tariff", "reprofiling", "market"), set()),
    ],
)
def test_an_instrument_that_is_not_used_has_no_section(tmp_path, stages, gone):
    page = Page(page_of(made(tmp_path / "out", stages=stages)))
    assert page.sections == [section for section in SECTIONS if section not in gone]
    used = [{"reprofiling": "re-profiling"}.get(stage, stage) for stage in stages[1:]]
    kicker = f"Flexibility by {listed(used)} ·" if used else "Flexibility ·"
    assert kicker in page.text
    for word, tile in (("tariff", "Highest tariff"), ("market", "Cost of flexibility")):
        assert (tile in page.text) == (word in stages)


@pytest.mark.parametrize(("steps", "minutes"), [(1, 60), (23, 60), (96, 15), (72, 60)])
def test_any_window_can_be_shown(tmp_path, steps, minutes):
    page = Page(page_of(made(tmp_path / "out", steps=steps, minutes=minutes)))
    assert page.sections == SECTIONS
    assert page.open == []


def test_many_aggregators_share_a_colour_and_a_flow(tmp_path):
    folder = made(tmp_path / "out", aggregators=30)
    page = page_of(folder)
    told = labels(page)
    assert "others" in told["causes"]
    assert "customers of others pays DSO 24.00 (tariff)" in told["money"]
    assert len(page) < 600_000


def test_names_are_escaped_and_never_typeset(tmp_path):
    page = page_of(made(tmp_path / "out", name=HOSTILE))
    assert "<b>&" not in page
    assert Page(page).sections == SECTIONS
    assert f"a note on {HOSTILE}" in Page(page).text


def test_double_roles_are_told(tmp_path):
    folder = made(tmp_path / "out", summary={"suppliers_that_aggregate": ["ag2", "ag3"]})
    assert "ag2 and ag3: supplier and aggregator at once" in Page(page_of(folder)).text
