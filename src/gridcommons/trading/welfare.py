"""The linear program of largest welfare, and the market that clears by it.

    max  Σ bid·x_b − Σ ask·x_s   where  Σ x_b = Σ x_s  and  0 ≤ x ≤ energy on offer

Orders of one side and price are one variable. The dual of the balance is the price of energy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.model.orders import Orders, Trades, no_trades
from gridcommons.optimisation.solve import LinearProgram, Optimum, solve
from gridcommons.trading.crossing import Curve, Rationing, accept_at, level_starts, make_curves, prices_cross
from gridcommons.trading.pairing import make_trades, one_price

AT_BOUND_SHARE = 1e-9
"""A variable this close to a bound, as a share of its range, is at the bound."""


@dataclass(frozen=True)
class Welfare:
    """Clears by the linear program of largest welfare, all at its dual price.

    Where several duals are optimal, the price is the midpoint of them, as in the double auction; at a tie
    of the margin as much is traded as prices allow, and orders of one price share in proportion.
    """

    name: str = "welfare"

    def clear(self, orders: Orders) -> Trades:
        """Trades of a checked book.

        Raises
        ------
        NotConvergedError
            The solver found no optimum.
        """
        demand, supply = make_curves(orders)
        if not prices_cross(demand, supply):
            return no_trades()
        low, high = optimal_duals(maximise_welfare(demand, supply))
        price_per_kwh = 0.5 * (low + high)
        accepted_kwh = accept_at(price_per_kwh, demand, supply, Rationing())
        return make_trades(demand, supply, accepted_kwh, one_price(price_per_kwh))


@dataclass(frozen=True, eq=False)
class LevelOptimum:
    """The optimum by price level.

    Parameters
    ----------
    bids, asks : (levels,)
        Distinct prices of each side [per kWh].
    bought, sold : (levels,)
        Whether some of a level is accepted.
    unbought, unsold : (levels,)
        Whether some of it is not.
    welfare : float
        Largest welfare [currency].
    dual_price_per_kwh : float
        The solver's dual of the energy balance; one of the optimal ones.
    """

    bids: FloatArray
    asks: FloatArray
    bought: BoolArray
    sold: BoolArray
    unbought: BoolArray
    unsold: BoolArray
    welfare: float
    dual_price_per_kwh: float


def maximise_welfare(demand: Curve, supply: Curve) -> LevelOptimum:
    """The largest welfare of a book with both sides, as a linear program."""
    (bids, bid_kwh), (asks, asked_kwh) = _levels(demand), _levels(supply)
    kwh = np.concatenate([bid_kwh, asked_kwh])
    # Nobody trades more than the whole other side offers; in shares of that, the solver's tolerances mean
    # the same in every book. A bound at twice as much never binds, so that it has no part in the dual.
    unit_kwh = float(min(bid_kwh.sum(), asked_kwh.sum()))
    upper = np.minimum(kwh / unit_kwh, 2.0)
    optimum = _balance_energy(np.concatenate([-bids, asks]), upper, len(bids))
    some = optimum.x > AT_BOUND_SHARE * upper
    not_all = optimum.x * unit_kwh < (1.0 - AT_BOUND_SHARE) * kwh
    return LevelOptimum(
        bids=bids,
        asks=asks,
        bought=some[: len(bids)],
        sold=some[len(bids) :],
        unbought=not_all[: len(bids)],
        unsold=not_all[len(bids) :],
        welfare=-optimum.objective * unit_kwh,
        dual_price_per_kwh=float(optimum.mu[0] - optimum.mu[1]),
    )


def optimal_duals(found: LevelOptimum) -> tuple[float, float]:
    """Lowest and highest optimal price, by complementary slackness.

    Energy that is bought must be worth the price, energy that is not must not be worth more; energy that is
    sold must not cost more, energy that is not must cost the price at least. This holds with every optimum,
    so it does not matter which one the solver has found.
    """
    low = np.concatenate([found.bids[found.unbought], found.asks[found.sold]]).max(initial=-np.inf)
    high = np.concatenate([found.bids[found.bought], found.asks[found.unsold]]).min(initial=np.inf)
    return float(low), float(high)


def most_welfare(orders: Orders) -> float:
    """The largest welfare that any mechanism can reach in this book [currency]."""
    demand, supply = make_curves(orders)
    return maximise_welfare(demand, supply).welfare if prices_cross(demand, supply) else 0.0


def welfare_of(orders: Orders, trades: Trades) -> float:
    """What the traded energy is worth to its buyers above what it is to its sellers [currency]."""
    worth = orders.price_per_kwh[trades.buy] - orders.price_per_kwh[trades.sell]
    return float(trades.energy_kwh @ worth)


def _levels(side: Curve) -> tuple[FloatArray, FloatArray]:
    starts = level_starts(side.price_per_kwh)
    return side.price_per_kwh[starts], np.add.reduceat(side.energy_kwh, starts)


def _balance_energy(cost: FloatArray, upper: FloatArray, buys: int) -> Optimum:
    """Least cost where as much is bought as is sold; the balance is two rows, since rows are ≤."""
    sign = np.where(np.arange(len(cost)) < buys, 1.0, -1.0)
    return solve(
        LinearProgram(
            cost=cost,
            matrix=csr_array(np.stack([sign, -sign])),
            row_max=np.zeros(2),
            lower=np.zeros(len(cost)),
            upper=upper,
        )
    )
