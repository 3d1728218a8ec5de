"""The tables say what the plans, offers and prices are, row by row."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.flexibility import tables
from gridcommons.flexibility.books import verify_awards
from gridcommons.flexibility.day_ahead import Stage, parties, reprofiling_stage, tariff_stage
from gridcommons.flexibility.market import MarketPlace
from gridcommons.flexibility.settings import Settings
from gridcommons.model.flexibility import Rejection
from gridcommons.model.money import Posting
from gridcommons.ports import Engines


@pytest.fixture(scope="module")
def day():
    study = squeezed(0.9)
    settings, view, fleet, plan_kw, state = prepared(study, Settings(offers_per_load_point=2))
    before = Stage("baseline", plan_kw, state)
    made = parties(fleet, plan_kw, settings, study.seed)
    market = MarketPlace(view, fleet, settings, Engines(), before, made, made).run()
    return study, fleet, before, market, verify_awards(market, made, study.profiles)


def written(parts):
    """Tables by name; each once, columns of one length."""
    found = {}
    for name, columns in parts:
        assert name not in found
        assert len({len(values) for values in columns.values()}) == 1, name
        found[name] = columns
    return found


def step_of(study, times):
    return ((times - study.time.stamps()[0]) / np.timedelta64(1, "h")).astype(int)


def test_stage_tables_are_the_load_flow_and_the_plan_row_by_row(day):
    study, fleet, before, *_ = day
    found = written(tables.stage_tables(study, fleet, before))
    voltages, loadings = found["bus_voltages"], found["branch_loadings"]
    for row in (0, 7, 5 * 18 + 3, 5 * 24 - 1):
        step, bus = divmod(row, 5)
        assert voltages["bus"][row] == f"b{bus}" and step_of(study, voltages["time"])[row] == step
        assert voltages["vm_pu"][row] == before.state.vm_pu[step, bus]
    for row in (0, 4 * 18 + 2, 95):
        step, line = divmod(row, 4)
        assert (loadings["branch"][row], loadings["kind"][row]) == (f"line {line}", "line")
        assert loadings["loading_percent"][row] == before.state.loading_percent[step, line]
        assert loadings["p_from_kw"][row] == before.state.flow.p_from_kw()[step, line]
    schedules = found["schedules"]
    states = fleet.chains.states(before.power_kw)
    for row in (0, 24 * 5 + 18, 24 * 30 + 7):
        device, step = divmod(row, 24)
        assert schedules["asset"][row] == fleet.chains.name[device]
        assert schedules["p_kw"][row] == before.power_kw[device, step]
        shown = schedules["energy_kwh" if device < 24 else "temp_c"][row]
        assert shown == states[device, step, 0] and step_of(study, schedules["time"])[row] == step


def test_violations_say_by_how_much_and_whose_load_it_is(day):
    study, fleet, before, *_ = day
    found = written(tables.stage_tables(study, fleet, before))
    rows, state = found["violations"], before.state
    assert rows["element"].tolist() == ["line 0"] * 2 and step_of(study, rows["time"]).tolist() == [17, 18]
    for row, step in enumerate((17, 18)):
        assert rows["value"][row] == state.loading_percent[step, 0] and rows["limit"][row] == 100.0
        assert rows["excess"][row] == pytest.approx(state.loading_percent[step, 0] - 100.0)
        assert rows["excess_kw"][row] == pytest.approx(
            state.carried_kw[step, 0] - state.view.limit_kw[step, 0]
        )
    causes = found["violation_causes"]
    assert causes["party"].tolist() == ["fixed load", "ag0", "ag1", "ag2", "ag3"] * 2
    at_18 = slice(5, 10)
    mine = [np.array(fleet.aggregator) == f"ag{k}" for k in range(4)]
    by_hand = [fleet.fixed_kw[:, 18].sum(), *(before.power_kw[which, 18].sum() for which in mine)]
    np.testing.assert_allclose(causes["load_kw"][at_18], by_hand, rtol=1e-9)
    np.testing.assert_allclose(causes["load_share"][at_18], np.array(by_hand) / sum(by_hand), rtol=1e-9)


def test_market_tables_are_requirement_offers_and_awards_row_by_row(day):
    study, fleet, _, market, verified = day
    book = replace(market.book, rejections=(Rejection("o", "ag9", "asks too much"),))
    found = written(tables.market_tables(study, fleet, replace(market, book=book), verified))
    asked = found["flexibility_requirements"]
    for bus, step, least, most in zip(
        asked["bus"], step_of(study, asked["time"]), asked["least_kw"], asked["most_kw"], strict=True
    ):
        point = market.requirement.bus.index(bus)
        assert least == market.requirement.least_kw[point, step] > 0.0
        assert most == market.requirement.most_kw[point, step]
    assert len(asked["bus"]) == 4
    needs = found["flexibility_needs"]
    assert needs["buses"].tolist() == [2, 2] and needs["element"].tolist() == ["line 0", "line 0"]
    np.testing.assert_array_equal(needs["most_kw"], market.need.most_kw)
    np.testing.assert_array_equal(found["payback_hours"]["is_allowed"], market.requirement.payback_allowed)
    offers = found["offers"]
    total = {}
    for name, less_kw, back_kw in zip(
        offers["offer"], offers["flexibility_kw"], offers["payback_kw"], strict=True
    ):
        before = total.get(name, (0.0, 0.0))
        total[name] = (before[0] + less_kw, before[1] + back_kw)
    expected = {o.offer: (o.flexibility_kw.sum(), o.payback_kw.sum()) for o in market.book.offers}
    assert total == {name: pytest.approx(figures) for name, figures in expected.items()}
    assert [found["rejections"][name].tolist() for name in ("offer", "aggregator", "reason")] == [
        ["o"],
        ["ag9"],
        ["asks too much"],
    ]
    awards = found["awards"]
    for name, step, share, less_kw, back_kw in zip(
        awards["offer"], step_of(study, awards["time"]), awards["share"], awards["quantity_kw"],
        awards["payback_kw"], strict=True,
    ):  # fmt: skip
        offer = next(offer for offer in market.book.offers if offer.offer == name)
        row = market.clearing.offers.index(name)
        assert share == market.clearing.shares[row, step] and less_kw == share * offer.flexibility_kw[step]
        assert (back_kw > 0.0) == (offer.payback_kw[step] > 0.0)
    prices = found["flexibility_prices"]
    for bus, step, price in zip(
        prices["bus"], step_of(study, prices["time"]), prices["price_per_kwh"], strict=True
    ):
        assert price == market.clearing.price_per_kwh[market.clearing.bus.index(bus), step] != 0.0
    delivered = found["deliveries"]
    assert len(delivered["bus"]) == sum((each.award.obligation.less_kw > 0.0).sum() for each in verified)
    assert delivered["ordered_kw"].sum() == pytest.approx(
        sum(each.award.obligation.less_kw.sum() for each in verified)
    )
    np.testing.assert_array_equal(found["admm_rounds"]["round"], market.clearing.rounds.round)
    assert len(found["shortages"]["missing_kw"]) == len(market.shortages)


def test_least_and_most_of_a_low_voltage_are_told_apart():
    *_, state = prepared(flexibility_study())
    study = flexibility_study(vm_band=(float(state.vm_pu.min()) + 1e-4 - 0.01, 1.1))
    settings, view, fleet, plan_kw, state = prepared(study)
    made = parties(fleet, plan_kw, settings, study.seed)
    before = Stage("baseline", plan_kw, state)
    market = MarketPlace(view, fleet, settings, Engines(), before, made, made).run()
    found = written(tables.market_tables(study, fleet, market, ()))
    for name, figures in (
        ("flexibility_requirements", market.requirement),
        ("flexibility_needs", market.need),
    ):
        table = found[name]
        assert (table["most_kw"] > table["least_kw"] + 1.0).all()
        assert table["least_kw"].sum() == pytest.approx(figures.least_kw.sum())
        assert table["most_kw"].sum() == pytest.approx(figures.most_kw.sum())


def test_tariff_and_re_profiling_tables_are_prices_and_calls():
    study = squeezed(0.85, reprofiling=True)
    settings, view, fleet, plan_kw, state = prepared(study)
    before = Stage("baseline", plan_kw, state)
    tariff = tariff_stage(view, fleet, settings, before, study.seed, lambda advance: None)
    done = reprofiling_stage(view, fleet, settings, tariff.stage)
    parts = list(tables.tariff_tables(study, fleet, tariff, "relaxed"))
    assert [name for name, _ in parts] == ["dynamic_tariffs", "limit_prices"] * 2
    rates = parts[2][1]
    assert set(rates["scheme"]) == {"relaxed"} and set(parts[0][1]["scheme"]) == {"plain"}
    np.testing.assert_array_equal(rates["tariff_per_kwh"].reshape(4, 24), tariff.published.tariff_per_kwh)
    prices = parts[3][1]
    # The bus below one priced line pays its price: line 0 is above all.
    for step, price, element in zip(
        step_of(study, prices["time"]), prices["price_per_kwh"], prices["element"], strict=True
    ):
        assert element == "line 0"
        np.testing.assert_allclose(tariff.published.tariff_per_kwh[:, step], price, atol=1e-6)
    capped = prices["slack_kw"] > 0.1
    assert capped.any() and np.allclose(prices["price_per_kwh"][capped], 2.0, atol=1e-3)
    calls = written(tables.reprofiling_tables(study, fleet, done))["reprofiling_calls"]
    assert calls["quantity_kw"].sum() == pytest.approx(done.call.quantity_kw.sum())
    np.testing.assert_allclose(calls["amount"], calls["quantity_kw"] * calls["price_per_kwh"])
    members = {"b3": 6, "b4": 6}
    for bus, quantity, price in zip(calls["bus"], calls["quantity_kw"], calls["price_per_kwh"], strict=True):
        # q = e π, with e of 0.05 a customer.
        assert quantity == pytest.approx(0.05 * members[bus] * price)


def test_money_is_written_as_posted():
    postings = [Posting("a", "b", "x", Decimal("-1.10")), Posting("b", "a", "x", Decimal("1.10"))]
    table = tables.money_table(postings)
    assert {name: values.tolist() for name, values in table.items()} == {
        "party": ["a", "b"],
        "counterparty": ["b", "a"],
        "item": ["x", "x"],
        "amount": [-1.1, 1.1],
    }


def test_a_stage_without_violations_has_no_table_of_them(day):
    study, fleet, before, *_ = day
    calm = squeezed(1.5)
    *_, calm_fleet, plan_kw, state = prepared(calm)
    found = written(tables.stage_tables(calm, calm_fleet, Stage("baseline", plan_kw, state)))
    assert set(found) == {"bus_voltages", "branch_loadings", "schedules", "aggregator_plans"}
    assert "violations" in written(tables.stage_tables(study, fleet, before))
