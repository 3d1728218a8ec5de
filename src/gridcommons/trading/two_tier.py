"""The two tiers of the local market: clusters by themselves, then the community of clusters.

What both leave is exchanged with the main grid at its prices or, where it is not available, goes unserved
and is curtailed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.model.errors import GridcommonsError, did_you_mean
from gridcommons.model.grid import FloatArray, IntArray, Names
from gridcommons.model.orders import Orders, Trades, join_trades
from gridcommons.trading.crossing import EQUAL_SHARE
from gridcommons.trading.mechanism import Mechanism
from gridcommons.trading.pairing import Pairs, lay_side_by_side


@dataclass(frozen=True, eq=False)
class ClusterCurves:
    """What clusters bring to the community market: no members, only what is unmatched at which price.

    Parameters
    ----------
    orders : Orders
        One order a cluster, side and price; its member is the cluster.
    level : (member orders,)
        Row in ``orders`` that holds the rest of each member's order; -1 where nothing is left.
    """

    orders: Orders
    level: IntArray


@dataclass(frozen=True, eq=False)
class TwoTiers:
    """What was traded in each tier, what is left, and the money of it.

    Parameters
    ----------
    orders : Orders
        The book; rows of trades count in it.
    cluster_trades : Trades
        Tier 1: between members of one cluster.
    curves : ClusterCurves
        What the clusters brought to tier 2.
    curve_trades : Trades
        Tier 2 between clusters; rows count in ``curves.orders``.
    community_trades : Trades
        The same between members.
    rest_kwh : (orders,)
        What neither tier has matched of each order [kWh].
    """

    orders: Orders
    cluster_trades: Trades
    curves: ClusterCurves
    curve_trades: Trades
    community_trades: Trades
    rest_kwh: FloatArray

    @cached_property
    def trades(self) -> Trades:
        """Trades of both tiers between members."""
        return join_trades([self.cluster_trades, self.community_trades])

    @property
    def grid_kwh(self) -> FloatArray:
        """What is exchanged with the main grid of each order, a magnitude, shape (orders,) [kWh]."""
        return self.rest_kwh if self.orders.band.main_grid_available else np.zeros(len(self.orders))

    @property
    def unserved_kwh(self) -> FloatArray:
        """Demand that nobody serves, for want of a main grid, shape (orders,) [kWh]."""
        return np.where(self.orders.is_buy, self.rest_kwh - self.grid_kwh, 0.0)

    @property
    def curtailed_kwh(self) -> FloatArray:
        """Generation that nobody takes, for want of a main grid, shape (orders,) [kWh]."""
        return np.where(self.orders.is_buy, 0.0, self.rest_kwh - self.grid_kwh)

    @cached_property
    def clusters(self) -> ClusterBalances:
        """Energy of each cluster over both tiers."""
        return _balance_clusters(self)

    @cached_property
    def members(self) -> MemberAmounts:
        """Money of each member."""
        return _settle_members(self)


@dataclass(frozen=True, eq=False)
class ClusterBalances:
    """Energy of each cluster; demand − supply = bought − sold + deficit − surplus.

    Parameters
    ----------
    cluster : tuple of str
        Clusters with orders, sorted.
    demand_kwh, supply_kwh : (clusters,)
        Energy of their members' orders [kWh].
    within_kwh : (clusters,)
        Traded between their own members, in either tier [kWh].
    bought_kwh, sold_kwh : (clusters,)
        Traded with other clusters [kWh].
    deficit_kwh, surplus_kwh : (clusters,)
        What is left for the main grid [kWh].
    """

    cluster: Names
    demand_kwh: FloatArray
    supply_kwh: FloatArray
    within_kwh: FloatArray
    bought_kwh: FloatArray
    sold_kwh: FloatArray
    deficit_kwh: FloatArray
    surplus_kwh: FloatArray

    @property
    def net_kwh(self) -> FloatArray:
        """What each draws from the main grid after both tiers, negative where it feeds in [kWh]."""
        return self.deficit_kwh - self.surplus_kwh


@dataclass(frozen=True, eq=False)
class MemberAmounts:
    """Money of each member; what the main grid pays and gets is part of it.

    Parameters
    ----------
    member : tuple of str
        Members with orders, sorted.
    paid_amount, received_amount : (members,)
        For what was bought and sold, in the market and with the main grid [currency].
    """

    member: Names
    paid_amount: FloatArray
    received_amount: FloatArray

    @property
    def bill_amount(self) -> FloatArray:
        """What each owes, negative where it gets money, shape (members,) [currency]."""
        return self.paid_amount - self.received_amount


def clear_two_tiers(
    orders: Orders, mechanism_of_cluster: Mapping[str, Mechanism], community: Mechanism
) -> TwoTiers:
    """Both tiers of the market of one interval.

    Parameters
    ----------
    orders : Orders
        Checked orders of all clusters.
    mechanism_of_cluster : mapping of str to Mechanism
        The mechanism that each cluster has chosen.
    community : Mechanism
        That of the market between clusters.

    Raises
    ------
    GridcommonsError
        A cluster with orders has no mechanism.

    Notes
    -----
    Source: the two-tier community market, §3.2. The rest of an order goes to the main grid at the band's
    prices whatever its limit: it is energy that flows. A cluster whose own mechanism leaves orders that
    cross (``mid_market_rate``, ``merit_order_literal``) may trade within itself in the second tier.
    """
    cluster_trades = _clear_clusters(orders, mechanism_of_cluster)
    rest_kwh = _rest(orders.energy_kwh, orders, cluster_trades)
    curves = make_cluster_curves(orders, rest_kwh)
    curve_trades = community.clear(curves.orders)
    community_trades = _give_to_members(orders, rest_kwh, curves, curve_trades)
    return TwoTiers(
        orders=orders,
        cluster_trades=cluster_trades,
        curves=curves,
        curve_trades=curve_trades,
        community_trades=community_trades,
        rest_kwh=_rest(rest_kwh, orders, community_trades),
    )


def _clear_clusters(orders: Orders, mechanism_of_cluster: Mapping[str, Mechanism]) -> Trades:
    names, cluster = _codes(orders.cluster)
    trades = []
    for code, name in enumerate(names):
        if name not in mechanism_of_cluster:
            hint = did_you_mean(name, mechanism_of_cluster)
            raise GridcommonsError(
                f"cluster market: found orders of cluster {name!r}, expected a mechanism for it, there are "
                f"some for {', '.join(mechanism_of_cluster) or 'none'}" + (f"; {hint}" if hint else "")
            )
        rows = np.flatnonzero(cluster == code)
        trades.append(mechanism_of_cluster[name].clear(orders.take(rows)).at_rows(rows))
    return join_trades(trades)


def _rest(energy_kwh: FloatArray, orders: Orders, trades: Trades) -> FloatArray:
    """What trades leave of each order; what is rounding against the order is nothing."""
    rest_kwh = energy_kwh - trades.traded_kwh(len(orders))
    return np.where(rest_kwh > EQUAL_SHARE * orders.energy_kwh, rest_kwh, 0.0)


def make_cluster_curves(orders: Orders, rest_kwh: FloatArray) -> ClusterCurves:
    """Purchase and sale curve of each cluster, from what its market has left of each order.

    Parameters
    ----------
    orders : Orders
        The book.
    rest_kwh : (orders,)
        What is left of each order [kWh].
    """
    cluster = _codes(orders.cluster)[1]
    keys = (orders.rank, orders.price_per_kwh, orders.is_buy, cluster)
    row = np.lexsort(keys)
    row = row[rest_kwh[row] > 0.0]
    changes = [np.diff(key[row]) != 0 for key in keys[1:]]
    starts = np.concatenate(
        [np.zeros(min(len(row), 1), np.int64), np.flatnonzero(np.any(changes, axis=0)) + 1]
    )
    level = np.full(len(orders), -1, dtype=np.int64)
    level[row] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(row)))
    first = orders.take(row[starts])
    sides = ("buy" if is_buy else "sell" for is_buy in first.is_buy.tolist())
    points = zip(first.cluster, sides, first.price_per_kwh.tolist(), strict=True)
    curves = Orders(
        order=tuple(f"{name} {side} {price!r}" for name, side, price in points),
        member=first.cluster,
        cluster=first.cluster,
        is_buy=first.is_buy,
        energy_kwh=np.add.reduceat(rest_kwh[row], starts),
        price_per_kwh=first.price_per_kwh,
        expires_step=np.minimum.reduceat(orders.expires_step[row], starts),
        band=orders.band,
    )
    return ClusterCurves(curves, level)


def _give_to_members(orders: Orders, rest_kwh: FloatArray, curves: ClusterCurves, trades: Trades) -> Trades:
    """Trades between clusters as trades between the members behind them.

    A trade names a cluster's price, so it is the orders at this price that trade, in proportion to what is
    left of them; who of them meets whom is decided by ids.
    """
    traded_kwh = trades.traded_kwh(len(curves.orders))
    share = np.append(traded_kwh / curves.orders.energy_kwh, 0.0)
    traded_of_order = rest_kwh * share[curves.level]
    row = np.lexsort((orders.rank, curves.level))
    row = row[curves.level[row] >= 0]
    by_buyer = _divide(trades.buy, trades.energy_kwh, row, (curves.level, traded_of_order))
    sell = trades.sell[by_buyer.first]
    by_seller = _divide(sell, by_buyer.energy_kwh, row, (curves.level, traded_of_order))
    parent = by_buyer.first[by_seller.first]
    return Trades(
        buy=by_buyer.second[by_seller.first],
        sell=by_seller.second,
        energy_kwh=by_seller.energy_kwh,
        price_per_kwh=trades.price_per_kwh[parent],
    )


def _divide(
    level_of_trade: IntArray, energy_kwh: FloatArray, row: IntArray, orders: tuple[IntArray, FloatArray]
) -> Pairs:
    """Each trade of a level divided among the orders of this level: (trade, row of order, energy)."""
    level_of_order, traded_kwh = orders
    mine = row[np.isin(level_of_order[row], level_of_trade)]
    trade = np.argsort(level_of_trade, kind="stable")
    pairs = lay_side_by_side(energy_kwh[trade], traded_kwh[mine])
    first, second = trade[pairs.first], mine[pairs.second]
    # Both sides of a level are equal but for rounding: an overlap with the next level is nothing else.
    real = level_of_trade[first] == level_of_order[second]
    return Pairs(first[real], second[real], pairs.energy_kwh[real])


def _codes(names: Names) -> tuple[Names, IntArray]:
    """Distinct names, sorted, and the number of each name among them."""
    distinct = tuple(sorted(set(names)))
    number = {name: code for code, name in enumerate(distinct)}
    return distinct, np.array([number[name] for name in names], dtype=np.int64)


def _balance_clusters(result: TwoTiers) -> ClusterBalances:
    orders, trades = result.orders, result.trades
    names, cluster = _codes(orders.cluster)
    buyer, seller = cluster[trades.buy], cluster[trades.sell]
    across = np.where(buyer != seller, trades.energy_kwh, 0.0)

    def total(code: IntArray, energy_kwh: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(code, energy_kwh, len(names)))

    return ClusterBalances(
        cluster=names,
        demand_kwh=total(cluster, np.where(orders.is_buy, orders.energy_kwh, 0.0)),
        supply_kwh=total(cluster, np.where(orders.is_buy, 0.0, orders.energy_kwh)),
        within_kwh=total(buyer, trades.energy_kwh - across),
        bought_kwh=total(buyer, across),
        sold_kwh=total(seller, across),
        deficit_kwh=total(cluster, np.where(orders.is_buy, result.rest_kwh, 0.0)),
        surplus_kwh=total(cluster, np.where(orders.is_buy, 0.0, result.rest_kwh)),
    )


def _settle_members(result: TwoTiers) -> MemberAmounts:
    orders, trades, band = result.orders, result.trades, result.orders.band
    names, member = _codes(orders.member)
    retail = np.where(orders.is_buy, result.grid_kwh * band.retail_price_per_kwh, 0.0)
    feed_in = np.where(orders.is_buy, 0.0, result.grid_kwh * band.feed_in_price_per_kwh)

    def total(row: IntArray, amount: FloatArray, of_grid: FloatArray) -> FloatArray:
        return np.asarray(
            np.bincount(member[row], amount, len(names)) + np.bincount(member, of_grid, len(names))
        )

    return MemberAmounts(
        member=names,
        paid_amount=total(trades.buy, trades.amount, retail),
        received_amount=total(trades.sell, trades.amount, feed_in),
    )
