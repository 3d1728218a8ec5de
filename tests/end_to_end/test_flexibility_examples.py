"""The examples of flexibility, run as a user would, held against what their source shows and against laws."""

from __future__ import annotations

import shutil
from decimal import Decimal

import numpy as np
import pytest

import gridcommons as gc
from command_line import gridcommons
from gridcommons.flexibility.check import view_grid
from gridcommons.flexibility.coordination import METHODS, Trials, coordinate
from gridcommons.flexibility.dynamic_tariff import TariffProblem
from gridcommons.flexibility.fleet import make_fleet
from gridcommons.flexibility.settings import Settings
from gridcommons.model.settings import read_settings

OVER_KW = 0.1
"""What a line may be over its limit in the AC load flow of a final plan."""


def run(study, out):
    gridcommons("run", study, "--task", "flexibility", "--out", out)
    return gc.read_result(out)


@pytest.fixture(scope="module")
def case_1(examples, tmp_path_factory):
    return run(examples / "rbts4_tariff_case1", tmp_path_factory.mktemp("case1") / "out")


@pytest.fixture(scope="module")
def case_2(examples, tmp_path_factory):
    return run(examples / "rbts4_tariff_case2", tmp_path_factory.mktemp("case2") / "out")


@pytest.fixture(scope="module")
def market(examples, tmp_path_factory):
    return run(examples / "rbts4_market", tmp_path_factory.mktemp("market") / "out")


@pytest.fixture(scope="module")
def village(examples, tmp_path_factory):
    return run(examples / "schutterwald_market", tmp_path_factory.mktemp("village") / "out")


def rows(result, table, **where):
    found = result.tables[table]
    for column, value in where.items():
        found = found[found[column].astype(str) == value]
    return found


def settled(result):
    return sum((Decimal(f"{amount:.2f}") for amount in result.tables["settlement"]["amount"]), Decimal(0))


def test_case_1_no_tariff_holds_the_limits_and_the_run_says_where(case_1):
    summary = case_1.summary
    assert summary["plain_tariff_is_feasible"] is False
    assert "L2 at 2021-01-20 17:00 lacks" in summary["plain_tariff_shortfalls"]
    assert summary["tariff_cap_per_kwh"] == 2.0


def test_case_1_asked_for_a_plain_tariff_ends_with_line_hour_and_shortfall(examples, tmp_path):
    study = shutil.copytree(examples / "rbts4_tariff_case1", tmp_path / "study")
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(text.replace('tariff = "relaxed"', 'tariff = "plain"'))
    said = gridcommons("run", study, "--task", "flexibility", "--out", tmp_path / "out", code=3)
    assert "no tariff holds the limits" in said and "L2 at 2021-01-20 17:00 lacks" in said
    assert not (tmp_path / "out").exists()


def test_case_1_the_relaxed_tariff_is_capped_and_is_the_cap_wherever_something_is_left(case_1):
    prices = rows(case_1, "limit_prices", scheme="relaxed")
    assert prices["price_per_kwh"].between(0.0, 2.0 + 1e-6).all()
    left = prices[prices["slack_kw"] > 0.05]
    assert len(left) and np.allclose(left["price_per_kwh"], 2.0, atol=1e-4)
    assert case_1.summary["highest_limit_price_per_kwh"] == pytest.approx(2.0, abs=1e-4)


def test_case_1_after_re_profiling_no_line_is_over_its_limit(case_1):
    assert case_1.summary["worst_excess_kw"]["tariff"] > 10.0
    assert case_1.summary["worst_excess_kw"]["reprofiling"] <= OVER_KW
    assert case_1.summary["violations"]["reprofiling"] == 0


def test_case_2_the_tariff_alone_works_and_the_coordinated_one_is_lower(case_2):
    summary = case_2.summary
    assert summary["plain_tariff_is_feasible"]
    assert summary["highest_tariff_per_kwh"] < 0.7 * summary["highest_plain_tariff_per_kwh"]
    assert abs(summary["tariff_revenue"] - summary["reprofiling_cost"]) <= 1e-3
    assert summary["worst_excess_kw"]["reprofiling"] <= OVER_KW


@pytest.mark.slow
def test_case_2_swarm_and_brent_agree(case_2, examples):
    """The published swarm over the whole bracket, with the limits as they are about what Brent found."""
    study = gc.load_study(examples / "rbts4_tariff_case2")
    settings = read_settings(Settings, study.tasks["flexibility"], "flexibility")
    fleet, view = make_fleet(study, settings), view_grid(study, "helm")
    baseline_kw = fleet.plan(np.tile(fleet.spot_per_kwh, (len(fleet), 1)))
    found = coordinate(
        TariffProblem(view, fleet, settings, baseline_kw), "brent", np.random.default_rng(1)
    ).found
    assert found.cap_per_kwh == pytest.approx(case_2.summary["tariff_cap_per_kwh"], abs=1e-6)
    trials = Trials(found.plan.linear, lambda _: None)
    cap = METHODS["swarm"](trials, 1e-6, 0.5, np.random.default_rng(2))
    assert cap == pytest.approx(found.cap_per_kwh, abs=1e-4)
    assert abs(trials.at(cap).net) <= 1e-3


@pytest.mark.parametrize("case", ["case_1", "case_2"])
def test_aggregators_planning_for_themselves_make_the_plan_of_the_dso(case, request):
    assert request.getfixturevalue(case).summary["decentralised_apart_kw"] <= 0.01


