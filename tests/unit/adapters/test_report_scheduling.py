"""The report of scheduling: which sections stand in it, and that its words and figures are the tables'."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.page import write_report
from gridcommons.adapters.report.scheduling import (
    price_section,
    provider_chart,
    provider_section,
    voltage_charts,
)
from gridcommons.adapters.report.scheduling.bill_book import read_bills
from gridcommons.adapters.report.scheduling.day_chart import day_bins, read_day
from gridcommons.adapters.report.scheduling.device_book import read_devices, read_given
from gridcommons.adapters.report.scheduling.lead import lead
from gridcommons.adapters.report.scheduling.left_section import left_section
from gridcommons.adapters.report.scheduling.material import read_material
from gridcommons.adapters.report.scheduling.names_and_colours import FEE_ITEM, SCENARIOS, short_bus
from gridcommons.adapters.report.scheduling.purchase_section import payment_table, read_payments
from gridcommons.adapters.report.scheduling.round_book import read_rounds
from gridcommons.adapters.report.scheduling.tiles import make_tiles
from gridcommons.adapters.report.scheduling.voltage_book import (
    Out,
    read_close_ups,
    read_outs,
    read_spells,
    read_voltages,
)
from gridcommons.adapters.report.style import Chart, style
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.results import Result
from gridcommons.tasks import default_engines, run
from html_pages import Page
from unit.adapters.test_trading_reports import NO_NUMBER, cells, change, labels, plain, put, summarise

SECTIONS = ["voltages", "prices", "providers", "purchases", "money", "map", "days", "origin"]
"""Of a result in which reactive power is bought and nothing is left undone."""

OF_TABLE = {
    "bus_voltages": {"voltages", "map"},
    "grid_buses": {"voltages", "map"},
    "grid_branches": {"voltages", "map"},
    "reactive_rounds": {"prices"},
    "reactive_purchases": {"prices", "providers", "purchases"},
    "schedules": {"providers", "days"},
    "schedules_alone": {"providers"},
    "community_exchange": {"days"},
    "community_costs": {"money"},
    "settlement": set(),
    "violations": set(),
    "assets": set(),
    "branch_loadings": set(),
    "grid_limits": set(),
}
"""The sections that go with a table; all others stay."""

NUMBERS = re.compile(r"(?<![\w:.])\u2212?\d[\d\u202f]*(?:\.\d+)?(?![\w:])")
HOSTILE = 'Zürich <b>&"北" $x_1$ </section>'


def schedule(folder, name="campus_low_voltage", **settings):
    """A campus for a day, with other settings."""
    study = load_study(f"examples/{name}")
    study = replace(study, tasks={"scheduling": {**study.tasks["scheduling"], **settings}})
    with ParquetTables(folder) as sink:
        sink.finish(run(study, "scheduling", default_engines(sink)))
    return folder


def page_of(folder):
    return write_report(folder).read_text(encoding="utf-8")


def frame(folder, table):
    return pq.read_table(folder / f"{table}.parquet").to_pandas()


@pytest.fixture(scope="module")
def low(tmp_path_factory):
    return schedule(tmp_path_factory.mktemp("scheduling") / "low")


@pytest.fixture(scope="module")
def high(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scheduling") / "high"
    return schedule(folder, "campus_high_voltage", reactive_fee_per_kvarh=0.004)


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A grid operator that buys nothing."""
    return schedule(tmp_path_factory.mktemp("scheduling") / "silent", reactive_round=False)


