"""The report of trading: its words and figures are those of the tables."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import style
from gridcommons.adapters.report.tables import ResultTables
from gridcommons.adapters.report.trading import (
    cluster_places,
    exchange_section,
    lines,
    order_section,
    price_section,
    scenario_words,
    told_section,
    topology_section,
    trigger_section,
    voltage_section,
)
from gridcommons.adapters.report.trading.cluster_map import draw_cluster_map
from gridcommons.adapters.report.trading.lead import busiest_step, flows_at, lead, worth_of_switches
from gridcommons.adapters.report.trading.material import read_material
from gridcommons.adapters.report.trading.money_section import Bills, money_section, read_bills
from gridcommons.adapters.report.trading.switch_day import Joined, SwitchDay, connected_parts
from gridcommons.adapters.report.trading.tiles import make_tiles
from html_pages import Page
from unit.adapters.test_trading_reports import COMPARED, change, labels, page_of, plain, put, summarise, trade

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


def cells(page):
    """Rows of the tables of a piece of HTML, as lists of texts."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, flags=re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)] for row in rows]


def switch_day(**changed):
    """Clusters a, b, c in a row: a link from a to b, one from b to c, connections of a and of c.

    Four minutes: all closed; then the link a-b open; then also the connection of c open; then as before.
    """
    closed = np.ones((4, 4), dtype=bool)
    closed[1, 0] = closed[2, 0] = closed[2, 3] = False
    p_kw = np.array([[4.0, -1.0, -2.0, 7.0], [0, 5, 3, 6], [0, 5, 3, 0], [-8, -3, 1, 2]], dtype=float)
    moved = np.zeros((4, 4), dtype=int)
    moved[1, 0] = moved[2, 3] = moved[3, 0] = moved[3, 3] = 1
    made = {
        "name": ("ab", "bc", "pcc a", "pcc c"),
        "from_cluster": ("a", "b", "", ""),
        "to_cluster": ("b", "c", "a", "c"),
        "clusters": ("a", "b", "c"),
        "closed": closed,
        "p_kw": p_kw,
        "moved": moved,
    }
    return SwitchDay(**{**made, **changed})


def test_a_cluster_draws_what_comes_in_and_does_not_leave():
    net_kw = switch_day().net_kw
    # a: 2 fed in and 4 sent to b; b: 4 from a and 1 from c; c: 7 from the main grid, 1 sent to b.
    assert net_kw[0].tolist() == [-6.0, 5.0, 6.0]
    assert net_kw[3].tolist() == [9.0, -5.0, -1.0]
    np.testing.assert_allclose(net_kw.sum(axis=1), switch_day().p_kw[:, 2:].sum(axis=1))


def test_what_clusters_give_each_other_is_what_they_spare_and_does_not_leave():
    # Minute 0: a spares 6 and 2 leave; minute 3: b and c spare 6, nothing leaves.
    assert switch_day().given_kw[[0, 3]].tolist() == [4.0, 6.0]
    leaving = switch_day(p_kw=np.array([[0.0, 0.0, -9.0, 9.5]] * 4))
    assert leaving.given_kw.tolist() == [0.0] * 4
    assert switch_day().exchange_kw.tolist() == [5.0, 5.0, 5.0, 11.0]


def test_groups_are_what_closed_links_join():
    day = switch_day()
    assert day.joined_at(0) == [Joined(("a", "b", "c"), ("pcc a", "pcc c"))]
    assert day.joined_at(1) == [Joined(("a",), ("pcc a",)), Joined(("b", "c"), ("pcc c",))]
    assert day.joined_at(2)[1] == Joined(("b", "c"), ())
    assert day.is_islanded.tolist() == [[False] * 3, [False] * 3, [False, True, True], [False] * 3]
    assert day.spans == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert topology_section.group_words(day.joined_at(2)[1]) == (
        "b and c without a way to the main grid".replace(" ", "\u00a0")
    )
    assert plain(topology_section.group_words(day.joined_at(0)[0])) == "a, b and c over pcc a and pcc c"


def test_parts_that_branches_connect_share_a_number():
    label = connected_parts(6, np.array([[0, 1], [4, 5], [1, 4], [0, 5]]))
    assert len(set(label[[0, 1, 4, 5]])) == 1
    assert len(set(label)) == 3


