"""The headline figures add up with the tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_study import day_study, random_day_study
from gridcommons.tasks import run

SCENARIOS = {"broken_alone": "alone", "broken_baseline": "baseline", "broken_planned": "planned"}


def counted(tables, scenario):
    """Rows of violations that are more than a trifle."""
    if "violations" not in tables:
        return 0
    rows = tables["violations"]
    rows = rows[rows["scenario"] == scenario]
    trifle = np.where(rows["kind"] == "loading_max_percent", 0.5, 1e-3)
    return int((rows["excess"] > trifle).sum())


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_the_summary_adds_up_with_the_tables(seed):
    study = random_day_study(seed)
    result = run(study, "day")
    tables, summary = result.tables, result.summary
    for key, scenario in (SCENARIOS | {"broken": "realised"}).items():
        assert summary[key] == counted(tables, scenario)
    loading = tables["branch_loadings"].groupby("scenario", observed=True)["loading_percent"].max()
    assert summary["worst_loading_percent"] == loading["realised"]
    assert summary["worst_loading_alone_percent"] == loading["alone"]
    assert summary["worst_loading_baseline_percent"] == loading["baseline"]
    power = tables["day_power"].groupby(["scenario", "time"], observed=True)["p_kw"].sum()
    assert summary["peak_kw"] == pytest.approx(power["realised"].max())
    assert summary["peak_alone_kw"] == pytest.approx(power["alone"].max())
    each, members = tables["day_instruments"], tables["statements"]
    assert summary["held_back_kwh"] == pytest.approx(each["held_back_kw"].sum())
    assert summary["flexibility_bought_kwh"] == pytest.approx(each["flexibility_bought_kw"].sum())
    assert summary["flexibility_missed_kwh"] == pytest.approx(each["flexibility_missed_kw"].sum())
    assert summary["traded_kwh"] == pytest.approx(members["bought_locally_kwh"].sum())
    assert summary["missing_kwh"] == pytest.approx(members["missing_kwh"].sum())
    assert summary["cost"] == pytest.approx(members["cost"].sum())
    assert summary["cost_alone"] == pytest.approx(members["cost_alone"].sum())
    assert summary["members"] == len(members)
    dearer = members["cost"] - members["cost_alone"]
    assert summary["members_worse_off"] == int((dearer > 0.025).sum())
    assert summary["worst_loss"] == pytest.approx(max(dearer.max(), 0.0))
    postings = tables["postings"]
    assert summary["postings_sum"] == 0.0
    assert summary["operator_gets"] == pytest.approx(postings.amount[postings.party == "DSO"].sum())
    of_market = postings[(postings.party == "DSO") & postings.item.isin(["flexibility", "penalty"])]
    assert summary["flexibility_paid"] == pytest.approx(-of_market.amount.sum(), abs=0.05)


def test_an_instrument_that_took_no_part_did_nothing():
    summary = run(day_study(without=["market", "trading"]), "day").summary
    assert summary["instruments"] == ["tariff", "control", "envelopes"]
    assert summary["flexibility_bought_kwh"] == summary["flexibility_paid"] == summary["traded_kwh"] == 0.0


def test_a_day_without_prices_has_no_money():
    summary = run(replace(day_study(), prices=None), "day").summary
    assert summary["settled"] is False and "cost" not in summary and summary["members"] == 8
