"""The headline figures of scheduling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gridcommons.model.study import Study
from gridcommons.scheduling.horizon_result import (
    HorizonResult,
    intervals_out,
    provided_by_kind,
    resource_cost,
)
from gridcommons.scheduling.settings import Settings

NOTHING_KVARH = 1e-6
"""What a kind of asset moved that is rounding, and no reactive energy."""


def summarise(study: Study, settings: Settings, results: Sequence[HorizonResult]) -> dict[str, Any]:
    """Figures of the window: what communities pay, what the voltages were, and what was bought."""
    return {
        "communities": _communities(settings, results),
        "horizons": len(results),
        "worst_gap_share": max(
            (size.gap_share for each in results for size in each.sizes.values()), default=0.0
        ),
        "intervals_called": sum(len(each.outcome.called) for each in results),
        "rounds": max(each.outcome.rounds for each in results),
        "vm_min_alone_pu": min(float(np.nanmin(each.outcome.before.solution.vm_pu())) for each in results),
        "vm_max_alone_pu": max(float(np.nanmax(each.outcome.before.solution.vm_pu())) for each in results),
        "vm_min_pu": min(float(np.nanmin(each.outcome.after.solution.vm_pu())) for each in results),
        "vm_max_pu": max(float(np.nanmax(each.outcome.after.solution.vm_pu())) for each in results),
        "intervals_out_of_band_alone": sum(intervals_out(each, each.outcome.before) for each in results),
        "intervals_out_of_band": sum(intervals_out(each, each.outcome.after) for each in results),
        "bought_kvarh": float(
            sum(np.abs(each.outcome.bought_kvar).sum() * each.time.step_hours for each in results)
        ),
        "paid": float(sum(each.paid.sum() for each in results)),
        "resource_cost": float(sum(sum(resource_cost(each).values()) for each in results)),
        "provided_kvarh": _provided(study, results),
        "short_kvarh": float(
            sum(
                abs(kvar) * each.time.step_hours
                for each in results
                for rows in each.outcome.short.values()
                for _, kvar in rows
            )
        ),
        "losses_alone_kwh": _losses(results, "before"),
        "losses_kwh": _losses(results, "after"),
        "refused": sorted({refusal.community for each in results for refusal in each.refusals}),
    }


def _communities(settings: Settings, results: Sequence[HorizonResult]) -> dict[str, Any]:
    fee = settings.reactive_fee_per_kvarh
    figures: dict[str, Any] = {}
    for name in results[0].final:
        costs = [each.cost_of(name, fee) for each in results]
        paid = sum(each.paid_to(name) for each in results)
        hours = results[0].time.step_hours
        figures[name] = {
            "cost_alone": sum(cost[0] for cost in costs),
            "cost": sum(cost[1] for cost in costs) - paid,
            "paid": paid,
            "resource_cost": sum(resource_cost(each)[name] for each in results),
            "import_kwh": _energy(results, name, 1.0) * hours,
            "export_kwh": _energy(results, name, -1.0) * hours,
            "shed_kwh": float(sum(each.final[name].shed_kw.sum() for each in results) * hours),
        }
    return figures


def _energy(results: Sequence[HorizonResult], name: str, sign: float) -> float:
    return float(sum(np.maximum(sign * each.final[name].p_kw.sum(axis=0), 0.0).sum() for each in results))


def _provided(study: Study, results: Sequence[HorizonResult]) -> dict[str, float]:
    kind_of = {asset.asset: asset.kind for asset in study.community.assets}
    total: dict[str, float] = {}
    for each in results:
        for kind, amount in provided_by_kind(each, kind_of).items():
            total[kind] = total.get(kind, 0.0) + amount
    return {kind: amount for kind, amount in total.items() if amount > NOTHING_KVARH}


def _losses(results: Sequence[HorizonResult], when: str) -> float:
    return float(
        sum(getattr(each.outcome, when).solution.losses_kw().sum() * each.time.step_hours for each in results)
    )