def test_the_busiest_minute_is_that_of_most_given_not_of_a_spike():
    given = np.zeros((120, 4))
    given[:, 2] = 0.0
    given[10] = [40.0, 0.0, 0.0, 0.0]
    given[50:80, 0] = 10.0
    day = switch_day(p_kw=given, closed=np.ones((120, 4), bool), moved=np.zeros((120, 4), int))
    assert 55 <= busiest_step(day) <= 75
    nothing_spare = given.copy()
    nothing_spare[:, 2] = given[:, 0]
    nothing_spare[90:110] = [0.0, -30.0, 0.0, 30.0]
    transit = switch_day(p_kw=nothing_spare, closed=day.closed, moved=day.moved)
    assert transit.given_kw.max() == 0.0
    assert 95 <= busiest_step(transit) <= 105


def test_flows_name_giver_and_taker_the_most_first():
    told = [plain(words) for _, words in flows_at(switch_day(), 0)]
    assert told == ["4.00 kW from a to b", "1.00 kW from c to b"]


def test_every_number_of_the_lead_stands_in_the_summary(found):
    summary, words = found.summary, lead(found)
    scenarios = summary["scenarios"]
    assert plain(words).startswith("On 15 June 2022, 4 members in 2 clusters feed into the main grid 105 kWh")
    day, step = found.switched, busiest_step(found.switched)
    known = [number(summary[key]) for key in ("members", "clusters", "operations")]
    known += [scenario_words.energy(each["fed_in_kwh"]).split()[0] for each in scenarios.values()]
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
        fed_in = (
            f"{words} fed into the main grid {plain(scenario_words.energy(scenarios[name]['fed_in_kwh']))}"
        )
        assert fed_in in told["scenarios"]
        if name != "members":
            assert f"{words}: {plain(scenario_words.energy(scenarios[name]['fed_in_kwh']))}" in told["fedin"]
            figures = [f"{scenarios[name][key]:.3f}" for key in ("vm_min_pu", "vm_max_pu")]
            assert f"{words} {figures[0]} to {figures[1]}" in told["voltages"]
    assert "each alone" not in told["fedin"]
    net_kw = found.switched.net_kw
    for place, cluster in enumerate(found.switched.clusters):
        draws, spares = (np.maximum(sign * net_kw[:, place], 0.0).sum() / 60.0 for sign in (1.0, -1.0))
        words = (
            f"{cluster}: draws {scenario_words.energy(draws)}, has {scenario_words.energy(spares)} to spare"
        )
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


def test_clusters_together_draw_what_the_connections_deliver(found):
    for name, day in found.switch_days.items():
        exchange = found.exchange[name]
        np.testing.assert_allclose(
            day.net_kw.sum(axis=1), exchange.absorbed_kw - exchange.fed_in_kw, atol=1e-9
        )


def test_strips_tell_energy_each_way_and_operations(traded, found):
    told, day = labels(page_of(traded))["switches"], found.switched
    operations = pq.read_table(traded / "operations.parquet").to_pandas()["switch"].value_counts()
    for row, name in enumerate(day.name):
        forth, back = (np.maximum(sign * day.p_kw[:, row], 0.0).sum() / 60.0 for sign in (1.0, -1.0))
        count = int(operations.get(name, 0))
        moved = f"{count} operation{'' if count == 1 else 's'}" if count else "always closed"
        first = day.from_cluster[row] or "main grid"
        assert (
            f"{name} ({first} → {day.to_cluster[row]}): {forth:.0f} kWh forth, {back:.0f} kWh back, {moved}"
            in told
        )
    assert day.moved.sum() == found.summary["operations"]


def test_positions_hold_from_their_stamp_on_and_unknown_switches_are_closed(day):
    states = pq.read_table(day / "switch_states.parquet").to_pandas()
    first = states["time"].min()
    rows = [
        ("switched", first, "PCC A", True),
        ("switched", first + pd.Timedelta(minutes=30), "PCC A", False),
    ]
    frame = pd.DataFrame(rows, columns=states.columns)
    put(day, "switch_states", frame)
    switched = read_material(day).switched
    closed = switched.closed[:, switched.name.index("PCC A")]
    assert closed.tolist() == [True] * 30 + [False] * 90
    assert switched.closed[:, switched.name.index("link")].all()


