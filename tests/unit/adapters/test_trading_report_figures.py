"""The report of trading: its words and figures are those of the tables."""

import json
import re
import shutil

import numpy as np
import pytest

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.clusters import lines
from gridcommons.adapters.report.clusters.busiest import busiest_step
from gridcommons.adapters.report.clusters.colours import cluster_colours
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.trading import (
    exchange_section,
    order_section,
    scenario_words,
    trigger_section,
    voltage_section,
)
from gridcommons.adapters.report.trading.lead import lead, worth_of_switches
from gridcommons.adapters.report.trading.material import read_material
from gridcommons.adapters.report.trading.tiles import make_tiles
from html_pages import Page
from unit.adapters.test_trading_reports import (
    COMPARED,
    cells,
    change,
    labels,
    page_of,
    plain,
    summarise,
    trade,
)

NUMBERS = re.compile(r"(?<![\w:])\u2212?\d[\d\u202f]*(?:\.\d+)?(?![\w:])")


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    return trade(tmp_path_factory.mktemp("trading") / "day", **COMPARED)


@pytest.fixture(scope="module")
def found(traded):
    return read_material(traded)


@pytest.fixture
def day(traded, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(traded, tmp_path / "out")


def test_every_number_of_the_lead_stands_in_the_summary(found):
    summary, words = found.summary, lead(found)
    scenarios = summary["scenarios"]
    assert plain(words).startswith("On 15 June 2022, 4 members in 2 clusters feed into the main grid 105 kWh")
    day, step = found.switched, busiest_step(found.switched)
    known = [number(summary[key]) for key in ("members", "clusters", "operations")]
    known += [energy(each["fed_in_kwh"]).split()[0] for each in scenarios.values()]
    known += [number(scenarios[name]["bill_amount"], 2) for name in ("members", "switched")]
    known += [f"{abs(day.p_kw[step, 0]):.1f}", f"{day.given_kw[step]:.1f}", "15", "2022"]
    told = NUMBERS.findall(re.sub(r"<[^>]*>", "", words))
    assert len(told) > 10
    assert set(told) <= set(known)
    assert {number(scenarios["switched"]["bill_amount"], 2), "105"} <= set(told)


def test_the_lead_says_what_the_switches_are_worth(day):
    figures = json.loads((day / "summary.json").read_text())
    figures["scenarios"]["joined"]["bill_amount"] = 20.0
    figures["scenarios"]["switched"] |= {"bill_amount": 17.5, "unserved_kwh": 3.25}
    summarise(day, **{**figures, "operation_cost_amount": 0.06})
    found = read_material(day)
    assert worth_of_switches(found) == 2.5
    told = plain(lead(found))
    assert (
        "The switches alone save 2.50 EUR against every switch closed, with 3 operations at 0.06 EUR." in told
    )
    assert "In all, the community pays 17.50 EUR, against 34.00 EUR with each member alone." in told
    assert "3.2 kWh of consumption go unserved" in told
    tiles = {tile.label: tile for tile in make_tiles(found)}
    assert tiles["The switches alone are worth"].value == "2.50 EUR"
    assert tiles["Unserved"].tone == "broken"
    figures["scenarios"]["switched"]["bill_amount"] = 21.0
    summarise(day, **figures)
    assert "The switches alone cost 1.00 EUR" in plain(lead(read_material(day)))


def test_the_lead_compares_nothing_where_switches_change_nothing(found):
    assert "where it would get" not in plain(lead(found))


def test_the_lead_compares_the_busiest_minute_with_every_switch_closed(day):
    def more(rows):
        joined = rows["scenario"] == "joined"
        return rows.assign(fed_in_kwh=rows["fed_in_kwh"] + np.where(joined, 1.0, 0.0))

    change(day, "grid_exchange", more)
    found = read_material(day)
    ends = [found.exchange[name].fed_in_kw[busiest_step(found.switched)] for name in ("switched", "joined")]
    assert ends[1] == pytest.approx(ends[0] + 60.0, abs=0.01)
    told = plain(lead(found))
    assert f"gets {ends[0]:.1f} kW where it would get {ends[1]:.1f} kW with every switch closed" in told


def test_tiles_are_those_of_the_summary(found):
    tiles = {tile.label: tile for tile in make_tiles(found)}
    summary = found.summary
    ends = [summary["scenarios"][name] for name in ("members", "switched")]
    fed = tiles["Fed into the main grid [kWh]"]
    assert fed.value == " → ".join(number(end["fed_in_kwh"]) for end in ends)
    assert fed.remark == "each alone → switched"
    less = 1.0 - ends[1]["exchange_kwh"] / ends[0]["exchange_kwh"]
    assert f"{100 * less:.0f} % less" in plain(tiles["Exchanged in all, both ways [kWh]"].remark)
    assert tiles["Changes of topology"].value == str(summary["topology_changes"])
    assert tiles["Voltages [pu]"].value == f"{ends[1]['vm_min_pu']:.3f} – {ends[1]['vm_max_pu']:.3f}"
    rounds = tiles["Rounds of the community's market"]
    assert (rounds.value, plain(rounds.remark)) == ("2", "periodic, every 60 min; 104 kB")


def test_the_minutes_add_up_to_the_summary(found):
    for name, figures in found.summary["scenarios"].items():
        exchange = found.exchange[name]
        for power, key in (
            (exchange.fed_in_kw, "fed_in"),
            (exchange.absorbed_kw, "absorbed"),
            (exchange.losses_kw, "losses"),
        ):
            assert power.sum() / 60.0 == pytest.approx(figures[f"{key}_kwh"], abs=1e-9)


def test_the_surplus_is_the_least_that_must_be_fed_in(day):
    def spare(rows):
        """Alone, the members have 1 kWh a minute more to spare than they draw, in every tenth minute."""
        alone = rows["scenario"] == "members"
        minute = rows.groupby("scenario", observed=True).cumcount()
        return rows.assign(fed_in_kwh=rows["fed_in_kwh"] + np.where(alone & (minute % 10 == 0), 4.0, 0.0))

    change(day, "grid_exchange", spare)
    found = read_material(day)
    alone, last = found.exchange["members"], found.exchange["switched"]
    by_hand = [
        max(0.0, f - a - loss)
        for f, a, loss in zip(alone.fed_in_kw, alone.absorbed_kw, last.losses_kw, strict=True)
    ]
    assert exchange_section.surplus_kwh(found) == pytest.approx(sum(by_hand) / 60.0)
    assert exchange_section.surplus_kwh(found) > 20.0
    assert f"at least {exchange_section.surplus_kwh(found):.1f} kWh" in labels(page_of(day))["fedin"]


def test_without_members_alone_the_surplus_is_what_the_last_scenario_exchanges(day):
    summary = json.loads((day / "summary.json").read_text())["scenarios"]
    whole = exchange_section.surplus_kwh(read_material(day))
    summary.pop("members")
    summarise(day, scenarios=summary)
    assert exchange_section.surplus_kwh(read_material(day)) == pytest.approx(whole, abs=1e-6)


def test_charts_tell_the_figures_of_the_scenarios(traded, found):
    told, scenarios = labels(page_of(traded)), found.summary["scenarios"]
    for name, words in scenario_words.SCENARIO_NAMES.items():
        fed_in = f"{words} fed into the main grid {plain(energy(scenarios[name]['fed_in_kwh']))}"
        assert fed_in in told["scenarios"]
        if name != "members":
            assert f"{words}: {plain(energy(scenarios[name]['fed_in_kwh']))}" in told["fedin"]
            figures = [f"{scenarios[name][key]:.3f}" for key in ("vm_min_pu", "vm_max_pu")]
            assert f"{words} {figures[0]} to {figures[1]}" in told["voltages"]
    assert "each alone" not in told["fedin"]
    net_kw = found.switched.net_kw
    for place, cluster in enumerate(found.switched.clusters):
        draws, spares = (np.maximum(sign * net_kw[:, place], 0.0).sum() / 60.0 for sign in (1.0, -1.0))
        words = f"{cluster}: draws {energy(draws)}, has {energy(spares)} to spare"
        assert plain(words) in told["clusters"]


def test_the_scenario_table_is_the_summary(found):
    from gridcommons.adapters.report.trading.scenario_section import scenario_table

    rows = {row[0]: row for row in cells(scenario_table(found))}
    scenarios = found.summary["scenarios"]
    before = None
    for name, words in scenario_words.SCENARIO_NAMES.items():
        figures, row = scenarios[name], rows[words]
        assert row[2] == f"{figures['fed_in_kwh']:.1f}"
        assert row[3] == f"{figures['absorbed_kwh']:.1f}"
        assert row[4] == ("–" if name == "members" else f"{figures['losses_kwh']:.1f}")
        assert row[5] == f"{figures['exchange_kwh']:.1f}"
        less = "–" if before is None else f"{abs(100 * (1 - figures['exchange_kwh'] / before)):.1f} %"
        assert row[6] == less
        assert row[8] == f"{figures['bill_amount']:.2f}"
        before = figures["exchange_kwh"]


def test_excess_is_what_is_fed_in_beyond_the_least(found):
    cases = trigger_section.read_cases(found)
    assert [(c.trigger, c.threshold, c.delay_minutes) for c in cases] == [
        ("periodic", 60.0, None),
        ("send_on_delta", 5.0, None),
        ("send_on_area", 3.0, None),
        ("periodic", 60.0, 0.0),
        ("periodic", 60.0, 12.0),
    ]
    for case, told in zip(cases[1:], found.summary["compared"], strict=True):
        assert case.excess_kwh == pytest.approx(told["excess_fed_in_kwh"], abs=1e-9)
        assert case.figures["storage_bytes"] == told["storage_bytes"]
    body = trigger_section.trigger_section(found).body
    rows = {row[0]: row for row in cells(body)}
    first = found.summary["compared"][0]
    row = rows["send-on-delta 5 kW"]
    assert row[1] == f"{first['fed_in_kwh']:.1f}"
    assert row[4] == f"{first['exchange_kwh']:.1f}"
    assert row[5] == f"{first['excess_fed_in_kwh']:.1f}"
    assert (row[6], row[8]) == (str(first["community_rounds"]), str(first["topology_changes"]))
    assert row[9] == plain(scenario_words.storage(first["storage_bytes"]))
    late = found.summary["compared"][-1]
    assert rows["12"][1:3] == [f"{late['excess_fed_in_kwh']:.1f}", f"{late['fed_in_kwh']:.1f}"]


@pytest.mark.parametrize(
    ("rounds", "excess_kwh", "named"),
    [
        ([80, 40], [13.0, 9.0], "send-on-area 3 kWh has the least excess: 83 % fewer rounds, 9.0 kWh of"),
        ([80, 40], [7.0, 9.0], "send-on-delta 5 kW has the least excess: 67 % fewer rounds, 7.0 kWh of"),
        # As many rounds are not fewer, however little they feed in.
        ([240, 40], [1.0, 9.0], "send-on-area 3 kWh has the least excess: 83 % fewer rounds, 9.0 kWh of"),
    ],
)
def test_of_fewer_rounds_those_with_least_excess_are_named(day, rounds, excess_kwh, named):
    def figures(rows):
        switched = rows["scenario"] == "switched"
        rows.loc[switched, "community_rounds"] = [240, *rounds, 240, 240]
        rows.loc[switched, "least_fed_in_kwh"] = 100.0
        rows.loc[switched, "fed_in_kwh"] = [100.0 + each for each in (5.0, *excess_kwh, 1.0, 44.0)]
        return rows

    change(day, "comparison", figures)
    told = plain(trigger_section.trigger_section(read_material(day)).body)
    assert "periodic 60 min, needs 240 rounds and feeds in 5.0 kWh more" in told
    assert named in told
    assert "Decisions that come 12 minutes late let 44.0 kWh of excess slip." in told


def test_voltages_name_bus_and_local_time(day):
    def extreme(rows):
        switched = np.flatnonzero(rows["scenario"] == "switched")
        rows[["bus_min", "bus_max"]] = rows[["bus_min", "bus_max"]].astype(str)
        rows.loc[switched[65], ["vm_min_pu", "bus_min"]] = [0.91, "low one"]
        rows.loc[switched[5], ["vm_max_pu", "bus_max"]] = [1.08, "high one"]
        return rows

    change(day, "voltage_bands", extreme)
    rows = {row[0]: row[1:] for row in cells(voltage_section.voltage_section(read_material(day)).body)}
    assert rows["switched"] == ["0.9100", "low one, 13:05", "1.0800", "high one, 12:05", "2"]
    assert rows["joined"][-1] == "0"


def test_unserved_energy_is_told_even_where_switches_look_closed(day):
    figures = json.loads((day / "summary.json").read_text())["scenarios"]
    figures["switched"] |= {"unserved_kwh": 12.5, "curtailed_kwh": 3.0}
    summarise(day, scenarios=figures)
    body = plain(order_section.order_section(read_material(day)).body)
    assert "12.5 kWh of consumption not served" in body
    assert "3.0 kWh of generation lost" in body


def test_means_of_parts_keep_the_energy_and_their_number_small():
    start = np.datetime64("2022-06-15T10:00", "ms")
    for steps in (1, 299, 300, 301, 1440, 44640):
        bins = lines.thin_bins(Clock(start, 1.0, steps, "UTC"))
        values = np.random.default_rng(1).normal(size=steps)
        assert len(bins.first) - 1 <= 300
        assert bins.mean(values) @ np.diff(bins.first) == pytest.approx(values.sum())
        assert bins.is_plain == (steps <= 300)


@pytest.mark.parametrize(
    ("value", "most"),
    [(0.0, 1.0), (1.0, 1.0), (1.01, 1.5), (630.0, 800.0), (1235.0, 1500.0), (9000.0, 10000.0)],
)
def test_scales_end_at_round_numbers(value, most):
    assert lines.round_most(value) == most


def test_words_of_figures():
    words = scenario_words
    assert [plain(energy(x)) for x in (0.0, 4.66, 99.94, 99.96, 11585.45)] == [
        "0 kWh", "4.7 kWh", "99.9 kWh", "100 kWh", "11 585 kWh",
    ]  # fmt: skip
    assert [plain(words.storage(x)) for x in (999, 104_000, 126_720_000)] == ["999 B", "104 kB", "126.7 MB"]
    assert words.threshold_words("send_on_area", 2.5) == "2.5 kWh"
    assert times(1, "change") == "1 change"
    assert times(0, "change") == "0 changes"


def test_clusters_have_colours_of_their_own(found):
    assert len(set(found.colours.values())) == len(found.clusters)
    assert not set(cluster_colours([str(k) for k in range(8)]).values()) & set(
        scenario_words.SCENARIO_COLOURS.values()
    )


def test_the_page_is_on_the_local_clock(traded):
    text = Page(page_of(traded)).text
    assert "At 13:0" in text
    assert "Europe/Madrid" in page_of(traded)
