"""The report of switches between clusters: its figures are those of the tables."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from gridcommons.adapters.report.clusters.cluster_places import find_members, place_clusters
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.switching import (
    cluster_exchange,
    cluster_lead,
    cluster_switches,
)
from gridcommons.adapters.report.switching.cluster_material import read_clusters
from gridcommons.adapters.report.switching.cluster_tiles import make_tiles as make_cluster_tiles
from gridcommons.adapters.report.tables import ResultTables
from unit.adapters.test_switching_reports import read, share_power
from unit.adapters.test_trading_report_switches import grid_tables, switch_day
from unit.adapters.test_trading_reports import cells, change, labels, page_of, plain, summarise


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return share_power(tmp_path_factory.mktemp("clusters") / "out")


@pytest.fixture
def clusters(shared, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(shared, tmp_path / "out")


def test_tiles_between_clusters_are_those_of_the_summary(clusters):
    summarise(clusters, operation_cost_amount=0.5, unserved_kwh=1.0)
    found = read_clusters(clusters)
    tiles, summary = {tile.label: tile for tile in make_cluster_tiles(found)}, found.summary
    fed = tiles["Fed into the main grid [kWh]"]
    assert fed.value == f"{summary['fed_in_before_kwh']:.1f} → {summary['fed_in_kwh']:.1f}"
    less = 1.0 - summary["fed_in_kwh"] / summary["fed_in_before_kwh"]
    assert plain(fed.remark) == f"before → after: {100 * less:.0f} % less"
    assert tiles["Changes of topology"].value == str(summary["topology_changes"])
    assert tiles["Changes of topology"].remark == f"{times(summary['operations'], 'operation')}, 0.50 EUR"
    assert tiles["Lowest voltage after [pu]"].value == f"{summary['vm_min_pu']:.3f}"
    assert tiles["Unserved"].tone == "broken"
    assert tiles["Above the best topologies"].tone == "proof"
    summarise(clusters, gap_share=None, planned_fed_in_kwh=30.0, best_fed_in_kwh=0.0)
    tiles = {tile.label: tile for tile in make_cluster_tiles(read_clusters(clusters))}
    assert plain(tiles["Above the best topologies"].value) == "30.0 kWh"


def test_power_between_clusters_is_energy_over_the_length_of_an_interval(shared):
    found, rows = read_clusters(shared), read(shared, "grid_exchange")
    table = {row[0]: row for row in cells(cluster_exchange.exchange_table(found))}
    for name, suffix in (("before", "_before"), ("after", "")):
        mine = rows[rows.scenario == name]
        np.testing.assert_allclose(found.exchange_kw[name]["fed_in"], 2.0 * mine.fed_in_kwh)
        assert found.energy_kwh(name, "absorbed") == pytest.approx(found.summary[f"absorbed{suffix}_kwh"])
        most = int(np.argmax(mine.fed_in_kwh))
        assert table[name][1:] == [
            number(mine.fed_in_kwh.sum(), 1),
            number(mine.absorbed_kwh.sum(), 1),
            number(mine.losses_kwh.sum(), 1),
            number(2.0 * mine.fed_in_kwh.max(), 1),
            found.clock.brief(most),
        ]
        told = labels(page_of(shared))["exchange"]
        assert f"{name} {plain(energy(mine.fed_in_kwh.sum()))} fed in" in told


def test_strips_and_balances_tell_energy_of_half_hours(shared):
    found, told = read_clusters(shared), labels(page_of(shared))
    day = found.day
    for row, name in enumerate(day.name):
        forth = np.maximum(day.p_kw[:, row], 0.0).sum() / 2.0
        assert re.search(rf"{name} \([^)]*\): {forth:.0f} kWh forth", told["switches"])
    for place, name in enumerate(day.clusters):
        draws = np.maximum(day.net_kw[:, place], 0.0).sum() / 2.0
        assert f"{name}: draws {plain(energy(draws))}" in told["clusters"]
    exchange = found.exchange_kw["after"]
    np.testing.assert_allclose(day.net_kw.sum(axis=1), exchange["absorbed"] - exchange["fed_in"], atol=1e-9)


def test_operations_between_clusters_stand_by_change(shared):
    found, rows = read_clusters(shared), read(shared, "operations")
    told = cells(cluster_switches.operation_table(found))[1:]
    assert len(told) == found.summary["topology_changes"]
    assert sum(int(row[1]) for row in told) == found.summary["operations"]
    for row, (time, mine) in zip(told, rows.groupby("time"), strict=True):
        words = ", ".join(
            f"{'close' if closes else 'open'} {name}"
            for name, closes in zip(mine.switch, mine.closes, strict=True)
        )
        assert row == [f"{time:%H:%M}", str(len(mine)), words]


def test_operations_stand_in_their_order_whatever_that_of_the_table(clusters):
    start = read(clusters, "grid_exchange").time.min()
    moves = [(1, 1, "PCC C", False), (0, 1, "PCC A", False), (1, 0, "A-B", True), (0, 0, "B-C", True)]
    rows = [(start + pd.Timedelta(minutes=30 * step), *move) for step, *move in moves]
    frame = pd.DataFrame(rows, columns=["time", "operation", "switch", "closes"])
    change(clusters, "operations", lambda _: frame)
    found = read_clusters(clusters)
    assert cells(cluster_switches.operation_table(found))[1:] == [
        [found.clock.brief(0), "2", "close B-C, open PCC A"],
        [found.clock.brief(1), "2", "close A-B, open PCC C"],
    ]
    assert found.day.moved.sum(axis=1).tolist() == [2, 2, 0]


def test_many_changes_and_notes_are_folded(clusters):
    summarise(clusters, notes=[f"note {k}" for k in range(15)])
    rows = read(clusters, "operations").iloc[:1]
    start = rows.time.iloc[0]
    many = [rows.assign(time=start + pd.Timedelta(minutes=30 * k)) for k in range(20)]
    change(clusters, "operations", lambda _: pd.concat(many))
    gap = read(clusters, "grid_exchange")
    later = gap.assign(time=gap.time + pd.Timedelta(hours=10))
    change(clusters, "grid_exchange", lambda rows: pd.concat([rows, later]))
    body = cluster_switches.operation_section(read_clusters(clusters)).body
    assert len(cells(body.partition("<details>")[0])) == 13
    assert "note 11" in body.partition("What could not")[2].partition("<details>")[0]
    assert "note 12" not in body.partition("What could not")[2].partition("<details>")[0]
    assert "3 more" in body


def test_the_gap_of_each_interval_is_told(clusters):
    change(
        clusters,
        "switching_gap",
        lambda rows: rows.assign(planned_fed_in_kw=rows.best_fed_in_kw + [0, 6, 2.5]),
    )
    summarise(clusters, gap_share=0.5)
    section = plain(cluster_exchange.gap_section(read_clusters(clusters)).body)
    at = read_clusters(clusters).clock.brief(1)
    assert f"Above the best in 2 intervals of 3, by 6.0 kW at most, at {at}." in section
    rows = read(clusters, "switching_gap")
    both = [plain(energy(rows[f"{key}_fed_in_kw"].sum() / 2)) for key in ("planned", "best")]
    assert (
        labels(page_of(clusters))["gap"] == f"Fed in as planned {both[0]}, by the best topologies {both[1]}."
    )


def test_a_quarter_of_an_hour_is_taken_around_the_busiest(shared):
    found = read_clusters(shared)
    p_kw = np.zeros((3, 4))
    day = replace_day(switch_day(), p_kw=p_kw)
    day.p_kw[2] = [7.0, 0.0, 0.0, 0.0]
    assert cluster_lead.busiest(found, day) == 2


def replace_day(day, **changed):
    kept = {name: getattr(day, name) for name in type(day).__dataclass_fields__}
    return type(day)(**{**kept, **changed})


def test_clusters_are_those_that_their_switches_name(tmp_path, shared):
    assert find_members(grid_tables(tmp_path), switch_day()) == {"m": "a", "n": "b", "o": "c"}
    found = read_clusters(shared)
    assert set(find_members(found.tables, found.day).values()) == {"A", "B", "C"}


def test_a_connection_alone_names_its_cluster(tmp_path):
    pccs = {"from_cluster": ("", ""), "to_cluster": ("a", "c"), "name": ("pcc a", "pcc c")}
    cut = {key: getattr(switch_day(), key)[:, 2:] for key in ("closed", "p_kw", "moved")}
    links = {"ab", "bc"}
    tables = grid_tables(tmp_path)
    change(tmp_path, "grid_branches", lambda rows: rows[~rows.branch.str[:2].isin(links)])
    assert find_members(tables, switch_day(**pccs, **cut)) == {"m": "a", "o": "c"}


def test_the_topologies_share_out_what_is_fed_in(shared):
    found = read_clusters(shared)
    rows = cells(cluster_switches.topology_section(found).body)
    assert rows[0][3:] == ["fed in before [kWh]", "fed in after [kWh]"]
    for column, key in ((3, "fed_in_before_kwh"), (4, "fed_in_kwh")):
        total = sum(float(row[column]) for row in rows[1:])
        assert total == pytest.approx(found.summary[key], abs=0.06 * len(rows))
    assert found.summary["fed_in_kwh"] > 5.0


def test_members_that_switches_leave_open_are_left_out(tmp_path):
    """Without connections, a link alone does not tell its ends apart; two links at one part do."""
    tables = grid_tables(tmp_path)
    links = {"from_cluster": ("a", "b"), "to_cluster": ("b", "c"), "name": ("ab", "bc")}
    cut = {key: getattr(switch_day(), key)[:, :2] for key in ("closed", "p_kw", "moved")}
    assert find_members(tables, switch_day(**links, **cut)) == {"n": "b", "m": "a", "o": "c"}
    one = {key: values[:1] for key, values in links.items()}
    cut = {key: values[:, :1] for key, values in cut.items()}
    assert find_members(tables, switch_day(**one, **cut)) == {}
    assert place_clusters(tables, switch_day(), {}) is None
    assert find_members(ResultTables(tmp_path / "none"), switch_day()) == {}
