"""Books of orders written as rows, for tests of trading."""

from __future__ import annotations

import numpy as np

from gridcommons.model.orders import Orders, PriceBand


def book_of(rows, band: PriceBand, expires_step=5) -> Orders:
    """Orders of (id, member, cluster, side, energy, price) with one last step, or a step each."""
    ids, members, clusters, sides, kwh, prices = zip(*rows, strict=True)
    return Orders(
        order=ids,
        member=members,
        cluster=clusters,
        is_buy=np.array([side == "buy" for side in sides]),
        energy_kwh=np.array(kwh, dtype=float),
        price_per_kwh=np.array(prices, dtype=float),
        expires_step=np.broadcast_to(np.array(expires_step, dtype=np.int64), len(ids)),
        band=band,
    )