@pytest.fixture(params=["low", "high"])
def bought(request):
    """Voltages too low, for which communities inject, or too high, for which they absorb and pay a fee."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def day(low, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(low, tmp_path / "out")


class Made:
    """A made-up result: a source and a line of buses, a community at each, some intervals too low."""

    def __init__(self, folder, **changed):
        self.count, self.steps = changed.get("communities", 2), changed.get("steps", 24)
        self.minutes, self.called = changed.get("minutes", 60), changed.get("called", [14])
        self.at, self.name = changed.get("at"), changed.get("name", "C")
        self.stamps = np.datetime64("2021-04-13T22:00", "ms")
        self.stamps = self.stamps + np.arange(self.steps) * np.timedelta64(self.minutes, "m")
        self.buses = ["source", *(f"{self.name} bus {k}" for k in range(self.count))]
        self.names = [f"{self.name}{k}" for k in range(self.count)]
        self.paid = dict.fromkeys(self.names, 0.0)
        with ParquetTables(folder) as self.sink:
            for make in (self.grid, self.voltages, self.devices, self.market, self.costs):
                make()
            origin = {"study": f"Study of {self.name}", "timezone": "Europe/Stockholm", "notes": [self.name]}
            origin |= {"currency": changed.get("currency", "SEK"), "step_minutes": self.minutes}
            self.sink.finish(Result("scheduling", {}, self.summary(), origin))

    def rows(self, table, columns, rows):
        if rows:
            arrays = [np.array(values, dtype=kind_of(values[0])) for values in zip(*rows, strict=True)]
            self.sink.write(table, dict(zip(columns.split(), arrays, strict=True)))

    def grid(self):
        place = self.at or (lambda k: (np.nan, np.nan))
        rows = [(bus, 0.4, *place(k), k == 0) for k, bus in enumerate(self.buses)]
        self.rows("grid_buses", "bus vn_kv x_map y_map is_source", rows)
        ends = zip(self.buses[:-1], self.buses[1:], strict=True)
        rows = [(f"{a}-{b}", "line", a, b, 1.0, True) for a, b in ends]
        self.rows("grid_branches", "branch kind from_bus to_bus length_km closed", rows)
        limits = [
            (bus, kind, x) for kind, x in (("vm_min_pu", 0.95), ("vm_max_pu", 1.05)) for bus in self.buses
        ]
        self.rows("grid_limits", "time element kind limit", [(self.stamps[0], *limit) for limit in limits])

    def vm_pu(self, scenario, step, bus):
        is_out = scenario == "alone" and step in self.called and bus == self.buses[-1]
        return 1.0 if bus == "source" else 0.94 if is_out else 0.96

    def voltages(self):
        for scenario in SCENARIOS:
            rows = [
                (time, scenario, bus, self.vm_pu(scenario, step, bus))
                for step, time in enumerate(self.stamps)
                for bus in self.buses
            ]
            self.rows("bus_voltages", "time scenario bus vm_pu", rows)
            out = [(*row[:3], "vm_min_pu", row[3], 0.95, 0.95 - row[3]) for row in rows if row[3] < 0.95]
            self.rows("violations", "time scenario element kind value limit excess", out)

    def devices(self):
        """A load, and a solar plant that injects 3 kvar when it is called."""
        pairs = list(zip(self.names, self.buses[1:], strict=True))
        rows = [(f"{name}_{kind}", name, kind, bus) for name, bus in pairs for kind in ("load", "pv")]
        self.rows("assets", "asset member kind bus", rows)
        for table, kvar in (("schedules_alone", 0.0), ("schedules", -3.0)):
            rows = [
                (time, name, f"{name}_{kind}", p_kw, kvar if kind == "pv" and step in self.called else 0.0)
                for name in self.names
                for kind, p_kw in (("load", 8.0), ("pv", -2.0))
                for step, time in enumerate(self.stamps)
            ]
            rows = [(*row, 0.0, np.nan) for row in rows]
            self.rows(table, "time community asset p_kw q_kvar heat_kw soc_share", rows)
        for scenario, kvar in (("alone", 0.0), ("bought", -3.0)):
            rows = [
                (time, scenario, name, 6.0, kvar if step in self.called else 0.0, 0.0, 0.0)
                for name in self.names
                for step, time in enumerate(self.stamps)
            ]
            columns = "time scenario community p_kw q_kvar heat_kw shed_kw"
            self.rows("community_exchange", columns, rows)

    def market(self):
        """Two rounds an interval, the second in the band; later intervals are dearer."""
        pairs, rounds, purchases = list(zip(self.names, self.buses[1:], strict=True)), [], []
        for place, step in enumerate(self.called):
            time, price = self.stamps[step], 0.1 * (place + 1)
            for number, vm_pu in ((1, 0.945), (2, 0.951)):
                found = (price * number / 2.0, 3.0 * number / 2.0, self.buses[-1], vm_pu)
                rounds += [(number, name, bus, time, *found) for name, bus in pairs]
            amount = price * 3.0 * self.minutes / 60.0
            for name, bus in pairs:
                purchases.append((time, name, bus, price, 3.0, 3.0, amount))
                self.paid[name] += amount
        self.rows(
            "reactive_rounds", "round community bus time price delta_q_kvar worst_bus worst_vm_pu", rounds
        )
        columns = "time community bus price_per_kvarh offered_kvar bought_kvar amount"
        self.rows("reactive_purchases", columns, purchases)
        cents = [(name, "DSO", round(paid, 2)) for name, paid in self.paid.items() if paid]
        rows = [(*each[:2], "reactive power", each[2]) for each in cents]
        rows += [("DSO", each[0], "reactive power", -each[2]) for each in cents]
        self.rows("settlement", "party counterparty item amount", rows)

    def costs(self):
        rows = [
            (self.stamps[0], scenario, name, item, amount)
            for scenario, cost in (("alone", 0.0), ("bought", 0.5))
            for name in self.names
            for item, amount in (("energy", 20.0), ("reactive power", cost))
        ]
        self.rows("community_costs", "time scenario community item amount", rows)

    def summary(self):
        each = {
            name: {
                "cost_alone": 20.0,
                "cost": 20.5 - paid,
                "paid": paid,
                "resource_cost": 0.5,
                "shed_kwh": 0.0,
            }
            for name, paid in self.paid.items()
        }
        given = 3.0 * self.count * len(self.called) * self.minutes / 60.0
        called, low = len(self.called), 0.94 if self.called else 0.96
        return {
            "communities": each, "horizons": 1, "intervals_called": called, "rounds": 2 * bool(called),
            "vm_min_alone_pu": low, "vm_max_alone_pu": 1.0, "vm_min_pu": 0.96, "vm_max_pu": 1.0,
            "intervals_out_of_band_alone": called, "intervals_out_of_band": 0, "bought_kvarh": given,
            "paid": sum(self.paid.values()), "resource_cost": 0.5 * self.count,
            "provided_kvarh": {"pv": given}, "short_kvarh": 0.0, "losses_alone_kwh": 2.0, "losses_kwh": 1.9,
            "refused": [],
        }  # fmt: skip


def kind_of(value):
    return object if isinstance(value, str) else type(value)


def made(folder, **changed):
    Made(folder, **changed)
    return folder


def test_every_section_stands_in_its_order_and_the_page_is_whole(bought):
    page = Page(page_of(bought))
    assert page.sections == SECTIONS
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    figures = [attributes for tag, attributes in page.tags if tag == "figure"]
    assert len(figures) == [tag for tag, _ in page.tags].count("svg") == 8
    assert all(len(figure["aria-label"]) > 40 for figure in figures)
    assert "Schedules and reactive power · 14 April 2021 · 24 hourly intervals" in page.text


def test_the_page_needs_nothing_from_elsewhere_and_its_charts_are_well_formed(bought):
    page = page_of(bought)
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
    for chart in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        tree = ElementTree.fromstring(chart)
        ids = {element.get("id") for element in tree.iter()}
        assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", chart)) <= ids


def test_no_number_is_missing_or_endless(bought, silent):
    for folder in (bought, silent):
        told = re.sub(r"<td>heat_import_max_kw.*?</td>|horizon_hours = .*?</td>", "", page_of(folder))
        assert not NO_NUMBER.search(told)


def test_the_same_result_gives_the_same_bytes(low, day):
    assert write_report(low).read_bytes() == write_report(day).read_bytes()


@pytest.mark.parametrize("table", OF_TABLE)
def test_a_missing_table_takes_its_sections_along_and_no_other(day, table):
    (day / f"{table}.parquet").unlink()
    page = Page(page_of(day))
    assert set(SECTIONS) - set(page.sections) == OF_TABLE[table]
    assert page.open == []


def test_without_any_table_the_page_still_comes(day):
    for path in day.glob("*.parquet"):
        path.unlink()
    page = Page(page_of(day))
    assert page.sections == ["origin"]
    summarise(day, communities={})
    assert "holds no community" in Page(page_of(day)).text


def test_every_number_of_the_lead_stands_in_the_result(bought):
    found = read_material(bought)
    words, summary, out = lead(found), found.summary, frame(bought, "violations")
    known = {f"{summary['bought_kvarh']:.1f}", f"{summary['bought_kvarh']:.0f}", "2021", "14"}
    known |= {f"{summary[key]:.2f}" for key in ("paid", "resource_cost")}
    known |= {str(summary[key]) for key in ("rounds", "intervals_out_of_band_alone")}
    known |= {f"{value:.4f}" for value in out["value"]} | {f"{value:.3f}" for value in out["limit"]}
    known |= set(out["element"]) | {str(len(found.communities))}
    told = NUMBERS.findall(re.sub(r"<[^>]*>|\([^)]*\)", " ", words).replace(",", " "))
    assert len(told) >= 8
    assert set(told) <= known
    assert {f"{summary['paid']:.2f}", f"{summary['resource_cost']:.2f}"} <= set(told)


def test_the_lead_tells_the_whole_story(low):
    told = plain(lead(read_material(low)))
    story = (
        r"On 14 April 2021, 2 communities plan electricity and heat, each for itself\. With these plans the "
        r"voltage is too low in 2 hours: 0\.9496 pu at bus 7 \(17:00\) and 0\.9499 pu at bus 2 \(14:00\), "
        r"where 0\.950 pu is the least allowed\. In \d rounds of prices the grid operator buys [\d.]+ kvarh "
        r"of reactive energy, and every voltage is in its band\. It pays [\d.]+ SEK; giving it costs the "
        r"communities [\d.]+ SEK\."
    )
    assert re.fullmatch(story, told)


def test_voltages_and_what_is_out_are_those_of_the_tables(bought):
    found = read_material(bought)
    book, rows, out = read_voltages(found), frame(bought, "bus_voltages"), frame(bought, "violations")
    for place, scenario in enumerate(SCENARIOS):
        mine = rows[rows["scenario"] == scenario]
        table = mine.pivot(index="time", columns="bus", values="vm_pu")[list(book.buses)]
        np.testing.assert_array_equal(book.vm_pu[place], table.to_numpy())
        assert len(read_outs(found, scenario)) == (out["scenario"] == scenario).sum()
        assert book.out_intervals(scenario) == out[out["scenario"] == scenario]["time"].nunique()
    ups = read_close_ups(found, book)
    assert [up.bus for up in ups] == list(out.sort_values("excess", ascending=False)["element"])
    for up in ups:
        assert up.inside(up.before_pu) == pytest.approx(-out.set_index("element")["excess"][up.bus])
        assert up.inside(up.after_pu) >= -1e-5
    told = labels(page_of(bought))["voltages"]
    assert f"before: each by its own schedule {rows['vm_pu'].min():.4f} to" in told
    assert "after: with what is bought" in told
    assert told.endswith("0 hours out of the band.")


def test_spells_join_intervals_in_which_the_same_bus_is_worst():
    out = [Out(step, bus, "vm_min_pu", vm, 0.95) for step, bus, vm in ((4, "a", 0.93), (3, "a", 0.94))]
    out += [Out(5, "b", "vm_min_pu", 0.945, 0.95), Out(5, "a", "vm_min_pu", 0.948, 0.95)]
    out = sorted(out, key=lambda each: -each.excess_pu)
    spells = read_spells(out)
    assert [(each.first, each.last, each.worst.bus, each.worst.vm_pu) for each in spells] == [
        (3, 4, "a", 0.93),
        (5, 5, "b", 0.945),
    ]


def test_rounds_are_those_of_the_table_and_end_in_the_band(bought):
    found = read_material(bought)
    rows = frame(bought, "reactive_rounds")
    hours = read_rounds(found)
    assert [hour.step for hour in hours] == found.called.tolist()
    for hour in hours:
        mine = rows[rows["time"] == rows["time"].unique()[found.called.tolist().index(hour.step)]]
        for place, (community, _) in enumerate(found.connections):
            of_it = mine[mine["community"] == community].sort_values("round")
            np.testing.assert_array_equal(hour.price_per_kvarh[place, 1:], of_it["price"])
            np.testing.assert_array_equal(hour.offered_kvar[place, 1:], of_it["delta_q_kvar"])
        assert (hour.price_per_kvarh[:, 0] == found.fee_per_kvarh).all()
        assert (hour.offered_kvar[:, 0] == 0.0).all()
        vm_pu = mine.groupby("round")["worst_vm_pu"].first()
        is_in = (vm_pu >= 0.95 - 1e-5) & (vm_pu <= 1.05 + 1e-5)
        last_out = max([0, *is_in.index[~is_in]])
        assert hour.cleared == last_out + 1 <= is_in.index.max()
        assert hour.paid == pytest.approx((hour.paid_per_kvarh * hour.bought_kvar).sum())


def test_an_hour_that_leaves_the_band_again_is_not_cleared(day):
    def worsen(rows):
        last = rows["round"] == rows["round"].max()
        return rows.assign(worst_vm_pu=rows["worst_vm_pu"].where(~last, 0.94))

    change(day, "reactive_rounds", worsen)
    found = read_material(day)
    assert {hour.cleared for hour in read_rounds(found)} == {None}
    assert "not in the band at the end" in labels(page_of(day))["rounds"]


def test_devices_give_what_is_bought_and_kinds_what_the_summary_says(bought):
    found = read_material(bought)
    given = read_given(found)
    purchases = frame(bought, "reactive_purchases")
    for community in found.communities:
        mine = purchases[purchases["community"] == community].sort_values("time")
        total = given.injected_kvar[given.book.rows_of(community)].sum(axis=0)
        np.testing.assert_allclose(total, mine["bought_kvar"], atol=1e-6)
    by_kind = {
        kind: sum(np.abs(given.of_kind(name, kind)).sum() for name in found.communities)
        for kind in found.summary["provided_kvarh"]
    }
    assert by_kind == pytest.approx(found.summary["provided_kvarh"], abs=1e-6)


def drawn(monkeypatch, module, draw):
    """The figure that a module hands over when it draws."""
    figures = []

    def keep(figure, words, prefix):
        figures.append(figure)
        return Chart("", words)

    monkeypatch.setattr(module, "finish", keep)
    draw()
    return figures[0]


def test_bars_of_a_community_add_up_to_what_is_bought_of_it(bought, monkeypatch):
    found = read_material(bought)
    given = read_given(found)
    shown = provider_section.choose(found, given)
    figure = drawn(monkeypatch, provider_chart, lambda: provider_chart.draw_providers(found, given, shown))
    purchases = frame(bought, "reactive_purchases")
    assert len(figure.axes) == len(found.communities) == 2
    for axes, community in zip(figure.axes, found.communities, strict=True):
        mine = purchases[purchases["community"] == community].sort_values("time")
        sums = np.zeros(len(mine))
        for bar in axes.patches:
            sums[round(bar.get_y() + bar.get_height() / 2.0)] += bar.get_width()
        np.testing.assert_allclose(sums, mine["bought_kvar"], atol=1e-6)


def test_lines_of_prices_run_through_the_rounds_to_what_is_paid(bought, monkeypatch):
    found = read_material(bought)
    hours = read_rounds(found)
    figure = drawn(monkeypatch, price_section, lambda: price_section.draw_rounds(found, hours))
    assert len(figure.axes) == 2 * len(hours)
    purchases, rounds = frame(bought, "reactive_purchases"), frame(bought, "reactive_rounds")
    for axes, hour in zip(figure.axes[::2], hours, strict=True):
        time = purchases["time"].unique()[found.called.tolist().index(hour.step)]
        lines = [line for line in axes.lines if line.get_marker() == "o"]
        ends = [line for line in axes.lines if line.get_marker() == "D"]
        paid = purchases[purchases["time"] == time]["price_per_kvarh"]
        assert [line.get_ydata()[0] for line in ends] == paid.tolist()
        asked = rounds[rounds["time"] == time]["price"]
        assert sorted(np.concatenate([line.get_ydata()[1:] for line in lines])) == sorted(asked)


def test_the_reader_sees_the_sign_of_what_is_given(low, high):
    signs = {}
    for folder in (low, high):
        page = page_of(folder)
        told = labels(page)["providers"]
        assert told.startswith("Reactive power beyond the schedules, positive where injected.")
        assert "right of 0: injected, left: absorbed" in page
        signs[folder] = set(re.findall(r"solar plants (\u2212?)[\d.]+ kvar", told))
        for words in (
            "above 0 used, below 0 given",
            "above 0 drawn, below 0 injected",
            "left of 0: received",
        ):
            assert words in page
        assert "above 0: injected" in page
    assert signs == {low: {""}, high: {"\u2212"}}
    heads = [cells(page_of(folder)) for folder in (low, high)]
    assert ["injected [kvarh]" in sum(rows, []) for rows in heads] == [True, False]
    assert ["absorbed [kvarh]" in sum(rows, []) for rows in heads] == [False, True]


def test_stacks_of_a_day_add_up_to_what_the_networks_deliver(bought):
    found = read_material(bought)
    book = read_devices(found, "schedules")
    rows = frame(bought, "community_exchange").query("scenario == 'bought'")
    for name in found.communities:
        day, mine = read_day(found, book, name), rows[rows["community"] == name].sort_values("time")
        np.testing.assert_allclose(sum(layer.used_kw for layer in day.electricity), mine["p_kw"], atol=1e-5)
        np.testing.assert_allclose(sum(layer.used_kw for layer in day.heat), mine["heat_kw"], atol=1e-5)
        assert "smart_boiler" not in {layer.kind for layer in day.heat}
        schedules = frame(bought, "schedules")
        stored = schedules[(schedules["community"] == name) & schedules["soc_share"].notna()]
        assert len(day.stores) == stored["asset"].nunique() > 0


def test_bills_are_those_of_the_summary_with_the_fee_as_an_item(low, high):
    for folder, fee in ((low, 0.0), (high, 0.004)):
        found = read_material(folder)
        bills, each = read_bills(found), found.summary["communities"]
        for place, name in enumerate(bills.communities):
            assert bills.total[0, place] == pytest.approx(each[name]["cost_alone"], abs=1e-2)
            assert bills.total[1, place] == pytest.approx(each[name]["cost"] + each[name]["paid"], abs=1e-2)
            assert bills.saved[place] == pytest.approx(
                each[name]["cost_alone"] - each[name]["cost"], abs=2e-2
            )
        assert (FEE_ITEM in bills.items) == (fee > 0.0)
        if fee:
            drawn = frame(folder, "community_exchange").query("scenario == 'alone'")
            paid = fee * drawn.groupby("community", observed=True)["q_kvar"].sum()
            of_fee = bills.amount[0, :, bills.items.index(FEE_ITEM)]
            np.testing.assert_allclose(of_fee, [paid[name] for name in bills.communities], atol=1e-2)


def test_payments_are_the_settlement(bought):
    found = read_material(bought)
    rows = frame(bought, "settlement")
    paid = {
        party: Decimal(f"{amount:.2f}") for party, amount in zip(rows["party"], rows["amount"], strict=True)
    }
    assert read_payments(found) == {name: paid[name] for name in found.communities}
    table = cells(payment_table(found, read_payments(found)))
    assert [row[-1] for row in table[1:]] == [f"{paid[name]:.2f}" for name in found.communities]
    assert "All postings add up to exactly 0." in page_of(bought)


def test_a_community_that_pays_for_what_it_gives_is_not_said_to_be_paid(day):
    said = "what is paid always goes to the community"
    assert said in page_of(day)
    change(day, "reactive_purchases", lambda rows: rows.assign(amount=-rows["amount"]))
    page = page_of(day)
    assert said not in page
    assert "where it is below 0 the community pays" in page


def test_postings_that_do_not_add_up_are_told(day):
    change(day, "settlement", lambda rows: rows.assign(amount=rows["amount"] + [0.01, 0.0, 0.0, 0.0]))
    assert "The postings add up to 0.01, not to 0." in page_of(day)


def test_without_a_round_the_page_says_that_nothing_is_bought(silent):
    page = page_of(silent)
    assert Page(page).sections == ["left", "voltages", "money", "map", "days", "origin"]
    told = plain(lead(read_material(silent)))
    assert told.endswith("The study buys no reactive power (reactive_round is off), so that this stays.")
    assert "before: each" not in page and "before → after" not in page
    tiles = {tile.label: tile.value for tile in make_tiles(read_material(silent))}
    assert tiles["Hours with a voltage out of its band"] == "2"
    assert tiles["Lowest voltage [pu]"] == "0.9496"


def test_without_anything_out_nothing_is_bought(tmp_path):
    folder = made(tmp_path / "out", called=[])
    page = page_of(folder)
    assert Page(page).sections == ["voltages", "money", "map", "days", "origin"]
    assert "every voltage is within its band, so that nothing has to be bought" in plain(page)
    assert not NO_NUMBER.search(page)


def test_what_is_missing_stands_first_with_the_voltage_reached(day):
    rows = frame(day, "violations").assign(scenario="bought", value=0.9437)
    put(day, "violations", rows)
    short = rows.rename(columns={"element": "bus"})[["time", "bus"]].assign(
        missing_kvar=[31.25, 7.0], vm_pu=0.9437
    )
    put(day, "reactive_shortages", short)
    summarise(day, short_kvarh=38.25, intervals_out_of_band=2)
    found = read_material(day)
    assert Page(page_of(day)).sections == ["left", *SECTIONS]
    lines = cells(left_section(found).body)
    assert lines[0][2:] == ["voltage reached [pu]", "limit [pu]", "missing [kvar]", "would have to be"]
    assert ["14:00", "2", "0.94370", "0.950", "31.2", "injected"] in lines
    assert "2 hours stay out: up to 31.2 kvar are missing." in plain(lead(found))
    tile = make_tiles(found)[0]
    assert (tile.tone, tile.remark) == ("broken", "before → after; 38.2 kvarh are missing")


def test_who_was_left_aside_and_why_is_told(day):
    start = frame(day, "schedules")["time"].min()
    reason = "MessageError: <b>nonsense</b>"
    rows = frame(day, "settlement").head(1).assign(time=start, community="LEC1", round=2, reason=reason)
    put(day, "refusals", rows[["time", "community", "round", "reason"]])
    summarise(day, refused=["LEC1"])
    page = page_of(day)
    assert Page(page).sections == ["left", *SECTIONS]
    assert "LEC1 was left with its own schedule." in plain(lead(read_material(day)))
    assert ["LEC1", "Wed 14 Apr 2021, 00:00", "2", reason] in [
        [cell.replace("&lt;", "<").replace("&gt;", ">") for cell in row] for row in cells(page)
    ]
    assert "<b>nonsense</b>" not in page
    assert make_tiles(read_material(day))[0].tone == "broken"


def test_lines_above_their_rating_are_told_since_nobody_mends_them(day):
    def overload(rows):
        line = rows.head(1).assign(
            scenario="bought",
            element="1-4",
            kind="loading_max_percent",
            value=120.0,
            limit=100.0,
            excess=20.0,
        )
        return line

    change(day, "violations", overload)
    page = page_of(day)
    assert Page(page).sections[0] == "left"
    assert "Loaded beyond the rating" in page
    assert "120.0 %" in plain(page)


def test_load_that_is_not_served_is_told(day):
    communities = json.loads((day / "summary.json").read_text())["communities"]
    communities["LEC2"]["shed_kwh"] = 12.5
    summarise(day, communities=communities)
    found = read_material(day)
    assert "12.5 kWh of load are not served." in plain(lead(found))
    assert make_tiles(found)[-1].value == "12.5 kWh"


def test_of_many_hours_the_dearest_are_drawn_and_the_others_counted(tmp_path):
    called = list(range(2, 82, 2))
    folder = made(tmp_path / "out", steps=96, called=called)
    found, page = read_material(folder), page_of(folder)
    hours = read_rounds(found)
    shown = [hour.step for hour in price_section.choose_hours(found, hours)]
    assert shown == called[-6:]
    assert "Drawn are 6 of 40 hours" in page
    given = read_given(found)
    assert len(provider_section.choose(found, given).hours) == 14
    assert "Drawn are 14 of 40 hours" in page
    lines = cells(page)
    assert ["C0", "solar plants", "120.00", "50 %"] in lines
    assert "14 of 40 hours: those in which a voltage is furthest out." in page


def test_a_shortage_is_drawn_before_what_is_dear(tmp_path):
    folder = made(tmp_path / "out", steps=96, called=list(range(2, 82, 2)))
    short = frame(folder, "reactive_purchases").head(1)[["time", "bus"]].assign(missing_kvar=1.0, vm_pu=0.94)
    put(folder, "reactive_shortages", short)
    found = read_material(folder)
    shown = price_section.choose_hours(found, read_rounds(found))
    assert [hour.step for hour in shown] == [2, 72, 74, 76, 78, 80]


def test_a_dozen_communities_fit_and_those_that_sold_most_come_first(tmp_path):
    folder = made(tmp_path / "out", communities=14, called=[3, 14])
    summary = json.loads((folder / "summary.json").read_text())
    summary["communities"]["C13"]["paid"] = 99.0
    summarise(folder, **summary)
    page = page_of(folder)
    days = page[page.index('<section id="days">') :]
    assert re.findall(r"<h3>(C\d+)</h3>", days) == ["C13", "C0", "C1"]
    assert days.count("<details>") == 9
    assert "12 of 14 communities are drawn." in days
    assert "The 12 communities that give most are drawn." in page
    assert "other communities" in page
    assert Page(page).sections == SECTIONS


def test_quarters_of_an_hour_are_intervals_and_count_a_quarter(tmp_path):
    folder = made(tmp_path / "out", steps=96, minutes=15, called=[56, 57])
    found, page = read_material(folder), page_of(folder)
    assert "too low in 2 intervals: at worst 0.9400 pu at C bus 1 (14:00)" in plain(lead(found))
    assert "hour" not in plain(lead(found))
    assert ["C0", "solar plants", "1.50", "50 %"] in cells(page)
    tiles = {tile.label: (tile.value, tile.remark) for tile in make_tiles(found)}
    assert tiles["Intervals with a voltage out of its band"] == ("2 → 0", "of 96; before → after")
    assert tiles["Reactive energy bought"] == ("3.00 kvarh", "3.00 kvarh injected")


def test_several_days_are_named_with_their_hours(tmp_path):
    folder = made(tmp_path / "out", steps=72, called=[14, 38, 62])
    summarise(folder, horizons=3)
    found = read_material(folder)
    told = plain(lead(found))
    assert told.startswith("From 14 Apr 2021 to 16 Apr 2021, 2 communities plan")
    assert "at worst 0.9400 pu at C bus 1 (14 Apr, 14:00)" in told
    assert "In at most 2 rounds of prices" in told
    assert {tile.label for tile in make_tiles(found)} >= {"Rounds of prices, at most"}
    assert "Drawn are means" not in page_of(folder)


def test_a_long_window_is_drawn_in_means_and_says_so(tmp_path):
    assert "Drawn are means of 2 intervals." in page_of(made(tmp_path / "out", steps=672, minutes=15))


@pytest.mark.parametrize(
    ("steps", "minutes", "parts"),
    [(24, 60, 24), (168, 60, 168), (672, 15, 336), (8760, 60, 365), (96, 15, 96)],
)
def test_areas_have_few_parts_of_equal_length(steps, minutes, parts):
    clock = Clock(np.datetime64("2021-04-13T22:00", "ms"), minutes, steps, "UTC")
    bins = day_bins(clock)
    assert len(bins.dates) - 1 == parts
    assert np.diff(bins.first)[:-1].max() == np.diff(bins.first)[:-1].min() == steps // parts


def test_without_coordinates_the_grid_is_a_tree_and_with_them_a_map(tmp_path):
    tree = page_of(made(tmp_path / "tree"))
    drawn = page_of(made(tmp_path / "map", at=lambda k: (10.0 * k, 5.0 * k * k)))
    assert "The grid file has no coordinates" in tree
    assert "Buses stand at the coordinates of the grid file" in drawn
    for page in (tree, drawn):
        told = labels(page)["map"]
        assert "C0 at C bus 0; C1 at C bus 1" in told
        assert "out of the band, before: each by its own schedule: C bus 1" in told
        assert told.endswith("out of the band, after: with what is bought: none")


def test_names_are_written_and_never_read_as_html(tmp_path):
    page = page_of(made(tmp_path / "out", name=HOSTILE, currency=""))
    assert "<b>&" not in page
    assert Page(page).sections == SECTIONS
    assert HOSTILE in Page(page).text
    assert not NO_NUMBER.search(page)


def test_a_voltage_that_a_source_holds_is_told(tmp_path):
    folder = made(tmp_path / "out")
    rows = frame(folder, "violations").assign(scenario="bought", element="source", kind="vm_max_pu")
    put(folder, "violations", rows.assign(value=1.06, limit=1.05, excess=0.01))
    assert "A voltage that a source holds is not moved by reactive power." in page_of(folder)


def test_many_buses_are_a_band_that_spans_their_voltages(low, monkeypatch):
    found = read_material(low)
    book = read_voltages(found)
    with style():
        one_by_one = voltage_charts.draw_profiles(found, book)
        monkeypatch.setattr(voltage_charts, "_MOST_POINTS", 1)
        together = voltage_charts.draw_profiles(found, book)
    assert together.words == one_by_one.words
    assert len(together.svg) < 0.5 * len(one_by_one.svg)
    assert ("lowest to highest" in together.svg, "lowest to highest" in one_by_one.svg) == (True, False)


@pytest.mark.parametrize(
    ("bus", "most", "expected"),
    [("7", 9, "bus 7"), ("MV1.101 Bus 47", 11, "…Bus 47"), ("a_very_long_name", 11, "…long_name")],
)
def test_a_long_bus_keeps_the_end_of_its_name(bus, most, expected):
    assert short_bus(bus, most) == expected
    assert len(short_bus("x" * 40, most)) <= most
