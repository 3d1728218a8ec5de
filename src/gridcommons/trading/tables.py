"""The tables of a day of trading, as ``docs/results.md`` has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import IntArray
from gridcommons.model.results import Columns, text_column
from gridcommons.powerflow.switched_flows import broken_limits
from gridcommons.trading.contracts import TIERS, RoundBook
from gridcommons.trading.day import Field, ScenarioDay
from gridcommons.trading.rounds import NOBODY

HOURS = 1.0 / 60.0
"""Length of a minute [h]."""

SIDES = ("sell", "buy")


def stamps(field: Field, minute: IntArray) -> npt.NDArray[np.datetime64]:
    """Minutes of the day as stamps in UTC."""
    first = np.datetime64(field.study.time.start.replace(tzinfo=None), "ms")
    return np.asarray(first + minute * np.timedelta64(1, "m"))


def grid_exchange(field: Field, day: ScenarioDay) -> Columns:
    """What is exchanged with the main grid, a row a minute."""
    minute = np.arange(field.day.minutes)
    return {
        "scenario": text_column([day.scenario] * len(minute)),
        "time": stamps(field, minute),
        "fed_in_kwh": day.fed_in_kw * HOURS,
        "absorbed_kwh": day.absorbed_kw * HOURS,
        "losses_kwh": day.losses_kw * HOURS,
    }


def grid_prices(field: Field) -> Columns:
    """What the main grid pays and asks, a row a minute."""
    return {
        "time": stamps(field, np.arange(field.day.minutes)),
        "feed_in_price_per_kwh": field.day.feed_in_price_per_kwh,
        "retail_price_per_kwh": field.day.retail_price_per_kwh,
    }


def switch_flows(field: Field, day: ScenarioDay) -> Columns:
    """Power over each link, from its first cluster to its second, and at each connection into the cluster."""
    assert day.flows is not None
    graph, minutes = field.clusters.graph, field.day.minutes
    names = [switch.name for switch in graph.switches]
    kinds = ["link"] * len(graph.links) + ["pcc"] * len(graph.pccs)
    first = [link.a for link in graph.links] + [""] * len(graph.pccs)
    second = [link.b for link in graph.links] + [pcc.cluster for pcc in graph.pccs]
    power = np.concatenate([day.flows.link_kw, day.flows.pcc_kw], axis=1)
    return {
        "scenario": text_column([day.scenario] * power.size),
        "time": stamps(field, np.repeat(np.arange(minutes), len(names))),
        "switch": text_column(names * minutes),
        "kind": text_column(kinds * minutes),
        "from_cluster": text_column(first * minutes),
        "to_cluster": text_column(second * minutes),
        "p_kw": power.ravel(),
    }


def violations_table(field: Field, day: ScenarioDay) -> Columns:
    """Limits that are broken, a row a minute and kind: where by most."""
    assert day.flows is not None
    minute, columns = broken_limits(field.study, day.flows)
    head = {"time": stamps(field, minute), "scenario": text_column([day.scenario] * len(minute))}
    return head | columns


def voltage_bands(field: Field, day: ScenarioDay) -> Columns:
    """Least and greatest voltage of the grid, and where, a row a minute."""
    assert day.flows is not None
    minute, names = np.arange(field.day.minutes), field.study.grid.buses.name
    low, high = day.flows.bus.T
    return {
        "scenario": text_column([day.scenario] * len(minute)),
        "time": stamps(field, minute),
        "vm_min_pu": day.flows.vm_pu[:, 0],
        "bus_min": text_column(names[bus] for bus in low),
        "vm_max_pu": day.flows.vm_pu[:, 1],
        "bus_max": text_column(names[bus] for bus in high),
    }


def rounds_table(field: Field, day: ScenarioDay) -> Columns:
    """Rounds of the market, whether their decisions took effect or not."""
    rounds = day.rounds
    assert rounds is not None
    clusters, members = field.clusters.graph.clusters, field.day.member
    return {
        "round": np.arange(len(rounds)),
        "time": stamps(field, rounds.minute),
        "kind": text_column(rounds.kind),
        "trigger": text_column(rounds.trigger),
        "cluster": text_column("" if k == NOBODY else clusters[k] for k in rounds.cluster),
        "member": text_column("" if k == NOBODY else members[k] for k in rounds.member),
        "effect_time": stamps(field, rounds.effect_minute),
        "takes_effect": rounds.takes_effect,
        "storage_bytes": rounds.storage_bytes,
    }


def orders_table(field: Field, day: ScenarioDay) -> Columns:
    """Every order that was sent, what entered the book of it, and why not all of it."""
    assert day.contracts is not None and day.rounds is not None
    parts = [_orders_of(field, day, book) for book in day.contracts.books]
    if not parts:
        return {"round": np.zeros(0, dtype=np.int64)}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _orders_of(field: Field, day: ScenarioDay, of_round: RoundBook) -> Columns:
    index, sent, book = of_round.round, of_round.sent, of_round.book
    reason = {rejection.order: rejection.reason for rejection in book.rejections}
    clipped = {clip.order: clip for clip in book.clips}
    entered = [
        0.0 if order in reason else clipped[order].to_kwh if order in clipped else energy
        for order, energy in zip(sent.order, sent.energy_kwh.tolist(), strict=True)
    ]
    why = [reason.get(order, clipped[order].reason if order in clipped else "") for order in sent.order]
    count = len(sent)
    assert day.rounds is not None
    return {
        "round": np.full(count, index),
        "time": stamps(field, np.full(count, day.rounds.minute[index])),
        "order": text_column(sent.order),
        "member": text_column(sent.member),
        "cluster": text_column(sent.cluster),
        "side": text_column(SIDES[int(buys)] for buys in sent.is_buy),
        "energy_kwh": sent.energy_kwh,
        "entered_kwh": np.array(entered, dtype=np.float64),
        "price_per_kwh": sent.price_per_kwh,
        "reason": text_column(why),
    }


def trades_table(field: Field, day: ScenarioDay) -> Columns:
    """Trades between members, a row a trade over all the time that it runs."""
    made = day.contracts
    assert made is not None
    member = text_column(field.day.member)
    return {
        "scenario": text_column([day.scenario] * len(made.round)),
        "round": made.round,
        "time": stamps(field, made.from_minute),
        "minutes": made.minutes,
        "tier": text_column(TIERS[k] for k in made.tier),
        "buyer": member[made.buyer],
        "seller": member[made.seller],
        "energy_kwh": made.energy_kwh,
        "price_per_kwh": made.price_per_kwh,
    }


def bills_table(field: Field, day: ScenarioDay) -> Columns:
    """Energy and money of each member over the day."""
    bills, members = day.bills, field.day if day.metered is None else day.metered
    assert bills is not None
    bought = np.zeros((2, len(members.member)))
    if day.contracts is not None:
        for k, who in enumerate((day.contracts.buyer, day.contracts.seller)):
            bought[k] = np.bincount(who, day.contracts.energy_kwh, len(members.member))
    generated_kw = members.consumption_kw - members.p_kw
    return {
        "scenario": text_column([day.scenario] * len(members.member)),
        "member": text_column(members.member),
        "cluster": text_column(members.clusters[k] for k in members.cluster_of),
        "consumption_kwh": members.consumption_kw.sum(axis=0) * HOURS,
        "generation_kwh": generated_kw.sum(axis=0) * HOURS,
        "bought_kwh": bought[0],
        "sold_kwh": bought[1],
        "trades_amount": bills.trades_amount,
        "grid_amount": bills.grid_amount,
        "battery_amount": bills.battery_amount,
        "shared_amount": bills.shared_amount,
        "bill_amount": bills.bill_amount,
    }


def switch_states(field: Field, day: ScenarioDay) -> Columns:
    """Position of every switch in the first minute, and from each change of topology on."""
    placed = day.positions
    assert placed is not None
    minutes = np.array(sorted({0, *(change.minute for change in placed.changes)}), dtype=np.int64)
    names = [switch.name for switch in field.study.switches]
    closed = placed.closed[minutes]
    return {
        "scenario": text_column([day.scenario] * closed.size),
        "time": stamps(field, np.repeat(minutes, len(names))),
        "switch": text_column(names * len(minutes)),
        "closed": closed.ravel(),
    }


def operations_table(field: Field, day: ScenarioDay) -> Columns:
    """Every operation of a switch, in its order."""
    assert day.positions is not None
    rows = [
        (change.round, change.minute, number, name, bool(closes))
        for change in day.positions.changes
        for number, (name, closes) in enumerate(zip(change.moves.switch, change.moves.closes, strict=True))
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    round_of, minute, number, name, closes = columns
    return {
        "round": np.array(round_of, dtype=np.int64),
        "time": stamps(field, np.array(minute, dtype=np.int64)),
        "operation": np.array(number, dtype=np.int64),
        "switch": text_column(name),
        "closes": np.array(closes, dtype=np.bool_),
    }


def expected_exchange(field: Field, day: ScenarioDay) -> Columns:
    """What the grid operator is told after each community round: exchange to expect at each connection."""
    placed, rounds = day.positions, day.rounds
    assert placed is not None and rounds is not None
    told = np.flatnonzero(np.isfinite(placed.expected_kw).all(axis=1))
    names = [pcc.name for pcc in field.clusters.graph.pccs]
    return {
        "round": np.repeat(told, len(names)),
        "time": stamps(field, np.repeat(rounds.effect_minute[told], len(names))),
        "pcc": text_column(names * len(told)),
        # The main grid's view: what it delivers is positive.
        "p_kw": 0.0 - placed.expected_kw[told].ravel(),
    }


def comparison(field: Field, days: list[ScenarioDay]) -> Columns:
    """One row a scenario, and one a trigger or delay that the switched scenario was compared with."""
    rows = [_row(field, day) for day in days]
    columns: dict[str, npt.NDArray[Any]] = {
        "scenario": text_column(day.scenario for day in days),
        "trigger": text_column("" if day.rounds is None else day.case.trigger for day in days),
    }
    return columns | {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _row(field: Field, day: ScenarioDay) -> dict[str, float]:
    fed_in, absorbed, losses = (
        power.sum() * HOURS for power in (day.fed_in_kw, day.absorbed_kw, day.losses_kw)
    )
    placed, rounds = day.positions, day.rounds
    return {
        "threshold": np.nan if rounds is None else day.case.threshold,
        "delay_minutes": np.nan if day.case.delay_minutes is None else day.case.delay_minutes,
        "fed_in_kwh": fed_in,
        "absorbed_kwh": absorbed,
        "losses_kwh": losses,
        "exchange_kwh": fed_in + absorbed,
        "least_fed_in_kwh": least_fed_in_kwh(field, day),
        "community_rounds": 0 if rounds is None else int(rounds.is_kind("community").sum()),
        "cluster_rounds": 0 if rounds is None else int(rounds.is_kind("cluster").sum()),
        "meter_readings": 0 if rounds is None else int(rounds.is_kind("meters").sum()),
        "storage_bytes": 0 if rounds is None else int(rounds.storage_bytes.sum()),
        "topology_changes": 0 if placed is None else len(placed.changes),
        "operations": 0 if placed is None else placed.operations,
        "operation_cost_amount": 0.0 if placed is None else placed.cost_amount,
        "bill_amount": np.nan if day.bills is None else float(day.bills.bill_amount.sum()),
    }


def least_fed_in_kwh(field: Field, day: ScenarioDay) -> float:
    """What must be fed in whatever the topology: what the members have too much of, less the losses [kWh]."""
    surplus_kw = field.balance_kw.sum(axis=1) - day.battery_kw.sum(axis=1) - day.losses_kw
    return float(np.maximum(surplus_kw, 0.0).sum() * HOURS)


def battery_table(field: Field, day: ScenarioDay) -> Columns:
    """What batteries that are owned together do, charging positive, and the energy in them."""
    assert day.battery is not None
    names = [battery.asset for battery in field.batteries.battery]
    return {
        "scenario": text_column([day.scenario] * day.battery.p_kw.size),
        "time": stamps(field, np.repeat(np.arange(field.day.minutes), len(names))),
        "asset": text_column(names * field.day.minutes),
        "p_kw": day.battery.p_kw.ravel(),
        "energy_kwh": day.battery.energy_kwh.ravel(),
    }


TablesOfDay = dict[str, Callable[[Field, ScenarioDay], Columns]]

OF_EVERY_SCENARIO: TablesOfDay = {"grid_exchange": grid_exchange, "bills": bills_table}
OF_JOINED_MEMBERS: TablesOfDay = {
    "switch_flows": switch_flows,
    "voltage_bands": voltage_bands,
    "switch_states": switch_states,
    "violations": violations_table,
    "trades": trades_table,
    "batteries": battery_table,
}
OF_THE_LAST: TablesOfDay = {"rounds": rounds_table, "orders": orders_table}
OF_SWITCHED: TablesOfDay = {"operations": operations_table, "expected_exchange": expected_exchange}


def tables_of(field: Field, day: ScenarioDay, *, is_last: bool) -> Iterator[tuple[str, Columns]]:
    """The tables that a scenario adds rows to; rounds and orders are those of the last one that trades."""
    wanted = dict(OF_EVERY_SCENARIO)
    if day.rounds is not None:
        wanted |= OF_JOINED_MEMBERS
        wanted |= OF_THE_LAST if is_last else {}
    if day.scenario == "switched":
        wanted |= OF_SWITCHED
    for name, make in wanted.items():
        columns = make(field, day)
        if len(next(iter(columns.values()))):
            yield name, columns
