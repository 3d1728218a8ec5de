"""The answer to ``injection`` and ``exchange``: positions between clusters in every interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gridcommons.model.clusters import ClusterMap, gap_share
from gridcommons.model.envelopes import net_power_kw, within_envelopes
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.model.results import Columns, LazyTables, Result, text_column
from gridcommons.model.study import Study
from gridcommons.model.switches import Moves, positions
from gridcommons.ports import Engines, SwitchController, SwitchWish
from gridcommons.powerflow.switched_flows import (
    Connected,
    SwitchedFlows,
    broken_limits,
    connect,
    loaded_at,
    simulate_switched,
)
from gridcommons.switching.controller import make_controller
from gridcommons.switching.settings import Settings

SCENARIOS = ("before", "after")


@dataclass(frozen=True, eq=False)
class _Plan:
    """Positions over the window, what was expected of them, and the operations at each step that has any.

    ``planned_kw`` and ``best_kw`` hold what is fed in and what goes unserved or is curtailed, (2, steps).
    """

    closed: BoolArray
    planned_kw: FloatArray
    best_kw: FloatArray
    moves: dict[int, Moves]
    notes: tuple[str, ...]


def answer_clusters(study: Study, settings: Settings, engines: Engines) -> Result:
    """Positions of the switches between clusters in every interval; see ``run``."""
    _refuse_no_clusters(study)
    connected, controller = connect(study), make_controller(settings.method)
    clusters = controller.find_clusters(study.grid, study.community.members, study.switches)
    with engines.progress("intervals", study.time.steps) as told:
        plan = _plan(study, settings, (clusters, controller, connected), told)
    start = np.tile(positions(study.switches), (study.time.steps, 1))
    flows = [
        simulate_switched(study, clusters, connected, closed, engines.method)
        for closed in (start, plan.closed)
    ]
    for name, columns in _tables(study, clusters, plan, flows).items():
        if len(next(iter(columns.values()))):
            engines.sink.write(name, columns)
    summary = _summary(study, settings, plan, flows)
    return Result("switching", LazyTables(engines.sink.readers()), summary, {})


def _refuse_no_clusters(study: Study) -> None:
    if not any(member.cluster for member in study.community.members) or not study.switches:
        expected = "clusters in members.csv and the switches between them in switches.csv"
        meant = 'for one topology of least losses write objective = "losses" under [tasks.switching]'
        raise StudyError(
            [Problem("study.toml", "no clusters or no switches", expected, meant, "tasks.switching")]
        )


def _plan(
    study: Study, settings: Settings, by: tuple[ClusterMap, SwitchController, Connected], told: Any
) -> _Plan:
    clusters, controller, connected = by
    balance_kw, price = _balances(study, clusters), _prices(study)
    aim: Literal["injection", "exchange"] = "injection" if settings.objective == "injection" else "exchange"
    wish = SwitchWish(settings.parallel_allowed, aim, worth_hours=settings.worth_minutes / 60.0)
    # The best of all topologies, whatever its operations would cost.
    best, free = make_controller("optimal"), SwitchWish(settings.parallel_allowed, aim)
    now, notes, moves = positions(study.switches), dict[str, None](), dict[int, Moves]()
    closed = np.empty((study.time.steps, len(now)), dtype=np.bool_)
    planned_kw, best_kw = np.full((2, 2, study.time.steps), np.nan)
    for step in range(study.time.steps):
        current = clusters.closed_of(now)
        topology = controller.plan(
            clusters.graph, balance_kw[step], current, replace(wish, price_per_kwh=float(price[step]))
        )
        notes |= dict.fromkeys(topology.notes)
        goal = clusters.positions_of(np.concatenate([topology.link_closed, topology.pcc_closed]))
        if (goal != now).any():
            made = controller.move(loaded_at(study, connected, step, settings.parallel_allowed), now, goal)
            if made.reason:
                notes[f"{study.time.local(step):%Y-%m-%d %H:%M}: {made.reason}"] = None
            if len(made.switch):
                moves[step] = made
            now = made.reached
        reached = controller.exchange(clusters.graph, balance_kw[step], clusters.closed_of(now))
        planned_kw[:, step] = reached.injection_kw, reached.shortfall_kw
        if best.can_plan(clusters.graph):
            least = best.plan(clusters.graph, balance_kw[step], current, free)
            best_kw[:, step] = least.injection_kw, least.shortfall_kw
        closed[step] = now
        told(1)
    return _Plan(closed, planned_kw, best_kw, moves, tuple(notes))


def _balances(study: Study, clusters: ClusterMap) -> FloatArray:
    """Surplus of each cluster within operating envelopes, shape (steps, clusters) [kW]."""
    community = study.community
    row = {member.member: k for k, member in enumerate(community.members)}
    of_assets = within_envelopes(community, net_power_kw(community, study.profiles), study.envelopes)
    p_kw = np.zeros((study.time.steps, len(row)))
    for index, asset in enumerate(community.assets):
        p_kw[:, row[asset.member]] += of_assets[:, index]
    return clusters.balance_kw(p_kw)


def _prices(study: Study) -> FloatArray:
    """What a kWh of exchange less is worth, shape (steps,); infinite where the study has no prices."""
    if study.prices is None:
        return np.full(study.time.steps, np.inf)
    prices = study.prices
    worth = (
        prices.import_price_per_kwh + np.nan_to_num(prices.network_fee_per_kwh) - prices.export_price_per_kwh
    )
    return np.where(np.isfinite(worth), np.maximum(worth, 0.0), np.inf)


def _tables(
    study: Study, clusters: ClusterMap, plan: _Plan, flows: list[SwitchedFlows]
) -> dict[str, Columns]:
    time, hours = study.time.stamps(), study.time.step_hours
    names = [switch.name for switch in study.switches]
    shown = np.array(sorted({0, *plan.moves}), dtype=np.int64)
    return {
        "switch_states": {
            "time": np.repeat(time[shown], len(names)),
            "scenario": text_column(["after"] * (len(shown) * len(names))),
            "switch": text_column(names * len(shown)),
            "closed": plan.closed[shown].ravel(),
        },
        "operations": _operations(time, plan),
        "grid_exchange": {
            "scenario": text_column(np.repeat(SCENARIOS, len(time)).tolist()),
            "time": np.tile(time, 2),
            "fed_in_kwh": np.concatenate([_fed_in_kw(flow) for flow in flows]) * hours,
            "absorbed_kwh": np.concatenate([_absorbed_kw(flow) for flow in flows]) * hours,
            "losses_kwh": np.concatenate([flow.losses_kw for flow in flows]) * hours,
        },
        "switch_flows": _switch_flows(study, clusters, flows[1]),
        "violations": _violations(study, flows[1]),
        "switching_gap": {
            "time": time,
            "planned_fed_in_kw": plan.planned_kw[0],
            "best_fed_in_kw": plan.best_kw[0],
            "planned_shortfall_kw": plan.planned_kw[1],
            "best_shortfall_kw": plan.best_kw[1],
        },
    }


def _operations(time: npt.NDArray[np.datetime64], plan: _Plan) -> Columns:
    """Each operation of a switch, in the order in which they are safe."""
    operations = [
        (time[step], number, name, bool(closes))
        for step, made in plan.moves.items()
        for number, (name, closes) in enumerate(zip(made.switch, made.closes, strict=True))
    ]
    return {
        "time": np.array([row[0] for row in operations], dtype=time.dtype),
        "operation": np.array([row[1] for row in operations], dtype=np.int64),
        "switch": text_column(row[2] for row in operations),
        "closes": np.array([row[3] for row in operations], dtype=np.bool_),
    }


def _violations(study: Study, flow: SwitchedFlows) -> Columns:
    """Limits that are broken, a row an interval and kind: where by most."""
    step, columns = broken_limits(study, flow)
    head = {"time": study.time.stamps()[step], "scenario": text_column(["after"] * len(step))}
    return head | columns


def _switch_flows(study: Study, clusters: ClusterMap, flow: SwitchedFlows) -> Columns:
    """Power over each link, from its first cluster to its second, and at each connection into the cluster."""
    graph, steps = clusters.graph, study.time.steps
    names = [switch.name for switch in graph.switches]
    first = [link.a for link in graph.links] + [""] * len(graph.pccs)
    second = [link.b for link in graph.links] + [pcc.cluster for pcc in graph.pccs]
    return {
        "scenario": text_column(["after"] * (steps * len(names))),
        "time": np.repeat(study.time.stamps(), len(names)),
        "switch": text_column(names * steps),
        "kind": text_column((["link"] * len(graph.links) + ["pcc"] * len(graph.pccs)) * steps),
        "from_cluster": text_column(first * steps),
        "to_cluster": text_column(second * steps),
        "p_kw": np.concatenate([flow.link_kw, flow.pcc_kw], axis=1).ravel(),
    }


def _fed_in_kw(flow: SwitchedFlows) -> FloatArray:
    return np.asarray(np.maximum(-flow.pcc_kw, 0.0).sum(axis=1))


def _absorbed_kw(flow: SwitchedFlows) -> FloatArray:
    return np.asarray(np.maximum(flow.pcc_kw, 0.0).sum(axis=1))


def _summary(study: Study, settings: Settings, plan: _Plan, flows: list[SwitchedFlows]) -> dict[str, Any]:
    hours = study.time.step_hours
    planned, best = (
        tuple(float(power) for power in kw.sum(axis=1) * hours) for kw in (plan.planned_kw, plan.best_kw)
    )
    last = [switch.name for switch, on in zip(study.switches, plan.closed[-1], strict=True) if not on]
    before, after = flows
    return {
        "objective": settings.objective,
        "method": settings.method,
        "switches": len(study.switches),
        "fed_in_kwh": float(_fed_in_kw(after).sum() * hours),
        "absorbed_kwh": float(_absorbed_kw(after).sum() * hours),
        "fed_in_before_kwh": float(_fed_in_kw(before).sum() * hours),
        "absorbed_before_kwh": float(_absorbed_kw(before).sum() * hours),
        "losses_kw": float(after.losses_kw.mean()),
        "losses_before_kw": float(before.losses_kw.mean()),
        "open_branches": last,
        "planned_fed_in_kwh": planned[0],
        "best_fed_in_kwh": None if np.isnan(best[0]) else best[0],
        "planned_shortfall_kwh": planned[1],
        "best_shortfall_kwh": None if np.isnan(best[1]) else best[1],
        "gap_share": None if np.isnan(best[0]) else gap_share((planned[0], planned[1]), (best[0], best[1])),
        "topology_changes": len(plan.moves),
        "operations": sum(len(made.switch) for made in plan.moves.values()),
        "operation_cost_amount": sum(made.cost_amount for made in plan.moves.values()),
        "unserved_kwh": float(after.unserved_kw.sum() * hours),
        "curtailed_kwh": float(after.curtailed_kw.sum() * hours),
        "vm_min_pu": float(np.nanmin(after.vm_pu[:, 0])) if np.isfinite(after.vm_pu[:, 0]).any() else None,
        "violations": len(np.unique(broken_limits(study, after)[0])),
        "notes": list(plan.notes),
    }