def test_the_topologies_of_the_day_share_out_what_is_fed_in(found):
    rows = cells(topology_section.topology_table(found, found.switched))
    assert rows[0] == [
        "from",
        "to",
        "joined, and over which connection",
        "fed in [kWh]",
        "with all closed [kWh]",
    ]
    assert [row[:3] for row in rows[1:]] == [
        ["12:00", "13:00", "A and B over PCC B"],
        ["13:00", "the end", "A and B over PCC A and PCC B"],
    ]
    for column, name in ((3, "switched"), (4, "joined")):
        total = sum(float(row[column]) for row in rows[1:])
        assert total == pytest.approx(found.summary["scenarios"][name]["fed_in_kwh"], abs=0.11)


def test_many_topologies_are_folded(found):
    day = found.switched
    closed = day.closed.copy()
    closed[::2, 0] = ~closed[::2, 0]
    table = topology_section.topology_table(found, SwitchDay(**{**vars_of(day), "closed": closed}))
    assert "The 12 that lasted longest; all 120 stand below." in plain(table)
    assert len(cells(table.partition("<details>")[0])) == 13
    assert len(cells(table.partition("<details>")[2])) == 121


def vars_of(day):
    return {name: getattr(day, name) for name in SwitchDay.__dataclass_fields__}


def bills(paid, cluster=("x", "x", "y")):
    return Bills(("members", "clusters", "switched"), ("m", "n", "o"), cluster, np.array(paid, dtype=float))


def test_losers_pay_more_than_a_rounding():
    made = bills([[5, 5, 5], [4, 4.0, 6], [3, 4.02, 4.999]])
    assert made.losers(2, 0) == []
    assert made.losers(1, 0) == ["o"]
    assert made.losers(2, 1) == ["n"]
    assert bills([[5, 5, 5], [5.004, 5, 5], [5, 5, 5]]).losers(1, 0) == []
    assert made.saved[2].tolist() == pytest.approx([2.0, 0.98, 0.001])
    assert made.of_clusters(("x", "y")).tolist() == [[10.0, 5.0], [8.0, 6.0], [pytest.approx(7.02), 4.999]]


def test_bills_add_up_to_the_summary_and_stand_in_the_page(found):
    made, body = read_bills(found), money_section(found).body
    for place, name in enumerate(made.scenarios):
        assert made.paid[place].sum() == pytest.approx(
            found.summary["scenarios"][name]["bill_amount"], abs=1e-9
        )
    rows = {row[0]: row[1:] for row in cells(body.partition("<details>")[0])}
    for place, cluster in enumerate(found.clusters):
        paid = made.of_clusters(found.clusters)[:, place]
        assert rows[cluster] == [number(x, 2) for x in (*paid, paid[0] - paid[-1])]
    total = made.paid.sum(axis=1)
    assert rows["all together"][:4] == [number(x, 2) for x in total]
    members = {row[0]: row for row in cells(body.partition("<details>")[2])}
    for k, member in enumerate(made.members):
        assert members[member][1] == made.cluster[k]
        assert members[member][-5:-1] == [number(x, 2) for x in made.paid[:, k]]


def test_who_pays_more_is_named(day):
    def dearer(rows):
        mine = (rows["scenario"] == "switched") & (rows["member"] == rows["member"].iloc[0])
        return rows.assign(bill_amount=rows["bill_amount"] + np.where(mine, 100.0, 0.0))

    change(day, "bills", dearer)
    found = read_material(day)
    member = read_bills(found).members[0]
    told = plain(money_section(found).body)
    assert f"More than there is paid by 1 of 4 members: {member}." in told
    assert "Against the scenario joined, 1 member pays more (1 in A)." in told


def trades(rows):
    """Trades as the table has them: first minute, minutes, tier, energy, price."""
    start = np.datetime64("2022-06-15T10:00", "ms")
    columns = list(zip(*rows, strict=True))
    return {
        "time": start + np.array(columns[0]) * np.timedelta64(1, "m"),
        "minutes": np.array(columns[1]),
        "tier": np.array(columns[2], dtype=object),
        "energy_kwh": np.array(columns[3], dtype=float),
        "price_per_kwh": np.array(columns[4], dtype=float),
    }


