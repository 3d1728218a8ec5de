"""The report of least losses: its figures, pictures and orders are those of the tables."""

import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.layout import Ways
from gridcommons.adapters.report.style import style
from gridcommons.adapters.report.switching import (
    loss_section,
    operation_section,
    profile_section,
)
from gridcommons.adapters.report.switching.feeder_map import draw_feeder
from gridcommons.adapters.report.switching.feeder_places import place_feeder
from gridcommons.adapters.report.switching.feeder_section import changes_table
from gridcommons.adapters.report.switching.feeder_tree import lay_out_feeder
from gridcommons.adapters.report.switching.loss_material import read_losses
from gridcommons.adapters.report.switching.loss_tiles import make_tiles
from gridcommons.adapters.report.switching.positions import Operation, Positions, count_loops
from html_pages import Page
from unit.adapters.test_switching_reports import KW, LOSS_SECTIONS, read, ring, save_losses, switch
from unit.adapters.test_trading_reports import cells, change, labels, page_of, plain, summarise


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_losses(tmp_path_factory.mktemp("losses") / "out")


@pytest.fixture
def losses(saved, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(saved, tmp_path / "out")


def test_tiles_of_losses_are_those_of_the_summary(losses):
    summarise(losses, operations_end="nearest", operation_cost_amount=1.5, bound_kwh=0.25)
    found = read_losses(losses)
    tiles, summary = {tile.label: tile for tile in make_tiles(found)}, found.summary
    both = f"{summary['losses_before_kw']:.1f} → {summary['losses_kw']:.1f}"
    assert tiles["Losses in the mean [kW]"].value == both
    assert energy(summary["losses_kwh"]) in tiles["Losses in the mean [kW]"].remark
    assert plain(tiles["Above the least losses, at most"].value) == "0 %"
    assert "no topology loses less than 0.2 kWh" in plain(tiles["Above the least losses, at most"].remark)
    assert tiles["Open switches"].value == "1 of 5"
    assert tiles["Open switches"].remark == "numbers 2 of the grid file"
    assert tiles["Limits broken after"].tone == "broken"
    assert tiles["Operations"].remark == "end short of it; 1.50 EUR"
    summarise(losses, gap_share=0.0042)
    tiles = {tile.label: tile for tile in make_tiles(read_losses(losses))}
    assert plain(tiles["Above the least losses, at most"].value) == "0.4 %"
    summarise(losses, gap_share=None)
    assert {tile.label: tile for tile in make_tiles(read_losses(losses))}[
        "Above the least losses"
    ].value == "not proven"


def test_losses_and_voltages_of_the_page_are_those_of_the_tables(saved):
    found, rows, volts = read_losses(saved), read(saved, "losses"), read(saved, "bus_voltages")
    assert found.heaviest == 2
    page = page_of(saved)
    by_name = {row[0]: row for row in cells(loss_section.loss_table(found))}
    profile = {row[0]: row for row in cells(profile_section.range_table(found))}
    for name in ("before", "after"):
        mine = rows[rows.scenario == name].losses_kw.to_numpy()
        assert by_name[name][1:] == [
            number(mine.mean(), 2), plain(energy(mine.sum() / 4)), number(mine.max(), 2), "02:30"
        ]  # fmt: skip
        assert f"{name} {mine.mean():.1f} kW in the mean" in labels(page)["losses"]
        vm_pu = volts[volts.scenario == name].set_index(["bus", "time"]).vm_pu
        bus, time = vm_pu.idxmin()
        local = time.tz_convert("Europe/Madrid")
        assert profile[name][1:3] == [f"{vm_pu.min():.4f}", f"{bus}, {local:%H:%M}"]
        assert profile[name][3] == f"{vm_pu.max():.4f}"
        beyond = vm_pu[vm_pu < 0.989 - 1e-6].reset_index().bus.nunique()
        assert profile[name][5] == str(beyond)
        worst = volts[(volts.scenario == name)].groupby("time").vm_pu.min().iloc[2]
        assert f"{name} {worst:.3f} to 1.000" in labels(page)["profile"]
    assert profile["before"][5] != profile["after"][5] or int(profile["after"][5]) > 0


def test_losses_that_never_change_are_two_bars(tmp_path):
    folder = switch(tmp_path / "out", ring(KW[:1].repeat(3, axis=0)), objective="losses")
    found = read_losses(folder)
    assert not loss_section.has_changes(found)
    section = loss_section.loss_section(found)
    assert "Losses are the same in every interval." in section.body
    assert cells(section.body)[1][4] == "all the time"
    assert "violations" not in Page(page_of(folder)).sections


def test_extremes_are_found_across_parts_of_a_table(losses):
    """Row groups of three rows: the extreme of a bus may stand in any of them."""
    table = pq.read_table(losses / "bus_voltages.parquet")
    expected = read_losses(losses).ranges
    pq.write_table(table, losses / "bus_voltages.parquet", row_group_size=3)
    parted = read_losses(losses).ranges
    for name, each in expected.items():
        for field in ("low_pu", "high_pu", "low_step", "high_step", "is_broken"):
            np.testing.assert_array_equal(getattr(each, field), getattr(parted[name], field))
    rows = table.to_pandas()
    by_bus = rows[rows.scenario == "after"].groupby("bus", observed=True).vm_pu
    names, after = read_losses(losses).grid.buses.names, parted["after"]
    assert dict(zip(names, after.low_pu, strict=True)) == by_bus.min().to_dict()
    assert dict(zip(names, after.high_pu, strict=True)) == by_bus.max().to_dict()


def test_power_over_what_moves_is_that_of_the_heaviest_interval(saved):
    rows = {row[0]: row for row in cells(changes_table(read_losses(saved)))}
    assert rows["line 1"][1:3] == ["opened", "b1 and b2"]
    assert rows["line 4"][1:3] == ["closed", "b2 and b4"]
    flows = read(saved, "branch_loadings")
    third = flows[flows.time == flows.time.unique()[2]].set_index(["scenario", "branch"]).p_from_kw
    assert rows["line 1"][3:] == [number(third["before", "line 1"], 1), "0.0"]
    assert rows["line 4"][3:] == ["0.0", number(third["after", "line 4"], 1)]
    assert third["before", "line 1"] > 50.0 > -50.0 > third["after", "line 4"]


def test_over_an_open_switch_flows_nothing(losses):
    def nearly(rows):
        return rows.assign(p_from_kw=rows.p_from_kw.where(rows.p_from_kw.abs() > 1e-6, -1e-9))

    change(losses, "branch_loadings", nearly)
    rows = {row[0]: row for row in cells(changes_table(read_losses(losses)))}
    assert (rows["line 1"][4], rows["line 4"][3]) == ("0.0", "0.0")


def test_the_picture_marks_what_moves_in_both_panels(saved):
    found = read_losses(saved)
    with style():
        chart = draw_feeder(found)
    losses_kw = {name: found.losses_kw[name][2] for name in ("before", "after")}
    assert plain(chart.words) == (
        f"The feeder before and after. Before: {losses_kw['before']:.1f} kW are lost; "
        f"After: {losses_kw['after']:.1f} kW are lost. Opened: line 1. Closed: line 4."
    )
    assert chart.svg.count("#12936a") >= 3
    assert chart.svg.count("#c4501b") >= 3


def test_the_worst_of_each_element_stands_in_the_violations(losses):
    change(losses, "violations", lambda rows: rows.iloc[::-1])
    rows = read(losses, "violations").reset_index(drop=True)
    assert rows.excess.iloc[0] < rows.excess.max()
    told = cells(page_of(losses).partition('id="violations"')[2].partition("</section>")[0])[1:]
    assert {row[0] for row in told} == set(rows.element)
    for row in told:
        mine = rows[rows.element == row[0]]
        worst = mine.loc[mine.excess.idxmax()]
        assert row[1] == "voltage too low"
        assert row[2:5] == [number(worst[key], 4) for key in ("value", "limit", "excess")]
        assert row[5] == f"{worst.time.tz_convert('Europe/Madrid'):%H:%M}"
        assert row[6] == str(mine.time.nunique())
    excess = [float(row[4]) for row in told]
    assert excess == sorted(excess, reverse=True)


def test_what_a_switch_cannot_carry_is_told_in_words(losses):
    change(losses, "violations", lambda rows: rows.assign(kind="capacity_kw", value=31.0, limit=30.0))
    body = page_of(losses).partition('id="violations"')[2].partition("</section>")[0]
    assert cells(body)[1][1:4] == ["beyond the capacity of the switch [kW]", "31.0", "30.0"]


def test_many_elements_that_break_limits_are_folded(losses):
    rows = read(losses, "violations").iloc[:1]
    many = pd.concat([rows.assign(element=f"b{k}", excess=0.001 * (k + 1)) for k in range(25)])
    change(losses, "violations", lambda _: many)
    body = page_of(losses).partition('id="violations"')[2].partition("</section>")[0]
    assert len(cells(body.partition("<details>")[0])) == 21
    assert len(cells(body.partition("<details>")[2])) == 26
    assert cells(body)[1][0] == "b24"


def moved(*operations, before=None, after=None):
    before = before or {"a": True, "b": True, "c": False, "d": False}
    after = after or {"a": False, "b": True, "c": True, "d": False}
    return Positions(before, after, [Operation(name, closes) for name, closes in operations])


def test_positions_follow_the_operations_and_say_what_is_left():
    done = moved(("c", True), ("a", False))
    assert (done.opened, done.closed, done.left) == (["a"], ["c"], [])
    assert [stage["c"] for stage in done.stages] == [False, True, True]
    assert [stage["a"] for stage in done.stages] == [True, True, False]
    assert moved(("d", True)).left == [Operation("c", True), Operation("a", False), Operation("d", False)]


def test_loops_count_meshes_and_sources_in_parallel():
    ends = np.array([[0, 1], [1, 2], [2, 0], [2, 3], [3, 4], [5, 6]])
    source, two = np.arange(7) == 0, np.isin(np.arange(7), [0, 4])
    every = np.ones(6, dtype=bool)
    assert count_loops(ends, every, source) == 1
    assert count_loops(ends, every, two) == 2
    assert count_loops(ends, np.array([True, True, False, True, True, True]), source) == 0
    assert count_loops(ends, np.array([True, True, False, True, True, True]), two) == 1
    assert count_loops(ends, ~every, two) == 0


def test_operations_stand_in_their_order_with_the_loops_that_they_make(losses):
    found = read_losses(losses)
    rows = cells(operation_section.order_table(found, found.positions))
    assert rows[1:] == [["1", "close line 4", "b2 and b4", "1"], ["2", "open line 1", "b1 and b2", "0"]]
    assert operation_section.loops_after(found, found.positions) == [0, 1, 0]
    assert labels(page_of(losses))["order"] == "The order of 2 operations: 1. close line 4; 2. open line 1"
    change(losses, "operations", lambda rows: rows.iloc[::-1])
    found = read_losses(losses)
    assert [move.switch for move in found.positions.operations] == ["line 4", "line 1"]


@pytest.mark.parametrize("long", [False, True])
def test_an_order_that_ends_short_says_why_and_what_is_left(losses, long):
    reason = "no safe order found: " + ("vm_min_pu of b3; " * 30 if long else "vm_min_pu of b3")
    summarise(losses, operations=1, operations_end="nearest", operations_reason=reason)
    change(losses, "operations", lambda rows: rows.iloc[:1])
    page = page_of(losses)
    body = page.partition('id="operations"')[2].partition("</section>")[0]
    assert "this one ends at the safe topology that is nearest" in plain(body)
    assert "Left to be moved: open line 1." in plain(body)
    assert reason.strip() in plain(body)
    assert ("<details>" in body) == long


# One-line diagrams.


def ways(ends, closed=None, sources=(0,)):
    ends = np.array(ends)
    count = int(ends.max()) + 1
    closed = np.ones(len(ends), dtype=bool) if closed is None else np.array(closed)
    return Ways(ends[:, 0], ends[:, 1], np.ones(len(ends)), closed, np.isin(np.arange(count), sources))


def test_the_longest_way_is_straight_and_each_branch_is_a_column():
    x, y, parent = lay_out_feeder(ways([(0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (2, 6)]))
    assert x.tolist() == [0, 1, 2, 3, 2, 3, 3]
    assert len({y[bus] for bus in (0, 1, 2, 3)}) == 1
    assert y[4] == y[5] != y[0]
    assert parent.tolist() == [-1, 0, 1, 2, 1, 4, 2]
    _, y, _ = lay_out_feeder(ways([(0, 1), (1, 2), (1, 3), (3, 4), (4, 5)]))
    assert y[0] == y[1] == y[3] == y[4] == y[5] != y[2]


def test_no_two_branches_of_a_diagram_touch():
    """Random trees: apart from their common ends, no two elbows of different buses share a point."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        count = int(rng.integers(2, 45))
        ends = [(int(rng.integers(max(0, k - 6), k)), k) for k in range(1, count)]
        x, y, parent = lay_out_feeder(ways(ends))
        places = set(zip(x, y, strict=True))
        assert len(places) == count
        for bus in range(1, count):
            up = parent[bus]
            low, high = sorted((y[up], y[bus]))
            crossed = {
                other
                for other in range(count)
                if other not in (up, bus) and x[other] == x[up] and low < y[other] < high
            }
            assert not crossed
            along = [o for o in range(1, count) if o != bus and y[o] == y[bus] and x[o] == x[bus]]
            assert not along
            # Nor does the way up or down cross the level part of another branch.
            for other in range(1, count):
                if other != bus and x[parent[other]] < x[up] < x[other]:
                    assert not low < y[other] < high


def test_each_source_has_a_diagram_of_its_own():
    x, y, _ = lay_out_feeder(ways([(0, 1), (1, 2), (1, 3), (4, 5), (4, 6)], sources=(0, 4)))
    first, second = y[:4], y[4:]
    assert first.min() > second.max()
    assert x[4] == x[0] == 0


def test_places_are_those_of_the_topology_that_reaches_more(saved, losses):
    def nowhere(rows):
        return rows.assign(x_map=np.nan, y_map=np.nan)

    assert place_feeder(read_losses(saved).grid, *closed_of(read_losses(saved))).is_map
    change(losses, "grid_buses", nowhere)
    found = read_losses(losses)
    before, after = closed_of(found)
    places = place_feeder(found.grid, before, after)
    assert not places.is_map
    # Before, b2 is two branches from the source; the tie to b4 is a bow of many points.
    assert places.x.tolist() == [0, 1, 2, 1, 2]
    assert [len(path) for path in places.paths] == [2, 2, 3, 2, 17]
    dark = before.copy()
    dark[0] = False
    assert place_feeder(found.grid, dark, after).x.tolist() == [0, 1, 3, 1, 2]
    for places_, closed in ((places, before), (place_feeder(found.grid, dark, after), after)):
        for row in np.flatnonzero(closed):
            a, b = (int(ends[row]) for ends in (found.grid.ways.from_bus, found.grid.ways.to_bus))
            ends = {tuple(places_.paths[row][k]) for k in (0, -1)}
            assert ends == {(places_.x[a], places_.y[a]), (places_.x[b], places_.y[b])}
    # A branch of the tree turns a corner at most; a bow has many points.
    lengths = [len(path) for path in place_feeder(found.grid, dark, after).paths]
    assert [length <= 3 for length in lengths] == after.tolist()
    page = page_of(losses)
    assert "The grid file has no coordinates" in page
    assert Page(page).sections == LOSS_SECTIONS


def closed_of(found):
    return found.closed["before"], found.closed["after"]


def test_a_bus_stands_where_it_is_fed_from(saved):
    found = read_losses(saved)
    assert profile_section.has_plain_lengths(found.grid)
    before, after = (profile_section.distances(found.grid, closed) for closed in closed_of(found))
    assert before.tolist() == [0, 1, 2, 1, 2]
    assert after.tolist() == [0, 1, 3, 1, 2]
