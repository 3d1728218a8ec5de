"""The tables of a day, as ``docs/results.md`` has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.day.bills import flexibility_accounts, registers_of, residual_registers
from gridcommons.day.field import DayFlow, Field
from gridcommons.day.forecast_band import Band, forecast_bands
from gridcommons.day.outcomes import Realised, Scheduled, Switched
from gridcommons.day.reactive_delivery import missed_kvar, replanned
from gridcommons.day.timeline import OperatingDay
from gridcommons.day.violations import Broken, at_rest, causes, find_broken
from gridcommons.day.worth import DayFigures, held_back_kw, ledger_of, missing_by_member_kwh
from gridcommons.model.grid import FloatArray
from gridcommons.model.grid_tables import GridState, grid_tables, long_keys
from gridcommons.model.money import Posting
from gridcommons.model.results import Columns, text_column
from gridcommons.model.switches import positions

ALONE, BASELINE, PLANNED, REALISED = "alone", "baseline", "planned", "realised"
"""Scenarios: with nobody planning, as everybody would plan by price, as the schedules have it, as it was."""


LEAST_MISSED_KW = 0.01
"""What a delivery may lack and counts as whole."""


@dataclass(frozen=True, eq=False)
class Told:
    """A day and all that is told of it.

    Parameters
    ----------
    field, day, alone
        The day, and the same day with nobody planning.
    flows : mapping of str to DayFlow
        Load flow by scenario.
    power_kw : mapping of str to (steps, assets)
        Net power by scenario [kW].
    postings : sequence of Posting
        Its settlement; empty without prices.
    cost_alone : (members,)
        What each member would have paid by itself, for as much as it holds at the end [currency].
    stored_less_kwh : (members,)
        How much less the devices of each hold at the end than by itself [kWh].
    figures : sequence of DayFigures
        The table of worth.
    """

    field: Field
    day: OperatingDay
    alone: Realised
    flows: Mapping[str, DayFlow]
    power_kw: Mapping[str, FloatArray]
    postings: Sequence[Posting]
    cost_alone: FloatArray
    stored_less_kwh: FloatArray
    figures: Sequence[DayFigures]

    @property
    def missed_kw(self) -> FloatArray:
        """What was sold and not delivered, shape (steps,) [kW]."""
        market, done = self.day.market, self.day.done
        missed = np.zeros(self.field.study.time.steps)
        if market is not None:
            for place in range(len(market.aggregator)):
                mine = market.award == place
                less_kw = market.before_kw[mine].sum(axis=0) - done.p_kw[:, market.device[mine]].sum(axis=1)
                missed += np.maximum(market.ordered_kw[place] - np.maximum(less_kw, 0.0), 0.0)
        return np.where(missed > LEAST_MISSED_KW, missed, 0.0)


def tables_of(told: Told) -> Iterator[tuple[str, Columns]]:
    """Parts of all tables."""
    for scenario, flow in told.flows.items():
        state = GridState(flow.vm_pu, flow.p_from_kw, flow.loading_percent)
        yield from grid_tables(told.field.study.grid, told.field.study.time.stamps(), scenario, state)
        yield "violations", _violations(told, scenario, find_broken(told.field, flow))
        yield "day_power", _power(told.field, scenario, told.power_kw[scenario])
    for band in forecast_bands(told.field):
        yield "day_forecast", _forecast(told.field, band)
    yield "day_instruments", _instruments(told)
    yield "day_envelopes", _envelopes(told)
    yield "switch_states", _switch_states(told)
    yield "commitments", _commitments(told)
    yield "postings", _postings(told)
    yield "statements", _statements(told)
    yield "worth", _worth(told.figures)


def _violations(told: Told, scenario: str, broken: Broken) -> Columns:
    why = _causes(told, broken) if scenario == REALISED else [""] * len(broken.step)
    return {
        "time": told.field.study.time.stamps()[broken.step],
        "scenario": text_column([scenario] * len(broken.step)),
        "element": text_column(broken.element),
        "kind": text_column(broken.kind),
        "value": broken.value,
        "limit": broken.limit,
        "excess": broken.excess,
        "cause": text_column(why),
    }


def _causes(told: Told, broken: Broken) -> list[str]:
    if not len(broken.step):
        return []
    sold = told.day.scheduled
    missed = told.missed_kw if sold is None else told.missed_kw + _missed_kvar(told, sold)
    return causes(told.day, broken, at_rest(told.field, told.day), missed)


def _power(field: Field, scenario: str, p_kw: FloatArray) -> Columns:
    """Net power by kind of asset."""
    kinds = tuple(dict.fromkeys(asset.kind for asset in field.assets))
    is_kind = np.array([[asset.kind == kind for kind in kinds] for asset in field.assets], dtype=np.float64)
    keys = long_keys(field.study.time.stamps(), scenario, "kind", kinds)
    return {**keys, "p_kw": (p_kw @ is_kind).ravel() + 0.0}


def _forecast(field: Field, band: Band) -> Columns:
    return {
        "time": field.study.time.stamps(),
        "kind": text_column([band.kind] * field.study.time.steps),
        "low_kw": band.low_kw,
        "middle_kw": band.middle_kw,
        "high_kw": band.high_kw,
        "realised_kw": band.realised_kw,
    }


def _instruments(told: Told) -> Columns:
    """What each instrument did in each interval."""
    day, steps = told.day, told.field.study.time.steps
    nothing = np.zeros(steps)
    tariff, market, trades = day.tariff, day.market, day.trades
    ordered_kw = nothing if market is None else market.ordered_kw.sum(axis=0)
    hours = told.field.study.time.step_hours
    return {
        "time": told.field.study.time.stamps(),
        "tariff_max_per_kwh": nothing if tariff is None else tariff.tariff_per_kwh.max(axis=0),
        "flexibility_needed_kw": nothing if market is None else market.needed_kw,
        "flexibility_missing_kw": nothing if market is None else market.missing_kw,
        "flexibility_bought_kw": ordered_kw,
        "flexibility_missed_kw": told.missed_kw,
        "held_back_kw": held_back_kw(told.field, day),
        **_reactive(told),
        "switches_refused": nothing if day.switched is None else day.switched.refused.astype(np.float64),
        "switches_moved": nothing if day.switched is None else switches_moved(told.field, day.switched),
        "traded_kw": nothing if trades is None else trades.bought_kwh.sum(axis=1) / hours,
    }


def _reactive(told: Told) -> dict[str, FloatArray]:
    """Reactive power of communities, and where they planned anew."""
    sold, nothing = told.day.scheduled, np.zeros(told.field.study.time.steps)
    return {
        "reactive_bought_kvar": nothing if sold is None else np.abs(sold.sold_kvar).sum(axis=1),
        "reactive_missed_kvar": nothing if sold is None else _missed_kvar(told, sold),
        "reactive_rounds": nothing if sold is None else sold.rounds.astype(np.float64),
        "communities_replanned": nothing if sold is None else replanned(sold),
        "communities_kept_plan": nothing if sold is None else sold.kept.astype(np.float64),
    }


def _missed_kvar(told: Told, sold: Scheduled) -> FloatArray:
    return np.asarray(missed_kvar(told.field, sold, told.day.done).sum(axis=1))


def switches_moved(field: Field, switched: Switched) -> FloatArray:
    """Switches that moved since the interval before, at first since the study's own positions, (steps,)."""
    before = np.vstack([positions(field.study.switches), switched.closed[:-1]])
    return np.asarray((switched.closed != before).sum(axis=1).astype(np.float64))


