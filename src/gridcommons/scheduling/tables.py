"""The tables of scheduling, as ``docs/results.md`` has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gridcommons.model.grid_tables import GridState, grid_tables
from gridcommons.model.money import pay
from gridcommons.model.results import Columns, text_column
from gridcommons.powerflow.solution import FlowSolution
from gridcommons.scheduling.community import Plan
from gridcommons.scheduling.grid_operator import TOLERANCE_PU
from gridcommons.scheduling.horizon_result import HorizonResult
from gridcommons.scheduling.requirements import OPERATOR

ALONE, BOUGHT = "alone", "bought"
"""Scenarios: with the schedules of the communities, and with what the grid operator bought."""


def tables_of(result: HorizonResult) -> Iterator[tuple[str, Columns]]:
    """Parts of all tables of a horizon."""
    yield "schedules", _schedules(result, result.final)
    yield "schedules_alone", _schedules(result, result.alone)
    for scenario, plans in ((ALONE, result.alone), (BOUGHT, result.final)):
        yield "community_exchange", _exchange(result, scenario, plans)
        yield "community_costs", _costs(result, scenario, plans)
    for scenario, sight in ((ALONE, result.outcome.before), (BOUGHT, result.outcome.after)):
        flow = sight.solution
        state = GridState(flow.vm_pu(), flow.p_from_kw(), flow.loading_percent())
        yield from grid_tables(flow.network.grid, result.stamps, scenario, state)
        yield "violations", _violations(result, scenario, sight.solution)
    yield "reactive_rounds", _rounds(result)
    yield "reactive_purchases", _purchases(result)
    yield "reactive_shortages", _shortages(result)
    yield "settlement", _settlement(result)
    yield "refusals", _refusals(result)


def _schedules(result: HorizonResult, plans: Mapping[str, Plan]) -> Columns:
    steps = result.time.steps
    rows = [(name, device) for name, plan in plans.items() for device in plan.devices]
    columns = {
        column: np.concatenate([getattr(device, column) for _, device in rows])
        for column in ("p_kw", "q_kvar", "heat_kw", "soc_share")
    }
    return {
        "time": np.tile(result.stamps, len(rows)),
        "community": np.repeat(text_column(name for name, _ in rows), steps),
        "asset": np.repeat(text_column(device.asset for _, device in rows), steps),
        **{name: values + 0.0 for name, values in columns.items()},
    }


def _exchange(result: HorizonResult, scenario: str, plans: Mapping[str, Plan]) -> Columns:
    steps = result.time.steps
    return {
        "time": np.tile(result.stamps, len(plans)),
        "scenario": text_column([scenario] * (steps * len(plans))),
        "community": np.repeat(text_column(plans), steps),
        "p_kw": np.concatenate([plan.p_kw.sum(axis=0) for plan in plans.values()]) + 0.0,
        "q_kvar": np.concatenate([plan.q_kvar.sum(axis=0) for plan in plans.values()]) + 0.0,
        "heat_kw": np.concatenate([plan.heat_kw for plan in plans.values()]) + 0.0,
        "shed_kw": np.concatenate([plan.shed_kw for plan in plans.values()]) + 0.0,
    }


def _costs(result: HorizonResult, scenario: str, plans: Mapping[str, Plan]) -> Columns:
    rows = [(name, item, amount) for name, plan in plans.items() for item, amount in plan.cost.items()]
    return {
        "time": np.repeat(result.stamps[:1], len(rows)),
        "scenario": text_column([scenario] * len(rows)),
        "community": text_column(name for name, _, _ in rows),
        "item": text_column(item for _, item, _ in rows),
        "amount": np.array([amount for _, _, amount in rows]) + 0.0,
    }


def _violations(result: HorizonResult, scenario: str, solution: FlowSolution) -> Columns:
    """Voltages out of their band, and branches above their rating."""
    limits, vm_pu = result.operator.limits, solution.vm_pu()
    grid = solution.network.grid
    parts = []
    for kind, names, value, limit, excess, tolerance in (
        ("vm_min_pu", grid.buses.name, vm_pu, limits.vm_min_pu, limits.vm_min_pu - vm_pu, TOLERANCE_PU),
        ("vm_max_pu", grid.buses.name, vm_pu, limits.vm_max_pu, vm_pu - limits.vm_max_pu, TOLERANCE_PU),
        (
            "loading_max_percent",
            grid.branches.name,
            solution.loading_percent(),
            limits.loading_max_percent,
            solution.loading_percent() - limits.loading_max_percent,
            100.0 * TOLERANCE_PU,
        ),
    ):
        step, place = np.nonzero(np.nan_to_num(excess, nan=-1.0) > tolerance)
        parts.append(
            {
                "time": result.stamps[step],
                "scenario": text_column([scenario] * len(step)),
                "element": text_column(names)[place],
                "kind": text_column([kind] * len(step)),
                "value": value[step, place],
                "limit": limit[step, place],
                "excess": excess[step, place],
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _rounds(result: HorizonResult) -> Columns:
    rows, connections = result.outcome.rows, result.operator.connections
    count = len(connections)
    step = np.array([row.step for row in rows], dtype=np.int64)
    buses = text_column(result.operator.network.grid.buses.name)
    return {
        "round": np.repeat(np.array([row.round for row in rows], dtype=np.int64), count),
        "community": np.tile(text_column(each.community for each in connections), len(rows)),
        "bus": np.tile(text_column(each.bus for each in connections), len(rows)),
        "time": np.repeat(result.stamps[step], count),
        "price": np.concatenate([np.zeros(0), *(row.price_per_kvarh for row in rows)]) + 0.0,
        "delta_q_kvar": np.concatenate([np.zeros(0), *(row.delta_kvar for row in rows)]) + 0.0,
        "worst_bus": np.repeat(buses[[row.worst_bus for row in rows]], count),
        "worst_vm_pu": np.repeat(np.array([row.worst_vm_pu for row in rows], dtype=np.float64), count),
    }


def _purchases(result: HorizonResult) -> Columns:
    outcome, connections = result.outcome, result.operator.connections
    hours = len(outcome.called)
    return {
        "time": np.tile(result.stamps[outcome.called], len(connections)),
        "community": np.repeat(text_column(each.community for each in connections), hours),
        "bus": np.repeat(text_column(each.bus for each in connections), hours),
        "price_per_kvarh": outcome.price_per_kvarh.ravel() + 0.0,
        "offered_kvar": outcome.offered_kvar.ravel() + 0.0,
        "bought_kvar": outcome.bought_kvar.ravel() + 0.0,
        "amount": result.paid.ravel() + 0.0,
    }


def _shortages(result: HorizonResult) -> Columns:
    rows = [(step, bus, kvar) for step, each in result.outcome.short.items() for bus, kvar in each]
    step = np.array([row[0] for row in rows], dtype=np.int64)
    bus = np.array([row[1] for row in rows], dtype=np.int64)
    return {
        "time": result.stamps[step],
        "bus": text_column(result.operator.network.grid.buses.name)[bus],
        "missing_kvar": np.array([row[2] for row in rows], dtype=np.float64),
        "vm_pu": result.outcome.after.solution.vm_pu()[step, bus],
    }


def _settlement(result: HorizonResult) -> Columns:
    """Payments in whole cents, both sides of each: the column sums to zero."""
    rows = [
        posting
        for name in result.final
        for posting in pay(OPERATOR, name, "reactive power", result.paid_to(name))
    ]
    return {
        "party": text_column(row.party for row in rows),
        "counterparty": text_column(row.counterparty for row in rows),
        "item": text_column(row.item for row in rows),
        "amount": np.array([float(row.amount) for row in rows], dtype=np.float64),
    }


def _refusals(result: HorizonResult) -> Columns:
    return {
        "time": np.repeat(result.stamps[:1], len(result.refusals)),
        "community": text_column(each.community for each in result.refusals),
        "round": np.array([each.round for each in result.refusals], dtype=np.int64),
        "reason": text_column(each.reason for each in result.refusals),
    }
