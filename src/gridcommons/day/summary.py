"""The headline figures of a day."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcommons.day.bills import flexibility_accounts
from gridcommons.day.reactive_delivery import missed_kvar, replanned
from gridcommons.day.tables import ALONE, BASELINE, PLANNED, REALISED, Told, switches_moved
from gridcommons.day.violations import find_broken
from gridcommons.day.worth import cold_kelvin_hours, held_back_kw, ledger_of, missing_kwh
from gridcommons.model.money import balance

ROUNDING = 0.025
"""What a bill of several rounded lines may be above another and is no dearer [currency]."""


def summarise(told: Told) -> dict[str, Any]:
    """What happened, in a few figures; ``docs/results.md`` explains each."""
    field, day = told.field, told.day
    hours = field.study.time.step_hours
    broken = {name: find_broken(field, flow) for name, flow in told.flows.items()}
    count = {name: len(rows.counted()) for name, rows in broken.items()}
    peak = {name: float(p_kw.sum(axis=1).max()) for name, p_kw in told.power_kw.items()}
    loading = {name: float(np.nanmax(flow.loading_percent)) for name, flow in told.flows.items()}
    return {
        "members": len(field.study.community.members),
        "instruments": list(day.instruments),
        "broken_alone": count[ALONE],
        "broken_baseline": count[BASELINE],
        "broken_planned": count[PLANNED],
        "broken": count[REALISED],
        "peak_alone_kw": peak[ALONE],
        "peak_kw": peak[REALISED],
        "worst_loading_alone_percent": loading[ALONE],
        "worst_loading_baseline_percent": loading[BASELINE],
        "worst_loading_percent": loading[REALISED],
        "held_back_kwh": float(held_back_kw(field, day).sum()) * hours,
        "missing_kwh": missing_kwh(field, day.done),
        "cold_kelvin_hours": cold_kelvin_hours(field, day.done),
        **_flexibility(told),
        **_reactive(told),
        "switches_moved": 0 if day.switched is None else int(switches_moved(field, day.switched).sum()),
        "traded_kwh": 0.0 if day.trades is None else float(day.trades.bought_kwh.sum()),
        **_money(told),
    }


def _reactive(told: Told) -> dict[str, float]:
    """Reactive energy of communities, and how often they planned anew within the day."""
    sold, hours = told.day.scheduled, told.field.study.time.step_hours
    if sold is None:
        return {"reactive_bought_kvarh": 0.0, "reactive_missed_kvarh": 0.0, "communities_replanned": 0}
    missed = missed_kvar(told.field, sold, told.day.done)
    return {
        "reactive_bought_kvarh": float(np.abs(sold.sold_kvar).sum()) * hours,
        "reactive_missed_kvarh": float(missed.sum()) * hours,
        "communities_replanned": int(replanned(sold).sum()),
    }


def _flexibility(told: Told) -> dict[str, float]:
    if told.day.market is None:
        return {"flexibility_bought_kwh": 0.0, "flexibility_missed_kwh": 0.0, "flexibility_paid": 0.0}
    hours = told.field.study.time.step_hours
    accounts, _ = flexibility_accounts(ledger_of(told.field, told.day, told.flows[REALISED]))
    return {
        "flexibility_bought_kwh": float(told.day.market.ordered_kw.sum()) * hours,
        "flexibility_missed_kwh": float(told.missed_kw.sum()) * hours,
        "flexibility_paid": sum(each.revenue - each.penalty for each in accounts),
    }


def _money(told: Told) -> dict[str, Any]:
    if not told.postings:
        return {"settled": False}
    left = balance(told.postings)
    members = [member.member for member in told.field.study.community.members]
    paid = np.array([-float(left.get(name, 0)) for name in members])
    dearer = paid - told.cost_alone > ROUNDING
    return {
        "settled": True,
        "cost_alone": float(told.cost_alone.sum()),
        "cost": float(paid.sum()),
        "members_worse_off": int(dearer.sum()),
        "worst_loss": float((paid - told.cost_alone).max(initial=0.0)),
        "operator_gets": float(left.get("DSO", 0)),
        "postings_sum": float(sum(each.amount for each in told.postings)),
    }
