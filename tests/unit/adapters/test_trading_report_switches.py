"""The report of trading: switches, who they join, and what flows over them."""

import re
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.report.clusters import cluster_places, topology_table
from gridcommons.adapters.report.clusters.busiest import busiest_step, flows_at
from gridcommons.adapters.report.clusters.cluster_map import draw_cluster_map
from gridcommons.adapters.report.clusters.switch_day import Joined, SwitchDay, connected_parts
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import style
from gridcommons.adapters.report.tables import ResultTables
from gridcommons.adapters.report.trading import (
    told_section,
    topology_section,
)
from gridcommons.adapters.report.trading.material import read_material
from unit.adapters.test_trading_reports import COMPARED, cells, labels, page_of, plain, put, trade


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
    assert topology_table.group_words(day.joined_at(2)[1]) == (
        "b and c without a way to the main grid".replace(" ", "\u00a0")
    )
    assert plain(topology_table.group_words(day.joined_at(0)[0])) == "a, b and c over pcc a and pcc c"


def test_parts_that_branches_connect_share_a_number():
    label = connected_parts(6, np.array([[0, 1], [4, 5], [1, 4], [0, 5]]))
    assert len(set(label[[0, 1, 4, 5]])) == 1
    assert len(set(label)) == 3
    pairs = connected_parts(4, np.array([[0, 1], [2, 3], [0, 3]]))
    assert len(set(pairs)) == 1


def test_the_busiest_minute_is_that_of_most_given_not_of_a_spike():
    given = np.zeros((120, 4))
    given[10] = [40.0, 0.0, 0.0, 0.0]
    # Through a cluster flows what the main grid delivers: nobody gives that.
    given[90:110] = [0.0, -30.0, 0.0, 30.0]
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
    closed[:100:2, 0] = ~closed[:100:2, 0]
    table = topology_section.topology_table(found, SwitchDay(**{**vars_of(day), "closed": closed}))
    assert "The 12 that lasted longest; all 100 stand below." in plain(table)
    short = cells(table.partition("<details>")[0])
    assert len(short) == 13
    assert short[-1][:2] == ["13:39", "the end"]
    assert len(cells(table.partition("<details>")[2])) == 101


def vars_of(day):
    return {name: getattr(day, name) for name in SwitchDay.__dataclass_fields__}


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


def test_no_tree_can_be_turned_to_make_links_shorter(tmp_path):
    day = switch_day()
    places = cluster_places.place_clusters(grid_tables(tmp_path), day, {"m": "a", "n": "b", "o": "c"})
    a, b = places.switch_ends[day.is_link].T

    def length(x, y):
        return np.hypot(x[a] - x[b], y[a] - y[b]).sum()

    best = length(places.x, places.y)
    for cluster in range(3):
        mine = places.cluster == cluster
        for axis in range(2):
            turned = [places.x.copy(), places.y.copy()]
            values = turned[axis][mine]
            turned[axis][mine] = values.min() + values.max() - values
            assert length(*turned) >= best - 1e-9


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