def _switch_states(told: Told) -> Columns:
    """Where each switch stood, at the start and whenever one moved."""
    switched, study = told.day.switched, told.field.study
    if switched is None:
        return {"time": np.zeros(0, dtype="datetime64[ms]")}
    changed = np.flatnonzero(np.append(True, switches_moved(told.field, switched)[1:] > 0.0))
    names = text_column(switch.name for switch in study.switches)
    return {
        "time": np.repeat(study.time.stamps()[changed], len(names)),
        "switch": np.tile(names, len(changed)),
        "closed": switched.closed[changed].ravel(),
    }


def _envelopes(told: Told) -> Columns:
    """Envelopes of every asset that has one, beside what it did."""
    field, done = told.field, told.day.done
    mine = np.flatnonzero(np.isfinite(done.p_max_kw).all(axis=0))
    names = text_column(field.assets[k].asset for k in mine)
    steps = field.study.time.steps
    return {
        "time": np.repeat(field.study.time.stamps(), len(mine)),
        "asset": np.tile(names, steps),
        "p_min_kw": done.p_min_kw[:, mine].ravel(),
        "p_max_kw": done.p_max_kw[:, mine].ravel(),
        "p_kw": done.p_kw[:, mine].ravel(),
    }


def _commitments(told: Told) -> Columns:
    """Each interval of each commitment."""
    sold = told.day.account.commitments
    rows = [(each, int(step)) for each in sold for step in np.flatnonzero(each.quantity)]
    step = np.array([at for _, at in rows], dtype=np.int64)
    return {
        "time": told.field.study.time.stamps()[step],
        "stage": text_column(each.stage for each, _ in rows),
        "seller": text_column(each.seller for each, _ in rows),
        "counterparty": text_column(each.counterparty for each, _ in rows),
        "reference": text_column(each.reference for each, _ in rows),
        "quantity": np.array([each.quantity[at] for each, at in rows], dtype=np.float64),
        "unit": text_column(each.unit for each, _ in rows),
        "price": np.array([each.price[at] for each, at in rows], dtype=np.float64),
    }


