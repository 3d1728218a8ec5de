"""Who pays what for a day: trades at their prices, the rest with the main grid, and what the meters differ.

A member pays for its trades, and for what it exchanges beside them at the main grid's prices. The main grid
is paid by the meters at the connections. The two differ by what flows inside without a trade, and by losses:
the difference belongs to the community and is shared by consumption. So the bills always add up to what the
main grid gets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.trading.community_day import CommunityDay


@dataclass(frozen=True, eq=False)
class Bills:
    """Money of each member over a day, shape (members,) each [currency]; paid is positive.

    Parameters
    ----------
    trades_amount : FloatArray
        Paid to other members, negative where received.
    grid_amount : FloatArray
        For what was exchanged beside the trades, at the main grid's prices.
    battery_amount : FloatArray
        For the share of batteries that are owned together, negative where it earns.
    shared_amount : FloatArray
        Share of what the community owes beside that, negative where something is left to be shared out.
    main_grid_amount : float
        What the main grid gets from all.
    """

    trades_amount: FloatArray
    grid_amount: FloatArray
    battery_amount: FloatArray
    shared_amount: FloatArray
    main_grid_amount: float

    @property
    def bill_amount(self) -> FloatArray:
        """What each member pays in all, shape (members,) [currency]."""
        return self.trades_amount + self.grid_amount + self.battery_amount + self.shared_amount


def bills_alone(day: CommunityDay) -> Bills:
    """Each member by itself with the main grid, its own meter read every minute."""
    grid_amount = _at_grid_prices(day, day.p_kw).sum(axis=0)
    nothing = np.zeros(len(day.member))
    return Bills(nothing, grid_amount, nothing, nothing, float(grid_amount.sum()))


def bills_together(
    day: CommunityDay,
    contracted: tuple[FloatArray, FloatArray],
    exchange_kw: FloatArray,
    battery_amount: FloatArray,
) -> Bills:
    """Members that trade, behind connections whose meters the main grid reads.

    Parameters
    ----------
    day : CommunityDay
        Measurements and prices.
    contracted : tuple of (minutes, members)
        What is bought from other members [kW] and paid for it [currency/h].
    exchange_kw : (minutes, connections)
        What the main grid delivers at each connection [kW].
    battery_amount : (members,)
        What each pays for its share of batteries that are owned together [currency].
    """
    bought_kw, paid_per_h = contracted
    trades_amount = paid_per_h.sum(axis=0) / 60.0
    grid_amount = _at_grid_prices(day, day.p_kw - bought_kw).sum(axis=0)
    main_grid_amount = float(_at_grid_prices(day, exchange_kw).sum())
    consumed = day.consumption_kw.sum(axis=0)
    share = consumed / consumed.sum() if consumed.any() else np.full(len(consumed), 1.0 / len(consumed))
    shared_amount = share * (main_grid_amount - float((grid_amount + trades_amount + battery_amount).sum()))
    return Bills(trades_amount, grid_amount, battery_amount, shared_amount, main_grid_amount)


def _at_grid_prices(day: CommunityDay, p_kw: FloatArray) -> FloatArray:
    """Cost of net power at the retail price, and at the feed-in price where it is negative [currency]."""
    price = np.where(p_kw > 0.0, day.retail_price_per_kwh[:, None], day.feed_in_price_per_kwh[:, None])
    return np.asarray(p_kw * price / 60.0)
