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
from gridcommons.adapters.report.day import day_chart
from gridcommons.adapters.report.day.day_chart import draw_day, read_lanes, worst_of_bins
from gridcommons.adapters.report.day.lead import lead
from gridcommons.adapters.report.day.left_section import left_section
from gridcommons.adapters.report.day.material import read_material
from gridcommons.adapters.report.day.moments import acts, choose_moments, moment_cards
from gridcommons.adapters.report.day.money_book import (
    MEMBERS,
    NEIGHBOURS,
    balances,
    paid_by_item,
    read_flows,
    read_savings,
)
from gridcommons.adapters.report.day.money_section import why_dearer
from gridcommons.adapters.report.day.power_section import drawn_kinds, moved_kwh, power_section
from gridcommons.adapters.report.day.scenario_words import ALONE, BASELINE, REALISED, measure
from gridcommons.adapters.report.day.statements_page import make_statements, read_bills, sentences
from gridcommons.adapters.report.day.stress import find_stressed
from gridcommons.adapters.report.day.tiles import make_tiles
from gridcommons.adapters.report.day.wide_and_narrow import key
from gridcommons.adapters.report.day.worth_section import day_name, read_measures, worth_section
from gridcommons.adapters.report.page import write_report
from gridcommons.adapters.report.style import Chart, style
from gridcommons.model.results import Result
from html_pages import Page
from unit.adapters.test_trading_reports import NO_NUMBER, cells, change, plain, put, summarise

SECTIONS = ["day", "power", "worth", "money", "left", "origin"]
OF_TABLE = {
    "bus_voltages": set(),
    "branch_loadings": set(),
    "grid_buses": {"day"},
    "grid_branches": {"day"},
    "grid_limits": {"day"},
    "day_instruments": set(),
    "day_power": {"power"},
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
            for make in (self.grid, self.flows, self.power, self.instruments, self.money, self.worth):
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
        rows = [(self.stamps[22], "market", f"{self.members[0]}_ev", "agg", "market 0", 4.0, 0.2)]
        self.rows("commitments", "time stage asset counterparty reference quantity_kw price_per_kwh", rows)

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
            (a, 30.0, 4.0, 0.0, 3.0, 27.0, 4.5, 2.0, 14.0, 8.65),
            (b, 60.0, 0.0, 3.0, 0.0, 57.0, 0.0, 0.0, 25.0, 21.5),
        ]
        figures.append((c, 20.0, 0.0, 0.0, 0.0, 20.0, 0.0, 0.0, 5.5, 6.1))
        columns = "member withdrawn_kwh injected_kwh bought_locally_kwh sold_locally_kwh from_supplier_kwh"
        columns += " flexibility_kwh missing_kwh cost_alone cost saved"
        self.rows("statements", columns, [(*row, row[-2] - row[-1]) for row in figures])

    def worth(self):
        days = [("none", 3, 0.0, 40.0, 37.0), ("envelopes alone", 0, 20.0, 45.0, 35.0)]
        days += [("control alone", 3, 0.0, 4.0, 38.0), ("all but envelopes", 2, 0.0, 4.0, 36.0)]
        days += [("all but control", 0, 9.0, 41.0, 36.5), ("all", 0, 8.0, 4.0, 36.25)]
        rows = [
            (d, n, n, 100.0 + n, 0.97, held, held / 4.0, cold, pay, 5.0) for d, n, held, cold, pay in days
        ]
        columns = "day broken intervals worst_loading_percent lowest_vm_pu held_back_kwh missing_kwh"
        self.rows("worth", f"{columns} cold_kelvin_hours members_pay operator_gets", rows)


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
    assert len(figures) == [tag for tag, _ in page.tags].count("svg") == 10
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
        "of drawing 80.0 kW. No instrument had to act: plans by price alone keep the limit at this hour. ",
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


def test_a_statement_says_what_the_comparison_leaves_out(made):
    for less_kwh, held in ((1.5, "1.5 kWh more"), (-2.5, "2.5 kWh less"), (0.0, "")):
        found = read_material(made)
        rows = {**found.statements, "stored_less_kwh": np.full(len(found.statements["cost"]), less_kwh)}
        found.__dict__["statements"] = rows
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
