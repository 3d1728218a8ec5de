"""The task as a whole: limits hold by a load flow of the tests' own, money adds up, reruns agree."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd
import pytest

from dense_load_flow import branch_currents_ka, solve
from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.adapters.loopback_parties import loopback_process
from gridcommons.model.errors import InfeasibleError, StudyError
from gridcommons.model.flexibility import Offer
from gridcommons.model.grid import FixedInjections
from gridcommons.tasks import default_engines, run

MARKET = {"instruments": ["market"]}
ALL = {"reprofiling": True, "homes": 32}


def answer(study, **engines):
    """The result, with texts as such instead of categories."""
    result = run(study, "flexibility", default_engines(**engines))
    return replace(result, tables={name: plain(table) for name, table in result.tables.items()})


def plain(table):
    return table.astype({name: object for name in table if table[name].dtype == "category"})


def loads(study, result, scenario):
    """Load of every bus and hour, from the schedules that were written and the fixed profiles alone."""
    schedules = result.tables["schedules"]
    schedules = schedules[schedules["scenario"] == scenario]
    bus_of = {member.member: int(member.bus[1]) for member in study.community.members}
    member_of = {asset.asset: asset.member for asset in study.community.assets}
    load_kw = np.zeros((5, 24))
    for asset, rows in schedules.groupby("asset"):
        load_kw[bus_of[member_of[asset]]] += rows.sort_values("time")["p_kw"].to_numpy()
    for bus in (1, 2, 3, 4):
        load_kw[bus] += study.profiles.columns[f"load{bus}"]
    return load_kw


def flows(study, load_kw):
    """Voltages and excess of each line over its limit, hour by hour, by a dense Newton load flow."""
    names, buses = tuple("abcde"), np.arange(5)
    vm_pu, over_kw = np.zeros((24, 5)), np.zeros((24, 4))
    for step in range(24):
        fixed = FixedInjections(names, buses, load_kw[:, step], np.zeros(5))
        grid = replace(study.grid, fixed=fixed)
        v = solve(grid)
        vm_pu[step] = np.abs(v)
        over_ka = branch_currents_ka(grid, v).max(axis=1) - grid.branches.i_max_from_ka
        over_kw[step] = over_ka * np.sqrt(3.0) * 11.0 * 1e3
    return vm_pu, over_kw


CASES = {
    "market": lambda: squeezed(0.93, **MARKET),
    "two hours": lambda: squeezed(0.85, line=2, homes=40, **MARKET),
    "per hour": lambda: squeezed(0.85, line=2, homes=40, shares="per_hour", **MARKET),
    "increments": lambda: squeezed(0.9, line=3, offers_per_load_point=3, **MARKET),
    "central": lambda: squeezed(0.95, clearing="central", **MARKET),
    "as clear": lambda: squeezed(0.95, payment="as_clear", **MARKET),
    "all": lambda: squeezed(0.9, **ALL),
    "all three buy": lambda: squeezed(0.78, tariff_cap_per_kwh=0.02, **ALL),
    "tariff and market": lambda: squeezed(
        0.84, homes=40, instruments=["tariff", "market"], tariff_cap_per_kwh=0.05, payback_margin_share=0.0
    ),
    "reprofiling": lambda: squeezed(0.97, instruments=["reprofiling"], **ALL),
}


@cache
def case_of(name):
    study = CASES[name]()
    return study, answer(study)


@pytest.fixture(params=list(CASES))
def done(request):
    return case_of(request.param)


@pytest.fixture(params=[name for name in CASES if name not in ("all", "reprofiling")])
def bought(request):
    """Those in which the market buys something."""
    return case_of(request.param)


def test_the_last_plan_holds_every_limit_by_a_load_flow_of_our_own(done):
    study, result = done
    stages = result.summary["stages"]
    _, before_kw = flows(study, loads(study, result, "baseline"))
    vm_pu, after_kw = flows(study, loads(study, result, stages[-1]))
    assert before_kw.max() > 1.0
    assert after_kw.max() <= 0.1
    assert result.summary["violations"][stages[-1]] == 0 < result.summary["violations"]["baseline"]
    assert (vm_pu[:, 1:] >= 0.9).all()
    shown = result.tables["bus_voltages"]
    shown = shown[shown["scenario"] == stages[-1]]["vm_pu"].to_numpy().reshape(24, 5)
    np.testing.assert_allclose(shown, vm_pu, atol=1e-7)
    assert result.summary["worst_device_breach"] <= 1.1e-4
    assert result.summary.get("linear_vm_error_pu", 0.0) <= 0.005
    assert result.summary.get("clearing_shortages", []) == []


def test_money_adds_up_to_nothing(done):
    _, result = done
    rows = result.tables["settlement"]
    cents = [Decimal(repr(amount)) for amount in rows["amount"]]
    assert sum(cents) == 0 and len(cents) > 0
    assert all(amount == amount.quantize(Decimal("0.01")) for amount in cents)
    for _, pair in rows.groupby(
        rows.apply(lambda r: (*sorted((r["party"], r["counterparty"])), r["item"]), axis=1)
    ):
        assert sum(Decimal(repr(amount)) for amount in pair["amount"]) == 0
    balances = result.summary["balances"]
    for party, group in rows.groupby("party"):
        assert float(sum(Decimal(repr(amount)) for amount in group["amount"])) == balances[party]
    assert sum(Decimal(repr(amount)) for amount in balances.values()) == 0


def test_what_the_dso_pays_for_the_market_is_what_the_others_get(bought):
    study, result = bought
    rows = result.tables["settlement"]
    market = rows[
        rows["item"].isin(["flexibility", "penalty", "discomfort and share", "energy compensation"])
    ]
    total = {}
    for party, amount in zip(market["party"], market["amount"], strict=True):
        total[party] = total.get(party, Decimal(0)) + Decimal(repr(amount))
    margins = [amount for party, amount in total.items() if party.startswith("ag")]
    customers = [amount for party, amount in total.items() if party.startswith("customers")]
    assert -total["DSO"] == sum(margins) + sum(customers)
    assert min(margins) >= 0 and min(customers) > 0
    awards = result.tables["awards"].merge(
        result.tables["offers"][["offer", "time", "price_per_kwh"]], on=["offer", "time"]
    )
    worth = float((awards["quantity_kw"] * awards["price_per_kwh"]).sum())
    assert float(-total["DSO"]) >= worth - 0.02
    if study.tasks["flexibility"].get("payment") != "as_clear":
        assert float(-total["DSO"]) == pytest.approx(worth, abs=0.01 * len(margins))
        assert result.summary["flexibility_cost"] == pytest.approx(worth, rel=1e-6)


def test_awards_never_exceed_offers(bought):
    _, result = bought
    offers = result.tables["offers"].set_index(["offer", "time"])
    awards = result.tables["awards"].set_index(["offer", "time"])
    assert awards.index.is_unique and set(awards.index) <= set(offers.index)
    beside = offers.loc[awards.index]
    assert (awards["quantity_kw"] <= beside["flexibility_kw"] + 1e-9).all()
    assert (awards["payback_kw"] <= beside["payback_kw"] + 1e-9).all()
    assert (awards["share"].between(0.0, 1.0 + 1e-12)).all()
    np.testing.assert_allclose(awards["quantity_kw"], awards["share"] * beside["flexibility_kw"], atol=1e-9)
    delivered = result.tables["deliveries"]
    np.testing.assert_allclose(delivered["ordered_kw"].sum(), awards["quantity_kw"].sum(), rtol=1e-9)
    np.testing.assert_allclose(delivered["delivered_kw"] + delivered["missing_kw"], delivered["ordered_kw"])
    assert result.summary["flexibility_ordered_kw"] == pytest.approx(delivered["ordered_kw"].sum())


def test_payback_is_taken_at_hours_allowed_and_nowhere_congested(bought):
    _, result = bought
    allowed = result.tables["payback_hours"].set_index("time")["is_allowed"]
    needs = set(result.tables["flexibility_needs"]["time"])
    offers = result.tables["offers"]
    back = offers[offers["payback_kw"] > 0.0]
    assert len(back) and allowed.loc[back["time"]].all() and not set(back["time"]) & needs
    assert not allowed.loc[list(needs)].any()
    assert set(offers[offers["flexibility_kw"] > 0.0]["time"]) <= needs
    by_offer = offers.groupby("offer")[["flexibility_kw", "payback_kw"]].sum()
    assert (by_offer["payback_kw"] <= 1.5 * by_offer["flexibility_kw"] + 1e-4).all()


def test_tables_have_columns_of_one_length_and_the_summary_is_json(done):
    _, result = done
    for name, table in result.tables.items():
        assert isinstance(table, pd.DataFrame) and len(table) > 0, name
        assert len({len(table[column]) for column in table.columns}) == 1
        for column in table.columns:
            # NaN stands where a column does not apply, never in a whole table's figures.
            if table[column].dtype.kind == "f" and column not in ("energy_kwh", "temp_c", "excess_kw"):
                assert np.isfinite(table[column]).all() or name in ("advice", "members", "assets", "buses"), (
                    name,
                    column,
                )
    again = json.loads(json.dumps(result.summary, allow_nan=False))
    assert again == json.loads(json.dumps(again)) and set(again) == set(result.summary)


def test_schedules_and_plans_say_the_same(done):
    study, result = done
    for scenario in result.summary["stages"]:
        schedules, plans = (
            result.tables[name][result.tables[name]["scenario"] == scenario]
            for name in ("schedules", "aggregator_plans")
        )
        assert len(schedules) == 24 * result.summary["devices"]
        total = schedules.groupby("time")["p_kw"].sum()
        np.testing.assert_allclose(plans.groupby("time")["p_kw"].sum(), total, atol=1e-9)
        cars = schedules["asset"].str.startswith("car")
        assert schedules.loc[cars, "energy_kwh"].between(5.0 - 1.1e-4, 21.25 + 1.1e-4).all()
        assert schedules.loc[~cars, "temp_c"].between(20.0 - 1.1e-4, 24.0 + 1.1e-4).all()
        assert schedules.loc[cars, "temp_c"].isna().all() and schedules.loc[~cars, "energy_kwh"].isna().all()
    assert study.time.steps == 24


@pytest.mark.parametrize("case", ["per hour", "all"])
def test_a_rerun_gives_the_same_bytes_in_every_table(case):
    one, two = (answer(CASES[case]()) for _ in range(2))
    assert list(one.tables) == list(two.tables)
    for name in one.tables:
        assert one.tables[name].to_csv().encode() == two.tables[name].to_csv().encode(), name
        for column in one.tables[name].columns:
            if one.tables[name][column].dtype.kind == "f":
                left, right = (result.tables[name][column].to_numpy().tobytes() for result in (one, two))
                assert left == right, (name, column)
    assert one.summary == two.summary


def test_two_processes_give_the_tables_of_one():
    one = answer(CASES["two hours"]())
    study = squeezed(0.85, line=2, homes=40, parties="two_processes", **MARKET)
    two = answer(study, other_process=loopback_process)
    for name in one.tables:
        pd.testing.assert_frame_equal(one.tables[name], two.tables[name], check_exact=True)
    assert one.summary == two.summary


def test_central_and_admm_cost_the_same():
    for changes in ({}, {"shares": "per_hour"}):
        admm, central = (
            answer(squeezed(0.85, line=2, homes=40, clearing=clearing, **changes, **MARKET)).summary
            for clearing in ("admm", "central")
        )
        assert admm["flexibility_cost"] == pytest.approx(central["flexibility_cost"], rel=1e-3)
        assert admm["clearing_rounds"] > 0 == central["clearing_rounds"]


def test_the_market_price_pays_at_least_the_bids():
    as_bid, as_clear = (
        answer(squeezed(0.95, payment=payment, offers_per_load_point=2, **MARKET)).summary
        for payment in ("as_bid", "as_clear")
    )
    assert as_clear["flexibility_cost"] == as_bid["flexibility_cost"]
    assert -as_clear["balances"]["DSO"] > -as_bid["balances"]["DSO"] + 0.5


def test_what_is_missing_is_named_with_element_and_interval_and_the_run_ends():
    result = answer(squeezed(0.85, **MARKET))
    said = result.summary["clearing_shortages"]
    assert len(said) == 2
    shortages = result.tables["shortages"]
    for text, (_, row) in zip(said, shortages.iterrows(), strict=True):
        at = pd.Timestamp(row["time"])
        assert text == f"line 0 at {at:%Y-%m-%d %H:%M} lacks {row['missing_kw']:.1f} kW ({row['kind']})"
        assert row["element"] == "line 0"
    left = result.tables["violations"]
    left = left[left["scenario"] == "market"]
    assert left["element"].tolist() == ["line 0", "line 0"]
    np.testing.assert_allclose(left["excess_kw"], shortages["missing_kw"], atol=1.0)
    assert result.summary["worst_excess_kw"]["market"] == pytest.approx(left["excess_kw"].max())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instruments": ["reprofiling"]}, "no member with a flexible device has the contract 'reprofiling'"),
        ({}, "no member with a flexible device has the contract 'reprofiling'"),
    ],
)
def test_an_instrument_that_nobody_can_answer_is_refused(changes, said):
    with pytest.raises(InfeasibleError, match=said):
        answer(flexibility_study(homes=4, **changes))


def test_a_market_where_all_are_under_contract_is_refused():
    study = flexibility_study(homes=4, reprofiling=True, **MARKET)
    members = tuple(
        replace(member, contract="reprofiling") if member.aggregator else member
        for member in study.community.members
    )
    study = replace(study, community=replace(study.community, members=members))
    with pytest.raises(InfeasibleError, match="every member with a flexible device is under contract"):
        answer(study)
    called = replace(study, tasks={"flexibility": {"instruments": ["reprofiling"]}})
    assert answer(called).summary["stages"] == ["baseline", "reprofiling"]


def test_a_study_of_fixed_load_alone_is_refused():
    with pytest.raises(StudyError, match="flexible cars or heat pumps of members with an aggregator"):
        answer(flexibility_study(homes=0, **MARKET))


def test_a_supplier_who_aggregates_is_named():
    study = squeezed(0.95, **MARKET)
    assert answer(study).summary["suppliers_that_aggregate"] == []
    members = tuple(
        replace(member, supplier={"ag1": "ag3", "ag2": "ag0"}.get(member.aggregator, member.supplier))
        for member in study.community.members
    )
    study = replace(study, community=replace(study.community, members=members))
    assert answer(study).summary["suppliers_that_aggregate"] == ["ag0", "ag3"]


def test_instruments_are_used_in_their_order_each_on_the_plan_before():
    study = squeezed(0.9, **ALL)
    tasks = {"flexibility": {"instruments": ["market", "reprofiling", "tariff"]}}
    result = answer(replace(study, tasks=tasks))
    assert result.summary["stages"] == ["baseline", "tariff", "reprofiling", "market"]
    tariff_alone = answer(replace(study, tasks={"flexibility": {"instruments": ["tariff"]}}))
    for scenario in ("baseline", "tariff"):
        left, right = (
            each.tables["schedules"].set_index("scenario").loc[scenario, "p_kw"].to_numpy()
            for each in (result, tariff_alone)
        )
        np.testing.assert_array_equal(left, right)


def test_meters_of_the_day_are_paid_by():
    study = squeezed(0.95, **MARKET)
    planned = answer(study)
    schedules = planned.tables["schedules"].pivot(index=["asset", "time"], columns="scenario", values="p_kw")
    columns = dict(study.profiles.columns)
    for asset, rows in schedules.groupby(level=0):
        columns[f"{asset}.metered_kw"] = (0.5 * rows["baseline"] + 0.5 * rows["market"]).to_numpy()
    metered = answer(replace(study, profiles=replace(study.profiles, columns=columns)))
    assert metered.summary["is_metered"] and not planned.summary["is_metered"]
    ordered = planned.summary["flexibility_ordered_kw"]
    assert metered.summary["flexibility_missing_kw"] == pytest.approx(0.5 * ordered, rel=1e-3)

    def paid(result, item):
        rows = result.tables["settlement"]
        return -float(rows[(rows["item"] == item) & (rows["amount"] < 0)]["amount"].sum())

    assert paid(metered, "flexibility") == pytest.approx(0.5 * paid(planned, "flexibility"), rel=2e-3)
    assert paid(metered, "penalty") == pytest.approx(2.0 * 0.5 * ordered, rel=2e-3)
    assert metered.tables["deliveries"]["is_metered"].all()
    # Of one car of one aggregator there is no meter: its award is paid by its schedule, the others by theirs.
    del columns["car0.metered_kw"]
    partly = answer(replace(study, profiles=replace(study.profiles, columns=columns)))
    assert not partly.summary["is_metered"] and partly.tables["deliveries"]["is_metered"].any()


def test_advice_is_by_the_baseline_of_each_member_against_its_cluster():
    study = flexibility_study(homes=6, **MARKET)
    members = tuple(
        replace(member, cluster="even" if member.member in ("home0", "home2", "home4") else "")
        for member in study.community.members
    )
    study = replace(study, community=replace(study.community, members=members))
    result = answer(study)
    advice = result.tables["advice"].set_index("member")
    *_, plan_kw, _ = prepared(study)
    fleet = prepared(study)[2]
    for home in range(6):
        mine = [device for device in range(len(fleet)) if fleet.member[device] == f"home{home}"]
        assert advice.loc[f"home{home}", "consumption_kwh"] == pytest.approx(plan_kw[mine].sum())
    assert advice.loc["fixed2", "consumption_kwh"] == pytest.approx(study.profiles.columns["load2"].sum())
    even = advice[advice["group"] == "even"]
    assert sorted(even["rank"]) == [1, 2, 3] and (even["group_size"] == 3).all()
    assert (advice["group"] == "all").sum() == 7
    assert result.summary["advised_saving"] == pytest.approx(advice["saving"].sum())


def test_offers_that_were_sent_with_the_study_stand_for_their_aggregator():
    study = squeezed(0.95, **MARKET)
    own = answer(study)
    asked = own.tables["flexibility_requirements"]
    less_kw = np.zeros(24)
    less_kw[18] = 10.0
    sent = Offer(
        offer="mine",
        aggregator="ag1",
        bus="b4",
        price_per_kwh=0.05,
        flexibility_kw=less_kw,
        payback_kw=np.roll(less_kw, 3),
    )
    result = answer(replace(study, offers=(sent,)))
    offers = result.tables["offers"]
    assert offers[offers["aggregator"] == "ag1"]["offer"].unique().tolist() == ["mine"]
    others = own.tables["offers"].query("aggregator != 'ag1'").reset_index(drop=True)
    left = offers[offers["aggregator"] != "ag1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(left, others)
    awards = result.tables["awards"].set_index("offer")
    # The cheapest by far is taken whole, and bound to the table that was published.
    assert awards.loc["mine", "quantity_kw"].max() == pytest.approx(10.0, abs=0.05)
    assert (asked["bus"] == "b4").any()
