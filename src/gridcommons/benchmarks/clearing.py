"""Clearing of a flexibility market between two parties, beside one program that sees everything."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcommons.benchmarks.markets import MarketSize, feeder, least_cost, random_market
from gridcommons.benchmarks.timing import measure
from gridcommons.flexibility.central_clearing import clear_centrally
from gridcommons.flexibility.clearing import clear_market

FEEDERS = 100
USUAL_ROUNDS = 180
"""Most rounds of the design's usual clearing."""


def clearing(load_points: int = 500, aggregators: int = 50, repeats: int = 3) -> dict[str, Any]:
    """One large market by rounds between two parties in this process, and by one program."""
    size = MarketSize(load_points=load_points, aggregators=aggregators)
    market = random_market(np.random.default_rng(1), size)
    offers, settings = market.offers, market.settings

    def rounds() -> object:
        return clear_market(offers, market.dso, settings)

    def centrally() -> object:
        return clear_centrally(offers, market.rows, market.cap_per_kwh, settings)

    between, central = measure(rounds, repeats), measure(centrally, repeats)
    cleared = clear_market(offers, market.dso, settings)
    least, _ = least_cost(market)
    return {
        "load_points": load_points,
        "aggregators": aggregators,
        "offers": len(offers),
        "limits": len(market.rows),
        "rounds": len(cleared.rounds),
        "between_parties_s": between.median,
        "central_s": central.median,
        "ratio": between.median / central.median,
        "objective_gap_share": abs(float(cleared.rounds.objective[-1]) - least) / least,
        "worst_excess_kw": float(cleared.excess_kw.max()),
        "goal": "ratio at most 10, objective within 0.1 %, limits within 0.1 kW",
    }


def clearing_feeders(count: int = FEEDERS) -> dict[str, Any]:
    """How many rounds random feeders take, and how near they come to the least cost."""
    rounds, gaps, excess_kw, short = [], [], [], 0
    for seed in range(count):
        market = feeder(seed)
        cleared = clear_market(market.offers, market.dso, market.settings)
        least, shortage_kw = least_cost(market)
        rounds.append(len(cleared.rounds))
        gaps.append(abs(float(cleared.rounds.objective[-1]) - least) / least)
        excess_kw.append(float(cleared.excess_kw.max(initial=0.0)))
        short += bool(shortage_kw.sum() > 1e-6)
    tenth, median, ninth = np.quantile(rounds, (0.1, 0.5, 0.9)).tolist()
    return {
        "feeders": count,
        "short_of_flexibility": short,
        "rounds": {"tenth": tenth, "median": median, "ninth": ninth, "most": max(rounds)},
        "usual_rounds_share": float(np.mean(np.array(rounds) <= USUAL_ROUNDS)),
        "worst_objective_gap_share": max(gaps),
        "worst_excess_kw": max(excess_kw),
        "goal": "40 to 180 rounds, objective within 0.1 %, limits within 0.1 kW",
    }