def _postings(told: Told) -> Columns:
    return {
        "party": text_column(each.party for each in told.postings),
        "counterparty": text_column(each.counterparty for each in told.postings),
        "item": text_column(each.item for each in told.postings),
        "amount": np.array([float(each.amount) for each in told.postings], dtype=np.float64),
    }


def _statements(told: Told) -> Columns:
    """Each member's day: energy, and what it pays beside what it would have paid by itself."""
    if not told.postings:
        return {"member": text_column(())}
    field = told.field
    ledger = ledger_of(field, told.day, told.flows[REALISED])
    metered, left = registers_of(field, told.day.done.p_kw), residual_registers(ledger)
    names = [member.member for member in field.study.community.members]
    paid = dict.fromkeys(names, 0.0)
    for each in told.postings:
        if each.party in paid:
            paid[each.party] -= float(each.amount)
    together = np.array([paid[name] for name in names])
    given = np.zeros(len(names))
    if told.day.market is not None:
        given = sum((part for part in flexibility_accounts(ledger)[1].values()), given)
    traded = np.zeros((2, len(names)))
    if told.day.trades is not None:
        traded = np.stack([told.day.trades.bought_kwh.sum(axis=0), told.day.trades.sold_kwh.sum(axis=0)])
    return {
        "member": text_column(names),
        "withdrawn_kwh": metered.withdrawal_kwh.sum(axis=0),
        "injected_kwh": metered.injection_kwh.sum(axis=0),
        "bought_locally_kwh": traded[0],
        "sold_locally_kwh": traded[1],
        "from_supplier_kwh": left.withdrawal_kwh.sum(axis=0),
        "flexibility_kwh": given,
        "missing_kwh": missing_by_member_kwh(field, told.day.done),
        "stored_less_kwh": told.stored_less_kwh,
        "cost_alone": told.cost_alone,
        "cost": together,
        "saved": told.cost_alone - together,
    }


def _worth(figures: Sequence[DayFigures]) -> Columns:
    return {
        "day": text_column(each.label for each in figures),
        "broken": np.array([each.broken for each in figures], dtype=np.int64),
        "intervals": np.array([each.intervals for each in figures], dtype=np.int64),
        "worst_loading_percent": np.array([each.worst_loading_percent for each in figures]),
        "lowest_vm_pu": np.array([each.lowest_vm_pu for each in figures]),
        "held_back_kwh": np.array([each.held_back_kwh for each in figures]),
        "missing_kwh": np.array([each.missing_kwh for each in figures]),
        "cold_kelvin_hours": np.array([each.cold_kelvin_hours for each in figures]),
        "batteries_kwh": np.array([each.batteries_kwh for each in figures]),
        "members_pay": np.array([each.members_pay for each in figures]),
        "operator_gets": np.array([each.operator_gets for each in figures]),
    }