def test_a_trade_counts_evenly_over_its_minutes():
    start = np.datetime64("2022-06-15T10:00", "ms")
    found = SimpleNamespace(clock=Clock(start, 1.0, 300, "UTC"))
    made = price_section.bin_trades(
        found,
        trades([(1, 4, "cluster", 8.0, 0.2), (0, 2, "cluster", 1.0, 0.1), (298, 2, "community", 3.0, 0.3)]),
    )
    assert made.tier == ("cluster", "community")
    assert made.first[:3].tolist() == [0, 2, 4]
    # Minute 0: 0.5 kWh; minute 1: 0.5 and 2 kWh; then 2 kWh a minute up to minute 4.
    assert made.power_kw[0, :4].tolist() == [90.0, 120.0, 60.0, 0.0]
    assert made.power_kw[1, -1] == 90.0
    np.testing.assert_allclose(made.power_kw @ np.diff(made.first) / 60.0, [9.0, 3.0])
    low, mean, high = made.price_per_kwh[:, 0, 0]
    assert (low, high) == (0.1, 0.2)
    assert mean == pytest.approx((1.0 * 0.1 + 2.0 * 0.2) / 3.0)
    assert np.isnan(made.price_per_kwh[:, 0, 3]).all()


def test_trades_of_the_page_are_those_of_the_last_scenario(traded, found):
    rows = pq.read_table(traded / "trades.parquet").to_pandas()
    rows = rows[rows["scenario"] == "switched"]
    body = price_section.price_section(found).body
    table = {row[0]: row[1:] for row in cells(body)}
    for tier, words in (("cluster", "within a cluster"), ("community", "between clusters")):
        mine = rows[rows["tier"] == tier]
        money = float((mine["energy_kwh"] * mine["price_per_kwh"]).sum())
        price = mine["price_per_kwh"]
        expected = [str(len(mine)), f"{mine['energy_kwh'].sum():.1f}", f"{money:.2f}", f"{price.min():.4f}"]
        assert table[words] == [*expected, f"{money / mine['energy_kwh'].sum():.4f}", f"{price.max():.4f}"]
        assert (
            f"{words} {plain(scenario_words.energy(mine['energy_kwh'].sum()))}"
            in labels(page_of(traded))["trades"]
        )
    assert f"{len(rows)} trades (switched) at" in plain(body)


def test_the_band_of_prices_is_that_of_the_orders_and_holds_until_the_next_round(traded, found):
    orders = pq.read_table(traded / "orders.parquet").to_pandas()
    band = price_section.price_band(found)
    assert band.name == "limit prices of orders"
    for hour in range(2):
        mine = orders[orders["time"] == orders["time"].min() + pd.Timedelta(hours=hour)]
        bid = mine.loc[mine["side"] == "buy", "price_per_kwh"].max()
        asked = mine.loc[mine["side"] == "sell", "price_per_kwh"].min()
        part = band.ends_per_kwh[:, 60 * hour : 60 * hour + 60]
        assert np.unique(part[0]).tolist() == [asked]
        assert np.unique(part[1]).tolist() == [bid]


def test_the_main_grids_own_prices_are_the_band_where_the_result_has_them(day):
    first = pq.read_table(day / "orders.parquet").to_pandas()["time"].min()
    prices = pd.DataFrame({"time": [first], "feed_in_price_per_kwh": [0.05], "retail_price_per_kwh": [0.30]})
    put(day, "grid_prices", prices)
    found = read_material(day)
    band = price_section.price_band(found)
    assert np.unique(band.ends_per_kwh, axis=1).ravel().tolist() == [0.05, 0.30]
    assert "from the main grid's feed-in price to its retail price" in price_section.price_section(
        found
    ).body.replace("&#x27;", "'")


