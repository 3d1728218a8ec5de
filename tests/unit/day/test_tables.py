"""The tables of a day are its arrays, with every row where it belongs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import day_study, usual_day, usual_field
from gridcommons.day.bills import cost_alone, flexibility_accounts, postings_of, registers_of
from gridcommons.day.tables import ALONE, BASELINE, PLANNED, REALISED, Told, tables_of
from gridcommons.day.timeline import Stages, run_alone
from gridcommons.day.violations import find_broken
from gridcommons.day.worth import (
    figures_of,
    held_back_kw,
    ledger_of,
    missing_by_member_kwh,
    realised_flow,
    stored_by_member_kwh,
)
from gridcommons.tasks import run

COLUMNS = {
    "bus_voltages": ["time", "scenario", "bus", "vm_pu"],
    "branch_loadings": ["time", "scenario", "branch", "kind", "p_from_kw", "loading_percent"],
    "violations": ["time", "scenario", "element", "kind", "value", "limit", "excess", "cause"],
    "day_power": ["time", "scenario", "kind", "p_kw"],
    "day_envelopes": ["time", "asset", "p_min_kw", "p_max_kw", "p_kw"],
    "commitments": [
        "time",
        "stage",
        "seller",
        "counterparty",
        "reference",
        "quantity",
        "unit",
        "price",
    ],
    "postings": ["party", "counterparty", "item", "amount"],
    "statements": [
        "member",
        "withdrawn_kwh",
        "injected_kwh",
        "bought_locally_kwh",
        "sold_locally_kwh",
        "from_supplier_kwh",
        "flexibility_kwh",
        "missing_kwh",
        "stored_less_kwh",
        "cost_alone",
        "cost",
        "saved",
    ],
}


@pytest.fixture(scope="module")
def told() -> Told:
    """The usual day, told."""
    field, day = usual_field(), usual_day()
    alone, flow = run_alone(Stages(field)), realised_flow(field, day)
    power_kw = {
        ALONE: alone.p_kw,
        BASELINE: day.baseline.plan_kw,
        PLANNED: day.final.plan_kw,
        REALISED: day.done.p_kw,
    }
    flows = {
        ALONE: field.flow(alone.p_kw, alone.q_kvar),
        BASELINE: field.flow(day.baseline.plan_kw, day.baseline.plan_kvar),
        PLANNED: field.flow(day.final.plan_kw, day.final.plan_kvar),
        REALISED: flow,
    }
    postings = postings_of(ledger_of(field, day, flow))
    accounts = [figures_of(field, "all", day, flow)]
    less_kwh = stored_by_member_kwh(field, alone) - stored_by_member_kwh(field, day.done)
    cost = cost_alone(field, alone)
    return Told(field, day, alone, flows, power_kw, postings, cost, less_kwh, accounts)


@pytest.fixture(scope="module")
def tables(told):
    """Its tables, the parts of each scenario one after the other."""
    found = {}
    for name, columns in tables_of(told):
        found.setdefault(name, []).append({key: np.asarray(value) for key, value in columns.items()})
    return {
        name: {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        for name, parts in found.items()
    }


def of_scenario(table, scenario, column):
    return table[column][table["scenario"] == scenario]


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_a_table(tables, name):
    assert list(tables[name]) == COLUMNS[name]


def test_all_columns_of_a_table_are_as_long(tables):
    for table in tables.values():
        assert len({len(column) for column in table.values()}) == 1


def test_flows_are_told_by_scenario_interval_and_element(told, tables):
    stamps = told.field.study.time.stamps()
    for scenario in (ALONE, BASELINE, PLANNED, REALISED):
        flow = told.flows[scenario]
        voltages, loadings = tables["bus_voltages"], tables["branch_loadings"]
        assert np.array_equal(of_scenario(voltages, scenario, "vm_pu"), flow.vm_pu.ravel())
        assert np.array_equal(
            of_scenario(loadings, scenario, "loading_percent"), flow.loading_percent.ravel()
        )
        assert np.array_equal(of_scenario(loadings, scenario, "p_from_kw"), flow.p_from_kw.ravel())
    rows = tables["bus_voltages"]
    at = (rows["bus"] == "b3") & (rows["scenario"] == PLANNED)
    assert np.array_equal(rows["vm_pu"][at], told.flows[PLANNED].vm_pu[:, 3])
    assert np.array_equal(rows["time"][at], stamps)


def test_violations_have_a_cause_where_they_happened(told, tables):
    rows = tables["violations"]
    for scenario, flow in told.flows.items():
        broken = find_broken(told.field, flow)
        assert of_scenario(rows, scenario, "element").tolist() == list(broken.element)
        assert np.array_equal(of_scenario(rows, scenario, "excess"), broken.excess)
        stamps = told.field.study.time.stamps()[broken.step]
        assert np.array_equal(of_scenario(rows, scenario, "time"), stamps)
    assert len(of_scenario(rows, BASELINE, "cause")) > 0
    assert {cause == "" for cause in rows["cause"][rows["scenario"] != REALISED]} == {True}
    assert all(of_scenario(rows, REALISED, "cause").tolist())


def test_power_is_told_by_kind(told, tables):
    rows = tables["day_power"]
    for scenario, p_kw in told.power_kw.items():
        for kind in {asset.kind for asset in told.field.assets}:
            mine = [k for k, asset in enumerate(told.field.assets) if asset.kind == kind]
            at = (rows["scenario"] == scenario) & (rows["kind"] == kind)
            assert rows["p_kw"][at] == pytest.approx(p_kw[:, mine].sum(axis=1))


def test_envelopes_are_told_of_who_has_one(told, tables):
    rows, done = tables["day_envelopes"], told.day.done
    moved = [k for k, may in enumerate(told.field.is_controllable) if may]
    assert set(rows["asset"]) == {told.field.assets[k].asset for k in moved}
    for k in moved:
        at = rows["asset"] == told.field.assets[k].asset
        assert np.array_equal(rows["p_max_kw"][at], done.p_max_kw[:, k])
        assert np.array_equal(rows["p_min_kw"][at], done.p_min_kw[:, k])
        assert np.array_equal(rows["p_kw"][at], done.p_kw[:, k])


def test_what_each_instrument_did_in_each_interval(told, tables):
    rows, day = tables["day_instruments"], told.day
    assert np.array_equal(rows["time"], told.field.study.time.stamps())
    assert np.array_equal(rows["tariff_max_per_kwh"], day.tariff.tariff_per_kwh.max(axis=0))
    assert np.array_equal(rows["flexibility_bought_kw"], day.market.ordered_kw.sum(axis=0))
    assert np.array_equal(rows["flexibility_needed_kw"], day.market.needed_kw)
    assert np.array_equal(rows["flexibility_missing_kw"], day.market.missing_kw)
    assert np.array_equal(rows["held_back_kw"], held_back_kw(told.field, day))
    assert np.array_equal(rows["traded_kw"], day.trades.bought_kwh.sum(axis=1))
    assert np.array_equal(rows["flexibility_missed_kw"], told.missed_kw)


def test_commitments_are_those_of_the_account(told, tables):
    rows, sold = tables["commitments"], told.day.account.commitments
    assert len(rows["time"]) == sum(int((each.quantity != 0.0).sum()) for each in sold) > 5
    for each in sold:
        at = rows["reference"] == each.reference
        assert np.array_equal(rows["quantity"][at], each.quantity[each.quantity != 0.0])
        assert set(rows["seller"][at]) <= {each.seller} and set(rows["unit"][at]) <= {each.unit}
        assert np.array_equal(rows["price"][at], each.price[each.quantity != 0.0])


def test_what_is_missed_is_what_was_sold_and_not_given(told):
    """By award: a device that gives more makes up for one of the same award that gives less."""
    day, market = told.day, told.day.market
    assert (market.ordered_kw.sum(axis=1) > 0.0).all()
    p_kw = day.done.p_kw.copy()
    p_kw[:, market.device] = market.before_kw.T
    undelivered = replace(told, day=replace(day, done=replace(day.done, p_kw=p_kw)))
    assert undelivered.missed_kw == pytest.approx(market.ordered_kw.sum(axis=0))
    # Who draws even more than before does not miss more than was sold.
    more = replace(told, day=replace(day, done=replace(day.done, p_kw=p_kw + 1.0)))
    assert more.missed_kw == pytest.approx(market.ordered_kw.sum(axis=0))
    mine = np.flatnonzero(market.award == 0)
    p_kw[:, market.device[mine[0]]] -= market.ordered_kw[0]
    one = replace(told, day=replace(day, done=replace(day.done, p_kw=p_kw)))
    assert one.missed_kw == pytest.approx(market.ordered_kw[1:].sum(axis=0))
    assert replace(told, day=replace(day, market=None)).missed_kw.tolist() == [0.0] * 24


def test_postings_and_statements_tell_the_same(told, tables):
    postings, rows = tables["postings"], tables["statements"]
    assert len(postings["party"]) == len(told.postings)
    for k, name in enumerate(rows["member"]):
        assert rows["cost"][k] == pytest.approx(-postings["amount"][postings["party"] == name].sum())
    assert np.array_equal(rows["saved"], rows["cost_alone"] - rows["cost"])
    assert np.array_equal(rows["cost_alone"], told.cost_alone)


def test_energy_of_a_statement_is_that_of_the_meter(told, tables):
    rows = tables["statements"]
    metered, trades = registers_of(told.field, told.day.done.p_kw), told.day.trades
    assert rows["withdrawn_kwh"] == pytest.approx(metered.withdrawal_kwh.sum(axis=0))
    assert rows["injected_kwh"] == pytest.approx(metered.injection_kwh.sum(axis=0))
    assert rows["bought_locally_kwh"] == pytest.approx(trades.bought_kwh.sum(axis=0))
    assert rows["sold_locally_kwh"] == pytest.approx(trades.sold_kwh.sum(axis=0))
    ledger = ledger_of(told.field, told.day, told.flows[REALISED])
    given_kwh = flexibility_accounts(ledger)[1]
    assert rows["flexibility_kwh"] == pytest.approx(sum(given_kwh.values()))
    assert rows["flexibility_kwh"].sum() > 1.0
    assert np.array_equal(rows["missing_kwh"], missing_by_member_kwh(told.field, told.day.done))


def test_what_did_not_take_part_is_told_as_nothing(told):
    bare = replace(told.day, tariff=None, market=None, trades=None)
    tables = dict(tables_of(replace(told, day=bare)))
    rows = tables["day_instruments"]
    for name in (
        "tariff_max_per_kwh",
        "flexibility_bought_kw",
        "flexibility_missed_kw",
        "traded_kw",
        "switches_refused",
    ):
        assert rows[name].tolist() == [0.0] * 24
    assert np.asarray(tables["statements"]["bought_locally_kwh"]).tolist() == [0.0] * 8


def test_an_empty_table_is_not_written():
    result = run(day_study(rated_a=400.0, without=["market", "trading"]), "day")
    assert "commitments" not in result.tables and "violations" not in result.tables
    assert "worth" not in result.tables and "statements" in result.tables
