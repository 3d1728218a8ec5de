"""The operating day of the packaged example and of others, run as a user would: what must be seen in it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from decimal import Decimal

import numpy as np
import pytest

import gridcommons as gc
from command_line import CODE, gridcommons

pytestmark = pytest.mark.slow

STAGES_KEPT = 3
"""Outcomes that a killed day has kept before it is killed."""


@pytest.fixture(scope="module")
def folder(examples, tmp_path_factory):
    out = tmp_path_factory.mktemp("schutterwald_day") / "out"
    gridcommons("day", examples / "schutterwald_day", "--out", out)
    return out


@pytest.fixture(scope="module")
def day(folder):
    return gc.read_result(folder)


class TestTheDayOfSchutterwald:
    def test_what_was_going_to_break_is_broken_by_plans_and_not_by_the_day(self, day):
        summary = day.summary
        assert summary["broken_baseline"] > 0 and summary["worst_loading_baseline_percent"] > 100.0
        assert summary["broken_alone"] > 0
        assert summary["broken"] == 0 and summary["worst_loading_percent"] < 70.0 + 0.5

    def test_every_limit_that_is_broken_has_a_cause(self, day):
        rows = day.tables["violations"]
        realised = rows[rows["scenario"] == "realised"]
        assert (realised["cause"].astype(str) != "").all()
        loading = realised[realised["kind"] == "loading_max_percent"]
        assert (loading["excess"] <= 0.5).all()

    def test_postings_sum_to_zero_to_the_last_cent_and_so_does_the_pool(self, day):
        rows = day.tables["postings"]
        cents = [Decimal(f"{amount:.2f}") for amount in rows["amount"]]
        assert sum(cents) == 0
        pool = [cent for cent, party in zip(cents, rows["party"], strict=True) if party == "community pool"]
        assert len(pool) > 100 and sum(pool) == 0

    def test_hardly_anybody_pays_more_than_without_the_community_and_the_report_says_who(self, day, folder):
        statements = day.tables["statements"]
        assert len(statements) == 319
        dearer = statements[statements["saved"] < -0.025]
        assert len(dearer) == day.summary["members_worse_off"] <= 3 and (dearer["saved"] > -1.0).all()
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert all(name in page for name in dearer["member"].astype(str))
        assert statements["saved"].sum() == pytest.approx(
            day.summary["cost_alone"] - day.summary["cost"], abs=1e-6
        )

    def test_what_devices_did_is_inside_their_envelopes_and_what_they_sold(self, day):
        rows = day.tables["day_envelopes"]
        assert (rows["p_kw"] <= rows["p_max_kw"] + 1e-6).all()
        assert (rows["p_kw"] >= rows["p_min_kw"] - 1e-6).all()
        sold = day.tables["commitments"]
        assert not sold.duplicated(["reference", "time"]).any()
        assert (sold["quantity"] > 0.0).all() and set(sold["stage"].astype(str)) == {"market", "trading"}

    def test_each_instrument_takes_something_away(self, day):
        worth = day.tables["worth"].set_index("day")
        assert worth.loc["none", "broken"] > 0 and worth.loc["all", "broken"] == 0
        assert worth.loc["all but envelopes", "broken"] > 0
        assert worth.loc["all", "missing_kwh"] < worth.loc["envelopes alone", "missing_kwh"]
        assert worth.loc["all", "held_back_kwh"] < worth.loc["all but tariff", "held_back_kwh"]
        assert worth.loc["market alone", "worst_loading_percent"] < worth.loc["none", "worst_loading_percent"]

    def test_killed_after_some_stages_it_goes_on_to_the_same_bytes(self, folder, examples, tmp_path):
        out = tmp_path / "out"
        arguments = ["day", examples / "schutterwald_day", "--out", out]
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(1200):
            if len(list(tmp_path.glob(".out.runs/*.npz"))) >= STAGES_KEPT:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        assert not (out / "summary.json").exists()
        gridcommons(*arguments)
        names = sorted(path.name for path in folder.iterdir())
        assert names == sorted(path.name for path in out.iterdir())
        assert [name for name in names if (folder / name).read_bytes() != (out / name).read_bytes()] == []


@pytest.mark.parametrize(
    ("name", "instruments"),
    [
        ("ieee123_weekday", ["switching", "trading"]),
        ("campus_low_voltage", ["reactive", "control", "trading"]),
        ("rural_day", ["control", "envelopes"]),
        ("chain", ["envelopes"]),
    ],
)
def test_other_studies_run_with_the_stages_that_apply(name, instruments, examples, tmp_path):
    gridcommons("day", examples / name, "--out", tmp_path / "out")
    result = gc.read_result(tmp_path / "out")
    assert result.summary["instruments"] == instruments
    assert result.summary.get("postings_sum", 0.0) == 0.0
    if "violations" in result.tables:
        rows = result.tables["violations"]
        assert (rows.loc[rows["scenario"] == "realised", "cause"].astype(str) != "").all()


def test_reactive_power_is_bought_where_a_voltage_is_out(examples, tmp_path):
    gridcommons("day", examples / "campus_low_voltage", "--out", tmp_path / "out")
    with_it = gc.read_result(tmp_path / "out")
    gridcommons(
        "day", examples / "campus_low_voltage", "--out", tmp_path / "without", "--without", "reactive"
    )
    without = gc.read_result(tmp_path / "without")
    assert with_it.summary["reactive_bought_kvarh"] > 0.0 == without.summary["reactive_bought_kvarh"]
    paid = with_it.tables["postings"]
    mine = paid[(paid["item"] == "reactive power") & (paid["party"] != "DSO")]
    assert len(mine) and (mine["amount"] > 0.0).all()
    least = [
        each.tables["bus_voltages"].query("scenario == 'realised'")["vm_pu"].min()
        for each in (with_it, without)
    ]
    assert least[0] > least[1]


def test_switches_of_a_feeder_bring_its_exchange_down(examples, tmp_path):
    """The three-phase feeder of 123 nodes: trades stay inside where switches join who has with who lacks."""
    gridcommons("day", examples / "ieee123_weekday", "--out", tmp_path / "out")
    result = gc.read_result(tmp_path / "out")
    states = result.tables["switch_states"]
    assert result.summary["switches_moved"] > 0
    assert states["time"].nunique() > 1
    assert np.isfinite(result.tables["bus_voltages"]["vm_pu"]).mean() > 0.9