def test_what_was_told_holds_until_it_is_told_again(day):
    told = pq.read_table(day / "expected_exchange.parquet").to_pandas()
    first = told["time"].min()
    rows = [(0, first + pd.Timedelta(minutes=m), "PCC A", p) for m, p in ((10, 5.0), (70, -3.0))]
    frame = pd.DataFrame(rows, columns=told.columns)
    put(day, "expected_exchange", frame)
    found = read_material(day)
    switched = found.switched
    rows = np.flatnonzero(~switched.is_link)
    expected = told_section.read_told(found, switched, rows)
    column = [switched.name[row] for row in rows].index("PCC A")
    assert np.isnan(expected[:10, column]).all()
    assert expected[10:70, column].tolist() == [5.0] * 60
    assert expected[70:, column].tolist() == [-3.0] * 50
    assert np.isnan(expected[:, 1 - column]).all()
    line = next(row for row in cells(told_section.told_section(found).body) if row[0] == "PCC A")
    metered = switched.p_kw[10:, rows[column]]
    off = np.abs(metered - expected[10:, column])
    assert line[2:] == [
        "5.0",
        number(np.maximum(metered, 0).sum() / 60, 1),
        "2.5",
        number(np.maximum(-metered, 0).sum() / 60, 1),
        number(off.mean(), 1),
        number(off.max(), 1),
    ]


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


def test_the_fewest_rounds_with_least_excess_are_named(day):
    def figures(rows):
        switched = rows["scenario"] == "switched"
        rows.loc[switched, "community_rounds"] = [240, 80, 40, 240, 240]
        rows.loc[switched, "fed_in_kwh"] = rows.loc[switched, "least_fed_in_kwh"] + [
            5.0,
            13.0,
            9.0,
            1.0,
            44.0,
        ]
        return rows

    change(day, "comparison", figures)
    told = plain(trigger_section.trigger_section(read_material(day)).body)
    assert "periodic 60 min, needs 240 rounds and feeds in 5.0 kWh more" in told
    assert "send-on-area 3 kWh has the least excess: 83 % fewer rounds, 9.0 kWh of excess" in told
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


def test_refused_and_cut_orders_are_counted_by_reason(day):
    def refuse(orders):
        orders["reason"] = orders["reason"].astype(str)
        orders["side"] = "buy"
        orders.loc[[0, 1], "reason"] = "beyond the envelope"
        orders.loc[2, "reason"] = "price outside"
        orders.loc[[0, 1, 2], "energy_kwh"] = [4.0, 6.0, 8.0]
        orders.loc[[0, 1, 2], "entered_kwh"] = [1.0, 0.0, 0.0]
        orders.loc[[0, 1], "member"] = orders["member"][0]
        return orders

    change(day, "orders", refuse)
    rows = cells(order_section.order_section(read_material(day)).body)
    assert rows[1:] == [
        ["beyond the envelope", "buy", "2", "1", "1", "9.0"],
        ["price outside", "buy", "1", "1", "1", "8.0"],
    ]


def test_unserved_energy_is_told_even_where_switches_look_closed(day):
    figures = json.loads((day / "summary.json").read_text())["scenarios"]
    figures["switched"] |= {"unserved_kwh": 12.5, "curtailed_kwh": 3.0}
    summarise(day, scenarios=figures)
    body = plain(order_section.order_section(read_material(day)).body)
    assert "12.5 kWh of consumption not served" in body
    assert "3.0 kWh of generation lost" in body


def grid_tables(folder, coordinates=None):
    """Clusters a, b, c of three phases: sources behind ``pcc a`` and ``pcc c``, links ab and bc."""
    buses = ["grid a", "a1", "a2", "b1", "b2", "c1", "c2", "grid c"]
    lines_ = [("la", "a1", "a2"), ("lb", "b1", "b2"), ("lc", "c1", "c2")]
    lines_ += [("pcc a", "grid a", "a1"), ("pcc c", "grid c", "c1"), ("ab", "b1", "a2"), ("bc", "b2", "c2")]
    at = dict.fromkeys(buses, (np.nan, np.nan)) if coordinates is None else coordinates
    rows = [(f"{bus}.{phase}", 4.16, *at[bus], bus.startswith("grid")) for bus in buses for phase in "abc"]
    frames = {
        "grid_buses": pd.DataFrame(rows, columns=["bus", "vn_kv", "x_map", "y_map", "is_source"]),
        "grid_branches": pd.DataFrame(
            [(f"{n}.{p}", "line", f"{a}.{p}", f"{b}.{p}", 0.1, True) for n, a, b in lines_ for p in "abc"],
            columns=["branch", "kind", "from_bus", "to_bus", "length_km", "closed"],
        ),
        "assets": pd.DataFrame({"member": ["m", "n", "o"], "bus": ["a2", "b1", "c2.b"]}),
    }
    folder.mkdir(exist_ok=True)
    for name, frame in frames.items():
        put(folder, name, frame)
    return ResultTables(folder)


