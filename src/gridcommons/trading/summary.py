"""The headline figures of a day of trading."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcommons.model.clusters import gap_share
from gridcommons.model.grid import FloatArray
from gridcommons.powerflow.switched_flows import broken_limits
from gridcommons.trading.day import Field, ScenarioDay
from gridcommons.trading.gap import Gap
from gridcommons.trading.tables import HOURS, comparison, least_fed_in_kwh


def summarise(
    field: Field, days: list[ScenarioDay], compared: list[ScenarioDay], gap: Gap | None
) -> dict[str, Any]:
    """Figures of each scenario, of the rounds and switches of the last, and of what it was compared with."""
    last = days[-1]
    return {
        "members": len(field.day.member),
        "clusters": len(field.clusters.graph.clusters),
        "minutes": field.day.minutes,
        "consumption_kwh": float(field.day.consumption_kw.sum() * HOURS),
        "generation_kwh": float((field.day.consumption_kw - field.day.p_kw).sum() * HOURS),
        "scenarios": {day.scenario: _of_scenario(field, day) for day in days},
        "conservation_kwh": _conservation_kwh(field, days),
        **_rounds_of(last),
        **_switching_of(last),
        **(_gap_of(gap) if last.scenario == "switched" else {}),
        "compared": _compared(field, compared),
        "rejected_orders": _sum_over_books(last, "rejections"),
        "clipped_orders": _sum_over_books(last, "clips"),
        "notes": [] if last.positions is None else list(last.positions.notes),
    }


def _of_scenario(field: Field, day: ScenarioDay) -> dict[str, Any]:
    row = {name: values[0] for name, values in comparison(field, [day]).items()}
    wanted = ("fed_in_kwh", "absorbed_kwh", "losses_kwh", "exchange_kwh", "bill_amount")
    figures: dict[str, Any] = {name: float(row[name]) for name in wanted}
    if day.flows is not None:
        figures["vm_min_pu"] = float(np.nanmin(day.flows.vm_pu[:, 0]))
        figures["vm_max_pu"] = float(np.nanmax(day.flows.vm_pu[:, 1]))
        figures["violation_minutes"] = len(np.unique(broken_limits(field.study, day.flows)[0]))
        figures["unserved_kwh"] = float(day.flows.unserved_kw.sum() * HOURS)
        figures["curtailed_kwh"] = float(day.flows.curtailed_kw.sum() * HOURS)
    if len(field.batteries) and day.battery is not None:
        figures["charged_kwh"] = float(np.maximum(day.battery.p_kw, 0.0).sum() * HOURS)
        figures["discharged_kwh"] = float(np.maximum(-day.battery.p_kw, 0.0).sum() * HOURS)
    if day.contracts is not None:
        figures["traded_kwh"] = float(day.contracts.energy_kwh.sum())
    return figures


def _conservation_kwh(field: Field, days: list[ScenarioDay]) -> float:
    """Worst |absorbed − fed in − losses − what the members draw, less what goes unserved| over scenarios."""
    drawn_kwh = float(field.day.p_kw.sum() * HOURS)
    worst = 0.0
    for day in days:
        lost_kw: FloatArray | float = 0.0
        if day.flows is not None:
            lost_kw = day.flows.unserved_kw - day.flows.curtailed_kw - day.flows.fixed_kw
        balance_kw = day.absorbed_kw - day.fed_in_kw - day.losses_kw + lost_kw - day.battery_kw.sum(axis=1)
        worst = max(worst, abs(float(balance_kw.sum() * HOURS) - drawn_kwh))
    return worst


def _rounds_of(day: ScenarioDay) -> dict[str, Any]:
    rounds = day.rounds
    if rounds is None:
        return {}
    return {
        "trigger": day.case.trigger,
        "threshold": day.case.threshold,
        "community_rounds": int(rounds.is_kind("community").sum()),
        "cluster_rounds": int(rounds.is_kind("cluster").sum()),
        "meter_readings": int(rounds.is_kind("meters").sum()),
        "storage_bytes": int(rounds.storage_bytes.sum()),
    }


def _switching_of(day: ScenarioDay) -> dict[str, Any]:
    placed = day.positions
    if placed is None or day.scenario != "switched":
        return {}
    return {
        "topology_changes": len(placed.changes),
        "operations": placed.operations,
        "operation_cost_amount": placed.cost_amount,
    }


def _gap_of(gap: Gap | None) -> dict[str, Any]:
    if gap is None:
        return {"gap_share": None}
    planned, best = gap.shortfalls_kwh
    return {
        "planned_fed_in_kwh": gap.planned_kwh,
        "best_fed_in_kwh": gap.best_kwh,
        "planned_shortfall_kwh": planned,
        "best_shortfall_kwh": best,
        "gap_share": gap_share((gap.planned_kwh, planned), (gap.best_kwh, best)),
    }


def _compared(field: Field, compared: list[ScenarioDay]) -> list[dict[str, Any]]:
    figures = []
    for day in compared:
        row = {name: values[0] for name, values in comparison(field, [day]).items()}
        figures.append(
            {
                "trigger": day.case.trigger,
                "threshold": day.case.threshold,
                "delay_minutes": day.case.delay_minutes,
                "fed_in_kwh": float(row["fed_in_kwh"]),
                "exchange_kwh": float(row["exchange_kwh"]),
                "excess_fed_in_kwh": float(row["fed_in_kwh"]) - least_fed_in_kwh(field, day),
                "community_rounds": int(row["community_rounds"]),
                "topology_changes": int(row["topology_changes"]),
                "storage_bytes": int(row["storage_bytes"]),
            }
        )
    return figures


def _sum_over_books(day: ScenarioDay, what: str) -> int:
    return 0 if day.contracts is None else sum(len(getattr(each.book, what)) for each in day.contracts.books)
