"""The report of trading: orders, trades, their prices, and who pays what."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.trading import (
    order_section,
    price_section,
)
from gridcommons.adapters.report.trading.material import read_material
from gridcommons.adapters.report.trading.money_section import Bills, money_section, read_bills
from unit.adapters.test_trading_reports import (
    COMPARED,
    cells,
    change,
    labels,
    page_of,
    plain,
    put,
    trade,
)


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
        assert f"{words} {plain(energy(mine['energy_kwh'].sum()))}" in labels(page_of(traded))["trades"]
    assert f"{len(rows)} trades (switched) at" in plain(body)


def test_the_band_of_prices_is_that_of_the_orders_and_holds_until_the_next_round(day):
    (day / "grid_prices.parquet").unlink()
    orders = pq.read_table(day / "orders.parquet").to_pandas()
    band = price_section.price_band(read_material(day))
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