def test_the_map_has_a_bus_once_in_the_colour_of_its_cluster(tmp_path):
    day = switch_day()
    places = cluster_places.place_clusters(grid_tables(tmp_path), day, {"m": "a", "n": "b", "o": "c"})
    named = dict(zip(places.bus, places.cluster.tolist(), strict=True))
    none = cluster_places.NO_CLUSTER
    assert named == {"grid a": none, "a1": 0, "a2": 0, "b1": 1, "b2": 1, "c1": 2, "c2": 2, "grid c": none}
    ends = [tuple(places.bus[bus] for bus in pair) for pair in places.switch_ends]
    # In the order in which power is counted: the file has ab from b to a.
    assert ends == [("a2", "b1"), ("b2", "c2"), ("grid a", "a1"), ("grid c", "c1")]
    assert len(places.from_bus) == 3
    assert not places.is_map
    assert len({(x, y) for x, y in zip(places.x, places.y, strict=True)}) == len(places.bus)
    # Each cluster in a place of its own.
    spans = sorted(
        (places.x[places.cluster == k].min(), places.x[places.cluster == k].max()) for k in range(3)
    )
    assert all(left[1] < right[0] for left, right in zip(spans[:-1], spans[1:], strict=True))


def test_the_map_stands_at_the_coordinates_of_the_grid_file(tmp_path):
    names = ["grid a", "a1", "a2", "b1", "b2", "c1", "c2", "grid c"]
    at = {name: (1000.0 + 10.0 * k, 500.0 + (k % 3)) for k, name in enumerate(names)}
    tables = grid_tables(tmp_path, at)
    places = cluster_places.place_clusters(tables, switch_day(), {"m": "a", "n": "b", "o": "c"})
    assert places.is_map
    assert dict(zip(places.bus, zip(places.x, places.y, strict=True), strict=True)) == at


def test_the_map_tells_every_switch_at_its_minute(tmp_path):
    day = switch_day()
    places = cluster_places.place_clusters(grid_tables(tmp_path), day, {"m": "a", "n": "b", "o": "c"})
    colours = dict.fromkeys(day.clusters, "#5a6673")
    with_all = plain(draw_cluster_map(places, day, colours, 0).words)
    assert with_all == "Map of the clusters. ab 4.00 kW; bc 1.00 kW; pcc a 2.00 kW; pcc c 7.00 kW"
    with style():
        opened = draw_cluster_map(places, day, colours, 2)
    assert plain(opened.words).endswith("ab open; bc 5.00 kW; pcc a 3.00 kW; pcc c open")
    texts = [plain(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", opened.svg)]
    assert {"a: draws 3.00 kW", "b: has to spare 5.00 kW", "c: draws 5.00 kW", "ab open"} <= set(texts)


def test_no_map_without_a_switch_or_a_member(tmp_path):
    tables = grid_tables(tmp_path)
    assert (
        cluster_places.place_clusters(tables, switch_day(name=("ab", "bc", "pcc a", "zz")), {"m": "a"})
        is None
    )
    assert cluster_places.place_clusters(tables, switch_day(), {"x": "a"}) is None


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
    assert [plain(words.energy(x)) for x in (0.0, 4.66, 99.94, 99.96, 11585.45)] == [
        "0 kWh", "4.7 kWh", "99.9 kWh", "100 kWh", "11 585 kWh",
    ]  # fmt: skip
    assert [plain(words.storage(x)) for x in (999, 104_000, 126_720_000)] == ["999 B", "104 kB", "126.7 MB"]
    assert words.threshold_words("send_on_area", 2.5) == "2.5 kWh"
    assert words.times(1, "change") == "1 change"
    assert words.times(0, "change") == "0 changes"


def test_clusters_have_colours_of_their_own(found):
    assert len(set(found.colours.values())) == len(found.clusters)
    assert not set(scenario_words.cluster_colours([str(k) for k in range(8)]).values()) & set(
        scenario_words.SCENARIO_COLOURS.values()
    )


def test_the_page_is_on_the_local_clock(traded):
    text = Page(page_of(traded)).text
    assert "At 13:0" in text
    assert "Europe/Madrid" in page_of(traded)