@pytest.mark.parametrize("case", ["case_1", "case_2"])
def test_revenue_is_shadow_price_times_limit(case, request):
    result = request.getfixturevalue(case)
    scheme = "relaxed" if case == "case_1" else "coordinated"
    prices = rows(result, "limit_prices", scheme=scheme)
    total = float((prices["price_per_kwh"] * prices["limit_kw"]).sum())
    assert result.summary["tariff_revenue"] == pytest.approx(total, rel=1e-9)
    # The final plan is at its limits, so that everybody together pays just that by the books.
    paid = rows(result, "settlement", party="DSO", item="tariff")["amount"].sum()
    assert paid == pytest.approx(result.summary["tariff_revenue"], rel=1e-3)


def test_case_2_the_dso_neither_gains_nor_loses_by_the_books(case_2):
    # A cent may be lost or won in rounding with each party.
    assert abs(case_2.summary["balances"]["DSO"]) <= 0.05


def test_market_begins_with_the_printed_congestion(market):
    baseline = rows(market, "violations", scenario="baseline")
    over = {
        (str(row.element), row.time.tz_convert("Europe/Copenhagen").hour + 1): row.excess_kw
        for row in baseline.itertuples()
    }
    for place, printed_kw in ((("L2", 6), 132.8), (("L7", 6), 378.2), (("L7", 16), 86.1)):
        assert over.pop(place) == pytest.approx(printed_kw, abs=0.2)
    assert over == {}
    needs = market.tables["flexibility_needs"].set_index("element")["least_kw"]
    assert needs["LP37"] == pytest.approx(433.4, abs=0.5)
    assert needs["LP23"] == pytest.approx(317.6, abs=0.5)


def test_market_is_a_day_without_congestion(market):
    assert market.summary["violations"] == {"baseline": 3, "market": 0}
    assert market.summary["lowest_vm_pu"]["market"] >= 0.95 - 2e-4
    assert market.summary["clearing_shortages"] == []


@pytest.mark.parametrize("name", ["market", "village"])
def test_every_accepted_offer_is_delivered_by_devices_within_their_limits(name, request, examples):
    result = request.getfixturevalue(name)
    folder = {"market": "rbts4_market", "village": "schutterwald_market"}[name]
    study = gc.load_study(examples / folder)
    fleet = make_fleet(study, Settings())
    table = rows(result, "schedules", scenario="market")
    steps = study.time.steps
    power_kw = table["p_kw"].to_numpy().reshape(len(fleet), steps)
    assert tuple(table["asset"].astype(str).to_numpy()[::steps]) == fleet.chains.name
    assert fleet.chains.breach(power_kw) <= 1.1e-4
    deliveries = result.tables["deliveries"]
    assert (deliveries["missing_kw"] == 0.0).all()
    before = rows(result, "schedules", scenario="baseline")["p_kw"].to_numpy().reshape(power_kw.shape)
    change_kw = (power_kw - before).sum(axis=0)
    stamps = {stamp: step for step, stamp in enumerate(table["time"].iloc[:steps])}
    ordered_kw = np.zeros(steps)
    for row in deliveries.itertuples():
        ordered_kw[stamps[row.time]] += row.ordered_kw
    asked = ordered_kw > 0.0
    assert np.allclose(-change_kw[asked], ordered_kw[asked], atol=0.5)
    payback = result.tables["payback_hours"]
    allowed = {stamps[row.time] for row in payback.itertuples() if row.is_allowed}
    assert set(np.flatnonzero(change_kw > 0.01)) <= allowed


@pytest.mark.parametrize("name", ["market", "village"])
def test_linear_voltages_are_close_to_the_load_flow_of_the_result(name, request):
    assert 0.0 < request.getfixturevalue(name).summary["linear_vm_error_pu"] <= 0.005


@pytest.mark.parametrize("name", ["case_1", "case_2", "market", "village"])
def test_money_sums_to_exactly_zero(name, request):
    assert settled(request.getfixturevalue(name)) == 0


@pytest.mark.parametrize("name", ["market", "village"])
def test_the_dso_pays_exactly_margins_customers_and_compensation(name, request):
    result = request.getfixturevalue(name)
    balances = {party: Decimal(f"{amount:.2f}") for party, amount in result.summary["balances"].items()}
    cost = -balances.pop("DSO")
    assert cost == sum(balances.values()) and min(balances.values()) >= 0
    assert float(cost) == pytest.approx(result.summary["flexibility_cost"], abs=0.05)


def test_village_is_mended_too(village):
    assert village.summary["violations"]["baseline"] > 0 and village.summary["violations"]["market"] == 0
    assert village.summary["customers"] > 250 and village.summary["rejections"] == 0


def test_two_processes_give_the_bytes_of_one(examples, tmp_path):
    study = shutil.copytree(examples / "schutterwald_market", tmp_path / "study")
    one = run(study, tmp_path / "one")
    with (study / "study.toml").open("a") as file:
        file.write('parties = "two_processes"\n')
    two = run(study, tmp_path / "two")
    for table in ("awards", "admm_rounds", "schedules", "settlement"):
        assert (tmp_path / "one" / f"{table}.parquet").read_bytes() == (
            tmp_path / "two" / f"{table}.parquet"
        ).read_bytes(), table
    assert one.summary == two.summary
