"""The report of an operating day: its words, figures and pictures are those of the tables."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.parquet_results import REPORT, STATEMENTS, ParquetTables
from gridcommons.adapters.report.day import day_chart, forecast_section, switch_section
from gridcommons.adapters.report.day.day_chart import draw_day, read_lanes, worst_of_bins
from gridcommons.adapters.report.day.day_section import day_section
from gridcommons.adapters.report.day.forecast_section import draw_forecasts, read_forecasts
from gridcommons.adapters.report.day.lead import lead
from gridcommons.adapters.report.day.left_section import left_section
from gridcommons.adapters.report.day.material import read_material
from gridcommons.adapters.report.day.moments import acts, choose_moments, moment_cards
from gridcommons.adapters.report.day.money_book import (
    HEAT,
    MEMBERS,
    NEIGHBOURS,
    balances,
    paid_by_item,
    read_flows,
    read_savings,
)
from gridcommons.adapters.report.day.money_section import commitment_words, money_section, why_dearer
from gridcommons.adapters.report.day.power_section import drawn_kinds, moved_kwh, power_section
from gridcommons.adapters.report.day.scenario_words import ALONE, BASELINE, REALISED, measure
from gridcommons.adapters.report.day.statements_page import make_statements, read_bills, sentences
from gridcommons.adapters.report.day.stress import find_stressed
from gridcommons.adapters.report.day.switch_section import draw_positions, most_moved, read_positions
from gridcommons.adapters.report.day.tiles import make_tiles
from gridcommons.adapters.report.day.wide_and_narrow import key
from gridcommons.adapters.report.day.worth_section import day_name, read_measures, worth_section
from gridcommons.adapters.report.page import write_report
from gridcommons.adapters.report.style import Chart, style
from gridcommons.model.results import Result
from html_pages import Page
from unit.adapters.test_trading_reports import NO_NUMBER, cells, change, plain, put, summarise

SECTIONS = ["day", "switches", "power", "worth", "money", "forecast", "left", "origin"]
OF_TABLE = {
    "bus_voltages": set(),
    "branch_loadings": set(),
    "grid_buses": {"day"},
    "grid_branches": {"day"},
    "grid_limits": {"day"},
    "day_instruments": set(),
    "day_power": {"power"},
    "day_forecast": {"forecast"},
    "switch_states": {"switches"},
    "violations": set(),
    "worth": {"worth"},
    "postings": set(),
    "statements": {"money"},
    "assets": set(),
    "commitments": set(),
    "day_envelopes": set(),
}
"""The sections that go with a table; all others stay."""

HOSTILE = 'Zürich <b>&"北" $x_1$ </section>'
SCENARIOS = ("alone", "baseline", "planned", "realised")
SERIES = "tariff_max_per_kwh flexibility_needed_kw flexibility_missing_kw flexibility_bought_kw"
SERIES += " flexibility_missed_kw held_back_kw traded_kw"


class Made:
    """A made-up day of 24 hours at a transformer: cars at 18:00 if nobody plans, at 22:00 by price alone.

    Alone it is loaded to 110 %, by price alone to 130 %, in the day as it was to 95 %; its limit is 100 %.
    """

    loading = {"alone": (18, 110.0), "baseline": (22, 130.0), "planned": (22, 105.0), "realised": (22, 95.0)}
    cars_kw = {"alone": {18: 80.0}, "baseline": {22: 80.0}, "planned": {22: 60.0}, "realised": {22: 50.0}}

    def __init__(self, folder, name="home"):
        start = np.datetime64("2030-02-13T23:00", "ms")
        self.stamps = start + np.arange(24) * np.timedelta64(1, "h")
        self.name, self.members = name, [f"{name}{k}" for k in range(1, 4)]
        with ParquetTables(folder) as self.sink:
            for make in (self.grid, self.flows, self.power, self.forecast, self.instruments):
                make()
            for make in (self.switches, self.account, self.money, self.worth):
                make()
            origin = {"study": f"Village {name}", "timezone": "Europe/Berlin", "currency": "EUR"}
            origin |= {"step_minutes": 60, "notes": [name]}
            used = ["tariff", "market", "control", "envelopes", "trading"]
            self.sink.finish(Result("day", {}, {"instruments": used, "missing_kwh": 2.0}, origin))

    def rows(self, table, columns, rows):
        kinds = [object if isinstance(value, str) else type(value) for value in rows[0]]
        arrays = [np.array(v, dtype=k) for v, k in zip(zip(*rows, strict=True), kinds, strict=True)]
        self.sink.write(table, dict(zip(columns.split(), arrays, strict=True)))

    def grid(self):
        buses = [("source", 20.0, True), ("station", 0.4, False)]
        self.rows("grid_buses", "bus vn_kv x_map y_map is_source", [(b, v, 0.0, 0.0, s) for b, v, s in buses])
        branch = (f"T {self.name}", "transformer", "source", "station", 0.0, True)
        self.rows("grid_branches", "branch kind from_bus to_bus length_km closed", [branch])
        limits = [(b, k, x) for b, *_ in buses for k, x in (("vm_min_pu", 0.9), ("vm_max_pu", 1.1))]
        limits.append((branch[0], "loading_max_percent", 100.0))
        self.rows("grid_limits", "time element kind limit", [(self.stamps[0], *each) for each in limits])
        rows = [(f"{m}_ev", m, "ev_charger", "station", 11.0, True) for m in self.members]
        self.rows("assets", "asset member kind bus rating_kw controllable", rows)
        rows = [(self.stamps[22], f"{m}_ev", 0.0, 11.0, 11.0) for m in self.members]
        self.rows("day_envelopes", "time asset p_min_kw p_max_kw p_kw", rows)

    def account(self):
        seller = f"{self.members[0]}_ev"
        rows = [(t, "market", seller, "agg", "market 0", 4.0, "kW", 0.2) for t in self.stamps[22:24]]
        rows += [(self.stamps[22], "market", f"{self.members[1]}_ev", "agg", "market 1", 3.0, "kW", 0.2)]
        rows += [(self.stamps[12], "trading", self.members[0], "community pool", "trade 0", 2.0, "kW", 0.1)]
        columns = "time stage seller counterparty reference quantity unit price"
        self.rows("commitments", columns, rows)

    def flows(self):
        branch = f"T {self.name}"
        for scenario, (hour, most) in self.loading.items():
            loading = [most if step == hour else 40.0 for step in range(24)]
            rows = [
                (t, scenario, branch, "transformer", x) for t, x in zip(self.stamps, loading, strict=True)
            ]
            self.rows("branch_loadings", "time scenario branch kind loading_percent", rows)
            rows = [
                (t, scenario, b, v) for t in self.stamps for b, v in (("source", 1.099), ("station", 0.98))
            ]
            self.rows("bus_voltages", "time scenario bus vm_pu", rows)
            if most > 100.0:
                rows = [
                    (
                        self.stamps[hour],
                        scenario,
                        branch,
                        "loading_max_percent",
                        most,
                        100.0,
                        most - 100.0,
                        "",
                    )
                ]
                columns = "time scenario element kind value limit excess cause"
                self.rows("violations", columns, rows)

    def power(self):
        for scenario, cars in self.cars_kw.items():
            kinds = {"load": dict.fromkeys(range(24), 30.0), "ev_charger": cars}
            rows = [
                (time, scenario, kind, kw.get(step, 0.0))
                for step, time in enumerate(self.stamps)
                for kind, kw in kinds.items()
            ]
            self.rows("day_power", "time scenario kind p_kw", rows)

    def forecast(self):
        for kind, middle_kw, hours in (("load", 30.0, range(24)), ("generation", 10.0, range(8, 18))):
            middle = [middle_kw * (step in hours) for step in range(24)]
            real = [0.5 * (kw > 0.0) + kw for kw in middle]
            # Loads are 6 kW above their band at 20:00, roofs 1 kW below theirs at 9:00.
            real[20 if kind == "load" else 9] = 39.0 if kind == "load" else 8.0
            rows = [
                (t, kind, 0.9 * kw, kw, 1.1 * kw, was)
                for t, kw, was in zip(self.stamps, middle, real, strict=True)
            ]
            self.rows("day_forecast", "time kind low_kw middle_kw high_kw realised_kw", rows)

    def switches(self):
        stood = {0: (True, False, True), 7: (False, False, True), 12: (True, True, True)}
        rows = [
            (self.stamps[step], f"{name} {self.name}", closed)
            for step, all_closed in stood.items()
            for name, closed in zip(("tie", "link", "PCC"), all_closed, strict=True)
        ]
        self.rows("switch_states", "time switch closed", rows)

    def instruments(self):
        busy = {22: (0.05, 20.0, 3.0, 17.0, 0.0, 8.0, 0.0), 12: (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0)}
        rows = [(time, *busy.get(step, (0.0,) * 7)) for step, time in enumerate(self.stamps)]
        self.rows("day_instruments", f"time {SERIES}", rows)

    def money(self):
        a, b, c = self.members
        payments = [
            (a, "supplier", "energy", 10.0), (b, "supplier", "energy", 20.0), (c, "supplier", "energy", 5.5),
            (a, "DSO", "network fee", 2.0), (c, "DSO", "dynamic tariff", 0.6),
            ("DSO", a, "tariff returned", 0.6), (b, "community pool", "local trades", 1.5),
            ("community pool", a, "local trades", 1.5), ("DSO", "agg", "flexibility", 3.0),
            ("agg", a, "flexibility: discomfort and share", 1.25), ("DSO", "supplier", "losses", 0.7),
            ("supplier", "balancing", "imbalance", 0.3),
        ]  # fmt: skip
        rows = [row for p, q, i, x in payments for row in ((p, q, i, -x), (q, p, i, x))]
        self.rows("postings", "party counterparty item amount", rows)
        figures = [
            (a, 30.0, 4.0, 0.0, 3.0, 27.0, 4.5, 2.0, 0.0, 14.0, 8.65),
            (b, 60.0, 0.0, 3.0, 0.0, 57.0, 0.0, 0.0, 0.0, 25.0, 21.5),
        ]
        figures.append((c, 20.0, 0.0, 0.0, 0.0, 20.0, 0.0, 0.0, 0.0, 5.5, 6.1))
        columns = "member withdrawn_kwh injected_kwh bought_locally_kwh sold_locally_kwh from_supplier_kwh"
        columns += " flexibility_kwh missing_kwh stored_less_kwh cost_alone cost saved"
        self.rows("statements", columns, [(*row, row[-2] - row[-1]) for row in figures])

    def worth(self):
        days = [("none", 3, 0.0, 40.0, 37.0), ("envelopes alone", 0, 20.0, 45.0, 35.0)]
        days += [("control alone", 3, 0.0, 4.0, 38.0), ("all but envelopes", 2, 0.0, 4.0, 36.0)]
        days += [("all but control", 0, 9.0, 41.0, 36.5), ("all", 0, 8.0, 4.0, 36.25)]
        rows = [
            (d, n, n, 100.0 + n, 0.97, held, held / 4.0, cold, 50.0 + held, pay, 5.0)
            for d, n, held, cold, pay in days
        ]
        columns = "day broken intervals worst_loading_percent lowest_vm_pu held_back_kwh missing_kwh"
        self.rows("worth", f"{columns} cold_kelvin_hours batteries_kwh members_pay operator_gets", rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("day") / "made"
    Made(folder)
    return folder


@pytest.fixture
def day(made, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "out")


def page_of(folder):
    return write_report(folder).read_text(encoding="utf-8")


def statements_of(folder):
    write_report(folder)
    return (folder / STATEMENTS).read_text(encoding="utf-8")


def section(page, key):
    return plain(re.search(rf'<section id="{key}">.*?</section>', page, flags=re.DOTALL).group())


def told_by(make, folder):
    """The words of one section, without the rest of the page; nothing where there is no such section."""
    with style():
        made = make(read_material(folder))
    return "" if made is None else plain(made.body)


def edit(folder, table, where, **values):
    """Other values in the rows of a table that a function picks."""

    def put_in(rows):
        here = where(rows)
        for column, value in values.items():
            rows[column] = rows[column].astype(object).where(~here, value)
        return rows.infer_objects()

    change(folder, table, put_in)


def test_every_section_stands_in_its_order_and_the_page_is_whole(made):
    page = Page(page_of(made))
    assert page.sections == SECTIONS
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    figures = [attributes for tag, attributes in page.tags if tag == "figure"]
    assert len(figures) == [tag for tag, _ in page.tags].count("svg") == 14
    assert all(len(figure["aria-label"]) > 40 for figure in figures)
    assert "An operating day · 14 February 2030 · 24 hourly intervals · dynamic tariff" in page.text


def test_both_pages_need_nothing_from_elsewhere_and_charts_are_well_formed(made):
    for page in (page_of(made), statements_of(made)):
        assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
        assert not NO_NUMBER.search(page)
        for chart in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
            tree = ElementTree.fromstring(chart)
            ids = {element.get("id") for element in tree.iter()}
            assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", chart)) <= ids


def test_the_same_result_gives_the_same_bytes(made, day):
    for folder in (made, day):
        write_report(folder)
    for name in (REPORT, STATEMENTS):
        assert (made / name).read_bytes() == (day / name).read_bytes()
    before = (day / STATEMENTS).read_bytes()
    write_report(day)
    assert (day / STATEMENTS).read_bytes() == before


@pytest.mark.parametrize("table", OF_TABLE)
def test_a_missing_table_takes_its_sections_along_and_no_other(day, table):
    (day / f"{table}.parquet").unlink()
    page = Page(page_of(day))
    assert set(SECTIONS) - set(page.sections) == OF_TABLE[table]
    assert page.open == []
    assert (day / STATEMENTS).is_file() == (table != "statements")


def test_without_any_table_the_page_still_comes(day):
    for path in day.glob("*.parquet"):
        path.unlink()
    page = Page(page_of(day))
    assert page.sections == ["origin"]
    assert "The result holds no day." in page.text
    assert not (day / STATEMENTS).exists()


def test_without_statements_the_page_does_not_link_to_them(day):
    assert f'href="{STATEMENTS}"' in page_of(day)
    (day / "statements.parquet").unlink()
    assert STATEMENTS not in page_of(day)


def test_a_run_may_replace_a_folder_with_statements(day):
    write_report(day)
    Made(day)
    assert not (day / STATEMENTS).exists()


def test_names_from_a_study_are_escaped(tmp_path):
    Made(tmp_path / "out", HOSTILE)
    for page in (page_of(tmp_path / "out"), statements_of(tmp_path / "out")):
        assert HOSTILE not in page
        assert "</section>1" not in page
        assert Page(page).open == []
        assert HOSTILE in Page(page).text


def test_the_lead_tells_the_whole_story(made):
    assert plain(lead(read_material(made))) == (
        "On 14 February 2030, with nobody planning, transformer T home would have been loaded to 110 % at "
        "18:00, where 100 % are allowed (one limit broken). With everybody planning by price alone it would "
        "have been loaded to 130 % at 22:00 (one limit broken). With a tariff of up to 0.050 EUR/kWh, "
        "17.0 kWh of flexibility bought, 8.0 kWh held back by envelopes and 2.0 kWh traded between "
        "neighbours "
        "no limit is broken. Members pay 36.25 EUR (37.00 EUR without any instrument), 8.25 EUR less "
        "than each "
        "alone; 1 pays more, at most 0.60 EUR. Cars lack 2.0 kWh at the end of the day."
    )


def test_the_lead_follows_the_violations(day):
    edit(day, "violations", lambda rows: rows["scenario"] == "baseline", value=142.0, excess=42.0)
    assert "loaded to 142 % at 22:00" in plain(lead(read_material(day)))
    edit(
        day,
        "violations",
        lambda rows: rows["scenario"] == "planned",
        scenario="realised",
        cause="forecast error",
    )
    told = plain(lead(read_material(day)))
    assert "1 limit stays broken, at worst transformer T home loaded to 105 % at 22:00" in told
    assert "mostly for this cause: forecast error" in told
    change(day, "violations", lambda rows: rows[:0])
    told = plain(lead(read_material(day)))
    assert "no limit of the grid would have been broken" in told
    assert "What was done: a tariff" in told


def test_the_careless_day_that_breaks_most_is_told_first(day):
    def once_more(rows):
        again = rows[rows["scenario"] == "baseline"]
        before = again["time"] - pd.Timedelta(hours=1)
        return pd.concat([rows, again.assign(time=before, value=120.0, excess=20.0)])

    change(day, "violations", once_more)
    found = read_material(day)
    assert plain(lead(found)).startswith(
        "On 14 February 2030, with everybody planning by price alone, transformer T home would have been "
        "loaded to 130 % at 22:00, where 100 % are allowed (limits broken 2 times). With nobody planning it "
        "would "
    )
    assert make_tiles(found)[0].value == "1 → 2 → 0"
    assert make_tiles(found)[0].remark == "nobody plans → by price alone → what happened"


def test_a_key_is_escaped():
    assert key([("■", "#123456", "<b>&")]) == (
        '<p class="key"><span><b style="color:#123456">■</b> &lt;b&gt;&amp;</span></p>'
    )


def test_an_excess_too_small_to_count_is_told_and_not_counted(day):
    edit(day, "violations", lambda rows: rows["scenario"] == "planned", scenario="realised", excess=0.4)
    found = read_material(day)
    assert len(found.counted(REALISED)["element"]) == 0
    assert "no limit is broken" in plain(lead(found))
    assert "1 more is broken by too little to count" in plain(left_section(found).body)


def test_the_most_strained_element_is_what_careless_days_break_most(day):
    stressed = find_stressed(read_material(day))
    assert (stressed.name, stressed.kind) == ("transformer T home", "loading_max_percent")
    assert [float(np.nanmax(stressed.of(s))) for s in SCENARIOS] == [110.0, 130.0, 105.0, 95.0]
    assert stressed.worst_step(BASELINE) == 22
    edit(day, "bus_voltages", lambda r: (r["bus"] == "station") & (r["scenario"] == "alone"), vm_pu=0.85)
    stressed = find_stressed(read_material(day))
    assert (stressed.name, stressed.kind, stressed.sign) == ("bus station", "vm_min_pu", -1.0)
    assert stressed.excess(ALONE) == pytest.approx(np.full(24, 0.05))
    # A source has the voltage that it is given: nobody strains it.
    edit(day, "bus_voltages", lambda r: r["bus"] == "source", vm_pu=1.5)
    assert find_stressed(read_material(day)).name == "bus station"


def test_what_only_the_day_as_it_was_breaks_is_found(day):
    edit(day, "branch_loadings", lambda r: r["scenario"] != "realised", loading_percent=40.0)
    edit(day, "bus_voltages", lambda r: (r["bus"] == "station") & (r["scenario"] == "realised"), vm_pu=1.12)
    assert find_stressed(read_material(day)).name == "bus station"


def test_moments_are_six_in_the_evening_and_the_worst(made):
    found = read_material(made)
    stressed = find_stressed(found)
    moments = choose_moments(found, stressed)
    assert [(m.step, m.why) for m in moments] == [
        (18, "six in the evening"),
        (22, "the worst, with plans by price alone"),
    ]
    cards = re.findall(r"<div class=\"proof\">(.*?)</div>", moment_cards(found, stressed, moments))
    assert [plain(card.replace("</p>", " ")) for card in cards] == [
        "18:00 six in the eveningTransformer T home would have been loaded to 110 % if nobody "
        "planned and 40 % "
        "with plans by price alone. It was at 40 %; its limit is 100 %. Charging stations did "
        "nothing instead "
        "of drawing 80.0 kW. No instrument had to act: plans by price alone keep the limit at this time. ",
        "22:00 the worst, with plans by price aloneTransformer T home would have been loaded to 40 % "
        "if nobody "
        "planned and 130 % with plans by price alone. It was at 95 %; its limit is 100 %. Charging stations "
        "drew 50.0 kW instead of nothing. The tariff was 0.050 EUR/kWh, 17.0 kW of flexibility were called, "
        "3.00 kW more were wanted and not to be had and 8.00 kW were held back by envelopes. ",
    ]


def test_lanes_are_the_instruments_that_took_part(day):
    found = read_material(day)
    assert [(lane.instrument, lane.told) for lane in read_lanes(found)] == [
        ("tariff", "up to 0.050 EUR/kWh"),
        ("market", "up to 17.0 kW, 17.0 kWh in all; up to 3.00 kW not to be had"),
        ("envelopes", "up to 8.00 kW, 8.0 kWh in all"),
        ("trading", "up to 2.00 kW, 2.0 kWh in all"),
    ]
    edit(day, "day_instruments", lambda rows: rows["held_back_kw"] > 0.0, held_back_kw=0.0)
    summarise(day, instruments=["envelopes", "trading"])
    assert [(lane.instrument, lane.told) for lane in read_lanes(read_material(day))] == [
        ("envelopes", ""),
        ("trading", "up to 2.00 kW, 2.0 kWh in all"),
    ]


def test_reactive_power_and_switches_are_told_where_the_run_knows_them(day):
    nothing = np.zeros(24)
    bought, moved = nothing.copy(), nothing.copy()
    bought[22], moved[12] = -7.5, 2.0
    change(
        day, "day_instruments", lambda rows: rows.assign(reactive_bought_kvar=bought, switches_moved=moved)
    )
    summarise(day, instruments=["reactive", "switching"])
    found = read_material(day)
    assert [(lane.instrument, lane.told) for lane in read_lanes(found)] == [
        ("reactive", "up to 7.5 kvar"),
        ("switching", "2 moves in all"),
    ]
    assert "7.5 kvar of reactive power were bought" in acts(found, 22)
    assert acts(found, 12) == ["2.00 kW were traded between neighbours", "2 switches were moved"]
    told = plain(lead(found))
    assert "8 kvarh of reactive energy bought and 2 moves of switches no limit is broken" in told


def test_the_instruments_stand_below_the_element_on_the_same_clock(made, monkeypatch):
    figures = []
    monkeypatch.setattr(
        day_chart, "finish", lambda figure, words, prefix: figures.append(figure) or Chart("", words)
    )
    found = read_material(made)
    with style():
        chart = draw_day(found, find_stressed(found), [18, 22], 10.8, "")
    top, *lanes = figures[0].axes
    assert len(lanes) == 4
    for lane in lanes:
        assert lane.get_xlim() == top.get_xlim()
        assert lane.get_position().x0 == top.get_position().x0
        assert lane.get_position().x1 == pytest.approx(top.get_position().x1)
        assert lane.get_position().y1 < top.get_position().y0
    lines = {line.get_color(): line.get_ydata().max() for line in top.lines if len(line.get_xdata()) > 2}
    assert set(lines.values()) == {110.0, 130.0, 105.0, 95.0, 100.0}
    assert "everybody plans by price alone: at worst 130 % at 22:00" in chart.words
    told = [text.get_text() for text in top.texts]
    assert {"18:00", "22:00", "110 %", "130 %"} <= set(told)
    assert "105 %" not in told


def test_the_worst_of_longer_parts_is_never_hidden():
    bins = day_chart.Bins(np.array([0, 3, 5]), np.array([0.0, 3.0, 5.0]), "3 minutes")
    values = np.array([1.0, 9.0, 2.0, 3.0, 4.0])
    assert worst_of_bins(bins, values, 1.0).tolist() == [9.0, 4.0]
    assert worst_of_bins(bins, values, -1.0).tolist() == [1.0, 3.0]


def test_moved_energy_is_what_is_drawn_at_other_hours(made, day):
    found = read_material(made)
    assert drawn_kinds(found) == ["load", "ev_charger"]
    # 80 kWh less at 18:00, 50 kWh more at 22:00: 50 kWh moved, 30 kWh are not drawn at all.
    assert moved_kwh(found, "ev_charger") == pytest.approx(50.0)
    assert moved_kwh(found, "load") == 0.0
    with style():
        told = plain(power_section(found).body)
    assert "would have drawn at most 110 kW, at 18:00. They drew at most 80.0 kW, at 22:00" in told
    assert "Charging stations moved 50.0 kWh" in told
    edit(day, "day_power", lambda r: (r["scenario"] == "realised") & (r["p_kw"] == 50.0), p_kw=10.0)
    assert moved_kwh(read_material(day), "ev_charger") == pytest.approx(10.0)


def test_the_worth_of_instruments_is_that_of_the_table(made, day):
    found = read_material(made)
    with style():
        told = plain(worth_section(found).body)
    assert "With no instrument 3 limits are broken, with all 0." in told
    assert "Without operating envelopes 2 would be; each of the others can be left out." in told
    assert (
        "Operating envelopes can do it without the others, but 20.0 kWh are held back (all together: "
        "8.0 kWh) and 5.0 kWh are missing in cars at the end of the day (all together: 2.0 kWh)." in told
    )
    assert "Control keeps houses warm: below their band by 4.0 instead of 40.0 kelvin hours." in told
    pay = read_measures(found)[-1]
    assert pay.value.tolist() == pytest.approx([0.0, -2.0, 1.0, -1.0, -0.5, -0.75])
    table = cells(worth_section(found).body)
    assert table[1][:2] == ["no instrument", "3"]
    assert table[-1][0] == "all instruments"
    assert day_name("all but tariff") == "all but dynamic tariff"
    edit(day, "worth", lambda rows: rows["day"] == "all but control", broken=1)
    with style():
        assert "Without operating envelopes 2 and control 1 would be" in plain(
            worth_section(read_material(day)).body
        )


def test_flows_tell_each_payment_once_and_balances_sum_to_nothing(made):
    found = read_material(made)
    flows = {(flow.payer, flow.payee, flow.item): flow.amount for flow in read_flows(found)}
    assert flows[MEMBERS, "supplier", "energy"] == pytest.approx(35.5)
    assert flows[NEIGHBOURS, MEMBERS, "local trades"] == pytest.approx(1.5)
    assert flows["agg", MEMBERS, "flexibility: discomfort and share"] == pytest.approx(1.25)
    assert len(flows) == 9
    left = {party: received - paid for party, received, paid in balances(found)}
    assert sum(left.values()) == pytest.approx(0.0)
    assert left[MEMBERS] == pytest.approx(-found.statements["cost"].sum())
    assert "community pool" not in left


def test_the_sum_of_postings_is_told_as_it_is(day):
    assert "All postings of the day add up to exactly 0." in section(page_of(day), "money")
    edit(day, "postings", lambda rows: rows["amount"] == 3.0, amount=3.01)
    assert "The postings add up to 0.01, not to 0." in section(page_of(day), "money")


def test_who_pays_more_is_named_with_the_reason(made, day):
    found = read_material(made)
    savings = read_savings(found)
    assert [savings.member[place] for place in savings.dearer] == ["home3"]
    assert why_dearer(found, "home3") == "0.60 of the tariff do not come back"
    told = section(page_of(made), "money")
    assert "1 member pays more than alone." in told
    assert (
        "2 of 3 members pay less than alone; half of all save 3.50 EUR or more, home1 saves most: 5.35 EUR."
        in told
    )
    change(day, "postings", lambda rows: rows[rows["item"] != "dynamic tariff"])
    assert why_dearer(read_material(day), "home3") == "its devices drew more, or at dearer hours, than alone"
    edit(day, "statements", lambda rows: rows["member"] == "home3", cost=5.5)
    assert "Nobody pays more than alone." in section(page_of(day), "money")


def test_what_remains_stands_with_its_cause(day):
    edit(
        day,
        "violations",
        lambda rows: rows["scenario"] == "planned",
        scenario="realised",
        cause="forecast error",
    )
    body = left_section(read_material(day)).body
    assert "What remains, by cause: forecast error (1)." in plain(body)
    assert cells(body)[-1] == [
        "T home", "overloaded", "forecast error", "1", "22:00", "105.0 %", "100.0 %", "5.0 %",
    ]  # fmt: skip
    counts = {row[0]: row[1] for row in cells(body)[1:5]}
    assert counts["what happened"] == "1"
    assert counts["nobody plans"] == "1"
    assert counts["schedules of the day before"] == "0"


def test_an_element_that_stays_broken_for_long_stands_once_with_its_worst(day):
    edit(day, "violations", lambda rows: rows["scenario"] != "", scenario="realised", cause="forecast error")
    found = read_material(day)
    body = left_section(found).body
    assert cells(body)[-1][3:] == ["3", "22:00", "130.0 %", "100.0 %", "30.0 %"]
    assert [row[:3] for row in cells(body) if row[0] == "what happened"] == [["what happened", "3", "2"]]
    assert "<b>3 limits stay broken</b>, at worst transformer T home loaded to <b>130" in lead(found)


def test_schedules_that_are_the_plans_by_price_are_not_drawn_twice(day):
    shown = [words for _, _, words in day_chart.entries(find_stressed(read_material(day)))]
    assert "schedules of the day before" in shown
    edit(day, "branch_loadings", lambda r: r["loading_percent"] == 105.0, loading_percent=130.0)
    shown = [words for _, _, words in day_chart.entries(find_stressed(read_material(day)))]
    assert "schedules of the day before" not in shown
    assert "everybody plans by price alone" in shown


def test_tiles_are_figures_of_the_tables(made, day):
    tiles = {tile.label: plain(tile.value) for tile in make_tiles(read_material(made))}
    assert tiles == {
        "Limits broken": "1 → 1 → 0",
        "Worst of transformer T home": "130 → 95 %",
        "Highest tariff": "0.050 EUR/kWh",
        "Flexibility bought": "17.0 kWh",
        "Held back by envelopes": "8.0 kWh",
        "Traded between neighbours": "2.0 kWh",
        "Members pay [EUR]": "44 → 36",
        "The grid operator is left with": "-1.70 EUR".replace("-", "\u2212"),
    }
    edit(day, "day_instruments", lambda rows: rows["held_back_kw"] > 0.0, held_back_kw=9.5)
    held = {tile.label: tile for tile in make_tiles(read_material(day))}["Held back by envelopes"]
    assert held.value == "9.5 kWh"
    assert held.remark == "at most 9.50 kW, at 22:00; cars lack 2.0 kWh at the end"


def test_a_statement_says_what_the_comparison_leaves_out(day):
    for less_kwh, held in ((1.5, "1.5 kWh more"), (-2.5, "2.5 kWh less"), (0.0, "")):
        edit(day, "statements", lambda rows: rows["member"] == "home1", stored_less_kwh=less_kwh)
        found = read_material(day)
        said = " ".join(plain(words) for words in sentences(found, read_bills(found)["home1"], 0))
        assert f"would have held {held} at the end of the day" in said if held else "held" not in said


def test_a_statement_says_what_a_member_did_and_pays(made):
    found = read_material(made)
    bills = read_bills(found)
    assert [plain(words) for words in sentences(found, bills["home1"], 0)] == [
        "You drew 30.0 kWh from the grid and fed 4.0 kWh of your own into it.",
        "With your neighbours: you sold them 3.0 kWh and earned 1.50 EUR.",
        "Your devices used 4.5 kWh less when the grid was full, which earned you 1.25 EUR.",
        "You got 0.60 EUR of what all paid for busy hours.",
        "Your car lacked 2.0 kWh at the end of the day.",
        "You paid 8.65 EUR in all. Alone you would have paid 14.00 EUR: 5.35 EUR less.",
    ]
    assert [plain(words) for words in sentences(found, bills["home2"], 1)][1:] == [
        "With your neighbours: you bought 3.0 kWh from them and paid 1.50 EUR.",
        "You paid 21.50 EUR in all. Alone you would have paid 25.00 EUR: 3.50 EUR less.",
    ]
    assert plain(sentences(found, bills["home3"], 2)[-1]).endswith("5.50 EUR: 0.60 EUR more.")


def test_each_bill_adds_up_to_what_its_statement_says(made):
    page = statements_of(made)
    assert page.count('<details class="statement">') == 3
    found = read_material(made)
    totals = [float(row[1]) for row in cells(page) if row[0] == "In all"]
    assert totals == found.statements["cost"].tolist()
    assert "pays 8.65 EUR, 5.35 EUR less than alone" in plain(page)
    assert "No tax is part of these amounts." in page
    for member in found.statements["member"]:
        assert sum(paid_by_item(found, member).values()) == pytest.approx(
            sum(read_bills(found)[member].values())
        )


def test_statements_stand_in_the_order_of_their_numbers(day):
    edit(day, "statements", lambda rows: rows["member"] == "home1", member="home10")
    page = statements_of(day)
    names = re.findall(r"<summary><b>(.*?)</b>", page)
    assert names == ["home2", "home3", "home10"]


def test_whoever_receives_money_reads_so(day):
    edit(day, "statements", lambda rows: rows["member"] == "home1", cost=-1.5, cost_alone=-1.0)
    found = read_material(day)
    last = plain(sentences(found, read_bills(found)["home1"], 0)[-1])
    assert last == "You received 1.50 EUR in all. Alone you would have received 1.00 EUR: 0.50 EUR less."
    assert make_statements(day) is not None


def test_a_value_beside_its_limit_keeps_the_digit_that_tells_them_apart():
    assert measure(70.2, "loading_max_percent", 70.0) == "70.2 %"
    assert measure(105.3, "loading_max_percent", 70.0) == "105 %"
    assert measure(0.8996, "vm_min_pu", 0.9) == "0.8996 pu"


def test_a_summary_and_tables_of_another_run_leave_no_trace(day):
    put(day, "worth", pq.read_table(day / "worth.parquet").to_pandas()[:0])
    assert "worth" not in Page(page_of(day)).sections
    assert json.loads((day / "summary.json").read_text())["missing_kwh"] == 2.0


def in_quarters(folder):
    """The same rows in intervals of a quarter of their length; the provenance still has that of the study."""

    def quartered(rows):
        first = pd.Timestamp("2030-02-13T23:00", tz="UTC")
        return rows.assign(time=first + (rows["time"] - first) / 4)

    for path in folder.glob("*.parquet"):
        if "time" in pq.read_schema(path).names:
            change(folder, path.stem, quartered)


def test_an_hourly_study_lived_in_quarter_hours_is_told_in_quarter_hours(day):
    in_quarters(day)
    found = read_material(day)
    assert (found.clock.step_minutes, found.clock.steps) == (15.0, 24)
    assert found.did_kwh("flexibility_bought_kw") == pytest.approx(17.0 / 4.0)
    page = Page(page_of(day)).text
    assert "24 15-minute intervals" in page
    assert not re.search("hourly|this hour|an hour", page)
    assert "loaded to 130 % at 05:30" in plain(lead(found))


def test_of_a_single_interval_the_provenance_tells_the_length(day):
    for path in day.glob("*.parquet"):
        if "time" in pq.read_schema(path).names:
            change(day, path.stem, lambda rows: rows[rows["time"] == rows["time"].min()])
    assert read_material(day).clock.step_minutes == 60.0


def drawn(monkeypatch, module, draw):
    """The figure that a function draws, before it is written."""
    figures = []
    monkeypatch.setattr(
        module, "finish", lambda figure, words, prefix: figures.append(figure) or Chart("", words)
    )
    with style():
        chart = draw()
    return figures[0], chart.words


def test_the_forecast_is_told_with_how_often_it_held_and_where_it_failed_most(made):
    told = told_by(forecast_section.forecast_section, made)
    assert (
        "Loads stayed inside the band of the day before in 23 of 24 intervals and left it most at 20:00, "
        "6.00 kW above it; generation stayed inside the band in 9 of 10 intervals with any and left it most "
        "at 09:00, 1.00 kW below it."
    ) in told


def test_a_forecast_that_held_all_day_says_so(day):
    change(day, "day_forecast", lambda rows: rows.assign(realised_kw=rows["middle_kw"]))
    told = told_by(forecast_section.forecast_section, day)
    assert "Loads stayed inside the band of the day before in all 24 intervals; generation stayed" in told
    assert "in all 10 intervals with any." in told


def test_what_is_known_for_sure_has_no_picture(day):
    def right(rows):
        return rows.assign(low_kw=rows["middle_kw"], high_kw=rows["middle_kw"], realised_kw=rows["middle_kw"])

    def loads_alone(rows):
        return rows[rows["kind"] == "load"]

    change(day, "day_forecast", loads_alone)
    assert [each.kind for each in read_forecasts(read_material(day))] == ["load"]
    assert "eneration" not in told_by(forecast_section.forecast_section, day)
    change(day, "day_forecast", right)
    assert forecast_section.forecast_section(read_material(day)) is None


@pytest.mark.parametrize(("width", "columns"), [(10.8, 2), (4.3, 1)])
def test_bands_middles_and_reality_are_drawn_in_both_widths(made, monkeypatch, width, columns):
    found = read_material(made)
    forecasts = read_forecasts(found)
    figure, words = drawn(monkeypatch, forecast_section, lambda: draw_forecasts(found, forecasts, width, ""))
    assert len({round(axes.get_position().x0, 3) for axes in figure.axes}) == columns
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loads [kW]", "Generation [kW]"]
    for axes, each in zip(figure.axes, forecasts, strict=True):
        middle, real = (line.get_ydata()[:-1] for line in axes.lines)
        assert middle.tolist() == each.middle_kw.tolist()
        assert real.tolist() == each.realised_kw.tolist()
        edge = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert edge.max() == pytest.approx(each.high_kw.max())
        assert {round(kw, 6) for kw in each.low_kw} <= {round(float(kw), 6) for kw in edge}
        assert 0.0 <= axes.get_position().y0 < axes.get_position().y1 <= 1.0
    assert "6.00\u00a0kW above it" in words or "6.00 kW above it" in words


def test_switches_stand_as_the_table_has_them(made, monkeypatch):
    found = read_material(made)
    stood = read_positions(found)
    assert stood.name == ("tie home", "link home", "PCC home")
    assert stood.closed[:, 0].tolist() == [True] * 7 + [False] * 5 + [True] * 12
    assert stood.closed[:, 1].tolist() == [False] * 12 + [True] * 12
    assert most_moved(stood) == [0, 1]
    figure, words = drawn(monkeypatch, switch_section, lambda: draw_positions(found, stood, [0, 1], 4.3, ""))
    assert "tie home closed from 00:00, open from 07:00, closed from 12:00" in words
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["tie home", "link home"]
    strips = [(bar.get_paths()[0].get_extents(), bar.get_facecolor()[0].tolist()) for bar in axes.collections]
    closed, opened = strips[0][1], strips[1][1]
    assert closed != opened
    assert [colour for _, colour in strips] == [closed, opened, closed, opened, closed]
    hours = [round(24 * box.width) for box, _ in strips]
    assert hours == [7, 5, 12, 12, 12]
    assert [round((box.y0 + box.y1) / 2) for box, _ in strips] == [0, 0, 0, 1, 1]


def test_moves_and_refusals_are_told_in_words(day):
    told = told_by(switch_section.switch_section, day)
    assert "2 of 3 switches moved, 3 moves in all; PCC home stayed closed all day." in told
    assert "refused" not in told
    refused, moved = np.zeros(24), np.zeros(24)
    refused[[9, 10]], moved[0] = 1.0, 2.0

    def put_in(rows):
        return rows.assign(switches_refused=refused, switches_moved=moved)

    change(day, "day_instruments", put_in)
    told = told_by(switch_section.switch_section, day)
    assert "5 moves in all, 2 of them as the day began;" in told
    assert (
        "At 09:00 and 10:00 a move was wanted and refused, because it would have broken a limit or a promise."
        in told
    )
    assert acts(read_material(day), 9) == ["a move of switches was refused"]
    refused[12:16] = 1.0
    change(day, "day_instruments", put_in)
    assert "In 6 intervals, first at 09:00 a move was wanted and refused" in told_by(
        switch_section.switch_section, day
    )


def test_switches_that_nobody_moved_have_no_section_unless_a_move_was_refused(day):
    change(day, "switch_states", lambda rows: rows[rows["time"] == rows["time"].min()])
    assert switch_section.switch_section(read_material(day)) is None
    refused = np.zeros(24)
    refused[18] = 1.0
    change(day, "day_instruments", lambda rows: rows.assign(switches_refused=refused))
    with style():
        body = switch_section.switch_section(read_material(day)).body
    told = plain(body)
    assert (
        "No switch was moved; tie home and PCC home stayed closed all day and link home stayed open" in told
    )
    assert "At 18:00 a move was wanted and refused" in told
    assert "<svg" not in body


def test_of_very_many_switches_those_that_moved_most_are_drawn_and_others_counted(day):
    def many(rows):
        start, end = (
            rows[rows["time"] == time].iloc[:1] for time in (rows["time"].min(), rows["time"].max())
        )
        still = [start.assign(switch=f"still {k}", closed=True) for k in range(5)]
        busy = [each.assign(switch=f"busy {k}", closed=is_closed) for k in range(30)
                for each, is_closed in ((start, True), (end, False))]  # fmt: skip
        return pd.concat([*busy, *still, rows])

    change(day, "switch_states", many)
    drawn_ones = most_moved(read_positions(read_material(day)))
    assert len(drawn_ones) == 24
    assert 35 in drawn_ones  # the tie, which moved twice
    told = told_by(switch_section.switch_section, day)
    assert "32 of 38 switches moved, 33 moves in all; 6 others stayed closed all day." in told
    assert "Drawn are the 24 that moved most" in told


def test_batteries_are_told_where_days_have_them(day):
    told = told_by(worth_section, day)
    assert (
        "What is left in batteries at the end is in no bill: 58.0 kWh with all instruments, 50.0 kWh with "
        "none, from 50.0 kWh to 70.0 kWh in all these days."
    ) in told
    with style():
        table = cells(worth_section(read_material(day)).body)
    place = next(row for row in table if "left in batteries [kWh]" in row).index("left in batteries [kWh]")
    assert next(row for row in table if row[0] == "only operating envelopes")[place] == "70.0"
    change(day, "worth", lambda rows: rows.assign(batteries_kwh=70.0))
    assert "in no bill: 70.0 kWh in each of these days." in told_by(worth_section, day)
    change(day, "worth", lambda rows: rows.assign(batteries_kwh=0.0))
    assert "atteries" not in told_by(worth_section, day)


def with_communities(folder, **columns):
    """Reactive power that is bought at 22:00, and other columns of ``day_instruments`` at some hours."""
    bought = np.zeros(24)
    bought[22] = 7.5
    made = {"reactive_bought_kvar": bought, "reactive_missed_kvar": 0.0, "communities_replanned": 0.0}
    for name, hours in columns.items():
        made[name] = np.array([hours.get(step, 0.0) for step in range(24)])
    change(folder, "day_instruments", lambda rows: rows.assign(**made))
    summarise(folder, instruments=["reactive", "control", "trading"])
    return read_material(folder)


def test_what_was_sold_of_reactive_power_and_not_given_is_told(day):
    with style():
        assert "reactive energy" not in plain(day_section(with_communities(day)).body)
    found = with_communities(day, reactive_missed_kvar={22: 2.5})
    assert read_lanes(found)[0].told == "up to 7.5 kvar; up to 2.5 kvar of it not given"
    assert acts(found, 22)[-2:] == ["7.5 kvar of reactive power were bought", "2.5 kvar of it were not given"]
    with style():
        told = plain(day_section(found).body)
    assert (
        "Of 7.5 kvarh of reactive energy that were sold, devices did not give 2.5 kvarh; nobody pays for "
        "these." in told
    )


def test_communities_that_plan_anew_are_marked_in_the_lane_of_reactive_power(day, monkeypatch):
    found = with_communities(day)
    with style():
        assert "anew" not in plain(day_section(found).body)
    assert not read_lanes(found)[0].anew.any()
    found = with_communities(day, communities_replanned={3: 1.0, 18: 1.0})
    lane = read_lanes(found)[0]
    assert (lane.instrument, lane.told) == ("reactive", "up to 7.5 kvar; planned anew 2 times")
    assert "communities planned the rest of their day anew" in acts(found, 18)
    stressed = find_stressed(found)
    for width in (10.8, 4.3):
        figure, words = drawn(monkeypatch, day_chart, lambda: draw_day(found, stressed, [18], width, ""))  # noqa: B023
        top, reactive, *_ = figure.axes
        (marks,) = [line for line in reactive.lines if line.get_marker() == "v"]
        first = top.get_xlim()[0]
        assert np.rint((marks.get_xdata() - first) * 24).tolist() == [3, 18]
        assert not any(line.get_marker() == "v" for axes in figure.axes[2:] for line in axes.lines)
        assert "planned anew 2 times" in words
    with style():
        told = plain(day_section(found).body)
    assert "planned the rest of their day anew (▾) at the start of 2 intervals." in told


def test_communities_that_sell_no_reactive_power_have_a_lane_of_their_own(day):
    with_communities(day, communities_replanned={3: 1.0})
    summarise(day, instruments=["control", "trading"])
    lanes = [(lane.instrument, lane.words, lane.told) for lane in read_lanes(read_material(day))]
    assert lanes[0] == ("control", "Communities planned anew", "1 time in all")
    with_communities(day)
    summarise(day, instruments=["control", "trading"])
    assert [lane.instrument for lane in read_lanes(read_material(day))] == ["trading"]


def test_bills_of_communities_say_what_they_leave_out(day):
    assert "Heat and fuel" not in told_by(money_section, day)
    found = with_communities(day)
    with style():
        assert "Heat and fuel of a community are in both" in plain(money_section(found).body)
    with_communities(day, communities_replanned={3: 1.0})
    summarise(day, instruments=["control"])
    assert "Heat and fuel of a community" in told_by(money_section, day)


def test_a_community_that_pays_more_kept_to_what_it_had_sold(day):
    """Its heat and fuel are in both bills, and no reason."""
    change(day, "postings", lambda rows: rows[rows["item"] != "dynamic tariff"])
    one = pd.DataFrame({"party": ["home2"], "counterparty": [HEAT], "item": [HEAT], "amount": [-50.0]})
    change(day, "postings", lambda rows: pd.concat([rows.astype({"item": str}), one]))
    usual = "its devices drew more, or at dearer hours, than alone"
    assert why_dearer(read_material(day), "home2") == usual
    with_communities(day, communities_replanned={3: 1.0})
    assert "kept to what it had sold" in why_dearer(read_material(day), "home2")
    assert why_dearer(read_material(day), "home1") != "kept to what it had sold"


def test_commitments_are_told_by_stage_and_each_once(made, day):
    assert (
        "In the account of the day stand 2 commitments on the flexibility market and 1 in local trading; "
        "each is settled once." in told_by(money_section, made)
    )
    change(day, "commitments", lambda rows: pd.concat([rows, rows[:2]]))
    assert commitment_words(read_material(day)).endswith("; 2 entries stand there twice.")
    change(day, "commitments", lambda rows: rows[:1].assign(stage="reactive"))
    assert "stand 1 commitment on the reactive power market;" in commitment_words(read_material(day))
    (day / "commitments.parquet").unlink()
    assert "In the account" not in told_by(money_section, day)


def test_what_rounding_can_do_makes_nobody_pay_more_or_less(day):
    edit(day, "statements", lambda rows: rows["member"] == "home3", cost=5.52)
    assert "Nobody pays more than alone." in told_by(money_section, day)
    edit(day, "statements", lambda rows: rows["member"] != "home1", cost=10.0, cost_alone=10.02)
    told = told_by(money_section, day)
    assert "1 of 3 members pays less than alone; home1 saves most: 5.35 EUR." in told


def test_energy_of_neighbours_is_no_reason_to_pay_more(day):
    change(day, "postings", lambda rows: rows[rows["item"] != "dynamic tariff"])
    assert why_dearer(read_material(day), "home2") == "its devices drew more, or at dearer hours, than alone"


def test_what_is_beyond_a_limit_by_too_little_to_count_is_not_set_off(day):
    edit(day, "branch_loadings", lambda r: r["loading_percent"] == 95.0, loading_percent=100.4)
    planned = {"scenario": "realised", "value": 100.4, "excess": 0.4}
    edit(day, "violations", lambda rows: rows["scenario"] == "planned", **planned)
    found = read_material(day)
    stressed = find_stressed(found)
    assert not stressed.is_broken(REALISED)
    cards = moment_cards(found, stressed, choose_moments(found, stressed))
    assert 'class="broken"' not in cards
    assert '<b class="beyond">100' not in cards
    assert {tile.label: tile.tone for tile in make_tiles(found)}["Worst of transformer T home"] == "proof"
    assert "no limit is broken</b> by enough to count." in lead(found)
    edit(day, "branch_loadings", lambda r: r["loading_percent"] == 100.4, loading_percent=100.6)
    assert find_stressed(read_material(day)).is_broken(REALISED)


def test_names_of_moments_keep_clear_of_each_other_with_their_dates(made, monkeypatch):
    found = read_material(made)
    stressed = find_stressed(found)
    monkeypatch.setattr(type(found.clock), "brief", lambda clock, step: f"14 Feb, {step:02d}:00")
    figure, _ = drawn(monkeypatch, day_chart, lambda: draw_day(found, stressed, [14, 18], 4.3, ""))
    heights = [
        text.get_position()[1] for text in figure.axes[0].texts if text.get_text().startswith("14 Feb")
    ]
    assert len(set(heights)) == 2
